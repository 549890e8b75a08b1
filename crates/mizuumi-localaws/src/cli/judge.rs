//! `judge`: what the endpoint says of Mizuumi's promises, as a table.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use clap::Args;
use serde_json::Value;

use super::At;
use super::ask::{ask, say};
use crate::judge::Question;

#[derive(Debug, Args)]
pub(super) struct Judge {
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    question: Question,
    /// Ask the cluster by this kubectl, which may be a command with arguments.
    #[arg(long, value_name = "COMMAND", conflicts_with = "file")]
    kubectl: Option<String>,
    /// What `kubectl get datatables -A -o json` printed; `-`: standard input.
    #[arg(required_unless_present = "kubectl")]
    file: Option<PathBuf>,
    /// Print the answer as it is.
    #[arg(long)]
    json: bool,
}

/// Prints the judgement: 1 if an invariant is violated, 2 if there is none.
pub(super) async fn run(judge: Judge) -> ExitCode {
    match judged(judge).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mizuumi-localaws: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn judged(judge: Judge) -> anyhow::Result<u64> {
    let view = match (&judge.kubectl, &judge.file) {
        (Some(command), _) => objects(command).await?,
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes)?;
            bytes
        }
        (None, Some(path)) => {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        (None, None) => bail!("say where the objects are: a file, `-`, or --kubectl"),
    };
    let question = serde_json::to_value(&judge.question)?;
    let query: Vec<(&str, Option<String>)> = question
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), Some(value.as_str().map_or(value.to_string(), str::to_owned))))
        .collect();
    let answer = ask(&judge.at.endpoint, "POST", "judge", &query, Some(Body::from(view))).await?;
    say(&if judge.json { serde_json::to_string_pretty(&answer)? } else { table(&answer) })?;
    answer["violations"].as_u64().context("the answer counts no violations")
}

/// All tables of the cluster.
async fn objects(command: &str) -> anyhow::Result<Vec<u8>> {
    let mut words = command.split_whitespace();
    let program = words.next().context("--kubectl is empty")?;
    let output = tokio::process::Command::new(program)
        .args(words)
        .args(["get", "datatables.mizuumi.dev", "-A", "-o", "json"])
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(output.stdout)
}

fn table(answer: &Value) -> String {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut lines = format!("{:<4} {:>10} {:>9}  says\n", "", "violations", "checked");
    for verdict in list(&answer["invariants"]) {
        let (violations, checked) = (number(&verdict["violations"]), number(&verdict["checked"]));
        let _ = writeln!(
            lines,
            "{:<4} {violations:>10} {checked:>9}  {}",
            text(&verdict["id"]),
            text(&verdict["says"])
        );
        let examples = list(&verdict["examples"]);
        for example in &examples {
            let _ = writeln!(lines, "{:>26} ! {}", "", text(example));
        }
        let more = violations.saturating_sub(examples.len() as u64);
        if more > 0 {
            let _ = writeln!(lines, "{:>26} ! and {more} more", "");
        }
        for note in list(&verdict["notes"]) {
            let _ = writeln!(lines, "{:>26}   {}", "", text(&note));
        }
    }
    let operations = list(&answer["operations"]);
    if !operations.is_empty() {
        let _ = writeln!(
            lines,
            "\n{:>9} {:>10} {:>21}  Mizuumi's calls",
            "calls", "throttled", "attempts per success"
        );
    }
    for share in operations {
        let attempts = share["attemptsPerSuccess"].as_f64().map_or("-".to_owned(), |n| format!("{n:.2}"));
        let _ = writeln!(
            lines,
            "{:>9} {:>10} {attempts:>21}  {}",
            number(&share["calls"]),
            number(&share["throttled"]),
            text(&share["operation"])
        );
    }
    let _ = writeln!(
        lines,
        "\n{} violations; {} objects, {} tables, up to call {}",
        number(&answer["violations"]),
        number(&answer["objects"]),
        number(&answer["tables"]),
        number(&answer["seq"])
    );
    lines
}
