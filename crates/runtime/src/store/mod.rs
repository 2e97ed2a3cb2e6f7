//! The storage of facts. Only this folder uses the storage engine.
//!
//! `file.rs` opens and creates the live file. `rows.rs` encodes its facts. `checkpoints.rs` keeps
//! two saved states of each stage in it. `thread.rs` is the one thread that writes it. `reader.rs`
//! reads it block by block. `segments.rs` seals its older part, and `thin.rs` removes facts from
//! there. `loop_states.rs` keeps states from which facts can be derived again. `archive.rs` is a
//! second file of ordered byte tables for projections. `read_before_write.rs` opens either file
//! without changing it until its checks have passed. `copy.rs` copies either file while it is
//! written.

pub mod archive;
mod checkpoints;
pub mod copy;
pub mod file;
mod loop_states;
mod read_before_write;
mod reader;
mod rows;
mod segments;
mod thin;
mod thread;

pub(crate) use checkpoints::Slots;
pub(crate) use file::Recovered;
pub use file::{CheckedStore, Left, Scan, Store, StoreError};
pub use loop_states::{LoopPlace, StoredLoop};
pub use read_before_write::{at_damage, quiet_damage};
pub(crate) use reader::Reader;
pub use redb::StorageBackend;
pub use rows::CheckpointRow;
pub(crate) use segments::Segment;
pub use segments::{LOOP_STATE, Sealing};
pub use thin::{Keep, Thinned};
pub(crate) use thread::{Batch, Committed, Op, Source, run};

#[cfg(test)]
mod tests;
