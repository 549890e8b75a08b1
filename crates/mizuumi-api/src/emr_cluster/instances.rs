//! A cluster's nodes: groups, fleets, disks, and how EMR scales them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auto_scaling::AutoScaling;
use super::configuration::Configuration;

/// What nodes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// The one that says what the others do.
    Master,
    /// They compute and hold HDFS.
    Core,
    /// They compute.
    Task,
}

impl Role {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Core => "CORE",
            Self::Task => "TASK",
        }
    }
}

/// How instances are bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Market {
    /// They stay.
    OnDemand,
    /// They are cheaper, and AWS may take them back.
    Spot,
}

impl Market {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::OnDemand => "ON_DEMAND",
            Self::Spot => "SPOT",
        }
    }
}

/// Nodes of one instance type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!has(self.autoScaling) || self.role != 'Master'")
        .message("`autoScaling` goes with core and task nodes").reason(Reason::FieldValueForbidden).field_path(".autoScaling"),
)]
#[serde(rename_all = "camelCase")]
pub struct InstanceGroup {
    /// Its name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// What its nodes do.
    pub role: Role,
    /// EC2 instance type, such as `m6g.xlarge`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$"))]
    pub instance_type: String,
    /// How many; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2000))]
    pub count: Option<i32>,
    /// How they are bought; without it, `OnDemand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
    /// Their disks; without it, EMR's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs: Option<Ebs>,
    /// Settings of the applications on these nodes; they win over the cluster's, and what the class has as mandatory wins over
    /// them. Since EMR 5.21 a running cluster takes them up: its applications are started anew, node by node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations: Option<Vec<Configuration>>,
    /// How the group scales by its own rules, with the role `autoScalingRole` of the installation's profile. `count` is where it
    /// begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_scaling: Option<AutoScaling>,
}

/// Nodes of several instance types, of which EMR takes what there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceFleet {
    /// Its name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// What its nodes do.
    pub role: Role,
    /// Units to have on demand; without it, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub target_on_demand: Option<i32>,
    /// Units to have as spot; without it, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub target_spot: Option<i32>,
    /// The types to choose from.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["instanceType".into()]))]
    pub instance_types: Vec<FleetInstanceType>,
    /// Which spot instances are taken; without it, `PriceCapacityOptimized`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_allocation: Option<SpotAllocation>,
    /// So many minutes spot instances are waited for at the start; without it, 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 1440))]
    pub spot_timeout_minutes: Option<i32>,
    /// What happens then; without it, `SwitchToOnDemand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_timeout_action: Option<SpotTimeoutAction>,
}

/// One of a fleet's instance types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetInstanceType {
    /// EC2 instance type, such as `m6g.xlarge`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+\.[a-z0-9-]+$"))]
    pub instance_type: String,
    /// How many units one instance is; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 999))]
    pub weight: Option<i32>,
    /// Most to pay for a spot instance, in percent of the price on demand; without it, 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub bid_percentage: Option<i32>,
    /// Its disks; without it, EMR's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs: Option<Ebs>,
}

/// Which spot instances a fleet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpotAllocation {
    /// Cheap ones of which there are many.
    PriceCapacityOptimized,
    /// Those of which there are most.
    CapacityOptimized,
    /// The cheapest.
    LowestPrice,
    /// Some of each.
    Diversified,
}

impl SpotAllocation {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::PriceCapacityOptimized => "price-capacity-optimized",
            Self::CapacityOptimized => "capacity-optimized",
            Self::LowestPrice => "lowest-price",
            Self::Diversified => "diversified",
        }
    }
}

/// What happens when there are no spot instances at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SpotTimeoutAction {
    /// The rest is bought on demand.
    SwitchToOnDemand,
    /// The cluster ends.
    TerminateCluster,
}

impl SpotTimeoutAction {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::SwitchToOnDemand => "SWITCH_TO_ON_DEMAND",
            Self::TerminateCluster => "TERMINATE_CLUSTER",
        }
    }
}

/// Disks of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ebs {
    /// Whether the instance is EBS-optimized.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimized: Option<bool>,
    /// The disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 25))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub volumes: Option<Vec<Volume>>,
}

/// Disks of one sort.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Sort, such as `gp3`.
    #[serde(rename = "type")]
    #[schemars(length(min = 2, max = 16))]
    pub type_: String,
    /// Size in GiB.
    #[schemars(range(min = 1, max = 65_536))]
    pub size_gib: i32,
    /// Operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 256_000))]
    pub iops: Option<i32>,
    /// Throughput in MiB a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 125, max = 2_000))]
    pub throughput: Option<i32>,
    /// How many of them each instance has; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 25))]
    pub per_instance: Option<i32>,
}

/// What EMR counts when it scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingUnit {
    /// Instances.
    Instances,
    /// Virtual processors.
    Vcpu,
    /// Units of fleets.
    InstanceFleetUnits,
}

impl ScalingUnit {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::Instances => "Instances",
            Self::Vcpu => "VCPU",
            Self::InstanceFleetUnits => "InstanceFleetUnits",
        }
    }
}

/// Between what bounds EMR scales.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedScaling {
    /// What is counted; without it, `Instances`, and `InstanceFleetUnits` with fleets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<ScalingUnit>,
    /// At least so many core and task units.
    #[schemars(range(min = 1, max = 100_000))]
    pub min: i32,
    /// At most so many.
    #[schemars(range(min = 1, max = 100_000))]
    pub max: i32,
    /// At most so many of them on demand; without it, `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_on_demand: Option<i32>,
    /// At most so many of them core; without it, `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_core: Option<i32>,
}
