//! Digests of the programs that runs use: read once for each version of an object.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mizuumi_core::publication::hexadecimal;
use mizuumi_core::{Class, Failure, Lane};
use sha2::{Digest, Sha256};

use crate::clients::ProfileClients;
use crate::gateway::api;
use crate::s3::objects;

/// So many digests are remembered.
const REMEMBERED: usize = 1_000;

/// Digests by place and `ETag`.
#[derive(Debug, Default)]
pub(crate) struct Artifacts(Mutex<HashMap<(String, String), String>>);

impl Artifacts {
    /// The SHA-256 of each object, in hexadecimal; none where there is no such object.
    pub(crate) async fn digests(
        &self,
        clients: &ProfileClients,
        lane: Lane,
        locations: &[String],
    ) -> Result<BTreeMap<String, Option<String>>, Failure> {
        let mut digests = BTreeMap::new();
        for location in locations {
            digests.insert(location.clone(), self.digest(clients, lane, location).await?);
        }
        Ok(digests)
    }

    async fn digest(
        &self,
        clients: &ProfileClients,
        lane: Lane,
        location: &str,
    ) -> Result<Option<String>, Failure> {
        let api = api!("s3", "HeadObject", Read);
        let (bucket, key) = objects::place(api.name, location)?;
        let head = clients.s3.head_object().bucket(&bucket).key(&key);
        let Some(answer) = clients.gateway.read(api, lane, || head.clone().send()).await? else {
            return Ok(None);
        };
        let version = (location.to_owned(), answer.e_tag().unwrap_or_default().to_owned());
        if let Some(known) = self.known().get(&version) {
            return Ok(Some(known.clone()));
        }
        let api = api!("s3", "GetObject", Read);
        let get = clients.s3.get_object().bucket(&bucket).key(&key).if_match(&version.1);
        let Some(answer) = clients.gateway.read(api, lane, || get.clone().send()).await? else {
            return Ok(None);
        };
        let mut body = answer.body;
        let mut digest = Sha256::new();
        while let Some(bytes) = body.next().await {
            digest.update(bytes.map_err(|error| {
                Failure::new(api.name, Class::Unavailable, format!("the answer broke off: {error}"))
            })?);
        }
        let text = hexadecimal(&digest.finalize());
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(version, text.clone());
        Ok(Some(text))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(String, String), String>> {
        // Nothing here can panic half way, so a poisoned lock guards whole data.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
