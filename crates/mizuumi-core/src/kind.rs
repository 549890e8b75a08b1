//! What the one generic driver needs to know of a kind, and the one seam between decisions and the outside.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::time::Instant;

use jiff::Timestamp;
use mizuumi_api::{Condition, Installation};
use serde::Serialize;

use crate::failure::Failure;
use crate::plan::{Goal, Plan};
use crate::problem::Problem;

/// What a kind decides. All of it is pure.
pub trait Kind: Send + Sync + 'static {
    /// The custom resource.
    type Object: Send + Sync;
    /// What other resources have to do with one.
    type Around: Default + Send;
    /// The resource's status.
    type Status: Clone + PartialEq + Debug + Serialize + Send + Sync;
    /// Which external object.
    type Key: Clone + Debug + Display + Eq + Hash + Send + Sync;
    /// What the spec asks for, checked and with every default filled in.
    type Desired: Clone + Debug + Send + Sync;
    /// Who claims the external object: enough to let it go.
    type Claim: Clone + Debug + Send + Sync;
    /// What has to be looked at.
    type Look: Clone + Default + PartialEq + Send + Sync;
    /// What was observed.
    type World: Clone + Debug + Send + Sync;
    /// One write. Its `Display` is the line in the log, the Event and the plan.
    type Step: Clone + Debug + Display + Send + Sync;

    /// The kind's name in Kubernetes.
    const NAME: &'static str;
    /// Whether steps are written down before they are done ([`Self::record`]). Then no status is written over one that was not
    /// seen: it would wipe out what another controller has written down.
    const RECORDS: bool = false;

    /// Which external object a resource speaks of. Total: it holds for a spec with problems too.
    fn key(object: &Self::Object) -> Self::Key;
    /// What is wanted; every problem of the spec at once. Never fails for an object that is being deleted.
    fn goal(
        object: &Self::Object,
        installation: &Installation,
    ) -> Result<Goal<Self::Desired, Self::Claim>, Vec<Problem>>;
    /// Adds to a goal what other resources have to do with it.
    fn heed(goal: &mut Goal<Self::Desired, Self::Claim>, object: &Self::Object, around: Self::Around);
    /// What has to be looked at to plan for the goal.
    fn look(goal: &Goal<Self::Desired, Self::Claim>) -> Self::Look;
    /// Whether the goal lets the controller write.
    fn may_write(goal: &Goal<Self::Desired, Self::Claim>) -> bool;
    /// What to do.
    fn plan(goal: &Goal<Self::Desired, Self::Claim>, world: &Self::World, now: Timestamp)
    -> Plan<Self::Step>;
    /// What has to be written down, and acknowledged, before a step is done: the status with the record in it. None where AWS
    /// itself tells a repeated step from the first.
    fn record(_object: &Self::Object, _step: &Self::Step) -> Option<Self::Status> {
        None
    }
    /// What to say.
    fn report(
        object: &Self::Object,
        goal: Option<&Goal<Self::Desired, Self::Claim>>,
        evidence: &Evidence<Self::World, Self::Step>,
        now: Timestamp,
    ) -> Self::Status;
    /// The conditions of a status.
    fn conditions(status: &Self::Status) -> &[Condition];
    /// The reason that the Event about a step carries.
    fn event_reason(step: &Self::Step) -> &'static str;
    /// Whether a step is decided by what was seen of the data.
    fn rests_on_data(step: &Self::Step) -> bool;
    /// Whether a step rests on a look at the definition that may be old by now, so that there has to be a new one before it. It does
    /// not where the step's own record and the last look right before it prove all that it rests on.
    fn rests_on_definition(_step: &Self::Step) -> bool {
        true
    }
    /// When to look at the data again, and how closely; none if there is nothing to look at.
    fn next_look(
        goal: &Goal<Self::Desired, Self::Claim>,
        world: &Self::World,
        now: Timestamp,
    ) -> Option<DataDue>;
    /// The first moment at which the report would be another one with nothing in the world changed.
    fn next_flip(object: &Self::Object, status: &Self::Status, now: Timestamp) -> Option<Timestamp>;
}

