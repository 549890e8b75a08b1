//! Instance groups and instance fleets: how many instances a cluster has, and how that is changed.

use serde_json::{Value, json};

use super::input::{copy, invalid, list, missing, object, required, text, texts};
use super::life::{Life, Millis, State};
use super::pace::Pace;
use super::{Answer, Call, Common, Region, nothing, paging, put_time, steps, time};
use crate::glue::Object;
use crate::protocol::ApiError;

/// An instance group or a fleet.
#[derive(Debug)]
pub(super) struct Part {
    id: String,
    record: Object,
    /// Instances, or units of capacity: on-demand and spot. A group has the first only.
    wanted: [i64; 2],
    before: [i64; 2],
    /// When the size was last changed.
    resized: Option<Millis>,
}

impl Part {
    fn new(id: String, record: Object, wanted: [i64; 2]) -> Self {
        Self { id, record, wanted, before: wanted, resized: None }
    }

    fn is_resizing(&self, now: Millis, pace: &Pace) -> bool {
        self.wanted != self.before
            && self.resized.is_some_and(|at| now < at + pace.millis(pace.resizing_seconds))
    }

    /// How many there are.
    fn running(&self, life: &Life, now: Millis, pace: &Pace) -> [i64; 2] {
        match life.state() {
            State::Running | State::Waiting if self.is_resizing(now, pace) => self.before,
            State::Running | State::Waiting | State::Terminating if life.ready().is_some() => self.wanted,
            _ => [0, 0],
        }
    }

    fn resize(&mut self, wanted: [i64; 2], life: &Life, now: Millis, pace: &Pace) {
        if wanted != self.wanted {
            self.before = self.running(life, now, pace);
            self.resized = Some(now);
            self.wanted = wanted;
        }
    }

    fn status(&self, life: &Life, now: Millis, pace: &Pace) -> Value {
        let state = match life.state() {
            State::Starting => "PROVISIONING",
            State::Bootstrapping => "BOOTSTRAPPING",
            State::Running | State::Waiting if self.is_resizing(now, pace) => "RESIZING",
            State::Running | State::Waiting => "RUNNING",
            State::Terminating => "TERMINATING",
            State::Terminated | State::TerminatedWithErrors => "TERMINATED",
        };
        let reason = if life.state().is_over() {
            json!({"Code": "CLUSTER_TERMINATED", "Message": "Job flow terminated"})
        } else {
            json!({"Message": ""})
        };
        let mut timeline = json!({"CreationDateTime": time(life.created())});
        put_time(&mut timeline, "ReadyDateTime", life.ready(), now);
        put_time(&mut timeline, "EndDateTime", life.ended(), now);
        json!({"State": state, "StateChangeReason": reason, "Timeline": timeline})
    }
}

fn count(object: &Object, member: &str) -> Option<i64> {
    object.get(member).and_then(Value::as_i64)
}

/// The groups of a `RunJobFlow` request; those that the older members say, if it names none.
pub(super) fn groups(instances: &Object, common: &mut Common) -> Result<Vec<Part>, ApiError> {
    let mut parts = Vec::new();
    for config in list(instances, "InstanceGroups").iter().filter_map(Value::as_object) {
        let role = required(config, "InstanceRole")?;
        required(config, "InstanceType")?;
        let instances = count(config, "InstanceCount").ok_or_else(|| missing("InstanceCount"))?;
        let mut record = Object::new();
        copy(config, &mut record, &["Name", "BidPrice", "InstanceType", "Configurations", "CustomAmiId"]);
        record.insert("InstanceGroupType".to_owned(), json!(role));
        record.insert("Market".to_owned(), json!(text(config, "Market").unwrap_or("ON_DEMAND")));
        parts.push(Part::new(common.id("ig"), record, [instances, 0]));
    }
    let Some(master) = text(instances, "MasterInstanceType").filter(|_| parts.is_empty()) else {
        return Ok(parts);
    };
    let core = count(instances, "InstanceCount").unwrap_or(1) - 1;
    let slave = text(instances, "SlaveInstanceType").unwrap_or(master);
    for (role, kind, instances) in [("MASTER", master, 1), ("CORE", slave, core)] {
        if instances > 0 {
            let record = json!({"InstanceGroupType": role, "InstanceType": kind, "Market": "ON_DEMAND"});
            let record = record.as_object().cloned().unwrap_or_default();
            parts.push(Part::new(common.id("ig"), record, [instances, 0]));
        }
    }
    Ok(parts)
}

/// The fleets of a `RunJobFlow` request.
pub(super) fn fleets(instances: &Object, common: &mut Common) -> Result<Vec<Part>, ApiError> {
    let mut parts = Vec::new();
    for config in list(instances, "InstanceFleets").iter().filter_map(Value::as_object) {
        required(config, "InstanceFleetType")?;
        let mut record = Object::new();
        let members =
            ["Name", "InstanceFleetType", "LaunchSpecifications", "ResizeSpecifications", "Context"];
        copy(config, &mut record, &members);
        let specifications = list(config, "InstanceTypeConfigs");
        record.insert("InstanceTypeSpecifications".to_owned(), json!(specifications));
        let capacity = |member| count(config, member).unwrap_or(0);
        let wanted = [capacity("TargetOnDemandCapacity"), capacity("TargetSpotCapacity")];
        parts.push(Part::new(common.id("if"), record, wanted));
    }
    Ok(parts)
}

