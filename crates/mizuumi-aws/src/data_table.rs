//! A table observed, and one step done on it.

use std::sync::Arc;

use mizuumi_core::data_table::{TableDefinition, TableKey, TableLook, TableStep, TableWorld, Tables};
use mizuumi_core::{Ask, Class, Errand, Failure, Lane, Port, Reading};

use crate::catalog::Catalog;
use crate::clients::ProfileClients;
use crate::crawls::CrawlerLooks;
use crate::data_looks::DataLooks;
use crate::glue::{self, crawlers, partition_indexes};
use crate::superseded;

/// Glue and S3 as the table driver sees them.
#[derive(Debug)]
pub struct TablePort {
    catalog: Arc<Catalog>,
    looks: DataLooks,
    crawlers: CrawlerLooks,
}

impl TablePort {
    /// A port onto a catalog.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, looks: DataLooks::default(), crawlers: CrawlerLooks::default() }
    }

    /// The definition that a table's partitions are made like.
    async fn definition(&self, key: &TableKey, lane: Lane) -> Result<TableDefinition, Failure> {
        let sight = self.catalog.table(key, Reading::Known, lane).await?;
        sight
            .table
            .map(|table| table.definition)
            .ok_or_else(|| Failure::new("glue:GetTable", Class::Conflict, format!("table '{key}' is gone")))
    }

    async fn write(
        &self,
        clients: &ProfileClients,
        key: &TableKey,
        step: &TableStep,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        let (database, table) = (key.database.as_str(), key.table.as_str());
        match step {
            TableStep::CreateDatabase { name, owner } => {
                glue::create_database(clients, errand, name, owner).await
            }
            TableStep::CreateTable(definition) => {
                glue::create_table(clients, errand, database, table, definition).await
            }
            TableStep::UpdateTable { from_version, to, archive, .. } => {
                let from = from_version.as_deref();
                glue::update_table(clients, errand, database, table, from, to, *archive).await
            }
            TableStep::CreateLink(to) => glue::create_link(clients, errand, database, table, to).await,
            TableStep::DeleteLink(link) => glue::delete_link(clients, errand, database, table, link).await,
            TableStep::DeleteTable { owner } => {
                glue::delete_table(clients, errand, database, table, owner).await
            }
            TableStep::CreatePartitions(batch) => {
                let like = self.definition(key, errand.lane).await?;
                glue::create_partitions(clients, errand, database, table, &like, batch).await
            }
            TableStep::UpdatePartitions(batch) | TableStep::CascadeColumns(batch) => {
                let like = self.definition(key, errand.lane).await?;
                glue::update_partitions(clients, errand, database, table, &like, batch).await
            }
            TableStep::DeletePartitions(batch) => {
                glue::delete_partitions(clients, errand, database, table, batch).await
            }
            TableStep::WithdrawPartitions(batch) => {
                glue::withdraw_partitions(clients, errand, database, table, batch).await
            }
            TableStep::MarkSuperseded { root, runs, since } => {
                superseded::mark(clients, errand, root, runs, *since).await
            }
            TableStep::UnmarkSuperseded { root, runs } => {
                superseded::unmark(clients, errand, root, runs).await
            }
            TableStep::DeleteSuperseded { root, owner, runs } => {
                superseded::delete(clients, errand, key, owner, root, runs).await
            }
            TableStep::DeleteVersions(versions) => {
                glue::versions::delete(clients, errand, database, table, versions).await
            }
            TableStep::CreateIndex { name, keys } => {
                partition_indexes::create(clients, errand, database, table, name, keys).await
            }
            TableStep::DeleteIndex { name } => {
                partition_indexes::delete(clients, errand, database, table, name).await
            }
            TableStep::CreateCrawler(to) => crawlers::create(clients, errand, to).await,
            TableStep::UpdateCrawler { to, .. } => crawlers::update(clients, errand, to).await,
            TableStep::StartCrawler { name, owner, last } => {
                crawlers::start(clients, errand, name, owner, *last).await
            }
            TableStep::StopCrawler { name, owner } => crawlers::stop(clients, errand, name, owner).await,
            TableStep::DeleteCrawler { name, owner } => crawlers::delete(clients, errand, name, owner).await,
            TableStep::DeleteCrawledTables { database, crawler, names } => {
                crawlers::delete_tables(clients, errand, database, crawler, names).await
            }
        }
    }
}

