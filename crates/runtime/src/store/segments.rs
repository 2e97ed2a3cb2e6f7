//! Segments: the older part of the journal, sealed into files that never change again.
//!
//! A segment holds the blocks of a range of rows, compressed. It is first written whole beside the
//! live file. Then one commit of the live file names it with its checksum and removes its rows.
//! Before that commit the segment is unused; after it, it is the only copy. So after a crash at any
//! moment, each row is in exactly one place.
//!
//! A segment may be thinned later: it is written again without some of its facts, in the same way.
//! `thin.rs` does that. `loop_states.rs` keeps the states from which facts can still be derived.

use super::rows::BLOCKS;
use crate::chaos::faults::FaultyDisk;
use crate::files::{WholeFile, sync_name};
use flate2::{Compression, Crc, read::GzDecoder, write::GzEncoder};
use redb::{ReadTransaction, ReadableTable, TableDefinition, TableError, WriteTransaction};
use std::fs;
use std::io::{self, BufWriter, IntoInnerError, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Last row of a segment → (its first row, bytes of all blocks of the journal up to its end, bytes
/// of its file, checksum of its file).
pub(super) const SEGMENTS: TableDefinition<'_, u64, (u64, u64, u64, u32)> =
    TableDefinition::new("segments_v1");
/// Last row of a thinned segment → (number of its facts that were removed, checksum of their
/// bytes).
pub(super) const THINNED: TableDefinition<'_, u64, (u64, u32)> = TableDefinition::new("thinned_v1");
/// First bytes of a segment file. The compressed blocks follow.
const MAGIC: &[u8] = b"journal segment 1\n";
/// Maximum size of a block, bytes. A larger length is damage: one fact has at most a few megabytes.
const BLOCK_SANE: u32 = 1 << 30;

/// Sizes at which the oldest part of a journal is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// Approximate bytes of blocks in one segment.
    pub segment: u64,
    /// Bytes of blocks that stay in the live file.
    pub keep: u64,
}

impl Default for Sealing {
    /// Segments of 4 MiB, and 8 MiB in the live file: some hours of 300 symbols.
    fn default() -> Sealing {
        Sealing { segment: 4 << 20, keep: 8 << 20 }
    }
}

/// One segment, as the live file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub first: u64,
    pub last: u64,
    /// Bytes of all blocks of the journal up to its end.
    pub end: u64,
    /// Bytes of its file.
    pub size: u64,
    /// Checksum of its file.
    pub crc: u32,
    /// Number of its facts that were removed, and the checksum of their bytes; none: it is whole.
    pub thinned: Option<(u64, u32)>,
}

impl Segment {
    /// Name of its file.
    pub(super) fn name(&self) -> String {
        let kind = if self.thinned.is_some() { THIN } else { WHOLE };
        format!("{:012}-{:012}{kind}", self.first, self.last)
    }
}

/// End of the name of a segment.
const WHOLE: &str = ".segment";
/// End of the name of a thinned segment.
const THIN: &str = ".thin";
/// End of the name of a state of the loop, see `loop_states.rs`.
pub const LOOP_STATE: &str = ".state";

/// Whether a file of this name belongs on a shelf. Such a name is also safe as a path.
pub(super) fn is_ours(name: &str) -> bool {
    let stem = [WHOLE, THIN, LOOP_STATE].iter().find_map(|end| name.strip_suffix(end));
    stem.is_some_and(|stem| stem.chars().all(|c| c.is_ascii_digit() || c == '-'))
}

/// Place of the segments: a folder beside the live file, or a simulated disk.
#[derive(Clone, Debug)]
pub(crate) enum Shelf {
    Folder(PathBuf),
    Memory(FaultyDisk),
}

impl Shelf {
    /// The shelf of a live file.
    pub(super) fn beside(live: &Path) -> Shelf {
        Shelf::Folder(live.with_extension("segments"))
    }

