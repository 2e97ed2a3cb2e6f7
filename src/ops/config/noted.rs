//! The configuration file that the daemon of a data directory was started with last, noted beside
//! its files: what is asked about a daemon later is asked about its configuration, and not about
//! the defaults.

use everwarm_runtime::files::write_whole;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Name of the note in the data directory.
pub const FILE: &str = "config.txt";

/// Notes with which file the daemon of `data_dir` was started; none: with no file.
///
/// # Errors
/// The note cannot be written.
pub fn note(data_dir: &Path, file: Option<&Path>) -> Result<(), Error> {
    let place = data_dir.join(FILE);
    let Some(file) = file else {
        let gone = std::fs::remove_file(place);
        return gone.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) });
    };
    let file = std::path::absolute(file)?;
    if read(data_dir).as_ref() == Some(&file) {
        return Ok(());
    }
    write_whole(&place, format!("{}\n", file.display()).as_bytes())
}

/// The file that the daemon of `data_dir` was started with last; none: with no file, or there was
/// no daemon.
#[must_use]
pub fn read(data_dir: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(data_dir.join(FILE)).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n'))).filter(|file| !file.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_of_the_last_start_and_whole() {
        let folder = std::env::temp_dir().join(format!("everwarm-noted-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(read(&folder), None);
        note(&folder, None).unwrap();
        note(&folder, Some(Path::new("a folder/mine.toml"))).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(read(&folder), Some(here.join("a folder/mine.toml")));
        note(&folder, Some(Path::new("/etc/other.toml"))).unwrap();
        assert_eq!(read(&folder), Some(PathBuf::from("/etc/other.toml")));
        note(&folder, None).unwrap();
        assert_eq!(read(&folder), None);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
