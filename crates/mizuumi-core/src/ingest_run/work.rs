//! The work that Mizuumi has done for a run: what is asked for, of whom, and what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{RunStepState, RunStepStatus, StepFailure};
use mizuumi_api::ingest_run::{
    EcsTask, EmrStep, IngestRun, IngestRunSpec, KubernetesJob, PastRunAttempt, RunAttempt, RunAttemptState,
    Variable,
};
use mizuumi_api::installation::{EcsProfile, JobsProfile};
use mizuumi_api::{Installation, Reason};

use super::desired::{self, TargetTable};
use super::ecs::{self, SeenTask};
use super::shadow::ShadowTables;
use super::trace::Traces;
use super::variables::Variables;
use super::world::RunWorld;
use crate::emr_cluster::request::StepCall;
use crate::emr_cluster::run_steps::AskedStep;
use crate::problem::Problem;
use crate::publication::{self, RunOrder, sha256};

/// An attempt may take so long if the run does not say.
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// How long the part of a name is by which an attempt's work is found.
const NONCE: usize = 8;

/// Work that Mizuumi has done.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnWork {
    /// The run itself.
    pub object: Arc<IngestRun>,
    /// The installation's id.
    pub installation: String,
    /// The installation's region.
    pub region: String,
    /// What Jobs work with, by profile.
    pub jobs: BTreeMap<String, JobsProfile>,
    /// What tasks of ECS are run with, by profile.
    pub ecs: BTreeMap<String, EcsProfile>,
    /// The run's place among the others.
    pub order: RunOrder,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// What is done.
    pub task: Task,
    /// The tables that it writes to by name, if it does.
    pub shadows: Option<ShadowTables>,
    /// What has to be there before.
    pub upstreams: Vec<Needed>,
    /// How often work that failed is done again.
    pub retries: i64,
    /// So long an attempt may take.
    pub timeout: SignedDuration,
    /// Whether it is given up.
    pub is_cancelled: bool,
    /// The attempt that was made last.
    pub attempt: Option<RunAttempt>,
    /// Those that failed before, the latest first.
    pub failed: Vec<PastRunAttempt>,
    /// Who could do it, as far as that was looked for.
    pub workers: Vec<Worker>,
    /// Where programs may lie.
    pub s3_prefixes: Vec<String>,
    /// How far the upstreams are, by their names in Glue.
    pub covered: BTreeMap<String, Covered>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// A Job of Kubernetes.
    Job(Box<KubernetesJob>),
    /// A step of a cluster.
    Step(Box<EmrStep>),
    /// A task of ECS.
    Ecs(Box<EcsTask>),
}

/// A table whose data has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// `database.table`.
    pub table: String,
    /// Its data has to be complete up to then.
    pub until: Timestamp,
}

/// How far an upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covered {
    /// Its data is complete up to then; none: nobody knows yet.
    Until(Option<Timestamp>),
    /// It is being looked for.
    Unknown,
    /// Nobody can say, and why.
    Unreadable(String),
}

/// A cluster that could do a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worker {
    /// Its name.
    pub name: String,
    /// How many runs it has to do with.
    pub runs: usize,
    /// Why it takes no steps, if it does not.
    pub refuses: Option<String>,
    /// Why it cannot be started or go on until somebody changes something, if it cannot.
    pub stalled: Option<String>,
    /// What it says of the attempt.
    pub answer: Option<RunStepStatus>,
}

/// A Job that is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Its name, which no other attempt has.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of the run.
    pub run: String,
    /// Uid of the run, which owns it.
    pub uid: String,
    /// ServiceAccount of its pod.
    pub service_account: String,
    /// Image.
    pub image: String,
    /// Instead of the image's entry point.
    pub command: Vec<String>,
    /// What it is called with.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<Variable>,
    /// What it is given.
    pub resources: BTreeMap<String, String>,
    /// So long it may take.
    pub timeout: SignedDuration,
}

/// A Job as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenJob {
    /// There is none of that name.
    Missing,
    /// Another run's, or nobody's.
    Foreign,
    /// It has not ended.
    Active {
        /// What its pods do.
        message: String,
    },
    /// It ended well.
    Complete,
    /// It failed.
    Failed {
        /// Why, in Kubernetes' words.
        message: String,
        /// Whether the pod was taken away rather than that it failed.
        was_lost: bool,
        /// Exit code of the container, if Kubernetes tells it.
        exit_code: Option<i32>,
    },
}

/// What is known of an attempt's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody has begun with it.
    NotBegun,
    /// It is being done.
    Going(String),
    /// It is done.
    Done,
    /// It failed.
    Failed {
        /// Why.
        message: String,
        /// Whether through no fault of its own.
        was_lost: bool,
    },
}

