//! Partitions get into the catalog: those that the spec lists, and those that directories say.

use anyhow::ensure;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::{Value, json};

fn keyed(partitions: &Value) -> Value {
    json!({ "partitionKeys": [{ "name": "day", "type": "string" }], "partitions": partitions })
}

fn declared(days: &[&str]) -> Value {
    let listed: Vec<Value> = days.iter().map(|day| json!({ "values": [day] })).collect();
    keyed(&json!({ "mode": "Declared", "declared": listed }))
}

#[tokio::test]
async fn declared_partitions_are_registered_moved_and_removed() {
    let team = Team::new("declared").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", declared(&["2026-11-20", "2026-11-21"])).await;
    let table = team.ready("orders").await;
    let status = table.status.and_then(|status| status.partitions).expect("partitions");
    assert_eq!((status.registered, status.newest.as_deref()), (2, Some("day=2026-11-21")));
    let partitions = team.aws.partitions("orders").await;
    let location = |index: usize| partitions[index].storage_descriptor().and_then(|s| s.location());
    assert_eq!(location(0), Some(format!("{}day=2026-11-20/", team.location("orders")).as_str()));
    let serde = partitions[0].storage_descriptor().and_then(|s| s.serde_info());
    assert!(serde.and_then(|s| s.serialization_library()).is_some_and(|l| l.contains("ParquetHiveSerDe")));

    // Somebody else's partition is none of ours.
    team.aws.create_partition("orders", &["2026-01-01"], "s3://elsewhere/").await;
    let moved = format!("s3://{}/moved/", team.aws.bucket);
    let listed = json!([
        { "values": ["2026-11-21"], "location": moved },
        { "values": ["2026-11-22"] },
    ]);
    team.change("orders", json!({ "partitions": { "declared": listed } })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.partition_values("orders").await, ["2026-01-01", "2026-11-21", "2026-11-22"]);
    let partitions = team.aws.partitions("orders").await;
    assert_eq!(partitions[1].storage_descriptor().and_then(|s| s.location()), Some(moved.as_str()));
    let note = team.event("orders", "PartitionsRemoved").await;
    assert!(note.contains("remove 1 partition") && note.contains("data stays"), "{note}");
}

