//! ORC: the schema stands in the footer, in Protocol Buffers, behind a postscript that says how it is compressed.
//!
//! A reader of whole files comes with all of Arrow; the list of types is a page of the specification ("ORC Specification
//! v1", File Tail).

use std::cell::Cell;
use std::io::Read;

use prost::Message;
use prost::encoding::{DecodeContext, decode_key, skip_field};

use crate::{Column, DEEPEST, LARGEST, MOST, Reading, decimal, structure};

/// The end of a file, never compressed.
#[derive(Clone, PartialEq, Message)]
struct PostScript {
    #[prost(uint64, tag = "1")]
    footer_length: u64,
    #[prost(int32, tag = "2")]
    compression: i32,
    #[prost(uint64, tag = "3")]
    block_size: u64,
    #[prost(string, tag = "8000")]
    magic: String,
}

/// What is read of the footer.
#[derive(Clone, PartialEq, Message)]
struct Footer {
    /// The types as a tree, in the order of its nodes; the first one is the root.
    #[prost(message, repeated, tag = "4")]
    types: Vec<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, repeated, tag = "2")]
    subtypes: Vec<u32>,
    #[prost(string, repeated, tag = "3")]
    names: Vec<String>,
    #[prost(uint32, tag = "4")]
    longest: u32,
    #[prost(uint32, tag = "5")]
    precision: u32,
    #[prost(uint32, tag = "6")]
    scale: u32,
}

/// Reads the columns from the end of a file.
pub(crate) fn read(tail: &[u8]) -> Result<Reading, String> {
    let none = || "is no ORC file".to_owned();
    let (length, rest) = tail.split_last().ok_or_else(none)?;
    let length = usize::from(*length);
    let start = rest.len().checked_sub(length).ok_or_else(none)?;
    let (rest, postscript) = rest.split_at(start);
    let postscript = PostScript::decode(postscript).map_err(|_| none())?;
    if postscript.magic != "ORC" {
        return Err(none());
    }
    let needed = postscript.footer_length.saturating_add(length as u64 + 1);
    let footer = usize::try_from(postscript.footer_length).ok();
    let Some(start) = footer.and_then(|footer| rest.len().checked_sub(footer)) else {
        return Ok(Reading::Needs(needed));
    };
    let footer = decompress(&rest[start..], &postscript)?;
    if types_of(&footer) > MOST {
        return Err(format!("has more than {MOST} fields"));
    }
    let footer = Footer::decode(footer.as_slice())
        .map_err(|error| format!("has a footer that cannot be read: {error}"))?;
    let root = footer.types.first().ok_or("has no types")?;
    if root.kind != STRUCT {
        return Err("has rows that are no structures".to_owned());
    }
    let types = Types { all: &footer.types, left: Cell::new(LARGEST) };
    let columns = types.fields(root, 0)?;
    let is_unnamed = |(place, (name, _)): (usize, &Column)| *name == format!("_col{place}");
    if !columns.is_empty() && columns.iter().enumerate().all(is_unnamed) {
        return Err(
            "does not say the names of its columns, only _col0 and so on, as Hive before 2.0 wrote it"
                .to_owned(),
        );
    }
    Ok(columns.into())
}

/// How many types a footer has, before they are made into something larger: an empty one takes two bytes.
fn types_of(mut footer: &[u8]) -> u64 {
    let mut types = 0;
    while let Ok((tag, wire)) = decode_key(&mut footer) {
        types += u64::from(tag == 4);
        if skip_field(wire, tag, &mut footer, DecodeContext::default()).is_err() {
            break;
        }
    }
    types
}

/// A footer comes in chunks, each behind three bytes that say its length and whether it is compressed.
fn decompress(mut bytes: &[u8], postscript: &PostScript) -> Result<Vec<u8>, String> {
    let broken = || "has a footer that cannot be decompressed".to_owned();
    let codec = Codec::of(postscript.compression)?;
    if codec == Codec::None {
        return Ok(bytes.to_vec());
    }
    let largest = usize::try_from(postscript.block_size.min(LARGEST as u64)).unwrap_or_default();
    let mut whole = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_first_chunk::<3>().ok_or_else(broken)?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let length = usize::try_from(header >> 1).unwrap_or(usize::MAX);
        let (chunk, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        bytes = rest;
        if header & 1 == 1 {
            whole.extend_from_slice(chunk);
        } else {
            whole.extend(codec.decompress(chunk, largest).ok_or_else(broken)?);
        }
        if whole.len() > LARGEST {
            return Err(format!("says its columns in more than {LARGEST} bytes"));
        }
    }
    Ok(whole)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Codec {
    None,
    Zlib,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    fn of(number: i32) -> Result<Self, String> {
        Ok(match number {
            0 => Self::None,
            1 => Self::Zlib,
            2 => Self::Snappy,
            4 => Self::Lz4,
            5 => Self::Zstd,
            3 => return Err("is compressed with LZO, which Athena does not read".to_owned()),
            other => return Err(format!("is compressed in a way that is not known ({other})")),
        })
    }

    /// None if it cannot be, or if more comes of it than a block may have.
    fn decompress(self, chunk: &[u8], largest: usize) -> Option<Vec<u8>> {
        match self {
            Self::None => Some(chunk.to_vec()),
            Self::Zlib => {
                let mut whole = Vec::new();
                let limit = (largest as u64).saturating_add(1);
                flate2::read::DeflateDecoder::new(chunk).take(limit).read_to_end(&mut whole).ok()?;
                (whole.len() <= largest).then_some(whole)
            }
            Self::Snappy => {
                let length = snap::raw::decompress_len(chunk).ok()?;
                (length <= largest).then(|| snap::raw::Decoder::new().decompress_vec(chunk).ok())?
            }
            Self::Lz4 => lz4_flex::block::decompress(chunk, largest).ok(),
            Self::Zstd => zstd::bulk::decompress(chunk, largest).ok(),
        }
    }
}

const LIST: i32 = 10;
const MAP: i32 = 11;
const STRUCT: i32 = 12;

/// The types of a file.
struct Types<'a> {
    all: &'a [Type],
    /// How many more bytes they may take: types may be part of many others, and those of more.
    left: Cell<usize>,
}

