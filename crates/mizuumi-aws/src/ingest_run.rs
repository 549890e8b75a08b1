//! A run observed: what lies in its directory, what points to an earlier run, and its manifest.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mizuumi_core::data_table::publishing;
use mizuumi_core::ingest_run::ecs::{SeenTask, TaskLook, TaskRequest, TaskState};
use mizuumi_core::ingest_run::shadow::SeenShadows;
use mizuumi_core::ingest_run::trace::{Trace, Traces};
use mizuumi_core::ingest_run::world::PointerLook;
use mizuumi_core::ingest_run::{RunKey, RunLook, RunStep, RunWorld, Runs};
use mizuumi_core::publication::Pointer;
use mizuumi_core::{Ask, DataReading, Errand, Failure, Lane, Port};

use crate::artifacts::Artifacts;
use crate::catalog::Catalog;
use crate::clients::ProfileClients;
use crate::ecs::Answered;
use crate::queries::Queries;
use crate::{ecs, glue, manifests, s3, shadows};

/// Looks at tasks are behind by less than this.
const BEHIND: Duration = Duration::from_mins(5);

/// S3, Glue and ECS as the run driver sees them.
#[derive(Debug)]
pub struct RunPort {
    catalog: Arc<Catalog>,
    artifacts: Artifacts,
    seen: Mutex<HashMap<RunKey, Seen>>,
    /// What ECS answered of the task of each run's last attempt: a look may not show it yet.
    asked: Mutex<HashMap<RunKey, AskedTask>>,
    /// Queries of gates.
    queries: Queries<RunKey>,
}

/// What ECS answered of an attempt's task.
#[derive(Clone, Debug)]
struct AskedTask {
    started_by: String,
    answer: Answered,
    /// When.
    at: Instant,
    /// Whether it was told to stop it.
    is_stopped: bool,
}

/// What the last look at a run saw.
#[derive(Clone, Debug)]
struct Seen {
    look: RunLook,
    world: RunWorld,
    /// Whether a manifest or a result was written since, or may have been.
    is_outdated: bool,
    /// Whether its audit table is another one by now, or may be.
    tables_outdated: bool,
}

