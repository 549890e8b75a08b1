//! The command line: what can be asked of `mizuumi`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use mizuumi_api::Installation;
use mizuumi_aws::SPANS;
use mizuumi_core::Shard;
use opentelemetry::trace::TracerProvider as _;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::ask::{self, ReconcileArgs, SuspendArgs};
use crate::backfill::{self, BackfillArgs};
use crate::check::{self, CheckArgs};
use crate::describe::{self, DescribeArgs};
use crate::diff::{self, DiffArgs};
use crate::explain::{self, ExplainArgs};
use crate::freshness::{self, FreshnessArgs};
use crate::handbook::{self, CompletionsArgs, ManArgs};
use crate::iam_policy::{self, IamPolicyArgs};
use crate::import::{self, ImportArgs};
use crate::inventory::{self, InventoryArgs};
use crate::lineage::{self, LineageArgs};
use crate::lint::{self, LintArgs};
use crate::plan_told::Form;
use crate::rollback::{self, RollbackArgs};
use crate::run::{RerunArgs, RunArgs};
use crate::settings::{self, SettingsArgs};
use crate::status::{self, StatusArgs};
use crate::terminal::{Colour, Terminal};
use crate::traces::Traces;
use crate::wait::{self, WaitArgs};
use crate::{crds, plan, run};

/// GitOps for a data lake on AWS.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to colour what is printed for people; NO_COLOR and TERM=dumb are heeded.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Colour,
    /// The same as --color=never.
    #[arg(long, global = true, conflicts_with = "color")]
    no_color: bool,
}

const EXAMPLES: &str = "Examples:
  mizuumi crds | kubectl apply --server-side -f -     install the custom resources
  mizuumi controller --config mizuumi.yaml            run the controllers
  mizuumi plan --config mizuumi.yaml -f tables/       show what an apply would change in AWS
  mizuumi lint -f tables/                             tell every mistake in manifests, with file and line
  mizuumi status -A                                   show what needs attention
  mizuumi explain dtbl/delays                         tell why a table is not ready, or not fresh
  mizuumi describe dtbl/delays                        show a table, its jobs, runs, checks and clusters
  mizuumi diff dtbl/delays                            show what of a resource is otherwise in AWS
  mizuumi lineage delays                              show where a table's data comes from and where it goes
  mizuumi import glue nyc -o tables/                  write manifests of the tables that there are
  mizuumi freshness -A                                show how late each table is
  mizuumi run delays --wait                           run a job by hand, and follow it
  mizuumi backfill delays --from 2026-01-01 --to 2026-02-01   catch up with a month
  mizuumi wait delays --covers 2026-11-01T00:00:00Z   wait until a table's data is there
  mizuumi reconcile dtbl/delays                       have a resource looked at now
  mizuumi rollback delays                             take back what was published last into a table
  mizuumi check delays -f rules.dqdl                  evaluate rules over a table, once
  mizuumi check --pre                                 try what a controller would find in Kubernetes and AWS
  mizuumi inventory                                   list what there is in AWS that no resource keeps
  mizuumi settings adhoc                              show an EMR cluster's settings, and where each comes from";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the controllers until told to stop.
    Controller(ControllerArgs),
    /// Print the custom resource definitions, or write them to a folder.
    Crds(CrdsArgs),
    /// Show what applying manifests would change in AWS. Only reads.
    Plan(PlanArgs),
    /// Tell what is wrong with manifests, with file and line. Asks neither Kubernetes nor AWS.
    Lint(LintArgs),
    /// Print the least policy of IAM that the configuration needs.
    IamPolicy(IamPolicyArgs),
    /// Tell why a resource is not ready or not fresh, what it waits for, and what to do. Only reads.
    Explain(ExplainArgs),
    /// Show a resource and those that it has to do with, as a tree. Only reads.
    Describe(DescribeArgs),
    /// Show what of a resource in Kubernetes is otherwise in AWS. Only reads.
    Diff(DiffArgs),
    /// Show where a table's data comes from, and where it goes. Only reads.
    Lineage(LineageArgs),
    /// List tables, prefixes and clusters in AWS that no resource keeps. Only reads.
    Inventory(InventoryArgs),
    /// Show all resources at a glance, and those that need attention. Only reads.
    Status(StatusArgs),
    /// Show how late each table is, the latest first. Only reads.
    Freshness(FreshnessArgs),
    /// Write manifests of what there is in AWS, so that taking it over changes nothing. Only reads AWS.
    Import(ImportArgs),
    /// Make a run of a job by hand.
    Run(RunArgs),
    /// Make a run once more, as the next revision of its session.
    Rerun(RerunArgs),
    /// Catch up with a range of the past: a run for each session of a job's schedule in it.
    Backfill(BackfillArgs),
    /// Have a resource looked at now, and wait for that.
    Reconcile(ReconcileArgs),
    /// Stop writing for a resource for a while.
    Suspend(SuspendArgs),
    /// Go on with a resource that is suspended.
    Resume(SuspendArgs),
    /// Wait until a table's data is there. Only reads.
    Wait(WaitArgs),
    /// Take back what a run published into a table.
    Rollback(RollbackArgs),
    /// Evaluate rules over a table once, and tell which do not pass; with --pre: try what a controller would find. Only reads.
    Check(CheckArgs),
    /// Show the settings that an EMR cluster's pieces come to, and where each comes from. Only reads.
    Settings(SettingsArgs),
    /// Print what completes these commands in a shell.
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command.
    Man(ManArgs),
}

