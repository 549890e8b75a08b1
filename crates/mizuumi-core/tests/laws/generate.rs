//! Objects, worlds and times for the laws, from small pools of names, so that what is wanted and what is there
//! collide.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::data_table::{CrawlState, DataTable, IndexState};
use mizuumi_api::{Installation, annotation};
use mizuumi_core::data_table::avsc_from::SeenAvsc;
use mizuumi_core::data_table::cascade::ColumnsMark;
use mizuumi_core::data_table::crawler::{
    Crawled, CrawledTable, CrawlerDefinition, CrawlerLook, ObservedCrawler, SeenCrawler,
};
use mizuumi_core::data_table::definition::{APPLIED_PARAMETER, COLUMNS_PARAMETER, Kept, OWNER_PARAMETER};
use mizuumi_core::data_table::desired::Mode;
use mizuumi_core::data_table::files::FilesHealth;
use mizuumi_core::data_table::world::{Directory, ObservedIndex, SeenFiles, SeenSchema};
use mizuumi_core::data_table::{
    Column, ObservedPartition, ObservedTable, PartitionValues, Serde, TableDefinition, TableGoal, TableWorld,
    Tables,
};
use mizuumi_core::kind::Kind;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::settle;

/// The mark that every generated object leaves.
pub const OUR_MARK: &str = "demo/team-a/DataTable/flights@nyc.flights";
/// The mark of another resource.
pub const FOREIGN_MARK: &str = "other/team-b/DataTable/flights@nyc.flights";

/// Freshness is told under names that specs and others may use too.
pub fn installation() -> Installation {
    Installation::from_yaml(
        "{installation: demo, aws: {region: us-east-1},
          allow: {databases: [nyc], s3Prefixes: ['s3://lake/team/']},
          crawlers: {database: crawls},
          profiles: {default: {crawlerRoleArn: 'arn:aws:iam::111122223333:role/crawler'}},
          freshnessParameters: {loadedAt: loaded_at}}",
    )
    .expect("installation")
}

/// A resource, and the moment at which it is looked at.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub object: DataTable,
    pub now: Timestamp,
}

impl Wanted {
    pub fn goal(&self) -> TableGoal {
        Tables::goal(&self.object, &installation()).expect("generated specs hold")
    }

    /// The same resource while it is being deleted.
    pub fn deleted(mut self) -> Self {
        let deleted = serde_json::from_value(json!("2013-01-01T00:00:00Z")).expect("time");
        self.object.metadata.deletion_timestamp = Some(deleted);
        self
    }
}

pub fn moment() -> impl Strategy<Value = Timestamp> {
    // Three months around the ends of the partitions, so that ages and deadlines come and go.
    (0_i64..8_000_000, select(vec![0, 1, 999_999_999])).prop_map(|(second, nanosecond)| {
        Timestamp::new(1_385_856_000 + second, nanosecond).expect("in range")
    })
}

/// A resource whose spec holds.
pub fn wanted() -> impl Strategy<Value = Wanted> {
    (spec(), policies(), report(), moment(), 0_i64..8_000_000).prop_map(
        |(mut spec, policies, annotations, now, age)| {
            spec.extend(policies);
            let created = Timestamp::from_second(now.as_second() - age).expect("in range");
            let manifest = json!({
                "apiVersion": "mizuumi.dev/v1alpha1",
                "kind": "DataTable",
                "metadata": {
                    "namespace": "team-a", "name": "flights", "generation": 3,
                    "creationTimestamp": created.to_string(), "annotations": annotations,
                },
                "spec": spec,
            });
            Wanted { object: serde_json::from_value(manifest).expect("manifest"), now }
        },
    )
}

/// A resource that writes.
pub fn writing() -> impl Strategy<Value = Wanted> {
    wanted().prop_map(|mut wanted| {
        wanted.object.spec.management_policy = mizuumi_api::data_table::ManagementPolicy::Full;
        wanted.object.spec.suspend = false;
        wanted
    })
}

