//! The window in which a cluster runs.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use mizuumi_api::emr_cluster as api;

use crate::problem::Problem;

/// A window of time that comes again and again.
#[derive(Clone, Debug)]
pub struct Window {
    start: Cron,
    stop: Cron,
    zone: TimeZone,
}

impl Window {
    /// Checks a schedule.
    ///
    /// # Errors
    /// Every problem, each with its path.
    pub fn new(schedule: &api::Schedule) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let name = schedule.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(name).unwrap_or_else(|_| {
            problems.push(Problem::invalid(
                "spec.schedule.timeZone",
                format!("must be an IANA time zone such as 'Asia/Tokyo'; '{name}' is not known"),
            ));
            TimeZone::UTC
        });
        let mut cron = |path: &str, text: &str| {
            CronParser::builder()
                .seconds(Seconds::Disallowed)
                .build()
                .parse(text)
                .map_err(|error| {
                    let message = format!(
                        "must be a cron expression of five fields such as '0 7 * * 1-5'; '{text}' is not: {error}"
                    );
                    problems.push(Problem::invalid(path, message));
                })
                .ok()
        };
        let start = cron("spec.schedule.start", &schedule.start);
        let stop = cron("spec.schedule.stop", &schedule.stop);
        match (start, stop) {
            (Some(start), Some(stop)) if problems.is_empty() => Ok(Self { start, stop, zone }),
            _ => Err(problems),
        }
    }

    /// When the window that `now` lies in was opened; none while it is closed. Where both come at one moment, it is closed.
    #[must_use]
    pub fn opened(&self, now: Timestamp) -> Option<Timestamp> {
        let last = |cron: &Cron| {
            let now = now.to_zoned(self.zone.clone());
            cron.find_previous_occurrence(&now, true).ok().map(|zoned| zoned.timestamp())
        };
        let opened = last(&self.start)?;
        last(&self.stop).is_none_or(|closed| closed < opened).then_some(opened)
    }

    /// When the window opens or closes next.
    #[must_use]
    pub fn turns_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |cron: &Cron| {
            let now = now.to_zoned(self.zone.clone());
            cron.find_next_occurrence(&now, false).ok().map(|zoned| zoned.timestamp())
        };
        if self.opened(now).is_some() { next(&self.stop) } else { next(&self.start) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, stop: &str, zone: &str) -> Window {
        let schedule = api::Schedule { start: start.into(), stop: stop.into(), time_zone: Some(zone.into()) };
        Window::new(&schedule).expect("a schedule")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_window_opens_and_closes_by_the_clock_of_its_zone() {
        let window = window("0 8 * * 1-5", "0 22 * * *", "Asia/Tokyo");
        // Thursday, 2026-11-26; Tokyo is nine hours ahead.
        assert_eq!(window.opened(at("2026-11-25T22:59:59Z")), None);
        assert_eq!(window.opened(at("2026-11-25T23:00:00Z")), Some(at("2026-11-25T23:00:00Z")));
        assert_eq!(window.opened(at("2026-11-26T12:59:59Z")), Some(at("2026-11-25T23:00:00Z")));
        assert_eq!(window.opened(at("2026-11-26T13:00:00Z")), None);
        assert_eq!(window.turns_at(at("2026-11-26T00:00:00Z")), Some(at("2026-11-26T13:00:00Z")));
        // Closed over the weekend.
        assert_eq!(window.turns_at(at("2026-11-27T13:00:00Z")), Some(at("2026-11-29T23:00:00Z")));
    }

    #[test]
    fn a_window_may_go_over_midnight() {
        let window = window("0 20 * * *", "0 6 * * *", "UTC");
        assert_eq!(window.opened(at("2026-11-26T03:00:00Z")), Some(at("2026-11-25T20:00:00Z")));
        assert_eq!(window.opened(at("2026-11-26T07:00:00Z")), None);
    }

    #[test]
    fn what_is_no_schedule_is_told_with_its_path() {
        let schedule = api::Schedule {
            start: "often".into(),
            stop: "0 25 * * *".into(),
            time_zone: Some("Mars/Olympus".into()),
        };
        let problems = Window::new(&schedule).expect_err("no schedule");
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["spec.schedule.timeZone", "spec.schedule.start", "spec.schedule.stop"]);
    }
}
