//! What the rules of checks go by, looked at when they are evaluated: definitions of tables and lists of files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mizuumi_core::data_table::{Column, ObservedPartition, TableDefinition, TableKey, partitions};
use mizuumi_core::quality_check::facts::{SeenColumn, SeenFile, SeenFiles, SeenScope};
use mizuumi_core::quality_check::iceberg;
use mizuumi_core::quality_check::{
    CatalogFacts, CheckKey, CheckLook, CheckStep, CheckWorld, Checks, FilesLook, Known, QueryLook, SeenQuery,
    StartQuery,
};
use mizuumi_core::{Ask, DataReading, Errand, Failure, Lane, Port, Reading};

use crate::catalog::Catalog;
use crate::queries::Queries;
use crate::{athena, glue, s3};

/// So many pages of a list of files are read, of 1,000 each, and so many partitions: rules over more are not evaluated.
const MOST_PAGES: usize = 20;
const MOST_PARTITIONS: usize = 1_000;
/// Files on a page (Amazon S3 API reference).
const PAGE: usize = 1_000;

/// Between two looks at a query that somebody waits for.
const AGAIN: Duration = Duration::from_millis(500);

/// Glue, S3 and Athena as the driver of checks sees them.
#[derive(Debug)]
pub struct CheckPort {
    catalog: Arc<Catalog>,
    seen: Mutex<HashMap<CheckKey, (CheckLook, CheckWorld)>>,
    queries: Queries<CheckKey>,
}

impl CheckPort {
    /// A port that shares the catalog's reads.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, seen: Mutex::default(), queries: Queries::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<CheckKey, (CheckLook, CheckWorld)>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a query, and waits for its numbers, or for why there are none.
    ///
    /// # Errors
    /// If Athena cannot be asked.
    pub async fn answer(
        &self,
        step: &StartQuery,
        errand: Errand<'_>,
    ) -> Result<Known<Vec<Option<f64>>>, Failure> {
        let clients = self.catalog.clients(&step.profile)?;
        self.queries.check_limit(step, clients, errand.lane).await?;
        let id = athena::start(clients, errand, step).await?;
        let look = QueryLook {
            profile: step.profile.clone(),
            token: step.token.clone(),
            statement: step.record.statement.clone(),
            workgroup: step.workgroup.clone(),
            id: Some(id.clone()),
        };
        loop {
            match athena::look(clients, errand.lane, &id, &look).await? {
                SeenQuery::Runs => tokio::time::sleep(AGAIN).await,
                SeenQuery::Answered { numbers, .. } => return Ok(Known::Is(numbers)),
                SeenQuery::Failed { why, .. } => return Ok(Known::Not(why)),
            }
        }
    }

