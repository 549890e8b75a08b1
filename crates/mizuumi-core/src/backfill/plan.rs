//! What to do about a backfill: make the run of the next session that needs one, while there is room.

use jiff::Timestamp;
use mizuumi_api::Reason;
use mizuumi_api::ingest_run::RunPhase;

use super::BackfillClaim;
use super::desired::{DesiredBackfill, SeenJob, WINDOW, revision_of};
use super::sessions::{MOST, Sessions};
use super::step::BackfillStep;
use super::world::BackfillWorld;
use crate::ingest_job::plan::held;
use crate::ingest_job::{DesiredJob, SeenRun};
use crate::plan::{Plan, Verdict};

/// What to do.
#[must_use]
pub fn plan(desired: &DesiredBackfill, world: &BackfillWorld, now: Timestamp) -> Plan<BackfillStep> {
    if desired.is_over() {
        return Plan::in_sync(None);
    }
    // What has ended is counted first, which the report does: a run that is not counted takes room.
    if desired.known.active.iter().any(|run| has_ended(desired, run, world)) {
        return Plan::in_sync(Some(now));
    }
    let name = &desired.made_from.spec.job;
    let job = match &desired.job {
        SeenJob::Unknown => return converging(format!("looking for IngestJob '{name}'")),
        SeenJob::Missing => {
            let message =
                format!("there is no IngestJob '{name}' in this namespace; no run is made until it is there");
            return Plan::blocked(Reason::JobNotFound, message);
        }
        SeenJob::Refused(why) => {
            return Plan::blocked(Reason::JobNotReady, format!("IngestJob '{name}' can make no runs: {why}"));
        }
        SeenJob::Job(job) => job,
    };
    if let Some(verdict) = held(job) {
        return Plan { steps: Vec::new(), verdict, wake_at: None };
    }
    let sessions = match desired.sessions() {
        Ok(Some(sessions)) => sessions,
        Ok(None) => {
            let message = format!(
                "IngestJob '{name}' has no schedule, so that nobody knows its sessions; give it one, or run them by hand: mizuumi run {name} --at TIME"
            );
            return Plan::blocked(Reason::JobNotReady, message);
        }
        // The job says so too, with the place.
        Err(_) => {
            return Plan::blocked(
                Reason::JobNotReady,
                format!("the schedule of IngestJob '{name}' does not hold"),
            );
        }
    };
    if desired.known.sessions.is_none() {
        return count(&sessions, now);
    }
    let steps = steps(desired, job, &sessions, world);
    let verdict = match steps.first() {
        None => Verdict::InSync,
        Some(step) => Verdict::Converging(Reason::Running, step.to_string()),
    };
    Plan { steps, verdict, wake_at: None }
}

/// Before anything is begun it is written down how many sessions there are, and by which schedule.
fn count(sessions: &Sessions, now: Timestamp) -> Plan<BackfillStep> {
    if sessions.count().is_none() {
        let message = format!(
            "spec.to: there are more than {MOST} sessions from `from` to `to`; make a backfill for each part of the range"
        );
        return Plan::blocked(Reason::SpecInvalid, message);
    }
    Plan { wake_at: Some(now), ..converging("counting the sessions".to_owned()) }
}

fn converging(message: String) -> Plan<BackfillStep> {
    Plan::converge(Reason::Progressing, message, Vec::new())
}

/// Whether a run that is written down is over, or was deleted before that.
pub(super) fn has_ended(desired: &DesiredBackfill, run: &str, world: &BackfillWorld) -> bool {
    match world.runs.runs.get(run) {
        Some(seen) => seen.is_over(),
        None => desired.known.starting.as_deref() != Some(run),
    }
}

/// What is to be done about sessions. Each is written down before it is done, and only one is: the next plan goes on.
fn steps(
    desired: &DesiredBackfill,
    job: &DesiredJob,
    sessions: &Sessions,
    world: &BackfillWorld,
) -> Vec<BackfillStep> {
    let create = |session: Timestamp, revision: i32| BackfillStep::CreateRun {
        session,
        run: Box::new(desired.run(job, session, revision)),
    };
    if let (Some(starting), Some(session)) = (&desired.known.starting, desired.known.last_session) {
        let is_made = world.runs.runs.contains_key(starting);
        let revision = revision_of(starting).filter(|_| !is_made);
        return revision.map(|revision| create(session, revision)).into_iter().collect();
    }
    if !desired.has_room() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let window: Vec<Timestamp> = sessions.after(desired.known.last_session).take(WINDOW).collect();
    let left: Vec<Timestamp> =
        window.iter().copied().take_while(|session| !is_wanted(desired, world, *session)).collect();
    if let (Some(from), Some(to)) = (left.first(), left.last()) {
        let sessions = i64::try_from(left.len()).unwrap_or(i64::MAX);
        steps.push(BackfillStep::LeaveOut { from: *from, to: *to, sessions });
    }
    let next = window.get(left.len()).copied();
    steps.extend(next.map(|session| create(session, free_revision(world, session))));
    steps
}

/// Whether a session gets a run.
fn is_wanted(desired: &DesiredBackfill, world: &BackfillWorld, session: Timestamp) -> bool {
    if runs_of(world, session).any(|(_, run)| !run.is_over()) {
        return false;
    }
    desired.runs_again() || !has_data(world, session)
}

/// Whether a run of a session has been published. A manifest says so after the run has gone; one of a run that failed does not.
fn has_data(world: &BackfillWorld, session: Timestamp) -> bool {
    let published = world.published.get(&session);
    let has_failed = |(name, run): (&String, &SeenRun)| {
        run.phase == Some(RunPhase::Failed) && revision_of(name) == published.copied()
    };
    runs_of(world, session).any(|(_, run)| run.phase == Some(RunPhase::Succeeded))
        || (published.is_some() && !runs_of(world, session).any(has_failed))
}

fn runs_of(world: &BackfillWorld, session: Timestamp) -> impl Iterator<Item = (&String, &SeenRun)> {
    world.runs.runs.iter().filter(move |(_, run)| run.session == Some(session))
}

/// The revision after all that are known of a session.
fn free_revision(world: &BackfillWorld, session: Timestamp) -> i32 {
    let runs = runs_of(world, session).filter_map(|(name, _)| revision_of(name));
    let highest = runs.chain(world.published.get(&session).copied()).max();
    highest.map_or(0, |highest| highest.saturating_add(1))
}

/// What to do about one that is deleted: its runs under way are given up, and stay as their job's history.
#[must_use]
pub fn give_up(claim: &BackfillClaim, world: &BackfillWorld) -> Plan<BackfillStep> {
    let is_its = |run: &SeenRun| {
        run.backfill.as_ref() == Some(&claim.name) && !run.is_over() && !run.is_cancelled && !run.is_deleted
    };
    let runs = world.runs.runs.iter().filter(|(_, run)| is_its(run));
    let steps: Vec<BackfillStep> = runs
        .map(|(name, run)| BackfillStep::CancelRun { name: name.clone(), uid: run.uid.clone() })
        .collect();
    if steps.is_empty() {
        return Plan::in_sync(None);
    }
    Plan::converge(Reason::Deleting, "its runs under way are given up", steps)
}
