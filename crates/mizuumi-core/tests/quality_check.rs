//! Rules over columns and files: each type's outcome at its borders, and what a check makes of all of them.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use jiff::Timestamp;
use mizuumi_api::condition::{ConditionType, find};
use mizuumi_api::ingest_run::GateVerdict;
use mizuumi_api::quality_check::{CheckEngine, RuleOutcome};
use mizuumi_api::{Installation, QualityCheck};
use mizuumi_core::kind::{Evidence, Kind};
use mizuumi_core::quality_check::evaluate::{Earlier, evaluate};
use mizuumi_core::quality_check::facts::{SeenColumn, SeenFile, SeenFiles};
use mizuumi_core::quality_check::gate::refusal;
use mizuumi_core::quality_check::{Answer, CatalogFacts, CheckWorld, Checks, GateRules, Known, Rules};
use mizuumi_core::{Goal, Plan};
use serde_json::json;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Thursday noon.
fn now() -> Timestamp {
    at("2026-11-26T12:00:00Z")
}

fn columns(all: &[(&str, &str)]) -> Known<Vec<SeenColumn>> {
    let column = |(name, type_): &(&str, &str)| SeenColumn { name: (*name).into(), type_: (*type_).into() };
    Known::Is(all.iter().map(column).collect())
}

fn file(name: &str, size: u64, written: &str) -> SeenFile {
    SeenFile { location: format!("s3://lake/t/{name}"), size, written: Some(at(written)) }
}

fn facts() -> CatalogFacts {
    CatalogFacts {
        columns: columns(&[
            ("id", "bigint"),
            ("price", "decimal(10,2)"),
            ("tags", "array<string>"),
            ("day", "date"),
        ]),
        references: [(
            "other".to_owned(),
            columns(&[("ID", "bigint"), ("price", "double"), ("day", "date")]),
        )]
        .into(),
        files: Known::Is(SeenFiles {
            place: "s3://lake/t/".into(),
            files: vec![file("a", 1024, "2026-11-26T09:30:00Z"), file("b", 2048, "2026-11-25T12:00:00Z")],
        }),
        rows: Known::Is(842),
        ..CatalogFacts::default()
    }
}

fn outcome(rule: &str, facts: &CatalogFacts, earlier: &[f64]) -> (RuleOutcome, String) {
    let text = format!("Rules = [ {rule} ]");
    let rules = Rules::of_text("rules", &text, CheckEngine::CatalogOnly);
    let rules = rules.map_err(|wrong| format!("{rule}: {wrong:?}")).expect("a rule");
    let metrics = ["ColumnCount", "SchemaMatch \"other\""].map(|name| (name.to_owned(), earlier.to_vec()));
    let results = evaluate(&rules, facts, &Answer::default(), &Earlier::from(metrics), now());
    (results[0].outcome, results[0].metric.clone().unwrap_or_default())
}

