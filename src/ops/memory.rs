//! What people are told of all that was said, kept in the history: so a start need not read the
//! journal from its beginning, and the journal may be sealed.

use super::fold::{SignalFold, StatusFold};
use super::health::HealthFold;
use super::telemetry::Counts;
use crate::domain::fact::Body;
use everwarm_runtime::fact::Fact;
use everwarm_runtime::store::Left;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use serde::{Deserialize, Serialize};

const TABLE: &str = "told.1";
const KEY: &[u8] = b"memory";

/// Where things stand, what was wished and what is counted, up to a row of the journal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    /// The last row taken in; 0: none.
    pub through: u64,
    /// Where things stand.
    pub status: StatusFold,
    /// What was wished.
    pub signals: SignalFold,
    /// What is open, and since when.
    pub health: HealthFold,
    /// What is counted.
    pub counts: Counts,
}

impl Memory {
    /// Takes in the fact of a row, in the order of the journal.
    pub fn fold(&mut self, row: u64, fact: &Fact<Body>) {
        self.through = row;
        self.status.fold(fact);
        self.signals.fold(fact);
        self.health.fold(fact, &self.status);
        self.counts.fold(fact);
    }

    /// Takes in what is left of the journal, in its order.
    pub fn take(&mut self, left: &Left<'_, Fact<Body>>) {
        match left {
            Left::Row(row, fact) => self.fold(*row, fact),
            Left::Lost(rows, _) => {
                self.through = *rows.end();
                self.status.lost(rows.clone());
            }
        }
    }

    /// What was kept; empty where nothing was, where it is of a journal that does not reach so far,
    /// or of another version of this program: then the journal is read from its beginning.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn load(archive: &Archive, last_row: u64) -> Result<Memory, ArchiveError> {
        let kept = archive.get(TABLE, KEY)?;
        let kept = kept.and_then(|bytes| rmp_serde::from_slice::<Memory>(&bytes).ok());
        Ok(kept.filter(|memory| memory.through <= last_row).unwrap_or_default())
    }

    /// What [`Memory::keep`] writes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("plain values and memory takes them")
    }

    /// Keeps it as these bytes for good: what it was made of, which must be on disk, need not be
    /// read again.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn keep(archive: &Archive, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        archive.commit(&[Op::Put { table: TABLE, key: KEY.to_vec(), value: bytes }], true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::journal;
    use super::*;

    #[test]
    fn what_is_kept_is_what_reading_everything_gives() {
        let folder = std::env::temp_dir().join(format!("everwarm-memory-{}", std::process::id()));
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        assert_eq!(Memory::load(&archive, 100).unwrap().through, 0);
        let facts = journal().0;
        let mut whole = Memory::default();
        for half in [&facts[..9], &facts[9..]] {
            let mut memory = Memory::load(&archive, 100).unwrap();
            for fact in half {
                let row = memory.through + 1;
                memory.fold(row, fact);
                whole.fold(row, fact);
            }
            Memory::keep(&archive, memory.bytes()).unwrap();
        }
        let kept = Memory::load(&archive, 100).unwrap();
        assert_eq!(kept.through, facts.len() as u64);
        assert_eq!(kept.status.view(), whole.status.view());
        assert_eq!(kept.signals.newest(None), whole.signals.newest(None));
        assert_eq!(kept.counts, whole.counts);
        assert_eq!(kept.health, whole.health);
        // Of a journal that does not reach so far it says nothing.
        assert_eq!(Memory::load(&archive, 10).unwrap().through, 0);
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
