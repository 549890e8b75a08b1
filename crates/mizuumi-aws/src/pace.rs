//! How fast AWS is called: one token bucket for each account, region, service and operation, shared by all kinds.
//!
//! Who asks first is not served first: a user's change goes before work in progress, that before sweeps, those before
//! looks at data. Where AWS publishes a rate the bucket begins there; elsewhere the rate is learnt, and in both cases
//! AWS's own throttling has the last word.

mod bucket;
mod learning;
mod presets;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mizuumi_api::Installation;
use mizuumi_api::installation::Rates;
use mizuumi_core::Lane;
use tokio::time::Instant;

use bucket::Bucket;
pub(crate) use bucket::Turn;
use learning::Limits;

/// Which bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// AWS account, or the profile where the account is not known.
    pub(crate) account: Arc<str>,
    /// Region.
    pub(crate) region: Arc<str>,
    /// Service, such as `glue`.
    pub(crate) service: &'static str,
    /// Operation, such as `GetTables`.
    pub(crate) operation: &'static str,
}

/// All operations of a service together.
const ALL: &str = "*";
/// All calls of the data lane together.
const DATA: &str = "data looks";

/// The buckets of this process.
#[derive(Debug)]
pub(crate) struct Pace {
    rates: Rates,
    /// The part of an account's rates that is this process's.
    share: f64,
    buckets: Mutex<HashMap<Place, Arc<Bucket>>>,
}

impl Pace {
    pub(crate) fn new(installation: &Installation) -> Arc<Self> {
        let rates = installation.rates.clone();
        let share = share(installation);
        Arc::new(Self { rates, share, buckets: Mutex::new(HashMap::new()) })
    }

    /// Waits until the operation may be called; a throttled call has to be told to the turn.
    pub(crate) async fn turn(&self, place: &Place, lane: Lane) -> Turn {
        if lane == Lane::Data {
            let budget = Place { service: DATA, operation: ALL, ..place.clone() };
            drop(self.bucket(&budget).turn(lane).await);
        }
        if presets::of(place.service, ALL).is_some() {
            let together = Place { operation: ALL, ..place.clone() };
            drop(self.bucket(&together).turn(lane).await);
        }
        self.bucket(place).turn(lane).await
    }

    /// The rate of each bucket at present, in calls a second.
    pub(crate) fn rates(&self) -> Vec<(Place, f64)> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.iter().map(|(place, bucket)| (place.clone(), bucket.rate())).collect()
    }

    fn bucket(&self, place: &Place) -> Arc<Bucket> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(place) {
            return bucket.clone();
        }
        let bucket = Arc::new(Bucket::new(self.limits(place), Instant::now()));
        buckets.insert(place.clone(), bucket.clone());
        bucket
    }

    fn limits(&self, place: &Place) -> Limits {
        let whole = match (presets::of(place.service, place.operation), place.service) {
            (Some(preset), _) => Limits::preset(preset),
            (None, DATA) => Limits::fixed(f64::from(self.rates.data_per_second)),
            (None, "s3") => Limits::learnt(self.rates.s3_per_second, self.rates.s3_max_per_second),
            (None, _) => Limits::learnt(self.rates.glue_per_second, self.rates.glue_max_per_second),
        };
        whole.shared(self.share)
    }
}

/// The part of an account's rates that one controller of an installation takes: all of its shards are at work together.
fn share(installation: &Installation) -> f64 {
    f64::from(installation.rates.share_percent) / 100.0 / f64::from(installation.kubernetes.shards.max(1))
}

/// How long a call that AWS throttled waits before it asks for its next turn: the bucket has slowed down by then.
pub(crate) const AFTER_THROTTLING: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shards_of_an_installation_share_its_part_of_the_rates() {
        let part = |percent: u32, shards: u16| {
            let text = format!(
                "{{ installation: demo, aws: {{ region: us-east-1 }}, allow: {{ databases: [nyc], s3Prefixes: ['s3://lake/'] }}, \
                 rates: {{ sharePercent: {percent} }}, kubernetes: {{ shards: {shards} }} }}"
            );
            format!("{:.3}", share(&Installation::from_yaml(&text).expect("a configuration")))
        };
        assert_eq!(part(100, 1), "1.000");
        assert_eq!(part(50, 1), "0.500");
        assert_eq!(part(50, 4), "0.125");
        assert_eq!(part(1, 16), "0.001");
    }
}
