//! B20: a job catches up with five hundred sessions, eight at once. How long does that take, and are there ever more?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use mizuumi_api::backfill::BackfillStatus;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::installation::{Intervals, JobsProfile, Profile, Rates};
use mizuumi_api::{IngestJob, Installation};
use serde_json::json;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::figures::{Figure, Unit};
use super::report::Report;
use super::say;
use super::settings::{Id, Settings, Size};
use super::stats::number;
use crate::controller::Controller;
use crate::kubelet::{Container, Exit};
use crate::team::Team;

/// Sessions of the range.
const SESSIONS: usize = 500;
/// The same, as what is measured.
pub(crate) const SIZE: Size = Size(SESSIONS);
/// Runs under way at once.
const AT_ONCE: usize = 8;
/// How long all may take.
const LONGEST: Duration = Duration::from_mins(20);
/// Between two lines that say how far it is.
const TELL: Duration = Duration::from_secs(10);
/// The first session of the range.
const FROM: &str = "2026-01-01T00:00:00Z";
/// The image of the runs' Jobs.
const IMAGE: &str = "hourly";

/// Measures it: one install, the product's own intervals; work that takes no time.
pub(crate) async fn catches_up(settings: &Settings, report: &mut Report) -> Result<()> {
    say(format_args!("B20: {SESSIONS} sessions are caught up with, {AT_ONCE} at once"));
    let team = Team::new("bench-backfill").await;
    Endpoint::new(team.admin.clone()).set_latency(settings).await?;
    let _controller = Controller::with(&team, configure).await;
    let aws = team.aws.clone();
    let _kubelet = team.kubelet(Arc::new(move |container: Container| {
        let aws = aws.clone();
        async move {
            let output = &container.env["MIZUUMI_OUTPUT"];
            let key = output.strip_prefix(&format!("s3://{}/", aws.bucket)).expect("the team's bucket");
            let run = &container.env["MIZUUMI_RUN"];
            aws.put(&format!("{key}hour={run}/part-0.parquet"), run).await;
            Exit::Code(0)
        }
        .boxed()
    }));
    let published = json!({
        "partitionKeys": [{ "name": "hour", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create_ready("orders", published).await;
    let run = json!({ "table": "orders", "engine": "KubernetesJob", "kubernetesJob": { "image": IMAGE } });
    let job: IngestJob = team
        .create_job("hourly", json!({ "schedule": { "cron": "0 * * * *" }, "suspend": true, "run": run }))
        .await;
    let from: Timestamp = FROM.parse().context("a time")?;
    let hours = i64::try_from(SESSIONS).context("a number")?;
    let to = from.checked_add(SignedDuration::from_hours(hours))?;
    let spec = json!({ "job": job.name_any(), "from": from, "to": to, "maxActiveRuns": AT_ONCE });
    let began = Instant::now();
    team.create_backfill("past", spec).await;
    let seen =
        tokio::time::timeout(LONGEST, follow(&team)).await.context("it does not come to its end")??;
    let took = began.elapsed().as_secs_f64();
    let status = seen.status;
    ensure!(
        status.succeeded == Some(hours) && status.failed == Some(0),
        "of {SESSIONS} sessions {:?} succeeded and {:?} failed: {:?}",
        status.succeeded,
        status.failed,
        status.failures
    );
    let partitions = team.aws.partitions("orders").await.len();
    ensure!(partitions == SESSIONS, "{partitions} partitions are published of {SESSIONS}");
    ensure!(seen.made.len() == SESSIONS, "{} runs were made of {SESSIONS} sessions", seen.made.len());
    let figure = |what: &str, unit, value| Figure::new(Id::B20, SIZE, what, unit, value);
    let note = format!("{:.2} sessions a second", number(SESSIONS) / took);
    report.add(figure("all sessions are published", Unit::Seconds, took).note(note));
    let most = number(seen.most_at_once);
    report.add(figure("runs under way at once, at most", Unit::Count, most).at_most(number(AT_ONCE)));
    let left = number(team.runs_of("hourly").await?.len());
    report.add(figure("runs that are left of them", Unit::Count, left).at_most(6.0));
    Ok(())
}

/// The product's own intervals and rates, and Jobs.
fn configure(config: &mut Installation) {
    config.intervals = Intervals::default();
    config.rates = Rates::default();
    let jobs = JobsProfile { service_account: "ingest".to_owned(), images: vec![IMAGE.to_owned()] };
    config.profiles.insert("default".to_owned(), Profile { jobs: Some(jobs), ..Profile::default() });
}

/// What a watch has shown.
#[derive(Default)]
struct Seen {
    /// The uid of each run, by name and uid: one that was made twice is there twice.
    made: BTreeSet<(String, String)>,
    most_at_once: usize,
    status: BackfillStatus,
}

/// Watches runs, each change of one, until the backfill is over and the last of them cleared away.
async fn follow(team: &Team) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut under_way: BTreeMap<String, bool> = BTreeMap::new();
    let mut runs = watcher(team.runs(), watcher::Config::default()).default_backoff().boxed();
    let (mut told, mut looked) = (Instant::now(), Instant::now());
    loop {
        let event = tokio::time::timeout(Duration::from_secs(1), runs.next()).await;
        if let Ok(Some(Ok(event))) = event {
            match event {
                Event::Apply(run) | Event::InitApply(run) => {
                    seen.made.insert((run.name_any(), run.uid().unwrap_or_default()));
                    under_way.insert(run.name_any(), !is_over(&run));
                }
                Event::Delete(run) => drop(under_way.remove(&run.name_any())),
                Event::Init | Event::InitDone => {}
            }
            seen.most_at_once = seen.most_at_once.max(under_way.values().filter(|is| **is).count());
        }
        if looked.elapsed() > Duration::from_secs(1) {
            looked = Instant::now();
            seen.status = team.backfills().get("past").await?.status.unwrap_or_default();
            let is_clear = under_way.len() <= 6;
            if seen.status.finished_at.is_some() && is_clear {
                return Ok(seen);
            }
        }
        if told.elapsed() > TELL {
            told = Instant::now();
            say(format_args!("B20: {:?} sessions are done", seen.status.succeeded.unwrap_or_default()));
        }
    }
}

fn is_over(run: &IngestRun) -> bool {
    run.status.as_ref().and_then(|status| status.phase).is_some_and(RunPhase::is_over)
}
