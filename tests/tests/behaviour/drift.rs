//! What others do to a table: put back where the spec speaks, kept where it does not.

use anyhow::ensure;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::json;

#[tokio::test]
async fn drift_is_found_by_a_sweep_put_back_and_told() {
    let team = Team::new("drift").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "description": "mine" })).await;
    team.aws
        .meddle("orders", |mut table| {
            table.description = Some("theirs".to_owned());
            let storage = table.storage_descriptor.as_mut().expect("a storage descriptor");
            storage.columns.as_mut().expect("columns").truncate(1);
            table
        })
        .await;
    let table = team
        .until("orders", "drift", |table| table.status.as_ref().is_some_and(|status| status.drift.is_some()))
        .await;
    let drift = table.status.as_ref().and_then(|status| status.drift.clone()).expect("drift");
    assert_eq!(drift.changes, [r#"~ description: "theirs" → "mine""#, r#"+ columns.what: "string""#]);
    assert_eq!(reason_of(&table, "Ready"), "InSync");
    let note = team.event("orders", "DriftCorrected").await;
    assert!(note.contains("columns.what"), "{note}");
    let stored = team.aws.existing("orders").await;
    assert_eq!(stored.description(), Some("mine"));
    assert_eq!(stored.storage_descriptor().map(|storage| storage.columns().len()), Some(2));
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
}

#[tokio::test]
async fn a_table_that_somebody_deleted_is_made_again() {
    let team = Team::new("vanished").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.aws.delete_table("orders").await;
    team.eventually("orders", "the table again", async || {
        ensure!(team.aws.table("orders").await.is_some(), "it is not there");
        Ok(())
    })
    .await;
    team.ready("orders").await;
}

#[tokio::test]
async fn parameters_and_fields_of_others_are_kept_and_listed() {
    let team = Team::new("foreign").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "parameters": { "ours": "1" } })).await;
    team.aws
        .meddle("orders", |mut table| {
            let parameters = table.parameters.get_or_insert_default();
            parameters.insert("theirs".to_owned(), "a".to_owned());
            parameters.insert("spark.sql.create.version".to_owned(), "4.0".to_owned());
            table.description = Some("written by a crawler".to_owned());
            table.retention = 7;
            table
        })
        .await;
    let foreign = |table: &mizuumi_api::DataTable| {
        table.status.as_ref().map(|status| status.foreign_parameters.clone()).unwrap_or_default()
    };
    team.until("orders", "the foreign parameters", |table| foreign(table).len() == 2).await;
    team.change("orders", json!({ "parameters": { "ours": "2" } })).await;
    let table = team.ready("orders").await;
    assert_eq!(foreign(&table), ["spark.sql.create.version", "theirs"]);
    let stored = team.aws.existing("orders").await;
    let parameters = stored.parameters().expect("parameters");
    assert_eq!(parameters.get("theirs").map(String::as_str), Some("a"));
    assert_eq!(parameters.get("ours").map(String::as_str), Some("2"));
    assert_eq!(stored.description(), Some("written by a crawler"));
    assert_eq!(stored.retention(), 7);
    assert_eq!(table.status.expect("a status").drift, None, "what is not ours is no drift");
}

#[tokio::test]
async fn a_write_of_somebody_else_in_between_is_not_overwritten() {
    let team = Team::new("race").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    // The controller's update arrives late: by then there is another version.
    team.admin
        .fault(json!({ "action": "delay", "delayMs": 700, "operation": "UpdateTable", "times": 1 }))
        .await;
    let since = team.admin.seq().await;
    team.change("orders", json!({ "description": "mine" })).await;
    team.eventually("orders", "the update to be under way", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    team.aws.set_parameter("orders", "theirs", Some("kept")).await;
    team.ready("orders").await;
    let stored = team.aws.existing("orders").await;
    assert_eq!(stored.description(), Some("mine"));
    assert_eq!(stored.parameters().and_then(|all| all.get("theirs")).map(String::as_str), Some("kept"));
    let refused = team.admin.calls(since).await;
    assert!(
        refused.iter().any(|call| call.outcome == "ConcurrentModificationException"),
        "the late update was refused: {refused:?}"
    );
}

#[tokio::test]
async fn what_glue_spells_in_its_own_way_is_no_drift() {
    let team = Team::new("spelling").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "description": "",
        "location": format!("s3://{}/orders", team.aws.bucket),
        "schema": { "columns": [
            { "name": "UserId", "type": "INTEGER", "comment": "" },
            { "name": "price", "type": "decimal(10, 2)" },
            { "name": "lines", "type": "ARRAY<STRUCT<Sku: string>>" },
        ] },
    });
    team.create_ready("orders", spec).await;
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "again" })).await;
    let table = team
        .until("orders", "a second look", |table| {
            table.status.as_ref().is_some_and(|status| status.last_handled_reconcile_at.is_some())
        })
        .await;
    assert_eq!(reason_of(&table, "Ready"), "InSync");
    team.sweeps(2).await;
    assert_eq!(team.admin.writes().await.len(), 1, "the creation alone");
}
