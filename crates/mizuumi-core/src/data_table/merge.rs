//! A spec laid over what Glue has: ours is set, what was ours and is no more is taken off, everything else stays.
//!
//! What was ours is remembered in the table itself, in the parameter `mizuumi.applied`, so that it survives a lost
//! cluster and a restored one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::TableClaim;
use super::definition::{
    APPLIED_PARAMETER, COMMIT_PARAMETER, Column, LAYER_PARAMETER, OUR_PREFIX, OWNER_PARAMETER,
    PRODUCER_PARAMETER, TableDefinition,
};
use super::desired::{DesiredTable, Mode, PartitionPolicy};
use super::world::TableWorld;
use super::{cascade, clock, diff, indexes, layout, publishing, view};
use crate::hive_type;
use crate::s3_uri;

/// What the owner wrote last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Applied {
    /// Hash of all that the spec says of the definition; differs once the spec does.
    hash: String,
    /// The fields and parameters that are ours: `description`, `parameters.<key>`, `serde.<key>`.
    owned: BTreeSet<String>,
}

impl Applied {
    fn read(definition: &TableDefinition) -> Self {
        definition
            .parameters
            .get(APPLIED_PARAMETER)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }
}

/// The definition that Glue is to have.
#[must_use]
pub fn merged(desired: &DesiredTable, world: &TableWorld) -> TableDefinition {
    let have = world.table.as_ref().map(|table| &table.definition);
    let mut to = have.cloned().unwrap_or_default();
    let ours = have.is_some_and(|have| is_ours(desired, have));
    let before = have.filter(|_| ours).map(Applied::read).unwrap_or_default();
    // Marks on a table that is taken over are somebody else's memory, such as a copied table's.
    to.parameters.retain(|key, _| ours || !key.starts_with(OUR_PREFIX));
    let mut now_owned = owned(desired);
    for path in before.owned.difference(&now_owned) {
        take_off(&mut to, path);
    }
    lay_over(&mut to, desired);
    if let Some(place) = publishing::table_place(desired, world) {
        publishing::point(&mut to, &place);
    }
    now_owned.extend(indexes::kept(&before.owned, world));
    let marks = &mut to.parameters;
    marks.insert(OWNER_PARAMETER.to_owned(), desired.owner.to_string());
    let applied = Applied { hash: hash(desired), owned: now_owned };
    if let Ok(text) = serde_json::to_string(&applied) {
        marks.insert(APPLIED_PARAMETER.to_owned(), text);
    }
    tell_freshness(marks, desired, world, &before);
    tell_quality(marks, desired);
    cascade::lay_over(&mut to, desired, have);
    tell_commit(&mut to, desired, have);
    to
}

/// Names the commit by which the table is changed. One that changes nothing here is no reason to write.
fn tell_commit(to: &mut TableDefinition, desired: &DesiredTable, have: Option<&TableDefinition>) {
    let changes = |have| !diff::is_bookkeeping(&diff::changes(have, to), desired);
    if have.is_some_and(|have| is_drift(desired, have) || !changes(have)) {
        return;
    }
    match &desired.commit {
        Some(commit) => to.parameters.insert(COMMIT_PARAMETER.to_owned(), commit.clone()),
        None => to.parameters.remove(COMMIT_PARAMETER),
    };
}

/// The definition that is there, with nothing of the spec but what its data says: which run it points to, and how recent it
/// is under names that are ours already.
#[must_use]
pub fn with_data(desired: &DesiredTable, world: &TableWorld) -> TableDefinition {
    let Some(have) = world.table.as_ref().map(|table| &table.definition) else {
        return merged(desired, world);
    };
    let mut to = have.clone();
    // One that is only to be adopted stays as it is until the whole of it can be: nothing is written without our mark.
    if !is_ours(desired, have) {
        return to;
    }
    if let Some(place) = publishing::table_place(desired, world) {
        publishing::point(&mut to, &place);
    }
    tell_quality(&mut to.parameters, desired);
    let before = Applied::read(have);
    let names = &desired.freshness_parameters;
    let all = [&names.loaded_at, &names.data_time, &names.fresh_until];
    if all.iter().all(|name| before.owned.contains(&format!("parameters.{name}"))) {
        tell_freshness(&mut to.parameters, desired, world, &before);
    }
    to
}

/// The same without the marks and without freshness: what an observer compares.
#[must_use]
pub fn overlaid(desired: &DesiredTable, have: &TableDefinition) -> TableDefinition {
    let mut to = have.clone();
    lay_over(&mut to, desired);
    if publishing::policy(desired).is_some() && desired.partition_keys.is_empty() {
        to.location.clone_from(&have.location);
    }
    to
}

