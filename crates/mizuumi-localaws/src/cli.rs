//! The command line: `serve`, and small clients of the admin API.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use axum::body::Body;
use axum::http::Request;
use clap::{Args, Parser, Subcommand};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::faults::Rule;
use crate::quotas::Quota;
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
    /// Show how many calls of each operation came, and how they ended.
    Calls(Calls),
    /// Show who changed what.
    Audit(Audit),
    /// Forget state, faults, quotas, calls and audit.
    Reset(Place),
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to listen (loopback only); port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// A Python that has moto[server]; without it only Glue answers.
    #[arg(long)]
    moto_python: Option<PathBuf>,
    /// A file to write the URL to when ready.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// The quota of versions of one Glue table.
    #[arg(long, default_value_t = Options::default().versions_per_table)]
    versions_per_table: usize,
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
    /// List the token buckets.
    List(At),
    /// Remove token buckets.
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mizuumi-localaws: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(options) => serve(options).await,
        Command::Fault(Fault::Add { at, rule }) => {
            let answer = ask(&at, "POST", "faults", &[], Some(serde_json::to_value(rule)?)).await?;
            say(&format!("fault {}", answer["ids"][0]))
        }
        Command::Fault(Fault::List(place)) => {
            let answer = ask(&place.at, "GET", "faults", &[("account", place.account)], None).await?;
            say(&rows(&answer["faults"]))
        }
        Command::Fault(Fault::Clear { place, id }) => {
            let query = [("account", place.account), ("id", id.map(|id| id.to_string()))];
            ask(&place.at, "DELETE", "faults", &query, None).await.map(drop)
        }
        Command::Quota(QuotaCommand::Add { at, quota }) => {
            ask(&at, "POST", "quotas", &[], Some(serde_json::to_value(quota)?)).await.map(drop)
        }
        Command::Quota(QuotaCommand::List(at)) => {
            say(&rows(&ask(&at, "GET", "quotas", &[], None).await?["quotas"]))
        }
        Command::Quota(QuotaCommand::Clear(place)) => {
            ask(&place.at, "DELETE", "quotas", &[("account", place.account)], None).await.map(drop)
        }
        Command::Calls(calls) if calls.reset => {
            let place = calls.place;
            ask(&place.at, "DELETE", "calls", &[("account", place.account)], None).await.map(drop)
        }
        Command::Calls(calls) => {
            let query = [
                ("account", calls.place.account),
                ("since", calls.since.map(|seq| seq.to_string())),
                ("log", calls.log.then(|| "true".to_owned())),
            ];
            let answer = ask(&calls.place.at, "GET", "calls", &query, None).await?;
            say(&(counts(&answer["counts"]) + &rows(&answer["log"])))
        }
        Command::Audit(audit) => {
            let query = [
                ("account", audit.place.account),
                ("since", audit.since.map(|seq| seq.to_string())),
                ("userAgent", audit.user_agent),
            ];
            let answer = ask(&audit.place.at, "GET", "audit", &query, None).await?;
            say(&(rows(&answer["entries"]) + &witness(&answer["witness"])))
        }
        Command::Reset(place) => {
            ask(&place.at, "POST", "reset", &[("account", place.account)], None).await.map(drop)
        }
    }
}

async fn serve(serve: Serve) -> anyhow::Result<()> {
    // Before anything is started: a signal that comes early must still stop it in order.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options = Options {
        listen: serve.listen,
        moto_python: serve.moto_python,
        versions_per_table: serve.versions_per_table,
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

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{newline}")?;
    out.flush()?;
    Ok(())
}

async fn ask(
    at: &At,
    method: &str,
    path: &str,
    query: &[(&str, Option<String>)],
    body: Option<Value>,
) -> anyhow::Result<Value> {
    let mut uri = format!("{}/_localaws/{path}", at.endpoint.trim_end_matches('/'));
    let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (index, (name, value)) in given.enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let _ = write!(uri, "{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    let request = Request::builder()
        .method(method)
        .uri(&uri)
        .header("content-type", "application/json")
        .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.with_context(|| format!("no answer from {uri}"))?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    if !status.is_success() {
        bail!("{uri}: {status} {}", String::from_utf8_lossy(&bytes));
    }
    serde_json::from_slice(&bytes).with_context(|| format!("{uri} is not a mizuumi-localaws"))
}

/// One line for each item: `name=value` of what is there.
fn rows(items: &Value) -> String {
    let mut text = String::new();
    for item in items.as_array().into_iter().flatten() {
        let members = item.as_object().into_iter().flatten();
        let words = members.filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
            Value::String(value) => format!("{name}={value}"),
            value => format!("{name}={value}"),
        });
        text.push_str(&words.collect::<Vec<_>>().join("  "));
        text.push('\n');
    }
    text
}

/// One line for each operation and outcome.
fn counts(counts: &Value) -> String {
    let mut text = String::new();
    for (operation, outcomes) in counts.as_object().into_iter().flatten() {
        for (outcome, count) in outcomes.as_object().into_iter().flatten() {
            let count = count.as_u64().unwrap_or(0);
            let _ = writeln!(text, "{count:>8}  {operation}  {outcome}");
        }
    }
    text
}

/// One line for each client of each account.
fn witness(witness: &Value) -> String {
    let mut text = String::new();
    for (account, agents) in witness.as_object().into_iter().flatten() {
        for (agent, counters) in agents.as_object().into_iter().flatten() {
            let counters = counters.as_object().into_iter().flatten();
            let words: Vec<String> = counters.map(|(name, count)| format!("{name}={count}")).collect();
            let _ = writeln!(text, "witness  {account}  {}  {agent}", words.join("  "));
        }
    }
    text
}
