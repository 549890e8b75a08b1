//! B11, B12: EMR clusters, forty of them, and the runs that work on them: over a day, and at once. EMR's own quotas hold all along.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use jiff::Timestamp;
use mizuumi_api::emr_cluster::Phase;
use mizuumi_api::installation::{Clusters, Rates};
use mizuumi_api::{EmrCluster, Installation};
use serde_json::json;
use tokio::time::Instant;

use super::endpoint::{Calls, Endpoint};
use super::figures::{Figure, Unit};
use super::report::{NOTHING, Report};
use super::say;
use super::settings::{Id, Settings, Size};
use super::stats::{float, number};
use super::steps::{self, CONCURRENCY, Order, Runs, Told};
use crate::cluster_judge::ClusterWitness;
use crate::clusters::with_clusters;
use crate::controller::Controller;
use crate::team::Team;
use crate::wait;

/// Seconds of a day.
const DAY: f64 = 86_400.0;
/// How fast clusters live where all are started at once: a start takes 36 seconds.
const AT_ONCE_SPEED: f64 = 10.0;
/// So many seconds of a compressed day are between two looks at the list.
const POLL: u32 = 5;
/// A cluster without work ends after so long.
const IDLE: &str = "2h";
/// How often runs are made that have become due.
const TICK: Duration = Duration::from_millis(500);
/// How long anything may take.
const LONGEST: Duration = Duration::from_mins(20);
/// Service Quotas: RunJobFlow at once, and a second.
const RUN_JOB_FLOW: (f64, f64) = (10.0, 0.5);
/// Service Quotas: calls a second of what is called most.
const RATES: [(&str, f64); 10] = [
    ("AddJobFlowSteps", 0.5),
    ("DescribeCluster", 1.0),
    ("ListInstanceGroups", 1.0),
    ("ListClusters", 0.5),
    ("ListSteps", 0.5),
    ("RunJobFlow", 0.5),
    ("TerminateJobFlows", 0.5),
    ("ModifyCluster", 0.5),
    ("AddTags", 0.5),
    ("SetTerminationProtection", 0.2),
];
/// All calls of EMR together, a second.
const TOGETHER: f64 = 5.0;

/// A team with the quotas of EMR, and its controller.
struct Field {
    team: Team,
    witness: ClusterWitness,
    endpoint: Endpoint,
    before: Calls,
    _controller: Controller,
}

/// The configuration is the product's, but for `poll`.
async fn field(settings: &Settings, speed: f64, poll: Option<u32>) -> Result<Field> {
    let team = Team::new("bench-emr").await;
    let witness = ClusterWitness::of(&team).await;
    let endpoint = Endpoint::new(team.admin.clone());
    endpoint.set_latency(settings).await?;
    let controller = Controller::with(&team, |config: &mut Installation| {
        with_clusters(config);
        config.rates = Rates::default();
        config.clusters = Clusters::default();
        config.clusters.poll_seconds = poll.unwrap_or(config.clusters.poll_seconds);
    })
    .await;
    team.class(json!({})).await;
    team.admin.emr_pace(json!({ "speed": speed })).await;
    let preset = json!({ "preset": "emr", "account": team.account });
    team.admin.ask("POST", "quotas/preset", "", Some(preset)).await.context("EMR's quotas cannot be set")?;
    let before = endpoint.calls().await?;
    Ok(Field { team, witness, endpoint, before, _controller: controller })
}

impl Field {
    /// How many clusters EMR was asked for with success.
    async fn started(&self) -> u64 {
        self.team.emr().await["started"].as_u64().unwrap_or_default()
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> Result<()>) {
        self.team.within(LONGEST, "cluster-00", what, is_so).await;
    }

