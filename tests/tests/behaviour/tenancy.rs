//! What a team may not reach, whatever it writes: clusters of others by a forged status, databases that are taken back, secrets in a log.

use anyhow::ensure;
use aws_sdk_emr::types::{ClusterState, JobFlowInstancesConfig};
use kube::api::{Patch, PatchParams};
use mizuumi_tests::{Controller, Launch, Team, with_clusters};
use serde_json::json;

/// A cluster that somebody else runs in the same account.
async fn of_somebody_else(team: &Team) -> String {
    let instances = JobFlowInstancesConfig::builder()
        .keep_job_flow_alive_when_no_steps(true)
        .master_instance_type("m6g.xlarge")
        .slave_instance_type("m6g.xlarge")
        .instance_count(3)
        .ec2_subnet_id("subnet-0a1b2c3d")
        .build();
    let started = team
        .aws
        .emr
        .run_job_flow()
        .name("theirs")
        .release_label("emr-7.5.0")
        .service_role("EMR_DefaultRole_V2")
        .job_flow_role("EMR_EC2_DefaultRole")
        .instances(instances)
        .send();
    started.await.expect("their cluster starts").job_flow_id.expect("an id")
}

#[tokio::test]
async fn a_status_that_names_somebody_elses_cluster_ends_nothing_and_has_no_step_added() {
    let team = Team::new("forged").await;
    team.quick_clusters().await;
    let theirs = of_somebody_else(&team).await;
    team.class(json!({})).await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.create_needed("adhoc", json!({ "deletionPolicy": "Delete" })).await;
    let ours = team.cluster_reason("adhoc", "Running").await.status.expect("a status");
    let ours = ours.cluster_id.expect("an id");
    assert_ne!(ours, theirs);
    controller.kill();
    // Who may write the status writes what he likes while nobody looks.
    let forged = json!({ "status": { "clusterId": theirs, "attempt": { "clusterId": theirs } } });
    let params = PatchParams::default();
    team.clusters().patch_status("adhoc", &params, &Patch::Merge(forged)).await.expect("it is forged");
    controller.restart();
    team.cluster_until("adhoc", "its own cluster again", |cluster| {
        cluster.status.as_ref().and_then(|status| status.cluster_id.as_deref()) == Some(ours.as_str())
    })
    .await;
    team.patch_cluster("adhoc", json!({ "spec": { "stepConcurrency": 5 } })).await;
    team.delete_cluster("adhoc").await;
    team.cluster_gone("adhoc").await;
    let state = async |id: &str| {
        let answer = team.aws.emr.describe_cluster().cluster_id(id).send().await.expect("the cluster");
        let cluster = answer.cluster.expect("the cluster");
        let state = cluster.status.and_then(|status| status.state).expect("a state");
        (state, cluster.step_concurrency_level, cluster.tags.unwrap_or_default().len())
    };
    let (state_of_theirs, concurrency, tags) = state(&theirs).await;
    assert!(
        matches!(
            state_of_theirs,
            ClusterState::Waiting
                | ClusterState::Running
                | ClusterState::Starting
                | ClusterState::Bootstrapping
        ),
        "theirs is {state_of_theirs:?}"
    );
    assert_eq!((concurrency.unwrap_or(1), tags), (1, 0), "nothing of theirs was changed");
    assert!(
        matches!(state(&ours).await.0, ClusterState::Terminating | ClusterState::Terminated),
        "ours is not left behind"
    );
}

#[tokio::test]
async fn what_is_allowed_no_longer_is_written_no_longer_and_nothing_is_deleted() {
    let team = Team::new("revoked").await;
    let mut controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete", "description": "before" })).await;
    controller.kill();
    drop(controller);
    let before = team.admin.writes().await.len();
    let _controller = Controller::with(&team, |installation| {
        installation.allow.databases = vec!["another_team".to_owned()];
    })
    .await;
    team.reason("orders", "NotAllowed").await;
    team.change("orders", json!({ "description": "after" })).await;
    team.until("orders", "the change refused too", |table| {
        table.status.as_ref().map(|status| status.observed_generation) == table.metadata.generation
    })
    .await;
    team.sweeps(3).await;
    assert_eq!(team.admin.writes().await.len(), before, "nothing is written");
    assert_eq!(team.aws.existing("orders").await.description(), Some("before"));
}

#[tokio::test]
async fn no_secret_gets_into_a_log_a_status_or_an_event() {
    const SECRET: &str = "hW5kP0aQ7sXv3nTzR9yLcE1mBd8gJ2fU4iKoN6wA";
    const TOKEN: &str = "FwoGZXIvYXdzEJr-the-token-of-a-session-that-nobody-may-read";
    let team = Team::new("secrets").await;
    let variables = vec![
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
        ("MIZUUMI_LOG", "trace".to_owned()),
    ];
    let controller = Controller::launch(&team, Launch { variables, ..Launch::default() }, |_| {}).await;
    team.create_ready("orders", json!({})).await;
    team.admin.fault(json!({ "action": "denied", "operation": "UpdateTable" })).await;
    team.change("orders", json!({ "description": "after" })).await;
    team.reason("orders", "Denied").await;
    team.event("orders", "Denied").await;
    let log = controller.log();
    ensure_whole(&log).expect("a log of everything");
    let events = format!("{:?}", team.events("orders").await);
    let object = serde_json::to_string(&team.get("orders").await).expect("JSON");
    for (what, text) in [("the log", &log), ("an Event", &events), ("the resource", &object)] {
        for secret in [SECRET, TOKEN] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{what} has a secret");
        }
    }
}

/// Whether a log has what the libraries say too; else there would be nothing to look through.
fn ensure_whole(log: &str) -> anyhow::Result<()> {
    for part in ["TRACE", "aws_smithy_runtime", "UpdateTable"] {
        ensure!(log.contains(part), "no {part} in {} bytes of log", log.len());
    }
    Ok(())
}
