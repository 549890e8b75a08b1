//! Runs on behalf of a person: looks at what there is, makes a run of a job, one once more, one that takes another back or a backfill,
//! and follows it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{Backfill, DataTable, IngestJob, IngestRun, SourceConnection};
use mizuumi_core::backfill;
use mizuumi_core::backfill::by_hand::{Asked, Listed};
use mizuumi_core::ingest_job::OwnedBy;
use mizuumi_core::ingest_job::by_hand;
use mizuumi_core::ingest_run::rollback::{self, Rollback, Which};
use mizuumi_core::source_connection::{SeenConnection, filled};
use serde_json::Value;

use crate::clock;
use crate::error::{Error, asked};
use crate::lookup::{Access, connect};

/// A namespace of a cluster, as a person works in it.
pub struct Cluster {
    tables: Api<DataTable>,
    jobs: Api<IngestJob>,
    runs: Api<IngestRun>,
    connections: Api<SourceConnection>,
    backfills: Api<Backfill>,
    /// The namespace.
    pub namespace: String,
}

/// How a run ended that was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It succeeded; what it says.
    Succeeded(String),
    /// It failed; what it says.
    Failed(String),
    /// Somebody deleted it.
    Gone,
    /// It is not over yet; what it says.
    NotYet(String),
}

impl Cluster {
    /// The cluster that is meant.
    ///
    /// # Errors
    /// If there is no such context, or no cluster to talk to.
    pub async fn connect(access: Access<'_>) -> Result<Self, Error> {
        let (client, namespace) = connect(access).await?;
        Ok(Self {
            tables: Api::namespaced(client.clone(), &namespace),
            jobs: Api::namespaced(client.clone(), &namespace),
            runs: Api::namespaced(client.clone(), &namespace),
            connections: Api::namespaced(client.clone(), &namespace),
            backfills: Api::namespaced(client, &namespace),
            namespace,
        })
    }

