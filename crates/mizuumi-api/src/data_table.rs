//! `DataTable`: a table of the Glue Data Catalog over data in S3.

pub mod avsc;
pub mod crawler;
pub mod freshness;
pub mod layout;
pub mod link;
pub mod partition_index;
pub mod projection;
pub mod status;
pub mod view;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use avsc::{AvscFrom, ConfigMapKey};
pub use crawler::{CrawlState, Crawler, CrawlerStatus, LastCrawl};
pub use freshness::{
    Deadline, Freshness, FreshnessSource, FreshnessSourceType, GlueParameterSource, Grain, MaxAge,
    PartitionValueSource, TimeFormat, ToldTime,
};
pub use layout::{Bucketing, SchemaReference, Skewed, SortColumn, SortOrder};
pub use link::{LinkStatus, LinkTo};
pub use partition_index::{IndexState, PartitionIndex, PartitionIndexStatus};
pub use projection::{IntervalUnit, ProjectedColumn, Projection, ProjectionRange, ProjectionType};
pub use status::{
    DataTableStatus, DriftStatus, FilesStatus, FreshnessState, FreshnessStatus, PartitionsStatus, PlanStatus,
    PublicationState, PublicationStatus, SchemaColumn, SchemaStatus, TableRef,
};
pub use view::View;

use crate::duration::ShortDuration;
pub use crate::policy::{DeletionPolicy, ManagementPolicy};

