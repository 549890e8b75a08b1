//! Which values pass: conditions of rules as conditions of SQL, which are never NULL.
//!
//! As in Glue, NULL passes `!=` and `not in`, unless NULL is what they name, and nothing else. NaN equals nothing and is neither
//! above nor below anything, which every engine is told so: DuckDB, Spark and Trino would each say something else.

use jiff::{Timestamp, civil};

use super::column::{Column, Kind};
use super::literal;
use crate::dqdl::condition::{Arithmetic, Comparison, Condition, Date, Number, Test, Text};
use crate::quality_check::number::{is_dynamic, reckoned};
use crate::quality_check::rules::pattern_of;

/// The condition that a value passes.
pub(super) fn of(column: &Column, condition: &Condition, now: Timestamp) -> Result<String, String> {
    match condition {
        Condition::Number(test) => {
            let value = match column.kind {
                kind if kind.is_number() => column.sql.clone(),
                Kind::Text => format!("TRY_CAST({} AS double)", column.sql),
                _ => return Err(unsuited(column, "numbers")),
            };
            let may_be_nan = matches!(column.kind, Kind::Float | Kind::Text);
            numbers(&value, may_be_nan, test)
        }
        Condition::Text(test) => texts(column, test),
        Condition::Matches { not, pattern } => {
            pattern_of(pattern)?;
            let Kind::Text = column.kind else { return Err(unsuited(column, "a pattern")) };
            let found =
                format!("regexp_like({}, {})", column.sql, literal::text(&format!("^(?:{pattern})$")));
            Ok(never_null(&if *not { format!("NOT {found}") } else { found }))
        }
        Condition::Date(test) => dates(column, test, now),
        Condition::Duration(_) | Condition::Size(_) => {
            Err("values are not compared with such a condition".to_owned())
        }
    }
}

fn unsuited(column: &Column, with: &str) -> String {
    format!("column {} is of type {}, which is not compared with {with}", column.sql, column.type_)
}

fn never_null(sql: &str) -> String {
    format!("COALESCE({sql}, FALSE)")
}

/// The literal of a number; none is NULL.
fn number(number: &Number) -> Result<Option<String>, String> {
    match number {
        Number::Null => Ok(None),
        number if is_dynamic(number) => {
            Err("each value is compared with fixed numbers; `last` is for rules that measure one number"
                .to_owned())
        }
        Number::Literal(digits) if literal::digits(digits).is_some() => Ok(literal::digits(digits)),
        number => reckoned(number, &[]).map(literal::number).map(Some),
    }
}

/// The condition that a number passes.
pub(super) fn numbers(value: &str, may_be_nan: bool, test: &Test<Number>) -> Result<String, String> {
    let test = test.try_map(number)?;
    let compared = compared(value, &test)?;
    if !may_be_nan {
        return Ok(compared);
    }
    // What lets NULL pass lets NaN pass.
    let passes = matches!(&test, Test::Is(Comparison::NotEqual, _) | Test::In { not: true, .. });
    let is_nan = format!("COALESCE(is_nan({value}), FALSE)");
    Ok(if passes { format!("({is_nan} OR {compared})") } else { format!("(NOT {is_nan} AND {compared})") })
}

/// A comparison with literals, of which none is NULL.
fn compared(value: &str, test: &Test<Option<String>>) -> Result<String, String> {
    let is_null = format!("{value} IS NULL");
    Ok(match test {
        Test::Is(Comparison::Equal, None) => is_null,
        Test::Is(Comparison::NotEqual, None) => format!("{value} IS NOT NULL"),
        Test::Is(Comparison::NotEqual, Some(other)) => format!("({is_null} OR {value} <> {other})"),
        Test::Is(comparison, Some(other)) => never_null(&format!("{value} {} {other}", comparison.symbol())),
        Test::Between { not, low: Some(low), high: Some(high) } => {
            let within = format!("{value} > {low} AND {value} < {high}");
            never_null(&if *not { format!("NOT ({within})") } else { within })
        }
        Test::In { not, values } => {
            let some: Vec<&str> = values.iter().flatten().map(String::as_str).collect();
            among(value, *not, &some, values.contains(&None))
        }
        Test::Is(..) | Test::Between { .. } => return Err("nothing is above or below NULL".to_owned()),
    })
}

