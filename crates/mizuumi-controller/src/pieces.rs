//! What EMR clusters are built from: their classes and ConfigMaps, and who is woken when one changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use mizuumi_api::{EmrCluster, EmrClusterClass};
use mizuumi_core::Lane;
use mizuumi_core::emr_cluster::{Clusters, Pieces as Around};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config_maps::{ConfigMaps, User};
use crate::error::Error;
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::run_steps::RunSteps;
use crate::workers::chain;

/// So long the classes are waited for at the start; without them each cluster says that it has none.
const PATIENCE: Duration = Duration::from_secs(10);

/// The classes, and the clusters that name them.
pub(crate) struct Pieces {
    queue: Arc<Queue>,
    config_maps: Arc<ConfigMaps>,
    run_steps: Arc<RunSteps>,
    state: Mutex<State>,
    are_listed: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    classes: BTreeMap<String, EmrClusterClass>,
    /// The class of each cluster.
    class_of: HashMap<Name, String>,
}

impl Pieces {
    pub(crate) fn new(queue: Arc<Queue>, config_maps: Arc<ConfigMaps>, run_steps: Arc<RunSteps>) -> Self {
        Self { queue, config_maps, run_steps, state: Mutex::default(), are_listed: watch::Sender::new(false) }
    }

    /// Waits until the classes are known; not for ever, since who may not list them has clusters all the same.
    pub(crate) async fn known(&self) {
        let mut listed = self.are_listed.subscribe();
        let waiting = listed.wait_for(|listed| *listed);
        tokio::time::timeout(PATIENCE, waiting).await.ok();
    }

    /// Watches the classes for ever.
    pub(crate) async fn watch(&self, client: Client) {
        let classes = Api::<EmrClusterClass>::all(client);
        let mut events = watcher(classes, watcher::Config::default()).default_backoff().boxed();
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(class)) => {
                    listed.insert(class.name_any());
                    self.changed(class.name_any(), Some(class));
                }
                Ok(Event::InitDone) => {
                    let gone: Vec<String> =
                        self.state().classes.keys().filter(|name| !listed.contains(*name)).cloned().collect();
                    for name in gone {
                        self.changed(name, None);
                    }
                    if !self.are_listed.send_replace(true) {
                        info!(classes = listed.len(), "watching classes of EMR clusters");
                    }
                }
                Ok(Event::Apply(class)) => self.changed(class.name_any(), Some(class)),
                Ok(Event::Delete(class)) => self.changed(class.name_any(), None),
                Err(error) => warn!(error = %chain(&error), "the watch of classes was interrupted"),
            }
        }
    }

    /// A class is new, another, or gone; wakes the clusters that name it.
    fn changed(&self, name: String, class: Option<EmrClusterClass>) {
        let mut state = self.state();
        let before = state.classes.get(&name).map(|class| &class.spec);
        if before == class.as_ref().map(|class| &class.spec) {
            return;
        }
        let woken: Vec<Name> = state
            .class_of
            .iter()
            .filter(|(_, of)| **of == name)
            .map(|(cluster, _)| cluster.clone())
            .collect();
        match class {
            Some(class) => state.classes.insert(name, class),
            None => state.classes.remove(&name),
        };
        drop(state);
        self.wake(woken);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Clusters> for Pieces {
    fn around<'a>(&'a self, cluster: &'a EmrCluster) -> BoxFuture<'a, Result<Around, Error>> {
        async move {
            let class = self.state().classes.get(&cluster.spec.class_name).cloned();
            let mut config_maps = BTreeMap::new();
            // What is let go is not built any more.
            if cluster.metadata.deletion_timestamp.is_none() {
                for name in named_by(cluster) {
                    config_maps.insert(name.name.to_string(), self.config_maps.data(&name).await?);
                }
            }
            let asked = self.run_steps.asked(cluster).await?;
            let needs = self.run_steps.awaited(&Name::of(cluster));
            Ok(Around { class: class.map(Box::new), config_maps, asked, needs })
        }
        .boxed()
    }

    fn brought(&self, name: &Name, cluster: Option<&EmrCluster>) -> Vec<Name> {
        self.run_steps.cluster_brought(name, cluster);
        let user = User { queue: self.queue.clone(), name: name.clone() };
        self.config_maps.named_by(&user, cluster.map(named_by).unwrap_or_default());
        let mut state = self.state();
        match cluster {
            Some(cluster) => state.class_of.insert(name.clone(), cluster.spec.class_name.clone()),
            None => state.class_of.remove(name),
        };
        Vec::new()
    }

    fn listed(&self, _namespace: Option<&Arc<str>>) {}

    fn wake(&self, clusters: Vec<Name>) {
        for cluster in clusters {
            self.queue.push(&cluster, Lane::Change);
        }
    }
}

/// The ConfigMaps that a cluster names.
fn named_by(cluster: &EmrCluster) -> BTreeSet<Name> {
    let sources = cluster.spec.configurations_from.iter().flatten();
    sources.map(|source| Name { name: source.config_map.as_str().into(), ..Name::of(cluster) }).collect()
}
