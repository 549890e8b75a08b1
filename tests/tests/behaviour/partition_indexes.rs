//! Partition indexes come and go while the table stays.

use anyhow::ensure;
use mizuumi_api::data_table::IndexState;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::{Value, json};

fn indexed(indexes: &Value) -> Value {
    json!({
        "partitionKeys": [{ "name": "year", "type": "int" }, { "name": "region", "type": "string" }],
        "partitionIndexes": indexes,
    })
}

/// Names and keys of the indexes that Glue has.
async fn there(team: &Team) -> Vec<(String, String)> {
    let get = team.aws.glue.get_partition_indexes().database_name(&team.aws.database).table_name("orders");
    let answer = get.send().await.expect("the indexes are listed");
    let keys = |index: &aws_sdk_glue::types::PartitionIndexDescriptor| {
        index.keys().iter().map(aws_sdk_glue::types::KeySchemaElement::name).collect::<Vec<_>>().join(",")
    };
    answer
        .partition_index_descriptor_list()
        .iter()
        .map(|index| (index.index_name().to_owned(), keys(index)))
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(name, keys)| ((*name).to_owned(), (*keys).to_owned())).collect()
}

#[tokio::test]
async fn indexes_are_added_changed_and_removed_and_the_table_stays() {
    let team = Team::new("indexes").await;
    let _controller = Controller::start(&team).await;
    let two = json!([{ "name": "by_year", "keys": ["year"] }, { "name": "by_region", "keys": ["region"] }]);
    team.create("orders", indexed(&two)).await;
    let table = team.ready("orders").await;
    let status = table.status.map(|status| status.partition_indexes).unwrap_or_default();
    let active = |index: &mizuumi_api::data_table::PartitionIndexStatus| index.state == IndexState::Active;
    assert!(status.len() == 2 && status.iter().all(active), "{status:?}");
    assert_eq!(there(&team).await, pairs(&[("by_region", "region"), ("by_year", "year")]));
    team.aws.create_partition("orders", &["2026", "eu"], "s3://elsewhere/").await;
    let made = team.aws.existing("orders").await.create_time().copied();

    // Somebody else's is none of ours.
    let index =
        aws_sdk_glue::types::PartitionIndex::builder().index_name("theirs").keys("year").keys("region");
    let create =
        team.aws.glue.create_partition_index().database_name(&team.aws.database).table_name("orders");
    create.partition_index(index.build().expect("an index")).send().await.expect("the index is asked for");
    let one = json!([{ "name": "by_year", "keys": ["region", "year"] }]);
    team.change("orders", json!({ "partitionIndexes": one })).await;
    team.ready("orders").await;
    assert_eq!(there(&team).await, pairs(&[("by_year", "region,year"), ("theirs", "year,region")]));

    team.change("orders", json!({ "partitionIndexes": null })).await;
    team.eventually("orders", "only their index", async || {
        let there = there(&team).await;
        ensure!(there == pairs(&[("theirs", "year,region")]), "there are {there:?}");
        Ok(())
    })
    .await;
    let table = team.ready("orders").await;
    assert_eq!(table.status.map(|status| status.partition_indexes), Some(Vec::new()));
    assert_eq!(team.aws.existing("orders").await.create_time().copied(), made, "the table is the same one");
    assert_eq!(team.aws.partition_values("orders").await, ["2026/eu"], "and so are its partitions");
}

#[tokio::test]
async fn an_index_that_cannot_be_built_is_told_with_its_partitions_until_it_leaves_the_spec() {
    let team = Team::new("backfill").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", indexed(&Value::Null)).await;
    team.ready("orders").await;
    team.aws.create_partition("orders", &["unknown", "eu"], "s3://elsewhere/").await;
    team.change("orders", json!({ "partitionIndexes": [{ "name": "by_year", "keys": ["year"] }] })).await;
    let told = team.reason("orders", "IndexFailed").await;
    assert!(told.message.contains("'by_year'") && told.message.contains("[unknown, eu]"), "{}", told.message);
    let table = team.get("orders").await;
    assert_eq!(team.kstatus(&table).0, "Failed");
    let status = table.status.map(|status| status.partition_indexes).unwrap_or_default();
    assert!(
        status[0].message.as_ref().is_some_and(|m| m.contains("INVALID_PARTITION_TYPE_DATA_ERROR")),
        "{status:?}"
    );

    team.change("orders", json!({ "partitionIndexes": null })).await;
    let table = team.ready("orders").await;
    assert_eq!(reason_of(&table, "Ready"), "InSync");
    assert!(there(&team).await.is_empty());
}
