//! Things that lie about in great numbers and are rarely looked at, kept small: JSON, compressed.
//!
//! They are alike: most of what one of them says by its fields' names and by the usual sentences all others say as well. So
//! they are packed by a dictionary that has such things in it, which halves them.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::LazyLock;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// A third smaller than LZ4 makes of such JSON; a value takes some 20 microseconds to pack.
const LEVEL: i32 = 1;
/// A table and a resource as they usually are. What is packed stays in the process, so it may change at any time.
const USUAL: &[u8] = include_bytes!("packed/dictionary.json");

static PACKING: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(USUAL, LEVEL));
static OPENING: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(USUAL));

thread_local! {
    // They are large, and would be made anew for each value.
    static PACKER: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static OPENER: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn pack(text: &[u8]) -> io::Result<Vec<u8>> {
    PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(text),
        None => packer.insert(Compressor::with_prepared_dictionary(&PACKING)?).compress(text),
    })
}

fn open(bytes: &[u8], size: usize) -> io::Result<Vec<u8>> {
    OPENER.with_borrow_mut(|opener| match opener {
        Some(opener) => opener.decompress(bytes, size),
        None => opener.insert(Decompressor::with_prepared_dictionary(&OPENING)?).decompress(bytes, size),
    })
}

/// A value, packed. Equal values pack to equal bytes as long as their maps are ordered.
pub struct Packed<T> {
    bytes: Box<[u8]>,
    /// Unpacked.
    size: usize,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Packed<T> {
    /// Packs a value.
    ///
    /// # Errors
    /// If the value has no JSON form, such as a map whose keys are no strings.
    pub fn new(value: &T) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_vec(value)?;
        let bytes = pack(&text).map_err(serde::ser::Error::custom)?;
        Ok(Self { bytes: bytes.into_boxed_slice(), size: text.len(), of: PhantomData })
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// If the type does not read what it wrote: a defect.
    pub fn open(&self) -> Result<T, serde_json::Error> {
        let text = open(&self.bytes, self.size).map_err(serde::de::Error::custom)?;
        serde_json::from_slice(&text)
    }

    /// Its size, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl<T> Clone for Packed<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), size: self.size, of: PhantomData }
    }
}

impl<T> PartialEq for Packed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl<T> Eq for Packed<T> {}

impl<T> fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_takes_less_room() {
        let columns: Vec<_> = (0..40).map(|n| format!("a_column_with_a_name_{n}: string")).collect();
        let packed = Packed::new(&columns).expect("packed");
        assert!(packed.size() * 2 < columns.iter().map(String::len).sum::<usize>(), "{packed:?}");
        assert_eq!(packed.open().expect("unpacked"), columns);
        assert_eq!(packed, Packed::new(&columns).expect("packed"));
    }

    #[test]
    fn what_is_usual_takes_hardly_any_room() {
        for usual in USUAL.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let value: serde_json::Value = serde_json::from_slice(usual).expect("JSON");
            let packed = Packed::new(&value).expect("packed");
            assert!(packed.size() * 4 < usual.len(), "{packed:?} of {}", usual.len());
            assert_eq!(packed.open().expect("unpacked"), value);
        }
    }
}
