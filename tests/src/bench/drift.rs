//! B7: tables are changed behind the controller's back. How long until each is as it was?

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::figures::Unit;
use super::ground::Ground;
use super::rivals::Rivals;
use super::settings::{Id, Settings};
use super::stats::{Spread, float, number};

/// Between two looks at the audit.
const LOOK: Duration = Duration::from_millis(500);

/// Changes some tables and waits until the sweeps have found them all.
pub(crate) async fn edit(ground: &mut Ground<'_>) -> Result<()> {
    let size = ground.fleet.size;
    let number_of = Settings::drifted(size);
    ground.begin("B7", &format!("changing {number_of} tables past the controller"));
    let chosen: BTreeSet<usize> = (0..number_of).map(|index| index * (size.0 / number_of)).collect();
    let since = ground.endpoint.seq().await?;
    // Our own edits shall not use up what the controller may call.
    ground.endpoint.lift_quotas().await?;
    let before = ground.mark().await?;
    ground.fleet.meddle(&chosen).await;
    ground.endpoint.set_quotas(ground.settings).await?;
    let pages = ground.fleet.pages(ground.singles);
    let sweep = ground.settings.seconds_of("GetTables", pages);
    let work = ground.settings.seconds_of("UpdateTable", number_of);
    // The longest pause between two sweeps, a sweep, and the writes.
    let within = f64::from(ground.settings.sweep_seconds).mul_add(1.2, sweep) + work;
    let patience = Duration::from_secs_f64(60.0 + 5.0 * within);
    let mut looked = Instant::now();
    let mut delays = BTreeMap::new();
    let waited = ground
        .until("the tables to be put back", patience, async |ground: &Ground<'_>| {
            if looked.elapsed() < LOOK {
                return Ok(false);
            }
            looked = Instant::now();
            delays = told(ground, since).await?;
            Ok(delays.values().filter(|(_, back)| back.is_some()).count() >= number_of)
        })
        .await;
    let mut file = BufWriter::new(File::create(ground.report.file(&format!("B7-{size}.csv")))?);
    writeln!(file, "table,edited,put_back_after_seconds")?;
    for (table, (edited, back)) in &delays {
        writeln!(file, "{table},{edited},{}", back.map(|back| format!("{back:.3}")).unwrap_or_default())?;
    }
    file.flush()?;
    waited?;
    ground.settle().await?;
    let spent = ground.since(&before).await?;
    let spread = Spread::new(delays.values().filter_map(|(_, back)| *back).collect());
    // Half a second for what is none of these.
    let figure = ground
        .figure(Id::B7, "edit → put back, max", Unit::Seconds, spread.max())
        .at_most(within + 0.5)
        // A sweep that begins with the last edit, and the writes.
        .floor(sweep + work)
        .ack(Rivals::ack_drift())
        .upjet(Rivals::upjet_drift(size.0))
        .note(format!("{number_of} tables; p50 {:.1} s, p99 {:.1} s", spread.at(0.5), spread.at(0.99)));
    ground.report.add(figure);
    let figure = ground.figure(Id::B7, "edit → put back, p50", Unit::Seconds, spread.at(0.5));
    ground
        .report
        .add(figure.detail().ack(Rivals::ack_drift() / 2.0).upjet(Rivals::upjet_drift(size.0) / 2.0));
    let writes = spent.aws_writes;
    let each = float(writes) / number(number_of);
    let figure = ground.figure(Id::B7, "writes to AWS for each edit", Unit::Count, each).at_most(1.0);
    ground.report.add(figure.detail().note(spent.calls.in_words()));
    let statuses = spent.kubernetes.statuses();
    let each = float(statuses) / number(number_of);
    let figure = ground.figure(Id::B7, "status writes for each edit", Unit::Count, each);
    ground.report.add(figure.at_most(1.0).note(spent.kubernetes.in_words()));
    ground.report.count("B7 writes to AWS", writes);
    ground.report.count("B7 status writes", statuses);
    Ok(())
}

/// When each table was edited, and how long after that the controller wrote it, by the endpoint's own clock.
async fn told(ground: &Ground<'_>, since: u64) -> Result<BTreeMap<String, (jiff::Timestamp, Option<f64>)>> {
    let mut delays: BTreeMap<String, (jiff::Timestamp, Option<f64>)> = BTreeMap::new();
    for write in ground.endpoint.written(since).await? {
        if !write.is_ours() {
            delays.insert(write.resource, (write.time, None));
        } else if let Some((edited, back)) = delays.get_mut(&write.resource) {
            back.get_or_insert(write.time.duration_since(*edited).as_secs_f64());
        }
    }
    Ok(delays)
}
