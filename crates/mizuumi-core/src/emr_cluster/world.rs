//! What is observed of a resource's clusters in EMR.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{AutoScaling, Configuration, GroupStatus, LostInstance, StepsStatus};

use super::network::Subnet;
use super::request::{Scaling, Targets};
use super::run_steps::{SeenSteps, StepsLook};
use crate::failure::Failure;

/// The tag that says who keeps a cluster.
pub const OWNER: &str = "mizuumi:owner";
/// The tag that says which attempt made it.
pub const ATTEMPT: &str = "mizuumi:attempt";
/// The tag that holds the hash of what a running cluster cannot change.
pub const REQUEST: &str = "mizuumi:request";

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterLook {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// What the names of this resource's clusters begin with.
    pub stem: String,
    /// The attempt whose outcome may not be known: its nonce, and when it was written down.
    pub attempt: Option<(String, Timestamp)>,
    /// The cluster that there was last, whether alive or not.
    pub cluster_id: Option<String>,
    /// Ids of subnets that have to be looked at while none of its clusters is alive.
    pub subnets: Vec<String>,
    /// Steps that runs have asked for and that may be under way.
    pub run_steps: Vec<StepsLook>,
    /// The description of a cluster that gets or loses nodes holds for so long: lists tell nothing of that.
    pub resizing: SignedDuration,
}

/// The clusters of a resource as they were seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterWorld {
    /// Every cluster that is alive and bears the resource's stem in its name; and the last one, if it has ended.
    pub clusters: Vec<Cluster>,
    /// When the listing began that they come from.
    pub listed: Option<Timestamp>,
    /// When the descriptions of them began, by EMR's ids.
    pub described: BTreeMap<String, Timestamp>,
    /// The subnets that were asked for, or why they could not be looked at; none if they were not.
    pub subnets: Option<Result<Vec<Subnet>, Failure>>,
    /// Steps of runs that were looked at, by EMR's id of the cluster.
    pub run_steps: BTreeMap<String, SeenSteps>,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// EMR's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ClusterState,
    /// Why it is in that state: EMR's code and message, either of which may be empty.
    pub reason: (String, String),
    /// What went wrong with it, if EMR has details.
    pub error: Option<ErrorDetail>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it was ready for work.
    pub ready: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether it cannot be terminated.
    pub is_protected: bool,
    /// How many steps run at once.
    pub step_concurrency: i32,
    /// Host name of the master.
    pub master_dns: Option<String>,
    /// Where its logs are.
    pub log_uri: Option<String>,
    /// Its cost so far.
    pub normalized_instance_hours: Option<i64>,
    /// Its groups or fleets.
    pub groups: Vec<Nodes>,
    /// How EMR scales it.
    pub managed_scaling: Option<Scaling>,
    /// After so many seconds without work it ends.
    pub idle_seconds: Option<i64>,
    /// Its steps.
    pub steps: Option<StepsStatus>,
    /// Its applications.
    pub applications: Vec<String>,
    /// Every instance that it lost.
    pub lost: Vec<LostInstance>,
}

/// What went wrong with a cluster (EMR Management Guide, "Error codes with ErrorDetail information").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorDetail {
    /// EMR's code.
    pub code: String,
    /// Its words.
    pub message: String,
    /// What there is to know, by EMR's names; which there are depends on the code.
    pub data: BTreeMap<String, String>,
}

/// Nodes as EMR has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// EMR's id of the group.
    pub id: String,
    /// What is told of it.
    pub told: GroupStatus,
    /// Of a group: its own settings, as they are compared.
    pub configurations: Vec<Configuration>,
    /// Of a group: how it scales, every default filled in.
    pub auto_scaling: Option<AutoScaling>,
    /// Of a fleet: how many units it is to have.
    pub targets: Option<Targets>,
}

/// A cluster's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterState {
    /// Instances are being got.
    Starting,
    /// They are being set up.
    Bootstrapping,
    /// A step runs.
    Running,
    /// No step runs.
    Waiting,
    /// It is ending.
    Terminating,
    /// It has ended.
    Terminated,
    /// It has ended with an error.
    TerminatedWithErrors,
}

impl ClusterState {
    /// EMR's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Bootstrapping => "BOOTSTRAPPING",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Terminating => "TERMINATING",
            Self::Terminated => "TERMINATED",
            Self::TerminatedWithErrors => "TERMINATED_WITH_ERRORS",
        }
    }

    /// The state of that word. One that is not known is taken for one that works, which is left alone.
    #[must_use]
    pub fn of(word: &str) -> Self {
        [
            Self::Starting,
            Self::Bootstrapping,
            Self::Waiting,
            Self::Terminating,
            Self::Terminated,
            Self::TerminatedWithErrors,
        ]
        .into_iter()
        .find(|state| state.name() == word)
        .unwrap_or(Self::Running)
    }

    /// Whether it costs money, or will.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        !matches!(self, Self::Terminated | Self::TerminatedWithErrors)
    }
}

impl Cluster {
    /// Whether its tags say that this owner keeps it, under the name that it has.
    #[must_use]
    pub fn is_of(&self, owner: &str) -> bool {
        self.tags.get(OWNER).is_some_and(|tag| tag == owner)
    }

    /// The attempt that its name says.
    #[must_use]
    pub fn nonce(&self) -> &str {
        self.name.rsplit('-').next().unwrap_or_default()
    }

    /// Whether a group has not as many nodes as EMR wants.
    #[must_use]
    pub fn is_resizing(&self) -> bool {
        self.groups.iter().any(|nodes| nodes.told.running != nodes.told.requested)
    }

    /// Whether no step waits or runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.steps.as_ref().is_none_or(|steps| steps.pending == 0 && steps.running == 0)
    }
}
