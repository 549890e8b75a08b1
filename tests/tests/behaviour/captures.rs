//! What the book shows of the command line is what the commands print: `docs/src/captures/`. With UPDATE=1 it is written anew.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use aws_sdk_glue::types::{Column, SerDeInfo, StorageDescriptor, TableInput};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use mizuumi_tests::{Controller, Planned, Team, now};
use rand::RngExt as _;
use serde_json::json;

/// What the endpoint's request ids begin with.
const REQUEST: &str = "00000000-0000-4000-8000-";
const FOLDER: &str = "../docs/src/captures";

/// A team whose names are as long as those that the book shows in their place, so that lines break where they do there.
struct Shown {
    team: Team,
    namespace: String,
}

impl Shown {
    async fn new() -> Self {
        let mut team = Team::new("captures").await;
        let letters: String = (0..4).map(|_| char::from(rand::rng().random_range(b'a'..=b'z'))).collect();
        let namespace = format!("team-{letters}");
        let mut made = Namespace::default();
        made.metadata.name = Some(namespace.clone());
        let namespaces: Api<Namespace> = Api::all(team.client.clone());
        namespaces.create(&PostParams::default(), &made).await.expect("the namespace is made");
        team.namespace.clone_from(&namespace);
        team.tables = Api::namespaced(team.client.clone(), &namespace);
        team.aws.database = format!("nyc_{letters}");
        team.aws.create_database(&team.aws.database).await;
        Self { team, namespace }
    }

    /// What was printed, without what is another each time: names, times, ages.
    fn plain(&self, text: &str) -> String {
        let Team { aws, .. } = &self.team;
        let text = text.replace(&self.namespace, "team-lake").replace(&aws.bucket, "lake-example-corp");
        let text = text.replace(&aws.database, "nyc_2013");
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("20").filter(|at| rest[*at..].len() >= 20) {
            let (before, time) = rest.split_at(at);
            plain.push_str(before);
            let is_time = time.get(..20).is_some_and(|time| time.parse::<Timestamp>().is_ok());
            // Without seconds, as in messages; what follows may stand on the next line.
            let is_short = time.get(..16).is_some_and(|time| {
                let shape = |(place, byte): (usize, u8)| match place {
                    4 | 7 => byte == b'-',
                    10 => byte == b' ',
                    13 => byte == b':',
                    _ => byte.is_ascii_digit(),
                };
                time.bytes().enumerate().all(shape)
            });
            let (told, length) = match (is_time, is_short) {
                (true, _) => ("2026-11-01T00:00:00Z", 20),
                (_, true) => ("2026-11-01 00:00", 16),
                _ => ("20", 2),
            };
            plain.push_str(told);
            rest = &time[length..];
        }
        plain.push_str(rest);
        let age = |word: &str| {
            let digits = word.strip_suffix(['s', 'm']).unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        let line = |line: &str| {
            let mut before = "";
            let word = |word| {
                let shown = match word {
                    _ if age(word) => "5s",
                    _ if word.starts_with(REQUEST) => "7d7c5b46-0a4e-4a5b-9bd4-6f5f0c8f6f3a",
                    _ if before == "tried" && word.bytes().all(|byte| byte.is_ascii_digit()) => "3",
                    _ => word,
                };
                before = word;
                shown
            };
            line.split(' ').map(word).collect::<Vec<_>>().join(" ")
        };
        plain.lines().map(line).collect::<Vec<_>>().join("\n")
    }

    async fn capture(&self, name: &str, shown: &str, arguments: &[&str], input: &str) -> Planned {
        let told = self.team.run(arguments, input).await;
        self.keep(name, shown, &told);
        told
    }

    fn keep(&self, name: &str, shown: &str, told: &Planned) {
        let text = format!("$ {shown}\n{}\n", self.plain(told.out.trim_end()));
        let path = Path::new(FOLDER).join(format!("{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(FOLDER).expect("the folder is made");
            fs::write(&path, &text).expect("the capture is written");
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, there, "{} is not what is printed; write it anew with UPDATE=1", path.display());
    }
}

fn hours_ago(hours: i64) -> String {
    let whole = Timestamp::from_second(now().as_second()).expect("a time");
    whole.checked_sub(SignedDuration::from_hours(hours)).expect("a time").to_string()
}

/// A table as a crawler leaves it.
async fn crawled(team: &Team) {
    let column =
        |name: &str, type_: &str| Column::builder().name(name).r#type(type_).build().expect("a column");
    let serde = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
    let storage = StorageDescriptor::builder()
        .columns(column("station", "string"))
        .columns(column("temperature", "double"))
        .location(format!("s3://{}/weather/", team.aws.bucket))
        .input_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat")
        .output_format("org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat")
        .serde_info(SerDeInfo::builder().serialization_library(serde).build())
        .build();
    let input = TableInput::builder()
        .name("weather")
        .table_type("EXTERNAL_TABLE")
        .parameters("classification", "parquet")
        .parameters("EXTERNAL", "TRUE")
        .partition_keys(column("day", "string"))
        .storage_descriptor(storage)
        .build()
        .expect("a table");
    let create = team.aws.glue.create_table().database_name(&team.aws.database).table_input(input);
    create.send().await.expect("the table is made");
}

#[tokio::test]
async fn the_book_shows_what_the_commands_print() {
    let shown = Shown::new().await;
    let team = &shown.team;
    let namespace = shown.namespace.as_str();
    team.aws.create_table("flights", &[]).await;
    let controller = Controller::start(team).await;
    let published = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
        "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } },
    });
    team.create("delays", published).await;
    team.annotate("delays", json!({ "mizuumi.dev/reported-data-time": hours_ago(5) })).await;
    team.create("flights", json!({})).await;
    let step = json!({ "cluster": "adhoc", "step": { "name": "delays", "spark": "s3://lake/delays.py" } });
    let run = json!({ "engine": "EmrStep", "emrStep": step, "waitFor": [{ "table": format!("{}.flights", team.aws.database) }] });
    let mut job = json!({ "table": "delays" });
    json_patch::merge(&mut job, &run);
    team.create_job("nightly", json!({ "run": job })).await;
    let mut by_hand = json!({ "table": "delays", "sessionTime": hours_ago(2) });
    json_patch::merge(&mut by_hand, &run);
    team.create_run("delays-by-hand", by_hand).await;
    team.fresh("delays", "Stale").await;
    team.reason("flights", "NotAdopted").await;
    team.run_reason("delays-by-hand", "WaitingForUpstream").await;
    team.job_until("nightly", "to be looked at", |job| {
        job.status.as_ref().is_some_and(|it| !it.conditions.is_empty())
    })
    .await;
    drop(controller);

