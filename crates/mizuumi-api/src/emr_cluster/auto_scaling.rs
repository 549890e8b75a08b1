//! How a group scales by a metric: EMR's custom automatic scaling.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a group of core or task nodes scales by its own rules. Its count is EMR's then, and never drift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.min <= self.max")
        .message("`min` must not be greater than `max`").reason(Reason::FieldValueInvalid).field_path(".min"),
)]
#[serde(rename_all = "camelCase")]
pub struct AutoScaling {
    /// At least so many instances.
    #[schemars(range(min = 0, max = 2000))]
    pub min: i32,
    /// At most so many.
    #[schemars(range(min = 0, max = 2000))]
    pub max: i32,
    /// When it grows, and when it shrinks.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub rules: Vec<ScalingRule>,
}

/// A rule of scaling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRule {
    /// Its name.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// When it applies.
    pub when: ScalingTrigger,
    /// By how much the group grows; less than 0, it shrinks. With `Exact`, how large it becomes.
    #[schemars(range(min = -2000, max = 2000))]
    pub adjust_by: i32,
    /// What `adjustBy` counts; without it, `Instances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjust: Option<Adjustment>,
    /// So long after it has scaled no rule applies again; without it, 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub cool_down_seconds: Option<i32>,
}

/// What an adjustment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adjustment {
    /// Instances more or fewer.
    Instances,
    /// Percent of the group more or fewer.
    Percent,
    /// The instances that there are afterwards.
    Exact,
}

impl Adjustment {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::Instances => "CHANGE_IN_CAPACITY",
            Self::Percent => "PERCENT_CHANGE_IN_CAPACITY",
            Self::Exact => "EXACT_CAPACITY",
        }
    }
}

/// When a rule of scaling applies: what CloudWatch says of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingTrigger {
    /// The metric, such as `YARNMemoryAvailablePercentage`.
    #[schemars(length(min = 1, max = 255))]
    pub metric: String,
    /// Its namespace; without it, `AWS/ElasticMapReduce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub namespace: Option<String>,
    /// How it is compared with `threshold`.
    pub is: Comparison,
    /// A number, such as `"15"` or `"0.75"`.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"))]
    pub threshold: String,
    /// What of the metric is compared; without it, `Average`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistic: Option<Statistic>,
    /// The metric's unit in CloudWatch's word, such as `PERCENT` or `COUNT`; without it, `NONE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Z_]+$"))]
    pub unit: Option<String>,
    /// Over how long it is taken; EMR's own metrics come every 300 seconds, which it is without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 86_400))]
    pub period_seconds: Option<i32>,
    /// How many such periods in a row; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub periods: Option<i32>,
}

/// How a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Comparison {
    /// It is greater.
    GreaterThan,
    /// It is greater, or equal.
    GreaterThanOrEqual,
    /// It is less.
    LessThan,
    /// It is less, or equal.
    LessThanOrEqual,
}

impl Comparison {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::GreaterThan => "GREATER_THAN",
            Self::GreaterThanOrEqual => "GREATER_THAN_OR_EQUAL",
            Self::LessThan => "LESS_THAN",
            Self::LessThanOrEqual => "LESS_THAN_OR_EQUAL",
        }
    }
}

/// What of a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Statistic {
    /// Its mean.
    Average,
    /// The greatest.
    Maximum,
    /// The least.
    Minimum,
    /// All together.
    Sum,
    /// How often it was taken.
    SampleCount,
}

impl Statistic {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::Average => "AVERAGE",
            Self::Maximum => "MAXIMUM",
            Self::Minimum => "MINIMUM",
            Self::Sum => "SUM",
            Self::SampleCount => "SAMPLE_COUNT",
        }
    }
}
