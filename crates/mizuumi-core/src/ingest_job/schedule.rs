//! Which sessions of a job are due, which come too late, and which comes next.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_job::{IngestJob, JobSchedule, ScheduleStatus};

use crate::cron::{self, Cron};
use crate::problem::Problem;

/// So many sessions may wait; of more, the latest ones do.
pub const MOST: usize = 100;

/// Reads a schedule.
///
/// # Errors
/// Every problem, each with its path.
pub fn read(schedule: &JobSchedule) -> Result<Cron, Vec<Problem>> {
    let path = "spec.schedule.cron";
    let zone = cron::zone("spec.schedule.timeZone", schedule.time_zone.as_deref());
    let in_zone = zone.clone().unwrap_or(jiff::tz::TimeZone::UTC);
    let cron =
        Cron::new(path, &schedule.cron, in_zone).and_then(|cron| match cron.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err(Problem::invalid(path, format!("'{}' names a day that never comes", schedule.cron))),
        });
    match (cron, zone) {
        (Ok(cron), Ok(_)) => Ok(cron),
        (cron, zone) => Err([cron.err(), zone.err()].into_iter().flatten().collect()),
    }
}

/// Since when a job's schedule is what it is; none if the status does not know it yet, and it begins now.
#[must_use]
pub fn since(job: &IngestJob) -> Option<Timestamp> {
    let schedule = job.spec.schedule.as_ref()?;
    let status = job.status.as_ref();
    let known = status.and_then(|status| status.schedule.as_ref());
    match known {
        Some(known) if known.cron == schedule.cron && known.time_zone == schedule.time_zone => {
            Some(known.since)
        }
        // One that nobody has looked at yet has had it from the beginning.
        None if status.is_none_or(|status| status.observed_generation == 0) => {
            job.metadata.creation_timestamp.as_ref().map(|created| created.0)
        }
        _ => None,
    }
}

/// What the status says of a job's schedule.
#[must_use]
pub fn told(job: &IngestJob, now: Timestamp) -> Option<ScheduleStatus> {
    let JobSchedule { cron, time_zone } = job.spec.schedule.clone()?;
    Some(ScheduleStatus { cron, time_zone, since: since(job).unwrap_or(now) })
}

/// Sessions that have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The first and the last of those that come too late.
    pub late: Option<(Timestamp, Timestamp)>,
    /// Those that may begin, the earliest first.
    pub sessions: Vec<Timestamp>,
}

/// The sessions that have come after a moment and until now, and that may wait for so long.
#[must_use]
pub fn due(cron: &Cron, after: Timestamp, deadline: SignedDuration, now: Timestamp) -> Due {
    let Some(first) = cron.next(after).filter(|first| *first <= now) else { return Due::default() };
    let in_time = now.checked_sub(deadline).unwrap_or(Timestamp::MIN).max(after);
    let sessions = std::iter::successors(cron.last(now), |session| cron.before(*session));
    let mut sessions: Vec<Timestamp> = sessions.take_while(|session| *session > in_time).take(MOST).collect();
    sessions.reverse();
    let late = match sessions.first() {
        Some(earliest) => cron.before(*earliest),
        None => cron.last(now),
    };
    Due { late: late.filter(|late| *late >= first).map(|late| (first, late)), sessions }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cron(text: &str, zone: &str) -> Cron {
        read(&JobSchedule { cron: text.into(), time_zone: Some(zone.into()) }).expect("a schedule")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn sessions_come_in_order_and_no_longer_than_the_deadline_says() {
        let daily = cron("0 2 * * *", "Asia/Tokyo");
        let due = |after: &str, now: &str| due(&daily, at(after), SignedDuration::from_hours(48), at(now));
        assert_eq!(due("2026-11-24T17:00:00Z", "2026-11-25T16:59:59Z"), Due::default());
        let one = due("2026-11-24T17:00:00Z", "2026-11-25T17:00:00Z");
        assert_eq!((one.sessions, one.late), (vec![at("2026-11-25T17:00:00Z")], None));
        let long = due("2026-11-20T17:00:00Z", "2026-11-26T00:00:00Z");
        assert_eq!(long.sessions, [at("2026-11-24T17:00:00Z"), at("2026-11-25T17:00:00Z")]);
        assert_eq!(long.late, Some((at("2026-11-21T17:00:00Z"), at("2026-11-23T17:00:00Z"))));
        // The clock has gone back.
        assert_eq!(due("2026-11-25T17:00:00Z", "2026-11-24T00:00:00Z"), Due::default());
    }

    #[test]
    fn of_very_many_the_latest_hundred_may_begin() {
        let minutely = cron("* * * * *", "UTC");
        let due = due(
            &minutely,
            at("2020-01-01T00:00:00Z"),
            SignedDuration::from_hours(24),
            at("2026-11-26T12:00:30Z"),
        );
        assert_eq!(due.sessions.len(), MOST);
        assert_eq!(due.sessions.last(), Some(&at("2026-11-26T12:00:00Z")));
        assert_eq!(due.late, Some((at("2020-01-01T00:01:00Z"), at("2026-11-26T10:20:00Z"))));
    }

    #[test]
    fn every_one_may_come_too_late() {
        let daily = cron("0 2 * * *", "UTC");
        let due = due(
            &daily,
            at("2026-11-20T02:00:00Z"),
            SignedDuration::from_hours(1),
            at("2026-11-23T12:00:00Z"),
        );
        assert_eq!(
            due,
            Due { late: Some((at("2026-11-21T02:00:00Z"), at("2026-11-23T02:00:00Z"))), sessions: vec![] }
        );
    }

    #[test]
    fn what_is_no_schedule_is_told_with_its_path() {
        let paths = |cron: &str, zone: &str| -> Vec<String> {
            let schedule = JobSchedule { cron: cron.into(), time_zone: Some(zone.into()) };
            read(&schedule).expect_err("no schedule").into_iter().map(|problem| problem.path).collect()
        };
        assert_eq!(
            paths("whenever I like", "Mars/Olympus"),
            ["spec.schedule.cron", "spec.schedule.timeZone"]
        );
        assert_eq!(paths("0 0 30 2 *", "UTC"), ["spec.schedule.cron"]);
        assert_eq!(paths("0 0 0 1 1 *", "UTC"), ["spec.schedule.cron"]);
    }
}
