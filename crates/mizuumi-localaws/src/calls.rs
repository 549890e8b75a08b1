//! The call log: counts per operation and outcome, and a ring of the last calls.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::lock::Lock;

/// Calls kept in the ring.
const KEPT: usize = 100_000;

/// One call.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Number of the call since the start, also in its request id.
    pub(crate) seq: u64,
    /// When it was answered.
    pub(crate) time: String,
    /// The caller's account.
    pub(crate) account: String,
    /// Service.
    pub(crate) service: String,
    /// Operation.
    pub(crate) operation: String,
    /// What it was about, such as `db.table` or `bucket/key`.
    pub(crate) resource: String,
    /// `ok`, an error code, `http-404`, or what a fault made of it.
    pub(crate) outcome: String,
    /// The injected fault.
    pub(crate) fault: Option<String>,
}

/// Outcomes and their counts by `service.operation`.
pub(crate) type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Debug, Default)]
struct Book {
    counts: BTreeMap<String, Counts>,
    last: VecDeque<Entry>,
}

/// The log of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Calls(Lock<Book>);

fn add(counts: &mut Counts, operation: String, outcome: &str, count: u64) {
    *counts.entry(operation).or_default().entry(outcome.to_owned()).or_default() += count;
}

impl Calls {
    /// Counts and logs a call.
    pub(crate) fn record(&self, entry: Entry) {
        let mut book = self.0.hold();
        let operation = format!("{}.{}", entry.service, entry.operation);
        add(book.counts.entry(entry.account.clone()).or_default(), operation, &entry.outcome, 1);
        if book.last.len() == KEPT {
            book.last.pop_front();
        }
        book.last.push_back(entry);
    }

    /// Counts since the last reset; with `since`, of the calls after that number that the ring still holds.
    pub(crate) fn counts(&self, account: Option<&str>, since: Option<u64>) -> Counts {
        let book = self.0.hold();
        let mut sum = Counts::new();
        if let Some(since) = since {
            for entry in book.last.iter().filter(|entry| entry.seq > since) {
                if account.is_none_or(|account| account == entry.account) {
                    add(&mut sum, format!("{}.{}", entry.service, entry.operation), &entry.outcome, 1);
                }
            }
            return sum;
        }
        for (owner, counts) in &book.counts {
            if account.is_some_and(|account| account != owner) {
                continue;
            }
            for (operation, outcomes) in counts {
                for (outcome, count) in outcomes {
                    add(&mut sum, operation.clone(), outcome, *count);
                }
            }
        }
        sum
    }

    /// Calls after that number, oldest first.
    pub(crate) fn log(&self, account: Option<&str>, since: u64) -> Vec<Entry> {
        let wanted =
            |entry: &&Entry| entry.seq > since && account.is_none_or(|account| account == entry.account);
        self.0.hold().last.iter().filter(wanted).cloned().collect()
    }

    /// Forgets an account's calls, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let keep = |owner: &str| account.is_some_and(|account| account != owner);
        let mut book = self.0.hold();
        book.counts.retain(|owner, _| keep(owner));
        book.last.retain(|entry| keep(&entry.account));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u64, account: &str, outcome: &str) -> Entry {
        Entry {
            seq,
            time: String::new(),
            account: account.to_owned(),
            service: "glue".to_owned(),
            operation: "GetTable".to_owned(),
            resource: "db.t".to_owned(),
            outcome: outcome.to_owned(),
            fault: None,
        }
    }

    #[test]
    fn counts_are_kept_by_account_and_outcome() {
        let calls = Calls::default();
        calls.record(entry(1, "a", "ok"));
        calls.record(entry(2, "a", "EntityNotFoundException"));
        calls.record(entry(3, "b", "ok"));
        assert_eq!(calls.counts(None, None)["glue.GetTable"]["ok"], 2);
        assert_eq!(calls.counts(Some("a"), None)["glue.GetTable"]["ok"], 1);
        assert_eq!(calls.counts(None, Some(2))["glue.GetTable"].len(), 1);
        calls.reset(Some("a"));
        assert!(calls.counts(Some("a"), None).is_empty());
        assert_eq!(calls.log(None, 0).len(), 1);
    }
}
