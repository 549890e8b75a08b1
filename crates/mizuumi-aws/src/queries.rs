//! Queries of checks and gates: started within limits, remembered while somebody asks for them, and stopped.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mizuumi_core::quality_check::query::StopQuery;
use mizuumi_core::quality_check::{FoundQuery, QueryLook, SeenQuery, StartQuery};
use mizuumi_core::{Class, Errand, Failure, Lane};

use crate::athena;
use crate::catalog::Catalog;
use crate::clients::ProfileClients;

/// So long a workgroup's limit counts that was looked at.
const LIMIT_KNOWN: Duration = Duration::from_mins(10);

/// Queries by whose they are and by their client tokens, as far as this process knows them.
#[derive(Debug)]
pub(crate) struct Queries<K> {
    known: Mutex<HashMap<K, HashMap<String, Query>>>,
    /// Workgroups by profile and name, and when they were last found to limit what queries scan.
    limited: Mutex<HashMap<(String, String), Instant>>,
}

/// A query that this process has started or found.
#[derive(Clone, Debug)]
struct Query {
    id: String,
    /// What has become of it, once it is over.
    over: Option<SeenQuery>,
}

impl<K> Default for Queries<K> {
    fn default() -> Self {
        Self { known: Mutex::default(), limited: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Queries<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<K, HashMap<String, Query>>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has become of the queries that were written down, by their tokens; without those of which nobody knows that they were
    /// started. Others are forgotten.
    pub(crate) async fn look(
        &self,
        key: &K,
        catalog: &Catalog,
        looks: &[QueryLook],
        lane: Lane,
    ) -> Result<BTreeMap<String, FoundQuery>, Failure> {
        if looks.is_empty() {
            self.forget(key);
            return Ok(BTreeMap::new());
        }
        if let Some(known) = self.known().get_mut(key) {
            known.retain(|token, _| looks.iter().any(|look| look.token == *token));
        }
        let mut all = BTreeMap::new();
        for look in looks {
            let known = self.known().get(key).and_then(|known| known.get(&look.token).cloned());
            let found = match known {
                Some(Query { over: Some(seen), id }) => FoundQuery { id, seen },
                known => {
                    let Some(id) = known.map(|query| query.id).or_else(|| look.id.clone()) else { continue };
                    let seen = athena::look(catalog.clients(&look.profile)?, lane, &id, look).await?;
                    let over = (seen != SeenQuery::Runs).then(|| seen.clone());
                    self.note(key, &look.token, Query { id: id.clone(), over });
                    FoundQuery { id, seen }
                }
            };
            all.insert(look.token.clone(), found);
        }
        Ok(all)
    }

    /// Starts a query that was written down.
    pub(crate) async fn start(
        &self,
        key: &K,
        clients: &ProfileClients,
        step: &StartQuery,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        self.check_limit(step, clients, errand.lane).await?;
        let id = athena::start(clients, errand, step).await?;
        self.note(key, &step.token, Query { id, over: None });
        Ok(())
    }

    /// Stops a query whose answer nobody needs.
    pub(crate) async fn stop(
        &self,
        key: &K,
        clients: &ProfileClients,
        stop: &StopQuery,
        errand: Errand<'_>,
    ) -> Result<(), Failure> {
        athena::stop(clients, errand, &stop.id).await?;
        // It ends by and by, and costs nothing more.
        let why = "it was stopped, since nobody needed its answer any more".to_owned();
        let over = Some(SeenQuery::Failed { why, passes: false, scanned: 0 });
        self.note(key, &stop.token, Query { id: stop.id.clone(), over });
        Ok(())
    }

    fn note(&self, key: &K, token: &str, query: Query) {
        self.known().entry(key.clone()).or_default().insert(token.to_owned(), query);
    }

    /// Makes sure that a query cannot scan without end.
    pub(crate) async fn check_limit(
        &self,
        step: &StartQuery,
        clients: &ProfileClients,
        lane: Lane,
    ) -> Result<(), Failure> {
        if step.allow_unlimited_scans {
            return Ok(());
        }
        let limited = || self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        let group = (step.profile.clone(), step.workgroup.clone());
        if limited().get(&group).is_some_and(|known| known.elapsed() < LIMIT_KNOWN) {
            return Ok(());
        }
        if athena::cutoff(clients, lane, &step.workgroup).await?.is_none() {
            return Err(Failure::new(
                "athena:GetWorkGroup",
                Class::Denied,
                format!(
                    "workgroup '{}' does not limit the bytes that a query may scan, and nothing was started: set its \
                     BytesScannedCutoffPerQuery, or `athena.allowUnlimitedScans` of profile '{}'",
                    step.workgroup, step.profile
                ),
            ));
        }
        limited().insert(group, Instant::now());
        Ok(())
    }

    pub(crate) fn forget(&self, key: &K) {
        self.known().remove(key);
    }
}
