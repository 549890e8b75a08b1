//! What a run says of its source: whether it was there, and let the image in.

use jiff::Timestamp;
use mizuumi_api::condition::cut;
use mizuumi_api::ingest_run::{IngestRun, PastRunAttempt, RunAttempt, RunAttemptState};
use mizuumi_api::source_connection::SourceAttempt;
use mizuumi_api::{Reason, label};

/// Longest message that is told.
const LONGEST_MESSAGE: usize = 512;

/// An attempt that says something of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried(pub SourceAttempt);

impl Tried {
    /// What the run's last attempt says that says anything, if one does.
    #[must_use]
    pub fn of(run: &IngestRun) -> Option<Self> {
        let status = run.status.as_ref()?;
        let name = run.metadata.name.as_deref()?;
        let succeeded = status.attempt.iter().filter_map(|attempt| succeeded(name, attempt));
        let failed = status.failed_attempts.iter().filter_map(|past| failed(name, past));
        succeeded.chain(failed).max_by_key(|tried| (tried.at, tried.number)).map(Self)
    }

    /// The reason of the condition `Reachable`; none if the code says nothing of the source.
    #[must_use]
    pub const fn reason(exit_code: i32) -> Option<Reason> {
        match exit_code {
            // It was read, though perhaps not what was asked for, or what was read could not be written.
            0 | 65 | 66 | 74 => Some(Reason::SourceReached),
            69 => Some(Reason::SourceUnavailable),
            77 => Some(Reason::SourceDenied),
            _ => None,
        }
    }
}

/// The connection that a run was made with.
#[must_use]
pub fn connection_of(run: &IngestRun) -> Option<&str> {
    run.metadata.labels.as_ref()?.get(label::SOURCE).map(String::as_str)
}

fn succeeded(run: &str, attempt: &RunAttempt) -> Option<SourceAttempt> {
    let at = attempt.ended_at.filter(|_| attempt.state == RunAttemptState::Succeeded)?;
    Some(attempt_of(run, attempt.number, at, 0, None))
}

fn failed(run: &str, past: &PastRunAttempt) -> Option<SourceAttempt> {
    // One that was taken away ended with whatever code.
    let code = past.exit_code.filter(|code| !past.was_lost && Tried::reason(*code).is_some())?;
    Some(attempt_of(run, past.number, past.ended_at, code, Some(cut(&past.message, LONGEST_MESSAGE))))
}

fn attempt_of(
    run: &str,
    number: i64,
    at: Timestamp,
    exit_code: i32,
    message: Option<String>,
) -> SourceAttempt {
    SourceAttempt { run: run.to_owned(), number, at, exit_code, message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(status: &Value) -> IngestRun {
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestRun",
            "metadata": { "name": "r", "labels": { "mizuumi.dev/source": "flights-db" } },
            "spec": { "table": "t", "sessionTime": "2026-11-26T00:00:00Z", "engine": "EcsTask" },
            "status": status,
        }))
        .expect("a run")
    }

    fn past(number: i64, exit_code: i32, was_lost: bool) -> Value {
        let at = format!("2026-11-26T0{number}:00:00Z");
        json!({ "number": number, "wasLost": was_lost, "endedAt": at, "worker": "w", "exitCode": exit_code, "message": "why" })
    }

    fn told(status: &Value) -> Option<(i64, i32)> {
        Tried::of(&run(status)).map(|Tried(attempt)| (attempt.number, attempt.exit_code))
    }

    #[test]
    fn the_last_attempt_that_says_something_of_the_source_counts() {
        assert_eq!(told(&json!({})), None);
        assert_eq!(told(&json!({ "failedAttempts": [past(1, 69, false)] })), Some((1, 69)));
        // Out of memory, something wrong in the options, taken back: none says anything of the source.
        let later = json!([past(4, 137, false), past(3, 78, false), past(2, 77, true), past(1, 69, false)]);
        assert_eq!(told(&json!({ "failedAttempts": later })), Some((1, 69)));
        let attempt = json!({
            "number": 2, "nonce": "n", "startedAt": "2026-11-26T02:00:00Z", "endedAt": "2026-11-26T03:00:00Z", "state": "Succeeded",
            "output": "s3://lake/", "worker": "w",
        });
        assert_eq!(
            told(&json!({ "failedAttempts": [past(1, 77, false)], "attempt": attempt })),
            Some((2, 0))
        );
        assert_eq!(connection_of(&run(&json!({}))), Some("flights-db"));
    }

    #[test]
    fn a_source_whose_data_is_wrong_was_there() {
        for (code, reason) in [
            (0, Some(Reason::SourceReached)),
            (66, Some(Reason::SourceReached)),
            (69, Some(Reason::SourceUnavailable)),
            (77, Some(Reason::SourceDenied)),
            (75, None),
            (1, None),
        ] {
            assert_eq!(Tried::reason(code), reason, "{code}");
        }
    }
}
