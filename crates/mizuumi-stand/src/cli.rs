//! The command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};

use crate::cache::{Cache, Source};
use crate::down;
use crate::environment;
use crate::layout::Layout;
use crate::parts::Part;
use crate::ports::Choice;
use crate::probe;
use crate::say::{Say, seconds};
use crate::stand::Stand;
use crate::start;
use crate::state::State;
use crate::up::{self, up};
use crate::with::{self, Signals};

/// The local stand: a real Kubernetes control plane and the local AWS endpoint, on 127.0.0.1.
#[derive(Debug, Parser)]
#[command(name = "mizuumi-stand", version)]
struct Cli {
    /// The stand's folder.
    #[arg(long, global = true, env = "MIZUUMI_STAND", default_value = ".stand", value_name = "FOLDER")]
    dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build what a stand needs into the cache (minutes the first time, nothing afterwards).
    Build(What),
    /// Start the stand, or what is missing of it.
    Up(Up),
    /// Stop the stand.
    Down {
        /// Remove all that the stand has written too.
        #[arg(long)]
        purge: bool,
    },
    /// Start the stand, run a command with its variables, stop the stand; exits as the command does.
    With {
        #[command(flatten)]
        up: Up,
        /// Leave the stand up afterwards.
        #[arg(long)]
        keep: bool,
        /// The command.
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
    /// Say which parts run; exits with 1 unless all do.
    Status,
    /// Print `export` lines: eval "$(mizuumi-stand env)".
    Env,
    /// Show the log of a part.
    Logs {
        /// The part.
        part: Part,
        /// Go on showing what is added.
        #[arg(short, long)]
        follow: bool,
    },
    /// Start a part.
    Start {
        /// The part.
        part: Part,
    },
    /// Stop a part.
    Stop {
        /// The part.
        part: Part,
    },
    /// Stop and start a part.
    Restart {
        /// The part.
        part: Part,
    },
    /// Run kubectl on the stand's cluster.
    #[command(disable_help_flag = true)]
    Kubectl {
        /// kubectl's own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
struct What {
    /// Do without the AWS endpoint.
    #[arg(long)]
    without_aws: bool,
    /// Use this cluster instead of starting a control plane.
    #[arg(long, env = "MIZUUMI_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Use etcd, kube-apiserver and kubectl of this folder instead of building them.
    #[arg(long, env = "KUBEBUILDER_ASSETS", value_name = "FOLDER")]
    assets: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    what: What,
    /// Start with empty data.
    #[arg(long)]
    fresh: bool,
    /// `auto` for free ports, or the first of four in a row.
    #[arg(long, env = "MIZUUMI_STAND_PORT_BASE", default_value = "auto", value_name = "BASE")]
    ports: Choice,
    /// The AWS endpoint's binary, if not the one beside this program.
    #[arg(long, env = "MIZUUMI_LOCALAWS", value_name = "FILE")]
    localaws: Option<PathBuf>,
}

impl What {
    fn source(&self) -> Result<Source> {
        // An empty variable is how one unsets it for one command.
        let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        Ok(match (given(&self.kubeconfig), given(&self.assets)) {
            (Some(kubeconfig), _) => Source::Existing(std::path::absolute(kubeconfig)?),
            (None, Some(assets)) => Source::Assets(std::path::absolute(assets)?),
            (None, None) => Source::Build,
        })
    }
}

impl Up {
    fn options(&self) -> Result<up::Options> {
        Ok(up::Options {
            source: self.what.source()?,
            with_aws: !self.what.without_aws,
            localaws: self.localaws.clone().filter(|path| !path.as_os_str().is_empty()),
            ports: self.ports,
            fresh: self.fresh,
        })
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            Say::Aloud.line(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let layout = Layout::new(&cli.dir)?;
    let say = Say::Aloud;
    match &cli.action {
        Action::Build(what) => {
            let start = Instant::now();
            Cache::find()?.ensure(&what.source()?, !what.without_aws, say)?;
            say.line(format_args!("all is built ({})", seconds(start.elapsed())));
        }
        Action::Up(options) => up(&layout, &options.options()?, say)?,
        Action::Down { purge } => down::down(&layout, *purge, say)?,
        Action::With { up, keep, command } => return with(&layout, &up.options()?, *keep, command),
        Action::Status => return status(&layout),
        Action::Env => print(&environment::exports(&layout, &State::load(&layout)?))?,
        Action::Logs { part, follow } => {
            State::load(&layout)?;
            let mut tail = Command::new("tail");
            tail.args(["-n", "200"]).args(follow.then_some("-F")).arg(layout.log(*part));
            return Err(tail.exec()).context("cannot start tail");
        }
        Action::Start { part } => Stand::load(&cli.dir)?.start_saying(*part, say)?,
        Action::Stop { part } => Stand::load(&cli.dir)?.stop_saying(*part, say)?,
        Action::Restart { part } => {
            let stand = Stand::load(&cli.dir)?;
            stand.stop_saying(*part, say)?;
            stand.start_saying(*part, say)?;
        }
        Action::Kubectl { arguments } => {
            let stand = Stand::load(&cli.dir)?;
            let mut kubectl = Command::new(stand.kubectl());
            kubectl.args(arguments).envs(stand.variables());
            return Err(kubectl.exec()).context("cannot start kubectl");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn with(layout: &Layout, options: &up::Options, keep: bool, command: &[OsString]) -> Result<ExitCode> {
    let signals = Signals::keep()?;
    let inside = || {
        up(layout, options, Say::Aloud)?;
        if signals.came() {
            bail!("interrupted");
        }
        let start = Instant::now();
        let code = with::run(&Stand::load(layout.root())?, command, &signals)?;
        let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
        Say::Aloud.line(format_args!("{name} ended with {code} after {}", seconds(start.elapsed())));
        Ok(ExitCode::from(code))
    };
    let result = inside();
    if !keep {
        down::down(layout, false, Say::Aloud)?;
    }
    result
}

fn status(layout: &Layout) -> Result<ExitCode> {
    let state = State::load(layout)?;
    let mut all = true;
    let mut table = std::io::stdout().lock();
    writeln!(table, "{:<24} {:<8} {:>8}  ADDRESS", "PART", "STATE", "PID")?;
    for part in state.parts() {
        let record = start::running(part, layout);
        let ready = record
            .as_ref()
            .is_some_and(|record| probe::is_ready(part, layout, &state, record, Duration::ZERO));
        let word = match (&record, ready) {
            (Some(_), true) => "ready",
            (Some(_), false) => "running",
            (None, _) => "down",
        };
        all &= ready;
        let pid = record.map(|record| record.pid.to_string()).unwrap_or_default();
        writeln!(table, "{part:<24} {word:<8} {pid:>8}  {}", part.url(&state).unwrap_or_default())?;
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")
}
