//! Partition projection: what the spec says of it, checked, as the table parameters that Athena reads.
//!
//! The rules are those of the Athena user guide, "Partition projection", and of Trino's `hive` plugin, which Athena's engine
//! is made from: a table that breaks one of them cannot be queried at all.

mod date_format;

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_api::data_table::{ProjectedColumn, Projection, ProjectionRange, ProjectionType};

use super::definition::Column;
use crate::hive_type::HiveType;
use crate::problem::Problem;
use date_format::{DateFormat, Moment};

/// Whether a table parameter is one of those that projection is made of.
#[must_use]
pub fn is_parameter(key: &str) -> bool {
    key.starts_with("projection.") || key == TEMPLATE
}

const TEMPLATE: &str = "storage.location.template";
const PATH: &str = "spec.partitions.projection";

/// The table parameters; every problem is added to the list.
pub(super) fn parameters(
    projection: &Projection,
    keys: &[Column],
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("projection.enabled".to_owned(), "true".to_owned())]);
    let mut covered = BTreeSet::new();
    for (index, column) in projection.columns.iter().enumerate() {
        let path = format!("{PATH}.columns[{index}]");
        let name = column.name.to_lowercase();
        let Some(key) = keys.iter().find(|key| key.name.to_lowercase() == name) else {
            problems.push(Problem::invalid(
                format!("{path}.name"),
                format!("'{}' is not one of spec.partitionKeys", column.name),
            ));
            continue;
        };
        if !covered.insert(name.clone()) {
            problems.push(Problem::invalid(format!("{path}.name"), format!("'{name}' is there twice")));
        }
        let mut checked = Checked { column, path: &path, problems };
        checked.check(key);
        all.extend(
            of_column(column).into_iter().map(|(what, value)| (format!("projection.{name}.{what}"), value)),
        );
    }
    for (index, key) in keys.iter().enumerate() {
        if !covered.contains(&key.name.to_lowercase()) {
            problems.push(Problem::invalid(
                format!("{PATH}.columns"),
                format!(
                    "spec.partitionKeys[{index}] '{}' is not among them; Athena refuses a table unless all are",
                    key.name
                ),
            ));
        }
    }
    if let Some(template) = &projection.location_template {
        check_template(template, keys, problems);
        all.insert(TEMPLATE.to_owned(), template.clone());
    }
    all
}

fn of_column(column: &ProjectedColumn) -> Vec<(&'static str, String)> {
    let range = |range: &ProjectionRange| format!("{},{}", range.from, range.to);
    let optional = [
        ("values", column.values.as_ref().map(|values| values.join(","))),
        ("range", column.range.as_ref().map(range)),
        ("format", column.format.clone()),
        ("interval", column.interval.map(|interval| interval.to_string())),
        ("interval.unit", column.interval_unit.map(|unit| unit.name().to_owned())),
        ("digits", column.digits.map(|digits| digits.to_string())),
    ];
    let set = optional.into_iter().filter_map(|(what, value)| Some((what, value?)));
    std::iter::once(("type", column.type_.name().to_owned())).chain(set).collect()
}

struct Checked<'a> {
    column: &'a ProjectedColumn,
    path: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl Checked<'_> {
    fn problem(&mut self, at: &str, message: impl Into<String>) {
        self.problems.push(Problem::invalid(format!("{}.{at}", self.path), message));
    }

    fn check(&mut self, key: &Column) {
        self.check_type(key);
        match self.column.type_ {
            ProjectionType::Enum => self.check_values(),
            ProjectionType::Integer => self.check_integers(),
            ProjectionType::Date => self.check_dates(),
            ProjectionType::Injected => {}
        }
    }

    /// The types that Trino's projections take for a column.
    fn check_type(&mut self, key: &Column) {
        let Some(text) = key.type_.as_deref() else { return };
        let Ok(HiveType::Primitive(type_)) = HiveType::parse(text) else { return };
        let stem = type_.split('(').next().unwrap_or_default();
        let takes: &[&str] = match self.column.type_ {
            ProjectionType::Enum => &["string", "varchar", "char"],
            ProjectionType::Integer => &["string", "varchar", "char", "tinyint", "smallint", "int", "bigint"],
            ProjectionType::Date => &["string", "varchar", "char", "date", "timestamp"],
            ProjectionType::Injected => {
                &["string", "varchar", "char", "tinyint", "smallint", "int", "bigint", "date"]
            }
        };
        if !takes.contains(&stem) {
            let message = format!(
                "'{:?}' needs a partition key of one of the types {}; '{}' has the type '{text}'",
                self.column.type_,
                takes.join(", "),
                key.name
            );
            self.problem("type", message);
        }
    }

    fn check_values(&mut self) {
        let mut seen = BTreeSet::new();
        for (index, value) in self.column.values.iter().flatten().enumerate() {
            if value.contains(',') {
                self.problem(&format!("values[{index}]"), "must not contain ',': Athena reads a list by it");
            }
            if !seen.insert(value) {
                self.problem(&format!("values[{index}]"), format!("'{value}' is there twice"));
            }
        }
    }

    fn check_integers(&mut self) {
        let Some(range) = &self.column.range else { return };
        let mut read = |at: &str, text: &str| {
            text.parse::<i64>()
                .map_err(|_| self.problem(at, format!("must be an integer of 64 bits; it is '{text}'")))
                .ok()
        };
        let (from, to) = (read("range.from", &range.from), read("range.to", &range.to));
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            self.problem("range", format!("{from} is greater than {to}"));
        }
    }

    fn check_dates(&mut self) {
        let (Some(range), Some(pattern)) = (&self.column.range, &self.column.format) else { return };
        let format = DateFormat::new(pattern);
        if format.is_finer_than_a_day() && self.column.interval_unit.is_none() {
            self.problem(
                "intervalUnit",
                format!("must be set, as `format` '{pattern}' tells more than days"),
            );
        }
        let mut read = |at: &str, text: &str| {
            format.read(text).map_err(|message| self.problem(at, format!("'{text}' {message}"))).ok()
        };
        let (from, to) = (read("range.from", &range.from), read("range.to", &range.to));
        if let (Some(Moment::At(from)), Some(Moment::At(to))) = (from, to)
            && from > to
        {
            self.problem("range", format!("'{}' is after '{}'", range.from, range.to));
        }
    }
}

