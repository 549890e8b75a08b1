//! A cluster's groups and fleets as EMR lists them.

use aws_sdk_emr::types::{
    AutoScalingPolicyDescription, AutoScalingPolicyState, Configuration, InstanceFleetType, InstanceGroup,
    InstanceGroupType, ScalingRule,
};
use mizuumi_api::condition::cut;
use mizuumi_api::emr_cluster::{self as spec, GroupStatus, Role};
use mizuumi_core::emr_cluster::configuration::canonical;
use mizuumi_core::emr_cluster::nodes::filled;
use mizuumi_core::emr_cluster::request::Targets;
use mizuumi_core::emr_cluster::world::Nodes;
use mizuumi_core::{Failure, Lane};

use crate::clients::ProfileClients;
use crate::gateway::api;

pub(super) fn role(word: Option<&str>) -> Role {
    match word {
        Some("MASTER") => Role::Master,
        Some("CORE") => Role::Core,
        _ => Role::Task,
    }
}

/// The groups of a cluster.
pub(super) async fn groups(clients: &ProfileClients, lane: Lane, id: &str) -> Result<Vec<Nodes>, Failure> {
    let list = clients.emr.list_instance_groups().cluster_id(id);
    let api = api!("elasticmapreduce", "ListInstanceGroups", Read);
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, lane, || page.clone().send()).await? else {
            return Ok(all);
        };
        all.extend(answer.instance_groups().iter().map(|group| {
            let state =
                group.status().and_then(|status| status.state()).map(|state| state.as_str().to_owned());
            let reason = group.status().and_then(|status| status.state_change_reason());
            Nodes {
                id: group.id().unwrap_or_default().to_owned(),
                told: GroupStatus {
                    name: group.name().or(group.id()).unwrap_or_default().to_owned(),
                    role: role(group.instance_group_type().map(InstanceGroupType::as_str)),
                    requested: group.requested_instance_count().unwrap_or_default().into(),
                    running: group.running_instance_count().unwrap_or_default().into(),
                    state: state.unwrap_or_default(),
                    reason: words(reason.and_then(|reason| reason.message())).or_else(|| unscaled(group)),
                },
                configurations: canonical(&configurations(group.configurations())),
                auto_scaling: group.auto_scaling_policy().and_then(auto_scaling),
                targets: None,
            }
        }));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

/// The fleets of a cluster.
pub(super) async fn fleets(clients: &ProfileClients, lane: Lane, id: &str) -> Result<Vec<Nodes>, Failure> {
    let list = clients.emr.list_instance_fleets().cluster_id(id);
    let api = api!("elasticmapreduce", "ListInstanceFleets", Read);
    let Some(answer) = clients.gateway.read(api, lane, || list.clone().send()).await? else {
        return Ok(Vec::new());
    };
    // There are at most three.
    let nodes = answer.instance_fleets().iter().map(|fleet| {
        let sum = |one: Option<i32>, other: Option<i32>| {
            i64::from(one.unwrap_or_default()) + i64::from(other.unwrap_or_default())
        };
        let state = fleet.status().and_then(|status| status.state()).map(|state| state.as_str().to_owned());
        let reason = fleet.status().and_then(|status| status.state_change_reason());
        Nodes {
            id: fleet.id().unwrap_or_default().to_owned(),
            told: GroupStatus {
                name: fleet.name().or(fleet.id()).unwrap_or_default().to_owned(),
                role: role(fleet.instance_fleet_type().map(InstanceFleetType::as_str)),
                requested: sum(fleet.target_on_demand_capacity(), fleet.target_spot_capacity()),
                running: sum(fleet.provisioned_on_demand_capacity(), fleet.provisioned_spot_capacity()),
                state: state.unwrap_or_default(),
                reason: words(reason.and_then(|reason| reason.message())),
            },
            configurations: Vec::new(),
            auto_scaling: None,
            targets: Some(Targets {
                on_demand: fleet.target_on_demand_capacity().unwrap_or_default(),
                spot: fleet.target_spot_capacity().unwrap_or_default(),
            }),
        }
    });
    Ok(nodes.collect())
}

