//! Where the partitions of a table point, and where they are to point.

use std::collections::BTreeMap;

use mizuumi_api::data_table::PublicationState;

use super::{Place, place_of};
use crate::data_table::desired::{DesiredTable, Mode};
use crate::data_table::world::{ObservedPartition, PartitionValues, TableWorld};
use crate::publication::{Manifest, ManifestPartition, Pointer, Previous, RunOrder, RunTimes};
use crate::s3_uri;

/// How many partitions of a publication point where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// To its data.
    pub(super) pointing: i64,
    /// To what a later run brought.
    pub(super) superseded: i64,
}

/// Where everything points now.
pub(super) enum Ground<'a> {
    Partitions { all: &'a BTreeMap<PartitionValues, ObservedPartition>, mark: Option<String> },
    Table { place: Box<Place>, head: &'a str },
}

impl<'a> Ground<'a> {
    pub(super) fn of(desired: &'a DesiredTable, world: &'a TableWorld) -> Option<Self> {
        if desired.partition_keys.is_empty() {
            let head = desired.location.as_str();
            let nowhere = || Place { location: Some(head.to_owned()), pointer: None };
            let place = world.table.as_ref().map_or_else(nowhere, |table| place_of(&table.definition));
            return Some(Self::Table { place: Box::new(place), head });
        }
        // An observer sets no marks, so it misses none.
        let mark = (desired.mode != Mode::ObserveOnly).then(|| desired.owner.to_string());
        Some(Self::Partitions { all: world.partitions.as_ref()?, mark })
    }

    fn place(&self, values: &PartitionValues) -> Option<Place> {
        match self {
            Self::Table { place, .. } => Some((**place).clone()),
            Self::Partitions { all, .. } => all.get(values).map(ObservedPartition::place),
        }
    }

    /// What points to a run, by what it says.
    pub(super) fn pointing_to(&self, run: &str) -> Vec<(PartitionValues, Pointer)> {
        let is_it = |pointer: &&Pointer| pointer.run.run == run;
        match self {
            Self::Table { place, .. } => {
                place.pointer.iter().filter(is_it).map(|pointer| (Vec::new(), pointer.clone())).collect()
            }
            Self::Partitions { all, .. } => all
                .iter()
                .filter_map(|(values, p)| Some((values.clone(), p.pointer.as_deref().filter(is_it)?.clone())))
                .collect(),
        }
    }

    /// Whether a partition is there and does not carry our mark.
    fn is_unmarked(&self, values: &PartitionValues) -> bool {
        match self {
            Self::Table { .. } => false,
            Self::Partitions { all, mark } => {
                mark.is_some() && all.get(values).is_some_and(|partition| partition.owner != *mark)
            }
        }
    }

    /// What says that it points to a run's data and does not, or does not carry our mark any more.
    pub(super) fn strays(&self) -> BTreeMap<PartitionValues, Option<Place>> {
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
                    let back = back(partition.location.as_deref(), partition.pointer.as_deref());
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
pub(super) struct Drawn<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) moved: BTreeMap<PartitionValues, Option<Place>>,
}

impl Drawn<'_> {
    fn place(&self, values: &PartitionValues) -> Option<Place> {
        self.moved.get(values).cloned().unwrap_or_else(|| self.ground.place(values))
    }

    pub(super) fn draw(&mut self, manifest: &Manifest) -> Result<(), String> {
        match (&manifest.order, &manifest.rolls_back) {
            (Some(order), None) => {
                for partition in &manifest.partitions {
                    self.publish(partition, order, manifest.times);
                }
                Ok(())
            }
            (None, Some(run)) => self.roll_back(&manifest.partitions, run),
            _ => Err("its manifest must be of a run or of a rollback".to_owned()),
        }
    }

    fn publish(&mut self, partition: &ManifestPartition, order: &RunOrder, times: RunTimes) {
        let Some(location) = &partition.location else { return };
        let place = self.place(&partition.values);
        if place.as_ref().and_then(|p| p.pointer.as_ref()).is_some_and(|p| p.run >= *order) {
            return;
        }
        let previous = place.and_then(|place| {
            let (run, times) = place.pointer.map(|pointer| (pointer.run, pointer.times)).unzip();
            let location = place.location.filter(|there| !self.is_head(there))?;
            Some(Previous { location, run, times: times.unwrap_or_default() })
        });
        let pointer = Pointer { run: order.clone(), times, location: location.clone(), previous };
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
            let place = pointer.previous.map(|Previous { location, run, times }| Place {
                pointer: run.map(|run| Pointer { run, times, location: location.clone(), previous: None }),
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

    /// How far a publication is, and how many of its partitions point to it and how many to what a later run brought.
    pub(super) fn answer(&self, manifest: &Manifest) -> (PublicationState, Counts) {
        let Some(order) = &manifest.order else {
            let left = manifest.rolls_back.iter().any(|run| !self.ground.pointing_to(run).is_empty());
            let state = if left { PublicationState::Publishing } else { PublicationState::Published };
            return (state, Counts::default());
        };
        let mut counts = Counts::default();
        let mut state = PublicationState::Published;
        for partition in &manifest.partitions {
            let pointer = self.ground.place(&partition.values).and_then(|place| place.pointer);
            match pointer {
                Some(pointer) if pointer.run == *order => counts.pointing += 1,
                Some(pointer) if pointer.run > *order => counts.superseded += 1,
                _ => {}
            }
            if self.is_moved(&partition.values) {
                state = PublicationState::Publishing;
            }
        }
        (state, counts)
    }

    fn is_moved(&self, values: &PartitionValues) -> bool {
        self.moved.get(values).is_some_and(|to| is_elsewhere(to.as_ref(), self.ground.place(values).as_ref()))
    }

    pub(super) fn into_moves(mut self) -> BTreeMap<PartitionValues, Option<Place>> {
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
