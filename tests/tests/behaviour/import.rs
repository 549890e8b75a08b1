//! `mizuumi import` writes manifests of what others made, and `mizuumi plan` says of them: No changes.

use std::collections::BTreeMap;
use std::fs;

use aws_sdk_glue::types::{Column, Order, SerDeInfo, StorageDescriptor, TableInput};
use mizuumi_tests::{Controller, Planned, Team};
use serde_json::Value;

const TEXT_IN: &str = "org.apache.hadoop.mapred.TextInputFormat";
const TEXT_OUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";
const PARQUET: [&str; 3] = [
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
];
const ORC: [&str; 3] = [
    "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
    "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
    "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
];
const AVRO: [&str; 3] = [
    "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
    "org.apache.hadoop.hive.ql.io.avro.AvroContainerOutputFormat",
    "org.apache.hadoop.hive.serde2.avro.AvroSerDe",
];
/// What a crawler leaves in a table.
const CRAWLED: &[(&str, &str)] = &[
    ("CrawlerSchemaDeserializerVersion", "1.0"),
    ("CrawlerSchemaSerializerVersion", "1.0"),
    ("UPDATED_BY_CRAWLER", "nightly"),
    ("averageRecordSize", "84"),
    ("compressionType", "none"),
    ("objectCount", "12"),
    ("recordCount", "98172"),
    ("sizeKey", "8301231"),
    ("typeOfData", "file"),
];
/// How a `CREATE EXTERNAL TABLE` of Athena leaves it.
const DDL: &[(&str, &str)] = &[("EXTERNAL", "TRUE"), ("transient_lastDdlTime", "1732240000")];
/// Projection as the pages of AWS about service logs have it.
const BY_DAY: &[(&str, &str)] = &[
    ("projection.enabled", "true"),
    ("projection.day.type", "date"),
    ("projection.day.format", "yyyy/MM/dd"),
    ("projection.day.range", "2023/01/01,NOW"),
    ("projection.day.interval", "1"),
    ("projection.day.interval.unit", "DAYS"),
];

/// A table as somebody's program or console made it.
struct Shape {
    name: &'static str,
    classes: [&'static str; 3],
    serde: &'static [(&'static str, &'static str)],
    parameters: &'static [&'static [(&'static str, &'static str)]],
    columns: &'static str,
    keys: &'static str,
    more: fn(TableInput, &str) -> TableInput,
}

const fn as_it_is(input: TableInput, _: &str) -> TableInput {
    input
}

const PLAIN: Shape = Shape {
    name: "",
    classes: PARQUET,
    serde: &[("serialization.format", "1")],
    parameters: &[DDL],
    columns: "id bigint; what string; at timestamp; price decimal(10,2)",
    keys: "",
    more: as_it_is,
};