/// Why a group or a fleet is in its state, where EMR has words for it.
fn words(message: Option<&str>) -> Option<String> {
    message.filter(|message| !message.is_empty()).map(|message| cut(message, 256))
}

pub(super) fn configurations(all: &[Configuration]) -> Vec<spec::Configuration> {
    let properties = |one: &Configuration| {
        one.properties().map(|all| all.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    let classification = |one: &Configuration| one.classification().unwrap_or_default().to_owned();
    let within = |one: &Configuration| {
        let nested = one.configurations().iter().map(|nested| spec::NestedConfiguration {
            classification: classification(nested),
            properties: properties(nested),
        });
        nested.collect()
    };
    let all = all.iter().map(|one| spec::Configuration {
        classification: classification(one),
        properties: properties(one),
        configurations: Some(within(one)),
    });
    all.collect()
}

/// How a group scales; none once its policy has been taken off, or if it is one that no spec can say.
pub(super) fn auto_scaling(policy: &AutoScalingPolicyDescription) -> Option<spec::AutoScaling> {
    let state = policy.status().and_then(|status| status.state());
    if matches!(state, Some(AutoScalingPolicyState::Detached | AutoScalingPolicyState::Detaching)) {
        return None;
    }
    let bounds = policy.constraints()?;
    let rules = policy.rules().iter().map(rule).collect::<Option<Vec<_>>>()?;
    Some(filled(spec::AutoScaling { min: bounds.min_capacity()?, max: bounds.max_capacity()?, rules }))
}

fn rule(rule: &ScalingRule) -> Option<spec::ScalingRule> {
    let adjustment = rule.action()?.simple_scaling_policy_configuration()?;
    let alarm = rule.trigger()?.cloud_watch_alarm_definition()?;
    let comparisons = [
        spec::Comparison::GreaterThan,
        spec::Comparison::GreaterThanOrEqual,
        spec::Comparison::LessThan,
        spec::Comparison::LessThanOrEqual,
    ];
    let statistics = [
        spec::Statistic::Average,
        spec::Statistic::Maximum,
        spec::Statistic::Minimum,
        spec::Statistic::Sum,
        spec::Statistic::SampleCount,
    ];
    let adjustments = [spec::Adjustment::Instances, spec::Adjustment::Percent, spec::Adjustment::Exact];
    let word = alarm.comparison_operator()?.as_str();
    Some(spec::ScalingRule {
        name: rule.name().unwrap_or_default().to_owned(),
        adjust_by: adjustment.scaling_adjustment()?,
        adjust: adjustment
            .adjustment_type()
            .and_then(|type_| adjustments.into_iter().find(|one| one.emr() == type_.as_str())),
        cool_down_seconds: adjustment.cool_down(),
        when: spec::ScalingTrigger {
            metric: alarm.metric_name()?.to_owned(),
            namespace: alarm.namespace().map(str::to_owned),
            is: comparisons.into_iter().find(|comparison| comparison.emr() == word)?,
            threshold: alarm.threshold()?.to_string(),
            statistic: alarm
                .statistic()
                .and_then(|word| statistics.into_iter().find(|one| one.emr() == word.as_str())),
            unit: alarm.unit().map(|unit| unit.as_str().to_owned()),
            period_seconds: alarm.period(),
            periods: alarm.evaluation_periods(),
        },
    })
}

/// Why a group does not do as it was told, in EMR's words: its policy failed, or its settings were not taken up.
fn unscaled(group: &InstanceGroup) -> Option<String> {
    let status = group.auto_scaling_policy().and_then(|policy| policy.status());
    if let Some(status) = status.filter(|status| status.state() == Some(&AutoScalingPolicyState::Failed)) {
        let message = status.state_change_reason().and_then(|reason| reason.message());
        return words(Some(message.unwrap_or("the automatic scaling policy failed")));
    }
    let is_settled =
        group.status().and_then(|status| status.state()).is_some_and(|state| state.as_str() == "RUNNING");
    let (asked, taken) =
        (group.configurations_version()?, group.last_successfully_applied_configurations_version()?);
    (is_settled && asked > taken).then(|| {
        format!("its settings of version {asked} were not taken up; it has those of version {taken}")
    })
}
