//! F28: tasks of one account are denied, or its credentials expire; those of another do not notice.

use std::time::Duration;

use kube::ResourceExt as _;
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::ingest_run::RunPhase;
use serde_json::json;
use tokio::time::Instant;

use super::{ATTEMPTS, point, succeed};
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::profiles::{self, Accounts};
use crate::faults::trial::Point;
use crate::run_judge::RunWitness;
use crate::tasks::{IMAGE, with_tasks};
use crate::team::Team;
use crate::wait;

/// What account A loses.
const LOSSES: [&str; 2] = ["denied", "expired-token"];
/// The table of each account.
const TABLES: [&str; 2] = ["arrivals", "bookings"];
/// How long a task works, on ECS's clock; the tests' goes ninety times as fast.
const SECONDS: u32 = 270;

/// F28: account A may not use ECS for a while.
pub(in crate::faults) async fn tasks(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_hours(1), Duration::from_secs(5));
    for loss in LOSSES {
        trial.point(loss, lose(trial, loss, lasts)).await;
    }
    trial.note(format!("for {} s", lasts.as_secs_f64()));
}

/// One task of A is at work, and another is to begin.
async fn lose(trial: &Trial, loss: &str, lasts: Duration) -> Point {
    let team = Team::new("denied-tasks").await;
    let Accounts { a, b } = profiles::two(&team).await;
    let witnesses = [RunWitness::of(&a, TABLES[0]).await, RunWitness::of(&b, TABLES[1]).await];
    let mut controller = Controller::with(&team, |config| {
        with_tasks(config);
        let ecs = config.profiles.remove("default").and_then(|profile| profile.ecs);
        config.profiles = profiles::configured(&[&a, &b]);
        for profile in config.profiles.values_mut() {
            profile.ecs.clone_from(&ecs);
        }
    })
    .await;
    let pid = controller.pid();
    for (account, table) in [(&a, TABLES[0]), (&b, TABLES[1])] {
        account.task_cluster(json!([{ "image": IMAGE, "seconds": SECONDS }])).await;
        let published = json!({
            "partitionKeys": [{ "name": "day", "type": "string" }],
            "partitions": { "mode": "Published" },
        });
        account.create_ready(table, published).await;
    }
    begin(&a, TABLES[0], "a-before").await;
    a.run_until("a-before", "at work", |run| {
        let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
        attempt.is_some_and(|attempt| attempt.external_id.is_some())
    })
    .await;
    a.admin.fault(json!({ "action": loss, "service": "ecs" })).await;
    begin(&a, TABLES[0], "a-new").await;
    for name in ["a-before", "a-new"] {
        let told = a.run_until(name, "denied", |run| {
            let conditions =
                run.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            let ready = condition::find(conditions, ConditionType::Ready);
            ready.is_some_and(|ready| ready.reason == "Denied" && ready.message.contains("ecs:"))
        });
        trial.check(told.await.name_any() == name, || format!("{loss}: {name} does not say so"));
    }
    let since = Instant::now();
    begin(&b, TABLES[1], "b-new").await;
    b.run_phase("b-new", RunPhase::Succeeded).await;
    let took = since.elapsed().as_secs_f64();
    trial.note(format!("{loss}: B's task was done after {took:.1} s meanwhile"));
    wait::pass(lasts).await;
    let began = Instant::now();
    a.admin.heal().await;
    let names = ["a-before", "a-new"].map(str::to_owned);
    succeed(&a, &names).await;
    assert!(controller.runs() && controller.pid() == pid, "the controller has ended");
    let mut all = point(trial, &witnesses[0], &names, began).await;
    all.finding.add(point(trial, &witnesses[1], &["b-new".to_owned()], began).await.finding);
    all
}

/// A run, and what each of its attempts would write.
async fn begin(account: &Team, table: &str, name: &str) {
    for attempt in 1..=ATTEMPTS {
        account.write_output(table, name, &[&format!("a{attempt}/day={name}/")]).await;
    }
    let spec = json!({
        "table": table, "sessionTime": "2026-11-01T00:00:00Z", "engine": "EcsTask", "retries": ATTEMPTS,
        "ecsTask": { "image": IMAGE, "cpu": 256, "memory": 512 },
    });
    account.create_run(name, spec).await;
}
