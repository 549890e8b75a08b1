//! Conditions as Kubernetes and kstatus read them.
//!
//! kstatus walks the list in order and takes the first of `Reconciling`, `Stalled`, `Ready` that decides, so the two
//! abnormal ones are present only while they are True.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::reason::Reason;

/// One observation of a resource's state; the fields of `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed: `Ready`, `Reconciling`, `Stalled`, `Fresh`, `Compatible`, `Succeeded`, `QualityPassed`, `SchemaMatches`, `Reachable`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// The generation of the spec that this condition speaks of.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// A word for programs.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9]*$"))]
    pub reason: String,
    /// A sentence for people: what, where, why, and what to do.
    #[schemars(length(max = 2048))]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be said.
    Unknown,
}

/// The conditions that Mizuumi writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// AWS matches the spec.
    Ready,
    /// Work is under way; present only while True.
    Reconciling,
    /// Nothing more happens until somebody changes something; present only while True.
    Stalled,
    /// The data is as recent as `spec.freshness` asks.
    Fresh,
    /// All engines of `spec.engines` read the same in the table.
    Compatible,
    /// A run has brought its data into the table; Unknown while it is under way.
    Succeeded,
    /// The rules of a check pass.
    QualityPassed,
    /// A source was reached when a run tried last.
    Reachable,
    /// The work of a run says the columns that its table declares; there once it has said some.
    SchemaMatches,
}

impl ConditionType {
    /// The name in `status.conditions[].type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Fresh => "Fresh",
            Self::Compatible => "Compatible",
            Self::Succeeded => "Succeeded",
            Self::QualityPassed => "QualityPassed",
            Self::Reachable => "Reachable",
            Self::SchemaMatches => "SchemaMatches",
        }
    }
}

/// Longest message that is stored; the CRD schema says the same.
const LONGEST_MESSAGE: usize = 2048;

impl Condition {
    /// A condition that began at `since`; a message that JSON takes over 2,048 bytes for is cut.
    #[must_use]
    pub fn new(
        type_: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: &str,
        observed_generation: i64,
        since: Timestamp,
    ) -> Self {
        Self {
            type_: type_.name().to_owned(),
            status,
            observed_generation,
            last_transition_time: since,
            reason: reason.name().to_owned(),
            message: cut(message, LONGEST_MESSAGE),
        }
    }
}

/// A text that JSON takes at most so many bytes for, cut at a character and ended by `…` if it was longer.
#[must_use]
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().map(bytes_in_json).sum::<usize>() <= longest {
        return text.to_owned();
    }
    let mut left = longest.saturating_sub('…'.len_utf8());
    let fits = |c: &char| {
        let size = bytes_in_json(*c);
        left.checked_sub(size).inspect(|rest| left = *rest).is_some()
    };
    let mut short: String = text.chars().take_while(fits).collect();
    short.push('…');
    short
}

/// Quotes, backslashes and control characters are escaped.
const fn bytes_in_json(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// The condition of that type, if the list has it.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.name())
}

/// The same conditions, where one that an earlier list has with the same status keeps its time: it moves only with the
/// status.
#[must_use]
pub fn keeping_times(mut conditions: Vec<Condition>, before: &[Condition]) -> Vec<Condition> {
    for condition in &mut conditions {
        if let Some(earlier) =
            before.iter().find(|c| c.type_ == condition.type_ && c.status == condition.status)
        {
            condition.last_transition_time = earlier.last_transition_time;
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_the_bytes_that_json_takes_for_it() {
        for text in ["short", "", "x".repeat(64).as_str(), "\u{1}\"\\\n\u{7f}湖é".repeat(20).as_str()] {
            for longest in [3, 8, 64] {
                let short = cut(text, longest);
                let length = serde_json::to_string(&short).expect("json").len() - 2;
                assert!(length <= longest, "{length} of {longest}: {short:?}");
                assert_eq!(short == text, serde_json::to_string(text).expect("json").len() - 2 <= longest);
            }
        }
    }
}
