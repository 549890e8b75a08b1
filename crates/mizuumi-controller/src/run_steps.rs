//! Runs and the clusters that do their work: who asks which cluster for a step, and what each cluster answers.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::{Api, Client, ResourceExt};
use mizuumi_api::condition::{self, ConditionType};
use mizuumi_api::data_table::ManagementPolicy;
use mizuumi_api::emr_cluster::{Lifecycle, RunStepStatus};
use mizuumi_api::ingest_run::{EmrStep, RunPhase};
use mizuumi_api::{EmrCluster, IngestJob, IngestRun};
use mizuumi_core::Lane;
use mizuumi_core::emr_cluster::{AskedStep, Awaited};
use mizuumi_core::ingest_job::prewarm;
use mizuumi_core::ingest_run::{Worker, attempt, own_cluster, work};

use crate::error::{Error, in_time};
use crate::listed::Listed;
use crate::name::Name;
use crate::queue::Queue;

/// What runs ask a cluster for within so long is one request: EMR lets steps be added once in two seconds.
const ASKS: Duration = Duration::from_secs(1);

/// Runs and the clusters that do their work.
pub(crate) struct RunSteps {
    client: Client,
    region: String,
    run_queue: Arc<Queue>,
    cluster_queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    clusters: BTreeMap<Name, Cluster>,
    /// What each run asks for, by the run.
    asks: HashMap<Name, AskedStep>,
    /// Which cluster each run needs beside that, and when.
    awaits: HashMap<Name, (String, Awaited)>,
    /// Which cluster each job needs ahead of its runs, and when.
    job_awaits: HashMap<Name, (String, Vec<Awaited>)>,
    /// Runs whose work is a step and that are not over.
    waiting: BTreeSet<Name>,
    /// Namespaces of which the runs have been listed.
    listed: Listed,
}

/// What a run needs to know of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cluster {
    labels: BTreeMap<String, String>,
    refuses: Option<String>,
    stalled: Option<String>,
    owners: Vec<String>,
    answers: Vec<RunStepStatus>,
}

impl RunSteps {
    pub(crate) fn new(
        client: Client,
        region: String,
        run_queue: Arc<Queue>,
        cluster_queue: Arc<Queue>,
    ) -> Self {
        Self { client, region, run_queue, cluster_queue, state: Mutex::default() }
    }

    /// The watch has brought a cluster, or says that it is gone: its runs look at it again.
    pub(crate) fn cluster_brought(&self, name: &Name, cluster: Option<&EmrCluster>) {
        let now = cluster.map(|cluster| Cluster {
            labels: cluster.labels().clone(),
            refuses: refuses(cluster),
            stalled: stalled(cluster),
            owners: cluster.owner_references().iter().map(|owner| owner.uid.clone()).collect(),
            answers: cluster.status.as_ref().map(|status| status.runs.clone()).unwrap_or_default(),
        });
        let mut state = self.state();
        let before = match &now {
            Some(cluster) => state.clusters.insert(name.clone(), cluster.clone()),
            None => state.clusters.remove(name),
        };
        let is_same_offer = match (&before, &now) {
            (Some(before), Some(now)) => before.labels == now.labels && before.refuses == now.refuses,
            _ => false,
        };
        let woken: Vec<Name> = if is_same_offer {
            let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
            let changed = now.answers.iter().filter(|answer| !before.answers.contains(answer));
            let asking = state.asks.iter().filter(|(run, ask)| {
                before.stalled != now.stalled && run.namespace == name.namespace && *ask.cluster == *name.name
            });
            changed
                .map(|answer| Name { name: answer.run.as_str().into(), ..name.clone() })
                .chain(asking.map(|(run, _)| run.clone()))
                .collect()
        } else {
            state.waiting.iter().filter(|run| run.namespace == name.namespace).cloned().collect()
        };
        drop(state);
        for run in woken {
            self.run_queue.push(&run, Lane::Progress);
        }
    }

