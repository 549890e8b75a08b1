//! The watch: what it brings goes into the store, and what matters into the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use kube::core::DeserializeGuard;
use kube::core::object::HasStatus;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch_of};
use kube::{Api, Client, Resource};
use mizuumi_api::condition;
use mizuumi_core::{Kind, Lane, Port, Shard};
use tracing::{info, warn};

use crate::driver::{self, Context, Driven};
use crate::name::Name;
use crate::queue::Queue;
use crate::store::Change;
use crate::tally::Said;
use crate::workers::chain;

/// Objects on one page of a list, where the API server does not stream them.
const PAGE: u32 = 500;

/// A part of the cluster that is watched by itself.
#[derive(Clone)]
pub(crate) struct Scope {
    pub(crate) client: Client,
    /// None: all namespaces.
    pub(crate) namespace: Option<Arc<str>>,
    /// What is of another shard's namespaces is not seen.
    pub(crate) shard: Shard,
}

impl Scope {
    /// The resources of the scope.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Whether something that the API server answers for the scope is this shard's: it does not know of shards.
    pub(crate) fn takes(&self, object: &impl Resource) -> bool {
        let namespace = object.meta().namespace.as_deref();
        self.namespace.is_some() || self.shard.works_for(namespace.unwrap_or_default())
    }

    pub(crate) fn has(&self, name: &Name) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == name.namespace)
    }
}

/// How lists are made.
pub(crate) fn config(streams: bool) -> watcher::Config {
    let config = watcher::Config::default();
    if streams { config.streaming_lists() } else { config.page_size(PAGE) }
}

/// Watches a scope for ever. Counts each of `unlisted` down once it has been listed.
pub(crate) async fn watch<K, P>(
    scope: Scope,
    streams: bool,
    context: Arc<Context<K, P>>,
    queue: Arc<Queue>,
    unlisted: Vec<Arc<AtomicUsize>>,
) where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let mut events =
        watch_of(scope.api::<DeserializeGuard<K::Object>>(), config(streams)).default_backoff().boxed();
    let mut listing = Listing::new(context.store.begin_list());
    let mut is_first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listing = Listing::new(context.store.begin_list()),
            Ok(Event::InitApply(object) | Event::Apply(object) | Event::Delete(object))
                if !scope.takes(&object) => {}
            Ok(Event::InitApply(object)) => listing.add(&context, object),
            Ok(Event::InitDone) => {
                let gone = context.store.missing(listing.number);
                for name in gone.iter().filter(|name| scope.has(name)) {
                    forget(&context, &queue, name);
                }
                context.relations.listed(scope.namespace.as_ref());
                // All of them together, so that they are read together.
                context.port.expect(std::mem::take(&mut listing.keys));
                for (name, lane) in std::mem::take(&mut listing.waiting) {
                    queue.push(&name, lane);
                }
                if std::mem::take(&mut is_first) {
                    for unlisted in &unlisted {
                        unlisted.fetch_sub(1, Ordering::Relaxed);
                    }
                    info!(
                        namespace = scope.namespace.as_deref(),
                        resources = context.store.len(),
                        "watching"
                    );
                }
            }
            Ok(Event::Apply(object)) => {
                let lane = lane_of::<K>(&object);
                context.written.caught_up(&object);
                match keep(&context, object, listing.number) {
                    (name, Change::New) => queue.push(&name, lane),
                    (name, Change::Matters) => queue.push(&name, Lane::Change),
                    (_, Change::None) => {}
                }
            }
            Ok(Event::Delete(object)) => forget(&context, &queue, &Name::of(&object)),
            Err(error) => warn!(error = %chain(&error), "the watch was interrupted"),
        }
    }
}

/// Keeps a resource, and wakes those that have to do with it.
fn keep<K, P>(context: &Context<K, P>, object: DeserializeGuard<K::Object>, list: u64) -> (Name, Change)
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    let relations = &context.relations;
    let woken = object.0.as_ref().ok().map(|object| relations.brought(&Name::of(object), Some(object)));
    let status = object.0.as_ref().ok().and_then(HasStatus::status);
    let said = status.map(|status| Said::of(K::conditions(status))).unwrap_or_default();
    let kept = context.store.keep(object, said, list);
    relations.wake(woken.unwrap_or_default());
    relations.stored(&kept.0);
    kept
}

/// Forgets a resource that is gone, and wakes those that have to do with it.
fn forget<K, P>(context: &Context<K, P>, queue: &Queue, name: &Name)
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
    P: Port<K>,
{
    queue.forget(name);
    driver::forget(context, name);
    context.relations.wake(context.relations.brought(name, None));
    context.relations.stored(name);
}

/// A list that is under way.
struct Listing<Key> {
    number: u64,
    keys: Vec<Key>,
    waiting: Vec<(Name, Lane)>,
}

impl<Key> Listing<Key> {
    const fn new(number: u64) -> Self {
        Self { number, keys: Vec::new(), waiting: Vec::new() }
    }

    fn add<K, P>(&mut self, context: &Context<K, P>, object: DeserializeGuard<K::Object>)
    where
        K: Kind<Key = Key>,
        K::Object: Driven<Told = K::Status>,
        P: Port<K>,
    {
        let lane = lane_of::<K>(&object);
        let key = object.0.as_ref().ok().map(K::key);
        match keep(context, object, self.number) {
            (name, Change::New) => {
                self.keys.extend(key);
                self.waiting.push((name, lane));
            }
            (name, Change::Matters) => self.waiting.push((name, Lane::Change)),
            (_, Change::None) => {}
        }
    }
}

/// How urgent a resource is that is seen for the first time: after a restart most have nothing new to say.
fn lane_of<K>(object: &DeserializeGuard<K::Object>) -> Lane
where
    K: Kind,
    K::Object: Driven<Told = K::Status>,
{
    let Ok(object) = &object.0 else { return Lane::Drift };
    let Some(status) = object.status() else { return Lane::Change };
    let is_seen = object.meta().generation == Some(K::Object::observed_generation(status));
    if !is_seen || object.meta().deletion_timestamp.is_some() {
        Lane::Change
    } else if condition::find(K::conditions(status), condition::ConditionType::Reconciling).is_some() {
        Lane::Progress
    } else {
        Lane::Drift
    }
}
