//! Laws of gates whose rules need the rows: wherever the controller stops, what a run has brought is queried once and only when its
//! audit table is whole, nothing is published before that has answered well, and in the end no audit table is left.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

#[path = "runs/flights.rs"]
mod flights;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_run::{GateVerdict, IngestRun, RunPhase};
use mizuumi_api::{DataTable, Installation, QualityCheck};
use mizuumi_core::data_table::{Column, TableDefinition};
use mizuumi_core::ingest_run::shadow::SeenShadows;
use mizuumi_core::ingest_run::world::{Output, OutputPartition};
use mizuumi_core::ingest_run::{RunAround, RunLook, RunStep, RunWorld, Runs, Target};
use mizuumi_core::publication::{Manifest, sha256};
use mizuumi_core::quality_check::query::StopQuery;
use mizuumi_core::quality_check::{FoundQuery, GateRules, SeenQuery};
use mizuumi_core::{Evidence, Kind};
use serde_json::{Value, json};

const ROOT: &str = "s3://lake/team/flights/";

fn installation() -> Installation {
    let profile = json!({ "athena": { "workgroup": "quality" } });
    flights::installation(profile, json!({ "shadows": { "database": "audits" } }))
}

fn gate(rules: &str, more: Value) -> QualityCheck {
    let mut object = json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "QualityCheck",
        "metadata": { "name": "rows", "namespace": "team-a", "uid": "c-1", "generation": 1 },
        "spec": { "table": "flights", "gate": "Publish", "rules": rules },
    });
    json_patch(&mut object["spec"], more);
    serde_json::from_value(object).expect("a check")
}

fn json_patch(object: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        for (key, value) in more {
            object[key] = value;
        }
    }
}

/// The run's table as Glue has it.
fn target() -> TableDefinition {
    let column = |name: &str, type_: &str| Column {
        name: name.to_owned(),
        type_: Some(type_.to_owned()),
        ..Column::default()
    };
    TableDefinition {
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        columns: vec![column("id", "bigint")],
        partition_keys: vec![column("day", "string")],
        location: Some(format!("{ROOT}head/")),
        parameters: [("mizuumi.owner".to_owned(), "demo/team-a/DataTable/flights@nyc.flights".to_owned())]
            .into(),
        ..TableDefinition::default()
    }
}

/// Where the controller stops in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// After so many records and steps; a record without its step is one.
    After(usize),
    Never,
}

/// Kubernetes and AWS, as far as a run with a gate has to do with them.
struct Stand {
    object: IngestRun,
    checks: Vec<QualityCheck>,
    installation: Installation,
    now: Timestamp,
    target: Option<TableDefinition>,
    tables: BTreeMap<String, TableDefinition>,
    partitions: BTreeMap<String, BTreeMap<Vec<String>, Option<String>>>,
    /// Queries by their tokens.
    queries: BTreeMap<String, SeenQuery>,
    started: usize,
    stopped: usize,
    days: Vec<&'static str>,
    manifest: Option<Manifest>,
    table: DataTable,
    is_gone: bool,
}

impl Stand {
    fn new(check: QualityCheck) -> Self {
        let work = json!({ "engine": "External", "external": { "outcome": "Succeeded" } });
        // Another's, of a name that the run's could have.
        let others = [("shadow_other_1_a0_audit".to_owned(), TableDefinition::default())];
        Self {
            object: flights::run("daily-r0", work, json!({})),
            checks: vec![check],
            installation: installation(),
            now: "2026-11-03T00:00:00Z".parse().expect("a time"),
            target: Some(target()),
            tables: others.into(),
            partitions: BTreeMap::new(),
            queries: BTreeMap::new(),
            started: 0,
            stopped: 0,
            days: vec!["1", "2"],
            manifest: None,
            table: flights::table(),
            is_gone: false,
        }
    }

    fn output(&self) -> Output {
        let partition = |day: &&str| {
            let location = format!("{ROOT}runs/daily-r0/day={day}/");
            let sha256 = sha256(format!("{day} of {}", self.days.len()).as_bytes());
            (vec![(*day).to_owned()], OutputPartition { location, files: 1, bytes: 1, sha256 })
        };
        Output { partitions: self.days.iter().map(partition).collect(), ..Output::default() }
    }

