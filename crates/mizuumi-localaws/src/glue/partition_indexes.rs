//! Partition indexes: at most three, each built in the background over the partitions that are there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Answer, Call, Catalog, Object, PartitionKey, Table, already_exists, answer, input, invalid, not_found,
    partitions,
};
use crate::protocol::ApiError;

/// "You can have a maximum of 3 partition indexes on a table" (Glue developer guide, working with partition indexes).
const MOST: usize = 3;
/// How long an index is built and taken down here; on AWS it depends on the partitions.
const MILLIS: i64 = 300;

/// An index.
#[derive(Debug)]
pub(super) struct Index {
    keys: Vec<PartitionKey>,
    /// From then on it is built.
    built: i64,
    /// From then on it is gone.
    gone: Option<i64>,
    /// What the backfill could not take: a code, and the partitions.
    errors: Vec<(&'static str, Vec<Vec<String>>)>,
}

impl Index {
    fn new(table: &Table, given: &Object, built: i64) -> Result<(String, Self), ApiError> {
        // Names of indexes are not folded (model: NameString).
        let name = input::optional_text(given, "IndexName")?.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| invalid("IndexName must be set"))?.to_owned();
        let mut keys = Vec::new();
        for key in input::texts(given, "Keys", usize::MAX)? {
            let found = table.keys.iter().find(|have| have.name.eq_ignore_ascii_case(&key));
            keys.push(found.ok_or_else(|| invalid(format!("{key} is not a partition key")))?.clone());
        }
        if keys.is_empty() {
            return Err(invalid("Keys must not be empty"));
        }
        let errors = untyped(table, &keys);
        Ok((name, Self { keys, built, gone: None, errors }))
    }

    fn described(&self, name: &str, now: i64) -> Value {
        let status = match () {
            () if self.gone.is_some() => "DELETING",
            () if now < self.built => "CREATING",
            () if self.errors.is_empty() => "ACTIVE",
            () => "FAILED",
        };
        let keys: Vec<Value> =
            self.keys.iter().map(|key| json!({"Name": key.name, "Type": key.kind})).collect();
        let mut described = json!({"IndexName": name, "Keys": keys, "IndexStatus": status});
        if status == "FAILED" {
            let errors = self.errors.iter().map(|(code, partitions)| {
                let partitions: Vec<Value> =
                    partitions.iter().map(|values| json!({"Values": values})).collect();
                json!({"Code": code, "Partitions": partitions})
            });
            described["BackfillErrors"] = errors.collect();
        }
        described
    }
}

/// Values that are no numbers under a key of a number's type: INVALID_PARTITION_TYPE_DATA_ERROR in the model, with at
/// most 25 partitions.
fn untyped(table: &Table, keys: &[PartitionKey]) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let numbers: Vec<usize> = table
        .keys
        .iter()
        .enumerate()
        .filter(|(_, key)| {
            keys.contains(key) && matches!(key.kind.as_str(), "int" | "bigint" | "smallint" | "tinyint")
        })
        .map(|(position, _)| position)
        .collect();
    let is_bad = |values: &&Vec<String>| {
        numbers
            .iter()
            .any(|position| values.get(*position).is_some_and(|value| value.parse::<i64>().is_err()))
    };
    let bad: Vec<Vec<String>> = table.partitions.keys().filter(is_bad).take(25).cloned().collect();
    if bad.is_empty() { Vec::new() } else { vec![("INVALID_PARTITION_TYPE_DATA_ERROR", bad)] }
}

/// The indexes that CreateTable names; there is nothing to build.
pub(super) fn of_new_table(table: &mut Table, call: &Call<'_>) -> Result<(), ApiError> {
    if call.input.get("PartitionIndexes").is_none_or(Value::is_null) {
        return Ok(());
    }
    for given in input::list(call.input, "PartitionIndexes", MOST)? {
        let given = given.as_object().ok_or_else(|| invalid("A partition index must be a structure"))?;
        let (name, index) = Index::new(table, given, call.millis)?;
        table.indexes.insert(name, index);
    }
    Ok(())
}

fn forget_gone(indexes: &mut BTreeMap<String, Index>, now: i64) {
    indexes.retain(|_, index| index.gone.is_none_or(|gone| now < gone));
}

pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = partitions::place(call.input)?;
    let given = input::object(call.input, "PartitionIndex")?;
    let table = catalog.table(&place.0, &place.1)?;
    forget_gone(&mut table.indexes, call.millis);
    let (name, index) = Index::new(table, given, call.millis + MILLIS)?;
    if table.indexes.contains_key(&name) {
        return Err(already_exists(format!("Partition index {name} already exists.")));
    }
    // Measured on AWS in floci-io/floci#3551.
    if table.indexes.values().any(|other| other.keys == index.keys) {
        return Err(already_exists("A partition index with the same keys already exists."));
    }
    if table.indexes.values().any(|other| call.millis < other.built || other.gone.is_some()) {
        let message = "Only 1 index can be created or deleted simultaneously per table.";
        return Err(ApiError::refused("ResourceNumberLimitExceededException", message));
    }
    if table.indexes.len() >= MOST {
        let message = format!("Number of partition indexes exceeds the limit {MOST}.");
        return Err(ApiError::refused("ResourceNumberLimitExceededException", message));
    }
    table.indexes.insert(name.clone(), index);
    call.effects.push(partitions::effect(table, &place, &[format!("index={name}")]));
    Ok(answer::nothing())
}

pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = partitions::place(call.input)?;
    let name = input::optional_text(call.input, "IndexName")?.unwrap_or_default().to_owned();
    let table = catalog.table(&place.0, &place.1)?;
    forget_gone(&mut table.indexes, call.millis);
    let index = table.indexes.get_mut(&name).ok_or_else(|| not_found("Partition index not found."))?;
    // The code is the one that the model lists for this operation alone.
    if index.gone.is_some() || call.millis < index.built {
        let message = format!("Partition index {name} is being built or deleted.");
        return Err(ApiError::refused("ConflictException", message));
    }
    index.gone = Some(call.millis + MILLIS);
    call.effects.push(partitions::effect(table, &place, &[format!("index={name}")]));
    Ok(answer::nothing())
}

pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = partitions::place(call.input)?;
    let table = catalog.table(&place.0, &place.1)?;
    forget_gone(&mut table.indexes, call.millis);
    let all: Vec<Value> =
        table.indexes.iter().map(|(name, index)| index.described(name, call.millis)).collect();
    Ok(json!({"PartitionIndexDescriptorList": all}).to_string())
}
