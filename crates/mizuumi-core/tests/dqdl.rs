//! The language of rules: what is accepted, what is refused and where, and that one spelling reads back as the same.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use mizuumi_core::dqdl::condition::{
    Arithmetic, Comparison, Condition, Date, Duration, DurationUnit, Number, Size, SizeUnit, Test, Text,
};
use mizuumi_core::dqdl::model::{Connector, ParameterValue, Tag, Value};
use mizuumi_core::dqdl::{
    Analyzer, ConditionKind, Engine, Expression, Operator, Parameter, Rule, RuleType, Ruleset, parse,
};
use proptest::prelude::*;
use proptest::strategy::Union;

/// One rule a line.
const ACCEPTED: &str = include_str!("cases/dqdl/accepted.txt");
/// A rule, and after `=>` the place and a part of what is said.
const REFUSED: &str = include_str!("cases/dqdl/refused.txt");

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with("//"))
}

#[test]
fn every_form_of_the_language_is_read_and_written_in_one_spelling() {
    let mut types: Vec<RuleType> = Vec::new();
    for line in lines(ACCEPTED) {
        let (line, spelling) = line.split_once(" => ").unwrap_or((line, line));
        let ruleset = parse(&format!("Rules = [ {line} ]")).unwrap_or_else(|error| panic!("{line}: {error}"));
        let [rule] = ruleset.rules.as_slice() else { panic!("{line}") };
        assert_eq!(rule.to_string(), spelling);
        let again = parse(&ruleset.to_string()).unwrap_or_else(|error| panic!("{ruleset}: {error}"));
        assert_eq!(again, ruleset);
        types.extend(rule.leaves().iter().map(|rule| rule.type_));
    }
    let missing: Vec<&str> = RuleType::ALL
        .iter()
        .filter(|type_| !type_.is_analyzer_only() && !types.contains(type_))
        .map(|type_| type_.name())
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    for line in lines(REFUSED) {
        let (text, expected) = line.split_once(" => ").expect("=>");
        let (place, part) = expected.split_once(' ').expect("a place and words");
        let text = if text.contains('=') && (text.contains("Rules") || text.contains("Analyzers")) {
            text.to_owned()
        } else {
            format!("Rules = [\n{text}\n]")
        };
        let told = match parse(&text) {
            Ok(ruleset) => format!("accepted: {ruleset}"),
            Err(error) => format!("{}:{} {}", error.line, error.column, error.message),
        };
        if !told.starts_with(&format!("{place} ")) || !told.contains(part) {
            wrong.push(format!("{line}\n    {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_whole_document_has_sources_variables_labels_rules_and_analyzers() {
    let text = r#"
        # What Glue's own examples have.
        Metadata = { "Version": "1.0" }
        DataSources = { "Primary": "orders", "AdditionalDataSources": [ "reference" ] }
        states = ["open", "closed", NULL]
        column = "state"
        DefaultLabels = ["team"="search"]
        Rules = [
            ColumnValues $column in $states, # by name
            (IsComplete "id" and IsUnique "id") labels = ["severity"="error"]
        ]
        Analyzers = [ RowCount, AllStatistics of AllColumns ]
    "#;
    let ruleset = parse(text).expect("rules");
    assert_eq!(
        ruleset.to_string(),
        r#"Metadata = { "Version": "1.0" }
DataSources = { "Primary": "orders", "AdditionalDataSources": [ "reference" ] }
states = ["open", "closed", NULL]
column = "state"
DefaultLabels = ["team"="search"]
Rules = [
    ColumnValues $column in $states,
    ((IsComplete "id") and (IsUnique "id")) labels=["severity"="error"]
]
Analyzers = [
    RowCount,
    AllStatistics of AllColumns
]
"#
    );
    let resolved: Vec<String> = ruleset.resolved().iter().map(ToString::to_string).collect();
    assert_eq!(
        resolved.first().map(String::as_str),
        Some(r#"ColumnValues "state" in ["open", "closed", NULL]"#)
    );
    let labels = ruleset.labels_of(&ruleset.rules[1]);
    assert_eq!(labels.into_iter().collect::<Vec<_>>().len(), 2);
}

#[test]
fn a_rule_that_an_engine_cannot_run_names_the_one_that_can() {
    for (rule, refusal) in [
        ("ColumnExists \"a\"", None),
        ("RowCount > 0", None),
        ("RowCount > 0 where \"a > 1\"", Some("the engine Athena can")),
        ("Completeness \"a\" > 0.5", Some("the engine Athena can")),
        ("ColumnDataType \"a\" = \"Date\" with threshold > 0.9", Some("the engine Athena can")),
        ("CustomSql \"select 1\"", Some("Glue Data Quality itself can")),
    ] {
        let ruleset = parse(&format!("Rules = [{rule}]")).expect(rule);
        let refused = ruleset.rules[0].leaves().iter().find_map(|rule| Engine::CatalogOnly.refusal(rule));
        match refusal {
            None => assert_eq!(refused, None),
            Some(part) => {
                assert!(refused.as_ref().is_some_and(|why| why.contains(part)), "{rule}: {refused:?}");
            }
        }
    }
}

#[test]
fn parentheses_without_end_are_refused_and_do_not_exhaust_the_stack() {
    for text in [
        "(".repeat(100_000),
        format!("RowCount > {}", "(".repeat(100_000)),
        format!("RowCount > 1{}", " + 1".repeat(100_000)),
    ] {
        parse(&format!("Rules = [ {text} ]")).expect_err("too deep");
    }
}

// ---- generated rules

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_.]{0,6}".prop_filter("not a word of the language", |word| {
        ![
            "between", "in", "not", "matches", "where", "labels", "with", "and", "or", "of", "now", "null",
            "empty",
        ]
        .contains(&word.as_str())
            && !word.starts_with("whitespaces")
    })
}

/// Any text, above all what has to be escaped.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-zA-Z $湖]{1,8}", 2 => "[\\\\\"'#\\n\\[\\]é]{1,6}", 1 => "\\PC{1,8}"]
        // A text that looks like a time is one.
        .prop_filter("a day or a time", |text| !text.contains([':', '-']))
}

