//! Asking a running endpoint, and printing what it says.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, bail};
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write!(out, "{text}{newline}")?;
    out.flush()?;
    Ok(())
}

pub(crate) async fn ask(
    endpoint: &str,
    method: &str,
    path: &str,
    query: &[(&str, Option<String>)],
    body: Option<Body>,
) -> anyhow::Result<Value> {
    let mut uri = format!("{}/_localaws/{path}", endpoint.trim_end_matches('/'));
    let given = query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (index, (name, value)) in given.enumerate() {
        let separator = if index == 0 { '?' } else { '&' };
        let _ = write!(uri, "{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    let request = Request::builder()
        .method(method)
        .uri(&uri)
        .header("content-type", "application/json")
        .body(body.unwrap_or_else(Body::empty))?;
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
pub(crate) fn rows(items: &Value) -> String {
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
pub(crate) fn counts(counts: &Value) -> String {
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
pub(crate) fn witness(witness: &Value) -> String {
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

/// One line for each owner's clusters, for each cluster without one that is known, and the sums.
pub(crate) fn clusters(answer: &Value) -> String {
    let mut text = String::new();
    for (owner, owned) in answer["owners"].as_object().into_iter().flatten() {
        let words = ["started", "alive", "duplicates"].map(|name| format!("{name}={}", owned[name]));
        let _ = writeln!(text, "{}  {owner}", words.join("  "));
    }
    for kind in ["orphans", "unowned"] {
        for row in rows(&answer[kind]).lines() {
            let _ = writeln!(text, "{kind}  {row}");
        }
    }
    let words =
        ["started", "alive", "duplicates", "stepsRepeated"].map(|name| format!("{name}={}", answer[name]));
    let _ = writeln!(text, "{}  foreignWrites={}", words.join("  "), answer["foreignWrites"]["count"]);
    text
}
