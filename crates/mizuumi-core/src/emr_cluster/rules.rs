//! The guard rails of a class: what no cluster may be. Each is told with the value that breaks it.

use jiff::SignedDuration;
use mizuumi_api::emr_cluster::{Ebs, Market, Role};
use mizuumi_api::emr_cluster_class::{ClassRules, ScalingMode};

use super::request::Request;

/// Whether a text is what a pattern says; a final `*` stands for any ending.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == text, |stem| text.starts_with(stem))
}

/// What of a cluster is counted.
#[derive(Debug, Default)]
struct Units {
    core: i64,
    on_demand: i64,
    all: i64,
}

/// Every rule that a cluster would break.
#[must_use]
pub fn broken(rules: &ClassRules, request: &Request, max_age: Option<SignedDuration>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut refuse = |breaks: bool, sentence: String| {
        if breaks {
            broken.push(sentence);
        }
    };
    if let Some(releases) = &rules.releases {
        let release = &request.fixed.release_label;
        refuse(
            !releases.iter().any(|pattern| fits(pattern, release)),
            format!("releases: one of {} is allowed; spec.releaseLabel is '{release}'", releases.join(", ")),
        );
    }
    if let Some(allowed) = &rules.instance_types {
        for (path, type_) in instance_types(request) {
            refuse(
                !allowed.iter().any(|pattern| fits(pattern, type_)),
                format!("instanceTypes: one of {} is allowed; {path} has '{type_}'", allowed.join(", ")),
            );
        }
    }
    if rules.core_on_demand.unwrap_or_default() {
        for path in bought(request, Role::Core, Market::Spot) {
            refuse(true, format!("coreOnDemand: core nodes must be on demand; {path} has spot"));
        }
    }
    if rules.task_spot.unwrap_or_default() {
        for path in bought(request, Role::Task, Market::OnDemand) {
            refuse(true, format!("taskSpot: task nodes must be spot; {path} has on demand"));
        }
    }
    let units = units(request);
    let mut at_most = |rule: &str, most: Option<i32>, what: &str, is: i64| {
        if let Some(most) = most {
            refuse(is > most.into(), format!("{rule}: at most {most} {what} are allowed; there may be {is}"));
        }
    };
    at_most("maxCore", rules.max_core, "core nodes", units.core);
    at_most("maxOnDemand", rules.max_on_demand, "core and task units on demand", units.on_demand);
    at_most("maxUnits", rules.max_units, "core and task units", units.all);
    if let Some(least) = rules.min_storage_gib {
        for (path, gib) in storage(request) {
            refuse(
                gib < i64::from(least),
                format!(
                    "minStorageGib: each node must have disks of {least} GiB; {path} has {gib} GiB of EBS"
                ),
            );
        }
    }
    if let Some(modes) = &rules.scaling {
        let mode = scaling_mode(request);
        let allowed: Vec<String> = modes.iter().map(|mode| format!("{mode:?}")).collect();
        refuse(
            !modes.contains(&mode),
            format!("scaling: {} is allowed; it is {mode:?}", allowed.join(" or ")),
        );
    }
    if let Some(by_master) = &rules.step_concurrency {
        let is = request.running.step_concurrency;
        for master in masters(request) {
            if let Some(rule) = by_master.iter().find(|rule| fits(&rule.master_type, master)) {
                refuse(
                    is > rule.max,
                    format!(
                        "stepConcurrency: at most {} steps may run at once with a master of '{master}'; \
                         spec.stepConcurrency is {is}",
                        rule.max
                    ),
                );
            }
        }
    }
    if let Some(most) = rules.max_idle.as_ref().and_then(|text| text.length().ok())
        && let Some(is) = request.running.idle_seconds
    {
        refuse(
            is > most.as_secs(),
            format!("maxIdle: at most {} s are allowed; spec.idleTimeout is {is} s", most.as_secs()),
        );
    }
    if let Some(text) = &rules.max_age
        && let Ok(most) = text.length()
    {
        let is = max_age.map_or("not set".to_owned(), |age| format!("{} s", age.as_secs()));
        refuse(
            max_age.is_none_or(|age| age > most),
            format!("maxAge: at most {} is allowed; spec.maxAge is {is}", text.0),
        );
    }
    for key in rules.required_tags.iter().flatten() {
        refuse(
            !request.running.tags.contains_key(key),
            format!("requiredTags: the tag '{key}' is missing; add it to spec.tags"),
        );
    }
    broken
}

