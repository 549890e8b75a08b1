//! Jobs and their runs: which run is whose, who wakes whom, and what is done about a job.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use mizuumi_api::{DataTable, FIELD_MANAGER, IngestJob, IngestRun, Installation, label};
use mizuumi_core::ingest_job::cycle::{self, Link};
use mizuumi_core::ingest_job::{JobAround, JobKey, JobLook, JobStep, JobWorld, Jobs, OwnedBy, SeenRun};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::{Ask, Class, Errand, Failure, Lane, Port, Reading};
use serde_json::json;

use crate::backfills::BackfillsOfJobs;
use crate::error::{Error, gone_or, in_time};
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::run_steps::RunSteps;
use crate::source_connections::SourceConnections;
use crate::store::{Held, Store};

/// The jobs by their tables, and the runs by their jobs, as the watches have brought them.
pub(crate) struct IngestJobs {
    installation: Arc<Installation>,
    tables: Arc<Store<DataTable>>,
    queue: Arc<Queue>,
    run_steps: Arc<RunSteps>,
    connections: Arc<SourceConnections>,
    backfills: Arc<BackfillsOfJobs>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The runs of each job, with the uid of the job that owns them.
    runs: HashMap<Name, BTreeMap<Name, (String, SeenRun)>>,
    job_of: HashMap<Name, Name>,
    jobs_of_table: HashMap<Name, BTreeSet<Name>>,
    table_of: HashMap<Name, Name>,
    /// The name in Glue of each table.
    glue_names: HashMap<Name, String>,
    /// What each job writes, and what it waits for.
    links: HashMap<Name, Link>,
    writers: HashMap<String, BTreeSet<Name>>,
    waiters: HashMap<String, BTreeSet<Name>>,
}

impl State {
    /// Keeps what a job writes and waits for; answers whose turn it may be now: all that wait for it, if that is something else.
    fn link(&mut self, name: &Name, link: Option<Link>) -> BTreeSet<Name> {
        if self.links.get(name) == link.as_ref() {
            return BTreeSet::new();
        }
        let mut woken = self.downstream(name);
        let before = match &link {
            Some(link) => self.links.insert(name.clone(), link.clone()),
            None => self.links.remove(name),
        };
        if let Some(before) = before {
            before.writes.iter().for_each(|table| leave(&mut self.writers, table, name));
            before.waits.iter().for_each(|table| leave(&mut self.waiters, table, name));
        }
        if let Some(link) = link {
            let enter = |all: &mut HashMap<String, BTreeSet<Name>>, table: String| {
                all.entry(table).or_default().insert(name.clone());
            };
            link.writes.into_iter().for_each(|table| enter(&mut self.writers, table));
            link.waits.into_iter().for_each(|table| enter(&mut self.waiters, table));
        }
        woken.extend(self.downstream(name));
        woken
    }

    /// The jobs that wait for what a job writes, and those that wait for what they write, and so on.
    fn downstream(&self, job: &Name) -> BTreeSet<Name> {
        self.closure(job, |link| {
            link.writes.iter().filter_map(|table| self.waiters.get(table)).flatten().collect()
        })
    }

    /// The cycle of jobs that keeps a job from ever beginning.
    fn cycle(&self, job: &Name) -> Option<Vec<(String, String)>> {
        if self.links.get(job)?.waits.is_empty() {
            return None;
        }
        let upstream = self.closure(job, |link| {
            link.waits.iter().filter_map(|table| self.writers.get(table)).flatten().collect()
        });
        let links = upstream.into_iter().chain([job.clone()]);
        let links = links.filter_map(|name| Some((name.clone(), self.links.get(&name)?.clone()))).collect();
        let name = |name: Name| (name.namespace.to_string(), name.name.to_string());
        Some(cycle::cycle(job, &links)?.into_iter().map(name).collect())
    }

    fn closure<'a>(&'a self, job: &Name, next: impl Fn(&'a Link) -> Vec<&'a Name>) -> BTreeSet<Name> {
        let mut found: BTreeSet<Name> = BTreeSet::new();
        let mut left = vec![job];
        while let Some(job) = left.pop() {
            for next in self.links.get(job).map(&next).unwrap_or_default() {
                if found.insert(next.clone()) {
                    left.push(next);
                }
            }
        }
        found
    }
}

fn leave<K: Hash + Eq>(all: &mut HashMap<K, BTreeSet<Name>>, key: &K, name: &Name) {
    if let Some(names) = all.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            all.remove(key);
        }
    }
}

impl IngestJobs {
    pub(crate) fn new(
        installation: Arc<Installation>,
        tables: Arc<Store<DataTable>>,
        queue: Arc<Queue>,
        run_steps: Arc<RunSteps>,
        connections: Arc<SourceConnections>,
        backfills: Arc<BackfillsOfJobs>,
    ) -> Self {
        Self { installation, tables, queue, run_steps, connections, backfills, state: Mutex::default() }
    }

