//! Freshness: how recent data has to be, and until when it is recent enough.
//!
//! The verdict is a function of the clock, the policy and `now`; the moment at which it flips is known beforehand, so
//! nothing has to poll for it.

pub mod parameter;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use mizuumi_api::data_table::{self as api, FreshnessSourceType, FreshnessState, Grain};

use crate::problem::Problem;

/// How recent data has to be, checked.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where the clock is learnt from, first to last.
    pub sources: Vec<Source>,
    /// Zone of partition values and of the deadline.
    pub zone: TimeZone,
    /// Older than this is `Warn`.
    pub warn: Option<SignedDuration>,
    /// Older than this is `Stale`.
    pub error: Option<SignedDuration>,
    /// When the data must be there.
    pub deadline: Option<Deadline>,
}

/// Where the clock is learnt from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A producer's report.
    Reported,
    /// The values of the newest partition; `keys` are positions among the partition keys.
    PartitionValue {
        /// Positions of the keys that make the time.
        keys: Vec<usize>,
        /// The span that a partition covers.
        grain: Grain,
    },
    /// When the newest partition was registered.
    PartitionCreation,
    /// When the newest file was written.
    S3LastModified,
    /// A parameter of the Glue table.
    GlueParameter(api::GlueParameterSource),
    /// The newest published run.
    Manifest,
}

impl Source {
    /// Whether it has to look at the partitions.
    #[must_use]
    pub const fn is_of_partitions(&self) -> bool {
        matches!(self, Self::PartitionValue { .. } | Self::PartitionCreation | Self::S3LastModified)
    }
}

/// When the data must be there.
#[derive(Clone, Debug)]
pub struct Deadline {
    cron: Cron,
    window: SignedDuration,
}

/// What is known of how recent the data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Which source said it.
    pub source: FreshnessSourceType,
    /// The exclusive end of the data that is there.
    pub data_time: Option<Timestamp>,
    /// When it landed.
    pub loaded_at: Option<Timestamp>,
}

impl Clock {
    /// The time that ages are counted from.
    #[must_use]
    pub fn reference(&self) -> Option<Timestamp> {
        self.data_time.or(self.loaded_at)
    }
}

/// The verdict at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub state: FreshnessState,
    /// When the table turns `Stale` unless newer data comes.
    pub fresh_until: Option<Timestamp>,
    /// When the verdict changes next unless newer data comes.
    pub flips_at: Option<Timestamp>,
}

