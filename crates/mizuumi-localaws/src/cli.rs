//! The command line: `serve`, and small clients of the admin API.

pub(crate) mod ask;
mod judge;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use axum::body::Body;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use self::ask::{ask, clusters, counts, rows, say, witness};
use crate::bench::{self, Bench};
use crate::faults::Rule;
use crate::glue::Seed;
use crate::latency::Latency;
use crate::quotas::{Presets, Quota};
use crate::runner::Steps;
use crate::server::{Options, Server};

/// The local AWS endpoint for the demo and the tests.
#[derive(Debug, Parser)]
#[command(name = "mizuumi-localaws", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the endpoint until interrupted.
    Serve(Serve),
    /// Make calls go wrong.
    #[command(subcommand)]
    Fault(Fault),
    /// Limit the rate of calls.
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Make every call take its time.
    #[command(subcommand)]
    Latency(LatencyCommand),
    /// Show how many calls of each operation came, and how they ended.
    Calls(Calls),
    /// Show who changed what.
    Audit(Audit),
    /// Show how many EMR clusters each owner has started, which live, and which are doubled or of nobody.
    Clusters {
        #[command(flatten)]
        place: Place,
        /// An owner that there is; clusters alive of others are orphans. May be given again.
        #[arg(long = "owner", value_name = "MARK")]
        owners: Vec<String>,
    },
    /// Say whether Mizuumi kept its promises; exits with 1 if not, with 2 if that cannot be said.
    Judge(judge::Judge),
    /// Make many tables at once.
    Seed {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        seed: Seed,
    },
    /// Forget state, faults, quotas, latency, calls and audit.
    Reset(Place),
    /// Measure what an endpoint of its own does in a second.
    #[command(hide = true)]
    BenchSelf(Bench),
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to listen (loopback only); port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// A Python that has moto[server]; without it only Glue, EMR and ECS answer.
    #[arg(long)]
    moto_python: Option<PathBuf>,
    /// A file to write the URL to when ready.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// The quota of versions of one Glue table.
    #[arg(long, default_value_t = Options::default().versions_per_table)]
    versions_per_table: usize,
    /// Calls that `calls --log` shows; counts are kept for ever.
    #[arg(long, default_value_t = Options::default().calls_kept)]
    calls_kept: usize,
    /// Writes that `audit` shows; counts are kept for ever.
    #[arg(long, default_value_t = Options::default().audit_kept)]
    audit_kept: usize,
    /// How many times faster than in AWS EMR's clusters and steps live.
    #[arg(long, default_value_t = Options::default().emr_speed)]
    emr_speed: f64,
    /// Run EMR's steps as processes, each in a folder of its own in here; without it they live by the clock.
    #[arg(long, env = "MIZUUMI_EMR_STEPS", value_name = "FOLDER")]
    emr_steps: Option<PathBuf>,
    /// How many times faster than in AWS ECS's tasks live.
    #[arg(long, default_value_t = Options::default().ecs_speed)]
    ecs_speed: f64,
    /// Programs by the names of images, which ECS's tasks run as processes; without it they live by the clock.
    #[arg(long, env = "MIZUUMI_ECS_IMAGES", value_name = "FOLDER")]
    ecs_images: Option<PathBuf>,
    /// Each such task has a folder of its own in here.
    #[arg(long, value_name = "FOLDER", default_value_os_t = Options::default().ecs_tasks)]
    ecs_tasks: PathBuf,
    /// A Spark for these steps: their spark-submit, before what is in the PATH.
    #[arg(long, env = "SPARK_HOME", value_name = "FOLDER")]
    spark_home: Option<PathBuf>,
    /// How long every call takes, in milliseconds.
    #[arg(long)]
    latency_ms: Option<u64>,
    /// So many milliseconds more or less.
    #[arg(long, default_value_t = 0, requires = "latency_ms")]
    latency_jitter_ms: u64,
    /// Seed of that.
    #[arg(long, default_value_t = 0, requires = "latency_ms")]
    latency_seed: u64,
}

/// Which endpoint.
#[derive(Debug, Args)]
struct At {
    /// URL of the endpoint.
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566")]
    endpoint: String,
}

