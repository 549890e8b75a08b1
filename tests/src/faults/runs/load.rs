//! F21, F23, F32: two controllers, runs that are made anew while they work, and one that is stopped with many under way.

use std::time::Duration;

use anyhow::ensure;
use kube::ResourceExt as _;
use kube::api::DeleteParams;
use mizuumi_api::IngestRun;
use mizuumi_api::ingest_run::RunPhase;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::Instant;

use super::{Engine, TABLE, kubelet, make, names, point, prepare, settings, succeed};
use crate::controller::{Controller, Launch};
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::judge::Finding;
use crate::run_judge::RunWitness;
use crate::team::Team;
use crate::wait;

/// F32: in order, and not in order.
pub(in crate::faults) async fn stopped(trial: &Trial) {
    let number = trial.options.many(60, 16);
    for orderly in [true, false] {
        let name = if orderly { "SIGTERM" } else { "SIGKILL" };
        trial.point(name, stop_and_go(trial, number, orderly)).await;
    }
    trial.note(format!("{number} runs, half of them Jobs; four times interrupted"));
}

async fn stop_and_go(trial: &Trial, number: usize, orderly: bool) -> Point {
    let team = Team::new("runs").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let mut controller = Controller::with(&team, settings).await;
    let _kubelet = kubelet(&team);
    let names = names(number);
    prepare(&team, &names).await;
    let (steps, jobs) = names.split_at(number / 2);
    let began = Instant::now();
    tokio::join!(make(&team, Engine::Step, steps), make(&team, Engine::Job, jobs));
    let mut random = StdRng::seed_from_u64(trial.options.seed);
    for _ in 0..4 {
        wait::pass(Duration::from_millis(random.random_range(300..2500))).await;
        if orderly {
            controller.terminate();
            let code = team.eventually(TABLE, "the end", async || controller.ended()).await;
            trial.check(code == Some(0), || format!("it ended with {code:?}"));
        }
        controller.restart();
    }
    succeed(&team, &names).await;
    point(trial, &witness, &names, began).await
}

/// F21: two with one configuration, all along.
pub(in crate::faults) async fn two(trial: &Trial) {
    trial.point("two controllers from the beginning", beside(trial)).await;
}

async fn beside(trial: &Trial) -> Point {
    let team = Team::new("runs-two").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let _one = Controller::with(&team, settings).await;
    let _other = Controller::launch(&team, Launch::default().named("other"), settings).await;
    let _kubelet = kubelet(&team);
    let names = names(trial.options.many(20, 8));
    prepare(&team, &names).await;
    let (steps, jobs) = names.split_at(names.len() / 2);
    let began = Instant::now();
    tokio::join!(make(&team, Engine::Step, steps), make(&team, Engine::Job, jobs));
    succeed(&team, &names).await;
    point(trial, &witness, &names, began).await
}

/// F23: a run is deleted while it works, and another of its name is made at once.
pub(in crate::faults) async fn made_anew(trial: &Trial) {
    let points = [Engine::Step, Engine::Job].into_iter().flat_map(|engine| {
        [0_u64, 700, 2000].map(|millis| {
            (format!("{engine:?}, after {millis} ms"), again(trial, engine, Duration::from_millis(millis)))
        })
    });
    trial.points(points).await;
}

async fn again(trial: &Trial, engine: Engine, after: Duration) -> Point {
    let team = Team::new("runs-again").await;
    let witness = RunWitness::of(&team, TABLE).await;
    let _controller = Controller::with(&team, settings).await;
    let _kubelet = kubelet(&team);
    let names = names(1);
    prepare(&team, &names).await;
    make(&team, engine, &names).await;
    let uid = team.runs().get(&names[0]).await.expect("the run").uid();
    wait::pass(after).await;
    let began = Instant::now();
    team.runs().delete(&names[0], &DeleteParams::default()).await.expect("it is deleted");
    team.eventually(&names[0], "its name to be free", async || {
        let there = team.runs().get_opt(&names[0]).await?;
        ensure!(there.is_none_or(|run| run.uid() != uid), "it is there");
        Ok(())
    })
    .await;
    make(&team, engine, &names).await;
    let is_over =
        |run: &IngestRun| run.status.as_ref().and_then(|status| status.phase).is_some_and(RunPhase::is_over);
    let run = team.run_until(&names[0], "its end", is_over).await;
    if run.status.as_ref().and_then(|status| status.phase) == Some(RunPhase::Failed) {
        // The first had brought its data by then, and a name brings data once.
        let why = run.status.iter().flat_map(|status| &status.conditions);
        let why = why.filter(|condition| condition.type_ == "Succeeded").map(|told| told.reason.as_str());
        let (why, there) = (why.collect::<String>(), team.aws.partitions(TABLE).await.len());
        trial.check(why == "OutputInvalid" && there == 1, || {
            format!("it failed: {why}, with {there} partitions")
        });
        return Point { finding: Finding::default(), seconds: began.elapsed().as_secs_f64() };
    }
    point(trial, &witness, &names, began).await
}
