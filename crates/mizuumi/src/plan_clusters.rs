//! What `mizuumi plan` and `mizuumi diff` say of EMR clusters, and what they are built from.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster::OnSpecChange;
use mizuumi_api::{EmrCluster, Installation, ResourceId};
use mizuumi_aws::ClusterPort;
use mizuumi_controller::lookup::Lookup;
use mizuumi_core::emr_cluster::desired::Life;
use mizuumi_core::emr_cluster::plan::{current, is_outdated};
use mizuumi_core::emr_cluster::{ClusterGoal, ClusterStep, ClusterWorld, Clusters, Pieces};
use mizuumi_core::explain::Object;
use mizuumi_core::{Ask, DataReading, Goal, Kind, Lane, Plan, Port, Reading, Verdict};

use crate::manifests::Manifests;
use crate::plan_told::{Action, Item, Line};

/// What a cluster is built from, as far as it is among the manifests.
pub(crate) fn among(found: &Manifests, cluster: &EmrCluster) -> Pieces {
    let namespace = cluster.metadata.namespace.clone().unwrap_or_default();
    let is_its = |name: Option<&String>| name == Some(&cluster.spec.class_name);
    let class = found.classes.iter().find(|class| is_its(class.metadata.name.as_ref()));
    let sources = cluster.spec.configurations_from.iter().flatten();
    let data = |name: &String| found.config_maps.get(&(namespace.clone(), name.clone())).cloned();
    let config_maps = sources.map(|source| (source.config_map.clone(), data(&source.config_map))).collect();
    Pieces { class: class.cloned().map(Box::new), config_maps, ..Pieces::default() }
}

/// What a cluster is built from, as Kubernetes has it.
pub(crate) async fn in_kubernetes(lookup: &Lookup, cluster: &EmrCluster) -> anyhow::Result<Pieces> {
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let class = lookup.class(&cluster.spec.class_name).await?;
    let mut config_maps = BTreeMap::new();
    for source in cluster.spec.configurations_from.iter().flatten() {
        let data = lookup.config_map(namespace, &source.config_map).await?;
        config_maps.insert(source.config_map.clone(), data);
    }
    Ok(Pieces { class: class.map(Box::new), config_maps, ..Pieces::default() })
}

/// What is told of a cluster; nothing if nothing happens to it.
pub(crate) async fn item(
    place: &dyn Fn(&ResourceId, &str) -> String,
    port: &ClusterPort,
    installation: &Installation,
    cluster: &EmrCluster,
    pieces: Pieces,
) -> Option<Item> {
    let resource = Object::Cluster(Box::new(cluster.clone())).id();
    let new = |action, what: &str, lines| {
        let head = format!("{resource} {what}");
        Some(Item { resource: resource.clone(), table: None, action, head, lines })
    };
    let mut goal = match Clusters::goal(cluster, installation) {
        Ok(goal) => goal,
        Err(problems) => {
            let line = |path: &str, text: String| match place(&resource, path) {
                place if place.is_empty() => Line::new('!', text),
                place => Line::new('!', format!("{place}: {text}")),
            };
            let lines = problems.iter().map(|problem| line(&problem.path, problem.to_string()));
            return new(Action::Error, "cannot be planned", lines.collect());
        }
    };
    Clusters::heed(&mut goal, cluster, pieces);
    let now = mizuumi_controller::now();
    let ask = Ask { definition: Reading::Known, data: DataReading::Whole, lane: Lane::Change, now };
    let world = match port.observe(&Clusters::key(cluster), &Clusters::look(&goal), ask).await {
        Ok(world) => world,
        Err(failure) => {
            let lines = vec![Line::new('!', failure.to_string())];
            return new(Action::Error, "could not be looked at", lines);
        }
    };
    let plan = Clusters::plan(&goal, &world, now);
    if is_untold(cluster, &goal, &plan) {
        let what = "runs once; whether it has is in its status: mizuumi diff says".to_owned();
        return new(Action::Hold, "holds", vec![Line::new('.', what)]);
    }
    let (action, what, mut lines) = of_plan(&plan)?;
    lines.extend(left(cluster, &goal, &world));
    let is_written = Clusters::may_write(&goal) || !action.writes();
    let what = if is_written {
        what.to_owned()
    } else {
        format!("{what}, but not by the controller (managementPolicy, suspend)")
    };
    new(action, &what, lines)
}

/// A manifest does not say whether a cluster that runs once has done so.
fn is_untold(cluster: &EmrCluster, goal: &ClusterGoal, plan: &Plan<ClusterStep>) -> bool {
    let starts = plan.steps.iter().any(|step| matches!(step, ClusterStep::RunJobFlow { .. }));
    let runs_once = matches!(goal, Goal::Present(desired) if matches!(desired.life, Life::Batch));
    starts && runs_once && cluster.status.is_none()
}

/// What a plan comes to, and its lines.
fn of_plan(plan: &Plan<ClusterStep>) -> Option<(Action, &'static str, Vec<Line>)> {
    let symbol = |step: &ClusterStep| match step {
        ClusterStep::RunJobFlow { .. } | ClusterStep::AddSteps { .. } | ClusterStep::AddTags { .. } => '+',
        ClusterStep::Terminate { .. } | ClusterStep::CancelSteps { .. } | ClusterStep::RemoveTags { .. } => {
            '-'
        }
        _ => '~',
    };
    let mut lines: Vec<Line> =
        plan.steps.iter().map(|step| Line::new(symbol(step), step.to_string())).collect();
    let has = |is: fn(&ClusterStep) -> bool| plan.steps.iter().any(is);
    match &plan.verdict {
        Verdict::Blocked(reason, message) => {
            lines.insert(0, Line::new('!', format!("{reason}: {message}")));
            Some((Action::Blocked, "cannot be built as the manifest says", lines))
        }
        Verdict::Converging(reason, message) if lines.is_empty() => {
            Some((Action::Wait, "waits", vec![Line::new('.', format!("{reason}: {message}"))]))
        }
        _ if lines.is_empty() => None,
        _ if has(|step| matches!(step, ClusterStep::RunJobFlow { .. })) => {
            Some((Action::Create, "will be started", lines))
        }
        _ if has(|step| matches!(step, ClusterStep::Terminate { .. })) => {
            Some((Action::Change, "will be ended", lines))
        }
        _ => Some((Action::Change, "will be changed", lines)),
    }
}

/// What of a running cluster stays as it is until the next one.
fn left(cluster: &EmrCluster, goal: &ClusterGoal, world: &ClusterWorld) -> Option<Line> {
    let Goal::Present(desired) = goal else { return None };
    let running = current(&desired.called, world)?;
    let is_outdated = desired.made.as_ref().is_ok_and(|made| is_outdated(made, running));
    let when = match cluster.spec.on_spec_change {
        OnSpecChange::Never => "the next one follows the manifest",
        OnSpecChange::WhenIdle | OnSpecChange::Recreate => "it is replaced (onSpecChange)",
    };
    is_outdated.then(|| {
        Line::new(
            '.',
            format!(
                "cluster {} was made by another spec in what a running cluster cannot change; {when}",
                running.id
            ),
        )
    })
}