fn among(value: &str, not: bool, some: &[&str], with_null: bool) -> String {
    let listed =
        if some.is_empty() { "FALSE".to_owned() } else { format!("{value} IN ({})", some.join(", ")) };
    let found = never_null(&listed);
    let found = if with_null { format!("({found} OR {value} IS NULL)") } else { found };
    if not { format!("(NOT {found})") } else { found }
}

fn texts(column: &Column, test: &Test<Text>) -> Result<String, String> {
    if matches!(column.kind, Kind::Date | Kind::Timestamp) {
        let day = |of: &Text| match of {
            Text::Quoted(said) => {
                said.parse().map(|day: civil::Date| Some(literal::day(day))).map_err(|_| {
                    format!(
                        "column {} is of type {}, and '{said}' is no day such as 2026-01-31",
                        column.sql, column.type_
                    )
                })
            }
            Text::Null => Ok(None),
            _ => Err(unsuited(column, "texts")),
        };
        return compared(&format!("CAST({} AS date)", column.sql), &test.try_map(day)?);
    }
    let value = match column.kind {
        Kind::Text => column.sql.clone(),
        Kind::Binary => return Err(unsuited(column, "texts")),
        _ => format!("CAST({} AS varchar)", column.sql),
    };
    let (not, values) = match test {
        Test::Is(Comparison::Equal, one) => (false, vec![one]),
        Test::Is(Comparison::NotEqual, one) => (true, vec![one]),
        Test::In { not, values } => (*not, values.iter().collect()),
        _ => return Err("texts are equal or not, and neither above nor below each other".to_owned()),
    };
    let quoted: Vec<String> = values
        .iter()
        .filter_map(|of| match of {
            Text::Quoted(said) => Some(literal::text(said)),
            Text::Empty => Some("''".to_owned()),
            _ => None,
        })
        .collect();
    let quoted: Vec<&str> = quoted.iter().map(String::as_str).collect();
    if values.iter().any(|text| matches!(text, Text::Variable(_))) {
        return Err("a variable was not resolved".to_owned());
    }
    let found = among(&value, false, &quoted, values.contains(&&Text::Null));
    let found = if values.contains(&&Text::Blank) {
        let blank = never_null(&format!("length({value}) > 0 AND length(trim({value})) = 0"));
        format!("({found} OR {blank})")
    } else {
        found
    };
    Ok(if not { format!("(NOT {found})") } else { found })
}

/// Days are compared as days, and moments that are reckoned from now to the second where the column has such.
fn dates(column: &Column, test: &Test<Date>, now: Timestamp) -> Result<String, String> {
    let to_the_second = column.kind == Kind::Timestamp
        && test.operands().iter().all(|date| matches!(date, Date::Now(_) | Date::Null));
    let value = match column.kind {
        Kind::Timestamp if to_the_second => column.sql.clone(),
        Kind::Date => column.sql.clone(),
        Kind::Timestamp => format!("CAST({} AS date)", column.sql),
        Kind::Text => format!("TRY_CAST({} AS date)", column.sql),
        _ => return Err(unsuited(column, "days")),
    };
    let one = |date: &Date| match date {
        Date::Null => Ok(None),
        Date::Day(day) => Ok(Some(literal::day(*day))),
        Date::Clock(_) => Err("values are compared with days, and not with times of a day".to_owned()),
        Date::Now(offset) => {
            let length = offset.map_or(0, |(sign, duration)| match sign {
                Arithmetic::Minus => -duration.seconds(),
                _ => duration.seconds(),
            });
            let at = now.checked_add(jiff::SignedDuration::from_secs(length));
            let at = at.map_err(|_| "is beyond the end of time".to_owned())?;
            let day = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            Ok(Some(if to_the_second { literal::moment(at) } else { literal::day(day) }))
        }
    };
    compared(&value, &test.try_map(one)?)
}
