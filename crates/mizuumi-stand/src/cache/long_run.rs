//! Commands that take minutes: their output goes to a log, and every now and then a line says how far they are.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::failure::{indented, tail};
use crate::say::{Say, seconds};

/// How often a line says how far it is.
const EVERY: Duration = Duration::from_secs(20);

/// Runs a command; `progress` makes a few words of the log.
pub(super) fn run(
    command: &mut Command,
    log: &Path,
    say: Say,
    progress: impl Fn(&str) -> String,
) -> Result<Duration> {
    let output = OpenOptions::new().create(true).append(true).open(log);
    let output = output.with_context(|| format!("cannot write {}", log.display()))?;
    let program = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut next = EVERY;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > next {
            next += EVERY;
            let text = fs::read(log).unwrap_or_default();
            say.line(format_args!(
                "  {} so far: {}",
                seconds(start.elapsed()),
                progress(&String::from_utf8_lossy(&text))
            ));
        }
        sleep(Duration::from_millis(50));
    };
    if !status.success() {
        let lines = indented(&tail(log, 0));
        bail!("{program} failed ({status}); the end of its log {}:\n{lines}", log.display());
    }
    Ok(start.elapsed())
}
