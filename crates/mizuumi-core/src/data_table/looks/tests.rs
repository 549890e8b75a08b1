//! When data is looked at, for tables of every sort.

use std::collections::BTreeMap;

use mizuumi_api::{DataTable, Installation};

use super::super::avsc_from::{AvscFrom, Place};
use super::super::learning::{Learning, Source};
use super::super::world::{Directory, Looked, ObservedPartition, ObservedTable};
use super::super::{TableDefinition, Tables};
use super::*;
use crate::kind::Kind;

fn at(text: &str) -> Timestamp {
    text.parse().expect(text)
}

fn goal(spec: &str) -> TableGoal {
    let table: DataTable = serde_saphyr::from_str(&format!(
        "{{apiVersion: mizuumi.dev/v1alpha1, kind: DataTable, metadata: {{name: t, namespace: n}}, spec: {{database: d,
           location: 's3://lake/t/', format: parquet, partitionKeys: [{{name: dt, type: string}}],
           schema: {{from: Declared, columns: [{{name: c, type: int}}]}}, {spec}}}}}"
    ))
    .expect("a table");
    let installation = Installation::from_yaml(
        "{installation: demo, aws: {region: us-east-1}, allow: {databases: [d], s3Prefixes: ['s3://lake/']}}",
    );
    Tables::goal(&table, &installation.expect("an installation")).expect("a goal")
}

/// A table with daily partitions, each registered so many hours after its day, last looked at some time.
fn world(days: &[&str], hours: i64, looked: &str) -> TableWorld {
    let partition = |day: &&str| {
        let end = end_of_span(&[day], mizuumi_api::data_table::Grain::Day, &jiff::tz::TimeZone::UTC)
            .expect("a day");
        let created = end + SignedDuration::from_hours(hours);
        let partition = ObservedPartition { created: Some(created), ..ObservedPartition::default() };
        (vec![(*day).to_owned()], partition)
    };
    TableWorld {
        crawler: None,
        avsc: None,
        database_exists: true,
        table: Some(ObservedTable { definition: TableDefinition::default(), version: None }),
        partitions: Some(days.iter().map(partition).collect::<BTreeMap<_, _>>()),
        indexes: None,
        directories: Some(Vec::new()),
        manifests: BTreeMap::new(),
        runs: None,
        versions: None,
        vanished: Vec::new(),
        files: None,
        looked: Some(Looked { newest: at(looked), whole: at("2026-11-22T00:00:00Z") }),
    }
}

const DISCOVERED: &str = "partitions: {mode: Discovered}";
const DAILY: &str = "partitions: {mode: Discovered}, freshness: {sources: [{type: PartitionValue,
    partitionValue: {grain: Day}}], maxAge: {error: 72h}}";
const WEEK: &[&str] = &["2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20"];

fn due(spec: &str, world: &TableWorld, now: &str) -> Option<(String, DataReading)> {
    next_look(&goal(spec), world, at(now)).map(|due| (due.at.to_string(), due.reading))
}

fn newest(moment: &str) -> (String, DataReading) {
    (moment.to_owned(), DataReading::Newest)
}

#[test]
fn what_was_never_looked_at_is_due_at_once() {
    let never = TableWorld { looked: None, ..world(WEEK, 5, "2026-11-22T00:00:00Z") };
    let now = "2026-11-22T01:00:00Z";
    assert_eq!(due(DISCOVERED, &never, now), Some((now.to_owned(), DataReading::Whole)));
}

#[test]
fn data_that_comes_five_hours_after_its_day_is_looked_for_around_then() {
    // The 20th is there, so the 21st is expected on the 22nd at 05:00; from an eighth of a day before it is looked for.
    let at_midnight = world(WEEK, 5, "2026-11-22T00:00:00Z");
    assert_eq!(due(DAILY, &at_midnight, "2026-11-22T00:00:00Z"), Some(newest("2026-11-22T02:00:00Z")));
    let at_two = world(WEEK, 5, "2026-11-22T02:00:00Z");
    assert_eq!(due(DAILY, &at_two, "2026-11-22T02:00:00Z"), Some(newest("2026-11-22T02:05:00Z")));
    let late = world(WEEK, 5, "2026-11-22T05:30:00Z");
    assert_eq!(due(DAILY, &late, "2026-11-22T05:30:00Z"), Some(newest("2026-11-22T05:35:00Z")));
}

#[test]
fn one_backfill_teaches_nothing() {
    let mut backfilled = world(WEEK, 5, "2026-11-22T00:00:00Z");
    let old = vec!["2026-11-16".to_owned()];
    let partition =
        ObservedPartition { created: Some(at("2026-11-21T23:00:00Z")), ..ObservedPartition::default() };
    backfilled.partitions.get_or_insert_default().insert(old, partition);
    assert_eq!(due(DAILY, &backfilled, "2026-11-22T00:00:00Z"), Some(newest("2026-11-22T02:00:00Z")));
}

#[test]
fn long_before_the_next_data_early_data_is_still_seen_after_a_quarter_of_its_span() {
    let done = world(&["2026-11-20", "2026-11-21"], 5, "2026-11-22T00:10:00Z");
    // Expected on the 23rd at 05:00; the audit of everything comes first, after six hours.
    assert_eq!(
        due(DAILY, &done, "2026-11-22T00:10:00Z"),
        Some(("2026-11-22T06:00:00Z".to_owned(), DataReading::Whole))
    );
}

