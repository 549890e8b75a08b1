//! `QualityCheck`: rules over a table, when they are evaluated, and what depends on them.

pub mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use status::{
    AnalysisStatus, EvaluationStatus, MetricStatus, PastEvaluation, QualityCheckStatus, QueryStatus,
    RuleOutcome, RuleResult, RuleSeverity,
};

use crate::ingest_job::JobSchedule;

/// Rules over a table.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "QualityCheck",
    namespaced,
    status = "QualityCheckStatus",
    shortname = "qchk",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "Rules over a table: whether its data can be trusted. They may have to pass before a run is published.",
    selectable = ".spec.table",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name of a check must be no more than 63 characters"),
    printcolumn(name = "Table", type_ = "string", json_path = ".spec.table"),
    printcolumn(name = "Passed", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Quality", type_ = "string", json_path = r#".status.conditions[?(@.type=="QualityPassed")].status"#),
    printcolumn(name = "Gate", type_ = "string", json_path = ".spec.gate"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Evaluated", type_ = "date", json_path = ".status.evaluation.at"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Score", type_ = "integer", json_path = ".status.score", priority = 1),
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.engine", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="QualityPassed")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("has(self.rules) != has(self.typed)")
        .message("one of `rules` and `typed` must be set, and only one").reason(Reason::FieldValueInvalid).field_path(".rules"),
    validation = Rule::new("(self.scope == 'Partition') == has(self.partition)")
        .message("`partition` must be set when `scope` is 'Partition', and only then").reason(Reason::FieldValueInvalid).field_path(".partition"),
    validation = Rule::new("self.gate == 'Publish' || !has(self.ifNotEvaluated)")
        .message("`ifNotEvaluated` goes with `gate` 'Publish'").reason(Reason::FieldValueInvalid).field_path(".ifNotEvaluated"),
)]
#[serde(rename_all = "camelCase")]
pub struct QualityCheckSpec {
    /// Name of the `DataTable`, in the same namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub table: String,
    /// The rules in DQDL, the language of Glue Data Quality: `Rules = [ ColumnExists "id", ColumnCount > 3 ]`; at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    pub rules: Option<String>,
    /// The rules one by one, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub typed: Option<Vec<TypedRule>>,
    /// Who evaluates them.
    #[serde(default)]
    pub engine: CheckEngine,
    /// Which data they are about.
    #[serde(default)]
    pub scope: CheckScope,
    /// With `scope: Partition`, which: `key=value`, with `/` between several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 1024), regex(pattern = r"^[^/=]+=[^/]+(/[^/=]+=[^/]+)*$"))]
    pub partition: Option<String>,
    /// When they are evaluated, beside whenever the spec changes and when the annotation `mizuumi.dev/requested-at` does.
    #[serde(default)]
    pub triggers: CheckTriggers,
    /// What depends on them.
    #[serde(default)]
    pub gate: Gate,
    /// With `gate: Publish`, what happens to a run of which they could not be evaluated; without it, `Block`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_not_evaluated: Option<IfNotEvaluated>,
    /// Evaluate nothing for a while; a gate is open meanwhile.
    #[serde(default)]
    pub suspend: bool,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypedRule {
    /// Its type in DQDL, such as `ColumnExists`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z]+$"))]
    pub type_: String,
    /// What it is about, such as the names of columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub parameters: Vec<String>,
    /// What its metric has to be, as in DQDL: `> 0.95`, `between 1 and 10`, `in ["a", "b"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub condition: Option<String>,
    /// Which rows count: an expression of SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    #[serde(rename = "where")]
    pub filter: Option<String>,
    /// How large the part of the rows or files has to be that pass, such as `> 0.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub threshold: Option<String>,
    /// How bad it is if it does not pass; without it, `Error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<RuleSeverity>,
}

/// Who evaluates rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckEngine {
    /// Whoever reads least; the status says who, and why.
    #[default]
    Auto,
    /// The catalog and the list of files: no data is read, and it costs nothing but a few calls.
    CatalogOnly,
    /// A query over the data.
    Athena,
}

/// Which data rules are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckScope {
    /// The last partition in the order of its values; the whole of a table without partition keys.
    #[default]
    NewestPartition,
    /// All of it.
    Table,
    /// The partition that `partition` names.
    Partition,
}

/// When rules are evaluated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckTriggers {
    /// Whenever the table's columns or its data change.
    #[serde(default = "yes")]
    pub on_update: bool,
    /// By the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<JobSchedule>,
}

impl Default for CheckTriggers {
    fn default() -> Self {
        Self { on_update: true, schedule: None }
    }
}

const fn yes() -> bool {
    true
}

/// What depends on a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Gate {
    /// Nothing.
    #[default]
    None,
    /// A run into the table is published only if the rules pass of what it brings.
    Publish,
}

/// What happens to a run of which the rules could not be evaluated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IfNotEvaluated {
    /// It is not published, and fails.
    #[default]
    Block,
    /// It is published.
    Allow,
}
