//! The steps of a cluster: how many there are, and those that runs have asked for, found by their names.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use aws_sdk_emr::types::{StepState, StepSummary};
use jiff::{SignedDuration, Timestamp};
use mizuumi_api::emr_cluster::{RunStepState, StepsStatus};
use mizuumi_core::emr_cluster::run_steps::{SeenStep, SeenSteps, StepsLook, nonce_of};
use mizuumi_core::{Ask, Failure, Lane, Reading};

use super::{failed, moment};
use crate::clients::ProfileClients;
use crate::gateway::{Sent, api};

/// Steps are looked for among those made so long before they were written down: clocks differ.
const EARLIER: SignedDuration = SignedDuration::from_mins(5);
/// Pages of steps that are counted; EMR has 50 on one, the newest first.
const PAGES: usize = 6;

/// What is known of the steps of clusters, by the cluster's id. EMR lets steps be listed once in two seconds, whatever the clusters.
#[derive(Debug, Default)]
pub(crate) struct Listings(HashMap<String, Listing>);

/// What was last heard of the steps of a cluster.
#[derive(Debug)]
struct Listing {
    /// When it was asked for, by the clock that does not jump.
    sent: Instant,
    seen: SeenSteps,
}

impl Listings {
    /// What the last listing showed, if that shows every step that is looked for, and is not too old to be asked again.
    /// The plan says by the same clock when the next is due: by another one it would be woken for a listing that still holds.
    pub(crate) fn known(&self, look: &StepsLook, ask: Ask) -> Option<SeenSteps> {
        let Listing { sent, seen } = self.0.get(&look.cluster_id)?;
        let is_new = match ask.definition {
            Reading::Known => ask.now.duration_since(seen.listed) < look.pause,
            Reading::Since(since) => *sent >= since,
        };
        let has_all = look.nonces.iter().all(|nonce| seen.steps.contains_key(nonce));
        (is_new && has_all).then(|| seen.clone())
    }

    /// Notes what a listing shows.
    pub(crate) fn listed(&mut self, cluster: &str, sent: Instant, seen: SeenSteps) {
        self.0.insert(cluster.to_owned(), Listing { sent, seen });
    }

    /// Notes steps that EMR has said it has: they wait.
    pub(crate) fn added(
        &mut self,
        cluster: &str,
        now: Timestamp,
        steps: impl Iterator<Item = (String, String)>,
    ) {
        let nothing =
            || Listing { sent: Instant::now(), seen: SeenSteps { listed: now, steps: BTreeMap::new() } };
        let known = self.0.entry(cluster.to_owned()).or_insert_with(nothing);
        let waits = |id| SeenStep { id, state: RunStepState::Pending, is_cancelling: false, message: None };
        known.seen.steps.extend(steps.map(|(nonce, id)| (nonce, waits(id))));
    }

    /// Nobody asks for the cluster any more.
    pub(crate) fn forget(&mut self, cluster: &str) {
        self.0.remove(cluster);
    }
}

/// Steps as one listing shows them.
#[derive(Debug)]
pub(crate) struct StepsList {
    /// When its first page was asked for: it shows no less than there was then.
    pub(crate) sent: Instant,
    /// How many there are.
    pub(crate) counts: StepsStatus,
    /// Those of runs, and what else has a name like theirs.
    pub(crate) steps: BTreeMap<String, SeenStep>,
}

/// The newest steps of a cluster.
pub(crate) async fn newest(clients: &ProfileClients, lane: Lane, id: &str) -> Result<StepsList, Failure> {
    let mut pages = 0;
    list(clients, lane, id, |_, _| {
        pages += 1;
        pages == PAGES
    })
    .await
}

/// The steps that are asked for, as far as EMR has them: as far back as any could be.
pub(crate) async fn sought(
    clients: &ProfileClients,
    lane: Lane,
    look: &StepsLook,
) -> Result<StepsList, Failure> {
    let earliest = look.since.checked_sub(EARLIER).unwrap_or(Timestamp::MIN);
    list(clients, lane, &look.cluster_id, |steps, oldest| {
        let timeline = oldest.status().and_then(|status| status.timeline());
        let created = moment(timeline.and_then(|timeline| timeline.creation_date_time()));
        created.is_some_and(|created| created < earliest)
            || look.nonces.iter().all(|nonce| steps.contains_key(nonce))
    })
    .await
}

