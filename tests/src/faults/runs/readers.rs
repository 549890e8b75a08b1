//! R1: somebody reads without a rest while runs are published one after the other and controllers die.
//!
//! The reader does as Athena, Hive and Spark do: the catalog says where the data is, and the files there are read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::time::Instant;

use crate::aws::parameters_of;
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::judge::Finding;
use crate::team::Team;
use crate::wait;

/// Tables that are published at the same time.
const TABLES: usize = 5;
/// Files of a publication.
const FILES: usize = 3;
/// Partitions of a publication of several: more than a call moves.
const PARTITIONS: usize = 250;
/// Requests at once.
const AT_ONCE: usize = 8;

/// 500 publications that are one pointer each, and some of 250.
pub(in crate::faults) async fn without_rest(trial: &Trial) {
    let each = trial.options.many(100, 6);
    trial.point("one pointer each", single(trial, each)).await;
    let several = trial.options.many(6, 3);
    trial.point("250 pointers each", multiple(trial, several)).await;
}

/// Kills a controller now and then, until it is told that all is over.
async fn killed_now_and_then(trial: &Trial, controller: &mut Controller, is_over: &AtomicBool) -> usize {
    let mut random = StdRng::seed_from_u64(trial.options.seed);
    let mut times = 0;
    while !is_over.load(Ordering::Relaxed) {
        wait::pass(Duration::from_millis(random.random_range(1000..6000))).await;
        controller.restart();
        times += 1;
    }
    times
}

