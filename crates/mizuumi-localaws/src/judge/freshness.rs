//! I9: how recent a table's data can be at most, read without any code of the controller.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};

use super::view::{Object, PartitionValue};

/// The annotation in which a producer reports the end of the data.
const REPORTED: &str = "mizuumi.dev/reported-data-time";

/// Where the status has its knowledge from, and the latest moment that this allows.
pub(super) enum Bound {
    /// Data up to here.
    Until(Timestamp),
    /// There is no data at all.
    NoData,
    /// It cannot be said.
    NotJudged,
}

/// What the producers' report allows.
pub(super) fn reported(object: &Object) -> Bound {
    match object.metadata.annotations.get(REPORTED) {
        None => Bound::NoData,
        Some(text) => text.trim().parse().map_or(Bound::NotJudged, Bound::Until),
    }
}

/// What the partitions allow.
pub(super) fn by_partitions(object: &Object, partitions: &[Vec<String>]) -> Bound {
    let freshness = object.spec.freshness.as_ref();
    let source = freshness.and_then(|f| f.sources.iter().find_map(|source| source.partition_value.as_ref()));
    let (Some(freshness), Some(source)) = (freshness, source) else { return Bound::NotJudged };
    let zone = freshness.time_zone.as_deref().map_or(Ok(TimeZone::UTC), TimeZone::get);
    let (Ok(zone), Some(positions)) = (zone, positions(object, source)) else { return Bound::NotJudged };
    if partitions.is_empty() {
        return Bound::NoData;
    }
    let hours = source.grain == "Hour";
    let ends = partitions.iter().filter_map(|values| {
        let named: Vec<&str> =
            positions.iter().map(|index| values.get(*index).map(String::as_str)).collect::<Option<_>>()?;
        end(&named, hours, &zone)
    });
    ends.max().map_or(Bound::NotJudged, Bound::Until)
}

/// Where the keys that make the time are among the partition keys.
fn positions(object: &Object, source: &PartitionValue) -> Option<Vec<usize>> {
    let all = &object.spec.partition_keys;
    let Some(named) = &source.keys else { return Some((0..all.len()).collect()) };
    named.iter().map(|name| all.iter().position(|key| key.name.eq_ignore_ascii_case(name))).collect()
}

/// The exclusive end of what the values name: of the hour if hours are asked for and named, else of the day, and of the
/// month or the year only where no day is named. A table that is told to be read by the month may not say that its data
/// reaches to the month's end when its newest partition is a day.
fn end(values: &[&str], hours: bool, zone: &TimeZone) -> Option<Timestamp> {
    let mut digits: Vec<String> = Vec::new();
    for value in values {
        let runs = value.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
        for run in runs {
            match (digits.is_empty(), run.len()) {
                // 201301, 20130131, 2013013107.
                (true, 6 | 8 | 10) => {
                    digits.push(run[..4].to_owned());
                    digits.extend((4..run.len()).step_by(2).map(|at| run[at..at + 2].to_owned()));
                }
                _ => digits.push(run.to_owned()),
            }
        }
    }
    let number = |index: usize| digits.get(index).map(|text| text.parse::<i16>().ok());
    let small = |index: usize| match number(index) {
        None => Some(None),
        Some(number) => i8::try_from(number?).ok().map(Some),
    };
    let year = number(0)??;
    let (month, day, hour) = (small(1)?, small(2)?, small(3)?.filter(|_| hours));
    if !(1000..=9998).contains(&year) {
        return None;
    }
    let span: Span = match (month, day, hour) {
        (None, ..) => 1.year(),
        (_, None, _) => 1.month(),
        (.., None) => 1.day(),
        _ => 1.hour(),
    };
    let date = Date::new(year, month.unwrap_or(1), day.unwrap_or(1)).ok()?;
    let start = date.at(0, 0, 0, 0).with().hour(hour.unwrap_or(0)).build().ok()?;
    let end = start.to_zoned(zone.clone()).ok()?.checked_add(span).ok()?;
    Some(end.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_name_the_end_of_their_day_hour_month_or_year() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        for (values, hours, zone, wanted) in [
            (vec!["2026-11-21"], false, &TimeZone::UTC, Some("2026-11-22T00:00:00Z")),
            (vec!["20261121"], false, &tokyo, Some("2026-11-21T15:00:00Z")),
            (vec!["2026", "11", "21"], false, &TimeZone::UTC, Some("2026-11-22T00:00:00Z")),
            (vec!["2026", "11", "21", "07"], false, &TimeZone::UTC, Some("2026-11-22T00:00:00Z")),
            (vec!["2026", "11", "21", "07"], true, &TimeZone::UTC, Some("2026-11-21T08:00:00Z")),
            (vec!["2026112107"], true, &TimeZone::UTC, Some("2026-11-21T08:00:00Z")),
            (vec!["2013", "1"], false, &TimeZone::UTC, Some("2013-02-01T00:00:00Z")),
            (vec!["201312"], false, &TimeZone::UTC, Some("2014-01-01T00:00:00Z")),
            (vec!["2013"], false, &TimeZone::UTC, Some("2014-01-01T00:00:00Z")),
            (vec!["2026-02-30"], false, &TimeZone::UTC, None),
            (vec!["tokyo"], false, &TimeZone::UTC, None),
        ] {
            let wanted = wanted.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(end(&values, hours, zone), wanted, "{values:?}");
        }
    }
}