/// Steps, the newest first, page by page until that will do: what was seen so far, and the last of a page.
async fn list(
    clients: &ProfileClients,
    lane: Lane,
    id: &str,
    mut is_enough: impl FnMut(&BTreeMap<String, SeenStep>, &StepSummary) -> bool,
) -> Result<StepsList, Failure> {
    let list = clients.emr.list_steps().cluster_id(id);
    let api = api!("elasticmapreduce", "ListSteps", Read);
    let mut all = StepsList { sent: Instant::now(), counts: StepsStatus::default(), steps: BTreeMap::new() };
    let mut marker = None;
    loop {
        let (page, sent) = (list.clone().set_marker(marker.take()), Sent::default());
        let is_first = page.get_marker().is_none();
        let Some(answer) = clients.gateway.read(api, lane, || sent.now(page.clone().send())).await? else {
            break;
        };
        if is_first {
            all.sent = sent.at().into_std();
        }
        for step in answer.steps() {
            count(&mut all.counts, step);
            let nonce = nonce_of(step.name().unwrap_or_default());
            all.steps.extend(read(step).map(|seen| (nonce.to_owned(), seen)));
        }
        marker = answer.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() || answer.steps().last().is_none_or(|oldest| is_enough(&all.steps, oldest)) {
            break;
        }
    }
    Ok(all)
}

fn count(told: &mut StepsStatus, step: &StepSummary) {
    let status = step.status();
    match status.and_then(|status| status.state()) {
        Some(StepState::Completed) => told.completed += 1,
        Some(StepState::Running) => told.running += 1,
        Some(StepState::Failed | StepState::Cancelled | StepState::Interrupted) => {
            told.failed += 1;
            if status.and_then(|status| status.state()) == Some(&StepState::Failed) {
                // The newest come first, so the last one seen is the first that failed.
                told.failure = Some(failed(step));
            }
        }
        _ => told.pending += 1,
    }
}

fn read(step: &StepSummary) -> Option<SeenStep> {
    let emr = step.status()?.state()?;
    let state = match emr {
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
    let is_cancelling = *emr == StepState::CancelPending;
    Some(SeenStep { id: step.id()?.to_owned(), state, is_cancelling, message })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mizuumi_core::DataReading;

    use super::*;

    const SOON: SignedDuration = SignedDuration::from_secs(30);

    fn look(nonces: &[&str]) -> StepsLook {
        let nonces = nonces.iter().map(|nonce| (*nonce).to_owned()).collect();
        StepsLook { cluster_id: "j-1".to_owned(), nonces, since: Timestamp::UNIX_EPOCH, pause: SOON }
    }

    fn asked(after: SignedDuration, definition: Reading) -> Ask {
        let now = Timestamp::UNIX_EPOCH.checked_add(after).expect("a time");
        Ask { definition, data: DataReading::Known, lane: Lane::Change, now }
    }

    fn at_once() -> Ask {
        asked(SignedDuration::ZERO, Reading::Known)
    }

    fn added(nonce: &str) -> impl Iterator<Item = (String, String)> {
        std::iter::once((nonce.to_owned(), format!("s-{nonce}")))
    }

    fn running(nonce: &str) -> SeenSteps {
        let (id, state) = (format!("s-{nonce}"), RunStepState::Running);
        let step = SeenStep { id, state, is_cancelling: false, message: None };
        SeenSteps { listed: Timestamp::UNIX_EPOCH, steps: BTreeMap::from([(nonce.to_owned(), step)]) }
    }

    #[test]
    fn a_listing_holds_while_it_is_new_and_shows_all() {
        let mut listings = Listings::default();
        assert_eq!(listings.known(&look(&["a"]), at_once()), None, "nothing was listed");
        listings.added("j-1", Timestamp::UNIX_EPOCH, added("a"));
        let known = listings.known(&look(&["a"]), at_once()).expect("EMR has said that it has it");
        assert_eq!(known.steps["a"].state, RunStepState::Pending);
        assert_eq!(listings.known(&look(&["a", "b"]), at_once()), None, "nobody has seen b");
        assert_eq!(listings.known(&look(&["a"]), asked(SOON, Reading::Known)), None, "it is old");

        let sent = Instant::now();
        listings.listed("j-1", sent, running("b"));
        assert_eq!(listings.known(&look(&["a"]), at_once()), None, "the listing does not show it any more");
        listings.added("j-1", Timestamp::UNIX_EPOCH, added("c"));
        let known = listings.known(&look(&["b", "c"]), at_once()).expect("one was listed, one was added");
        assert_eq!(known.steps["b"].state, RunStepState::Running);
        let since = |at| asked(SOON, Reading::Since(at));
        assert!(listings.known(&look(&["b"]), since(sent)).is_some(), "it was asked for since then");
        let later = sent + Duration::from_millis(1);
        assert_eq!(listings.known(&look(&["b"]), since(later)), None, "something has happened since");
        listings.forget("j-1");
        assert_eq!(listings.known(&look(&["b"]), at_once()), None);
    }
}
