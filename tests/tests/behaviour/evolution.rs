//! Columns change without asking where nobody breaks by it, and wait for approval where somebody does.

use mizuumi_tests::{Controller, Team};
use serde_json::{Value, json};

fn columns(columns: &[(&str, &str)]) -> Value {
    let all: Vec<Value> =
        columns.iter().map(|(name, type_)| json!({ "name": name, "type": type_ })).collect();
    json!({ "schema": { "columns": all } })
}

/// The hash that a message names first.
fn hash_in(message: &str) -> String {
    message.split('\'').nth(1).expect("a hash in quotes").to_owned()
}

#[tokio::test]
async fn a_column_that_is_added_or_widened_changes_without_asking() {
    let team = Team::new("additive").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.change("orders", columns(&[("id", "bigint"), ("at", "tinyint"), ("what", "string")])).await;
    team.ready("orders").await;
    team.change("orders", columns(&[("id", "bigint"), ("at", "int"), ("what", "string")])).await;
    team.ready("orders").await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "at int", "what string"]);
}

#[tokio::test]
async fn a_column_that_goes_waits_for_approval() {
    let team = Team::new("breaking").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    let mut spec = columns(&[("id", "int")]);
    spec["description"] = json!("one column");
    let manifest = team.manifest("orders", spec.clone());
    let planned = team.plan(std::slice::from_ref(&manifest), &[]).await;
    team.change("orders", spec).await;
    let told = team.reason("orders", "ApprovalRequired").await;
    for part in
        ["columns.what (string) goes: queries that name it fail", "columns.id becomes int, and is bigint"]
    {
        assert!(told.message.contains(part), "{}", told.message);
    }
    let hash = hash_in(&told.message);
    assert!(planned.out.contains(&hash), "the plan names the same hash: {}", planned.out);
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"]);
    assert_eq!(team.aws.existing("orders").await.description(), None, "a change is made whole or not at all");
    assert_eq!(team.kstatus(&team.get("orders").await).0, "Failed");

    team.change("orders", json!({ "approvals": ["0123456789abcdef"] })).await;
    team.reason("orders", "ApprovalRequired").await;
    team.annotate("orders", json!({ "mizuumi.dev/approve": hash })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.columns("orders").await, ["id int"]);
    assert_eq!(team.aws.existing("orders").await.description(), Some("one column"));
}

#[tokio::test]
async fn partitions_and_runs_go_on_while_a_change_waits() {
    let team = Team::new("held").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", spec).await;
    team.change("orders", columns(&[("id", "bigint")])).await;
    team.reason("orders", "ApprovalRequired").await;
    team.write_output("orders", "first", &["day=1/"]).await;
    team.mark_output("orders", "first").await;
    team.start_run("first", "orders", 1, 0).await;
    team.run_phase("first", mizuumi_api::ingest_run::RunPhase::Succeeded).await;
    assert_eq!(team.aws.partition_values("orders").await, ["1"]);
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"]);
}

#[tokio::test]
async fn a_policy_or_a_spec_may_approve_beforehand() {
    let team = Team::new("approved").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "schema": { "evolution": "Breaking" } })).await;
    team.change("orders", columns(&[("id", "bigint")])).await;
    team.ready("orders").await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint"]);
    let mut spec = columns(&[("id", "bigint"), ("more", "string")]);
    spec["schema"]["evolution"] = json!("Additive");
    team.change("orders", spec).await;
    team.ready("orders").await;
    team.change("orders", columns(&[("id", "string"), ("more", "string")])).await;
    let told = team.reason("orders", "ApprovalRequired").await;
    team.change("orders", json!({ "approvals": [hash_in(&told.message)] })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.columns("orders").await, ["id string", "more string"]);
}

#[tokio::test]
async fn a_change_of_the_columns_reaches_partitions_and_leaves_them_where_they_are() {
    let team = Team::new("cascade").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": [
            { "values": ["1"] }, { "values": ["2"], "location": format!("{}elsewhere/", team.location("orders")) },
        ] },
    });
    team.create_ready("orders", spec).await;
    team.aws.create_partition("orders", &["0"], "s3://lake/theirs/day=0/").await;
    team.change("orders", columns(&[("id", "bigint"), ("at", "tinyint")])).await;
    let held = team.reason("orders", "ApprovalRequired").await;
    let before = team.aws.partitions("orders").await;
    let approved = json!({ "approvals": [hash_in(&held.message)] });
    team.change("orders", approved).await;
    team.ready("orders").await;
    let event = team.event("orders", "ColumnsCascaded").await;
    assert!(event.contains("give 3 partitions the table's columns: [0], [1], [2]"), "{event}");
    let after = team.aws.partitions("orders").await;
    assert_eq!(before.len(), 3);
    for (before, after) in before.iter().zip(&after) {
        let columns: Vec<&str> = after
            .storage_descriptor()
            .expect("storage")
            .columns()
            .iter()
            .map(aws_sdk_glue::types::Column::name)
            .collect();
        assert_eq!(columns, ["id", "at"], "{:?}", after.values());
        let bare = |partition: &aws_sdk_glue::types::Partition| {
            let mut storage = partition.storage_descriptor().expect("storage").clone();
            storage.columns = None;
            let mut parameters = partition.parameters().cloned().unwrap_or_default();
            parameters.remove("mizuumi.columns");
            (partition.values().to_vec(), storage, parameters)
        };
        assert_eq!(bare(before), bare(after));
    }
    // What comes later is made with the same mark, so nothing is written twice.
    let more = json!({ "partitions": { "declared": [{ "values": ["1"] }, { "values": ["3"] }] } });
    team.change("orders", more).await;
    team.ready("orders").await;
    let told = team.events("orders").await;
    assert_eq!(told.iter().filter(|(reason, _)| reason == "ColumnsCascaded").count(), 1, "{told:?}");
    team.delete_wholly("orders").await;
    for partition in team.aws.partitions("orders").await {
        let ours =
            partition.parameters().is_some_and(|all| all.keys().any(|key| key.starts_with("mizuumi.")));
        assert!(!ours, "{partition:?}");
    }
}

#[tokio::test]
async fn what_somebody_else_did_to_the_columns_is_put_back_without_asking() {
    let team = Team::new("meddled").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.aws
        .meddle("orders", |mut table| {
            let more = aws_sdk_glue::types::Column::builder().name("theirs").r#type("int").build();
            let storage = table
                .storage_descriptor
                .get_or_insert_with(|| aws_sdk_glue::types::StorageDescriptor::builder().build());
            storage.columns.get_or_insert_default().push(more.expect("a column"));
            table
        })
        .await;
    team.event("orders", "DriftCorrected").await;
    team.ready("orders").await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"]);
}
