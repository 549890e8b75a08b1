//! A cluster as EMR is asked for it, in the SDK's words.

use std::collections::BTreeMap;

use aws_sdk_emr::operation::run_job_flow::builders::RunJobFlowFluentBuilder;
use aws_sdk_emr::types::{
    ActionOnFailure, AdjustmentType, Application, AutoScalingPolicy, AutoTerminationPolicy,
    BootstrapActionConfig, CloudWatchAlarmDefinition, ComparisonOperator, ComputeLimits,
    ComputeLimitsUnitType, Configuration, EbsBlockDeviceConfig, EbsConfiguration, HadoopJarStepConfig,
    InstanceFleetConfig, InstanceFleetProvisioningSpecifications, InstanceFleetType, InstanceGroupConfig,
    InstanceRoleType, InstanceTypeConfig, JobFlowInstancesConfig, KeyValue, ManagedScalingPolicy, MarketType,
    MetricDimension, ScalingAction, ScalingConstraints, ScalingRule, ScalingTrigger,
    ScriptBootstrapActionConfig, SimpleScalingPolicyConfiguration, SpotProvisioningAllocationStrategy,
    SpotProvisioningSpecification, SpotProvisioningTimeoutAction, Statistic, StepConfig, Tag, Unit,
    VolumeSpecification,
};
use mizuumi_api::emr_cluster as api;
use mizuumi_core::emr_cluster::request::{
    Request, Running, SPOT_TIMEOUT_MINUTES, Scaling, StepCall, Targets,
};

/// The request.
pub(super) fn run_job_flow(
    to: RunJobFlowFluentBuilder,
    name: &str,
    marks: &BTreeMap<String, String>,
    request: &Request,
) -> RunJobFlowFluentBuilder {
    let (fixed, running) = (&request.fixed, &request.running);
    let idle =
        running.idle_seconds.map(|seconds| AutoTerminationPolicy::builder().idle_timeout(seconds).build());
    let applications = fixed.applications.iter().map(|name| Application::builder().name(name).build());
    to.name(name)
        .release_label(&fixed.release_label)
        .set_applications(Some(applications.collect()))
        .set_configurations(Some(configurations(&fixed.configurations)))
        .set_bootstrap_actions(Some(fixed.bootstrap_actions.iter().map(bootstrap_action).collect()))
        .set_steps(Some(fixed.steps.iter().map(step).collect()))
        .service_role(&fixed.service_role)
        .job_flow_role(&fixed.instance_profile)
        .set_log_uri(fixed.log_uri.clone())
        .set_security_configuration(fixed.security_configuration.clone())
        .set_auto_scaling_role(fixed.auto_scaling_role.clone())
        .set_managed_scaling_policy(running.managed_scaling.as_ref().map(managed_scaling))
        .set_auto_termination_policy(idle)
        .step_concurrency_level(running.step_concurrency)
        .visible_to_all_users(true)
        .set_tags(Some(tags(marks.iter().chain(&running.tags))))
        .instances(instances(request))
}

pub(super) fn tags<'a>(all: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<Tag> {
    all.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn instances(request: &Request) -> JobFlowInstancesConfig {
    let (fixed, running) = (&request.fixed, &request.running);
    let with = JobFlowInstancesConfig::builder()
        // Steps that are there from the start are all that it is for.
        .keep_job_flow_alive_when_no_steps(fixed.steps.is_empty())
        .termination_protected(running.termination_protection)
        .set_ec2_key_name(fixed.key_name.clone())
        .set_emr_managed_master_security_group(fixed.master_security_group.clone())
        .set_emr_managed_slave_security_group(fixed.core_security_group.clone())
        .set_service_access_security_group(fixed.service_access_security_group.clone());
    let with = if fixed.fleets.is_empty() {
        let groups = fixed.groups.iter().map(|group| instance_group(group, running));
        with.set_instance_groups(Some(groups.collect())).set_ec2_subnet_id(fixed.subnets.first().cloned())
    } else {
        with.set_instance_fleets(Some(
            fixed.fleets.iter().map(|fleet| instance_fleet(fleet, request.targets(fleet))).collect(),
        ))
        .set_ec2_subnet_ids(Some(fixed.subnets.clone()))
    };
    with.build()
}

fn instance_group(group: &api::InstanceGroup, running: &Running) -> InstanceGroupConfig {
    let count = group.count.or_else(|| running.counts.get(&group.name).copied());
    let settings = running.configurations.get(&group.name);
    InstanceGroupConfig::builder()
        .name(&group.name)
        .instance_role(InstanceRoleType::from(group.role.emr()))
        .market(MarketType::from(group.market.unwrap_or(api::Market::OnDemand).emr()))
        .instance_type(&group.instance_type)
        .instance_count(count.unwrap_or(1))
        .set_ebs_configuration(group.ebs.as_ref().map(ebs))
        .set_configurations(settings.map(|all| configurations(all)))
        .set_auto_scaling_policy(running.auto_scaling.get(&group.name).map(auto_scaling))
        .build()
}

