//! Laws of freshness: the verdict changes at the moment foretold and at no other, and what is told to the catalog
//! does not depend on when it is asked.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::data_table::{FreshnessSourceType, FreshnessState};
use mizuumi_core::freshness::{Clock, Policy};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

/// A policy over days, with any of its three limits.
fn policy() -> impl Strategy<Value = Policy> {
    let hours = || prop::option::of(1_i64..100);
    let deadlines = vec![None, Some("0 7 * * *"), Some("30 2 * * 1"), Some("0 0 1 * *")];
    let zone = select(vec!["UTC", "Asia/Tokyo", "America/New_York"]);
    (hours(), hours(), select(deadlines), 1_i64..50, zone).prop_map(|(warn, more, cron, window, zone)| {
        let mut spec = json!({ "sources": [{ "type": "Reported" }], "timeZone": zone });
        let error = more.map(|more| warn.unwrap_or_default() + more);
        let age = |hours: i64| json!(format!("{hours}h"));
        spec["maxAge"] = json!({});
        if let Some(warn) = warn {
            spec["maxAge"]["warn"] = age(warn);
        }
        if let Some(error) = error {
            spec["maxAge"]["error"] = age(error);
        }
        if let Some(cron) = cron {
            spec["deadline"] = json!({ "cron": cron, "window": age(window) });
        }
        let spec = serde_json::from_value(spec).expect("spec");
        Policy::new(&spec, &[]).expect("policy")
    })
}

/// A moment within two weeks, over which New York's clocks go forward.
fn moment() -> impl Strategy<Value = Timestamp> {
    (0_i64..14 * 86_400).prop_map(|second| Timestamp::new(1_772_700_000 + second, 0).expect("in range"))
}

fn clock(data_time: Timestamp) -> Clock {
    Clock { source: FreshnessSourceType::Reported, data_time: Some(data_time), loaded_at: None }
}

proptest! {
    #[test]
    fn the_verdict_changes_at_the_moment_foretold_and_not_before(
        policy in policy(), data in moment(), now in moment(),
        age in 0_i64..1_000_000, later in 0_i64..2_000_000
    ) {
        let created = now.checked_sub(SignedDuration::from_secs(age)).expect("in range");
        let judge = |at| policy.judge(Some(&clock(data)), created, at);
        let judged = judge(now);
        let later = now.checked_add(SignedDuration::from_secs(later)).expect("in range");
        let Some(flip) = judged.flips_at else {
            prop_assert_eq!(judge(later), judged);
            return Ok(());
        };
        prop_assert!(flip > now);
        let just_before = flip.checked_sub(SignedDuration::from_nanos(1)).expect("in range");
        prop_assert_eq!(judge(just_before.min(later)), judged.clone());
        prop_assert_ne!(judge(flip).state, judged.state);
    }

    #[test]
    fn until_when_data_is_fresh_does_not_depend_on_when_it_is_asked(
        policy in policy(), data in moment(), created in moment(), one in moment(), other in moment()
    ) {
        let until = |at| policy.judge(Some(&clock(data)), created, at).fresh_until;
        prop_assert_eq!(until(one), until(other));
    }

    #[test]
    fn newer_data_is_never_less_fresh(
        policy in policy(), one in moment(), other in moment(), created in moment(), now in moment()
    ) {
        let badness = |data| match policy.judge(Some(&clock(data)), created, now).state {
            FreshnessState::Fresh => 0,
            FreshnessState::NotDue => 1,
            FreshnessState::Warn => 2,
            FreshnessState::Stale => 3,
            FreshnessState::Unknown => 4,
        };
        prop_assert!(badness(one.max(other)) <= badness(one.min(other)));
    }

    #[test]
    fn data_is_stale_exactly_from_the_moment_until_which_it_is_fresh(
        policy in policy(), data in moment(), created in moment(), now in moment()
    ) {
        let judged = policy.judge(Some(&clock(data)), created, now);
        let is_past = judged.fresh_until.is_some_and(|until| until <= now);
        prop_assert_eq!(judged.state == FreshnessState::Stale, is_past);
    }
}
