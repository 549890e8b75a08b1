//! Detached processes: started in a group of their own, found again by a record, never mistaken for others.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};
use serde::{Deserialize, Serialize};

/// How long a process may take to end after KILL.
const PATIENCE: Duration = Duration::from_secs(5);
/// A log that is longer than this at a start is put aside.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The program's path.
    pub program: PathBuf,
    /// Its arguments. They name the stand's folder or ports, which is what tells our process from another.
    pub arguments: Vec<String>,
    /// Variables beside the inherited ones.
    pub environment: Vec<(String, String)>,
    /// Its working folder.
    pub folder: PathBuf,
}

impl Invocation {
    /// As one would type it.
    #[must_use]
    pub fn line(&self) -> String {
        std::iter::once(self.program.display().to_string())
            .chain(self.arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// A process that was started earlier, perhaps by another run of this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id, which is also the id of its group.
    pub pid: i32,
    /// Its arguments, to know it by.
    pub arguments: Vec<String>,
    /// The boot it was started in: ids start anew with the next.
    pub boot: String,
    /// Where its output starts in the log, which is kept over restarts.
    pub log_offset: u64,
}

/// What is known of a recorded process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It runs.
    Running,
    /// It has ended; processes that it started may be left in its group.
    Ended,
    /// Its id belongs to somebody else by now.
    Foreign,
}

impl Record {
    /// Reads a record; `None` when there is none, or none that can be understood.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// Whether the process runs.
    #[must_use]
    pub fn presence(&self) -> Presence {
        if self.boot != boot() {
            return Presence::Foreign;
        }
        if let Some(pid) = Pid::from_raw(self.pid) {
            // If it is a child of this very process it must be reaped, or it stays as a zombie.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        let start = Instant::now();
        loop {
            return match fs::read(format!("/proc/{}/cmdline", self.pid)) {
                Err(_) => Presence::Ended,
                Ok(line) if ends_with(&line, &self.arguments) => Presence::Running,
                Ok(line) if !line.is_empty() => Presence::Foreign,
                Ok(_) if self.is_dead() => Presence::Ended,
                // Without a command line for a moment: just being loaded, or dying. The system's own threads
                // never have one.
                Ok(_) if start.elapsed() < Duration::from_secs(5) => {
                    sleep(Duration::from_millis(1));
                    continue;
                }
                Ok(_) => Presence::Foreign,
            };
        }
    }

    /// Whether it only waits to be reaped. While another of its threads is still dying, it keeps its ports.
    fn is_dead(&self) -> bool {
        let folder = format!("/proc/{}", self.pid);
        let status = fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses and may contain anything.
        let is_zombie = status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
        is_zombie && fs::read_dir(format!("{folder}/task")).map_or(0, Iterator::count) <= 1
    }

    /// Whether the program's file was replaced since the start, as a build does it.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        fs::read_link(format!("/proc/{}/exe", self.pid))
            .is_ok_and(|program| program.to_string_lossy().ends_with(" (deleted)"))
    }

    /// Asks it to end, without waiting.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it at once, as a crash would, and whatever it has started.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        self.wait(PATIENCE);
        self.sweep();
    }

    /// Ends it: TERM, and KILL when patience is over; then whatever it has started and left.
    /// Returns false when it had to be killed.
    #[must_use]
    pub fn stop(&self, patience: Duration) -> bool {
        self.terminate();
        let gentle = self.wait(patience);
        if !gentle {
            self.signal(Signal::KILL);
            self.wait(PATIENCE);
        }
        self.sweep();
        gentle
    }

    /// Kills what is left of the process's group once the process itself has ended.
    pub fn sweep(&self) {
        if self.presence() == Presence::Ended
            && let Some(group) = Pid::from_raw(self.pid)
        {
            // There mostly is nobody left, which is an error here.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn signal(&self, signal: Signal) {
        if self.presence() == Presence::Running
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end between the check and the signal.
            let _ = kill_process(pid, signal);
        }
    }

