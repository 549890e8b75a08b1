//! Runs whose work a step of a cluster does: the cluster is started for them, each attempt is one step, and none is lost.

use aws_sdk_emr::types::ActionOnFailure;
use mizuumi_api::emr_cluster::Phase;
use mizuumi_api::ingest_run::{IngestRun, RunAttemptState, RunPhase};
use mizuumi_tests::{Controller, Hourly, Team, with_clusters};
use serde_json::{Value, json};

fn run(more: Value) -> Value {
    let mut spec = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "EmrStep",
        "emrStep": { "cluster": "shared", "step": { "name": "orders", "command": ["load", "${output}"] } },
    });
    json_patch::merge(&mut spec, &more);
    spec
}

async fn ready_team(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", published).await;
    team.create_cluster("shared", json!({ "lifecycle": "WhenNeeded", "idleTimeout": "7d" })).await;
    team.cluster_reason("shared", "Stopped").await;
    (team, controller)
}

/// The steps that the team's clusters have, of all times: names and states.
async fn steps(team: &Team) -> Vec<(String, String)> {
    let clusters = team.aws.emr.list_clusters().send().await.expect("the clusters");
    let mut all = Vec::new();
    for cluster in clusters.clusters() {
        let id = cluster.id().expect("an id");
        let list = team.aws.emr.list_steps().cluster_id(id).send().await.expect("the steps");
        all.extend(list.steps().iter().map(|step| {
            let state = step.status().and_then(|status| status.state()).expect("a state");
            (step.name().unwrap_or_default().to_owned(), state.as_str().to_owned())
        }));
    }
    all
}

fn attempt_state(run: &IngestRun) -> Option<(i64, RunAttemptState)> {
    let attempt = run.status.as_ref()?.attempt.as_ref()?;
    Some((attempt.number, attempt.state))
}

/// Waits until an attempt's step has an id.
async fn begun(team: &Team, run: &str, number: i64) -> IngestRun {
    team.run_until(run, "its step is there", |run| {
        let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.is_some_and(|attempt| attempt.number == number && attempt.external_id.is_some())
    })
    .await
}

#[tokio::test]
async fn a_cluster_is_started_for_a_run_does_its_step_and_the_data_is_published() {
    let (team, _controller) = ready_team("steps").await;
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    team.create_run("first", run(json!({}))).await;
    let done = team.run_phase("first", RunPhase::Succeeded).await;
    let attempt = done.status.and_then(|status| status.attempt).expect("an attempt");
    let id = attempt.external_id.expect("an id");
    assert!(id.starts_with("j-") && id.contains("/s-"), "{id}");
    let all = steps(&team).await;
    assert_eq!(all, [(format!("first-{}", attempt.nonce), "COMPLETED".to_owned())]);
    let (cluster, step) = id.split_once('/').expect("two ids");
    let described =
        team.aws.emr.describe_step().cluster_id(cluster).step_id(step).send().await.expect("a step");
    let config = described.step().and_then(|step| step.config()).expect("a config");
    assert_eq!(config.args(), ["load".to_owned(), attempt.output]);
    let then = described.step().and_then(|step| step.action_on_failure());
    assert_eq!(then, Some(&ActionOnFailure::Continue));
    // It is left to EMR, which ends it once it has been idle for long enough.
    team.cluster_until("shared", "no run asks any more", |cluster| {
        cluster
            .status
            .as_ref()
            .is_some_and(|status| status.runs.is_empty() && status.phase == Some(Phase::Waiting))
    })
    .await;
    team.event("shared", "StepsAdded").await;
}

#[tokio::test]
async fn steps_of_several_runs_go_to_one_cluster() {
    let (team, _controller) = ready_team("several").await;
    for name in ["first", "second", "third"] {
        team.write_output("orders", name, &[&format!("a1/day={name}/")]).await;
        team.create_run(name, run(json!({}))).await;
    }
    for name in ["first", "second", "third"] {
        team.run_phase(name, RunPhase::Succeeded).await;
    }
    assert_eq!(steps(&team).await.len(), 3);
    let emr = team.emr().await;
    assert_eq!((emr["started"].as_u64(), emr["duplicates"].as_u64()), (Some(1), Some(0)), "{emr:#}");
}

#[tokio::test]
async fn a_step_that_fails_is_told_in_the_words_of_emr_and_the_cluster_goes_on() {
    let (team, _controller) = ready_team("failing-step").await;
    team.create_run("broken", run(json!({}))).await;
    let why = team.run_reason("broken", "RunFailed").await;
    assert!(why.contains("step j-") && why.contains("failed"), "{why}");
    assert!(team.aws.partitions("orders").await.is_empty());
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    team.create_run("first", run(json!({}))).await;
    team.run_phase("first", RunPhase::Succeeded).await;
    assert_eq!(team.emr().await["started"].as_u64(), Some(1));
}

