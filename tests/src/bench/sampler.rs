//! A look at everything once a second, kept as CSV.

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
}

/// Looks until it is dropped.
#[derive(Debug)]
pub(crate) struct Sampler {
    shared: Arc<Mutex<Shared>>,
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
        Ok(Self { shared, task })
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
}

fn note(
    shared: &Mutex<Shared>,
    file: &mut impl std::io::Write,
    at: f64,
    calls: &Calls,
) -> std::io::Result<()> {
    let shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
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
