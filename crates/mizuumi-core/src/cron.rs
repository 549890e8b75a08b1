//! Moments that come again and again: a cron expression, by the clock of a time zone.

use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::problem::Problem;

/// A cron expression of five fields, by the clock of a time zone.
///
/// Where clocks change, an expression of one time of day has one moment a day, always: a time that is skipped comes right after the
/// gap, and one that comes twice comes the first time. One that names more, by lists, ranges or steps, goes by what the clock shows:
/// what is skipped does not come, and what the clock shows twice comes twice.
#[derive(Clone, Debug)]
pub struct Cron {
    pattern: croner::Cron,
    zone: TimeZone,
}

/// The time zone of that IANA name; without a name, UTC.
///
/// # Errors
/// If there is none.
pub fn zone(path: &str, name: Option<&str>) -> Result<TimeZone, Problem> {
    let name = name.unwrap_or("UTC");
    TimeZone::get(name).map_err(|_| {
        Problem::invalid(
            path,
            format!("must be an IANA time zone such as 'Asia/Tokyo'; '{name}' is not known"),
        )
    })
}

impl Cron {
    /// Reads an expression.
    ///
    /// # Errors
    /// If it is none.
    pub fn new(path: &str, text: &str, zone: TimeZone) -> Result<Self, Problem> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let pattern = parser.parse(text).map_err(|error| {
            let message = format!(
                "must be a cron expression of five fields such as '0 7 * * 1-5'; '{text}' is not: {error}"
            );
            Problem::invalid(path, message)
        })?;
        Ok(Self { pattern, zone })
    }

    /// The last moment up to that one, itself included.
    #[must_use]
    pub fn last(&self, until: Timestamp) -> Option<Timestamp> {
        self.back(until, true)
    }

    /// The last moment before that one.
    #[must_use]
    pub fn before(&self, moment: Timestamp) -> Option<Timestamp> {
        self.back(moment, false)
    }

    /// The first moment after that one.
    #[must_use]
    pub fn next(&self, moment: Timestamp) -> Option<Timestamp> {
        let from = moment.to_zoned(self.zone.clone());
        self.pattern.find_next_occurrence(&from, false).ok().map(|zoned| zoned.timestamp())
    }

    fn back(&self, moment: Timestamp, inclusive: bool) -> Option<Timestamp> {
        let from = moment.to_zoned(self.zone.clone());
        self.pattern.find_previous_occurrence(&from, inclusive).ok().map(|zoned| zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// What comes after a moment, up to another.
    fn between(cron: &str, zone_: &str, after: &str, until: &str) -> Vec<String> {
        let zone = zone("zone", Some(zone_)).expect("a zone");
        let cron = Cron::new("cron", cron, zone).expect("a cron");
        let until = at(until);
        let moments = std::iter::successors(cron.next(at(after)), |moment| cron.next(*moment));
        let forth: Vec<Timestamp> = moments.take_while(|moment| *moment <= until).collect();
        let moments = std::iter::successors(cron.last(until), |moment| cron.before(*moment));
        let mut back: Vec<Timestamp> = moments.take_while(|moment| *moment > at(after)).collect();
        back.reverse();
        assert_eq!(forth, back, "back is the way that it came");
        forth.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_time_of_day_that_is_skipped_comes_once_right_after_the_gap() {
        // On 2026-03-29 in Berlin, 02:00 to 03:00 is skipped: 03:00 there is 01:00 in UTC.
        let (from, until) = ("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        let daily = between("30 2 * * *", "Europe/Berlin", from, until);
        assert_eq!(daily, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_of_day_that_comes_twice_comes_the_first_time() {
        // On 2026-10-25 in Berlin, 02:00 to 03:00 comes twice: at 00:00 and at 01:00 in UTC.
        let (from, until) = ("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        let daily = between("30 2 * * *", "Europe/Berlin", from, until);
        assert_eq!(daily, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn of_several_times_of_day_those_come_that_the_clock_shows() {
        let gap = between("0 2,14 * * *", "Europe/Berlin", "2026-03-28T13:00:00Z", "2026-03-29T13:00:00Z");
        assert_eq!(gap, ["2026-03-29T12:00:00Z"]);
        let fold = between("0 2,14 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T13:00:00Z");
        assert_eq!(fold, ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T13:00:00Z"]);
    }

    #[test]
    fn every_hour_goes_by_what_really_passes() {
        let gap = between("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T03:00:00Z");
        assert_eq!(
            gap,
            ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"]
        );
        let fold = between("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T03:00:00Z");
        assert_eq!(
            fold,
            ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"]
        );
    }
}
