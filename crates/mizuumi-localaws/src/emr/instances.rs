//! Operations on instance groups, instance fleets and instances.

use serde_json::{Value, json};

use super::input::{copy, invalid, list, missing, object, required, text, texts, wrong};
use super::life::Life;
use super::parts::{Part, Plan, When};
use super::{Answer, Call, Cluster, Common, Region, auto_scaling, nothing, paging, steps};
use crate::glue::Object;
use crate::protocol::ApiError;

/// Instances of a group, and units of a fleet. Service Quotas has 2,000 "instances per instance group"; API reference,
/// `ComputeLimits` and fleets: thousands. One bound for both keeps a wrong number from filling the memory.
const MOST: i64 = 4000;

/// API reference, `ListInstances`: "up to a maximum of 2,000".
const PAGE: usize = 2000;

fn count(object: &Object, member: &str) -> Option<i64> {
    object.get(member).and_then(Value::as_i64)
}

/// A size that can be.
fn size(count: i64) -> Result<i64, ApiError> {
    if (0..=MOST).contains(&count) {
        return Ok(count);
    }
    Err(wrong(format!("The number of instances or units must be between 0 and {MOST}, not {count}.")))
}

/// An `InstanceGroupConfig`.
fn group(config: &Object) -> Result<Plan, ApiError> {
    let role = required(config, "InstanceRole")?.to_owned();
    let kind = required(config, "InstanceType")?.to_owned();
    let count = size(count(config, "InstanceCount").ok_or_else(|| missing("InstanceCount"))?)?;
    let mut record = Object::new();
    copy(config, &mut record, &["Name", "BidPrice", "InstanceType", "Configurations", "CustomAmiId"]);
    auto_scaling::copied(config, &mut record)?;
    disks(config, &mut record);
    let market = text(config, "Market").unwrap_or("ON_DEMAND");
    record.insert("InstanceGroupType".to_owned(), json!(role));
    record.insert("Market".to_owned(), json!(market));
    let wanted = if market == "SPOT" { [0, count] } else { [count, 0] };
    Ok(Plan { role, record, kind, weight: 1, wanted })
}

/// What lists show of an `EbsConfiguration`: each disk by itself, as an `EbsBlockDevice`.
fn disks(config: &Object, record: &mut Object) {
    let Some(ebs) = object(config, "EbsConfiguration") else { return };
    let mut devices = Vec::new();
    for device in configs(ebs, "EbsBlockDeviceConfigs") {
        for _ in 0..count(device, "VolumesPerInstance").unwrap_or(1) {
            let mut shown = json!({"Device": format!("/dev/sd{}", char::from(b'b'.saturating_add(devices.len().try_into().unwrap_or(24))))});
            shown["VolumeSpecification"] = json!(device.get("VolumeSpecification"));
            devices.push(shown);
        }
    }
    record.insert("EbsBlockDevices".to_owned(), json!(devices));
    copy(ebs, record, &["EbsOptimized"]);
}

/// The `InstanceTypeSpecification`s of `InstanceTypeConfig`s.
fn types(configs: &[Value]) -> Vec<Object> {
    let shown = |config: &Object| {
        let mut shown = config.clone();
        shown.remove("EbsConfiguration");
        disks(config, &mut shown);
        shown
    };
    configs.iter().filter_map(Value::as_object).map(shown).collect()
}

/// An `InstanceFleetConfig`.
fn fleet(config: &Object) -> Result<Plan, ApiError> {
    let role = required(config, "InstanceFleetType")?.to_owned();
    let mut record = Object::new();
    let members = ["Name", "InstanceFleetType", "LaunchSpecifications", "ResizeSpecifications", "Context"];
    copy(config, &mut record, &members);
    let specifications = list(config, "InstanceTypeConfigs");
    let first = specifications.first().and_then(Value::as_object);
    let kind = first.and_then(|first| text(first, "InstanceType")).unwrap_or_default().to_owned();
    let weight = first.and_then(|first| count(first, "WeightedCapacity")).unwrap_or(1);
    record.insert("InstanceTypeSpecifications".to_owned(), json!(types(specifications)));
    let capacity = |member| size(count(config, member).unwrap_or(0));
    let wanted = [capacity("TargetOnDemandCapacity")?, capacity("TargetSpotCapacity")?];
    Ok(Plan { role, record, kind, weight, wanted })
}

fn configs<'a>(of: &'a Object, member: &str) -> impl Iterator<Item = &'a Object> {
    list(of, member).iter().filter_map(Value::as_object)
}