impl RunPort {
    /// A port that shares the catalog's clients.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            artifacts: Artifacts::default(),
            seen: Mutex::default(),
            asked: Mutex::default(),
            queries: Queries::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<RunKey, Seen>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunPort {
    /// Leaves behind what is to be known of an attempt even if its status is lost.
    ///
    /// # Errors
    /// If it could not be written.
    pub async fn leave(&self, trace: &Trace, errand: Errand<'_>) -> Result<(), Failure> {
        let clients = self.catalog.clients(&trace.profile)?;
        s3::objects::put(clients, errand, &trace.location, trace.bytes()).await
    }

    fn asked(&self) -> MutexGuard<'_, HashMap<RunKey, AskedTask>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task of an attempt, with what ECS itself has answered of it and a look does not show yet.
    async fn task(&self, key: &RunKey, look: &TaskLook, lane: Lane) -> Result<SeenTask, Failure> {
        let seen = ecs::seen(self.catalog.clients(&look.profile)?, lane, look).await?;
        let asked = self.asked();
        let Some(asked) = asked.get(key).filter(|asked| asked.started_by == look.started_by) else {
            return Ok(seen);
        };
        Ok(match (seen, &asked.answer) {
            (SeenTask::Missing, Answered::Refused(why)) => SeenTask::Refused(why.clone()),
            (SeenTask::Missing, Answered::Made(task)) if asked.at.elapsed() < BEHIND => {
                SeenTask::Task(TaskState { is_stopping: asked.is_stopped, ..task.clone() })
            }
            (SeenTask::Task(task), _) => {
                SeenTask::Task(TaskState { is_stopping: task.is_stopping || asked.is_stopped, ..task })
            }
            (seen, _) => seen,
        })
    }

    async fn run_task(&self, key: &RunKey, task: &TaskRequest, errand: Errand<'_>) -> Result<(), Failure> {
        let answer = ecs::run(self.catalog.clients(&task.profile)?, errand, task).await?;
        let asked =
            AskedTask { started_by: task.started_by.clone(), answer, at: Instant::now(), is_stopped: false };
        self.asked().insert(key.clone(), asked);
        Ok(())
    }

    async fn stop_task(
        &self,
        key: &RunKey,
        look: &TaskLook,
        why: &str,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        ecs::stop(self.catalog.clients(&look.profile)?, errand, look, why).await?;
        if let Some(asked) = self.asked().get_mut(key) {
            asked.is_stopped |= asked.started_by == look.started_by;
        }
        Ok(())
    }

    async fn traces(&self, look: &RunLook, lane: Lane) -> Result<Option<Traces>, Failure> {
        let Some(location) = &look.traces else { return Ok(None) };
        let names = s3::objects::names(self.catalog.clients(&look.profile)?, lane, location).await?;
        Ok(Some(Traces::of(names.iter().map(String::as_str))))
    }

    async fn shadows(&self, look: &RunLook, lane: Lane) -> Result<Option<SeenShadows>, Failure> {
        let Some(shadows) = &look.shadows else { return Ok(None) };
        shadows::look(self.catalog.clients(&look.profile)?, lane, shadows).await.map(Some)
    }

    /// Its tables are another's by now, or may be.
    fn tables_changed(&self, key: &RunKey) {
        if let Some(seen) = self.seen().get_mut(key) {
            seen.tables_outdated = true;
        }
    }

    /// The manifest of an earlier run of the same name. Where no attempt has left anything behind, there was none.
    async fn earlier(
        &self,
        look: &RunLook,
        traces: Option<&Traces>,
        lane: Lane,
    ) -> Result<Option<manifests::Found>, Failure> {
        let was_begun = traces.is_some_and(|traces| traces.last() > 0);
        let Some(manifest) = look.earlier.as_ref().filter(|_| was_begun) else { return Ok(None) };
        manifests::read(self.catalog.clients(&look.profile)?, lane, manifest).await
    }

    async fn manifest(&self, look: &RunLook, lane: Lane) -> Result<Option<manifests::Found>, Failure> {
        let Some(manifest) = &look.manifest else { return Ok(None) };
        manifests::read(self.catalog.clients(&look.profile)?, lane, manifest).await
    }

    async fn look(&self, look: &RunLook, ask: Ask) -> Result<RunWorld, Failure> {
        let clients = self.catalog.clients(&look.profile)?;
        Ok(RunWorld {
            // First: what is written to the directory afterwards must not be taken for what the manifest says.
            manifest: self.manifest(look, ask.lane).await?,
            output: match &look.output {
                Some(output) => Some(s3::output(clients, ask.lane, output).await?),
                None => None,
            },
            pointers: match &look.pointers {
                Some(pointers) => Some(pointing(clients, ask.lane, pointers).await?),
                None => None,
            },
            traces: self.traces(look, ask.lane).await?,
            shadows: self.shadows(look, ask.lane).await?,
            looked: Some(ask.now),
            ..RunWorld::default()
        })
    }
}

impl Port<Runs> for RunPort {
    async fn observe(&self, key: &RunKey, look: &RunLook, ask: Ask) -> Result<RunWorld, Failure> {
        // Who looks and fails knows nothing: what was seen before must not stand for what should have been seen now.
        let known = self.seen().remove(key).filter(|seen| seen.look.is_like(look));
        if let Some(task) = &look.task {
            let task = Some(self.task(key, task, ask.lane).await?);
            let shadows = self.shadows(look, ask.lane).await?;
            let queries = self.queries.look(key, &self.catalog, &look.queries, ask.lane).await?;
            return Ok(RunWorld { task, shadows, queries, ..RunWorld::default() });
        }
        if look.manifest.is_none() {
            let traces = self.traces(look, ask.lane).await?;
            let shadows = self.shadows(look, ask.lane).await?;
            let manifest = self.earlier(look, traces.as_ref(), ask.lane).await?;
            if look.artifacts.is_empty() {
                let queries = self.queries.look(key, &self.catalog, &look.queries, ask.lane).await?;
                return Ok(RunWorld { manifest, traces, shadows, queries, ..RunWorld::default() });
            }
            let clients = self.catalog.clients(&look.profile)?;
            let artifacts = self.artifacts.digests(clients, ask.lane, &look.artifacts).await?;
            return Ok(RunWorld { artifacts, manifest, traces, shadows, ..RunWorld::default() });
        }
        let world = match (known, ask.data) {
            (None, DataReading::Known) => return Ok(RunWorld::default()),
            (Some(seen), DataReading::Known) => {
                let mut world = seen.world;
                if seen.is_outdated {
                    world.manifest = self.manifest(look, ask.lane).await?;
                    world.traces = self.traces(look, ask.lane).await?;
                }
                if seen.tables_outdated {
                    world.shadows = self.shadows(look, ask.lane).await?;
                }
                world
            }
            (_, DataReading::Newest | DataReading::Whole) => self.look(look, ask).await?,
        };
        // What is not there yet may be made by others.
        let tables_outdated = world.shadows.as_ref().is_some_and(|seen| seen.target.is_none());
        let seen = Seen { look: look.clone(), world: world.clone(), is_outdated: false, tables_outdated };
        self.seen().insert(key.clone(), seen);
        Ok(RunWorld {
            queries: self.queries.look(key, &self.catalog, &look.queries, ask.lane).await?,
            ..world
        })
    }

