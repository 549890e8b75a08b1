//! How recent the data is: told in the status and in Glue, and turned stale at the right moment.

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ConditionStatus;
use mizuumi_tests::{Controller, Team, condition, now, reason_of};
use serde_json::{Value, json};

const DATA_TIME: &str = mizuumi_api::annotation::REPORTED_DATA_TIME;
const LOADED_AT: &str = mizuumi_api::annotation::REPORTED_LOADED_AT;

fn reported(max_age: &Value) -> Value {
    json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": max_age } })
}

/// Now, in whole seconds, and so much earlier.
fn ago(seconds: i64) -> Timestamp {
    let second = now().as_second();
    Timestamp::from_second(second - seconds).expect("a time")
}

#[tokio::test]
async fn a_report_makes_the_table_fresh_in_the_status_and_in_glue() {
    let team = Team::new("reported").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", reported(&json!({ "error": "2h" }))).await;
    let unknown = team.get("orders").await;
    assert_eq!(reason_of(&unknown, "Fresh"), "NeverObserved");
    assert_eq!(team.kstatus(&unknown).0, "Current", "nothing known of the data is no reason to wait");

    let (data_time, loaded_at) = (ago(600), ago(60));
    let report = json!({ DATA_TIME: data_time.to_string(), LOADED_AT: loaded_at.to_string() });
    team.annotate("orders", report).await;
    let table = team.fresh("orders", "Fresh").await;
    let freshness = table.status.and_then(|status| status.freshness).expect("freshness");
    let until = data_time + SignedDuration::from_hours(2);
    assert_eq!(
        (freshness.data_time, freshness.loaded_at, freshness.fresh_until),
        (Some(data_time), Some(loaded_at), Some(until))
    );
    for (key, moment) in [("data_time", data_time), ("loaded_at", loaded_at), ("fresh_until", until)] {
        let told = team.aws.parameter("orders", &format!("mizuumi.{key}")).await;
        assert_eq!(told, Some(moment.to_string()), "{key}");
    }
}

#[tokio::test]
async fn telling_freshness_makes_no_new_version_of_the_schema() {
    let team = Team::new("archive").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", reported(&json!({ "error": "2h" }))).await;
    for minutes in [50, 40, 30] {
        let data_time = ago(minutes * 60).to_string();
        team.annotate("orders", json!({ DATA_TIME: data_time })).await;
        team.eventually("orders", "freshness in Glue", async || {
            let told = team.aws.parameter("orders", "mizuumi.data_time").await;
            ensure!(told.as_deref() == Some(data_time.as_str()), "Glue says {told:?}");
            Ok(())
        })
        .await;
    }
    assert_eq!(team.aws.versions("orders").await, 1, "no version was archived");
    team.change("orders", json!({ "description": "a change of the spec" })).await;
    team.ready("orders").await;
    assert_eq!(team.aws.versions("orders").await, 2, "the version before was archived");
}

#[tokio::test]
async fn a_table_turns_stale_at_its_moment_without_a_call_to_aws() {
    let team = Team::new("flip").await;
    let quiet = |config: &mut mizuumi_api::Installation| {
        config.intervals.sweep_seconds = 3600;
        config.intervals.data_seconds = 3600;
    };
    let _controller = Controller::with(&team, quiet).await;
    team.create_ready("orders", reported(&json!({ "error": "1m" }))).await;
    let data_time = ago(54);
    team.annotate("orders", json!({ DATA_TIME: data_time.to_string() })).await;
    team.fresh("orders", "Fresh").await;
    team.eventually("orders", "freshness in Glue", async || {
        ensure!(team.aws.parameter("orders", "mizuumi.data_time").await.is_some(), "not told");
        Ok(())
    })
    .await;
    let since = team.admin.seq().await;
    let table = team.fresh("orders", "Stale").await;
    let seen = now();
    let moment = data_time + SignedDuration::from_mins(1);
    let stale = condition(&table, "Fresh").expect("Fresh");
    for (what, time) in [("told", stale.last_transition_time), ("seen", seen)] {
        let late = time.duration_since(moment);
        let bounds = SignedDuration::ZERO..=SignedDuration::from_secs(2);
        assert!(bounds.contains(&late), "{what} {late:?} after its moment");
    }
    assert_eq!(stale.status, ConditionStatus::False);
    assert_eq!(team.admin.calls(since).await.len(), 0, "nothing had to be asked");
    assert_eq!(reason_of(&table, "Ready"), "InSync", "late data is no failure of the table");
    assert_eq!(team.kstatus(&table).0, "Current");
}

#[tokio::test]
async fn warn_keeps_fresh_true() {
    let team = Team::new("warn").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", reported(&json!({ "warn": "1h", "error": "3h" }))).await;
    team.annotate("orders", json!({ DATA_TIME: ago(2 * 3600).to_string() })).await;
    let table = team.fresh("orders", "Warn").await;
    assert_eq!(condition(&table, "Fresh").map(|c| c.status), Some(ConditionStatus::True));
}

