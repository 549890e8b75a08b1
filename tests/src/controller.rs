//! The real binary as a process: started, killed, started again.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mizuumi_api::Installation;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::plan::binary;
use crate::team::Team;

/// So many controllers at once: more would only wait for each other on a small machine.
static TURNS: Semaphore = Semaphore::const_new(6);

/// What a test changes of the configuration.
pub type Settings = fn(&mut Installation);

/// A running controller of one team. Killed when dropped.
#[derive(Debug)]
pub struct Controller {
    command: Start,
    child: Option<Child>,
    _turn: Option<SemaphorePermit<'static>>,
}

/// All that a start takes.
#[derive(Debug)]
struct Start {
    config: PathBuf,
    log: PathBuf,
    variables: Vec<(&'static str, String)>,
    folder: Option<PathBuf>,
    arguments: Vec<String>,
}

/// What is unusual about a controller that is to be started.
#[derive(Debug, Default)]
pub struct Launch {
    /// Its log and configuration are called so; without it `controller`, of which a team has one at a time.
    pub name: Option<&'static str>,
    /// Variables that win over those of the stand.
    pub variables: Vec<(&'static str, String)>,
    /// Its working folder.
    pub folder: Option<PathBuf>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// Where it writes its log, instead of a file.
    pub log: Option<PathBuf>,
    /// Laid over the configuration as it is written down: for what this program's types do not know.
    pub overlay: Value,
}

impl Launch {
    /// A controller whose apiserver is the one of this kubeconfig.
    #[must_use]
    pub fn through(kubeconfig: &Path) -> Self {
        Self { variables: vec![("KUBECONFIG", kubeconfig.display().to_string())], ..Self::default() }
    }

    /// A controller that has nowhere to write, not even a log.
    pub(crate) fn without_disk() -> Self {
        let nowhere = || "/proc".to_owned();
        Self {
            variables: vec![("TMPDIR", nowhere()), ("HOME", nowhere()), ("MIZUUMI_LOG", "debug".to_owned())],
            folder: Some(nowhere().into()),
            log: Some("/dev/full".into()),
            ..Self::default()
        }
    }

    /// A controller beside the team's own.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }
}

impl Controller {
    /// Starts the controller of a team.
    pub async fn start(team: &Team) -> Self {
        Self::with(team, |_| {}).await
    }

    /// Starts it with another configuration.
    pub async fn with(team: &Team, settings: impl FnOnce(&mut Installation)) -> Self {
        Self::launch(team, Launch::default(), settings).await
    }

    /// Starts it in an unusual way.
    pub async fn launch(team: &Team, launch: Launch, settings: impl FnOnce(&mut Installation)) -> Self {
        // One beside another does not wait for a turn: two that wait for each other's would wait for ever.
        let turn = match launch.name {
            None => Some(TURNS.acquire().await.expect("turns are never closed")),
            Some(_) => None,
        };
        let mut installation = team.installation();
        settings(&mut installation);
        let name = launch.name.unwrap_or("controller");
        let mut variables = team.variables();
        variables.retain(|(name, _)| launch.variables.iter().all(|(other, _)| name != other));
        variables.extend(launch.variables);
        let command = Start {
            config: team.write_config_with(name, &installation, &launch.overlay),
            log: launch.log.unwrap_or_else(|| team.folder().join(format!("{name}.log"))),
            variables,
            folder: launch.folder,
            arguments: launch.arguments,
        };
        let mut controller = Self { command, child: None, _turn: turn };
        controller.restart();
        controller
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the controller is killed");
            child.wait().expect("the controller has ended");
        }
    }

    /// Starts it again, with the same configuration.
    pub fn restart(&mut self) {
        self.kill();
        fs::create_dir_all(self.command.log.parent().expect("a folder")).expect("a folder for the log");
        let log = OpenOptions::new().create(true).append(true).open(&self.command.log).expect("a log");
        self.child = Some(self.command.spawn(log));
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Tells it to stop, as Kubernetes does.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops its clock, so to speak: it does nothing until [`Self::thaw`], and knows nothing of it afterwards.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the controller cannot be told");
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.command.log).expect("its log")
    }

    /// Its exit code.
    ///
    /// # Errors
    /// If it still runs.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let status = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
        status.map(|status| status.code()).context("it still runs")
    }

    /// Asks it by HTTP, such as for `/metrics`.
    ///
    /// # Errors
    /// If it does not listen yet, or does not answer.
    pub async fn ask(&self, path: &str) -> Result<String> {
        let log = fs::read_to_string(&self.command.log)?;
        let line = log.lines().rev().find_map(|line| line.split_once("metrics at http://"));
        let address = line.and_then(|(_, url)| url.strip_suffix("/metrics")).context("it does not listen")?;
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.get(format!("http://{address}{path}").parse()?).await?;
        Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?)
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the controller runs").id()
    }
}

impl Start {
    fn spawn(&self, log: File) -> Child {
        let program = binary();
        let mut command = Command::new(&program);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
            .arg("controller")
            .arg("--config")
            .arg(&self.config)
            .args(["--metrics-listen", "127.0.0.1:0"])
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