    async fn execute(&self, key: &RunKey, step: &RunStep, errand: Errand<'_>) -> Result<(), Failure> {
        match step {
            RunStep::WriteManifest { profile, location, manifest } => {
                let clients = self.catalog.clients(profile)?;
                let outcome = manifests::write(clients, errand, location, manifest).await;
                if let Some(seen) = self.seen().get_mut(key) {
                    seen.is_outdated = true;
                }
                outcome
            }
            RunStep::WriteResult { trace } => {
                let outcome = self.leave(trace, errand).await;
                if let Some(seen) = self.seen().get_mut(key) {
                    seen.is_outdated = true;
                }
                outcome
            }
            RunStep::CreateShadow { shadow, definition, .. } => {
                let clients = self.catalog.clients(&shadow.profile)?;
                glue::create_table(clients, errand, &shadow.database, &shadow.table, definition).await
            }
            RunStep::CreateAudit { table, definition, .. } => {
                self.tables_changed(key);
                let clients = self.catalog.clients(&table.profile)?;
                glue::create_table(clients, errand, &table.database, &table.table, definition).await
            }
            RunStep::FillAudit { table, definition, partitions } => {
                self.tables_changed(key);
                let clients = self.catalog.clients(&table.profile)?;
                let (database, table) = (&table.database, &table.table);
                glue::create_partitions(clients, errand, database, table, definition, partitions).await
            }
            RunStep::DeleteShadow { profile, database, table, owner } => {
                self.tables_changed(key);
                let clients = self.catalog.clients(profile)?;
                glue::delete_table(clients, errand, database, table, owner).await
            }
            RunStep::StartQuery { query, .. } => {
                self.queries.start(key, self.catalog.clients(&query.profile)?, query, errand).await
            }
            RunStep::StopQuery(query) => {
                self.queries.stop(key, self.catalog.clients(&query.profile)?, query, errand).await
            }
            RunStep::RunTask { task, trace, .. } => {
                self.leave(trace, errand).await?;
                self.run_task(key, task, errand).await
            }
            RunStep::StopTask { look, why } => self.stop_task(key, look, why, errand).await,
            // Asking a cluster is writing it down; Jobs, runs and their clusters are not AWS's.
            RunStep::AskCluster { .. }
            | RunStep::CreateCluster { .. }
            | RunStep::CreateJob { .. }
            | RunStep::DeleteJob { .. }
            | RunStep::DeleteRun { .. } => Ok(()),
        }
    }

    fn expect(&self, _keys: Vec<RunKey>) {}

    fn forget(&self, key: &RunKey) {
        self.seen().remove(key);
        self.asked().remove(key);
        self.queries.forget(key);
    }
}

/// What points to a run, by what it says itself.
async fn pointing(
    clients: &ProfileClients,
    lane: Lane,
    look: &PointerLook,
) -> Result<BTreeMap<Vec<String>, Pointer>, Failure> {
    let (database, table) = (look.table.database.as_str(), look.table.table.as_str());
    let all: Vec<(Vec<String>, Option<Pointer>)> = if look.has_partitions {
        let partitions = glue::get_partitions(clients, lane, database, table).await?;
        partitions
            .into_iter()
            .map(|(values, partition)| (values, partition.pointer.map(|pointer| *pointer)))
            .collect()
    } else {
        let table = glue::get_table(clients, lane, database, table).await?;
        table.iter().map(|table| (Vec::new(), publishing::place_of(&table.definition).pointer)).collect()
    };
    let pointing = all.into_iter().filter_map(|(values, pointer)| Some((values, pointer?)));
    Ok(pointing.filter(|(_, pointer)| pointer.run.run == look.run).collect())
}