/// Every partition key has to be in the template, or two partitions would share a directory.
fn check_template(template: &str, keys: &[Column], problems: &mut Vec<Problem>) {
    let path = format!("{PATH}.locationTemplate");
    let mut named = BTreeSet::new();
    let mut rest = template;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            problems.push(Problem::invalid(path.as_str(), "has a '${' without '}'"));
            return;
        };
        named.insert(name.to_lowercase());
        rest = after;
    }
    let keys: BTreeSet<String> = keys.iter().map(|key| key.name.to_lowercase()).collect();
    for missing in keys.difference(&named) {
        problems.push(Problem::invalid(path.as_str(), format!("must contain '${{{missing}}}'")));
    }
    for other in named.difference(&keys) {
        problems.push(Problem::invalid(
            path.as_str(),
            format!("has '${{{other}}}', which is not one of spec.partitionKeys"),
        ));
    }
    if !template.ends_with('/') {
        problems.push(Problem::invalid(path.as_str(), "must end with '/'"));
    }
}

#[cfg(test)]
mod tests {
    use mizuumi_api::data_table::IntervalUnit;
    use serde_json::{Value, json};

    use super::*;

    fn keys(all: &[(&str, &str)]) -> Vec<Column> {
        let column = |(name, type_): &(&str, &str)| Column {
            name: (*name).to_owned(),
            type_: Some((*type_).to_owned()),
            ..Column::default()
        };
        all.iter().map(column).collect()
    }

    fn tried(projection: Value, keys: &[Column]) -> (BTreeMap<String, String>, Vec<String>) {
        let projection: Projection = serde_json::from_value(projection).expect("a projection");
        let mut problems = Vec::new();
        let parameters = parameters(&projection, keys, &mut problems);
        (parameters, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_type_becomes_the_parameters_that_athena_reads() {
        let keys = keys(&[("Day", "string"), ("hour", "int"), ("region", "string"), ("customer", "string")]);
        let (parameters, problems) = tried(
            json!({
                "columns": [
                    { "name": "day", "type": "Date", "format": "yyyy/MM/dd", "range": { "from": "2020/01/01", "to": "NOW" } },
                    { "name": "hour", "type": "Integer", "range": { "from": "0", "to": "23" }, "digits": 2, "interval": 3 },
                    { "name": "region", "type": "Enum", "values": ["eu", "us"] },
                    { "name": "customer", "type": "Injected" },
                ],
                "locationTemplate": "s3://lake/f/${day}/${hour}/${region}/${customer}/",
            }),
            &keys,
        );
        assert!(problems.is_empty(), "{problems:?}");
        let expected = [
            ("projection.customer.type", "injected"),
            ("projection.day.format", "yyyy/MM/dd"),
            ("projection.day.range", "2020/01/01,NOW"),
            ("projection.day.type", "date"),
            ("projection.enabled", "true"),
            ("projection.hour.digits", "2"),
            ("projection.hour.interval", "3"),
            ("projection.hour.range", "0,23"),
            ("projection.hour.type", "integer"),
            ("projection.region.type", "enum"),
            ("projection.region.values", "eu,us"),
            ("storage.location.template", "s3://lake/f/${day}/${hour}/${region}/${customer}/"),
        ];
        assert_eq!(parameters, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
        assert!(parameters.keys().all(|key| is_parameter(key)));
        assert_eq!(IntervalUnit::Hours.name(), "HOURS");
    }

    #[test]
    fn what_athena_would_refuse_is_told_with_its_place() {
        let keys = keys(&[("day", "int"), ("hour", "string"), ("region", "string")]);
        let (_, problems) = tried(
            json!({
                "columns": [
                    { "name": "day", "type": "Date", "format": "yyyy-MM-dd HH", "range": { "from": "2020-13-01 00", "to": "TODAY" } },
                    { "name": "hour", "type": "Integer", "range": { "from": "23", "to": "0" } },
                    { "name": "hour", "type": "Integer", "range": { "from": "a", "to": "99999999999999999999" } },
                    { "name": "other", "type": "Enum", "values": ["a,b", "c", "c"] },
                ],
                "locationTemplate": "s3://lake/f/${day}/${what}",
            }),
            &keys,
        );
        let expected = [
            "columns[0].type",
            "columns[0].intervalUnit",
            "columns[0].range.from",
            "columns[0].range.to",
            "columns[1].range",
            "columns[2].name",
            "columns[2].range.from",
            "columns[2].range.to",
            "columns[3].name",
            "columns: spec.partitionKeys[2] 'region'",
            "locationTemplate",
            "'${hour}'",
            "'${region}'",
            "'${what}'",
            "must end with '/'",
        ];
        for part in expected {
            assert!(problems.iter().any(|problem| problem.contains(part)), "no {part} in {problems:#?}");
        }
    }

    #[test]
    fn values_are_a_list_without_commas_and_without_doubles() {
        let (_, problems) = tried(
            json!({ "columns": [{ "name": "region", "type": "Enum", "values": ["a,b", "c", "c"] }] }),
            &keys(&[("region", "string")]),
        );
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
