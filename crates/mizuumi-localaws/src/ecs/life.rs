//! The life of a task: through its states by the clock, and to its end by its container, by hand, or as a fault has it.

use super::pace::Pace;
use crate::faults::Action;

/// Milliseconds since 1970.
pub(crate) type Millis = i64;

/// `lastStatus` (Developer Guide, "Amazon ECS task lifecycle").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

impl State {
    /// Name in the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// What becomes of a task when a fault rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// There is no room for it: `RunTask` answers a failure.
    Capacity,
    /// Its image cannot be pulled.
    NoImage,
    /// Its container takes more memory than it has.
    OutOfMemory,
}

impl Fate {
    /// What a rule's action means for a task.
    pub(crate) fn of(action: Action) -> Option<Self> {
        match action {
            Action::InsufficientCapacity => Some(Self::Capacity),
            Action::ImageUnknown => Some(Self::NoImage),
            Action::OutOfMemory => Some(Self::OutOfMemory),
            _ => None,
        }
    }
}

/// What a task's container does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// It ends by the clock.
    Clock { seconds: f64, exit_code: i32 },
    /// It is a process of this machine.
    Process { entry_point: Vec<String> },
    /// Its image is not to be found.
    NoImage,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exit {
    /// When.
    pub(crate) at: Millis,
    /// Its exit code; none of one that never ran.
    pub(crate) code: Option<i32>,
    /// What is said of it.
    pub(crate) reason: Option<String>,
}

/// Why a task stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at: Millis,
    /// `stopCode`.
    pub(super) code: &'static str,
    /// `stoppedReason`.
    pub(super) reason: String,
}

/// The life of a task.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) work: Work,
    pub(super) fate: Option<Fate>,
    image: String,
    /// Fargate takes it back so long after it has begun to run.
    pub(super) spot_loss: Option<Millis>,
    /// The container's own `stopTimeout`.
    pub(super) stop_timeout: Option<f64>,
    pub(super) stop: Option<Stop>,
    pub(super) exit: Option<Exit>,
    changes: Vec<(Millis, State)>,
}

impl Life {
    /// A task that was just accepted.
    pub(super) fn new(
        now: Millis,
        image: &str,
        work: Work,
        fate: Option<Fate>,
        spot_loss: Option<Millis>,
    ) -> Self {
        let fate = if work == Work::NoImage { Some(Fate::NoImage) } else { fate };
        let changes = vec![(now, State::Provisioning)];
        let image = image.to_owned();
        Self { work, fate, image, spot_loss, stop_timeout: None, stop: None, exit: None, changes }
    }

    fn last(&self) -> (Millis, State) {
        self.changes.last().copied().unwrap_or((0, State::Stopped))
    }

    /// The state now.
    pub(super) fn state(&self) -> State {
        self.last().1
    }

    /// The state at an earlier time; nothing before the task was there.
    pub(super) fn state_at(&self, time: Millis) -> Option<State> {
        self.changes.iter().rev().find(|(at, _)| *at <= time).map(|(_, state)| *state)
    }

    /// When it came to a state.
    pub(super) fn since(&self, state: State) -> Option<Millis> {
        self.changes.iter().find(|(_, of)| *of == state).map(|(at, _)| *at)
    }

    /// When it came.
    pub(super) fn created(&self) -> Millis {
        self.changes.first().map_or(0, |(at, _)| *at)
    }

    /// When it had stopped.
    pub(super) fn stopped(&self) -> Option<Millis> {
        self.since(State::Stopped)
    }

    /// When a process that was told to end is killed.
    pub(super) fn killed_at(&self, pace: &Pace) -> Option<Millis> {
        let seconds = self.stop_timeout.unwrap_or(pace.stop_timeout_seconds);
        self.since(State::Stopping).map(|at| at.saturating_add(pace.millis(seconds)))
    }

    /// Has it stopped, unless it does already.
    pub(super) fn stop(&mut self, at: Millis, code: &'static str, reason: String) {
        self.stop.get_or_insert(Stop { at, code, reason });
    }

