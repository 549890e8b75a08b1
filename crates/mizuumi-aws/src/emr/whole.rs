//! A cluster with all that it could have been asked for by, as EMR tells it: more than is looked at to keep one.

use std::collections::BTreeMap;

use aws_sdk_emr::operation::list_instance_fleets::ListInstanceFleetsOutput;
use aws_sdk_emr::types::{
    Cluster as EmrCluster, EbsBlockDevice, InstanceCollectionType, InstanceFleet, InstanceGroup,
    InstanceTypeSpecification, SpotProvisioningSpecification, StepSummary,
};
use mizuumi_api::emr_cluster as spec;
use mizuumi_core::emr_cluster::configuration::canonical as settings;
use mizuumi_core::emr_cluster::import::Found;
use mizuumi_core::emr_cluster::request::{Fixed, Request, Running, StepCall, Targets};
use mizuumi_core::{Failure, Lane};

use super::nodes::{auto_scaling, configurations, role};
use super::{canonical, find, idle_seconds, managed_scaling, tags_of};
use crate::clients::ProfileClients;
use crate::gateway::{Sent, api};

/// The cluster; none if EMR does not know it.
pub(crate) async fn whole(clients: &ProfileClients, id: &str) -> Result<Option<Found>, Failure> {
    let lane = Lane::Change;
    let Some(cluster) = find(clients, lane, id, &Sent::default()).await? else { return Ok(None) };
    let mut request = Request { fixed: fixed(&cluster), running: Running::default() };
    let is_of_fleets = cluster.instance_collection_type() == Some(&InstanceCollectionType::InstanceFleet);
    if is_of_fleets {
        add_fleets(clients, id, &mut request).await?;
    } else {
        add_groups(clients, id, &mut request).await?;
    }
    request.fixed.bootstrap_actions = bootstrap_actions(clients, id).await?;
    let ends_with_steps = cluster.auto_terminate().unwrap_or_default();
    if ends_with_steps {
        request.fixed.steps = steps(clients, id).await?;
    }
    let tags: BTreeMap<String, String> = tags_of(&cluster).collect();
    let is_own = |key: &String| !key.starts_with("mizuumi:") && !key.starts_with("aws:");
    let running = &mut request.running;
    running.tags =
        tags.iter().filter(|(key, _)| is_own(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    running.managed_scaling = managed_scaling(clients, lane, id).await?;
    running.idle_seconds = idle_seconds(clients, lane, id).await?;
    running.step_concurrency = cluster.step_concurrency_level().unwrap_or(1);
    running.termination_protection = cluster.termination_protected().unwrap_or_default();
    let name = cluster.name().unwrap_or_default().to_owned();
    Ok(Some(Found { id: id.to_owned(), name, tags, ends_with_steps, request }))
}

fn fixed(cluster: &EmrCluster) -> Fixed {
    let some = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let nodes = cluster.ec2_instance_attributes();
    let requested = nodes.map(|nodes| nodes.requested_ec2_subnet_ids().to_vec()).unwrap_or_default();
    let subnet = nodes.and_then(|nodes| some(nodes.ec2_subnet_id()));
    Fixed {
        release_label: cluster.release_label().unwrap_or_default().to_owned(),
        applications: cluster.applications().iter().filter_map(|one| some(one.name())).collect(),
        configurations: settings(&configurations(cluster.configurations())),
        service_role: cluster.service_role().unwrap_or_default().to_owned(),
        instance_profile: nodes.and_then(|nodes| some(nodes.iam_instance_profile())).unwrap_or_default(),
        subnets: if requested.is_empty() { subnet.into_iter().collect() } else { requested },
        log_uri: some(cluster.log_uri()).map(|uri| canonical(&uri)),
        key_name: nodes.and_then(|nodes| some(nodes.ec2_key_name())),
        master_security_group: nodes.and_then(|nodes| some(nodes.emr_managed_master_security_group())),
        core_security_group: nodes.and_then(|nodes| some(nodes.emr_managed_slave_security_group())),
        service_access_security_group: nodes.and_then(|nodes| some(nodes.service_access_security_group())),
        security_configuration: some(cluster.security_configuration()),
        auto_scaling_role: some(cluster.auto_scaling_role()),
        ..Fixed::default()
    }
}

async fn add_groups(clients: &ProfileClients, id: &str, request: &mut Request) -> Result<(), Failure> {
    let list = clients.emr.list_instance_groups().cluster_id(id);
    let api = api!("elasticmapreduce", "ListInstanceGroups", Read);
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, Lane::Change, || page.clone().send()).await? else {
            break;
        };
        answer.instance_groups().iter().for_each(|one| group(one, request));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    request.fixed.groups.sort_by_key(|group| group.role);
    Ok(())
}

/// A group, with what can change of it apart.
fn group(group: &InstanceGroup, request: &mut Request) {
    let name = group.name().or(group.id()).unwrap_or_default().to_owned();
    let role = role(group.instance_group_type().map(aws_sdk_emr::types::InstanceGroupType::as_str));
    let count = group.requested_instance_count().unwrap_or_default();
    let is_spot = group.market() == Some(&aws_sdk_emr::types::MarketType::Spot);
    let own = settings(&configurations(group.configurations()));
    let running = &mut request.running;
    if role != spec::Role::Master {
        running.counts.insert(name.clone(), count);
    }
    if !own.is_empty() {
        running.configurations.insert(name.clone(), own);
    }
    if let Some(policy) = group.auto_scaling_policy().and_then(auto_scaling) {
        running.auto_scaling.insert(name.clone(), policy);
    }
    request.fixed.groups.push(spec::InstanceGroup {
        name,
        role,
        instance_type: group.instance_type().unwrap_or_default().to_owned(),
        count: (role == spec::Role::Master).then_some(count),
        market: is_spot.then_some(spec::Market::Spot),
        ebs: ebs(group.ebs_optimized(), group.ebs_block_devices()),
        configurations: None,
        auto_scaling: None,
    });
}

async fn add_fleets(clients: &ProfileClients, id: &str, request: &mut Request) -> Result<(), Failure> {
    let list = clients.emr.list_instance_fleets().cluster_id(id);
    let api = api!("elasticmapreduce", "ListInstanceFleets", Read);
    let answer = clients.gateway.read(api, Lane::Change, || list.clone().send()).await?;
    // There are at most three.
    for fleet in answer.as_ref().map(ListInstanceFleetsOutput::instance_fleets).into_iter().flatten() {
        let (told, targets) = of_fleet(fleet);
        if told.role != spec::Role::Master {
            request.running.targets.insert(told.name.clone(), targets);
        }
        request.fixed.fleets.push(told);
    }
    request.fixed.fleets.sort_by_key(|fleet| fleet.role);
    Ok(())
}

fn of_fleet(fleet: &InstanceFleet) -> (spec::InstanceFleet, Targets) {
    let role = role(fleet.instance_fleet_type().map(aws_sdk_emr::types::InstanceFleetType::as_str));
    let targets = Targets {
        on_demand: fleet.target_on_demand_capacity().unwrap_or_default(),
        spot: fleet.target_spot_capacity().unwrap_or_default(),
    };
    let is_master = role == spec::Role::Master;
    let spot = fleet.launch_specifications().and_then(|launch| launch.spot_specification());
    let word = spot.and_then(|spot| spot.allocation_strategy()).map(|word| word.as_str().to_owned());
    let allocations = [
        spec::SpotAllocation::PriceCapacityOptimized,
        spec::SpotAllocation::CapacityOptimized,
        spec::SpotAllocation::LowestPrice,
        spec::SpotAllocation::Diversified,
    ];
    let action = spot.and_then(|spot| spot.timeout_action()).map(|action| action.as_str().to_owned());
    let ends = action.as_deref() == Some(spec::SpotTimeoutAction::TerminateCluster.emr());
    let told = spec::InstanceFleet {
        name: fleet.name().or(fleet.id()).unwrap_or_default().to_owned(),
        role,
        target_on_demand: is_master.then_some(targets.on_demand),
        target_spot: is_master.then_some(targets.spot),
        instance_types: fleet.instance_type_specifications().iter().map(type_of).collect(),
        spot_allocation: allocations.into_iter().find(|one| Some(one.emr()) == word.as_deref()),
        spot_timeout_minutes: spot.and_then(SpotProvisioningSpecification::timeout_duration_minutes),
        spot_timeout_action: ends.then_some(spec::SpotTimeoutAction::TerminateCluster),
    };
    (told, targets)
}

fn type_of(specification: &InstanceTypeSpecification) -> spec::FleetInstanceType {
    // EMR has whole percents, in a float; what nobody said is 100.
    #[expect(clippy::cast_possible_truncation, reason = "from 1 to 1000")]
    let percent =
        specification.bid_price_as_percentage_of_on_demand_price().map(|percent| percent.round() as i32);
    spec::FleetInstanceType {
        instance_type: specification.instance_type().unwrap_or_default().to_owned(),
        weight: specification.weighted_capacity().filter(|weight| *weight != 1),
        bid_percentage: percent.filter(|percent| *percent != 100),
        ebs: ebs(specification.ebs_optimized(), specification.ebs_block_devices()),
    }
}

/// Disks, those that are alike beside each other together.
fn ebs(optimized: Option<bool>, devices: &[EbsBlockDevice]) -> Option<spec::Ebs> {
    let mut volumes: Vec<spec::Volume> = Vec::new();
    for specification in devices.iter().filter_map(EbsBlockDevice::volume_specification) {
        let volume = spec::Volume {
            type_: specification.volume_type().unwrap_or_default().to_owned(),
            size_gib: specification.size_in_gb().unwrap_or_default(),
            iops: specification.iops(),
            throughput: specification.throughput(),
            per_instance: None,
        };
        match volumes.last_mut() {
            Some(last) if (spec::Volume { per_instance: None, ..last.clone() }) == volume => {
                last.per_instance = Some(last.per_instance.unwrap_or(1) + 1);
            }
            _ => volumes.push(volume),
        }
    }
    let optimized = optimized.filter(|optimized| *optimized);
    let volumes = (!volumes.is_empty()).then_some(volumes);
    (optimized.is_some() || volumes.is_some()).then_some(spec::Ebs { optimized, volumes })
}

async fn bootstrap_actions(
    clients: &ProfileClients,
    id: &str,
) -> Result<Vec<spec::BootstrapAction>, Failure> {
    let list = clients.emr.list_bootstrap_actions().cluster_id(id);
    let api = api!("elasticmapreduce", "ListBootstrapActions", Read);
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, Lane::Change, || page.clone().send()).await? else {
            return Ok(all);
        };
        all.extend(answer.bootstrap_actions().iter().map(|action| spec::BootstrapAction {
            name: action.name().unwrap_or_default().to_owned(),
            path: action.script_path().unwrap_or_default().to_owned(),
            args: Some(action.args().to_vec()).filter(|args| !args.is_empty()),
        }));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

/// Its steps, the first one first.
async fn steps(clients: &ProfileClients, id: &str) -> Result<Vec<StepCall>, Failure> {
    let list = clients.emr.list_steps().cluster_id(id);
    let api = api!("elasticmapreduce", "ListSteps", Read);
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, Lane::Change, || page.clone().send()).await? else {
            break;
        };
        all.extend(answer.steps().iter().map(step));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    all.reverse();
    Ok(all)
}

fn step(step: &StepSummary) -> StepCall {
    let config = step.config();
    let reactions = [spec::StepFailure::CancelAndWait, spec::StepFailure::Continue];
    let word = step.action_on_failure().map(aws_sdk_emr::types::ActionOnFailure::as_str);
    let on_failure = reactions.into_iter().map(spec::StepFailure::emr).find(|one| Some(*one) == word);
    StepCall {
        name: step.name().unwrap_or_default().to_owned(),
        on_failure: on_failure.unwrap_or(spec::StepFailure::TerminateCluster.emr()),
        jar: config.and_then(|config| config.jar()).unwrap_or_default().to_owned(),
        main_class: config
            .and_then(|config| config.main_class())
            .filter(|class| !class.is_empty())
            .map(str::to_owned),
        args: config.map(|config| config.args().to_vec()).unwrap_or_default(),
        properties: config
            .and_then(|config| config.properties())
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    }
}
