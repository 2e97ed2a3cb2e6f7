//! Saved states in the live file: the last one of each rank and the one before it.
//!
//! They are in two tables. Each new state replaces the older of the two. So a state is written
//! once, and the one before stays unchanged. The state with the higher input is the newer one.

use super::file::{Store, StoreError};
use super::rows::CheckpointRow;
use redb::{
    ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

type Table = TableDefinition<'static, u16, (u64, u64, u16, &'static [u8])>;

/// Rank → (input at which it was saved, row of that input, version, state). Older releases kept one
/// state for each rank, in the first table only.
pub(super) const CHECKPOINTS: [Table; 2] =
    [TableDefinition::new("checkpoints_v1"), TableDefinition::new("checkpoints_other_v1")];

/// The table of a saved state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot(bool);

impl Slot {
    fn table(self) -> Table {
        CHECKPOINTS[usize::from(self.0)]
    }
}

/// The table with the last good state of each rank. The next state goes to the other table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    good: BTreeMap<u16, Slot>,
    /// Ranks without a good saved state.
    bad: BTreeSet<u16>,
}

impl Slots {
    /// Notes the table with the last good state of this rank.
    pub(crate) fn good(&mut self, rank: u16, slot: Slot) {
        self.good.insert(rank, slot);
    }

    /// Notes that this rank has no good saved state. The next one replaces both.
    pub(crate) fn bad(&mut self, rank: u16) {
        self.bad.insert(rank);
    }

    /// Writes a state of this rank to the other table.
    pub(super) fn put(
        &mut self,
        write: &WriteTransaction,
        rank: u16,
        state: &CheckpointRow,
    ) -> Result<(), redb::Error> {
        let slot = self.good.get(&rank).map_or_else(Slot::default, |last| Slot(!last.0));
        put(write, slot, rank, state)?;
        if self.bad.remove(&rank) {
            write.open_table(Slot(!slot.0).table())?.remove(rank)?;
        }
        self.good(rank, slot);
        Ok(())
    }
}

fn put(
    write: &WriteTransaction,
    slot: Slot,
    rank: u16,
    row: &CheckpointRow,
) -> Result<(), redb::Error> {
    let mut table = write.open_table(slot.table())?;
    table.insert(rank, (row.n, row.row, row.version, row.state.as_slice()))?;
    Ok(())
}

/// All saved states by rank, the newest of a rank first.
pub(super) fn all(read: &ReadTransaction) -> Result<Vec<(u16, Slot, CheckpointRow)>, redb::Error> {
    let mut found = Vec::new();
    for slot in [Slot(false), Slot(true)] {
        let table = match read.open_table(slot.table()) {
            Err(TableError::TableDoesNotExist(_)) if slot.0 => continue,
            table => table?,
        };
        for kv in table.iter()? {
            let (rank, value) = kv?;
            found.push((rank.value(), slot, CheckpointRow::from(value.value())));
        }
    }
    found.sort_by_key(|(rank, _, row)| (*rank, Reverse(row.n)));
    Ok(found)
}

/// The row of the oldest saved state of each of these ranks; 0 for a rank without one.
pub(super) fn oldest_rows(read: &ReadTransaction, ranks: &[u16]) -> Result<Vec<u64>, redb::Error> {
    let mut oldest: BTreeMap<u16, u64> = BTreeMap::new();
    for (rank, _, saved) in all(read)? {
        let row = oldest.entry(rank).or_insert(saved.row);
        *row = saved.row.min(*row);
    }
    Ok(ranks.iter().map(|rank| oldest.get(rank).copied().unwrap_or_default()).collect())
}

impl Store {
    /// The saved states by rank, the newest of a rank first. Each rank has at most two.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn checkpoints(&self) -> Result<Vec<(u16, CheckpointRow)>, StoreError> {
        let read = || -> Result<Vec<(u16, CheckpointRow)>, redb::Error> {
            let found = all(&self.db.begin_read()?)?;
            Ok(found.into_iter().map(|(rank, _, row)| (rank, row)).collect())
        };
        read().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Removes the saved states of the stage of that rank. At its next start, the stage derives its
    /// state from the first fact on. Returns the input of the newest state; none if there was none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn forget_checkpoint(&self, rank: u16) -> Result<Option<u64>, StoreError> {
        let forget = || -> Result<Option<u64>, redb::Error> {
            let write = self.db.begin_write()?;
            let mut stood = None;
            for table in CHECKPOINTS {
                let mut table = write.open_table(table)?;
                let of = table.remove(rank)?.map(|saved| saved.value().0);
                stood = stood.max(of);
            }
            write.commit()?;
            Ok(stood)
        };
        forget().map_err(|e| StoreError::of(&self.path, e))
    }

    /// Changes the saved states of the stage of that rank, the newest first. Only for tests of
    /// damaged states.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn alter_checkpoints(
        &self,
        rank: u16,
        mut change: impl FnMut(usize, &mut CheckpointRow),
    ) -> Result<(), StoreError> {
        let alter = || -> Result<(), redb::Error> {
            let found = all(&self.db.begin_read()?)?;
            let write = self.db.begin_write()?;
            let of = found.into_iter().filter(|(of, ..)| *of == rank);
            for (age, (_, slot, mut row)) in of.enumerate() {
                change(age, &mut row);
                put(&write, slot, rank, &row)?;
            }
            write.commit()?;
            Ok(())
        };
        let mut alter = alter;
        alter().map_err(|e| StoreError::of(&self.path, e))
    }
}
