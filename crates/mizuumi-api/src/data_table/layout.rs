//! How a table's files are laid out beyond their format: what Hive's DDL calls buckets, sort order and skew.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Buckets, as `CLUSTERED BY (…) SORTED BY (…) INTO n BUCKETS` of Hive's DDL says them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucketing {
    /// Columns whose hash says the bucket.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub columns: Vec<String>,
    /// How many buckets there are.
    #[schemars(range(min = 1, max = 100_000))]
    pub count: i32,
    /// Columns that the rows of a bucket are sorted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub sorted_by: Option<Vec<SortColumn>>,
}

/// A column that rows are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SortColumn {
    /// The column.
    #[schemars(length(min = 1, max = 255))]
    pub column: String,
    /// Its order; without it, ascending.
    #[serde(default)]
    pub order: SortOrder,
}

/// The order of sorted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SortOrder {
    /// The least first.
    #[default]
    Ascending,
    /// The greatest first.
    Descending,
}

/// Values that are so frequent that their rows are kept apart, in the words of Glue's `SkewedInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Skewed {
    /// Columns that have such values.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub columns: Vec<String>,
    /// The values.
    #[schemars(length(min = 1, max = 1000), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
    /// Where each value's rows are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::string_map")]
    pub locations: Option<BTreeMap<String, String>>,
}

/// A version of a schema of the Glue schema registry: by registry, schema and number, or by the version's id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(has(self.registry) && has(self.schema)) != has(self.versionId)")
        .message("set either `registry` and `schema`, or `versionId`").reason(Reason::FieldValueInvalid).field_path(".versionId"),
    validation = Rule::new("has(self.registry) == has(self.schema)")
        .message("`registry` and `schema` go together").reason(Reason::FieldValueInvalid).field_path(".schema"),
    validation = Rule::new("has(self.schema) == has(self.versionNumber)")
        .message("`versionNumber` goes with `schema`").reason(Reason::FieldValueInvalid).field_path(".versionNumber"),
)]
#[serde(rename_all = "camelCase")]
pub struct SchemaReference {
    /// Name of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub registry: Option<String>,
    /// Name of the schema in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub schema: Option<String>,
    /// Id of a version, a UUID; says registry and schema too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 36, max = 36))]
    pub version_id: Option<String>,
    /// Number of a version, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub version_number: Option<i64>,
}
