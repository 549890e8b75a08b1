//! What is observed of a job: its runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::condition::{self, ConditionType, cut};
use mizuumi_api::ingest_run::{CursorStatus, IngestRun, RunPhase};
use mizuumi_api::label;

/// Longest message of a run that is told.
pub const LONGEST_MESSAGE: usize = 512;

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobLook {
    /// The job's uid: a run of an earlier job of the same name is none of its runs.
    pub uid: String,
}

/// The runs of a job as they were seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobWorld {
    /// By their names.
    pub runs: BTreeMap<String, SeenRun>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRun {
    /// Its uid.
    pub uid: String,
    /// The backfill, if any, that made it.
    pub backfill: Option<String>,
    /// The time that it is for.
    pub session: Option<Timestamp>,
    /// How far it is, once somebody has looked at it.
    pub phase: Option<RunPhase>,
    /// What it says.
    pub message: Option<String>,
    /// How far it has read its source.
    pub cursor: Option<CursorStatus>,
    /// When it was over.
    pub finished: Option<Timestamp>,
    /// Whether it is to be given up.
    pub is_cancelled: bool,
    /// Whether it is being deleted.
    pub is_deleted: bool,
}

/// The job that a run belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedBy {
    /// Its name.
    pub job: String,
    /// Its uid.
    pub uid: String,
}

impl OwnedBy {
    /// The job that owns a run, and that its label names.
    #[must_use]
    pub fn of(run: &IngestRun) -> Option<Self> {
        let label = run.metadata.labels.as_ref()?.get(label::JOB)?;
        let owners = run.metadata.owner_references.iter().flatten();
        let mut jobs = owners.filter(|owner| {
            owner.kind == "IngestJob" && owner.api_version.starts_with(concat!("mizuumi.dev", "/"))
        });
        let owner = jobs.find(|owner| owner.name == *label)?;
        Some(Self { job: owner.name.clone(), uid: owner.uid.clone() })
    }
}

impl SeenRun {
    /// What matters of a run.
    #[must_use]
    pub fn of(run: &IngestRun) -> Self {
        let status = run.status.as_ref();
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        let told = condition::find(conditions, ConditionType::Succeeded);
        Self {
            uid: run.metadata.uid.clone().unwrap_or_default(),
            backfill: run.metadata.labels.as_ref().and_then(|labels| labels.get(label::BACKFILL)).cloned(),
            session: run.spec.session_time,
            phase: status.and_then(|status| status.phase),
            message: told.map(|told| cut(&told.message, LONGEST_MESSAGE)),
            cursor: status.and_then(|status| status.cursor.clone()),
            finished: status.and_then(|status| status.finished_at),
            is_cancelled: run.spec.cancel,
            is_deleted: run.metadata.deletion_timestamp.is_some(),
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase.is_some_and(RunPhase::is_over)
    }
}

impl JobWorld {
    /// The runs under way, the earliest session first.
    #[must_use]
    pub fn under_way(&self) -> Vec<(&str, &SeenRun)> {
        let mut all: Vec<(&str, &SeenRun)> = self
            .runs
            .iter()
            .filter(|(_, run)| !run.is_over())
            .map(|(name, run)| (name.as_str(), run))
            .collect();
        all.sort_by_key(|(name, run)| (run.session, *name));
        all
    }

    /// Those that the schedule goes by: a backfill's have a limit of their own.
    #[must_use]
    pub fn of_schedule(&self) -> Vec<(&str, &SeenRun)> {
        self.under_way().into_iter().filter(|(_, run)| run.backfill.is_none()).collect()
    }
}
