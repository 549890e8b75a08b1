//! Columns that are learnt from elsewhere than the spec: what files say, laid over what is known already.
//!
//! A file that lacks a column says nothing of it, so columns come and their types widen; none goes by itself. What becomes
//! of a table by that is for [`super::evolution`] to judge, like any other change of columns.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use mizuumi_api::Reason;
use mizuumi_api::data_table::{self as api, Format};

use super::avsc_from::{self, AvscFrom};
use super::definition::Column;
use super::desired::{self, DesiredTable};
use super::evolution::{finds_by_place, is_wider};
use super::world::{SeenSchema, TableWorld};
use super::{avro, avro_learning, crawler, merge};
use crate::hive_type::HiveType;
use crate::plan::Verdict;
use crate::problem::Problem;

/// A column as a file says it: its name, and its Hive type.
pub type Said = (String, String);

/// As many columns as a spec may declare.
const MOST: usize = 2000;
/// Longest name of a column, in characters.
const LONGEST_NAME: usize = 255;
/// Longest type of a column, in bytes.
const LONGEST_TYPE: usize = 131_072;

/// How the columns of a table are learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learning {
    /// Who says them.
    pub source: Source,
    /// The name of the Glue table.
    pub table: String,
    /// Whether the schema that readers of Avro look for is made from the columns.
    pub makes_avro_schema: bool,
}

/// Who says the columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The newest files, which are of this format.
    Files(Format),
    /// A crawler.
    Crawler,
    /// An Avro schema that lies elsewhere.
    Avsc(AvscFrom),
}

impl Learning {
    /// The format of files that say the columns.
    #[must_use]
    pub const fn format(&self) -> Option<Format> {
        match self.source {
            Source::Files(format) => Some(format),
            Source::Crawler | Source::Avsc(_) => None,
        }
    }

    /// Whether it is the data that says them.
    #[must_use]
    pub const fn is_of_data(&self) -> bool {
        matches!(self.source, Source::Files(_) | Source::Crawler)
    }
}

/// What was found in the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who says it, for messages.
    pub(super) what: String,
    /// The file, if one says it.
    pub(super) file: Option<String>,
    /// The ConfigMap and its key, if one says it.
    pub(super) config_map: Option<String>,
    /// The crawler and when it was started, if one says it.
    pub(super) crawl: Option<(String, Timestamp)>,
    /// The columns.
    pub(super) columns: Vec<Said>,
    /// The schema in Avro, if there is one.
    pub(super) avro: Option<String>,
}

/// A table with the columns that its data says.
#[derive(Debug)]
pub struct Learnt<'a> {
    /// What said them this time.
    pub found: Option<Found>,
    /// The table; without columns if nothing is known of any.
    pub desired: Cow<'a, DesiredTable>,
    /// Why nothing has been learnt.
    pub trouble: Option<Trouble>,
}

/// Why nothing has been learnt from the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is none yet.
    NoData(String),
    /// It does not say what it should.
    Unreadable(String),
    /// The Avro schema does not say what it should.
    NoSchema(String),
    /// The crawler has not told it yet.
    Crawling(String),
    /// The crawler failed.
    CrawlFailed(String),
    /// The crawler is somebody else's.
    Refused(String),
}

impl Trouble {
    /// What it is to a table.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::NoData(message) => Verdict::Converging(Reason::AwaitingData, message),
            Self::Unreadable(message) | Self::NoSchema(message) => {
                Verdict::Blocked(Reason::SchemaUnreadable, message)
            }
            Self::Crawling(message) => Verdict::Converging(Reason::Crawling, message),
            Self::CrawlFailed(message) => Verdict::Blocked(Reason::CrawlFailed, message),
            Self::Refused(message) => Verdict::Blocked(Reason::OwnedByAnother, message),
        }
    }

    /// Whether the definition waits for its end: a schema that is written by hand may go with the rest of a change.
    #[must_use]
    pub const fn holds(&self) -> bool {
        matches!(self, Self::NoSchema(_))
    }
}

