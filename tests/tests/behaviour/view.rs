//! Views: made as Athena makes them, put back when somebody changes the query, and never in the place of a table.

use aws_sdk_glue::types::Table;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mizuumi_api::ConditionStatus;
use mizuumi_tests::{Controller, Team, condition};
use serde_json::{Value, json};

const SQL: &str = "SELECT id, what FROM orders";

fn view(sql: &str) -> Value {
    json!({ "location": null, "format": null, "view": { "sql": sql } })
}

/// What a view says in Glue.
fn said(table: &Table) -> Value {
    let text = table.view_original_text().expect("a text");
    let encoded =
        text.strip_prefix("/* Presto View: ").and_then(|rest| rest.strip_suffix(" */")).expect("a comment");
    serde_json::from_slice(&BASE64_STANDARD.decode(encoded).expect("Base64")).expect("JSON")
}

fn text(said: &Value) -> String {
    format!("/* Presto View: {} */", BASE64_STANDARD.encode(serde_json::to_vec_pretty(said).expect("JSON")))
}

#[tokio::test]
async fn a_view_is_kept_as_athena_reads_it() {
    let team = Team::new("view").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("recent", view(SQL)).await;
    let table = team.aws.existing("recent").await;
    assert_eq!(table.table_type(), Some("VIRTUAL_VIEW"));
    assert_eq!(table.view_expanded_text(), Some("/* Presto View */"));
    assert!(
        table.storage_descriptor().and_then(|storage| storage.serde_info()).is_some(),
        "Athena refuses it"
    );
    let parameter = |key: &str| table.parameters().and_then(|all| all.get(key)).map(String::as_str);
    assert_eq!((parameter("presto_view"), parameter("EXTERNAL")), (Some("true"), None));
    let expected = json!({
        "originalSql": SQL, "catalog": "awsdatacatalog", "schema": team.aws.database,
        "columns": [{ "name": "id", "type": "bigint" }, { "name": "what", "type": "varchar" }],
    });
    assert_eq!(said(&table), expected);
    let seen = team.get("recent").await;
    let compatible = condition(&seen, "Compatible").expect("a condition");
    assert_eq!((compatible.status, compatible.reason.as_str()), (ConditionStatus::False, "ViewUnread"));
    assert!(
        compatible.message.contains("Hive and Spark do not read views of Athena"),
        "{}",
        compatible.message
    );

    team.change("recent", json!({ "view": { "sql": "SELECT id, what FROM orders WHERE id > 7" } })).await;
    team.ready("recent").await;
    assert_eq!(
        said(&team.aws.existing("recent").await)["originalSql"],
        "SELECT id, what FROM orders WHERE id > 7"
    );
    team.change("recent", json!({ "deletionPolicy": "Delete" })).await;
    team.ready("recent").await;
    team.delete_wholly("recent").await;
    assert!(team.aws.table("recent").await.is_none());
}

#[tokio::test]
async fn another_query_is_put_back_and_the_same_in_other_json_is_left() {
    let team = Team::new("view-drift").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("recent", view(SQL)).await;
    let mut same = said(&team.aws.existing("recent").await);
    same["runAsInvoker"] = json!(false);
    let harmless = text(&same);
    let spaced = harmless.clone();
    team.aws
        .meddle("recent", move |mut table: Table| {
            table.view_original_text = Some(spaced);
            table
        })
        .await;
    team.sweeps(3).await;
    assert_eq!(team.aws.existing("recent").await.view_original_text(), Some(harmless.as_str()));

    same["originalSql"] = json!("SELECT 1, 'x'");
    let other = text(&same);
    team.aws
        .meddle("recent", move |mut table: Table| {
            table.view_original_text = Some(other);
            table
        })
        .await;
    let note = team.event("recent", "DriftCorrected").await;
    assert!(note.contains("~ view.sql: \"SELECT 1, 'x'\" → \"SELECT id, what FROM orders\""), "{note}");
    assert_eq!(said(&team.aws.existing("recent").await)["originalSql"], SQL);
}

#[tokio::test]
async fn a_table_and_a_view_do_not_become_each_other_in_place() {
    let team = Team::new("view-place").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({})).await;
    team.create_ready("recent", view(SQL)).await;
    let before = (team.aws.existing("orders").await, team.aws.existing("recent").await);
    team.change("orders", view(SQL)).await;
    team.change("recent", json!({ "view": null, "location": team.location("recent"), "format": "parquet" }))
        .await;
    for (name, says) in [
        ("orders", "is a table, and the spec says a view"),
        ("recent", "is a view, and the spec says a table"),
    ] {
        let told = team.reason(name, "ReplacementRequired").await;
        assert!(told.message.contains(says), "{}", told.message);
    }
    assert_eq!((team.aws.existing("orders").await, team.aws.existing("recent").await), before);
}
