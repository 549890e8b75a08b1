//! Columns come from the data: what files say is what the table has, and what they do not say changes nothing.

use anyhow::ensure;
use apache_avro::types::{Record, Value as Datum};
use apache_avro::{Schema, Writer};
use kube::Api;
use kube::api::{Patch, PatchParams};
use mizuumi_api::DataTable;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Controller, Team, reason_of};
use serde_json::{Value, json};

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/", $name)).as_slice()
    };
}

/// A table whose files say its columns.
fn learns(more: &Value) -> Value {
    let mut spec = json!({ "schema": { "from": "Files", "columns": null } });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn discovered() -> Value {
    learns(&json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Discovered", "marker": "_SUCCESS" },
    }))
}

/// Writes a directory of a table with partitions.
async fn bring(team: &Team, day: &str, bytes: &[u8]) {
    team.aws.put(&format!("orders/day={day}/part-0"), bytes).await;
    team.aws.put(&format!("orders/day={day}/_SUCCESS"), "").await;
}

/// What the status says of the columns.
async fn said(team: &Team) -> (String, Vec<String>) {
    let schema = team.get("orders").await.status.and_then(|status| status.schema).expect("a schema");
    let columns = schema.columns.iter().map(|column| format!("{} {}", column.name, column.type_));
    (schema.file.clone().unwrap_or_default(), columns.collect())
}

fn avro() -> Vec<u8> {
    let fields = json!([
        { "name": "id", "type": "long" },
        { "name": "What", "type": ["null", "string"], "default": null },
        { "name": "kind", "type": { "type": "enum", "name": "kinds", "symbols": ["TEA"] } },
    ]);
    let values = [
        ("id", Datum::Long(1)),
        ("What", Datum::Union(0, Box::new(Datum::Null))),
        ("kind", Datum::Enum(0, "TEA".to_owned())),
    ];
    avro_of(&fields, &values)
}

/// An Avro file of one record.
fn avro_of(fields: &Value, values: &[(&str, Datum)]) -> Vec<u8> {
    let schema = json!({ "type": "record", "name": "orders", "fields": fields });
    let schema = Schema::parse_str(&schema.to_string()).expect("a schema");
    let mut writer = Writer::new(&schema, Vec::new()).expect("a writer");
    let mut record = Record::new(&schema).expect("a record");
    for (name, value) in values {
        record.put(name, value.clone());
    }
    writer.append_value(record).expect("written");
    writer.into_inner().expect("written")
}

#[tokio::test]
async fn files_of_each_format_say_the_columns() {
    for (format, file) in
        [("parquet", file!("orders.parquet")), ("orc", file!("orders.orc")), ("avro", avro().as_slice())]
    {
        let team = Team::new("formats").await;
        let _controller = Controller::start(&team).await;
        team.aws.put("orders/part-0", file).await;
        team.create_ready("orders", learns(&json!({ "format": format }))).await;
        let mut all = vec!["id bigint", "what string"];
        all.extend((format == "avro").then_some("kind string"));
        assert_eq!(team.aws.columns("orders").await, all, "{format}");
        let (file, told) = said(&team).await;
        assert_eq!(file, format!("{}part-0", team.location("orders")));
        assert_eq!(told, all);
        let table = team.aws.existing("orders").await;
        let serde = table.storage_descriptor().and_then(|storage| storage.serde_info()).cloned();
        let serde = serde.and_then(|serde| serde.parameters).unwrap_or_default();
        // Avro tells names by their case and enums from strings: readers need the file's own schema.
        let literal = serde.get("avro.schema.literal").map(String::as_str).unwrap_or_default();
        assert_eq!(
            literal.contains("\"What\"") && literal.contains("\"enum\""),
            format == "avro",
            "{literal}"
        );
    }
}

#[tokio::test]
async fn a_table_without_data_waits_for_it() {
    let team = Team::new("awaiting").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", learns(&json!({}))).await;
    let told = team.reason("orders", "AwaitingData").await;
    assert!(told.message.contains(&team.location("orders")), "{}", told.message);
    assert_eq!(team.kstatus(&team.get("orders").await).0, "InProgress");
    assert!(team.aws.table("orders").await.is_none());
    let planned = team.plan(&[team.manifest("orders", learns(&json!({})))], &[]).await;
    assert!(planned.out.contains("AwaitingData"), "{}", planned.out);

    team.aws.put("orders/part-0", file!("orders.parquet")).await;
    team.aws.put("planned/part-0", file!("orders.parquet")).await;
    let planned = team.plan(&[team.manifest("planned", learns(&json!({})))], &[]).await;
    assert!(planned.out.contains("+ columns.what: \"string\""), "{}", planned.out);
    team.until_columns("orders", &["id bigint", "what string"]).await;
}

