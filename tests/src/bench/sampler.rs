//! A look at everything once a second, kept as CSV; and the sweeps that can be told from it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::endpoint::{Calls, Endpoint};
use super::process::Usage;

#[derive(Debug, Default)]
struct Shared {
    phase: &'static str,
    pid: Option<u32>,
    /// Seconds since the start, and the calls of GetTables until then.
    lists: Vec<(f64, u64)>,
}

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Mutex<Shared>>,
    began: Instant,
    task: JoinHandle<()>,
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sampler {
    pub(crate) fn start(endpoint: Endpoint, every: Duration, path: &Path) -> Result<Self> {
        let mut file = BufWriter::new(File::create(path).context("the samples cannot be written")?);
        writeln!(
            file,
            "seconds,phase,pid,rss_mib,peak_mib,cpu_seconds,calls,throttled,get_tables,get_table,create_table,\
             update_table"
        )?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let began = Instant::now();
        let into = shared.clone();
        let task = tokio::spawn(async move {
            let mut turn = tokio::time::interval(every);
            turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                turn.tick().await;
                // One look less is no harm.
                let Ok(calls) = endpoint.calls().await else { continue };
                if let Err(error) = note(&into, &mut file, began.elapsed().as_secs_f64(), &calls) {
                    super::say(format_args!("a sample is lost: {error}"));
                }
            }
        });
        Ok(Self { shared, began, task })
    }

    fn hold(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names what is going on from now.
    pub(crate) fn phase(&self, phase: &'static str) {
        self.hold().phase = phase;
    }

    /// Whose memory to look at from now.
    pub(crate) fn follow(&self, pid: Option<u32>) {
        self.hold().pid = pid;
    }

    /// Seconds since the start.
    pub(crate) fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// How long ago a page was listed last, as far as the samples tell.
    pub(crate) fn quiet_for(&self) -> f64 {
        let now = self.now();
        let shared = self.hold();
        let Some((_, known)) = shared.lists.last() else { return 0.0 };
        let since = shared.lists.iter().rev().take_while(|(_, count)| count == known).last();
        since.map_or(0.0, |(at, _)| now - at)
    }

    /// The sweeps that began and ended after a moment, if at least so many seconds pass between any two.
    pub(crate) fn sweeps(&self, since: f64, pause: f64) -> Vec<Sweep> {
        let shared = self.hold();
        let from = shared.lists.partition_point(|(at, _)| *at < since);
        whole_sweeps(&shared.lists[from..], pause)
    }
}

fn note(
    shared: &Mutex<Shared>,
    file: &mut impl std::io::Write,
    at: f64,
    calls: &Calls,
) -> std::io::Result<()> {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.lists.push((at, calls.of("GetTables")));
    let usage = shared.pid.and_then(|pid| Usage::of(pid).ok()).unwrap_or_default();
    let pid = shared.pid.map(|pid| pid.to_string()).unwrap_or_default();
    writeln!(
        file,
        "{at:.3},{},{pid},{:.1},{:.1},{:.2},{},{},{},{},{},{}",
        shared.phase,
        usage.rss,
        usage.peak,
        usage.cpu,
        calls.all(),
        calls.throttled(),
        calls.of("GetTables"),
        calls.of("GetTable"),
        calls.of("CreateTable"),
        calls.of("UpdateTable"),
    )?;
    file.flush()
}

/// One list of all databases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sweep {
    /// Pages.
    pub(crate) calls: u64,
    /// From the sample before its first page to that with its last.
    pub(crate) seconds: f64,
    /// When it ended.
    pub(crate) ended: f64,
}

/// Calls that come close together are one sweep. What has no pause before and after it may be half a one.
fn whole_sweeps(samples: &[(f64, u64)], pause: f64) -> Vec<Sweep> {
    let mut sweeps = Vec::new();
    let Some((mut last_call, _)) = samples.first().copied() else { return sweeps };
    let mut current: Option<Sweep> = None;
    for pair in samples.windows(2) {
        let ((before, known), (at, count)) = (pair[0], pair[1]);
        if count > known {
            match &mut current {
                Some(sweep) => {
                    sweep.calls += count - known;
                    sweep.seconds += at - sweep.ended;
                    sweep.ended = at;
                }
                None if at - last_call >= pause => {
                    current = Some(Sweep { calls: count - known, seconds: at - before, ended: at });
                }
                None => {}
            }
            last_call = at;
        } else if at - last_call >= pause
            && let Some(sweep) = current.take()
        {
            sweeps.push(sweep);
        }
    }
    sweeps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sweeps_are_told() {
        let counts = [1, 2, 2, 2, 2, 3, 5, 5, 5, 5, 6, 8, 8];
        let samples: Vec<(f64, u64)> = counts
            .iter()
            .enumerate()
            .map(|(at, count)| (f64::from(u32::try_from(at).unwrap()), *count))
            .collect();
        let sweeps = whole_sweeps(&samples, 3.0);
        // The first may have begun before, and the last may not be over.
        assert_eq!(sweeps.iter().map(|sweep| sweep.calls).collect::<Vec<_>>(), [3]);
        assert_eq!(whole_sweeps(&[], 3.0), []);
    }
}
