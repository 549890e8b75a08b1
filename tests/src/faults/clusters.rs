//! Faults of EMR clusters: F2 to F7, F10, F20 to F24, F28, F29, F33 and F34 of the list.

pub(super) mod accounts;
pub(super) mod ends;
pub(super) mod failures;
pub(super) mod records;
pub(super) mod rivals;
pub(super) mod starts;

use std::time::Duration;

use tokio::time::Instant;

use super::Trial;
use super::trial::Point;
use crate::cluster_judge::ClusterWitness;
use crate::wait;

/// What a point came to, by what the witness finds.
async fn point(trial: &Trial, witness: &ClusterWitness, began: Instant) -> Point {
    let seconds = began.elapsed().as_secs_f64();
    let (finding, counted) = witness.judge().await;
    trial.clusters(counted);
    Point { finding, seconds }
}

/// The same where so many clusters and no more are to have been started.
async fn point_of(trial: &Trial, witness: &ClusterWitness, began: Instant, started: u64) -> Point {
    let seconds = began.elapsed().as_secs_f64();
    let (mut finding, counted) = witness.judge().await;
    trial.clusters(counted);
    if counted.started != started {
        finding.doubled.push(format!("{} clusters were started instead of {started}", counted.started));
    }
    Point { finding, seconds }
}

/// Whatever is still under way comes to its end, and every controller has looked again a few times.
async fn settle() {
    wait::pass(Duration::from_secs(3)).await;
}
