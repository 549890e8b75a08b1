//! All that the judge needs to know of the tables, at one moment.

use std::sync::Arc;

use super::{Glue, Object};

/// A table and what is remembered of it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// Account.
    pub(crate) account: String,
    /// Region.
    pub(crate) region: String,
    /// Database.
    pub(crate) database: String,
    /// Table.
    pub(crate) name: String,
    /// The owner mark.
    pub(crate) owner: Option<String>,
    /// Whether Mizuumi put that mark on.
    pub(crate) marked_by_us: bool,
    /// When the definition was written last, in milliseconds.
    pub(crate) touched_millis: i64,
    /// Why Mizuumi cannot know what the table is like, if it cannot.
    pub(crate) unread: Option<String>,
    text: Arc<str>,
}

impl Known {
    /// `database.table`.
    pub(crate) fn external(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// The definition.
    pub(crate) fn definition(&self) -> Object {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

impl Glue {
    /// Every table of one account, or of all.
    pub(crate) fn survey(&self, account: Option<&str>) -> Vec<Known> {
        let catalogs: Vec<_> = self.catalogs.hold().iter().map(|(p, c)| (p.clone(), Arc::clone(c))).collect();
        let mut known = Vec::new();
        for ((owner, region), catalog) in catalogs {
            if account.is_some_and(|account| account != owner) {
                continue;
            }
            for (database, content) in &catalog.hold().databases {
                known.extend(content.tables.iter().map(|(name, table)| Known {
                    account: owner.clone(),
                    region: region.clone(),
                    database: database.clone(),
                    name: name.clone(),
                    owner: table.owner.clone(),
                    marked_by_us: table.trace.marked_by_us,
                    touched_millis: table.trace.touched_millis,
                    unread: table.trace.unread(),
                    text: Arc::clone(&table.text),
                }));
            }
        }
        known
    }

    /// The values of a table's partitions.
    pub(crate) fn partition_values(&self, of: &Known) -> Vec<Vec<String>> {
        let place = (of.account.clone(), of.region.clone());
        let Some(catalog) = self.catalogs.hold().get(&place).map(Arc::clone) else { return Vec::new() };
        let catalog = catalog.hold();
        let table = catalog.databases.get(&of.database).and_then(|content| content.tables.get(&of.name));
        table.map(|table| table.partitions.keys().cloned().collect()).unwrap_or_default()
    }
}
