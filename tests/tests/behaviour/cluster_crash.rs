//! The controller dies at each call of a cluster's life, or does not hear of it; there is one cluster, always.

use anyhow::ensure;
use futures::{StreamExt as _, stream};
use mizuumi_api::emr_cluster::Phase;
use mizuumi_tests::{Ask, Controller, Launch, Proxy, Team, Way, with_clusters};
use serde_json::json;

/// Points of death tried at once.
const AT_ONCE: usize = 4;

/// What a user does; at the end no cluster is alive, and one was started.
#[derive(Clone, Copy, Debug)]
enum Tale {
    /// A cluster does a step and ends.
    Batch,
    /// A cluster that runs is deleted.
    Delete,
}

/// How the controller dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before a call to AWS has an effect.
    Before(usize),
    /// After the effect of the first call of that operation, without having heard of it.
    After(&'static str),
    /// In it, and its effect comes while the next controller is at work already.
    Late(&'static str),
    /// Before a request to the apiserver has an effect.
    BeforeAsking(usize),
    /// After its effect, without having heard of it.
    AfterAsking(usize),
}

impl Tale {
    async fn prepare(self, team: &Team) {
        team.class(json!({})).await;
        if matches!(self, Self::Delete) {
            team.create_cluster("one", json!({ "lifecycle": "WhenNeeded" })).await;
            team.need("one", true).await;
            team.cluster_reason("one", "Running").await;
        }
    }

    async fn act(self, team: &Team) {
        match self {
            Self::Batch => drop(team.create_batch("one", &["only"]).await),
            Self::Delete => team.delete_cluster("one").await,
        }
    }

    async fn has_ended(self, team: &Team) -> bool {
        let Ok(one) = team.clusters().get_opt("one").await else { return false };
        match self {
            Self::Batch => {
                one.and_then(|one| one.status).is_some_and(|status| status.phase == Some(Phase::Completed))
            }
            Self::Delete => one.is_none(),
        }
    }

    async fn end(self, team: &Team) {
        match self {
            Self::Batch => drop(team.cluster_reason("one", "Completed").await),
            Self::Delete => team.cluster_gone("one").await,
        }
    }
}

/// How many calls, and how many requests to the apiserver, the tale takes undisturbed.
async fn reference(tale: Tale) -> (usize, usize) {
    let team = Team::new("reference").await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let _controller = Controller::launch(&team, launch, with_clusters).await;
    tale.prepare(&team).await;
    let (since, asked) = (team.admin.seq().await, proxy.asked().len());
    tale.act(&team).await;
    tale.end(&team).await;
    let calls = team.admin.calls(since).await.len();
    let asked = proxy.asked().split_off(asked).iter().filter(|ask| ask.is_single()).count();
    (calls, asked)
}

async fn with_death(tale: Tale, death: Death) {
    let team = Team::new("crash").await;
    let proxy = Proxy::of_apiserver(&team).await;
    let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
    let mut controller = Controller::launch(&team, launch, with_clusters).await;
    tale.prepare(&team).await;
    let hang = |from: usize| json!({ "action": "hang", "from": from });
    match death {
        Death::Before(call) => team.admin.fault(hang(call)).await,
        Death::After(operation) => {
            team.admin.fault(json!({ "action": "drop-after", "operation": operation, "times": 1 })).await;
        }
        Death::Late(operation) => {
            let late = json!({ "action": "delay", "delayMs": 1000, "operation": operation, "times": 1 });
            team.admin.fault(late).await;
        }
        Death::BeforeAsking(request) => proxy.rule(Ask::is_single).from(request).go(Way::Hang),
        Death::AfterAsking(request) => proxy.rule(Ask::is_single).from(request).go(Way::HangAfter),
    }
    tale.act(&team).await;
    team.eventually("one", &format!("{death:?}"), async || {
        let struck = team.admin.struck().await + proxy.struck();
        // Looks that happen to be shared make a tale shorter than the reference: then the end is the point.
        ensure!(struck >= 1 || tale.has_ended(&team).await, "it has not come to that");
        Ok(())
    })
    .await;
    controller.kill();
    team.admin.heal().await;
    proxy.heal();
    controller.restart();
    tale.end(&team).await;
    let emr = team.emr().await;
    let told = |name: &str| emr[name].as_u64();
    assert_eq!(
        (told("started"), told("alive"), told("duplicates"), told("stepsRepeated")),
        (Some(1), Some(0), Some(0), Some(0)),
        "{tale:?}, {death:?}: {emr:#}"
    );
}

async fn dies(tale: Tale, deaths: Vec<Death>) {
    stream::iter(deaths).for_each_concurrent(AT_ONCE, |death| with_death(tale, death)).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_a_clusters_life() {
    let (calls, requests) = reference(Tale::Batch).await;
    assert!(calls >= 4 && requests >= 4, "{calls} calls, {requests} requests");
    let asking = (1..=requests).flat_map(|n| [Death::BeforeAsking(n), Death::AfterAsking(n)]);
    // The last calls are looks whose number depends on how long EMR takes.
    let deaths = (1..calls.saturating_sub(2)).map(Death::Before).chain(asking);
    dies(Tale::Batch, deaths.chain([Death::After("RunJobFlow"), Death::Late("RunJobFlow")]).collect()).await;
}

#[tokio::test]
async fn a_controller_may_die_at_every_call_of_a_clusters_end() {
    let (calls, requests) = reference(Tale::Delete).await;
    let deaths = (1..calls.saturating_sub(2).max(3)).map(Death::Before);
    let asking = (1..=requests).flat_map(|n| [Death::BeforeAsking(n), Death::AfterAsking(n)]);
    let after = [Death::After("TerminateJobFlows"), Death::Late("TerminateJobFlows")];
    dies(Tale::Delete, deaths.chain(asking).chain(after).collect()).await;
}

#[tokio::test]
async fn two_controllers_start_one_cluster() {
    let team = Team::new("rivals").await;
    let _one = Controller::with(&team, with_clusters).await;
    let _other = Controller::launch(&team, Launch::default().named("other"), with_clusters).await;
    team.class(json!({})).await;
    for number in 0..4 {
        team.create_batch(&format!("batch-{number}"), &["only"]).await;
    }
    for number in 0..4 {
        team.cluster_reason(&format!("batch-{number}"), "Completed").await;
    }
    let emr = team.emr().await;
    assert_eq!((emr["started"].as_u64(), emr["duplicates"].as_u64()), (Some(4), Some(0)), "{emr:#}");
}

#[tokio::test]
async fn a_cluster_is_known_again_after_a_restore_without_its_status() {
    let team = Team::new("restored").await;
    let mut controller = Controller::with(&team, with_clusters).await;
    team.class(json!({})).await;
    team.create_cluster("one", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("one", true).await;
    let before = team.cluster_reason("one", "Running").await.status.expect("a status").cluster_id;
    controller.kill();
    // The object comes back as a backup has it: without finalizer, uid and status.
    team.patch_cluster("one", json!({ "metadata": { "finalizers": null } })).await;
    team.delete_cluster("one").await;
    team.create_cluster("one", json!({ "lifecycle": "WhenNeeded" })).await;
    team.need("one", true).await;
    controller.restart();
    let after = team.cluster_reason("one", "Running").await.status.expect("a status").cluster_id;
    assert_eq!(after, before);
    assert_eq!(team.emr().await["started"].as_u64(), Some(1));
}

#[tokio::test]
async fn a_cluster_that_no_resource_keeps_is_ended_if_the_platform_says_so() {
    let team = Team::new("orphan").await;
    let mut controller = Controller::with(&team, |installation| {
        with_clusters(installation);
        installation.clusters.orphans = mizuumi_api::installation::OrphanPolicy::Terminate;
    })
    .await;
    team.class(json!({})).await;
    for name in ["kept", "lost"] {
        team.create_cluster(name, json!({ "lifecycle": "WhenNeeded" })).await;
        team.need(name, true).await;
        team.cluster_reason(name, "Running").await;
    }
    controller.kill();
    team.patch_cluster("lost", json!({ "metadata": { "finalizers": null } })).await;
    team.delete_cluster("lost").await;
    controller.restart();
    team.eventually("kept", "the end of the lost one", async || {
        let emr = team.emr().await;
        ensure!(emr["alive"] == 1, "{emr:#}");
        Ok(())
    })
    .await;
    team.cluster_reason("kept", "Running").await;
}