/// The table as its data says it, if that is where its columns come from.
#[must_use]
pub fn learnt<'a>(desired: &'a DesiredTable, world: &TableWorld) -> Learnt<'a> {
    let Some(learning) = &desired.learning else {
        return Learnt { desired: Cow::Borrowed(desired), trouble: None, found: None };
    };
    if let Source::Avsc(from) = &learning.source {
        return avsc_from::learnt(from, learning, desired, world);
    }
    let mut known = known(desired, learning, world);
    let is_key = |column: &Column| {
        desired.partition_keys.iter().any(|key| key.name.to_lowercase() == column.name.to_lowercase())
    };
    known.retain(|column| !is_key(column));
    let mut own = None;
    let (mut columns, mut trouble, found) = match found(learning, desired, world) {
        Ok(Some(found)) => match laid(&known, &found, learning, desired, world) {
            Ok((schema, columns)) => {
                own = schema;
                (columns, None, Some(found))
            }
            Err(why) => (known, Some(Trouble::Unreadable(format!("{}: {why}", found.what))), None),
        },
        Err(trouble) => (known, Some(trouble), None),
        Ok(None) if known.is_empty() => (known, Some(nothing(learning, desired, world)), None),
        Ok(None) => (known, None, None),
    };
    if own.is_none() && !columns.is_empty() {
        // Without a word of the data, the table's own schema stays; where it is not what the columns say, the data is asked first.
        match avro_schema(learning, &columns, None, world) {
            Ok(schema) if was_asked(learning, world) || is_in(schema.as_deref(), world) => own = schema,
            Ok(_) => {
                columns.clear();
                let message = "the files are looked at for their Avro schema first".to_owned();
                trouble = Some(Trouble::NoData(message));
            }
            Err(why) => {
                columns.clear();
                trouble = Some(Trouble::Unreadable(why));
            }
        }
    }
    let stays =
        |why: String| if columns.is_empty() { why } else { format!("{why}; the columns stay as they are") };
    let trouble = trouble.map(|trouble| match trouble {
        Trouble::Unreadable(why) => Trouble::Unreadable(stays(why)),
        Trouble::CrawlFailed(why) => Trouble::CrawlFailed(stays(why)),
        other => other,
    });
    let mut told = desired.clone();
    told.columns = columns;
    if let Some(literal) = own {
        told.storage.serde.parameters.insert(avro::SCHEMA_LITERAL.to_owned(), literal);
    }
    Learnt { desired: Cow::Owned(told), trouble, found }
}

/// What the data says, if it was asked and says anything.
fn found(learning: &Learning, desired: &DesiredTable, world: &TableWorld) -> Result<Option<Found>, Trouble> {
    if let Some(crawling) = crawler::policy(desired) {
        return crawler::found(crawling, desired, world);
    }
    match world.files.as_ref().and_then(|files| files.schema.as_ref()) {
        Some(SeenSchema::Read { file, columns, avro }) if learning.format().is_some() => Ok(Some(Found {
            what: file.clone(),
            file: Some(file.clone()),
            config_map: None,
            crawl: None,
            columns: columns.clone(),
            avro: avro.clone(),
        })),
        Some(SeenSchema::Unreadable(why)) => Err(Trouble::Unreadable(why.clone())),
        _ => Ok(None),
    }
}

/// The columns as they are to be, and the schema that readers of Avro look for.
fn laid(
    known: &[Column],
    found: &Found,
    learning: &Learning,
    desired: &DesiredTable,
    world: &TableWorld,
) -> Result<(Option<String>, Vec<Column>), String> {
    let columns = laid_over(known, checked(&found.columns)?, desired)?;
    Ok((avro_schema(learning, &columns, found.avro.as_deref(), world)?, columns))
}

/// Why there is not a single column.
fn nothing(learning: &Learning, desired: &DesiredTable, world: &TableWorld) -> Trouble {
    if let Some(crawling) = crawler::policy(desired) {
        return crawler::waits(crawling, desired, world);
    }
    let (root, format) = (desired.root(), learning.format().map_or("data", Format::name));
    Trouble::NoData(format!(
        "the columns come from the data, and there is no {format} file under {root} yet; the table follows by itself"
    ))
}

