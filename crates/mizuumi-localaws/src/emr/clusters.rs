//! Clusters: made, shown, listed, changed, ended.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::input::{self, flag, missing, object, required, text, texts, wrong};
use super::life::{Life, Millis, State};
use super::parts::{Part, Plan, When};
use super::scaling::Scaling;
use super::{
    Answer, Call, Cluster, Common, Region, hours, instances, nothing, paging, policies, put_time, record,
    releases, security, steps, time,
};
use crate::glue::Object;
use crate::protocol::ApiError;

/// API reference, `RunJobFlow` `StepConcurrencyLevel`: "The default value is 1. The maximum value is 256."
const MOST_STEPS_AT_ONCE: u64 = 256;

fn concurrency(input: &Object) -> Result<Option<usize>, ApiError> {
    match input.get("StepConcurrencyLevel").filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value
            .as_u64()
            .filter(|level| (1..=MOST_STEPS_AT_ONCE).contains(level))
            .and_then(|level| usize::try_from(level).ok())
            .map(Some)
            .ok_or_else(|| wrong("StepConcurrencyLevel must be between 1 and 256.")),
    }
}

/// Tags of a request; a tag without a value has an empty one.
fn tags(input: &Object) -> Result<BTreeMap<String, String>, ApiError> {
    let tags: Result<BTreeMap<String, String>, ApiError> = input::list(input, "Tags")
        .iter()
        .filter_map(Value::as_object)
        .map(|tag| Ok((required(tag, "Key")?.to_owned(), text(tag, "Value").unwrap_or_default().to_owned())))
        .collect();
    tags
}

/// `RunJobFlow`. There is no token that would make a repeated call the same one, in AWS neither.
pub(super) fn run(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let input = call.input;
    let name = required(input, "Name")?.to_owned();
    let instances = object(input, "Instances").ok_or_else(|| missing("Instances"))?;
    let keep_alive = flag(instances, "KeepJobFlowAliveWhenNoSteps");
    let protected = flag(instances, "TerminationProtected");
    let level = concurrency(input)?.unwrap_or(1);
    let mut life = Life::new(call.now, keep_alive, protected, level);
    let added = steps::read(
        input::list(input, "Steps"),
        text(input, "StepExecutionRoleArn"),
        &mut life,
        common,
        call.now,
    )?;
    let groups = instances::groups(instances)?;
    let fleets = instances::fleets(instances)?;
    if !groups.is_empty() && !fleets.is_empty() {
        return Err(wrong("InstanceGroups and InstanceFleets are mutually exclusive."));
    }
    security::check(region, text(input, "SecurityConfiguration"))?;
    if let Some(label) = text(input, "ReleaseLabel").filter(|label| !releases::is_known(label)) {
        return Err(wrong(format!("The supplied release label is invalid: {label}.")));
    }
    let managed_scaling = object(input, "ManagedScalingPolicy").map(policies::managed_scaling).transpose()?;
    let idle_timeout = match object(input, "AutoTerminationPolicy") {
        Some(policy) => Some(policies::idle_timeout(policy)?),
        None => None,
    };
    life.fate = call.fate;
    life.idle = idle_timeout.map(|seconds| (call.now, seconds));
    let tags = tags(input)?;
    let id = common.id("j");
    let arn = format!("arn:aws:{}:{}:{}:cluster/{id}", super::SERVICE, call.region, call.account);
    let when = When { life: &life, at: call.now };
    let mut parts = |prefix: &str, plans: Vec<Plan>| -> Vec<Part> {
        plans.into_iter().map(|plan| Part::new(prefix, plan, when, common)).collect()
    };
    let (groups, fleets) = (parts("ig", groups), parts("if", fleets));
    let cluster = Cluster {
        id: id.clone(),
        name,
        arn: arn.clone(),
        record: record::record(input, instances),
        life,
        steps: added,
        tags,
        bootstrap_actions: policies::bootstrap_actions(input),
        groups,
        fleets,
        managed_scaling: managed_scaling.map(|policy| Scaling::new(policy, call.now, 0)),
        idle_timeout,
        spot_losses: call.spot_loss.into_iter().collect(),
    };
    region.by_id.insert(id.clone(), region.clusters.len());
    region.clusters.push(cluster);
    call.wrote(&id);
    Ok(json!({"JobFlowId": id, "ClusterArn": arn}))
}

fn status(cluster: &Cluster, seen: Millis, region: &str) -> Option<Value> {
    let life = &cluster.life;
    let change = life.at(seen)?;
    let mut reason = json!({"Message": change.reason.message});
    if let Some(code) = change.reason.code {
        reason["Code"] = json!(code);
    }
    let mut timeline = json!({"CreationDateTime": time(life.created())});
    put_time(&mut timeline, "ReadyDateTime", life.ready(), seen);
    put_time(&mut timeline, "EndDateTime", life.ended(), seen);
    let mut status = json!({"State": change.state.name(), "Timeline": timeline});
    if let Some(fate) = change.reason.fate {
        reason["Message"] = json!(fate.message(cluster, region));
        status["ErrorDetails"] = fate.details(cluster, region);
    }
    status["StateChangeReason"] = reason;
    Some(status)
}

