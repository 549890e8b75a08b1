//! What a rule's metric is compared with.

use jiff::civil;

/// A comparison of one kind of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Of numbers.
    Number(Test<Number>),
    /// Of texts.
    Text(Test<Text>),
    /// Of texts with a regular expression.
    Matches {
        /// Whether it must not match.
        not: bool,
        /// The regular expression.
        pattern: String,
    },
    /// Of times.
    Date(Test<Date>),
    /// Of lengths of time.
    Duration(Test<Duration>),
    /// Of sizes.
    Size(Test<Size>),
}

/// How something is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test<T> {
    /// With one.
    Is(Comparison, T),
    /// With two, both of which are not between: DQDL's `between` leaves out its bounds.
    Between {
        /// Whether it must not be.
        not: bool,
        /// The lower.
        low: T,
        /// The upper.
        high: T,
    },
    /// With several.
    In {
        /// Whether it must be none of them.
        not: bool,
        /// These.
        values: Vec<T>,
    },
}

/// A comparison with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`.
    Equal,
    /// `!=`.
    NotEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
}

/// A number, or how one comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Its digits as they were written, with a sign.
    Literal(String),
    /// A function of others, such as `avg(last(10))`.
    Call(String, Vec<Self>),
    /// Two of them put together.
    Binary(Box<Self>, Arithmetic, Box<Self>),
    /// `NULL`.
    Null,
}

/// How two numbers are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `*`.
    Times,
    /// `/`.
    Over,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// In quotes.
    Quoted(String),
    /// What a variable stands for.
    Variable(String),
    /// `NULL`.
    Null,
    /// `EMPTY`.
    Empty,
    /// `WHITESPACES_ONLY`.
    Blank,
}

/// A time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Date {
    /// A day.
    Day(civil::Date),
    /// A time of this day, in the time zone that the tag `timeZone` names, or UTC.
    Clock(civil::Time),
    /// Now, or so long before (negative) or after.
    Now(Option<(Arithmetic, Duration)>),
    /// `NULL`.
    Null,
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// How many.
    pub amount: u32,
    /// Of what.
    pub unit: DurationUnit,
}

/// A unit of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationUnit {
    /// `days`.
    Days,
    /// `hours`.
    Hours,
    /// `minutes`.
    Minutes,
}

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many.
    pub amount: u32,
    /// Of what.
    pub unit: SizeUnit,
}

/// A unit of size; each is 1,024 times the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeUnit {
    /// `B`.
    B,
    /// `KB`.
    KB,
    /// `MB`.
    MB,
    /// `GB`.
    GB,
    /// `TB`.
    TB,
}

impl Comparison {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Greater, Self::GreaterOrEqual, Self::Less, Self::LessOrEqual];

    /// How it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

impl Arithmetic {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plus, Self::Minus, Self::Times, Self::Over];

    /// How it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Over => "/",
        }
    }
}

impl DurationUnit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Days, Self::Hours, Self::Minutes];

    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Hours => "hours",
            Self::Minutes => "minutes",
        }
    }
}

impl SizeUnit {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::B, Self::KB, Self::MB, Self::GB, Self::TB];

    /// How it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::B => "B",
            Self::KB => "KB",
            Self::MB => "MB",
            Self::GB => "GB",
            Self::TB => "TB",
        }
    }
}

impl Duration {
    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        let unit = match self.unit {
            DurationUnit::Days => 86_400,
            DurationUnit::Hours => 3_600,
            DurationUnit::Minutes => 60,
        };
        self.amount as i64 * unit
    }
}

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u128 {
        (self.amount as u128) << (10 * self.unit as u32)
    }
}

impl<T> Test<T> {
    /// The same test of other things.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Test<U> {
        match self {
            Self::Is(comparison, value) => Test::Is(comparison, f(value)),
            Self::Between { not, low, high } => Test::Between { not, low: f(low), high: f(high) },
            Self::In { not, values } => Test::In { not, values: values.into_iter().map(f).collect() },
        }
    }

    /// What it compares with.
    pub fn operands(&self) -> Vec<&T> {
        match self {
            Self::Is(_, value) => vec![value],
            Self::Between { low, high, .. } => vec![low, high],
            Self::In { values, .. } => values.iter().collect(),
        }
    }

    /// The same test of what the operands come to; the first one that comes to nothing stands for all.
    ///
    /// # Errors
    /// What the function says of the first operand that it does not take.
    pub fn try_map<U, E>(&self, mut f: impl FnMut(&T) -> Result<U, E>) -> Result<Test<U>, E> {
        Ok(match self {
            Self::Is(comparison, value) => Test::Is(*comparison, f(value)?),
            Self::Between { not, low, high } => Test::Between { not: *not, low: f(low)?, high: f(high)? },
            Self::In { not, values } => {
                Test::In { not: *not, values: values.iter().map(f).collect::<Result<_, _>>()? }
            }
        })
    }
}

impl<T: PartialOrd> Test<T> {
    /// Whether a value passes.
    pub fn passes(&self, value: &T) -> bool {
        match self {
            Self::Is(Comparison::Equal, other) => value == other,
            Self::Is(Comparison::NotEqual, other) => value != other,
            Self::Is(Comparison::Greater, other) => value > other,
            Self::Is(Comparison::GreaterOrEqual, other) => value >= other,
            Self::Is(Comparison::Less, other) => value < other,
            Self::Is(Comparison::LessOrEqual, other) => value <= other,
            Self::Between { not, low, high } => (value > low && value < high) != *not,
            Self::In { not, values } => values.contains(value) != *not,
        }
    }
}
