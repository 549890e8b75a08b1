//! B4 and B5: one object is applied. How long until it is ready, alone and among many?

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::figures::{Figure, Unit};
use super::ground::Ground;
use super::rivals::{Rivals, UPJET_APPLY};
use super::settings::Id;
use super::stats::Spread;
use super::watch::Applied;

/// How long one may take before it counts as never.
const LONGEST: Duration = Duration::from_mins(5);
/// B5's first half.
pub(crate) const AMONG_SWEEPS: &str = "apply → ready while sweeps run, p99";
/// B5's second half.
pub(crate) const AMONG_CHANGES: &str = "apply → ready while all others change, p99";

/// B4: one after the other.
pub(crate) async fn quiet(ground: &mut Ground<'_>) -> Result<()> {
    let count = ground.settings.quiet_applies;
    ground.begin("B4", &format!("{count} applies, one after the other"));
    let before = ground.mark().await?;
    let began = Instant::now();
    let mut all = Vec::new();
    for _ in 0..count {
        let applied = ground.fleet.apply_single(ground.singles).await?;
        ground.singles += 1;
        ground.until_ready(std::slice::from_ref(&applied), LONGEST).await?;
        all.push(applied);
    }
    let spent = ground.since(&before).await?;
    ground.report.keep_times(&format!("B4-{}", ground.fleet.size), &all, &ground.watch, began)?;
    let spread = spread(ground, &all);
    // 150 ms over what AWS itself takes for the write and for the look that proves it.
    let target = 2.0f64.mul_add(ground.floor.aws, 0.15);
    let figure = ground
        .figure(Id::B4, "apply → ready, p50", Unit::Seconds, spread.at(0.5))
        .at_most(target)
        .floor(ground.floor.apply())
        .ack(ground.rivals.ack_create())
        .upjet_reported(UPJET_APPLY);
    ground.report.add(figure.note(format!("{}; calls: {}", spread.in_words(), spent.calls.in_words())));
    let p99 = ground.figure(Id::B4, "apply → ready, p99", Unit::Seconds, spread.at(0.99)).at_most(0.5);
    ground.report.add(p99.floor(2.0f64.mul_add(ground.floor.aws, ground.floor.p99)));
    ground.report.count("B4 CreateTable calls", spent.calls.of("CreateTable"));
    ground.report.count("B4 status writes", spent.kubernetes.statuses());
    Ok(())
}

/// Applies one object each so often, whether or not those before are ready: whoever waits for the slow one before
/// applying the next never sees how slow it is.
async fn steadily(ground: &mut Ground<'_>, applies: usize, every: Duration) -> Result<Vec<Applied>> {
    let fleet = &ground.fleet;
    let first = ground.singles;
    let one_by_one = (0..applies).map(|number| async move {
        sleep(every.mul_f64(super::stats::number(number))).await;
        fleet.apply_single(first + number).await
    });
    let all = try_join_all(one_by_one).await?;
    ground.singles += applies;
    Ok(all)
}

fn spread(ground: &Ground<'_>, all: &[Applied]) -> Spread {
    let times = all.iter().filter_map(|applied| {
        // The watch may be quicker than the answer; then it took no time.
        Some(ground.watch.ready_at(applied)?.saturating_duration_since(applied.at).as_secs_f64())
    });
    Spread::new(times.collect())
}

/// B5's first half: while sweeps run without a pause.
pub(crate) async fn among_sweeps(ground: &mut Ground<'_>) -> Result<()> {
    ground.begin("B5", "restarting with sweeps that never pause");
    super::restart::quietly(ground, 1).await?;
    let applies = ground.settings.busy_applies;
    ground.begin("B5", &format!("{applies} applies while sweeps run"));
    let began = Instant::now();
    let all = steadily(ground, applies, Duration::from_millis(300)).await?;
    ground.until_ready(&all, LONGEST).await?;
    ground.report.keep_times(&format!("B5-sweeps-{}", ground.fleet.size), &all, &ground.watch, began)?;
    let figure = of_busy(ground, AMONG_SWEEPS, &all);
    ground.report.add(figure);
    Ok(())
}

/// B5's second half, called once all others have been changed; answers what was applied.
pub(crate) async fn among_changes(ground: &mut Ground<'_>) -> Result<Vec<Applied>> {
    let applies = ground.settings.busy_applies;
    // All of them well before the work on the others is done.
    let work = ground.settings.seconds_of("UpdateTable", ground.fleet.size.0);
    let every = Duration::from_secs_f64((0.6 * work / super::stats::number(applies.max(1))).clamp(0.02, 1.0));
    ground.begin("B5", &format!("{applies} applies while all others change"));
    steadily(ground, applies, every).await
}

/// The figure of one half of B5.
pub(crate) fn of_busy(ground: &Ground<'_>, what: &str, all: &[Applied]) -> Figure {
    let spread = spread(ground, all);
    let size = ground.fleet.size.0;
    ground
        .figure(Id::B5, what, Unit::Seconds, spread.at(0.99))
        .at_most(1.0)
        .floor(2.0f64.mul_add(ground.floor.aws, ground.floor.p99))
        .ack(ground.rivals.ack_looks(size) + ground.rivals.ack_create())
        .upjet(Rivals::upjet_looks(size) + Rivals::upjet_creates(1))
        .note(format!("{} of {} ready: {}", spread.count(), all.len(), spread.in_words()))
}
