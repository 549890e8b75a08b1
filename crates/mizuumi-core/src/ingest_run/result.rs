//! What the work says itself of what it has brought, in `_mizuumi/result.json` of its directory: it has to hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::ingest_run::CursorStatus;
use serde::Deserialize;

use super::world::Output;

/// Where it is in a run's directory.
pub const PLACE: &str = "_mizuumi/result.json";
/// Longest cursor that is kept, in bytes, and longest name of its column.
const LONGEST_CURSOR: usize = 1024;
const LONGEST_COLUMN: usize = 256;
/// The version that is understood.
const VERSION: u32 = 1;

/// What the work says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    version: u32,
    rows: Option<u64>,
    /// The exclusive end of the data.
    pub data_time: Option<Timestamp>,
    cursor: Option<Cursor>,
    /// The columns of the data, in the types of Glue and Hive.
    pub schema: Option<Vec<SaidColumn>>,
    partitions: Option<Vec<Partition>>,
}

/// How far it has read its source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Cursor {
    #[serde(default)]
    column: String,
    last: Option<String>,
}

/// A column that it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct SaidColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
}

/// What it says of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Partition {
    path: String,
    files: Option<u64>,
    bytes: Option<u64>,
    #[serde(flatten)]
    figures: Figures,
    source: Option<Figures>,
}

/// Rows and sums of columns, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
struct Figures {
    rows: Option<u64>,
    #[serde(default)]
    sums: BTreeMap<String, String>,
}

impl RunResult {
    /// Reads one.
    ///
    /// # Errors
    /// If it is none, and why.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let result: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("{PLACE} is no result: {error}"))?;
        if result.version != VERSION {
            return Err(format!(
                "{PLACE} is of version {}, and only version {VERSION} is understood",
                result.version
            ));
        }
        Ok(result)
    }

    /// How far it has read its source, if it says so. What is too long to be kept is not.
    #[must_use]
    pub fn cursor(&self) -> Option<CursorStatus> {
        let Cursor { column, last } = self.cursor.as_ref()?;
        let last = last.as_ref().filter(|last| !last.is_empty() && last.len() <= LONGEST_CURSOR)?;
        (column.len() <= LONGEST_COLUMN).then(|| CursorStatus { column: column.clone(), last: last.clone() })
    }

    /// Why it cannot be that an earlier session has read up to there. Only times and whole numbers are compared: how texts are ordered is
    /// the source's to say.
    #[must_use]
    pub fn went_back(&self, before: &str) -> Option<String> {
        let CursorStatus { column, last } = self.cursor()?;
        let is_less = match (last.parse::<Timestamp>(), before.parse::<Timestamp>()) {
            (Ok(last), Ok(before)) => last < before,
            _ => last.parse::<i128>().ok()? < before.parse::<i128>().ok()?,
        };
        is_less.then(|| {
            format!(
                "cursor '{column}' went backwards: it comes to {last}, and an earlier session has read up to {before}. Was the source put \
                 back? Where that is as it should be, run the sessions anew whose data has changed"
            )
        })
    }

    /// Why what lies at a location is not what it says.
    #[must_use]
    pub fn refusal(&self, output: &Output, location: &str) -> Option<String> {
        let partitions = self.partitions.as_ref()?;
        let there: BTreeMap<&str, (u64, u64)> = output
            .partitions
            .values()
            .map(|one| {
                let path = one.location.strip_prefix(location).unwrap_or(&one.location);
                (path, (one.files, one.bytes))
            })
            .collect();
        let said = |path: &str| partitions.iter().any(|partition| partition.path == path);
        if let Some(path) = there.keys().find(|path| !said(path)) {
            return Some(format!("{PLACE} says nothing of {}, which is there", named(path)));
        }
        if let Some(why) = partitions.iter().find_map(|partition| partition.refusal(&there)) {
            return Some(why);
        }
        let rows: Option<u64> = partitions.iter().map(|partition| partition.figures.rows).sum();
        match (self.rows, rows) {
            (Some(all), Some(rows)) if all != rows => {
                Some(format!("{PLACE} says {all} rows in all, and {rows} of its partitions"))
            }
            _ => None,
        }
    }
}

