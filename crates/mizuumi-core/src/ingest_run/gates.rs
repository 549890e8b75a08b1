//! The checks that a run has to pass before it asks to be published.
//!
//! Rules over rows are one query for each check, over an audit table of what the run has brought. Both are written down before:
//! the table before it is made, the query before it is started. Whoever reads the run's table reads what was there before.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::ingest_run::{GateQueryStatus, GateStatus, IngestRun};
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::{Installation, Reason};

use super::desired::{DesiredRun, Target, TargetTable, Work};
use super::plan::RunStep;
use super::shadow::{Audited, ShadowLook, ShadowTables};
use super::world::{Output, RunWorld};
use crate::owner::OwnerKey;
use crate::plan::Plan;
use crate::publication::{self, sha256};
use crate::quality_check::facts::{SeenFiles, SeenScope};
use crate::quality_check::gate;
use crate::quality_check::iceberg::UNCOUNTED;
use crate::quality_check::query::{self, Progress, StopQuery};
use crate::quality_check::{
    Answer, Asking, CatalogFacts, FoundQuery, GateRules, Known, QueryLook, Rules, SeenQuery, Statement,
};

/// How the rows of what a run brings are queried.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Its audit table, and its shadow tables; none if the installation has no database for them.
    tables: Option<ShadowTables>,
    /// The queries that were written down.
    queries: Vec<GateQueryStatus>,
    /// Whose they are.
    owner: String,
    uid: String,
}

/// So many gates of a run may need rows.
pub(super) const MOST: usize = 16;

/// What came of the queries, by the uids of the checks.
pub(super) type Answers = BTreeMap<String, Answer>;