    /// The watch has brought a run, or says that it is gone; wakes its job, and its backfill, if they would see a difference.
    pub(crate) fn run_brought(&self, name: &Name, run: Option<&IngestRun>) {
        self.connections.run_brought(name, run);
        let owned_by = run.and_then(OwnedBy::of);
        let job = owned_by.as_ref().map(|owner| beside(name, &owner.job));
        let mut state = self.state();
        let (mut woken, mut backfills) = (BTreeSet::new(), BTreeSet::new());
        let before = match &job {
            Some(job) => state.job_of.insert(name.clone(), job.clone()),
            None => state.job_of.remove(name),
        };
        if let Some(before) = before.filter(|before| Some(before) != job.as_ref()) {
            if let Some(runs) = state.runs.get_mut(&before) {
                backfills.extend(runs.remove(name).and_then(|(_, run)| run.backfill));
                if runs.is_empty() {
                    state.runs.remove(&before);
                }
            }
            woken.insert(before);
        }
        if let (Some(job), Some(owner), Some(run)) = (job, owned_by, run) {
            let now = (owner.uid, SeenRun::of(run));
            let before = state.runs.entry(job.clone()).or_default().insert(name.clone(), now.clone());
            if before != Some(now) {
                woken.insert(job);
                backfills.extend(SeenRun::of(run).backfill);
            }
        }
        drop(state);
        self.wake_all(woken);
        for backfill in backfills {
            self.backfills.run_changed(&beside(name, &backfill));
        }
    }

    /// The watch has brought a table by its name in Glue, or says that it is gone.
    pub(crate) fn table_brought(&self, table: &Name, glue_name: Option<&String>) {
        let mut state = self.state();
        if state.glue_names.get(table) == glue_name {
            return;
        }
        match glue_name {
            Some(glue_name) => state.glue_names.insert(table.clone(), glue_name.clone()),
            None => state.glue_names.remove(table),
        };
        let mut woken = BTreeSet::new();
        for job in state.jobs_of_table.get(table).cloned().unwrap_or_default() {
            let link = state.links.get(&job).cloned();
            let link = link.map(|link| Link { writes: glue_name.cloned(), ..link });
            woken.extend(state.link(&job, link));
        }
        drop(state);
        self.wake_all(woken);
    }

    pub(crate) fn wake_all(&self, jobs: impl IntoIterator<Item = Name>) {
        for job in jobs {
            self.queue.push(&job, Lane::Progress);
        }
    }

    /// A table is in the store as it is now, or is gone from there.
    pub(crate) fn table_stored(&self, table: &Name) {
        let jobs = self.state().jobs_of_table.get(table).cloned().unwrap_or_default();
        for job in &jobs {
            self.backfills.wake_all_of(job);
        }
        self.wake_all(jobs);
    }

    /// Backfills are known by now: jobs may clear away the runs of theirs.
    pub(crate) fn wake_backfilled(&self) {
        let state = self.state();
        let has_any =
            |runs: &BTreeMap<Name, (String, SeenRun)>| runs.values().any(|(_, run)| run.backfill.is_some());
        let jobs: Vec<Name> =
            state.runs.iter().filter(|(_, runs)| has_any(runs)).map(|(job, _)| job.clone()).collect();
        drop(state);
        self.wake_all(jobs);
    }

