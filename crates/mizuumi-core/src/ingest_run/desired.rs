//! What an `IngestRun` asks for, and the table that it is for.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::data_table::{DataTable, ManagementPolicy, PublicationStatus};
use mizuumi_api::ingest_run::{IngestRun, IngestRunStatus, Outcome, RunAttemptState, RunEngine};
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::{Installation, Reason};

use super::ecs;
use super::gates::{self, Audit};
use super::plan::RunStep;
use super::shadow::{self, ShadowTables};
use super::work::{OwnWork, Task};
use super::world::{JobLook, OutputLook, PointerLook, RunLook, RunWorld};
use crate::data_table::{Column, DesiredTable, Mode, TableKey, Tables, learning, publishing};
use crate::kind::Kind;
use crate::plan::Goal;
use crate::publication::{self, RunOrder};
use crate::quality_check::facts::SeenColumn;
use crate::quality_check::{GateRules, Known, QueryLook, Rules};

/// A run as the spec wants it.
#[derive(Clone, Debug)]
pub struct DesiredRun {
    /// Its name, which is that of its directory.
    pub run: String,
    /// Name of its `DataTable`.
    pub table: String,
    /// What it does.
    pub work: Work,
    /// The table, as far as it is known.
    pub target: Target,
    /// The checks that what it brings has to pass.
    pub gates: Vec<GateRules>,
    /// How they query the rows of it.
    pub audit: Audit,
    /// Whether nothing more happens: it is over, or its table is asked and the answer is waited for.
    pub is_settled: bool,
    /// Whether it is given up.
    pub is_cancelled: bool,
    /// When it is deleted, since it was over long before.
    pub expiry: Option<Expiry>,
    /// Whether the status speaks of a shadow table, or an audit table.
    pub has_shadow: bool,
    /// Its shadow tables and queries that nobody needs any more.
    pub left_over: Option<Sweep>,
    /// The least time between two looks.
    pub least: SignedDuration,
}

/// Shadow tables that go, and queries that are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Which.
    pub tables: ShadowTables,
    /// Queries over them.
    pub queries: Vec<QueryLook>,
    /// Profile that they are looked at with, if one is known.
    pub profile: Option<String>,
}

impl Sweep {
    /// The look at them.
    #[must_use]
    pub fn look(&self) -> RunLook {
        let Some(profile) = self.profile.clone() else { return RunLook::default() };
        let queries = self.queries.clone();
        RunLook { profile, shadows: Some(self.tables.look()), queries, ..RunLook::default() }
    }

    /// What is deleted of what was seen.
    pub(super) fn steps(&self, world: &RunWorld) -> Vec<RunStep> {
        let profile = self.profile.as_deref().unwrap_or_default();
        let mut steps = gates::stops(self.queries.iter().map(|query| query.token.clone()), profile, world);
        steps.extend(self.tables.sweep(profile, world.shadows.as_ref()));
        steps
    }
}

/// When a run is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// When.
    pub at: Timestamp,
    /// Uid of the run.
    pub uid: String,
}

/// What a run does.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Mizuumi has it done.
    Own(Box<OwnWork>),
    /// Somebody else brings data.
    External {
        /// Its place among the others.
        order: RunOrder,
        /// How it ended, if that was said.
        outcome: Option<Outcome>,
        /// The exclusive end of its data, if that was said.
        data_time: Option<Timestamp>,
        /// A sentence about it.
        message: Option<String>,
    },
    /// What that run brought is taken back.
    Rollback(String),
    /// The spec does not say what it has to; only an API server without the definition's rules lets it in.
    Unsaid,
}

/// The table that a run is for.
#[derive(Clone, Debug, Default)]
pub enum Target {
    /// It was not looked for.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// No run can be published into it, and why.
    Refused(String),
    /// This one.
    Table(Box<TargetTable>),
}

