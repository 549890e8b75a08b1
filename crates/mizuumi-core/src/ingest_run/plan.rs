//! What to do about a run: write its manifest once its data is all there.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_run::{Outcome, RunAttempt, ShadowStatus};
use mizuumi_api::{EmrCluster, Reason};

use super::RunGoal;
use super::attempt::{self, Stage};
use super::desired::{DesiredRun, RunClaim, Target, TargetTable, Work};
use super::ecs::{TaskLook, TaskRequest};
use super::gates;
use super::shadow;
use super::trace::Trace;
use super::work::{JobRequest, OwnWork};
use super::world::{Output, RunWorld};
use crate::data_table::partitions::PartitionEntry;
use crate::data_table::{TableDefinition, TableKey};
use crate::plan::{Goal, Plan, Verdict};
use crate::publication::{self, Manifest, ManifestPartition, RunTimes};
use crate::quality_check::StartQuery;
use crate::quality_check::query::StopQuery;

/// The object by which one who writes with Hadoop's committers says that all is there.
pub const MARKER: &str = "_SUCCESS";

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum RunStep {
    /// Write the manifest, if there is none.
    WriteManifest {
        /// Profile of the installation's configuration.
        profile: String,
        /// Where.
        location: String,
        /// What it says.
        manifest: Box<Manifest>,
    },
    /// Create a Job that does the work. The attempt is written down before.
    CreateJob {
        /// The attempt.
        attempt: Box<RunAttempt>,
        /// The Job.
        job: Box<JobRequest>,
        /// What is left behind before it is created.
        trace: Box<Trace>,
    },
    /// Ask a cluster for a step that does the work: by writing down the attempt, which the cluster's own driver reads.
    AskCluster {
        /// The attempt.
        attempt: Box<RunAttempt>,
        /// What is left behind.
        trace: Box<Trace>,
    },
    /// Run a task of ECS that does the work. The attempt is written down before.
    RunTask {
        /// The attempt.
        attempt: Box<RunAttempt>,
        /// The task.
        task: Box<TaskRequest>,
        /// What is left behind before it is run.
        trace: Box<Trace>,
    },
    /// Stop the task that does the work.
    StopTask {
        /// Which, as it was seen.
        look: Box<TaskLook>,
        /// Why, for who looks at the task.
        why: String,
    },
    /// Leave behind how an attempt ended.
    WriteResult {
        /// What that is.
        trace: Box<Trace>,
    },
    /// Make a table that the next attempt's work writes to by name. It is written down before.
    CreateShadow {
        /// Which.
        shadow: ShadowStatus,
        /// The table that it stands for.
        of: TableKey,
        /// How it is to be.
        definition: Box<TableDefinition>,
    },
    /// Make a table over what the run has brought, for gates to query. It is written down before.
    CreateAudit {
        /// Which.
        table: ShadowStatus,
        /// The table that the run is for.
        of: TableKey,
        /// How it is to be.
        definition: Box<TableDefinition>,
    },
    /// Register there what the run has brought.
    FillAudit {
        /// Which.
        table: ShadowStatus,
        /// How it is.
        definition: Box<TableDefinition>,
        /// The partitions.
        partitions: Vec<PartitionEntry>,
    },
    /// Start a query by which a gate evaluates its rules. It is written down before.
    StartQuery {
        /// Name of the check.
        gate: String,
        /// Its uid.
        uid: String,
        /// The query.
        query: Box<StartQuery>,
    },
    /// Stop a query that nobody wants any more.
    StopQuery(StopQuery),
    /// Delete a table that work has written to by name, or that gates have queried.
    DeleteShadow {
        /// Profile of the installation's configuration.
        profile: String,
        /// Glue database.
        database: String,
        /// Glue table.
        table: String,
        /// The mark that it has to bear.
        owner: String,
    },
    /// Create the run's own cluster, if it is not there.
    CreateCluster {
        /// The cluster.
        cluster: Box<EmrCluster>,
    },
    /// Delete the run itself, which was over long ago.
    DeleteRun {
        /// Its uid.
        uid: String,
    },
    /// Delete the Job that does the work, with its pods.
    DeleteJob {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Uid of the run that has to own it.
        uid: String,
    },
}