    /// The watch has brought a run, or says that it is gone: the cluster that it asks looks at it.
    pub(crate) fn run_brought(&self, name: &Name, run: Option<&IngestRun>) {
        let ask = run.and_then(|run| work::asked_step(run, &self.region));
        let awaits = run.and_then(attempt::awaits);
        let is_waiting = run.is_some_and(|run| {
            let phase = run.status.as_ref().and_then(|status| status.phase);
            run.spec.emr_step.is_some() && !phase.is_some_and(RunPhase::is_over)
        });
        let mut state = self.state();
        if is_waiting {
            state.waiting.insert(name.clone());
        } else {
            state.waiting.remove(name);
        }
        let asked = set(&mut state.asks, name, ask.clone());
        let awaited = set(&mut state.awaits, name, awaits.clone());
        drop(state);
        let mut clusters = BTreeSet::new();
        if asked != ask {
            clusters.extend(asked.into_iter().chain(ask).map(|ask| ask.cluster));
        }
        if awaited != awaits {
            clusters.extend(awaited.into_iter().chain(awaits).map(|(cluster, _)| cluster));
        }
        self.wake_clusters(name, clusters);
    }

    /// The watch has brought a job, or says that it is gone: the cluster that it needs ahead of its runs looks at that.
    pub(crate) fn job_brought(&self, name: &Name, job: Option<&IngestJob>) {
        let now = job.and_then(prewarm::awaits);
        let before = set(&mut self.state().job_awaits, name, now.clone());
        if before != now {
            let clusters = before.into_iter().chain(now).map(|(cluster, _)| cluster).collect();
            self.wake_clusters(name, clusters);
        }
    }

    fn wake_clusters(&self, beside: &Name, clusters: BTreeSet<String>) {
        for cluster in clusters {
            let cluster = Name { name: cluster.as_str().into(), ..beside.clone() };
            // Each cluster in its turn: the newest would go first among changes, and one that is asked again and again before all others.
            self.cluster_queue.gather(&cluster, Lane::Progress, ASKS);
        }
    }

    /// When a cluster is needed beside the steps that it is asked for.
    pub(crate) fn awaited(&self, cluster: &Name) -> Vec<Awaited> {
        let state = self.state();
        let is_it = |who: &Name, of: &str| who.namespace == cluster.namespace && *of == *cluster.name;
        let runs = state.awaits.iter().filter(|(run, (of, _))| is_it(run, of));
        let jobs = state.job_awaits.iter().filter(|(job, (of, _))| is_it(job, of));
        let of_jobs = jobs.flat_map(|(_, (_, awaited))| awaited.iter().copied());
        runs.map(|(_, (_, awaited))| *awaited).chain(of_jobs).collect()
    }

    /// The runs of a namespace have been listed, or of all of them: what its clusters are asked for is known.
    pub(crate) fn runs_listed(&self, namespace: Option<&Arc<str>>) {
        let mut state = self.state();
        if !state.listed.add(namespace) {
            return;
        }
        let of_scope = |name: &&Name| namespace.is_none_or(|namespace| *namespace == name.namespace);
        let clusters: Vec<Name> = state.clusters.keys().filter(of_scope).cloned().collect();
        drop(state);
        for cluster in clusters {
            self.cluster_queue.push(&cluster, Lane::Progress);
        }
    }

    /// The clusters that could do a run's work; once one was asked, that one.
    pub(crate) fn workers(&self, run: &IngestRun) -> Vec<Worker> {
        let Some(step) = &run.spec.emr_step else { return Vec::new() };
        let attempt = run.status.as_ref().and_then(|status| status.attempt.as_ref());
        let open = attempt.filter(|attempt| attempt.ended_at.is_none());
        let name = Name::of(run);
        let state = self.state();
        let mut of_cluster: HashMap<&str, usize> = HashMap::new();
        for (_, ask) in state.asks.iter().filter(|(run, _)| run.namespace == name.namespace) {
            *of_cluster.entry(&ask.cluster).or_default() += 1;
        }
        let could = state.clusters.iter().filter(|(cluster, seen)| {
            cluster.namespace == name.namespace
                && match open {
                    Some(attempt) => *cluster.name == *attempt.worker,
                    None => is_meant(run, step, cluster, seen),
                }
        });
        could
            .map(|(cluster, seen)| Worker {
                name: cluster.name.to_string(),
                runs: of_cluster.get(&*cluster.name).copied().unwrap_or_default(),
                refuses: seen.refuses.clone(),
                stalled: seen.stalled.clone(),
                answer: open
                    .and_then(|open| seen.answers.iter().find(|answer| answer.nonce == open.nonce))
                    .cloned(),
            })
            .collect()
    }

