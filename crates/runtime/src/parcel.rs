//! One file with many packed records. A reader detects any damage, and where it is.
//!
//! Records are compressed as one stream. The stream is cut into pieces, each with its length and a
//! checksum over its place and its bytes. An empty piece marks the end. The reader refuses a file
//! that was cut off, altered, or whose pieces changed places. The error names the byte of the
//! damage. Writing and reading keep at most one record in memory.

use flate2::{Compression, Crc, read::GzDecoder, write::GzEncoder};
use std::io::{self, Read, Write};

/// First bytes of such a file.
const MAGIC: &[u8] = b"parcel 1\n";
/// Maximum bytes of a piece.
const PIECE: usize = 64 << 10;
/// Maximum size of a record, bytes. A larger length is damage.
const RECORD_SANE: u32 = 1 << 30;

/// One record: its kind, a name or key, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// Description of the content, in a form that the packer chooses.
    About(&'a [u8]),
    /// The records that follow belong to this part.
    Part(&'a str),
    /// Rows of this table follow.
    Table(&'a str),
    /// A key and its value.
    Row(&'a [u8], &'a [u8]),
    /// The bytes of a file of this name follow.
    File(&'a str),
    /// A piece of the file's bytes.
    Bytes(&'a [u8]),
}

impl<'a> Record<'a> {
    fn parts(self) -> (u8, &'a [u8], &'a [u8]) {
        match self {
            Record::About(bytes) => (1, &[], bytes),
            Record::Part(name) => (2, name.as_bytes(), &[]),
            Record::Table(name) => (3, name.as_bytes(), &[]),
            Record::Row(key, value) => (4, key, value),
            Record::File(name) => (5, name.as_bytes(), &[]),
            Record::Bytes(bytes) => (6, &[], bytes),
        }
    }

    fn of(tag: u8, name: &'a [u8], bytes: &'a [u8]) -> io::Result<Record<'a>> {
        let text = || std::str::from_utf8(name).map_err(|_| damaged("a name is no text".into()));
        Ok(match tag {
            1 => Record::About(bytes),
            2 => Record::Part(text()?),
            3 => Record::Table(text()?),
            4 => Record::Row(name, bytes),
            5 => Record::File(text()?),
            6 => Record::Bytes(bytes),
            _ => return Err(damaged(format!("there is no record of kind {tag}"))),
        })
    }
}

fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn checksum(place: u64, bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(&place.to_le_bytes());
    crc.update(bytes);
    crc.sum()
}

/// Packs records.
pub struct Packer<W: Write>(GzEncoder<Pieces<W>>);

impl<W: Write> Packer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new(mut out: W) -> io::Result<Packer<W>> {
        out.write_all(MAGIC)?;
        let pieces = Pieces { out, waiting: Vec::with_capacity(PIECE), place: 0 };
        Ok(Packer(GzEncoder::new(pieces, Compression::fast())))
    }

    /// Packs one more record.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&mut self, record: Record<'_>) -> io::Result<()> {
        let (tag, name, bytes) = record.parts();
        let len = |bytes: &[u8]| {
            u32::try_from(bytes.len()).ok().filter(|len| *len <= RECORD_SANE).map(u32::to_le_bytes)
        };
        let too_large = || damaged("a record is larger than any should be".into());
        self.0.write_all(&[tag])?;
        self.0.write_all(&len(name).ok_or_else(too_large)?)?;
        self.0.write_all(&len(bytes).ok_or_else(too_large)?)?;
        self.0.write_all(name)?;
        self.0.write_all(bytes)
    }

    /// Ends the file. Without this call it is incomplete.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let mut pieces = self.0.finish()?;
        pieces.send()?;
        pieces.end()?;
        pieces.out.flush()?;
        Ok(pieces.out)
    }
}

struct Pieces<W> {
    out: W,
    waiting: Vec<u8>,
    place: u64,
}

impl<W: Write> Pieces<W> {
    fn send(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.end()?;
        self.waiting.clear();
        Ok(())
    }

    /// Writes the waiting bytes as a piece. If there are none, this is the end piece.
    fn end(&mut self) -> io::Result<()> {
        let len = u32::try_from(self.waiting.len()).expect("a piece is small");
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&checksum(self.place, &self.waiting).to_le_bytes())?;
        self.out.write_all(&self.waiting)?;
        self.place += 1;
        Ok(())
    }
}

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() == PIECE {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Unpacks records. It checks each piece before it returns anything of it.
pub struct Unpacker<R: Read> {
    from: GzDecoder<Joined<R>>,
    name: Vec<u8>,
    bytes: Vec<u8>,
}

impl<R: Read> Unpacker<R> {
    /// Begins to read a file.
    ///
    /// # Errors
    /// It is not such a file, or it cannot be read.
    pub fn new(mut from: R) -> io::Result<Unpacker<R>> {
        let mut magic = Vec::new();
        from.by_ref().take(MAGIC.len() as u64).read_to_end(&mut magic)?;
        if magic != MAGIC {
            return Err(damaged("byte 0: it does not begin as a backup does".into()));
        }
        let (at, piece) = (MAGIC.len() as u64, Vec::new());
        let from = Joined { from, piece, offset: 0, place: 0, at, ended: false };
        Ok(Unpacker { from: GzDecoder::new(from), name: Vec::new(), bytes: Vec::new() })
    }

    /// The next record; none at the end of a complete file.
    ///
    /// # Errors
    /// It is damaged (place and kind), or it cannot be read.
    pub fn record(&mut self) -> io::Result<Option<Record<'_>>> {
        let mut tag = [0];
        if self.from.read(&mut tag)? == 0 {
            self.from.get_mut().finish()?;
            return Ok(None);
        }
        let mut lengths = [0; 8];
        self.from.read_exact(&mut lengths)?;
        let (name, bytes) = lengths.split_at(4);
        self.name = piece_of(&mut self.from, name)?;
        self.bytes = piece_of(&mut self.from, bytes)?;
        Record::of(tag[0], &self.name, &self.bytes).map(Some)
    }
}

