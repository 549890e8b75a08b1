//! `EmrCluster`: when a cluster is to run, what it is made of, and how it is never lost and never doubled.

mod canonical;
mod changes;
pub mod configuration;
pub mod desired;
pub mod import;
pub mod network;
pub mod nodes;
pub mod piece;
pub mod plan;
pub mod report;
pub mod request;
pub mod rules;
pub mod run_steps;
pub mod schedule;
pub mod simulate;
pub mod step;
mod told;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::data_table::{DeletionPolicy, ManagementPolicy};
use mizuumi_api::emr_cluster::{Attempt, AttemptState, EmrCluster, EmrClusterStatus};
use mizuumi_api::{Condition, EmrClusterClass, Installation, Reason};

pub use configuration::Merged;
pub use desired::{Called, ClusterClaim, DesiredCluster, Made, stem};
pub use request::Request;
pub use run_steps::{AskedStep, Awaited};
pub use step::ClusterStep;
pub use world::{Cluster, ClusterLook, ClusterState, ClusterWorld, ErrorDetail};

use crate::kind::{DataDue, Evidence, Kind};
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// The kind.
#[derive(Debug)]
pub struct Clusters;

/// Which cluster: EMR names none of its own, so it is the resource's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterKey {
    /// Namespace of the resource.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a cluster is built from that stands elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    /// Its class, if there is one.
    pub class: Option<Box<EmrClusterClass>>,
    /// The data of the ConfigMaps that it names; none where there is no such ConfigMap.
    pub config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// Steps that runs ask it for; none while the runs have not been listed.
    pub asked: Option<Vec<AskedStep>>,
    /// When it is needed beside that: by runs between two attempts, and by jobs ahead of a session.
    pub needs: Vec<Awaited>,
}

/// The settings of a cluster's applications, and where each comes from.
///
/// # Errors
/// Why they cannot be put together: the class, or a ConfigMap, is not there or cannot be read.
pub fn settings(object: &EmrCluster, pieces: &Pieces) -> Result<Merged, (Reason, String)> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    Merged::of(&object.spec, desired::class_of(&object.spec, namespace, pieces)?, pieces)
}

/// What a goal for a cluster is.
pub type ClusterGoal = Goal<DesiredCluster, ClusterClaim>;

/// The attempt that may have made a cluster which is still there.
fn open_attempt(object: &EmrCluster) -> Option<&Attempt> {
    let attempt = object.status.as_ref()?.attempt.as_ref()?;
    matches!(attempt.state, AttemptState::Open | AttemptState::Made).then_some(attempt)
}

impl Kind for Clusters {
    type Object = EmrCluster;
    type Around = Pieces;
    type Status = EmrClusterStatus;
    type Key = ClusterKey;
    type Desired = DesiredCluster;
    type Claim = ClusterClaim;
    type Look = ClusterLook;
    type World = ClusterWorld;
    type Step = ClusterStep;

    const NAME: &'static str = "EmrCluster";
    const RECORDS: bool = true;

    fn key(object: &EmrCluster) -> ClusterKey {
        ClusterKey {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    fn goal(object: &EmrCluster, installation: &Installation) -> Result<ClusterGoal, Vec<Problem>> {
        if object.metadata.deletion_timestamp.is_none() {
            return DesiredCluster::new(object, installation).map(Goal::Present);
        }
        let claim = ClusterClaim::new(object, installation);
        let gone = object.spec.deletion_policy == DeletionPolicy::Delete
            && object.spec.management_policy == ManagementPolicy::Full;
        Ok(if gone { Goal::Absent(claim) } else { Goal::Released(claim) })
    }

    fn heed(goal: &mut ClusterGoal, object: &EmrCluster, around: Pieces) {
        match goal {
            Goal::Present(desired) => desired.build(object, &around),
            Goal::Absent(claim) | Goal::Released(claim) => claim.heed(&around),
        }
    }

    fn look(goal: &ClusterGoal) -> ClusterLook {
        match goal {
            Goal::Present(desired) => desired.look(),
            Goal::Absent(claim) | Goal::Released(claim) => claim.look(),
        }
    }

    fn may_write(goal: &ClusterGoal) -> bool {
        match goal {
            Goal::Present(desired) => desired.may_write,
            Goal::Absent(claim) | Goal::Released(claim) => claim.may_write,
        }
    }

    fn plan(goal: &ClusterGoal, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
        plan::plan(goal, world, now)
    }

    fn record(object: &EmrCluster, step: &ClusterStep) -> Option<EmrClusterStatus> {
        let status = || object.status.clone().unwrap_or_default();
        match step {
            ClusterStep::RunJobFlow { attempt, .. } => {
                Some(EmrClusterStatus { attempt: Some((**attempt).clone()), ..status() })
            }
            ClusterStep::AddSteps { records, .. } => {
                let mut status = status();
                status.runs.extend(records.iter().cloned());
                Some(status)
            }
            _ => None,
        }
    }

    fn report(
        object: &EmrCluster,
        goal: Option<&ClusterGoal>,
        evidence: &Evidence<ClusterWorld, ClusterStep>,
        now: Timestamp,
    ) -> EmrClusterStatus {
        report::report(object, goal, evidence, now)
    }

    fn conditions(status: &EmrClusterStatus) -> &[Condition] {
        &status.conditions
    }

    fn event_reason(step: &ClusterStep) -> &'static str {
        step.event_reason()
    }

    fn rests_on_data(_step: &ClusterStep) -> bool {
        false
    }

    /// Whether a step may be added the resource's own status tells, and whether the cluster takes it the last look; forty clusters
    /// share one DescribeCluster a second.
    fn rests_on_definition(step: &ClusterStep) -> bool {
        !matches!(step, ClusterStep::AddSteps { .. } | ClusterStep::CancelSteps { .. })
    }

    fn next_look(_goal: &ClusterGoal, _world: &ClusterWorld, _now: Timestamp) -> Option<DataDue> {
        None
    }

    fn next_flip(_object: &EmrCluster, _status: &EmrClusterStatus, _now: Timestamp) -> Option<Timestamp> {
        None
    }
}
