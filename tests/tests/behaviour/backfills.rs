//! A backfill catches up with a range of the past: so many sessions at once, each once, whatever dies; and it remembers what was done.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use mizuumi_api::label;
use mizuumi_tests::{Controller, Planned, Team};
use serde_json::{Value, json};

/// How many hours of 2020 are caught up with.
const SESSIONS: usize = 20;
const AT_ONCE: usize = 3;

async fn mizuumi(team: &Team, arguments: &[&str]) -> Planned {
    team.run(&[arguments, &["--namespace", &team.namespace]].concat(), "").await
}

/// A table, and a job of every hour whose past nobody has seen.
async fn with_a_job(name: &str, spec: Value) -> Team {
    let team = Team::new(name).await;
    let table = json!({
        "partitionKeys": [{ "name": "hour", "type": "string" }],
        "partitions": { "mode": "Published" },
    });
    team.create("orders", table).await;
    // No session of the schedule comes in between.
    let mut all = json!({ "schedule": { "cron": "0 * * * *" }, "suspend": true });
    json_patch::merge(&mut all, &spec);
    team.create_job("hourly", all).await;
    team
}

fn is_over(run: &IngestRun) -> bool {
    run.status.as_ref().and_then(|status| status.phase).is_some_and(RunPhase::is_over)
}

/// Whoever does the work of runs.
#[derive(Default)]
struct Worker {
    /// The uids of each run.
    made: BTreeMap<String, BTreeSet<String>>,
    most_at_once: usize,
}

impl Worker {
    /// Ends the runs that are under way, those of one session badly; answers how many there were.
    async fn work(&mut self, team: &Team, fails: &str) -> anyhow::Result<usize> {
        let runs = team.runs_of("hourly").await?;
        for (name, run) in &runs {
            self.made.entry(name.clone()).or_default().extend(run.uid());
        }
        let under_way: Vec<&String> =
            runs.iter().filter(|(_, run)| !is_over(run)).map(|(name, _)| name).collect();
        self.most_at_once = self.most_at_once.max(under_way.len());
        for name in &under_way {
            let outcome = if name.contains(fails) { "Failed" } else { "Succeeded" };
            if outcome == "Succeeded" {
                let session = runs[*name].spec.session_time.expect("a session");
                team.write_output("orders", name, &[&format!("hour={}/", session.as_second())]).await;
            }
            let patch = Patch::Merge(json!({ "spec": { "external": { "outcome": outcome } } }));
            // It may be gone by now.
            team.runs().patch(name, &PatchParams::default(), &patch).await.ok();
        }
        Ok(under_way.len())
    }
}

