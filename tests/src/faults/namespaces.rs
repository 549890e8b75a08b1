//! F25: a namespace is deleted with all its tables; the role that could delete them is there, or is gone.

use std::time::Duration;

use anyhow::ensure;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::profiles;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::Witness;
use crate::kubernetes::reason_of;
use crate::proxy::Proxy;
use crate::team::Team;
use crate::wait;

/// When the role goes.
#[derive(Clone, Copy, Debug)]
enum RoleGoes {
    /// Before the namespace is deleted; the controller starts afterwards and gets no credentials.
    Before,
    /// When a third of the tables have been deleted: the credentials of the session are taken back as well.
    Meanwhile,
}

/// A namespace with all its tables goes, whose deletion takes them off Glue.
pub(super) async fn with_role(trial: &Trial) {
    let number = trial.options.many(1_000, 12);
    trial.point("the namespace goes", delete_all(number)).await;
    trial.note(format!("{number} tables"));
}

async fn delete_all(number: usize) -> Point {
    let team = Team::new("emptied").await;
    let witness = Witness::of(&team).await;
    let _controller = Controller::with(&team, |config| {
        config.deletions.hold_above = u32::try_from(number).expect("a few thousand at most");
    })
    .await;
    let names = many::names(number);
    many::create(&team, &names, &json!({ "deletionPolicy": "Delete" })).await;
    many::ready(&team, &names).await;
    let began = Instant::now();
    leave(&team).await;
    many::gone(&team, &names).await;
    gone(&team).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    let deleted = team.admin.writes().await.iter().filter(|write| write.operation == "DeleteTable").count();
    if deleted != number {
        finding.doubled.push(format!("{deleted} tables were deleted, and not {number}"));
    }
    Point { finding, seconds }
}

/// The role goes before or in the middle; some resources are let go without AWS, the others wait until it is back.
pub(super) async fn without_role(trial: &Trial) {
    let number = trial.options.many(60, 12);
    let lasts = trial.options.lasting(Duration::from_hours(1), Duration::from_secs(5));
    for goes in [RoleGoes::Before, RoleGoes::Meanwhile] {
        trial.point(&format!("the role goes {goes:?}"), delete(trial, number, lasts, goes)).await;
    }
    trial.note(format!("{number} tables, the role away for {} s", lasts.as_secs_f64()));
}

async fn delete(trial: &Trial, number: usize, lasts: Duration, goes: RoleGoes) -> Point {
    let team = Team::new("leaving").await;
    let ours = team.in_another_account("a").await;
    let witness = Witness::of(&ours).await;
    let proxy = Proxy::of_apiserver(&team).await;
    // So many deletions are meant.
    let overlay: Value = json!({ "deletions": { "holdAbove": number } });
    let launch = Launch { overlay, ..Launch::through(&proxy.kubeconfig(&team, "proxied")) };
    let mut controller =
        Controller::launch(&team, launch, |config| config.profiles = profiles::configured(&[&ours])).await;
    let names = many::names(number);
    many::create(&ours, &names, &json!({ "deletionPolicy": "Delete" })).await;
    many::ready(&ours, &names).await;
    match goes {
        RoleGoes::Before => {
            controller.kill();
            deny(&team).await;
            leave(&team).await;
            controller.restart();
        }
        RoleGoes::Meanwhile => {
            let third = number / 3;
            let expired = |more: Value| {
                let mut rule = json!({ "action": "expired-token", "service": "glue" });
                json_patch::merge(&mut rule, &more);
                rule
            };
            ours.admin.fault(expired(json!({ "operation": "DeleteTable", "from": third }))).await;
            deny(&team).await;
            leave(&team).await;
            ours.eventually("table-0000", "the session to end", async || {
                ensure!(ours.admin.struck().await > 0, "it has not yet");
                Ok(())
            })
            .await;
            ours.admin.fault(expired(json!({}))).await;
        }
    }
    let waiting = all_wait(&ours).await;
    let (since, asked) = (team.admin.seq().await, proxy.asked().len());
    let began = Instant::now();
    wait::pass(lasts).await;
    bounded(trial, &team, &proxy, since, asked, waiting, began.elapsed()).await;
    assert!(controller.runs(), "the controller has ended");
    // The way out that the book tells of. The endpoint's audit says whose table is left; Glue would not.
    let writes = ours.admin.writes().await;
    let is_left = |name: &&String| {
        let table = format!("{}.{}", ours.aws.database, name.replace('-', "_"));
        !writes.iter().any(|write| write.operation == "DeleteTable" && write.resource == table)
    };
    let abandoned = names.iter().find(is_left).expect("some tables are left");
    ours.annotate(abandoned, json!({ "mizuumi.dev/abandon": "true" })).await;
    ours.gone(abandoned).await;
    let began = Instant::now();
    team.admin.heal().await;
    ours.admin.heal().await;
    many::gone(&ours, &names).await;
    gone(&team).await;
    let seconds = began.elapsed().as_secs_f64();
    let mut finding = witness.judge().await;
    // That one's table stays as it is, mark and all; that is what was asked for.
    let stays = abandoned.replace('-', "_");
    finding.lost.retain(|what| !what.starts_with(&format!("table {stays} ")));
    if ours.aws.table(&stays).await.is_none() {
        finding.lost.push(format!("table {stays} was let go without AWS, and is gone there"));
    }
    let deleted = ours.admin.writes().await.iter().filter(|write| write.operation == "DeleteTable").count();
    if deleted != number - 1 {
        finding.doubled.push(format!("{deleted} tables were deleted, and not {}", number - 1));
    }
    Point { finding, seconds }
}

