//! A disk in memory that fails at a chosen operation, and loses or tears unflushed writes.

use crate::store::StorageBackend;
use everwarm_kernel::seeded::draw;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much of the writes since the last flush survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// None of them: a power cut.
    Synced,
    /// All of them: the death of a process.
    Everything,
    /// Some sectors of 512 bytes, drawn by the seed: a torn write.
    Sectors(u64),
}

/// The kinds of operations at which a disk may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Writes bytes at an offset.
    Write,
    /// Flushes the writes so far.
    Flush,
    /// Changes the length.
    Length,
}

/// When a disk fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cut {
    /// The number of the operation, from 1.
    pub at: u64,
    /// Counts only operations of this kind; `None` counts all.
    #[serde(default)]
    pub of: Option<Operation>,
    /// Counts the operations on the second file instead of the first.
    #[serde(default)]
    pub beside: bool,
}

impl Cut {
    fn is_at(self, operations: &[Operation]) -> bool {
        let count = match self.of {
            None => operations.len(),
            Some(kind) if operations.last() == Some(&kind) => {
                operations.iter().filter(|operation| **operation == kind).count()
            }
            Some(_) => 0,
        };
        count as u64 >= self.at
    }
}

/// The contents of a disk: one large file, and small files that are written whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The large file.
    pub image: Vec<u8>,
    /// The small files, by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl From<Vec<u8>> for Contents {
    fn from(image: Vec<u8>) -> Contents {
        Contents { image, files: BTreeMap::new() }
    }
}

#[derive(Debug)]
enum Change {
    Write(u64, Vec<u8>),
    Length(u64),
}

#[derive(Debug, Default)]
struct State {
    live: Vec<u8>,
    synced: Vec<u8>,
    unsynced: Vec<Change>,
    /// Small files whose contents and names are flushed.
    files: BTreeMap<String, Vec<u8>>,
    /// Small files that were removed, while the removal is not flushed.
    removed: BTreeMap<String, Vec<u8>>,
    operations: Vec<Operation>,
    cut: Option<Cut>,
    dead: bool,
    full: bool,
    was_cut: bool,
    /// The disk of the first file, if this is a second one.
    on: Option<FaultyDisk>,
}

