//! The Avro schema of a table's columns, which readers look for in the serde's parameter `avro.schema.literal`.
//!
//! Types map as Hive's own `TypeInfoToSchema` maps them, every field nullable, so that what Hive or Spark writes into the
//! table is read with the schema it was written by.

use mizuumi_api::data_table::DataTableSpec;
use serde_json::{Value, json};

use super::definition::Column;
use super::storage::StorageClasses;
use crate::hive_type::HiveType;
use crate::problem::Problem;

/// The serde parameter that holds the schema itself.
pub const SCHEMA_LITERAL: &str = "avro.schema.literal";
/// The serde parameter that says where the schema is; Athena does not read it.
pub const SCHEMA_URL: &str = "avro.schema.url";
/// Hive's serde for Avro.
pub const SERDE: &str = "org.apache.hadoop.hive.serde2.avro.AvroSerDe";

/// Puts the schema into the storage of an Avro table, unless the spec has one itself; that one has to be a record. Without
/// columns, they are not known before the data is.
pub(super) fn fill(
    storage: &mut StorageClasses,
    spec: &DataTableSpec,
    table: &str,
    columns: Option<&[Column]>,
    problems: &mut Vec<Problem>,
) {
    let path = "spec.serdeParameters";
    if spec.serde_parameters.iter().flatten().any(|(key, _)| key == SCHEMA_URL) {
        problems.push(Problem::invalid(
            format!("{path}.'{SCHEMA_URL}'"),
            format!(
                "must not be set: Athena does not read it; leave it out and the columns make the schema, or put the \
                 schema itself into '{SCHEMA_LITERAL}'"
            ),
        ));
    }
    let parameters = &mut storage.serde.parameters;
    if let Some(own) = parameters.get(SCHEMA_LITERAL) {
        let schema: Result<Value, _> = serde_json::from_str(own);
        let message = match schema {
            Ok(schema) if schema["type"] == "record" && schema["fields"].is_array() => return,
            Ok(_) => "must be an Avro schema of type 'record' with 'fields'".to_owned(),
            Err(error) => format!("must be an Avro schema in JSON: {error}"),
        };
        problems.push(Problem::invalid(format!("{path}.'{SCHEMA_LITERAL}'"), message));
        return;
    }
    let Some(columns) = columns else { return };
    match schema(table, columns) {
        Ok(schema) => drop(parameters.insert(SCHEMA_LITERAL.to_owned(), schema.to_string())),
        Err(more) => problems.extend(more),
    }
}

/// The schema of a table's columns.
pub(super) fn schema(table: &str, columns: &[Column]) -> Result<Value, Vec<Problem>> {
    let mut problems = Vec::new();
    let root = record_name(table);
    let mut records = Records { root: &root, count: 0 };
    let mut fields = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let path = format!("spec.schema.columns[{index}]");
        if !is_name(&column.name) {
            problems.push(Problem::invalid(format!("{path}.name"), unnameable(&column.name)));
        }
        // What is no type at all is told by the check of the columns.
        let Some(Ok(type_)) = column.type_.as_deref().map(HiveType::parse) else { continue };
        match schema_of(&type_, &mut records) {
            Ok(type_) => {
                let mut field = json!({"name": column.name, "type": ["null", type_], "default": null});
                if let Some(comment) = &column.comment {
                    field["doc"] = json!(comment);
                }
                fields.push(field);
            }
            Err(message) => problems.push(Problem::invalid(format!("{path}.type"), message)),
        }
    }
    if problems.is_empty() {
        Ok(json!({"type": "record", "name": root, "fields": fields}))
    } else {
        Err(problems)
    }
}

/// Records have to have names, each another one.
struct Records<'a> {
    root: &'a str,
    count: usize,
}

impl Records<'_> {
    fn next(&mut self) -> String {
        self.count += 1;
        format!("{}_{}", self.root, self.count)
    }
}

/// The schema of a type.
fn schema_of(type_: &HiveType, records: &mut Records<'_>) -> Result<Value, String> {
    Ok(match type_ {
        HiveType::Primitive(name) => primitive(name),
        HiveType::Array(item) => json!({"type": "array", "items": ["null", schema_of(item, records)?]}),
        HiveType::Map(key, value) => {
            if !matches!(&**key, HiveType::Primitive(name) if name == "string") {
                return Err(format!("has a map key of type '{key}'; in Avro keys of maps are strings"));
            }
            json!({"type": "map", "values": ["null", schema_of(value, records)?]})
        }
        HiveType::Struct(all) => {
            let record = records.next();
            let mut fields = Vec::with_capacity(all.len());
            for (name, type_) in all {
                if !is_name(name) {
                    return Err(unnameable(name));
                }
                let type_ = schema_of(type_, records)?;
                fields.push(json!({"name": name, "type": ["null", type_], "default": null}));
            }
            json!({"type": "record", "name": record, "fields": fields})
        }
    })
}

