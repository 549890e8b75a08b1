//! The rules over what the catalog and the list of files say.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use mizuumi_api::quality_check::{RuleOutcome, RuleSeverity};

use super::facts::{CatalogFacts, SeenColumn, SeenFile, SeenFiles};
use super::number::{is_dynamic, reckoned};
use super::rows::Answer;
use super::rules::{NumberedRule, Rules, pattern_of};
use crate::dqdl::condition::{Arithmetic, Comparison, Condition, Date, Number, Test, Text};
use crate::dqdl::model::Tag;
use crate::dqdl::{Engine, Expression, Operator, Rule, RuleType};
use crate::hive_type::{self, HiveType};
use crate::s3_uri;

/// What was measured before, by the metric, the latest first.
pub type Earlier = BTreeMap<String, Vec<f64>>;

/// What became of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// Counts from 1.
    pub number: i64,
    /// The rule as people read it.
    pub text: String,
    /// How bad it is if it did not pass.
    pub severity: RuleSeverity,
    /// What became of it.
    pub outcome: RuleOutcome,
    /// What was measured.
    pub metric: Option<String>,
    /// What it was compared with, where that was reckoned from earlier evaluations.
    pub threshold: Option<String>,
    /// Why it did not pass.
    pub message: Option<String>,
    /// What was measured by rules that compare with earlier evaluations.
    pub kept: Vec<(String, f64)>,
}

/// What became of one rule, without its place among the others.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measured {
    outcome: RuleOutcome,
    metric: Option<String>,
    threshold: Option<String>,
    message: Option<String>,
    kept: Vec<(String, f64)>,
}

/// Evaluates all rules by what the catalog and the list of files say, and a query over the rows.
#[must_use]
pub fn evaluate(
    rules: &Rules,
    facts: &CatalogFacts,
    rows: &Answer,
    earlier: &Earlier,
    now: Timestamp,
) -> Vec<Evaluated> {
    let by = By { engine: rules.engine, facts, rows, earlier, now };
    let one = |NumberedRule { number, text, expression, severity }: &NumberedRule| {
        let outcome = of_expression(expression, by);
        Evaluated {
            number: *number,
            text: text.clone(),
            severity: *severity,
            outcome: outcome.outcome,
            metric: outcome.metric,
            threshold: outcome.threshold,
            message: outcome.message,
            kept: outcome.kept,
        }
    };
    rules.all.iter().map(one).collect()
}

/// What rules are evaluated by.
#[derive(Clone, Copy)]
struct By<'a> {
    engine: Engine,
    facts: &'a CatalogFacts,
    rows: &'a Answer,
    earlier: &'a Earlier,
    now: Timestamp,
}

fn of_expression(expression: &Expression, by: By<'_>) -> Measured {
    let (operator, parts) = match expression {
        Expression::Rule(rule) => return of_rule(rule, by),
        Expression::Composite { operator, parts, .. } => (operator, parts),
    };
    let parts: Vec<Measured> = parts.iter().map(|part| of_expression(part, by)).collect();
    let kept = parts.iter().flat_map(|part| part.kept.clone()).collect();
    // What decides: of rules that all must pass one that failed, of those of which one must pass one that did.
    let order = match operator {
        Operator::And => [RuleOutcome::Failed, RuleOutcome::Error, RuleOutcome::Passed],
        Operator::Or => [RuleOutcome::Passed, RuleOutcome::Error, RuleOutcome::Failed],
    };
    let decisive = order.iter().find_map(|outcome| parts.iter().find(|part| part.outcome == *outcome));
    let decisive = decisive.cloned().unwrap_or_else(|| error("it has no parts"));
    Measured { kept, ..decisive }
}

fn error(why: impl Into<String>) -> Measured {
    Measured {
        outcome: RuleOutcome::Error,
        metric: None,
        threshold: None,
        message: Some(why.into()),
        kept: Vec::new(),
    }
}

/// Passed, or failed for a reason.
pub(super) fn verdict(passes: bool, metric: String, why: impl FnOnce() -> String) -> Measured {
    let outcome = if passes { RuleOutcome::Passed } else { RuleOutcome::Failed };
    let message = (!passes).then(why);
    Measured { outcome, metric: Some(metric), threshold: None, message, kept: Vec::new() }
}

