//! The bounds that a CRD's schema sets, checked as an apiserver would: types, lengths, ranges, enums, required
//! fields.

use serde_json::Value;

/// What a value breaks, each with its path.
pub fn broken_bounds(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut holds = |right: bool, rule: &str| {
        if !right {
            broken.push(format!("{path}: {rule} {}", schema[rule]));
        }
    };
    let limit = |key: &str| schema[key].as_i64();
    let size = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let right_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    holds(right_type, "type");
    holds(schema["enum"].as_array().is_none_or(|all| all.contains(value)), "enum");
    if let Some(text) = value.as_str() {
        // Kubernetes counts characters, not bytes.
        let length = size(text.chars().count());
        holds(limit("maxLength").is_none_or(|most| length <= most), "maxLength");
        holds(limit("minLength").is_none_or(|least| length >= least), "minLength");
    }
    if let Some(number) = value.as_i64() {
        holds(limit("minimum").is_none_or(|least| number >= least), "minimum");
        holds(limit("maximum").is_none_or(|most| number <= most), "maximum");
    }
    if let Some(items) = value.as_array() {
        holds(limit("maxItems").is_none_or(|most| size(items.len()) <= most), "maxItems");
        holds(limit("minItems").is_none_or(|least| size(items.len()) >= least), "minItems");
        for (index, item) in items.iter().enumerate() {
            broken.extend(broken_bounds(&schema["items"], item, &format!("{path}[{index}]")));
        }
    } else if let Some(fields) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for missing in required.filter(|name| !fields.contains_key(*name)) {
            broken.push(format!("{path}.{missing}: required"));
        }
        for (name, field) in fields {
            let known = &schema["properties"][name];
            if known.is_null() {
                broken.push(format!("{path}.{name}: the schema does not know it"));
            } else {
                broken.extend(broken_bounds(known, field, &format!("{path}.{name}")));
            }
        }
    }
    broken
}
