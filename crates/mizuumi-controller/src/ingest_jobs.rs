//! Jobs and their runs: which run is whose, who wakes whom, and what is done about a job.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use mizuumi_api::{DataTable, FIELD_MANAGER, IngestJob, IngestRun, Installation, label};
use mizuumi_core::ingest_job::{JobKey, JobLook, JobStep, JobWorld, Jobs, OwnedBy, SeenRun};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::{Ask, Class, Errand, Failure, Lane, Port, Reading};
use serde_json::json;

use crate::error::{Error, gone_or, in_time};
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::store::{Held, Store};

/// The jobs by their tables, and the runs by their jobs, as the watches have brought them.
pub(crate) struct IngestJobs {
    installation: Arc<Installation>,
    tables: Arc<Store<DataTable>>,
    queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The runs of each job, with the uid of the job that owns them.
    runs: HashMap<Name, BTreeMap<Name, (String, SeenRun)>>,
    job_of: HashMap<Name, Name>,
    jobs_of_table: HashMap<Name, BTreeSet<Name>>,
    table_of: HashMap<Name, Name>,
}

impl IngestJobs {
    pub(crate) fn new(
        installation: Arc<Installation>,
        tables: Arc<Store<DataTable>>,
        queue: Arc<Queue>,
    ) -> Self {
        Self { installation, tables, queue, state: Mutex::default() }
    }

    /// The watch has brought a run, or says that it is gone; wakes its job if that would see a difference.
    pub(crate) fn run_brought(&self, name: &Name, run: Option<&IngestRun>) {
        let owned_by = run.and_then(OwnedBy::of);
        let job = owned_by.as_ref().map(|owner| beside(name, &owner.job));
        let mut state = self.state();
        let mut woken = BTreeSet::new();
        let before = match &job {
            Some(job) => state.job_of.insert(name.clone(), job.clone()),
            None => state.job_of.remove(name),
        };
        if let Some(before) = before.filter(|before| Some(before) != job.as_ref()) {
            if let Some(runs) = state.runs.get_mut(&before) {
                runs.remove(name);
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
            }
        }
        drop(state);
        for job in woken {
            self.queue.push(&job, Lane::Progress);
        }
    }

    /// A table is in the store as it is now, or is gone from there.
    pub(crate) fn table_stored(&self, table: &Name) {
        let jobs = self.state().jobs_of_table.get(table).cloned().unwrap_or_default();
        for job in jobs {
            self.queue.push(&job, Lane::Progress);
        }
    }

