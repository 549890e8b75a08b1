//! What a cluster does.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A step: exactly one of `command`, `spark`, `sparkSql`, `script` and `jar`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("[has(self.command), has(self.spark), has(self.sparkSql), has(self.script), has(self.jar)].filter(x, x).size() == 1")
        .message("exactly one of `command`, `spark`, `sparkSql`, `script` and `jar` must be set").reason(Reason::FieldValueInvalid),
    validation = Rule::new("has(self.jar) || (!has(self.mainClass) && !has(self.properties))")
        .message("`mainClass` and `properties` go with `jar`").reason(Reason::FieldValueInvalid).field_path(".mainClass"),
    validation = Rule::new("!has(self.command) || !has(self.args)")
        .message("`command` has its arguments itself; `args` goes with the others").reason(Reason::FieldValueInvalid).field_path(".args"),
)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// What happens to the cluster when the step fails; without it, `TerminateCluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<StepFailure>,
    /// A program of the master node with its arguments, by `command-runner.jar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(max = 10_240)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Option<Vec<String>>,
    /// A Spark application: a `.py` or `.jar`, by `spark-submit --deploy-mode cluster`. Options of `spark-submit` are properties
    /// of the classification `spark-defaults`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub spark: Option<String>,
    /// A file of Spark SQL, by `spark-sql -f`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub spark_sql: Option<String>,
    /// A script in S3, which is fetched and run on the master node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 6, max = 1024), regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub script: Option<String>,
    /// A jar that Hadoop runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub jar: Option<String>,
    /// The jar's class, if its manifest does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub main_class: Option<String>,
    /// Java properties of the jar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "properties")]
    pub properties: Option<BTreeMap<String, String>>,
    /// What it is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 10_240)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub args: Option<Vec<String>>,
}

/// What happens to a cluster when a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepFailure {
    /// It ends.
    TerminateCluster,
    /// The steps that wait are cancelled; with `Batch` the cluster ends then.
    CancelAndWait,
    /// The next step is run.
    Continue,
}

impl StepFailure {
    /// The word of EMR's API.
    #[must_use]
    pub const fn emr(self) -> &'static str {
        match self {
            Self::TerminateCluster => "TERMINATE_CLUSTER",
            Self::CancelAndWait => "CANCEL_AND_WAIT",
            Self::Continue => "CONTINUE",
        }
    }
}

/// At most 50 properties.
fn properties(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 50,
        "additionalProperties": { "type": "string", "maxLength": 4096 }
    })
}
