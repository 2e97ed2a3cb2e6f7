//! States of the plain loop at inputs of the journal. Whoever derives facts again can begin there.
//!
//! Each is one file beside the segments. It is written whole, and its checksums cover all of it.
//! The live file does not name it: without it, an audit begins at an earlier one, or at the first
//! fact. A start never needs one, unless both checkpoints of a stage are damaged and facts were
//! removed.

use super::file::{Store, StoreError};
use super::rows::{CheckpointRow, decode_fact, encode_fact};
use super::segments::LOOP_STATE;
use crate::parcel::{Packer, Record, Unpacker};
use everwarm_kernel::fact::Body;
use everwarm_kernel::plain::{LoopState, SavedStage};
use std::io;

const STAGES: &str = "stages";
const FACTS: &str = "facts";

/// A state of the plain loop, and the place of its last input.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredLoop<B> {
    /// The row of its last input. Facts about later inputs have higher rows.
    pub row: u64,
    /// The state.
    pub state: LoopState<B>,
}

/// The place of a stored state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopPlace {
    /// Its last input.
    pub n: u64,
    /// The row of that input.
    pub row: u64,
    /// Event time of that input, UTC milliseconds.
    pub time: i64,
}

impl LoopPlace {
    fn bytes(self) -> Vec<u8> {
        [self.n.to_le_bytes(), self.row.to_le_bytes(), self.time.to_le_bytes()].concat()
    }

    fn read(bytes: &[u8]) -> io::Result<LoopPlace> {
        let mut parts = bytes.chunks_exact(8).map(|part| part.try_into().expect("eight bytes"));
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(n), Some(row), Some(time), None) => Ok(LoopPlace {
                n: u64::from_le_bytes(n),
                row: u64::from_le_bytes(row),
                time: i64::from_le_bytes(time),
            }),
            _ => Err(damaged("it does not say where it was saved".to_owned())),
        }
    }
}

fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The name of the file of a state, and its content.
pub(super) fn file<B: Body>(stored: &StoredLoop<B>) -> (String, Vec<u8>) {
    let packed = Packer::new(Vec::new()).and_then(|packer| pack(stored, packer));
    (name(stored.state.n), packed.expect("memory takes it"))
}

fn name(n: u64) -> String {
    format!("{n:012}{LOOP_STATE}")
}

impl Store {
    /// The inputs with a stored state, ascending.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn loop_states(&self) -> Result<Vec<u64>, StoreError> {
        let names = self.shelf.names().map_err(|e| StoreError::io(&self.path, &e))?;
        let of = |name: &String| name.strip_suffix(LOOP_STATE)?.parse().ok();
        let mut all: Vec<u64> = names.iter().filter_map(of).collect();
        all.sort_unstable();
        Ok(all)
    }

    /// The place of the state at input `n`.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn loop_place(&self, n: u64) -> Result<LoopPlace, StoreError> {
        self.at(n, |bytes| about(&mut Unpacker::new(bytes)?))
    }

    /// The state at input `n`.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn loop_state<B: Body>(&self, n: u64) -> Result<StoredLoop<B>, StoreError> {
        self.at(n, unpack)
    }

    fn at<T>(&self, n: u64, read: impl FnOnce(&[u8]) -> io::Result<T>) -> Result<T, StoreError> {
        let path = self.shelf.path(&name(n));
        let read = self.shelf.get(&name(n)).and_then(|bytes| read(&bytes));
        read.map_err(|e| StoreError::io(&path, &e))
    }

    /// Stores a state.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put_loop_state<B: Body>(&self, stored: &StoredLoop<B>) -> Result<(), StoreError> {
        let name = name(stored.state.n);
        let put = || -> io::Result<()> {
            let file = pack(stored, Packer::new(self.shelf.begin("next.state")?)?)?;
            file.finish(&name)
        };
        put().map_err(|e| StoreError::io(&self.shelf.path(&name), &e))
    }

    /// Removes the state at input `n`.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_loop_state(&self, n: u64) -> Result<(), StoreError> {
        let removed = self.shelf.remove(&name(n));
        removed.map_err(|e| StoreError::io(&self.shelf.path(&name(n)), &e))
    }

    /// The saved state of the stage of a rank in the newest stored state that has one and of which
    /// `reads` accepts the version and the bytes, with input `until` as the last.
    pub(crate) fn stage_state<B: Body>(
        &self,
        rank: u16,
        until: u64,
        reads: impl Fn(&CheckpointRow) -> bool,
    ) -> Result<Option<CheckpointRow>, StoreError> {
        for n in self.loop_states()?.into_iter().rev().filter(|n| *n <= until) {
            // A damaged one cannot help, an earlier one may.
            let Ok(StoredLoop { row, state }) = self.loop_state::<B>(n) else { continue };
            let of = state.stages.into_iter().find(|stage| stage.rank == rank);
            let saved = of.map(|SavedStage { version, state, .. }| CheckpointRow {
                n,
                row,
                version,
                state,
            });
            if let Some(saved) = saved.filter(|saved| reads(saved)) {
                return Ok(Some(saved));
            }
        }
        Ok(None)
    }
}

fn pack<B: Body, W: io::Write>(stored: &StoredLoop<B>, mut packer: Packer<W>) -> io::Result<W> {
    let StoredLoop { row, state } = stored;
    let place = LoopPlace { n: state.n, row: *row, time: state.time };
    packer.put(Record::About(&place.bytes()))?;
    packer.put(Record::Table(STAGES))?;
    for SavedStage { rank, version, state } in &state.stages {
        let value = [&version.to_le_bytes()[..], state].concat();
        packer.put(Record::Row(&rank.to_be_bytes(), &value))?;
    }
    packer.put(Record::Table(FACTS))?;
    for fact in &state.facts {
        let mut bytes = Vec::new();
        encode_fact(fact, &mut bytes);
        packer.put(Record::Row(&[], &bytes))?;
    }
    packer.finish()
}

fn about(from: &mut Unpacker<&[u8]>) -> io::Result<LoopPlace> {
    match from.record()? {
        Some(Record::About(bytes)) => LoopPlace::read(bytes),
        Some(_) | None => Err(damaged("it does not say where it was saved".to_owned())),
    }
}

fn unpack<B: Body>(bytes: &[u8]) -> io::Result<StoredLoop<B>> {
    let mut from = Unpacker::new(bytes)?;
    let LoopPlace { n, row, time } = about(&mut from)?;
    let (mut stages, mut facts, mut table) = (Vec::new(), Vec::new(), String::new());
    while let Some(record) = from.record()? {
        match (record, table.as_str()) {
            (Record::Table(name), _) => name.clone_into(&mut table),
            (Record::Row(rank, value), STAGES) => {
                let split = rank.try_into().ok().zip(value.split_at_checked(2));
                let (rank, (version, state)) =
                    split.ok_or_else(|| damaged("a state is cut short".to_owned()))?;
                let version = u16::from_le_bytes(version.try_into().expect("two bytes"));
                let state = state.to_vec();
                stages.push(SavedStage { rank: u16::from_be_bytes(rank), version, state });
            }
            (Record::Row(_, bytes), FACTS) => facts.push(decode_fact(bytes).map_err(damaged)?),
            (
                Record::Row(..)
                | Record::About(_)
                | Record::Part(_)
                | Record::File(_)
                | Record::Bytes(_),
                _,
            ) => return Err(damaged("it holds a record of another kind of file".to_owned())),
        }
    }
    Ok(StoredLoop { row, state: LoopState { n, time, stages, facts } })
}