fn policies() -> impl Strategy<Value = Map<String, Value>> {
    (
        select(vec!["Full", "Full", "Full", "ObserveOnly", "Plan"]),
        select(vec!["Retain", "Delete"]),
        select(vec!["Never", "IfUnowned"]),
        prop::bool::weighted(0.1),
        select(vec!["Require", "Create"]),
    )
        .prop_map(|(management, deletion, adoption, suspend, database)| {
            object(json!({
                "managementPolicy": management, "deletionPolicy": deletion, "adoptionPolicy": adoption,
                "suspend": suspend, "databasePolicy": database,
            }))
        })
}

fn report() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let time = || {
        prop_oneof![
            8 => moment().prop_map(|time| time.to_string()),
            1 => Just("yesterday".to_owned()),
            1 => select(vec!["-009999-06-01T00:00:00Z", "9999-12-30T22:00:00Z"]).prop_map(str::to_owned),
        ]
    };
    let data_time = prop::option::of(time().prop_map(|text| (annotation::REPORTED_DATA_TIME, text)));
    let loaded_at = prop::option::of(time().prop_map(|text| (annotation::REPORTED_LOADED_AT, text)));
    (data_time, loaded_at).prop_map(|(one, other)| one.into_iter().chain(other).collect())
}

fn spec() -> impl Strategy<Value = Map<String, Value>> {
    let text = || prop::option::of(select(vec!["", "Flights", "Flüge \"1\""]));
    (
        columns(),
        keys(),
        (text(), text(), prop::option::of(select(vec!["Lake", "Mart"]))),
        (select(vec!["s3://lake/team/flights", "s3://lake/team/flights/", "s3://lake/team/b"]), storage()),
        prop::option::of(parameters()),
        (select(vec!["Nobody", "Declared", "Declared", "Marker", "Quiet", "Projected"]), prop::bool::weighted(0.2)),
        subsequence(vec![["2013", "1"], ["2013", "12"], ["2014", "1"], ["x", "y"]], 0..=4),
        prop::option::of(freshness()),
        (layout(), prop::bool::weighted(0.3)),
    )
        .prop_map(|(columns, keys, texts, (location, storage), parameters, (mode, learns), declared, freshness, (layout, indexed))| {
            let mut spec = object(json!({
                "database": "nyc", "location": location, "schema": { "from": "Declared", "columns": columns, "evolution": "Breaking" },
            }));
            let says_columns = storage.get("format").is_some_and(|format| ["parquet", "orc"].map(Value::from).contains(format));
            if learns && says_columns && mode != "Projected" {
                spec.insert("schema".to_owned(), json!({ "from": "Files", "evolution": "Breaking" }));
            } else if learns && location.ends_with("/b") {
                let from = json!({ "s3": "s3://lake/team/schemas/flights.avsc" });
                spec.insert("schema".to_owned(), json!({ "from": "Avsc", "avscFrom": from, "evolution": "Breaking" }));
            } else if learns {
                spec.insert("schema".to_owned(), json!({ "from": "Crawler", "evolution": "Breaking" }));
            }
            spec.extend(storage);
            spec.extend(layout);
            let texts = [
                ("description", texts.0.map(Value::from)),
                ("owner", texts.1.map(Value::from)),
                ("layer", texts.2.map(Value::from)),
                ("parameters", parameters.map(|all| json!(all))),
            ];
            let set = texts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            spec.extend(set);
            if keys > 0 {
                let all =
                    [json!({ "name": "year", "type": "int" }), json!({ "name": "month", "type": "int" })];
                spec.insert("partitionKeys".to_owned(), json!(all[..keys]));
                let declared: BTreeMap<_, _> =
                    declared.iter().map(|all| (json!(all[..keys]).to_string(), &all[..keys])).collect();
                let declared: Vec<Value> =
                    declared.values().map(|values| json!({ "values": values })).collect();
                let partitions = match mode {
                    "Declared" => Some(json!({ "mode": "Declared", "declared": declared })),
                    "Marker" => Some(json!({ "mode": "Discovered", "marker": "_SUCCESS" })),
                    "Projected" => {
                        let column = |key: &Value| {
                            json!({ "name": key["name"], "type": "Integer", "range": { "from": "1", "to": "2100" } })
                        };
                        let columns: Vec<Value> = all[..keys].iter().map(column).collect();
                        Some(json!({ "mode": "Projected", "projection": { "columns": columns } }))
                    }
                    "Quiet" => Some(json!({ "mode": "Discovered", "quietPeriod": "1h", "prune": true })),
                    _ => None,
                };
                spec.extend(partitions.map(|partitions| ("partitions".to_owned(), partitions)));
                let index = indexed.then(|| json!([{ "name": "by_time", "keys": ["year"] }]));
                spec.extend(index.map(|index| ("partitionIndexes".to_owned(), index)));
            }
            let is_view = location.ends_with("/b") && mode == "Nobody";
            if is_view {
                let is_kept = |key: &String| ["description", "owner", "layer", "parameters", "retention"].contains(&key.as_str());
                spec.retain(|key, _| key == "database" || is_kept(key));
                spec.insert("schema".to_owned(), json!({ "from": "Declared", "columns": columns, "evolution": "Breaking" }));
                spec.insert("view".to_owned(), json!({ "sql": format!("SELECT * FROM {}", if learns { "a" } else { "b" }) }));
            } else {
                spec.extend(freshness.map(|freshness| ("freshness".to_owned(), freshness)));
            }
            spec
        })
}