/// What a reconciliation has come to know; the status is made from this and from nothing else.
#[derive(Clone, Debug)]
pub enum Evidence<W, S> {
    /// The object is new, or its spec is; AWS has not been asked yet.
    FirstSight,
    /// The spec cannot be.
    Invalid(Vec<Problem>),
    /// So much is being deleted at once that somebody has to say that it is meant.
    Held(String),
    /// AWS could not be asked.
    NotObserved(Failure),
    /// AWS was asked, and what could be done was done.
    Observed {
        /// The last observation.
        world: W,
        /// The plan for that observation: what is left to do.
        plan: Plan<S>,
        /// The steps that AWS acknowledged on the way.
        done: Vec<S>,
        /// The failure that stopped the work.
        failure: Option<Failure>,
        /// Whether the work stopped because it never came to an end: somebody undoes it.
        endless: bool,
    },
}

impl<W, S> Evidence<W, S> {
    /// The failure for which nothing more is known, or was done.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::NotObserved(failure) => Some(failure),
            Self::Observed { failure, .. } => failure.as_ref(),
            Self::FirstSight | Self::Invalid(_) | Self::Held(_) => None,
        }
    }
}

/// How new what is known of an object's definition has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Any that is not known to be outdated: a sweep's will do.
    Known,
    /// One that began then or later.
    Since(Instant),
}

/// How new what is known of an object's data has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataReading {
    /// What the last look saw, and what was written since; nothing if there was none.
    Known,
    /// A new look where new data is expected.
    Newest,
    /// A new look at everything.
    Whole,
}

/// When to look at the data again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataDue {
    /// When.
    pub at: Timestamp,
    /// How closely.
    pub reading: DataReading,
    /// Whether a verdict waits for it: it has turned since the last look, and is not told before another.
    pub is_urgent: bool,
}

/// On whose behalf AWS is called, most urgent first. Who waits in one lane is served before those in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Somebody changed or deleted a resource.
    Change,
    /// Work that is under way, or that is tried again.
    Progress,
    /// Sweeps, and what they found.
    Drift,
    /// Looks at data.
    Data,
}

impl Lane {
    /// All of them, most urgent first.
    pub const ALL: [Self; 4] = [Self::Change, Self::Progress, Self::Drift, Self::Data];

    /// Whether somebody waits for what is done in it.
    #[must_use]
    pub const fn is_hurried(self) -> bool {
        matches!(self, Self::Change | Self::Progress)
    }

    /// The word for labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Progress => "progress",
            Self::Drift => "drift",
            Self::Data => "data",
        }
    }
}

/// How to look, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How new the definition has to be.
    pub definition: Reading,
    /// How new the data has to be.
    pub data: DataReading,
    /// For whom.
    pub lane: Lane,
    /// The time, to note when data was looked at.
    pub now: Timestamp,
}

/// Whether the resource that a write is made for still is what it was when the write was decided.
///
/// A process may sleep between a decision and its write, for as long as a virtual machine is moved or a signal stops it,
/// and others go on meanwhile. A lease does not keep it from waking up and writing; asking again does.
pub trait Still: Send + Sync {
    /// Asks, if it has been a while.
    fn holds(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// Waits until somebody tells that it does not hold any more: a write need not wait for its turn then.
    fn lapses(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// On whose behalf something is written, and whether that is still wanted.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// For whom.
    pub lane: Lane,
    /// Whether it is still wanted.
    pub still: &'a dyn Still,
}

/// The only seam between decisions and AWS: two verbs, since a plan is data.
pub trait Port<K: Kind>: Send + Sync + 'static {
    /// Looks; never writes.
    fn observe(
        &self,
        key: &K::Key,
        look: &K::Look,
        ask: Ask,
    ) -> impl Future<Output = Result<K::World, Failure>> + Send;

    /// Does one step if it is still wanted; never chooses. After a failure of class `Unknown` the step may have taken effect.
    fn execute(
        &self,
        key: &K::Key,
        step: &K::Step,
        errand: Errand<'_>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Somebody asks for these objects from now on; they will be looked at together.
    fn expect(&self, keys: Vec<K::Key>);

    /// Nobody asks for this object any more; what is known of it may go.
    fn forget(&self, key: &K::Key);
}
