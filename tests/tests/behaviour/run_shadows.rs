//! Runs whose work writes to a table by name: what is registered there is published, and the table goes whatever becomes of the run.

use std::sync::Arc;

use anyhow::ensure;
use futures::FutureExt as _;
use kube::api::DeleteParams;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_tests::{Container, Controller, Exit, Kubelet, Team, register, with_shadows};
use serde_json::{Value, json};

fn run(more: Value) -> Value {
    let mut spec = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "KubernetesJob",
        "kubernetesJob": { "image": "ingest", "args": ["INSERT OVERWRITE TABLE ${outputTable} SELECT 1"] },
        "output": { "mode": "ShadowTable" },
    });
    json_patch::merge(&mut spec, &more);
    spec
}

async fn ready_team(name: &str, keys: Value) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::with(&team, with_shadows).await;
    team.create_ready("orders", json!({ "partitionKeys": keys, "partitions": { "mode": "Published" } }))
        .await;
    (team, controller)
}

fn by_day() -> Value {
    json!([{ "name": "day", "type": "string" }])
}

/// Runs pods that do this with the table that they are to write to.
fn kubelet(team: &Team, exit: Exit, days: &'static [&'static str]) -> Kubelet {
    let aws = team.aws.clone();
    team.kubelet(Arc::new(move |container: Container| {
        let aws = aws.clone();
        async move {
            let table = &container.env["MIZUUMI_OUTPUT_TABLE"];
            assert_eq!(container.args, [format!("INSERT OVERWRITE TABLE {table} SELECT 1")]);
            for day in days {
                register(&aws, &container, day).await;
            }
            exit
        }
        .boxed()
    }))
}

/// Waits until no shadow is known of a run; the shadow tables that there are.
async fn swept(team: &Team, run: &str) -> Vec<String> {
    let is_swept = |run: &IngestRun| run.status.as_ref().is_some_and(|status| status.shadow.is_none());
    team.run_until(run, "its shadow is gone", is_swept).await;
    team.shadow_tables().await
}

/// How many calls were about shadow tables after a number.
async fn calls_about_shadows(team: &Team, since: u64) -> usize {
    team.admin.calls(since).await.iter().filter(|call| call.resource.starts_with("shadows")).count()
}

#[tokio::test]
async fn partitions_that_work_registers_by_name_are_published_and_its_table_goes() {
    let (team, _controller) = ready_team("shadow", by_day()).await;
    let _kubelet = kubelet(&team, Exit::Code(0), &["1", "2"]);
    // The second has no rows, and readers are to see that.
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    team.create_run("first", run(json!({}))).await;
    let why = team.run_reason("first", "DatabaseNotFound").await;
    assert!(why.contains("no Glue database 'shadows'"), "{why}");
    team.create_shadows().await;
    let done = team.run_phase("first", RunPhase::Succeeded).await;
    let output = done.status.and_then(|status| status.attempt).map(|attempt| attempt.output);
    let places = team.aws.partitions("orders").await;
    let places: Vec<_> = places.iter().filter_map(|one| one.storage_descriptor()?.location()).collect();
    let output = output.expect("an attempt");
    assert_eq!(places, [format!("{output}day=1/"), format!("{output}day=2/")]);
    assert!(swept(&team, "first").await.is_empty());
    let note = team.event("first", "ShadowCreated").await;
    assert!(
        note.contains("create shadow table 'shadows.shadow_first_") && note.contains(" like '"),
        "{note}"
    );
    team.event("first", "ShadowDeleted").await;
    // Once it is over, nobody looks any more.
    let since = team.admin.seq().await;
    team.change_run("first", json!({ "ttlAfterFinished": "1d" })).await;
    team.run_until("first", "it is looked at", |run| {
        run.status.as_ref().is_some_and(|status| Some(status.observed_generation) == run.metadata.generation)
    })
    .await;
    assert_eq!(calls_about_shadows(&team, since).await, 0);
    assert!(calls_about_shadows(&team, 0).await > 0);
}

#[tokio::test]
async fn a_table_without_partitions_is_replaced_by_what_work_writes_by_name() {
    let (team, _controller) = ready_team("shadow-whole", json!([])).await;
    team.create_shadows().await;
    let _kubelet = kubelet(&team, Exit::Code(0), &[]);
    team.write_output("orders", "first", &["a1/"]).await;
    team.create_run("first", run(json!({}))).await;
    team.run_phase("first", RunPhase::Succeeded).await;
    let location = team.aws.existing("orders").await.storage_descriptor.and_then(|storage| storage.location);
    assert_eq!(location, Some(format!("{}a1/", team.output("orders", "first"))));
    assert!(swept(&team, "first").await.is_empty());
    team.create_run("second", run(json!({ "revision": 1 }))).await;
    let why = team.run_reason("second", "OutputInvalid").await;
    assert!(why.contains("there is no data in"), "{why}");
    assert!(swept(&team, "second").await.is_empty());
}

#[tokio::test]
async fn a_run_that_is_given_up_or_deleted_takes_its_table_with_it_and_no_other() {
    let (team, _controller) = ready_team("shadow-end", by_day()).await;
    team.create_shadows().await;
    team.shadows().create_table("shadow_others", &[]).await;
    let _kubelet = kubelet(&team, Exit::Never, &["1"]);
    for name in ["cancelled", "deleted"] {
        team.create_run(name, run(json!({}))).await;
        let begun = |run: &IngestRun| {
            let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
            attempt.is_some_and(|attempt| attempt.external_id.is_some())
        };
        team.run_until(name, "its work is under way", begun).await;
    }
    let there = team.shadow_tables().await;
    assert_eq!(there.len(), 3, "{there:?}");
    team.change_run("cancelled", json!({ "cancel": true })).await;
    team.run_reason("cancelled", "RunCancelled").await;
    assert_eq!(swept(&team, "cancelled").await.len(), 2);
    team.runs().delete("deleted", &DeleteParams::default()).await.expect("it is deleted");
    team.eventually("orders", "the run is gone", async || {
        ensure!(team.runs().get_opt("deleted").await?.is_none(), "it is there");
        Ok(())
    })
    .await;
    assert_eq!(team.shadow_tables().await, ["shadow_others"]);
}
