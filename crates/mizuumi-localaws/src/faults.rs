//! Faults on demand: rules that say which calls go wrong, and how.

mod action;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::action::Action;
pub(crate) use self::action::BAD_TOKEN;
use crate::lock::Lock;

/// Which calls go wrong. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// How they go wrong.
    #[arg(value_enum)]
    pub action: Action,
    /// Only calls of this account.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Only calls to this service, such as `glue` or `s3`.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Only this operation, such as `UpdateTable`; `*` or nothing: all.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Only calls whose resource, path or (small) body contains this text.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Only calls that carry a page token, so never for the first page.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub page: bool,
    /// The first matching call that goes wrong, counted from 1.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// From there on, only every n-th matching call.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Chance of each of these calls, from 0 to 1; depends only on `seed` and the call's number.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Seed of the chance.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many calls go wrong before the rule is spent; nothing: no end.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How long a `delay` is, how far back `list-lag` looks, or how long after a new cluster or task is ready `spot-loss` comes, in
    /// milliseconds (1000).
    #[arg(long)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
}

/// A call, as far as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// The caller's account.
    pub(crate) account: &'a str,
    /// Service.
    pub(crate) service: &'a str,
    /// Operation.
    pub(crate) operation: &'a str,
    /// Resource, path and query.
    pub(crate) place: &'a str,
    /// The body, when it is small.
    pub(crate) body: &'a str,
    /// Whether the call carries a page token.
    pub(crate) page: bool,
}

impl Rule {
    fn matches(&self, target: &Target<'_>) -> bool {
        let is = |wanted: &Option<String>, actual: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == "*" || wanted.eq_ignore_ascii_case(actual))
        };
        is(&self.account, target.account)
            && is(&self.service, target.service)
            && is(&self.operation, target.operation)
            && (target.page || !self.page)
            && self.action.suits(target)
            && self
                .table
                .as_deref()
                .is_none_or(|part| target.place.contains(part) || target.body.contains(part))
    }

    /// Whether the `number`-th matching call goes wrong.
    fn hits(&self, number: u64) -> bool {
        let from = self.from.unwrap_or(1);
        number >= from
            && (number - from).is_multiple_of(self.every.unwrap_or(1).max(1))
            && self.probability.is_none_or(|chance| unit(self.seed.unwrap_or(0), number) < chance)
    }
}

/// A number from 0 to 1 made of seed and call number (`SplitMix64`), so that a run can be repeated whatever the other
/// rules and accounts do meanwhile.
pub(crate) fn unit(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    f64::from(u32::try_from(bits >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

/// A rule and how often it has matched and struck.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Armed {
    id: u64,
    #[serde(flatten)]
    rule: Rule,
    matched: u64,
    fired: u64,
}

/// What happens to one call: delays add up, the longest lag counts, and of the rest the first rule that hits wins; what
/// becomes of a cluster or a task comes on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Time to wait before the effect.
    pub(crate) delay: Duration,
    /// How far back lists look.
    pub(crate) lag: Duration,
    /// What becomes of the cluster or the task that the call makes.
    pub(crate) fate: Option<Action>,
    /// When the cluster that the call is about loses a spot instance, or the task is taken back: so long after it is ready, or now.
    pub(crate) spot_loss: Option<Duration>,
    /// How long the query that the call starts stays queued.
    pub(crate) queued: Option<Duration>,
    /// What goes wrong besides.
    pub(crate) action: Option<Action>,
}

impl Plan {
    /// The fault's name in the logs.
    pub(crate) fn name(&self) -> Option<String> {
        let lag = (!self.lag.is_zero()).then_some(Action::ListLag);
        let loss = self.spot_loss.map(|_| Action::SpotLoss);
        let queued = self.queued.map(|_| Action::SlowQuery);
        let slow = (!self.delay.is_zero()).then_some(Action::Delay);
        let action = self.action.or(self.fate).or(loss).or(queued).or(lag).or(slow);
        action.map(|action| action.name().to_owned())
    }
}

/// All rules.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Lock<(u64, Vec<Armed>)>,
}

impl Faults {
    /// Adds a rule after the others.
    pub(crate) fn add(&self, rule: Rule) -> u64 {
        let mut rules = self.rules.hold();
        rules.0 += 1;
        let id = rules.0;
        rules.1.push(Armed { id, rule, matched: 0, fired: 0 });
        id
    }

    /// The rules of an account (and those for all accounts), or all.
    pub(crate) fn list(&self, account: Option<&str>) -> Vec<Armed> {
        let of_account = |armed: &&Armed| match (account, armed.rule.account.as_deref()) {
            (Some(account), Some(owner)) => account == owner,
            _ => true,
        };
        self.rules.hold().1.iter().filter(of_account).cloned().collect()
    }