/// Whether those were asked that say the columns.
fn was_asked(learning: &Learning, world: &TableWorld) -> bool {
    match learning.source {
        Source::Files(_) => world.files.is_some(),
        Source::Crawler => world.crawler.is_some(),
        Source::Avsc(_) => world.avsc.is_some(),
    }
}

/// The columns that are known already: those that the status remembers. The table is written before it, so it may be
/// behind by what was learnt last; then the table has that, as its mark says that it was written here.
fn known(desired: &DesiredTable, learning: &Learning, world: &TableWorld) -> Vec<Column> {
    let there = there(world);
    if desired.columns.is_empty() {
        return there;
    }
    let mut written = desired.clone();
    written.columns = there.iter().map(|column| Column { comment: None, ..column.clone() }).collect();
    if let Some(literal) = literal_of(world).filter(|_| learning.makes_avro_schema) {
        written.storage.serde.parameters.insert(avro::SCHEMA_LITERAL.to_owned(), literal.to_owned());
    }
    match &world.table {
        Some(table) if merge::is_drift(&written, &table.definition) => with(&desired.columns, there),
        _ => desired.columns.clone(),
    }
}

/// What is remembered, and what came since: columns and wider types.
fn with(remembered: &[Column], there: Vec<Column>) -> Vec<Column> {
    let mut known = remembered.to_vec();
    for column in there {
        let name = column.name.to_lowercase();
        match known.iter_mut().find(|other| other.name.to_lowercase() == name) {
            None => known.push(column),
            Some(before) => {
                if let (Some(there), Some(type_)) = (&column.type_, &before.type_) {
                    before.type_ = Some(joined(there, type_));
                }
            }
        }
    }
    known
}

/// The columns that the table has; Glue takes a name twice, readers do not.
pub(super) fn there(world: &TableWorld) -> Vec<Column> {
    let mut names = BTreeSet::new();
    let all = world.table.iter().flat_map(|table| &table.definition.columns);
    all.filter(|column| names.insert(column.name.to_lowercase())).cloned().collect()
}

/// The schema that readers of Avro look for, if it is made here.
fn avro_schema(
    learning: &Learning,
    columns: &[Column],
    own: Option<&str>,
    world: &TableWorld,
) -> Result<Option<String>, String> {
    if !learning.makes_avro_schema {
        return Ok(None);
    }
    avro_learning::joined(&learning.table, columns, literal_of(world), own).map(Some)
}

pub(super) fn literal_of(world: &TableWorld) -> Option<&str> {
    let serde = world.table.as_ref()?.definition.serde.as_ref()?;
    serde.parameters.get(avro::SCHEMA_LITERAL).map(String::as_str)
}

/// Whether a schema, if there is to be one, is what the table has.
fn is_in(schema: Option<&str>, world: &TableWorld) -> bool {
    schema.is_none() || schema == literal_of(world)
}

fn in_words(problems: &[Problem]) -> String {
    let said: Vec<String> =
        problems.iter().map(|problem| format!("{} {}", problem.path, problem.message)).collect();
    said.join("; ")
}

