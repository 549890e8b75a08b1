//! F2, F3, F4, F7: what EMR makes of RunJobFlow is not heard, and lists lag.

use std::time::Duration;

use anyhow::ensure;
use mizuumi_api::emr_cluster::{AttemptState, Phase};
use serde_json::json;
use tokio::time::Instant;

use super::{point_of, settle};
use crate::cluster_judge::ClusterWitness;
use crate::cluster_story::ClusterStory;
use crate::clusters::with_clusters;
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::team::Team;

/// How many steps a cluster takes at most.
const MOST_STEPS: usize = 256;

/// F2: the connection breaks, after the effect and before it.
pub(in crate::faults) async fn reply(trial: &Trial) {
    for (action, calls) in [("drop-after", 1), ("drop-before", 2)] {
        trial.point(action, lost_reply(trial, action, calls)).await;
    }
}

/// F4: EMR says 500, after the effect and before it; at the start and at the end.
pub(in crate::faults) async fn error(trial: &Trial) {
    for (action, calls) in [("error-after", 1), ("error-before", 2)] {
        trial.point(&format!("RunJobFlow, {action}"), lost_reply(trial, action, calls)).await;
        trial.point(&format!("TerminateJobFlows, {action}"), lost_end(trial, action)).await;
    }
}

async fn lost_reply(trial: &Trial, action: &str, calls: usize) -> Point {
    let team = Team::new("lost").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    ClusterStory::Create.prepare(&team).await;
    let since = team.admin.seq().await;
    team.admin.fault(json!({ "action": action, "operation": "RunJobFlow", "times": 1 })).await;
    let began = Instant::now();
    ClusterStory::Create.act(&team).await;
    ClusterStory::Create.end(&team).await;
    assert_eq!(team.admin.struck().await, 1, "the fault has struck");
    let mut point = point_of(trial, &witness, began, 1).await;
    let tries = team.admin.count("RunJobFlow", since).await;
    if tries != calls {
        point.finding.doubled.push(format!("RunJobFlow was called {tries} times instead of {calls}"));
    }
    point
}

async fn lost_end(trial: &Trial, action: &str) -> Point {
    let team = Team::new("lost").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    ClusterStory::Delete.prepare(&team).await;
    team.admin.fault(json!({ "action": action, "operation": "TerminateJobFlows", "times": 1 })).await;
    let began = Instant::now();
    ClusterStory::Delete.act(&team).await;
    ClusterStory::Delete.end(&team).await;
    // The resource is never gone before its cluster is: an orphan is something lost.
    let point = point_of(trial, &witness, began, 1).await;
    assert_eq!(team.admin.struck().await, 1, "the fault has struck");
    point
}

/// F3: the reply is lost, the controller dies, and lists show the cluster late.
pub(in crate::faults) async fn late_list(trial: &Trial) {
    let lag = trial.options.lasting(Duration::from_secs(90), Duration::from_millis(1500));
    trial.point(&format!("lists lag by {:.1} s", lag.as_secs_f64()), seen_late(trial, lag)).await;
}

async fn seen_late(trial: &Trial, lag: Duration) -> Point {
    let team = Team::new("late").await;
    let witness = ClusterWitness::of(&team).await;
    // A list shows a cluster within two thirds of the time that it is looked for: that is what the protocol assumes.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a test")]
    let verify = (lag.as_secs_f64() * 1.6).ceil() as u32;
    let settings = |config: &mut mizuumi_api::Installation| {
        with_clusters(config);
        config.clusters.verify_seconds = verify.max(3);
    };
    let mut controller = Controller::with(&team, settings).await;
    ClusterStory::Create.prepare(&team).await;
    let millis = u64::try_from(lag.as_millis()).unwrap_or(u64::MAX);
    team.admin.fault(json!({ "action": "list-lag", "operation": "ListClusters", "delayMs": millis })).await;
    team.admin.fault(json!({ "action": "drop-after", "operation": "RunJobFlow", "times": 1 })).await;
    team.create_needed("one", json!({})).await;
    team.eventually("one", "the lost reply", async || {
        ensure!(team.admin.struck_by("drop-after").await == 1, "not yet");
        Ok(())
    })
    .await;
    controller.kill();
    let began = Instant::now();
    controller.restart();
    let deadline = lag * 4 + Duration::from_mins(1);
    team.within(deadline, "one", "the attempt's cluster to be found", async || {
        let one = team.clusters().get("one").await?;
        let attempt = one.status.and_then(|status| status.attempt);
        ensure!(attempt.is_some_and(|attempt| attempt.state == AttemptState::Made), "it is not");
        Ok(())
    })
    .await;
    let found = began.elapsed();
    trial.note(format!("found again {:.1} s after the death", found.as_secs_f64()));
    team.admin.heal().await;
    team.cluster_reason("one", "Running").await;
    settle().await;
    let mut point = point_of(trial, &witness, began, 1).await;
    point.seconds = found.as_secs_f64();
    point
}

/// F7: a cluster with as many steps as there can be, whose reply is lost and whose controller dies; one that somebody ends while
/// it works.
pub(in crate::faults) async fn steps(trial: &Trial) {
    trial.point("256 steps, the reply lost", many_steps(trial)).await;
    trial.point("ended by somebody in the middle", ended_in_the_middle(trial)).await;
}

async fn many_steps(trial: &Trial) -> Point {
    let team = Team::new("steps").await;
    let witness = ClusterWitness::of(&team).await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.admin.fault(json!({ "action": "drop-after", "operation": "RunJobFlow", "times": 1 })).await;
    let names: Vec<String> = (0..MOST_STEPS).map(|number| format!("quick-{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    team.create_batch("one", &names).await;
    team.eventually("one", "the lost reply", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    let began = Instant::now();
    controller.restart();
    let done = team.cluster_reason("one", "Completed").await;
    let told = done.status.and_then(|status| status.steps).unwrap_or_default();
    trial.check((told.completed, told.failed) == (256, 0), || format!("the status tells of {told:?}"));
    let emr = team.emr().await;
    let steps: Vec<_> = emr["owners"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(owner, _)| owner.starts_with("tests/"))
        .collect();
    let once = steps.iter().flat_map(|(_, has)| has["steps"].as_object().into_iter().flatten());
    let once = once.filter(|(_, ran)| ran["submitted"] == 1 && ran["started"] == 1).count();
    trial.check(once == MOST_STEPS, || format!("{once} of {MOST_STEPS} steps ran once: {emr:#}"));
    point_of(trial, &witness, began, 1).await
}

async fn ended_in_the_middle(trial: &Trial) -> Point {
    let team = Team::new("steps").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    let names: Vec<String> = (0..20).map(|number| format!("step-{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    team.create_batch("one", &names).await;
    let works = team
        .cluster_until("one", "at work", |one| {
            one.status.as_ref().is_some_and(|status| status.phase == Some(Phase::Running))
        })
        .await;
    let id = works.status.and_then(|status| status.cluster_id).expect("an id");
    let began = Instant::now();
    team.aws.emr.terminate_job_flows().job_flow_ids(id).send().await.expect("somebody ends it");
    let failed = team.cluster_reason("one", "ClusterFailed").await;
    let phase = failed.status.and_then(|status| status.phase);
    trial.check(phase == Some(Phase::Failed), || format!("its phase is {phase:?}"));
    settle().await;
    // A batch is not done again by itself: some of its steps have run.
    point_of(trial, &witness, began, 1).await
}
