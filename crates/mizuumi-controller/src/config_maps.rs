//! The ConfigMaps that resources name: what they say, and who is woken when they change.
//!
//! There may be very many ConfigMaps, and large ones. So only their metadata is watched, and not before one is named; what one
//! says is read when it is needed, and kept nowhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use mizuumi_core::Lane;
use tokio::sync::watch;
use tracing::warn;

use crate::error::{Error, in_time};
use crate::name::Name;
use crate::queue::Queue;
use crate::watch::{Scope, config};
use crate::workers::chain;

/// So many keys of a ConfigMap are named to somebody who looks for another.
const SOME: usize = 5;

/// A resource that names ConfigMaps, and the queue that it is woken in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) queue: Arc<Queue>,
    pub(crate) name: Name,
}

impl PartialEq for User {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue) && self.name == other.name
    }
}

impl Eq for User {}

impl Hash for User {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.queue).hash(state);
        self.name.hash(state);
    }
}

/// What a ConfigMap says under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// This.
    Text(String),
    /// Nothing; why, and what to do.
    Nothing(String),
}

/// The ConfigMaps that resources name.
pub(crate) struct ConfigMaps {
    client: Client,
    state: Mutex<State>,
    /// Whether one has been named.
    is_needed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    named: HashMap<Name, Named>,
    by_user: HashMap<User, BTreeSet<Name>>,
}

/// A ConfigMap that is named.
#[derive(Default)]
struct Named {
    users: Vec<User>,
    /// What is known of it; nothing before it was read or listed.
    version: Option<Version>,
}

/// A version of a ConfigMap; none if it is not there.
type Version = Option<String>;

impl ConfigMaps {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, state: Mutex::default(), is_needed: watch::Sender::new(false) }
    }

    /// A resource names these from now on.
    pub(crate) fn named_by(&self, user: &User, names: BTreeSet<Name>) {
        let mut state = self.state();
        let before = match (state.by_user.remove(user), names.is_empty()) {
            (None, true) => return,
            (before, _) => before.unwrap_or_default(),
        };
        for gone in before.difference(&names) {
            if let Some(named) = state.named.get_mut(gone) {
                named.users.retain(|other| other != user);
                if named.users.is_empty() {
                    state.named.remove(gone);
                }
            }
        }
        for new in names.difference(&before) {
            state.named.entry(new.clone()).or_default().users.push(user.clone());
        }
        if !names.is_empty() {
            state.by_user.insert(user.clone(), names);
            self.is_needed.send_replace(true);
        }
    }

    /// A ConfigMap as it is now, if there is one; or why it may not be read.
    async fn find(&self, name: &Name) -> Result<Result<Option<ConfigMap>, String>, Error> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &name.namespace);
        let (map, namespace) = (&name.name, &name.namespace);
        let found = match in_time(api.get_opt(map), Error::ReadObject).await {
            Ok(found) => found,
            Err(Error::ReadObject(error)) if is_forbidden(&error) => {
                return Ok(Err(format!(
                    "ConfigMap '{map}' may not be read in namespace '{namespace}'; the controller's role needs get, list and \
                     watch of configmaps"
                )));
            }
            Err(error) => return Err(error),
        };
        if let Some(named) = self.state().named.get_mut(name) {
            named.version = Some(found.as_ref().and_then(|found| found.metadata.resource_version.clone()));
        }
        Ok(Ok(found))
    }

    /// All that a ConfigMap says now; none if it is not there, or may not be read, which the log tells.
    pub(crate) async fn data(&self, name: &Name) -> Result<Option<BTreeMap<String, String>>, Error> {
        let found = self.find(name).await?.unwrap_or_else(|why| {
            warn!("{why}");
            None
        });
        Ok(found.map(|found| found.data.unwrap_or_default()))
    }

    /// What a ConfigMap says now under a key.
    pub(crate) async fn read(&self, name: &Name, key: &str) -> Result<Said, Error> {
        let (map, namespace) = (&name.name, &name.namespace);
        let found = match self.find(name).await? {
            Ok(found) => found,
            Err(why) => return Ok(Said::Nothing(why)),
        };
        let Some(mut found) = found else {
            return Ok(Said::Nothing(format!(
                "ConfigMap '{map}' does not exist in namespace '{namespace}'; create it, and what waits for it follows by itself"
            )));
        };
        if let Some(text) = found.data.as_mut().and_then(|data| data.remove(key)) {
            return Ok(Said::Text(text));
        }
        if found.binary_data.is_some_and(|data| data.contains_key(key)) {
            return Ok(Said::Nothing(format!(
                "key '{key}' of ConfigMap '{map}' is in its `binaryData`; put the text into its `data`"
            )));
        }
        let keys: Vec<String> = found.data.unwrap_or_default().into_keys().take(SOME).collect();
        let there = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        Ok(Said::Nothing(format!("ConfigMap '{map}' has no key '{key}' in its `data`; there is: {there}")))
    }

    /// Watches a scope for ever, from when a ConfigMap is named for the first time.
    pub(crate) async fn watch(&self, scope: Scope, streams: bool) {
        // The sender is this one's own.
        self.is_needed.subscribe().wait_for(|is_needed| *is_needed).await.ok();
        let maps = scope.api::<PartialObjectMeta<ConfigMap>>();
        let mut events = watcher(maps, config(streams)).default_backoff().boxed();
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(map)) => {
                    let name = Name::of(&map);
                    if self.seen(&name, map.meta().resource_version.clone()) {
                        listed.insert(name);
                    }
                }
                Ok(Event::InitDone) => {
                    for gone in self.missing(&scope, &std::mem::take(&mut listed)) {
                        self.seen(&gone, None);
                    }
                }
                Ok(Event::Apply(map)) => {
                    self.seen(&Name::of(&map), map.meta().resource_version.clone());
                }
                Ok(Event::Delete(map)) => {
                    self.seen(&Name::of(&map), None);
                }
                Err(error) => warn!(error = %chain(&error), "the watch of ConfigMaps was interrupted"),
            }
        }
    }

    /// A ConfigMap was seen; wakes those that name it if it is another one than they know. Answers whether anybody does.
    fn seen(&self, name: &Name, version: Version) -> bool {
        let mut state = self.state();
        let Some(named) = state.named.get_mut(name) else { return false };
        if named.version.as_ref() != Some(&version) {
            named.version = Some(version);
            for user in &named.users {
                user.queue.push(&user.name, Lane::Change);
            }
        }
        true
    }

    /// The named ones of a scope that are not among those.
    fn missing(&self, scope: &Scope, listed: &BTreeSet<Name>) -> Vec<Name> {
        let state = self.state();
        state.named.keys().filter(|name| scope.has(name) && !listed.contains(*name)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(answer) if answer.code == 403)
}
