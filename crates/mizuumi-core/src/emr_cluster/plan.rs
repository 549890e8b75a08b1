//! What to do about a resource's clusters: start one when it is due, never a second, and end what is not wanted.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{Attempt, AttemptState, OnSpecChange, Phase};
use mizuumi_api::{Reason, annotation};

use super::ClusterGoal;
use super::changes::{changes, unsettled};
use super::desired::{Called, ClusterClaim, DesiredCluster, Life, Made};
use super::run_steps;
use super::step::{ClusterStep, Target};
use super::told;
use super::world::{ATTEMPT, Cluster, ClusterState, ClusterWorld, OWNER, REQUEST};
use crate::plan::{Goal, Plan, Verdict};
use crate::publication::sha256;

/// So many complete listings in a row have to be without a cluster before another is asked for.
pub const UNSEEN: i64 = 3;
/// How long the part of a name is by which an attempt is found.
const NONCE: usize = 8;
/// The longest pause after clusters that ended with errors, in first pauses.
const LONGEST_PAUSE: i32 = 60;
/// In so long so many clusters may end with errors.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What to do.
#[must_use]
pub fn plan(goal: &ClusterGoal, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
    match goal {
        Goal::Present(desired) => present(desired, world, now),
        Goal::Absent(claim) => absent(claim, world, now),
        Goal::Released(claim) => released(claim, world, now),
    }
}

/// Whether a cluster is wanted now, and when that turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether it is.
    pub is: bool,
    /// When that turns.
    pub turns_at: Option<Timestamp>,
}

/// Whether a cluster is wanted. One that has done its work is wanted no more.
#[must_use]
pub fn wanted(desired: &DesiredCluster, world: &ClusterWorld, now: Timestamp) -> Wanted {
    match &desired.life {
        Life::Batch => {
            Wanted { is: desired.over.is_none() && ended(&desired.called, world).is_none(), turns_at: None }
        }
        Life::Until(until) => {
            let called = &desired.called;
            let is_asked = run_steps::is_needed(called) || lingers(desired, *until, world);
            // While the runs have not been listed nobody knows whether one asks: what there is stays.
            let is_unknown = called.asked.is_none() && current(called, world).is_some();
            let is_awaited = called.needs.iter().any(|awaited| awaited.is_now(now));
            let turns = called.needs.iter().flat_map(|awaited| [awaited.from, awaited.until]);
            Wanted {
                is: is_asked || is_unknown || is_awaited || until.is_some_and(|until| now < until),
                turns_at: turns.chain(*until).filter(|turn| now < *turn).min(),
            }
        }
        Life::In(window) => Wanted { is: window.opened(now).is_some(), turns_at: window.turns_at(now) },
    }
}

/// Whether a cluster that has worked for runs is left to EMR, which ends it once it has been idle for long enough: another run may
/// come. One that somebody wanted until a certain time ends then, and a run's own with that run's work.
fn lingers(desired: &DesiredCluster, until: Option<Timestamp>, world: &ClusterWorld) -> bool {
    let ends_itself = desired.made.as_ref().is_ok_and(|made| made.request.running.idle_seconds.is_some());
    ends_itself
        && !desired.is_of_run
        && current(&desired.called, world).is_some_and(|cluster| {
            let steps = cluster.steps.clone().unwrap_or_default();
            let has_worked = steps.pending + steps.running + steps.completed + steps.failed > 0;
            has_worked && until.is_none_or(|until| cluster.created.is_some_and(|created| until < created))
        })
}

/// The clusters that are alive and this owner's.
fn alive<'a>(called: &'a Called, world: &'a ClusterWorld) -> impl Iterator<Item = &'a Cluster> {
    world.clusters.iter().filter(|cluster| cluster.state.is_alive() && cluster.is_of(&called.owner))
}