/// The disk. Clones are handles on one disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// A disk with `contents` that fails at operation `dies_at` (from 1; writes, flushes, changes
    /// of length).
    #[must_use]
    pub fn holding(contents: impl Into<Contents>, dies_at: Option<u64>) -> FaultyDisk {
        FaultyDisk::until(contents, dies_at.map(|at| Cut { at, ..Cut::default() }))
    }

    /// A disk with `contents` that fails as planned.
    #[must_use]
    pub fn until(contents: impl Into<Contents>, cut: Option<Cut>) -> FaultyDisk {
        let Contents { image, files } = contents.into();
        let state = State { live: image.clone(), synced: image, files, cut, ..State::default() };
        FaultyDisk(Arc::new(Mutex::new(state)))
    }

    /// A second large file on this disk, with its own flushes. It fails and fills up together with
    /// the disk. A failure planned for an operation on it fails the whole disk. Its operations have
    /// their own numbers.
    #[must_use]
    pub fn beside(&self, contents: impl Into<Contents>) -> FaultyDisk {
        let file = FaultyDisk::until(contents, self.state().cut);
        file.state().on = Some(self.clone());
        file
    }

    /// Writes a file whole. If the disk fails, the file is absent.
    pub(crate) fn put_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        drop(self.operate(Operation::Write)?);
        let mut state = self.operate(Operation::Flush)?;
        state.files.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    /// Reads a file.
    pub(crate) fn file(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.alive()?;
        state.files.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The names of all files beside the large one.
    pub(crate) fn file_names(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.files.keys().cloned().collect())
    }

    /// Removes a file.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        let removed = state.files.remove_entry(name);
        state.removed.extend(removed);
        Ok(())
    }

    /// Fails the disk now, and every later operation with it.
    pub fn kill(&self) {
        self.state().dead = true;
    }

    /// Fills the disk. Reads work; every later write, flush or change of length fails without
    /// space.
    pub fn fill(&self) {
        self.state().full = true;
    }

    /// Whether it has failed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The operation on this file at which the disk failed as planned.
    #[must_use]
    pub fn cut(&self) -> Option<Operation> {
        let state = self.state();
        if state.was_cut { state.operations.last().copied() } else { None }
    }

    /// The operations so far, with the one at which it failed.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// The contents that the next process finds.
    #[must_use]
    pub fn image(&self, image: Image) -> Contents {
        let state = self.state();
        let mut files = state.files.clone();
        if image == Image::Everything {
            return Contents { image: state.live.clone(), files };
        }
        for (name, bytes) in &state.removed {
            files.entry(name.clone()).or_insert_with(|| bytes.clone());
        }
        let Image::Sectors(mut seed) = image else {
            return Contents { image: state.synced.clone(), files };
        };
        let mut out = state.synced.clone();
        let keep_of_16 = 1 + draw(&mut seed) % 15;
        for change in &state.unsynced {
            match change {
                Change::Length(n) if draw(&mut seed) % 16 < keep_of_16 => resize(&mut out, *n),
                Change::Length(_) => {}
                Change::Write(at, bytes) => {
                    for (i, sector) in bytes.chunks(512).enumerate() {
                        if draw(&mut seed) % 16 < keep_of_16 {
                            put(&mut out, *at + 512 * i as u64, sector);
                        }
                    }
                }
            }
        }
        Contents { image: out, files }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operate(&self, operation: Operation) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.alive()?;
        if state.full || state.on.as_ref().is_some_and(|disk| disk.state().full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.operations.push(operation);
        let here = state.cut.filter(|cut| cut.beside == state.on.is_some());
        if here.is_some_and(|cut| cut.is_at(&state.operations)) {
            state.dead = true;
            state.was_cut = true;
            state.on.iter().for_each(FaultyDisk::kill);
            return Err(dead());
        }
        Ok(state)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        let dead_on = state.on.as_ref().is_some_and(FaultyDisk::is_dead);
        if state.dead || dead_on { Err(dead()) } else { Ok(state) }
    }
}

fn dead() -> io::Error {
    io::Error::other("the disk is gone (injected)")
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("an image in memory is addressable")
}

fn resize(image: &mut Vec<u8>, length: u64) {
    image.resize(index(length), 0);
}

fn put(image: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let (from, to) = (index(at), index(at) + bytes.len());
    if image.len() < to {
        image.resize(to, 0);
    }
    image[from..to].copy_from_slice(bytes);
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.alive()?;
        let from = index(offset);
        let bytes = state.live.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.operate(Operation::Length)?;
        resize(&mut state.live, len);
        state.unsynced.push(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.operate(Operation::Flush)?;
        for change in std::mem::take(&mut state.unsynced) {
            match change {
                Change::Length(n) => resize(&mut state.synced, n),
                Change::Write(at, bytes) => put(&mut state.synced, at, &bytes),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.operate(Operation::Write)?;
        put(&mut state.live, offset, data);
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_failure_of_one_file_fails_the_whole_disk() {
        for beside in [false, true] {
            let cut = Cut { at: 2, of: Some(Operation::Write), beside };
            let first = FaultyDisk::until(Vec::new(), Some(cut));
            let second = first.beside(Vec::new());
            let (injected, spared) = if beside { (&second, &first) } else { (&first, &second) };
            for n in 0..3 {
                spared.write(n, b"a").unwrap();
            }
            injected.write(0, b"flushed").unwrap();
            injected.sync_data().unwrap();
            assert!(!first.is_dead());
            injected.write(0, b"written").unwrap_err();
            spared.write(3, b"a").unwrap_err();
            assert_eq!((injected.cut(), spared.cut()), (Some(Operation::Write), None));
            assert!(first.is_dead());
            assert_eq!(injected.image(Image::Synced).image, b"flushed");
            let left = [Image::Synced, Image::Everything].map(|left| spared.image(left).image);
            assert_eq!(left, [b"".to_vec(), b"aaa".to_vec()]);
        }
    }
}
