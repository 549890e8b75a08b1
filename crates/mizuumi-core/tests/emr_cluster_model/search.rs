//! The search: what lies around the controllers, and every order in which it can happen.
//!
//! The controllers decide by the planner and the report that the product has; what is modelled is the API server with its versions,
//! the driver's order of doing things, EMR and the network. Assumed is what the protocols assume: a request arrives, and a list shows
//! what came of it, within the time that it is looked for.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::EmrClusterStatus;
use mizuumi_core::emr_cluster::ClusterStep;

/// A tick is the time between two looks for what may be there; three of them make the time that it is looked for.
const TICK: SignedDuration = SignedDuration::from_secs(40);
/// So many ticks are tried: a second attempt begins after five.
const TICKS: i32 = 6;
/// A request arrives, and a list shows it, before so many ticks have passed.
const LATEST: i32 = 2;

/// What controllers do about a resource, and what else happens.
pub(crate) trait Protocol {
    /// What happens around the controllers and EMR.
    type Around: Clone + Debug;

    /// A pass over the resource up to the moment before it writes anything.
    fn pass(&self, state: &State<Self::Around>, now: Timestamp) -> Option<Next>;

    /// What is written down before EMR is asked.
    fn record(&self, status: &EmrClusterStatus, step: &ClusterStep) -> EmrClusterStatus;

    /// What is told once EMR has refused, before anything happened.
    fn refused(&self, state: &State<Self::Around>, now: Timestamp) -> EmrClusterStatus;

    /// All of a status that anything is decided by.
    fn told(status: &EmrClusterStatus) -> String;

    /// What else may happen.
    fn around(&self, state: &State<Self::Around>) -> Vec<State<Self::Around>>;

    /// What may never be.
    fn wrong(state: &State<Self::Around>) -> Option<String>;
}

/// How a controller stands between two of its actions.
#[derive(Clone, Debug)]
pub(crate) enum Controller {
    /// It has nothing in hand.
    Idle,
    /// It has read the resource at that version and looked at EMR, and is about to write this down.
    Decided { version: u32, next: Next },
    /// It has written an attempt down, at that version, and is about to ask EMR.
    Recorded { version: u32, step: Box<ClusterStep> },
}

/// What a pass comes to.
#[derive(Clone, Debug)]
pub(crate) enum Next {
    /// A status.
    Tell(Box<EmrClusterStatus>),
    /// EMR is asked, once that is written down.
    Ask(Box<ClusterStep>),
}

/// What EMR was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) step: ClusterStep,
    /// When EMR was asked.
    pub(crate) at: i32,
    /// Whether the request has arrived.
    pub(crate) is_there: bool,
    /// Whether lists show it.
    pub(crate) is_listed: bool,
}

impl Asked {
    pub(crate) const fn is_shown(&self) -> bool {
        self.is_there && self.is_listed
    }
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct State<A> {
    pub(crate) status: EmrClusterStatus,
    pub(crate) version: u32,
    pub(crate) asked: Vec<Asked>,
    controllers: [Controller; 2],
    pub(crate) ticks: i32,
    /// What may still go wrong.
    crashes: u32,
    losses: u32,
    lags: u32,
    pub(crate) around: A,
}

impl<A: Clone> State<A> {
    fn with(&self, index: usize, controller: Controller) -> Self {
        let mut next = self.clone();
        next.controllers[index] = controller;
        next
    }
}

/// A search through all that can happen.
pub(crate) struct Search<P: Protocol> {
    protocol: P,
    start: Timestamp,
    ticks: i32,
    /// What was decided before, by all that it depends on.
    decided: RefCell<HashMap<String, Option<Next>>>,
}

impl<P: Protocol> Search<P> {
    pub(crate) fn new(protocol: P, start: Timestamp) -> Self {
        let ticks = wanted("MODEL_TICKS").and_then(|ticks| i32::try_from(ticks).ok()).unwrap_or(TICKS);
        Self { protocol, start, ticks, decided: RefCell::default() }
    }

    /// Tries everything from there; answers how many states there are, and how many of them are as asked.
    ///
    /// `MODEL_TICKS=8 MODEL_CRASHES=2 MODEL_LOSSES=2` tries what takes minutes.
    pub(crate) fn all(
        &self,
        status: EmrClusterStatus,
        around: P::Around,
        losses: u32,
        counts: impl Fn(&State<P::Around>) -> bool,
    ) -> (usize, usize) {
        let first = State {
            status,
            version: 0,
            asked: Vec::new(),
            controllers: [Controller::Idle, Controller::Idle],
            ticks: 0,
            crashes: wanted("MODEL_CRASHES").unwrap_or(1),
            losses: wanted("MODEL_LOSSES").unwrap_or(losses),
            lags: 1,
            around,
        };
        let (mut seen, mut waiting, mut counted) = (HashSet::new(), vec![first], 0);
        while let Some(state) = waiting.pop() {
            if !seen.insert(Self::key(&state)) {
                continue;
            }
            let wrong = P::wrong(&state);
            assert!(wrong.is_none(), "{wrong:?}, at tick {}: {state:#?}", state.ticks);
            counted += usize::from(counts(&state));
            waiting.extend(self.after(&state));
        }
        (seen.len(), counted)
    }

