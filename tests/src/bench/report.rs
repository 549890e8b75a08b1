//! What a run leaves behind: a folder with the table, the figures, the raw measurements and the machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::figures::{Figure, Target, Unit, table};
use super::floor::Floor;
use super::settings::{Id, Settings, Size};
use super::stats::number;
use super::watch::{Applied, Watch};
use crate::wait;

/// The results so far.
#[derive(Debug)]
pub struct Report {
    folder: PathBuf,
    machine: Machine,
    conditions: String,
    pub(crate) floor: Floor,
    figures: Vec<Figure>,
    counts: BTreeMap<String, u64>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    cores: usize,
    processor: String,
    memory_mib: u64,
    kernel: String,
    commit: String,
    profile: &'static str,
    began: String,
}

impl Machine {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after_colon = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = after_colon(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        let git = |arguments: &[&str]| {
            let output =
                Command::new("git").args(arguments).output().ok().filter(|output| output.status.success());
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let dirty =
            git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
        let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: after_colon(&read("/proc/cpuinfo"), "model name"),
            memory_mib: kib / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            commit: if dirty { format!("{commit} with changes") } else { commit },
            profile: if cfg!(debug_assertions) { "dev" } else { "release" },
            began: wait::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl Report {
    pub(crate) fn new(settings: &Settings, stand: &Path) -> Result<Self> {
        let name = wait::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let folder = settings.results.clone().unwrap_or_else(|| stand.join("results").join(name));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            folder,
            machine: Machine::look(),
            conditions: String::new(),
            floor: Floor::default(),
            figures: Vec::new(),
            counts: BTreeMap::new(),
        })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of raw measurements.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Says under what conditions all of it was measured.
    pub(crate) fn set_conditions(&mut self, text: String) {
        self.conditions = text;
    }

    pub(crate) fn add(&mut self, figure: Figure) {
        super::say(format_args!("{}", figure.line()));
        self.figures.push(figure);
    }

    /// A count that is the same in every run with these settings, and that CI compares.
    pub(crate) fn count(&mut self, what: impl Into<String>, count: u64) {
        self.counts.insert(what.into(), count);
    }

    /// All such counts.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// What was not as it should be, a line each.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        self.figures.iter().filter_map(Figure::complaint).collect()
    }

    /// What could not be measured at all, a line each.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.figures.iter().filter(|figure| figure.has_failed()).filter_map(Figure::complaint).collect()
    }

    /// Keeps when each of these became ready, counted from a moment.
    pub(crate) fn keep_times(&self, name: &str, all: &[Applied], watch: &Watch, from: Instant) -> Result<()> {
        let mut file = BufWriter::new(File::create(self.file(&format!("{name}.csv")))?);
        writeln!(file, "object,applied_seconds,ready_seconds")?;
        for applied in all {
            let before = from.saturating_duration_since(applied.at).as_secs_f64();
            let applied_at = applied.at.saturating_duration_since(from).as_secs_f64() - before;
            let ready = watch.ready_at(applied).map(|at| at.saturating_duration_since(from).as_secs_f64());
            let ready = ready.map(|ready| format!("{ready:.4}")).unwrap_or_default();
            writeln!(file, "{},{applied_at:.4},{ready}", applied.key)?;
        }
        Ok(())
    }

    /// A figure at the smallest and at the largest size, if there are two.
    fn extremes(&self, id: Id, what: &str) -> Option<[(Size, f64); 2]> {
        let mut known: Vec<(Size, f64)> =
            self.figures.iter().filter_map(|figure| figure.is(id, what)).collect();
        known.sort_by_key(|(size, _)| *size);
        if let [small, .., large] = known[..] { Some([small, large]) } else { None }
    }

    /// How latency and memory grow with the number of objects.
    fn add_growth(&mut self) {
        for what in [super::single::AMONG_SWEEPS, super::single::AMONG_CHANGES] {
            if let Some([(small, least), (large, most)]) = self.extremes(Id::B5, what) {
                let text = format!("{what}: {large} / {small}");
                self.figures.push(Figure::new(Id::B5, large, text, Unit::Times, most / least).at_most(1.5));
            }
        }
        if let Some([(small, least), (large, most)]) = self.extremes(Id::B8, super::cold::MEMORY)
            // Among few objects the process's own growth is larger than that of what it keeps.
            && large.0 >= super::cold::ENOUGH
        {
            let text = format!("memory for each object from {small} to {large}");
            let each = 1024.0 * (most - least) / number(large.0 - small.0);
            self.figures.push(Figure::new(Id::B8, large, text, Unit::Kibibytes, each).at_most(3.0));
        }
    }

    /// Writes everything down; answers the table for the terminal.
    pub(crate) fn finish(&mut self) -> Result<String> {
        self.add_growth();
        // The sizes of one figure stand together, in the order in which figures were first told.
        let mut order: Vec<(Id, String)> = Vec::new();
        for figure in &self.figures {
            let name = figure.name();
            if !order.contains(&name) {
                order.push(name);
            }
        }
        self.figures.sort_by_key(|figure| {
            let place = order.iter().position(|name| *name == figure.name());
            (figure.name().0, place, figure.size())
        });
        let Machine { cores, processor, memory_mib, kernel, commit, profile, began } = &self.machine;
        let mut text = format!(
            "# Benchmarks\n\n{began}, commit {commit}, {profile} build; {cores} cores ({processor}), {memory_mib} MiB, \
             Linux {kernel}.\n{}\nFloor: {}.\n\n",
            self.conditions,
            self.floor.in_words()
        );
        text.push_str(&table(self.figures.iter().filter(|figure| figure.is_main())));
        let complaints = self.complaints();
        if complaints.is_empty() {
            text.push_str("\nAll targets are met.\n");
        } else {
            writeln!(text, "\nNot as it should be:\n")?;
            for complaint in complaints {
                writeln!(text, "- {complaint}")?;
            }
        }
        let mut page = text.clone();
        writeln!(page, "\n## In detail\n")?;
        for figure in &self.figures {
            writeln!(page, "{}", figure.line())?;
        }
        fs::write(self.file("report.md"), page)?;
        let all = json!({
            "machine": self.machine, "conditions": self.conditions, "floor": self.floor,
            "figures": self.figures, "counts": self.counts,
        });
        fs::write(self.file("figures.json"), serde_json::to_string_pretty(&all)?)?;
        Ok(text)
    }
}

/// How a target of nothing is written: no write is ever right where nothing changed.
pub(crate) const NOTHING: Target = Target::Exactly(0.0);
