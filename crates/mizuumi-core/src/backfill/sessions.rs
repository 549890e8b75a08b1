//! The sessions of a range, in the order in which they begin.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::backfill::{Backfill, BackfillOrder, BackfillSpec};
use mizuumi_api::ingest_job::JobSchedule;

use crate::cron::Cron;
use crate::ingest_job::schedule;
use crate::problem::Problem;

/// A backfill has no more sessions: ten years of hours.
pub const MOST: usize = 100_000;

/// The sessions of a range.
#[derive(Clone, Debug)]
pub struct Sessions {
    cron: Cron,
    /// None is before this one.
    from: Timestamp,
    /// None is after this one.
    until: Timestamp,
    order: BackfillOrder,
}

impl Sessions {
    /// The sessions that a schedule has in a backfill's range, as far as they had come when it was made.
    ///
    /// # Errors
    /// Every problem of the schedule.
    pub fn new(backfill: &Backfill, schedule: &JobSchedule) -> Result<Self, Vec<Problem>> {
        let made = backfill.metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |made| made.0);
        Self::of(&backfill.spec, schedule, made)
    }

    /// The same of one that would be made now.
    ///
    /// # Errors
    /// Every problem of the schedule.
    pub fn of(spec: &BackfillSpec, schedule: &JobSchedule, now: Timestamp) -> Result<Self, Vec<Problem>> {
        let BackfillSpec { from, to, order, .. } = *spec;
        Ok(Self { cron: schedule::read(schedule)?, from, until: just_before(to).min(now), order })
    }

    /// Those that come after one, in the order; without one, all of them.
    #[must_use]
    pub fn after(&self, last: Option<Timestamp>) -> Box<dyn Iterator<Item = Timestamp> + '_> {
        let (cron, from, until) = (&self.cron, self.from, self.until);
        match self.order {
            BackfillOrder::OldestFirst => {
                let first = cron.next(last.unwrap_or_else(|| just_before(from)));
                let sessions = std::iter::successors(first, |session| cron.next(*session));
                Box::new(sessions.take_while(move |session| *session <= until))
            }
            BackfillOrder::NewestFirst => {
                let first = last.map_or_else(|| cron.last(until), |last| cron.before(last));
                let sessions = std::iter::successors(first, |session| cron.before(*session));
                Box::new(sessions.take_while(move |session| *session >= from))
            }
        }
    }

    /// How many there are; none if that is more than a backfill may have.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        let count = self.after(None).take(MOST + 1).count();
        (count <= MOST).then_some(count)
    }
}

/// Whether a session has had its turn, where that one was the last.
#[must_use]
pub fn has_come(order: BackfillOrder, session: Timestamp, last: Timestamp) -> bool {
    match order {
        BackfillOrder::OldestFirst => session <= last,
        BackfillOrder::NewestFirst => session >= last,
    }
}

/// The last whole second before a moment: sessions are whole seconds.
fn just_before(moment: Timestamp) -> Timestamp {
    let before = moment.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
    Timestamp::from_second(before.as_second()).unwrap_or(before)
}

#[cfg(test)]
mod tests {
    use mizuumi_api::backfill::BackfillSessions;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn sessions(cron: &str, [from, to, now]: [&str; 3], order: BackfillOrder) -> Sessions {
        let spec = BackfillSpec {
            job: "j".to_owned(),
            from: at(from),
            to: at(to),
            sessions: BackfillSessions::Missing,
            order,
            max_active_runs: None,
            parameters: None,
            suspend: false,
        };
        let schedule = JobSchedule { cron: cron.to_owned(), time_zone: Some("Asia/Tokyo".to_owned()) };
        Sessions::of(&spec, &schedule, at(now)).expect("a schedule")
    }

    const LATER: &str = "2027-01-01T00:00:00Z";

    #[test]
    fn the_first_is_included_and_the_last_is_not() {
        let range = ["2026-01-01T02:00:00+09:00", "2026-01-04T02:00:00+09:00", LATER];
        let forth = sessions("0 2 * * *", range, BackfillOrder::OldestFirst);
        let all: Vec<Timestamp> = forth.after(None).collect();
        let days = ["2025-12-31T17:00:00Z", "2026-01-01T17:00:00Z", "2026-01-02T17:00:00Z"];
        assert_eq!(all, days.map(at));
        let back = sessions("0 2 * * *", range, BackfillOrder::NewestFirst);
        assert!(back.after(None).eq(all.iter().rev().copied()));
        assert_eq!(forth.count(), Some(3));
        let between = ["2026-01-01T02:00:00.5+09:00", "2026-01-03T02:00:00.5+09:00", LATER];
        for order in [BackfillOrder::OldestFirst, BackfillOrder::NewestFirst] {
            assert_eq!(sessions("0 2 * * *", between, order).count(), Some(2), "{order:?}");
        }
    }

    #[test]
    fn it_goes_on_after_the_last_in_either_order() {
        let range = ["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", LATER];
        for order in [BackfillOrder::OldestFirst, BackfillOrder::NewestFirst] {
            let hours = sessions("0 * * * *", range, order);
            let all: Vec<Timestamp> = hours.after(None).collect();
            assert_eq!(all.len(), 24);
            for (number, session) in all.iter().enumerate() {
                assert!(hours.after(Some(*session)).eq(all.iter().skip(number + 1).copied()));
                assert!(all.iter().all(|other| {
                    let position = all.iter().position(|one| one == other);
                    has_come(order, *other, *session) == (position <= Some(number))
                }));
            }
        }
    }

    #[test]
    fn what_has_not_come_is_left_to_the_schedule() {
        let range = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2026-01-01T03:00:00Z"];
        let hours = sessions("0 * * * *", range, BackfillOrder::NewestFirst);
        assert_eq!(hours.after(None).next(), Some(at("2026-01-01T03:00:00Z")));
        assert_eq!(hours.count(), Some(4));
    }

    #[test]
    fn there_may_not_be_endlessly_many() {
        let years = ["2016-01-01T00:00:00Z", "2026-01-01T00:00:00Z", LATER];
        assert_eq!(sessions("0 * * * *", years, BackfillOrder::OldestFirst).count(), Some(87_672));
        let minutes = ["2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z", LATER];
        assert_eq!(sessions("* * * * *", minutes, BackfillOrder::NewestFirst).count(), None);
    }
}
