//! Which partitions are to point to which run's data, and what became of what runs asked for.
//!
//! Everything follows from what runs ask for and from where the partitions point now: a publication that was cut short
//! anywhere goes on from there, and one that is done asks for nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mizuumi_api::condition::cut;
use mizuumi_api::data_table::{PublicationState, PublicationStatus};

use super::definition::TableDefinition;
use super::desired::{DesiredTable, PartitionPolicy};
use super::partitions::PartitionEntry;
use super::world::{ManifestLook, ObservedPartition, PartitionValues, TableWorld};
use crate::hive_path;
use crate::publication::{Manifest, ManifestPartition, Pointer, Previous, RunOrder, is_of_pointer, output};
use crate::s3_uri;

/// So many publications are worked on at once; the others wait for their turn.
pub const AT_ONCE: usize = 8;
/// So many publications are told of in the status.
const TOLD: usize = 12;
/// Longest text about a publication that is refused.
const LONGEST_REFUSAL: usize = 256;

/// How a table is published into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The table's root: runs, manifests and an empty head lie under it.
    pub root: String,
    /// What runs ask for and what is not answered yet, in order.
    pub asked: Vec<Asked>,
}

/// What a run asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The run.
    pub run: String,
    /// Its place among the others; none for a rollback, which goes first.
    pub order: Option<RunOrder>,
    /// Where its manifest is.
    pub manifest: String,
    /// SHA-256 of the manifest.
    pub sha256: String,
    /// How many partitions the manifest has.
    pub partitions: i64,
}

/// What a partition, or a table without partition keys, points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where.
    pub location: Option<String>,
    /// Which run's data that is, if a run brought it.
    pub pointer: Option<Pointer>,
}

/// What has to be done about what was asked for, and what is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Partitions that are to point elsewhere, or with no place: to go.
    pub moves: BTreeMap<PartitionValues, Option<Place>>,
    /// What became of each request that was looked at.
    pub answers: Vec<PublicationStatus>,
}

impl Published {
    /// Which requests are worked on now: those that the status does not say are done, rollbacks first.
    pub fn ask(&mut self, mut asked: Vec<Asked>, told: &[PublicationStatus]) {
        asked.retain(|one| {
            !told.iter().any(|t| t.run == one.run && t.sha256 == one.sha256 && t.state.is_over())
        });
        asked.sort_by(|a, b| a.order.cmp(&b.order).then_with(|| a.run.cmp(&b.run)));
        asked.truncate(AT_ONCE);
        self.asked = asked;
    }

    /// The manifests to look at.
    #[must_use]
    pub fn look(&self) -> Vec<ManifestLook> {
        let look = |one: &Asked| ManifestLook { location: one.manifest.clone(), sha256: one.sha256.clone() };
        self.asked.iter().map(look).collect()
    }
}

/// How the spec says the table is published into, if it does.
#[must_use]
pub const fn policy(desired: &DesiredTable) -> Option<&Published> {
    match &desired.partitions {
        Some(PartitionPolicy::Published(published)) => Some(published),
        _ => None,
    }
}

/// What a table without partition keys points to.
#[must_use]
pub fn place_of(table: &TableDefinition) -> Place {
    Place {
        location: table.location.clone(),
        pointer: Pointer::read(|key| table.parameters.get(key).map(String::as_str)),
    }
}

/// Has a table point there: its location and what it says of the run.
pub fn point(table: &mut TableDefinition, place: &Place) {
    table.location.clone_from(&place.location);
    table.parameters.retain(|key, _| !is_of_pointer(key));
    table.parameters.extend(place.pointer.iter().flat_map(Pointer::parameters));
}

/// Whether something that was asked for is not published wholly.
#[must_use]
pub fn is_under_way(desired: &DesiredTable, world: &TableWorld) -> bool {
    policy(desired).is_some_and(|published| !published.asked.is_empty())
        && work(desired, world).is_none_or(|work| work.answers.iter().any(|answer| !answer.state.is_over()))
}

