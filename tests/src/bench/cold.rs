//! B1 and B8: tables made from nothing, and the memory that it takes to keep them.

use std::time::Duration;

use anyhow::Result;

use super::figures::{Target, Unit};
use super::ground::Ground;
use super::report::NOTHING;
use super::rivals::{GO_OBJECT, UPJET_MEMORY};
use super::say;
use super::settings::Id;
use super::stats::{Spread, float, number};
use crate::wait;

/// What the growth of memory is told from.
pub(crate) const MEMORY: &str = "memory after a rest";
/// So many objects tell what one of them takes.
pub(crate) const ENOUGH: usize = 10_000;
/// When no event has come for so long, none is under way.
const EVENTS: Duration = Duration::from_secs(1);
/// So long does a controller without objects get to settle.
const SETTLE: Duration = Duration::from_secs(3);

/// Objects first, then the controller: how long until all tables are there and proven.
pub(crate) async fn sync(ground: &mut Ground<'_>) -> Result<()> {
    ground.begin("B1", "creating the objects");
    let size = ground.fleet.size.0;
    let began = tokio::time::Instant::now();
    ground.all = ground.fleet.create_all(0).await?;
    let took = began.elapsed().as_secs_f64();
    say(format_args!("  {size} objects created in {took:.1} s; starting the controller"));
    let before = ground.mark().await?;
    let began = ground.start_controller(None).await?;
    let all = ground.all.clone();
    let patience = ground.patience("CreateTable");
    let waited = ground.until_ready(&all, patience).await;
    ground.report.keep_times(&format!("B1-{}", ground.fleet.size), &all, &ground.watch, began)?;
    waited?;
    let mut spent = ground.since(&before).await?;
    // Events are published beside the passes: they count once no more come.
    loop {
        wait::pass(EVENTS).await;
        let later = ground.since(&before).await?;
        if std::mem::replace(&mut spent, later).kubernetes.events() == spent.kubernetes.events() {
            break;
        }
    }
    if !ground.settings.wants(&[Id::B1]) {
        return Ok(());
    }
    let times = all.iter().filter_map(|applied| ground.watch.ready_at(applied));
    let spread = Spread::new(times.map(|at| at.saturating_duration_since(began).as_secs_f64()).collect());
    let allowed = ground.settings.seconds_of("CreateTable", size);
    let floor = allowed.max(ground.floor.statuses(size));
    let (ack, upjet) = (ground.rivals.ack_creates(size), super::rivals::Rivals::upjet_creates(size));
    let mut time = ground
        .figure(Id::B1, "start → all ready", Unit::Seconds, spread.max())
        .floor(floor)
        .ack(ack)
        .upjet(upjet)
        .note(format!("calls: {}; {} throttled", spent.calls.in_words(), spent.calls.throttled()));
    let rate = spread.middle_rate();
    let mut rate = ground
        .figure(Id::B1, "tables/s, middle 80 %", Unit::ASecond, rate)
        .floor(number(size) / floor)
        .ack(number(size) / ack)
        .upjet(number(size) / upjet);
    if let Some(quota) = ground.settings.quota("CreateTable") {
        time = time.at_most(1.1 * allowed);
        rate = rate.target(Target::AtLeast(0.95 * quota));
    }
    ground.report.add(time);
    ground.report.add(rate);
    let each = ground.each(spent.calls.all());
    let calls = ground.figure(Id::B1, "AWS calls for each table", Unit::Count, each).ack(2.0).upjet(3.0);
    ground.report.add(calls.note(spent.calls.in_words()));
    let each = ground.each(spent.kubernetes.of_controller());
    let writes = ground.figure(Id::B1, "Kubernetes writes for each table", Unit::Count, each);
    ground.report.add(writes.note(spent.kubernetes.in_words()));
    let throttled =
        ground.figure(Id::B1, "calls throttled", Unit::Count, float(spent.calls.throttled())).detail();
    ground.report.add(throttled);
    let refused =
        ground.figure(Id::B1, "Kubernetes writes refused", Unit::Count, float(spent.kubernetes.refused()));
    ground.report.add(refused.target(NOTHING).detail());
    ground.report.count("B1 CreateTable calls", spent.calls.of("CreateTable"));
    ground.report.count("B1 writes to AWS", spent.aws_writes);
    ground.report.count("B1 status writes", spent.kubernetes.statuses());
    ground.report.count("B1 finalizers set", spent.kubernetes.finalizers());
    ground.report.count("B1 events", spent.kubernetes.events());
    Ok(())
}

/// The memory of a controller without objects, in MiB.
pub(crate) async fn empty(ground: &mut Ground<'_>) -> Result<f64> {
    ground.begin("B8", "a controller without objects");
    ground.start_controller(None).await?;
    tokio::time::sleep(SETTLE).await;
    ground.check()?;
    let empty = ground.usage()?.rss;
    ground.stop_controller();
    Ok(empty)
}

/// The memory after the first sync: at its most, and after a rest.
pub(crate) async fn memory(ground: &mut Ground<'_>, empty: f64) -> Result<()> {
    let rest = ground.settings.rest;
    ground.begin("B8", &format!("a rest of {rest:?}"));
    tokio::time::sleep(rest).await;
    ground.check()?;
    let usage = ground.usage()?;
    let size = number(ground.fleet.size.0);
    let go = empty + size * GO_OBJECT;
    let what = "memory at its most, first sync";
    // 400 MiB are meant for 100,000 objects.
    let peak = ground.figure(Id::B8, what, Unit::Mebibytes, usage.peak).at_most(400.0).ack(go);
    ground.report.add(peak.upjet_reported(UPJET_MEMORY));
    let rss = ground.figure(Id::B8, MEMORY, Unit::Mebibytes, usage.rss);
    ground.report.add(rss.detail().note(format!("{empty:.1} MiB without objects")));
    let each = |mebibytes: f64| 1024.0 * (mebibytes - empty) / size;
    let what = "memory for each object, after a rest";
    let mut figure = ground.figure(Id::B8, what, Unit::Kibibytes, each(usage.rss)).ack(1024.0 * GO_OBJECT);
    // Among few objects, the clients of AWS and Kubernetes weigh more than all objects do.
    if ground.fleet.size.0 >= ENOUGH {
        figure = figure.at_most(3.0);
    }
    ground.report.add(figure);
    let what = "memory for each object, at its most";
    let figure = ground.figure(Id::B8, what, Unit::Kibibytes, each(usage.peak)).detail();
    ground.report.add(figure);
    Ok(())
}

/// The memory of a controller that was restarted and has swept since: it listed all objects at once.
pub(crate) fn memory_after_restart(ground: &mut Ground<'_>) -> Result<()> {
    let usage = ground.usage()?;
    let peak = ground.figure(Id::B8, "memory at its most, restart and sweeps", Unit::Mebibytes, usage.peak);
    ground.report.add(peak.at_most(400.0).note(format!("{:.1} MiB now", usage.rss)));
    Ok(())
}
