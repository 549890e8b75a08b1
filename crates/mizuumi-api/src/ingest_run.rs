//! `IngestRun`: one run that brings data into a table, and asks for it to be published once it is all there.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// One run: its data goes into a directory of its own, and into the table all at once.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "IngestRun",
    namespaced,
    status = "IngestRunStatus",
    shortname = "irun",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "One run that brings data into a table. Readers see it once it is all there, or never.",
    selectable = ".spec.table",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a run must be no more than 63 characters"),
    printcolumn(name = "Table", type_ = "string", json_path = ".spec.table"),
    printcolumn(name = "Session", type_ = "string", json_path = ".spec.sessionTime"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.manifest.partitions"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Output", type_ = "string", json_path = ".status.output", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Succeeded")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("(self.engine == 'Rollback') != has(self.sessionTime)")
        .message("`sessionTime` must be set, except when `engine` is 'Rollback'").reason(Reason::FieldValueInvalid).field_path(".sessionTime"),
    validation = Rule::new("(self.engine == 'Rollback') == has(self.rollback)")
        .message("`rollback` must be set when `engine` is 'Rollback', and only then").reason(Reason::FieldValueInvalid).field_path(".rollback"),
    validation = Rule::new("self.engine == 'External' || !has(self.external)")
        .message("`external` goes with `engine` 'External'").reason(Reason::FieldValueInvalid).field_path(".external"),
)]
#[serde(rename_all = "camelCase")]
pub struct IngestRunSpec {
    /// Name of the `DataTable` that the data is for, in the same namespace; its partitions are of mode `Published`.
    /// It cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`table` is immutable").reason(Reason::FieldValueForbidden))]
    pub table: String,
    /// The time that the run is for, such as the midnight that begins its day. Where two runs bring the same partition,
    /// the later session stays. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`sessionTime` is immutable").reason(Reason::FieldValueForbidden))]
    pub session_time: Option<Timestamp>,
    /// Counts the runs of one session: of two, the higher one stays. It cannot be changed.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`revision` is immutable").reason(Reason::FieldValueForbidden))]
    pub revision: i32,
    /// Who does the work. It cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`engine` is immutable").reason(Reason::FieldValueForbidden))]
    pub engine: RunEngine,
    /// With `External`: what the one who does the work says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalRun>,
    /// With `Rollback`: what is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

/// Who does a run's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunEngine {
    /// Somebody else, who writes into `status.output` and says when it is done: by an object `_SUCCESS` there, or by
    /// `spec.external.outcome`.
    External,
    /// Nobody: what an earlier run published is put back to what was there before it.
    Rollback,
}

/// What the one who does the work says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRun {
    /// How the work ended; while it is not said, an object `_SUCCESS` in `status.output` is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The exclusive end of the data that the run brings, for the table's freshness. Said before all is there, it is told
    /// with the data; later it is too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// A sentence about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// All data is there.
    Succeeded,
    /// It did not come about; nothing is published.
    Failed,
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Name of the `IngestRun` whose partitions are put back to what they were before it. Those that later runs have
    /// published since stay. It cannot be changed.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`rollback.run` is immutable").reason(Reason::FieldValueForbidden))]
    pub run: String,
}

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
