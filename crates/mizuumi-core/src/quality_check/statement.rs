//! All rules of a check that need rows, as one statement of Athena's SQL; and how each rule's metric follows from its answer.

mod analyses;
mod column;
mod filter;
mod literal;
mod measures;
mod sample;
mod values;

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub(super) use self::analyses::analyses;
use self::column::{Column, Kind, find, identifier};
use self::measures::{Measures, Of, Place};
pub use self::sample::sample;
use super::facts::{Known, SeenColumn, SeenScope};
use super::rules::Rules;
use crate::dqdl::condition::{Comparison, Condition, Duration, Test, Text};
use crate::dqdl::{Engine, Rule, RuleType};
use crate::publication::hexadecimal;

/// A statement of Athena has at most so many bytes.
const LONGEST: usize = 262_144;
/// The value of a partition that has none.
const NO_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The rules as one statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statement {
    /// The statement; none if no rule can be asked for.
    pub sql: Option<String>,
    /// How many numbers its answer has.
    pub numbers: usize,
    /// By the text of a rule, what its metric is made of; or why the rule cannot be asked for.
    pub(super) formulas: BTreeMap<String, Result<Formula, String>>,
}

/// What a rule's metric is made of, by places in the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Formula {
    /// A number as it stands there.
    Number(Place),
    /// How many rows there are.
    Count(Place),
    /// Rows that pass, of all.
    Part(Place, Place),
    /// One number of another: values that come once of those that there are, and the like.
    Ratio(Place, Place),
    /// Different values, rows that have some, all rows: unique if the first two are the same, a key if all three are.
    Unique {
        /// How many different values there are.
        distinct: Place,
        /// How many rows have one.
        rows: Place,
        /// How many rows there are, for a key; and of how many of them every part is there.
        all: Option<(Place, Place)>,
    },
    /// From one number to another: the least and the greatest of the values, or of their lengths.
    Span(Place, Place),
    /// `ln rows - logs / rows`.
    Entropy(Place, Place),
}

impl Statement {
    /// The statement for the rules over a table's columns and rows, at a time.
    ///
    /// Nothing of it is copied from a rule: names are those of the columns as they were seen, values are written anew.
    #[must_use]
    pub fn new(
        rules: &Rules,
        columns: &Known<Vec<SeenColumn>>,
        scope: &Known<SeenScope>,
        now: Timestamp,
    ) -> Self {
        let analyses: Vec<Rule> =
            analyses(&rules.analyzers, columns).into_iter().filter_map(|(_, rule)| rule.ok()).collect();
        let needed: Vec<&Rule> =
            rules.leaves().chain(&analyses).filter(|rule| Engine::needs_rows(rule)).collect();
        let all = |why: String| {
            let formulas = needed.iter().map(|rule| (rule.to_string(), Err(why.clone())));
            Self { formulas: formulas.collect(), ..Self::default() }
        };
        let (columns, scope) = match (columns.get(), scope.get()) {
            (Ok(columns), Ok(scope)) => (columns, scope),
            (Err(why), _) | (_, Err(why)) => return all(why),
        };
        let from = match from(scope) {
            Ok(from) => from,
            Err(why) => return all(why),
        };
        let mut measures = Measures::default();
        let one = |rule: &&Rule| (rule.to_string(), formula(rule, columns, &mut measures, now));
        let formulas = needed.iter().map(one).collect();
        match measures.statement(&from) {
            Ok(Some(sql)) if sql.len() > LONGEST => {
                all(format!("the statement would have more than {LONGEST} bytes; make several checks"))
            }
            Ok(sql) => Self { sql, numbers: measures.len(), formulas },
            Err(why) => all(why),
        }
    }

    /// A digest of it.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(self.sql.as_deref().unwrap_or_default())
    }
}

/// A digest of a statement.
#[must_use]
pub fn digest(sql: &str) -> String {
    hexadecimal(&Sha256::digest(sql.as_bytes())).chars().take(32).collect()
}

fn from(scope: &SeenScope) -> Result<String, String> {
    let table = format!("FROM {}.{}", identifier(&scope.database), identifier(&scope.table));
    let mut conditions = Vec::new();
    for (key, value) in &scope.partition {
        let column = find(std::slice::from_ref(key), &key.name)?;
        conditions.push(if value == NO_VALUE {
            format!("{} IS NULL", column.sql)
        } else {
            match (column.kind, literal::digits(value), value.parse().ok()) {
                (Kind::Exact, Some(number), _) => format!("{} = {number}", column.sql),
                (Kind::Date, _, Some(day)) => format!("{} = {}", column.sql, literal::day(day)),
                (Kind::Text, ..) => format!("{} = {}", column.sql, literal::text(value)),
                _ => format!("CAST({} AS varchar) = {}", column.sql, literal::text(value)),
            }
        });
    }
    if conditions.is_empty() { Ok(table) } else { Ok(format!("{table}\nWHERE {}", conditions.join(" AND "))) }
}

