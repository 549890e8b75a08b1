//! Clusters observed, all of a profile by one list, and one step done on one of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::Installation;
use mizuumi_core::emr_cluster::import::Found;
use mizuumi_core::emr_cluster::run_steps::{SeenSteps, StepsLook};
use mizuumi_core::emr_cluster::step::Target;
use mizuumi_core::emr_cluster::world::OWNER;
use mizuumi_core::emr_cluster::{
    Cluster, ClusterKey, ClusterLook, ClusterStep, ClusterWorld, Clusters as Kind,
};
use mizuumi_core::{Ask, DataReading, Errand, Failure, Lane, Port, Reading};

use crate::clients::Clients;
use crate::emr::steps::StepsList;
use crate::emr::{self, Listed};
use crate::networks::Networks;

/// An attempt's cluster is looked for among those made so long before it was written down: clocks differ.
const EARLIER: SignedDuration = SignedDuration::from_mins(5);
/// A description is taken again after so long, though the list says that nothing has changed.
const AUDIT: Duration = Duration::from_mins(10);

/// EMR as the cluster driver sees it.
#[derive(Debug)]
pub struct ClusterPort {
    clients: Clients,
    /// By profile.
    lists: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<List>>>>>,
    seen: Mutex<Seen>,
    networks: Networks,
}

/// A cluster that this installation made, and that perhaps no resource keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Which.
    pub target: Target,
    /// Its name.
    pub name: String,
    /// Namespace of the resource that its tags name.
    pub namespace: String,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it cannot be terminated.
    pub is_protected: bool,
}

/// The clusters of a profile that are alive.
#[derive(Clone, Debug)]
pub(crate) struct List {
    began: Instant,
    at: Timestamp,
    pub(crate) clusters: Arc<Vec<Listed>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Descriptions, by the cluster's id.
    described: HashMap<String, Described>,
    /// Who asks, and what it saw in the list.
    watched: HashMap<ClusterKey, Watched>,
    /// What attempts of this process came to: nonce and id.
    made: HashMap<ClusterKey, (String, String)>,
    /// Steps of runs.
    steps: emr::steps::Listings,
}

#[derive(Clone, Debug)]
struct Described {
    at: Instant,
    /// What the list said then; none if it did not have the cluster.
    listed: Option<Listed>,
    cluster: Option<Cluster>,
}

#[derive(Clone, Debug)]
struct Watched {
    profile: String,
    stem: String,
    listed: Vec<Listed>,
}

