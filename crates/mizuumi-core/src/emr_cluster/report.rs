//! What to say of a cluster: the status, made from what was observed and acknowledged, never from intent.

use jiff::Timestamp;
use mizuumi_api::condition::{Condition, ConditionStatus, ConditionType, cut, keeping_times};
use mizuumi_api::data_table::{ManagementPolicy, PlanStatus};
use mizuumi_api::emr_cluster::{Attempt, AttemptState, EmrCluster, EmrClusterStatus, Phase};
use mizuumi_api::{Reason, annotation};

use super::ClusterGoal;
use super::desired::{Called, DesiredCluster, Life};
use super::plan::{between_looks, current, end_in_words, ended, is_outdated, phase_of_end, wanted};
use super::run_steps;
use super::step::ClusterStep;
use super::told;
use super::world::{Cluster, ClusterState, ClusterWorld};
use crate::failure::{Class, Failure};
use crate::kind::Evidence;
use crate::plan::{Goal, Plan, Verdict};

/// The operation that makes a cluster.
pub const RUN_JOB_FLOW: &str = "elasticmapreduce:RunJobFlow";
/// How many clusters that have ended are told.
const HISTORY: usize = 10;
/// How many lines of a plan.
const LINES: usize = 50;
/// Longest line of a plan.
const LONGEST_LINE: usize = 512;
/// Longest value of the annotation that requests a reconciliation.
pub(super) const LONGEST_REQUEST: usize = 256;

/// What the conditions say.
struct Said {
    ready: ConditionStatus,
    beside: Option<ConditionType>,
    reason: Reason,
    message: String,
}

impl Said {
    fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: ConditionStatus::True, beside: None, reason, message: message.into() }
    }

    fn working(reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::False, Some(ConditionType::Reconciling));
        Self { ready, beside, reason, message: message.into() }
    }

    fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        let (ready, beside) = (ConditionStatus::False, Some(ConditionType::Stalled));
        Self { ready, beside, reason, message: message.into() }
    }

    fn failed(failure: &Failure) -> Self {
        let (reason, message) = (failure.class.reason(), failure.to_string());
        if failure.class.is_transient() {
            Self { ready: ConditionStatus::Unknown, ..Self::working(reason, message) }
        } else {
            Self::stalled(reason, message)
        }
    }
}

/// The status of a cluster.
#[must_use]
pub fn report(
    object: &EmrCluster,
    goal: Option<&ClusterGoal>,
    evidence: &Evidence<ClusterWorld, ClusterStep>,
    now: Timestamp,
) -> EmrClusterStatus {
    let before = object.status.clone().unwrap_or_default();
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = EmrClusterStatus { observed_generation: generation, ..before.clone() };
    if let Evidence::Observed { world, plan, failure, .. } = evidence {
        let requested =
            object.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        status.last_handled_reconcile_at = requested.map(|text| cut(text, LONGEST_REQUEST));
        if let Some(goal) = goal {
            observed(&mut status, goal, world, plan, failure.as_ref(), now);
        }
    }
    let said = said(object, goal, evidence, &status);
    let condition = |type_, is| Condition::new(type_, is, said.reason, &said.message, generation, now);
    let conditions = said
        .beside
        .map(|beside| condition(beside, ConditionStatus::True))
        .into_iter()
        .chain([condition(ConditionType::Ready, said.ready)])
        .collect();
    status.conditions = keeping_times(conditions, &before.conditions);
    told::keep_small(&mut status);
    status
}

fn called(goal: &ClusterGoal) -> &Called {
    match goal {
        Goal::Present(desired) => &desired.called,
        Goal::Absent(claim) | Goal::Released(claim) => &claim.called,
    }
}

