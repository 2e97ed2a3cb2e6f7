//! Thins sealed segments: writes them again without the facts that nothing needs any more.
//!
//! A thinned segment is written whole beside the old one, under another name. Then one commit of
//! the live file names it, with the number and the checksum of the removed facts. Then the old file
//! is removed. After a crash at any moment, the live file names one complete file of the two. The
//! rows of the facts that stay do not change.

use super::file::{Store, StoreError, WRITES};
use super::rows::{BLOCK_MAX, META, decode_fact, split_block};
use super::segments::{self, Packing, Segment, Shelf, THINNED};
use everwarm_kernel::fact::{Body, Fact};
use flate2::Crc;
use redb::{Durability, ReadableDatabase, ReadableTable, TableError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Says whether a fact stays. It gets the facts from the last to the first, also those that stayed
/// before.
pub type Keep<'a, B> = dyn FnMut(&Fact<B>) -> bool + 'a;

/// What was thinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Segments written again.
    pub segments: u64,
    /// Facts removed.
    pub facts: u64,
    /// Bytes of their files before.
    pub before: u64,
    /// Bytes of their files now.
    pub after: u64,
}

/// Counts the readers that may open a segment which they have found. Meanwhile no file is removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks(Arc<AtomicUsize>);

/// A reader of [`Looks`].
pub(super) struct Look(Arc<AtomicUsize>);