    /// Picks rows by a query, and waits until they lie in S3, where the workgroup has its results; answers where, or why there are none.
    ///
    /// # Errors
    /// If Athena cannot be asked.
    pub async fn sample(&self, step: &StartQuery, errand: Errand<'_>) -> Result<Known<String>, Failure> {
        let clients = self.catalog.clients(&step.profile)?;
        self.queries.check_limit(step, clients, errand.lane).await?;
        let id = athena::start(clients, errand, step).await?;
        loop {
            match athena::rows(clients, errand.lane, &id).await? {
                Some(Ok(place)) => return Ok(Known::Is(place)),
                Some(Err(why)) => return Ok(Known::Not(why)),
                None => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Looks at all that rules go by.
    ///
    /// # Errors
    /// If Glue or S3 cannot be asked; what is not there is no error.
    pub async fn facts(
        &self,
        look: &CheckLook,
        reading: Reading,
        lane: Lane,
    ) -> Result<CatalogFacts, Failure> {
        let Some(key) = &look.table else { return Ok(CatalogFacts::default()) };
        let table = self.definition(key, reading, lane).await?;
        let columns_of = |table: &Known<TableDefinition>| match table {
            Known::Is(table) => Known::Is(columns(table)),
            Known::Not(why) => Known::Not(why.clone()),
        };
        let mut facts = CatalogFacts { columns: columns_of(&table), ..CatalogFacts::default() };
        for (name, key) in &look.references {
            let found = match key {
                Some(key) => columns_of(&self.definition(key, reading, lane).await?),
                None => Known::Not(format!("there is no DataTable '{name}' in this namespace")),
            };
            facts.references.insert(name.clone(), found);
        }
        if let Some(files) = &look.files {
            facts.files = match &table {
                Known::Is(table) => self.files(key, table, files, lane).await?,
                Known::Not(why) => Known::Not(why.clone()),
            };
        }
        if let Some(rows) = &look.rows {
            facts.scope = match &table {
                Known::Is(table) => self.scope(key, table, rows, lane).await?,
                Known::Not(why) => Known::Not(why.clone()),
            };
        }
        if look.counts {
            facts.rows = match &table {
                Known::Is(table) => self.count(key, table, lane).await?,
                Known::Not(why) => Known::Not(why.clone()),
            };
        }
        Ok(facts)
    }

    /// How many rows a table has, if something says so without their being read.
    async fn count(
        &self,
        key: &TableKey,
        table: &TableDefinition,
        lane: Lane,
    ) -> Result<Known<u64>, Failure> {
        let metadata = table.parameters.get(iceberg::METADATA_PARAMETER).filter(|_| table.is_iceberg());
        let Some(metadata) = metadata else { return Ok(Known::Not(iceberg::UNCOUNTED.to_owned())) };
        let clients = self.catalog.clients(&key.profile)?;
        let read = s3::objects::read(clients, lane, metadata, iceberg::LARGEST).await?;
        let read = read.unwrap_or_else(|| Err(format!("the table's metadata file {metadata} is not there")));
        let rows = read.and_then(|bytes| iceberg::rows(&bytes));
        Ok(rows.map_or_else(Known::Not, Known::Is))
    }

    /// Which rows to query.
    async fn scope(
        &self,
        key: &TableKey,
        table: &TableDefinition,
        look: &FilesLook,
        lane: Lane,
    ) -> Result<Known<SeenScope>, Failure> {
        let whole = SeenScope {
            database: key.database.clone(),
            table: key.table.clone(),
            partition: Vec::new(),
            place: table.location.clone(),
        };
        if table.partition_keys.is_empty() && !matches!(look, FilesLook::Partition(_)) {
            return Ok(Known::Is(whole));
        }
        if matches!(look, FilesLook::All) {
            return Ok(Known::Is(SeenScope { place: None, ..whole }));
        }
        Ok(match self.locations(key, table, look, lane).await? {
            Known::Not(why) => Known::Not(why),
            Known::Is(found) => match found.into_iter().next() {
                Some((values, place)) => {
                    let keys = table.partition_keys.iter().map(seen_column);
                    Known::Is(SeenScope {
                        partition: keys.zip(values).collect(),
                        place: Some(place),
                        ..whole
                    })
                }
                None => Known::Not(format!("'{key}' has no such partition")),
            },
        })
    }

    async fn definition(
        &self,
        key: &TableKey,
        reading: Reading,
        lane: Lane,
    ) -> Result<Known<TableDefinition>, Failure> {
        let sight = self.catalog.table(key, reading, lane).await?;
        Ok(match sight.table {
            Some(table) => Known::Is(table.definition),
            None => Known::Not(format!("there is no table '{key}' in Glue")),
        })
    }

    async fn files(
        &self,
        key: &TableKey,
        table: &TableDefinition,
        look: &FilesLook,
        lane: Lane,
    ) -> Result<Known<SeenFiles>, Failure> {
        let locations = match self.locations(key, table, look, lane).await? {
            Known::Is(locations) => locations.into_iter().map(|(_, location)| location).collect::<Vec<_>>(),
            Known::Not(why) => return Ok(Known::Not(why)),
        };
        let place = match locations.as_slice() {
            [one] => one.clone(),
            several => format!("{} partitions of '{key}'", several.len()),
        };
        let clients = self.catalog.clients(&key.profile)?;
        let mut files = Vec::new();
        for location in &locations {
            let found = s3::files(clients, lane, location, MOST_PAGES).await?;
            files.extend(found.into_iter().map(|file| SeenFile {
                location: format!("s3://{}/{}", file.bucket, file.key),
                size: file.size,
                written: file.written,
            }));
            if files.len() >= MOST_PAGES * PAGE {
                let most = MOST_PAGES * PAGE;
                return Ok(Known::Not(format!(
                    "{place} has {most} files or more, and no more are looked at"
                )));
            }
        }
        Ok(Known::Is(SeenFiles { place, files }))
    }

    /// Where the files are, with the values of their partitions.
    async fn locations(
        &self,
        key: &TableKey,
        table: &TableDefinition,
        look: &FilesLook,
        lane: Lane,
    ) -> Result<Known<Vec<(Vec<String>, String)>>, Failure> {
        if table.partition_keys.is_empty() {
            return Ok(match (look, &table.location) {
                (FilesLook::Partition(_), _) => Known::Not(format!("'{key}' has no partition keys")),
                (_, Some(location)) => Known::Is(vec![(Vec::new(), location.clone())]),
                (_, None) => Known::Not(format!("'{key}' has no location")),
            });
        }
        let clients = self.catalog.clients(&key.profile)?;
        let partitions = glue::get_partitions(clients, lane, &key.database, &key.table).await?;
        let keys: Vec<&str> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
        let chosen: Vec<_> = match look {
            FilesLook::Newest => partitions::newest(&partitions).into_iter().collect(),
            FilesLook::All => partitions.iter().collect(),
            FilesLook::Partition(pairs) => {
                let value = |key: &&str| pairs.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
                let values: Option<Vec<String>> =
                    keys.iter().map(|key| value(key).map(|(_, value)| value.clone())).collect();
                let Some(values) = values.filter(|values| values.len() == pairs.len()) else {
                    return Ok(Known::Not(format!("the partition keys of '{key}' are {}", keys.join(", "))));
                };
                partitions.iter().filter(|(of, _)| **of == values).collect()
            }
        };
        if chosen.is_empty() {
            return Ok(Known::Not(match look {
                FilesLook::Partition(_) => format!("'{key}' has no such partition"),
                _ => format!("'{key}' has no partition yet"),
            }));
        }
        if chosen.len() > MOST_PARTITIONS {
            return Ok(Known::Not(format!("'{key}' has more than {MOST_PARTITIONS} partitions")));
        }
        let place = |(values, partition): (&Vec<String>, &ObservedPartition)| {
            Some((values.clone(), partition.location.clone()?))
        };
        Ok(Known::Is(chosen.into_iter().filter_map(place).collect()))
    }
}

/// A table's columns with its partition keys, which readers see as columns at the end.
fn columns(table: &TableDefinition) -> Vec<SeenColumn> {
    let all = table.columns.iter().chain(&table.partition_keys);
    all.map(seen_column).collect()
}

fn seen_column(column: &Column) -> SeenColumn {
    SeenColumn { name: column.name.clone(), type_: column.type_.clone().unwrap_or_default() }
}

impl Port<Checks> for CheckPort {
    async fn observe(&self, key: &CheckKey, look: &CheckLook, ask: Ask) -> Result<CheckWorld, Failure> {
        // Who looks and fails knows nothing: what was seen before must not stand for what should have been seen now.
        let known = self.seen().remove(key).filter(|(of, _)| of.is_like(look));
        let mut world = match (known, ask.data) {
            _ if look.table.is_none() => CheckWorld::default(),
            (None, DataReading::Known) => return Ok(CheckWorld::default()),
            (Some((_, world)), DataReading::Known) => world,
            (_, DataReading::Newest | DataReading::Whole) => {
                let facts = self.facts(look, ask.definition, ask.lane).await?;
                CheckWorld { facts: Some(facts), looked: Some(ask.now), ..CheckWorld::default() }
            }
        };
        (world.query, world.query_id) = (None, None);
        if let Some(query) = &look.query {
            let seen = self.queries.look(key, &self.catalog, std::slice::from_ref(query), ask.lane).await;
            // What was seen of the data is as true as before if Athena cannot be asked.
            if seen.is_err() {
                self.seen().insert(key.clone(), (look.clone(), world.clone()));
            }
            if let Some(found) = seen?.remove(&query.token) {
                (world.query, world.query_id) = (Some(found.seen), Some(found.id));
            }
        }
        self.seen().insert(key.clone(), (look.clone(), world.clone()));
        Ok(world)
    }

    async fn execute(&self, key: &CheckKey, step: &CheckStep, errand: Errand<'_>) -> Result<(), Failure> {
        match step {
            CheckStep::Start(start) => {
                self.queries.start(key, self.catalog.clients(&start.profile)?, start, errand).await
            }
            CheckStep::Stop(query) => {
                self.queries.stop(key, self.catalog.clients(&query.profile)?, query, errand).await
            }
        }
    }

    fn expect(&self, _keys: Vec<CheckKey>) {}

    fn forget(&self, key: &CheckKey) {
        self.seen().remove(key);
        self.queries.forget(key);
    }
}
