//! Faults of runs and their work: F7, F8, F20, F21, F23, F28 and F32 of the list, and somebody who reads without a rest.

pub(super) mod asked;
pub(super) mod denied;
pub(super) mod frozen;
pub(super) mod load;
pub(super) mod readers;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{FutureExt as _, StreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::installation::{JobsProfile, Profile};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::clusters::with_clusters;
use crate::kubelet::{Container, Exit, Kubelet};
use crate::run_judge::RunWitness;
use crate::tasks::{IMAGE, with_tasks};
use crate::team::Team;
use crate::wait;

/// The table that the runs fill.
const TABLE: &str = "orders";
/// The cluster that does their steps.
const CLUSTER: &str = "shared";
/// Attempts for which there is data.
const ATTEMPTS: usize = 3;
/// Requests at once.
const AT_ONCE: usize = 8;
/// How long many runs may take.
const LONGEST: Duration = Duration::from_mins(5);

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Step,
    Job,
    Task,
}

/// A configuration in which runs have clusters and Jobs.
fn settings(installation: &mut Installation) {
    with_clusters(installation);
    with_tasks(installation);
    let jobs = JobsProfile { service_account: "ingest".to_owned(), images: vec!["ingest".to_owned()] };
    let profile = installation.profiles.remove("default").unwrap_or_default();
    installation.profiles.insert("default".to_owned(), Profile { jobs: Some(jobs), ..profile });
}

/// Pods that end well at once.
fn kubelet(team: &Team) -> Kubelet {
    team.kubelet(Arc::new(|_: Container| async { Exit::Code(0) }.boxed()))
}

/// Names of so many runs.
fn names(number: usize) -> Vec<String> {
    (0..number).map(|number| format!("run{number:03}")).collect()
}

/// The table, a cluster that is there when it is needed, and what the work of these runs would write.
async fn prepare(team: &Team, names: &[String]) {
    team.create_ready(
        TABLE,
        json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
        }),
    )
    .await;
    team.class(json!({})).await;
    team.create_cluster(CLUSTER, json!({ "lifecycle": "WhenNeeded", "stepConcurrency": 10 })).await;
    let write = async |name: &String| {
        let directories: Vec<String> =
            (1..=ATTEMPTS).map(|attempt| format!("a{attempt}/day={name}/")).collect();
        let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
        team.write_output(TABLE, name, &directories).await;
    };
    stream::iter(names).for_each_concurrent(AT_ONCE, write).await;
}

/// Makes these runs.
async fn make(team: &Team, engine: Engine, names: &[String]) {
    let work = match engine {
        Engine::Job => json!({ "engine": "KubernetesJob", "kubernetesJob": { "image": "ingest" } }),
        Engine::Task => {
            json!({ "engine": "EcsTask", "ecsTask": { "image": IMAGE, "cpu": 256, "memory": 512 } })
        }
        Engine::Step => json!({
            "engine": "EmrStep",
            "emrStep": { "cluster": CLUSTER, "step": { "name": "load", "command": ["load", "${output}"] } },
        }),
    };
    let one = async |(number, name): (usize, &String)| {
        let session = format!("2026-11-{:02}T{:02}:00:00Z", number / 24 + 1, number % 24);
        let mut spec: Value = json!({ "table": TABLE, "sessionTime": session, "retries": ATTEMPTS });
        json_patch::merge(&mut spec, &work);
        team.create_run(name, spec).await;
    };
    stream::iter(names.iter().enumerate()).for_each_concurrent(AT_ONCE, one).await;
}

/// Waits until all of these have succeeded.
async fn succeed(team: &Team, names: &[String]) {
    let first = names.first().map(String::as_str).unwrap_or_default();
    team.within(LONGEST, first, "all to succeed", async || have_succeeded(team, names).await).await;
}

async fn have_succeeded(team: &Team, names: &[String]) -> Result<()> {
    let all = team.runs().list(&ListParams::default()).await?.items;
    let is_done = |name: &&String| {
        let run = all.iter().find(|run| run.name_any() == **name);
        run.and_then(|run| run.status.as_ref()?.phase) == Some(RunPhase::Succeeded)
    };
    let left = names.iter().filter(|name| !is_done(name)).count();
    ensure!(left == 0, "{left} of {} have not", names.len());
    Ok(())
}

/// What a point came to, once every controller has looked again a few times.
async fn point(trial: &Trial, witness: &RunWitness, names: &[String], began: Instant) -> Point {
    let seconds = began.elapsed().as_secs_f64();
    wait::pass(Duration::from_secs(2)).await;
    let (finding, counted) = witness.judge(names).await;
    trial.clusters(counted);
    Point { finding, seconds }
}
