//! Networks as they were seen: they change rarely, and every start of a cluster may ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mizuumi_core::emr_cluster::network::Subnet;
use mizuumi_core::{Ask, Failure, Reading};
use tokio::sync::Mutex;

use crate::clients::Clients;
use crate::ec2;

/// What was seen counts for so long.
const KNOWN: Duration = Duration::from_mins(10);

/// Subnets of a profile, by their ids.
type Place = (String, Vec<String>);

#[derive(Clone, Debug)]
struct Seen {
    at: Instant,
    subnets: Vec<Subnet>,
}

/// The networks of all profiles.
#[derive(Debug, Default)]
pub(crate) struct Networks(Mutex<HashMap<Place, Arc<Mutex<Option<Seen>>>>>);

impl Networks {
    /// The subnets of these ids. Those who ask together share an answer; a failure is not kept.
    pub(crate) async fn subnets(
        &self,
        clients: &Clients,
        profile: &str,
        ids: &[String],
        ask: Ask,
    ) -> Result<Vec<Subnet>, Failure> {
        let place = (profile.to_owned(), ids.to_vec());
        let known = self.0.lock().await.entry(place).or_default().clone();
        let mut known = known.lock().await;
        let is_new = |seen: &&Seen| match ask.definition {
            Reading::Known => seen.at.elapsed() < KNOWN,
            Reading::Since(since) => seen.at >= since,
        };
        if let Some(seen) = known.as_ref().filter(is_new) {
            return Ok(seen.subnets.clone());
        }
        let at = Instant::now();
        let subnets = ec2::subnets(clients.of(profile)?, ask.lane, ids).await?;
        *known = Some(Seen { at, subnets: subnets.clone() });
        Ok(subnets)
    }
}