fn primitive(name: &str) -> Value {
    let (word, sizes) = name.split_once('(').unwrap_or((name, ""));
    let mut sizes = sizes.trim_end_matches(')').split(',').filter_map(|size| size.parse::<u32>().ok());
    match word {
        "tinyint" | "smallint" | "int" => json!("int"),
        "bigint" => json!("long"),
        "binary" => json!("bytes"),
        "date" => json!({"type": "int", "logicalType": "date"}),
        "timestamp" => json!({"type": "long", "logicalType": "timestamp-millis"}),
        "decimal" => {
            json!({"type": "bytes", "logicalType": "decimal", "precision": sizes.next(), "scale": sizes.next()})
        }
        "char" | "varchar" => json!({"type": "string", "logicalType": word, "maxLength": sizes.next()}),
        // boolean, float, double and string have the same names.
        same => json!(same),
    }
}

/// A name as the Avro specification has them.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn unnameable(name: &str) -> String {
    format!("'{name}' is no name in Avro, which are of A-Z, a-z, 0-9 and _ and begin with no digit")
}

fn record_name(table: &str) -> String {
    let name: String = table.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if is_name(&name) { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use apache_avro::types::Value as Datum;
    use apache_avro::{Reader, Schema, Writer};

    use super::*;

    fn column(name: &str, type_: &str) -> Column {
        Column {
            name: name.to_owned(),
            type_: Some(type_.to_owned()),
            comment: None,
            parameters: BTreeMap::new(),
        }
    }

    fn problems(columns: &[Column]) -> Vec<String> {
        schema("t", columns).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_avro_library_takes_the_schema_of_every_type_and_writes_and_reads_by_it() {
        let types = [
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "string",
            "binary",
            "date",
            "timestamp",
            "decimal(38,10)",
            "decimal",
            "char(3)",
            "varchar(65535)",
            "array<int>",
            "map<string,array<decimal(5,2)>>",
            "struct<a:int,b:struct<c:string>>",
            "array<struct<a:int>>",
        ];
        let columns: Vec<Column> =
            types.iter().enumerate().map(|(n, type_)| column(&format!("c{n}"), type_)).collect();
        let text = schema("clicks", &columns).expect("a schema").to_string();
        let parsed = Schema::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let null = || Datum::Union(0, Box::new(Datum::Null));
        let fields = (0..types.len()).map(|n| {
            let datum = match types[n] {
                "bigint" => Datum::Union(1, Box::new(Datum::Long(7))),
                "tinyint" => Datum::Union(1, Box::new(Datum::Int(-1))),
                "string" => Datum::Union(1, Box::new(Datum::String("湖".to_owned()))),
                _ => null(),
            };
            (format!("c{n}"), datum)
        });
        let row = Datum::Record(fields.collect());
        let mut writer = Writer::new(&parsed, Vec::new()).expect("a writer");
        writer.append_value(row.clone()).expect("the row fits the schema");
        let file = writer.into_inner().expect("a file");
        let read: Vec<Datum> =
            Reader::new(&file[..]).expect("a reader").map(|row| row.expect("a row")).collect();
        assert_eq!(read, [row]);
    }

    #[test]
    fn types_are_mapped_as_hive_maps_them() {
        let shown = |type_: &str| {
            schema_of(&HiveType::parse(type_).expect(type_), &mut Records { root: "t", count: 0 })
                .expect(type_)
                .to_string()
        };
        for (type_, wanted) in [
            ("tinyint", r#""int""#),
            ("timestamp", r#"{"logicalType":"timestamp-millis","type":"long"}"#),
            ("decimal(10,2)", r#"{"logicalType":"decimal","precision":10,"scale":2,"type":"bytes"}"#),
            ("char(3)", r#"{"logicalType":"char","maxLength":3,"type":"string"}"#),
            ("array<double>", r#"{"items":["null","double"],"type":"array"}"#),
        ] {
            assert_eq!(shown(type_), wanted, "{type_}");
        }
    }

    #[test]
    fn what_avro_cannot_say_is_told_with_its_path() {
        let told =
            problems(&[column("dep-delay", "int"), column("m", "map<int,string>"), column("1st", "int")]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with("spec.schema.columns[0].name"), "{told:?}");
        assert!(
            told[1].starts_with("spec.schema.columns[1].type") && told[1].contains("keys of maps"),
            "{told:?}"
        );
        assert_eq!(record_name("2026-flights"), "_2026_flights");
    }
}