/// The cluster that counts: the one of the last attempt if it is not ending, or else the oldest.
#[must_use]
pub fn current<'a>(called: &'a Called, world: &'a ClusterWorld) -> Option<&'a Cluster> {
    let nonce = called.attempt.as_ref().map(|attempt| attempt.nonce.as_str());
    alive(called, world).min_by_key(|cluster| {
        (
            cluster.state == ClusterState::Terminating,
            Some(cluster.nonce()) != nonce,
            cluster.created,
            cluster.id.clone(),
        )
    })
}

/// The cluster of the last attempt, if it has ended. One that was found again after its status was lost has its id for that.
#[must_use]
pub fn ended<'a>(called: &'a Called, world: &'a ClusterWorld) -> Option<&'a Cluster> {
    let is_last = |cluster: &Cluster| match &called.attempt {
        Some(attempt) => cluster.nonce() == attempt.nonce,
        None => called.cluster_id.as_ref() == Some(&cluster.id),
    };
    let mut ended = world.clusters.iter().filter(|cluster| !cluster.state.is_alive());
    ended.find(|cluster| cluster.is_of(&called.owner) && is_last(cluster))
}

/// Whether it is still to be found out if an attempt made a cluster; answers when to look again.
fn verifying(called: &Called, world: &ClusterWorld, now: Timestamp) -> Option<Timestamp> {
    let attempt = called.attempt.as_ref().filter(|attempt| attempt.state == AttemptState::Open)?;
    if ended(called, world).is_some() {
        return None;
    }
    let until = attempt.sought_since.map(|since| since.checked_add(called.verify).unwrap_or(Timestamp::MAX));
    if attempt.unseen.unwrap_or_default() >= UNSEEN && until.is_some_and(|until| now >= until) {
        return None;
    }
    Some(now.checked_add(between_looks(called)).unwrap_or(Timestamp::MAX))
}

/// Between two looks for a cluster of which it is not known whether EMR made it.
#[must_use]
pub fn between_looks(called: &Called) -> SignedDuration {
    called.verify / i32::try_from(UNSEEN).unwrap_or(i32::MAX)
}

/// The cluster that something is done to.
pub(super) fn target(called: &Called, cluster: &Cluster) -> Target {
    Target {
        profile: called.profile.clone().unwrap_or_default(),
        id: cluster.id.clone(),
        owner: called.owner.clone(),
    }
}

/// Ends a cluster; one that is protected from that is unprotected before.
fn terminate(called: &Called, cluster: &Cluster, why: &str) -> Vec<ClusterStep> {
    let target = target(called, cluster);
    let unprotect = cluster
        .is_protected
        .then(|| ClusterStep::SetTerminationProtection { cluster: target.clone(), to: false });
    let terminate = ClusterStep::Terminate { cluster: target, why: why.to_owned() };
    unprotect.into_iter().chain([terminate]).collect()
}

/// Ends what came of earlier attempts. One of the same attempt was cloned by somebody, with its tags, and is left alone.
fn end_others(called: &Called, world: &ClusterWorld, current: &Cluster) -> Vec<ClusterStep> {
    alive(called, world)
        .filter(|other| other.state != ClusterState::Terminating && other.nonce() != current.nonce())
        .flat_map(|other| {
            terminate(called, other, &format!("cluster {} of another attempt is there", current.id))
        })
        .collect()
}

/// A plan that waits for what EMR does.
fn wait(reason: Reason, message: String, wake_at: Timestamp) -> Plan<ClusterStep> {
    Plan { wake_at: Some(wake_at), ..Plan::converge(reason, message, Vec::new()) }
}

fn present(desired: &DesiredCluster, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
    let called = &desired.called;
    match current(called, world) {
        Some(cluster) => {
            let mut plan = running(desired, world, cluster, now);
            let others = end_others(called, world, cluster);
            if !others.is_empty() {
                plan.steps.extend(others);
                if plan.verdict == Verdict::InSync {
                    plan.verdict = Verdict::Converging(
                        Reason::Stopping,
                        format!("cluster {} is the one; others of earlier attempts are ended", cluster.id),
                    );
                }
            }
            plan
        }
        None => none_there(desired, world, now),
    }
}

