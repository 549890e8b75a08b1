//! When a run's work begins, whether it is done again, and what is stopped: one attempt after the other, never two.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Reason;
use mizuumi_api::ingest_run::{IngestRun, PastRunAttempt, RunAttempt, RunAttemptState, RunPhase};

use super::desired::TargetTable;
use super::ecs::{self, SeenTask, TaskLook};
use super::exit_code::is_final;
use super::own_cluster;
use super::plan::RunStep;
use super::shadow::ShadowTables;
use super::trace;
use super::work::{self, JobRequest, OwnWork, Progress, Task, Worker};
use super::world::RunWorld;
use crate::emr_cluster::Awaited;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::publication;

/// So often work is done again that failed through no fault of its own.
const LOST_AT_MOST: i64 = 5;
/// The pause after an attempt that failed; doubled with each that follows.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The longest pause.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(10);
/// Between two looks at work that is under way, should nobody tell of it.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// How far the work is.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// This is to be done, or waited for.
    Plan(Plan<RunStep>),
    /// It is done, and lies there.
    Done(String),
}

/// What to do about a run's work.
pub(super) fn progress(own: &OwnWork, table: &TargetTable, world: &RunWorld, now: Timestamp) -> Stage {
    let said = trace::missing(own, table, world).map(|trace| RunStep::WriteResult { trace: Box::new(trace) });
    let after =
        |plan: Plan<RunStep>| Plan { steps: said.iter().cloned().chain(plan.steps).collect(), ..plan };
    match &own.attempt {
        Some(attempt) if attempt.state == RunAttemptState::Succeeded => match &said {
            Some(step) => Stage::Plan(Plan::converge(Reason::Running, step.to_string(), vec![step.clone()])),
            None => Stage::Done(attempt.output.clone()),
        },
        Some(attempt) if attempt.state == RunAttemptState::Open => {
            Stage::Plan(under_way(own, table, attempt, world, now))
        }
        _ if own.is_cancelled => {
            let plan = Plan::blocked(Reason::RunCancelled, "it was given up");
            Stage::Plan(after(Plan { steps: left_over(own, table, world), ..plan }))
        }
        Some(_) => Stage::Plan(after(again(own, table, world, now))),
        None => Stage::Plan(first(own, table, world, now)),
    }
}

/// What to do while an attempt is under way.
fn under_way(
    own: &OwnWork,
    table: &TargetTable,
    attempt: &RunAttempt,
    world: &RunWorld,
    now: Timestamp,
) -> Plan<RunStep> {
    let stops = own.stops(attempt, now);
    let pause = match &own.task {
        // Nobody tells of it.
        Task::Ecs(_) => ecs::pause(own, attempt).unwrap_or(LOOK_AGAIN),
        Task::Job(_) | Task::Step(_) => LOOK_AGAIN,
    };
    let again = now.checked_add(pause).unwrap_or(Timestamp::MAX);
    let waits = |reason, message: String| Plan {
        wake_at: Some(if stops { again } else { again.min(own.too_late(attempt)) }),
        ..Plan::converge(reason, message, Vec::new())
    };
    match own.progress(attempt, world, now) {
        // The report writes down how it ended; the next pass goes on from there.
        Progress::Done => Plan {
            wake_at: Some(now),
            ..Plan::converge(Reason::Running, "its work is done; looking at its data", Vec::new())
        },
        Progress::Failed { message, .. } => {
            Plan { wake_at: Some(now), ..Plan::converge(Reason::Running, message, Vec::new()) }
        }
        Progress::NotBegun if stops => waits(Reason::Stopping, "it is given up".to_owned()),
        Progress::NotBegun => match &own.task {
            Task::Job(_) | Task::Ecs(_) => match begin(own, table, attempt.clone()) {
                Ok(step) => Plan {
                    wake_at: Some(again),
                    ..Plan::converge(Reason::Running, step.to_string(), vec![step])
                },
                Err((reason, message)) => Plan::blocked(reason, message),
            },
            Task::Step(_) => {
                let cluster = &attempt.worker;
                let worker = own.workers.iter().find(|worker| worker.name == *cluster);
                let stalled = worker.and_then(|worker| worker.stalled.as_ref());
                let why = stalled.map(|why| format!(", which it cannot take now: {why}"));
                let why = why.unwrap_or_default();
                waits(Reason::Running, format!("EmrCluster '{cluster}' is asked for a step{why}"))
            }
        },
        Progress::Going(message) if stops => {
            let why = if own.is_cancelled { "it is given up" } else { "it takes too long" };
            let plan = waits(Reason::Stopping, format!("{message}; it is stopped: {why}"));
            match &own.task {
                Task::Job(_) if world.job.is_some() => {
                    let step = RunStep::DeleteJob {
                        namespace: own.namespace.clone(),
                        name: attempt.worker.clone(),
                        uid: own.uid.clone(),
                    };
                    Plan { steps: vec![step], ..plan }
                }
                Task::Ecs(_) => Plan { steps: stop_task(own, attempt, world, why), ..plan },
                Task::Job(_) | Task::Step(_) => plan,
            }
        }
        Progress::Going(message) => waits(Reason::Running, message),
    }
}

