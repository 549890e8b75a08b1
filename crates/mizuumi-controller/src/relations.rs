//! What resources have to do with each other: which runs ask which table, which table names which ConfigMap, and who is woken
//! by what.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use mizuumi_api::data_table::{ConfigMapKey, PartitionMode};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::installation::DEFAULT_PROFILE;
use mizuumi_api::{DataTable, IngestRun, Installation};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::{Asked, RunsOfTable, TableAround, TableKey, Tables};
use mizuumi_core::ingest_run::{self, Covered, RunAround, Runs, Target};
use mizuumi_core::{Kind, Lane};
use tokio::sync::Notify;

use crate::config_maps::{ConfigMaps, Said, User};
use crate::error::Error;
use crate::ingest_jobs::IngestJobs;
use crate::listed::Listed;
use crate::name::Name;
use crate::quality_checks::QualityChecks;
use crate::queue::Queue;
use crate::run_steps::RunSteps;
use crate::store::{Held, Store};

/// What a kind's resources have to do with those of others.
pub(crate) trait Relations<K: Kind>: Send + Sync + 'static {
    /// What others have to do with a resource.
    fn around<'a>(&'a self, object: &'a K::Object) -> BoxFuture<'a, Result<K::Around, Error>>;

    /// The watch has brought a resource, or says that it is gone; answers whom to wake once it is in the store.
    fn brought(&self, name: &Name, object: Option<&K::Object>) -> Vec<Name>;

    /// The watch has listed a namespace, or all of them.
    fn listed(&self, namespace: Option<&Arc<str>>);

    /// Wakes others.
    fn wake(&self, names: Vec<Name>);

    /// A resource is in the store as the watch has brought it, or is gone from there.
    fn stored(&self, _name: &Name) {}
}

/// Runs and the tables that they are for.
pub(crate) struct Publications {
    installation: Arc<Installation>,
    tables: Arc<Store<DataTable>>,
    table_queue: Arc<Queue>,
    run_queue: Arc<Queue>,
    config_maps: Arc<ConfigMaps>,
    run_steps: Arc<RunSteps>,
    jobs: Arc<IngestJobs>,
    checks: Arc<QualityChecks>,
    state: Mutex<State>,
    new_upstreams: Notify,
}

#[derive(Debug, Default)]
struct State {
    by_table: HashMap<Name, BTreeMap<Name, Run>>,
    /// Namespaces of which the runs have been listed.
    listed: Listed,
    /// Tables that want to know what runs ask before those have been listed.
    early: HashSet<Name>,
    /// How far tables are, by their names in Glue: each may be kept by several resources.
    covered: HashMap<String, BTreeMap<Name, Option<Timestamp>>>,
    /// The name in Glue of each table.
    glue_name: HashMap<Name, String>,
    /// Runs that wait for a table, by its name in Glue.
    waiting: HashMap<String, BTreeSet<Name>>,
    /// How far tables are that no resource keeps, and that runs wait for.
    foreign: HashMap<String, Covered>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    asked: Option<Asked>,
    is_over: bool,
}

impl State {
    /// Keeps how far a table is; answers the runs that wait for it, if that is another time now.
    fn now_covers(&mut self, name: &Name, table: Option<&DataTable>) -> Vec<Name> {
        let key = table.map(|table| glue_name(&Tables::key(table)));
        let until = table
            .and_then(|table| table.status.as_ref()?.freshness.as_ref()?.data_time)
            .filter(|_| table.is_some_and(|table| table.metadata.deletion_timestamp.is_none()));
        let mut changed = BTreeSet::new();
        if let Some(before) = self.glue_name.get(name)
            && key.as_ref() != Some(before)
        {
            let before = before.clone();
            self.covered.get_mut(&before).map(|all| all.remove(name));
            changed.insert(before);
        }
        match key {
            Some(key) => {
                let before = self.covered.entry(key.clone()).or_default().insert(name.clone(), until);
                self.glue_name.insert(name.clone(), key.clone());
                if before != Some(until) {
                    changed.insert(key);
                }
            }
            None => {
                self.glue_name.remove(name);
            }
        }
        changed.iter().filter_map(|key| self.waiting.get(key)).flatten().cloned().collect()
    }

    /// Keeps for which tables a run waits.
    fn waits(&mut self, name: &Name, run: Option<&IngestRun>) {
        for runs in self.waiting.values_mut() {
            runs.remove(name);
        }
        let begun = |run: &&IngestRun| {
            run.status
                .as_ref()
                .is_some_and(|status| status.attempt.is_some() || status.phase.is_some_and(RunPhase::is_over))
        };
        for upstream in
            run.filter(|run| !begun(run)).and_then(|run| run.spec.wait_for.as_ref()).into_iter().flatten()
        {
            self.waiting.entry(upstream.table.clone()).or_default().insert(name.clone());
        }
        self.waiting.retain(|_, runs| !runs.is_empty());
        self.foreign.retain(|table, _| self.waiting.contains_key(table));
    }

