//! Durations as people write them in a resource: `15m`, `26h`, `2d`.

use std::borrow::Cow;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A whole number of minutes, hours or days, kept as it was written so that no tool sees a difference in git.
///
/// A day is 24 hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShortDuration(pub String);

/// The text is not `^[1-9][0-9]*(m|h|d)$`, or longer than ten years.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a whole number followed by 'm', 'h' or 'd', such as '15m', '26h' or '2d', and at most 3650d; it is '{0}'"
)]
pub struct InvalidDuration(pub String);

impl ShortDuration {
    /// The length of time this text stands for.
    pub fn length(&self) -> Result<SignedDuration, InvalidDuration> {
        let invalid = || InvalidDuration(self.0.clone());
        let unit = self.0.chars().last().ok_or_else(invalid)?;
        let digits = &self.0[..self.0.len() - unit.len_utf8()];
        let written_as_number =
            !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if !written_as_number {
            return Err(invalid());
        }
        let number: i64 = digits.parse().map_err(|_| invalid())?;
        let minutes = match unit {
            'm' => Some(number),
            'h' => number.checked_mul(60),
            'd' => number.checked_mul(24 * 60),
            _ => None,
        };
        minutes.filter(|m| *m <= 3650 * 24 * 60).map(SignedDuration::from_mins).ok_or_else(invalid)
    }
}

impl JsonSchema for ShortDuration {
    fn schema_name() -> Cow<'static, str> {
        "ShortDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]*(m|h|d)$", "maxLength": 8 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_minutes_hours_or_days() {
        for (text, minutes) in [("1m", 1), ("90m", 90), ("26h", 26 * 60), ("2d", 2 * 24 * 60)] {
            assert_eq!(ShortDuration(text.into()).length(), Ok(SignedDuration::from_mins(minutes)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_text_in_the_message() {
        for text in [
            "",
            "m",
            "0m",
            "01h",
            "-1h",
            "1.5h",
            "1h30m",
            "1w",
            "5",
            "9999999d",
            "99999999999999999999m",
            "１m",
        ] {
            let refused = ShortDuration(text.into()).length().expect_err(text);
            assert!(refused.to_string().contains(&format!("'{text}'")));
        }
    }
}
