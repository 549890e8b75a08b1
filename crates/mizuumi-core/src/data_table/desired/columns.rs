//! The columns and partition keys that a spec says, checked, or where they come from.

use std::collections::{BTreeMap, HashSet};

use mizuumi_api::Installation;
use mizuumi_api::data_table::{self as api, DataTable, PartitionMode};

use crate::data_table::avsc_from::AvscFrom;
use crate::data_table::learning::{self, Learning, Source};
use crate::data_table::{Column, avro, avsc, table_name};
use crate::hive_type::HiveType;
use crate::problem::Problem;

/// The columns, wherever the spec says that they come from; and the Avro schema that said them, in one line.
pub(super) fn of_schema(object: &DataTable, problems: &mut Vec<Problem>) -> (Vec<Column>, Option<String>) {
    let Some(schema) = &object.spec.schema else {
        if object.spec.link_to.is_none() {
            problems.push(Problem::invalid("spec.schema", "must be set, except with `spec.linkTo`"));
        }
        return (Vec::new(), None);
    };
    match schema.from {
        api::SchemaSource::Files | api::SchemaSource::Crawler => {
            (learning::remembered(object.status.as_ref()), None)
        }
        api::SchemaSource::Declared => {
            let declared = schema.columns.as_deref().unwrap_or_default();
            let said = declared.iter().map(|c| (&c.name, &c.type_, &c.comment));
            (columns(said, "spec.schema.columns", problems), None)
        }
        api::SchemaSource::Avsc if schema.avsc_from.is_some() => (Vec::new(), None),
        api::SchemaSource::Avsc => match avsc::columns(schema.avsc.as_deref().unwrap_or_default()) {
            Ok((said, line)) => {
                let said = said.iter().map(|(name, type_, comment)| (name, type_, comment));
                (columns(said, "spec.schema.avsc.fields", problems), Some(line))
            }
            Err(why) => {
                problems.push(Problem::invalid("spec.schema.avsc", why));
                (Vec::new(), None)
            }
        },
    }
}

/// How the columns are learnt from elsewhere, if that is where they come from.
pub(super) fn learning(
    object: &DataTable,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<Learning> {
    let spec = &object.spec;
    let schema = spec.schema.as_ref()?;
    let source = match schema.from {
        api::SchemaSource::Declared => return None,
        api::SchemaSource::Avsc => {
            let from = schema.avsc_from.as_ref()?;
            AvscFrom::checked(from, installation, problems).map(Source::Avsc)
        }
        api::SchemaSource::Crawler => Some(Source::Crawler),
        api::SchemaSource::Files => files_of(spec, problems).map(Source::Files),
    };
    let own = spec.serde_parameters.as_ref().is_some_and(|all| all.contains_key(avro::SCHEMA_LITERAL));
    Some(Learning {
        source: source?,
        table: table_name(object),
        makes_avro_schema: spec.format == Some(api::Format::Avro) && !own,
    })
}

/// The format of files that are to say the columns.
fn files_of(spec: &api::DataTableSpec, problems: &mut Vec<Problem>) -> Option<api::Format> {
    let format = spec.format.filter(|format| format.says_columns());
    if format.is_none() {
        problems.push(Problem::invalid(
            "spec.format",
            "must be 'parquet', 'orc' or 'avro' when `schema.from` is 'Files'; other files do not say their columns",
        ));
    }
    if spec.partitions.as_ref().is_some_and(|partitions| partitions.mode == PartitionMode::Projected) {
        problems.push(Problem::invalid(
            "spec.schema.from",
            "must not be 'Files' with `partitions.mode: Projected`: no partition is registered whose files say the columns",
        ));
    }
    format
}

/// Columns with their names and types checked. Glue folds names to lower case, so that is how they are compared.
pub(in crate::data_table) fn columns<'a>(
    declared: impl Iterator<Item = (&'a String, &'a String, &'a Option<String>)>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Column> {
    let mut seen = HashSet::new();
    let mut columns = Vec::new();
    for (index, (name, type_, comment)) in declared.enumerate() {
        // Names go into DDL and into comma-separated lists of Hive's table properties.
        if name.trim() != name || name.contains([',', ':', ';', '`', '\n', '\r', '\t']) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!("must not begin or end with a space or contain any of , : ; ` or a line break; it is '{name}'"),
            ));
        }
        if !seen.insert(name.to_lowercase()) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!("'{name}' is there twice; Glue, Athena and Hive do not tell upper from lower case"),
            ));
        }
        if let Err(message) = HiveType::parse(type_) {
            problems.push(Problem::invalid(format!("{path}[{index}].type"), format!("'{type_}' {message}")));
        }
        columns.push(Column {
            name: name.clone(),
            type_: Some(type_.clone()),
            comment: comment.clone().filter(|text| !text.is_empty()),
            parameters: BTreeMap::new(),
        });
    }
    columns
}

/// Partition keys: columns of their own, of primitive types.
pub(super) fn of_keys(
    keys: &[api::PartitionKey],
    columns: &[Column],
    problems: &mut Vec<Problem>,
) -> Vec<Column> {
    let path = "spec.partitionKeys";
    let checked = self::columns(keys.iter().map(|k| (&k.name, &k.type_, &k.comment)), path, problems);
    for (index, key) in checked.iter().enumerate() {
        if let Some(position) = columns.iter().position(|c| c.name.to_lowercase() == key.name.to_lowercase())
        {
            problems.push(Problem::invalid(
                format!("{path}[{index}].name"),
                format!(
                    "'{}' is also spec.schema.columns[{position}]; a partition key must not be a column",
                    key.name
                ),
            ));
        }
        if key.name.contains(['=', '/']) {
            problems.push(Problem::invalid(format!("{path}[{index}].name"), "must not contain '=' or '/'"));
        }
        if HiveType::parse(&keys[index].type_).is_ok_and(|type_| !type_.is_primitive()) {
            problems.push(Problem::invalid(
                format!("{path}[{index}].type"),
                format!("'{}' is not a primitive type; only those can be partition keys", keys[index].type_),
            ));
        }
    }
    checked
}
