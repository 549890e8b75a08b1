//! Client tokens: the same request again is answered with the task that it has begun, another one is refused.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::life::Millis;
use super::tasks::Task;
use crate::glue::Object;

/// Developer Guide, "Ensuring idempotency": a token holds for 24 hours, or for an hour longer than what it has made, whichever is
/// less.
const LONGEST: Millis = 24 * 3600 * 1000;
const LONGER: Millis = 3600 * 1000;

/// A token that was used in a cluster.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) cluster: String,
    pub(super) text: String,
    /// What the request said.
    pub(super) request: u64,
    pub(super) used: Millis,
    /// ARNs of the tasks.
    pub(super) tasks: Vec<String>,
}

impl Token {
    /// Whether it still holds; a task that is no longer shown has stopped an hour ago.
    pub(super) fn holds(&self, tasks: &[Task], now: Millis) -> bool {
        let lives = |task: &Task| {
            self.tasks.contains(&task.arn)
                && task.life.stopped().is_none_or(|at| now < at.saturating_add(LONGER))
        };
        now < self.used.saturating_add(LONGEST) && tasks.iter().any(lives)
    }
}

/// What a request says, in one number.
pub(super) fn request(input: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(input).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