impl ClusterPort {
    /// A port onto EMR.
    #[must_use]
    pub fn new(clients: Clients) -> Self {
        Self { clients, lists: Mutex::default(), seen: Mutex::default(), networks: Networks::default() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clusters of a profile that are alive, by a list that began then or later. Those who ask together share one.
    pub(crate) async fn list(
        &self,
        profile: &str,
        lane: Lane,
        reading: Reading,
        now: Timestamp,
    ) -> Result<List, Failure> {
        let list = {
            let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
            lists.entry(profile.to_owned()).or_default().clone()
        };
        let mut list = list.lock().await;
        if let Some(known) = list.as_ref()
            && match reading {
                Reading::Known => true,
                Reading::Since(since) => known.began >= since,
            }
        {
            return Ok(known.clone());
        }
        // Whoever looks and fails knows nothing.
        *list = None;
        let began = Instant::now();
        let clusters = emr::list(self.clients.of(profile)?, lane, None).await?;
        let new = List { began, at: now, clusters: Arc::new(clusters) };
        *list = Some(new.clone());
        Ok(new)
    }

    /// Looks at all clusters of each profile that is asked for, and answers the resources whose clusters look different.
    pub async fn sweep(&self, now: Timestamp) -> (Vec<ClusterKey>, Vec<Failure>) {
        let watched = self.seen().watched.clone();
        let profiles: BTreeSet<&String> = watched.values().map(|watched| &watched.profile).collect();
        let (mut changed, mut failures) = (Vec::new(), Vec::new());
        for profile in profiles {
            match self.list(profile, Lane::Drift, Reading::Since(Instant::now()), now).await {
                Ok(list) => changed.extend(
                    watched
                        .iter()
                        .filter(|(_, watched)| {
                            watched.profile == *profile && watched.listed != of_stem(&list, &watched.stem)
                        })
                        .map(|(key, _)| key.clone()),
                ),
                Err(failure) => failures.push(failure),
            }
        }
        (changed, failures)
    }

    /// Whether any resource has asked for clusters.
    pub fn has_clusters(&self) -> bool {
        !self.seen().watched.is_empty()
    }

    /// Every cluster that is alive and whose name and tags say that this installation made it, in each profile that has any.
    pub async fn of_installation(
        &self,
        installation: &Installation,
        now: Timestamp,
    ) -> Result<Vec<Orphan>, Failure> {
        let id = installation.installation.as_str();
        let mut found = Vec::new();
        let mut ids = BTreeSet::new();
        let profiles = installation.profiles.iter().filter(|(_, profile)| profile.emr.is_some());
        for profile in profiles.map(|(name, _)| name.as_str()) {
            // Nobody else may have asked for a list of this profile for long.
            let reading = Reading::Since(Instant::now());
            let list = self.list(profile, Lane::Drift, reading, now).await?;
            let prefix = format!("{id}-");
            for listed in list.clusters.iter().filter(|listed| listed.name.starts_with(&prefix)) {
                // Profiles may share an account.
                if !ids.insert(listed.id.clone()) {
                    continue;
                }
                let (definition, data) = (Reading::Known, DataReading::Known);
                let ask = Ask { definition, data, lane: Lane::Drift, now };
                let described = self.describe(profile, &listed.id, Some(listed), AUDIT, Began::now(ask));
                let Some((cluster, _)) = described.await? else { continue };
                let Some(owner) = cluster.tags.get(OWNER) else { continue };
                let mut parts = owner.split('/');
                if parts.next() != Some(id) {
                    continue;
                }
                let namespace = parts.next().unwrap_or_default().to_owned();
                let target =
                    Target { profile: profile.to_owned(), id: cluster.id.clone(), owner: owner.clone() };
                let (name, created, is_protected) = (cluster.name, cluster.created, cluster.is_protected);
                found.push(Orphan { target, name, namespace, created, is_protected });
            }
        }
        Ok(found)
    }

    /// A cluster with all that it could have been asked for by; none if EMR does not know it.
    pub async fn whole(&self, profile: &str, id: &str) -> Result<Option<Found>, Failure> {
        Box::pin(emr::whole::whole(self.clients.of(profile)?, id)).await
    }

    /// Ends a cluster that no resource keeps, if its tags still say that it is the one.
    pub async fn end(&self, orphan: &Orphan, errand: Errand<'_>) -> Result<(), Failure> {
        let clients = self.clients.of(&orphan.target.profile)?;
        let why = "no resource keeps it".to_owned();
        let step = ClusterStep::Terminate { cluster: orphan.target.clone(), why };
        self.seen().described.remove(&orphan.target.id);
        Box::pin(emr::write::change(clients, errand, &step)).await
    }

    /// Steps that runs have asked for, as the last listing showed them where that will do.
    async fn steps(
        &self,
        profile: &str,
        look: &StepsLook,
        is_alive: bool,
        began: Began,
    ) -> Result<SeenSteps, Failure> {
        if is_alive && let Some(known) = self.seen().steps.known(look, began.ask) {
            return Ok(known);
        }
        let list = emr::steps::sought(self.clients.of(profile)?, began.ask.lane, look).await?;
        let (sent, seen) = (list.sent, began.seen(list));
        if is_alive {
            self.seen().steps.listed(&look.cluster_id, sent, seen.clone());
        } else {
            self.seen().steps.forget(&look.cluster_id);
        }
        Ok(seen)
    }

    /// A description that is no older than is asked for, and that fits what the list says; one of a cluster whose nodes come or go
    /// holds for `resizing`. With it comes when it began. The listing of steps that it takes serves those who look for steps as well.
    async fn describe(
        &self,
        profile: &str,
        id: &str,
        listed: Option<&Listed>,
        resizing: Duration,
        began: Began,
    ) -> Result<Option<(Cluster, Instant)>, Failure> {
        let known = self.seen().described.get(id).cloned();
        if let Some(mut known) = known {
            let has_ended = known.cluster.as_ref().is_none_or(|cluster| !cluster.state.is_alive());
            let is_new = match began.ask.definition {
                Reading::Known => {
                    let is_resizing = known.cluster.as_ref().is_some_and(Cluster::is_resizing);
                    let holds = if is_resizing { resizing.min(AUDIT) } else { AUDIT };
                    is_like(known.listed.as_ref(), listed) && known.at.elapsed() < holds
                }
                Reading::Since(since) => known.at >= since,
            };
            // What has ended does not change any more.
            if is_new || (has_ended && listed.is_none()) {
                if let (Some(cluster), Some(listed)) = (&mut known.cluster, listed) {
                    cluster.normalized_instance_hours = listed.normalized_instance_hours;
                }
                return Ok(known.cluster.map(|cluster| (cluster, known.at)));
            }
        }
        let at = Instant::now();
        let described = emr::describe(self.clients.of(profile)?, began.ask.lane, id).await?;
        let (cluster, steps) = described.unzip();
        let mut seen = self.seen();
        if let (Some(Cluster { state, .. }), Some(Some(list))) = (&cluster, steps)
            && state.is_alive()
        {
            seen.steps.listed(id, list.sent, began.seen(list));
        }
        let described = Described { at, listed: listed.cloned(), cluster: cluster.clone() };
        seen.described.insert(id.to_owned(), described);
        Ok(cluster.map(|cluster| (cluster, at)))
    }
}

/// A look that has begun.
#[derive(Clone, Copy, Debug)]
struct Began {
    ask: Ask,
    /// When that was asked, by the clock that does not jump.
    at: Instant,
}

impl Began {
    fn now(ask: Ask) -> Self {
        Self { ask, at: Instant::now() }
    }

    /// What a listing shows: it is as old as its call, which may have waited for its turn.
    fn seen(&self, list: StepsList) -> SeenSteps {
        SeenSteps { listed: self.time_of(list.sent), steps: list.steps }
    }

    /// A moment by the clock of whoever asks.
    fn time_of(&self, at: Instant) -> Timestamp {
        let length = |length: Duration| SignedDuration::try_from(length).unwrap_or_default();
        let since =
            length(at.saturating_duration_since(self.at)) - length(self.at.saturating_duration_since(at));
        self.ask.now.checked_add(since).unwrap_or(self.ask.now)
    }
}

/// Whether what the list says of a cluster now is what it said before.
fn is_like(before: Option<&Listed>, now: Option<&Listed>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.tells_the_same(now),
        (before, now) => before.is_none() && now.is_none(),
    }
}

/// The clusters of one resource.
fn of_stem(list: &List, stem: &str) -> Vec<Listed> {
    list.clusters.iter().filter(|listed| is_of_stem(&listed.name, stem)).cloned().collect()
}

fn is_of_stem(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem).is_some_and(|nonce| !nonce.is_empty() && !nonce.contains('-'))
}

