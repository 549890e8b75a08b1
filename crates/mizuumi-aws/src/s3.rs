//! Which directories under a table's root name partitions, and whether their data is all there.
//!
//! Directories are walked level by level with a delimiter, so that the cost follows the number of directories, not of
//! objects; only those that are not registered yet are looked into.

use std::collections::BTreeMap;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use jiff::Timestamp;
use mizuumi_core::data_table::world::{Directory, DirectoryLook};
use mizuumi_core::data_table::{ObservedPartition, PartitionValues};
use mizuumi_core::{Class, Failure, Lane, s3_uri};
use percent_encoding::percent_decode_str;

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
    let (bucket, root) = s3_uri::bucket_and_prefix(&look.location).ok_or_else(|| Failure {
        operation: "s3:ListObjectsV2",
        class: Class::Invalid,
        message: format!("'{}' is no S3 location", look.location),
    })?;
    let mut level: Vec<(PartitionValues, String)> = vec![(Vec::new(), root)];
    for (depth, key) in look.keys.iter().enumerate() {
        let is_last = depth + 1 == look.keys.len();
        let mut next = Vec::new();
        for (values, prefix) in level {
            let mut children = Vec::new();
            for child in child_prefixes(clients, lane, &bucket, &prefix).await? {
                if let Some(value) = value_of(child.strip_prefix(&prefix).unwrap_or_default(), key) {
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
    lane: Lane,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let page = clients.s3.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
        let answer = list(clients, lane, page.set_continuation_token(token)).await?;
        all.extend(answer.common_prefixes().iter().filter_map(|p| p.prefix()).map(str::to_owned));
        token = answer.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// One page of a list.
async fn list(
    clients: &ProfileClients,
    lane: Lane,
    page: ListObjectsV2FluentBuilder,
) -> Result<ListObjectsV2Output, Failure> {
    let api = api!("s3", "ListObjectsV2", Read);
    let answer = clients.gateway.read(api, lane, || page.clone().send()).await?;
    answer.ok_or_else(|| Failure {
        operation: api.name,
        class: Class::Unavailable,
        message: "S3 has no answer".to_owned(),
    })
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
    let mut token = None;
    loop {
        let page = clients.s3.list_objects_v2().bucket(bucket).prefix(prefix);
        let answer = list(clients, lane, page.set_continuation_token(token)).await?;
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
    fn the_tenth_month_comes_after_the_ninth() {
        let mut months: Vec<String> = ["10", "9", "1", "x"].map(str::to_owned).to_vec();
        months.sort_by_cached_key(|month| by_number(Some(month)));
        assert_eq!(months, ["x", "1", "9", "10"]);
    }

    #[test]
    fn hidden_objects_and_folders_are_no_data() {
        assert!(is_data("part-0.parquet") && is_data("a/b.parquet"));
        for hidden in ["", "_SUCCESS", ".part.crc", "_temporary/0/part-0", "a/", "month=1_$folder$"] {
            assert!(!is_data(hidden), "{hidden}");
        }
    }
}
