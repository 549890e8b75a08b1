//! Sweeps: each database is looked at as a whole from time to time, and only what looks different is woken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use mizuumi_aws::catalog::{Catalog, DatabaseKey};
use mizuumi_core::data_table::TableKey;
use tracing::{debug, warn};

use crate::backoff::jittered;
use crate::clock;

/// After so many sweeps of a database in a row that failed, what was seen of it no longer counts.
const TRUSTED: u32 = 3;

/// So many databases at once: one that hangs does not hold up the others. The rate is the gateway's affair.
const AT_ONCE: usize = 8;

/// Sweeps for ever, and hands each table that looks different to `wake`.
pub(crate) async fn sweep(catalog: Arc<Catalog>, every: Duration, wake: impl Fn(&TableKey)) {
    let failures: Mutex<HashMap<DatabaseKey, u32>> = Mutex::default();
    loop {
        tokio::time::sleep(jittered(every)).await;
        stream::iter(catalog.watched())
            .for_each_concurrent(AT_ONCE, |database| {
                let (catalog, failures, wake) = (&catalog, &failures, &wake);
                async move {
                    let outcome = catalog.sweep(&database, clock::now()).await;
                    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                    match outcome {
                        Ok(changed) => {
                            debug!(database = database.database, changed = changed.len(), "swept");
                            changed.iter().for_each(wake);
                            failures.remove(&database);
                        }
                        // Nothing is concluded from half a list; the next sweep tries again. When none comes through any
                        // more, each table has to say so: it is not known to be as the spec says.
                        Err(failure) => {
                            warn!(database = database.database, %failure, "the sweep was not complete");
                            let count = failures.entry(database.clone()).or_default();
                            *count += 1;
                            if *count >= TRUSTED || !failure.class.is_transient() {
                                catalog.distrust(&database).iter().for_each(wake);
                                failures.remove(&database);
                            }
                        }
                    }
                }
            })
            .await;
    }
}
