//! What a run's work has written by name: the partitions that are registered in its shadow, checked against the run's table.

use std::collections::{BTreeMap, BTreeSet};

use mizuumi_api::Reason;
use mizuumi_api::ingest_run::RunAttempt;

use super::super::desired::TargetTable;
use super::super::world::{Output, OutputPartition};
use super::{SPARK_PATH, SeenShadows, ShadowTables, StoredAs};
use crate::data_table::evolution::finds_by_place;
use crate::data_table::{Column, PartitionValues, Serde, TableDefinition};
use crate::publication::sha256;
use crate::{hive_path, hive_type, s3_uri};

/// What the files of a run come to by what its shadow says, or why they cannot be published.
pub(in super::super) fn brought(
    shadows: &ShadowTables,
    table: &TargetTable,
    attempt: &RunAttempt,
    seen: &SeenShadows,
    output: &Output,
) -> Result<Output, (Reason, String)> {
    let Some(target) = &seen.target else {
        let message = format!("the Glue table '{}' is gone, and is waited for", table.key);
        return Err((Reason::TableNotFound, message));
    };
    let invalid = |why: String| (Reason::OutputInvalid, why);
    let name = attempt.output_table.clone().unwrap_or_default();
    let shadow = Shadow { shadows, table, attempt, target, name };
    let there = shadow.there(seen).map_err(invalid)?;
    if table.keys.is_empty() {
        shadow.check_stored(&StoredAs::of(there), &shadow.name).map_err(invalid)?;
        return Ok(output.clone());
    }
    shadow.partitions(seen, output).map_err(invalid)
}

/// A shadow, and what it stands for.
struct Shadow<'a> {
    shadows: &'a ShadowTables,
    table: &'a TargetTable,
    attempt: &'a RunAttempt,
    target: &'a TableDefinition,
    /// `database.table`.
    name: String,
}

impl Shadow<'_> {
    /// The table itself, if it still is what it was made as.
    fn there<'a>(&self, seen: &'a SeenShadows) -> Result<&'a TableDefinition, String> {
        let (name, attempt) = (&self.name, self.attempt);
        let Some(there) = seen.tables.get(&self.shadows.name(attempt.number)) else {
            return Err(format!(
                "its shadow table '{name}' is gone, so what was written to it is not known: the work must neither drop nor rename it"
            ));
        };
        if !self.shadows.is_ours(&self.shadows.name(attempt.number), there) {
            return Err(format!(
                "'{name}' is not the shadow table that was made for it: something else was put in its place, which is left as it \
                 is; the work must write by INSERT, and neither drop nor create the table"
            ));
        }
        let names = |keys: &[Column]| keys.iter().map(|key| key.name.to_lowercase()).collect::<Vec<_>>();
        if names(&there.partition_keys) != names(&self.target.partition_keys) {
            return Err(format!(
                "its work has changed the partition keys of '{name}', which cannot be published"
            ));
        }
        let location = there.location.as_deref().unwrap_or_default();
        if !s3_uri::same(location, &attempt.output) {
            return Err(format!(
                "its work has pointed '{name}' to '{location}', outside of its directory {}",
                attempt.output
            ));
        }
        Ok(there)
    }

    /// The partitions that are registered, each with its files.
    fn partitions(&self, seen: &SeenShadows, output: &Output) -> Result<Output, String> {
        let (name, directory) = (&self.name, &self.attempt.output);
        let registered = seen.partitions.as_ref();
        let Some(registered) = registered.filter(|partitions| !partitions.is_empty()) else {
            return Err(format!("nothing was written to '{name}': no partition is registered in it"));
        };
        let mut partitions = BTreeMap::new();
        let mut checked = BTreeSet::new();
        for (values, partition) in registered {
            let named = in_words(&self.table.keys, values);
            let location = s3_uri::canonical(partition.location.as_deref().unwrap_or_default());
            if !s3_uri::lies_under(&location, directory) {
                return Err(format!(
                    "partition {named} of '{name}' points to '{location}', outside of its directory {directory}; the work must \
                     not give partitions places of their own"
                ));
            }
            let path = location.strip_prefix(directory.as_str()).unwrap_or_default();
            let keys = self.table.keys.iter().map(String::as_str);
            if hive_path::values(path, keys).as_ref() != Some(values) {
                return Err(format!(
                    "partition {named} of '{name}' points to '{location}', which is no directory of those values; the work must \
                     not give partitions places of their own"
                ));
            }
            if checked.insert(partition.stored)
                && let Some(stored) = seen.stored.get(partition.stored)
            {
                self.check_stored(stored, &format!("partition {named} of {name}"))?;
            }
            // A partition of no rows is one, too: it takes the place of the rows that were there.
            let empty =
                || OutputPartition { location: location.clone(), files: 0, bytes: 0, sha256: sha256(b"") };
            let files = output.partitions.get(values).cloned().unwrap_or_else(empty);
            if files.location != location {
                return Err(unregistered(name, &files.location, 0));
            }
            partitions.insert(values.clone(), files);
        }
        let mut others = output.partitions.iter().filter(|(values, _)| !registered.contains_key(*values));
        if let Some((_, first)) = others.next() {
            return Err(unregistered(name, &first.location, others.count()));
        }
        Ok(Output { partitions, ..output.clone() })
    }

    /// Whether files are read like those of the run's table.
    fn check_stored(&self, stored: &StoredAs, whose: &str) -> Result<(), String> {
        let differs = differs(stored, self.target);
        differs.map_or(Ok(()), |how| {
            Err(format!(
                "files of '{whose}' are not read as those of '{}': {how}; the work must not change the columns or the format of \
                 the table that it writes to",
                self.table.key
            ))
        })
    }
}

