//! The one loop, for every kind: gate, observe, plan, execute, report, write down.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::object::HasStatus;
use kube::{Api, Client, Resource, ResourceExt};
use mizuumi_api::condition::{self, ConditionStatus, ConditionType};
use mizuumi_api::{FINALIZER, Installation, Reason, annotation};
use mizuumi_core::{
    Ask, Class, DataDue, DataReading, Errand, Evidence, Failure, Goal, Kind, Lane, Port, Problem, Reading,
    Still, Verdict,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::backoff::{Backoff, jittered};
use crate::clock;
use crate::deletions::Deletions;
use crate::error::{Error, in_time};
use crate::events::Events;
use crate::gate;
use crate::index::Index;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::queue::Ticket;
use crate::relations::Relations;
use crate::status::{self, Written};
use crate::store::{self, Held, Store};
use crate::workers::chain;

/// How often a plan may be made and carried out in one go. Two are the rule: the work, and the look that proves it.
const ROUNDS: usize = 8;

/// What the driver needs of a kind's resource.
pub(crate) trait Driven:
    Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
    + HasStatus<Status = Self::Told>
    + Clone
    + Debug
    + Serialize
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
    pub(crate) metrics: Metrics,
    pub(crate) store: Arc<Store<K::Object>>,
    pub(crate) relations: Arc<dyn Relations<K>>,
    pub(crate) deletions: Deletions,
    pub(crate) backoff: Backoff<Name>,
    pub(crate) written: Written<K::Status>,
    pub(crate) index: Index<K::Key, Name>,
}

/// When to come back, and in which lane; none: when something happens.
pub(crate) type Next = Option<(Duration, Lane)>;

/// Brings the world one pass nearer to what one resource says, and says how far it came.
pub(crate) async fn reconcile<K, P>(context: &Context<K, P>, ticket: &Ticket) -> Result<Next, Error>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let mut object = match context.store.get(&ticket.name) {
        None => return Ok(None),
        Some(Held::Object(object)) => object,
        Some(Held::Unreadable(metadata, error)) => {
            // Only a CRD older or newer than this program lets such an object in; its next change is looked at again.
            warn!(object = %ticket.name, error, "the object cannot be read and is left alone");
            return let_unreadable_go(metadata.as_ref(), context).await;
        }
    };
    if let Some((newer, version)) = context.written.newer_than(&object) {
        *object.status_mut() = Some(newer);
        object.meta_mut().resource_version = Some(version);
        // A status is only written to what is claimed.
        if !gate::is_claimed(&object) {
            object.finalizers_mut().push(FINALIZER.to_owned());
        }
    }
    let pass = Pass::new(&object, context, ticket);
    let is_deleted = object.meta().deletion_timestamp.is_some();
    let next = if is_deleted { pass.teardown().await } else { pass.converge().await };
    match next {
        // Another controller has written a status meanwhile, or somebody else has changed the resource.
        Err(error) if K::RECORDS && error.is_conflict() => Ok(OUTDATED),
        next => next,
    }
}

/// Forgets a resource that is gone from Kubernetes, however it went.
pub(crate) fn forget<K, P>(context: &Context<K, P>, name: &Name)
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    if let Some(Held::Object(object)) = context.store.remove(name) {
        context.backoff.reset(name);
        context.written.forget(&object);
        let key = K::key(&object);
        if context.index.remove(&key, name) {
            context.port.forget(&key);
        }
    }
}

/// Lets an object go whose spec cannot be read, if that was asked for; no spec, no external object to look at.
async fn let_unreadable_go<K, P>(object: &impl Resource, context: &Context<K, P>) -> Result<Next, Error>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let abandoned = object.annotations().get(annotation::ABANDON).is_some_and(|value| value == "true");
    if abandoned && object.meta().deletion_timestamp.is_some() {
        let namespace = object.namespace().ok_or(Error::Incomplete("namespace"))?;
        gate::release(&Api::<K::Object>::namespaced(context.client.clone(), &namespace), object).await?;
    }
    Ok(Some((context.backoff.while_blocked(), Lane::Drift)))
}

