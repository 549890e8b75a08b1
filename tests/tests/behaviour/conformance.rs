//! The model that convergence is proven on, held against the endpoint: a step done is the step simulated.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_sdk_glue::config::Credentials;
use jiff::Timestamp;
use mizuumi_api::DataTable;
use mizuumi_api::data_table::IndexState;
use mizuumi_aws::catalog::Catalog;
use mizuumi_aws::{Clients, Metrics, TablePort};
use mizuumi_core::data_table::partitions::PartitionEntry;
use mizuumi_core::data_table::publishing::Place;
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::{TableKey, TableStep, TableWorld, Tables};
use mizuumi_core::{Ask, Class, DataReading, Errand, Kind as _, Lane, Port as _, Reading, Still};
use mizuumi_tests::{Team, now};
use serde_json::{Value, json};

/// A port onto a team's account, and the resource whose steps are done.
struct Bench {
    team: Team,
    port: TablePort,
    key: TableKey,
    /// The sorts of steps that were done.
    done: BTreeMap<&'static str, usize>,
}

impl Bench {
    async fn new(name: &str) -> Self {
        let team = Team::new(name).await;
        let credentials = Credentials::new(&team.account, "local", None, None, "tests");
        let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(credentials);
        let clients = Box::pin(Clients::from_loader(&team.installation(), Metrics::unread(), loader)).await;
        let port = TablePort::new(Arc::new(Catalog::new(clients)));
        let key = Tables::key(&object(&team, json!({}), false));
        Self { team, port, key, done: BTreeMap::new() }
    }

    /// Brings the world to what a resource says, a step at a time, each held against the model.
    async fn converge(&mut self, spec: Value, deleted: bool) -> TableWorld {
        let object = object(&self.team, spec, deleted);
        let goal = Tables::goal(&object, &self.team.installation()).expect("the spec holds");
        let look = Tables::look(&goal);
        let mut world = self.port.observe(&self.key, &look, ask()).await.expect("it is seen");
        for _ in 0..8 {
            let plan = Tables::plan(&goal, &world, now());
            if plan.steps.is_empty() && plan.wake_at.is_some() {
                // Glue is at it.
                tokio::time::sleep(Duration::from_millis(500)).await;
                world = self.port.observe(&self.key, &look, ask()).await.expect("it is seen");
                continue;
            }
            if plan.steps.is_empty() {
                assert!(plan.is_settled(), "{:?}", plan.verdict);
                return world;
            }
            for step in &plan.steps {
                let expected = simulate(&world, step, now());
                self.port
                    .execute(&self.key, step, ERRAND)
                    .await
                    .unwrap_or_else(|failure| panic!("{step}: {failure}"));
                world = self.port.observe(&self.key, &look, ask()).await.expect("it is seen");
                assert_eq!(plain(&world, &expected), plain(&expected, &expected), "{step}");
                *self.done.entry(step.event_reason()).or_default() += 1;
            }
        }
        panic!("it does not come to an end")
    }

    /// Does a step that the model says changes nothing.
    async fn changes_nothing(&self, spec: Value, step: &TableStep, refused: Option<Class>) {
        let goal = Tables::goal(&object(&self.team, spec, false), &self.team.installation())
            .expect("the spec holds");
        let look = Tables::look(&goal);
        let before = self.port.observe(&self.key, &look, ask()).await.expect("it is seen");
        assert_eq!(simulate(&before, step, now()), before, "{step}");
        let outcome = self.port.execute(&self.key, step, ERRAND).await;
        assert_eq!(outcome.err().map(|failure| failure.class), refused, "{step}");
        let after = self.port.observe(&self.key, &look, ask()).await.expect("it is seen");
        assert_eq!(after, before, "{step}");
    }
}

/// Nothing changes meanwhile.
struct Always;

