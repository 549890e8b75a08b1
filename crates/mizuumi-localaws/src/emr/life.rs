//! A cluster's life and that of its steps: a state machine that depends on nothing but the times of what was asked.
//!
//! Nothing runs in the background. Whoever looks at a cluster first moves it on to the time of the look; each change is
//! noted with the time at which it was due, so that what is seen does not depend on who looked when.

use super::fate::Fate;
use super::pace::Pace;
use super::step_life::{Cancel, OnFailure, StepLife, StepState};

/// Milliseconds since 1970.
pub(super) type Millis = i64;

/// State of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Starting,
    Bootstrapping,
    Running,
    Waiting,
    Terminating,
    Terminated,
    TerminatedWithErrors,
}

impl State {
    /// Name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Bootstrapping => "BOOTSTRAPPING",
            Self::Running => "RUNNING",
            Self::Waiting => "WAITING",
            Self::Terminating => "TERMINATING",
            Self::Terminated => "TERMINATED",
            Self::TerminatedWithErrors => "TERMINATED_WITH_ERRORS",
        }
    }

    /// Whether steps can run.
    pub(super) fn is_ready(self) -> bool {
        matches!(self, Self::Running | Self::Waiting)
    }

    /// Whether the end has begun.
    pub(super) fn is_ending(self) -> bool {
        self.is_over() || self == Self::Terminating
    }

    /// Whether nothing happens any more.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Terminated | Self::TerminatedWithErrors)
    }
}

/// Why a cluster is in its state: `ClusterStateChangeReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason {
    /// `ClusterStateChangeReasonCode`; clusters that live have none.
    pub(super) code: Option<&'static str>,
    /// In words; a fate has words of its own.
    pub(super) message: &'static str,
    /// What went wrong with the cluster.
    pub(super) fate: Option<Fate>,
}

impl Reason {
    const fn words(message: &'static str) -> Self {
        Self { code: None, message, fate: None }
    }

    const fn coded(code: &'static str, message: &'static str) -> Self {
        Self { code: Some(code), message, fate: None }
    }

    fn of(fate: Fate) -> Self {
        Self { code: Some(fate.code()), message: "", fate: Some(fate) }
    }
}

const USER_REQUEST: Reason = Reason::coded("USER_REQUEST", "Terminated by user request");
const ALL_STEPS_COMPLETED: Reason = Reason::coded("ALL_STEPS_COMPLETED", "Steps completed");
const STEP_FAILURE: Reason = Reason::coded("STEP_FAILURE", "Shut down as step failed");
// The model has no code for idle clusters (botocore emr/2009-03-31, ClusterStateChangeReasonCode); which one AWS uses is
// not documented.
const IDLE: Reason = Reason::coded("USER_REQUEST", "Auto-terminated: the cluster was idle");

/// A change of a cluster's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Millis,
    pub(super) state: State,
    pub(super) reason: Reason,
}

/// The life of a cluster.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) keep_alive: bool,
    pub(super) protected: bool,
    pub(super) concurrency: usize,
    /// `AutoTerminationPolicy`: since when, and the seconds of `IdleTimeout`.
    pub(super) idle: Option<(Millis, i64)>,
    pub(super) steps: Vec<StepLife>,
    /// What goes wrong with it before it is ready.
    pub(super) fate: Option<Fate>,
    changes: Vec<Change>,
}

impl Life {
    /// A cluster that has just been asked for.
    pub(super) fn new(now: Millis, keep_alive: bool, protected: bool, concurrency: usize) -> Self {
        let reason = Reason::words("Provisioning Amazon EC2 capacity");
        let change = Change { at: now, state: State::Starting, reason };
        Self {
            keep_alive,
            protected,
            concurrency,
            idle: None,
            steps: Vec::new(),
            fate: None,
            changes: vec![change],
        }
    }

    fn last(&self) -> Change {
        self.changes.last().copied().unwrap_or(Change {
            at: 0,
            state: State::Starting,
            reason: Reason::words(""),
        })
    }

    /// The state now.
    pub(super) fn state(&self) -> State {
        self.last().state
    }

    /// The state at an earlier time; nothing before the cluster was there.
    pub(super) fn at(&self, time: Millis) -> Option<Change> {
        self.changes.iter().rev().find(|change| change.at <= time).copied()
    }

    /// All states so far.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether the cluster is or was in that state.
    pub(super) fn has_been(&self, state: State) -> bool {
        self.changes.iter().any(|change| change.state == state)
    }

    /// When the cluster was asked for.
    pub(super) fn created(&self) -> Millis {
        self.changes.first().map_or(0, |change| change.at)
    }

    /// When it could first run steps.
    pub(super) fn ready(&self) -> Option<Millis> {
        self.changes.iter().find(|change| change.state.is_ready()).map(|change| change.at)
    }

    /// When it was gone.
    pub(super) fn ended(&self) -> Option<Millis> {
        Some(self.last()).filter(|change| change.state.is_over()).map(|change| change.at)
    }

    fn become_(&mut self, at: Millis, state: State, reason: Reason) {
        self.changes.push(Change { at, state, reason });
    }

    /// Does all that is due by now, in the order in which it is due.
    pub(super) fn advance(&mut self, now: Millis, pace: &Pace) {
        while let Some(at) = self.next(pace).filter(|at| *at <= now) {
            self.happen(at, pace);
        }
    }

