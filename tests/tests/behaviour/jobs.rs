//! Jobs make a run of each session that comes, by their schedule and their policy, and say how it went.

use std::time::Duration;

use anyhow::ensure;
use jiff::SignedDuration;
use mizuumi_api::ingest_run::RunPhase;
use mizuumi_tests::{Controller, Hourly, Team, run_name};
use serde_json::{Value, json};

/// A table that runs are published into.
fn published() -> Value {
    json!({
        "partitionKeys": [{ "name": "day", "type": "string" }],
        "partitions": { "mode": "Published" },
    })
}

fn names(job: &str, hourly: &Hourly, number: i64) -> Vec<String> {
    hourly.sessions(number).into_iter().map(|session| run_name(job, session)).collect()
}

#[tokio::test]
async fn sessions_that_were_missed_are_made_up_one_after_the_other() {
    let team = Team::new("missed").await;
    let hourly = Hourly::new();
    team.create("orders", published()).await;
    team.create_missed("daily", &hourly, 3, json!({ "run": { "parameters": { "days": "1" } } })).await;
    let (names, sessions) = (names("daily", &hourly, 3), hourly.sessions(3));
    let _controller = Controller::start(&team).await;

    let runs = team.until_runs("daily", &names[..1]).await;
    let first = &runs[&names[0]];
    assert_eq!((first.spec.session_time, first.spec.revision), (Some(sessions[0]), 0));
    let job = team.job_until("daily", "a waiting session", |job| {
        let ready =
            job.status.as_ref().and_then(|status| status.conditions.iter().find(|c| c.type_ == "Ready"));
        ready.is_some_and(|ready| ready.message.contains("2 sessions wait"))
    });
    let status = job.await.status.expect("a status");
    assert_eq!((status.active_runs, status.active), (1, vec![names[0].clone()]));
    // A run keeps what the job said when it was made.
    team.change_job("daily", json!({ "run": { "parameters": { "days": "7" } } })).await;
    team.job_reason("daily", "Scheduled").await;
    team.fail_run(&names[0]).await;
    let runs = team.until_runs("daily", &names[..2]).await;
    let days = |name: &str| runs[name].spec.parameters.as_ref().expect("parameters")["days"].clone();
    assert_eq!((days(&names[0]).as_str(), days(&names[1]).as_str()), ("1", "7"));

    team.write_output("orders", &names[1], &["day=1/"]).await;
    team.change_run(&names[1], json!({ "external": { "outcome": "Succeeded" } })).await;
    team.run_phase(&names[1], RunPhase::Succeeded).await;
    team.until_runs("daily", &names).await;
    team.fail_run(&names[2]).await;
    let job = team.job_until("daily", "no run under way", |job| {
        job.status.as_ref().is_some_and(|status| status.active_runs == 0)
    });
    let status = job.await.status.expect("a status");
    assert_eq!((status.last_scheduled_time, status.starting), (Some(sessions[2]), None));
    assert_eq!(status.last_successful_session, Some(sessions[1]));
    let next = sessions[2].checked_add(SignedDuration::from_hours(1)).expect("a time");
    assert_eq!(status.next_scheduled_time, Some(next));
    let last = status.last_run.expect("a last run");
    assert_eq!((last.name.as_str(), last.phase), (names[2].as_str(), RunPhase::Failed));
    let note = team.event("daily", "RunCreated").await;
    assert!(note.contains("create run 'daily-"), "{note}");
}

#[tokio::test]
async fn what_happens_while_a_run_is_under_way_is_the_policys_to_say() {
    let team = Team::new("policies").await;
    let hourly = Hourly::new();
    team.create("orders", published()).await;
    let policy = |policy: &str| json!({ "concurrencyPolicy": policy });
    for (job, of) in [("allow", "Allow"), ("latest", "Forbid"), ("forbid", "Forbid"), ("replace", "Replace")]
    {
        team.create_missed(job, &hourly, 3, policy(of)).await;
    }
    // Sessions of their own: the revisions of one session in one table go up.
    let by_hand = [("forbid", hourly.sessions(9)[0]), ("replace", hourly.sessions(9)[1])];
    for (job, earlier) in by_hand {
        let arguments = ["run", job, "--namespace", &team.namespace, "--at", &earlier.to_string()];
        let made = team.run(&arguments, "").await;
        assert_eq!(made.code, 0, "{made:?}");
    }
    let _controller = Controller::start(&team).await;

    team.until_runs("allow", &names("allow", &hourly, 3)).await;
    team.until_runs("latest", &names("latest", &hourly, 3)[2..]).await;
    let note = team.event("latest", "SessionsLeftOut").await;
    assert!(note.contains("leave out the sessions from"), "{note}");

    let note = team.event("forbid", "SessionsLeftOut").await;
    let [forbids, replaced] = by_hand.map(|(job, session)| run_name(job, session));
    assert!(note.contains(&format!("run '{forbids}' is under way")), "{note}");
    let job = team.job_until("forbid", "all sessions dealt with", |job| {
        job.status
            .as_ref()
            .is_some_and(|status| status.last_scheduled_time == hourly.sessions(1).first().copied())
    });
    assert_eq!(job.await.status.map(|status| status.active), Some(vec![forbids.clone()]));
    team.until_runs("forbid", &[forbids]).await;

    team.run_until(&replaced, "cancelled", |run| run.spec.cancel).await;
    team.fail_run(&replaced).await;
    let latest = names("replace", &hourly, 1).remove(0);
    team.until_runs("replace", &[replaced, latest]).await;
}

