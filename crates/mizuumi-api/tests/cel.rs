//! The CEL rules of the custom resource definitions, evaluated without an apiserver.
//!
//! The cases in `tests/cases/cel` hold for a real apiserver as well.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, QualityCheck, SourceConnection,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One object that a rule accepts or rejects.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    name: String,
    object: Value,
    /// What the object was before, if it is an update.
    old: Option<Value>,
    /// A part of the answer; accepted if there is none.
    error: Option<String>,
}

impl Case {
    /// What is wrong with the object, a line each.
    fn refusals(&self) -> Vec<String> {
        fn read<T: DeserializeOwned>(object: &Value) -> T {
            serde_json::from_value(object.clone()).expect("an object")
        }
        macro_rules! refusals {
            ($kind:ty) => {{
                let object: $kind = read(&self.object);
                match &self.old {
                    Some(old) => object.validate_cel_update(&read(old)),
                    None => object.validate_cel(),
                }
            }};
        }
        let result = match self.object["kind"].as_str() {
            Some("Backfill") => refusals!(Backfill),
            Some("DataTable") => refusals!(DataTable),
            Some("EmrCluster") => refusals!(EmrCluster),
            Some("EmrClusterClass") => refusals!(EmrClusterClass),
            Some("IngestJob") => refusals!(IngestJob),
            Some("IngestRun") => refusals!(IngestRun),
            Some("QualityCheck") => refusals!(QualityCheck),
            Some("SourceConnection") => refusals!(SourceConnection),
            other => panic!("no kind of ours: {other:?}"),
        };
        result.err().into_iter().flat_map(|errors| errors.into_iter().map(|e| e.to_string())).collect()
    }
}

/// Every case, by the rule that its file is named after.
fn cases() -> Vec<(String, Vec<Case>)> {
    let folder = PathBuf::from("../../tests/cases/cel");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("tests/cases/cel").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let rule = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect(&rule);
        let cases = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{rule}: {error}"));
        (rule, cases)
    };
    files.into_iter().map(read).collect()
}

/// The messages of all rules in a schema.
fn messages(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
            {
                let message = rule["message"].as_str();
                found
                    .insert(message.unwrap_or_else(|| panic!("a rule without a message: {rule}")).to_owned());
            }
            fields.values().for_each(|field| messages(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| messages(item, found)),
        _ => {}
    }
}

#[test]
fn every_case_is_accepted_or_rejected_with_its_message_alone() {
    for (rule, cases) in cases() {
        for case in cases {
            let refusals = case.refusals();
            match &case.error {
                None => assert_eq!(refusals, Vec::<String>::new(), "{rule}: {}", case.name),
                Some(error) => {
                    assert_eq!(refusals.len(), 1, "{rule}: {}: {refusals:?}", case.name);
                    assert!(refusals[0].contains(error), "{rule}: {}: {refusals:?}", case.name);
                }
            }
        }
    }
}

#[test]
fn every_rule_has_a_case_that_it_accepts_and_one_that_it_rejects() {
    for (rule, cases) in cases() {
        assert!(cases.iter().any(|case| case.error.is_none()), "{rule} accepts nothing");
        assert!(cases.iter().any(|case| case.error.is_some()), "{rule} rejects nothing");
        let told: BTreeSet<_> = cases.iter().filter_map(|case| case.error.as_ref()).collect();
        assert_eq!(told.len(), 1, "{rule}: one file, one rule");
    }
    let mut in_crds = BTreeSet::new();
    for crd in mizuumi_api::crd::all().expect("crds") {
        messages(&serde_json::to_value(crd).expect("json"), &mut in_crds);
    }
    let rejected: BTreeSet<String> =
        cases().into_iter().flat_map(|(_, cases)| cases).filter_map(|c| c.error).collect();
    assert_eq!(rejected, in_crds, "left: messages of the cases; right: messages of the definitions");
}
