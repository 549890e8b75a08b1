//! What the kstatus library makes of real objects: Argo CD, Flux and Helm wait by it.

use anyhow::{bail, ensure};
use mizuumi_api::emr_cluster::Phase;
use mizuumi_tests::{Controller, Team, condition, said_of, with_clusters};
use serde_json::json;

#[tokio::test]
async fn an_object_that_no_controller_has_seen_is_in_progress() {
    let team = Team::new("unseen").await;
    let table = team.create("orders", json!({})).await;
    assert_eq!(team.kstatus(&table).0, "InProgress");
}

#[tokio::test]
async fn an_object_is_in_progress_then_current_then_in_progress_when_it_changes() {
    let team = Team::new("verdicts").await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 800, "service": "glue" })).await;
    let mut controller = Controller::start(&team).await;
    team.create("orders", json!({})).await;
    let progressing = team.until("orders", "a condition", |t| condition(t, "Reconciling").is_some()).await;
    assert_eq!(team.kstatus(&progressing).0, "InProgress");
    let ready = team.ready("orders").await;
    assert_eq!(team.kstatus(&ready), ("Current".to_owned(), "Resource is Ready".to_owned()));
    controller.kill();
    let changed = team.change("orders", json!({ "description": "new" })).await;
    assert_eq!(team.kstatus(&changed).0, "InProgress", "the status speaks of the generation before");
}

#[tokio::test]
async fn an_object_with_a_spec_that_cannot_be_is_failed() {
    let team = Team::new("failed").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "location": "s3://somebody-elses/orders/" })).await;
    team.reason("orders", "NotAllowed").await;
    let (status, message) = team.kstatus(&team.get("orders").await);
    assert_eq!(status, "Failed");
    assert!(message.contains("spec.location"), "{message}");
}

#[tokio::test]
async fn an_object_that_is_being_deleted_is_terminating() {
    let team = Team::new("terminating").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete" })).await;
    team.admin.fault(json!({ "action": "unavailable", "operation": "DeleteTable" })).await;
    team.delete("orders").await;
    team.eventually("orders", "the failed deletion to be told", async || {
        let table = team.get("orders").await;
        ensure!(
            condition(&table, "Ready").is_some_and(|ready| ready.message.contains("DeleteTable")),
            "not yet"
        );
        ensure!(team.kstatus(&table).0 == "Terminating", "it is {:?}", team.kstatus(&table));
        Ok(())
    })
    .await;
    team.admin.heal().await;
    team.gone("orders").await;
}

/// What kstatus makes of a cluster in that phase.
fn verdict(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending | Phase::Verifying | Phase::Starting | Phase::Bootstrapping | Phase::Terminating => {
            "InProgress"
        }
        Phase::Failed => "Failed",
        Phase::Running | Phase::Waiting | Phase::Completed | Phase::Stopped => "Current",
    }
}

/// Follows a cluster until it has come to that phase; fails if kstatus and a phase on the way disagree.
async fn follow(team: &Team, name: &str, end: Phase, seen: &mut Vec<Phase>) {
    team.eventually(name, &format!("{name}: {end:?}"), async || {
        let cluster = team.clusters().get(name).await?;
        let Some(phase) = cluster.status.as_ref().and_then(|status| status.phase) else {
            bail!("it has no phase");
        };
        if !seen.contains(&phase) {
            seen.push(phase);
        }
        assert_eq!(team.kstatus(&cluster).0, verdict(phase), "{phase:?}: {}", said_of(&cluster));
        ensure!(phase == end, "it is {phase:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_cluster_is_what_its_phase_says() {
    let team = Team::new("cluster-phases").await;
    let unseen = team.create_cluster("idle", json!({ "lifecycle": "WhenNeeded" })).await;
    assert_eq!(team.kstatus(&unseen).0, "InProgress");
    let _controller = Controller::with(&team, |installation| {
        with_clusters(installation);
        // Long enough for the phase to be seen.
        installation.clusters.verify_seconds = 9;
    })
    .await;
    let stopped = team.cluster_reason("idle", "Stopped").await;
    assert_eq!(team.kstatus(&stopped).0, "Current", "nothing is wanted, so nothing is missed");
    team.create_batch("classless", &["only"]).await;
    let refused = team.cluster_reason("classless", "ClassNotFound").await;
    assert_eq!(team.kstatus(&refused).0, "Failed");
    team.delete_cluster("classless").await;
    team.class(json!({})).await;
    let mut seen = Vec::new();
    team.create_batch("batch", &["first"]).await;
    follow(&team, "batch", Phase::Completed, &mut seen).await;
    team.create_batch("bad", &["broken"]).await;
    follow(&team, "bad", Phase::Failed, &mut seen).await;
    // The answer of RunJobFlow is lost, and lists do not show the cluster yet.
    team.admin.fault(json!({ "action": "drop-after", "operation": "RunJobFlow", "times": 1 })).await;
    team.admin.fault(json!({ "action": "list-lag", "operation": "ListClusters", "delayMs": 600_000 })).await;
    team.need("idle", true).await;
    follow(&team, "idle", Phase::Verifying, &mut seen).await;
    team.admin.heal().await;
    follow(&team, "idle", Phase::Waiting, &mut seen).await;
    team.need("idle", false).await;
    follow(&team, "idle", Phase::Stopped, &mut seen).await;
    team.need("idle", true).await;
    follow(&team, "idle", Phase::Waiting, &mut seen).await;
    team.admin.fault(json!({ "action": "denied", "operation": "TerminateJobFlows" })).await;
    team.delete_cluster("idle").await;
    let deleting = team.cluster_reason("idle", "Denied").await;
    assert_eq!(team.kstatus(&deleting).0, "Terminating");
    team.admin.heal().await;
    team.cluster_gone("idle").await;
    // Others are over too soon to be seen each time.
    for phase in [Phase::Starting, Phase::Verifying, Phase::Waiting, Phase::Stopped] {
        assert!(seen.contains(&phase), "{phase:?} is not among {seen:?}");
    }
}
