//! Checks with `gate: Publish`: what a run brings is published if their rules pass, and readers keep the last good data if not.

use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{GateVerdict, IngestRun, RunPhase};
use mizuumi_tests::{Controller, Team, with_athena, with_shadows};
use serde_json::json;

async fn with_a_gate(name: &str, rules: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    team.create_check("gate", "orders", json!({ "rules": rules, "gate": "Publish" })).await;
    let controller = Controller::start(&team).await;
    let table = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", table).await;
    (team, controller)
}

#[tokio::test]
async fn a_bad_load_is_not_published_and_readers_keep_the_last_good_data() {
    let rules = "Rules = [ ColumnExists \"id\", FileSize between 5 B and 100 B ]";
    let (team, _controller) = with_a_gate("gates", rules).await;
    team.bring("orders", "good", 1, 0, &["day=1/"]).await;
    let gates = team.runs().get("good").await.expect("the run").status.expect("a status").gates;
    let check = team.checks().get("gate").await.expect("the check");
    assert_eq!(gates.len(), 1, "{gates:?}");
    assert_eq!(
        (gates[0].name.as_str(), gates[0].verdict, gates[0].attempt),
        ("gate", GateVerdict::Passed, 0)
    );
    assert_eq!(
        (Some(&gates[0].uid), Some(gates[0].generation)),
        (check.metadata.uid.as_ref(), check.metadata.generation)
    );

    team.write_output("orders", "bad", &["day=1/"]).await;
    team.aws.put("orders/runs/bad/day=1/part-1.parquet", "x").await;
    team.mark_output("orders", "bad").await;
    team.start_run("bad", "orders", 2, 0).await;
    let message = team.run_reason("bad", "GateFailed").await;
    assert!(
        message.contains("QualityCheck 'gate' did not pass")
            && message.contains("rule 2, `FileSize between 5 B and 100 B`"),
        "{message}"
    );
    assert!(message.contains("1 of 2 files do not pass") && message.contains("has 1 bytes"), "{message}");
    let status = team.run_phase("bad", RunPhase::Failed).await.status.expect("a status");
    assert_eq!((status.gates[0].verdict, status.manifest), (GateVerdict::Failed, None));
    let location = |partition: &aws_sdk_glue::types::Partition| {
        partition.storage_descriptor().and_then(|s| s.location()).map(str::to_owned)
    };
    let partitions: Vec<_> = team.aws.partitions("orders").await.iter().map(location).collect();
    assert_eq!(partitions, [Some(format!("{}day=1/", team.output("orders", "good")))]);
}

#[tokio::test]
async fn what_becomes_of_a_run_that_could_not_be_checked_is_the_gates_policy() {
    let (team, _controller) = with_a_gate("gate-policy", "Rules = [ ColumnCount > avg(last(3)) ]").await;
    team.write_output("orders", "blocked", &["day=1/"]).await;
    team.mark_output("orders", "blocked").await;
    team.start_run("blocked", "orders", 1, 0).await;
    let message = team.run_reason("blocked", "GateFailed").await;
    assert!(message.contains("could not be evaluated, and its `ifNotEvaluated` is Block"), "{message}");
    assert!(team.aws.partitions("orders").await.is_empty());

    team.patch_check("gate", json!({ "spec": { "ifNotEvaluated": "Allow" } })).await;
    team.check_says("gate", "Ready", "Compiled").await;
    team.bring("orders", "allowed", 2, 0, &["day=1/"]).await;
    let gates = team.runs().get("allowed").await.expect("the run").status.expect("a status").gates;
    assert_eq!(gates[0].verdict, GateVerdict::NotEvaluated);
}

fn settings(installation: &mut Installation) {
    with_shadows(installation);
    with_athena(installation);
}

/// Writes rows of a run, in the partition of day 1.
async fn write_rows(team: &Team, run: &str, rows: &str) {
    team.aws.put(&format!("orders/runs/{run}/day=1/part-0.json"), rows).await;
    team.mark_output("orders", run).await;
}