    /// When the next thing happens by itself.
    fn next(&self, pace: &Pace) -> Option<Millis> {
        let last = self.last();
        match last.state {
            State::Starting => Some(last.at + pace.millis(pace.starting_seconds)),
            State::Bootstrapping => Some(last.at + pace.millis(pace.bootstrapping_seconds)),
            State::Running => self.steps.iter().filter_map(|step| step.due(pace)).min(),
            // A cluster that is protected is not ended for being idle.
            State::Waiting if self.protected => None,
            State::Waiting => self.idle.map(|(since, seconds)| {
                #[expect(clippy::cast_precision_loss, reason = "at most seven days")]
                let timeout = pace.millis(seconds as f64);
                since.max(last.at) + timeout
            }),
            State::Terminating => Some(last.at + pace.millis(pace.terminating_seconds)),
            State::Terminated | State::TerminatedWithErrors => None,
        }
    }

    fn happen(&mut self, at: Millis, pace: &Pace) {
        let last = self.last();
        match (last.state, self.fate) {
            (State::Starting, Some(fate @ Fate::Capacity))
            | (State::Bootstrapping, Some(fate @ Fate::Bootstrap)) => self.terminate(at, Reason::of(fate)),
            (State::Starting, _) => {
                self.become_(at, State::Bootstrapping, Reason::words("Configuring cluster software"));
            }
            (State::Bootstrapping, _) => self.settle(at),
            (State::Running, _) => self.end_steps(at, pace),
            (State::Waiting, _) => self.terminate(at, IDLE),
            (State::Terminating, _) => {
                let failed = last.reason == STEP_FAILURE || last.reason.fate.is_some();
                let state = if failed { State::TerminatedWithErrors } else { State::Terminated };
                self.become_(at, state, last.reason);
            }
            (State::Terminated | State::TerminatedWithErrors, _) => {}
        }
    }

    fn end_steps(&mut self, at: Millis, pace: &Pace) {
        let mut failed = Vec::new();
        for step in self.steps.iter_mut().filter(|step| step.due(pace).is_some_and(|due| due <= at)) {
            let end = step.outcome();
            if end == StepState::Failed {
                failed.push(step.on_failure);
            }
            step.become_(at, end);
        }
        // API reference, StepConfig: if StepConcurrencyLevel was raised above 1 while the step ran, "pending steps and the
        // running step are not canceled", "the cluster does not terminate".
        if self.concurrency > 1 {
            failed.clear();
        }
        // Management guide, termination protection, of TERMINATE_JOB_FLOW: "If the cluster has termination protection enabled AND
        // auto-terminate disabled, it will not terminate."
        if failed.contains(&OnFailure::Terminate) && !(self.protected && self.keep_alive) {
            return self.terminate(at, STEP_FAILURE);
        }
        if failed.iter().any(|action| *action != OnFailure::Continue) {
            for step in self.steps.iter_mut().filter(|step| step.state() == StepState::Pending) {
                step.become_(at, StepState::Cancelled);
            }
        }
        // The same of CANCEL_AND_WAIT: "If the cluster has auto-terminate disabled, the cluster will not terminate."
        self.settle(at);
    }

    /// Starts the steps for which there is room, in the order in which they came; without any, waits or ends.
    pub(super) fn settle(&mut self, at: Millis) {
        let running = self.steps.iter().filter(|step| step.state().is_running()).count();
        let room = self.concurrency.saturating_sub(running);
        for step in self.steps.iter_mut().filter(|step| step.state() == StepState::Pending).take(room) {
            step.become_(at, StepState::Running);
        }
        if self.steps.iter().any(|step| step.state().is_running()) {
            if self.state() != State::Running {
                self.become_(at, State::Running, Reason::words("Running step"));
            }
        } else if self.keep_alive {
            self.wait(at);
        } else {
            // Whether it is protected or not: "The cluster still terminates upon successful completion of the job flow" (API
            // reference, SetTerminationProtection). It was ready, if for no time.
            if !self.state().is_ready() {
                self.become_(at, State::Running, Reason::words("Running step"));
            }
            self.terminate(at, ALL_STEPS_COMPLETED);
        }
    }

    fn wait(&mut self, at: Millis) {
        if self.state() == State::Waiting {
            return;
        }
        let message = if self.steps.is_empty() {
            "Cluster ready to run steps."
        } else {
            "Cluster ready after last step completed."
        };
        self.become_(at, State::Waiting, Reason::words(message));
    }

    /// Ends the cluster because somebody asked for it.
    pub(super) fn end(&mut self, at: Millis) {
        if !self.state().is_ending() {
            self.terminate(at, USER_REQUEST);
        }
    }

    fn terminate(&mut self, at: Millis, reason: Reason) {
        for step in self.steps.iter_mut().filter(|step| !step.state().is_over()) {
            step.become_(at, StepState::Cancelled);
        }
        self.become_(at, State::Terminating, reason);
    }

    /// Cancels a step if it has not ended: one that waits at once, one that runs after a while.
    pub(super) fn cancel(&mut self, index: usize, at: Millis, how: Cancel) -> bool {
        self.steps.get_mut(index).is_some_and(|step| step.cancel(at, how))
    }
}
