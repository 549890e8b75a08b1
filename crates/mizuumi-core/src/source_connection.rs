//! `SourceConnection`: what a run is made with that names one, who uses it, and whether its source can be reached.
//!
//! Nothing of it is anywhere but in Kubernetes: the runs that are made with it do the work, and what becomes of them says what there is
//! to say of the source.

pub mod desired;
pub mod fill;
pub mod report;
pub mod tried;

use std::convert::Infallible;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::source_connection::{SourceConnection, SourceConnectionStatus};
use mizuumi_api::{Condition, Installation};

pub use desired::DesiredConnection;
pub use fill::{SeenConnection, filled};
pub use tried::Tried;

use crate::kind::{DataDue, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// The kind.
#[derive(Debug)]
pub struct Connections;

/// Which connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ConnectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Who uses a connection, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Names of the jobs that name it.
    pub jobs: Vec<String>,
    /// What the runs that are there say of the source, the latest of them.
    pub tried: Option<Tried>,
}

/// What a goal for a connection is. One that is deleted claims nothing: its runs have all that they need.
pub type ConnectionGoal = Goal<DesiredConnection, ()>;

impl Kind for Connections {
    type Object = SourceConnection;
    /// None before the jobs and runs have been listed.
    type Around = Option<Usage>;
    type Status = SourceConnectionStatus;
    type Key = ConnectionKey;
    type Desired = DesiredConnection;
    type Claim = ();
    type Look = ();
    type World = ();
    /// Nothing is ever done.
    type Step = Infallible;

    const NAME: &'static str = "SourceConnection";

    fn key(object: &SourceConnection) -> ConnectionKey {
        ConnectionKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &SourceConnection, installation: &Installation) -> Result<ConnectionGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_some() {
            return Ok(Goal::Absent(()));
        }
        DesiredConnection::new(object, installation).map(Goal::Present)
    }

    fn heed(goal: &mut ConnectionGoal, _object: &SourceConnection, around: Option<Usage>) {
        if let Goal::Present(desired) = goal {
            desired.usage = around;
        }
    }

    fn look(_goal: &ConnectionGoal) {}

    fn may_write(_goal: &ConnectionGoal) -> bool {
        false
    }

    fn plan(_goal: &ConnectionGoal, _world: &(), _now: Timestamp) -> Plan<Infallible> {
        Plan::in_sync(None)
    }

    fn report(
        object: &SourceConnection,
        goal: Option<&ConnectionGoal>,
        evidence: &Evidence<(), Infallible>,
        now: Timestamp,
    ) -> SourceConnectionStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &SourceConnectionStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &Infallible) -> &'static str {
        match *step {}
    }

    fn rests_on_data(step: &Infallible) -> bool {
        match *step {}
    }

    fn next_look(_goal: &ConnectionGoal, _world: &(), _now: Timestamp) -> Option<DataDue> {
        None
    }

    fn next_flip(
        _object: &SourceConnection,
        _status: &SourceConnectionStatus,
        _now: Timestamp,
    ) -> Option<Timestamp> {
        None
    }
}
