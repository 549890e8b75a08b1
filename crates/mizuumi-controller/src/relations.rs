//! What resources have to do with each other: which runs ask which table, which table names which ConfigMap, and who is woken
//! by what.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use mizuumi_api::data_table::{ConfigMapKey, PartitionMode};
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{DataTable, IngestRun, Installation};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::{Asked, RunsOfTable, TableAround, Tables};
use mizuumi_core::ingest_run::{self, Runs, Target};
use mizuumi_core::{Kind, Lane};

use crate::config_maps::{ConfigMaps, Said, User};
use crate::error::Error;
use crate::name::Name;
use crate::queue::Queue;
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
}

/// Runs and the tables that they are for.
pub(crate) struct Publications {
    installation: Arc<Installation>,
    tables: Arc<Store<DataTable>>,
    table_queue: Arc<Queue>,
    run_queue: Arc<Queue>,
    config_maps: Arc<ConfigMaps>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_table: HashMap<Name, BTreeMap<Name, Run>>,
    /// Namespaces of which the runs have been listed; none: all.
    listed: HashSet<Option<Arc<str>>>,
    /// Tables that want to know what runs ask before those have been listed.
    early: HashSet<Name>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    asked: Option<Asked>,
    is_over: bool,
}

impl State {
    fn has_listed(&self, namespace: &Arc<str>) -> bool {
        self.listed.contains(&None) || self.listed.contains(&Some(namespace.clone()))
    }
}

impl Publications {
    pub(crate) fn new(
        installation: Arc<Installation>,
        tables: Arc<Store<DataTable>>,
        table_queue: Arc<Queue>,
        run_queue: Arc<Queue>,
        config_maps: Arc<ConfigMaps>,
    ) -> Self {
        Self { installation, tables, table_queue, run_queue, config_maps, state: Mutex::default() }
    }

    /// The runs that are for a table, once they have been listed.
    fn runs_of(&self, table: &DataTable) -> Option<RunsOfTable> {
        let partitions = table.spec.partitions.as_ref()?;
        if partitions.mode != PartitionMode::Published {
            return None;
        }
        let name = Name::of(table);
        let mut state = self.state();
        if !state.has_listed(&name.namespace) {
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
        async move { Ok(TableAround { runs: self.runs_of(table), avsc: self.avsc_of(table).await? }) }.boxed()
    }

    /// A table's runs look at it again, whatever has changed: they wait for its answers, for its spec, for itself.
    fn brought(&self, name: &Name, table: Option<&DataTable>) -> Vec<Name> {
        let names = table.and_then(|table| Some(beside(table, avsc_of(table)?)));
        let user = User { queue: self.table_queue.clone(), name: name.clone() };
        self.config_maps.named_by(&user, names.into_iter().collect::<BTreeSet<_>>());
        let state = self.state();
        let waiting = state.by_table.get(name).into_iter().flatten().filter(|(_, run)| !run.is_over);
        waiting.map(|(run, _)| run.clone()).collect()
    }

    fn listed(&self, _namespace: Option<&Arc<str>>) {}

    fn wake(&self, runs: Vec<Name>) {
        for run in runs {
            self.run_queue.push(&run, Lane::Progress);
        }
    }
}

impl Relations<Runs> for Publications {
    fn around<'a>(&'a self, run: &'a IngestRun) -> BoxFuture<'a, Result<Target, Error>> {
        let target = match self.tables.get(&table_of(run)) {
            Some(Held::Object(table)) => Target::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => Target::Refused(why),
            None => Target::Missing,
        };
        std::future::ready(Ok(target)).boxed()
    }

    fn brought(&self, name: &Name, run: Option<&IngestRun>) -> Vec<Name> {
        let mut state = self.state();
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
        let mut state = self.state();
        state.listed.insert(namespace.cloned());
        let early = std::mem::take(&mut state.early);
        let (known, unknown): (Vec<Name>, Vec<Name>) =
            early.into_iter().partition(|table| state.has_listed(&table.namespace));
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
