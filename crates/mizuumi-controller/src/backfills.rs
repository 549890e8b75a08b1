//! Backfills and their jobs: what each has counted, who wakes whom, and what is done about a backfill.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use mizuumi_api::{Backfill, IngestJob, Installation};
use mizuumi_aws::catalog::Catalog;
use mizuumi_core::backfill::{
    BackfillKey, BackfillLook, BackfillStep, BackfillWorld, Backfills, Counting, PastLook, SeenJob,
};
use mizuumi_core::ingest_job::{JobKey, JobWorld, Jobs};
use mizuumi_core::{Ask, Errand, Failure, Lane, Port, Reading};

use crate::error::Error;
use crate::ingest_jobs::{IngestJobPort, IngestJobs};
use crate::listed::Listed;
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::store::{Held, Store};

/// The backfills of each job, and what they have counted.
pub(crate) struct BackfillsOfJobs {
    queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_job: HashMap<Name, BTreeMap<Name, Counting>>,
    job_of: HashMap<Name, Name>,
    /// Namespaces of which the backfills have been listed.
    listed: Listed,
}

impl BackfillsOfJobs {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, state: Mutex::default() }
    }

    /// What the backfills of a job have counted, by their names; none as long as they have not been listed.
    pub(crate) fn of(&self, job: &Name) -> Option<BTreeMap<String, Counting>> {
        let state = self.state();
        if !state.listed.has(&job.namespace) {
            return None;
        }
        let backfills = state.by_job.get(job).into_iter().flatten();
        Some(backfills.map(|(name, counting)| (name.name.to_string(), counting.clone())).collect())
    }

    /// A job, its table or what it waits for is another one by now: its backfills look at it again.
    pub(crate) fn wake_all_of(&self, job: &Name) {
        let backfills: Vec<Name> =
            self.state().by_job.get(job).into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for backfill in backfills {
            self.queue.push(&backfill, Lane::Progress);
        }
    }

    /// A run of a backfill has changed, or is gone.
    pub(crate) fn run_changed(&self, backfill: &Name) {
        if self.state().job_of.contains_key(backfill) {
            self.queue.push(backfill, Lane::Progress);
        }
    }

    /// Keeps what a backfill has counted; answers the jobs that would clear away other runs now.
    fn keep(&self, name: &Name, backfill: Option<&Backfill>) -> Vec<Name> {
        let job = backfill.map(job_of);
        let mut state = self.state();
        let before = match &job {
            Some(job) => state.job_of.insert(name.clone(), job.clone()),
            None => state.job_of.remove(name),
        };
        let mut woken = Vec::new();
        if let Some(before) = before.filter(|before| Some(before) != job.as_ref()) {
            if let Some(backfills) = state.by_job.get_mut(&before) {
                backfills.remove(name);
                if backfills.is_empty() {
                    state.by_job.remove(&before);
                }
            }
            woken.push(before);
        }
        if let (Some(job), Some(backfill)) = (job, backfill) {
            let now = Counting::of(backfill);
            let before = state.by_job.entry(job.clone()).or_default().insert(name.clone(), now.clone());
            if before != Some(now) {
                woken.push(job);
            }
        }
        woken
    }

    fn listed(&self, namespace: Option<&Arc<str>>) {
        self.state().listed.add(namespace);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn job_of(backfill: &Backfill) -> Name {
    Name { name: backfill.spec.job.as_str().into(), ..Name::of(backfill) }
}

/// What backfills have to do with jobs.
pub(crate) struct BackfillRelations {
    pub(crate) installation: Arc<Installation>,
    pub(crate) of_jobs: Arc<BackfillsOfJobs>,
    pub(crate) jobs: Arc<IngestJobs>,
    pub(crate) stored: Arc<Store<IngestJob>>,
}

impl Relations<Backfills> for BackfillRelations {
    fn around<'a>(&'a self, backfill: &'a Backfill) -> BoxFuture<'a, Result<SeenJob, Error>> {
        async move {
            Ok(match self.stored.get(&job_of(backfill)) {
                Some(Held::Object(job)) => {
                    let around = Relations::<Jobs>::around(&*self.jobs, &job).await?;
                    SeenJob::of(&job, &self.installation, around)
                }
                Some(Held::Unreadable(_, why)) => SeenJob::Refused(why),
                None => SeenJob::Missing,
            })
        }
        .boxed()
    }

    fn brought(&self, name: &Name, backfill: Option<&Backfill>) -> Vec<Name> {
        self.of_jobs.keep(name, backfill)
    }

    fn listed(&self, namespace: Option<&Arc<str>>) {
        self.of_jobs.listed(namespace);
        self.jobs.wake_backfilled();
    }

    fn wake(&self, jobs: Vec<Name>) {
        self.jobs.wake_all(jobs);
    }
}

/// The runs in Kubernetes and what has been published, as the driver of backfills sees them.
pub(crate) struct BackfillPort {
    runs: IngestJobPort,
    jobs: Arc<IngestJobs>,
    catalog: Arc<Catalog>,
    /// What the last look at what was published saw.
    published: Mutex<HashMap<BackfillKey, Published>>,
}

type Published = (PastLook, BTreeMap<jiff::Timestamp, i32>);

impl BackfillPort {
    pub(crate) fn new(runs: IngestJobPort, jobs: Arc<IngestJobs>, catalog: Arc<Catalog>) -> Self {
        Self { runs, jobs, catalog, published: Mutex::default() }
    }

    /// The runs of the job: as the watch has brought them, if that will do and none is missing.
    async fn runs(
        &self,
        key: &BackfillKey,
        look: &BackfillLook,
        reading: Reading,
    ) -> Result<JobWorld, Failure> {
        let job = JobKey { namespace: key.namespace.clone(), name: look.job.clone() };
        let uid = look.uid.as_deref();
        if reading == Reading::Known {
            let known = self.jobs.runs_of(&job, uid);
            if look.active.iter().all(|run| known.runs.contains_key(run)) {
                return Ok(known);
            }
        }
        self.runs.list(&job, uid).await
    }

    async fn published(&self, key: &BackfillKey, look: &PastLook, ask: Ask) -> Result<Published, Failure> {
        if ask.definition == Reading::Known
            && let Some(known) = self.known().get(key).filter(|(known, _)| known == look)
        {
            return Ok(known.clone());
        }
        let published = self.catalog.published_runs(look, ask.lane).await?;
        let seen = (look.clone(), published);
        self.known().insert(key.clone(), seen.clone());
        Ok(seen)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<BackfillKey, Published>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port<Backfills> for BackfillPort {
    async fn observe(
        &self,
        key: &BackfillKey,
        look: &BackfillLook,
        ask: Ask,
    ) -> Result<BackfillWorld, Failure> {
        let published = match &look.past {
            Some(past) => self.published(key, past, ask).await?.1,
            None => BTreeMap::new(),
        };
        Ok(BackfillWorld { runs: self.runs(key, look, ask.definition).await?, published })
    }

    async fn execute(
        &self,
        key: &BackfillKey,
        step: &BackfillStep,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        match step {
            // What is left out is written down already.
            BackfillStep::LeaveOut { .. } => Ok(()),
            BackfillStep::CreateRun { run, .. } => self.runs.create(&key.namespace, run, errand).await,
            BackfillStep::CancelRun { name, uid } => {
                self.runs.cancel(&key.namespace, name, uid, errand).await
            }
        }
    }

    fn expect(&self, _keys: Vec<BackfillKey>) {}

    fn forget(&self, key: &BackfillKey) {
        self.known().remove(key);
    }
}
