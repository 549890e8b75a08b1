//! Analyzers: what is measured and compared with nothing.

use super::facts::CatalogFacts;
use super::rows::{self, Answer};
use super::rules::Rules;
use super::statement::analyses;
use crate::dqdl::{Engine, RuleType};

/// So many metrics of analyzers are told.
pub const MOST: usize = 40;
/// The types that an engine measures without a condition.
const MEASURED: &[RuleType] = &[
    RuleType::RowCount,
    RuleType::ColumnCount,
    RuleType::Completeness,
    RuleType::Uniqueness,
    RuleType::UniqueValueRatio,
    RuleType::DistinctValuesCount,
    RuleType::Entropy,
    RuleType::Mean,
    RuleType::Sum,
    RuleType::StandardDeviation,
    RuleType::Variance,
    RuleType::ColumnCorrelation,
    RuleType::ColumnLength,
    RuleType::ColumnValues,
    RuleType::AllStatistics,
];

/// What was measured by an analyzer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analyzed {
    /// What: an analyzer for one metric.
    pub name: String,
    /// The metric; of values and lengths the least and the greatest. Or why there is none.
    pub metric: Result<String, String>,
}

/// Whether an analyzer of that type can be measured.
pub(super) fn is_measured(type_: RuleType) -> bool {
    MEASURED.contains(&type_)
}

/// What all analyzers measure.
#[must_use]
pub fn analyzed(rules: &Rules, facts: &CatalogFacts, answer: &Answer) -> Vec<Analyzed> {
    let one = |(name, rule): (String, Result<crate::dqdl::Rule, String>)| {
        let metric = rule.and_then(|rule| match rule.type_ {
            RuleType::ColumnCount => facts.columns.get().map(|columns| columns.len().to_string()),
            RuleType::RowCount if rules.engine == Engine::CatalogOnly => {
                facts.rows.get().map(ToString::to_string)
            }
            _ if Engine::needs_rows(&rule) => rows::metric(&rule, answer),
            other => Err(format!("the catalog does not tell {}", other.name())),
        });
        Analyzed { name, metric }
    };
    analyses(&rules.analyzers, &facts.columns).into_iter().map(one).collect()
}
