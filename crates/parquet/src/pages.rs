//! Checks the page headers of a column before the library unpacks a page: it reserves as much
//! memory as the header says.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};

/// Most bytes of an unpacked page. Most programs write pages of 1 MB, some write one page for each
/// group of rows.
const PAGE_MAX: i64 = 128 << 20;
/// How deep the parts of a header may lie. They lie 3 deep in the format.
const DEPTH_MAX: u8 = 8;

/// Checks all page headers of the column that takes `length` bytes from `start` on.
///
/// # Errors
/// The file cannot be read, or a header is wrong.
pub fn check(file: &File, start: u64, length: u64) -> io::Result<()> {
    let (mut at, end) = (start, start.saturating_add(length));
    while at < end {
        let mut file = file;
        file.seek(SeekFrom::Start(at))?;
        let mut header = Compact { from: BufReader::new(file.take(end - at)), read: 0 };
        let sizes = header.page()?;
        let body = at + header.read;
        let (Some(unpacked), Some(packed)) = sizes else {
            return Err(wrong(at, "has no sizes"));
        };
        if !(0..=PAGE_MAX).contains(&unpacked) {
            let text = format!("has {unpacked} bytes; at most {PAGE_MAX} are read");
            return Err(wrong(at, &text));
        }
        let packed =
            u64::try_from(packed).ok().filter(|packed| *packed <= end.saturating_sub(body));
        at = body + packed.ok_or_else(|| wrong(at, "ends outside of its column"))?;
    }
    Ok(())
}

fn wrong(at: u64, why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the page at byte {at} {why}"))
}

fn odd(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Reads the compact protocol of Thrift.
struct Compact<R> {
    from: R,
    /// Bytes that were read.
    read: u64,
}

impl<R: Read> Compact<R> {
    /// The unpacked and the packed size in a page header: its fields 2 and 3.
    fn page(&mut self) -> io::Result<(Option<i64>, Option<i64>)> {
        let (mut unpacked, mut packed) = (None, None);
        let mut field = 0;
        while let Some((id, kind)) = self.field(field)? {
            match (id, kind) {
                (2, 5) => unpacked = Some(self.integer()?),
                (3, 5) => packed = Some(self.integer()?),
                _ => self.skip(kind, 0)?,
            }
            field = id;
        }
        Ok((unpacked, packed))
    }

    /// The number and the type of the next field; none at the end of a struct.
    fn field(&mut self, before: i64) -> io::Result<Option<(i64, u8)>> {
        let byte = self.byte()?;
        let (more, kind) = (byte >> 4, byte & 15);
        if kind == 0 {
            return Ok(None);
        }
        let id = if more == 0 { self.integer()? } else { before.saturating_add(more.into()) };
        Ok(Some((id, kind)))
    }

    fn skip(&mut self, kind: u8, depth: u8) -> io::Result<()> {
        match kind {
            // The type of a field says whether it is true.
            1 | 2 => Ok(()),
            3 => self.bytes(1),
            4..=6 => self.varint().map(drop),
            7 => self.bytes(8),
            8 => {
                let length = self.varint()?;
                self.bytes(length)
            }
            9 | 10 if depth < DEPTH_MAX => self.skip_list(depth),
            12 if depth < DEPTH_MAX => {
                let mut before = 0;
                while let Some((id, kind)) = self.field(before)? {
                    self.skip(kind, depth + 1)?;
                    before = id;
                }
                Ok(())
            }
            _ => Err(odd("a page header has an unknown part")),
        }
    }

    fn skip_list(&mut self, depth: u8) -> io::Result<()> {
        let byte = self.byte()?;
        let kind = byte & 15;
        let count = if byte >> 4 == 15 { self.varint()? } else { u64::from(byte >> 4) };
        for _ in 0..count {
            // In a list, a truth value takes a byte. So each item takes one, and the file ends.
            if matches!(kind, 1 | 2) { self.bytes(1)? } else { self.skip(kind, depth + 1)? }
        }
        Ok(())
    }

    fn integer(&mut self) -> io::Result<i64> {
        let coded = self.varint()?;
        Ok((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(odd("a page header has a number without an end"))
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.from.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    fn bytes(&mut self, count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.from.by_ref().take(count), &mut io::sink())?;
        self.read += skipped;
        if skipped < count { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(bytes: &[u8]) -> io::Result<(Option<i64>, Option<i64>)> {
        Compact { from: bytes, read: 0 }.page()
    }

    #[test]
    fn a_header_gives_its_sizes_and_others_are_refused() {
        // Type 0, 300 and 200 bytes, a struct with a list of two numbers and a text.
        let header = [
            0x15, 0, 0x15, 0xd8, 0x04, 0x15, 0x90, 0x03, 0x2c, 0x19, 0x25, 2, 4, 0x18, 1, b'x', 0,
            0,
        ];
        assert_eq!(sizes(&header).unwrap(), (Some(300), Some(200)));
        for end in 0..header.len() {
            assert!(sizes(&header[..end]).is_err(), "{end}");
        }
        assert!(sizes(&[0x1d]).is_err(), "an unknown type");
        assert!(sizes(&[0x1c; 100]).is_err(), "deeper than any header");
        assert!(sizes(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0x0f]).is_err(), "a list that goes on");
        assert!(
            sizes(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err()
        );
    }
}
