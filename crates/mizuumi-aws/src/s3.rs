//! What lies in S3: lists, and the files of tables and runs.

pub(crate) mod directories;
pub(crate) mod objects;

use std::collections::BTreeMap;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::Object;
use jiff::Timestamp;
use mizuumi_core::data_table::PartitionValues;
use mizuumi_core::ingest_run::plan::MARKER;
use mizuumi_core::ingest_run::result::{self, RunResult};
use mizuumi_core::ingest_run::world::{Output, OutputLook, OutputPartition};
use mizuumi_core::publication::hexadecimal;
use mizuumi_core::quality_check::facts::SeenFile;
use mizuumi_core::{Class, Failure, Lane, hive_path, s3_uri};
use sha2::{Digest, Sha256};

use crate::clients::ProfileClients;
use crate::gateway::api;

/// Larger results are not read: it takes some 300 bytes for a partition.
const LARGEST_RESULT: i64 = 64 * 1024 * 1024;

fn bucket_and_prefix(location: &str) -> Result<(String, String), Failure> {
    s3_uri::bucket_and_prefix(location).ok_or_else(|| {
        Failure::new("s3:ListObjectsV2", Class::Invalid, format!("'{location}' is no S3 location"))
    })
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
        let answer = answer.ok_or_else(|| Failure::new(api.name, Class::Unavailable, "S3 has no answer"))?;
        each(&answer);
        token = answer.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    Ok(())
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
    let mut has_result = false;
    let mut digests: BTreeMap<PartitionValues, Sha256> = BTreeMap::new();
    pages(clients, lane, (&bucket, &root), None, usize::MAX, |page| {
        for object in page.contents() {
            let path = object.key().and_then(|key| key.strip_prefix(&root)).unwrap_or_default();
            output.has_marker |= path == MARKER;
            has_result |= path == result::PLACE;
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
            if look.files {
                let location = format!("s3://{bucket}/{root}{path}");
                output.files.push(SeenFile { location, size, written: written(object) });
            }
            output.newest = output.newest.max(written(object));
            partition.files += 1;
            partition.bytes += size;
            // S3 lists in the order of the keys, so the same files make the same digest.
            let words = format!("{path} {size} {}\n", object.e_tag().unwrap_or_default());
            digests.entry(values).or_default().update(words);
        }
    })
    .await?;
    if has_result {
        output.result =
            objects::read(clients, lane, &format!("s3://{bucket}/{root}{}", result::PLACE), LARGEST_RESULT)
                .await?
                .map(|bytes| RunResult::read(&bytes?));
    }
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
