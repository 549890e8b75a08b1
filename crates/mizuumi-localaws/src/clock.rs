//! The one place that reads the wall clock.

use jiff::Timestamp;

/// The current time.
#[expect(clippy::disallowed_methods, reason = "the endpoint stamps what it stores; all of it asks here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
