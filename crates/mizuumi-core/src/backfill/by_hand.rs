//! A backfill as a person asks for it: made from a job and two times, and listed before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mizuumi_api::backfill::{Backfill, BackfillOrder, BackfillSessions, BackfillSpec};
use mizuumi_api::ingest_job::{IngestJob, JobSchedule};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};
use serde::Serialize;

use super::sessions::{MOST, Sessions};
use crate::cron;

/// A time as a person writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With its offset, such as `2026-11-01T00:00:00+09:00`.
    At(Timestamp),
    /// By the clock of the job's time zone: a day, such as `2026-11-01`, or a time of a day.
    Clock(DateTime),
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        text.parse().map(Self::Clock).map_err(|_| {
            format!("must be a day such as 2026-11-01, or a time such as 2026-11-01T00:00:00+09:00; it is '{text}'")
        })
    }
}

impl Moment {
    fn in_zone(self, zone: &TimeZone) -> Result<Timestamp, String> {
        match self {
            Self::At(at) => Ok(at),
            Self::Clock(clock) => {
                let zoned = clock.to_zoned(zone.clone()).map_err(|error| format!("{clock}: {error}"))?;
                Ok(zoned.timestamp())
            }
        }
    }
}

/// What a person asks for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// From this time on.
    pub from: Moment,
    /// Up to this time, exclusive.
    pub to: Moment,
    /// Which sessions get a run.
    pub sessions: BackfillSessions,
    /// In which order.
    pub order: BackfillOrder,
    /// How many runs at once.
    pub max_active_runs: Option<i32>,
    /// Values instead of those of the job.
    pub parameters: BTreeMap<String, String>,
    /// Its name; without it, one is made from the job and the range.
    pub name: Option<String>,
}

/// The backfill of a job that a person asks for. `taken` are names that are there already.
///
/// # Errors
/// Why there can be none.
pub fn backfill(job: &IngestJob, taken: &BTreeSet<String>, asked: &Asked) -> Result<Backfill, String> {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    if job.metadata.deletion_timestamp.is_some() {
        return Err(format!("IngestJob '{name}' is being deleted, and its runs with it"));
    }
    let schedule = schedule_of(job)?;
    let zone = cron::zone("spec.schedule.timeZone", schedule.time_zone.as_deref());
    let zone = zone.map_err(|problem| format!("IngestJob '{name}': {problem}"))?;
    let (from, to) = (asked.from.in_zone(&zone)?, asked.to.in_zone(&zone)?);
    if from >= to {
        return Err(format!("--from must be before --to; they are {from} and {to}"));
    }
    let spec = BackfillSpec {
        job: name.to_owned(),
        from,
        to,
        sessions: asked.sessions,
        order: asked.order,
        max_active_runs: asked.max_active_runs,
        parameters: Some(asked.parameters.clone()).filter(|parameters| !parameters.is_empty()),
        suspend: false,
    };
    let named = asked.name.clone().unwrap_or_else(|| free_name(name, [from, to], &zone, taken));
    let mut backfill = Backfill::new(&named, spec);
    backfill.metadata.namespace.clone_from(&job.metadata.namespace);
    Ok(backfill)
}

/// Job and days of the range, and a number where that is taken.
fn free_name(job: &str, range: [Timestamp; 2], zone: &TimeZone, taken: &BTreeSet<String>) -> String {
    let day = |at: Timestamp| Zoned::new(at, zone.clone()).strftime("%Y%m%d").to_string();
    let [from, to] = range.map(day);
    let name = format!("{job}-{from}-{to}");
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(name)
}

fn schedule_of(job: &IngestJob) -> Result<&JobSchedule, String> {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    job.spec.schedule.as_ref().ok_or_else(|| {
        format!(
            "IngestJob '{name}' has no schedule, so that nobody knows its sessions; run them one by one: mizuumi run {name} --at TIME"
        )
    })
}

/// A session of a backfill that is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Its time.
    pub session_time: Timestamp,
    /// The run, if any, for which it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out_for: Option<String>,
}

