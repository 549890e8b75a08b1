//! What all benchmarks of one size stand on: the objects, the watch, the controller, and what was counted.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;

use super::apiserver::Writes;
use super::endpoint::{Calls, Endpoint};
use super::figures::{Figure, Unit};
use super::fleet::Fleet;
use super::floor::Floor;
use super::process::Usage;
use super::report::Report;
use super::rivals::Rivals;
use super::sampler::Sampler;
use super::say;
use super::settings::{Id, Settings};
use super::stats::number;
use super::watch::{Applied, Watch};
use crate::controller::Controller;

/// Between two looks. The watch itself keeps the times.
const LOOK: Duration = Duration::from_millis(20);
/// So long after the last change of an object all is told that there was to tell.
const SETTLED: Duration = Duration::from_secs(2);
/// How long that may take: the longest pause after a failure is 5 min, 6 with its jitter.
const UNSETTLED: Duration = Duration::from_mins(8);
/// Between two lines that say how far it is.
const TELL: Duration = Duration::from_secs(10);

/// One size's ground.
pub(crate) struct Ground<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) fleet: Fleet,
    pub(crate) watch: Watch,
    pub(crate) endpoint: Endpoint,
    pub(crate) sampler: Sampler,
    pub(crate) report: &'a mut Report,
    pub(crate) floor: Floor,
    pub(crate) rivals: Rivals,
    /// The objects as they were applied last.
    pub(crate) all: Vec<Applied>,
    /// How often all objects were changed.
    pub(crate) revision: u32,
    /// Single objects made so far.
    pub(crate) singles: usize,
    controller: Option<Controller>,
}

/// Everything that is counted, at one moment.
pub(crate) struct Mark {
    at: Instant,
    calls: Calls,
    kubernetes: Writes,
    aws_writes: u64,
    changes: u64,
    lists: u32,
    usage: Usage,
}

/// What was spent since a moment.
#[derive(Debug)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) calls: Calls,
    pub(crate) kubernetes: Writes,
    /// Effective writes of the controller to AWS.
    pub(crate) aws_writes: u64,
    /// Changes of the objects, single ones left out, by anybody.
    pub(crate) changes: u64,
    /// Processor time of the controller.
    pub(crate) cpu: f64,
}

impl<'a> Ground<'a> {
    /// Namespaces, databases, quotas and the watch; no object yet, and no controller.
    pub(crate) async fn lay(
        settings: &'a Settings,
        report: &'a mut Report,
        size: super::settings::Size,
    ) -> Result<Self> {
        let fleet = Fleet::new(settings, size).await?;
        let endpoint = Endpoint::new(fleet.team.admin.clone());
        let latency = endpoint.set_latency(settings).await?;
        endpoint.set_quotas(settings).await?;
        report.set_conditions(conditions(settings, &latency));
        let watch = Watch::start(fleet.team.client.clone(), &fleet.label()).await?;
        let file = report.file(&format!("samples-{size}.csv"));
        let sampler = Sampler::start(endpoint.clone(), settings.sample, &file)?;
        let floor = report.floor.clone();
        let rivals = Rivals::new(&floor);
        Ok(Self {
            settings,
            fleet,
            watch,
            endpoint,
            sampler,
            report,
            floor,
            rivals,
            all: Vec::new(),
            revision: 0,
            singles: 0,
            controller: None,
        })
    }

    /// Begins a benchmark; says so.
    pub(crate) fn begin(&self, phase: &'static str, what: &str) {
        self.sampler.phase(phase);
        say(format_args!("{phase} at {}: {what}", self.fleet.size));
    }

    /// Starts the controller, a running one is ended first as a crash would.
    pub(crate) async fn start_controller(&mut self, sweep_seconds: Option<u32>) -> Result<Instant> {
        self.stop_controller();
        let namespaces = self.fleet.namespaces();
        let settings = self.settings;
        let began = Instant::now();
        let controller = Controller::with(&self.fleet.team, |config| {
            settings.configure(config, namespaces, sweep_seconds);
        })
        .await;
        self.sampler.follow(Some(controller.pid()));
        self.controller = Some(controller);
        Ok(began)
    }

    pub(crate) fn stop_controller(&mut self) {
        self.sampler.follow(None);
        self.controller = None;
    }