/// A table that runs are published into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetTable {
    /// Which Glue table, and with whose credentials.
    pub key: TableKey,
    /// Its root.
    pub root: String,
    /// Names of its partition keys.
    pub keys: Vec<String>,
    /// Its columns with its partition keys; or why they are not known.
    pub columns: Known<Vec<SeenColumn>>,
    /// Whether its spec declares its columns; else they come from elsewhere, and follow that.
    pub is_declared: bool,
    /// What it says became of what runs asked for.
    pub publications: Vec<PublicationStatus>,
    /// Whether it is at work: not suspended, and not waiting for somebody.
    pub is_at_work: bool,
    /// Where queries over its data run, if they may.
    pub athena: Option<AthenaProfile>,
}

/// A run that is being deleted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunClaim {
    /// Whether its table is publishing it.
    pub is_publishing: bool,
    /// A step of a cluster, or a task of ECS, that may be under way: it is stopped before the run goes. A Job goes with the run that
    /// owns it.
    pub work: Option<Box<OwnWork>>,
    /// Its shadow tables, if there may be any.
    pub shadows: Option<Sweep>,
}

/// A run's place among the others; a rollback has none.
#[must_use]
pub fn order(object: &IngestRun) -> Option<RunOrder> {
    Some(RunOrder {
        session_time: object.spec.session_time?,
        revision: object.spec.revision,
        run: object.metadata.name.clone()?,
    })
}

impl Target {
    /// The table that a run names.
    #[must_use]
    pub fn of(table: &DataTable, installation: &Installation) -> Self {
        let refused = |why: &str| Self::Refused(why.to_owned());
        if table.metadata.deletion_timestamp.is_some() {
            return refused("it is being deleted");
        }
        if table.spec.management_policy != ManagementPolicy::Full {
            return refused("its `spec.managementPolicy` is not 'Full', so nothing is written for it");
        }
        let desired = match Tables::goal(table, installation) {
            Ok(Goal::Present(desired)) => desired,
            Ok(_) => return refused("it is being deleted"),
            Err(problems) => {
                let first = problems.first().map(ToString::to_string).unwrap_or_default();
                return Self::Refused(format!("its spec does not hold: {first}"));
            }
        };
        let Some(published) = publishing::policy(&desired) else {
            return refused("its `spec.partitions.mode` is not 'Published'");
        };
        Self::Table(Box::new(TargetTable {
            key: Tables::key(table),
            root: published.root.clone(),
            keys: desired.partition_keys.iter().map(|key| key.name.clone()).collect(),
            columns: columns_of(&desired, table),
            is_declared: !desired.columns.is_empty(),
            publications: table.status.as_ref().map(|s| s.publications.clone()).unwrap_or_default(),
            is_at_work: desired.mode == Mode::Full && !is_stalled(table),
            athena: installation.profile(&Tables::key(table).profile).and_then(|profile| profile.athena),
        }))
    }

    /// What the table says became of what the run asks for.
    #[must_use]
    pub fn answer(&self, object: &IngestRun) -> Option<&PublicationStatus> {
        let Self::Table(table) = self else { return None };
        let uid = object.metadata.uid.as_deref()?;
        table.publications.iter().find(|told| told.uid == uid)
    }

    /// Whether what the run asks for may be published in part: then it is published wholly before the run goes.
    #[must_use]
    pub fn is_publishing(&self, object: &IngestRun) -> bool {
        let Self::Table(table) = self else { return false };
        match self.answer(object) {
            Some(answer) => !answer.state.is_over() && (answer.published > 0 || table.is_at_work),
            None => table.is_at_work,
        }
    }
}

/// The columns that a table has, or will have, as far as its resource knows.
#[must_use]
pub fn columns_of(desired: &DesiredTable, table: &DataTable) -> Known<Vec<SeenColumn>> {
    let mut columns = desired.columns.clone();
    if columns.is_empty() {
        columns = learning::remembered(table.status.as_ref());
    }
    if columns.is_empty() {
        return Known::Not("the columns of its table come from the data, and are not known yet".to_owned());
    }
    let all = columns.iter().chain(&desired.partition_keys);
    let seen = |column: &Column| SeenColumn {
        name: column.name.clone(),
        type_: column.type_.clone().unwrap_or_default(),
    };
    Known::Is(all.map(seen).collect())
}

