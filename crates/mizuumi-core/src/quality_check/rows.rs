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

/// The numbers of an answer.
struct Numbers<'a>(&'a [Option<f64>]);

impl Numbers<'_> {
    fn at(&self, place: usize) -> Option<f64> {
        self.0.get(place).copied().flatten()
    }

    fn count(&self, place: usize) -> f64 {
        self.at(place).unwrap_or_default()
    }

    /// The metric that a formula makes of them; none without values.
    fn metric(&self, formula: &Formula) -> Option<f64> {
        match formula {
            Formula::Number(place) => self.at(*place),
            Formula::Count(place) => Some(self.count(*place)),
            Formula::Ratio(part, whole) | Formula::Part(part, whole) => {
                let whole = self.count(*whole);
                (whole > 0.0).then(|| self.count(*part) / whole)
            }
            Formula::Entropy(rows, logs) => {
                let rows = self.count(*rows);
                // Never below zero by rounding.
                (rows > 0.0).then(|| (rows.ln() - self.count(*logs) / rows).max(0.0))
            }
            Formula::Unique { .. } | Formula::Span(..) => None,
        }
    }
}

fn formula<'a>(rule: &Rule, answer: &'a Answer) -> Result<(&'a Formula, Numbers<'a>), String> {
    let formula = match answer.statement.formulas.get(&rule.to_string()) {
        Some(Ok(formula)) => formula,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err("its rows were not queried".to_owned()),
    };
    Ok((formula, Numbers(answer.numbers.get()?)))
}

/// What an analyzer has measured of the rows.
pub(super) fn metric(rule: &Rule, answer: &Answer) -> Result<String, String> {
    let (formula, numbers) = formula(rule, answer)?;
    let metric = match formula {
        Formula::Span(least, most) => match (numbers.at(*least), numbers.at(*most)) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}")),
            _ => None,
        },
        formula => numbers.metric(formula).map(|metric| metric.to_string()),
    };
    metric.ok_or_else(|| "there are no values to measure".to_owned())
}

/// What became of a rule over rows.
pub(super) fn evaluate(rule: &Rule, answer: &Answer, earlier: &Earlier) -> Result<Measured, String> {
    let (formula, numbers) = formula(rule, answer)?;
    let count = |place: &usize| numbers.count(*place);
    match formula {
        Formula::Part(part, whole) => part_of(rule, count(part), count(whole), earlier),
        Formula::Unique { distinct, rows, all } => {
            Ok(unique(count(distinct), count(rows), all.map(|(all, whole)| (count(&all), count(&whole)))))
        }
        formula => measured(rule, numbers.metric(formula), earlier),
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
