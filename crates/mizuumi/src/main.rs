//! The `mizuumi` command.

mod ask;
mod backfill;
mod check;
mod check_pre;
mod cli;
mod crds;
mod describe;
mod diff;
mod explain;
mod freshness;
mod handbook;
mod iam_policy;
mod import;
mod import_emr;
mod inventory;
mod kubernetes;
mod lineage;
mod lint;
mod made;
mod manifests;
mod places;
mod plan;
mod plan_clusters;
mod plan_jobs;
mod plan_told;
mod references;
mod rollback;
mod run;
mod settings;
mod status;
mod terminal;
mod traces;
mod wait;

use std::process::ExitCode;

/// Gives memory back after a peak, and wastes less between many small things of many sizes than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