/// The groups of a `RunJobFlow` request; those that the older members say, if it names none.
pub(super) fn groups(instances: &Object) -> Result<Vec<Plan>, ApiError> {
    let mut plans = configs(instances, "InstanceGroups").map(group).collect::<Result<Vec<_>, _>>()?;
    let Some(master) = text(instances, "MasterInstanceType").filter(|_| plans.is_empty()) else {
        return Ok(plans);
    };
    let core = size(count(instances, "InstanceCount").unwrap_or(1))? - 1;
    let slave = text(instances, "SlaveInstanceType").unwrap_or(master);
    for (role, kind, count) in [("MASTER", master, 1), ("CORE", slave, core)] {
        if count > 0 {
            let record = json!({"InstanceGroupType": role, "InstanceType": kind, "Market": "ON_DEMAND"});
            plans.push(Plan {
                role: role.to_owned(),
                record: record.as_object().cloned().unwrap_or_default(),
                kind: kind.to_owned(),
                weight: 1,
                wanted: [count, 0],
            });
        }
    }
    Ok(plans)
}

/// The fleets of a `RunJobFlow` request.
pub(super) fn fleets(instances: &Object) -> Result<Vec<Plan>, ApiError> {
    configs(instances, "InstanceFleets").map(fleet).collect()
}

fn exclusive() -> ApiError {
    invalid("InvalidRequest", "Instance fleets and instance groups are mutually exclusive.")
}

/// `ListInstanceGroups`.
pub(super) fn list_groups(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    if !cluster.fleets.is_empty() {
        return Err(exclusive());
    }
    let (life, groups) = (&cluster.life, &cluster.groups);
    let items = groups.iter().enumerate().map(|(index, group)| {
        let mut shown = group.record.clone();
        let running: i64 = group.running(life, call.now).iter().sum();
        shown.extend([
            ("Id".to_owned(), json!(group.id)),
            ("RequestedInstanceCount".to_owned(), json!(group.count())),
            ("RunningInstanceCount".to_owned(), json!(running)),
            ("Status".to_owned(), group.status(life, call.now)),
        ]);
        (groups.len() - index, Value::Object(shown))
    });
    paging::page(call, "InstanceGroups", items)
}

/// `ListInstanceFleets`.
pub(super) fn list_fleets(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    if !cluster.groups.is_empty() {
        return Err(exclusive());
    }
    let (life, fleets) = (&cluster.life, &cluster.fleets);
    let items = fleets.iter().enumerate().map(|(index, fleet)| {
        let [on_demand, spot] = fleet.running(life, call.now);
        let mut shown = fleet.record.clone();
        shown.extend([
            ("Id".to_owned(), json!(fleet.id)),
            ("TargetOnDemandCapacity".to_owned(), json!(fleet.wanted[0])),
            ("TargetSpotCapacity".to_owned(), json!(fleet.wanted[1])),
            ("ProvisionedOnDemandCapacity".to_owned(), json!(on_demand)),
            ("ProvisionedSpotCapacity".to_owned(), json!(spot)),
            ("Status".to_owned(), fleet.status(life, call.now)),
        ]);
        (fleets.len() - index, Value::Object(shown))
    });
    paging::page(call, "InstanceFleets", items)
}

/// `ListInstances`.
pub(super) fn list_instances(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let (group, fleet) = (text(call.input, "InstanceGroupId"), text(call.input, "InstanceFleetId"));
    for (asked, parts, what) in [(group, &cluster.groups, "group"), (fleet, &cluster.fleets, "fleet")] {
        if let Some(id) = asked.filter(|id| !parts.iter().any(|part| part.id == *id)) {
            return Err(invalid("InvalidRequest", format!("Instance {what} id '{id}' is not valid.")));
        }
    }
    let mut roles = texts(call.input, "InstanceGroupTypes");
    roles.extend(text(call.input, "InstanceFleetType"));
    let states = texts(call.input, "InstanceStates");
    let life = &cluster.life;
    let mut shown = Vec::new();
    let parts = [("InstanceGroupId", &cluster.groups), ("InstanceFleetId", &cluster.fleets)];
    for (member, part) in
        parts.iter().flat_map(|(member, parts)| parts.iter().map(move |part| (member, part)))
    {
        let asked = group.or(fleet).is_none_or(|id| part.id == id)
            && (roles.is_empty() || roles.contains(&part.role.as_str()));
        let fits = |state| states.is_empty() || states.contains(&state);
        for instance in part.instances.iter().filter(|_| asked) {
            if fits(instance.state(life, call.now)) {
                let mut instance = instance.shown(life, call.now, call.region);
                instance[*member] = json!(part.id);
                shown.push(instance);
            }
        }
    }
    let all = shown.len();
    let items = shown.into_iter().enumerate().map(|(index, instance)| (all - index, instance));
    paging::page_of(PAGE, call, "Instances", items)
}

