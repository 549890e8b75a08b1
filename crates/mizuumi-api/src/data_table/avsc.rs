//! Where an Avro schema lies that says a table's columns.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Where an Avro schema lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.configMap) != has(self.s3)")
        .message("exactly one of `configMap` and `s3` must be set").reason(Reason::FieldValueInvalid).field_path(".configMap"),
)]
#[serde(rename_all = "camelCase")]
pub struct AvscFrom {
    /// In a ConfigMap of the resource's own namespace. Its changes are seen at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
    /// In an object in S3, under a prefix that the installation allows. It is looked at with the table's data, and read again
    /// when its ETag is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 1024),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^*?#]*[^*?#/]$")
    )]
    pub s3: Option<String>,
}

/// A text of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ConfigMapKey {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// Key of its `data`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
}
