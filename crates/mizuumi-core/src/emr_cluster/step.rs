//! What is done about a cluster, one write at a time.

use std::collections::BTreeMap;
use std::fmt;

use mizuumi_api::emr_cluster::{Attempt, AutoScaling, Configuration, RunStepStatus};

use super::request::{Request, Scaling, StepCall, Targets};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterStep {
    /// Ask EMR for a cluster. The attempt is written down before.
    RunJobFlow {
        /// The attempt.
        attempt: Box<Attempt>,
        /// The cluster's name.
        name: String,
        /// Mizuumi's marks.
        marks: BTreeMap<String, String>,
        /// What is asked for.
        request: Box<Request>,
    },
    /// Set how many steps run at once.
    SetStepConcurrency {
        /// Which cluster.
        cluster: Target,
        /// How many before.
        from: i32,
        /// How many.
        to: i32,
    },
    /// Set how EMR scales, or that it does not.
    SetManagedScaling {
        /// Which cluster.
        cluster: Target,
        /// How; none: not.
        to: Option<Scaling>,
    },
    /// Set after how long without work it ends.
    SetIdleTimeout {
        /// Which cluster.
        cluster: Target,
        /// Seconds before.
        from: Option<i64>,
        /// Seconds.
        to: i64,
    },
    /// Set whether it can be terminated.
    SetTerminationProtection {
        /// Which cluster.
        cluster: Target,
        /// Whether it cannot.
        to: bool,
    },
    /// Set how many instances a group has.
    ResizeGroup {
        /// Which cluster.
        cluster: Target,
        /// EMR's id of the group.
        id: String,
        /// Its name.
        group: String,
        /// How many before.
        from: i64,
        /// How many.
        to: i32,
    },
    /// Set how many units a fleet has.
    ResizeFleet {
        /// Which cluster.
        cluster: Target,
        /// EMR's id of the fleet.
        id: String,
        /// Its name.
        fleet: String,
        /// How many before.
        from: Targets,
        /// How many.
        to: Targets,
    },
    /// Set a group's own settings.
    Reconfigure {
        /// Which cluster.
        cluster: Target,
        /// EMR's id of the group.
        id: String,
        /// Its name.
        group: String,
        /// All of its settings; none: those of the cluster.
        to: Vec<Configuration>,
    },
    /// Set how a group scales by rules of its own, or that it does not.
    SetAutoScaling {
        /// Which cluster.
        cluster: Target,
        /// EMR's id of the group.
        id: String,
        /// Its name.
        group: String,
        /// How; none: not.
        to: Option<AutoScaling>,
    },
    /// Add steps that runs ask for. They are written down before.
    AddSteps {
        /// Which cluster.
        cluster: Target,
        /// What is written down of each.
        records: Vec<RunStepStatus>,
        /// The steps.
        calls: Vec<StepCall>,
    },
    /// Cancel steps.
    CancelSteps {
        /// Which cluster.
        cluster: Target,
        /// EMR's ids of the steps.
        ids: Vec<String>,
    },
    /// Set tags.
    AddTags {
        /// Which cluster.
        cluster: Target,
        /// Which.
        tags: BTreeMap<String, String>,
    },
    /// Take tags off.
    RemoveTags {
        /// Which cluster.
        cluster: Target,
        /// Which.
        keys: Vec<String>,
    },
    /// End it.
    Terminate {
        /// Which cluster.
        cluster: Target,
        /// Why, for people.
        why: String,
    },
}

/// A cluster that something is done to, if it still is this owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Profile whose credentials reach it.
    pub profile: String,
    /// EMR's id.
    pub id: String,
    /// The owner that its tags have to name.
    pub owner: String,
}

