//! What lies on the disk in memory of a life of the rig, and what is left of it.

use crate::domain::fact::Body;
use crate::life::APPLICATION;
use everwarm_runtime::chaos::faults::{Contents, Cut, FaultyDisk, Image};
use everwarm_runtime::fact::Fact;
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use std::ops::ControlFlow;

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