impl RunStep {
    /// The reason that the Event about this step carries.
    #[must_use]
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::WriteManifest { .. } => "ManifestWritten",
            Self::WriteResult { .. } => "ResultWritten",
            Self::CreateJob { .. } | Self::AskCluster { .. } | Self::RunTask { .. } => "WorkStarted",
            Self::CreateShadow { .. } => "ShadowCreated",
            Self::DeleteShadow { .. } => "ShadowDeleted",
            Self::CreateAudit { .. } | Self::FillAudit { .. } => "AuditCreated",
            Self::StartQuery { .. } => "QueryStarted",
            Self::StopQuery(_) => "QueryStopped",
            Self::CreateCluster { .. } => "ClusterCreated",
            Self::DeleteJob { .. } | Self::StopTask { .. } => "WorkStopped",
            Self::DeleteRun { .. } => "RunDeleted",
        }
    }
}

impl fmt::Display for RunStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteManifest { location, manifest, .. } => {
                let partitions = manifest.partitions.len();
                let files = manifest.files();
                write!(f, "write manifest: {partitions} partitions, {files} files, at {location}")
            }
            Self::WriteResult { trace } => write!(f, "write the result: {trace}"),
            Self::CreateJob { attempt, job, .. } => {
                write!(f, "create Job '{}' (attempt {}): image {}", job.name, attempt.number, job.image)
            }
            Self::AskCluster { attempt, .. } => {
                write!(f, "ask EmrCluster '{}' for a step (attempt {})", attempt.worker, attempt.number)
            }
            Self::CreateShadow { shadow, of, definition } => {
                let location = definition.location.as_deref().unwrap_or_default();
                write!(
                    f,
                    "create shadow table '{}.{}' like '{of}', at {location}",
                    shadow.database, shadow.table
                )
            }
            Self::CreateAudit { table, of, definition } => {
                let location = definition.location.as_deref().unwrap_or_default();
                write!(
                    f,
                    "create audit table '{}.{}' like '{of}', at {location}",
                    table.database, table.table
                )
            }
            Self::FillAudit { table, partitions, .. } => {
                let ShadowStatus { database, table, .. } = table;
                write!(f, "register {} partitions in audit table '{database}.{table}'", partitions.len())
            }
            Self::StartQuery { gate, query, .. } => write!(f, "{query}, for QualityCheck '{gate}'"),
            Self::StopQuery(stop) => stop.fmt(f),
            Self::DeleteShadow { database, table, .. } => {
                write!(f, "delete shadow table '{database}.{table}' from the catalog (data stays)")
            }
            Self::RunTask { attempt, task, .. } => {
                let (cluster, number, image) = (&task.cluster, attempt.number, &task.definition.image);
                write!(f, "run a task in ECS's cluster '{cluster}' (attempt {number}): image {image}")
            }
            Self::StopTask { look, why } => {
                write!(f, "stop task {}: {why}", look.arn.as_deref().unwrap_or_default())
            }
            Self::CreateCluster { cluster } => {
                let name = cluster.metadata.name.as_deref().unwrap_or_default();
                write!(f, "create EmrCluster '{name}' of class '{}' for the run", cluster.spec.class_name)
            }
            Self::DeleteJob { name, .. } => write!(f, "delete Job '{name}'"),
            Self::DeleteRun { .. } => f.write_str("delete the run: its `ttlAfterFinished` is over"),
        }
    }
}

/// What to do about a run.
#[must_use]
pub fn plan(goal: &RunGoal, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    match goal {
        Goal::Present(DesiredRun { is_settled: true, left_over: Some(sweep), .. })
            if !sweep.steps(world).is_empty() =>
        {
            Plan::converge(Reason::Publishing, "its shadow table goes", sweep.steps(world))
        }
        Goal::Present(desired) if desired.is_settled => match &desired.expiry {
            Some(expiry) if expiry.at <= now => {
                let step = RunStep::DeleteRun { uid: expiry.uid.clone() };
                Plan::converge(Reason::Deleting, step.to_string(), vec![step])
            }
            _ => Plan::in_sync(None),
        },
        Goal::Present(desired) => {
            let plan = progress(desired, world, now);
            let is_known = matches!(
                plan.verdict,
                Verdict::Converging(Reason::Publishing, _)
                    | Verdict::Blocked(
                        Reason::OutputInvalid | Reason::RunFailed | Reason::RunCancelled | Reason::GateFailed,
                        _
                    )
            );
            // Once it is written down what became of it, its shadow table goes.
            let wake_at = (is_known && desired.has_shadow).then_some(now).or(plan.wake_at);
            Plan { wake_at, ..plan }
        }
        Goal::Absent(claim) | Goal::Released(claim) if claim.is_publishing => Plan::converge(
            Reason::Deleting,
            "its table is publishing it; it goes once that is done",
            Vec::new(),
        ),
        Goal::Absent(RunClaim { work: Some(work), .. })
        | Goal::Released(RunClaim { work: Some(work), .. })
            if !attempt::stop(work, world, now).is_settled() =>
        {
            attempt::stop(work, world, now)
        }
        Goal::Absent(RunClaim { shadows: Some(sweep), .. })
        | Goal::Released(RunClaim { shadows: Some(sweep), .. })
            if !sweep.steps(world).is_empty() =>
        {
            Plan::converge(Reason::Deleting, "its shadow table goes before it", sweep.steps(world))
        }
        Goal::Absent(_) | Goal::Released(_) => Plan::in_sync(None),
    }
}

