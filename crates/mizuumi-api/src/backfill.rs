//! `Backfill`: the sessions of a job in a range of the past, caught up with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::ingest_job::JobSchedule;
use crate::ingest_run::engine;

/// A range of the past that a job catches up with.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "Backfill",
    namespaced,
    status = "BackfillStatus",
    shortname = "bfill",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "Catches up with the past: the sessions of a job's schedule in a range, so many at once.",
    selectable = ".spec.job",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a backfill must be no more than 63 characters"),
    printcolumn(name = "Job", type_ = "string", json_path = ".spec.job"),
    printcolumn(name = "Sessions", type_ = "integer", json_path = ".status.sessions"),
    printcolumn(name = "Succeeded", type_ = "integer", json_path = ".status.succeeded"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failed"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.running"),
    printcolumn(name = "Waiting", type_ = "integer", json_path = ".status.waiting"),
    printcolumn(name = "Done", type_ = "string", json_path = r#".status.conditions[?(@.type=="Succeeded")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from", priority = 1),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to", priority = 1),
    printcolumn(name = "Left-out", type_ = "integer", json_path = ".status.leftOut", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Succeeded")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("self.from < self.to")
        .message("`from` must be before `to`").reason(Reason::FieldValueInvalid).field_path(".to"),
)]
#[serde(rename_all = "camelCase")]
pub struct BackfillSpec {
    /// Name of the `IngestJob`, in the same namespace. Its schedule says which sessions there are. It cannot be changed.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`job` is immutable").reason(Reason::FieldValueForbidden))]
    pub job: String,
    /// The range of sessions: from this time on, inclusive. It cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`from` is immutable").reason(Reason::FieldValueForbidden))]
    pub from: Timestamp,
    /// The range of sessions: up to this time, exclusive. Sessions that had not come when the backfill was made are left to the
    /// schedule. It cannot be changed.
    #[x_kube(validation = Rule::new("self == oldSelf").message("`to` is immutable").reason(Reason::FieldValueForbidden))]
    pub to: Timestamp,
    /// Which of them get a run. It cannot be changed.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`sessions` is immutable").reason(Reason::FieldValueForbidden))]
    pub sessions: BackfillSessions,
    /// In which order. It cannot be changed.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`order` is immutable").reason(Reason::FieldValueForbidden))]
    pub order: BackfillOrder,
    /// How many of its runs may be under way at once; without it, 1. The job's `concurrencyPolicy` is for the runs of its schedule alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub max_active_runs: Option<i32>,
    /// Values that the work is given, by name, instead of those of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "engine::parameters")]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Make no more runs for a while. Those under way go on.
    #[serde(default)]
    pub suspend: bool,
}

/// Which sessions of a range get a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackfillSessions {
    /// Those of which no run has been published or is under way: that never ran, or failed.
    #[default]
    Missing,
    /// All but those of which a run is under way. What they bring takes the place of what earlier runs brought.
    All,
}

/// In which order sessions begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackfillOrder {
    /// The earliest first.
    #[default]
    OldestFirst,
    /// The latest first: what people look at most is there soon.
    NewestFirst,
}

/// What a `Backfill` says back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, `Succeeded`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The job's schedule as it was when the backfill began: sessions go by this one to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<JobSchedule>,
    /// How many sessions there are in the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sessions: Option<i64>,
    /// Of how many the run has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub succeeded: Option<i64>,
    /// Of how many the run has failed, after all the retries that the job allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed: Option<i64>,
    /// How many were left out, since they have data or a run under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub left_out: Option<i64>,
    /// Of how many the run is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub running: Option<i64>,
    /// How many have not been begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub waiting: Option<i64>,
    /// The session that was dealt with last. All that come before it in the order were begun or left out. It is written down before its
    /// run is made, and never moves back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_session: Option<Timestamp>,
    /// The run, if any, that is being made: whether it was is not known yet. It is that of the last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub starting: Option<String>,
    /// Names of the runs that were made and of whose end nothing has been counted yet, in the order of the backfill.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub active: Vec<String>,
    /// Runs that failed, the latest first; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub failures: Vec<BackfillFailure>,
    /// When all sessions had been dealt with and the last run was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillFailure {
    /// Its name.
    #[schemars(length(max = 63))]
    pub run: String,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}
