//! Dates as Java's `DateTimeFormatter` writes them, as far as partition projections use it.

use jiff::civil::DateTime;

/// A pattern such as `yyyy-MM-dd`.
#[derive(Debug)]
pub(super) struct DateFormat {
    /// None where the pattern has something that is not known here; its dates are then left to Athena.
    parts: Option<Vec<Part>>,
    is_finer_than_a_day: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    /// A field of so many digits.
    Digits(Field, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// The end of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(DateTime),
    /// Relative to now, or in a format that is not known here.
    Open,
}

const UNITS: [&str; 7] = ["YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];

impl DateFormat {
    pub(super) fn new(pattern: &str) -> Self {
        let (mut parts, mut known, mut finer, mut quoted) = (Vec::new(), true, false, false);
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            if character == '\'' {
                // Two quotes are one that is meant.
                if characters.next_if_eq(&'\'').is_some() {
                    parts.push(Part::Literal('\''));
                } else {
                    quoted = !quoted;
                }
            } else if quoted || !character.is_ascii_alphabetic() {
                parts.push(Part::Literal(character));
            } else {
                let mut width = 1;
                while characters.next_if_eq(&character).is_some() {
                    width += 1;
                }
                finer |= "HhKkmsSnNAa".contains(character);
                match field(character, width) {
                    Some(field) => parts.push(Part::Digits(field, width)),
                    None => known = false,
                }
            }
        }
        Self { parts: known.then_some(parts), is_finer_than_a_day: finer }
    }

    /// Whether it tells hours or less.
    pub(super) const fn is_finer_than_a_day(&self) -> bool {
        self.is_finer_than_a_day
    }

    /// Reads the end of a range.
    pub(super) fn read(&self, text: &str) -> Result<Moment, String> {
        let trimmed = text.trim();
        if let Some(offset) = trimmed.strip_prefix("NOW") {
            let wrong = || "is not NOW with a distance such as 'NOW-3YEARS' or 'NOW+1DAY'".to_owned();
            return is_offset(offset).then_some(Moment::Open).ok_or_else(wrong);
        }
        let Some(parts) = &self.parts else { return Ok(Moment::Open) };
        read(parts, trimmed)
            .map(Moment::At)
            .ok_or_else(|| "is no date in the key's `format`, and not NOW".to_owned())
    }
}

fn field(letter: char, width: usize) -> Option<Field> {
    match (letter, width) {
        ('y' | 'u', 4) => Some(Field::Year),
        ('M', 2) => Some(Field::Month),
        ('d', 2) => Some(Field::Day),
        ('H', 2) => Some(Field::Hour),
        ('m', 2) => Some(Field::Minute),
        ('s', 2) => Some(Field::Second),
        _ => None,
    }
}

/// `-3YEARS`, `+ 1 DAY`, or nothing.
fn is_offset(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() {
        return true;
    }
    let Some(distance) = text.strip_prefix(['+', '-']) else { return false };
    let distance = distance.trim_start();
    let unit = distance.trim_start_matches(|c: char| c.is_ascii_digit());
    let unit_name = unit.trim();
    unit.len() < distance.len() && UNITS.contains(&unit_name.strip_suffix('S').unwrap_or(unit_name))
}

fn read(parts: &[Part], text: &str) -> Option<DateTime> {
    let (mut year, mut month, mut day, mut hour, mut minute, mut second) = (1970, 1, 1, 0, 0, 0);
    let mut rest = text;
    for part in parts {
        match part {
            Part::Literal(character) => rest = rest.strip_prefix(*character)?,
            Part::Digits(field, width) => {
                let digits =
                    rest.get(..*width).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
                rest = &rest[*width..];
                let small = || digits.parse::<i8>().ok();
                match field {
                    Field::Year => year = digits.parse::<i16>().ok()?,
                    Field::Month => month = small()?,
                    Field::Day => day = small()?,
                    Field::Hour => hour = small()?,
                    Field::Minute => minute = small()?,
                    Field::Second => second = small()?,
                }
            }
        }
    }
    rest.is_empty().then_some(())?;
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_by_their_pattern() {
        for (pattern, good, bad) in [
            ("yyyy-MM-dd", "2026-02-28", "2026-02-30"),
            ("yyyy/MM/dd/HH", "2026/11/25/23", "2026/11/25/24"),
            ("yyyyMM", "202611", "2026-11"),
            ("yyyy-MM-dd'T'HH:mm:ss", "2026-11-25T01:02:03", "2026-11-25 01:02:03"),
        ] {
            let format = DateFormat::new(pattern);
            assert!(matches!(format.read(good), Ok(Moment::At(_))), "{pattern}: {good}");
            assert!(format.read(bad).is_err(), "{pattern}: {bad}");
        }
    }

    #[test]
    fn now_may_have_a_distance() {
        let format = DateFormat::new("yyyy");
        for good in ["NOW", " NOW ", "NOW-3YEARS", "NOW + 1 DAY", "NOW+12HOURS"] {
            assert_eq!(format.read(good), Ok(Moment::Open), "{good}");
        }
        for bad in ["NOW3YEARS", "NOW-YEARS", "NOW-3", "NOW-3FORTNIGHTS", "now"] {
            assert!(format.read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_known_here_is_left_to_athena() {
        let format = DateFormat::new("dd MMM yyyy");
        assert_eq!(format.read("25 Nov 2026"), Ok(Moment::Open));
        assert!(!format.is_finer_than_a_day() && DateFormat::new("yyyy-MM-dd HH").is_finer_than_a_day());
    }
}
