//! What there is in an account, whoever's it is, read once for a person who asks.

use jiff::Timestamp;
use mizuumi_core::{Failure, Lane, Reading, s3_uri};

use crate::catalog::Catalog;
use crate::emr_cluster::ClusterPort;
use crate::gateway::api;
use crate::s3::directories;

impl Catalog {
    /// The names of all databases of a profile's account.
    ///
    /// # Errors
    /// If they could not be read to their end.
    pub async fn databases(&self, profile: &str) -> Result<Vec<String>, Failure> {
        let clients = self.clients(profile)?;
        let get = clients.glue.get_databases();
        let api = api!("glue", "GetDatabases", Read);
        let mut all = Vec::new();
        let mut token = None;
        loop {
            let page = get.clone().set_next_token(token);
            let answer = clients.gateway.read(api, Lane::Change, || page.clone().send()).await?;
            let Some(answer) = answer else { return Ok(all) };
            all.extend(answer.database_list().iter().map(|database| database.name().to_owned()));
            token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// The prefixes right under a location, each as a location.
    ///
    /// # Errors
    /// If it is no location, or could not be listed to its end.
    pub async fn prefixes(&self, profile: &str, location: &str) -> Result<Vec<String>, Failure> {
        let (bucket, prefix) = s3_uri::bucket_and_prefix(location).unwrap_or_default();
        let below =
            directories::child_prefixes(self.clients(profile)?, Lane::Change, &bucket, &prefix).await?;
        Ok(below.into_iter().map(|below| format!("s3://{bucket}/{below}")).collect())
    }
}

impl ClusterPort {
    /// Every cluster of a profile's account that is alive: its id and its name.
    ///
    /// # Errors
    /// If they could not be read to their end.
    pub async fn alive(&self, profile: &str, now: Timestamp) -> Result<Vec<(String, String)>, Failure> {
        let list = self.list(profile, Lane::Change, Reading::Known, now).await?;
        Ok(list.clusters.iter().map(|listed| (listed.id.clone(), listed.name.clone())).collect())
    }
}
