//! The steps of a cluster that runs have asked for, found by their names.

use std::collections::BTreeMap;

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
