//! Checks with `gate: Publish`: what a run brings is published if their rules pass, and readers keep the last good data if not.

use mizuumi_api::ingest_run::{GateVerdict, RunPhase};
use mizuumi_tests::{Controller, Team};
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