/// The metric's name: the rule without what it is compared with.
fn metric_of(rule: &Rule) -> String {
    let bare = Rule {
        condition: None,
        threshold: None,
        labels: BTreeMap::new(),
        tags: BTreeMap::new(),
        ..rule.clone()
    };
    bare.to_string()
}

fn of_rule(rule: &Rule, by: By<'_>) -> Measured {
    let By { engine, facts, rows, earlier, now } = by;
    let evaluated = match rule.type_ {
        RuleType::RowCount if engine == Engine::CatalogOnly => row_count(rule, facts, earlier),
        _ if Engine::needs_rows(rule) => super::rows::evaluate(rule, rows, earlier),
        RuleType::ColumnExists => column_exists(rule, facts),
        RuleType::ColumnCount => column_count(rule, facts, earlier),
        RuleType::ColumnDataType => column_data_type(rule, facts),
        RuleType::ColumnNamesMatchPattern => column_names(rule, facts),
        RuleType::SchemaMatch => schema_match(rule, facts, earlier),
        RuleType::FileSize => file_size(rule, facts),
        RuleType::FileFreshness => file_freshness(rule, facts, now),
        other => Err(format!("the catalog does not tell {}", other.name())),
    };
    evaluated.unwrap_or_else(error)
}

fn parameter(rule: &Rule) -> &str {
    rule.parameters.first().map(crate::dqdl::Parameter::text).unwrap_or_default()
}

/// Glue keeps names in lower case, and engines find columns in whatever case.
fn find<'a>(columns: &'a [SeenColumn], name: &str) -> Option<&'a SeenColumn> {
    columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase())
}

fn column_exists(rule: &Rule, facts: &CatalogFacts) -> Result<Measured, String> {
    let (columns, name) = (facts.columns.get()?, parameter(rule));
    let is_there = find(columns, name).is_some();
    Ok(verdict(is_there, is_there.to_string(), || format!("there is no column '{name}'")))
}

fn column_names(rule: &Rule, facts: &CatalogFacts) -> Result<Measured, String> {
    let pattern = pattern_of(parameter(rule))?;
    let columns = facts.columns.get()?;
    let others: Vec<&str> = columns
        .iter()
        .filter(|column| !pattern.is_match(&column.name))
        .map(|column| column.name.as_str())
        .collect();
    let metric = part(columns.len() - others.len(), columns.len());
    Ok(verdict(others.is_empty(), metric, || format!("columns do not match: {}", some(&others))))
}

fn column_count(rule: &Rule, facts: &CatalogFacts, earlier: &Earlier) -> Result<Measured, String> {
    let count = f64::from(u32::try_from(facts.columns.get()?.len()).unwrap_or(u32::MAX));
    compared_by(rule, count, earlier)
}

/// Of more rows than 2^53 the last digits do not count.
#[expect(clippy::cast_precision_loss, reason = "numbers of rules are floats, as DQDL has them")]
fn row_count(rule: &Rule, facts: &CatalogFacts, earlier: &Earlier) -> Result<Measured, String> {
    compared_by(rule, *facts.rows.get()? as f64, earlier)
}

/// Columns are the same if they have one name and one type, in whatever order.
fn schema_match(rule: &Rule, facts: &CatalogFacts, earlier: &Earlier) -> Result<Measured, String> {
    let name = parameter(rule);
    let reference = facts.references.get(name).ok_or_else(|| format!("'{name}' was not looked at"))?.get()?;
    let columns = facts.columns.get()?;
    let is_same = |column: &&SeenColumn| {
        find(reference, &column.name).is_some_and(|other| hive_type::same(&column.type_, &other.type_))
    };
    let others: Vec<&str> =
        columns.iter().filter(|column| !is_same(column)).map(|column| column.name.as_str()).collect();
    let same = ratio(columns.len() - others.len(), columns.len());
    let mut outcome = compared_by(rule, same, earlier)?;
    if outcome.outcome == RuleOutcome::Failed && !others.is_empty() {
        outcome.message =
            Some(format!("columns that '{name}' has not, or of another type: {}", some(&others)));
    }
    Ok(outcome)
}

