//! A table observed, and one step done on it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mizuumi_core::data_table::world::Directory;
use mizuumi_core::data_table::{
    ObservedPartition, PartitionValues, TableDefinition, TableKey, TableLook, TableStep, TableWorld, Tables,
};
use mizuumi_core::{Class, Failure, Port, Reading};
use tokio::time::Instant;

use crate::catalog::Catalog;
use crate::clients::ProfileClients;
use crate::{glue, s3};

/// Glue and S3 as the table driver sees them.
#[derive(Debug)]
pub struct TablePort {
    catalog: Arc<Catalog>,
    looks: Mutex<HashMap<TableKey, DataLook>>,
    /// How long a look at partitions and directories is good for.
    data_interval: Duration,
}

/// A look at a table's data.
#[derive(Clone, Debug)]
struct DataLook {
    began: Instant,
    asked: TableLook,
    partitions: BTreeMap<PartitionValues, ObservedPartition>,
    directories: Option<Vec<Directory>>,
}

impl TablePort {
    /// A port onto a catalog.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>, data_interval: Duration) -> Self {
        Self { catalog, looks: Mutex::new(HashMap::new()), data_interval }
    }

    async fn data(&self, key: &TableKey, look: &TableLook, reading: Reading) -> Result<DataLook, Failure> {
        let known = self.with_looks(|looks| looks.get(key).cloned());
        if let Some(known) = known.filter(|known| {
            reading == Reading::Known && known.asked == *look && known.began.elapsed() < self.data_interval
        }) {
            return Ok(known);
        }
        let began = Instant::now();
        let clients = self.catalog.clients(&key.profile)?;
        let partitions: BTreeMap<_, _> =
            glue::get_partitions(clients, &key.database, &key.table).await?.into_iter().collect();
        let directories = match &look.directories {
            Some(wanted) => Some(s3::directories(clients, wanted, &partitions).await?),
            None => None,
        };
        let seen = DataLook { began, asked: look.clone(), partitions, directories };
        self.with_looks(|looks| looks.insert(key.clone(), seen.clone()));
        Ok(seen)
    }

    /// The definition that a table's partitions are made like.
    async fn definition(&self, key: &TableKey) -> Result<TableDefinition, Failure> {
        let sight = self.catalog.table(key, Reading::Known).await?;
        sight.table.map(|table| table.definition).ok_or_else(|| Failure {
            operation: "glue:GetTable",
            class: Class::Conflict,
            message: format!("table '{key}' is gone"),
        })
    }

    async fn write(&self, clients: &ProfileClients, key: &TableKey, step: &TableStep) -> Result<(), Failure> {
        let (database, table) = (key.database.as_str(), key.table.as_str());
        match step {
            TableStep::CreateTable(definition) => {
                glue::create_table(clients, database, table, definition).await
            }
            TableStep::UpdateTable { from_version, to, archive, .. } => {
                glue::update_table(clients, database, table, from_version.as_deref(), to, *archive).await
            }
            TableStep::DeleteTable { owner } => {
                let found = glue::get_table(clients, database, table).await?;
                match found {
                    Some(found) if found.definition.owner_mark() == Some(owner) => {
                        glue::delete_table(clients, database, table).await
                    }
                    // Gone, or somebody else's by now: there is nothing of ours to delete.
                    _ => Ok(()),
                }
            }
            TableStep::CreatePartitions(batch) => {
                let like = self.definition(key).await?;
                glue::create_partitions(clients, database, table, &like, batch).await
            }
            TableStep::UpdatePartitions(batch) => {
                glue::update_partitions(clients, database, table, batch).await
            }
            TableStep::DeletePartitions(batch) => {
                glue::delete_partitions(clients, database, table, batch).await
            }
        }
    }

    fn forget_look(&self, key: &TableKey) {
        self.with_looks(|looks| looks.remove(key));
    }

    fn with_looks<T>(&self, then: impl FnOnce(&mut HashMap<TableKey, DataLook>) -> T) -> T {
        then(&mut self.looks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Port<Tables> for TablePort {
    async fn observe(
        &self,
        key: &TableKey,
        look: &TableLook,
        reading: Reading,
    ) -> Result<TableWorld, Failure> {
        let sight = self.catalog.table(key, reading).await?;
        let mut world = TableWorld {
            database_exists: sight.database_exists,
            table: sight.table,
            partitions: None,
            directories: None,
        };
        // Of a table that is not there yet, or that somebody else keeps, the data is no business of ours until the
        // definition is.
        if look.partitions && world.table.is_some() {
            let data = self.data(key, look, reading).await?;
            world.partitions = Some(data.partitions);
            world.directories = data.directories;
        }
        Ok(world)
    }

    async fn execute(&self, key: &TableKey, step: &TableStep) -> Result<(), Failure> {
        let clients = self.catalog.clients(&key.profile)?;
        let outcome = self.write(clients, key, step).await;
        // Whatever came of it, only reads that begin from now on tell.
        match step {
            TableStep::CreateTable(_) | TableStep::UpdateTable { .. } | TableStep::DeleteTable { .. } => {
                self.catalog.outdate(key);
            }
            TableStep::CreatePartitions(_)
            | TableStep::UpdatePartitions(_)
            | TableStep::DeletePartitions(_) => {}
        }
        self.forget_look(key);
        outcome
    }

    fn forget(&self, key: &TableKey) {
        self.catalog.forget(key);
        self.forget_look(key);
    }
}