fn formula(
    rule: &Rule,
    columns: &[SeenColumn],
    measures: &mut Measures,
    now: Timestamp,
) -> Result<Formula, String> {
    let filter = rule.filter.as_deref().map(|text| filter::compile(text, columns)).transpose()?;
    let filter = filter.as_deref();
    let named = rule.parameters.iter().map(|of| find(columns, of.text()));
    let named = named.collect::<Result<Vec<Column>, String>>()?;
    let rows = |measures: &mut Measures| measures.aggregate("count(*)", filter);
    if rule.type_ == RuleType::RowCount {
        return Ok(Formula::Count(rows(measures)));
    }
    let column = named.first().ok_or_else(|| "it names no column".to_owned())?;
    if let (None, Some(value)) = (&rule.condition, spanned(rule.type_, column)) {
        let value = value?;
        let least = measures.aggregate(&format!("min({value})"), filter);
        return Ok(Formula::Span(least, measures.aggregate(&format!("max({value})"), filter)));
    }
    if let Some(passes) = passes(rule, column, now) {
        let (passes, all) = (with(&passes?, filter), filter);
        let part = measures.aggregate("count(*)", Some(&passes));
        return Ok(Formula::Part(part, measures.aggregate("count(*)", all)));
    }
    Ok(match rule.type_ {
        RuleType::Uniqueness => {
            Formula::Ratio(measures.of(Of::Unique, &named, filter), measures.of(Of::Rows, &named, filter))
        }
        RuleType::UniqueValueRatio => {
            Formula::Ratio(measures.of(Of::Unique, &named, filter), measures.of(Of::Distinct, &named, filter))
        }
        RuleType::DistinctValuesCount => Formula::Count(measures.of(Of::Distinct, &named, filter)),
        RuleType::Entropy => {
            Formula::Entropy(measures.of(Of::Rows, &named, filter), measures.of(Of::Logs, &named, filter))
        }
        RuleType::IsUnique | RuleType::IsPrimaryKey => {
            let all = (rule.type_ == RuleType::IsPrimaryKey).then(|| {
                let whole = measures.aggregate("count(*)", Some(&with(&is_whole(&named), filter)));
                (measures.aggregate("count(*)", filter), whole)
            });
            let distinct = measures.of(Of::Distinct, &named, filter);
            Formula::Unique { distinct, rows: measures.of(Of::Rows, &named, filter), all }
        }
        RuleType::Sum => Formula::Number(measures.aggregate(&format!("sum({})", double(column)?), filter)),
        RuleType::Mean => Formula::Number(measures.aggregate(&format!("avg({})", double(column)?), filter)),
        // Deequ, which Glue evaluates with, takes the population's.
        RuleType::StandardDeviation => {
            Formula::Number(measures.aggregate(&format!("stddev_pop({})", double(column)?), filter))
        }
        RuleType::Variance => {
            Formula::Number(measures.aggregate(&format!("var_pop({})", double(column)?), filter))
        }
        RuleType::ColumnCorrelation => {
            let [one, other] = named.as_slice() else { return Err("it is about two columns".to_owned()) };
            let sql = format!("corr({}, {})", double(one)?, double(other)?);
            Formula::Number(measures.aggregate(&sql, filter))
        }
        other => return Err(format!("the engine Athena does not evaluate {}", other.name())),
    })
}

/// A condition and a filter together.
fn with(condition: &str, filter: Option<&str>) -> String {
    match filter {
        Some(filter) => format!("{condition} AND {filter}"),
        None => condition.to_owned(),
    }
}

/// A key has a value in each column.
fn is_whole(columns: &[Column]) -> String {
    let whole: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", column.sql)).collect();
    whole.join(" AND ")
}

/// What an analyzer tells the least and the greatest of.
fn spanned(type_: RuleType, column: &Column) -> Option<Result<String, String>> {
    match (type_, column.kind) {
        (RuleType::ColumnValues, _) => Some(double(column)),
        (RuleType::ColumnLength, Kind::Text) => Some(Ok(format!("length({})", column.sql))),
        (RuleType::ColumnLength, _) => {
            Some(Err(format!("column {} is of type {}, which has no length", column.sql, column.type_)))
        }
        _ => None,
    }
}

