//! Runs that a command makes: printed for programs, followed for people.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum;
use jiff::SignedDuration;
use mizuumi_controller::by_hand::{Cluster, End};
use serde_json::Value;

/// It was made, and failed.
const FAILED: u8 = 2;
/// It was made, and is not over yet.
const NOT_YET: u8 = 3;

/// Where nothing is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    None,
    Client,
    Server,
}

/// How the run is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Yaml,
    Json,
    Name,
}

/// How long to wait.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let length: SignedDuration =
        text.parse().map_err(|_| format!("must be a duration such as 30s, 10m or 1h; it is '{text}'"))?;
    Duration::try_from(length).map_err(|_| "must not be negative".to_owned())
}

/// Follows a run until it is over, or for so long; the exit code says how it ended.
pub(crate) async fn follow(cluster: &Cluster, name: &str, most: Option<Duration>) -> ExitCode {
    match cluster.follow(name, most, say).await {
        End::Succeeded(message) => {
            say(&message);
            ExitCode::SUCCESS
        }
        End::Failed(message) => {
            say(&format!("error: IngestRun '{name}' failed: {message}"));
            ExitCode::from(FAILED)
        }
        End::Gone => {
            say(&format!("error: IngestRun '{name}' was deleted before it was over"));
            ExitCode::from(FAILED)
        }
        End::NotYet(message) => {
            say(&format!(
                "error: IngestRun '{name}' is not over yet, and goes on: {message}\nsee: kubectl describe irun {name} -n {}",
                cluster.namespace
            ));
            ExitCode::from(NOT_YET)
        }
    }
}

/// The run that was made goes to standard output, for programs.
pub(crate) fn print(
    manifest: &Value,
    what: &str,
    dry_run: DryRun,
    output: Option<Output>,
) -> anyhow::Result<()> {
    print_as("ingestrun", manifest, what, dry_run, output)
}

/// The same of a resource of any kind.
pub(crate) fn print_as(
    kind: &str,
    manifest: &Value,
    what: &str,
    dry_run: DryRun,
    output: Option<Output>,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let name = format!("{kind}.mizuumi.dev/{}", manifest["metadata"]["name"].as_str().unwrap_or_default());
    match output {
        Some(Output::Yaml) => out.write_all(serde_saphyr::to_string(manifest)?.as_bytes())?,
        Some(Output::Json) => writeln!(out, "{}", serde_json::to_string_pretty(manifest)?)?,
        Some(Output::Name) => writeln!(out, "{name}")?,
        None => {
            let dry = match dry_run {
                DryRun::None => "",
                DryRun::Client => " (dry run)",
                DryRun::Server => " (server dry run)",
            };
            writeln!(out, "{name} {what}{dry}")?;
        }
    }
    Ok(())
}

/// What is for a person goes to standard error.
pub(crate) fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
