//! What the rules of checks go by, looked at when they are evaluated: definitions of tables and lists of files.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mizuumi_core::data_table::{TableDefinition, TableKey, partitions};
use mizuumi_core::quality_check::facts::{SeenColumn, SeenFile, SeenFiles};
use mizuumi_core::quality_check::{CatalogFacts, CheckKey, CheckLook, CheckWorld, Checks, FilesLook, Known};
use mizuumi_core::{Ask, DataReading, Errand, Failure, Lane, Port, Reading};

use crate::catalog::Catalog;
use crate::{glue, s3};

/// So many pages of a list of files are read, of 1,000 each, and so many partitions: rules over more are not evaluated.
const MOST_PAGES: usize = 20;
const MOST_PARTITIONS: usize = 1_000;
/// Files on a page (Amazon S3 API reference).
const PAGE: usize = 1_000;

/// Glue and S3 as the driver of checks sees them.
#[derive(Debug)]
pub struct CheckPort {
    catalog: Arc<Catalog>,
    seen: Mutex<HashMap<CheckKey, (CheckLook, CheckWorld)>>,
}

impl CheckPort {
    /// A port that shares the catalog's reads.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<CheckKey, (CheckLook, CheckWorld)>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
        Ok(facts)
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
            Known::Is(locations) => locations,
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

    /// Where the files are.
    async fn locations(
        &self,
        key: &TableKey,
        table: &TableDefinition,
        look: &FilesLook,
        lane: Lane,
    ) -> Result<Known<Vec<String>>, Failure> {
        if table.partition_keys.is_empty() {
            return Ok(match (look, &table.location) {
                (FilesLook::Partition(_), _) => Known::Not(format!("'{key}' has no partition keys")),
                (_, Some(location)) => Known::Is(vec![location.clone()]),
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
        Ok(Known::Is(chosen.into_iter().filter_map(|(_, partition)| partition.location.clone()).collect()))
    }
}

/// A table's columns with its partition keys, which readers see as columns at the end.
fn columns(table: &TableDefinition) -> Vec<SeenColumn> {
    let all = table.columns.iter().chain(&table.partition_keys);
    all.map(|column| SeenColumn {
        name: column.name.clone(),
        type_: column.type_.clone().unwrap_or_default(),
    })
    .collect()
}

impl Port<Checks> for CheckPort {
    async fn observe(&self, key: &CheckKey, look: &CheckLook, ask: Ask) -> Result<CheckWorld, Failure> {
        // Who looks and fails knows nothing: what was seen before must not stand for what should have been seen now.
        let known = self.seen().remove(key).filter(|(of, _)| of == look);
        let world = match (known, ask.data) {
            _ if look.table.is_none() => return Ok(CheckWorld::default()),
            (None, DataReading::Known) => return Ok(CheckWorld::default()),
            (Some((_, world)), DataReading::Known) => world,
            (_, DataReading::Newest | DataReading::Whole) => {
                let facts = self.facts(look, ask.definition, ask.lane).await?;
                CheckWorld { facts: Some(facts), looked: Some(ask.now) }
            }
        };
        self.seen().insert(key.clone(), (look.clone(), world.clone()));
        Ok(world)
    }

    async fn execute(&self, _key: &CheckKey, step: &Infallible, _errand: Errand<'_>) -> Result<(), Failure> {
        match *step {}
    }

    fn expect(&self, _keys: Vec<CheckKey>) {}

    fn forget(&self, key: &CheckKey) {
        self.seen().remove(key);
    }
}