impl Audit {
    pub(super) fn of(object: &IngestRun, installation: &Installation) -> Self {
        let owner = OwnerKey {
            installation: installation.installation.clone(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            kind: "IngestRun",
            name: object.metadata.name.clone().unwrap_or_default(),
            external: "athena".to_owned(),
        };
        Self {
            tables: ShadowTables::of_any(object, installation),
            queries: object.status.as_ref().map(|status| status.gate_queries.clone()).unwrap_or_default(),
            owner: owner.to_string(),
            uid: object.metadata.uid.clone().unwrap_or_default(),
        }
    }

    /// Writes down which ids the queries have that are known to have been started.
    pub(super) fn told(&self, all: &mut [GateQueryStatus], world: &RunWorld) {
        for of in all {
            if let Some(found) = world.queries.get(&self.token(of)) {
                of.query.id = Some(found.id.clone());
            }
        }
    }

    /// Forgets queries that are over, and of which nobody knows whether they were ever started.
    pub(super) fn forget(&self, all: &mut Vec<GateQueryStatus>, world: &RunWorld) {
        all.retain(|of| {
            world.queries.get(&self.token(of)).is_some_and(|found| matches!(found.seen, SeenQuery::Runs))
        });
    }

    /// The client token of a query that was written down.
    fn token(&self, of: &GateQueryStatus) -> String {
        query::token(&self.owner, &self.id(&of.uid), &of.query)
    }

    /// The run and the check.
    fn id(&self, check: &str) -> String {
        format!("{} {check}", self.uid)
    }

    /// The look at its audit table, beside another at its shadow tables, if gates need rows and can have them.
    pub(super) fn look(
        &self,
        gates: &[GateRules],
        table: &TargetTable,
        attempt: i64,
        beside: Option<ShadowLook>,
    ) -> Option<ShadowLook> {
        let is_needed = gates.iter().any(|gate| gate.over_rows().is_some()) && table.athena.is_some();
        match &self.tables {
            Some(tables) if is_needed => Some(tables.look_for_audit(table, attempt, beside)),
            _ => beside,
        }
    }

    /// The look at the queries that were written down.
    pub(super) fn queries(&self, profile: &str, athena: Option<&AthenaProfile>) -> Vec<QueryLook> {
        let Some(athena) = athena else { return Vec::new() };
        let look = |of: &GateQueryStatus| QueryLook {
            profile: profile.to_owned(),
            token: self.token(of),
            statement: of.query.statement.clone(),
            workgroup: athena.workgroup.clone(),
            id: of.query.id.clone(),
        };
        self.queries.iter().map(look).collect()
    }
}

/// The attempt that brought what is judged; 0 where somebody else does the work.
fn attempt(desired: &DesiredRun) -> i64 {
    match &desired.work {
        Work::Own(own) => own.attempt.as_ref().map(|attempt| attempt.number).unwrap_or_default(),
        _ => 0,
    }
}

/// What each check says of what the run has brought: of the columns that its table has, of the files in the run's directory, and
/// of the rows in them.
#[must_use]
pub(super) fn judged(
    desired: &DesiredRun,
    world: &RunWorld,
    answers: &Answers,
    now: Timestamp,
) -> Vec<GateStatus> {
    let (Target::Table(table), Some(output)) = (&desired.target, &world.output) else { return Vec::new() };
    let place = "what the run has brought".to_owned();
    let files = SeenFiles { place, files: output.files.clone() };
    // All that is said of one look is said as of that look.
    let now = world.looked.unwrap_or(now);
    let facts = CatalogFacts {
        columns: table.columns.clone(),
        files: Known::Is(files),
        rows: Known::Not(UNCOUNTED.to_owned()),
        ..CatalogFacts::default()
    };
    let judge = |gate: &GateRules| {
        let facts = CatalogFacts { references: gate.references.clone(), ..facts.clone() };
        let answer = answers.get(&gate.uid).cloned().unwrap_or_default();
        let told = gate.judge(attempt(desired), &facts, &answer, now);
        let found = desired.audit.queries.iter().find(|of| of.uid == gate.uid);
        let found = found.and_then(|of| world.queries.get(&desired.audit.token(of)));
        GateStatus {
            query_execution_id: found.map(|found| found.id.clone()),
            scanned_bytes: found.and_then(|found| found.seen.scanned()),
            ..told
        }
    };
    desired.gates.iter().map(judge).collect()
}

/// Why a run does not ask to be published: a gate is closed, or has not judged yet.
pub(super) fn refusal(
    desired: &DesiredRun,
    table: &TargetTable,
    world: &RunWorld,
    now: Timestamp,
) -> Option<Plan<RunStep>> {
    world.output.as_ref()?;
    match answers(desired, table, world, now) {
        Ok(answers) => gate::refusal(&desired.gates, &judged(desired, world, &answers, now))
            .map(|why| Plan::blocked(Reason::GateFailed, why)),
        Err(plan) => Some(plan),
    }
}

/// What the queries of all gates have answered; or what has to be done, or waited for, before they have.
pub(super) fn answers(
    desired: &DesiredRun,
    table: &TargetTable,
    world: &RunWorld,
    now: Timestamp,
) -> Result<Answers, Plan<RunStep>> {
    let over_rows = || desired.gates.iter().filter_map(|gate| Some((gate, gate.over_rows()?)));
    let none = |why: &str| {
        let not = |rules: &Rules| Answer {
            statement: Statement::new(rules, &Known::Not(why.to_owned()), &Known::default(), now),
            numbers: Known::Not(why.to_owned()),
        };
        Ok(over_rows().map(|(gate, rules)| (gate.uid.clone(), not(rules))).collect())
    };
    if over_rows().next().is_none() {
        return Ok(Answers::new());
    }
    let Some(tables) = &desired.audit.tables else {
        return none(
            "the installation's configuration has no `shadows`, so no gate can query what is not published yet; ask the platform team",
        );
    };
    let Some(output) = &world.output else { return none("nothing was brought") };
    if over_rows().count() > MOST {
        return none(
            "more than 16 checks of the table are gates whose rules need the rows; take some together",
        );
    }
    let (attempt, audit) = (attempt(desired), &desired.audit);
    let directory = match &desired.work {
        Work::Own(own) => own.attempt.as_ref().map(|attempt| attempt.output.clone()).unwrap_or_default(),
        _ => publication::output(&table.root, &desired.run),
    };
    let key = tables.audit_table(table, attempt);
    let scope =
        SeenScope { database: key.database.clone(), table: key.table.clone(), ..SeenScope::default() };
    let scope = Known::Is(scope);
    let (mut all, mut wanted, mut wait): (Answers, Vec<&GateQueryStatus>, _) =
        (Answers::new(), Vec::new(), None);
    let mut start = None;
    for (gate, rules) in over_rows() {
        let record = audit.queries.iter().find(|of| of.uid == gate.uid);
        let found = record.and_then(|of| world.queries.get(&audit.token(of)));
        let asking = Asking {
            rules,
            table: &key,
            columns: &table.columns,
            scope: &scope,
            athena: table.athena.as_ref(),
            of: reason(gate, attempt, output),
            owner: &audit.owner,
            uid: &audit.id(&gate.uid),
            record: record.map(|of| &of.query),
            seen: found.map(|found| &found.seen),
        };
        wanted.extend(record.filter(|_| asking.is_recorded()));
        match asking.progress(now) {
            Progress::Done(answer) => drop(all.insert(gate.uid.clone(), *answer)),
            Progress::Blocked(_, why) => return none(&why),
            Progress::Wait(at) => {
                let earlier = wait.take().map_or(at, |(known, _): (Timestamp, &str)| known.min(at));
                wait = Some((earlier, gate.name.as_str()));
            }
            Progress::Start(query) => {
                start = start.or(Some(RunStep::StartQuery {
                    uid: gate.uid.clone(),
                    gate: gate.name.clone(),
                    query,
                }));
            }
            // What runs for another reason is stopped below.
            Progress::None | Progress::Stop(_) => {}
        }
    }
    // One that nobody wants any more costs until it is over.
    let stale = audit.queries.iter().filter(|of| !wanted.contains(of)).map(|of| audit.token(of));
    let stops = stops(stale, &table.key.profile, world);
    if let Some(first) = stops.first() {
        return Err(Plan::converge(Reason::Running, first.to_string(), stops));
    }
    if let Some(start) = start {
        let audited = Audited { table, attempt, directory: &directory };
        if let Some(plan) = tables.before_audit(audited, world) {
            return Err(plan);
        }
        return Err(Plan::converge(Reason::Running, start.to_string(), vec![start]));
    }
    match wait {
        Some((at, gate)) => {
            let message =
                format!("all data is there; QualityCheck '{gate}' queries it before it is published");
            Err(Plan { wake_at: Some(at), ..Plan::converge(Reason::Running, message, Vec::new()) })
        }
        None => Ok(all),
    }
}

/// Stops those queries that run.
pub(super) fn stops(tokens: impl Iterator<Item = String>, profile: &str, world: &RunWorld) -> Vec<RunStep> {
    let found = tokens.filter_map(|token| Some((world.queries.get(&token)?, token)));
    let running = found.filter(|(found, _)| matches!(found.seen, SeenQuery::Runs));
    let stop = |(found, token): (&FoundQuery, String)| {
        RunStep::StopQuery(StopQuery { profile: profile.to_owned(), id: found.id.clone(), token })
    };
    running.map(stop).collect()
}

/// A digest of what is evaluated: other rules, another attempt and other files are another query.
fn reason(gate: &GateRules, attempt: i64, output: &Output) -> String {
    let files: Vec<String> = output
        .partitions
        .iter()
        .map(|(values, of)| format!("{values:?} {} {}", of.location, of.sha256))
        .collect();
    let text = format!("{} {} {attempt}\n{}", gate.uid, gate.generation, files.join("\n"));
    let mut digest = sha256(text.as_bytes());
    digest.truncate(32);
    digest
}
