//! `NormalizedInstanceHours`: what a cluster has used, in hours of the smallest instance.

use super::Cluster;
use super::life::Millis;
use super::pace::Pace;

/// What an hour of an instance type counts for. API reference, `NormalizedInstanceHours`: "represented in m1.small/hours"; EC2 User
/// Guide, "Instance size flexibility", has the factors by size.
pub(super) fn factor(kind: &str) -> f64 {
    let size = kind.rsplit('.').next().unwrap_or_default();
    match size {
        "nano" => 0.25,
        "micro" => 0.5,
        "small" => 1.0,
        "medium" => 2.0,
        "large" => 4.0,
        _ => {
            let times = size.strip_suffix("xlarge").and_then(|times| times.parse::<f64>().ok());
            8.0 * times.unwrap_or(1.0)
        }
    }
}

/// The hours of a cluster up to now, each begun one a whole one, in the cluster's own time.
pub(super) fn normalized(cluster: &Cluster, now: Millis, pace: &Pace) -> i64 {
    let parts = cluster.groups.iter().chain(&cluster.fleets);
    let hours = parts.flat_map(|part| &part.instances).filter_map(|instance| {
        let ready = instance.ready(&cluster.life).filter(|ready| *ready <= now)?;
        let end = instance.ended(&cluster.life).unwrap_or(now).min(now);
        if end < ready {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "milliseconds fit in 53 bits")]
        let hours = ((end - ready) as f64 * pace.speed / 3_600_000.0).ceil().max(1.0);
        Some(hours * factor(&instance.kind))
    });
    #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
    let sum = hours.sum::<f64>().ceil() as i64;
    sum
}
