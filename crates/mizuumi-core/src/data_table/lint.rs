//! What one engine reads in a table and another does not, told before somebody finds out by a query.

use mizuumi_api::Reason;
use mizuumi_api::data_table::{Engine, Layer};

use super::definition::{Column, LAYER_PARAMETER, TableDefinition};
use super::step::TableStep;
use super::storage::TEXT_INPUT;
use super::view::ViewText;
use super::world::TableWorld;
use super::{TableGoal, avro};
use crate::hive_type;
use crate::plan::{Goal, Plan};

/// Something that engines do not read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A word for programs.
    pub reason: Reason,
    /// Who has the trouble.
    pub engines: &'static [Engine],
    /// What happens, and what to do.
    pub message: String,
}

/// Hive's serde for quoted CSV.
const OPEN_CSV: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
/// Hive's serde for JSON.
const JSON: &str = "org.apache.hive.hcatalog.data.JsonSerDe";
/// Athena's other serde for JSON.
const OPENX_JSON: &str = "org.openx.data.jsonserde.JsonSerDe";

/// The findings about a table that concern these engines, the worst first.
#[must_use]
pub fn findings(table: &TableDefinition, engines: &[Engine]) -> Vec<Finding> {
    let all = [
        avro_url(table),
        managed(table),
        view(table),
        projection(table),
        openx(table),
        header(table),
        open_csv(table),
        open_csv_in_athena(table),
        avro_small(table),
        json_binary(table),
        text(table),
    ];
    all.into_iter()
        .flatten()
        .filter(|finding| finding.engines.iter().any(|engine| engines.contains(engine)))
        .collect()
}

/// The findings about a table as a plan leaves it.
#[must_use]
pub fn of_plan(goal: &TableGoal, world: &TableWorld, plan: &Plan<TableStep>) -> Vec<Finding> {
    let Goal::Present(desired) = goal else { return Vec::new() };
    if desired.link.is_some() {
        return Vec::new();
    }
    let there = world.table.as_ref().map(|table| &table.definition);
    let left = plan.steps.iter().find_map(TableStep::definition).or(there);
    left.map_or_else(Vec::new, |table| findings(table, &desired.engines))
}

fn finding(reason: Reason, engines: &'static [Engine], message: impl Into<String>) -> Finding {
    Finding { reason, engines, message: message.into() }
}

fn parameter<'a>(table: &'a TableDefinition, key: &str) -> Option<&'a str> {
    let of_serde = table.serde.as_ref().and_then(|serde| serde.parameters.get(key));
    table.parameters.get(key).or(of_serde).map(String::as_str)
}

fn has_serde(table: &TableDefinition, library: &str) -> bool {
    table.serde.as_ref().and_then(|serde| serde.library.as_deref()) == Some(library)
}

/// Athena user guide, "Avro SerDe": the schema has to stand in the table.
fn avro_url(table: &TableDefinition) -> Option<Finding> {
    parameter(table, avro::SCHEMA_URL)?;
    Some(finding(
        Reason::AvroSchemaUrl,
        &[Engine::Athena],
        "Athena does not read 'avro.schema.url'; put the schema itself into 'avro.schema.literal'",
    ))
}

/// Without the two, Hive takes the data for its own and drops it with the table; Athena refuses a table without a type.
fn managed(table: &TableDefinition) -> Option<Finding> {
    if table.is_view() {
        return None;
    }
    let is_external = parameter(table, "EXTERNAL").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_external && table.table_type.as_deref() == Some("EXTERNAL_TABLE") {
        return None;
    }
    Some(finding(
        Reason::NotExternal,
        &[Engine::Athena, Engine::Hive, Engine::Spark],
        "the table type is not EXTERNAL_TABLE or the parameter EXTERNAL is not TRUE: Hive deletes the data when the \
         table is dropped, and Athena may not read the table",
    ))
}

/// Each keeps its views in a form of its own, and reads no other's (Athena user guide, "Work with views").
fn view(table: &TableDefinition) -> Option<Finding> {
    table.is_view().then_some(())?;
    Some(if table.view.as_ref().is_some_and(ViewText::is_of_athena) {
        finding(
            Reason::ViewUnread,
            &[Engine::Hive, Engine::Spark],
            "Hive and Spark do not read views of Athena; write the data into a table for them, or leave them out of \
             `spec.engines`",
        )
    } else {
        finding(
            Reason::ViewUnread,
            &[Engine::Athena],
            "Athena does not read views of Hive and Spark; write the query in Athena's SQL (`spec.view`)",
        )
    })
}

