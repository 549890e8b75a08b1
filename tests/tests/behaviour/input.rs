//! Specs that cannot be: told with the path and what to do, and never a write.

use mizuumi_api::ConditionStatus;
use mizuumi_tests::{Controller, Team, condition};
use serde_json::{Value, json};

fn columns(listed: &[(&str, &str)]) -> Value {
    let listed: Vec<Value> =
        listed.iter().map(|(name, type_)| json!({ "name": name, "type": type_ })).collect();
    json!({ "schema": { "columns": listed } })
}

/// One object for each, all at once: the reason, and what the message must say.
async fn refused(team: &Team, cases: &[(&str, Value, &str, &[&str])]) {
    for (name, spec, ..) in cases {
        team.create(name, spec.clone()).await;
    }
    for (name, _, reason, parts) in cases {
        let ready = team.reason(name, reason).await;
        assert_eq!(ready.status, ConditionStatus::False, "{name}");
        for part in *parts {
            assert!(ready.message.contains(part), "{name}: no {part} in {}", ready.message);
        }
        let table = team.get(name).await;
        let stalled = condition(&table, "Stalled").unwrap_or_else(|| panic!("{name} is not Stalled"));
        assert_eq!(&stalled.reason, reason, "{name}");
        let note = team.event(name, reason).await;
        assert!(ready.message.contains(&note) || note.contains(parts[0]), "{name}: {note}");
    }
}

#[tokio::test]
async fn types_and_columns_that_cannot_be_are_told_with_their_path() {
    let team = Team::new("columns").await;
    let _controller = Controller::start(&team).await;
    let mut keyed = columns(&[("id", "bigint"), ("day", "date")]);
    keyed["partitionKeys"] = json!([{ "name": "Day", "type": "date" }]);
    let mut nested = columns(&[("id", "bigint")]);
    nested["partitionKeys"] = json!([{ "name": "tags", "type": "array<string>" }]);
    let cases: &[(&str, Value, &str, &[&str])] = &[
        (
            "typo",
            columns(&[("id", "bigint"), ("n", "integr")]),
            "SpecInvalid",
            &["spec.schema.columns[1].type", "'integr'"],
        ),
        ("open", columns(&[("id", "array<string")]), "SpecInvalid", &["spec.schema.columns[0].type"]),
        ("decimal", columns(&[("id", "decimal(39,2)")]), "SpecInvalid", &["spec.schema.columns[0].type"]),
        (
            "twice",
            columns(&[("id", "int"), ("ID", "int")]),
            "SpecInvalid",
            &["spec.schema.columns[1].name", "twice"],
        ),
        ("comma", columns(&[("a,b", "int")]), "SpecInvalid", &["spec.schema.columns[0].name"]),
        ("clash", keyed, "SpecInvalid", &["spec.partitionKeys[0].name", "spec.schema.columns[1]"]),
        ("nested", nested, "SpecInvalid", &["spec.partitionKeys[0].type", "primitive"]),
    ];
    refused(&team, cases).await;
    assert_eq!(team.admin.calls(0).await.iter().filter(|call| call.operation.ends_with("Table")).count(), 0);

    // Put right, each goes on by itself.
    team.change("typo", columns(&[("id", "bigint"), ("n", "int")])).await;
    team.ready("typo").await;
}

#[tokio::test]
async fn every_problem_of_a_spec_is_told_at_once() {
    let team = Team::new("all").await;
    let _controller = Controller::start(&team).await;
    let mut spec = columns(&[("id", "no"), ("id", "int")]);
    spec["location"] = json!("s3://elsewhere/orders/");
    spec["freshness"] = json!({
        "sources": [{ "type": "Reported" }],
        "timeZone": "Asia/Tokio",
        "maxAge": { "warn": "2d", "error": "1d" },
        "deadline": { "cron": "0 25 * * *", "window": "1h" },
    });
    let paths: &[&str] = &[
        "spec.location",
        "spec.schema.columns[0].type",
        "spec.schema.columns[1].name",
        "spec.freshness.timeZone",
        "spec.freshness.maxAge.warn",
        "spec.freshness.deadline.cron",
    ];
    refused(&team, &[("orders", spec, "SpecInvalid", paths)]).await;
}

#[tokio::test]
async fn what_the_installation_does_not_allow_is_refused_whoever_asks() {
    let team = Team::new("allowed").await;
    team.aws.create_database("somebody_elses").await;
    let _controller = Controller::start(&team).await;
    let outside = format!("s3://{}-more/orders/", team.aws.bucket);
    let dots = format!("s3://{}/orders/../../other/", team.aws.bucket);
    let partition = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": [{ "values": ["1"], "location": outside }] },
    });
    let cases: &[(&str, Value, &str, &[&str])] = &[
        ("location", json!({ "location": outside }), "NotAllowed", &["spec.location", "must lie under"]),
        ("dots", json!({ "location": dots }), "NotAllowed", &["spec.location"]),
        (
            "database",
            json!({ "database": "somebody_elses" }),
            "NotAllowed",
            &["spec.database", "ask the platform team"],
        ),
        ("profile", json!({ "profile": "admin" }), "NotAllowed", &["spec.profile", "'admin'"]),
        ("partition", partition, "NotAllowed", &["spec.partitions.declared[0].location"]),
    ];
    refused(&team, cases).await;
    assert_eq!(team.admin.writes().await.len(), 0);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for() {
    let team = Team::new("later").await;
    let database = format!("{}_later", team.aws.database);
    let _controller = Controller::start(&team).await;
    let spec = json!({ "database": database });
    refused(&team, &[("orders", spec, "DatabaseNotFound", &[database.as_str(), "create it"])]).await;
    team.aws.create_database(&database).await;
    team.ready("orders").await;
}

#[tokio::test]
async fn other_partition_keys_would_need_another_table() {
    let team = Team::new("rekeyed").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "partitionKeys": [{ "name": "day", "type": "string" }] })).await;
    let before = team.aws.existing("orders").await;
    team.change("orders", json!({ "partitionKeys": [{ "name": "month", "type": "string" }] })).await;
    let refused = team.reason("orders", "ReplacementRequired").await;
    assert!(refused.message.contains("month") && refused.message.contains("day"), "{}", refused.message);
    assert_eq!(team.aws.existing("orders").await, before);
}

#[tokio::test]
async fn a_spec_that_goes_bad_leaves_the_table_as_it_was_and_stays_deletable() {
    let team = Team::new("broken").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", json!({ "deletionPolicy": "Delete" })).await;
    let before = team.aws.existing("orders").await;
    team.change("orders", columns(&[("id", "no such type")])).await;
    team.reason("orders", "SpecInvalid").await;
    assert_eq!(team.aws.existing("orders").await, before);
    team.delete_wholly("orders").await;
    assert!(team.aws.table("orders").await.is_none());
}