fn observed(
    status: &mut EmrClusterStatus,
    goal: &ClusterGoal,
    world: &ClusterWorld,
    plan: &Plan<ClusterStep>,
    failure: Option<&Failure>,
    now: Timestamp,
) {
    let called = called(goal);
    if let Some(attempt) = status.attempt.take() {
        status.attempt = Some(attempted(attempt, called, world, failure));
    }
    status.runs = run_steps::report(std::mem::take(&mut status.runs), called, world, failure, now);
    let alive = current(called, world);
    if let Some(cluster) = alive.or_else(|| ended(called, world)) {
        told::tell(status, cluster);
    }
    let newest = ended(called, world)
        .filter(|last| status.history.first().is_none_or(|past| past.cluster_id != last.id));
    if let Some(last) = newest {
        status.history.insert(0, told::past(last));
        status.history.truncate(HISTORY);
    }
    status.phase = Some(phase(goal, world, plan, alive, now));
    let shows_plan = matches!(goal, Goal::Present(desired) if desired.policy == ManagementPolicy::Plan);
    status.plan = (shows_plan && !plan.steps.is_empty()).then(|| PlanStatus {
        steps: i64::try_from(plan.steps.len()).unwrap_or(i64::MAX),
        lines: plan.steps.iter().take(LINES).map(|step| cut(&step.to_string(), LONGEST_LINE)).collect(),
    });
}

/// What is known of an attempt by now.
fn attempted(attempt: Attempt, called: &Called, world: &ClusterWorld, failure: Option<&Failure>) -> Attempt {
    let mine = |cluster: &&Cluster| cluster.is_of(&called.owner) && cluster.nonce() == attempt.nonce;
    let found = world.clusters.iter().find(mine);
    if let Some(cluster) = found {
        let state = if cluster.state.is_alive() { AttemptState::Made } else { AttemptState::Ended };
        return Attempt {
            state,
            cluster_id: Some(cluster.id.clone()),
            unseen: None,
            sought_since: None,
            looked_at: None,
            ..attempt
        };
    }
    match attempt.state {
        AttemptState::Open => {
            // EMR said no, and nothing happened; only `Unknown` leaves that open.
            let was_refused = failure
                .is_some_and(|failure| failure.operation == RUN_JOB_FLOW && failure.class != Class::Unknown);
            if was_refused {
                return Attempt {
                    state: AttemptState::Refused,
                    unseen: None,
                    sought_since: None,
                    looked_at: None,
                    ..attempt
                };
            }
            unseen(attempt, called, world)
        }
        // EMR forgets a cluster two months after its end.
        AttemptState::Made => Attempt { state: AttemptState::Ended, ..attempt },
        AttemptState::Refused | AttemptState::Ended => attempt,
    }
}

/// Counts a listing that did not show the attempt's cluster, if it began long enough after the one before.
fn unseen(attempt: Attempt, called: &Called, world: &ClusterWorld) -> Attempt {
    let Some(listed) = world.listed else { return attempt };
    let since = attempt.looked_at.unwrap_or(attempt.started_at);
    // A moment less than between two looks, which are never quite in time.
    let least = between_looks(called) / 2;
    if listed.duration_since(since) < least {
        return attempt;
    }
    let count = attempt.unseen.unwrap_or_default().saturating_add(1);
    // The first count made another version of the resource, and over another version nobody asks EMR. So whoever was about to
    // do so has by now, or never will; from here on only EMR and the network take their time.
    let sought_since = attempt.sought_since.or((count > 1).then_some(listed));
    Attempt { unseen: Some(count), sought_since, looked_at: Some(listed), ..attempt }
}

fn phase(
    goal: &ClusterGoal,
    world: &ClusterWorld,
    plan: &Plan<ClusterStep>,
    alive: Option<&Cluster>,
    now: Timestamp,
) -> Phase {
    if let Some(cluster) = alive {
        return match cluster.state {
            ClusterState::Starting => Phase::Starting,
            ClusterState::Bootstrapping => Phase::Bootstrapping,
            ClusterState::Running => Phase::Running,
            ClusterState::Waiting => Phase::Waiting,
            ClusterState::Terminating | ClusterState::Terminated | ClusterState::TerminatedWithErrors => {
                Phase::Terminating
            }
        };
    }
    let Goal::Present(desired) = goal else { return Phase::Stopped };
    if matches!(plan.verdict, Verdict::Converging(Reason::Verifying, _)) {
        return Phase::Verifying;
    }
    if matches!(desired.life, Life::Batch)
        && let Some(over) = ended(&desired.called, world).map(phase_of_end).or(desired.over)
    {
        return over;
    }
    if matches!(plan.verdict, Verdict::Blocked(Reason::ClusterFailed, _)) {
        return Phase::Failed;
    }
    if wanted(desired, world, now).is { Phase::Pending } else { Phase::Stopped }
}

