//! The benchmarks B1 to B9, B11 to B13, B19 and B20: the real binary, a real apiserver, an endpoint with AWS's latency and quotas.
//!
//! One size after the other: objects are created, the controller makes their tables, and then what is asked for is
//! measured on them. What each figure means is in the book's page on benchmarks.

mod adopt;
mod apiserver;
mod backfill;
mod burst;
mod clusters;
mod cold;
mod downstream;
mod drift;
mod endpoint;
mod figures;
mod fleet;
mod floor;
mod ground;
mod partitions;
mod process;
mod report;
mod restart;
mod rivals;
mod sampler;
mod settings;
mod single;
mod stats;
mod steady;
mod steps;
mod sweeps;
mod watch;

use std::fmt;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, anyhow};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use mizuumi_stand::Stand;
use tokio::time::Instant;

use figures::Figure;
use floor::Floor;
use ground::Ground;

pub use report::Report;
pub use settings::{Id, Quota, Settings, Size};

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A line for whoever waits.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    writeln!(std::io::stderr(), "[{:7.1} s] {line}", BEGAN.elapsed().as_secs_f64()).ok();
}

/// Runs the benchmarks; answers what was measured and the table of it.
///
/// # Errors
/// If there is no stand, or results cannot be written. What goes wrong in one benchmark is told in its row.
pub async fn run(settings: &Settings) -> Result<(Report, String)> {
    LazyLock::force(&BEGAN);
    let stand = Stand::from_env()?;
    let mut report = Report::new(settings, stand.folder())?;
    say(format_args!("results go to {}", report.folder().display()));
    report.floor =
        caught(Floor::measure(settings).boxed_local()).await.context("the floor cannot be measured")?;
    say(format_args!("floor: {}", report.floor.in_words()));
    let sizes = if settings.wants(&Id::OF_TABLES) { settings.sizes.as_slice() } else { &[] };
    for size in sizes {
        if let Err(error) = caught(one_size(settings, &mut report, *size).boxed_local()).await {
            let first = settings.only.first().copied().unwrap_or(Id::B1);
            let why = format!("{error:#}; nothing else of this size was measured, as all rests on it");
            report.add(Figure::failed(first, *size, why));
        }
    }
    if settings.wants(&[Id::B12]) {
        let done = caught(clusters::at_once(settings, &mut report).boxed_local()).await;
        note_alone(&mut report, Id::B12, Size(settings.clusters), done);
    }
    if settings.wants(&[Id::B11]) {
        let done = caught(clusters::over_a_day(settings, &mut report).boxed_local()).await;
        note_alone(&mut report, Id::B11, Size(settings.clusters), done);
    }
    if settings.wants(&[Id::B19]) {
        let done = caught(downstream::starts(settings, &mut report).boxed_local()).await;
        note_alone(&mut report, Id::B19, downstream::SIZE, done);
    }
    if settings.wants(&[Id::B20]) {
        let done = caught(backfill::catches_up(settings, &mut report).boxed_local()).await;
        note_alone(&mut report, Id::B20, backfill::SIZE, done);
    }
    let table = report.finish()?;
    Ok((report, table))
}

/// Helpers of tests fail by panicking; a benchmark that cannot go on is one row of the table.
async fn caught<T>(work: LocalBoxFuture<'_, Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(anyhow!("{}", text.unwrap_or_else(|| "a helper panicked".to_owned())))
    })
}

/// All benchmarks of one size, in an order in which each finds what it needs.
async fn one_size(settings: &Settings, report: &mut Report, size: Size) -> Result<()> {
    use Id::{B1, B2, B3, B4, B5, B6, B7, B8, B9, B13};
    let mut ground = Ground::lay(settings, report, size).boxed_local().await?;
    // Of no use to the others, and the other way round.
    if !settings.wants(&[B1, B2, B3, B4, B5, B6, B7, B8, B9]) {
        return partitions::publish(&mut ground).boxed_local().await;
    }
    let empty = if settings.wants(&[B8]) { cold::empty(&mut ground).await? } else { 0.0 };
    cold::sync(&mut ground).await?;
    if settings.wants(&[B8]) {
        let done = caught(cold::memory(&mut ground, empty).boxed_local()).await;
        note(&mut ground, B8, done);
    }
    if settings.wants(&[B4]) {
        let done = caught(single::quiet(&mut ground).boxed_local()).await;
        note(&mut ground, B4, done);
    }
    if settings.wants(&[B3, B5, B6, B7, B9]) {
        let done = caught(restart::restart(&mut ground).boxed_local()).await;
        note(&mut ground, B9, done);
    }
    if settings.wants(&[B3]) {
        let done = caught(steady::watch(&mut ground).boxed_local()).await;
        note(&mut ground, B3, done);
    }
    if settings.wants(&[B8]) && settings.wants(&[B3, B9]) {
        let done = cold::memory_after_restart(&mut ground);
        note(&mut ground, B8, done);
    }
    if settings.wants(&[B7]) {
        let done = caught(drift::edit(&mut ground).boxed_local()).await;
        note(&mut ground, B7, done);
    }
    if settings.wants(&[B5, B6]) {
        let done = caught(burst::change(&mut ground).boxed_local()).await;
        note(&mut ground, B6, done);
    }
    if settings.wants(&[B5]) {
        let done = caught(single::among_sweeps(&mut ground).boxed_local()).await;
        note(&mut ground, B5, done);
    }
    if settings.wants(&[B2]) {
        let done = caught(adopt::adopt(&mut ground).boxed_local()).await;
        note(&mut ground, B2, done);
    }
    if settings.wants(&[B13]) {
        let done = caught(partitions::publish(&mut ground).boxed_local()).await;
        note(&mut ground, B13, done);
    }
    Ok(())
}

/// A benchmark that failed is a row of its own; the others go on.
fn note(ground: &mut Ground<'_>, id: Id, done: Result<()>) {
    if let Err(error) = done {
        ground.report.add(Figure::failed(id, ground.fleet.size, format!("{error:#}")));
    }
}

/// The same of one that has a field of its own.
fn note_alone(report: &mut Report, id: Id, size: Size, done: Result<()>) {
    if let Err(error) = done {
        report.add(Figure::failed(id, size, format!("{error:#}")));
    }
}
