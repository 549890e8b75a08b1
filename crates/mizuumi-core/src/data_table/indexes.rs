//! Partition indexes: added and removed one at a time, and never by making the table anew.
//!
//! Glue builds an index over the partitions that are there in the background, and an index cannot be changed: with other
//! keys it is deleted and created. Those of others stay.

use std::collections::BTreeSet;

use mizuumi_api::data_table::{DataTableSpec, IndexState, PartitionIndex, PartitionIndexStatus};

use super::definition::{Column, TableDefinition};
use super::desired::{DesiredTable, Mode};
use super::merge;
use super::step::TableStep;
use super::world::{ObservedIndex, TableWorld};
use crate::problem::Problem;

/// What is to be done next about indexes.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// This.
    Step(TableStep),
    /// Glue is at it.
    Wait(String),
    /// Glue could not build one.
    Failed(String),
}

/// What the applied mark calls an index.
pub(super) fn path(name: &str) -> String {
    format!("index.{name}")
}

/// Checks a spec's indexes.
pub(super) fn checked(
    spec: &DataTableSpec,
    keys: &[Column],
    problems: &mut Vec<Problem>,
) -> Option<Vec<PartitionIndex>> {
    let indexes = spec.partition_indexes.as_ref()?;
    for (index, of_spec) in indexes.iter().enumerate() {
        if let Some(same) = indexes[..index].iter().find(|other| same_keys(&other.keys, &of_spec.keys)) {
            problems.push(Problem::invalid(
                format!("spec.partitionIndexes[{index}].keys"),
                format!("are those of '{}'; Glue has one index over the same keys", same.name),
            ));
        }
        let mut seen = BTreeSet::new();
        for (position, name) in of_spec.keys.iter().enumerate() {
            let path = || format!("spec.partitionIndexes[{index}].keys[{position}]");
            if !keys.iter().any(|key| key.name.eq_ignore_ascii_case(name)) {
                problems.push(Problem::invalid(path(), format!("'{name}' is not one of spec.partitionKeys")));
            }
            if !seen.insert(name.to_lowercase()) {
                problems.push(Problem::invalid(path(), format!("'{name}' is there twice")));
            }
        }
    }
    Some(indexes.clone())
}

/// Whether the table says that indexes of it are ours, which have to be looked at though the spec has none any more.
#[must_use]
pub fn are_owned(table: &TableDefinition) -> bool {
    merge::remembered(table).iter().any(|path| path.starts_with("index."))
}

/// Whether Glue is building one, whosever it is.
pub(super) fn is_building(world: &TableWorld) -> bool {
    world.indexes.iter().flatten().any(|index| index.state == IndexState::Creating)
}

/// What to do next.
#[must_use]
pub fn next(desired: &DesiredTable, world: &TableWorld) -> Next {
    let (Some(table), Some(have)) = (&world.table, &world.indexes) else { return Next::Nothing };
    let want = desired.indexes.as_deref().unwrap_or_default();
    let ours = merge::owned_before(desired, &table.definition);
    let is_wanted = |index: &&ObservedIndex| {
        want.iter().any(|want| want.name == index.name && same_keys(&want.keys, &index.keys))
    };
    let is_ours = |index: &&ObservedIndex| {
        ours.contains(&path(&index.name)) || want.iter().any(|want| want.name == index.name)
    };
    let busy = have.iter().find(|index| index.is_changing());
    let step = match have.iter().find(|index| is_ours(index) && !is_wanted(index)) {
        Some(index) if index.state == IndexState::Deleting => None,
        Some(index) => Some(TableStep::DeleteIndex { name: index.name.clone() }),
        None => want
            .iter()
            .find(|want| !have.iter().any(|index| index.name == want.name))
            .map(|want| TableStep::CreateIndex { name: want.name.clone(), keys: want.keys.clone() }),
    };
    // Glue has no two indexes over the same keys.
    if let Some(TableStep::CreateIndex { name, keys }) = &step
        && let Some(same) = have.iter().find(|index| same_keys(&index.keys, keys))
    {
        return Next::Failed(format!(
            "the partition index '{name}' cannot be built: somebody else's index '{}' has the same keys; take '{name}' \
             out of `spec.partitionIndexes`, or name it '{}'",
            same.name, same.name
        ));
    }
    match (busy, step) {
        // Who only says what is to be done does not wait for its turn.
        (_, Some(step)) if desired.mode != Mode::Full => Next::Step(step),
        // One at a time: Glue refuses a second one while it builds or removes one.
        (Some(busy), Some(_)) => Next::Wait(in_words(busy)),
        (Some(busy), None) if is_ours(&busy) => Next::Wait(in_words(busy)),
        (None, Some(step)) => Next::Step(step),
        (_, None) => match have.iter().find(|index| is_wanted(index) && index.state == IndexState::Failed) {
            Some(failed) => Next::Failed(format!(
                "Glue could not build the partition index '{}': {}; mend those partitions, then take the index out of \
                 `spec.partitionIndexes` and put it in again",
                failed.name,
                failed.errors.join("; ")
            )),
            None => Next::Nothing,
        },
    }
}

/// The indexes that the mark has to go on calling ours: those that were and that are still there.
pub(super) fn kept(before: &BTreeSet<String>, world: &TableWorld) -> impl Iterator<Item = String> {
    let is_there = |path: &&String| {
        let Some(name) = path.strip_prefix("index.") else { return false };
        world.indexes.as_ref().is_none_or(|indexes| indexes.iter().any(|index| index.name == name))
    };
    before.iter().filter(is_there).cloned()
}

/// What the status says of them, in the order of the spec.
pub(super) fn status(
    desired: &DesiredTable,
    have: &[ObservedIndex],
    longest: usize,
) -> Vec<PartitionIndexStatus> {
    let want = desired.indexes.iter().flatten();
    want.filter_map(|want| have.iter().find(|index| index.name == want.name))
        .map(|index| PartitionIndexStatus {
            name: index.name.clone(),
            state: index.state,
            message: (!index.errors.is_empty())
                .then(|| mizuumi_api::condition::cut(&index.errors.join("; "), longest)),
        })
        .collect()
}

fn in_words(index: &ObservedIndex) -> String {
    let what = if index.state == IndexState::Deleting { "removing" } else { "building" };
    format!("Glue is {what} the partition index '{}'", index.name)
}

fn same_keys(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}
