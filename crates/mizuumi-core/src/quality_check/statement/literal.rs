//! Values in statements: literals that are written from what they mean, and never copied from what somebody wrote.
//!
//! Athena's execution parameters would not be safer: each is SQL itself, a text in quotes that the client has to double, put in
//! the place of its `?`. They are limited to 1,024 characters besides.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// A text. In Trino nothing but the quote has a meaning inside quotes.
pub(super) fn text(value: &str) -> String {
    // A statement with a NUL is none.
    format!("'{}'", value.replace('\0', "").replace('\'', "''"))
}

/// A number from its digits, if they are some: `-1`, `0.5`.
pub(super) fn digits(number: &str) -> Option<String> {
    let (sign, plain) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, part) = plain.split_once('.').unwrap_or((plain, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than Trino's decimals have.
    (is_digits(whole) && is_digits(part) && whole.len() + part.len() <= 38).then(|| format!("{sign}{plain}"))
}

/// A number that was reckoned.
pub(super) fn number(value: f64) -> String {
    let text = value.to_string();
    digits(&text).unwrap_or_else(|| format!("CAST({} AS double)", self::text(&text)))
}

/// A day.
pub(super) fn day(day: civil::Date) -> String {
    format!("DATE '{day}'")
}

/// A moment, in UTC, as the engine's timestamps without a zone are read.
pub(super) fn moment(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC).datetime();
    format!("TIMESTAMP '{} {:02}:{:02}:{:02}'", at.date(), at.hour(), at.minute(), at.second())
}
