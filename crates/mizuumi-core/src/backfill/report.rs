//! What to say of a backfill: the status, made from what was observed and acknowledged, never from intent.

use jiff::Timestamp;
use mizuumi_api::backfill::{Backfill, BackfillFailure, BackfillStatus};
use mizuumi_api::condition::{Condition, ConditionStatus, ConditionType, cut, keeping_times};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{Reason, annotation};

use super::BackfillGoal;
use super::desired::DesiredBackfill;
use super::plan::has_ended;
use super::simulate::simulate;
use super::step::BackfillStep;
use super::world::BackfillWorld;
use crate::kind::Evidence;
use crate::plan::{Goal, Verdict};
use crate::told::Told;

/// So many failures are told.
const FAILURES: usize = 10;
/// Longest message of one.
const LONGEST_MESSAGE: usize = 256;
/// Longest value of the annotation that requests a reconciliation.
const LONGEST_REQUEST: usize = 256;

/// The status of a backfill.
#[must_use]
pub fn report(
    object: &Backfill,
    goal: Option<&BackfillGoal>,
    evidence: &Evidence<BackfillWorld, BackfillStep>,
    now: Timestamp,
) -> BackfillStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = BackfillStatus { observed_generation: generation, ..before.clone() };
    let desired = match goal {
        // What this pass has written down counts.
        Some(Goal::Present(desired)) => Some(DesiredBackfill { known: before.clone(), ..desired.clone() }),
        _ => None,
    };
    if let (Evidence::Observed { world, done, .. }, Some(desired)) = (evidence, &desired) {
        let requested =
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        status.last_handled_reconcile_at = requested.map(|text| cut(text, LONGEST_REQUEST));
        let world = done.iter().fold(world.clone(), |world, step| simulate(&world, step));
        observed(&mut status, desired, &world, now);
    }
    let (told, succeeded) = told(object, &status, evidence);
    let mut conditions: Vec<Condition> = told.conditions(generation, now).collect();
    conditions.push(told.condition(ConditionType::Succeeded, succeeded, generation, now));
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

/// Running and waiting are what the other figures leave.
pub(super) fn tally(status: &mut BackfillStatus) {
    let Some(sessions) = status.sessions else { return };
    let running = i64::try_from(status.active.len()).unwrap_or(i64::MAX);
    let done = [status.succeeded, status.failed, status.left_out].into_iter().flatten().sum::<i64>();
    status.running = Some(running);
    status.waiting = Some((sessions - done - running).max(0));
}

fn observed(status: &mut BackfillStatus, desired: &DesiredBackfill, world: &BackfillWorld, now: Timestamp) {
    if desired.is_over() {
        return;
    }
    let Ok(Some(sessions)) = desired.sessions() else { return };
    if status.sessions.is_none() {
        status.schedule = desired.schedule().cloned();
        status.sessions = sessions.count().and_then(|count| i64::try_from(count).ok());
        status.left_out = Some(0);
        (status.succeeded, status.failed) = (Some(0), Some(0));
    }
    status.starting = status.starting.take().filter(|run| !world.runs.runs.contains_key(run));
    let (ended, active) = status.active.drain(..).partition(|run| has_ended(desired, run, world));
    status.active = active;
    for run in ended {
        let seen = world.runs.runs.get(&run);
        if seen.is_some_and(|seen| seen.phase == Some(RunPhase::Succeeded)) {
            status.succeeded = Some(status.succeeded.unwrap_or_default() + 1);
            continue;
        }
        let gone = || "it was deleted before it was over".to_owned();
        let message = seen.map_or_else(|| Some(gone()), |seen| seen.message.clone());
        let message = message.map(|message| cut(&message, LONGEST_MESSAGE));
        status.failed = Some(status.failed.unwrap_or_default() + 1);
        status.failures.insert(0, BackfillFailure { run, message });
        status.failures.truncate(FAILURES);
    }
    tally(status);
    let is_done = status.active.is_empty() && sessions.after(status.last_session).next().is_none();
    if is_done && status.sessions.is_some() {
        status.finished_at = Some(now);
    }
}

fn told(
    object: &Backfill,
    status: &BackfillStatus,
    evidence: &Evidence<BackfillWorld, BackfillStep>,
) -> (Told, ConditionStatus) {
    let going = |told: Told| (told, ConditionStatus::Unknown);
    if object.metadata.deletion_timestamp.is_none() && status.finished_at.is_some() {
        return over(object, status);
    }
    going(match evidence {
        Evidence::FirstSight => Told::working(Reason::Progressing, "looking for its job and its runs"),
        Evidence::Invalid(problems) => {
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Told::stalled(Reason::SpecInvalid, listed.join("; "))
        }
        Evidence::Held(why) => Told::stalled(Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            Told::failed(failure)
        }
        Evidence::Observed { plan, .. } => match &plan.verdict {
            Verdict::Blocked(reason, message) => Told::stalled(*reason, message),
            Verdict::Converging(reason @ (Reason::Progressing | Reason::Deleting), message) => {
                Told::working(*reason, message)
            }
            _ if object.spec.suspend => {
                let message = format!("`spec.suspend` is true: no more runs are made; {}", standing(status));
                Told::ready(Reason::Suspended, message)
            }
            _ => Told::ready(Reason::Running, standing(status)),
        },
    })
}

/// How far it has come.
fn standing(status: &BackfillStatus) -> String {
    let figure = |figure: Option<i64>| figure.unwrap_or_default();
    let (succeeded, failed, left) =
        (figure(status.succeeded), figure(status.failed), figure(status.left_out));
    let done = succeeded + failed + left;
    let (all, running, waiting) = (figure(status.sessions), figure(status.running), figure(status.waiting));
    let mut words = format!("{done} of {all} sessions are done");
    let parts = [(failed, "failed"), (left, "left out"), (running, "under way"), (waiting, "waiting")];
    for (number, what) in parts.into_iter().filter(|(number, _)| *number > 0) {
        words = format!("{words}, {number} {what}");
    }
    words
}

/// What to say of one of which all is done.
fn over(object: &Backfill, status: &BackfillStatus) -> (Told, ConditionStatus) {
    let figure = |figure: Option<i64>| figure.unwrap_or_default();
    let (all, failed, left) = (figure(status.sessions), figure(status.failed), figure(status.left_out));
    if failed > 0 {
        let spec = &object.spec;
        let last = status.failures.first();
        let last = last.map(|last| match &last.message {
            Some(message) => format!("; the last one, '{}': {message}", last.run),
            None => format!("; the last one is '{}'", last.run),
        });
        let message = format!(
            "{failed} of {all} sessions failed{}; once that is mended: mizuumi backfill {} --from {} --to {}",
            last.unwrap_or_default(),
            spec.job,
            spec.from,
            spec.to
        );
        return (Told::ended_badly(Reason::SessionsFailed, message), ConditionStatus::False);
    }
    let message = match (all, left) {
        (0, _) => "the schedule has no session in this range that had come when it was made".to_owned(),
        (_, 0) => format!("all {all} sessions are done"),
        _ => format!(
            "all {all} sessions are done; {left} of them had data or a run under way and were left out"
        ),
    };
    (Told::ready(Reason::CaughtUp, message), ConditionStatus::True)
}
