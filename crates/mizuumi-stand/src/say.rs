//! Progress for people: what is being done and how long it took, on standard error.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// Where progress goes. Results (paths, variables, tables) are not progress: they go to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// One line for each step, on standard error.
    Aloud,
    /// Nothing; for tests, which use the library.
    Nothing,
}

impl Say {
    /// Prints one line.
    pub fn line(self, text: fmt::Arguments<'_>) {
        if self == Self::Aloud {
            // A closed standard error is no reason to leave a stand half started.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// `12.3 s` below a minute and a half, `4 min 05 s` above.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole < 90 {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(340)), "0.3 s");
        assert_eq!(seconds(Duration::from_secs(245)), "4 min 05 s");
    }
}