/// `ListInstanceGroups`.
pub(super) fn list_groups(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    if !cluster.fleets.is_empty() {
        return Err(invalid("InvalidRequest", "Instance fleets and instance groups are mutually exclusive."));
    }
    let (life, groups) = (&cluster.life, &cluster.groups);
    let items = groups.iter().enumerate().map(|(index, group)| {
        let mut shown = group.record.clone();
        shown.extend([
            ("Id".to_owned(), json!(group.id)),
            ("RequestedInstanceCount".to_owned(), json!(group.wanted[0])),
            ("RunningInstanceCount".to_owned(), json!(group.running(life, call.now, &common.pace)[0])),
            ("Status".to_owned(), group.status(life, call.now, &common.pace)),
        ]);
        (groups.len() - index, Value::Object(shown))
    });
    paging::page(call, "InstanceGroups", items)
}

/// `ListInstanceFleets`.
pub(super) fn list_fleets(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    if !cluster.groups.is_empty() {
        return Err(invalid("InvalidRequest", "Instance fleets and instance groups are mutually exclusive."));
    }
    let (life, fleets) = (&cluster.life, &cluster.fleets);
    let items = fleets.iter().enumerate().map(|(index, fleet)| {
        let [on_demand, spot] = fleet.running(life, call.now, &common.pace);
        let mut shown = fleet.record.clone();
        shown.extend([
            ("Id".to_owned(), json!(fleet.id)),
            ("TargetOnDemandCapacity".to_owned(), json!(fleet.wanted[0])),
            ("TargetSpotCapacity".to_owned(), json!(fleet.wanted[1])),
            ("ProvisionedOnDemandCapacity".to_owned(), json!(on_demand)),
            ("ProvisionedSpotCapacity".to_owned(), json!(spot)),
            ("Status".to_owned(), fleet.status(life, call.now, &common.pace)),
        ]);
        (fleets.len() - index, Value::Object(shown))
    });
    paging::page(call, "InstanceFleets", items)
}

/// `ModifyInstanceGroups`. The cluster may be left unsaid: ids of groups are unique. All groups are changed, or none.
pub(super) fn modify_groups(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let configs: Vec<&Object> =
        list(call.input, "InstanceGroups").iter().filter_map(Value::as_object).collect();
    let mut places = Vec::new();
    for config in &configs {
        let id = required(config, "InstanceGroupId")?;
        let found = region.clusters.iter().enumerate().find_map(|(index, cluster)| {
            let place = cluster.groups.iter().position(|group| group.id == id)?;
            let asked = text(call.input, "ClusterId").is_none_or(|asked| asked == cluster.id);
            asked.then_some((index, place))
        });
        let bad = || invalid("InvalidRequest", format!("Instance group id '{id}' is not valid."));
        places.push(found.ok_or_else(bad)?);
    }
    if places.iter().any(|(index, _)| region.clusters[*index].life.state().is_ending()) {
        return Err(steps::over());
    }
    for (config, (index, place)) in configs.into_iter().zip(places) {
        let cluster = &mut region.clusters[index];
        let group = &mut cluster.groups[place];
        copy(config, &mut group.record, &["Configurations", "ShrinkPolicy"]);
        let fewer = i64::try_from(texts(config, "EC2InstanceIdsToTerminate").len()).unwrap_or(0);
        let wanted = count(config, "InstanceCount").unwrap_or(group.wanted[0] - fewer);
        group.resize([wanted, 0], &cluster.life, call.now, &common.pace);
        let id = cluster.id.clone();
        call.wrote(&id);
    }
    Ok(nothing())
}

/// `ModifyInstanceFleet`.
pub(super) fn modify_fleet(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster_id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(cluster_id)?;
    let config = object(call.input, "InstanceFleet").ok_or_else(|| missing("InstanceFleet"))?;
    let id = required(config, "InstanceFleetId")?;
    let bad = || invalid("InvalidRequest", format!("Instance fleet id '{id}' is not valid."));
    let fleet = cluster.fleets.iter_mut().find(|fleet| fleet.id == id).ok_or_else(bad)?;
    if cluster.life.state().is_ending() {
        return Err(steps::over());
    }
    copy(config, &mut fleet.record, &["ResizeSpecifications", "Context"]);
    if let Some(specifications) = config.get("InstanceTypeConfigs") {
        fleet.record.insert("InstanceTypeSpecifications".to_owned(), specifications.clone());
    }
    let wanted = [
        count(config, "TargetOnDemandCapacity").unwrap_or(fleet.wanted[0]),
        count(config, "TargetSpotCapacity").unwrap_or(fleet.wanted[1]),
    ];
    fleet.resize(wanted, &cluster.life, call.now, &common.pace);
    call.wrote(cluster_id);
    Ok(nothing())
}
