//! Which directories under a table's root name partitions, whether their data is all there, and what lies in a run's.
//!
//! Directories are walked level by level with a delimiter, so that the cost follows the number of directories, not of
//! objects; only those that are not registered yet are looked into.

pub(crate) mod objects;

use std::collections::BTreeMap;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;
use jiff::Timestamp;
use mizuumi_core::data_table::world::{Directory, DirectoryLook};
use mizuumi_core::data_table::{ObservedPartition, PartitionValues};
use mizuumi_core::ingest_run::plan::MARKER;
use mizuumi_core::ingest_run::world::{Output, OutputLook, OutputPartition};
use mizuumi_core::publication::hexadecimal;
use mizuumi_core::{Class, Failure, Lane, hive_path, s3_uri};
use sha2::{Digest, Sha256};

use crate::clients::ProfileClients;
use crate::gateway::api;

/// On each level but the last, a look for new data goes into so many directories: the newest, and the one before it for
/// what comes late at the turn of a month.
const NEWEST: usize = 2;

/// The directories that no partition stands for yet; only the newest ones, unless all are asked for.
pub(crate) async fn directories(
    clients: &ProfileClients,
    lane: Lane,
    look: &DirectoryLook,
    registered: &BTreeMap<PartitionValues, ObservedPartition>,
    everywhere: bool,
) -> Result<Vec<Directory>, Failure> {
    let (bucket, root) = bucket_and_prefix(&look.location)?;
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
            if !everywhere && !is_last {
                children.sort_by_cached_key(|(values, _)| by_number(values.last()));
                children.drain(..children.len().saturating_sub(NEWEST));
            }
            next.extend(children);
        }
        level = next;
    }
    let mut directories = Vec::new();
    for (values, prefix) in level.into_iter().filter(|(values, _)| !is_registered(values, look, registered)) {
        directories.push(look_into(clients, lane, &bucket, values, &prefix, look.marker.as_deref()).await?);
    }
    Ok(directories)
}

fn bucket_and_prefix(location: &str) -> Result<(String, String), Failure> {
    s3_uri::bucket_and_prefix(location).ok_or_else(|| Failure {
        operation: "s3:ListObjectsV2",
        class: Class::Invalid,
        message: format!("'{location}' is no S3 location"),
    })
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

async fn child_prefixes(
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

/// The pages of a list of what begins with a prefix, in the order of the keys; so many of them at most.
async fn pages(
    clients: &ProfileClients,
    lane: Lane,
    (bucket, prefix): (&str, &str),
    delimiter: Option<&str>,
    most: usize,
    mut each: impl FnMut(&ListObjectsV2Output) + Send,
) -> Result<(), Failure> {
    let api = api!("s3", "ListObjectsV2", Read);
    let list = clients.s3.list_objects_v2().bucket(bucket).prefix(prefix);
    let list = list.set_delimiter(delimiter.map(str::to_owned));
    let mut token = None;
    for _ in 0..most {
        let page = list.clone().set_continuation_token(token);
        let answer = clients.gateway.read(api, lane, || page.clone().send()).await?;
        let answer = answer.ok_or_else(|| Failure {
            operation: api.name,
            class: Class::Unavailable,
            message: "S3 has no answer".to_owned(),
        })?;
        each(&answer);
        token = answer.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    Ok(())
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

/// What lies in a run's directory, by partition.
pub(crate) async fn output(
    clients: &ProfileClients,
    lane: Lane,
    look: &OutputLook,
) -> Result<Output, Failure> {
    let (bucket, root) = bucket_and_prefix(&look.location)?;
    let keys = || look.keys.iter().map(String::as_str);
    let mut output = Output::default();
    let mut digests: BTreeMap<PartitionValues, Sha256> = BTreeMap::new();
    pages(clients, lane, (&bucket, &root), None, usize::MAX, |page| {
        for object in page.contents() {
            let path = object.key().and_then(|key| key.strip_prefix(&root)).unwrap_or_default();
            output.has_marker |= path == MARKER;
            if !is_data(path) {
                continue;
            }
            let directory = directory_of(path, look.keys.len());
            let Some(values) = directory.and_then(|directory| hive_path::values(directory, keys())) else {
                output.strays.push(path.to_owned());
                continue;
            };
            let location = format!("s3://{bucket}/{root}{}", directory.unwrap_or_default());
            let partition = output.partitions.entry(values.clone()).or_insert_with(|| OutputPartition {
                location: location.clone(),
                files: 0,
                bytes: 0,
                sha256: String::new(),
            });
            if partition.location != location {
                output.strays.push(path.to_owned());
                continue;
            }
            let size = size_of(object);
            output.newest = output.newest.max(written(object));
            partition.files += 1;
            partition.bytes += size;
            // S3 lists in the order of the keys, so the same files make the same digest.
            let words = format!("{path} {size} {}\n", object.e_tag().unwrap_or_default());
            digests.entry(values).or_default().update(words);
        }
    })
    .await?;
    for (values, digest) in digests {
        if let Some(partition) = output.partitions.get_mut(&values) {
            partition.sha256 = hexadecimal(&digest.finalize());
        }
    }
    Ok(output)
}

/// An object that is data.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) e_tag: String,
    /// When it was written.
    pub(crate) written: Option<Timestamp>,
}

/// The data under a location, as far as so many pages of a list tell.
pub(crate) async fn files(
    clients: &ProfileClients,
    lane: Lane,
    location: &str,
    most: usize,
) -> Result<Vec<File>, Failure> {
    let (bucket, root) = bucket_and_prefix(location)?;
    let mut files = Vec::new();
    pages(clients, lane, (&bucket, &root), None, most, |page| {
        for object in page.contents() {
            let key = object.key().unwrap_or_default();
            if key.strip_prefix(&root).is_some_and(is_data) {
                files.push(File {
                    bucket: bucket.clone(),
                    key: key.to_owned(),
                    size: size_of(object),
                    e_tag: object.e_tag().unwrap_or_default().to_owned(),
                    written: written(object),
                });
            }
        }
    })
    .await?;
    Ok(files)
}

fn size_of(object: &Object) -> u64 {
    object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

/// When an object was written, in whole seconds.
fn written(object: &Object) -> Option<Timestamp> {
    object.last_modified().and_then(|time| Timestamp::from_second(time.secs()).ok())
}

/// The first directories of a path, so many of them.
fn directory_of(path: &str, depth: usize) -> Option<&str> {
    let Some(last) = depth.checked_sub(1) else { return Some("") };
    path.match_indices('/').nth(last).map(|(end, _)| &path[..=end])
}

/// Whether readers take the object for data: Hive, Spark and Athena skip what begins with `_` or `.`.
fn is_data(path: &str) -> bool {
    let visible = path.split('/').all(|segment| !segment.starts_with(['_', '.']));
    visible && !path.is_empty() && !path.ends_with('/') && !path.ends_with("_$folder$")
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

    #[test]
    fn a_partition_is_named_by_the_first_directories_of_a_path() {
        assert_eq!(directory_of("dt=1/h=2/x/part-0", 2), Some("dt=1/h=2/"));
        assert_eq!(directory_of("dt=1/part-0", 2), None);
        assert_eq!(directory_of("part-0", 0), Some(""));
    }

    #[test]
    fn hidden_objects_and_folders_are_no_data() {
        assert!(is_data("part-0.parquet") && is_data("a/b.parquet"));
        for hidden in ["", "_SUCCESS", ".part.crc", "_temporary/0/part-0", "a/", "month=1_$folder$"] {
            assert!(!is_data(hidden), "{hidden}");
        }
    }
}
