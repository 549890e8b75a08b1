//! The steps of a cluster that runs have asked for, found by their names.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_emr::types::{StepState, StepSummary};
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::RunStepState;
use mizuumi_core::emr_cluster::run_steps::{SeenStep, SeenSteps, StepsLook, nonce_of};
use mizuumi_core::{Ask, Failure};

use super::{failed, moment};
use crate::clients::ProfileClients;
use crate::gateway::api;

/// Steps are looked for among those made so long before they were written down: clocks differ.
const EARLIER: SignedDuration = SignedDuration::from_mins(5);

/// What is known of the steps of clusters, by the cluster's id. EMR lets steps be listed once in two seconds, whatever the clusters.
#[derive(Debug, Default)]
pub(crate) struct Listings(HashMap<String, SeenSteps>);

impl Listings {
    /// What the last listing showed, if that shows every step that is looked for, and is not too old to be asked again.
    /// The plan says by the same clock when the next is due: by another one it would be woken for a listing that still holds.
    pub(crate) fn known(&self, look: &StepsLook, now: Timestamp) -> Option<SeenSteps> {
        let seen = self.0.get(&look.cluster_id)?;
        let has_all = look.nonces.iter().all(|nonce| seen.steps.contains_key(nonce));
        (has_all && now.duration_since(seen.listed) < look.pause).then(|| seen.clone())
    }

    /// Notes what a listing shows.
    pub(crate) fn listed(&mut self, cluster: &str, seen: SeenSteps) {
        self.0.insert(cluster.to_owned(), seen);
    }

    /// Notes steps that EMR has said it has: they wait.
    pub(crate) fn added(
        &mut self,
        cluster: &str,
        now: Timestamp,
        steps: impl Iterator<Item = (String, String)>,
    ) {
        let nothing = || SeenSteps { listed: now, steps: BTreeMap::new() };
        let seen = self.0.entry(cluster.to_owned()).or_insert_with(nothing);
        let waits = |id| SeenStep { id, state: RunStepState::Pending, message: None };
        seen.steps.extend(steps.map(|(nonce, id)| (nonce, waits(id))));
    }

    /// Nobody asks for the cluster any more.
    pub(crate) fn forget(&mut self, cluster: &str) {
        self.0.remove(cluster);
    }
}

/// The steps that are asked for, as far as EMR has them: pages of 50, the newest first, as far back as any could be.
pub(crate) async fn seen(clients: &ProfileClients, ask: Ask, look: &StepsLook) -> Result<SeenSteps, Failure> {
    let earliest = look.since.checked_sub(EARLIER).unwrap_or(Timestamp::MIN);
    let list = clients.emr.list_steps().cluster_id(&look.cluster_id);
    let api = api!("elasticmapreduce", "ListSteps", Read);
    let mut steps = BTreeMap::new();
    let mut marker = None;
    loop {
        let page = list.clone().set_marker(marker);
        let Some(answer) = clients.gateway.read(api, ask.lane, || page.clone().send()).await? else { break };
        for step in answer.steps() {
            let nonce = nonce_of(step.name().unwrap_or_default());
            if look.nonces.contains(nonce)
                && let Some(seen) = read(step)
            {
                steps.insert(nonce.to_owned(), seen);
            }
        }
        let is_too_old = answer.steps().last().is_some_and(|oldest| {
            let timeline = oldest.status().and_then(|status| status.timeline());
            moment(timeline.and_then(|timeline| timeline.creation_date_time()))
                .is_some_and(|created| created < earliest)
        });
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() || is_too_old || steps.len() == look.nonces.len() {
            break;
        }
    }
    Ok(SeenSteps { listed: ask.now, steps })
}

fn read(step: &StepSummary) -> Option<SeenStep> {
    let state = match step.status()?.state()? {
        StepState::Pending => RunStepState::Pending,
        StepState::Completed => RunStepState::Completed,
        StepState::Failed => RunStepState::Failed,
        StepState::Cancelled => RunStepState::Cancelled,
        // Its cluster ended under it.
        StepState::Interrupted => RunStepState::Lost,
        // One that is being cancelled still runs.
        _ => RunStepState::Running,
    };
    let message = (state == RunStepState::Failed).then(|| {
        let failed = failed(step);
        let log = failed.log_file.map(|file| format!("log {file}"));
        failed.reason.into_iter().chain(log).collect::<Vec<_>>().join(", ")
    });
    Some(SeenStep { id: step.id()?.to_owned(), state, message })
}

#[cfg(test)]
mod tests {
    use mizuumi_core::emr_cluster::run_steps::{SeenStep, SeenSteps, StepsLook};

    use super::*;

    fn look(nonces: &[&str], pause: SignedDuration) -> StepsLook {
        let nonces = nonces.iter().map(|nonce| (*nonce).to_owned()).collect();
        StepsLook { cluster_id: "j-1".to_owned(), nonces, since: Timestamp::UNIX_EPOCH, pause }
    }

    fn added(nonce: &str) -> impl Iterator<Item = (String, String)> {
        std::iter::once((nonce.to_owned(), format!("s-{nonce}")))
    }

    #[test]
    fn a_listing_is_taken_again_when_it_is_old_or_does_not_show_all() {
        let soon = SignedDuration::from_secs(30);
        let mut listings = Listings::default();
        assert_eq!(listings.known(&look(&["a"], soon), Timestamp::UNIX_EPOCH), None, "nothing was listed");
        listings.added("j-1", Timestamp::UNIX_EPOCH, added("a"));
        let known =
            listings.known(&look(&["a"], soon), Timestamp::UNIX_EPOCH).expect("EMR has said that it has it");
        assert_eq!(known.steps["a"].state, RunStepState::Pending);
        assert_eq!(
            listings.known(&look(&["a", "b"], soon), Timestamp::UNIX_EPOCH),
            None,
            "nobody has seen b"
        );
        assert_eq!(
            listings.known(&look(&["a"], SignedDuration::ZERO), Timestamp::UNIX_EPOCH),
            None,
            "it is old"
        );

        let running = SeenStep { id: "s-b".to_owned(), state: RunStepState::Running, message: None };
        let seen = SeenSteps {
            listed: Timestamp::UNIX_EPOCH,
            steps: BTreeMap::from([("b".to_owned(), running.clone())]),
        };
        listings.listed("j-1", seen);
        assert_eq!(
            listings.known(&look(&["a"], soon), Timestamp::UNIX_EPOCH),
            None,
            "the listing does not show it any more"
        );
        listings.added("j-1", Timestamp::UNIX_EPOCH, added("c"));
        let known = listings
            .known(&look(&["b", "c"], soon), Timestamp::UNIX_EPOCH)
            .expect("one was listed, one was added");
        assert_eq!(known.steps["b"], running);
        listings.forget("j-1");
        assert_eq!(listings.known(&look(&["b"], soon), Timestamp::UNIX_EPOCH), None);
    }
}
