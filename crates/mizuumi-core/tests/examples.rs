//! Every example in the repository holds: the schema's rules, the planner's checks, and a plan to make it.

#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mizuumi_api::{DataTable, IngestRun, Installation};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::crawler::SeenCrawler;
use mizuumi_core::data_table::files::FilesHealth;
use mizuumi_core::data_table::world::{FilesLook, SeenFiles, SeenSchema};
use mizuumi_core::data_table::{TableAround, TableStep, TableWorld, Tables};
use mizuumi_core::{Kind, Verdict};
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

#[test]
fn every_example_holds_and_plans_to_create_its_table() {
    let mut files = Vec::new();
    manifests(&examples(), &mut files);
    assert!(files.len() >= 11, "only {files:?} were found");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        let (mut objects, texts): (Vec<Value>, Vec<Value>) =
            documents.into_iter().partition(|document| document["kind"] != "ConfigMap");
        let object = objects.pop().unwrap_or_else(|| panic!("{} has no resource", file.display()));
        assert!(objects.is_empty(), "{} has two resources", file.display());
        if object["kind"] == "IngestRun" {
            let run: IngestRun =
                serde_json::from_value(object).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            run.validate_cel().unwrap_or_else(|e| panic!("{}: {e}", file.display()));
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
}
