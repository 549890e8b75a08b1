//! Writes rules in one spelling, which reads back as the same rules.

use std::fmt::{self, Display, Formatter, Write};

use super::condition::{Condition, Date, Duration, Number, Size, Test, Text};
use super::model::{
    Analyzer, Connector, Expression, Labels, Operator, Parameter, ParameterValue, Rule, Ruleset, Tag, Value,
};

/// A text in quotes. A backslash is doubled only where it would mean something else, so that regular expressions stay as they are.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut rest = self.0.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' if matches!(rest.peek(), None | Some('\\' | '"')) => f.write_str("\\\\")?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

/// Things with something between them.
fn joined<T>(
    f: &mut Formatter<'_>,
    between: &str,
    all: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, one) in all.into_iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write(f, one)?;
    }
    Ok(())
}

impl Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(version) = &self.version {
            writeln!(f, "Metadata = {{ \"Version\": {} }}", Quoted(version))?;
        }
        let mut sources = Vec::new();
        if let Some(primary) = &self.primary {
            sources.push(format!("\"Primary\": {}", Quoted(primary)));
        }
        if !self.additional.is_empty() {
            let names: Vec<String> = self.additional.iter().map(|name| Quoted(name).to_string()).collect();
            sources.push(format!("\"AdditionalDataSources\": [ {} ]", names.join(", ")));
        }
        if !sources.is_empty() {
            writeln!(f, "DataSources = {{ {} }}", sources.join(", "))?;
        }
        for (name, value) in &self.variables {
            write!(f, "{name} = ")?;
            match value {
                Value::One(text) => writeln!(f, "{text}")?,
                Value::Several(texts) => {
                    f.write_char('[')?;
                    joined(f, ", ", texts, |f, text| write!(f, "{text}"))?;
                    f.write_str("]\n")?;
                }
            }
        }
        if !self.default_labels.is_empty() {
            writeln!(f, "DefaultLabels = {}", Bracketed(&self.default_labels))?;
        }
        if !self.rules.is_empty() {
            f.write_str("Rules = [\n")?;
            joined(f, ",\n", &self.rules, |f, rule| write!(f, "    {rule}"))?;
            f.write_str("\n]\n")?;
        }
        if !self.analyzers.is_empty() {
            f.write_str("Analyzers = [\n")?;
            joined(f, ",\n", &self.analyzers, |f, analyzer| write!(f, "    {analyzer}"))?;
            f.write_str("\n]\n")?;
        }
        Ok(())
    }
}

/// Labels in brackets.
struct Bracketed<'a>(&'a Labels);

impl Display for Bracketed<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        joined(f, ", ", self.0, |f, (key, value)| write!(f, "{}={}", Quoted(key), Quoted(value)))?;
        f.write_char(']')
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => write!(f, "{rule}"),
            Self::Composite { labels, .. } if !labels.is_empty() => {
                f.write_char('(')?;
                self.parts(f)?;
                write!(f, ") labels={}", Bracketed(labels))
            }
            Self::Composite { .. } => self.parts(f),
        }
    }
}

impl Expression {
    fn parts(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self::Composite { operator, parts, .. } = self else { return write!(f, "{self}") };
        let between = match operator {
            Operator::And => " and ",
            Operator::Or => " or ",
        };
        joined(f, between, parts, |f, part| match part {
            // Its labels stand behind its parentheses, of which one pair is enough.
            Self::Composite { labels, .. } if !labels.is_empty() => write!(f, "{part}"),
            _ => write!(f, "({part})"),
        })
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_.name())?;
        for parameter in &self.parameters {
            write!(f, " {parameter}")?;
        }
        if let Some(condition) = &self.condition {
            write!(f, " {condition}")?;
        }
        if let Some(filter) = &self.filter {
            write!(f, " where {}", Quoted(filter))?;
        }
        if !self.labels.is_empty() {
            write!(f, " labels={}", Bracketed(&self.labels))?;
        }
        if let Some(threshold) = &self.threshold {
            write!(f, " with threshold {threshold}")?;
        }
        for (name, tag) in &self.tags {
            match tag {
                Tag::Text(text) => write!(f, " with {name} = {}", Quoted(text))?,
                Tag::Number(number) => write!(f, " with {name} = {number}")?,
            }
        }
        Ok(())
    }
}

impl Display for Analyzer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_.name())?;
        self.parameters.iter().try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.connector {
            Some(Connector::Of) => f.write_str("of ")?,
            Some(Connector::And) => f.write_str("and ")?,
            None => {}
        }
        match &self.value {
            ParameterValue::Quoted(text) => write!(f, "{}", Quoted(text)),
            ParameterValue::Word(word) => f.write_str(word),
            ParameterValue::Variable(name) => write!(f, "${name}"),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(test) => write!(f, "{test}"),
            // A variable that stands for a list has no brackets of its own.
            Self::Text(Test::In { not, values }) if matches!(values.as_slice(), [Text::Variable(_)]) => {
                write!(f, "{}in ", if *not { "not " } else { "" })?;
                values.iter().try_for_each(|value| write!(f, "{value}"))
            }
            Self::Text(test) => write!(f, "{test}"),
            Self::Matches { not, pattern } => {
                write!(f, "{}matches {}", if *not { "not " } else { "" }, Quoted(pattern))
            }
            Self::Date(test) => write!(f, "{test}"),
            Self::Duration(test) => write!(f, "{test}"),
            Self::Size(test) => write!(f, "{test}"),
        }
    }
}

impl<T: Display> Display for Test<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = |not: bool| if not { "not " } else { "" };
        match self {
            Self::Is(comparison, value) => write!(f, "{} {value}", comparison.symbol()),
            Self::Between { not, low, high } => write!(f, "{}between {low} and {high}", word(*not)),
            Self::In { not, values } => {
                write!(f, "{}in [", word(*not))?;
                joined(f, ", ", values, |f, value| write!(f, "{value}"))?;
                f.write_char(']')
            }
        }
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(digits) => f.write_str(digits),
            Self::Null => f.write_str("NULL"),
            Self::Call(name, parameters) => {
                write!(f, "{name}(")?;
                joined(f, ", ", parameters, |f, parameter| write!(f, "{parameter}"))?;
                f.write_char(')')
            }
            Self::Binary(left, arithmetic, right) => {
                for (side, before) in [(left, String::new()), (right, format!(" {} ", arithmetic.symbol()))] {
                    f.write_str(&before)?;
                    match **side {
                        Self::Binary(..) => write!(f, "({side})")?,
                        _ => write!(f, "{side}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quoted(text) => write!(f, "{}", Quoted(text)),
            Self::Variable(name) => write!(f, "${name}"),
            Self::Null => f.write_str("NULL"),
            Self::Empty => f.write_str("EMPTY"),
            Self::Blank => f.write_str("WHITESPACES_ONLY"),
        }
    }
}

impl Display for Date {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => write!(f, "\"{day}\""),
            Self::Clock(time) => write!(f, "\"{:02}:{:02}\"", time.hour(), time.minute()),
            Self::Now(None) => f.write_str("now()"),
            Self::Now(Some((sign, duration))) => write!(f, "(now() {} {duration})", sign.symbol()),
            Self::Null => f.write_str("NULL"),
        }
    }
}

impl Display for Duration {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.unit.name())
    }
}

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.unit.name())
    }
}
