//! The controller dies at each write of a cluster's life, or does not hear of it; there is one cluster, always.

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use mizuumi_tests::{ClusterStory, Controller, Finding, Team, with_clusters};
use serde_json::json;

/// Points of death tried at once.
const AT_ONCE: usize = 4;

async fn dies_everywhere(story: ClusterStory) {
    let reference = story.reference().await;
    assert!(reference.calls.iter().any(mizuumi_tests::Call::writes), "{:?}", reference.calls);
    let at_aws = ClusterStory::deaths_at_writes(&reference).into_iter();
    let deaths = at_aws.chain(reference.deaths_at_writes_to_the_apiserver());
    stream::iter(deaths)
        .for_each_concurrent(AT_ONCE, async |death| {
            let ended = story.with_death(death, &reference).await;
            let operations: Vec<_> = reference.calls.iter().map(|call| call.operation.as_str()).collect();
            assert_eq!(ended.finding, Finding::default(), "{story:?}, {death:?} of {operations:?}");
        })
        .await;
}

// What becomes of the other stories, and at the looks between writes, `make faults` tries.

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_clusters_life() {
    dies_everywhere(ClusterStory::Create).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_clusters_end() {
    dies_everywhere(ClusterStory::Delete).await;
}

#[tokio::test]
async fn a_cluster_is_known_again_after_a_restore_without_its_status() {
    let team = Team::new("restored").await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_cluster("one", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("one", true).await;
    let before = team.cluster_reason("one", "Running").await.status.expect("a status").cluster_id;
    controller.kill();
    // The object comes back as a backup has it: without finalizer, uid and status.
    team.patch_cluster("one", json!({ "metadata": { "finalizers": null } })).await;
    team.delete_cluster("one").await;
    team.create_cluster("one", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("one", true).await;
    controller.restart();
    let after = team.cluster_reason("one", "Running").await.status.expect("a status").cluster_id;
    assert_eq!(after, before);
    assert_eq!(team.emr().await["started"].as_u64(), Some(1));
}

#[tokio::test]
async fn a_cluster_that_no_resource_keeps_is_ended_if_the_platform_says_so() {
    let team = Team::new("orphan").await;
    let mut controller = Controller::with(&team, |installation| {
        with_clusters(installation);
        installation.clusters.orphans = mizuumi_api::installation::OrphanPolicy::Terminate;
    })
    .await;
    team.class(json!({})).await;
    for name in ["kept", "lost"] {
        team.create_cluster(name, json!({ "lifecycle": "WhenNeeded" })).await;
        team.need(name, true).await;
        team.cluster_reason(name, "Running").await;
    }
    controller.kill();
    team.patch_cluster("lost", json!({ "metadata": { "finalizers": null } })).await;
    team.delete_cluster("lost").await;
    controller.restart();
    team.eventually("kept", "the end of the lost one", async || {
        let emr = team.emr().await;
        ensure!(emr["alive"] == 1, "{emr:#}");
        Ok(())
    })
    .await;
    team.cluster_reason("kept", "Running").await;
}
