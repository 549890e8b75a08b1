//! Connections: what keeps a job from making runs, what a run is made with, and what a connection says of who uses it.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use jiff::Timestamp;
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::ingest_run::IngestRun;
use mizuumi_api::source_connection::SourceAttempt;
use mizuumi_api::{DataTable, IngestJob, Installation, Reason, SourceConnection};
use mizuumi_core::ingest_job::{JobAround, JobStep, JobWorld, Jobs};
use mizuumi_core::ingest_run::Target;
use mizuumi_core::source_connection::{Connections, SeenConnection, Tried, Usage};
use mizuumi_core::{Evidence, Kind, Plan, Verdict};
use serde_json::json;

const IMAGE: &str = "registry.example/sources/mysql@sha256:1";

fn installation() -> Installation {
    serde_json::from_value(json!({
        "installation": "demo", "aws": { "region": "us-east-1" },
        "allow": { "databases": ["nyc"], "s3Prefixes": ["s3://lake/team/"] },
        "profiles": { "default": { "ecs": {
            "cluster": "lake", "executionRoleArn": "arn:aws:iam::111122223333:role/e", "taskRoleArn": "arn:aws:iam::111122223333:role/t",
            "subnets": ["subnet-1"], "images": ["registry.example/sources/*"], "secrets": ["team-a/*"],
        } } },
    }))
    .expect("a configuration")
}

fn connection(image: &str, secret: &str) -> SourceConnection {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "SourceConnection",
        "metadata": { "name": "flights-db", "namespace": "team-a", "generation": 1 },
        "spec": { "type": "mysql", "image": image, "secret": { "secretsManager": { "name": secret } }, "options": { "host": "flights.db" } },
    }))
    .expect("a connection")
}

fn job() -> IngestJob {
    serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob",
        "metadata": {
            "name": "flights", "namespace": "team-a", "uid": "of-the-job", "generation": 1,
            "creationTimestamp": "2026-11-26T00:00:00Z",
        },
        "spec": {
            "schedule": { "cron": "0 * * * *" },
            "run": {
                "table": "flights", "engine": "EcsTask", "ecsTask": { "cpu": 256, "memory": 512 },
                "source": { "connection": "flights-db", "options": { "table": "flights" } },
            },
        },
        "status": {
            "observedGeneration": 1, "conditions": [], "activeRuns": 0,
            "schedule": { "cron": "0 * * * *", "since": "2026-11-26T00:00:00Z" },
        },
    }))
    .expect("a job")
}

fn target() -> Target {
    let table: DataTable = serde_json::from_value(json!({
        "apiVersion": "mizuumi.dev/v1alpha1", "kind": "DataTable",
        "metadata": { "name": "flights", "namespace": "team-a" },
        "spec": {
            "database": "nyc", "location": "s3://lake/team/flights/", "format": "parquet",
            "schema": { "from": "Declared", "columns": [{ "name": "id", "type": "bigint" }] },
            "partitions": { "mode": "Published" },
        },
    }))
    .expect("a table");
    Target::of(&table, &installation())
}

