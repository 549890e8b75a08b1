//! How long to wait after a failure: longer each time, each object for itself, never in step with others.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mizuumi_api::installation::Intervals;
use rand::RngExt;

/// Failures in a row, by object.
#[derive(Debug)]
pub(crate) struct Backoff<K> {
    failures: Mutex<HashMap<K, u32>>,
    first: Duration,
    longest: Duration,
    blocked: Duration,
}

impl<K: Eq + Hash> Backoff<K> {
    pub(crate) fn new(intervals: &Intervals) -> Self {
        let seconds = |n: u32| Duration::from_secs(n.into());
        Self {
            failures: Mutex::new(HashMap::new()),
            first: seconds(intervals.retry_seconds),
            longest: seconds(intervals.retry_max_seconds),
            blocked: seconds(intervals.blocked_seconds),
        }
    }

    /// The wait after one more failure that time may mend.
    pub(crate) fn after_failure(&self, key: K) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key).or_default();
        *count = count.saturating_add(1);
        let doublings = (*count - 1).min(16);
        jittered(self.first.saturating_mul(1 << doublings).min(self.longest))
    }

    /// The wait where only a change helps: no state is so final that nobody looks again.
    pub(crate) fn while_blocked(&self) -> Duration {
        jittered(self.blocked)
    }

    /// It went well, or the object is gone.
    pub(crate) fn reset(&self, key: &K) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

/// Between 80 % and 120 % of a wait, so that what failed together does not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_success() {
        let intervals = Intervals { retry_seconds: 5, retry_max_seconds: 60, ..Intervals::default() };
        let backoff = Backoff::new(&intervals);
        for seconds in [5_u64, 10, 20, 40, 60, 60] {
            let wait = backoff.after_failure("a");
            let middle = Duration::from_secs(seconds);
            assert!(
                wait >= middle.mul_f64(0.8) && wait <= middle.mul_f64(1.2),
                "{wait:?} is not about {seconds} s"
            );
        }
        backoff.reset(&"a");
        assert!(backoff.after_failure("a") <= Duration::from_secs(6));
    }
}
