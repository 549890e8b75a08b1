//! One watch over all objects of a run: when each became ready, and how often each was changed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use futures::StreamExt as _;
use k8s_openapi::NamespaceResourceScope;
use kube::api::ObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Resource};
use mizuumi_api::DataTable;
use serde::{Deserialize, Deserializer};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long the first list may take.
const LISTED: Duration = Duration::from_mins(2);

/// A `DataTable` of which only what is measured is read: reading 40 columns of 100,000 objects would take the time
/// that is to be measured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Light {
    #[serde(deserialize_with = "few")]
    metadata: ObjectMeta,
    #[serde(default)]
    status: Option<LightStatus>,
}

#[derive(Clone, Debug, Deserialize)]
struct LightStatus {
    #[serde(default)]
    conditions: Vec<LightCondition>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LightCondition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
    #[serde(default)]
    observed_generation: i64,
}

/// The few fields of the metadata that are used.
fn few<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Few {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        generation: Option<i64>,
        resource_version: Option<String>,
    }
    let few = Few::deserialize(from)?;
    Ok(ObjectMeta {
        name: few.name,
        namespace: few.namespace,
        uid: few.uid,
        generation: few.generation,
        resource_version: few.resource_version,
        ..ObjectMeta::default()
    })
}

impl Resource for Light {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind(at: &()) -> Cow<'_, str> {
        DataTable::kind(at)
    }

    fn group(at: &()) -> Cow<'_, str> {
        DataTable::group(at)
    }

    fn version(at: &()) -> Cow<'_, str> {
        DataTable::version(at)
    }

    fn plural(at: &()) -> Cow<'_, str> {
        DataTable::plural(at)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Light {
    /// Namespace and name.
    fn key(&self) -> String {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        format!("{}/{}", text(&self.metadata.namespace), text(&self.metadata.name))
    }

    pub(crate) fn generation(&self) -> i64 {
        self.metadata.generation.unwrap_or_default()
    }

    /// The generation for which it is ready.
    fn ready_for(&self) -> Option<i64> {
        let conditions = &self.status.as_ref()?.conditions;
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
        (ready.status == "True").then_some(ready.observed_generation)
    }
}

/// An object that was applied.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    /// Namespace and name.
    pub(crate) key: String,
    /// The generation that the apply made.
    pub(crate) generation: i64,
    /// When the apiserver answered.
    pub(crate) at: Instant,
}

/// An object as the watch saw it.
#[derive(Clone, Debug)]
struct Object {
    uid: Option<String>,
    /// The newest generation for which it was ready, and since when.
    ready: Option<(i64, Instant)>,
    /// Whether it is ready now, for what it says now.
    is_ready: bool,
    changes: u64,
}

impl Object {
    fn new(object: &Light) -> Self {
        Self { uid: object.metadata.uid.clone(), ready: None, is_ready: false, changes: 0 }
    }
}

#[derive(Debug, Default)]
struct Seen {
    objects: HashMap<String, Object>,
    /// How often the watch had to list: more than once, and changes were missed.
    lists: u32,
}

impl Seen {
    fn note(&mut self, object: &Light, changed: bool) {
        let known = self.objects.entry(object.key()).or_insert_with(|| Object::new(object));
        if known.uid != object.metadata.uid {
            *known = Object::new(object);
        }
        known.is_ready = object.ready_for() == object.metadata.generation;
        known.changes += u64::from(changed);
        if let Some(generation) = object.ready_for()
            && known.ready.is_none_or(|(before, _)| before < generation)
        {
            known.ready = Some((generation, Instant::now()));
        }
    }
}

/// The watch. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Watches all objects with a label, and answers once the watch has begun.
    pub(crate) async fn start(client: Client, label: &str) -> Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = seen.clone();
        let config = watcher::Config::default().labels(label).streaming_lists();
        let task = tokio::spawn(async move {
            let mut events = watch(Api::<Light>::all(client), config).default_backoff().boxed();
            while let Some(event) = events.next().await {
                let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
                match event {
                    Ok(Event::Apply(object)) => seen.note(&object, true),
                    Ok(Event::InitApply(object)) => seen.note(&object, false),
                    Ok(Event::Delete(object)) => drop(seen.objects.remove(&object.key())),
                    Ok(Event::InitDone) => seen.lists += 1,
                    Ok(Event::Init) => {}
                    Err(error) => super::say(format_args!("the watch was interrupted: {error}")),
                }
            }
        });
        let watch = Self { seen, task };
        let last = Instant::now() + LISTED;
        while watch.lists() == 0 {
            if Instant::now() > last {
                bail!("the watch did not begin within {LISTED:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(watch)
    }

    fn hold(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often it listed; counts of changes are exact only while that is once.
    pub(crate) fn lists(&self) -> u32 {
        self.hold().lists
    }

    /// When an object was first seen ready for that generation or a later one.
    pub(crate) fn ready_at(&self, applied: &Applied) -> Option<Instant> {
        let seen = self.hold();
        let (generation, at) = seen.objects.get(&applied.key)?.ready?;
        (generation >= applied.generation).then_some(at)
    }

    /// How many of these are ready.
    pub(crate) fn count_ready(&self, all: &[Applied]) -> usize {
        let seen = self.hold();
        let ready = |applied: &&Applied| {
            let known = seen.objects.get(&applied.key).and_then(|object| object.ready);
            known.is_some_and(|(generation, _)| generation >= applied.generation)
        };
        all.iter().filter(ready).count()
    }

    /// How many of these are ready at this moment: one that was may have turned away since.
    pub(crate) fn count_ready_now(&self, all: &[Applied]) -> usize {
        let seen = self.hold();
        all.iter()
            .filter(|applied| seen.objects.get(&applied.key).is_some_and(|object| object.is_ready))
            .count()
    }

    /// How many changes of these objects were seen.
    pub(crate) fn changes(&self, all: &[Applied]) -> u64 {
        let seen = self.hold();
        all.iter().filter_map(|applied| seen.objects.get(&applied.key)).map(|object| object.changes).sum()
    }

    /// How many of these are there.
    pub(crate) fn count(&self, all: &[Applied]) -> usize {
        let seen = self.hold();
        all.iter().filter(|applied| seen.objects.contains_key(&applied.key)).count()
    }
}
