//! What to say of a connection: who uses it, and what the runs that were made with it came to.

use jiff::Timestamp;
use mizuumi_api::condition::{Condition, ConditionStatus, ConditionType, cut, keeping_times};
use mizuumi_api::source_connection::{SourceAttempt, SourceConnection, SourceConnectionStatus};
use mizuumi_api::{Reason, annotation};

use super::ConnectionGoal;
use super::desired::DesiredConnection;
use super::tried::Tried;
use crate::kind::Evidence;
use crate::plan::Goal;
use crate::told::Told;

/// So many jobs are named.
const NAMED: usize = 20;
/// Longest value of the annotation that requests a reconciliation.
const LONGEST_REQUEST: usize = 256;

/// The status of a connection.
#[must_use]
pub fn report(
    object: &SourceConnection,
    goal: Option<&ConnectionGoal>,
    evidence: &Evidence<(), std::convert::Infallible>,
    now: Timestamp,
) -> SourceConnectionStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = SourceConnectionStatus { observed_generation: generation, ..before.clone() };
    let desired = match goal {
        Some(Goal::Present(desired)) => Some(desired),
        _ => None,
    };
    if let (Evidence::Observed { .. }, Some(desired)) = (evidence, desired) {
        let requested =
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        status.last_handled_reconcile_at = requested.map(|text| cut(text, LONGEST_REQUEST));
        used(&mut status, desired);
    }
    let (reachable, reason, message) = reachable(status.last_attempt.as_ref());
    let reachable = Condition::new(ConditionType::Reachable, reachable, reason, &message, generation, now);
    let conditions = told(object, desired, evidence).conditions(generation, now).chain([reachable]).collect();
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

/// Who uses it. What a run said that is deleted by now is remembered.
fn used(status: &mut SourceConnectionStatus, desired: &DesiredConnection) {
    let Some(usage) = &desired.usage else { return };
    status.jobs = i64::try_from(usage.jobs.len()).unwrap_or(i64::MAX);
    status.used_by = usage.jobs.iter().take(NAMED).cloned().collect();
    let seen = usage.tried.iter().map(|Tried(attempt)| attempt.clone());
    let last = seen.chain(status.last_attempt.take());
    status.last_attempt = last.max_by(|a, b| (a.at, &a.run, a.number).cmp(&(b.at, &b.run, b.number)));
}

fn told(
    object: &SourceConnection,
    desired: Option<&DesiredConnection>,
    evidence: &Evidence<(), std::convert::Infallible>,
) -> Told {
    match evidence {
        Evidence::FirstSight => Told::working(Reason::Progressing, "looking for the jobs that name it"),
        Evidence::Invalid(problems) => {
            let reason = problems.first().map_or(Reason::SpecInvalid, |problem| problem.reason);
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Told::stalled(reason, listed.join("; "))
        }
        Evidence::Held(why) => Told::stalled(Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            Told::failed(failure)
        }
        Evidence::Observed { .. } => match desired {
            Some(desired) => {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                let type_ = &desired.type_;
                Told::ready(
                    Reason::Usable,
                    format!("jobs read this {type_} source by `source: {{connection: {name}}}`"),
                )
            }
            None => Told::working(Reason::Deleting, "it is being deleted; runs that were made with it go on"),
        },
    }
}

/// What the condition `Reachable` says.
fn reachable(last: Option<&SourceAttempt>) -> (ConditionStatus, Reason, String) {
    let known = last.and_then(|last| Some((last, Tried::reason(last.exit_code)?)));
    let Some((last, reason)) = known else {
        let message = "no run has said yet whether the source can be reached".to_owned();
        return (ConditionStatus::Unknown, Reason::NeverTried, message);
    };
    let SourceAttempt { run, at, .. } = last;
    let why = last.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    match reason {
        Reason::SourceUnavailable => {
            let message = format!("run '{run}' did not find the source, or lost it, at {at}{why}");
            (ConditionStatus::False, reason, message)
        }
        Reason::SourceDenied => {
            let message = format!("run '{run}' was refused by the source at {at}{why}");
            (ConditionStatus::False, reason, message)
        }
        _ => (ConditionStatus::True, reason, format!("run '{run}' reached the source at {at}{why}")),
    }
}