fn column_data_type(rule: &Rule, facts: &CatalogFacts) -> Result<Measured, String> {
    let (columns, name) = (facts.columns.get()?, parameter(rule));
    let Some(column) = find(columns, name) else {
        return Err(format!("there is no column '{name}'"));
    };
    let names = [type_name(&column.type_), column.type_.to_lowercase()];
    let is = |text: &Text| match text {
        Text::Quoted(text) => {
            names.iter().any(|name| name.eq_ignore_ascii_case(text)) || hive_type::same(&column.type_, text)
        }
        _ => false,
    };
    let passes = match &rule.condition {
        Some(Condition::Text(Test::Is(Comparison::Equal, text))) => is(text),
        Some(Condition::Text(Test::Is(_, text))) => !is(text),
        Some(Condition::Text(Test::In { not, values })) => values.iter().any(is) != *not,
        Some(Condition::Matches { not, pattern }) => {
            let pattern = pattern_of(pattern)?;
            names.iter().any(|name| pattern.is_match(name)) != *not
        }
        _ => return Err("it has no condition that compares types".to_owned()),
    };
    Ok(verdict(passes, type_name(&column.type_), || format!("column '{name}' is of type {}", column.type_)))
}

/// The name that DQDL has for a Hive type; the Hive type where it has none.
fn type_name(type_: &str) -> String {
    let Ok(HiveType::Primitive(name)) = HiveType::parse(type_) else { return type_.to_owned() };
    let plain = name.split('(').next().unwrap_or_default();
    let known = match plain {
        "boolean" => "Boolean",
        "date" => "Date",
        "timestamp" => "Timestamp",
        "tinyint" | "smallint" | "int" => "Integer",
        "bigint" => "Long",
        "float" => "Float",
        "double" => "Double",
        "decimal" => "Decimal",
        "string" | "varchar" | "char" => "String",
        "binary" => "Binary",
        _ => plain,
    };
    known.to_owned()
}

/// A number compared with those of the rule's condition.
pub(super) fn compared_by(rule: &Rule, metric: f64, earlier: &Earlier) -> Result<Measured, String> {
    let Some(Condition::Number(test)) = &rule.condition else {
        return Err("it has no condition that compares numbers".to_owned());
    };
    let kept = if rule.numbers().any(is_dynamic) { vec![(metric_of(rule), metric)] } else { Vec::new() };
    let before = kept.first().and_then(|(name, _)| earlier.get(name)).map(Vec::as_slice).unwrap_or_default();
    let reckoned = match numbers(test, before) {
        Ok(reckoned) => reckoned,
        Err(why) => {
            let measured = Some(metric.to_string());
            return Ok(Measured { metric: measured, kept, ..error(why) });
        }
    };
    let is_dynamic = !kept.is_empty();
    let threshold = is_dynamic.then(|| reckoned.clone().map(Rounded).to_string());
    let told = threshold.clone();
    let outcome = verdict(ratio_passes(&reckoned, metric), metric.to_string(), || {
        let wanted = told.unwrap_or_else(|| test.to_string());
        format!("it is {metric}, and has to be {wanted}")
    });
    Ok(Measured { threshold, kept, ..outcome })
}

/// What the numbers of a test come to; NULL, which nothing equals, is no number.
pub(super) fn numbers(test: &Test<Number>, before: &[f64]) -> Result<Test<f64>, String> {
    test.try_map(|number| match number {
        Number::Null => Ok(f64::NAN),
        number => reckoned(number, before),
    })
}

/// Of numbers: NaN equals nothing, itself included.
pub(super) fn ratio_passes(test: &Test<f64>, metric: f64) -> bool {
    test.passes(&metric)
}

/// A number with at most six digits behind the point.
#[derive(Clone, Copy, Debug)]
struct Rounded(f64);

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.6}", self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// The files that a rule is about.
fn files_of<'a>(rule: &Rule, facts: &'a CatalogFacts) -> Result<(&'a SeenFiles, Vec<&'a SeenFile>), String> {
    let seen = facts.files.get()?;
    let Some(path) = rule.parameters.first().map(crate::dqdl::Parameter::text) else {
        return Ok((seen, seen.files.iter().collect()));
    };
    let prefix = s3_uri::canonical(path);
    let under =
        |file: &&SeenFile| s3_uri::lies_under(&file.location, &prefix) || s3_uri::same(&file.location, path);
    let files: Vec<&SeenFile> = seen.files.iter().filter(under).collect();
    if files.is_empty() && !seen.files.is_empty() {
        return Err(format!(
            "'{path}' has none of the files that were looked at, which are those in {}",
            seen.place
        ));
    }
    Ok((seen, files))
}