    /// Whether no resource keeps a table.
    fn is_foreign(&self, table: &str) -> bool {
        self.covered.get(table).is_none_or(BTreeMap::is_empty)
    }

    /// Whether a run waits for a table of which nothing is known yet.
    fn has_new_upstreams(&self) -> bool {
        self.waiting.keys().any(|table| self.is_foreign(table) && !self.foreign.contains_key(table))
    }

    /// How far the tables are that a run waits for.
    fn covered_by(&self, run: &IngestRun) -> BTreeMap<String, Covered> {
        let upstreams = run.spec.wait_for.iter().flatten();
        upstreams
            .map(|upstream| {
                let covered = match self.covered.get(&upstream.table) {
                    // Whoever knows most: all speak of the same table.
                    Some(all) if !all.is_empty() => Covered::Until(all.values().copied().max().flatten()),
                    _ => self.foreign.get(&upstream.table).cloned().unwrap_or(Covered::Unknown),
                };
                (upstream.table.clone(), covered)
            })
            .collect()
    }
}

impl Publications {
    pub(crate) fn new(
        installation: Arc<Installation>,
        tables: Arc<Store<DataTable>>,
        [table_queue, run_queue]: [Arc<Queue>; 2],
        config_maps: Arc<ConfigMaps>,
        run_steps: Arc<RunSteps>,
        jobs: Arc<IngestJobs>,
        checks: Arc<QualityChecks>,
    ) -> Self {
        Self {
            installation,
            tables,
            table_queue,
            run_queue,
            config_maps,
            run_steps,
            jobs,
            checks,
            state: Mutex::default(),
            new_upstreams: Notify::new(),
        }
    }

    /// The runs that are for a table, once they have been listed.
    fn runs_of(&self, table: &DataTable) -> Option<RunsOfTable> {
        let partitions = table.spec.partitions.as_ref()?;
        if partitions.mode != PartitionMode::Published {
            return None;
        }
        let name = Name::of(table);
        let mut state = self.state();
        if !state.listed.has(&name.namespace) {
            state.early.insert(name);
            return None;
        }
        let mut runs = RunsOfTable::default();
        for (name, run) in state.by_table.get(&name).into_iter().flatten() {
            runs.asked.extend(run.asked.clone());
            if !run.is_over {
                runs.under_way.insert(name.name.to_string());
            }
        }
        Some(runs)
    }

    /// The configuration.
    pub(crate) fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Waits until a run waits for a table of which nothing is known.
    pub(crate) async fn has_new_upstreams(&self) {
        self.new_upstreams.notified().await;
    }

    /// The tables that runs wait for and that no resource keeps, each with the profile of such a run's own table.
    pub(crate) fn foreign_upstreams(&self) -> BTreeSet<(String, String)> {
        let state = self.state();
        let mut table_of_run = HashMap::new();
        for (table, runs) in &state.by_table {
            table_of_run.extend(runs.keys().map(|run| (run.clone(), table.clone())));
        }
        let foreign: Vec<(String, Option<Name>)> = state
            .waiting
            .iter()
            .filter(|(table, _)| state.is_foreign(table))
            .map(|(table, runs)| (table.clone(), runs.first().and_then(|run| table_of_run.get(run)).cloned()))
            .collect();
        drop(state);
        let profile_of = |table: &Name| match self.tables.get(table) {
            Some(Held::Object(table)) => Some(Tables::key(&table).profile),
            _ => None,
        };
        let profile = |table: Option<Name>| {
            table.as_ref().and_then(profile_of).unwrap_or_else(|| DEFAULT_PROFILE.to_owned())
        };
        foreign.into_iter().map(|(upstream, table)| (profile(table), upstream)).collect()
    }

    /// Says how far such a table is; wakes the runs that wait for it, if that is news.
    pub(crate) fn foreign_covers(&self, table: &str, covered: Covered) {
        let mut state = self.state();
        let Some(runs) = state.waiting.get(table).cloned() else { return };
        let is_news = state.foreign.insert(table.to_owned(), covered.clone()) != Some(covered);
        drop(state);
        for run in runs.into_iter().filter(|_| is_news) {
            self.run_queue.push(&run, Lane::Progress);
        }
    }

