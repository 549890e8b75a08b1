//! What a step does to the world, as a pure function.
//!
//! Convergence is proven on this model; a conformance test holds the model against a real endpoint.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::data_table::{CrawlState, IndexState};

use super::cascade::ColumnsMark;
use super::crawler::{ObservedCrawler, SeenCrawler};
use super::definition::TableDefinition;
use super::link::ObservedLink;
use super::partitions::PartitionEntry;
use super::step::TableStep;
use super::superseded::SeenRun;
use super::world::{ObservedIndex, ObservedPartition, ObservedTable, TableWorld};
use crate::s3_uri;

/// The world after a step.
#[must_use]
pub fn simulate(world: &TableWorld, step: &TableStep, now: Timestamp) -> TableWorld {
    let mut after = world.clone();
    let columns = world.table.as_ref().and_then(|table| ColumnsMark::of_partitions(&table.definition));
    match step {
        TableStep::CreateDatabase { .. } => after.database_exists = true,
        TableStep::CreateTable(definition) => {
            if after.table.is_none() && after.database_exists {
                after.table =
                    Some(ObservedTable { definition: (**definition).clone(), version: Some("0".to_owned()) });
            }
        }
        TableStep::UpdateTable { from_version, to, archive, .. } => {
            if let Some(table) = after.table.as_mut().filter(|table| table.version == *from_version) {
                table.definition = (**to).clone();
                let version = next(table.version.as_deref());
                if let Some(versions) = after.versions.as_mut().filter(|_| *archive) {
                    versions.insert(0, version.clone());
                }
                table.version = Some(version);
            }
        }
        TableStep::CreateLink(_) | TableStep::DeleteLink(_) => make_or_delete_link(&mut after, step, now),
        TableStep::DeleteTable { owner } => {
            if after.table.as_ref().is_some_and(|t| t.definition.owner_mark() == Some(owner.as_str())) {
                after.table = None;
                after.partitions = after.partitions.map(|_| BTreeMap::new());
                after.indexes = after.indexes.map(|_| Vec::new());
            }
        }
        TableStep::CreatePartitions(batch) => {
            if let Some(partitions) = &mut after.partitions {
                for entry in batch {
                    partitions.entry(entry.values.clone()).or_insert_with(|| ObservedPartition {
                        location: Some(entry.location.clone()),
                        owner: entry.owner.clone(),
                        created: Some(now),
                        pointer: entry.pointer.clone().map(Box::new),
                        columns,
                    });
                }
            }
            if let Some(directories) = &mut after.directories {
                directories.retain(|d| !batch.iter().any(|entry| entry.values == d.values));
            }
        }
        TableStep::UpdatePartitions(batch)
        | TableStep::CascadeColumns(batch)
        | TableStep::WithdrawPartitions(batch)
            if !are_as_seen(&after, batch) => {}
        TableStep::UpdatePartitions(batch) | TableStep::CascadeColumns(batch) => {
            for entry in batch {
                if let Some(partition) = after.partitions.as_mut().and_then(|all| all.get_mut(&entry.values))
                {
                    partition.location = Some(entry.location.clone());
                    partition.owner.clone_from(&entry.owner);
                    partition.pointer = entry.pointer.clone().map(Box::new);
                    if entry.owner.is_none() && !entry.takes_columns {
                        partition.columns = None;
                    } else if entry.takes_columns || entry.is_new_data {
                        partition.columns = columns;
                    }
                }
            }
            if let Some(directories) = &mut after.directories {
                directories.retain(|d| {
                    !batch.iter().any(|e| e.values == d.values && s3_uri::same(&e.location, &d.location))
                });
            }
        }
        TableStep::DeletePartitions(batch) => {
            if let Some(partitions) = &mut after.partitions {
                partitions.retain(|values, _| !batch.contains(values));
            }
        }
        TableStep::WithdrawPartitions(batch) => {
            if let Some(partitions) = &mut after.partitions {
                partitions.retain(|values, _| batch.iter().all(|entry| entry.values != *values));
            }
        }
        TableStep::MarkSuperseded { .. }
        | TableStep::UnmarkSuperseded { .. }
        | TableStep::DeleteSuperseded { .. } => {
            if let Some(runs) = &mut after.runs {
                clear_up(runs, step);
            }
        }
        TableStep::DeleteVersions(gone) => {
            if let Some(versions) = &mut after.versions {
                versions.retain(|version| !gone.contains(version));
            }
        }
        // Time passes in between: Glue has built it, or taken it down.
        TableStep::CreateIndex { name, keys } => build_index(&mut after, name, keys),
        TableStep::DeleteIndex { name } => {
            if let Some(indexes) = &mut after.indexes {
                indexes.retain(|index| index.name != *name);
            }
        }
        crawls => after.crawler.iter_mut().for_each(|seen| crawl(seen, crawls, now)),
    }
    after
}

