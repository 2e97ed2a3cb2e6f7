//! The in-memory disk of a life of the rig, and its content after a fault.

use crate::daemon_run::APPLICATION;
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::faults::{Contents, Cut, FaultyDisk, Image, Operation};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Store};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// A file of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// The journal.
    Journal,
    /// The history.
    History,
}

impl File {
    /// All of them.
    pub const ALL: [File; 2] = [File::Journal, File::History];

    /// A cut: the disk dies at this operation on the file.
    #[must_use]
    pub const fn cut(self, at: u64, of: Option<Operation>) -> Cut {
        Cut { at, of, beside: matches!(self, File::History) }
    }
}

/// The disk operations of a life, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    journal: Vec<Operation>,
    history: Vec<Operation>,
}

impl Operations {
    /// Takes the more useful operations from another run. Whether the journal is ever truncated
    /// depends on the timing of its commits, so the run with more kinds of operations counts. The
    /// history commits by wall clock, so the run with fewer operations counts.
    pub(super) fn learn(&mut self, other: Operations) {
        let kinds = |operations: &[Operation]| operations.iter().collect::<BTreeSet<_>>().len();
        if kinds(&other.journal) > kinds(&self.journal) {
            self.journal = other.journal;
        }
        let (mine, theirs) = (&self.history, &other.history);
        let by = |operations: &Vec<Operation>| (Reverse(kinds(operations)), operations.len());
        if by(theirs) < by(mine) {
            self.history = other.history;
        }
    }

    /// The operations on this file.
    #[must_use]
    pub fn of(&self, file: File) -> &[Operation] {
        match file {
            File::Journal => &self.journal,
            File::History => &self.history,
        }
    }
}

/// The disks of a life.
pub(super) struct Files {
    pub(super) journal: FaultyDisk,
    pub(super) history: FaultyDisk,
}

impl Files {
    /// The content of the files of a fresh installation.
    pub(super) fn fresh() -> Result<(Contents, Contents), String> {
        let [journal, history] = [(); 2].map(|()| FaultyDisk::default());
        drop(Store::on_disk(journal.clone(), APPLICATION).map_err(|e| e.to_string())?);
        drop(Archive::on_disk(history.clone()).map_err(|e| e.to_string())?);
        Ok((journal.image(Image::Everything), history.image(Image::Everything)))
    }

    /// The files on a disk that dies at the cut.
    pub(super) fn until((journal, history): (Contents, Contents), cut: Option<Cut>) -> Files {
        let journal = FaultyDisk::until(journal, cut);
        let history = journal.beside(history);
        Files { journal, history }
    }

    /// The operations so far.
    pub(super) fn operations(&self) -> Operations {
        Operations { journal: self.journal.operations(), history: self.history.operations() }
    }

    /// The operation at which the disk died as planned.
    pub(super) fn cut(&self) -> Option<(File, Operation)> {
        let (journal, history) = (self.journal.cut(), self.history.cut());
        let of_journal = journal.map(|operation| (File::Journal, operation));
        of_journal.or(history.map(|operation| (File::History, operation)))
    }

    /// The content that the next life finds.
    pub(super) fn left(&self, image: Image) -> (Contents, Contents) {
        (self.journal.image(image), self.history.image(image))
    }

    pub(super) fn open(&self) -> Result<(Store, Archive), String> {
        let store = Store::on_disk(self.journal.clone(), APPLICATION).map_err(|e| e.to_string())?;
        let archive = Archive::on_disk(self.history.clone()).map_err(|e| e.to_string())?;
        Ok((store, archive))
    }
}

/// The store that a power failure now would leave: flushed data only.
pub(super) fn flushed(disk: &FaultyDisk) -> Result<Store, String> {
    let left = FaultyDisk::holding(disk.image(Image::Synced), None);
    Store::on_disk(left, APPLICATION).map_err(|e| format!("of what was flushed: {e}"))
}

/// The last flushed row.
pub(super) fn flushed_row(disk: &FaultyDisk) -> Result<u64, String> {
    flushed(disk)?.recover().map(|found| found.row).map_err(|e| e.to_string())
}

/// The journal as it was written, also what was not flushed.
pub(super) fn written(disk: &FaultyDisk) -> Result<Store, String> {
    let disk = FaultyDisk::holding(disk.image(Image::Everything), None);
    Store::on_disk(disk, APPLICATION).map_err(|e| e.to_string())
}

/// The facts of the journal at the end.
pub(super) fn facts(disk: &FaultyDisk) -> Result<Vec<(u64, Fact<Body>)>, String> {
    let store = written(disk)?;
    let mut facts: Vec<(u64, Fact<Body>)> = Vec::new();
    let scanned = store.scan(0, &mut |row, fact: Fact<Body>| {
        facts.push((row, fact));
        ControlFlow::Continue(())
    });
    scanned.map_err(|e| e.to_string())?;
    Ok(facts)
}

/// The checkpoints in it.
pub(super) fn checkpoints(disk: &FaultyDisk) -> Result<Vec<(u16, CheckpointRow)>, String> {
    written(disk)?.checkpoints().map_err(|e| e.to_string())
}
