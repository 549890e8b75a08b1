//! What the judge has to remember of every write, for ever: doubled creations, writes to what is not ours, and updates
//! without the right version. How often a cluster was started EMR itself still knows.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Effect, Written};
use crate::client;
use crate::emr;
use crate::lock::Lock;
use crate::owner::Mark;

/// Examples kept of each sort of violation.
const EXAMPLES: usize = 10;

/// A count with its first examples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many.
    pub(crate) count: u64,
    /// The first ones.
    pub(crate) examples: Vec<String>,
}

impl Tally {
    /// Counts one.
    pub(crate) fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.iter().take(room).cloned());
    }
}

/// What is remembered of an account's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Book {
    /// Creations that took effect, by anybody.
    pub(crate) creations: u64,
    /// Creations of a table that was there.
    pub(crate) doubled: Tally,
    /// Mizuumi's writes to tables that were there.
    pub(crate) writes: u64,
    /// Those to tables that were not its own.
    pub(crate) foreign: Tally,
    /// Unmarked tables that it took over by the very update that put its mark on, naming the current version.
    pub(crate) adoptions: u64,
    /// Mizuumi's calls of `UpdateTable` that took effect, were refused as stale, or named no version.
    pub(crate) updates: u64,
    /// Those that named no version, or took effect on another than they named.
    pub(crate) unversioned: Tally,
    /// Mizuumi's writes to EMR clusters without an owner's tag.
    pub(crate) foreign_clusters: Tally,
    live: BTreeSet<(String, String)>,
}

impl Book {
    /// A write of Mizuumi's to a cluster.
    fn cluster(&mut self, written: &Written, effect: &Effect) {
        let operation = written.writer.operation.as_str();
        let is_about_a_cluster = operation != "RunJobFlow" && !operation.contains("SecurityConfiguration");
        if is_about_a_cluster && effect.owner_before.is_none() {
            let (seq, resource) = (written.seq, &effect.resource);
            self.foreign_clusters
                .add(|| format!("call {seq}: {operation} of {resource}, which no tag said the owner of"));
        }
    }

    fn effect(&mut self, written: &Written, effect: &Effect) {
        let Written { seq, writer, .. } = written;
        let place = (writer.region.clone(), effect.resource.clone());
        let said = || format!("call {seq}: {} of {}", writer.operation, effect.resource);
        match writer.operation.as_str() {
            "CreateTable" => {
                self.creations += 1;
                if !self.live.insert(place) {
                    self.doubled.add(said);
                }
            }
            "DeleteTable" | "BatchDeleteTable" => {
                self.live.remove(&place);
            }
            "DeleteDatabase" => {
                let inside = format!("{}.", effect.resource);
                self.live.retain(|(region, table)| *region != writer.region || !table.starts_with(&inside));
            }
            _ => {}
        }
        if client::is_ours(&writer.user_agent) && effect.existed {
            self.ours(written, effect, said);
        }
    }

    fn ours(&mut self, written: &Written, effect: &Effect, said: impl Fn() -> String) {
        let operation = written.writer.operation.as_str();
        self.writes += 1;
        let before = effect.version_before.map(|version| version.to_string());
        let named_current = effect.version_given.is_some() && effect.version_given == before;
        if operation == "UpdateTable" && effect.version_given.is_some() && !named_current {
            let (given, before) = (&effect.version_given, &effect.version_before);
            self.unversioned.add(|| format!("{} took effect on {before:?}, named {given:?}", said()));
        }
        // Partition values may hold anything; the table's name stands before the first slash.
        let table = effect.resource.split('/').next().unwrap_or_default();
        match &effect.owner_before {
            None if operation.contains("DeleteTable") && !operation.contains("Version") => {
                self.foreign.add(|| format!("{}, which carried no mark", said()));
            }
            None if effect.kept_before => {}
            None if operation == "UpdateTable" && effect.owner_after.is_some() && named_current => {
                self.adoptions += 1;
            }
            None => self.foreign.add(|| format!("{}, which carried no mark", said())),
            Some(mark) if Mark::read(mark).is_none_or(|read| read.external != table) => {
                self.foreign.add(|| format!("{}, which carried the mark '{mark}'", said()));
            }
            Some(mark) if effect.owner_after.as_ref().is_some_and(|after| after != mark) => {
                self.foreign.add(|| format!("{}, which was kept by '{mark}'", said()));
            }
            Some(_) => {}
        }
    }
}

/// The books of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Lock<BTreeMap<String, Book>>);

impl Ledger {
    /// Enters what a call did.
    pub(crate) fn enter(&self, written: &Written) {
        let ours = client::is_ours(&written.writer.user_agent);
        let mut books = self.0.hold();
        let book = books.entry(written.writer.account.clone()).or_default();
        if written.writer.service == emr::SERVICE && ours {
            written.effects.iter().for_each(|effect| book.cluster(written, effect));
        }
        if written.writer.service != "glue" {
            return;
        }
        if ours {
            let updates = written.writer.operation == "UpdateTable";
            book.updates += u64::from(updates);
            if written.update_without_version {
                let at = written.effects.first().map_or("a table", |effect| effect.resource.as_str());
                book.unversioned
                    .add(|| format!("call {}: UpdateTable of {at} without VersionId", written.seq));
            }
        }
        for effect in &written.effects {
            book.effect(written, effect);
        }
    }

