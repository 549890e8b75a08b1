//! Things that lie about in great numbers and are rarely looked at, kept small: JSON, compressed.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A third smaller than LZ4 makes of such JSON; a value takes some 20 microseconds to pack.
const LEVEL: i32 = 1;

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
        let bytes = zstd::bulk::compress(&text, LEVEL).map_err(serde::ser::Error::custom)?;
        Ok(Self { bytes: bytes.into_boxed_slice(), size: text.len(), of: PhantomData })
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// If the type does not read what it wrote: a defect.
    pub fn open(&self) -> Result<T, serde_json::Error> {
        let text = zstd::bulk::decompress(&self.bytes, self.size).map_err(serde::de::Error::custom)?;
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
}