/// A table of the Glue Data Catalog: its definition, its partitions, and how recent its data has to be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "mizuumi.dev",
    version = "v1alpha1",
    kind = "DataTable",
    namespaced,
    status = "DataTableStatus",
    shortname = "dtbl",
    category = "mizuumi",
    derive = "PartialEq",
    cel,
    doc = "A table of the Glue Data Catalog over data in S3, readable from Athena and from Hive and Spark.",
    selectable = ".spec.database",
    validation = Rule::new("self.metadata.name.size() <= 63").message("name must be no more than 63 characters"),
    printcolumn(name = "Database", type_ = "string", json_path = ".spec.database"),
    printcolumn(name = "Format", type_ = "string", json_path = ".spec.format"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Fresh", type_ = "string", json_path = r#".status.conditions[?(@.type=="Fresh")].reason"#),
    printcolumn(name = "Quality", type_ = "string", json_path = r#".status.conditions[?(@.type=="QualityPassed")].status"#),
    printcolumn(name = "Age-of-data", type_ = "date", json_path = ".status.freshness.dataTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Table", type_ = "string", json_path = ".status.table.name", priority = 1),
    printcolumn(name = "Location", type_ = "string", json_path = ".spec.location", priority = 1),
    printcolumn(name = "Partitions", type_ = "integer", json_path = ".status.partitions.registered", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1)
)]
#[x_kube(
    validation = Rule::new("has(self.name) == has(oldSelf.name)")
        .message("`name` may not be added or removed after creation").reason(Reason::FieldValueForbidden).field_path(".name"),
    validation = Rule::new("has(self.profile) == has(oldSelf.profile)")
        .message("`profile` may not be added or removed after creation").reason(Reason::FieldValueForbidden).field_path(".profile"),
    validation = Rule::new("[has(self.location), has(self.view), has(self.linkTo)].filter(set, set).size() == 1")
        .message("exactly one of `location`, `view` and `linkTo` must be set").reason(Reason::FieldValueInvalid).field_path(".location"),
    validation = Rule::new("has(self.location) || !(has(self.format) || has(self.storage) || has(self.serdeParameters) || has(self.partitionKeys) || has(self.partitions) || has(self.partitionIndexes) || has(self.bucketing) || has(self.skewed) || has(self.additionalLocations) || has(self.compressed) || has(self.schemaReference))")
        .message("what is about files and partitions, such as `format` and `partitionKeys`, goes with `location`").reason(Reason::FieldValueForbidden).field_path(".location"),
    validation = Rule::new("has(self.linkTo) != has(self.schema)")
        .message("`schema` must be set, except with `linkTo`").reason(Reason::FieldValueInvalid).field_path(".schema"),
    validation = Rule::new("!has(self.linkTo) || !(has(self.description) || has(self.owner) || has(self.layer) || has(self.producer) || has(self.keepVersions) || has(self.retention) || has(self.parameters) || has(self.engines) || has(self.freshness))")
        .message("a link holds nothing of its own: texts, `parameters`, `retention`, `keepVersions`, `engines` and `freshness` do not go with `linkTo`").reason(Reason::FieldValueForbidden).field_path(".linkTo"),
    validation = Rule::new("!has(self.view) || !has(self.schema) || self.schema.from == 'Declared'")
        .message("the columns of a view are declared: `schema.from` must be 'Declared'").reason(Reason::FieldValueInvalid).field_path(".schema.from"),
    validation = Rule::new("has(self.location) || !has(self.freshness) || self.freshness.sources.all(s, s.type in ['Reported', 'GlueParameter'])")
        .message("of a view freshness is told by sources of type 'Reported' or 'GlueParameter'").reason(Reason::FieldValueInvalid).field_path(".freshness"),
    validation = Rule::new("!has(self.location) || has(self.format) != has(self.storage)")
        .message("exactly one of `format` and `storage` must be set").reason(Reason::FieldValueInvalid).field_path(".format"),
    validation = Rule::new("!has(self.serdeParameters) || has(self.format)")
        .message("`serdeParameters` goes with `format`; with `storage` use `storage.serde.parameters`").reason(Reason::FieldValueInvalid).field_path(".serdeParameters"),
    validation = Rule::new("!has(self.schema) || self.schema.from != 'Files' || (has(self.format) && self.format in ['parquet', 'orc', 'avro'])")
        .message("`format` must be 'parquet', 'orc' or 'avro' when `schema.from` is 'Files'; other files do not say their columns").reason(Reason::FieldValueInvalid).field_path(".format"),
    validation = Rule::new("!has(self.schema) || self.schema.from != 'Files' || !has(self.partitions) || self.partitions.mode != 'Projected'")
        .message("with `mode` 'Projected' no partition is registered whose files say the columns; `schema.from` must not be 'Files'").reason(Reason::FieldValueForbidden).field_path(".schema.from"),
    validation = Rule::new("!has(self.partitions) || self.partitions.mode == 'Published' || (has(self.partitionKeys) && self.partitionKeys.size() > 0)")
        .message("`partitions` needs `partitionKeys`, unless `mode` is 'Published'").reason(Reason::FieldValueRequired).field_path(".partitionKeys"),
    validation = Rule::new("!has(self.partitionIndexes) || self.partitionIndexes.size() == 0 || (has(self.partitionKeys) && self.partitionKeys.size() > 0)")
        .message("`partitionIndexes` needs `partitionKeys`").reason(Reason::FieldValueRequired).field_path(".partitionKeys"),
    validation = Rule::new("!has(self.freshness) || !self.freshness.sources.exists(s, s.type.startsWith('Partition')) || !has(self.partitions) || self.partitions.mode != 'Projected'")
        .message("a freshness source of type 'PartitionValue' or 'PartitionCreation' needs registered partitions; with `mode` 'Projected' there are none").reason(Reason::FieldValueForbidden).field_path(".freshness"),
    validation = Rule::new("!has(self.freshness) || !self.freshness.sources.exists(s, s.type.startsWith('Partition')) || (has(self.partitionKeys) && self.partitionKeys.size() > 0)")
        .message("a freshness source of type 'PartitionValue' or 'PartitionCreation' needs `partitionKeys`").reason(Reason::FieldValueRequired).field_path(".partitionKeys"),
    validation = Rule::new("!has(self.freshness) || !self.freshness.sources.exists(s, s.type == 'S3LastModified') || !has(self.partitions) || !(self.partitions.mode in ['Published', 'Projected'])")
        .message("a freshness source of type 'S3LastModified' does not go with `partitions.mode` 'Published' or 'Projected'").reason(Reason::FieldValueInvalid).field_path(".freshness"),
    validation = Rule::new("!has(self.freshness) || !self.freshness.sources.exists(s, s.type == 'Manifest') || (has(self.partitions) && self.partitions.mode == 'Published')")
        .message("a freshness source of type 'Manifest' goes with `partitions.mode` 'Published'").reason(Reason::FieldValueInvalid).field_path(".freshness"),
)]
#[serde(rename_all = "camelCase")]
pub struct DataTableSpec {
    /// Glue database that the table is in. The installation must allow it. It cannot be changed.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9_][a-z0-9_-]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`database` is immutable").reason(Reason::FieldValueForbidden))]
    pub database: String,
    /// What happens while the database does not exist.
    #[serde(default)]
    pub database_policy: DatabasePolicy,
    /// Name of the table in Glue. Without it, the object's own name with `-` and `.` written as `_`. It cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9_][a-z0-9_-]*$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`name` is immutable").reason(Reason::FieldValueForbidden))]
    pub name: Option<String>,
    /// Profile of the installation's configuration whose role works on this table; without it, `default`. It cannot be
    /// changed: another account has another table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("`profile` is immutable").reason(Reason::FieldValueForbidden))]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub profile: Option<String>,
    /// What the table holds, for people who search the catalog. Left alone in Glue when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub description: Option<String>,
    /// The team or person who answers for the table. Left alone in Glue when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub owner: Option<String>,
    /// Layer of the lake; written to Glue as the parameter `mizuumi.layer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// The job that makes the data, by name or address; written to Glue as the parameter `mizuumi.producer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub producer: Option<String>,
    /// How many earlier versions of the definition Glue keeps; older ones are deleted. Left alone when not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub keep_versions: Option<i32>,
    /// Where the columns come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<TableSchema>,
    /// Keys that the data is partitioned by, in the order of the directories. Their change would need a new table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub partition_keys: Option<Vec<PartitionKey>>,
    /// Root of the table's data in S3. It must lie under a prefix that the installation allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 6, max = 1024),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?#]*)?$")
    )]
    pub location: Option<String>,
    /// The query that the table is, instead of data: a view of Athena, which Hive and Spark do not read. A view and a table
    /// never become each other in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// The table that this is another name of, in another database, account or region: a resource link of Lake Formation. The
    /// installation must allow it. A link carries no mark: `status.link` remembers that it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<LinkTo>,
    /// File format; expands to input format, output format and serde that Athena, Hive and Spark all read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Parameters of the serde that `format` chose, such as `field.delim`; they win over the format's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "string_map")]
    pub serde_parameters: Option<BTreeMap<String, String>>,
    /// Input format, output format and serde by class name, where `format` has no word for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Buckets of the table's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucketing: Option<Bucketing>,
    /// Frequent values whose rows are kept apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skewed: Option<Skewed>,
    /// Further roots of the table's data, each under a prefix that the installation allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 100),
        inner(
            length(min = 6, max = 1024),
            regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?#]*)?$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub additional_locations: Option<Vec<String>>,
    /// Whether the data is compressed; a note for people, as readers look at the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compressed: Option<bool>,
    /// Glue's `Retention`, whatever its readers make of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub retention: Option<i32>,
    /// A schema of the Glue schema registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_reference: Option<SchemaReference>,
    /// Table parameters that this resource owns. Parameters of others are kept and listed in `status.foreignParameters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "string_map")]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('mizuumi.'))").message("keys must not start with 'mizuumi.'; those are written by the controller"))]
    pub parameters: Option<BTreeMap<String, String>>,
    /// How partitions get into the catalog. Without it, they are left to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Partitions>,
    /// Indexes over the partitions, at most three with those of others. They come and go without the table being made anew;
    /// one that leaves the list leaves Glue. Without this, they are left to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub partition_indexes: Option<Vec<PartitionIndex>>,
    /// Engines that have to read the table; without it, all three. The condition `Compatible` says what one of them reads
    /// otherwise than the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub engines: Option<Vec<Engine>>,
    /// How recent the data has to be, and how that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// Changes that break readers and are made all the same, by the hashes that the condition `Ready` and `mizuumi plan`
    /// name. One that fits nothing does nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub approvals: Option<Vec<String>>,
    /// What happens in Glue when this object is deleted. Data in S3 is never deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Whether the controller writes to AWS.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// Whether a table that exists already may be taken over.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,
    /// Stop writing to AWS for a while. Freshness goes on being told; deletion goes on working.
    #[serde(default)]
    pub suspend: bool,
}

