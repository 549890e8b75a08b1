//! Managed scaling: a cluster that works grows to its greatest size, one that waits shrinks to its least.
//!
//! AWS looks at YARN's metrics, which are not here; how it decides is not documented. This is the simplest that keeps within all
//! limits and can be foretold.

use serde_json::Value;

use super::life::{Millis, State};
use super::parts::{ON_DEMAND, Part, SPOT, When};
use super::{Cluster, Common, hours};
use crate::glue::Object;

/// A `ManagedScalingPolicy`, and how far it has been followed.
#[derive(Debug)]
pub(super) struct Scaling {
    pub(super) policy: Value,
    /// Since when it is there.
    since: Millis,
    /// Changes of the cluster's state that have been looked at.
    followed: usize,
}

impl Scaling {
    /// A policy from now on, for a cluster that has changed its state so often.
    pub(super) fn new(policy: Value, since: Millis, changes: usize) -> Self {
        // The state that the cluster is in counts.
        Self { policy, since, followed: changes.saturating_sub(1) }
    }
}

/// `ComputeLimits`, in instances, cores or units.
struct Limits {
    in_cores: bool,
    least: i64,
    most: i64,
    most_on_demand: i64,
    most_core: i64,
}

impl Limits {
    fn read(policy: &Value) -> Option<Self> {
        let limits: &Object = policy.get("ComputeLimits")?.as_object()?;
        let units = |member: &str| limits.get(member).and_then(Value::as_i64);
        let most = units("MaximumCapacityUnits")?;
        Some(Self {
            in_cores: limits.get("UnitType").and_then(Value::as_str) == Some("VCPU"),
            least: units("MinimumCapacityUnits")?,
            most,
            // API reference, ComputeLimits: both bounds are "used to split capacity".
            most_on_demand: units("MaximumOnDemandCapacityUnits").unwrap_or(most),
            most_core: units("MaximumCoreCapacityUnits").unwrap_or(most),
        })
    }

    /// Units of one of a group's instances or of a fleet's units.
    fn each(&self, part: &Part) -> i64 {
        if self.in_cores { part.cores() } else { 1 }
    }
}

/// Does what the policy asks for by now. The cluster has been moved on to now before.
pub(super) fn follow(cluster: &mut Cluster, common: &mut Common) {
    let Cluster { life, groups, fleets, managed_scaling: Some(scaling), .. } = cluster else { return };
    let fresh = life.changes().get(scaling.followed..).unwrap_or_default();
    scaling.followed += fresh.len();
    let Some(limits) = Limits::read(&scaling.policy) else { return };
    for change in fresh {
        let total = match change.state {
            State::Running => limits.most,
            State::Waiting => limits.least,
            _ => continue,
        };
        let when = When { life, at: change.at.max(scaling.since) };
        let is_fleet = !fleets.is_empty();
        share(total, &limits, if is_fleet { fleets } else { groups }, is_fleet, when, common);
    }
}

/// Gives the core part what it has and the first task part the rest; without a task part all to the core part.
fn share(
    total: i64,
    limits: &Limits,
    parts: &mut [Part],
    is_fleet: bool,
    when: When<'_>,
    common: &mut Common,
) {
    let position = |role: &str| parts.iter().position(|part| part.role == role);
    let (Some(core), task) = (position("CORE"), position("TASK")) else { return };
    let units = |part: &Part, market: usize| part.wanted[market] * limits.each(part);
    let most_core = total.min(limits.most_core);
    let core_now = units(&parts[core], ON_DEMAND) + units(&parts[core], SPOT);
    let core_units = if task.is_some() { core_now.min(most_core) } else { most_core };
    let core_on_demand = if core_units == core_now {
        units(&parts[core], ON_DEMAND)
    } else {
        give(&mut parts[core], core_units, limits.most_on_demand, limits, is_fleet, when, common)
    };
    if let Some(task) = task {
        let on_demand = limits.most_on_demand - core_on_demand;
        give(&mut parts[task], total - core_units, on_demand, limits, is_fleet, when, common);
    }
}

/// Resizes a part to so many units, and says how many of them are on demand.
fn give(
    part: &mut Part,
    units: i64,
    most_on_demand: i64,
    limits: &Limits,
    is_fleet: bool,
    when: When<'_>,
    common: &mut Common,
) -> i64 {
    let each = limits.each(part).max(1);
    let bounded = units.min(most_on_demand).max(0);
    let wanted = if is_fleet {
        [bounded, units - bounded]
    } else if part.of_count(1)[SPOT] == 1 {
        [0, units / each]
    } else {
        [bounded / each, 0]
    };
    // The core part keeps a node, which has the data.
    let least = i64::from(part.role == "CORE" && wanted == [0, 0]);
    let wanted = if least > 0 { part.of_count(least) } else { wanted };
    part.resize(wanted, when, common);
    wanted[ON_DEMAND] * each
}

impl Part {
    /// Virtual cores of an instance: two of a large one, four of an xlarge one, and so on.
    fn cores(&self) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
        let cores = (hours::factor(self.kind()) / 2.0) as i64;
        cores.max(1)
    }
}