/// One pass over one object.
struct Pass<'a, K: Kind, P>
where
    K::Object: Driven,
{
    object: &'a K::Object,
    context: &'a Context<K, P>,
    ticket: &'a Ticket,
    api: Api<K::Object>,
    about: ObjectReference,
    key: K::Key,
    known: Mutex<Known>,
    version: Mutex<Option<String>>,
    recorded: Mutex<Option<K::Status>>,
    began: Instant,
}

/// Whether the object is what the pass takes it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The watch said so some time: it may show the past, above all after a restart.
    ByTheWatch,
    /// The API server said so.
    Since(Instant),
    /// It is not.
    Outdated,
}

/// For so long a pass takes the object for what the API server said; passes are over sooner, unless the process slept.
const KNOWN: Duration = Duration::from_secs(1);
/// An outdated pass is followed by another, if the watch does not say so sooner.
const OUTDATED: Next = Some((Duration::from_secs(1), Lane::Change));

type Seen<K> = Evidence<<K as Kind>::World, <K as Kind>::Step>;
type GoalOf<K> = Goal<<K as Kind>::Desired, <K as Kind>::Claim>;

impl<'a, K, P> Pass<'a, K, P>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    fn new(object: &'a K::Object, context: &'a Context<K, P>, ticket: &'a Ticket) -> Self {
        let api = Api::namespaced(context.client.clone(), &ticket.name.namespace);
        let known = Mutex::new(Known::ByTheWatch);
        Self {
            object,
            context,
            ticket,
            api,
            about: object.object_ref(&()),
            key: K::key(object),
            known,
            version: Mutex::new(object.meta().resource_version.clone()),
            recorded: Mutex::new(None),
            began: Instant::now(),
        }
    }

    async fn converge(&self) -> Result<Next, Error> {
        if !gate::is_claimed(self.object) {
            *self.version() = gate::claim(&self.api, self.object).await?;
        }
        self.context.index.add(&self.key, &self.ticket.name);
        let first = self.object.status().is_none_or(|status| K::conditions(status).is_empty());
        let mut before = self.object.status().cloned();
        if first {
            before = Some(self.tell(before.as_ref(), None, &Evidence::FirstSight, clock::now()).await?);
        }
        let (goal, evidence) = match self.goal().await? {
            Err(problems) => (None, Evidence::Invalid(problems)),
            Ok(goal) => match self.work(&goal, self.reading(), DataReading::Known).await {
                Some(evidence) => (Some(goal), evidence),
                // Its data is due to be looked at, which is for another lane; nothing is told without.
                None => return Ok(Some((Duration::ZERO, Lane::Data))),
            },
        };
        if self.is_outdated().await {
            return Ok(OUTDATED);
        }
        let now = clock::now();
        let recorded = self.recorded().clone();
        let is_recorded = recorded.is_some();
        let before = recorded.or(before);
        let status = self.tell(before.as_ref(), goal.as_ref(), &evidence, now).await?;
        if is_recorded && matches!(evidence, Evidence::Observed { failure: None, .. }) {
            return Ok(Some((Duration::ZERO, Lane::Progress)));
        }
        Ok(self.next(goal.as_ref(), &evidence, &status, now))
    }

    /// What is wanted, by the resource itself and by those that have to do with it.
    async fn goal(&self) -> Result<Result<GoalOf<K>, Vec<Problem>>, Error> {
        let mut goal = match K::goal(self.object, &self.context.installation) {
            Ok(goal) => goal,
            Err(problems) => return Ok(Err(problems)),
        };
        K::heed(&mut goal, self.object, self.context.relations.around(self.object).await?);
        Ok(Ok(goal))
    }

    async fn teardown(&self) -> Result<Next, Error> {
        if !gate::is_claimed(self.object) {
            return Ok(None);
        }
        if self.object.annotations().get(annotation::ABANDON).is_some_and(|value| value == "true") {
            warn!(object = %self.ticket.name, external = %self.key, "abandoned: let go without touching AWS");
            self.context.events.warn(&self.about, "Abandoned", "let go without touching AWS");
            return self.let_go().await;
        }
        if !self.is_still_deleting().await? {
            return Ok(None);
        }
        // A deleted object's goal holds whatever its spec says; if a kind breaks that rule, the problems are told.
        let goal = match self.goal().await? {
            Ok(goal) => goal,
            Err(problems) => return self.conclude(None, Evidence::Invalid(problems)).await,
        };
        if !K::may_write(&goal) {
            return self.let_go().await;
        }
        if !store::is_confirmed(self.object) {
            let waiting = self.context.store.unconfirmed_deletions();
            if let Err(why) = self.context.deletions.may_go(&self.ticket.name, waiting, self.was_held()) {
                return self.conclude(Some(&goal), Evidence::Held(why)).await;
            }
        }
        // What is deleted is looked at as it is now.
        let reading = Reading::Since(Instant::now());
        let Some(evidence) = self.work(&goal, reading, DataReading::Whole).await else { return Ok(None) };
        if self.is_outdated().await {
            return Ok(OUTDATED);
        }
        if matches!(&evidence, Evidence::Observed { plan, failure: None, .. } if plan.is_settled()) {
            return self.let_go().await;
        }
        self.conclude(Some(&goal), evidence).await
    }

    /// Whether its deletion was held the last time; the status remembers it over a restart.
    fn was_held(&self) -> bool {
        let conditions = self.object.status().map(K::conditions).unwrap_or_default();
        condition::find(conditions, ConditionType::Ready)
            .is_some_and(|ready| ready.reason == Reason::DeletionHeld.name())
    }

    async fn conclude(&self, goal: Option<&GoalOf<K>>, evidence: Seen<K>) -> Result<Next, Error> {
        let now = clock::now();
        let status = self.tell(self.object.status(), goal, &evidence, now).await?;
        Ok(self.next(goal, &evidence, &status, now))
    }

    /// Whether this very object is still there and being deleted, by a read that no cache answers: after a restart the
    /// watch may show a past in which another object of this name was.
    async fn is_still_deleting(&self) -> Result<bool, Error> {
        let now = in_time(self.api.get_metadata_opt(&self.ticket.name.name), Error::ReadObject).await?;
        Ok(now.is_some_and(|now| now.uid() == self.object.uid() && now.meta().deletion_timestamp.is_some()))
    }

    /// Whether the object is what the pass took it for, by a read that no cache answers. Where nobody answers, the pass
    /// is not sure enough to write.
    async fn is_the_same(&self) -> bool {
        let read = in_time(self.api.get_metadata_opt(&self.ticket.name.name), Error::ReadObject).await;
        let Ok(Some(now)) = read else { return false };
        // Whoever has written since may have started anew.
        if self.recorded().is_some() && now.meta().resource_version != *self.version() {
            return false;
        }
        now.uid() == self.object.uid()
            && now.meta().generation == self.object.meta().generation
            && now.meta().deletion_timestamp.is_some() == self.object.meta().deletion_timestamp.is_some()
    }

    /// Whether what the pass has found out is about an object that is another one by now. A pass that wrote nothing and
    /// took no time has nothing to ask: its status goes to the object of that uid or to none.
    async fn is_outdated(&self) -> bool {
        let known = *self.known();
        match known {
            Known::ByTheWatch => self.began.elapsed() >= KNOWN && !self.holds().await,
            Known::Since(_) => !self.holds().await,
            Known::Outdated => true,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Observes, plans and executes until there is nothing left to do; none if only a look at data is due, and that is
    /// for another lane.
    async fn work(&self, goal: &GoalOf<K>, definition: Reading, data: DataReading) -> Option<Seen<K>> {
        let look = K::look(goal);
        let port = &self.context.port;
        let lane = self.ticket.lane;
        let mut ask = Ask { definition, data, lane, now: clock::now() };
        let mut done = Vec::new();
        let mut unsettled = None;
        let mut looked = data != DataReading::Known;
        for round in 1..=ROUNDS {
            let mut world = match self.observe(&look, ask).await {
                Ok(world) => world,
                Err(failure) => return Some(Evidence::NotObserved(failure)),
            };
            let mut plan = K::plan(goal, &world, ask.now);
            if !looked && let Some(due) = self.due(goal, &world, ask.now) {
                let here = lane != Lane::Drift || due.is_urgent;
                if !here && plan.steps.is_empty() {
                    return None;
                }
                if here {
                    looked = true;
                    world = match self.observe(&look, Ask { data: due.reading, ..ask }).await {
                        Ok(world) => world,
                        Err(failure) => return Some(Evidence::NotObserved(failure)),
                    };
                    plan = K::plan(goal, &world, ask.now);
                }
            }
            let idle = plan.steps.is_empty() || !K::may_write(goal);
            if idle || round == ROUNDS {
                let failure = if idle { None } else { unsettled };
                let endless = !idle && failure.is_none();
                return Some(Evidence::Observed { world, plan, done, endless, failure });
            }
            let rests_on_data = plan.steps.iter().any(K::rests_on_data);
            let rests_on_definition = plan.steps.iter().any(K::rests_on_definition);
            if (ask.definition == Reading::Known && rests_on_definition) || (rests_on_data && !looked) {
                // What was seen before may be old by now: look again before writing.
                ask.definition = Reading::Since(Instant::now());
                if rests_on_data && !looked {
                    ask.data = DataReading::Newest;
                    looked = true;
                }
                continue;
            }
            let unknown_before = unsettled.take().is_some_and(|failure| failure.class == Class::Unknown);
            for step in &plan.steps {
                if self.needs_record(step) {
                    let failure = self.record_and_execute(step).await.err();
                    done.extend(failure.is_none().then(|| step.clone()));
                    // What is known of it is in the status; the next pass plans from that.
                    return Some(Evidence::Observed { world, plan, done, failure, endless: false });
                }
                match port.execute(&self.key, step, Errand { lane, still: self }).await {
                    Ok(()) => {
                        self.acknowledge(step);
                        done.push(step.clone());
                    }
                    // Outdated: nothing of this pass is told.
                    Err(failure) if *self.known() == Known::Outdated => {
                        return Some(Evidence::NotObserved(failure));
                    }
                    // The next look tells what became of it; nothing is repeated blindly.
                    // An outcome that is unknown twice is an outage, which takes patience.
                    Err(failure)
                        if failure.class == Class::Conflict
                            || (failure.class == Class::Unknown && !unknown_before) =>
                    {
                        info!(object = %self.ticket.name, external = %self.key, %failure, "looking again");
                        unsettled = Some(failure);
                        break;
                    }
                    Err(failure) => {
                        let failure = Some(failure);
                        return Some(Evidence::Observed { world, plan, done, failure, endless: false });
                    }
                }
            }
            let definition = Reading::Since(Instant::now());
            ask = Ask { definition, data: DataReading::Known, lane, now: clock::now() };
        }
        // The last round always returns.
        Some(Evidence::FirstSight)
    }

    /// Looks. A look for which nobody waits is given up when somebody changes the resource.
    async fn observe(&self, look: &K::Look, ask: Ask) -> Result<K::World, Failure> {
        let world = self.context.port.observe(&self.key, look, ask);
        if self.ticket.lane.is_hurried() {
            return world.await;
        }
        tokio::select! {
            world = world => world,
            () = self.lapses() => Err(Failure::new("look", Class::Conflict, "the resource has changed meanwhile")),
        }
    }

    /// How to look at the data, if that is due: by the clock, or since somebody asked for a new look.
    fn due(&self, goal: &GoalOf<K>, world: &K::World, now: Timestamp) -> Option<DataDue> {
        let due = K::next_look(goal, world, now)?;
        if self.is_asked_for() {
            return Some(DataDue { reading: DataReading::Whole, ..due });
        }
        (due.at <= now).then_some(due)
    }

    /// Whether a step has to be written down before it is done.
    fn needs_record(&self, step: &K::Step) -> bool {
        K::record(self.object, step).is_some()
    }

    /// Writes down what is about to be done, over the very version of the resource that it was decided by, and does it if
    /// nothing has changed since.
    async fn record_and_execute(&self, step: &K::Step) -> Result<(), Failure> {
        let not_sent = |class, message: String| Failure::new("record", class, message);
        let version = self.version().clone();
        let Some(status) = K::record(self.object, step) else { return Ok(()) };
        let asked = Instant::now();
        let after =
            match status::write(&self.api, self.object, version.as_deref(), &status, &self.context.written)
                .await
            {
                Ok(after) => after,
                Err(error) if error.is_conflict() => {
                    *self.known() = Known::Outdated;
                    return Err(not_sent(
                        Class::Conflict,
                        "the resource has changed meanwhile, and nothing was sent".to_owned(),
                    ));
                }
                Err(error) => {
                    return Err(not_sent(Class::Unavailable, format!("{}; nothing was sent", chain(&error))));
                }
            };
        self.context.metrics.wrote_status(K::NAME);
        *self.known() = Known::Since(asked);
        self.version().clone_from(&after.meta().resource_version);
        *self.recorded() = Some(status);
        let errand = Errand { lane: self.ticket.lane, still: self };
        self.context.port.execute(&self.key, step, errand).await?;
        self.acknowledge(step);
        Ok(())
    }

    /// The version of the resource that the pass has seen last, by its own writes.
    fn version(&self) -> MutexGuard<'_, Option<String>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The status with a record in it that this pass has written.
    fn recorded(&self) -> MutexGuard<'_, Option<K::Status>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acknowledge(&self, step: &K::Step) {
        info!(object = %self.ticket.name, external = %self.key, step = %step, "done");
        self.context.events.done(&self.about, K::event_reason(step), &step.to_string());
    }

    /// Whether the spec is new, or somebody asked for a new look.
    fn is_asked_for(&self) -> bool {
        let Some(status) = self.object.status() else { return true };
        let requested = self.object.annotations().get(annotation::REQUESTED_AT).map(String::as_str);
        self.object.meta().generation != Some(K::Object::observed_generation(status))
            || requested != K::Object::handled_request(status)
    }

    /// Whether a sweep's view will do, or something has happened since.
    fn reading(&self) -> Reading {
        // While work is under way, nothing that this generation rests on has been seen yet.
        let working = self
            .object
            .status()
            .is_some_and(|s| condition::find(K::conditions(s), ConditionType::Reconciling).is_some());
        if working || self.is_asked_for() {
            Reading::Since(self.ticket.since.into_std())
        } else {
            Reading::Known
        }
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
        let version = self.version().clone().filter(|_| K::RECORDS);
        let asked = Instant::now();
        let writing =
            status::write_if_changed(&self.api, &object, version.as_deref(), before, &status, written);
        if let Some(after) = writing.await? {
            // The answer tells of the object as it is.
            let is_the_same = after.meta().generation == self.object.meta().generation
                && after.meta().deletion_timestamp.is_some()
                    == self.object.meta().deletion_timestamp.is_some();
            *self.known() = if is_the_same { Known::Since(asked) } else { Known::Outdated };
            self.version().clone_from(&after.meta().resource_version);
            self.context.metrics.wrote_status(K::NAME);
            if !matches!(evidence, Evidence::Held(_)) {
                // A failure has an Event of its own, which tells of each try.
                if evidence.failure().is_none() {
                    self.warn_if_worse(before, &status);
                }
                self.tell_quality(before, &status);
                self.warn_of_schema(before, &status);
            }
        }
        Ok(status)
    }

    /// An Event when `Ready` turns away from True, or gets another reason there.
    fn warn_if_worse(&self, before: Option<&K::Status>, after: &K::Status) {
        let Some(ready) = condition::find(K::conditions(after), ConditionType::Ready) else { return };
        let stalled = condition::find(K::conditions(after), ConditionType::Stalled).is_some();
        let known = before.and_then(|b| condition::find(K::conditions(b), ConditionType::Ready));
        if ready.status != ConditionStatus::True
            && stalled
            && known.is_none_or(|known| known.reason != ready.reason)
        {
            self.context.events.warn(&self.about, &ready.reason, &ready.message);
        }
    }

    /// An Event when the verdict on data turns.
    fn tell_quality(&self, before: Option<&K::Status>, after: &K::Status) {
        let of = |status| condition::find(K::conditions(status), ConditionType::QualityPassed);
        let Some(now) = of(after) else { return };
        let before = before.and_then(of).map_or(Reason::NeverEvaluated.name(), |known| &known.reason);
        if before == now.reason {
            return;
        }
        if now.status == ConditionStatus::True {
            self.context.events.done(&self.about, &now.reason, &now.message);
        } else {
            self.context.events.warn(&self.about, &now.reason, &now.message);
        }
    }

    /// An Event when the work of a run says other columns than its table declares.
    fn warn_of_schema(&self, before: Option<&K::Status>, after: &K::Status) {
        let of = |status| condition::find(K::conditions(status), ConditionType::SchemaMatches);
        let differs = of(after).filter(|told| told.status == ConditionStatus::False);
        let was_told = before.and_then(of).is_some_and(|told| told.status == ConditionStatus::False);
        if let Some(told) = differs.filter(|_| !was_told) {
            self.context.events.warn(&self.about, &told.reason, &told.message);
        }
    }

    /// When to come back.
    fn next(&self, goal: Option<&GoalOf<K>>, evidence: &Seen<K>, status: &K::Status, now: Timestamp) -> Next {
        let backoff = &self.context.backoff;
        // A second late rather than a moment early: waking before the time would only mean waking again.
        let until = |moment: Timestamp| Duration::try_from(moment.duration_since(now)).unwrap_or_default();
        let mut reasons: Vec<(Duration, Lane)> = Vec::new();
        let failed = match evidence {
            Evidence::Invalid(_) | Evidence::Held(_) => Some(false),
            Evidence::NotObserved(failure) | Evidence::Observed { failure: Some(failure), .. } => {
                Some(failure.class.is_transient())
            }
            Evidence::Observed { endless: true, .. } => Some(true),
            Evidence::Observed { plan, .. } => matches!(plan.verdict, Verdict::Blocked(..)).then_some(false),
            Evidence::FirstSight => Some(true),
        };
        let is_throttled = evidence.failure().is_some_and(|failure| failure.class == Class::Throttled);
        match failed {
            Some(true) => {
                // A look that failed is no more urgent than the look was; a change that AWS would not take yet no less.
                let lane = match self.ticket.lane {
                    Lane::Data => Lane::Data,
                    Lane::Change if is_throttled => Lane::Change,
                    _ => Lane::Progress,
                };
                reasons.push((backoff.after_failure(self.ticket.name.clone()), lane));
            }
            Some(false) => {
                backoff.reset(&self.ticket.name);
                reasons.push((backoff.while_blocked(), Lane::Drift));
            }
            None => backoff.reset(&self.ticket.name),
        }
        if let Evidence::Observed { plan, world, .. } = evidence {
            let goes_on = matches!(plan.verdict, Verdict::Converging(..));
            reasons.extend(plan.wake_at.map(until).map(|wait| match wait {
                // Nothing is waited for: the work under way goes on, and what it still has to look at is no look of the clock's.
                Duration::ZERO if goes_on => (wait, Lane::Progress),
                _ => (wait, Lane::Data),
            }));
            let look = goal.and_then(|goal| K::next_look(goal, world, now));
            reasons.extend(look.filter(|_| failed.is_none()).map(|look| {
                let wait = until(look.at);
                // Never earlier than due; a little later, so that tables of one kind do not come in step.
                (if wait.is_zero() { wait } else { wait + jittered(wait) / 20 }, Lane::Data)
            }));
        }
        reasons.extend(K::next_flip(self.object, status, now).map(|moment| (until(moment), Lane::Drift)));
        let next = reasons.into_iter().min();
        if let Some(failure) = evidence.failure() {
            self.tell_failure(failure, next.and_then(|(wait, _)| now.checked_add(wait).ok()));
        }
        next
    }

    /// Each try that failed: by what AWS knows the call, and when it is tried again. Not in the status, which would change at every
    /// try and wake whoever watches it.
    fn tell_failure(&self, failure: &Failure, next_try: Option<Timestamp>) {
        let request_id = failure.request_id.as_deref();
        info!(object = %self.ticket.name, external = %self.key, %failure, request_id, "failed");
        self.context.events.failed(&self.about, failure, next_try);
    }

    async fn let_go(&self) -> Result<Next, Error> {
        gate::release(&self.api, self.object).await?;
        // All else goes when the watch says that the object is gone: others may still hold it.
        Ok(None)
    }
}

impl<K, P> Still for Pass<'_, K, P>
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    fn holds(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(async move {
            match *self.known() {
                Known::Outdated => return false,
                Known::Since(known) if known.elapsed() < KNOWN => return true,
                Known::ByTheWatch | Known::Since(_) => {}
            }
            let asked = Instant::now();
            let is_the_same = self.is_the_same().await;
            *self.known() = if is_the_same { Known::Since(asked) } else { Known::Outdated };
            is_the_same
        })
    }

    fn lapses(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                self.ticket.superseded.notified().await;
                // An annotation that changes all the time is no reason to begin anew all the time.
                if !self.is_the_same().await {
                    *self.known() = Known::Outdated;
                    return;
                }
            }
        })
    }
}