/// `ModifyInstanceGroups`. The cluster may be left unsaid: ids of groups are unique. All groups are changed, or none.
pub(super) fn modify_groups(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let mut places = Vec::new();
    for config in configs(call.input, "InstanceGroups") {
        let id = required(config, "InstanceGroupId")?;
        let found = region.clusters.iter().enumerate().find_map(|(index, cluster)| {
            let place = cluster.groups.iter().position(|group| group.id == id)?;
            let asked = text(call.input, "ClusterId").is_none_or(|asked| asked == cluster.id);
            asked.then_some((index, place))
        });
        let bad = || invalid("InvalidRequest", format!("Instance group id '{id}' is not valid."));
        let wanted = count(config, "InstanceCount").map(size).transpose()?;
        places.push((config, wanted, found.ok_or_else(bad)?));
    }
    if places.iter().any(|(.., (index, _))| region.clusters[*index].life.state().is_ending()) {
        return Err(steps::over());
    }
    for (config, wanted, (index, place)) in places {
        let Cluster { id, life, groups, .. } = &mut region.clusters[index];
        let group = &mut groups[place];
        copy(config, &mut group.record, &["Configurations", "ShrinkPolicy"]);
        let when = When { life, at: call.now };
        group.remove(&texts(config, "EC2InstanceIdsToTerminate"), when, &common.pace);
        if let Some(wanted) = wanted {
            group.resize(group.of_count(wanted), when, common);
        }
        let id = id.clone();
        call.wrote(&id);
    }
    Ok(nothing())
}

/// `ModifyInstanceFleet`.
pub(super) fn modify_fleet(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster_id = required(call.input, "ClusterId")?;
    let Cluster { life, fleets, .. } = region.cluster(cluster_id)?;
    let config = object(call.input, "InstanceFleet").ok_or_else(|| missing("InstanceFleet"))?;
    let id = required(config, "InstanceFleetId")?;
    let bad = || invalid("InvalidRequest", format!("Instance fleet id '{id}' is not valid."));
    let fleet = fleets.iter_mut().find(|fleet| fleet.id == id).ok_or_else(bad)?;
    if life.state().is_ending() {
        return Err(steps::over());
    }
    let capacity = |member, index: usize| size(count(config, member).unwrap_or(fleet.wanted[index]));
    let wanted = [capacity("TargetOnDemandCapacity", 0)?, capacity("TargetSpotCapacity", 1)?];
    copy(config, &mut fleet.record, &["ResizeSpecifications", "Context"]);
    if let Some(specifications) = config.get("InstanceTypeConfigs") {
        fleet.record.insert("InstanceTypeSpecifications".to_owned(), specifications.clone());
    }
    fleet.resize(wanted, When { life, at: call.now }, common);
    call.wrote(cluster_id);
    Ok(nothing())
}

/// Only task groups and fleets come later. EMR Management Guide, "Configure instance groups or fleets": "You can't add a
/// core instance group to a cluster that has one", and each has one; the text of the refusal is not documented.
fn task_only(plans: &[Plan], life: &Life) -> Result<(), ApiError> {
    if life.state().is_ending() {
        return Err(steps::over());
    }
    match plans.iter().find(|plan| plan.role != "TASK") {
        Some(plan) => Err(wrong(format!("The cluster has a {} part; only TASK can be added.", plan.role))),
        None => Ok(()),
    }
}

/// `AddInstanceGroups`.
pub(super) fn add_groups(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster_id = required(call.input, "JobFlowId")?;
    let cluster = region.find(cluster_id).ok_or_else(|| wrong("Specified job flow ID not valid."))?;
    let plans = configs(call.input, "InstanceGroups").map(group).collect::<Result<Vec<_>, _>>()?;
    if plans.is_empty() {
        return Err(missing("InstanceGroups"));
    }
    if !cluster.fleets.is_empty() {
        return Err(exclusive());
    }
    task_only(&plans, &cluster.life)?;
    // EMR Management Guide, "Configure uniform instance groups": up to 48 task instance groups.
    let tasks = cluster.groups.iter().filter(|group| group.role == "TASK").count();
    if tasks + plans.len() > 48 {
        return Err(wrong("A cluster can have 48 task instance groups at most."));
    }
    let when = When { life: &cluster.life, at: call.now };
    let mut ids = Vec::new();
    for plan in plans {
        let group = Part::new("ig", plan, when, common);
        ids.push(group.id.clone());
        cluster.groups.push(group);
    }
    call.wrote(cluster_id);
    Ok(json!({"JobFlowId": cluster_id, "InstanceGroupIds": ids, "ClusterArn": cluster.arn}))
}

/// `AddInstanceFleet`.
pub(super) fn add_fleet(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster_id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(cluster_id)?;
    let config = object(call.input, "InstanceFleet").ok_or_else(|| missing("InstanceFleet"))?;
    let plan = fleet(config)?;
    if !cluster.groups.is_empty() {
        return Err(exclusive());
    }
    task_only(std::slice::from_ref(&plan), &cluster.life)?;
    if cluster.fleets.iter().any(|fleet| fleet.role == "TASK") {
        return Err(invalid("InvalidRequest", "The cluster has a task instance fleet."));
    }
    let fleet = Part::new("if", plan, When { life: &cluster.life, at: call.now }, common);
    let id = fleet.id.clone();
    cluster.fleets.push(fleet);
    call.wrote(cluster_id);
    Ok(json!({"ClusterId": cluster_id, "InstanceFleetId": id, "ClusterArn": cluster.arn}))
}
