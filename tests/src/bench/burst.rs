//! B6: all objects change at once; and B5's second half, which happens meanwhile.

use anyhow::Result;
use tokio::time::Instant;

use super::figures::Unit;
use super::ground::Ground;
use super::rivals::Rivals;
use super::say;
use super::settings::Id;
use super::single::{AMONG_CHANGES, among_changes, of_busy};

/// Changes one column's comment everywhere.
pub(crate) async fn change(ground: &mut Ground<'_>) -> Result<()> {
    ground.begin("B6", "changing all objects");
    let size = ground.fleet.size.0;
    let before = ground.mark().await?;
    let singles_before = ground.singles;
    let began = Instant::now();
    ground.revision += 1;
    let fleet = &ground.fleet;
    let all = fleet.change_all(ground.revision).await?;
    say(format_args!("  all are changed after {:.1} s", began.elapsed().as_secs_f64()));
    ground.all.clone_from(&all);
    let singles = if ground.settings.wants(&[Id::B5]) { among_changes(ground).await? } else { Vec::new() };
    let patience = ground.patience("UpdateTable");
    let waited = ground.until_ready(&all, patience).await;
    ground.report.keep_times(&format!("B6-{}", ground.fleet.size), &all, &ground.watch, began)?;
    if !singles.is_empty() {
        ground.report.keep_times(
            &format!("B5-changes-{}", ground.fleet.size),
            &singles,
            &ground.watch,
            began,
        )?;
        ground.until_ready(&singles, patience).await?;
        let figure = of_busy(ground, AMONG_CHANGES, &singles);
        ground.report.add(figure);
    }
    waited?;
    if !ground.settings.wants(&[Id::B6]) {
        return Ok(());
    }
    ground.settle().await?;
    let spent = ground.since(&before).await?;
    let times = all.iter().filter_map(|applied| ground.watch.ready_at(applied));
    let last = times.max().map_or(0.0, |at| at.saturating_duration_since(began).as_secs_f64());
    let allowed = ground.settings.seconds_of("UpdateTable", size);
    let mut figure = ground
        .figure(Id::B6, "first change → all ready", Unit::Seconds, last)
        .floor(allowed.max(ground.floor.statuses(size)))
        .ack(ground.rivals.ack_changes(size))
        .upjet(Rivals::upjet_looks(size))
        .note(format!("calls: {}; {} throttled", spent.calls.in_words(), spent.calls.throttled()));
    if allowed > 0.0 {
        figure = figure.at_most(1.1 * allowed);
    }
    ground.report.add(figure);
    // Each was changed once by us; whatever else changed it was the controller.
    let statuses = spent.changes.saturating_sub(size as u64);
    let figure = ground.figure(Id::B6, "status writes for each table", Unit::Count, ground.each(statuses));
    ground.report.add(figure.at_most(1.0).ack(1.0).note(spent.kubernetes.in_words()));
    let figure = ground.figure(
        Id::B6,
        "UpdateTable calls for each table",
        Unit::Count,
        ground.each(spent.calls.of("UpdateTable")),
    );
    ground.report.add(figure.at_most(1.0).detail());
    let reads = spent.calls.of("GetTable") + spent.calls.of("GetTables");
    let figure = ground.figure(Id::B6, "AWS reads for each table", Unit::Count, ground.each(reads));
    ground.report.add(figure.detail().note(spent.calls.in_words()));
    ground.report.count("B6 UpdateTable calls", spent.calls.of("UpdateTable"));
    let made = (ground.singles - singles_before) as u64;
    ground.report.count("B6 writes to AWS, B5's new tables left out", spent.aws_writes - made);
    ground.report.count("B6 status writes", statuses);
    Ok(())
}