/// What the job does half an hour after a session.
fn plan(seen: SeenConnection) -> Plan<JobStep> {
    let job = job();
    let mut goal = Jobs::goal(&job, &installation()).expect("a goal");
    Jobs::heed(
        &mut goal,
        &job,
        JobAround { target: target(), connection: seen, cycle: None, backfills: None },
    );
    Jobs::plan(&goal, &JobWorld::default(), at("2026-11-26T01:30:00Z"))
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn made(plan: &Plan<JobStep>) -> &IngestRun {
    let [JobStep::CreateRun { run, .. }] = plan.steps.as_slice() else { panic!("{plan:?}") };
    run
}

fn seen(connection: &SourceConnection) -> SeenConnection {
    SeenConnection::of(connection, &installation())
}

#[test]
fn without_its_connection_a_job_makes_no_run_and_says_which_is_missing() {
    let mut deleted = connection(IMAGE, "team-a/flights");
    deleted.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-11-26T00:00:00Z")).expect("a time"));
    for (seen, reason, words) in [
        (SeenConnection::Missing, Reason::ConnectionNotFound, "there is no SourceConnection 'flights-db'"),
        (seen(&deleted), Reason::ConnectionUnusable, "it is being deleted"),
        (
            seen(&connection("elsewhere/mysql@sha256:1", "team-a/flights")),
            Reason::ConnectionUnusable,
            "spec.image: 'elsewhere/mysql@sha256:1' is not among the images that any profile allows: registry.example/sources/*",
        ),
        (
            seen(&connection(IMAGE, "team-b/flights")),
            Reason::ConnectionUnusable,
            "spec.secret.secretsManager.name: 'team-b/flights' is not among the secrets",
        ),
    ] {
        let plan = plan(seen);
        let Verdict::Blocked(why, message) = &plan.verdict else { panic!("{plan:?}") };
        assert!(*why == reason && message.contains(words) && plan.steps.is_empty(), "{plan:?}");
    }
    assert!(matches!(plan(SeenConnection::Unknown).verdict, Verdict::Converging(Reason::Progressing, _)));
}

#[test]
fn a_run_is_made_with_what_the_connection_says_then_and_bears_its_name() {
    let plan = plan(seen(&connection(IMAGE, "team-a/flights")));
    let run = made(&plan);
    let task = run.spec.ecs_task.as_ref().expect("a task");
    assert_eq!(task.image.as_deref(), Some(IMAGE));
    assert_eq!(task.secrets.as_ref().expect("secrets")[0].secret, "team-a/flights");
    let labels = run.metadata.labels.as_ref().expect("labels");
    assert_eq!(
        (labels["mizuumi.dev/source"].as_str(), labels["mizuumi.dev/job"].as_str()),
        ("flights-db", "flights")
    );
    run.validate_cel().expect("the API server takes it");
}

fn tried(run: &str, time: &str, exit_code: i32) -> Tried {
    let message = (exit_code != 0).then(|| format!("ended with exit code {exit_code}"));
    Tried(SourceAttempt { run: run.to_owned(), number: 1, at: at(time), exit_code, message })
}

/// What a connection says after a look at who uses it.
fn told(connection: &SourceConnection, usage: Option<Usage>) -> SourceConnection {
    let mut goal = Connections::goal(connection, &installation()).expect("a goal");
    Connections::heed(&mut goal, connection, usage);
    let now = at("2026-11-26T02:00:00Z");
    let plan = Connections::plan(&goal, &(), now);
    let evidence = Evidence::Observed { world: (), plan, done: Vec::new(), failure: None, endless: false };
    let status = Connections::report(connection, Some(&goal), &evidence, now);
    SourceConnection { status: Some(status), ..connection.clone() }
}

fn reachable(connection: &SourceConnection) -> (String, String) {
    let conditions = &connection.status.as_ref().expect("a status").conditions;
    let told = condition::find(conditions, ConditionType::Reachable).expect("Reachable");
    (told.reason.clone(), told.message.clone())
}

#[test]
fn a_connection_names_twenty_jobs_and_counts_them_all() {
    let jobs: Vec<String> = (10..40).map(|number| format!("job-{number}")).collect();
    let told = told(&connection(IMAGE, "team-a/flights"), Some(Usage { jobs, tried: None }));
    let status = told.status.as_ref().expect("a status");
    assert_eq!((status.jobs, status.used_by.len()), (30, 20));
    assert_eq!(reachable(&told).0, "NeverTried");
    assert!(serde_json::to_string(status).expect("JSON").len() < 16 * 1024);
}

#[test]
fn the_latest_attempt_says_whether_the_source_is_reached_and_it_is_remembered() {
    let usage = |tried| Some(Usage { jobs: vec!["flights".to_owned()], tried: Some(tried) });
    let away = told(&connection(IMAGE, "team-a/flights"), usage(tried("late", "2026-11-26T01:00:00Z", 69)));
    let (reason, message) = reachable(&away);
    assert!(
        reason == "SourceUnavailable" && message.contains("'late'") && message.contains("exit code 69"),
        "{message}"
    );
    // An earlier one that comes to be known later changes nothing, nor do runs that are gone, nor lists that are not there yet.
    for usage in [usage(tried("early", "2026-11-26T00:30:00Z", 0)), Some(Usage::default()), None] {
        assert_eq!(reachable(&told(&away, usage)), (reason.clone(), message.clone()));
    }
    let before = away.status.as_ref().expect("a status");
    assert_eq!(told(&away, None).status.as_ref(), Some(before), "nothing is counted before it is known");
    let refused = told(&away, usage(tried("later", "2026-11-26T01:30:00Z", 77)));
    assert_eq!(reachable(&refused).0, "SourceDenied");
    let reached = told(&refused, usage(tried("last", "2026-11-26T01:40:00Z", 0)));
    assert_eq!(reachable(&reached).0, "SourceReached");
    let ready = condition::find(&reached.status.as_ref().expect("a status").conditions, ConditionType::Ready);
    assert_eq!(ready.map(|ready| ready.reason.as_str()), Some("Usable"));
}
