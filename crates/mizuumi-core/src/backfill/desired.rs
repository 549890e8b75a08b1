//! What a `Backfill` asks for, how far it has come, and the job that it is of.

use jiff::Timestamp;
use mizuumi_api::backfill::{Backfill, BackfillOrder, BackfillSessions, BackfillStatus};
use mizuumi_api::ingest_job::{IngestJob, JobSchedule};
use mizuumi_api::ingest_run::IngestRun;
use mizuumi_api::{Installation, label};

use super::sessions::{Sessions, has_come};
use super::world::{BackfillLook, PastLook};
use crate::ingest_job::desired::{name_of, run_of};
use crate::ingest_job::{DesiredJob, JobAround, Jobs};
use crate::ingest_run::Target;
use crate::kind::Kind as _;
use crate::plan::Goal;
use crate::problem::Problem;

/// How many runs may be under way at once, where the spec does not say.
const AT_ONCE: i32 = 1;
/// So many sessions are looked at in one go.
pub(super) const WINDOW: usize = 100;

/// A backfill as the spec wants it, and how far it has come.
#[derive(Clone, Debug)]
pub struct DesiredBackfill {
    /// What it is made from.
    pub made_from: Box<Backfill>,
    /// What its status says.
    pub known: BackfillStatus,
    /// How many runs may be under way at once.
    pub at_once: usize,
    /// The job, as far as it is known.
    pub job: SeenJob,
}

/// The job of a backfill.
#[derive(Clone, Debug, Default)]
pub enum SeenJob {
    /// It was not looked for.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// It can make no runs, and why.
    Refused(String),
    /// This one.
    Job(Box<DesiredJob>),
}

impl SeenJob {
    /// A job by its spec, and what others have to do with it.
    #[must_use]
    pub fn of(job: &IngestJob, installation: &Installation, around: JobAround) -> Self {
        match Jobs::goal(job, installation) {
            Ok(mut goal) => {
                Jobs::heed(&mut goal, job, around);
                match goal {
                    Goal::Present(desired) => Self::Job(Box::new(desired)),
                    Goal::Absent(()) | Goal::Released(()) => Self::Refused("it is being deleted".to_owned()),
                }
            }
            Err(problems) => {
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                Self::Refused(said.join("; "))
            }
        }
    }
}

/// Of which runs a backfill has not yet counted how they ended. They are not cleared away before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counting {
    order: BackfillOrder,
    last: Option<Timestamp>,
    active: Vec<String>,
}

impl Counting {
    /// As a backfill's status says. One that is behind says that less is counted.
    #[must_use]
    pub fn of(backfill: &Backfill) -> Self {
        let status = backfill.status.as_ref();
        Self {
            order: backfill.spec.order,
            last: status.and_then(|status| status.last_session),
            active: status.map(|status| status.active.clone()).unwrap_or_default(),
        }
    }

    /// Whether the end of a run has been counted.
    #[must_use]
    pub fn has_counted(&self, run: &str, session: Timestamp) -> bool {
        self.last.is_some_and(|last| has_come(self.order, session, last))
            && !self.active.iter().any(|active| active == run)
    }
}

impl DesiredBackfill {
    pub(super) fn new(backfill: &Backfill) -> Self {
        let at_once = backfill.spec.max_active_runs.unwrap_or(AT_ONCE);
        Self {
            made_from: Box::new(backfill.clone()),
            known: backfill.status.clone().unwrap_or_default(),
            at_once: usize::try_from(at_once).unwrap_or_default(),
            job: SeenJob::Unknown,
        }
    }

    /// Whether all is done.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.known.finished_at.is_some()
    }

    /// Whether sessions that have data are run again.
    #[must_use]
    pub fn runs_again(&self) -> bool {
        self.made_from.spec.sessions == BackfillSessions::All
    }

    /// Whether one more run may begin, as far as the status knows.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.made_from.spec.suspend
            && self.known.starting.is_none()
            && self.known.active.len() < self.at_once
    }

    /// The schedule that its sessions go by: the one that it began with, or else the job's.
    #[must_use]
    pub fn schedule(&self) -> Option<&JobSchedule> {
        let of_job = match &self.job {
            SeenJob::Job(job) => job.made_from.spec.schedule.as_ref(),
            _ => None,
        };
        self.known.schedule.as_ref().or(of_job)
    }

    /// Its sessions; none without a schedule.
    ///
    /// # Errors
    /// Every problem of the schedule.
    pub fn sessions(&self) -> Result<Option<Sessions>, Vec<Problem>> {
        self.schedule().map(|schedule| Sessions::new(&self.made_from, schedule)).transpose()
    }

    /// The sessions that come next, as many as are looked at in one go.
    #[must_use]
    pub fn window(&self) -> Vec<Timestamp> {
        let Ok(Some(sessions)) = self.sessions() else { return Vec::new() };
        sessions.after(self.known.last_session).take(WINDOW).collect()
    }

    pub(super) fn look(&self) -> BackfillLook {
        let (name, active) = (self.made_from.spec.job.clone(), self.known.active.clone());
        let SeenJob::Job(job) = &self.job else {
            return BackfillLook { job: name, active, ..BackfillLook::default() };
        };
        let past = match &job.target {
            Target::Table(table) if !self.is_over() && self.known.schedule.is_some() && self.has_room() => {
                let mut sessions = self.window();
                sessions.sort_unstable();
                let stem = |session: &Timestamp| (stem(&job.job, *session), *session);
                let stems = sessions.iter().map(stem).collect();
                Some(PastLook { profile: table.key.profile.clone(), root: table.root.clone(), stems })
            }
            _ => None,
        };
        BackfillLook {
            job: name,
            uid: Some(job.uid.clone()),
            active,
            past: past.filter(|past| !past.stems.is_empty()),
        }
    }

    /// The run of a session.
    #[must_use]
    pub fn run(&self, job: &DesiredJob, session: Timestamp, revision: i32) -> IngestRun {
        let mut run = run_of(&job.made_from, session, revision);
        let name = self.made_from.metadata.name.clone().unwrap_or_default();
        run.metadata.labels.get_or_insert_default().insert(label::BACKFILL.to_owned(), name);
        if let Some(parameters) = &self.made_from.spec.parameters {
            run.spec.parameters.get_or_insert_default().extend(parameters.clone());
        }
        run
    }
}

/// The part of the name that all runs of a session share: `-r` and the revision follow.
#[must_use]
pub fn stem(job: &str, session: Timestamp) -> String {
    let name = name_of(job, session, 0);
    name.strip_suffix("-r0").unwrap_or(&name).to_owned()
}

/// The revision that a run's name says.
#[must_use]
pub fn revision_of(run: &str) -> Option<i32> {
    run.rsplit_once("-r")?.1.parse().ok()
}
