//! What is switched on or off of clusters by their ids.

use serde_json::{Value, json};

use super::clusters::named;
use super::input::missing;
use super::life::State;
use super::{Answer, Call, Cluster, Common, Region, nothing, steps};
use crate::protocol::ApiError;

fn on(call: &Call<'_>, member: &str) -> Result<bool, ApiError> {
    call.input.get(member).and_then(Value::as_bool).ok_or_else(|| missing(member))
}

/// Does the same to all clusters named, or to none.
fn each(region: &mut Region, call: &mut Call<'_>, change: impl Fn(&mut Cluster)) -> Answer {
    let ids = named(region, call)?;
    for id in &ids {
        if region.cluster(id)?.life.state().is_ending() {
            return Err(steps::over());
        }
    }
    for id in &ids {
        change(region.cluster(id)?);
        call.wrote(id);
    }
    Ok(nothing())
}

/// `SetTerminationProtection`.
pub(super) fn protect(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let (protected, now) = (on(call, "TerminationProtected")?, call.now);
    each(region, call, |cluster| {
        cluster.life.protected = protected;
        // A cluster that was kept by its protection is idle from now on, rather than to be ended in the past.
        if let Some((since, _)) = &mut cluster.life.idle {
            *since = now.max(*since);
        }
    })
}

/// `SetKeepJobFlowAliveWhenNoSteps`. What becomes of one that waits when it is no longer to be kept is not documented: here it
/// ends as after its last step.
pub(super) fn keep_alive(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let (keep, now) = (on(call, "KeepJobFlowAliveWhenNoSteps")?, call.now);
    each(region, call, |cluster| {
        cluster.life.keep_alive = keep;
        if cluster.life.state() == State::Waiting {
            cluster.life.settle(now);
        }
    })
}

/// `SetUnhealthyNodeReplacement`.
pub(super) fn replace_unhealthy(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let replace = on(call, "UnhealthyNodeReplacement")?;
    each(region, call, |cluster| {
        cluster.record.insert("UnhealthyNodeReplacement".to_owned(), json!(replace));
    })
}

/// `SetVisibleToAllUsers`. API reference: "The SetVisibleToAllUsers parameter is no longer supported. Your cluster may be visible
/// to all users in your account."
pub(super) fn visible(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    on(call, "VisibleToAllUsers")?;
    each(region, call, |_| ())
}
