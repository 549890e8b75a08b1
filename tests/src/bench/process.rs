//! The controller's process as the kernel sees it: memory and processor time.

use std::fs;

use anyhow::{Context as _, Result};

/// Ticks of processor time in a second; Linux has shown 100 to programs since 2.6, on every architecture here.
const TICKS: f64 = 100.0;

/// What a process uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Memory in use, in MiB.
    pub(crate) rss: f64,
    /// The most that it ever was, in MiB.
    pub(crate) peak: f64,
    /// Processor time so far, in seconds.
    pub(crate) cpu: f64,
}

impl Usage {
    /// Of a process that runs.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the controller has ended")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the controller has ended")?;
        Self::parse(&status, &stat).context("/proc is not as expected")
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        let mebibytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
        };
        // The command's name is in brackets and may hold anything; the fields are counted after it.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        Some(Self {
            rss: mebibytes("VmRSS:")?,
            peak: mebibytes("VmHWM:")?,
            cpu: (ticks(11)? + ticks(12)?) / TICKS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_read_from_proc() {
        let usage = Usage::parse(
            "Name:\tmizuumi\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n",
            "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 1 1 1 1 1",
        )
        .unwrap();
        assert_eq!((usage.rss, usage.peak, usage.cpu), (10.0, 20.0, 2.0));
    }
}
