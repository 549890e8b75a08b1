//! What earlier runs of a job have published, which their manifests say after they have gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_core::backfill::PastLook;
use mizuumi_core::{Failure, Lane, publication};

use crate::catalog::Catalog;
use crate::s3::objects;

impl Catalog {
    /// The highest revision of each session that was published.
    ///
    /// # Errors
    /// If the manifests cannot be listed.
    pub async fn published_runs(
        &self,
        look: &PastLook,
        lane: Lane,
    ) -> Result<BTreeMap<Timestamp, i32>, Failure> {
        let (Some((first, _)), Some((last, _))) = (look.stems.first(), look.stems.last()) else {
            return Ok(BTreeMap::new());
        };
        // Names of runs are in the order of their sessions, and `s` comes after the `-r` of a revision.
        let clients = self.clients(&look.profile)?;
        let range = (first.as_str(), &*format!("{last}-s"));
        let names = objects::names_between(clients, lane, &publication::manifests(&look.root), range).await?;
        Ok(look.published(names.iter().map(String::as_str)))
    }
}
