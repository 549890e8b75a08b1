//! `QualityCheck`: its rules, when they are evaluated, what becomes of them, and which runs they let pass.

pub mod analyses;
pub mod desired;
pub mod evaluate;
pub mod facts;
pub mod gate;
pub mod iceberg;
mod number;
pub mod query;
pub mod report;
pub mod rows;
pub mod rules;
pub mod statement;
pub mod world;

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::quality_check::{QualityCheck, QualityCheckStatus};
use mizuumi_api::{Condition, Installation, Reason};

pub use desired::{CheckAround, CheckClaim, CheckedTable, DesiredCheck, SeenTable};
pub use facts::{CatalogFacts, Known};
pub use gate::GateRules;
pub use query::{Asking, CheckStep, StartQuery};
pub use rows::Answer;
pub use rules::Rules;
pub use statement::Statement;
pub use world::{CheckLook, CheckWorld, FilesLook, FoundQuery, QueryLook, SeenQuery};

use crate::kind::{DataDue, DataReading, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// The kind.
#[derive(Debug)]
pub struct Checks;

/// Which check.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for CheckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a goal for a check is.
pub type CheckGoal = Goal<DesiredCheck, CheckClaim>;

impl Kind for Checks {
    type Object = QualityCheck;
    type Around = CheckAround;
    type Status = QualityCheckStatus;
    type Key = CheckKey;
    type Desired = DesiredCheck;
    type Claim = CheckClaim;
    type Look = CheckLook;
    type World = CheckWorld;
    /// A check only looks: an evaluation is a look at data, and the status says what came of it. A query has to be started, though.
    type Step = CheckStep;

    const NAME: &'static str = "QualityCheck";
    const RECORDS: bool = true;

    fn key(object: &QualityCheck) -> CheckKey {
        CheckKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &QualityCheck, installation: &Installation) -> Result<CheckGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Goal::Absent(CheckClaim::new(object, installation)));
        }
        DesiredCheck::new(object, installation).map(Goal::Present)
    }

    fn heed(goal: &mut CheckGoal, _object: &QualityCheck, around: CheckAround) {
        match goal {
            Goal::Present(desired) => {
                desired.around = around;
                desired.athena = desired.seen_table().and_then(|table| table.athena.clone());
            }
            Goal::Absent(claim) | Goal::Released(claim) => claim.heed(&around.table),
        }
    }

    fn look(goal: &CheckGoal) -> CheckLook {
        match goal {
            Goal::Present(desired) => desired.look(),
            Goal::Absent(claim) | Goal::Released(claim) => {
                CheckLook { query: claim.look.clone(), ..CheckLook::default() }
            }
        }
    }

    fn may_write(goal: &CheckGoal) -> bool {
        match goal {
            Goal::Present(_) => true,
            Goal::Absent(claim) | Goal::Released(claim) => claim.look.is_some(),
        }
    }

    fn plan(goal: &CheckGoal, world: &CheckWorld, now: Timestamp) -> Plan<CheckStep> {
        let desired = match goal {
            Goal::Present(desired) => desired,
            Goal::Absent(claim) | Goal::Released(claim) => {
                return match query::stop(claim.look.as_ref(), world) {
                    Some(stop) => {
                        Plan::converge(Reason::Deleting, stop.to_string(), vec![CheckStep::Stop(stop)])
                    }
                    None => Plan::in_sync(None),
                };
            }
        };
        let name = &desired.table;
        match &desired.around.table {
            CheckedTable::Table(_) => query::plan(desired, world, now),
            CheckedTable::Unknown => {
                let message = format!("looking for DataTable '{name}'");
                Plan::converge(Reason::Progressing, message, Vec::new())
            }
            CheckedTable::Missing => Plan::blocked(
                Reason::TableNotFound,
                format!(
                    "there is no DataTable '{name}' in this namespace; apply it, and its rules are evaluated by themselves"
                ),
            ),
            CheckedTable::Refused(why) => {
                let message = format!("DataTable '{name}' cannot be looked at: {why}");
                Plan::blocked(Reason::SpecInvalid, message)
            }
        }
    }

    /// A query is written down before it is started.
    fn record(object: &QualityCheck, step: &CheckStep) -> Option<QualityCheckStatus> {
        let CheckStep::Start(step) = step else { return None };
        let status = object.status.clone().unwrap_or_default();
        Some(QualityCheckStatus { query: Some(step.record.clone()), ..status })
    }

    fn report(
        object: &QualityCheck,
        goal: Option<&CheckGoal>,
        evidence: &Evidence<CheckWorld, CheckStep>,
        now: Timestamp,
    ) -> QualityCheckStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &QualityCheckStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &CheckStep) -> &'static str {
        match step {
            CheckStep::Start(_) => "QueryStarted",
            CheckStep::Stop(_) => "QueryStopped",
        }
    }

    fn rests_on_data(step: &CheckStep) -> bool {
        matches!(step, CheckStep::Start(_))
    }

    /// When the rules are evaluated.
    fn next_look(goal: &CheckGoal, world: &CheckWorld, now: Timestamp) -> Option<DataDue> {
        let Goal::Present(desired) = goal else { return None };
        let at = desired.due(world, now)?;
        Some(DataDue { at, reading: DataReading::Newest, is_urgent: true })
    }

    fn next_flip(_object: &QualityCheck, _status: &QualityCheckStatus, _now: Timestamp) -> Option<Timestamp> {
        None
    }
}