/// The paths that the table says are its owner's, whoever that is.
pub(super) fn remembered(have: &TableDefinition) -> BTreeSet<String> {
    Applied::read(have).owned
}

/// The paths that were ours. What is remembered under another's mark, such as a copied table's, is none of ours.
pub(super) fn owned_before(desired: &DesiredTable, have: &TableDefinition) -> BTreeSet<String> {
    if is_ours(desired, have) { remembered(have) } else { BTreeSet::new() }
}

fn is_ours(desired: &DesiredTable, have: &TableDefinition) -> bool {
    have.owner_mark() == Some(desired.owner.to_string().as_str())
}

/// Whether somebody else changed what the spec, unchanged since our last write, had set.
#[must_use]
pub fn is_drift(desired: &DesiredTable, have: &TableDefinition) -> bool {
    Applied::read(have).hash == hash(desired)
}

/// The definition without our marks and without what was ours to keep up to date.
#[must_use]
pub fn released(have: &TableDefinition, claim: &TableClaim) -> TableDefinition {
    let mut to = have.clone();
    let owned = Applied::read(have).owned;
    // A name of the installation's choice may be somebody else's parameter, unless we wrote it.
    let told = |key: &String| {
        claim.freshness_parameters.contains(key) && owned.contains(&format!("parameters.{key}"))
    };
    to.parameters.retain(|key, _| !key.starts_with(OUR_PREFIX) && !told(key));
    to
}

/// Names of parameters that are neither ours nor the spec's.
pub fn foreign<'a>(desired: &'a DesiredTable, have: &'a TableDefinition) -> impl Iterator<Item = &'a String> {
    let owned = owned(desired);
    have.parameters
        .keys()
        .filter(move |key| !key.starts_with(OUR_PREFIX) && !owned.contains(&format!("parameters.{key}")))
}

fn lay_over(to: &mut TableDefinition, desired: &DesiredTable) {
    if let Some(description) = &desired.description {
        to.description = Some(description.clone());
    }
    if let Some(team) = &desired.team {
        to.owner = Some(team.clone());
    }
    to.columns = columns(&desired.columns, &to.columns);
    to.partition_keys = columns(&desired.partition_keys, &to.partition_keys);
    to.parameters.extend(parameters(desired));
    match &desired.view {
        Some(view) => {
            to.table_type = Some(view::TABLE_TYPE.to_owned());
            to.view = Some(to.view.take().filter(|have| have.is_same(view)).unwrap_or_else(|| view.clone()));
            // Athena and Trino refuse a view without one, be it empty: "StorageDescriptor SerDeInfo is null".
            to.serde.get_or_insert_default();
        }
        None => lay_files_over(to, desired),
    }
    desired.layout.lay_over(to);
}

fn lay_files_over(to: &mut TableDefinition, desired: &DesiredTable) {
    to.table_type = Some("EXTERNAL_TABLE".to_owned());
    if !to.location.as_deref().is_some_and(|location| s3_uri::same(location, &desired.location)) {
        to.location = Some(desired.location.clone());
    }
    to.input_format = Some(desired.storage.input_format.clone());
    to.output_format = Some(desired.storage.output_format.clone());
    let want = &desired.storage.serde;
    // Parameters of another serde mean nothing to this one.
    let mut serde = to.serde.take().filter(|have| have.library == want.library).unwrap_or_default();
    serde.library.clone_from(&want.library);
    serde.parameters.extend(want.parameters.clone());
    to.serde = Some(serde);
}

/// Parameters that the spec says, and those that every reader needs: Hive drops the data of a table without EXTERNAL.
fn parameters(desired: &DesiredTable) -> BTreeMap<String, String> {
    let mut all = match &desired.view {
        Some(_) => view::parameters(),
        None => BTreeMap::from([("EXTERNAL".to_owned(), "TRUE".to_owned())]),
    };
    if let Some(classification) = desired.storage.classification {
        all.insert("classification".to_owned(), classification.to_owned());
    }
    if let Some(layer) = desired.layer {
        all.insert(LAYER_PARAMETER.to_owned(), layer.name().to_owned());
    }
    if let Some(producer) = &desired.producer {
        all.insert(PRODUCER_PARAMETER.to_owned(), producer.clone());
    }
    if let Some(PartitionPolicy::Projected(projection)) = &desired.partitions {
        all.extend(projection.clone());
    }
    all.extend(desired.parameters.clone());
    all
}

