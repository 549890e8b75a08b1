//! Columns come from an Avro schema in a ConfigMap or in S3, change with it, and stay while it cannot be read.

use anyhow::ensure;
use kube::api::DeleteParams;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::{Value, json};

const SCHEMA: &str = "schemas/orders.avsc";

fn schema(names: &[&str]) -> String {
    let fields: Vec<Value> =
        names.iter().map(|name| json!({ "name": name, "type": ["null", "long"], "default": null })).collect();
    json!({ "type": "record", "name": "Order", "fields": fields }).to_string()
}

fn from(place: &Value) -> Value {
    json!({ "format": "avro", "schema": { "from": "Avsc", "columns": null, "avscFrom": place } })
}

fn in_config_map() -> Value {
    from(&json!({ "configMap": { "name": "schemas", "key": "orders.avsc" } }))
}

fn in_s3(team: &Team) -> Value {
    from(&json!({ "s3": format!("s3://{}/{SCHEMA}", team.aws.bucket) }))
}

async fn literal(team: &Team) -> String {
    let table = team.aws.existing("orders").await;
    let serde = table.storage_descriptor().and_then(|storage| storage.serde_info()).cloned();
    let parameters = serde.and_then(|serde| serde.parameters).unwrap_or_default();
    parameters.get("avro.schema.literal").cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_config_map_says_the_columns_and_its_changes_are_seen_at_once() {
    let team = Team::new("avsc-map").await;
    // So rarely that no sweep and no recheck could be what sees it.
    let _controller = Controller::with(&team, |installation| {
        installation.intervals.sweep_seconds = 3600;
        installation.intervals.audit_seconds = 3600;
        installation.intervals.blocked_seconds = 3600;
    })
    .await;
    team.create("orders", in_config_map()).await;
    let told = team.reason("orders", "SchemaUnreadable").await;
    assert!(told.message.contains("ConfigMap 'schemas' does not exist in namespace"), "{}", told.message);
    assert!(team.aws.table("orders").await.is_none());

    team.apply_config_map("schemas", json!({ "others.avsc": "{}" })).await;
    team.until("orders", "the key that is missing", |table| {
        reason_of(table, "Ready") == "SchemaUnreadable"
            && format!("{:?}", table.status)
                .contains("has no key 'orders.avsc' in its `data`; there is: others.avsc")
    })
    .await;

    team.apply_config_map("schemas", json!({ "orders.avsc": schema(&["id"]) })).await;
    team.until_columns("orders", &["id bigint"]).await;
    let status = team.get("orders").await.status.and_then(|status| status.schema).expect("a schema");
    assert_eq!((status.config_map.as_deref(), status.count), (Some("schemas/orders.avsc"), 1));
    assert!(literal(&team).await.contains("Order"));

    team.apply_config_map("schemas", json!({ "orders.avsc": schema(&["id", "price"]) })).await;
    team.until_columns("orders", &["id bigint", "price bigint"]).await;

    // Nothing of a change is applied while its schema cannot be read.
    team.apply_config_map("schemas", json!({ "orders.avsc": "{ \"type\": \"record\"" })).await;
    let told = team.reason("orders", "SchemaUnreadable").await;
    assert!(
        told.message.contains("in key 'orders.avsc' of ConfigMap 'schemas': must be JSON"),
        "{}",
        told.message
    );
    team.change("orders", json!({ "description": "with it" })).await;
    team.reason("orders", "SchemaUnreadable").await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "price bigint"]);
    assert_eq!(team.aws.existing("orders").await.description(), None);
    team.config_maps().delete("schemas", &DeleteParams::default()).await.expect("deleted");
    team.eventually("orders", "the ConfigMap that is gone", async || {
        let told = team.reason("orders", "SchemaUnreadable").await;
        ensure!(told.message.contains("does not exist"), "{}", told.message);
        Ok(())
    })
    .await;
    team.apply_config_map("schemas", json!({ "orders.avsc": schema(&["id", "price", "tax"]) })).await;
    team.until_columns("orders", &["id bigint", "price bigint", "tax bigint"]).await;
    assert_eq!(team.aws.existing("orders").await.description(), Some("with it"));

    // A table that is being deleted needs no schema.
    team.config_maps().delete("schemas", &DeleteParams::default()).await.expect("deleted");
    team.delete_wholly("orders").await;
}

#[tokio::test]
async fn a_schema_in_s3_says_the_columns_and_is_read_again_when_it_is_another_one() {
    let team = Team::new("avsc-s3").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", in_s3(&team)).await;
    let told = team.reason("orders", "SchemaUnreadable").await;
    assert!(told.message.contains(&format!("{SCHEMA} does not exist")), "{}", told.message);

    team.aws.put(SCHEMA, schema(&["id"]).into_bytes()).await;
    team.until_columns("orders", &["id bigint"]).await;
    let status = team.get("orders").await.status.and_then(|status| status.schema).expect("a schema");
    assert_eq!(status.file, Some(format!("s3://{}/{SCHEMA}", team.aws.bucket)));

    let since = team.admin.seq().await;
    team.eventually("orders", "three looks", async || {
        let looks = team.admin.count("HeadObject", since).await;
        ensure!(looks >= 3, "{looks}");
        Ok(())
    })
    .await;
    assert_eq!(team.admin.count("GetObject", since).await, 0, "the same schema is not read again");

    team.aws.put(SCHEMA, schema(&["id", "price"]).into_bytes()).await;
    team.until_columns("orders", &["id bigint", "price bigint"]).await;

    team.aws.put(SCHEMA, " ".repeat(512_001)).await;
    let told = team.reason("orders", "SchemaUnreadable").await;
    assert!(told.message.contains("512001 bytes; at most 512000"), "{}", told.message);
    team.aws.put(SCHEMA, b"\xff\xfe".as_slice()).await;
    team.eventually("orders", "what is no text", async || {
        let told = team.reason("orders", "SchemaUnreadable").await;
        ensure!(told.message.contains("no text in UTF-8"), "{}", told.message);
        Ok(())
    })
    .await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "price bigint"]);
    team.aws.put(SCHEMA, schema(&["id", "price", "tax"]).into_bytes()).await;
    team.until_columns("orders", &["id bigint", "price bigint", "tax bigint"]).await;
}

#[tokio::test]
async fn plan_takes_the_config_map_from_the_manifests() {
    let team = Team::new("avsc-plan").await;
    let table = team.manifest("orders", in_config_map());
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "schemas", "namespace": team.namespace },
        "data": { "orders.avsc": schema(&["id"]) },
    });
    let planned = team.plan(&[map, table.clone()], &[]).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    assert!(planned.out.contains("+ columns.id: \"bigint\""), "{}", planned.out);
    let planned = team.plan(&[table], &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(
        planned.out.contains("no ConfigMap 'schemas' with the key 'orders.avsc' is among the manifests"),
        "{}",
        planned.out
    );
}
