//! What an attempt leaves behind where its data lies: that it was begun, and how it ended. A status may be lost with its resource; by
//! these it is known all the same which directories have been written to, and no attempt goes into one of them again.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_run::{PastRunAttempt, RunAttempt, RunAttemptState, RunEngine};
use serde::Serialize;

use super::desired::TargetTable;
use super::work::{OwnWork, Task};
use super::world::RunWorld;
use crate::publication;

/// An object that says something of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// Where it is.
    pub location: String,
    /// What it says.
    pub said: Said,
}

/// What it says, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    namespace: String,
    run: String,
    uid: String,
    attempt: i64,
    engine: RunEngine,
    worker: String,
    nonce: String,
    output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_table: Option<String>,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// `Open` of one that was just begun.
    state: RunAttemptState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

impl Trace {
    /// The bytes of the object.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.said).unwrap_or_default()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} is {:?}, at {}", self.said.attempt, self.said.state, self.location)
    }
}

/// Which attempts of a run have left something behind, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Those that were begun.
    pub started: BTreeSet<i64>,
    /// Those that ended.
    pub ended: BTreeSet<i64>,
}

impl Traces {
    /// By the names of the objects.
    #[must_use]
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut traces = Self::default();
        for name in names {
            let number = |suffix: &str| name.strip_prefix('a')?.strip_suffix(suffix)?.parse::<i64>().ok();
            traces.started.extend(number(STARTED));
            traces.ended.extend(number(ENDED));
        }
        traces
    }

    /// The number of the last attempt of which there is something; 0 if there is none.
    #[must_use]
    pub fn last(&self) -> i64 {
        self.started.iter().chain(&self.ended).copied().max().unwrap_or_default()
    }
}

/// How the names end of what says that an attempt was begun.
const STARTED: &str = ".started.json";
/// How the names end of what says how one ended.
const ENDED: &str = ".result.json";

fn trace(own: &OwnWork, table: &TargetTable, attempt: &RunAttempt, ending: &str) -> Trace {
    let traces = publication::traces(&table.root, &own.order.run);
    let message = own.failed.first().filter(|past| past.number == attempt.number);
    Trace {
        profile: table.key.profile.clone(),
        location: format!("{traces}a{}{ending}", attempt.number),
        said: Said {
            namespace: own.namespace.clone(),
            run: own.order.run.clone(),
            uid: own.uid.clone(),
            attempt: attempt.number,
            engine: match own.task {
                Task::Job(_) => RunEngine::KubernetesJob,
                Task::Step(_) => RunEngine::EmrStep,
                Task::Ecs(_) => RunEngine::EcsTask,
            },
            worker: attempt.worker.clone(),
            nonce: attempt.nonce.clone(),
            output: attempt.output.clone(),
            output_table: attempt.output_table.clone(),
            started_at: attempt.started_at,
            external_id: attempt.external_id.clone(),
            ended_at: attempt.ended_at,
            state: attempt.state,
            message: message.map(|past| past.message.clone()),
        },
    }
}

/// What is left behind where an attempt is begun.
pub(super) fn started(own: &OwnWork, table: &TargetTable, attempt: &RunAttempt) -> Trace {
    trace(own, table, attempt, STARTED)
}

/// What is to be left behind of the attempt that ended last, if it is not there.
pub(super) fn missing(own: &OwnWork, table: &TargetTable, world: &RunWorld) -> Option<Trace> {
    let attempt = own.attempt.as_ref().filter(|attempt| attempt.state != RunAttemptState::Open)?;
    let is_missing = !world.traces.as_ref()?.ended.contains(&attempt.number);
    is_missing.then(|| trace(own, table, attempt, ENDED))
}

/// The attempts before this one of which the status knows nothing, the latest first.
#[must_use]
pub fn forgotten(known: i64, attempt: &RunAttempt) -> Vec<PastRunAttempt> {
    let message = "it was begun, by what lies beside its directory, and the status that knew of it is lost";
    let past = |number| PastRunAttempt {
        number,
        was_lost: true,
        exit_code: None,
        ended_at: attempt.started_at,
        worker: attempt.worker.clone(),
        message: message.to_owned(),
    };
    (known + 1..attempt.number).rev().map(past).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_which_attempts_there_were() {
        let names = ["a1.result.json", "a1.started.json", "a2.started.json", "x", "ab.started.json"];
        let traces = Traces::of(names);
        assert_eq!((traces.started, traces.ended), ([1, 2].into(), [1].into()));
        assert_eq!((Traces::of(["a7.result.json"]).last(), Traces::default().last()), (7, 0));
    }
}
