//! What data files say of their columns: bytes in, Hive types out.
//!
//! Parquet and ORC say it at the end of a file, Avro at its beginning. None of it has to be trusted: files come from whoever
//! may write to the lake, so every length in them is bounded and every error is told in words.

mod avro;
mod orc;
mod parquet;
mod thrift;

/// A column: its name as the file has it, and its Hive type.
pub type Column = (String, String);

/// A format whose files say their columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Apache Parquet.
    Parquet,
    /// Apache ORC.
    Orc,
    /// Apache Avro's object container files.
    Avro,
}

/// At which end a file says its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At its beginning.
    Head,
    /// At its end.
    Tail,
}

/// What a file says of its columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The columns, in the order of the file.
    pub columns: Vec<Column>,
    /// The schema of an Avro file, in one line.
    pub avro: Option<String>,
}

/// What came of reading a part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// What it says.
    Said(Said),
    /// The part was too short: so many bytes are needed from that end.
    Needs(u64),
}

/// Longer descriptions are not read: a file of 10,000 columns takes some 2 MiB.
pub const LONGEST: u64 = 16 * 1024 * 1024;
/// Deeper types are a mistake, and reading them must not exhaust the stack.
const DEEPEST: usize = 32;
/// Nobody has as many fields.
const MOST: u64 = 100_000;
/// All types together, in bytes: parts that are part of many others make much of little.
const LARGEST: usize = 4 * 1024 * 1024;

impl FileFormat {
    /// The end that has to be read.
    #[must_use]
    pub const fn end(self) -> End {
        match self {
            Self::Parquet | Self::Orc => End::Tail,
            Self::Avro => End::Head,
        }
    }

    /// The columns that a file says, from the part of it at [`FileFormat::end`].
    ///
    /// # Errors
    /// Why the file is none of this format, or says what no Hive type is.
    pub fn read(self, part: &[u8], is_whole: bool) -> Result<Reading, String> {
        let reading = match self {
            Self::Parquet => parquet::read(part)?,
            Self::Orc => orc::read(part)?,
            Self::Avro => avro::read(part, is_whole)?,
        };
        match reading {
            Reading::Needs(length) if length > LONGEST => {
                Err(format!("says its columns in {length} bytes; at most {LONGEST} are read"))
            }
            Reading::Needs(_) if is_whole => Err("is cut off".to_owned()),
            Reading::Said(said) if said.columns.is_empty() => Err("has no columns".to_owned()),
            reading => Ok(reading),
        }
    }
}

impl From<Vec<Column>> for Reading {
    fn from(columns: Vec<Column>) -> Self {
        Self::Said(Said { columns, avro: None })
    }
}

/// `struct<…>` of fields; names are folded as Glue folds them.
fn structure(fields: &[Column]) -> Result<String, String> {
    if fields.is_empty() {
        return Err("is a structure without fields".to_owned());
    }
    let fields: Vec<String> =
        fields.iter().map(|(name, type_)| format!("{}:{type_}", name.to_lowercase())).collect();
    Ok(format!("struct<{}>", fields.join(",")))
}

fn decimal(precision: i64, scale: i64) -> String {
    format!("decimal({precision},{scale})")
}
