//! F35: all tables turn stale in one moment.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use mizuumi_api::annotation::REPORTED_DATA_TIME;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::trial::Point;
use crate::controller::Controller;
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::recorder::Recorder;
use crate::story::{first, undisturbed};
use crate::team::Team;
use crate::wait;

/// So quick is a user's change in the midst of it.
const QUICK: f64 = 2.0;

/// One status write for each table, and a user's change gets through meanwhile.
pub(super) async fn all_at_once(trial: &Trial) {
    trial.point("all tables turn stale", flip(trial)).await;
    trial.point("looks take all workers", look(trial)).await;
}

/// The tables' partitions are looked at more often than all workers together can; users' work comes through all the same.
async fn look(trial: &Trial) -> Point {
    const TABLES: usize = 120;
    let team = Team::new("looks").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    let names = many::names(TABLES);
    many::create(&team, &names, &first("Delete")).await;
    many::ready(&team, &names).await;
    let usual = newly_ready(&team, "usual").await.unwrap_or_default();
    // Each table every second, 16 at once: for 120 tables that takes a second and a half.
    team.admin.fault(json!({ "action": "delay", "delayMs": 200, "operation": "GetPartitions" })).await;
    wait::pass(Duration::from_secs(3)).await;
    let took = newly_ready(&team, "later").await;
    trial.note(match &took {
        Ok(seconds) => {
            format!(
                "looks take all workers: {NEW} new tables ready in {seconds:.1} s, without looks {usual:.1} s"
            )
        }
        Err(error) => format!("looks take all workers: after 20 s {error}"),
    });
    // The machine may be slow at all times; it is the looks that must not make it so.
    let quick = took.is_ok_and(|seconds| seconds <= usual + QUICK);
    trial.check(quick, || "new tables wait behind looks that nobody waits for".to_owned());
    team.admin.heal().await;
    let seconds = many::ready(&team, &new("later")).await;
    Point { finding: witness.judge().await, seconds }
}

/// So many tables are made to see how long new ones wait.
const NEW: usize = 10;

fn new(name: &str) -> Vec<String> {
    (0..NEW).map(|number| format!("{name}-{number}")).collect()
}

/// How long new tables take, in seconds.
async fn newly_ready(team: &Team, name: &str) -> anyhow::Result<f64> {
    let names = new(name);
    many::create(team, &names, &json!({ "deletionPolicy": "Delete" })).await;
    many::ready_within(team, 10 * Duration::from_secs(2), &names).await
}

async fn flip(trial: &Trial) -> Point {
    let number = trial.options.many(300, 60);
    let team = Team::new("flips").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::with(&team, undisturbed).await;
    let names = many::names(number);
    let source = json!({ "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } });
    let spec = json!({ "deletionPolicy": "Delete", "freshness": source });
    many::create(&team, &names, &spec).await;
    many::ready(&team, &names).await;
    // So that all have been told before the moment comes.
    let until_then = i64::try_from(number / 15).unwrap_or(i64::MAX) + 8;
    let second = Timestamp::from_second(wait::now().as_second()).expect("a time");
    let moment = second + SignedDuration::from_secs(until_then);
    let report = json!({ REPORTED_DATA_TIME: (moment - SignedDuration::from_hours(1)).to_string() });
    stream::iter(&names)
        .for_each_concurrent(8, async |name| drop(team.annotate(name, report.clone()).await))
        .await;
    let told = async |reason: &str| {
        team.within(Duration::from_mins(3), &names[0], reason, async || {
            let all = team.tables.list(&kube::api::ListParams::default()).await?.items;
            let count = all.iter().filter(|table| reason_of(table, "Fresh") == reason).count();
            anyhow::ensure!(count == number, "{count} of {number} are");
            Ok(())
        })
        .await;
    };
    told("Fresh").await;
    // A report that is written to Glue makes one more status; only then it is quiet.
    let mut quiet = (0, 0);
    let recorder = Recorder::of(&team).await;
    team.within(Duration::from_mins(1), &names[0], "quiet", async || {
        wait::pass(Duration::from_millis(500)).await;
        let now = (recorder.count(), team.admin.writes().await.len());
        let is_quiet = now == std::mem::replace(&mut quiet, now);
        anyhow::ensure!(is_quiet, "it is not");
        Ok(())
    })
    .await;
    let (seen, writes) = quiet;
    let left = moment.duration_since(wait::now());
    trial.check(left.is_positive(), || {
        "the moment came before all were told; the machine is too busy".to_owned()
    });
    wait::pass(Duration::try_from(left).unwrap_or_default()).await;
    let began = Instant::now();
    let changed = &names[number / 2];
    team.change(changed, json!({ "description": "in the midst" })).await;
    let through = many::ready(&team, std::slice::from_ref(changed)).await;
    told("Stale").await;
    let seconds = began.elapsed().as_secs_f64();
    wait::pass(Duration::from_secs(2)).await;
    trial.check(through <= QUICK, || format!("a user's change took {through:.1} s in the midst of it"));
    let mut finding = witness.judge().await;
    let others: Vec<_> = recorder
        .seen()
        .split_off(seen)
        .into_iter()
        .filter(|seen| seen.object.name_any() != *changed)
        .collect();
    if others.len() > number - 1 {
        finding.doubled.push(format!("{} status writes for {} tables", others.len(), number - 1));
    }
    let written = team.admin.writes().await.len() - writes;
    if written > 1 {
        finding.doubled.push(format!("{written} writes to AWS, of which one was asked for"));
    }
    trial.note(format!(
        "{number} tables in {seconds:.1} s, {} status writes; a user's change in {through:.1} s",
        others.len()
    ));
    Point { finding, seconds }
}
