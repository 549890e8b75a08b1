//! Partitions, one at a time, and their listing.

use std::ops::Bound;

use serde_json::{Value, json};

use super::expression::Filter;
use super::{
    Answer, Call, Catalog, Object, Partition, Table, already_exists, answer, input, invalid, not_found,
    paging, tables, text_of,
};
use crate::audit::Effect;
use crate::protocol::ApiError;

/// Database and table name of a partition request.
pub(super) fn place(input: &Object) -> Result<(String, String), ApiError> {
    Ok((input::name(input, "DatabaseName")?, input::name(input, "TableName")?))
}

/// As many values as the table has partition keys; the message is the one seen in apache/hudi#6281.
fn check_values(table: &Table, values: &[String]) -> Result<(), ApiError> {
    if values.len() != table.keys.len() {
        return Err(invalid("The number of partition keys do not match the number of partition values"));
    }
    if values.iter().any(|value| value.is_empty() || value.chars().count() > 1024) {
        return Err(invalid("Partition values have 1 to 1024 characters"));
    }
    Ok(())
}

fn define(
    call: &Call<'_>,
    place: &(String, String),
    values: &[String],
    given: &Object,
    created: i64,
) -> Result<Partition, ApiError> {
    let mut record = input::without_nulls(given);
    if let Some(storage) = record.get_mut("StorageDescriptor").and_then(Value::as_object_mut) {
        tables::storage_defaults(storage);
    }
    for (member, value) in [
        ("Values", json!(values)),
        ("DatabaseName", json!(place.0)),
        ("TableName", json!(place.1)),
        ("CatalogId", json!(call.account)),
        ("CreationTime", Call::time(created)),
    ] {
        record.insert(member.to_owned(), value);
    }
    Ok(Partition { text: text_of(&record)?, created })
}

pub(super) fn effect(table: &Table, place: &(String, String), values: &[String]) -> Effect {
    Effect {
        version_before: Some(table.version),
        version_after: Some(table.version),
        owner_before: table.owner.clone(),
        owner_after: table.owner.clone(),
        existed: true,
        kept_before: table.trace.kept,
        ..Effect::on(format!("{}.{}/{}", place.0, place.1, values.join("/")))
    }
}

/// Adds one partition. "Although this parameter is not required by the SDK, you must specify this parameter for a valid
/// input" (`PartitionInput.Values` in the model).
pub(super) fn add(
    table: &mut Table,
    call: &mut Call<'_>,
    place: &(String, String),
    given: &Object,
) -> Result<(), ApiError> {
    let values = match given.get("Values") {
        None | Some(Value::Null) => Vec::new(),
        Some(_) => input::texts(given, "Values", usize::MAX)?,
    };
    check_values(table, &values)?;
    if table.partitions.contains_key(&values) {
        return Err(already_exists("Partition already exists."));
    }
    let partition = define(call, place, &values, given, call.now)?;
    call.effects.push(effect(table, place, &values));
    table.trace.wrote_partitions(call);
    table.recent.note(call.millis, values.clone(), None);
    table.partitions.insert(values, partition);
    Ok(())
}

/// Replaces one partition. "The Values property can't be changed. If you want to change the partition key values for a
/// partition, delete and recreate the partition" (`UpdatePartition` in the model); the error's code is an assumption,
/// and so is that absent values mean unchanged ones.
pub(super) fn replace(
    table: &mut Table,
    call: &mut Call<'_>,
    place: &(String, String),
    values: &[String],
    given: &Object,
) -> Result<(), ApiError> {
    let Some(existing) = table.partitions.get(values) else {
        return Err(not_found("Partition not found."));
    };
    let changed = match given.get("Values") {
        None | Some(Value::Null) => false,
        Some(_) => input::texts(given, "Values", usize::MAX)? != values,
    };
    if changed {
        return Err(invalid("The values of a partition cannot be changed"));
    }
    let partition = define(call, place, values, given, existing.created)?;
    call.effects.push(effect(table, place, values));
    let old = table.partitions.insert(values.to_vec(), partition);
    table.trace.wrote_partitions(call);
    table.recent.note(call.millis, values.to_vec(), old.map(|old| old.text));
    Ok(())
}

/// Removes one partition.
pub(super) fn remove(
    table: &mut Table,
    call: &mut Call<'_>,
    place: &(String, String),
    values: &[String],
) -> Result<(), ApiError> {
    let old = table.partitions.remove(values).ok_or_else(|| not_found("Partition not found."))?;
    table.trace.wrote_partitions(call);
    table.recent.note(call.millis, values.to_vec(), Some(old.text));
    call.effects.push(effect(table, place, values));
    Ok(())
}

pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let given = input::object(call.input, "PartitionInput")?;
    add(catalog.table(&place.0, &place.1)?, call, &place, given)?;
    Ok(answer::nothing())
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let values = input::texts(call.input, "PartitionValues", usize::MAX)?;
    let table = catalog.table(&place.0, &place.1)?;
    table.trace.read_partitions(call);
    let partition = table.partitions.get(&values).ok_or_else(|| not_found("Partition not found."))?;
    Ok(answer::one("Partition", &partition.text))
}

pub(super) fn update(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let values = input::texts(call.input, "PartitionValueList", 100)?;
    let given = input::object(call.input, "PartitionInput")?;
    replace(catalog.table(&place.0, &place.1)?, call, &place, &values, given)?;
    Ok(answer::nothing())
}

pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let values = input::texts(call.input, "PartitionValues", usize::MAX)?;
    remove(catalog.table(&place.0, &place.1)?, call, &place, &values)?;
    Ok(answer::nothing())
}

/// One of up to ten disjoint parts of a table's partitions. How AWS divides them is not documented; a hash of the
/// values gives disjoint parts that stay the same from page to page.
struct Segment {
    number: u64,
    total: u64,
}

impl Segment {
    fn read(input: &Object) -> Result<Option<Self>, ApiError> {
        let segment = match input.get("Segment") {
            None | Some(Value::Null) => return Ok(None),
            Some(_) => input::object(input, "Segment")?,
        };
        let member = |name: &str| segment.get(name).and_then(Value::as_u64);
        match (member("SegmentNumber"), member("TotalSegments")) {
            (Some(number), Some(total @ 1..=10)) if number < total => Ok(Some(Self { number, total })),
            _ => {
                Err(invalid("Segment must have SegmentNumber from 0 and less than TotalSegments, at most 10"))
            }
        }
    }

    fn has(&self, values: &[String]) -> bool {
        // FNV-1a; the zero byte keeps ["ab"] and ["a", "b"] apart.
        let bytes = values.iter().flat_map(|value| value.bytes().chain([0]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 17) % self.total == self.number
    }
}

/// "When true, specifies not returning the partition column schema" (model).
fn without_columns(text: &str) -> String {
    let Ok(mut record) = serde_json::from_str::<Object>(text) else { return text.to_owned() };
    if let Some(storage) = record.get_mut("StorageDescriptor").and_then(Value::as_object_mut) {
        storage.remove("Columns");
    }
    json!(record).to_string()
}

pub(super) fn list(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let place = place(call.input)?;
    let size = input::page_size(call, 1000)?;
    let segment = Segment::read(call.input)?;
    let exclude_columns = input::flag(call.input, "ExcludeColumnSchema")?;
    let expression = input::optional_text(call.input, "Expression")?.filter(|text| !text.trim().is_empty());
    if expression.is_some_and(|text| text.chars().count() > 2048) {
        return Err(invalid("Expression is longer than 2048 characters"));
    }
    let kind = format!("partitions:{}.{}", place.0, place.1);
    let start = match paging::after(call.input, &kind)? {
        Some(last) => {
            let last: Vec<String> = serde_json::from_str(&last).map_err(|_| invalid("Invalid NextToken"))?;
            Bound::Excluded(last)
        }
        None => Bound::Unbounded,
    };
    let table = catalog.table(&place.0, &place.1)?;
    let filter = expression.map(|text| Filter::parse(text, &table.keys)).transpose()?;
    if call.as_of().is_none() {
        table.trace.read_partitions(call);
    }
    let past = call.as_of().map(|moment| table.recent.at(moment)).unwrap_or_default();
    let chosen = |values: &Vec<String>| {
        let in_segment = segment.as_ref().is_none_or(|segment| segment.has(values));
        Ok(in_segment && filter.as_ref().map_or(Ok(true), |filter| filter.accepts(values))?)
    };
    // One more than a page, which says whether there is another page.
    let mut page: Vec<(&Vec<String>, &str)> = Vec::new();
    for (values, partition) in table.partitions.range::<Vec<String>, _>((start.clone(), Bound::Unbounded)) {
        if page.len() > size {
            break;
        }
        if !past.contains_key(values) && chosen(values)? {
            page.push((values, &partition.text));
        }
    }
    for (values, text) in past {
        let after = !matches!(&start, Bound::Excluded(last) if values <= last);
        if let (true, Some(text)) = (after && chosen(values)?, text) {
            page.push((values, text));
        }
    }
    page.sort_unstable_by_key(|(values, _)| *values);
    let more = page.len() > size;
    page.truncate(size);
    let next = page.last().filter(|_| more).map(|(last, _)| paging::token(&kind, &json!(last).to_string()));
    if exclude_columns {
        let short: Vec<String> = page.iter().map(|(_, text)| without_columns(text)).collect();
        return Ok(answer::page("Partitions", short.iter().map(String::as_str), next));
    }
    Ok(answer::page("Partitions", page.into_iter().map(|(_, text)| text), next))
}
