//! Reads the journal block by block, with pauses in between. It keeps one block in memory, and the
//! packed segment of that block.

use super::file::{Store, StoreError};
use super::rows::{BLOCKS, decode_block};
use super::segments::{self, Blocks, Segment};
use everwarm_kernel::fact::{Body, Fact};
use redb::ReadableDatabase;
use std::io;
use std::ops::ControlFlow;

/// A block with its last row, and its segment if it is sealed.
type Block = (u64, Vec<u8>, Option<Segment>);

/// A reading position in the journal of a store.
#[derive(Default)]
pub(crate) struct Reader {
    /// The first row that is not read yet.
    next: u64,
    open: Option<(Segment, Blocks)>,
}

impl Reader {
    /// A reader that begins at this row.
    pub(crate) fn at(next: u64) -> Reader {
        Reader { next, open: None }
    }

    /// Passes the facts of the next block to `see`, with their rows. False if there is no block
    /// yet.
    pub(crate) fn block<B: Body>(
        &mut self,
        store: &Store,
        see: &mut dyn FnMut(u64, Fact<B>),
    ) -> Result<bool, StoreError> {
        let Some((last, block, place)) = self.next(store)? else { return Ok(false) };
        let mut see = |row, fact| {
            see(row, fact);
            ControlFlow::Continue(())
        };
        let walk = decode_block(&block, self.next, &mut see);
        let torn = |why| {
            let path = place.map_or_else(|| store.path.clone(), |s| store.shelf.path(&s.name()));
            StoreError::Torn { path, reason: format!("block {last}: {why}") }
        };
        let flow = walk.map_err(torn)?;
        debug_assert!(flow.is_continue(), "nobody stops it");
        self.next = last + 1;
        Ok(true)
    }

    /// The next block, with its last row and its segment if it is sealed.
    fn next(&mut self, store: &Store) -> Result<Option<Block>, StoreError> {
        loop {
            if let Some((segment, blocks)) = &mut self.open {
                let path = store.shelf.path(&segment.name());
                match blocks.next().transpose().map_err(|e| StoreError::io(&path, &e))? {
                    Some((last, _)) if last < self.next => continue,
                    Some((last, block)) => return Ok(Some((last, block, Some(*segment)))),
                    None => {
                        // Its last facts may have been removed.
                        self.next = self.next.max(segment.last + 1);
                        self.open = None;
                    }
                }
            }
            let _look = store.looks.begin();
            let of = |e: redb::Error| StoreError::of(&store.path, e);
            let read = store.db.begin_read().map_err(|e| of(e.into()))?;
            if let Some(segment) = segments::from(&read, self.next).map_err(of)?.first() {
                let path = store.shelf.path(&segment.name());
                let torn = |e: io::Error| {
                    let (path, reason) = (path.clone(), "it is missing".to_owned());
                    let missing = e.kind() == io::ErrorKind::NotFound;
                    if missing {
                        StoreError::Torn { path, reason }
                    } else {
                        StoreError::io(&path, &e)
                    }
                };
                self.open = Some((*segment, store.shelf.open(segment).map_err(torn)?));
                continue;
            }
            let blocks = read.open_table(BLOCKS).map_err(|e| of(e.into()))?;
            let mut rest = blocks.range(self.next..).map_err(|e| of(e.into()))?;
            let block = rest.next().transpose().map_err(|e| of(e.into()))?;
            return Ok(block.map(|(last, block)| (last.value(), block.value().to_vec(), None)));
        }
    }
}
