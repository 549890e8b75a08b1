//! The EMR calls that only look.

mod make;
mod nodes;
pub(crate) mod steps;
pub(crate) mod whole;
pub(crate) mod write;

use aws_sdk_emr::types::{
    Cluster as EmrCluster, ClusterState as EmrState, ClusterStatus, ClusterSummary, ComputeLimits, Instance,
    InstanceCollectionType, InstanceState, InstanceStateChangeReasonCode, MarketType, StepSummary, Tag,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;
use mizuumi_api::condition::cut;
use mizuumi_api::emr_cluster::{FailedStep, LostInstance, Market};
use mizuumi_core::emr_cluster::request::Scaling;
use mizuumi_core::emr_cluster::world::Nodes;
use mizuumi_core::emr_cluster::{Cluster, ClusterState, ErrorDetail};
use mizuumi_core::{Failure, Lane};

use crate::clients::ProfileClients;
use crate::gateway::{Sent, api};
use steps::StepsList;

/// States of clusters that cost money, or will.
const ALIVE: [EmrState; 5] = [
    EmrState::Starting,
    EmrState::Bootstrapping,
    EmrState::Running,
    EmrState::Waiting,
    EmrState::Terminating,
];
/// A cluster as a list has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: ClusterState,
    /// Code and message.
    reason: (String, String),
    created: Option<Timestamp>,
    ready: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// It grows without anything else being new.
    pub(crate) normalized_instance_hours: Option<i64>,
}

impl Listed {
    /// Whether nothing of the cluster has changed that only a description would tell.
    pub(crate) fn tells_the_same(&self, other: &Self) -> bool {
        Self { normalized_instance_hours: other.normalized_instance_hours, ..self.clone() } == *other
    }
}

