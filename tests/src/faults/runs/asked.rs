//! F7, F8: what became of the work that was asked for is not heard; the cluster is full, or ends while it works.

use anyhow::ensure;
use aws_sdk_emr::types::{ActionOnFailure, HadoopJarStepConfig, StepConfig};
use serde_json::json;
use tokio::time::Instant;

use super::{Engine, TABLE, kubelet, make, names, point, prepare, settings, succeed};
use crate::controller::{Controller, Launch};
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::proxy::{Proxy, Way};
use crate::run_judge::RunWitness;
use crate::tasks::IMAGE;
use crate::team::Team;

/// Runs of a point.
const RUNS: usize = 6;
/// Steps that wait and run in a full cluster (EMR's quota).
const FULL: usize = 256;

/// F7: steps of EMR.
pub(in crate::faults) async fn steps(trial: &Trial) {
    let actions = ["drop-after", "error-before", "error-after", "drop-before"];
    let points = some_of(trial, &actions).map(|(action, dies)| {
        let name = format!("AddJobFlowSteps, {action}{}", if dies { ", kill -9" } else { "" });
        (name, lost_reply(trial, action, dies))
    });
    trial.points(points).await;
    trial.point("a cluster with 256 steps", full(trial)).await;
    trial.point("ended by somebody in the middle", ended_in_the_middle(trial)).await;
}

