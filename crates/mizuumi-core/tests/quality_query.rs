//! The query of a check: one for each reason to evaluate, found again by its token, never sent again once that may be forgotten.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::condition::{ConditionStatus, ConditionType, find};
use mizuumi_api::installation::AthenaProfile;
use mizuumi_api::{Installation, QualityCheck, annotation};
use mizuumi_core::Plan;
use mizuumi_core::data_table::TableKey;
use mizuumi_core::kind::{Evidence, Kind};
use mizuumi_core::quality_check::facts::{SeenColumn, SeenScope};
use mizuumi_core::quality_check::{
    CatalogFacts, CheckAround, CheckGoal, CheckStep, CheckWorld, CheckedTable, Checks, Known, SeenQuery,
    SeenTable, StartQuery,
};
use serde_json::json;

/// A check, what was seen for it, and the time.
struct Story {
    check: QualityCheck,
    world: CheckWorld,
    now: Timestamp,
    has_workgroup: bool,
}

impl Story {
    fn new(rules: &str) -> Self {
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a time");
        let manifest = json!({
            "apiVersion": "mizuumi.dev/v1alpha1",
            "kind": "QualityCheck",
            "metadata": { "name": "c", "namespace": "n", "uid": "u", "generation": 1 },
            "spec": { "table": "orders", "rules": rules },
        });
        let column = SeenColumn { name: "id".into(), type_: "bigint".into() };
        let scope = SeenScope { database: "lake".into(), table: "orders".into(), ..SeenScope::default() };
        let facts = CatalogFacts {
            columns: Known::Is(vec![column]),
            scope: Known::Is(scope),
            ..CatalogFacts::default()
        };
        let world = CheckWorld { facts: Some(facts), looked: Some(now), ..CheckWorld::default() };
        Self { check: serde_json::from_value(manifest).expect("a check"), world, now, has_workgroup: true }
    }

    fn goal(&self) -> CheckGoal {
        let configuration =
            std::fs::read_to_string("../../examples/quickstart/mizuumi.yaml").expect("a file");
        let installation = Installation::from_yaml(&configuration).expect("a configuration");
        let mut goal = Checks::goal(&self.check, &installation).expect("a goal");
        let key = TableKey { profile: "default".into(), database: "lake".into(), table: "orders".into() };
        let athena = AthenaProfile { workgroup: "quality".into(), allow_unlimited_scans: false };
        let table = SeenTable {
            key,
            digest: "d".into(),
            data_time: None,
            athena: self.has_workgroup.then_some(athena),
        };
        let around = CheckAround { table: CheckedTable::Table(Box::new(table)), ..CheckAround::default() };
        Checks::heed(&mut goal, &self.check, around);
        goal
    }

    fn plan(&self) -> Plan<CheckStep> {
        Checks::plan(&self.goal(), &self.world, self.now)
    }

    /// The one step of the plan.
    fn step(&self) -> StartQuery {
        let plan = self.plan();
        assert_eq!(plan.steps.len(), 1, "{plan:?}");
        match plan.steps.into_iter().next() {
            Some(CheckStep::Start(start)) => *start,
            other => panic!("{other:?}"),
        }
    }

