//! What the loop itself is counted by: passes, waits in the queue, writes to Kubernetes.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mizuumi_core::{Lane, Shard};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::tally::Tally;

/// The counters of the loop.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    passes: Family<Pass, Counter>,
    durations: Family<Kind, Histogram>,
    waits: Family<Waiting, Histogram>,
    depths: Family<Waiting, Gauge>,
    resources: Family<Kind, Gauge>,
    status_writes: Family<Kind, Counter>,
    held: Family<Kind, Gauge>,
    events_dropped: Counter,
    orphans: Gauge,
    quality: Family<Check, Gauge>,
    checks: Arc<Mutex<HashSet<Check>>>,
    conditions: Family<Said, Gauge>,
    started: Gauge<f64, AtomicU64>,
    leader: Gauge,
    shard: Gauge,
    shards: Gauge,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Check {
    namespace: String,
    check: String,
}

/// Of so many checks the score is told: each is a series of its own.
const MOST_CHECKS: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Said {
    kind: &'static str,
    condition: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Pass {
    kind: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Waiting {
    kind: &'static str,
    lane: &'static str,
}

/// What the names of all metrics begin with.
const PREFIX: &str = "mizuumi";

/// The registry of a controller.
pub(crate) fn registry() -> Registry {
    Registry::with_prefix(PREFIX)
}

/// All metrics of a controller as OpenMetrics, with one series of each whose labels are empty: what the reference is made from.
///
/// # Errors
/// Never: a text takes all that is written.
pub fn metrics_reference() -> Result<String, std::fmt::Error> {
    let mut registry = registry();
    mizuumi_aws::Metrics::new(&mut registry).show();
    Metrics::new(&mut registry).show();
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// From a millisecond to a quarter of an hour.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            passes: Family::default(),
            durations: Family::new_with_constructor(seconds),
            waits: Family::new_with_constructor(seconds),
            depths: Family::default(),
            resources: Family::default(),
            status_writes: Family::default(),
            held: Family::default(),
            events_dropped: Counter::default(),
            orphans: Gauge::default(),
            quality: Family::default(),
            checks: Arc::default(),
            conditions: Family::default(),
            started: Gauge::default(),
            leader: Gauge::default(),
            shard: Gauge::default(),
            shards: Gauge::default(),
        };
        registry.register(
            "reconcile",
            "Passes over a resource by result: `ok`, or `error` of Kubernetes",
            metrics.passes.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long a pass took, from the queue to the status",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "queue_wait",
            "How long resources waited for their pass",
            Unit::Seconds,
            metrics.waits.clone(),
        );
        registry.register("queue_depth", "Resources that wait for a pass now", metrics.depths.clone());
        registry.register("resources", "Resources that are watched", metrics.resources.clone());
        registry.register("status_writes", "Statuses written to Kubernetes", metrics.status_writes.clone());
        registry.register(
            "unconfirmed_deletions",
            "Resources that are being deleted without confirmation",
            metrics.held.clone(),
        );
        registry.register(
            "events_dropped",
            "Kubernetes Events that were not published because too many came at once",
            metrics.events_dropped.clone(),
        );
        registry.register(
            "orphan_clusters",
            "EMR clusters of this installation that no resource keeps",
            metrics.orphans.clone(),
        );
        registry.register(
            "quality_score",
            "How many of a hundred of a check's rules passed when they were evaluated last; of a thousand checks at most",
            metrics.quality.clone(),
        );
        registry.register(
            "conditions",
            "Resources by what one of their conditions says: `Fresh` `False` are late, `Stalled` `True` wait for somebody",
            metrics.conditions.clone(),
        );
        registry.register(
            "start_time_seconds",
            "When the process started, in seconds since 1970",
            metrics.started.clone(),
        );
        registry.register(
            "leader",
            "Whether this controller works (1), or waits for another one to end (0)",
            metrics.leader.clone(),
        );
        registry.register(
            "shard",
            "Which of the installation's controllers this is, from 0",
            metrics.shard.clone(),
        );
        registry.register(
            "shards",
            "How many controllers share the installation's namespaces out, as this one was told",
            metrics.shards.clone(),
        );
        metrics
    }

    /// One series of each, with empty labels: a family without any is not encoded.
    fn show(&self) {
        let Self {
            passes,
            durations,
            waits,
            depths,
            resources,
            status_writes,
            held,
            quality,
            conditions,
            checks: _,
            // These have no labels, and are always told.
            events_dropped: _,
            orphans: _,
            started: _,
            leader: _,
            shard: _,
            shards: _,
        } = self;
        drop(passes.get_or_create(&Pass::default()));
        drop(durations.get_or_create(&Kind::default()));
        drop(waits.get_or_create(&Waiting::default()));
        drop(depths.get_or_create(&Waiting::default()));
        drop(resources.get_or_create(&Kind::default()));
        drop(status_writes.get_or_create(&Kind::default()));
        drop(held.get_or_create(&Kind::default()));
        drop(quality.get_or_create(&Check::default()));
        drop(conditions.get_or_create(&Said::default()));
    }

    pub(crate) fn started(&self, seconds: i64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit in 53 bits")]
        self.started.set(seconds as f64);
    }

    pub(crate) fn is_shard(&self, shard: Shard) {
        self.shard.set(shard.index().into());
        self.shards.set(shard.of().into());
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub(crate) fn passed(
        &self,
        kind: &'static str,
        lane: Lane,
        result: &'static str,
        waited: Duration,
        took: Duration,
    ) {
        self.passes.get_or_create(&Pass { kind, result }).inc();
        self.durations.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
        self.waits.get_or_create(&Waiting { kind, lane: lane.name() }).observe(waited.as_secs_f64());
    }

    pub(crate) fn wrote_status(&self, kind: &'static str) {
        self.status_writes.get_or_create(&Kind { kind }).inc();
    }

    pub(crate) fn orphans(&self, count: usize) {
        self.orphans.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// How many of a hundred of a check's rules passed; nothing is told of one that is gone or was not evaluated.
    pub(crate) fn quality(&self, namespace: &str, check: &str, score: Option<i64>) {
        let labels = Check { namespace: namespace.to_owned(), check: check.to_owned() };
        // Nothing can panic half way, so a poisoned lock guards whole data.
        let mut told = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(score) = score {
            if told.contains(&labels) || told.len() < MOST_CHECKS {
                self.quality.get_or_create(&labels).set(score);
                told.insert(labels);
            }
        } else {
            self.quality.remove(&labels);
            told.remove(&labels);
        }
    }

    pub(crate) fn dropped_event(&self) {
        self.events_dropped.inc();
    }

    /// How many resources say what, read off when somebody asks. What nobody says any more is told as none.
    pub(crate) fn said(&self, kind: &'static str, tally: &Tally) {
        for (condition, status, count) in tally.each() {
            let labels = Said { kind, condition, status };
            if count > 0 {
                self.conditions.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            } else if let Some(there) = self.conditions.get(&labels) {
                there.set(0);
            }
        }
    }

    /// What is read off when somebody asks.
    pub(crate) fn measured(
        &self,
        kind: &'static str,
        depths: &[(Lane, usize)],
        resources: usize,
        unconfirmed: usize,
    ) {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        for (lane, depth) in depths {
            self.depths.get_or_create(&Waiting { kind, lane: lane.name() }).set(number(*depth));
        }
        self.resources.get_or_create(&Kind { kind }).set(number(resources));
        self.held.get_or_create(&Kind { kind }).set(number(unconfirmed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_so_many_checks_the_score_is_told_and_of_no_more() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let series = |registry: &Registry| {
            let mut body = String::new();
            text::encode(&mut body, registry).expect("text");
            body.lines().filter(|line| line.starts_with("quality_score{")).count()
        };
        for number in 0..=MOST_CHECKS {
            metrics.quality("n", &number.to_string(), Some(100));
        }
        assert_eq!(series(&registry), MOST_CHECKS);
        // One that goes makes room for another; one that is told already goes on.
        metrics.quality("n", "0", None);
        metrics.quality("n", "1", Some(50));
        metrics.quality("n", "new", Some(100));
        assert_eq!(series(&registry), MOST_CHECKS);
    }
}
