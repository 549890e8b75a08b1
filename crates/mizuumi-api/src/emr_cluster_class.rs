//! `EmrClusterClass`: the guard rails and the pieces that clusters are built from. It belongs to the platform team.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::ShortDuration;
use crate::emr_cluster::{
    BootstrapAction, Configuration, InstanceFleet, InstanceGroup, ManagedScaling, tag_map,
};

/// What clusters are built from, and what none of them may break.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "EmrClusterClass",
    shortname = "emrcc",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "The guard rails and the pieces that EMR clusters are built from. Teams name it; only the platform team changes it.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a class must be no more than 63 characters"),
    printcolumn(name = "Profile", type_ = "string", json_path = ".spec.profile"),
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.defaults.releaseLabel"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EmrClusterClassSpec {
    /// Namespaces whose clusters may name this class; a final `*` stands for any ending.
    #[schemars(length(min = 1, max = 200), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
    /// Profile of the installation's configuration, which has the roles, the subnets and where logs go; without it, `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub profile: Option<String>,
    /// What a cluster has where it does not say otherwise.
    #[serde(default)]
    pub defaults: ClassDefaults,
    /// What every cluster has, whatever it says.
    #[serde(default)]
    pub mandatory: ClassMandatory,
    /// What no cluster may be.
    #[serde(default)]
    pub rules: ClassRules,
}

/// What a cluster has where it does not say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassDefaults {
    /// EMR release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^emr-[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$"))]
    pub release_label: Option<String>,
    /// Applications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub applications: Option<Vec<String>>,
    /// Settings of applications; those of a cluster win, property by property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations: Option<Vec<Configuration>>,
    /// Groups of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_groups: Option<Vec<InstanceGroup>>,
    /// Fleets of nodes, where there are no groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_fleets: Option<Vec<InstanceFleet>>,
    /// How EMR scales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_scaling: Option<ManagedScaling>,
    /// After so long without work a cluster ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<ShortDuration>,
    /// So old a cluster is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<ShortDuration>,
    /// How many steps run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub step_concurrency: Option<i32>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tag_map")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// What every cluster has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassMandatory {
    /// Settings that win over all others, property by property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations: Option<Vec<Configuration>>,
    /// Scripts that run before a cluster's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub bootstrap_actions: Option<Vec<BootstrapAction>>,
    /// Tags that win over all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tag_map")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// How a cluster may scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingMode {
    /// Not by itself.
    Fixed,
    /// By EMR's managed scaling.
    Managed,
    /// By rules of its groups.
    Automatic,
}

/// What way to the internet a subnet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubnetType {
    /// None, or through a NAT gateway or the like.
    Private,
    /// Through an internet gateway.
    Public,
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Required {
    /// It has to.
    Required,
}

/// What no cluster may be. A rule that is not set refuses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassRules {
    /// Releases that are allowed; a final `*` stands for any ending: `emr-7.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub releases: Option<Vec<String>>,
    /// Instance types that are allowed; a final `*` stands for any ending: `m6g.*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub instance_types: Option<Vec<String>>,
    /// Core nodes are bought on demand: HDFS is not lost with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_on_demand: Option<bool>,
    /// Task nodes are bought as spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_spot: Option<bool>,
    /// At most so many core nodes, scaled ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2000))]
    pub max_core: Option<i32>,
    /// At most so many core and task units on demand, scaled ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_on_demand: Option<i32>,
    /// At most so many core and task units in all, scaled ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_units: Option<i32>,
    /// Each core and task node has disks of at least so many GiB together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_storage_gib: Option<i32>,
    /// How clusters may scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub scaling: Option<Vec<ScalingMode>>,
    /// What the profile's subnets have to be, by their route tables, which are looked at before a cluster is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_type: Option<SubnetType>,
    /// Whether the route table of each of the profile's subnets has to have a gateway endpoint of S3, by which data does not
    /// go through a NAT gateway. It is looked for before a cluster is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3_endpoint: Option<Required>,
    /// How many steps may run at once, by the master's instance type: the first that fits counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub step_concurrency: Option<Vec<StepConcurrencyRule>>,
    /// At most so long a cluster may be idle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_idle: Option<ShortDuration>,
    /// At most so old a cluster may get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<ShortDuration>,
    /// Tags that each cluster has to have, whatever their value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub required_tags: Option<Vec<String>>,
}

/// How many steps may run at once with some master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepConcurrencyRule {
    /// The master's instance type; a final `*` stands for any ending.
    #[schemars(length(min = 1, max = 64))]
    pub master_type: String,
    /// At most so many.
    #[schemars(range(min = 1, max = 256))]
    pub max: i32,
}
