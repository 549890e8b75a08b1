//! What the last look at each table's crawler saw. Only tables that have one are asked about.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mizuumi_core::data_table::TableKey;
use mizuumi_core::data_table::crawler::{CrawlerLook, SeenCrawler};
use mizuumi_core::{Ask, Failure, Packed};

use crate::clients::ProfileClients;
use crate::glue::crawlers;

/// The looks of all tables.
#[derive(Debug, Default)]
pub(crate) struct CrawlerLooks {
    kept: Mutex<HashMap<TableKey, Kept>>,
}

#[derive(Debug)]
struct Kept {
    seen: Packed<SeenCrawler>,
    /// Whether it was written to since.
    is_outdated: bool,
}

impl CrawlerLooks {
    /// The crawler as it is known, looked at again as far as that is needed; none if nothing is known.
    pub(crate) async fn look(
        &self,
        clients: &ProfileClients,
        key: &TableKey,
        look: &CrawlerLook,
        ask: Ask,
    ) -> Result<Option<SeenCrawler>, Failure> {
        let known = self.known(key);
        let is_outdated = known.as_ref().is_some_and(|(_, is_outdated)| *is_outdated);
        let known = known.map(|(seen, _)| seen);
        if !is_outdated && !look.is_needed(known.as_ref(), ask.data) {
            return Ok(known);
        }
        let seen = crawlers::look(clients, ask.lane, look).await?;
        if let Ok(packed) = Packed::new(&seen) {
            let kept = Kept { seen: packed, is_outdated: false };
            self.with(|all| all.insert(key.clone(), kept));
        }
        Ok(Some(seen))
    }

    /// The crawler was written to, or may have been.
    pub(crate) fn outdate(&self, key: &TableKey) {
        self.with(|all| {
            if let Some(kept) = all.get_mut(key) {
                kept.is_outdated = true;
            }
        });
    }

    pub(crate) fn forget(&self, key: &TableKey) {
        self.with(|all| all.remove(key));
    }

    fn known(&self, key: &TableKey) -> Option<(SeenCrawler, bool)> {
        let (seen, is_outdated) = self.with(|all| {
            let kept = all.get(key)?;
            Some((kept.seen.clone(), kept.is_outdated))
        })?;
        Some((seen.open().ok()?, is_outdated))
    }

    fn with<T>(&self, then: impl FnOnce(&mut HashMap<TableKey, Kept>) -> T) -> T {
        then(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
