//! What is known of the tables of the Glue catalog, and since when.
//!
//! Reads are shared: those that come within a moment, or while others are under way, become one call that names them
//! all, or one list of the database where that is cheaper, so that N objects are not N calls; a call that has room for more
//! names when it is sent takes those that wait by then, and tables that nothing is known of yet. A sweep only ever tells
//! which tables look different; before a write a table is read by a read that began after the reason for it. After a
//! write, answers to reads that began before it no longer count. Where lists hang, tables that somebody waits for are read
//! one by one.

mod known;
mod names;
mod upstreams;
mod whole;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future;
use jiff::Timestamp;
use mizuumi_core::data_table::{ObservedTable, TableKey};
use mizuumi_core::{Class, Failure, Lane, Reading};
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::clients::{Clients, ProfileClients};
use crate::glue;
use known::{Known, Waiter};
use names::{Calls, PAGE, expression, is_list_cheaper, joins};

/// How long a read waits for others to share its call.
const GATHER: Duration = Duration::from_millis(10);

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

/// What was read of a table of that name.
type Read = (String, Result<Sight, Failure>);

/// Who joins a read when it is sent.
struct More {
    hurried: bool,
    joined: Mutex<Vec<Waiter>>,
}

/// What a call by expression reads.
struct Group {
    /// When it was sent last.
    began: Instant,
    /// Tables that somebody waits for.
    names: Vec<String>,
    /// These, and tables that nothing is known of yet.
    asked: Vec<String>,
}

/// Where the answer comes from.
enum Source {
    Known(Box<Sight>),
    List(tokio::sync::watch::Receiver<u64>),
    Read(oneshot::Receiver<Result<Sight, Failure>>),
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

    /// The databases of which tables are kept track of.
    #[must_use]
    pub fn watched(&self) -> BTreeSet<DatabaseKey> {
        self.with(|databases| {
            databases.iter().filter(|(_, known)| known.is_watched()).map(|(key, _)| key.clone()).collect()
        })
    }

    /// These tables will be asked for: told together, they are read together.
    pub fn expect(&self, keys: &[TableKey]) {
        for key in keys {
            self.of(key, |known| known.watch(&key.table));
        }
    }

    /// Looks at one table.
    pub(crate) async fn table(
        self: &Arc<Self>,
        key: &TableKey,
        reading: Reading,
        lane: Lane,
    ) -> Result<Sight, Failure> {
        loop {
            match self.source(key, reading, lane) {
                Source::Known(sight) => return Ok(*sight),
                // The next page may have it; if the list ends without, it is absent or has to be read.
                Source::List(mut pages) => drop(pages.changed().await),
                Source::Read(answer) => {
                    return answer.await.unwrap_or_else(|_| {
                        Err(Failure::new("glue:GetTable", Class::Unavailable, "the read was given up"))
                    });
                }
            }
        }
    }

    fn source(self: &Arc<Self>, key: &TableKey, reading: Reading, lane: Lane) -> Source {
        let since = match reading {
            Reading::Known => None,
            Reading::Since(moment) => Some(moment),
        };
        self.of(key, |known| {
            known.watch(&key.table);
            let hurried = lane.is_hurried();
            let has_lists = !(hurried && known.are_lists_slow());
            if let Some(sight) = known.sight(&key.table, since) {
                return Source::Known(Box::new(sight));
            }
            if has_lists && known.would_tell(&key.table, known.listing, since) {
                if known.listing.is_some() {
                    return Source::List(known.pages.subscribe());
                }
                if is_list_cheaper(known.unseen(), known.size()) {
                    known.listing = Some(Instant::now());
                    let pages = known.pages.subscribe();
                    let (catalog, database) = (self.clone(), database_of(key));
                    tokio::spawn(async move {
                        // What fails is read again by itself, and then tells of it.
                        catalog.list(&database, lane).await.ok();
                    });
                    return Source::List(pages);
                }
            }
            let (answer, read) = oneshot::channel();
            let gathering = known.gathering(hurried);
            gathering.waiting.push(Waiter { table: key.table.clone(), lane, answer });
            if !gathering.is_served {
                gathering.is_served = true;
                let readers = gathering.readers.clone();
                tokio::spawn(self.clone().answer_waiting(database_of(key), hurried, readers));
            }
            Source::Read(read)
        })
    }

    /// Says that a table was written, or may have been: what was read before no longer counts.
    pub(crate) fn outdate(&self, key: &TableKey) {
        let now = Instant::now();
        self.of(key, |known| known.outdate(&key.table, now));
    }

    /// Says that a write did not come to what was expected, so that the table itself is asked next, and no list.
    pub(crate) fn doubt(&self, key: &TableKey) {
        self.of(key, |known| known.doubt(&key.table));
    }

