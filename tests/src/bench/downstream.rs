//! B19: runs wait for a table that others fill. How long after its data is there are they at work?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::{join_all, try_join_all};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource, ResourceExt as _};
use mizuumi_api::installation::{Intervals, JobsProfile, Profile, Rates};
use mizuumi_api::{DataTable, IngestRun, Installation};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::figures::{Figure, Unit};
use super::report::Report;
use super::say;
use super::settings::{Id, Settings, Size};
use super::stats::Spread;
use crate::controller::Controller;
use crate::kubelet::{Container, Exit};
use crate::team::Team;

/// The table that all wait for.
const UPSTREAM: &str = "events";
/// Tables whose runs wait.
const TABLES: usize = 20;
/// Sessions, one after the other.
const SESSIONS: u8 = 15;
/// Runs that are measured.
pub(crate) const SIZE: Size = Size(TABLES * SESSIONS as usize);
/// How long a session may take.
const LONGEST: Duration = Duration::from_mins(2);
/// The image of the runs' Jobs.
const IMAGE: &str = "mart";

/// When something was first seen, by its name.
type Moments = Arc<Mutex<HashMap<String, Instant>>>;

/// Measures it: one install, the product's own intervals.
pub(crate) async fn starts(settings: &Settings, report: &mut Report) -> Result<()> {
    say(format_args!("B19: {TABLES} runs wait for one table, {SESSIONS} times"));
    let team = Team::new("bench-downstream").await;
    Endpoint::new(team.admin.clone()).set_latency(settings).await?;
    let _controller = Controller::with(&team, configure).await;
    let _kubelet = team.kubelet(Arc::new(|_: Container| async { Exit::Code(0) }.boxed()));
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
        "freshness": {
            "sources": [{ "type": "PartitionValue", "partitionValue": { "grain": "Day" } }],
            "maxAge": { "error": "9000h" },
        },
    });
    let tables: Vec<String> = std::iter::once(UPSTREAM.to_owned()).chain((0..TABLES).map(mart)).collect();
    join_all(tables.iter().map(|table| team.create_ready(table, published.clone()))).await;
    let (covered, begun) = (Moments::default(), Moments::default());
    let _watches = [
        note(Api::namespaced(team.client.clone(), &team.namespace), covered.clone(), |table: &DataTable| {
            let freshness = table.status.as_ref()?.freshness.as_ref()?;
            Some(format!("{} {}", table.name_any(), freshness.data_time?))
        }),
        note(team.runs(), begun.clone(), |run: &IngestRun| {
            run.status.as_ref()?.attempt.as_ref().map(|_| run.name_any())
        }),
    ];
    let mut all = Vec::new();
    for day in 1..=SESSIONS {
        // A day's partition makes the data complete up to its end.
        let session: Timestamp = format!("2026-11-{:02}T00:00:00Z", day + 1).parse().context("a session")?;
        try_join_all((0..TABLES).map(|index| wait_for_upstream(&team, index, day, session))).await?;
        team.bring(UPSTREAM, &format!("events-{day:02}"), day, 0, &[&format!("day=2026-11-{day:02}/")]).await;
        let seen = |moments: &Moments, name: &str| {
            moments.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
        };
        let late = team.within(LONGEST, UPSTREAM, "the runs to be at work", async || {
            let from = seen(&covered, &format!("{UPSTREAM} {session}")).context("the data is not told of")?;
            let names = (0..TABLES).map(|index| run(index, day));
            let at: Vec<Instant> = names.filter_map(|name| seen(&begun, &name)).collect();
            ensure!(at.len() == TABLES, "{} of {TABLES} are", at.len());
            Ok(at.into_iter().map(|at| at.saturating_duration_since(from).as_secs_f64()).collect::<Vec<_>>())
        });
        all.extend(late.await);
    }
    let late = Spread::new(all);
    let figure = Figure::new(
        Id::B19,
        SIZE,
        "the table says that its data is there → a run that waits for it is at work, p99",
        Unit::Seconds,
        late.at(0.99),
    );
    report.add(figure.at_most(5.0).note(late.in_words()));
    Ok(())
}

/// The product's own intervals and rates, and Jobs.
fn configure(config: &mut Installation) {
    config.intervals = Intervals::default();
    config.rates = Rates::default();
    let jobs = JobsProfile { service_account: "ingest".to_owned(), images: vec![IMAGE.to_owned()] };
    config.profiles.insert("default".to_owned(), Profile { jobs: Some(jobs), ..Profile::default() });
}

/// A run that has nothing else to wait for.
async fn wait_for_upstream(team: &Team, index: usize, day: u8, session: Timestamp) -> Result<()> {
    let name = run(index, day);
    let directory = format!("a1/day={day:02}/");
    team.write_output(&mart(index), &name, &[&directory]).await;
    let upstream = format!("{}.{UPSTREAM}", team.aws.database);
    let spec = json!({
        "table": mart(index), "sessionTime": session, "engine": "KubernetesJob",
        "kubernetesJob": { "image": IMAGE }, "waitFor": [{ "table": upstream }],
    });
    team.create_run(&name, spec).await;
    team.run_reason(&name, "WaitingForUpstream").await;
    Ok(())
}

/// Notes when each name was first seen on a watch.
fn note<K>(api: Api<K>, moments: Moments, name: fn(&K) -> Option<String>) -> Aborted
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    Aborted(tokio::spawn(async move {
        let mut seen = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
        while let Some(object) = seen.next().await {
            if let Some(name) = object.ok().as_ref().and_then(name) {
                let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
                moments.entry(name).or_insert_with(Instant::now);
            }
        }
    }))
}

/// Ends with whoever holds it.
struct Aborted(JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn mart(index: usize) -> String {
    format!("mart-{index:02}")
}

fn run(index: usize, day: u8) -> String {
    format!("mart-{index:02}-{day:02}")
}
