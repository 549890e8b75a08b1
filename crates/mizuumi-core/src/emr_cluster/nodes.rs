//! A cluster's nodes: the cluster's own or the class's, and what of them can change while it runs.

use std::collections::BTreeMap;

use mizuumi_api::emr_cluster::{self as api, EmrClusterSpec};
use mizuumi_api::emr_cluster_class::EmrClusterClassSpec;

use super::configuration::{Merged, Source};
use super::desired::version;
use super::request::{Scaling, Targets};
use crate::problem::Problem;

/// The first release whose running clusters take up other settings of a group (EMR Release Guide, "Reconfigure an instance
/// group in a running cluster").
const RECONFIGURES: (u32, u32) = (5, 21);

/// Whether running clusters of a release take up other settings of a group.
pub(super) fn reconfigures(release: &str) -> bool {
    version(release) >= RECONFIGURES
}

/// A cluster's nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// Groups, without what can change of them.
    pub(super) groups: Vec<api::InstanceGroup>,
    /// Fleets, without what can change of them.
    pub(super) fleets: Vec<api::InstanceFleet>,
    /// How many instances groups of core and task nodes have.
    pub(super) counts: BTreeMap<String, i32>,
    /// Settings of groups.
    pub(super) configurations: BTreeMap<String, Vec<api::Configuration>>,
    /// How groups scale.
    pub(super) auto_scaling: BTreeMap<String, api::AutoScaling>,
    /// How many units fleets of core and task nodes have.
    pub(super) targets: BTreeMap<String, Targets>,
}

impl Nodes {
    pub(super) fn new(
        spec: &EmrClusterSpec,
        class: &EmrClusterClassSpec,
        release: &str,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let (groups, fleets) = checked(spec, class, problems);
        let mut nodes = Self::default();
        let mandatory = class.mandatory.configurations.as_deref().unwrap_or_default();
        for mut group in groups {
            let name = group.name.clone();
            if let Some(own) = &group.configurations {
                let mut merged = Merged::default();
                merged.add(own, &Source::Spec);
                merged.add(mandatory, &Source::ClassMandatory);
                let all = merged.configurations();
                group.configurations = (!reconfigures(release)).then(|| all.clone());
                nodes.configurations.insert(name.clone(), all);
            }
            if let Some(policy) = group.auto_scaling.take() {
                nodes.auto_scaling.insert(name.clone(), filled(policy));
            }
            // The number of masters is for ever.
            let count = group.count.unwrap_or(1);
            group.count = (group.role == api::Role::Master).then_some(count);
            if group.role != api::Role::Master {
                nodes.counts.insert(name, count);
            }
            nodes.groups.push(group);
        }
        for mut fleet in fleets {
            if fleet.role != api::Role::Master {
                let on_demand = fleet.target_on_demand.take().unwrap_or_default();
                let spot = fleet.target_spot.take().unwrap_or_default();
                nodes.targets.insert(fleet.name.clone(), Targets { on_demand, spot });
            }
            nodes.fleets.push(fleet);
        }
        nodes
    }

    /// How EMR scales them all. Groups with rules of their own take the place of the class's default.
    pub(super) fn managed_scaling(
        &self,
        spec: &EmrClusterSpec,
        class: &EmrClusterClassSpec,
    ) -> Option<Scaling> {
        let default = class.defaults.managed_scaling.as_ref().filter(|_| self.auto_scaling.is_empty());
        let spec = spec.managed_scaling.as_ref().or(default)?;
        let usual = if self.fleets.is_empty() {
            api::ScalingUnit::Instances
        } else {
            api::ScalingUnit::InstanceFleetUnits
        };
        Some(Scaling {
            unit: spec.unit.unwrap_or(usual).emr().to_owned(),
            min: spec.min,
            max: spec.max,
            max_on_demand: spec.max_on_demand.unwrap_or(spec.max),
            max_core: spec.max_core.unwrap_or(spec.max),
        })
    }
}

