//! What a run brings into a table: where its data lies, its manifest, and what a partition says of the run that it points to.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::s3_uri;

/// Under the table's root, a directory for each run. No `=` in it, or crawlers would take it for a partition.
const RUNS: &str = "runs/";
/// Under a run's directory, what its attempts say of themselves.
const ATTEMPTS: &str = "_attempts/";
/// Under the table's root, the manifests.
const MANIFESTS: &str = "manifests/";
/// In a name among the manifests, between a run and the second since when nothing points to its data.
const SUPERSEDED: &str = ".superseded.";
/// Under the table's root, the empty directory that a table with partitions points to itself.
const HEAD: &str = "head/";
/// The parameter that names the run that a partition points to.
pub const RUN: &str = "mizuumi.run";
/// Session and revision of that run.
const RUN_ORDER: &str = "mizuumi.run_order";
/// The exclusive end of that run's data, as its producer said.
const RUN_DATA_TIME: &str = "mizuumi.run_data_time";
/// When that run's data landed.
const RUN_LOADED_AT: &str = "mizuumi.run_loaded_at";
/// Where that run's data lies: what the partition's location has to be.
const PUBLISHED_LOCATION: &str = "mizuumi.published_location";
/// Where the partition pointed to before.
const PREVIOUS_LOCATION: &str = "mizuumi.previous_location";
/// The run that it pointed to before, if it was one.
const PREVIOUS_RUN: &str = "mizuumi.previous_run";
/// Session and revision of that run.
const PREVIOUS_RUN_ORDER: &str = "mizuumi.previous_run_order";
/// The exclusive end of that run's data.
const PREVIOUS_DATA_TIME: &str = "mizuumi.previous_run_data_time";
/// When that run's data landed.
const PREVIOUS_LOADED_AT: &str = "mizuumi.previous_run_loaded_at";

/// The directory that a run's data goes to.
#[must_use]
pub fn output(root: &str, run: &str) -> String {
    format!("{}{run}/", output_of_all(root))
}

/// The directory that one attempt of a run's work writes to: within the run's, so that what an attempt left behind that failed is
/// never taken for data.
#[must_use]
pub fn attempt_output(root: &str, run: &str, attempt: i64) -> String {
    format!("{}a{attempt}/", output(root, run))
}

/// Where a run's attempts say that they were begun and how they ended: in the run's directory, under a name that all readers skip, and
/// beside the directories that data goes to. In one of those it would be in the way: Spark and Hadoop refuse to write to a directory that is
/// there, or empty it first.
#[must_use]
pub fn traces(root: &str, run: &str) -> String {
    format!("{}{ATTEMPTS}", output(root, run))
}

/// A path below a run's directory, without the directory of an attempt.
#[must_use]
pub fn without_attempt(path: &str) -> &str {
    let is_attempt = |segment: &str| {
        segment
            .strip_prefix('a')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    };
    path.split_once('/').filter(|(segment, _)| is_attempt(segment)).map_or(path, |(_, rest)| rest)
}

/// The run whose directory a location lies in.
#[must_use]
pub fn run_at(root: &str, location: &str) -> Option<String> {
    let path = s3_uri::canonical(location);
    let run = path.strip_prefix(&output_of_all(root))?.split('/').next()?;
    (!run.is_empty()).then(|| run.to_owned())
}

/// Where the directories of all runs lie.
#[must_use]
pub fn output_of_all(root: &str) -> String {
    format!("{}{RUNS}", s3_uri::canonical(root))
}

/// Where all manifests are.
#[must_use]
pub fn manifests(root: &str) -> String {
    format!("{}{MANIFESTS}", s3_uri::canonical(root))
}

/// What an object among the manifests says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AmongManifests {
    /// It is the manifest of this run.
    Manifest(String),
    /// Nothing points to the data of this run since then.
    Superseded(String, Timestamp),
}

impl AmongManifests {
    /// By the object's name; none if it is something else.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        if let Some(run) = name.strip_suffix(".json") {
            return Some(Self::Manifest(run.to_owned()));
        }
        let (run, since) = name.rsplit_once(SUPERSEDED)?;
        Some(Self::Superseded(run.to_owned(), Timestamp::from_second(since.parse().ok()?).ok()?))
    }
}

