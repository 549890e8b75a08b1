//! Partition values and literals as values of the partition key's type.

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime};

/// The key types that `GetPartitions` can filter on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Date,
    Timestamp,
    Integer,
    Decimal,
}

impl Kind {
    /// The kind of a Hive type, if it is one of those in the API model.
    pub(super) fn of(hive_type: &str) -> Option<Self> {
        let name = hive_type.trim().to_ascii_lowercase();
        match name.split('(').next().unwrap_or_default().trim() {
            "string" => Some(Self::Text),
            "date" => Some(Self::Date),
            "timestamp" => Some(Self::Timestamp),
            // The model lists int, not integer; both are Hive names of one type.
            "int" | "integer" | "bigint" | "long" | "tinyint" | "smallint" => Some(Self::Integer),
            "decimal" => Some(Self::Decimal),
            _ => None,
        }
    }

    /// "an integer", for messages.
    pub(super) fn article_and_name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Date => "a date",
            Self::Timestamp => "a timestamp",
            Self::Integer => "an integer",
            Self::Decimal => "a decimal",
        }
    }
}

/// A value that can be compared with others of its kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Typed {
    Text(String),
    Date(Date),
    Timestamp(DateTime),
    Integer(i128),
    Decimal(Decimal),
}

impl Typed {
    /// Reads a text as a value of that kind.
    pub(super) fn read(kind: Kind, text: &str) -> Option<Self> {
        Some(match kind {
            Kind::Text => Self::Text(text.to_owned()),
            Kind::Date => Self::Date(Date::strptime("%Y-%m-%d", text).ok()?),
            Kind::Timestamp => {
                let at_midnight = || Date::strptime("%Y-%m-%d", text).ok().map(DateTime::from);
                Self::Timestamp(text.parse().ok().or_else(at_midnight)?)
            }
            Kind::Integer => Self::Integer(text.parse().ok()?),
            Kind::Decimal => Self::Decimal(Decimal::read(text)?),
        })
    }
}

/// A decimal of any length, kept as digits: floating point would make different values equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Decimal {
    fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
        if !all_digits || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let whole = whole.trim_start_matches('0').to_owned();
        let fraction = fraction.trim_end_matches('0').to_owned();
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole, fraction })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |number: &Self| (number.whole.len(), number.whole.clone(), number.fraction.clone());
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