/// Whether nothing is done for the table until somebody changes something. What failed may have been done in part.
fn is_stalled(table: &DataTable) -> bool {
    let waits = [
        Reason::SpecInvalid,
        Reason::NotAllowed,
        Reason::DatabaseNotFound,
        Reason::NotAdopted,
        Reason::OwnedByAnother,
        Reason::UnsupportedTable,
        Reason::ReplacementRequired,
    ];
    let conditions = table.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition::find(conditions, ConditionType::Stalled)
        .is_some_and(|stalled| waits.iter().any(|reason| stalled.reason == reason.name()))
}

/// When a run is deleted that has this status.
pub(super) fn expires_at(object: &IngestRun, status: &IngestRunStatus) -> Option<Timestamp> {
    let ttl = object.spec.ttl_after_finished.as_ref()?.length().ok()?;
    status.finished_at?.checked_add(ttl).ok()
}

fn expiry(object: &IngestRun) -> Option<Expiry> {
    let at = expires_at(object, object.status.as_ref()?)?;
    Some(Expiry { at, uid: object.metadata.uid.clone()? })
}

fn sweep(tables: ShadowTables, audit: &Audit, installation: &Installation) -> Sweep {
    let profile = tables.profile().map(str::to_owned);
    let athena = profile.as_ref().and_then(|profile| installation.profile(profile)?.athena);
    let queries = audit.queries(profile.as_deref().unwrap_or_default(), athena.as_ref());
    Sweep { tables, queries, profile }
}

impl RunClaim {
    pub(super) fn new(object: &IngestRun, installation: &Installation) -> Self {
        let work = OwnWork::new(object, installation)
            .filter(|work| matches!(work.task, Task::Step(_) | Task::Ecs(_)) && work.open().is_some());
        let audit = Audit::of(object, installation);
        let shadows = ShadowTables::of_deleted(object, installation);
        let shadows = shadows.map(|tables| sweep(tables, &audit, installation));
        Self { is_publishing: false, work: work.map(Box::new), shadows }
    }

    /// The task that may be under way has to be looked at.
    pub(super) fn look(&self) -> RunLook {
        let task = || {
            let own = self.work.as_deref().filter(|own| matches!(own.task, Task::Ecs(_)))?;
            Some(ecs::look(own, own.open()?))
        };
        let shadows = self.shadows.as_ref().map(Sweep::look).unwrap_or_default();
        RunLook { task: task(), ..shadows }
    }
}

impl DesiredRun {
    pub(super) fn new(object: &IngestRun, installation: &Installation) -> Self {
        let spec = &object.spec;
        let work = match (spec.engine, order(object), &spec.rollback) {
            (RunEngine::External, Some(order), _) => {
                let external = spec.external.clone().unwrap_or_default();
                Work::External {
                    order,
                    outcome: external.outcome,
                    data_time: external.data_time,
                    message: external.message,
                }
            }
            (RunEngine::KubernetesJob | RunEngine::EmrStep | RunEngine::EcsTask, ..) => {
                OwnWork::new(object, installation).map_or(Work::Unsaid, |own| Work::Own(Box::new(own)))
            }
            (RunEngine::Rollback, _, Some(rollback)) => Work::Rollback(rollback.run.clone()),
            _ => Work::Unsaid,
        };
        let audit = Audit::of(object, installation);
        let left_over = ShadowTables::left_over(object, installation);
        let status = object.status.as_ref();
        Self {
            run: object.metadata.name.clone().unwrap_or_default(),
            table: spec.table.clone(),
            work,
            target: Target::Unknown,
            gates: Vec::new(),
            is_settled: shadow::is_settled(object),
            is_cancelled: spec.cancel,
            expiry: expiry(object),
            has_shadow: status.is_some_and(|status| status.shadow.is_some() || status.audit.is_some()),
            left_over: left_over.map(|tables| sweep(tables, &audit, installation)),
            audit,
            least: SignedDuration::from_secs(installation.intervals.data_seconds.into()),
        }
    }

