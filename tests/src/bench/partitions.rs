//! B13: a run brings new partitions into a table that has a hundred times as many.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aws_sdk_glue::types::{PartitionInput, StorageDescriptor};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mizuumi_api::ingest_run::RunPhase;
use serde_json::json;
use tokio::time::Instant;

use super::figures::Unit;
use super::ground::Ground;
use super::say;
use super::settings::Id;
use super::stats::{float, number};

/// The object, and the run that brings its data.
const TABLE: &str = "many-partitions";
const RUN: &str = "brings-more";
/// So many partitions are there for each that comes.
const THERE_FOR_EACH: usize = 100;
/// BatchCreatePartition takes so many.
const A_WRITE: usize = 100;
/// Batches that are made at once to fill the table, and objects that are put at once.
const AT_ONCE: usize = 16;
/// What a controller with one table takes, in MiB; besides, 1 KiB for each partition is meant.
const EMPTY: f64 = 64.0;
/// How long anything may take.
const LONGEST: Duration = Duration::from_mins(20);

/// Fills a table with partitions of others, has a run bring more, and counts what its publication takes.
pub(crate) async fn publish(ground: &mut Ground<'_>) -> Result<()> {
    let new = ground.fleet.size.0;
    let there = new * THERE_FOR_EACH;
    ground.begin("B13", &format!("making a table of {there} partitions"));
    // Filled by others, and before anybody looks: how long that takes is not what is measured.
    ground.endpoint.lift_quotas().await?;
    ground.start_controller(None).await?;
    let spec = json!({
        "partitionKeys": [{ "name": "number", "type": "int" }],
        "partitions": { "mode": "Published" },
    });
    ground.fleet.team.create_ready(TABLE, spec).await;
    ground.stop_controller();
    fill(ground, there).await?;
    ground.begin("B13", &format!("writing {new} partitions of a run"));
    let directories: Vec<String> = (there..there + new).map(|number| format!("number={number}/")).collect();
    let directories: Vec<&str> = directories.iter().map(String::as_str).collect();
    ground.fleet.team.write_output(TABLE, RUN, &directories).await;
    ground.endpoint.set_quotas(ground.settings).await?;

    ground.begin("B13", "starting the controller, which looks at all of them");
    let before = ground.mark().await?;
    let began = ground.start_controller(None).await?;
    ground
        .until("all partitions to be seen", LONGEST, async |ground: &Ground<'_>| {
            Ok(seen(ground).await == there)
        })
        .await?;
    let looked = began.elapsed();
    let look = ground.since(&before).await?;
    say(format_args!("  seen after {:.1} s; calls: {}", looked.as_secs_f64(), look.calls.in_words()));

    ground.begin("B13", &format!("publishing {new} partitions"));
    let before = ground.mark().await?;
    let began = Instant::now();
    ground.fleet.team.start_run(RUN, TABLE, 1, 0).await;
    ground.fleet.team.mark_output(TABLE, RUN).await;
    ground
        .until("the run to be published", LONGEST, async |ground: &Ground<'_>| is_published(ground).await)
        .await?;
    let took = began.elapsed();
    let spent = ground.since(&before).await?;
    let rss = ground.usage()?.peak;
    ensure!(seen(ground).await == there + new, "{} partitions are told of", seen(ground).await);

    let pages = there.div_ceil(1000);
    let listed = float(look.calls.of("GetPartitions"));
    // One list from its start and ten parts of it, each of which ends with a page that is not full.
    let figure = ground.figure(Id::B13, "GetPartitions calls, first look", Unit::Count, listed);
    ground.report.add(figure.at_most(number(pages + 16)).floor(number(pages)));
    let writes = spent.calls.of("BatchCreatePartition");
    let figure = ground.figure(Id::B13, "BatchCreatePartition calls", Unit::Count, float(writes));
    ground.report.add(figure.at_most(number(new.div_ceil(A_WRITE))).floor(number(new.div_ceil(A_WRITE))));
    let reads = spent.calls.of("GetPartitions") + spent.calls.of("BatchGetPartition");
    let figure = ground.figure(Id::B13, "reads of partitions by the publication", Unit::Count, float(reads));
    let figure = figure.at_most(2.0 * number(new.div_ceil(A_WRITE))).note(spent.calls.in_words());
    ground.report.add(figure);
    let figure = ground.figure(Id::B13, "run asks → published", Unit::Seconds, took.as_secs_f64());
    ground.report.add(figure);
    let figure = ground.figure(Id::B13, "start → all partitions seen", Unit::Seconds, looked.as_secs_f64());
    ground.report.add(figure);
    let most = 64.0_f64.max(number(there) / 1024.0) + EMPTY;
    ground.report.add(ground.figure(Id::B13, "memory at its most", Unit::Mebibytes, rss).at_most(most));
    ground.report.count("B13 BatchCreatePartition calls", writes);
    Ok(())
}

/// Registers partitions as another program would.
async fn fill(ground: &Ground<'_>, number: usize) -> Result<()> {
    let team = &ground.fleet.team;
    let table = TABLE.replace('-', "_");
    let root = team.location(TABLE);
    let input = |number: usize| {
        let storage = StorageDescriptor::builder().location(format!("{root}old/number={number}/")).build();
        PartitionInput::builder().values(number.to_string()).storage_descriptor(storage).build()
    };
    let batches: Vec<Vec<PartitionInput>> = (0..number.div_ceil(A_WRITE))
        .map(|batch| (batch * A_WRITE..((batch + 1) * A_WRITE).min(number)).map(input).collect())
        .collect();
    let create = team.aws.glue.batch_create_partition().database_name(&team.aws.database).table_name(table);
    let calls: Vec<_> = batches
        .into_iter()
        .map(|batch| create.clone().set_partition_input_list(Some(batch)).send())
        .collect();
    let made = stream::iter(calls).buffer_unordered(AT_ONCE);
    made.try_for_each(|answer| async move {
        assert!(answer.errors().is_empty(), "{:?}", answer.errors());
        Ok(())
    })
    .await
    .context("the partitions cannot be made")
}

/// How many partitions the status tells of.
async fn seen(ground: &Ground<'_>) -> usize {
    let status = ground.fleet.team.get(TABLE).await.status;
    let registered = status.and_then(|status| status.partitions).map(|partitions| partitions.registered);
    registered.and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

async fn is_published(ground: &Ground<'_>) -> Result<bool> {
    let run = ground.fleet.team.runs().get(RUN).await?;
    let phase = run.status.and_then(|status| status.phase);
    ensure!(phase != Some(RunPhase::Failed), "the run has failed");
    Ok(phase == Some(RunPhase::Succeeded))
}