    /// What there is to take back; in words if there is nothing.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn choose(&self, table: &str, which: &Which) -> Result<Result<Rollback, String>, Error> {
        let Some(found) = asked(self.tables.get_opt(table), Error::ReadObject).await? else {
            return Ok(Err(format!("there is no DataTable '{table}' in namespace '{}'", self.namespace)));
        };
        Ok(rollback::choose(&found, &self.runs_of(table).await?, which))
    }

    /// The run of a job for a session, or for its latest one; in words if there can be none.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn run_of_job(
        &self,
        job: &str,
        at: Option<Timestamp>,
        set: BTreeMap<String, String>,
    ) -> Result<Result<IngestRun, String>, Error> {
        let Some(found) = asked(self.jobs.get_opt(job), Error::ReadObject).await? else {
            return Ok(Err(format!("there is no IngestJob '{job}' in namespace '{}'", self.namespace)));
        };
        let filled = match filled(&found, &self.connection_of(&found).await?) {
            Ok(filled) => filled,
            Err((_, why)) => return Ok(Err(why)),
        };
        let runs = self.runs_of(&found.spec.run.table).await?;
        Ok(by_hand::run(&filled, &runs, at, set, clock::now()))
    }

    /// A run once more, as its next revision; in words if there can be none.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn rerun(&self, run: &str) -> Result<Result<IngestRun, String>, Error> {
        let Some(found) = asked(self.runs.get_opt(run), Error::ReadObject).await? else {
            return Ok(Err(format!("there is no IngestRun '{run}' in namespace '{}'", self.namespace)));
        };
        Ok(by_hand::rerun(&found, &self.runs_of(&found.spec.table).await?))
    }

    /// The connection that a job names, if it names one.
    async fn connection_of(&self, job: &IngestJob) -> Result<SeenConnection, Error> {
        let Some(source) = &job.spec.run.source else { return Ok(SeenConnection::Unknown) };
        let found = asked(self.connections.get_opt(&source.connection), Error::ReadObject).await?;
        Ok(found.as_ref().map_or(SeenConnection::Missing, SeenConnection::unchecked))
    }

    /// The backfill of a job that is asked for, with its sessions; in words if there can be none.
    ///
    /// # Errors
    /// If the cluster cannot be asked.
    pub async fn backfill_of_job(
        &self,
        job: &str,
        asked_for: &Asked,
    ) -> Result<Result<(Backfill, Vec<Listed>), String>, Error> {
        let Some(found) = asked(self.jobs.get_opt(job), Error::ReadObject).await? else {
            return Ok(Err(format!("there is no IngestJob '{job}' in namespace '{}'", self.namespace)));
        };
        let of_job = ListParams::default().fields(&format!("spec.job={job}"));
        let there = asked(self.backfills.list(&of_job), Error::ReadObject).await?;
        let taken = there.items.into_iter().filter_map(|backfill| backfill.metadata.name).collect();
        let made = match backfill::by_hand::backfill(&found, &taken, asked_for) {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        let runs = self.runs_of(&found.spec.run.table).await?;
        let runs: Vec<IngestRun> =
            runs.into_iter().filter(|run| OwnedBy::of(run).is_some_and(|owner| owner.job == job)).collect();
        let listed = backfill::by_hand::list(&made, &found, &runs, clock::now());
        Ok(listed.map(|listed| (made, listed)))
    }

    /// Makes a backfill, or only has it checked.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn create_backfill(&self, backfill: &Backfill, dry_run: bool) -> Result<(), Error> {
        let params = PostParams { dry_run, field_manager: Some("mizuumi-cli".to_owned()) };
        asked(self.backfills.create(&params, backfill), Error::Change).await.map(drop)
    }

    async fn runs_of(&self, table: &str) -> Result<Vec<IngestRun>, Error> {
        let of_table = ListParams::default().fields(&format!("spec.table={table}"));
        Ok(asked(self.runs.list(&of_table), Error::ReadObject).await?.items)
    }

    /// Makes a run, or only has it checked.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub async fn create(&self, manifest: &Value, dry_run: bool) -> Result<(), Error> {
        let run: IngestRun = serde_json::from_value(manifest.clone())
            .map_err(|error| Error::CreateRun(Box::new(kube::Error::SerdeError(error))))?;
        let params = PostParams { dry_run, field_manager: Some("mizuumi-cli".to_owned()) };
        asked(self.runs.create(&params, &run), Error::CreateRun).await.map(drop)
    }

    /// Follows a run until it is over, or for so long; each time that it says something new, that is told.
    pub async fn follow(&self, name: &str, most: Option<Duration>, mut tell: impl FnMut(&str)) -> End {
        let mut said = String::new();
        let following = async {
            let mut seen = pin!(watcher::watch_object(self.runs.clone(), name).default_backoff());
            while let Some(run) = seen.next().await {
                // A watch that breaks off is taken up again.
                let Ok(run) = run else { continue };
                let Some(run) = run else { return End::Gone };
                let (phase, message) = state_of(&run);
                match phase {
                    Some(RunPhase::Succeeded) => return End::Succeeded(message),
                    Some(RunPhase::Failed) => return End::Failed(message),
                    phase => {
                        let phase = phase.map_or_else(|| "Pending".to_owned(), |phase| format!("{phase:?}"));
                        let line = format!("{phase}: {message}");
                        // A status may have nothing to say for a moment.
                        if !message.is_empty() && line != said {
                            tell(&line);
                            said = line;
                        }
                    }
                }
            }
            End::Gone
        };
        let Some(most) = most else { return following.await };
        let end = tokio::time::timeout(most, following).await;
        end.unwrap_or(End::NotYet(said))
    }
}

/// How far a run is, and what it says of it: why it does not go on, if it does not.
fn state_of(run: &IngestRun) -> (Option<RunPhase>, String) {
    let Some(status) = &run.status else {
        return (None, "nobody has looked at it yet; is the controller running?".to_owned());
    };
    let of = |type_| condition::find(&status.conditions, type_);
    let told = of(ConditionType::Stalled).or_else(|| of(ConditionType::Succeeded));
    (status.phase, told.map(|told| told.message.clone()).unwrap_or_default())
}
