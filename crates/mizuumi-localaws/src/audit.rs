//! The audit of effective writes, and the witness: invariants that can be checked from outside the controller.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use crate::lock::Lock;

/// The table parameter that marks a table as managed; the witness reads it and writes nothing.
pub(crate) const OWNER_PARAMETER: &str = "mizuumi.owner";

/// Entries kept; older ones are forgotten, the counters are not.
const KEPT: usize = 200_000;

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
}

impl Effect {
    /// An effect of which only the resource is known.
    pub(crate) fn on(resource: impl Into<String>) -> Self {
        Self { resource: resource.into(), ..Self::default() }
    }
}

/// Who wrote, when, by which operation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Writer {
    /// Number of the call, as in the call log and the request id.
    pub(crate) seq: u64,
    /// When.
    pub(crate) time: String,
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

/// One effective write.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    #[serde(flatten)]
    writer: Writer,
    #[serde(flatten)]
    effect: Effect,
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

/// The client behind a user agent: the application's name if it gives one (`app/NAME` in the AWS SDKs' format), else the
/// first product. The rest of the text differs from call to call (features in use).
fn client(user_agent: &str) -> &str {
    let mut words = user_agent.split_whitespace();
    let first = words.clone().next().unwrap_or_default();
    words.find(|word| word.starts_with("app/")).unwrap_or(first)
}

type Witness = BTreeMap<String, BTreeMap<String, Counters>>;

/// The audit of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    entries: Lock<VecDeque<Entry>>,
    witness: Lock<Witness>,
}

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
    /// Records what a call did.
    pub(crate) fn record(&self, writer: &Writer, effects: Vec<Effect>, without_version: bool, stale: bool) {
        if effects.is_empty() && !without_version && !stale {
            return;
        }
        let mut witness = self.witness.hold();
        let account = witness.entry(writer.account.clone()).or_default();
        let counters = account.entry(client(&writer.user_agent).to_owned()).or_default();
        counters.update_table_without_version += u64::from(without_version);
        counters.update_table_with_stale_version += u64::from(stale);
        let mut entries = self.entries.hold();
        for effect in effects {
            counters.writes += 1;
            counters.writes_to_unmarked_tables += u64::from(effect.existed && effect.owner_before.is_none());
            if entries.len() == KEPT {
                entries.pop_front();
            }
            entries.push_back(Entry { writer: writer.clone(), effect });
        }
    }

    /// Entries, oldest first.
    pub(crate) fn entries(&self, selection: &Selection<'_>) -> Vec<Entry> {
        let wanted = |entry: &&Entry| {
            entry.writer.seq > selection.since
                && selection.account.is_none_or(|account| account == entry.writer.account)
                && selection.user_agent.is_none_or(|part| entry.writer.user_agent.contains(part))
        };
        self.entries.hold().iter().filter(wanted).cloned().collect()
    }

    /// Counters by account and client.
    pub(crate) fn witness(&self, account: Option<&str>) -> Witness {
        let mut witness = self.witness.hold().clone();
        witness.retain(|owner, _| account.is_none_or(|account| account == owner));
        witness
    }

    /// Forgets an account's audit, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        let keep = |owner: &str| account.is_some_and(|account| account != owner);
        self.entries.hold().retain(|entry| keep(&entry.writer.account));
        self.witness.hold().retain(|owner, _| keep(owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_its_application_or_first_product() {
        assert_eq!(client("aws-sdk-rust/1.3 ua/2.1 api/glue/1.184 m/E,b app/mizuumi"), "app/mizuumi");
        assert_eq!(client("Boto3/1.44.5 md/Botocore#1.44.5 m/N"), "Boto3/1.44.5");
        assert_eq!(client(""), "");
    }
}