    /// The book of an account, or all in one.
    pub(crate) fn book(&self, account: Option<&str>) -> Book {
        let mut sum = Book::default();
        for (owner, book) in self.0.hold().iter() {
            if account.is_some_and(|account| account != owner) {
                continue;
            }
            sum.creations += book.creations;
            sum.writes += book.writes;
            sum.adoptions += book.adoptions;
            sum.updates += book.updates;
            sum.doubled.merge(&book.doubled);
            sum.foreign.merge(&book.foreign);
            sum.unversioned.merge(&book.unversioned);
            sum.foreign_clusters.merge(&book.foreign_clusters);
        }
        sum
    }

    /// Forgets an account's book, or all.
    pub(crate) fn reset(&self, account: Option<&str>) {
        self.0.hold().retain(|owner, _| account.is_some_and(|account| account != owner));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::audit::Writer;

    const MARK: &str = "i/ns/DataTable/t@db.t";

    fn enter(ledger: &Ledger, operation: &str, effect: Effect) {
        enter_of(ledger, "glue", operation, effect);
    }

    fn enter_of(ledger: &Ledger, service: &str, operation: &str, effect: Effect) {
        ledger.enter(&Written {
            seq: 1,
            time: Timestamp::UNIX_EPOCH,
            writer: Writer {
                account: "1".to_owned(),
                region: "r".to_owned(),
                service: service.to_owned(),
                operation: operation.to_owned(),
                access_key: String::new(),
                user_agent: client::OURS.to_owned(),
                fault: None,
            },
            effects: vec![effect],
            update_without_version: false,
            update_with_stale_version: false,
        });
    }

    #[test]
    fn a_second_creation_without_a_deletion_between_is_seen() {
        let ledger = Ledger::default();
        for (operation, resource) in [
            ("CreateTable", "db.t"),
            ("DeleteTable", "db.t"),
            ("CreateTable", "db.t"),
            ("DeleteDatabase", "db"),
            ("CreateTable", "db.t"),
        ] {
            enter(&ledger, operation, Effect::on(resource));
        }
        assert_eq!(ledger.book(None).doubled, Tally::default());
        enter(&ledger, "CreateTable", Effect::on("db.t"));
        let book = ledger.book(Some("1"));
        assert_eq!((book.creations, book.doubled.count), (4, 1));
        assert_eq!(ledger.book(Some("2")), Book::default());
    }

    #[test]
    fn an_update_that_took_effect_on_another_version_than_it_named_is_seen() {
        let ledger = Ledger::default();
        let update = |given: &str| Effect {
            existed: true,
            version_given: Some(given.to_owned()),
            version_before: Some(3),
            owner_before: Some(MARK.to_owned()),
            ..Effect::on("db.t")
        };
        enter(&ledger, "UpdateTable", update("3"));
        assert_eq!(ledger.book(None).unversioned.count, 0);
        enter(&ledger, "UpdateTable", update("2"));
        assert_eq!(ledger.book(None).unversioned.count, 1);
    }

    #[test]
    fn a_write_to_what_is_not_ours_is_seen_and_an_adoption_is_not_one() {
        for (operation, before, after, given, kept, foreign, adopted) in [
            ("UpdateTable", None, Some(MARK), Some("3"), false, 0, 1),
            ("UpdateTable", None, Some(MARK), None, false, 1, 0),
            ("UpdateTable", None, None, Some("3"), false, 1, 0),
            ("UpdateTable", None, Some(MARK), None, true, 0, 0),
            ("UpdateTable", Some(MARK), Some(MARK), Some("3"), true, 0, 0),
            ("UpdateTable", Some(MARK), None, Some("3"), true, 0, 0),
            ("UpdateTable", Some("i/other/DataTable/t@db.t"), Some(MARK), Some("3"), false, 1, 0),
            ("UpdateTable", Some("i/ns/DataTable/t@db.original"), Some(MARK), Some("3"), false, 1, 0),
            ("UpdateTable", Some("terraform"), Some("terraform"), Some("3"), false, 1, 0),
            ("DeleteTable", None, None, None, true, 1, 0),
            ("DeleteTable", Some(MARK), None, None, true, 0, 0),
            ("BatchCreatePartition", None, None, None, false, 1, 0),
        ] {
            let ledger = Ledger::default();
            let effect = Effect {
                existed: true,
                kept_before: kept,
                version_given: given.map(str::to_owned),
                version_before: Some(3),
                owner_before: before.map(str::to_owned),
                owner_after: after.map(str::to_owned),
                ..Effect::on(if operation.ends_with("Partition") { "db.t/2026/1" } else { "db.t" })
            };
            enter(&ledger, operation, effect);
            let book = ledger.book(None);
            assert_eq!(
                (book.foreign.count, book.adoptions),
                (foreign, adopted),
                "{operation} {before:?} {after:?}"
            );
        }
    }

    #[test]
    fn a_write_to_a_cluster_of_nobody_is_seen() {
        let ledger = Ledger::default();
        let owned = Effect { owner_before: Some("i/ns/EmrCluster/c@c".to_owned()), ..Effect::on("j-1") };
        for (operation, effect, foreign) in [
            ("RunJobFlow", Effect::on("j-1"), 0),
            ("CreateSecurityConfiguration", Effect::on("s"), 0),
            ("TerminateJobFlows", owned, 0),
            ("TerminateJobFlows", Effect::on("j-2"), 1),
            ("AddTags", Effect::on("j-2"), 2),
        ] {
            enter_of(&ledger, emr::SERVICE, operation, effect);
            assert_eq!(ledger.book(None).foreign_clusters.count, foreign, "{operation}");
        }
        assert_eq!(ledger.book(None).writes, 0);
    }
}
