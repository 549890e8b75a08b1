//! Old versions of a definition: Glue keeps each archived one, up to a quota of the account, until somebody deletes it.

use super::desired::DesiredTable;
use super::step::TableStep;
use super::world::TableWorld;

/// BatchDeleteTableVersion takes 100 (AWS Glue API reference).
const LARGEST_DELETE: usize = 100;

/// Deletes the versions that are older than the spec keeps. The present one is the first and none of them.
#[must_use]
pub fn steps(desired: &DesiredTable, world: &TableWorld) -> Vec<TableStep> {
    let (Some(kept), Some(versions)) = (desired.keeps_versions, &world.versions) else { return Vec::new() };
    let old: Vec<&String> = versions.iter().skip(1 + kept).collect();
    // The oldest first, so that what is cut short leaves no gap.
    let oldest: Vec<String> = old.into_iter().rev().cloned().collect();
    oldest.chunks(LARGEST_DELETE).map(|some| TableStep::DeleteVersions(some.to_vec())).collect()
}
