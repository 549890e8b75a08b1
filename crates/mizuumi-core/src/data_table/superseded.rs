//! Which runs' directories nothing points to any more, and when they go.
//!
//! Data is deleted only if that is asked for (`partitions.keepSuperseded`), and only what a manifest of this table speaks of.
//! That nothing points there any more is written beside the manifest, with the time; what is pointed to again, as after a
//! rollback, loses that mark. Before a directory goes, all partitions are read anew.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::definition::TableDefinition;
use super::desired::{DesiredTable, Mode};
use super::publishing::{self, Place};
use super::step::TableStep;
use super::world::{ObservedPartition, PartitionValues, TableWorld};
use crate::{publication, s3_uri};

/// So many runs are marked by one step.
const MARKED_AT_ONCE: usize = 100;
/// So many directories go by one step: all partitions are read anew for each step.
const DELETED_AT_ONCE: usize = 10;
/// So many runs are marked, and so many go, in one pass; the others come in the next ones.
const MOST: usize = 1_000;

/// A run whose manifest lies under a table's root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenRun {
    /// Its manifest is one of this table; since when nothing points to its data, if that is written there.
    Ours(Option<Timestamp>),
    /// It is no manifest of this table.
    NotOurs,
}

/// The runs whose directories something points to, or pointed to before what it points to now; none if something points to
/// where all of them lie.
#[must_use]
pub fn pointed_to(
    root: &str,
    partitions: Option<&BTreeMap<PartitionValues, ObservedPartition>>,
    table: Option<&TableDefinition>,
) -> Option<BTreeSet<String>> {
    let mut runs = BTreeSet::new();
    let all = publication::output_of_all(root);
    let mut look = |location: &str| {
        let location = s3_uri::canonical(location);
        runs.extend(publication::run_at(root, &location));
        // The root itself, or what lies above it.
        !all.starts_with(&location)
    };
    let of_table = table.map(publishing::place_of);
    let of_partitions = partitions.into_iter().flatten().map(|(_, partition)| partition.place());
    for Place { location, pointer } in of_table.into_iter().chain(of_partitions) {
        let (at, before) = pointer.map(|p| (p.location, p.previous.map(|p| p.location))).unzip();
        if ![location, at, before.flatten()].iter().flatten().all(|location| look(location)) {
            return None;
        }
    }
    let more = table.map(|table| table.kept.additional_locations.as_slice()).unwrap_or_default();
    more.iter().all(|location| look(location)).then_some(runs)
}

/// Marks what nothing points to any more, takes the mark off what is pointed to again, and deletes what has been marked long
/// enough. Nothing of that while runs are published.
#[must_use]
pub fn steps(desired: &DesiredTable, world: &TableWorld, now: Timestamp) -> Vec<TableStep> {
    let Some((published, kept)) = publishing::policy(desired).and_then(|p| Some((p, p.keeps_superseded?)))
    else {
        return Vec::new();
    };
    let (Some(asked), Some(runs), true) = (&published.asked, &world.runs, desired.mode != Mode::ObserveOnly)
    else {
        return Vec::new();
    };
    let has_seen_all = desired.partition_keys.is_empty() || world.partitions.is_some();
    if !asked.open.is_empty() || !has_seen_all {
        return Vec::new();
    }
    let table = world.table.as_ref().map(|table| &table.definition);
    let Some(pointed) = pointed_to(&published.root, world.partitions.as_ref(), table) else {
        return Vec::new();
    };
    let (mut marked, mut unmarked, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for (run, seen) in runs {
        let SeenRun::Ours(since) = seen else { continue };
        let is_in_use = pointed.contains(run) || asked.under_way.contains(run);
        match since {
            None if !is_in_use => marked.push(run.clone()),
            Some(since) if is_in_use => unmarked.push((run.clone(), *since)),
            Some(since) if since.checked_add(kept).is_ok_and(|due| due <= now) => {
                gone.push((run.clone(), *since));
            }
            None | Some(_) => {}
        }
    }
    let root = || published.root.clone();
    marked.truncate(MOST);
    gone.truncate(MOST);
    let unmark = unmarked
        .chunks(MARKED_AT_ONCE)
        .map(|runs| TableStep::UnmarkSuperseded { root: root(), runs: runs.to_vec() });
    let mark = marked.chunks(MARKED_AT_ONCE).map(|runs| TableStep::MarkSuperseded {
        root: root(),
        runs: runs.to_vec(),
        since: now,
    });
    let delete = gone.chunks(DELETED_AT_ONCE).map(|runs| TableStep::DeleteSuperseded {
        root: root(),
        owner: desired.owner.to_string(),
        runs: runs.to_vec(),
    });
    unmark.chain(mark).chain(delete).collect()
}
