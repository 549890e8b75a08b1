//! Command `mizuumi-stand`: see [`mizuumi_stand::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    mizuumi_stand::cli::main()
}