impl Policy {
    /// Checks a spec's freshness; `keys` are the names of the table's partition keys.
    ///
    /// # Errors
    /// Every problem, each with its path.
    pub fn new(spec: &api::Freshness, keys: &[String]) -> Result<Self, Vec<Problem>> {
        let at = |path: &str| format!("spec.freshness.{path}");
        let mut problems = Vec::new();
        let zone_name = spec.time_zone.as_deref().unwrap_or("UTC");
        let zone = TimeZone::get(zone_name).unwrap_or_else(|_| {
            problems.push(Problem::invalid(
                at("timeZone"),
                format!("must be an IANA time zone such as 'Asia/Tokyo'; '{zone_name}' is not known"),
            ));
            TimeZone::UTC
        });
        let mut length = |path: &str, text: &Option<mizuumi_api::ShortDuration>| {
            text.as_ref()?.length().map_err(|e| problems.push(Problem::invalid(at(path), e.to_string()))).ok()
        };
        let warn = length("maxAge.warn", &spec.max_age.as_ref().and_then(|age| age.warn.clone()));
        let error = length("maxAge.error", &spec.max_age.as_ref().and_then(|age| age.error.clone()));
        let window =
            length("deadline.window", &spec.deadline.as_ref().map(|deadline| deadline.window.clone()));
        if let (Some(warn), Some(error)) = (warn, error)
            && warn >= error
        {
            problems.push(Problem::invalid(at("maxAge.warn"), "must be less than `maxAge.error`"));
        }
        let deadline = spec.deadline.as_ref().and_then(|deadline| {
            match CronParser::builder().seconds(Seconds::Disallowed).build().parse(&deadline.cron) {
                Ok(cron) => Some(Deadline { cron, window: window? }),
                Err(error) => {
                    let message = format!(
                        "must be a cron expression of five fields such as '0 7 * * *'; '{}' is not: {error}",
                        deadline.cron
                    );
                    problems.push(Problem::invalid(at("deadline.cron"), message));
                    None
                }
            }
        });
        let mut sources = Vec::new();
        for (index, source) in spec.sources.iter().enumerate() {
            let value = (&source.partition_value, &source.glue_parameter);
            match (source.type_, value) {
                (FreshnessSourceType::Reported, _) => sources.push(Source::Reported),
                (FreshnessSourceType::Manifest, _) => sources.push(Source::Manifest),
                (FreshnessSourceType::PartitionCreation, _) => sources.push(Source::PartitionCreation),
                (FreshnessSourceType::S3LastModified, _) => sources.push(Source::S3LastModified),
                (FreshnessSourceType::GlueParameter, (_, Some(parameter))) => {
                    sources.push(Source::GlueParameter(parameter.clone()));
                }
                (FreshnessSourceType::PartitionValue, (Some(value), _)) => {
                    match positions(value.keys.as_deref(), keys) {
                        Ok(keys) => sources.push(Source::PartitionValue { keys, grain: value.grain }),
                        Err(message) => problems.push(Problem::invalid(
                            at(&format!("sources[{index}].partitionValue.keys")),
                            message,
                        )),
                    }
                }
                (FreshnessSourceType::PartitionValue, (None, _)) => problems
                    .push(Problem::invalid(at(&format!("sources[{index}].partitionValue")), "must be set")),
                (FreshnessSourceType::GlueParameter, (_, None)) => problems
                    .push(Problem::invalid(at(&format!("sources[{index}].glueParameter")), "must be set")),
            }
        }
        if problems.is_empty() { Ok(Self { sources, zone, warn, error, deadline }) } else { Err(problems) }
    }

    /// The verdict on a clock; `created` is when the resource was made.
    #[must_use]
    pub fn judge(&self, clock: Option<&Clock>, created: Timestamp, now: Timestamp) -> Judgement {
        let Some(reference) = clock.and_then(Clock::reference) else {
            return Judgement { state: FreshnessState::Unknown, fresh_until: None, flips_at: None };
        };
        let warn_at = self.warn.and_then(|age| reference.checked_add(age).ok());
        let too_old_at = self.error.and_then(|age| reference.checked_add(age).ok());
        // The first deadline that this clock does not meet. One from before the resource was made does not count.
        let unmet = self.deadline.as_ref().and_then(|d| d.first_unmet(reference, &self.zone));
        let missed_at = match (&self.deadline, unmet) {
            (Some(deadline), Some(unmet)) if unmet <= created => deadline.first_after(created, &self.zone),
            _ => unmet,
        };
        let fresh_until = [too_old_at, missed_at].into_iter().flatten().min();
        let passed = |moment: Option<Timestamp>| moment.is_some_and(|moment| moment <= now);
        let state = if passed(fresh_until) {
            FreshnessState::Stale
        } else if passed(warn_at) {
            FreshnessState::Warn
        } else if passed(unmet) {
            FreshnessState::NotDue
        } else {
            FreshnessState::Fresh
        };
        // Stale stays stale: a `warn` that a missed deadline came before changes nothing any more.
        let flips_at = [warn_at, fresh_until]
            .into_iter()
            .flatten()
            .filter(|moment| *moment > now && state != FreshnessState::Stale)
            .min();
        Judgement { state, fresh_until, flips_at }
    }
}

impl Deadline {
    /// The first deadline that data up to `reference` does not meet. The window is counted on the clock on the wall: a
    /// window of 7h at 07:00 reaches back to midnight on the days too on which the clocks change.
    fn first_unmet(&self, reference: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let covered = reference.to_zoned(zone.clone()).datetime().checked_add(self.window).ok()?;
        self.first_after(covered.to_zoned(zone.clone()).ok()?.timestamp(), zone)
    }