/// What is to be done; none if what it takes was not looked at.
#[must_use]
pub fn work(desired: &DesiredTable, world: &TableWorld) -> Option<Work> {
    let published = policy(desired)?;
    let ground = Ground::of(desired, world)?;
    let manifests: Vec<(&Asked, Result<&Manifest, String>)> = published
        .asked
        .iter()
        .map(|asked| Some((asked, manifest(desired, published, asked, world)?)))
        .collect::<Option<_>>()?;
    let cancelled: BTreeSet<&str> =
        manifests.iter().filter_map(|(_, manifest)| manifest.as_ref().ok()?.rolls_back.as_deref()).collect();
    let moved = ground.strays();
    let mut plan = Drawn { ground, moved };
    let mut refused: BTreeMap<&str, String> = BTreeMap::new();
    for (asked, manifest) in &manifests {
        let drawn = match manifest {
            Ok(_) if cancelled.contains(asked.run.as_str()) => Ok(()),
            Ok(manifest) => plan.draw(manifest),
            Err(why) => Err(why.clone()),
        };
        if let Err(why) = drawn {
            refused.insert(&asked.run, why);
        }
    }
    let answers = manifests
        .iter()
        .map(|(asked, manifest)| {
            let mut answer = PublicationStatus {
                run: asked.run.clone(),
                sha256: asked.sha256.clone(),
                state: PublicationState::RolledBack,
                partitions: asked.partitions,
                superseded: 0,
                since: Timestamp::UNIX_EPOCH,
                message: None,
            };
            if let Some(why) = refused.get(asked.run.as_str()) {
                answer.state = PublicationState::Refused;
                answer.message = Some(cut(why, LONGEST_REFUSAL));
            } else if let Ok(manifest) = manifest
                && !cancelled.contains(asked.run.as_str())
            {
                (answer.state, answer.superseded) = plan.answer(manifest);
            }
            answer
        })
        .collect();
    Some(Work { moves: plan.into_moves(), answers })
}

/// Where everything points now.
enum Ground<'a> {
    Partitions { all: &'a BTreeMap<PartitionValues, ObservedPartition>, owner: String },
    Table { place: Place, head: &'a str },
}

impl<'a> Ground<'a> {
    fn of(desired: &'a DesiredTable, world: &'a TableWorld) -> Option<Self> {
        if desired.partition_keys.is_empty() {
            let head = desired.location.as_str();
            let nowhere = || Place { location: Some(head.to_owned()), pointer: None };
            let place = world.table.as_ref().map_or_else(nowhere, |table| place_of(&table.definition));
            return Some(Self::Table { place, head });
        }
        Some(Self::Partitions { all: world.partitions.as_ref()?, owner: desired.owner.to_string() })
    }

    fn place(&self, values: &PartitionValues) -> Option<Place> {
        match self {
            Self::Table { place, .. } => Some(place.clone()),
            Self::Partitions { all, .. } => all.get(values).map(ObservedPartition::place),
        }
    }

    /// What points to a run, by what it says.
    fn pointing_to(&self, run: &str) -> Vec<(PartitionValues, Pointer)> {
        let is_it = |pointer: &&Pointer| pointer.run.run == run;
        match self {
            Self::Table { place, .. } => {
                place.pointer.iter().filter(is_it).map(|pointer| (Vec::new(), pointer.clone())).collect()
            }
            Self::Partitions { all, .. } => all
                .iter()
                .filter_map(|(values, p)| Some((values.clone(), p.pointer.as_ref().filter(is_it)?.clone())))
                .collect(),
        }
    }

    /// Whether a partition is there and does not carry our mark.
    fn is_unmarked(&self, values: &PartitionValues) -> bool {
        match self {
            Self::Table { .. } => false,
            Self::Partitions { all, owner } => {
                all.get(values).is_some_and(|partition| partition.owner.as_ref() != Some(owner))
            }
        }
    }

    /// What says that it points to a run's data and does not, or does not carry our mark any more.
    fn strays(&self) -> BTreeMap<PartitionValues, Option<Place>> {
        let back = |location: Option<&str>, pointer: Option<&Pointer>| {
            let pointer = pointer?;
            let strays = !location.is_some_and(|there| s3_uri::same(there, &pointer.location));
            let place = || Place { location: Some(pointer.location.clone()), pointer: Some(pointer.clone()) };
            strays.then(place)
        };
        match self {
            Self::Table { place, head } => {
                let nowhere = place.location.is_none();
                let to_head = || nowhere.then(|| Place { location: Some((*head).to_owned()), pointer: None });
                let back = back(place.location.as_deref(), place.pointer.as_ref()).or_else(to_head);
                back.map(|place| (Vec::new(), Some(place))).into_iter().collect()
            }
            Self::Partitions { all, .. } => all
                .iter()
                .filter_map(|(values, partition)| {
                    let back = back(partition.location.as_deref(), partition.pointer.as_ref());
                    let marked = || {
                        (partition.pointer.is_some() && self.is_unmarked(values)).then(|| partition.place())
                    };
                    Some((values.clone(), Some(back.or_else(marked)?)))
                })
                .collect(),
        }
    }
}

/// Where everything is to point, as far as that is another place than now.
struct Drawn<'a> {
    ground: Ground<'a>,
    moved: BTreeMap<PartitionValues, Option<Place>>,
}