fn make_or_delete_link(after: &mut TableWorld, step: &TableStep, now: Timestamp) {
    match step {
        TableStep::CreateLink(to) if after.table.is_none() && after.database_exists => {
            let link = ObservedLink {
                catalog: to.catalog_id.clone(),
                database: to.database.clone(),
                table: to.table.clone(),
                region: to.region.clone(),
                own_catalog: None,
                created: Some(now),
            };
            let definition = TableDefinition { link: Some(link), ..TableDefinition::default() };
            after.table = Some(ObservedTable { definition, version: None });
        }
        TableStep::DeleteLink(link) => {
            after.table.take_if(|table| table.definition.link.as_ref() == Some(link));
        }
        _ => {}
    }
}

fn build_index(after: &mut TableWorld, name: &str, keys: &[String]) {
    if let Some(indexes) = after.indexes.as_mut().filter(|all| all.iter().all(|i| i.name != name)) {
        let (name, keys) = (name.to_owned(), keys.to_vec());
        indexes.push(ObservedIndex { name, keys, state: IndexState::Active, errors: Vec::new() });
        indexes.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

fn clear_up(seen: &mut BTreeMap<String, SeenRun>, step: &TableStep) {
    match step {
        TableStep::MarkSuperseded { runs, since, .. } => {
            // It is written in seconds.
            let since = Timestamp::from_second(since.as_second()).ok();
            seen.extend(runs.iter().map(|run| (run.clone(), SeenRun::Ours(since))));
        }
        TableStep::UnmarkSuperseded { runs, .. } => {
            seen.extend(runs.iter().map(|(run, _)| (run.clone(), SeenRun::Ours(None))));
        }
        TableStep::DeleteSuperseded { runs, .. } => {
            seen.retain(|name, _| runs.iter().all(|(run, _)| run != name));
        }
        _ => {}
    }
}

/// What a step does to the crawler. How a crawl ends is up to the data.
fn crawl(seen: &mut SeenCrawler, step: &TableStep, now: Timestamp) {
    let is_of = |mark: &str, seen: &SeenCrawler| {
        seen.crawler.as_ref().is_some_and(|crawler| crawler.definition.mark == mark)
    };
    match step {
        TableStep::CreateCrawler(to) if seen.crawler.is_none() => {
            let definition = (**to).clone();
            let (state, updated) = (CrawlState::Ready, Some(now));
            seen.crawler = Some(ObservedCrawler { definition, state, updated, last: None });
        }
        TableStep::UpdateCrawler { to, .. } if is_of(&to.mark, seen) => {
            if let Some(crawler) = &mut seen.crawler {
                crawler.definition = (**to).clone();
                crawler.updated = Some(now);
            }
        }
        TableStep::StartCrawler { owner, .. } if is_of(owner, seen) => {
            if let Some(crawler) = &mut seen.crawler {
                crawler.state = CrawlState::Running;
            }
        }
        // Time passes in between: it has stopped.
        TableStep::StopCrawler { owner, .. } if is_of(owner, seen) => {
            if let Some(crawler) = &mut seen.crawler {
                crawler.state = CrawlState::Ready;
            }
        }
        TableStep::DeleteCrawler { owner, .. } if is_of(owner, seen) => seen.crawler = None,
        TableStep::DeleteCrawledTables { names, .. } => {
            seen.tables.retain(|table| !names.contains(&table.name));
        }
        _ => {}
    }
}

/// Whether partitions still point to what was seen when the step was decided.
fn are_as_seen(world: &TableWorld, batch: &[PartitionEntry]) -> bool {
    batch.iter().all(|entry| {
        let now = world.partitions.as_ref().and_then(|all| all.get(&entry.values));
        entry.seen.is_none() || now.is_none_or(|now| entry.seen.as_ref() == Some(&now.place()))
    })
}

/// Glue counts versions; "0" is the first.
fn next(version: Option<&str>) -> String {
    version.and_then(|text| text.parse::<u64>().ok()).map_or_else(|| "1".to_owned(), |n| (n + 1).to_string())
}
