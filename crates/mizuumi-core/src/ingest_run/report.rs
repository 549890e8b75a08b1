//! What to say of a run: the status, made from what was observed and acknowledged, never from intent.

use jiff::Timestamp;
use mizuumi_api::condition::{self, Condition, ConditionStatus, ConditionType, cut, keeping_times};
use mizuumi_api::data_table::PublicationState;
use mizuumi_api::ingest_run::{IngestRun, IngestRunStatus, ManifestStatus, PastRunAttempt, RunPhase};
use mizuumi_api::{Reason, annotation};

use super::RunGoal;
use super::attempt;
use super::columns;
use super::desired::{DesiredRun, Target, Work};
use super::gates;
use super::plan::RunStep;
use super::work::OwnWork;
use super::world::RunWorld;
use crate::kind::Evidence;
use crate::plan::{Goal, Verdict};
use crate::publication;

/// Longest value of the annotation that requests a reconciliation.
const LONGEST_REQUEST: usize = 256;
/// How many attempts that failed are told.
pub(super) const FAILED_ATTEMPTS: usize = 10;
/// How many gates are told of.
const GATES: usize = 16;
/// Longest text about one.
const LONGEST_MESSAGE: usize = 512;

/// What the conditions say.
struct Told {
    phase: RunPhase,
    ready: ConditionStatus,
    beside: Option<ConditionType>,
    succeeded: ConditionStatus,
    reason: Reason,
    message: String,
}

impl Told {
    /// It is under way.
    fn going(phase: RunPhase, reason: Reason, message: impl Into<String>) -> Self {
        let (ready, succeeded) = (ConditionStatus::True, ConditionStatus::Unknown);
        Self { phase, ready, beside: None, succeeded, reason, message: message.into() }
    }

    /// It goes on by itself, sooner or later.
    fn held_up(phase: RunPhase, reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::Unknown, Some(ConditionType::Reconciling));
        Self { ready, beside, ..Self::going(phase, reason, message) }
    }

    /// It goes on once somebody has changed something.
    fn stuck(phase: RunPhase, reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::False, Some(ConditionType::Stalled));
        Self { ready, beside, ..Self::going(phase, reason, message) }
    }

    /// It is over, and nothing more of it is published.
    fn failed(reason: Reason, message: impl Into<String>) -> Self {
        let (beside, succeeded) = (Some(ConditionType::Stalled), ConditionStatus::False);
        Self { beside, succeeded, ..Self::going(RunPhase::Failed, reason, message) }
    }
}

/// The status of a run.
#[must_use]
pub fn report(
    object: &IngestRun,
    goal: Option<&RunGoal>,
    evidence: &Evidence<RunWorld, RunStep>,
    now: Timestamp,
) -> IngestRunStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let desired = match goal {
        Some(Goal::Present(desired)) => Some(desired),
        _ => None,
    };
    let requested = object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
    let mut status = IngestRunStatus { observed_generation: generation, ..before.clone() };
    if matches!(evidence, Evidence::Observed { .. }) {
        status.last_handled_reconcile_at = requested.map(|text| cut(text, LONGEST_REQUEST));
    }
    if let (Some(desired), Evidence::Observed { world, .. }) = (desired, evidence) {
        desired.audit.told(&mut status.gate_queries, world);
    }
    shadow_told(&mut status, object, goal, evidence);
    if before.phase.is_some_and(RunPhase::is_over) {
        // What is over does not change any more.
        for condition in &mut status.conditions {
            condition.observed_generation = generation;
        }
        return status;
    }
    if let Some(DesiredRun { target: Target::Table(table), run, .. }) = desired {
        // Once it asks, it has been written where it is; own work writes where its attempt does.
        if status.manifest.is_none() && own_work(goal).is_none() {
            status.output = Some(publication::output(&table.root, run));
        }
    }
    if let (Some(own), Evidence::Observed { world, .. }) = (own_work(goal), evidence) {
        attempted(&mut status, own, world, now);
    }
    if let (Evidence::Observed { world, plan, .. }, Some(desired)) = (evidence, desired)
        && let Verdict::Blocked(Reason::GateFailed, _) | Verdict::Converging(Reason::Publishing, _) =
            plan.verdict
        && status.manifest.is_none()
    {
        let answers = match &desired.target {
            Target::Table(table) => gates::answers(desired, table, world, now).unwrap_or_default(),
            _ => gates::Answers::new(),
        };
        status.gates = gates::judged(desired, world, &answers, now);
        status.gates.truncate(GATES);
        desired.audit.forget(&mut status.gate_queries, world);
    }
    let told = told(object, desired, evidence, &mut status);
    if told.phase.is_over() {
        status.finished_at = Some(now);
    }
    if status.manifest.is_some() {
        status.written_at = status.written_at.or(Some(now));
    }
    status.phase = Some(told.phase);
    let condition =
        |type_, is: ConditionStatus| Condition::new(type_, is, told.reason, &told.message, generation, now);
    let beside = told.beside.map(|beside| condition(beside, ConditionStatus::True));
    let schema = schema_told(desired, evidence, generation, now)
        .or_else(|| condition::find(&before.conditions, ConditionType::SchemaMatches).cloned());
    let conditions = beside
        .into_iter()
        .chain([
            condition(ConditionType::Ready, told.ready),
            condition(ConditionType::Succeeded, told.succeeded),
        ])
        .chain(schema)
        .collect();
    status.conditions = keeping_times(conditions, &before.conditions);
    status
}

