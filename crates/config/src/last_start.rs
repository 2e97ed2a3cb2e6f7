//! The note about the daemon's last start: its configuration file and flags, saved in the data
//! directory. Later commands about that daemon use its configuration, not the defaults.
//!
//! The first line is the path of the file, empty if there was none. Each further line is a flag:
//! the key it sets, the flag, its value.

use super::layers::Given;
use everwarm_runtime::files::write_whole;
use everwarm_words::text::shell_word;
use std::fmt::Write as _;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

/// Name of the note in the data directory.
pub const FILE: &str = "config.txt";

/// The note is found by this key, so its flag is not saved.
const FOUND_BY: &str = "daemon.data_dir";
/// Keys with a path, which is saved as an absolute path.
const PATHS: [&str; 2] = ["market.recording", "market.recording_config"];

/// Saves the file and flags that the daemon of `data_dir` was started with; none: without a file.
///
/// # Errors
/// The note cannot be written.
pub fn note(data_dir: &Path, file: Option<&Path>, flags: &[Given]) -> Result<(), Error> {
    let place = data_dir.join(FILE);
    let mut text = match file {
        Some(file) => std::path::absolute(file)?.display().to_string(),
        None => String::new(),
    };
    text.push('\n');
    for Given { key, text: value, place } in flags.iter().filter(|flag| flag.key != FOUND_BY) {
        let whole = if PATHS.contains(&key.as_str()) {
            std::path::absolute(value)?.display().to_string()
        } else {
            value.clone()
        };
        if !whole.contains('\n') {
            writeln!(text, "{key} {place} {whole}").expect("text takes text");
        }
    }
    if text == "\n" {
        let gone = std::fs::remove_file(place);
        return gone.or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) });
    }
    if std::fs::read_to_string(&place).is_ok_and(|noted| noted == text) {
        return Ok(());
    }
    write_whole(&place, text.as_bytes())
}

/// The file of the daemon's last start; none: without a file, or there was no start.
#[must_use]
pub fn read(data_dir: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(data_dir.join(FILE)).ok()?;
    text.lines().next().filter(|file| !file.is_empty()).map(PathBuf::from)
}

/// The flags of the daemon's last start, except the data directory.
#[must_use]
pub fn flags(data_dir: &Path) -> Vec<Given> {
    let text = std::fs::read_to_string(data_dir.join(FILE)).unwrap_or_default();
    let flag = |line: &str| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        Some(Given { key: words.next()?, place: words.next()?, text: words.next()? })
    };
    text.lines().skip(1).filter_map(flag).collect()
}

/// Flags as typed in a shell.
#[must_use]
pub fn typed(flags: &[Given]) -> String {
    let word = |Given { key, text, place }: &Given| match key.as_str() {
        "market.until_end" => place.clone(),
        _ => format!("{place} {}", shell_word(text)),
    };
    flags.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_of_the_last_start_and_whole() {
        let folder = std::env::temp_dir().join(format!("everwarm-noted-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(read(&folder), None);
        note(&folder, None, &[]).unwrap();
        note(&folder, Some(Path::new("a folder/mine.toml")), &[]).unwrap();
        let here = std::env::current_dir().unwrap();
        assert_eq!(read(&folder), Some(here.join("a folder/mine.toml")));
        note(&folder, Some(Path::new("/etc/other.toml")), &[]).unwrap();
        assert_eq!(read(&folder), Some(PathBuf::from("/etc/other.toml")));
        note(&folder, None, &[]).unwrap();
        assert_eq!(read(&folder), None);
        let given = |key: &str, place: &str, text: &str| Given {
            key: key.into(),
            text: text.into(),
            place: place.into(),
        };
        let flags_given = [
            given("market.symbols", "--symbols", "300"),
            given("market.recording", "--recording", "my days"),
            given("market.until_end", "--until-end", "true"),
            given(FOUND_BY, "--data-dir", "d"),
        ];
        note(&folder, None, &flags_given).unwrap();
        assert_eq!(read(&folder), None);
        let days = here.join("my days").display().to_string();
        let noted = flags(&folder);
        assert_eq!(noted[1], given("market.recording", "--recording", &days));
        let expected = format!("--symbols 300 --recording {} --until-end", shell_word(&days));
        assert_eq!(typed(&noted), expected);
        note(&folder, Some(Path::new("/etc/other.toml")), &[]).unwrap();
        assert_eq!(flags(&folder), []);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
