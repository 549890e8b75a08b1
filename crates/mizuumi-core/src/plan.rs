//! A plan: what to do, why, and when to look again. Plans are data, so that they can be shown, tested and simulated.

use jiff::Timestamp;
use mizuumi_api::Reason;

/// What is wanted of an external object.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal<D, C> {
    /// It is to be as the spec says.
    Present(D),
    /// It is to be gone; only the claim counts, so that a broken spec stays deletable.
    Absent(C),
    /// It is to stay, without our marks.
    Released(C),
}

/// What to do about one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// The steps, in order. Each may be the last one that happens; the next plan goes on from there.
    pub steps: Vec<S>,
    /// Why the plan is what it is.
    pub verdict: Verdict,
    /// The first moment at which the plan would be another one with nothing in the world changed.
    pub wake_at: Option<Timestamp>,
}

/// Why a plan is what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The world is as the goal wants it; what steps there are change nothing about that.
    InSync,
    /// The steps bring the world nearer to the goal.
    Converging(Reason, String),
    /// Something cannot be done until somebody changes something; what steps there are are to be done all the same.
    Blocked(Reason, String),
}

impl<S> Plan<S> {
    /// Nothing to do.
    #[must_use]
    pub const fn in_sync(wake_at: Option<Timestamp>) -> Self {
        Self { steps: Vec::new(), verdict: Verdict::InSync, wake_at }
    }

    /// Steps to do.
    pub fn converge(reason: Reason, message: impl Into<String>, steps: Vec<S>) -> Self {
        Self { steps, verdict: Verdict::Converging(reason, message.into()), wake_at: None }
    }

    /// Nothing that may be done.
    pub fn blocked(reason: Reason, message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), verdict: Verdict::Blocked(reason, message.into()), wake_at: None }
    }

    /// Whether the world is as the goal wants it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.verdict == Verdict::InSync
    }
}
