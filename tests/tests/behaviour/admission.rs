//! What the apiserver itself refuses: the same cases that the rules are tested with in Rust.

use std::fs;
use std::path::PathBuf;

use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, QualityCheck, SourceConnection,
};
use mizuumi_tests::Team;
use serde::Deserialize;
use serde_json::{Value, json};

/// One object that a rule accepts or rejects.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    object: Value,
    old: Option<Value>,
    error: Option<String>,
}

fn cases() -> Vec<(String, Case)> {
    let folder = PathBuf::from("cases/cel");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("tests/cases/cel").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let rule = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect(&rule);
        let cases: Vec<Case> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{rule}: {error}"));
        cases.into_iter().map(move |case| (rule.clone(), case))
    };
    files.into_iter().flat_map(read).collect()
}

#[tokio::test]
async fn the_apiserver_accepts_and_rejects_what_the_rules_do() {
    let team = Team::new("cel").await;
    let of = |resource: &ApiResource| -> Api<DynamicObject> {
        Api::namespaced_with(team.client.clone(), &team.namespace, resource)
    };
    let tables = of(&ApiResource::erase::<DataTable>(&()));
    let runs = of(&ApiResource::erase::<IngestRun>(&()));
    let jobs = of(&ApiResource::erase::<IngestJob>(&()));
    let backfills = of(&ApiResource::erase::<Backfill>(&()));
    let checks = of(&ApiResource::erase::<QualityCheck>(&()));
    let connections = of(&ApiResource::erase::<SourceConnection>(&()));
    let clusters = of(&ApiResource::erase::<EmrCluster>(&()));
    let classes = Api::all_with(team.client.clone(), &ApiResource::erase::<EmrClusterClass>(&()));
    let here = |mut object: Value| -> DynamicObject {
        if object["kind"] != "EmrClusterClass" {
            object["metadata"]["namespace"] = json!(team.namespace);
        }
        serde_json::from_value(object).expect("an object")
    };
    let (mut accepted, mut rejected) = (0, 0);
    for (rule, Case { name, object, old, error }) in cases() {
        let api = match object["kind"].as_str() {
            Some("IngestRun") => &runs,
            Some("IngestJob") => &jobs,
            Some("Backfill") => &backfills,
            Some("QualityCheck") => &checks,
            Some("SourceConnection") => &connections,
            Some("EmrCluster") => &clusters,
            Some("EmrClusterClass") => &classes,
            _ => &tables,
        };
        let object = here(object);
        let id = object.metadata.name.clone().expect("a name");
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let result = if let Some(old) = old {
            api.create(&PostParams::default(), &here(old)).await.expect("the old object is accepted");
            let params = PatchParams { dry_run: true, ..PatchParams::default() };
            // A merge patch takes off what the object before had and this one has not.
            let mut patch = json!({ "spec": object.data["spec"] });
            let before = api.get(&id).await.expect("the old object");
            for (key, _) in before.data["spec"].as_object().into_iter().flatten() {
                if object.data["spec"].get(key).is_none() {
                    patch["spec"][key] = Value::Null;
                }
            }
            let result = api.patch(&id, &params, &Patch::Merge(patch)).await;
            api.delete(&id, &DeleteParams::default()).await.expect("the old object goes");
            result
        } else {
            api.create(&dry, &object).await
        };
        match (result, error) {
            (Ok(_), None) => accepted += 1,
            (Err(kube::Error::Api(answer)), Some(error)) if answer.message.contains(&error) => {
                assert_eq!(answer.code, 422, "{rule}: {name}: {}", answer.message);
                rejected += 1;
            }
            (Ok(_), Some(error)) => panic!("{rule}: {name}: accepted, although: {error}"),
            (Err(answer), wanted) => panic!("{rule}: {name}: {answer}, wanted: {wanted:?}"),
        }
    }
    assert!(accepted >= 10 && rejected >= 10, "{accepted} accepted, {rejected} rejected");
}

#[tokio::test]
async fn the_apiserver_refuses_what_the_schema_does_not_know() {
    let team = Team::new("schema").await;
    for (spec, part) in [
        (json!({ "format": "excel" }), "spec.format"),
        (json!({ "location": "/data/orders" }), "spec.location"),
        (json!({ "database": "Upper" }), "spec.database"),
        (json!({ "deletionPolicy": "Keep" }), "spec.deletionPolicy"),
        (json!({ "schema": null }), "spec.schema"),
        (json!({ "schema": { "columns": [{ "name": "id" }] } }), "spec.schema.columns[0].type"),
        (json!({ "freshness": { "sources": [], "maxAge": { "error": "1d" } } }), "spec.freshness.sources"),
        (
            json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1 day" } } }),
            "maxAge.error",
        ),
        (json!({ "suspend": "yes" }), "spec.suspend"),
    ] {
        let refused = team.try_create(&team.manifest("orders", spec)).await.expect_err(part).to_string();
        assert!(refused.contains(part), "no {part} in {refused}");
    }
}
