//! Runs whose work a Job of Kubernetes does: begun when the data is there, once an attempt, published when it is right.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use mizuumi_api::Installation;
use mizuumi_api::annotation::REPORTED_DATA_TIME;
use mizuumi_api::ingest_run::{IngestRun, RunAttemptState, RunPhase};
use mizuumi_api::installation::{JobsProfile, Profile};
use mizuumi_tests::{Aws, Container, Controller, Exit, Team, Work};
use serde_json::{Value, json};

fn with_jobs(installation: &mut Installation) {
    let jobs = JobsProfile {
        service_account: "ingest".to_owned(),
        images: vec!["registry.example/ingest/*".to_owned()],
    };
    let profile = Profile { jobs: Some(jobs), ..Profile::default() };
    installation.profiles.insert("default".to_owned(), profile);
}

fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

fn run(more: Value) -> Value {
    let mut spec = json!({
        "table": "orders", "sessionTime": "2026-11-02T00:00:00Z", "engine": "KubernetesJob",
        "kubernetesJob": { "image": "registry.example/ingest/orders:1", "args": ["--to=${output}", "--day=${sessionDate}"] },
    });
    json_patch::merge(&mut spec, &more);
    spec
}

/// Writes a file of one partition into where it is told.
async fn write(aws: &Aws, container: &Container) {
    let output = &container.env["MIZUUMI_OUTPUT"];
    let key = output.strip_prefix(&format!("s3://{}/", aws.bucket)).expect("the team's bucket");
    aws.put(&format!("{key}day=1/part-0.parquet"), &container.env["MIZUUMI_RUN"]).await;
}

/// Containers that bring their data, and then end so by the number of the attempt.
fn ending(aws: &Aws, exit: fn(i64) -> Exit) -> Work {
    let aws = aws.clone();
    Arc::new(move |container: Container| {
        let aws = aws.clone();
        async move {
            write(&aws, &container).await;
            exit(container.env["MIZUUMI_ATTEMPT"].parse().expect("a number"))
        }
        .boxed()
    })
}

async fn ready_team(name: &str) -> (Team, Controller) {
    let team = Team::new(name).await;
    let controller = Controller::with(&team, with_jobs).await;
    team.create_ready("orders", published()).await;
    (team, controller)
}

fn message(run: &IngestRun) -> String {
    let conditions = run.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let told = conditions.iter().find(|condition| condition.type_ == "Succeeded");
    told.map(|told| told.message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_job_of_kubernetes_does_the_work_and_its_data_is_published() {
    let (team, _controller) = ready_team("jobs").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    team.create_run("first", run(json!({}))).await;
    let run = team.run_phase("first", RunPhase::Succeeded).await;
    let status = run.status.expect("a status");
    let attempt = status.attempt.expect("an attempt");
    assert_eq!((attempt.number, attempt.state), (1, RunAttemptState::Succeeded));
    assert_eq!(attempt.output, format!("{}a1/", team.output("orders", "first")));
    let partitions = team.aws.partitions("orders").await;
    let location = partitions[0].storage_descriptor().and_then(|s| s.location()).expect("a location");
    assert_eq!(location, format!("{}day=1/", attempt.output));
    let jobs = team.jobs_of("first").await;
    assert_eq!(jobs.len(), 1);
    let pod = jobs[0].spec.clone().and_then(|spec| spec.template.spec).expect("a pod");
    assert_eq!(pod.service_account_name.as_deref(), Some("ingest"));
    assert_eq!(
        pod.containers[0].args,
        Some(vec![format!("--to={}", attempt.output), "--day=2026-11-02".to_owned()])
    );
    let note = team.event("first", "WorkStarted").await;
    assert!(note.contains(&attempt.worker), "{note}");
}

#[tokio::test]
async fn runs_whose_work_has_ended_are_published_whatever_looks_at_data_may_cost() {
    const RUNS: usize = 12;
    let team = Team::new("burst").await;
    let controller = Controller::with(&team, |installation| {
        with_jobs(installation);
        // A run is looked at by six calls.
        installation.rates.data_per_second = 1;
    })
    .await;
    team.create_ready("orders", published()).await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    let began = Instant::now();
    let names: Vec<String> = (0..RUNS).map(|number| format!("run-{number}")).collect();
    for name in &names {
        team.create_run(name, run(json!({}))).await;
    }
    for name in &names {
        team.run_phase(name, RunPhase::Succeeded).await;
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert!(!controller.log().contains("trying again"), "{}", controller.log());
}

#[tokio::test]
async fn work_that_fails_is_done_again_in_a_directory_of_its_own() {
    let (team, _controller) = ready_team("again").await;
    let _kubelet =
        team.kubelet(ending(&team.aws, |attempt| if attempt == 1 { Exit::Code(3) } else { Exit::Code(0) }));
    team.create_run("first", run(json!({ "retries": 1 }))).await;
    let waiting = team.run_reason("first", "Retrying").await;
    assert!(waiting.contains("attempt 2 begins at"), "{waiting}");
    let run = team.run_phase("first", RunPhase::Succeeded).await;
    let status = run.status.expect("a status");
    assert_eq!(status.failed_attempts.len(), 1);
    assert!(!status.failed_attempts[0].was_lost);
    assert!(status.attempt.is_some_and(|attempt| attempt.number == 2 && attempt.output.ends_with("/a2/")));
    assert_eq!(team.jobs_of("first").await.len(), 2);
}

#[tokio::test]
async fn work_that_fails_for_good_publishes_nothing_and_says_why() {
    let (team, _controller) = ready_team("broken").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(3)));
    team.create_run("first", run(json!({}))).await;
    let why = team.run_reason("first", "RunFailed").await;
    assert!(why.contains("Job 'first-") && why.contains("BackoffLimitExceeded"), "{why}");
    assert_eq!(team.run_phase("first", RunPhase::Failed).await.status.expect("a status").manifest, None);
    assert!(team.aws.partitions("orders").await.is_empty());
    assert_eq!(team.jobs_of("first").await.len(), 1);
}

#[tokio::test]
async fn work_that_says_by_its_exit_code_that_it_would_come_to_the_same_is_not_done_again() {
    let (team, _controller) = ready_team("denied").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(77)));
    team.create_run("first", run(json!({ "retries": 2 }))).await;
    let why = team.run_reason("first", "RunFailed").await;
    assert!(why.contains("exit code 77") && why.contains("refused the permission"), "{why}");
    let status = team.run_phase("first", RunPhase::Failed).await.status.expect("a status");
    let past = &status.failed_attempts[0];
    assert_eq!((past.was_lost, past.exit_code), (false, Some(77)));
    assert_eq!(team.jobs_of("first").await.len(), 1);
}

