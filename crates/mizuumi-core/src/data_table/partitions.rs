//! Which partitions to register, move or remove, in batches as large as Glue takes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::desired::{Completeness, DesiredTable, Mode, PartitionPolicy};
use super::publishing::{self, Place};
use super::step::TableStep;
use super::world::{Directory, ObservedPartition, PartitionValues, TableWorld};
use crate::publication::{Pointer, RunOrder};
use crate::s3_uri;

/// BatchCreatePartition and BatchUpdatePartition take 100 entries (AWS Glue API reference).
pub const LARGEST_WRITE: usize = 100;
/// Each partition carries the table's columns: of wide tables fewer are written at once, so that requests and answers stay
/// within some megabytes.
const COLUMNS_A_WRITE: usize = 20_000;
/// BatchDeletePartition takes 25.
pub const LARGEST_DELETE: usize = 25;
/// What Hive writes for a key that has no value; it is older than every other.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A partition to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionEntry {
    /// Its values.
    pub values: PartitionValues,
    /// Where its data is.
    pub location: String,
    /// The mark to leave on it; none takes the mark off.
    pub owner: Option<String>,
    /// The run whose data it is to say that it points to.
    pub pointer: Option<Pointer>,
    /// What it pointed to when that was decided; a write by which somebody else's would be undone is not made.
    pub seen: Option<Place>,
    /// Whether what it points to is other data than before: then it is made like the table, and nothing stays of what it
    /// said of the other.
    pub is_new_data: bool,
    /// Whether it is given the table's columns, and stays what it is else.
    pub takes_columns: bool,
}

impl PartitionEntry {
    /// One of no run, which stays what it is but for its location and its mark.
    #[must_use]
    pub const fn new(values: PartitionValues, location: String, owner: Option<String>) -> Self {
        Self { values, location, owner, pointer: None, seen: None, is_new_data: false, takes_columns: false }
    }
}

/// The last partition in the order of its values. They are strings; numbers among them do not sort as text ("9" after
/// "10").
#[must_use]
pub fn newest(
    partitions: &BTreeMap<PartitionValues, ObservedPartition>,
) -> Option<(&PartitionValues, &ObservedPartition)> {
    partitions.iter().filter(|(values, _)| is_known(values)).max_by_key(|(values, _)| age(values))
}

/// Whether a partition has a value for each key.
#[must_use]
pub fn is_known(values: &PartitionValues) -> bool {
    !values.iter().any(|value| value == NO_VALUE)
}

/// What partitions are ordered by, from the oldest to the newest.
#[must_use]
pub fn age(values: &PartitionValues) -> Vec<(u64, &String)> {
    values.iter().map(|value| (value.parse().unwrap_or(u64::MAX), value)).collect()
}

/// What to do, and when a directory that is not complete yet may be.
#[must_use]
pub fn steps(
    desired: &DesiredTable,
    world: &TableWorld,
    now: Timestamp,
) -> (Vec<TableStep>, Option<Timestamp>) {
    let (Some(policy), Some(have)) = (&desired.partitions, &world.partitions) else {
        return (Vec::new(), None);
    };
    let owner = desired.owner.to_string();
    match policy {
        PartitionPolicy::Declared(want) => {
            (declared(want, have, &owner, desired.mode != Mode::ObserveOnly), None)
        }
        PartitionPolicy::Discovered(discovery) => {
            let directories = world.directories.as_deref().unwrap_or_default();
            let (mut steps, wake_at) = discovered(&discovery.completeness, directories, have, &owner, now);
            if discovery.prunes {
                let is_ours = |values: &&PartitionValues| {
                    have.get(*values).is_some_and(|partition| partition.owner.as_ref() == Some(&owner))
                };
                let gone: Vec<PartitionValues> = world.vanished.iter().filter(is_ours).cloned().collect();
                steps.extend(batches(&gone, LARGEST_DELETE, TableStep::DeletePartitions));
            }
            (steps, wake_at)
        }
        PartitionPolicy::Projected(_) => (Vec::new(), None),
        PartitionPolicy::Published(_) => (published(desired, world), None),
    }
}

/// How many partitions of a table with so many columns are written at once.
pub(super) fn at_once(columns: usize) -> usize {
    (COLUMNS_A_WRITE / columns.max(1)).clamp(1, LARGEST_WRITE)
}

/// Partitions of one run are written together, so that the step can name it.
fn published(desired: &DesiredTable, world: &TableWorld) -> Vec<TableStep> {
    let (made, moved, gone) = publishing::entries(desired, world);
    let largest = at_once(desired.columns.len());
    let by_run = |entries: Vec<PartitionEntry>, step: fn(Vec<PartitionEntry>) -> TableStep| {
        let mut runs: BTreeMap<Option<RunOrder>, Vec<PartitionEntry>> = BTreeMap::new();
        for entry in entries {
            runs.entry(entry.pointer.as_ref().map(|p| p.run.clone())).or_default().push(entry);
        }
        runs.into_values().flat_map(|entries| batches(&entries, largest, step)).collect::<Vec<_>>()
    };
    let mut steps = by_run(made, TableStep::CreatePartitions);
    steps.extend(by_run(moved, TableStep::UpdatePartitions));
    steps.extend(batches(&gone, LARGEST_DELETE, TableStep::WithdrawPartitions));
    steps
}