impl DataTableSpec {
    /// Where the columns come from; a link has none of its own.
    #[must_use]
    pub fn columns_from(&self) -> Option<SchemaSource> {
        self.schema.as_ref().map(|schema| schema.from)
    }
}

/// What happens while the database does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DatabasePolicy {
    /// The table waits for it.
    #[default]
    Require,
    /// It is made. It is never deleted, whatever becomes of its tables.
    Create,
}

/// Layer of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Layer {
    /// Data as it came.
    Lake,
    /// Data that has been cleaned and joined.
    Warehouse,
    /// Data made for one use.
    Mart,
}

impl Layer {
    /// The value of the Glue parameter `mizuumi.layer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lake => "Lake",
            Self::Warehouse => "Warehouse",
            Self::Mart => "Mart",
        }
    }
}

/// Where the columns come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.from == 'Avsc' || (!has(self.avsc) && !has(self.avscFrom))")
        .message("`avsc` and `avscFrom` go with `from` 'Avsc'").reason(Reason::FieldValueInvalid).field_path(".from"),
    validation = Rule::new("self.from != 'Avsc' || has(self.avsc) != has(self.avscFrom)")
        .message("exactly one of `avsc` and `avscFrom` must be set when `from` is 'Avsc'").reason(Reason::FieldValueInvalid).field_path(".avsc"),
    validation = Rule::new("self.from == 'Declared' || !has(self.columns)")
        .message("`columns` goes with `from` 'Declared'").reason(Reason::FieldValueInvalid).field_path(".columns"),
    validation = Rule::new("self.from == 'Crawler' || !has(self.crawler)")
        .message("`crawler` goes with `from` 'Crawler'").reason(Reason::FieldValueInvalid).field_path(".crawler"),
    validation = Rule::new("self.from != 'Declared' || (has(self.columns) && self.columns.size() > 0)")
        .message("`columns` must be set when `from` is 'Declared'").reason(Reason::FieldValueRequired).field_path(".columns"),
)]
#[serde(rename_all = "camelCase")]
pub struct TableSchema {
    /// The source of the columns.
    pub from: SchemaSource,
    /// Which changes of the columns are made without asking; without it, `Widening`. What goes farther waits until it is
    /// approved by `spec.approvals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evolution: Option<EvolutionClass>,
    /// What a change of the columns does to partitions that are registered already; without it, `Columns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<Cascade>,
    /// The columns, in order, without the partition keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub columns: Option<Vec<Column>>,
    /// With `Avsc`: an Avro schema of type `record`, in JSON. Its fields are the columns, by the types that Hive's serde for
    /// Avro gives them; with `format: avro` readers find the schema itself in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 131_072))]
    pub avsc: Option<String>,
    /// With `Avsc`: where the schema lies, if it is not here. What it says there is read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avsc_from: Option<AvscFrom>,
    /// With `Crawler`: how the crawler looks at the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crawler: Option<Crawler>,
}