#[tokio::test]
async fn a_pod_that_is_taken_away_does_not_count_as_a_failure_of_the_work() {
    let (team, _controller) = ready_team("taken").await;
    let _kubelet =
        team.kubelet(ending(&team.aws, |attempt| if attempt == 1 { Exit::TakenAway } else { Exit::Code(0) }));
    team.create_run("first", run(json!({}))).await;
    let run = team.run_phase("first", RunPhase::Succeeded).await;
    let status = run.status.expect("a status");
    assert!(status.failed_attempts[0].was_lost, "{status:?}");
}

#[tokio::test]
async fn work_begins_once_the_data_that_it_reads_is_there() {
    let (team, _controller) = ready_team("upstream").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    let freshness =
        json!({ "freshness": { "sources": [{ "type": "Reported" }], "maxAge": { "error": "9d" } } });
    team.create_ready("clicks", freshness).await;
    let clicks = format!("{}.clicks", team.aws.database);
    team.create_run("first", run(json!({ "waitFor": [{ "table": clicks }] }))).await;
    let why = team.run_reason("first", "WaitingForUpstream").await;
    assert!(why.contains(&format!("'{clicks}' to be complete up to 2026-11-02T00:00:00Z")), "{why}");
    assert_eq!(team.run_phase("first", RunPhase::Pending).await.status.expect("a status").attempt, None);
    team.annotate("clicks", json!({ REPORTED_DATA_TIME: "2026-11-01T23:00:00Z" })).await;
    let run = team
        .run_until("first", "an hour is missing", |run| {
            message(run).contains("it is up to 2026-11-01T23:00:00Z")
        })
        .await;
    assert_eq!(run.status.expect("a status").attempt, None);
    team.annotate("clicks", json!({ REPORTED_DATA_TIME: "2026-11-02T00:00:00Z" })).await;
    team.run_phase("first", RunPhase::Succeeded).await;
}

#[tokio::test]
async fn a_run_that_is_given_up_stops_its_work_and_publishes_nothing() {
    let (team, _controller) = ready_team("cancelled").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Never));
    team.create_run("first", run(json!({}))).await;
    team.run_until("first", "its pod runs", |run| message(run).contains("its pod runs")).await;
    team.change_run("first", json!({ "cancel": true })).await;
    team.run_reason("first", "RunCancelled").await;
    team.eventually("first", "no Job", async || {
        anyhow::ensure!(team.jobs_of("first").await.is_empty(), "there is one still");
        Ok(())
    })
    .await;
    assert!(team.aws.partitions("orders").await.is_empty());
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_fails_and_what_stands_for_nothing_is_told() {
    let (team, _controller) = ready_team("limits").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    let other = json!({ "kubernetesJob": { "image": "elsewhere/ingest:1" } });
    team.create_run("image", run(other)).await;
    team.run_until("image", "its image is refused", |run| {
        message(run).contains("'elsewhere/ingest:1' is not among")
    })
    .await;
    let typo = json!({ "kubernetesJob": { "args": ["${ouptut}"] } });
    team.create_run("typo", run(typo)).await;
    let run = team
        .run_until("typo", "its argument is refused", |run| {
            message(run).contains("spec.kubernetesJob.args[0]")
        })
        .await;
    assert!(
        message(&run).contains("'${ouptut}' stands for nothing; there are ${attempt}"),
        "{}",
        message(&run)
    );
    assert_eq!(team.jobs_of("typo").await.len(), 0);
}

