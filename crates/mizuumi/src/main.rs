//! The `mizuumi` command.

mod check;
mod cli;
mod crds;
mod explain;
mod freshness;
mod kubernetes;
mod made;
mod manifests;
mod plan;
mod plan_jobs;
mod rollback;
mod run;
mod settings;
mod status;
mod terminal;

use std::process::ExitCode;

/// Gives memory back after a peak, and wastes less between many small things of many sizes than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
