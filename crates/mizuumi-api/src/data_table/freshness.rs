//! How recent a table's data has to be, and where that is read from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::ShortDuration;

/// How recent the data has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.maxAge) || has(self.deadline)")
        .message("at least one of `maxAge` and `deadline` must be set").reason(Reason::FieldValueRequired).field_path(".maxAge"),
)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// Where to learn how recent the data is. The first one that says anything counts.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub sources: Vec<FreshnessSource>,
    /// IANA time zone of the partition values and of the deadline, such as `Asia/Tokyo`; without it, `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// The data may be so old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<MaxAge>,
    /// The data must be there by so many o'clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Deadline>,
}

/// Where to learn how recent the data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("(self.type == 'PartitionValue') == has(self.partitionValue)")
        .message("`partitionValue` must be set when `type` is 'PartitionValue', and only then").reason(Reason::FieldValueInvalid).field_path(".partitionValue"),
    validation = Rule::new("(self.type == 'GlueParameter') == has(self.glueParameter)")
        .message("`glueParameter` must be set when `type` is 'GlueParameter', and only then").reason(Reason::FieldValueInvalid).field_path(".glueParameter"),
)]
#[serde(rename_all = "camelCase")]
pub struct FreshnessSource {
    /// The sort of source.
    #[serde(rename = "type")]
    pub type_: FreshnessSourceType,
    /// With `PartitionValue`: how partition values are read as time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_value: Option<PartitionValueSource>,
    /// With `GlueParameter`: which parameter of the Glue table, and what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glue_parameter: Option<GlueParameterSource>,
}

/// The sort of a freshness source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FreshnessSourceType {
    /// A producer says it, in the annotations `mizuumi.dev/reported-data-time` and `mizuumi.dev/reported-loaded-at`.
    Reported,
    /// The newest partition in the catalog says it by its values.
    PartitionValue,
    /// The newest partition in the catalog says when it was registered, and so when its data was there at the latest.
    PartitionCreation,
    /// The newest file of the newest partition, or of a table without partition keys, says when it was written.
    S3LastModified,
    /// A parameter of the Glue table says it, which another program writes.
    GlueParameter,
    /// With `partitions.mode: Published`: the newest published run says it, by `spec.external.dataTime` and by when its
    /// files were written.
    Manifest,
}

/// A parameter of the Glue table that tells how recent the data is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlueParameterSource {
    /// Its key.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("!self.startsWith('mizuumi.')").message("`key` must not start with 'mizuumi.'; those are written by the controller"))]
    pub key: String,
    /// How its value is written.
    pub format: TimeFormat,
    /// What its value is.
    #[serde(default)]
    pub tells: ToldTime,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeFormat {
    /// `2026-11-22T00:00:00Z`, or with an offset such as `+09:00`; without either, in `timeZone`.
    DateTime,
    /// `2026-11-22`: midnight in `timeZone`.
    Date,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
}

/// What a time says of the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ToldTime {
    /// The exclusive end of the data that is there.
    #[default]
    DataTime,
    /// When the data landed.
    LoadedAt,
}

/// How partition values are read as time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionValueSource {
    /// The span of time that one partition covers; the data is as recent as that span's end.
    pub grain: Grain,
    /// The partition keys that make the time, from year to hour; without it, all of them.
    /// Their values may be apart (`2013`, `1`) or in one (`2013-01`, `201301`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), inner(length(min = 1, max = 255)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub keys: Option<Vec<String>>,
}

/// A span of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grain {
    /// An hour.
    Hour,
    /// A day, midnight to midnight in the table's time zone.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

/// How old the data may be: now less `dataTime`, or less `loadedAt` where only that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("has(self.warn) || has(self.error)")
        .message("at least one of `warn` and `error` must be set").reason(Reason::FieldValueRequired).field_path(".error"),
)]
#[serde(rename_all = "camelCase")]
pub struct MaxAge {
    /// Older than this, the table is `Warn`; `Fresh` stays True.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<ShortDuration>,
    /// Older than this, the table is `Stale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ShortDuration>,
}

/// When the data must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deadline {
    /// The deadlines as a cron expression of five fields, in `timeZone`.
    #[schemars(length(min = 9, max = 128))]
    pub cron: String,
    /// At each deadline the data must reach up to the deadline less this.
    /// With a deadline at 07:00 and a window of 7h, the whole day before must be there.
    pub window: ShortDuration,
}
