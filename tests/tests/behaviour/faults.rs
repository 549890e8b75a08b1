//! AWS fails: told, tried again with patience, mended by itself, and nothing made twice.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mizuumi_api::{Condition, ConditionStatus};
use mizuumi_tests::{Controller, Team, bare, condition};
use serde_json::{Value, json};

/// Waits for a condition of failure; answers `Ready` and whether it comes with Reconciling or Stalled.
async fn failing(team: &Team, reason: &str) -> (Condition, &'static str) {
    let ready = team.reason("orders", reason).await;
    let table = team.get("orders").await;
    let beside = match (condition(&table, "Reconciling"), condition(&table, "Stalled")) {
        (Some(_), None) => "Reconciling",
        (None, Some(_)) => "Stalled",
        other => panic!("Reconciling and Stalled: {other:?}"),
    };
    (ready, beside)
}

#[tokio::test]
async fn an_outage_is_told_waited_out_and_mended_by_itself() {
    let team = Team::new("outage").await;
    team.aws.create_table("theirs", &[]).await;
    let before = team.aws.existing("theirs").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "before" })).await;
    team.admin.fault(json!({ "action": "unavailable" })).await;
    team.change("orders", json!({ "description": "after" })).await;
    let table = team
        .until("orders", "the failure told", |table| {
            condition(table, "Ready").is_some_and(|ready| ready.status != ConditionStatus::True)
        })
        .await;
    let ready = condition(&table, "Ready").expect("Ready");
    assert_eq!(ready.reason, "Unavailable");
    for part in ["glue:GetTables failed", "tried again by itself"] {
        assert!(ready.message.contains(part), "no {part} in {}", ready.message);
    }
    assert!(condition(&table, "Reconciling").is_some() && condition(&table, "Stalled").is_none());
    assert_eq!(team.kstatus(&table).0, "InProgress");
    team.admin.heal().await;
    team.ready("orders").await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("after"));
    assert_eq!(team.aws.existing("theirs").await, before);
}

#[tokio::test]
async fn an_outage_that_lasts_is_told_of_tables_that_nobody_changed() {
    let team = Team::new("lasting").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    for (action, reason) in [("unavailable", "Unavailable"), ("denied", "Denied")] {
        team.admin.fault(json!({ "action": action })).await;
        team.reason("orders", reason).await;
        team.admin.heal().await;
        team.ready("orders").await;
    }
    assert_eq!(team.admin.writes().await.len(), 1, "nothing had to be written");
}

#[tokio::test]
async fn throttling_is_answered_with_patience() {
    let team = Team::new("throttle").await;
    team.admin.fault(json!({ "action": "throttle", "service": "glue" })).await;
    let _controller = Controller::start(&team).await;
    let since = team.admin.seq().await;
    team.create("orders", json!({})).await;
    let (ready, beside) = failing(&team, "Throttled").await;
    assert_eq!((ready.status, beside), (ConditionStatus::Unknown, "Reconciling"));
    assert!(ready.message.contains("Rate exceeded"), "{}", ready.message);
    // A hot loop would make them within a moment.
    let began = Instant::now();
    team.eventually("orders", "tries", async || {
        let tries = team.admin.count("GetTables", since).await;
        ensure!(tries >= 20, "{tries} tries");
        Ok(())
    })
    .await;
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1), "it took {took:?}");
    team.admin.heal().await;
    team.ready("orders").await;
}

#[tokio::test]
async fn a_denial_is_told_as_final_and_recovers_once_it_is_allowed() {
    let team = Team::new("denied").await;
    team.admin.fault(json!({ "action": "denied", "operation": "CreateTable" })).await;
    let _controller = Controller::start(&team).await;
    let since = team.admin.seq().await;
    team.create("orders", json!({})).await;
    let (ready, beside) = failing(&team, "Denied").await;
    assert_eq!((ready.status, beside), (ConditionStatus::False, "Stalled"));
    for part in ["glue:CreateTable", "AccessDeniedException", "role of this profile"] {
        assert!(ready.message.contains(part), "no {part} in {}", ready.message);
    }
    assert_eq!(team.kstatus(&team.get("orders").await).0, "Failed");
    team.event("orders", "Denied").await;
    team.sweeps(3).await;
    let tries = team.admin.count("CreateTable", since).await;
    assert!((1..=4).contains(&tries), "{tries} tries");
    team.admin.heal().await;
    team.ready("orders").await;
    assert!(team.aws.table("orders").await.is_some());
}

#[tokio::test]
async fn expired_credentials_are_told_as_a_denial() {
    let team = Team::new("expired").await;
    team.admin.fault(json!({ "action": "expired-token", "operation": "GetTables" })).await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({})).await;
    let (ready, beside) = failing(&team, "Denied").await;
    assert_eq!(beside, "Stalled");
    assert!(ready.message.contains("expired"), "{}", ready.message);
    team.admin.heal().await;
    team.ready("orders").await;
}