fn unregistered(name: &str, location: &str, more: usize) -> String {
    let more = if more > 0 { format!(" and in {more} more directories") } else { String::new() };
    format!(
        "there is data in {location}{more} that no partition of '{name}' points to, and it would be read by nobody: the work must \
         write by the table's name, or register what it writes (ALTER TABLE … ADD PARTITION, MSCK REPAIR TABLE)"
    )
}

fn in_words(keys: &[String], values: &PartitionValues) -> String {
    let pairs: Vec<String> = keys.iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join("/")
}

impl StoredAs {
    /// How a table's own files are read.
    fn of(table: &TableDefinition) -> Self {
        Self {
            columns: table.columns.clone(),
            input_format: table.input_format.clone(),
            serde: table.serde.clone(),
        }
    }
}

/// How files would be read otherwise than as they were written, if they would.
fn differs(stored: &StoredAs, target: &TableDefinition) -> Option<String> {
    let is = |what: &str, is: Option<&str>, wanted: Option<&str>| {
        let is = is?;
        (Some(is) != wanted).then(|| format!("{what} is '{is}', and not '{}'", wanted.unwrap_or_default()))
    };
    let library = |serde: &Option<Serde>| serde.as_ref().and_then(|serde| serde.library.clone());
    let (have, want) = (library(&stored.serde), library(&target.serde));
    is("the input format", stored.input_format.as_deref(), target.input_format.as_deref())
        .or_else(|| is("the serde", have.as_deref(), want.as_deref()))
        .or_else(|| parameters_differ(stored.serde.as_ref()?, target.serde.as_ref()?))
        .or_else(|| columns_differ(&stored.columns, target))
}

/// Text is read as the serde's parameters say; Parquet, ORC and Avro say themselves how they are read.
fn parameters_differ(have: &Serde, want: &Serde) -> Option<String> {
    let library = want.library.as_deref().unwrap_or_default();
    if ["ParquetHiveSerDe", "OrcSerde", "AvroSerDe"].iter().any(|known| library.ends_with(known)) {
        return None;
    }
    // Neither says how files are read.
    let is_of_reading = |key: &&String| ![SPARK_PATH, "serialization.format"].contains(&key.as_str());
    let keys: BTreeSet<&String> =
        have.parameters.keys().chain(want.parameters.keys()).filter(is_of_reading).collect();
    keys.into_iter().find(|key| have.parameters.get(*key) != want.parameters.get(*key)).map(|key| {
        let said =
            |serde: &Serde| serde.parameters.get(key).map_or("nothing".to_owned(), |v| format!("'{v}'"));
        format!("the serde's parameter '{key}' is {}, and not {}", said(have), said(want))
    })
}

/// Files may have more columns than the table, as long as each of the table's is where readers look for it.
fn columns_differ(have: &[Column], target: &TableDefinition) -> Option<String> {
    if have.is_empty() {
        return None;
    }
    let by_place = target.serde.as_ref().is_some_and(finds_by_place);
    target.columns.iter().enumerate().find_map(|(place, want)| {
        let name = &want.name;
        let Some(at) = have.iter().position(|column| column.name.eq_ignore_ascii_case(name)) else {
            return Some(format!("column '{name}' is missing"));
        };
        let (is, wanted) =
            (have[at].type_.as_deref().unwrap_or_default(), want.type_.as_deref().unwrap_or_default());
        if !hive_type::same(is, wanted) {
            return Some(format!("column '{name}' is {is}, and not {wanted}"));
        }
        (by_place && at != place).then(|| {
            format!(
                "column '{name}' is number {}, and not {}, and readers find columns by their place",
                at + 1,
                place + 1
            )
        })
    })
}
