//! A table with its partitions as engines read it: no call of a client, so that no fault meets it and no log shows it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Glue;

impl Glue {
    /// The `Table` structure and the `Partition` structures of a table.
    pub(crate) fn definition(
        &self,
        account: &str,
        region: &str,
        database: &str,
        table: &str,
    ) -> Option<Value> {
        let place = (account.to_owned(), region.to_owned());
        let catalog = Arc::clone(self.catalogs.hold().get(&place)?);
        let catalog = catalog.hold();
        let found = catalog.databases.get(database)?.tables.get(table)?;
        let text = catalog.text(found);
        let target = found.target.as_ref();
        let holder = target
            .and_then(|target| catalog.databases.get(&target.database)?.tables.get(&target.table))
            .unwrap_or(found);
        let partitions: Vec<Value> =
            holder.partitions.values().filter_map(|of| serde_json::from_str(&of.text).ok()).collect();
        let table: Value = serde_json::from_str(&text).ok()?;
        Some(json!({ "table": table, "partitions": partitions }))
    }
}
