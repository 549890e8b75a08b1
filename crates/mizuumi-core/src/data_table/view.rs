//! Athena's views: query and columns in the form in which Athena, and Trino, keep them in the catalog.
//!
//! The text of the view is JSON in Base64 in a comment (Trino's `ViewReaderUtil`); Hive's readers would take it for SQL of
//! theirs. Who writes it may order and space the JSON as he likes, so views are compared by what it says.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mizuumi_api::data_table::{self as api, FreshnessSourceType};
use serde::{Deserialize, Serialize};

use super::Column;
use super::storage::StorageClasses;
use crate::hive_type::HiveType;
use crate::problem::Problem;

/// What the text of a view begins and ends with.
const BEGIN: &str = "/* Presto View: ";
const END: &str = " */";
/// The other text of each view: what is for readers that know no better.
const EXPANDED: &str = "/* Presto View */";
/// The name that Athena has for Glue's catalog.
const CATALOG: &str = "awsdatacatalog";
/// Longest text of a view (`ViewTextString` of the Glue API reference).
const LONGEST: usize = 409_600;

/// The word in Glue's `TableType`.
pub const TABLE_TYPE: &str = "VIRTUAL_VIEW";

/// The texts of a view in Glue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewText {
    /// `ViewOriginalText`.
    pub original: String,
    /// `ViewExpandedText`.
    pub expanded: Option<String>,
}

/// What a view says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    #[serde(rename = "originalSql")]
    sql: String,
    catalog: Option<String>,
    schema: Option<String>,
    #[serde(default)]
    columns: Vec<SaidColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SaidColumn {
    name: String,
    #[serde(rename = "type")]
    type_: String,
}

/// The view that a spec says, checked.
pub(super) fn checked(
    view: &api::View,
    spec: &api::DataTableSpec,
    columns: &[Column],
    problems: &mut Vec<Problem>,
) -> ViewText {
    let path = "spec.view.sql";
    let sql = view.sql.trim();
    let first = sql.split_whitespace().next().unwrap_or_default();
    if first.eq_ignore_ascii_case("create") {
        problems.push(Problem::invalid(path, "must be the query alone, without CREATE VIEW … AS"));
    }
    if sql.is_empty() || sql.ends_with(';') {
        problems.push(Problem::invalid(path, "must be one query, without a ';' at its end"));
    }
    let sources = spec.freshness.iter().flat_map(|freshness| &freshness.sources);
    let is_told = |source: &api::FreshnessSource| {
        matches!(source.type_, FreshnessSourceType::Reported | FreshnessSourceType::GlueParameter)
    };
    if sources.into_iter().any(|source| !is_told(source)) {
        problems.push(Problem::invalid(
            "spec.freshness.sources",
            "must be of type 'Reported' or 'GlueParameter': a view has no data of its own",
        ));
    }
    let text = ViewText::of(sql, &spec.database, columns);
    if text.original.len() > LONGEST {
        problems.push(Problem::invalid(
            path,
            format!(
                "is too long: with the columns it takes {} characters in Glue, which keeps {LONGEST}",
                text.original.len()
            ),
        ));
    }
    text
}

/// Where there is no data, nothing reads it.
pub(super) fn no_storage() -> StorageClasses {
    StorageClasses {
        input_format: String::new(),
        output_format: String::new(),
        serde: super::Serde::default(),
        classification: None,
    }
}

