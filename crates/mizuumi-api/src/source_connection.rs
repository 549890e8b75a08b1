//! `SourceConnection`: where data comes in from, by which image and with which credentials, said once for all jobs that bring it.

pub mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use status::{SourceAttempt, SourceConnectionStatus};

use crate::ingest_run::SecretKey;

/// A name in the environment, in lower case, that is none of those which say something else.
const NAMES: &str = "self.all(k, k.matches('^[a-z][a-z0-9_]{0,39}$') && !(k in ['connection', 'kind', 'secret', 'secret_file']))";
/// What [`NAMES`] tells.
const NAMES_SAID: &str = "names of `options` must be a letter and up to 39 letters, digits and '_' after it, in lower case, and none of 'connection', 'kind', 'secret' and 'secret_file'";
/// What ends like a secret's name is one.
const SECRETS: &str = "self.all(k, !['password', 'passwd', 'passphrase', 'pwd', 'token', 'credential', 'credentials', 'api_key', 'apikey', 'access_key', 'private_key', '_secret'].exists(w, k.endsWith(w)))";
/// What [`SECRETS`] tells.
const SECRETS_SAID: &str = "`options` must not hold secrets, and a name that ends in 'password', 'token', '_secret', 'credentials' or a sort of key is one: put it into the store that the connection's `secret` names; anybody who may see the resource reads options";
/// A password in a URL is a secret as well.
const URLS: &str = "self.all(k, !self[k].matches('(?i)://[^/?#@]*:[^/?#@]*@|[?&;](password|passwd|pwd|token|secret|api_?key)='))";
/// What [`URLS`] tells.
const URLS_SAID: &str = "`options` must not hold secrets, and there is a URL with a password among them: put it into the store that the connection's `secret` names";

/// A source of data.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "SourceConnection",
    namespaced,
    status = "SourceConnectionStatus",
    shortname = "srcc",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "A source of data: a database, a bucket of another account, a web service; by which image it is read, and with which credentials. Jobs name it, and one that is changed changes theirs alone.",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a connection must be no more than 63 characters: runs bear it as a label"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Jobs", type_ = "integer", json_path = ".status.jobs"),
    printcolumn(name = "Reachable", type_ = "string", json_path = r#".status.conditions[?(@.type=="Reachable")].status"#),
    printcolumn(name = "Tried", type_ = "date", json_path = ".status.lastAttempt.at"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Reachable")].message"#, priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct SourceConnectionSpec {
    /// What kind of source it is: `mysql`, `postgres`, `s3`, `http`, or a word of an image of your own, which is told it as
    /// `MIZUUMI_SOURCE_KIND`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z][a-z0-9-]*$"))]
    pub type_: String,
    /// Image that reads it, by its digest, `repository@sha256:…`, one that the installation's profile of a job's table allows. It is the
    /// same in every attempt of a run: another one moves the runs that are made from then on.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[^@\s]+@sha256:[0-9a-f]{64}$"))]
    pub image: String,
    /// The credentials, by where they are kept; without it, the image is given none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SourceSecret>,
    /// What the image is told of the source, by name: `host` becomes `MIZUUMI_SOURCE_HOST`. Never a secret. Nothing stands for anything in
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "options")]
    #[x_kube(
        validation = Rule::new(NAMES).message(NAMES_SAID).reason(Reason::FieldValueInvalid),
        validation = Rule::new(SECRETS).message(SECRETS_SAID).reason(Reason::FieldValueForbidden),
        validation = Rule::new(URLS).message(URLS_SAID).reason(Reason::FieldValueForbidden),
    )]
    pub options: Option<BTreeMap<String, String>>,
}

/// Where the credentials are kept: exactly one of the two. Mizuumi never reads them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.secretsManager) != has(self.secretKeyRef)")
        .message("exactly one of `secretsManager` and `secretKeyRef` must be set").reason(Reason::FieldValueInvalid),
)]
#[serde(rename_all = "camelCase")]
pub struct SourceSecret {
    /// A secret of Secrets Manager, for runs of engine `EcsTask`: ECS reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_manager: Option<StoredSecret>,
    /// A key of a Secret in the same namespace, for runs of engine `KubernetesJob`: the kubelet reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKey>,
}

/// A secret of Secrets Manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredSecret {
    /// Its name, one that the installation's profile of a job's table allows; account and region are those of the profile.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9/_+=.@-]+$"))]
    pub name: String,
    /// The key of which the value is, where the secret is a JSON object; without it, the whole secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^:\s]+$"))]
    pub key: Option<String>,
}

/// Where the runs of a job read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobSource {
    /// Name of the `SourceConnection`, in the same namespace. A run is made with what it says then, and keeps that.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub connection: String,
    /// What the image is told beside what the connection says, or instead of it: `table` becomes `MIZUUMI_SOURCE_TABLE`. Never a secret.
    /// `${sessionTime}` and the like stand for those, as in `environment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "options")]
    #[x_kube(
        validation = Rule::new(NAMES).message(NAMES_SAID).reason(Reason::FieldValueInvalid),
        validation = Rule::new(SECRETS).message(SECRETS_SAID).reason(Reason::FieldValueForbidden),
        validation = Rule::new(URLS).message(URLS_SAID).reason(Reason::FieldValueForbidden),
    )]
    pub options: Option<BTreeMap<String, String>>,
}

/// At most 64 options.
fn options(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": { "type": "string", "maxLength": 4096 }
    })
}
