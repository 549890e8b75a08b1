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

/// Between two looks at which databases there are.
const LOOK: Duration = Duration::from_secs(30);

/// Sweeps for ever, and hands each table that looks different to `wake`. Each database is swept again so long after its last
/// sweep ended, so that one that hangs holds up no other.
pub(crate) async fn sweep(catalog: Arc<Catalog>, every: Duration, wake: impl Fn(&TableKey)) {
    let mut failures = Failures::default();
    let mut places: HashMap<String, Arc<Semaphore>> = HashMap::new();
    let mut due: HashMap<DatabaseKey, Instant> = HashMap::new();
    let mut under_way = HashSet::new();
    let mut sweeps = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let watched = catalog.watched();
        due.retain(|database, _| watched.contains(database));
        for database in watched {
            if under_way.contains(&database)
                || *due.entry(database.clone()).or_insert_with(|| now + jittered(every)) > now
            {
                continue;
            }
            due.remove(&database);
            under_way.insert(database.clone());
            let place = places.entry(database.profile.clone());
            let places = place.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
            let catalog = &catalog;
            sweeps.push(async move {
                // Closed by nobody.
                let _place = places.acquire().await.ok();
                let outcome = catalog.sweep(&database, clock::now()).await;
                (database, outcome)
            });
        }
        // Databases that are new are seen by then as well.
        let look_again = now + every.min(LOOK);
        let next = due.values().copied().fold(look_again, Instant::min);
        tokio::select! {
            () = sleep_until(next) => {}
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