impl OwnWork {
    /// The work of a run that says what is to be done.
    pub(super) fn new(object: &IngestRun, installation: &Installation) -> Option<Self> {
        let spec = &object.spec;
        let order = desired::order(object)?;
        let task = match (&spec.kubernetes_job, &spec.emr_step, &spec.ecs_task) {
            (Some(job), None, None) => Task::Job(Box::new(job.clone())),
            (None, Some(step), None) => Task::Step(Box::new(step.clone())),
            (None, None, Some(task)) => Task::Ecs(Box::new(task.clone())),
            _ => return None,
        };
        let session = order.session_time;
        let needed = |upstream: &mizuumi_api::ingest_run::Upstream| {
            let offset = upstream.offset.as_ref().and_then(|offset| offset.length().ok()).unwrap_or_default();
            let until = session.checked_sub(offset).unwrap_or(Timestamp::MIN);
            Needed { table: upstream.table.clone(), until }
        };
        let status = object.status.as_ref();
        let jobs = installation.profiles.iter();
        let ecs = jobs.clone();
        Some(Self {
            object: Arc::new(object.clone()),
            installation: installation.installation.clone(),
            region: installation.aws.region.clone(),
            ecs: ecs.filter_map(|(name, profile)| Some((name.clone(), profile.ecs.clone()?))).collect(),
            jobs: jobs.filter_map(|(name, profile)| Some((name.clone(), profile.jobs.clone()?))).collect(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
            task,
            shadows: ShadowTables::of(object, installation),
            upstreams: spec.wait_for.iter().flatten().map(needed).collect(),
            retries: spec.retries.unwrap_or_default().into(),
            timeout: spec.timeout.as_ref().and_then(|timeout| timeout.length().ok()).unwrap_or(DAY),
            is_cancelled: spec.cancel || object.metadata.deletion_timestamp.is_some(),
            attempt: status.and_then(|status| status.attempt.clone()),
            failed: status.map(|status| status.failed_attempts.clone()).unwrap_or_default(),
            workers: Vec::new(),
            s3_prefixes: installation.allow.s3_prefixes.clone(),
            covered: BTreeMap::new(),
            order,
        })
    }

    /// The attempt whose work may be under way.
    #[must_use]
    pub fn open(&self) -> Option<&RunAttempt> {
        self.attempt.as_ref().filter(|attempt| attempt.state == RunAttemptState::Open)
    }

    /// When an attempt has taken too long.
    #[must_use]
    pub fn too_late(&self, attempt: &RunAttempt) -> Timestamp {
        attempt.started_at.checked_add(self.timeout).unwrap_or(Timestamp::MAX)
    }

    /// Whether an attempt's work is to be stopped.
    #[must_use]
    pub fn stops(&self, attempt: &RunAttempt, now: Timestamp) -> bool {
        self.is_cancelled || attempt.is_stopping || self.too_late(attempt) <= now
    }

    /// Name of the Job that does an attempt's work.
    #[must_use]
    pub fn job_name(&self, nonce: &str) -> String {
        named(&self.order.run, nonce)
    }

    /// The attempt that comes next: after those that the status knows, and after those that have left something behind.
    #[must_use]
    pub fn next_attempt(
        &self,
        table: &TargetTable,
        traces: Option<&Traces>,
        worker: Option<&str>,
        now: Timestamp,
    ) -> RunAttempt {
        let known = self.attempt.as_ref().map_or(0, |attempt| attempt.number);
        let number = known.max(traces.map_or(0, Traces::last)).saturating_add(1);
        let mut nonce = sha256(format!("{} {number} {now}", self.uid).as_bytes());
        nonce.truncate(NONCE);
        RunAttempt {
            number,
            started_at: now,
            state: RunAttemptState::Open,
            output: publication::attempt_output(&table.root, &self.order.run, number),
            output_table: self.shadows.as_ref().map(|shadows| shadows.external(number)),
            worker: worker.map_or_else(|| self.job_name(&nonce), str::to_owned),
            nonce,
            external_id: None,
            profile: None,
            log: None,
            ended_at: None,
            stopping_at: None,
            is_stopping: false,
        }
    }

    /// Under what the logs of tasks lie: a job's runs, or a run, together.
    #[must_use]
    pub fn order_prefix(&self) -> String {
        let labels = self.object.metadata.labels.as_ref();
        let job = labels.and_then(|labels| labels.get(mizuumi_api::label::JOB));
        format!("{}/{}", self.namespace, job.unwrap_or(&self.order.run))
    }

    /// What the attempt's work is called where it is done, once it is there.
    #[must_use]
    pub fn external_id(&self, attempt: &RunAttempt, world: &RunWorld) -> Option<String> {
        match &self.task {
            Task::Ecs(_) => match world.task.as_ref()? {
                SeenTask::Task(task) => Some(task.arn.clone()),
                SeenTask::Missing | SeenTask::Refused(_) => None,
            },
            Task::Job(_) => match world.job.as_ref()? {
                SeenJob::Missing | SeenJob::Foreign => None,
                SeenJob::Active { .. } | SeenJob::Complete | SeenJob::Failed { .. } => {
                    Some(attempt.worker.clone())
                }
            },
            Task::Step(_) => {
                let worker = self.workers.iter().find(|worker| worker.name == attempt.worker)?;
                worker
                    .answer
                    .as_ref()
                    .filter(|answer| answer.step_id.is_some())
                    .map(RunStepStatus::external_id)
            }
        }
    }

    /// What is still waited for, in words.
    #[must_use]
    pub fn waits(&self) -> Vec<String> {
        self.upstreams
            .iter()
            .filter_map(|needed| waits_for(needed, self.covered.get(&needed.table)))
            .collect()
    }

    /// Whether nothing is waited for before the work begins.
    #[must_use]
    pub fn may_begin(&self) -> bool {
        !self.is_cancelled && self.waits().is_empty()
    }

    /// Where the programs are that are looked at before the work begins.
    #[must_use]
    pub fn artifacts_to_look_at(&self) -> Vec<String> {
        if !self.may_begin() {
            return Vec::new();
        }
        let artifacts = self.object.spec.artifacts.iter().flatten();
        artifacts.filter(|one| self.may_read(&one.uri)).map(|one| one.uri.clone()).collect()
    }

    fn may_read(&self, uri: &str) -> bool {
        self.s3_prefixes.iter().any(|prefix| uri.starts_with(prefix.as_str()))
    }

    /// Why the work cannot begin with the programs as they were seen, if it cannot.
    #[must_use]
    pub fn artifacts_refuse(&self, seen: &BTreeMap<String, Option<String>>) -> Option<(Reason, String)> {
        self.object.spec.artifacts.iter().flatten().enumerate().find_map(|(index, artifact)| {
            let uri = &artifact.uri;
            let changed = |why: &str| Some((Reason::ArtifactChanged, format!("{uri} {why}")));
            if !self.may_read(uri) {
                let message = format!(
                    "spec.artifacts[{index}].uri: must lie under one of {}; it is '{uri}'",
                    self.s3_prefixes.join(", ")
                );
                return Some((Reason::NotAllowed, message));
            }
            match seen.get(uri) {
                Some(Some(digest)) if *digest == artifact.sha256 => None,
                Some(Some(digest)) => changed(&format!(
                    "is not what the run names: its SHA-256 is {digest}, and `spec.artifacts[{index}].sha256` is {}",
                    artifact.sha256
                )),
                Some(None) => changed("is missing"),
                None => changed("has not been looked at"),
            }
        })
    }

    /// What is known of the attempt's work by now.
    #[must_use]
    pub fn progress(&self, attempt: &RunAttempt, world: &RunWorld, now: Timestamp) -> Progress {
        match &self.task {
            Task::Job(_) => progress_of_job(attempt, world.job.as_ref()),
            Task::Step(_) => self.progress_of_step(attempt),
            Task::Ecs(_) => ecs::progress(attempt, world.task.as_ref(), now),
        }
    }

    fn progress_of_step(&self, attempt: &RunAttempt) -> Progress {
        let cluster = &attempt.worker;
        let worker = self.workers.iter().find(|worker| worker.name == *cluster);
        let Some(worker) = worker else {
            let message = format!("EmrCluster '{cluster}' is gone");
            return Progress::Failed { message, was_lost: true };
        };
        let Some(answer) = &worker.answer else {
            return match &worker.refuses {
                Some(why) => {
                    let message = format!("EmrCluster '{cluster}' takes no steps: {why}");
                    Progress::Failed { message, was_lost: true }
                }
                None => Progress::NotBegun,
            };
        };
        let id = answer.external_id();
        let message = answer.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        match answer.state {
            RunStepState::Open => Progress::Going(format!("asking EMR for the step on cluster '{cluster}'")),
            RunStepState::Pending => Progress::Going(format!("step {id} of cluster '{cluster}' waits")),
            RunStepState::Running => Progress::Going(format!("step {id} of cluster '{cluster}' runs")),
            RunStepState::Completed => Progress::Done,
            RunStepState::Failed => {
                Progress::Failed { message: format!("step {id} failed{message}"), was_lost: false }
            }
            RunStepState::Cancelled => {
                let message = format!("step {id} was cancelled{message}");
                Progress::Failed { message, was_lost: !attempt.is_stopping }
            }
            RunStepState::Lost => {
                let message = format!("step {id} was lost with its cluster{message}");
                Progress::Failed { message, was_lost: true }
            }
        }
    }
}

/// The name of something that is there for a run: so much of the run's name as has room, and what tells it from others.
pub(super) fn named(run: &str, digest: &str) -> String {
    let run: String = run.chars().take(63 - NONCE - 1).collect();
    let digest: String = digest.chars().take(NONCE).collect();
    format!("{}-{digest}", run.trim_end_matches(['.', '-']).replace('.', "-"))
}

/// Whether a table's data is not there yet, in words.
fn waits_for(needed: &Needed, covered: Option<&Covered>) -> Option<String> {
    let (table, until) = (&needed.table, needed.until);
    let waits = |why: &str| Some(format!("'{table}' to be complete up to {until}{why}"));
    match covered {
        Some(Covered::Until(Some(covered))) if *covered >= until => None,
        Some(Covered::Until(Some(covered))) => waits(&format!("; it is up to {covered}")),
        Some(Covered::Until(None)) => {
            waits("; nothing is known of its data yet (`spec.freshness` of its DataTable says by what)")
        }
        Some(Covered::Unreadable(why)) => waits(&format!(": {why}")),
        Some(Covered::Unknown) | None => waits("; it is being looked for"),
    }
}

fn progress_of_job(attempt: &RunAttempt, job: Option<&SeenJob>) -> Progress {
    let name = &attempt.worker;
    match job {
        None => Progress::Going(format!("looking at Job '{name}'")),
        Some(SeenJob::Missing) if attempt.external_id.is_some() => {
            let message = format!("Job '{name}' was deleted before it ended");
            Progress::Failed { message, was_lost: !attempt.is_stopping }
        }
        Some(SeenJob::Missing) => Progress::NotBegun,
        Some(SeenJob::Foreign) => {
            let message = format!("there is a Job '{name}' already, which is not this run's");
            Progress::Failed { message, was_lost: true }
        }
        Some(SeenJob::Active { message }) => Progress::Going(format!("Job '{name}': {message}")),
        Some(SeenJob::Complete) => Progress::Done,
        Some(SeenJob::Failed { message, was_lost, .. }) => {
            Progress::Failed { message: format!("Job '{name}' failed: {message}"), was_lost: *was_lost }
        }
    }
}

/// What stands for what in an attempt's words.
pub(super) fn variables(object: &IngestRun, attempt: &RunAttempt) -> Variables {
    let spec = &object.spec;
    let session = spec.session_time.unwrap_or_default();
    let values = [
        ("output", attempt.output.clone()),
        ("sessionTime", session.to_string()),
        ("sessionDate", session.strftime("%Y-%m-%d").to_string()),
        ("run", object.metadata.name.clone().unwrap_or_default()),
        ("attempt", attempt.number.to_string()),
        ("table", spec.table.clone()),
    ];
    let output_table = attempt.output_table.iter().map(|table| ("outputTable", table.clone()));
    let values = values.into_iter().chain(output_table).map(|(name, value)| (name.to_owned(), value));
    let parameters = spec.parameters.iter().flatten();
    Variables::new(
        values.chain(parameters.map(|(name, value)| (format!("parameters.{name}"), value.clone()))).collect(),
    )
}

pub(super) fn fill_all(
    variables: &Variables,
    texts: Option<&Vec<String>>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let fill = |(index, text): (usize, &String)| fill(variables, text, &format!("{path}[{index}]"), problems);
    texts.into_iter().flatten().enumerate().map(fill).collect()
}

pub(super) fn fill(variables: &Variables, text: &str, path: &str, problems: &mut Vec<Problem>) -> String {
    variables.fill(text).unwrap_or_else(|unknown| {
        problems.push(Problem::invalid(path, unknown.to_string()));
        String::new()
    })
}

/// How far an earlier session has read the source, as images take it.
const BEFORE: &str = "MIZUUMI_SOURCE_BEFORE";

/// What the environment says of a run.
pub(super) fn said(object: &IngestRun, attempt: &RunAttempt) -> impl Iterator<Item = (&'static str, String)> {
    let table = attempt.output_table.clone().map(|table| ("MIZUUMI_OUTPUT_TABLE", table));
    let before = object.spec.before.clone().filter(|_| said_by(&object.spec, BEFORE).is_none());
    let all = [
        ("MIZUUMI_OUTPUT", attempt.output.clone()),
        ("MIZUUMI_SESSION_TIME", object.spec.session_time.unwrap_or_default().to_string()),
        ("MIZUUMI_RUN", object.metadata.name.clone().unwrap_or_default()),
        ("MIZUUMI_ATTEMPT", attempt.number.to_string()),
        ("MIZUUMI_TABLE", object.spec.table.clone()),
    ];
    all.into_iter().chain(table).chain(before.map(|before| (BEFORE, before)))
}

/// What a run's own environment says by a name; empty where that comes from a secret.
pub(crate) fn said_by<'a>(spec: &'a IngestRunSpec, name: &str) -> Option<&'a str> {
    let job = spec.kubernetes_job.iter().flat_map(|job| job.env.iter().flatten());
    let job = job.map(|variable| (variable.name.as_str(), variable.value.as_deref().unwrap_or_default()));
    let task = spec.ecs_task.iter().flat_map(|task| task.environment.iter().flatten());
    let task = task.map(|variable| (variable.name.as_str(), variable.value.as_str()));
    job.chain(task).find(|(of, _)| *of == name).map(|(_, value)| value)
}

