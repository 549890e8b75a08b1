//! What an EmrCluster tells of its cluster: failures with their logs, lost instances, links, in EMR's own words.

use mizuumi_tests::{Controller, Team, said_of, with_clusters};
use serde_json::json;

#[tokio::test]
async fn a_failed_step_is_told_with_its_id_reason_and_log() {
    let team = Team::new("told-step").await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_batch("nightly", &["first", "broken"]).await;
    let failed = team.cluster_reason("nightly", "ClusterFailed").await.status.expect("a status");
    let (log_uri, steps) = (failed.log_uri.expect("logs"), failed.steps.expect("steps"));
    let step = steps.failure.expect("a step that failed");
    assert_eq!((steps.completed, step.name.as_str()), (1, "broken"));
    assert!(step.id.starts_with("s-") && step.reason.is_some(), "{step:?}");
    let log_file = step.log_file.expect("its log");
    assert!(log_file.starts_with(&format!("{log_uri}steps/{}/", step.id)), "{log_file}");
}

#[tokio::test]
async fn a_failed_bootstrap_action_is_told_with_its_log() {
    let team = Team::new("told-bootstrap").await;
    team.admin.fault(json!({ "action": "bootstrap-failure", "times": 1 })).await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_batch("nightly", &["first"]).await;
    let failed = team.cluster_reason("nightly", "ClusterFailed").await;
    let status = failed.status.clone().expect("a status");
    let failure = status.failure.expect("a failure");
    assert_eq!(failure.code, "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE");
    assert!(failure.help.is_some_and(|page| page.contains(&failure.code)));
    let log = failure.log_uri.expect("its log");
    let node = format!("{}node/i-", status.log_uri.expect("logs"));
    assert!(log.starts_with(&node) && log.ends_with("/bootstrap-actions/1/"), "{log}");
    assert!(said_of(&failed).contains(&log), "{}", said_of(&failed));
}

#[tokio::test]
async fn lost_spot_instances_and_links_are_told() {
    let team = Team::new("told-lost").await;
    let _controller = Controller::with(&team, with_clusters).await;
    let groups = json!([
        { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
        { "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 1 },
        { "name": "task", "role": "Task", "instanceType": "m6g.xlarge", "count": 2, "market": "Spot" },
    ]);
    team.class(json!({ "defaults": { "instanceGroups": groups } })).await;
    team.create_cluster("adhoc", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("adhoc", true).await;
    let running = team.cluster_reason("adhoc", "Running").await.status.expect("a status");
    assert_eq!(running.lost, None);
    let spark = running.links.iter().find(|link| link.name == "Spark history server").expect("a link");
    assert_eq!(spark.url, format!("http://{}:18080/", running.master_dns.expect("a master")));
    let id = running.cluster_id.expect("an id");
    let fault = json!({ "action": "spot-loss", "operation": "DescribeCluster", "table": id, "times": 1 });
    team.admin.fault(fault).await;
    let asked = json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": "now" } } });
    team.patch_cluster("adhoc", asked).await;
    let told = team
        .cluster_until("adhoc", "a lost instance", |cluster| {
            cluster.status.as_ref().is_some_and(|status| status.lost.is_some())
        })
        .await;
    let lost = told.status.and_then(|status| status.lost).expect("a lost instance");
    assert_eq!((lost.spot, lost.on_demand, lost.latest.len()), (1, 0, 1));
    let one = &lost.latest[0];
    assert_eq!(one.group.as_deref(), Some("task"));
    assert!(one.id.starts_with("i-") && one.reason.contains("SpotInstanceTermination"), "{one:?}");
}