/// Which endpoint, and which account of it.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    at: At,
    /// Only this account.
    #[arg(long)]
    account: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Fault {
    /// Add a rule after those that exist; prints its id.
    Add {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        rule: Rule,
    },
    /// List the rules, with how often each matched and struck.
    List(Place),
    /// Remove rules.
    Clear {
        #[command(flatten)]
        place: Place,
        /// Only this rule.
        #[arg(long)]
        id: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
enum QuotaCommand {
    /// Add a token bucket.
    Add {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        quota: Quota,
    },
    /// Add the token buckets that a service has unless its quotas were raised.
    Preset {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        presets: Presets,
    },
    /// List the token buckets.
    List(At),
    /// Remove token buckets.
    Clear(Place),
}

#[derive(Debug, Subcommand)]
enum LatencyCommand {
    /// Set the latency of all accounts, or of one.
    Set {
        #[command(flatten)]
        at: At,
        #[command(flatten)]
        latency: Latency,
    },
    /// List the latencies.
    List(At),
    /// Go back to the latency that the endpoint was started with, or for one account to that of all.
    Clear(Place),
}

#[derive(Debug, Args)]
struct Calls {
    #[command(flatten)]
    place: Place,
    /// Only calls after this number.
    #[arg(long)]
    since: Option<u64>,
    /// Show each call as well.
    #[arg(long)]
    log: bool,
    /// Set the counts to zero instead of showing them.
    #[arg(long, conflicts_with_all = ["since", "log"])]
    reset: bool,
}

#[derive(Debug, Args)]
struct Audit {
    #[command(flatten)]
    place: Place,
    /// Only calls after this number.
    #[arg(long)]
    since: Option<u64>,
    /// Only clients whose user agent contains this.
    #[arg(long)]
    user_agent: Option<String>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let command = Cli::parse().command;
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(command)));
    match result {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mizuumi-localaws: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done: anyhow::Result<()> = match command {
        Command::Judge(judge) => return Ok(judge::run(judge).await),
        Command::Serve(options) => serve(options).await,
        Command::Fault(Fault::Add { at, rule }) => {
            let answer = ask(&at.endpoint, "POST", "faults", &[], Some(body(&rule)?)).await?;
            say(&format!("fault {}", answer["ids"][0]))
        }
        Command::Fault(Fault::List(place)) => {
            let answer =
                ask(&place.at.endpoint, "GET", "faults", &[("account", place.account)], None).await?;
            say(&rows(&answer["faults"]))
        }
        Command::Fault(Fault::Clear { place, id }) => {
            let query = [("account", place.account), ("id", id.map(|id| id.to_string()))];
            ask(&place.at.endpoint, "DELETE", "faults", &query, None).await.map(drop)
        }
        Command::Quota(QuotaCommand::Add { at, quota }) => {
            ask(&at.endpoint, "POST", "quotas", &[], Some(body(&quota)?)).await.map(drop)
        }
        Command::Quota(QuotaCommand::Preset { at, presets }) => {
            ask(&at.endpoint, "POST", "quotas/preset", &[], Some(body(&presets)?)).await.map(drop)
        }
        Command::Quota(QuotaCommand::List(at)) => {
            say(&rows(&ask(&at.endpoint, "GET", "quotas", &[], None).await?["quotas"]))
        }
        Command::Quota(QuotaCommand::Clear(place)) => {
            ask(&place.at.endpoint, "DELETE", "quotas", &[("account", place.account)], None).await.map(drop)
        }
        Command::Latency(LatencyCommand::Set { at, latency }) => {
            ask(&at.endpoint, "POST", "latency", &[], Some(body(&latency)?)).await.map(drop)
        }
        Command::Latency(LatencyCommand::List(at)) => {
            say(&rows(&ask(&at.endpoint, "GET", "latency", &[], None).await?["latencies"]))
        }
        Command::Latency(LatencyCommand::Clear(place)) => {
            ask(&place.at.endpoint, "DELETE", "latency", &[("account", place.account)], None).await.map(drop)
        }
        Command::Calls(calls) if calls.reset => {
            let place = calls.place;
            ask(&place.at.endpoint, "DELETE", "calls", &[("account", place.account)], None).await.map(drop)
        }
        Command::Calls(calls) => {
            let query = [
                ("account", calls.place.account),
                ("since", calls.since.map(|seq| seq.to_string())),
                ("log", calls.log.then(|| "true".to_owned())),
            ];
            let answer = ask(&calls.place.at.endpoint, "GET", "calls", &query, None).await?;
            say(&(counts(&answer["counts"]) + &rows(&answer["log"])))
        }
        Command::Audit(audit) => {
            let query = [
                ("account", audit.place.account),
                ("since", audit.since.map(|seq| seq.to_string())),
                ("userAgent", audit.user_agent),
            ];
            let answer = ask(&audit.place.at.endpoint, "GET", "audit", &query, None).await?;
            say(&(rows(&answer["entries"]) + &witness(&answer["witness"])))
        }
        Command::Clusters { place, owners } => {
            let known = (!owners.is_empty()).then_some(owners);
            let asked = serde_json::json!({"account": place.account, "owners": known});
            let answer = ask(&place.at.endpoint, "POST", "clusters", &[], Some(body(&asked)?)).await?;
            say(&clusters(&answer))
        }
        Command::Seed { at, seed } => {
            let answer = ask(&at.endpoint, "POST", "seed", &[], Some(body(&seed)?)).await?;
            say(&format!("created {}, existing {}", answer["created"], answer["existing"]))
        }
        Command::BenchSelf(bench) => bench::run(&bench).await,
        Command::Reset(place) => {
            ask(&place.at.endpoint, "POST", "reset", &[("account", place.account)], None).await.map(drop)
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn body(of: &impl Serialize) -> anyhow::Result<Body> {
    Ok(Body::from(serde_json::to_vec(of)?))
}

async fn serve(serve: Serve) -> anyhow::Result<()> {
    // Before anything is started: a signal that comes early must still stop it in order.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options {
        listen: serve.listen,
        moto_python: serve.moto_python,
        versions_per_table: serve.versions_per_table,
        calls_kept: serve.calls_kept,
        audit_kept: serve.audit_kept,
        emr_speed: serve.emr_speed,
        emr_steps: match serve.emr_steps {
            Some(folder) => Some(Steps {
                folder: std::path::absolute(folder)?,
                spark_home: serve.spark_home.map(std::path::absolute).transpose()?,
            }),
            None => None,
        },
        ecs_speed: serve.ecs_speed,
        ecs_images: serve.ecs_images.map(std::path::absolute).transpose()?,
        ecs_tasks: std::path::absolute(serve.ecs_tasks)?,
        latency: serve.latency_ms.map(|millis| Latency {
            millis,
            jitter_millis: serve.latency_jitter_ms,
            seed: serve.latency_seed,
            account: None,
        }),
    };
    let server = tokio::select! {
        server = Server::start(options) => server?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    if let Some(path) = &serve.ready_file {
        // Renamed into place, so that whoever waits for the file never reads half of it.
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, server.url())
            .and_then(|()| std::fs::rename(&unfinished, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    say(&format!("{}\n", server.url()))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        for words in [
            "seed --database db --tables 3 --parameter a=b=c",
            "fault add list-lag --delay-ms 500 --operation GetTables",
            "fault add expire-token --page --times 1",
            "quota add --rate 10 --burst 20 --account 1 --service glue --operation CreateTable",
            "quota preset emr --account 1",
            "clusters --owner a/b/EmrCluster/c@d --owner e --account 1",
            "latency set --millis 50 --jitter-millis 20 --seed 1 --account 1",
            "serve --latency-ms 50 --latency-jitter-ms 20 --calls-kept 10 --audit-kept 10 --emr-speed 60 --emr-steps d --spark-home s --ecs-speed 60 --ecs-images d --ecs-tasks d",
            "fault add out-of-memory --times 1",
            "judge - --account 1 --installation i --grace 0 --quiet-since 7 --max-throttled 1.5 --calls-since 3",
            "judge --kubectl kubectl",
        ] {
            let line = std::iter::once("mizuumi-localaws").chain(words.split(' '));
            Cli::try_parse_from(line).unwrap_or_else(|error| panic!("{words}: {error}"));
        }
        assert!(Cli::try_parse_from(["mizuumi-localaws", "judge"]).is_err(), "no objects");
    }
}
