//! Changes of the columns brought to partitions that are there already.
//!
//! Each partition has columns of its own in Glue. Athena fails where they are of other types than the table's
//! (HIVE_PARTITION_SCHEMA_MISMATCH), and Hive's serde for Avro reads a partition by the schema that it has itself. From the
//! first change of its columns on, a table says in a parameter which ones its partitions are to have, and each partition says
//! which ones it was given: those that say another thing are behind. Until then there is nothing to say or to read.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::definition::{COLUMNS_PARAMETER, TableDefinition};
use super::desired::{DesiredTable, PartitionPolicy};
use super::partitions::{PartitionEntry, at_once, batches};
use super::step::TableStep;
use super::world::{PartitionValues, TableWorld};
use super::{avro, merge};
use crate::hive_type::HiveType;

/// Which columns partitions have: a digest, in hexadecimal 16 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ColumnsMark(u64);

impl ColumnsMark {
    /// Of the columns that a table has, and of the Avro schema that its serde reads them by.
    #[must_use]
    pub fn of(table: &TableDefinition) -> Self {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update(text.as_bytes());
            digest.update([0]);
        };
        for column in &table.columns {
            add(&column.name.to_lowercase());
            let type_ = column.type_.as_deref().unwrap_or_default();
            add(&HiveType::parse(type_).map_or_else(|_| type_.to_owned(), |type_| type_.to_string()));
        }
        let serde = table.serde.as_ref();
        add(serde.and_then(|serde| serde.parameters.get(avro::SCHEMA_LITERAL)).map_or("", String::as_str));
        Self(digest.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Reads a parameter; none if it is no mark.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// What partitions of a table are to say that are made like it; none while its columns have never changed.
    #[must_use]
    pub fn of_partitions(table: &TableDefinition) -> Option<Self> {
        table.parameters.contains_key(COLUMNS_PARAMETER).then(|| Self::of(table))
    }
}

impl std::fmt::Display for ColumnsMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Has a table say which columns its partitions are to have, from the first change on that its spec makes.
pub(super) fn lay_over(to: &mut TableDefinition, desired: &DesiredTable, have: Option<&TableDefinition>) {
    let mark = ColumnsMark::of(to);
    let is_told = have.is_some_and(|have| {
        to.parameters.contains_key(COLUMNS_PARAMETER)
            || (mark != ColumnsMark::of(have) && !merge::is_drift(desired, have))
    });
    if is_told && reaches(desired) {
        to.parameters.insert(COLUMNS_PARAMETER.to_owned(), mark.to_string());
    } else {
        to.parameters.remove(COLUMNS_PARAMETER);
    }
}

/// Whether there may be partitions that it keeps, and that changes are to reach.
fn reaches(desired: &DesiredTable) -> bool {
    let keeps = match &desired.partitions {
        Some(PartitionPolicy::Projected(_)) | None => false,
        Some(
            PartitionPolicy::Declared(_) | PartitionPolicy::Discovered(_) | PartitionPolicy::Published(_),
        ) => !desired.partition_keys.is_empty(),
    };
    desired.cascades && keeps
}

/// Gives partitions the table's columns that have others; those that are written for another reason come next time.
#[must_use]
pub fn steps(
    desired: &DesiredTable,
    table: &TableDefinition,
    world: &TableWorld,
    others: &[TableStep],
) -> Vec<TableStep> {
    let (Some(want), Some(have)) = (ColumnsMark::of_partitions(table), &world.partitions) else {
        return Vec::new();
    };
    if !reaches(desired) {
        return Vec::new();
    }
    let written: BTreeSet<&PartitionValues> = others.iter().flat_map(TableStep::partitions).collect();
    let owner = desired.owner.to_string();
    let behind = have.iter().filter(|(values, partition)| {
        let is_others = partition.owner.as_ref().is_some_and(|mark| *mark != owner);
        partition.columns != Some(want) && !is_others && !written.contains(values)
    });
    let entries: Vec<PartitionEntry> = behind
        .filter_map(|(values, partition)| {
            let entry = PartitionEntry {
                pointer: partition.pointer.as_deref().cloned(),
                // Written where it is, or not at all.
                seen: Some(partition.place()),
                takes_columns: true,
                ..PartitionEntry::new(values.clone(), partition.location.clone()?, partition.owner.clone())
            };
            Some(entry)
        })
        .collect();
    batches(&entries, at_once(table.columns.len()), TableStep::CascadeColumns)
}
