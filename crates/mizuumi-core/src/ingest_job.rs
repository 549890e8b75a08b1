//! `IngestJob`: when a run of it is due, what that run is, and how each session gets one run.

pub mod by_hand;
mod cursor;
pub mod cycle;
pub mod desired;
pub mod plan;
pub mod prewarm;
pub mod report;
pub mod schedule;
pub mod simulate;
pub mod step;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_job::{IngestJob, IngestJobStatus};
use mizuumi_api::{Condition, Installation};

pub use desired::DesiredJob;
pub use step::JobStep;
pub use world::{JobLook, JobWorld, OwnedBy, SeenRun};

use crate::backfill::Counting;
use crate::ingest_run::Target;
use crate::kind::{DataDue, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;
use crate::source_connection::SeenConnection;

/// The kind.
#[derive(Debug)]
pub struct Jobs;

/// Which job.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What other resources have to do with a job.
#[derive(Clone, Debug, Default)]
pub struct JobAround {
    /// Its table.
    pub target: Target,
    /// The connection that its runs read by, if it names one.
    pub connection: SeenConnection,
    /// The cycle of jobs that keeps its runs from ever beginning, if there is one: namespaces and names.
    pub cycle: Option<Vec<(String, String)>>,
    /// What its backfills have counted, by their names; none as long as not all of them are known.
    pub backfills: Option<BTreeMap<String, Counting>>,
}

/// What a goal for a job is. One that is deleted claims nothing: its runs go with it, since it owns them.
pub type JobGoal = Goal<DesiredJob, ()>;

impl Kind for Jobs {
    type Object = IngestJob;
    type Around = JobAround;
    type Status = IngestJobStatus;
    type Key = JobKey;
    type Desired = DesiredJob;
    type Claim = ();
    type Look = JobLook;
    type World = JobWorld;
    type Step = JobStep;

    const NAME: &'static str = "IngestJob";
    const RECORDS: bool = true;

    fn key(object: &IngestJob) -> JobKey {
        JobKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &IngestJob, installation: &Installation) -> Result<JobGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Goal::Absent(()));
        }
        DesiredJob::new(object, installation).map(Goal::Present)
    }

    fn heed(goal: &mut JobGoal, object: &IngestJob, around: JobAround) {
        if let Goal::Present(desired) = goal {
            let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
            desired.cycle = around.cycle.map(|cycle| cycle::in_words(namespace, &desired.job, &cycle));
            desired.target = around.target;
            desired.connect(&around.connection);
            desired.backfills = around.backfills;
        }
    }

    fn look(goal: &JobGoal) -> JobLook {
        match goal {
            Goal::Present(desired) => JobLook { uid: desired.uid.clone() },
            Goal::Absent(()) | Goal::Released(()) => JobLook::default(),
        }
    }

    fn may_write(goal: &JobGoal) -> bool {
        matches!(goal, Goal::Present(_))
    }

    fn plan(goal: &JobGoal, world: &JobWorld, now: Timestamp) -> Plan<JobStep> {
        match goal {
            Goal::Present(desired) => plan::plan(desired, world, now),
            Goal::Absent(()) | Goal::Released(()) => Plan::in_sync(None),
        }
    }

    /// A session is written down before anything comes of it, and never one before the last.
    fn record(object: &IngestJob, step: &JobStep) -> Option<IngestJobStatus> {
        let status = object.status.clone().unwrap_or_default();
        let last_scheduled_time = status.last_scheduled_time.max(step.session());
        match step {
            JobStep::CreateRun { session, .. } => {
                Some(IngestJobStatus { last_scheduled_time, starting: Some(*session), ..status })
            }
            JobStep::LeaveOut { .. } => Some(IngestJobStatus { last_scheduled_time, ..status }),
            JobStep::CancelRun { .. } | JobStep::DeleteRun { .. } => None,
        }
    }

    fn report(
        object: &IngestJob,
        goal: Option<&JobGoal>,
        evidence: &Evidence<JobWorld, JobStep>,
        now: Timestamp,
    ) -> IngestJobStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &IngestJobStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &JobStep) -> &'static str {
        step.event_reason()
    }

    fn rests_on_data(_step: &JobStep) -> bool {
        false
    }

    fn next_look(_goal: &JobGoal, _world: &JobWorld, _now: Timestamp) -> Option<DataDue> {
        None
    }

    fn next_flip(_object: &IngestJob, _status: &IngestJobStatus, _now: Timestamp) -> Option<Timestamp> {
        None
    }
}