/// A policy with all that it does not say, numbers written in one way, and its rules in the order of their names: two that say
/// the same are equal.
#[must_use]
pub fn filled(policy: api::AutoScaling) -> api::AutoScaling {
    let mut rules: Vec<api::ScalingRule> = policy.rules.into_iter().map(filled_rule).collect();
    rules.sort_by(|a, b| a.name.cmp(&b.name));
    api::AutoScaling { rules, ..policy }
}

fn filled_rule(rule: api::ScalingRule) -> api::ScalingRule {
    let when = rule.when;
    let number = when.threshold.parse::<f64>().map(|number| number.to_string());
    api::ScalingRule {
        name: rule.name,
        adjust_by: rule.adjust_by,
        adjust: rule.adjust.or(Some(api::Adjustment::Instances)),
        cool_down_seconds: rule.cool_down_seconds.or(Some(0)),
        when: api::ScalingTrigger {
            metric: when.metric,
            namespace: when.namespace.or_else(|| Some("AWS/ElasticMapReduce".to_owned())),
            is: when.is,
            threshold: number.unwrap_or(when.threshold),
            statistic: when.statistic.or(Some(api::Statistic::Average)),
            unit: when.unit.or_else(|| Some("NONE".to_owned())),
            period_seconds: when.period_seconds.or(Some(300)),
            periods: when.periods.or(Some(1)),
        },
    }
}

