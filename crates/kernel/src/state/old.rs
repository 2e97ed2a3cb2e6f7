//! Decodes positional MessagePack, the form of states in releases before postcard.

use serde::de::Error as _;
use serde::de::value::Error;
use std::ops::Range;

/// The bytes that are not read yet.
pub(super) struct Old<'b>(pub(super) &'b [u8]);

fn other(what: &str, mark: u8) -> Error {
    Error::custom(format!("{what} is expected where the byte {mark:#04x} is"))
}

fn cut() -> Error {
    Error::custom("it is cut short")
}

impl<'b> Old<'b> {
    fn take(&mut self, n: usize) -> Result<&'b [u8], Error> {
        let (head, rest) = self.0.split_at_checked(n).ok_or_else(cut)?;
        self.0 = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N).map(|bytes| bytes.try_into().expect("so many were taken"))
    }

    /// A big-endian number of that many bytes.
    fn number(&mut self, bytes: usize) -> Result<u64, Error> {
        Ok(self.take(bytes)?.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<i128, Error> {
        let unused = 64 - 8 * bytes;
        Ok(i128::from((self.number(bytes)? << unused).cast_signed() >> unused))
    }

    pub(super) fn integer<N: TryFrom<i128>>(&mut self) -> Result<N, Error> {
        let n = match self.byte()? {
            mark @ 0..=0x7f => i128::from(mark),
            mark @ 0xe0..=0xff => i128::from(mark.cast_signed()),
            mark @ 0xcc..=0xcf => i128::from(self.number(1 << (mark - 0xcc))?),
            mark @ 0xd0..=0xd3 => self.signed(1 << (mark - 0xd0))?,
            mark => return Err(other("an integer", mark)),
        };
        N::try_from(n).map_err(|_| Error::custom(format!("{n} is out of range")))
    }

    /// A number of 16 bytes.
    pub(super) fn large(&mut self) -> Result<[u8; 16], Error> {
        self.bytes()?.try_into().map_err(|_| cut())
    }

    pub(super) fn float<const N: usize>(&mut self, mark: u8) -> Result<[u8; N], Error> {
        match self.byte()? {
            found if found == mark => self.array_of(),
            found => Err(other("a number", found)),
        }
    }

    pub(super) fn bool(&mut self) -> Result<bool, Error> {
        match self.byte()? {
            mark @ (0xc2 | 0xc3) => Ok(mark == 0xc3),
            mark => Err(other("true or false", mark)),
        }
    }

    pub(super) fn is_nil(&self) -> bool {
        self.0.first() == Some(&0xc0)
    }

    pub(super) fn unit(&mut self) -> Result<(), Error> {
        match self.byte()? {
            0xc0 | 0x90 => Ok(()),
            mark => Err(other("nothing", mark)),
        }
    }

    /// Length of a text, an array or a map. A short length is part of the mark; `long` lengths
    /// follow it.
    fn len(&mut self, what: &str, short: Range<u8>, long: &[(u8, usize)]) -> Result<usize, Error> {
        let mark = self.byte()?;
        let len = if short.contains(&mark) {
            u64::from(mark - short.start)
        } else {
            let found = long.iter().find(|(at, _)| *at == mark);
            self.number(found.ok_or_else(|| other(what, mark))?.1)?
        };
        // A length beyond the remaining bytes is an error.
        usize::try_from(len).ok().filter(|len| *len <= self.0.len()).ok_or_else(cut)
    }

    pub(super) fn array(&mut self) -> Result<usize, Error> {
        self.len("a sequence", 0x90..0xa0, &[(0xdc, 2), (0xdd, 4)])
    }

    pub(super) fn map(&mut self) -> Result<usize, Error> {
        self.len("a map", 0x80..0x90, &[(0xde, 2), (0xdf, 4)])
    }

    pub(super) fn str(&mut self) -> Result<&'b str, Error> {
        let len = self.len("a text", 0xa0..0xc0, &[(0xd9, 1), (0xda, 2), (0xdb, 4)])?;
        std::str::from_utf8(self.take(len)?).map_err(Error::custom)
    }

    pub(super) fn char(&mut self) -> Result<char, Error> {
        let mut text = self.str()?.chars();
        match (text.next(), text.next()) {
            (Some(one), None) => Ok(one),
            _ => Err(Error::custom("one character is expected")),
        }
    }

    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Error> {
        let len = self.len("bytes", 0..0, &[(0xc4, 1), (0xc5, 2), (0xc6, 4)])?;
        self.take(len)
    }

    /// Index of the variant by its name. The content of the variant follows the name.
    pub(super) fn variant(&mut self, variants: &[&str]) -> Result<usize, Error> {
        if self.0.first() == Some(&0x81) {
            self.byte()?;
        }
        let name = self.str()?;
        let at = variants.iter().position(|known| *known == name);
        at.ok_or_else(|| Error::custom(format!("there is no variant {name}")))
    }
}
