//! The real binary as a process: started, killed, started again.

use std::fs::{self, File, OpenOptions};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use mizuumi_api::Installation;
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
    _turn: SemaphorePermit<'static>,
}

/// All that a start takes.
#[derive(Debug)]
struct Start {
    config: PathBuf,
    log: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Controller {
    /// Starts the controller of a team.
    pub async fn start(team: &Team) -> Self {
        Self::with(team, |_| {}).await
    }

    /// Starts it with another configuration.
    pub async fn with(team: &Team, settings: impl FnOnce(&mut Installation)) -> Self {
        let turn = TURNS.acquire().await.expect("turns are never closed");
        let mut installation = team.installation();
        settings(&mut installation);
        let command = Start {
            config: team.write_config("controller", &installation),
            log: team.log(),
            variables: team.variables(),
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
        let told = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the controller cannot be told");
    }

    /// Its exit code.
    ///
    /// # Errors
    /// If it still runs.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let status = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
        status.map(|status| status.code()).context("it still runs")
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
        Command::new(&program)
            .arg("controller")
            .arg("--config")
            .arg(&self.config)
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
