//! A cluster that EMR has, as the resource that would ask for the same.

use std::collections::BTreeMap;

use mizuumi_api::data_table::ManagementPolicy;
use mizuumi_api::emr_cluster::{
    EmrCluster, EmrClusterSpec, InstanceFleet, InstanceGroup, Lifecycle, ManagedScaling, OnSpecChange,
    ScalingUnit, Step, StepFailure,
};
use mizuumi_api::emr_cluster_class::{
    ClassDefaults, ClassMandatory, ClassRules, EmrClusterClass, EmrClusterClassSpec,
};
use mizuumi_api::policy::DeletionPolicy;
use mizuumi_api::{Installation, ResourceKind, ShortDuration};
use serde_json::{Value, json};

use super::canonical::canonical;
use super::request::{Request, StepCall};
use super::world::OWNER;
use super::{Clusters, Pieces};
use crate::data_table::import::resource_name;
use crate::kind::Kind;
use crate::plan::Goal;

/// What EMR has of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// EMR's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its tags, Mizuumi's marks among them.
    pub tags: BTreeMap<String, String>,
    /// Whether it ends with its steps.
    pub ends_with_steps: bool,
    /// All that it could have been asked for by.
    pub request: Request,
}

/// What a resource of a cluster is called: as the one that made it, if one did.
#[must_use]
pub fn name(found: &Found) -> String {
    let mark = found.tags.get(OWNER).and_then(|owner| owner.split('@').next());
    let mut parts = mark.unwrap_or_default().split('/').skip(2);
    match (parts.next(), parts.next()) {
        (Some(kind), Some(name)) if kind == ResourceKind::EmrCluster.name() => name.to_owned(),
        _ => resource_name(&found.name),
    }
}

/// The resource of a cluster, built from a class that has nothing of its own.
#[must_use]
pub fn cluster(found: &Found, name: &str, namespace: Option<&str>, class: &str) -> EmrCluster {
    let (fixed, running) = (&found.request.fixed, &found.request.running);
    let some = |list: bool| list.then_some(());
    let groups = fixed.groups.iter().map(|group| of_group(group, &found.request)).collect();
    let fleets = fixed.fleets.iter().map(|fleet| of_fleet(fleet, &found.request)).collect();
    let steps = fixed.steps.iter().map(of_step).collect();
    let spec = EmrClusterSpec {
        class_name: class.to_owned(),
        lifecycle: if found.ends_with_steps { Lifecycle::Batch } else { Lifecycle::WhenNeeded },
        schedule: None,
        idle_timeout: running.idle_seconds.and_then(length),
        max_age: None,
        release_label: Some(fixed.release_label.clone()),
        applications: some(!fixed.applications.is_empty()).map(|()| fixed.applications.clone()),
        configurations: some(!fixed.configurations.is_empty()).map(|()| fixed.configurations.clone()),
        configurations_from: None,
        bootstrap_actions: some(!fixed.bootstrap_actions.is_empty())
            .map(|()| fixed.bootstrap_actions.clone()),
        instance_groups: some(fixed.fleets.is_empty()).map(|()| groups),
        instance_fleets: some(!fixed.fleets.is_empty()).map(|()| fleets),
        managed_scaling: of_scaling(&found.request),
        step_concurrency: (running.step_concurrency != 1).then_some(running.step_concurrency),
        termination_protection: running.termination_protection.then_some(true),
        steps: some(!fixed.steps.is_empty()).map(|()| steps),
        tags: some(!running.tags.is_empty()).map(|()| running.tags.clone()),
        on_spec_change: OnSpecChange::default(),
        deletion_policy: DeletionPolicy::Delete,
        management_policy: ManagementPolicy::Full,
        suspend: false,
    };
    let mut cluster = EmrCluster::new(name, spec);
    cluster.metadata.namespace = namespace.map(str::to_owned);
    cluster
}

/// A class that has nothing of its own and refuses nothing.
#[must_use]
pub fn class(name: &str, namespace: Option<&str>, profile: &str) -> EmrClusterClass {
    let spec = EmrClusterClassSpec {
        allowed_namespaces: vec![namespace.unwrap_or("*").to_owned()],
        profile: Some(profile.to_owned()),
        defaults: ClassDefaults::default(),
        mandatory: ClassMandatory::default(),
        rules: ClassRules::default(),
    };
    EmrClusterClass::new(name, spec)
}