    /// Waits until every cluster is in this phase.
    async fn are(&self, what: &str, phase: Phase) {
        self.until(what, async || {
            let all = self.team.clusters().list(&kube::api::ListParams::default()).await?;
            let of = |cluster: &EmrCluster| cluster.status.as_ref().and_then(|status| status.phase);
            let left = all.items.iter().filter(|cluster| of(cluster) != Some(phase)).count();
            ensure!(left == 0, "{left} clusters are not {phase:?}");
            Ok(())
        })
        .await;
    }

    /// Clusters that are there while runs need them.
    async fn make_clusters(&self, clusters: usize) {
        let spec = json!({ "lifecycle": "WhenNeeded", "idleTimeout": IDLE, "stepConcurrency": CONCURRENCY });
        let names: Vec<String> = (0..clusters).map(steps::cluster).collect();
        join_all(names.iter().map(|name| self.team.create_cluster(name, spec.clone()))).await;
    }

    /// What is told of the steps. From here on there are no quotas.
    async fn tell_steps(
        &self,
        report: &mut Report,
        id: Id,
        runs: &Runs,
        began: Timestamp,
        clusters: Option<f64>,
    ) -> Result<()> {
        self.team.admin.no_quota().await;
        let Told { first, last, late } = runs.told(began).await?;
        let size = Size(runs.count());
        if let Some(clusters) = clusters {
            let figure = Figure::new(id, size, "runs made → every cluster has steps", Unit::Seconds, first);
            report.add(figure.at_most(clusters + 15.0).floor(clusters));
            let figure = Figure::new(id, size, "runs made → all steps asked for", Unit::Seconds, last);
            report.add(figure.detail().note("a cluster has to do with 128 runs at once, and runs 25 steps"));
        }
        let figure = Figure::new(id, size, "step ended → its run says so, p99", Unit::Seconds, late.at(0.99));
        let words = late.in_words();
        report.add(match clusters {
            // All clusters have steps at once, and EMR lists those of one in two seconds.
            Some(_) => figure.detail().note(format!("{words}; ListSteps is allowed once in 2 s")),
            None => figure.at_most(60.0).note(words),
        });
        Ok(())
    }

    /// What is told of each benchmark: throttled calls, duplicates, orphans.
    async fn tell(&self, report: &mut Report, id: Id, clusters: usize) -> Result<Calls> {
        let calls = self.endpoint.calls().await?.since(&self.before);
        let size = Size(clusters);
        let throttled = Figure::new(id, size, "EMR calls throttled", Unit::Count, float(calls.throttled()));
        report.add(throttled.target(NOTHING).note(calls.in_words()));
        let (finding, counted) = self.witness.judge().await;
        ensure!(finding.is_clean(), "{finding:?}");
        ensure!(counted.started == u64::try_from(clusters)?, "{counted:?} instead of {clusters}");
        Ok(calls)
    }
}

/// B12: all clusters at once, and then, once they wait for work, all runs at once.
pub(crate) async fn at_once(settings: &Settings, report: &mut Report) -> Result<()> {
    let (clusters, count) = (settings.clusters, settings.runs);
    say(format_args!("B12: {clusters} clusters at once, and {count} runs"));
    let field = field(settings, AT_ONCE_SPEED, None).await?;
    let runs = Runs::prepare(&field.team, count, clusters, Order::InTurn).await?;
    let theirs = field.started().await;
    let began = Instant::now();
    field.make_clusters(clusters).await;
    join_all((0..clusters).map(async |index| field.team.need(&steps::cluster(index), true).await)).await;
    let wanted = theirs + u64::try_from(clusters)?;
    field
        .until("all to be started", async || {
            let started = field.started().await;
            ensure!(started == wanted, "{started} of {wanted} are");
            Ok(())
        })
        .await;
    let took = began.elapsed().as_secs_f64();
    let floor = (number(clusters) - RUN_JOB_FLOW.0).max(0.0) / RUN_JOB_FLOW.1;
    let size = Size(clusters);
    let figure = Figure::new(Id::B12, size, "apply → all clusters asked for", Unit::Seconds, took);
    report.add(figure.at_most(floor + 5.0).floor(floor));
    field.are("waiting for work", Phase::Waiting).await;
    say(format_args!("B12: all clusters were asked for after {took:.1} s, and wait for work now"));
    let (at, began) = (wait::now(), Instant::now());
    runs.make(count).await?;
    runs.succeeded(LONGEST).await;
    let done = began.elapsed().as_secs_f64();
    field.tell(report, Id::B12, clusters).await?;
    field.tell_steps(report, Id::B12, &runs, at, Some(floor)).await?;
    let figure = Figure::new(Id::B12, Size(count), "runs made → all published", Unit::Seconds, done);
    let note = format!("a step takes a minute of EMR's, which goes {AT_ONCE_SPEED} times as fast");
    report.add(figure.detail().note(note));
    Ok(())
}

