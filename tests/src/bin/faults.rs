//! Tries every fault and prints what came of it: `make faults`.

use std::fs;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Parser;
use mizuumi_stand::Stand;
use mizuumi_tests::faults::{self, ALL, Fault, Options, Verdict};

/// Tries every fault and prints what came of it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only these, such as F1,F9; F1c is F1 for clusters alone.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many seconds a minute of the full run lasts; 60 is the full run.
    #[arg(long, default_value_t = Options::USUAL.scale)]
    scale: f64,
    /// Seed of all that is left to chance.
    #[arg(long, default_value_t = Options::USUAL.seed)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if !(0.05..=60.0).contains(&arguments.scale) {
        bail!("--scale must be from 0.05 to 60; it is {}", arguments.scale);
    }
    let options = Options { scale: arguments.scale, seed: arguments.seed };
    let chosen = chosen(&arguments.only)?;
    let folder = Stand::from_env()?.folder().join("results");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // What a panic of the harness says stands in the row.
    std::panic::set_hook(Box::new(|_| {}));
    let mut rows = Vec::new();
    for fault in chosen {
        write!(std::io::stderr(), "{:<4} {} … ", fault.id, fault.what)?;
        let row = fault.run(options).await;
        writeln!(std::io::stderr(), "{:.0} s", row.took().as_secs_f64())?;
        fs::write(folder.join(format!("{}.txt", fault.id)), row.remarks())?;
        rows.push(row);
    }
    let heading = format!("`make faults SCALE={} SEED={}`", options.scale, options.seed);
    fs::write(folder.join("faults.md"), faults::markdown(&rows, &heading))?;
    writeln!(
        std::io::stdout(),
        "\n{}\nwritten to {}",
        faults::text(&rows),
        folder.join("faults.md").display()
    )?;
    let holds = rows.iter().all(|row| *row.verdict() != Verdict::Fails);
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Fault>> {
    if only.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let mut found = Vec::new();
    for id in only {
        let faults = faults::numbered(id);
        if faults.is_empty() {
            bail!("there is no fault {id}");
        }
        found.extend(faults);
    }
    Ok(found)
}
