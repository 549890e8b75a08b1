//! Who does a run's work, and what it waits for before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::own_cluster::OwnCluster;
use crate::duration::ShortDuration;
use crate::emr_cluster::Step;

/// Who does a run's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunEngine {
    /// Somebody else, who writes into `status.output` and says when it is done: by an object `_SUCCESS` there, or by
    /// `spec.external.outcome`.
    External,
    /// A Job of Kubernetes, in the run's namespace.
    KubernetesJob,
    /// A step of an `EmrCluster`, in the run's namespace.
    EmrStep,
    /// A task of ECS on Fargate.
    EcsTask,
    /// Nobody: what an earlier run published is put back to what was there before it.
    Rollback,
}

/// What the one who does the work says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalRun {
    /// How the work ended; while it is not said, an object `_SUCCESS` in `status.output` is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The exclusive end of the data that the run brings, for the table's freshness. Said before all is there, it is told
    /// with the data; later it is too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// A sentence about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Outcome {
    /// All data is there.
    Succeeded,
    /// It did not come about; nothing is published.
    Failed,
}

/// A container that does the work, once an attempt. It knows of the run by its environment: `MIZUUMI_OUTPUT` (where its files
/// go), `MIZUUMI_SESSION_TIME`, `MIZUUMI_RUN`, `MIZUUMI_ATTEMPT`, `MIZUUMI_TABLE`, and with `output.mode: ShadowTable`
/// `MIZUUMI_OUTPUT_TABLE`. In `command`, `args` and values of `env`, `${output}`, `${outputTable}`, `${sessionTime}`, `${sessionDate}`,
/// `${run}`, `${attempt}`, `${table}` and `${parameters.NAME}` stand for those; `$${` stands for `${`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesJob {
    /// Image, one that the installation's profile of the table allows. With a digest it is the same in every attempt. Only a job that
    /// names a `source` may leave it to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// What is run instead of the image's entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(max = 10_240)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Option<Vec<String>>,
    /// What it is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 10_240)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub args: Option<Vec<String>>,
    /// Its environment, beside what is said of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<Variable>>,
    /// What it may use at most, and is given at least: quantities of Kubernetes by resource, such as `cpu: "2"` and `memory: 4Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantities")]
    pub resources: Option<BTreeMap<String, String>>,
}

/// A variable of the environment: exactly one of `value` and `secretKeyRef`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.value) != has(self.secretKeyRef)")
        .message("exactly one of `value` and `secretKeyRef` must be set").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!self.name.startsWith('MIZUUMI_') || (self.name.startsWith('MIZUUMI_SOURCE_') && (self.name != 'MIZUUMI_SOURCE_SECRET' || has(self.secretKeyRef)))")
        .message("names that start with 'MIZUUMI_' are set by the controller, except for 'MIZUUMI_SOURCE_', whose secret comes from a store").reason(Reason::FieldValueForbidden).field_path(".name"),
)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_240))]
    pub value: Option<String>,
    /// A key of a Secret beside the run. The kubelet reads it, never the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKey>,
}

/// A key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A step of a cluster. In its arguments, `${output}`, with `output.mode: ShadowTable` `${outputTable}`, `${sessionTime}`, `${sessionDate}`,
/// `${run}`, `${attempt}`, `${table}` and `${parameters.NAME}` stand for those; `$${` stands for `${`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("[has(self.cluster), has(self.clusterSelector), has(self.ownCluster)].exists_one(is, is)")
        .message("exactly one of `cluster`, `clusterSelector` and `ownCluster` must be set").reason(Reason::FieldValueInvalid),
    validation = Rule::new("!has(self.step.onFailure)")
        .message("`onFailure` is not a run's to say: the cluster goes on").reason(Reason::FieldValueForbidden).field_path(".step"),
)]
#[serde(rename_all = "camelCase")]
pub struct EmrStep {
    /// Name of the `EmrCluster`; one of `lifecycle: WhenNeeded` is started for the run, one of `Scheduled` is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub cluster: Option<String>,
    /// Labels of the `EmrCluster`; of several, the one with the fewest runs is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "labels")]
    pub cluster_selector: Option<BTreeMap<String, String>>,
    /// A cluster that is started for the run alone, once its work can begin, and ends with it: an `EmrCluster` that the run owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_cluster: Option<Box<OwnCluster>>,
    /// What is run.
    pub step: Step,
}

/// A program that the work uses: a jar, a script, a file of SQL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where it lies, under a prefix that the installation allows.
    #[schemars(length(min = 6, max = 1024), regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$"))]
    pub uri: String,
    /// SHA-256 of it, in hexadecimal.
    #[schemars(length(equal = 64), regex(pattern = r"^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// The commit that it was built from, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub commit: Option<String>,
}

/// A table whose data the work reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// Its name in Glue, `database.table`.
    #[schemars(length(min = 3, max = 511), regex(pattern = r"^[^.\s/]+\.[^.\s/]+$"))]
    pub table: String,
    /// The work begins once the table's data is complete up to so long before the session time; without it, up to the session
    /// time itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<ShortDuration>,
}

/// At most 64 parameters.
pub(crate) fn parameters(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 4096 }
    })
}

/// At most 10 labels.
fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 10,
        "additionalProperties": { "type": "string", "maxLength": 63 }
    })
}

/// At most 10 quantities.
fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 10,
        "additionalProperties": { "type": "string", "maxLength": 32 }
    })
}
