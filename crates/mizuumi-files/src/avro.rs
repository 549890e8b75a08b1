//! Avro's object container files: the schema stands in the header.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use mizuumi_core::data_table::avsc;

use crate::{LONGEST, Reading, Said};

const MAGIC: &[u8] = b"Obj\x01";
/// Headers are short; if one is not, so many times as much is read.
const MORE: u64 = 16;

/// Reads the columns from the beginning of a file.
pub(crate) fn read(head: &[u8], is_whole: bool) -> Result<Reading, String> {
    let Some(mut rest) = head.strip_prefix(MAGIC) else { return Err("is no Avro file".to_owned()) };
    // The first to say so decides; what a header says of its own lengths is not believed beyond that.
    apache_avro::util::max_allocation_bytes(usize::try_from(LONGEST).unwrap_or(usize::MAX));
    let header = Schema::map(Schema::Bytes).build();
    let read = GenericDatumReader::builder(&header).build().and_then(|reader| reader.read_value(&mut rest));
    let Ok(Value::Map(mut header)) = read else {
        let needed = (head.len() as u64).saturating_mul(MORE).min(LONGEST);
        let is_all = is_whole || needed <= head.len() as u64;
        return if is_all {
            Err("has a header that cannot be read".to_owned())
        } else {
            Ok(Reading::Needs(needed))
        };
    };
    let Some(Value::Bytes(schema)) = header.remove("avro.schema") else {
        return Err("has no 'avro.schema' in its header".to_owned());
    };
    let schema = String::from_utf8(schema).map_err(|_| "has a schema that is no text".to_owned())?;
    let (said, line) = avsc::columns(&schema).map_err(|why| format!("its schema {why}"))?;
    let columns = said.into_iter().map(|(name, type_, _)| (name, type_)).collect();
    Ok(Reading::Said(Said { columns, avro: Some(line) }))
}
