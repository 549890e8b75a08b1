//! B9: the controller is killed and started again, with nothing changed but a few probes.
//!
//! Live: an object that is applied at the start is ready. Verified: as many pages were listed as all databases have,
//! and in each database a table that somebody changed while the controller was away is as it was.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use mizuumi_api::installation::Intervals;
use tokio::time::Instant;

use super::endpoint::Written;
use super::figures::Unit;
use super::ground::Ground;
use super::report::NOTHING;
use super::rivals::Rivals;
use super::settings::Id;
use super::stats::{float, number};

/// Restarts into another interval between sweeps; measured if that is asked for.
pub(crate) async fn restart(ground: &mut Ground<'_>) -> Result<()> {
    let sweep = ground.settings.sweep_seconds;
    if !ground.settings.wants(&[Id::B9]) {
        return quietly(ground, sweep).await;
    }
    ground.begin("B9", "restarting the controller");
    let size = ground.fleet.size.0;
    ground.stop_controller();
    let probes = ground.fleet.last_of_each_database();
    ground.endpoint.lift_quotas().await?;
    ground.fleet.meddle(&probes).await;
    ground.endpoint.set_quotas(ground.settings).await?;
    let pages = ground.fleet.pages(ground.singles);
    let of_probes: Vec<_> = probes.iter().map(|index| ground.all[*index].clone()).collect();
    let resources: BTreeSet<String> = probes
        .iter()
        .map(|index| {
            let (database, table) = ground.fleet.table(*index);
            format!("{database}.{table}")
        })
        .collect();
    let since = ground.endpoint.seq().await?;
    let before = ground.mark().await?;
    let calls_before = ground.endpoint.calls().await?;
    let probes_before = ground.watch.changes(&of_probes);

    // As the product comes: sweeps that follow each other faster than AWS lets them be read would only measure themselves.
    let began = ground.start_controller(Some(Intervals::default().sweep_seconds)).await?;
    let single = ground.fleet.apply_single(ground.singles).await?;
    ground.singles += 1;
    let allowed = ground.settings.seconds_of("GetTables", pages);
    let patience = ground.patience_to_list(pages);
    let (mut listed, mut put_back) = (None, None);
    let mut looked = Instant::now();
    let seen = ground
        .until("all tables to be verified", patience, async |ground: &Ground<'_>| {
            // Each look makes the endpoint go through what it has noted.
            if looked.elapsed() < Duration::from_millis(200) {
                return Ok(false);
            }
            looked = Instant::now();
            if listed.is_none() {
                let calls = ground.endpoint.calls().await?.since(&calls_before);
                listed = (calls.done("GetTables") >= pages as u64).then(|| began.elapsed());
            }
            if put_back.is_none() {
                let written = ground.endpoint.written(since).await?;
                let ours = written.into_iter().filter(Written::is_ours).map(|write| write.resource);
                let ours: BTreeSet<String> = ours.collect();
                put_back = resources.is_subset(&ours).then(|| began.elapsed());
            }
            Ok(listed.is_some() && put_back.is_some())
        })
        .await;
    if seen.is_ok() {
        ground.until_ready(std::slice::from_ref(&single), patience).await?;
        ground.settle().await?;
    }
    let settled = began.elapsed().as_secs_f64();
    let live = ground.watch.ready_at(&single).map(|at| at.duration_since(began).as_secs_f64());
    if let Some(live) = live {
        let figure =
            ground.figure(Id::B9, "start → a new object is ready", Unit::Seconds, live).at_most(60.0);
        ground.report.add(figure.floor(ground.floor.apply()));
    }
    seen?;
    let verified = listed.max(put_back).unwrap_or_default().as_secs_f64();
    let spent = ground.since(&before).await?;
    let looks = ground.rivals.ack_looks(size);
    let figure = ground
        .figure(Id::B9, "start → all tables verified", Unit::Seconds, verified)
        .at_most(120.0)
        .floor(allowed)
        .ack(looks)
        .upjet(Rivals::upjet_looks(size))
        .note(format!(
            "all pages listed after {:.1} s, the probes put back after {:.1} s, all told after {settled:.1} s; \
             calls: {}; {} throttled",
            listed.unwrap_or_default().as_secs_f64(),
            put_back.unwrap_or_default().as_secs_f64(),
            spent.calls.in_words(),
            spent.calls.throttled()
        ));
    ground.report.add(figure);
    let reads = spent.calls.all() - spent.calls.of("CreateTable") - spent.calls.of("UpdateTable");
    let figure = ground.figure(Id::B9, "AWS reads", Unit::Count, float(reads)).floor(number(pages));
    ground.report.add(figure.ack(number(size)).upjet(number(size)));
    // The new table and those put back.
    let beyond = float(spent.aws_writes) - number(1 + probes.len());
    let figure =
        ground.figure(Id::B9, "writes to AWS beyond the probes", Unit::Count, beyond).target(NOTHING);
    ground.report.add(figure);
    let others = spent.changes.saturating_sub(ground.watch.changes(&of_probes) - probes_before);
    let figure = ground.figure(Id::B9, "status writes beyond the probes", Unit::Count, float(others));
    ground.report.add(figure.target(NOTHING).ack(number(size)).note(spent.kubernetes.in_words()));
    ground.report.count("B9 writes to AWS, probes included", spent.aws_writes);
    ground.report.count("B9 status writes beyond the probes", others);
    ground.stop_controller();
    quietly(ground, sweep).await
}

/// Restarts and waits until everything was listed once.
pub(crate) async fn quietly(ground: &mut Ground<'_>, sweep_seconds: u32) -> Result<()> {
    let pages = ground.fleet.pages(ground.singles);
    let before = ground.endpoint.calls().await?;
    ground.start_controller(Some(sweep_seconds)).await?;
    let patience = ground.patience_to_list(pages);
    ground
        .until("all pages to be listed", patience, async |ground: &Ground<'_>| {
            let calls = ground.endpoint.calls().await?.since(&before);
            Ok(calls.done("GetTables") >= pages as u64)
        })
        .await?;
    ground.settle().await
}