/// Every cluster that is alive; or every one made since then, alive or not.
pub(crate) async fn list(
    clients: &ProfileClients,
    lane: Lane,
    since: Option<Timestamp>,
) -> Result<Vec<Listed>, Failure> {
    let list = clients.emr.list_clusters();
    let list = match since {
        Some(since) => list.created_after(DateTime::from_secs(since.as_second())),
        None => list.set_cluster_states(Some(ALIVE.to_vec())),
    };
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let api = api!("elasticmapreduce", "ListClusters", Read);
        let Some(answer) = clients.gateway.read(api, lane, || page.clone().send()).await? else {
            return Ok(all);
        };
        all.extend(answer.clusters().iter().filter_map(listed));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

fn listed(summary: &ClusterSummary) -> Option<Listed> {
    let status = summary.status()?;
    let timeline = status.timeline();
    let reason = status.state_change_reason();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Some(Listed {
        id: summary.id()?.to_owned(),
        name: text(summary.name()),
        state: ClusterState::of(status.state()?.as_str()),
        reason: (
            text(
                reason
                    .and_then(|reason| reason.code())
                    .map(aws_sdk_emr::types::ClusterStateChangeReasonCode::as_str),
            ),
            text(reason.and_then(|reason| reason.message())),
        ),
        created: timeline.and_then(|timeline| moment(timeline.creation_date_time())),
        ready: timeline.and_then(|timeline| moment(timeline.ready_date_time())),
        ended: timeline.and_then(|timeline| moment(timeline.end_date_time())),
        normalized_instance_hours: summary.normalized_instance_hours().map(i64::from),
    })
}

fn moment(time: Option<&DateTime>) -> Option<Timestamp> {
    let time = time?;
    // Seconds are enough for people, and the same in lists and descriptions.
    Timestamp::from_second(time.secs()).ok()
}

/// A cluster as EMR describes it.
async fn find(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
    sent: &Sent,
) -> Result<Option<EmrCluster>, Failure> {
    let describe = clients.emr.describe_cluster().cluster_id(id);
    let api = api!("elasticmapreduce", "DescribeCluster", Read);
    let answer = clients.gateway.read(api, lane, || sent.now(describe.clone().send())).await?;
    Ok(answer.and_then(|answer| answer.cluster))
}

/// Its tags.
fn tags_of(cluster: &EmrCluster) -> impl Iterator<Item = (String, String)> {
    let tag = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    cluster.tags().iter().filter_map(tag)
}

/// A cluster with all that is told of it, and its steps if it could have any; none if EMR does not know it any more.
pub(crate) async fn describe(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
) -> Result<Option<(Cluster, Option<StepsList>)>, Failure> {
    let Some(cluster) = find(clients, lane, id, &Sent::default()).await? else { return Ok(None) };
    let summary = ClusterSummary::builder()
        .set_id(cluster.id.clone())
        .set_name(cluster.name.clone())
        .set_status(cluster.status.clone())
        .set_normalized_instance_hours(cluster.normalized_instance_hours)
        .build();
    let Some(listed) = listed(&summary) else { return Ok(None) };
    let works = matches!(listed.state, ClusterState::Running | ClusterState::Waiting);
    let is_of_fleets = cluster.instance_collection_type() == Some(&InstanceCollectionType::InstanceFleet);
    let (groups, managed_scaling, idle_seconds) = if works {
        let groups = if is_of_fleets {
            nodes::fleets(clients, lane, id).await?
        } else {
            nodes::groups(clients, lane, id).await?
        };
        (groups, managed_scaling(clients, lane, id).await?, idle_seconds(clients, lane, id).await?)
    } else {
        (Vec::new(), None, None)
    };
    let has_steps = works || !listed.state.is_alive();
    let steps = if has_steps { Some(steps::newest(clients, lane, id).await?) } else { None };
    let lost = if has_steps { lost(clients, lane, id, &groups).await? } else { Vec::new() };
    let cluster = Cluster {
        id: listed.id,
        name: listed.name,
        state: listed.state,
        reason: listed.reason,
        created: listed.created,
        ready: listed.ready,
        ended: listed.ended,
        error: error(cluster.status()),
        tags: tags_of(&cluster).collect(),
        is_protected: cluster.termination_protected().unwrap_or_default(),
        step_concurrency: cluster.step_concurrency_level().unwrap_or(1),
        master_dns: cluster.master_public_dns_name().filter(|name| !name.is_empty()).map(str::to_owned),
        log_uri: cluster.log_uri().map(canonical),
        normalized_instance_hours: listed.normalized_instance_hours,
        groups,
        managed_scaling,
        idle_seconds,
        steps: steps.as_ref().map(|steps| steps.counts.clone()),
        applications: cluster.applications().iter().filter_map(|one| one.name().map(str::to_owned)).collect(),
        lost,
    };
    Ok(Some((cluster, steps)))
}

/// The tags of a cluster that is alive; what has ended needs no proof any more.
pub(crate) async fn tags(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
    sent: &Sent,
) -> Result<Option<Vec<(String, String)>>, Failure> {
    let Some(cluster) = find(clients, lane, id, sent).await? else { return Ok(None) };
    let state =
        cluster.status().and_then(|status| status.state()).map(|state| ClusterState::of(state.as_str()));
    if !state.is_some_and(ClusterState::is_alive) {
        return Ok(None);
    }
    Ok(Some(tags_of(&cluster).collect()))
}

/// EMR answers `s3n://` where it was asked for `s3://`.
fn canonical(uri: &str) -> String {
    uri.strip_prefix("s3n://")
        .or_else(|| uri.strip_prefix("s3a://"))
        .map_or_else(|| uri.to_owned(), |rest| format!("s3://{rest}"))
}

async fn managed_scaling(clients: &ProfileClients, lane: Lane, id: &str) -> Result<Option<Scaling>, Failure> {
    let get = clients.emr.get_managed_scaling_policy().cluster_id(id);
    let api = api!("elasticmapreduce", "GetManagedScalingPolicy", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    let limits =
        answer.and_then(|answer| answer.managed_scaling_policy).and_then(|policy| policy.compute_limits);
    Ok(limits.as_ref().and_then(scaling))
}

fn scaling(limits: &ComputeLimits) -> Option<Scaling> {
    let max = limits.maximum_capacity_units()?;
    Some(Scaling {
        unit: limits.unit_type()?.as_str().to_owned(),
        min: limits.minimum_capacity_units()?,
        max,
        // What was not said is as much as there may be.
        max_on_demand: limits.maximum_on_demand_capacity_units().unwrap_or(max),
        max_core: limits.maximum_core_capacity_units().unwrap_or(max),
    })
}

async fn idle_seconds(clients: &ProfileClients, lane: Lane, id: &str) -> Result<Option<i64>, Failure> {
    let get = clients.emr.get_auto_termination_policy().cluster_id(id);
    let api = api!("elasticmapreduce", "GetAutoTerminationPolicy", Read);
    let answer = clients.gateway.read(api, lane, || get.clone().send()).await?;
    Ok(answer.and_then(|answer| answer.auto_termination_policy).and_then(|policy| policy.idle_timeout))
}

fn failed(step: &StepSummary) -> FailedStep {
    let details = step.status().and_then(|status| status.failure_details());
    let words = [details.and_then(|details| details.reason()), details.and_then(|details| details.message())];
    let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    let log_file = details.and_then(|details| details.log_file()).filter(|file| !file.is_empty());
    FailedStep {
        id: step.id().unwrap_or_default().to_owned(),
        name: cut(step.name().unwrap_or_default(), 256),
        reason: (!words.is_empty()).then(|| cut(&words.join(", "), 512)),
        log_file: log_file.map(|file| cut(file, 1024)),
    }
}

/// What EMR says of an error: the first of its details is what ended the cluster.
fn error(status: Option<&ClusterStatus>) -> Option<ErrorDetail> {
    let detail = status?.error_details().first()?;
    let data = detail.error_data().iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
    Some(ErrorDetail {
        code: detail.error_code().unwrap_or_default().to_owned(),
        message: detail.error_message().unwrap_or_default().to_owned(),
        data: data.collect(),
    })
}

/// The instances that a cluster lost, as far back as EMR tells: 30 days, and 2,000 of them. One that went with its cluster, or
/// when it was made smaller, was not lost.
async fn lost(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
    groups: &[Nodes],
) -> Result<Vec<LostInstance>, Failure> {
    let list = clients.emr.list_instances().cluster_id(id).instance_states(InstanceState::Terminated);
    let api = api!("elasticmapreduce", "ListInstances", Read);
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, lane, || page.clone().send()).await? else {
            return Ok(all);
        };
        all.extend(answer.instances().iter().filter_map(|instance| lost_instance(instance, groups)));
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

fn lost_instance(instance: &Instance, groups: &[Nodes]) -> Option<LostInstance> {
    let status = instance.status()?;
    let reason = status.state_change_reason()?;
    let code = reason.code().filter(|code| **code != InstanceStateChangeReasonCode::ClusterTerminated)?;
    let group = instance.instance_group_id().or(instance.instance_fleet_id());
    let group = groups.iter().find(|nodes| Some(nodes.id.as_str()) == group);
    let message = reason.message().filter(|message| !message.is_empty()).unwrap_or(code.as_str());
    Some(LostInstance {
        id: instance.ec2_instance_id().or(instance.id()).unwrap_or_default().to_owned(),
        group: group.map(|nodes| nodes.told.name.clone()),
        market: if instance.market() == Some(&MarketType::Spot) { Market::Spot } else { Market::OnDemand },
        ended_at: status.timeline().and_then(|timeline| moment(timeline.end_date_time())),
        reason: cut(message, 256),
    })
}
