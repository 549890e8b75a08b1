//! What work says of its source in its result: how far it has read, which later sessions are told, and which columns there are.

use std::sync::Arc;

use futures::FutureExt as _;
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::installation::{JobsProfile, Profile};
use mizuumi_tests::{Container, Controller, Exit, Kubelet, Team};
use serde_json::{Value, json};

const IMAGE: &str = "registry.example/ingest/orders:1";

fn with_jobs(installation: &mut Installation) {
    let jobs = JobsProfile { service_account: "ingest".to_owned(), images: vec![IMAGE.to_owned()] };
    let profile = Profile { jobs: Some(jobs), ..Profile::default() };
    installation.profiles.insert("default".to_owned(), profile);
}

/// Containers that bring a file with what they were told of earlier sessions in it, and say so of their data.
fn saying(team: &Team, result: fn(&Container) -> Value) -> Kubelet {
    let aws = team.aws.clone();
    team.kubelet(Arc::new(move |container: Container| {
        let aws = aws.clone();
        async move {
            let output = &container.env["MIZUUMI_OUTPUT"];
            let key = output.strip_prefix(&format!("s3://{}/", aws.bucket)).expect("the team's bucket");
            let session = &container.env["MIZUUMI_SESSION_TIME"][..10];
            let before = container.env.get("MIZUUMI_SOURCE_BEFORE").map_or("nothing", String::as_str);
            aws.put(&format!("{key}day={session}/part-0.parquet"), before).await;
            aws.put(&format!("{key}_mizuumi/result.json"), &result(&container).to_string()).await;
            Exit::Code(0)
        }
        .boxed()
    }))
}

async fn team_of(name: &str) -> Team {
    let team = Team::new(name).await;
    let table = json!({
        "schema": { "columns": [{ "name": "id", "type": "bigint" }, { "name": "name", "type": "string" }] },
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create("orders", table).await;
    team
}

async fn run_at(team: &Team, day: u8) -> String {
    let at = format!("2026-11-{day:02}T00:00:00Z");
    let made = team.run(&["run", "daily", "--at", &at, "--namespace", &team.namespace], "").await;
    assert_eq!(made.code, 0, "{made:?}");
    format!("daily-202611{day:02}t0000z-r0")
}

/// What the containers of a run were told of earlier sessions.
async fn told(team: &Team, run: &str, day: u8) -> String {
    team.run_phase(run, RunPhase::Succeeded).await;
    team.aws.get(&format!("orders/runs/{run}/a1/day=2026-11-{day:02}/part-0.parquet")).await
}

#[tokio::test]
async fn later_sessions_are_told_how_far_earlier_ones_have_read_and_none_may_go_back() {
    let team = team_of("cursors").await;
    // The fifth day's source has less than the days before it brought.
    let _kubelet = saying(&team, |container| {
        let session = container.env["MIZUUMI_SESSION_TIME"].clone();
        let last =
            if session.starts_with("2026-11-05") { "2026-11-01T00:00:00Z".to_owned() } else { session };
        json!({ "version": 1, "cursor": { "column": "updated_at", "last": last } })
    });
    let _controller = Controller::with(&team, with_jobs).await;
    let run = json!({ "engine": "KubernetesJob", "kubernetesJob": { "image": IMAGE } });
    team.create_job("daily", json!({ "run": run })).await;
    let first = run_at(&team, 2).await;
    assert_eq!(told(&team, &first, 2).await, "nothing");
    let job = team.job_until("daily", "a cursor", |job| {
        job.status.as_ref().is_some_and(|status| status.cursor.is_some())
    });
    let cursor = job.await.status.and_then(|status| status.cursor).expect("a cursor");
    assert_eq!((cursor.column.as_str(), cursor.last.as_str()), ("updated_at", "2026-11-02T00:00:00Z"));
    let second = run_at(&team, 4).await;
    assert_eq!(told(&team, &second, 4).await, "2026-11-02T00:00:00Z");
    team.job_until("daily", "a later cursor", |job| {
        let cursor = job.status.as_ref().and_then(|status| status.cursor.as_ref());
        cursor.is_some_and(|cursor| cursor.last == "2026-11-04T00:00:00Z")
    })
    .await;
    // A session of the past is told nothing: later ones have read more than it will.
    let past = run_at(&team, 3).await;
    assert_eq!(told(&team, &past, 3).await, "nothing");
    let back = run_at(&team, 5).await;
    let why = team.run_reason(&back, "OutputInvalid").await;
    let words = "cursor 'updated_at' went backwards: it comes to 2026-11-01T00:00:00Z, and an earlier session has read up to 2026-11-04T00:00:00Z";
    assert!(why.contains(words), "{why}");
    let job = team.jobs().get("daily").await.expect("the job");
    let cursor = job.status.and_then(|status| status.cursor).expect("a cursor");
    assert_eq!(cursor.last, "2026-11-04T00:00:00Z", "what failed has read nothing");
}

fn schema(run: &IngestRun) -> Option<(String, String)> {
    let conditions = &run.status.as_ref()?.conditions;
    let told = conditions.iter().find(|condition| condition.type_ == "SchemaMatches")?;
    Some((told.reason.clone(), told.message.clone()))
}

#[tokio::test]
async fn columns_that_are_other_than_declared_are_told_and_hold_nothing_up() {
    let team = team_of("said-columns").await;
    let _kubelet = saying(&team, |container| {
        // Names are of any case, and keys are none of the data's.
        let same = json!([{ "name": "ID", "type": "bigint" }, { "name": "name", "type": "string" }, { "name": "day", "type": "string" }]);
        let other = json!([{ "name": "id", "type": "string" }, { "name": "price", "type": "decimal(10,2)" }]);
        let is_other = container.env["MIZUUMI_RUN"].contains("20261103");
        json!({ "version": 1, "schema": if is_other { other } else { same } })
    });
    let _controller = Controller::with(&team, with_jobs).await;
    let run = json!({ "engine": "KubernetesJob", "kubernetesJob": { "image": IMAGE } });
    team.create_job("daily", json!({ "run": run })).await;
    let same = run_at(&team, 2).await;
    let same = team.run_phase(&same, RunPhase::Succeeded).await;
    assert_eq!(schema(&same).map(|(reason, _)| reason).as_deref(), Some("SchemaDeclared"));
    let other = run_at(&team, 3).await;
    let run = team.run_phase(&other, RunPhase::Succeeded).await;
    let (reason, message) = schema(&run).expect("it is told");
    assert_eq!(reason, "SchemaDiffers");
    assert_eq!(
        message,
        "'id' is string, and declared as bigint, 'price' (decimal(10,2)) is not declared, 'name' is declared, and not brought; \
         what would fit in `spec.schema.columns`: {name: id, type: string}, {name: price, type: decimal(10,2)}"
    );
    assert_eq!(team.event(&other, "SchemaDiffers").await, message);
    assert_eq!(team.kstatus(&run).0, "Current");
}
