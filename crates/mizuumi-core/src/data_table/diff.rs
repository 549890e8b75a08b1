//! What differs between two definitions, in lines that a person reads.

use std::collections::BTreeMap;
use std::fmt;

use super::definition::{
    APPLIED_PARAMETER, COLUMNS_PARAMETER, Column, LAYER_PARAMETER, OUR_PREFIX, PRODUCER_PARAMETER,
    TableDefinition,
};
use super::desired::DesiredTable;
use super::layout;
use super::view::ViewText;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where, such as `columns.dep_delay.type`.
    pub path: String,
    /// What is there.
    pub from: Option<String>,
    /// What is to be there.
    pub to: Option<String>,
}

impl Change {
    /// Whether people want to read of it; the memory of what is ours is no news.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

/// Longest value shown; a changed Avro schema would fill a screen.
const LONGEST_SHOWN: usize = 80;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| {
            if text.chars().count() > LONGEST_SHOWN {
                let cut: String = text.chars().take(LONGEST_SHOWN).collect();
                format!("{cut:?}…")
            } else {
                format!("{text:?}")
            }
        };
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "~ {}: {} → {}", self.path, shown(from), shown(to)),
            (None, Some(to)) => write!(f, "+ {}: {}", self.path, shown(to)),
            (Some(from), None) => write!(f, "- {}: {}", self.path, shown(from)),
            (None, None) => write!(f, "  {}", self.path),
        }
    }
}

/// Every difference, in the order of the fields.
#[must_use]
pub fn changes(have: &TableDefinition, to: &TableDefinition) -> Vec<Change> {
    let mut changes = Vec::new();
    // Glue takes a name twice, and by its name such a column is not found again.
    if have == to {
        return changes;
    }
    let mut field = |path: &str, from: Option<&str>, to: Option<&str>| {
        if from != to {
            changes.push(Change {
                path: path.to_owned(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            });
        }
    };
    field("description", have.description.as_deref(), to.description.as_deref());
    field("owner", have.owner.as_deref(), to.owner.as_deref());
    field("tableType", have.table_type.as_deref(), to.table_type.as_deref());
    field("location", have.location.as_deref(), to.location.as_deref());
    field("inputFormat", have.input_format.as_deref(), to.input_format.as_deref());
    field("outputFormat", have.output_format.as_deref(), to.output_format.as_deref());
    // That there is one at all matters: Athena and Trino refuse a view without.
    let library = |d: &TableDefinition| d.serde.as_ref().map(|s| s.library.clone().unwrap_or_default());
    field("serde", library(have).as_deref(), library(to).as_deref());
    for (path, say) in [("view.sql", ViewText::sql as fn(&ViewText) -> String), ("view", ViewText::rest)] {
        let [from, to] = [have, to].map(|definition| definition.view.as_ref().map(say));
        field(path, from.as_deref(), to.as_deref());
    }
    for ((path, from), (_, to)) in layout::shown(have).zip(layout::shown(to)) {
        field(path, from.as_deref(), to.as_deref());
    }
    column_changes("columns", &have.columns, &to.columns, &mut changes);
    column_changes("partitionKeys", &have.partition_keys, &to.partition_keys, &mut changes);
    let none = BTreeMap::new();
    let serde =
        |d: &'_ TableDefinition| d.serde.as_ref().map_or_else(|| none.clone(), |s| s.parameters.clone());
    map_changes("serde", &serde(have), &serde(to), &mut changes);
    map_changes("parameters", &have.parameters, &to.parameters, &mut changes);
    changes
}

/// Whether only marks and freshness change: no schema version is worth keeping for that. Layer and producer are the spec's
/// words.
#[must_use]
pub fn is_bookkeeping(changes: &[Change], desired: &DesiredTable) -> bool {
    let names = &desired.freshness_parameters;
    let freshness = [&names.loaded_at, &names.data_time, &names.fresh_until];
    changes.iter().all(|change| {
        change.path.strip_prefix("parameters.").is_some_and(|key| {
            (key.starts_with(OUR_PREFIX) && ![LAYER_PARAMETER, PRODUCER_PARAMETER].contains(&key))
                || freshness.iter().any(|name| *name == key)
        })
    })
}

fn column_changes(path: &str, have: &[Column], to: &[Column], changes: &mut Vec<Change>) {
    let type_of = |column: &Column| column.type_.clone().unwrap_or_default();
    for want in to {
        let Some(have) = have.iter().find(|c| c.name == want.name) else {
            changes.push(Change {
                path: format!("{path}.{}", want.name),
                from: None,
                to: Some(type_of(want)),
            });
            continue;
        };
        if have.type_ != want.type_ {
            changes.push(Change {
                path: format!("{path}.{}.type", want.name),
                from: have.type_.clone(),
                to: want.type_.clone(),
            });
        }
        if have.comment != want.comment {
            changes.push(Change {
                path: format!("{path}.{}.comment", want.name),
                from: have.comment.clone(),
                to: want.comment.clone(),
            });
        }
        map_changes(&format!("{path}.{}.parameters", want.name), &have.parameters, &want.parameters, changes);
    }
    for gone in have.iter().filter(|have| !to.iter().any(|want| want.name == have.name)) {
        changes.push(Change { path: format!("{path}.{}", gone.name), from: Some(type_of(gone)), to: None });
    }
    // The order of those that are in both; for text formats it says which field is which.
    let order = |columns: &[Column], other: &[Column]| {
        let common = columns.iter().filter(|c| other.iter().any(|o| o.name == c.name));
        common.map(|c| c.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (from, to) = (order(have, to), order(to, have));
    if from != to {
        changes.push(Change { path: format!("{path} order"), from: Some(from), to: Some(to) });
    }
}

fn map_changes(
    path: &str,
    have: &BTreeMap<String, String>,
    to: &BTreeMap<String, String>,
    changes: &mut Vec<Change>,
) {
    let keys: std::collections::BTreeSet<&String> = have.keys().chain(to.keys()).collect();
    for key in keys {
        let (from, to) = (have.get(key), to.get(key));
        if from == to {
            continue;
        }
        // The memory of what is ours, and of what partitions have, is no news for people.
        let quiet = [APPLIED_PARAMETER, COLUMNS_PARAMETER].contains(&key.as_str());
        changes.push(Change {
            path: format!("{path}.{key}"),
            from: from.filter(|_| !quiet).cloned(),
            to: to.filter(|_| !quiet).cloned(),
        });
    }
}
