//! Why a resource is not as it should be: its conditions, the chain of what it waits for across kinds, and what to do.
//!
//! What stands in the way of a resource is found by looking at others. Which, is known only once the first have been read; so
//! an explanation says what it still needs, and is made anew once that is there.

pub mod chain;
pub mod failing;
pub mod seen;
pub mod standing;

use std::collections::BTreeSet;

use mizuumi_api::{Reason, ResourceId};
use serde::Serialize;

pub use failing::{Failing, LastFailure};
pub use seen::{Need, Object, Seen};
pub use standing::{State, Told};

/// A resource, how it stands, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Which; a Glue table where no resource is known that keeps it.
    pub name: String,
    /// What it is to the one above, such as `is written by`; empty at the top.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relation: String,
    /// How it stands.
    pub state: State,
    /// Its conditions, the weightiest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Told>,
    /// Whether it fails, and Events may tell more.
    #[serde(skip)]
    pub failing: Option<Failing>,
    /// The try that failed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
    /// What it has to do with that matters to how it stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<Node>,
}

/// What to do about something in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    /// About which resource.
    pub about: String,
    /// The reason that it gives.
    pub reason: String,
    /// What the reason means, in the words of the reference.
    pub meaning: String,
    /// When it is looked at again.
    pub next: String,
}

/// Why a resource is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The resource, and the chain below it.
    #[serde(flatten)]
    pub node: Node,
    /// What to do, where the chain ends.
    pub advice: Vec<Advice>,
}

/// Explains a resource by what has been read; where more is needed, says what.
///
/// # Errors
/// With what has to be read before more can be said.
pub fn explain(id: &ResourceId, seen: &Seen) -> Result<Option<Explanation>, BTreeSet<Need>> {
    let mut chain = chain::Chain::new(seen);
    let node = chain.top(id);
    if !chain.needs.is_empty() {
        return Err(chain.needs);
    }
    let Some(node) = node else { return Ok(None) };
    let mut advice = Vec::new();
    advise(&node, &mut advice);
    Ok(Some(Explanation { node, advice }))
}

impl Node {
    /// What fails, here and below, each once.
    #[must_use]
    pub fn failing(&self) -> Vec<Failing> {
        let mut all: Vec<Failing> = self.failing.iter().cloned().collect();
        for below in self.waits_for.iter().flat_map(Self::failing) {
            if !all.contains(&below) {
                all.push(below);
            }
        }
        all
    }

    /// Takes in what Events tell of something that fails.
    pub fn tell_failure(&mut self, of: &Failing, told: &Result<Option<LastFailure>, String>) {
        if self.failing.as_ref() == Some(of) {
            match told {
                Ok(failure) => self.last_failure.clone_from(failure),
                Err(why) => {
                    self.facts.push(format!("Events, which tell of the last try, cannot be read: {why}"));
                }
            }
        }
        self.waits_for.iter_mut().for_each(|node| node.tell_failure(of, told));
    }

    /// The condition that says most of what is amiss.
    #[must_use]
    pub fn worst(&self) -> Option<&Told> {
        self.conditions.first().filter(|told| !told.is_good)
    }
}

/// What to do about what stands at the ends of the chain: the rest follows from that.
fn advise(node: &Node, advice: &mut Vec<Advice>) {
    let before = advice.len();
    for below in &node.waits_for {
        advise(below, advice);
    }
    // What is late because of others needs no advice of its own; what is stuck does, whatever stands below it.
    let is_end = advice.len() == before || node.state == State::Stuck;
    let Some(told) = node.worst().filter(|_| is_end && node.state != State::Good) else { return };
    let Some(reason) = Reason::of(&told.reason) else { return };
    let about = node.name.clone();
    if advice.iter().any(|given| given.about == about) {
        return;
    }
    let meaning = reason.meaning().split_whitespace().collect::<Vec<_>>().join(" ");
    advice.push(Advice { about, reason: told.reason.clone(), meaning, next: next(node, reason).to_owned() });
}

/// When something is looked at again.
const fn next(node: &Node, reason: Reason) -> &'static str {
    match (node.state, reason) {
        (_, Reason::Denied | Reason::Invalid) => {
            "it is tried again by itself, with pauses of at most `intervals.blockedSeconds`, and at once when the resource changes"
        }
        (_, Reason::Throttled | Reason::Unavailable | Reason::OutcomeUnknown) => {
            "it is tried again by itself, with pauses that double up to `intervals.retryMaxSeconds`"
        }
        (State::Failed, _) => "nothing more happens by itself",
        (State::Stuck, _) => {
            "it goes on as soon as that has changed; to have it looked at now: mizuumi reconcile"
        }
        (State::Unreached, _) => {
            "the next run that is made with it tries again, and so does one under way that has retries left"
        }
        (State::Late, _) => "it turns by itself as soon as the data is there",
        _ => "it goes on by itself",
    }
}