    /// The id of the query that the one step of the plan stops.
    fn stop(&self) -> String {
        let plan = self.plan();
        match plan.steps.as_slice() {
            [CheckStep::Stop(stop)] => stop.id.clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The step is written down; whether it is done nobody knows.
    fn record(&mut self) -> StartQuery {
        let step = self.step();
        self.check.status = Checks::record(&self.check, &CheckStep::Start(Box::new(step.clone())));
        step
    }

    fn report(&mut self) {
        let goal = self.goal();
        let plan = Checks::plan(&goal, &self.world, self.now);
        let evidence = Evidence::Observed {
            world: self.world.clone(),
            plan,
            done: Vec::new(),
            failure: None,
            endless: false,
        };
        self.check.status = Some(Checks::report(&self.check, Some(&goal), &evidence, self.now));
    }

    fn quality(&self) -> (ConditionStatus, String) {
        let status = self.check.status.as_ref().expect("a status");
        let told = find(&status.conditions, ConditionType::QualityPassed).expect("a condition");
        (told.status, told.message.clone())
    }

    fn pass(&mut self, length: SignedDuration) {
        self.now = self.now.checked_add(length).expect("a time");
    }

    fn request(&mut self, what: &str) {
        let annotations = self.check.metadata.annotations.get_or_insert_default();
        annotations.insert(annotation::REQUESTED_AT.to_owned(), what.to_owned());
    }
}

fn answered(number: f64) -> SeenQuery {
    SeenQuery::Answered { numbers: vec![Some(number)], scanned: 7 }
}

#[test]
fn a_query_is_written_down_and_the_same_until_it_has_answered() {
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    let first = story.record();
    assert!((32..=128).contains(&first.token.len()) && first.workgroup == "quality");
    story.report();
    assert_eq!(story.quality().0, ConditionStatus::Unknown);
    story.pass(SignedDuration::from_mins(49));
    assert_eq!(story.step(), first, "the start is sent again, with the same token");
    (story.world.query, story.world.query_id) = (Some(SeenQuery::Runs), Some("q".into()));
    let plan = story.plan();
    assert!(plan.steps.is_empty() && plan.wake_at.is_some_and(|at| at > story.now), "{plan:?}");
    story.report();
    let query = story.check.status.as_ref().and_then(|status| status.query.clone());
    assert_eq!(query.and_then(|query| query.id).as_deref(), Some("q"));
    story.world.query = Some(answered(3.0));
    story.report();
    assert_eq!(story.quality().0, ConditionStatus::False);
    let status = story.check.status.clone().expect("a status");
    let evaluation = status.evaluation.expect("an evaluation");
    assert_eq!((evaluation.query_execution_id.as_deref(), evaluation.scanned_bytes), (Some("q"), Some(7)));
    assert_eq!(status.query, None);
    // What was told is done with; what comes twice changes nothing.
    assert!(story.plan().steps.is_empty());
    let before = story.check.status.clone();
    story.report();
    assert_eq!(story.check.status, before);
}

#[test]
fn another_reason_is_another_query_even_within_a_second() {
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    let first = story.record();
    story.world.query = Some(answered(4.0));
    story.report();
    story.world.query = None;
    story.request("again");
    let second = story.record();
    assert_ne!(second.token, first.token);
    assert_eq!(second.sql, first.sql);
    story.request("and again");
    assert_ne!(story.step().token, second.token);
}

#[test]
fn a_query_that_nobody_needs_any_more_is_stopped() {
    let running = || {
        let mut story = Story::new("Rules = [ RowCount > 3 ]");
        story.record();
        (story.world.query, story.world.query_id) = (Some(SeenQuery::Runs), Some("q".into()));
        story
    };
    let stopped = || Some(SeenQuery::Failed { why: "stopped".into(), passes: false, scanned: 0 });
    // There is another reason to evaluate: the other query comes once this one is stopped.
    let mut story = running();
    story.request("again");
    assert_eq!(story.stop(), "q");
    story.report();
    assert_eq!(story.quality().0, ConditionStatus::Unknown);
    story.world.query = stopped();
    assert_eq!(story.step().record.attempt, 1);
    // Nothing is to be evaluated for a while.
    let mut story = running();
    story.check.spec.suspend = true;
    (story.world.facts, story.world.looked) = (None, None);
    assert_eq!(story.stop(), "q");
    story.report();
    assert!(story.check.status.as_ref().is_some_and(|status| status.query.is_some()));
    story.world.query = stopped();
    assert!(story.plan().steps.is_empty());
    story.report();
    assert!(story.check.status.as_ref().is_some_and(|status| status.query.is_none()));
    // The check is deleted: it goes once its query is stopped.
    let mut story = running();
    story.check.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-26T12:00:00Z")).ok();
    assert_eq!(story.stop(), "q");
    story.world.query = stopped();
    assert!(story.plan().is_settled());
}

#[test]
fn a_start_of_which_nobody_knows_is_not_sent_again_once_its_token_may_be_forgotten() {
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    story.record();
    story.pass(SignedDuration::from_mins(51));
    assert!(story.plan().steps.is_empty());
    story.report();
    let (status, message) = story.quality();
    assert!(status == ConditionStatus::Unknown && message.contains("whether the query of"), "{message}");
    story.request("again");
    assert_eq!(story.step().record.attempt, 1);
}

#[test]
fn what_athena_fails_at_is_tried_again_and_is_no_verdict() {
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    let failed = |passes| Some(SeenQuery::Failed { why: "the query failed: x".into(), passes, scanned: 0 });
    let mut tokens = vec![story.record().token];
    for attempt in 2..=3 {
        story.world.query = failed(true);
        let again = story.plan().wake_at.expect("a pause");
        assert!(story.plan().steps.is_empty());
        story.now = again;
        let step = story.record();
        assert_eq!(step.record.attempt, attempt);
        tokens.push(step.token);
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    assert!(story.plan().steps.is_empty());
    story.report();
    let (status, message) = story.quality();
    assert!(status == ConditionStatus::Unknown && message.contains("the query failed: x"), "{message}");
    // What is the statement's own fault fails at once.
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    story.record();
    story.world.query = failed(false);
    story.report();
    assert_eq!(story.quality().0, ConditionStatus::Unknown);
    // So does an answer to something else.
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    story.record();
    story.world.query = Some(SeenQuery::Answered { numbers: Vec::new(), scanned: 0 });
    story.report();
    assert!(story.quality().1.contains("something else than was asked for"));
}

#[test]
fn without_a_workgroup_nothing_is_asked() {
    let mut story = Story::new("Rules = [ RowCount > 3 ]");
    story.has_workgroup = false;
    let plan = story.plan();
    assert!(
        plan.steps.is_empty() && format!("{plan:?}").contains("profiles.default.athena.workgroup"),
        "{plan:?}"
    );
    story.report();
    let status = story.check.status.expect("a status");
    let ready = find(&status.conditions, ConditionType::Ready).expect("a condition");
    assert_eq!((ready.status, ready.reason.as_str()), (ConditionStatus::False, "NotAllowed"));
}

#[test]
fn metrics_are_remembered_for_rules_that_compare_with_them() {
    let mut story = Story::new("Rules = [ RowCount > avg(last(3)) ]");
    for (number, told) in
        [(4.0, ConditionStatus::Unknown), (5.0, ConditionStatus::True), (4.5, ConditionStatus::False)]
    {
        story.request(&number.to_string());
        story.pass(SignedDuration::from_mins(1));
        (story.world.looked, story.world.query) = (Some(story.now), None);
        story.record();
        story.world.query = Some(answered(number));
        story.report();
        assert_eq!(story.quality().0, told, "{}", story.quality().1);
    }
}
