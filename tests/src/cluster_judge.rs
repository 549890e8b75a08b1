//! The verdict on EMR clusters from outside: what EMR has, the endpoint's survey and audit, the apiserver; never the controller's
//! own word.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aws_sdk_emr::types::{
    AutoTerminationPolicy, Cluster, ClusterStateChangeReasonCode, InstanceGroupConfig, InstanceRoleType,
    JobFlowInstancesConfig, StepState, Tag,
};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mizuumi_core::emr_cluster::{ClusterKey, stem};
use serde_json::Value;

use crate::judge::Finding;
use crate::team::Team;

/// The tag that says whose a cluster is.
const OWNER: &str = "mizuumi:owner";
/// What the names of the tests' own clusters begin with.
const OURS: &str = "tests-";

/// Clusters that were started for a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// All that there ever were.
    pub started: u64,
    /// Those that live and that no resource keeps.
    pub orphans: u64,
    /// Those that were started while another of their resource lived.
    pub duplicates: u64,
}

impl Counted {
    /// Takes up another's.
    pub fn add(&mut self, other: Self) {
        self.started += other.started;
        self.orphans += other.orphans;
        self.duplicates += other.duplicates;
    }
}

/// Somebody who knows a team's account from the beginning.
pub struct ClusterWitness {
    team: Team,
    /// Clusters of others, as they were.
    theirs: Vec<(String, String)>,
}

impl ClusterWitness {
    /// Puts clusters of others into the account: of nobody, of another installation, and of another installation under a name
    /// that the team's own resource `one` could have given.
    pub async fn of(team: &Team) -> Self {
        let key = ClusterKey { namespace: team.namespace.clone(), name: "one".to_owned() };
        let likewise = format!("{}0badcafe", stem("tests", &key));
        let mut theirs = Vec::new();
        for (name, owner) in [
            ("nobodys", None),
            ("other-theirs-12345678-0badcafe", Some("other/their-ns/EmrCluster/theirs@12345678")),
            (&likewise, Some("other/their-ns/EmrCluster/one@87654321")),
        ] {
            let id = start(team, name, owner).await;
            theirs.push((id, String::new()));
        }
        for (id, portrait) in &mut theirs {
            *portrait = marks(&describe(team, id).await);
        }
        Self { team: team.clone(), theirs }
    }

    /// All that can be said against the account and the namespace as they are now, when nothing is under way.
    pub async fn judge(&self) -> (Finding, Counted) {
        let team = &self.team;
        let mut finding = Finding::default();
        let objects = team.clusters().list(&ListParams::default()).await.expect("the clusters are listed");
        let kept: BTreeSet<String> =
            objects.items.iter().map(|object| format!("{}{}@", self.prefix(), object.name_any())).collect();
        let emr = team.emr().await;
        let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or_default();
        let mut counted = Counted::default();
        for (owner, has) in emr["owners"].as_object().into_iter().flatten() {
            if !owner.starts_with(&self.prefix()) {
                continue;
            }
            let (alive, duplicates) = (number(has, "alive"), number(has, "duplicates"));
            counted.duplicates += duplicates;
            if duplicates > 0 {
                finding.doubled.push(format!("{owner} had {duplicates} clusters beside another: {has:#}"));
            }
            if !kept.iter().any(|prefix| owner.starts_with(prefix)) && alive > 0 {
                counted.orphans += alive;
                finding.lost.push(format!("{owner} is gone and has {alive} clusters: {has:#}"));
            }
            for (step, ran) in has["steps"].as_object().into_iter().flatten() {
                if number(ran, "started") > number(has, "started") {
                    finding.doubled.push(format!("step '{step}' ran more often than there were clusters"));
                }
            }
        }
        counted.started = u64::try_from(self.ours().await.len()).unwrap_or(u64::MAX);
        self.judge_writes(&mut finding).await;
        for (id, before) in &self.theirs {
            let now = marks(&describe(team, id).await);
            if now != *before {
                finding.foreign.push(format!("{id} was {before} and is {now}"));
            }
        }
        (finding, counted)
    }

    async fn ours(&self) -> Vec<String> {
        let ids = listed(&self.team).await;
        ids.into_iter().filter(|id| self.theirs.iter().all(|(other, _)| id != other)).collect()
    }

    /// No write to a cluster that another keeps, or nobody.
    async fn judge_writes(&self, finding: &mut Finding) {
        let writes = self.team.admin.writes().await;
        for write in writes.iter().filter(|write| write.resource.starts_with("j-")) {
            let made = write.operation == "RunJobFlow";
            let owner = write.owner_before.as_deref().unwrap_or("nobody");
            if !made && !owner.starts_with(&self.prefix()) {
                finding.foreign.push(format!("{} of {}, kept by {owner}", write.operation, write.resource));
            }
        }
    }

