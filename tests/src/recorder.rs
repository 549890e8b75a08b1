//! Everything that objects said on the way, seen by a watch of the harness's own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{ListParams, WatchEvent, WatchParams};
use mizuumi_api::{ConditionStatus, DataTable};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kubernetes::{condition, reason_of};
use crate::team::Team;

/// An object as it was at one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was seen.
    pub at: Instant,
    /// The object.
    pub object: DataTable,
}

/// Watches a team's objects until dropped.
#[derive(Debug)]
pub struct Recorder {
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Begins with what is there now.
    pub async fn of(team: &Team) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tables = team.tables.clone();
        let list = tables.list(&ListParams::default()).await.expect("the objects are listed");
        let mut version = list.metadata.resource_version.unwrap_or_default();
        let into = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let params = WatchParams::default().timeout(290);
                let events = tables.watch(&params, &version).await.expect("the objects are watched");
                let mut events = events.boxed();
                while let Ok(Some(event)) = events.try_next().await {
                    match event {
                        WatchEvent::Added(object)
                        | WatchEvent::Modified(object)
                        | WatchEvent::Deleted(object) => {
                            version = object.resource_version().unwrap_or_default();
                            let seen = Seen { at: Instant::now(), object };
                            into.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                        }
                        WatchEvent::Bookmark(bookmark) => version = bookmark.metadata.resource_version,
                        WatchEvent::Error(error) => panic!("the watch broke off: {error:?}"),
                    }
                }
            }
        });
        Self { seen, task }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that was seen, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.held().clone()
    }

    /// How often objects changed so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held().len()
    }

    /// The reasons that `Ready` had for objects whose name matches.
    #[must_use]
    pub fn reasons(&self, matches: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let held = self.held();
        let of = held.iter().filter(|seen| matches(&seen.object.name_any()));
        of.map(|seen| reason_of(&seen.object, "Ready").to_owned()).collect()
    }

    /// When an object was first seen `Ready` for this generation or a later one, after a moment.
    #[must_use]
    pub fn ready_since(&self, name: &str, generation: i64, after: Instant) -> Option<Instant> {
        let held = self.held();
        let mut of = held.iter().filter(|seen| seen.at >= after && seen.object.name_any() == name);
        let found = of.find(|seen| {
            condition(&seen.object, "Ready").is_some_and(|ready| {
                ready.status == ConditionStatus::True && ready.observed_generation >= generation
            })
        });
        found.map(|seen| seen.at)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}
