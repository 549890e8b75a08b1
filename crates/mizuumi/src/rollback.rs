//! `mizuumi rollback`: what a run published is taken back, and that is waited for.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use mizuumi_controller::by_hand::Cluster;
use mizuumi_core::ingest_run::rollback::{Rollback, Which};

use crate::kubernetes::KubernetesArgs;
use crate::made::{self, DryRun, Output, duration, say};

/// What `rollback` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi rollback delays                                  take back what was published last
  mizuumi rollback delays --run delays-20261101-r1         take back this run
  mizuumi rollback delays --to delays-20261101-r0          go back to this run, if one was published since
  mizuumi rollback delays --dry-run=client -o yaml         print the IngestRun that would be made
  mizuumi rollback delays -n team-a --wait=false           make it, and leave

Partitions that still point to the run point to what was there before it; what later runs published stays. A rollback
takes one step back. It goes on without this command.

Exit codes:
  0  taken back; with --wait=false or --dry-run: made, or to be made
  1  an error: nothing was made
  2  made, and it failed
  3  made, and not over within --timeout")]
pub(crate) struct RollbackArgs {
    /// Name of the DataTable.
    table: String,
    /// The run that is taken back; without it, the one that was published last.
    #[arg(long, value_name = "RUN", conflicts_with = "to")]
    run: Option<String>,
    /// The run that the table goes back to: what was published right after it is taken back.
    #[arg(long, value_name = "RUN")]
    to: Option<String>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Wait until it is published or has failed.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    wait: bool,
    /// How long to wait, such as 30m; without it, for ever.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// Make nothing: `client` only prints, `server` has the API server check it as well.
    #[arg(long, value_name = "WHERE", default_value = "none")]
    dry_run: DryRun,
    /// How to print the IngestRun; without it, a line.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
}

/// Makes the run that takes another back, and waits for it.
pub(crate) async fn run(args: &RollbackArgs) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(args.kubernetes.access()).await?;
    let which = match (&args.run, &args.to) {
        (Some(run), _) => Which::Run(run.clone()),
        (None, Some(to)) => Which::To(to.clone()),
        (None, None) => Which::Last,
    };
    let asked = cluster.choose(&args.table, &which).await;
    let chosen = asked.with_context(|| format!("cannot look at DataTable '{}'", args.table))?;
    let rollback = match chosen {
        Ok(rollback) => rollback,
        Err(why) => bail!("{why}"),
    };
    let manifest = rollback.manifest(&cluster.namespace, &args.table);
    say(&announcement(&rollback, &args.table, args.dry_run));
    if !rollback.is_under_way && args.dry_run != DryRun::Client {
        let made = cluster.create(&manifest, args.dry_run == DryRun::Server).await;
        made.with_context(|| format!("IngestRun '{}'", rollback.name))?;
    }
    let what = if rollback.is_under_way { "unchanged" } else { "created" };
    made::print(&manifest, what, args.dry_run, args.output)?;
    if args.dry_run != DryRun::None || !args.wait {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(made::follow(&cluster, &rollback.name, args.timeout).await)
}

fn announcement(rollback: &Rollback, table: &str, dry_run: DryRun) -> String {
    let partitions = match rollback.partitions {
        Some(1) => "1 partition points".to_owned(),
        Some(number) => format!("up to {number} partitions point"),
        None => "its partitions point".to_owned(),
    };
    let run = &rollback.run;
    match dry_run {
        DryRun::None if rollback.is_under_way => {
            format!("run '{run}' of DataTable '{table}' is being taken back already, by '{}'", rollback.name)
        }
        DryRun::None => {
            format!("taking back run '{run}' of DataTable '{table}': {partitions} to what was there before")
        }
        DryRun::Client | DryRun::Server => {
            format!(
                "would take back run '{run}' of DataTable '{table}': {partitions} to what was there before"
            )
        }
    }
}
