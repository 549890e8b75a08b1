//! How a resource stands: by its conditions, the weightiest first.

use jiff::Timestamp;
use mizuumi_api::condition::{ConditionStatus, ConditionType};
use mizuumi_api::{Condition, Reason, ResourceKind};
use serde::Serialize;

use super::seen::Object;

/// How a resource stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// It goes on once somebody has changed something.
    Stuck,
    /// There is no such thing.
    Missing,
    /// Its work failed, and is not done again.
    Failed,
    /// Its source was not to be reached.
    Unreached,
    /// Its data is late.
    Late,
    /// A rule about its data does not pass.
    Untrusted,
    /// What there is to say of it is not known.
    Unknown,
    /// It goes on by itself.
    Working,
    /// Somebody said that nothing is to be done.
    Suspended,
    /// All is as it should be.
    Good,
}

impl State {
    /// Whether somebody has to look at it.
    #[must_use]
    pub const fn needs_attention(self) -> bool {
        !matches!(self, Self::Good | Self::Working | Self::Suspended)
    }
}

/// A condition, with what its reason means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The word for it.
    pub reason: String,
    /// The controller's words.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is as it should be.
    pub is_good: bool,
}

/// Those that tell of something amiss come first, and of them the ones that say most.
const BY_WEIGHT: [ConditionType; 8] = [
    ConditionType::Stalled,
    ConditionType::Ready,
    ConditionType::Reconciling,
    ConditionType::Succeeded,
    ConditionType::QualityPassed,
    ConditionType::Fresh,
    ConditionType::Compatible,
    ConditionType::Reachable,
];

/// `Stalled` and `Reconciling` tell of something amiss while they are True, all others while they are not.
fn is_good(condition: &Condition) -> bool {
    let abnormal = [ConditionType::Stalled.name(), ConditionType::Reconciling.name()];
    (condition.status == ConditionStatus::True) != abnormal.contains(&condition.type_.as_str())
}

/// The conditions, the weightiest first.
#[must_use]
pub fn by_weight(conditions: &[Condition]) -> Vec<Told> {
    let place =
        |type_: &str| BY_WEIGHT.iter().position(|known| known.name() == type_).unwrap_or(BY_WEIGHT.len());
    let mut sorted: Vec<&Condition> = conditions.iter().collect();
    sorted.sort_by_key(|condition| (is_good(condition), place(&condition.type_)));
    let told = sorted.into_iter().map(|condition| Told {
        type_: condition.type_.clone(),
        status: condition.status,
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.last_transition_time,
        is_good: is_good(condition),
    });
    told.collect()
}

/// How a resource stands.
#[must_use]
pub fn state(object: &Object) -> State {
    let conditions = object.conditions();
    let status = |type_: ConditionType| {
        conditions.iter().find(|condition| condition.type_ == type_.name()).map(|condition| condition.status)
    };
    if object.id().kind == ResourceKind::EmrClusterClass {
        return State::Good;
    }
    if let Object::Run(run) = object
        && let Some(phase) =
            run.status.as_ref().and_then(|status| status.phase).filter(|phase| phase.is_over())
    {
        use mizuumi_api::ingest_run::RunPhase;
        return if phase == RunPhase::Succeeded { State::Good } else { State::Failed };
    }
    if object.observed_generation() < object.generation() || conditions.is_empty() {
        return State::Unknown;
    }
    if status(ConditionType::Stalled) == Some(ConditionStatus::True) {
        return State::Stuck;
    }
    if object.is_being_deleted() || status(ConditionType::Reconciling) == Some(ConditionStatus::True) {
        return State::Working;
    }
    match status(ConditionType::Ready) {
        Some(ConditionStatus::True) => {}
        Some(ConditionStatus::False) if !is_going_on(object) => return State::Stuck,
        _ => return State::Working,
    }
    if object.is_suspended() {
        return State::Suspended;
    }
    if status(ConditionType::Reachable) == Some(ConditionStatus::False) {
        return State::Unreached;
    }
    match (status(ConditionType::QualityPassed), status(ConditionType::Fresh)) {
        (_, Some(ConditionStatus::False)) => State::Late,
        (Some(ConditionStatus::False), _) => State::Untrusted,
        (Some(ConditionStatus::Unknown), _) | (_, Some(ConditionStatus::Unknown)) => State::Unknown,
        _ if status(ConditionType::Succeeded) == Some(ConditionStatus::Unknown) => State::Working,
        _ => State::Good,
    }
}

/// A reason that is not `Ready` and needs nobody.
fn is_going_on(object: &Object) -> bool {
    let ready = object.conditions().iter().find(|condition| condition.type_ == ConditionType::Ready.name());
    let reason = ready.and_then(|ready| Reason::of(&ready.reason));
    matches!(reason, Some(Reason::Deleting | Reason::AwaitingData))
}
