//! What is known of one database: which tables are kept track of, what was seen of each, and since when that holds.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mizuumi_core::data_table::definition::Kept;
use mizuumi_core::data_table::{ObservedTable, TableDefinition};
use mizuumi_core::{Failure, Lane, Packed};
use tokio::sync::{Semaphore, oneshot, watch};

use super::Sight;

/// So many shared reads at once.
const READERS: usize = 2;
/// For so long after a list that hung none is tried for whom somebody waits; sweeps go on trying.
const AROUND: Duration = Duration::from_secs(30);

/// A table as it is kept: the definition, what it carries besides, the version.
type Contents = (TableDefinition, Kept, Option<String>);

/// Packs a table; none if it cannot be, and then it is read anew each time.
pub(super) fn pack(table: &ObservedTable) -> Option<Packed<Contents>> {
    let contents: Contents = (table.definition.clone(), table.definition.kept.clone(), table.version.clone());
    Packed::new(&contents).ok()
}

fn unpack(packed: &Packed<Contents>) -> Option<ObservedTable> {
    let (mut definition, kept, version) = packed.open().ok()?;
    definition.kept = kept;
    Some(ObservedTable { definition, version })
}

/// What is known of one database.
#[derive(Debug)]
pub(super) struct Known {
    tables: HashMap<Box<str>, Table>,
    /// How many of them nothing is known of.
    unseen: usize,
    /// Tables of the last complete list that nobody had asked for then, by the hash of their names.
    others: HashSet<u64>,
    hasher: RandomState,
    /// When the last complete list began.
    listed: Option<Instant>,
    /// How many tables it had.
    size: Option<usize>,
    database_exists: bool,
    hurried: Gathering,
    unhurried: Gathering,
    /// When the list of the whole began that is under way.
    pub(super) listing: Option<Instant>,
    /// A counter of its pages.
    pub(super) pages: watch::Sender<u64>,
    /// When a list hung last, unless one came through since.
    slow_since: Option<Instant>,
}

/// Reads that wait to share a call.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) waiting: Vec<Waiter>,
    /// Whether somebody is about to make that call.
    pub(super) is_served: bool,
    /// So many shared reads at once: what comes meanwhile shares the next one.
    pub(super) readers: Arc<Semaphore>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { waiting: Vec::new(), is_served: false, readers: Arc::new(Semaphore::new(READERS)) }
    }
}

/// Who waits for a table to be read.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) table: String,
    pub(super) lane: Lane,
    pub(super) answer: oneshot::Sender<Result<Sight, Failure>>,
}

#[derive(Debug, Default)]
struct Table {
    /// Reads that began before this are outdated.
    not_before: Option<Instant>,
    seen: Option<Seen>,
    /// What a list says of it is doubted: it is read directly next time.
    is_doubted: bool,
    /// A read saw it change since the last sweep: the next sweep tells of it, whoever read.
    changed: bool,
}

#[derive(Debug)]
struct Seen {
    began: Instant,
    database_exists: bool,
    table: Option<Packed<Contents>>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tables: HashMap::new(),
            others: HashSet::new(),
            hasher: RandomState::new(),
            listed: None,
            size: None,
            database_exists: true,
            hurried: Gathering::default(),
            unhurried: Gathering::default(),
            listing: None,
            unseen: 0,
            pages: watch::Sender::new(0),
            slow_since: None,
        }
    }
}

impl Known {
    /// Where reads of a lane wait: those that somebody waits for do not wait for sweeps that wait for their turn.
    pub(super) const fn gathering(&mut self, is_hurried: bool) -> &mut Gathering {
        if is_hurried { &mut self.hurried } else { &mut self.unhurried }
    }

    /// From now on the table is kept track of.
    pub(super) fn watch(&mut self, table: &str) {
        if !self.tables.contains_key(table) {
            self.tables.insert(table.into(), Table::default());
            self.unseen += 1;
        }
    }

