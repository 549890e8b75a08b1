//! Connections: jobs make their runs with what one says, each run keeps that, and the runs say whether the source can be reached.

use anyhow::ensure;
use mizuumi_api::Installation;
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::installation::{JobsProfile, Profile};
use mizuumi_tests::{Controller, Hourly, IMAGE, Team, run_name, with_tasks};
use serde_json::{Value, json};

/// Brings a partition if it was told the source and its secret; ends as `PRETEND` says if that is said.
const READ: &str = r#"
[ -z "$MIZUUMI_SOURCE_PRETEND" ] || exit "$MIZUUMI_SOURCE_PRETEND"
[ "$MIZUUMI_SOURCE_SECRET" = "correct horse" ] || exit 77
[ "$MIZUUMI_SOURCE_KIND/$MIZUUMI_SOURCE_HOST/$MIZUUMI_SOURCE_TABLE" = "mysql/flights.db/flights" ] || exit 64
auth="AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/$AWS_REGION/s3/aws4_request, SignedHeaders=host, Signature=0"
exec curl -sS --fail -X PUT -H "authorization: $auth" --data-binary "$MIZUUMI_RUN" \
  "$AWS_ENDPOINT_URL/${MIZUUMI_OUTPUT#s3://}day=1/part-0.parquet"
"#;
/// The same image, a version later.
const NEWER: &str =
    "registry.example/ingest/orders@sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

fn database() -> Value {
    json!({
        "secret": { "secretsManager": { "name": "team/flights", "key": "password" } },
        "options": { "host": "flights.db", "database": "flights" },
    })
}

/// A job that reads by a connection, as a task of ECS.
fn reading(connection: &str, more: Value) -> Value {
    let mut run = json!({
        "engine": "EcsTask", "ecsTask": { "cpu": 256, "memory": 512 },
        "source": { "connection": connection, "options": { "table": "flights" } },
    });
    json_patch::merge(&mut run, &more);
    json!({ "run": run })
}

/// Roles, and so secrets, of the team's own account; Jobs of Kubernetes as well.
fn with_account(installation: &mut Installation, team: &Team) {
    with_tasks(installation);
    let profile = installation.profiles.remove("default").expect("tasks");
    let mut ecs = profile.ecs.clone().expect("tasks");
    ecs.execution_role_arn = format!("arn:aws:iam::{}:role/execution", team.account);
    let jobs = JobsProfile {
        service_account: "ingest".to_owned(),
        images: vec!["registry.example/ingest/*".to_owned()],
    };
    let profile = Profile { ecs: Some(ecs), jobs: Some(jobs), ..profile };
    installation.profiles.insert("default".to_owned(), profile);
}

/// A team with a secret, and a cluster in which tasks of both images read; nobody works for it yet.
async fn new_team(name: &str) -> Team {
    let team = Team::new(name).await;
    let program = json!(["sh", "-c", READ]);
    team.task_cluster(
        json!([{ "image": IMAGE, "command": program }, { "image": NEWER, "command": program }]),
    )
    .await;
    let secret = json!({ "Name": "team/flights", "SecretString": "{\"password\":\"correct horse\"}" });
    team.admin.json("secretsmanager", "secretsmanager.CreateSecret", secret).await;
    team
}

/// The same with a controller and a table.
async fn ready_team(name: &str) -> (Team, Controller) {
    let team = new_team(name).await;
    let controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    team.create_ready("orders", published()).await;
    (team, controller)
}

fn image(run: &IngestRun) -> &str {
    run.spec.ecs_task.as_ref().and_then(|task| task.image.as_deref()).expect("an image")
}

fn told(run: &IngestRun, variable: &str) -> Option<String> {
    let environment = run.spec.ecs_task.as_ref().and_then(|task| task.environment.as_ref())?;
    environment.iter().find(|one| one.name == variable).map(|one| one.value.clone())
}

/// The only run of a job.
async fn only_run(team: &Team, job: &str) -> IngestRun {
    team.eventually(job, "one run", async || {
        let runs = team.runs_of(job).await?;
        ensure!(runs.len() == 1, "there are {:?}", runs.keys());
        Ok(runs.into_values().next().expect("one"))
    })
    .await
}

