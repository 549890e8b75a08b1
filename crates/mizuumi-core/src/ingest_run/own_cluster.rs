//! The cluster that is started for one run: it is the run's, there is one of it, and it ends with the run's work.

use mizuumi_api::emr_cluster::{EmrClusterSpec, Lifecycle, OnSpecChange};
use mizuumi_api::ingest_run::{IngestRun, OwnCluster};
use mizuumi_api::policy::{DeletionPolicy, ManagementPolicy};
use mizuumi_api::{EmrCluster, annotation};

use super::work::named;
use crate::publication::sha256;

/// The name of a run's own cluster. It comes from the run alone, so that the run has one, whoever makes it how often.
#[must_use]
pub fn name(run: &str, uid: &str) -> String {
    named(run, &sha256(uid.as_bytes()))
}

/// The run's own cluster.
#[must_use]
pub fn of(run: &IngestRun, own: &OwnCluster) -> EmrCluster {
    let (run_name, uid) =
        (run.metadata.name.clone().unwrap_or_default(), run.metadata.uid.clone().unwrap_or_default());
    let OwnCluster {
        class_name,
        max_age,
        release_label,
        applications,
        configurations,
        configurations_from,
        bootstrap_actions,
        instance_groups,
        instance_fleets,
        managed_scaling,
        tags,
    } = own.clone();
    let spec = EmrClusterSpec {
        class_name,
        lifecycle: Lifecycle::WhenNeeded,
        schedule: None,
        idle_timeout: None,
        max_age,
        release_label,
        applications,
        configurations,
        configurations_from,
        bootstrap_actions,
        instance_groups,
        instance_fleets,
        managed_scaling,
        step_concurrency: None,
        termination_protection: None,
        steps: None,
        tags,
        on_spec_change: OnSpecChange::Never,
        deletion_policy: DeletionPolicy::Delete,
        management_policy: ManagementPolicy::Full,
        suspend: false,
    };
    let mut cluster = EmrCluster::new(&name(&run_name, &uid), spec);
    run.own(&mut cluster);
    // It goes with its run: many at once are no slip of somebody's hand.
    let confirmed = (annotation::CONFIRM_DELETION.to_owned(), "true".to_owned());
    cluster.metadata.annotations.get_or_insert_default().extend([confirmed]);
    cluster
}

/// Whether a cluster is a run's own, whichever run's.
#[must_use]
pub fn is_one(cluster: &EmrCluster) -> bool {
    let mut owners = cluster.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.kind == "IngestRun" && owner.controller == Some(true))
}

/// Whether a cluster is this run's own.
#[must_use]
pub fn is_of(cluster: &EmrCluster, uid: &str) -> bool {
    cluster.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}
