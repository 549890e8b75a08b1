//! What becomes of a job's runs by a step, purely.

use super::step::JobStep;
use super::world::{JobWorld, SeenRun};

/// The world after a step. Runs go on from there by themselves.
#[must_use]
pub fn simulate(world: &JobWorld, step: &JobStep) -> JobWorld {
    let mut world = world.clone();
    match step {
        JobStep::CreateRun { run, .. } => {
            let name = run.metadata.name.clone().unwrap_or_default();
            // One that is there already stays.
            world.runs.entry(name).or_insert_with(|| SeenRun::of(run));
        }
        JobStep::LeaveOut { .. } => {}
        JobStep::CancelRun { name, uid, .. } => {
            let runs = world.runs.iter_mut().filter(|(of, run)| *of == name && run.uid == *uid);
            runs.for_each(|(_, run)| run.is_cancelled = true);
        }
        JobStep::DeleteRun { name, uid, .. } => world.runs.retain(|of, run| of != name || run.uid != *uid),
    }
    world
}