fn progress(desired: &DesiredRun, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    let table = match target(desired) {
        Ok(table) => table,
        Err(plan) => return plan,
    };
    if desired.is_cancelled && !matches!(desired.work, Work::Own(_)) {
        return Plan::blocked(Reason::RunCancelled, "it was given up");
    }
    let manifest = match &desired.work {
        Work::Unsaid => {
            let message = "`spec.sessionTime` or `spec.rollback` is missing";
            return Plan::blocked(Reason::SpecInvalid, message);
        }
        Work::External { outcome: Some(Outcome::Failed), message, .. } => {
            let said = message.as_deref().unwrap_or("no reason was given");
            return Plan::blocked(Reason::RunFailed, format!("its work failed: {said}"));
        }
        Work::External { outcome, .. } => {
            let location = publication::output(&table.root, &desired.run);
            let Some(output) = &world.output else {
                return Plan::converge(Reason::Running, format!("looking at {location}"), Vec::new());
            };
            if outcome.is_none() && !output.has_marker {
                let message = format!(
                    "waiting for the object '{MARKER}' in {location}, or for `spec.external.outcome`"
                );
                return Plan::converge(Reason::Running, message, Vec::new());
            }
            of_output(desired, table, output, &location)
        }
        Work::Own(own) => match attempt::progress(own, table, world, now) {
            Stage::Plan(plan) => return plan,
            Stage::Done(location) => match &world.output {
                Some(output) => match written(own, table, world, output) {
                    Ok(output) => of_output(desired, table, &output, &location),
                    Err((Reason::OutputInvalid, why)) => Err(why),
                    Err((reason, why)) => return Plan::blocked(reason, why),
                },
                None => return Plan::converge(Reason::Running, format!("looking at {location}"), Vec::new()),
            },
        },
        Work::Rollback(run) => {
            let Some(pointers) = &world.pointers else {
                let message = format!("looking for what points to run '{run}'");
                return Plan::converge(Reason::Running, message, Vec::new());
            };
            // What is taken back already points there no more: the manifest knows what it was.
            if let Some(Ok((there, _))) = &world.manifest {
                let partitions = there.partitions.clone();
                Ok(manifest_of(desired, table, RunTimes::default(), partitions))
            } else if pointers.is_empty() {
                Err(format!(
                    "nothing in '{}' points to run '{run}', so there is nothing to take back",
                    table.key
                ))
            } else {
                let partition =
                    |(values, pointer): (&Vec<String>, &publication::Pointer)| ManifestPartition {
                        values: values.clone(),
                        location: pointer.previous.as_ref().map(|previous| previous.location.clone()),
                        run: pointer.previous.as_ref().and_then(|previous| previous.run.clone()),
                        times: pointer.previous.as_ref().map(|previous| previous.times),
                        files: 0,
                        bytes: 0,
                        sha256: None,
                    };
                let partitions = pointers.iter().map(partition).collect();
                Ok(manifest_of(desired, table, RunTimes::default(), partitions))
            }
        }
    };
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(why) => return Plan::blocked(Reason::OutputInvalid, why),
    };
    if let Some(plan) = gates::refusal(desired, table, world, now) {
        return plan;
    }
    let location = publication::manifest(&table.root, &desired.run);
    match &world.manifest {
        None => {
            let profile = table.key.profile.clone();
            let step = RunStep::WriteManifest { profile, location, manifest: Box::new(manifest) };
            Plan::converge(Reason::Running, step.to_string(), vec![step])
        }
        Some(Err(why)) => Plan::blocked(Reason::OutputInvalid, format!("at {location}: {why}")),
        // What is said of the times later than it was written is too late.
        Some(Ok((there, _))) if *there == (Manifest { times: there.times, ..manifest }) => {
            Plan::converge(Reason::Publishing, "its table is asked to publish it", Vec::new())
        }
        Some(Ok(_)) => Plan::blocked(
            Reason::OutputInvalid,
            format!(
                "what is in its directory is not what its manifest {location} says: it has been written to since, and a manifest \
                 never changes; make a run of the next revision, under another name: `mizuumi rerun {}`",
                desired.run
            ),
        ),
    }
}

