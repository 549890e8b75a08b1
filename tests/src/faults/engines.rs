//! F14: an engine commits to a table, or makes an Iceberg table of it, between what the controller reads and writes.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::ensure;
use aws_sdk_glue::types::Table;
use futures::FutureExt as _;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::aws::{Aws, parameters};
use crate::aws_proxy::AwsProxy;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::story::{Story, undisturbed};
use crate::team::Team;

/// The parameter that says where the metadata of an Iceberg table is: the one thing that must never be lost.
const METADATA: &str = "metadata_location";

/// When the engine commits.
#[derive(Clone, Copy, Debug)]
enum Commits {
    /// Before a call of the controller, counted from 1.
    Before(usize),
    /// Before each of its calls.
    Always,
}

/// Before each call of an update, a release, a deletion and an adoption; and before all of them.
pub(super) async fn commit(trial: &Trial) {
    for story in [Story::Update, Story::Release, Story::Delete] {
        let calls = story.reference().await.calls.len();
        let moments = (1..=calls).map(Commits::Before).chain([Commits::Always]);
        let points = moments.map(|commits| (format!("{story:?}, {commits:?}"), during(story, commits)));
        trial.points(points).await;
    }
    // To look, to take over, to look again.
    let adoptions = (1..=3).map(|call| (format!("an adoption, call {call}"), adopted(call)));
    trial.points(adoptions).await;
    trial.note(
        "not right before DeleteTable itself, which takes no version: the table is read right before it",
    );
}

/// An engine beside the controller. It remembers what it committed last.
struct Engine {
    aws: Aws,
    last: Arc<Mutex<Option<String>>>,
}

impl Engine {
    fn of(team: &Team) -> Self {
        Self { aws: team.aws.clone(), last: Arc::default() }
    }

    /// Has it commit when the controller's calls come.
    fn disturbs(&self, proxy: &AwsProxy, commits: Commits) {
        let (mut calls, aws, last) = (0, self.aws.clone(), self.last.clone());
        proxy.before(move |call| {
            // Reads of another service change nothing, and DeleteTable cannot be guarded.
            if call.operation == "DeleteTable" {
                return None;
            }
            calls += 1;
            let (number, aws, last) = (calls, aws.clone(), last.clone());
            let is_due = match commits {
                Commits::Before(call) => number == call,
                Commits::Always => true,
            };
            is_due.then(|| async move { commit_to(&aws, number, &last).await }.boxed())
        });
    }

    /// What it committed last, if it ever did.
    fn last(&self) -> Option<String> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is not as the engine left it.
    async fn lost(&self) -> Option<String> {
        let last = self.last()?;
        let Some(table) = self.aws.table("orders").await else {
            return Some(format!("the table of {last} is gone"));
        };
        let is = parameters(&table).get(METADATA).cloned();
        (is.as_ref() != Some(&last)).then(|| format!("{METADATA} is {is:?} and not {last}"))
    }
}

/// Makes an Iceberg table of it or commits another snapshot, if it is there.
async fn commit_to(aws: &Aws, number: usize, last: &Mutex<Option<String>>) {
    if aws.table("orders").await.is_none() {
        return;
    }
    let metadata = format!("s3://{}/orders/metadata/{number:05}.metadata.json", aws.bucket);
    aws.meddle("orders", |table| as_iceberg(table, &metadata)).await;
    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata);
}

fn as_iceberg(mut table: Table, metadata: &str) -> Table {
    let all = table.parameters.get_or_insert_default();
    all.insert("table_type".to_owned(), "ICEBERG".to_owned());
    let before = all.insert(METADATA.to_owned(), metadata.to_owned());
    all.extend(before.map(|before| ("previous_metadata_location".to_owned(), before)));
    table
}

async fn during(story: Story, commits: Commits) -> Point {
    let team = Team::new("engine").await;
    let mut witness = Witness::of(&team).await;
    witness.excuses("orders");
    let proxy = AwsProxy::of(&team).await;
    let url = proxy.url();
    let _controller = Controller::with(&team, |config| {
        undisturbed(config);
        config.aws.endpoint_url = Some(url);
    })
    .await;
    story.prepare(&team).await;
    let engine = Engine::of(&team);
    engine.disturbs(&proxy, commits);
    story.act(&team).await;
    // Either it was over before the engine came, or the controller stands back.
    team.eventually("orders", "the end", async || {
        let stands_back = team.tables.get_opt("orders").await?.is_some_and(|table| is_left(&table));
        ensure!(stands_back || story.has_ended(&team).await.is_ok(), "it has not ended");
        Ok(())
    })
    .await;
    settled(&team, &proxy, &engine, &witness).await
}

fn is_left(table: &mizuumi_api::DataTable) -> bool {
    reason_of(table, "Ready") == "UnsupportedTable"
}

/// A table that is to be taken over becomes an Iceberg table on the way.
async fn adopted(call: usize) -> Point {
    let team = Team::new("engine").await;
    let mut witness = Witness::of(&team).await;
    witness.adopts("orders");
    witness.excuses("orders");
    let proxy = AwsProxy::of(&team).await;
    let url = proxy.url();
    let _controller = Controller::with(&team, |config| {
        undisturbed(config);
        config.aws.endpoint_url = Some(url);
    })
    .await;
    team.aws.create_table("orders", &[]).await;
    let engine = Engine::of(&team);
    engine.disturbs(&proxy, Commits::Before(call));
    team.create("orders", json!({ "adoptionPolicy": "IfUnowned", "schema": { "evolution": "Breaking" } }))
        .await;
    team.eventually("orders", "the end", async || {
        let told = team.get("orders").await;
        ensure!(is_left(&told) || reason_of(&told, "Ready") == "InSync", "it has not ended");
        Ok(())
    })
    .await;
    settled(&team, &proxy, &engine, &witness).await
}

/// Once it is seen, the table is left alone, and what the engine commits from then on stays, too.
async fn settled(team: &Team, proxy: &AwsProxy, engine: &Engine, witness: &Witness) -> Point {
    let began = Instant::now();
    let mut lost: Vec<String> = engine.lost().await.into_iter().collect();
    proxy.heal();
    let has_committed = engine.last().is_some();
    if has_committed && team.tables.get_opt("orders").await.expect("the object is read").is_some() {
        team.annotate("orders", json!({ "mizuumi.dev/requested-at": "now" })).await;
        team.eventually("orders", "that the table is left alone", async || {
            ensure!(is_left(&team.get("orders").await), "it is not");
            Ok(())
        })
        .await;
        let writes = team.admin.writes().await.len();
        engine.disturbs(proxy, Commits::Always);
        team.annotate("orders", json!({ "mizuumi.dev/requested-at": "again" })).await;
        team.until("orders", "the look", |table| {
            table.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref())
                == Some("again")
        })
        .await;
        lost.extend(engine.lost().await);
        let more = team.admin.writes().await.len() - writes;
        if more > 0 {
            lost.push(format!("{more} writes to a table that is to be left alone"));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    finding.lost.extend(lost);
    Point { finding, seconds }
}
