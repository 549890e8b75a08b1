//! `mizuumi plan` says what an apply would change, by the controller's own planner, and writes nothing.

use std::fs;
use std::path::PathBuf;
use std::slice;

use mizuumi_tests::{Controller, Team};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_table_will_be_created() {
    let team = Team::new("plan-new").await;
    let manifest = team.manifest("web-orders", json!({}));
    let planned = team.plan(slice::from_ref(&manifest), &[]).await;
    let head = format!(
        "  # {}.web_orders will be created (DataTable {}/web-orders)",
        team.aws.database, team.namespace
    );
    let create = format!("  + create table: 2 columns, 0 partition keys, at {}", team.location("web-orders"));
    let columns = "      + columns.id: \"bigint\"\n      + columns.what: \"string\"";
    let expected = format!("{head}\n{create}\n{columns}\n\nPlan: 1 to create, 0 to change.\n");
    assert_eq!((planned.out.as_str(), planned.code), (expected.as_str(), 0), "{}", planned.err);
    assert_eq!(team.plan(&[manifest], &["--detailed-exitcode"]).await.code, 2);
    assert_eq!(team.admin.writes().await.len(), 0);
    assert!(team.tables.get_opt("web-orders").await.expect("an answer").is_none());
}

#[tokio::test]
async fn after_the_controller_there_are_no_changes_until_the_manifest_changes() {
    let team = Team::new("plan-same").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({ "description": "first", "parameters": { "a": "1" } });
    team.create_ready("orders", spec.clone()).await;
    let same = team.manifest("orders", spec);
    let planned = team.plan(slice::from_ref(&same), &["--detailed-exitcode"]).await;
    assert_eq!(
        (planned.out.as_str(), planned.code),
        ("No changes. AWS matches the manifests (1 looked at).\n", 0)
    );

    let writes = team.admin.writes().await.len();
    let mut changed = same;
    json_patch::merge(
        &mut changed,
        &json!({ "spec": { "description": "second", "parameters": { "a": null } } }),
    );
    let planned = team.plan(&[changed], &["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 2, "{planned:?}");
    for line in [
        "orders will be changed",
        "  ~ update table\n",
        r#"      ~ description: "first" → "second""#,
        r#"      - parameters.a: "1""#,
        "Plan: 0 to create, 1 to change.",
    ] {
        assert!(planned.out.contains(line), "no {line:?} in\n{}", planned.out);
    }
    assert_eq!(team.admin.writes().await.len(), writes);
}

#[tokio::test]
async fn what_engines_read_differently_is_told_of_a_table_that_changes() {
    let team = Team::new("plan-warns").await;
    let spec = json!({ "format": "csv", "serdeParameters": { "skip.header.line.count": "1" } });
    let planned = team.plan(&[team.manifest("orders", spec.clone())], &[]).await;
    assert_eq!(planned.code, 0, "a warning is no error: {planned:?}");
    for line in [
        "  * HeaderRead: Spark passes over 'skip.header.line.count'",
        "Plan: 1 to create, 0 to change; 1 warning.",
    ] {
        assert!(planned.out.contains(line), "no {line:?} in\n{}", planned.out);
    }
    let mut spec = spec;
    spec["engines"] = json!(["Athena"]);
    let planned = team.plan(&[team.manifest("orders", spec)], &[]).await;
    assert!(planned.out.ends_with("Plan: 1 to create, 0 to change.\n"), "{}", planned.out);
}

#[tokio::test]
async fn what_blocks_the_controller_fails_the_plan() {
    let team = Team::new("plan-blocked").await;
    team.aws.create_table("orders", &[]).await;
    let manifests = [
        team.manifest("orders", json!({})),
        team.manifest("new", json!({})),
        team.manifest("elsewhere", json!({ "location": "s3://elsewhere/x/" })),
        team.manifest("nowhere", json!({ "database": format!("{}_not_there", team.aws.database) })),
    ];
    let planned = team.plan(&manifests, &["--detailed-exitcode"]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for line in ["NotAdopted:", "spec.location:", "DatabaseNotFound:", "new will be created", "1 to create"] {
        assert!(planned.out.contains(line), "no {line:?} in\n{}", planned.out);
    }
    assert_eq!(team.admin.writes().await.len(), 0);
}

#[tokio::test]
async fn manifests_that_cannot_be_are_told_with_their_place() {
    let team = Team::new("plan-invalid").await;
    let wrong: &[(&str, Value, &str)] = &[
        ("unknown", json!({ "colour": "red" }), "colour"),
        ("mistyped", json!({ "suspend": "yes" }), "spec.suspend"),
        ("word", json!({ "format": "excel" }), "spec.format"),
        ("missing", json!({ "schema": null }), "schema"),
        ("rule", json!({ "format": null }), "exactly one of `format` and `storage` must be set"),
        (
            "reserved",
            json!({ "parameters": { "mizuumi.owner": "me" } }),
            "keys must not start with 'mizuumi.'",
        ),
    ];
    let manifests: Vec<Value> =
        wrong.iter().map(|(name, spec, _)| team.manifest(name, spec.clone())).collect();
    let planned = team.plan(&manifests, &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for (name, _, part) in wrong {
        let line = planned.out.lines().find(|line| line.contains(&format!("DataTable '{name}'")));
        assert!(line.is_some_and(|line| line.contains(part)), "no {part} for {name} in\n{}", planned.out);
    }
    let broken = team.plan_text("kind: [unclosed", &[]).await;
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.out.contains("standard input"), "{broken:?}");
}

#[tokio::test]
async fn aws_out_of_reach_fails_the_plan_with_its_words() {
    let team = Team::new("plan-denied").await;
    team.admin.fault(json!({ "action": "denied" })).await;
    let planned = team.plan(&[team.manifest("orders", json!({}))], &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for part in ["could not be looked at", "glue:GetTable", "AccessDeniedException"] {
        assert!(planned.out.contains(part), "no {part} in\n{}", planned.out);
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_told_by_its_paths() {
    let team = Team::new("plan-config").await;
    let mut installation = team.installation();
    installation.rates.glue_per_second = 0;
    installation.allow.s3_prefixes = vec!["lake".to_owned()];
    let planned = team.plan_folder(&installation, &examples("quickstart"), &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for path in ["rates.gluePerSecond", "allow.s3Prefixes[0]"] {
        assert!(planned.err.contains(path), "no {path} in {}", planned.err);
    }
}

fn examples(folder: &str) -> PathBuf {
    PathBuf::from("../examples").join(folder)
}

/// The manifests of a folder, with this team's bucket for the lake: buckets have one name for all accounts.
fn manifests(team: &Team, folder: &str) -> Vec<Value> {
    let entries = fs::read_dir(examples(folder)).expect("examples");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let read = |path: PathBuf| -> Vec<Value> {
        let text = fs::read_to_string(&path).expect("a manifest");
        let text = text.replace("s3://lake/", &format!("s3://{}/", team.aws.bucket));
        serde_saphyr::from_multiple(&text).expect("YAML")
    };
    files
        .into_iter()
        .flat_map(read)
        .filter(|manifest| manifest["kind"] == "DataTable" || manifest["kind"] == "ConfigMap")
        .collect()
}

#[tokio::test]
async fn the_examples_are_created_as_they_stand_and_then_plan_to_no_changes() {
    let mut team = Team::new("examples").await;
    team.aws.create_database("nyc").await;
    team.aws.database = "nyc".to_owned();
    team.aws.create_table("carriers_by_hand", &[("theirs", "kept")]).await;
    for month in [1, 2] {
        team.aws.put(&format!("nyc/flights/year=2013/month={month}/part-0.parquet"), "x").await;
        team.aws.put(&format!("nyc/flights/year=2013/month={month}/_SUCCESS"), "").await;
    }
    let file = include_bytes!("../../fixtures/orders.parquet");
    team.aws.put("nyc/impressions/day=2026-11-01/part-0.parquet", file).await;
    team.aws.put("nyc/impressions/day=2026-11-01/_SUCCESS", "").await;
    let all =
        [manifests(&team, "quickstart"), manifests(&team, "tables"), manifests(&team, "publishing")].concat();
    let (texts, all): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|manifest| manifest["kind"] == "ConfigMap");
    let (watched, kept): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|manifest| manifest["spec"]["managementPolicy"] == "ObserveOnly");
    assert!(kept.len() >= 10 && !watched.is_empty(), "{} and {}", kept.len(), watched.len());
    let with_texts = [texts.clone(), kept.clone()].concat();
    let before = team.plan(&with_texts, &["--detailed-exitcode"]).await;
    assert_eq!(before.code, 2, "{before:?}");
    assert!(
        before.out.contains(&format!("Plan: {} to create, 1 to change", kept.len() - 1)),
        "{}",
        before.out
    );

    let _controller = Controller::start(&team).await;
    let name = |manifest: &Value| manifest["metadata"]["name"].as_str().expect("a name").to_owned();
    for manifest in &texts {
        team.apply_config_map(&name(manifest), manifest["data"].clone()).await;
    }
    for manifest in kept.iter().chain(&watched) {
        team.try_create(manifest).await.expect("the example is accepted");
    }
    for manifest in &kept {
        team.ready(&name(manifest)).await;
    }
    for manifest in &watched {
        team.reason(&name(manifest), "NotFound").await;
    }
    let flights = team.fresh("flights", "Stale").await;
    let partitions = flights.status.and_then(|status| status.partitions).expect("partitions");
    assert_eq!((partitions.registered, partitions.newest.as_deref()), (2, Some("year=2013/month=2")));
    let after = team.plan(&with_texts, &["--detailed-exitcode"]).await;
    assert_eq!(after.out, format!("No changes. AWS matches the manifests ({} looked at).\n", kept.len()));
    assert_eq!(after.code, 0, "{after:?}");
}
