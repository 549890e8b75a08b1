//! What a `SourceConnection` says back.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// Who uses a connection, and whether its source can be reached. Times, never ages, so that nothing changes while nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceConnectionStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, `Reachable`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many jobs name it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub jobs: i64,
    /// Names of those jobs; at most twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub used_by: Vec<String>,
    /// The attempt of a run that said last whether the source can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<SourceAttempt>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// An attempt of a run to read the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceAttempt {
    /// Name of the run.
    #[schemars(length(max = 63))]
    pub run: String,
    /// Which of its attempts.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// When it ended.
    pub at: Timestamp,
    /// Exit code of the image: 0 if it has brought its data, 69 if the source was not there, 77 if it refused.
    pub exit_code: i32,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}
