//! `Backfill`: which sessions of a job's past get a run, so many at once, and what is remembered of them.

pub mod by_hand;
pub mod desired;
pub mod plan;
pub mod report;
pub mod sessions;
pub mod simulate;
pub mod step;
pub mod world;

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::backfill::{Backfill, BackfillStatus};
use mizuumi_api::{Condition, Installation};

pub use desired::{Counting, DesiredBackfill, SeenJob};
pub use step::BackfillStep;
pub use world::{BackfillLook, BackfillWorld, PastLook};

use crate::kind::{DataDue, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// The kind.
#[derive(Debug)]
pub struct Backfills;

/// Which backfill.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackfillKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for BackfillKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One that is deleted: its runs under way are given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillClaim {
    /// Its name.
    pub name: String,
    /// Name of its job.
    pub job: String,
}

/// What a goal for a backfill is.
pub type BackfillGoal = Goal<DesiredBackfill, BackfillClaim>;

impl Kind for Backfills {
    type Object = Backfill;
    type Around = SeenJob;
    type Status = BackfillStatus;
    type Key = BackfillKey;
    type Desired = DesiredBackfill;
    type Claim = BackfillClaim;
    type Look = BackfillLook;
    type World = BackfillWorld;
    type Step = BackfillStep;

    const NAME: &'static str = "Backfill";
    const RECORDS: bool = true;

    fn key(object: &Backfill) -> BackfillKey {
        BackfillKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &Backfill, _installation: &Installation) -> Result<BackfillGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_some() {
            let name = object.metadata.name.clone().unwrap_or_default();
            return Ok(Goal::Absent(BackfillClaim { name, job: object.spec.job.clone() }));
        }
        Ok(Goal::Present(DesiredBackfill::new(object)))
    }

    fn heed(goal: &mut BackfillGoal, _object: &Backfill, around: SeenJob) {
        if let Goal::Present(desired) = goal {
            desired.job = around;
        }
    }

    fn look(goal: &BackfillGoal) -> BackfillLook {
        match goal {
            Goal::Present(desired) => desired.look(),
            Goal::Absent(claim) | Goal::Released(claim) => {
                BackfillLook { job: claim.job.clone(), ..BackfillLook::default() }
            }
        }
    }

    fn may_write(_goal: &BackfillGoal) -> bool {
        true
    }

    fn plan(goal: &BackfillGoal, world: &BackfillWorld, now: Timestamp) -> Plan<BackfillStep> {
        match goal {
            Goal::Present(desired) => plan::plan(desired, world, now),
            Goal::Absent(claim) | Goal::Released(claim) => plan::give_up(claim, world),
        }
    }

    /// A session is written down before its run is made, and never one before the last.
    fn record(object: &Backfill, step: &BackfillStep) -> Option<BackfillStatus> {
        let mut status = object.status.clone().unwrap_or_default();
        match step {
            BackfillStep::CreateRun { session, run } => {
                let name = run.metadata.name.clone().unwrap_or_default();
                status.last_session = Some(*session);
                if !status.active.contains(&name) {
                    status.active.push(name.clone());
                }
                status.starting = Some(name);
            }
            BackfillStep::LeaveOut { to, sessions, .. } => {
                status.last_session = Some(*to);
                status.left_out = Some(status.left_out.unwrap_or_default() + sessions);
            }
            BackfillStep::CancelRun { .. } => return None,
        }
        report::tally(&mut status);
        Some(status)
    }

    fn report(
        object: &Backfill,
        goal: Option<&BackfillGoal>,
        evidence: &Evidence<BackfillWorld, BackfillStep>,
        now: Timestamp,
    ) -> BackfillStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &BackfillStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &BackfillStep) -> &'static str {
        step.event_reason()
    }

    fn rests_on_data(_step: &BackfillStep) -> bool {
        false
    }

    fn next_look(_goal: &BackfillGoal, _world: &BackfillWorld, _now: Timestamp) -> Option<DataDue> {
        None
    }

    fn next_flip(_object: &Backfill, _status: &BackfillStatus, _now: Timestamp) -> Option<Timestamp> {
        None
    }
}
