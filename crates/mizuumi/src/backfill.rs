//! `mizuumi backfill`: a range of the past that a job catches up with, made and followed.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use mizuumi_api::backfill::{BackfillOrder, BackfillSessions, BackfillStatus};
use mizuumi_api::condition::{self, ConditionStatus, ConditionType};
use mizuumi_api::{Backfill, ResourceId, ResourceKind};
use mizuumi_controller::Followed;
use mizuumi_controller::by_hand::Cluster;
use mizuumi_core::backfill::by_hand::{Asked, Listed, Moment};
use serde::Deserialize;
use serde_json::Value;

use crate::kubernetes::KubernetesArgs;
use crate::made::{DryRun, Output, duration, print_as, say};
use crate::run::setting;

/// It was made, and sessions failed.
const FAILED: u8 = 2;
/// It was made, and is not over yet.
const NOT_YET: u8 = 3;
/// 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;
/// The width of the bar.
const BAR: usize = 30;

/// What `backfill` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi backfill delays --from 2026-01-01 --to 2026-02-01                 the sessions of January, one after the other
  mizuumi backfill delays --from 2026-01-01 --to 2026-02-01 --dry-run       list them
  mizuumi backfill delays --from 2025-01-01 --to 2026-01-01 --max-active-runs 8 --newest-first --wait
  mizuumi backfill delays --from 2026-01-01 --to 2026-02-01 --again         also those that have data

It makes a Backfill, and the controller does the rest: it goes on without this command.
  mizuumi suspend bfill/NAME        make no more runs for a while; mizuumi resume bfill/NAME goes on
  kubectl delete bfill NAME         give it up, with its runs under way
Sessions that failed are run by another backfill of the same range.

Exit codes:
  0  made; with --wait: all sessions are done
  1  an error: nothing was made
  2  made, and sessions failed, or it was deleted
  3  made, and not over within --timeout
  130  made, and no longer followed: it goes on")]
pub(crate) struct BackfillArgs {
    /// Name of the IngestJob.
    job: String,
    /// The first session: a day by the clock of the job's time zone, such as 2026-01-01, or a time such as 2026-01-01T00:00:00+09:00.
    #[arg(long, value_name = "TIME")]
    from: Moment,
    /// Up to this day or time, which is not included.
    #[arg(long, value_name = "TIME")]
    to: Moment,
    /// How many runs may be under way at once; without it, one.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..=50))]
    max_active_runs: Option<i32>,
    /// Begin with the latest session.
    #[arg(long)]
    newest_first: bool,
    /// Run the sessions that have data as well: what they bring takes the place of that.
    #[arg(long)]
    again: bool,
    /// A value that the work is given instead of the job's. May be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Name of the Backfill; without it, one is made from the job and the range.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
    /// Wait until all sessions are done, and show how far it is.
    #[arg(long, visible_alias = "follow")]
    wait: bool,
    /// How long to wait, such as 30m; without it, for ever.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Make nothing, and list the sessions: `server` has the API server check it as well.
    #[arg(long, value_name = "WHERE", default_value = "none", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: DryRun,
    /// How to print the Backfill; without it, a line.
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
}

/// Makes a backfill of a job.
pub(crate) async fn run(args: &BackfillArgs) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(args.kubernetes.access()).await?;
    let asked = Asked {
        from: args.from,
        to: args.to,
        sessions: if args.again { BackfillSessions::All } else { BackfillSessions::Missing },
        order: if args.newest_first { BackfillOrder::NewestFirst } else { BackfillOrder::OldestFirst },
        max_active_runs: args.max_active_runs,
        parameters: args.set.iter().cloned().collect(),
        name: args.name.clone(),
    };
    let chosen = cluster.backfill_of_job(&args.job, &asked).await;
    let chosen = chosen.with_context(|| format!("cannot look at IngestJob '{}'", args.job))?;
    let (backfill, sessions) = match chosen {
        Ok(chosen) => chosen,
        Err(why) => bail!("{why}"),
    };
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else {
        bail!(
            "the schedule of IngestJob '{}' has no session from {} to {} that has come",
            args.job,
            backfill.spec.from,
            backfill.spec.to
        );
    };
    let at_once = backfill.spec.max_active_runs.unwrap_or(1);
    say(&format!(
        "{} sessions, from {} to {}, {}",
        sessions.len(),
        first.session_time,
        last.session_time,
        if at_once == 1 { "one after the other".to_owned() } else { format!("{at_once} at once") }
    ));
    let name = backfill.metadata.name.clone().unwrap_or_default();
    if args.dry_run != DryRun::Client {
        let made = cluster.create_backfill(&backfill, args.dry_run == DryRun::Server).await;
        made.with_context(|| format!("Backfill '{name}'"))?;
    }
    if args.dry_run != DryRun::None && args.output.is_none() {
        list(&sessions)?;
    }
    let manifest = serde_json::to_value(&backfill)?;
    print_as("backfill", &manifest, "created", args.dry_run, args.output)?;
    if args.dry_run != DryRun::None || !args.wait {
        return Ok(ExitCode::SUCCESS);
    }
    follow(args, &backfill).await
}

