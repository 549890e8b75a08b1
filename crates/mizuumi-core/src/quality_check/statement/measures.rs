//! What a statement measures, each thing once: aggregates of all rows, and of how often values come.
//!
//! All of it is one scan. How often values come takes `GROUPING SETS`, which reads the rows once for all of them, where a query
//! with a common table expression would read them as often as it is named.

use std::fmt::Write as _;

use super::column::Column;

/// Where a number stands in the answer.
pub(super) type Place = usize;

/// So many columns may be grouped by together: Trino's `grouping` has 31 bits, and one is kept free.
const MOST_KEYS: usize = 30;

/// Values, or combinations of values, that are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    columns: Vec<String>,
    filter: Option<String>,
}

/// What is measured of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// How many values there are.
    Distinct,
    /// How many come once.
    Unique,
    /// How many rows have a value.
    Rows,
    /// The sum over all values of `n ln n`, where `n` is how often a value comes.
    Logs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Measure {
    Aggregate(String),
    OfSet(usize, Of),
}

/// All that is measured.
#[derive(Debug, Default)]
pub(super) struct Measures {
    all: Vec<Measure>,
    sets: Vec<Set>,
}

fn position<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    if let Some(at) = all.iter().position(|other| *other == one) {
        return at;
    }
    all.push(one);
    all.len() - 1
}

impl Measures {
    /// An aggregate of the rows that pass a filter.
    pub(super) fn aggregate(&mut self, sql: &str, filter: Option<&str>) -> Place {
        let sql = match filter {
            Some(filter) => format!("{sql} FILTER (WHERE {filter})"),
            None => sql.to_owned(),
        };
        position(&mut self.all, Measure::Aggregate(sql))
    }

    /// What is measured of the values of columns, in the rows that pass a filter and have one.
    pub(super) fn of(&mut self, of: Of, columns: &[Column], filter: Option<&str>) -> Place {
        let columns = columns.iter().map(|column| column.sql.clone()).collect();
        let set = position(&mut self.sets, Set { columns, filter: filter.map(str::to_owned) });
        position(&mut self.all, Measure::OfSet(set, of))
    }

    /// How many numbers the answer has.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The statement; none if nothing is measured.
    pub(super) fn statement(&self, from: &str) -> Result<Option<String>, String> {
        if self.all.is_empty() {
            return Ok(None);
        }
        let counts = |measure: &Measure| matches!(measure, Measure::OfSet(_, Of::Unique | Of::Logs));
        if self.all.iter().any(counts) { self.grouped(from).map(Some) } else { Ok(Some(self.plain(from))) }
    }

    /// Without a group: values that are only told apart are counted as they come.
    fn plain(&self, from: &str) -> String {
        let one = |measure: &Measure| match measure {
            Measure::Aggregate(sql) => sql.clone(),
            Measure::OfSet(set, of) => {
                let Set { columns, filter } = &self.sets[*set];
                let some = columns.iter().map(|column| format!("{column} IS NOT NULL"));
                let some = some.collect::<Vec<_>>().join(" OR ");
                let condition = match filter {
                    Some(filter) => format!("({some}) AND ({filter})"),
                    None => some,
                };
                let what = match (of, columns.as_slice()) {
                    (Of::Distinct, [one]) => format!("count(DISTINCT {one})"),
                    (Of::Distinct, several) => format!("count(DISTINCT ROW({}))", several.join(", ")),
                    _ => "count(*)".to_owned(),
                };
                format!("{what} FILTER (WHERE {condition})")
            }
        };
        let mut sql = "SELECT".to_owned();
        for (place, measure) in self.all.iter().enumerate() {
            let _ = write!(sql, "{}\n  {} AS m{place}", if place == 0 { "" } else { "," }, one(measure));
        }
        sql + "\n" + from
    }

    fn grouped(&self, from: &str) -> Result<String, String> {
        let mut keys: Vec<&String> = Vec::new();
        for column in self.sets.iter().flat_map(|set| &set.columns) {
            position(&mut keys, column);
        }
        if keys.len() > MOST_KEYS {
            return Err(format!(
                "rules about how often values come are about {} columns, and one statement counts those of {MOST_KEYS}; \
                 make several checks",
                keys.len()
            ));
        }
        let key_of = |column: &String| keys.iter().position(|key| *key == column).unwrap_or_default();
        // A column that is not grouped by has its bit set, the first column the highest.
        let group = |columns: &[String]| -> u64 {
            let all = keys.iter().enumerate().filter(|(_, key)| !columns.contains(**key));
            all.map(|(at, _)| 1_u64 << (keys.len() - 1 - at)).sum()
        };
        let mut groupings: Vec<Vec<String>> = vec![Vec::new()];
        for set in &self.sets {
            // Two orders of the same columns are one grouping.
            let mut columns = set.columns.clone();
            columns.sort();
            position(&mut groupings, columns);
        }
        let mut filters: Vec<Option<&String>> = Vec::new();
        let mut outer = Vec::new();
        let mut inner = vec![format!(
            "grouping({}) AS g",
            keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
        )];
        for (place, measure) in self.all.iter().enumerate() {
            let sql = match measure {
                Measure::Aggregate(sql) => {
                    inner.push(format!("{sql} AS a{place}"));
                    format!("max(a{place}) FILTER (WHERE g = {})", group(&[]))
                }
                Measure::OfSet(set, of) => {
                    let Set { columns, filter } = &self.sets[*set];
                    let count = position(&mut filters, filter.as_ref());
                    let some = columns.iter().map(|column| format!("k{} IS NOT NULL", key_of(column)));
                    let some = some.collect::<Vec<_>>().join(" OR ");
                    let condition = format!("g = {} AND n{count} > 0 AND ({some})", group(columns));
                    match of {
                        Of::Distinct => format!("count(*) FILTER (WHERE {condition})"),
                        Of::Unique => format!("count(*) FILTER (WHERE {condition} AND n{count} = 1)"),
                        Of::Rows => format!("sum(n{count}) FILTER (WHERE {condition})"),
                        Of::Logs => format!(
                            "sum(CAST(n{count} AS double) * ln(CAST(n{count} AS double))) FILTER (WHERE {condition})"
                        ),
                    }
                }
            };
            outer.push(format!("{sql} AS m{place}"));
        }
        for (count, filter) in filters.iter().enumerate() {
            inner.push(match filter {
                Some(filter) => format!("count(*) FILTER (WHERE {filter}) AS n{count}"),
                None => format!("count(*) AS n{count}"),
            });
        }
        inner.extend(keys.iter().enumerate().map(|(at, key)| format!("{key} AS k{at}")));
        let groupings: Vec<String> =
            groupings.iter().map(|columns| format!("({})", columns.join(", "))).collect();
        Ok(format!(
            "SELECT\n  {}\nFROM (\n  SELECT\n    {}\n  {}\n  GROUP BY GROUPING SETS ({})\n) counted",
            outer.join(",\n  "),
            inner.join(",\n    "),
            from.replace('\n', "\n  "),
            groupings.join(", ")
        ))
    }
}
