//! Laws of shadow tables: whatever becomes of the work, and wherever the controller stops, work begins only once its table is
//! there, what is published is what is registered in it, and in the end none is left and nothing of others is gone.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]
#![expect(clippy::needless_pass_by_value, reason = "tests write json!(…) where they need it")]

#[path = "runs/flights.rs"]
mod flights;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::{DataTable, Installation, Reason};
use mizuumi_core::data_table::{Column, Serde, TableDefinition};
use mizuumi_core::ingest_run::shadow::{SeenShadows, ShadowPartition, StoredAs};
use mizuumi_core::ingest_run::trace::Traces;
use mizuumi_core::ingest_run::work::SeenJob;
use mizuumi_core::ingest_run::world::{Output, OutputPartition};
use mizuumi_core::ingest_run::{RunAround, RunStep, RunWorld, Runs, Target};
use mizuumi_core::plan::Verdict;
use mizuumi_core::publication::{Manifest, sha256};
use mizuumi_core::{Evidence, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

use flights::table;

fn installation() -> Installation {
    let jobs = json!({ "jobs": { "serviceAccount": "ingest", "images": ["ingest"] } });
    flights::installation(jobs, json!({ "shadows": { "database": "shadows" } }))
}

fn run(more: Value) -> IngestRun {
    let work = json!({
        "engine": "KubernetesJob",
        "kubernetesJob": { "image": "ingest", "args": ["INSERT OVERWRITE TABLE ${outputTable} PARTITION (day) …"] },
        "output": { "mode": "ShadowTable" },
    });
    flights::run("daily-r0", work, more)
}

fn column(name: &str, type_: &str) -> Column {
    Column { name: name.to_owned(), type_: Some(type_.to_owned()), ..Column::default() }
}

fn serde(library: &str, parameters: &[(&str, &str)]) -> Serde {
    let parameters = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Serde { name: None, library: Some(library.to_owned()), parameters: parameters.collect() }
}

/// The run's table as Glue has it.
fn target() -> TableDefinition {
    let parameters = [
        ("EXTERNAL", "TRUE"),
        ("mizuumi.owner", "demo/team-a/DataTable/flights@nyc.flights"),
        ("mizuumi.data_time", "2026-11-01T00:00:00Z"),
        ("classification", "parquet"),
        ("numRows", "7"),
        ("external.table.purge", "true"),
    ];
    TableDefinition {
        table_type: Some("EXTERNAL_TABLE".to_owned()),
        columns: vec![column("id", "bigint"), column("what", "string")],
        partition_keys: vec![column("day", "string")],
        location: Some("s3://lake/team/flights/head/".to_owned()),
        input_format: Some("parquet.Input".to_owned()),
        output_format: Some("parquet.Output".to_owned()),
        serde: Some(serde("x.ParquetHiveSerDe", &[("path", "s3://lake/team/flights/head/")])),
        parameters: parameters.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..TableDefinition::default()
    }
}

/// What the work does before it ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writes {
    Two,
    Nothing,
    Outside,
    DropsIt,
    ReplacesIt,
}

/// What becomes of the work between two passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Works,
    Fails,
    Lost,
    Done(Writes),
    StatusLost,
}

/// Kubernetes and AWS, as far as a run has to do with them.
struct Stand {
    object: IngestRun,
    now: Timestamp,
    jobs: BTreeMap<String, SeenJob>,
    traces: Traces,
    target: Option<TableDefinition>,
    tables: BTreeMap<String, TableDefinition>,
    partitions: BTreeMap<String, BTreeMap<Vec<String>, String>>,
    manifest: Option<Manifest>,
    table: DataTable,
    is_gone: bool,
}

impl Stand {
    fn new(object: IngestRun) -> Self {
        let mut tables = BTreeMap::new();
        // Another's, of a name that the run's could have.
        let others = TableDefinition {
            parameters: [("mizuumi.owner".to_owned(), "other/x/IngestRun/y@shadows.z".to_owned())].into(),
            ..TableDefinition::default()
        };
        tables.insert("shadow_other_1_a1".to_owned(), others);
        Self {
            object,
            now: "2026-11-03T00:00:00Z".parse().expect("a time"),
            jobs: BTreeMap::new(),
            traces: Traces::default(),
            target: Some(target()),
            tables,
            partitions: BTreeMap::new(),
            manifest: None,
            table: table(),
            is_gone: false,
        }
    }

