//! Which directories under a table's root name partitions, and whether their data is all there.
//!
//! Directories are walked level by level with a delimiter, so that the cost follows the number of directories, not of
//! objects; only those that are not registered yet are looked into.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use mizuumi_core::data_table::world::{Directory, DirectoryLook};
use mizuumi_core::data_table::{ObservedPartition, PartitionValues};
use mizuumi_core::{Failure, Lane, hive_path, s3_uri};

use super::{bucket_and_prefix, is_data, objects, pages, written};
use crate::clients::ProfileClients;

/// So many partitions whose directories are gone are told of by one walk.
const PRUNED: usize = 1_000;
/// On each level but the last, a look for new data goes into so many directories: the newest, and the one before it for
/// what comes late at the turn of a month.
const NEWEST: usize = 2;

/// What a walk saw.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The directories that no partition stands for yet.
    pub(crate) unregistered: Vec<Directory>,
    /// Partitions under the root whose directories are gone. Told only of a walk that goes everywhere.
    pub(crate) vanished: Vec<PartitionValues>,
}

/// Walks the directories; only the newest ones, unless all are asked for.
pub(crate) async fn walk(
    clients: &ProfileClients,
    lane: Lane,
    look: &DirectoryLook,
    registered: &BTreeMap<PartitionValues, ObservedPartition>,
    everywhere: bool,
) -> Result<Walk, Failure> {
    let (bucket, root) = bucket_and_prefix(&look.location)?;
    // Where the walk did not go.
    let mut skipped: Vec<PartitionValues> = Vec::new();
    let mut level: Vec<(PartitionValues, String)> = vec![(Vec::new(), root)];
    for (depth, key) in look.keys.iter().enumerate() {
        let is_last = depth + 1 == look.keys.len();
        let mut next = Vec::new();
        for (values, prefix) in level {
            let mut children = Vec::new();
            for child in child_prefixes(clients, lane, &bucket, &prefix).await? {
                if let Some(value) = hive_path::value(child.strip_prefix(&prefix).unwrap_or_default(), key) {
                    let mut values = values.clone();
                    values.push(value);
                    children.push((values, child));
                }
            }
            let most = if everywhere { look.lookback } else { Some(NEWEST) };
            if let Some(most) = most.filter(|_| !is_last) {
                children.sort_by_cached_key(|(values, _)| by_number(values.last()));
                let passed_over = children.len().saturating_sub(most);
                skipped.extend(children.drain(..passed_over).map(|(values, _)| values));
            }
            next.extend(children);
        }
        level = next;
    }
    let mut found = Walk::default();
    if look.prunes && everywhere {
        let seen: BTreeSet<&PartitionValues> = level.iter().map(|(values, _)| values).collect();
        let is_in_sight =
            |values: &PartitionValues| !skipped.iter().any(|skipped| values.starts_with(skipped));
        let gone = |values: &&PartitionValues| {
            is_registered(values, look, registered) && !seen.contains(values) && is_in_sight(values)
        };
        let gone: Vec<PartitionValues> = registered.keys().filter(gone).take(PRUNED).cloned().collect();
        found.vanished = still_gone(clients, lane, gone, registered).await?;
    }
    for (values, prefix) in level.into_iter().filter(|(values, _)| !is_registered(values, look, registered)) {
        let directory = look_into(clients, lane, &bucket, values, &prefix, look.marker.as_deref());
        found.unregistered.push(directory.await?);
    }
    Ok(found)
}

/// Of partitions whose directories are gone, those that have no object where they point to, either.
pub(crate) async fn still_gone(
    clients: &ProfileClients,
    lane: Lane,
    partitions: Vec<PartitionValues>,
    registered: &BTreeMap<PartitionValues, ObservedPartition>,
) -> Result<Vec<PartitionValues>, Failure> {
    let mut gone = Vec::new();
    for values in partitions {
        let Some(location) = registered.get(&values).and_then(|p| p.location.as_deref()) else { continue };
        if objects::some_names(clients, lane, &s3_uri::canonical(location)).await?.is_empty() {
            gone.push(values);
        }
    }
    Ok(gone)
}

/// Whether a partition stands for the directory of these values. One that is registered elsewhere counts as not
/// registered: the table's root may have moved.
pub(crate) fn is_registered(
    values: &PartitionValues,
    look: &DirectoryLook,
    registered: &BTreeMap<PartitionValues, ObservedPartition>,
) -> bool {
    let location = registered.get(values).and_then(|partition| partition.location.as_deref());
    location.is_some_and(|location| s3_uri::lies_under(location, &s3_uri::canonical(&look.location)))
}

/// The order of values in which 10 comes after 9.
fn by_number(value: Option<&String>) -> (Option<u64>, String) {
    let value = value.cloned().unwrap_or_default();
    (value.parse().ok(), value)
}

pub(crate) async fn child_prefixes(
    clients: &ProfileClients,
    lane: Lane,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    pages(clients, lane, (bucket, prefix), Some("/"), usize::MAX, |page| {
        all.extend(page.common_prefixes().iter().filter_map(|p| p.prefix()).map(str::to_owned));
    })
    .await?;
    Ok(all)
}

async fn look_into(
    clients: &ProfileClients,
    lane: Lane,
    bucket: &str,
    values: PartitionValues,
    prefix: &str,
    marker: Option<&str>,
) -> Result<Directory, Failure> {
    let mut newest: Option<Timestamp> = None;
    let mut has_marker = false;
    pages(clients, lane, (bucket, prefix), None, usize::MAX, |page| {
        for object in page.contents() {
            let path = object.key().and_then(|key| key.strip_prefix(prefix)).unwrap_or_default();
            has_marker |= marker == Some(path);
            if is_data(path) {
                newest = newest.max(written(object));
            }
        }
    })
    .await?;
    Ok(Directory { values, location: format!("s3://{bucket}/{prefix}"), has_marker, newest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_month_comes_after_the_ninth() {
        let mut months: Vec<String> = ["10", "9", "1", "x"].map(str::to_owned).to_vec();
        months.sort_by_cached_key(|month| by_number(Some(month)));
        assert_eq!(months, ["x", "1", "9", "10"]);
    }
}