#[tokio::test]
async fn a_step_that_is_lost_with_its_cluster_is_done_again_on_another() {
    let (team, _controller) = ready_team("lost-step").await;
    team.create_run("slow", run(json!({}))).await;
    let first = begun(&team, "slow", 1).await;
    let id = first.status.and_then(|status| status.attempt?.external_id).expect("an id");
    let cluster = id.split('/').next().expect("the cluster");
    team.aws.emr.terminate_job_flows().job_flow_ids(cluster).send().await.expect("it is terminated");
    let waiting = team.run_reason("slow", "Retrying").await;
    assert!(waiting.contains("attempt 2 begins at"), "{waiting}");
    let again = begun(&team, "slow", 2).await;
    assert!(again.status.is_some_and(|status| status.failed_attempts[0].was_lost));
    let emr = team.emr().await;
    assert_eq!((emr["started"].as_u64(), emr["duplicates"].as_u64()), (Some(2), Some(0)), "{emr:#}");
}

#[tokio::test]
async fn the_step_of_a_run_that_is_given_up_or_deleted_is_cancelled() {
    let (team, _controller) = ready_team("cancelled-step").await;
    team.patch_cluster("shared", json!({ "spec": { "stepConcurrency": 2 } })).await;
    for name in ["slow-one", "slow-other"] {
        team.create_run(name, run(json!({}))).await;
        begun(&team, name, 1).await;
    }
    team.change_run("slow-one", json!({ "cancel": true })).await;
    team.runs().delete("slow-other", &kube::api::DeleteParams::default()).await.expect("it is deleted");
    let given_up = team.run_phase("slow-one", RunPhase::Failed).await;
    assert_eq!(attempt_state(&given_up), Some((1, RunAttemptState::Failed)));
    team.run_reason("slow-one", "RunCancelled").await;
    team.eventually("slow-other", "the run is gone", async || {
        anyhow::ensure!(team.runs().get_opt("slow-other").await?.is_none(), "it is there");
        Ok(())
    })
    .await;
    let all = steps(&team).await;
    assert!(all.len() == 2 && all.iter().all(|(_, state)| state == "CANCELLED"), "{all:?}");
    let asked = team.admin.count("CancelSteps", 0).await;
    assert!(asked <= 2, "EMR was asked {asked} times to cancel two steps");
}

#[tokio::test]
async fn a_step_whose_answer_is_lost_is_found_again_and_not_asked_for_twice() {
    for (fault, name) in [("drop-after", "reply-lost"), ("drop-before", "request-lost")] {
        let (team, _controller) = ready_team(name).await;
        team.write_output("orders", "first", &["a1/day=1/", "a2/day=1/"]).await;
        team.admin.fault(json!({ "action": fault, "operation": "AddJobFlowSteps", "times": 1 })).await;
        team.create_run("first", run(json!({}))).await;
        team.run_phase("first", RunPhase::Succeeded).await;
        assert!(team.admin.struck().await > 0, "the fault has struck");
        assert_eq!(steps(&team).await.len(), 1, "{fault}");
    }
}

#[tokio::test]
async fn a_run_waits_for_a_cluster_that_is_not_there_yet() {
    let (team, _controller) = ready_team("no-cluster").await;
    team.write_output("orders", "first", &["a1/day=1/"]).await;
    let labelled = json!({ "emrStep": { "cluster": null, "clusterSelector": { "size": "big" } } });
    team.create_run("first", run(labelled)).await;
    team.run_reason("first", "ClusterNotFound").await;
    team.patch_cluster("shared", json!({ "metadata": { "labels": { "size": "big" } } })).await;
    team.run_phase("first", RunPhase::Succeeded).await;
}

#[tokio::test]
async fn a_cluster_is_started_ahead_of_the_session_of_a_job_that_says_so() {
    let (team, _controller) = ready_team("prewarm").await;
    // The next session is in half an hour.
    let job = |prewarm: &str| {
        let step = json!({ "cluster": "shared", "step": { "name": "orders", "command": ["load"] } });
        json!({
            "schedule": { "cron": Hourly::new().cron }, "prewarm": prewarm,
            "run": { "table": "orders", "engine": "EmrStep", "emrStep": step },
        })
    };
    team.create_job("early", job("10m")).await;
    team.job_reason("early", "Scheduled").await;
    assert_eq!(team.emr().await["started"].as_u64(), Some(0));
    team.change_job("early", job("45m")).await;
    team.cluster_reason("shared", "Running").await;
    assert!(team.runs_of("early").await.expect("the runs").is_empty());
    team.change_job("early", json!({ "suspend": true })).await;
    team.cluster_reason("shared", "Stopped").await;
}
