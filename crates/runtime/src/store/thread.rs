//! The one thread that writes the live file.
//!
//! It commits facts after the journal has published them, in order. Each commit writes one batch.
//! Unsynced commits bound memory and keep the synced ones short; they may be lost with the process.
//! Any error or panic ends the process. The thread never retries a flush and never reopens a file.

use super::checkpoints::Slots;
use super::file::{Store, StoreError, WRITES};
use super::rows::{self, BLOCK_MAX, BLOCKS, CheckpointRow, META, PASSED, POISON, ROSTER};
use super::segments::{self, Segment};
use crate::chaos::{Chaos, Site};
use crate::clock;
use crate::journal::Chunk;
use everwarm_kernel::fact::Body;
use everwarm_kernel::roster::Member;
use redb::Durability;
use std::sync::Arc;
use std::time::Duration;

/// Name of the thread at kill points.
pub(crate) const NAME: &str = "store-thread";

/// One item to write, in the order of the journal.
pub(crate) enum Op<B> {
    Facts(Arc<Chunk<B>>),
    Checkpoint(u16, Arc<CheckpointRow>),
    /// A segment whose file is on disk. The live file names it and removes its rows. A thinned one
    /// replaces the whole one.
    Seal(Segment),
}

/// Result of one commit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Committed {
    /// The last row written, if any was.
    pub row: Option<u64>,
    /// Bytes of blocks written.
    pub bytes: u64,
    /// Bytes of blocks sealed so far, if that changed.
    pub sealed: Option<u64>,
    /// Last row of the segment that was thinned last, if one was.
    pub thinned: Option<u64>,
    /// Whether it wrote a saved state.
    pub saved: bool,
    /// Duration of the commit.
    pub took: Duration,
}

/// Content of one commit.
pub(crate) struct Batch<B> {
    pub ops: Vec<Op<B>>,
    /// (rank, last input passed, version, last input an older version passed), as of the last op.
    pub passed: Vec<(u16, u64, u16, u64)>,
    /// Stages whose roster entry changed.
    pub roster: Vec<Member>,
    /// Last input, as of the last op.
    pub head: u64,
    /// Bytes of blocks written before this batch.
    pub bytes: u64,
    /// (rank, its failures) if that changed. None removes the row.
    pub poison: Vec<(u16, Option<Vec<u8>>)>,
    /// Whether the commit is flushed.
    pub sync: bool,
    /// Whether this is the last batch.
    pub last: bool,
}

/// Supplies batches and receives the results.
pub(crate) trait Source<B>: Send + Sync {
    /// Waits for the next batch; none if the thread must end.
    fn next(&self) -> Option<Batch<B>>;
    /// Notes that a batch is committed.
    fn committed(&self, done: Committed, synced: bool);
    /// Notes that the store has failed.
    fn failed(&self, why: StoreError);
}

struct Panicked<'a, B>(&'a dyn Source<B>, &'a Store);

impl<B> Drop for Panicked<'_, B> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the store thread panicked".to_owned();
            self.0.failed(StoreError::Io { path: self.1.path.clone(), reason });
        }
    }
}

/// Runs until the last batch or the first failure.
pub(crate) fn run<B: Body>(
    store: &Store,
    source: &dyn Source<B>,
    (life, slots): (u64, Slots),
    chaos: &Chaos,
) {
    let _guard = Panicked(source, store);
    let buffer = Vec::with_capacity(1 << 17);
    let mut writer = Writer { store, chaos, life: Some(life), slots, buffer };
    while let Some(batch) = source.next() {
        chaos.point(Site::BeforeCommit, NAME);
        let began = clock::now();
        match writer.commit(&batch) {
            Ok(mut done) => {
                done.took = began.elapsed();
                chaos.point(Site::AfterCommit, NAME);
                chaos.point(Site::BeforePublish, NAME);
                source.committed(done, batch.sync);
            }
            Err(e) => return source.failed(StoreError::of(&store.path, e)),
        }
        if batch.last {
            return;
        }
    }
}

struct Writer<'a> {
    store: &'a Store,
    chaos: &'a Chaos,
    /// The number of this run, until the first batch has written it.
    life: Option<u64>,
    slots: Slots,
    buffer: Vec<u8>,
}

impl Writer<'_> {
    fn commit<B: Body>(&mut self, batch: &Batch<B>) -> Result<Committed, redb::Error> {
        let mut write = self.store.db.begin_write()?;
        let durability = if batch.sync { Durability::Immediate } else { Durability::None };
        write.set_durability(durability).map_err(|e| redb::Error::Io(std::io::Error::other(e)))?;
        let mut done = self.write_facts(&write, &batch.ops)?;
        for op in &batch.ops {
            if let Op::Seal(segment) = op {
                segments::announce(&write, segment)?;
                match segment.thinned {
                    None => done.sealed = Some(segment.end),
                    Some(_) => done.thinned = Some(segment.last),
                }
            }
        }
        {
            let mut passed = write.open_table(PASSED)?;
            for (rank, n, version, since) in &batch.passed {
                passed.insert(rank, (*n, *version, *since))?;
            }
            passed.insert(0, (batch.head, 0, batch.bytes + done.bytes))?;
            for op in &batch.ops {
                if let Op::Checkpoint(rank, state) = op {
                    self.slots.put(&write, *rank, state)?;
                    done.saved = true;
                }
            }
            if !batch.roster.is_empty() {
                let mut roster = write.open_table(ROSTER)?;
                for member in &batch.roster {
                    roster.insert(member.who.rank.0, rows::encode_member(member).as_slice())?;
                }
            }
            if !batch.poison.is_empty() {
                let mut poison = write.open_table(POISON)?;
                for (rank, row) in &batch.poison {
                    match row {
                        Some(row) => poison.insert(rank, row.as_slice())?,
                        None => poison.remove(rank)?,
                    };
                }
            }
            if let Some(life) = self.life {
                let mut meta = write.open_table(META)?;
                meta.insert("life", life.to_le_bytes().as_slice())?;
                // Older programs may be unable to read the facts of this run.
                meta.insert("schema", WRITES.to_le_bytes().as_slice())?;
            }
        }
        self.chaos.point(Site::BeforeSync, NAME);
        write.commit()?;
        self.life = None;
        Ok(done)
    }

    fn write_facts<B: Body>(
        &mut self,
        write: &redb::WriteTransaction,
        ops: &[Op<B>],
    ) -> Result<Committed, redb::Error> {
        let mut done = Committed::default();
        let mut blocks = write.open_table(BLOCKS)?;
        let buffer = &mut self.buffer;
        buffer.clear();
        for op in ops {
            let Op::Facts(chunk) = op else { continue };
            for (i, fact) in chunk.facts.iter().enumerate() {
                let row = chunk.first_row + i as u64;
                if buffer.is_empty() {
                    buffer.extend_from_slice(&row.to_le_bytes());
                }
                let at = buffer.len();
                buffer.extend_from_slice(&[0; 4]);
                rows::encode_fact(fact, buffer);
                let len = u32::try_from(buffer.len() - at - 4).expect("a fact is below 4 GB");
                buffer[at..at + 4].copy_from_slice(&len.to_le_bytes());
                if buffer.len() > BLOCK_MAX && at > 8 {
                    blocks.insert(row - 1, &buffer[..at])?;
                    done.bytes += at as u64;
                    buffer.drain(..at);
                    buffer.splice(0..0, row.to_le_bytes());
                }
                done.row = Some(row);
            }
        }
        if let Some(row) = done.row {
            blocks.insert(row, buffer.as_slice())?;
            done.bytes += buffer.len() as u64;
        }
        Ok(done)
    }
}
