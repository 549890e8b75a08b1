//! The sweeps that can be told from the lists that the endpoint answered, database by database: each has a clock of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Whole sweeps of all databases.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sweeps {
    databases: Vec<Vec<Sweep>>,
}

/// One list of one database.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sweep {
    /// Pages.
    calls: u64,
    /// From its first page to its last.
    seconds: f64,
}

impl Sweeps {
    /// Calls for pages of one database that come close together are one sweep; at least `pause` seconds pass between any
    /// two. Of the first and the last one of a database some pages may be missing: they are left out.
    pub(crate) fn of(pages: impl IntoIterator<Item = (String, Timestamp)>, pause: f64) -> Self {
        let mut databases: BTreeMap<String, Vec<(Sweep, Timestamp)>> = BTreeMap::new();
        for (database, at) in pages {
            let sweeps = databases.entry(database).or_default();
            match sweeps.last_mut() {
                Some((sweep, ended)) if at.duration_since(*ended).as_secs_f64() < pause => {
                    sweep.calls += 1;
                    sweep.seconds += at.duration_since(*ended).as_secs_f64();
                    *ended = at;
                }
                _ => sweeps.push((Sweep { calls: 1, seconds: 0.0 }, at)),
            }
        }
        let whole = |sweeps: Vec<(Sweep, Timestamp)>| {
            let count = sweeps.len();
            sweeps.into_iter().skip(1).take(count.saturating_sub(2)).map(|(sweep, _)| sweep).collect()
        };
        Self { databases: databases.into_values().map(whole).collect() }
    }

    /// How often each of so many databases was swept at least.
    pub(crate) fn count(&self, databases: usize) -> usize {
        let count = self.databases.iter().map(Vec::len).min().unwrap_or_default();
        if self.databases.len() < databases { 0 } else { count }
    }

    /// Calls for all databases, each by its largest sweep.
    pub(crate) fn most_calls(&self) -> u64 {
        self.sum(|sweeps| sweeps.iter().map(|sweep| sweep.calls).max())
    }

    /// Calls for all databases, each by its smallest sweep.
    pub(crate) fn fewest_calls(&self) -> u64 {
        self.sum(|sweeps| sweeps.iter().map(|sweep| sweep.calls).min())
    }

    /// How long the longest took.
    pub(crate) fn longest(&self) -> f64 {
        self.databases.iter().flatten().map(|sweep| sweep.seconds).fold(0.0, f64::max)
    }

    fn sum(&self, of: impl Fn(&[Sweep]) -> Option<u64>) -> u64 {
        self.databases.iter().filter_map(|sweeps| of(sweeps)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(database: &str, seconds: &[i64]) -> Vec<(String, Timestamp)> {
        let at = |second: &i64| Timestamp::from_second(*second).expect("a moment");
        seconds.iter().map(|second| (database.to_owned(), at(second))).collect()
    }

    #[test]
    fn only_whole_sweeps_are_told() {
        let sweeps = Sweeps::of(pages("a", &[1, 2, 10, 11, 12, 20, 21, 30]), 3.0);
        assert_eq!((sweeps.count(1), sweeps.most_calls(), sweeps.fewest_calls()), (2, 3, 2));
        assert!((sweeps.longest() - 2.0).abs() < 1e-9);
        assert_eq!(Sweeps::of([], 3.0).count(1), 0);
    }

    #[test]
    fn databases_that_are_swept_at_the_same_time_are_told_apart() {
        let mut all = pages("a", &[1, 10, 11, 20, 21, 30]);
        all.extend(pages("b", &[5, 15, 25]));
        all.sort_by_key(|(_, at)| *at);
        let sweeps = Sweeps::of(all, 3.0);
        assert_eq!((sweeps.count(2), sweeps.most_calls(), sweeps.count(3)), (1, 3, 0));
    }
}