#[tokio::test]
async fn rows_are_queried_before_they_are_published_and_readers_keep_the_last_good_data() {
    let team = Team::new("gate-rows").await;
    team.aws.create_workgroup("quality", Some(100_000_000)).await;
    let _controller = Controller::with(&team, settings).await;
    let table = json!({
        "format": "json",
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", table).await;
    let rules = "Rules = [ RowCount > 1, IsPrimaryKey \"id\", ColumnValues \"day\" = \"1\" ]";
    team.create_check("rows", "orders", json!({ "rules": rules, "gate": "Publish" })).await;
    team.check_says("rows", "Ready", "Compiled").await;

    write_rows(&team, "good", "{\"id\":1}\n{\"id\":2}\n").await;
    team.start_run("good", "orders", 1, 0).await;
    // The database for audit tables is the platform team's.
    let why = team.run_reason("good", "DatabaseNotFound").await;
    assert!(why.contains("no Glue database 'shadows'"), "{why}");
    team.create_shadows().await;
    let status = team.run_phase("good", RunPhase::Succeeded).await.status.expect("a status");
    assert_eq!(status.gates[0].verdict, GateVerdict::Passed);
    let ran = team.aws.queries("quality").await;
    assert!(status.gates[0].query_execution_id.as_ref().is_some_and(|id| ran.contains(id)), "{status:?}");
    assert!(status.gates[0].scanned_bytes.is_some_and(|bytes| bytes > 0));

    write_rows(&team, "bad", "{\"id\":1}\n{\"id\":1}\n{\"id\":null}\n").await;
    team.start_run("bad", "orders", 2, 0).await;
    let why = team.run_reason("bad", "GateFailed").await;
    assert!(why.contains("rule 2, `IsPrimaryKey \"id\"`: 1 rows have no whole key"), "{why}");
    let partitions = team.aws.partitions("orders").await;
    let locations: Vec<_> =
        partitions.iter().filter_map(|one| one.storage_descriptor()?.location()).collect();
    assert_eq!(locations, [format!("{}day=1/", team.output("orders", "good"))]);
    for run in ["good", "bad"] {
        let is_swept = |run: &IngestRun| run.status.as_ref().is_some_and(|status| status.audit.is_none());
        let run = team.run_until(run, "its audit table is gone", is_swept).await;
        assert!(run.status.is_some_and(|status| status.gate_queries.is_empty()));
    }
    assert!(team.shadow_tables().await.is_empty());
    let note = team.event("bad", "AuditCreated").await;
    assert!(note.contains("audit table 'shadows.shadow_bad_"), "{note}");
}

#[tokio::test]
async fn a_query_of_a_gate_is_stopped_when_its_run_is_given_up() {
    let team = Team::new("gate-stop").await;
    team.aws.create_workgroup("quality", Some(100_000_000)).await;
    team.create_shadows().await;
    let _controller = Controller::with(&team, settings).await;
    let table = json!({
        "format": "json",
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", table).await;
    let check =
        json!({ "rules": "Rules = [ RowCount > 1 ]", "gate": "Publish", "triggers": { "onUpdate": false } });
    team.create_check("rows", "orders", check).await;
    team.check_says("rows", "Ready", "Compiled").await;
    team.admin.fault(json!({ "action": "slow-query", "delayMs": 60_000 })).await;
    write_rows(&team, "slow", "{\"id\":1}\n").await;
    team.start_run("slow", "orders", 1, 0).await;
    let runs = |run: &IngestRun| {
        run.status.as_ref().is_some_and(|status| status.gate_queries.iter().any(|of| of.query.id.is_some()))
    };
    let run = team.run_until("slow", "its query runs", runs).await;
    let id = run.status.and_then(|status| status.gate_queries[0].query.id.clone()).expect("an id");
    team.change_run("slow", json!({ "cancel": true })).await;
    team.run_reason("slow", "RunCancelled").await;
    let is_swept = |run: &IngestRun| run.status.as_ref().is_some_and(|status| status.audit.is_none());
    team.run_until("slow", "its audit table is gone", is_swept).await;
    let query = team.aws.athena.get_query_execution().query_execution_id(id).send().await.expect("the query");
    let state = query.query_execution.and_then(|query| query.status).and_then(|status| status.state);
    assert_eq!(state.map(|state| state.as_str().to_owned()).as_deref(), Some("CANCELLED"));
    assert!(team.shadow_tables().await.is_empty());
}
