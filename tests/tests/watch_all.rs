//! Shards of an installation that watches all namespaces. In a program of its own, the last one, as they see what all other tests
//! have left on the stand.

use mizuumi_core::shard_of;
use mizuumi_tests::{Controller, Launch, Team};
use serde_json::json;

/// One of two shards of all namespaces.
async fn shard(team: &Team, index: u16, name: &'static str) -> Controller {
    let launch = Launch { arguments: vec![format!("--shard={index}")], ..Launch::default() };
    Controller::launch(team, launch.named(name), |installation| {
        installation.kubernetes.namespaces.clear();
        installation.kubernetes.shards = 2;
    })
    .await
}

#[tokio::test]
async fn each_namespace_of_all_has_one_shard() {
    let ours = Team::new("everywhere").await;
    let mut theirs = ours.beside("everywhere").await;
    while shard_of(&theirs.namespace, 2) == shard_of(&ours.namespace, 2) {
        theirs = ours.beside("everywhere").await;
    }
    let index = shard_of(&ours.namespace, 2);
    let _one = shard(&ours, index, "one").await;
    theirs.create("theirs", json!({})).await;
    ours.create_ready("ours", json!({})).await;
    ours.sweeps(5).await;
    let untouched = theirs.get("theirs").await;
    assert!(untouched.metadata.finalizers.is_none(), "another shard's is left alone");
    // A resource that goes is no news for this shard either.
    let before = ours.admin.writes().await.len();
    let _other = shard(&ours, 1 - index, "other").await;
    theirs.ready("theirs").await;
    theirs.change("theirs", json!({ "description": "changed" })).await;
    theirs.ready("theirs").await;
    theirs.patch("theirs", json!({ "spec": { "deletionPolicy": "Delete" } })).await;
    theirs.ready("theirs").await;
    theirs.delete_wholly("theirs").await;
    let writes = ours.admin.writes().await;
    let of_theirs = writes[before..].iter().filter(|write| write.resource.contains("theirs")).count();
    assert_eq!(of_theirs, writes.len() - before, "{:?}", &writes[before..]);
    ours.ready("ours").await;
}