#[tokio::test]
async fn a_job_makes_its_runs_with_what_its_connection_says_and_its_secret_is_nowhere_to_be_seen() {
    let team = new_team("connected").await;
    team.create("orders", published()).await;
    team.create_connection("flights-db", database()).await;
    let hourly = Hourly::new();
    team.create_missed("hourly", &hourly, 1, reading("flights-db", json!({}))).await;
    let controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    let run = run_name("hourly", hourly.sessions(1)[0]);
    let run = team.run_phase(&run, RunPhase::Succeeded).await;
    assert_eq!(image(&run), IMAGE);
    let label = run.metadata.labels.as_ref().and_then(|labels| labels.get("mizuumi.dev/source"));
    assert_eq!(label.map(String::as_str), Some("flights-db"));
    let task = run.spec.ecs_task.as_ref().expect("a task");
    let secret = &task.secrets.as_ref().expect("secrets")[0];
    assert_eq!(
        (secret.name.as_str(), secret.secret.as_str(), secret.key.as_deref()),
        ("MIZUUMI_SOURCE_SECRET", "team/flights", Some("password"))
    );
    assert_eq!(told(&run, "MIZUUMI_SOURCE_DATABASE").as_deref(), Some("flights"));

    let (connection, message) = team.connection_says("flights-db", "Reachable", "SourceReached").await;
    let name = run.metadata.name.as_deref().expect("a name");
    assert!(message.contains(name), "{message}");
    let status = connection.status.as_ref().expect("a status");
    assert_eq!((status.jobs, status.used_by.as_slice()), (1, &["hourly".to_owned()][..]));
    let last = status.last_attempt.as_ref().expect("an attempt");
    assert_eq!((last.run.as_str(), last.number, last.exit_code), (name, 1, 0));

    // A controller that begins anew has nothing to write: nothing is told before all is known.
    drop(controller);
    let _controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    team.sweeps(3).await;
    let again = team.connections().get("flights-db").await.expect("the connection");
    assert_eq!(again.metadata.resource_version, connection.metadata.resource_version);

    // S11: nothing that anybody may look at has it.
    let job = team.jobs().get("hourly").await.expect("the job");
    let definition = json!({ "taskDefinition": team.tasks().await[0]["taskDefinitionArn"] });
    let shown = [
        serde_json::to_string(&run),
        serde_json::to_string(&job),
        serde_json::to_string(&connection),
        serde_json::to_string(&team.tasks().await),
        serde_json::to_string(&team.ecs("DescribeTaskDefinition", definition).await),
        std::fs::read_to_string(team.folder().join("controller.log")).map_err(serde_json::Error::io),
    ];
    let events: Vec<String> = team.events(name).await.into_iter().map(|(_, note)| note).collect();
    for text in shown.into_iter().map(|text| text.expect("JSON")).chain(events) {
        assert!(!text.contains("correct horse"), "{text}");
    }
}

#[tokio::test]
async fn a_job_whose_connection_is_missing_waits_for_it_and_one_that_is_deleted_lets_its_runs_go_on() {
    let team = new_team("missing").await;
    team.create("orders", published()).await;
    let hourly = Hourly::new();
    team.create_missed("hourly", &hourly, 1, reading("flights-db", json!({}))).await;
    let _controller = Controller::with(&team, |installation| with_account(installation, &team)).await;
    let job = team.job_reason("hourly", "ConnectionNotFound").await;
    let conditions = job.status.expect("a status").conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready").expect("Ready");
    assert_eq!(format!("{:?}", ready.status), "False");
    assert!(ready.message.contains("SourceConnection 'flights-db'"), "{}", ready.message);
    assert!(team.runs_of("hourly").await.expect("runs").is_empty());
    // By hand it is no other.
    let by_hand = team.run(&["run", "hourly", "--namespace", &team.namespace], "").await;
    assert!(by_hand.code == 1 && by_hand.err.contains("no SourceConnection 'flights-db'"), "{by_hand:?}");

    let mut slow = database();
    slow["options"]["pretend"] = json!("75");
    team.create_connection("flights-db", slow).await;
    team.job_reason("hourly", "Scheduled").await;
    let run = run_name("hourly", hourly.sessions(1)[0]);
    team.run_reason(&run, "RunFailed").await;
    // What may be anything says nothing of the source.
    team.connection_says("flights-db", "Reachable", "NeverTried").await;

    team.delete_connection("flights-db").await;
    team.job_reason("hourly", "ConnectionNotFound").await;
    // A run has all that it needs.
    let again = team.run(&["rerun", &run, "--namespace", &team.namespace], "").await;
    assert_eq!(again.code, 0, "{again:?}");
    let second = run.replace("-r0", "-r1");
    let again = team.run_until(&second, "its work is over", |run| {
        run.status.as_ref().is_some_and(|status| !status.failed_attempts.is_empty())
    });
    assert_eq!(image(&again.await), IMAGE);
}

