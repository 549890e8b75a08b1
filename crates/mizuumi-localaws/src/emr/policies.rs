//! Managed scaling and auto-termination policies, and the bootstrap actions.

use serde_json::{Value, json};

use super::input::{self, copy, object, required, text, wrong};
use super::scaling::Scaling;
use super::{Answer, Call, Common, Region, nothing, paging};
use crate::glue::Object;
use crate::protocol::ApiError;

/// `IdleTimeout` in seconds. EMR Management Guide, "Using an auto-termination policy": one minute to seven days, one hour
/// if nothing is said.
pub(super) fn idle_timeout(policy: &Object) -> Result<i64, ApiError> {
    let seconds = policy.get("IdleTimeout").and_then(Value::as_i64).unwrap_or(3600);
    if (60..=604_800).contains(&seconds) {
        return Ok(seconds);
    }
    Err(wrong("IdleTimeout must be between 60 and 604800 seconds."))
}

/// The `Command`s of a `RunJobFlow` request.
pub(super) fn bootstrap_actions(input: &Object) -> Vec<Value> {
    let actions = input::list(input, "BootstrapActions").iter().filter_map(Value::as_object);
    let command = |action: &Object| {
        let script = object(action, "ScriptBootstrapAction")?;
        Some(json!({"Name": text(action, "Name")?, "ScriptPath": text(script, "Path").unwrap_or_default(),
            "Args": input::list(script, "Args")}))
    };
    actions.filter_map(command).collect()
}

/// `ListBootstrapActions`.
pub(super) fn list_bootstrap_actions(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let actions = &cluster.bootstrap_actions;
    // Numbers fall from page to page.
    let items = actions.iter().enumerate().map(|(index, action)| (actions.len() - index, action.clone()));
    paging::page(call, "BootstrapActions", items)
}

/// `PutManagedScalingPolicy`.
pub(super) fn put_managed_scaling(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(id)?;
    let policy =
        object(call.input, "ManagedScalingPolicy").ok_or_else(|| input::missing("ManagedScalingPolicy"))?;
    let policy = managed_scaling(policy)?;
    cluster.managed_scaling = Some(Scaling::new(policy, call.now, cluster.life.changes().len()));
    call.wrote(id);
    Ok(nothing())
}

/// A `ManagedScalingPolicy`.
pub(super) fn managed_scaling(policy: &Object) -> Result<Value, ApiError> {
    if let Some(limits) = object(policy, "ComputeLimits") {
        let units = |member| limits.get(member).and_then(Value::as_i64).unwrap_or(0);
        if units("MinimumCapacityUnits") > units("MaximumCapacityUnits") {
            return Err(wrong("MinimumCapacityUnits must not be greater than MaximumCapacityUnits."));
        }
    }
    let mut kept = Object::new();
    copy(policy, &mut kept, &["ComputeLimits", "UtilizationPerformanceIndex", "ScalingStrategy"]);
    Ok(Value::Object(kept))
}

/// `GetManagedScalingPolicy`: nothing if there is none.
pub(super) fn get_managed_scaling(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let scaling = cluster.managed_scaling.as_ref();
    Ok(scaling.map_or_else(nothing, |scaling| json!({"ManagedScalingPolicy": scaling.policy})))
}

/// `RemoveManagedScalingPolicy`.
pub(super) fn remove_managed_scaling(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ClusterId")?;
    region.cluster(id)?.managed_scaling = None;
    call.wrote(id);
    Ok(nothing())
}

/// `PutAutoTerminationPolicy`: a cluster that is idle has been so since now, or since it began to wait.
pub(super) fn put_auto_termination(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(id)?;
    let nothing_said = Object::new();
    let seconds = idle_timeout(object(call.input, "AutoTerminationPolicy").unwrap_or(&nothing_said))?;
    cluster.idle_timeout = Some(seconds);
    cluster.life.idle = Some((call.now, seconds));
    call.wrote(id);
    Ok(nothing())
}

/// `GetAutoTerminationPolicy`: nothing if there is none.
pub(super) fn get_auto_termination(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let cluster = region.cluster(required(call.input, "ClusterId")?)?;
    let timeout = cluster.idle_timeout;
    Ok(timeout.map_or_else(nothing, |seconds| json!({"AutoTerminationPolicy": {"IdleTimeout": seconds}})))
}

/// `RemoveAutoTerminationPolicy`.
pub(super) fn remove_auto_termination(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let id = required(call.input, "ClusterId")?;
    let cluster = region.cluster(id)?;
    cluster.idle_timeout = None;
    cluster.life.idle = None;
    call.wrote(id);
    Ok(nothing())
}
