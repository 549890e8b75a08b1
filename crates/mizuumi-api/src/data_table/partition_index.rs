//! Indexes over a table's partitions.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An index over the partitions, by which Glue finds those that a query asks for without listing all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionIndex {
    /// Its name.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9_][a-z0-9_-]*$"))]
    pub name: String,
    /// Partition keys, in the order of the index. With others it is another index, which is built anew.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub keys: Vec<String>,
}

/// How far an index of the spec is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionIndexStatus {
    /// Its name.
    #[schemars(length(max = 255))]
    pub name: String,
    /// What Glue says of it.
    pub state: IndexState,
    /// What went wrong while it was built, and with which partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// State of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IndexState {
    /// It is being built; queries do not use it yet.
    Creating,
    /// Queries use it.
    Active,
    /// It is on its way out.
    Deleting,
    /// It could not be built.
    Failed,
}