    fn now(&self, state: &State<P::Around>) -> Timestamp {
        self.start.checked_add(TICK * state.ticks).expect("a time")
    }

    fn decide(&self, state: &State<P::Around>) -> Option<Next> {
        let shown: Vec<bool> = state.asked.iter().map(Asked::is_shown).collect();
        let key = format!("{} {shown:?} {} {:?}", state.ticks, P::told(&state.status), state.around);
        if let Some(known) = self.decided.borrow().get(&key) {
            return known.clone();
        }
        let next = self.protocol.pass(state, self.now(state));
        self.decided.borrow_mut().insert(key, next.clone());
        next
    }

    /// Every state that one event leads to.
    fn after(&self, state: &State<P::Around>) -> Vec<State<P::Around>> {
        let mut all = self.protocol.around(state);
        for index in 0..state.controllers.len() {
            self.act(state, index, &mut all);
            if state.crashes > 0 && !matches!(state.controllers[index], Controller::Idle) {
                let mut next = state.with(index, Controller::Idle);
                next.crashes -= 1;
                all.push(next);
            }
        }
        for (index, asked) in state.asked.iter().enumerate() {
            if !asked.is_shown() {
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
        let is_late = |asked: &Asked| !asked.is_shown() && state.ticks + 1 - asked.at >= LATEST;
        if state.ticks < self.ticks && !state.asked.iter().any(is_late) {
            let mut next = state.clone();
            next.ticks += 1;
            all.push(next);
        }
        all
    }

    /// What a controller may do next.
    fn act(&self, state: &State<P::Around>, index: usize, all: &mut Vec<State<P::Around>>) {
        match &state.controllers[index] {
            Controller::Idle => all.extend(
                self.decide(state)
                    .map(|next| state.with(index, Controller::Decided { version: state.version, next })),
            ),
            // The API server takes a status for the version that was read and for no other.
            Controller::Decided { version, .. } if *version != state.version => {
                all.push(state.with(index, Controller::Idle));
            }
            Controller::Decided { next: Next::Tell(status), .. } => {
                let mut next = state.with(index, Controller::Idle);
                next.status = (**status).clone();
                next.version += 1;
                all.push(next);
            }
            Controller::Decided { next: Next::Ask(step), .. } => {
                let version = state.version + 1;
                let mut next = state.with(index, Controller::Recorded { version, step: step.clone() });
                (next.status, next.version) = (self.protocol.record(&state.status, step), version);
                all.push(next);
            }
            // A last look says that somebody has written since.
            Controller::Recorded { version, .. } if *version != state.version => {
                all.push(state.with(index, Controller::Idle));
            }
            Controller::Recorded { step, .. } => self.ask(state, index, step, all),
        }
    }

    /// What comes of asking EMR.
    fn ask(
        &self,
        state: &State<P::Around>,
        index: usize,
        step: &ClusterStep,
        all: &mut Vec<State<P::Around>>,
    ) {
        let asked = |is_there, is_listed| {
            let mut next = state.with(index, Controller::Idle);
            next.asked.push(Asked { step: step.clone(), at: state.ticks, is_there, is_listed });
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
            all.push(State { losses, ..state.with(index, Controller::Idle) });
            // EMR refuses, and that is told.
            let mut refused = state.with(index, Controller::Idle);
            (refused.status, refused.losses) = (self.protocol.refused(state, self.now(state)), losses);
            refused.version += 1;
            all.push(refused);
        }
    }

    /// A state in words; it makes no difference which of the two controllers is which.
    fn key(state: &State<P::Around>) -> String {
        let mut controllers = state.controllers.each_ref().map(|controller| match controller {
            Controller::Idle => "idle".to_owned(),
            Controller::Decided { version, next: Next::Tell(status) } => {
                format!("{version} tells {}", P::told(status))
            }
            Controller::Decided { version, next: Next::Ask(step) } => format!("{version} decides {step}"),
            Controller::Recorded { version, step } => format!("{version} asks {step}"),
        });
        controllers.sort();
        let asked: Vec<String> = state
            .asked
            .iter()
            .map(|asked| format!("{} {} {} {}", asked.step, asked.at, asked.is_there, asked.is_listed))
            .collect();
        let left = (state.crashes, state.losses, state.lags);
        let (told, around) = (P::told(&state.status), &state.around);
        format!("{told} {} {asked:?} {controllers:?} {} {left:?} {around:?}", state.version, state.ticks)
    }
}

fn wanted(name: &str) -> Option<u32> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}
