//! Reads conditions and what they compare with.

use jiff::civil;

use super::Parser;
use crate::dqdl::condition::{
    Arithmetic, Comparison, Condition, Date, Duration, DurationUnit, Number, Size, SizeUnit, Test, Text,
};
use crate::dqdl::error::DqdlError;
use crate::dqdl::rule_type::ConditionKind;
use crate::dqdl::token::{Place, Token};

/// What may stand in a condition, before it is known what is compared.
#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Number(Number),
    Null,
    Text(Text),
    /// A variable that stands for several texts.
    Texts(String),
    Date(Date),
    Duration(Duration),
    Size(Size),
}

/// An operand and where it stands.
type Placed = (Operand, Place);

impl Parser {
    pub(super) fn begins_condition(&self) -> bool {
        match self.peek() {
            Token::Symbol(symbol) => Comparison::ALL.iter().any(|comparison| comparison.symbol() == *symbol),
            Token::Word(word) => ["between", "in", "not", "matches"].contains(&word.as_str()),
            _ => false,
        }
    }

    /// A condition of one of these kinds.
    pub(super) fn condition(&mut self, of: &str, kinds: &[ConditionKind]) -> Result<Condition, DqdlError> {
        let place = self.place();
        let not = self.take_word(&["not"]);
        if self.take_word(&["matches"]) {
            if !kinds.contains(&ConditionKind::Text) {
                return Err(place
                    .wrong(format!("`matches` compares texts, and {of} is compared with {}", told(kinds))));
            }
            let pattern = self.quoted("a regular expression in double quotes")?;
            return Ok(Condition::Matches { not, pattern });
        }
        if self.take_word(&["between"]) {
            let low = self.operand()?;
            if !self.take_word(&["and", "AND"]) {
                return Err(self.expected("'and' and the upper bound"));
            }
            let high = self.operand()?;
            return typed(of, kinds, &Test::Between { not, low, high });
        }
        if self.take_word(&["in"]) {
            let values = if *self.peek() == Token::Symbol("$") {
                vec![self.operand()?]
            } else {
                self.list_of_some(Self::operand)?
            };
            return typed(of, kinds, &Test::In { not, values });
        }
        if not {
            return Err(self.expected("'between', 'in' or 'matches' after 'not'"));
        }
        for comparison in Comparison::ALL {
            if self.take_symbol(comparison.symbol()) {
                let operand = self.operand()?;
                return typed(of, kinds, &Test::Is(comparison, operand));
            }
        }
        Err(self.expected("a comparison: = != > >= < <= between, in or matches"))
    }

    fn operand(&mut self) -> Result<Placed, DqdlError> {
        let place = self.place();
        let operand = match self.peek() {
            Token::Quoted(_) => Operand::Text(self.text()?),
            Token::Word(word)
                if matches!(word.as_str(), "empty" | "EMPTY" | "whitespaces_only" | "WHITESPACES_ONLY") =>
            {
                Operand::Text(self.text()?)
            }
            Token::Symbol("$") => {
                let (name, is_one) = self.dereference()?;
                if is_one { Operand::Text(Text::Variable(name)) } else { Operand::Texts(name) }
            }
            Token::Word(word) if word == "now" => Operand::Date(self.now()?),
            Token::Symbol("(") if matches!(self.peek_at(1), Token::Word(word) if word == "now") => {
                self.next();
                let date = self.now_with_offset()?;
                Operand::Date(date)
            }
            _ => self.number_with_unit()?,
        };
        Ok((operand, place))
    }

    /// `now()`.
    fn now(&mut self) -> Result<Date, DqdlError> {
        self.next();
        self.expect("(")?;
        self.expect(")")?;
        if matches!(self.peek(), Token::Symbol("+" | "-")) {
            return Err(self.expected(
                "parentheses around what is reckoned from now, such as `(now() - 3 days)`, before it",
            ));
        }
        Ok(Date::Now(None))
    }

    /// `now() - 3 days)`.
    fn now_with_offset(&mut self) -> Result<Date, DqdlError> {
        self.next();
        self.expect("(")?;
        self.expect(")")?;
        let sign = if self.take_symbol("-") {
            Arithmetic::Minus
        } else if self.take_symbol("+") {
            Arithmetic::Plus
        } else {
            return Err(self.expected("'-' or '+' and a length of time, such as `- 3 days`"));
        };
        let place = self.place();
        let Operand::Duration(duration) = self.number_with_unit()? else {
            return Err(place.wrong("a length of time has a unit: `3 days`, `12 hours` or `30 minutes`"));
        };
        self.expect(")")?;
        Ok(Date::Now(Some((sign, duration))))
    }

