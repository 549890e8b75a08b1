//! What a `QualityCheck` says back.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// What was found. Times, never ages, so that nothing changes while nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QualityCheckStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, `QualityPassed`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The query that evaluates the rules now, if one does. It is written down before it is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<QueryStatus>,
    /// The last evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationStatus>,
    /// How many rules passed, of how many: `4/5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub summary: Option<String>,
    /// How many of a hundred of the rules that could be evaluated passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub score: Option<i64>,
    /// What became of the rules. Where there are so many that they would take more than 12 KiB, rules that passed are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["number".into()]))]
    pub results: Vec<RuleResult>,
    /// What the analyzers have measured, as far as there is room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub analyses: Vec<AnalysisStatus>,
    /// Earlier evaluations, the latest first; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub history: Vec<PastEvaluation>,
    /// When the schedule says that the rules are evaluated next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_scheduled_time: Option<Timestamp>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationStatus {
    /// When.
    pub at: Timestamp,
    /// The generation of the rules.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// What it was of: a digest of the table's columns and data as its `DataTable` tells them; empty where a change of them is no reason
    /// for another.
    #[schemars(length(max = 64))]
    pub of: String,
    /// Where the data is that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub place: Option<String>,
    /// The exclusive end of the table's data then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// Who evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub engine: Option<String>,
    /// The query of Athena that was evaluated by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub query_execution_id: Option<String>,
    /// So many bytes that query has scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scanned_bytes: Option<i64>,
}

/// A query of Athena, from before it is started until its answer is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryStatus {
    /// Counts the queries for one reason to evaluate from 1: more than one only if Athena failed.
    #[schemars(range(min = 1))]
    pub attempt: i64,
    /// When it was written down. Its client token follows from this, the attempt and the check.
    pub at: Timestamp,
    /// A digest of what is evaluated and why.
    #[schemars(length(max = 64))]
    pub of: String,
    /// A digest of the statement.
    #[schemars(length(max = 64))]
    pub statement: String,
    /// Its id, once Athena has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub id: Option<String>,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleResult {
    /// Counts the rules of the spec from 1.
    #[schemars(range(min = 1, max = 100))]
    pub number: i64,
    /// The rule, cut to 128 bytes.
    #[schemars(length(max = 128))]
    pub rule: String,
    /// What became of it.
    pub outcome: RuleOutcome,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub metric: Option<String>,
    /// What it was compared with, where that was reckoned from earlier evaluations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub threshold: Option<String>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
    /// How bad that is, by its label `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<RuleSeverity>,
    /// Since when it has not passed, evaluation by evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuleOutcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It could not be evaluated, which says nothing of the data.
    Error,
}

/// How bad it is if a rule does not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuleSeverity {
    /// The check fails, and with it a gate.
    #[default]
    Error,
    /// It is told.
    Warn,
}

/// What an analyzer has measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisStatus {
    /// The metric: an analyzer for it alone, cut to 128 bytes.
    #[schemars(length(max = 128))]
    pub name: String,
    /// Its value; of values and lengths the least and the greatest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub metric: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// An earlier evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastEvaluation {
    /// When.
    pub at: Timestamp,
    /// How many rules passed, of how many.
    #[schemars(length(max = 16))]
    pub summary: String,
    /// What was measured by rules that compare with earlier evaluations; of the first ten of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub metrics: Vec<MetricStatus>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricStatus {
    /// The metric: a rule without its condition.
    #[schemars(length(max = 96))]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 32))]
    pub value: String,
}
