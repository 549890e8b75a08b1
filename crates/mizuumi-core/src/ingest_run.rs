//! `IngestRun`: where its data goes, whether it is all there, and what is asked to be published.

pub mod attempt;
pub mod columns;
pub mod desired;
pub mod ecs;
pub mod exit_code;
mod gates;
pub mod own_cluster;
pub mod plan;
pub mod report;
pub mod result;
pub mod rollback;
pub mod shadow;
pub mod trace;
pub mod upstream;
pub mod variables;
pub mod work;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_run::{GateQueryStatus, IngestRun, IngestRunStatus, RunPhase};
use mizuumi_api::{Condition, Installation};

pub use desired::{DesiredRun, RunClaim, Sweep, Target, TargetTable};
pub use plan::RunStep;
pub use work::{Covered, Worker};
pub use world::{RunLook, RunWorld};

use crate::data_table::Asked;
use crate::kind::{DataDue, DataReading, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;
use crate::quality_check::GateRules;

/// The kind.
#[derive(Debug)]
pub struct Runs;

/// Which run: nothing outside of Kubernetes is named by it alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for RunKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What other resources have to do with a run.
#[derive(Clone, Debug, Default)]
pub struct RunAround {
    /// Its table.
    pub target: Target,
    /// How far the tables are that it waits for, by their names in Glue.
    pub covered: BTreeMap<String, Covered>,
    /// The clusters that could do its work, or that do.
    pub workers: Vec<Worker>,
    /// The checks that it has to pass.
    pub gates: Vec<GateRules>,
}

/// What a goal for a run is.
pub type RunGoal = Goal<DesiredRun, RunClaim>;

/// What a run asks its table to publish, if it asks.
#[must_use]
pub fn asked(object: &IngestRun) -> Option<Asked> {
    let status = object.status.as_ref()?;
    let manifest = status.manifest.as_ref().filter(|_| status.phase == Some(RunPhase::Publishing))?;
    Some(Asked {
        run: object.metadata.name.clone()?,
        uid: object.metadata.uid.clone()?,
        order: desired::order(object),
        rolls_back: object.spec.rollback.as_ref().map(|rollback| rollback.run.clone()),
        manifest: manifest.location.clone(),
        sha256: manifest.sha256.clone(),
        partitions: manifest.partitions,
    })
}

impl Kind for Runs {
    type Object = IngestRun;
    type Around = RunAround;
    type Status = IngestRunStatus;
    type Key = RunKey;
    type Desired = DesiredRun;
    type Claim = RunClaim;
    type Look = RunLook;
    type World = RunWorld;
    type Step = RunStep;

    const NAME: &'static str = "IngestRun";
    const RECORDS: bool = true;

    fn key(object: &IngestRun) -> RunKey {
        RunKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &IngestRun, installation: &Installation) -> Result<RunGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Goal::Absent(RunClaim::new(object, installation)));
        }
        if let Some(problem) = shadow::problems(object, installation) {
            return Err(vec![problem]);
        }
        Ok(Goal::Present(DesiredRun::new(object, installation)))
    }

    fn heed(goal: &mut RunGoal, object: &IngestRun, around: RunAround) {
        let RunAround { target, covered, workers, gates } = around;
        let own = match goal {
            Goal::Present(desired) => {
                desired.target = target;
                desired.gates = gates;
                match &mut desired.work {
                    desired::Work::Own(own) => Some(own),
                    _ => None,
                }
            }
            Goal::Absent(claim) | Goal::Released(claim) => {
                claim.is_publishing = asked(object).is_some() && target.is_publishing(object);
                if let (Target::Table(table), Some(sweep)) = (&target, &mut claim.shadows)
                    && sweep.profile.is_none()
                {
                    sweep.profile = Some(table.key.profile.clone());
                }
                claim.work.as_mut()
            }
        };
        if let Some(own) = own {
            own.covered = covered;
            own.workers = workers;
        }
    }

    fn look(goal: &RunGoal) -> RunLook {
        match goal {
            Goal::Present(desired) => desired.look(),
            Goal::Absent(claim) | Goal::Released(claim) => claim.look(),
        }
    }

    fn may_write(goal: &RunGoal) -> bool {
        match goal {
            Goal::Present(_) => true,
            Goal::Absent(claim) | Goal::Released(claim) => {
                claim.is_publishing || claim.work.is_some() || claim.shadows.is_some()
            }
        }
    }

    fn plan(goal: &RunGoal, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
        plan::plan(goal, world, now)
    }

    fn record(object: &IngestRun, step: &RunStep) -> Option<IngestRunStatus> {
        let status = object.status.clone().unwrap_or_default();
        match step {
            RunStep::CreateJob { attempt, .. }
            | RunStep::AskCluster { attempt, .. }
            | RunStep::RunTask { attempt, .. } => {
                let known = status.attempt.as_ref().map_or(0, |attempt| attempt.number);
                let mut failed_attempts = trace::forgotten(known, attempt);
                failed_attempts.extend(status.failed_attempts);
                failed_attempts.truncate(report::FAILED_ATTEMPTS);
                Some(IngestRunStatus { attempt: Some((**attempt).clone()), failed_attempts, ..status })
            }
            RunStep::CreateShadow { shadow, .. } => {
                Some(IngestRunStatus { shadow: Some(shadow.clone()), ..status })
            }
            RunStep::CreateAudit { table, .. } => {
                Some(IngestRunStatus { audit: Some(table.clone()), ..status })
            }
            RunStep::StartQuery { uid, query, .. } => {
                let mut gate_queries = status.gate_queries.clone();
                gate_queries.retain(|of| of.uid != *uid);
                gate_queries.push(GateQueryStatus { uid: uid.clone(), query: query.record.clone() });
                Some(IngestRunStatus { gate_queries, ..status })
            }
            // Nothing is to be remembered, since its name says all: but only over the run as it was seen.
            RunStep::CreateCluster { .. } => Some(status),
            RunStep::WriteManifest { .. }
            | RunStep::WriteResult { .. }
            | RunStep::DeleteRun { .. }
            | RunStep::StopTask { .. }
            | RunStep::DeleteJob { .. }
            | RunStep::FillAudit { .. }
            | RunStep::StopQuery(_)
            | RunStep::DeleteShadow { .. } => None,
        }
    }

    fn report(
        object: &IngestRun,
        goal: Option<&RunGoal>,
        evidence: &Evidence<RunWorld, RunStep>,
        now: Timestamp,
    ) -> IngestRunStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &IngestRunStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &RunStep) -> &'static str {
        step.event_reason()
    }

    fn rests_on_data(step: &RunStep) -> bool {
        matches!(step, RunStep::WriteManifest { .. })
    }

    fn next_look(goal: &RunGoal, world: &RunWorld, now: Timestamp) -> Option<DataDue> {
        let Goal::Present(desired) = goal else { return None };
        desired.look().manifest?;
        let at =
            world.looked.map_or(now, |looked| looked.checked_add(desired.least).unwrap_or(Timestamp::MAX));
        Some(DataDue { at, reading: DataReading::Newest, is_urgent: world.looked.is_none() })
    }

    /// When a run that is over is deleted.
    fn next_flip(object: &IngestRun, status: &IngestRunStatus, _now: Timestamp) -> Option<Timestamp> {
        desired::expires_at(object, status)
    }
}
