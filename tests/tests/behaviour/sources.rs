//! A database as a source: a MariaDB whose flights grow by the hour comes into a table hour by hour, row by row as it is there.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_tests::{Controller, IMAGE, Source, Team, image_of, now, run_name, with_tasks};
use serde_json::{Value, json};

/// Leaves a partition and a result behind that does not hold: it speaks of a byte more than there is.
const LIAR: &str = r#"
auth="AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/$AWS_REGION/s3/aws4_request, SignedHeaders=host, Signature=0"
put() { curl -sS --fail -X PUT -H "authorization: $auth" -H "content-type: text/plain" --data-binary "$2" "$AWS_ENDPOINT_URL/${MIZUUMI_OUTPUT#s3://}$1"; }
put day=2013-01-01/hour=10/part-0.parquet abc &&
  put _mizuumi/result.json '{"version": 1, "partitions": [{"path": "day=2013-01-01/hour=10/", "files": 1, "bytes": 4}]}'
"#;
const LIE: &str =
    "registry.example/ingest/liar@sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn table() -> Value {
    let columns = [
        ("id", "bigint"),
        ("time_hour", "timestamp"),
        ("carrier", "string"),
        ("flight", "bigint"),
        ("tailnum", "string"),
        ("origin", "string"),
        ("dest", "string"),
        ("dep_delay", "smallint"),
        ("arr_delay", "smallint"),
        ("air_time", "decimal(6,1)"),
        ("distance", "bigint"),
    ];
    let columns = columns.map(|(name, type_)| json!({ "name": name, "type": type_ }));
    json!({
        "schema": { "columns": columns },
        "partitionKeys": [{ "name": "day", "type": "string" }, { "name": "hour", "type": "string" }],
        "partitions": { "mode": "Published" },
        "freshness": { "sources": [{ "type": "Manifest" }], "maxAge": { "error": "2h" } },
    })
}

fn task(source: &Source) -> Value {
    let options = [
        ("HOST", "127.0.0.1"),
        ("PORT", &source.port.to_string()),
        ("DATABASE", "flights"),
        ("TABLE", "flights"),
        ("TLS", "off"),
        ("MODE", "incremental"),
        ("CURSOR", "time_hour"),
        ("WINDOW", "1h"),
        ("PARTITION", "day=%Y-%m-%d/hour=%H"),
    ];
    let environment =
        options.map(|(name, value)| json!({ "name": format!("MIZUUMI_SOURCE_{name}"), "value": value }));
    json!({
        "image": IMAGE, "cpu": 256, "memory": 512, "environment": environment,
        "secrets": [{ "name": "MIZUUMI_SOURCE_SECRET", "secret": "team/flights" }],
    })
}

fn with_account(installation: &mut Installation, team: &Team) {
    with_tasks(installation);
    let ecs = installation.profiles.get_mut("default").and_then(|profile| profile.ecs.as_mut());
    ecs.expect("tasks").execution_role_arn = format!("arn:aws:iam::{}:role/execution", team.account);
}

async fn secret(team: &Team, operation: &str, source: &Source, password: &str) {
    let value = json!({ "username": source.user, "password": password }).to_string();
    let name = if operation == "CreateSecret" { "Name" } else { "SecretId" };
    let secret = json!({ name: "team/flights", "SecretString": value });
    team.admin.json("secretsmanager", &format!("secretsmanager.{operation}"), secret).await;
}

fn told(run: &IngestRun) -> String {
    serde_json::to_string(run).expect("JSON")
}