/// Groups or fleets: the cluster's own, or else the class's.
fn checked(
    spec: &EmrClusterSpec,
    class: &EmrClusterClassSpec,
    problems: &mut Vec<Problem>,
) -> (Vec<api::InstanceGroup>, Vec<api::InstanceFleet>) {
    let own = spec.instance_groups.is_some() || spec.instance_fleets.is_some();
    let (groups, fleets) = if own {
        (spec.instance_groups.clone(), spec.instance_fleets.clone())
    } else {
        (class.defaults.instance_groups.clone(), class.defaults.instance_fleets.clone())
    };
    let groups = groups.unwrap_or_default();
    // Fleets only where there are no groups: EMR takes one or the other.
    let fleets = if groups.is_empty() { fleets.unwrap_or_default() } else { Vec::new() };
    let (path, roles): (&str, Vec<api::Role>) = if groups.is_empty() {
        ("spec.instanceFleets", fleets.iter().map(|fleet| fleet.role).collect())
    } else {
        ("spec.instanceGroups", groups.iter().map(|group| group.role).collect())
    };
    let count = |role| roles.iter().filter(|other| **other == role).count();
    if roles.is_empty() {
        problems.push(Problem::invalid("spec.instanceGroups", "must be set, since the class has no nodes"));
    } else if count(api::Role::Master) != 1 {
        let masters = count(api::Role::Master);
        problems.push(Problem::invalid(
            path,
            format!("must have exactly one with `role` Master; there are {masters}"),
        ));
    }
    for (role, word) in [(api::Role::Core, "Core"), (api::Role::Task, "Task")] {
        let is_limited = role == api::Role::Core || groups.is_empty();
        if is_limited && count(role) > 1 {
            problems.push(Problem::invalid(path, format!("must have at most one with `role` {word}")));
        }
    }
    for (index, group) in groups.iter().enumerate() {
        let masters = group.count.unwrap_or(1);
        if group.role == api::Role::Master && masters != 1 && masters != 3 {
            problems.push(Problem::invalid(
                format!("spec.instanceGroups[{index}].count"),
                format!("must be 1 or 3 for the master; it is {masters}"),
            ));
        }
    }
    (groups, fleets)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn made(spec: &Value, class: &Value, release: &str) -> (Nodes, Option<Scaling>) {
        let mut whole = json!({ "className": "c", "lifecycle": "WhenNeeded" });
        whole.as_object_mut().expect("a spec").extend(spec.as_object().expect("a spec").clone());
        let spec: EmrClusterSpec = serde_json::from_value(whole).expect("a spec");
        let mut whole = json!({ "allowedNamespaces": ["*"] });
        whole.as_object_mut().expect("a class").extend(class.as_object().expect("a class").clone());
        let class: EmrClusterClassSpec = serde_json::from_value(whole).expect("a class");
        let mut problems = Vec::new();
        let nodes = Nodes::new(&spec, &class, release, &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        let scaling = nodes.managed_scaling(&spec, &class);
        (nodes, scaling)
    }

    fn groups(core: &Value) -> Value {
        let mut whole = json!({ "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 2 });
        whole.as_object_mut().expect("a group").extend(core.as_object().expect("a group").clone());
        json!({ "instanceGroups": [{ "name": "m", "role": "Master", "instanceType": "m6g.xlarge" }, whole] })
    }

    fn policy(rules: &Value) -> Value {
        json!({ "autoScaling": { "min": 1, "max": 4, "rules": rules } })
    }

    #[test]
    fn settings_of_a_group_are_merged_with_the_mandatory_ones_and_do_not_count_as_fixed() {
        let own = json!([{ "classification": "yarn-site", "properties": { "a": "own", "m": "own" } }]);
        let mandatory = json!([{ "classification": "yarn-site", "properties": { "m": "class" } }]);
        let class = json!({ "mandatory": { "configurations": mandatory } });
        let spec = groups(&json!({ "configurations": own }));
        let (nodes, _) = made(&spec, &class, "emr-7.5.0");
        let properties = nodes.configurations["core"][0].properties.clone().expect("properties");
        let of = |name: &str| properties.get(name).map(String::as_str);
        assert_eq!((of("a"), of("m")), (Some("own"), Some("class")));
        assert!(nodes.groups.iter().all(|group| group.configurations.is_none()));
        assert!(!nodes.configurations.contains_key("m"), "the others have the cluster's");
        let (old, _) = made(&spec, &class, "emr-5.20.0");
        assert_eq!(old.groups[1].configurations.as_ref(), old.configurations.get("core"), "for ever");
    }

    #[test]
    fn a_policy_that_says_what_is_usual_is_equal_to_one_that_does_not() {
        let when = json!({ "metric": "M", "is": "LessThan", "threshold": "15" });
        let short = json!([
            { "name": "b", "adjustBy": -1, "when": when },
            { "name": "a", "adjustBy": 1, "when": when },
        ]);
        let when = json!({
            "metric": "M", "is": "LessThan", "threshold": "15.00", "namespace": "AWS/ElasticMapReduce",
            "statistic": "Average", "unit": "NONE", "periodSeconds": 300, "periods": 1,
        });
        let long = |name: &str, by: i32| json!({ "name": name, "adjustBy": by, "adjust": "Instances", "coolDownSeconds": 0, "when": when });
        let of = |rules: &Value| made(&groups(&policy(rules)), &json!({}), "emr-7.5.0").0.auto_scaling;
        assert_eq!(of(&short), of(&json!([long("a", 1), long("b", -1)])));
    }

    #[test]
    fn rules_of_a_group_take_the_place_of_the_classs_managed_scaling() {
        let class = json!({ "defaults": { "managedScaling": { "min": 1, "max": 9 } } });
        let when = json!({ "metric": "M", "is": "LessThan", "threshold": "15" });
        let rules = policy(&json!([{ "name": "a", "adjustBy": 1, "when": when }]));
        assert!(made(&groups(&json!({})), &class, "emr-7.5.0").1.is_some());
        assert!(made(&groups(&rules), &class, "emr-7.5.0").1.is_none());
    }

    #[test]
    fn targets_of_core_and_task_fleets_can_change_and_the_masters_cannot() {
        let types = json!([{ "instanceType": "m6g.xlarge" }]);
        let fleets = json!([
            { "name": "m", "role": "Master", "targetOnDemand": 1, "instanceTypes": types },
            { "name": "c", "role": "Core", "targetOnDemand": 2, "targetSpot": 3, "instanceTypes": types },
        ]);
        let (nodes, _) = made(&json!({ "instanceFleets": fleets }), &json!({}), "emr-7.5.0");
        assert_eq!(nodes.targets, [("c".to_owned(), Targets { on_demand: 2, spot: 3 })].into());
        let fixed: Vec<_> = nodes.fleets.iter().map(|fleet| fleet.target_on_demand).collect();
        assert_eq!(fixed, [Some(1), None]);
    }
}
