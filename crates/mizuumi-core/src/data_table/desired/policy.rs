//! How partitions get into the catalog, as a spec says it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use mizuumi_api::Installation;
use mizuumi_api::data_table::{self as api, PartitionMode};

use super::{Completeness, Discovery, PartitionPolicy, check_location};
use crate::data_table::publishing::Published;
use crate::data_table::{Column, PartitionValues, projection};
use crate::hive_path;
use crate::problem::Problem;
use crate::s3_uri;

pub(super) fn of(
    partitions: &api::Partitions,
    spec: &api::DataTableSpec,
    keys: &[Column],
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<PartitionPolicy> {
    match partitions.mode {
        PartitionMode::Declared => {
            Some(PartitionPolicy::Declared(declared(partitions, spec, installation, problems)))
        }
        PartitionMode::Discovered => {
            let lookback = partitions.lookback.and_then(|number| usize::try_from(number).ok());
            let prunes = partitions.prune == Some(true);
            let completeness = completeness(partitions, installation, problems)?;
            Some(PartitionPolicy::Discovered(Discovery { completeness, lookback, prunes }))
        }
        PartitionMode::Projected => {
            let projection = partitions.projection.as_ref()?;
            if let Some(template) = &projection.location_template {
                let path = "spec.partitions.projection.locationTemplate";
                check_location(path, template, installation, problems);
            }
            for key in spec.parameters.iter().flatten().map(|(key, _)| key) {
                if projection::is_parameter(key) {
                    problems.push(Problem::invalid(
                        format!("spec.parameters.{key}"),
                        "is written by `spec.partitions.projection`; it must not be set here as well",
                    ));
                }
            }
            Some(PartitionPolicy::Projected(projection::parameters(projection, keys, problems)))
        }
        PartitionMode::Published => {
            let keeps_superseded = keeps_superseded(partitions, problems);
            Some(PartitionPolicy::Published(Published {
                root: spec.location.clone().unwrap_or_default(),
                keeps_superseded,
                asked: None,
            }))
        }
    }
}

fn completeness(
    partitions: &api::Partitions,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> Option<Completeness> {
    if let Some(marker) = &partitions.marker {
        return Some(Completeness::Marker(marker.clone()));
    }
    let quiet = partitions.quiet_period.as_ref().unwrap_or(&installation.partitions.quiet_period);
    match quiet.length() {
        Ok(length) => Some(Completeness::Quiet(length)),
        Err(error) => {
            problems.push(Problem::invalid("spec.partitions.quietPeriod", error.to_string()));
            None
        }
    }
}

/// How long data is kept that nothing points to any more. Readers may have begun before, and whoever takes a run back needs it.
fn keeps_superseded(partitions: &api::Partitions, problems: &mut Vec<Problem>) -> Option<SignedDuration> {
    const LEAST: SignedDuration = SignedDuration::from_hours(24);
    let kept = partitions.keep_superseded.as_ref()?;
    let path = "spec.partitions.keepSuperseded";
    match kept.length() {
        Ok(length) if length >= LEAST => return Some(length),
        Ok(_) => problems.push(Problem::invalid(
            path,
            format!("must be at least 24h, as queries may still read that data; it is '{}'", kept.0),
        )),
        Err(error) => problems.push(Problem::invalid(path, error.to_string())),
    }
    None
}

fn declared(
    partitions: &api::Partitions,
    spec: &api::DataTableSpec,
    installation: &Installation,
    problems: &mut Vec<Problem>,
) -> BTreeMap<PartitionValues, String> {
    let keys = spec.partition_keys.as_deref().unwrap_or_default();
    let mut declared = BTreeMap::new();
    for (index, partition) in partitions.declared.iter().flatten().enumerate() {
        let path = format!("spec.partitions.declared[{index}]");
        if partition.values.len() != keys.len() {
            problems.push(Problem::invalid(
                format!("{path}.values"),
                format!(
                    "must have {} values, one for each partition key; it has {}",
                    keys.len(),
                    partition.values.len()
                ),
            ));
            continue;
        }
        if let Some(empty) = partition.values.iter().position(String::is_empty) {
            problems.push(Problem::invalid(format!("{path}.values[{empty}]"), "must not be empty"));
        }
        let location = if let Some(location) = &partition.location {
            check_location(&format!("{path}.location"), location, installation, problems);
            location.clone()
        } else {
            let names = keys.iter().map(|key| key.name.as_str());
            let root = s3_uri::canonical(spec.location.as_deref().unwrap_or_default());
            format!("{root}{}", hive_path::of(names, &partition.values))
        };
        if declared.insert(partition.values.clone(), location).is_some() {
            problems.push(Problem::invalid(format!("{path}.values"), "the same values are there twice"));
        }
    }
    declared
}