impl Drawn<'_> {
    fn place(&self, values: &PartitionValues) -> Option<Place> {
        self.moved.get(values).cloned().unwrap_or_else(|| self.ground.place(values))
    }

    fn draw(&mut self, manifest: &Manifest) -> Result<(), String> {
        match (&manifest.order, &manifest.rolls_back) {
            (Some(order), None) => {
                for partition in &manifest.partitions {
                    self.publish(partition, order);
                }
                Ok(())
            }
            (None, Some(run)) => self.roll_back(&manifest.partitions, run),
            _ => Err("its manifest must be of a run or of a rollback".to_owned()),
        }
    }

    fn publish(&mut self, partition: &ManifestPartition, order: &RunOrder) {
        let Some(location) = &partition.location else { return };
        let place = self.place(&partition.values);
        if place.as_ref().and_then(|p| p.pointer.as_ref()).is_some_and(|p| p.run >= *order) {
            return;
        }
        let previous = place.and_then(|place| {
            let run = place.pointer.map(|pointer| pointer.run);
            Some(Previous { location: place.location.filter(|there| !self.is_head(there))?, run })
        });
        let pointer = Pointer { run: order.clone(), location: location.clone(), previous };
        let place = Place { location: Some(location.clone()), pointer: Some(pointer) };
        self.moved.insert(partition.values.clone(), Some(place));
    }

    /// Nothing lies where a table points to before its first run.
    fn is_head(&self, location: &str) -> bool {
        matches!(self.ground, Ground::Table { head, .. } if s3_uri::same(location, head))
    }

    /// What points to the run goes back to what it says it pointed to before; the manifest must not say otherwise. What the
    /// run has published since the manifest was made goes back too.
    fn roll_back(&mut self, partitions: &[ManifestPartition], run: &str) -> Result<(), String> {
        let listed: BTreeMap<_, _> = partitions.iter().map(|one| (&one.values, one)).collect();
        let pointing = self.ground.pointing_to(run);
        for (values, pointer) in &pointing {
            let says = pointer.previous.as_ref().map(|previous| (&previous.location, &previous.run));
            let is_another = |listed: &&ManifestPartition| {
                says != listed.location.as_ref().map(|location| (location, &listed.run))
            };
            if listed.get(values).is_some_and(is_another) {
                return Err(format!(
                    "partition [{}] says that it pointed elsewhere before than the manifest does; make a new rollback",
                    values.join(", ")
                ));
            }
        }
        for (values, pointer) in pointing {
            let place = pointer.previous.map(|Previous { location, run }| Place {
                pointer: run.map(|run| Pointer { run, location: location.clone(), previous: None }),
                location: Some(location),
            });
            // A table stays when its data goes.
            let to = match &self.ground {
                Ground::Table { head, .. } => {
                    Some(place.unwrap_or_else(|| Place { location: Some((*head).to_owned()), pointer: None }))
                }
                Ground::Partitions { .. } => place,
            };
            self.moved.insert(values, to);
        }
        Ok(())
    }

    fn answer(&self, manifest: &Manifest) -> (PublicationState, i64) {
        let Some(order) = &manifest.order else {
            let left = manifest.rolls_back.iter().any(|run| !self.ground.pointing_to(run).is_empty());
            return (if left { PublicationState::Publishing } else { PublicationState::Published }, 0);
        };
        if manifest.partitions.iter().any(|partition| self.is_moved(&partition.values)) {
            return (PublicationState::Publishing, 0);
        }
        let superseded = manifest.partitions.iter().filter(|partition| {
            let pointer = self.ground.place(&partition.values).and_then(|place| place.pointer);
            pointer.is_some_and(|pointer| pointer.run != *order)
        });
        (PublicationState::Published, i64::try_from(superseded.count()).unwrap_or(i64::MAX))
    }

    fn is_moved(&self, values: &PartitionValues) -> bool {
        self.moved.get(values).is_some_and(|to| is_elsewhere(to.as_ref(), self.ground.place(values).as_ref()))
    }

    fn into_moves(mut self) -> BTreeMap<PartitionValues, Option<Place>> {
        let moved = std::mem::take(&mut self.moved);
        let is_due = |values: &PartitionValues, to: Option<&Place>| {
            let now = self.ground.place(values);
            is_elsewhere(to, now.as_ref()) || (to.is_some() && self.ground.is_unmarked(values))
        };
        moved.into_iter().filter(|(values, to)| is_due(values, to.as_ref())).collect()
    }
}

/// Whether a place is another one than it is now, by location or by run.
fn is_elsewhere(to: Option<&Place>, now: Option<&Place>) -> bool {
    let location = |place: Option<&Place>| place.and_then(|p| p.location.as_deref()).map(s3_uri::canonical);
    let run = |place: Option<&Place>| place.and_then(|p| p.pointer.as_ref()).map(|p| p.run.clone());
    to.is_some() != now.is_some() || location(to) != location(now) || run(to) != run(now)
}