    /// The first deadline after a moment.
    fn first_after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A cron expression such as "0 0 30 2 *" never comes; croner says so by an error.
        self.cron
            .find_next_occurrence(&moment.to_zoned(zone.clone()), false)
            .ok()
            .map(|next| next.timestamp())
    }
}

/// The positions of the named keys among the partition keys; all of them when none is named.
fn positions(named: Option<&[String]>, keys: &[String]) -> Result<Vec<usize>, String> {
    let Some(named) = named else { return Ok((0..keys.len()).collect()) };
    named
        .iter()
        .map(|name| {
            keys.iter()
                .position(|key| key.eq_ignore_ascii_case(name))
                .ok_or_else(|| format!("must name partition keys; '{name}' is none of {}", keys.join(", ")))
        })
        .collect()
}

/// The exclusive end of the span that partition values name, or nothing if they name no time.
///
/// The values are read as numbers from year to hour, apart (`2013`, `1`), joined (`2013-01`) or run together (`201301`).
#[must_use]
pub fn end_of_span(values: &[&str], grain: Grain, zone: &TimeZone) -> Option<Timestamp> {
    let parts = match grain {
        Grain::Year => 1,
        Grain::Month => 2,
        Grain::Day => 3,
        Grain::Hour => 4,
    };
    let text = values.join("-");
    let mut runs: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty()).collect();
    if let Some(run) = runs.first().copied().filter(|run| matches!(run.len(), 6 | 8 | 10)) {
        let apart = std::iter::once(&run[..4]).chain((4..run.len()).step_by(2).map(|i| &run[i..i + 2]));
        runs.splice(..1, apart.collect::<Vec<_>>());
    }
    // A timestamp's minutes and seconds may follow the parts that the grain needs; fewer parts than needed name no time.
    let numbers: Vec<i16> = runs.iter().take(parts).map(|run| run.parse().ok()).collect::<Option<_>>()?;
    if numbers.len() < parts || !(1000..=9998).contains(&numbers[0]) {
        return None;
    }
    let at =
        |index: usize, otherwise: i8| numbers.get(index).map_or(Some(otherwise), |n| i8::try_from(*n).ok());
    let date = Date::new(numbers[0], at(1, 1)?, at(2, 1)?).ok()?;
    let start = date.at(0, 0, 0, 0).with().hour(at(3, 0)?).build().ok()?.to_zoned(zone.clone()).ok()?;
    let span: Span = match grain {
        Grain::Year => 1.year(),
        Grain::Month => 1.month(),
        Grain::Day => 1.day(),
        Grain::Hour => 1.hour(),
    };
    start.checked_add(span).ok().map(|end| end.timestamp())
}