async fn deny(team: &Team) {
    let rule = json!({ "action": "denied", "operation": "AssumeRole", "table": "catalog-a" });
    team.admin.fault(rule).await;
}

fn namespaces(team: &Team) -> Api<Namespace> {
    Api::all(team.client.clone())
}

async fn leave(team: &Team) {
    let deleted = namespaces(team).delete(&team.namespace, &DeleteParams::default()).await;
    deleted.expect("the namespace is deleted");
}

async fn gone(team: &Team) {
    team.eventually("", "the namespace to be gone", async || {
        ensure!(namespaces(team).get_opt(&team.namespace).await?.is_none(), "it is still there");
        Ok(())
    })
    .await;
}

/// Waits until all that are left say what they wait for; answers how many they are.
async fn all_wait(team: &Team) -> usize {
    team.eventually("table-0000", "all that are left to say what they wait for", async || {
        let all = team.tables.list(&ListParams::default()).await?.items;
        let waits = |table: &&mizuumi_api::DataTable| {
            table.metadata.deletion_timestamp.is_some() && reason_of(table, "Ready") == "Denied"
        };
        let waiting = all.iter().filter(waits).count();
        ensure!(waiting == all.len() && waiting > 1, "{waiting} of {} do", all.len());
        Ok(waiting)
    })
    .await
}

/// Nothing is asked more often than the configuration says, neither of AWS nor of the apiserver.
async fn bounded(
    trial: &Trial,
    team: &Team,
    proxy: &Proxy,
    since: u64,
    asked: usize,
    waiting: usize,
    lasted: Duration,
) {
    let intervals = team.installation().intervals;
    // A sweep that fails has all tables look for themselves.
    let pause = intervals.blocked_seconds.min(intervals.sweep_seconds);
    let most = (waiting as u64 + 1) * (lasted.as_secs() / u64::from(pause) + 2);
    let roles = team.admin.count("AssumeRole", since).await as u64;
    trial.check(roles <= most, || format!("{roles} times AssumeRole, and not {most}, while it was denied"));
    let asked = proxy.asked().split_off(asked);
    let written = asked.iter().filter(|ask| ask.writes() && ask.resource.starts_with("datatables")).count();
    // Each may find another call refused than before, once.
    trial.check(written <= waiting, || format!("{written} writes to {waiting} resources that wait"));
    // Each try is told by an Event, and by nothing else.
    let (events, others): (Vec<_>, Vec<_>) =
        asked.iter().filter(|ask| ask.is_single()).partition(|ask| ask.resource.starts_with("events"));
    for (count, what) in [(others.len() as u64, "requests to the apiserver"), (events.len() as u64, "Events")]
    {
        trial.check(count <= most, || format!("{count} {what}, and not {most}, meanwhile"));
    }
    trial.note(format!(
        "{waiting} waited for {} s: {roles} times AssumeRole, {} requests to the apiserver and {} Events",
        lasted.as_secs(),
        others.len(),
        events.len()
    ));
}