/// A line for each session.
fn list(sessions: &[Listed]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for session in sessions {
        let why = session.left_out_for.as_ref().map(|run| format!("  left out: run '{run}' is there"));
        writeln!(out, "{}{}", session.session_time, why.unwrap_or_default())?;
    }
    Ok(())
}

/// What came of it.
enum End {
    Done(String),
    Failed(String),
}

/// Follows a backfill until all sessions are done, somebody interrupts, or for so long.
async fn follow(args: &BackfillArgs, backfill: &Backfill) -> anyhow::Result<ExitCode> {
    let lookup = args.kubernetes.lookup().await?;
    let (namespace, name) = (lookup.namespace.clone(), backfill.metadata.name.clone().unwrap_or_default());
    let id = ResourceId { kind: ResourceKind::Backfill, namespace, name };
    let mut progress = Progress::default();
    let look = |object: &Value| -> ControlFlow<End> {
        let Ok(status) = BackfillStatus::deserialize(&object["status"]) else {
            return ControlFlow::Continue(());
        };
        let of = |type_| condition::find(&status.conditions, type_);
        let message = of(ConditionType::Succeeded).map(|told| told.message.clone()).unwrap_or_default();
        match of(ConditionType::Succeeded).map(|told| told.status) {
            Some(ConditionStatus::True) => return ControlFlow::Break(End::Done(message)),
            Some(ConditionStatus::False) => return ControlFlow::Break(End::Failed(message)),
            _ => progress.show(&status, &message),
        }
        ControlFlow::Continue(())
    };
    let goes_on = format!(
        "it goes on; to see how far it is: kubectl get bfill {} -n {}; to stop it: mizuumi suspend bfill/{} -n {}",
        id.name, id.namespace, id.name, id.namespace
    );
    let followed = tokio::select! {
        followed = lookup.follow(&id, args.timeout, look) => followed.with_context(|| id.to_string())?,
        _ = tokio::signal::ctrl_c() => {
            say(&format!("\n{id} is not followed any more, and {goes_on}"));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    progress.end();
    Ok(match followed {
        Followed::Found(End::Done(message)) => {
            say(&message);
            ExitCode::SUCCESS
        }
        Followed::Found(End::Failed(message)) => {
            say(&format!("error: {id}: {message}"));
            ExitCode::from(FAILED)
        }
        Followed::Gone => {
            say(&format!("error: {id} was deleted before it was over"));
            ExitCode::from(FAILED)
        }
        Followed::NotYet => {
            say(&format!("error: {id} is not over yet, and {goes_on}"));
            ExitCode::from(NOT_YET)
        }
    })
}

/// How far a backfill is: a bar on a terminal, and a line for each change elsewhere.
#[derive(Default)]
struct Progress {
    said: String,
    is_open: bool,
}

impl Progress {
    fn show(&mut self, status: &BackfillStatus, message: &str) {
        if message.is_empty() || message == self.said {
            return;
        }
        message.clone_into(&mut self.said);
        if !io::stderr().is_terminal() {
            return say(message);
        }
        let left = [status.running, status.waiting].into_iter().flatten().sum::<i64>();
        let share = status.sessions.filter(|all| *all > 0).and_then(|all| {
            let done = usize::try_from(all - left).ok()?;
            Some(done * BAR / usize::try_from(all).ok()?)
        });
        let done = share.unwrap_or_default().min(BAR);
        let bar = format!("{}{}", "#".repeat(done), ".".repeat(BAR - done));
        // The line is written over; what was longer is cleared.
        write!(io::stderr(), "\r[{bar}] {message}\u{1b}[K").ok();
        io::stderr().flush().ok();
        self.is_open = true;
    }

    /// Ends the line of the bar.
    fn end(&self) {
        if self.is_open {
            say("");
        }
    }
}
