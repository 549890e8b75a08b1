//! Every order of events, tried: two controllers, crashes, lost and late replies, a list that lags. There is one cluster.
//!
//! The controllers decide by the planner and the report that the product has; what is modelled is what lies around them: the API
//! server with its versions, the driver's order of doing things, EMR and the network. Assumed is what the protocol assumes: a
//! request arrives, and a list shows its cluster, within the time that an attempt is looked for.

#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{EmrCluster, EmrClusterStatus};
use mizuumi_api::installation::{EmrProfile, Profile};
use mizuumi_api::{EmrClusterClass, Installation};
use mizuumi_core::emr_cluster::simulate::simulate;
use mizuumi_core::emr_cluster::{ClusterGoal, ClusterStep, ClusterWorld, Clusters, Pieces};
use mizuumi_core::{Class, Evidence, Failure, Kind};
use serde_json::json;

/// A tick is the time between two looks for a cluster that may be there; three of them make the time that it is looked for.
const TICK: SignedDuration = SignedDuration::from_secs(40);
/// So many ticks are tried: a second attempt begins after five.
const TICKS: i32 = 6;
/// A request arrives, and a list shows its cluster, before so many ticks have passed.
const LATEST: i32 = 2;

/// How a controller stands between two of its actions.
#[derive(Clone, Debug)]
enum Controller {
    /// It has nothing in hand.
    Idle,
    /// It has read the resource at that version and looked at EMR, and is about to write this down.
    Decided { version: u32, next: Next },
    /// It has written an attempt down, at that version, and is about to ask EMR.
    Recorded { version: u32, step: Box<ClusterStep> },
}

/// What a pass comes to.
#[derive(Clone, Debug)]
enum Next {
    /// A status.
    Tell(Box<EmrClusterStatus>),
    /// A cluster is asked for, once that is written down.
    Start(Box<ClusterStep>),
}

/// A cluster that was asked for.
#[derive(Clone, Debug)]
struct Asked {
    step: ClusterStep,
    /// When EMR was asked.
    at: i32,
    /// Whether the request has arrived.
    is_there: bool,
    /// Whether lists show it.
    is_listed: bool,
}

/// Everything.
#[derive(Clone, Debug)]
struct State {
    status: EmrClusterStatus,
    version: u32,
    asked: Vec<Asked>,
    controllers: [Controller; 2],
    ticks: i32,
    /// What may still go wrong.
    crashes: u32,
    losses: u32,
    lags: u32,
}

struct Model {
    ticks: i32,
    /// What was decided before, by all that it depends on.
    decided: RefCell<HashMap<String, Option<Next>>>,
    installation: Installation,
    class: EmrClusterClass,
    cluster: EmrCluster,
    start: Timestamp,
}

