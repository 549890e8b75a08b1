//! Measures what Mizuumi does and what it costs: `make bench`.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mizuumi_tests::bench::{Id, Quota, Settings, Size, run};

/// Runs the benchmarks B1 to B9, B11 to B13, B19 and B20 on the stand that MIZUUMI_STAND names, and prints one table.
#[derive(Debug, Parser)]
struct Arguments {
    /// Numbers of tables, such as 1k,10k,100k.
    #[arg(long, value_delimiter = ',', default_value = "1k,10k")]
    sizes: Vec<Size>,
    /// Which benchmarks, such as B1,B3; without it, all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Id>,
    /// Seed of the tables' columns and of the endpoint's latency.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sweeps that B3 watches.
    #[arg(long, default_value_t = 3)]
    sweeps: usize,
    /// Seconds between sweeps in B3 and B7.
    #[arg(long, default_value_t = 15)]
    sweep_seconds: u32,
    /// Seconds of rest before memory is measured.
    #[arg(long, default_value_t = 60)]
    rest: u64,
    /// Latency of the endpoint in milliseconds.
    #[arg(long, default_value_t = 50)]
    latency: u64,
    /// How far it may be off, in milliseconds.
    #[arg(long, default_value_t = 20)]
    jitter: u64,
    /// Quotas of Glue operations in calls a second, instead of CreateTable=100,UpdateTable=100,GetTables=10.
    #[arg(long, value_delimiter = ',')]
    quota: Vec<Quota>,
    /// Namespaces that the objects are spread over.
    #[arg(long, default_value_t = 10)]
    namespaces: usize,
    /// Tables in one Glue database.
    #[arg(long, default_value_t = 10_000)]
    per_database: usize,
    /// EMR clusters of B11 and B12.
    #[arg(long, default_value_t = 40)]
    clusters: usize,
    /// Runs of B11 and B12 that work on them.
    #[arg(long, default_value_t = 3000)]
    runs: usize,
    /// How many seconds the day of B11 lasts.
    #[arg(long, default_value_t = 480)]
    day: u64,
    /// Set `rates.gluePerSecond` of the controller's configuration, instead of the product's default; where there is a
    /// highest rate, it must not be over that.
    #[arg(long)]
    glue_per_second: Option<u32>,
    /// The folder for results; without it, `results/<time>` in the stand's.
    #[arg(long)]
    results: Option<PathBuf>,
}

impl Arguments {
    fn settings(self) -> Settings {
        let usual = Settings::default();
        let only: BTreeSet<Id> = self.only.into_iter().collect();
        let mut sizes = self.sizes;
        sizes.sort();
        Settings {
            sizes,
            only: if only.is_empty() { Id::ALL.into() } else { only },
            seed: self.seed,
            sweeps: self.sweeps,
            sweep_seconds: self.sweep_seconds,
            rest: Duration::from_secs(self.rest),
            latency: (Duration::from_millis(self.latency), Duration::from_millis(self.jitter)),
            quotas: if self.quota.is_empty() { usual.quotas.clone() } else { self.quota },
            namespaces: self.namespaces,
            per_database: self.per_database,
            clusters: self.clusters,
            runs: self.runs,
            day: Duration::from_secs(self.day),
            glue_per_second: self.glue_per_second,
            results: self.results,
            ..usual
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let settings = Arguments::parse().settings();
    let mut told = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let done = tokio::select! {
        done = run(&settings) => done,
        // Leaving this function ends the controller too, which nobody else would.
        _ = told.recv() => anyhow::bail!("told to stop"),
    };
    let (report, table) = done?;
    writeln!(std::io::stdout(), "{table}\nAll of it: {}", report.folder().display())?;
    Ok(if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
