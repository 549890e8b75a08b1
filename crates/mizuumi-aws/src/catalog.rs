//! What is known of the tables of the Glue catalog, and since when.
//!
//! Reads are shared: those that come within a moment become one GetTable each while they are few, and one list of the
//! database once they are many, so that N objects are not N calls. A sweep lists a whole database and only ever tells
//! which tables look different; before a write a table is read again by a read that began later. After a write,
//! answers to reads that began before it no longer count.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mizuumi_core::data_table::{ObservedTable, TableKey};
use mizuumi_core::{Failure, Reading};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::clients::{Clients, ProfileClients};
use crate::glue;

/// How long a read waits for others to share its call.
const GATHER: Duration = Duration::from_millis(20);
/// Tables on one page of a list.
const PAGE: usize = 100;

/// A table, or its absence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sight {
    /// Whether the database exists.
    pub(crate) database_exists: bool,
    /// The table, if it exists.
    pub(crate) table: Option<ObservedTable>,
}

/// The tables of the catalog, by profile and database.
#[derive(Debug)]
pub struct Catalog {
    clients: Clients,
    databases: Mutex<HashMap<DatabaseKey, Known>>,
}

/// A database, seen with the credentials of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseKey {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// Glue database.
    pub database: String,
}

/// What is known of one database.
#[derive(Debug, Default)]
struct Known {
    /// Tables that somebody asked for.
    watched: HashSet<String>,
    /// What was seen of tables, those that nobody asked for yet included: at a start they will be.
    sights: HashMap<String, (Instant, Sight)>,
    /// Tables that a read saw change between two sweeps: the next sweep tells of them, whoever read.
    changed: HashSet<String>,
    /// How many tables the last complete list had.
    size: usize,
    /// Reads that began before this are outdated.
    not_before: HashMap<String, Instant>,
    /// Reads that wait to share a call.
    waiting: Vec<(String, oneshot::Sender<Result<Sight, Failure>>)>,
}

impl Known {
    /// Keeps what a read saw, unless something newer is known or the read is outdated.
    fn keep(&mut self, table: &str, began: Instant, sight: &Sight) {
        let outdated = self.not_before.get(table).is_some_and(|limit| began < *limit);
        let older = self.sights.get(table).is_some_and(|(known, _)| began < *known);
        if !outdated && !older {
            let before = self.sights.insert(table.to_owned(), (began, sight.clone()));
            if before.is_some_and(|(_, before)| before != *sight) {
                self.changed.insert(table.to_owned());
            }
        }
    }

    /// Keeps what a complete list saw: what it does not have is absent.
    fn keep_all(&mut self, began: Instant, list: &Listed) {
        self.size = list.tables.len();
        self.sights.retain(|table, _| self.watched.contains(table) || list.tables.contains_key(table));
        let mut names: HashSet<String> = self.watched.clone();
        names.extend(list.tables.keys().cloned());
        for name in names {
            self.keep(&name, began, &list.sight(&name));
        }
    }

    /// The watched tables that look different since this was asked last.
    fn take_changed(&mut self) -> Vec<String> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().filter(|name| self.watched.contains(name)).collect()
    }

    /// Whether one list of the database costs fewer calls than reading so many tables one by one.
    const fn is_list_cheaper(&self, tables: usize) -> bool {
        tables > self.size / PAGE + 1
    }
}

/// A complete list of a database.
struct Listed {
    database_exists: bool,
    tables: HashMap<String, ObservedTable>,
}

impl Listed {
    fn sight(&self, table: &str) -> Sight {
        Sight { database_exists: self.database_exists, table: self.tables.get(table).cloned() }
    }
}

