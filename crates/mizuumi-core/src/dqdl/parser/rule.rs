//! Reads rules and analyzers.

use std::collections::BTreeMap;

use super::Parser;
use crate::dqdl::condition::Condition;
use crate::dqdl::error::DqdlError;
use crate::dqdl::model::{
    Analyzer, Connector, Expression, Labels, Operator, Parameter, ParameterValue, Rule, Tag,
};
use crate::dqdl::rule_type::{ConditionKind, RuleType};
use crate::dqdl::token::{Place, Token};

/// Words that are no parameter: a column of such a name stands in quotes.
const RESERVED: &[&str] =
    &["between", "in", "not", "matches", "where", "labels", "with", "and", "AND", "or", "OR", "of", "OF"];

impl Parser {
    /// Rules that are put together: `and` binds more than `or`.
    pub(super) fn expression(&mut self) -> Result<Expression, DqdlError> {
        self.operands(&["or", "OR"], Operator::Or, |parser| {
            parser.operands(&["and", "AND"], Operator::And, Self::part)
        })
    }

    fn operands(
        &mut self,
        words: &[&str],
        operator: Operator,
        part: impl Fn(&mut Self) -> Result<Expression, DqdlError>,
    ) -> Result<Expression, DqdlError> {
        let first = part(self)?;
        if !matches!(self.peek(), Token::Word(word) if words.contains(&word.as_str())) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take_word(words) {
            parts.push(part(self)?);
        }
        Ok(Expression::Composite { operator, parts, labels: Labels::new() })
    }

    fn part(&mut self) -> Result<Expression, DqdlError> {
        if !self.take_symbol("(") {
            return Ok(Expression::Rule(Box::new(self.rule()?)));
        }
        let mut expression = self.deeper(Self::expression)?;
        if !self.take_symbol(")") {
            return Err(self.expected("')', or 'and' or 'or' and another rule"));
        }
        if let Some(given) = self.labels_if_any()? {
            match &mut expression {
                Expression::Rule(rule) => rule.labels = given,
                Expression::Composite { labels, .. } => *labels = given,
            }
        }
        Ok(expression)
    }

    fn labels_if_any(&mut self) -> Result<Option<Labels>, DqdlError> {
        if !self.take_word(&["labels"]) {
            return Ok(None);
        }
        self.expect("=")?;
        self.labels().map(Some)
    }

    fn rule(&mut self) -> Result<Rule, DqdlError> {
        let place = self.place();
        let type_ = self.rule_type("a rule, such as `RowCount > 0`, or '('")?;
        if type_.is_analyzer_only() {
            return Err(place.wrong(format!("{} is for `Analyzers` and no rule", type_.name())));
        }
        let parameters = self.parameters(type_)?;
        let kinds = type_.conditions(parameters.len());
        let condition = self.condition_of(type_, kinds)?;
        let filter = self.filter(type_)?;
        let labels = self.labels_if_any()?.unwrap_or_default();
        let mut rule =
            Rule { type_, parameters, condition, filter, labels, threshold: None, tags: BTreeMap::new() };
        while self.take_word(&["with"]) {
            self.tag(&mut rule)?;
        }
        self.end_of_rule(type_)?;
        Ok(rule)
    }

    fn rule_type(&mut self, what: &str) -> Result<RuleType, DqdlError> {
        let place = self.place();
        let name = self.word(what)?;
        RuleType::of(&name).ok_or_else(|| {
            let near = RuleType::ALL.iter().find(|type_| type_.name().eq_ignore_ascii_case(&name));
            let hint = match near {
                Some(near) => format!("write `{}`: case matters", near.name()),
                None => "see the list of types in the documentation".to_owned(),
            };
            place.wrong(format!("there is no rule of type '{name}'; {hint}"))
        })
    }

    /// After a rule come another one, the end of the list, or a parenthesis.
    fn end_of_rule(&self, type_: RuleType) -> Result<(), DqdlError> {
        let is_end = match self.peek() {
            Token::Symbol("," | "]" | ")") => true,
            Token::Word(word) => ["and", "AND", "or", "OR"].contains(&word.as_str()),
            _ => false,
        };
        if is_end {
            return Ok(());
        }
        let mut may: Vec<&str> = Vec::new();
        if type_.takes_where() {
            may.push("`where \"…\"`");
        }
        may.push("`labels = [ … ]`");
        may.push("`with …`");
        Err(self.expected(&format!(
            "the end of the rule {} (',' or ']'), or {}",
            type_.name(),
            may.join(", ")
        )))
    }

    fn parameters(&mut self, type_: RuleType) -> Result<Vec<Parameter>, DqdlError> {
        let (least, most) = type_.parameters();
        let place = self.place();
        let mut all: Vec<Parameter> = Vec::new();
        loop {
            let place = self.place();
            let connector = match self.peek() {
                Token::Word(word) if word == "of" || word == "OF" => Some(Connector::Of),
                Token::Word(word) if (word == "and" || word == "AND") && self.goes_on(all.len() >= least) => {
                    Some(Connector::And)
                }
                _ => None,
            };
            if connector.is_some() {
                self.next();
            }
            let value = match self.peek() {
                Token::Quoted(text) => ParameterValue::Quoted(text.clone()),
                Token::Word(word) if !RESERVED.contains(&word.as_str()) => ParameterValue::Word(word.clone()),
                Token::Symbol("$") => {
                    let place = self.place();
                    let (name, is_one) = self.dereference()?;
                    if !is_one {
                        return Err(
                            place.wrong(format!("the variable '{name}' is a list, and this takes one text"))
                        );
                    }
                    self.at -= 1;
                    ParameterValue::Variable(name)
                }
                _ if connector.is_some() => return Err(self.expected("a parameter")),
                _ => break,
            };
            self.next();
            if all.len() == most {
                return Err(place.wrong(format!(
                    "{} takes {}; this is one more",
                    type_.name(),
                    told(least, most)
                )));
            }
            all.push(Parameter { connector, value });
        }
        if all.len() < least {
            return Err(place.wrong(format!(
                "{} takes {}; there are {}",
                type_.name(),
                told(least, most),
                all.len()
            )));
        }
        Ok(all)
    }