async fn lost_reply(trial: &Trial, action: &str, dies: bool) -> Point {
    let team = Team::new("asked").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let mut controller = Controller::with(&team, settings).await;
    let names = names(RUNS);
    prepare(&team, &names).await;
    team.admin.fault(json!({ "action": action, "operation": "AddJobFlowSteps", "times": 1 })).await;
    make(&team, Engine::Step, &names).await;
    team.eventually(TABLE, "the fault to strike", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    let began = Instant::now();
    if dies {
        controller.restart();
    }
    succeed(&team, &names).await;
    point(trial, &witness, &names, began).await
}

/// Somebody's steps fill the cluster; those of runs wait, and come once there is room.
async fn full(trial: &Trial) -> Point {
    let team = Team::new("full").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let _controller = Controller::with(&team, settings).await;
    let names = names(RUNS);
    prepare(&team, &names).await;
    team.need(super::CLUSTER, true).await;
    let status = team.cluster_reason(super::CLUSTER, "Running").await.status.expect("a status");
    let id = status.cluster_id.expect("an id");
    let jar = HadoopJarStepConfig::builder().jar("command-runner.jar").args("sleep").build();
    let step = StepConfig::builder().name("slow").action_on_failure(ActionOnFailure::Continue);
    let steps = vec![step.hadoop_jar_step(jar).build(); FULL];
    let added = team.aws.emr.add_job_flow_steps().job_flow_id(&id).set_steps(Some(steps)).send().await;
    let ids = added.expect("somebody's steps are taken").step_ids().to_vec();
    team.cluster_until(super::CLUSTER, "full", |cluster| {
        let steps = cluster.status.as_ref().and_then(|status| status.steps.as_ref());
        steps.is_some_and(|steps| steps.pending > 200)
    })
    .await;
    let since = team.admin.seq().await;
    make(&team, Engine::Step, &names).await;
    team.run_until(&names[0], "waiting for room", |run| {
        run.status.as_ref().and_then(|status| status.attempt.as_ref()).is_some()
    })
    .await;
    crate::wait::pass(std::time::Duration::from_secs(2)).await;
    let tries = team.admin.count("AddJobFlowSteps", since).await;
    trial.check(tries == 0, || format!("a full cluster was asked for steps {tries} times"));
    let began = Instant::now();
    for ids in ids.chunks(100) {
        let cancelled = team.aws.emr.cancel_steps().cluster_id(&id).set_step_ids(Some(ids.to_vec())).send();
        cancelled.await.expect("somebody takes them back");
    }
    succeed(&team, &names).await;
    // Somebody's steps have one name, which is no run's.
    let mut point = point(trial, &witness, &names, began).await;
    point.finding.doubled.retain(|said| !said.contains("'slow'"));
    point
}

async fn ended_in_the_middle(trial: &Trial) -> Point {
    let team = Team::new("ended").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let _controller = Controller::with(&team, settings).await;
    let names = names(RUNS);
    prepare(&team, &names).await;
    make(&team, Engine::Step, &names).await;
    let run = team
        .run_until(&names[0], "at work", |run| {
            let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
            attempt.is_some_and(|attempt| attempt.external_id.is_some())
        })
        .await;
    let id = run.status.and_then(|status| status.attempt?.external_id).expect("an id");
    let cluster = id.split('/').next().unwrap_or_default();
    let began = Instant::now();
    team.aws.emr.terminate_job_flows().job_flow_ids(cluster).send().await.expect("somebody ends it");
    succeed(&team, &names).await;
    point(trial, &witness, &names, began).await
}

/// F8: Jobs of Kubernetes, whose name is the token: it is the same however often one is asked for.
pub(in crate::faults) async fn jobs(trial: &Trial) {
    let ways = [Way::HangAfter, Way::FailAfter, Way::Hang, Way::Unavailable, Way::Conflict, Way::Busy(1)];
    let points = some_of(trial, &ways).map(|(way, dies)| {
        let name = format!("the Job is asked for: {way:?}{}", if dies { ", kill -9" } else { "" });
        (name, lost_job(trial, way, dies))
    });
    trial.points(points).await;
}

/// F8: tasks of ECS, whose token is the attempt's; lists and looks that lag besides.
pub(in crate::faults) async fn tasks(trial: &Trial) {
    let actions = ["drop-after", "drop-before", "error-after", "error-before"];
    let points = some_of(trial, &actions).map(|(action, dies)| {
        let name = format!("RunTask, {action}{}", if dies { ", kill -9" } else { "" });
        (name, lost_task(trial, action, dies))
    });
    trial.points(points).await;
}

async fn lost_task(trial: &Trial, action: &str, dies: bool) -> Point {
    let team = Team::new("asked-task").await;
    let witness = RunWitness::of(&team, TABLE).await;
    team.task_cluster(json!([{ "image": IMAGE, "seconds": 30 }])).await;
    let mut controller = Controller::with(&team, settings).await;
    let names = names(RUNS);
    prepare(&team, &names).await;
    team.admin.fault(json!({ "action": action, "operation": "RunTask", "times": 2 })).await;
    for operation in ["ListTasks", "DescribeTasks"] {
        team.admin.fault(json!({ "action": "list-lag", "operation": operation, "delayMs": 1500 })).await;
    }
    make(&team, Engine::Task, &names).await;
    team.eventually(TABLE, "the fault to strike", async || {
        ensure!(team.admin.struck_by(action).await >= 1, "not yet");
        Ok(())
    })
    .await;
    let began = Instant::now();
    if dies {
        controller.restart();
    }
    succeed(&team, &names).await;
    team.admin.heal().await;
    point(trial, &witness, &names, began).await
}

/// Each of these, where the controller lives on and where it dies; in a short run the first two, once each.
fn some_of<T: Copy>(trial: &Trial, all: &[T]) -> impl Iterator<Item = (T, bool)> {
    let points = all.iter().flat_map(|one| [(*one, true), (*one, false)]);
    let (step, count) = if trial.options.is_short() { (3, 2) } else { (1, usize::MAX) };
    points.step_by(step).take(count)
}

async fn lost_job(trial: &Trial, way: Way, dies: bool) -> Point {
    let team = Team::new("asked-job").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, settings).await;
    let _kubelet = kubelet(&team);
    let names = names(2);
    prepare(&team, &names).await;
    proxy.rule(|ask| ask.verb == "create" && ask.resource == "jobs").times(2).go(way);
    make(&team, Engine::Job, &names).await;
    team.eventually(TABLE, "the fault to strike", async || {
        ensure!(proxy.struck() >= 1, "not yet");
        Ok(())
    })
    .await;
    let began = Instant::now();
    if dies {
        controller.restart();
    }
    succeed(&team, &names).await;
    point(trial, &witness, &names, began).await
}
