//! The one place that reads the clock. Everything else is handed the time.

use jiff::Timestamp;

/// The time, in whole seconds, as Kubernetes tells it.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
#[must_use]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