    let config = team.configuration("captures");
    let of = |command: &[&'static str]| -> Vec<String> {
        command.iter().map(|word| (*word).to_owned()).chain(["-n".to_owned(), namespace.to_owned()]).collect()
    };
    for (name, command) in [
        ("status", &["status"][..]),
        ("explain", &["explain", "dtbl/delays"]),
        ("describe", &["describe", "dtbl/delays"]),
        ("lineage", &["lineage", "delays"]),
    ] {
        let arguments = of(command);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let told = shown.capture(name, &format!("mizuumi {}", command.join(" ")), &arguments, "").await;
        assert_eq!(told.code, 0, "{told:?}");
    }
    let manifests = [
        team.manifest(
            "delays",
            json!({
                "partitionKeys": [{ "name": "day", "type": "string" }],
                "partitions": { "mode": "Published" },
                "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } },
                "description": "Delays of each day",
            }),
        ),
        team.manifest(
            "web",
            json!({ "format": "csv", "serdeParameters": { "skip.header.line.count": "1" } }),
        ),
    ];
    let texts: Vec<String> =
        manifests.iter().map(|manifest| serde_saphyr::to_string(manifest).expect("YAML")).collect();
    let plan = ["plan", "--config", &config, "-f", "-"];
    let told = shown.capture("plan", "mizuumi plan -f tables/", &plan, &texts.join("---\n")).await;
    assert_eq!(told.code, 0, "{told:?}");
    crawled(team).await;
    let weather = format!("{}.weather", team.aws.database);
    let import = ["import", "glue", &weather, "-o", "-", "--config", &config];
    let told = shown.capture("import", "mizuumi import glue nyc_2013.weather -o -", &import, "").await;
    assert_eq!(told.code, 0, "{told:?}");

    team.admin.fault(json!({ "action": "denied", "operation": "CreateTable" })).await;
    let _controller = Controller::start(team).await;
    team.create("planes", json!({})).await;
    let told = team
        .eventually("planes", "tries that failed", async || {
            let told = team.run(&["explain", "dtbl/planes", "-n", namespace], "").await;
            ensure!(told.out.contains("times in a row") && told.out.contains("next try in"), "{}", told.out);
            Ok(told)
        })
        .await;
    shown.keep("explain-failure", "mizuumi explain dtbl/planes", &told);
}
