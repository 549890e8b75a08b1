//! B3: nothing changes. What does it cost?

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::figures::Unit;
use super::ground::Ground;
use super::report::NOTHING;
use super::rivals::Rivals;
use super::settings::Id;
use super::stats::{float, number};
use super::sweeps::Sweeps;

/// The interval between sweeps that the figures of an hour are told for.
const USUAL: f64 = 900.0;
/// Between two looks at what was listed.
const LOOK: Duration = Duration::from_millis(500);

/// Watches some whole sweeps of each database.
pub(crate) async fn watch(ground: &mut Ground<'_>) -> Result<()> {
    let wanted = ground.settings.sweeps;
    let interval = f64::from(ground.settings.sweep_seconds);
    ground.begin("B3", &format!("watching {wanted} sweeps, {interval} s apart"));
    let pages = ground.fleet.pages(ground.singles);
    let databases = ground.fleet.databases_used(ground.singles);
    let pause = 0.4 * interval;
    let one = interval.mul_add(1.2, 3.0 * ground.settings.seconds_of("GetTables", pages)) + 10.0;
    // Those at both ends do not count.
    let patience = Duration::from_secs_f64(one * number(wanted + 2));
    let since = ground.endpoint.seq().await?;
    let before = ground.mark().await?;
    let mut sweeps = Sweeps::default();
    let mut looked = Instant::now();
    ground
        .until("the sweeps", patience, async |ground: &Ground<'_>| {
            if looked.elapsed() < LOOK {
                return Ok(false);
            }
            looked = Instant::now();
            sweeps = Sweeps::of(ground.endpoint.listed(since).await?, pause);
            Ok(sweeps.count(databases) >= wanted)
        })
        .await?;
    let spent = ground.since(&before).await?;
    // All sweeps have to be alike; the one that is not is the one to show.
    let (worst, best) = (sweeps.most_calls(), sweeps.fewest_calls());
    let size = ground.fleet.size.0;
    let most = pages + databases;
    let figure = ground
        .figure(Id::B3, "GetTables calls a sweep", Unit::Count, float(worst))
        .at_most(number(most))
        .floor(number(pages))
        .note(format!(
            "at least {best}; {databases} databases, each swept {} times or more, the longest sweep took {:.1} s",
            sweeps.count(databases),
            sweeps.longest()
        ));
    ground.report.add(figure);
    let figure = ground
        .figure(Id::B3, "AWS calls an hour, sweeps every 15 min", Unit::Count, float(worst) * 3600.0 / USUAL)
        .at_most(4.0 * number(most))
        .ack(Rivals::ack_reads(size))
        .upjet(Rivals::upjet_reads(size));
    ground.report.add(figure);
    let others = spent.calls.all() - spent.calls.of("GetTables");
    let figure =
        ground.figure(Id::B3, "AWS calls that are no sweep", Unit::Count, float(others)).target(NOTHING);
    ground.report.add(figure.detail().note(spent.calls.in_words()));
    let figure = ground.figure(Id::B3, "writes to AWS", Unit::Count, float(spent.aws_writes)).target(NOTHING);
    ground.report.add(figure);
    let writes = spent.kubernetes.all();
    let figure = ground.figure(Id::B3, "writes to Kubernetes", Unit::Count, float(writes)).target(NOTHING);
    ground.report.add(figure.note(spent.kubernetes.in_words()));
    let share = spent.cpu / spent.seconds;
    // What a sweep costs, spread over the usual interval: the rest of the time there is nothing to do.
    let each = spent.cpu * float(worst) / float(spent.calls.of("GetTables").max(1));
    let figure =
        ground.figure(Id::B3, "processor, sweeps every 15 min", Unit::Cores, each / USUAL).at_most(0.05);
    ground
        .report
        .add(figure.note(format!("{share:.3} core with {interval} s between sweeps, {each:.2} s a sweep")));
    ground.report.count("B3 GetTables calls in the largest sweep", worst);
    ground.report.count("B3 GetTables calls in the smallest sweep", best);
    ground.report.count("B3 other AWS calls", others);
    ground.report.count("B3 writes to AWS", spent.aws_writes);
    ground.report.count("B3 writes to Kubernetes", writes);
    Ok(())
}
