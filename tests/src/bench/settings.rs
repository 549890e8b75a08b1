//! What a run of the benchmarks is to do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mizuumi_api::Installation;
use mizuumi_api::installation::{Intervals, Rates};

use super::stats::number;

/// A benchmark; what each means is in the book's page on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    /// Tables made from nothing.
    B1,
    /// Tables that are there already.
    B2,
    /// Nothing changes.
    B3,
    /// One apply on a quiet system.
    B4,
    /// One apply among many busy ones.
    B5,
    /// All objects change.
    B6,
    /// Tables change behind the controller's back.
    B7,
    /// Memory.
    B8,
    /// A restart.
    B9,
    /// EMR clusters over a day.
    B11,
    /// EMR clusters at once.
    B12,
    /// New partitions among very many.
    B13,
    /// Runs that wait for a table.
    B19,
    /// Many sessions of the past.
    B20,
}

impl Id {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::B1,
        Self::B2,
        Self::B3,
        Self::B4,
        Self::B5,
        Self::B6,
        Self::B7,
        Self::B8,
        Self::B9,
        Self::B11,
        Self::B12,
        Self::B13,
        Self::B19,
        Self::B20,
    ];
    /// Those of tables, which have sizes.
    pub const OF_TABLES: [Self; 10] =
        [Self::B1, Self::B2, Self::B3, Self::B4, Self::B5, Self::B6, Self::B7, Self::B8, Self::B9, Self::B13];
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|id| id.to_string().eq_ignore_ascii_case(text));
        found.ok_or_else(|| "the benchmarks are B1 to B9, B11 to B13, B19 and B20".to_owned())
    }
}

/// How many tables: `300`, `10k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = text.strip_suffix(['k', 'K']).map_or((text, 1), |digits| (digits, 1000));
        let size = digits.parse::<usize>().ok().and_then(|size| size.checked_mul(factor));
        let size = size.filter(|size| (10..=1_000_000).contains(size));
        size.map(Self).ok_or_else(|| format!("'{text}' is no size from 10 to 1000k"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text =
            if self.0.is_multiple_of(1000) { format!("{}k", self.0 / 1000) } else { self.0.to_string() };
        f.pad(&text)
    }
}

/// How often a Glue operation may be called, as `CreateTable=100`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quota {
    /// Operation.
    pub operation: String,
    /// Calls a second; the bucket holds those of one second.
    pub rate: f64,
}

impl FromStr for Quota {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (operation, rate) = text.split_once('=').ok_or("a quota is OPERATION=CALLS_A_SECOND")?;
        let rate = rate.parse().ok().filter(|rate| *rate > 0.0).ok_or("a rate is a number over 0")?;
        Ok(Self { operation: operation.to_owned(), rate })
    }
}

/// All that a run can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Numbers of tables, one after the other.
    pub sizes: Vec<Size>,
    /// Which benchmarks.
    pub only: BTreeSet<Id>,
    /// Of the tables' columns and of the endpoint's latency.
    pub seed: u64,
    /// Namespaces that the objects are spread over.
    pub namespaces: usize,
    /// Tables in one Glue database.
    pub per_database: usize,
    /// Columns of a table.
    pub columns: usize,
    /// EMR clusters of B11 and B12.
    pub clusters: usize,
    /// Runs of B11 and B12 that work on them.
    pub runs: usize,
    /// How long the day of B11 lasts.
    pub day: Duration,
    /// The interval between sweeps where sweeps are measured.
    pub sweep_seconds: u32,
    /// Sweeps to watch in B3.
    pub sweeps: usize,
    /// The rest after which memory is measured.
    pub rest: Duration,
    /// Applies of B4.
    pub quiet_applies: usize,
    /// Applies of each half of B5.
    pub busy_applies: usize,
    /// Quotas of the endpoint.
    pub quotas: Vec<Quota>,
    /// Latency of the endpoint: the middle, and how far it may be off.
    pub latency: (Duration, Duration),
    /// Where the controller begins to call, in calls a second of each Glue operation; none: the product's default.
    pub glue_per_second: Option<u32>,
    /// Whether the controller is configured as the other tests are, quick in everything, and not as a user would.
    pub as_in_tests: bool,
    /// How long the rate of the floor is measured.
    pub floor: Duration,
    /// How often the sampler looks.
    pub sample: Duration,
    /// Where results go; none: beside the stand.
    pub results: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        let quota = |operation: &str, rate| Quota { operation: operation.to_owned(), rate };
        Self {
            sizes: vec![Size(1000), Size(10_000)],
            only: Id::ALL.into(),
            seed: 1,
            namespaces: 10,
            per_database: 10_000,
            columns: 40,
            clusters: 40,
            runs: 3000,
            day: Duration::from_mins(8),
            sweep_seconds: 15,
            sweeps: 3,
            rest: Duration::from_mins(1),
            quiet_applies: 100,
            busy_applies: 50,
            quotas: vec![quota("CreateTable", 100.0), quota("UpdateTable", 100.0), quota("GetTables", 10.0)],
            latency: (Duration::from_millis(50), Duration::from_millis(20)),
            glue_per_second: None,
            as_in_tests: false,
            floor: Duration::from_secs(5),
            sample: Duration::from_secs(1),
            results: None,
        }
    }
}

