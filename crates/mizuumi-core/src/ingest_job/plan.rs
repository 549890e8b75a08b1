//! What to do about a job: make the run of each session that is due, once, and clear away the runs of long ago.

use jiff::Timestamp;
use mizuumi_api::Reason;
use mizuumi_api::ingest_job::ConcurrencyPolicy;
use mizuumi_api::ingest_run::RunPhase;

use super::desired::{DesiredJob, name_of};
use super::schedule::{self, Due, MOST};
use super::step::JobStep;
use super::world::{JobWorld, SeenRun};
use crate::ingest_run::Target;
use crate::plan::{Plan, Verdict};

/// What to do.
#[must_use]
pub fn plan(desired: &DesiredJob, world: &JobWorld, now: Timestamp) -> Plan<JobStep> {
    // Once that is written down, its run may go.
    let wake_at = if is_started(desired, world) { Some(now) } else { next(desired, now) };
    let steps = outlived(desired, world);
    if let Some(verdict) = held(desired) {
        return Plan { steps, verdict, wake_at };
    }
    let mut steps = steps;
    if !desired.is_suspended {
        steps.extend(sessions(desired, world, now));
    }
    let verdict = match steps.first() {
        None => Verdict::InSync,
        Some(step) => Verdict::Converging(Reason::Scheduled, step.to_string()),
    };
    Plan { steps, verdict, wake_at }
}

/// Why no run of a job is made, whoever wants one.
#[must_use]
pub fn held(desired: &DesiredJob) -> Option<Verdict> {
    let table = &desired.made_from.spec.run.table;
    match &desired.target {
        Target::Table(_) => {}
        Target::Unknown => {
            let message = format!("looking for DataTable '{table}'");
            return Some(Verdict::Converging(Reason::Progressing, message));
        }
        Target::Missing => {
            let message = format!(
                "there is no DataTable '{table}' in this namespace; no run is made until it is there"
            );
            return Some(Verdict::Blocked(Reason::TableNotFound, message));
        }
        Target::Refused(why) => {
            let message = format!("no run can be published into DataTable '{table}': {why}; none is made");
            return Some(Verdict::Blocked(Reason::TableNotPublished, message));
        }
    }
    match &desired.without_connection {
        None => {}
        Some((reason @ Reason::Progressing, message)) => {
            return Some(Verdict::Converging(*reason, message.clone()));
        }
        Some((reason, message)) => return Some(Verdict::Blocked(*reason, message.clone())),
    }
    desired.cycle.clone().map(|cycle| Verdict::Blocked(Reason::UpstreamCycle, cycle))
}

/// The session that comes next, if the schedule goes on.
#[must_use]
pub fn next(desired: &DesiredJob, now: Timestamp) -> Option<Timestamp> {
    let cron = desired.schedule.as_ref().filter(|_| !desired.is_suspended)?;
    cron.next(desired.known.after(now).max(now))
}

/// The sessions that have come and of which nothing was done yet.
#[must_use]
pub fn due(desired: &DesiredJob, now: Timestamp) -> Due {
    match &desired.schedule {
        Some(cron) if !desired.is_suspended => {
            schedule::due(cron, desired.known.after(now), desired.deadline, now)
        }
        _ => Due::default(),
    }
}