/// Athena user guide, "Partition projection": only Athena knows it.
fn projection(table: &TableDefinition) -> Option<Finding> {
    let is_on =
        parameter(table, "projection.enabled").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    is_on.then_some(())?;
    Some(finding(
        Reason::ProjectionUnseen,
        &[Engine::Hive, Engine::Spark],
        "Hive and Spark do not know partition projection and find no data; with `partitions.mode: Discovered` all find it",
    ))
}

fn openx(table: &TableDefinition) -> Option<Finding> {
    has_serde(table, OPENX_JSON).then_some(())?;
    Some(finding(
        Reason::SerdeMissing,
        &[Engine::Hive, Engine::Spark],
        "Hive and Spark do not ship the OpenX JSON serde; with `format: json` all have the serde",
    ))
}

/// SPARK-11374: Spark's reader of Hive tables passes over the property.
fn header(table: &TableDefinition) -> Option<Finding> {
    let lines = parameter(table, "skip.header.line.count")?;
    (lines.trim() != "0").then_some(())?;
    Some(finding(
        Reason::HeaderRead,
        &[Engine::Spark],
        "Spark passes over 'skip.header.line.count' and reads the header as a row; write the files without one",
    ))
}

/// Hive's OpenCSVSerde says that every column is a string, whatever the table says; Athena converts.
fn open_csv(table: &TableDefinition) -> Option<Finding> {
    has_serde(table, OPEN_CSV).then_some(())?;
    let mut typed = table
        .columns
        .iter()
        .filter(|column| column.type_.as_deref().is_some_and(|type_| !hive_type::same(type_, "string")));
    let first = typed.next()?;
    Some(finding(
        Reason::TypesIgnored,
        &[Engine::Hive, Engine::Spark],
        format!(
            "with OpenCSVSerde Hive and Spark read every column as a string, '{}' and {} more have other types; declare \
             them as string, or use `format: csv`",
            first.name,
            typed.count()
        ),
    ))
}

/// Athena user guide, "Open CSV SerDe for processing CSV": these it converts from text as one expects, dates and times only from
/// numbers since 1970, and nothing is said of others.
fn open_csv_in_athena(table: &TableDefinition) -> Option<Finding> {
    has_serde(table, OPEN_CSV).then_some(())?;
    let converted = ["string", "boolean", "int", "bigint", "double"];
    let is_odd = |type_: &str| !converted.iter().any(|converted| hive_type::same(type_, converted));
    let mut odd = table.columns.iter().filter(|column| column.type_.as_deref().is_some_and(is_odd));
    let first = odd.next()?;
    Some(finding(
        Reason::TypesIgnored,
        &[Engine::Athena],
        format!(
            "with OpenCSVSerde Athena reads a date only as days and a timestamp only as milliseconds since 1970, and is not \
             known to read other types than those, string, boolean, int, bigint and double: '{}' and {} more; declare them \
             as string, or use `format: csv`",
            first.name,
            odd.count()
        ),
    ))
}

/// Avro has one type of 32 bits: Hive takes a column's type from the Avro schema and not from the table, and Trino fails where
/// the two are not the same (`make judge`).
fn avro_small(table: &TableDefinition) -> Option<Finding> {
    has_serde(table, avro::SERDE).then_some(())?;
    let is_small = |type_: &str| ["tinyint", "smallint"].iter().any(|small| hive_type::same(type_, small));
    let mut small = table.columns.iter().filter(|column| column.type_.as_deref().is_some_and(is_small));
    let first = small.next()?;
    Some(finding(
        Reason::TypesIgnored,
        &[Engine::Athena, Engine::Hive, Engine::Spark],
        format!(
            "Avro knows no tinyint and no smallint: Athena fails on '{}' and {} more, Hive and Spark read them as int; \
             declare them as int",
            first.name,
            small.count()
        ),
    ))
}

/// Hive's serde for JSON refuses a table that has such a column anywhere, and Trino takes the text for the bytes (`make judge`).
fn json_binary(table: &TableDefinition) -> Option<Finding> {
    has_serde(table, JSON).then_some(())?;
    let is_binary = |column: &&Column| column.type_.as_deref().is_some_and(|type_| type_.contains("binary"));
    let first = table.columns.iter().find(is_binary)?;
    Some(finding(
        Reason::TypesIgnored,
        &[Engine::Athena, Engine::Hive, Engine::Spark],
        format!(
            "the JSON serde of Hive and Spark does not know binary, so they read no column at all, and Athena does not decode \
             '{}'; declare it as string",
            first.name
        ),
    ))
}

