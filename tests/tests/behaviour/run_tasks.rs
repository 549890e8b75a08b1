//! Runs whose work a task of ECS does: begun once an attempt, found again, told apart by how it stopped.

use anyhow::ensure;
use kube::api::DeleteParams;
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunAttemptState, RunPhase};
use mizuumi_tests::{Controller, IMAGE, Team, with_tasks};
use serde_json::{Value, json};

/// Leaves a file of one partition where it is told, if it was given the secret; and never says that.
const LOAD: &str = r#"
echo "loading into $MIZUUMI_OUTPUT for $1"
[ "$DB_PASSWORD" = "correct horse" ] || exit 4
auth="AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/$AWS_REGION/s3/aws4_request, SignedHeaders=host, Signature=0"
exec curl -sS --fail -X PUT -H "authorization: $auth" --data-binary "$MIZUUMI_RUN" \
  "$AWS_ENDPOINT_URL/${MIZUUMI_OUTPUT#s3://}day=1/part-0.parquet"
"#;

fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

fn run(more: Value) -> Value {
    let mut spec = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "EcsTask",
        "ecsTask": { "image": IMAGE, "cpu": 256, "memory": 512, "command": ["${sessionDate}"] },
    });
    json_patch::merge(&mut spec, &more);
    spec
}

/// Roles, and so secrets, of the team's own account.
fn with_account(installation: &mut Installation, team: &Team) {
    with_tasks(installation);
    let ecs = installation.profiles.get_mut("default").and_then(|profile| profile.ecs.as_mut());
    ecs.expect("tasks").execution_role_arn = format!("arn:aws:iam::{}:role/execution", team.account);
}

/// A team with a table, and a cluster in which tasks of the image live so.
async fn ready_team(name: &str, image: Value) -> (Team, Controller) {
    let team = Team::new(name).await;
    let mut of_image = json!({ "image": IMAGE });
    json_patch::merge(&mut of_image, &image);
    team.task_cluster(json!([of_image])).await;
    let controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    team.create_ready("orders", published()).await;
    (team, controller)
}

