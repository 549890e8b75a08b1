//! What resources have to do with each other: which runs ask which table, and who is woken by what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mizuumi_api::ingest_run::RunPhase;
use mizuumi_api::{DataTable, IngestRun, Installation};
use mizuumi_core::data_table::{Asked, Tables};
use mizuumi_core::ingest_run::{self, Runs, Target};
use mizuumi_core::{Kind, Lane};

use crate::name::Name;
use crate::queue::Queue;
use crate::store::{Held, Store};

/// What a kind's resources have to do with those of others.
pub(crate) trait Relations<K: Kind>: Send + Sync + 'static {
    /// What others have to do with a resource.
    fn around(&self, object: &K::Object) -> K::Around;

    /// The watch has brought a resource, or says that it is gone; answers whom to wake once it is in the store.
    fn brought(&self, name: &Name, object: Option<&K::Object>) -> Vec<Name>;

    /// Wakes others.
    fn wake(&self, names: Vec<Name>);
}

/// Runs and the tables that they are for.
pub(crate) struct Publications {
    pub(crate) installation: Arc<Installation>,
    pub(crate) tables: Arc<Store<DataTable>>,
    pub(crate) table_queue: Arc<Queue>,
    pub(crate) run_queue: Arc<Queue>,
    pub(crate) by_table: Mutex<HashMap<Name, BTreeMap<Name, State>>>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    asked: Option<Asked>,
    is_over: bool,
}

impl Publications {
    fn by_table(&self) -> MutexGuard<'_, HashMap<Name, BTreeMap<Name, State>>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.by_table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relations<Tables> for Publications {
    fn around(&self, table: &DataTable) -> Vec<Asked> {
        let by_table = self.by_table();
        by_table
            .get(&Name::of(table))
            .into_iter()
            .flatten()
            .filter_map(|(_, run)| run.asked.clone())
            .collect()
    }

    /// A table's runs look at it again, whatever has changed: they wait for its answers, for its spec, for itself.
    fn brought(&self, name: &Name, _table: Option<&DataTable>) -> Vec<Name> {
        let by_table = self.by_table();
        let waiting = by_table.get(name).into_iter().flatten().filter(|(_, run)| !run.is_over);
        waiting.map(|(run, _)| run.clone()).collect()
    }

    fn wake(&self, runs: Vec<Name>) {
        for run in runs {
            self.run_queue.push(&run, Lane::Progress);
        }
    }
}

impl Relations<Runs> for Publications {
    fn around(&self, run: &IngestRun) -> Target {
        match self.tables.get(&table_of(run)) {
            Some(Held::Object(table)) => Target::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => Target::Refused(why),
            None => Target::Missing,
        }
    }

    fn brought(&self, name: &Name, run: Option<&IngestRun>) -> Vec<Name> {
        let mut by_table = self.by_table();
        let Some(run) = run else {
            // Which table it was for is not told any more.
            let asked = by_table.iter_mut().filter_map(|(table, runs)| {
                runs.remove(name).filter(|run| run.asked.is_some()).map(|_| table.clone())
            });
            let asked = asked.collect();
            by_table.retain(|_, runs| !runs.is_empty());
            return asked;
        };
        let table = table_of(run);
        let phase = run.status.as_ref().and_then(|status| status.phase);
        let state = State { asked: ingest_run::asked(run), is_over: phase.is_some_and(RunPhase::is_over) };
        let is_asking = state.asked.is_some();
        let before = by_table.entry(table.clone()).or_default().insert(name.clone(), state.clone());
        let asked_before = before.is_some_and(|before| before.asked == state.asked);
        if is_asking && !asked_before { vec![table] } else { Vec::new() }
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