impl Partition {
    fn refusal(&self, there: &BTreeMap<&str, (u64, u64)>) -> Option<String> {
        let name = named(&self.path);
        let Some((files, bytes)) = there.get(self.path.as_str()) else {
            return Some(format!("{PLACE} says that there is {name}, and nothing is there"));
        };
        for (what, said, seen) in [("files", self.files, files), ("bytes", self.bytes, bytes)] {
            if let Some(said) = said.filter(|said| said != seen) {
                return Some(format!("{PLACE} says {said} {what} of {name}, and there are {seen}"));
            }
        }
        let source = self.source.as_ref()?;
        if let Some(rows) = source.rows.filter(|rows| self.figures.rows != Some(*rows)) {
            let brought = self.figures.rows.map_or("an unknown number".to_owned(), |rows| rows.to_string());
            return Some(format!("the source has {rows} rows of {name}, and {brought} were brought"));
        }
        source.sums.iter().find_map(|(column, sum)| {
            let brought = self.figures.sums.get(column);
            let unknown = "is not summed in what was brought".to_owned();
            (brought != Some(sum)).then(|| {
                let brought = brought.map_or(unknown, |sum| format!("to {sum} in what was brought"));
                format!("column '{column}' of {name} comes to {sum} in the source, and {brought}")
            })
        })
    }
}

fn named(path: &str) -> String {
    if path.is_empty() { "the table".to_owned() } else { format!("partition '{path}'") }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ingest_run::world::OutputPartition;

    const LOCATION: &str = "s3://lake/t/runs/r/a1/";

    fn refusal(result: &Value) -> Option<String> {
        let partition = OutputPartition {
            location: format!("{LOCATION}day=1/"),
            files: 1,
            bytes: 20,
            sha256: String::new(),
        };
        let output = Output { partitions: [(vec!["1".to_owned()], partition)].into(), ..Output::default() };
        match RunResult::read(result.to_string().as_bytes()) {
            Ok(result) => result.refusal(&output, LOCATION),
            Err(why) => Some(why),
        }
    }

    fn with(more: &Value) -> Value {
        let mut partition = json!({
            "path": "day=1/", "files": 1, "bytes": 20, "rows": 3, "sums": {"n": "6"},
            "source": {"rows": 3, "sums": {"n": "6"}},
        });
        for (key, value) in more.as_object().cloned().unwrap_or_default() {
            partition[key] = value;
        }
        json!({"version": 1, "rows": 3, "schema": [], "partitions": [partition]})
    }

    #[test]
    fn what_holds_is_published() {
        for result in [
            with(&json!({})),
            json!({"version": 1}),
            json!({"version": 1, "rows": 3, "partitions": [{"path": "day=1/"}]}),
            with(&json!({"source": null})),
        ] {
            assert_eq!(refusal(&result), None, "{result}");
        }
    }

    #[test]
    fn a_cursor_goes_forward() {
        let read = |cursor: &Value| {
            let result = json!({"version": 1, "cursor": cursor});
            RunResult::read(result.to_string().as_bytes()).expect("a result")
        };
        let at = |last: &str| read(&json!({"column": "c", "from": "0", "to": "9", "last": last}));
        let hour = "2013-01-01T10:00:00Z";
        assert_eq!(at(hour).cursor().map(|cursor| cursor.last).as_deref(), Some(hour));
        for (last, before, goes_back) in [
            (hour, "2013-01-01T18:59:59+09:00", false),
            (hour, hour, false),
            (hour, "2013-01-01T11:00:00Z", true),
            ("9", "10", true),
            ("10", "9", false),
            // Nobody here knows how texts are ordered.
            ("a", "b", false),
            ("9", "ten", false),
        ] {
            assert_eq!(at(last).went_back(before).is_some(), goes_back, "{last} after {before}");
        }
        // An hour without rows comes to nothing.
        let empty = read(&json!({"column": "c", "from": "0", "to": "9"}));
        assert_eq!((empty.cursor(), empty.went_back("5")), (None, None));
        assert_eq!(at(&"9".repeat(1025)).cursor(), None);
    }

    #[test]
    fn what_does_not_hold_is_told_with_both_figures() {
        for (result, words) in [
            (json!([]), "is no result"),
            (json!({"version": 2}), "is of version 2"),
            (json!({"version": 1, "partitions": []}), "says nothing of partition 'day=1/', which is there"),
            (with(&json!({"files": 2})), "says 2 files of partition 'day=1/', and there are 1"),
            (with(&json!({"bytes": 21})), "says 21 bytes of partition 'day=1/', and there are 20"),
            (
                with(&json!({"source": {"rows": 4}})),
                "the source has 4 rows of partition 'day=1/', and 3 were brought",
            ),
            (
                with(&json!({"source": {"rows": 3, "sums": {"n": "7"}}})),
                "column 'n' of partition 'day=1/' comes to 7 in the source, and to 6 in what was brought",
            ),
            (with(&json!({"source": {"sums": {"m": "7"}}})), "and is not summed in what was brought"),
            (with(&json!({"rows": 4, "source": null})), "says 3 rows in all, and 4 of its partitions"),
            (
                json!({"version": 1, "partitions": [{"path": "day=1/"}, {"path": "day=2/"}]}),
                "says that there is partition 'day=2/', and nothing is there",
            ),
        ] {
            let why = refusal(&result).unwrap_or_default();
            assert!(why.contains(words), "{result}: {why}");
        }
    }
}