/// The source of a table's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchemaSource {
    /// `columns` says them.
    Declared,
    /// The Avro schema in `avsc`, or where `avscFrom` says, says them.
    Avsc,
    /// The newest files say them: the footers of Parquet and ORC, the headers of Avro. Columns come and types widen as
    /// `evolution` lets them; none goes by itself. `status.schema` shows them.
    Files,
    /// A Glue crawler says them, whatever the format. Mizuumi makes it, starts it when there is new data, and reads what it
    /// found; each crawl costs money. The crawler never writes this table. The installation's configuration has to allow it.
    Crawler,
}

/// What a change of the columns does to data and queries that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum EvolutionClass {
    /// A column comes where it disturbs no other.
    Additive,
    /// A type becomes one that has all its values, and that files that are there can be read as.
    Widening,
    /// Queries fail, or files that are there cannot be read any more.
    Breaking,
}

/// What a change of the columns does to partitions that are registered already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cascade {
    /// Each is given the table's columns. Where its data is stays, and all else that it says.
    Columns,
    /// Nothing. Athena refuses partitions whose columns have other types than the table's.
    None,
}

/// An engine that reads tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Engine {
    /// Amazon Athena, which is made from Trino.
    Athena,
    /// Apache Hive.
    Hive,
    /// Apache Spark with Hive support.
    Spark,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 3] = [Self::Athena, Self::Hive, Self::Spark];
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Name; Glue, Athena and Hive do not tell upper from lower case.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Hive type, such as `bigint`, `decimal(10,2)`, `array<string>` or `struct<a:int,b:string>`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 4096))]
    pub type_: String,
    /// What the column holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub comment: Option<String>,
}

/// A key that the data is partitioned by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionKey {
    /// Name, as in the directories `name=value`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// A primitive Hive type, such as `string`, `int` or `date`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 64))]
    pub type_: String,
    /// What the key means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub comment: Option<String>,
}

/// A file format, by its `classification` word in Glue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Apache ORC.
    Orc,
    /// Apache Avro; the columns make the schema that readers find in the table, unless `serdeParameters` has one.
    Avro,
    /// Text with one delimiter, read by the `LazySimpleSerDe`.
    Csv,
    /// One JSON object a line, read by the hcatalog `JsonSerDe`.
    Json,
    /// Lines of text with `^A` between fields, Hive's own default.
    Text,
}

