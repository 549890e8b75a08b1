//! What lists showed a while ago, so that a fault can make them lag.

use std::collections::{BTreeMap, VecDeque};

/// Changes kept; a list cannot lag further back than the oldest.
const KEPT: usize = 10_000;
/// Changes older than this are forgotten.
const LONGEST_MILLIS: i64 = 10 * 60 * 1000;

/// The last changes to a set of named things.
#[derive(Debug)]
pub(super) struct History<Key, Thing> {
    changes: VecDeque<Change<Key, Thing>>,
}

#[derive(Debug)]
struct Change<Key, Thing> {
    millis: i64,
    key: Key,
    before: Option<Thing>,
}

impl<Key, Thing> Default for History<Key, Thing> {
    fn default() -> Self {
        Self { changes: VecDeque::new() }
    }
}

impl<Key: Ord, Thing> History<Key, Thing> {
    /// Remembers what a thing was before it changed; nothing: it did not exist.
    pub(super) fn note(&mut self, millis: i64, key: Key, before: Option<Thing>) {
        let old = |change: &Change<Key, Thing>| change.millis < millis - LONGEST_MILLIS;
        while self.changes.len() >= KEPT || self.changes.front().is_some_and(old) {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { millis, key, before });
    }

    /// What has changed since a moment, as it was at that moment.
    pub(super) fn at(&self, millis: i64) -> BTreeMap<&Key, Option<&Thing>> {
        let since = self.changes.iter().rev().take_while(|change| change.millis > millis);
        // Going back in time, the earliest change is the last to say what was there.
        since.map(|change| (&change.key, change.before.as_ref())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_what_the_first_change_since_then_found() {
        let mut history = History::default();
        history.note(10, "a", None);
        history.note(20, "a", Some("a1"));
        history.note(20, "b", Some("b1"));
        history.note(30, "b", None);
        assert_eq!(history.at(30), BTreeMap::new());
        assert_eq!(history.at(20), BTreeMap::from([(&"b", None)]));
        assert_eq!(history.at(15), BTreeMap::from([(&"a", Some(&"a1")), (&"b", Some(&"b1"))]));
        assert_eq!(history.at(0), BTreeMap::from([(&"a", None), (&"b", Some(&"b1"))]));
        history.note(20 + LONGEST_MILLIS, "c", None);
        assert_eq!(history.at(0).get(&"a"), Some(&Some(&"a1")), "what was before that is forgotten");
    }
}
