//! S3 locations: when two of them mean the same place, and whether one lies under another.

/// A location in one spelling: `s3://`, with a final `/`. Hadoop's `s3a://` and `s3n://` name the same objects.
#[must_use]
pub fn canonical(location: &str) -> String {
    let rest = ["s3a://", "s3n://", "s3://"].iter().find_map(|scheme| location.strip_prefix(scheme));
    let mut text = rest.map_or_else(|| location.to_owned(), |rest| format!("s3://{rest}"));
    if !text.ends_with('/') {
        text.push('/');
    }
    text
}

/// Whether two locations mean the same place.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// Whether a location lies under a prefix that ends in `/`.
///
/// Locations with empty, `.` or `..` segments lie under none: S3 takes them literally, other tools do not.
#[must_use]
pub fn lies_under(location: &str, prefix: &str) -> bool {
    let canonical = canonical(location);
    let path = canonical.strip_prefix("s3://").unwrap_or(&canonical);
    let plain = path.trim_end_matches('/').split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    plain && !path.contains("//") && canonical.starts_with(prefix)
}

/// Bucket and key prefix (empty, or ending in `/`) of a location.
#[must_use]
pub fn bucket_and_prefix(location: &str) -> Option<(String, String)> {
    let canonical = canonical(location);
    let (bucket, prefix) = canonical.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| (bucket.to_owned(), prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_place_are_the_same() {
        assert!(same("s3://lake/a", "s3a://lake/a/"));
        assert!(same("s3n://lake/a/", "s3://lake/a/"));
        assert!(!same("s3://lake/a", "s3://lake/ab"));
    }

    #[test]
    fn a_location_lies_under_whole_segments_only() {
        assert!(lies_under("s3://lake/team/x", "s3://lake/team/"));
        assert!(lies_under("s3://lake/team", "s3://lake/team/"));
        assert!(!lies_under("s3://lake/team-b/x", "s3://lake/team/"));
        assert!(!lies_under("s3://lake/team/../other", "s3://lake/team/"));
        assert!(!lies_under("s3://lake/team//x", "s3://lake/team/"));
        assert!(!lies_under("s3://lake/team//", "s3://lake/team/"));
    }

    #[test]
    fn a_location_splits_into_bucket_and_prefix() {
        assert_eq!(bucket_and_prefix("s3://lake"), Some(("lake".into(), String::new())));
        assert_eq!(bucket_and_prefix("s3://lake/a/b"), Some(("lake".into(), "a/b/".into())));
        assert_eq!(bucket_and_prefix("hdfs://x/a"), None);
    }
}
