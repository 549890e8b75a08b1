//! What is observed for a check.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::facts::CatalogFacts;
use crate::data_table::TableKey;

/// What has to be looked at, and what for: each reason to evaluate makes it another look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckLook {
    /// The Glue table; none if nothing is to be looked at.
    pub table: Option<TableKey>,
    /// Tables that rules compare with, by the names that the rules have for them; none where there is no such table.
    pub references: BTreeMap<String, Option<TableKey>>,
    /// Which files, if the rules are about files.
    pub files: Option<FilesLook>,
    /// Which rows, if the rules are about rows.
    pub rows: Option<FilesLook>,
    /// Whether they are to be counted without being read.
    pub counts: bool,
    /// The query that was written down, if there is one.
    pub query: Option<QueryLook>,
    /// The generation of the rules.
    pub generation: i64,
    /// A digest of the table's columns and data as its `DataTable` tells them, where a change of them is a reason.
    pub of: String,
    /// What somebody asked for by hand.
    pub request: Option<String>,
}

/// A query to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryLook {
    /// With whose credentials.
    pub profile: String,
    /// Its client token.
    pub token: String,
    /// A digest of its statement.
    pub statement: String,
    /// In which workgroup it has to be.
    pub workgroup: String,
    /// Its id, if the status says it. Whoever may write a status may have written it.
    pub id: Option<String>,
}

/// A query that was started.
#[derive(Clone, Debug, PartialEq)]
pub enum SeenQuery {
    /// It is queued or runs.
    Runs,
    /// It has answered.
    Answered {
        /// The numbers of its one row; none is NULL.
        numbers: Vec<Option<f64>>,
        /// So many bytes it has scanned.
        scanned: i64,
    },
    /// It has no answer.
    Failed {
        /// Why.
        why: String,
        /// Whether another may have one.
        passes: bool,
        /// So many bytes it has scanned.
        scanned: i64,
    },
}

impl SeenQuery {
    /// How many bytes it has scanned, once it is over.
    #[must_use]
    pub const fn scanned(&self) -> Option<i64> {
        match self {
            Self::Runs => None,
            Self::Answered { scanned, .. } | Self::Failed { scanned, .. } => Some(*scanned),
        }
    }
}

/// A query that is known to have been started.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundQuery {
    /// Its id.
    pub id: String,
    /// What has become of it.
    pub seen: SeenQuery,
}

impl CheckLook {
    /// Whether another look is at the same data for the same reason, whatever query there is.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        Self { query: None, ..self.clone() } == Self { query: None, ..other.clone() }
    }
}

/// Which files or rows to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilesLook {
    /// Those of the last partition; of a table without partition keys, all.
    Newest,
    /// All.
    All,
    /// Those of this partition.
    Partition(Vec<(String, String)>),
}

/// What was seen for a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckWorld {
    /// What its rules go by, if it was looked for this very look.
    pub facts: Option<CatalogFacts>,
    /// When.
    pub looked: Option<Timestamp>,
    /// The query that was asked for by [`CheckLook::query`], if it is known to have been started.
    pub query: Option<SeenQuery>,
    /// Its id.
    pub query_id: Option<String>,
}
