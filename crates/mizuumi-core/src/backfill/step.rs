//! What is done about a backfill, one write at a time.

use std::fmt;

use jiff::Timestamp;
use mizuumi_api::ingest_run::IngestRun;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum BackfillStep {
    /// Make the run of a session. The session is written down before.
    CreateRun {
        /// The session.
        session: Timestamp,
        /// The run, whose name is made from session and revision.
        run: Box<IngestRun>,
    },
    /// Leave sessions out that need no run. The status says it; nothing else is written.
    LeaveOut {
        /// The first, in the order of the backfill.
        from: Timestamp,
        /// The last.
        to: Timestamp,
        /// How many.
        sessions: i64,
    },
    /// Have a run given up.
    CancelRun {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
}

impl BackfillStep {
    /// The reason that the Event about this step carries.
    #[must_use]
    pub const fn event_reason(&self) -> &'static str {
        match self {
            Self::CreateRun { .. } => "RunCreated",
            Self::LeaveOut { .. } => "SessionsLeftOut",
            Self::CancelRun { .. } => "RunCancelled",
        }
    }
}

impl fmt::Display for BackfillStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = "data or a run under way is there";
        match self {
            Self::CreateRun { session, run } => {
                let name = run.metadata.name.as_deref().unwrap_or_default();
                write!(f, "create run '{name}' for session {session}")
            }
            Self::LeaveOut { from, to, .. } if from == to => write!(f, "leave out session {from}: {why}"),
            Self::LeaveOut { from, to, sessions } => {
                write!(f, "leave out {sessions} sessions from {from} to {to}: {why}")
            }
            Self::CancelRun { name, .. } => write!(f, "cancel run '{name}': its backfill is deleted"),
        }
    }
}
