//! The values of the chart are strict, down to the last key of the configuration: that part of their schema is made from the Rust
//! types. Refreshed with `UPDATE=1`, else compared.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::{env, fs};

use mizuumi_api::Installation;
use serde_json::{Value, json};

const SCHEMA: &str = "../../charts/mizuumi/values.schema.json";

/// What the types say, under the names by which the chart's own part refers to it.
fn definitions() -> Value {
    let mut schema = serde_json::to_value(schemars::schema_for!(Installation)).expect("JSON");
    let mut definitions = schema["$defs"].take();
    for key in ["$schema", "$defs"] {
        schema.as_object_mut().expect("an object").remove(key);
    }
    definitions["Installation"] = schema;
    without_formats(&mut definitions);
    definitions["texts"] = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    definitions["port"] = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
    definitions
}

/// `uint32` and the like are Rust's own, and their bounds are there as well.
fn without_formats(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("format");
            fields.values_mut().for_each(without_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(without_formats),
        _ => {}
    }
}

#[test]
fn the_values_know_each_key_of_the_configuration() {
    let there = fs::read_to_string(SCHEMA).expect("the schema");
    let mut schema: Value = serde_json::from_str(&there).expect("JSON");
    schema["$defs"] = definitions();
    let wanted = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    if env::var_os("UPDATE").is_some() {
        fs::write(SCHEMA, &wanted).expect("the schema");
    }
    let there = fs::read_to_string(SCHEMA).expect("the schema");
    assert!(
        there == wanted,
        "charts/mizuumi/values.schema.json is not what the Rust types say; refresh it with: \
         UPDATE=1 cargo test -p mizuumi-api --test charts"
    );
}
