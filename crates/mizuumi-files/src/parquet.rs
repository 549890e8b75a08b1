//! Parquet: the schema stands in the footer. Types become Hive's as Spark and Hive read them.

use crate::thrift::{Kind, Reader, broken};
use crate::{Column, DEEPEST, MOST, Reading, decimal, structure};

/// The length of the footer, and the magic.
const TAIL: usize = 8;

/// Reads the columns from the end of a file.
pub(crate) fn read(tail: &[u8]) -> Result<Reading, String> {
    let Some((rest, end)) = tail.split_last_chunk::<TAIL>() else {
        return Err("is no Parquet file".to_owned());
    };
    let [l0, l1, l2, l3, magic @ ..] = *end;
    match &magic {
        b"PAR1" => {}
        b"PARE" => return Err("has an encrypted footer".to_owned()),
        _ => return Err("is no Parquet file".to_owned()),
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let Some(start) = usize::try_from(length).ok().and_then(|length| rest.len().checked_sub(length)) else {
        return Ok(Reading::Needs(u64::from(length) + TAIL as u64));
    };
    let mut elements = schema(&rest[start..])?.into_iter();
    let root = Node::read(&mut elements, 0)?;
    fields(&root).map(Reading::from)
}

/// A field of the schema, as the footer has it (`SchemaElement` of `parquet.thrift`).
#[derive(Debug, Default)]
struct Element {
    physical: Option<i64>,
    repetition: Option<i64>,
    name: String,
    children: i64,
    converted: Option<i64>,
    scale: i64,
    precision: i64,
    logical: Option<Logical>,
}

/// What a field means (`LogicalType` of `parquet.thrift`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logical {
    Text,
    Map,
    List,
    Decimal,
    Date,
    Time,
    Timestamp { is_in_nanoseconds: bool },
    Integer { bits: i64, is_signed: bool },
    Null,
    Float16,
    Variant,
    Other,
}

/// The schema's elements: its tree, each group before its fields.
fn schema(footer: &[u8]) -> Result<Vec<Element>, String> {
    let mut reader = Reader::new(footer);
    let mut last = 0;
    while let Some((number, kind)) = reader.field(last)? {
        last = number;
        if (number, kind) != (2, Kind::LIST) {
            reader.skip(kind)?;
            continue;
        }
        let (kind, number) = reader.list()?;
        if kind != Kind::STRUCT {
            return Err(broken());
        }
        if number > MOST {
            return Err(format!("has {number} fields; at most {MOST} are read"));
        }
        return (0..number).map(|_| element(&mut reader)).collect();
    }
    Err(broken())
}

fn element(reader: &mut Reader<'_>) -> Result<Element, String> {
    let mut element = Element::default();
    let mut last = 0;
    while let Some((number, kind)) = reader.field(last)? {
        last = number;
        match number {
            1 => element.physical = Some(reader.number(kind)?),
            3 => element.repetition = Some(reader.number(kind)?),
            4 => element.name = reader.text(kind)?,
            5 => element.children = reader.number(kind)?,
            6 => element.converted = Some(reader.number(kind)?),
            7 => element.scale = reader.number(kind)?,
            8 => element.precision = reader.number(kind)?,
            10 if kind == Kind::STRUCT => element.logical = logical(reader)?,
            _ => reader.skip(kind)?,
        }
    }
    Ok(element)
}

/// A union: one field, whose number says which type it is.
fn logical(reader: &mut Reader<'_>) -> Result<Option<Logical>, String> {
    let mut logical = None;
    let mut last = 0;
    while let Some((number, kind)) = reader.field(last)? {
        last = number;
        logical = Some(match number {
            8 if kind == Kind::STRUCT => Logical::Timestamp { is_in_nanoseconds: is_in_nanoseconds(reader)? },
            10 if kind == Kind::STRUCT => integer_type(reader)?,
            _ => {
                reader.skip(kind)?;
                match number {
                    1 | 4 | 12 => Logical::Text,
                    2 => Logical::Map,
                    3 => Logical::List,
                    5 => Logical::Decimal,
                    6 => Logical::Date,
                    7 => Logical::Time,
                    11 => Logical::Null,
                    15 => Logical::Float16,
                    16 => Logical::Variant,
                    _ => Logical::Other,
                }
            }
        });
    }
    Ok(logical)
}

fn is_in_nanoseconds(reader: &mut Reader<'_>) -> Result<bool, String> {
    let (mut last, mut is_in_nanoseconds) = (0, false);
    while let Some((number, kind)) = reader.field(last)? {
        last = number;
        if (number, kind) != (2, Kind::STRUCT) {
            reader.skip(kind)?;
            continue;
        }
        let mut last_unit = 0;
        while let Some((unit, kind)) = reader.field(last_unit)? {
            last_unit = unit;
            is_in_nanoseconds |= unit == 3;
            reader.skip(kind)?;
        }
    }
    Ok(is_in_nanoseconds)
}

fn integer_type(reader: &mut Reader<'_>) -> Result<Logical, String> {
    let (mut last, mut bits, mut is_signed) = (0, 0, false);
    while let Some((number, kind)) = reader.field(last)? {
        last = number;
        match number {
            1 => bits = reader.number(kind)?,
            2 => is_signed = reader.number(kind)? == 1,
            _ => reader.skip(kind)?,
        }
    }
    Ok(Logical::Integer { bits, is_signed })
}

