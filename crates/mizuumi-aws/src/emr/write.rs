//! The EMR calls that write. None of them is sent to a cluster that is another's by now.

use aws_sdk_emr::types::{
    AutoTerminationPolicy, InstanceFleetModifyConfig, InstanceGroupModifyConfig, ReconfigurationType,
};
use mizuumi_core::emr_cluster::ClusterStep;
use mizuumi_core::emr_cluster::request::StepCall;
use mizuumi_core::emr_cluster::step::Target;
use mizuumi_core::emr_cluster::world::OWNER;
use mizuumi_core::{Class, Errand, Failure};
use tokio::time::Instant;

use super::make;
use crate::clients::ProfileClients;
use crate::gateway::{Api, Sent, api};

/// Asks for a cluster; answers its id.
pub(crate) async fn run_job_flow(
    clients: &ProfileClients,
    errand: Errand<'_>,
    name: &str,
    marks: &std::collections::BTreeMap<String, String>,
    request: &mizuumi_core::emr_cluster::Request,
) -> Result<String, Failure> {
    let api = api!("elasticmapreduce", "RunJobFlow", Write);
    let run = make::run_job_flow(clients.emr.run_job_flow(), name, marks, request);
    let answer = clients.gateway.write(api, errand, || run.clone().send()).await?;
    answer
        .and_then(|answer| answer.job_flow_id)
        .ok_or_else(|| Failure::new(api.name, Class::Unknown, "the answer names no cluster"))
}

/// Adds steps to a cluster; answers their ids, in the same order.
pub(crate) async fn add_steps(
    clients: &ProfileClients,
    errand: Errand<'_>,
    cluster: &Target,
    calls: &[StepCall],
) -> Result<Vec<String>, Failure> {
    let api = api!("elasticmapreduce", "AddJobFlowSteps", Write);
    let steps = calls.iter().map(make::step).collect();
    let call = clients.emr.add_job_flow_steps().job_flow_id(&cluster.id).set_steps(Some(steps));
    let is_right = || right(clients, errand, cluster);
    let answer = sent(api, clients.gateway.write_if(api, errand, is_right, || call.clone().send()).await)?;
    Ok(answer.step_ids.unwrap_or_default())
}