#[tokio::test]
async fn a_column_that_new_data_has_comes_and_one_that_it_lacks_stays() {
    let team = Team::new("comes").await;
    let _controller = Controller::start(&team).await;
    bring(&team, "2026-11-01", file!("with_day.parquet")).await;
    team.create_ready("orders", discovered()).await;
    assert_eq!(
        team.aws.columns("orders").await,
        ["id bigint", "what string"],
        "the key is none of the columns"
    );
    bring(&team, "2026-11-02", file!("with_price.parquet")).await;
    team.until_columns("orders", &["id bigint", "what string", "price double"]).await;
    bring(&team, "2026-11-03", file!("without_what.parquet")).await;
    team.eventually("orders", "three partitions", async || {
        ensure!(team.aws.partition_values("orders").await.len() == 3, "not yet");
        Ok(())
    })
    .await;
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string", "price double"]);
    let files = team.until("orders", "the newest files", |table| {
        let files = table.status.as_ref().and_then(|status| status.files.as_ref());
        files.is_some_and(|files| files.location.ends_with("day=2026-11-03/"))
    });
    let files = files.await.status.and_then(|status| status.files).expect("files");
    assert_eq!((files.count, files.small), (1, 1));
    assert_eq!(files.median_bytes, i64::try_from(file!("without_what.parquet").len()).expect("short"));
}

