//! What tables say that no resource here keeps, read for the runs that wait for them: many by one call.

use std::collections::BTreeMap;

use mizuumi_core::data_table::ObservedTable;
use mizuumi_core::{Failure, Lane};

use super::names::{Calls, expression};
use super::{Catalog, DatabaseKey};
use crate::glue;

impl Catalog {
    /// The parameters of these tables of a database; those that do not exist are not among them.
    ///
    /// # Errors
    /// If any of them could not be read.
    pub async fn parameters_of(
        &self,
        database: &DatabaseKey,
        names: Vec<String>,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
        let clients = self.clients(&database.profile)?;
        let of = |table: ObservedTable| table.definition.parameters;
        let mut found = BTreeMap::new();
        let Calls { groups, single } = Calls::for_names(names, |_| false);
        for group in groups {
            let asked = || expression(&group);
            let each = |page: Vec<(String, ObservedTable)>| {
                found.extend(page.into_iter().map(|(name, table)| (name, of(table))));
            };
            glue::get_tables(clients, Lane::Data, &database.database, Some(&asked), || {}, each).await?;
        }
        for name in single {
            let table = glue::get_table(clients, Lane::Data, &database.database, &name).await?;
            found.extend(table.map(|table| (name, of(table))));
        }
        Ok(found)
    }
}