impl Catalog {
    /// A catalog of which nothing is known yet.
    #[must_use]
    pub fn new(clients: Clients) -> Self {
        Self { clients, databases: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn clients(&self, profile: &str) -> Result<&ProfileClients, Failure> {
        self.clients.of(profile)
    }

    /// The databases of which tables are watched.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<DatabaseKey> {
        self.with(|databases| {
            databases
                .iter()
                .filter(|(_, known)| !known.watched.is_empty())
                .map(|(key, _)| key.clone())
                .collect()
        })
    }

    /// Looks at one table.
    pub(crate) async fn table(self: &Arc<Self>, key: &TableKey, reading: Reading) -> Result<Sight, Failure> {
        if reading == Reading::Known
            && let Some(sight) = self.known(key)
        {
            return Ok(sight);
        }
        let (answer, receiver) = oneshot::channel();
        let first = self.of(key, |known| {
            known.watched.insert(key.table.clone());
            known.waiting.push((key.table.clone(), answer));
            known.waiting.len() == 1
        });
        if first {
            let catalog = Arc::clone(self);
            let database = database_of(key);
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                catalog.answer_waiting(&database).await;
            });
        }
        receiver.await.unwrap_or_else(|_| {
            Err(Failure {
                operation: "glue:GetTable",
                class: mizuumi_core::Class::Unavailable,
                message: "the read was given up".to_owned(),
            })
        })
    }

    /// Says that a table was written, or may have been: what was read before no longer counts.
    pub(crate) fn outdate(&self, key: &TableKey) {
        let now = Instant::now();
        self.of(key, |known| {
            known.not_before.insert(key.table.clone(), now);
            known.sights.remove(&key.table);
        });
    }

    /// Forgets a table that nobody keeps any more.
    pub fn forget(&self, key: &TableKey) {
        self.of(key, |known| {
            known.watched.remove(&key.table);
            known.sights.remove(&key.table);
            known.not_before.remove(&key.table);
        });
    }

    /// Lists a whole database; answers which watched tables look different from what was known of them.
    ///
    /// # Errors
    /// If the list is not complete; then nothing is learnt from it, least of all that a table is gone.
    pub async fn sweep(&self, database: &DatabaseKey) -> Result<Vec<TableKey>, Failure> {
        let began = Instant::now();
        let list = self.list(database).await?;
        let changed = self.database(database, |known| {
            known.keep_all(began, &list);
            known.take_changed()
        });
        Ok(changed.into_iter().map(|table| table_of(database, table)).collect())
    }

    /// Forgets what was seen of a database that cannot be listed any more; answers the tables that were watched.
    pub fn distrust(&self, database: &DatabaseKey) -> Vec<TableKey> {
        let watched = self.database(database, |known| {
            known.sights.clear();
            known.watched.clone()
        });
        watched.into_iter().map(|table| table_of(database, table)).collect()
    }

    /// What was seen of a table; from now on sweeps watch it.
    fn known(&self, key: &TableKey) -> Option<Sight> {
        self.of(key, |known| {
            known.watched.insert(key.table.clone());
            known.sights.get(&key.table).map(|(_, sight)| sight.clone())
        })
    }

    /// Reads for all that wait, and answers each.
    async fn answer_waiting(&self, database: &DatabaseKey) {
        let (waiting, all_at_once) = self.database(database, |known| {
            let waiting = std::mem::take(&mut known.waiting);
            let tables: HashSet<&String> = waiting.iter().map(|(table, _)| table).collect();
            let all_at_once = known.is_list_cheaper(tables.len());
            (waiting, all_at_once)
        });
        let tables: HashSet<String> = waiting.iter().map(|(table, _)| table.clone()).collect();
        let began = Instant::now();
        let read: HashMap<String, Result<Sight, Failure>> = if all_at_once {
            let list = self.list(database).await;
            if let Ok(list) = &list {
                self.database(database, |known| known.keep_all(began, list));
            }
            let sight = |table: &str| list.as_ref().map(|list| list.sight(table)).map_err(Clone::clone);
            tables.iter().map(|table| (table.clone(), sight(table))).collect()
        } else {
            let read = self.read_each(database, &tables).await;
            self.database(database, |known| {
                for (table, sight) in &read {
                    if let Ok(sight) = sight {
                        known.keep(table, began, sight);
                    }
                }
            });
            read
        };
        for (table, answer) in waiting {
            if let Some(sight) = read.get(&table) {
                // Whoever asked may have gone; then nobody misses the answer.
                answer.send(sight.clone()).ok();
            }
        }
    }

    async fn read_each(
        &self,
        database: &DatabaseKey,
        tables: &HashSet<String>,
    ) -> HashMap<String, Result<Sight, Failure>> {
        let reads =
            tables.iter().map(|table| async move { (table.clone(), self.read_one(database, table).await) });
        futures::future::join_all(reads).await.into_iter().collect()
    }

    async fn read_one(&self, key: &DatabaseKey, table: &str) -> Result<Sight, Failure> {
        let clients = self.clients.of(&key.profile)?;
        let table = glue::get_table(clients, &key.database, table).await?;
        // Glue answers EntityNotFoundException for a missing table and for a missing database alike.
        let database_exists = table.is_some() || glue::database_exists(clients, &key.database).await?;
        Ok(Sight { database_exists, table })
    }

    async fn list(&self, key: &DatabaseKey) -> Result<Listed, Failure> {
        let clients = self.clients.of(&key.profile)?;
        let mut tables = HashMap::new();
        let database_exists = glue::get_tables(clients, &key.database, |name, table| {
            tables.insert(name, table);
        })
        .await?;
        Ok(Listed { database_exists, tables })
    }

    fn of<T>(&self, key: &TableKey, then: impl FnOnce(&mut Known) -> T) -> T {
        self.database(&database_of(key), then)
    }

    fn database<T>(&self, key: &DatabaseKey, then: impl FnOnce(&mut Known) -> T) -> T {
        self.with(|databases| then(databases.entry(key.clone()).or_default()))
    }

    fn with<T>(&self, then: impl FnOnce(&mut HashMap<DatabaseKey, Known>) -> T) -> T {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        then(&mut self.databases.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn database_of(key: &TableKey) -> DatabaseKey {
    DatabaseKey { profile: key.profile.clone(), database: key.database.clone() }
}

fn table_of(database: &DatabaseKey, table: String) -> TableKey {
    TableKey { profile: database.profile.clone(), database: database.database.clone(), table }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(version: &str) -> ObservedTable {
        ObservedTable {
            definition: mizuumi_core::data_table::TableDefinition::default(),
            version: Some(version.into()),
        }
    }

    fn list(tables: &[(&str, &str)]) -> Listed {
        let tables = tables.iter().map(|(name, version)| ((*name).to_owned(), table(version))).collect();
        Listed { database_exists: true, tables }
    }

    fn version(known: &Known, name: &str) -> Option<String> {
        known.sights.get(name).and_then(|(_, sight)| sight.table.clone()).and_then(|table| table.version)
    }

    #[test]
    fn a_sweep_tells_which_watched_tables_look_different_and_absence_is_a_difference() {
        let mut known =
            Known { watched: HashSet::from(["a".into(), "b".into(), "c".into()]), ..Known::default() };
        let start = Instant::now();
        known.keep_all(start, &list(&[("a", "1"), ("b", "1"), ("foreign", "1")]));
        let first = known.take_changed();
        assert!(first.is_empty(), "what is seen for the first time is no change: {first:?}");
        known.keep_all(Instant::now(), &list(&[("a", "2"), ("c", "1"), ("foreign", "2")]));
        let mut changed = known.take_changed();
        changed.sort();
        assert_eq!(changed, ["a", "b", "c"]);
    }

    #[test]
    fn a_read_that_began_before_a_write_does_not_count() {
        let mut known = Known::default();
        let before = Instant::now();
        let write = before + Duration::from_millis(1);
        known.not_before.insert("a".into(), write);
        known.keep("a", before, &Sight { database_exists: true, table: Some(table("1")) });
        assert_eq!(version(&known, "a"), None);
        known.keep("a", write, &Sight { database_exists: true, table: Some(table("2")) });
        assert_eq!(version(&known, "a").as_deref(), Some("2"));
    }

    #[test]
    fn an_older_read_that_comes_late_does_not_replace_a_newer_one() {
        let mut known = Known::default();
        let old = Instant::now();
        let new = old + Duration::from_millis(1);
        known.keep("a", new, &Sight { database_exists: true, table: Some(table("2")) });
        known.keep("a", old, &Sight { database_exists: true, table: Some(table("1")) });
        assert_eq!(version(&known, "a").as_deref(), Some("2"));
    }

    #[test]
    fn a_list_is_made_where_it_costs_fewer_calls() {
        let known = Known { size: 950, ..Known::default() };
        assert!(!known.is_list_cheaper(10), "ten pages are no better than ten reads");
        assert!(known.is_list_cheaper(11));
    }
}