#[test]
fn data_that_is_overdue_by_more_than_its_span_is_looked_for_a_twelfth_as_often() {
    let overdue = world(&["2026-11-10", "2026-11-11"], 5, "2026-11-22T00:00:00Z");
    assert_eq!(due(DAILY, &overdue, "2026-11-22T00:00:00Z"), Some(newest("2026-11-22T01:00:00Z")));
}

#[test]
fn what_is_stale_is_looked_for_whatever_the_past_teaches() {
    // The past was registered ten days late, all at once: by that the next day is expected on the 22nd.
    let late = world(&["2026-11-17", "2026-11-18"], 240, "2026-11-21T00:00:00Z");
    let is_stale = DAILY.replace("72h", "24h");
    assert_eq!(due(DAILY, &late, "2026-11-21T00:00:00Z"), Some(newest("2026-11-21T06:00:00Z")));
    assert_eq!(due(&is_stale, &late, "2026-11-21T00:00:00Z"), Some(newest("2026-11-21T01:00:00Z")));
}

#[test]
fn while_a_directory_fills_or_the_verdict_is_about_to_turn_looks_come_as_often_as_they_may() {
    let mut filling = world(&["2026-11-10"], 5, "2026-11-22T00:00:00Z");
    let newest_object = Some(at("2026-11-21T23:58:00Z"));
    let directory = Directory {
        values: vec!["2026-11-11".into()],
        location: "s3://lake/t/dt=2026-11-11/".into(),
        has_marker: false,
        newest: newest_object,
    };
    filling.directories = Some(vec![directory]);
    assert_eq!(due(DISCOVERED, &filling, "2026-11-22T00:00:00Z"), Some(newest("2026-11-22T00:05:00Z")));
    // Fresh until 72 hours after the end of the 18th.
    let flips = world(&["2026-11-17", "2026-11-18"], 5, "2026-11-21T23:40:00Z");
    assert_eq!(due(DAILY, &flips, "2026-11-21T23:40:00Z"), Some(newest("2026-11-21T23:45:00Z")));
}

#[test]
fn where_nothing_says_when_data_comes_what_is_old_is_looked_for_rarely() {
    let lately = world(WEEK, 27, "2026-11-22T04:00:00Z");
    assert_eq!(due(DISCOVERED, &lately, "2026-11-22T04:00:00Z"), Some(newest("2026-11-22T04:07:30Z")));
    let old = world(&["2026-01-01"], 5, "2026-11-22T04:00:00Z");
    assert_eq!(due(DISCOVERED, &old, "2026-11-22T04:00:00Z"), Some(newest("2026-11-22T05:00:00Z")));
}

#[test]
fn what_is_declared_is_looked_at_only_by_the_audit() {
    let declared = "partitions: {mode: Declared, declared: [{values: ['2026-11-20']}]}";
    let world = world(&["2026-11-20"], 5, "2026-11-22T00:00:00Z");
    assert_eq!(
        due(declared, &world, "2026-11-22T00:00:00Z"),
        Some(("2026-11-22T06:00:00Z".to_owned(), DataReading::Whole))
    );
}

#[test]
fn a_table_without_partitions_is_never_looked_into() {
    assert_eq!(
        due("description: none", &world(&[], 0, "2026-11-22T00:00:00Z"), "2026-11-22T00:00:00Z"),
        None
    );
}

#[test]
fn before_a_table_is_called_late_its_data_is_looked_for_once_more() {
    // Fresh until 72 hours after the end of the 18th: 2026-11-22T00:00.
    let looked = "2026-11-21T23:58:00Z";
    let late = world(&["2026-11-17", "2026-11-18"], 5, looked);
    let due = |world: &TableWorld| next_look(&goal(DAILY), world, at("2026-11-22T00:00:00Z")).expect("due");
    assert_eq!(
        due(&late),
        DataDue { at: at("2026-11-22T00:00:00Z"), reading: DataReading::Newest, is_urgent: true }
    );
    let again = world(&["2026-11-17", "2026-11-18"], 5, "2026-11-22T00:00:00Z");
    assert!(!due(&again).is_urgent, "once");
}

#[test]
fn a_schema_in_s3_that_is_missing_is_looked_for_often_and_one_that_is_there_rarely() {
    let mut goal = goal("description: none");
    let Goal::Present(desired) = &mut goal else { panic!("it is to be there") };
    let source = Source::Avsc(AvscFrom { place: Place::S3("s3://lake/t.avsc".to_owned()), read: None });
    desired.learning = Some(Learning { source, table: "t".to_owned(), makes_avro_schema: false });
    let look = |seen: SeenAvsc| {
        let world = TableWorld { avsc: Some(seen), ..world(&[], 0, "2026-11-22T00:00:00Z") };
        next_look(&goal, &world, at("2026-11-22T00:00:00Z")).map(|due| (due.at.to_string(), due.reading))
    };
    assert_eq!(look(SeenAvsc::Unreadable("gone".to_owned())), Some(newest("2026-11-22T00:05:00Z")));
    assert_eq!(look(SeenAvsc::Text("{}".to_owned())), Some(newest("2026-11-22T01:00:00Z")));
}
