//! What has become of the clusters and steps of each owner: whether one was started twice, or nobody knows it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::life::Millis;
use super::{Cluster, Emr};
use crate::owner::OWNER_TAG;

/// A cluster, as the survey names it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    account: String,
    region: String,
    id: String,
    name: String,
    state: &'static str,
    created: Timestamp,
    /// When it began to end.
    ending: Option<Timestamp>,
}

/// Steps of one name.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Steps {
    /// Accepted by EMR.
    submitted: u64,
    /// Those that have run.
    started: u64,
}

/// What one owner has.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    /// Clusters ever started.
    started: usize,
    /// Clusters that have not begun to end.
    alive: usize,
    /// Clusters that were started while another was alive.
    duplicates: usize,
    clusters: Vec<Named>,
    /// Steps by name, which carries their attempt.
    steps: BTreeMap<String, Steps>,
}

/// What there is to tell.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Survey {
    started: usize,
    alive: usize,
    duplicates: usize,
    /// Names of steps that have run more than once for one owner.
    steps_repeated: usize,
    owners: BTreeMap<String, Owned>,
    /// Clusters alive whose owner is none of those that are known, if it was said which are.
    orphans: Option<Vec<Named>>,
    /// Clusters alive that no tag says the owner of.
    unowned: Vec<Named>,
}

impl Cluster {
    /// Who the tag says that keeps it.
    pub(super) fn owner(&self) -> Option<&String> {
        self.tags.get(OWNER_TAG)
    }

    /// When it began to end.
    fn ending(&self) -> Option<Millis> {
        self.life.changes().iter().find(|change| change.state.is_ending()).map(|change| change.at)
    }
}

fn moment(at: Millis) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Survey {
    fn add(&mut self, cluster: &Cluster, named: &Named, known: Option<&BTreeSet<String>>) {
        let alive = named.ending.is_none();
        self.started += 1;
        self.alive += usize::from(alive);
        let Some(owner) = cluster.owner() else {
            self.unowned.extend(alive.then(|| named.clone()));
            return;
        };
        if alive && known.is_some_and(|known| !known.contains(owner)) {
            self.orphans.get_or_insert_default().push(named.clone());
        }
        let has = self.owners.entry(owner.clone()).or_default();
        has.started += 1;
        has.alive += usize::from(alive);
        // Clusters come in the order of their creation.
        let meets = |other: &Named| other.ending.is_none_or(|ending| ending > named.created);
        if has.clusters.iter().any(meets) {
            has.duplicates += 1;
            self.duplicates += 1;
        }
        has.clusters.push(named.clone());
        for (step, life) in cluster.steps.iter().zip(&cluster.life.steps) {
            let name = step.record["Name"].as_str().unwrap_or_default();
            let steps = has.steps.entry(name.to_owned()).or_default();
            steps.submitted += 1;
            steps.started += u64::from(life.started().is_some());
            self.steps_repeated += usize::from(life.started().is_some() && steps.started == 2);
        }
    }
}

impl Emr {
    /// All clusters of an account, or of all, since they were last forgotten; `known` are the owners that there are.
    pub(crate) fn survey(
        &self,
        account: Option<&str>,
        known: Option<&BTreeSet<String>>,
        now: Millis,
    ) -> Survey {
        let mut survey = Survey { orphans: known.map(|_| Vec::new()), ..Survey::default() };
        let mut held = self.0.hold();
        let (common, regions) = &mut *held;
        let mut places: Vec<_> = regions.iter_mut().collect();
        places.sort_by_key(|(place, _)| *place);
        for ((place, region), clusters) in places {
            if account.is_some_and(|account| account != place) {
                continue;
            }
            for cluster in &mut clusters.clusters {
                cluster.advance(now, common);
                let named = Named {
                    account: place.clone(),
                    region: region.clone(),
                    id: cluster.id.clone(),
                    name: cluster.name.clone(),
                    state: cluster.life.state().name(),
                    created: moment(cluster.life.created()),
                    ending: cluster.ending().map(moment),
                };
                survey.add(cluster, &named, known);
            }
        }
        survey
    }
}
