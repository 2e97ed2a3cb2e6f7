//! What the venue holds against the address, noted beside the files: a daemon that is started again
//! and again while it is banned would only make the ban longer, and one that connects each time
//! would be refused.

use crate::venue::rate_limit::{Note, Spent};
use everwarm_runtime::files::write_whole;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// Name of the note in the data directory.
const FILE: &str = "venue-spent.json";

/// What was noted, and how to note more. A note that cannot be read or written costs at most a
/// request that the venue refuses.
pub fn note(data_dir: &Path) -> Note {
    let path = data_dir.join(FILE);
    let noted = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let write = move |spent: &Spent| {
        let text = serde_json::to_vec(spent).map_err(io::Error::from);
        if let Err(e) = text.and_then(|text| write_whole(&path, &text)) {
            tracing::warn!("{}: {e}", path.display());
        }
    };
    Note { before: noted.unwrap_or_default(), write: Arc::new(write) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_known_to_the_next_process() {
        let dir = std::env::temp_dir().join(format!("everwarm-spent-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let first = note(&dir);
        assert_eq!(first.before, Spent::default());
        let spent = Spent { banned_until: 1_700_000_000_000, connections: [1, 2].into() };
        (first.write)(&spent);
        assert_eq!(note(&dir).before, spent);
        fs::write(dir.join(FILE), "rubbish").unwrap();
        assert_eq!(note(&dir).before, Spent::default());
        fs::remove_dir_all(&dir).unwrap();
    }
}