/// What to do while there is a cluster.
fn running(
    desired: &DesiredCluster,
    world: &ClusterWorld,
    cluster: &Cluster,
    now: Timestamp,
) -> Plan<ClusterStep> {
    let called = &desired.called;
    let look_again = now.checked_add(called.poll).unwrap_or(Timestamp::MAX);
    let id = &cluster.id;
    if cluster.state == ClusterState::Terminating {
        return wait(Reason::Stopping, format!("cluster {id} is ending"), look_again);
    }
    let stop = |why: &str| {
        let steps = terminate(called, cluster, why);
        Plan::converge(Reason::Stopping, format!("cluster {id} is ended: {why}"), steps)
    };
    let wanted = wanted(desired, world, now);
    if !wanted.is {
        return stop("it is not needed now");
    }
    let made = match &desired.made {
        Ok(made) => made,
        Err((reason, message)) => {
            return Plan { wake_at: wanted.turns_at, ..Plan::blocked(*reason, message) };
        }
    };
    let too_old = made.max_age.zip(cluster.created).and_then(|(age, created)| created.checked_add(age).ok());
    if too_old.is_some_and(|at| at <= now) {
        return stop("it is older than maxAge");
    }
    if is_outdated(made, cluster) && !matches!(desired.life, Life::Batch) {
        match desired.on_spec_change {
            OnSpecChange::Recreate => {
                return stop("the spec has changed in a way that a running cluster cannot follow");
            }
            OnSpecChange::WhenIdle if cluster.is_idle() && cluster.state == ClusterState::Waiting => {
                return stop("the spec has changed, and no step runs");
            }
            OnSpecChange::WhenIdle | OnSpecChange::Never => {}
        }
    }
    if matches!(cluster.state, ClusterState::Starting | ClusterState::Bootstrapping) {
        let message = format!("cluster {id} is {}", cluster.state.name());
        return wait(Reason::Starting, message, look_again);
    }
    let mut wake_at =
        [wanted.turns_at, too_old, run_steps::look_again(called, world, now)].into_iter().flatten().min();
    let mut steps = changes(desired, made, cluster);
    let changes = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    if run_steps::takes_steps(cluster.state) {
        steps.extend(run_steps::plan(called, world, cluster, &target(called, cluster), now));
    }
    let verdict = if !changes.is_empty() {
        Verdict::Converging(Reason::Updating, changes)
    } else if let Some(nodes) = unsettled(made, cluster) {
        let (group, state) = (&nodes.told.name, &nodes.told.state);
        wake_at = wake_at.into_iter().chain([look_again]).min();
        let message =
            format!("group '{group}' of cluster {id} is {state}; its settings are changed after that");
        Verdict::Converging(Reason::Updating, message)
    } else {
        let described = world.described.get(id).filter(|_| cluster.is_resizing());
        let look_again =
            described.map(|at| at.checked_add(called.between_looks_at_nodes()).unwrap_or(Timestamp::MAX));
        wake_at = wake_at.into_iter().chain(look_again).min();
        // The steps of runs change nothing about the cluster.
        Verdict::InSync
    };
    Plan { steps, verdict, wake_at }
}

/// Whether the cluster was made by another spec in what a running cluster cannot change.
#[must_use]
pub fn is_outdated(made: &Made, cluster: &Cluster) -> bool {
    cluster.tags.get(REQUEST).is_some_and(|hash| *hash != made.request.hash())
}