    fn world(&self, look: &RunLook) -> RunWorld {
        let shadows = look.shadows.as_ref().map(|look| SeenShadows {
            database_exists: true,
            tables: self
                .tables
                .iter()
                .filter(|(name, _)| name.starts_with(&look.prefix))
                .map(|(name, table)| (name.clone(), table.clone()))
                .collect(),
            target: look.target.as_ref().and(self.target.clone()),
            audited: look.audited.as_ref().map(|name| self.partitions.get(name).cloned().unwrap_or_default()),
            ..SeenShadows::default()
        });
        // Whoever has the token finds the query.
        let found = look.queries.iter().filter_map(|look| {
            let seen = self.queries.get(&look.token)?.clone();
            Some((look.token.clone(), FoundQuery { id: look.token.clone(), seen }))
        });
        RunWorld {
            output: look.output.as_ref().map(|_| self.output()),
            shadows,
            queries: found.collect(),
            manifest: look.manifest.as_ref().and_then(|_| {
                let manifest = self.manifest.clone()?;
                let digest = sha256(&manifest.bytes());
                Some(Ok((manifest, digest)))
            }),
            looked: Some(self.now),
            ..RunWorld::default()
        }
    }

    /// One pass of the controller; answers how many records and steps it made.
    fn pass(&mut self, stop: Stop) -> usize {
        let mut made = 0;
        for _ in 0..8 {
            if self.is_gone {
                return made;
            }
            let mut goal = Runs::goal(&self.object, &self.installation).expect("a goal");
            let target = Target::of(&self.table, &self.installation);
            let gates = self.checks.iter().filter_map(GateRules::of).collect();
            Runs::heed(&mut goal, &self.object, RunAround { target, gates, ..RunAround::default() });
            let world = self.world(&Runs::look(&goal));
            let plan = Runs::plan(&goal, &world, self.now);
            if self.object.metadata.deletion_timestamp.is_some() && plan.is_settled() {
                self.is_gone = true;
                return made;
            }
            let mut recorded = false;
            for step in &plan.steps {
                if let Some(status) = Runs::record(&self.object, step) {
                    self.object.status = Some(status);
                    (recorded, made) = (true, made + 1);
                    if stop == Stop::After(made) {
                        return made;
                    }
                }
                self.execute(step);
                made += 1;
                if stop == Stop::After(made) {
                    return made;
                }
                if recorded {
                    break;
                }
            }
            if plan.steps.is_empty() || recorded {
                let done = plan.steps.clone();
                let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
                self.object.status = Some(Runs::report(&self.object, Some(&goal), &evidence, self.now));
                return made;
            }
        }
        panic!("the plans come to no end: {:#?}", self.object.status);
    }

    fn execute(&mut self, step: &RunStep) {
        let status = self.object.status.clone().unwrap_or_default();
        match step {
            RunStep::CreateAudit { table, definition, .. } => {
                assert_eq!(status.audit.as_ref(), Some(table), "it is written down before");
                self.tables.entry(table.table.clone()).or_insert_with(|| (**definition).clone());
            }
            RunStep::FillAudit { table, partitions, .. } => {
                let registered = self.partitions.entry(table.table.clone()).or_default();
                registered
                    .extend(partitions.iter().map(|one| (one.values.clone(), Some(one.location.clone()))));
            }
            RunStep::StartQuery { query, .. } => {
                let is_written = status.gate_queries.iter().any(|of| of.query == query.record);
                assert!(is_written, "it is written down before");
                let name = status.audit.expect("an audit table").table;
                assert!(query.sql.contains(&format!("FROM \"audits\".\"{name}\"")), "{}", query.sql);
                assert!(self.tables.contains_key(&name));
                let registered = self.partitions.get(&name).map_or(0, BTreeMap::len);
                assert_eq!(registered, self.days.len(), "all that was brought is queried");
                self.queries.entry(query.token.clone()).or_insert_with(|| {
                    self.started += 1;
                    SeenQuery::Runs
                });
            }
            RunStep::StopQuery(StopQuery { token, .. }) => {
                let why = "cancelled".to_owned();
                self.queries.insert(token.clone(), SeenQuery::Failed { why, passes: false, scanned: 0 });
                self.stopped += 1;
            }
            RunStep::DeleteShadow { table, owner, .. } => {
                let there = self.tables.remove(table).expect("only what is there is deleted");
                assert_eq!(there.owner_mark(), Some(owner.as_str()), "nothing of others is deleted");
                self.partitions.remove(table);
            }
            RunStep::WriteManifest { manifest, .. } => self.manifest = Some((**manifest).clone()),
            other => panic!("{other}"),
        }
    }