/// How often the last attempts failed through no fault of their own, one after the other.
fn lost_in_a_row(own: &OwnWork) -> i64 {
    let lost = own.failed.iter().take_while(|past| past.was_lost).count();
    i64::try_from(lost).unwrap_or(i64::MAX)
}

/// When the pause after attempts that failed is over; the latest comes first.
fn begins_again(failed: &[PastRunAttempt]) -> Option<Timestamp> {
    let doublings = u32::try_from(failed.len().saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    let pause = (PAUSE * 2_i32.pow(doublings)).min(LONGEST_PAUSE);
    Some(failed.first()?.ended_at.checked_add(pause).unwrap_or(Timestamp::MAX))
}

/// The cluster that a run needs between two attempts, and until when: the next attempt is asked for by then, or is held up by something
/// else.
#[must_use]
pub fn awaits(object: &IngestRun) -> Option<(String, Awaited)> {
    let status = object.status.as_ref()?;
    let attempt = status.attempt.as_ref()?;
    let goes_on = object.spec.emr_step.is_some()
        && !object.spec.cancel
        && object.metadata.deletion_timestamp.is_none()
        && matches!(attempt.state, RunAttemptState::Failed | RunAttemptState::Lost)
        && !status.phase.is_some_and(RunPhase::is_over);
    let until = begins_again(&status.failed_attempts)?.checked_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
    goes_on.then(|| (attempt.worker.clone(), Awaited { from: attempt.ended_at.unwrap_or(until), until }))
}

/// Whether work is done again that failed, and when.
fn again(own: &OwnWork, table: &TargetTable, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    let Some(last) = own.failed.first() else { return first(own, table, world, now) };
    // Those that are not told any more count as well.
    let attempts = own.attempt.as_ref().map_or(0, |attempt| attempt.number);
    let without_fault = own.failed.iter().filter(|past| past.was_lost).count();
    let failed = attempts.saturating_sub(i64::try_from(without_fault).unwrap_or(i64::MAX));
    let is_final = is_final(last.exit_code).filter(|_| !last.was_lost);
    let is_exhausted = if last.was_lost { lost_in_a_row(own) > LOST_AT_MOST } else { failed > own.retries };
    if is_exhausted || is_final.is_some() {
        let message = match (is_final, attempts) {
            (Some(means), _) if !is_exhausted => {
                format!("{}: {means}, so that another attempt would come to the same", last.message)
            }
            (_, 1) => last.message.clone(),
            _ => format!("{} (attempt {attempts}, the last)", last.message),
        };
        return Plan::blocked(Reason::RunFailed, format!("its work failed: {message}"));
    }
    let at = begins_again(&own.failed).unwrap_or(now);
    if now < at {
        let message = format!(
            "attempt {} failed: {}; attempt {} begins at {at}",
            last.number,
            last.message,
            attempts + 1
        );
        // What it wrote to by name goes at once.
        let steps = left_over(own, table, world);
        return Plan { wake_at: Some(at), ..Plan::converge(Reason::Retrying, message, steps) };
    }
    start(own, table, world, now)
}

/// Deletes the tables that work wrote to by name which is over.
fn left_over(own: &OwnWork, table: &TargetTable, world: &RunWorld) -> Vec<RunStep> {
    let sweep = |tables: &ShadowTables| tables.sweep(&table.key.profile, world.shadows.as_ref());
    own.shadows.as_ref().map(sweep).unwrap_or_default()
}

/// Whether the work can begin.
fn first(own: &OwnWork, table: &TargetTable, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    if world.manifest.is_some() {
        let run = &own.order.run;
        let message = format!(
            "a run of this name has brought data before: its manifest {} is there, and one never changes. Nothing was begun. To bring \
             the data of its session anew, make a run of the next revision: `mizuumi rerun {run}`; what was published stays",
            publication::manifest(&table.root, run)
        );
        let plan = Plan::blocked(Reason::OutputInvalid, message);
        return Plan { steps: left_over(own, table, world), ..plan };
    }
    let waits = own.waits();
    if !waits.is_empty() {
        let message = format!("waiting for {}", waits.join("; for "));
        return Plan::converge(Reason::WaitingForUpstream, message, Vec::new());
    }
    start(own, table, world, now)
}

/// Begins an attempt.
fn start(own: &OwnWork, table: &TargetTable, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    if let Some((reason, message)) = own.artifacts_refuse(&world.artifacts) {
        return Plan::blocked(reason, message);
    }
    let attempt = match &own.task {
        Task::Job(_) => own.next_attempt(table, world.traces.as_ref(), None, now),
        Task::Ecs(_) => match ecs::next(own, table, world, now) {
            Ok(attempt) => attempt,
            Err((reason, message)) => return Plan::blocked(reason, message),
        },
        Task::Step(step) => match (choose(own), &step.own_cluster) {
            (Ok(worker), _) => own.next_attempt(table, world.traces.as_ref(), Some(&worker.name), now),
            (Err(_), Some(cluster)) if own.workers.is_empty() => {
                let cluster = Box::new(own_cluster::of(&own.object, cluster));
                let step = RunStep::CreateCluster { cluster };
                return Plan::converge(Reason::Running, step.to_string(), vec![step]);
            }
            (Err(message), _) => return Plan::blocked(Reason::ClusterNotFound, message),
        },
    };
    let shadow = own.shadows.as_ref().and_then(|shadows| shadows.before(table, &attempt, world));
    match begin(own, table, attempt) {
        Ok(_) if let Some(plan) = shadow => plan,
        Ok(step) => Plan::converge(Reason::Running, step.to_string(), vec![step]),
        Err((reason, message)) => Plan::blocked(reason, message),
    }
}

/// The cluster that takes the step: of those that would, the one with the fewest runs.
fn choose(own: &OwnWork) -> Result<&Worker, String> {
    let takes = own.workers.iter().filter(|worker| worker.refuses.is_none());
    takes.min_by_key(|worker| (worker.runs, worker.name.clone())).ok_or_else(|| {
        let refusals: Vec<String> = own
            .workers
            .iter()
            .filter_map(|worker| Some(format!("EmrCluster '{}' takes no steps: {}", worker.name, worker.refuses.as_ref()?)))
            .collect();
        if refusals.is_empty() {
            "there is no EmrCluster of that name, or with those labels, in this namespace; apply it, and the run goes on by \
             itself"
                .to_owned()
        } else {
            refusals.join("; ")
        }
    })
}

fn in_words(problems: &[Problem]) -> (Reason, String) {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    (Reason::SpecInvalid, all.join("; "))
}

/// The step that begins an attempt.
fn begin(own: &OwnWork, table: &TargetTable, attempt: RunAttempt) -> Result<RunStep, (Reason, String)> {
    let trace = trace::started(own, table, &attempt);
    match &own.task {
        Task::Job(_) => {
            let job = request(own, table, &attempt)?;
            Ok(RunStep::CreateJob { attempt: Box::new(attempt), job: Box::new(job), trace: Box::new(trace) })
        }
        Task::Ecs(task) => {
            let task = Box::new(ecs::request(own, task, table, &attempt)?);
            Ok(RunStep::RunTask { attempt: Box::new(attempt), task, trace: Box::new(trace) })
        }
        Task::Step(step) => {
            work::step_call(&own.object, step, &attempt, &own.region)
                .map_err(|problems| in_words(&problems))?;
            Ok(RunStep::AskCluster { attempt: Box::new(attempt), trace: Box::new(trace) })
        }
    }
}

/// The Job of an attempt, if the installation lets it be.
fn request(own: &OwnWork, table: &TargetTable, attempt: &RunAttempt) -> Result<JobRequest, (Reason, String)> {
    let profile = &table.key.profile;
    let not_allowed = |message: String| (Reason::NotAllowed, message);
    let jobs = own.jobs.get(profile).ok_or_else(|| {
        not_allowed(format!(
            "profile '{profile}' of its table has no `jobs` in the installation's configuration, so nothing says which \
             ServiceAccount and images Jobs may have; ask the platform team"
        ))
    })?;
    let Some(job) = &own.object.spec.kubernetes_job else {
        return Err((Reason::SpecInvalid, "`spec.kubernetesJob` is missing".to_owned()));
    };
    let image = job.image.as_deref().unwrap_or_default();
    if !jobs.allows_image(image) {
        return Err(not_allowed(format!(
            "spec.kubernetesJob.image: '{image}' is not among the images that profile '{profile}' allows: {}",
            jobs.images.join(", ")
        )));
    }
    work::job_request(&own.object, job, attempt, jobs, own.timeout).map_err(|problems| in_words(&problems))
}

/// The attempt as it is known by now, and if it failed, what is told of that.
pub(super) fn attempted(
    own: &OwnWork,
    attempt: RunAttempt,
    world: &RunWorld,
    now: Timestamp,
) -> (RunAttempt, Option<(bool, String)>) {
    if attempt.state != RunAttemptState::Open {
        return (attempt, None);
    }
    let external_id = own.external_id(&attempt, world).or_else(|| attempt.external_id.clone());
    let is_stopping = own.stops(&attempt, now);
    let is_task = matches!(own.task, Task::Ecs(_));
    let stopping_at = attempt.stopping_at.or_else(|| (is_stopping && is_task).then_some(now));
    let log = match &world.task {
        Some(SeenTask::Task(task)) => ecs::log(own, &attempt, task),
        _ => None,
    };
    let log = log.or_else(|| attempt.log.clone());
    let known = RunAttempt { external_id, log, is_stopping, stopping_at, ..attempt };
    let over = |state| RunAttempt { state, ended_at: Some(now), ..known.clone() };
    match own.progress(&known, world, now) {
        Progress::Done => (over(RunAttemptState::Succeeded), None),
        Progress::Failed { message, was_lost } => {
            let state = if was_lost { RunAttemptState::Lost } else { RunAttemptState::Failed };
            (over(state), Some((was_lost, message)))
        }
        // Nobody has begun, and now nobody will: over a status that says so nobody creates a Job.
        Progress::NotBegun
            if known.is_stopping
                && attempt.is_stopping
                && (matches!(own.task, Task::Job(_)) || (is_task && ecs::was_never_begun(&known, now))) =>
        {
            (over(RunAttemptState::Failed), Some((false, "it was given up before it began".to_owned())))
        }
        Progress::NotBegun | Progress::Going(_) => (known, None),
    }
}

/// What stops a task that was seen, unless it stops already.
fn stop_task(own: &OwnWork, attempt: &RunAttempt, world: &RunWorld, why: &str) -> Vec<RunStep> {
    match &world.task {
        Some(SeenTask::Task(task)) if !task.is_stopping => {
            let look = TaskLook { arn: Some(task.arn.clone()), ..ecs::look(own, attempt) };
            vec![RunStep::StopTask { look: Box::new(look), why: format!("Mizuumi: {why}") }]
        }
        _ => Vec::new(),
    }
}

/// What to do about a step or a task that may be under way while its run is being deleted: it is stopped, which the report asks for.
pub(super) fn stop(own: &OwnWork, world: &RunWorld, now: Timestamp) -> Plan<RunStep> {
    let Some(attempt) = own.open() else { return Plan::in_sync(None) };
    let pause = ecs::pause(own, attempt).unwrap_or(LOOK_AGAIN);
    let again = Some(now.checked_add(pause).unwrap_or(Timestamp::MAX));
    if matches!(own.task, Task::Ecs(_)) {
        return match own.progress(attempt, world, now) {
            Progress::Done | Progress::Failed { .. } => Plan::in_sync(None),
            Progress::NotBegun if ecs::was_never_begun(attempt, now) => Plan::in_sync(None),
            Progress::NotBegun | Progress::Going(_) => Plan {
                wake_at: again,
                ..Plan::converge(
                    Reason::Deleting,
                    format!(
                        "its task in ECS's cluster '{}' is stopped; the run goes once it has ended",
                        attempt.worker
                    ),
                    stop_task(own, attempt, world, "the run is deleted"),
                )
            },
        };
    }
    match own.progress(attempt, world, now) {
        Progress::Done | Progress::Failed { .. } => Plan::in_sync(None),
        Progress::NotBegun | Progress::Going(_) => Plan {
            wake_at: again,
            ..Plan::converge(
                Reason::Deleting,
                format!(
                    "its step on EmrCluster '{}' is stopped; the run goes once it has ended",
                    attempt.worker
                ),
                Vec::new(),
            )
        },
    }
}

#[cfg(test)]
mod tests {
    use mizuumi_api::ingest_run::IngestRunStatus;
    use serde_json::{Value, json};

    use super::*;

    fn between_attempts(spec: &Value, status: &Value) -> IngestRun {
        let mut whole = json!({
            "attempt": {
                "number": 1, "nonce": "n", "startedAt": "2026-11-26T00:00:00Z", "state": "Lost",
                "output": "s3://lake/t/runs/r/a1/", "worker": "shared", "endedAt": "2026-11-26T01:00:00Z",
            },
            "failedAttempts": [{
                "number": 1, "wasLost": true, "endedAt": "2026-11-26T01:00:00Z", "worker": "j-1/s-1", "message": "lost",
            }],
            "phase": "Running",
        });
        json_patch(&mut whole, status);
        let status: IngestRunStatus = serde_json::from_value(whole).expect("a status");
        let mut object = json!({
            "table": "t", "sessionTime": "2026-11-26T00:00:00Z", "engine": "EmrStep",
            "emrStep": { "cluster": "shared", "step": { "name": "s", "command": ["date"] } },
        });
        json_patch(&mut object, spec);
        let spec = serde_json::from_value(object).expect("a spec");
        IngestRun { status: Some(status), ..IngestRun::new("r", spec) }
    }

    fn json_patch(object: &mut Value, over: &Value) {
        for (key, value) in over.as_object().cloned().unwrap_or_default() {
            object[key] = value;
        }
    }

    #[test]
    fn between_two_attempts_a_run_needs_its_cluster_until_the_next_has_had_time_to_ask() {
        let (cluster, awaited) = awaits(&between_attempts(&json!({}), &json!({}))).expect("it does");
        assert_eq!(cluster, "shared");
        let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
        assert!(awaited.is_now(at("2026-11-26T01:00:00Z")) && awaited.is_now(at("2026-11-26T01:01:29Z")));
        assert!(!awaited.is_now(at("2026-11-26T00:59:59Z")) && !awaited.is_now(at("2026-11-26T01:01:30Z")));
    }

    #[test]
    fn a_run_that_is_given_up_or_over_needs_none() {
        assert_eq!(awaits(&between_attempts(&json!({ "cancel": true }), &json!({}))), None);
        assert_eq!(awaits(&between_attempts(&json!({}), &json!({ "phase": "Failed" }))), None);
    }
}
