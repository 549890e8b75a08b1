//! A cluster that does the work of one run and ends with it.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::duration::ShortDuration;
use crate::emr_cluster::{
    BootstrapAction, Configuration, ConfigurationSource, InstanceFleet, InstanceGroup, ManagedScaling,
    tag_map,
};

/// A cluster that is started for one run and ends with its work. What is not said here the class says, and its rules cannot be
/// loosened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!(has(self.instanceGroups) && has(self.instanceFleets))")
        .message("`instanceGroups` and `instanceFleets` exclude each other").reason(Reason::FieldValueInvalid).field_path(".instanceFleets"),
    validation = Rule::new("!has(self.managedScaling) || !has(self.instanceGroups) || !self.instanceGroups.exists(g, has(g.autoScaling))")
        .message("`managedScaling` and `autoScaling` of a group exclude each other").reason(Reason::FieldValueInvalid).field_path(".managedScaling"),
)]
#[serde(rename_all = "camelCase")]
pub struct OwnCluster {
    /// Name of the `EmrClusterClass` that the cluster is built from.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub class_name: String,
    /// So old the cluster is ended, whatever it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<ShortDuration>,
    /// EMR release, such as `emr-7.5.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^emr-[0-9]+\.[0-9]+\.[0-9]+[a-z0-9.-]*$"))]
    pub release_label: Option<String>,
    /// Applications to install, such as `Spark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 30), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub applications: Option<Vec<String>>,
    /// Settings of the applications.
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
    /// The nodes, in groups of one instance type each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_groups: Option<Vec<InstanceGroup>>,
    /// The nodes, in fleets of several instance types each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub instance_fleets: Option<Vec<InstanceFleet>>,
    /// Lets EMR scale core and task nodes by the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_scaling: Option<ManagedScaling>,
    /// Tags of the cluster and its instances. Keys must not begin with `mizuumi:` or `aws:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tag_map")]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('mizuumi:') && !k.startsWith('aws:'))").message("tags must not start with 'mizuumi:' or 'aws:'; those are written by the controller and by AWS"))]
    pub tags: Option<BTreeMap<String, String>>,
}
