//! Steps that runs ask a cluster for: each is written down before EMR is asked, looked for by its name, and never asked for
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::cut;
use mizuumi_api::emr_cluster::{RunStepState, RunStepStatus};

use super::desired::Called;
use super::plan::{UNSEEN, between_looks};
use super::request::StepCall;
use super::step::{ClusterStep, Target};
use super::world::{Cluster, ClusterState, ClusterWorld};
use crate::failure::{Class, Failure};

/// The operation that adds steps.
pub const ADD_STEPS: &str = "elasticmapreduce:AddJobFlowSteps";
/// So many steps of runs a cluster has to do with at once: the status holds no more.
const MOST: usize = 128;
/// So many steps may wait and run in a cluster (EMR's quota of active steps is 256).
const MOST_ACTIVE: i64 = 250;
/// Longest words of EMR about a step.
const LONGEST_MESSAGE: usize = 300;
/// Steps that are being cancelled are looked at so often: somebody waits for their end, and it comes soon.
const BETWEEN_LOOKS_AT_ENDS: SignedDuration = SignedDuration::from_secs(5);

/// A step that a run asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedStep {
    /// The run.
    pub run: String,
    /// The cluster that it asks.
    pub cluster: String,
    /// What tells its attempt from others.
    pub nonce: String,
    /// Whether the run has heard of the step by now: then it was asked for.
    pub is_known: bool,
    /// Whether it is to be stopped.
    pub is_stopping: bool,
    /// What is run. Its name ends with the nonce.
    pub call: StepCall,
}

/// A time in which a cluster is needed though nobody asks it for a step yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Awaited {
    /// From then on.
    pub from: Timestamp,
    /// Until then, exclusively.
    pub until: Timestamp,
}