    /// A job's runs as they are known; without an uid, of whatever job of that name.
    pub(crate) fn runs_of(&self, job: &JobKey, uid: Option<&str>) -> JobWorld {
        let state = self.state();
        let runs = state.runs.get(&name_of(job)).into_iter().flatten();
        let runs = runs.filter(|(_, (owner, _))| uid.is_none_or(|uid| owner == uid));
        JobWorld { runs: runs.map(|(name, (_, run))| (name.name.to_string(), run.clone())).collect() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Jobs> for IngestJobs {
    fn around<'a>(&'a self, job: &'a IngestJob) -> BoxFuture<'a, Result<JobAround, Error>> {
        let target = match self.tables.get(&table_of(job)) {
            Some(Held::Object(table)) => Target::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => Target::Refused(why),
            None => Target::Missing,
        };
        let cycle = self.state().cycle(&Name::of(job));
        let connection = self.connections.seen_by(job);
        let backfills = self.backfills.of(&Name::of(job));
        std::future::ready(Ok(JobAround { target, connection, cycle, backfills })).boxed()
    }

    fn brought(&self, name: &Name, job: Option<&IngestJob>) -> Vec<Name> {
        self.run_steps.job_brought(name, job);
        self.connections.job_brought(name, job);
        let table = job.map(table_of);
        let mut state = self.state();
        let before = match &table {
            Some(table) => state.table_of.insert(name.clone(), table.clone()),
            None => state.table_of.remove(name),
        };
        if let Some(before) = before.filter(|before| Some(before) != table.as_ref()) {
            leave(&mut state.jobs_of_table, &before, name);
        }
        let link = job.map(|job| Link::of(job, state.glue_names.get(&table_of(job)).cloned()));
        if let Some(table) = table {
            state.jobs_of_table.entry(table).or_default().insert(name.clone());
        }
        state.link(name, link).into_iter().collect()
    }

    fn listed(&self, namespace: Option<&Arc<str>>) {
        self.connections.jobs_listed(namespace);
    }

    fn wake(&self, jobs: Vec<Name>) {
        self.wake_all(jobs);
    }

    fn stored(&self, job: &Name) {
        self.backfills.wake_all_of(job);
    }
}

fn table_of(job: &IngestJob) -> Name {
    beside(&Name::of(job), &job.spec.run.table)
}

fn beside(name: &Name, other: &str) -> Name {
    Name { name: other.into(), ..name.clone() }
}

/// The runs in Kubernetes, as the driver of jobs sees and makes them.
#[derive(Clone)]
pub(crate) struct IngestJobPort {
    client: Client,
    jobs: Arc<IngestJobs>,
}

impl IngestJobPort {
    pub(crate) fn new(client: Client, jobs: Arc<IngestJobs>) -> Self {
        Self { client, jobs }
    }

    fn runs(&self, namespace: &str) -> Api<IngestRun> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// A job's runs as they are now; without an uid, of whatever job of that name.
    pub(crate) async fn list(&self, job: &JobKey, uid: Option<&str>) -> Result<JobWorld, Failure> {
        let of_job = ListParams::default().labels(&format!("{}={}", label::JOB, job.name));
        let runs = in_time(self.runs(&job.namespace).list(&of_job), Error::ReadObject).await;
        let runs = runs.map_err(|error| error.failure("kubernetes:ListRuns"))?;
        let is_its =
            |run: &&IngestRun| OwnedBy::of(run).is_some_and(|owner| uid.is_none_or(|uid| owner.uid == uid));
        let named = runs.items.iter().filter(is_its);
        let named = named.filter_map(|run| Some((run.metadata.name.clone()?, SeenRun::of(run))));
        Ok(JobWorld { runs: named.collect() })
    }

    /// Makes the run of a session. One of that name that is there and the same job's is that run: it was made before, and the
    /// answer was lost.
    pub(crate) async fn create(
        &self,
        namespace: &str,
        run: &IngestRun,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        still(errand).await?;
        let failed = |error: &Error| error.failure("kubernetes:CreateRun");
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let made = match in_time(self.runs(namespace).create(&params, run), Error::CreateRun).await {
            Ok(made) => made,
            Err(error) if error.is_already_there() => {
                let name = run.metadata.name.as_deref().unwrap_or_default();
                let there = in_time(self.runs(namespace).get_opt(name), Error::ReadObject).await;
                let there = there.map_err(|error| failed(&error))?;
                let Some(there) = there.filter(|there| OwnedBy::of(there) == OwnedBy::of(run)) else {
                    let message =
                        format!("an IngestRun '{name}' is there, and it is not this job's: delete that");
                    return Err(Failure { message, ..failed(&error) });
                };
                there
            }
            Err(error) => return Err(failed(&error)),
        };
        // The watch is a moment behind.
        self.jobs.run_brought(&Name::of(&made), Some(&made));
        Ok(())
    }

    /// Has a run given up.
    pub(crate) async fn cancel(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        still(errand).await?;
        let patch = Patch::Merge(json!({ "metadata": { "uid": uid }, "spec": { "cancel": true } }));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let runs = self.runs(namespace);
        let cancelled = in_time(runs.patch(name, &params, &patch), Error::ChangeRun).await;
        gone_or(cancelled).map_err(|error| error.failure("kubernetes:CancelRun"))
    }

    async fn delete(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        still(errand).await?;
        let preconditions = Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::default() };
        let runs = self.runs(namespace);
        let deleted = in_time(runs.delete(name, &params), Error::ChangeRun).await;
        gone_or(deleted).map_err(|error| error.failure("kubernetes:DeleteRun"))
    }
}

/// Whether a change of runs is still wanted.
async fn still(errand: Errand<'_>) -> Result<(), Failure> {
    if errand.still.holds().await {
        return Ok(());
    }
    let why = "who wanted it has changed meanwhile, and nothing was sent";
    Err(Failure::new("kubernetes:ChangeRun", Class::Conflict, why))
}

impl Port<Jobs> for IngestJobPort {
    async fn observe(&self, key: &JobKey, look: &JobLook, ask: Ask) -> Result<JobWorld, Failure> {
        if ask.definition == Reading::Known {
            return Ok(self.jobs.runs_of(key, Some(&look.uid)));
        }
        self.list(key, Some(&look.uid)).await
    }

    async fn execute(&self, key: &JobKey, step: &JobStep, errand: Errand<'_>) -> Result<(), Failure> {
        match step {
            JobStep::CreateRun { run, .. } => self.create(&key.namespace, run, errand).await,
            // What is left out is written down already.
            JobStep::LeaveOut { .. } => Ok(()),
            JobStep::CancelRun { name, uid, .. } => self.cancel(&key.namespace, name, uid, errand).await,
            JobStep::DeleteRun { name, uid, .. } => self.delete(&key.namespace, name, uid, errand).await,
        }
    }

    fn expect(&self, _keys: Vec<JobKey>) {}

    fn forget(&self, _key: &JobKey) {}
}

fn name_of(job: &JobKey) -> Name {
    Name { namespace: job.namespace.as_str().into(), name: job.name.as_str().into() }
}