/// Whether the work says the columns that its table declares, once it has said some.
fn schema_told(
    desired: Option<&DesiredRun>,
    evidence: &Evidence<RunWorld, RunStep>,
    generation: i64,
    now: Timestamp,
) -> Option<Condition> {
    let (Some(DesiredRun { target: Target::Table(table), .. }), Evidence::Observed { world, .. }) =
        (desired, evidence)
    else {
        return None;
    };
    let result = world.output.as_ref()?.result.as_ref()?.as_ref().ok()?;
    let said = result.schema.as_ref().filter(|said| !said.is_empty() && table.is_declared)?;
    let (is, reason, message) = match columns::difference(said, table) {
        None => (
            ConditionStatus::True,
            Reason::SchemaDeclared,
            "its columns are those that are declared".to_owned(),
        ),
        Some(why) => (ConditionStatus::False, Reason::SchemaDiffers, why),
    };
    Some(Condition::new(ConditionType::SchemaMatches, is, reason, &message, generation, now))
}

/// The work that Mizuumi has done, if it has any.
fn own_work(goal: Option<&RunGoal>) -> Option<&OwnWork> {
    match goal? {
        Goal::Present(DesiredRun { work: Work::Own(own), .. }) => Some(own),
        Goal::Present(_) => None,
        Goal::Absent(claim) | Goal::Released(claim) => claim.work.as_deref(),
    }
}

/// Tells how far the attempt is.
fn attempted(status: &mut IngestRunStatus, own: &OwnWork, world: &RunWorld, now: Timestamp) {
    let Some(attempt) = status.attempt.take() else { return };
    // One that was written down in this very pass has not been looked at.
    let is_known = own.attempt.as_ref().is_some_and(|known| known.nonce == attempt.nonce);
    if !is_known {
        status.attempt = Some(attempt);
        return;
    }
    let (attempt, failure) = attempt::attempted(own, attempt, world, now);
    if let Some((was_lost, message)) = failure {
        let past = PastRunAttempt {
            number: attempt.number,
            was_lost,
            exit_code: world.exit_code(),
            ended_at: now,
            worker: attempt.external_id.clone().unwrap_or_else(|| attempt.worker.clone()),
            message: cut(&message, LONGEST_MESSAGE),
        };
        status.failed_attempts.insert(0, past);
        status.failed_attempts.truncate(FAILED_ATTEMPTS);
    }
    status.output = Some(attempt.output.clone());
    status.attempt = Some(attempt);
}

fn told(
    object: &IngestRun,
    desired: Option<&DesiredRun>,
    evidence: &Evidence<RunWorld, RunStep>,
    status: &mut IngestRunStatus,
) -> Told {
    let phase = status.phase.unwrap_or(RunPhase::Pending);
    match evidence {
        Evidence::FirstSight => Told::held_up(phase, Reason::Progressing, "looking for its table"),
        Evidence::Invalid(problems) => {
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Told::stuck(phase, Reason::SpecInvalid, listed.join("; "))
        }
        Evidence::Held(why) => Told::stuck(phase, Reason::DeletionHeld, why),
        // Of what is settled only the shadow table is looked at any more, and that is told beside.
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. }
            if !desired.is_some_and(|desired| desired.is_settled) =>
        {
            let (reason, message) = (failure.class.reason(), failure.to_string());
            if failure.class.is_transient() {
                Told::held_up(phase, reason, message)
            } else {
                Told::stuck(phase, reason, message)
            }
        }
        Evidence::NotObserved(_) => answer(object, desired, status),
        Evidence::Observed { world, plan, .. } => {
            match &plan.verdict {
                Verdict::Blocked(
                    reason @ (Reason::OutputInvalid
                    | Reason::RunFailed
                    | Reason::RunCancelled
                    | Reason::GateFailed),
                    message,
                ) => {
                    return Told::failed(*reason, message);
                }
                Verdict::Blocked(reason, message) => return Told::stuck(phase, *reason, message),
                Verdict::Converging(Reason::Publishing, _) => {
                    if let (
                        Some(Ok((manifest, sha256))),
                        Some(DesiredRun { target: Target::Table(table), run, .. }),
                    ) = (&world.manifest, desired)
                    {
                        if let Some(Ok(result)) = world.output.as_ref().and_then(|it| it.result.as_ref()) {
                            status.cursor = result.cursor();
                        }
                        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
                        status.manifest = Some(ManifestStatus {
                            location: publication::manifest(&table.root, run),
                            sha256: sha256.clone(),
                            partitions: i64::try_from(manifest.partitions.len()).unwrap_or(i64::MAX),
                            files: count(manifest.files()),
                            bytes: count(manifest.size()),
                        });
                    }
                }
                Verdict::Converging(Reason::WaitingForUpstream, message) => {
                    return Told::going(RunPhase::Pending, Reason::WaitingForUpstream, message);
                }
                Verdict::Converging(reason, message) if status.manifest.is_none() => {
                    return Told::going(RunPhase::Running, *reason, message);
                }
                Verdict::Converging(..) | Verdict::InSync => {}
            }
            answer(object, desired, status)
        }
    }
}

