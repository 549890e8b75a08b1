//! The Avro schema of a table whose columns are learnt: what its readers look for, joined from the schemas of files.
//!
//! Avro tells names by their case, and enums from strings, so a schema made from the columns alone would read nulls or nothing.
//! What the table says of a column stays as long as it says the same type; a field that comes may be null, since files before
//! it lack it.

use serde_json::{Map, Value, json};

use super::definition::Column;
use super::{avro, avro_evolution, avsc};
use crate::hive_type;

/// The fields of a schema, by the columns that they are.
struct Fields {
    root: Map<String, Value>,
    all: Vec<(String, String, Value)>,
}

impl Fields {
    fn read(text: &str) -> Result<Self, String> {
        let (columns, _) = avsc::columns(text)?;
        let Ok(Value::Object(mut root)) = serde_json::from_str(text) else {
            return Err("is no record".to_owned());
        };
        let fields = root.remove("fields").and_then(|fields| fields.as_array().cloned()).unwrap_or_default();
        let all = columns
            .into_iter()
            .zip(fields)
            .map(|((name, type_, _), field)| (name.to_lowercase(), type_, field));
        Ok(Self { root, all: all.collect() })
    }

    fn find(&self, column: &Column) -> Option<&Value> {
        let type_ = column.type_.as_deref().unwrap_or_default();
        let is_it = |(name, said, _): &&(String, String, Value)| {
            *name == column.name.to_lowercase() && hive_type::same(said, type_)
        };
        self.all.iter().find(is_it).map(|(_, _, field)| field)
    }
}

/// Whether a schema says these columns, all of them and no others.
pub(super) fn says(schema: &str, columns: &[Column]) -> bool {
    Fields::read(schema).is_ok_and(|fields| {
        fields.all.len() == columns.len() && columns.iter().all(|column| fields.find(column).is_some())
    })
}

/// The schema of these columns: each as the table has it, or else as a file has it, or else as its type says.
///
/// # Errors
/// Where that makes no schema.
pub(super) fn joined(
    table: &str,
    columns: &[Column],
    has: Option<&str>,
    own: Option<&str>,
) -> Result<String, String> {
    let before = has.and_then(|text| Fields::read(text).ok());
    let own = own.map(Fields::read).transpose()?;
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let field =
            match (before.as_ref().and_then(|f| f.find(column)), own.as_ref().and_then(|f| f.find(column))) {
                (Some(field), _) => field.clone(),
                (None, Some(field)) => nullable(field),
                (None, None) => made(table, column)?,
            };
        fields.push(field);
    }
    let root = before.map(|before| before.root).or_else(|| own.map(|own| own.root));
    let mut schema = root.unwrap_or_else(|| Map::from_iter([("type".to_owned(), json!("record"))]));
    schema.entry("name").or_insert_with(|| json!(table));
    schema.insert("fields".to_owned(), Value::Array(fields));
    let schema = Value::Object(schema).to_string();
    if let Some(has) = has.filter(|has| says(has, columns) && avro_evolution::change(has, &schema).is_none())
    {
        return Ok(has.to_owned());
    }
    if says(&schema, columns) {
        Ok(schema)
    } else {
        Err("has a schema that cannot be joined with that of files before it: they name their types alike"
            .to_owned())
    }
}

/// The same field, which files may lack.
fn nullable(field: &Value) -> Value {
    let mut field = field.clone();
    let types = match field["type"].take() {
        Value::Array(types) => types.into_iter().filter(|type_| *type_ != "null").collect(),
        type_ => vec![type_],
    };
    field["type"] = Value::Array([json!("null")].into_iter().chain(types).collect());
    field["default"] = Value::Null;
    field
}

/// A field made from a column's type. Records in it are named by the column, and so like none of a file's.
fn made(table: &str, column: &Column) -> Result<Value, String> {
    let name = format!("{table}_{}", column.name.to_lowercase());
    let made = avro::schema(&name, std::slice::from_ref(column)).map_err(|problems| {
        let said: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        format!("has a column '{}' that {}", column.name, said.join("; "))
    })?;
    Ok(made["fields"][0].clone())
}

#[cfg(test)]
mod tests {
    use super::super::definition::tests::columns;
    use super::*;

    fn record(fields: &Value) -> String {
        json!({ "type": "record", "name": "Click", "fields": fields }).to_string()
    }

    #[track_caller]
    fn join(said: &str, has: Option<&str>, own: Option<&Value>) -> Value {
        let own = own.map(record);
        let text = joined("clicks", &columns(said), has, own.as_deref()).expect("joined");
        apache_avro::Schema::parse_str(&text).expect("a schema");
        assert!(says(&text, &columns(said)), "{text}");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn names_and_enums_stay_as_files_have_them_and_every_field_may_be_missing() {
        let own = json!([
            { "name": "depDelay", "type": "long" },
            { "name": "kind", "type": { "type": "enum", "name": "kinds", "symbols": ["A"] } },
            { "name": "day", "type": "string" },
        ]);
        let schema = join("depdelay bigint; kind string", None, Some(&own));
        assert_eq!(schema["name"], "Click");
        assert_eq!(
            schema["fields"][0],
            json!({ "name": "depDelay", "type": ["null", "long"], "default": null })
        );
        assert_eq!(schema["fields"][1]["type"][1]["symbols"], json!(["A"]));
        assert!(schema["fields"].get(2).is_none(), "a partition key is no field: {schema}");
    }

    #[test]
    fn writers_in_turn_change_nothing_and_what_comes_and_widens_is_no_breach() {
        let one = json!([{ "name": "x", "type": "long", "doc": "one" }]);
        let other = json!([{ "name": "y", "type": ["null", "string"], "default": null }]);
        let first = join("x bigint", None, Some(&one)).to_string();
        let second = join("x bigint; y string", Some(&first), Some(&other)).to_string();
        assert_eq!(
            avro_evolution::change(&first, &second).map(|(class, _)| class),
            Some(crate::data_table::evolution::Class::Additive)
        );
        for own in [&one, &other, &json!([{ "name": "x", "type": "int" }, { "name": "z", "type": "int" }])] {
            assert_eq!(join("x bigint; y string", Some(&second), Some(own)).to_string(), second);
        }
        let narrow = join("x int", None, Some(&json!([{ "name": "x", "type": "int" }]))).to_string();
        let wide = join("x bigint", Some(&narrow), Some(&one)).to_string();
        assert_eq!(
            avro_evolution::change(&narrow, &wide).map(|(class, _)| class),
            Some(crate::data_table::evolution::Class::Widening)
        );
    }

    #[test]
    fn without_any_schema_the_types_say_it_and_names_that_meet_are_refused() {
        let schema = join("a struct<b:int>; c string", None, None);
        assert_eq!(schema["fields"][0]["type"][1]["name"], "clicks_a_1");
        let kinds = |name: &str, symbols: &Value| json!([{ "name": name, "type": { "type": "enum", "name": "kinds", "symbols": symbols } }]);
        let has = record(&kinds("a", &json!(["A"])));
        let own = record(&kinds("b", &json!(["B"])));
        let why =
            joined("clicks", &columns("a string; b string"), Some(&has), Some(&own)).expect_err("they meet");
        assert!(why.contains("alike"), "{why}");
    }
}
