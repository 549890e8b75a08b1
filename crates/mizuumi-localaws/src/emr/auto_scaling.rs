//! Automatic scaling policies of instance groups. They are kept and shown; there is no CloudWatch here whose alarms would fire.

use serde_json::{Value, json};

use super::input::{copy, invalid, missing, object, required, wrong};
use super::parts::Part;
use super::{Answer, Call, Cluster, Common, Region, nothing, steps};
use crate::glue::Object;
use crate::protocol::ApiError;

/// Where a group keeps it.
const MEMBER: &str = "AutoScalingPolicy";

/// An `AutoScalingPolicyDescription`. API reference, `AutoScalingPolicy`: both members are required.
pub(super) fn description(policy: &Object) -> Result<Value, ApiError> {
    let bounds = object(policy, "Constraints").ok_or_else(|| missing("Constraints"))?;
    let number = |member| bounds.get(member).and_then(Value::as_i64).unwrap_or(0);
    if number("MinCapacity") > number("MaxCapacity") {
        return Err(wrong("MinCapacity must not be greater than MaxCapacity."));
    }
    if !policy.get("Rules").is_some_and(Value::is_array) {
        return Err(missing("Rules"));
    }
    let mut shown = Object::new();
    copy(policy, &mut shown, &["Constraints", "Rules"]);
    shown.insert("Status".to_owned(), json!({"State": "ATTACHED", "StateChangeReason": {"Message": ""}}));
    Ok(Value::Object(shown))
}

/// The policy of an `InstanceGroupConfig`, if it has one.
pub(super) fn copied(config: &Object, record: &mut Object) -> Result<(), ApiError> {
    if let Some(policy) = object(config, MEMBER) {
        record.insert(MEMBER.to_owned(), description(policy)?);
    }
    Ok(())
}

/// The group that a request is about. EMR Management Guide, "Using automatic scaling with a custom policy for instance groups":
/// managed scaling takes its place, and the master has none.
fn group<'a>(region: &'a mut Region, input: &Object) -> Result<&'a mut Part, ApiError> {
    let Cluster { life, groups, managed_scaling, .. } = region.cluster(required(input, "ClusterId")?)?;
    let id = required(input, "InstanceGroupId")?;
    let bad = || invalid("InvalidRequest", format!("Instance group id '{id}' is not valid."));
    let group = groups.iter_mut().find(|group| group.id == id && group.role != "MASTER").ok_or_else(bad)?;
    if life.state().is_ending() {
        return Err(steps::over());
    }
    if managed_scaling.is_some() {
        return Err(wrong("The cluster has a managed scaling policy."));
    }
    Ok(group)
}

/// `PutAutoScalingPolicy`.
pub(super) fn put(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let policy = object(call.input, MEMBER).ok_or_else(|| missing(MEMBER))?;
    let policy = description(policy)?;
    let group = group(region, call.input)?;
    group.record.insert(MEMBER.to_owned(), policy.clone());
    let id = required(call.input, "ClusterId")?;
    let answer = json!({"ClusterId": id, "InstanceGroupId": group.id, MEMBER: policy});
    call.wrote(id);
    Ok(answer)
}

/// `RemoveAutoScalingPolicy`.
pub(super) fn remove(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    group(region, call.input)?.record.remove(MEMBER);
    call.wrote(required(call.input, "ClusterId")?);
    Ok(nothing())
}