/// Fields of the layout that need no column.
fn layout() -> impl Strategy<Value = Map<String, Value>> {
    let all = vec![
        ("retention", json!(7)),
        ("compressed", json!(true)),
        ("additionalLocations", json!(["s3://lake/team/older/"])),
        ("schemaReference", json!({ "registry": "r", "schema": "s", "versionNumber": 1 })),
    ];
    subsequence(all, 0..=4)
        .prop_map(|some| some.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// How many partition keys; mostly the same number, since another one is refused.
fn keys() -> impl Strategy<Value = usize> {
    select(vec![2, 2, 2, 2, 1, 0])
}

fn columns() -> impl Strategy<Value = Vec<Value>> {
    let types = vec!["int", "INT", "integer", "decimal(10,2)", "decimal( 10, 2 )", "array<string>", "string"];
    let one = (select(types), prop::option::of(select(vec!["", "why"])));
    (subsequence(vec!["id", "Name", "dep_delay", "a.b"], 1..=4).prop_shuffle(), prop::collection::vec(one, 4))
        .prop_map(|(names, rest)| {
            let column = |(name, (type_, comment)): (&str, (&str, Option<&str>))| match comment {
                Some(comment) => json!({ "name": name, "type": type_, "comment": comment }),
                None => json!({ "name": name, "type": type_ }),
            };
            names.into_iter().zip(rest).map(column).collect()
        })
}

fn storage() -> impl Strategy<Value = Map<String, Value>> {
    let named = (select(vec!["parquet", "orc", "csv", "json", "text"]), prop::option::of(parameters()));
    prop_oneof![
        named.prop_map(|(format, parameters)| {
            let mut storage = object(json!({ "format": format }));
            storage.extend(parameters.map(|all| ("serdeParameters".to_owned(), json!(all))));
            storage
        }),
        parameters().prop_map(|all| {
            let serde = json!({ "library": "org.example.SerDe", "parameters": all });
            object(json!({ "storage": { "inputFormat": "a.In", "outputFormat": "a.Out", "serde": serde } }))
        }),
    ]
}

/// Keys that specs, others, formats and freshness may all want.
fn parameters() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    let keys = vec!["a", "b", "classification", "EXTERNAL", "loaded_at", "field.delim", "description"];
    prop::collection::btree_map(select(keys), select(vec!["1", "2", "TRUE", ""]), 0..=4)
}

fn freshness() -> impl Strategy<Value = Value> {
    // A table without partition keys gets such a source too: it names no time, ever.
    let by_partition = |grain| json!({ "type": "PartitionValue", "partitionValue": { "grain": grain } });
    let sources =
        vec![json!({ "type": "Reported" }), by_partition("Month"), by_partition("Year"), by_partition("Day")];
    let age =
        prop::option::of(select(vec![json!({ "warn": "2d", "error": "40d" }), json!({ "error": "1h" })]));
    let crons = vec!["0 7 * * *", "30 2 * * 0"];
    (
        subsequence(sources, 1..=4).prop_shuffle(),
        age,
        select(vec!["UTC", "Asia/Tokyo"]),
        select(crons),
        any::<bool>(),
    )
        .prop_map(|(sources, age, zone, cron, with_deadline)| {
            let mut freshness = object(json!({ "sources": sources, "timeZone": zone }));
            if age.is_none() || with_deadline {
                freshness.insert("deadline".to_owned(), json!({ "cron": cron, "window": "7h" }));
            }
            freshness.extend(age.map(|age| ("maxAge".to_owned(), age)));
            Value::Object(freshness)
        })
}

/// What is there, before it is known what will be looked at.
#[derive(Clone, Debug)]
pub struct Seed {
    database_exists: bool,
    table: Option<TableDefinition>,
    partitions: BTreeMap<PartitionValues, ObservedPartition>,
    indexes: Vec<ObservedIndex>,
    directories: Vec<Directory>,
    said: SeenSchema,
    crawl: Crawl,
}

impl Seed {
    /// What a look at it sees.
    pub fn seen_by(&self, goal: &TableGoal) -> TableWorld {
        let look = Tables::look(goal);
        let table = self.table.clone().filter(|_| self.database_exists);
        let look = table.as_ref().map(|table| look.at(table)).unwrap_or(look);
        let partitions = if table.is_some() { self.partitions.clone() } else { BTreeMap::new() };
        let indexes = if table.is_some() { self.indexes.clone() } else { Vec::new() };
        let new = |d: &&Directory| !partitions.contains_key(&d.values);
        TableWorld {
            database_exists: self.database_exists,
            directories: look.directories.map(|_| self.directories.iter().filter(new).cloned().collect()),
            partitions: look.partitions.then_some(partitions),
            indexes: look.indexes.then_some(indexes),
            table: table.map(|definition| ObservedTable { definition, version: Some("7".to_owned()) }),
            manifests: BTreeMap::new(),
            runs: None,
            versions: None,
            vanished: self.partitions.keys().take(2).cloned().collect(),
            files: look.files.map(|files| SeenFiles {
                location: Some("s3://lake/team/flights/".to_owned()),
                health: FilesHealth::of(vec![1]),
                newest: None,
                schema: files.columns.map(|_| self.said.clone()),
                read: Vec::new(),
            }),
            crawler: look.crawler.map(|look| self.crawl.seen(look, root_of(goal), &self.said)),
            avsc: look.avsc.and_then(|_| schema(&self.said)),
            looked: None,
        }
    }

    /// The same with another mark on the table, if there is one.
    pub fn marked(mut self, mark: Option<&str>) -> Self {
        if let Some(table) = &mut self.table {
            table.parameters.remove(OWNER_PARAMETER);
            table.parameters.extend(mark.map(|mark| (OWNER_PARAMETER.to_owned(), mark.to_owned())));
        }
        self
    }
}

/// A resource and any world: no database, no table, a table that this spec or an earlier one made and that
/// others changed since, one of others, nobody's.
pub fn scene(wanted: impl Strategy<Value = Wanted>) -> impl Strategy<Value = (Wanted, Seed)> {
    let table = prop_oneof![
        2 => Just(None),
        2 => definition().prop_map(|definition| Some(Table::Any(Box::new(definition)))),
        6 => (writing(), any::<bool>(), definition(), prop::array::uniform7(prop::bool::weighted(0.2)))
            .prop_map(|(earlier, is_same, edits, which)| {
                Some(Table::Made { earlier: Box::new(earlier), is_same, edits: Box::new(edits), which })
            }),
    ];
    let mark = select(vec![Some(OUR_MARK), Some(OUR_MARK), Some(OUR_MARK), Some(FOREIGN_MARK), None]);
    (
        wanted,
        prop::bool::weighted(0.95),
        table,
        mark,
        partitions(),
        indexes(),
        directories(),
        (said(), crawl()),
    )
        .prop_map(
            |(wanted, database_exists, table, mark, partitions, indexes, directories, (said, crawl))| {
                let table = table.map(|table| table.of(&wanted));
                let seed = Seed { database_exists, table, partitions, indexes, directories, said, crawl }
                    .marked(mark);
                (wanted, seed)
            },
        )
}

const FILE: &str = "s3://lake/team/flights/part-0";

/// What files may say.
fn said() -> impl Strategy<Value = SeenSchema> {
    let types = select(vec!["int", "bigint", "string", "decimal(10,2)", "array<string>"]);
    let names = subsequence(vec!["id", "Name", "new", "year", "dep_delay"], 1..=4).prop_shuffle();
    let columns = (names, prop::collection::vec(types, 4)).prop_map(|(names, types)| {
        let owned = |(name, type_): (&str, &str)| (name.to_owned(), type_.to_owned());
        SeenSchema::Read {
            file: FILE.to_owned(),
            columns: names.into_iter().zip(types).map(owned).collect(),
            avro: None,
        }
    });
    prop_oneof![
        8 => columns,
        1 => Just(SeenSchema::NoFiles),
        1 => Just(SeenSchema::Unreadable(format!("{FILE} is no Parquet file"))),
    ]
}

/// A schema of fields by the same names, or what is there instead; none before anybody has looked.
fn schema(said: &SeenSchema) -> Option<SeenAvsc> {
    match said {
        SeenSchema::Read { columns, .. } => {
            let field = |(name, type_): &(String, String)| json!({ "name": name, "type": if type_ == "int" { "int" } else { "long" } });
            let fields: Vec<Value> = columns.iter().map(field).collect();
            Some(SeenAvsc::Text(json!({ "type": "record", "name": "r", "fields": fields }).to_string()))
        }
        SeenSchema::Unreadable(why) => Some(SeenAvsc::Unreadable(why.clone())),
        SeenSchema::NoFiles => None,
    }
}

/// Where a table's data is.
fn root_of(goal: &TableGoal) -> &str {
    match goal {
        TableGoal::Present(desired) => desired.root(),
        _ => "s3://lake/team/flights/",
    }
}

/// How far a crawler is.
#[derive(Clone, Debug)]
struct Crawl {
    /// The mark that it carries; none if it is not there.
    mark: Option<&'static str>,
    is_running: bool,
    is_changed: bool,
    started: Option<(Timestamp, bool)>,
    /// What it made of other places.
    left: bool,
}

fn crawl() -> impl Strategy<Value = Crawl> {
    let rarely = || prop::bool::weighted(0.15);
    let mark = select(vec![Some(OUR_MARK), Some(OUR_MARK), Some(OUR_MARK), Some(FOREIGN_MARK), None]);
    let started = prop::option::weighted(0.8, (moment(), prop::bool::weighted(0.85)));
    (mark, rarely(), rarely(), started, rarely()).prop_map(|(mark, is_running, is_changed, started, left)| {
        Crawl { mark, is_running, is_changed, started, left }
    })
}

impl Crawl {
    fn seen(&self, look: CrawlerLook, root: &str, said: &SeenSchema) -> SeenCrawler {
        let definition = CrawlerDefinition {
            name: look.name,
            mark: self.mark.unwrap_or_default().to_owned(),
            role: "crawler".to_owned(),
            database: "crawls".to_owned(),
            prefix: look.prefix.clone(),
            path: if self.is_changed { "s3://lake/" } else { root }.to_owned(),
            exclusions: Vec::new(),
            sample_size: None,
            configuration: r#"{"Grouping":{"TableGroupingPolicy":"CombineCompatibleSchemas","TableLevelConfiguration":3}}"#
                .to_owned(),
            policies: ["CRAWL_EVERYTHING", "UPDATE_IN_DATABASE", "LOG"].map(str::to_owned),
        };
        let crawler = ObservedCrawler {
            definition,
            state: if self.is_running { CrawlState::Running } else { CrawlState::Ready },
            updated: Some(Timestamp::UNIX_EPOCH),
            last: self.started.map(|(started, succeeded)| Crawled { started, succeeded, message: None }),
        };
        let table = |name: &str, location: &str, columns: &Vec<(String, String)>| CrawledTable {
            name: format!("{}{name}", look.prefix),
            location: location.to_owned(),
            columns: columns.clone(),
            avro: None,
        };
        let mut tables = Vec::new();
        if let SeenSchema::Read { columns, .. } = said
            && self.started.is_some()
        {
            tables.push(table("flights", root, columns));
            tables.extend(self.left.then(|| table("old", "s3://lake/old/", columns)));
        }
        SeenCrawler { crawler: self.mark.map(|_| crawler), tables }
    }
}

/// How a table came to be what it is.
#[derive(Clone, Debug)]
enum Table {
    Any(Box<TableDefinition>),
    Made { earlier: Box<Wanted>, is_same: bool, edits: Box<TableDefinition>, which: [bool; 7] },
}

impl Table {
    fn of(self, wanted: &Wanted) -> TableDefinition {
        match self {
            Self::Any(definition) => *definition,
            Self::Made { mut earlier, is_same, edits, which } => {
                if is_same {
                    earlier.object.spec = wanted.object.spec.clone();
                }
                edited(&earlier, *edits, which)
            }
        }
    }
}

/// A table that a spec made, with some of its parts changed by others.
fn edited(earlier: &Wanted, edits: TableDefinition, which: [bool; 7]) -> TableDefinition {
    let mut goal = earlier.goal();
    if let TableGoal::Present(desired) = &mut goal {
        desired.mode = Mode::Full;
    }
    let empty = Seed {
        database_exists: true,
        table: None,
        partitions: BTreeMap::new(),
        indexes: Vec::new(),
        directories: Vec::new(),
        said: SeenSchema::Read {
            file: FILE.to_owned(),
            columns: vec![("id".to_owned(), "int".to_owned())],
            avro: None,
        },
        crawl: Crawl {
            mark: Some(OUR_MARK),
            is_running: false,
            is_changed: false,
            started: Some((Timestamp::UNIX_EPOCH, true)),
            left: false,
        },
    };
    let settled = settle(&goal, empty.seen_by(&goal), earlier.now).expect("an empty world converges");
    let mut definition = settled.table.expect("made").definition;
    if which[0] {
        definition.description = edits.description;
    }
    if which[1] {
        definition.columns = edits.columns;
    }
    if which[2] {
        definition.location = edits.location;
    }
    if which[3] {
        definition.serde = edits.serde;
    }
    if which[4] {
        definition.parameters.extend(edits.parameters);
    }
    if which[5] {
        definition.parameters.retain(|key, _| key.len() % 2 == 0 || key.starts_with("mizuumi."));
    }
    if which[6] {
        definition.columns.reverse();
    }
    TableDefinition { kept: edits.kept, retention: edits.retention, ..definition }
}

/// A definition that no spec made.
fn definition() -> impl Strategy<Value = TableDefinition> {
    let odd_types = vec![Some("INT"), Some("int"), Some("decimal(10,2)"), Some("no type"), None];
    let column = (select(vec!["id", "name", "dep_delay", "other"]), select(odd_types));
    let applied =
        vec![None, Some("{"), Some(r#"{"hash":"x","owned":["description","parameters.a","serde.a"]}"#)];
    (
        prop::option::of(select(vec!["", "Flights", "theirs"])),
        prop::collection::vec(column, 0..4),
        keys(),
        select(vec![
            None,
            Some("s3a://lake/team/flights"),
            Some("s3://lake/team/flights//"),
            Some("hdfs://x"),
        ]),
        (prop::option::of(parameters()), parameters(), select(applied)),
        (0..3, select(vec![None, None, None, None, None, Some("a view")])),
    )
        .prop_map(
            |(description, columns, keys, location, (serde, parameters, applied), (retention, view))| {
                let column = |(name, type_): (&str, Option<&str>)| Column {
                    name: name.to_owned(),
                    type_: type_.map(str::to_owned),
                    parameters: BTreeMap::from([("iceberg.field.id".to_owned(), "1".to_owned())]),
                    ..Column::default()
                };
                let mut parameters = owned(parameters);
                parameters.extend(applied.map(|text| (APPLIED_PARAMETER.to_owned(), text.to_owned())));
                if retention == 2 {
                    parameters.insert(COLUMNS_PARAMETER.to_owned(), "0".to_owned());
                }
                TableDefinition {
                    description: description.map(str::to_owned),
                    columns: columns.into_iter().map(column).collect(),
                    partition_keys: [("year", Some("int")), ("month", Some("INT"))][..keys]
                        .iter()
                        .copied()
                        .map(column)
                        .collect(),
                    location: location.map(str::to_owned),
                    serde: serde.map(|all| Serde { parameters: owned(all), ..Serde::default() }),
                    parameters,
                    retention,
                    kept: Kept {
                        compressed: true,
                        number_of_buckets: retention,
                        unwritten: view.map(Into::into),
                        ..Kept::default()
                    },
                    ..TableDefinition::default()
                }
            },
        )
}

/// The index of the spec, the same with other keys, and one of others.
fn indexes() -> impl Strategy<Value = Vec<ObservedIndex>> {
    let index = |name: &str, key: &str| ObservedIndex {
        name: name.to_owned(),
        keys: vec![key.to_owned()],
        state: IndexState::Active,
        errors: Vec::new(),
    };
    select(vec![
        Vec::new(),
        vec![index("by_time", "year")],
        vec![index("by_time", "month")],
        vec![index("by_time", "year"), index("theirs", "month")],
    ])
}

fn partition_values() -> impl Strategy<Value = PartitionValues> {
    (select(vec!["2013", "2014", "2015", "x"]), prop::option::weighted(0.9, select(vec!["1", "12", "y"])))
        .prop_map(|(year, month)| std::iter::once(year).chain(month).map(str::to_owned).collect())
}

fn partitions() -> impl Strategy<Value = BTreeMap<PartitionValues, ObservedPartition>> {
    let location = vec![None, Some("s3://lake/team/flights/year=2013/month=1"), Some("s3://lake/moved/")];
    let mark = vec![None, Some(OUR_MARK), Some(OUR_MARK), Some(FOREIGN_MARK)];
    let one = (select(location), select(mark), prop::option::of(moment())).prop_map(
        |(location, owner, created)| ObservedPartition {
            location: location.map(str::to_owned),
            owner: owner.map(str::to_owned),
            created,
            pointer: None,
            columns: created.filter(|at| at.as_second() % 2 == 0).and_then(|_| ColumnsMark::read("0")),
        },
    );
    prop::collection::btree_map(partition_values(), one, 0..6)
}

fn directories() -> impl Strategy<Value = Vec<Directory>> {
    let one = (partition_values(), any::<bool>(), prop::option::of(moment())).prop_map(
        |(values, has_marker, newest)| {
            let location = format!("s3://lake/team/flights/{}/", values.join("/"));
            Directory { values, location, has_marker, newest }
        },
    );
    prop::collection::vec(one, 0..5)
}

fn owned(map: BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    map.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!("written as an object"),
    }
}
