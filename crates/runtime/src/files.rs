//! Small files that are written whole or not at all, file locks, and errors of full disks.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError, rename};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock on a folder or file. It is released on drop or with the process.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Locks an existing folder; none if another process holds the lock.
    ///
    /// # Errors
    /// It is not a folder, or the file system does not support locks.
    pub fn folder(path: &Path) -> io::Result<Option<Lock>> {
        Lock::take(File::open(path)?)
    }

    /// Locks a file and creates it if it is absent; none if another process holds the lock.
    ///
    /// # Errors
    /// It cannot be created, or the file system does not support locks.
    pub fn file(path: &Path) -> io::Result<Option<Lock>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Lock::take(options.open(path)?)
    }

    fn take(file: File) -> io::Result<Option<Lock>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _held: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// Maximum of bytes read of a private file.
const PRIVATE_MAX: u64 = 64 * 1024;

/// Reads the text of a file that only its owner may read.
///
/// # Errors
/// It is absent, or others may read it.
pub fn read_private(path: &Path) -> Result<String, String> {
    let error = |e: &dyn fmt::Display| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(|e| error(&e))?;
    let about = file.metadata().map_err(|e| error(&e))?;
    if !about.is_file() {
        return Err(error(&"is not a file"));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            let text = format!("other users can read it (mode {mode:03o}); run chmod 600 on it");
            return Err(error(&text));
        }
    }
    let mut text = String::new();
    file.take(PRIVATE_MAX).read_to_string(&mut text).map_err(|e| error(&e))?;
    Ok(text)
}

/// Writes a temporary file beside `path`, flushes it and renames it. A reader finds the old file,
/// the new one, or none. Only the owner may read it.
///
/// # Errors
/// Any error of the file system.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, true)
}

/// As [`write_whole`], without the flush. It does not wait for the disk. The file survives the end
/// of the process, but after a power cut a reader may find an empty file.
///
/// # Errors
/// Any error of the file system.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, false)
}

/// Flushes the folder of a file or folder, so that a new or changed name survives a power cut.
///
/// # Errors
/// Any error of the file system.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A file that is written in pieces under a temporary name. It gets its own name when it is
/// complete and flushed, so a reader finds all of it or none.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    temporary: PathBuf,
}

impl WholeFile {
    /// Begins a file beside `path`. Only the owner may read it.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn begin(path: &Path) -> io::Result<WholeFile> {
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let temporary = PathBuf::from(new);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(WholeFile { file: options.open(&temporary)?, temporary })
    }

    /// Its name until it is complete.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the file and gives it its name.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        rename(self.temporary, path)
    }
}

impl io::Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut whole = WholeFile::begin(path)?;
    whole.write_all(bytes)?;
    if sync { whole.finish(path) } else { rename(whole.temporary, path) }
}

/// Whether a write failed for lack of space: the disk, a quota or the maximum file size is
/// exhausted.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Removes all permissions of others for a file, or for a folder and its content. An absent file is
/// no error. Links are not followed.
///
/// # Errors
/// Any error of the file system.
#[cfg(unix)]
pub fn keep_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if about.is_symlink() {
        return Ok(());
    }
    let mode = about.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & 0o7700))?;
    }
    if about.is_dir() {
        for entry in std::fs::read_dir(path)? {
            keep_private(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_others_could_read_is_the_owners_alone() {
        let name = format!("everwarm-private-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let (below, file) = (folder.join("below"), folder.join("below/file"));
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(&file, "x").unwrap();
        let elsewhere = std::env::temp_dir().join(format!("everwarm-open-{}", std::process::id()));
        std::fs::write(&elsewhere, "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, below.join("link")).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, open) in [(&folder, 0o755), (&below, 0o750), (&file, 0o664), (&elsewhere, 0o644)]
        {
            set(path, open);
        }
        keep_private(&folder).unwrap();
        assert_eq!([mode(&folder), mode(&below), mode(&file)], [0o700, 0o700, 0o600]);
        assert_eq!(mode(&elsewhere), 0o644, "a link is not followed");
        keep_private(&folder.join("nothing")).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::remove_file(&elsewhere).unwrap();
    }
}
