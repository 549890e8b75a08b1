//! When a cluster runs.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a cluster runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Lifecycle {
    /// Once: it starts, does `steps`, and ends with them.
    Batch,
    /// While somebody needs it: until the time in the annotation `mizuumi.dev/needed-until`.
    WhenNeeded,
    /// In the window that `schedule` says.
    Scheduled,
}

/// A window of time that comes again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// When the window opens: a cron expression of five fields, such as `0 7 * * 1-5`.
    #[schemars(length(min = 9, max = 128))]
    pub start: String,
    /// When it closes, written the same way.
    #[schemars(length(min = 9, max = 128))]
    pub stop: String,
    /// IANA time zone of both, such as `Asia/Tokyo`; without it, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// What happens to a running cluster when something changes that a running cluster cannot change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnSpecChange {
    /// It stays as it is; the next cluster is made by the new spec.
    #[default]
    Never,
    /// It is ended once no step is pending or running, and made anew.
    WhenIdle,
    /// It is ended at once, and made anew. Steps that run are lost.
    Recreate,
}
