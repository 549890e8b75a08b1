//! The definition of a table, with every field of Glue's `TableInput` that a table over files can have.
//!
//! Glue's UpdateTable replaces the whole definition, so what is not carried here would be lost by an update.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::link::ObservedLink;
use super::view::{self, ViewText};

/// The parameter that says who keeps the table.
pub const OWNER_PARAMETER: &str = "mizuumi.owner";
/// The parameter that says what the owner wrote last: a hash of it, and which fields and parameters are its own.
pub const APPLIED_PARAMETER: &str = "mizuumi.applied";
/// The parameter that tells the layer of the lake.
pub const LAYER_PARAMETER: &str = "mizuumi.layer";
/// The parameter that says which columns partitions have: of a table those that they are to have, of a partition its own.
pub const COLUMNS_PARAMETER: &str = "mizuumi.columns";
/// The parameter that names the job that makes the data.
pub const PRODUCER_PARAMETER: &str = "mizuumi.producer";
/// The parameter that tells what the table's checks found: `passed`, `failed` or `unknown`.
pub const QUALITY_PARAMETER: &str = "mizuumi.quality";
/// The parameter that tells when they were evaluated last.
pub const QUALITY_AT_PARAMETER: &str = "mizuumi.quality_at";
/// The parameter that names the commit by which the table was changed last.
pub const COMMIT_PARAMETER: &str = "mizuumi.commit";
/// Every parameter of ours but the freshness ones begins so.
pub const OUR_PREFIX: &str = "mizuumi.";

/// A table's definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TableDefinition {
    /// What the table holds.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// `EXTERNAL_TABLE` for tables over files.
    pub table_type: Option<String>,
    /// Retention, whatever its writer meant by it.
    pub retention: i32,
    /// Columns, without the partition keys.
    pub columns: Vec<Column>,
    /// Partition keys.
    pub partition_keys: Vec<Column>,
    /// Root of the data.
    pub location: Option<String>,
    /// Java class of the input format.
    pub input_format: Option<String>,
    /// Java class of the output format.
    pub output_format: Option<String>,
    /// The serde.
    pub serde: Option<Serde>,
    /// The query, if the table is a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<ViewText>,
    /// What it stands for, if it is a link; all else is then that table's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<ObservedLink>,
    /// Table parameters.
    pub parameters: BTreeMap<String, String>,
    /// What else the definition holds; Mizuumi keeps it as it is.
    #[serde(skip)]
    pub kept: Kept,
}

/// Fields that Mizuumi carries from read to write and never decides about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// Last access, as its writer measured it.
    pub last_access_time: Option<Timestamp>,
    /// Last analysis of column statistics.
    pub last_analyzed_time: Option<Timestamp>,
    /// Further roots.
    pub additional_locations: Vec<String>,
    /// Whether the data is compressed.
    pub compressed: bool,
    /// Number of buckets.
    pub number_of_buckets: i32,
    /// Columns that buckets are made by.
    pub bucket_columns: Vec<String>,
    /// Columns that buckets are sorted by, each with Glue's 1 for ascending and 0 for descending.
    pub sort_columns: Vec<(String, i32)>,
    /// Parameters of the storage descriptor.
    pub storage_parameters: BTreeMap<String, String>,
    /// Skewed values.
    pub skewed: Option<Skewed>,
    /// Whether the table data is stored in subdirectories.
    pub stored_as_sub_directories: bool,
    /// A schema of the Glue schema registry.
    pub schema_reference: Option<SchemaReference>,
    /// What else makes the table one that this kind does not write.
    pub unwritten: Option<Cow<'static, str>>,
}

/// Skewed values of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skewed {
    /// Columns.
    pub columns: Vec<String>,
    /// Values.
    pub values: Vec<String>,
    /// Where each value's data is.
    pub locations: BTreeMap<String, String>,
}

/// A schema of the Glue schema registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaReference {
    /// ARN of the schema.
    pub schema_arn: Option<String>,
    /// Name of the schema.
    pub schema_name: Option<String>,
    /// Name of its registry.
    pub registry_name: Option<String>,
    /// Id of the version.
    pub version_id: Option<String>,
    /// Number of the version.
    pub version_number: Option<i64>,
}

/// A column or a partition key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Hive type; Glue allows none.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// What it holds.
    pub comment: Option<String>,
    /// Column parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// A serde.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serde {
    /// Its name, which nothing reads.
    pub name: Option<String>,
    /// Java class.
    pub library: Option<String>,
    /// Parameters.
    pub parameters: BTreeMap<String, String>,
}

impl TableDefinition {
    /// The mark of whoever keeps the table.
    #[must_use]
    pub fn owner_mark(&self) -> Option<&str> {
        self.parameters.get(OWNER_PARAMETER).map(String::as_str)
    }

    /// Why this kind does not write such a table, if it does not.
    #[must_use]
    pub fn unsupported(&self) -> Option<&str> {
        if self.link.is_some() {
            return Some("a link to another table");
        }
        if self.is_iceberg() {
            // A plain UpdateTable breaks an Iceberg table: its schema lives in the metadata file.
            return Some("an Iceberg table");
        }
        self.kept.unwritten.as_deref()
    }

    /// Whether its metadata file, and not the catalog, says what it is.
    #[must_use]
    pub fn is_iceberg(&self) -> bool {
        self.parameters.iter().any(|(key, value)| makes_iceberg(key, value))
    }

    /// Whether the table is a query.
    #[must_use]
    pub fn is_view(&self) -> bool {
        self.view.is_some() || self.table_type.as_deref() == Some(view::TABLE_TYPE)
    }
}

/// Whether a table parameter says that the table is an Iceberg table.
pub(super) fn makes_iceberg(key: &str, value: &str) -> bool {
    key == "table_type" && value.eq_ignore_ascii_case("ICEBERG")
}

#[cfg(test)]
pub(super) mod tests {
    use super::Column;

    /// Columns as tests write them: `id int; what string`.
    pub(in super::super) fn columns(text: &str) -> Vec<Column> {
        let column = |part: &str| {
            let (name, type_) = part.split_once(' ').expect("a name and a type");
            Column { name: name.to_owned(), type_: Some(type_.to_owned()), ..Column::default() }
        };
        text.split("; ").map(column).collect()
    }
}
