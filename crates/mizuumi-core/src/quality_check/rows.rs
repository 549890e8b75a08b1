//! Rules over rows, by the numbers that a query has answered.

use super::evaluate::Earlier;
use super::evaluate::{Measured, compared_by, numbers, ratio_passes, told_of, verdict};
use super::facts::Known;
use super::statement::{Formula, Statement};
use crate::dqdl::{Rule, RuleType};

/// What a query has answered: the statement, and its numbers in their order; or why there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// What was asked.
    pub statement: Statement,
    /// The numbers; none is NULL.
    pub numbers: Known<Vec<Option<f64>>>,
}

/// What became of a rule over rows.
pub(super) fn evaluate(rule: &Rule, answer: &Answer, earlier: &Earlier) -> Result<Measured, String> {
    let formula = match answer.statement.formulas.get(&rule.to_string()) {
        Some(Ok(formula)) => formula,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("its rows were not queried".to_owned()),
    };
    let numbers = answer.numbers.get()?;
    let at = |place: &usize| numbers.get(*place).copied().flatten();
    let count = |place: &usize| at(place).unwrap_or_default();
    match formula {
        Formula::Number(place) => measured(rule, at(place), earlier),
        Formula::Count(place) => measured(rule, Some(count(place)), earlier),
        Formula::Ratio(part, whole) => {
            let whole = count(whole);
            measured(rule, (whole > 0.0).then(|| count(part) / whole), earlier)
        }
        Formula::Entropy(rows, logs) => {
            let rows = count(rows);
            // Never below zero by rounding.
            let entropy = || (rows.ln() - count(logs) / rows).max(0.0);
            measured(rule, (rows > 0.0).then(entropy), earlier)
        }
        Formula::Part(part, whole) => part_of(rule, count(part), count(whole), earlier),
        Formula::Unique { distinct, rows, all } => {
            Ok(unique(count(distinct), count(rows), all.map(|(all, whole)| (count(&all), count(&whole)))))
        }
    }
}

/// A metric compared with the rule's condition. One that there is not, since there are no values, passes nothing.
fn measured(rule: &Rule, metric: Option<f64>, earlier: &Earlier) -> Result<Measured, String> {
    match metric {
        Some(metric) => compared_by(rule, metric, earlier),
        None => Ok(verdict(false, "-".to_owned(), || "there are no values to measure".to_owned())),
    }
}

fn part_of(rule: &Rule, part: f64, whole: f64, earlier: &Earlier) -> Result<Measured, String> {
    if whole == 0.0 {
        return Ok(verdict(false, "-".to_owned(), || "there are no rows".to_owned()));
    }
    let ratio = part / whole;
    if rule.type_ == RuleType::Completeness {
        return compared_by(rule, ratio, earlier);
    }
    let enough = match &rule.threshold {
        Some(threshold) => ratio_passes(&numbers(threshold, &[])?, ratio),
        None => part >= whole,
    };
    Ok(verdict(enough, told_of(ratio), || format!("{} of {whole} rows do not pass", whole - part)))
}

fn unique(distinct: f64, rows: f64, all: Option<(f64, f64)>) -> Measured {
    if rows == 0.0 {
        return verdict(false, "-".to_owned(), || "there are no values".to_owned());
    }
    let missing = all.map_or(0.0, |(all, whole)| all - whole);
    let passes = distinct >= rows && missing == 0.0;
    verdict(passes, passes.to_string(), || {
        if missing > 0.0 {
            format!("{missing} rows have no whole key")
        } else {
            format!("{rows} rows have {distinct} different values")
        }
    })
}