#[tokio::test]
async fn a_connection_that_is_changed_moves_its_own_jobs_and_only_the_runs_that_come() {
    let (team, _controller) = ready_team("changed").await;
    team.create_connection("flights-db", database()).await;
    team.create_connection("weather-db", database()).await;
    team.create_ready("weather", published()).await;
    for (job, table, connection) in
        [("flights", "orders", "flights-db"), ("weather", "weather", "weather-db")]
    {
        team.create_job(job, reading(connection, json!({ "table": table }))).await;
        team.job_reason(job, "ByHand").await;
    }
    let run = async |job: &str, at: &str| {
        let made = team.run(&["run", job, "--at", at, "--namespace", &team.namespace], "").await;
        assert_eq!(made.code, 0, "{made:?}");
    };
    for job in ["flights", "weather"] {
        run(job, "2026-11-01T00:00:00Z").await;
        assert_eq!(image(&only_run(&team, job).await), IMAGE);
    }

    team.change_connection("flights-db", json!({ "image": NEWER, "options": { "fetch_size": "500" } })).await;
    team.connection_says("flights-db", "Ready", "Usable").await;
    let old = team.run_phase("flights-20261101t0000z-r0", RunPhase::Succeeded).await;
    assert_eq!((image(&old), told(&old, "MIZUUMI_SOURCE_FETCH_SIZE")), (IMAGE, None));
    run("flights", "2026-11-02T00:00:00Z").await;
    run("weather", "2026-11-02T00:00:00Z").await;
    let new = team.run_phase("flights-20261102t0000z-r0", RunPhase::Succeeded).await;
    assert_eq!((image(&new), told(&new, "MIZUUMI_SOURCE_FETCH_SIZE").as_deref()), (NEWER, Some("500")));
    let other = team.run_phase("weather-20261102t0000z-r0", RunPhase::Succeeded).await;
    assert_eq!((image(&other), told(&other, "MIZUUMI_SOURCE_FETCH_SIZE")), (IMAGE, None));
    // A run that is made once more is what it was.
    let again = team.run(&["rerun", "flights-20261101t0000z-r0", "--namespace", &team.namespace], "").await;
    assert_eq!(again.code, 0, "{again:?}");
    let again = team.run_phase("flights-20261101t0000z-r1", RunPhase::Succeeded).await;
    assert_eq!(image(&again), IMAGE);
    let spec = |runs: &IngestRun| serde_json::to_string(&runs.spec.ecs_task).expect("JSON");
    assert_eq!(spec(&again), spec(&old));
}

#[tokio::test]
async fn a_source_that_is_not_there_or_refuses_is_seen_in_the_status() {
    let (team, _controller) = ready_team("unreached").await;
    let pretend = |code: &str| json!({ "options": { "pretend": code } });
    let mut away = database();
    json_patch::merge(&mut away, &pretend("69"));
    team.create_connection("flights-db", away).await;
    team.create_job("flights", reading("flights-db", json!({ "retries": 3 }))).await;
    team.job_reason("flights", "ByHand").await;
    let run = async |at: &str| {
        let made = team.run(&["run", "flights", "--at", at, "--namespace", &team.namespace], "").await;
        assert_eq!(made.code, 0, "{made:?}");
    };
    run("2026-11-01T00:00:00Z").await;
    // The run has retries left, and it is told all the same.
    let (connection, message) = team.connection_says("flights-db", "Reachable", "SourceUnavailable").await;
    assert!(message.contains("flights-20261101t0000z-r0") && message.contains("exit code 69"), "{message}");
    let last = connection.status.and_then(|status| status.last_attempt).expect("an attempt");
    assert_eq!(last.exit_code, 69);
    let (_, reason) = team.connection_says("flights-db", "Ready", "Usable").await;
    assert!(reason.contains("connection: flights-db"), "{reason}");
    let explained = team.run(&["explain", "srcc/flights-db", "--namespace", &team.namespace], "").await;
    assert!(explained.out.contains("SourceUnavailable"), "{explained:?}");
    let described = team.run(&["describe", "srcc/flights-db", "--namespace", &team.namespace], "").await;
    assert!(described.out.contains("IngestJob") && described.out.contains("flights"), "{described:?}");

    team.change_connection("flights-db", pretend("77")).await;
    run("2026-11-02T00:00:00Z").await;
    let (_, message) = team.connection_says("flights-db", "Reachable", "SourceDenied").await;
    assert!(message.contains("flights-20261102t0000z-r0"), "{message}");
    team.change_connection("flights-db", pretend("")).await;
    run("2026-11-03T00:00:00Z").await;
    team.connection_says("flights-db", "Reachable", "SourceReached").await;
    // It stays known when the runs are gone.
    team.delete_job("flights").await;
    team.connection_until("flights-db", "no job", |connection| {
        let status = connection.status.as_ref()?;
        (status.jobs == 0 && status.used_by.is_empty()).then_some(())
    })
    .await;
    team.eventually("flights", "its runs are gone", async || {
        ensure!(team.runs_of("flights").await?.is_empty(), "they are there");
        Ok(())
    })
    .await;
    team.connection_says("flights-db", "Reachable", "SourceReached").await;
}