    fn phase(&self) -> Option<RunPhase> {
        self.object.status.as_ref()?.phase
    }

    fn message(&self) -> (String, String) {
        let conditions = &self.object.status.as_ref().expect("a status").conditions;
        let succeeded = conditions.iter().find(|one| one.type_ == "Succeeded").expect("Succeeded");
        (succeeded.reason.clone(), succeeded.message.clone())
    }

    fn world(&self, look: &mizuumi_core::ingest_run::RunLook) -> RunWorld {
        let shadows = look.shadows.as_ref().map(|look| {
            let of = look.partitions_of.as_ref();
            let registered = of.map(|name| self.partitions.get(name).cloned().unwrap_or_default());
            let partitions = registered.map(|all| {
                all.into_iter()
                    .map(|(values, location)| {
                        (values, ShadowPartition { location: Some(location), stored: 0 })
                    })
                    .collect()
            });
            let target = self.target.clone().unwrap_or_default();
            SeenShadows {
                database_exists: true,
                tables: self
                    .tables
                    .iter()
                    .filter(|(name, _)| name.starts_with(&look.prefix))
                    .map(|(name, table)| (name.clone(), table.clone()))
                    .collect(),
                target: look.target.as_ref().and(self.target.clone()),
                partitions,
                audited: None,
                stored: vec![StoredAs {
                    columns: target.columns,
                    input_format: target.input_format,
                    serde: target.serde,
                }],
            }
        });
        let output = look.output.as_ref().map(|look| Output {
            partitions: self
                .partitions
                .values()
                .flatten()
                .filter(|(_, location)| location.starts_with(&look.location))
                .map(|(values, location)| {
                    let files = OutputPartition {
                        location: location.clone(),
                        files: 1,
                        bytes: 1,
                        sha256: sha256(location.as_bytes()),
                    };
                    (values.clone(), files)
                })
                .collect(),
            ..Output::default()
        });
        let earlier = look.earlier.as_ref().filter(|_| self.traces.last() > 0);
        RunWorld {
            job: look.job.as_ref().map(|job| self.jobs.get(&job.name).cloned().unwrap_or(SeenJob::Missing)),
            output,
            shadows,
            manifest: look.manifest.as_ref().or(earlier).and_then(|_| {
                let manifest = self.manifest.clone()?;
                let digest = sha256(&manifest.bytes());
                Some(Ok((manifest, digest)))
            }),
            traces: look.traces.as_ref().map(|_| self.traces.clone()),
            looked: Some(self.now),
            ..RunWorld::default()
        }
    }

    /// One pass of the controller; it may stop right after a record, or after so many steps.
    fn pass(&mut self, mut stops_after: Option<usize>) {
        if self.is_gone {
            return;
        }
        let installation = installation();
        for _ in 0..8 {
            let Ok(mut goal) = Runs::goal(&self.object, &installation) else { return };
            let target = Target::of(&self.table, &installation);
            Runs::heed(&mut goal, &self.object, RunAround { target, ..RunAround::default() });
            let world = self.world(&Runs::look(&goal));
            let plan = Runs::plan(&goal, &world, self.now);
            if self.object.metadata.deletion_timestamp.is_some() && plan.is_settled() {
                self.is_gone = true;
                return;
            }
            let mut recorded = false;
            for step in &plan.steps {
                if let Some(status) = Runs::record(&self.object, step) {
                    self.object.status = Some(status);
                    recorded = true;
                    if stops_after == Some(0) {
                        return;
                    }
                }
                self.execute(step);
                stops_after = stops_after.map(|left| left.saturating_sub(1));
                if stops_after == Some(0) {
                    return;
                }
                if recorded {
                    break;
                }
            }
            if plan.steps.is_empty() || recorded {
                let done = plan.steps.clone();
                let evidence = Evidence::Observed { world, plan, done, failure: None, endless: false };
                self.object.status = Some(Runs::report(&self.object, Some(&goal), &evidence, self.now));
                return;
            }
        }
        panic!("the plans come to no end: {:#?}", self.object.status);
    }

