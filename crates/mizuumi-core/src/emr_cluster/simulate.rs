//! What EMR makes of a step, purely: so that convergence can be proven without EMR.

use mizuumi_api::emr_cluster::{GroupStatus, StepsStatus};

use super::step::ClusterStep;
use super::world::{Cluster, ClusterState, ClusterWorld, Nodes};

/// The world after a step. EMR goes on from there by itself.
#[must_use]
pub fn simulate(world: &ClusterWorld, step: &ClusterStep) -> ClusterWorld {
    let mut world = world.clone();
    let id = match step {
        ClusterStep::RunJobFlow { attempt, name, marks, request } => {
            world.clusters.push(made(world.clusters.len(), attempt.started_at, name, marks, request));
            return world;
        }
        ClusterStep::SetStepConcurrency { cluster, .. }
        | ClusterStep::SetManagedScaling { cluster, .. }
        | ClusterStep::SetIdleTimeout { cluster, .. }
        | ClusterStep::SetTerminationProtection { cluster, .. }
        | ClusterStep::ResizeGroup { cluster, .. }
        | ClusterStep::AddTags { cluster, .. }
        | ClusterStep::RemoveTags { cluster, .. }
        | ClusterStep::Terminate { cluster, .. } => cluster,
    };
    // What is not this owner's is left alone.
    let Some(cluster) =
        world.clusters.iter_mut().find(|cluster| cluster.id == id.id && cluster.is_of(&id.owner))
    else {
        return world;
    };
    match step {
        ClusterStep::RunJobFlow { .. } => {}
        ClusterStep::SetStepConcurrency { to, .. } => cluster.step_concurrency = *to,
        ClusterStep::SetManagedScaling { to, .. } => cluster.managed_scaling.clone_from(to),
        ClusterStep::SetIdleTimeout { to, .. } => cluster.idle_seconds = Some(*to),
        ClusterStep::SetTerminationProtection { to, .. } => cluster.is_protected = *to,
        ClusterStep::ResizeGroup { id, to, .. } => {
            for nodes in cluster.groups.iter_mut().filter(|nodes| nodes.id == *id) {
                nodes.told.requested = (*to).into();
            }
        }
        ClusterStep::AddTags { tags, .. } => cluster.tags.extend(tags.clone()),
        ClusterStep::RemoveTags { keys, .. } => cluster.tags.retain(|key, _| !keys.contains(key)),
        ClusterStep::Terminate { .. } if !cluster.is_protected => cluster.state = ClusterState::Terminating,
        ClusterStep::Terminate { .. } => {}
    }
    world
}

pub(super) fn made(
    number: usize,
    at: jiff::Timestamp,
    name: &str,
    marks: &std::collections::BTreeMap<String, String>,
    request: &super::Request,
) -> Cluster {
    let count = |name: &str, own: Option<i32>| {
        i64::from(request.running.counts.get(name).copied().or(own).unwrap_or_default())
    };
    let groups = request
        .fixed
        .groups
        .iter()
        .map(|group| (group.name.clone(), group.role, count(&group.name, group.count), false));
    let fleets = request.fixed.fleets.iter().map(|fleet| {
        let units = fleet.target_on_demand.unwrap_or_default() + fleet.target_spot.unwrap_or_default();
        (fleet.name.clone(), fleet.role, units.into(), true)
    });
    let nodes = groups.chain(fleets).map(|(name, role, requested, is_fleet)| Nodes {
        id: format!("ig-{number}-{name}"),
        told: GroupStatus {
            name,
            role,
            requested,
            running: 0,
            state: "PROVISIONING".to_owned(),
            reason: None,
        },
        is_fleet,
    });
    Cluster {
        id: format!("j-{number}"),
        name: name.to_owned(),
        state: ClusterState::Starting,
        reason: (String::new(), String::new()),
        error: None,
        created: Some(at),
        ready: None,
        ended: None,
        tags: marks.clone().into_iter().chain(request.running.tags.clone()).collect(),
        is_protected: request.running.termination_protection,
        step_concurrency: request.running.step_concurrency,
        master_dns: None,
        log_uri: request.fixed.log_uri.clone(),
        normalized_instance_hours: None,
        groups: nodes.collect(),
        managed_scaling: request.running.managed_scaling.clone(),
        idle_seconds: request.running.idle_seconds,
        steps: Some(StepsStatus::default()),
        applications: request.fixed.applications.clone(),
        lost: Vec::new(),
    }
}
