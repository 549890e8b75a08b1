//! B2: the cluster is lost and restored: the objects are new, the tables are there already.

use anyhow::{Result, ensure};
use mizuumi_api::installation::Intervals;

use super::figures::Unit;
use super::ground::Ground;
use super::report::NOTHING;
use super::rivals::Rivals;
use super::say;
use super::settings::Id;
use super::stats::{Spread, float, number};

/// Takes all objects away, creates them anew, starts the controller, and waits until all are ready.
pub(crate) async fn adopt(ground: &mut Ground<'_>) -> Result<()> {
    let size = ground.fleet.size.0;
    ground.begin("B2", "taking the objects away, and creating them anew");
    ground.stop_controller();
    ground.fleet.wipe().await?;
    let gone = ground.all.clone();
    let patience = ground.patience("CreateTable");
    ground
        .until_all("the objects to be gone", patience, async |ground: &Ground<'_>| {
            Ok(ground.watch.count(&gone) == 0)
        })
        .await?;
    ground.all = ground.fleet.create_all(ground.revision).await?;
    let before = ground.mark().await?;
    say(format_args!("  starting the controller"));
    // No sweep falls into what is measured, however quick they come in tests.
    let began = ground.start_controller(Some(Intervals::default().sweep_seconds)).await?;
    let all = ground.all.clone();
    let waited = ground.until_ready(&all, patience).await;
    ground.report.keep_times(&format!("B2-{}", ground.fleet.size), &all, &ground.watch, began)?;
    waited?;
    let spent = ground.since(&before).await?;
    let times = all.iter().filter_map(|applied| ground.watch.ready_at(applied));
    let spread = Spread::new(times.map(|at| at.saturating_duration_since(began).as_secs_f64()).collect());
    ensure!(spread.count() == size, "{} of {size} objects were ready", spread.count());
    let pages = ground.fleet.pages(ground.singles);
    let allowed = ground.settings.seconds_of("GetTables", pages);
    // 3 min are meant for 100,000; the start itself takes some seconds however few there are.
    let target = (180.0 * number(size) / 100_000.0).max(30.0);
    let figure = ground
        .figure(Id::B2, "start → all ready", Unit::Seconds, spread.max())
        .at_most(target)
        .floor(allowed.max(ground.floor.statuses(size)))
        .ack(ground.rivals.ack_looks(size))
        .upjet(Rivals::upjet_looks(size));
    ground.report.add(figure.note(format!(
        "calls: {}; {} throttled",
        spent.calls.in_words(),
        spent.calls.throttled()
    )));
    let most = pages + ground.fleet.databases_used(ground.singles);
    let figure = ground
        .figure(Id::B2, "AWS calls", Unit::Count, float(spent.calls.all()))
        .at_most(number(most))
        .floor(number(pages))
        .ack(number(size))
        .upjet(number(size));
    ground.report.add(figure.note(spent.calls.in_words()));
    let figure = ground.figure(Id::B2, "writes to AWS", Unit::Count, float(spent.aws_writes)).target(NOTHING);
    ground.report.add(figure);
    let each = ground.each(spent.kubernetes.of_controller());
    let figure = ground.figure(Id::B2, "Kubernetes writes for each table", Unit::Count, each);
    ground.report.add(figure.detail().note(spent.kubernetes.in_words()));
    ground.report.count("B2 writes to AWS", spent.aws_writes);
    ground.report.count("B2 status writes", spent.kubernetes.statuses());
    ground.report.count("B2 finalizers set", spent.kubernetes.finalizers());
    ground.report.count("B2 events", spent.kubernetes.events());
    Ok(())
}