#[tokio::test]
async fn a_run_that_was_over_for_long_enough_is_deleted() {
    let (team, _controller) = ready_team("ttl").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    // A minute is the least; what is checked here is that a run with a limit stays until then.
    team.create_run("first", run(json!({ "ttlAfterFinished": "1m" }))).await;
    let over = team.run_phase("first", RunPhase::Succeeded).await.status.expect("a status").finished_at;
    team.within(Duration::from_secs(90), "first", "the run is gone", async || {
        anyhow::ensure!(team.runs().get_opt("first").await?.is_none(), "it is there");
        Ok(())
    })
    .await;
    let took = mizuumi_tests::now().duration_since(over.expect("a time"));
    assert!(took.as_secs() >= 60, "deleted after {took}");
}

#[tokio::test]
async fn work_waits_for_tables_of_other_installations_by_what_glue_says_of_them() {
    let team = Team::new("elsewhere").await;
    let database = team.aws.database.clone();
    let _controller = Controller::with(&team, |installation| {
        with_jobs(installation);
        installation.upstreams.databases = vec![database.clone()];
        installation.upstreams.poll_seconds = 1;
    })
    .await;
    team.create_ready("orders", published()).await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    let waits_for = |table: &str| run(json!({ "waitFor": [{ "table": format!("{database}.{table}") }] }));
    team.create_run("unmarked", waits_for("nobodys")).await;
    team.create_run("marked", waits_for("theirs")).await;
    let refused = json!({ "waitFor": [{ "table": "hr.people" }] });
    team.create_run("forbidden", run(refused)).await;
    for (name, words) in [
        ("unmarked", "there is no such table in Glue"),
        ("forbidden", "'hr' is not among the `upstreams.databases`"),
    ] {
        team.run_until(name, words, |run| message(run).contains(words)).await;
    }
    let until = ("mizuumi.data_time", "2026-11-02T00:00:00Z");
    team.aws.create_table("nobodys", &[until]).await;
    team.run_until("unmarked", "it is not trusted", |run| message(run).contains("bears no mark")).await;
    team.aws.create_table("theirs", &[until, ("mizuumi.owner", "other/ns/DataTable/theirs@db.theirs")]).await;
    team.run_phase("marked", RunPhase::Succeeded).await;
    assert_eq!(team.run_phase("unmarked", RunPhase::Pending).await.status.expect("a status").attempt, None);
}

#[tokio::test]
async fn work_does_not_begin_with_a_program_that_is_another_one_by_now() {
    let (team, _controller) = ready_team("artifact").await;
    let _kubelet = team.kubelet(ending(&team.aws, |_| Exit::Code(0)));
    // SHA-256 of "select 1".
    let sha256 = "822ae07d4783158bc1912bb623e5107cc9002d519e1143a9c200ed6ee18b6d0f";
    let uri = format!("s3://{}/jobs/load.sql", team.aws.bucket);
    team.create_run("first", run(json!({ "artifacts": [{ "uri": uri, "sha256": sha256 }] }))).await;
    team.run_until("first", "it is missing", |run| message(run).contains("is missing")).await;
    team.aws.put("jobs/load.sql", "select 2").await;
    team.run_until("first", "it is altered", |run| message(run).contains("its SHA-256 is")).await;
    assert_eq!(team.jobs_of("first").await.len(), 0);
    team.aws.put("jobs/load.sql", "select 1").await;
    team.run_phase("first", RunPhase::Succeeded).await;
}

#[tokio::test]
async fn an_attempt_leaves_behind_that_it_was_begun_and_how_it_ended_and_its_directory_is_never_used_again() {
    let (team, _controller) = ready_team("traces").await;
    let _kubelet = team.kubelet(ending(&team.aws, |attempt| Exit::Code(i32::from(attempt == 1))));
    team.create_run("first", run(json!({}))).await;
    team.run_phase("first", RunPhase::Failed).await;
    let traces = "orders/runs/first/_attempts/";
    let there =
        |number: i64| ["result", "started"].map(|what| format!("{traces}a{number}.{what}.json")).to_vec();
    assert_eq!(team.aws.keys(traces).await, there(1));
    // As one does who restores it from a backup, or just tries again under the same name: there is no status.
    team.runs().delete("first", &kube::api::DeleteParams::default()).await.expect("it is deleted");
    team.eventually("first", "the run is gone", async || {
        anyhow::ensure!(team.runs().get_opt("first").await?.is_none(), "it is there");
        Ok(())
    })
    .await;
    team.create_run("first", run(json!({}))).await;
    let status = team.run_phase("first", RunPhase::Succeeded).await.status.expect("a status");
    assert_eq!(status.output, Some(format!("{}a2/", team.output("orders", "first"))));
    assert!(status.failed_attempts[0].message.contains("the status that knew of it is lost"), "{status:?}");
    let both: Vec<String> = there(1).into_iter().chain(there(2)).collect();
    assert_eq!(team.aws.keys(traces).await, both);
    let partitions = team.aws.partitions("orders").await;
    assert_eq!(partitions.len(), 1, "{partitions:?}");
}
