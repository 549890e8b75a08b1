//! What is observed of a table.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mizuumi_api::data_table::{Format, IndexState};
use serde::{Deserialize, Serialize};

use super::avsc_from::SeenAvsc;
use super::cascade::ColumnsMark;
use super::crawler::{CrawlerLook, SeenCrawler};
use super::definition::TableDefinition;
use super::files::FilesHealth;
use super::indexes;
use super::learning::Said;
use super::publishing::Place;
use super::superseded::SeenRun;
use crate::publication::{Manifest, Pointer};

/// Values of a partition, one for each key.
pub type PartitionValues = Vec<String>;

/// What has to be looked at besides the table's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLook {
    /// The partitions in the catalog.
    pub partitions: bool,
    /// The partition indexes.
    pub indexes: bool,
    /// The versions of the definition.
    #[serde(default)]
    pub versions: bool,
    /// The directories in S3.
    pub directories: Option<DirectoryLook>,
    /// Manifests of runs that ask to be published.
    #[serde(default)]
    pub manifests: Vec<ManifestLook>,
    /// The runs that bring its partitions, if that is what does.
    #[serde(default)]
    pub runs: Option<RunsLook>,
    /// The newest files.
    #[serde(default)]
    pub files: Option<FilesLook>,
    /// The crawler.
    #[serde(default)]
    pub crawler: Option<CrawlerLook>,
    /// The object in S3 that is the Avro schema which says the columns.
    #[serde(default)]
    pub avsc: Option<String>,
}

/// Where runs are that bring a table's partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsLook {
    /// The table's root.
    pub root: String,
    /// Whether to look for those that nothing points to any more.
    pub superseded: bool,
}

/// Which files to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesLook {
    /// Where they are if the table has no partitions and no run has been published; none if it has partitions.
    pub location: Option<String>,
    /// Where to look beside the partitions and directories that are there, the newest first.
    pub places: Vec<String>,
    /// The format that they are to say their columns in; none if they are only counted.
    pub columns: Option<Format>,
    /// Whether readers find columns by their place, so that all files have to have them in one order.
    pub by_place: bool,
    /// Whether they say how recent the data is, so that new ones are looked for where the others were.
    #[serde(default)]
    pub times: bool,
    /// Whether it matters when the newest was written, so that files that are known are looked at again.
    #[serde(default)]
    pub watched: bool,
}

impl FilesLook {
    /// Whether the columns come from the files, by whoever reads them.
    #[must_use]
    pub const fn is_of_columns(&self) -> bool {
        self.columns.is_some() || self.watched
    }
}

/// Which manifest to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLook {
    /// Where it is.
    pub location: String,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
}

impl TableLook {
    /// The look at a table that says this: indexes of ours that the spec no longer has are looked at until they are gone.
    #[must_use]
    pub fn at(&self, table: &TableDefinition) -> Self {
        Self { indexes: self.indexes || indexes::are_owned(table), ..self.clone() }
    }

    /// Whether anything has to be looked at besides the definition and the crawler.
    #[must_use]
    pub fn is_of_data(&self) -> bool {
        self.partitions
            || self.indexes
            || self.versions
            || !self.manifests.is_empty()
            || self.runs.as_ref().is_some_and(|runs| runs.superseded)
            || self.files.is_some()
            || self.avsc.is_some()
    }

    /// Whether the table's columns come from what is looked at, so that it is looked at before there is a table.
    #[must_use]
    pub fn is_of_columns(&self) -> bool {
        self.avsc.is_some() || self.files.as_ref().is_some_and(FilesLook::is_of_columns)
    }

    /// Whether new files matter, wherever they come.
    #[must_use]
    pub fn is_of_new_files(&self) -> bool {
        self.files.as_ref().is_some_and(|files| files.is_of_columns() || files.times)
    }
}

/// Which directories to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryLook {
    /// The table's root.
    pub location: String,
    /// Names of the partition keys, in the order of the directories.
    pub keys: Vec<String>,
    /// Name of the object that says a directory is complete.
    pub marker: Option<String>,
    /// Into so many of the newest directories of each level but the last a look at everything goes; into all if none.
    #[serde(default)]
    pub lookback: Option<usize>,
    /// Whether partitions are looked for whose directories are gone.
    #[serde(default)]
    pub prunes: bool,
}

