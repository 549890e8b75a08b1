//! `EmrCluster`: a cluster of EMR on EC2, through its whole life.

pub mod auto_scaling;
pub mod configuration;
pub mod instances;
pub mod lifecycle;
pub mod status;
pub mod step;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use auto_scaling::{Adjustment, AutoScaling, Comparison, ScalingRule, ScalingTrigger, Statistic};
pub use configuration::{BootstrapAction, Configuration, ConfigurationSource, NestedConfiguration};
pub use instances::{
    Ebs, FleetInstanceType, InstanceFleet, InstanceGroup, ManagedScaling, Market, Role, ScalingUnit,
    SpotAllocation, SpotTimeoutAction, Volume,
};
pub use lifecycle::{Lifecycle, OnSpecChange, Schedule};
pub use status::{
    Attempt, AttemptState, ClusterFailure, EmrClusterStatus, FailedStep, GroupStatus, Link, LostInstance,
    LostInstances, PastCluster, Phase, RunStepState, RunStepStatus, StepsStatus,
};
pub use step::{Step, StepFailure};

use crate::duration::ShortDuration;
use crate::policy::{DeletionPolicy, ManagementPolicy};

/// A cluster of EMR on EC2.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "EmrCluster",
    namespaced,
    status = "EmrClusterStatus",
    shortname = "emrc",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "A cluster of EMR on EC2: started when it is due, ended when it is done, never lost and never doubled.",
    selectable = ".spec.className",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a cluster must be no more than 63 characters"),
    printcolumn(name = "Lifecycle", type_ = "string", json_path = ".spec.lifecycle"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Cluster", type_ = "string", json_path = ".status.clusterId"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.className", priority = 1),
    printcolumn(name = "EMR-state", type_ = "string", json_path = ".status.emrState", priority = 1),
    printcolumn(name = "Hours", type_ = "integer", json_path = ".status.normalizedInstanceHours", priority = 1),
    printcolumn(name = "Started", type_ = "date", json_path = ".status.startedAt", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("(self.lifecycle == 'Scheduled') == has(self.schedule)")
        .message("`schedule` must be set when `lifecycle` is 'Scheduled', and only then").reason(Reason::FieldValueInvalid).field_path(".schedule"),
    validation = Rule::new("self.lifecycle != 'Batch' || (has(self.steps) && self.steps.size() > 0)")
        .message("`steps` must be set when `lifecycle` is 'Batch': the cluster ends with them").reason(Reason::FieldValueRequired).field_path(".steps"),
    validation = Rule::new("self.lifecycle == 'Batch' || !has(self.steps)")
        .message("`steps` goes with `lifecycle` 'Batch'; other clusters get theirs from runs").reason(Reason::FieldValueForbidden).field_path(".steps"),
    validation = Rule::new("!(has(self.instanceGroups) && has(self.instanceFleets))")
        .message("`instanceGroups` and `instanceFleets` exclude each other").reason(Reason::FieldValueInvalid).field_path(".instanceFleets"),
    validation = Rule::new("!has(self.managedScaling) || !has(self.instanceGroups) || !self.instanceGroups.exists(g, has(g.autoScaling))")
        .message("`managedScaling` and `autoScaling` of a group exclude each other").reason(Reason::FieldValueInvalid).field_path(".managedScaling"),
)]
#[serde(rename_all = "camelCase")]
pub struct EmrClusterSpec {
    /// Name of the `EmrClusterClass` that the cluster is built from; its rules cannot be loosened here.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub class_name: String,
    /// When the cluster runs.
    pub lifecycle: Lifecycle,
    /// With `Scheduled`: the window in which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// After so long without work the cluster ends by itself, whatever becomes of the controller. Without it, the class says.
    /// From 1m to 7d (EMR's bounds).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ShortDuration>,
    /// So old the cluster is ended, whatever it does. Without it, the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<ShortDuration>,
    /// EMR release, such as `emr-7.5.0`. Without it, the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^emr-[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$"))]
    pub release_label: Option<String>,
    /// Applications to install, such as `Spark`. Without it, the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub applications: Option<Vec<String>>,
    /// Settings of the applications. They win over those of `configurationsFrom` and of the class's defaults; what the class
    /// has as mandatory wins over all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations: Option<Vec<Configuration>>,
    /// Pieces of settings that stand elsewhere, in order: where two say the same property, the later wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations_from: Option<Vec<ConfigurationSource>>,
    /// Scripts that run on each node before the applications start, after those of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub bootstrap_actions: Option<Vec<BootstrapAction>>,
    /// The nodes, in groups of one instance type each. Without groups or fleets, the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_groups: Option<Vec<InstanceGroup>>,
    /// The nodes, in fleets of several instance types each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_fleets: Option<Vec<InstanceFleet>>,
    /// Lets EMR scale core and task nodes by the load. Their counts are EMR's then, and never drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_scaling: Option<ManagedScaling>,
    /// How many steps run at once; without it, the class says, or 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub step_concurrency: Option<i32>,
    /// Keeps the cluster from being ended by anybody but this resource's deletion or its lifecycle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// With `Batch`: what the cluster does, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub steps: Option<Vec<Step>>,
    /// Tags of the cluster and its instances. Keys must not begin with `mizuumi:` or `aws:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tag_map")]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('mizuumi:') && !k.startsWith('aws:'))").message("tags must not start with 'mizuumi:' or 'aws:'; those are written by the controller and by AWS"))]
    pub tags: Option<BTreeMap<String, String>>,
    /// What happens to a running cluster when something changes that a running cluster cannot change.
    #[serde(default)]
    pub on_spec_change: OnSpecChange,
    /// What happens to the cluster when this object is deleted; without it, `Delete`: it is terminated.
    #[serde(default = "delete")]
    pub deletion_policy: DeletionPolicy,
    /// Whether the controller writes to AWS.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// Stop writing to AWS for a while: nothing is started or changed. Deletion goes on working, and so does the end by
    /// idleness, which is EMR's own.
    #[serde(default)]
    pub suspend: bool,
}

const fn delete() -> DeletionPolicy {
    DeletionPolicy::Delete
}

/// A map of at most 40 tags; EMR bounds keys at 128 characters and values at 256, and ten of the fifty are the controller's.
pub(crate) fn tag_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 40,
        "additionalProperties": { "type": "string", "maxLength": 256 }
    })
}