    /// Path of a file, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Shelf::Folder(folder) => folder.join(name),
            Shelf::Memory(_) => PathBuf::from(name),
        }
    }

    /// Writes a whole file.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.begin("next.copy")?;
        file.write_all(bytes)?;
        file.finish(name)
    }

    /// Begins a file that gets its name when it is complete. Until then it has a name of its
    /// writer.
    pub(super) fn begin(&self, until_then: &str) -> io::Result<Unnamed> {
        let into = match self {
            Shelf::Folder(folder) => {
                fs::create_dir_all(folder)?;
                // Otherwise a power cut could remove rows that the live file no longer holds.
                sync_name(folder)?;
                let file = WholeFile::begin(&folder.join(until_then))?;
                Into::Folder(folder.clone(), BufWriter::with_capacity(1 << 16, file))
            }
            Shelf::Memory(disk) => Into::Memory(disk.clone(), Vec::new()),
        };
        Ok(Unnamed { into, size: 0, crc: Crc::new() })
    }

    /// The content of a file.
    pub(super) fn get(&self, name: &str) -> io::Result<Vec<u8>> {
        match self {
            Shelf::Folder(folder) => fs::read(folder.join(name)),
            Shelf::Memory(disk) => disk.file(name),
        }
    }

    /// The names of all files.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        match self {
            Shelf::Folder(folder) => match fs::read_dir(folder) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(e) => Err(e),
                Ok(entries) => entries
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect(),
            },
            Shelf::Memory(disk) => disk.file_names(),
        }
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match self {
            Shelf::Folder(folder) => fs::remove_file(folder.join(name)),
            Shelf::Memory(disk) => disk.remove_file(name),
        }
    }

    /// Removes files that no commit has named. A crash may leave such files.
    pub(super) fn sweep(&self, named: &[Segment]) -> io::Result<()> {
        let named: Vec<String> = named.iter().map(Segment::name).collect();
        for name in self.names()? {
            if !named.contains(&name) && !name.ends_with(LOOP_STATE) {
                self.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Content of a segment's file, compared with its recorded size and checksum.
    pub(super) fn whole(&self, segment: &Segment) -> io::Result<Vec<u8>> {
        let bytes = self.get(&segment.name())?;
        if bytes.len() as u64 != segment.size || checksum(&bytes) != segment.crc {
            let why = "its checksum is not the one it was sealed with";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(bytes)
    }

    /// The blocks of a segment, in order, with the last row of each.
    pub(super) fn open(&self, segment: &Segment) -> io::Result<Blocks> {
        let bytes = self.whole(segment)?;
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
        if !bytes.starts_with(MAGIC) {
            return Err(damaged("it does not begin as a segment does"));
        }
        let mut packed = io::Cursor::new(bytes);
        packed.set_position(MAGIC.len() as u64);
        Ok(Blocks(GzDecoder::new(packed)))
    }
}

/// A file on a shelf that has no final name yet.
pub(super) struct Unnamed {
    into: Into,
    /// Bytes written.
    size: u64,
    /// Checksum of the written bytes.
    crc: Crc,
}

enum Into {
    Folder(PathBuf, BufWriter<WholeFile>),
    Memory(FaultyDisk, Vec<u8>),
}

impl Unnamed {
    /// Flushes it and gives it its name.
    pub(super) fn finish(self, name: &str) -> io::Result<()> {
        match self.into {
            Into::Folder(folder, file) => {
                let path = folder.join(name);
                file.into_inner().map_err(IntoInnerError::into_error)?.finish(&path)?;
                sync_name(&path)
            }
            Into::Memory(disk, bytes) => disk.put_file(name, &bytes),
        }
    }
}

impl io::Write for Unnamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.into {
            Into::Folder(_, file) => file.write(bytes)?,
            Into::Memory(_, file) => file.write(bytes)?,
        };
        self.size += written as u64;
        self.crc.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.into {
            Into::Folder(_, file) => file.flush(),
            Into::Memory(..) => Ok(()),
        }
    }
}

pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Iterator over the blocks of a segment, decompressed one at a time.
pub(super) struct Blocks(GzDecoder<io::Cursor<Vec<u8>>>);

impl Blocks {
    fn block(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut head = [0; 12];
        if self.0.read(&mut head[..1])? == 0 {
            return Ok(None);
        }
        self.0.read_exact(&mut head[1..])?;
        let (last, len) = head.split_at(8);
        let last = u64::from_le_bytes(last.try_into().expect("eight bytes"));
        let len = u32::from_le_bytes(len.try_into().expect("four bytes"));
        if len > BLOCK_SANE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut block = vec![0; len as usize];
        self.0.read_exact(&mut block)?;
        Ok(Some((last, block)))
    }
}

impl Iterator for Blocks {
    type Item = io::Result<(u64, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.block().transpose()
    }
}

/// The segments that hold row `from` or later ones, oldest first.
pub(super) fn from(read: &ReadTransaction, from: u64) -> Result<Vec<Segment>, redb::Error> {
    let table = match read.open_table(SEGMENTS) {
        // Nothing is sealed in this file yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let thinned = match read.open_table(THINNED) {
        // Nothing was ever thinned in this file.
        Err(TableError::TableDoesNotExist(_)) => None,
        table => Some(table?),
    };
    let mut segments = Vec::new();
    for kv in table.range(from..)? {
        let (last, about) = kv?;
        let (last, (first, end, size, crc)) = (last.value(), about.value());
        let thinned = thinned.as_ref().map(|table| table.get(last)).transpose()?.flatten();
        let thinned = thinned.map(|about| about.value());
        segments.push(Segment { first, last, end, size, crc, thinned });
    }
    Ok(segments)
}

/// Bytes of blocks that are sealed.
pub(super) fn sealed_bytes(read: &ReadTransaction) -> Result<u64, redb::Error> {
    match read.open_table(SEGMENTS) {
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        table => Ok(table?.last()?.map_or(0, |(_, about)| about.value().1)),
    }
}

/// Whether the blocks up to row `until` reach `size` bytes. While a late saved state delays
/// sealing, this check runs repeatedly. It costs far less than packing for nothing.
fn fills(
    blocks: &impl ReadableTable<u64, &'static [u8]>,
    size: u64,
    until: u64,
) -> Result<bool, redb::Error> {
    let mut bytes = 0;
    for kv in blocks.range(..=until)? {
        let (_, block) = kv?;
        bytes += block.value().len() as u64;
        if bytes >= size {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Packs the oldest blocks up to row `until` into a segment on the shelf, if they fill one. The
/// live file does not name it yet.
pub(super) fn pack(
    read: &ReadTransaction,
    shelf: &Shelf,
    (size, until): (u64, u64),
) -> Result<Option<Segment>, redb::Error> {
    let blocks = read.open_table(BLOCKS)?;
    if !fills(&blocks, size, until)? {
        return Ok(None);
    }
    // Write in pieces: a whole segment in memory would take a tenth of the daemon's memory.
    let mut packed = Packing::begin(shelf, "next.segment")?;
    let (mut first, mut last, mut bytes) = (None, 0, 0);
    for kv in blocks.iter()? {
        let (row, block) = kv?;
        let (row, block) = (row.value(), block.value());
        if row > until || bytes >= size {
            break;
        }
        let begins = block.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        let begins = begins.ok_or_else(|| redb::Error::Corrupted("a block is cut short".into()))?;
        first.get_or_insert(begins);
        (last, bytes) = (row, bytes + block.len() as u64);
        packed.put(row, block)?;
    }
    let Some(first) = first else { return Ok(None) };
    let end = sealed_bytes(read)? + bytes;
    let segment = Segment { first, last, end, size: 0, crc: 0, thinned: None };
    Ok(Some(packed.finish(segment)?))
}

/// A segment's file that is being written.
pub(super) struct Packing(GzEncoder<Unnamed>);

impl Packing {
    pub(super) fn begin(shelf: &Shelf, until_then: &str) -> io::Result<Packing> {
        let mut file = shelf.begin(until_then)?;
        file.write_all(MAGIC)?;
        Ok(Packing(GzEncoder::new(file, Compression::fast())))
    }

    /// Adds a block with its last row.
    pub(super) fn put(&mut self, last: u64, block: &[u8]) -> io::Result<()> {
        let len = u32::try_from(block.len()).expect("a block is below 4 GB");
        self.0.write_all(&last.to_le_bytes())?;
        self.0.write_all(&len.to_le_bytes())?;
        self.0.write_all(block)
    }

    /// Gives the file its name. Returns the segment with its size and checksum.
    pub(super) fn finish(self, segment: Segment) -> io::Result<Segment> {
        let file = self.0.finish()?;
        let segment = Segment { size: file.size, crc: file.crc.sum(), ..segment };
        file.finish(&segment.name())?;
        Ok(segment)
    }
}

/// Names a segment in the live file. Removes its rows from there, if it was not thinned.
pub(super) fn announce(write: &WriteTransaction, segment: &Segment) -> Result<(), redb::Error> {
    let Segment { first, last, end, size, crc, thinned } = *segment;
    write.open_table(SEGMENTS)?.insert(last, (first, end, size, crc))?;
    match thinned {
        None => write.open_table(BLOCKS)?.retain_in(..=last, |_, _| false)?,
        Some(removed) => _ = write.open_table(THINNED)?.insert(last, removed)?,
    }
    Ok(())
}
