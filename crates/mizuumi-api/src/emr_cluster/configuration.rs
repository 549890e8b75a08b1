//! What is set up on a cluster's nodes.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Settings of one application, as EMR classifies them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// What is set, such as `spark-defaults`, `hive-site`, `yarn-site`.
    #[schemars(length(min = 1, max = 64))]
    pub classification: String,
    /// The settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "properties")]
    pub properties: Option<BTreeMap<String, String>>,
    /// Settings within, such as `export` in `spark-env`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub configurations: Option<Vec<NestedConfiguration>>,
}

/// Settings within settings; EMR knows no third level that an application reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NestedConfiguration {
    /// What is set, such as `export`.
    #[schemars(length(min = 1, max = 64))]
    pub classification: String,
    /// The settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "properties")]
    pub properties: Option<BTreeMap<String, String>>,
}

/// At most 200 properties.
fn properties(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": { "type": "string", "maxLength": 4096 }
    })
}

/// Where a piece of settings stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationSource {
    /// Name of a ConfigMap of the same namespace. A key `NAME.json` holds classifications as EMR writes them in JSON. Any other
    /// key is the name of a classification: `core-site.xml` holds it as Hadoop writes it, and others, such as
    /// `spark-defaults.conf`, have a line `property value` or `property=value` for each setting.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub config_map: String,
    /// Whether the cluster starts without it when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A script that runs on each node before the applications start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BootstrapAction {
    /// Its name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Where it is: `s3://bucket/key`, under a prefix that the installation allows.
    #[schemars(length(min = 6, max = 1024), regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub path: String,
    /// What it is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub args: Option<Vec<String>>,
}
