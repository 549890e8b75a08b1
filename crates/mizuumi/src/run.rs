//! `mizuumi run` and `mizuumi rerun`: a run of a job made by hand, or an earlier run once more.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use mizuumi_api::IngestRun;
use mizuumi_controller::by_hand::Cluster;

use crate::kubernetes::KubernetesArgs;
use crate::made::{self, DryRun, Output, duration, say};

/// What `run` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi run delays                                       run the latest session of its schedule, once more if need be
  mizuumi run delays --at 2026-11-01T00:00:00+09:00        run that session
  mizuumi run delays --set days=7 --wait                   with another value, and wait for its end
  mizuumi run delays --dry-run=client -o yaml              print the IngestRun that would be made

The run is one more revision of its session: it replaces what earlier ones brought. It goes on without this command, and
whatever the job's concurrency policy says.

Exit codes:
  0  made; with --wait: succeeded
  1  an error: nothing was made
  2  made, and it failed
  3  made, and not over within --timeout")]
pub(crate) struct RunArgs {
    /// Name of the IngestJob.
    job: String,
    /// The session, a time such as 2026-11-01T00:00:00+09:00; without it, the latest of the job's schedule, or now.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// A value that the work is given instead of the job's. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    #[command(flatten)]
    how: How,
}

/// What `rerun` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi rerun delays-20261101t0000z-r0                   run that session once more, as revision 1
  mizuumi rerun delays-20261101t0000z-r0 --wait            and wait for its end

The new run has the spec of the earlier one, and not what its job says by now; for that, use: mizuumi run JOB --at TIME

Exit codes:
  0  made; with --wait: succeeded
  1  an error: nothing was made
  2  made, and it failed
  3  made, and not over within --timeout")]
pub(crate) struct RerunArgs {
    /// Name of the IngestRun.
    run: String,
    #[command(flatten)]
    how: How,
}

/// Where a run is made, and what comes after.
#[derive(Debug, clap::Args)]
struct How {
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Wait until it is published or has failed, and tell how far it is.
    #[arg(long)]
    wait: bool,
    /// How long to wait, such as 30m; without it, for ever.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Make nothing: `client` only prints, `server` has the API server check it as well.
    #[arg(long, value_name = "WHERE", default_value = "none")]
    dry_run: DryRun,
    /// How to print the IngestRun; without it, a line.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
}

/// Reads `NAME=VALUE`.
pub(crate) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("must be NAME=VALUE; it is '{text}'"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Makes a run of a job.
pub(crate) async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.how.connect().await?;
    let set: BTreeMap<String, String> = args.set.iter().cloned().collect();
    let asked = cluster.run_of_job(&args.job, args.at, set).await;
    let chosen = asked.with_context(|| format!("cannot look at IngestJob '{}'", args.job))?;
    make(&cluster, chosen, &args.how).await
}

/// Makes the next revision of a run.
pub(crate) async fn rerun(args: &RerunArgs) -> anyhow::Result<ExitCode> {
    let cluster = args.how.connect().await?;
    let asked = cluster.rerun(&args.run).await;
    let chosen = asked.with_context(|| format!("cannot look at IngestRun '{}'", args.run))?;
    make(&cluster, chosen, &args.how).await
}

async fn make(cluster: &Cluster, chosen: Result<IngestRun, String>, how: &How) -> anyhow::Result<ExitCode> {
    let run = match chosen {
        Ok(run) => run,
        Err(why) => bail!("{why}"),
    };
    let name = run.metadata.name.clone().unwrap_or_default();
    let session = run.spec.session_time.map(|session| session.to_string()).unwrap_or_default();
    let (would, revision) = (if how.dry_run == DryRun::None { "" } else { "would be " }, run.spec.revision);
    say(&format!("{would}revision {revision} of session {session}, for DataTable '{}'", run.spec.table));
    let manifest = serde_json::to_value(&run)?;
    if how.dry_run != DryRun::Client {
        let made = cluster.create(&manifest, how.dry_run == DryRun::Server).await;
        made.with_context(|| format!("IngestRun '{name}'"))?;
    }
    made::print(&manifest, "created", how.dry_run, how.output)?;
    if how.dry_run != DryRun::None || !how.wait {
        return Ok(ExitCode::SUCCESS);
    }
    Ok(made::follow(cluster, &name, how.timeout).await)
}

impl How {
    async fn connect(&self) -> anyhow::Result<Cluster> {
        Ok(Cluster::connect(self.kubernetes.access()).await?)
    }
}
