//! The one loop, for every kind: gate, observe, plan, execute, report, write down.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::core::object::HasStatus;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client, Resource, ResourceExt};
use mizuumi_api::condition::{self, ConditionStatus, ConditionType};
use mizuumi_api::{Installation, annotation};
use mizuumi_core::{Class, Evidence, Goal, Kind, Port, Reading, Verdict};
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::clock;
use crate::error::Error;
use crate::events::Events;
use crate::gate;
use crate::index::Index;
use crate::status::{self, Written};

/// How often a plan may be made and carried out in one go. Two are the rule: the work, and the look that proves it.
const ROUNDS: usize = 8;

/// What the driver needs of a kind's resource.
pub(crate) trait Driven:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + HasStatus<Status = Self::Told>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Its status.
    type Told: Clone + PartialEq + Debug + Serialize + Send + Sync;
    /// The generation that a status speaks of.
    fn observed_generation(status: &Self::Told) -> i64;
    /// The request to reconcile that was handled last.
    fn handled_request(status: &Self::Told) -> Option<&str>;
}

/// All that reconciling one kind takes.
pub(crate) struct Context<K: Kind, P>
where
    K::Object: Driven,
{
    pub(crate) client: Client,
    pub(crate) installation: Arc<Installation>,
    pub(crate) port: Arc<P>,
    pub(crate) events: Events,
    pub(crate) backoff: Backoff<ObjectRef<K::Object>>,
    pub(crate) written: Written<K::Status>,
    pub(crate) index: Arc<Index<K::Key, ObjectRef<K::Object>>>,
}

/// Brings the world one pass nearer to what one resource says, and says how far it came.
pub(crate) async fn reconcile<K, P>(
    guarded: Arc<DeserializeGuard<K::Object>>,
    context: Arc<Context<K, P>>,
) -> Result<Action, Error>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let mut object = match &guarded.0 {
        Ok(object) => object.clone(),
        Err(broken) => {
            // Only a CRD older or newer than this program lets such an object in; its next change is looked at again.
            warn!(
                object = broken.metadata.name,
                error = broken.error,
                "the object cannot be read and is left alone"
            );
            return let_unreadable_go(&guarded, &context).await;
        }
    };
    if let Some(newer) = context.written.newer_than(&object) {
        *object.status_mut() = Some(newer);
    }
    let pass = Pass::new(&object, &context)?;
    if object.meta().deletion_timestamp.is_some() { pass.teardown().await } else { pass.converge().await }
}

/// Lets an object go whose spec cannot be read, if that was asked for; no spec, no external object to look at.
async fn let_unreadable_go<K, P>(
    guarded: &DeserializeGuard<K::Object>,
    context: &Context<K, P>,
) -> Result<Action, Error>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
{
    let abandoned = guarded.annotations().get(annotation::ABANDON).is_some_and(|value| value == "true");
    if abandoned && guarded.meta().deletion_timestamp.is_some() {
        let namespace = guarded.namespace().ok_or(Error::Incomplete("namespace"))?;
        gate::release(&Api::<K::Object>::namespaced(context.client.clone(), &namespace), guarded).await?;
    }
    Ok(Action::requeue(context.backoff.while_blocked()))
}

/// One pass over one object.
struct Pass<'a, K: Kind, P>
where
    K::Object: Driven,
{
    object: &'a K::Object,
    context: &'a Context<K, P>,
    api: Api<K::Object>,
    me: ObjectRef<K::Object>,
    about: ObjectReference,
    key: K::Key,
}

type Seen<K> = Evidence<<K as Kind>::World, <K as Kind>::Step>;
type GoalOf<K> = Goal<<K as Kind>::Desired, <K as Kind>::Claim>;

