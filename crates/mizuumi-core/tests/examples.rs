//! Every example in the repository holds: the schema's rules, the planner's checks, and a plan to make it.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mizuumi_api::ingest_run::RunEngine;
use mizuumi_api::{
    Backfill, DataTable, EmrCluster, EmrClusterClass, IngestJob, IngestRun, Installation, QualityCheck,
    SourceConnection, annotation,
};
use mizuumi_core::backfill::sessions::Sessions;
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::crawler::SeenCrawler;
use mizuumi_core::data_table::files::FilesHealth;
use mizuumi_core::data_table::world::{FilesLook, SeenFiles, SeenSchema};
use mizuumi_core::data_table::{TableAround, TableStep, TableWorld, Tables};
use mizuumi_core::emr_cluster::{ClusterStep, ClusterWorld, Clusters, Pieces};
use mizuumi_core::ingest_job::Jobs;
use mizuumi_core::ingest_run::{Covered, RunAround, RunStep, RunWorld, Runs, Target, Worker};
use mizuumi_core::quality_check::Checks;
use mizuumi_core::source_connection::{Connections, SeenConnection, filled};
use mizuumi_core::{Goal, Kind, Verdict};
use serde_json::Value;

fn examples() -> PathBuf {
    PathBuf::from("../../examples")
}

fn manifests(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            manifests(&path, found);
        } else if path.file_name().is_some_and(|name| name != "mizuumi.yaml") {
            found.push(path);
        }
    }
}

fn data() -> SeenFiles {
    let columns = vec![("id".to_owned(), "bigint".to_owned())];
    SeenFiles {
        location: Some("s3://lake/data/".to_owned()),
        health: FilesHealth::of(vec![1]),
        newest: Some(Timestamp::UNIX_EPOCH),
        schema: Some(SeenSchema::Read { file: "s3://lake/data/part-0".to_owned(), columns, avro: None }),
        read: Vec::new(),
    }
}

/// The configuration beside an example, or else that of the quickstart.
fn installation(example: &Path) -> Installation {
    let beside = example.with_file_name("mizuumi.yaml");
    let path = if beside.is_file() { beside } else { examples().join("quickstart/mizuumi.yaml") };
    let text = std::fs::read_to_string(path).expect("configuration");
    Installation::from_yaml(&text).expect("the example configuration holds")
}

/// What the ConfigMap beside a table says.
fn avsc(table: &DataTable, texts: &[Value]) -> Option<SeenAvsc> {
    let at = table.spec.schema.as_ref()?.avsc_from.as_ref()?.config_map.as_ref()?;
    let map = texts.iter().find(|map| map["metadata"]["name"] == at.name.as_str()).expect("the ConfigMap");
    Some(SeenAvsc::Text(map["data"][&at.key].as_str().expect("its key").to_owned()))
}

/// The connection beside a job that names one.
fn connection(job: &IngestJob, file: &Path) -> SeenConnection {
    let Some(source) = &job.spec.run.source else { return SeenConnection::Unknown };
    let mut beside = Vec::new();
    manifests(file.parent().expect("a folder"), &mut beside);
    let found = beside.iter().find_map(|file| {
        let text = std::fs::read_to_string(file).expect("readable");
        let found: SourceConnection = serde_saphyr::from_str(&text).ok()?;
        (found.metadata.name.as_ref() == Some(&source.connection)).then_some(found)
    });
    found.map_or(SeenConnection::Missing, |found| SeenConnection::of(&found, &installation(file)))
}

#[test]
fn every_example_holds_and_plans_to_create_its_table() {
    let mut files = Vec::new();
    let mut clusters: BTreeMap<String, Vec<String>> = BTreeMap::new();
    manifests(&examples(), &mut files);
    assert!(files.len() >= 11, "only {files:?} were found");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        let (mut objects, texts): (Vec<Value>, Vec<Value>) =
            documents.into_iter().partition(|document| document["kind"] != "ConfigMap");
        let object = objects.pop().unwrap_or_else(|| panic!("{} has no resource", file.display()));
        assert!(objects.is_empty(), "{} has two resources", file.display());
        if let Some(kind) = object["kind"].as_str().filter(|kind| kind.starts_with("EmrCluster")) {
            clusters.entry(kind.to_owned()).or_default().push(text);
            continue;
        }
        if object["kind"] == "IngestRun" {
            let run: IngestRun =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            run.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            begins(run, &file);
            continue;
        }
        if object["kind"] == "QualityCheck" {
            let check: QualityCheck =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            check.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let goal = Checks::goal(&check, &installation(&file));
            assert!(matches!(goal, Ok(Goal::Present(_))), "{}: {goal:?}", file.display());
            continue;
        }
        if object["kind"] == "SourceConnection" {
            let source: SourceConnection =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            source.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let goal = Connections::goal(&source, &installation(&file));
            assert!(matches!(goal, Ok(Goal::Present(_))), "{}: {goal:?}", file.display());
            continue;
        }
        if object["kind"] == "Backfill" {
            let backfill: Backfill =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            backfill.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            catches_up(&backfill, &file);
            continue;
        }
        if object["kind"] == "IngestJob" {
            let job: IngestJob =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            job.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let goal = Jobs::goal(&job, &installation(&file));
            assert!(matches!(goal, Ok(Goal::Present(_))), "{}: {goal:?}", file.display());
            let seen = connection(&job, &file);
            filled(&job, &seen).unwrap_or_else(|e| panic!("{}: {e:?}", file.display()));
            continue;
        }
        let table: DataTable =
            serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        table.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let installation = installation(&file);
        let mut goal =
            Tables::goal(&table, &installation).unwrap_or_else(|e| panic!("{}: {e:?}", file.display()));
        // Where a crawler says the columns, it is made first.
        let crawler = Tables::look(&goal).crawler.map(|_| SeenCrawler::default());
        Tables::heed(&mut goal, &table, TableAround { avsc: avsc(&table, &texts), ..TableAround::default() });
        // Where the data says the columns, there is data.
        let files = Tables::look(&goal).files.filter(FilesLook::is_of_columns).map(|_| data());
        let is_crawled = crawler.is_some();
        let world = TableWorld { database_exists: true, files, crawler, ..TableWorld::default() };
        let plan = Tables::plan(&goal, &world, Timestamp::UNIX_EPOCH);
        assert!(matches!(plan.verdict, Verdict::Converging(..)), "{}: {plan:?}", file.display());
        match plan.steps.as_slice() {
            [TableStep::CreateTable(_)] if !is_crawled => {}
            [TableStep::CreateCrawler(_)] if is_crawled => {}
            steps => panic!("{}: {steps:?}", file.display()),
        }
    }
    for text in &clusters["EmrCluster"] {
        starts(text, &clusters["EmrClusterClass"]);
    }
}

