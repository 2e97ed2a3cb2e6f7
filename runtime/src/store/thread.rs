//! The one thread that writes the live file.
//!
//! It commits behind the journal, in order: what one commit gathers is one batch. Unsynced commits
//! bound memory and keep the synced one short; they die with the process. Any error or panic ends
//! the process: a flush is never retried, a file never reopened inside a process.

use super::file::{Store, StoreError};
use super::rows::{self, BLOCK_MAX, BLOCKS, CHECKPOINTS, CheckpointRow, META, PASSED, POISON};
use crate::chaos::{Chaos, Site};
use crate::fact::Body;
use crate::journal::Chunk;
use redb::Durability;
use std::sync::Arc;

/// Name of the thread at kill points.
pub(crate) const NAME: &str = "store-thread";

/// One thing to write, in the order of the journal.
pub(crate) enum Op<B> {
    Facts(Arc<Chunk<B>>),
    Checkpoint(u16, Arc<CheckpointRow>),
}

/// What one commit writes.
pub(crate) struct Batch<B> {
    pub ops: Vec<Op<B>>,
    /// (rank, last input passed, version, last input an older version passed), as of the last op.
    pub passed: Vec<(u16, u64, u16, u64)>,
    /// (rank, what is known of its failures) where that changed; no bytes: nothing any more.
    pub poison: Vec<(u16, Option<Vec<u8>>)>,
    /// Flush it.
    pub sync: bool,
    /// Nothing follows.
    pub last: bool,
}

/// Where batches come from and what has been done is told to.
pub(crate) trait Source<B>: Send + Sync {
    /// Waits for the next batch.
    fn next(&self) -> Batch<B>;
    /// `row` is the last row written, if any was.
    fn committed(&self, row: Option<u64>, synced: bool);
    /// The store has ended.
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
pub(crate) fn run<B: Body>(store: &Store, source: &dyn Source<B>, life: u64, chaos: &Chaos) {
    let _guard = Panicked(source, store);
    let mut writer = Writer { store, chaos, life: Some(life), buffer: Vec::with_capacity(1 << 17) };
    loop {
        let batch = source.next();
        chaos.point(Site::BeforeCommit, NAME);
        match writer.commit(&batch) {
            Ok(row) => {
                chaos.point(Site::AfterCommit, NAME);
                chaos.point(Site::BeforePublish, NAME);
                source.committed(row, batch.sync);
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
    /// The number of this life, until it is written with the first batch.
    life: Option<u64>,
    buffer: Vec<u8>,
}

impl Writer<'_> {
    fn commit<B: Body>(&mut self, batch: &Batch<B>) -> Result<Option<u64>, redb::Error> {
        let mut write = self.store.db.begin_write()?;
        let durability = if batch.sync { Durability::Immediate } else { Durability::None };
        write.set_durability(durability).map_err(|e| redb::Error::Io(std::io::Error::other(e)))?;
        let row = self.write_facts(&write, &batch.ops)?;
        {
            let mut passed = write.open_table(PASSED)?;
            for (rank, n, version, since) in &batch.passed {
                passed.insert(rank, (*n, *version, *since))?;
            }
            let mut checkpoints = write.open_table(CHECKPOINTS)?;
            for op in &batch.ops {
                if let Op::Checkpoint(rank, c) = op {
                    checkpoints.insert(rank, (c.n, c.row, c.version, c.state.as_slice()))?;
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
                write.open_table(META)?.insert("life", life.to_le_bytes().as_slice())?;
            }
        }
        self.chaos.point(Site::BeforeSync, NAME);
        write.commit()?;
        self.life = None;
        Ok(row)
    }

    fn write_facts<B: Body>(
        &mut self,
        write: &redb::WriteTransaction,
        ops: &[Op<B>],
    ) -> Result<Option<u64>, redb::Error> {
        let mut blocks = write.open_table(BLOCKS)?;
        let buffer = &mut self.buffer;
        buffer.clear();
        let mut last = None;
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
                    buffer.drain(..at);
                    buffer.splice(0..0, row.to_le_bytes());
                }
                last = Some(row);
            }
        }
        if let Some(row) = last {
            blocks.insert(row, buffer.as_slice())?;
        }
        Ok(last)
    }
}