async fn single(trial: &Trial, each: usize) -> Point {
    let team = Team::new("reader").await;
    let mut controller = Controller::start(&team).await;
    let names: Vec<String> = (0..TABLES).map(|number| format!("rates{number}")).collect();
    for name in &names {
        team.create_ready(name, json!({ "partitions": { "mode": "Published" } })).await;
    }
    let began = Instant::now();
    let is_over = AtomicBool::new(false);
    let publish = async |name: &String| {
        for number in 0..each {
            let run = format!("{name}-{number:03}");
            for file in 0..FILES {
                team.aws.put(&format!("{name}/runs/{run}/part-{file}.parquet"), &run).await;
            }
            team.aws.put(&format!("{name}/runs/{run}/_SUCCESS"), "").await;
            let session = format!("2026-11-{:02}T{:02}:00:00Z", number / 24 + 1, number % 24);
            team.create_run(&run, json!({ "table": name, "sessionTime": session, "engine": "External" }))
                .await;
            team.run_phase(&run, mizuumi_api::ingest_run::RunPhase::Succeeded).await;
        }
    };
    let work = async {
        stream::iter(&names).for_each_concurrent(TABLES, publish).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let mut reader = Reader::default();
    let read = async {
        while !is_over.load(Ordering::Relaxed) {
            let all: Vec<Seen> =
                stream::iter(&names).map(|name| read_table(&team, name)).buffered(TABLES).collect().await;
            for seen in all {
                reader.take(seen);
            }
        }
    };
    let ((), (), times) = tokio::join!(work, read, killed_now_and_then(trial, &mut controller, &is_over));
    trial.note(format!(
        "{} publications of one pointer, {} reads of which {} found a new one, the controller killed {times} times",
        each * TABLES,
        reader.reads,
        reader.changes
    ));
    trial.check(reader.changes > each, || format!("the reader saw only {} changes", reader.changes));
    Point {
        finding: Finding { lost: reader.wrong, ..Finding::default() },
        seconds: began.elapsed().as_secs_f64(),
    }
}

/// What somebody saw of a table: its name, and the run of each file that was read.
type Seen = (String, Vec<String>);

async fn read_table(team: &Team, name: &str) -> Seen {
    let table = team.aws.existing(name).await;
    let location = table.storage_descriptor().and_then(|storage| storage.location()).unwrap_or_default();
    (name.to_owned(), read_files(team, location).await)
}

async fn read_files(team: &Team, location: &str) -> Vec<String> {
    let key = location.split_once(&format!("{}/", team.aws.bucket)).map_or("", |(_, key)| key);
    let keys = team.aws.keys(key).await;
    let data = keys.into_iter().filter(|key| key.ends_with(".parquet"));
    stream::iter(data).map(async |key: String| team.aws.get(&key).await).buffered(FILES).collect().await
}

/// What a reader has seen so far.
#[derive(Debug, Default)]
struct Reader {
    reads: usize,
    changes: usize,
    last: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Reader {
    fn take(&mut self, (name, files): Seen) {
        self.reads += 1;
        let last = self.last.get(&name).cloned().unwrap_or_default();
        let Some(run) = files.first() else {
            if !last.is_empty() {
                self.wrong.push(format!("{name} was {last} and then empty"));
            }
            return;
        };
        if files.len() != FILES || files.iter().any(|other| other != run) {
            self.wrong.push(format!("{name} was read in parts: {files:?}"));
        }
        // Names of runs are in the order of their sessions.
        if *run < last {
            self.wrong.push(format!("{name} was {last} and then {run}"));
        }
        if *run != last {
            self.changes += 1;
            self.last.insert(name, run.clone());
        }
    }
}

/// Pointers move in their order, so that those of a run are the first of all; how far the data is comes last.
async fn multiple(trial: &Trial, publications: usize) -> Point {
    let team = Team::new("reader-order").await;
    let mut controller = Controller::start(&team).await;
    team.create_ready(
        "orders",
        json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
            "freshness": { "sources": [{ "type": "Manifest" }], "maxAge": { "error": "3650d" } },
        }),
    )
    .await;
    let began = Instant::now();
    let is_over = AtomicBool::new(false);
    let work = async {
        for number in 1..=publications {
            let run = run_name(number);
            let put = async |partition: usize| {
                team.aws.put(&format!("orders/runs/{run}/day={partition:03}/part-0.parquet"), &run).await;
            };
            stream::iter(0..PARTITIONS).for_each_concurrent(AT_ONCE, put).await;
            let external = json!({ "outcome": "Succeeded", "dataTime": data_time(number) });
            let session = format!("2026-11-{number:02}T00:00:00Z");
            team.create_run(
                &run,
                json!({ "table": "orders", "sessionTime": session, "engine": "External", "external": external }),
            )
            .await;
            team.run_phase(&run, mizuumi_api::ingest_run::RunPhase::Succeeded).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let mut order = Order::default();
    let read = async {
        while !is_over.load(Ordering::Relaxed) {
            // How far the data is said to be is read first: what is read after that may only be newer.
            let time = team.aws.parameter("orders", "mizuumi.data_time").await.unwrap_or_default();
            let partitions = team.aws.partitions("orders").await;
            let runs = partitions.iter().map(|partition| {
                (
                    partition.values().join("/"),
                    parameters_of(partition).get("mizuumi.run").cloned().unwrap_or_default(),
                )
            });
            order.take(&time, runs.collect());
        }
    };
    let ((), (), times) = tokio::join!(work, read, killed_now_and_then(trial, &mut controller, &is_over));
    trial.note(format!(
        "{publications} publications of {PARTITIONS} pointers, {} reads of which {} came in the middle of one, the controller killed {times} times",
        order.reads, order.between
    ));
    Point {
        finding: Finding { lost: order.wrong, ..Finding::default() },
        seconds: began.elapsed().as_secs_f64(),
    }
}

fn run_name(number: usize) -> String {
    format!("orders-{number:03}")
}

fn data_time(number: usize) -> String {
    format!("2026-11-{:02}T00:00:00Z", number + 1)
}

/// The order in which the pointers of a table were seen to move.
#[derive(Debug, Default)]
struct Order {
    reads: usize,
    between: usize,
    last: BTreeMap<String, String>,
    wrong: Vec<String>,
}

impl Order {
    fn take(&mut self, time: &str, runs: BTreeMap<String, String>) {
        self.reads += 1;
        for (partition, before) in &self.last {
            match runs.get(partition) {
                None => self.wrong.push(format!("partition {partition} was there and then not")),
                Some(now) if now < before => {
                    self.wrong.push(format!("partition {partition} was of {before} and then of {now}"));
                }
                Some(_) => {}
            }
        }
        let in_order: Vec<&String> = runs.values().collect();
        let mut neighbours = in_order.iter().zip(in_order.iter().skip(1));
        if let Some((one, next)) = neighbours.find(|(one, next)| one < next) {
            self.wrong.push(format!("{next} came before {one}, though its partition comes after"));
        }
        let (first, last) = (in_order.first(), in_order.last());
        if first != last || (!runs.is_empty() && runs.len() < PARTITIONS) {
            self.between += 1;
        }
        // Data is said to be there only once the last pointer has moved.
        let oldest = last.map(|run| run.as_str()).filter(|_| runs.len() == PARTITIONS).unwrap_or_default();
        let said = (1..=31).find(|number| data_time(*number) == time).map(run_name).unwrap_or_default();
        if *said > *oldest {
            self.wrong
                .push(format!("the data of {said} is said to be there, but there is that of '{oldest}'"));
        }
        self.last = runs;
    }
}
