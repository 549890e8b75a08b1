//! Looks, from time to time, at the tables that runs wait for and that no resource here keeps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mizuumi_aws::catalog::{Catalog, DatabaseKey};
use mizuumi_core::ingest_run::{Covered, upstream};
use tracing::warn;

use crate::relations::Publications;

/// New waiting runs are gathered for so long before they are looked for, so that they share calls.
const GATHER: Duration = Duration::from_millis(200);

/// Looks for ever.
pub(crate) async fn watch(catalog: Arc<Catalog>, publications: Arc<Publications>) {
    let installation = publications.installation();
    let every = Duration::from_secs(installation.upstreams.poll_seconds.into());
    loop {
        // What is new is looked at soon, what was looked at before after a while.
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = publications.has_new_upstreams() => tokio::time::sleep(GATHER).await,
        }
        let mut asked: BTreeMap<DatabaseKey, Vec<String>> = BTreeMap::new();
        for (profile, table) in publications.foreign_upstreams() {
            match upstream::may_look(&table, installation) {
                Ok((database, name)) => {
                    let key = DatabaseKey { profile, database: database.to_owned() };
                    asked.entry(key).or_default().push(name.to_owned());
                }
                Err(why) => publications.foreign_covers(&table, Covered::Unreadable(why)),
            }
        }
        for (key, names) in asked {
            let found = catalog.parameters_of(&key, names.clone()).await;
            for name in names {
                let covered = match &found {
                    Ok(found) => upstream::covered(found.get(&name), installation),
                    Err(failure) => Covered::Unreadable(failure.to_string()),
                };
                publications.foreign_covers(&format!("{}.{name}", key.database), covered);
            }
            if let Err(failure) = found {
                warn!(database = key.database, %failure, "the upstreams of a database could not be read");
            }
        }
    }
}
