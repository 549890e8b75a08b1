//! The `mizuumi-localaws` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mizuumi_localaws::cli::main()
}