impl Awaited {
    /// Whether that time is now.
    #[must_use]
    pub fn is_now(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

/// Steps to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepsLook {
    /// EMR's id of the cluster.
    pub cluster_id: String,
    /// What their names end with.
    pub nonces: BTreeSet<String>,
    /// When the first of them was asked for.
    pub since: Timestamp,
    /// A listing that shows all of them holds for so long.
    pub pause: SignedDuration,
}

/// Steps of a cluster, by the nonces of the attempts that asked for them.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenSteps {
    /// When the listing began that they come from.
    pub listed: Timestamp,
    /// The steps.
    pub steps: BTreeMap<String, SeenStep>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenStep {
    /// EMR's id.
    pub id: String,
    /// Its state.
    pub state: RunStepState,
    /// Whether EMR is ending it already.
    pub is_cancelling: bool,
    /// Why it failed, in EMR's words.
    pub message: Option<String>,
}

/// The attempt that a step's name tells.
#[must_use]
pub fn nonce_of(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or_default()
}

/// Whether a run needs the cluster: it asks for a step that is not done. Of one that failed the run has not heard yet, or it would
/// not ask; it may need the cluster again.
#[must_use]
pub fn is_needed(called: &Called) -> bool {
    let is_done = |asked: &AskedStep| {
        let known = called.runs.iter().find(|known| known.nonce == asked.nonce);
        known.is_some_and(|known| known.state == RunStepState::Completed)
    };
    called.asked.iter().flatten().any(|asked| !is_done(asked) && !asked.is_stopping)
}

/// The steps to look at.
#[must_use]
pub fn look(called: &Called) -> Vec<StepsLook> {
    let mut looks: BTreeMap<&str, StepsLook> = BTreeMap::new();
    for known in called.runs.iter().filter(|known| !known.state.is_over()) {
        let look = looks.entry(&known.cluster_id).or_insert_with(|| StepsLook {
            cluster_id: known.cluster_id.clone(),
            nonces: BTreeSet::new(),
            since: known.asked_at,
            pause: pause(called),
        });
        look.nonces.insert(known.nonce.clone());
        look.since = look.since.min(known.asked_at);
    }
    looks.into_values().collect()
}

/// When to look at steps again, if any is under way.
#[must_use]
pub fn look_again(called: &Called, world: &ClusterWorld, now: Timestamp) -> Option<Timestamp> {
    let listed = |look: StepsLook| world.run_steps.get(&look.cluster_id).map_or(now, |seen| seen.listed);
    let due = |listed: Timestamp| listed.checked_add(pause(called)).unwrap_or(Timestamp::MAX);
    look(called).into_iter().map(listed).map(due).min()
}

/// Between two looks at steps; one of which it is not known whether EMR has it is sought sooner, and so is the end of one that is
/// not wanted any more.
fn pause(called: &Called) -> SignedDuration {
    let is_sought = called.runs.iter().any(|known| known.state == RunStepState::Open);
    let sought = is_sought.then(|| between_looks(called));
    let ends = unwanted(called).next().map(|_| BETWEEN_LOOKS_AT_ENDS);
    sought.into_iter().chain(ends).fold(called.poll, Ord::min)
}

/// Steps that EMR has, and that nobody wants any more.
fn unwanted(called: &Called) -> impl Iterator<Item = &RunStepStatus> {
    let asked = called.asked.as_deref();
    called.runs.iter().filter(move |known| {
        let is_wanted =
            |asked: &[AskedStep]| asked.iter().any(|one| one.nonce == known.nonce && !one.is_stopping);
        matches!(known.state, RunStepState::Pending | RunStepState::Running)
            && asked.is_some_and(|asked| !is_wanted(asked))
    })
}

/// What to do about the steps of a cluster that takes some.
pub(super) fn plan(
    called: &Called,
    world: &ClusterWorld,
    cluster: &Cluster,
    target: &Target,
    now: Timestamp,
) -> Vec<ClusterStep> {
    let Some(asked) = &called.asked else { return Vec::new() };
    let active = cluster.steps.as_ref().map_or(0, |steps| steps.pending + steps.running);
    let room = usize::try_from(MOST_ACTIVE - active).unwrap_or_default();
    let room = room.min(MOST.saturating_sub(called.runs.len()));
    let new: Vec<&AskedStep> = asked
        .iter()
        .filter(|asked| !asked.is_stopping && !asked.is_known && known(called, asked).is_none())
        .take(room)
        .collect();
    let add = (!new.is_empty()).then(|| ClusterStep::AddSteps {
        cluster: target.clone(),
        records: new
            .iter()
            .map(|asked| RunStepStatus {
                run: asked.run.clone(),
                nonce: asked.nonce.clone(),
                state: RunStepState::Open,
                asked_at: now,
                cluster_id: cluster.id.clone(),
                step_id: None,
                unseen: None,
                sought_since: None,
                looked_at: None,
                message: None,
            })
            .collect(),
        calls: new.into_iter().map(|asked| asked.call.clone()).collect(),
    });
    let seen = world.run_steps.get(&cluster.id);
    let is_ending = |known: &&RunStepStatus| {
        let step = seen.and_then(|seen| seen.steps.get(&known.nonce));
        step.is_some_and(|step| step.is_cancelling || step.state.is_over())
    };
    let stops = unwanted(called).filter(|known| known.cluster_id == cluster.id && !is_ending(known));
    let ids: Vec<String> = stops.filter_map(|known| known.step_id.clone()).collect();
    let cancel = (!ids.is_empty()).then(|| ClusterStep::CancelSteps { cluster: target.clone(), ids });
    cancel.into_iter().chain(add).collect()
}

fn known<'a>(called: &'a Called, asked: &AskedStep) -> Option<&'a RunStepStatus> {
    called.runs.iter().find(|known| known.nonce == asked.nonce)
}

