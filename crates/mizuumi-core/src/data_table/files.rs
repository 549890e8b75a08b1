//! How the newest files of a table are: many small ones cost readers a request each.

use serde::{Deserialize, Serialize};

/// Files under this are small: Athena's user guide ("Performance tuning") advises 128 MB, and readers split what is
/// larger.
pub const SMALL: u64 = 32 * 1024 * 1024;

/// How many files there are, and how large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesHealth {
    /// How many.
    pub count: u64,
    /// The size of the middle one, in bytes.
    pub median: u64,
    /// How many are smaller than [`SMALL`].
    pub small: u64,
}

impl FilesHealth {
    /// The health of files of these sizes, in bytes.
    #[must_use]
    pub fn of(mut sizes: Vec<u64>) -> Self {
        sizes.sort_unstable();
        let small = sizes.iter().filter(|size| **size < SMALL).count();
        let median = sizes.get(sizes.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        Self { count: sizes.len() as u64, median, small: small as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_size_is_no_mean() {
        let health = FilesHealth::of(vec![1, 1 << 40, 3]);
        assert_eq!(health, FilesHealth { count: 3, median: 3, small: 2 });
        assert_eq!(FilesHealth::of(Vec::new()), FilesHealth::default());
    }
}