/// B11: over a day, compressed; the quotas are not, so that they are that much harder to keep.
pub(crate) async fn over_a_day(settings: &Settings, report: &mut Report) -> Result<()> {
    let (clusters, count) = (settings.clusters, settings.runs);
    let day = settings.day.as_secs_f64();
    say(format_args!("B11: {count} runs on {clusters} clusters in a day of {day:.0} s"));
    let field = field(settings, DAY / day, Some(POLL)).await?;
    let runs = Runs::prepare(&field.team, count, clusters, Order::InBlocks).await?;
    field.make_clusters(clusters).await;
    say(format_args!("B11: the tables and the data are there; the day begins"));
    let (at, began) = (wait::now(), Instant::now());
    while began.elapsed() < settings.day {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the runs")]
        let due = (number(count) * (began.elapsed().as_secs_f64() / day).min(1.0)).ceil() as usize;
        runs.make(due).await?;
        wait::pass(TICK).await;
    }
    runs.make(count).await?;
    runs.succeeded(LONGEST).await;
    field.are("the clusters to end for want of work", Phase::Stopped).await;
    let seconds = began.elapsed().as_secs_f64();
    let calls = field.tell(report, Id::B11, clusters).await?;
    let size = Size(clusters);
    let usual = f64::from(Clusters::default().poll_seconds);
    let looks = seconds / f64::from(POLL);
    let of_emr = calls.of_service("elasticmapreduce");
    let sum: u64 = of_emr.values().sum();
    // Of the lists some come from the clock, and those come more rarely in a real day than in this one.
    let events = (float(of_emr.get("ListClusters").copied().unwrap_or_default()) - looks).max(0.0);
    let in_a_day: BTreeMap<&str, f64> = of_emr
        .iter()
        .map(|(operation, count)| {
            let count = if *operation == "ListClusters" { DAY / usual + events } else { float(*count) };
            (*operation, count)
        })
        .collect();
    let rate = |operation: &str| RATES.iter().find(|(name, _)| *name == operation).map(|(_, rate)| *rate);
    let shares =
        in_a_day.iter().filter_map(|(operation, count)| Some((*operation, count / rate(operation)? / DAY)));
    let shares = shares.chain([("all", in_a_day.values().sum::<f64>() / TOGETHER / DAY)]);
    let told: Vec<String> =
        shares.clone().map(|(name, share)| format!("{name} {:.2} %", 100.0 * share)).collect();
    let fullest = shares.map(|(_, share)| share).fold(0.0, f64::max);
    let figure = Figure::new(
        Id::B11,
        size,
        "share of the fullest bucket in a real day, in %",
        Unit::Count,
        round(100.0 * fullest),
    );
    report.add(figure.at_most(10.0).note(format!("computed: {}", told.join(", "))));
    let each = (float(sum) - looks).max(0.0) / number(clusters);
    let figure = Figure::new(Id::B11, size, "EMR calls for a cluster's whole life", Unit::Count, round(each));
    let steps = count / clusters;
    report.add(figure.note(format!("{steps} steps each; {looks:.0} looks at the list come besides")));
    field.tell_steps(report, Id::B11, &runs, at, None).await
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
