//! What an `EmrCluster` says back.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instances::{Market, Role};
use crate::condition::Condition;
use crate::data_table::PlanStatus;

/// What was observed. Times, never ages, so that nothing changes while nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmrClusterStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Where in its life the cluster is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// EMR's id of the cluster that there is, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Its name in EMR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub cluster_name: Option<String>,
    /// Its state in EMR's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub emr_state: Option<String>,
    /// Why it is in that state, in EMR's words: `CODE: message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub emr_reason: Option<String>,
    /// What went wrong, if it ended with an error and EMR has details of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ClusterFailure>,
    /// Host name of the master node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub master_dns: Option<String>,
    /// Where its logs are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub log_uri: Option<String>,
    /// Web pages of its applications, for who can reach the master node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub links: Vec<Link>,
    /// When EMR was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it was ready for work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub groups: Vec<GroupStatus>,
    /// Instances that it lost while it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<LostInstances>,
    /// Its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<StepsStatus>,
    /// The steps that runs have asked for and not taken note of yet. Each is written down before EMR is asked, so that none is
    /// done twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["nonce".into()]))]
    pub runs: Vec<RunStepStatus>,
    /// What it has cost so far, in EMR's normalized instance hours: a small instance for an hour is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub normalized_instance_hours: Option<i64>,
    /// The attempt to start a cluster that was made last. It is written down before EMR is asked, so that no cluster is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Clusters that have ended, the latest first; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub history: Vec<PastCluster>,
    /// With `managementPolicy: Plan`, what would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// Where in its life a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// None is wanted now.
    Stopped,
    /// One is wanted, and EMR has not been asked yet.
    Pending,
    /// Whether EMR made one is not known; it is looked for.
    Verifying,
    /// EMR starts it.
    Starting,
    /// Its nodes are being set up.
    Bootstrapping,
    /// It works.
    Running,
    /// It waits for work.
    Waiting,
    /// It is ending.
    Terminating,
    /// It did all that it was there for.
    Completed,
    /// It ended with an error.
    Failed,
}

/// An attempt to start a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Counts the attempts of this resource.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// The last part of the cluster's name, by which it is found again.
    #[schemars(length(min = 1, max = 32))]
    pub nonce: String,
    /// Profile of the installation's configuration whose credentials EMR was asked with.
    #[schemars(length(max = 63))]
    pub profile: String,
    /// Hash of what EMR was asked for.
    #[schemars(length(max = 64))]
    pub request: String,
    /// When it was written down, right before EMR was asked.
    pub started_at: Timestamp,
    /// What came of it.
    pub state: AttemptState,
    /// How many complete listings have not shown it, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub unseen: Option<i64>,
    /// Since when nobody can be on the way to ask EMR for it: the second of those listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sought_since: Option<Timestamp>,
    /// When it was looked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// Id of the cluster that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AttemptState {
    /// Not known yet.
    Open,
    /// A cluster.
    Made,
    /// Nothing: EMR said no, or was never asked.
    Refused,
    /// A cluster, which has ended.
    Ended,
}

/// Nodes as EMR has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupStatus {
    /// Name of the group or fleet.
    #[schemars(length(max = 64))]
    pub name: String,
    /// What its nodes do.
    pub role: Role,
    /// How many EMR wants: instances, or units of a fleet.
    #[schemars(range(min = 0))]
    pub requested: i64,
    /// How many run.
    #[schemars(range(min = 0))]
    pub running: i64,
    /// Its state in EMR's words.
    #[schemars(length(max = 64))]
    pub state: String,
    /// Why it is in that state, in EMR's words, where it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

/// What went wrong with a cluster, as EMR details it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterFailure {
    /// EMR's code, such as `BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE`.
    #[schemars(length(max = 128))]
    pub code: String,
    /// The same in EMR's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// Where the log of the bootstrap action is that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1200))]
    pub log_uri: Option<String>,
    /// EMR's page about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub help: Option<String>,
}

/// A web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Of what.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Where.
    #[schemars(length(max = 512))]
    pub url: String,
}

/// Instances that a cluster lost; those that were let go when it was made smaller are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostInstances {
    /// How many spot instances.
    #[schemars(range(min = 0))]
    pub spot: i64,
    /// How many that were bought on demand.
    #[schemars(range(min = 0))]
    pub on_demand: i64,
    /// The latest of them, at most five, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub latest: Vec<LostInstance>,
}

/// An instance that a cluster lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LostInstance {
    /// EC2's id.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Name of its group or fleet, while EMR tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub group: Option<String>,
    /// How it was bought.
    pub market: Market,
    /// When it was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why, in EMR's words: taken back by EC2, unhealthy, its disk full.
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// Steps as EMR has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepsStatus {
    /// How many wait.
    #[schemars(range(min = 0))]
    pub pending: i64,
    /// How many run.
    #[schemars(range(min = 0))]
    pub running: i64,
    /// How many ended well.
    #[schemars(range(min = 0))]
    pub completed: i64,
    /// How many failed, or were cancelled or interrupted.
    #[schemars(range(min = 0))]
    pub failed: i64,
    /// The first that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailedStep>,
}

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedStep {
    /// EMR's id.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Its name.
    #[schemars(length(max = 256))]
    pub name: String,
    /// Why, in EMR's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// Where the log is that tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub log_file: Option<String>,
}

/// A step that a run has asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStepStatus {
    /// The run.
    #[schemars(length(max = 63))]
    pub run: String,
    /// What tells the run's attempt from others; the last part of the step's name.
    #[schemars(length(min = 1, max = 32))]
    pub nonce: String,
    /// What is known of the step.
    pub state: RunStepState,
    /// When it was written down, right before EMR was asked.
    pub asked_at: Timestamp,
    /// EMR's id of the cluster.
    #[schemars(length(max = 64))]
    pub cluster_id: String,
    /// EMR's id of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub step_id: Option<String>,
    /// How many complete listings have not shown it, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub unseen: Option<i64>,
    /// Since when nobody can be on the way to ask EMR for it: the second of those listings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sought_since: Option<Timestamp>,
    /// When it was looked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// Why it failed, in EMR's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 300))]
    pub message: Option<String>,
}

impl RunStepStatus {
    /// EMR's ids of cluster and step.
    #[must_use]
    pub fn external_id(&self) -> String {
        format!("{}/{}", self.cluster_id, self.step_id.as_deref().unwrap_or("?"))
    }
}

/// What is known of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunStepState {
    /// Whether EMR has it is not known yet.
    Open,
    /// It waits for its turn.
    Pending,
    /// It runs.
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// Its cluster ended before it, or EMR never had it.
    Lost,
}

impl RunStepState {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Lost)
    }
}

/// A cluster that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastCluster {
    /// EMR's id.
    #[schemars(length(max = 64))]
    pub cluster_id: String,
    /// When EMR was asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Its last state in EMR's words.
    #[schemars(length(max = 64))]
    pub emr_state: String,
    /// Why, in EMR's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub emr_reason: Option<String>,
    /// What it cost, in normalized instance hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub normalized_instance_hours: Option<i64>,
}
