//! What EMR makes of a step, purely: so that convergence can be proven without EMR.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster::{GroupStatus, RunStepState, StepsStatus};

use super::run_steps::{SeenStep, SeenSteps, nonce_of};
use super::step::ClusterStep;
use super::world::{Cluster, ClusterState, ClusterWorld, Nodes};

/// The world after a step. EMR goes on from there by itself.
#[must_use]
pub fn simulate(world: &ClusterWorld, step: &ClusterStep) -> ClusterWorld {
    let mut world = world.clone();
    if let ClusterStep::RunJobFlow { attempt, name, marks, request } = step {
        world.clusters.push(made(world.clusters.len(), attempt.started_at, name, marks, request));
        return world;
    }
    let Some(id) = step.target() else { return world };
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
        ClusterStep::ResizeFleet { id, to, .. } => {
            for nodes in cluster.groups.iter_mut().filter(|nodes| nodes.id == *id) {
                nodes.targets = Some(*to);
                nodes.told.requested = i64::from(to.on_demand) + i64::from(to.spot);
            }
        }
        ClusterStep::Reconfigure { id, to, .. } => {
            for nodes in cluster.groups.iter_mut().filter(|nodes| nodes.id == *id) {
                nodes.configurations.clone_from(to);
            }
        }
        ClusterStep::SetAutoScaling { id, to, .. } => {
            for nodes in cluster.groups.iter_mut().filter(|nodes| nodes.id == *id) {
                nodes.auto_scaling.clone_from(to);
            }
        }
        ClusterStep::AddSteps { calls, records, .. } => {
            let steps = calls.iter().enumerate().map(|(index, call)| {
                let id = format!("s-{}-{index}", call.name);
                let step = SeenStep { id, state: RunStepState::Pending, is_cancelling: false, message: None };
                (nonce_of(&call.name).to_owned(), step)
            });
            let listed = records.first().map(|record| record.asked_at).unwrap_or_default();
            let seen = world.run_steps.entry(cluster.id.clone());
            let seen = seen.or_insert_with(|| SeenSteps { listed, steps: BTreeMap::new() });
            seen.steps.extend(steps);
        }
        ClusterStep::CancelSteps { ids, .. } => {
            let steps =
                world.run_steps.get_mut(&cluster.id).into_iter().flat_map(|seen| seen.steps.values_mut());
            for step in steps.filter(|step| ids.contains(&step.id) && !step.state.is_over()) {
                step.state = RunStepState::Cancelled;
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
    marks: &BTreeMap<String, String>,
    request: &super::Request,
) -> Cluster {
    let running = &request.running;
    let nodes = |name: &str, role, requested: i64, targets| Nodes {
        id: format!("ig-{number}-{name}"),
        told: GroupStatus {
            name: name.to_owned(),
            role,
            requested,
            running: 0,
            state: "RUNNING".to_owned(),
            reason: None,
        },
        configurations: running.configurations.get(name).cloned().unwrap_or_default(),
        auto_scaling: running.auto_scaling.get(name).cloned(),
        targets,
    };
    let groups = request.fixed.groups.iter().map(|group| {
        let count = running.counts.get(&group.name).copied().or(group.count).unwrap_or_default();
        nodes(&group.name, group.role, count.into(), None)
    });
    let fleets = request.fixed.fleets.iter().map(|fleet| {
        let targets = request.targets(fleet);
        let requested = i64::from(targets.on_demand) + i64::from(targets.spot);
        nodes(&fleet.name, fleet.role, requested, Some(targets))
    });
    let all = groups.chain(fleets).collect();
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
        groups: all,
        managed_scaling: request.running.managed_scaling.clone(),
        idle_seconds: request.running.idle_seconds,
        steps: Some(StepsStatus::default()),
        applications: request.fixed.applications.clone(),
        lost: Vec::new(),
    }
}
