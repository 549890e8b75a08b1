//! What a running cluster cannot change, without differences that EMR does not see: null and empty, case, order, defaults said or not.

use mizuumi_api::emr_cluster as api;

use super::request::Fixed;

/// The same request in one way of saying it.
pub(super) fn canonical(fixed: &Fixed) -> Fixed {
    let mut fixed = fixed.clone();
    // EMR knows applications in any case, and installs them in an order of its own.
    fixed.applications.iter_mut().for_each(|name| name.make_ascii_lowercase());
    fixed.applications.sort_unstable();
    fixed.applications.dedup();
    for configuration in &mut fixed.configurations {
        empty_is_none(&mut configuration.properties, std::collections::BTreeMap::is_empty);
        for nested in configuration.configurations.iter_mut().flatten() {
            empty_is_none(&mut nested.properties, std::collections::BTreeMap::is_empty);
        }
        if let Some(nested) = &mut configuration.configurations {
            nested.retain(|nested| nested.properties.is_some());
        }
        empty_is_none(&mut configuration.configurations, Vec::is_empty);
    }
    fixed.configurations.retain(|one| one.properties.is_some() || one.configurations.is_some());
    for action in &mut fixed.bootstrap_actions {
        empty_is_none(&mut action.args, Vec::is_empty);
    }
    for group in &mut fixed.groups {
        group.market.get_or_insert(api::Market::OnDemand);
        disks(&mut group.ebs);
    }
    for fleet in &mut fixed.fleets {
        usual(fleet);
    }
    if fixed.fleets.is_empty() {
        // Of several subnets EMR takes one only with fleets.
        fixed.subnets.truncate(1);
    }
    fixed
}

fn empty_is_none<T>(value: &mut Option<T>, is_empty: fn(&T) -> bool) {
    value.take_if(|inner| is_empty(inner));
}

fn usual(fleet: &mut api::InstanceFleet) {
    fleet.target_on_demand.get_or_insert(0);
    let spot = *fleet.target_spot.get_or_insert(0);
    if spot == 0 {
        // Nothing of it is asked for.
        (fleet.spot_allocation, fleet.spot_timeout_minutes, fleet.spot_timeout_action) = (None, None, None);
    } else {
        fleet.spot_allocation.get_or_insert(api::SpotAllocation::PriceCapacityOptimized);
        fleet.spot_timeout_minutes.get_or_insert(super::request::SPOT_TIMEOUT_MINUTES);
        fleet.spot_timeout_action.get_or_insert(api::SpotTimeoutAction::SwitchToOnDemand);
    }
    for type_ in &mut fleet.instance_types {
        type_.weight.get_or_insert(1);
        disks(&mut type_.ebs);
    }
}

/// Disks that are not said are EMR's choice, as are none that are said.
fn disks(ebs: &mut Option<api::Ebs>) {
    if let Some(ebs) = ebs {
        empty_is_none(&mut ebs.volumes, Vec::is_empty);
        for volume in ebs.volumes.iter_mut().flatten() {
            volume.per_instance.get_or_insert(1);
        }
    }
    ebs.take_if(|ebs| ebs.volumes.is_none() && ebs.optimized.is_none());
}