impl Still for Always {
    fn lapses(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    fn holds(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(std::future::ready(true))
    }
}

const ERRAND: Errand<'_> = Errand { lane: Lane::Change, still: &Always };

/// A new look at everything. When it was made is not compared.
fn ask() -> Ask {
    let definition = Reading::Since(Instant::now());
    Ask { definition, data: DataReading::Whole, lane: Lane::Change, now: Timestamp::UNIX_EPOCH }
}

fn object(team: &Team, spec: Value, deleted: bool) -> DataTable {
    let mut manifest = team.manifest("orders", spec);
    if deleted {
        manifest["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z");
    }
    serde_json::from_value(manifest).expect("a DataTable")
}

/// What the model leaves open: when a partition was made, what the files are like, and the data of a table that was not there to be looked at.
fn plain(world: &TableWorld, model: &TableWorld) -> TableWorld {
    let mut world = world.clone();
    let mut partitions = world.partitions.take().unwrap_or_default();
    for partition in partitions.values_mut() {
        partition.created = None;
    }
    let directories = world.directories.filter(|_| model.directories.is_some());
    // The model takes no time over them, and looks on when the last one of ours is gone.
    let mut indexes = world.indexes.unwrap_or_default();
    indexes.retain(|index| index.state != IndexState::Deleting);
    for index in &mut indexes {
        index.state = IndexState::Active;
    }
    let indexes = model.indexes.is_some().then_some(indexes);
    TableWorld { partitions: Some(partitions), indexes, directories, files: None, looked: None, ..world }
}

fn with_partitions(declared: &Value) -> Value {
    json!({
        "description": "first",
        "schema": { "evolution": "Breaking" },
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Declared", "declared": declared },
        "deletionPolicy": "Delete",
    })
}

#[tokio::test]
async fn every_step_done_is_the_step_simulated() {
    let mut bench = Box::pin(Bench::new("model")).await;
    let moved = format!("s3://{}/moved/", bench.team.aws.bucket);
    let mut spec = with_partitions(&json!([{ "values": ["1"] }, { "values": ["2"] }]));
    bench.converge(spec.clone(), false).await;
    spec["description"] = json!("second");
    spec["schema"]["columns"] =
        json!([{ "name": "id", "type": "string" }, { "name": "more", "type": "map<string,int>" }]);
    spec["format"] = json!("csv");
    spec["partitions"]["declared"] = json!([{ "values": ["2"], "location": moved }, { "values": ["3"] }]);
    bench.converge(spec.clone(), false).await;
    bench.team.aws.set_parameter("orders", "classification", Some("json")).await;
    bench.converge(spec.clone(), false).await;
    spec["freshness"] = json!({ "sources": [{ "type": "PartitionValue", "partitionValue": { "grain": "Day" } }], "maxAge": { "error": "1d" } });
    spec["partitions"]["declared"] = json!([{ "values": ["2026-11-21"] }]);
    bench.converge(spec.clone(), false).await;
    spec["partitionIndexes"] = json!([{ "name": "by_day", "keys": ["day"] }]);
    bench.converge(spec.clone(), false).await;
    spec["partitionIndexes"] = json!(null);
    bench.converge(spec.clone(), false).await;
    spec["deletionPolicy"] = json!("Retain");
    bench.converge(spec.clone(), true).await;
    spec["adoptionPolicy"] = json!("IfUnowned");
    bench.converge(spec.clone(), false).await;
    spec["deletionPolicy"] = json!("Delete");
    let end = bench.converge(spec, true).await;
    assert_eq!(end.table, None);
    for reason in [
        "TableCreated",
        "TableUpdated",
        "DriftCorrected",
        "FreshnessTold",
        "TableReleased",
        "TableAdopted",
        "TableDeleted",
        "PartitionsRegistered",
        "PartitionsUpdated",
        "PartitionsRemoved",
        "IndexRequested",
        "IndexRemoved",
    ] {
        assert!(bench.done.contains_key(reason), "no {reason} among {:?}", bench.done);
    }
}

#[tokio::test]
async fn directories_leave_the_list_as_their_partitions_are_registered() {
    let mut bench = Box::pin(Bench::new("dirs")).await;
    for day in ["1", "2"] {
        bench.team.aws.put(&format!("orders/day={day}/_SUCCESS"), "").await;
    }
    bench.team.aws.put("orders/day=3/part-0", "x").await;
    let mut spec = with_partitions(&json!([]));
    spec["partitions"] = json!({ "mode": "Discovered", "marker": "_SUCCESS" });
    let world = bench.converge(spec, false).await;
    assert_eq!(world.partitions.map(|all| all.len()), Some(2));
    assert_eq!(world.directories.map(|all| all.len()), Some(1));
}

#[tokio::test]
async fn steps_that_come_too_late_change_nothing() {
    let mut bench = Box::pin(Bench::new("late")).await;
    let spec = with_partitions(&json!([{ "values": ["1"] }]));
    let world = bench.converge(spec.clone(), false).await;
    let table = world.table.expect("a table");
    let definition = Box::new(table.definition.clone());
    let other = Box::new(mizuumi_core::data_table::TableDefinition {
        description: Some("too late".to_owned()),
        ..table.definition
    });
    let update = |from_version: &str| TableStep::UpdateTable {
        from_version: Some(from_version.to_owned()),
        to: other.clone(),
        changes: Vec::new(),
        archive: true,
        why: mizuumi_core::data_table::step::Why::Spec,
    };
    let entry = |value: &str| PartitionEntry::new(vec![value.to_owned()], "s3://elsewhere/".to_owned(), None);
    // Decided when it pointed elsewhere.
    let overtaken = || {
        let seen = Some(Place { location: Some("s3://before/".to_owned()), pointer: None });
        vec![PartitionEntry { seen, is_new_data: true, ..entry("1") }]
    };
    let database = bench.team.aws.database.clone();
    for (step, refused) in [
        (TableStep::CreateDatabase { name: database, owner: String::new() }, Some(Class::Conflict)),
        (TableStep::UpdatePartitions(overtaken()), Some(Class::Conflict)),
        (TableStep::WithdrawPartitions(overtaken()), Some(Class::Conflict)),
        (TableStep::CreateTable(definition), Some(Class::Conflict)),
        (update("7"), Some(Class::Conflict)),
        (TableStep::DeleteTable { owner: "somebody/else".to_owned() }, None),
        (TableStep::CreatePartitions(vec![entry("1")]), None),
        (TableStep::UpdatePartitions(vec![entry("9")]), None),
        (TableStep::DeletePartitions(vec![vec!["9".to_owned()]]), None),
        (TableStep::DeleteIndex { name: "gone".to_owned() }, None),
    ] {
        bench.changes_nothing(spec.clone(), &step, refused).await;
    }
}