/// A table as it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableWorld {
    /// Whether the Glue database exists.
    pub database_exists: bool,
    /// The table, if it exists.
    pub table: Option<ObservedTable>,
    /// The partitions in the catalog, if they were looked at.
    pub partitions: Option<BTreeMap<PartitionValues, ObservedPartition>>,
    /// The partition indexes, if they were looked at.
    pub indexes: Option<Vec<ObservedIndex>>,
    /// The versions of the definition, the present one first, if they were looked at.
    pub versions: Option<Vec<String>>,
    /// The directories that no partition under the table's root stands for yet, if they were looked at.
    pub directories: Option<Vec<Directory>>,
    /// Partitions whose directories are gone, if that was looked for.
    pub vanished: Vec<PartitionValues>,
    /// The manifests that were looked at, by their SHA-256.
    pub manifests: BTreeMap<String, SeenManifest>,
    /// The runs whose manifests lie there, if they were looked at.
    pub runs: Option<BTreeMap<String, SeenRun>>,
    /// The newest files, if they were looked at.
    pub files: Option<SeenFiles>,
    /// The crawler, if it was looked at.
    pub crawler: Option<SeenCrawler>,
    /// The Avro schema in S3, if it was looked at.
    pub avsc: Option<SeenAvsc>,
    /// When the data was looked at.
    pub looked: Option<Looked>,
}

/// The newest files of a table, all in one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenFiles {
    /// The directory; none if no data is to be found.
    pub location: Option<String>,
    /// How many there are, and how large.
    pub health: FilesHealth,
    /// When the newest was written.
    pub newest: Option<Timestamp>,
    /// What they say of their columns, if that was asked.
    pub schema: Option<SeenSchema>,
    /// The files that said it, each with its ETag: such a file need not be read again.
    pub read: Vec<String>,
}

/// What files say of their columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenSchema {
    /// There are no files.
    NoFiles,
    /// These.
    Read {
        /// The newest file.
        file: String,
        /// What it says, together with others of its directory.
        columns: Vec<Said>,
        /// Its schema in Avro, in one line, if that is how it says them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        avro: Option<String>,
    },
    /// They do not say it, and why.
    Unreadable(String),
}

/// A manifest that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenManifest {
    /// This one.
    Read(Manifest),
    /// It is not there, or it is not what was asked for, for ever.
    Wrong(String),
    /// It may not be read now.
    Unreadable(String),
}

/// When data was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// Where new data is expected.
    pub newest: Timestamp,
    /// Everywhere.
    pub whole: Timestamp,
}

/// A table of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedTable {
    /// What it says.
    pub definition: TableDefinition,
    /// Its version, which an update must name.
    pub version: Option<String>,
}

/// A partition of the catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedPartition {
    /// Where its data is.
    pub location: Option<String>,
    /// The mark of whoever registered it.
    pub owner: Option<String>,
    /// When it was registered.
    pub created: Option<Timestamp>,
    /// The run whose data it points to, as it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    // Apart, as most of very many partitions may have none.
    pub pointer: Option<Box<Pointer>>,
    /// The columns that it was given, as it says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<ColumnsMark>,
}

impl ObservedPartition {
    /// What it points to.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { location: self.location.clone(), pointer: self.pointer.as_deref().cloned() }
    }
}

/// A partition index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedIndex {
    /// Its name.
    pub name: String,
    /// Its keys, in order.
    pub keys: Vec<String>,
    /// How far it is.
    pub state: IndexState,
    /// What went wrong while it was built.
    pub errors: Vec<String>,
}

impl ObservedIndex {
    /// Whether Glue is building it, or taking it down.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        matches!(self.state, IndexState::Creating | IndexState::Deleting)
    }
}

/// A directory under the table's root that names a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    /// The values that its path says.
    pub values: PartitionValues,
    /// Where it is.
    pub location: String,
    /// Whether the marker is there.
    pub has_marker: bool,
    /// When the newest object that is data was written; none if there is no data.
    pub newest: Option<Timestamp>,
}
