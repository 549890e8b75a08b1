//! Tables: create, read, replace with optimistic locking, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::links::Target;
use super::{
    Answer, Call, Catalog, History, Object, OldTable, PartitionKey, Table, Trace, already_exists, answer,
    input, invalid, partition_indexes, text_of,
};
use crate::audit::Effect;
use crate::owner::OWNER_PARAMETER;
use crate::protocol::ApiError;

/// What the rest of the module needs to know of a definition, next to its text.
struct Definition {
    text: Arc<str>,
    owner: Option<String>,
    kind: Option<String>,
    keys: Vec<PartitionKey>,
    target: Option<Target>,
}

/// When and by whom a table was first made; `UpdateTable` keeps it.
#[derive(Clone, Copy)]
struct Origin<'a> {
    created: i64,
    created_by: &'a str,
}

fn define(
    call: &Call<'_>,
    database: &str,
    name: &str,
    given: &Object,
    origin: Origin<'_>,
    version: u64,
) -> Result<Definition, ApiError> {
    let mut table = input::without_nulls(given);
    fold_columns(table.get_mut("PartitionKeys"))?;
    if let Some(storage) = table.get_mut("StorageDescriptor").and_then(Value::as_object_mut) {
        fold_columns(storage.get_mut("Columns"))?;
        storage_defaults(storage);
    }
    check_parameters(table.get("Parameters"))?;
    for (member, value) in [
        ("Name", json!(name)),
        ("DatabaseName", json!(database)),
        ("CatalogId", json!(call.account)),
        ("CreateTime", Call::time(origin.created)),
        ("UpdateTime", Call::time(call.now)),
        ("CreatedBy", json!(origin.created_by)),
        ("IsRegisteredWithLakeFormation", json!(false)),
        // "0" after creation, one more with each update: measured on AWS in floci-io/floci#1205.
        ("VersionId", json!(version.to_string())),
    ] {
        table.insert(member.to_owned(), value);
    }
    table.entry("Retention").or_insert(json!(0));
    let text_at =
        |object: &Object, member: &str| object.get(member).and_then(Value::as_str).map(str::to_owned);
    let keys = table.get("PartitionKeys").and_then(Value::as_array).into_iter().flatten();
    let keys = keys
        .filter_map(Value::as_object)
        .map(|key| PartitionKey {
            name: text_at(key, "Name").unwrap_or_default(),
            kind: text_at(key, "Type").unwrap_or_default(),
        })
        .collect();
    let target = Target::of(&table, call);
    Ok(Definition {
        owner: owner(&table),
        kind: text_at(&table, "TableType"),
        keys,
        target,
        text: text_of(&table)?,
    })
}

fn owner(table: &Object) -> Option<String> {
    table.get("Parameters")?.get(OWNER_PARAMETER)?.as_str().map(str::to_owned)
}

/// Top-level column names are stored in lower case (measured on AWS in apache/flink-connector-aws#206: `userId`
/// comes back as `userid`); names inside struct types are kept (awslabs/aws-athena-query-federation#245).
fn fold_columns(columns: Option<&mut Value>) -> Result<(), ApiError> {
    for column in columns.and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(column) = column.as_object_mut() else {
            return Err(invalid("A column must be a structure"));
        };
        let name = input::name(column, "Name")?;
        column.insert("Name".to_owned(), json!(name));
    }
    Ok(())
}

/// These come back even when they were not sent: the model has them as plain members, and the AWS CLI reference shows
/// these values in its example of get-tables. For partitions the same is assumed.
pub(super) fn storage_defaults(storage: &mut Object) {
    for (member, value) in [
        ("Compressed", json!(false)),
        ("NumberOfBuckets", json!(0)),
        ("SortColumns", json!([])),
        ("StoredAsSubDirectories", json!(false)),
    ] {
        storage.entry(member).or_insert(value);
    }
}

/// Keys of 1 to 255 bytes, values of text up to 512,000 bytes (`KeyString`, `ParametersMapValue` in the model).
fn check_parameters(parameters: Option<&Value>) -> Result<(), ApiError> {
    let Some(parameters) = parameters else { return Ok(()) };
    let Some(parameters) = parameters.as_object() else {
        return Err(ApiError::refused("SerializationException", "Parameters must be a map"));
    };
    for (key, value) in parameters {
        let fits = value.as_str().is_some_and(|value| value.len() <= 512_000);
        if !fits || !(1..=255).contains(&key.len()) {
            return Err(invalid(format!("Invalid table parameter {key}")));
        }
    }
    Ok(())
}

/// The table definition and its name. `Name` next to `TableInput` is only for open table formats.
fn named_input<'a>(call: &Call<'a>) -> Result<(&'a Object, String), ApiError> {
    for unsupported in ["OpenTableFormatInput", "UpdateOpenTableFormatInput"] {
        if call.input.get(unsupported).is_some_and(|value| !value.is_null()) {
            return Err(invalid(format!(
                "The local endpoint does not write Iceberg metadata ({unsupported})"
            )));
        }
    }
    let given = input::object(call.input, "TableInput")?;
    Ok((given, input::name(given, "Name")?))
}

