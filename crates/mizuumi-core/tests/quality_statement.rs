//! Statements of rules: what is asked, in one scan, and that nothing of what a rule says gets out of its place.
#![expect(clippy::expect_used, reason = "a test's helpers fail as its tests do")]

use jiff::Timestamp;
use mizuumi_api::quality_check::{CheckEngine, RuleOutcome};
use mizuumi_core::quality_check::analyses::{MOST, analyzed};
use mizuumi_core::quality_check::evaluate::{Earlier, evaluate};
use mizuumi_core::quality_check::facts::{SeenColumn, SeenScope};
use mizuumi_core::quality_check::statement::sample;
use mizuumi_core::quality_check::{Answer, CatalogFacts, Known, Rules, Statement};
use proptest::prelude::*;

const COLUMNS: &[(&str, &str)] = &[
    ("id", "bigint"),
    ("price", "double"),
    ("what", "string"),
    ("a \"b\"", "string"),
    ("on", "date"),
    ("at", "timestamp"),
    ("odd", "boolean"),
    ("tags", "array<string>"),
    ("day", "string"),
];

fn now() -> Timestamp {
    "2026-11-26T12:00:00Z".parse().expect("a time")
}

fn columns() -> Known<Vec<SeenColumn>> {
    let column = |(name, type_): &(&str, &str)| SeenColumn { name: (*name).into(), type_: (*type_).into() };
    Known::Is(COLUMNS.iter().map(column).collect())
}

fn scope(day: &str) -> Known<SeenScope> {
    let key = SeenColumn { name: "day".into(), type_: "string".into() };
    Known::Is(SeenScope {
        database: "lake".into(),
        table: "orders".into(),
        partition: vec![(key, day.into())],
        place: None,
    })
}