    fn wait(&self, patience: Duration) -> bool {
        let start = Instant::now();
        while self.presence() == Presence::Running {
            if start.elapsed() > patience {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        true
    }
}

/// Starts a process in a group of its own, so that Ctrl-C in the caller's terminal does not reach it.
pub fn spawn(invocation: &Invocation, log: &Path) -> Result<(Child, Record)> {
    if fs::metadata(log).is_ok_and(|log| log.len() > LOG_LIMIT) {
        fs::rename(log, log.with_extension("log.1"))
            .with_context(|| format!("cannot rename {}", log.display()))?;
    }
    let output = OpenOptions::new().create(true).append(true).open(log);
    let output = output.with_context(|| format!("cannot write {}", log.display()))?;
    let log_offset = output.metadata()?.len();
    let child = Command::new(&invocation.program)
        .args(&invocation.arguments)
        .envs(invocation.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&invocation.folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {}", invocation.line()))?;
    let pid = i32::try_from(child.id()).context("the system's process ids are too large")?;
    let record = Record { pid, arguments: invocation.arguments.clone(), boot: boot(), log_offset };
    Ok((child, record))
}

/// Writes a file that only its owner may read, whole or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The current boot; empty where the system does not say.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Whether a command line (words ended by zero bytes) ends with these arguments. Its start may differ from
/// what was started: a script has its interpreter in front.
fn ends_with(line: &[u8], arguments: &[String]) -> bool {
    let words: Vec<&[u8]> = line.strip_suffix(b"\0").unwrap_or(line).split(|byte| *byte == 0).collect();
    words.len() > arguments.len()
        && words[words.len() - arguments.len()..].iter().zip(arguments).all(|(a, b)| *a == b.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(folder: &Path, script: &str) -> Record {
        let arguments = vec!["-c".to_owned(), script.to_owned(), folder.display().to_string()];
        let invocation = Invocation {
            program: "/bin/sh".into(),
            arguments,
            environment: vec![],
            folder: folder.to_owned(),
        };
        spawn(&invocation, &folder.join("log")).unwrap().1
    }

    #[test]
    fn a_process_is_known_by_its_arguments() {
        let words = ["--data".to_owned(), "/stand".to_owned()];
        assert!(ends_with(b"etcd\0--data\0/stand\0", &words));
        assert!(ends_with(b"/bin/sh\0etcd\0--data\0/stand\0", &words));
        assert!(!ends_with(b"etcd\0--data\0/other\0", &words));
        assert!(!ends_with(b"--data\0/stand\0", &words));
    }

    #[test]
    fn stops_a_process_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let record = sleeper(folder.path(), "sleep 600 & echo $! > child; wait");
        assert_eq!(record.presence(), Presence::Running);
        let child = folder.path().join("child");
        while fs::read_to_string(&child).unwrap_or_default().trim().is_empty() {
            sleep(Duration::from_millis(5));
        }
        assert!(record.stop(PATIENCE));
        assert_eq!(record.presence(), Presence::Ended);
        let child = fs::read_to_string(child).unwrap();
        let start = Instant::now();
        // Who reaps the orphan, and when, is the system's affair: a zombie will do.
        while fs::read(format!("/proc/{}/cmdline", child.trim())).is_ok_and(|line| !line.is_empty()) {
            assert!(start.elapsed() < PATIENCE, "the child still runs");
            sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_foreign_process_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let record = sleeper(folder.path(), "exec sleep 600");
        let while_starting = Instant::now();
        while record.presence() == Presence::Running && while_starting.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
        // `exec` has changed its command line: as if the id had been given to somebody else.
        assert_eq!(record.presence(), Presence::Foreign);
        let _ = record.stop(PATIENCE);
        assert!(Path::new(&format!("/proc/{}/cmdline", record.pid)).exists());
        kill_process(Pid::from_raw(record.pid).unwrap(), Signal::KILL).unwrap();
        let earlier_boot = Record { boot: "another".to_owned(), ..record };
        assert_eq!(earlier_boot.presence(), Presence::Foreign);
    }
}