/// What is to be done about sessions. Each is written down before it is done, and only one is: the next plan goes on.
fn sessions(desired: &DesiredJob, world: &JobWorld, now: Timestamp) -> Vec<JobStep> {
    let create = |session: Timestamp| JobStep::CreateRun { session, run: Box::new(desired.run(session)) };
    if let Some(session) = desired.known.starting
        && !is_started(desired, world)
    {
        return vec![create(session)];
    }
    let Due { late, sessions } = due(desired, now);
    let mut steps = Vec::new();
    if let Some((from, to)) = late {
        let why = if sessions.len() == MOST {
            format!("no more than {MOST} may wait")
        } else {
            "more than `spec.startingDeadline` has passed".to_owned()
        };
        steps.push(JobStep::LeaveOut { from, to, why });
    }
    let (Some(first), Some(latest)) = (sessions.first().copied(), sessions.last().copied()) else {
        return steps;
    };
    let under_way = world.of_schedule();
    let earlier = || {
        let to = sessions.iter().rev().nth(1).copied()?;
        let why = format!("session {latest} has come");
        Some(JobStep::LeaveOut { from: first, to, why })
    };
    match desired.policy {
        ConcurrencyPolicy::Allow => steps.push(create(first)),
        ConcurrencyPolicy::Queue if under_way.is_empty() => steps.push(create(first)),
        ConcurrencyPolicy::Queue => {}
        ConcurrencyPolicy::Forbid => {
            if let Some((run, _)) = under_way.first() {
                let why = format!("run '{run}' is under way, and `spec.concurrencyPolicy` is Forbid");
                steps.push(JobStep::LeaveOut { from: first, to: latest, why });
            } else {
                steps.extend(earlier());
                steps.push(create(latest));
            }
        }
        ConcurrencyPolicy::Replace => {
            steps.extend(earlier());
            // Its own run is there already where the status is behind.
            let is_replaced =
                |run: &SeenRun| run.session < Some(latest) && !run.is_cancelled && !run.is_deleted;
            let replaced = under_way.iter().filter(|(_, run)| is_replaced(run));
            steps.extend(replaced.map(|(name, run)| JobStep::CancelRun {
                name: (*name).to_owned(),
                uid: run.uid.clone(),
                session: latest,
            }));
            if under_way.is_empty() {
                steps.push(create(latest));
            }
        }
    }
    steps
}

/// Whether the session of which it is not written down that its run was made has one: nobody else makes a run of that name.
fn is_started(desired: &DesiredJob, world: &JobWorld) -> bool {
    let run = desired.known.starting.map(|session| name_of(&desired.job, session, 0));
    run.is_some_and(|run| world.runs.contains_key(&run))
}

/// Whether a run was made for a session of which the status, as far as it is known here, does not say so. Were it deleted, whoever
/// knows that the session was begun, and not that it was made, would make it anew.
fn is_open(desired: &DesiredJob, name: &str, run: &SeenRun) -> bool {
    let known = &desired.known;
    let comes = |session: &Timestamp| Some(*session) > known.last.max(known.since);
    let is_late = |session: &Timestamp| comes(session) && desired.schedule.is_some();
    let is_open = |session: &Timestamp| known.starting == Some(*session) || is_late(session);
    run.session.filter(is_open).is_some_and(|session| name == name_of(&desired.job, session, 0))
}

/// Whether a backfill has still to count how a run ended. As long as not all backfills are known, it may be.
fn is_uncounted(desired: &DesiredJob, name: &str, run: &SeenRun) -> bool {
    let Some(backfill) = &run.backfill else { return false };
    let Some(known) = &desired.backfills else { return true };
    let counting = known.get(backfill).zip(run.session);
    counting.is_some_and(|(counting, session)| !counting.has_counted(name, session))
}

/// Runs that are over and more than are kept, the oldest first.
fn outlived(desired: &DesiredJob, world: &JobWorld) -> Vec<JobStep> {
    let beyond = |phase: RunPhase, keep: usize, field: &str| {
        let mut all: Vec<(&String, &SeenRun)> = world
            .runs
            .iter()
            .filter(|(_, run)| run.phase == Some(phase) && !run.is_deleted)
            .filter(|(name, run)| !is_open(desired, name, run) && !is_uncounted(desired, name, run))
            .collect();
        all.sort_by_key(|(name, run)| (run.finished, *name));
        let why = format!("`spec.{field}` keeps {keep}");
        let beyond = all.len().saturating_sub(keep);
        let delete = move |(name, run): (&String, &SeenRun)| JobStep::DeleteRun {
            name: name.clone(),
            uid: run.uid.clone(),
            why: why.clone(),
        };
        all.into_iter().take(beyond).map(delete).collect::<Vec<_>>()
    };
    let mut steps = beyond(RunPhase::Succeeded, desired.keep_succeeded, "successfulRunsHistoryLimit");
    steps.extend(beyond(RunPhase::Failed, desired.keep_failed, "failedRunsHistoryLimit"));
    steps
}