/// The whole life of a table, with a fault at the first call of one write. The end is the same as without.
async fn lives_through(name: &str, action: &str, operation: &str) {
    let team = Team::new(name).await;
    let _controller = Controller::start(&team).await;
    let days = |days: &[&str]| -> Value {
        let listed: Vec<Value> = days.iter().map(|day| json!({ "values": [day] })).collect();
        json!({
            "deletionPolicy": "Delete",
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Declared", "declared": listed },
        })
    };
    team.admin.fault(json!({ "action": action, "operation": operation, "times": 1 })).await;
    let mut first = days(&["1", "2"]);
    first["description"] = json!("first");
    team.create_ready("orders", first).await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("first"));
    assert_eq!(team.aws.partition_values("orders").await, ["1", "2"]);
    let mut second = days(&["2", "3"]);
    second["description"] = json!("second");
    second["partitions"]["declared"][0]["location"] = json!(format!("s3://{}/moved/", team.aws.bucket));
    team.change("orders", second).await;
    team.ready("orders").await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("second"));
    assert_eq!(team.aws.partition_values("orders").await, ["2", "3"]);
    let moved = team.aws.partitions("orders").await[0]
        .storage_descriptor()
        .and_then(|s| s.location().map(str::to_owned));
    assert_eq!(moved, Some(format!("s3://{}/moved/", team.aws.bucket)));
    team.delete_wholly("orders").await;
    assert!(team.aws.table("orders").await.is_none());
    assert_eq!(team.admin.struck().await, 1, "the fault has struck");
    let creates = team.admin.writes().await.iter().filter(|write| write.operation == "CreateTable").count();
    assert_eq!(creates, 1, "one table was made");
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
}

/// A test for each fault: the whole life of a table with that fault at each kind of write.
macro_rules! lives_through {
    ($($name:ident: $action:literal;)+) => {
        $(#[tokio::test]
        async fn $name() {
            for operation in [
                "CreateTable", "UpdateTable", "DeleteTable",
                "BatchCreatePartition", "BatchUpdatePartition", "BatchDeletePartition",
            ] {
                lives_through($action, $action, operation).await;
            }
        })+
    };
}

lives_through! {
    a_lost_reply_to_any_write_makes_nothing_twice: "drop-after";
    a_lost_request_is_made_again: "drop-before";
    a_failure_after_the_effect_of_any_write_makes_nothing_twice: "error-after";
    a_failure_before_the_effect_of_any_write_is_made_good: "error-before";
}

#[tokio::test]
async fn a_write_whose_outcome_stays_unknown_is_told_and_not_repeated_in_haste() {
    let team = Team::new("unknown").await;
    team.admin.fault(json!({ "action": "error-before", "operation": "CreateTable" })).await;
    let _controller = Controller::start(&team).await;
    let since = team.admin.seq().await;
    team.create("orders", json!({})).await;
    let (ready, beside) = failing(&team, "OutcomeUnknown").await;
    assert_eq!((ready.status, beside), (ConditionStatus::False, "Reconciling"));
    for part in ["glue:CreateTable failed", "looked at before anything else"] {
        assert!(ready.message.contains(part), "no {part} in {}", ready.message);
    }
    team.sweeps(3).await;
    let tries = team.admin.count("CreateTable", since).await;
    assert!((2..=8).contains(&tries), "{tries} tries in a few seconds");
    team.admin.heal().await;
    team.ready("orders").await;
}

#[tokio::test]
async fn a_list_of_short_pages_is_read_to_its_end() {
    let team = Team::new("pages").await;
    for name in ["a", "b", "z"] {
        team.aws.create_table(name, &[]).await;
    }
    team.admin.fault(json!({ "action": "short-page" })).await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "mine" })).await;
    let stored = bare(team.aws.existing("orders").await);
    team.sweeps(8).await;
    assert_eq!(bare(team.aws.existing("orders").await), stored);
    assert_eq!(team.admin.writes().await.len(), 1, "a page is not taken for the whole list");
}

#[tokio::test]
async fn an_object_can_be_abandoned_while_aws_denies_everything() {
    let team = Team::new("abandon").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete" })).await;
    team.admin.fault(json!({ "action": "denied" })).await;
    team.delete("orders").await;
    let table = team
        .until("orders", "the denial told", |table| {
            condition(table, "Ready").is_some_and(|ready| ready.reason == "Denied")
        })
        .await;
    let message = &condition(&table, "Ready").expect("Ready").message;
    assert!(message.contains("mizuumi.dev/abandon"), "{message}");
    team.annotate("orders", json!({ "mizuumi.dev/abandon": "true" })).await;
    team.within(Duration::from_secs(10), "orders", "the object to be gone", async || {
        ensure!(team.tables.get_opt("orders").await?.is_none(), "it is still there");
        Ok(())
    })
    .await;
    team.admin.heal().await;
    assert!(team.aws.table("orders").await.is_some(), "AWS was not touched");
}

#[tokio::test]
async fn an_object_can_be_deleted_while_its_table_is_somebody_elses() {
    let team = Team::new("theirs").await;
    team.aws.create_table("orders", &[]).await;
    let before = team.aws.existing("orders").await;
    let _controller = Controller::start(&team).await;
    for policy in ["Delete", "Retain"] {
        team.create("orders", json!({ "deletionPolicy": policy })).await;
        team.reason("orders", "NotAdopted").await;
        team.delete_wholly("orders").await;
    }
    assert_eq!(team.aws.existing("orders").await, before);
}

#[tokio::test]
async fn an_object_can_be_deleted_when_its_table_and_database_are_gone() {
    let team = Team::new("void").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete" })).await;
    team.create_ready("kept", json!({ "deletionPolicy": "Retain" })).await;
    let delete = team.aws.glue.delete_database().name(&team.aws.database);
    delete.send().await.expect("the database is deleted");
    team.delete_wholly("orders").await;
    team.delete_wholly("kept").await;
}
