//! What the judge says of one invariant.

use serde::Serialize;

/// Examples shown of each invariant.
const EXAMPLES: usize = 10;

/// One invariant, and what breaks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    /// Its number in the project's list of invariants.
    pub(crate) id: &'static str,
    /// What it says.
    pub(crate) says: &'static str,
    /// How many things were looked at.
    pub(crate) checked: u64,
    /// How many of them break it.
    pub(crate) violations: u64,
    /// The first ones.
    pub(crate) examples: Vec<String>,
    /// What else there is to know, such as what could not be judged.
    pub(crate) notes: Vec<String>,
}

impl Verdict {
    /// Nothing looked at yet.
    pub(super) fn new(id: &'static str, says: &'static str) -> Self {
        Self { id, says, checked: 0, violations: 0, examples: Vec::new(), notes: Vec::new() }
    }

    /// Something breaks it.
    pub(super) fn violated(&mut self, example: impl Into<String>) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example.into());
        }
    }

    /// Violations that were counted elsewhere.
    pub(super) fn violated_as(&mut self, tally: &crate::ledger::Tally) {
        self.violations += tally.count;
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(tally.examples.iter().take(room).cloned());
    }

    /// A note, when there is something to count.
    pub(super) fn note(&mut self, count: u64, what: &str) {
        if count > 0 {
            self.notes.push(format!("{count} {what}"));
        }
    }
}
