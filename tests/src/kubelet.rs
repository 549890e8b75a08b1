//! A stand-in for the only part of Kubernetes that the stand does not have: it "runs" the pods of a team.
//!
//! Jobs, their pods, their deadlines and their ends are the real controllers' work. What a container would do, a test does with the
//! container's own environment and arguments; the pod's status goes through the states that a kubelet writes, so that the real
//! Job controller decides what became of the Job.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use mizuumi_api::label;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::team::Team;
use crate::wait::now;

/// Between two looks for new pods.
const PAUSE: Duration = Duration::from_millis(100);

/// A container as it is started.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its image.
    pub image: String,
}

/// How a pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its container ends with this code.
    Code(i32),
    /// The node takes it away.
    TakenAway,
    /// It goes on for ever.
    Never,
}

/// What containers do.
pub type Work = Arc<dyn Fn(Container) -> BoxFuture<'static, Exit> + Send + Sync>;

/// Runs the pods of a team until it is dropped.
#[derive(Debug)]
pub struct Kubelet(JoinHandle<()>);

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Team {
    /// Runs the team's pods from now on; each container does `work`.
    #[must_use]
    pub fn kubelet(&self, work: Work) -> Kubelet {
        Kubelet(tokio::spawn(run(self.client.clone(), self.namespace.clone(), work)))
    }

    /// The Jobs that do the work of a run, by name.
    pub async fn jobs_of(&self, run: &str) -> Vec<Job> {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        let of_run = ListParams::default().labels(&format!("{}={run}", label::RUN));
        jobs.list(&of_run).await.expect("the Jobs").items
    }

    /// How many Jobs each run has.
    pub(crate) async fn all_jobs(&self) -> BTreeMap<String, usize> {
        let jobs: Api<Job> = Api::namespaced(self.client.clone(), &self.namespace);
        let jobs = jobs.list(&ListParams::default().labels(label::RUN)).await.expect("the Jobs");
        let mut all = BTreeMap::new();
        for run in jobs.items.iter().filter_map(|job| job.labels().get(label::RUN)) {
            *all.entry(run.clone()).or_default() += 1;
        }
        all
    }
}

async fn run(client: Client, namespace: String, work: Work) {
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let mut seen = HashSet::new();
    loop {
        // An apiserver that is made to fail by a test answers again.
        for pod in pods.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
            let is_new = pod.metadata.deletion_timestamp.is_none() && seen.insert(pod.uid());
            if is_new {
                tokio::spawn(run_pod(pods.clone(), pod, work.clone()));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn run_pod(pods: Api<Pod>, pod: Pod, work: Work) {
    let name = pod.name_any();
    let started = now().to_string();
    let tell = async |status: serde_json::Value| {
        let patch = Patch::Merge(json!({ "status": status }));
        // It may be gone.
        pods.patch_status(&name, &PatchParams::default(), &patch).await.ok();
    };
    tell(json!({
        "phase": "Running",
        "startTime": started,
        "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": started }],
    }))
    .await;
    let Some(container) = pod.spec.and_then(|spec| spec.containers.into_iter().next()) else { return };
    let env = container.env.unwrap_or_default();
    let container = Container {
        env: env.into_iter().map(|variable| (variable.name, variable.value.unwrap_or_default())).collect(),
        args: container.args.unwrap_or_default(),
        image: container.image.unwrap_or_default(),
    };
    let image = container.image.clone();
    let ended = |code: i32| {
        let terminated = json!({
            "exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" },
            "startedAt": started, "finishedAt": now().to_string(),
        });
        json!([{
            "name": "work", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": { "terminated": terminated },
        }])
    };
    match work(container).await {
        Exit::Code(code) => {
            let phase = if code == 0 { "Succeeded" } else { "Failed" };
            tell(json!({ "phase": phase, "containerStatuses": ended(code) })).await;
        }
        Exit::TakenAway => {
            let condition = json!({
                "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
                "message": "a spot node was taken away", "lastTransitionTime": now().to_string(),
            });
            tell(json!({ "phase": "Failed", "conditions": [condition], "containerStatuses": ended(137) }))
                .await;
        }
        Exit::Never => {}
    }
}
