//! Batch operations on partitions: each item succeeds or fails on its own and failures are listed.

use serde_json::{Value, json};

use super::partitions::{add, place, remove, replace};
use super::{Answer, Call, Catalog, answer, input, invalid};
use crate::protocol::ApiError;

fn failure(values: &Value, error: &ApiError) -> Value {
    json!({"PartitionValues": values, "ErrorDetail": answer::detail(error)})
}

/// At most 100 entries (`PartitionInputList` in the model).
pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let items = input::list(call.input, "PartitionInputList", 100)?;
    let table = catalog.table(&place.0, &place.1)?;
    let mut errors = Vec::new();
    for item in items {
        let given = item.as_object().ok_or_else(|| invalid("PartitionInputList holds structures"))?;
        if let Err(error) = add(table, call, &place, given) {
            errors.push(failure(given.get("Values").unwrap_or(&json!([])), &error));
        }
    }
    Ok(answer::errors(&errors))
}

/// At most 1,000 keys; those that do not exist are left out without an error (seen on AWS in getmoto/moto#2320).
pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let items = input::list(call.input, "PartitionsToGet", 1000)?;
    let table = catalog.table(&place.0, &place.1)?;
    table.trace.read_partitions(call);
    let mut found = Vec::new();
    for item in items {
        let key = item.as_object().ok_or_else(|| invalid("PartitionsToGet holds structures"))?;
        if let Some(partition) = table.partitions.get(&input::texts(key, "Values", usize::MAX)?) {
            found.push(&*partition.text);
        }
    }
    Ok(answer::page("Partitions", found, None))
}

/// 1 to 100 entries (`BatchUpdatePartitionRequestEntryList` in the model).
pub(super) fn update(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let items = input::list(call.input, "Entries", 100)?;
    if items.is_empty() {
        return Err(ApiError::refused(
            "ValidationException",
            "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length \
             greater than or equal to 1",
        ));
    }
    let table = catalog.table(&place.0, &place.1)?;
    let mut errors = Vec::new();
    for item in items {
        let entry = item.as_object().ok_or_else(|| invalid("Entries holds structures"))?;
        let values = input::texts(entry, "PartitionValueList", 100)?;
        let given = input::object(entry, "PartitionInput")?;
        if let Err(error) = replace(table, call, &place, &values, given) {
            errors.push(json!({"PartitionValueList": values, "ErrorDetail": answer::detail(&error)}));
        }
    }
    Ok(answer::errors(&errors))
}

/// At most 25 keys (`BatchDeletePartitionValueList` in the model).
pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let items = input::list(call.input, "PartitionsToDelete", 25)?;
    let table = catalog.table(&place.0, &place.1)?;
    let mut errors = Vec::new();
    for item in items {
        let key = item.as_object().ok_or_else(|| invalid("PartitionsToDelete holds structures"))?;
        let values = input::texts(key, "Values", usize::MAX)?;
        if let Err(error) = remove(table, call, &place, &values) {
            errors.push(failure(&json!(values), &error));
        }
    }
    Ok(answer::errors(&errors))
}