    fn execute(&mut self, step: &RunStep) {
        let number = self.object.status.as_ref().and_then(|status| status.attempt.as_ref()).map(|a| a.number);
        match step {
            RunStep::CreateShadow { shadow, definition, .. } => {
                self.tables.entry(shadow.table.clone()).or_insert_with(|| (**definition).clone());
            }
            RunStep::DeleteShadow { table, owner, .. } => {
                let there = self.tables.get(table).expect("only what is there is deleted");
                assert_eq!(there.owner_mark(), Some(owner.as_str()), "nothing of others is deleted");
                self.tables.remove(table);
                self.partitions.remove(table);
            }
            RunStep::CreateJob { job, .. } => {
                let name = self.output_table().expect("its table is written down");
                assert!(self.tables.contains_key(&name), "work begins once its table is there");
                assert!(
                    job.args.iter().any(|arg| arg.contains(&format!("TABLE shadows.{name} "))),
                    "{:?}",
                    job.args
                );
                self.traces.started.extend(number);
                self.jobs.entry(job.name.clone()).or_insert(SeenJob::Active { message: "runs".to_owned() });
            }
            RunStep::WriteResult { .. } => self.traces.ended.extend(number),
            RunStep::WriteManifest { manifest, .. } => self.manifest = Some((**manifest).clone()),
            RunStep::DeleteJob { name, .. } => drop(self.jobs.remove(name)),
            other => panic!("{other}"),
        }
    }

    /// The name of the attempt's table.
    fn output_table(&self) -> Option<String> {
        let table = self.object.status.as_ref()?.attempt.as_ref()?.output_table.clone()?;
        Some(table.strip_prefix("shadows.")?.to_owned())
    }

    fn output(&self) -> String {
        let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.map(|attempt| attempt.output.clone()).unwrap_or_default()
    }

    fn befall(&mut self, fate: Fate) {
        if fate == Fate::StatusLost {
            self.object.status = None;
            return;
        }
        let (name, output) = (self.output_table(), self.output());
        let attempt = self.object.status.as_ref().and_then(|status| status.attempt.as_ref());
        let job = attempt.and_then(|attempt| self.jobs.get_mut(&attempt.worker));
        let open = job.filter(|job| matches!(job, SeenJob::Active { .. }));
        let (Some(job), Some(name)) = (open, name) else { return };
        match fate {
            Fate::Works | Fate::StatusLost => {}
            Fate::Fails => {
                *job = SeenJob::Failed { message: "exit 1".to_owned(), was_lost: false, exit_code: None }
            }
            Fate::Lost => {
                *job = SeenJob::Failed { message: "evicted".to_owned(), was_lost: true, exit_code: None }
            }
            Fate::Done(writes) => {
                *job = SeenJob::Complete;
                let days = |root: &str| {
                    let day = |day: &str| (vec![day.to_owned()], format!("{root}day={day}/"));
                    BTreeMap::from([day("1"), day("2")])
                };
                match writes {
                    Writes::Two => drop(self.partitions.insert(name, days(&output))),
                    Writes::Outside => drop(self.partitions.insert(name, days("s3://lake/team/other/"))),
                    Writes::Nothing => {}
                    Writes::DropsIt => drop(self.tables.remove(&name)),
                    Writes::ReplacesIt => drop(self.tables.insert(name, TableDefinition::default())),
                }
            }
        }
    }

    /// The run's table has published all that was asked for.
    fn answers(&mut self) {
        let answer = json!({
            "run": "daily-r0", "uid": "u-1", "state": "Published", "partitions": 2, "published": 2, "superseded": 0,
            "since": "2026-11-03T00:00:00Z",
        });
        self.table.status = serde_json::from_value(json!({ "publications": [answer] })).ok();
    }

    fn ours(&self) -> Vec<&String> {
        let ours = |table: &TableDefinition| {
            table.owner_mark().is_some_and(|mark| mark.starts_with("demo/team-a/IngestRun/daily-r0@"))
        };
        self.tables.iter().filter(|(_, table)| ours(table)).map(|(name, _)| name).collect()
    }

