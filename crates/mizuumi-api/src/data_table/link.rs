//! A link: another name of a table.

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The table that a link stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkTo {
    /// Account of its catalog; without it, the link's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 12, max = 12), regex(pattern = r"^[0-9]+$"))]
    pub catalog_id: Option<String>,
    /// Its Glue database.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9_][a-z0-9_-]*$"))]
    pub database: String,
    /// Its name.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9_][a-z0-9_-]*$"))]
    pub table: String,
    /// Its region; without it, the link's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: Option<String>,
}

/// The link that this resource made: nothing in Glue says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// What it stands for.
    pub to: LinkTo,
    /// When there was none, and this resource was about to make it, or took it over.
    pub asked_at: Timestamp,
    /// When Glue says that it was made, once that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}