#[expect(clippy::too_many_lines, reason = "a list")]
fn shapes() -> Vec<Shape> {
    vec![
        Shape {
            name: "athena_parquet",
            keys: "year int; month int",
            parameters: &[DDL, &[("parquet.compression", "SNAPPY")]],
            ..PLAIN
        },
        Shape {
            name: "crawled_parquet",
            parameters: &[CRAWLED, &[("classification", "parquet")]],
            keys: "partition_0 string",
            ..PLAIN
        },
        Shape {
            name: "crawled_csv",
            classes: [TEXT_IN, TEXT_OUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"],
            serde: &[("field.delim", ",")],
            parameters: &[
                CRAWLED,
                &[
                    ("classification", "csv"),
                    ("delimiter", ","),
                    ("skip.header.line.count", "1"),
                    ("areColumnsQuoted", "false"),
                    ("columnsOrdered", "true"),
                ],
            ],
            ..PLAIN
        },
        Shape {
            name: "crawled_json",
            classes: [TEXT_IN, TEXT_OUT, "org.openx.data.jsonserde.JsonSerDe"],
            serde: &[("paths", "id,user,tags")],
            parameters: &[CRAWLED, &[("classification", "json")]],
            columns: "id string; user struct<name:string,age:int>; tags array<string>",
            ..PLAIN
        },
        Shape {
            name: "open_csv",
            classes: [TEXT_IN, TEXT_OUT, "org.apache.hadoop.hive.serde2.OpenCSVSerde"],
            serde: &[("separatorChar", ","), ("quoteChar", "\""), ("escapeChar", "\\")],
            columns: "id string; what string",
            ..PLAIN
        },
        Shape {
            name: "cloudtrail",
            classes: [
                "com.amazon.emr.cloudtrail.CloudTrailInputFormat",
                TEXT_OUT,
                "org.apache.hive.hcatalog.data.JsonSerDe",
            ],
            columns: "eventversion string; useridentity struct<type:string,arn:string,sessioncontext:struct<attributes:struct<mfaauthenticated:string>>>; resources array<struct<arn:string,accountid:string,type:string>>",
            keys: "day string",
            parameters: &[DDL, BY_DAY, &[("classification", "cloudtrail")]],
            more: |input, root| {
                let template = format!("{root}AWSLogs/1/CloudTrail/us-east-1/${{day}}");
                with(input, "storage.location.template", &template)
            },
            ..PLAIN
        },
        Shape {
            name: "alb_logs",
            classes: [TEXT_IN, TEXT_OUT, "org.apache.hadoop.hive.serde2.RegexSerDe"],
            serde: &[
                ("serialization.format", "1"),
                (
                    "input.regex",
                    r#"([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*):([0-9]*) \"([^ ]*) (.*) (- |[^ ]*)\" \"([^\"]*)\""#,
                ),
            ],
            columns: "type string; time string; elb string; client_ip string; client_port int; verb string; url string; proto string; agent string",
            keys: "day string",
            parameters: &[DDL, BY_DAY],
            ..PLAIN
        },
        Shape {
            name: "vpc_flow",
            classes: [TEXT_IN, TEXT_OUT, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"],
            serde: &[("field.delim", " "), ("serialization.format", " ")],
            parameters: &[DDL, &[("skip.header.line.count", "1")]],
            columns: "version int; account_id string; interface_id string; srcaddr string; start bigint; `end` bigint",
            keys: "date date",
            ..PLAIN
        },
        Shape {
            name: "grok",
            classes: [TEXT_IN, TEXT_OUT, "com.amazonaws.glue.serde.GrokSerDe"],
            serde: &[
                ("input.format", "%{SYSLOGBASE} %{QUEUEID:queue_id}: %{GREEDYDATA:rest}"),
                ("input.grokCustomPatterns", "QUEUEID [0-9A-F]{7,12}"),
            ],
            parameters: &[CRAWLED, &[("classification", "syslog"), ("grokPattern", "%{SYSLOGBASE}")]],
            columns: "timestamp string; program string; queue_id string; rest string",
            ..PLAIN
        },
        Shape {
            name: "orc_bucketed",
            classes: ORC,
            parameters: &[
                DDL,
                &[("classification", "orc"), ("orc.compress", "ZLIB"), ("bucketing_format", "spark")],
            ],
            more: |mut input, _| {
                let storage = input.storage_descriptor.as_mut().expect("storage");
                storage.bucket_columns = Some(vec!["id".to_owned()]);
                storage.number_of_buckets = 16;
                storage.sort_columns =
                    Some(vec![Order::builder().column("at").sort_order(0).build().expect("an order")]);
                input
            },
            ..PLAIN
        },
        Shape {
            name: "avro",
            classes: AVRO,
            serde: &[(
                "avro.schema.literal",
                r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"},{"name":"what","type":["null","string"]}]}"#,
            )],
            columns: "id bigint; what string",
            parameters: &[CRAWLED, &[("classification", "avro")]],
            ..PLAIN
        },
        Shape {
            name: "spark_parquet",
            serde: &[("serialization.format", "1"), ("path", "s3://elsewhere/ignored")],
            parameters: &[&[
                ("EXTERNAL", "TRUE"),
                ("spark.sql.create.version", "3.5.0-amzn-0"),
                ("spark.sql.sources.provider", "parquet"),
                ("spark.sql.sources.schema", r#"{"type":"struct","fields":[]}"#),
                ("transient_lastDdlTime", "1732240000"),
            ]],
            more: |mut input, _| {
                input.owner = Some("hadoop".to_owned());
                input.storage_descriptor.as_mut().expect("storage").number_of_buckets = -1;
                input
            },
            ..PLAIN
        },
        Shape {
            name: "described",
            parameters: &[
                DDL,
                &[("classification", "parquet"), ("has_encrypted_data", "false"), ("comment", "Orders")],
            ],
            keys: "Region string",
            more: |mut input, _| {
                input.description =
                    Some("Orders as they come in; ask team \"orders\": they know.".to_owned());
                input.owner = Some("team-orders".to_owned());
                input.retention = 30;
                let storage = input.storage_descriptor.as_mut().expect("storage");
                storage.compressed = true;
                for column in storage.columns.iter_mut().flatten() {
                    column.comment = Some(format!("the {}", column.name));
                }
                // Without the slash at the end, as Spark writes it, and with Hadoop's scheme.
                storage.location =
                    storage.location.take().map(|at| at.trim_end_matches('/').replacen("s3://", "s3a://", 1));
                input
            },
            ..PLAIN
        },
        Shape {
            name: "integers_projected",
            parameters: &[
                DDL,
                &[
                    ("projection.enabled", "true"),
                    ("projection.shard.type", "integer"),
                    ("projection.shard.range", "0,15"),
                    ("projection.shard.digits", "2"),
                    ("projection.kind.type", "enum"),
                    ("projection.kind.values", "web,app"),
                ],
            ],
            keys: "shard int; kind string",
            ..PLAIN
        },
        Shape {
            name: "hudi",
            classes: ["org.apache.hudi.hadoop.HoodieParquetInputFormat", PARQUET[1], PARQUET[2]],
            parameters: &[&[("EXTERNAL", "TRUE"), ("last_commit_time_sync", "20241122010203")]],
            ..PLAIN
        },
        Shape {
            name: "ion",
            classes: [
                "com.amazon.ionhiveserde.formats.IonInputFormat",
                "com.amazon.ionhiveserde.formats.IonOutputFormat",
                "com.amazon.ionhiveserde.IonHiveSerDe",
            ],
            ..PLAIN
        },
        Shape {
            name: "view",
            more: |mut input, database| {
                use base64::Engine as _;
                let json = serde_json::json!({
                    "originalSql": "SELECT id, what\nFROM\n  orders\n", "catalog": "awsdatacatalog",
                    "schema": database.split('/').nth(2).unwrap_or_default(),
                    "columns": [{ "name": "id", "type": "bigint" }, { "name": "what", "type": "varchar" }, { "name": "at", "type": "timestamp(3)" }, { "name": "price", "type": "decimal(10,2)" }],
                });
                let text = base64::prelude::BASE64_STANDARD.encode(json.to_string());
                input.view_original_text = Some(format!("/* Presto View: {text} */"));
                input.view_expanded_text = Some("/* Presto View */".to_owned());
                input.table_type = Some("VIRTUAL_VIEW".to_owned());
                input.parameters = Some(
                    [("presto_view", "true"), ("comment", "Presto View")]
                        .map(|(k, v)| (k.to_owned(), v.to_owned()))
                        .into(),
                );
                let storage = input.storage_descriptor.as_mut().expect("storage");
                *storage = StorageDescriptor::builder()
                    .set_columns(storage.columns.clone())
                    .location("")
                    .serde_info(SerDeInfo::builder().build())
                    .build();
                input
            },
            ..PLAIN
        },
        Shape {
            name: "iceberg",
            classes: ["", "", ""],
            parameters: &[&[
                ("table_type", "ICEBERG"),
                ("metadata_location", "s3://lake/x/metadata/00001.metadata.json"),
            ]],
            ..PLAIN
        },
    ]
}

fn with(mut input: TableInput, key: &str, value: &str) -> TableInput {
    input.parameters.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    input
}

fn columns(text: &str) -> Vec<Column> {
    let column = |part: &str| {
        let (name, type_) = part.split_once(' ').expect("a name and a type");
        Column::builder().name(name.trim_matches('`')).r#type(type_).build().expect("a column")
    };
    text.split("; ").filter(|part| !part.is_empty()).map(column).collect()
}

fn input(shape: &Shape, number: usize, team: &Team) -> TableInput {
    let name = format!("{}_{number}", shape.name);
    let root = team.location(&name);
    let map = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let [input_format, output_format, library] =
        shape.classes.map(|class| Some(class.to_owned()).filter(|class| !class.is_empty()));
    let serde = SerDeInfo::builder()
        .set_serialization_library(library)
        .set_parameters(Some(map(shape.serde).into_iter().collect()));
    let storage = StorageDescriptor::builder()
        .location(&root)
        .set_columns(Some(columns(shape.columns)))
        .set_input_format(input_format)
        .set_output_format(output_format)
        .serde_info(serde.build())
        .build();
    let parameters = shape.parameters.iter().flat_map(|pairs| map(pairs)).collect();
    let input = TableInput::builder()
        .name(name)
        .table_type("EXTERNAL_TABLE")
        .storage_descriptor(storage)
        .set_partition_keys(Some(columns(shape.keys)))
        .set_parameters(Some(parameters));
    let root = if shape.name == "view" { format!("//{}", team.aws.database) } else { root };
    (shape.more)(input.build().expect("a table"), &root)
}

async fn import(team: &Team, arguments: &[&str]) -> Planned {
    let config = team.folder().join("plan.yaml");
    // Planning writes the configuration.
    team.plan(&[], &[]).await;
    let config = config.to_string_lossy();
    team.run(&[&["import", "glue", "--config", &config], arguments].concat(), "").await
}

/// What a plan says of tables that are taken over.
const MARKS: &str = "No changes to tables that are taken over, but for the marks that say whose they are.";

#[tokio::test]
async fn a_database_of_a_hundred_tables_is_imported_and_plans_to_no_changes() {
    let team = Team::new("import").await;
    let shapes = shapes();
    let inputs: Vec<TableInput> = (0..6)
        .flat_map(|number| shapes.iter().map(move |shape| (shape, number)))
        .map(|(shape, number)| input(shape, number, &team))
        .collect();
    assert!(inputs.len() > 100, "{}", inputs.len());
    let create = |input: &TableInput| {
        team.aws.glue.create_table().database_name(&team.aws.database).table_input(input.clone()).send()
    };
    for made in futures::future::join_all(inputs.iter().map(create)).await {
        made.expect("the table is made");
    }
    let folder = team.folder().join("imported");
    let to = folder.to_string_lossy().into_owned();
    let since = team.admin.seq().await;
    let imported = import(&team, &[&team.aws.database, "-o", &to, "--namespace", &team.namespace]).await;
    assert_eq!(imported.code, 0, "{imported:?}");
    assert!(
        imported.err.ends_with(&format!("imported {0} of {0} tables.\n", inputs.len())),
        "{}",
        imported.err
    );
    let calls = team.admin.count("GetTables", since).await;
    assert!(calls <= 3, "{calls} calls for {} tables", inputs.len());

    let since = team.admin.seq().await;
    let planned = team.plan_folder(&team.installation(), &folder, &[]).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let last = planned.out.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("Plan: ")
            && last.contains(" to take over, 0 to create, 0 to change")
            && last.ends_with(MARKS),
        "{}",
        planned.out
    );
    let coded = team.plan_folder(&team.installation(), &folder, &["--detailed-exitcode"]).await;
    assert_eq!(coded.code, 2, "marks are written, so that is a change");
    assert!(!planned.out.contains("will be changed"), "{}", planned.out);
    let calls = team.admin.calls(since).await.len();
    assert!(calls <= 20, "{calls} calls to plan {} tables", inputs.len());
    assert_eq!(team.admin.writes().await.len(), 0, "it only reads");

    // What it says is what a person would have written.
    let read = |name: &str| -> Value {
        let text = fs::read_to_string(folder.join(format!("{name}.yaml"))).expect("a manifest");
        serde_saphyr::from_str(&text).expect("YAML")
    };
    let spec = |name: &str| read(name)["spec"].clone();
    assert_eq!(spec("iceberg-0")["managementPolicy"], "ObserveOnly");
    assert_eq!(spec("crawled-parquet-0")["format"], "parquet");
    assert_eq!(spec("alb-logs-0")["partitions"]["mode"], "Projected");
    // Its template has no final '/', as AWS's own guide to CloudTrail has it, and that is kept as it is.
    assert_eq!(spec("cloudtrail-0")["parameters"]["projection.enabled"], "true");
    assert_eq!(spec("integers-projected-0")["partitions"]["projection"]["columns"][0]["digits"], 2);
    assert_eq!(spec("view-0")["view"]["sql"], "SELECT id, what\nFROM\n  orders");
    assert_eq!(spec("described-0")["owner"], "team-orders");
    assert!(spec("spark-parquet-0")["parameters"].is_null(), "{:#}", spec("spark-parquet-0"));
    let again = import(&team, &[&team.aws.database, "-o", &to]).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("is there already; nothing was written"), "{}", again.err);

    // Applied, it changes nothing that others read.
    let before: BTreeMap<String, _> =
        team.aws.all_tables().await.into_iter().map(|table| (table.name().to_owned(), table)).collect();
    let _controller = Controller::start(&team).await;
    for name in ["crawled-csv-0", "cloudtrail-1", "alb-logs-2", "described-3", "view-4", "avro-5"] {
        team.try_create(&read(name)).await.expect("the manifest is accepted");
    }
    for name in ["crawled-csv-0", "cloudtrail-1", "alb-logs-2", "described-3", "view-4", "avro-5"] {
        team.ready(name).await;
        let table = team.aws.table(&name.replace('-', "_")).await.expect("the table");
        let before = &before[table.name()];
        let described =
            |table: &aws_sdk_glue::types::Table| table.storage_descriptor.clone().map(without_emptiness);
        assert_eq!(described(&table), described(before), "{name}");
        for (key, value) in before.parameters.iter().flatten() {
            assert_eq!(table.parameters.as_ref().and_then(|all| all.get(key)), Some(value), "{name}: {key}");
        }
    }
}

/// An empty text, and parameters of which there are none, say as much as nothing.
fn without_emptiness(mut storage: StorageDescriptor) -> StorageDescriptor {
    storage.location = storage.location.filter(|location| !location.is_empty());
    if let Some(serde) = &mut storage.serde_info {
        serde.parameters = serde.parameters.take().filter(|parameters| !parameters.is_empty());
    }
    storage
}

#[tokio::test]
async fn what_cannot_be_imported_is_told_and_the_rest_is() {
    let team = Team::new("import-some").await;
    let plain = Shape { name: "orders", ..PLAIN };
    let elsewhere = Shape {
        name: "jdbc",
        more: |mut input, _| {
            input.storage_descriptor.as_mut().expect("storage").location =
                Some("shop.public.orders".to_owned());
            input
        },
        ..PLAIN
    };
    let managed = Shape {
        name: "managed",
        more: |mut input, _| {
            input.table_type = Some("MANAGED_TABLE".to_owned());
            input
        },
        ..PLAIN
    };
    for shape in [&plain, &elsewhere, &managed] {
        let create = team
            .aws
            .glue
            .create_table()
            .database_name(&team.aws.database)
            .table_input(input(shape, 0, &team));
        create.send().await.expect("the table is made");
    }
    let imported = import(&team, &[&team.aws.database, "-o", "-"]).await;
    assert_eq!(imported.code, 2, "{imported:?}");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&imported.out).expect("YAML");
    let names: Vec<&str> =
        documents.iter().filter_map(|document| document["metadata"]["name"].as_str()).collect();
    assert_eq!(names, ["managed-0", "orders-0"]);
    assert_eq!(documents[0]["spec"]["managementPolicy"], "Plan", "{:#}", documents[0]);
    for part in
        ["jdbc_0: its data is not in S3 but at 'shop.public.orders'", "imported 2 of 3 tables", "tableType"]
    {
        assert!(imported.err.contains(part), "no {part:?} in {}", imported.err);
    }
    let none = import(&team, &["nowhere", "-o", "-"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.err.contains("there is no database 'nowhere' in Glue"), "{}", none.err);
    team.admin.fault(serde_json::json!({ "action": "denied" })).await;
    let denied = import(&team, &[&team.aws.database, "-o", "-"]).await;
    assert_eq!(denied.code, 1, "{denied:?}");
    assert!(denied.err.contains("glue:GetTables failed: AccessDeniedException"), "{}", denied.err);
}