fn number() -> impl Strategy<Value = Number> {
    let literal = prop_oneof!["-?[0-9]{1,6}", "-?[0-9]{1,3}\\.[0-9]{1,4}"].prop_map(Number::Literal);
    literal.prop_recursive(3, 12, 3, |inner| {
        let arithmetic = prop::sample::select(Arithmetic::ALL.to_vec());
        prop_oneof![
            (inner.clone(), arithmetic, inner.clone()).prop_map(|(left, how, right)| Number::Binary(
                Box::new(left),
                how,
                Box::new(right)
            )),
            (word(), prop::collection::vec(inner, 0..3)).prop_map(|(name, of)| Number::Call(name, of)),
        ]
    })
}

fn test_of<T: Clone + std::fmt::Debug + 'static>(
    operand: impl Strategy<Value = T> + Clone + 'static,
    only_equal: bool,
) -> BoxedStrategy<Test<T>> {
    let comparisons: Vec<Comparison> =
        Comparison::ALL.into_iter().take(if only_equal { 2 } else { 6 }).collect();
    let is =
        (prop::sample::select(comparisons), operand.clone()).prop_map(|(how, value)| Test::Is(how, value));
    let within = (any::<bool>(), prop::collection::vec(operand.clone(), 1..4))
        .prop_map(|(not, values)| Test::In { not, values });
    let between = (any::<bool>(), operand.clone(), operand).prop_map(|(not, low, high)| Test::Between {
        not,
        low,
        high,
    });
    let mut all = vec![is.boxed(), within.boxed()];
    if !only_equal {
        all.push(between.boxed());
    }
    Union::new(all).boxed()
}

fn duration() -> impl Strategy<Value = Duration> + Clone {
    (0..100_000_u32, prop::sample::select(DurationUnit::ALL.to_vec()))
        .prop_map(|(amount, unit)| Duration { amount, unit })
}

fn condition(kind: ConditionKind) -> BoxedStrategy<Condition> {
    match kind {
        ConditionKind::Number => test_of(number().boxed(), false).prop_map(Condition::Number).boxed(),
        ConditionKind::Text => prop_oneof![
            test_of(text().prop_map(Text::Quoted).boxed(), true).prop_map(Condition::Text),
            // Beside a text, which makes it a comparison of texts.
            (text(), prop::sample::select(vec![Text::Null, Text::Empty, Text::Blank])).prop_map(
                |(text, other)| {
                    Condition::Text(Test::In { not: true, values: vec![Text::Quoted(text), other] })
                }
            ),
            (any::<bool>(), text()).prop_map(|(not, pattern)| Condition::Matches { not, pattern }),
        ]
        .boxed(),
        ConditionKind::Date => {
            let day = (1970..2100_i16, 1..13_i8, 1..29_i8)
                .prop_map(|(y, m, d)| Date::Day(jiff::civil::Date::new(y, m, d).expect("a day")));
            let clock = (0..24_i8, 0..60_i8)
                .prop_map(|(h, m)| Date::Clock(jiff::civil::Time::new(h, m, 0, 0).expect("a time")));
            let sign = prop::sample::select(vec![Arithmetic::Plus, Arithmetic::Minus]);
            let now = prop::option::of((sign, duration())).prop_map(Date::Now);
            test_of(prop_oneof![day, clock, now].boxed(), false).prop_map(Condition::Date).boxed()
        }
        ConditionKind::Duration => test_of(duration().boxed(), false).prop_map(Condition::Duration).boxed(),
        ConditionKind::Size => {
            let size = (0..100_000_u32, prop::sample::select(SizeUnit::ALL.to_vec()))
                .prop_map(|(amount, unit)| Size { amount, unit });
            test_of(size.boxed(), false).prop_map(Condition::Size).boxed()
        }
    }
}

