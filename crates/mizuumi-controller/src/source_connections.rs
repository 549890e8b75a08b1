//! Connections and who uses them: which jobs name one, what their runs say of its source, and who wakes whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use mizuumi_api::{IngestJob, IngestRun, Installation, SourceConnection};
use mizuumi_core::source_connection::tried::connection_of;
use mizuumi_core::source_connection::{ConnectionKey, Connections, SeenConnection, Tried, Usage};
use mizuumi_core::{Ask, Errand, Failure, Lane, Port};

use crate::error::Error;
use crate::listed::Listed;
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::store::{Held, Store};

/// The connections, the jobs that name each, and what became of its runs, as the watches have brought them.
pub(crate) struct SourceConnections {
    installation: Arc<Installation>,
    store: Arc<Store<SourceConnection>>,
    queue: Arc<Queue>,
    job_queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: HashMap<Name, BTreeSet<Name>>,
    /// The connection of each job.
    of_job: HashMap<Name, Name>,
    /// What the runs of each connection say of its source.
    tried: HashMap<Name, BTreeMap<Name, Tried>>,
    /// The connection of each run.
    of_run: HashMap<Name, Name>,
    /// Namespaces of which the jobs have been listed, after the runs.
    listed: Listed,
    /// Connections that want to know who uses them before those have been listed.
    early: HashSet<Name>,
}

impl SourceConnections {
    pub(crate) fn new(
        installation: Arc<Installation>,
        store: Arc<Store<SourceConnection>>,
        [queue, job_queue]: [Arc<Queue>; 2],
    ) -> Self {
        Self { installation, store, queue, job_queue, state: Mutex::default() }
    }

    /// The connection that a job names.
    pub(crate) fn seen_by(&self, job: &IngestJob) -> SeenConnection {
        let Some(name) = named_by(job) else { return SeenConnection::Unknown };
        match self.store.get(&name) {
            Some(Held::Object(connection)) => SeenConnection::of(&connection, &self.installation),
            Some(Held::Unreadable(_, why)) => SeenConnection::Refused(why),
            None => SeenConnection::Missing,
        }
    }

    /// The watch has brought a job, or says that it is gone.
    pub(crate) fn job_brought(&self, job: &Name, found: Option<&IngestJob>) {
        let now = found.and_then(named_by);
        let mut state = self.state();
        let before = match &now {
            Some(now) => state.of_job.insert(job.clone(), now.clone()),
            None => state.of_job.remove(job),
        };
        if before == now {
            return;
        }
        if let Some(before) = &before
            && let Some(jobs) = state.jobs.get_mut(before)
        {
            jobs.remove(job);
            if jobs.is_empty() {
                state.jobs.remove(before);
            }
        }
        if let Some(now) = &now {
            state.jobs.entry(now.clone()).or_default().insert(job.clone());
        }
        drop(state);
        self.wake_all(before.into_iter().chain(now));
    }

    /// The watch has brought a run, or says that it is gone.
    pub(crate) fn run_brought(&self, run: &Name, found: Option<&IngestRun>) {
        let now = found.and_then(|found| Some((beside(run, connection_of(found)?), Tried::of(found)?)));
        let mut state = self.state();
        let Some((connection, tried)) = now else {
            // What it said is in the status of its connection by now.
            if let Some(before) = state.of_run.remove(run)
                && let Some(runs) = state.tried.get_mut(&before)
            {
                runs.remove(run);
                if runs.is_empty() {
                    state.tried.remove(&before);
                }
            }
            return;
        };
        state.of_run.insert(run.clone(), connection.clone());
        let before = state.tried.entry(connection.clone()).or_default().insert(run.clone(), tried.clone());
        drop(state);
        if before != Some(tried) {
            self.wake_all([connection]);
        }
    }

    /// The jobs of a namespace have been listed, or of all of them.
    pub(crate) fn jobs_listed(&self, namespace: Option<&Arc<str>>) {
        let mut state = self.state();
        state.listed.add(namespace);
        let early = std::mem::take(&mut state.early);
        let (known, unknown): (HashSet<Name>, HashSet<Name>) =
            early.into_iter().partition(|connection| state.listed.has(&connection.namespace));
        state.early = unknown;
        drop(state);
        self.wake_all(known);
    }

    /// Who uses a connection; nothing before the jobs have been listed.
    fn usage(&self, connection: &Name) -> Option<Usage> {
        let mut state = self.state();
        if !state.listed.has(&connection.namespace) {
            state.early.insert(connection.clone());
            return None;
        }
        let jobs = state.jobs.get(connection).into_iter().flatten().map(|job| job.name.to_string());
        let tried = state.tried.get(connection).into_iter().flat_map(BTreeMap::values);
        Some(Usage { jobs: jobs.collect(), tried: tried.max_by_key(|Tried(attempt)| attempt.at).cloned() })
    }

    fn wake_all(&self, connections: impl IntoIterator<Item = Name>) {
        for connection in connections {
            self.queue.push(&connection, Lane::Progress);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Connections> for SourceConnections {
    fn around<'a>(&'a self, connection: &'a SourceConnection) -> BoxFuture<'a, Result<Option<Usage>, Error>> {
        std::future::ready(Ok(self.usage(&Name::of(connection)))).boxed()
    }

    /// The jobs that name it, if they would see a difference: its status says nothing to them.
    fn brought(&self, name: &Name, connection: Option<&SourceConnection>) -> Vec<Name> {
        let said = |it: &SourceConnection| (it.metadata.generation, it.metadata.deletion_timestamp.is_some());
        let before = match self.store.get(name) {
            Some(Held::Object(before)) => Some((before.metadata.uid.clone(), said(&before))),
            _ => None,
        };
        if before == connection.map(|now| (now.metadata.uid.clone(), said(now))) && before.is_some() {
            return Vec::new();
        }
        self.state().jobs.get(name).into_iter().flatten().cloned().collect()
    }

    fn listed(&self, _namespace: Option<&Arc<str>>) {}

    fn wake(&self, jobs: Vec<Name>) {
        for job in jobs {
            self.job_queue.push(&job, Lane::Change);
        }
    }
}

/// The connection that a job names.
fn named_by(job: &IngestJob) -> Option<Name> {
    Some(beside(&Name::of(job), &job.spec.run.source.as_ref()?.connection))
}

/// Another resource in the namespace of one.
fn beside(name: &Name, other: &str) -> Name {
    Name { name: other.into(), ..name.clone() }
}

/// There is nothing outside of Kubernetes to look at, and nothing to do.
pub(crate) struct ConnectionPort;

impl Port<Connections> for ConnectionPort {
    async fn observe(&self, _key: &ConnectionKey, (): &(), _ask: Ask) -> Result<(), Failure> {
        Ok(())
    }

    async fn execute(
        &self,
        _key: &ConnectionKey,
        step: &Infallible,
        _errand: Errand<'_>,
    ) -> Result<(), Failure> {
        match *step {}
    }

    fn expect(&self, _keys: Vec<ConnectionKey>) {}

    fn forget(&self, _key: &ConnectionKey) {}
}
