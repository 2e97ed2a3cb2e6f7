//! What lies on the disk in memory of a life of the rig, and what is left of it.

use crate::life::APPLICATION;
use everwarm_domain::fact::Body;
use everwarm_kernel::fact::Fact;
use everwarm_runtime::chaos::faults::{Contents, Cut, FaultyDisk, Image, Operation};
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::{CheckpointRow, Store};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Which file of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum File {
    /// That of the journal.
    Journal,
    /// That of the history.
    History,
}

impl File {
    /// All of them.
    pub const ALL: [File; 2] = [File::Journal, File::History];

    /// The end of its disk at an operation on it.
    #[must_use]
    pub const fn cut(self, at: u64, of: Option<Operation>) -> Cut {
        Cut { at, of, beside: matches!(self, File::History) }
    }
}

/// What was done to the files of a life, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    journal: Vec<Operation>,
    history: Vec<Operation>,
}

impl Operations {
    /// Takes from another run what is better known from it. Whether the journal's file is ever cut
    /// shorter depends on when its commits fall: as many kinds as there are. The history commits by
    /// the wall clock: what no run falls short of.
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

    /// What was done to this file.
    #[must_use]
    pub fn of(&self, file: File) -> &[Operation] {
        match file {
            File::Journal => &self.journal,
            File::History => &self.history,
        }
    }
}

/// What lies on the disk of a life.
pub(super) struct Files {
    pub(super) journal: FaultyDisk,
    pub(super) history: FaultyDisk,
}

impl Files {
    /// As an installation begins.
    pub(super) fn fresh() -> Result<(Contents, Contents), String> {
        let [journal, history] = [(); 2].map(|()| FaultyDisk::default());
        drop(Store::on_disk(journal.clone(), APPLICATION).map_err(|e| e.to_string())?);
        drop(Archive::on_disk(history.clone()).map_err(|e| e.to_string())?);
        Ok((journal.image(Image::Everything), history.image(Image::Everything)))
    }

    /// On a disk that dies as planned.
    pub(super) fn until((journal, history): (Contents, Contents), cut: Option<Cut>) -> Files {
        let journal = FaultyDisk::until(journal, cut);
        let history = journal.beside(history);
        Files { journal, history }
    }

    /// What was done to them.
    pub(super) fn operations(&self) -> Operations {
        Operations { journal: self.journal.operations(), history: self.history.operations() }
    }

    /// Where the disk died as planned.
    pub(super) fn cut(&self) -> Option<(File, Operation)> {
        let (journal, history) = (self.journal.cut(), self.history.cut());
        let of_journal = journal.map(|operation| (File::Journal, operation));
        of_journal.or(history.map(|operation| (File::History, operation)))
    }

    /// What the next life finds.
    pub(super) fn left(&self, image: Image) -> (Contents, Contents) {
        (self.journal.image(image), self.history.image(image))
    }

    pub(super) fn open(&self) -> Result<(Store, Archive), String> {
        let store = Store::on_disk(self.journal.clone(), APPLICATION).map_err(|e| e.to_string())?;
        let archive = Archive::on_disk(self.history.clone()).map_err(|e| e.to_string())?;
        Ok((store, archive))
    }
}

/// What would be left of a disk if the power failed now: what was flushed, and nothing else.
pub(super) fn flushed(disk: &FaultyDisk) -> Result<Store, String> {
    let left = FaultyDisk::holding(disk.image(Image::Synced), None);
    Store::on_disk(left, APPLICATION).map_err(|e| format!("of what was flushed: {e}"))
}

/// The last row of that.
pub(super) fn flushed_row(disk: &FaultyDisk) -> Result<u64, String> {
    flushed(disk)?.recover().map(|found| found.row).map_err(|e| e.to_string())
}

/// The journal as it is in the end.
pub(super) fn facts(disk: &FaultyDisk) -> Result<Vec<(u64, Fact<Body>)>, String> {
    let disk = FaultyDisk::holding(disk.image(Image::Everything), None);
    let store = Store::on_disk(disk, APPLICATION).map_err(|e| e.to_string())?;
    let mut facts: Vec<(u64, Fact<Body>)> = Vec::new();
    let scanned = store.scan(0, &mut |row, fact: Fact<Body>| {
        facts.push((row, fact));
        ControlFlow::Continue(())
    });
    scanned.map_err(|e| e.to_string())?;
    Ok(facts)
}

/// The saved states in it.
pub(super) fn checkpoints(disk: &FaultyDisk) -> Result<Vec<(u16, CheckpointRow)>, String> {
    let disk = FaultyDisk::holding(disk.image(Image::Everything), None);
    let store = Store::on_disk(disk, APPLICATION).map_err(|e| e.to_string())?;
    store.checkpoints().map_err(|e| e.to_string())
}
