//! The views of the whole journal, stored in the history. So a start need not read the journal from
//! its beginning, and old parts of the journal can be sealed.

use super::coverage::Coverage;
use super::health::HealthFold;
use super::regimes::AltWeights;
use super::signals::SignalFold;
use super::status_fold::StatusFold;
use super::telemetry::Counts;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::fact::{Analysis, Body, Market};
use everwarm_kernel::fact::{Body as _, Fact, Key};
use everwarm_runtime::store::Left;
use everwarm_runtime::store::archive::{Archive, ArchiveError, Op};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TABLE: &str = "told.1";
const KEY: &[u8] = b"memory";
/// Maximum bytes of facts that wait for earlier ones. If the ledger stops for hours, more would
/// wait: then the lowest keys are taken without waiting.
const WAITING: usize = 64 << 20;

/// State and counters, from facts in the order of their keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Folds {
    /// The state of the daemon.
    pub status: StatusFold,
    /// Open items, and since when, for `doctor`.
    pub health: HealthFold,
    /// Counters for metrics.
    pub counts: Counts,
    /// The weights of the composite `ALT`.
    #[serde(default)]
    pub alt: AltWeights,
}

impl Folds {
    fn fold(&mut self, fact: &Fact<Body>) {
        self.status.fold(fact);
        self.health.fold(fact, &self.status);
        self.counts.fold(fact);
        self.alt.fold(fact);
    }
}

/// The views up to a row of the journal.
///
/// While stages catch up, facts of later stages about an input follow later inputs. The views use
/// the order of keys, not of rows: a fact waits until all facts before it are known. Until then,
/// [`Memory::now`] adds the waiting facts in the order of their keys.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Memory {
    /// The last row taken in; 0: none.
    pub through: u64,
    /// The row from which a reader continues. Up to `through` it reads facts again, because some
    /// were waiting.
    from: u64,
    /// `settled` contains every fact up to this key.
    bound: Key,
    settled: Folds,
    /// Signals and their outcomes.
    pub signals: SignalFold,
    /// Bars of each series.
    pub coverage: Coverage,
    /// Facts after `bound`, with their rows.
    #[serde(skip)]
    waiting: BTreeMap<Key, (u64, Fact<Body>)>,
    /// Bytes of the waiting facts.
    #[serde(skip)]
    weight: usize,
    /// `settled` plus the waiting facts, once computed; none after a fact that belongs before them.
    #[serde(skip)]
    now: Option<Folds>,
    /// Up to this row, facts are read again: those up to `bound` are in `settled` already.
    #[serde(skip)]
    again: u64,
}

/// The stored part of a memory.
#[derive(Serialize)]
struct SavedMemory<'a> {
    through: u64,
    from: u64,
    bound: Key,
    settled: &'a Folds,
    signals: &'a SignalFold,
    coverage: &'a Coverage,
}

/// The key up to which all facts are known, once this fact is. The ledger is the last stage of an
/// input. Breaker and decision process an input after the ledger has processed the one before.
fn known(key: Key) -> Option<Key> {
    if key.rank == rank::LEDGER.0 {
        return Some(key);
    }
    let follows = key.rank == rank::BREAKER.0 || key.rank == rank::DECISION.0;
    let before = Key { n: key.n.saturating_sub(1), rank: u16::MAX, i: u16::MAX };
    follows.then_some(before)
}

/// Whether the views ignore a fact; these facts are the largest.
fn is_silent(body: &Body) -> bool {
    matches!(
        body,
        Body::Analysis(
            Analysis::Rolled { .. }
                | Analysis::FeaturePlan { .. }
                | Analysis::FeatureValues { .. }
                | Analysis::Kept { .. }
        ) | Body::Market(Market::HistoryLoaded { .. })
    )
}

impl Memory {
    /// Takes in the fact of a row; rows rise.
    pub fn fold(&mut self, row: u64, fact: &Fact<Body>) {
        self.through = self.through.max(row);
        self.signals.fold(fact);
        if row > self.again {
            self.coverage.fold(fact);
        }
        if is_silent(&fact.body) {
            return;
        }
        if fact.key > self.bound {
            let last = self.waiting.last_key_value().is_none_or(|(last, _)| *last < fact.key);
            match self.now.as_mut().filter(|_| last) {
                Some(now) => now.fold(fact),
                None => self.now = None,
            }
            self.weight += fact.body.weight();
            self.waiting.insert(fact.key, (row, fact.clone()));
            if let Some(bound) = known(fact.key) {
                self.settle(bound);
            }
        } else if row > self.again {
            // It is late: the facts after it could not wait any longer.
            self.settled.fold(fact);
            self.now = None;
        }
        while self.weight > WAITING
            && let Some(key) = self.waiting.keys().next().copied()
        {
            self.settle(key);
        }
    }

