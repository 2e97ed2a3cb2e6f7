//! A folder for the files of one run, in memory where the system has that.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static RUN: AtomicU64 = AtomicU64::new(1);

/// A temporary folder, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Creates one that was not there before.
    pub(crate) fn new() -> std::io::Result<Folder> {
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        loop {
            let number = RUN.fetch_add(1, Relaxed);
            let path = base.join(format!("everwarm-rig-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Folder(path)),
                // A killed process with the same id left it.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_a_killed_process_with_the_same_id_left_is_not_taken() {
        let sample = Folder::new().unwrap();
        let (base, me) = (sample.path().parent().unwrap(), std::process::id());
        let next = RUN.load(Relaxed);
        let paths =
            (next..next + 20).map(|number| base.join(format!("everwarm-rig-{me}-{number}")));
        // Another test may have one of these numbers already.
        let made = paths.filter(|path| fs::create_dir(path).is_ok());
        let old: Vec<Folder> = made.map(Folder).collect();
        for folder in &old {
            fs::write(folder.path().join("old"), "").unwrap();
        }
        let new = Folder::new().unwrap();
        assert_eq!(fs::read_dir(new.path()).unwrap().count(), 0, "{:?}", new.path());
        assert!(old.iter().all(|folder| folder.path().join("old").exists()));
    }
}
