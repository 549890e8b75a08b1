//! Checks and what they are about: which check is of which table, who wakes whom, and which checks runs have to pass.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use mizuumi_api::{DataTable, Installation, QualityCheck};
use mizuumi_core::data_table::{CheckVerdict, TableQuality, Tables};
use mizuumi_core::ingest_run::desired::columns_of;
use mizuumi_core::quality_check::facts::SeenColumn;
use mizuumi_core::quality_check::{CheckAround, CheckedTable, Checks, GateRules, Known, Rules};
use mizuumi_core::{Goal, Kind, Lane};

use crate::error::Error;
use crate::listed::Listed;
use crate::metrics::Metrics;
use crate::name::Name;
use crate::queue::Queue;
use crate::relations::Relations;
use crate::store::{Held, Store};

/// The checks by their tables, as the watch has brought them.
pub(crate) struct QualityChecks {
    installation: Arc<Installation>,
    tables: Arc<Store<DataTable>>,
    queue: Arc<Queue>,
    table_queue: Arc<Queue>,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The checks of each table, and the gates that some of them are.
    of_table: HashMap<Name, BTreeMap<Name, Option<GateRules>>>,
    table_of: HashMap<Name, Name>,
    /// The checks that compare with a table, beside those that are about it.
    compare_with: HashMap<Name, BTreeSet<Name>>,
    /// What the checks of a table were woken for last.
    seen: HashMap<Name, String>,
    /// What each check says of its table.
    verdicts: HashMap<Name, CheckVerdict>,
    /// Namespaces of which the checks have been listed.
    listed: Listed,
    /// Tables that want to know what their checks say before those have been listed.
    early: HashSet<Name>,
}

impl QualityChecks {
    pub(crate) fn new(
        installation: Arc<Installation>,
        tables: Arc<Store<DataTable>>,
        [queue, table_queue]: [Arc<Queue>; 2],
        metrics: Metrics,
    ) -> Self {
        Self { installation, tables, queue, table_queue, metrics, state: Mutex::default() }
    }

    /// A table is in the store as it is now, or is gone from there; wakes its checks if they would see a difference.
    pub(crate) fn table_stored(&self, table: &Name) {
        let mut state = self.state();
        let checks: BTreeSet<Name> = state
            .of_table
            .get(table)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .chain(state.compare_with.get(table).into_iter().flatten())
            .cloned()
            .collect();
        if checks.is_empty() {
            return;
        }
        let now = match self.table(table) {
            CheckedTable::Table(table) => format!("{} {}", table.key, table.digest),
            CheckedTable::Refused(why) => why,
            CheckedTable::Missing | CheckedTable::Unknown => String::new(),
        };
        if state.seen.insert(table.clone(), now.clone()).as_ref() == Some(&now) {
            return;
        }
        drop(state);
        for check in checks {
            self.queue.push(&check, Lane::Progress);
        }
    }

    /// The checks that a run into a table has to pass.
    pub(crate) fn gates_of(&self, table: &Name) -> Vec<GateRules> {
        let state = self.state();
        let gates = state.of_table.get(table).into_iter().flat_map(BTreeMap::values).flatten().cloned();
        let mut gates: Vec<GateRules> = gates.collect();
        drop(state);
        for gate in &mut gates {
            let references = gate.rules.as_ref().map(Rules::references).unwrap_or_default();
            let columns = |name: String| {
                let columns = self.columns(&beside(table, &name));
                (name, columns)
            };
            gate.references = references.into_iter().map(columns).collect();
        }
        gates
    }

    /// What the checks of a table say; nothing before they have been listed.
    pub(crate) fn quality_of(&self, table: &Name) -> Option<TableQuality> {
        let mut state = self.state();
        if !state.listed.has(&table.namespace) {
            state.early.insert(table.clone());
            return None;
        }
        let checks = state.of_table.get(table).into_iter().flat_map(BTreeMap::keys);
        let told =
            checks.filter_map(|check| Some((check.name.to_string(), state.verdicts.get(check)?.clone())));
        Some(TableQuality { checks: told.collect() })
    }