/// What files say, laid over the columns that are known. Readers that find columns by their place have to find them where
/// the file has them; for all others new columns come last.
fn laid_over(known: &[Column], said: &[Said], desired: &DesiredTable) -> Result<Vec<Column>, String> {
    let keys: BTreeSet<String> = desired.partition_keys.iter().map(|key| key.name.to_lowercase()).collect();
    // A key is told by the directory, whatever stands in the file; engines refuse a table that has it twice.
    let said: Vec<&Said> = said.iter().filter(|(name, _)| !keys.contains(&name.to_lowercase())).collect();
    if said.is_empty() {
        return Err("has no columns beside the partition keys".to_owned());
    }
    let find = |name: &str| known.iter().find(|column| column.name.to_lowercase() == name.to_lowercase());
    let mut columns = Vec::with_capacity(known.len().max(said.len()));
    let mut names = BTreeSet::new();
    for (name, type_) in &said {
        names.insert(name.to_lowercase());
        let told = Column { name: name.to_lowercase(), type_: Some(type_.clone()), ..Column::default() };
        columns.push(match find(name) {
            None => told,
            Some(before) => Column {
                type_: Some(joined(before.type_.as_deref().unwrap_or_default(), type_)),
                ..before.clone()
            },
        });
    }
    let is_missing = |column: &&Column| !names.contains(&column.name.to_lowercase());
    let missing: Vec<Column> = known.iter().filter(is_missing).cloned().collect();
    if finds_by_place(&desired.storage.serde) {
        columns.extend(missing);
        return Ok(columns);
    }
    let place = |column: &Column| {
        known.iter().position(|before| before.name.to_lowercase() == column.name.to_lowercase())
    };
    columns.extend(missing);
    columns.sort_by_key(|column| place(column).unwrap_or(usize::MAX));
    Ok(columns)
}

/// Names and types as every other column's are.
pub(super) fn checked(said: &[Said]) -> Result<&[Said], String> {
    if said.len() > MOST {
        return Err(format!("has {} columns; a table may have {MOST}", said.len()));
    }
    // The bounds of Glue's `Column`.
    for (name, type_) in said {
        if name.is_empty() || name.chars().count() > LONGEST_NAME || type_.len() > LONGEST_TYPE {
            let name: String = name.chars().take(LONGEST_NAME / 4).collect();
            return Err(format!(
                "has the column '{name}…', whose name or type is empty or too long for Glue"
            ));
        }
    }
    let none = None;
    let mut problems = Vec::new();
    desired::columns(said.iter().map(|(name, type_)| (name, type_, &none)), "columns", &mut problems);
    if problems.is_empty() { Ok(said) } else { Err(in_words(&problems)) }
}

/// The type that holds what both say: the wider one, and of structures all fields. Where there is none, it is what the
/// file says.
fn joined(known: &str, said: &str) -> String {
    match (HiveType::parse(known), HiveType::parse(said)) {
        (Ok(known), Ok(said)) => join(&known, &said).to_string(),
        _ => said.to_owned(),
    }
}

fn join(known: &HiveType, said: &HiveType) -> HiveType {
    match (known, said) {
        (HiveType::Array(known), HiveType::Array(said)) => HiveType::Array(Box::new(join(known, said))),
        (HiveType::Map(key, known), HiveType::Map(other, said)) => {
            HiveType::Map(Box::new(join(key, other)), Box::new(join(known, said)))
        }
        (HiveType::Struct(known), HiveType::Struct(said)) => {
            let find = |fields: &[(String, HiveType)], name: &str| {
                fields.iter().find(|(other, _)| other == name).map(|(_, type_)| type_.clone())
            };
            let kept = known.iter().map(|(name, before)| {
                (name.clone(), find(said, name).map_or_else(|| before.clone(), |said| join(before, &said)))
            });
            let new = said.iter().filter(|(name, _)| find(known, name).is_none()).cloned();
            HiveType::Struct(kept.chain(new).collect())
        }
        (HiveType::Primitive(known), HiveType::Primitive(said)) if is_wider(said, known) => {
            HiveType::Primitive(known.clone())
        }
        _ => said.clone(),
    }
}

/// What two files of one directory say together, the newer one first.
///
/// # Errors
/// Where they cannot be read as one table.
pub fn together(newer: &[Said], older: &[Said], by_place: bool) -> Result<Vec<Said>, String> {
    let names =
        newer.iter().zip(older).find(|((one, _), (other, _))| one.to_lowercase() != other.to_lowercase());
    if let Some(((one, _), (other, _))) = names.filter(|_| by_place) {
        return Err(format!(
            "where the one has column '{one}' the other has '{other}', and readers go by the place"
        ));
    }
    let mut all = newer.to_vec();
    for (name, type_) in older {
        let Some(said) = all.iter_mut().find(|(other, _)| other.to_lowercase() == name.to_lowercase()) else {
            all.push((name.clone(), type_.clone()));
            continue;
        };
        let [one, other] = [&said.1, type_].map(|text| HiveType::parse(text));
        let (Ok(one), Ok(other)) = (one, other) else { continue };
        let joined = join(&one, &other);
        if joined != join(&other, &one) && !is_same_but_for_order(&joined, &join(&other, &one)) {
            return Err(format!("column '{name}' is {one} in the one and {other} in the other"));
        }
        said.1 = joined.to_string();
    }
    Ok(all)
}