fn piece_of(from: &mut impl Read, length: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
    if length > RECORD_SANE {
        return Err(damaged("a record is larger than any should be".into()));
    }
    let mut bytes = Vec::new();
    let read = from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if read as u64 != u64::from(length) {
        return Err(damaged("a record is cut short".into()));
    }
    Ok(bytes)
}

/// Reads the pieces as one stream.
struct Joined<R> {
    from: R,
    piece: Vec<u8>,
    offset: usize,
    place: u64,
    /// Byte of the file at which the next piece begins.
    at: u64,
    ended: bool,
}

impl<R: Read> Joined<R> {
    fn next(&mut self) -> io::Result<()> {
        let cut = || {
            let why = format!("byte {}: it ends here, before its end", self.at);
            move |_: io::Error| damaged(why)
        };
        let mut head = [0; 8];
        self.from.read_exact(&mut head).map_err(cut())?;
        let (len, crc) = head.split_at(4);
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        let (len, crc) = (number(len) as usize, number(crc));
        if len > PIECE {
            return Err(damaged(format!("byte {}: no piece begins here", self.at)));
        }
        let mut piece = vec![0; len];
        self.from.read_exact(&mut piece).map_err(cut())?;
        let end = self.at + 8 + len as u64;
        if checksum(self.place, &piece) != crc {
            let why = format!("bytes {} to {end} are not what was written", self.at);
            return Err(damaged(why));
        }
        (self.piece, self.offset, self.at, self.place) = (piece, 0, end, self.place + 1);
        self.ended = len == 0;
        Ok(())
    }

    /// Checks that the file ends with its end piece.
    fn finish(&mut self) -> io::Result<()> {
        let mut more = [0];
        while !self.ended {
            self.next()?;
        }
        if self.from.read(&mut more)? > 0 {
            return Err(damaged(format!("byte {}: it goes on behind its end", self.at)));
        }
        Ok(())
    }
}

impl<R: Read> Read for Joined<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.offset == self.piece.len() && !self.ended {
            self.next()?;
        }
        let taken = out.len().min(self.piece.len() - self.offset);
        out[..taken].copy_from_slice(&self.piece[self.offset..self.offset + taken]);
        self.offset += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> Vec<u8> {
        let mut packer = Packer::new(Vec::new()).unwrap();
        packer.put(Record::About(b"{}")).unwrap();
        packer.put(Record::Part("journal")).unwrap();
        packer.put(Record::Table("t")).unwrap();
        let mut noise = 1_u64;
        for i in 0..40_u64 {
            // Incompressible data, so that there are several pieces.
            let value: Vec<u8> = (0..8192)
                .map(|_| {
                    noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    noise.to_be_bytes()[0]
                })
                .collect();
            packer.put(Record::Row(&i.to_be_bytes(), &value)).unwrap();
        }
        packer.put(Record::File("note.txt")).unwrap();
        packer.put(Record::Bytes(b"words")).unwrap();
        packer.finish().unwrap()
    }

    fn unpack(bytes: &[u8]) -> io::Result<(u64, Vec<u8>)> {
        let mut unpacker = Unpacker::new(bytes)?;
        let (mut rows, mut last) = (0, Vec::new());
        while let Some(record) = unpacker.record()? {
            match record {
                Record::Row(..) => rows += 1,
                Record::Bytes(bytes) => last = bytes.to_vec(),
                Record::About(_) | Record::Part(_) | Record::Table(_) | Record::File(_) => {}
            }
        }
        Ok((rows, last))
    }

    #[test]
    fn what_was_packed_comes_out_and_anything_else_is_refused_by_its_place() {
        let whole = packed();
        assert!(whole.len() > 4 * PIECE, "{}", whole.len());
        assert_eq!(unpack(&whole).unwrap(), (40, b"words".to_vec()));
        for at in (0..whole.len()).step_by(997).chain([whole.len() - 1]) {
            let why = unpack(&whole[..at]).unwrap_err().to_string();
            assert!(why.contains("byte"), "cut at {at}: {why}");
            let mut altered = whole.clone();
            altered[at] ^= 1;
            let why = unpack(&altered).unwrap_err().to_string();
            assert!(why.contains("byte"), "altered at {at}: {why}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        let why = unpack(&longer).unwrap_err().to_string();
        assert_eq!(why, format!("byte {}: it goes on behind its end", whole.len()));
        let mut swapped = whole.clone();
        let (first, piece) = (MAGIC.len(), 8 + PIECE);
        swapped.copy_within(first + piece..first + 2 * piece, first);
        swapped[first + piece..first + 2 * piece].copy_from_slice(&whole[first..first + piece]);
        assert!(unpack(&swapped).unwrap_err().to_string().contains("not what was written"));
    }
}