    /// Fails if the controller has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(controller) = &mut self.controller {
            let log = self.fleet.team.folder();
            ensure!(controller.runs(), "the controller has ended; see the log in {}", log.display());
        }
        Ok(())
    }

    /// What the controller uses.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(self.controller.as_ref().context("no controller runs")?.pid())
    }

    /// Counts everything.
    pub(crate) async fn mark(&self) -> Result<Mark> {
        Ok(Mark {
            calls: self.endpoint.calls().await?,
            kubernetes: Writes::read(&self.fleet.team.client).await?,
            aws_writes: self.endpoint.writes().await?,
            changes: self.watch.changes(&self.all),
            lists: self.watch.lists(),
            usage: self.usage().unwrap_or_default(),
            at: Instant::now(),
        })
    }

    /// What was spent since.
    pub(crate) async fn since(&self, mark: &Mark) -> Result<Spent> {
        let now = self.mark().await?;
        if now.lists != mark.lists {
            say(format_args!("the watch had to list again: changes of objects are counted too low"));
        }
        Ok(Spent {
            seconds: now.at.duration_since(mark.at).as_secs_f64(),
            calls: now.calls.since(&mark.calls),
            kubernetes: now.kubernetes.since(&mark.kubernetes),
            aws_writes: now.aws_writes - mark.aws_writes,
            changes: now.changes.saturating_sub(mark.changes),
            // After a restart the new process began with nothing.
            cpu: if now.usage.cpu >= mark.usage.cpu { now.usage.cpu - mark.usage.cpu } else { now.usage.cpu },
        })
    }

    /// Waits until all of these are ready.
    pub(crate) async fn until_ready(&mut self, all: &[Applied], patience: Duration) -> Result<()> {
        let mut looks = Looks::new(patience, pause_for(all.len()));
        loop {
            let ready = self.watch.count_ready(all);
            if ready == all.len() {
                return Ok(());
            }
            self.check()?;
            if looks.is_over() {
                bail!("only {ready} of {} objects were ready after {patience:?}", all.len());
            }
            looks.pause(|| format!("{ready} of {} are ready", all.len())).await;
        }
    }

    /// Waits until something holds.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl AsyncFnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        self.until_at_pace(LOOK, what, patience, holds).await
    }

    /// Waits until something holds of all objects.
    pub(crate) async fn until_all(
        &mut self,
        what: &str,
        patience: Duration,
        holds: impl AsyncFnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        self.until_at_pace(pause_for(self.all.len()), what, patience, holds).await
    }

    async fn until_at_pace(
        &mut self,
        pause: Duration,
        what: &str,
        patience: Duration,
        mut holds: impl AsyncFnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let mut looks = Looks::new(patience, pause);
        while !holds(self).await? {
            self.check()?;
            if looks.is_over() {
                bail!("waited {patience:?} in vain for {what}");
            }
            looks.pause(|| format!("waiting for {what}")).await;
        }
        Ok(())
    }

    /// Waits until all objects are ready and none has changed for a while: statuses come after the writes that they
    /// tell of, and what was held up by one benchmark shall not count in the next.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let mut known = (self.watch.changes(&self.all), Instant::now());
        self.until_all("all to be ready and told", UNSETTLED, async |ground: &Self| {
            let changes = ground.watch.changes(&ground.all);
            if changes != known.0 || ground.watch.count_ready_now(&ground.all) < ground.all.len() {
                known = (changes, Instant::now());
            }
            Ok(known.1.elapsed() > SETTLED)
        })
        .await
    }

    /// A figure of this size.
    pub(crate) fn figure(&self, id: Id, what: &str, unit: Unit, ours: f64) -> Figure {
        Figure::new(id, self.fleet.size, what, unit, ours)
    }

    /// A count for each object.
    pub(crate) fn each(&self, count: u64) -> f64 {
        super::stats::float(count) / number(self.fleet.size.0)
    }

    /// How long it may take to list everything.
    pub(crate) fn patience_to_list(&self, pages: usize) -> Duration {
        Duration::from_mins(3) + Duration::from_secs_f64(5.0 * self.settings.seconds_of("GetTables", pages))
    }

    /// How long a phase may take in which all objects become ready.
    pub(crate) fn patience(&self, operation: &str) -> Duration {
        let size = self.fleet.size.0;
        self.floor.patience(size, self.settings.seconds_of(operation, size))
    }
}

/// Between two looks at so many objects: looking must not take the processor from what is measured.
fn pause_for(objects: usize) -> Duration {
    LOOK.max(Duration::from_micros(10 * objects as u64))
}

/// Pauses between looks, a line from time to time, and an end.
struct Looks {
    pause: Duration,
    last: Instant,
    told: Instant,
}

impl Looks {
    fn new(patience: Duration, pause: Duration) -> Self {
        let now = Instant::now();
        Self { pause, last: now + patience, told: now }
    }

    fn is_over(&self) -> bool {
        Instant::now() > self.last
    }

    async fn pause(&mut self, line: impl FnOnce() -> String) {
        if self.told.elapsed() > TELL {
            say(format_args!("  {}", line()));
            self.told = Instant::now();
        }
        tokio::time::sleep(self.pause).await;
    }
}

/// What a reader has to know of how it was measured.
fn conditions(settings: &Settings, latency: &str) -> String {
    let quotas: Vec<_> =
        settings.quotas.iter().map(|quota| format!("{} {}/s", quota.operation, quota.rate)).collect();
    let quotas = if quotas.is_empty() { "none".to_owned() } else { quotas.join(", ") };
    let rates = match (settings.as_in_tests, settings.glue_per_second) {
        (_, Some(rate)) => format!("begins at {rate} calls/s"),
        (true, None) => "is configured as in the tests".to_owned(),
        (false, None) => "is configured as the product comes".to_owned(),
    };
    format!(
        "The endpoint answers after {latency}; quotas: {quotas}. The controller {rates}. Objects have {} columns and lie in \
         {} namespaces, {} tables to a database; seed {}.",
        settings.columns, settings.namespaces, settings.per_database, settings.seed
    )
}