/// Where the next cluster of the resource would differ from the one that there is, in words.
///
/// # Errors
/// In words, if none can be built.
pub fn differences(
    found: &Found,
    cluster: &EmrCluster,
    class: Option<&EmrClusterClass>,
    installation: &Installation,
) -> Result<Vec<String>, String> {
    let mut goal = Clusters::goal(cluster, installation)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let pieces = Pieces { class: class.cloned().map(Box::new), ..Pieces::default() };
    Clusters::heed(&mut goal, cluster, pieces);
    let Goal::Present(desired) = goal else { return Err("it is being deleted".to_owned()) };
    let made = desired.made.map_err(|(reason, why)| format!("{reason}: {why}"))?;
    let mut told = Vec::new();
    for (there, next) in [
        (json!(canonical(&found.request.fixed)), json!(canonical(&made.request.fixed))),
        (json!(found.request.running), json!(made.request.running)),
    ] {
        differ(&there, &next, &mut told);
    }
    Ok(told)
}

fn differ(there: &Value, next: &Value, told: &mut Vec<String>) {
    for (field, there) in there.as_object().into_iter().flatten() {
        let next = &next[field];
        if there != next {
            told.push(format!("{field}: it has {there}, the next one would have {next}"));
        }
    }
}

fn of_group(group: &InstanceGroup, request: &Request) -> InstanceGroup {
    let running = &request.running;
    let count = group.count.or_else(|| running.counts.get(&group.name).copied());
    InstanceGroup {
        count: count.filter(|count| *count != 1),
        configurations: running.configurations.get(&group.name).cloned(),
        auto_scaling: running.auto_scaling.get(&group.name).cloned(),
        ..group.clone()
    }
}

fn of_fleet(fleet: &InstanceFleet, request: &Request) -> InstanceFleet {
    let targets = request.targets(fleet);
    let some = |units: i32| (units > 0).then_some(units);
    InstanceFleet {
        target_on_demand: some(targets.on_demand),
        target_spot: some(targets.spot),
        ..fleet.clone()
    }
}

fn of_scaling(request: &Request) -> Option<ManagedScaling> {
    let scaling = request.running.managed_scaling.as_ref()?;
    let usual = if request.fixed.fleets.is_empty() {
        ScalingUnit::Instances
    } else {
        ScalingUnit::InstanceFleetUnits
    };
    let units = [ScalingUnit::Instances, ScalingUnit::Vcpu, ScalingUnit::InstanceFleetUnits];
    let unit = units.into_iter().find(|unit| unit.emr() == scaling.unit).filter(|unit| *unit != usual);
    let bound = |bound: i32| (bound != scaling.max).then_some(bound);
    Some(ManagedScaling {
        unit,
        min: scaling.min,
        max: scaling.max,
        max_on_demand: bound(scaling.max_on_demand),
        max_core: bound(scaling.max_core),
    })
}

fn of_step(call: &StepCall) -> Step {
    let reactions = [StepFailure::TerminateCluster, StepFailure::CancelAndWait, StepFailure::Continue];
    let on_failure = reactions.into_iter().find(|one| one.emr() == call.on_failure);
    let is_command = call.jar == "command-runner.jar" && !call.args.is_empty();
    let args = (!call.args.is_empty()).then(|| call.args.clone());
    Step {
        name: call.name.clone(),
        on_failure: on_failure.filter(|one| *one != StepFailure::TerminateCluster),
        command: args.clone().filter(|_| is_command),
        spark: None,
        spark_sql: None,
        script: None,
        jar: (!is_command).then(|| call.jar.clone()),
        main_class: call.main_class.clone(),
        properties: (!call.properties.is_empty()).then(|| call.properties.clone()),
        args: args.filter(|_| !is_command),
    }
}

/// Seconds as a duration; EMR counts them, a spec has minutes.
fn length(seconds: i64) -> Option<ShortDuration> {
    let text = match seconds {
        _ if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        _ if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        _ => format!("{}m", (seconds / 60).max(1)),
    };
    serde_json::from_value(json!(text)).ok()
}