impl Types<'_> {
    fn fields(&self, structure: &Type, depth: usize) -> Result<Vec<Column>, String> {
        if structure.names.len() != structure.subtypes.len() {
            return Err("has names and types that do not go together".to_owned());
        }
        let column = |(name, place): (&String, &u32)| {
            let type_ = self.hive_type(*place, depth).map_err(|why| format!("column '{name}' {why}"))?;
            let left = self.left.get().checked_sub(name.len());
            self.left.set(left.ok_or("has names that are too long, all together")?);
            Ok((name.clone(), type_))
        };
        structure.names.iter().zip(&structure.subtypes).map(column).collect()
    }

    fn hive_type(&self, place: u32, depth: usize) -> Result<String, String> {
        let type_ = self.hive_type_of(place, depth)?;
        let left = self.left.get().checked_sub(type_.len());
        self.left.set(left.ok_or("has types that are too long, all together")?);
        Ok(type_)
    }

    fn hive_type_of(&self, place: u32, depth: usize) -> Result<String, String> {
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels"));
        }
        let type_ = usize::try_from(place).ok().and_then(|place| self.all.get(place));
        let type_ = type_.ok_or("has a type that is not there")?;
        let part = |index: usize| {
            let part = type_.subtypes.get(index).ok_or("lacks the type of a part")?;
            self.hive_type(*part, depth + 1)
        };
        let plain = match type_.kind {
            0 => "boolean",
            1 => "tinyint",
            2 => "smallint",
            3 => "int",
            4 => "bigint",
            5 => "float",
            6 => "double",
            7 => "string",
            8 => "binary",
            9 | 18 => "timestamp",
            15 => "date",
            LIST => return Ok(format!("array<{}>", part(0)?)),
            MAP => return Ok(format!("map<{},{}>", part(0)?, part(1)?)),
            STRUCT => return structure(&self.fields(type_, depth + 1)?),
            13 => return Err("is a union, which Athena does not read".to_owned()),
            14 => return Ok(decimal(type_.precision.into(), type_.scale.into())),
            16 => return Ok(format!("varchar({})", type_.longest)),
            17 => return Ok(format!("char({})", type_.longest)),
            other => return Err(format!("has a type that is not known ({other})")),
        };
        Ok(plain.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(footer: Vec<u8>) -> Vec<u8> {
        let footer_length = footer.len() as u64;
        let postscript = PostScript { footer_length, magic: "ORC".to_owned(), ..PostScript::default() };
        let postscript = postscript.encode_to_vec();
        let length = u8::try_from(postscript.len()).expect("short");
        [footer, postscript, vec![length]].concat()
    }

    #[test]
    fn more_types_or_names_than_anybody_has_are_refused_before_they_take_room() {
        let empty_types = [0x22, 0].repeat(200_000);
        let why = read(&file(empty_types)).expect_err("refused");
        assert!(why.contains("fields"), "{why}");
        // A long name in a structure that is part of many columns.
        let leaf = Type { kind: 3, ..Type::default() };
        let inner =
            Type { kind: STRUCT, subtypes: vec![2], names: vec!["x".repeat(100_000)], ..Type::default() };
        let names = (0..10_000).map(|number| format!("c{number}")).collect();
        let root = Type { kind: STRUCT, subtypes: vec![1; 10_000], names, ..Type::default() };
        let footer = Footer { types: vec![root, inner, leaf] }.encode_to_vec();
        let why = read(&file(footer)).expect_err("refused");
        assert!(why.contains("too long"), "{why}");
    }

    #[test]
    fn types_that_are_part_of_each_other_are_refused() {
        let name = |name: &str| name.to_owned();
        let twice = |part: u32| Type {
            kind: STRUCT,
            subtypes: vec![part, part],
            names: vec![name("a"), name("b")],
            ..Type::default()
        };
        let leaf = Type { kind: 3, ..Type::default() };
        for types in [vec![twice(0)], (1..30).map(twice).chain([leaf]).collect()] {
            let why = read(&file(Footer { types }.encode_to_vec())).expect_err("refused");
            assert!(why.contains("nested") || why.contains("too long"), "{why}");
        }
    }
}
