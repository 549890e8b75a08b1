//! A projection read from the table parameters that say it.

use mizuumi_api::data_table::{IntervalUnit, ProjectedColumn, Projection, ProjectionRange, ProjectionType};

use crate::data_table::definition::TableDefinition;

const UNITS: [IntervalUnit; 7] = [
    IntervalUnit::Years,
    IntervalUnit::Months,
    IntervalUnit::Weeks,
    IntervalUnit::Days,
    IntervalUnit::Hours,
    IntervalUnit::Minutes,
    IntervalUnit::Seconds,
];

/// The projection of a table, if it has one and a spec has words for it.
pub(super) fn of(table: &TableDefinition) -> Option<Projection> {
    let is_on = table.parameters.get("projection.enabled").is_some_and(|on| on == "true");
    if !is_on || table.partition_keys.is_empty() {
        return None;
    }
    let columns: Option<Vec<ProjectedColumn>> =
        table.partition_keys.iter().map(|key| column(table, &key.name)).collect();
    let location_template = table.parameters.get("storage.location.template").cloned();
    Some(Projection { columns: columns?, location_template })
}

fn column(table: &TableDefinition, key: &str) -> Option<ProjectedColumn> {
    let of = |what: &str| table.parameters.get(&format!("projection.{}.{what}", key.to_lowercase()));
    let type_ = match of("type")?.as_str() {
        "enum" => ProjectionType::Enum,
        "integer" => ProjectionType::Integer,
        "date" => ProjectionType::Date,
        "injected" => ProjectionType::Injected,
        _ => return None,
    };
    let range = match of("range") {
        None => None,
        Some(range) => {
            let (from, to) = range.split_once(',')?;
            Some(ProjectionRange { from: from.to_owned(), to: to.to_owned() })
        }
    };
    let number = |what: &str| of(what).map(|text| text.parse().ok());
    let (interval, digits) = (number("interval"), number("digits"));
    let unit = of("interval.unit").map(|unit| UNITS.into_iter().find(|known| known.name() == unit));
    Some(ProjectedColumn {
        name: key.to_owned(),
        type_,
        values: of("values").map(|values| values.split(',').map(str::to_owned).collect()),
        range,
        format: of("format").cloned(),
        // What is there and cannot be read has no words.
        interval: interval.map_or(Some(None), |it| it.map(Some))?,
        interval_unit: unit.map_or(Some(None), |it| it.map(Some))?,
        digits: digits.map_or(Some(None), |it| it.map(Some))?,
    })
}