#[tokio::test]
async fn a_type_that_breaks_readers_waits_for_approval() {
    let team = Team::new("waits").await;
    let _controller = Controller::start(&team).await;
    bring(&team, "2026-11-01", file!("orders.parquet")).await;
    team.create_ready("orders", discovered()).await;
    bring(&team, "2026-11-02", file!("id_is_text.parquet")).await;
    let told = team.reason("orders", "ApprovalRequired").await;
    assert!(told.message.contains("columns.id becomes string, and is bigint"), "{}", told.message);
    assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"]);
    assert_eq!(said(&team).await.1, ["id bigint", "what string"]);
    assert_eq!(team.aws.partition_values("orders").await, ["2026-11-01", "2026-11-02"], "partitions go on");
    let hash = told.message.split('\'').nth(1).expect("a hash in quotes").to_owned();
    team.annotate("orders", json!({ "mizuumi.dev/approve": hash })).await;
    team.until_columns("orders", &["id string", "what string"]).await;
    assert_eq!(said(&team).await.1, ["id string", "what string"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_changes_nothing() {
    let team = Team::new("unreadable").await;
    let _controller = Controller::start(&team).await;
    team.aws.put("orders/part-0", file!("orders.parquet")).await;
    team.create_ready("orders", learns(&json!({}))).await;
    let all: &[(&str, &[u8], &str)] = &[
        ("part-1", b"a,b\n1,2\n", "is no Parquet file"),
        ("part-1", b"PAR1 secret PARE", "has an encrypted footer"),
        ("part-1", b"", "is no Parquet file"),
        ("part-1", file!("id_is_text.parquet"), "column 'id' is string in the one and bigint in the other"),
    ];
    for (name, bytes, why) in all {
        team.aws.put(&format!("orders/{name}"), bytes).await;
        team.eventually("orders", why, async || {
            let table = team.get("orders").await;
            let message = table.status.iter().flat_map(|status| &status.conditions);
            let told = message.clone().find(|condition| condition.reason == "SchemaUnreadable");
            let told = told.map(|condition| condition.message.clone()).unwrap_or_default();
            ensure!(told.contains(why) && told.contains(&format!("orders/{name}")), "{told}");
            Ok(())
        })
        .await;
        assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"]);
    }
    assert_eq!(team.kstatus(&team.get("orders").await).0, "Failed");
    team.aws.put("orders/part-1", file!("with_price.parquet")).await;
    team.until_columns("orders", &["id bigint", "what string", "price double"]).await;
}

#[tokio::test]
async fn a_column_between_others_waits_where_readers_go_by_place() {
    let team = Team::new("place").await;
    let _controller = Controller::start(&team).await;
    let mut spec = discovered();
    spec["format"] = json!("orc");
    bring(&team, "2026-11-01", file!("orders.orc")).await;
    team.create_ready("orders", spec).await;
    bring(&team, "2026-11-02", file!("new_first.orc")).await;
    let told = team.reason("orders", "ApprovalRequired").await;
    assert!(told.message.contains("columns.new (bigint) comes in between"), "{}", told.message);
}

#[tokio::test]
async fn what_is_known_outlives_the_controller_the_status_and_others() {
    let team = Team::new("known").await;
    let mut controller = Controller::start(&team).await;
    bring(&team, "2026-11-01", file!("with_price.parquet")).await;
    team.create_ready("orders", discovered()).await;
    bring(&team, "2026-11-02", file!("orders.parquet")).await;
    team.eventually("orders", "two partitions", async || {
        ensure!(team.aws.partition_values("orders").await.len() == 2, "not yet");
        Ok(())
    })
    .await;
    let all = ["id bigint", "what string", "price double"];
    // Somebody takes a column away that the newest file does not have: the status remembers it.
    team.aws
        .meddle("orders", |mut table| {
            if let Some(storage) = &mut table.storage_descriptor {
                storage.columns = storage.columns.take().map(|all| all.into_iter().take(2).collect());
            }
            table
        })
        .await;
    let note = team.event("orders", "DriftCorrected").await;
    assert!(note.contains("+ columns.price: \"double\""), "{note}");
    team.until_columns("orders", &all).await;
    let versions = team.aws.versions("orders").await;
    controller.kill();
    let tables: Api<DataTable> = Api::namespaced(team.client.clone(), &team.namespace);
    let empty = Patch::Merge(json!({ "status": null }));
    tables.patch_status("orders", &PatchParams::default(), &empty).await.expect("the status is lost");
    let _controller = Controller::start(&team).await;
    team.ready("orders").await;
    assert_eq!(
        team.aws.columns("orders").await,
        all,
        "without a status, the table itself says what was known"
    );
    assert_eq!(said(&team).await.1, all);
    assert_eq!(team.aws.versions("orders").await, versions, "nothing was written");
    assert_eq!(reason_of(&team.get("orders").await, "Ready"), "InSync");
}

#[tokio::test]
async fn a_table_of_partitions_that_are_declared_or_left_to_others_is_made_from_its_files() {
    for partitions in [json!({ "mode": "Declared", "declared": [{ "values": ["1"] }] }), json!(null)] {
        let team = Team::new("declared-files").await;
        let _controller = Controller::start(&team).await;
        team.aws.put("orders/day=1/part-0", file!("orders.parquet")).await;
        let keys = json!([{ "name": "day", "type": "string" }]);
        team.create_ready("orders", learns(&json!({ "partitionKeys": keys, "partitions": partitions })))
            .await;
        assert_eq!(team.aws.columns("orders").await, ["id bigint", "what string"], "{partitions}");
    }
}

#[tokio::test]
async fn writers_of_avro_in_turn_have_nothing_to_approve() {
    let team = Team::new("in-turn").await;
    let _controller = Controller::start(&team).await;
    let mut spec = discovered();
    spec["format"] = json!("avro");
    bring(&team, "2026-11-01", &avro()).await;
    team.create_ready("orders", spec).await;
    let long = json!([{ "name": "id", "type": "long" }, { "name": "price", "type": "double" }]);
    bring(&team, "2026-11-02", &avro_of(&long, &[("id", Datum::Long(1)), ("price", Datum::Double(1.5))]))
        .await;
    team.until_columns("orders", &["id bigint", "what string", "kind string", "price double"]).await;
    let versions = team.aws.versions("orders").await;
    let short = json!([{ "name": "id", "type": "int", "doc": "narrower" }]);
    for (day, file) in [("2026-11-03", avro()), ("2026-11-04", avro_of(&short, &[("id", Datum::Int(1))]))] {
        bring(&team, day, &file).await;
        team.until("orders", day, |table| {
            let files = table.status.as_ref().and_then(|status| status.files.as_ref());
            files.is_some_and(|files| files.location.ends_with(&format!("day={day}/")))
        })
        .await;
        team.ready("orders").await;
    }
    assert_eq!(team.aws.versions("orders").await, versions, "nothing was written");
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_read_once_it_may() {
    let team = Team::new("denied-files").await;
    let _controller = Controller::start(&team).await;
    team.aws.put("orders/part-0", file!("orders.parquet")).await;
    team.admin.fault(json!({ "action": "denied", "operation": "GetObject" })).await;
    team.create("orders", learns(&json!({}))).await;
    let told = team.reason("orders", "SchemaUnreadable").await;
    assert!(told.message.contains("s3:GetObject"), "{}", told.message);
    team.admin.heal().await;
    team.until_columns("orders", &["id bigint", "what string"]).await;
}

#[tokio::test]
async fn a_run_brings_columns_with_its_data() {
    let team = Team::new("brings").await;
    let _controller = Controller::start(&team).await;
    let spec = learns(&json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    }));
    team.create("orders", spec).await;
    team.reason("orders", "AwaitingData").await;
    for (run, day, file, expected) in [
        ("first", 1, file!("orders.parquet"), &["id bigint", "what string"][..]),
        ("second", 2, file!("with_price.parquet"), &["id bigint", "what string", "price double"][..]),
    ] {
        team.aws.put(&format!("orders/runs/{run}/day={day}/part-0.parquet"), file).await;
        team.start_run(run, "orders", day, 0).await;
        team.mark_output("orders", run).await;
        team.run_phase(run, RunPhase::Succeeded).await;
        team.until_columns("orders", expected).await;
    }
    assert_eq!(team.aws.partition_values("orders").await, ["1", "2"]);
}
