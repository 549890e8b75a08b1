//! An Avro schema that lies in a ConfigMap or in S3: where, what was found there, and the table that it makes.
//!
//! It says the columns wholly, unlike files, which may lack some. While it says nothing, a table that is there stays as it
//! is, and its data goes on.

use std::borrow::Cow;
use std::fmt;

use mizuumi_api::{Installation, data_table as api};
use serde::{Deserialize, Serialize};

use super::desired::{self, DesiredTable};
use super::learning::{self, Found, Learning, Learnt, Trouble};
use super::world::TableWorld;
use super::{Column, avro, avsc};
use crate::problem::Problem;

/// Longer schemas are not read: it becomes a parameter of the table, and Glue takes so many characters of one
/// (`ParametersMapValue` of the Glue API reference).
pub const LARGEST: usize = 512_000;

/// Where a schema lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a ConfigMap of the resource's namespace.
    ConfigMap(api::ConfigMapKey),
    /// In an object in S3.
    S3(String),
}

/// A schema that lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvscFrom {
    /// Where.
    pub place: Place,
    /// What the ConfigMap says, if that is where and it was read. What S3 says is part of the world.
    pub read: Option<SeenAvsc>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeenAvsc {
    /// A text.
    Text(String),
    /// Nothing that can be read; why, and what to do.
    Unreadable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMap(at) => write!(f, "key '{}' of ConfigMap '{}'", at.key, at.name),
            Self::S3(location) => f.write_str(location),
        }
    }
}

impl AvscFrom {
    /// Where the spec says.
    pub(super) fn checked(
        from: &api::AvscFrom,
        installation: &Installation,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let place = match (&from.config_map, &from.s3) {
            (Some(at), None) => Place::ConfigMap(at.clone()),
            (None, Some(location)) => {
                desired::check_location("spec.schema.avscFrom.s3", location, installation, problems);
                Place::S3(location.clone())
            }
            _ => {
                let message = "exactly one of `configMap` and `s3` must be set";
                problems.push(Problem::invalid("spec.schema.avscFrom", message));
                return None;
            }
        };
        Some(Self { place, read: None })
    }

    fn seen<'a>(&'a self, world: &'a TableWorld) -> Option<&'a SeenAvsc> {
        match self.place {
            Place::ConfigMap(_) => self.read.as_ref(),
            Place::S3(_) => world.avsc.as_ref(),
        }
    }
}

/// The table as the schema says it.
pub(super) fn learnt<'a>(
    from: &AvscFrom,
    learning: &Learning,
    desired: &DesiredTable,
    world: &TableWorld,
) -> Learnt<'a> {
    let mut told = desired.clone();
    let place = &from.place;
    let said = match from.seen(world) {
        None => Err(Trouble::NoData(format!("{place} says the columns; it is looked at first"))),
        Some(SeenAvsc::Unreadable(why)) => Err(Trouble::NoSchema(why.clone())),
        Some(SeenAvsc::Text(text)) => {
            said(text, desired).map_err(|why| Trouble::NoSchema(format!("the Avro schema in {place}: {why}")))
        }
    };
    let schema = match said {
        Ok((columns, schema)) => {
            told.columns = columns;
            Ok(schema)
        }
        Err(trouble) => {
            told.columns = learning::there(world);
            Err(trouble)
        }
    };
    let literal = match &schema {
        Ok(schema) => Some(schema.clone()),
        Err(_) => learning::literal_of(world).map(str::to_owned),
    };
    if let Some(literal) = literal.filter(|_| learning.makes_avro_schema) {
        told.storage.serde.parameters.insert(avro::SCHEMA_LITERAL.to_owned(), literal);
    }
    let found = schema.is_ok().then(|| Found {
        what: place.to_string(),
        file: match place {
            Place::S3(location) => Some(location.clone()),
            Place::ConfigMap(_) => None,
        },
        config_map: match place {
            Place::ConfigMap(at) => Some(format!("{}/{}", at.name, at.key)),
            Place::S3(_) => None,
        },
        crawl: None,
        columns: Vec::new(),
        avro: None,
    });
    let trouble = schema.err().map(|trouble| match trouble {
        Trouble::NoSchema(why) if !told.columns.is_empty() => Trouble::NoSchema(format!(
            "{why}; until then the definition stays as it is, and its data goes on"
        )),
        // Nothing is known of any column before it is looked at.
        Trouble::NoData(why) => {
            told.columns.clear();
            Trouble::NoData(why)
        }
        other => other,
    });
    Learnt { desired: Cow::Owned(told), trouble, found }
}

/// The columns that a schema says, and the schema in one line.
fn said(text: &str, desired: &DesiredTable) -> Result<(Vec<Column>, String), String> {
    if text.len() > LARGEST {
        return Err(format!("has {} bytes; at most {LARGEST} are read", text.len()));
    }
    let (said, schema) = avsc::columns(text)?;
    let pairs: Vec<learning::Said> =
        said.iter().map(|(name, type_, _)| (name.clone(), type_.clone())).collect();
    learning::checked(&pairs)?;
    let keys = &desired.partition_keys;
    let is_key = |name: &str| keys.iter().any(|key| key.name.to_lowercase() == name.to_lowercase());
    if let Some((name, ..)) = said.iter().find(|(name, ..)| is_key(name)) {
        return Err(format!(
            "has the field '{name}', which is also in `spec.partitionKeys`; a partition key must not be a column"
        ));
    }
    let column = |(name, type_, comment)| Column { name, type_: Some(type_), comment, ..Column::default() };
    Ok((said.into_iter().map(column).collect(), schema))
}
