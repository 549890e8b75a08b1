//! The `mizuumi` command.

mod cli;
mod crds;
mod manifests;
mod plan;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
