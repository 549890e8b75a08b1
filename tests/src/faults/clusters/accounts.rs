//! F10, F28: clusters of one account are throttled or denied; those of another do not notice.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{point_of, settle};
use crate::cluster_judge::ClusterWitness;
use crate::clusters::{said_of, with_clusters};
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::profiles::{self, Accounts};
use crate::faults::trial::Point;
use crate::team::Team;
use crate::wait;

/// Two accounts of one team, each with a profile that has clusters, and their controller.
struct Scene {
    accounts: Accounts,
    witnesses: [ClusterWitness; 2],
    controller: Controller,
}

async fn scene() -> Scene {
    let team = Team::new("accounts").await;
    let accounts = profiles::two(&team).await;
    let Accounts { a, b } = &accounts;
    let witnesses = [ClusterWitness::of(a).await, ClusterWitness::of(b).await];
    let controller = Controller::with(&team, |config| {
        with_clusters(config);
        let emr = config.profiles.remove("default").and_then(|profile| profile.emr);
        config.profiles = profiles::configured(&[a, b]);
        for profile in config.profiles.values_mut() {
            profile.emr.clone_from(&emr);
        }
    })
    .await;
    a.class(json!({})).await;
    b.class(json!({})).await;
    Scene { accounts, witnesses, controller }
}

/// How long it takes a cluster from its resource to its running.
async fn start(team: &Team, name: &str) -> f64 {
    let began = Instant::now();
    team.create_needed(name, json!({})).await;
    team.cluster_reason(name, "Running").await;
    began.elapsed().as_secs_f64()
}

/// F10: everything that account A asks of EMR is throttled.
pub(in crate::faults) async fn throttled(trial: &Trial) {
    trial.point("account A throttled, account B not", beside_throttled(trial)).await;
}

async fn beside_throttled(trial: &Trial) -> Point {
    let Scene { accounts: Accounts { a, b }, witnesses, controller: _controller } = Box::pin(scene()).await;
    let alone = start(&b, "b-alone").await;
    a.admin.fault(json!({ "action": "throttle", "service": "elasticmapreduce" })).await;
    let number = trial.options.many(6, 3);
    for number in 0..number {
        a.create_needed(&format!("a-{number}"), json!({})).await;
    }
    let beside = start(&b, "b-beside").await;
    let began = Instant::now();
    a.admin.heal().await;
    for number in 0..number {
        a.cluster_reason(&format!("a-{number}"), "Running").await;
    }
    trial.note(format!(
        "B's cluster runs in {alone:.1} s alone, in {beside:.1} s beside {number} of A that are throttled"
    ));
    // A tenth more, and what two looks a second apart and a busy machine add.
    trial.check(beside <= alone * 1.1 + 3.0, || "B waits for A".to_owned());
    let [of_a, of_b] = &witnesses;
    let mut point = point_of(trial, of_a, began, u64::try_from(number).unwrap_or(u64::MAX)).await;
    point.finding.add(point_of(trial, of_b, began, 2).await.finding);
    point
}

/// What account A loses.
const LOSSES: [&str; 2] = ["denied", "expired-token"];

/// F28: account A's credentials are no good for a while.
pub(in crate::faults) async fn denied(trial: &Trial) {
    let lasts = trial.options.lasting(Duration::from_hours(1), Duration::from_secs(3));
    for loss in LOSSES {
        trial.point(loss, lose(trial, loss, lasts)).await;
    }
    trial.note(format!("for {} s", lasts.as_secs_f64()));
}

async fn lose(trial: &Trial, loss: &str, lasts: Duration) -> Point {
    let Scene { accounts: Accounts { a, b }, witnesses, mut controller } = Box::pin(scene()).await;
    let pid = controller.pid();
    start(&a, "a-before").await;
    a.admin.fault(json!({ "action": loss, "service": "elasticmapreduce" })).await;
    a.create_needed("a-new", json!({})).await;
    a.patch_cluster("a-before", json!({ "spec": { "tags": { "team": "a" } } })).await;
    for name in ["a-new", "a-before"] {
        let told = a.cluster_reason(name, "Denied").await;
        trial.check(said_of(&told).contains("elasticmapreduce"), || format!("{loss}: {}", said_of(&told)));
    }
    let took = start(&b, "b-new").await;
    trial.note(format!("{loss}: B's cluster ran after {took:.1} s meanwhile"));
    wait::pass(lasts).await;
    let began = Instant::now();
    a.admin.heal().await;
    a.cluster_reason("a-new", "Running").await;
    a.cluster_reason("a-before", "Running").await;
    let seconds = began.elapsed().as_secs_f64();
    settle().await;
    assert!(controller.runs() && controller.pid() == pid, "the controller has ended");
    let [of_a, of_b] = &witnesses;
    let mut point = point_of(trial, of_a, began, 2).await;
    point.finding.add(point_of(trial, of_b, began, 1).await.finding);
    Point { seconds, ..point }
}