/// Fields come in the order in which they were met.
fn is_same_but_for_order(one: &HiveType, other: &HiveType) -> bool {
    match (one, other) {
        (HiveType::Array(one), HiveType::Array(other)) => is_same_but_for_order(one, other),
        (HiveType::Map(key, one), HiveType::Map(other_key, other)) => {
            key == other_key && is_same_but_for_order(one, other)
        }
        (HiveType::Struct(one), HiveType::Struct(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, type_)| {
                    other.iter().any(|(again, other)| again == name && is_same_but_for_order(type_, other))
                })
        }
        (one, other) => one == other,
    }
}

/// The columns that a status remembers.
pub(crate) fn remembered(status: Option<&api::DataTableStatus>) -> Vec<Column> {
    let columns = status.and_then(|status| status.schema.as_ref()).map(|schema| schema.columns.as_slice());
    let column = |column: &api::SchemaColumn| Column {
        name: column.name.clone(),
        type_: Some(column.type_.clone()),
        ..Column::default()
    };
    columns.unwrap_or_default().iter().map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::super::definition::tests::columns;
    use super::*;

    #[test]
    fn the_wider_type_stays_and_fields_only_come() {
        for (known, said, expected) in [
            ("int", "int", "int"),
            ("int", "bigint", "bigint"),
            ("bigint", "int", "bigint"),
            ("int", "string", "string"),
            ("double", "float", "double"),
            ("decimal(12,2)", "decimal(10,2)", "decimal(12,2)"),
            ("struct<a:int,b:bigint>", "struct<c:string,b:int>", "struct<a:int,b:bigint,c:string>"),
            ("array<int>", "array<bigint>", "array<bigint>"),
            ("map<string,double>", "map<string,float>", "map<string,double>"),
            ("array<int>", "int", "int"),
        ] {
            assert_eq!(joined(known, said), expected, "{known} and {said}");
        }
    }

    fn said(text: &str) -> Vec<Said> {
        let column = |part: &str| {
            let (name, type_) = part.split_once(' ').expect("a name and a type");
            (name.to_owned(), type_.to_owned())
        };
        text.split("; ").map(column).collect()
    }

    #[test]
    fn what_a_table_has_beyond_the_status_is_known_too() {
        for (remembered, there, expected) in [
            ("a int", "b string; A bigint", "a bigint; b string"),
            ("a bigint; b string", "a int; b double", "a bigint; b string"),
            ("s struct<a:int>", "s struct<a:bigint,b:int>", "s struct<a:bigint,b:int>"),
            ("s struct<a:int,b:int>", "s struct<a:string>", "s struct<a:int,b:int>"),
        ] {
            let known = with(&columns(remembered), columns(there));
            assert_eq!(known, columns(expected), "{remembered} and {there}");
        }
    }

    #[test]
    fn files_of_one_directory_are_read_as_one_table_or_told_apart() {
        let both = together(&said("a int; b string"), &said("A bigint; c date"), false).expect("one table");
        assert_eq!(both, said("a bigint; b string; c date"));
        let both = together(&said("s struct<a:int>"), &said("s struct<b:int>"), true).expect("one table");
        assert_eq!(both, said("s struct<a:int,b:int>"));
        let why = together(&said("a int"), &said("a string"), false).expect_err("two tables");
        assert!(why.contains("'a' is int in the one and string"), "{why}");
        let why = together(&said("a int; b int"), &said("b int; a int"), true).expect_err("another order");
        assert!(why.contains("column 'a' the other has 'b'"), "{why}");
    }
}
