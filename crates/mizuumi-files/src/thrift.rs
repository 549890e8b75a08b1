//! Thrift's compact protocol, as much of it as Parquet's schema takes ("thrift-compact-protocol.md").
//!
//! The reader of the crate `parquet` follows a schema down without a bound: a file of a million groups, each in the other,
//! overflows its stack, and that ends the process. What reads files of strangers has to refuse such a one.

/// A kind of value, by its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(u8);

impl Kind {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
    const BYTE: Self = Self(3);
    const INTEGERS: [Self; 3] = [Self(4), Self(5), Self(6)];
    const DOUBLE: Self = Self(7);
    const BINARY: Self = Self(8);
    pub(crate) const LIST: Self = Self(9);
    const SET: Self = Self(10);
    const MAP: Self = Self(11);
    pub(crate) const STRUCT: Self = Self(12);
}

/// Values nested deeper than this are none of Parquet's metadata.
const DEEPEST: usize = 16;

/// Reads from the front of some bytes.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field of a structure, after the one of that number; none at its end.
    pub(crate) fn field(&mut self, after: i16) -> Result<Option<(i16, Kind)>, String> {
        let header = self.byte()?;
        if header == 0 {
            return Ok(None);
        }
        let number = match header >> 4 {
            0 => i16::try_from(self.integer()?).map_err(|_| broken())?,
            step => after.checked_add(i16::from(step)).ok_or_else(broken)?,
        };
        Ok(Some((number, Kind(header & 0x0f))))
    }

    /// The kind and the number of the elements of a list.
    pub(crate) fn list(&mut self) -> Result<(Kind, u64), String> {
        let header = self.byte()?;
        let number = match header >> 4 {
            15 => self.varint()?,
            short => u64::from(short),
        };
        Ok((Kind(header & 0x0f), number))
    }

    /// A value that is a number or a truth.
    pub(crate) fn number(&mut self, kind: Kind) -> Result<i64, String> {
        match kind {
            Kind::TRUE => Ok(1),
            Kind::FALSE => Ok(0),
            Kind::BYTE => Ok(i64::from(i8::from_le_bytes([self.byte()?]))),
            kind if Kind::INTEGERS.contains(&kind) => self.integer(),
            _ => Err(broken()),
        }
    }

    pub(crate) fn text(&mut self, kind: Kind) -> Result<String, String> {
        if kind != Kind::BINARY {
            return Err(broken());
        }
        let length = self.varint()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "has a name that is no text".to_owned())
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self, kind: Kind) -> Result<(), String> {
        self.skip_within(kind, 0)
    }

    fn skip_within(&mut self, kind: Kind, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(broken());
        }
        match kind {
            Kind::TRUE | Kind::FALSE => Ok(()),
            Kind::BYTE => self.byte().map(drop),
            Kind::DOUBLE => self.take(8).map(drop),
            Kind::BINARY => {
                let length = self.varint()?;
                self.take(length).map(drop)
            }
            Kind::LIST | Kind::SET => {
                let (kind, number) = self.list()?;
                self.skip_elements(&[kind], number, depth)
            }
            Kind::MAP => match self.varint()? {
                0 => Ok(()),
                number => {
                    let kinds = self.byte()?;
                    self.skip_elements(&[Kind(kinds >> 4), Kind(kinds & 0x0f)], number, depth)
                }
            },
            Kind::STRUCT => {
                let mut last = 0;
                while let Some((number, kind)) = self.field(last)? {
                    self.skip_within(kind, depth + 1)?;
                    last = number;
                }
                Ok(())
            }
            kind if Kind::INTEGERS.contains(&kind) => self.integer().map(drop),
            _ => Err(broken()),
        }
    }

    /// Elements of a list take a byte each at least, truths too.
    fn skip_elements(&mut self, kinds: &[Kind], number: u64, depth: usize) -> Result<(), String> {
        for _ in 0..number {
            for kind in kinds {
                match *kind {
                    Kind::TRUE | Kind::FALSE => self.byte().map(drop)?,
                    kind => self.skip_within(kind, depth + 1)?,
                }
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, String> {
        let (first, rest) = self.rest.split_first().ok_or_else(broken)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).map_err(|_| broken())?;
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(broken)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(broken())
    }

    /// A signed number, zigzag.
    fn integer(&mut self) -> Result<i64, String> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

pub(crate) fn broken() -> String {
    "has a footer that cannot be read".to_owned()
}