impl Format {
    /// The word in a spec.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Orc => "orc",
            Self::Avro => "avro",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// Whether files of this format say their columns.
    #[must_use]
    pub const fn says_columns(self) -> bool {
        matches!(self, Self::Parquet | Self::Orc | Self::Avro)
    }
}

/// Input format, output format and serde by class name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Java class of the Hadoop `InputFormat`.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_$][A-Za-z0-9_.$]*$"))]
    pub input_format: String,
    /// Java class of the Hive `OutputFormat`.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_$][A-Za-z0-9_.$]*$"))]
    pub output_format: String,
    /// The serde.
    pub serde: Serde,
}

/// A Hive serde.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Serde {
    /// Java class of the serde.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_$][A-Za-z0-9_.$]*$"))]
    pub library: String,
    /// Parameters of the serde.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "string_map")]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// How partitions get into the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(self.mode == 'Declared') == has(self.declared)")
        .message("`declared` must be set when `mode` is 'Declared', and only then").reason(Reason::FieldValueInvalid).field_path(".declared"),
    validation = Rule::new("(self.mode == 'Projected') == has(self.projection)")
        .message("`projection` must be set when `mode` is 'Projected', and only then").reason(Reason::FieldValueInvalid).field_path(".projection"),
    validation = Rule::new("self.mode == 'Discovered' || (!has(self.marker) && !has(self.quietPeriod))")
        .message("`marker` and `quietPeriod` go with `mode` 'Discovered'").reason(Reason::FieldValueInvalid).field_path(".mode"),
    validation = Rule::new("!(has(self.marker) && has(self.quietPeriod))")
        .message("at most one of `marker` and `quietPeriod` may be set").reason(Reason::FieldValueInvalid).field_path(".quietPeriod"),
    validation = Rule::new("self.mode == 'Discovered' || (!has(self.lookback) && !has(self.prune))")
        .message("`lookback` and `prune` go with `mode` 'Discovered'").reason(Reason::FieldValueInvalid).field_path(".mode"),
    validation = Rule::new("self.mode == 'Published' || !has(self.keepSuperseded)")
        .message("`keepSuperseded` goes with `mode` 'Published'").reason(Reason::FieldValueInvalid).field_path(".keepSuperseded"),
)]
#[serde(rename_all = "camelCase")]
pub struct Partitions {
    /// Who says which partitions there are.
    pub mode: PartitionMode,
    /// With `Declared`: the partitions. Those that were declared before and are not any more leave the catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub declared: Option<Vec<DeclaredPartition>>,
    /// With `Discovered`: the object, such as `_SUCCESS`, whose presence in a directory says that it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^/]+$"))]
    pub marker: Option<String>,
    /// With `Discovered`: how long nothing may have been written to a directory before it counts as complete.
    /// Without this and without `marker`, the installation's `partitions.quietPeriod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_period: Option<ShortDuration>,
    /// With `Discovered`: into how many of the newest directories of each key but the last one looks go; without it into all,
    /// now and then. Data that comes later than that into older directories is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100_000))]
    pub lookback: Option<i32>,
    /// With `Discovered`: whether a partition that was registered by this resource leaves the catalog once there is no object
    /// left in its directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// With `Published`: how long the data of a run is kept once nothing points to it any more, nor did before what it points
    /// to now; at least `24h`. Without it, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_superseded: Option<ShortDuration>,
    /// With `Projected`: what the values of each partition key are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
}

/// Who says which partitions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PartitionMode {
    /// The spec lists them.
    Declared,
    /// The directories `key=value/…` under `location` say them, each once it is complete.
    Discovered,
    /// Athena computes them; none is registered. Hive and Spark do not see them.
    Projected,
    /// Runs bring them: each writes into a directory of its own, and the partition points to it once all is there.
    /// Without `partitionKeys` it is the table itself that points.
    Published,
}

/// A partition that the spec lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredPartition {
    /// One value for each partition key, in their order.
    #[schemars(length(min = 1, max = 32), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
    /// Where its data is; without it, `key=value/…` under the table's location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 6, max = 1024),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^*?#]*)?$")
    )]
    pub location: Option<String>,
}

/// Whether an external object that exists already may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// It is refused, unless this very resource kept it before.
    #[default]
    Never,
    /// It is taken if no other resource keeps it.
    IfUnowned,
}

/// A map of at most 200 strings. Glue bounds keys at 255 characters and values at 512,000; a resource stays small.
fn string_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 200,
        "additionalProperties": { "type": "string", "maxLength": 8192 }
    })
}