impl<'a, K, P> Pass<'a, K, P>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    fn new(object: &'a K::Object, context: &'a Context<K, P>) -> Result<Self, Error> {
        let namespace = object.namespace().ok_or(Error::Incomplete("namespace"))?;
        Ok(Self {
            object,
            context,
            api: Api::namespaced(context.client.clone(), &namespace),
            me: ObjectRef::from_obj(object),
            about: object.object_ref(&()),
            key: K::key(object),
        })
    }

    async fn converge(&self) -> Result<Action, Error> {
        if !gate::is_claimed(self.object) {
            gate::claim(&self.api, self.object).await?;
        }
        self.context.index.add(&self.key, &self.me);
        let first = self.object.status().is_none_or(|status| K::conditions(status).is_empty());
        let mut before = self.object.status().cloned();
        if first {
            before = Some(self.tell(before.as_ref(), None, &Evidence::FirstSight, clock::now()).await?);
        }
        let (goal, evidence) = match K::goal(self.object, &self.context.installation) {
            Err(problems) => (None, Evidence::Invalid(problems)),
            Ok(goal) => {
                let evidence = self.work(&goal, self.reading_of_data(&goal)).await;
                (Some(goal), evidence)
            }
        };
        let now = clock::now();
        let status = self.tell(before.as_ref(), goal.as_ref(), &evidence, now).await?;
        Ok(self.next(goal.as_ref(), &evidence, &status, now))
    }

    async fn teardown(&self) -> Result<Action, Error> {
        if !gate::is_claimed(self.object) {
            self.forget();
            return Ok(Action::await_change());
        }
        if self.object.annotations().get(annotation::ABANDON).is_some_and(|value| value == "true") {
            warn!(object = %self.me, external = %self.key, "abandoned: let go without touching AWS");
            self.context.events.warn(&self.about, "Abandoned", "let go without touching AWS").await;
            return self.let_go().await;
        }
        if !self.is_still_deleting().await? {
            self.forget();
            return Ok(Action::await_change());
        }
        // A deleted object's goal holds whatever its spec says; if a kind breaks that rule, the problems are told.
        let goal = match K::goal(self.object, &self.context.installation) {
            Ok(goal) => goal,
            Err(problems) => {
                let evidence = Evidence::Invalid(problems);
                let now = clock::now();
                let status = self.tell(self.object.status(), None, &evidence, now).await?;
                return Ok(self.next(None, &evidence, &status, now));
            }
        };
        if !K::may_write(&goal) {
            return self.let_go().await;
        }
        let evidence = self.work(&goal, Reading::Fresh).await;
        if matches!(&evidence, Evidence::Observed { plan, failure: None, .. } if plan.is_settled()) {
            return self.let_go().await;
        }
        let now = clock::now();
        let status = self.tell(self.object.status(), Some(&goal), &evidence, now).await?;
        Ok(self.next(Some(&goal), &evidence, &status, now))
    }

    /// Whether this very object is still there and being deleted, by a read that no cache answers: after a restart the
    /// watch may show a past in which another object of this name was.
    async fn is_still_deleting(&self) -> Result<bool, Error> {
        let read = self.api.get_metadata_opt(&self.object.name_any()).await;
        let now = read.map_err(|error| Error::ReadObject(Box::new(error)))?;
        Ok(now.is_some_and(|now| now.uid() == self.object.uid() && now.meta().deletion_timestamp.is_some()))
    }

    /// Observes, plans and executes until there is nothing left to do.
    async fn work(&self, goal: &GoalOf<K>, mut reading: Reading) -> Seen<K> {
        let look = K::look(goal);
        let port = &self.context.port;
        let mut done = Vec::new();
        let mut unsettled = None;
        for round in 1..=ROUNDS {
            let world = match port.observe(&self.key, &look, reading).await {
                Ok(world) => world,
                Err(failure) => return Evidence::NotObserved(failure),
            };
            let plan = K::plan(goal, &world, clock::now());
            let idle = plan.steps.is_empty() || !K::may_write(goal);
            if idle || round == ROUNDS {
                let failure = if idle { None } else { unsettled };
                return Evidence::Observed {
                    world,
                    plan,
                    done,
                    endless: !idle && failure.is_none(),
                    failure,
                };
            }
            if reading == Reading::Known {
                // What a sweep saw may be old by now: look again before writing.
                reading = Reading::Fresh;
                continue;
            }
            let unknown_before = unsettled.take().is_some_and(|failure| failure.class == Class::Unknown);
            for step in &plan.steps {
                match port.execute(&self.key, step).await {
                    Ok(()) => {
                        self.acknowledge(step).await;
                        done.push(step.clone());
                    }
                    // The next look tells what became of it; nothing is repeated blindly.
                    // An outcome that is unknown twice is an outage, which takes patience.
                    Err(failure)
                        if failure.class == Class::Conflict
                            || (failure.class == Class::Unknown && !unknown_before) =>
                    {
                        info!(object = %self.me, external = %self.key, %failure, "looking again");
                        unsettled = Some(failure);
                        break;
                    }
                    Err(failure) => {
                        return Evidence::Observed {
                            world,
                            plan,
                            done,
                            failure: Some(failure),
                            endless: false,
                        };
                    }
                }
            }
        }
        // The last round always returns.
        Evidence::FirstSight
    }

    async fn acknowledge(&self, step: &K::Step) {
        info!(object = %self.me, external = %self.key, step = %step, "done");
        self.context.events.done(&self.about, K::event_reason(step), &step.to_string()).await;
    }

    /// Whether a sweep's view will do, or somebody asks for a new one.
    fn reading(&self) -> Reading {
        let Some(status) = self.object.status() else { return Reading::Fresh };
        let requested = self.object.annotations().get(annotation::REQUESTED_AT).map(String::as_str);
        let changed = self.object.meta().generation != Some(K::Object::observed_generation(status));
        // While work is under way, nothing that this generation rests on has been seen yet.
        let working = condition::find(K::conditions(status), ConditionType::Reconciling).is_some();
        if changed || working || requested != K::Object::handled_request(status) {
            Reading::Fresh
        } else {
            Reading::Known
        }
    }

    /// The same, for data: before it is called late, it is looked for once more.
    fn reading_of_data(&self, goal: &GoalOf<K>) -> Reading {
        let flipped = self.object.status().is_some_and(|s| K::has_flipped(self.object, s, clock::now()));
        if flipped && K::look(goal) != K::Look::default() { Reading::Fresh } else { self.reading() }
    }

    async fn tell(
        &self,
        before: Option<&K::Status>,
        goal: Option<&GoalOf<K>>,
        evidence: &Seen<K>,
        now: Timestamp,
    ) -> Result<K::Status, Error> {
        let mut object = self.object.clone();
        *object.status_mut() = before.cloned();
        let status = K::report(&object, goal, evidence, now);
        let written = &self.context.written;
        if status::write_if_changed(&self.api, &object, before, &status, written).await? {
            self.warn_if_worse(before, &status).await;
        }
        Ok(status)
    }

    /// An Event when `Ready` turns away from True, or gets another reason there.
    async fn warn_if_worse(&self, before: Option<&K::Status>, after: &K::Status) {
        let Some(ready) = condition::find(K::conditions(after), ConditionType::Ready) else { return };
        let stalled = condition::find(K::conditions(after), ConditionType::Stalled).is_some();
        let known = before.and_then(|b| condition::find(K::conditions(b), ConditionType::Ready));
        if ready.status != ConditionStatus::True
            && stalled
            && known.is_none_or(|known| known.reason != ready.reason)
        {
            self.context.events.warn(&self.about, &ready.reason, &ready.message).await;
        }
    }

    /// When to come back.
    fn next(
        &self,
        goal: Option<&GoalOf<K>>,
        evidence: &Seen<K>,
        status: &K::Status,
        now: Timestamp,
    ) -> Action {
        let backoff = &self.context.backoff;
        let mut wait: Option<Duration> = None;
        let mut at_latest =
            |duration: Duration| wait = Some(wait.map_or(duration, |w: Duration| w.min(duration)));
        let failed = match evidence {
            Evidence::Invalid(_) => Some(false),
            Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
                Some(failure.class.is_transient())
            }
            Evidence::Observed { endless: true, .. } => Some(true),
            Evidence::Observed { plan, .. } => matches!(plan.verdict, Verdict::Blocked(..)).then_some(false),
            Evidence::FirstSight => Some(true),
        };
        match failed {
            Some(true) => at_latest(backoff.after_failure(self.me.clone())),
            Some(false) => {
                backoff.reset(&self.me);
                at_latest(backoff.while_blocked());
            }
            None => backoff.reset(&self.me),
        }
        // A second late rather than a moment early: waking before the time would only mean waking again.
        let until = |moment: Timestamp| Duration::try_from(moment.duration_since(now)).unwrap_or_default();
        if let Evidence::Observed { plan, .. } = evidence {
            if let Some(moment) = plan.wake_at {
                at_latest(until(moment));
            }
            if goal.is_some_and(|goal| K::look(goal) != K::Look::default()) {
                let seconds = self.context.installation.intervals.data_seconds;
                // Never earlier: until then the last look still counts, and looking at it again would show nothing.
                at_latest(Duration::from_secs(seconds.into()).mul_f64(rand::rng().random_range(1.0..1.2)));
            }
        }
        if let Some(moment) = K::next_flip(self.object, status, now) {
            at_latest(until(moment));
        }
        wait.map_or_else(Action::await_change, Action::requeue)
    }

    async fn let_go(&self) -> Result<Action, Error> {
        gate::release(&self.api, self.object).await?;
        self.forget();
        Ok(Action::await_change())
    }

    fn forget(&self) {
        self.context.backoff.reset(&self.me);
        self.context.written.forget(self.object);
        if self.context.index.remove(&self.key, &self.me) {
            self.context.port.forget(&self.key);
        }
    }
}
