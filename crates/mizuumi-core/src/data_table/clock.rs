//! How recent a table's data is, from its sources in their order.

use jiff::Timestamp;
use mizuumi_api::data_table::{DataTable, DataTableStatus, FreshnessSourceType};

use super::desired::{DesiredTable, Report};
use super::partitions;
use super::publishing;
use super::world::TableWorld;
use crate::freshness::{Clock, Policy, Source, end_of_span, parameter};
use crate::publication::RunTimes;

/// What the sources say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A source said it.
    Known(Clock),
    /// All sources were asked; none knows.
    Nothing,
    /// A source could not be asked, so what is known already stands.
    NotAsked,
    /// What a source says cannot be read.
    Invalid(String),
}

/// Asks the sources, first to last.
#[must_use]
pub fn read(policy: &Policy, desired: &DesiredTable, world: &TableWorld) -> Reading {
    if desired.report == Report::NotAtHand {
        return Reading::NotAsked;
    }
    if publishing::is_under_way(desired, world) {
        // Data counts once all of it is there.
        return Reading::NotAsked;
    }
    for source in &policy.sources {
        match source {
            Source::Reported => match &desired.report {
                Report::Invalid(message) => return Reading::Invalid(message.clone()),
                Report::NotAtHand | Report::None => {}
                Report::Some { data_time, loaded_at } => {
                    return Reading::Known(Clock {
                        source: FreshnessSourceType::Reported,
                        data_time: *data_time,
                        loaded_at: *loaded_at,
                    });
                }
            },
            Source::PartitionValue { keys, grain } => {
                let Some(partitions) = &world.partitions else { return Reading::NotAsked };
                let newest = partitions
                    .iter()
                    .filter_map(|(values, partition)| {
                        let named: Vec<&str> =
                            keys.iter().map(|i| values.get(*i).map(String::as_str)).collect::<Option<_>>()?;
                        Some((end_of_span(&named, *grain, &policy.zone)?, partition.created))
                    })
                    .max();
                if let Some((data_time, loaded_at)) = newest {
                    return Reading::Known(Clock {
                        source: FreshnessSourceType::PartitionValue,
                        data_time: Some(data_time),
                        loaded_at,
                    });
                }
            }
            Source::PartitionCreation => {
                let Some(partitions) = &world.partitions else { return Reading::NotAsked };
                // Of the newest by its values: an old one that is registered anew brings no new data.
                if let Some(created) = partitions::newest(partitions).and_then(|(_, newest)| newest.created) {
                    return Reading::Known(Clock {
                        source: FreshnessSourceType::PartitionCreation,
                        data_time: None,
                        loaded_at: Some(created),
                    });
                }
            }
            Source::S3LastModified => {
                let Some(files) = &world.files else { return Reading::NotAsked };
                if let Some(written) = files.newest {
                    return Reading::Known(Clock {
                        source: FreshnessSourceType::S3LastModified,
                        data_time: None,
                        loaded_at: Some(written),
                    });
                }
            }
            Source::Manifest => {
                let Some(newest) = publishing::newest(desired, world) else { return Reading::NotAsked };
                if let Some(RunTimes { data_time, loaded_at }) = newest
                    && (data_time.is_some() || loaded_at.is_some())
                {
                    let source = FreshnessSourceType::Manifest;
                    return Reading::Known(Clock { source, data_time, loaded_at });
                }
            }
            Source::GlueParameter(source) => {
                let parameters = world.table.as_ref().map(|table| &table.definition.parameters);
                if let Some(value) = parameters.and_then(|all| all.get(&source.key)) {
                    return parameter::read(source, value, &policy.zone)
                        .map_or_else(Reading::Invalid, Reading::Known);
                }
            }
        }
    }
    Reading::Nothing
}

/// The clock that a status tells.
#[must_use]
pub fn told(status: &DataTableStatus) -> Option<Clock> {
    let freshness = status.freshness.as_ref()?;
    Some(Clock { source: freshness.source?, data_time: freshness.data_time, loaded_at: freshness.loaded_at })
}

/// When the verdict that a status tells changes next with nothing new observed.
#[must_use]
pub fn next_flip(object: &DataTable, status: &DataTableStatus, now: Timestamp) -> Option<Timestamp> {
    let policy = policy_of(object)?;
    policy.judge(told(status).as_ref(), created(object), now).flips_at
}

/// The freshness policy of a resource, if it has one that holds.
#[must_use]
pub fn policy_of(object: &DataTable) -> Option<Policy> {
    let keys: Vec<String> = object.spec.partition_keys.iter().flatten().map(|key| key.name.clone()).collect();
    Policy::new(object.spec.freshness.as_ref()?, &keys).ok()
}

/// When a resource was made.
#[must_use]
pub fn created(object: &DataTable) -> Timestamp {
    object.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}