impl ClusterStep {
    /// The cluster that it is done to; none for one that makes it.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::RunJobFlow { .. } => None,
            Self::SetStepConcurrency { cluster, .. }
            | Self::SetManagedScaling { cluster, .. }
            | Self::SetIdleTimeout { cluster, .. }
            | Self::SetTerminationProtection { cluster, .. }
            | Self::ResizeGroup { cluster, .. }
            | Self::ResizeFleet { cluster, .. }
            | Self::Reconfigure { cluster, .. }
            | Self::SetAutoScaling { cluster, .. }
            | Self::AddSteps { cluster, .. }
            | Self::CancelSteps { cluster, .. }
            | Self::AddTags { cluster, .. }
            | Self::RemoveTags { cluster, .. }
            | Self::Terminate { cluster, .. } => Some(cluster),
        }
    }

    /// The reason that the Event about this step carries.
    #[must_use]
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::RunJobFlow { .. } => "ClusterStarted",
            Self::SetStepConcurrency { .. }
            | Self::SetManagedScaling { .. }
            | Self::SetIdleTimeout { .. }
            | Self::SetTerminationProtection { .. }
            | Self::Reconfigure { .. }
            | Self::SetAutoScaling { .. }
            | Self::AddTags { .. }
            | Self::RemoveTags { .. } => "ClusterUpdated",
            Self::ResizeGroup { .. } | Self::ResizeFleet { .. } => "ClusterResized",
            Self::AddSteps { .. } => "StepsAdded",
            Self::CancelSteps { .. } => "StepsCancelled",
            Self::Terminate { .. } => "ClusterTerminated",
        }
    }
}

impl fmt::Display for ClusterStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: Vec<String>| all.join(", ");
        match self {
            Self::RunJobFlow { name, request, attempt, .. } => {
                let fixed = &request.fixed;
                write!(
                    f,
                    "start cluster '{name}' (attempt {}): {}, {}, {} steps",
                    attempt.number,
                    fixed.release_label,
                    fixed.applications.join(" "),
                    fixed.steps.len()
                )
            }
            Self::SetStepConcurrency { cluster, from, to } => {
                write!(f, "update cluster {}: step concurrency {from} -> {to}", cluster.id)
            }
            Self::SetManagedScaling { cluster, to: None } => {
                write!(f, "update cluster {}: no managed scaling", cluster.id)
            }
            Self::SetManagedScaling { cluster, to: Some(to) } => {
                write!(f, "update cluster {}: managed scaling {}", cluster.id, to)
            }
            Self::SetIdleTimeout { cluster, from, to } => {
                let from = from.map_or("none".to_owned(), |seconds| format!("{seconds} s"));
                write!(f, "update cluster {}: idle timeout {from} -> {to} s", cluster.id)
            }
            Self::SetTerminationProtection { cluster, to } => {
                write!(f, "update cluster {}: termination protection {to}", cluster.id)
            }
            Self::ResizeGroup { cluster, group, from, to, .. } => {
                write!(f, "resize cluster {}: group '{group}' {from} -> {to} instances", cluster.id)
            }
            Self::ResizeFleet { cluster, fleet, from, to, .. } => {
                write!(f, "resize cluster {}: fleet '{fleet}' {from} -> {to}", cluster.id)
            }
            Self::Reconfigure { cluster, group, to, .. } => {
                let all: Vec<String> = to.iter().map(|one| one.classification.clone()).collect();
                let what = if all.is_empty() { "none of its own".to_owned() } else { list(all) };
                write!(f, "update cluster {}: settings of group '{group}': {what}", cluster.id)
            }
            Self::SetAutoScaling { cluster, group, to: None, .. } => {
                write!(f, "update cluster {}: no automatic scaling of group '{group}'", cluster.id)
            }
            Self::SetAutoScaling { cluster, group, to: Some(to), .. } => {
                let rules = list(to.rules.iter().map(|rule| rule.name.clone()).collect());
                write!(
                    f,
                    "update cluster {}: automatic scaling of group '{group}' {} to {}, {rules}",
                    cluster.id, to.min, to.max
                )
            }
            Self::AddSteps { cluster, calls, .. } => {
                let names = calls.iter().map(|call| call.name.clone()).collect();
                write!(f, "add steps to cluster {}: {}", cluster.id, list(names))
            }
            Self::CancelSteps { cluster, ids } => {
                write!(f, "cancel steps of cluster {}: {}", cluster.id, list(ids.clone()))
            }
            Self::AddTags { cluster, tags } => {
                let tags = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
                write!(f, "update cluster {}: tags {}", cluster.id, list(tags))
            }
            Self::RemoveTags { cluster, keys } => {
                write!(f, "update cluster {}: without tags {}", cluster.id, list(keys.clone()))
            }
            Self::Terminate { cluster, why } => write!(f, "terminate cluster {}: {why}", cluster.id),
        }
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on demand, {} spot", self.on_demand, self.spot)
    }
}

impl fmt::Display for Scaling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to {} {}, {} on demand, {} core",
            self.min, self.max, self.unit, self.max_on_demand, self.max_core
        )
    }
}