    /// All queries that run end so.
    fn queries_end(&mut self, as_: &SeenQuery) {
        for query in self.queries.values_mut().filter(|query| **query == SeenQuery::Runs) {
            *query = as_.clone();
        }
    }

    /// Passes until nothing happens any more; queries that run end so after each.
    fn go_on(&mut self, as_: &SeenQuery) {
        for _ in 0..24 {
            let before = self.object.status.clone();
            let made = self.pass(Stop::Never);
            let ran = self.queries.values().any(|query| *query == SeenQuery::Runs);
            self.queries_end(as_);
            if made == 0 && !ran && before == self.object.status {
                return;
            }
            self.now = self.now.checked_add(SignedDuration::from_secs(5)).expect("a time");
            self.answers();
        }
        panic!("it comes to no end: {:#?}", self.object.status);
    }

    /// The run's table publishes what is asked for.
    fn answers(&mut self) {
        if self.manifest.is_some() && self.phase() == Some(RunPhase::Publishing) {
            let answer = json!({
                "run": "daily-r0", "uid": "u-1", "state": "Published", "partitions": 2, "published": 2, "superseded": 0,
                "since": "2026-11-03T00:00:00Z",
            });
            self.table.status = serde_json::from_value(json!({ "publications": [answer] })).ok();
        }
    }

    fn phase(&self) -> Option<RunPhase> {
        self.object.status.as_ref()?.phase
    }

    fn message(&self) -> String {
        let conditions =
            self.object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let told = conditions.iter().find(|one| one.type_ == "Succeeded");
        told.map(|one| format!("{}: {}", one.reason, one.message)).unwrap_or_default()
    }

    /// In the end there is no table of the run's, and nothing of it that runs.
    fn is_clean(&self) {
        assert_eq!(self.tables.keys().collect::<Vec<_>>(), ["shadow_other_1_a0_audit"]);
        assert!(self.queries.values().all(|query| *query != SeenQuery::Runs), "{:?}", self.queries);
        if let Some(status) = self.object.status.as_ref().filter(|_| !self.is_gone) {
            assert!(status.audit.is_none() && status.gate_queries.is_empty(), "{status:#?}");
        }
    }
}

fn answered(rows: f64) -> SeenQuery {
    SeenQuery::Answered { numbers: vec![Some(rows)], scanned: 7 }
}

fn failed(passes: bool) -> SeenQuery {
    SeenQuery::Failed { why: "the query failed: x".to_owned(), passes, scanned: 3 }
}

const RULES: &str = "Rules = [ RowCount > 3 ]";

#[test]
fn a_run_is_published_only_if_its_rows_pass() {
    for (rows, phase, verdict) in
        [(4.0, RunPhase::Succeeded, GateVerdict::Passed), (3.0, RunPhase::Failed, GateVerdict::Failed)]
    {
        let mut stand = Stand::new(gate(RULES, json!({})));
        stand.go_on(&answered(rows));
        assert_eq!(stand.phase(), Some(phase), "{}", stand.message());
        assert_eq!(stand.manifest.is_some(), rows > 3.0);
        assert_eq!(stand.started, 1);
        let gates = stand.object.status.clone().expect("a status").gates;
        assert_eq!((gates[0].verdict, gates[0].scanned_bytes), (verdict, Some(7)));
        assert!(gates[0].query_execution_id.is_some());
        stand.is_clean();
    }
}

#[test]
fn wherever_the_controller_stops_what_a_run_brings_is_queried_once() {
    for rows in [4.0, 3.0] {
        let mut tried = 0;
        for pass in 0..12 {
            for stop in 1..6 {
                let mut stand = Stand::new(gate(RULES, json!({})));
                for _ in 0..pass {
                    stand.pass(Stop::Never);
                    stand.answers();
                }
                if stand.pass(Stop::After(stop)) == stop {
                    tried += 1;
                }
                stand.go_on(&answered(rows));
                assert_eq!(
                    stand.phase().map(RunPhase::is_over),
                    Some(true),
                    "{pass} {stop}: {}",
                    stand.message()
                );
                assert_eq!((stand.started, stand.manifest.is_some()), (1, rows > 3.0), "{pass} {stop}");
                stand.is_clean();
            }
        }
        assert!(tried >= 5, "{tried}");
    }
}

/// What is changed before anything happens.
type Change = fn(&mut Stand);