    /// The columns of another table, as its resource knows them.
    fn columns(&self, name: &Name) -> Known<Vec<SeenColumn>> {
        let Some(Held::Object(table)) = self.tables.get(name) else {
            return Known::Not(format!("there is no DataTable '{}' in this namespace", name.name));
        };
        match Tables::goal(&table, &self.installation) {
            Ok(Goal::Present(desired)) => columns_of(&desired, &table),
            _ => Known::Not(format!("the spec of DataTable '{}' does not hold", name.name)),
        }
    }

    fn table(&self, name: &Name) -> CheckedTable {
        match self.tables.get(name) {
            Some(Held::Object(table)) => CheckedTable::of(&table, &self.installation),
            Some(Held::Unreadable(_, why)) => CheckedTable::Refused(why),
            None => CheckedTable::Missing,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, check: &Name) {
        if let Some(table) = self.table_of.remove(check)
            && let Some(checks) = self.of_table.get_mut(&table)
        {
            checks.remove(check);
            if checks.is_empty() {
                self.of_table.remove(&table);
                self.seen.remove(&table);
            }
        }
        self.compare_with.retain(|_, checks| {
            checks.remove(check);
            !checks.is_empty()
        });
    }
}

impl Relations<Checks> for QualityChecks {
    fn around<'a>(&'a self, check: &'a QualityCheck) -> BoxFuture<'a, Result<CheckAround, Error>> {
        let name = Name::of(check);
        let key = |table: &str| match self.tables.get(&beside(&name, table)) {
            Some(Held::Object(table)) => Some(Tables::key(&table)),
            _ => None,
        };
        let references = references(check).into_iter().map(|table| (table.clone(), key(&table)));
        let around = CheckAround {
            table: self.table(&beside(&name, &check.spec.table)),
            references: references.collect(),
        };
        std::future::ready(Ok(around)).boxed()
    }

    fn brought(&self, name: &Name, check: Option<&QualityCheck>) -> Vec<Name> {
        let mut state = self.state();
        let before = (state.table_of.get(name).cloned(), state.verdicts.remove(name));
        state.forget(name);
        if let Some(verdict) = check.and_then(CheckVerdict::of) {
            state.verdicts.insert(name.clone(), verdict);
        }
        if let Some(check) = check {
            let table = beside(name, &check.spec.table);
            state.of_table.entry(table.clone()).or_default().insert(name.clone(), GateRules::of(check));
            state.table_of.insert(name.clone(), table);
            for other in references(check) {
                state.compare_with.entry(beside(name, &other)).or_default().insert(name.clone());
            }
        }
        let now = (state.table_of.get(name).cloned(), state.verdicts.get(name).cloned());
        drop(state);
        let status = check.and_then(|check| check.status.as_ref());
        self.metrics.quality(&name.namespace, &name.name, status.and_then(|status| status.score));
        if before == now {
            return Vec::new();
        }
        let tables: BTreeSet<Name> = before.0.into_iter().chain(now.0).collect();
        tables.into_iter().collect()
    }

    fn listed(&self, namespace: Option<&Arc<str>>) {
        let mut state = self.state();
        state.listed.add(namespace);
        let early = std::mem::take(&mut state.early);
        let (known, unknown): (HashSet<Name>, HashSet<Name>) =
            early.into_iter().partition(|table| state.listed.has(&table.namespace));
        state.early = unknown;
        drop(state);
        self.wake(known.into_iter().collect());
    }

    /// Tables tell what their checks say.
    fn wake(&self, tables: Vec<Name>) {
        for table in tables {
            self.table_queue.push(&table, Lane::Progress);
        }
    }
}

/// Names of the tables that a check's rules compare with.
fn references(check: &QualityCheck) -> Vec<String> {
    Rules::new(check).map(|rules| rules.references()).unwrap_or_default()
}

/// Another resource in the namespace of one.
fn beside(name: &Name, other: &str) -> Name {
    Name { name: other.into(), ..name.clone() }
}
