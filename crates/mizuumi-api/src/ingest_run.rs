//! `IngestRun`: one run that brings data into a table, and asks for it to be published once it is all there.

pub mod ecs_task;
pub mod engine;
pub mod output;
pub mod own_cluster;
pub mod status;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema, Resource};
use serde::{Deserialize, Serialize};

pub use ecs_task::{Capacity, EcsTask, TaskSecret, TaskVariable};
pub use engine::{
    Artifact, EmrStep, ExternalRun, KubernetesJob, Outcome, RunEngine, SecretKey, Upstream, Variable,
};
pub use output::{OutputMode, RunOutput};
pub use own_cluster::OwnCluster;
pub use status::{
    CursorStatus, GateQueryStatus, GateStatus, GateVerdict, IngestRunStatus, ManifestStatus, PastRunAttempt,
    RunAttempt, RunAttemptState, RunPhase, ShadowStatus,
};

use crate::duration::ShortDuration;
use crate::emr_cluster::EmrCluster;
use crate::label;

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
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.engine", priority = 1),
    printcolumn(name = "Attempt", type_ = "integer", json_path = ".status.attempt.number", priority = 1),
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
    validation = Rule::new("(self.engine == 'KubernetesJob') == has(self.kubernetesJob)")
        .message("`kubernetesJob` must be set when `engine` is 'KubernetesJob', and only then").reason(Reason::FieldValueInvalid).field_path(".kubernetesJob"),
    validation = Rule::new("(self.engine == 'EmrStep') == has(self.emrStep)")
        .message("`emrStep` must be set when `engine` is 'EmrStep', and only then").reason(Reason::FieldValueInvalid).field_path(".emrStep"),
    validation = Rule::new("(self.engine == 'EcsTask') == has(self.ecsTask)")
        .message("`ecsTask` must be set when `engine` is 'EcsTask', and only then").reason(Reason::FieldValueInvalid).field_path(".ecsTask"),
    validation = Rule::new("(!has(self.kubernetesJob) || has(self.kubernetesJob.image)) && (!has(self.ecsTask) || has(self.ecsTask.image))")
        .message("`image` of `kubernetesJob` or `ecsTask` must be set").reason(Reason::FieldValueRequired),
    validation = Rule::new("self.engine in ['KubernetesJob', 'EmrStep', 'EcsTask'] || (!has(self.waitFor) && !has(self.artifacts) && !has(self.retries) && !has(self.timeout))")
        .message("`waitFor`, `artifacts`, `retries` and `timeout` go with an `engine` that does the work: 'KubernetesJob', 'EmrStep' or 'EcsTask'").reason(Reason::FieldValueInvalid).field_path(".engine"),
    validation = Rule::new("self.engine in ['KubernetesJob', 'EmrStep', 'EcsTask'] || !has(self.output)")
        .message("`output` goes with an `engine` that does the work: 'KubernetesJob', 'EmrStep' or 'EcsTask'").reason(Reason::FieldValueInvalid).field_path(".output"),
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
    /// With `KubernetesJob`: the container that does the work. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`kubernetesJob` is immutable").reason(Reason::FieldValueForbidden))]
    pub kubernetes_job: Option<KubernetesJob>,
    /// With `EmrStep`: the step that does the work. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`emrStep` is immutable").reason(Reason::FieldValueForbidden))]
    pub emr_step: Option<EmrStep>,
    /// With `EcsTask`: the task that does the work. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`ecsTask` is immutable").reason(Reason::FieldValueForbidden))]
    pub ecs_task: Option<EcsTask>,
    /// How the work writes its data. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`output` is immutable").reason(Reason::FieldValueForbidden))]
    pub output: Option<RunOutput>,
    /// Values that the work is given, by name: `${parameters.NAME}` stands for them. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "engine::parameters")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`parameters` is immutable").reason(Reason::FieldValueForbidden))]
    pub parameters: Option<BTreeMap<String, String>>,
    /// The greatest cursor that an earlier session of the job has read. The work is told it as `MIZUUMI_SOURCE_BEFORE`, unless its own
    /// environment says that: a source that has less was put back. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`before` is immutable").reason(Reason::FieldValueForbidden))]
    pub before: Option<String>,
    /// Programs that the work uses: an attempt begins only while each is what is said here. They cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uri".into()]), validation = Rule::new("self == oldSelf").message("`artifacts` is immutable").reason(Reason::FieldValueForbidden))]
    pub artifacts: Option<Vec<Artifact>>,
    /// Tables whose data the work reads: it begins once all of them are complete up to the session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["table".into()]))]
    pub wait_for: Option<Vec<Upstream>>,
    /// How often the work is done again after it failed; without it, never. What failed through no fault of its own, such as
    /// a spot instance that was taken away, is done again up to five times beside that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub retries: Option<i32>,
    /// So long an attempt may take; it has failed then, and is stopped. Without it, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ShortDuration>,
    /// Give it up: what is being done is stopped, and nothing is published, unless the table is publishing it already.
    #[serde(default)]
    pub cancel: bool,
    /// So long after its end the run is deleted; without it, nobody deletes it but the limits of its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_after_finished: Option<ShortDuration>,
    /// With `Rollback`: what is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

impl IngestRun {
    /// Makes a cluster this run's: it bears the run's label, and goes with it.
    pub fn own(&self, cluster: &mut EmrCluster) {
        cluster.metadata.namespace.clone_from(&self.metadata.namespace);
        let name = self.metadata.name.clone().unwrap_or_default();
        cluster.metadata.labels.get_or_insert_default().insert(label::RUN.to_owned(), name);
        cluster.metadata.owner_references = self.controller_owner_ref(&()).map(|owner| vec![owner]);
    }
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