    /// A job's runs as they are known.
    fn runs_of(&self, job: &Name, uid: &str) -> JobWorld {
        let state = self.state();
        let runs = state.runs.get(job).into_iter().flatten().filter(|(_, (owner, _))| owner == uid);
        JobWorld { runs: runs.map(|(name, (_, run))| (name.name.to_string(), run.clone())).collect() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Jobs> for IngestJobs {
    fn around<'a>(&'a self, job: &'a IngestJob) -> BoxFuture<'a, Result<Target, Error>> {
        let target = match self.tables.get(&table_of(job)) {
            Some(Held::Object(table)) => Target::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => Target::Refused(why),
            None => Target::Missing,
        };
        std::future::ready(Ok(target)).boxed()
    }

    fn brought(&self, name: &Name, job: Option<&IngestJob>) -> Vec<Name> {
        let table = job.map(table_of);
        let mut state = self.state();
        let before = match &table {
            Some(table) => state.table_of.insert(name.clone(), table.clone()),
            None => state.table_of.remove(name),
        };
        if let Some(before) = before.filter(|before| Some(before) != table.as_ref())
            && let Some(jobs) = state.jobs_of_table.get_mut(&before)
        {
            jobs.remove(name);
            if jobs.is_empty() {
                state.jobs_of_table.remove(&before);
            }
        }
        if let Some(table) = table {
            state.jobs_of_table.entry(table).or_default().insert(name.clone());
        }
        Vec::new()
    }

    fn listed(&self, _namespace: Option<&Arc<str>>) {}

    fn wake(&self, _names: Vec<Name>) {}
}

fn table_of(job: &IngestJob) -> Name {
    beside(&Name::of(job), &job.spec.run.table)
}

fn beside(name: &Name, other: &str) -> Name {
    Name { name: other.into(), ..name.clone() }
}

/// The runs in Kubernetes, as the driver of jobs sees and makes them.
pub(crate) struct IngestJobPort {
    client: Client,
    jobs: Arc<IngestJobs>,
}

impl IngestJobPort {
    pub(crate) fn new(client: Client, jobs: Arc<IngestJobs>) -> Self {
        Self { client, jobs }
    }

    fn runs(&self, job: &JobKey) -> Api<IngestRun> {
        Api::namespaced(self.client.clone(), &job.namespace)
    }

    /// Makes the run of a session. One of that name that is there and this job's is that run: it was made before, and the
    /// answer was lost.
    async fn create(&self, job: &JobKey, run: &IngestRun) -> Result<(), Failure> {
        let failed = |error: &Error| error.failure("kubernetes:CreateRun");
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let made = match in_time(self.runs(job).create(&params, run), Error::CreateRun).await {
            Ok(made) => made,
            Err(error) if error.is_already_there() => {
                let name = run.metadata.name.as_deref().unwrap_or_default();
                let there = in_time(self.runs(job).get_opt(name), Error::ReadObject).await;
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
}

impl Port<Jobs> for IngestJobPort {
    async fn observe(&self, key: &JobKey, look: &JobLook, ask: Ask) -> Result<JobWorld, Failure> {
        if ask.definition == Reading::Known {
            return Ok(self.jobs.runs_of(&name_of(key), &look.uid));
        }
        let of_job = ListParams::default().labels(&format!("{}={}", label::JOB, key.name));
        let runs = in_time(self.runs(key).list(&of_job), Error::ReadObject).await;
        let runs = runs.map_err(|error| error.failure("kubernetes:ListRuns"))?;
        let mine =
            runs.items.iter().filter(|run| OwnedBy::of(run).is_some_and(|owner| owner.uid == look.uid));
        let named = mine.filter_map(|run| Some((run.metadata.name.clone()?, SeenRun::of(run))));
        Ok(JobWorld { runs: named.collect() })
    }

    async fn execute(&self, key: &JobKey, step: &JobStep, errand: Errand<'_>) -> Result<(), Failure> {
        // What is left out is written down already.
        if matches!(step, JobStep::LeaveOut { .. }) {
            return Ok(());
        }
        if !errand.still.holds().await {
            return Err(Failure {
                operation: "kubernetes:ChangeRun",
                class: Class::Conflict,
                message: "the job has changed meanwhile, and nothing was sent".to_owned(),
            });
        }
        match step {
            JobStep::CreateRun { run, .. } => self.create(key, run).await,
            JobStep::LeaveOut { .. } => Ok(()),
            JobStep::CancelRun { name, uid, .. } => {
                let patch = json!({ "metadata": { "uid": uid }, "spec": { "cancel": true } });
                let (runs, patch) = (self.runs(key), Patch::Merge(patch));
                let params =
                    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
                let cancelled = in_time(runs.patch(name, &params, &patch), Error::ChangeRun).await;
                gone_or(cancelled).map_err(|error| error.failure("kubernetes:CancelRun"))
            }
            JobStep::DeleteRun { name, uid, .. } => {
                let preconditions = Some(Preconditions { uid: Some(uid.clone()), resource_version: None });
                let (runs, params) =
                    (self.runs(key), DeleteParams { preconditions, ..DeleteParams::default() });
                let deleted = in_time(runs.delete(name, &params), Error::ChangeRun).await;
                gone_or(deleted).map_err(|error| error.failure("kubernetes:DeleteRun"))
            }
        }
    }

    fn expect(&self, _keys: Vec<JobKey>) {}

    fn forget(&self, _key: &JobKey) {}
}

fn name_of(job: &JobKey) -> Name {
    Name { namespace: job.namespace.as_str().into(), name: job.name.as_str().into() }
}
