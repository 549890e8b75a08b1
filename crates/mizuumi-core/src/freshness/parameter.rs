//! A parameter of the Glue table as a source of freshness: what another program writes there, read as a time.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use mizuumi_api::data_table::{FreshnessSourceType, GlueParameterSource, TimeFormat, ToldTime};

use super::Clock;

/// What a value of the parameter says.
///
/// # Errors
/// If it is not written as the source says, in words for people.
pub fn read(source: &GlueParameterSource, value: &str, zone: &TimeZone) -> Result<Clock, String> {
    let moment = moment(value.trim(), source.format, zone).ok_or_else(|| {
        format!(
            "the Glue parameter '{}' must be {} for `freshness.sources` to read it; it is '{value}'",
            source.key,
            in_words(source.format)
        )
    })?;
    let (data_time, loaded_at) = match source.tells {
        ToldTime::DataTime => (Some(moment), None),
        ToldTime::LoadedAt => (None, Some(moment)),
    };
    Ok(Clock { source: FreshnessSourceType::GlueParameter, data_time, loaded_at })
}

fn moment(text: &str, format: TimeFormat, zone: &TimeZone) -> Option<Timestamp> {
    let in_zone = |wall: DateTime| Some(wall.to_zoned(zone.clone()).ok()?.timestamp());
    match format {
        TimeFormat::DateTime => text.parse().ok().or_else(|| in_zone(text.parse().ok()?)),
        TimeFormat::Date => in_zone(text.parse::<Date>().ok()?.at(0, 0, 0, 0)),
        TimeFormat::EpochSeconds => Timestamp::from_second(text.parse().ok()?).ok(),
        TimeFormat::EpochMilliseconds => Timestamp::from_millisecond(text.parse().ok()?).ok(),
    }
}

const fn in_words(format: TimeFormat) -> &'static str {
    match format {
        TimeFormat::DateTime => "a time such as '2026-11-22T00:00:00Z'",
        TimeFormat::Date => "a date such as '2026-11-22'",
        TimeFormat::EpochSeconds => "seconds since 1970",
        TimeFormat::EpochMilliseconds => "milliseconds since 1970",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_its_writer_wrote_it() {
        let tokyo = TimeZone::get("Asia/Tokyo").expect("a zone");
        for (format, text, wanted) in [
            (TimeFormat::DateTime, "2026-11-22T09:00:00+09:00", Some("2026-11-22T00:00:00Z")),
            (TimeFormat::DateTime, "2026-11-22T00:00:00Z", Some("2026-11-22T00:00:00Z")),
            (TimeFormat::DateTime, "2026-11-22 09:00:00", Some("2026-11-22T00:00:00Z")),
            (TimeFormat::Date, "2026-11-22", Some("2026-11-21T15:00:00Z")),
            (TimeFormat::Date, "2026-02-30", None),
            (TimeFormat::EpochSeconds, "1795305600", Some("2026-11-22T00:00:00Z")),
            (TimeFormat::EpochMilliseconds, "1795305600000", Some("2026-11-22T00:00:00Z")),
            (TimeFormat::EpochSeconds, "99999999999999999999", None),
            (TimeFormat::EpochSeconds, "soon", None),
        ] {
            let wanted = wanted.map(|text| text.parse::<Timestamp>().expect("a time"));
            assert_eq!(moment(text, format, &tokyo), wanted, "{format:?} {text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_key() {
        let source = GlueParameterSource {
            key: "loaded".to_owned(),
            format: TimeFormat::EpochSeconds,
            tells: ToldTime::LoadedAt,
        };
        let told = read(&source, "soon", &TimeZone::UTC).unwrap_err();
        assert!(
            told.contains("'loaded'") && told.contains("seconds since 1970") && told.contains("'soon'"),
            "{told}"
        );
        let clock = read(&source, " 60 ", &TimeZone::UTC).expect("a time");
        assert_eq!((clock.data_time, clock.loaded_at), (None, Timestamp::from_second(60).ok()));
    }
}