    pub(super) fn forget(&mut self, table: &str) {
        if let Some(table) = self.tables.remove(table) {
            self.unseen -= usize::from(table.seen.is_none());
        }
    }

    /// The tables that are kept track of.
    pub(super) fn watched(&self) -> Vec<String> {
        self.tables.keys().map(ToString::to_string).collect()
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.tables.is_empty()
    }

    /// How many tables nothing is known of.
    pub(super) const fn unseen(&self) -> usize {
        self.unseen
    }

    /// Up to so many of them, but for those that were written, or that are to be read by themselves.
    pub(super) fn some_unseen(&self, most: usize) -> Vec<String> {
        if self.unseen == 0 {
            return Vec::new();
        }
        let is_unseen =
            |table: &Table| table.seen.is_none() && table.not_before.is_none() && !table.is_doubted;
        let unseen = self.tables.iter().filter(|(_, table)| is_unseen(table));
        unseen.take(most).map(|(name, _)| name.to_string()).collect()
    }

    /// Those of a gathering that a call takes along, as long as `joins` says so of their names; the others go on waiting.
    pub(super) fn join(&mut self, hurried: bool, mut joins: impl FnMut(&str) -> bool) -> Vec<Waiter> {
        if hurried && self.are_lists_slow() {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.gathering(hurried).waiting);
        let (joined, others) =
            all.into_iter().partition(|waiter| !self.is_doubted(&waiter.table) && joins(&waiter.table));
        self.gathering(hurried).waiting = others;
        joined
    }

    /// When the last complete list began.
    pub(super) const fn listed(&self) -> Option<Instant> {
        self.listed
    }

    /// How many tables the database has; before the first list, as many as are asked for.
    pub(super) fn size(&self) -> usize {
        self.size.unwrap_or(self.tables.len())
    }

    /// How many tables are kept track of.
    pub(super) fn number(&self) -> usize {
        self.tables.len()
    }

    /// What was seen of a table by a read that began then or later, and that no write has outdated.
    pub(super) fn sight(&self, name: &str, since: Option<Instant>) -> Option<Sight> {
        let table = self.tables.get(name)?;
        let bound = since.max(table.not_before);
        let counts = |began: Instant| bound.is_none_or(|bound| began >= bound);
        match &table.seen {
            Some(seen) if counts(seen.began) => Some(Sight {
                database_exists: seen.database_exists,
                table: match &seen.table {
                    Some(packed) => Some(unpack(packed)?),
                    None => None,
                },
            }),
            Some(_) => None,
            None => {
                let is_absent = self.listed.is_some_and(counts) && !self.others.contains(&self.hash(name));
                is_absent.then_some(Sight { database_exists: self.database_exists, table: None })
            }
        }
    }

    /// Whether a read that begins now, or began at that time, tells what is asked for of a table; what was written since,
    /// or is doubted, is better read by itself.
    pub(super) fn would_tell(&self, table: &str, began: Option<Instant>, since: Option<Instant>) -> bool {
        let is_written = |table: &Table| table.not_before.is_some() || table.is_doubted;
        let is_late = began.is_some_and(|began| since.is_some_and(|since| began < since));
        !is_late && !self.tables.get(table).is_some_and(is_written)
    }

    /// What was read before no longer counts.
    pub(super) fn outdate(&mut self, table: &str, now: Instant) {
        if let Some(table) = self.tables.get_mut(table) {
            table.not_before = Some(now);
            self.unseen += usize::from(table.seen.take().is_some());
        }
    }

    /// A write came to nothing that it should have come to: lists may lag behind, so the table itself is asked next.
    pub(super) fn doubt(&mut self, table: &str) {
        if let Some(table) = self.tables.get_mut(table) {
            table.is_doubted = true;
        }
    }

    pub(super) fn is_doubted(&self, table: &str) -> bool {
        self.tables.get(table).is_some_and(|table| table.is_doubted)
    }

