//! What the one generic driver needs to know of a kind, and the one seam between decisions and the outside.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::hash::Hash;

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

    /// Which external object a resource speaks of. Total: it holds for a spec with problems too.
    fn key(object: &Self::Object) -> Self::Key;
    /// What is wanted; every problem of the spec at once. Never fails for an object that is being deleted.
    fn goal(
        object: &Self::Object,
        installation: &Installation,
    ) -> Result<Goal<Self::Desired, Self::Claim>, Vec<Problem>>;
    /// What has to be looked at to plan for the goal.
    fn look(goal: &Goal<Self::Desired, Self::Claim>) -> Self::Look;
    /// Whether the goal lets the controller write.
    fn may_write(goal: &Goal<Self::Desired, Self::Claim>) -> bool;
    /// What to do.
    fn plan(goal: &Goal<Self::Desired, Self::Claim>, world: &Self::World, now: Timestamp)
    -> Plan<Self::Step>;
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
    /// Whether what a status tells of the data is no longer so at `now`, if nothing new was observed.
    fn has_flipped(object: &Self::Object, status: &Self::Status, now: Timestamp) -> bool;
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

/// How new an observation has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Any that is not known to be outdated: a sweep's will do.
    Known,
    /// One that begins after this call.
    Fresh,
}

/// The only seam between decisions and AWS: two verbs, since a plan is data.
pub trait Port<K: Kind>: Send + Sync + 'static {
    /// Looks; never writes.
    fn observe(
        &self,
        key: &K::Key,
        look: &K::Look,
        reading: Reading,
    ) -> impl Future<Output = Result<K::World, Failure>> + Send;

    /// Does one step; never chooses. After a failure of class `Unknown` the step may have taken effect.
    fn execute(&self, key: &K::Key, step: &K::Step) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Nobody asks for this object any more; what is known of it may go.
    fn forget(&self, key: &K::Key);
}