/// The manifest of a request as it was looked at, checked; none if it was not looked at.
fn manifest<'a>(
    desired: &DesiredTable,
    published: &Published,
    asked: &Asked,
    world: &'a TableWorld,
) -> Option<Result<&'a Manifest, String>> {
    let found = world.manifests.get(&asked.sha256)?;
    Some(match found {
        Err(why) => Err(why.clone()),
        Ok(manifest) => check(desired, published, asked, manifest).map(|()| manifest),
    })
}

/// Whether a manifest asks for what the run may ask for, and for nothing else.
fn check(
    desired: &DesiredTable,
    published: &Published,
    asked: &Asked,
    manifest: &Manifest,
) -> Result<(), String> {
    let external = &desired.owner.external;
    if manifest.table != *external || manifest.run != asked.run || manifest.order != asked.order {
        return Err(format!("its manifest is not that of run '{}' for '{external}'", asked.run));
    }
    let directory = output(&published.root, &asked.run);
    let keys = || desired.partition_keys.iter().map(|key| key.name.as_str());
    let mut seen = BTreeSet::new();
    for partition in &manifest.partitions {
        let named = || partition.values.join(", ");
        if partition.values.len() != desired.partition_keys.len() || !seen.insert(&partition.values) {
            return Err(format!(
                "its manifest has partition [{}] twice, or with too many or too few values",
                named()
            ));
        }
        // Where a rollback leads is compared with what each partition says itself.
        if manifest.rolls_back.is_some() {
            continue;
        }
        let location = partition.location.as_deref().map(s3_uri::canonical).unwrap_or_default();
        let path = location.strip_prefix(&directory);
        if path.and_then(|path| hive_path::values(path, keys())).as_ref() != Some(&partition.values) {
            return Err(format!(
                "its manifest has partition [{}] at '{location}', which is no directory of those values under '{directory}'",
                named()
            ));
        }
    }
    Ok(())
}

/// The partitions that are to be made, to point elsewhere, and to go.
#[must_use]
pub fn entries(
    desired: &DesiredTable,
    world: &TableWorld,
) -> (Vec<PartitionEntry>, Vec<PartitionEntry>, Vec<PartitionValues>) {
    let (mut made, mut moved, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let Some(have) = world.partitions.as_ref().filter(|_| !desired.partition_keys.is_empty()) else {
        return (made, moved, gone);
    };
    for (values, to) in work(desired, world).map(|work| work.moves).unwrap_or_default() {
        let Some(Place { location: Some(location), pointer }) = to else {
            gone.push(values);
            continue;
        };
        let there = have.get(&values);
        // Put back, it is what it was; published or rolled back, all that it said was of other data.
        let is_new_data = there.is_none_or(|there| there.pointer != pointer);
        let owner = Some(desired.owner.to_string());
        let entry = PartitionEntry { values, location, owner, pointer, is_new_data };
        if there.is_none() { made.push(entry) } else { moved.push(entry) }
    }
    (made, moved, gone)
}

/// Where a table without partition keys is to point.
#[must_use]
pub fn table_place(desired: &DesiredTable, world: &TableWorld) -> Option<Place> {
    policy(desired).filter(|_| desired.partition_keys.is_empty())?;
    let now = world.table.as_ref().map(|table| place_of(&table.definition));
    let to = work(desired, world).and_then(|work| work.moves.into_values().next().flatten());
    Some(to.or(now).unwrap_or_else(|| Place { location: Some(desired.location.clone()), pointer: None }))
}

/// What the status tells: what became of the requests at hand, then what it told already, as much as there is room for.
#[must_use]
pub fn told(
    answers: Vec<PublicationStatus>,
    before: Vec<PublicationStatus>,
    now: Timestamp,
) -> Vec<PublicationStatus> {
    let is_same = |one: &PublicationStatus, other: &PublicationStatus| {
        one.run == other.run && one.sha256 == other.sha256
    };
    let mut told: Vec<PublicationStatus> = answers
        .into_iter()
        .map(|mut answer| {
            let known = before.iter().find(|known| is_same(known, &answer) && known.state == answer.state);
            answer.since = known.map_or(now, |known| known.since);
            answer
        })
        .collect();
    let mut earlier: Vec<PublicationStatus> =
        before.into_iter().filter(|known| told.iter().all(|answer| answer.run != known.run)).collect();
    earlier.retain(|known| known.state.is_over());
    earlier.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.run.cmp(&b.run)));
    earlier.truncate(TOLD.saturating_sub(told.len()));
    told.extend(earlier);
    told.sort_by(|a, b| a.run.cmp(&b.run));
    told
}
