//! When a job needs its cluster ahead of a run, since the start of one takes minutes.

use jiff::Timestamp;
use mizuumi_api::IngestJob;

use crate::emr_cluster::Awaited;

/// The cluster that a job needs ahead of its sessions, and when: around the one that comes next, and around the last one, whose run may not
/// have asked for it yet.
#[must_use]
pub fn awaits(job: &IngestJob) -> Option<(String, Vec<Awaited>)> {
    let spec = &job.spec;
    let ahead = spec.prewarm.as_ref()?.length().ok()?;
    let cluster = spec.run.emr_step.as_ref()?.cluster.clone()?;
    let status = job.status.as_ref()?;
    if spec.suspend || spec.schedule.is_none() || job.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let around = |session: Timestamp| Awaited {
        from: session.checked_sub(ahead).unwrap_or(Timestamp::MIN),
        until: session.checked_add(ahead).unwrap_or(Timestamp::MAX),
    };
    let sessions = status.last_scheduled_time.into_iter().chain(status.next_scheduled_time);
    Some((cluster, sessions.map(around).collect()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(spec: &Value) -> IngestJob {
        let mut whole = json!({
            "schedule": { "cron": "0 2 * * *" }, "prewarm": "20m",
            "run": { "table": "t", "engine": "EmrStep", "emrStep": { "cluster": "shared", "step": { "name": "s", "command": ["x"] } } },
        });
        for (key, value) in spec.as_object().expect("an object") {
            whole[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob", "metadata": { "name": "j" }, "spec": whole,
            "status": { "lastScheduledTime": "2026-11-25T02:00:00Z", "nextScheduledTime": "2026-11-26T02:00:00Z" },
        }))
        .expect("a job")
    }

    #[test]
    fn a_cluster_is_needed_around_each_session() {
        let (cluster, awaited) = awaits(&job(&json!({}))).expect("it is");
        let is_needed = |at: &str| awaited.iter().any(|awaited| awaited.is_now(at.parse().expect("a time")));
        assert_eq!(cluster, "shared");
        assert!(is_needed("2026-11-25T02:19:59Z") && !is_needed("2026-11-25T02:20:00Z"));
        assert!(is_needed("2026-11-26T01:40:00Z") && !is_needed("2026-11-26T01:39:59Z"));
    }

    #[test]
    fn a_job_that_makes_no_runs_needs_none() {
        for spec in [json!({ "suspend": true }), json!({ "schedule": null }), json!({ "prewarm": null })] {
            assert_eq!(awaits(&job(&spec)), None);
        }
    }
}