fn parameters(type_: RuleType) -> BoxedStrategy<Vec<Parameter>> {
    let (least, most) = type_.parameters();
    let value = prop_oneof![text().prop_map(ParameterValue::Quoted), word().prop_map(ParameterValue::Word)];
    let one = (prop::option::of(Just(Connector::Of)), value)
        .prop_map(|(connector, value)| Parameter { connector, value });
    prop::collection::vec(one, least..=most.min(least + 2)).boxed()
}

fn labels() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z\"\\\\]{1,5}", text(), 0..3)
}

fn rule() -> impl Strategy<Value = Rule> {
    let types: Vec<RuleType> =
        RuleType::ALL.iter().copied().filter(|type_| !type_.is_analyzer_only()).collect();
    let with_parameters = prop::sample::select(types).prop_flat_map(|type_| (Just(type_), parameters(type_)));
    with_parameters
        .prop_flat_map(|(type_, parameters)| {
            let kinds = type_.conditions(parameters.len());
            let condition = if kinds.is_empty() {
                Just(None).boxed()
            } else {
                prop::sample::select(kinds.to_vec()).prop_flat_map(condition).prop_map(Some).boxed()
            };
            let filter = if type_.takes_where() {
                prop::option::of("[a-z><= \"]{0,6}[a-z]").boxed()
            } else {
                Just(None).boxed()
            };
            let threshold = if type_.takes_threshold() {
                prop::option::of(test_of(number().boxed(), false)).boxed()
            } else {
                Just(None).boxed()
            };
            let tag = prop_oneof![text().prop_map(Tag::Text), number().prop_map(Tag::Number)];
            let tags = prop::collection::btree_map("[a-z]{1,5}", tag, 0..2);
            (Just(type_), Just(parameters), condition, filter, labels(), threshold, tags)
        })
        .prop_map(|(type_, parameters, condition, filter, labels, threshold, tags)| Rule {
            type_,
            parameters,
            condition,
            filter,
            labels,
            threshold,
            tags,
        })
}

fn expression() -> impl Strategy<Value = Expression> {
    let leaf = rule().prop_map(|rule| Expression::Rule(Box::new(rule)));
    leaf.prop_recursive(3, 8, 3, |inner| {
        let operator = prop::sample::select(vec![Operator::And, Operator::Or]);
        (operator, prop::collection::vec(inner, 2..4), labels())
            .prop_map(|(operator, parts, labels)| Expression::Composite { operator, parts, labels })
    })
}

prop_compose! {
    fn ruleset()(
        version in prop::option::of(text()),
        primary in prop::option::of(text()),
        additional in prop::collection::vec(text(), 0..2),
        default_labels in labels(),
        rules in prop::collection::vec(expression(), 1..4),
        analyzed in prop::option::of(parameters(RuleType::Completeness)),
    ) -> Ruleset {
        let analyzers = analyzed.map(|parameters| Analyzer { type_: RuleType::Completeness, parameters });
        let variables = vec![("v".to_owned(), Value::One(Text::Empty))];
        Ruleset { version, primary, additional, variables, default_labels, rules, analyzers: analyzers.into_iter().collect() }
    }
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_as_the_same(ruleset in ruleset()) {
        let written = ruleset.to_string();
        let read = parse(&written).map_err(|error| TestCaseError::fail(format!("{error}\n{written}")))?;
        prop_assert_eq!(&read, &ruleset, "{}", written);
        prop_assert_eq!(read.to_string(), written);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        parse(&text).ok();
        parse(&format!("Rules = [ {text} ]")).ok();
    }

    #[test]
    fn no_rule_that_was_broken_makes_the_reader_panic(ruleset in ruleset(), at in any::<prop::sample::Index>(), with in "\\PC{0,3}") {
        let written = ruleset.to_string();
        let cuts: Vec<usize> = written.char_indices().map(|(at, _)| at).collect();
        let cut = *at.get(&cuts);
        let (before, after) = written.split_at(cut);
        let rest: String = after.chars().skip(1).collect();
        if let Err(error) = parse(&format!("{before}{with}{rest}")) {
            prop_assert!(error.line >= 1 && error.column >= 1 && !error.message.is_empty());
        }
        parse(before).ok();
    }
}
