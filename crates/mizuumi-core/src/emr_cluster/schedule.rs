//! The window in which a cluster runs.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mizuumi_api::emr_cluster as api;

use crate::cron::{self, Cron};
use crate::problem::Problem;

/// A window of time that comes again and again.
#[derive(Clone, Debug)]
pub struct Window {
    start: Cron,
    stop: Cron,
}

impl Window {
    /// Checks a schedule.
    ///
    /// # Errors
    /// Every problem, each with its path.
    pub fn new(schedule: &api::Schedule) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let zone = cron::zone("spec.schedule.timeZone", schedule.time_zone.as_deref());
        let zone = zone.map_err(|problem| problems.push(problem)).unwrap_or(TimeZone::UTC);
        let mut cron = |path: &str, text: &str| {
            Cron::new(path, text, zone.clone()).map_err(|problem| problems.push(problem)).ok()
        };
        let start = cron("spec.schedule.start", &schedule.start);
        let stop = cron("spec.schedule.stop", &schedule.stop);
        match (start, stop) {
            (Some(start), Some(stop)) if problems.is_empty() => Ok(Self { start, stop }),
            _ => Err(problems),
        }
    }

    /// When the window that `now` lies in was opened; none while it is closed. Where both come at one moment, it is closed.
    #[must_use]
    pub fn opened(&self, now: Timestamp) -> Option<Timestamp> {
        let opened = self.start.last(now)?;
        self.stop.last(now).is_none_or(|closed| closed < opened).then_some(opened)
    }

    /// When the window opens or closes next.
    #[must_use]
    pub fn turns_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.opened(now).is_some() { self.stop.next(now) } else { self.start.next(now) }
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