    /// Removes one rule, the rules of one account, or all.
    pub(crate) fn clear(&self, account: Option<&str>, id: Option<u64>) {
        self.rules.hold().1.retain(|armed| {
            let chosen = account.is_none_or(|account| armed.rule.account.as_deref() == Some(account))
                && id.is_none_or(|id| armed.id == id);
            !chosen
        });
    }

    /// Decides what happens to a call.
    pub(crate) fn plan(&self, target: &Target<'_>) -> Plan {
        let mut plan = Plan::default();
        for armed in &mut self.rules.hold().1 {
            if !armed.rule.matches(target) {
                continue;
            }
            armed.matched += 1;
            let spent = armed.rule.times.is_some_and(|times| armed.fired >= times);
            let taken = match armed.rule.action {
                Action::Delay | Action::ListLag => false,
                Action::BootstrapFailure
                | Action::InsufficientCapacity
                | Action::OutOfMemory
                | Action::ImageUnknown
                | Action::QueryFailure => plan.fate.is_some(),
                Action::SlowQuery => plan.queued.is_some(),
                Action::SpotLoss => plan.spot_loss.is_some(),
                _ => plan.action.is_some(),
            };
            if spent || taken || !armed.rule.hits(armed.matched) {
                continue;
            }
            armed.fired += 1;
            let millis = Duration::from_millis(armed.rule.delay_ms.unwrap_or(1000));
            match armed.rule.action {
                Action::Delay => plan.delay += millis,
                Action::ListLag => plan.lag = plan.lag.max(millis),
                Action::SpotLoss => plan.spot_loss = Some(millis),
                Action::SlowQuery => plan.queued = Some(millis),
                fate @ (Action::BootstrapFailure
                | Action::InsufficientCapacity
                | Action::OutOfMemory
                | Action::ImageUnknown
                | Action::QueryFailure) => plan.fate = Some(fate),
                action => plan.action = Some(action),
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Target<'_> = Target {
        account: "1",
        service: "glue",
        operation: "UpdateTable",
        place: "db.orders",
        body: "",
        page: false,
    };

    fn rule(json: serde_json::Value) -> Rule {
        serde_json::from_value(json).unwrap()
    }

    fn strikes(json: serde_json::Value, calls: usize) -> Vec<bool> {
        let faults = Faults::default();
        faults.add(rule(json));
        (0..calls).map(|_| faults.plan(&TARGET).action.is_some()).collect()
    }

    #[test]
    fn a_rule_strikes_from_a_call_on_every_nth_so_many_times() {
        let rule = serde_json::json!({"action": "throttle", "operation": "UpdateTable", "from": 2, "every": 2, "times": 2});
        assert_eq!(strikes(rule, 8), [false, true, false, true, false, false, false, false]);
    }

    #[test]
    fn conditions_have_to_match() {
        for (condition, hit) in [
            (serde_json::json!({"action": "denied", "account": "2"}), false),
            (serde_json::json!({"action": "denied", "service": "s3"}), false),
            (serde_json::json!({"action": "denied", "operation": "*", "table": "orders"}), true),
            (serde_json::json!({"action": "denied", "table": "customers"}), false),
            (serde_json::json!({"action": "denied", "page": true}), false),
            (serde_json::json!({"action": "expire-token"}), false),
            (serde_json::json!({"action": "list-lag"}), false),
        ] {
            assert_eq!(strikes(condition.clone(), 1), [hit], "{condition}");
        }
    }

    #[test]
    fn chance_is_repeatable_and_about_right() {
        let rule = serde_json::json!({"action": "error-before", "probability": 0.25, "seed": 7});
        let first = strikes(rule.clone(), 1000);
        assert_eq!(first, strikes(rule, 1000));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((200..300).contains(&hits), "{hits}");
    }

    #[test]
    fn delays_add_to_the_first_other_action() {
        let faults = Faults::default();
        for json in [
            serde_json::json!({"action": "delay", "delayMs": 20}),
            serde_json::json!({"action": "drop-after"}),
            serde_json::json!({"action": "throttle"}),
            serde_json::json!({"action": "delay", "delayMs": 5}),
        ] {
            faults.add(rule(json));
        }
        let plan = faults.plan(&TARGET);
        assert_eq!(
            plan,
            Plan { delay: Duration::from_millis(25), action: Some(Action::DropAfter), ..Plan::default() }
        );
        faults.clear(None, Some(2));
        assert_eq!(faults.plan(&TARGET).action, Some(Action::Throttle));
    }
}