/// What is known of the steps by now.
pub(super) fn report(
    before: Vec<RunStepStatus>,
    called: &Called,
    world: &ClusterWorld,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Vec<RunStepStatus> {
    let was_looked_for = |known: &RunStepStatus| called.runs.iter().any(|of| of.nonce == known.nonce);
    // EMR said no, and nothing happened; only `Unknown` leaves that open.
    let was_refused =
        failure.is_some_and(|failure| failure.operation == ADD_STEPS && failure.class != Class::Unknown);
    let mut all: Vec<RunStepStatus> = before
        .into_iter()
        .filter(|known| was_looked_for(known) || !was_refused)
        .map(|known| if was_looked_for(&known) { one(known, called, world) } else { known })
        .collect();
    let Some(asked) = &called.asked else { return all };
    // Once the run has taken note, or is gone, there is nobody to tell.
    all.retain(|known| !known.state.is_over() || asked.iter().any(|asked| asked.nonce == known.nonce));
    let answers: Vec<RunStepStatus> = asked
        .iter()
        .filter(|asked| !all.iter().any(|known| known.nonce == asked.nonce))
        .filter_map(|asked| never(asked, now))
        .collect();
    all.extend(answers);
    all.truncate(MOST);
    all
}

/// The answer to a step that will never be asked for: it is given up before that, or it was asked for in an earlier life of the
/// resource.
fn never(asked: &AskedStep, now: Timestamp) -> Option<RunStepStatus> {
    let (state, message) = match (asked.is_known, asked.is_stopping) {
        (true, _) => (RunStepState::Lost, "this resource does not know of it; it was made anew"),
        (false, true) => (RunStepState::Cancelled, "it was given up before EMR was asked"),
        (false, false) => return None,
    };
    Some(RunStepStatus {
        run: asked.run.clone(),
        nonce: asked.nonce.clone(),
        state,
        asked_at: now,
        cluster_id: String::new(),
        step_id: None,
        unseen: None,
        sought_since: None,
        looked_at: None,
        message: Some(message.to_owned()),
    })
}

/// What is known of one step by now.
fn one(known: RunStepStatus, called: &Called, world: &ClusterWorld) -> RunStepStatus {
    if known.state.is_over() {
        return known;
    }
    let cluster = world.clusters.iter().find(|cluster| cluster.id == known.cluster_id);
    let has_ended = cluster.is_none_or(|cluster| !cluster.state.is_alive());
    let lost = |known: RunStepStatus, why: &str| RunStepStatus {
        state: RunStepState::Lost,
        message: Some(cut(why, LONGEST_MESSAGE)),
        unseen: None,
        sought_since: None,
        looked_at: None,
        ..known
    };
    let end = || {
        cluster.map_or_else(
            || "its cluster is gone".to_owned(),
            |cluster| format!("its cluster ended: {}", cluster.reason.1.trim_end_matches('.')),
        )
    };
    let seen = world.run_steps.get(&known.cluster_id);
    let Some(step) = seen.and_then(|seen| seen.steps.get(&known.nonce)) else {
        return match seen {
            // A listing that began after the end shows all that there ever was.
            Some(_) if has_ended => lost(known, &end()),
            Some(seen) => unseen(known, called, seen.listed),
            None => known,
        };
    };
    let told = RunStepStatus {
        state: step.state,
        step_id: Some(step.id.clone()),
        message: step.message.as_deref().map(|message| cut(message, LONGEST_MESSAGE)),
        unseen: None,
        sought_since: None,
        looked_at: None,
        ..known
    };
    if has_ended && !step.state.is_over() { lost(told, &end()) } else { told }
}

/// Counts a listing that did not show a step; after enough of them EMR never had it.
fn unseen(known: RunStepStatus, called: &Called, listed: Timestamp) -> RunStepStatus {
    let since = known.looked_at.unwrap_or(known.asked_at);
    if listed.duration_since(since) < between_looks(called) / 2 {
        return known;
    }
    let count = known.unseen.unwrap_or_default().saturating_add(1);
    // As with clusters: from the second look on nobody can be on the way to ask any more.
    let sought_since = known.sought_since.or((count > 1).then_some(listed));
    let until = sought_since.and_then(|since| since.checked_add(called.verify).ok());
    if count >= UNSEEN && until.is_some_and(|until| listed >= until) {
        return RunStepStatus {
            state: RunStepState::Lost,
            message: Some("EMR never had it".to_owned()),
            unseen: None,
            sought_since: None,
            looked_at: None,
            ..known
        };
    }
    RunStepStatus { unseen: Some(count), sought_since, looked_at: Some(listed), ..known }
}

/// Whether a cluster takes steps.
pub(super) const fn takes_steps(state: ClusterState) -> bool {
    matches!(state, ClusterState::Running | ClusterState::Waiting)
}
