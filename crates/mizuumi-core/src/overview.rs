//! All resources at a glance: how many stand how, which need somebody, and how late each table is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::FreshnessState;
use mizuumi_api::{DataTable, ResourceId, ResourceKind};
use serde::Serialize;

use crate::data_table::Tables;
use crate::explain::standing::{State, by_weight, state};
use crate::explain::{Object, Told};
use crate::kind::Kind;

/// All resources at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// How many of each kind stand how.
    pub kinds: Vec<Counts>,
    /// Those that somebody has to look at, the worst first.
    pub attention: Vec<Row>,
}

/// How many resources of a kind stand how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The kind.
    pub kind: ResourceKind,
    /// How many there are.
    pub total: usize,
    /// How many stand so.
    #[serde(flatten)]
    pub states: BTreeMap<State, usize>,
}

impl Counts {
    /// How many stand in one of these ways.
    #[must_use]
    pub fn of(&self, states: &[State]) -> usize {
        states.iter().filter_map(|state| self.states.get(state)).sum()
    }
}

/// A resource that somebody has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which.
    #[serde(flatten)]
    pub id: ResourceId,
    /// How it stands.
    pub state: State,
    /// The condition that says most of it; none if no controller has looked at it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

impl Overview {
    /// The overview of nothing; each kind is counted, even where there is none.
    #[must_use]
    pub fn new() -> Self {
        let none = |kind| Counts { kind, total: 0, states: BTreeMap::new() };
        let kinds = ResourceKind::ALL.into_iter().filter(|kind| *kind != ResourceKind::EmrClusterClass);
        Self { kinds: kinds.map(none).collect(), attention: Vec::new() }
    }

    /// Counts one more. Runs that are over are their job's history: only the last of a job or table tells something, and that
    /// is said by its job.
    pub fn add(&mut self, object: &Object) {
        let (id, state) = (object.id(), state(object));
        let Some(counts) = self.kinds.iter_mut().find(|counts| counts.kind == id.kind) else { return };
        counts.total += 1;
        *counts.states.entry(state).or_default() += 1;
        let is_history = matches!(object, Object::Run(run) if run.metadata.owner_references.is_some())
            && state == State::Failed;
        if state.needs_attention() && !is_history {
            let told = by_weight(object.conditions()).into_iter().find(|told| !told.is_good);
            self.attention.push(Row { id, state, told });
        }
        if let Some(row) = failing_job(object).filter(|_| !state.needs_attention()) {
            self.attention.push(row);
        }
    }

    /// The worst first, and of those the ones that have stood so longest.
    pub fn sort(&mut self) {
        self.attention
            .sort_by_key(|row| (row.state, row.told.as_ref().map(|told| told.since), row.id.clone()));
    }
}

/// A job whose last run failed: the job itself is as it should be.
fn failing_job(object: &Object) -> Option<Row> {
    use mizuumi_api::condition::ConditionStatus;
    use mizuumi_api::ingest_run::RunPhase;
    let Object::Job(job) = object else { return None };
    let last = job.status.as_ref()?.last_run.as_ref().filter(|last| last.phase == RunPhase::Failed)?;
    let told = Told {
        type_: "LastRun".to_owned(),
        status: ConditionStatus::False,
        reason: "RunFailed".to_owned(),
        message: format!("{}: {}", last.name, last.message.as_deref().unwrap_or("no message")),
        since: last.finished_at?,
        is_good: false,
    };
    Some(Row { id: object.id(), state: State::Failed, told: Some(told) })
}

/// How late a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lateness {
    /// Namespace of the `DataTable`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The table in Glue.
    pub table: String,
    /// The verdict; none if no controller has looked yet.
    pub state: Option<FreshnessState>,
    /// When it turns stale, or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_until: Option<Timestamp>,
    /// The exclusive end of the data that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// When that data landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<Timestamp>,
}

impl Lateness {
    /// How late a table is that says how recent it has to be.
    #[must_use]
    pub fn of(table: &DataTable) -> Option<Self> {
        table.spec.freshness.as_ref()?;
        let told = table.status.as_ref().and_then(|status| status.freshness.as_ref());
        Some(Self {
            namespace: table.metadata.namespace.clone().unwrap_or_default(),
            name: table.metadata.name.clone().unwrap_or_default(),
            table: Tables::key(table).to_string(),
            state: told.map(|told| told.state),
            fresh_until: told.and_then(|told| told.fresh_until),
            data_time: told.and_then(|told| told.data_time),
            loaded_at: told.and_then(|told| told.loaded_at),
        })
    }

    /// How long it has been late; negative as long as it is not; none if nothing is known.
    #[must_use]
    pub fn late_by(&self, now: Timestamp) -> Option<SignedDuration> {
        self.fresh_until.map(|until| now.duration_since(until))
    }
}

/// The latest first, then those of which nothing is known, then those that will be late next.
pub fn by_lateness(tables: &mut [Lateness], now: Timestamp) {
    tables.sort_by_key(|table| {
        let late = table.late_by(now);
        let group = match late {
            Some(late) if late.is_positive() => 0,
            None if table.state != Some(FreshnessState::NotDue) => 1,
            _ => 2,
        };
        (group, std::cmp::Reverse(late), table.namespace.clone(), table.name.clone())
    });
}
