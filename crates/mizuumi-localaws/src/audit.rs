//! The audit of effective writes, and the witness: invariants that can be checked from outside the controller.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::client;
use crate::lock::Lock;
use crate::ring::{Numbered, Ring};
use crate::shared::Shared;

/// What one operation changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Effect {
    /// Database, `db.table`, `db.table/partition values`, `bucket/key` …
    pub(crate) resource: String,
    /// The `VersionId` that the client sent.
    pub(crate) version_given: Option<String>,
    /// The table's version before.
    pub(crate) version_before: Option<u64>,
    /// The table's version after.
    pub(crate) version_after: Option<u64>,
    /// The marker in the stored definition before the write.
    pub(crate) owner_before: Option<String>,
    /// The marker after the write.
    pub(crate) owner_after: Option<String>,
    /// Whether there was a table before the write (a create changes nothing of anybody's).
    pub(crate) existed: bool,
    /// Whether Mizuumi had made the table or taken it over.
    pub(crate) kept_before: bool,
}

impl Effect {
    /// An effect of which only the resource is known.
    pub(crate) fn on(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), ..Self::default() }
    }
}

/// Who wrote, by which operation; many writes have it in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Writer {
    /// In which account.
    pub(crate) account: String,
    /// In which region.
    pub(crate) region: String,
    /// Service.
    pub(crate) service: String,
    /// Operation.
    pub(crate) operation: String,
    /// The key that signed.
    pub(crate) access_key: String,
    /// The client.
    pub(crate) user_agent: String,
    /// The injected fault, if any.
    pub(crate) fault: Option<String>,
}

/// What one call did.
#[derive(Debug)]
pub(crate) struct Written {
    /// Number of the call, as in the call log and the request id.
    pub(crate) seq: u64,
    /// When.
    pub(crate) time: Timestamp,
    /// Who.
    pub(crate) writer: Writer,
    /// Effective writes.
    pub(crate) effects: Vec<Effect>,
    /// It was an `UpdateTable` without a `VersionId`.
    pub(crate) update_without_version: bool,
    /// It was an `UpdateTable` with a stale `VersionId`.
    pub(crate) update_with_stale_version: bool,
}

/// One effective write.
#[derive(Debug)]
struct Entry {
    seq: u64,
    time: Timestamp,
    writer: Arc<Writer>,
    effect: Effect,
}

impl Numbered for Entry {
    fn seq(&self) -> u64 {
        self.seq
    }
}

/// One effective write as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    seq: u64,
    time: Timestamp,
    #[serde(flatten)]
    writer: Writer,
    #[serde(flatten)]
    effect: Effect,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}: {} of {}", self.seq, self.writer.operation, self.effect.resource)
    }
}

/// Counters of one client in one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counters {
    /// Effective writes.
    pub(crate) writes: u64,
    /// I7: `UpdateTable` calls without `VersionId`.
    pub(crate) update_table_without_version: u64,
    /// I7: `UpdateTable` calls with a stale `VersionId` (all refused).
    pub(crate) update_table_with_stale_version: u64,
    /// I5: writes to existing tables whose stored definition had no marker.
    pub(crate) writes_to_unmarked_tables: u64,
}

type Witness = BTreeMap<String, BTreeMap<String, Counters>>;

#[derive(Debug)]
struct Book {
    writers: Shared<Writer>,
    last: Ring<Entry>,
    witness: Witness,
}

/// The audit of all accounts.
#[derive(Debug)]
pub(crate) struct Audit(Lock<Book>);

/// Which audit entries to show.
#[derive(Debug, Default)]
pub(crate) struct Selection<'a> {
    /// Of one account.
    pub(crate) account: Option<&'a str>,
    /// After this call number.
    pub(crate) since: u64,
    /// Of clients whose user agent contains this.
    pub(crate) user_agent: Option<&'a str>,
}

impl Audit {
    /// An audit that shows so many last writes.
    pub(crate) fn new(most: usize) -> Self {
        let book = Book { writers: Shared::default(), last: Ring::new(most), witness: Witness::new() };
        Self(Lock::new(book))
    }

    /// Records what a call did.
    pub(crate) fn record(&self, written: Written) {
        let mut book = self.0.hold();
        let writer = book.writers.of(written.writer);
        let account = book.witness.entry(writer.account.clone()).or_default();
        let counters = account.entry(client::name(&writer.user_agent).to_owned()).or_default();
        counters.update_table_without_version += u64::from(written.update_without_version);
        counters.update_table_with_stale_version += u64::from(written.update_with_stale_version);
        for effect in &written.effects {
            counters.writes += 1;
            counters.writes_to_unmarked_tables += u64::from(effect.existed && effect.owner_before.is_none());
        }
        for effect in written.effects {
            let entry = Entry { seq: written.seq, time: written.time, writer: Arc::clone(&writer), effect };
            book.last.push(entry);
        }
    }

    /// Entries, oldest first.
    pub(crate) fn entries(&self, selection: &Selection<'_>) -> Vec<Shown> {
        let wanted = |entry: &&Entry| {
            selection.account.is_none_or(|account| account == entry.writer.account)
                && selection.user_agent.is_none_or(|part| entry.writer.user_agent.contains(part))
        };
        let book = self.0.hold();
        let shown = book.last.after(selection.since).filter(wanted).map(|entry| Shown {
            seq: entry.seq,
            time: entry.time,
            writer: Writer::clone(&entry.writer),
            effect: entry.effect.clone(),
        });
        shown.collect()
    }

    /// How many writes are counted but no longer shown, and whether all after that number are shown.
    pub(crate) fn forgotten(&self, since: u64) -> (u64, bool) {
        let book = self.0.hold();
        (book.last.forgotten(), book.last.is_complete_after(since))
    }

    /// Counters by account and client.
    pub(crate) fn witness(&self, account: Option<&str>) -> Witness {
        let mut witness = self.0.hold().witness.clone();
        witness.retain(|owner, _| account.is_none_or(|account| account == owner));
        witness
    }

    /// Forgets an account's audit, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let keep = |owner: &str| account.is_some_and(|account| account != owner);
        let mut book = self.0.hold();
        book.last.retain(|entry| keep(&entry.writer.account));
        book.witness.retain(|owner, _| keep(owner));
    }
}