#[tokio::test]
async fn bad_input_is_refused_where_it_is_said() {
    let (team, _controller) = ready_team("refused").await;
    for (spec, words) in [
        (json!({ "options": { "password": "hunter2" } }), "`options` must not hold secrets"),
        (
            json!({ "options": { "url": "https://a:hunter2@flights.example/" } }),
            "`options` must not hold secrets",
        ),
        (json!({ "image": "registry.example/ingest/orders:latest" }), "spec.image"),
        (json!({ "secret": {} }), "exactly one of `secretsManager` and `secretKeyRef`"),
        (json!({ "type": "MySQL" }), "spec.type"),
    ] {
        let refused = team.try_connection("refused", spec).await.expect_err(words).to_string();
        assert!(refused.contains(words) && !refused.contains("hunter2"), "no {words} in {refused}");
    }
    // What only the installation knows.
    let elsewhere = IMAGE.replace("registry.example", "elsewhere.example");
    team.create_connection("elsewhere", json!({ "image": elsewhere })).await;
    let (_, why) = team.connection_says("elsewhere", "Ready", "NotAllowed").await;
    assert!(why.contains("spec.image") && why.contains("registry.example/ingest/*"), "{why}");
    team.create_job("elsewhere", reading("elsewhere", json!({}))).await;
    team.job_reason("elsewhere", "ConnectionUnusable").await;
    // A secret where the engine does not look.
    team.create_connection("flights-db", database()).await;
    let kubernetes = json!({ "engine": "KubernetesJob", "ecsTask": null });
    team.create_job("wrong-store", reading("flights-db", kubernetes)).await;
    let job = team.job_reason("wrong-store", "ConnectionUnusable").await;
    let conditions = job.status.expect("a status").conditions;
    assert!(conditions.iter().any(|told| told.message.contains("`secret.secretKeyRef`")), "{conditions:?}");
    assert!(team.runs().list(&kube::api::ListParams::default()).await.expect("runs").items.is_empty());
}

#[tokio::test]
async fn a_job_of_kubernetes_is_given_the_reference_to_the_secret_and_nothing_more() {
    let (team, _controller) = ready_team("kubernetes").await;
    let secret = json!({ "secretKeyRef": { "name": "flights-db", "key": "all" } });
    team.create_connection("flights-db", json!({ "secret": secret, "options": { "host": "flights.db" } }))
        .await;
    let kubernetes = json!({ "engine": "KubernetesJob", "ecsTask": null });
    team.create_job("flights", reading("flights-db", kubernetes)).await;
    team.job_reason("flights", "ByHand").await;
    let at = ["run", "flights", "--at", "2026-11-01T00:00:00Z", "--namespace", &team.namespace];
    assert_eq!(team.run(&at, "").await.code, 0);
    let run = only_run(&team, "flights").await;
    let name = run.metadata.name.as_deref().expect("a name");
    let jobs = team
        .eventually(name, "its Job", async || {
            let jobs = team.jobs_of(name).await;
            ensure!(jobs.len() == 1, "there are {}", jobs.len());
            Ok(jobs)
        })
        .await;
    let container =
        serde_json::to_value(&jobs[0]).expect("JSON")["spec"]["template"]["spec"]["containers"][0].clone();
    assert_eq!(container["image"], IMAGE);
    let env = container["env"].as_array().expect("an environment");
    let of = |name: &str| env.iter().find(|one| one["name"] == name).unwrap_or(&Value::Null).clone();
    assert_eq!(of("MIZUUMI_SOURCE_HOST")["value"], "flights.db");
    assert_eq!(of("MIZUUMI_SOURCE_KIND")["value"], "mysql");
    assert_eq!(
        of("MIZUUMI_SOURCE_SECRET"),
        json!({ "name": "MIZUUMI_SOURCE_SECRET", "valueFrom": { "secretKeyRef": { "name": "flights-db", "key": "all" } } })
    );
}