/// `DescribeCluster`.
pub(super) fn describe(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let mut shown = cluster.record.clone();
    let tags: Vec<Value> =
        cluster.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    shown.extend([
        ("Id".to_owned(), json!(cluster.id)),
        ("ClusterArn".to_owned(), json!(cluster.arn)),
        ("Status".to_owned(), json!(status(cluster, call.now, call.region))),
        ("AutoTerminate".to_owned(), json!(!cluster.life.keep_alive)),
        ("TerminationProtected".to_owned(), json!(cluster.life.protected)),
        ("StepConcurrencyLevel".to_owned(), json!(cluster.life.concurrency)),
        ("Tags".to_owned(), json!(tags)),
        ("NormalizedInstanceHours".to_owned(), json!(hours::normalized(cluster, call.now, &common.pace))),
    ]);
    if let Some(master) = cluster.master().filter(|_| cluster.life.ready().is_some()) {
        // EMR Management Guide, "Connect to the primary node": its private name where it has no public one.
        shown.insert("MasterPublicDnsName".to_owned(), json!(master.private_name(call.region)));
    }
    Ok(json!({"Cluster": shown}))
}

/// `ListClusters`: the newest first, as AWS commonly answers; its API reference promises no order.
pub(super) fn list(region: &mut Region, common: &mut Common, call: &mut Call<'_>) -> Answer {
    let states = texts(call.input, "ClusterStates");
    let after = input::time(call.input, "CreatedAfter");
    let before = input::time(call.input, "CreatedBefore");
    let items = region.clusters.iter().enumerate().rev().filter_map(|(index, cluster)| {
        let state = cluster.life.at(call.seen())?.state.name();
        let created = cluster.life.created();
        let wanted = (states.is_empty() || states.contains(&state))
            && after.is_none_or(|after| created > after)
            && before.is_none_or(|before| created < before);
        let shown = json!({"Id": cluster.id, "Name": cluster.name, "ClusterArn": cluster.arn,
            "NormalizedInstanceHours": hours::normalized(cluster, call.seen(), &common.pace), "Status": status(cluster, call.seen(), call.region)?});
        wanted.then_some((index, shown))
    });
    paging::page(call, "Clusters", items)
}

/// The clusters named in `JobFlowIds`, all or none.
pub(super) fn named(region: &mut Region, call: &Call<'_>) -> Result<Vec<String>, ApiError> {
    let ids = texts(call.input, "JobFlowIds");
    if ids.is_empty() {
        return Err(missing("JobFlowIds"));
    }
    // API reference, TerminateJobFlows: "The maximum number of clusters allowed is 10."
    if ids.len() > 10 {
        return Err(wrong("The maximum number of clusters allowed is 10."));
    }
    for id in &ids {
        region.find(id).ok_or_else(|| wrong("Specified job flow ID does not exist."))?;
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

/// `TerminateJobFlows`.
pub(super) fn terminate(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let ids = named(region, call)?;
    let mut protected = false;
    for id in &ids {
        let cluster = region.cluster(id)?;
        if cluster.life.state().is_ending() {
            continue;
        }
        // EMR Management Guide, "Using termination protection": of several clusters those that are not protected end, and
        // the call fails all the same.
        if cluster.life.protected {
            protected = true;
        } else {
            cluster.life.end(call.now);
            call.wrote(id);
        }
    }
    if protected {
        return Err(wrong("Could not shut down one or more job flows since they are termination protected."));
    }
    Ok(nothing())
}

/// `ModifyCluster`: how many steps run at once.
pub(super) fn modify(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let level = concurrency(call.input)?;
    if cluster.life.state().is_ending() {
        return Err(input::invalid("InvalidRequest", "Cluster is terminating or terminated."));
    }
    if let Some(level) = level {
        cluster.life.concurrency = level;
        if cluster.life.state() == State::Running {
            cluster.life.settle(call.now);
        }
    }
    let mut answer = json!({"StepConcurrencyLevel": cluster.life.concurrency});
    if let Some(extended) = call.input.get("ExtendedSupport").and_then(Value::as_bool) {
        cluster.record.insert("ExtendedSupport".to_owned(), json!(extended));
        answer["ExtendedSupport"] = json!(extended);
    }
    let id = cluster.id.clone();
    call.wrote(&id);
    Ok(answer)
}

/// `AddTags`.
pub(super) fn tag(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ResourceId")?;
    let cluster = region.cluster(id)?;
    let more = tags(call.input)?;
    // EMR Management Guide, "Tag clusters": "The maximum number of tags that a resource can have is 50."
    let sum = more.keys().filter(|key| !cluster.tags.contains_key(*key)).count() + cluster.tags.len();
    if sum > 50 {
        return Err(input::invalid("InvalidRequest", "A resource can have 50 tags at most."));
    }
    cluster.tags.extend(more);
    call.wrote(id);
    Ok(nothing())
}

/// `RemoveTags`.
pub(super) fn untag(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ResourceId")?;
    let cluster = region.cluster(id)?;
    for key in texts(call.input, "TagKeys") {
        cluster.tags.remove(key);
    }
    call.wrote(id);
    Ok(nothing())
}
