//! What a user does to one EMR cluster, and how the controller dies on the way.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use mizuumi_api::ConditionStatus;
use mizuumi_api::emr_cluster::Phase;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster_judge::{ClusterWitness, Counted, cluster_portrait};
use crate::clusters::with_clusters;
use crate::controller::{Controller, Launch};
use crate::judge::Finding;
use crate::proxy::Proxy;
use crate::story::{Death, Reference, arm};
use crate::team::Team;

/// The cluster's resource.
const ONE: &str = "one";
/// So many calls after the last write are tried too; what follows only waits for EMR.
const AFTERWARDS: usize = 3;

/// What a user does to a cluster; the controller dies on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterStory {
    /// One is made that does a step and ends.
    Create,
    /// All changes that a running one can follow.
    Update,
    /// A running one gives way to another, since it cannot follow.
    Replace,
    /// A running one that is protected is deleted.
    Delete,
    /// A running one is let go.
    Release,
}

/// How a story with a death ended.
#[derive(Debug)]
pub struct ClusterEnd {
    /// What is in EMR.
    pub end: String,
    /// What can be said against it.
    pub finding: Finding,
    /// Clusters that were started.
    pub counted: Counted,
    /// From the next controller's start to the end, in seconds.
    pub seconds: f64,
}

/// Every field that changes while a cluster runs.
fn changed() -> Value {
    json!({
        "stepConcurrency": 5, "idleTimeout": "6d", "tags": { "team": "b" }, "terminationProtection": true,
        "instanceGroups": [
            { "name": "master", "role": "Master", "instanceType": "m6g.xlarge" },
            { "name": "core", "role": "Core", "instanceType": "m6g.xlarge", "count": 4 },
        ],
    })
}

impl ClusterStory {
    /// Every story.
    pub const ALL: [Self; 5] = [Self::Create, Self::Update, Self::Replace, Self::Delete, Self::Release];

    /// All that comes before.
    pub async fn prepare(self, team: &Team) {
        team.class(json!({})).await;
        let spec = match self {
            Self::Create => return,
            Self::Update => json!({ "tags": { "team": "a" } }),
            Self::Replace => json!({ "onSpecChange": "Recreate" }),
            Self::Delete => json!({ "terminationProtection": true }),
            Self::Release => json!({ "deletionPolicy": "Retain", "tags": { "team": "a" } }),
        };
        team.create_needed(ONE, spec).await;
        team.cluster_reason(ONE, "Running").await;
    }

    /// What the user does.
    pub async fn act(self, team: &Team) {
        match self {
            Self::Create => drop(team.create_batch(ONE, &["only"]).await),
            Self::Update => drop(team.patch_cluster(ONE, json!({ "spec": changed() })).await),
            Self::Replace => {
                let spec = json!({ "releaseLabel": "emr-7.6.0" });
                team.patch_cluster(ONE, json!({ "spec": spec })).await;
            }
            Self::Delete | Self::Release => team.delete_cluster(ONE).await,
        }
    }

