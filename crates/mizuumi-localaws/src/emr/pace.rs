//! How long EMR takes for things, and how much faster the local endpoint is.

use serde::{Deserialize, Serialize};

use super::step_life::End;

/// What becomes of steps whose name contains a text. The first rule that fits decides, when the step is added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepRule {
    /// A part of the step's name; empty: every step.
    pub(crate) name: String,
    /// How long the step runs, before `speed`; absent: as other steps.
    #[serde(default)]
    pub(crate) seconds: Option<f64>,
    /// Whether it fails.
    #[serde(default)]
    pub(crate) fails: bool,
}

/// Durations in seconds, all of them divided by `speed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Pace {
    /// How many times faster than in AWS the clusters live.
    pub(crate) speed: f64,
    /// `STARTING`: EC2 instances are provisioned.
    pub(crate) starting_seconds: f64,
    /// `BOOTSTRAPPING`: bootstrap actions run, applications are installed.
    pub(crate) bootstrapping_seconds: f64,
    /// A step for which no rule says anything else, where steps do not really run.
    pub(crate) step_seconds: f64,
    /// From the cancellation of a running step to its end.
    pub(crate) cancelling_seconds: f64,
    /// A change of an instance group's or fleet's size.
    pub(crate) resizing_seconds: f64,
    /// `TERMINATING`.
    pub(crate) terminating_seconds: f64,
    /// What becomes of certain steps.
    pub(crate) steps: Vec<StepRule>,
}

impl Default for Pace {
    // AWS publishes no durations; these are of the size that clusters of a few instances are commonly seen to take.
    fn default() -> Self {
        Self {
            speed: 1.0,
            starting_seconds: 240.0,
            bootstrapping_seconds: 120.0,
            step_seconds: 60.0,
            cancelling_seconds: 10.0,
            resizing_seconds: 180.0,
            terminating_seconds: 60.0,
            steps: Vec::new(),
        }
    }
}

impl Pace {
    /// The usual durations, `speed` times faster.
    pub(crate) fn of(speed: f64) -> Self {
        Self { speed, ..Self::default() }
    }

    /// A duration of EMR in milliseconds of the local endpoint.
    pub(super) fn millis(&self, seconds: f64) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "a cast from f64 saturates")]
        let millis = (seconds.max(0.0) * 1000.0 / self.speed).round() as i64;
        millis
    }

    /// What brings a step of this name to its end: what a rule says; else its process, where steps really run.
    pub(super) fn end(&self, name: &str, really: bool) -> End {
        let clock =
            |seconds: Option<f64>, fails| End::Clock { seconds: seconds.unwrap_or(self.step_seconds), fails };
        match self.steps.iter().find(|rule| name.contains(&rule.name)) {
            Some(rule) => clock(rule.seconds, rule.fails),
            None if really => End::Process(None),
            None => clock(None, false),
        }
    }

    /// Why these numbers cannot be used, if they cannot.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        (!(self.speed.is_finite() && self.speed > 0.0)).then_some("speed has to be a number above 0")
    }
}
