//! Analyzers as rules without conditions, `AllStatistics` as what can be measured of the column.

use super::column::{Kind, find};
use crate::dqdl::{Analyzer, Parameter, Rule, RuleType};
use crate::quality_check::analyses::MOST;
use crate::quality_check::facts::{Known, SeenColumn};

/// By this name analyzers mean every column.
const ALL_COLUMNS: &str = "AllColumns";

/// Each metric by its name, and the rule that measures it; or why none does. More than are told are not measured either.
pub(in super::super) fn analyses(
    analyzers: &[Analyzer],
    columns: &Known<Vec<SeenColumn>>,
) -> Vec<(String, Result<Rule, String>)> {
    let mut all: Vec<(String, Result<Rule, String>)> = Vec::new();
    for analyzer in analyzers {
        let whole = analyzer.as_rule();
        match (analyzer.type_, columns.get()) {
            (RuleType::AllStatistics, Ok(columns)) => {
                let name = whole.parameters.first().map(Parameter::text).unwrap_or_default();
                if name == ALL_COLUMNS {
                    let singles = columns.iter().filter_map(|column| statistics(columns, &column.name).ok());
                    all.extend(singles.flatten().map(|rule| (rule.to_string(), Ok(rule))));
                } else {
                    match statistics(columns, name) {
                        Ok(rules) => all.extend(rules.into_iter().map(|rule| (rule.to_string(), Ok(rule)))),
                        Err(why) => all.push((whole.to_string(), Err(why))),
                    }
                }
            }
            (RuleType::AllStatistics, Err(why)) => all.push((whole.to_string(), Err(why))),
            _ => all.push((whole.to_string(), Ok(whole))),
        }
    }
    all.truncate(MOST);
    all
}

/// What is measured of a column.
fn statistics(columns: &[SeenColumn], name: &str) -> Result<Vec<Rule>, String> {
    let kind = find(columns, name)?.kind;
    let of_all =
        [RuleType::Completeness, RuleType::Uniqueness, RuleType::DistinctValuesCount, RuleType::Entropy];
    let of_numbers = [RuleType::ColumnValues, RuleType::Mean, RuleType::Sum, RuleType::StandardDeviation];
    let more = if kind.is_number() {
        &of_numbers[..]
    } else if kind == Kind::Text {
        &[RuleType::ColumnLength][..]
    } else {
        &[]
    };
    let rule = |type_: &RuleType| {
        Analyzer { type_: *type_, parameters: vec![Parameter::quoted(name.to_owned())] }.as_rule()
    };
    Ok(of_all.iter().chain(more).map(rule).collect())
}