fn scaling_mode(request: &Request) -> ScalingMode {
    match &request.running {
        running if running.managed_scaling.is_some() => ScalingMode::Managed,
        running if !running.auto_scaling.is_empty() => ScalingMode::Automatic,
        _ => ScalingMode::Fixed,
    }
}

fn instance_types(request: &Request) -> impl Iterator<Item = (String, &str)> {
    let groups = request.fixed.groups.iter();
    let groups =
        groups.map(|group| (format!("instance group '{}'", group.name), group.instance_type.as_str()));
    let fleets = request.fixed.fleets.iter().flat_map(|fleet| {
        let types = fleet.instance_types.iter();
        types.map(|type_| (format!("instance fleet '{}'", fleet.name), type_.instance_type.as_str()))
    });
    groups.chain(fleets)
}

fn masters(request: &Request) -> impl Iterator<Item = &str> {
    let groups = request.fixed.groups.iter().filter(|group| group.role == Role::Master);
    let fleets = request.fixed.fleets.iter().filter(|fleet| fleet.role == Role::Master);
    groups
        .map(|group| group.instance_type.as_str())
        .chain(fleets.flat_map(|fleet| fleet.instance_types.iter().map(|type_| type_.instance_type.as_str())))
}

/// Groups and fleets of a role that buy in a market.
fn bought(request: &Request, role: Role, market: Market) -> Vec<String> {
    let groups = request
        .fixed
        .groups
        .iter()
        .filter(|group| group.role == role && group.market.unwrap_or(Market::OnDemand) == market);
    let fleets = request.fixed.fleets.iter().filter(|fleet| {
        let targets = request.targets(fleet);
        let units = if market == Market::Spot { targets.spot } else { targets.on_demand };
        fleet.role == role && units > 0
    });
    groups
        .map(|group| format!("instance group '{}'", group.name))
        .chain(fleets.map(|fleet| format!("instance fleet '{}'", fleet.name)))
        .collect()
}

/// How many units there may be, by what is asked for and by what scaling may make of it.
fn units(request: &Request) -> Units {
    let mut units = Units::default();
    let count = |name: &str| {
        let count = request.running.counts.get(name).copied().unwrap_or_default();
        let scaled = request.running.auto_scaling.get(name).map_or(count, |policy| policy.max);
        i64::from(count.max(scaled))
    };
    for group in request.fixed.groups.iter().filter(|group| group.role != Role::Master) {
        units.all += count(&group.name);
        units.core += if group.role == Role::Core { count(&group.name) } else { 0 };
        let is_on_demand = group.market.unwrap_or(Market::OnDemand) == Market::OnDemand;
        units.on_demand += if is_on_demand { count(&group.name) } else { 0 };
    }
    for fleet in request.fixed.fleets.iter().filter(|fleet| fleet.role != Role::Master) {
        let targets = request.targets(fleet);
        let on_demand = i64::from(targets.on_demand);
        let all = on_demand + i64::from(targets.spot);
        units.all += all;
        units.on_demand += on_demand;
        units.core += if fleet.role == Role::Core { all } else { 0 };
    }
    if let Some(scaling) = &request.running.managed_scaling {
        units.all = units.all.max(scaling.max.into());
        units.on_demand = units.on_demand.max(scaling.max_on_demand.into());
        units.core = units.core.max(scaling.max_core.into());
    }
    units
}

/// What EBS each core and task node has.
fn storage(request: &Request) -> Vec<(String, i64)> {
    let of = |ebs: Option<&Ebs>| -> i64 {
        let volumes = ebs.and_then(|ebs| ebs.volumes.as_ref()).into_iter().flatten();
        volumes.map(|volume| i64::from(volume.size_gib) * i64::from(volume.per_instance.unwrap_or(1))).sum()
    };
    let groups = request.fixed.groups.iter().filter(|group| group.role != Role::Master);
    let fleets = request.fixed.fleets.iter().filter(|fleet| fleet.role != Role::Master);
    groups
        .map(|group| (format!("instance group '{}'", group.name), of(group.ebs.as_ref())))
        .chain(fleets.flat_map(|fleet| {
            fleet.instance_types.iter().map(|type_| {
                (
                    format!("instance fleet '{}', '{}'", fleet.name, type_.instance_type),
                    of(type_.ebs.as_ref()),
                )
            })
        }))
        .collect()
}