#[test]
fn what_could_not_be_queried_is_no_verdict_and_the_policy_says_what_then() {
    for (policy, phase) in [("Block", RunPhase::Failed), ("Allow", RunPhase::Succeeded)] {
        let stories: [(&str, &str, Change); 3] = [
            ("the query failed: x", RULES, |_| {}),
            ("has no `shadows`", RULES, |stand| stand.installation.shadows = None),
            ("there is no column 'nowhere'", "Rules = [ IsComplete \"nowhere\" ]", |_| {}),
        ];
        for (why, rules, change) in stories {
            let mut stand = Stand::new(gate(rules, json!({ "ifNotEvaluated": policy })));
            change(&mut stand);
            stand.go_on(&failed(false));
            assert_eq!(stand.phase(), Some(phase), "{why}: {}", stand.message());
            let gates = stand.object.status.clone().expect("a status").gates;
            assert_eq!(gates[0].verdict, GateVerdict::NotEvaluated);
            let told = gates[0].message.clone().unwrap_or_default();
            assert!(told.contains(why), "{told}");
            assert_eq!(stand.started, usize::from(why.contains("failed")));
            stand.is_clean();
        }
    }
    // What Athena itself fails at is tried again.
    let mut stand = Stand::new(gate(RULES, json!({})));
    stand.go_on(&failed(true));
    assert_eq!((stand.phase(), stand.started), (Some(RunPhase::Failed), 3), "{}", stand.message());
    stand.is_clean();
}

/// A run whose query is under way.
fn queried() -> Stand {
    let mut stand = Stand::new(gate(RULES, json!({})));
    for _ in 0..6 {
        stand.pass(Stop::Never);
    }
    assert_eq!(stand.queries.values().collect::<Vec<_>>(), [&SeenQuery::Runs]);
    stand
}

#[test]
fn a_query_that_nobody_needs_any_more_is_stopped() {
    // Its run is given up.
    let mut stand = queried();
    stand.object.spec.cancel = true;
    stand.go_on(&SeenQuery::Runs);
    assert_eq!((stand.phase(), stand.stopped), (Some(RunPhase::Failed), 1), "{}", stand.message());
    stand.is_clean();
    // Its run is deleted.
    let mut stand = queried();
    stand.object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-03T00:00:00Z")).ok();
    stand.go_on(&SeenQuery::Runs);
    assert_eq!((stand.is_gone, stand.stopped), (true, 1));
    stand.is_clean();
    // The rules are others by now.
    let mut stand = queried();
    stand.checks = vec![gate("Rules = [ RowCount > 2 ]", json!({}))];
    stand.checks[0].metadata.generation = Some(2);
    for _ in 0..3 {
        stand.pass(Stop::Never);
    }
    assert_eq!((stand.started, stand.stopped), (2, 1));
    stand.go_on(&answered(3.0));
    assert_eq!(stand.phase(), Some(RunPhase::Succeeded), "{}", stand.message());
    stand.is_clean();
    // The check is gone: nothing is asked of the run any more.
    let mut stand = queried();
    stand.checks.clear();
    stand.go_on(&answered(0.0));
    assert_eq!(stand.phase(), Some(RunPhase::Succeeded), "{}", stand.message());
    stand.is_clean();
}

#[test]
fn data_that_comes_meanwhile_is_queried_too() {
    let mut stand = queried();
    stand.days.push("3");
    stand.go_on(&answered(4.0));
    assert_eq!((stand.phase(), stand.started), (Some(RunPhase::Succeeded), 2), "{}", stand.message());
    stand.is_clean();
    // What is gone again makes it another table.
    let mut stand = queried();
    stand.days.pop();
    stand.go_on(&answered(4.0));
    assert_eq!((stand.phase(), stand.started), (Some(RunPhase::Succeeded), 2), "{}", stand.message());
    stand.is_clean();
}

#[test]
fn a_table_of_somebody_else_in_its_place_is_left_and_told() {
    let mut stand = Stand::new(gate(RULES, json!({})));
    stand.pass(Stop::After(1));
    let name =
        stand.object.status.as_ref().and_then(|status| status.audit.clone()).expect("an audit table").table;
    stand.tables.insert(name.clone(), TableDefinition::default());
    stand.pass(Stop::Never);
    assert!(stand.message().starts_with("OwnedByAnother"), "{}", stand.message());
    assert!(stand.tables.contains_key(&name) && stand.queries.is_empty());
}