    /// Moves all waiting facts up to `bound` into `settled`.
    fn settle(&mut self, bound: Key) {
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() <= bound) {
            let (_, fact) = first.remove();
            self.weight = self.weight.saturating_sub(fact.body.weight());
            self.settled.fold(&fact);
        }
        self.bound = self.bound.max(bound);
        if self.waiting.is_empty() {
            self.now = None;
        }
    }

    /// The views by every fact taken in.
    #[must_use]
    pub fn now(&mut self) -> &Folds {
        if self.waiting.is_empty() {
            return &self.settled;
        }
        self.now.get_or_insert_with(|| {
            let mut folds = self.settled.clone();
            for (_, fact) in self.waiting.values() {
                folds.fold(fact);
            }
            folds
        })
    }

    /// Takes in a readable fact, or the loss of rows that cannot be read.
    pub fn take(&mut self, left: &Left<'_, Fact<Body>>) {
        match left {
            Left::Row(row, fact) => self.fold(*row, fact),
            Left::Lost(rows, _) => {
                self.through = self.through.max(*rows.end());
                self.settled.status.lost(rows.clone());
                self.now = None;
            }
        }
    }

    /// The row from which a reader continues after [`Memory::load`].
    #[must_use]
    pub fn next_row(&self) -> u64 {
        self.from.max(1)
    }

    /// The stored memory. It is empty if none is stored, if the journal does not reach so far, or
    /// if another version of this program stored it. Then the journal is read from its beginning.
    ///
    /// # Errors
    /// The history cannot be read.
    pub fn load(archive: &Archive, last_row: u64) -> Result<Memory, ArchiveError> {
        let kept = archive.get(TABLE, KEY)?;
        let kept = kept.and_then(|bytes| rmp_serde::from_slice::<Memory>(&bytes).ok());
        let mut kept = kept.filter(|memory| memory.through <= last_row).unwrap_or_default();
        kept.again = kept.through;
        Ok(kept)
    }

    /// The bytes for [`Memory::keep`], and the row from which a reader continues. Waiting facts are
    /// not included.
    #[must_use]
    pub fn bytes(&self) -> (u64, Vec<u8>) {
        let Memory { through, bound, settled, signals, coverage, .. } = self;
        let waiting = self.waiting.values().map(|(row, _)| *row).min();
        let from = waiting.unwrap_or(through + 1);
        let (through, bound) = (*through, *bound);
        let kept = SavedMemory { through, from, bound, settled, signals, coverage };
        (from, rmp_serde::to_vec_named(&kept).expect("plain values and memory takes them"))
    }

    /// Stores these bytes durably. Their facts must be on disk; a reader does not need them again.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn keep(archive: &Archive, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        archive.commit(&[Op::Put { table: TABLE, key: KEY.to_vec(), value: bytes }], true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::journal;
    use super::*;

    #[test]
    fn what_is_kept_is_what_reading_everything_gives() {
        let folder = std::env::temp_dir().join(format!("everwarm-memory-{}", std::process::id()));
        let archive = Archive::open(&folder.join("history.redb")).unwrap();
        assert_eq!(Memory::load(&archive, 100).unwrap().through, 0);
        let facts = journal().0;
        let mut whole = Memory::default();
        for (row, fact) in (1..).zip(&facts) {
            whole.fold(row, fact);
        }
        for half in [9, facts.len()] {
            let mut memory = Memory::load(&archive, 100).unwrap();
            let next = memory.next_row();
            for (row, fact) in (1..).zip(&facts).take(half).filter(|(row, _)| *row >= next) {
                memory.fold(row, fact);
            }
            Memory::keep(&archive, memory.bytes().1).unwrap();
        }
        let mut kept = Memory::load(&archive, 100).unwrap();
        assert_eq!(kept.through, facts.len() as u64);
        assert_eq!(kept.next_row(), facts.len() as u64 + 1);
        assert_eq!(kept.signals.newest(None), whole.signals.newest(None));
        assert_eq!(kept.coverage, whole.coverage);
        let (kept, whole) = (kept.now(), whole.now());
        assert_eq!(kept.status.view(), whole.status.view());
        assert_eq!(kept.counts, whole.counts);
        assert_eq!(kept.health, whole.health);
        // The journal does not reach the stored row, so the memory is empty.
        assert_eq!(Memory::load(&archive, 10).unwrap().through, 0);
        drop(archive);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