/// Changes or ends a cluster.
pub(crate) async fn change(
    clients: &ProfileClients,
    errand: Errand<'_>,
    step: &ClusterStep,
) -> Result<(), Failure> {
    macro_rules! send {
        ($operation:literal, $cluster:expr, $call:expr) => {{
            let (api, call) = (api!("elasticmapreduce", $operation, Write), $call);
            let is_right = || right(clients, errand, $cluster);
            sent(api, clients.gateway.write_if(api, errand, is_right, || call.clone().send()).await).map(drop)
        }};
    }
    let emr = &clients.emr;
    match step {
        // Made by `run_job_flow` and `add_steps`, whose answers are kept.
        ClusterStep::RunJobFlow { .. } | ClusterStep::AddSteps { .. } => Ok(()),
        ClusterStep::SetStepConcurrency { cluster, to, .. } => {
            let call = emr.modify_cluster().cluster_id(&cluster.id).step_concurrency_level(*to);
            send!("ModifyCluster", cluster, call)
        }
        ClusterStep::SetManagedScaling { cluster, to: Some(to) } => {
            let policy = make::managed_scaling(to);
            let call = emr.put_managed_scaling_policy().cluster_id(&cluster.id);
            send!("PutManagedScalingPolicy", cluster, call.managed_scaling_policy(policy))
        }
        ClusterStep::SetManagedScaling { cluster, to: None } => {
            let call = emr.remove_managed_scaling_policy().cluster_id(&cluster.id);
            send!("RemoveManagedScalingPolicy", cluster, call)
        }
        ClusterStep::SetIdleTimeout { cluster, to, .. } => {
            let policy = AutoTerminationPolicy::builder().idle_timeout(*to).build();
            let call = emr.put_auto_termination_policy().cluster_id(&cluster.id);
            send!("PutAutoTerminationPolicy", cluster, call.auto_termination_policy(policy))
        }
        ClusterStep::SetTerminationProtection { cluster, to } => {
            let call = emr.set_termination_protection().job_flow_ids(&cluster.id).termination_protected(*to);
            send!("SetTerminationProtection", cluster, call)
        }
        ClusterStep::ResizeGroup { cluster, id, to, .. } => {
            let group =
                InstanceGroupModifyConfig::builder().instance_group_id(id).instance_count(*to).build();
            let call = emr.modify_instance_groups().cluster_id(&cluster.id).instance_groups(group);
            send!("ModifyInstanceGroups", cluster, call)
        }
        ClusterStep::Reconfigure { cluster, id, to, .. } => {
            let group = InstanceGroupModifyConfig::builder()
                .instance_group_id(id)
                .reconfiguration_type(ReconfigurationType::Overwrite)
                .set_configurations(Some(make::configurations(to)))
                .build();
            let call = emr.modify_instance_groups().cluster_id(&cluster.id).instance_groups(group);
            send!("ModifyInstanceGroups", cluster, call)
        }
        ClusterStep::ResizeFleet { cluster, id, to, .. } => {
            let fleet = InstanceFleetModifyConfig::builder()
                .instance_fleet_id(id)
                .target_on_demand_capacity(to.on_demand)
                .target_spot_capacity(to.spot)
                .build();
            let call = emr.modify_instance_fleet().cluster_id(&cluster.id).instance_fleet(fleet);
            send!("ModifyInstanceFleet", cluster, call)
        }
        ClusterStep::SetAutoScaling { cluster, id, to: Some(to), .. } => {
            let call = emr.put_auto_scaling_policy().cluster_id(&cluster.id).instance_group_id(id);
            send!("PutAutoScalingPolicy", cluster, call.auto_scaling_policy(make::auto_scaling(to)))
        }
        ClusterStep::SetAutoScaling { cluster, id, to: None, .. } => {
            let call = emr.remove_auto_scaling_policy().cluster_id(&cluster.id).instance_group_id(id);
            send!("RemoveAutoScalingPolicy", cluster, call)
        }
        ClusterStep::CancelSteps { cluster, ids } => {
            let call = emr.cancel_steps().cluster_id(&cluster.id).set_step_ids(Some(ids.clone()));
            send!("CancelSteps", cluster, call)
        }
        ClusterStep::AddTags { cluster, tags } => {
            let call = emr.add_tags().resource_id(&cluster.id).set_tags(Some(make::tags(tags.iter())));
            send!("AddTags", cluster, call)
        }
        ClusterStep::RemoveTags { cluster, keys } => {
            let call = emr.remove_tags().resource_id(&cluster.id).set_tag_keys(Some(keys.clone()));
            send!("RemoveTags", cluster, call)
        }
        ClusterStep::Terminate { cluster, .. } => {
            let call = emr.terminate_job_flows().job_flow_ids(&cluster.id);
            send!("TerminateJobFlows", cluster, call)
        }
    }
}

/// A write that was not sent, since the cluster is gone or another's, is a conflict: it is looked at again.
fn sent<T>(api: Api, answer: Result<Option<T>, Failure>) -> Result<T, Failure> {
    answer?.ok_or_else(|| {
        Failure::new(
            api.name,
            Class::Conflict,
            "the cluster has ended, or its tags name another owner by now; nothing was sent",
        )
    })
}

/// A last look: whether the cluster is alive and its tags still name the owner.
async fn right(
    clients: &ProfileClients,
    errand: Errand<'_>,
    cluster: &Target,
) -> Result<Option<Instant>, Failure> {
    let sent = Sent::default();
    let tags = super::tags(clients, errand.lane, &cluster.id, &sent).await?;
    let is_right =
        tags.is_some_and(|tags| tags.iter().any(|(key, value)| key == OWNER && *value == cluster.owner));
    Ok(is_right.then_some(sent.at()))
}
