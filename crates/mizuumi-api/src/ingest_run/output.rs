//! How a run's work writes its data: into a directory, or into a table by name.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a run's work writes its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunOutput {
    /// Where it writes.
    pub mode: OutputMode,
}

/// Where a run's work writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OutputMode {
    /// Into the directory `${output}`, with `key=value/` below it for each partition.
    #[default]
    Path,
    /// Into the table `${outputTable}` by its name, as by `INSERT OVERWRITE`, dynamic partitions included. It is a table like
    /// the run's own, made for the attempt and deleted after it; what is registered in it is published.
    ShadowTable,
}
