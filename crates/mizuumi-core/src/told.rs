//! What `Ready` says, with `Reconciling` or `Stalled` beside it: of kinds whose object is made in Kubernetes alone.

use jiff::Timestamp;
use mizuumi_api::Reason;
use mizuumi_api::condition::{Condition, ConditionStatus, ConditionType};

use crate::failure::Failure;

/// What the conditions say.
pub(crate) struct Told {
    ready: ConditionStatus,
    beside: Option<ConditionType>,
    reason: Reason,
    message: String,
}

impl Told {
    /// It is as the spec says.
    pub(crate) fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: ConditionStatus::True, beside: None, reason, message: message.into() }
    }

    /// It goes on by itself.
    pub(crate) fn working(reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::Unknown, Some(ConditionType::Reconciling));
        Self { ready, beside, reason, message: message.into() }
    }

    /// It goes on once somebody has changed something.
    pub(crate) fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::False, Some(ConditionType::Stalled));
        Self { ready, beside, reason, message: message.into() }
    }

    /// It is as the spec says, and over; what it was there for was not reached.
    pub(crate) fn ended_badly(reason: Reason, message: impl Into<String>) -> Self {
        Self { beside: Some(ConditionType::Stalled), ..Self::ready(reason, message) }
    }

    /// A look or a step failed.
    pub(crate) fn failed(failure: &Failure) -> Self {
        let (reason, message) = (failure.class.reason(), failure.to_string());
        if failure.class.is_transient() {
            Self::working(reason, message)
        } else {
            Self::stalled(reason, message)
        }
    }

    /// The conditions that say so.
    pub(crate) fn conditions(&self, generation: i64, now: Timestamp) -> impl Iterator<Item = Condition> {
        let condition = move |type_, is| self.condition(type_, is, generation, now);
        let beside = self.beside.map(|beside| condition(beside, ConditionStatus::True));
        beside.into_iter().chain([condition(ConditionType::Ready, self.ready)])
    }

    /// One more condition, with the same words.
    pub(crate) fn condition(
        &self,
        type_: ConditionType,
        is: ConditionStatus,
        generation: i64,
        now: Timestamp,
    ) -> Condition {
        Condition::new(type_, is, self.reason, &self.message, generation, now)
    }
}
