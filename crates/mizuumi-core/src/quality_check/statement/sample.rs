//! Statements that pick rows that a rule does not let pass, for whoever asks to see some.

use jiff::Timestamp;

use super::column::{Column, find};
use super::{filter, from, is_whole, passes};
use crate::dqdl::{Rule, RuleType};
use crate::quality_check::facts::{Known, SeenColumn, SeenScope};

/// The statement that picks so many rows at most that keep a rule from passing. Like the statement for all rules, it says nothing that
/// is copied from the rule.
///
/// # Errors
/// If no single rows do.
pub fn sample(
    rule: &Rule,
    columns: &Known<Vec<SeenColumn>>,
    scope: &Known<SeenScope>,
    now: Timestamp,
    most: u16,
) -> Result<String, String> {
    let (columns, scope) = (columns.get()?, scope.get()?);
    let rows = from(scope)?;
    let filter = rule.filter.as_deref().map(|text| filter::compile(text, columns)).transpose()?;
    let named = rule.parameters.iter().map(|of| find(columns, of.text()));
    let named = named.collect::<Result<Vec<Column>, String>>()?;
    let narrowed = |condition: &str| {
        let joint = if scope.partition.is_empty() { "\nWHERE" } else { " AND" };
        let all = filter.iter().cloned().chain([format!("({condition})")]);
        format!("{rows}{joint} {}", all.collect::<Vec<_>>().join(" AND "))
    };
    let by_itself = named.first().and_then(|column| passes(rule, column, now));
    if let Some(passes) = by_itself {
        return Ok(format!("SELECT *\n{}\nLIMIT {most}", narrowed(&format!("NOT ({})", passes?))));
    }
    let several = match rule.type_ {
        RuleType::IsPrimaryKey => format!("mizuumi_times > 1 OR NOT ({})", is_whole(&named)),
        RuleType::IsUnique | RuleType::Uniqueness | RuleType::UniqueValueRatio => {
            "mizuumi_times > 1".to_owned()
        }
        other => return Err(format!("{} is about all rows together", other.name())),
    };
    let by = named.iter().map(|column| column.sql.as_str()).collect::<Vec<_>>().join(", ");
    let some =
        named.iter().map(|column| format!("{} IS NOT NULL", column.sql)).collect::<Vec<_>>().join(" OR ");
    let of = if rule.type_ == RuleType::IsPrimaryKey { "TRUE" } else { &some };
    Ok(format!(
        "SELECT *\nFROM (\n  SELECT *, count(*) OVER (PARTITION BY {by}) AS mizuumi_times\n  {}\n) counted\nWHERE {several}\nLIMIT {most}",
        narrowed(of).replace('\n', "\n  ")
    ))
}
