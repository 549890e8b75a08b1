//! `mizuumi explain`, `status` and `freshness` say why something is not as it should be, across kinds, and write nothing.

use anyhow::ensure;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use mizuumi_api::{EmrCluster, IngestRun};
use mizuumi_tests::{Controller, Planned, Team, now};
use serde_json::{Value, json};

async fn mizuumi(team: &Team, arguments: &[&str]) -> Planned {
    team.run(&[arguments, &["--namespace", &team.namespace]].concat(), "").await
}

/// A table whose data runs bring, with data up to yesterday that should be there by now.
fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
        "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "1h" } },
    })
}

fn hours_ago(hours: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_hours(hours)).expect("a time")
}

/// A run of `delays` that reads `flights`.
async fn waiting_run(team: &Team, name: &str) {
    let run = json!({
        "apiVersion": "mizuumi.dev/v1alpha1",
        "kind": "IngestRun",
        "metadata": { "name": name, "namespace": team.namespace },
        "spec": {
            "table": "delays", "sessionTime": hours_ago(2), "engine": "EmrStep",
            "emrStep": { "cluster": "adhoc", "step": { "name": "delays", "spark": "s3://lake/delays.py" } },
            "waitFor": [{ "table": format!("{}.flights", team.aws.database) }],
        },
    });
    let runs: Api<IngestRun> = Api::namespaced(team.client.clone(), &team.namespace);
    runs.create(&PostParams::default(), &serde_json::from_value(run).expect("a run")).await.expect("a run");
}

#[tokio::test]
async fn a_late_table_is_explained_down_to_the_table_that_stands_in_the_way() {
    let team = Team::new("explain-chain").await;
    team.aws.create_table("flights", &[]).await;
    let mut controller = Controller::start(&team).await;
    team.create("delays", published()).await;
    let reported = json!({ "mizuumi.dev/reported-data-time": hours_ago(5).to_string() });
    team.annotate("delays", reported).await;
    team.create(
        "flights",
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "9h" } } }),
    )
    .await;
    waiting_run(&team, "delays-r0").await;
    team.fresh("delays", "Stale").await;
    team.reason("flights", "NotAdopted").await;
    team.run_reason("delays-r0", "WaitingForUpstream").await;

    // What is written from here on was not the controller.
    controller.kill();
    let writes = team.admin.writes().await.len();
    let told = mizuumi(&team, &["explain", "dtbl/delays"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let expected = [
        format!("DataTable {}/delays: late", team.namespace),
        "Fresh is False: Stale".to_owned(),
        format!("└─ is brought by IngestRun {}/delays-r0: going on", team.namespace),
        format!("DataTable {}/flights: stuck", team.namespace),
        "NotAdopted:".to_owned(),
        "What to do".to_owned(),
        "Set `adoptionPolicy: IfUnowned` to take it over.".to_owned(),
    ];
    let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in &expected {
        assert!(words.contains(part.as_str()), "no {part:?} in\n{}", told.out);
    }
    let (first, second) = (words.find("/delays-r0: going on"), words.find("/flights: stuck"));
    assert!(first < second, "the run comes before what it waits for:\n{}", told.out);
    assert!(!words.contains("EmrCluster"), "the cluster is not what it waits for:\n{}", told.out);
    assert!(!told.out.contains('\u{1b}'), "no colour where there is no terminal");
    assert!(told.out.lines().all(|line| line.chars().count() <= 80 || line.contains("://")), "{}", told.out);
    let json = mizuumi(&team, &["explain", "DataTable/delays", "-o", "json"]).await;
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["state"], "Late");
    let run = &json["waitsFor"][0];
    assert_eq!(run["waitsFor"][0]["conditions"][0]["reason"], "NotAdopted", "{json:#}");
    assert_eq!(json["advice"].as_array().map(Vec::len), Some(1), "{json:#}");

    let status = mizuumi(&team, &["status"]).await;
    assert_eq!(status.code, 0, "{status:?}");
    let stuck = status.out.find("/flights: stuck, NotAdopted");
    let late = status.out.find("/delays: late, Stale");
    assert!(stuck.is_some() && stuck < late, "the worst first:\n{}", status.out);
    let tables = status.out.lines().find(|line| line.starts_with("DataTable ")).unwrap_or_default();
    assert_eq!(tables.split_whitespace().nth(1), Some("2"), "{}", status.out);

    let late = mizuumi(&team, &["freshness", "--late"]).await;
    assert_eq!(late.code, 2, "{late:?}");
    let row = late.out.lines().nth(1).expect("a row");
    let row: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(row[..4], [&format!("{}/delays", team.namespace), "Stale", "4h", "-"], "{}", late.out);
    assert_eq!(row[5], "5h", "the age is that of the data:\n{}", late.out);
    assert_eq!(team.admin.writes().await.len(), writes, "it only reads");
}

