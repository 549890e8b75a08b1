//! What becomes of a job's runs by a step, purely.

use super::step::BackfillStep;
use super::world::BackfillWorld;
use crate::ingest_job::SeenRun;

/// The world after a step. Runs go on from there by themselves.
#[must_use]
pub fn simulate(world: &BackfillWorld, step: &BackfillStep) -> BackfillWorld {
    let mut world = world.clone();
    let runs = &mut world.runs.runs;
    match step {
        BackfillStep::CreateRun { run, .. } => {
            let name = run.metadata.name.clone().unwrap_or_default();
            // One that is there already stays.
            runs.entry(name).or_insert_with(|| SeenRun::of(run));
        }
        BackfillStep::LeaveOut { .. } => {}
        BackfillStep::CancelRun { name, uid } => {
            if let Some(run) = runs.get_mut(name).filter(|run| run.uid == *uid) {
                run.is_cancelled = true;
            }
        }
    }
    world
}
