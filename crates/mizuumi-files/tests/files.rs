//! Files that other programs wrote are read as they mean it, and broken ones are refused in words.

#![expect(clippy::expect_used, reason = "tests fail by panicking, helpers of tests too")]

use apache_avro::{Schema, Writer, types::Record};
use mizuumi_files::{FileFormat, LONGEST, Reading};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("fixtures/", $name)).as_slice()
    };
}

const ALL: &str = "flag boolean; tiny tinyint; small smallint; number int; big bigint; half_way float; twice double; \
    text string; raw binary; day date; moment timestamp; price decimal(10,2); Many array<bigint>; \
    named map<string,double>; parts struct<x:int,y:array<string>>";

fn said(reading: &Reading) -> String {
    let Reading::Said(said) = reading else { return format!("{reading:?}") };
    let columns: Vec<String> = said.columns.iter().map(|(name, type_)| format!("{name} {type_}")).collect();
    columns.join("; ")
}

#[track_caller]
fn columns(format: FileFormat, bytes: &[u8]) -> String {
    said(&format.read(bytes, true).expect("readable"))
}

#[track_caller]
fn refused(format: FileFormat, bytes: &[u8]) -> String {
    format.read(bytes, true).expect_err("refused")
}

fn avro(schema: &str) -> Vec<u8> {
    let schema = Schema::parse_str(schema).expect("a schema");
    let mut writer = Writer::new(&schema, Vec::new()).expect("a writer");
    let mut record = Record::new(&schema).expect("a record");
    record.put("id", 7_i64);
    writer.append_value(record).expect("written");
    writer.into_inner().expect("written")
}

#[test]
fn each_type_of_parquet_has_its_hive_type() {
    assert_eq!(columns(FileFormat::Parquet, fixture!("types.parquet")), ALL);
    let unsigned = "u8 smallint; u16 int; u32 bigint; u64 decimal(20,0)";
    assert_eq!(columns(FileFormat::Parquet, fixture!("unsigned.parquet")), unsigned);
}

#[test]
fn each_type_of_orc_has_its_hive_type_however_it_is_compressed() {
    let all = [
        fixture!("uncompressed.orc"),
        fixture!("zlib.orc"),
        fixture!("snappy.orc"),
        fixture!("lz4.orc"),
        fixture!("zstd.orc"),
    ];
    for file in all {
        assert_eq!(columns(FileFormat::Orc, file), ALL);
    }
}

#[test]
fn avro_says_its_schema_at_the_beginning() {
    let schema = r#"{"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"},
        {"name": "text", "type": ["null", "string"], "default": null}]}"#;
    let file = avro(schema);
    assert_eq!(columns(FileFormat::Avro, &file), "id bigint; text string");
    let needs = FileFormat::Avro.read(&file[..40], false).expect("readable so far");
    assert!(matches!(needs, Reading::Needs(length) if length > 40), "{needs:?}");
}

#[test]
fn what_no_reader_reads_is_refused_in_words() {
    for (file, part) in [
        (fixture!("time.parquet"), "column 'time' is a time of day"),
        (fixture!("nanoseconds.parquet"), "nanoseconds"),
        (fixture!("nothing.parquet"), "has no columns"),
    ] {
        let why = refused(FileFormat::Parquet, file);
        assert!(why.contains(part), "{why}");
    }
    let why = refused(FileFormat::Orc, fixture!("unnamed.orc"));
    assert!(why.contains("_col0"), "{why}");
}

#[test]
fn a_part_that_is_too_short_says_how_much_it_takes() {
    for (format, file) in
        [(FileFormat::Parquet, fixture!("types.parquet")), (FileFormat::Orc, fixture!("wide.orc"))]
    {
        let tail = &file[file.len() - 300..];
        let Ok(Reading::Needs(length)) = format.read(tail, false) else { panic!("too short") };
        let length = usize::try_from(length).expect("short enough");
        assert!(length > 300);
        let whole = format.read(&file[file.len() - length..], false).expect("readable");
        assert!(matches!(whole, Reading::Said(_)), "{format:?}");
    }
}

#[test]
fn a_broken_file_is_refused_and_never_believed() {
    let formats = [FileFormat::Parquet, FileFormat::Orc, FileFormat::Avro];
    let avro = avro(r#"{"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}]}"#);
    let files = [fixture!("types.parquet"), fixture!("zlib.orc"), fixture!("snappy.orc"), &avro];
    for format in formats {
        for other in [b"".as_slice(), b"PAR1", b"Obj\x01", b"a,b\n1,2\n", b"\x03ORC\x04"] {
            refused(format, other);
        }
        for file in files {
            // Cut anywhere, and each byte changed in turn: an answer or words, never a panic.
            for length in 0..file.len() {
                format.read(&file[..length], true).ok();
                format.read(&file[length..], true).ok();
            }
            for place in 0..file.len() {
                for change in [1, 0x80, 0xff] {
                    let mut broken = file.to_vec();
                    broken[place] ^= change;
                    if let Ok(Reading::Needs(length)) = format.read(&broken, false) {
                        assert!(length <= LONGEST);
                    }
                }
            }
        }
    }
}

/// A Parquet file of groups within groups, in Thrift's compact protocol.
fn nested(depth: usize) -> Vec<u8> {
    let mut footer = vec![0x15, 0x02, 0x19, 0xfc];
    let mut number = depth + 2;
    while number >= 0x80 {
        footer.push(u8::try_from(number & 0x7f).expect("seven bits") | 0x80);
        number >>= 7;
    }
    footer.push(u8::try_from(number).expect("seven bits"));
    footer.extend([0x48, 1, b'r', 0x15, 0x02, 0x00]);
    for _ in 0..depth {
        footer.extend([0x35, 0x02, 0x18, 1, b'g', 0x15, 0x02, 0x00]);
    }
    footer.extend([0x15, 0x02, 0x25, 0x02, 0x18, 1, b'l', 0x00]);
    footer.extend([0x16, 0x00, 0x19, 0x0c, 0x00]);
    let length = u32::try_from(footer.len()).expect("short enough");
    footer.extend(length.to_le_bytes());
    footer.extend(b"PAR1");
    footer
}

#[test]
fn groups_within_groups_without_end_are_refused() {
    let three = columns(FileFormat::Parquet, &nested(3));
    assert_eq!(three, "g struct<g:struct<g:struct<l:int>>>");
    for (depth, part) in [(100, "nested"), (10_000, "nested"), (1_000_000, "1000002 fields")] {
        let why = refused(FileFormat::Parquet, &nested(depth));
        assert!(why.contains(part), "{why}");
    }
}
