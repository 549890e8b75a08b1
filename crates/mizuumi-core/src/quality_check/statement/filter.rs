//! `where "…"`: an expression over the table's columns, read into what it means and written anew.
//!
//! It is what a tenant writes, and it runs with the installation's credentials. So nothing of it is copied: what is not in the
//! grammar here (queries, functions that are not listed, comments, more statements) is refused with the place.

use super::column::{Kind, find};
use super::literal;
use crate::quality_check::facts::SeenColumn;

/// Deeper expressions are a mistake, and reading them must not exhaust the stack.
const DEEPEST: usize = 32;
/// Functions of one value, the kind that they take and what they are of.
const FUNCTIONS: &[(&str, Type, Type)] = &[
    ("lower", Type::Text, Type::Text),
    ("upper", Type::Text, Type::Text),
    ("trim", Type::Text, Type::Text),
    ("length", Type::Text, Type::Number),
    ("abs", Type::Number, Type::Number),
    ("year", Type::Date, Type::Number),
    ("month", Type::Date, Type::Number),
];
const COMPARISONS: &[(&str, &str)] = &[
    ("=", "="),
    ("==", "="),
    ("!=", "<>"),
    ("<>", "<>"),
    ("<=", "<="),
    (">=", ">="),
    ("<", "<"),
    (">", ">"),
];

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Number,
    Text,
    Date,
    Timestamp,
    Boolean,
    Null,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A word, and whether it was in quotes that make it a name.
    Word(String, bool),
    Number(String),
    Text(String),
    Sign(&'static str),
    End,
}

/// A part of the statement.
#[derive(Clone, Debug)]
struct Term {
    sql: String,
    type_: Type,
    /// What it says, if it is a text that somebody wrote: one beside a day is read as a day.
    text: Option<String>,
}

impl Term {
    const fn new(sql: String, type_: Type) -> Self {
        Self { sql, type_, text: None }
    }
}

struct Reader<'a> {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
    columns: &'a [SeenColumn],
}

