//! What a team does with jobs: it makes them, ends their runs, and waits for what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::{IngestJob, label};
use serde_json::{Value, json};

use crate::team::Team;
use crate::wait::now;

/// A schedule of every hour whose last session was half an hour ago, so that none comes while a test runs.
#[derive(Clone, Debug)]
pub struct Hourly {
    /// The cron expression, in UTC.
    pub cron: String,
    last: Timestamp,
}

impl Hourly {
    /// The schedule.
    #[must_use]
    pub fn new() -> Self {
        let second = now().as_second() / 60 * 60 - 30 * 60;
        let last = Timestamp::from_second(second).expect("a time");
        Self { cron: format!("{} * * * *", second / 60 % 60), last }
    }

    /// The last sessions that have come, the earliest first.
    #[must_use]
    pub fn sessions(&self, number: i64) -> Vec<Timestamp> {
        (0..number).rev().map(|hours| self.earlier(SignedDuration::from_hours(hours))).collect()
    }

    /// When so many sessions had not come yet.
    #[must_use]
    pub fn before(&self, number: i64) -> Timestamp {
        self.earlier(SignedDuration::from_mins(60 * number - 30))
    }

    fn earlier(&self, by: SignedDuration) -> Timestamp {
        self.last.checked_sub(by).expect("a time")
    }
}

impl Default for Hourly {
    fn default() -> Self {
        Self::new()
    }
}

/// The name of a session's run.
#[must_use]
pub fn run_name(job: &str, session: Timestamp) -> String {
    session.strftime(&format!("{job}-%Y%m%dt%H%Mz-r0")).to_string()
}

impl Team {
    /// The team's `IngestJob`s.
    #[must_use]
    pub fn jobs(&self) -> Api<IngestJob> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A job of work that somebody else does, for the table `orders`.
    #[must_use]
    pub fn job_manifest(&self, job: &str, spec: Value) -> Value {
        let mut manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "IngestJob",
            "metadata": { "name": job, "namespace": self.namespace },
            "spec": { "run": { "table": "orders", "engine": "External" } },
        });
        json_patch::merge(&mut manifest["spec"], &spec);
        manifest
    }

    /// Creates a job.
    pub async fn create_job(&self, job: &str, spec: Value) -> IngestJob {
        let object = serde_json::from_value(self.job_manifest(job, spec)).expect("a job");
        let made = self.jobs().create(&PostParams::default(), &object).await;
        made.unwrap_or_else(|error| panic!("{job} is refused: {error}"))
    }

    /// Creates a job of every hour, with the status that a controller has left which has been away for so many sessions.
    pub async fn create_missed(&self, job: &str, hourly: &Hourly, missed: i64, spec: Value) {
        let mut all = json!({ "schedule": { "cron": hourly.cron } });
        json_patch::merge(&mut all, &spec);
        self.create_job(job, all).await;
        let since = hourly.before(missed);
        let status = json!({ "status": {
            "observedGeneration": 1,
            "schedule": { "cron": hourly.cron, "since": since },
            "lastScheduledTime": since,
        }});
        let patched = self.jobs().patch_status(job, &PatchParams::default(), &Patch::Merge(status)).await;
        patched.unwrap_or_else(|error| panic!("the status of {job} is refused: {error}"));
    }

    /// Changes a job by a merge patch of its spec.
    pub async fn change_job(&self, job: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let patched = self.jobs().patch(job, &PatchParams::default(), &patch).await;
        patched.unwrap_or_else(|error| panic!("{job} cannot be changed: {error}"));
    }

    /// Deletes a job, and what is its.
    pub async fn delete_job(&self, job: &str) {
        let deleted = self.jobs().delete(job, &DeleteParams::background()).await;
        deleted.unwrap_or_else(|error| panic!("{job} cannot be deleted: {error}"));
    }

    /// Waits until a job is as expected.
    pub async fn job_until(&self, job: &str, what: &str, expected: impl Fn(&IngestJob) -> bool) -> IngestJob {
        self.eventually(job, &format!("{job}: {what}"), async || {
            let job = self.jobs().get(job).await?;
            ensure!(expected(&job), "the job below is not so");
            Ok(job)
        })
        .await
    }

    /// Waits until a job's `Ready` has this reason, for its present spec.
    pub async fn job_reason(&self, job: &str, reason: &str) -> IngestJob {
        self.job_until(job, reason, |job| {
            let conditions =
                job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            condition::find(conditions, ConditionType::Ready).is_some_and(|ready| {
                ready.reason == reason && Some(ready.observed_generation) == job.metadata.generation
            })
        })
        .await
    }

    /// The runs that bear a job's label, by their names.
    ///
    /// # Errors
    /// If the apiserver does not answer.
    pub async fn runs_of(&self, job: &str) -> Result<BTreeMap<String, IngestRun>> {
        let of_job = ListParams::default().labels(&format!("{}={job}", label::JOB));
        let runs = self.runs().list(&of_job).await?.items;
        Ok(runs.into_iter().map(|run| (run.name_any(), run)).collect())
    }

    /// Waits until a job has exactly these runs.
    pub async fn until_runs(&self, job: &str, expected: &[String]) -> BTreeMap<String, IngestRun> {
        self.eventually(job, &format!("the runs {expected:?}"), async || {
            let runs = self.runs_of(job).await?;
            ensure!(runs.keys().eq(expected), "there are {:?}", runs.keys());
            Ok(runs)
        })
        .await
    }

    /// Says that the work of a run has failed, and waits until that is told.
    pub async fn fail_run(&self, run: &str) {
        self.change_run(run, json!({ "external": { "outcome": "Failed", "message": "no source" } })).await;
        self.run_phase(run, RunPhase::Failed).await;
    }

    /// Has every run of a job fail until the job has dealt with that session and none is under way; answers the uids of the runs
    /// that were there, by name.
    pub async fn fail_all(&self, job: &str, last: Timestamp) -> BTreeMap<String, BTreeSet<String>> {
        let mut uids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        self.eventually(job, "the end of all runs", async || {
            let runs = self.runs_of(job).await?;
            for (name, run) in &runs {
                uids.entry(name.clone()).or_default().insert(run.uid().unwrap_or_default());
                let failed = json!({ "spec": { "external": { "outcome": "Failed" } } });
                if run.spec.external.is_none() {
                    // It may be gone by now.
                    self.runs().patch(name, &PatchParams::default(), &Patch::Merge(failed)).await.ok();
                }
            }
            let status = self.jobs().get(job).await?.status.unwrap_or_default();
            let over = |run: &IngestRun| {
                let phase = run.status.as_ref().and_then(|status| status.phase);
                phase.is_some_and(RunPhase::is_over)
            };
            ensure!(
                status.last_scheduled_time == Some(last)
                    && status.starting.is_none()
                    && status.active_runs == 0,
                "{status:?}"
            );
            ensure!(runs.values().all(over), "some are under way");
            Ok(())
        })
        .await;
        uids
    }

    /// A job as a person would look at it, if there is one of that name.
    pub(crate) async fn explain_job(&self, name: &str) -> Option<String> {
        let mut job = self.jobs().get_opt(name).await.ok()??;
        job.managed_fields_mut().clear();
        Some(format!("--- {name}\n{}", serde_saphyr::to_string(&job).unwrap_or_default()))
    }
}
