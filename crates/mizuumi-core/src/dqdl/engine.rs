//! Who can evaluate which rule.

use std::fmt;

use super::model::Rule;
use super::rule_type::RuleType;

/// Who evaluates rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// By the catalog and the list of files, without reading any data.
    CatalogOnly,
    /// By a query over the data.
    Athena,
}

/// What a rule takes to be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// The table's definition, or the list of its files.
    Catalog,
    /// Its rows.
    Rows,
    /// What no engine does so far.
    More,
}

const fn need(type_: RuleType) -> Need {
    match type_ {
        RuleType::ColumnCount
        | RuleType::ColumnDataType
        | RuleType::ColumnNamesMatchPattern
        | RuleType::ColumnExists
        | RuleType::SchemaMatch
        | RuleType::FileFreshness
        | RuleType::FileSize => Need::Catalog,
        RuleType::RowCount
        | RuleType::Completeness
        | RuleType::IsComplete
        | RuleType::ColumnCorrelation
        | RuleType::Uniqueness
        | RuleType::IsUnique
        | RuleType::Mean
        | RuleType::Sum
        | RuleType::StandardDeviation
        | RuleType::Variance
        | RuleType::Entropy
        | RuleType::DistinctValuesCount
        | RuleType::UniqueValueRatio
        | RuleType::ColumnLength
        | RuleType::IsPrimaryKey
        | RuleType::ColumnValues
        | RuleType::AllStatistics
        | RuleType::DataFreshness => Need::Rows,
        RuleType::RowCountMatch
        | RuleType::CustomSql
        | RuleType::ReferentialIntegrity
        | RuleType::DatasetMatch
        | RuleType::AggregateMatch
        | RuleType::DetectAnomalies
        | RuleType::FileMatch
        | RuleType::FileUniqueness => Need::More,
    }
}

/// By the definition, a column is of a type or not: there are no rows of which a part could count.
const fn need_of(rule: &Rule) -> Need {
    match need(rule.type_) {
        Need::Catalog
            if matches!(rule.type_, RuleType::ColumnDataType)
                && (rule.filter.is_some() || rule.threshold.is_some()) =>
        {
            Need::Rows
        }
        need => need,
    }
}

impl Engine {
    /// Its name in `spec.engine`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CatalogOnly => "CatalogOnly",
            Self::Athena => "Athena",
        }
    }

    /// Whether a rule needs the rows.
    #[must_use]
    pub const fn needs_rows(rule: &Rule) -> bool {
        matches!(need_of(rule), Need::Rows)
    }

    /// Why it cannot evaluate a rule, and who can; none if it can.
    #[must_use]
    pub fn refusal(self, rule: &Rule) -> Option<String> {
        let name = rule.type_.name();
        match (need_of(rule), self) {
            (Need::Catalog, _) | (Need::Rows, Self::Athena) => None,
            // The metadata file of an Iceberg table tells how many there are in all.
            (Need::Rows, Self::CatalogOnly)
                if rule.type_ == RuleType::RowCount && rule.filter.is_none() && rule.threshold.is_none() =>
            {
                None
            }
            (Need::Rows, Self::CatalogOnly) => Some(format!(
                "'{name}' needs the rows, which the engine CatalogOnly does not read; the engine Athena can evaluate it"
            )),
            (Need::More, _) if rule.type_ == RuleType::CustomSql => Some(
                "'CustomSql' is not evaluated: its query would run with this installation's credentials and could read any table \
                 that they can; say it by other rules with `where`; Glue Data Quality itself can"
                    .to_owned(),
            ),
            (Need::More, _) => {
                Some(format!("no engine of this version can evaluate '{name}'; Glue Data Quality itself can"))
            }
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