impl Model {
    fn new() -> Self {
        let mut installation = Installation::from_yaml(
            "{ installation: model, aws: { region: us-east-1 }, allow: { databases: [a], s3Prefixes: ['s3://a/'] } }",
        )
        .expect("a configuration");
        let emr = EmrProfile {
            service_role: "service".to_owned(),
            instance_profile: "nodes".to_owned(),
            subnets: vec!["subnet-1".to_owned()],
            ..EmrProfile::default()
        };
        installation.profiles.insert("default".to_owned(), Profile { emr: Some(emr), ..Profile::default() });
        let class = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrClusterClass", "metadata": { "name": "c" },
            "spec": { "allowedNamespaces": ["*"], "defaults": {
                "releaseLabel": "emr-7.5.0",
                "instanceGroups": [{ "name": "m", "role": "Master", "instanceType": "m6g.xlarge" }],
            } },
        });
        let cluster = json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster",
            "metadata": { "name": "x", "namespace": "n", "annotations": { "mizuumi.dev/needed-until": "2100-01-01T00:00:00Z" } },
            "spec": { "className": "c", "lifecycle": "WhenNeeded" },
        });
        Self {
            ticks: TICKS,
            decided: RefCell::default(),
            installation,
            class: serde_json::from_value(class).expect("a class"),
            cluster: serde_json::from_value(cluster).expect("a cluster"),
            start: "2026-11-26T00:00:00Z".parse().expect("a time"),
        }
    }

    fn now(&self, state: &State) -> Timestamp {
        self.start.checked_add(TICK * state.ticks).expect("a time")
    }

    fn object(&self, status: &EmrClusterStatus) -> EmrCluster {
        EmrCluster { status: Some(status.clone()), ..self.cluster.clone() }
    }

    fn goal(&self, object: &EmrCluster) -> ClusterGoal {
        let mut goal = Clusters::goal(object, &self.installation).expect("a goal");
        let class = Some(Box::new(self.class.clone()));
        let pieces = Pieces { class, asked: Some(Vec::new()), ..Pieces::default() };
        Clusters::heed(&mut goal, object, pieces);
        goal
    }

    /// What a list shows now.
    fn world(&self, state: &State) -> ClusterWorld {
        let shown = state.asked.iter().filter(|asked| asked.is_there && asked.is_listed);
        let world = shown.fold(ClusterWorld::default(), |world, asked| simulate(&world, &asked.step));
        ClusterWorld { listed: Some(self.now(state)), ..world }
    }

    /// A pass up to the moment before it writes anything.
    fn decide(&self, state: &State) -> Option<Next> {
        let shown: Vec<bool> = state.asked.iter().map(|asked| asked.is_there && asked.is_listed).collect();
        let key = format!("{} {shown:?} {}", state.ticks, told(&state.status));
        if let Some(known) = self.decided.borrow().get(&key) {
            return known.clone();
        }
        let next = self.pass(state);
        self.decided.borrow_mut().insert(key, next.clone());
        next
    }

    fn pass(&self, state: &State) -> Option<Next> {
        let object = self.object(&state.status);
        let (goal, world, now) = (self.goal(&object), self.world(state), self.now(state));
        let plan = Clusters::plan(&goal, &world, now);
        if let Some(step) = plan.steps.iter().find(|step| matches!(step, ClusterStep::RunJobFlow { .. })) {
            return Some(Next::Start(Box::new(step.clone())));
        }
        let done = Vec::new();
        let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
        let mut status = Clusters::report(&object, Some(&goal), &evidence, now);
        // Conditions say when they began, and nothing is decided by them.
        status.conditions.clear();
        (status != state.status).then(|| Next::Tell(Box::new(status)))
    }

    /// What is told once EMR has refused, before anything happened.
    fn refused(&self, state: &State) -> EmrClusterStatus {
        let object = self.object(&state.status);
        let (goal, world, now) = (self.goal(&object), self.world(state), self.now(state));
        let plan = Clusters::plan(&goal, &world, now);
        let failure = Failure {
            operation: "elasticmapreduce:RunJobFlow",
            class: Class::Throttled,
            message: "slow down".to_owned(),
        };
        let evidence =
            Evidence::Observed { world, plan, done: Vec::new(), failure: Some(failure), endless: false };
        let mut status = Clusters::report(&object, Some(&goal), &evidence, now);
        status.conditions.clear();
        status
    }

    /// Every state that one event leads to.
    fn after(&self, state: &State) -> Vec<State> {
        let mut all = Vec::new();
        for index in 0..state.controllers.len() {
            self.act(state, index, &mut all);
            if state.crashes > 0 && !matches!(state.controllers[index], Controller::Idle) {
                let mut next = with(state, index, Controller::Idle);
                next.crashes -= 1;
                all.push(next);
            }
        }
        for (index, asked) in state.asked.iter().enumerate() {
            if !asked.is_there || !asked.is_listed {
                let mut next = state.clone();
                let asked = &mut next.asked[index];
                // It arrives first, and is shown later.
                if asked.is_there {
                    asked.is_listed = true;
                } else {
                    asked.is_there = true;
                }
                all.push(next);
            }
        }
        let is_late =
            |asked: &Asked| (!asked.is_there || !asked.is_listed) && state.ticks + 1 - asked.at >= LATEST;
        if state.ticks < self.ticks && !state.asked.iter().any(is_late) {
            let mut next = state.clone();
            next.ticks += 1;
            all.push(next);
        }
        all
    }

    /// What a controller may do next.
    fn act(&self, state: &State, index: usize, all: &mut Vec<State>) {
        match &state.controllers[index] {
            Controller::Idle => all.extend(
                self.decide(state)
                    .map(|next| with(state, index, Controller::Decided { version: state.version, next })),
            ),
            // The API server takes a status for the version that was read and for no other.
            Controller::Decided { version, .. } if *version != state.version => {
                all.push(with(state, index, Controller::Idle));
            }
            Controller::Decided { next: Next::Tell(status), .. } => {
                let mut next = with(state, index, Controller::Idle);
                next.status = (**status).clone();
                next.version += 1;
                all.push(next);
            }
            Controller::Decided { next: Next::Start(step), .. } => {
                let object = self.object(&state.status);
                let status = Clusters::record(&object, step).expect("it is written down");
                let version = state.version + 1;
                let mut next = with(state, index, Controller::Recorded { version, step: step.clone() });
                (next.status, next.version) = (status, version);
                all.push(next);
            }
            // A last look says that somebody has written since.
            Controller::Recorded { version, .. } if *version != state.version => {
                all.push(with(state, index, Controller::Idle));
            }
            Controller::Recorded { step, .. } => {
                let asked = |is_there, is_listed| {
                    let mut next = with(state, index, Controller::Idle);
                    next.asked.push(Asked { step: (**step).clone(), at: state.ticks, is_there, is_listed });
                    next
                };
                // It arrives and is shown at once. Whether the answer is heard makes no difference: what came of it is in EMR.
                all.push(asked(true, true));
                if state.lags > 0 {
                    all.push(State { lags: state.lags - 1, ..asked(true, false) });
                }
                if state.losses > 0 {
                    let losses = state.losses - 1;
                    // It is under way, and nobody waits for it any more; or it is lost wholly.
                    all.push(State { losses, ..asked(false, false) });
                    all.push(State { losses, ..with(state, index, Controller::Idle) });
                    // EMR refuses, and that is told.
                    let mut refused = with(state, index, Controller::Idle);
                    (refused.status, refused.losses) = (self.refused(state), losses);
                    refused.version += 1;
                    all.push(refused);
                }
            }
        }
    }
}

