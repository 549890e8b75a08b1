//! Which directories under a table's root name partitions, and whether their data is all there.
//!
//! Directories are walked level by level with a delimiter, so that the cost follows the number of directories, not of
//! objects; only those that are not registered yet are looked into.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_core::data_table::world::{Directory, DirectoryLook};
use mizuumi_core::data_table::{ObservedPartition, PartitionValues};
use mizuumi_core::{Class, Failure, s3_uri};
use percent_encoding::percent_decode_str;

use crate::clients::ProfileClients;
use crate::error::{Effect, failure};

/// The directories that no partition stands for yet.
pub(crate) async fn directories(
    clients: &ProfileClients,
    look: &DirectoryLook,
    registered: &BTreeMap<PartitionValues, ObservedPartition>,
) -> Result<Vec<Directory>, Failure> {
    let (bucket, root) = s3_uri::bucket_and_prefix(&look.location).ok_or_else(|| Failure {
        operation: "s3:ListObjectsV2",
        class: Class::Invalid,
        message: format!("'{}' is no S3 location", look.location),
    })?;
    let mut level: Vec<(PartitionValues, String)> = vec![(Vec::new(), root)];
    for key in &look.keys {
        let mut next = Vec::new();
        for (values, prefix) in level {
            for child in child_prefixes(clients, &bucket, &prefix).await? {
                if let Some(value) = value_of(child.strip_prefix(&prefix).unwrap_or_default(), key) {
                    let mut values = values.clone();
                    values.push(value);
                    next.push((values, child));
                }
            }
        }
        level = next;
    }
    let mut directories = Vec::new();
    // One that is registered elsewhere counts as not registered: the table's root may have moved.
    let root = s3_uri::canonical(&look.location);
    let is_registered = |values: &PartitionValues| {
        let location = registered.get(values).and_then(|partition| partition.location.as_deref());
        location.is_some_and(|location| s3_uri::lies_under(location, &root))
    };
    for (values, prefix) in level.into_iter().filter(|(values, _)| !is_registered(values)) {
        directories.push(look_into(clients, &bucket, values, &prefix, look.marker.as_deref()).await?);
    }
    Ok(directories)
}

/// The value that a directory `key=value/` says, in Hive's escaping; none for other directories.
fn value_of(segment: &str, key: &str) -> Option<String> {
    let (name, value) = segment.strip_suffix('/')?.split_once('=')?;
    if !name.eq_ignore_ascii_case(key) || value.is_empty() {
        return None;
    }
    percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

async fn child_prefixes(
    clients: &ProfileClients,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        clients.s3_turn("ListObjectsV2").await;
        let page = clients.s3.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
        let answer = page
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| failure("s3:ListObjectsV2", Effect::Read, &error))?;
        all.extend(answer.common_prefixes().iter().filter_map(|p| p.prefix()).map(str::to_owned));
        token = answer.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(all);
        }
    }
}

async fn look_into(
    clients: &ProfileClients,
    bucket: &str,
    values: PartitionValues,
    prefix: &str,
    marker: Option<&str>,
) -> Result<Directory, Failure> {
    let mut newest: Option<Timestamp> = None;
    let mut has_marker = false;
    let mut token = None;
    loop {
        clients.s3_turn("ListObjectsV2").await;
        let answer = clients
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_continuation_token(token)
            .send()
            .await
            .map_err(|error| failure("s3:ListObjectsV2", Effect::Read, &error))?;
        for object in answer.contents() {
            let path = object.key().and_then(|key| key.strip_prefix(prefix)).unwrap_or_default();
            has_marker |= marker == Some(path);
            if is_data(path) {
                let written =
                    object.last_modified().and_then(|time| Timestamp::from_second(time.secs()).ok());
                newest = newest.max(written);
            }
        }
        token = answer.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(Directory { values, location: format!("s3://{bucket}/{prefix}"), has_marker, newest });
        }
    }
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
    fn a_directory_says_a_value_in_hives_escaping() {
        assert_eq!(value_of("dt=2026-11-22/", "dt").as_deref(), Some("2026-11-22"));
        assert_eq!(value_of("DT=a%3Ab/", "dt").as_deref(), Some("a:b"));
        assert_eq!(value_of("x=a=b/", "x").as_deref(), Some("a=b"));
        for other in ["dt/", "dt=/", "day=1/", "_temporary/", "dt=1"] {
            assert_eq!(value_of(other, "dt"), None, "{other}");
        }
    }

    #[test]
    fn hidden_objects_and_folders_are_no_data() {
        assert!(is_data("part-0.parquet") && is_data("a/b.parquet"));
        for hidden in ["", "_SUCCESS", ".part.crc", "_temporary/0/part-0", "a/", "month=1_$folder$"] {
            assert!(!is_data(hidden), "{hidden}");
        }
    }
}
