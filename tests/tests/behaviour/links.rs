//! Links: made and deleted, never updated, and only those that are proven to be this resource's.

use aws_sdk_glue::types::{TableIdentifier, TableInput};
use mizuumi_api::Installation;
use mizuumi_api::installation::LinkTargets;
use mizuumi_tests::{Controller, Team};
use serde_json::{Value, json};

/// A team with a table that links may stand for.
async fn team(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let database = team.aws.database.clone();
    let with_links = move |installation: &mut Installation| {
        installation.allow.links = vec![LinkTargets { catalog_id: None, database, region: None }];
    };
    let controller = Controller::with(&team, with_links).await;
    for table in ["codes", "others"] {
        team.create_ready(table, json!({ "description": table, "deletionPolicy": "Delete" })).await;
    }
    (team, controller)
}

fn to(team: &Team, table: &str) -> Value {
    json!({
        "location": null, "format": null, "schema": null, "deletionPolicy": "Delete",
        "linkTo": { "database": team.aws.database, "table": table },
    })
}

/// What a link stands for; none if it is not there, or no link.
async fn target(team: &Team, link: &str) -> Option<String> {
    let table = team.aws.table(link).await?;
    table.target_table().and_then(|target| target.name()).map(str::to_owned)
}

async fn make(team: &Team, link: &str, to: &str) {
    let target = TableIdentifier::builder().database_name(&team.aws.database).name(to).build();
    let input = TableInput::builder().name(link).target_table(target).build().expect("a link");
    let create = team.aws.glue.create_table().database_name(&team.aws.database).table_input(input);
    create.send().await.expect("the link is made");
}

#[tokio::test]
async fn a_link_is_made_left_alone_and_deleted_and_its_target_never_written() {
    let (team, mut controller) = team("link").await;
    let before = team.aws.existing("codes").await;
    team.create_ready("kept", to(&team, "codes")).await;
    assert_eq!(target(&team, "kept").await.as_deref(), Some("codes"));
    let status = team.get("kept").await.status.expect("a status");
    assert!(status.link.is_some_and(|link| link.created_at.is_some()));
    assert!(status.foreign_parameters.is_empty(), "{:?}", status.foreign_parameters);
    controller.restart();
    team.sweeps(3).await;
    team.ready("kept").await;
    assert_eq!(team.aws.existing("codes").await, before);
    team.delete_wholly("kept").await;
    assert!(team.aws.table("kept").await.is_none());
    assert_eq!(team.aws.existing("codes").await, before);
}

#[tokio::test]
async fn another_target_is_another_link_and_waits_for_approval() {
    let (team, _controller) = team("link-target").await;
    team.create_ready("kept", to(&team, "codes")).await;
    team.change("kept", json!({ "linkTo": { "table": "others" } })).await;
    let told = team.reason("kept", "ApprovalRequired").await;
    assert_eq!(target(&team, "kept").await.as_deref(), Some("codes"));
    let hash = told.message.split('\'').find(|part| part.len() == 16).expect("a hash").to_owned();
    team.change("kept", json!({ "approvals": [hash] })).await;
    team.ready("kept").await;
    assert_eq!(target(&team, "kept").await.as_deref(), Some("others"));
}

#[tokio::test]
async fn a_link_that_is_not_proven_to_be_ours_is_kept() {
    let (team, _controller) = team("link-doubt").await;
    make(&team, "theirs", "codes").await;
    team.create("theirs", to(&team, "codes")).await;
    let told = team.reason("theirs", "NotAdopted").await;
    assert!(told.message.contains("adoptionPolicy: IfUnowned"), "{}", told.message);
    team.delete_wholly("theirs").await;
    assert_eq!(target(&team, "theirs").await.as_deref(), Some("codes"), "it was never taken");

    team.create_ready("kept", to(&team, "codes")).await;
    team.aws.delete_table("kept").await;
    // Glue tells whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    make(&team, "kept", "others").await;
    let told = team.reason("kept", "OwnedByAnother").await;
    assert!(told.message.contains("not known to be made by this resource"), "{}", told.message);
    team.delete("kept").await;
    team.until("kept", "kept in doubt", |table| {
        format!("{:?}", table.status).contains("is not the one that this resource made")
    })
    .await;
    team.annotate("kept", json!({ "mizuumi.dev/abandon": "true" })).await;
    team.gone("kept").await;
    assert_eq!(target(&team, "kept").await.as_deref(), Some("others"));
}

#[tokio::test]
async fn only_what_the_installation_lists_may_be_linked_to_and_no_table_becomes_a_link() {
    let (team, _controller) = team("link-allowed").await;
    let mut elsewhere = to(&team, "codes");
    elsewhere["linkTo"]["database"] = json!("secret");
    team.create("elsewhere", elsewhere).await;
    let told = team.reason("elsewhere", "NotAllowed").await;
    assert!(told.message.contains("spec.linkTo") && told.message.contains("allow.links"), "{}", told.message);
    let mut link = to(&team, "others");
    link["description"] = Value::Null;
    team.change("codes", link).await;
    let told = team.reason("codes", "ReplacementRequired").await;
    assert!(told.message.contains("is no link, and the spec says one"), "{}", told.message);
}
