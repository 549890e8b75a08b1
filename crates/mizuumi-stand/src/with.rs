//! Running a command inside a stand, so that the stand goes down whatever becomes of the command.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::stand::Stand;

/// Signals that would end this program before it has stopped the stand: from now on they only set a flag.
#[derive(Debug)]
pub struct Signals {
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Signals {
    /// Starts to keep the signals.
    pub fn keep() -> Result<Self> {
        let signals = Self { interrupted: Arc::default(), terminated: Arc::default() };
        signal_hook::flag::register(SIGINT, Arc::clone(&signals.interrupted))?;
        signal_hook::flag::register(SIGTERM, Arc::clone(&signals.terminated))?;
        Ok(signals)
    }

    /// Whether somebody wants this program to end.
    #[must_use]
    pub fn came(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.terminated.load(Ordering::Relaxed)
    }
}

/// Runs the command with the stand's variables; returns what a shell would return for it.
pub fn run(stand: &Stand, command: &[OsString], signals: &Signals) -> Result<u8> {
    let (program, arguments) = command.split_first().context("no command was given after --")?;
    let mut child = Command::new(program)
        .args(arguments)
        .envs(stand.variables())
        .spawn()
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))?;
    let mut passed_on = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(code(status));
        }
        // Ctrl-C has reached the command too, as it is in the same group; TERM has not.
        if signals.terminated.load(Ordering::Relaxed) && !passed_on {
            passed_on = true;
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        sleep(Duration::from_millis(20));
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