    /// The steps that runs ask a cluster for. What the cluster has not written down yet is read anew, since the watch may show a
    /// past in which a run still asked.
    pub(crate) async fn asked(&self, cluster: &EmrCluster) -> Result<Option<Vec<AskedStep>>, Error> {
        let name = Name::of(cluster);
        let asking: Vec<(Name, AskedStep)> = {
            let state = self.state();
            if !state.listed.has(&name.namespace) {
                return Ok(None);
            }
            let is_asked =
                |run: &Name, ask: &AskedStep| run.namespace == name.namespace && *ask.cluster == *name.name;
            let asking = state.asks.iter().filter(|(run, ask)| is_asked(run, ask));
            asking.map(|(run, ask)| (run.clone(), ask.clone())).collect()
        };
        let known: HashSet<&str> = cluster
            .status
            .iter()
            .flat_map(|status| &status.runs)
            .map(|answer| answer.nonce.as_str())
            .collect();
        let runs: Api<IngestRun> = Api::namespaced(self.client.clone(), &name.namespace);
        let mut all = Vec::new();
        for (run, asked) in asking {
            if known.contains(asked.nonce.as_str()) {
                all.push(asked);
                continue;
            }
            let object = in_time(runs.get_opt(&run.name), Error::ReadObject).await?;
            let asked = object.and_then(|object| work::asked_step(&object, &self.region));
            all.extend(asked.filter(|asked| *asked.cluster == *name.name));
        }
        all.sort_by(|one, other| one.call.name.cmp(&other.call.name));
        Ok(Some(all))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts what is said now in the place of what was said before; answers that.
fn set<T>(all: &mut HashMap<Name, T>, name: &Name, now: Option<T>) -> Option<T> {
    match now {
        Some(now) => all.insert(name.clone(), now),
        None => all.remove(name),
    }
}

/// Whether a run means this cluster.
fn is_meant(run: &IngestRun, step: &EmrStep, name: &Name, cluster: &Cluster) -> bool {
    match (&step.cluster, &step.cluster_selector) {
        (Some(of), _) => *name.name == **of,
        (None, Some(labels)) => labels.iter().all(|(key, value)| cluster.labels.get(key) == Some(value)),
        (None, None) => {
            let uid = run.uid().unwrap_or_default();
            *name.name == *own_cluster::name(&run.name_any(), &uid) && cluster.owners.contains(&uid)
        }
    }
}

/// Why a cluster waits for somebody to change something, if it does.
fn stalled(cluster: &EmrCluster) -> Option<String> {
    let conditions = &cluster.status.as_ref()?.conditions;
    let stalled = condition::find(conditions, ConditionType::Stalled)?;
    Some(format!("{}: {}", stalled.reason, stalled.message))
}

/// Why a cluster takes no steps of runs, if it takes none.
fn refuses(cluster: &EmrCluster) -> Option<String> {
    let spec = &cluster.spec;
    if cluster.metadata.deletion_timestamp.is_some() {
        return Some("it is being deleted".to_owned());
    }
    if spec.lifecycle == Lifecycle::Batch {
        return Some(
            "its `spec.lifecycle` is 'Batch', so it does its own steps and ends with them".to_owned(),
        );
    }
    (spec.management_policy != ManagementPolicy::Full)
        .then(|| "its `spec.managementPolicy` is not 'Full', so nothing is written for it".to_owned())
}