/// Where it is written since when nothing points to a run's data.
#[must_use]
pub fn superseded(root: &str, run: &str, since: Timestamp) -> String {
    format!("{}{}", superseded_since(root, run), since.as_second())
}

/// How every such place of a run begins.
#[must_use]
pub fn superseded_since(root: &str, run: &str) -> String {
    format!("{}{run}{SUPERSEDED}", manifests(root))
}

/// Where a run's manifest is.
#[must_use]
pub fn manifest(root: &str, run: &str) -> String {
    format!("{}{run}.json", manifests(root))
}

/// Where a table points to that has no data itself.
#[must_use]
pub fn head(root: &str) -> String {
    format!("{}{HEAD}", s3_uri::canonical(root))
}

/// Which of two runs stays where both bring the same partition: the later session, then the higher revision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunOrder {
    /// The time that the run is for.
    pub session_time: Timestamp,
    /// Counts the runs of one session.
    pub revision: i32,
    /// The run's name; it only makes the order whole.
    pub run: String,
}

impl RunOrder {
    fn text(&self) -> String {
        format!("{} r{}", self.session_time, self.revision)
    }

    fn read(run: &str, text: &str) -> Option<Self> {
        let (session, revision) = text.split_once(" r")?;
        Some(Self {
            session_time: session.parse().ok()?,
            revision: revision.parse().ok()?,
            run: run.to_owned(),
        })
    }
}

/// How recent a run's data is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RunTimes {
    /// The exclusive end of the data, as its producer said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// When it landed: when the newest of its files was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<Timestamp>,
}

/// What a partition, or a table without partitions, says of the run that it points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The run.
    pub run: RunOrder,
    /// How recent its data is.
    #[serde(default)]
    pub times: RunTimes,
    /// Where its data lies.
    pub location: String,
    /// What it pointed to before.
    pub previous: Option<Previous>,
}

/// What a partition pointed to before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Where.
    pub location: String,
    /// Which run's data that is, if a run brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunOrder>,
    /// How recent that is.
    #[serde(default)]
    pub times: RunTimes,
}

impl Pointer {
    /// Reads it from Glue parameters; none if they do not say it whole.
    pub fn read<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let order = |name: &str, order: &str| RunOrder::read(get(name)?, get(order)?);
        let time = |name: &str| get(name)?.parse().ok();
        Some(Self {
            run: order(RUN, RUN_ORDER)?,
            times: RunTimes { data_time: time(RUN_DATA_TIME), loaded_at: time(RUN_LOADED_AT) },
            location: get(PUBLISHED_LOCATION)?.to_owned(),
            previous: get(PREVIOUS_LOCATION).map(|location| Previous {
                location: location.to_owned(),
                run: order(PREVIOUS_RUN, PREVIOUS_RUN_ORDER),
                times: RunTimes { data_time: time(PREVIOUS_DATA_TIME), loaded_at: time(PREVIOUS_LOADED_AT) },
            }),
        })
    }

    /// As Glue parameters.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut set = |name: &str, value: Option<String>| {
            all.extend(value.map(|value| (name.to_owned(), value)));
        };
        let in_words = |time: Option<Timestamp>| time.map(|time| time.to_string());
        set(RUN, Some(self.run.run.clone()));
        set(RUN_ORDER, Some(self.run.text()));
        set(RUN_DATA_TIME, in_words(self.times.data_time));
        set(RUN_LOADED_AT, in_words(self.times.loaded_at));
        set(PUBLISHED_LOCATION, Some(self.location.clone()));
        let previous = self.previous.as_ref();
        let run = previous.and_then(|previous| previous.run.as_ref());
        set(PREVIOUS_LOCATION, previous.map(|previous| previous.location.clone()));
        set(PREVIOUS_RUN, run.map(|run| run.run.clone()));
        set(PREVIOUS_RUN_ORDER, run.map(RunOrder::text));
        set(PREVIOUS_DATA_TIME, previous.and_then(|previous| in_words(previous.times.data_time)));
        set(PREVIOUS_LOADED_AT, previous.and_then(|previous| in_words(previous.times.loaded_at)));
        all
    }
}