pub(super) fn create(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let (given, name) = named_input(call)?;
    let place = catalog.database(&database)?;
    if place.tables.contains_key(&name) {
        return Err(already_exists("Table already exists."));
    }
    let origin = Origin { created: call.now, created_by: call.caller };
    let definition = define(call, &database, &name, given, origin, 0)?;
    let mut table = Table {
        text: definition.text,
        version: 0,
        archived: BTreeMap::new(),
        created: call.now,
        created_by: call.caller.to_owned(),
        owner: definition.owner,
        kind: definition.kind,
        keys: definition.keys,
        target: definition.target,
        partitions: BTreeMap::new(),
        indexes: BTreeMap::new(),
        recent: History::default(),
        trace: Trace::default(),
    };
    partition_indexes::of_new_table(&mut table, call)?;
    call.effects.push(Effect {
        version_after: Some(0),
        owner_after: table.owner.clone(),
        ..Effect::on(format!("{database}.{name}"))
    });
    table.trace.wrote(call, None, table.owner.as_deref());
    place.recent.note(call.millis, name.clone(), None);
    place.tables.insert(name, table);
    Ok(answer::nothing())
}

pub(super) fn get(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "Name")?;
    let table = catalog.table(&database, &name)?;
    table.trace.read(call);
    let catalog = &*catalog;
    let table = catalog.databases.get(&database).and_then(|database| database.tables.get(&name));
    let text = table.map(|table| catalog.text(table)).unwrap_or_default();
    Ok(answer::one("Table", &text))
}

/// Replaces the whole definition; nothing of the old one is merged in. `SkipArchive` drops the old version instead of
/// archiving it, but the version number moves on all the same.
pub(super) fn update(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let (given, name) = named_input(call)?;
    let wanted = input::optional_text(call.input, "VersionId")?.map(str::to_owned);
    let skip_archive = input::flag(call.input, "SkipArchive")?;
    let most = call.limits.versions_per_table;
    let (database, name) = catalog.written(&database, &name).unwrap_or((database, name));
    let table = catalog.table(&database, &name)?;
    match &wanted {
        None => call.update_without_version = true,
        // Code and message measured on AWS in floci-io/floci#1205 and apache/iceberg#8636.
        Some(version) if *version != table.version.to_string() => {
            call.update_with_stale_version = true;
            let message = "Update table failed due to concurrent modifications.";
            return Err(ApiError::refused("ConcurrentModificationException", message));
        }
        Some(_) => {}
    }
    if !skip_archive && table.archived.len() + 1 >= most {
        // The quota counts the current version as well; the wording is ours.
        let message = format!("Number of versions of table {name} exceeds the limit {most}.");
        return Err(ApiError::refused("ResourceNumberLimitExceededException", message));
    }
    let version = table.version + 1;
    let origin = Origin { created: table.created, created_by: &table.created_by };
    let definition = define(call, &database, &name, given, origin, version)?;
    let kept_before = table.trace.kept;
    table.trace.wrote(call, table.owner.as_deref(), definition.owner.as_deref());
    call.effects.push(Effect {
        version_given: wanted,
        version_before: Some(table.version),
        version_after: Some(version),
        owner_before: table.owner.take(),
        owner_after: definition.owner.clone(),
        existed: true,
        kept_before,
        ..Effect::on(format!("{database}.{name}"))
    });
    let old = std::mem::replace(&mut table.text, definition.text);
    if !skip_archive {
        table.archived.insert(table.version, Arc::clone(&old));
    }
    table.version = version;
    table.owner = definition.owner;
    table.keys = definition.keys;
    let kind = std::mem::replace(&mut table.kind, definition.kind);
    catalog.database(&database)?.recent.note(call.millis, name, Some(OldTable { text: old, kind }));
    Ok(answer::nothing())
}

fn remove(catalog: &mut Catalog, call: &mut Call<'_>, database: &str, name: &str) -> Result<(), ApiError> {
    catalog.table(database, name)?;
    let place = catalog.database(database)?;
    if let Some(table) = place.tables.remove(name) {
        let old = OldTable { text: table.text, kind: table.kind };
        place.recent.note(call.millis, name.to_owned(), Some(old));
        call.effects.push(Effect {
            version_before: Some(table.version),
            owner_before: table.owner,
            existed: true,
            kept_before: table.trace.kept,
            ..Effect::on(format!("{database}.{name}"))
        });
    }
    Ok(())
}

/// Versions and partitions go with the table at once; AWS removes them "asynchronously in a timely manner" (model).
pub(super) fn delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let name = input::name(call.input, "Name")?;
    remove(catalog, call, &database, &name)?;
    Ok(answer::nothing())
}

pub(super) fn batch_delete(catalog: &mut Catalog, call: &mut Call<'_>) -> Answer {
    let database = input::name(call.input, "DatabaseName")?;
    let names = input::texts(call.input, "TablesToDelete", 100)?;
    catalog.database(&database)?;
    let mut errors = Vec::new();
    for name in names {
        if let Err(error) = remove(catalog, call, &database, &name.to_lowercase()) {
            errors.push(json!({"TableName": name, "ErrorDetail": answer::detail(&error)}));
        }
    }
    Ok(answer::errors(&errors))
}
