//! What the kstatus library makes of real objects: Argo CD, Flux and Helm wait by it.

use anyhow::ensure;
use mizuumi_tests::{Controller, Team, condition};
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
