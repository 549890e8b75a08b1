//! A Python of its own, with the AWS clients and moto that `stand/requirements.txt` names.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::stamp::Stamp;
use super::{Cache, long_run, sources};
use crate::say::{Say, seconds};

/// Installs unless it was done from the same list by the same Python; returns the interpreter's path.
pub(super) fn ensure(cache: &Cache, say: Say) -> Result<PathBuf> {
    let folder = sources::folder()?;
    let inputs = sources::read(&folder, &["requirements.txt".to_owned()])?;
    let system = env::var("MIZUUMI_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let stamp = Stamp::new(&inputs, version(&system));
    let stamp_file = cache.stamps().join("venv");
    let python = cache.venv().join("bin/python");
    if python.is_file() && stamp.is_current(&stamp_file) {
        return Ok(python);
    }
    say.line(format_args!("installing Python packages for the AWS endpoint, about a minute (700 MB)"));
    let log = cache.logs().join("venv.log");
    let _ = fs::remove_file(&log);
    // An installation that is broken off must not pass for the old one.
    let _ = fs::remove_file(&stamp_file);
    let mut command = Command::new(&system);
    command.args(["-m", "venv", "--clear"]).arg(cache.venv());
    let mut time = long_run::run(&mut command, &log, say, |_| "creating the environment".to_owned()).context(
        "Python 3.10 or newer with its module venv is needed: install it (Debian: python3-venv), name another by \
         MIZUUMI_PYTHON, or do without the AWS endpoint: --without-aws",
    )?;
    let mut command = Command::new(&python);
    command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r"]);
    command.arg(folder.join("requirements.txt"));
    time += long_run::run(&mut command, &log, say, |text| {
        let downloads = text.lines().filter(|line| line.starts_with("Collecting ")).count();
        if text.contains("Installing collected packages") {
            format!("installing {downloads} packages")
        } else {
            format!("{downloads} packages found")
        }
    })?;
    stamp.write(&stamp_file)?;
    say.line(format_args!("installed Python packages in {}", seconds(time)));
    Ok(python)
}

fn version(python: &str) -> Option<String> {
    let output = Command::new(python).arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
