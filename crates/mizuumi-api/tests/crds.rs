//! The custom resource definitions: `crds/` is what the Rust types say, and the schemas keep Kubernetes'
//! conventions.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from("../../crds")
}

#[test]
fn the_crds_folder_is_what_the_types_say() {
    let files = mizuumi_api::crd::yaml().expect("crds");
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(folder()).expect("crds/");
        for (name, text) in &files {
            fs::write(folder().join(name), text).expect(name);
        }
    }
    let refresh = "refresh it with: UPDATE=1 cargo test -p mizuumi-api --test crds";
    for (name, text) in &files {
        let there = fs::read_to_string(folder().join(name)).unwrap_or_default();
        assert!(there == *text, "crds/{name} is not what the Rust types say; {refresh}");
    }
    let there: BTreeSet<String> = fs::read_dir(folder())
        .expect("crds/")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    let want: BTreeSet<String> = files.into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, want, "crds/ holds one file for each kind");
}

#[test]
fn what_is_written_as_yaml_reads_back_as_the_same() {
    for ((name, text), crd) in
        mizuumi_api::crd::yaml().expect("crds").iter().zip(mizuumi_api::crd::all().expect("crds"))
    {
        let back: CustomResourceDefinition = serde_saphyr::from_str(text).expect(name);
        assert_eq!(back, crd, "{name}");
        assert!(!text.contains(": 0.0") && !text.contains(": null"), "{name}");
    }
}

/// A schema of a definition and where it is.
struct Place {
    path: String,
    schema: Value,
    in_items: bool,
}

fn collect(schema: &Value, path: &str, in_items: bool, places: &mut Vec<Place>) {
    places.push(Place { path: path.to_owned(), schema: schema.clone(), in_items });
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect(property, &format!("{path}.{name}"), in_items, places);
    }
    if schema["items"].is_object() {
        collect(&schema["items"], &format!("{path}[]"), true, places);
    }
    if schema["additionalProperties"].is_object() {
        collect(&schema["additionalProperties"], &format!("{path}{{}}"), in_items, places);
    }
}

/// Every schema below spec and status of every kind and version.
fn places() -> Vec<Place> {
    let mut places = Vec::new();
    for crd in mizuumi_api::crd::all().expect("crds") {
        let crd = serde_json::to_value(crd).expect("json");
        for version in crd["spec"]["versions"].as_array().expect("versions") {
            let kind = crd["spec"]["names"]["kind"].as_str().expect("kind");
            collect(&version["schema"]["openAPIV3Schema"], kind, false, &mut places);
        }
    }
    assert!(places.len() > 50, "the walk sees the schemas");
    places
}

/// Fails with the paths of all schemas that break a rule.
fn every_schema(rule: &str, holds: impl Fn(&Place) -> bool) {
    let broken: Vec<String> =
        places().into_iter().filter(|place| !holds(place)).map(|place| place.path).collect();
    assert!(broken.is_empty(), "{rule}: {broken:#?}");
}

#[test]
fn nothing_is_nullable() {
    every_schema("`nullable` disables defaulting", |place| place.schema["nullable"].is_null());
    every_schema("null is no value", |place| {
        !place.schema["enum"].as_array().is_some_and(|all| all.contains(&Value::Null))
    });
}

#[test]
fn numbers_are_signed_and_whole() {
    every_schema("no floats", |place| place.schema["type"] != "number");
    every_schema("int32 or int64", |place| {
        place.schema["type"] != "integer"
            || ["int32", "int64"].map(Value::from).contains(&place.schema["format"])
    });
}

#[test]
fn every_schema_has_a_type() {
    every_schema("a type", |place| place.schema["type"].is_string());
}

#[test]
fn every_string_is_bounded() {
    every_schema("`maxLength`, `enum` or `format`", |place| {
        place.schema["type"] != "string"
            || ["maxLength", "enum", "format"].iter().any(|bound| !place.schema[bound].is_null())
    });
}

#[test]
fn every_list_is_bounded_and_says_how_it_merges() {
    every_schema("`maxItems`", |place| place.schema["type"] != "array" || place.schema["maxItems"].is_i64());
    every_schema("`x-kubernetes-list-type`", |place| {
        let list_type = &place.schema["x-kubernetes-list-type"];
        match place.path.rsplit_once('.') {
            _ if place.schema["type"] != "array" => list_type.is_null(),
            Some((_, "conditions")) => {
                *list_type == "map" && place.schema["x-kubernetes-list-map-keys"] == json!(["type"])
            }
            _ => ["atomic", "set", "map"].map(Value::from).contains(list_type),
        }
    });
}

#[test]
fn every_map_is_bounded() {
    every_schema("`maxProperties` and a bounded value", |place| {
        let values = &place.schema["additionalProperties"];
        values.is_null()
            || place.schema["maxProperties"].is_i64()
                && (values["maxLength"].is_i64() || values["type"] != "string")
                && values["type"].is_string()
    });
    every_schema("no unknown fields", |place| {
        place.schema["x-kubernetes-preserve-unknown-fields"].is_null()
            && (place.schema["type"] != "object"
                || place.schema["properties"].is_object()
                || place.schema["additionalProperties"].is_object()
                || place.path.ends_with(".metadata"))
    });
}

#[test]
fn no_list_item_has_defaults() {
    every_schema("no `default` inside list items", |place| {
        !place.in_items || place.schema["default"].is_null()
    });
}

#[test]
fn a_status_begins_as_generation_zero() {
    for place in places().into_iter().filter(|place| place.path.matches('.').count() == 1) {
        if place.path.ends_with(".status") {
            assert_eq!(place.schema["default"], json!({ "observedGeneration": 0 }), "{}", place.path);
            return;
        }
    }
    panic!("no kind has a status");
}

#[test]
fn no_list_of_a_definition_is_empty() {
    fn empty_lists(value: &Value, path: &str) -> Vec<String> {
        match value {
            Value::Array(items) if items.is_empty() => vec![path.to_owned()],
            Value::Array(items) => {
                items.iter().flat_map(|item| empty_lists(item, &format!("{path}[]"))).collect()
            }
            Value::Object(fields) => fields
                .iter()
                .flat_map(|(name, field)| empty_lists(field, &format!("{path}.{name}")))
                .collect(),
            _ => Vec::new(),
        }
    }
    for crd in mizuumi_api::crd::all().expect("crds") {
        // The apiserver leaves them out, and a diff of what was applied never ends.
        assert_eq!(empty_lists(&serde_json::to_value(crd).expect("json"), ""), Vec::<String>::new());
    }
}

#[test]
fn every_field_is_described() {
    every_schema("a description", |place| {
        let told_by_kubernetes =
            [".metadata", ".apiVersion", ".kind"].iter().any(|end| place.path.ends_with(end));
        let is_element = place.path.ends_with("[]") || place.path.ends_with("{}");
        is_element
            || told_by_kubernetes
            || place.schema["description"].as_str().is_some_and(|text| !text.is_empty())
    });
}
