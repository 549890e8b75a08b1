//! The call log: counts for ever, and the last calls one by one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::client::is_ours;
use crate::lock::Lock;
use crate::ring::{Numbered, Ring};
use crate::shared::Shared;

/// What many calls have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Kind {
    /// The caller's account.
    pub(crate) account: String,
    /// The client, by its application's name or its first product.
    pub(crate) client: String,
    /// Service.
    pub(crate) service: String,
    /// Operation.
    pub(crate) operation: String,
    /// `ok`, an error code, `http-404`, or what a fault made of it.
    pub(crate) outcome: String,
    /// The injected fault.
    pub(crate) fault: Option<String>,
}

/// One call; a million of them must fit in memory.
#[derive(Debug)]
struct Entry {
    seq: u64,
    time: Timestamp,
    kind: Arc<Kind>,
    resource: Box<str>,
}

impl Numbered for Entry {
    fn seq(&self) -> u64 {
        self.seq
    }
}

/// One call as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    /// Number of the call since the start, also in its request id.
    seq: u64,
    /// When it was answered.
    time: Timestamp,
    #[serde(flatten)]
    kind: Kind,
    /// What it was about, such as `db.table` or `bucket/key`.
    resource: String,
}

/// Outcomes and their counts by `service.operation`.
pub(crate) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Debug)]
struct Book {
    kinds: Shared<Kind>,
    counts: HashMap<Arc<Kind>, u64>,
    last: Ring<Entry>,
}

/// The log of all accounts.
#[derive(Debug)]
pub(crate) struct Calls(Lock<Book>);

fn add(counts: &mut Counts, kind: &Kind, count: u64) {
    let outcomes = counts.entry(format!("{}.{}", kind.service, kind.operation)).or_default();
    *outcomes.entry(kind.outcome.clone()).or_default() += count;
}

fn is_of(kind: &Kind, account: Option<&str>) -> bool {
    account.is_none_or(|account| account == kind.account)
}

impl Calls {
    /// A log that shows so many last calls.
    pub(crate) fn new(most: usize) -> Self {
        let book = Book { kinds: Shared::default(), counts: HashMap::new(), last: Ring::new(most) };
        Self(Lock::new(book))
    }

    /// Counts and logs a call.
    pub(crate) fn record(&self, seq: u64, time: Timestamp, kind: Kind, resource: &str) {
        let mut book = self.0.hold();
        let kind = book.kinds.of(kind);
        *book.counts.entry(Arc::clone(&kind)).or_default() += 1;
        book.last.push(Entry { seq, time, kind, resource: resource.into() });
    }

    /// Counts since the last reset; with `since`, of the calls after that number that are still shown.
    pub(crate) fn counts(&self, account: Option<&str>, since: Option<u64>) -> Counts {
        self.count(since, |kind| is_of(kind, account))
    }

    /// Counts of Mizuumi's calls since the last reset; with `since`, of those after that number that are still shown.
    pub(crate) fn counts_of_ours(&self, account: Option<&str>, since: Option<u64>) -> Counts {
        self.count(since, |kind| is_ours(&kind.client) && is_of(kind, account))
    }

    fn count(&self, since: Option<u64>, wanted: impl Fn(&Kind) -> bool) -> Counts {
        let book = self.0.hold();
        let mut some: HashMap<&Arc<Kind>, u64> = HashMap::new();
        match since {
            Some(since) => {
                for entry in book.last.after(since).filter(|entry| wanted(&entry.kind)) {
                    *some.entry(&entry.kind).or_default() += 1;
                }
            }
            None => some.extend(book.counts.iter().filter(|(kind, _)| wanted(kind)).map(|(k, n)| (k, *n))),
        }
        let mut sum = Counts::new();
        for (kind, count) in some {
            add(&mut sum, kind, count);
        }
        sum
    }

    /// Calls after that number, oldest first.
    pub(crate) fn log(&self, account: Option<&str>, since: u64) -> Vec<Shown> {
        let book = self.0.hold();
        let wanted = |entry: &&Entry| account.is_none_or(|account| account == entry.kind.account);
        let shown = book.last.after(since).filter(wanted).map(|entry| Shown {
            seq: entry.seq,
            time: entry.time,
            kind: Kind::clone(&entry.kind),
            resource: entry.resource.to_string(),
        });
        shown.collect()
    }

    /// How many calls are counted but no longer shown, and whether all after that number are shown.
    pub(crate) fn forgotten(&self, since: u64) -> (u64, bool) {
        let book = self.0.hold();
        (book.last.forgotten(), book.last.is_complete_after(since))
    }

    /// Forgets an account's calls, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let keep = |kind: &Kind| account.is_some_and(|account| account != kind.account);
        let mut book = self.0.hold();
        book.counts.retain(|kind, _| keep(kind));
        book.last.retain(|entry| keep(&entry.kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(calls: &Calls, seq: u64, account: &str, outcome: &str) {
        let kind = Kind {
            account: account.to_owned(),
            client: "app/mizuumi".to_owned(),
            service: "glue".to_owned(),
            operation: "GetTable".to_owned(),
            outcome: outcome.to_owned(),
            fault: None,
        };
        calls.record(seq, Timestamp::UNIX_EPOCH, kind, "db.t");
    }

    #[test]
    fn counts_are_kept_by_account_and_outcome() {
        let calls = Calls::new(10);
        record(&calls, 1, "a", "ok");
        record(&calls, 2, "a", "EntityNotFoundException");
        record(&calls, 3, "b", "ok");
        assert_eq!(calls.counts(None, None)["glue.GetTable"]["ok"], 2);
        assert_eq!(calls.counts(Some("a"), None)["glue.GetTable"]["ok"], 1);
        assert_eq!(calls.counts(None, Some(2))["glue.GetTable"].len(), 1);
        assert_eq!(calls.counts_of_ours(Some("a"), None)["glue.GetTable"].len(), 2);
        calls.reset(Some("a"));
        assert!(calls.counts(Some("a"), None).is_empty());
        assert_eq!(calls.log(None, 0).len(), 1);
    }

    #[test]
    fn counts_outlive_the_calls_that_are_shown() {
        let calls = Calls::new(2);
        (1..=5).for_each(|seq| record(&calls, seq, "a", "ok"));
        assert_eq!(calls.counts(None, None)["glue.GetTable"]["ok"], 5);
        assert_eq!(calls.log(None, 0).len(), 2);
        assert_eq!((calls.forgotten(2), calls.forgotten(3)), ((3, false), (3, true)));
    }
}
