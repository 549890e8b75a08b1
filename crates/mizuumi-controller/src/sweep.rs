//! Sweeps: each database is listed as a whole from time to time, and only what looks different is woken.

use std::sync::Arc;
use std::time::Duration;

use mizuumi_aws::catalog::Catalog;
use mizuumi_core::data_table::TableKey;
use tracing::{debug, warn};

use crate::backoff::jittered;

/// Sweeps for ever, and hands each table that looks different to `wake`.
pub(crate) async fn sweep(catalog: Arc<Catalog>, every: Duration, wake: impl Fn(&TableKey)) {
    loop {
        tokio::time::sleep(jittered(every)).await;
        for database in catalog.watched() {
            match catalog.sweep(&database).await {
                Ok(changed) => {
                    debug!(database = database.database, changed = changed.len(), "swept");
                    changed.iter().for_each(&wake);
                }
                // Nothing is concluded from half a list; the next sweep tries again.
                Err(failure) => warn!(database = database.database, %failure, "the sweep was not complete"),
            }
        }
    }
}
