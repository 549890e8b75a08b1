//! The reference pages of the book are made from the Rust types: refreshed with `UPDATE=1`, else compared.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::fmt::Write as _;
use std::path::PathBuf;

use mizuumi_api::Reason;
use serde_json::Value;

fn page(name: &str) -> PathBuf {
    PathBuf::from("../../docs/src").join(name)
}

fn compare(name: &str, wanted: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(page(name), wanted).expect(name);
    }
    let there = std::fs::read_to_string(page(name)).unwrap_or_default();
    assert!(
        there == wanted,
        "docs/src/{name} is stale; refresh it: UPDATE=1 cargo test -p mizuumi-api --test book"
    );
}

#[test]
fn every_reason_is_in_the_book() {
    let mut text = "# Reference: reasons\n\nThe words in `status.conditions[].reason`.\n\n| reason | meaning |\n|---|---|\n".to_owned();
    for reason in Reason::ALL {
        let meaning = reason.meaning().split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(text, "| `{reason}` | {meaning} |").expect("writes to a string");
    }
    compare("reference-reasons.md", &text);
}

#[test]
fn every_field_is_in_the_book() {
    for crd in mizuumi_api::crd::all().expect("definitions") {
        let crd = serde_json::to_value(crd).expect("JSON");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = crd["spec"]["names"]["kind"].as_str().expect("kind");
        let mut text = String::new();
        writeln!(text, "# Reference: {kind}\n\n{}\n", one_line(&schema["description"])).expect("writes");
        for part in ["spec", "status"] {
            writeln!(text, "## {part}\n\n| field | type | |\n|---|---|---|").expect("writes");
            fields(&mut text, part, &schema["properties"][part]);
            text.push('\n');
        }
        compare(&format!("reference-{}.md", kind.to_lowercase()), text.trim_end_matches('\n'));
    }
}

fn fields(text: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let star = if required.contains(&name.as_str()) { " *" } else { "" };
        let full = format!("{path}.{name}");
        writeln!(text, "| `{full}`{star} | {} | {} |", type_of(field), one_line(&field["description"]))
            .expect("writes");
        if field["type"] == "array" {
            fields(text, &format!("{full}[]"), &field["items"]);
        } else {
            fields(text, &full, field);
        }
    }
}

fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values
            .iter()
            .filter_map(Value::as_str)
            .map(|v| format!("`{v}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", type_of(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => "map of strings".to_owned(),
        Some("string") if field["format"] == "date-time" => "time".to_owned(),
        Some(other) => other.to_owned(),
        None => String::new(),
    }
}

fn one_line(text: &Value) -> String {
    text.as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[test]
fn the_summary_names_every_page_and_no_other() {
    let summary = std::fs::read_to_string(page("SUMMARY.md")).expect("SUMMARY.md");
    let mut named: Vec<String> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect();
    let folder = std::fs::read_dir(page("")).expect("docs/src");
    // What pages include lies in folders beside them.
    let pages = folder.map(|entry| entry.expect("entry").path()).filter(|path| path.is_file());
    let mut there: Vec<String> =
        pages.map(|path| path.file_name().expect("a name").to_str().expect("UTF-8").to_owned()).collect();
    there.retain(|name| name != "SUMMARY.md");
    named.sort();
    there.sort();
    assert_eq!(named, there);
}