fn rules(text: &str) -> Result<Rules, String> {
    Rules::of_text("rules", &format!("Rules = [ {text} ]"), CheckEngine::Auto)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

fn statement(text: &str) -> Statement {
    Statement::new(&rules(text).expect(text), &columns(), &scope("1"), now())
}

fn sql(text: &str) -> String {
    statement(text).sql.expect(text)
}

/// Why a rule is not asked for.
fn refusal(text: &str) -> String {
    let rules = rules(text).expect(text);
    let answer = Answer { statement: statement(text), numbers: Known::Is(vec![Some(1.0); 9]) };
    let results = evaluate(&rules, &CatalogFacts::default(), &answer, &Earlier::new(), now());
    assert_eq!(results[0].outcome, RuleOutcome::Error, "{text}");
    results[0].message.clone().unwrap_or_default()
}

#[test]
fn each_thing_is_measured_once_and_all_of_it_in_one_scan() {
    let expected = [
        "SELECT",
        "  count(*) AS m0,",
        "  count(*) FILTER (WHERE \"id\" IS NOT NULL) AS m1,",
        "  sum(CAST(\"price\" AS double)) AS m2,",
        "  count(DISTINCT \"id\") FILTER (WHERE \"id\" IS NOT NULL) AS m3,",
        "  count(*) FILTER (WHERE \"id\" IS NOT NULL) AS m4",
        "FROM \"lake\".\"orders\"",
        "WHERE \"day\" = '1'",
    ];
    let rules =
        "RowCount > 0, IsComplete \"id\", Completeness \"id\" > 0.5, Sum \"price\" > 1, IsUnique \"id\"";
    assert_eq!(sql(rules), expected.join("\n"));
    let grouped =
        sql("RowCount > 0, Uniqueness \"id\" > 0.9, Entropy \"what\" > 1, Uniqueness \"what\" \"id\" > 0");
    assert_eq!(grouped.matches("FROM \"lake\".\"orders\"").count(), 1, "{grouped}");
    assert!(
        grouped.contains("GROUP BY GROUPING SETS ((), (\"id\"), (\"what\"), (\"id\", \"what\"))"),
        "{grouped}"
    );
}

#[test]
fn what_cannot_be_asked_is_refused_with_the_reason() {
    for (rule, part) in [
        ("Mean \"what\" > 1", "is of type string, and it takes numbers"),
        ("IsComplete \"tags\"", "is nested"),
        ("IsComplete \"none\"", "there is no column 'none'"),
        ("ColumnLength \"id\" > 1", "has no length"),
        ("ColumnValues \"odd\" > 1", "is not compared with numbers"),
        ("ColumnValues \"id\" > last(3)", "`last` is for rules that measure one number"),
        ("ColumnValues \"what\" > \"9:30 AM\"", "not with times of a day"),
        ("RowCount > 0 where \"none = 1\"", "there is no column 'none'"),
        ("RowCount > 0 where \"id = 'x'\"", "a number cannot be compared with a text"),
        ("RowCount > 0 where \"id\"", "a number where something true or false has to be"),
        ("RowCount > 0 where \"id = 1 or\"", "expected a column, a number or a text; found the end"),
        ("RowCount > 0 where \"id in (select id from orders)\"", "there is no column 'select'"),
        ("RowCount > 0 where \"exists (select 1)\"", "there is no function 'exists'"),
        ("RowCount > 0 where \"id = 1; drop table orders\"", "';' has no meaning here"),
        ("RowCount > 0 where \"id = 1 -- and\"", "there are no comments"),
        ("RowCount > 0 where \"id = 1 /* x */\"", "there are no comments"),
        ("RowCount > 0 where \"what = 'x\"", "a quote that is not closed"),
        ("RowCount > 0 where \"id = 1) or (1 = 1\"", "expected `and`, `or` or the end; found ')'"),
    ] {
        let why = refusal(rule);
        assert!(why.contains(part), "{rule}: {why}");
    }
    let deep = format!("RowCount > 0 where \"{}id = 1{}\"", "(".repeat(999), ")".repeat(999));
    assert!(refusal(&deep).contains("nested more than"));
    // What one rule gets wrong is that rule's alone.
    assert_eq!(sql("RowCount > 0, Mean \"what\" > 1"), sql("RowCount > 0"));
}

#[test]
fn filters_are_written_anew_with_the_types_of_the_columns() {
    for (filter, expected) in [
        ("ID = '5'", "(\"id\" = 5)"),
        ("on >= '2026-01-31' AND NOT odd", "((\"on\" >= DATE '2026-01-31') AND (NOT \"odd\"))"),
        ("`a ``b` is null", ""),
        (
            "lower(what) like 'x%' or what not in ('a', 'it''s')",
            "((lower(\"what\") LIKE 'x%') OR (\"what\" NOT IN ('a', 'it''s')))",
        ),
        ("price / 2 between -1 and .5", "((CAST(\"price\" AS double) / 2) BETWEEN (- 1) AND 0.5)"),
        ("at < timestamp '2026-01-01 10:00:00'", "(\"at\" < TIMESTAMP '2026-01-01 10:00:00')"),
    ] {
        let rule = format!("RowCount > 0 where \"{filter}\"");
        if expected.is_empty() {
            assert!(refusal(&rule).contains("there is no column 'a `b'"), "{}", refusal(&rule));
        } else {
            let sql = sql(&rule);
            assert!(sql.contains(&format!("count(*) FILTER (WHERE {expected}) AS m0")), "{sql}");
        }
    }
}

/// What is left of a statement without its texts and names in quotes; none if a quote is not closed.
fn outside_quotes(sql: &str) -> Option<(String, Vec<String>)> {
    let (mut left, mut names, mut signs) = (String::new(), Vec::new(), sql.chars().peekable());
    while let Some(sign) = signs.next() {
        if sign != '\'' && sign != '"' {
            left.push(sign);
            continue;
        }
        let mut within = String::new();
        loop {
            let next = signs.next()?;
            if next == sign && signs.peek() == Some(&sign) {
                signs.next();
                within.push(sign);
            } else if next == sign {
                break;
            } else {
                within.push(next);
            }
        }
        left.push(' ');
        if sign == '"' {
            names.push(within);
        }
    }
    Some((left, names))
}

/// Everything that a statement may say outside of quotes.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "IS",
    "NULL",
    "IN",
    "BETWEEN",
    "LIKE",
    "AS",
    "GROUP",
    "BY",
    "GROUPING",
    "SETS",
    "FILTER",
    "DISTINCT",
    "ROW",
    "CAST",
    "TRY_CAST",
    "COALESCE",
    "TRUE",
    "FALSE",
    "DATE",
    "TIMESTAMP",
    "count",
    "sum",
    "avg",
    "max",
    "min",
    "corr",
    "stddev_pop",
    "var_pop",
    "ln",
    "grouping",
    "length",
    "trim",
    "lower",
    "upper",
    "abs",
    "year",
    "month",
    "is_nan",
    "regexp_like",
    "double",
    "varchar",
    "date",
    "timestamp",
    "boolean",
    "integer",
    "bigint",
    "counted",
    "mizuumi_times",
    "OVER",
    "PARTITION",
    "LIMIT",
    "g",
];