/// All of a status that anything is decided by.
fn told(status: &EmrClusterStatus) -> String {
    format!("{:?} {:?} {:?}", status.attempt, status.phase, status.cluster_id)
}

/// A state in words; it makes no difference which of the two controllers is which.
fn key(state: &State) -> String {
    let mut controllers = state.controllers.each_ref().map(|controller| match controller {
        Controller::Idle => "idle".to_owned(),
        Controller::Decided { version, next: Next::Tell(status) } => {
            format!("{version} tells {}", told(status))
        }
        Controller::Decided { version, next: Next::Start(step) } => format!("{version} starts {step}"),
        Controller::Recorded { version, step } => format!("{version} asks {step}"),
    });
    controllers.sort();
    let asked: Vec<String> = state
        .asked
        .iter()
        .map(|asked| format!("{} {} {} {}", asked.step, asked.at, asked.is_there, asked.is_listed))
        .collect();
    let left = (state.crashes, state.losses, state.lags);
    format!("{} {} {asked:?} {controllers:?} {} {left:?}", told(&state.status), state.version, state.ticks)
}

fn with(state: &State, index: usize, controller: Controller) -> State {
    let mut next = state.clone();
    next.controllers[index] = controller;
    next
}

#[test]
fn there_is_one_cluster_in_whatever_order_things_happen() {
    // `MODEL_TICKS=8 MODEL_CRASHES=2` tries what takes minutes.
    let wanted = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let ticks = wanted("MODEL_TICKS").and_then(|ticks| i32::try_from(ticks).ok()).unwrap_or(TICKS);
    let model = Model { ticks, ..Model::new() };
    let first = State {
        status: EmrClusterStatus::default(),
        version: 0,
        asked: Vec::new(),
        controllers: [Controller::Idle, Controller::Idle],
        ticks: 0,
        crashes: wanted("MODEL_CRASHES").unwrap_or(1),
        losses: 2,
        lags: 1,
    };
    let (mut seen, mut waiting, mut second) = (HashSet::new(), vec![first], 0_usize);
    while let Some(state) = waiting.pop() {
        if !seen.insert(key(&state)) {
            continue;
        }
        let asked: Vec<_> =
            state.asked.iter().map(|asked| (asked.at, asked.is_there, asked.is_listed)).collect();
        assert!(
            asked.len() <= 1,
            "EMR was asked for two clusters, {asked:?}, at tick {}: {state:#?}",
            state.ticks
        );
        let is_second = state.status.attempt.as_ref().is_some_and(|attempt| attempt.number > 1);
        second += usize::from(is_second && !asked.is_empty());
        waiting.extend(model.after(&state));
    }
    assert!(second > 0, "no second attempt ever made a cluster");
    println!("{} states", seen.len());
}
