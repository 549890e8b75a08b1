//! What checks say of a table: told by the table itself, in Glue and in its conditions.
//!
//! A check writes no table: it says in its own status what it found, and the table's plan writes that down.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::condition::{ConditionStatus, ConditionType, find};
use mizuumi_api::{QualityCheck, Reason};

use super::definition::{QUALITY_AT_PARAMETER, QUALITY_PARAMETER};

/// What all checks of a table say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableQuality {
    /// By the name of the check.
    pub checks: BTreeMap<String, CheckVerdict>,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckVerdict {
    /// Whether its rules passed.
    pub passed: ConditionStatus,
    /// Why.
    pub message: String,
    /// When it was evaluated; none if it never was.
    pub at: Option<Timestamp>,
}

impl CheckVerdict {
    /// What a check's status says; none of one that is being deleted.
    #[must_use]
    pub fn of(check: &QualityCheck) -> Option<Self> {
        if check.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let status = check.status.as_ref();
        let told = status.and_then(|status| find(&status.conditions, ConditionType::QualityPassed));
        Some(Self {
            passed: told.map_or(ConditionStatus::Unknown, |told| told.status),
            message: told.map(|told| told.message.clone()).unwrap_or_default(),
            at: status.and_then(|status| status.evaluation.as_ref()).map(|last| last.at),
        })
    }
}

impl TableQuality {
    /// What they come to: one that failed decides, then one that could not be evaluated.
    fn verdict(&self) -> Option<(ConditionStatus, &String, &CheckVerdict)> {
        let order = [ConditionStatus::False, ConditionStatus::Unknown, ConditionStatus::True];
        order.into_iter().find_map(|status| {
            let (name, verdict) = self.checks.iter().find(|(_, verdict)| verdict.passed == status)?;
            Some((status, name, verdict))
        })
    }

    /// What the condition `QualityPassed` of the table says; nothing if it has no checks.
    #[must_use]
    pub fn condition(&self) -> Option<(ConditionStatus, Reason, String)> {
        let (status, name, verdict) = self.verdict()?;
        let reason = match status {
            ConditionStatus::True => Reason::RulesPassed,
            ConditionStatus::False => Reason::RulesFailed,
            ConditionStatus::Unknown if verdict.at.is_none() => Reason::NeverEvaluated,
            ConditionStatus::Unknown => Reason::RulesNotEvaluated,
        };
        let message = match (status, self.checks.len()) {
            (ConditionStatus::True, number) if number > 1 => format!("all {number} checks passed"),
            _ => format!("QualityCheck '{name}': {}", verdict.message),
        };
        Some((status, reason, message))
    }

    /// Writes it into a table's parameters, with the time of the last evaluation; takes it off where nothing was evaluated.
    pub(super) fn tell(&self, parameters: &mut BTreeMap<String, String>) {
        let at = self.checks.values().filter_map(|verdict| verdict.at).max();
        let (Some((status, ..)), Some(at)) = (self.verdict(), at) else {
            parameters.remove(QUALITY_PARAMETER);
            parameters.remove(QUALITY_AT_PARAMETER);
            return;
        };
        let word = match status {
            ConditionStatus::True => "passed",
            ConditionStatus::False => "failed",
            ConditionStatus::Unknown => "unknown",
        };
        parameters.insert(QUALITY_PARAMETER.to_owned(), word.to_owned());
        parameters.insert(QUALITY_AT_PARAMETER.to_owned(), format!("{at:.0}"));
    }
}