fn instance_fleet(fleet: &api::InstanceFleet, targets: Targets) -> InstanceFleetConfig {
    let types = fleet.instance_types.iter().map(|type_| {
        InstanceTypeConfig::builder()
            .instance_type(&type_.instance_type)
            .weighted_capacity(type_.weight.unwrap_or(1))
            .set_bid_price_as_percentage_of_on_demand_price(type_.bid_percentage.map(f64::from))
            .set_ebs_configuration(type_.ebs.as_ref().map(ebs))
            .build()
    });
    let wants_spot = targets.spot > 0;
    let spot = wants_spot.then(|| {
        let allocation = fleet.spot_allocation.unwrap_or(api::SpotAllocation::PriceCapacityOptimized);
        let action = fleet.spot_timeout_action.unwrap_or(api::SpotTimeoutAction::SwitchToOnDemand);
        let spot = SpotProvisioningSpecification::builder()
            .timeout_duration_minutes(fleet.spot_timeout_minutes.unwrap_or(SPOT_TIMEOUT_MINUTES))
            .timeout_action(SpotProvisioningTimeoutAction::from(action.emr()))
            .allocation_strategy(SpotProvisioningAllocationStrategy::from(allocation.emr()))
            .build();
        InstanceFleetProvisioningSpecifications::builder().spot_specification(spot).build()
    });
    InstanceFleetConfig::builder()
        .name(&fleet.name)
        .instance_fleet_type(InstanceFleetType::from(fleet.role.emr()))
        .target_on_demand_capacity(targets.on_demand)
        .target_spot_capacity(targets.spot)
        .set_instance_type_configs(Some(types.collect()))
        .set_launch_specifications(spot)
        .build()
}

fn ebs(ebs: &api::Ebs) -> EbsConfiguration {
    let devices = ebs.volumes.iter().flatten().map(|volume| {
        let specification = VolumeSpecification::builder()
            .volume_type(&volume.type_)
            .size_in_gb(volume.size_gib)
            .set_iops(volume.iops)
            .set_throughput(volume.throughput)
            .build();
        EbsBlockDeviceConfig::builder()
            .volume_specification(specification)
            .volumes_per_instance(volume.per_instance.unwrap_or(1))
            .build()
    });
    EbsConfiguration::builder()
        .set_ebs_optimized(ebs.optimized)
        .set_ebs_block_device_configs(Some(devices.collect()))
        .build()
}

/// Settings.
pub(super) fn configurations(all: &[api::Configuration]) -> Vec<Configuration> {
    all.iter().map(configuration).collect()
}

fn configuration(configuration: &api::Configuration) -> Configuration {
    let within = configuration.configurations.as_ref().map(|all| {
        let all = all.iter().map(|nested| {
            Configuration::builder()
                .classification(&nested.classification)
                .set_properties(nested.properties.clone().map(|all| all.into_iter().collect()))
                .build()
        });
        all.collect()
    });
    Configuration::builder()
        .classification(&configuration.classification)
        .set_properties(Some(configuration.properties.clone().unwrap_or_default().into_iter().collect()))
        .set_configurations(within)
        .build()
}

fn bootstrap_action(action: &api::BootstrapAction) -> BootstrapActionConfig {
    let script =
        ScriptBootstrapActionConfig::builder().path(&action.path).set_args(action.args.clone()).build();
    BootstrapActionConfig::builder().name(&action.name).script_bootstrap_action(script).build()
}

pub(super) fn step(step: &StepCall) -> StepConfig {
    let properties =
        step.properties.iter().map(|(key, value)| KeyValue::builder().key(key).value(value).build());
    let jar = HadoopJarStepConfig::builder()
        .jar(&step.jar)
        .set_main_class(step.main_class.clone())
        .set_args(Some(step.args.clone()))
        .set_properties(Some(properties.collect()))
        .build();
    StepConfig::builder()
        .name(&step.name)
        .action_on_failure(ActionOnFailure::from(step.on_failure))
        .hadoop_jar_step(jar)
        .build()
}

pub(super) fn managed_scaling(scaling: &Scaling) -> ManagedScalingPolicy {
    let limits = ComputeLimits::builder()
        .unit_type(ComputeLimitsUnitType::from(scaling.unit.as_str()))
        .minimum_capacity_units(scaling.min)
        .maximum_capacity_units(scaling.max)
        .maximum_on_demand_capacity_units(scaling.max_on_demand)
        .maximum_core_capacity_units(scaling.max_core)
        .build();
    ManagedScalingPolicy::builder().compute_limits(limits).build()
}

/// A policy of a group. Its alarms watch this cluster: EMR puts its id in.
pub(super) fn auto_scaling(policy: &api::AutoScaling) -> AutoScalingPolicy {
    let bounds = ScalingConstraints::builder().min_capacity(policy.min).max_capacity(policy.max).build();
    let rules = policy.rules.iter().map(|rule| {
        let adjustment = SimpleScalingPolicyConfiguration::builder()
            .scaling_adjustment(rule.adjust_by)
            .set_adjustment_type(rule.adjust.map(|adjust| AdjustmentType::from(adjust.emr())))
            .set_cool_down(rule.cool_down_seconds)
            .build();
        let action = ScalingAction::builder().simple_scaling_policy_configuration(adjustment).build();
        let trigger = ScalingTrigger::builder().cloud_watch_alarm_definition(alarm(&rule.when)).build();
        ScalingRule::builder().name(&rule.name).action(action).trigger(trigger).build()
    });
    AutoScalingPolicy::builder().constraints(bounds).set_rules(Some(rules.collect())).build()
}

fn alarm(when: &api::ScalingTrigger) -> CloudWatchAlarmDefinition {
    let of_cluster = MetricDimension::builder().key("JobFlowId").value("${emr.clusterId}").build();
    CloudWatchAlarmDefinition::builder()
        .metric_name(&when.metric)
        .set_namespace(when.namespace.clone())
        .comparison_operator(ComparisonOperator::from(when.is.emr()))
        .threshold(when.threshold.parse().unwrap_or_default())
        .set_statistic(when.statistic.map(|statistic| Statistic::from(statistic.emr())))
        .set_unit(when.unit.as_deref().map(Unit::from))
        .set_period(when.period_seconds)
        .set_evaluation_periods(when.periods)
        .dimensions(of_cluster)
        .build()
}