#[tokio::test]
async fn a_failure_is_explained_by_the_last_request_and_the_next_try() {
    let team = Team::new("explain-failure").await;
    team.admin.fault(json!({ "action": "denied", "operation": "CreateTable" })).await;
    let controller = Controller::start(&team).await;
    team.create("orders", json!({})).await;
    team.reason("orders", "Denied").await;
    let explained = async || {
        let told = mizuumi(&team, &["explain", "dtbl/orders", "-o", "json"]).await;
        serde_json::from_str::<Value>(&told.out).expect("JSON")
    };
    let first = team
        .eventually("orders", "the first try told", async || {
            let last = explained().await["lastFailure"].clone();
            ensure!(last.is_object(), "there is no failure in it");
            Ok(last)
        })
        .await;
    assert_eq!(first["operation"], "glue:CreateTable");
    assert_eq!(first["code"], "AccessDeniedException");
    let message = first["message"].as_str().expect("a message");
    assert!(message.contains("allow it to the role of this profile"), "{message}");
    let status = serde_json::to_value(team.get("orders").await.status).expect("JSON");
    let second = team
        .eventually("orders", "another try told", async || {
            let last = explained().await["lastFailure"].clone();
            ensure!(last["requestId"] != first["requestId"], "it is still the first: {last}");
            Ok(last)
        })
        .await;
    let id = second["requestId"].as_str().expect("a request id");
    let (_, seq) = id.rsplit_once('-').expect("a UUID");
    let seq = u64::from_str_radix(seq, 16).expect("the number of a call");
    let calls = team.admin.calls(seq - 1).await;
    let call = calls.iter().find(|call| call.seq == seq).expect("the call is in the log");
    assert_eq!((call.operation.as_str(), call.fault.as_deref()), ("CreateTable", Some("denied")));
    let time =
        |last: &Value, key: &str| last[key].as_str().expect("a time").parse::<Timestamp>().expect("one");
    assert!(time(&second, "nextTry") > time(&second, "at"), "{second}");
    assert!(second["tries"].as_i64() > Some(1), "{second}");
    let after = serde_json::to_value(team.get("orders").await.status).expect("JSON");
    assert_eq!(after, status, "the status is the same at every try");

    drop(controller);
    let told = mizuumi(&team, &["explain", "dtbl/orders"]).await;
    let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "glue:CreateTable failed",
        "AccessDeniedException",
        "request id 00000000-0000-4000-8000-",
        "next try",
    ] {
        assert!(words.contains(part), "no {part:?} in\n{}", told.out);
    }
    assert!(told.out.lines().all(|line| line.chars().count() <= 80), "{}", told.out);
}

#[tokio::test]
async fn a_run_is_explained_by_its_cluster_and_that_by_its_class() {
    let team = Team::new("explain-class").await;
    let cluster: EmrCluster = serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "EmrCluster", "metadata": { "name": "adhoc" },
        "spec": { "className": "nowhere-to-be-found", "lifecycle": "WhenNeeded" },
    }))
    .expect("a cluster");
    let clusters: Api<EmrCluster> = Api::namespaced(team.client.clone(), &team.namespace);
    clusters.create(&PostParams::default(), &cluster).await.expect("the cluster is made");
    team.create("delays", published()).await;
    waiting_run(&team, "delays-r0").await;
    // The table that it reads has come as far as it has to.
    team.create(
        "flights",
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "9h" } } }),
    )
    .await;
    let far = json!({ "status": { "observedGeneration": 1, "freshness": { "state": "Fresh", "dataTime": now() } } });
    team.tables.patch_status("flights", &PatchParams::default(), &Patch::Merge(far)).await.expect("a status");

    let told = mizuumi(&team, &["explain", "irun/delays-r0"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    let words = told.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "no controller has looked at the present spec yet; is one running for this namespace?",
        "has its work done by EmrCluster",
        "is built from EmrClusterClass nowhere-to-be-found: missing",
    ] {
        assert!(words.contains(part), "no {part:?} in\n{}", told.out);
    }
    assert!(!words.contains("waits for"), "flights is far enough:\n{}", told.out);

    let none = mizuumi(&team, &["explain", "dtbl/nothing"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(none.err.contains("there is no DataTable"), "{}", none.err);
    let wrong = mizuumi(&team, &["explain", "pods/x"]).await;
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert!(wrong.err.contains("dtbl, ijob, irun, emrc"), "{}", wrong.err);
    let coloured = mizuumi(&team, &["status", "--color", "always"]).await;
    assert!(coloured.out.contains("\u{1b}[31m"), "{}", coloured.out);
}
