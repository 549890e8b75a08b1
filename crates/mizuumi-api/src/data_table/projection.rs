//! Partitions that Athena computes from the spec instead of reading them from the catalog.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What each partition key's values are, so that Athena computes them (Athena user guide, "Partition projection").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// One entry for each partition key.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub columns: Vec<ProjectedColumn>,
    /// Where a partition's data is, with `${key}` for each partition key; without it, `key=value/…` under `location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 6, max = 1024),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?#]*)?$")
    )]
    pub location_template: Option<String>,
}

/// The values of one partition key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(self.type == 'Enum') == has(self.values)")
        .message("`values` must be set when `type` is 'Enum', and only then").reason(Reason::FieldValueInvalid).field_path(".values"),
    validation = Rule::new("(self.type in ['Integer', 'Date']) == has(self.range)")
        .message("`range` must be set when `type` is 'Integer' or 'Date', and only then").reason(Reason::FieldValueInvalid).field_path(".range"),
    validation = Rule::new("(self.type == 'Date') == has(self.format)")
        .message("`format` must be set when `type` is 'Date', and only then").reason(Reason::FieldValueInvalid).field_path(".format"),
    validation = Rule::new("self.type == 'Integer' || !has(self.digits)")
        .message("`digits` goes with `type` 'Integer'").reason(Reason::FieldValueInvalid).field_path(".digits"),
    validation = Rule::new("self.type in ['Integer', 'Date'] || !has(self.interval)")
        .message("`interval` goes with `type` 'Integer' or 'Date'").reason(Reason::FieldValueInvalid).field_path(".interval"),
    validation = Rule::new("self.type == 'Date' || !has(self.intervalUnit)")
        .message("`intervalUnit` goes with `type` 'Date'").reason(Reason::FieldValueInvalid).field_path(".intervalUnit"),
)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedColumn {
    /// Name of the partition key.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub type_: ProjectionType,
    /// With `Enum`: the values. Athena recommends no more than a few dozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Option<Vec<String>>,
    /// With `Integer` and `Date`: the first and the last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ProjectionRange>,
    /// With `Date`: how dates are written, as Java's `DateTimeFormatter` has it, such as `yyyy-MM-dd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub format: Option<String>,
    /// With `Integer` and `Date`: from one value to the next; without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub interval: Option<i64>,
    /// With `Date`: the unit of `interval`. It may be left out where `format` ends with days or months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_unit: Option<IntervalUnit>,
    /// With `Integer`: how many digits a value is written with, zeros before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 19))]
    pub digits: Option<i64>,
}

/// The first and the last value of a projected partition key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ProjectionRange {
    /// The first: an integer, or a date in the key's format or relative to `NOW`, such as `NOW-3YEARS`.
    #[schemars(length(min = 1, max = 64))]
    pub from: String,
    /// The last, written in the same way, such as `NOW`.
    #[schemars(length(min = 1, max = 64))]
    pub to: String,
}

/// What the values of a projected partition key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProjectionType {
    /// These.
    Enum,
    /// The integers of a range.
    Integer,
    /// The dates of a range.
    Date,
    /// Whatever a query asks for; each query has to name the values.
    Injected,
}

impl ProjectionType {
    /// The value of `projection.<key>.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enum => "enum",
            Self::Integer => "integer",
            Self::Date => "date",
            Self::Injected => "injected",
        }
    }
}

/// The unit of the interval between two dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IntervalUnit {
    /// Years.
    Years,
    /// Months.
    Months,
    /// Weeks.
    Weeks,
    /// Days.
    Days,
    /// Hours.
    Hours,
    /// Minutes.
    Minutes,
    /// Seconds.
    Seconds,
}

impl IntervalUnit {
    /// The value of `projection.<key>.interval.unit`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Years => "YEARS",
            Self::Months => "MONTHS",
            Self::Weeks => "WEEKS",
            Self::Days => "DAYS",
            Self::Hours => "HOURS",
            Self::Minutes => "MINUTES",
            Self::Seconds => "SECONDS",
        }
    }
}
