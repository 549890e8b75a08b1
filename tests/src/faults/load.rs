//! F32: the controller is told to stop, or killed, while hundreds of tables are under way.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::time::Instant;

use super::Trial;
use super::many;
use super::trial::Point;
use crate::controller::{Controller, Launch};
use crate::judge::Witness;
use crate::story::{first, second};
use crate::team::Team;
use crate::wait;

/// How long Kubernetes waits before it kills, less what a preStop may take.
const DRAIN: Duration = Duration::from_secs(25);

/// In order, and not in order.
pub(super) async fn stopped(trial: &Trial) {
    let number = trial.options.many(200, 60);
    for orderly in [true, false] {
        let name = if orderly { "SIGTERM" } else { "SIGKILL" };
        trial.point(name, stop_and_go(trial, number, orderly)).await;
    }
    trial.note(format!("{number} tables created and changed, each five times interrupted"));
}

async fn stop_and_go(trial: &Trial, number: usize, orderly: bool) -> Point {
    let team = Team::new("load").await;
    let witness = Witness::of(&team).await;
    // So that many calls are under way at any moment.
    team.admin.fault(json!({ "action": "delay", "delayMs": 100, "service": "glue" })).await;
    // Looks at partitions, which a call of 100 ms makes dear, are not what is tried here.
    let mut controller = Controller::with(&team, |config| config.intervals.data_seconds = 60).await;
    let names = many::names(number);
    many::create(&team, &names, &first("Delete")).await;
    let mut random = StdRng::seed_from_u64(trial.options.seed);
    let mut slowest = Duration::ZERO;
    for round in 0..5 {
        if round == 2 {
            many::change(&team, &names, &second(&team)).await;
        }
        wait::pass(Duration::from_millis(random.random_range(300..2000))).await;
        if orderly {
            slowest = slowest.max(drained(trial, &team, &mut controller).await);
        }
        controller.restart();
    }
    let seconds = many::ready(&team, &names).await;
    if orderly {
        trial.note(format!("the slowest end in order took {:.1} s", slowest.as_secs_f64()));
    }
    team.admin.heal().await;
    let mut finding = witness.judge().await;
    let writes = team.admin.writes().await;
    for operation in ["CreateTable", "BatchCreatePartition"] {
        let times = writes.iter().filter(|write| write.operation == operation).count();
        // Two partitions at first, another one later.
        let expected = if operation == "CreateTable" { number } else { 3 * number };
        if times > expected {
            finding.doubled.push(format!("{times} effects of {operation} instead of {expected}"));
        }
    }
    Point { finding, seconds }
}

/// Tells it to stop; answers how long it took.
async fn drained(trial: &Trial, team: &Team, controller: &mut Controller) -> Duration {
    let began = Instant::now();
    controller.terminate();
    let code = team.eventually("table-0000", "the end", async || controller.ended()).await;
    let took = began.elapsed();
    trial.check(took <= DRAIN, || format!("the end took {:.1} s", took.as_secs_f64()));
    trial.check(code == Some(0), || format!("it ended with {code:?}"));
    took
}

/// F33: nowhere to write, not even a log.
pub(super) async fn no_disk(trial: &Trial) {
    trial.point("/proc as working folder, /dev/full as log", without_disk()).await;
}

async fn without_disk() -> Point {
    let team = Team::new("disk").await;
    let witness = Witness::of(&team).await;
    let mut controller = Controller::launch(&team, Launch::without_disk(), |_| {}).await;
    let began = Instant::now();
    let names = many::names(10);
    many::create(&team, &names, &first("Delete")).await;
    team.eventually(&names[0], "the first table", async || {
        // It may end at its first line.
        assert!(controller.runs(), "the controller has ended with {:?}", controller.ended());
        let table = team.tables.get(&names[0]).await?;
        ensure!(many::is_ready(&table), "it is not ready");
        Ok(())
    })
    .await;
    many::ready(&team, &names).await;
    many::change(&team, &names, &second(&team)).await;
    many::ready(&team, &names).await;
    let (deleted, _) = names.split_at(5);
    many::delete(&team, deleted).await;
    many::gone(&team, deleted).await;
    let seconds = began.elapsed().as_secs_f64();
    assert!(controller.runs(), "the controller has ended");
    controller.terminate();
    let code = team
        .eventually("table-0000", "the end", async || {
            controller.ended()?.context("it was killed by a signal")
        })
        .await;
    assert_eq!(code, 0, "it ended in order");
    Point { finding: witness.judge().await, seconds }
}
