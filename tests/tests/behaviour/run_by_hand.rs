//! `mizuumi run` and `mizuumi rerun` make runs as a person asks, and say what came of them.

use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Controller, Hourly, Planned, Team, run_name};
use serde_json::{Value, json};

async fn mizuumi(team: &Team, arguments: &[&str]) -> Planned {
    team.run(&[arguments, &["--namespace", &team.namespace]].concat(), "").await
}

async fn with_a_job(name: &str, spec: Value) -> Team {
    let team = Team::new(name).await;
    let table = json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create("orders", table).await;
    team.create_job("daily", spec).await;
    team
}

#[tokio::test]
async fn a_run_of_a_job_is_made_followed_and_made_once_more() {
    let team =
        with_a_job("by-hand", json!({ "run": { "parameters": { "days": "1", "mode": "full" } } })).await;
    let _controller = Controller::start(&team).await;
    let at = "2026-11-01T09:00:00+09:00";
    let dry =
        mizuumi(&team, &["run", "daily", "--at", at, "--set", "days=7", "--dry-run=client", "-o", "yaml"])
            .await;
    assert_eq!(dry.code, 0, "{dry:?}");
    let manifest: Value = serde_saphyr::from_str(&dry.out).expect("YAML alone on standard output");
    assert_eq!(manifest["metadata"]["name"], "daily-20261101t0000z-r0");
    assert_eq!(manifest["spec"]["parameters"], json!({ "days": "7", "mode": "full" }));
    assert!(team.runs_of("daily").await.expect("the runs").is_empty(), "nothing was made");

    let made = mizuumi(&team, &["run", "daily", "--at", at]).await;
    let name = "daily-20261101t0000z-r0";
    assert_eq!(
        (made.out.as_str(), made.code),
        (format!("ingestrun.mizuumi.dev/{name} created\n").as_str(), 0),
        "{made:?}"
    );
    team.run_phase(name, RunPhase::Running).await;
    team.job_until("daily", "the run by hand", |job| {
        job.status.as_ref().is_some_and(|status| status.active == [name])
    })
    .await;
    team.fail_run(name).await;

    let run = "daily-20261101t0000z-r1";
    team.write_output("orders", run, &["day=1/"]).await;
    team.mark_output("orders", run).await;
    let again = mizuumi(&team, &["rerun", name, "--wait"]).await;
    assert_eq!(
        (again.out.as_str(), again.code),
        (format!("ingestrun.mizuumi.dev/{run} created\n").as_str(), 0),
        "{again:?}"
    );
    for part in ["revision 1 of session 2026-11-01T00:00:00Z", "published 1 of 1 partitions"] {
        assert!(again.err.contains(part), "no {part:?} in {}", again.err);
    }
    let third = mizuumi(&team, &["run", "daily", "--at", at, "-o", "name"]).await;
    assert_eq!(third.out, "ingestrun.mizuumi.dev/daily-20261101t0000z-r2\n", "{third:?}");
}

#[tokio::test]
async fn one_that_fails_and_one_that_does_not_end_have_codes_of_their_own() {
    let team = with_a_job("by-hand-waits", json!({})).await;
    let _controller = Controller::start(&team).await;
    let at = ["run", "daily", "--at", "2026-11-01T00:00:00Z", "--wait"];
    let late = mizuumi(&team, &[&at[..], &["--timeout", "3s"]].concat()).await;
    assert_eq!(late.code, 3, "{late:?}");
    assert!(
        late.err.contains("Running: ") && late.err.contains("is not over yet, and goes on"),
        "{}",
        late.err
    );
    let name = "daily-20261101t0000z-r1";
    let ((), failed) = tokio::join!(
        async {
            team.run_phase(name, RunPhase::Running).await;
            team.fail_run(name).await;
        },
        mizuumi(&team, &at)
    );
    assert_eq!(failed.code, 2, "{failed:?}");
    assert!(
        failed.err.contains(&format!("IngestRun '{name}' failed: its work failed: no source")),
        "{}",
        failed.err
    );
}

#[tokio::test]
async fn without_a_session_it_is_the_latest_of_the_schedule_which_is_not_run_again_by_itself() {
    let hourly = Hourly::new();
    let team = with_a_job("by-hand-latest", json!({})).await;
    team.create_missed("hourly", &hourly, 1, json!({})).await;
    let name = run_name("hourly", hourly.sessions(1)[0]);
    let made = mizuumi(&team, &["run", "hourly", "-o", "name"]).await;
    assert_eq!(made.out, format!("ingestrun.mizuumi.dev/{name}\n"), "{made:?}");
    let uid = team.runs_of("hourly").await.expect("the runs")[&name].metadata.uid.clone();
    let _controller = Controller::start(&team).await;
    team.fail_run(&name).await;
    team.job_until("hourly", "the session dealt with", |job| {
        job.status.as_ref().is_some_and(|status| {
            status.last_scheduled_time == Some(hourly.sessions(1)[0]) && status.starting.is_none()
        })
    })
    .await;
    let runs = team.until_runs("hourly", std::slice::from_ref(&name)).await;
    assert_eq!(runs[&name].metadata.uid, uid);
}

#[tokio::test]
async fn what_cannot_be_run_is_told_and_nothing_is_made() {
    let team = with_a_job("by-hand-wrong", json!({})).await;
    for (arguments, says) in [
        (&["run", "nothing"][..], "there is no IngestJob 'nothing' in namespace"),
        (&["rerun", "nothing"], "there is no IngestRun 'nothing' in namespace"),
        (&["run", "daily", "--at", "yesterday"], "invalid value 'yesterday'"),
        (&["run", "daily", "--set", "days"], "must be NAME=VALUE"),
        (&["run", "daily", "--timeout", "3s"], "--wait"),
    ] {
        let told = mizuumi(&team, arguments).await;
        assert!(told.code != 0 && told.out.is_empty(), "{told:?}");
        assert!(told.err.contains(says), "no {says:?} in {}", told.err);
    }
    assert!(team.runs_of("daily").await.expect("the runs").is_empty());
}
