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
/// Up to so many tables are read one by one; a page of GetTables answers 100.
const FEW: usize = 8;

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
    /// Tables that somebody asked for; of all others nothing is kept.
    watched: HashSet<String>,
    sights: HashMap<String, (Instant, Sight)>,
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
            self.sights.insert(table.to_owned(), (began, sight.clone()));
        }
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
        let watched = self.database(database, |known| known.watched.clone());
        let seen = self.list(database, &watched).await?;
        let changed = self.database(database, |known| {
            let mut changed = Vec::new();
            for (table, sight) in &seen {
                let before = known.sights.get(table).map(|(_, sight)| sight.clone());
                known.keep(table, began, sight);
                let after = known.sights.get(table).map(|(_, sight)| sight);
                if before.is_some() && after != before.as_ref() {
                    changed.push(table.clone());
                }
            }
            changed
        });
        let key = |table| TableKey {
            profile: database.profile.clone(),
            database: database.database.clone(),
            table,
        };
        Ok(changed.into_iter().map(key).collect())
    }

    fn known(&self, key: &TableKey) -> Option<Sight> {
        self.of(key, |known| known.sights.get(&key.table).map(|(_, sight)| sight.clone()))
    }

    /// Reads for all that wait, and answers each.
    async fn answer_waiting(&self, database: &DatabaseKey) {
        let waiting = self.database(database, |known| std::mem::take(&mut known.waiting));
        let tables: HashSet<String> = waiting.iter().map(|(table, _)| table.clone()).collect();
        let began = Instant::now();
        let read = if tables.len() <= FEW {
            self.read_each(database, &tables).await
        } else {
            match self.list(database, &tables).await {
                Ok(seen) => seen.into_iter().map(|(table, sight)| (table, Ok(sight))).collect(),
                Err(failure) => tables.iter().map(|table| (table.clone(), Err(failure.clone()))).collect(),
            }
        };
        self.database(database, |known| {
            for (table, sight) in &read {
                if let Ok(sight) = sight {
                    known.keep(table, began, sight);
                }
            }
        });
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

    /// The wanted tables of a complete list, absent ones included.
    async fn list(
        &self,
        key: &DatabaseKey,
        wanted: &HashSet<String>,
    ) -> Result<HashMap<String, Sight>, Failure> {
        let clients = self.clients.of(&key.profile)?;
        let mut found = HashMap::new();
        let database_exists = glue::get_tables(clients, &key.database, |name, table| {
            if wanted.contains(&name) {
                found.insert(name, table);
            }
        })
        .await?;
        let sight = |name: &String| {
            let table = found.remove(name).filter(|_| database_exists);
            (name.clone(), Sight { database_exists, table })
        };
        Ok(wanted.iter().map(sight).collect())
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
