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
    /// The generation of the rules.
    pub generation: i64,
    /// A digest of the table's columns and data as its `DataTable` tells them, where a change of them is a reason.
    pub of: String,
    /// What somebody asked for by hand.
    pub request: Option<String>,
}

/// Which files to look at.
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
}
