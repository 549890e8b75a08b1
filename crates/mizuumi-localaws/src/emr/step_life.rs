//! The life of a step, which ends by the clock or with a local process.

use super::life::Millis;
use super::pace::Pace;

/// State of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepState {
    Pending,
    CancelPending,
    Running,
    Completed,
    Cancelled,
    Failed,
}

impl StepState {
    /// Name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::CancelPending => "CANCEL_PENDING",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether the step holds one of the cluster's places for running steps.
    pub(super) fn is_running(self) -> bool {
        matches!(self, Self::Running | Self::CancelPending)
    }

    /// Whether nothing happens any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }
}

/// What a step's failure means for the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnFailure {
    Terminate,
    CancelAndWait,
    Continue,
}

/// `StepCancellationOption`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// `SEND_INTERRUPT`: the step may still do something about it.
    Interrupt,
    /// `TERMINATE_PROCESS`: it may not.
    Kill,
}

/// `FailureDetails`, without the log file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// One of EMR's reasons.
    pub(crate) reason: &'static str,
    /// The line of the log that tells.
    pub(crate) message: Option<String>,
}

impl Failure {
    /// API reference, `FailureDetails`: "In the case where the service cannot successfully determine the root cause of the
    /// failure, it returns "Unknown Error" as a reason." (With a full stop, as seen in answers.)
    pub(crate) fn unknown(message: Option<String>) -> Self {
        Self { reason: "Unknown Error.", message }
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exit {
    /// When.
    pub(crate) at: Millis,
    /// Why the step failed, if it did.
    pub(crate) failure: Option<Failure>,
}

/// What brings a step to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The clock: after so many seconds.
    Clock { seconds: f64, fails: bool },
    /// A local process, which may have ended.
    Process(Option<Exit>),
}

/// The life of a step.
#[derive(Debug, Clone)]
pub(super) struct StepLife {
    pub(super) on_failure: OnFailure,
    pub(super) end: End,
    /// How it was cancelled while it ran.
    pub(super) cancelled: Option<Cancel>,
    changes: Vec<(Millis, StepState)>,
}

impl StepLife {
    /// A step that waits for its turn.
    pub(super) fn new(now: Millis, on_failure: OnFailure, end: End) -> Self {
        Self { on_failure, end, cancelled: None, changes: vec![(now, StepState::Pending)] }
    }

    fn last(&self) -> (Millis, StepState) {
        self.changes.last().copied().unwrap_or((0, StepState::Pending))
    }

    /// The state now.
    pub(super) fn state(&self) -> StepState {
        self.last().1
    }

    /// The state at an earlier time; nothing before the step was there.
    pub(super) fn state_at(&self, time: Millis) -> Option<StepState> {
        self.changes.iter().rev().find(|(at, _)| *at <= time).map(|(_, state)| *state)
    }

    /// When the step came.
    pub(super) fn created(&self) -> Millis {
        self.changes.first().map_or(0, |(at, _)| *at)
    }

    /// When it began to run.
    pub(super) fn started(&self) -> Option<Millis> {
        self.changes.iter().find(|(_, state)| *state == StepState::Running).map(|(at, _)| *at)
    }

    /// When it ended.
    pub(super) fn ended(&self) -> Option<Millis> {
        Some(self.last()).filter(|(_, state)| state.is_over()).map(|(at, _)| at)
    }

    /// Puts the step into a state.
    pub(super) fn become_(&mut self, at: Millis, state: StepState) {
        self.changes.push((at, state));
    }

    /// When the step, which runs, will end, as far as that is known.
    pub(super) fn due(&self, pace: &Pace) -> Option<Millis> {
        let (since, state) = self.last();
        if !state.is_running() {
            return None;
        }
        match &self.end {
            End::Process(exit) => exit.as_ref().map(|exit| exit.at.max(since)),
            End::Clock { seconds, .. } if state == StepState::Running => Some(since + pace.millis(*seconds)),
            End::Clock { .. } if self.cancelled == Some(Cancel::Kill) => Some(since),
            End::Clock { .. } => Some(since + pace.millis(pace.cancelling_seconds)),
        }
    }

    /// The state in which the step ends, which is due to.
    pub(super) fn outcome(&self) -> StepState {
        let fails = match &self.end {
            End::Clock { fails, .. } => *fails,
            End::Process(exit) => exit.as_ref().is_some_and(|exit| exit.failure.is_some()),
        };
        match self.state() {
            StepState::CancelPending => StepState::Cancelled,
            _ if fails => StepState::Failed,
            _ => StepState::Completed,
        }
    }

    /// Why the step, which has failed, did so.
    pub(super) fn failure(&self) -> Failure {
        match &self.end {
            End::Process(Some(Exit { failure: Some(failure), .. })) => failure.clone(),
            _ => Failure::unknown(None),
        }
    }

    /// Cancels the step if it has not ended. API reference, `CancelSteps`: it "is idempotent", so it can be asked again, and
    /// more forcefully.
    pub(super) fn cancel(&mut self, at: Millis, how: Cancel) -> bool {
        match (self.state(), self.cancelled) {
            (StepState::Pending, _) => self.become_(at, StepState::Cancelled),
            (StepState::Running, _) | (StepState::CancelPending, Some(Cancel::Interrupt))
                if self.cancelled != Some(how) =>
            {
                self.cancelled = Some(how);
                self.become_(at, StepState::CancelPending);
            }
            (StepState::CancelPending, _) => {}
            _ => return false,
        }
        true
    }
}
