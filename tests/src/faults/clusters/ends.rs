//! F23, F24: a resource is deleted while its cluster is being made; its end is denied, or there is nothing left to end.

use std::time::Duration;

use anyhow::ensure;
use kube::ResourceExt as _;
use mizuumi_api::emr_cluster::Phase;
use serde_json::json;
use tokio::time::Instant;

use super::{point_of, settle};
use crate::cluster_judge::ClusterWitness;
use crate::cluster_story::ClusterStory;
use crate::clusters::{said_of, with_clusters};
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::team::Team;
use crate::wait;

/// What comes after the deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing.
    Nothing,
    /// A resource of the same name.
    Another,
}

/// When a resource is deleted.
#[derive(Clone, Copy, Debug)]
enum When {
    /// While EMR is being asked.
    Asking,
    /// While it is not known whether EMR made a cluster: it did, but lists do not show it yet.
    Verifying,
    /// While EMR starts it.
    Starting,
}

/// F23: deleted in each state of a creation; another of its name follows at once, or none.
pub(in crate::faults) async fn in_creation(trial: &Trial) {
    for then in [Then::Nothing, Then::Another] {
        let points = [When::Asking, When::Verifying, When::Starting]
            .map(|when| (format!("{when:?}, then {then:?}"), deleted(trial, when, then)));
        trial.points(points).await;
    }
}

async fn deleted(trial: &Trial, when: When, then: Then) -> Point {
    let team = Team::new("recreated").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    let (action, millis) = match when {
        When::Asking => ("delay", 800),
        When::Verifying => ("drop-after", 0),
        When::Starting => ("delay", 0),
    };
    let rule = json!({ "action": action, "delayMs": millis, "operation": "RunJobFlow", "times": 1 });
    if matches!(when, When::Verifying) {
        let lag = json!({ "action": "list-lag", "operation": "ListClusters", "delayMs": 1500 });
        team.admin.fault(lag).await;
    }
    team.admin.fault(rule).await;
    team.create_needed("one", json!({})).await;
    team.eventually("one", &format!("{when:?}"), async || {
        let one = team.clusters().get("one").await?;
        let phase = one.status.and_then(|status| status.phase);
        let has_come = match when {
            When::Asking | When::Verifying => team.admin.struck_by(action).await == 1,
            When::Starting => matches!(phase, Some(Phase::Starting | Phase::Bootstrapping | Phase::Waiting)),
        };
        ensure!(has_come, "its phase is {phase:?}");
        Ok(())
    })
    .await;
    let began = Instant::now();
    let uid = team.clusters().get("one").await.expect("the cluster").uid();
    team.delete_cluster("one").await;
    let started = if then == Then::Another {
        team.eventually("one", "its name to be free", async || {
            ensure!(team.clusters().get_opt("one").await?.is_none_or(|one| one.uid() != uid), "it is there");
            Ok(())
        })
        .await;
        team.create_needed("one", json!({})).await;
        team.cluster_reason("one", "Running").await;
        2
    } else {
        team.cluster_gone("one").await;
        1
    };
    team.admin.heal().await;
    settle().await;
    let alive = u64::from(then == Then::Another);
    let mut point = point_of(trial, &witness, began, started).await;
    // Three are those of the witness.
    let emr = team.emr().await;
    if emr["alive"].as_u64() != Some(alive + 3) {
        point
            .finding
            .lost
            .push(format!("{} clusters live instead of {alive} and three of others", emr["alive"]));
    }
    point
}

/// F24: the end is denied for a while; somebody has protected the cluster; it has ended already.
pub(in crate::faults) async fn refused(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(10));
    let operations = ["TerminateJobFlows", "SetTerminationProtection"];
    trial.points(operations.map(|name| (format!("{name} is denied"), denied(trial, lasts, name)))).await;
    trial.point("protected by somebody", protected(trial)).await;
    trial.point("ended while nobody looked", ended_before(trial)).await;
    trial.note(format!("denied for {} s", lasts.as_secs_f64()));
}

async fn denied(trial: &Trial, lasts: Duration, operation: &str) -> Point {
    let team = Team::new("denied").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    ClusterStory::Delete.prepare(&team).await;
    team.admin.fault(json!({ "action": "denied", "operation": operation })).await;
    let since = team.admin.seq().await;
    ClusterStory::Delete.act(&team).await;
    let told = team.cluster_reason("one", "Denied").await;
    trial.check(said_of(&told).contains(operation), || format!("it does not say what: {}", said_of(&told)));
    let began = Instant::now();
    wait::pass(lasts).await;
    let tries = team.admin.count(operation, since).await;
    let pause = f64::from(team.installation().intervals.blocked_seconds);
    // One when it was deleted, one when its status changed, then one a pause.
    let most = 2.0 + (began.elapsed().as_secs_f64() / pause / 0.8).ceil();
    let often = f64::from(u32::try_from(tries).unwrap_or(u32::MAX));
    // Each try waits for a new list of clusters beside the pause, and EMR answers one in two seconds.
    trial.check(often <= most && tries >= 2, || format!("{tries} times {operation}, and not 2 to {most:.0}"));
    let one = team.clusters().get("one").await.expect("it is there while its cluster is");
    trial.check(!one.finalizers().is_empty(), || "the finalizer is gone".to_owned());
    let (status, message) = team.kstatus(&one);
    trial.check(status == "Terminating", || format!("kstatus says {status}: {message}"));
    let began = Instant::now();
    team.admin.heal().await;
    ClusterStory::Delete.end(&team).await;
    point_of(trial, &witness, began, 1).await
}

async fn protected(trial: &Trial) -> Point {
    let team = Team::new("protected").await;
    let witness = ClusterWitness::of(&team).await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_needed("one", json!({})).await;
    let status = team.cluster_reason("one", "Running").await.status.expect("a status");
    controller.kill();
    let id = status.cluster_id.expect("an id");
    let protect = team.aws.emr.set_termination_protection().job_flow_ids(id).termination_protected(true);
    protect.send().await.expect("somebody protects it");
    team.delete_cluster("one").await;
    let began = Instant::now();
    controller.restart();
    team.cluster_gone("one").await;
    point_of(trial, &witness, began, 1).await
}

async fn ended_before(trial: &Trial) -> Point {
    let team = Team::new("gone").await;
    let witness = ClusterWitness::of(&team).await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_needed("one", json!({})).await;
    let status = team.cluster_reason("one", "Running").await.status.expect("a status");
    controller.kill();
    let id = status.cluster_id.expect("an id");
    team.aws.emr.terminate_job_flows().job_flow_ids(id).send().await.expect("somebody ends it");
    settle().await;
    team.delete_cluster("one").await;
    let since = team.admin.writes().await.len();
    let began = Instant::now();
    controller.restart();
    team.cluster_gone("one").await;
    let writes = team.admin.writes().await.len() - since;
    trial.check(writes == 0, || format!("{writes} writes where nothing was left to end"));
    point_of(trial, &witness, began, 1).await
}
