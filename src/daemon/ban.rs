//! The end of a ban by the venue, noted beside the files: a daemon that is started again and again
//! while it is banned would only make the ban longer.

use crate::domain::time::UtcMs;
use crate::venue::rate_limit::BanNote;
use everwarm_runtime::files::write_whole;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Name of the note in the data directory: UTC milliseconds.
const FILE: &str = "venue-ban.txt";

/// What was noted, and how to note more. A note that cannot be read or written costs at most a
/// request that the venue refuses.
pub fn note(data_dir: &Path) -> BanNote {
    let path = data_dir.join(FILE);
    let noted = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    let write = move |until: UtcMs| {
        if let Err(e) = write_whole(&path, format!("{until}\n").as_bytes()) {
            tracing::warn!("{}: {e}", path.display());
        }
    };
    BanNote { until: noted.unwrap_or(UtcMs::MIN), write: Arc::new(write) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_is_known_to_the_next_process() {
        let dir = std::env::temp_dir().join(format!("everwarm-ban-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let first = note(&dir);
        assert_eq!(first.until, UtcMs::MIN);
        (first.write)(1_700_000_000_000);
        assert_eq!(note(&dir).until, 1_700_000_000_000);
        fs::write(dir.join(FILE), "rubbish").unwrap();
        assert_eq!(note(&dir).until, UtcMs::MIN);
        fs::remove_dir_all(&dir).unwrap();
    }
}