/// What to do while there is no cluster.
fn none_there(desired: &DesiredCluster, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
    let called = &desired.called;
    if let Some(look_again) = verifying(called, world, now) {
        return wait(Reason::Verifying, verifying_message(called), look_again);
    }
    let last = ended(called, world);
    if matches!(desired.life, Life::Batch) {
        let over = last.map(|cluster| (phase_of_end(cluster), end_in_words(cluster)));
        match over.or(desired.over.map(|phase| (phase, "its cluster ended with an error".to_owned()))) {
            Some((Phase::Failed, words)) => {
                return Plan::blocked(
                    Reason::ClusterFailed,
                    format!("{words}; make another EmrCluster to try again"),
                );
            }
            Some(_) => return Plan::in_sync(None),
            None => {}
        }
    }
    let wanted = wanted(desired, world, now);
    if !wanted.is {
        return Plan::in_sync(wanted.turns_at);
    }
    let made = match &desired.made {
        Ok(made) => made,
        Err((reason, message)) => {
            return Plan { wake_at: wanted.turns_at, ..Plan::blocked(*reason, message) };
        }
    };
    if let Some(held) = held_by_network(made, world, called, now) {
        return held;
    }
    if let Some((again, why)) = pause(desired, last, now).filter(|_| !desired.guard.is_lifted) {
        let words = last.map_or_else(|| "the last cluster ended with an error".to_owned(), end_in_words);
        let message = format!(
            "{words}; {why}another is started at {again}, or at once if you annotate '{}'",
            annotation::REQUESTED_AT
        );
        return Plan { wake_at: Some(again), ..Plan::blocked(Reason::ClusterFailed, message) };
    }
    let number = called.attempt.as_ref().map_or(1, |attempt| attempt.number.saturating_add(1));
    let mut nonce = sha256(format!("{} {number} {now}", called.owner).as_bytes());
    nonce.truncate(NONCE);
    let name = format!("{}{nonce}", called.stem);
    let request = made.request.hash();
    let marks = [(OWNER, called.owner.clone()), (ATTEMPT, nonce.clone()), (REQUEST, request.clone())];
    let attempt = Attempt {
        number,
        nonce,
        profile: made.profile.clone(),
        request,
        started_at: now,
        state: AttemptState::Open,
        unseen: None,
        sought_since: None,
        looked_at: None,
        cluster_id: None,
    };
    let step = ClusterStep::RunJobFlow {
        attempt: Box::new(attempt),
        name,
        marks: marks.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        request: Box::new(made.request.clone()),
    };
    Plan::converge(Reason::Starting, step.to_string(), vec![step])
}

/// Why no cluster is started in the network as it is, if its class has rules about that.
fn held_by_network(
    made: &Made,
    world: &ClusterWorld,
    called: &Called,
    now: Timestamp,
) -> Option<Plan<ClusterStep>> {
    let rules = made.network.as_ref()?;
    let class = &rules.class;
    let again = now.checked_add(called.poll).unwrap_or(Timestamp::MAX);
    match &world.subnets {
        Some(Ok(seen)) => {
            let broken = rules.broken(seen);
            let message = format!("class '{class}' does not allow it: {}", broken.join("; "));
            (!broken.is_empty()).then(|| Plan::blocked(Reason::RuleBroken, message))
        }
        Some(Err(failure)) => {
            let reason = failure.class.reason();
            let message =
                format!("the rules of class '{class}' about the network cannot be checked: {failure}");
            Some(if failure.class.is_transient() {
                wait(reason, message, again)
            } else {
                Plan::blocked(reason, message)
            })
        }
        None => Some(wait(Reason::Starting, "the network is looked at first".to_owned(), again)),
    }
}

fn verifying_message(called: &Called) -> String {
    let number = called.attempt.as_ref().map_or(1, |attempt| attempt.number);
    format!(
        "it is not known whether EMR made a cluster '{}…' for attempt {number}; it is looked for before another is asked for",
        called.stem
    )
}

/// How a cluster that ended of itself is to be called.
#[must_use]
pub fn phase_of_end(cluster: &Cluster) -> Phase {
    // A step that failed with `TERMINATE_CLUSTER` ends it with errors; somebody's request is not what it was there for.
    let is_well = cluster.state == ClusterState::Terminated && cluster.reason.0 == "ALL_STEPS_COMPLETED";
    let failed = cluster.steps.as_ref().is_some_and(|steps| steps.failed > 0);
    if is_well && !failed { Phase::Completed } else { Phase::Failed }
}

