//! F29: every cluster fails, for want of instances or in its bootstrap; nobody pays for one after the other.

use std::time::Duration;

use anyhow::ensure;
use mizuumi_api::emr_cluster::Phase;
use serde_json::json;
use tokio::time::Instant;

use super::{point_of, settle};
use crate::cluster_judge::ClusterWitness;
use crate::clusters::{said_of, with_clusters};
use crate::controller::Controller;
use crate::faults::Trial;
use crate::faults::trial::Point;
use crate::team::Team;
use crate::wait;

/// So many may fail in a day.
const A_DAY: u32 = 3;

/// The failures of EMR that come again and again, with the words of their end.
const FAILURES: [(&str, &str); 2] =
    [("insufficient-capacity", "insufficient capacity"), ("bootstrap-failure", "BOOTSTRAP_FAILURE")];

/// Clusters fail in a row until no more are started; once EMR can, and somebody asks, another is.
pub(in crate::faults) async fn in_a_row(trial: &Trial) {
    trial.points(FAILURES.map(|(action, words)| (action.to_owned(), failing(trial, action, words)))).await;
    trial.point("a batch", failed_batch(trial)).await;
}

async fn failing(trial: &Trial, action: &str, words: &str) -> Point {
    let team = Team::new("failing").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, |config| {
        with_clusters(config);
        config.clusters.failure_pause_seconds = 1;
        config.clusters.failures_per_day = A_DAY;
    })
    .await;
    team.class(json!({})).await;
    team.admin.fault(json!({ "action": action })).await;
    team.create_needed("one", json!({})).await;
    let starts = async || {
        let writes = team.admin.writes().await;
        writes.iter().filter(|write| write.operation == "RunJobFlow").count()
    };
    let told = team
        .eventually("one", "the guard", async || {
            let one = team.clusters().get("one").await?;
            ensure!(said_of(&one).contains("within a day"), "{}", said_of(&one));
            Ok(one)
        })
        .await;
    trial.check(said_of(&told).contains(words), || format!("it does not say why: {}", said_of(&told)));
    let phase = told.status.as_ref().and_then(|status| status.phase);
    trial.check(phase == Some(Phase::Failed), || format!("its phase is {phase:?}"));
    let lasts = trial.options.lasting(Duration::from_mins(10), Duration::from_secs(5));
    wait::pass(lasts).await;
    let many = starts().await;
    trial
        .check(many == A_DAY as usize, || format!("{many} clusters were started, {A_DAY} a day are allowed"));
    // Pauses double; EMR tells times to the second.
    let history = told.status.map(|status| status.history).unwrap_or_default();
    let pauses: Vec<f64> = history
        .windows(2)
        .filter_map(|pair| Some(pair[0].started_at?.duration_since(pair[1].ended_at?).as_secs_f64()))
        .collect();
    trial.check(
        pauses.len() == A_DAY as usize - 1 && pauses.windows(2).all(|pair| pair[0] + 1.0 >= pair[1]),
        || format!("pauses, the latest first: {pauses:?}"),
    );
    trial.note(format!(
        "{action}: {many} clusters, then none for {} s; pauses {pauses:?} s",
        lasts.as_secs_f64()
    ));
    let began = Instant::now();
    team.admin.heal().await;
    team.patch_cluster(
        "one",
        json!({ "metadata": { "annotations": { "mizuumi.dev/requested-at": "now" } } }),
    )
    .await;
    team.cluster_reason("one", "Running").await;
    point_of(trial, &witness, began, u64::from(A_DAY) + 1).await
}

/// A batch whose cluster fails is not started again by itself.
async fn failed_batch(trial: &Trial) -> Point {
    let team = Team::new("failing").await;
    let witness = ClusterWitness::of(&team).await;
    let _controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.admin.fault(json!({ "action": "bootstrap-failure" })).await;
    team.create_batch("one", &["only"]).await;
    let failed = team.cluster_reason("one", "ClusterFailed").await;
    let began = Instant::now();
    settle().await;
    let status = failed.status.expect("a status");
    trial.check(status.phase == Some(Phase::Failed), || format!("its phase is {:?}", status.phase));
    point_of(trial, &witness, began, 1).await
}