/// What an attempt has brought: what lies in its directory, as far as its shadow table knows of it if it writes by name.
fn written<'a>(
    own: &OwnWork,
    table: &TargetTable,
    world: &RunWorld,
    output: &'a Output,
) -> Result<Cow<'a, Output>, (Reason, String)> {
    let by_name = own.attempt.as_ref().filter(|attempt| attempt.output_table.is_some());
    let (Some(attempt), Some(shadows)) = (by_name, &own.shadows) else { return Ok(Cow::Borrowed(output)) };
    let seen = world.shadows.clone().unwrap_or_default();
    shadow::brought(shadows, table, attempt, &seen, output).map(Cow::Owned)
}

/// The table that a run is for, or what to do without it.
fn target(desired: &DesiredRun) -> Result<&TargetTable, Plan<RunStep>> {
    let name = &desired.table;
    match &desired.target {
        Target::Table(table) => Ok(table),
        Target::Unknown => {
            let message = format!("looking for DataTable '{name}'");
            Err(Plan::converge(Reason::Progressing, message, Vec::new()))
        }
        Target::Missing => Err(Plan::blocked(
            Reason::TableNotFound,
            format!(
                "there is no DataTable '{name}' in this namespace; apply it, and the run goes on by itself"
            ),
        )),
        Target::Refused(why) => Err(Plan::blocked(
            Reason::TableNotPublished,
            format!("no run can be published into DataTable '{name}': {why}"),
        )),
    }
}

fn manifest_of(
    desired: &DesiredRun,
    table: &TargetTable,
    times: RunTimes,
    partitions: Vec<ManifestPartition>,
) -> Manifest {
    let (order, rolls_back) = match &desired.work {
        Work::External { order, .. } => (Some(order.clone()), None),
        Work::Own(own) => (Some(own.order.clone()), None),
        Work::Rollback(run) => (None, Some(run.clone())),
        Work::Unsaid => (None, None),
    };
    Manifest { table: table.key.to_string(), run: desired.run.clone(), order, times, rolls_back, partitions }
}

/// The manifest of what lies in a run's directory, or why that cannot be published.
fn of_output(
    desired: &DesiredRun,
    table: &TargetTable,
    output: &Output,
    location: &str,
) -> Result<Manifest, String> {
    if let Some(stray) = output.strays.first() {
        let keys: Vec<String> = table.keys.iter().map(|key| format!("{key}=…/")).collect();
        let more = output.strays.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return Err(format!(
            "'{stray}'{more} does not lie in a directory '{}' of its own, and would be read by nobody",
            keys.concat()
        ));
    }
    if output.partitions.is_empty() {
        return Err(format!("there is no data in {location}"));
    }
    let result = output.result.as_ref().map(Result::as_ref).transpose().map_err(Clone::clone)?;
    if let Some(why) = result.and_then(|result| result.refusal(output, location)) {
        return Err(why);
    }
    if let (Work::Own(own), Some(result)) = (&desired.work, result)
        && let Some(why) = own.object.spec.before.as_ref().and_then(|before| result.went_back(before))
    {
        return Err(why);
    }
    let said = result.and_then(|result| result.data_time);
    let partitions = output.partitions.iter().map(|(values, partition)| ManifestPartition {
        values: values.clone(),
        location: Some(partition.location.clone()),
        run: None,
        times: None,
        files: partition.files,
        bytes: partition.bytes,
        sha256: Some(partition.sha256.clone()),
    });
    let data_time = match &desired.work {
        Work::External { data_time, .. } => data_time.or(said),
        // It was made from what there is up to the session, and is not newer than that.
        Work::Own(own) => Some(said.map_or(own.order.session_time, |said| said.min(own.order.session_time))),
        Work::Rollback(_) | Work::Unsaid => None,
    };
    let times = RunTimes { data_time, loaded_at: output.newest };
    Ok(manifest_of(desired, table, times, partitions.collect()))
}
