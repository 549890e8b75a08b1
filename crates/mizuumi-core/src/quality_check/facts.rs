//! What a catalog-only evaluation goes by: columns and files, and no data.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What is known of a table without reading its data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CatalogFacts {
    /// The columns, those that are partition keys at the end; or why they are not known.
    pub columns: Known<Vec<SeenColumn>>,
    /// Columns of the tables that rules compare with, by the names that the rules have for them.
    pub references: BTreeMap<String, Known<Vec<SeenColumn>>>,
    /// The files.
    pub files: Known<SeenFiles>,
    /// Which rows.
    pub scope: Known<SeenScope>,
    /// How many rows there are, as far as that is known without reading them.
    pub rows: Known<u64>,
}

/// Something, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// This.
    Is(T),
    /// It is not known, and why.
    Not(String),
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self::Not("it was not looked at".to_owned())
    }
}

impl<T> Known<T> {
    /// It, or why it is not known.
    ///
    /// # Errors
    /// If it is not known.
    pub fn get(&self) -> Result<&T, String> {
        match self {
            Self::Is(it) => Ok(it),
            Self::Not(why) => Err(why.clone()),
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenColumn {
    /// Its name.
    pub name: String,
    /// Its Hive type.
    pub type_: String,
}

/// Which rows rules are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenScope {
    /// The Glue database.
    pub database: String,
    /// The Glue table.
    pub table: String,
    /// The partition keys with the values of the one partition; none for the whole table.
    pub partition: Vec<(SeenColumn, String)>,
    /// Where its files are, if that is one place.
    pub place: Option<String>,
}

/// Files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenFiles {
    /// Where they were looked for: a location or several, as people are told.
    pub place: String,
    /// They.
    pub files: Vec<SeenFile>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    /// Where it is.
    pub location: String,
    /// In bytes.
    pub size: u64,
    /// When it was written.
    pub written: Option<Timestamp>,
}
