//! F24: AWS refuses to let a table go, or there is nothing left to let go.

use std::time::Duration;

use futures::FutureExt as _;
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::aws_proxy::AwsProxy;
use crate::controller::Controller;
use crate::judge::{Finding, Witness};
use crate::kubernetes::condition;
use crate::story::{first, undisturbed};
use crate::team::Team;
use crate::wait;

/// What is missing when a table is to be let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Table,
    Database,
}

/// The deletion or the release is denied for a while; table or database are gone already, or go right before the call.
pub(super) async fn deletion(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(5));
    for (policy, operation) in [("Delete", "DeleteTable"), ("Retain", "UpdateTable")] {
        trial.point(&format!("{operation} is denied"), denied(trial, lasts, policy, operation)).await;
    }
    for missing in [Missing::Table, Missing::Database] {
        for (policy, operation) in [("Delete", "DeleteTable"), ("Retain", "UpdateTable")] {
            trial.point(&format!("{missing:?} gone before, {policy}"), gone_before(missing, policy)).await;
            let between = gone_between(missing, policy, operation);
            trial.point(&format!("{missing:?} gone between, {policy}"), between).await;
        }
    }
    trial.note(format!("denied for {} s", lasts.as_secs_f64()));
}

async fn denied(trial: &Trial, lasts: Duration, policy: &str, operation: &str) -> Point {
    let team = Team::new("refused").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::start(&team).await;
    team.create_ready("orders", first(policy)).await;
    let before = team.aws.existing("orders").await;
    team.admin.fault(json!({ "action": "denied", "operation": operation })).await;
    let since = team.admin.seq().await;
    team.delete("orders").await;
    let told = team.reason("orders", "Denied").await;
    trial.check(told.message.contains(operation), || {
        format!("it does not say what is denied: {}", told.message)
    });
    let began = Instant::now();
    wait::pass(lasts).await;
    let tries = team.admin.count(operation, since).await;
    let pause = f64::from(team.installation().intervals.blocked_seconds);
    // One when it was deleted, one when somebody looked again for a reason of his own, then one a pause.
    let most = 2.0 + (began.elapsed().as_secs_f64() / pause).ceil();
    let often = f64::from(u32::try_from(tries).unwrap_or(u32::MAX));
    trial.check(often <= most, || {
        format!("{tries} times {operation}, and not {most:.0}, while it was denied")
    });
    trial.check(tries >= 2, || format!("{operation} was never tried again"));
    let table = team.get("orders").await;
    trial.check(!table.finalizers().is_empty(), || "the finalizer is gone".to_owned());
    let stalled = condition(&table, "Stalled").map(|stalled| stalled.reason.as_str());
    trial.check(stalled == Some("Denied"), || format!("Stalled says {stalled:?}"));
    let (status, message) = team.kstatus(&table);
    trial.check(status == "Terminating", || format!("kstatus says {status}: {message}"));
    let is_untouched = team.aws.existing("orders").await == before;
    trial.note(format!("{tries} times {operation} while it was denied, one a {pause:.0} s"));
    let began = Instant::now();
    team.admin.heal().await;
    team.gone("orders").await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    if !is_untouched {
        finding.lost.push(format!("the table changed while {operation} was denied"));
    }
    finding.lost.extend(left(&team, policy).await);
    Point { finding, seconds }
}

/// What is not as it should be in Glue once the object is gone.
async fn left(team: &Team, policy: &str) -> Option<String> {
    let table = team.aws.table("orders").await;
    let is_there = table.is_some();
    (is_there != (policy == "Retain")).then(|| format!("under {policy} the table is {table:?}"))
}

async fn go(team: &Team, missing: Missing) {
    match missing {
        Missing::Table => team.aws.delete_table("orders").await,
        Missing::Database => team.aws.delete_database().await,
    }
}

async fn gone_before(missing: Missing, policy: &str) -> Point {
    let team = Team::new("missing").await;
    let mut controller = Controller::start(&team).await;
    team.create_ready("orders", first(policy)).await;
    // Nobody sees it go.
    controller.kill();
    go(&team, missing).await;
    team.delete("orders").await;
    let began = Instant::now();
    controller.restart();
    team.gone("orders").await;
    ended(&team, began).await
}

async fn gone_between(missing: Missing, policy: &str, operation: &'static str) -> Point {
    let team = Team::new("missing").await;
    let proxy = AwsProxy::of(&team).await;
    let url = proxy.url();
    let _controller = Controller::with(&team, |config| {
        undisturbed(config);
        config.aws.endpoint_url = Some(url);
    })
    .await;
    team.create_ready("orders", first(policy)).await;
    let mut struck = Some(team.clone());
    proxy.before(move |call| {
        if call.operation != operation {
            return None;
        }
        struck.take().map(|team| async move { go(&team, missing).await }.boxed())
    });
    let since = team.admin.seq().await;
    let began = Instant::now();
    team.delete("orders").await;
    team.gone("orders").await;
    let called = team.admin.count(operation, since).await;
    assert!(called > 0, "{operation} was never called, so nothing went right before it");
    ended(&team, began).await
}

/// The object is gone, and nothing was made anew for it.
async fn ended(team: &Team, began: Instant) -> Point {
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = Finding::default();
    let made = team.admin.writes().await.iter().filter(|write| write.operation == "CreateTable").count();
    if made != 1 {
        finding.doubled.push(format!("the table was made {made} times"));
    }
    let deleted = team.admin.writes().await.iter().filter(|write| write.operation == "DeleteTable").count();
    if deleted > 0 {
        finding.doubled.push("a table was deleted that was gone".to_owned());
    }
    Point { finding, seconds }
}