#[tokio::test]
async fn what_would_begin_too_late_is_left_out_and_a_suspended_job_makes_up_for_it_later() {
    let team = Team::new("late").await;
    let hourly = Hourly::new();
    team.create("orders", published()).await;
    team.create_missed("late", &hourly, 5, json!({ "startingDeadline": "2h", "suspend": true })).await;
    let _controller = Controller::start(&team).await;
    let job = team.job_reason("late", "Suspended").await;
    let status = job.status.expect("a status");
    assert_eq!((status.last_scheduled_time, status.next_scheduled_time), (Some(hourly.before(5)), None));
    assert!(team.runs_of("late").await.expect("the runs").is_empty());
    team.change_job("late", json!({ "suspend": false })).await;
    let names = names("late", &hourly, 2);
    team.until_runs("late", &names[..1]).await;
    let note = team.event("late", "SessionsLeftOut").await;
    assert!(note.contains("more than `spec.startingDeadline` has passed"), "{note}");
    team.fail_run(&names[0]).await;
    team.until_runs("late", &names).await;
}

#[tokio::test]
async fn a_new_job_waits_for_its_table_begins_with_its_next_session_and_takes_its_runs_with_it() {
    let team = Team::new("minutely").await;
    let _controller = Controller::start(&team).await;
    let made =
        team.create_job("minutely", json!({ "schedule": { "cron": "* * * * *", "timeZone": "Asia/Tokyo" } }));
    let created = made.await.metadata.creation_timestamp.expect("a time").0;
    let job = team.job_reason("minutely", "TableNotFound").await;
    assert_eq!(team.kstatus(&job).0, "Failed");
    team.create_ready("orders", published()).await;
    let job = team.job_reason("minutely", "Scheduled").await;
    assert_eq!(team.kstatus(&job).0, "Current");
    // The one test that waits for a minute to pass.
    let first = (created.as_second() / 60 + 1) * 60;
    let first = jiff::Timestamp::from_second(first).expect("a time");
    let name = run_name("minutely", first);
    team.within(Duration::from_mins(2), "minutely", "the first session", async || {
        let runs = team.runs_of("minutely").await?;
        ensure!(runs.contains_key(&name), "there are {:?}, not {name}", runs.keys());
        Ok(())
    })
    .await;
    team.delete_job("minutely").await;
    team.eventually("minutely", "its runs to be gone", async || {
        let runs = team.runs_of("minutely").await?;
        ensure!(runs.is_empty() && team.jobs().get_opt("minutely").await?.is_none(), "{:?}", runs.keys());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn runs_that_are_over_are_kept_as_many_as_the_job_says() {
    let team = Team::new("history").await;
    let hourly = Hourly::new();
    team.create("orders", published()).await;
    let spec = json!({ "concurrencyPolicy": "Allow", "failedRunsHistoryLimit": 1 });
    team.create_missed("short", &hourly, 3, spec).await;
    let _controller = Controller::start(&team).await;
    let names = names("short", &hourly, 3);
    team.until_runs("short", &names).await;
    for name in &names {
        team.fail_run(name).await;
        // Their ends are told in seconds.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    team.until_runs("short", &names[2..]).await;
    let note = team.event("short", "RunDeleted").await;
    assert!(note.contains("`spec.failedRunsHistoryLimit` keeps 1"), "{note}");
    team.change_job("short", json!({ "failedRunsHistoryLimit": 0 })).await;
    team.until_runs("short", &[]).await;
    let status = team.jobs().get("short").await.expect("the job").status.expect("a status");
    assert_eq!(status.last_run.map(|run| run.name).as_ref(), names.last(), "what is deleted is remembered");
}

#[tokio::test]
async fn a_job_that_cannot_be_says_why_and_a_table_that_cannot_take_its_runs_too() {
    let team = Team::new("broken").await;
    let unseen = team.create_job("broken", json!({ "schedule": { "cron": "every day, please" } })).await;
    assert_eq!(team.kstatus(&unseen).0, "InProgress");
    let _controller = Controller::start(&team).await;
    let job = team.job_reason("broken", "SpecInvalid").await;
    let (status, message) = team.kstatus(&job);
    assert_eq!(status, "Failed");
    assert!(message.contains("spec.schedule.cron: must be a cron expression of five fields"), "{message}");
    team.create("orders", json!({})).await;
    team.change_job("broken", json!({ "schedule": { "cron": "0 2 * * *" } })).await;
    let job = team.job_reason("broken", "TableNotPublished").await;
    assert!(team.kstatus(&job).1.contains("`spec.partitions.mode` is not 'Published'"), "{job:?}");
    team.change_job("broken", json!({ "schedule": null })).await;
    team.delete_wholly("orders").await;
    team.create("orders", published()).await;
    let job = team.job_reason("broken", "ByHand").await;
    assert_eq!(team.kstatus(&job).0, "Current");
}

#[tokio::test]
async fn a_plan_checks_jobs_and_tells_the_sessions_to_come() {
    let team = Team::new("plan-jobs").await;
    let daily = json!({ "schedule": { "cron": "0 2 * * *", "timeZone": "Asia/Tokyo" } });
    let manifests = [team.job_manifest("daily", daily.clone()), team.manifest("orders", published())];
    let planned = team.plan(&manifests, &[]).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let head = format!("  # IngestJob {}/daily holds\n  . the next sessions: ", team.namespace);
    assert!(planned.out.contains(&head) && planned.out.contains("T17:00:00Z"), "{}", planned.out);

    let manifests = [
        team.job_manifest("daily", daily),
        team.job_manifest("broken", json!({ "schedule": { "cron": "0 25 * * *" } })),
        team.job_manifest("unknown", json!({ "run": { "tabel": "orders" } })),
        team.manifest("orders", json!({})),
    ];
    let planned = team.plan(&manifests, &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for part in [
        "/broken makes no runs as the manifest says\n  ! standard input:24: spec.schedule.cron: must be a cron expression",
        "/daily makes no runs as the manifest says\n  ! standard input:9: spec.run.table: no run can be published into DataTable 'orders'",
        "IngestJob 'unknown': spec.run",
    ] {
        assert!(planned.out.contains(part), "no {part:?} in\n{}", planned.out);
    }
}

/// Two jobs, each of which waits for the table that the other writes.
fn circle(team: &Team) -> [Value; 2] {
    let job = |name: &str, table: &str, upstream: &str| {
        let run = json!({
            "table": table, "engine": "KubernetesJob", "kubernetesJob": { "image": "ingest" },
            "waitFor": [{ "table": format!("{}.{upstream}", team.aws.database) }],
        });
        team.job_manifest(name, json!({ "run": run }))
    };
    [job("a", "orders", "returns"), job("b", "returns", "orders")]
}

#[tokio::test]
async fn jobs_that_wait_for_each_other_are_told_so_and_go_on_once_one_of_them_does_not() {
    let team = Team::new("circle").await;
    let [a, b] = circle(&team);
    let tables = ["orders", "returns"].map(|table| team.manifest(table, published()));
    let [orders, returns] = tables.clone();
    let planned = team.plan(&[a.clone(), b.clone(), orders, returns], &[]).await;
    assert_eq!(planned.code, 1, "{planned:?}");
    for part in ["a → b → a", "b → a → b"] {
        assert!(planned.out.contains(part), "no {part:?} in\n{}", planned.out);
    }

    let _controller = Controller::start(&team).await;
    for table in ["orders", "returns"] {
        team.create(table, published()).await;
    }
    for (name, job) in [("a", a), ("b", b)] {
        team.create_job(name, job["spec"].clone()).await;
    }
    let told = team.job_reason("b", "UpstreamCycle").await;
    assert!(team.kstatus(&told).1.contains("b → a → b"), "{told:?}");
    let told = team.job_reason("a", "UpstreamCycle").await;
    assert!(team.kstatus(&told).1.contains("a → b → a"), "{told:?}");
    // The session before is no circle, and neither is the own table's.
    let earlier = ["orders", "returns"]
        .map(|table| json!({ "table": format!("{}.{table}", team.aws.database), "offset": "1d" }));
    team.change_job("b", json!({ "run": { "waitFor": earlier } })).await;
    for job in ["b", "a"] {
        team.job_reason(job, "ByHand").await;
    }
}