/// The job of a backfill is beside it, and has sessions in its range.
fn catches_up(backfill: &Backfill, file: &Path) {
    let mut files = Vec::new();
    manifests(file.parent().expect("a folder"), &mut files);
    let texts = files.into_iter().map(|file| std::fs::read_to_string(file).expect("readable"));
    let mut jobs = texts.filter_map(|text| serde_saphyr::from_str::<IngestJob>(&text).ok());
    let job = jobs.find(|job| job.metadata.name.as_ref() == Some(&backfill.spec.job)).expect("its job");
    let schedule = job.spec.schedule.expect("a schedule");
    let sessions = Sessions::of(&backfill.spec, &schedule, Timestamp::MAX).expect("a schedule that holds");
    assert!(sessions.count() > Some(0), "{}", file.display());
}

/// The work of an example's run begins once what it waits for is there.
fn begins(mut run: IngestRun, file: &Path) {
    if !matches!(run.spec.engine, RunEngine::KubernetesJob | RunEngine::EmrStep | RunEngine::EcsTask) {
        return;
    }
    let installation = installation(file);
    let table = file.parent().expect("a folder").join(format!("10-{}.yaml", run.spec.table));
    let table: DataTable =
        serde_saphyr::from_str(&std::fs::read_to_string(table).expect("its table")).expect("a table");
    run.metadata.uid = Some("u-1".to_owned());
    let mut goal = Runs::goal(&run, &installation).expect("a goal");
    let upstreams = run.spec.wait_for.iter().flatten().map(|upstream| upstream.table.clone());
    let worker = Worker { name: "adhoc".to_owned(), runs: 0, refuses: None, stalled: None, answer: None };
    let around = RunAround {
        target: Target::of(&table, &installation),
        covered: upstreams.map(|table| (table, Covered::Until(run.spec.session_time))).collect(),
        workers: vec![worker],
        gates: Vec::new(),
    };
    Runs::heed(&mut goal, &run, around);
    let plan = Runs::plan(&goal, &RunWorld::default(), Timestamp::UNIX_EPOCH);
    let begins = matches!(
        plan.steps.as_slice(),
        [RunStep::CreateJob { .. } | RunStep::AskCluster { .. } | RunStep::RunTask { .. }]
    );
    assert!(begins, "{}: {plan:?}", file.display());
}

/// A cluster of an example is started when it is due, by the class of the same examples.
fn starts(text: &str, classes: &[String]) {
    let configuration = std::fs::read_to_string(examples().join("emr/mizuumi.yaml")).expect("configuration");
    let installation = Installation::from_yaml(&configuration).expect("the example configuration holds");
    let mut cluster: EmrCluster = serde_saphyr::from_str(text).expect("a cluster");
    cluster.validate_cel().expect("a cluster that holds");
    cluster.metadata.namespace = Some("team-a".to_owned());
    // Whoever starts when it is needed is.
    let needed = (annotation::NEEDED_UNTIL.to_owned(), "2026-11-26T04:00:00Z".to_owned());
    cluster.metadata.annotations.get_or_insert_default().extend([needed]);
    let class = classes
        .iter()
        .map(|class| serde_saphyr::from_str::<EmrClusterClass>(class).expect("a class"))
        .find(|class| class.metadata.name.as_ref() == Some(&cluster.spec.class_name))
        .expect("the class that it names");
    let mut goal = Clusters::goal(&cluster, &installation).expect("a goal");
    let pieces = Pieces { class: Some(Box::new(class)), ..Pieces::default() };
    Clusters::heed(&mut goal, &cluster, pieces);
    // Thursday noon in Tokyo.
    let now: Timestamp = "2026-11-26T03:00:00Z".parse().expect("a time");
    let plan = Clusters::plan(&goal, &ClusterWorld::default(), now);
    assert!(matches!(plan.steps.as_slice(), [ClusterStep::RunJobFlow { .. }]), "{plan:?}");
}
