//! What a `QualityCheck` asks for, the table that it is about, and when its rules are evaluated.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::condition::{self, ConditionStatus, ConditionType, cut};
use mizuumi_api::data_table::{DataTable, PublicationState};
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::quality_check::{CheckScope, QualityCheck, QueryStatus};
use mizuumi_api::{Installation, annotation};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::query::token;
use super::rules::Rules;
use super::world::{CheckLook, CheckWorld, FilesLook, QueryLook};
use crate::cron::Cron;
use crate::data_table::{TableKey, Tables};
use crate::ingest_job::schedule;
use crate::kind::Kind;
use crate::owner::OwnerKey;
use crate::plan::Goal;
use crate::problem::Problem;
use crate::publication::hexadecimal;

/// Longest value of the annotation that requests a reconciliation.
pub(super) const LONGEST_REQUEST: usize = 256;

/// A check as the spec wants it, and how far it has come.
#[derive(Clone, Debug)]
pub struct DesiredCheck {
    /// Name of its `DataTable`.
    pub table: String,
    /// Its rules.
    pub rules: Rules,
    /// When they are evaluated by the clock.
    pub schedule: Option<Cron>,
    /// Whether a change of the table is a reason to evaluate them.
    pub on_update: bool,
    /// Whether nothing is evaluated for a while.
    pub is_suspended: bool,
    /// What others have to do with it.
    pub around: CheckAround,
    /// Where queries over the table run, if they may.
    pub athena: Option<AthenaProfile>,
    /// The query that was written down last.
    pub query: Option<QueryStatus>,
    /// Whose queries they are.
    pub(super) owner: String,
    pub(super) uid: String,
    files: FilesLook,
    generation: i64,
    request: Option<String>,
    /// What was evaluated last: when, the generation, the digest, and what had been asked for by hand.
    evaluated: Option<(Timestamp, i64, String)>,
    handled: Option<String>,
    created: Option<Timestamp>,
}

/// The owner key of a check, whose external objects are its queries.
fn owner(check: &QualityCheck, installation: &Installation) -> String {
    let owner = OwnerKey {
        installation: installation.installation.clone(),
        namespace: check.metadata.namespace.clone().unwrap_or_default(),
        kind: "QualityCheck",
        name: check.metadata.name.clone().unwrap_or_default(),
        external: "athena".to_owned(),
    };
    owner.to_string()
}

/// The look at a query that was written down.
fn query_look(record: &QueryStatus, owner: &str, uid: &str, table: &SeenTable) -> Option<QueryLook> {
    Some(QueryLook {
        profile: table.key.profile.clone(),
        token: token(owner, uid, record),
        statement: record.statement.clone(),
        workgroup: table.athena.as_ref()?.workgroup.clone(),
        id: record.id.clone(),
    })
}

/// A check that is being deleted: it claims nothing but a query that may run.
#[derive(Clone, Debug)]
pub struct CheckClaim {
    query: Option<QueryStatus>,
    owner: String,
    uid: String,
    /// The look at it, once its table is known.
    pub(super) look: Option<QueryLook>,
}

impl CheckClaim {
    pub(super) fn new(check: &QualityCheck, installation: &Installation) -> Self {
        Self {
            query: check.status.as_ref().and_then(|status| status.query.clone()),
            owner: owner(check, installation),
            uid: check.metadata.uid.clone().unwrap_or_default(),
            look: None,
        }
    }

    /// Whose credentials a query runs with is known from the table.
    pub(super) fn heed(&mut self, table: &CheckedTable) {
        if let (CheckedTable::Table(table), Some(record)) = (table, &self.query) {
            self.look = query_look(record, &self.owner, &self.uid, table);
        }
    }
}

/// What other resources have to do with a check.
#[derive(Clone, Debug, Default)]
pub struct CheckAround {
    /// The table that it is about.
    pub table: CheckedTable,
    /// Tables of the namespace that its rules compare with, by name; none where there is none.
    pub references: BTreeMap<String, Option<TableKey>>,
}

/// The table that a check is about.
#[derive(Clone, Debug, Default)]
pub enum CheckedTable {
    /// It was not looked for.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// It cannot be looked at, and why.
    Refused(String),
    /// This one.
    Table(Box<SeenTable>),
}

/// A table as its `DataTable` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenTable {
    /// Which Glue table, and with whose credentials.
    pub key: TableKey,
    /// A digest of its columns and data.
    pub digest: String,
    /// The exclusive end of its data.
    pub data_time: Option<Timestamp>,
    /// Where queries over it run, if they may.
    pub athena: Option<AthenaProfile>,
}

/// What of a table is a reason to evaluate its rules anew.
#[derive(Serialize)]
struct Digested<'a> {
    generation: i64,
    is_ready: bool,
    columns: Option<&'a [mizuumi_api::data_table::SchemaColumn]>,
    partitions: Option<&'a mizuumi_api::data_table::PartitionsStatus>,
    files: Option<&'a mizuumi_api::data_table::FilesStatus>,
    times: Option<(Option<Timestamp>, Option<Timestamp>)>,
    published: Vec<&'a str>,
}

impl CheckedTable {
    /// What a table of the namespace tells.
    #[must_use]
    pub fn of(table: &DataTable, installation: &Installation) -> Self {
        match Tables::goal(table, installation) {
            Ok(Goal::Present(_)) => Self::Table(Box::new(SeenTable::of(table, installation))),
            Ok(_) => Self::Refused("it is being deleted".to_owned()),
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                Self::Refused(format!("its spec does not hold: {first}"))
            }
        }
    }
}

