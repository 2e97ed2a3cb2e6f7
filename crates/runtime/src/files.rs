//! Small files that are written whole or not at all, locks on files, and the error of a full disk.

use std::fs::{File, OpenOptions, TryLockError, rename};
use std::io::{self, Write as _};
use std::path::Path;

/// The lock on a folder or file. It is released when dropped, or with the process.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Locks an existing folder; `None` if another process holds the lock.
    ///
    /// # Errors
    /// It is no folder, or the file system does not support such locks.
    pub fn folder(path: &Path) -> io::Result<Option<Lock>> {
        Lock::take(File::open(path)?)
    }

    /// Locks a file and creates it if it is absent; `None` if another process holds the lock.
    ///
    /// # Errors
    /// It cannot be created, or the file system does not support such locks.
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

/// Writes `path` under a temporary name beside it, flushes it and renames it. A reader finds the
/// old file, the new one, or none. Only the owner may read it.
///
/// # Errors
/// The error of the file system.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, true)
}

/// As [`write_whole`] without the flush. The file outlives the process but not a power cut, after
/// which a reader may find an empty file. It does not wait for the disk.
///
/// # Errors
/// The error of the file system.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, false)
}

/// Flushes the folder of `path`: a created or renamed file then outlives a power cut.
///
/// # Errors
/// The error of the file system.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    rename(new, path)
}

/// Whether a write failed because the disk, a quota or the limit on the file size is exhausted.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Removes the access of everybody but the owner to a file, or to a folder and all in it. An absent
/// path is no error. Links are not followed.
///
/// # Errors
/// The error of the file system.
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
    fn files_become_readable_by_their_owner_only() {
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