/// The sessions of a backfill that would be made now, in their order. `runs` are those of its job that are there still: what runs that
/// have gone since have published is seen by the controller alone.
///
/// # Errors
/// If the schedule does not hold, or names too many.
pub fn list(
    backfill: &Backfill,
    job: &IngestJob,
    runs: &[IngestRun],
    now: Timestamp,
) -> Result<Vec<Listed>, String> {
    let sessions = Sessions::of(&backfill.spec, schedule_of(job)?, now).map_err(|problems| {
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("the schedule of IngestJob '{}' does not hold: {}", backfill.spec.job, said.join("; "))
    })?;
    if sessions.count().is_none() {
        return Err(format!(
            "there are more than {MOST} sessions in this range; make a backfill for each part of it"
        ));
    }
    let is_left_out = |run: &IngestRun| {
        let phase = run.status.as_ref().and_then(|status| status.phase);
        match phase {
            Some(RunPhase::Failed) => false,
            Some(RunPhase::Succeeded) => backfill.spec.sessions == BackfillSessions::Missing,
            _ => true,
        }
    };
    let runs: BTreeMap<Timestamp, &String> = runs
        .iter()
        .filter(|run| is_left_out(run))
        .filter_map(|run| Some((run.spec.session_time?, run.metadata.name.as_ref()?)))
        .collect();
    let listed = |session_time: Timestamp| Listed {
        session_time,
        left_out_for: runs.get(&session_time).map(|run| (*run).clone()),
    };
    Ok(sessions.after(None).map(listed).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn job() -> IngestJob {
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestJob",
            "metadata": { "name": "delays", "namespace": "team-a" },
            "spec": {
                "schedule": { "cron": "0 2 * * *", "timeZone": "Asia/Tokyo" },
                "run": { "table": "delays", "engine": "External" },
            },
        }))
        .expect("a job")
    }

    fn asked(from: &str, to: &str) -> Asked {
        Asked {
            from: from.parse().expect("a time"),
            to: to.parse().expect("a time"),
            sessions: BackfillSessions::Missing,
            order: BackfillOrder::OldestFirst,
            max_active_runs: None,
            parameters: BTreeMap::new(),
            name: None,
        }
    }

    fn run(name: &str, session: &str, phase: &str) -> IngestRun {
        serde_json::from_value(json!({
            "apiVersion": "mizuumi.dev/v1alpha1", "kind": "IngestRun", "metadata": { "name": name },
            "spec": { "table": "delays", "engine": "External", "sessionTime": session },
            "status": { "observedGeneration": 1, "phase": phase },
        }))
        .expect("a run")
    }

    #[test]
    fn days_are_those_of_the_jobs_time_zone() {
        let made =
            backfill(&job(), &BTreeSet::new(), &asked("2026-01-01", "2026-01-31T12:00")).expect("a backfill");
        assert_eq!(
            (made.spec.from, made.spec.to),
            (at("2026-01-01T00:00:00+09:00"), at("2026-01-31T12:00:00+09:00"))
        );
        assert_eq!(made.metadata.name.as_deref(), Some("delays-20260101-20260131"));
        let taken = ["delays-20260101-20260131", "delays-20260101-20260131-2"].map(str::to_owned).into();
        let next =
            backfill(&job(), &taken, &asked("2026-01-01", "2026-01-31T00:00:00Z")).expect("a backfill");
        assert_eq!(next.metadata.name.as_deref(), Some("delays-20260101-20260131-3"));
        assert_eq!(next.spec.to, at("2026-01-31T00:00:00Z"));
    }

    #[test]
    fn what_cannot_be_is_told() {
        let refused = |job: &IngestJob, from: &str, to: &str| {
            backfill(job, &BTreeSet::new(), &asked(from, to)).expect_err("refused")
        };
        assert!(refused(&job(), "2026-02-01", "2026-02-01").contains("--from must be before --to"));
        let mut by_hand = job();
        by_hand.spec.schedule = None;
        assert!(refused(&by_hand, "2026-01-01", "2026-02-01").contains("mizuumi run delays --at TIME"));
        assert!("tomorrow".parse::<Moment>().expect_err("no time").contains("2026-11-01"));
    }

    #[test]
    fn sessions_are_listed_with_the_runs_for_which_they_are_left_out() {
        let mut made =
            backfill(&job(), &BTreeSet::new(), &asked("2026-01-01", "2026-01-04")).expect("a backfill");
        let runs = [
            run("done", "2025-12-31T17:00:00Z", "Succeeded"),
            run("failed", "2026-01-01T17:00:00Z", "Failed"),
            run("going", "2026-01-02T17:00:00Z", "Running"),
        ];
        let left = |made: &Backfill| -> Vec<Option<String>> {
            let listed = list(made, &job(), &runs, at("2026-06-01T00:00:00Z")).expect("sessions");
            listed.into_iter().map(|session| session.left_out_for).collect()
        };
        assert_eq!(left(&made), [Some("done".to_owned()), None, Some("going".to_owned())]);
        made.spec.sessions = BackfillSessions::All;
        made.spec.order = BackfillOrder::NewestFirst;
        assert_eq!(left(&made), [Some("going".to_owned()), None, None]);
        assert_eq!(list(&made, &job(), &[], at("2025-06-01T00:00:00Z")), Ok(vec![]));
    }
}