fn message(run: &IngestRun) -> String {
    let conditions = run.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = conditions.iter().find(|condition| condition.type_ == "Succeeded");
    told.map(|told| told.message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_task_really_runs_and_its_data_is_published_and_its_secret_is_nowhere_to_be_seen() {
    let (team, _controller) = ready_team("tasks", json!({ "command": ["sh", "-c", LOAD, "load"] })).await;
    team.admin
        .json("logs", "Logs_20140328.CreateLogGroup", json!({ "logGroupName": "/mizuumi/ingest" }))
        .await;
    let secret = json!({ "Name": "team/db", "SecretString": "{\"password\":\"correct horse\"}" });
    team.admin.json("secretsmanager", "secretsmanager.CreateSecret", secret).await;
    let secrets = json!([{ "name": "DB_PASSWORD", "secret": "team/db", "key": "password" }]);
    team.create_run("first", run(json!({ "ecsTask": { "secrets": secrets } }))).await;
    let run = team.run_phase("first", RunPhase::Succeeded).await;
    let seen = serde_json::to_string(&run).expect("JSON");
    assert!(!seen.contains("correct horse"), "{seen}");
    let attempt = run.status.and_then(|status| status.attempt).expect("an attempt");
    assert_eq!((attempt.number, attempt.state), (1, RunAttemptState::Succeeded));
    assert_eq!(attempt.worker, "lake");
    let partitions = team.aws.partitions("orders").await;
    let location = partitions[0].storage_descriptor().and_then(|s| s.location()).expect("a location");
    assert_eq!(location, format!("{}day=1/", attempt.output));
    let tasks = team.tasks_of("first").await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(attempt.external_id.as_deref(), tasks[0]["taskArn"].as_str());
    assert_eq!(tasks[0]["tags"][0]["value"], format!("tests/{}/IngestRun/first", team.namespace));
    let shown = tasks[0].to_string();
    assert!(!shown.contains("correct horse"), "{shown}");
    let log = attempt.log.expect("a log");
    let (group, stream) = log.split_once(':').expect("a group and a stream");
    let place = json!({ "logGroupName": group, "logStreamName": stream });
    let events = team.admin.json("logs", "Logs_20140328.GetLogEvents", place).await;
    let line = events["events"][0]["message"].as_str().unwrap_or_default();
    assert_eq!(line, format!("loading into {} for 2026-11-02", attempt.output));
    let note = team.event("first", "WorkStarted").await;
    assert!(note.contains("in ECS's cluster 'lake'"), "{note}");
}

#[tokio::test]
async fn how_a_task_stopped_says_whether_the_work_failed_and_what_to_do() {
    let (team, _controller) = ready_team("stops", json!({ "seconds": 30 })).await;
    let digest = IMAGE.split_once('@').map_or("", |(_, digest)| digest);
    let broken = format!("registry.example/ingest/broken@{digest}");
    team.admin.images(json!([{ "image": broken, "seconds": 30, "exitCode": 3 }])).await;
    for (name, fault, spec, was_lost, words) in [
        ("exit", None, json!({ "image": broken }), false, "ended with exit code 3"),
        ("memory", Some("out-of-memory"), json!({}), false, "spec.ecsTask.memory"),
        ("pull", Some("image-unknown"), json!({}), false, "could not pull its image"),
        ("spot", Some("spot-loss"), json!({ "capacity": "FargateSpot" }), true, "was taken back by Fargate"),
        ("room", Some("insufficient-capacity"), json!({}), true, "Capacity is unavailable"),
    ] {
        if let Some(action) = fault {
            let rule = json!({ "action": action, "operation": "RunTask", "table": format!("\"{name}\""), "delayMs": 50, "times": 1 });
            team.admin.fault(rule).await;
        }
        team.create_run(name, run(json!({ "ecsTask": spec }))).await;
        let run = team
            .run_until(name, "an attempt has failed", |run| {
                run.status.as_ref().is_some_and(|status| !status.failed_attempts.is_empty())
            })
            .await;
        let past = &run.status.as_ref().expect("a status").failed_attempts[0];
        assert!(past.was_lost == was_lost && past.message.contains(words), "{name}: {past:?}");
        let reason = if was_lost { "Retrying" } else { "RunFailed" };
        let told = team.run_reason(name, reason).await;
        assert!(told.contains(words), "{name}: {told}");
    }
    assert!(team.aws.partitions("orders").await.is_empty());
}

#[tokio::test]
async fn a_reply_that_is_lost_begins_no_second_task() {
    let (team, _controller) = ready_team("replies", json!({ "seconds": 30 })).await;
    for (name, action) in [
        ("after", "drop-after"),
        ("before", "drop-before"),
        ("fails", "error-after"),
        ("lags", "error-after"),
    ] {
        team.write_output("orders", name, &["a1/day=1/", "a2/day=1/"]).await;
        team.admin.fault(json!({ "action": action, "operation": "RunTask", "times": 1 })).await;
        if name == "lags" {
            for operation in ["ListTasks", "DescribeTasks"] {
                let lag = json!({ "action": "list-lag", "operation": operation, "delayMs": 2000 });
                team.admin.fault(lag).await;
            }
        }
        team.create_run(name, run(json!({}))).await;
        let run = team.run_phase(name, RunPhase::Succeeded).await;
        let attempt = run.status.and_then(|status| status.attempt).expect("an attempt");
        assert_eq!(attempt.number, 1, "{name}");
        team.admin.heal().await;
        assert_eq!(team.tasks_of(name).await.len(), 1, "{name}");
    }
    // Runs of one job share a definition, and these have each its own; nothing about it was lost.
    let families = team.ecs("ListTaskDefinitions", json!({})).await;
    assert_eq!(families["taskDefinitionArns"].as_array().map(Vec::len), Some(4));
}

#[tokio::test]
async fn a_run_that_is_given_up_or_deleted_stops_its_task() {
    let (team, _controller) =
        ready_team("stopped", json!({ "command": ["sh", "-c", "exec sleep 600"] })).await;
    for name in ["cancelled", "deleted"] {
        team.create_run(name, run(json!({}))).await;
        team.run_until(name, "its task runs", |run| message(run).ends_with(" runs")).await;
        if name == "cancelled" {
            team.change_run(name, json!({ "cancel": true })).await;
            let why = team.run_reason(name, "RunCancelled").await;
            assert_eq!(why, "it was given up");
        } else {
            team.runs().delete(name, &DeleteParams::default()).await.expect("it is deleted");
            team.eventually(name, "the run is gone", async || {
                ensure!(team.runs().get_opt(name).await?.is_none(), "it is there");
                Ok(())
            })
            .await;
        }
        let tasks = team.tasks_of(name).await;
        assert_eq!(tasks.len(), 1);
        let (status, code) = (tasks[0]["lastStatus"].as_str(), tasks[0]["stopCode"].as_str());
        assert_eq!((status, code), (Some("STOPPED"), Some("UserInitiated")), "{name}: {}", tasks[0]);
        let reason = tasks[0]["stoppedReason"].as_str().unwrap_or_default();
        assert!(reason.starts_with("Mizuumi: "), "{reason}");
        // `sleep` heeds SIGTERM.
        assert_eq!(tasks[0]["containers"][0]["exitCode"], 143, "{}", tasks[0]);
    }
    assert!(team.aws.partitions("orders").await.is_empty());
}

#[tokio::test]
async fn what_the_installation_does_not_allow_is_refused_before_anything_is_asked_for() {
    let (team, _controller) = ready_team("refused", json!({})).await;
    let digest = IMAGE.split_once('@').map_or("", |(_, digest)| digest);
    for (name, spec, words) in [
        ("image", json!({ "image": format!("elsewhere/ingest@{digest}") }), "is not among the images"),
        ("secret", json!({ "secrets": [{ "name": "X", "secret": "other/db" }] }), "is not among the secrets"),
        ("typo", json!({ "command": ["${ouptut}"] }), "spec.ecsTask.command[0]"),
        ("long", json!({ "command": ["x".repeat(4096), "y".repeat(4096)] }), "ECS takes 8192"),
    ] {
        team.create_run(name, run(json!({ "ecsTask": spec }))).await;
        team.run_until(name, words, |run| message(run).contains(words)).await;
    }
    assert!(team.tasks().await.is_empty());
    let asked = team.admin.calls(0).await;
    assert!(!asked.iter().any(|call| call.operation == "RegisterTaskDefinition"), "{asked:?}");
}
