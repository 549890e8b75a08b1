//! A database beside the lake, with flights that grow by the hour: a real MariaDB, which `readers/source.py` starts and feeds.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::team::Team;

/// The database. It ends with this, or with the process that holds it: then nobody has anything to say to it any more.
#[derive(Debug)]
pub struct Source {
    /// Port on 127.0.0.1.
    pub port: u64,
    /// Who may read.
    pub user: String,
    /// Their password.
    pub password: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// The Python of the stand.
fn python() -> PathBuf {
    let cache = std::env::var_os("MIZUUMI_CACHE").map(PathBuf::from);
    cache.expect("MIZUUMI_CACHE, as `make test` sets it").join("venv/bin/python")
}

/// What an image of `images/` is on this machine: its entry point.
#[must_use]
pub fn image_of(kind: &str) -> Vec<String> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
    let path = format!("PYTHONPATH={}", images.display());
    let python = python().display().to_string();
    ["env", &path, &python, "-m", "mizuumi_source", kind].map(str::to_owned).to_vec()
}

impl Source {
    /// Starts one.
    pub async fn start(team: &Team) -> Self {
        let mut command = Command::new(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/readers/source.py"));
        command.env("AWS_ENDPOINT_URL", team.url()).env("AWS_ACCESS_KEY_ID", &team.account);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output")).lines();
        let place = answer(&mut output).await;
        let text = |name: &str| place[name].as_str().expect("a text").to_owned();
        let (user, password) = (text("user"), text("password"));
        Self { port: place["port"].as_u64().expect("a port"), user, password, input, output }
    }

    /// Has the flights of an hour come in; answers how many.
    pub async fn hour(&mut self, at: Timestamp) -> u64 {
        self.ask(&format!("hour {at}")).await.as_u64().expect("a number")
    }

    /// Changes a row of the past.
    pub async fn change(&mut self) {
        self.ask("change").await;
    }

    /// Puts it back to what it was at a time, as from a backup: what came later is gone.
    pub async fn put_back(&mut self, at: Timestamp) {
        self.ask(&format!("put_back {at}")).await;
    }

    /// Compares each row with those of a table of the lake.
    pub async fn compare(&mut self, database: &str, table: &str) -> Value {
        self.ask(&format!("compare {database} {table}")).await
    }

    async fn ask(&mut self, what: &str) -> Value {
        self.input.write_all(format!("{what}\n").as_bytes()).await.expect("it listens");
        answer(&mut self.output).await
    }
}

async fn answer(output: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line =
        output.next_line().await.expect("its output").expect("an answer; its error output says why not");
    serde_json::from_str(&line).expect("JSON")
}