    fn wait(&mut self, minutes: i64) {
        self.now = self.now.checked_add(SignedDuration::from_mins(minutes)).expect("a time");
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let writes = prop_oneof![
        3 => Just(Writes::Two), 1 => Just(Writes::Nothing), 1 => Just(Writes::Outside),
        1 => Just(Writes::DropsIt), 1 => Just(Writes::ReplacesIt)
    ];
    prop_oneof![
        3 => Just(Fate::Works), 2 => Just(Fate::Fails), 2 => Just(Fate::Lost), 3 => writes.prop_map(Fate::Done),
        1 => Just(Fate::StatusLost)
    ]
}

proptest! {
    #[test]
    fn none_is_left_and_nothing_of_others_is_gone(
        fates in proptest::collection::vec((fate(), proptest::option::of(0_usize..3)), 1..40),
        retries in 0_i32..3,
        ending in 0_u8..3,
    ) {
        let mut stand = Stand::new(run(json!({ "retries": retries })));
        for (fate, stops_after) in fates {
            stand.pass(stops_after);
            prop_assert!(stand.ours().len() <= 1, "{:?}", stand.ours());
            stand.befall(fate);
            stand.wait(11);
        }
        match ending {
            0 => stand.object.spec.cancel = true,
            1 => stand.object.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-04T00:00:00Z")).ok(),
            _ => {}
        }
        stand.answers();
        for _ in 0..12 {
            stand.pass(None);
            stand.befall(Fate::Done(Writes::Two));
            stand.wait(11);
        }
        if ending == 1 {
            prop_assert!(stand.is_gone);
        } else {
            let phase = stand.phase();
            prop_assert!(phase.is_some_and(RunPhase::is_over), "{phase:?}");
            prop_assert_eq!(stand.object.status.as_ref().and_then(|status| status.shadow.as_ref()), None);
        }
        prop_assert!(stand.ours().is_empty(), "{:?}", stand.ours());
        prop_assert!(stand.tables.contains_key("shadow_other_1_a1"));
        if let Some(manifest) = &stand.manifest {
            let values: Vec<_> = manifest.partitions.iter().map(|one| one.values.concat()).collect();
            prop_assert_eq!(values, ["1", "2"]);
        }
    }
}

#[test]
fn a_name_that_has_brought_data_before_is_told_before_anything_is_begun() {
    let mut stand = done(Writes::Two);
    for _ in 0..4 {
        stand.pass(None);
    }
    assert!(stand.manifest.is_some());
    let jobs = stand.jobs.len();
    stand.object = run(json!({}));
    stand.object.metadata.uid = Some("u-2".to_owned());
    for _ in 0..3 {
        stand.pass(None);
    }
    let (reason, message) = stand.message();
    assert_eq!((stand.phase(), reason.as_str()), (Some(RunPhase::Failed), "OutputInvalid"));
    assert!(
        message.contains("`mizuumi rerun daily-r0`") && message.contains("Nothing was begun"),
        "{message}"
    );
    assert_eq!((stand.jobs.len(), stand.ours().len()), (jobs, 0));
}

/// A run whose work is done, right before it is looked at.
fn done(writes: Writes) -> Stand {
    let mut stand = Stand::new(run(json!({})));
    for _ in 0..3 {
        stand.pass(None);
    }
    stand.befall(Fate::Done(writes));
    stand.pass(None);
    stand
}

#[test]
fn a_shadow_is_like_its_table_and_says_whose_it_is() {
    let mut stand = Stand::new(run(json!({})));
    stand.pass(None);
    let name = stand.ours().first().map(|name| (*name).clone()).expect("a shadow");
    assert!(name.starts_with("shadow_daily_r0_") && name.ends_with("_a1"), "{name}");
    let shadow = &stand.tables[&name];
    let (like, directory) = (target(), Some("s3://lake/team/flights/runs/daily-r0/a1/".to_owned()));
    assert_eq!((&shadow.columns, &shadow.partition_keys), (&like.columns, &like.partition_keys));
    assert_eq!((&shadow.input_format, &shadow.location), (&like.input_format, &directory));
    // Spark finds the files of a table of its own by this, whatever its location.
    let path = shadow.serde.as_ref().and_then(|serde| serde.parameters.get("path"));
    assert_eq!(path, directory.as_ref());
    let parameters: Vec<String> =
        shadow.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let owner = format!("mizuumi.owner=demo/team-a/IngestRun/daily-r0@shadows.{name}");
    assert_eq!(
        parameters,
        ["EXTERNAL=TRUE", "classification=parquet", &owner, "mizuumi.shadow_of=nyc.flights"]
    );
}

#[test]
fn what_was_written_wrongly_is_told_and_published_by_nobody() {
    for (writes, says) in [
        (Writes::Nothing, "no partition is registered in it"),
        (Writes::Outside, "points to 's3://lake/team/other/day=1/', outside of its directory"),
        (Writes::DropsIt, "is gone, so what was written to it is not known"),
        (Writes::ReplacesIt, "something else was put in its place, which is left as it is"),
    ] {
        let mut stand = done(writes);
        for _ in 0..3 {
            stand.pass(None);
        }
        let (reason, message) = stand.message();
        assert_eq!(reason, "OutputInvalid", "{writes:?}: {message}");
        assert!(message.contains(says), "{message}");
        assert!(stand.manifest.is_none() && stand.ours().is_empty());
        // What was put in its place is not ours to delete.
        let others = if writes == Writes::ReplacesIt { 2 } else { 1 };
        assert_eq!(stand.tables.len(), others, "{writes:?}");
    }
}

/// What is said of a world that differs a little from a good one.
fn judged(change: impl FnOnce(&mut SeenShadows, &mut Output)) -> Result<Vec<String>, String> {
    let mut stand = done(Writes::Two);
    stand.traces.ended.insert(1);
    let installation = installation();
    let mut goal = Runs::goal(&stand.object, &installation).expect("a goal");
    let target = Target::of(&stand.table, &installation);
    Runs::heed(&mut goal, &stand.object, RunAround { target, ..RunAround::default() });
    let mut world = stand.world(&Runs::look(&goal));
    change(world.shadows.as_mut().expect("shadows"), world.output.as_mut().expect("an output"));
    let plan = Runs::plan(&goal, &world, stand.now);
    let partitions = plan.steps.iter().find_map(|step| match step {
        RunStep::WriteManifest { manifest, .. } => {
            let told = |one: &mizuumi_core::publication::ManifestPartition| {
                format!("{}: {} files", one.values.concat(), one.files)
            };
            Some(manifest.partitions.iter().map(told).collect())
        }
        _ => None,
    });
    match plan.verdict {
        Verdict::Blocked(Reason::OutputInvalid, message) => Err(message),
        _ => Ok(partitions.unwrap_or_default()),
    }
}

#[test]
fn files_that_readers_would_read_otherwise_are_refused() {
    type Change = fn(&mut SeenShadows, &mut Output);
    let text = |seen: &mut SeenShadows, delimiter: &str| {
        let target = seen.target.as_mut().expect("a target");
        target.serde =
            Some(serde("x.LazySimpleSerDe", &[("field.delim", ","), ("serialization.format", ",")]));
        seen.stored[0].serde = Some(serde("x.LazySimpleSerDe", &[("field.delim", delimiter)]));
    };
    let refused: [(Change, &str); 9] = [
        (|seen, _| drop(seen.stored[0].columns.pop()), "column 'what' is missing"),
        (|seen, _| seen.stored[0].columns[0] = column("id", "int"), "column 'id' is int, and not bigint"),
        (
            |seen, _| seen.stored[0].input_format = Some("orc.Input".to_owned()),
            "the input format is 'orc.Input', and not 'parquet.Input'",
        ),
        (|seen, _| seen.stored[0].serde = Some(serde("x.OrcSerde", &[])), "the serde is 'x.OrcSerde'"),
        (
            |seen, _| {
                let target = seen.target.as_mut().expect("a target");
                target.serde = Some(serde("x.OrcSerde", &[]));
                seen.stored[0].serde.clone_from(&target.serde);
                seen.stored[0].columns.reverse();
            },
            "column 'id' is number 2, and not 1, and readers find columns by their place",
        ),
        (
            |seen, _| drop(seen.partitions.as_mut().expect("partitions").remove(&vec!["2".to_owned()])),
            "there is data in s3://lake/team/flights/runs/daily-r0/a1/day=2/ that no partition of",
        ),
        (
            |seen, _| {
                let partitions = seen.partitions.as_mut().expect("partitions");
                let location = Some("s3://lake/team/flights/runs/daily-r0/a1/mine/".to_owned());
                partitions.insert(vec!["1".to_owned()], ShadowPartition { location, stored: 0 });
            },
            "which is no directory of those values",
        ),
        (
            |seen, _| seen.tables.values_mut().for_each(|table| table.partition_keys.clear()),
            "has changed the partition keys",
        ),
        (
            |seen, _| {
                seen.tables.values_mut().for_each(|table| table.location = Some("s3://x/y/".to_owned()));
            },
            "to 's3://x/y/', outside of its directory",
        ),
    ];
    for (change, says) in refused {
        let why = judged(change).expect_err(says);
        assert!(why.contains(says), "{why}\nhas no\n{says}");
    }
    let why = judged(|seen, _| text(seen, ";")).expect_err("another delimiter");
    assert!(why.contains("the serde's parameter 'field.delim' is ';', and not ','"), "{why}");
    let good = Ok(vec!["1: 1 files".to_owned(), "2: 1 files".to_owned()]);
    assert_eq!(judged(|_, _| {}), good);
    assert_eq!(judged(|seen, _| text(seen, ",")), good);
    assert_eq!(judged(|seen, _| seen.stored[0].columns.push(column("more", "int"))), good);
    // By name, the order does not matter; and a partition that says no columns has its table's.
    assert_eq!(judged(|seen, _| seen.stored[0].columns.reverse()), good);
    assert_eq!(judged(|seen, _| seen.stored[0].columns.clear()), good);
    // A partition without rows takes the place of the rows that were there.
    let empty = judged(|_, output| drop(output.partitions.remove(&vec!["2".to_owned()])));
    assert_eq!(empty, Ok(vec!["1: 1 files".to_owned(), "2: 0 files".to_owned()]));
}

#[test]
fn what_nothing_can_be_made_like_is_told() {
    let changed = |change: fn(&mut TableDefinition)| {
        let mut target = target();
        change(&mut target);
        Some(target)
    };
    let parameter = |key: &str, value: &str| [(key.to_owned(), value.to_owned())];
    let mut iceberg = target();
    iceberg.parameters.extend(parameter("table_type", "ICEBERG"));
    let mut projected = target();
    projected.parameters.extend(parameter("projection.enabled", "true"));
    for (target, reason, says) in [
        (None, "TableNotFound", "is not there yet"),
        (
            changed(|table| table.table_type = Some("VIRTUAL_VIEW".to_owned())),
            "UnsupportedTable",
            "is a view",
        ),
        (Some(iceberg), "UnsupportedTable", "is an Iceberg table"),
        (Some(projected), "UnsupportedTable", "whose partitions Athena computes"),
        (changed(|table| table.columns.clear()), "AwaitingData", "has no columns yet"),
    ] {
        let mut stand = Stand::new(run(json!({})));
        stand.target = target;
        stand.pass(None);
        let (of, message) = stand.message();
        assert_eq!(of, reason, "{message}");
        assert!(message.contains(says) && message.contains("'nyc.flights'"), "{message}");
        assert!(stand.ours().is_empty() && stand.jobs.is_empty());
    }
}

#[test]
fn an_installation_without_a_database_for_them_lets_no_run_write_by_name() {
    let mut installation = installation();
    installation.shadows = None;
    let problems = Runs::goal(&run(json!({})), &installation).expect_err("it is not allowed");
    assert_eq!(problems[0].path, "spec.output.mode");
    assert!(problems[0].message.contains("has no `shadows`"), "{}", problems[0]);
    assert!(Runs::goal(&run(json!({ "output": { "mode": "Path" } })), &installation).is_ok());
}

#[test]
fn a_table_of_somebody_else_in_its_place_is_left_and_told() {
    let mut stand = Stand::new(run(json!({})));
    stand.pass(None);
    let name = stand.ours().first().map(|name| (*name).clone()).expect("a shadow");
    let mut stand = Stand::new(run(json!({})));
    stand.tables.insert(name.clone(), target());
    stand.pass(None);
    let (reason, message) = stand.message();
    assert_eq!(reason, "OwnedByAnother");
    assert!(message.contains("DataTable 'flights' in namespace 'team-a'"), "{message}");
    assert_eq!(stand.tables[&name], target());
}
