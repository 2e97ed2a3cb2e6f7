//! The only folder that names the storage engine.
//!
//! `file.rs` opens and creates the live file, `rows.rs` is how facts lie in it, `thread.rs` is the
//! one thread that writes it, `archive.rs` a second file of ordered byte tables for projections;
//! `careful.rs` opens either without touching it before it is known to be good.

pub mod archive;
mod careful;
pub mod file;
mod rows;
mod thread;

pub use careful::quiet_damage;
pub(crate) use file::Recovered;
pub use file::{CheckedStore, Scan, Store, StoreError};
pub use redb::StorageBackend;
pub(crate) use rows::CheckpointRow;
pub(crate) use thread::{Batch, Op, Source, run};

#[cfg(test)]
mod tests;
