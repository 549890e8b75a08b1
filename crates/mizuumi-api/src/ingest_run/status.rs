//! What an `IngestRun` says back.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::quality_check::QueryStatus;

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestRunStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, `Succeeded`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where in its life the run is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// The directory that the run's data goes to, with `key=value/` below it for each partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub output: Option<String>,
    /// The attempt to do the work that was made last. It is written down before anything is started, so that no work is done
    /// twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<RunAttempt>,
    /// Attempts that failed before, the latest first; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failed_attempts: Vec<PastRunAttempt>,
    /// The shadow table that the work writes to, with `output.mode: ShadowTable`. It is written down before the table is made, and
    /// until the table is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowStatus>,
    /// What the checks with `gate: Publish` say of what the run brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<GateStatus>,
    /// The audit table: a table over what the run has brought and nobody reads yet, for gates whose rules need the rows. It is
    /// written down before the table is made, and until the table is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<ShadowStatus>,
    /// The queries over the audit table that run now. Each is written down before it is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uid".into()]))]
    pub gate_queries: Vec<GateQueryStatus>,
    /// How far the work says that it has read its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<CursorStatus>,
    /// What the run asks to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestStatus>,
    /// When the controller first saw that all data was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// When it was over: published, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// How many of the partitions were not published because a later run already held them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub superseded: Option<i64>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// How far a source was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CursorStatus {
    /// The column that says it.
    #[schemars(length(max = 256))]
    pub column: String,
    /// The greatest value in it that was read.
    #[schemars(length(max = 1024))]
    pub last: String,
}

/// An attempt to do a run's work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunAttempt {
    /// Counts the attempts of this run.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// What makes its work's name its own: a part of the name of the Job or the step.
    #[schemars(length(min = 1, max = 32))]
    pub nonce: String,
    /// When it was written down, right before the work was asked for.
    pub started_at: Timestamp,
    /// What came of it.
    pub state: RunAttemptState,
    /// The directory that its files go to.
    #[schemars(length(max = 2048))]
    pub output: String,
    /// The table that it writes to, `database.table`, with `output.mode: ShadowTable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 511))]
    pub output_table: Option<String>,
    /// Who does the work: name of the Job, of the `EmrCluster`, or of ECS's cluster.
    #[schemars(length(max = 253))]
    pub worker: String,
    /// The Job's name, EMR's ids of the cluster and the step, `j-…/s-…`, or the ARN of ECS's task, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub external_id: Option<String>,
    /// Profile of the installation's configuration that a task of ECS is run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub profile: Option<String>,
    /// Where a task of ECS says what it does: group and stream of CloudWatch Logs, `group:stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub log: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Since when a task of ECS is to be stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping_at: Option<Timestamp>,
    /// Whether the work is to be stopped, since it is given up or takes too long.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_stopping: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(is: &bool) -> bool {
    !*is
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunAttemptState {
    /// Not known yet, or it is being done.
    Open,
    /// The work is done.
    Succeeded,
    /// It failed.
    Failed,
    /// It failed through no fault of the work.
    Lost,
}

/// An attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastRunAttempt {
    /// Which.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// Whether it failed through no fault of the work.
    pub was_lost: bool,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Who did the work: name of the Job, EMR's id of the cluster and the step, or the ARN of ECS's task.
    #[schemars(length(max = 256))]
    pub worker: String,
    /// Exit code of the container, if one is known. After 64, 65, 66, 77 and 78 there is no other attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it failed.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// A table that a run's work writes to by name, and that is deleted once its data is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShadowStatus {
    /// Glue database.
    #[schemars(length(max = 255))]
    pub database: String,
    /// Glue table.
    #[schemars(length(max = 255))]
    pub table: String,
    /// Profile of the installation's configuration that it is made with.
    #[schemars(length(max = 63))]
    pub profile: String,
    /// Why it is still there though nobody needs it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// What a check says of what a run brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Name of the `QualityCheck`.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its uid.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The generation of its rules.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// The attempt that brought the data; 0 where somebody else does the work.
    #[schemars(range(min = 0))]
    pub attempt: i64,
    /// What it says.
    pub verdict: GateVerdict,
    /// Which rule did not pass, and what was measured; or why it could not be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// The query of Athena that it was evaluated by, if its rules need the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub query_execution_id: Option<String>,
    /// So many bytes that query has scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scanned_bytes: Option<i64>,
}

/// A query by which a gate evaluates its rules over what a run brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateQueryStatus {
    /// Uid of the `QualityCheck`.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// The query.
    pub query: QueryStatus,
}

/// What a check says of what a run brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GateVerdict {
    /// The rules pass.
    Passed,
    /// A rule does not.
    Failed,
    /// A rule could not be evaluated, and none failed.
    NotEvaluated,
}

/// Where in its life a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// It cannot begin yet.
    Pending,
    /// Its work is being done.
    Running,
    /// All data is there; the table is asked to publish it.
    Publishing,
    /// The table has published it.
    Succeeded,
    /// Nothing more is published of it.
    Failed,
}

impl RunPhase {
    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The manifest of a run: what it asks to be published. Once written it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestStatus {
    /// Where it is.
    #[schemars(length(max = 2048))]
    pub location: String,
    /// SHA-256 of it, in hexadecimal.
    #[schemars(length(max = 64))]
    pub sha256: String,
    /// How many partitions it has; 1 for a table without partition keys.
    #[schemars(range(min = 0))]
    pub partitions: i64,
    /// How many files.
    #[schemars(range(min = 0))]
    pub files: i64,
    /// Their size in bytes.
    #[schemars(range(min = 0))]
    pub bytes: i64,
}