#[tokio::test]
async fn each_session_runs_once_and_so_many_at_once_whoever_dies_and_pauses_in_between() {
    let team = with_a_job("backfill", json!({ "concurrencyPolicy": "Forbid" })).await;
    let mut controller = Controller::start(&team).await;
    let range = ["backfill", "hourly", "--from", "2020-01-01T00:00:00Z", "--to", "2020-01-01T20:00:00Z"];
    let arguments = [&range[..], &["--max-active-runs", "3", "--newest-first"]].concat();
    let made = mizuumi(&team, &arguments).await;
    let name = "hourly-20200101-20200101";
    assert_eq!((made.out, made.code), (format!("backfill.mizuumi.dev/{name} created\n"), 0));
    assert!(made.err.contains("20 sessions, from 2020-01-01T19:00:00Z to 2020-01-01T00:00:00Z, 3 at once"));

    let (fails, mut worker) = ("20200101t0700z", Worker::default());
    let ended = async |least: i64, worker: &mut Worker| {
        team.eventually(name, &format!("{least} ended runs"), async || {
            worker.work(&team, fails).await?;
            let status = team.backfills().get(name).await?.status.unwrap_or_default();
            ensure!(status.succeeded.unwrap_or_default() >= least, "{status:?}");
            Ok(())
        })
        .await;
    };
    ended(5, &mut worker).await;
    controller.kill();
    worker.work(&team, fails).await.expect("work goes on without a controller");
    controller.restart();
    ended(8, &mut worker).await;

    let paused = mizuumi(&team, &["suspend", &format!("bfill/{name}")]).await;
    assert_eq!(paused.code, 0, "{paused:?}");
    team.eventually(name, "a pause", async || {
        let left = worker.work(&team, fails).await?;
        let status = team.backfills().get(name).await?.status.unwrap_or_default();
        ensure!(left == 0 && status.running == Some(0), "{status:?}");
        ensure!(status.conditions.iter().any(|told| told.reason == "Suspended"), "{status:?}");
        Ok(())
    })
    .await;
    let before = worker.made.len();
    assert!(before < SESSIONS, "something is left to do");
    // Whatever was to be done about a change of the job has been done, and nothing else.
    team.change_job("hourly", json!({ "startingDeadline": "1h" })).await;
    team.job_reason("hourly", "Suspended").await;
    worker.work(&team, fails).await.expect("a look");
    assert_eq!(worker.made.len(), before, "no run is made in a pause");
    mizuumi(&team, &["resume", &format!("bfill/{name}")]).await;

    let backfill = team.eventually(name, "the end", async || {
        worker.work(&team, fails).await?;
        let backfill = team.backfills().get(name).await?;
        ensure!(backfill.status.as_ref().is_some_and(|status| status.finished_at.is_some()), "{backfill:?}");
        Ok(backfill)
    });
    let backfill = backfill.await;
    assert_eq!(worker.most_at_once, AT_ONCE);
    assert_eq!(worker.made.len(), SESSIONS);
    let twice: Vec<_> = worker.made.iter().filter(|(_, uids)| uids.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let status = backfill.status.clone().expect("a status");
    let counted = (status.sessions, status.succeeded, status.failed, status.left_out, status.waiting);
    assert_eq!(counted, (Some(20), Some(19), Some(1), Some(0), Some(0)));
    assert_eq!(status.failures[0].run, "hourly-20200101t0700z-r0");
    assert_eq!(team.kstatus(&backfill).0, "Failed");
    assert_eq!(team.aws.partitions("orders").await.len(), SESSIONS - 1);
    // What is remembered does not need the runs.
    team.eventually("hourly", "runs as many as history keeps", async || {
        let left = team.runs_of("hourly").await?.len();
        ensure!(left == 4, "{left} are left, 3 that succeeded and 1 that failed were to be");
        Ok(())
    })
    .await;

    // What was published is known by its manifests, though the runs have gone; what failed is run once more.
    let again = mizuumi(&team, &[&range[..], &["--wait", "--timeout", "1s"]].concat()).await;
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err.contains("it goes on; to see how far it is: kubectl get bfill"), "{}", again.err);
    let second = format!("{name}-2");
    let (_, waiting) = team.backfill_reason(&second, "Running").await;
    assert!(waiting.contains("left out") || waiting.contains("0 of 20"), "{waiting}");
    team.run_phase("hourly-20200101t0700z-r1", RunPhase::Running).await;
    worker.work(&team, "nothing").await.expect("the rest of the work");
    let (done, message) = team.backfill_reason(&second, "CaughtUp").await;
    let status = done.status.clone().expect("a status");
    assert_eq!((status.succeeded, status.left_out), (Some(1), Some(19)));
    assert!(message.contains("all 20 sessions are done; 19 of them had data"), "{message}");
    assert_eq!(team.kstatus(&done).0, "Current");
    assert_eq!(team.aws.partitions("orders").await.len(), SESSIONS);
}

#[tokio::test]
async fn one_that_is_deleted_is_given_up_with_its_runs_and_one_that_is_interrupted_goes_on() {
    let team = with_a_job("backfill-ends", json!({ "failedRunsHistoryLimit": 9 })).await;
    let _controller = Controller::start(&team).await;
    let day = ["backfill", "hourly", "--from", "2020-01-01", "--to", "2020-01-02", "--name", "day", "--wait"];
    let more = ["--max-active-runs", "2", "--set", "mode=full", "--namespace", &team.namespace];
    let following = team.begin(&[&day[..], &more].concat());
    team.backfill_until("day", "two runs", |backfill| {
        backfill.status.as_ref().is_some_and(|status| status.running == Some(2))
    })
    .await;
    let runs: Vec<String> = team.runs_of("hourly").await.expect("the runs").into_keys().collect();
    assert_eq!(runs, ["hourly-20200101t0000z-r0", "hourly-20200101t0100z-r0"]);
    let run = team.runs().get(&runs[0]).await.expect("a run");
    assert_eq!(run.labels().get(label::BACKFILL).map(String::as_str), Some("day"));
    assert_eq!(run.spec.parameters.expect("parameters")["mode"], "full");
    let pid = following.id().expect("a process").to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("it is told").success());
    let ended = tokio::time::timeout(Duration::from_secs(10), following.wait_with_output());
    let ended = ended.await.expect("it ends").expect("its output");
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("is not followed any more, and it goes on; to see how far it is"), "{said}");

    let described = mizuumi(&team, &["describe", "bfill/day"]).await;
    assert!(described.out.contains("IngestJob") && described.out.contains(&runs[0]), "{described:?}");
    team.backfills().delete("day", &DeleteParams::default()).await.expect("it is deleted");
    for run in &runs {
        team.run_until(run, "given up", |run| run.spec.cancel && is_over(run)).await;
    }
    team.eventually("day", "its end", async || {
        ensure!(team.backfills().get_opt("day").await?.is_none(), "it is there still");
        Ok(())
    })
    .await;
    let left: Vec<String> = team.runs_of("hourly").await.expect("the runs").into_keys().collect();
    assert_eq!(left, runs, "no more runs are made, and these are the job's history");
}