/// The expression as a part of the statement.
///
/// # Errors
/// What is wrong, and where.
pub(super) fn compile(text: &str, columns: &[SeenColumn]) -> Result<String, String> {
    let wrong = |why: String| format!("`where \"{text}\"`: {why}");
    let tokens = tokens(text).map_err(wrong)?;
    let mut reader = Reader { tokens, at: 0, depth: 0, columns };
    let term = reader.either().and_then(|term| reader.is(term, Type::Boolean)).map_err(wrong)?;
    match reader.peek() {
        Token::End => Ok(term.sql),
        _ => Err(wrong(reader.expected("`and`, `or` or the end"))),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let signs: Vec<char> = text.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    let quoted = |from: usize, quote: char| -> Result<(String, usize), String> {
        let (mut said, mut at) = (String::new(), from + 1);
        loop {
            match signs.get(at) {
                Some(sign) if *sign == quote && signs.get(at + 1) == Some(&quote) => {
                    said.push(quote);
                    at += 2;
                }
                Some(sign) if *sign == quote => return Ok((said, at + 1)),
                Some(sign) => {
                    said.push(*sign);
                    at += 1;
                }
                None => return Err(format!("character {}: a quote that is not closed", from + 1)),
            }
        }
    };
    while let Some(sign) = signs.get(at).copied() {
        let from = at;
        let token = if sign.is_whitespace() {
            at += 1;
            continue;
        } else if sign == '\'' {
            let (said, end) = quoted(at, '\'')?;
            at = end;
            Token::Text(said)
        } else if sign == '"' || sign == '`' {
            let (said, end) = quoted(at, sign)?;
            at = end;
            Token::Word(said, true)
        } else if sign.is_ascii_digit()
            || (sign == '.' && signs.get(at + 1).is_some_and(char::is_ascii_digit))
        {
            while signs.get(at).is_some_and(|sign| sign.is_ascii_digit() || *sign == '.') {
                at += 1;
            }
            let said: String = signs[from..at].iter().collect();
            let said = if said.starts_with('.') { format!("0{said}") } else { said };
            Token::Number(
                literal::digits(&said)
                    .ok_or_else(|| format!("character {}: '{said}' is no number", from + 1))?,
            )
        } else if sign.is_alphabetic() || sign == '_' {
            while signs.get(at).is_some_and(|sign| sign.is_alphanumeric() || *sign == '_') {
                at += 1;
            }
            Token::Word(signs[from..at].iter().collect(), false)
        } else {
            let pair: String = signs[at..signs.len().min(at + 2)].iter().collect();
            let known = ["==", "!=", "<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "+", "-", "*", "/", "%"];
            let Some(known) = known.iter().find(|known| pair.starts_with(**known)) else {
                return Err(format!("character {}: '{sign}' has no meaning here", from + 1));
            };
            if pair == "--" || pair == "/*" {
                return Err(format!("character {}: there are no comments here", from + 1));
            }
            at += known.chars().count();
            Token::Sign(known)
        };
        all.push((from + 1, token));
    }
    all.push((signs.len() + 1, Token::End));
    Ok(all)
}

impl Reader<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(_, token)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).or_else(|| self.tokens.last()).map_or(1, |(place, _)| *place)
    }

    fn expected(&self, what: &str) -> String {
        let found = match self.peek() {
            Token::Word(word, _) => format!("'{word}'"),
            Token::Number(number) => format!("'{number}'"),
            Token::Text(_) => "a text".to_owned(),
            Token::Sign(sign) => format!("'{sign}'"),
            Token::End => "the end".to_owned(),
        };
        format!("character {}: expected {what}; found {found}", self.place())
    }

    fn take_sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        match self.peek() {
            Token::Sign(sign) if signs.contains(sign) => {
                let sign = *sign;
                self.at += 1;
                Some(sign)
            }
            _ => None,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(found, false) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(is);
        is
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("is nested more than {DEEPEST} deep"));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn is(&self, term: Term, type_: Type) -> Result<Term, String> {
        if term.type_ == type_ || term.type_ == Type::Null {
            return Ok(term);
        }
        Err(format!(
            "before character {}: {} where {} has to be",
            self.place(),
            said(term.type_),
            said(type_)
        ))
    }

    fn either(&mut self) -> Result<Term, String> {
        self.deeper(|reader| reader.joined("or", "OR", Self::all))
    }

    fn all(&mut self) -> Result<Term, String> {
        self.joined("and", "AND", Self::not)
    }

    fn joined(
        &mut self,
        word: &str,
        sql: &str,
        part: impl Fn(&mut Self) -> Result<Term, String>,
    ) -> Result<Term, String> {
        let mut left = part(self)?;
        while self.take_word(word) {
            let (a, b) = (self.is(left, Type::Boolean)?, part(self)?);
            let b = self.is(b, Type::Boolean)?;
            left = Term::new(format!("({} {sql} {})", a.sql, b.sql), Type::Boolean);
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Term, String> {
        if !self.take_word("not") {
            return self.comparison();
        }
        let term = self.deeper(Self::not)?;
        let term = self.is(term, Type::Boolean)?;
        Ok(Term::new(format!("(NOT {})", term.sql), Type::Boolean))
    }

    fn comparison(&mut self) -> Result<Term, String> {
        let left = self.sum()?;
        if self.take_word("is") {
            let not = if self.take_word("not") { " NOT" } else { "" };
            if !self.take_word("null") {
                return Err(self.expected("`null`"));
            }
            return Ok(Term::new(format!("({} IS{not} NULL)", left.sql), Type::Boolean));
        }
        let signs: Vec<&'static str> = COMPARISONS.iter().map(|(sign, _)| *sign).collect();
        if let Some(sign) = self.take_sign(&signs) {
            let sql = COMPARISONS.iter().find(|(of, _)| *of == sign).map_or("=", |(_, sql)| sql);
            let right = self.sum()?;
            let (left, right) = self.alike(left, right)?;
            return Ok(Term::new(format!("({} {sql} {})", left.sql, right.sql), Type::Boolean));
        }
        let not = self.take_word("not");
        let word = if not { "NOT " } else { "" };
        if self.take_word("in") {
            return self.among(left, word);
        }
        if self.take_word("between") {
            let low = self.sum()?;
            if !self.take_word("and") {
                return Err(self.expected("`and`"));
            }
            let high = self.sum()?;
            let (left, low) = self.alike(left, low)?;
            let (left, high) = self.alike(left, high)?;
            let sql = format!("({} {word}BETWEEN {} AND {})", left.sql, low.sql, high.sql);
            return Ok(Term::new(sql, Type::Boolean));
        }
        if self.take_word("like") {
            let pattern = self.sum()?;
            let (left, pattern) = (self.is(left, Type::Text)?, self.is(pattern, Type::Text)?);
            return Ok(Term::new(format!("({} {word}LIKE {})", left.sql, pattern.sql), Type::Boolean));
        }
        if not { Err(self.expected("`in`, `between` or `like`")) } else { Ok(left) }
    }

    fn among(&mut self, left: Term, word: &str) -> Result<Term, String> {
        if self.take_sign(&["("]).is_none() {
            return Err(self.expected("'('"));
        }
        let (mut left, mut all) = (left, Vec::new());
        loop {
            let one = self.sum()?;
            let (same, one) = self.alike(left, one)?;
            left = same;
            all.push(one.sql);
            if self.take_sign(&[","]).is_none() {
                break;
            }
        }
        if self.take_sign(&[")"]).is_none() {
            return Err(self.expected("',' or ')'"));
        }
        Ok(Term::new(format!("({} {word}IN ({}))", left.sql, all.join(", ")), Type::Boolean))
    }

    /// Two things that can be compared.
    fn alike(&self, left: Term, right: Term) -> Result<(Term, Term), String> {
        let (left, right) = (written_as(left, right.type_), right);
        let (right, left) = (written_as(right, left.type_), left);
        let is_alike = match (left.type_, right.type_) {
            (Type::Null, _) | (_, Type::Null) => true,
            (Type::Date | Type::Timestamp, Type::Date | Type::Timestamp) => true,
            (one, other) => one == other,
        };
        if is_alike {
            return Ok((left, right));
        }
        let (one, other) = (said(left.type_), said(right.type_));
        Err(format!("before character {}: {one} cannot be compared with {other}", self.place()))
    }

    fn sum(&mut self) -> Result<Term, String> {
        self.reckoned(&["+", "-"], |reader| reader.reckoned(&["*", "/", "%"], Self::single))
    }

    fn reckoned(
        &mut self,
        signs: &[&'static str],
        part: impl Fn(&mut Self) -> Result<Term, String>,
    ) -> Result<Term, String> {
        let mut left = part(self)?;
        while let Some(sign) = self.take_sign(signs) {
            let (a, b) = (self.is(left, Type::Number)?, part(self)?);
            let b = self.is(b, Type::Number)?;
            // In Spark, and so in Glue, whole numbers too are divided into parts.
            let a = if sign == "/" { format!("CAST({} AS double)", a.sql) } else { a.sql };
            left = Term::new(format!("({a} {sign} {})", b.sql), Type::Number);
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Term, String> {
        if self.take_sign(&["-"]).is_some() {
            let term = self.deeper(Self::single)?;
            let term = self.is(term, Type::Number)?;
            return Ok(Term::new(format!("(- {})", term.sql), Type::Number));
        }
        if self.take_sign(&["("]).is_some() {
            let term = self.either()?;
            return match self.take_sign(&[")"]) {
                Some(_) => Ok(Term { sql: format!("({})", term.sql), ..term }),
                None => Err(self.expected("')'")),
            };
        }
        let token = self.peek().clone();
        let term = match token {
            Token::Number(number) => Term::new(number, Type::Number),
            Token::Text(text) => Term { sql: literal::text(&text), type_: Type::Text, text: Some(text) },
            Token::Word(word, is_name) => return self.word(&word, is_name),
            Token::Sign(_) | Token::End => return Err(self.expected("a column, a number or a text")),
        };
        self.at += 1;
        Ok(term)
    }

    fn word(&mut self, word: &str, is_name: bool) -> Result<Term, String> {
        let place = self.place();
        self.at += 1;
        let lower = word.to_ascii_lowercase();
        let next = self.peek().clone();
        if !is_name {
            match (lower.as_str(), &next) {
                ("null", _) => return Ok(Term::new("NULL".to_owned(), Type::Null)),
                ("true" | "false", _) => return Ok(Term::new(lower.to_uppercase(), Type::Boolean)),
                ("date" | "timestamp", Token::Text(text)) => {
                    let wanted = if lower == "date" { Type::Date } else { Type::Timestamp };
                    let text = Term { sql: String::new(), type_: Type::Text, text: Some(text.clone()) };
                    let term = written_as(text, wanted);
                    if term.type_ != wanted {
                        return Err(self.expected("a day such as '2026-01-31'"));
                    }
                    self.at += 1;
                    return Ok(term);
                }
                (name, Token::Sign("(")) => {
                    let Some((name, takes, gives)) = FUNCTIONS.iter().find(|(of, ..)| *of == name) else {
                        let all: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
                        return Err(format!(
                            "character {place}: there is no function '{word}' here; there are {}",
                            all.join(", ")
                        ));
                    };
                    self.at += 1;
                    let term = self.either()?;
                    let term = match (takes, term.type_) {
                        (Type::Date, Type::Timestamp) => term,
                        _ => self.is(term, *takes)?,
                    };
                    if self.take_sign(&[")"]).is_none() {
                        return Err(self.expected("')'"));
                    }
                    return Ok(Term::new(format!("{name}({})", term.sql), *gives));
                }
                _ => {}
            }
        }
        let column = find(self.columns, word).map_err(|why| format!("character {place}: {why}"))?;
        let type_ = match column.kind {
            Kind::Exact | Kind::Float => Type::Number,
            Kind::Text => Type::Text,
            Kind::Date => Type::Date,
            Kind::Timestamp => Type::Timestamp,
            Kind::Boolean => Type::Boolean,
            Kind::Binary => {
                return Err(format!("character {place}: column '{word}' has bytes, which are not compared"));
            }
        };
        Ok(Term::new(column.sql, type_))
    }
}

/// A text that somebody wrote, as what it stands beside.
fn written_as(term: Term, type_: Type) -> Term {
    let Some(text) = &term.text else { return term };
    let sql = match type_ {
        Type::Number => literal::digits(text),
        Type::Date => text.parse().ok().map(literal::day),
        Type::Timestamp => {
            let at: Option<jiff::civil::DateTime> = text.parse().ok();
            at.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok())
                .map(|at| literal::moment(at.timestamp()))
        }
        _ => None,
    };
    match sql {
        Some(sql) => Term::new(sql, type_),
        None => term,
    }
}

const fn said(type_: Type) -> &'static str {
    match type_ {
        Type::Number => "a number",
        Type::Text => "a text",
        Type::Date => "a day",
        Type::Timestamp => "a moment",
        Type::Boolean => "something true or false",
        Type::Null => "NULL",
    }
}