impl Settings {
    /// What CI runs: counts are the same each time, times mean nothing.
    #[must_use]
    pub fn small() -> Self {
        Self {
            sizes: vec![Size(300)],
            // Clusters take as long as EMR's quotas say.
            only: Id::OF_TABLES.into(),
            namespaces: 3,
            // The second database has half a page.
            per_database: 250,
            // Applying 40 of them takes the apiserver longer than all else together.
            columns: 8,
            sweep_seconds: 2,
            rest: Duration::from_secs(1),
            floor: Duration::from_secs(1),
            quiet_applies: 10,
            busy_applies: 10,
            quotas: Vec::new(),
            latency: (Duration::ZERO, Duration::ZERO),
            as_in_tests: true,
            sample: Duration::from_millis(100),
            ..Self::default()
        }
    }

    /// Whether any of these is to be measured.
    pub(crate) fn wants(&self, ids: &[Id]) -> bool {
        ids.iter().any(|id| self.only.contains(id))
    }

    /// The quota of an operation.
    pub(crate) fn quota(&self, operation: &str) -> Option<f64> {
        self.quotas.iter().find(|quota| quota.operation == operation).map(|quota| quota.rate)
    }

    /// The least time that so many calls of an operation take.
    pub(crate) fn seconds_of(&self, operation: &str, calls: usize) -> f64 {
        self.quota(operation).map_or(0.0, |rate| number(calls) / rate)
    }

    /// How many tables B7 changes.
    pub(crate) const fn drifted(size: Size) -> usize {
        let tenth = size.0 / 10;
        if tenth < 1000 { tenth } else { 1000 }
    }

    /// The controller's configuration: as the product comes, but for what is measured and whose it is.
    pub(crate) fn configure(&self, config: &mut Installation, namespaces: Vec<String>, sweep: Option<u32>) {
        config.kubernetes.namespaces = namespaces;
        if !self.as_in_tests {
            config.intervals = Intervals::default();
            config.rates = Rates::default();
        }
        if let Some(rate) = self.glue_per_second {
            config.rates.glue_per_second = rate;
        }
        if let Some(seconds) = sweep {
            config.intervals.sweep_seconds = seconds;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_quotas_are_read_as_people_write_them() {
        assert_eq!("100k".parse(), Ok(Size(100_000)));
        assert_eq!("300".parse(), Ok(Size(300)));
        assert!("5".parse::<Size>().is_err());
        assert_eq!(Size(10_000).to_string(), "10k");
        assert_eq!("GetTables=2.5".parse(), Ok(Quota { operation: "GetTables".into(), rate: 2.5 }));
        assert!("GetTables=-1".parse::<Quota>().is_err());
        assert_eq!("b7".parse(), Ok(Id::B7));
    }
}