    /// A list hangs: who waits for its turn behind it, or for its pages, looks for another way.
    pub(super) fn lists_are_slow(&mut self) {
        self.slow_since = Some(Instant::now());
        std::mem::replace(&mut self.hurried.readers, Arc::new(Semaphore::new(READERS))).close();
        self.pages.send_modify(|page| *page += 1);
    }

    /// Whether lists hang, as far as is known.
    pub(super) fn are_lists_slow(&self) -> bool {
        self.slow_since.is_some_and(|since| since.elapsed() < AROUND)
    }

    /// Nothing that was seen counts any more.
    pub(super) fn distrust(&mut self) {
        self.listed = None;
        self.unseen = self.tables.len();
        for table in self.tables.values_mut() {
            table.seen = None;
        }
    }

    /// Keeps what a read saw, unless something newer is known or the read is outdated.
    pub(super) fn keep(
        &mut self,
        name: &str,
        began: Instant,
        database_exists: bool,
        table: Option<&ObservedTable>,
    ) {
        let Some(known) = self.tables.get_mut(name) else { return };
        let is_outdated = known.not_before.is_some_and(|limit| began < limit);
        let is_older = known.seen.as_ref().is_some_and(|seen| began < seen.began);
        if is_outdated || is_older {
            return;
        }
        let table = match table.map(pack) {
            Some(None) => return,
            Some(packed) => packed,
            None => None,
        };
        let seen = Seen { began, database_exists, table };
        known.not_before = None;
        known.is_doubted = false;
        let before = known.seen.replace(seen);
        self.unseen -= usize::from(before.is_none());
        known.changed |= before.is_some_and(|before| {
            known.seen.as_ref().is_some_and(|seen| {
                (&before.table, before.database_exists) != (&seen.table, seen.database_exists)
            })
        });
    }

    /// A complete list has ended: what is kept track of and was not in it is absent.
    pub(super) fn keep_list(&mut self, began: Instant, database_exists: bool, listed: &[Box<str>]) {
        self.slow_since = None;
        self.size = Some(listed.len());
        self.listed = Some(began);
        self.database_exists = database_exists;
        self.others = listed
            .iter()
            .filter(|name| !self.tables.contains_key(*name))
            .map(|name| self.hash(name))
            .collect();
        let present: HashSet<&str> = listed.iter().map(AsRef::as_ref).collect();
        let absent: Vec<_> =
            self.tables.keys().filter(|name| !present.contains(name.as_ref())).cloned().collect();
        for name in absent {
            self.keep(&name, began, database_exists, None);
        }
    }

    /// The tables that look different since this was asked last.
    pub(super) fn take_changed(&mut self) -> Vec<String> {
        let changed = self
            .tables
            .iter_mut()
            .filter_map(|(name, table)| std::mem::take(&mut table.changed).then(|| name.to_string()));
        changed.collect()
    }