/// Whether a Glue parameter is part of a pointer.
#[must_use]
pub fn is_of_pointer(key: &str) -> bool {
    [
        RUN,
        RUN_ORDER,
        RUN_DATA_TIME,
        RUN_LOADED_AT,
        PUBLISHED_LOCATION,
        PREVIOUS_LOCATION,
        PREVIOUS_RUN,
        PREVIOUS_RUN_ORDER,
        PREVIOUS_DATA_TIME,
        PREVIOUS_LOADED_AT,
    ]
    .contains(&key)
}

/// What a run asks to be published. Written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The Glue table, `database.table`.
    pub table: String,
    /// The run.
    pub run: String,
    /// Its place among the others; none for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<RunOrder>,
    /// How recent its data is.
    #[serde(default)]
    pub times: RunTimes,
    /// The run that it takes back, if it is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<String>,
    /// Each partition; one without values for a table without partition keys.
    pub partitions: Vec<ManifestPartition>,
}

/// A partition in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ManifestPartition {
    /// Its values.
    pub values: Vec<String>,
    /// Where it is to point to; none: it was not there before the run that is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// In a rollback, the run whose data that is, if a run brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunOrder>,
    /// In a rollback, how recent that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<RunTimes>,
    /// How many files lie there.
    #[serde(default)]
    pub files: u64,
    /// Their size in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// SHA-256 over names, sizes and `ETag`s of the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Manifest {
    /// The bytes of the file: the same manifest is the same bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// Reads a file; none if it is no manifest. What it is instead is not told: it may be none of the reader's business.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// How many files it speaks of.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.files).sum()
    }

    /// Their size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.bytes).sum()
    }
}

/// SHA-256 in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(run: &str, session: &str, revision: i32) -> RunOrder {
        RunOrder { session_time: session.parse().expect("a time"), revision, run: run.to_owned() }
    }

    #[test]
    fn a_pointer_reads_back_from_its_parameters() {
        let run = order("b", "2026-11-22T00:00:00Z", 3);
        let location = "s3://lake/t/runs/b/dt=1/".to_owned();
        let time = |text: &str| text.parse().ok();
        let times =
            RunTimes { data_time: time("2026-11-23T00:00:00Z"), loaded_at: time("2026-11-23T01:00:00Z") };
        let pointer = Pointer { run, times, location, previous: None };
        let times = RunTimes::default();
        let elsewhere = Previous { location: "s3://lake/t/dt=1/".to_owned(), run: None, times };
        let times = RunTimes { data_time: time("2026-11-22T00:00:00Z"), ..times };
        let before =
            Previous { run: Some(order("a", "2026-11-21T00:00:00Z", 0)), times, ..elsewhere.clone() };
        for previous in [None, Some(elsewhere), Some(before)] {
            let pointer = Pointer { previous, ..pointer.clone() };
            let parameters = pointer.parameters();
            assert!(parameters.keys().all(|key| is_of_pointer(key)), "{parameters:?}");
            assert_eq!(Pointer::read(|key| parameters.get(key).map(String::as_str)), Some(pointer));
        }
        assert_eq!(Pointer::read(|_| None), None);
    }

    #[test]
    fn of_two_runs_the_later_session_stays_and_then_the_higher_revision() {
        let first = order("z", "2026-11-21T00:00:00Z", 9);
        let second = order("a", "2026-11-22T00:00:00Z", 0);
        assert!(first < second && second < order("a", "2026-11-22T00:00:00Z", 1));
    }

    #[test]
    fn a_manifest_reads_back_and_its_digest_is_the_known_one() {
        let partition = ManifestPartition {
            values: vec!["1".to_owned()],
            location: Some("s3://lake/t/runs/a/dt=1/".to_owned()),
            run: None,
            times: None,
            files: 2,
            bytes: 30,
            sha256: None,
        };
        let manifest = Manifest {
            table: "d.t".to_owned(),
            run: "a".to_owned(),
            order: Some(order("a", "2026-11-22T00:00:00Z", 0)),
            times: RunTimes::default(),
            rolls_back: None,
            partitions: vec![partition],
        };
        assert_eq!(Manifest::read(&manifest.bytes()), Some(manifest.clone()));
        assert_eq!((manifest.files(), manifest.size()), (2, 30));
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
