//! What to say of a job: the status, made from what was observed and acknowledged, never from intent.

use jiff::Timestamp;
use mizuumi_api::condition::{cut, keeping_times};
use mizuumi_api::ingest_job::{ConcurrencyPolicy, IngestJob, IngestJobStatus, LastRun};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{Reason, annotation};

use super::JobGoal;
use super::cursor;
use super::desired::{DesiredJob, Known, name_of};
use super::plan::{due, next};
use super::schedule;
use super::simulate::simulate;
use super::step::JobStep;
use super::world::JobWorld;
use crate::kind::Evidence;
use crate::plan::{Goal, Verdict};
use crate::told::Told;

/// So many runs under way are named.
const NAMED: usize = 20;
/// Longest value of the annotation that requests a reconciliation.
const LONGEST_REQUEST: usize = 256;

/// The status of a job.
#[must_use]
pub fn report(
    object: &IngestJob,
    goal: Option<&JobGoal>,
    evidence: &Evidence<JobWorld, JobStep>,
    now: Timestamp,
) -> IngestJobStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = IngestJobStatus {
        observed_generation: generation,
        schedule: schedule::told(object, now),
        ..before.clone()
    };
    let desired = match goal {
        // What this pass has written down counts.
        Some(Goal::Present(desired)) => Some(DesiredJob { known: Known::of(object), ..desired.clone() }),
        _ => None,
    };
    let mut seen = None;
    if let (Evidence::Observed { world, done, .. }, Some(desired)) = (evidence, &desired) {
        let requested =
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        status.last_handled_reconcile_at = requested.map(|text| cut(text, LONGEST_REQUEST));
        let world = done.iter().fold(world.clone(), |world, step| simulate(&world, step));
        observed(&mut status, desired, &world, now);
        seen = Some(world);
    }
    let told = told(desired.as_ref(), evidence, seen.as_ref(), now);
    let conditions = told.conditions(generation, now).collect();
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

fn observed(status: &mut IngestJobStatus, desired: &DesiredJob, world: &JobWorld, now: Timestamp) {
    let is_made = |session: &Timestamp| world.runs.contains_key(&name_of(&desired.job, *session, 0));
    status.starting = status.starting.filter(|session| !is_made(session));
    status.next_scheduled_time = next(desired, now);
    let under_way = world.under_way();
    status.active_runs = i64::try_from(under_way.len()).unwrap_or(i64::MAX);
    status.active = under_way.iter().take(NAMED).map(|(name, _)| (*name).to_owned()).collect();
    let ended = world.runs.iter().filter_map(|(name, run)| {
        let (phase, message) = (run.phase.filter(|phase| phase.is_over())?, run.message.clone());
        Some(LastRun {
            name: name.clone(),
            session_time: run.session,
            phase,
            finished_at: run.finished,
            message,
        })
    });
    // What is deleted is remembered.
    let last = ended.chain(status.last_run.take());
    status.last_run = last.max_by(|a, b| (a.finished_at, &a.name).cmp(&(b.finished_at, &b.name)));
    status.cursor = cursor::latest(world, status.cursor.take());
    let succeeded = world.runs.values().filter(|run| run.phase == Some(RunPhase::Succeeded));
    let succeeded = succeeded.filter_map(|run| run.session);
    status.last_successful_session = succeeded.chain(status.last_successful_session).max();
}

fn told(
    desired: Option<&DesiredJob>,
    evidence: &Evidence<JobWorld, JobStep>,
    seen: Option<&JobWorld>,
    now: Timestamp,
) -> Told {
    match evidence {
        Evidence::FirstSight => Told::working(Reason::Progressing, "looking for its table and its runs"),
        Evidence::Invalid(problems) => {
            let reason = problems.first().map_or(Reason::SpecInvalid, |problem| problem.reason);
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Told::stalled(reason, listed.join("; "))
        }
        Evidence::Held(why) => Told::stalled(Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            Told::failed(failure)
        }
        Evidence::Observed { plan, .. } => match (&plan.verdict, desired, seen) {
            (Verdict::Blocked(reason, message), ..) => Told::stalled(*reason, message),
            (Verdict::Converging(reason @ Reason::Progressing, message), ..) => {
                Told::working(*reason, message)
            }
            (_, Some(desired), Some(world)) => standing(desired, world, now),
            _ => Told::working(Reason::Deleting, "it is being deleted, and its runs with it"),
        },
    }
}

/// What to say of a job of which everything holds.
fn standing(desired: &DesiredJob, world: &JobWorld, now: Timestamp) -> Told {
    if desired.is_suspended {
        return Told::ready(Reason::Suspended, "`spec.suspend` is true: the schedule makes no runs");
    }
    if desired.schedule.is_none() {
        let message = format!("it has no schedule; its runs are made by hand: mizuumi run {}", desired.job);
        return Told::ready(Reason::ByHand, message);
    }
    let next = next(desired, now);
    let mut message =
        next.map_or("no session comes any more".to_owned(), |next| format!("the next session is {next}"));
    let waiting = due(desired, now).sessions;
    let under_way = world.of_schedule();
    if let (Some(latest), Some((run, _))) = (waiting.last(), under_way.first()) {
        let waits = match (desired.policy, waiting.len()) {
            (ConcurrencyPolicy::Replace, _) => format!("session {latest} waits"),
            (_, 1) => "1 session waits".to_owned(),
            (_, number) => format!("{number} sessions wait"),
        };
        message = format!("{message}; {waits} for the end of run '{run}'");
    }
    Told::ready(Reason::Scheduled, message)
}
