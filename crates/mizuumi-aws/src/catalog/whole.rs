//! All that a database holds, read once for a person who asks.

use mizuumi_core::data_table::{ObservedTable, TableKey};
use mizuumi_core::{Failure, Lane};

use super::{Catalog, DatabaseKey};
use crate::glue;

impl Catalog {
    /// All tables of a database with their names; none if there is no such database.
    ///
    /// # Errors
    /// If it could not be read to its end.
    pub async fn all_tables(
        &self,
        database: &DatabaseKey,
    ) -> Result<Option<Vec<(String, ObservedTable)>>, Failure> {
        let clients = self.clients(&database.profile)?;
        let mut all = Vec::new();
        let each = |page| all.extend(page);
        let is_there = glue::get_tables(clients, Lane::Change, &database.database, None, || {}, each).await?;
        Ok(is_there.then_some(all))
    }

    /// A table, if there is one of that name.
    ///
    /// # Errors
    /// If it could not be read.
    pub async fn one_table(&self, key: &TableKey) -> Result<Option<ObservedTable>, Failure> {
        glue::get_table(self.clients(&key.profile)?, Lane::Change, &key.database, &key.table).await
    }
}
