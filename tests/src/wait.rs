//! Waiting for what is expected, the one place where the harness sleeps.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::Instant;

/// How long a test waits before it gives up. Far longer than anything takes, for a machine that is busy.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(40);

/// Looks until what is expected is there.
///
/// # Errors
/// What the last look saw, once the deadline has passed.
pub(crate) async fn until<T>(deadline: Duration, mut look: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let last = Instant::now() + deadline;
    loop {
        match look().await {
            Ok(seen) => return Ok(seen),
            Err(error) if Instant::now() >= last => return Err(error),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Lets so much time pass: a fault lasts as long as it lasts.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "the tests' one clock")]
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}
