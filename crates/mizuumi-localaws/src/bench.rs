//! Measures an endpoint: calls a second and memory, with a process of its own to look at.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::cli::ask::say;
use crate::client;
use crate::glue::Seed;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// Tables to make.
    #[arg(long, default_value_t = 100_000)]
    tables: u32,
    /// Columns of each.
    #[arg(long, default_value_t = 40)]
    columns: u32,
    /// Calls at a time.
    #[arg(long, default_value_t = 8)]
    connections: u32,
}

#[derive(Clone)]
struct Glue {
    url: String,
    client: Client<HttpConnector, Body>,
}

impl Glue {
    async fn call(&self, operation: &str, input: Value) -> anyhow::Result<Bytes> {
        let scope = "AWS4-HMAC-SHA256 Credential=111122223333/20261122/us-east-1/glue/aws4_request";
        let request = Request::post(&self.url)
            .header("x-amz-target", format!("AWSGlue.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", format!("{scope}, SignedHeaders=host, Signature=0"))
            .header("user-agent", client::OURS)
            .body(Body::from(input.to_string()))?;
        let answer = self.client.request(request).await?;
        let status = answer.status();
        let bytes = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{operation}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(bytes)
    }

    /// One call for each number below `count`, so many at a time.
    async fn each(
        &self,
        operation: &'static str,
        count: u32,
        at_once: u32,
        input: impl Fn(u32) -> Value + Clone + Send + 'static,
    ) -> anyhow::Result<()> {
        let next = Arc::new(AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let (glue, next, input) = (self.clone(), Arc::clone(&next), input.clone());
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(());
                    }
                    glue.call(operation, input(number)).await?;
                }
            });
        }
        while let Some(result) = tasks.join_next().await {
            result??;
        }
        Ok(())
    }

    /// All pages of a listing, one after the other; their number.
    async fn pages(&self, mut input: Value) -> anyhow::Result<u32> {
        let mut count = 0;
        loop {
            let page = self.call("GetTables", input.clone()).await?;
            count += 1;
            // The token stands at the end of an answer; to parse all of it would measure the client.
            let end = String::from_utf8_lossy(&page[page.len().saturating_sub(400)..]).into_owned();
            let Some((_, token)) = end.split_once("\"NextToken\":\"") else { return Ok(count) };
            input["NextToken"] = json!(token.trim_end_matches(['"', '}']));
        }
    }
}

/// Runs the measurement and prints a line for each figure.
pub(crate) async fn run(bench: &Bench) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("mizuumi-localaws-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut server = start(&folder)?;
    let result = measure(bench, &mut server, &folder.join("url")).await;
    server.kill().await?;
    std::fs::remove_dir_all(&folder)?;
    result
}

fn start(folder: &Path) -> anyhow::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["serve", "--listen", "127.0.0.1:0", "--ready-file"])
        .arg(folder.join("url"))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start an endpoint")
}

async fn measure(bench: &Bench, server: &mut Child, ready: &Path) -> anyhow::Result<()> {
    let url = loop {
        ensure!(server.try_wait()?.is_none(), "the endpoint has ended");
        match std::fs::read_to_string(ready) {
            Ok(url) => break url,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let process = server.id().context("the endpoint has ended")?;
    let glue = Glue { url, client: Client::builder(TokioExecutor::new()).build_http() };
    let seed: Seed = serde_json::from_value(
        json!({"database": "bench", "tables": bench.tables, "columns": bench.columns}),
    )?;
    let (tables, at_once) = (bench.tables, bench.connections);
    glue.call("CreateDatabase", json!({"DatabaseInput": {"Name": "bench"}})).await?;
    say(&format!("{tables} tables of {} columns, {at_once} calls at a time", bench.columns))?;
    let report = |what: &str, count: u32, begun: Instant| {
        let rate = f64::from(count) / begun.elapsed().as_secs_f64();
        let memory = memory(process).unwrap_or_else(|| "?".to_owned());
        say(&format!("{what:<40} {count:>8} calls {rate:>9.0} /s   RSS {memory}"))
    };

    let begun = Instant::now();
    let requests = seed.clone();
    glue.each("CreateTable", tables, at_once, move |number| requests.request(number)).await?;
    report("CreateTable", tables, begun)?;

    let begun = Instant::now();
    let pages = glue.pages(json!({"DatabaseName": "bench", "MaxResults": 100})).await?;
    report("GetTables, pages of 100, one by one", pages, begun)?;

    let begun = Instant::now();
    let listed = move |_| json!({"DatabaseName": "bench", "MaxResults": 100});
    glue.each("GetTables", pages, at_once, listed).await?;
    report("GetTables, first page, at once", pages, begun)?;

    let begun = Instant::now();
    let names = seed.clone();
    let chosen = move |number: u32| {
        let names: Vec<String> = (0..40).map(|other| names.table((number + other * 997) % tables)).collect();
        json!({"DatabaseName": "bench", "Expression": names.join("|")})
    };
    glue.each("GetTables", 1000, at_once, chosen).await?;
    report("GetTables, Expression of 40 names", 1000, begun)?;

    let begun = Instant::now();
    let tail = format!(".*{}", &seed.table(tables - 1)[1..]);
    let pattern = move |_| json!({"DatabaseName": "bench", "Expression": tail});
    glue.each("GetTables", 10, 1, pattern).await?;
    report("GetTables, Expression that scans all", 10, begun)?;

    let begun = Instant::now();
    let names = seed.clone();
    let one = move |number| json!({"DatabaseName": "bench", "Name": names.table(number)});
    glue.each("GetTable", tables, at_once, one).await?;
    report("GetTable", tables, begun)?;

    let begun = Instant::now();
    let requests = seed.clone();
    let update = move |number| {
        let mut request = requests.request(number);
        request["VersionId"] = json!("0");
        request["SkipArchive"] = json!(true);
        request["TableInput"]["Description"] = json!("new");
        request
    };
    glue.each("UpdateTable", tables, at_once, update).await?;
    report("UpdateTable", tables, begun)
}

/// Resident memory of a process.
fn memory(process: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(format!("{} MB", kilobytes / 1024))
}
