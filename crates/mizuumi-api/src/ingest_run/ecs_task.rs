//! A task of ECS that does a run's work.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A task of ECS on Fargate that does the work, one an attempt. Cluster, roles, subnets, security groups and log group are of the
/// installation's profile of the table. It knows of the run by its environment: `MIZUUMI_OUTPUT` (where its files go),
/// `MIZUUMI_SESSION_TIME`, `MIZUUMI_RUN`, `MIZUUMI_ATTEMPT`, `MIZUUMI_TABLE`. In `command` and values of `environment`, `${output}`,
/// `${sessionTime}`, `${sessionDate}`, `${run}`, `${attempt}`, `${table}` and `${parameters.NAME}` stand for those; `$${` stands for
/// `${`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.cpu == 256 ? self.memory in [512, 1024, 2048] : self.cpu == 8192 ? (self.memory >= 16384 && self.memory <= 61440 && self.memory % 4096 == 0) : self.cpu == 16384 ? (self.memory >= 32768 && self.memory <= 122880 && self.memory % 8192 == 0) : (self.memory >= self.cpu * 2 && self.memory <= (self.cpu == 4096 ? 30720 : self.cpu * 8) && self.memory % 1024 == 0)")
        .message("Fargate has no task of that `cpu` and `memory`: 256 goes with 512, 1024 or 2048; 512 with 1024 to 4096; 1024 with 2048 to 8192; 2048 with 4096 to 16384; 4096 with 8192 to 30720, by steps of 1024; 8192 with 16384 to 61440 by 4096; 16384 with 32768 to 122880 by 8192").reason(Reason::FieldValueInvalid).field_path(".memory"),
)]
#[serde(rename_all = "camelCase")]
pub struct EcsTask {
    /// Image by its digest, `repository@sha256:…`, one that the installation's profile of the table allows: the same in every
    /// attempt. Only a job that names a `source` may leave it to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^@\s]+@sha256:[0-9a-f]{64}$"))]
    pub image: Option<String>,
    /// What is run instead of the image's entry point. Nothing stands for anything in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub entry_point: Option<Vec<String>>,
    /// What it is called with, instead of the image's own command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(max = 4096)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Option<Vec<String>>,
    /// CPU units; 1024 are one vCPU.
    #[schemars(schema_with = "cpu")]
    pub cpu: i32,
    /// Memory in MiB.
    #[schemars(range(min = 512, max = 122_880))]
    pub memory: i32,
    /// Its environment, beside what is said of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environment: Option<Vec<TaskVariable>>,
    /// Secrets of Secrets Manager that ECS puts into its environment. Mizuumi never reads one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub secrets: Option<Vec<TaskSecret>>,
    /// Whose capacity it uses.
    #[serde(default)]
    pub capacity: Capacity,
    /// So many seconds it has to end by itself when it is stopped (SIGTERM), before it is killed; without it, 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 120))]
    pub stop_timeout_seconds: Option<i32>,
}

/// A variable of a task's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!self.name.startsWith('MIZUUMI_') || (self.name.startsWith('MIZUUMI_SOURCE_') && self.name != 'MIZUUMI_SOURCE_SECRET')")
        .message("names that start with 'MIZUUMI_' are set by the controller, except for 'MIZUUMI_SOURCE_', whose secret comes from a store").reason(Reason::FieldValueForbidden).field_path(".name"),
)]
#[serde(rename_all = "camelCase")]
pub struct TaskVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value; never a secret, which anybody who may see the task could read.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A secret of a task's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("!self.name.startsWith('MIZUUMI_') || self.name.startsWith('MIZUUMI_SOURCE_')")
        .message("names that start with 'MIZUUMI_' are set by the controller, except for 'MIZUUMI_SOURCE_'").reason(Reason::FieldValueForbidden).field_path(".name"),
)]
#[serde(rename_all = "camelCase")]
pub struct TaskSecret {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Name of the secret in Secrets Manager, one that the installation's profile of the table allows.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9/_+=.@-]+$"))]
    pub secret: String,
    /// The key of which the value is, where the secret is a JSON object; without it, the whole secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^:\s]+$"))]
    pub key: Option<String>,
}

/// Whose capacity a task uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Capacity {
    /// Fargate.
    #[default]
    Fargate,
    /// Fargate Spot: cheaper, and taken back when AWS needs it; the attempt does not count as a failure of the work then. The cluster
    /// has to have the capacity provider `FARGATE_SPOT`.
    FargateSpot,
}

/// Sizes that Fargate has.
fn cpu(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "format": "int32", "enum": [256, 512, 1024, 2048, 4096, 8192, 16384] })
}
