//! A simulated disk that dies at a chosen operation and loses or tears unflushed writes.

use crate::store::StorageBackend;
use everwarm_kernel::chance::draw;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The unflushed writes that a power cut leaves on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Image {
    /// None of them.
    Synced,
    /// All of them, as after the end of a process.
    Everything,
    /// Some 512-byte sectors. The seed chooses them.
    Sectors(u64),
}

/// Kinds of disk operations. A disk may die at one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Writes bytes at an offset.
    Write,
    /// Flushes earlier writes to the disk.
    Flush,
    /// Changes the length of the file.
    Length,
}

/// The operation at which a disk dies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cut {
    /// Number of the operation, from 1.
    pub at: u64,
    /// Counts only operations of this kind; none: all kinds.
    #[serde(default)]
    pub of: Option<Operation>,
    /// Counts operations on the second file, not on the first.
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

/// Content of a disk: one large file, and small files that are always written whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The large file.
    pub image: Vec<u8>,
    /// The others, by name.
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
    /// Small files. A file is here once it and its name are flushed.
    files: BTreeMap<String, Vec<u8>>,
    /// Small files that were removed. The removal is not flushed.
    removed: BTreeMap<String, Vec<u8>>,
    operations: Vec<Operation>,
    cut: Option<Cut>,
    dead: bool,
    full: bool,
    was_cut: bool,
    /// For a second file: the disk that it is on.
    on: Option<FaultyDisk>,
}

/// A handle on the disk. Clones share one disk.
#[derive(Clone, Debug, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// A disk with `contents` that dies at operation `dies_at`, from 1. Writes, flushes and changes
    /// of length count.
    #[must_use]
    pub fn holding(contents: impl Into<Contents>, dies_at: Option<u64>) -> FaultyDisk {
        FaultyDisk::until(contents, dies_at.map(|at| Cut { at, ..Cut::default() }))
    }

    /// A disk with `contents` that dies at `cut`.
    #[must_use]
    pub fn until(contents: impl Into<Contents>, cut: Option<Cut>) -> FaultyDisk {
        let Contents { image, files } = contents.into();
        let state = State { live: image.clone(), synced: image, files, cut, ..State::default() };
        FaultyDisk(Arc::new(Mutex::new(state)))
    }

    /// A second large file on this disk. It has its own flushes and its own count of operations. It
    /// dies and fills with the disk. If the planned operation is on this file, the whole disk dies.
    #[must_use]
    pub fn beside(&self, contents: impl Into<Contents>) -> FaultyDisk {
        let file = FaultyDisk::until(contents, self.state().cut);
        file.state().on = Some(self.clone());
        file
    }

    /// Writes a whole file. If the disk dies meanwhile, the write has no effect.
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

    /// Names of all small files.
    pub(crate) fn file_names(&self) -> io::Result<Vec<String>> {
        Ok(self.alive()?.files.keys().cloned().collect())
    }

    /// Removes a file. After a power cut, the file may exist again.
    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        let mut state = self.alive()?;
        let removed = state.files.remove_entry(name);
        state.removed.extend(removed);
        Ok(())
    }

    /// Kills the disk now: every later operation fails.
    pub fn kill(&self) {
        self.state().dead = true;
    }

    /// Fills the disk. Reads still work; every later write, flush or change of length fails for
    /// lack of space.
    pub fn fill(&self) {
        self.state().full = true;
    }

    /// Whether it has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The operation on this file at which the disk died as planned.
    #[must_use]
    pub fn cut(&self) -> Option<Operation> {
        let state = self.state();
        if state.was_cut { state.operations.last().copied() } else { None }
    }

    /// Operations on this file so far, including the one at which the disk died.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// The content that the next run finds.
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
    fn a_disk_dies_with_both_files_at_an_operation_on_the_file_it_was_to_die_at() {
        for beside in [false, true] {
            let cut = Cut { at: 2, of: Some(Operation::Write), beside };
            let first = FaultyDisk::until(Vec::new(), Some(cut));
            let second = first.beside(Vec::new());
            let (failing, spared) = if beside { (&second, &first) } else { (&first, &second) };
            for n in 0..3 {
                spared.write(n, b"a").unwrap();
            }
            failing.write(0, b"flushed").unwrap();
            failing.sync_data().unwrap();
            assert!(!first.is_dead());
            failing.write(0, b"written").unwrap_err();
            spared.write(3, b"a").unwrap_err();
            assert_eq!((failing.cut(), spared.cut()), (Some(Operation::Write), None));
            assert!(first.is_dead());
            assert_eq!(failing.image(Image::Synced).image, b"flushed");
            let left = [Image::Synced, Image::Everything].map(|left| spared.image(left).image);
            assert_eq!(left, [b"".to_vec(), b"aaa".to_vec()]);
        }
    }
}
