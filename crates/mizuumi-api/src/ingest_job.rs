//! `IngestJob`: what is run, when, on which engine, into which table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{CustomResource, KubeSchema, Resource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::duration::ShortDuration;
use crate::ingest_run::engine;
use crate::ingest_run::{
    Artifact, EcsTask, EmrStep, IngestRun, KubernetesJob, RunEngine, RunOutput, RunPhase, Upstream,
};
use crate::label;
use crate::source_connection::JobSource;

/// Work that comes again and again: it makes an `IngestRun` for each session.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "IngestJob",
    namespaced,
    status = "IngestJobStatus",
    shortname = "ijob",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "Work that comes again and again: what is run, when, on which engine, into which table. Each session is an IngestRun.",
    selectable = ".spec.run.table",
    validation = Rule::new("self.metadata.name.size() <= 40").message("name of a job must be no more than 40 characters: names of its runs are made from it"),
    printcolumn(name = "Table", type_ = "string", json_path = ".spec.run.table"),
    printcolumn(name = "Schedule", type_ = "string", json_path = ".spec.schedule.cron"),
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.schedule.timeZone", priority = 1),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.activeRuns"),
    printcolumn(name = "Last", type_ = "string", json_path = ".status.lastRun.phase"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextScheduledTime", priority = 1),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("!has(self.prewarm) || (has(self.schedule) && has(self.run.emrStep) && has(self.run.emrStep.cluster))")
        .message("`prewarm` goes with a `schedule` and with `run.emrStep.cluster`").reason(Reason::FieldValueInvalid).field_path(".prewarm"),
)]
#[serde(rename_all = "camelCase")]
pub struct IngestJobSpec {
    /// When runs are made; without it, only by hand: `mizuumi run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<JobSchedule>,
    /// What happens when a session comes while a run of an earlier one is under way.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// A session that cannot begin at its time, because an earlier one is under way, the job is suspended or nobody was there, may
    /// begin for so long; without it, for a day. Of those that wait, the latest 100 do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting_deadline: Option<ShortDuration>,
    /// So long before each session the cluster of `run.emrStep.cluster` is started, if its `lifecycle` is `WhenNeeded`: that takes minutes. It is kept for as
    /// long after the session time, in case the run has to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prewarm: Option<ShortDuration>,
    /// Make no runs by the schedule for a while. Those under way go on.
    #[serde(default)]
    pub suspend: bool,
    /// How many runs that succeeded are kept; without it, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub successful_runs_history_limit: Option<i32>,
    /// How many runs that failed are kept; without it, 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failed_runs_history_limit: Option<i32>,
    /// What each run is. A run keeps what was said here when it was made.
    pub run: RunTemplate,
}

impl IngestJob {
    /// Makes a run this job's: it bears the job's label, and goes with it.
    pub fn own(&self, run: &mut IngestRun) {
        run.metadata.namespace.clone_from(&self.metadata.namespace);
        let name = self.metadata.name.clone().unwrap_or_default();
        run.metadata.labels.get_or_insert_default().insert(label::JOB.to_owned(), name);
        let owner = self.controller_owner_ref(&()).map(|owner| OwnerReference {
            // Whoever waits for the job's end waits for that of its runs.
            block_owner_deletion: Some(true),
            ..owner
        });
        run.metadata.owner_references = owner.map(|owner| vec![owner]);
    }
}

/// When runs are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSchedule {
    /// A cron expression of five fields, such as `0 2 * * *`. Each time it names is the session time of a run. One time of day comes
    /// once a day, also where clocks change.
    #[schemars(length(min = 9, max = 128))]
    pub cron: String,
    /// IANA time zone of it, such as `Asia/Tokyo`; without it, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// What happens when a session comes while a run of an earlier one is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// It waits for that; sessions run one after the other, in order.
    #[default]
    Queue,
    /// Both run.
    Allow,
    /// It is left out. Of sessions that come at once, since nobody was there, the latest runs.
    Forbid,
    /// That one is cancelled, and it begins once that has ended. Of sessions that come at once the latest runs.
    Replace,
}