/// Takes the marks off. A partition without a location was written anew by somebody else, and stays as it is.
#[must_use]
pub fn release(have: &BTreeMap<PartitionValues, ObservedPartition>, owner: &str) -> Vec<TableStep> {
    let marked = have.iter().filter(|(_, partition)| {
        partition.owner.as_deref() == Some(owner)
            || (partition.owner.is_none() && partition.columns.is_some())
    });
    let entries: Vec<PartitionEntry> = marked
        .filter_map(|(values, partition)| {
            Some(PartitionEntry::new(values.clone(), partition.location.clone()?, None))
        })
        .collect();
    batches(&entries, LARGEST_WRITE, TableStep::UpdatePartitions)
}

/// Whether a directory's data is all there; if only time is missing, when it will be.
pub fn is_complete(
    directory: &Directory,
    completeness: &Completeness,
    now: Timestamp,
) -> Result<(), Option<Timestamp>> {
    match completeness {
        Completeness::Marker(_) => {
            if directory.has_marker {
                Ok(())
            } else {
                Err(None)
            }
        }
        Completeness::Quiet(length) => {
            match directory.newest.and_then(|newest| newest.checked_add(*length).ok()) {
                Some(quiet_at) if quiet_at <= now => Ok(()),
                quiet_at => Err(quiet_at),
            }
        }
    }
}

/// An observer sets no marks, so it misses none.
fn declared(
    want: &BTreeMap<PartitionValues, String>,
    have: &BTreeMap<PartitionValues, ObservedPartition>,
    owner: &str,
    with_mark: bool,
) -> Vec<TableStep> {
    let entry = |(values, location): (&PartitionValues, &String)| {
        PartitionEntry::new(values.clone(), location.clone(), Some(owner.to_owned()))
    };
    let missing: Vec<_> = want.iter().filter(|(values, _)| !have.contains_key(*values)).map(entry).collect();
    let moved: Vec<_> = want
        .iter()
        .filter(|(values, location)| {
            have.get(*values).is_some_and(|partition| {
                (with_mark && partition.owner.as_deref() != Some(owner))
                    || !partition.location.as_deref().is_some_and(|there| s3_uri::same(there, location))
            })
        })
        .map(entry)
        .collect();
    let dropped: Vec<PartitionValues> = have
        .iter()
        .filter(|(values, partition)| {
            !want.contains_key(*values) && partition.owner.as_deref() == Some(owner)
        })
        .map(|(values, _)| values.clone())
        .collect();
    let mut steps = batches(&missing, LARGEST_WRITE, TableStep::CreatePartitions);
    steps.extend(batches(&moved, LARGEST_WRITE, TableStep::UpdatePartitions));
    steps.extend(batches(&dropped, LARGEST_DELETE, TableStep::DeletePartitions));
    steps
}

fn discovered(
    completeness: &Completeness,
    directories: &[Directory],
    have: &BTreeMap<PartitionValues, ObservedPartition>,
    owner: &str,
    now: Timestamp,
) -> (Vec<TableStep>, Option<Timestamp>) {
    let mut wake_at: Option<Timestamp> = None;
    let mut missing: BTreeMap<&PartitionValues, PartitionEntry> = BTreeMap::new();
    // Ours whose directory is elsewhere by now: the table's root has moved.
    let mut moved: BTreeMap<&PartitionValues, PartitionEntry> = BTreeMap::new();
    for directory in directories {
        let entries = match have.get(&directory.values) {
            None => &mut missing,
            Some(partition) if stands_for(partition, directory) => continue,
            Some(partition) if partition.owner.as_deref() == Some(owner) => &mut moved,
            Some(_) => continue,
        };
        match is_complete(directory, completeness, now) {
            Ok(()) => {
                entries.entry(&directory.values).or_insert_with(|| {
                    let location = directory.location.clone();
                    PartitionEntry::new(directory.values.clone(), location, Some(owner.to_owned()))
                });
            }
            Err(quiet_at) => wake_at = [wake_at, quiet_at].into_iter().flatten().min(),
        }
    }
    let entries = |of: BTreeMap<_, PartitionEntry>| of.into_values().collect::<Vec<_>>();
    let mut steps = batches(&entries(missing), LARGEST_WRITE, TableStep::CreatePartitions);
    steps.extend(batches(&entries(moved), LARGEST_WRITE, TableStep::UpdatePartitions));
    (steps, wake_at)
}

/// Whether a partition's data is in that directory.
fn stands_for(partition: &ObservedPartition, directory: &Directory) -> bool {
    partition.location.as_deref().is_some_and(|there| s3_uri::same(there, &directory.location))
}

pub(super) fn batches<T: Clone>(
    items: &[T],
    largest: usize,
    step: fn(Vec<T>) -> TableStep,
) -> Vec<TableStep> {
    items.chunks(largest).map(|batch| step(batch.to_vec())).collect()
}