#[test]
fn each_rule_holds_up_to_its_border_and_not_beyond() {
    use RuleOutcome::{Error, Failed, Passed};
    for (rule, expected, metric) in [
        ("ColumnExists \"PRICE\"", Passed, "true"),
        ("ColumnExists \"prices\"", Failed, "false"),
        ("ColumnCount = 4", Passed, "4"),
        ("ColumnCount between 3 and 5", Passed, "4"),
        ("ColumnCount between 4 and 5", Failed, "4"),
        ("ColumnCount not between 4 and 5", Passed, "4"),
        ("ColumnCount in [1, 4.0]", Passed, "4"),
        ("ColumnCount = NULL", Failed, "4"),
        ("ColumnCount = 1 / 0", Error, "4"),
        ("ColumnDataType \"id\" = \"Long\"", Passed, "Long"),
        ("ColumnDataType \"id\" = \"Integer\"", Failed, "Long"),
        ("ColumnDataType \"price\" in [\"double\", \"DECIMAL(10, 2)\"]", Passed, "Decimal"),
        ("ColumnDataType \"tags\" = \"array<string>\"", Passed, "array<string>"),
        ("ColumnDataType \"tags\" != \"String\"", Passed, "array<string>"),
        ("ColumnDataType \"gone\" = \"String\"", Error, ""),
        ("RowCount between 841 and 843", Passed, "842"),
        ("RowCount > 842", Failed, "842"),
        ("ColumnNamesMatchPattern \"[a-z]+\"", Passed, "1"),
        ("ColumnNamesMatchPattern \"[a-p]+\"", Failed, "0.25"),
        ("SchemaMatch \"other\" = 0.5", Passed, "0.5"),
        ("SchemaMatch \"other\" > 0.5", Failed, "0.5"),
        ("FileSize >= 1 KB", Passed, "1"),
        ("FileSize > 1 KB", Failed, "0.5"),
        ("FileSize > 1 KB with threshold >= 0.5", Passed, "0.5"),
        ("FileSize > 1 KB with threshold > 0.5", Failed, "0.5"),
        ("FileSize \"s3://lake/t/b\" = 2 KB", Passed, "1"),
        ("FileSize \"s3://another/t/b\" = 2 KB", Error, ""),
        ("FileFreshness >= (now() - 1 days)", Passed, "1"),
        ("FileFreshness > (now() - 1 days)", Failed, "0.5"),
        ("FileFreshness > \"2026-11-25\"", Passed, "1"),
        ("FileFreshness in [\"2026-11-25\", \"2026-11-26\"]", Passed, "1"),
        ("FileFreshness \"s3://lake/t/a\" = \"9:30 AM\"", Passed, "1"),
        ("FileFreshness \"s3://lake/t/a\" < \"18:31\" with timeZone = \"Asia/Tokyo\"", Passed, "1"),
        ("FileFreshness != NULL", Passed, "1"),
        ("ColumnCount > avg(last(3))", Failed, "4"),
        ("ColumnCount > avg(last(2))", Passed, "4"),
        ("ColumnCount = last()", Failed, "4"),
        ("ColumnCount > last(2)", Error, "4"),
        ("ColumnCount >= percentile(last(3), 50) + std(last(2)) * 0", Passed, "4"),
        ("ColumnCount = index(last(3), 2) - 2", Passed, "4"),
        ("(ColumnCount = 1) or (ColumnExists \"id\")", Passed, "true"),
        ("(ColumnCount = 4) and (ColumnExists \"gone\")", Failed, "false"),
        ("(ColumnDataType \"gone\" = \"Date\") or (ColumnExists \"gone\")", Error, ""),
        ("(ColumnDataType \"gone\" = \"Date\") and (ColumnExists \"gone\")", Failed, "false"),
    ] {
        assert_eq!(outcome(rule, &facts(), &[3.0, 3.0, 6.0]), (expected, metric.to_owned()), "{rule}");
    }
}

#[test]
fn what_was_not_seen_could_not_be_evaluated_and_no_file_is_none_that_passes() {
    let nothing = CatalogFacts { columns: Known::Not("there is no table".into()), ..CatalogFacts::default() };
    assert_eq!(outcome("ColumnCount > 0", &nothing, &[]).0, RuleOutcome::Error);
    assert_eq!(outcome("FileSize > 0", &nothing, &[]).0, RuleOutcome::Error);
    assert_eq!(outcome("RowCount >= 0", &nothing, &[]).0, RuleOutcome::Error);
    assert_eq!(outcome("ColumnCount > last()", &facts(), &[]), (RuleOutcome::Error, "4".into()));
    let empty = CatalogFacts { files: Known::Is(SeenFiles::default()), ..facts() };
    assert_eq!(outcome("FileSize > 0", &empty, &[]).0, RuleOutcome::Failed);
    assert_eq!(outcome("FileFreshness > \"2020-01-01\"", &empty, &[]).0, RuleOutcome::Failed);
}

#[test]
fn rules_that_could_never_be_evaluated_are_refused() {
    for (rule, part) in [
        ("ColumnCount > median_of(last(3))", "no function 'median_of'"),
        ("ColumnNamesMatchPattern \"(?=x)\"", "no regular expression"),
        ("ColumnNamesMatchPattern \"[\"", "no regular expression"),
        ("CustomSql \"select 1\" = 1", "its query would run with this installation's credentials"),
        ("DatasetMatch \"other\" \"id\" > 0.9", "no engine of this version"),
    ] {
        let refused =
            Rules::of_text("rules", &format!("Rules = [ {rule} ]"), CheckEngine::Auto).expect_err(rule);
        assert!(refused[0].to_string().contains(part), "{rule}: {}", refused[0]);
    }
    let many = format!("Rules = [ {} ]", ["ColumnCount > 0"; 101].join(","));
    let refused = Rules::of_text("rules", &many, CheckEngine::Auto).expect_err("101 rules");
    assert!(refused[0].message.contains("at most 100"), "{}", refused[0]);
}