#[tokio::test]
async fn a_source_that_grows_by_the_hour_comes_in_hour_by_hour_and_every_row_is_as_it_is_there() {
    let team = Team::new("sources").await;
    let mut source = Source::start(&team).await;
    team.task_cluster(json!([
        { "image": IMAGE, "command": image_of("mysql") },
        { "image": LIE, "command": ["sh", "-c", LIAR] },
    ]))
    .await;
    secret(&team, "CreateSecret", &source, &source.password).await;
    let _controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    team.create_ready("flights", table()).await;
    let spec = json!({ "table": "flights", "engine": "EcsTask", "ecsTask": task(&source), "retries": 2 });
    team.create_job("hourly", json!({ "run": spec })).await;

    let this_hour = Timestamp::from_second(now().as_second() / 3600 * 3600).expect("a time");
    let mut rows = 0;
    for hours in [2, 1, 0] {
        let session = this_hour - SignedDuration::from_hours(hours);
        rows += source.hour(session - SignedDuration::from_hours(1)).await;
        let at = session.to_string();
        let made = team.run(&["run", "hourly", "--at", &at, "--namespace", &team.namespace], "").await;
        assert_eq!(made.code, 0, "{made:?}");
        let run = team.run_phase(&run_name("hourly", session), RunPhase::Succeeded).await;
        assert!(!told(&run).contains(&source.password));
    }
    let same = source.compare(&team.aws.database, "flights").await;
    assert_eq!(same["distances"][0], same["distances"][1]);
    assert_eq!(
        (same["source"].as_u64(), same["lake"].as_u64(), &same["missing"], &same["surplus"]),
        (Some(rows), Some(rows), &json!(0), &json!(0)),
        "{same}"
    );
    assert_eq!(team.aws.partitions("flights").await.len(), 3);
    let table = team.fresh("flights", "Fresh").await;
    let data_time = table.status.and_then(|status| status.freshness).and_then(|fresh| fresh.data_time);
    assert_eq!(data_time, Some(this_hour));

    // What is said of the columns is what is declared, and each session is told how far the last one has read.
    let last = team.runs().get(&run_name("hourly", this_hour)).await.expect("the last run");
    assert!(told(&last).contains("SchemaDeclared"), "{last:?}");
    let read = this_hour - SignedDuration::from_hours(2);
    assert_eq!(last.spec.before, Some(read.to_string()));

    // A session that is brought once more comes to the same, and what has changed in the source meanwhile comes with it.
    source.change().await;
    let first = run_name("hourly", this_hour - SignedDuration::from_hours(2));
    let again = team.run(&["rerun", &first, "--namespace", &team.namespace, "--wait"], "").await;
    assert_eq!(again.code, 0, "{again:?}");
    let same = source.compare(&team.aws.database, "flights").await;
    assert_eq!((same["lake"].as_u64(), &same["missing"]), (Some(rows), &json!(0)), "{same}");

    // Wrong credentials are no reason to try again, and nothing says what they are.
    secret(&team, "PutSecretValue", &source, "wrong-and-secret").await;
    let run = |image: &str| {
        let mut spec = spec.clone();
        spec["sessionTime"] = json!("2013-01-01T11:00:00Z");
        spec["ecsTask"]["image"] = json!(image);
        spec
    };
    team.create_run("locked", run(IMAGE)).await;
    let why = team.run_reason("locked", "RunFailed").await;
    assert!(why.contains("exit code 77") && why.contains("would come to the same"), "{why}");
    let locked = team.runs().get("locked").await.expect("the run");
    assert_eq!(team.tasks_of("locked").await.len(), 1);
    assert!(!told(&locked).contains("wrong-and-secret"));

    // What an image says of its data has to hold.
    team.create_run("liar", run(LIE)).await;
    let why = team.run_reason("liar", "OutputInvalid").await;
    let words = "says 4 bytes of partition 'day=2013-01-01/hour=10/', and there are 3";
    assert!(why.contains(words), "{why}");
    assert_eq!(team.aws.partitions("flights").await.len(), 3);
}

#[tokio::test]
async fn a_source_that_was_put_back_brings_nothing_before_somebody_has_looked() {
    let team = Team::new("put-back").await;
    let mut source = Source::start(&team).await;
    team.task_cluster(json!([{ "image": IMAGE, "command": image_of("mysql") }])).await;
    secret(&team, "CreateSecret", &source, &source.password).await;
    let _controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    team.create_ready("flights", table()).await;
    let spec = json!({ "table": "flights", "engine": "EcsTask", "ecsTask": task(&source), "retries": 2 });
    team.create_job("hourly", json!({ "run": spec })).await;

    let this_hour = Timestamp::from_second(now().as_second() / 3600 * 3600).expect("a time");
    let hour = SignedDuration::from_hours(1);
    for read in [this_hour - hour * 3, this_hour - hour * 2] {
        source.hour(read).await;
        run_at(&team, read + hour).await;
        team.run_phase(&run_name("hourly", read + hour), RunPhase::Succeeded).await;
    }
    let read = this_hour - hour * 2;
    team.job_until("hourly", "a cursor", |job| {
        let cursor = job.status.as_ref().and_then(|status| status.cursor.as_ref());
        cursor.is_some_and(|cursor| cursor.column == "time_hour" && cursor.last == read.to_string())
    })
    .await;
    source.put_back(read).await;
    let name = run_name("hourly", this_hour);
    run_at(&team, this_hour).await;
    let why = team.run_reason(&name, "RunFailed").await;
    assert!(why.contains("exit code 65") && why.contains("would come to the same"), "{why}");
    assert_eq!(team.tasks_of(&name).await.len(), 1);
    assert_eq!(team.aws.partitions("flights").await.len(), 2);
    // A session of the past is not held up by what later ones have read.
    let past = run_name("hourly", this_hour - hour * 2);
    let again = team.run(&["rerun", &past, "--namespace", &team.namespace, "--wait"], "").await;
    assert_eq!(again.code, 0, "{again:?}");
}

async fn run_at(team: &Team, session: Timestamp) {
    let at = session.to_string();
    let made = team.run(&["run", "hourly", "--at", &at, "--namespace", &team.namespace], "").await;
    assert_eq!(made.code, 0, "{made:?}");
}