    fn prefix(&self) -> String {
        format!("tests/{}/EmrCluster/", self.team.namespace)
    }
}

/// Starts a cluster as somebody else would; answers its id.
async fn start(team: &Team, name: &str, owner: Option<&str>) -> String {
    let master = InstanceGroupConfig::builder()
        .instance_role(InstanceRoleType::Master)
        .instance_type("m6g.xlarge")
        .instance_count(1)
        .build();
    let instances =
        JobFlowInstancesConfig::builder().keep_job_flow_alive_when_no_steps(true).instance_groups(master);
    let tags = owner.map(|owner| vec![Tag::builder().key(OWNER).value(owner).build()]);
    let run = team.aws.emr.run_job_flow().name(name).release_label("emr-7.5.0").set_tags(tags);
    let made = run.instances(instances.build()).send().await.expect("the cluster of another is started");
    made.job_flow_id().expect("an id").to_owned()
}

async fn describe(team: &Team, id: &str) -> Cluster {
    let answer = team.aws.emr.describe_cluster().cluster_id(id).send().await;
    answer.expect("the cluster is described").cluster.expect("a cluster")
}

/// What nobody but a cluster's owner may change.
fn marks(cluster: &Cluster) -> String {
    let tag = |tag: &Tag| format!("{}={}", tag.key().unwrap_or_default(), tag.value().unwrap_or_default());
    let tags: BTreeSet<String> = cluster.tags().iter().map(tag).collect();
    let state = cluster.status().and_then(|status| status.state());
    let ends = state.is_some_and(|state| state.as_str().starts_with("TERMINAT"));
    let life = if ends { "ends" } else { "lives" };
    format!("{life} {:?} {:?} {tags:?}", cluster.termination_protected(), cluster.step_concurrency_level())
}

/// Ids of the clusters whose names the tests' installation gives, the first first.
async fn listed(team: &Team) -> Vec<String> {
    let pages = team.aws.emr.list_clusters().into_paginator().items().send();
    let mut all: Vec<_> = pages.collect::<Result<Vec<_>, _>>().await.expect("the clusters are listed");
    all.reverse();
    let ours = all.into_iter().filter(|listed| listed.name().is_some_and(|name| name.starts_with(OURS)));
    ours.filter_map(|listed| listed.id).collect()
}

/// What EMR has of a team's clusters, those that have ended too, in words that do not depend on the team.
pub async fn cluster_portrait(team: &Team) -> String {
    let emr = &team.aws.emr;
    let mut text = String::new();
    for id in listed(team).await {
        let cluster = describe(team, &id).await;
        let status = cluster.status();
        let state = status.and_then(|status| status.state());
        let name = cluster.name().unwrap_or_default();
        let (stem, _) = name.rsplit_once('-').unwrap_or((name, ""));
        let stem = stem.rsplit_once('-').map_or(stem, |(stem, _)| stem);
        let tags: BTreeSet<String> = cluster
            .tags()
            .iter()
            .filter(|tag| tag.key() != Some("mizuumi:attempt"))
            .map(|tag| {
                format!("{}={}", tag.key().unwrap_or_default(), bare(team, tag.value().unwrap_or_default()))
            })
            .collect();
        let groups = emr.list_instance_groups().cluster_id(&id).send().await.expect("the groups are listed");
        let groups: Vec<_> = groups
            .instance_groups()
            .iter()
            .map(|group| (group.name(), group.requested_instance_count()))
            .collect();
        let idle = emr.get_auto_termination_policy().cluster_id(&id).send().await.expect("the policy is got");
        let idle = idle.auto_termination_policy().and_then(AutoTerminationPolicy::idle_timeout);
        let steps = emr.list_steps().cluster_id(&id).send().await.expect("the steps are listed");
        let steps: Vec<_> = steps
            .steps()
            .iter()
            .map(|step| (step.name(), step.status().and_then(|status| status.state()).map(StepState::as_str)))
            .collect();
        let settings = (
            cluster.release_label(),
            cluster.termination_protected(),
            cluster.step_concurrency_level(),
            idle,
        );
        let _ = writeln!(
            text,
            "{stem} {state:?} {} {settings:?}\n  {tags:?}\n  {groups:?}\n  {steps:?}",
            reason(&cluster)
        );
    }
    text
}

fn reason(cluster: &Cluster) -> &str {
    let reason = cluster.status().and_then(|status| status.state_change_reason());
    reason.and_then(|reason| reason.code()).map_or("", ClusterStateChangeReasonCode::as_str)
}

/// A tag's value without the team; the hash at the end of an owner is of its namespace.
fn bare(team: &Team, value: &str) -> String {
    let value = value.replace(&team.namespace, "NAMESPACE");
    value.split_once("/EmrCluster/").map_or(value.clone(), |(before, name)| {
        format!("{before}/EmrCluster/{}", name.split('@').next().unwrap_or_default())
    })
}
