//! Whether a check lets what a run brings be published.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::QualityCheck;
use mizuumi_api::condition::{ConditionStatus, cut};
use mizuumi_api::ingest_run::{GateStatus, GateVerdict};
use mizuumi_api::quality_check::{Gate, IfNotEvaluated};

use super::evaluate::{Earlier, evaluate};
use super::facts::{CatalogFacts, Known, SeenColumn};
use super::report::verdict;
use super::rows::Answer;
use super::rules::Rules;

/// Longest text of a verdict, in bytes of JSON.
const LONGEST_MESSAGE: usize = 512;
/// Between messages of several gates.
const BETWEEN: &str = "; ";

/// The rules of a check that runs have to pass.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRules {
    /// Name of the check.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The generation of its rules.
    pub generation: i64,
    /// The rules; or why there are none that can be evaluated.
    pub rules: Result<Rules, String>,
    /// Columns of the tables that they compare with, by name.
    pub references: BTreeMap<String, Known<Vec<SeenColumn>>>,
    /// What becomes of a run of which they could not be evaluated.
    pub policy: IfNotEvaluated,
}

impl GateRules {
    /// The gate that a check is, if it is one now.
    #[must_use]
    pub fn of(check: &QualityCheck) -> Option<Self> {
        let spec = &check.spec;
        if spec.gate != Gate::Publish || spec.suspend || check.metadata.deletion_timestamp.is_some() {
            return None;
        }
        // A gate only lets pass; what is measured beside is told of what is published.
        let rules = Rules::new(check).map(|rules| Rules { analyzers: Vec::new(), ..rules });
        let rules = rules.map_err(|problems| {
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            listed.join(BETWEEN)
        });
        Some(Self {
            name: check.metadata.name.clone()?,
            uid: check.metadata.uid.clone()?,
            generation: check.metadata.generation.unwrap_or_default(),
            rules,
            references: BTreeMap::new(),
            policy: spec.if_not_evaluated.unwrap_or_default(),
        })
    }

    /// Its rules, if some of them need the rows.
    #[must_use]
    pub fn over_rows(&self) -> Option<&Rules> {
        self.rules.as_ref().ok().filter(|rules| rules.need_rows())
    }

    /// What it says of what an attempt brings.
    ///
    /// Rules that compare with earlier evaluations have none of data that is not published, and could not be evaluated.
    #[must_use]
    pub fn judge(&self, attempt: i64, facts: &CatalogFacts, rows: &Answer, now: Timestamp) -> GateStatus {
        let (verdict, message) = match &self.rules {
            Err(why) => (GateVerdict::NotEvaluated, Some(format!("its rules do not hold: {why}"))),
            Ok(rules) => match verdict(&evaluate(rules, facts, rows, &Earlier::new(), now)) {
                (ConditionStatus::True, _, _) => (GateVerdict::Passed, None),
                (ConditionStatus::False, _, why) => (GateVerdict::Failed, Some(why)),
                (ConditionStatus::Unknown, _, why) => (GateVerdict::NotEvaluated, Some(why)),
            },
        };
        GateStatus {
            name: self.name.clone(),
            uid: self.uid.clone(),
            generation: self.generation,
            attempt,
            verdict,
            message: message.map(|message| cut(&message, LONGEST_MESSAGE)),
            query_execution_id: None,
            scanned_bytes: None,
        }
    }
}

/// Why a run is not published; none if all gates let it pass.
#[must_use]
pub fn refusal(gates: &[GateRules], verdicts: &[GateStatus]) -> Option<String> {
    let refused = gates.iter().filter_map(|gate| {
        let told = verdicts.iter().find(|told| told.uid == gate.uid && told.generation == gate.generation);
        let name = &gate.name;
        let Some(told) = told else { return Some(format!("QualityCheck '{name}' was not evaluated")) };
        let why = told.message.as_deref().unwrap_or_default();
        match (told.verdict, gate.policy) {
            (GateVerdict::Failed, _) => Some(format!("QualityCheck '{name}' did not pass: {why}")),
            (GateVerdict::NotEvaluated, IfNotEvaluated::Block) => Some(format!(
                "QualityCheck '{name}' could not be evaluated, and its `ifNotEvaluated` is Block: {why}"
            )),
            (GateVerdict::NotEvaluated, IfNotEvaluated::Allow) | (GateVerdict::Passed, _) => None,
        }
    });
    let refused: Vec<String> = refused.collect();
    (!refused.is_empty()).then(|| refused.join(BETWEEN))
}