    fn number_with_unit(&mut self) -> Result<Operand, DqdlError> {
        let place = self.place();
        let number = self.number()?;
        let unit = match self.peek() {
            Token::Word(unit) => unit.clone(),
            _ => String::new(),
        };
        let duration = DurationUnit::ALL.into_iter().find(|known| known.name() == unit);
        let size = SizeUnit::ALL.into_iter().find(|known| known.name() == unit);
        if duration.is_none() && size.is_none() {
            return Ok(match number {
                Number::Null => Operand::Null,
                number => Operand::Number(number),
            });
        }
        self.next();
        let amount = match &number {
            Number::Literal(digits) => digits.parse().ok().filter(|amount| i32::try_from(*amount).is_ok()),
            _ => None,
        };
        let amount: u32 = amount.ok_or_else(|| {
            place.wrong(format!("before '{unit}' stands a whole number, and at most {}", i32::MAX))
        })?;
        Ok(match (duration, size) {
            (Some(unit), _) => Operand::Duration(Duration { amount, unit }),
            (None, Some(unit)) => Operand::Size(Size { amount, unit }),
            (None, None) => Operand::Number(number),
        })
    }

    /// A number, or several put together from left to right.
    pub(super) fn number(&mut self) -> Result<Number, DqdlError> {
        let mut number = self.atom()?;
        loop {
            let arithmetic =
                Arithmetic::ALL.into_iter().find(|known| *self.peek() == Token::Symbol(known.symbol()));
            let Some(arithmetic) = arithmetic else { return Ok(number) };
            self.next();
            // A chain is as deep as it is long.
            self.chain += 1;
            if self.chain > super::LONGEST_CHAIN {
                return Err(self
                    .place()
                    .wrong(format!("at most {} numbers are put together", super::LONGEST_CHAIN)));
            }
            number = Number::Binary(Box::new(number), arithmetic, Box::new(self.atom()?));
        }
    }

    fn atom(&mut self) -> Result<Number, DqdlError> {
        const EXPECTED: &str = "a number";
        if self.take_symbol("(") {
            let number = self.deeper(Self::number)?;
            self.expect(")")?;
            return Ok(number);
        }
        if self.take_symbol("-") {
            return match self.peek() {
                Token::Word(word) if is_number(word) => {
                    let number = Number::Literal(format!("-{word}"));
                    self.next();
                    Ok(number)
                }
                _ => Err(self.expected(EXPECTED)),
            };
        }
        if self.take_word(&["null", "NULL"]) {
            return Ok(Number::Null);
        }
        let Token::Word(word) = self.peek() else { return Err(self.expected(EXPECTED)) };
        let word = word.clone();
        if is_number(&word) {
            self.next();
            return Ok(Number::Literal(word));
        }
        if self.peek_at(1) != &Token::Symbol("(") {
            return Err(
                self.expected("a number, a text in double quotes, or a function such as `avg(last(10))`")
            );
        }
        self.at += 2;
        let mut parameters = Vec::new();
        if !self.take_symbol(")") {
            parameters.push(self.deeper(Self::number)?);
            while self.take_symbol(",") {
                parameters.push(self.deeper(Self::number)?);
            }
            if !self.take_symbol(")") {
                return Err(self.expected("',' and another number, or ')'"));
            }
        }
        Ok(Number::Call(word, parameters))
    }
}

/// Digits, or digits, a point and digits.
fn is_number(word: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match word.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(word),
    }
}

