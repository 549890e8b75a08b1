//! Statistics of columns: nobody keeps any here. Trino asks for them and deletes them whenever it has written.

use serde_json::json;

use super::{Answer, Call, Catalog, answer, input, not_found, partitions};
use crate::protocol::ApiError;

pub(super) fn of_table(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let (database, table) = partitions::place(call.input)?;
    catalog.table(&database, &table)?;
    Ok(none())
}

pub(super) fn of_partition(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    partition(catalog, call)?;
    Ok(none())
}

/// Those that are not there are deleted without complaint: Trino takes `EntityNotFoundException` for a missing table, and deletes those
/// of every column.
pub(super) fn delete_of_table(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let (database, table) = partitions::place(call.input)?;
    catalog.table(&database, &table)?;
    Ok(answer::nothing())
}

pub(super) fn delete_of_partition(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    partition(catalog, call)?;
    Ok(answer::nothing())
}

fn partition(catalog: &mut Catalog, call: &Call<'_>) -> Result<(), ApiError> {
    let (database, table) = partitions::place(call.input)?;
    let values = input::texts(call.input, "PartitionValues", usize::MAX)?;
    let is_there = catalog.table(&database, &table)?.partitions.contains_key(&values);
    if is_there { Ok(()) } else { Err(not_found("Partition not found.")) }
}

fn none() -> String {
    json!({"ColumnStatisticsList": [], "Errors": []}).to_string()
}
