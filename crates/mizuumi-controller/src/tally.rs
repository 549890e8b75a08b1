//! Which conditions resources have, counted: told instead of a series for each resource, of which there may be any number.

use mizuumi_api::Condition;
use mizuumi_api::condition::{ConditionStatus, ConditionType};

const TYPES: [ConditionType; 8] = [
    ConditionType::Ready,
    ConditionType::Reconciling,
    ConditionType::Stalled,
    ConditionType::Fresh,
    ConditionType::Compatible,
    ConditionType::Succeeded,
    ConditionType::QualityPassed,
    ConditionType::Reachable,
];
const STATUSES: [(ConditionStatus, &str); 3] = [
    (ConditionStatus::True, "True"),
    (ConditionStatus::False, "False"),
    (ConditionStatus::Unknown, "Unknown"),
];
const ALL: usize = TYPES.len() * STATUSES.len();

/// The conditions of one resource: a bit for each that there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said(u32);

impl Said {
    /// What a status says.
    pub(crate) fn of(conditions: &[Condition]) -> Self {
        let has = |place: usize| {
            let (type_, (status, _)) = (TYPES[place / STATUSES.len()], STATUSES[place % STATUSES.len()]);
            conditions.iter().any(|condition| condition.type_ == type_.name() && condition.status == status)
        };
        Self((0..ALL).filter(|place| has(*place)).fold(0, |bits, place| bits | 1 << place))
    }

    fn places(self) -> impl Iterator<Item = usize> {
        (0..ALL).filter(move |place| self.0 & (1 << place) != 0)
    }
}

/// How many resources say what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally([usize; ALL]);

impl Tally {
    /// A resource says something else than before.
    pub(crate) fn changed(&mut self, before: Option<Said>, now: Option<Said>) {
        for place in now.unwrap_or_default().places() {
            self.0[place] += 1;
        }
        for place in before.unwrap_or_default().places() {
            self.0[place] -= 1;
        }
    }

    /// Each condition and status, and how many say so.
    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, usize)> {
        self.0.iter().enumerate().map(|(place, count)| {
            (TYPES[place / STATUSES.len()].name(), STATUSES[place % STATUSES.len()].1, *count)
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use mizuumi_api::Reason;

    use super::*;

    fn said(conditions: &[(ConditionType, ConditionStatus)]) -> Said {
        let condition = |(type_, status): &(ConditionType, ConditionStatus)| {
            Condition::new(*type_, *status, Reason::InSync, "", 1, Timestamp::UNIX_EPOCH)
        };
        Said::of(&conditions.iter().map(condition).collect::<Vec<_>>())
    }

    #[test]
    fn a_resource_counts_for_what_it_says_last_until_it_is_gone() {
        let late = said(&[
            (ConditionType::Ready, ConditionStatus::True),
            (ConditionType::Fresh, ConditionStatus::False),
        ]);
        let fresh = said(&[
            (ConditionType::Ready, ConditionStatus::True),
            (ConditionType::Fresh, ConditionStatus::True),
        ]);
        let mut tally = Tally::default();
        let count = |tally: &Tally| -> Vec<_> { tally.each().filter(|(.., count)| *count > 0).collect() };
        tally.changed(None, Some(late));
        tally.changed(None, Some(late));
        tally.changed(Some(late), Some(fresh));
        assert_eq!(count(&tally), [("Ready", "True", 2), ("Fresh", "True", 1), ("Fresh", "False", 1)]);
        tally.changed(Some(late), None);
        tally.changed(Some(fresh), Some(Said::default()));
        assert_eq!(count(&tally), []);
    }
}
