//! What a change of an Avro schema does to files that are there: the rules of schema resolution (Avro specification, "Schema
//! Resolution"), as far as they say that a reader of the new schema reads what was written by the old one.

use serde_json::Value;

use super::evolution::Class;

type Change = Option<(Class, &'static str)>;

const NO_DEFAULT: &str = "a field that files that are there lack has no default";
const GONE: &str = "a field goes, and queries that name it fail";
const NULLS: &str = "files that are there have nulls where the new schema has none";
const SYMBOLS: &str = "files that are there have symbols that the new enum lacks";
const OTHER: &str = "files that are there cannot be read as the new schema";

/// What changes between two schemas in JSON; none if readers see no difference.
#[must_use]
pub fn change(from: &str, to: &str) -> Change {
    match (serde_json::from_str::<Value>(from), serde_json::from_str::<Value>(to)) {
        (Ok(from), Ok(to)) => of(&from, &to),
        _ => (from != to).then_some((Class::Breaking, OTHER)),
    }
}

fn of(from: &Value, to: &Value) -> Change {
    if from == to {
        return None;
    }
    let breaking = Some((Class::Breaking, OTHER));
    if from.is_array() || to.is_array() {
        return union(from, to);
    }
    let (Some(before), Some(after)) = (name(from), name(to)) else { return breaking };
    match (before, after) {
        ("record", "record") => record(from, to),
        ("array", "array") => of(&from["items"], &to["items"]),
        ("map", "map") => of(&from["values"], &to["values"]),
        ("enum", "enum") => {
            let symbols = |schema: &Value| schema["symbols"].as_array().cloned().unwrap_or_default();
            let (before, after) = (symbols(from), symbols(to));
            if before.iter().any(|symbol| !after.contains(symbol)) {
                return Some((Class::Breaking, SYMBOLS));
            }
            (before != after).then_some((Class::Additive, ""))
        }
        ("fixed", "fixed") if from["size"] != to["size"] => breaking,
        (before, after) if before == after => {
            let says =
                |schema: &Value| ["logicalType", "precision", "scale"].map(|key| schema.get(key).cloned());
            (says(from) != says(to)).then_some((Class::Breaking, OTHER))
        }
        ("int", "long" | "float" | "double") | ("long", "float" | "double") | ("float", "double") => {
            Some((Class::Widening, ""))
        }
        ("string", "bytes") | ("bytes", "string") => Some((Class::Widening, "")),
        _ => breaking,
    }
}

fn name(schema: &Value) -> Option<&str> {
    schema.as_str().or_else(|| schema["type"].as_str())
}

/// A union by what it has besides null.
fn union(from: &Value, to: &Value) -> Change {
    let branches = |schema: &Value| match schema {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let (before, after) = (branches(from), branches(to));
    let has_null = |all: &[Value]| all.iter().any(|one| one == "null");
    if has_null(&before) && !has_null(&after) {
        return Some((Class::Breaking, NULLS));
    }
    let some = |all: &[Value]| all.iter().filter(|one| **one != "null").cloned().collect::<Vec<_>>();
    let added = (!has_null(&before) && has_null(&after)).then_some((Class::Additive, ""));
    match (some(&before).as_slice(), some(&after).as_slice()) {
        ([before], [after]) => added.max(of(before, after)),
        (before, after) if before == after => added,
        _ => Some((Class::Breaking, OTHER)),
    }
}

fn record(from: &Value, to: &Value) -> Change {
    let fields = |schema: &Value| schema["fields"].as_array().cloned().unwrap_or_default();
    let (before, after) = (fields(from), fields(to));
    let mut change: Change = None;
    if before.iter().any(|field| !after.iter().any(|other| other["name"] == field["name"])) {
        change = Some((Class::Breaking, GONE));
    }
    for field in &after {
        let is_default = field.get("default").is_some();
        let of_field = match before.iter().find(|other| other["name"] == field["name"]) {
            None if is_default => Some((Class::Additive, "")),
            None => Some((Class::Breaking, NO_DEFAULT)),
            Some(other) => of(&other["type"], &field["type"]),
        };
        change = change.max(of_field);
    }
    change
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn class(from: &Value, to: &Value) -> Option<Class> {
        let record = |fields: &Value| json!({ "type": "record", "name": "r", "fields": fields }).to_string();
        change(&record(from), &record(to)).map(|(class, _)| class)
    }

    #[test]
    fn each_change_has_the_class_that_schema_resolution_gives_it() {
        use Class::{Additive, Breaking, Widening};
        let one = |type_: Value| json!([{ "name": "a", "type": type_ }]);
        let colours = |symbols: &[&str]| one(json!({ "type": "enum", "name": "c", "symbols": symbols }));
        let null = |type_: &str| one(json!(["null", type_]));
        for (from, to, expected) in [
            (one(json!("int")), one(json!("int")), None),
            (one(json!("int")), json!([{ "name": "a", "type": "int", "doc": "said" }]), None),
            (one(json!("int")), one(json!("long")), Some(Widening)),
            (one(json!("long")), one(json!("int")), Some(Breaking)),
            (one(json!("string")), null("string"), Some(Additive)),
            (null("string"), one(json!("string")), Some(Breaking)),
            (null("int"), null("long"), Some(Widening)),
            (colours(&["red"]), colours(&["red", "blue"]), Some(Additive)),
            (colours(&["red", "blue"]), colours(&["red"]), Some(Breaking)),
            (json!([]), json!([{ "name": "b", "type": "int", "default": 0 }]), Some(Additive)),
            (json!([]), json!([{ "name": "b", "type": "int" }]), Some(Breaking)),
            (one(json!("int")), json!([]), Some(Breaking)),
            (
                one(json!({ "type": "fixed", "name": "f", "size": 4 })),
                one(json!({ "type": "fixed", "name": "f", "size": 8 })),
                Some(Breaking),
            ),
            (
                one(json!({ "type": "array", "items": "int" })),
                one(json!({ "type": "array", "items": "long" })),
                Some(Widening),
            ),
            (
                one(json!({ "type": "bytes", "logicalType": "decimal", "precision": 9 })),
                one(json!({ "type": "bytes", "logicalType": "decimal", "precision": 4 })),
                Some(Breaking),
            ),
        ] {
            assert_eq!(class(&from, &to), expected, "{from} → {to}");
        }
    }
}