    /// Forgets a table that nobody keeps any more.
    pub fn forget(&self, key: &TableKey) {
        self.of(key, |known| known.forget(&key.table));
    }

    /// Looks at all that is kept track of in a database; answers which tables look different from what was known. A list that
    /// others have begun is waited for, and is as good.
    ///
    /// # Errors
    /// If the look is not complete; then nothing is learnt from what it did not see, least of all that a table is gone.
    pub async fn sweep(&self, database: &DatabaseKey, now: Timestamp) -> Result<Vec<TableKey>, Failure> {
        let names = self.database(database, |known| {
            let by_list = is_list_cheaper(known.number(), known.size());
            (!by_list).then(|| known.watched())
        });
        let swept = match names {
            Some(names) => {
                self.read(database, names, Lane::Drift, None).await.into_values().find_map(Result::err)
            }
            None if self.is_listed_by_others(database).await => None,
            None => self.list(database, Lane::Drift).await.err(),
        };
        let number = self.database(database, |known| known.number());
        let began = swept.is_none().then(|| now.as_second());
        self.clients.metrics().swept(database, began, number);
        if let Some(failure) = swept {
            return Err(failure);
        }
        let changed = self.database(database, Known::take_changed);
        Ok(changed.into_iter().map(|table| table_of(database, table)).collect())
    }

    /// Waits for the end of a list that is under way; whether there was one, and it was complete.
    async fn is_listed_by_others(&self, database: &DatabaseKey) -> bool {
        let under_way =
            self.database(database, |known| known.listing.map(|_| (known.listed(), known.pages.subscribe())));
        let Some((before, mut pages)) = under_way else { return false };
        loop {
            // Kept as long as what is known of the database, that is for ever.
            pages.changed().await.ok();
            let (is_under_way, listed) =
                self.database(database, |known| (known.listing.is_some(), known.listed()));
            if !is_under_way || listed != before {
                return listed.is_some() && listed != before;
            }
        }
    }

    /// Forgets what was seen of a database that cannot be read any more; answers the tables that are kept track of.
    pub fn distrust(&self, database: &DatabaseKey) -> Vec<TableKey> {
        let watched = self.database(database, |known| {
            known.distrust();
            known.watched()
        });
        watched.into_iter().map(|table| table_of(database, table)).collect()
    }

    /// Reads for all that wait, and answers each.
    async fn answer_waiting(self: Arc<Self>, database: DatabaseKey, hurried: bool, readers: Arc<Semaphore>) {
        tokio::time::sleep(GATHER).await;
        // Closed when those who read hang.
        let _reader = readers.acquire().await.ok();
        let mut waiting = self.database(&database, |known| {
            let gathering = known.gathering(hurried);
            gathering.is_served = false;
            std::mem::take(&mut gathering.waiting)
        });
        let Some(lane) = waiting.iter().map(|waiter| waiter.lane).min() else { return };
        let names: Vec<String> = waiting.iter().map(|waiter| waiter.table.clone()).collect();
        let more = More { hurried, joined: Mutex::default() };
        let read = self.read(&database, names, lane, Some(&more)).await;
        waiting.append(&mut hold(&more.joined));
        for waiter in waiting {
            if let Some(sight) = read.get(&waiter.table) {
                // Whoever asked may have gone; then nobody misses the answer.
                waiter.answer.send(sight.clone()).ok();
            }
        }
    }

    /// Reads some tables, in as few calls as it takes, and keeps what was seen.
    async fn read(
        &self,
        database: &DatabaseKey,
        names: Vec<String>,
        lane: Lane,
        more: Option<&More>,
    ) -> HashMap<String, Result<Sight, Failure>> {
        let direct: HashSet<String> = self.database(database, |known| {
            let is_direct = lane.is_hurried() && known.are_lists_slow();
            names.iter().filter(|name| is_direct || known.is_doubted(name)).cloned().collect()
        });
        let calls = Calls::for_names(names, |name| direct.contains(name));
        let last = calls.groups.len().saturating_sub(1);
        let groups = calls.groups.into_iter().enumerate().map(|(index, names)| {
            // Only the last one has room.
            self.read_group(database, names, lane, more.filter(|_| index == last))
        });
        let single = self.read_each(database, &calls.single, lane);
        let (groups, single) = future::join(future::join_all(groups), single).await;
        single.into_iter().chain(groups.into_iter().flatten()).collect()
    }

    async fn read_each(&self, database: &DatabaseKey, names: &[String], lane: Lane) -> Vec<Read> {
        let read = async |name: &String| (name.clone(), self.read_one(database, name, lane).await);
        future::join_all(names.iter().map(read)).await
    }