/// What became of what it asks for.
fn answer(object: &IngestRun, desired: Option<&DesiredRun>, status: &mut IngestRunStatus) -> Told {
    let phase = status.phase.unwrap_or(RunPhase::Pending);
    let is_deleted = object.metadata.deletion_timestamp.is_some();
    match desired.and_then(|desired| desired.target.answer(object)) {
        _ if is_deleted => Told::held_up(
            phase,
            Reason::Deleting,
            format!(
                "its table is publishing it; the run goes once that is done, or at once with the annotation '{}: true'",
                annotation::ABANDON
            ),
        ),
        Some(answer) if answer.state.is_over() => answered(answer, status),
        _ => publishing(desired, status),
    }
}

/// Tells whether the shadow table is gone that nobody needs any more, and if not, why.
fn shadow_told(
    status: &mut IngestRunStatus,
    object: &IngestRun,
    goal: Option<&RunGoal>,
    evidence: &Evidence<RunWorld, RunStep>,
) {
    let left_over = match goal {
        Some(Goal::Present(desired)) => desired.left_over.as_ref(),
        Some(Goal::Absent(claim) | Goal::Released(claim)) => claim.shadows.as_ref(),
        None => None,
    };
    // One that was written down in this very pass has not been looked at.
    let Some(sweep) = left_over.filter(|sweep| sweep.tables.knows(object.status.as_ref())) else { return };
    match evidence {
        Evidence::Observed { world, .. } if sweep.tables.are_gone(world.shadows.as_ref()) => {
            (status.shadow, status.audit) = (None, None);
            status.gate_queries.clear();
        }
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            for shadow in status.shadow.iter_mut().chain(&mut status.audit) {
                shadow.message = Some(cut(&failure.to_string(), LONGEST_MESSAGE));
            }
        }
        _ => {}
    }
}

fn publishing(desired: Option<&DesiredRun>, status: &IngestRunStatus) -> Told {
    let waits = |why: String| Told::stuck(RunPhase::Publishing, Reason::TableNotPublished, why);
    if let (Some(DesiredRun { target: Target::Table(table), run, .. }), Some(manifest)) =
        (desired, &status.manifest)
        && manifest.location != publication::manifest(&table.root, run)
    {
        return waits(format!(
            "its manifest is {}, and the table's `spec.location` is another one by now; put that back, or make another run",
            manifest.location
        ));
    }
    match desired.map(|desired| (&desired.target, &desired.table)) {
        Some((Target::Missing, table)) => waits(format!("DataTable '{table}' is gone; nothing is published")),
        Some((Target::Refused(why), table)) => {
            waits(format!("DataTable '{table}' does not publish it: {why}"))
        }
        _ => Told::going(
            RunPhase::Publishing,
            Reason::Publishing,
            "all data is there; its table is asked to publish it",
        ),
    }
}

fn answered(answer: &mizuumi_api::data_table::PublicationStatus, status: &mut IngestRunStatus) -> Told {
    match answer.state {
        PublicationState::RolledBack => {
            Told::failed(Reason::RolledBack, "it was rolled back before it was published wholly")
        }
        PublicationState::Refused => Told::failed(
            Reason::OutputInvalid,
            format!("its table does not publish it: {}", answer.message.as_deref().unwrap_or_default()),
        ),
        PublicationState::Published | PublicationState::Publishing => {
            status.superseded = Some(answer.superseded);
            let published = answer.partitions - answer.superseded;
            let left = match answer.superseded {
                0 => String::new(),
                left => format!("; {left} left as they are, since later runs brought them"),
            };
            let message = format!("published {published} of {} partitions{left}", answer.partitions);
            let succeeded = ConditionStatus::True;
            Told { succeeded, ..Told::going(RunPhase::Succeeded, Reason::Published, message) }
        }
    }
}
