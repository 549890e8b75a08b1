//! Clusters: a name, and whose capacity their tasks may use.

use serde_json::{Value, json};

use super::input::{self, text, texts};
use super::{Answer, Call, Common, Region};
use crate::protocol::ApiError;

/// A cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) arn: String,
    pub(super) capacity_providers: Vec<String>,
    pub(super) tags: Vec<Value>,
}

/// The name in a name or an ARN.
pub(super) fn name_in(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}

impl Region {
    /// The name of the cluster that a request is about.
    pub(super) fn cluster(&self, call: &Call<'_>) -> Result<String, ApiError> {
        let name = name_in(text(call.input, "cluster").unwrap_or("default")).to_owned();
        if self.clusters.contains_key(&name) {
            return Ok(name);
        }
        Err(ApiError::refused("ClusterNotFoundException", "Cluster not found."))
    }

    fn shown(&self, name: &str, cluster: &Cluster) -> Value {
        let count = |is: fn(&str) -> bool| {
            let tasks = self.tasks.iter().filter(|task| task.cluster == name);
            tasks.filter(|task| is(task.life.state().name())).count()
        };
        json!({
            "clusterArn": cluster.arn, "clusterName": name, "status": "ACTIVE",
            "registeredContainerInstancesCount": 0, "activeServicesCount": 0,
            "runningTasksCount": count(|state| state == "RUNNING"),
            "pendingTasksCount": count(|state| matches!(state, "PROVISIONING" | "PENDING")),
            "capacityProviders": cluster.capacity_providers, "defaultCapacityProviderStrategy": [],
            "statistics": [], "settings": [], "tags": cluster.tags,
        })
    }
}

/// `CreateCluster`: one that is there is answered as it is.
pub(super) fn create(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let name = text(call.input, "clusterName").unwrap_or("default").to_owned();
    let is_right = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > 255 || !name.bytes().all(is_right) {
        return Err(input::invalid(
            "Cluster name must consist of alphanumeric characters, underscores and hyphens.",
        ));
    }
    let arn = call.arn(&format!("cluster/{name}"));
    let providers = texts(call.input, "capacityProviders").into_iter().map(str::to_owned).collect();
    let tags = input::list(call.input, "tags").to_vec();
    let made = || Cluster { arn, capacity_providers: providers, tags };
    region.clusters.entry(name.clone()).or_insert_with(made);
    call.wrote(&name);
    let cluster = region.clusters.get(&name).map(|cluster| region.shown(&name, cluster));
    Ok(json!({"cluster": cluster}))
}

/// `DescribeClusters`.
#[expect(clippy::unnecessary_wraps, reason = "all operations have one type")]
pub(super) fn describe(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let mut names = texts(call.input, "clusters");
    if names.is_empty() {
        names.push("default");
    }
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for name in names.into_iter().map(name_in) {
        match region.clusters.get(name) {
            Some(cluster) => shown.push(region.shown(name, cluster)),
            None => failures.push(json!({"arn": call.arn(&format!("cluster/{name}")), "reason": "MISSING"})),
        }
    }
    Ok(json!({"clusters": shown, "failures": failures}))
}

/// `ListClusters`.
pub(super) fn list(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let arns = region.clusters.values().map(|cluster| cluster.arn.clone()).collect();
    let (arns, token) = input::page(call.input, call.short_pages, arns)?;
    Ok(json!({"clusterArns": arns, "nextToken": token}))
}

/// `DeleteCluster`: not while tasks are there that have not stopped.
pub(super) fn delete(region: &mut Region, _: &mut Common, call: &mut Call<'_>) -> Answer {
    let name = region.cluster(call)?;
    if region.tasks.iter().any(|task| task.cluster == name && task.life.stopped().is_none()) {
        let message = "The Cluster cannot be deleted while Tasks are active.";
        return Err(ApiError::refused("ClusterContainsTasksException", message));
    }
    let cluster = region.clusters.remove(&name);
    call.wrote(&name);
    let mut shown = cluster.map(|cluster| region.shown(&name, &cluster)).unwrap_or_default();
    shown["status"] = json!("INACTIVE");
    Ok(json!({"cluster": shown}))
}
