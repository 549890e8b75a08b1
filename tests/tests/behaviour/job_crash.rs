//! The controller dies at each write of a job's session, or is there twice: each session has one run, always.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use mizuumi_api::Installation;
use mizuumi_tests::{Ask, Controller, Hourly, Launch, Proxy, Team, Way, run_name};
use serde_json::{Value, json};

/// Points of death tried at once.
const AT_ONCE: usize = 4;
/// Sessions that a job has to make up for.
const SESSIONS: i64 = 2;

fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

fn undisturbed(config: &mut Installation) {
    config.intervals.sweep_seconds = 3600;
}

/// What concerns jobs and runs alone: a death elsewhere is no death of theirs.
fn is_of_jobs(ask: &Ask) -> bool {
    ask.is_single() && ask.resource.starts_with("ingest")
}

/// A job that has two sessions to make up for, one after the other, and keeps no run.
async fn with_a_job(name: &str) -> (Team, Hourly, Proxy) {
    let (team, hourly) = (Team::new(name).await, Hourly::new());
    team.create("orders", published()).await;
    team.create_missed("hourly", &hourly, SESSIONS, json!({ "failedRunsHistoryLimit": 0 })).await;
    let proxy = Proxy::of_apiserver(&team).await;
    (team, hourly, proxy)
}

async fn has_ended(team: &Team) -> bool {
    team.runs_of("hourly").await.is_ok_and(|runs| runs.is_empty())
}

/// Each session's run, with how many there were of it.
fn once(job: &str, hourly: &Hourly) -> BTreeMap<String, usize> {
    hourly.sessions(SESSIONS).into_iter().map(|session| (run_name(job, session), 1)).collect()
}

fn counts(uids: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, usize> {
    uids.iter().map(|(name, uids)| (name.clone(), uids.len())).collect()
}

async fn with_death(request: usize, way: Way) {
    let (team, hourly, proxy) = with_a_job("job-crash").await;
    proxy.rule(is_of_jobs).from(request).go(way);
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, undisturbed).await;
    let last = hourly.sessions(1)[0];
    // Whoever does the work goes on, whatever the controller does.
    let mut uids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    team.eventually("hourly", &format!("request {request}: {way:?}"), async || {
        for (name, run) in team.runs_of("hourly").await? {
            uids.entry(name.clone()).or_default().extend(run.metadata.uid.clone());
            if run.spec.external.is_none() {
                team.change_run(&name, json!({ "external": { "outcome": "Failed" } })).await;
            }
        }
        let status = team.jobs().get("hourly").await?.status.unwrap_or_default();
        let is_over = status.last_scheduled_time == Some(last) && has_ended(&team).await;
        ensure!(proxy.struck() > 0 || is_over, "it has not come to that");
        Ok(())
    })
    .await;
    controller.kill();
    proxy.heal();
    controller.restart();
    for (name, more) in team.fail_all("hourly", last).await {
        uids.entry(name).or_default().extend(more);
    }
    assert_eq!(counts(&uids), once("hourly", &hourly), "request {request}: {way:?}");
    team.until_runs("hourly", &[]).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_write_of_a_session() {
    let (team, hourly, proxy) = with_a_job("job-reference").await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let controller = Controller::launch(&team, launch, undisturbed).await;
    let uids = team.fail_all("hourly", hourly.sessions(1)[0]).await;
    assert_eq!(counts(&uids), once("hourly", &hourly));
    team.until_runs("hourly", &[]).await;
    let asked: Vec<Ask> = proxy.asked().into_iter().filter(is_of_jobs).collect();
    let created = asked.iter().filter(|ask| ask.to_string() == "create ingestruns").count();
    assert_eq!(created, 2, "{asked:?}");
    drop(controller);
    // A death at a look leaves the world as the write before it did.
    let writes = (1..).zip(&asked).filter(|(_, ask)| ask.writes());
    let ways = writes.flat_map(|(request, _)| [(request, Way::Hang), (request, Way::HangAfter)]);
    stream::iter(ways).for_each_concurrent(AT_ONCE, |(request, way)| with_death(request, way)).await;
}

#[tokio::test]
async fn two_controllers_make_one_run_of_each_session() {
    let (team, hourly) = (Team::new("job-rivals").await, Hourly::new());
    team.create("orders", published()).await;
    let jobs = ["one", "two", "three", "four"];
    for (job, policy) in jobs.iter().zip(["Queue", "Allow", "Queue", "Allow"]) {
        team.create_missed(job, &hourly, SESSIONS, json!({ "concurrencyPolicy": policy })).await;
    }
    let _one = Controller::start(&team).await;
    let _other = Controller::launch(&team, Launch::default().named("other"), |_| {}).await;
    for job in jobs {
        let uids = team.fail_all(job, hourly.sessions(1)[0]).await;
        assert_eq!(counts(&uids), once(job, &hourly), "{job}");
    }
}