#[tokio::test]
async fn a_partition_that_somebody_removed_is_registered_again() {
    let team = Team::new("lost").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", declared(&["a", "b"])).await;
    team.ready("orders").await;
    let delete = team.aws.glue.delete_partition().database_name(&team.aws.database).table_name("orders");
    delete.partition_values("a").send().await.expect("the partition is removed");
    team.eventually("orders", "both partitions", async || {
        ensure!(team.aws.partition_values("orders").await == ["a", "b"], "not yet");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn two_hundred_and_fifty_partitions_take_three_calls() {
    let team = Team::new("batches").await;
    let _controller = Controller::start(&team).await;
    let days: Vec<String> = (0..250).map(|day| format!("d{day:03}")).collect();
    let days: Vec<&str> = days.iter().map(String::as_str).collect();
    let since = team.admin.seq().await;
    team.create("orders", declared(&days)).await;
    team.ready("orders").await;
    assert_eq!(team.admin.count("BatchCreatePartition", since).await, 3);
    assert_eq!(team.aws.partition_values("orders").await.len(), 250);
    let since = team.admin.seq().await;
    team.change("orders", json!({ "partitions": { "declared": [] } })).await;
    team.ready("orders").await;
    assert_eq!(team.admin.count("BatchDeletePartition", since).await, 10);
    assert_eq!(team.aws.partition_values("orders").await.len(), 0);
}

#[tokio::test]
async fn a_directory_becomes_a_partition_once_its_marker_is_there() {
    let team = Team::new("discovered").await;
    team.aws.put("orders/day=2026-11-20/part-0.parquet", "x").await;
    team.aws.put("orders/day=2026-11-20/_SUCCESS", "").await;
    team.aws.put("orders/day=2026-11-21/part-0.parquet", "x").await;
    team.aws.put("orders/day=a%3Ab/_SUCCESS", "").await;
    team.aws.put("orders/_temporary/part-0.parquet", "x").await;
    team.aws.put("orders/other=1/_SUCCESS", "").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", keyed(&json!({ "mode": "Discovered", "marker": "_SUCCESS" }))).await;
    let table = team.ready("orders").await;
    let status = table.status.and_then(|status| status.partitions).expect("partitions");
    assert_eq!((status.registered, status.incomplete), (2, 1));
    assert_eq!(team.aws.partition_values("orders").await, ["2026-11-20", "a:b"]);

    team.aws.put("orders/day=2026-11-21/_SUCCESS", "").await;
    let table = team
        .until("orders", "the third partition", |table| {
            let partitions = table.status.as_ref().and_then(|status| status.partitions.as_ref());
            partitions.is_some_and(|status| status.registered == 3 && status.incomplete == 0)
        })
        .await;
    drop(table);
    let partitions = team.aws.partitions("orders").await;
    let location = partitions[1].storage_descriptor().and_then(|s| s.location());
    assert_eq!(location, Some(format!("{}day=2026-11-21/", team.location("orders")).as_str()));
    team.event("orders", "PartitionsRegistered").await;
}

#[tokio::test]
async fn without_a_marker_a_directory_waits_for_its_quiet_period() {
    let team = Team::new("quiet").await;
    team.aws.put("orders/day=2026-11-20/part-0.parquet", "x").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", keyed(&json!({ "mode": "Discovered", "quietPeriod": "1h" }))).await;
    let table = team.ready("orders").await;
    let status = table.status.and_then(|status| status.partitions).expect("partitions");
    assert_eq!((status.registered, status.incomplete), (0, 1));
    assert_eq!(team.aws.partition_values("orders").await.len(), 0);
}

#[tokio::test]
async fn discovered_partitions_follow_the_root_of_the_table() {
    let team = Team::new("rooted").await;
    for root in ["orders", "new"] {
        team.aws.put(&format!("{root}/day=1/_SUCCESS"), "").await;
    }
    let _controller = Controller::start(&team).await;
    team.create("orders", keyed(&json!({ "mode": "Discovered", "marker": "_SUCCESS" }))).await;
    team.ready("orders").await;
    let root = format!("s3://{}/new/", team.aws.bucket);
    team.change("orders", json!({ "location": root })).await;
    team.ready("orders").await;
    let partitions = team.aws.partitions("orders").await;
    let locations: Vec<_> =
        partitions.iter().filter_map(|p| p.storage_descriptor().and_then(|s| s.location())).collect();
    assert_eq!(locations, [format!("{root}day=1/")]);
}

#[tokio::test]
async fn projected_partitions_are_parameters_that_come_and_go_with_the_mode() {
    let team = Team::new("projected").await;
    let _controller = Controller::start(&team).await;
    let projection = json!({ "columns": [
        { "name": "day", "type": "Date", "format": "yyyy-MM-dd", "range": { "from": "2024-01-01", "to": "NOW" } },
    ] });
    let made =
        team.create_ready("clicks", keyed(&json!({ "mode": "Projected", "projection": projection }))).await;
    let parameter = async |key: &str| team.aws.parameter("clicks", key).await;
    assert_eq!(parameter("projection.enabled").await.as_deref(), Some("true"));
    assert_eq!(parameter("projection.day.range").await.as_deref(), Some("2024-01-01,NOW"));
    assert_eq!(reason_of(&made, "Compatible"), "ProjectionUnseen");

    team.change("clicks", json!({ "partitions": { "mode": "Discovered", "projection": null } })).await;
    let changed = team.ready("clicks").await;
    assert_eq!(parameter("projection.enabled").await, None);
    assert_eq!(parameter("projection.day.range").await, None);
    assert_eq!(reason_of(&changed, "Compatible"), "EnginesAgree");
}

#[tokio::test]
async fn a_partition_whose_directory_is_gone_is_pruned_and_comes_back_with_it() {
    let team = Team::new("pruned").await;
    let _controller = Controller::start(&team).await;
    let days = ["day=1/", "day=2/", "day=3/"];
    for day in days {
        team.aws.put(&format!("orders/{day}part-0"), "x").await;
        team.aws.put(&format!("orders/{day}_SUCCESS"), "").await;
    }
    team.create_ready("orders", keyed(&json!({ "mode": "Discovered", "marker": "_SUCCESS" }))).await;
    assert_eq!(team.aws.partition_values("orders").await, ["1", "2", "3"]);
    // Somebody else's: no directory of it has ever been there.
    team.aws.create_partition("orders", &["0"], &format!("{}day=0/", team.location("orders"))).await;
    for name in ["part-0", "_SUCCESS"] {
        team.aws.delete_object(&format!("orders/day=2/{name}")).await;
    }
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "first" })).await;
    team.sweeps(2).await;
    assert_eq!(team.aws.partition_values("orders").await, ["0", "1", "2", "3"], "nobody asked for it");
    team.change("orders", json!({ "partitions": { "prune": true } })).await;
    let note = team.event("orders", "PartitionsRemoved").await;
    assert!(note.contains("remove 1 partition from the catalog (data stays): [2]"), "{note}");
    team.ready("orders").await;
    assert_eq!(team.aws.partition_values("orders").await, ["0", "1", "3"]);
    for name in ["part-0", "_SUCCESS"] {
        team.aws.put(&format!("orders/day=2/{name}"), "x").await;
    }
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "second" })).await;
    team.eventually("orders", "the partition is back", async || {
        ensure!(team.aws.partition_values("orders").await == ["0", "1", "2", "3"]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_look_goes_so_far_back_as_the_spec_says() {
    let team = Team::new("lookback").await;
    let _controller = Controller::start(&team).await;
    for month in 1..=4 {
        team.aws.put(&format!("orders/month={month}/day=1/_SUCCESS"), "").await;
    }
    let spec = json!({
        "partitionKeys": [{ "name": "month", "type": "int" }, { "name": "day", "type": "int" }],
        "partitions": { "mode": "Discovered", "marker": "_SUCCESS", "lookback": 3, "prune": true },
    });
    team.create_ready("orders", spec).await;
    assert_eq!(team.aws.partition_values("orders").await, ["2/1", "3/1", "4/1"]);
    // The oldest is passed over from now on, and is not taken for gone.
    team.aws.put("orders/month=5/day=1/_SUCCESS", "").await;
    team.annotate("orders", json!({ "mizuumi.dev/requested-at": "first" })).await;
    team.eventually("orders", "the new one is there, and the old one stays", async || {
        ensure!(team.aws.partition_values("orders").await == ["2/1", "3/1", "4/1", "5/1"]);
        Ok(())
    })
    .await;
}