fn said(
    object: &EmrCluster,
    goal: Option<&ClusterGoal>,
    evidence: &Evidence<ClusterWorld, ClusterStep>,
    status: &EmrClusterStatus,
) -> Said {
    match evidence {
        Evidence::FirstSight => Said {
            ready: ConditionStatus::Unknown,
            ..Said::working(Reason::Progressing, "looking for its clusters in EMR")
        },
        Evidence::Invalid(problems) => {
            let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Said::stalled(Reason::SpecInvalid, listed.join("; "))
        }
        Evidence::Held(why) => Said::stalled(Reason::DeletionHeld, why),
        Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
            Said::failed(failure)
        }
        Evidence::Observed { endless: true, plan, .. } => Said::stalled(
            Reason::Fighting,
            format!("somebody keeps changing it back: {}", steps_in_words(plan)),
        ),
        Evidence::Observed { world, plan, .. } => match goal {
            Some(Goal::Present(desired)) => settled(object, desired, world, plan, status),
            _ => Said::working(Reason::Deleting, verdict_in_words(plan)),
        },
    }
}

fn steps_in_words(plan: &Plan<ClusterStep>) -> String {
    plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn verdict_in_words(plan: &Plan<ClusterStep>) -> String {
    match &plan.verdict {
        Verdict::InSync => "nothing is left to do".to_owned(),
        Verdict::Converging(_, message) | Verdict::Blocked(_, message) => message.clone(),
    }
}

fn settled(
    object: &EmrCluster,
    desired: &DesiredCluster,
    world: &ClusterWorld,
    plan: &Plan<ClusterStep>,
    status: &EmrClusterStatus,
) -> Said {
    if let Verdict::Blocked(reason, message) = &plan.verdict {
        return Said::stalled(*reason, message);
    }
    if !plan.steps.is_empty() && !desired.may_write {
        let steps = steps_in_words(plan);
        return match desired.policy {
            ManagementPolicy::Plan => {
                let (ready, reason) = (ConditionStatus::False, Reason::PlanPending);
                Said { ready, beside: None, reason, message: steps }
            }
            ManagementPolicy::ObserveOnly => {
                let (ready, reason) = (ConditionStatus::False, Reason::Differs);
                Said { ready, beside: None, reason, message: format!("left alone: {steps}") }
            }
            ManagementPolicy::Full => {
                kept(object, format!("nothing is written while `suspend` is true: {steps}"))
            }
        };
    }
    if let Verdict::Converging(reason, message) = &plan.verdict {
        return Said::working(*reason, message);
    }
    let Some(cluster) = current(&desired.called, world) else {
        return match status.phase {
            Some(Phase::Completed) => {
                let words = ended(&desired.called, world).map(end_in_words);
                Said::ready(Reason::Completed, words.unwrap_or_else(|| "it has done its steps".to_owned()))
            }
            _ => Said::ready(
                Reason::Stopped,
                plan.wake_at.map_or_else(
                    || "no cluster is needed now".to_owned(),
                    |at| format!("no cluster is needed before {at}"),
                ),
            ),
        };
    };
    let outdated = desired.made.as_ref().is_ok_and(|made| is_outdated(made, cluster));
    let later = if outdated {
        "; it was made by an earlier spec, and the next cluster follows the present one"
    } else {
        ""
    };
    Said::ready(Reason::Running, format!("cluster {} is {}{later}", cluster.id, cluster.state.name()))
}

/// What was told before, since nothing is done about it for a while.
fn kept(object: &EmrCluster, message: String) -> Said {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = mizuumi_api::condition::find(conditions, ConditionType::Ready).map(|ready| ready.status);
    let ready = ready.unwrap_or(ConditionStatus::Unknown);
    Said { ready, beside: None, reason: Reason::Suspended, message }
}