/// About how long the span of a grain is.
#[must_use]
pub const fn length_of(grain: Grain) -> SignedDuration {
    SignedDuration::from_hours(match grain {
        Grain::Year => 365 * 24,
        Grain::Month => 30 * 24,
        Grain::Day => 24,
        Grain::Hour => 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    fn policy(yaml: &str) -> Policy {
        let spec: api::Freshness = serde_saphyr::from_str(yaml).expect(yaml);
        Policy::new(&spec, &["year".into(), "month".into()]).expect(yaml)
    }

    fn clock(data_time: &str) -> Clock {
        Clock { source: FreshnessSourceType::Reported, data_time: Some(at(data_time)), loaded_at: None }
    }

    #[test]
    fn partition_values_name_the_end_of_their_span() {
        let tokyo = TimeZone::get("Asia/Tokyo").expect("zone");
        let new_york = TimeZone::get("America/New_York").expect("zone");
        for (values, grain, zone, end) in [
            (vec!["2013", "1"], Grain::Month, &TimeZone::UTC, Some("2013-02-01T00:00:00Z")),
            (vec!["2013-12"], Grain::Month, &TimeZone::UTC, Some("2014-01-01T00:00:00Z")),
            (vec!["201312"], Grain::Month, &TimeZone::UTC, Some("2014-01-01T00:00:00Z")),
            (vec!["2026-11-21"], Grain::Day, &tokyo, Some("2026-11-21T15:00:00Z")),
            (vec!["20261121"], Grain::Day, &tokyo, Some("2026-11-21T15:00:00Z")),
            (vec!["2026-11-21", "07"], Grain::Hour, &tokyo, Some("2026-11-20T23:00:00Z")),
            (vec!["20261121", "07"], Grain::Hour, &tokyo, Some("2026-11-20T23:00:00Z")),
            (vec!["202611", "21"], Grain::Day, &TimeZone::UTC, Some("2026-11-22T00:00:00Z")),
            (vec!["2026112107"], Grain::Hour, &TimeZone::UTC, Some("2026-11-21T08:00:00Z")),
            (vec!["2026-11-21T07:30:00"], Grain::Hour, &TimeZone::UTC, Some("2026-11-21T08:00:00Z")),
            // The day on which New York's clocks go forward has 23 hours.
            (vec!["2026-03-08"], Grain::Day, &new_york, Some("2026-03-09T04:00:00Z")),
            (vec!["2024"], Grain::Year, &TimeZone::UTC, Some("2025-01-01T00:00:00Z")),
            (vec!["2026-02-30"], Grain::Day, &TimeZone::UTC, None),
            (vec!["2026", "13"], Grain::Month, &TimeZone::UTC, None),
            (vec!["2026"], Grain::Day, &TimeZone::UTC, None),
            (vec!["__HIVE_DEFAULT_PARTITION__"], Grain::Day, &TimeZone::UTC, None),
            (vec!["99999999999999999999"], Grain::Year, &TimeZone::UTC, None),
            (vec!["2026-11-21", "99"], Grain::Hour, &TimeZone::UTC, None),
        ] {
            assert_eq!(end_of_span(&values, grain, zone), end.map(at), "{values:?} by {grain:?}");
        }
    }

    #[test]
    fn an_age_turns_fresh_to_warn_to_stale_at_the_very_moment() {
        let policy = policy("{sources: [{type: Reported}], maxAge: {warn: 2h, error: 4h}}");
        let clock = clock("2026-11-22T00:00:00Z");
        let created = at("2020-01-01T00:00:00Z");
        for (now, state, flips_at) in [
            ("2026-11-22T01:59:59Z", FreshnessState::Fresh, Some("2026-11-22T02:00:00Z")),
            ("2026-11-22T02:00:00Z", FreshnessState::Warn, Some("2026-11-22T04:00:00Z")),
            ("2026-11-22T03:59:59Z", FreshnessState::Warn, Some("2026-11-22T04:00:00Z")),
            ("2026-11-22T04:00:00Z", FreshnessState::Stale, None),
        ] {
            let judged = policy.judge(Some(&clock), created, at(now));
            assert_eq!((judged.state, judged.flips_at), (state, flips_at.map(at)), "{now}");
            assert_eq!(judged.fresh_until, Some(at("2026-11-22T04:00:00Z")));
        }
    }

    #[test]
    fn a_deadline_wants_the_data_up_to_its_window_before_it() {
        // By 07:00 in Tokyo (22:00 UTC the day before) all of the day before must be there.
        let policy = policy(
            "{sources: [{type: Reported}], timeZone: Asia/Tokyo, deadline: {cron: 0 7 * * *, window: 7h}}",
        );
        let created = at("2026-01-01T00:00:00Z");
        let through_the_20th = clock("2026-11-20T15:00:00Z");
        let judged = |now| policy.judge(Some(&through_the_20th), created, at(now));
        // It meets the deadline on the 21st (2026-11-20T22:00Z) exactly, and misses the one on the 22nd.
        assert_eq!(judged("2026-11-21T21:59:59Z").state, FreshnessState::Fresh);
        assert_eq!(judged("2026-11-21T21:59:59Z").flips_at, Some(at("2026-11-21T22:00:00Z")));
        assert_eq!(judged("2026-11-21T22:00:00Z").state, FreshnessState::Stale);
        // Late data that does not reach far enough does not help.
        let late = clock("2026-11-21T14:59:59Z");
        assert_eq!(
            policy.judge(Some(&late), created, at("2026-11-21T22:00:00Z")).state,
            FreshnessState::Stale
        );
    }

    #[test]
    fn a_window_reaches_back_on_the_clock_on_the_wall_when_the_clocks_change() {
        let policy = policy(
            "{sources: [{type: Reported}], timeZone: America/New_York, deadline: {cron: 0 7 * * *, window: 7h}}",
        );
        let created = at("2026-01-01T00:00:00Z");
        // 2026-11-01 has 25 hours in New York; data up to its midnight meets its deadline at 07:00 EST.
        let midnight = clock("2026-11-01T04:00:00Z");
        let judged = policy.judge(Some(&midnight), created, at("2026-11-01T12:00:00Z"));
        assert_eq!(
            (judged.state, judged.flips_at),
            (FreshnessState::Fresh, Some(at("2026-11-02T12:00:00Z")))
        );
        // 2026-03-08 has 23 hours.
        let midnight = clock("2026-03-08T05:00:00Z");
        let judged = policy.judge(Some(&midnight), created, at("2026-03-08T11:00:00Z"));
        assert_eq!(
            (judged.state, judged.flips_at),
            (FreshnessState::Fresh, Some(at("2026-03-09T11:00:00Z")))
        );
    }

    #[test]
    fn a_deadline_from_before_the_resource_was_made_is_not_missed() {
        let policy = policy("{sources: [{type: Reported}], deadline: {cron: 0 7 * * *, window: 7h}}");
        let old = clock("2026-11-01T00:00:00Z");
        let created = at("2026-11-22T08:00:00Z");
        let judged = policy.judge(Some(&old), created, at("2026-11-22T09:00:00Z"));
        assert_eq!(judged.state, FreshnessState::NotDue);
        assert_eq!(judged.flips_at, Some(at("2026-11-23T07:00:00Z")));
        assert_eq!(
            policy.judge(Some(&old), created, at("2026-11-23T07:00:00Z")).state,
            FreshnessState::Stale
        );
    }

    #[test]
    fn what_was_never_observed_is_unknown() {
        let policy = policy("{sources: [{type: Reported}], maxAge: {error: 1h}}");
        let judged = policy.judge(None, Timestamp::UNIX_EPOCH, at("2026-11-22T00:00:00Z"));
        assert_eq!(judged, Judgement { state: FreshnessState::Unknown, fresh_until: None, flips_at: None });
    }

    #[test]
    fn a_deadline_that_never_comes_is_never_missed() {
        let policy = policy("{sources: [{type: Reported}], deadline: {cron: 0 0 30 2 *, window: 1h}}");
        let judged = policy.judge(
            Some(&clock("2020-01-01T00:00:00Z")),
            Timestamp::UNIX_EPOCH,
            at("2026-11-22T00:00:00Z"),
        );
        assert_eq!((judged.state, judged.flips_at), (FreshnessState::Fresh, None));
    }

    #[test]
    fn every_problem_has_its_path() {
        let spec: api::Freshness = serde_saphyr::from_str(
            "{sources: [{type: PartitionValue, partitionValue: {grain: Day, keys: [day]}}], timeZone: Mars/Olympus,
              maxAge: {warn: 5h, error: 2h}, deadline: {cron: 'every day', window: 1w}}",
        )
        .expect("spec");
        let problems = Policy::new(&spec, &["year".into()]).expect_err("problems");
        let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
        for path in
            ["timeZone", "maxAge.warn", "deadline.cron", "deadline.window", "sources[0].partitionValue.keys"]
        {
            assert!(
                paths.contains(&format!("spec.freshness.{path}").as_str()),
                "no problem at {path} in {paths:?}"
            );
        }
    }
}
