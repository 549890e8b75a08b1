//! How long every call takes at least: a base and a jitter that a seed makes repeatable.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::faults::unit;
use crate::lock::Lock;

/// The time that a call takes before it has its effect, besides what the endpoint itself needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// Milliseconds in the middle.
    #[arg(long)]
    pub millis: u64,
    /// So many milliseconds more or less, all equally likely.
    #[arg(long, default_value_t = 0)]
    #[serde(default)]
    pub jitter_millis: u64,
    /// Seed of the jitter; each call's depends only on this and on how many came before it.
    #[arg(long, default_value_t = 0)]
    #[serde(default)]
    pub seed: u64,
    /// Only calls of this account, whose latency takes the place of that for all.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl Latency {
    /// The latency of the `number`-th call.
    fn of(&self, number: u64) -> Duration {
        let least = self.millis.saturating_sub(self.jitter_millis);
        let most = self.millis.saturating_add(self.jitter_millis);
        let span = Duration::from_millis(most - least);
        Duration::from_millis(least) + span.mul_f64(unit(self.seed, number))
    }
}

#[derive(Debug)]
struct Counted {
    latency: Latency,
    calls: u64,
}

/// The latencies in force.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// What the endpoint was started with; comes back when others are removed.
    base: Option<Latency>,
    set: Lock<Vec<Counted>>,
}

impl Latencies {
    /// Those of an endpoint that has just been started.
    pub(crate) fn new(base: Option<Latency>) -> Self {
        let latencies = Self { base, set: Lock::default() };
        latencies.clear(None);
        latencies
    }

    /// Sets the latency of an account, or of all accounts that have none of their own.
    pub(crate) fn set(&self, latency: Latency) {
        let mut set = self.set.hold();
        set.retain(|counted| counted.latency.account != latency.account);
        set.push(Counted { latency, calls: 0 });
    }

    /// All that are in force.
    pub(crate) fn list(&self) -> Vec<Latency> {
        self.set.hold().iter().map(|counted| counted.latency.clone()).collect()
    }

    /// Removes the latency of one account, or all but that with which the endpoint was started.
    pub(crate) fn clear(&self, account: Option<&str>) {
        let mut set = self.set.hold();
        set.retain(|counted| account.is_some() && counted.latency.account.as_deref() != account);
        if account.is_none() {
            set.extend(self.base.iter().map(|base| Counted { latency: base.clone(), calls: 0 }));
        }
    }

    /// How long the next call of an account takes.
    pub(crate) fn next(&self, account: &str) -> Duration {
        let mut set = self.set.hold();
        let own = set.iter().position(|counted| counted.latency.account.as_deref() == Some(account));
        let index = own.or_else(|| set.iter().position(|counted| counted.latency.account.is_none()));
        let Some(counted) = index.and_then(|index| set.get_mut(index)) else { return Duration::ZERO };
        counted.calls += 1;
        counted.latency.of(counted.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(millis: u64, jitter_millis: u64, account: Option<&str>) -> Latency {
        Latency { millis, jitter_millis, seed: 1, account: account.map(str::to_owned) }
    }

    #[test]
    fn the_jitter_is_repeatable_and_stays_within_its_bounds() {
        let draw = || {
            let latencies = Latencies::new(Some(latency(50, 20, None)));
            (0..1000).map(|_| latencies.next("a").as_millis()).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        assert!(drawn.iter().all(|millis| (30..=70).contains(millis)));
        let mean = drawn.iter().sum::<u128>() / 1000;
        assert!((48..=52).contains(&mean), "{mean}");
    }

    #[test]
    fn an_accounts_own_latency_goes_before_that_of_all_and_the_first_one_comes_back() {
        let latencies = Latencies::new(Some(latency(5, 0, None)));
        latencies.set(latency(100, 0, Some("a")));
        latencies.set(latency(7, 0, None));
        assert_eq!([latencies.next("a"), latencies.next("b")], [100, 7].map(Duration::from_millis));
        latencies.clear(Some("a"));
        assert_eq!(latencies.next("a"), Duration::from_millis(7));
        latencies.clear(None);
        assert_eq!(latencies.next("a"), Duration::from_millis(5));
        assert_eq!(Latencies::new(None).next("a"), Duration::ZERO);
    }
}
