//! The command `mizuumi` as a person runs it, above all `mizuumi plan`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use mizuumi_api::Installation;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::team::Team;

/// What it printed and how it ended.
#[derive(Debug)]
pub struct Planned {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code.
    pub code: i32,
}

/// The binary under test, beside the program of this process or in the folder above it.
#[must_use]
pub fn binary() -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let found =
        this.ancestors().skip(1).take(2).map(|folder| folder.join("mizuumi")).find(|path| path.is_file());
    found.expect("there is no `mizuumi` beside these tests: run `make test`, or `cargo build -p mizuumi`")
}

impl Team {
    /// Plans these manifests, given on standard input.
    pub async fn plan(&self, manifests: &[Value], arguments: &[&str]) -> Planned {
        let documents: Vec<String> =
            manifests.iter().map(|manifest| serde_saphyr::to_string(manifest).expect("YAML")).collect();
        self.plan_text(&documents.join("---\n"), arguments).await
    }

    /// Plans what a text says, given on standard input.
    pub async fn plan_text(&self, text: &str, arguments: &[&str]) -> Planned {
        let config = self.write_config("plan", &self.installation());
        self.run_plan(&config, Path::new("-"), text, arguments).await
    }

    /// Where the team's configuration is, for commands that need one.
    #[must_use]
    pub fn configuration(&self, name: &str) -> String {
        self.configuration_of(name, &self.installation())
    }

    /// Where another configuration is.
    #[must_use]
    pub fn configuration_of(&self, name: &str, installation: &Installation) -> String {
        self.write_config(name, installation).to_string_lossy().into_owned()
    }

    /// Plans a folder under another configuration.
    pub async fn plan_folder(
        &self,
        installation: &Installation,
        folder: &Path,
        arguments: &[&str],
    ) -> Planned {
        let config = self.write_config("plan", installation);
        self.run_plan(&config, folder, "", arguments).await
    }

    async fn run_plan(&self, config: &Path, source: &Path, input: &str, arguments: &[&str]) -> Planned {
        let (config, source) = (config.to_string_lossy(), source.to_string_lossy());
        let plan = ["plan", "--namespace", &self.namespace, "--config", &config, "-f", &source];
        self.run(&[&plan[..], arguments].concat(), input).await
    }

    /// Begins the command with these arguments.
    #[must_use]
    pub fn begin(&self, arguments: &[&str]) -> Child {
        Command::new(binary())
            .args(arguments)
            .envs(self.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mizuumi starts")
    }

    /// Runs the command with these arguments.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Planned {
        let mut child = self.begin(arguments);
        let mut stdin = child.stdin.take().expect("standard input");
        // What needs no input may have ended by now.
        stdin.write_all(input.as_bytes()).await.ok();
        drop(stdin);
        let output = child.wait_with_output().await.expect("mizuumi ends");
        Planned {
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
            code: output.status.code().expect("an exit code"),
        }
    }
}
