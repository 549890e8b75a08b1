//! How a case is written: what differs from `base.yaml`, what is there, and what the time is.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use mizuumi_api::data_table::DataTable;
use mizuumi_api::{DataTableStatus, Installation};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::cascade::ColumnsMark;
use mizuumi_core::data_table::crawler::SeenCrawler;
use mizuumi_core::data_table::definition::OWNER_PARAMETER;
use mizuumi_core::data_table::files::FilesHealth;
use mizuumi_core::data_table::link::ObservedLink;
use mizuumi_core::data_table::simulate::simulate;
use mizuumi_core::data_table::view::ViewText;
use mizuumi_core::data_table::world::{Directory, ObservedIndex, SeenFiles, SeenSchema};
use mizuumi_core::data_table::{
    Column, ObservedPartition, ObservedTable, PartitionValues, TableAround, TableDefinition, TableGoal,
    TableWorld, Tables,
};
use mizuumi_core::kind::Kind;
use mizuumi_core::{Class, Failure, Problem};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The mark of the resource of `base.yaml`; cases write it `ours`.
const OURS: &str = "demo/team-a/DataTable/flights@nyc.flights";

/// A case, as its file has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What the case is about, for its reader.
    pub about: String,
    /// Fields of the metadata and of the spec that differ from `base.yaml`; null takes one away.
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    spec: Map<String, Value>,
    /// The status so far.
    status: Option<DataTableStatus>,
    #[serde(default)]
    world: World,
    /// AWS could not be asked.
    pub not_observed: Option<NotObserved>,
    /// Whether the steps are done, all of them once, before the status is made.
    #[serde(default)]
    pub done: bool,
    pub now: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotObserved {
    class: String,
    message: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct World {
    #[serde(default)]
    database_missing: bool,
    table: Option<Table>,
    /// In its place, a link.
    link: Option<ObservedLink>,
    #[serde(default)]
    partitions: Vec<Partition>,
    #[serde(default)]
    indexes: Vec<ObservedIndex>,
    #[serde(default)]
    directories: Vec<DirectoryText>,
    /// What the newest files say of their columns.
    files: Option<SeenSchema>,
    /// When the newest file was written.
    newest_file: Option<Timestamp>,
    /// The crawler, and the tables that it made.
    crawler: Option<SeenCrawler>,
    /// The Avro schema in S3 or in a ConfigMap.
    avsc: Option<SeenAvsc>,
    /// So many complete directories beside those, with the values 1, 2, …
    #[serde(default)]
    numbered_directories: usize,
}

/// A table, as this resource made it from an earlier spec, and what others did to it since.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Table {
    /// Fields of the earlier spec that differ from `base.yaml`.
    #[serde(default)]
    made_from: Map<String, Value>,
    /// `ours` if left out; `none`; or another's.
    mark: Option<String>,
    /// What others did.
    #[serde(default)]
    then: Edits,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Edits {
    description: Option<String>,
    location: Option<String>,
    columns: Option<BTreeMap<String, String>>,
    partition_keys: Option<BTreeMap<String, String>>,
    table_type: Option<String>,
    /// What a view says, in JSON.
    view: Option<String>,
    /// Null takes one away.
    #[serde(default)]
    parameters: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Partition {
    values: PartitionValues,
    location: String,
    /// `ours` if left out; `none`; or another's.
    mark: Option<String>,
    created: Option<Timestamp>,
    columns: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DirectoryText {
    values: PartitionValues,
    #[serde(default)]
    marker: bool,
    newest: Option<Timestamp>,
}

/// What a case stands on.
#[derive(Deserialize)]
pub struct Base {
    installation: Value,
    metadata: Map<String, Value>,
    spec: Map<String, Value>,
}

impl Base {
    pub fn installation(&self) -> Installation {
        Installation::from_yaml(&self.installation.to_string()).expect("installation")
    }

    fn object(&self, metadata: &Map<String, Value>, spec: &Map<String, Value>) -> DataTable {
        let manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "DataTable",
            "metadata": with(&self.metadata, metadata),
            "spec": with(&self.spec, spec),
        });
        serde_json::from_value(manifest).expect("manifest")
    }
}

fn with(base: &Map<String, Value>, changes: &Map<String, Value>) -> Map<String, Value> {
    let mut all = base.clone();
    all.extend(changes.clone());
    all.retain(|_, value| !value.is_null());
    all
}

impl Case {
    pub fn object(&self, base: &Base) -> DataTable {
        DataTable { status: self.status.clone(), ..base.object(&self.metadata, &self.spec) }
    }

    pub fn failure(&self) -> Option<Failure> {
        let told = self.not_observed.as_ref()?;
        let class = match told.class.as_str() {
            "Denied" => Class::Denied,
            "Throttled" => Class::Throttled,
            other => panic!("no case needs the class '{other}' yet"),
        };
        Some(Failure::new("glue:GetTable", class, told.message.clone()))
    }

    /// What is wanted, by the resource and by those that have to do with it.
    pub fn goal(&self, base: &Base) -> Result<TableGoal, Vec<Problem>> {
        let object = self.object(base);
        let mut goal = Tables::goal(&object, &base.installation())?;
        Tables::heed(
            &mut goal,
            &object,
            TableAround { avsc: self.world.avsc.clone(), ..TableAround::default() },
        );
        Ok(goal)
    }

    /// The world, as far as the look of the case's goal goes.
    pub fn world(&self, base: &Base) -> TableWorld {
        let goal = self.goal(base);
        let look = goal.as_ref().map(Tables::look).unwrap_or_default();
        let link = self.world.link.clone().map(|link| ObservedTable {
            definition: TableDefinition { link: Some(link), ..TableDefinition::default() },
            version: None,
        });
        let table = self.world.table.as_ref().map(|table| table.observed(base)).or(link);
        let look = table.as_ref().map(|table| look.at(&table.definition)).unwrap_or(look);
        let mut directories: Vec<Directory> =
            self.world.directories.iter().map(DirectoryText::observed).collect();
        directories.extend((1..=self.world.numbered_directories).map(|number| {
            DirectoryText { values: vec![number.to_string()], marker: true, newest: None }.observed()
        }));
        TableWorld {
            database_exists: !self.world.database_missing,
            table,
            partitions: look
                .partitions
                .then(|| self.world.partitions.iter().map(Partition::observed).collect()),
            indexes: look.indexes.then(|| self.world.indexes.clone()),
            directories: look.directories.map(|_| directories),
            manifests: BTreeMap::new(),
            runs: None,
            versions: None,
            vanished: Vec::new(),
            files: look.files.map(|files| SeenFiles {
                location: Some("s3://lake/team/flights/".to_owned()),
                health: FilesHealth::of(vec![1024, 64 * 1024 * 1024]),
                newest: self.world.newest_file,
                schema: files.columns.and(self.world.files.clone()),
                read: Vec::new(),
            }),
            crawler: look.crawler.and(self.world.crawler.clone()),
            avsc: look.avsc.and(self.world.avsc.clone()),
            looked: None,
        }
    }
}

impl Table {
    fn observed(&self, base: &Base) -> ObservedTable {
        // Made by what makes tables, in the world that its earlier spec found.
        let object = base.object(&Map::new(), &self.made_from);
        let goal = Tables::goal(&object, &base.installation()).expect("the earlier spec holds");
        let empty = TableWorld { database_exists: true, ..TableWorld::default() };
        let made = Tables::plan(&goal, &empty, Timestamp::UNIX_EPOCH).steps;
        let world = made.iter().fold(empty, |world, step| simulate(&world, step, Timestamp::UNIX_EPOCH));
        let mut definition = world.table.expect("made").definition;
        if let Some(mark) = &self.mark {
            definition.parameters.retain(|key, _| !key.starts_with("mizuumi."));
            definition.parameters.extend(marked(Some(mark)).map(|mark| (OWNER_PARAMETER.to_owned(), mark)));
        }
        let then = &self.then;
        let columns = |all: &BTreeMap<String, String>| -> Vec<Column> {
            let column = |(name, type_): (&String, &String)| Column {
                name: name.clone(),
                type_: Some(type_.clone()),
                ..Column::default()
            };
            all.iter().map(column).collect()
        };
        definition.description = then.description.clone().or(definition.description);
        definition.location = then.location.clone().or(definition.location);
        definition.table_type = then.table_type.clone().or(definition.table_type);
        definition.view = then.view.as_deref().map(view).or(definition.view);
        definition.columns = then.columns.as_ref().map_or(definition.columns, columns);
        definition.partition_keys = then.partition_keys.as_ref().map_or(definition.partition_keys, columns);
        for (key, value) in &then.parameters {
            match value {
                Some(value) => definition.parameters.insert(key.clone(), value.clone()),
                None => definition.parameters.remove(key),
            };
        }
        ObservedTable { definition, version: Some("7".to_owned()) }
    }
}

impl Partition {
    fn observed(&self) -> (PartitionValues, ObservedPartition) {
        let owner = marked(self.mark.as_deref());
        let observed = ObservedPartition {
            location: Some(self.location.clone()),
            owner,
            created: self.created,
            pointer: None,
            columns: self.columns.as_deref().and_then(ColumnsMark::read),
        };
        (self.values.clone(), observed)
    }
}

impl DirectoryText {
    fn observed(&self) -> Directory {
        Directory {
            values: self.values.clone(),
            location: format!("s3://lake/team/flights/year={}/", self.values.join("/month=")),
            has_marker: self.marker,
            newest: self.newest,
        }
    }
}

fn view(json: &str) -> ViewText {
    let original = format!("/* Presto View: {} */", BASE64_STANDARD.encode(json));
    ViewText { original, expanded: Some("/* Presto View */".to_owned()) }
}

fn marked(mark: Option<&str>) -> Option<String> {
    match mark {
        None | Some("ours") => Some(OURS.to_owned()),
        Some("none") => None,
        Some(other) => Some(other.to_owned()),
    }
}