    /// Reads by one list; who is in a hurry goes around one that hangs. Where calls wait for their turn more come to ask
    /// meanwhile: they join the call when it is sent, and so do tables of which nothing is known yet.
    async fn read_group(
        &self,
        key: &DatabaseKey,
        names: Vec<String>,
        lane: Lane,
        more: Option<&More>,
    ) -> Vec<Read> {
        let group = Mutex::new(Group { began: Instant::now(), asked: names.clone(), names });
        let sent = || {
            let Group { began, names, asked } = &mut *hold(&group);
            *began = Instant::now();
            let mut unseen = Vec::new();
            if let Some(more) = more {
                unseen = self.database(key, |known| {
                    hold(&more.joined).append(&mut known.join(more.hurried, |name| joins(names, name)));
                    known.some_unseen(PAGE)
                });
            }
            asked.clone_from(names);
            for name in unseen {
                if !joins(asked, &name) {
                    break;
                }
            }
            expression(asked)
        };
        let mut found = HashMap::new();
        let slow = Notify::new();
        let is_slow = || {
            self.database(key, Known::lists_are_slow);
            slow.notify_one();
        };
        let read = async {
            let clients = self.clients.of(&key.profile)?;
            let each = |tables: Vec<(String, ObservedTable)>| found.extend(tables);
            glue::get_tables(clients, lane, &key.database, Some(&sent), is_slow, each).await
        };
        let read = tokio::select! {
            read = read => Some(read),
            () = slow.notified(), if lane.is_hurried() => None,
        };
        let Group { began, names, asked } = group.into_inner().unwrap_or_else(PoisonError::into_inner);
        let database_exists = match read {
            Some(Ok(exists)) => exists,
            Some(Err(failure)) => {
                return names.iter().map(|name| (name.clone(), Err(failure.clone()))).collect();
            }
            None => return self.read_each(key, &names, lane).await,
        };
        self.database(key, |known| {
            // What is doubted meanwhile is still to be read by itself.
            for name in asked.iter().filter(|name| !known.is_doubted(name)).collect::<Vec<_>>() {
                known.keep(name, began, database_exists, found.get(name));
            }
        });
        let sight = |name: &String| Ok(Sight { database_exists, table: found.remove(name) });
        names.iter().cloned().zip(names.iter().map(sight)).collect()
    }

    async fn read_one(&self, key: &DatabaseKey, name: &str, lane: Lane) -> Result<Sight, Failure> {
        let began = Instant::now();
        let clients = self.clients.of(&key.profile)?;
        let table = glue::get_table(clients, lane, &key.database, name).await?;
        // Glue answers EntityNotFoundException for a missing table and for a missing database alike.
        let database_exists = table.is_some() || glue::database_exists(clients, lane, &key.database).await?;
        self.database(key, |known| known.keep(name, began, database_exists, table.as_ref()));
        Ok(Sight { database_exists, table })
    }

    /// Lists a whole database. What a page has is kept at once; what is absent only the complete list says.
    async fn list(&self, key: &DatabaseKey, lane: Lane) -> Result<(), Failure> {
        let began = Instant::now();
        // Who asked before the list began is answered by it; who was told of an earlier beginning as well.
        self.database(key, |known| known.listing = known.listing.or(Some(began)));
        let mut listed: Vec<Box<str>> = Vec::new();
        let read = async {
            let clients = self.clients.of(&key.profile)?;
            let each = |tables: Vec<(String, ObservedTable)>| {
                self.database(key, |known| {
                    for (name, table) in &tables {
                        known.keep(name, began, true, Some(table));
                    }
                    known.pages.send_modify(|page| *page += 1);
                });
                listed.extend(tables.into_iter().map(|(name, _)| name.into_boxed_str()));
            };
            let is_slow = || self.database(key, Known::lists_are_slow);
            glue::get_tables(clients, lane, &key.database, None, is_slow, each).await
        };
        let ended = read.await;
        self.database(key, |known| {
            if let Ok(database_exists) = ended {
                known.keep_list(began, database_exists, &listed);
            }
            known.listing = None;
            known.pages.send_modify(|page| *page += 1);
        });
        ended.map(drop)
    }

    fn of<T>(&self, key: &TableKey, then: impl FnOnce(&mut Known) -> T) -> T {
        self.database(&database_of(key), then)
    }

    fn database<T>(&self, key: &DatabaseKey, then: impl FnOnce(&mut Known) -> T) -> T {
        self.with(|databases| match databases.get_mut(key) {
            Some(known) => then(known),
            None => then(databases.entry(key.clone()).or_default()),
        })
    }

    fn with<T>(&self, then: impl FnOnce(&mut HashMap<DatabaseKey, Known>) -> T) -> T {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        then(&mut hold(&self.databases))
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn database_of(key: &TableKey) -> DatabaseKey {
    DatabaseKey { profile: key.profile.clone(), database: key.database.clone() }
}

fn table_of(database: &DatabaseKey, table: String) -> TableKey {
    TableKey { profile: database.profile.clone(), database: database.database.clone(), table }
}
