//! The Glue crawler that says a table's columns: how it looks, and how far it is.

use jiff::Timestamp;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::ShortDuration;

/// How the crawler looks at the data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Crawler {
    /// The least time from one crawl to the next, `1d` unless set. A crawl costs money, and there is none while there is no
    /// new data. The installation may have a longer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<ShortDuration>,
    /// Glob patterns of files that are left out, by their path under the location, such as `**.tmp` or `staging/**`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclusions: Option<Vec<String>>,
    /// How many files of each directory are looked at, at most 249; without it, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 249))]
    pub sample_size: Option<i32>,
}

/// The crawler of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrawlerStatus {
    /// Its name in Glue.
    #[schemars(length(max = 255))]
    pub name: String,
    /// What it does at the moment.
    pub state: CrawlState,
    /// How its last crawl ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastCrawl>,
}

/// What a crawler does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CrawlState {
    /// It waits to be started.
    Ready,
    /// It looks at the data.
    Running,
    /// It comes to its end.
    Stopping,
}

/// How a crawl ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCrawl {
    /// When it was started.
    pub started_at: Timestamp,
    /// Whether it came to its end.
    pub succeeded: bool,
    /// What went wrong, in the words of Glue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}
