//! The checks that a run has to pass before it asks to be published.

use jiff::Timestamp;
use mizuumi_api::ingest_run::GateStatus;

use super::desired::{DesiredRun, Target, Work};
use super::world::RunWorld;
use crate::quality_check::facts::SeenFiles;
use crate::quality_check::{CatalogFacts, Known};

/// What each check says of what the run has brought: of the columns that its table has and of the files in the run's directory.
#[must_use]
pub(super) fn judged(desired: &DesiredRun, world: &RunWorld, now: Timestamp) -> Vec<GateStatus> {
    let (Target::Table(table), Some(output)) = (&desired.target, &world.output) else { return Vec::new() };
    let attempt = match &desired.work {
        Work::Own(own) => own.attempt.as_ref().map(|attempt| attempt.number).unwrap_or_default(),
        _ => 0,
    };
    let place = "what the run has brought".to_owned();
    let files = SeenFiles { place, files: output.files.clone() };
    // All that is said of one look is said as of that look.
    let now = world.looked.unwrap_or(now);
    let facts =
        CatalogFacts { columns: table.columns.clone(), files: Known::Is(files), ..CatalogFacts::default() };
    let judge = |gate: &crate::quality_check::GateRules| {
        gate.judge(attempt, &CatalogFacts { references: gate.references.clone(), ..facts.clone() }, now)
    };
    desired.gates.iter().map(judge).collect()
}
