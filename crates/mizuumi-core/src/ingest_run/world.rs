//! What is observed of a run: what lies in its directory, and its manifest.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ecs::{SeenTask, TaskLook};
use super::result::RunResult;
use super::shadow::{SeenShadows, ShadowLook};
use super::trace::Traces;
use super::work::SeenJob;
use crate::data_table::{PartitionValues, TableKey};
use crate::publication::{Manifest, Pointer};
use crate::quality_check::facts::SeenFile;
use crate::quality_check::{FoundQuery, QueryLook};

/// What has to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunLook {
    /// Profile of the installation's configuration.
    pub profile: String,
    /// The run's directory, and the table's partition keys.
    pub output: Option<OutputLook>,
    /// What points to an earlier run.
    pub pointers: Option<PointerLook>,
    /// Where the run's manifest is, or will be.
    pub manifest: Option<String>,
    /// Where the manifest is of an earlier run of the same name, should its attempts have left something behind.
    pub earlier: Option<String>,
    /// The Job that does its work.
    pub job: Option<JobLook>,
    /// The task of ECS that does its work.
    pub task: Option<TaskLook>,
    /// Where its attempts say what became of them.
    pub traces: Option<String>,
    /// Where the programs are that its work uses, if it is about to begin.
    pub artifacts: Vec<String>,
    /// The tables that its work writes to by name.
    pub shadows: Option<ShadowLook>,
    /// The queries of its gates that were written down.
    pub queries: Vec<QueryLook>,
}

impl RunLook {
    /// Whether another look is at the same data, whatever queries there are.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Self { queries: Vec::new(), ..self.clone() } == Self { queries: Vec::new(), ..other.clone() }
    }
}

/// Which Job to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLook {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Uid of the run that has to own it.
    pub uid: String,
}

/// Which directory to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputLook {
    /// Where it is.
    pub location: String,
    /// Names of the partition keys, in the order of the directories below it.
    pub keys: Vec<String>,
    /// Whether each file matters, and not only what they come to.
    pub files: bool,
}

/// Whose pointers to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerLook {
    /// The table.
    pub table: TableKey,
    /// Whether it has partitions; else it points itself.
    pub has_partitions: bool,
    /// The run that they point to.
    pub run: String,
}

/// A run as it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunWorld {
    /// What lies in its directory, if that was looked at.
    pub output: Option<Output>,
    /// What points to the run that is taken back, if that was looked at.
    pub pointers: Option<BTreeMap<PartitionValues, Pointer>>,
    /// Its manifest and the SHA-256 of it, if there is one; or why it cannot be read.
    pub manifest: Option<Result<(Manifest, String), String>>,
    /// The Job that does its work, if that was looked at.
    pub job: Option<SeenJob>,
    /// The task of ECS that does its work, if that was looked for.
    pub task: Option<SeenTask>,
    /// Which of its attempts were begun, and which ended, if that was looked at.
    pub traces: Option<Traces>,
    /// SHA-256 of the programs that its work uses, by their places; none where there is none.
    pub artifacts: BTreeMap<String, Option<String>>,
    /// The tables that its work writes to by name, if they were looked at.
    pub shadows: Option<SeenShadows>,
    /// The queries of its gates that are known to have been started, by their client tokens.
    pub queries: BTreeMap<String, FoundQuery>,
    /// When it was looked.
    pub looked: Option<Timestamp>,
}

impl RunWorld {
    /// Exit code of the container that did the work, if it has ended and one is known.
    #[must_use]
    pub const fn exit_code(&self) -> Option<i32> {
        match (&self.task, &self.job) {
            (Some(SeenTask::Task(task)), _) => task.exit_code,
            (_, Some(SeenJob::Failed { exit_code, .. })) => *exit_code,
            _ => None,
        }
    }
}

/// What lies in a run's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Whether the object `_SUCCESS` is there.
    pub has_marker: bool,
    /// The data by partition; one without values where the table has no partition keys.
    pub partitions: BTreeMap<PartitionValues, OutputPartition>,
    /// When the newest file was written.
    pub newest: Option<Timestamp>,
    /// Data that lies in no directory of a partition, or in two directories of one.
    pub strays: Vec<String>,
    /// Each file, if that was asked.
    pub files: Vec<SeenFile>,
    /// What the work says of it, if it does; or why that cannot be read.
    pub result: Option<Result<RunResult, String>>,
}

/// The data of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPartition {
    /// Where it lies.
    pub location: String,
    /// How many files.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// SHA-256 over names, sizes and `ETag`s of the files.
    pub sha256: String,
}