#[tokio::test]
async fn what_keeps_a_backfill_from_beginning_is_told() {
    let team = with_a_job("backfill-refused", json!({})).await;
    let _controller = Controller::start(&team).await;
    let range = json!({ "from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z" });
    let with = |more: Value| {
        let mut spec = range.clone();
        json_patch::merge(&mut spec, &more);
        spec
    };
    team.create_backfill("jobless", with(json!({ "job": "daily" }))).await;
    let (jobless, _) = team.backfill_reason("jobless", "JobNotFound").await;
    assert_eq!(team.kstatus(&jobless).0, "Failed");
    team.create_job("by-hand", json!({})).await;
    team.create_backfill("by-hand", with(json!({ "job": "by-hand" }))).await;
    let (_, message) = team.backfill_reason("by-hand", "JobNotReady").await;
    assert!(message.contains("has no schedule") && message.contains("mizuumi run by-hand --at"), "{message}");
    team.create_job("minutely", json!({ "schedule": { "cron": "* * * * *" }, "suspend": true })).await;
    team.create_backfill("many", with(json!({ "job": "minutely", "from": "2000-01-01T00:00:00Z" }))).await;
    let (_, message) = team.backfill_reason("many", "SpecInvalid").await;
    assert!(message.contains("more than 100000 sessions"), "{message}");
    // What is planned says how many sessions there are, and what is wrong.
    let manifests = |job: &str, schedule: Value| {
        let job = team.job_manifest(job, schedule);
        let spec = with(json!({ "job": job["metadata"]["name"], "maxActiveRuns": 8 }));
        let metadata = json!({ "name": "day", "namespace": team.namespace });
        [
            job,
            json!({ "apiVersion": "mizuumi.dev/v1alpha1", "kind": "Backfill", "metadata": metadata, "spec": spec }),
        ]
    };
    let planned = team.plan(&manifests("hours", json!({ "schedule": { "cron": "0 * * * *" } })), &[]).await;
    assert!(
        planned.out.contains("24 sessions up to now, 8 at once; those that have data are left out"),
        "{planned:?}"
    );
    let planned = team.plan(&manifests("never", json!({})), &[]).await;
    assert!(planned.out.contains("IngestJob 'never' has no schedule"), "{planned:?}");
    // It begins by itself once there is a job.
    team.create_job("daily", json!({ "schedule": { "cron": "0 0 * * *" }, "suspend": true })).await;
    team.backfill_reason("jobless", "Running").await;
    team.run_phase("daily-20200101t0000z-r0", RunPhase::Running).await;

    let refused = async |arguments: &[&str]| {
        let refused = mizuumi(&team, &[&["backfill"], arguments].concat()).await;
        assert_eq!(refused.code, 1, "{refused:?}");
        refused.err
    };
    let none = refused(&["daily", "--from", "2020-01-01T01:00:00Z", "--to", "2020-01-01T02:00:00Z"]).await;
    assert!(none.contains("has no session from"), "{none}");
    let by_hand = refused(&["by-hand", "--from", "2020-01-01", "--to", "2020-01-02"]).await;
    assert!(by_hand.contains("run them one by one"), "{by_hand}");
    let listed =
        mizuumi(&team, &["backfill", "daily", "--from", "2020-01-01", "--to", "2020-01-03", "--dry-run"])
            .await;
    let run = "daily-20200101t0000z-r0";
    let lines = [
        format!("2020-01-01T00:00:00Z  left out: run '{run}' is there"),
        "2020-01-02T00:00:00Z".to_owned(),
        "backfill.mizuumi.dev/daily-20200101-20200103 created (dry run)".to_owned(),
    ];
    assert_eq!(
        (listed.out.lines().collect::<Vec<_>>(), listed.code),
        (lines.iter().map(String::as_str).collect(), 0)
    );
}