fn check(spec: &serde_json::Value) -> QualityCheck {
    let manifest = json!({
        "apiVersion": "mizuumi.dev/v1alpha1",
        "kind": "QualityCheck",
        "metadata": { "name": "c", "namespace": "n", "uid": "u", "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(manifest).expect("a check")
}

/// The status after an evaluation.
fn evaluated(check: &mut QualityCheck, facts: CatalogFacts, minute: i64) {
    let configuration = std::fs::read_to_string("../../examples/quickstart/mizuumi.yaml").expect("a file");
    let installation = Installation::from_yaml(&configuration).expect("a configuration");
    let goal = Checks::goal(check, &installation);
    let goal = goal.expect("a goal");
    let looked = Timestamp::from_second(now().as_second() + 60 * minute).expect("a time");
    let world = CheckWorld { facts: Some(facts), looked: Some(looked), ..CheckWorld::default() };
    let evidence = Evidence::Observed {
        world,
        plan: Plan::in_sync(None),
        done: Vec::new(),
        failure: None,
        endless: false,
    };
    assert!(matches!(goal, Goal::Present(_)));
    let status = Checks::report(check, Some(&goal), &evidence, looked);
    check.status = Some(status.clone());
    // What was written down once stays as it is.
    assert_eq!(Checks::report(check, Some(&goal), &evidence, now()), status);
}

#[test]
fn a_hundred_rules_that_all_fail_keep_the_status_small() {
    let rule =
        json!({ "type": "ColumnDataType", "parameters": ["x".repeat(500)], "condition": "= \"Date\"" });
    let mut check = check(&json!({ "table": "t", "typed": vec![rule; 100] }));
    for minute in 0..12 {
        evaluated(&mut check, facts(), minute);
    }
    let status = check.status.expect("a status");
    let size = serde_json::to_string(&status).expect("JSON").len();
    assert!(size < 16 * 1024, "{size}");
    assert!(!status.results.is_empty() && status.history.len() == 10, "{}", status.results.len());
    let quality = find(&status.conditions, ConditionType::QualityPassed).expect("a condition");
    assert!(quality.message.contains("0/100 rules passed"), "{}", quality.message);
}

#[test]
fn a_rule_remembers_since_when_it_fails_and_what_was_measured_before() {
    let mut check =
        check(&json!({ "table": "t", "rules": "Rules = [ ColumnCount > last(), ColumnExists \"gone\" ]" }));
    evaluated(&mut check, facts(), 0);
    evaluated(&mut check, facts(), 1);
    let status = check.status.clone().expect("a status");
    let outcomes: Vec<_> =
        status.results.iter().map(|result| (result.outcome, result.failing_since)).collect();
    let minute = |minute: i64| Timestamp::from_second(now().as_second() + 60 * minute).ok();
    assert_eq!(outcomes, [(RuleOutcome::Failed, minute(1)), (RuleOutcome::Failed, minute(0))]);
    assert_eq!(status.results[0].threshold.as_deref(), Some("> 4"));
    let more = CatalogFacts {
        columns: columns(&[("gone", "int"), ("a", "int"), ("b", "int"), ("c", "int"), ("d", "int")]),
        ..facts()
    };
    evaluated(&mut check, more, 2);
    let status = check.status.expect("a status");
    assert_eq!((status.summary.as_deref(), status.score), (Some("2/2"), Some(100)));
}

#[test]
fn a_gate_lets_pass_what_passes_and_its_policy_says_what_becomes_of_what_could_not_be_evaluated() {
    for (rules, policy, verdict, passes) in [
        ("ColumnExists \"id\"", None, GateVerdict::Passed, true),
        ("ColumnExists \"gone\"", Some("Allow"), GateVerdict::Failed, false),
        ("ColumnExists \"gone\" labels=[\"severity\"=\"warn\"]", None, GateVerdict::Passed, true),
        ("ColumnDataType \"gone\" = \"Date\"", None, GateVerdict::NotEvaluated, false),
        ("ColumnDataType \"gone\" = \"Date\"", Some("Block"), GateVerdict::NotEvaluated, false),
        ("ColumnDataType \"gone\" = \"Date\"", Some("Allow"), GateVerdict::NotEvaluated, true),
        ("IsComplete \"id\"", None, GateVerdict::NotEvaluated, false),
    ] {
        let mut spec = json!({ "table": "t", "rules": format!("Rules = [ {rules} ]"), "gate": "Publish" });
        if let Some(policy) = policy {
            spec["ifNotEvaluated"] = json!(policy);
        }
        let gate = GateRules::of(&check(&spec)).expect("a gate");
        let told = gate.judge(3, &facts(), &Answer::default(), now());
        assert_eq!((told.verdict, told.attempt, told.generation), (verdict, 3, 1), "{rules}");
        assert_eq!(refusal(std::slice::from_ref(&gate), &[told]).is_none(), passes, "{rules} {policy:?}");
        // A verdict on other rules is none on these.
        let other = GateRules { generation: 2, ..gate.clone() };
        assert!(refusal(&[other], &[gate.judge(3, &facts(), &Answer::default(), now())]).is_some());
    }
    assert!(
        GateRules::of(&check(&json!({ "table": "t", "rules": "Rules = [ ColumnCount > 0 ]" }))).is_none()
    );
}
