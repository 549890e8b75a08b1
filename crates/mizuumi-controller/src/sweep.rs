//! Sweeps: each database is looked at as a whole from time to time, and only what looks different is woken.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mizuumi_aws::catalog::{Catalog, DatabaseKey};
use mizuumi_core::Failure;
use mizuumi_core::data_table::TableKey;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::backoff::jittered;
use crate::clock;

/// After so many sweeps of a database in a row that failed, what was seen of it no longer counts.
const TRUSTED: u32 = 3;

/// So many databases of a profile at once. The rate is the gateway's affair.
const AT_ONCE: usize = 8;

/// Sweeps for ever, and hands each table that looks different to `wake`. A database whose sweep takes longer than the
/// interval is left out until it has ended, and holds up no other.
pub(crate) async fn sweep(catalog: Arc<Catalog>, every: Duration, wake: impl Fn(&TableKey)) {
    let mut failures = Failures::default();
    let mut under_way = HashSet::new();
    let mut places: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut sweeps = FuturesUnordered::new();
    let mut next = Instant::now() + jittered(every);
    loop {
        tokio::select! {
            () = sleep_until(next) => {
                next = Instant::now() + jittered(every);
                for database in catalog.watched() {
                    if !under_way.insert(database.clone()) {
                        continue;
                    }
                    let places = places
                        .entry(database.profile.clone())
                        .or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)))
                        .clone();
                    let catalog = &catalog;
                    sweeps.push(async move {
                        // Closed by nobody.
                        let _place = places.acquire().await.ok();
                        let outcome = catalog.sweep(&database, clock::now()).await;
                        (database, outcome)
                    });
                }
            }
            Some((database, outcome)) = sweeps.next() => {
                failures.woken(&catalog, &database, outcome).iter().for_each(&wake);
                under_way.remove(&database);
            }
        }
    }
}

/// How many sweeps of a database failed in a row.
#[derive(Debug, Default)]
struct Failures(HashMap<DatabaseKey, u32>);

impl Failures {
    /// The tables to wake after a sweep.
    fn woken(
        &mut self,
        catalog: &Catalog,
        database: &DatabaseKey,
        outcome: Result<Vec<TableKey>, Failure>,
    ) -> Vec<TableKey> {
        match outcome {
            Ok(changed) => {
                debug!(database = database.database, changed = changed.len(), "swept");
                self.0.remove(database);
                changed
            }
            // Nothing is concluded from half a list; the next sweep tries again. When none comes through any more, each
            // table has to say so: it is not known to be as the spec says.
            Err(failure) => {
                warn!(database = database.database, %failure, "the sweep was not complete");
                let count = self.0.entry(database.clone()).or_default();
                *count += 1;
                if *count < TRUSTED && failure.class.is_transient() {
                    return Vec::new();
                }
                self.0.remove(database);
                catalog.distrust(database)
            }
        }
    }
}