/// A field and its parts.
#[derive(Debug)]
struct Node {
    is: Element,
    parts: Vec<Self>,
}

impl Node {
    fn read(elements: &mut impl Iterator<Item = Element>, depth: usize) -> Result<Self, String> {
        if depth > DEEPEST {
            return Err(format!("is nested deeper than {DEEPEST} levels"));
        }
        let is = elements.next().ok_or("has fewer fields than it says")?;
        let parts = (0..is.children).map(|_| Self::read(elements, depth + 1)).collect::<Result<_, _>>()?;
        Ok(Self { is, parts })
    }

    const fn is_group(&self) -> bool {
        self.is.physical.is_none()
    }
}

fn fields(group: &Node) -> Result<Vec<Column>, String> {
    let column = |field: &Node| {
        let name = field.is.name.clone();
        let type_ = hive_type(field).map_err(|why| format!("column '{name}' {why}"))?;
        Ok((name, type_))
    };
    // What is null in every row says nothing of its column.
    group.parts.iter().filter(|field| field.is.logical != Some(Logical::Null)).map(column).collect()
}

/// `REPEATED` of `FieldRepetitionType`.
const REPEATED: i64 = 2;

/// The type of a field, however often it is there.
fn hive_type(field: &Node) -> Result<String, String> {
    let type_ = once(field)?;
    // Outside of lists and maps: the oldest writers made lists so.
    Ok(if field.is.repetition == Some(REPEATED) { format!("array<{type_}>") } else { type_ })
}

fn once(field: &Node) -> Result<String, String> {
    let Element { converted, logical, .. } = &field.is;
    match (field.is_group(), logical, converted) {
        (false, ..) => primitive(&field.is),
        (true, Some(Logical::List), _) | (true, None, Some(3)) => list(field),
        (true, Some(Logical::Map), _) | (true, None, Some(1 | 2)) => map(field),
        (true, Some(Logical::Variant), _) => Err("is a variant, which no Hive type is".to_owned()),
        (true, ..) => structure(&fields(field)?),
    }
}

/// A list by the rules for three levels and for older ones (Parquet, "LogicalTypes.md", backward compatibility).
fn list(group: &Node) -> Result<String, String> {
    let [repeated] = group.parts.as_slice() else { return Err("is a list of no one thing".to_owned()) };
    let is_item = !repeated.is_group()
        || repeated.parts.len() != 1
        || repeated.is.name == "array"
        || repeated.is.name == format!("{}_tuple", group.is.name);
    let item = if is_item { once(repeated)? } else { hive_type(&repeated.parts[0])? };
    Ok(format!("array<{item}>"))
}

fn map(group: &Node) -> Result<String, String> {
    let [entry] = group.parts.as_slice() else { return Err("is a map without key and value".to_owned()) };
    let [key, value] = entry.parts.as_slice() else {
        return Err("is a map without key and value".to_owned());
    };
    Ok(format!("map<{},{}>", hive_type(key)?, hive_type(value)?))
}

fn primitive(field: &Element) -> Result<String, String> {
    let plain = match field.physical {
        Some(0) => "boolean",
        Some(1) => "int",
        Some(2) => "bigint",
        Some(3) => "timestamp",
        Some(4) => "float",
        Some(5) => "double",
        Some(6 | 7) => "binary",
        _ => return Err("has a type that is not known".to_owned()),
    };
    let type_ = match (field.logical, field.converted) {
        (Some(Logical::Text), _) | (None, Some(0 | 4 | 19)) => "string",
        (Some(Logical::Date), _) | (None, Some(6)) => "date",
        (Some(Logical::Decimal), _) | (None, Some(5)) => return Ok(decimal(field.precision, field.scale)),
        (Some(Logical::Timestamp { is_in_nanoseconds: true }), _) => {
            return Err("has times in nanoseconds, which Spark does not read; write microseconds".to_owned());
        }
        (Some(Logical::Timestamp { .. }), _) | (None, Some(9 | 10)) => "timestamp",
        (Some(Logical::Time), _) | (None, Some(7 | 8)) => {
            return Err("is a time of day, which no Hive type is; write a string or a number".to_owned());
        }
        (Some(Logical::Integer { bits, is_signed }), _) => integer(bits, is_signed),
        (None, Some(unsigned @ 11..=14)) => integer(8 << (unsigned - 11), false),
        (None, Some(15)) => integer(8, true),
        (None, Some(16)) => integer(16, true),
        (None, Some(21)) => return Err("is an interval, which no Hive type is".to_owned()),
        (Some(Logical::Null), _) => return Err("is null in every row".to_owned()),
        (Some(Logical::Float16), _) => {
            return Err("is a float of 16 bits, which no Hive type is".to_owned());
        }
        _ => plain,
    };
    Ok(type_.to_owned())
}

/// Unsigned ones take the next wider type, as Spark reads them.
const fn integer(bits: i64, is_signed: bool) -> &'static str {
    match (bits, is_signed) {
        (8, true) => "tinyint",
        (16, true) | (8, false) => "smallint",
        (32, true) | (16, false) => "int",
        (64, true) | (32, false) => "bigint",
        _ => "decimal(20,0)",
    }
}
