//! The controller dies at each call that it makes to AWS; the next one brings everything to the same end.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use aws_sdk_glue::types::Table;
use futures::{StreamExt as _, stream};
use mizuumi_api::Installation;
use mizuumi_tests::{Call, Controller, Team, bare};
use serde_json::{Value, json};

/// Points of death tried at once.
const AT_ONCE: usize = 4;

/// What a user does to a table; the controller dies on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Story {
    Create,
    Update,
    Delete,
    Release,
}

/// How it dies at a call.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before the call has an effect.
    Before(usize),
    /// After the effect, without having heard of it.
    After(usize),
    /// In the call, whose effect comes when the next controller is at work already.
    Late(usize),
}

/// Calls come only from what the story does.
fn undisturbed(config: &mut Installation) {
    config.intervals.sweep_seconds = 3600;
    config.intervals.data_seconds = 3600;
}

fn first(policy: &str) -> Value {
    json!({
        "description": "first",
        "deletionPolicy": policy,
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": [{ "values": ["1"] }, { "values": ["2"] }] },
    })
}

impl Story {
    /// All that comes before.
    async fn prepare(self, team: &Team) {
        match self {
            Self::Create => {}
            Self::Update | Self::Delete => drop(team.create_ready("orders", first("Delete")).await),
            Self::Release => drop(team.create_ready("orders", first("Retain")).await),
        }
    }

    async fn act(self, team: &Team) {
        match self {
            Self::Create => drop(team.create("orders", first("Delete")).await),
            Self::Update => {
                let moved = format!("s3://{}/moved/", team.aws.bucket);
                let declared = json!([{ "values": ["2"], "location": moved }, { "values": ["3"] }]);
                let spec = json!({ "description": "second", "partitions": { "declared": declared } });
                team.change("orders", spec).await;
            }
            Self::Delete | Self::Release => team.delete("orders").await,
        }
    }

    /// Whether the controller has nothing left to do.
    async fn has_ended(self, team: &Team) -> Result<()> {
        let table = team.tables.get_opt("orders").await?;
        let ended = match (self, &table) {
            (Self::Delete | Self::Release, table) => table.is_none(),
            (_, Some(table)) => table.status.as_ref().is_some_and(|status| {
                Some(status.observed_generation) == table.metadata.generation
                    && status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "InSync")
            }),
            (_, None) => false,
        };
        ensure!(ended, "it has not ended");
        Ok(())
    }
}

/// What is in Glue, in words that do not depend on the team.
async fn portrait(team: &Team) -> String {
    let Some(table) = team.aws.table("orders").await else { return "no table".to_owned() };
    let partitions: Vec<_> = team
        .aws
        .partitions("orders")
        .await
        .into_iter()
        .map(|mut partition| {
            let marks: BTreeMap<_, _> = partition.parameters.take().into_iter().flatten().collect();
            partition.creation_time = None;
            format!("{partition:?} {marks:?}")
        })
        .collect();
    let mut table: Table = bare(table);
    let parameters: BTreeMap<_, _> = table.parameters.take().into_iter().flatten().collect();
    let mut text = format!("{table:?}\n{parameters:?}\n{partitions:#?}");
    // The hash of the spec holds the bucket.
    if let Some(hash) = text.find(r#"\"hash\":\""#) {
        text.replace_range(hash..hash + 30, "");
    }
    text.replace(&team.namespace, "NAMESPACE")
        .replace(&team.aws.database, "DATABASE")
        .replace(&team.aws.bucket, "BUCKET")
        .replace(&team.account, "ACCOUNT")
}

/// The story without a death: the calls that were made, and the end.
async fn reference(story: Story) -> (Vec<Call>, String) {
    let team = Team::new("reference").await;
    let _controller = Controller::with(&team, undisturbed).await;
    story.prepare(&team).await;
    let since = team.admin.seq().await;
    story.act(&team).await;
    team.eventually("orders", "the end", async || story.has_ended(&team).await).await;
    let calls = team.admin.calls(since).await;
    (calls, portrait(&team).await)
}

async fn with_death(story: Story, death: Death) -> String {
    let team = Team::new("crash").await;
    let mut controller = Controller::with(&team, undisturbed).await;
    story.prepare(&team).await;
    let hang = |from: usize| json!({ "action": "hang", "from": from });
    match death {
        Death::Before(call) => team.admin.fault(hang(call)).await,
        Death::After(call) => {
            team.admin.fault(json!({ "action": "drop-after", "from": call, "times": 1 })).await;
            team.admin.fault(hang(call + 1)).await;
        }
        Death::Late(call) => {
            let late = json!({ "action": "delay", "delayMs": 1000, "from": call, "times": 1 });
            team.admin.fault(late).await;
        }
    }
    let strikes = if matches!(death, Death::After(_)) { 2 } else { 1 };
    story.act(&team).await;
    team.eventually("orders", &format!("{death:?}"), async || {
        let struck = team.admin.struck().await;
        ensure!(struck >= strikes, "struck {struck} times");
        Ok(())
    })
    .await;
    controller.kill();
    team.admin.heal().await;
    controller.restart();
    team.eventually("orders", "the end", async || story.has_ended(&team).await).await;
    if matches!(death, Death::Late(_)) {
        team.eventually("orders", "the late effect", async || {
            let calls = team.admin.calls(0).await;
            ensure!(calls.iter().any(|call| call.fault.as_deref() == Some("delay")), "not yet");
            Ok(())
        })
        .await;
    }
    assert_eq!(team.admin.witness("updateTableWithoutVersion").await, 0);
    // Partitions have no version: a write of theirs that comes late, after the release, cannot be held back.
    if !matches!((story, death), (Story::Release, Death::Late(_))) {
        assert_eq!(team.admin.witness("writesToUnmarkedTables").await, 0);
    }
    let creates = team.admin.writes().await.iter().filter(|write| write.operation == "CreateTable").count();
    assert_eq!(creates, 1, "one table was made");
    portrait(&team).await
}

fn writes(operation: &str) -> bool {
    !operation.contains("Get")
}

async fn dies_everywhere(story: Story) {
    let (calls, end) = reference(story).await;
    assert!(calls.iter().any(|call| writes(&call.operation)), "{calls:?}");
    let mut deaths = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        deaths.push(Death::Before(index + 1));
        if writes(&call.operation) {
            deaths.extend([Death::After(index + 1), Death::Late(index + 1)]);
        }
    }
    stream::iter(deaths)
        .for_each_concurrent(AT_ONCE, async |death| {
            let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
            assert_eq!(with_death(story, death).await, end, "{story:?}, {death:?} of {operations:?}");
        })
        .await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_a_creation() {
    dies_everywhere(Story::Create).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_an_update() {
    dies_everywhere(Story::Update).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_a_deletion() {
    dies_everywhere(Story::Delete).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_a_release() {
    dies_everywhere(Story::Release).await;
}
