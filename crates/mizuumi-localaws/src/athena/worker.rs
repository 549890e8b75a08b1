//! The process that runs SQL: started with the first query, again if it dies, and gone with the endpoint.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, oneshot};

use super::Place;
use super::executions::State;
use super::results::Table;
use crate::forward::Upstream;
use crate::glue::Glue;
use crate::lock::Lock;
use crate::protocol::ApiError;

/// What the process runs; it comes with the first line, so that it does not fill lists of processes.
const PROGRAM: &str = include_str!("worker.py");
const LAUNCHER: &str = "import json, sys; exec(compile(json.loads(sys.stdin.readline()), 'athena', 'exec'))";

/// How a query ended.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: State,
    pub(super) scanned: i64,
    pub(super) millis: i64,
}

/// Who waits for an answer, and in whose catalog tables are looked up for it.
#[derive(Debug)]
struct Waiting {
    place: Option<Place>,
    answer: oneshot::Sender<Value>,
}

#[derive(Debug)]
struct Process {
    _child: Child,
    input: ChildStdin,
}

/// The process, if there is one, and all that wait for it.
#[derive(Debug)]
pub(super) struct Worker {
    python: Option<PathBuf>,
    glue: Arc<Glue>,
    upstream: Option<Upstream>,
    process: Mutex<Option<Process>>,
    waiting: Lock<(u64, HashMap<String, Waiting>)>,
}

impl Worker {
    pub(super) fn new(python: Option<PathBuf>, glue: Arc<Glue>, upstream: Option<Upstream>) -> Self {
        Self { python, glue, upstream, process: Mutex::default(), waiting: Lock::default() }
    }

    /// Why a text is no query, if it is none.
    pub(super) async fn refusal(self: &Arc<Self>, sql: &str) -> Result<Option<String>, ApiError> {
        let id = {
            let mut waiting = self.waiting.hold();
            waiting.0 += 1;
            format!("parse-{}", waiting.0)
        };
        let ask = json!({ "id": id, "kind": "parse", "sql": sql });
        let answer = self.ask(&id, None, ask).await.map_err(|why| {
            let message = format!("the local endpoint cannot run SQL: {why:#}");
            ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", message)
        })?;
        Ok(answer["refused"].as_str().map(str::to_owned))
    }

    /// Runs a query to its end.
    pub(super) async fn run(self: &Arc<Self>, place: &Place, id: &str, mut run: Value) -> Done {
        run["s3"] = json!(self.upstream.as_ref().map(Upstream::authority));
        match self.ask(id, Some(place.clone()), run).await {
            Ok(answer) => done(&answer),
            Err(why) => {
                let reason = format!("GENERIC_INTERNAL_ERROR: the process that runs SQL has died: {why:#}");
                Done { outcome: State::Failed(reason, 1), scanned: 0, millis: 0 }
            }
        }
    }

    /// Interrupts a query.
    pub(super) async fn cancel(self: &Arc<Self>, id: &str) {
        let _ = self.say(&json!({ "id": id, "kind": "cancel" })).await;
    }

    async fn ask(self: &Arc<Self>, id: &str, place: Option<Place>, message: Value) -> anyhow::Result<Value> {
        let (answer, answered) = oneshot::channel();
        self.waiting.hold().1.insert(id.to_owned(), Waiting { place, answer });
        if let Err(error) = self.say(&message).await {
            self.waiting.hold().1.remove(id);
            return Err(error);
        }
        answered.await.context("it ended without an answer")
    }

    /// Sends a line, to a new process if there is none.
    async fn say(self: &Arc<Self>, message: &Value) -> anyhow::Result<()> {
        let line = format!("{message}\n");
        let mut held = self.process.lock().await;
        if let Some(process) = held.as_mut()
            && process.input.write_all(line.as_bytes()).await.is_ok()
        {
            return Ok(process.input.flush().await?);
        }
        let process = held.insert(self.start()?);
        process.input.write_all(format!("{}\n", json!(PROGRAM)).as_bytes()).await?;
        process.input.write_all(line.as_bytes()).await?;
        Ok(process.input.flush().await?)
    }

    fn start(self: &Arc<Self>) -> anyhow::Result<Process> {
        let python = self.python.as_ref().context("start the endpoint with --moto-python")?;
        let mut child = Command::new(python)
            .args(["-c", LAUNCHER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let input = child.stdin.take().context("the process has no input")?;
        let output = child.stdout.take().context("the process has no output")?;
        // Weak: the process ends with the endpoint, and not the endpoint with the process.
        let worker = Arc::downgrade(self);
        tokio::spawn(async move {
            listen(&worker, output).await;
            if let Some(worker) = worker.upgrade() {
                // Whoever still waits is told by the end of the channel.
                worker.waiting.hold().1.clear();
                *worker.process.lock().await = None;
            }
        });
        Ok(Process { _child: child, input })
    }

    /// What the catalog says of a table that a query reads.
    async fn tell(self: &Arc<Self>, message: &Value) {
        let text = |member: &str| message[member].as_str().unwrap_or_default();
        let place = self.waiting.hold().1.get(text("id")).and_then(|waiting| waiting.place.clone());
        let Some((account, region)) = place else { return };
        let definition = self.glue.definition(&account, &region, text("database"), text("table"));
        let answer = json!({ "id": message["id"], "kind": "table", "definition": definition });
        let _ = self.say(&answer).await;
    }
}

async fn listen(worker: &std::sync::Weak<Worker>, output: ChildStdout) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (Some(worker), Ok(message)) = (worker.upgrade(), serde_json::from_str::<Value>(&line)) else {
            continue;
        };
        if message["kind"] == "need" {
            worker.tell(&message).await;
            continue;
        }
        let waiting = worker.waiting.hold().1.remove(message["id"].as_str().unwrap_or_default());
        if let Some(waiting) = waiting {
            let _ = waiting.answer.send(message);
        }
    }
}

fn done(answer: &Value) -> Done {
    let reason = answer["reason"].as_str().unwrap_or_default().to_owned();
    let outcome = match answer["state"].as_str() {
        Some("SUCCEEDED") => {
            let columns = answer["columns"].as_array().cloned().unwrap_or_default();
            let rows = serde_json::from_value(answer["rows"].clone()).unwrap_or_default();
            State::Succeeded(Table { columns, rows })
        }
        Some("CANCELLED") => State::Cancelled(reason),
        _ => State::Failed(reason, answer["category"].as_i64().unwrap_or(1)),
    };
    let number = |member: &str| answer[member].as_i64().unwrap_or_default();
    Done { outcome, scanned: number("scanned"), millis: number("millis") }
}
