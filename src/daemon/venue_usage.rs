//! The note of the venue's bans and used budgets for this address, beside the files. Restarts
//! during a ban would make it longer. Without the note, connections and orders right after each
//! restart would exceed the limits.

use everwarm_runtime::clock::wall;
use everwarm_runtime::files::{write_unsynced, write_whole};
use everwarm_venue::rate_limit::{Care, Note, Spent};
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::views::ClearedView;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

/// Name of the note in the data directory.
pub(super) const FILE: &str = "venue-spent.json";

/// The note, and a function that writes it. A note that cannot be read or written costs at most a
/// request that the venue refuses.
pub fn note(data_dir: &Path) -> Note {
    let path = data_dir.join(FILE);
    let noted = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let write = move |spent: &Spent, care: Care| {
        let text = serde_json::to_vec(spent).map_err(io::Error::from);
        let into = match care {
            Care::Synced => write_whole,
            Care::Quick => write_unsynced,
        };
        if let Err(e) = text.and_then(|text| into(&path, &text)) {
            tracing::warn!("{}: {e}", path.display());
        }
    };
    Note { before: noted.unwrap_or_default(), write: Arc::new(write) }
}

/// Ends the waits for the venue, in the note of a data directory that no process holds.
///
/// # Errors
/// The note cannot be written.
pub fn clear(data_dir: &Path) -> Result<ClearedView, Failure> {
    let path = data_dir.join(FILE);
    let Note { before, .. } = note(data_dir);
    let now = wall().utc();
    let waited = before.banned_until > now || before.orders_until > now;
    if waited {
        let after = Spent { banned_until: 0, orders_until: 0, ..before };
        let text = serde_json::to_vec(&after).map_err(io::Error::from);
        let written = text.and_then(|text| write_whole(&path, &text));
        written.map_err(|e| Failure::new(Exit::Failed, format!("{}: {e}", path.display())))?;
    }
    Ok(ClearedView::of(waited))
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_venue::rate_limit::OrderWindow;

    #[test]
    fn what_is_spent_is_known_to_the_next_process() {
        let dir = std::env::temp_dir().join(format!("everwarm-spent-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let first = note(&dir);
        assert_eq!(first.before, Spent::default());
        let window = OrderWindow { width: 10_000, limit: 100, number: 7, used: 5 };
        let mut spent = Spent {
            banned_until: 1_700_000_000_000,
            connections: [1, 2].into(),
            orders_until: 3,
            orders: vec![window],
        };
        (first.write)(&spent, Care::Synced);
        assert_eq!(note(&dir).before, spent);
        spent.orders_until = 4;
        (first.write)(&spent, Care::Quick);
        assert_eq!(note(&dir).before, spent);
        fs::write(dir.join(FILE), r#"{"banned_until":5,"connections":[]}"#).unwrap();
        assert_eq!(note(&dir).before, Spent { banned_until: 5, ..Spent::default() }, "an older");
        assert_eq!(clear(&dir).unwrap(), ClearedView::of(false), "it is over");
        let far = r#"{"banned_until":9223372036854775807,"connections":[7]}"#;
        fs::write(dir.join(FILE), far).unwrap();
        assert_eq!(clear(&dir).unwrap(), ClearedView::of(true));
        let left = Spent { connections: [7].into(), ..Spent::default() };
        assert_eq!(note(&dir).before, left, "what else was counted stays");
        fs::write(dir.join(FILE), "rubbish").unwrap();
        assert_eq!(note(&dir).before, Spent::default());
        fs::remove_dir_all(&dir).unwrap();
    }
}