/// Wanted columns; those that Glue has already keep its spelling where the difference means nothing.
pub(super) fn columns(want: &[Column], have: &[Column]) -> Vec<Column> {
    let by_name: BTreeMap<String, &Column> = have.iter().map(|c| (c.name.to_lowercase(), c)).collect();
    want.iter()
        .map(|want| {
            let Some(have) = by_name.get(&want.name.to_lowercase()) else { return want.clone() };
            let same_type = matches!((&want.type_, &have.type_), (Some(a), Some(b)) if hive_type::same(a, b));
            Column {
                name: have.name.clone(),
                type_: if same_type { have.type_.clone() } else { want.type_.clone() },
                comment: want.comment.clone().or_else(|| have.comment.clone()),
                parameters: have.parameters.clone(),
            }
        })
        .collect()
}

/// The paths of what is ours beyond the fields that every spec sets.
fn owned(desired: &DesiredTable) -> BTreeSet<String> {
    let mut owned = BTreeSet::new();
    if desired.description.is_some() {
        owned.insert("description".to_owned());
    }
    if desired.team.is_some() {
        owned.insert("owner".to_owned());
    }
    owned.extend(desired.layout.owned());
    owned.extend(desired.indexes.iter().flatten().map(|index| indexes::path(&index.name)));
    owned.extend(parameters(desired).into_keys().map(|key| format!("parameters.{key}")));
    owned.extend(desired.storage.serde.parameters.keys().map(|key| format!("serde.{key}")));
    if desired.freshness.is_some() {
        let names = &desired.freshness_parameters;
        owned.extend(
            [&names.loaded_at, &names.data_time, &names.fresh_until].map(|key| format!("parameters.{key}")),
        );
    }
    owned
}

fn take_off(definition: &mut TableDefinition, path: &str) {
    match path {
        "description" => definition.description = None,
        "owner" => definition.owner = None,
        _ => {
            if let Some(key) = path.strip_prefix("parameters.") {
                definition.parameters.remove(key);
            } else if let (Some(key), Some(serde)) = (path.strip_prefix("serde."), &mut definition.serde) {
                serde.parameters.remove(key);
            } else {
                layout::take_off(definition, path);
            }
        }
    }
}

/// Writes what the checks say. Until they are known, what stands in Glue stands.
fn tell_quality(parameters: &mut BTreeMap<String, String>, desired: &DesiredTable) {
    if let Some(quality) = desired.quality.as_ref().filter(|_| desired.mode != Mode::Plan) {
        quality.tell(parameters);
    }
}

/// Writes what the sources say. Where they could not be asked, what stands in Glue stands.
fn tell_freshness(
    parameters: &mut BTreeMap<String, String>,
    desired: &DesiredTable,
    world: &TableWorld,
    before: &Applied,
) {
    let Some(policy) = &desired.freshness else { return };
    if desired.mode == Mode::Plan {
        // A planner never tells freshness, so what is not told yet is no change that waits.
        return;
    }
    let clock = match clock::read(policy, desired, world) {
        clock::Reading::Known(clock) => Some(clock),
        clock::Reading::Nothing => None,
        clock::Reading::NotAsked | clock::Reading::Invalid(_) => return,
    };
    // `fresh_until` does not depend on now: it changes with the data and with the policy, never by itself.
    let until = policy.judge(clock.as_ref(), desired.created, desired.created).fresh_until;
    let names = &desired.freshness_parameters;
    for (name, moment) in [
        (&names.data_time, clock.as_ref().and_then(|c| c.data_time)),
        (&names.loaded_at, clock.as_ref().and_then(|c| c.loaded_at)),
        (&names.fresh_until, until),
    ] {
        match moment {
            Some(moment) => parameters.insert(name.clone(), in_seconds(moment)),
            // What somebody else wrote under that name before stays until there is something to say.
            None if before.owned.contains(&format!("parameters.{name}")) => parameters.remove(name),
            None => None,
        };
    }
}

fn in_seconds(moment: Timestamp) -> String {
    format!("{moment:.0}")
}

/// A hash of all that the spec says of the definition, and of nothing that changes by itself.
fn hash(desired: &DesiredTable) -> String {
    let mut bare = TableDefinition::default();
    lay_over(&mut bare, desired);
    // What is only carried along is no part of a definition's JSON.
    let laid = layout::shown(&bare).filter_map(|(path, text)| Some((path, text?))).collect::<Vec<_>>();
    let mut canonical = serde_json::to_vec(&bare).unwrap_or_default();
    if !laid.is_empty() {
        canonical.extend(serde_json::to_vec(&laid).unwrap_or_default());
    }
    let digest = Sha256::digest(&canonical);
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{first:016x}")
}
