//! F5, F6, F33: the record of an attempt cannot be written, before EMR is asked and after; there is no disk.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::time::Instant;

use super::point_of;
use crate::cluster_judge::ClusterWitness;
use crate::cluster_story::ClusterStory;
use crate::clusters::with_clusters;
use crate::controller::{Controller, Launch};
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::proxy::{Ask, Proxy, Way};
use crate::team::Team;
use crate::wait;

fn is_status(ask: &Ask) -> bool {
    ask.resource == "emrclusters/status"
}

/// F5: from the second status on, which is the record, the apiserver takes none, or takes it without saying so.
pub(in crate::faults) async fn unacknowledged(trial: &Trial) {
    let ways = [Way::Conflict, Way::Unavailable, Way::Forbidden, Way::FailAfter];
    trial.points(ways.map(|way| (format!("{way:?}"), unrecorded(trial, way)))).await;
}

async fn unrecorded(trial: &Trial, way: Way) -> Point {
    let team = Team::new("record").await;
    let witness = ClusterWitness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let _controller = Controller::launch(&team, launch, with_clusters).await;
    ClusterStory::Create.prepare(&team).await;
    let since = team.admin.seq().await;
    proxy.rule(is_status).from(2).go(way);
    ClusterStory::Create.act(&team).await;
    team.eventually("one", "the record to be tried", async || {
        ensure!(proxy.struck() >= 2, "{} times so far", proxy.struck());
        Ok(())
    })
    .await;
    wait::pass(Duration::from_secs(1)).await;
    let asked = team.admin.count("RunJobFlow", since).await;
    let began = Instant::now();
    proxy.heal();
    ClusterStory::Create.end(&team).await;
    let mut point = point_of(trial, &witness, began, 1).await;
    if asked > 0 {
        point.finding.lost.push(format!("EMR was asked {asked} times before the record was acknowledged"));
    }
    point
}

/// F6: EMR has made the cluster, and the status that says so is refused again and again; somebody writes the resource without rest.
pub(in crate::faults) async fn refused_after(trial: &Trial) {
    let times = trial.options.many(20, 5);
    trial.point(&format!("{times} times 409"), refused(trial, times)).await;
    let lasts = trial.options.lasting(Duration::from_mins(5), Duration::from_secs(4));
    trial.point("somebody writes all the time", beside_a_writer(trial, lasts)).await;
}

async fn refused(trial: &Trial, times: usize) -> Point {
    let team = Team::new("refused").await;
    let witness = ClusterWitness::of(&team).await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let _controller = Controller::launch(&team, launch, with_clusters).await;
    ClusterStory::Create.prepare(&team).await;
    team.admin
        .fault(json!({ "action": "delay", "delayMs": 800, "operation": "RunJobFlow", "times": 1 }))
        .await;
    ClusterStory::Create.act(&team).await;
    team.eventually("one", "EMR to be asked", async || {
        ensure!(team.admin.struck().await == 1, "not yet");
        Ok(())
    })
    .await;
    proxy.rule(is_status).times(times).go(Way::Conflict);
    let began = Instant::now();
    ClusterStory::Create.end(&team).await;
    let struck = usize::try_from(proxy.struck()).unwrap_or(usize::MAX);
    trial.check(struck == times, || format!("the status was refused {struck} times"));
    point_of(trial, &witness, began, 1).await
}

async fn beside_a_writer(trial: &Trial, lasts: Duration) -> Point {
    let team = Team::new("writer").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    ClusterStory::Create.prepare(&team).await;
    ClusterStory::Create.act(&team).await;
    let ends = Instant::now() + lasts;
    let mut number = 0;
    while Instant::now() < ends {
        number += 1;
        let hostile = json!({ "metadata": { "annotations": { "hostile": number.to_string() } } });
        team.patch_cluster("one", hostile).await;
    }
    let began = Instant::now();
    ClusterStory::Create.end(&team).await;
    trial.note(format!("{number} writes by somebody in {:.0} s", lasts.as_secs_f64()));
    point_of(trial, &witness, began, 1).await
}

/// F33: nowhere to write, not even a log.
pub(in crate::faults) async fn no_disk(trial: &Trial) {
    trial.point("/proc as working folder, /dev/full as log", without_disk(trial)).await;
}

async fn without_disk(trial: &Trial) -> Point {
    let team = Team::new("disk").await;
    let witness = ClusterWitness::of(&team).await;
    let mut controller = Controller::launch(&team, Launch::without_disk(), with_clusters).await;
    ClusterStory::Create.prepare(&team).await;
    let began = Instant::now();
    ClusterStory::Create.act(&team).await;
    team.eventually("one", "the end", async || {
        assert!(controller.runs(), "the controller has ended with {:?}", controller.ended());
        ClusterStory::Create.has_ended(&team).await
    })
    .await;
    let point = point_of(trial, &witness, began, 1).await;
    controller.terminate();
    let ended = async || controller.ended()?.context("it was killed by a signal");
    let code = team.eventually("one", "the end", ended).await;
    assert_eq!(code, 0, "it ended in order");
    point
}
