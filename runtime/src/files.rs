//! Small files that are written whole or not at all, and files that find no room.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, Write as _};
use std::path::Path;

/// Writes `path` under a temporary name beside it, flushes it and renames it: whoever reads finds
/// the old file, the new one, or none. Only the owner may read it.
///
/// # Errors
/// Whatever the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, true)
}

/// As [`write_whole`] without the flush: it outlives the process, not a loss of power, after which
/// a reader may find an empty file, and waits for no disk.
///
/// # Errors
/// Whatever the file system says.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, false)
}

/// Has the name of a file or folder on disk: made or renamed, it outlives a loss of power.
///
/// # Errors
/// Whatever the file system says.
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

/// Whether there is no room for what was to be written: the disk, a quota or the limit on the size
/// of a file is exhausted.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