#[tokio::test]
async fn a_stale_table_is_fresh_again_when_its_partition_arrives() {
    let team = Team::new("arrival").await;
    let today = ago(0).to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |days: i32| today.checked_sub(jiff::Span::new().days(days)).expect("a day").to_string();
    let key = |days: i32| format!("orders/day={}/_SUCCESS", day(days));
    team.aws.put(&key(3), "").await;
    let _controller = Controller::start(&team).await;
    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Discovered", "marker": "_SUCCESS" },
        "freshness": {
            "sources": [{ "type": "PartitionValue", "partitionValue": { "grain": "Day" } }],
            "maxAge": { "error": "30h" },
        },
    });
    team.create_ready("orders", spec).await;
    let stale = team.fresh("orders", "Stale").await;
    assert_eq!(reason_of(&stale, "Ready"), "InSync");

    team.aws.put(&key(1), "").await;
    let table = team.fresh("orders", "Fresh").await;
    let freshness = table.status.and_then(|status| status.freshness).expect("freshness");
    let midnight = format!("{today}T00:00:00Z");
    assert_eq!(freshness.data_time.map(|time| time.to_string()), Some(midnight.clone()));
    team.eventually("orders", "freshness in Glue", async || {
        let told = team.aws.parameter("orders", "mizuumi.data_time").await;
        ensure!(told == Some(midnight.clone()), "Glue says {told:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_told_and_changes_nothing() {
    let team = Team::new("garbled").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", reported(&json!({ "error": "2h" }))).await;
    team.annotate("orders", json!({ DATA_TIME: ago(60).to_string() })).await;
    team.fresh("orders", "Fresh").await;
    team.annotate("orders", json!({ DATA_TIME: "yesterday" })).await;
    let table = team.fresh("orders", "ReportInvalid").await;
    let message = &condition(&table, "Fresh").expect("Fresh").message;
    assert!(message.contains("reported-data-time") && message.contains("'yesterday'"), "{message}");
    assert!(team.aws.parameter("orders", "mizuumi.data_time").await.is_some(), "what was told stands");
    assert_eq!(reason_of(&table, "Ready"), "InSync");
}

#[tokio::test]
async fn a_parameter_that_another_program_writes_makes_the_table_fresh() {
    let team = Team::new("foreign-clock").await;
    let _controller = Controller::start(&team).await;
    let source = json!({ "type": "GlueParameter", "glueParameter": { "key": "etl.loaded", "format": "EpochSeconds", "tells": "LoadedAt" } });
    let spec = json!({ "freshness": { "sources": [source], "maxAge": { "error": "2h" } } });
    team.create_ready("orders", spec).await;
    assert_eq!(reason_of(&team.get("orders").await, "Fresh"), "NeverObserved");

    let loaded = ago(600);
    team.aws.set_parameter("orders", "etl.loaded", Some(&loaded.as_second().to_string())).await;
    let table = team.fresh("orders", "Fresh").await;
    let freshness = table.status.and_then(|status| status.freshness).expect("freshness");
    assert_eq!((freshness.loaded_at, freshness.data_time), (Some(loaded), None));
    team.eventually("orders", "freshness in Glue", async || {
        let told = team.aws.parameter("orders", "mizuumi.loaded_at").await;
        ensure!(told == Some(loaded.to_string()), "Glue says {told:?}");
        Ok(())
    })
    .await;

    team.aws.set_parameter("orders", "etl.loaded", Some("yesterday")).await;
    let table = team.fresh("orders", "ReportInvalid").await;
    let message = &condition(&table, "Fresh").expect("Fresh").message;
    assert!(message.contains("'etl.loaded'") && message.contains("'yesterday'"), "{message}");
    assert_eq!(
        team.aws.parameter("orders", "etl.loaded").await.as_deref(),
        Some("yesterday"),
        "it is not ours"
    );
}

#[tokio::test]
async fn the_newest_file_of_the_newest_partition_says_when_data_was_written() {
    let team = Team::new("written").await;
    let _controller = Controller::start(&team).await;
    let freshness = json!({ "sources": [{ "type": "S3LastModified" }], "maxAge": { "error": "2h" } });
    team.create_ready("plain", json!({ "freshness": freshness })).await;
    assert_eq!(reason_of(&team.get("plain").await, "Fresh"), "NeverObserved");
    team.aws.put("plain/part-0", "x").await;
    team.annotate("plain", json!({ "mizuumi.dev/requested-at": "now" })).await;
    let table = team.fresh("plain", "Fresh").await;
    let told = table.status.and_then(|status| status.freshness).expect("freshness");
    assert_eq!(told.data_time, None);
    assert!(told.loaded_at.is_some_and(|written| written >= ago(600)), "{told:?}");

    let spec = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Discovered", "marker": "_SUCCESS" },
        "freshness": freshness,
    });
    for object in ["day=2/part-0", "day=2/_SUCCESS"] {
        team.aws.put(&format!("keyed/{object}"), "x").await;
    }
    team.create_ready("keyed", spec).await;
    let loaded = async || {
        let status = team.get("keyed").await.status;
        status.and_then(|status| status.freshness).and_then(|freshness| freshness.loaded_at)
    };
    let first = team.fresh("keyed", "Fresh").await;
    let first = first.status.and_then(|status| status.freshness).and_then(|told| told.loaded_at);
    // S3 tells whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    for object in ["day=1/part-0", "day=1/_SUCCESS"] {
        team.aws.put(&format!("keyed/{object}"), "x").await;
    }
    team.annotate("keyed", json!({ "mizuumi.dev/requested-at": "once" })).await;
    team.eventually("keyed", "the backfill is registered", async || {
        ensure!(team.aws.partition_values("keyed").await == ["1", "2"]);
        Ok(())
    })
    .await;
    team.ready("keyed").await;
    assert_eq!(loaded().await, first, "a backfill makes nothing fresh");
    team.aws.put("keyed/day=2/part-1", "x").await;
    team.annotate("keyed", json!({ "mizuumi.dev/requested-at": "twice" })).await;
    team.eventually("keyed", "the new file is told", async || {
        ensure!(loaded().await > first);
        Ok(())
    })
    .await;
}
