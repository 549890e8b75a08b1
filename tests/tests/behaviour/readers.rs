//! Clients that know nothing of Mizuumi write the data and read the tables: awswrangler and boto3.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Container, Controller, Exit, Team, with_shadows};
use serde_json::{Value, json};
use tokio::process::Command;

/// Has another client do something; what it prints.
async fn lake(team: &Team, arguments: &[&str]) -> String {
    let output = client(team, arguments).output().await.expect("Python starts");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(output.status.success(), "{arguments:?}\n{}", said(&output.stderr));
    said(&output.stdout)
}

/// Another client that does something.
fn client(team: &Team, arguments: &[&str]) -> Command {
    let cache =
        std::env::var_os("MIZUUMI_CACHE").map(PathBuf::from).expect("MIZUUMI_CACHE, as `make test` sets it");
    let mut command = Command::new(cache.join("venv/bin/python"));
    command.arg("readers/lake.py").args(arguments);
    command.env("AWS_ENDPOINT_URL", team.url()).env("AWS_ACCESS_KEY_ID", &team.account);
    command
}

async fn read(team: &Team, format: &str) -> String {
    lake(team, &["read", format, &team.aws.database, "orders"]).await
}

fn spec(format: &str, partitions: &Value) -> Value {
    json!({
        "format": format,
        "schema": { "from": "Files", "columns": null },
        "partitionKeys": [{ "name": "day", "type": "date" }],
        "partitions": partitions,
    })
}

async fn until_column(team: &Team, name: &str) {
    let has_it = |table: &mizuumi_api::DataTable| {
        let schema = table.status.as_ref().and_then(|status| status.schema.as_ref());
        schema.is_some_and(|schema| schema.columns.iter().any(|column| column.name == name))
    };
    team.until("orders", "the new column", has_it).await;
    team.ready("orders").await;
}

#[tokio::test]
async fn what_others_write_is_learnt_and_they_read_every_row_of_it() {
    for format in ["parquet", "orc"] {
        let team = Team::new("readers").await;
        let _controller = Controller::start(&team).await;
        let root = team.location("orders");
        lake(&team, &["write", format, &root, "2026-11-01"]).await;
        team.aws.put("orders/day=2026-11-01/_SUCCESS", "").await;
        let discovered = json!({ "mode": "Discovered", "marker": "_SUCCESS" });
        team.create_ready("orders", spec(format, &discovered)).await;
        let partitions = |number: i64| {
            move |table: &mizuumi_api::DataTable| {
                let partitions = table.status.as_ref().and_then(|status| status.partitions.as_ref());
                partitions.is_some_and(|partitions| partitions.registered == number)
            }
        };
        team.until("orders", "one partition", partitions(1)).await;
        assert_eq!(read(&team, format).await, "3 rows of 13 columns", "{format}");
        lake(&team, &["write", format, &root, "2026-11-02", "more"]).await;
        team.aws.put("orders/day=2026-11-02/_SUCCESS", "").await;
        until_column(&team, "new").await;
        team.until("orders", "two partitions", partitions(2)).await;
        assert_eq!(read(&team, format).await, "6 rows of 14 columns", "{format}");
    }
}

#[tokio::test]
async fn what_runs_publish_is_read_and_what_was_taken_back_is_not() {
    let team = Team::new("readers-published").await;
    let _controller = Controller::start(&team).await;
    team.create("orders", spec("parquet", &json!({ "mode": "Published" }))).await;
    for (run, number, days) in
        [("first", 1, &["2026-11-01"][..]), ("second", 2, &["2026-11-01", "2026-11-02"][..])]
    {
        for day in days {
            lake(&team, &["write", "parquet", &team.output("orders", run), day]).await;
        }
        team.start_run(run, "orders", number, 0).await;
        team.mark_output("orders", run).await;
        team.run_phase(run, RunPhase::Succeeded).await;
    }
    assert_eq!(read(&team, "parquet").await, "6 rows of 13 columns, by partitions only");
    team.roll_back("back", "orders", "second").await;
    team.run_phase("back", RunPhase::Succeeded).await;
    assert_eq!(read(&team, "parquet").await, "3 rows of 13 columns, by partitions only");
}

#[tokio::test]
async fn what_a_job_inserts_into_a_table_by_its_name_is_published_and_read() {
    let team = Team::new("readers-inserted").await;
    let _controller = Controller::with(&team, with_shadows).await;
    team.create_shadows().await;
    team.create("orders", spec("parquet", &json!({ "mode": "Published" }))).await;
    lake(&team, &["write", "parquet", &team.output("orders", "first"), "2026-11-01"]).await;
    team.start_run("first", "orders", 1, 0).await;
    team.mark_output("orders", "first").await;
    team.run_phase("first", RunPhase::Succeeded).await;
    team.ready("orders").await;
    let worker = team.clone();
    let _kubelet = team.kubelet(Arc::new(move |container: Container| {
        let team = worker.clone();
        async move {
            let table = &container.env["MIZUUMI_OUTPUT_TABLE"];
            lake(&team, &["insert", table, "2026-11-01", "2026-11-02"]).await;
            Exit::Code(0)
        }
        .boxed()
    }));
    let inserts = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "KubernetesJob",
        "kubernetesJob": { "image": "ingest" }, "output": { "mode": "ShadowTable" },
    });
    team.create_run("second", inserts).await;
    team.run_phase("second", RunPhase::Succeeded).await;
    assert_eq!(read(&team, "parquet").await, "6 rows of 13 columns, by partitions only");
    team.roll_back("back", "orders", "second").await;
    team.run_phase("back", RunPhase::Succeeded).await;
    assert_eq!(read(&team, "parquet").await, "3 rows of 13 columns, by partitions only");
}