/// The condition, once it is clear what it compares.
fn typed(of: &str, kinds: &[ConditionKind], test: &Test<Placed>) -> Result<Condition, DqdlError> {
    let operands = test.operands();
    let place = operands.first().map_or(Place { line: 1, column: 1 }, |(_, place)| *place);
    let mut wrong: Option<DqdlError> = None;
    for kind in kinds_of(&operands, kinds) {
        let condition = match kind {
            ConditionKind::Number => test.try_map(number).map(Condition::Number),
            ConditionKind::Text => of_texts(of, test),
            ConditionKind::Date => test.try_map(date).map(Condition::Date),
            ConditionKind::Duration => test.try_map(duration).map(Condition::Duration),
            ConditionKind::Size => test.try_map(size).map(Condition::Size),
        };
        match condition {
            Ok(condition) => return Ok(condition),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    let wrong = wrong.unwrap_or_else(|| place.wrong(""));
    Err(DqdlError { message: format!("{of} is compared with {}{}", told(kinds), wrong.message), ..wrong })
}

/// The kinds that a rule takes in the order in which the operands suggest them.
fn kinds_of(operands: &[&Placed], kinds: &[ConditionKind]) -> Vec<ConditionKind> {
    let suggested = |kind: &ConditionKind| match kind {
        // What looks like days and times is meant so, and nulls alone are numbers, as in the language itself.
        ConditionKind::Date => operands.iter().any(|(operand, _)| looks_like_date(operand)),
        ConditionKind::Number => {
            operands.iter().all(|(operand, _)| matches!(operand, Operand::Number(_) | Operand::Null))
        }
        _ => false,
    };
    let (mut first, rest): (Vec<_>, Vec<_>) = kinds.iter().copied().partition(suggested);
    first.extend(rest);
    first
}

fn looks_like_date(operand: &Operand) -> bool {
    match operand {
        Operand::Date(_) => true,
        Operand::Text(Text::Quoted(text)) => date_of(text).is_some(),
        _ => false,
    }
}

fn told(kinds: &[ConditionKind]) -> String {
    let names = kinds.iter().map(|kind| match kind {
        ConditionKind::Number => "numbers",
        ConditionKind::Text => "texts (by = != in and matches)",
        ConditionKind::Date => "days and times",
        ConditionKind::Duration => "lengths of time such as `24 hours`",
        ConditionKind::Size => "sizes such as `10 MB`",
    });
    names.collect::<Vec<_>>().join(" or ")
}

/// The end of the sentence that says what is wrong with an operand.
fn other((operand, place): &Placed) -> DqdlError {
    let what = match operand {
        Operand::Number(_) => "a number",
        Operand::Null => "NULL",
        Operand::Text(_) | Operand::Texts(_) => "a text",
        Operand::Date(_) => "a time",
        Operand::Duration(_) => "a length of time",
        Operand::Size(_) => "a size",
    };
    place.wrong(format!(", and this is {what}"))
}

fn number(placed: &Placed) -> Result<Number, DqdlError> {
    match &placed.0 {
        Operand::Number(number) => Ok(number.clone()),
        Operand::Null => Ok(Number::Null),
        _ => Err(other(placed)),
    }
}

fn of_texts(of: &str, test: &Test<Placed>) -> Result<Condition, DqdlError> {
    let takes_lists = matches!(test, Test::In { .. });
    let is_compared = match test {
        Test::Is(comparison, _) => matches!(comparison, Comparison::Equal | Comparison::NotEqual),
        Test::In { .. } => true,
        Test::Between { .. } => false,
    };
    let one = |placed: &Placed| match &placed.0 {
        Operand::Text(said) if is_compared => Ok(said.clone()),
        Operand::Null if is_compared => Ok(Text::Null),
        Operand::Texts(name) if takes_lists => Ok(Text::Variable(name.clone())),
        Operand::Texts(name) => {
            Err(placed.1.wrong(format!(", and the variable '{name}' is a list: {of} takes it after 'in'")))
        }
        _ => Err(other(placed)),
    };
    test.try_map(one).map(Condition::Text)
}

fn date(placed: &Placed) -> Result<Date, DqdlError> {
    match &placed.0 {
        Operand::Date(date) => Ok(date.clone()),
        Operand::Null => Ok(Date::Null),
        Operand::Text(Text::Quoted(text)) => date_of(text).ok_or_else(|| {
            placed.1.wrong(", and this text is none; write \"2026-01-31\", \"9:30 AM\" or \"21:30\"")
        }),
        _ => Err(other(placed)),
    }
}

/// A day as `2026-01-31`, or a time of day as `9:30 AM` or `21:30`.
fn date_of(text: &str) -> Option<Date> {
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    if let Some((hours, rest)) = text.split_once(':') {
        let (minutes, half) =
            rest.split_once(' ').map_or((rest, None), |(minutes, half)| (minutes, Some(half)));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(hours) || !is_digits(minutes) {
            return None;
        }
        let minute = two(minutes)?;
        let hour = match half {
            None => two(hours)?,
            Some(half) => {
                let hour =
                    hours.parse::<i8>().ok().filter(|hour| (1..=12).contains(hour) && hours.len() <= 2)? % 12;
                match half {
                    "AM" => hour,
                    "PM" => hour + 12,
                    _ => return None,
                }
            }
        };
        return civil::Time::new(hour, minute, 0, 0).ok().map(Date::Clock);
    }
    let has_shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    if !has_shape {
        return None;
    }
    text.parse().ok().map(Date::Day)
}

fn duration(placed: &Placed) -> Result<Duration, DqdlError> {
    match &placed.0 {
        Operand::Duration(duration) => Ok(*duration),
        _ => Err(other(placed)),
    }
}

/// A whole number without a unit is one of bytes.
fn size(placed: &Placed) -> Result<Size, DqdlError> {
    let bytes = |digits: &String| digits.parse().ok().filter(|amount| i32::try_from(*amount).is_ok());
    match &placed.0 {
        Operand::Size(size) => Ok(*size),
        Operand::Number(Number::Literal(digits)) => {
            let amount =
                bytes(digits).ok_or_else(|| placed.1.wrong(", and this is no whole number of bytes"))?;
            Ok(Size { amount, unit: SizeUnit::B })
        }
        _ => Err(other(placed)),
    }
}