/// The parameters that Athena gives a view.
pub(super) fn parameters() -> BTreeMap<String, String> {
    [("presto_view", "true"), ("comment", "Presto View")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

impl ViewText {
    /// The texts of a query.
    #[must_use]
    pub fn of(sql: &str, database: &str, columns: &[Column]) -> Self {
        let column = |column: &Column| SaidColumn {
            name: column.name.to_lowercase(),
            type_: presto(column.type_.as_deref().unwrap_or_default()),
        };
        let said = Said {
            sql: sql.to_owned(),
            catalog: Some(CATALOG.to_owned()),
            schema: Some(database.to_owned()),
            columns: columns.iter().map(column).collect(),
        };
        // A structure of texts is always JSON.
        let json = serde_json::to_vec(&said).unwrap_or_default();
        Self {
            original: format!("{BEGIN}{}{END}", BASE64_STANDARD.encode(json)),
            expanded: Some(EXPANDED.to_owned()),
        }
    }

    /// Whether Athena made it, or somebody as Athena does.
    #[must_use]
    pub fn is_of_athena(&self) -> bool {
        self.original.starts_with(BEGIN.trim_end())
    }

    /// Whether two texts are the same view: how the JSON is written, and what else it holds, is nobody's business.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let expanded = self.expanded == other.expanded;
        self == other || (expanded && self.said().is_some_and(|said| Some(said) == other.said()))
    }

    /// The query, or the text itself where it says none.
    #[must_use]
    pub fn sql(&self) -> String {
        self.decoded().map_or_else(|| self.original.clone(), |said| said.sql)
    }

    /// All else that it says, in words.
    #[must_use]
    pub fn rest(&self) -> String {
        let Some(said) = self.decoded() else { return self.original.clone() };
        let columns: Vec<String> =
            said.columns.iter().map(|column| format!("{} {}", column.name, column.type_)).collect();
        let [catalog, schema] = [said.catalog, said.schema].map(Option::unwrap_or_default);
        format!(
            "{catalog}.{schema}: {}; {}",
            columns.join(", "),
            self.expanded.as_deref().unwrap_or_default()
        )
    }

    fn decoded(&self) -> Option<Said> {
        let encoded = self.original.trim().strip_prefix(BEGIN.trim_end())?.strip_suffix(END.trim_start())?;
        serde_json::from_slice(&BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()
    }

    /// What it says, in one spelling.
    fn said(&self) -> Option<Said> {
        let said = self.decoded()?;
        let column = |column: SaidColumn| SaidColumn {
            name: column.name.to_lowercase(),
            type_: one_spelling(&column.type_),
        };
        Some(Said {
            sql: said.sql.trim().to_owned(),
            catalog: said.catalog.map(|name| name.to_lowercase()),
            schema: said.schema.map(|name| name.to_lowercase()),
            columns: said.columns.into_iter().map(column).collect(),
        })
    }
}

/// A type of Trino in one spelling; one without a precision has milliseconds, as Hive's tables do.
fn one_spelling(type_: &str) -> String {
    let bare: String = type_.to_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '"').collect();
    bare.replace("timestamp(3)", "timestamp")
}

/// The type of Athena and Trino for a Hive type; what is none is told by the check of the columns.
fn presto(type_: &str) -> String {
    HiveType::parse(type_).map_or_else(|_| type_.to_owned(), |type_| of_type(&type_))
}

fn of_type(type_: &HiveType) -> String {
    match type_ {
        HiveType::Primitive(name) => match name.as_str() {
            "int" => "integer".to_owned(),
            "float" => "real".to_owned(),
            "string" => "varchar".to_owned(),
            "binary" => "varbinary".to_owned(),
            "timestamp" => "timestamp(3)".to_owned(),
            // All others have the same names.
            same => same.to_owned(),
        },
        HiveType::Array(item) => format!("array({})", of_type(item)),
        HiveType::Map(key, value) => format!("map({},{})", of_type(key), of_type(value)),
        HiveType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, type_)| format!("\"{}\" {}", name.replace('"', "\"\""), of_type(type_)))
                .collect();
            format!("row({})", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::tests::columns;
    use super::*;

    fn text(json: &str) -> ViewText {
        let original = format!("/* Presto View: {} */", BASE64_STANDARD.encode(json));
        ViewText { original, expanded: Some(EXPANDED.to_owned()) }
    }

    #[test]
    fn each_hive_type_has_the_name_that_athena_gives_it() {
        for (hive, expected) in [
            ("int", "integer"),
            ("tinyint", "tinyint"),
            ("float", "real"),
            ("double", "double"),
            ("string", "varchar"),
            ("varchar(8)", "varchar(8)"),
            ("char(2)", "char(2)"),
            ("binary", "varbinary"),
            ("date", "date"),
            ("timestamp", "timestamp(3)"),
            ("decimal(10,2)", "decimal(10,2)"),
            ("array<string>", "array(varchar)"),
            ("map<string,array<int>>", "map(varchar,array(integer))"),
            ("struct<a:int,order:string>", r#"row("a" integer, "order" varchar)"#),
        ] {
            assert_eq!(presto(hive), expected);
        }
    }

    #[test]
    fn a_view_says_what_athena_looks_for() {
        let view = ViewText::of("SELECT 1 AS \"One\"", "nyc", &columns("One int"));
        let encoded =
            view.original.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).expect("a comment");
        let json = BASE64_STANDARD.decode(encoded).expect("Base64");
        assert_eq!(
            String::from_utf8(json).expect("text"),
            r#"{"originalSql":"SELECT 1 AS \"One\"","catalog":"awsdatacatalog","schema":"nyc","columns":[{"name":"one","type":"integer"}]}"#
        );
        assert_eq!(view.expanded.as_deref(), Some(EXPANDED));
        assert!(view.is_of_athena());
        assert_eq!(view.sql(), "SELECT 1 AS \"One\"");
    }

    #[test]
    fn only_what_a_view_says_makes_it_another_one() {
        let view = ViewText::of("SELECT a, t FROM x", "nyc", &columns("a struct<b:int>; t timestamp"));
        let same = r#"{ "schema": "nyc", "runAsInvoker": false, "catalog": "AwsDataCatalog",
            "columns": [{ "type": "row(b integer)", "name": "a" }, { "name": "T", "type": "timestamp" }],
            "originalSql": "SELECT a, t FROM x\n" }"#;
        assert!(view.is_same(&text(same)));
        for (from, to) in [("FROM x", "FROM y"), ("nyc", "other"), ("integer", "bigint"), ("\"a\"", "\"c\"")]
        {
            assert!(!view.is_same(&text(&same.replacen(from, to, 1))), "{from}");
        }
        let hive = ViewText { original: "SELECT a FROM x".to_owned(), expanded: None };
        assert!(!view.is_same(&hive) && !hive.is_of_athena() && hive.is_same(&hive.clone()));
        assert_eq!(hive.sql(), "SELECT a FROM x");
        assert!(!view.is_same(&ViewText { expanded: None, ..view.clone() }));
        assert!(!view.is_same(&text("{ broken")));
    }
}
