//! What a task that was seen, or that is not to be seen, says of an attempt's work.

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_run::RunAttempt;

use crate::ingest_run::work::Progress;

/// So long after an attempt was written down its task may be asked for. ECS shows a task that has stopped for an hour, and a token
/// holds for at least as long; clocks differ.
const ASKED_FOR: SignedDuration = SignedDuration::from_mins(50);
/// So long a task is looked for that is to be stopped, and that nobody has seen: what was asked for last may be seen only then.
const LOOKED_FOR: SignedDuration = SignedDuration::from_mins(2);

/// A task as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenTask {
    /// There is none.
    Missing,
    /// ECS has answered that it makes none, and why.
    Refused(String),
    /// This one.
    Task(TaskState),
}

/// What a task is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskState {
    /// Its ARN.
    pub arn: String,
    /// `lastStatus`.
    pub last_status: String,
    /// Whether it has stopped, or is about to.
    pub is_stopping: bool,
    /// `stopCode`.
    pub stop_code: Option<String>,
    /// `stoppedReason`.
    pub stopped_reason: Option<String>,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// What is said of the container.
    pub container_reason: Option<String>,
}

impl TaskState {
    /// The part of the ARN that no other task of the cluster has.
    #[must_use]
    pub fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }
}

/// What is known of the attempt's work by a look at its task.
pub(in crate::ingest_run) fn progress(
    attempt: &RunAttempt,
    seen: Option<&SeenTask>,
    now: Timestamp,
) -> Progress {
    let cluster = &attempt.worker;
    let age = now.duration_since(attempt.started_at);
    match seen {
        None => Progress::Going(format!("looking for its task in ECS's cluster '{cluster}'")),
        Some(SeenTask::Refused(message)) => Progress::Failed {
            message: format!("ECS's cluster '{cluster}' has no place for its task: {message}"),
            was_lost: true,
        },
        // What a look does not show yet that somebody has seen is there all the same.
        Some(SeenTask::Missing) if attempt.external_id.is_some() && age < ASKED_FOR => {
            Progress::Going("its task is not to be seen yet".to_owned())
        }
        Some(SeenTask::Missing) if attempt.external_id.is_some() => Progress::Failed {
            message: format!(
                "task {} is shown no more, so it ended over an hour ago, and how is not known",
                attempt.external_id.as_deref().unwrap_or_default()
            ),
            was_lost: true,
        },
        Some(SeenTask::Missing) if age >= ASKED_FOR => Progress::Failed {
            message: "it is uncertain whether its task ever ran: none is to be seen, and after 50 minutes it is not asked for again"
                .to_owned(),
            was_lost: true,
        },
        Some(SeenTask::Missing) => Progress::NotBegun,
        Some(SeenTask::Task(task)) => of_task(attempt, task),
    }
}

/// Whether an attempt that is to be stopped, and of which no task was seen, has none.
pub(in crate::ingest_run) fn was_never_begun(attempt: &RunAttempt, now: Timestamp) -> bool {
    attempt.stopping_at.is_some_and(|since| now.duration_since(since) >= LOOKED_FOR)
}

fn of_task(attempt: &RunAttempt, task: &TaskState) -> Progress {
    let id = task.id();
    if task.last_status != "STOPPED" {
        let does = match task.last_status.as_str() {
            "PROVISIONING" => "gets its network",
            "PENDING" => "gets its image",
            "RUNNING" => "runs",
            _ => "is stopping",
        };
        return Progress::Going(format!("task {id} {does}"));
    }
    let reason = task.stopped_reason.as_deref().unwrap_or("ECS says no reason");
    let container = task.container_reason.as_deref().unwrap_or_default();
    let log = attempt.log.as_deref().map(|log| format!("; its log: {log}")).unwrap_or_default();
    let failed = |was_lost, message: String| Progress::Failed {
        message: format!("task {id} {message}{log}"),
        was_lost,
    };
    let infrastructure =
        ["Capacity is unavailable", "Unexpected EC2 error", "Timeout waiting for network interface"];
    match (task.stop_code.as_deref(), task.exit_code) {
        (Some("SpotInterruption" | "TerminationNotice"), _) => {
            failed(true, format!("was taken back by Fargate: {reason}"))
        }
        _ if infrastructure.iter().any(|words| reason.contains(words)) => {
            failed(true, format!("found no place: {reason}"))
        }
        (Some("TaskFailedToStart"), _) if is_of(reason, container, "CannotPull") => failed(
            false,
            format!(
                "could not pull its image: {}; is `spec.ecsTask.image` there, may the profile's execution role pull it, and does its subnet \
                 reach the registry?",
                longer(reason, container)
            ),
        ),
        (Some("TaskFailedToStart"), _) if is_of(reason, container, "ResourceInitializationError") => failed(
            false,
            format!(
                "could not be prepared: {}; are its secrets and its log group there, and may the profile's execution role use them?",
                longer(reason, container)
            ),
        ),
        (_, Some(0)) if task.stop_code.as_deref() == Some("EssentialContainerExited") => Progress::Done,
        _ if is_of(reason, container, "OutOfMemory") => failed(
            false,
            format!(
                "took more memory than it has ({container}); give it more by `spec.ecsTask.memory`, or less to do"
            ),
        ),
        (Some("UserInitiated"), _) if attempt.is_stopping => failed(false, format!("was stopped: {reason}")),
        (Some("UserInitiated"), _) => failed(true, format!("was stopped by somebody: {reason}")),
        (Some("EssentialContainerExited"), Some(code)) => {
            let more = if container.is_empty() { String::new() } else { format!(" ({container})") };
            failed(false, format!("ended with exit code {code}{more}"))
        }
        (code, _) => failed(
            false,
            format!("did not end well ({}): {}", code.unwrap_or("no stop code"), longer(reason, container)),
        ),
    }
}

