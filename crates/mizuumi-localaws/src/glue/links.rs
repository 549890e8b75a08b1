//! Resource links: what is asked of a link is asked of its target (AWS Lake Formation, "Resource link handling in AWS Glue
//! APIs"). Only targets in the same catalog are followed: nothing here grants access to others, and then the link's own
//! properties are answered.

use serde_json::{Map, Value};

use super::{Call, Catalog, Object, Table};

/// What a link keeps of its own: the other members are the target's. Whether `CreateTime` is the link's or the target's AWS
/// does not say; the link's is assumed.
const OWN: [&str; 6] = ["Name", "DatabaseName", "CatalogId", "CreateTime", "CreatedBy", "TargetTable"];

/// The table that a link stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) database: String,
    pub(super) table: String,
}

impl Target {
    /// That of a definition, if it is a link to something in the caller's catalog.
    pub(super) fn of(table: &Object, call: &Call<'_>) -> Option<Self> {
        let target = table.get("TargetTable")?.as_object()?;
        let text = |member: &str| target.get(member).and_then(Value::as_str);
        let is_here = text("CatalogId").is_none_or(|catalog| catalog == call.account)
            && text("Region").is_none_or(|region| region == call.region);
        let (database, table) = (text("DatabaseName")?.to_lowercase(), text("Name")?.to_lowercase());
        is_here.then_some(Self { database, table })
    }
}

impl Catalog {
    /// The text of a table: of a link that of its target, under the link's name.
    pub(super) fn text(&self, table: &Table) -> String {
        self.followed(table).unwrap_or_else(|| table.text.to_string())
    }

    fn followed(&self, table: &Table) -> Option<String> {
        let target = table.target.as_ref()?;
        let found = self.databases.get(&target.database)?.tables.get(&target.table)?;
        let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let (mut link, mut all) = (read(&table.text)?, read(&found.text)?);
        for member in OWN {
            match link.remove(member) {
                Some(value) => all.insert(member.to_owned(), value),
                None => all.remove(member),
            };
        }
        serde_json::to_string(&all).ok()
    }

    /// Where an update goes.
    pub(super) fn written(&self, database: &str, table: &str) -> Option<(String, String)> {
        let target = self.databases.get(database)?.tables.get(table)?.target.as_ref()?;
        Some((target.database.clone(), target.table.clone()))
    }
}
