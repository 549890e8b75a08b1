//! What a status tells of one cluster, in EMR's own words, and how it stays small.

use mizuumi_api::condition::cut;
use mizuumi_api::emr_cluster::{
    ClusterFailure, EmrClusterStatus, FailedStep, Link, LostInstance, LostInstances, Market, PastCluster,
};

use super::world::{Cluster, ClusterState};

/// Longest words of EMR about a state.
const LONGEST_REASON: usize = 512;
/// How many lost instances are told one by one.
const LATEST: usize = 5;
/// What a status may take as JSON, in bytes, with what Kubernetes itself adds to spare.
const LARGEST: usize = 15 * 1024;

/// Web pages on the master node, by the application that has them (EMR Management Guide, "Amazon EMR service ports"; EMR
/// Release Guide, "Tez web UI").
const PAGES: [(&str, &str, &str); 6] = [
    ("Hadoop", "YARN ResourceManager", "http://{}:8088/"),
    ("Spark", "Spark history server", "http://{}:18080/"),
    ("Tez", "Tez UI", "http://{}:8080/tez-ui/"),
    ("Hue", "Hue", "http://{}:8888/"),
    ("Zeppelin", "Zeppelin", "http://{}:8890/"),
    ("JupyterHub", "JupyterHub", "https://{}:9443/"),
];

/// Tells what there is, or was last.
pub(super) fn tell(status: &mut EmrClusterStatus, cluster: &Cluster) {
    status.cluster_id = Some(cluster.id.clone());
    status.cluster_name = Some(cluster.name.clone());
    status.emr_state = Some(cluster.state.name().to_owned());
    status.emr_reason = reason(cluster);
    status.failure = failure(cluster);
    status.master_dns.clone_from(&cluster.master_dns);
    status.log_uri = logs(cluster);
    status.links = links(cluster);
    status.started_at = cluster.created;
    status.ready_at = cluster.ready;
    status.ended_at = cluster.ended;
    status.groups = cluster.groups.iter().map(|nodes| nodes.told.clone()).collect();
    status.lost = lost(cluster);
    status.steps.clone_from(&cluster.steps);
    status.normalized_instance_hours = cluster.normalized_instance_hours;
}

/// What is kept of a cluster that has ended.
pub(super) fn past(cluster: &Cluster) -> PastCluster {
    PastCluster {
        cluster_id: cluster.id.clone(),
        started_at: cluster.created,
        ended_at: cluster.ended,
        emr_state: cluster.state.name().to_owned(),
        emr_reason: reason(cluster),
        normalized_instance_hours: cluster.normalized_instance_hours,
    }
}

/// Where its logs are: EMR puts them below its `LogUri`, each cluster's by its id.
fn logs(cluster: &Cluster) -> Option<String> {
    let uri = cluster.log_uri.as_deref()?;
    Some(format!("{}/{}/", uri.trim_end_matches('/'), cluster.id))
}