fn is_of(reason: &str, container: &str, word: &str) -> bool {
    reason.contains(word) || container.contains(word)
}

/// The one of two texts that says more.
fn longer<'a>(one: &'a str, other: &'a str) -> &'a str {
    if other.len() > one.len() { other } else { one }
}

#[cfg(test)]
mod tests {
    use mizuumi_api::ingest_run::RunAttemptState;

    use super::*;

    fn attempt() -> RunAttempt {
        RunAttempt {
            number: 1,
            nonce: "n".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            state: RunAttemptState::Open,
            output_table: None,
            output: String::new(),
            worker: "lake".to_owned(),
            external_id: None,
            profile: Some("default".to_owned()),
            log: Some("/mizuumi:p/work/1".to_owned()),
            ended_at: None,
            stopping_at: None,
            is_stopping: false,
        }
    }

    fn stopped(code: &str, reason: &str, exit: Option<i32>, container: Option<&str>) -> Progress {
        let task = TaskState {
            arn: "arn:aws:ecs:us-east-1:1:task/lake/1".to_owned(),
            last_status: "STOPPED".to_owned(),
            is_stopping: true,
            stop_code: Some(code.to_owned()),
            stopped_reason: Some(reason.to_owned()),
            exit_code: exit,
            container_reason: container.map(str::to_owned),
        };
        progress(&attempt(), Some(&SeenTask::Task(task)), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_way_to_stop_is_told_apart() {
        let exited = "Essential container in task exited";
        assert_eq!(stopped("EssentialContainerExited", exited, Some(0), None), Progress::Done);
        for (code, reason, exit, container, lost, words) in [
            (
                "EssentialContainerExited",
                exited,
                Some(3),
                None,
                false,
                "ended with exit code 3; its log: /mizuumi:p/work/1",
            ),
            (
                "EssentialContainerExited",
                exited,
                Some(137),
                Some("OutOfMemoryError: Container killed due to memory usage"),
                false,
                "spec.ecsTask.memory",
            ),
            (
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                Some(143),
                None,
                true,
                "was taken back by Fargate",
            ),
            (
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                Some(0),
                None,
                true,
                "was taken back by Fargate",
            ),
            (
                "TaskFailedToStart",
                "CannotPullContainerError: pull x: not found",
                None,
                None,
                false,
                "spec.ecsTask.image",
            ),
            (
                "TaskFailedToStart",
                "ResourceInitializationError: unable to pull secrets or registry auth",
                None,
                None,
                false,
                "are its secrets and its log group there",
            ),
            (
                "TaskFailedToStart",
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                None,
                None,
                true,
                "found no place",
            ),
            ("UserInitiated", "Task stopped by user", Some(143), None, true, "was stopped by somebody"),
        ] {
            let Progress::Failed { message, was_lost } = stopped(code, reason, exit, container) else {
                panic!("{code} {reason} is no failure")
            };
            assert!(was_lost == lost && message.contains(words), "{code} {reason}: {was_lost}, {message}");
        }
    }

    #[test]
    fn what_nobody_has_seen_for_fifty_minutes_is_uncertain_and_not_asked_for_again() {
        let at = |minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes);
        assert_eq!(progress(&attempt(), Some(&SeenTask::Missing), at(49)), Progress::NotBegun);
        let Progress::Failed { message, was_lost: true } =
            progress(&attempt(), Some(&SeenTask::Missing), at(50))
        else {
            panic!("it is asked for again")
        };
        assert!(message.contains("uncertain"), "{message}");
    }
}
