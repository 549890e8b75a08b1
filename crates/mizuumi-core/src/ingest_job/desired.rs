//! What an `IngestJob` asks for, and the run that each session is.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use mizuumi_api::ingest_job::{ConcurrencyPolicy, IngestJob, RunTemplate};
use mizuumi_api::ingest_run::{IngestRun, IngestRunSpec};
use mizuumi_api::{Installation, Reason, ShortDuration, label};

use super::{cursor, schedule};
use crate::backfill::Counting;
use crate::cron::Cron;
use crate::ingest_run::{Runs, Target};
use crate::kind::Kind;
use crate::problem::Problem;
use crate::source_connection::{SeenConnection, filled};

/// So long a session may wait to begin, where the spec does not say.
const DEADLINE: SignedDuration = SignedDuration::from_hours(24);
/// So many runs that are over are kept, where the spec does not say.
const HISTORY: i32 = 3;
/// Longest name of a run, as its rules have it.
const LONGEST_NAME: usize = 63;

/// A job as the spec wants it, and how far it has come.
#[derive(Clone, Debug)]
pub struct DesiredJob {
    /// Its name.
    pub job: String,
    /// Its uid.
    pub uid: String,
    /// What each run is made from, with what its connection says.
    pub made_from: Box<IngestJob>,
    /// When sessions come; none: by hand.
    pub schedule: Option<Cron>,
    /// What its status says.
    pub known: Known,
    /// What happens when a session comes while a run of an earlier one is under way.
    pub policy: ConcurrencyPolicy,
    /// So long a session may wait to begin.
    pub deadline: SignedDuration,
    /// Whether nothing is done for a while.
    pub is_suspended: bool,
    /// How many runs that succeeded are kept.
    pub keep_succeeded: usize,
    /// How many runs that failed are kept.
    pub keep_failed: usize,
    /// The table that its runs are for, as far as it is known.
    pub target: Target,
    /// Why no run can be made as its connection is, or is not.
    pub without_connection: Option<(Reason, String)>,
    /// Why its runs would never begin: jobs wait for each other.
    pub cycle: Option<String>,
    /// What its backfills have counted; none as long as not all of them are known.
    pub backfills: Option<BTreeMap<String, Counting>>,
}

/// How far a job has come, as its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Since when the schedule is what it is; none: it begins now.
    pub since: Option<Timestamp>,
    /// The latest session that was dealt with.
    pub last: Option<Timestamp>,
    /// The session whose run may or may not have been made.
    pub starting: Option<Timestamp>,
}

impl Known {
    /// What a job's status says.
    #[must_use]
    pub fn of(job: &IngestJob) -> Self {
        let status = job.status.as_ref();
        Self {
            since: schedule::since(job),
            last: status.and_then(|status| status.last_scheduled_time),
            starting: status.and_then(|status| status.starting),
        }
    }

    /// Sessions come after this moment.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Timestamp {
        self.since.unwrap_or(now).max(self.last.unwrap_or(Timestamp::MIN))
    }
}

impl DesiredJob {
    pub(super) fn new(job: &IngestJob, installation: &Installation) -> Result<Self, Vec<Problem>> {
        let spec = &job.spec;
        let mut problems = Vec::new();
        let schedule = spec.schedule.as_ref().map(schedule::read).transpose();
        let schedule = schedule.map_err(|wrong| problems.extend(wrong)).unwrap_or_default();
        let deadline = spec.starting_deadline.as_ref().map_or(Ok(DEADLINE), ShortDuration::length);
        let deadline = deadline.map_err(|error| {
            problems.push(Problem::invalid("spec.startingDeadline", error.to_string()));
        });
        if let Some(Err(error)) = spec.prewarm.as_ref().map(ShortDuration::length) {
            problems.push(Problem::invalid("spec.prewarm", error.to_string()));
        }
        // What no run could be is not made.
        let run = run_of(job, Timestamp::UNIX_EPOCH, 0);
        problems.extend(Runs::goal(&run, installation).err().into_iter().flatten().map(in_template));
        let (true, Ok(deadline)) = (problems.is_empty(), deadline) else { return Err(problems) };
        let keep = |limit: Option<i32>| usize::try_from(limit.unwrap_or(HISTORY)).unwrap_or_default();
        Ok(Self {
            job: job.metadata.name.clone().unwrap_or_default(),
            uid: job.metadata.uid.clone().unwrap_or_default(),
            made_from: Box::new(job.clone()),
            schedule,
            known: Known::of(job),
            policy: spec.concurrency_policy,
            deadline,
            is_suspended: spec.suspend,
            keep_succeeded: keep(spec.successful_runs_history_limit),
            keep_failed: keep(spec.failed_runs_history_limit),
            target: Target::Unknown,
            without_connection: None,
            cycle: None,
            backfills: None,
        })
    }

