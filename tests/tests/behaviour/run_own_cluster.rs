//! Runs with a cluster of their own: it is made for the run, there is one, and it ends with the run's work.

use anyhow::ensure;
use mizuumi_api::emr_cluster::{EmrCluster, Phase};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_tests::{Ask, Controller, Launch, Proxy, Team, Way, with_clusters};
use serde_json::{Value, json};

fn run(team: &Team) -> Value {
    let own = json!({
        "className": team.class_name(),
        "instanceGroups": [{ "name": "master", "role": "Master", "instanceType": "m6g.2xlarge" }],
    });
    json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "EmrStep",
        "emrStep": { "ownCluster": own, "step": { "name": "orders", "command": ["load", "${output}"] } },
    })
}

async fn prepare(team: &Team) {
    team.class(json!({})).await;
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", published).await;
}

/// The clusters that a run owns.
async fn own(team: &Team, run: &IngestRun) -> Vec<EmrCluster> {
    let all = team.clusters().list(&kube::api::ListParams::default()).await.expect("the clusters");
    let is_own = |cluster: &EmrCluster| {
        let mut owners = cluster.metadata.owner_references.iter().flatten();
        owners.any(|owner| Some(&owner.uid) == run.metadata.uid.as_ref())
    };
    all.items.into_iter().filter(is_own).collect()
}

/// Waits until no cluster of the team is alive in EMR.
async fn none_alive(team: &Team) -> Value {
    team.eventually("orders", "the end of the cluster", async || {
        let emr = team.emr().await;
        ensure!(emr["alive"] == 0, "{emr:#}");
        Ok(emr)
    })
    .await
}

#[tokio::test]
async fn a_run_has_a_cluster_of_its_own_which_ends_with_its_work_and_goes_with_it() {
    let team = Team::new("own-cluster").await;
    let _controller = Controller::with(&team, with_clusters).await;
    prepare(&team).await;
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    team.create_run("first", run(&team)).await;
    let done = team.run_phase("first", RunPhase::Succeeded).await;
    let emr = none_alive(&team).await;
    assert_eq!((emr["started"].as_u64(), emr["duplicates"].as_u64()), (Some(1), Some(0)), "{emr:#}");
    let clusters = own(&team, &done).await;
    let [cluster] = clusters.as_slice() else { panic!("one cluster, not {clusters:#?}") };
    let name = cluster.metadata.name.clone().expect("a name");
    assert!(name.starts_with("first-"), "{name}");
    // It stays for people to look at, and is not started again.
    let stopped = |cluster: &EmrCluster| {
        cluster.status.as_ref().is_some_and(|status| status.phase == Some(Phase::Stopped))
    };
    team.cluster_until(&name, "it is stopped", stopped).await;
    team.event("first", "ClusterCreated").await;
    team.runs().delete("first", &kube::api::DeleteParams::default()).await.expect("it is deleted");
    team.cluster_gone(&name).await;
}

#[tokio::test]
async fn a_run_repeats_why_its_cluster_cannot_be_built_and_goes_on_once_it_can() {
    let team = Team::new("own-stalled").await;
    let _controller = Controller::with(&team, with_clusters).await;
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", published).await;
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    team.create_run("first", run(&team)).await;
    let repeats = |run: &IngestRun| {
        let conditions = run.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let class = format!("'{}'", team.class_name());
        conditions.iter().any(|one| one.message.contains("cannot take now") && one.message.contains(&class))
    };
    team.run_until("first", "it says what its cluster lacks", repeats).await;
    team.class(json!({})).await;
    team.run_phase("first", RunPhase::Succeeded).await;
}

#[tokio::test]
async fn a_controller_that_dies_while_it_makes_a_runs_cluster_makes_one() {
    for (number, way) in [Way::Hang, Way::HangAfter].into_iter().enumerate() {
        let team = Team::new(&format!("own-crash-{number}")).await;
        let proxy = Proxy::of_apiserver(&team).await;
        let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
        let mut controller = Controller::launch(&team, launch, with_clusters).await;
        prepare(&team).await;
        team.write_output("orders", "first", &["a1/day=1/"]).await;
        let creates = |ask: &Ask| ask.verb == "create" && ask.resource == "emrclusters";
        proxy.rule(creates).go(way);
        team.create_run("first", run(&team)).await;
        team.eventually("first", "the point of death", async || {
            ensure!(proxy.struck() > 0, "it has not come to that");
            Ok(())
        })
        .await;
        controller.kill();
        proxy.heal();
        controller.restart();
        let attempts = |run: &IngestRun| run.status.as_ref().and_then(|s| s.attempt.as_ref()).is_some();
        team.run_until("first", "its work is asked for", attempts).await;
        // Once more, while the cluster starts.
        controller.kill();
        controller.restart();
        let done = team.run_phase("first", RunPhase::Succeeded).await;
        let emr = none_alive(&team).await;
        assert_eq!(
            (emr["started"].as_u64(), emr["duplicates"].as_u64()),
            (Some(1), Some(0)),
            "{way:?}: {emr:#}"
        );
        assert_eq!(own(&team, &done).await.len(), 1, "{way:?}");
        assert_eq!(done.status.and_then(|status| status.attempt).map(|attempt| attempt.number), Some(1));
    }
}