fn file_size(rule: &Rule, facts: &CatalogFacts) -> Result<Measured, String> {
    let Some(Condition::Size(test)) = &rule.condition else {
        return Err("it has no condition that compares sizes".to_owned());
    };
    let (seen, files) = files_of(rule, facts)?;
    let bytes = test.clone().map(crate::dqdl::Size::bytes);
    let told = |file: &SeenFile| format!("has {} bytes", file.size);
    of_files(rule, seen, &files, |file| bytes.passes(&u128::from(file.size)), told)
}

fn file_freshness(rule: &Rule, facts: &CatalogFacts, now: Timestamp) -> Result<Measured, String> {
    let Some(Condition::Date(test)) = &rule.condition else {
        return Err("it has no condition that compares times".to_owned());
    };
    let zone = match rule.tags.get("timeZone") {
        Some(Tag::Text(name)) => {
            crate::cron::zone("timeZone", Some(name)).map_err(|problem| problem.message)?
        }
        _ => TimeZone::UTC,
    };
    let (seen, files) = files_of(rule, facts)?;
    let passes = |file: &SeenFile| file.written.is_some_and(|written| is_of(test, written, &zone, now));
    let told = |file: &SeenFile| match file.written {
        Some(written) => format!("was written at {written}"),
        None => "does not say when it was written".to_owned(),
    };
    of_files(rule, seen, &files, passes, told)
}

/// Whether a moment passes. One is equal to a day that it is on.
fn is_of(test: &Test<Date>, moment: Timestamp, zone: &TimeZone, now: Timestamp) -> bool {
    let day = moment.to_zoned(zone.clone()).date();
    let equals = |date: &Date| match date {
        Date::Day(other) => day == *other,
        other => at(other, zone, now) == Some(moment),
    };
    match test {
        Test::Is(Comparison::Equal, date) => equals(date),
        Test::Is(Comparison::NotEqual, date) => !equals(date),
        Test::In { not, values } => values.iter().any(equals) != *not,
        test => {
            // What is compared with NULL is neither before nor after it.
            let moments = test.try_map(|date| at(date, zone, now).ok_or(()));
            moments.is_ok_and(|test| test.passes(&moment))
        }
    }
}

/// The moment that a time of the language is; a day is where it begins.
fn at(date: &Date, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let of = |at: civil::DateTime| at.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    match date {
        Date::Day(day) => of(day.to_datetime(civil::Time::midnight())),
        Date::Clock(time) => of(now.to_zoned(zone.clone()).date().to_datetime(*time)),
        Date::Now(None) => Some(now),
        Date::Now(Some((sign, duration))) => {
            let length = SignedDuration::from_secs(duration.seconds());
            match sign {
                Arithmetic::Minus => now.checked_sub(length).ok(),
                _ => now.checked_add(length).ok(),
            }
        }
        Date::Null => None,
    }
}

/// All files have to pass, or so large a part of them as the threshold says.
fn of_files(
    rule: &Rule,
    seen: &SeenFiles,
    files: &[&SeenFile],
    passes: impl Fn(&SeenFile) -> bool,
    told: impl Fn(&SeenFile) -> String,
) -> Result<Measured, String> {
    if files.is_empty() {
        return Ok(verdict(false, "0".to_owned(), || format!("there is no file in {}", seen.place)));
    }
    let others: Vec<&&SeenFile> = files.iter().filter(|file| !passes(file)).collect();
    let ratio = ratio(files.len() - others.len(), files.len());
    let enough = match &rule.threshold {
        Some(threshold) => numbers(threshold, &[])?.passes(&ratio),
        None => others.is_empty(),
    };
    Ok(verdict(enough, part(files.len() - others.len(), files.len()), || match others.first() {
        Some(file) => {
            format!("{} of {} files do not pass: {} {}", others.len(), files.len(), file.location, told(file))
        }
        None => format!("all {} files pass, which is not what the threshold wants", files.len()),
    }))
}

/// A part of a whole; nothing of nothing is all of it.
fn ratio(part: usize, whole: usize) -> f64 {
    let number = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    if whole == 0 { 1.0 } else { number(part) / number(whole) }
}

fn part(part: usize, whole: usize) -> String {
    told_of(ratio(part, whole))
}

/// A part as people read it.
pub(super) fn told_of(ratio: f64) -> String {
    Rounded(ratio).to_string()
}

/// The first of some names.
fn some(all: &[&str]) -> String {
    const NAMED: usize = 5;
    let named = all.iter().take(NAMED).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