impl Looks {
    /// Begins to look. Call it before the segments are listed.
    pub(super) fn begin(&self) -> Look {
        self.0.fetch_add(1, SeqCst);
        Look(Arc::clone(&self.0))
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Store {
    /// The first row from which on no fact was removed, from 1.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn whole_from(&self) -> Result<u64, StoreError> {
        let read = || -> Result<u64, redb::Error> {
            let read = self.db.begin_read()?;
            let last = match read.open_table(THINNED) {
                Err(TableError::TableDoesNotExist(_)) => None,
                table => table?.last()?.map(|(last, _)| last.value()),
            };
            Ok(last.map_or(1, |last| last + 1))
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Number of the facts that were removed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn removed(&self) -> Result<u64, StoreError> {
        let all = self.segments_from(0)?;
        Ok(all.iter().filter_map(|segment| segment.thinned).map(|(facts, _)| facts).sum())
    }

    /// The segments from row `from` on, oldest first.
    pub(super) fn segments_from(&self, from: u64) -> Result<Vec<Segment>, StoreError> {
        let read = || -> Result<Vec<Segment>, redb::Error> {
            segments::from(&self.db.begin_read()?, from)
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Bytes of the whole segments that end before row `before`: their number and their size.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn whole_before(&self, before: u64) -> Result<(u64, u64), StoreError> {
        let all = self.segments_from(0)?;
        let whole = all.iter().filter(|s| s.last < before && s.thinned.is_none());
        Ok(whole.fold((0, 0), |(count, bytes), s| (count + 1, bytes + s.size)))
    }

    /// Thins every segment that ends before row `before`, the newest first, in a store that no
    /// journal writes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn thin<B: Body>(
        &self,
        before: u64,
        keep: &mut Keep<'_, B>,
    ) -> Result<Thinned, StoreError> {
        self.thin_with(before, keep, &mut |thinned| {
            let name = || -> Result<(), redb::Error> {
                let mut write = self.db.begin_write()?;
                let odd = |e| redb::Error::Io(io::Error::other(e));
                write.set_durability(Durability::Immediate).map_err(odd)?;
                segments::announce(&write, thinned)?;
                // Older programs would take the old file for missing.
                write.open_table(META)?.insert("schema", WRITES.to_le_bytes().as_slice())?;
                write.commit()?;
                Ok(())
            };
            name().map_err(|e| StoreError::of(&self.path, e)).map(|()| true)
        })
    }

    /// As [`Store::thin`]. `name` makes the live file name a thinned segment; it returns false if
    /// the store ends.
    pub(crate) fn thin_with<B: Body>(
        &self,
        before: u64,
        keep: &mut Keep<'_, B>,
        name: &mut dyn FnMut(&Segment) -> Result<bool, StoreError>,
    ) -> Result<Thinned, StoreError> {
        let mut done = Thinned::default();
        let mut all = self.segments_from(0)?;
        all.retain(|segment| segment.last < before);
        for segment in all.iter().rev() {
            let Some(thinned) = thin_segment(&self.shelf, segment, keep, &self.shelf)? else {
                self.remove_whole(segment)?;
                continue;
            };
            if !name(&thinned)? {
                break;
            }
            done.segments += 1;
            done.facts += thinned.thinned.map_or(0, |(facts, _)| facts);
            done.before += segment.size;
            done.after += thinned.size;
            self.remove_whole(segment)?;
        }
        Ok(done)
    }

    /// Removes the old file of a thinned segment, unless somebody reads. Then the next start or the
    /// next call removes it.
    fn remove_whole(&self, segment: &Segment) -> Result<(), StoreError> {
        if self.looks.0.load(SeqCst) > 0 {
            return Ok(());
        }
        let old = Segment { thinned: None, ..*segment }.name();
        match self.shelf.remove(&old) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io(&self.shelf.path(&old), &e))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Writes a whole segment again, on the shelf `target`. None for a thinned one: its facts are only
/// shown to `keep`.
pub(super) fn thin_segment<B: Body>(
    shelf: &Shelf,
    segment: &Segment,
    keep: &mut Keep<'_, B>,
    target: &Shelf,
) -> Result<Option<Segment>, StoreError> {
    let path = shelf.path(&segment.name());
    let torn = |reason| StoreError::Torn { path: path.clone(), reason };
    let io = |e: io::Error| {
        let missing = e.kind() == io::ErrorKind::NotFound;
        if missing { torn("it is missing".to_owned()) } else { StoreError::io(&path, &e) }
    };
    let blocks: Vec<(u64, Vec<u8>)> =
        shelf.open(segment).map_err(io)?.collect::<Result<_, _>>().map_err(io)?;
    let mut facts = Vec::new();
    for (_, block) in &blocks {
        facts.extend(split_block(block).map_err(torn)?);
    }
    let (mut removed, mut crc, mut kept) = (0, Crc::new(), Vec::new());
    for (row, bytes) in facts.into_iter().rev() {
        let fact = decode_fact::<B>(bytes).map_err(|why| torn(format!("row {row}: {why}")))?;
        if keep(&fact) {
            kept.push((row, bytes));
        } else {
            removed += 1;
            crc.update(bytes);
        }
    }
    if segment.thinned.is_some() {
        return Ok(None);
    }
    kept.reverse();
    let thinned = Segment { thinned: Some((removed, crc.sum())), ..*segment };
    pack(target, thinned, &kept).map(Some).map_err(io)
}

/// Writes these facts as the file of a segment. Neighbours share a block.
fn pack(shelf: &Shelf, segment: Segment, facts: &[(u64, &[u8])]) -> io::Result<Segment> {
    let mut packing = Packing::begin(shelf, "next.thin")?;
    let (mut block, mut last) = (Vec::new(), 0);
    for (row, bytes) in facts {
        let joins = *row == last + 1 && block.len() + bytes.len() <= BLOCK_MAX;
        if !block.is_empty() && !joins {
            packing.put(last, &block)?;
            block.clear();
        }
        if block.is_empty() {
            block.extend_from_slice(&row.to_le_bytes());
        }
        let len = u32::try_from(bytes.len()).expect("a fact is below 4 GB");
        block.extend_from_slice(&len.to_le_bytes());
        block.extend_from_slice(bytes);
        last = *row;
    }
    if !block.is_empty() {
        packing.put(last, &block)?;
    }
    packing.finish(segment)
}