/// The Job that does an attempt's work.
///
/// # Errors
/// Every text in which something stands for nothing, with its path.
pub fn job_request(
    object: &IngestRun,
    job: &KubernetesJob,
    attempt: &RunAttempt,
    profile: &JobsProfile,
    timeout: SignedDuration,
) -> Result<JobRequest, Vec<Problem>> {
    let known = variables(object, attempt);
    let mut problems = Vec::new();
    let at = "spec.kubernetesJob";
    let command = fill_all(&known, job.command.as_ref(), &format!("{at}.command"), &mut problems);
    let args = fill_all(&known, job.args.as_ref(), &format!("{at}.args"), &mut problems);
    let variable = |(name, value): (&str, String)| Variable {
        name: name.to_owned(),
        value: Some(value),
        secret_key_ref: None,
    };
    let mut env: Vec<Variable> = said(object, attempt).map(variable).collect();
    for (index, variable) in job.env.iter().flatten().enumerate() {
        let path = format!("{at}.env[{index}].value");
        let value = variable.value.as_ref().map(|value| fill(&known, value, &path, &mut problems));
        env.push(Variable { value, ..variable.clone() });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(JobRequest {
        name: attempt.worker.clone(),
        namespace: object.metadata.namespace.clone().unwrap_or_default(),
        run: object.metadata.name.clone().unwrap_or_default(),
        uid: object.metadata.uid.clone().unwrap_or_default(),
        service_account: profile.service_account.clone(),
        image: job.image.clone().unwrap_or_default(),
        command,
        args,
        env,
        resources: job.resources.clone().unwrap_or_default(),
        timeout,
    })
}

/// The step that does an attempt's work.
///
/// # Errors
/// Every text in which something stands for nothing, with its path.
pub fn step_call(
    object: &IngestRun,
    step: &EmrStep,
    attempt: &RunAttempt,
    region: &str,
) -> Result<StepCall, Vec<Problem>> {
    let known = variables(object, attempt);
    let mut problems = Vec::new();
    let at = "spec.emrStep.step";
    let mut filled = step.step.clone();
    if filled.command.is_some() {
        filled.command =
            Some(fill_all(&known, step.step.command.as_ref(), &format!("{at}.command"), &mut problems));
    }
    if filled.args.is_some() {
        filled.args = Some(fill_all(&known, step.step.args.as_ref(), &format!("{at}.args"), &mut problems));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let call = StepCall::of(&filled, region);
    // A shared cluster goes on whatever becomes of one run; with concurrency AWS asks for that.
    Ok(StepCall {
        name: format!("{}-{}", object.metadata.name.as_deref().unwrap_or_default(), attempt.nonce),
        on_failure: StepFailure::Continue.emr(),
        ..call
    })
}

/// What a run asks a cluster for, if it does.
#[must_use]
pub fn asked_step(object: &IngestRun, region: &str) -> Option<AskedStep> {
    let step = object.spec.emr_step.as_ref()?;
    let attempt = object.status.as_ref()?.attempt.as_ref()?;
    if attempt.state != RunAttemptState::Open {
        return None;
    }
    Some(AskedStep {
        run: object.metadata.name.clone()?,
        cluster: attempt.worker.clone(),
        nonce: attempt.nonce.clone(),
        is_known: attempt.external_id.is_some(),
        is_stopping: attempt.is_stopping,
        // What stands for nothing was refused before there was an attempt.
        call: step_call(object, step, attempt, region).ok()?,
    })
}
