//! What of a running cluster is changed while it runs; the rest waits for the next one.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster::Configuration;

use super::desired::{DesiredCluster, Made};
use super::nodes::reconfigures;
use super::plan::{is_outdated, target};
use super::request::Running;
use super::step::{ClusterStep, Target};
use super::world::{Cluster, Nodes};

/// What a running cluster can change.
pub(super) fn changes(desired: &DesiredCluster, made: &Made, cluster: &Cluster) -> Vec<ClusterStep> {
    let called = &desired.called;
    let want = &made.request.running;
    let on = || target(called, cluster);
    let mut steps = Vec::new();
    // EMR does not change it while steps run.
    if want.step_concurrency != cluster.step_concurrency && cluster.is_idle() {
        let (from, to) = (cluster.step_concurrency, want.step_concurrency);
        steps.push(ClusterStep::SetStepConcurrency { cluster: on(), from, to });
    }
    if want.managed_scaling != cluster.managed_scaling {
        steps.push(ClusterStep::SetManagedScaling { cluster: on(), to: want.managed_scaling.clone() });
    }
    if let Some(to) = want.idle_seconds
        && cluster.idle_seconds != Some(to)
    {
        steps.push(ClusterStep::SetIdleTimeout { cluster: on(), from: cluster.idle_seconds, to });
    }
    if want.termination_protection != cluster.is_protected {
        steps.push(ClusterStep::SetTerminationProtection { cluster: on(), to: want.termination_protection });
    }
    let nodes = cluster.groups.iter();
    steps.extend(nodes.flat_map(|nodes| node_changes(want, nodes, &target(called, cluster))));
    if takes_settings(made, cluster) {
        let nodes = differing(want, cluster).filter(|(nodes, _)| is_settled(nodes));
        steps.extend(nodes.map(|(nodes, to)| {
            let (id, group) = (nodes.id.clone(), nodes.told.name.clone());
            ClusterStep::Reconfigure { cluster: on(), id, group, to }
        }));
    }
    let missing = want.tags.iter().filter(|(key, value)| cluster.tags.get(*key) != Some(value));
    let missing: BTreeMap<String, String> =
        missing.map(|(key, value)| (key.clone(), value.clone())).collect();
    if !missing.is_empty() {
        steps.push(ClusterStep::AddTags { cluster: on(), tags: missing });
    }
    steps
}

/// What a running cluster can change of a group or a fleet.
fn node_changes(want: &Running, nodes: &Nodes, cluster: &Target) -> Vec<ClusterStep> {
    let (name, id) = (nodes.told.name.clone(), nodes.id.clone());
    let on = || cluster.clone();
    let mut steps = Vec::new();
    if let Some(from) = nodes.targets {
        if let Some(to) = want.targets.get(&name).copied()
            && want.managed_scaling.is_none()
            && from != to
        {
            steps.push(ClusterStep::ResizeFleet { cluster: on(), id, fleet: name, from, to });
        }
        return steps;
    }
    let policy = want.auto_scaling.get(&name);
    if policy != nodes.auto_scaling.as_ref() {
        let (id, group, to) = (id.clone(), name.clone(), policy.cloned());
        steps.push(ClusterStep::SetAutoScaling { cluster: on(), id, group, to });
    }
    // Counts that EMR scales are EMR's.
    if let Some(to) = want.counts.get(&name).copied()
        && want.managed_scaling.is_none()
        && policy.is_none()
        && i64::from(to) != nodes.told.requested
    {
        let from = nodes.told.requested;
        steps.push(ClusterStep::ResizeGroup { cluster: on(), id, group: name, from, to });
    }
    steps
}

/// EMR takes other settings of a group only while nothing else is done to it.
fn is_settled(nodes: &Nodes) -> bool {
    nodes.told.state == "RUNNING"
}

/// Whether its groups take up other settings: what was made by another spec keeps those too, until it is made anew.
fn takes_settings(made: &Made, cluster: &Cluster) -> bool {
    reconfigures(&made.request.fixed.release_label) && !is_outdated(made, cluster)
}

/// Groups that have other settings of their own than they should, and which those are.
fn differing<'a>(
    want: &Running,
    cluster: &'a Cluster,
) -> impl Iterator<Item = (&'a Nodes, Vec<Configuration>)> {
    let groups = cluster.groups.iter().filter(|nodes| nodes.targets.is_none());
    let settings = move |nodes: &'a Nodes| {
        let to = want.configurations.get(&nodes.told.name).cloned().unwrap_or_default();
        (to != nodes.configurations).then_some((nodes, to))
    };
    groups.filter_map(settings)
}

/// A group whose settings have to be changed once it has settled.
pub(super) fn unsettled<'a>(made: &Made, cluster: &'a Cluster) -> Option<&'a Nodes> {
    let (nodes, _) = differing(&made.request.running, cluster).next()?;
    takes_settings(made, cluster).then_some(nodes)
}

#[cfg(test)]
mod tests {
    use mizuumi_api::emr_cluster::{AutoScaling, GroupStatus, Role};

    use super::super::request::Targets;
    use super::*;

    fn nodes(targets: Option<Targets>) -> Nodes {
        let told = GroupStatus {
            name: "core".to_owned(),
            role: Role::Core,
            requested: 2,
            running: 2,
            state: "RUNNING".to_owned(),
            reason: None,
        };
        Nodes { id: "ig-1".to_owned(), told, configurations: Vec::new(), auto_scaling: None, targets }
    }

    fn told(want: &Running, nodes: &Nodes) -> Vec<String> {
        let (profile, id, owner) = ("default".to_owned(), "j-1".to_owned(), "o".to_owned());
        let steps = node_changes(want, nodes, &Target { profile, id, owner });
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_emr_scales_is_never_drift() {
        let policy = AutoScaling { min: 1, max: 4, rules: Vec::new() };
        let counts = || [("core".to_owned(), 3)].into();
        let fixed = Running { counts: counts(), ..Running::default() };
        assert_eq!(told(&fixed, &nodes(None)), ["resize cluster j-1: group 'core' 2 -> 3 instances"]);
        let by_rules = [("core".to_owned(), policy.clone())].into();
        let scaled = Running { counts: counts(), auto_scaling: by_rules, ..Running::default() };
        let with_policy = Nodes { auto_scaling: Some(policy), ..nodes(None) };
        assert_eq!(told(&scaled, &with_policy), Vec::<String>::new());
        assert_eq!(
            told(&fixed, &with_policy),
            [
                "update cluster j-1: no automatic scaling of group 'core'",
                "resize cluster j-1: group 'core' 2 -> 3 instances",
            ]
        );
    }

    #[test]
    fn a_fleet_is_resized_by_its_targets() {
        let targets = |on_demand, spot| Targets { on_demand, spot };
        let want = Running { targets: [("core".to_owned(), targets(1, 3))].into(), ..Running::default() };
        assert_eq!(
            told(&want, &nodes(Some(targets(2, 0)))),
            ["resize cluster j-1: fleet 'core' 2 on demand, 0 spot -> 1 on demand, 3 spot"]
        );
        assert_eq!(told(&want, &nodes(Some(targets(1, 3)))), Vec::<String>::new());
    }
}
