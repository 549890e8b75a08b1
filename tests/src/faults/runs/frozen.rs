//! F20: stopped in the middle of a call about a run, while another controller ends the work; then awake.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use super::{Engine, TABLE, kubelet, make, names, point, prepare, settings, succeed};
use crate::controller::{Controller, Launch};
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::run_judge::RunWitness;
use crate::tasks::IMAGE;
use crate::team::Team;
use crate::wait;

/// Runs of a point.
const RUNS: usize = 3;
/// Calls in the middle of which a controller falls asleep: work is asked for, looked at, published.
const CALLS: [(Engine, &str); 6] = [
    (Engine::Step, "AddJobFlowSteps"),
    (Engine::Step, "ListSteps"),
    (Engine::Step, "BatchCreatePartition"),
    (Engine::Task, "RunTask"),
    (Engine::Task, "DescribeTasks"),
    (Engine::Job, "BatchCreatePartition"),
];

/// F20: at each of the calls.
pub(in crate::faults) async fn asleep(trial: &Trial) {
    let sleep = trial.options.lasting(Duration::from_mins(1), Duration::from_secs(2));
    let points = CALLS.into_iter().map(|(engine, operation)| {
        (format!("{engine:?}, in the middle of {operation}"), at(trial, engine, operation, sleep))
    });
    trial.points(points).await;
    trial.note(format!("asleep for {} s at least", sleep.as_secs_f64()));
}

async fn at(trial: &Trial, engine: Engine, operation: &str, sleep: Duration) -> Point {
    let team = Team::new("runs-frozen").await;
    let witness = RunWitness::of(&team, TABLE).await;
    if engine == Engine::Task {
        team.task_cluster(json!([{ "image": IMAGE, "seconds": 30 }])).await;
    }
    let sleeper = Controller::with(&team, settings).await;
    let _kubelet = kubelet(&team);
    let names = names(RUNS);
    prepare(&team, &names).await;
    team.admin.fault(json!({ "action": "delay", "delayMs": 700, "operation": operation, "times": 1 })).await;
    make(&team, engine, &names).await;
    team.eventually(TABLE, &format!("{operation} to be under way"), async || {
        ensure!(team.admin.struck().await == 1, "it is not");
        Ok(())
    })
    .await;
    sleeper.freeze();
    let slept = Instant::now();
    let _other = Controller::launch(&team, Launch::default().named("other"), settings).await;
    succeed(&team, &names).await;
    wait::pass(sleep.saturating_sub(slept.elapsed())).await;
    let began = Instant::now();
    sleeper.thaw();
    point(trial, &witness, &names, began).await
}