    /// What the ConfigMap says that a table's columns come from.
    async fn avsc_of(&self, table: &DataTable) -> Result<Option<SeenAvsc>, Error> {
        let Some(at) = avsc_of(table).filter(|_| table.metadata.deletion_timestamp.is_none()) else {
            return Ok(None);
        };
        Ok(Some(match self.config_maps.read(&beside(table, at), &at.key).await? {
            Said::Text(text) => SeenAvsc::Text(text),
            Said::Nothing(why) => SeenAvsc::Unreadable(why),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Tables> for Publications {
    fn around<'a>(&'a self, table: &'a DataTable) -> BoxFuture<'a, Result<TableAround, Error>> {
        async move {
            let quality = self.checks.quality_of(&Name::of(table));
            Ok(TableAround { runs: self.runs_of(table), avsc: self.avsc_of(table).await?, quality })
        }
        .boxed()
    }

    /// A table's runs look at it again, whatever has changed: they wait for its answers, for its spec, for itself.
    fn brought(&self, name: &Name, table: Option<&DataTable>) -> Vec<Name> {
        let names = table.and_then(|table| Some(beside(table, avsc_of(table)?)));
        let user = User { queue: self.table_queue.clone(), name: name.clone() };
        self.config_maps.named_by(&user, names.into_iter().collect::<BTreeSet<_>>());
        self.jobs.table_brought(name, table.map(|table| glue_name(&Tables::key(table))).as_ref());
        let mut state = self.state();
        let downstream = state.now_covers(name, table);
        let waiting = state.by_table.get(name).into_iter().flatten().filter(|(_, run)| !run.is_over);
        waiting.map(|(run, _)| run.clone()).chain(downstream).collect()
    }

    fn listed(&self, _namespace: Option<&Arc<str>>) {}

    fn wake(&self, runs: Vec<Name>) {
        for run in runs {
            self.run_queue.push(&run, Lane::Progress);
        }
    }

    fn stored(&self, table: &Name) {
        self.jobs.table_stored(table);
        self.checks.table_stored(table);
    }
}

impl Relations<Runs> for Publications {
    fn around<'a>(&'a self, run: &'a IngestRun) -> BoxFuture<'a, Result<RunAround, Error>> {
        let target = match self.tables.get(&table_of(run)) {
            Some(Held::Object(table)) => Target::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => Target::Refused(why),
            None => Target::Missing,
        };
        let covered = self.state().covered_by(run);
        let (workers, gates) = (self.run_steps.workers(run), self.checks.gates_of(&table_of(run)));
        std::future::ready(Ok(RunAround { target, covered, workers, gates })).boxed()
    }

    fn brought(&self, name: &Name, run: Option<&IngestRun>) -> Vec<Name> {
        self.run_steps.run_brought(name, run);
        self.jobs.run_brought(name, run);
        let mut state = self.state();
        state.waits(name, run);
        if state.has_new_upstreams() {
            self.new_upstreams.notify_one();
        }
        let Some(run) = run else {
            // Which table it was for is not told any more.
            let asked = state.by_table.iter_mut().filter_map(|(table, runs)| {
                runs.remove(name).filter(|run| run.asked.is_some()).map(|_| table.clone())
            });
            let asked = asked.collect();
            state.by_table.retain(|_, runs| !runs.is_empty());
            return asked;
        };
        let table = table_of(run);
        let phase = run.status.as_ref().and_then(|status| status.phase);
        let now = Run { asked: ingest_run::asked(run), is_over: phase.is_some_and(RunPhase::is_over) };
        let before = state.by_table.entry(table.clone()).or_default().insert(name.clone(), now.clone());
        // One that asks no more makes room for others.
        let is_news = before.map_or(now.asked.is_some(), |before| before.asked != now.asked);
        if is_news { vec![table] } else { Vec::new() }
    }

    fn listed(&self, namespace: Option<&Arc<str>>) {
        self.run_steps.runs_listed(namespace);
        let mut state = self.state();
        state.listed.add(namespace);
        let early = std::mem::take(&mut state.early);
        let (known, unknown): (Vec<Name>, Vec<Name>) =
            early.into_iter().partition(|table| state.listed.has(&table.namespace));
        state.early = unknown.into_iter().collect();
        drop(state);
        Relations::<Runs>::wake(self, known);
    }

    fn wake(&self, tables: Vec<Name>) {
        for table in tables {
            self.table_queue.push(&table, Lane::Change);
        }
    }
}

/// A table's name in Glue, as runs write it.
fn glue_name(key: &TableKey) -> String {
    format!("{}.{}", key.database, key.table)
}

fn table_of(run: &IngestRun) -> Name {
    Name { name: run.spec.table.as_str().into(), ..Name::of(run) }
}

/// The ConfigMap that a table's columns come from.
fn avsc_of(table: &DataTable) -> Option<&ConfigMapKey> {
    table.spec.schema.as_ref()?.avsc_from.as_ref()?.config_map.as_ref()
}

/// A ConfigMap beside a table.
fn beside(table: &DataTable, at: &ConfigMapKey) -> Name {
    Name { name: at.name.as_str().into(), ..Name::of(table) }
}