fn assert_contained(sql: &str) {
    let (left, names) = outside_quotes(sql).expect("quotes that are closed");
    assert!(!sql.contains('\0'), "{sql}");
    for mark in ["--", "/*", ";", "$", "\\", "@", "`", "?"] {
        assert!(!left.contains(mark), "{mark} in {sql}");
    }
    let words =
        left.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_').filter(|word| !word.is_empty());
    for word in words {
        let is_own = word.len() > 1
            && ["m", "n", "a", "k"].contains(&&word[..1])
            && word[1..].bytes().all(|byte| byte.is_ascii_digit());
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_own || is_number || WORDS.contains(&word), "'{word}' in {sql}");
    }
    let known = |name: &String| {
        ["lake", "orders"].contains(&name.as_str()) || COLUMNS.iter().any(|(of, _)| of == name)
    };
    assert!(names.iter().all(known), "{names:?} in {sql}");
    assert_eq!(sql.matches("\"lake\".\"orders\"").count(), 1, "{sql}");
}

/// Texts with which others have broken out of quotes.
const CORPUS: &[&str] = &[
    "'",
    "''",
    "\\'",
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    "' UNION SELECT secret FROM other.table --",
    "\\'; UNLOAD (SELECT * FROM x) TO 's3://elsewhere/' --",
    "') FROM lake.secret --",
    "/* */ ' /* */",
    "\u{2019} OR 1=1",
    "\u{ff07} OR 1=1",
    "\u{2bc}",
    "U&'\\0027'",
    "\"; CREATE TABLE x AS SELECT 1 --",
    "a\" = 1 OR \"b",
    "$$ x $$",
    "?",
    "\0' OR 1=1",
    "\n' --\n",
    "1 OR 1=1",
    "1; INSERT INTO x VALUES (1)",
    "x' ESCAPE '\\",
    "EXISTS (SELECT 1 FROM other.secret)",
    "id IN (SELECT id FROM other.secret)",
    "system.runtime.queries",
    "current_user",
    "CASE WHEN 1=1 THEN TRUE END",
    "\u{202e}' OR 1=1",
];

/// Rules with a hostile text in every place that takes one; the text stands for `%`, as DQDL quotes it.
const PLACES: &[&str] = &[
    "IsComplete \"%\"",
    "Uniqueness \"id\" \"%\" > 0.5",
    "ColumnValues \"what\" = \"%\"",
    "ColumnValues \"what\" in [\"a\", \"%\"]",
    "ColumnValues \"what\" not in [\"%\", NULL, EMPTY]",
    "ColumnValues \"what\" matches \"%\"",
    "ColumnValues \"a \\\"b\\\"\" != \"%\"",
    "ColumnValues \"on\" = \"%\"",
    "RowCount > 0 where \"%\"",
    "RowCount > 0 where \"what = '%'\"",
    "RowCount > 0 where \"what = '' or % = 1\"",
    "Sum \"price\" > 0 where \"`%` = 1\"",
    "ColumnDataType \"what\" = \"%\" with threshold > 0.5",
    "ColumnLength \"%\" > 1",
];

/// The statement for the rule, and that for a sample of rows that do not pass.
fn tried(place: &str, hostile: &str) -> Vec<String> {
    let quoted = hostile.replace('\\', "\\\\").replace('"', "\\\"");
    let Ok(rules) = rules(&place.replace('%', &quoted)) else { return Vec::new() };
    let statement = Statement::new(&rules, &columns(), &scope(hostile), now());
    let samples = rules.leaves().map(|rule| sample(rule, &columns(), &scope(hostile), now(), 20));
    statement.sql.into_iter().chain(samples.filter_map(Result::ok)).collect()
}