    /// Does all that is due by now.
    pub(super) fn advance(&mut self, now: Millis, pace: &Pace) {
        while let Some((at, state)) = self.next(pace).filter(|(at, _)| *at <= now) {
            match self.state() {
                State::Pending if state == State::Deprovisioning => self.cannot_pull(at),
                State::Running => self.say_why(at),
                _ => {}
            }
            self.changes.push((at, state));
        }
    }

    fn ends(&mut self, exit: Exit, reason: &str) {
        let at = exit.at;
        self.exit.get_or_insert(exit);
        self.stop(at, "EssentialContainerExited", reason.to_owned());
    }

    /// The next state, and when it comes, as far as that is known.
    fn next(&mut self, pace: &Pace) -> Option<(Millis, State)> {
        let (since, state) = self.last();
        let after = |seconds: f64| since.saturating_add(pace.millis(seconds));
        let stopped = self.stop.as_ref().map(|stop| stop.at.max(since));
        Some(match state {
            State::Provisioning | State::Pending if stopped.is_some() => (stopped?, State::Deprovisioning),
            State::Provisioning => (after(pace.provisioning_seconds), State::Pending),
            State::Pending if self.fate == Some(Fate::NoImage) => {
                (after(pace.pending_seconds), State::Deprovisioning)
            }
            State::Pending => (after(pace.pending_seconds), State::Running),
            State::Running => return self.next_of_running(since, pace),
            State::Deactivating => (after(pace.deactivating_seconds), State::Stopping),
            State::Stopping => {
                // By the clock a container heeds SIGTERM at once.
                if self.exit.is_none() && !matches!(self.work, Work::Process { .. }) {
                    self.exit = Some(Exit { at: since, code: Some(143), reason: None });
                }
                (self.exit.as_ref()?.at.max(since), State::Deprovisioning)
            }
            State::Deprovisioning => (after(pace.deprovisioning_seconds), State::Stopped),
            State::Stopped => return None,
        })
    }

    /// Developer Guide, "CannotPullContainer task errors".
    fn cannot_pull(&mut self, at: Millis) {
        let image = &self.image;
        let reason = format!(
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {image}: not found"
        );
        self.stop(at, "TaskFailedToStart", reason);
    }

    fn next_of_running(&mut self, since: Millis, pace: &Pace) -> Option<(Millis, State)> {
        let spot = self.spot_loss.map(|after| since.saturating_add(after));
        let by_hand = self.stop.as_ref().map(|stop| stop.at);
        let by_clock = match (&self.work, self.fate) {
            // Some time passes before the memory is full.
            (_, Some(Fate::OutOfMemory)) => Some(since.saturating_add(pace.millis(1.0))),
            (Work::Clock { seconds, .. }, _) => Some(since.saturating_add(pace.millis(*seconds))),
            _ => self.exit.as_ref().map(|exit| exit.at),
        };
        let first = [spot, by_hand, by_clock].into_iter().flatten().min()?;
        Some((first.max(since), State::Deactivating))
    }

    /// Says why it stops, which it does now.
    fn say_why(&mut self, at: Millis) {
        let exited = "Essential container in task exited";
        let spot = self.spot_loss.map(|after| self.last().0.saturating_add(after));
        if self.stop.as_ref().is_some_and(|stop| stop.at <= at) {
            // By hand, before anything else.
        } else if spot.is_some_and(|spot| spot <= at) {
            self.stop(at, "SpotInterruption", "Your Spot Task was interrupted.".to_owned());
        } else if self.fate == Some(Fate::OutOfMemory) {
            let reason = "OutOfMemoryError: Container killed due to memory usage".to_owned();
            self.ends(Exit { at, code: Some(137), reason: Some(reason) }, exited);
        } else if let Some(exit) = self.exit.clone() {
            match exit.code {
                Some(_) => self.ends(exit, exited),
                None => self.stop(at, "TaskFailedToStart", exit.reason.unwrap_or_default()),
            }
        } else if let Work::Clock { exit_code, .. } = self.work {
            self.ends(Exit { at, code: Some(exit_code), reason: None }, exited);
        }
    }
}