    /// Whether an `and` joins another parameter, and not another rule.
    fn goes_on(&self, may_end: bool) -> bool {
        match self.peek_at(1) {
            Token::Quoted(_) | Token::Symbol("$") => true,
            Token::Word(word) => !(may_end && RuleType::of(word).is_some()),
            _ => false,
        }
    }

    fn condition_of(
        &mut self,
        type_: RuleType,
        kinds: &'static [ConditionKind],
    ) -> Result<Option<Condition>, DqdlError> {
        let place = self.place();
        if !self.begins_condition() {
            if kinds.is_empty() || type_.condition_is_optional() {
                return Ok(None);
            }
            let after = if type_.parameters().1 == 0 { "" } else { " and its parameters" };
            return Err(self.expected(&format!(
                "a condition after {}{after}, such as `{}`",
                type_.name(),
                example(kinds)
            )));
        }
        if kinds.is_empty() {
            return Err(
                place.wrong(format!("{} is true or false and takes no condition; take it off", type_.name()))
            );
        }
        self.condition(type_.name(), kinds).map(Some)
    }

    fn filter(&mut self, type_: RuleType) -> Result<Option<String>, DqdlError> {
        let place = self.place();
        if !self.take_word(&["where"]) {
            return Ok(None);
        }
        if !type_.takes_where() {
            return Err(place.wrong(format!("{} takes no `where`", type_.name())));
        }
        let place = self.place();
        let filter = self.quoted("an expression of SQL in double quotes")?;
        if filter.trim().is_empty() {
            return Err(place.wrong("the expression after `where` is empty"));
        }
        Ok(Some(filter))
    }

    /// `with threshold …`, or a setting `with name = value`.
    fn tag(&mut self, rule: &mut Rule) -> Result<(), DqdlError> {
        let place = self.place();
        let name = self.word("`threshold` or the name of a setting")?;
        if name.eq_ignore_ascii_case("threshold") {
            return self.threshold(rule, place);
        }
        self.expect("=")?;
        let value = match self.peek() {
            Token::Quoted(text) => {
                let text = text.clone();
                self.next();
                Tag::Text(text)
            }
            _ => Tag::Number(self.number()?),
        };
        if rule.tags.insert(name.clone(), value).is_some() {
            return Err(place.wrong(format!("the setting '{name}' is there twice")));
        }
        if name == "timeZone" {
            let Some(Tag::Text(zone)) = rule.tags.get(&name) else {
                return Err(place.wrong("`timeZone` is a text"));
            };
            crate::cron::zone(&name, Some(zone)).map_err(|problem| place.wrong(problem.to_string()))?;
        }
        Ok(())
    }

    fn threshold(&mut self, rule: &mut Rule, place: Place) -> Result<(), DqdlError> {
        let type_ = rule.type_.name();
        if !rule.type_.takes_threshold() {
            return Err(place.wrong(format!("{type_} takes no threshold")));
        }
        if rule.threshold.is_some() {
            return Err(place.wrong("a rule has one threshold"));
        }
        if !self.begins_condition() {
            return Err(self.expected("a condition after `threshold`, such as `> 0.9`"));
        }
        match self.condition("threshold", &[ConditionKind::Number])? {
            Condition::Number(test) => {
                rule.threshold = Some(test);
                Ok(())
            }
            _ => Err(place.wrong("a threshold is compared with numbers")),
        }
    }

    pub(super) fn analyzer(&mut self) -> Result<Analyzer, DqdlError> {
        let place = self.place();
        let type_ = self.rule_type("an analyzer, such as `Completeness \"column\"`")?;
        let parameters = self.parameters(type_)?;
        if type_.conditions(parameters.len()).is_empty() {
            return Err(place.wrong(format!(
                "{} is true or false and measures nothing; it is for `Rules`",
                type_.name()
            )));
        }
        match self.peek() {
            Token::Symbol("," | "]") => Ok(Analyzer { type_, parameters }),
            _ => Err(self.expected("',' or ']': an analyzer has no condition")),
        }
    }
}

fn told(least: usize, most: usize) -> String {
    match (least, most) {
        (0, 0) => "no parameter".to_owned(),
        (1, 1) => "1 parameter".to_owned(),
        (least, usize::MAX) => format!("at least {least} parameter"),
        (least, most) if least == most => format!("{least} parameters"),
        (least, most) => format!("{least} to {most} parameters"),
    }
}

/// A condition that could be meant.
const fn example(kinds: &[ConditionKind]) -> &'static str {
    match kinds {
        [ConditionKind::Text, ..] => "= \"…\"",
        [ConditionKind::Date, ..] => "> (now() - 1 days)",
        [ConditionKind::Duration, ..] => "<= 24 hours",
        [ConditionKind::Size, ..] => "> 1 KB",
        _ => "> 0.9",
    }
}