    fn hash(&self, name: &str) -> u64 {
        self.hasher.hash_one(name)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn table(version: &str) -> ObservedTable {
        ObservedTable { definition: TableDefinition::default(), version: Some(version.to_owned()) }
    }

    fn watching(names: &[&str]) -> Known {
        let mut known = Known::default();
        for name in names {
            known.watch(name);
        }
        known
    }

    fn list(known: &mut Known, began: Instant, tables: &[(&str, &str)]) {
        for (name, version) in tables {
            known.keep(name, began, true, Some(&table(version)));
        }
        let names: Vec<Box<str>> = tables.iter().map(|(name, _)| (*name).into()).collect();
        known.keep_list(began, true, &names);
    }

    fn version(known: &Known, name: &str) -> Option<String> {
        known.sight(name, None).and_then(|sight| sight.table).and_then(|table| table.version)
    }

    #[test]
    fn a_sweep_tells_which_watched_tables_look_different_and_absence_is_a_difference() {
        let mut known = watching(&["a", "b", "c"]);
        list(&mut known, Instant::now(), &[("a", "1"), ("b", "1"), ("foreign", "1")]);
        let first = known.take_changed();
        assert!(first.is_empty(), "what is seen for the first time is no change: {first:?}");
        list(&mut known, Instant::now(), &[("a", "2"), ("c", "1"), ("foreign", "2")]);
        let mut changed = known.take_changed();
        changed.sort();
        assert_eq!(changed, ["a", "b", "c"]);
        assert!(known.take_changed().is_empty());
    }

    #[test]
    fn a_read_that_began_before_a_write_does_not_count() {
        let mut known = watching(&["a"]);
        let before = Instant::now();
        let write = before + Duration::from_millis(1);
        known.outdate("a", write);
        known.keep("a", before, true, Some(&table("1")));
        assert_eq!(version(&known, "a"), None);
        known.keep("a", write, true, Some(&table("2")));
        assert_eq!(version(&known, "a").as_deref(), Some("2"));
    }

    #[test]
    fn a_read_counts_for_all_that_was_asked_before_it_began() {
        let mut known = watching(&["a"]);
        let asked = Instant::now();
        let began = asked + Duration::from_millis(1);
        known.keep("a", began, true, Some(&table("1")));
        assert!(known.sight("a", Some(asked)).is_some());
        assert!(known.sight("a", Some(began + Duration::from_millis(1))).is_none());
    }

    #[test]
    fn an_older_read_that_comes_late_does_not_replace_a_newer_one() {
        let mut known = watching(&["a"]);
        let old = Instant::now();
        let new = old + Duration::from_millis(1);
        known.keep("a", new, true, Some(&table("2")));
        known.keep("a", old, true, Some(&table("1")));
        assert_eq!(version(&known, "a").as_deref(), Some("2"));
    }

    #[test]
    fn what_a_complete_list_does_not_have_is_absent_and_what_it_has_is_not() {
        let mut known = watching(&["a"]);
        let began = Instant::now();
        list(&mut known, began, &[("a", "1"), ("later", "1")]);
        known.watch("later");
        known.watch("new");
        assert_eq!(known.sight("later", None), None, "it is there, and was not kept");
        assert_eq!(known.sight("new", Some(began)).map(|sight| sight.table), Some(None));
        assert_eq!(known.sight("new", Some(began + Duration::from_millis(1))), None);
        known.outdate("new", began + Duration::from_millis(2));
        assert_eq!(known.sight("new", None), None, "it was written since");
    }

    #[test]
    fn who_waits_joins_a_call_that_is_sent_unless_it_has_to_be_read_by_itself() {
        let mut known = watching(&["a", "doubted", "no_room"]);
        known.doubt("doubted");
        for table in ["a", "doubted", "no_room"] {
            let waiter = Waiter { table: table.to_owned(), lane: Lane::Change, answer: oneshot::channel().0 };
            known.gathering(true).waiting.push(waiter);
        }
        let names = |all: &[Waiter]| all.iter().map(|waiter| waiter.table.clone()).collect::<Vec<_>>();
        assert_eq!(names(&known.join(true, |name| name != "no_room")), ["a"]);
        assert_eq!(names(&known.gathering(true).waiting), ["doubted", "no_room"]);
        known.lists_are_slow();
        assert!(known.join(true, |_| true).is_empty(), "around lists that hang");
    }

    #[test]
    fn a_table_comes_out_as_it_went_in() {
        let mut known = watching(&["a"]);
        let mut table = table("7");
        table.definition.description = Some("what it holds".into());
        table.definition.kept.unwritten = Some("a view".into());
        table.definition.kept.sort_columns = vec![("x".into(), 1)];
        known.keep("a", Instant::now(), true, Some(&table));
        assert_eq!(known.sight("a", None).and_then(|sight| sight.table), Some(table));
    }
}
