//! How far sessions have read their source: kept when a run succeeds, and told to the runs of later sessions.

use mizuumi_api::ingest_job::{IngestJob, JobCursor};
use mizuumi_api::ingest_run::{IngestRun, RunPhase};

use super::world::JobWorld;
use crate::ingest_run::work::said_by;

/// The column that says it, as images take it.
const CURSOR: &str = "MIZUUMI_SOURCE_CURSOR";

/// The cursor of the latest session that says one: of those that are there, and of the one that is known.
pub(super) fn latest(world: &JobWorld, known: Option<JobCursor>) -> Option<JobCursor> {
    let succeeded = world.runs.values().filter(|run| run.phase == Some(RunPhase::Succeeded));
    let cursors = succeeded.filter_map(|run| {
        let cursor = run.cursor.clone()?;
        Some(JobCursor { session_time: run.session?, column: cursor.column, last: cursor.last })
    });
    // A session that was run once more counts as it was read last.
    known.into_iter().chain(cursors).max_by_key(|cursor| cursor.session_time)
}

/// Tells a run how far an earlier session has read its source. Not so that of a session of the past, as a backfill has: later ones have read
/// more. Nor if the run goes by another column.
pub(super) fn tell(job: &IngestJob, run: &mut IngestRun) {
    let Some(cursor) = job.status.as_ref().and_then(|status| status.cursor.as_ref()) else { return };
    let is_later = run.spec.session_time > Some(cursor.session_time);
    if is_later && said_by(&run.spec, CURSOR).is_none_or(|column| column == cursor.column) {
        run.spec.before = Some(cursor.last.clone());
    }
}
