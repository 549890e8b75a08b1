//! Where a cluster's logs are: below its `LogUri`, as EMR lays them out.

use super::Cluster;
use super::input::text;

/// The place of a cluster's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logs {
    /// `LogUri` without a slash at its end.
    root: String,
    cluster: String,
}

impl Logs {
    /// The place of a cluster's logs, if it keeps any.
    pub(super) fn of(cluster: &Cluster) -> Option<Self> {
        let root = text(&cluster.record, "LogUri")?.trim_end_matches('/').to_owned();
        Some(Self { root, cluster: cluster.id.clone() })
    }

    /// The URI of one of a step's logs: `stdout`, `stderr` or `controller`.
    pub(crate) fn uri(&self, step: &str, name: &str) -> String {
        format!("{}/{}/steps/{step}/{name}.gz", self.root, self.cluster)
    }
}
