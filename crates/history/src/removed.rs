//! Up to which row the retention removed bars from facts, by width.
//!
//! 1. The rows leave with the commit that stores this, oldest first. So a first row that got lost
//!    does not look like a removed one.
//! 2. For facts from before this was stored, all rows before the first one count as removed: those
//!    of older programs, and those before a wipe or an export.

use super::projection::BARS;
use super::stored::{time_in, width_in};
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use std::collections::BTreeMap;

/// Key: width; value: key of the last removed row of bars from facts. And one row with the row of
/// the journal after which each removal is in the table.
pub(super) const REMOVED: &str = "removed.1";
const BEGUN: &[u8] = b"begun";

/// The operation for the commit in which this row of bars from facts leaves, and all before it.
pub(super) fn note(last: &[u8]) -> Option<Op> {
    let width = last.first()?;
    Some(Op::Put { table: REMOVED, key: vec![*width], value: last.to_vec() })
}

/// The operation after which the table has each removal. It belongs into the first commit of a
/// projection that followed the journal up to row `through`. None: it was committed before.
///
/// # Errors
/// The file could not be read.
pub(super) fn begin(archive: &Archive, through: u64) -> Result<Option<Op>, ArchiveError> {
    let value = through.to_be_bytes().to_vec();
    let op = Op::Put { table: REMOVED, key: BEGUN.to_vec(), value };
    Ok(archive.get(REMOVED, BEGUN)?.is_none().then_some(op))
}

/// What the retention removed.
#[derive(Debug)]
pub(super) struct Removed {
    /// Row of the journal after which the table has each removal.
    begun: u64,
    /// Key of the last removed row, by the number of its width.
    through: BTreeMap<u8, Vec<u8>>,
    /// Key of the first row, by the number of its width.
    first: BTreeMap<u8, Vec<u8>>,
}

impl Removed {
    /// Reads it.
    ///
    /// # Errors
    /// The file could not be read.
    pub fn read(archive: &Archive) -> Result<Removed, ArchiveError> {
        let begun = archive.get(REMOVED, BEGUN)?;
        let begun = begun.and_then(|row| row.try_into().ok()).map_or(u64::MAX, u64::from_be_bytes);
        let (mut through, mut first) = (BTreeMap::new(), BTreeMap::new());
        for width in Timeframe::ALL.map(super::key_encoding::timeframe_key) {
            through.extend(archive.get(REMOVED, &[width])?.map(|key| (width, key)));
            let row = archive.range(BARS, &[width]..=&[width + 1], false, 1)?.pop();
            first.extend(row.map(|(key, _)| (width, key)));
        }
        Ok(Removed { begun, through, first })
    }

    /// Whether it removed the row of bars that a fact in this row of the journal made.
    pub fn has(&self, row: u64, key: &[u8]) -> bool {
        let Some(width) = key.first() else { return false };
        let noted = self.through.get(width).is_some_and(|last| key <= &last[..]);
        noted || row <= self.begun && self.first.get(width).is_none_or(|first| key < &first[..])
    }

    /// Opening times of the last removed bars, by width.
    pub fn times(&self) -> BTreeMap<Timeframe, UtcMs> {
        let time = |key: &Vec<u8>| Some((width_in(key)?, time_in(key, 1)?));
        let noted = self.through.values().filter_map(time);
        let before = self.first.values().filter(|_| self.begun > 0).filter_map(time);
        // The noted ones come last and replace others.
        before.map(|(width, time)| (width, time.saturating_sub(width.ms()))).chain(noted).collect()
    }
}