/// The condition that a row passes, of rules about each row by itself.
fn passes(rule: &Rule, column: &Column, now: Timestamp) -> Option<Result<String, String>> {
    let condition = || rule.condition.as_ref().ok_or_else(|| "it has no condition".to_owned());
    Some(match rule.type_ {
        RuleType::Completeness | RuleType::IsComplete => Ok(format!("{} IS NOT NULL", column.sql)),
        RuleType::ColumnValues => condition().and_then(|condition| values::of(column, condition, now)),
        RuleType::ColumnLength => condition().and_then(|condition| length(column, condition)),
        RuleType::ColumnDataType => condition()
            .and_then(|condition| of_type(column, condition))
            .map(|passes| format!("({} IS NULL OR {passes})", column.sql)),
        RuleType::DataFreshness => condition().and_then(|condition| freshness(column, condition, now)),
        _ => return None,
    })
}

fn length(column: &Column, condition: &Condition) -> Result<String, String> {
    let (Kind::Text, Condition::Number(test)) = (column.kind, condition) else {
        return Err(format!("column {} is of type {}, which has no length", column.sql, column.type_));
    };
    // As in Glue, NULL has the length 0.
    values::numbers(&format!("COALESCE(length({}), 0)", column.sql), false, test)
}

fn double(column: &Column) -> Result<String, String> {
    if column.kind.is_number() {
        return Ok(format!("CAST({} AS double)", column.sql));
    }
    Err(format!("column {} is of type {}, and it takes numbers", column.sql, column.type_))
}

/// Whether what a value says can be read as a value of the type.
fn of_type(column: &Column, condition: &Condition) -> Result<String, String> {
    let one = |text: &Text| {
        let Text::Quoted(name) = text else { return Err("a type is named by a text".to_owned()) };
        let type_ = match name.to_ascii_lowercase().as_str() {
            "boolean" => "boolean",
            "date" => "date",
            "timestamp" => "timestamp",
            "integer" | "int" => "integer",
            "long" | "bigint" => "bigint",
            "float" | "double" | "decimal" => "double",
            "string" => return Ok("TRUE".to_owned()),
            _ => return Err(format!("'{name}' is no type that values are read as")),
        };
        Ok(format!("TRY_CAST(CAST({} AS varchar) AS {type_}) IS NOT NULL", column.sql))
    };
    if column.kind == Kind::Binary {
        return Err(format!("column {} has bytes, which are read as nothing else", column.sql));
    }
    let (not, all) = match condition {
        Condition::Text(Test::Is(Comparison::Equal, text)) => (false, vec![one(text)?]),
        Condition::Text(Test::Is(_, text)) => (true, vec![one(text)?]),
        Condition::Text(Test::In { not, values }) => {
            (*not, values.iter().map(one).collect::<Result<_, _>>()?)
        }
        _ => return Err("types of values are named, and not matched".to_owned()),
    };
    let any = format!("({})", all.join(" OR "));
    Ok(if not { format!("(NOT {any})") } else { any })
}

/// How old values are. NULL is of no age.
fn freshness(column: &Column, condition: &Condition, now: Timestamp) -> Result<String, String> {
    let Condition::Duration(test) = condition else {
        return Err("it has no condition of a length of time".to_owned());
    };
    let value = match column.kind {
        Kind::Timestamp => column.sql.clone(),
        Kind::Date => format!("CAST({} AS timestamp)", column.sql),
        Kind::Text => format!("TRY_CAST({} AS timestamp)", column.sql),
        _ => return Err(format!("column {} is of type {}, which is no time", column.sql, column.type_)),
    };
    // A value is at most so old if it is not before the moment that long ago.
    let ago = |duration: &Duration| {
        let at = now.checked_sub(jiff::SignedDuration::from_secs(duration.seconds()));
        at.map(literal::moment).map_err(|_| "is before the beginning of time".to_owned())
    };
    let sql = match test {
        Test::Is(comparison, duration) => {
            let sign = match comparison {
                Comparison::Equal => "=",
                Comparison::NotEqual => "<>",
                Comparison::Greater => "<",
                Comparison::GreaterOrEqual => "<=",
                Comparison::Less => ">",
                Comparison::LessOrEqual => ">=",
            };
            format!("{value} {sign} {}", ago(duration)?)
        }
        Test::Between { not, low, high } => {
            let within = format!("{value} < {} AND {value} > {}", ago(low)?, ago(high)?);
            if *not { format!("NOT ({within})") } else { within }
        }
        Test::In { not, values } => {
            let all = values.iter().map(ago).collect::<Result<Vec<_>, _>>()?;
            format!("{value} {}IN ({})", if *not { "NOT " } else { "" }, all.join(", "))
        }
    };
    Ok(format!("COALESCE({sql}, FALSE)"))
}