    /// Has its runs made with what its connection says, if it names one.
    pub fn connect(&mut self, connection: &SeenConnection) {
        match filled(&self.made_from, connection) {
            Ok(filled) => (*self.made_from, self.without_connection) = (filled, None),
            Err(why) => self.without_connection = Some(why),
        }
    }

    /// The run of a session.
    #[must_use]
    pub fn run(&self, session: Timestamp) -> IngestRun {
        run_of(&self.made_from, session, 0)
    }
}

/// A problem of the run that a job's template makes, by the path that it has in the job.
fn in_template(problem: Problem) -> Problem {
    let path = problem.path.strip_prefix("spec.").map(|rest| format!("spec.run.{rest}"));
    Problem { path: path.unwrap_or(problem.path), ..problem }
}

/// The name of a session's run. It is made from nothing but these, so that a session has one run whatever becomes of the spec.
#[must_use]
pub fn name_of(job: &str, session: Timestamp, revision: i32) -> String {
    let session = session.to_zoned(jiff::tz::TimeZone::UTC);
    let format = if session.second() == 0 { "%Y%m%dt%H%Mz" } else { "%Y%m%dt%H%M%Sz" };
    format!("{job}-{}-r{revision}", session.strftime(format))
}

/// Whether a name is short enough for a run.
#[must_use]
pub fn fits(name: &str) -> bool {
    name.len() <= LONGEST_NAME
}

/// A run of a job, which is [`filled`](crate::source_connection::filled) if it names a connection.
#[must_use]
pub fn run_of(job: &IngestJob, session: Timestamp, revision: i32) -> IngestRun {
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let RunTemplate {
        table,
        engine,
        source,
        kubernetes_job,
        emr_step,
        ecs_task,
        output,
        parameters,
        wait_for,
        retries,
        timeout,
        ttl_after_finished,
        artifacts,
    } = job.spec.run.clone();
    let spec = IngestRunSpec {
        artifacts,
        table,
        session_time: Some(session),
        revision,
        engine,
        external: None,
        kubernetes_job,
        emr_step,
        ecs_task,
        output,
        parameters,
        before: None,
        wait_for,
        retries,
        timeout,
        cancel: false,
        ttl_after_finished,
        rollback: None,
    };
    let mut run = IngestRun::new(&name_of(name, session, revision), spec);
    job.own(&mut run);
    if let Some(source) = source {
        run.metadata.labels.get_or_insert_default().insert(label::SOURCE.to_owned(), source.connection);
    }
    cursor::tell(job, &mut run);
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_has_a_name_of_its_own_that_fits() {
        let at = |text: &str| -> Timestamp { text.parse().expect("a time") };
        assert_eq!(name_of("delays", at("2026-11-26T17:00:00Z"), 0), "delays-20261126t1700z-r0");
        assert_eq!(name_of("delays", at("2026-11-26T17:00:07Z"), 12), "delays-20261126t170007z-r12");
        let longest = "j".repeat(40);
        assert!(fits(&name_of(&longest, at("2026-11-26T17:00:07Z"), 9999)));
        assert!(!fits(&name_of(&longest, at("2026-11-26T17:00:07Z"), 10_000)));
    }
}
