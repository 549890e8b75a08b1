//! The columns that the work of a run says its data has, compared with those that the run's table declares.

use super::desired::TargetTable;
use super::result::SaidColumn;
use crate::hive_type;
use crate::quality_check::Known;

/// So many columns that differ are named.
const NAMED: usize = 20;

/// How the columns of the data differ from those of its table, and what to declare; none if nobody would miss anything, or the table declares
/// none.
#[must_use]
pub fn difference(said: &[SaidColumn], table: &TargetTable) -> Option<String> {
    let (Known::Is(columns), true) = (&table.columns, table.is_declared) else { return None };
    let same_name = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let is_key = |name: &str| table.keys.iter().any(|key| same_name(key, name));
    let declared = || columns.iter().filter(|column| !is_key(&column.name));
    let (mut differ, mut fitting) = (Vec::new(), Vec::new());
    for SaidColumn { name, type_ } in said.iter().filter(|column| !is_key(&column.name)) {
        match declared().find(|column| same_name(&column.name, name)) {
            Some(column) if hive_type::same(&column.type_, type_) => continue,
            Some(column) => differ.push(format!("'{name}' is {type_}, and declared as {}", column.type_)),
            None => differ.push(format!("'{name}' ({type_}) is not declared")),
        }
        fitting.push(format!("{{name: {name}, type: {type_}}}"));
    }
    for column in declared().filter(|column| !said.iter().any(|said| same_name(&said.name, &column.name))) {
        differ.push(format!("'{}' is declared, and not brought", column.name));
    }
    if differ.is_empty() {
        return None;
    }
    let more = |all: &[String]| match all.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{}, and {more} more", all[..NAMED].join(", ")),
        _ => all.join(", "),
    };
    let change = if fitting.is_empty() {
        "take what is not brought any more off `spec.schema.columns`, if it does not come back".to_owned()
    } else {
        format!("what would fit in `spec.schema.columns`: {}", more(&fitting))
    };
    Some(format!("{}; {change}", more(&differ)))
}