/// How it ended, for people.
#[must_use]
pub fn end_in_words(cluster: &Cluster) -> String {
    let (code, message) = &cluster.reason;
    let words =
        [code.as_str(), message.as_str()].iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>();
    let reason = words.join(": ");
    let step = cluster.steps.as_ref().and_then(|steps| steps.failure.as_ref()).map(told::step_in_words);
    let log = told::failure(cluster).and_then(|failure| failure.log_uri).map(|log| format!("log {log}"));
    let ended = format!("cluster {} ended: {}", cluster.id, reason.trim_end_matches('.'));
    [ended].into_iter().chain(step).chain(log).collect::<Vec<_>>().join("; ")
}

/// Until when another cluster waits, since the last ones ended with errors; and why it is that long.
fn pause(desired: &DesiredCluster, last: Option<&Cluster>, now: Timestamp) -> Option<(Timestamp, String)> {
    let of_history = desired.history.iter().filter(|past| last.is_none_or(|last| last.id != past.cluster_id));
    let failed = |state: &str| state == ClusterState::TerminatedWithErrors.name();
    let newest = last.map(|cluster| (cluster.state.name(), cluster.ended));
    let all: Vec<(&str, Option<Timestamp>)> =
        newest.into_iter().chain(of_history.map(|past| (past.emr_state.as_str(), past.ended_at))).collect();
    let failures = all.iter().filter(|(state, _)| failed(state)).filter_map(|(_, ended)| *ended);
    // The latest come first: once the last of those that are borne with is a day old, there is one less.
    let of_the_day = failures.take(desired.guard.per_day).nth(desired.guard.per_day.saturating_sub(1));
    let guarded = of_the_day.and_then(|ended| ended.checked_add(DAY).ok()).filter(|again| now < *again);
    if let Some(again) = guarded {
        return Some((again, format!("{} ended so within a day, ", desired.guard.per_day)));
    }
    let in_a_row = all.iter().take_while(|(state, _)| failed(state)).count();
    let (_, ended) = all.first().filter(|_| in_a_row > 0)?;
    let doublings = u32::try_from(in_a_row - 1).unwrap_or(u32::MAX).min(LONGEST_PAUSE.ilog2() + 1);
    let pause = desired.guard.pause * 2_i32.pow(doublings).min(LONGEST_PAUSE);
    let again = (*ended)?.checked_add(pause).ok().filter(|again| now < *again)?;
    Some((again, String::new()))
}

fn absent(claim: &ClusterClaim, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
    let called = &claim.called;
    let mut there = alive(called, world).peekable();
    if there.peek().is_some() {
        let all: Vec<&Cluster> = there.collect();
        let ids: Vec<&str> = all.iter().map(|cluster| cluster.id.as_str()).collect();
        let steps = all
            .iter()
            .filter(|cluster| cluster.state != ClusterState::Terminating)
            .flat_map(|cluster| terminate(called, cluster, "its resource is deleted"))
            .collect();
        let message = format!("cluster {} is ending", ids.join(", "));
        let again = now.checked_add(called.poll).unwrap_or(Timestamp::MAX);
        return Plan { wake_at: Some(again), ..Plan::converge(Reason::Deleting, message, steps) };
    }
    match verifying(called, world, now) {
        Some(again) => wait(Reason::Deleting, verifying_message(called), again),
        None => Plan::in_sync(None),
    }
}

fn released(claim: &ClusterClaim, world: &ClusterWorld, now: Timestamp) -> Plan<ClusterStep> {
    let called = &claim.called;
    let keys = || [OWNER, ATTEMPT, REQUEST].map(str::to_owned).to_vec();
    let steps: Vec<ClusterStep> = alive(called, world)
        .map(|cluster| ClusterStep::RemoveTags { cluster: target(called, cluster), keys: keys() })
        .collect();
    if !steps.is_empty() {
        return Plan::converge(Reason::Deleting, "its clusters are left alone from now on", steps);
    }
    match verifying(called, world, now) {
        Some(again) => wait(Reason::Deleting, verifying_message(called), again),
        None => Plan::in_sync(None),
    }
}