#[derive(Debug, clap::Args)]
struct ControllerArgs {
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// Write the log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
    /// Where to answer /metrics, /healthz and /readyz; `none`: nowhere.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464", value_parser = listen)]
    metrics_listen: Listen,
    /// Work only while holding this Lease, where several controllers of an installation run; without it, at once.
    #[arg(long, value_name = "NAMESPACE/NAME")]
    lease: Option<mizuumi_controller::LeaseName>,
    /// Which of the configuration's `kubernetes.shards` this controller is, from 0.
    #[arg(long, value_name = "INDEX")]
    shard: Option<u16>,
}

/// An address, or none.
#[derive(Clone, Copy, Debug)]
struct Listen(Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address =
        text.parse().map_err(|_| "must be an address such as 0.0.0.0:9464, or 'none'".to_owned())?;
    Ok(Listen(Some(address)))
}

#[derive(Debug, clap::Args)]
struct CrdsArgs {
    /// Write one file for each kind into this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// What `plan` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mizuumi plan -f tables/                        what an apply would change
  mizuumi plan -f tables/ --detailed-exitcode    for a pipeline
  mizuumi plan -f tables/ -o markdown            for a comment of a pull request
  mizuumi plan -f tables/ -o json                for programs, an object a line
  cat orders.yaml | mizuumi plan -f -            one manifest

Exit codes:
  0  done; with --detailed-exitcode: no changes
  1  an error: a manifest or the configuration is wrong, or AWS could not be read
  2  with --detailed-exitcode: there are changes

Resources are planned as the manifests say; annotations that only the cluster's copy has are not known here.")]
pub(crate) struct PlanArgs {
    /// The installation's configuration.
    #[arg(long, env = "MIZUUMI_CONFIG", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// A manifest, a folder of manifests (with its subfolders), or - for standard input.
    #[arg(short, long = "filename", required = true, value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// The namespace of manifests that name none.
    #[arg(short, long, default_value = "default")]
    pub(crate) namespace: String,
    /// Tell by the exit code whether there are changes.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// How to print it.
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub(crate) output: Form,
}

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let is_diff = matches!(cli.command, Command::Diff(_));
    match dispatch(cli) {
        Ok(code) => code,
        // Who reads no further wants to hear no more: the code that the signal would have given.
        Err(error) if is_broken_pipe(&error) => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}").ok();
            // 1 says there that something differs.
            if is_diff { ExitCode::from(diff::ERROR) } else { ExitCode::FAILURE }
        }
    }
}

/// The command line, under the name that it was called by: a program `kubectl-mizuumi` is `kubectl mizuumi`.
pub(crate) fn command() -> clap::Command {
    let program = std::env::args_os().next().map(PathBuf::from);
    let is_plugin =
        program.as_deref().and_then(Path::file_stem).is_some_and(|name| name == "kubectl-mizuumi");
    if is_plugin { Cli::command().bin_name("kubectl mizuumi") } else { Cli::command() }
}