fn reason(cluster: &Cluster) -> Option<String> {
    let (code, message) = &cluster.reason;
    let text = match (code.as_str(), message.as_str()) {
        ("", "") => return None,
        (code, "") => code.to_owned(),
        ("", message) => message.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    Some(cut(&text, LONGEST_REASON))
}

/// What went wrong. A bootstrap action's log is of the instance on which it failed: EMR says both.
pub(super) fn failure(cluster: &Cluster) -> Option<ClusterFailure> {
    let error = cluster.error.as_ref()?;
    let data = |name: &str| error.data.get(name).filter(|value| !value.is_empty());
    let instance = data("primary-instance-id").or_else(|| data("instance-id"));
    let log = instance.zip(data("bootstrap-action")).zip(logs(cluster));
    Some(ClusterFailure {
        code: cut(&error.code, 128),
        message: (!error.message.is_empty()).then(|| cut(&error.message, LONGEST_REASON)),
        log_uri: log
            .map(|((instance, number), logs)| format!("{logs}node/{instance}/bootstrap-actions/{number}/")),
        help: data("public-doc").map(|page| cut(page, LONGEST_REASON)),
    })
}

/// A step that failed, for people.
pub(super) fn step_in_words(step: &FailedStep) -> String {
    let reason = step.reason.as_deref().unwrap_or("failed");
    let log = step.log_file.as_ref().map(|file| format!(", log {file}")).unwrap_or_default();
    format!("step '{}' ({}): {reason}{log}", step.name, step.id)
}

fn links(cluster: &Cluster) -> Vec<Link> {
    let works = matches!(cluster.state, ClusterState::Running | ClusterState::Waiting);
    let Some(host) = cluster.master_dns.as_ref().filter(|_| works) else { return Vec::new() };
    let has = |wanted: &str| cluster.applications.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let pages = PAGES.iter().filter(|(application, ..)| has(application));
    pages.map(|(_, name, url)| Link { name: (*name).to_owned(), url: url.replace("{}", host) }).collect()
}

fn lost(cluster: &Cluster) -> Option<LostInstances> {
    if cluster.lost.is_empty() {
        return None;
    }
    let count = |market| {
        let of_market = cluster.lost.iter().filter(|lost| lost.market == market).count();
        i64::try_from(of_market).unwrap_or(i64::MAX)
    };
    let mut latest: Vec<LostInstance> = cluster.lost.clone();
    latest.sort_by(|a, b| b.ended_at.cmp(&a.ended_at).then_with(|| a.id.cmp(&b.id)));
    latest.truncate(LATEST);
    Some(LostInstances { spot: count(Market::Spot), on_demand: count(Market::OnDemand), latest })
}

/// Leaves out what is missed least until the status is small enough: it is read with every list of the resources, and lies in
/// etcd beside them.
pub(super) fn keep_small(status: &mut EmrClusterStatus) {
    while serde_json::to_vec(status).map_or(0, |json| json.len()) > LARGEST {
        let left_out = status.plan.as_mut().is_some_and(|plan| plan.lines.pop().is_some())
            || status.history.pop().is_some()
            || status.lost.as_mut().is_some_and(|lost| lost.latest.pop().is_some())
            || status.groups.iter_mut().rev().any(|group| group.reason.take().is_some())
            || status.links.pop().is_some();
        if !left_out {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mizuumi_api::data_table::PlanStatus;
    use mizuumi_api::emr_cluster::{GroupStatus, Role};

    use super::*;
    use crate::emr_cluster::world::ErrorDetail;
    use crate::emr_cluster::{Request, simulate};

    fn cluster() -> Cluster {
        let (marks, request) = (BTreeMap::new(), Request::default());
        let mut cluster = simulate::made(1, jiff::Timestamp::UNIX_EPOCH, "demo-adhoc-1-2", &marks, &request);
        cluster.log_uri = Some("s3://lake/logs/emr/".to_owned());
        cluster
    }

    fn lost(id: &str, market: Market, second: i64) -> LostInstance {
        let ended_at = jiff::Timestamp::from_second(second).ok();
        LostInstance { id: id.to_owned(), group: None, market, ended_at, reason: "gone".to_owned() }
    }

    #[test]
    fn a_failed_bootstrap_action_is_told_with_its_log() {
        let data = [
            ("primary-instance-id", "i-1"),
            ("bootstrap-action", "2"),
            ("public-doc", "https://docs.aws.amazon.com/x"),
        ];
        let error = ErrorDetail {
            code: "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE".to_owned(),
            message: "it returned 1".to_owned(),
            data: data.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        };
        let cluster = Cluster { error: Some(error.clone()), ..cluster() };
        let told = failure(&cluster).expect("a failure");
        assert_eq!(told.log_uri.as_deref(), Some("s3://lake/logs/emr/j-1/node/i-1/bootstrap-actions/2/"));
        assert_eq!(told.help.as_deref(), Some("https://docs.aws.amazon.com/x"));
        let elsewhere = ErrorDetail { data: BTreeMap::new(), ..error };
        let told = failure(&Cluster { error: Some(elsewhere), ..cluster }).expect("a failure");
        assert_eq!(told.log_uri, None);
    }

    #[test]
    fn lost_instances_are_counted_and_the_latest_are_told() {
        let mut cluster = cluster();
        let mut status = EmrClusterStatus::default();
        tell(&mut status, &cluster);
        assert_eq!(status.lost, None);
        cluster.lost = (0..7).map(|number| lost(&format!("i-{number}"), Market::Spot, number)).collect();
        cluster.lost.push(lost("i-d", Market::OnDemand, 3));
        tell(&mut status, &cluster);
        let told = status.lost.expect("lost ones");
        let ids: Vec<&str> = told.latest.iter().map(|lost| lost.id.as_str()).collect();
        assert_eq!((told.spot, told.on_demand), (7, 1));
        assert_eq!(ids, ["i-6", "i-5", "i-4", "i-3", "i-d"]);
    }

    #[test]
    fn pages_are_told_while_the_master_node_has_them() {
        let mut cluster = cluster();
        cluster.applications = ["Spark", "Hadoop", "Flink"].map(str::to_owned).to_vec();
        cluster.master_dns = Some("ip-10-0-0-1.ec2.internal".to_owned());
        assert_eq!(links(&cluster), [], "it starts");
        cluster.state = ClusterState::Waiting;
        let urls: Vec<String> = links(&cluster).into_iter().map(|link| link.url).collect();
        assert_eq!(urls, ["http://ip-10-0-0-1.ec2.internal:8088/", "http://ip-10-0-0-1.ec2.internal:18080/"]);
    }

    #[test]
    fn the_largest_status_becomes_small_enough_and_keeps_what_matters() {
        let mut cluster = cluster();
        cluster.error = Some(ErrorDetail {
            code: "C".repeat(400),
            message: "m".repeat(4000),
            data: [("public-doc".to_owned(), "d".repeat(4000))].into(),
        });
        cluster.lost = (0..9).map(|number| lost(&"i".repeat(60), Market::Spot, number)).collect();
        let mut status = EmrClusterStatus::default();
        tell(&mut status, &cluster);
        status.groups = (0..50)
            .map(|number| GroupStatus {
                name: format!("{number:064}"),
                role: Role::Task,
                requested: i64::MAX,
                running: i64::MAX,
                state: "PROVISIONING".to_owned(),
                reason: Some("r".repeat(256)),
            })
            .collect();
        status.history = vec![past(&cluster); 10];
        status.plan = Some(PlanStatus { steps: 50, lines: vec!["l".repeat(512); 50] });
        keep_small(&mut status);
        let size = serde_json::to_vec(&status).expect("JSON").len();
        assert!(size <= LARGEST, "{size}");
        assert_eq!((status.groups.len(), status.plan.map(|plan| plan.steps)), (50, Some(50)));
        assert!(status.failure.is_some() && status.cluster_id.is_some());
    }
}
