//! The try that failed last: Events tell what differs from try to try, which a status does not.

use jiff::Timestamp;
use mizuumi_api::Reason;
use mizuumi_api::condition::{ConditionStatus, ConditionType};
use serde::Serialize;

use super::seen::Object;
use crate::failure::Class;

/// A resource that is not ready since something failed, and that Events tell more of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Namespace.
    pub namespace: String,
    /// What tells it from another one of its name.
    pub uid: String,
    /// The class of the failure.
    pub reason: Reason,
}

impl Failing {
    /// Of a resource; none if that is not why it is not ready.
    #[must_use]
    pub fn of(object: &Object) -> Option<Self> {
        let is_ready = |type_: &str| type_ == ConditionType::Ready.name();
        let ready = object.conditions().iter().find(|condition| is_ready(&condition.type_))?;
        let reason = Reason::of(&ready.reason).filter(|_| ready.status != ConditionStatus::True)?;
        let is_failure = Class::ALL.iter().any(|class| class.reason() == reason);
        let (namespace, uid) = (object.id().namespace, object.uid()?.to_owned());
        is_failure.then_some(Self { namespace, uid, reason })
    }
}

/// The try that failed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// The operation, such as `glue:CreateTable`.
    pub operation: String,
    /// The error code of AWS; none if it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What AWS said, and what follows.
    pub message: String,
    /// By what AWS knows the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// When it was tried.
    pub at: Timestamp,
    /// How often it was tried in a row, a few minutes apart at most.
    pub tries: i32,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
}
