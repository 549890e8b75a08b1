//! Resources that only look, only plan, or rest.

use anyhow::ensure;
use mizuumi_api::ConditionStatus;
use mizuumi_tests::{Controller, Team, condition, reason_of};
use serde_json::json;

#[tokio::test]
async fn observe_only_never_writes_and_says_what_differs() {
    let team = Team::new("observe").await;
    team.aws.create_table("orders", &[("theirs", "a")]).await;
    let before = team.aws.existing("orders").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "managementPolicy": "ObserveOnly", "deletionPolicy": "Delete" })).await;
    team.create("absent", json!({ "managementPolicy": "ObserveOnly" })).await;
    let differs = team.reason("orders", "Differs").await;
    assert_eq!(differs.status, ConditionStatus::False);
    for part in ["- columns.theirs", "+ columns.id", "serde"] {
        assert!(differs.message.contains(part), "no {part} in {}", differs.message);
    }
    let absent = team.reason("absent", "NotFound").await;
    assert!(absent.message.contains("does not exist"), "{}", absent.message);
    team.sweeps(2).await;
    assert_eq!(team.kstatus(&team.get("orders").await).0, "InProgress");
    team.delete_wholly("orders").await;
    team.delete_wholly("absent").await;
    assert_eq!(team.aws.existing("orders").await, before);
    assert_eq!(team.admin.writes().await.len(), 0);
}

#[tokio::test]
async fn observe_only_is_ready_once_the_table_is_as_the_spec_says() {
    let team = Team::new("observed").await;
    team.aws.create_table("orders", &[("EXTERNAL", "TRUE")]).await;
    let _controller = Controller::start(&team).await;
    let storage = json!({
        "inputFormat": "org.example.In",
        "outputFormat": "org.example.Out",
        "serde": { "library": "org.example.Serde" },
    });
    let spec = json!({
        "managementPolicy": "ObserveOnly",
        "format": null,
        "storage": storage,
        "schema": { "columns": [{ "name": "theirs", "type": "string" }] },
    });
    team.create("orders", spec).await;
    team.reason("orders", "Differs").await;
    team.aws
        .meddle("orders", |mut table| {
            let storage = table.storage_descriptor.as_mut().expect("a storage descriptor");
            storage.input_format = Some("org.example.In".to_owned());
            storage.output_format = Some("org.example.Out".to_owned());
            table
        })
        .await;
    team.ready("orders").await;
    assert_eq!(team.admin.writes().await.len(), 0);
}

#[tokio::test]
async fn plan_never_writes_and_lists_in_the_status_what_it_would_do() {
    let team = Team::new("planned").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "managementPolicy": "Plan", "deletionPolicy": "Delete" })).await;
    let pending = team.reason("orders", "PlanPending").await;
    assert!(pending.message.contains("managementPolicy: Full"), "{}", pending.message);
    let plan = team.get("orders").await.status.and_then(|status| status.plan).expect("a plan");
    assert_eq!(plan.steps, 1);
    assert_eq!(
        plan.lines,
        [format!("create table: 2 columns, 0 partition keys, at {}", team.location("orders"))]
    );
    team.sweeps(2).await;
    assert_eq!(team.admin.writes().await.len(), 0);

    team.change("orders", json!({ "managementPolicy": "Full" })).await;
    let table = team.ready("orders").await;
    assert_eq!(table.status.expect("a status").plan, None);
    team.change("orders", json!({ "managementPolicy": "Plan", "description": "new" })).await;
    team.reason("orders", "PlanPending").await;
    let plan = team.get("orders").await.status.and_then(|status| status.plan).expect("a plan");
    assert_eq!(plan.lines.len(), 1);
    assert!(plan.lines[0].contains(r#"+ description: "new""#), "{plan:?}");
    team.delete_wholly("orders").await;
    assert_eq!(team.admin.writes().await.len(), 1, "only the creation in between");
}

#[tokio::test]
async fn suspension_stops_writes_but_not_deletion() {
    let team = Team::new("suspend").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "mine", "deletionPolicy": "Delete" })).await;
    team.change("orders", json!({ "suspend": true, "description": "changed" })).await;
    let table = team.until("orders", "Suspended", |table| reason_of(table, "Ready") == "Suspended").await;
    let kept = condition(&table, "Ready").expect("Ready");
    assert_eq!((kept.status, kept.observed_generation), (ConditionStatus::True, 1), "kept as it was");
    assert_eq!(table.status.as_ref().map(|status| status.observed_generation), Some(2));
    assert!(kept.message.contains(r#""mine" → "changed""#), "{}", kept.message);
    assert!(condition(&table, "Reconciling").is_none() && condition(&table, "Stalled").is_none());
    team.aws.set_parameter("orders", "classification", Some("csv")).await;
    team.sweeps(2).await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("mine"));
    assert_eq!(team.aws.parameter("orders", "classification").await.as_deref(), Some("csv"));

    team.change("orders", json!({ "suspend": false })).await;
    team.ready("orders").await;
    team.eventually("orders", "what was left undone", async || {
        ensure!(team.aws.existing("orders").await.description() == Some("changed"), "not yet");
        Ok(())
    })
    .await;
    team.change("orders", json!({ "suspend": true })).await;
    team.until("orders", "suspension seen", |table| {
        table.status.as_ref().map(|s| s.observed_generation) == table.metadata.generation
    })
    .await;
    team.delete_wholly("orders").await;
    assert!(team.aws.table("orders").await.is_none());
}

#[tokio::test]
async fn a_suspended_table_that_is_as_the_spec_says_stays_ready() {
    let team = Team::new("resting").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.change("orders", json!({ "suspend": true })).await;
    let table = team.ready("orders").await;
    assert_eq!(reason_of(&table, "Ready"), "InSync");
    assert_eq!(team.kstatus(&table).0, "Current");
}
