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
    /// What is observed: `Ready`, `Reconciling`, `Stalled`, `Fresh`.
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
        }
    }
}

/// Longest message that is stored; the CRD schema says the same.
const LONGEST_MESSAGE: usize = 2048;

impl Condition {
    /// A condition that began at `since`; a message over 2,048 bytes is cut at a character.
    #[must_use]
    pub fn new(
        type_: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
        observed_generation: i64,
        since: Timestamp,
    ) -> Self {
        let mut message: String = message.into();
        if message.len() > LONGEST_MESSAGE {
            message.truncate(message.floor_char_boundary(LONGEST_MESSAGE - '…'.len_utf8()));
            message.push('…');
        }
        Self {
            type_: type_.name().to_owned(),
            status,
            observed_generation,
            last_transition_time: since,
            reason: reason.name().to_owned(),
            message,
        }
    }
}

/// The condition of that type, if the list has it.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.name())
}
