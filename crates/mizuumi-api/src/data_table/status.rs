//! What a `DataTable` says back.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::crawler::CrawlerStatus;
use super::freshness::FreshnessSourceType;
use super::link::LinkStatus;
use super::partition_index::PartitionIndexStatus;
use crate::condition::Condition;

/// What was observed. Times, never ages, so that nothing changes while nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataTableStatus {
    /// The generation of the spec that this status speaks of; 0 before the controller has seen the object.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// `Ready`, `Fresh`, and while True `Reconciling` or `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The Glue table that this resource speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableRef>,
    /// With `linkTo`, the link that this resource made or took over; it is deleted only if it still is that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkStatus>,
    /// The partitions in the catalog, when they were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<PartitionsStatus>,
    /// The columns, where the spec does not say them itself: with `schema.from: Files` and `Crawler`, and with `schema.avscFrom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaStatus>,
    /// The crawler of this table, until it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawler: Option<CrawlerStatus>,
    /// The newest files, when they were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesStatus>,
    /// The partition indexes of the spec, as Glue has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub partition_indexes: Vec<PartitionIndexStatus>,
    /// What runs asked to be published: all that is under way, at most 8, and the last ones that are done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["run".into()]))]
    pub publications: Vec<PublicationStatus>,
    /// How recent the data is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<FreshnessStatus>,
    /// Table parameters that others wrote; they are kept. At most 50 names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub foreign_parameters: Vec<String>,
    /// The latest changes of others that were put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
    /// With `managementPolicy: Plan`, what would be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanStatus>,
    /// The value of the annotation `mizuumi.dev/requested-at` that was handled last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

/// A Glue table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableRef {
    /// Glue database.
    #[schemars(length(max = 255))]
    pub database: String,
    /// Glue table.
    #[schemars(length(max = 255))]
    pub name: String,
}

/// The partitions in the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionsStatus {
    /// How many are registered.
    #[schemars(range(min = 0))]
    pub registered: i64,
    /// How many directories wait for their marker or their quiet period.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub incomplete: i64,
    /// The last registered partition in the order of its values, `key=value/…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub newest: Option<String>,
}

/// Columns that were learnt from elsewhere than the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaStatus {
    /// The file that said them last, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub file: Option<String>,
    /// The ConfigMap that said them, as `name/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub config_map: Option<String>,
    /// The crawler that found them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub crawler: Option<String>,
    /// When the crawl was started that found them last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawled_at: Option<Timestamp>,
    /// When they were first seen so.
    pub observed_at: Timestamp,
    /// How many columns there are.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// The columns, without the partition keys; none of them if they take more than 32 KiB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub columns: Vec<SchemaColumn>,
}

/// A column that was learnt from elsewhere than the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SchemaColumn {
    /// Name.
    #[schemars(length(max = 255))]
    pub name: String,
    /// Hive type.
    #[serde(rename = "type")]
    #[schemars(length(max = 131_072))]
    pub type_: String,
}

/// The newest files of a table, all in one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesStatus {
    /// The directory.
    #[schemars(length(max = 1024))]
    pub location: String,
    /// How many files there are; those after the first thousand are not counted.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// The size of the middle one, in bytes.
    #[schemars(range(min = 0))]
    pub median_bytes: i64,
    /// How many are smaller than 32 MiB: each costs readers a request and a task of its own.
    #[schemars(range(min = 0))]
    pub small: i64,
}

/// What became of what a run asked to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicationStatus {
    /// Name of the `IngestRun`.
    #[schemars(length(min = 1, max = 63))]
    pub run: String,
    /// Its uid: a run of the same name that is made anew asks anew.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// How far it is.
    pub state: PublicationState,
    /// How many partitions it asks for; 1 for a table without partition keys.
    #[schemars(range(min = 0))]
    pub partitions: i64,
    /// How many of them point to it.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub published: i64,
    /// How many of them a later run holds, so that they are left as they are.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub superseded: i64,
    /// When its state was first seen.
    pub since: Timestamp,
    /// Why it is refused, or why its manifest cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 96))]
    pub message: Option<String>,
}

/// How far a publication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PublicationState {
    /// Some of the partitions do not point to it yet.
    Publishing,
    /// Each partition points to it, or to what a later run brought.
    Published,
    /// It was rolled back.
    RolledBack,
    /// Its manifest cannot be read, or asks for what no run may.
    Refused,
}

impl PublicationState {
    /// Whether nothing more happens.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Publishing)
    }
}

/// How recent the data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreshnessStatus {
    /// The verdict.
    pub state: FreshnessState,
    /// Where it was learnt from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<FreshnessSourceType>,
    /// The exclusive end of the data that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_time: Option<Timestamp>,
    /// When that data landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_at: Option<Timestamp>,
    /// When the controller first saw that data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Timestamp>,
    /// When the table turns `Stale` unless newer data comes; in the past once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_until: Option<Timestamp>,
}

/// The verdict on a table's freshness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FreshnessState {
    /// As recent as asked.
    Fresh,
    /// Older than `maxAge.warn`.
    Warn,
    /// Late.
    Stale,
    /// The first deadline has not come yet.
    NotDue,
    /// Nothing is known yet.
    Unknown,
}

/// Changes of others to the external object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// When they were seen.
    pub observed_at: Timestamp,
    /// What was different, at most 20 lines.
    #[schemars(length(max = 20), inner(length(max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub changes: Vec<String>,
}

/// What would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanStatus {
    /// How many steps.
    #[schemars(range(min = 0))]
    pub steps: i64,
    /// The steps, in the words of `mizuumi plan`; at most 50 lines.
    #[schemars(length(max = 50), inner(length(max = 512)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub lines: Vec<String>,
}
