//! Columns as statements name them: only those that were seen, and what can be done with their types.

use crate::hive_type::HiveType;
use crate::quality_check::facts::SeenColumn;

/// What values of a type are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers and decimals.
    Exact,
    /// Numbers that may be NaN.
    Float,
    /// Texts.
    Text,
    /// Days.
    Date,
    /// Moments.
    Timestamp,
    /// True or false.
    Boolean,
    /// Bytes.
    Binary,
}

impl Kind {
    fn of(type_: &str) -> Result<Self, String> {
        let HiveType::Primitive(name) = HiveType::parse(type_)? else {
            return Err("is nested, and rules are about columns with single values".to_owned());
        };
        Ok(match name.split('(').next().unwrap_or_default() {
            "tinyint" | "smallint" | "int" | "bigint" | "decimal" => Self::Exact,
            "float" | "double" => Self::Float,
            "string" | "varchar" | "char" => Self::Text,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            "boolean" => Self::Boolean,
            _ => Self::Binary,
        })
    }

    pub(super) const fn is_number(self) -> bool {
        matches!(self, Self::Exact | Self::Float)
    }
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name as an identifier in quotes.
    pub(super) sql: String,
    /// Its Hive type.
    pub(super) type_: String,
    /// What its values are.
    pub(super) kind: Kind,
}

/// An identifier in quotes.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The column of that name, in whatever case. The statement names it as it was seen, and never as a rule wrote it.
pub(super) fn find(columns: &[SeenColumn], name: &str) -> Result<Column, String> {
    let Some(column) = columns.iter().find(|column| column.name.to_lowercase() == name.to_lowercase()) else {
        return Err(format!("there is no column '{name}'"));
    };
    let kind =
        Kind::of(&column.type_).map_err(|why| format!("column '{name}' of type {} {why}", column.type_))?;
    Ok(Column { sql: identifier(&column.name), type_: column.type_.clone(), kind })
}