    /// What has to be looked at; nothing once the table is asked, since what it is asked for never changes.
    #[must_use]
    pub fn look(&self) -> RunLook {
        if self.is_settled {
            return self.left_over.as_ref().map(Sweep::look).unwrap_or_default();
        }
        let Target::Table(table) = &self.target else { return RunLook::default() };
        let output = self.look_at(publication::output(&table.root, &self.run), table);
        let pointers = |run: &String| PointerLook {
            table: table.key.clone(),
            has_partitions: !table.keys.is_empty(),
            run: run.clone(),
        };
        let look = RunLook {
            profile: table.key.profile.clone(),
            manifest: Some(publication::manifest(&table.root, &self.run)),
            ..RunLook::default()
        };
        match &self.work {
            Work::External { outcome: Some(Outcome::Failed), .. } | Work::Unsaid => RunLook::default(),
            Work::External { .. } => RunLook {
                output: Some(output),
                shadows: self.audit.look(&self.gates, table, 0, None),
                queries: self.audit.queries(&table.key.profile, table.athena.as_ref()),
                ..look
            },
            Work::Own(own) => self.look_for_work(own, table),
            Work::Rollback(run) => RunLook { pointers: Some(pointers(run)), ..look },
        }
    }

    fn look_at(&self, location: String, table: &TargetTable) -> OutputLook {
        let files = self.gates.iter().any(|gate| gate.rules.as_ref().is_ok_and(Rules::need_files));
        OutputLook { location, keys: table.keys.clone(), files }
    }

    /// First at who does the work, then at what it has brought.
    fn look_for_work(&self, own: &OwnWork, table: &TargetTable) -> RunLook {
        let traces = publication::traces(&table.root, &self.run);
        let begins = || RunLook {
            profile: table.key.profile.clone(),
            traces: (own.attempt.is_some() || own.may_begin()).then(|| traces.clone()),
            earlier: own.attempt.is_none().then(|| publication::manifest(&table.root, &self.run)),
            artifacts: own.artifacts_to_look_at(),
            shadows: own
                .shadows
                .as_ref()
                .filter(|_| own.attempt.is_some() || own.may_begin() || own.is_cancelled)
                .map(|shadows| shadows.look_for_work(table, None)),
            ..RunLook::default()
        };
        let Some(attempt) = &own.attempt else { return begins() };
        match (attempt.state, &own.task) {
            (RunAttemptState::Open, Task::Job(_)) => RunLook {
                job: Some(JobLook {
                    namespace: own.namespace.clone(),
                    name: attempt.worker.clone(),
                    uid: own.uid.clone(),
                }),
                ..RunLook::default()
            },
            (RunAttemptState::Open, Task::Ecs(_)) => {
                RunLook { task: Some(ecs::look(own, attempt)), ..RunLook::default() }
            }
            (RunAttemptState::Succeeded, _) => RunLook {
                profile: table.key.profile.clone(),
                output: Some(self.look_at(attempt.output.clone(), table)),
                traces: Some(traces),
                manifest: Some(publication::manifest(&table.root, &self.run)),
                shadows: self.audit.look(
                    &self.gates,
                    table,
                    attempt.number,
                    own.shadows
                        .as_ref()
                        .filter(|_| attempt.output_table.is_some())
                        .map(|shadows| shadows.look_for_work(table, Some(attempt))),
                ),
                queries: self.audit.queries(&table.key.profile, table.athena.as_ref()),
                ..RunLook::default()
            },
            (RunAttemptState::Failed | RunAttemptState::Lost, _) => begins(),
            (RunAttemptState::Open, Task::Step(_)) => RunLook::default(),
        }
    }
}