impl Port<Kind> for ClusterPort {
    async fn observe(&self, key: &ClusterKey, look: &ClusterLook, ask: Ask) -> Result<ClusterWorld, Failure> {
        let began = Began::now(ask);
        let list = self.list(&look.profile, ask.lane, ask.definition, ask.now).await?;
        let listed = of_stem(&list, &look.stem);
        let mut ids: BTreeMap<String, Option<Listed>> =
            listed.iter().map(|listed| (listed.id.clone(), Some(listed.clone()))).collect();
        let mut add = |id: String| {
            ids.entry(id).or_default();
        };
        look.cluster_id
            .iter()
            .chain(look.run_steps.iter().map(|steps| &steps.cluster_id))
            .for_each(|id| add(id.clone()));
        if let Some((nonce, since)) = &look.attempt {
            let made = self.seen().made.get(key).filter(|(of, _)| of == nonce).map(|(_, id)| id.clone());
            if let Some(id) = made {
                add(id);
            } else if !listed.iter().any(|listed| listed.name.ends_with(nonce.as_str())) {
                // It may have ended already.
                let since = since.checked_sub(EARLIER).unwrap_or(Timestamp::MIN);
                let all = emr::list(self.clients.of(&look.profile)?, ask.lane, Some(since)).await?;
                let mine = all.into_iter().filter(|listed| is_of_stem(&listed.name, &look.stem));
                mine.for_each(|listed| add(listed.id));
            }
        }
        let (mut clusters, mut described) = (Vec::new(), BTreeMap::new());
        let resizing = Duration::try_from(look.resizing).unwrap_or(AUDIT);
        for (id, listed) in ids {
            let seen = self.describe(&look.profile, &id, listed.as_ref(), resizing, began).await?;
            if let Some((cluster, at)) = seen {
                described.insert(id, began.time_of(at));
                clusters.push(cluster);
            }
        }
        let starts = !clusters.iter().any(|cluster: &Cluster| cluster.state.is_alive());
        let subnets = if look.subnets.is_empty() || !starts {
            None
        } else {
            Some(self.networks.subnets(&self.clients, &look.profile, &look.subnets, ask).await)
        };
        let mut run_steps = BTreeMap::new();
        for steps in &look.run_steps {
            // Only a listing that began after the end of a cluster shows what became of its steps.
            let is_alive = clusters.iter().any(|one| one.id == steps.cluster_id && one.state.is_alive());
            let seen = self.steps(&look.profile, steps, is_alive, began).await?;
            run_steps.insert(steps.cluster_id.clone(), seen);
        }
        let (profile, stem) = (look.profile.clone(), look.stem.clone());
        self.seen().watched.insert(key.clone(), Watched { profile, stem, listed });
        Ok(ClusterWorld { clusters, listed: Some(list.at), described, subnets, run_steps })
    }

