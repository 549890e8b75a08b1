//! The AWS endpoint's side of a measurement: its quotas and latency, and what it counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::settings::Settings;
use crate::admin::Admin;

/// How the controllers' requests name their client.
const OUR_AGENT: &str = "app/mizuumi";

/// Calls by operation and outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Calls(BTreeMap<String, BTreeMap<String, u64>>);

impl Calls {
    /// What came since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let mut all = self.0.clone();
        for (operation, outcomes) in &mut all {
            for (outcome, count) in &mut *outcomes {
                let known = before.0.get(operation).and_then(|outcomes| outcomes.get(outcome));
                *count = count.saturating_sub(known.copied().unwrap_or_default());
            }
            outcomes.retain(|_, count| *count > 0);
        }
        all.retain(|_, outcomes| !outcomes.is_empty());
        Self(all)
    }

    /// All calls of a Glue operation, those that were refused included.
    pub(crate) fn of(&self, operation: &str) -> u64 {
        self.0.get(&format!("glue.{operation}")).into_iter().flat_map(BTreeMap::values).sum()
    }

    /// Calls of a Glue operation that did what they should.
    pub(crate) fn done(&self, operation: &str) -> u64 {
        let outcomes = self.0.get(&format!("glue.{operation}"));
        outcomes.and_then(|outcomes| outcomes.get("ok")).copied().unwrap_or_default()
    }

    /// Calls of each operation of a service, those that were refused included.
    pub(crate) fn of_service(&self, service: &str) -> BTreeMap<&str, u64> {
        let all = self.0.iter().filter_map(|(name, outcomes)| {
            Some((name.strip_prefix(service)?.strip_prefix('.')?, outcomes.values().sum()))
        });
        all.collect()
    }

    /// Calls that the quotas refused.
    pub(crate) fn throttled(&self) -> u64 {
        let outcomes = self.0.values().flatten();
        outcomes.filter(|(outcome, _)| outcome.contains("hrottl")).map(|(_, count)| count).sum()
    }

    /// All calls.
    pub(crate) fn all(&self) -> u64 {
        self.0.values().flat_map(BTreeMap::values).sum()
    }

    /// For a sentence: operations and their calls.
    pub(crate) fn in_words(&self) -> String {
        let sums = self.0.iter().map(|(operation, outcomes)| (operation, outcomes.values().sum::<u64>()));
        let words: Vec<_> = sums.map(|(operation, count)| format!("{operation} {count}")).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    }
}

/// A write that took effect, as the audit has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Written {
    /// Database and table.
    pub(crate) resource: String,
    /// When.
    pub(crate) time: jiff::Timestamp,
    user_agent: String,
}

impl Written {
    /// Whether the controller wrote it.
    pub(crate) fn is_ours(&self) -> bool {
        self.user_agent.contains(OUR_AGENT)
    }
}

/// A call as the log has it.
#[derive(Debug, Deserialize)]
struct Logged {
    operation: String,
    resource: String,
    time: jiff::Timestamp,
}

/// The endpoint as one account sees it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    admin: Admin,
}

impl Endpoint {
    pub(crate) const fn new(admin: Admin) -> Self {
        Self { admin }
    }

    /// Sets the quotas; their buckets are full.
    pub(crate) async fn set_quotas(&self, settings: &Settings) -> Result<()> {
        let account = self.admin.account();
        let all: Vec<_> = settings
            .quotas
            .iter()
            .map(|quota| {
                json!({
                    "account": account, "service": "glue", "operation": quota.operation,
                    "rate": quota.rate, "burst": quota.rate.max(1.0),
                })
            })
            .collect();
        if !all.is_empty() {
            self.admin.ask("POST", "quotas", "", Some(json!(all))).await.context("no quotas can be set")?;
        }
        Ok(())
    }

    /// Takes the quotas off.
    pub(crate) async fn lift_quotas(&self) -> Result<()> {
        self.admin.ask("DELETE", "quotas", "", None).await.context("the quotas cannot be lifted")?;
        Ok(())
    }

    /// Makes the endpoint as slow as AWS; answers how.
    pub(crate) async fn set_latency(&self, settings: &Settings) -> Result<String> {
        let (middle, jitter) = settings.latency;
        if middle.is_zero() {
            return Ok("no latency".to_owned());
        }
        let (millis, jitter) = (middle.as_millis(), jitter.as_millis());
        let wanted = json!({
            "millis": millis, "jitterMillis": jitter, "seed": settings.seed, "account": self.admin.account(),
        });
        if self.admin.ask("POST", "latency", "", Some(wanted)).await.is_ok() {
            return Ok(format!("{millis} ± {jitter} ms"));
        }
        // An endpoint that knows no latency knows delays, all of one length.
        let rule = json!({
            "action": "delay", "delayMs": millis, "service": "glue", "account": self.admin.account(),
        });
        self.admin.ask("POST", "faults", "", Some(rule)).await.context("no latency can be set")?;
        Ok(format!("{millis} ms, always"))
    }

    /// What it counted of this account.
    pub(crate) async fn calls(&self) -> Result<Calls> {
        let answer = self.admin.ask("GET", "calls", "", None).await.context("the calls cannot be counted")?;
        Ok(serde_json::from_value(answer["counts"].clone())?)
    }

    /// How many effective writes the controller has made.
    pub(crate) async fn writes(&self) -> Result<u64> {
        // No call has this number: the counters alone are wanted, not 200,000 entries.
        let query = format!("&since={}", u64::MAX);
        let answer =
            self.admin.ask("GET", "audit", &query, None).await.context("the audit cannot be read")?;
        Ok(answer["witness"][self.admin.account()][OUR_AGENT]["writes"].as_u64().unwrap_or_default())
    }

    /// The number of the last call of anybody.
    pub(crate) async fn seq(&self) -> Result<u64> {
        let answer = self.admin.ask("GET", "calls", "", None).await.context("the calls cannot be counted")?;
        answer["seq"].as_u64().context("there is no seq")
    }

    /// The pages of databases that were listed after a call, as database and time, in order.
    pub(crate) async fn listed(&self, since: u64) -> Result<Vec<(String, jiff::Timestamp)>> {
        let query = format!("&log=true&since={since}");
        let answer =
            self.admin.ask("GET", "calls", &query, None).await.context("the calls cannot be listed")?;
        let log: Vec<Logged> = serde_json::from_value(answer["log"].clone())?;
        let pages = log.into_iter().filter(|call| call.operation == "GetTables");
        Ok(pages.map(|call| (call.resource, call.time)).collect())
    }

    /// The effective writes after a call, anybody's.
    pub(crate) async fn written(&self, since: u64) -> Result<Vec<Written>> {
        let query = format!("&since={since}");
        let answer =
            self.admin.ask("GET", "audit", &query, None).await.context("the audit cannot be read")?;
        Ok(serde_json::from_value(answer["entries"].clone())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_operation_and_outcome() {
        let read = |text: &str| serde_json::from_str::<Calls>(text).unwrap();
        let before = read(r#"{"glue.GetTables": {"ok": 3}, "glue.GetTable": {"ok": 1}}"#);
        let after =
            read(r#"{"glue.GetTables": {"ok": 5, "ThrottlingException": 2}, "glue.GetTable": {"ok": 1}}"#);
        let since = after.since(&before);
        assert_eq!((since.of("GetTables"), since.done("GetTables"), since.of("GetTable")), (4, 2, 0));
        assert_eq!((since.throttled(), since.all()), (2, 4));
        assert_eq!(since.in_words(), "glue.GetTables 4");
    }
}
