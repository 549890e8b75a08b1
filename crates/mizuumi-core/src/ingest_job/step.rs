//! What is done about a job, one write at a time.

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_run::IngestRun;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum JobStep {
    /// Make the run of a session. The session is written down before.
    CreateRun {
        /// The session.
        session: Timestamp,
        /// The run, whose name is made from the session.
        run: Box<IngestRun>,
    },
    /// Leave sessions out. The status says it; nothing else is written.
    LeaveOut {
        /// The first.
        from: Timestamp,
        /// The last.
        to: Timestamp,
        /// Why.
        why: String,
    },
    /// Have a run given up.
    CancelRun {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// The session that takes its place.
        session: Timestamp,
    },
    /// Delete a run that is over.
    DeleteRun {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Why.
        why: String,
    },
}

impl JobStep {
    /// The latest session that is dealt with by it.
    #[must_use]
    pub const fn session(&self) -> Option<Timestamp> {
        match self {
            Self::CreateRun { session, .. } => Some(*session),
            Self::LeaveOut { to, .. } => Some(*to),
            Self::CancelRun { .. } | Self::DeleteRun { .. } => None,
        }
    }

    /// The reason that the Event about this step carries.
    #[must_use]
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::CreateRun { .. } => "RunCreated",
            Self::LeaveOut { .. } => "SessionsLeftOut",
            Self::CancelRun { .. } => "RunCancelled",
            Self::DeleteRun { .. } => "RunDeleted",
        }
    }
}

impl fmt::Display for JobStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRun { session, run } => {
                let name = run.metadata.name.as_deref().unwrap_or_default();
                write!(f, "create run '{name}' for session {session}")
            }
            Self::LeaveOut { from, to, why } if from == to => write!(f, "leave out session {from}: {why}"),
            Self::LeaveOut { from, to, why } => {
                write!(f, "leave out the sessions from {from} to {to}: {why}")
            }
            Self::CancelRun { name, session, .. } => {
                write!(f, "cancel run '{name}': session {session} takes its place")
            }
            Self::DeleteRun { name, why, .. } => write!(f, "delete run '{name}': {why}"),
        }
    }
}