impl Port<Tables> for TablePort {
    async fn observe(&self, key: &TableKey, look: &TableLook, ask: Ask) -> Result<TableWorld, Failure> {
        let sight = self.catalog.table(key, ask.definition, ask.lane).await?;
        let mut world = TableWorld {
            database_exists: sight.database_exists,
            table: sight.table,
            ..TableWorld::default()
        };
        if let Some(crawler) = &look.crawler {
            let clients = self.catalog.clients(&key.profile)?;
            world.crawler = Box::pin(self.crawlers.look(clients, key, crawler, ask)).await?;
        }
        // Which crawler there is has no bearing on the data.
        let look = &TableLook { crawler: None, ..look.clone() };
        // Of a table that is not there yet, or that somebody else keeps, the data is no business of ours until the
        // definition is; unless it is the data that says the definition.
        let (look, location) = match &world.table {
            Some(table) => (Some(look.at(&table.definition)), table.definition.location.clone()),
            None => (Some(look.clone()).filter(TableLook::is_of_columns), None),
        };
        if let Some(look) = look.filter(TableLook::is_of_data) {
            let clients = self.catalog.clients(&key.profile)?;
            // On the heap: most passes look at no data, and there are many of them.
            let looking = Box::pin(self.looks.look(clients, key, &look, location.as_deref(), ask));
            if let Some(seen) = looking.await? {
                world.partitions = look.partitions.then_some(seen.partitions);
                world.indexes = seen.indexes;
                world.versions = seen.versions;
                world.directories = seen.directories;
                world.vanished = seen.vanished;
                world.manifests = seen.manifests;
                world.runs = seen.runs;
                world.files = seen.files;
                world.avsc = seen.avsc.map(|looked| looked.seen);
                world.looked = Some(seen.looked);
            }
        }
        Ok(world)
    }

    async fn execute(&self, key: &TableKey, step: &TableStep, errand: Errand<'_>) -> Result<(), Failure> {
        let clients = self.catalog.clients(&key.profile)?;
        let outcome = Box::pin(self.write(clients, key, step, errand)).await;
        // Whatever came of it, only reads that begin from now on tell.
        match step {
            TableStep::CreateDatabase { .. }
            | TableStep::CreateTable(_)
            | TableStep::CreateLink(_)
            | TableStep::DeleteLink(_)
            | TableStep::UpdateTable { .. }
            | TableStep::DeleteTable { .. } => {
                self.catalog.outdate(key);
                // A deletion is rare, and has to be seen as it is.
                if outcome.is_err()
                    || matches!(step, TableStep::DeleteTable { .. } | TableStep::DeleteLink(_))
                {
                    self.catalog.doubt(key);
                }
            }
            TableStep::CreatePartitions(_)
            | TableStep::UpdatePartitions(_)
            | TableStep::CascadeColumns(_)
            | TableStep::DeletePartitions(_)
            | TableStep::WithdrawPartitions(_)
            | TableStep::MarkSuperseded { .. }
            | TableStep::UnmarkSuperseded { .. }
            | TableStep::DeleteSuperseded { .. }
            | TableStep::DeleteVersions(_)
            | TableStep::CreateIndex { .. }
            | TableStep::DeleteIndex { .. } => self.looks.outdate(key, step.partitions()),
            TableStep::CreateCrawler(_)
            | TableStep::UpdateCrawler { .. }
            | TableStep::StartCrawler { .. }
            | TableStep::StopCrawler { .. }
            | TableStep::DeleteCrawler { .. }
            | TableStep::DeleteCrawledTables { .. } => self.crawlers.outdate(key),
        }
        outcome
    }

    fn expect(&self, keys: Vec<TableKey>) {
        self.catalog.expect(&keys);
    }

    fn forget(&self, key: &TableKey) {
        self.catalog.forget(key);
        self.looks.forget(key);
        self.crawlers.forget(key);
    }
}