impl SeenTable {
    fn of(table: &DataTable, installation: &Installation) -> Self {
        let status = table.status.clone().unwrap_or_default();
        let freshness = status.freshness.as_ref();
        let ready = condition::find(&status.conditions, ConditionType::Ready);
        let published = status.publications.iter().filter(|of| of.state != PublicationState::Publishing);
        let digested = Digested {
            generation: status.observed_generation,
            is_ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True),
            columns: status.schema.as_ref().map(|schema| schema.columns.as_slice()),
            partitions: status.partitions.as_ref(),
            files: status.files.as_ref(),
            times: freshness.map(|freshness| (freshness.data_time, freshness.loaded_at)),
            published: published.map(|of| of.uid.as_str()).collect(),
        };
        let text = serde_json::to_vec(&digested).unwrap_or_default();
        let digest = hexadecimal(&Sha256::digest(text)).chars().take(16).collect();
        let key = Tables::key(table);
        Self {
            athena: installation.profile(&key.profile).and_then(|profile| profile.athena),
            key,
            digest,
            data_time: freshness.and_then(|freshness| freshness.data_time),
        }
    }
}

impl DesiredCheck {
    pub(super) fn new(check: &QualityCheck, installation: &Installation) -> Result<Self, Vec<Problem>> {
        let spec = &check.spec;
        let mut problems = Vec::new();
        let rules = Rules::new(check).map_err(|wrong| problems.extend(wrong)).ok();
        let schedule = spec.triggers.schedule.as_ref().map(schedule::read).transpose();
        let schedule = schedule.unwrap_or_else(|wrong| {
            problems.extend(wrong.into_iter().map(|problem| Problem {
                path: problem.path.replacen("spec.schedule", "spec.triggers.schedule", 1),
                ..problem
            }));
            None
        });
        let partition = spec.partition.as_deref().unwrap_or_default();
        let files = match spec.scope {
            CheckScope::NewestPartition => FilesLook::Newest,
            CheckScope::Table => FilesLook::All,
            CheckScope::Partition => {
                let pair =
                    |text: &str| text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
                FilesLook::Partition(partition.split('/').filter_map(pair).collect())
            }
        };
        let (true, Some(rules)) = (problems.is_empty(), rules) else { return Err(problems) };
        let status = check.status.clone().unwrap_or_default();
        let requested = check.metadata.annotations.as_ref().and_then(|all| all.get(annotation::REQUESTED_AT));
        Ok(Self {
            table: spec.table.clone(),
            athena: None,
            query: status.query,
            owner: owner(check, installation),
            uid: check.metadata.uid.clone().unwrap_or_default(),
            files,
            rules,
            schedule,
            on_update: spec.triggers.on_update,
            is_suspended: spec.suspend,
            around: CheckAround::default(),
            generation: check.metadata.generation.unwrap_or_default(),
            request: requested.map(|text| cut(text, LONGEST_REQUEST)),
            evaluated: status.evaluation.map(|last| (last.at, last.generation, last.of)),
            handled: status.last_handled_reconcile_at,
            created: check.metadata.creation_timestamp.as_ref().map(|created| created.0),
        })
    }

    /// The table as its `DataTable` tells of it, if there is one.
    #[must_use]
    pub fn seen_table(&self) -> Option<&SeenTable> {
        match &self.around.table {
            CheckedTable::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn look(&self) -> CheckLook {
        let Some(table) = self.seen_table().filter(|_| !self.is_suspended) else {
            // A query that runs all the same is stopped.
            return CheckLook { query: self.query_look(), ..CheckLook::default() };
        };
        CheckLook {
            table: Some(table.key.clone()),
            references: self.around.references.clone(),
            files: self.rules.need_files().then(|| self.files.clone()),
            rows: self.rules.need_rows().then(|| self.files.clone()),
            counts: self.rules.need_count(),
            query: self.query_look(),
            generation: self.generation,
            of: if self.on_update { table.digest.clone() } else { String::new() },
            request: self.request.clone(),
        }
    }

    pub(super) fn query_look(&self) -> Option<QueryLook> {
        query_look(self.query.as_ref()?, &self.owner, &self.uid, self.seen_table()?)
    }

    /// Whether what came of this very look is in the status.
    pub(super) fn is_told(&self, world: &CheckWorld) -> bool {
        let of = self.look().of;
        self.handled == self.request
            && self.evaluated.as_ref().is_some_and(|(at, generation, last)| {
                (Some(*at), *generation, last) == (world.looked, self.generation, &of)
            })
    }

    /// A digest of what is evaluated and why: another reason is another query.
    pub(super) fn reason(&self, world: &CheckWorld) -> String {
        let look = self.look();
        let last = self.evaluated.as_ref().map(|(at, ..)| *at);
        let scope = world.facts.as_ref().map(|facts| &facts.scope);
        let text = format!("{} {} {:?} {last:?} {scope:?}", look.generation, look.of, look.request);
        hexadecimal(&Sha256::digest(text.as_bytes())).chars().take(32).collect()
    }

    /// When the rules are evaluated; what has happened since they were evaluated last is reason to do it at once.
    pub(super) fn due(&self, world: &CheckWorld, now: Timestamp) -> Option<Timestamp> {
        let table = self.seen_table().filter(|_| !self.is_suspended)?;
        let is_evaluated = world.facts.is_some()
            || self.evaluated.as_ref().is_some_and(|(_, generation, of)| {
                *generation == self.generation
                    && (!self.on_update || *of == table.digest)
                    && self.handled == self.request
            });
        if !is_evaluated {
            return Some(now);
        }
        self.next_scheduled(world.looked, now)
    }

    /// When the schedule says that the rules are evaluated next.
    #[must_use]
    pub fn next_scheduled(&self, looked: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let last = looked.max(self.evaluated.as_ref().map(|(at, ..)| *at)).or(self.created).unwrap_or(now);
        self.schedule.as_ref()?.next(last)
    }
}