    async fn execute(&self, key: &ClusterKey, step: &ClusterStep, errand: Errand<'_>) -> Result<(), Failure> {
        if let ClusterStep::RunJobFlow { attempt, name, marks, request } = step {
            let clients = self.clients.of(&attempt.profile)?;
            let id = Box::pin(emr::write::run_job_flow(clients, errand, name, marks, request)).await?;
            self.seen().made.insert(key.clone(), (attempt.nonce.clone(), id));
        }
        let Some(cluster) = step.target() else { return Ok(()) };
        let clients = self.clients.of(&cluster.profile)?;
        if let ClusterStep::AddSteps { records, calls, .. } = step {
            let added = Box::pin(emr::write::add_steps(clients, errand, cluster, calls)).await;
            let mut seen = self.seen();
            match (&added, records.first()) {
                (Ok(ids), Some(first)) => {
                    let nonces = records.iter().map(|record| record.nonce.clone());
                    seen.steps.added(&cluster.id, first.asked_at, nonces.zip(ids.iter().cloned()));
                }
                // The cluster is not what it was taken for: full, or at its end.
                _ => drop(seen.described.remove(&cluster.id)),
            }
            drop(seen);
            return added.map(drop);
        }
        let outcome = Box::pin(emr::write::change(clients, errand, step)).await;
        // Whatever came of it, only a new look tells. That of a pass goes on after what the pass has done.
        if !matches!(step, ClusterStep::CancelSteps { .. }) {
            self.seen().described.remove(&cluster.id);
        }
        outcome
    }

    fn expect(&self, _keys: Vec<ClusterKey>) {}

    fn forget(&self, key: &ClusterKey) {
        let mut seen = self.seen();
        seen.made.remove(key);
        if let Some(watched) = seen.watched.remove(key) {
            for listed in watched.listed {
                seen.described.remove(&listed.id);
                seen.steps.forget(&listed.id);
            }
        }
    }
}