#[test]
fn what_analyzers_measure_comes_with_the_same_statement_and_is_compared_with_nothing() {
    let text = "Rules = [ RowCount > 9 ] Analyzers = [ RowCount, ColumnCount, AllStatistics \"price\", ColumnLength \"what\",
        Completeness \"nowhere\" ]";
    let rules = Rules::of_text("rules", text, CheckEngine::Auto).expect("rules");
    let statement = Statement::new(&rules, &columns(), &scope("1"), now());
    let sql = statement.sql.clone().expect("a statement");
    assert_eq!(sql.matches("\"lake\".\"orders\"").count(), 1, "{sql}");
    assert_eq!(sql.matches("count(*) AS a0").count(), 1, "what a rule measures too is measured once: {sql}");
    assert_contained(&sql);
    let numbers = Known::Is(vec![Some(2.0); statement.numbers]);
    let answer = Answer { statement, numbers };
    let facts = CatalogFacts { columns: columns(), ..CatalogFacts::default() };
    let results = evaluate(&rules, &facts, &answer, &Earlier::new(), now());
    assert_eq!(results.iter().map(|result| result.outcome).collect::<Vec<_>>(), [RuleOutcome::Failed]);
    let measured: Vec<(String, Result<String, String>)> =
        analyzed(&rules, &facts, &answer).into_iter().map(|one| (one.name, one.metric)).collect();
    let is = |name: &str, metric: &str| (name.to_owned(), Ok(metric.to_owned()));
    let entropy = measured[5].1.clone();
    assert_eq!(
        measured,
        [
            is("RowCount", "2"),
            is("ColumnCount", &COLUMNS.len().to_string()),
            is("Completeness \"price\"", "1"),
            is("Uniqueness \"price\"", "1"),
            is("DistinctValuesCount \"price\"", "2"),
            ("Entropy \"price\"".to_owned(), entropy),
            is("ColumnValues \"price\"", "2 to 2"),
            is("Mean \"price\"", "2"),
            is("Sum \"price\"", "2"),
            is("StandardDeviation \"price\"", "2"),
            is("ColumnLength \"what\"", "2 to 2"),
            ("Completeness \"nowhere\"".to_owned(), Err("there is no column 'nowhere'".to_owned())),
        ]
    );
    // Of every column, but no more than are told; nothing of what no engine measures, and no rows where none are read.
    let of = |text: &str, engine| Rules::of_text("rules", &format!("Analyzers = [ {text} ]"), engine);
    let all = of("AllStatistics of AllColumns", CheckEngine::Auto).expect("analyzers");
    let answer =
        Answer { statement: Statement::new(&all, &columns(), &scope("1"), now()), ..Answer::default() };
    let told = analyzed(&all, &facts, &answer).len();
    assert!((COLUMNS.len()..=MOST).contains(&told), "{told}");
    for (text, engine) in
        [("RowCountMatch \"other\"", CheckEngine::Auto), ("Sum \"price\"", CheckEngine::CatalogOnly)]
    {
        let wrong = of(text, engine).expect_err(text);
        assert!(wrong[0].message.contains("analyzer `"), "{wrong:?}");
    }
}

#[test]
fn a_sample_has_rows_that_do_not_pass_and_no_others() {
    let picked = |text: &str, day: &Known<SeenScope>| {
        let rules = rules(text).expect(text);
        sample(rules.leaves().next().expect("a rule"), &columns(), day, now(), 20)
    };
    let whole =
        Known::Is(SeenScope { database: "lake".into(), table: "orders".into(), ..SeenScope::default() });
    assert_eq!(
        picked("ColumnValues \"id\" > 3", &whole).expect("a statement"),
        "SELECT *\nFROM \"lake\".\"orders\"\nWHERE (NOT (COALESCE(\"id\" > 3, FALSE)))\nLIMIT 20"
    );
    assert_eq!(
        picked("IsComplete \"what\" where \"id > 3\"", &scope("1")).expect("a statement"),
        "SELECT *\nFROM \"lake\".\"orders\"\nWHERE \"day\" = '1' AND (\"id\" > 3) AND (NOT (\"what\" IS NOT NULL))\nLIMIT 20"
    );
    assert_eq!(
        picked("IsPrimaryKey \"id\" \"what\"", &scope("1")).expect("a statement"),
        "SELECT *\nFROM (\n  SELECT *, count(*) OVER (PARTITION BY \"id\", \"what\") AS mizuumi_times\n  FROM \"lake\".\"orders\"\n  \
         WHERE \"day\" = '1' AND (TRUE)\n) counted\nWHERE mizuumi_times > 1 OR NOT (\"id\" IS NOT NULL AND \"what\" IS NOT NULL)\nLIMIT 20"
    );
    let why = picked("RowCount > 3", &whole).expect_err("no single row fails");
    assert!(why.contains("RowCount is about all rows together"), "{why}");
}

#[test]
fn no_text_gets_out_of_its_quotes() {
    let mut asked = 0;
    for (place, hostile) in PLACES.iter().flat_map(|place| CORPUS.iter().map(move |hostile| (place, hostile)))
    {
        for sql in tried(place, hostile) {
            asked += 1;
            assert_contained(&sql);
        }
    }
    // Most are texts like any other, where texts are taken.
    assert!(asked > CORPUS.len() * 7, "{asked}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nor_does_any_other_text(
        place in prop::sample::select(PLACES),
        hostile in "([ '\"\\\\;=()%_a-z0-9.,$`?*/-]|\\PC){0,40}",
    ) {
        for sql in tried(place, &hostile) {
            assert_contained(&sql);
        }
    }
}