    /// Whether the controller has nothing left to do.
    ///
    /// # Errors
    /// If it has.
    pub async fn has_ended(self, team: &Team) -> Result<()> {
        let one = team.clusters().get_opt(ONE).await?;
        let ended = match (self, &one) {
            (Self::Delete | Self::Release, one) => one.is_none(),
            (_, None) => false,
            (_, Some(one)) => one.status.as_ref().is_some_and(|status| {
                let phase = if self == Self::Create { Phase::Completed } else { Phase::Waiting };
                status.phase == Some(phase)
                    && Some(status.observed_generation) == one.metadata.generation
                    && status
                        .conditions
                        .iter()
                        .any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True)
            }),
        };
        ensure!(ended, "it has not ended");
        Ok(())
    }

    /// Waits until the controller has nothing left to do.
    pub async fn end(self, team: &Team) {
        team.eventually(ONE, "the end", async || self.has_ended(team).await).await;
    }

    /// The story without a death.
    pub async fn reference(self) -> Reference {
        let team = Team::new("reference").await;
        // What others have is looked at too, so it is there in each telling.
        let witness = ClusterWitness::of(&team).await;
        let proxy = Proxy::of_apiserver(&team).await;
        let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
        let _controller = Controller::launch(&team, launch, with_clusters).await;
        self.prepare(&team).await;
        let (since, asked) = (team.admin.seq().await, proxy.asked().len());
        self.act(&team).await;
        self.end(&team).await;
        let calls = team.admin.calls(since).await;
        let requests = proxy.asked().split_off(asked);
        let requests = requests.iter().filter(|ask| ask.is_single()).map(ToString::to_string).collect();
        let (finding, _) = witness.judge().await;
        assert_eq!(finding, Finding::default(), "{self:?} goes wrong undisturbed");
        Reference { calls, requests, end: cluster_portrait(&team).await, effects: BTreeMap::new() }
    }

    /// The story with a death, and another controller that takes over.
    pub async fn with_death(self, death: Death, reference: &Reference) -> ClusterEnd {
        let team = Team::new("crash").await;
        let witness = ClusterWitness::of(&team).await;
        let proxy = Proxy::of_apiserver(&team).await;
        let launch = Launch::through(&proxy.kubeconfig(&team, "proxied"));
        let mut controller = Controller::launch(&team, launch, with_clusters).await;
        self.prepare(&team).await;
        match rule(death, reference) {
            Some(rule) => team.admin.fault(rule).await,
            None => arm(&team, Some(&proxy), death).await,
        }
        self.act(&team).await;
        let is_struck = team
            .eventually(ONE, &format!("{death:?}"), async || {
                let is_struck = team.admin.struck().await + proxy.struck() > 0;
                // Looks that happen to be shared make a story shorter than the reference: then the end is the point.
                ensure!(is_struck || self.has_ended(&team).await.is_ok(), "it has not come to that");
                Ok(is_struck)
            })
            .await;
        controller.kill();
        team.admin.heal().await;
        proxy.heal();
        let began = Instant::now();
        controller.restart();
        self.end(&team).await;
        let seconds = began.elapsed().as_secs_f64();
        if is_struck && matches!(death, Death::Late(_)) {
            team.eventually(ONE, "the late effect", async || {
                let calls = team.admin.calls(0).await;
                ensure!(calls.iter().any(|call| call.fault.as_deref() == Some("delay")), "not yet");
                Ok(())
            })
            .await;
        }
        let (mut finding, counted) = witness.judge().await;
        let end = cluster_portrait(&team).await;
        if end != reference.end {
            finding.lost.push(format!("the end is another one:\n{end}\ninstead of\n{}", reference.end));
        }
        ClusterEnd { end, finding, counted, seconds }
    }

    /// Where a controller can die on its way: all that [`Reference::deaths`] has until EMR alone is at work.
    #[must_use]
    pub fn deaths(reference: &Reference) -> Vec<Death> {
        let last = reference.calls.iter().rposition(crate::admin::Call::writes).unwrap_or_default();
        let all = reference.deaths().into_iter();
        all.filter(|death| death.number() <= last + 1 + AFTERWARDS).collect()
    }

    /// Those of them that leave the world in different states.
    #[must_use]
    pub fn deaths_at_writes(reference: &Reference) -> Vec<Death> {
        reference.only_at_writes(Self::deaths(reference))
    }
}

/// How often EMR is looked at differs from telling to telling, so writes are struck by their names.
fn rule(death: Death, reference: &Reference) -> Option<Value> {
    let (Death::After(number) | Death::Late(number)) = death else { return None };
    let operation = &reference.calls[number - 1].operation;
    let nth = reference.calls[..number].iter().filter(|call| call.operation == *operation).count();
    let action = if matches!(death, Death::After(_)) { "drop-after" } else { "delay" };
    Some(json!({ "action": action, "delayMs": 1000, "operation": operation, "from": nth, "times": 1 }))
}
