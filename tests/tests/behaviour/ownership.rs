//! Whose table it is: others' tables are refused, and nothing of theirs is touched.

use anyhow::ensure;
use aws_sdk_glue::types::{Column, Table};
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::json;

#[tokio::test]
async fn a_table_that_nobody_keeps_is_refused_and_taken_when_the_spec_says_so() {
    let team = Team::new("adopt").await;
    team.aws.create_table("orders", &[("theirs", "a")]).await;
    let before = team.aws.existing("orders").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({})).await;
    let refused = team.reason("orders", "NotAdopted").await;
    assert!(refused.message.contains("adoptionPolicy: IfUnowned"), "{}", refused.message);
    assert_eq!(team.kstatus(&team.get("orders").await).0, "Failed");
    team.sweeps(2).await;
    assert_eq!(team.aws.existing("orders").await, before, "it was touched");
    assert_eq!(team.admin.writes().await.len(), 0);

    team.change("orders", json!({ "adoptionPolicy": "IfUnowned" })).await;
    let table = team.ready("orders").await;
    assert_eq!(table.status.expect("a status").foreign_parameters, ["theirs"]);
    let stored = team.aws.existing("orders").await;
    let columns = stored.storage_descriptor().expect("a storage descriptor").columns();
    assert_eq!(columns.iter().map(Column::name).collect::<Vec<_>>(), ["id", "what"]);
    assert!(stored.parameters().is_some_and(|all| all.contains_key("mizuumi.owner")));
    team.event("orders", "TableAdopted").await;
}

#[tokio::test]
async fn a_table_of_another_owner_is_refused_even_with_adoption_and_outlives_us() {
    let team = Team::new("owned").await;
    let mark = format!("other/their-ns/DataTable/orders@{}.orders", team.aws.database);
    team.aws.create_table("orders", &[("mizuumi.owner", &mark)]).await;
    let before = team.aws.existing("orders").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", json!({ "adoptionPolicy": "IfUnowned", "deletionPolicy": "Delete" })).await;
    let refused = team.reason("orders", "OwnedByAnother").await;
    for part in ["'orders'", "'their-ns'", "'other'"] {
        assert!(refused.message.contains(part), "no {part} in {}", refused.message);
    }
    team.delete_wholly("orders").await;
    assert_eq!(team.aws.existing("orders").await, before);
    assert_eq!(team.admin.writes().await.len(), 0);
}

#[tokio::test]
async fn a_copy_of_a_table_with_our_mark_is_not_taken_for_the_table() {
    let team = Team::new("copied").await;
    let mark = format!("tests/{}/DataTable/orders@{}.orders", team.namespace, team.aws.database);
    team.aws.create_table("copy", &[("mizuumi.owner", &mark)]).await;
    let before = team.aws.existing("copy").await;
    let _controller = Controller::start(&team).await;
    team.create("copy", json!({ "deletionPolicy": "Delete" })).await;
    team.reason("copy", "OwnedByAnother").await;
    team.delete_wholly("copy").await;
    assert_eq!(team.aws.existing("copy").await, before);
}

#[tokio::test]
async fn of_two_resources_for_one_table_exactly_one_keeps_it() {
    let team = Team::new("two").await;
    let _controller = Controller::start(&team).await;
    let spec = |who: &str| json!({ "name": "shared", "description": who, "deletionPolicy": "Delete" });
    team.create("one", spec("one")).await;
    team.create("other", spec("other")).await;
    let (winner, loser) = team
        .eventually("one", "one winner and one loser", async || {
            let (one, other) = (team.get("one").await, team.get("other").await);
            let reasons = (reason_of(&one, "Ready"), reason_of(&other, "Ready"));
            match reasons {
                ("InSync", "OwnedByAnother") => Ok(("one", "other")),
                ("OwnedByAnother", "InSync") => Ok(("other", "one")),
                _ => anyhow::bail!("{reasons:?}"),
            }
        })
        .await;
    let refused = team.reason(loser, "OwnedByAnother").await;
    assert!(refused.message.contains(&format!("DataTable '{winner}'")), "{}", refused.message);
    assert_eq!(team.aws.existing("shared").await.description(), Some(winner));

    let before = team.aws.existing("shared").await;
    team.delete_wholly(loser).await;
    team.sweeps(2).await;
    assert_eq!(team.aws.existing("shared").await, before, "the loser's end touches nothing");
    team.ready(winner).await;
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
}

#[tokio::test]
async fn the_loser_takes_the_table_over_once_the_winner_is_gone() {
    let team = Team::new("heir").await;
    let _controller = Controller::start(&team).await;
    team.create_ready("first", json!({ "name": "shared", "deletionPolicy": "Delete" })).await;
    team.create("second", json!({ "name": "shared", "description": "second" })).await;
    team.reason("second", "OwnedByAnother").await;
    team.delete_wholly("first").await;
    team.ready("second").await;
    team.eventually("second", "its own table", async || {
        ensure!(team.aws.existing("shared").await.description() == Some("second"), "not yet");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_view_and_an_iceberg_table_are_left_alone() {
    let team = Team::new("unsupported").await;
    team.aws
        .create_table("iceberg", &[("table_type", "ICEBERG"), ("metadata_location", "s3://x/m.json")])
        .await;
    team.aws.create_table("view", &[]).await;
    let into_view = |mut table: Table| {
        table.table_type = Some("VIRTUAL_VIEW".to_owned());
        table
    };
    team.aws.meddle("view", into_view).await;
    let _controller = Controller::start(&team).await;
    for (name, reason, what) in [
        ("iceberg", "UnsupportedTable", "an Iceberg table"),
        ("view", "ReplacementRequired", "is a view, and the spec says a table"),
    ] {
        let before = team.aws.existing(name).await;
        team.create(name, json!({ "adoptionPolicy": "IfUnowned" })).await;
        let refused = team.reason(name, reason).await;
        assert!(refused.message.contains(what), "{}", refused.message);
        assert_eq!(team.aws.existing(name).await, before);
    }
}