/// 128 and the number of SIGPIPE.
const BROKEN_PIPE: u8 = 141;

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(io::ErrorKind::BrokenPipe))
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let terminal = Terminal::new(if cli.no_color { Colour::Never } else { cli.color });
    match cli.command {
        Command::Controller(args) => {
            let installation = configuration(&args.config)?;
            let shard = Shard::new(args.shard, installation.kubernetes.shards).map_err(anyhow::Error::msg)?;
            let runtime = runtime()?;
            let _within = runtime.enter();
            let traces = Traces::new()?;
            log_and_trace(args.log_json, "info,kube_runtime=warn", &traces);
            runtime.block_on(mizuumi_controller::run(
                installation,
                args.metrics_listen.0,
                args.lease,
                shard,
            ))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Crds(args) => crds::run(args.out.as_deref()),
        Command::Completions(args) => handbook::completions(&args, Cli::command()),
        Command::Man(args) => handbook::man(&args, Cli::command()),
        Command::Plan(args) => {
            let installation = configuration(&args.config)?;
            log(false, QUIET);
            runtime()?.block_on(plan::run(&args, &installation, terminal))
        }
        Command::Lint(args) => {
            let installation = args.config().map(configuration).transpose()?;
            lint::run(&args, installation, terminal)
        }
        Command::IamPolicy(args) => {
            let installation = configuration(&args.config)?;
            iam_policy::run(&args, &installation)
        }
        Command::Explain(args) => quietly(explain::run(&args, terminal)),
        Command::Describe(args) => quietly(describe::run(&args, terminal)),
        Command::Diff(args) => {
            let installation = configuration(&args.config)?;
            log(false, QUIET);
            runtime()?.block_on(diff::run(&args, &installation, terminal))
        }
        Command::Inventory(args) => {
            let installation = configuration(&args.config)?;
            log(false, QUIET);
            runtime()?.block_on(inventory::run(&args, &installation, terminal))
        }
        Command::Lineage(args) => quietly(lineage::run(&args, terminal)),
        Command::Status(args) => quietly(status::run(&args, terminal)),
        Command::Freshness(args) => quietly(freshness::run(&args, terminal)),
        Command::Import(args) => {
            let installation = configuration(args.config())?;
            log(false, QUIET);
            runtime()?.block_on(import::run(&args, &installation))
        }
        Command::Run(args) => quietly(run::run(&args)),
        Command::Rerun(args) => quietly(run::rerun(&args)),
        Command::Backfill(args) => quietly(backfill::run(&args)),
        Command::Reconcile(args) => quietly(ask::reconcile(&args)),
        Command::Suspend(args) => quietly(ask::suspend(&args, true)),
        Command::Resume(args) => quietly(ask::suspend(&args, false)),
        Command::Wait(args) => quietly(wait::run(&args)),
        Command::Rollback(args) => quietly(rollback::run(&args)),
        Command::Check(args) => {
            let installation = configuration(&args.config)?;
            log(false, QUIET);
            runtime()?.block_on(check::run(&args, &installation, terminal))
        }
        Command::Settings(args) => quietly(settings::run(&args)),
    }
}

/// Does what asks Kubernetes alone.
fn quietly(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    log(false, QUIET);
    runtime()?.block_on(work)
}

/// What commands log for a person; what becomes of a request is told by the error.
const QUIET: &str = "warn,kube_client=off";

fn configuration(path: &Path) -> anyhow::Result<Installation> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Installation::from_yaml(&text).with_context(|| path.display().to_string())
}

fn log(json: bool, filter: &str) {
    log_and_trace(json, filter, &Traces(None));
}

fn log_and_trace(json: bool, filter: &str, traces: &Traces) {
    let filter = EnvFilter::try_from_env("MIZUUMI_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    // Spans are not for the log. What is a constant can be read.
    let filter = match format!("{SPANS}=off").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    // A log that cannot be written is no reason to stop; complaining of it where it cannot be written would be.
    let log = log.log_internal_errors(false);
    let log = if json { log.json().boxed() } else { log.boxed() };
    let traces = traces.0.as_ref().map(|provider| {
        let spans = Targets::new().with_target(SPANS, LevelFilter::INFO);
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("mizuumi"));
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(spans)
    });
    tracing_subscriber::registry().with(traces).with(log.with_filter(filter)).init();
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // One TLS provider for Kubernetes and AWS; chosen before anybody opens a connection. Only a second call can fail.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    tokio::runtime::Runtime::new().context("cannot start the runtime")
}