/// What a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.engine != 'Rollback'")
        .message("a job cannot roll back; `mizuumi rollback` can").reason(Reason::FieldValueInvalid).field_path(".engine"),
    validation = Rule::new("self.engine == 'KubernetesJob' ? has(self.kubernetesJob) || has(self.source) : !has(self.kubernetesJob)")
        .message("`kubernetesJob` or `source` must be set when `engine` is 'KubernetesJob', and `kubernetesJob` only then").reason(Reason::FieldValueInvalid).field_path(".kubernetesJob"),
    validation = Rule::new("(self.engine == 'EmrStep') == has(self.emrStep)")
        .message("`emrStep` must be set when `engine` is 'EmrStep', and only then").reason(Reason::FieldValueInvalid).field_path(".emrStep"),
    validation = Rule::new("(self.engine == 'EcsTask') == has(self.ecsTask)")
        .message("`ecsTask` must be set when `engine` is 'EcsTask', and only then").reason(Reason::FieldValueInvalid).field_path(".ecsTask"),
    validation = Rule::new("!has(self.source) || self.engine in ['KubernetesJob', 'EcsTask']")
        .message("`source` goes with an `engine` that runs images: 'KubernetesJob' or 'EcsTask'").reason(Reason::FieldValueInvalid).field_path(".source"),
    validation = Rule::new("has(self.source) || ((!has(self.kubernetesJob) || has(self.kubernetesJob.image)) && (!has(self.ecsTask) || has(self.ecsTask.image)))")
        .message("`image` of `kubernetesJob` or `ecsTask` must be set, unless `source` names a connection that says it").reason(Reason::FieldValueRequired),
    validation = Rule::new("self.engine in ['KubernetesJob', 'EmrStep', 'EcsTask'] || (!has(self.waitFor) && !has(self.artifacts) && !has(self.retries) && !has(self.timeout))")
        .message("`waitFor`, `artifacts`, `retries` and `timeout` go with an `engine` that does the work: 'KubernetesJob', 'EmrStep' or 'EcsTask'").reason(Reason::FieldValueInvalid).field_path(".engine"),
    validation = Rule::new("self.engine in ['KubernetesJob', 'EmrStep', 'EcsTask'] || !has(self.output)")
        .message("`output` goes with an `engine` that does the work: 'KubernetesJob', 'EmrStep' or 'EcsTask'").reason(Reason::FieldValueInvalid).field_path(".output"),
)]
#[serde(rename_all = "camelCase")]
pub struct RunTemplate {
    /// Name of the `DataTable` that the data is for, in the same namespace; its partitions are of mode `Published`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub table: String,
    /// Who does the work.
    pub engine: RunEngine,
    /// With `KubernetesJob` or `EcsTask`: where the work reads from. What the connection says goes into the run's image, environment and
    /// secrets, unless those say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<JobSource>,
    /// With `KubernetesJob`: the container that does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes_job: Option<KubernetesJob>,
    /// With `EmrStep`: the step that does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emr_step: Option<EmrStep>,
    /// With `EcsTask`: the task that does the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs_task: Option<EcsTask>,
    /// How the work writes its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<RunOutput>,
    /// Values that the work is given, by name; `mizuumi run --set NAME=VALUE` says others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "engine::parameters")]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Programs that the work uses: an attempt begins only while each is what is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["uri".into()]))]
    pub artifacts: Option<Vec<Artifact>>,
    /// Tables whose data the work reads: a run begins once all of them are complete up to its session time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["table".into()]))]
    pub wait_for: Option<Vec<Upstream>>,
    /// How often the work is done again after it failed; without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 20))]
    pub retries: Option<i32>,
    /// So long an attempt may take; it has failed then, and is stopped. Without it, a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<ShortDuration>,
    /// So long after its end a run is deleted; without it, the limits of the job's history alone say when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_after_finished: Option<ShortDuration>,
}

/// What an `IngestJob` says back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestJobStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The schedule by which sessions come, and since when. One that is changed begins with its first session after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,
    /// The latest session that the schedule has dealt with. It is written down before the run is made, and never moves back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scheduled_time: Option<Timestamp>,
    /// The session, if any, whose run is being made: whether it was is not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<Timestamp>,
    /// The session that comes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scheduled_time: Option<Timestamp>,
    /// How many runs are under way.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub active_runs: i64,
    /// Names of the runs under way, the earliest session first; at most twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub active: Vec<String>,
    /// The run that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// The latest session of which a run succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_session: Option<Timestamp>,
    /// How far the latest session that says so has read its source. Runs of later sessions are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<JobCursor>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// How far a session has read its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobCursor {
    /// The session.
    pub session_time: Timestamp,
    /// The column that says it.
    #[schemars(length(max = 256))]
    pub column: String,
    /// The greatest value in it that was read.
    #[schemars(length(max = 1024))]
    pub last: String,
}

/// A schedule, and since when it has been that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// The cron expression.
    #[schemars(length(max = 128))]
    pub cron: String,
    /// The time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub time_zone: Option<String>,
    /// Sessions come after this moment.
    pub since: Timestamp,
}

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The time that it was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_time: Option<Timestamp>,
    /// How it ended.
    pub phase: RunPhase,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}