/// Text in a layer that people query: every query reads every byte of every column, and a value that is no number is only
/// found out by a query that fails or answers null.
fn text(table: &TableDefinition) -> Option<Finding> {
    let layer = parameter(table, LAYER_PARAMETER)?;
    let is_queried = [Layer::Warehouse, Layer::Mart].iter().any(|queried| queried.name() == layer);
    let is_text = table.input_format.as_deref() == Some(TEXT_INPUT);
    (is_queried && is_text).then_some(())?;
    Some(finding(
        Reason::ParquetDue,
        &[Engine::Athena, Engine::Hive, Engine::Spark],
        format!(
            "its files are text, and its layer is '{layer}': each query reads all of every column; write Parquet or ORC \
             (`format: parquet`)"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::definition::Serde;
    use super::*;

    const ALL: [Engine; 3] = [Engine::Athena, Engine::Hive, Engine::Spark];

    fn table(parameters: &[(&str, &str)], library: &str, types: &[&str]) -> TableDefinition {
        let mut all = BTreeMap::from([("EXTERNAL".to_owned(), "TRUE".to_owned())]);
        all.extend(parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let column = |type_: &&str| Column {
            name: format!("a_{type_}"),
            type_: Some((*type_).to_owned()),
            ..Column::default()
        };
        TableDefinition {
            table_type: Some("EXTERNAL_TABLE".to_owned()),
            parameters: all,
            serde: Some(Serde { library: Some(library.to_owned()), ..Serde::default() }),
            columns: types.iter().map(column).collect(),
            ..TableDefinition::default()
        }
    }

    #[test]
    fn each_trap_is_told_to_those_who_fall_into_it() {
        let parquet = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
        let plain = table(&[], parquet, &["int"]);
        let managed = TableDefinition { table_type: None, ..plain.clone() };
        let text = |layer| TableDefinition {
            input_format: Some(TEXT_INPUT.to_owned()),
            ..table(&[("mizuumi.layer", layer)], "", &["int"])
        };
        let view = |original: &str| TableDefinition {
            table_type: Some("VIRTUAL_VIEW".to_owned()),
            view: Some(ViewText { original: original.to_owned(), expanded: None }),
            ..TableDefinition::default()
        };
        let hive_view = view("select 1");
        assert_eq!(findings(&hive_view, &ALL)[0].engines, [Engine::Athena]);
        let cases: [(TableDefinition, &[Reason]); 18] = [
            (view("/* Presto View: e30= */"), &[Reason::ViewUnread]),
            (hive_view, &[Reason::ViewUnread]),
            (table(&[], JSON, &["int", "array<binary>"]), &[Reason::TypesIgnored]),
            (table(&[], JSON, &["int", "string"]), &[]),
            (text("Warehouse"), &[Reason::ParquetDue]),
            (text("Lake"), &[]),
            (plain, &[]),
            (managed, &[Reason::NotExternal]),
            (table(&[("EXTERNAL", "FALSE")], parquet, &[]), &[Reason::NotExternal]),
            (table(&[("avro.schema.url", "s3://b/a.avsc")], parquet, &[]), &[Reason::AvroSchemaUrl]),
            (table(&[("projection.enabled", "true")], parquet, &[]), &[Reason::ProjectionUnseen]),
            (table(&[("skip.header.line.count", "1")], parquet, &[]), &[Reason::HeaderRead]),
            (table(&[("skip.header.line.count", "0")], parquet, &[]), &[]),
            (table(&[], OPENX_JSON, &["int"]), &[Reason::SerdeMissing]),
            (table(&[], OPEN_CSV, &["STRING", "int", "double"]), &[Reason::TypesIgnored]),
            (table(&[], OPEN_CSV, &["STRING", "int", "date"]), &[Reason::TypesIgnored, Reason::TypesIgnored]),
            (table(&[], avro::SERDE, &["int", "smallint"]), &[Reason::TypesIgnored]),
            (table(&[], avro::SERDE, &["int", "bigint"]), &[]),
        ];
        for (table, expected) in cases {
            let found: Vec<Reason> =
                findings(&table, &ALL).into_iter().map(|finding| finding.reason).collect();
            assert_eq!(found, expected, "{table:?}");
        }
    }

    #[test]
    fn who_does_not_read_the_table_is_not_asked() {
        let projected = table(&[("projection.enabled", "true"), ("avro.schema.url", "s3://b/a")], "", &[]);
        let reasons = |engines: &[Engine]| -> Vec<Reason> {
            findings(&projected, engines).into_iter().map(|finding| finding.reason).collect()
        };
        assert_eq!(reasons(&[Engine::Athena]), [Reason::AvroSchemaUrl]);
        assert_eq!(reasons(&[Engine::Spark]), [Reason::ProjectionUnseen]);
        assert_eq!(reasons(&ALL), [Reason::AvroSchemaUrl, Reason::ProjectionUnseen]);
    }
}
