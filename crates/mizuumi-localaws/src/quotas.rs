//! Token buckets per operation: AWS's request quotas, as far as a test sets them (Glue publishes no rates, EMR does).

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::emr;
use crate::lock::Lock;

/// A bucket for each account, refilled at `rate` a second up to `burst`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// Calls a second in the long run.
    #[arg(long)]
    pub rate: f64,
    /// Calls at once.
    #[arg(long)]
    pub burst: f64,
    /// Only this account; each account has a bucket of its own anyway.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only this service.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only this operation; `*` or nothing: all operations share the bucket.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

/// The quotas that a service has unless they were raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Amazon EMR, as Service Quotas lists it.
    Emr,
}

/// A preset, and for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Presets {
    /// Whose quotas.
    #[arg(value_enum)]
    pub(crate) preset: Preset,
    /// Only this account; each account has buckets of its own anyway.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}

/// Service Quotas, Amazon EMR: operations with their bucket and its refill a second. `*` is "replenished rate of all EMR API
/// calls", which holds besides.
const EMR: [(&[&str], f64, f64); 7] = [
    (&["*"], 25.0, 5.0),
    (&["DescribeCluster", "ListInstanceGroups"], 10.0, 1.0),
    (&["ListClusters"], 20.0, 0.5),
    (
        &[
            "ListSteps",
            "DescribeStep",
            "ListInstances",
            "RunJobFlow",
            "AddJobFlowSteps",
            "TerminateJobFlows",
            "CancelSteps",
            "ModifyCluster",
        ],
        10.0,
        0.5,
    ),
    (&["ListInstanceFleets"], 5.0, 0.5),
    (&["AddTags", "RemoveTags"], 5.0, 0.5),
    (&["SetTerminationProtection"], 5.0, 0.2),
];

impl Presets {
    /// The buckets.
    pub(crate) fn quotas(&self) -> impl Iterator<Item = Quota> {
        let (table, service) = match self.preset {
            Preset::Emr => (&EMR, emr::SERVICE),
        };
        let rows = table.iter().flat_map(|(operations, burst, rate)| {
            operations.iter().map(|operation| (operation.to_string(), *burst, *rate))
        });
        rows.map(move |(operation, burst, rate)| Quota {
            rate,
            burst,
            account: self.account.clone(),
            service: Some(service.to_owned()),
            operation: Some(operation),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

#[derive(Debug)]
struct Metered {
    quota: Quota,
    buckets: HashMap<String, Bucket>,
    /// Calls that found their bucket empty, by `service.operation`.
    throttled: BTreeMap<String, u64>,
}

/// A quota and what it has throttled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    quota: Quota,
    throttled: BTreeMap<String, u64>,
}

/// All quotas.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Lock<Vec<Metered>>);

impl Quotas {
    /// Adds a quota.
    pub(crate) fn add(&self, quota: Quota) {
        self.0.hold().push(Metered { quota, buckets: HashMap::new(), throttled: BTreeMap::new() });
    }

    /// All quotas.
    pub(crate) fn list(&self) -> Vec<Shown> {
        let shown =
            |metered: &Metered| Shown { quota: metered.quota.clone(), throttled: metered.throttled.clone() };
        self.0.hold().iter().map(shown).collect()
    }

    /// Removes the quotas set for one account, or all.
    pub(crate) fn clear(&self, account: Option<&str>) {
        self.0.hold().retain(|metered| {
            account.is_some_and(|account| metered.quota.account.as_deref() != Some(account))
        });
    }

    /// Takes a token from each bucket that the call falls under; false when one was empty.
    pub(crate) fn allow(&self, account: &str, service: &str, operation: &str, now: Timestamp) -> bool {
        let is = |wanted: &Option<String>, actual: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(actual))
        };
        let mut allowed = true;
        for metered in self.0.hold().iter_mut() {
            let quota = &metered.quota;
            if !is(&quota.account, account)
                || !is(&quota.service, service)
                || !is(&quota.operation, operation)
            {
                continue;
            }
            let full = Bucket { tokens: quota.burst, filled: now };
            let bucket = metered.buckets.entry(account.to_owned()).or_insert(full);
            let elapsed = now.duration_since(bucket.filled).as_secs_f64().max(0.0);
            bucket.tokens = (bucket.tokens + elapsed * quota.rate).min(quota.burst);
            bucket.filled = now;
            if bucket.tokens >= 1.0 {
                bucket.tokens -= 1.0;
            } else {
                allowed = false;
                *metered.throttled.entry(format!("{service}.{operation}")).or_default() += 1;
            }
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_refills_for_each_account() {
        let quotas = Quotas::default();
        quotas.add(Quota {
            rate: 2.0,
            burst: 3.0,
            account: None,
            service: Some("glue".to_owned()),
            operation: Some("GetTable".to_owned()),
        });
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let allow = |account, millis| quotas.allow(account, "glue", "GetTable", at(millis));
        assert_eq!([0, 0, 0, 0].map(|millis| allow("a", millis)), [true, true, true, false]);
        assert!(allow("b", 0));
        assert!(quotas.allow("a", "glue", "GetTables", at(0)));
        assert_eq!([500, 500].map(|millis| allow("a", millis)), [true, false]);
        assert_eq!(quotas.list()[0].throttled, BTreeMap::from([("glue.GetTable".to_owned(), 2)]));
    }

    #[test]
    fn emr_has_a_bucket_for_each_operation_and_one_for_all() {
        let quotas = Quotas::default();
        for quota in (Presets { preset: Preset::Emr, account: None }).quotas() {
            quotas.add(quota);
        }
        let now = Timestamp::UNIX_EPOCH;
        let allowed = |operation: &str, calls: usize| {
            (0..calls).filter(|_| quotas.allow("a", emr::SERVICE, operation, now)).count()
        };
        // A call that is throttled has taken its token from the bucket of all.
        assert_eq!(allowed("RunJobFlow", 12), 10);
        assert_eq!(allowed("SetTerminationProtection", 5), 5);
        assert_eq!(allowed("ListBootstrapActions", 20), 8);
        assert!(quotas.allow("a", "glue", "GetTable", now));
        assert!(quotas.allow("b", emr::SERVICE, "RunJobFlow", now));
    }
}
