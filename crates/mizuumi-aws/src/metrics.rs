//! What the calls to AWS are counted by. Labels come from closed sets; no resource's name is one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::catalog::DatabaseKey;
use crate::pace::Place;

/// The counters of all calls.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Family<Operation, Histogram>,
    waits: Family<Waiting, Histogram>,
    rates: Family<Bucket, Gauge<f64, AtomicU64>>,
    swept: Family<Database, Gauge>,
    sweeps: Family<Sweep, Counter>,
    tables: Family<Database, Gauge>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    service: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    service: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Waiting {
    service: &'static str,
    lane: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Bucket {
    account: Text,
    region: Text,
    service: &'static str,
    operation: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Database {
    profile: String,
    database: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sweep {
    outcome: &'static str,
}

/// A text that many labels share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Text(Arc<str>);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        (&*self.0).encode(encoder)
    }
}

/// From a millisecond to a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Metrics {
    /// The counters, made known to a registry.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(seconds),
            waits: Family::new_with_constructor(seconds),
            rates: Family::default(),
            swept: Family::default(),
            sweeps: Family::default(),
            tables: Family::default(),
        };
        registry.register(
            "aws_requests",
            "Calls to AWS, each attempt, by outcome: `ok`, `absent` or the reason of the failure",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "aws_request_duration",
            "How long AWS took to answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "aws_turn_wait",
            "How long calls waited for the rate to let them go",
            Unit::Seconds,
            metrics.waits.clone(),
        );
        registry.register(
            "aws_rate",
            "Calls a second that a bucket lets go at present, learnt or preset",
            metrics.rates.clone(),
        );
        registry.register(
            "sweep_last_success_timestamp_seconds",
            "When the last complete sweep over a database began, in seconds since 1970; its age is time() less this",
            metrics.swept.clone(),
        );
        registry.register(
            "sweeps",
            "Sweeps over a database by outcome: `complete` or `failed`",
            metrics.sweeps.clone(),
        );
        registry.register(
            "catalog_tables",
            "Tables of a database that are kept track of",
            metrics.tables.clone(),
        );
        metrics
    }

    /// Counters that nobody reads.
    #[must_use]
    pub fn unread() -> Self {
        Self::new(&mut Registry::default())
    }

    /// One series of each, with empty labels: a family without any is not encoded.
    pub fn show(&self) {
        let Self { requests, durations, waits, rates, swept, sweeps, tables } = self;
        drop(requests.get_or_create(&Request::default()));
        drop(durations.get_or_create(&Operation::default()));
        drop(waits.get_or_create(&Waiting::default()));
        drop(rates.get_or_create(&Bucket::default()));
        drop(swept.get_or_create(&Database::default()));
        drop(sweeps.get_or_create(&Sweep::default()));
        drop(tables.get_or_create(&Database::default()));
    }

    pub(crate) fn waited(&self, service: &'static str, lane: mizuumi_core::Lane, wait: Duration) {
        self.waits.get_or_create(&Waiting { service, lane: lane.name() }).observe(wait.as_secs_f64());
    }

    pub(crate) fn answered(&self, place: &Place, outcome: &'static str, took: Duration) {
        let (service, operation) = (place.service, place.operation);
        self.requests.get_or_create(&Request { service, operation, outcome }).inc();
        self.durations.get_or_create(&Operation { service, operation }).observe(took.as_secs_f64());
    }

    pub(crate) fn rates(&self, rates: Vec<(Place, f64)>) {
        for (place, rate) in rates {
            let bucket = Bucket {
                account: Text(place.account),
                region: Text(place.region),
                service: place.service,
                operation: place.operation,
            };
            self.rates.get_or_create(&bucket).set(rate);
        }
    }

    /// A sweep ended; `began` in seconds since 1970, if it was complete.
    pub fn swept(&self, database: &DatabaseKey, began: Option<i64>, tables: usize) {
        let outcome = if began.is_some() { "complete" } else { "failed" };
        self.sweeps.get_or_create(&Sweep { outcome }).inc();
        let labels = Database { profile: database.profile.clone(), database: database.database.clone() };
        self.tables.get_or_create(&labels).set(i64::try_from(tables).unwrap_or(i64::MAX));
        if let Some(began) = began {
            self.swept.get_or_create(&labels).set(began);
        }
    }
}
