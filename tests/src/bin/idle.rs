//! Prints what many tables cost while nothing changes: `make idle`.

use std::io::Write as _;

use clap::Parser;

/// Measures what many tables cost while nothing changes.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many tables.
    #[arg(long, default_value_t = 1000)]
    tables: usize,
    /// How many sweeps to watch.
    #[arg(long, default_value_t = 5)]
    sweeps: usize,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let figures = mizuumi_tests::idle::measure(arguments.tables, arguments.sweeps).await;
    writeln!(std::io::stdout(), "{figures}")
}
