//! What a data directory holds: bytes by kind of file, how fast they grow, and when the disk is
//! full.

use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::fs::{self, DirEntry, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use utoipa::ToSchema;

/// A day, milliseconds.
const DAY: UtcMs = 24 * 60 * 60 * 1_000;
/// Growth is that of the files of so long ago, milliseconds.
const WINDOW: UtcMs = 7 * DAY;
/// A file that is younger shows no growth, milliseconds.
const YOUNG: UtcMs = 60 * 60 * 1_000;

/// A kind of file: its name, the first part of the names of its files and folders in the data
/// directory, and how it grows.
const PARTS: [(&str, &str, Growth); 4] = [
    ("journal, sealed", "live.segments", Growth::Files),
    // It keeps the newest facts only, so it does not grow for ever.
    ("journal, live", "live.", Growth::Bounded),
    ("history", "history.redb", Growth::Steady),
    ("simulated exchange", "exchange", Growth::Steady),
];
/// All other files.
const OTHER: &str = "other files";
/// The sum.
const ALL: &str = "all";
/// The disk.
const FREE: &str = "free on the disk";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Growth {
    /// By files that are written once.
    Files,
    /// It grows as long as it exists.
    Steady,
    /// It does not.
    Bounded,
}

/// A kind of file, the sum of all, or the free space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageView {
    /// The kind: `journal, sealed`, `journal, live`, `history`, `simulated exchange`, `other
    /// files`; `all` is their sum, `free on the disk` the space that no file uses.
    pub part: String,
    /// Files; none of the free space.
    pub files: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// Growth, bytes a day of wall time: of sealed files in the last seven days, of other files
    /// since they were made. None: they are younger than an hour, or do not grow.
    pub per_day: Option<u64>,
    /// Days until the disk is full at this growth; only of the free space.
    pub days_to_full: Option<u64>,
}

/// What `storage retain` removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetainView {
    /// Facts before this event time were due, UTC milliseconds.
    pub until: UtcMs,
    /// Sealed files that were written again, or would be.
    pub segments: u64,
    /// Facts removed; 0 in a dry run.
    pub facts: u64,
    /// Bytes of these files before.
    pub bytes_before: u64,
    /// Their bytes now; 0 in a dry run.
    pub bytes_after: u64,
    /// Whether nothing was removed, on request.
    pub dry_run: bool,
}

/// What `wipe` removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WipedView {
    /// The data directory.
    pub data_dir: String,
    /// Whether everything was removed.
    pub all: bool,
    /// Bytes of the journal, the history and small files before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes_after: u64,
}

/// A file: its bytes, when it was made and when it was last written, UTC milliseconds.
#[derive(Clone, Copy, Debug)]
struct Found {
    part: usize,
    bytes: u64,
    made: Option<UtcMs>,
    written: UtcMs,
}

/// What a data directory holds at a time of the wall clock. Files that vanish meanwhile are left
/// out.
#[must_use]
pub fn of(data_dir: &Path, now: UtcMs, free: Option<u64>) -> Vec<StorageView> {
    let mut found = Vec::new();
    for entry in entries(data_dir) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let part = PARTS.iter().position(|(_, prefix, _)| name.starts_with(prefix));
        collect(&entry, part.unwrap_or(PARTS.len()), &mut found);
    }
    rows(&found, now, free)
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// The files of an entry. It follows no link.
fn collect(entry: &DirEntry, part: usize, found: &mut Vec<Found>) {
    let Ok(about) = entry.metadata() else { return };
    if about.is_dir() {
        entries(&entry.path()).for_each(|inner| collect(&inner, part, found));
    } else if about.is_file() {
        found.push(file(part, &about));
    }
}

fn file(part: usize, about: &Metadata) -> Found {
    let time = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        UtcMs::try_from(since.as_millis()).unwrap_or(UtcMs::MAX)
    };
    let made = about.created().ok().map(time);
    let written = about.modified().map_or(0, time);
    Found { part, bytes: about.len(), made, written }
}

fn rows(found: &[Found], now: UtcMs, free: Option<u64>) -> Vec<StorageView> {
    let names = PARTS.map(|(name, _, growth)| (name, growth)).into_iter();
    let mut rows = Vec::new();
    for (part, (name, growth)) in names.chain([(OTHER, Growth::Bounded)]).enumerate() {
        let of: Vec<&Found> = found.iter().filter(|file| file.part == part).collect();
        if !of.is_empty() {
            rows.push(StorageView {
                part: name.to_owned(),
                files: Some(of.len() as u64),
                bytes: of.iter().map(|file| file.bytes).sum(),
                per_day: per_day(&of, growth, now),
                days_to_full: None,
            });
        }
    }
    let growing = rows.iter().any(|row| row.per_day.is_some());
    let per_day: u64 = rows.iter().filter_map(|row| row.per_day).sum();
    let bytes = rows.iter().map(|row| row.bytes).sum();
    rows.push(StorageView {
        part: ALL.to_owned(),
        files: Some(found.len() as u64),
        bytes,
        per_day: growing.then_some(per_day),
        days_to_full: None,
    });
    rows.extend(free.map(|bytes| StorageView {
        part: FREE.to_owned(),
        files: None,
        bytes,
        per_day: None,
        days_to_full: bytes.checked_div(per_day),
    }));
    rows
}

/// The growth of files of one kind, bytes a day.
fn per_day(of: &[&Found], growth: Growth, now: UtcMs) -> Option<u64> {
    let (since, bytes) = match growth {
        Growth::Bounded => return None,
        Growth::Steady => {
            let made = of.iter().map(|file| file.made).min()??;
            (made, of.iter().map(|file| file.bytes).sum::<u64>())
        }
        Growth::Files => {
            let oldest = of.iter().map(|file| file.made.unwrap_or(file.written)).min()?;
            let since = oldest.max(now - WINDOW);
            let recent = of.iter().filter(|file| file.written >= since);
            (since, recent.map(|file| file.bytes).sum())
        }
    };
    let age = u128::try_from(now - since).ok().filter(|age| *age >= YOUNG.unsigned_abs().into())?;
    u64::try_from(u128::from(bytes) * u128::from(DAY.unsigned_abs()) / age).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-05T00:00Z.
    const NOW: UtcMs = 1_767_571_200_000;

    fn found(part: usize, bytes: u64, days_ago: i64) -> Found {
        let made = NOW - days_ago * DAY;
        Found { part, bytes, made: Some(made), written: made }
    }

    #[test]
    fn sealed_files_grow_as_in_the_last_week_and_others_since_they_were_made() {
        let mut all: Vec<Found> = (0..20).map(|day| found(0, 700, day)).collect();
        all.extend([found(1, 5_000, 30), found(2, 3_000, 30), found(4, 10, 0)]);
        let rows = rows(&all, NOW, Some(80_000));
        let shown = |part: &str| {
            let row = rows.iter().find(|row| row.part == part).unwrap();
            (row.files, row.bytes, row.per_day, row.days_to_full)
        };
        // Eight files since seven days ago, its first moment included.
        assert_eq!(shown("journal, sealed"), (Some(20), 14_000, Some(800), None));
        assert_eq!(shown("journal, live"), (Some(1), 5_000, None, None));
        assert_eq!(shown("history"), (Some(1), 3_000, Some(100), None));
        assert_eq!(shown(OTHER), (Some(1), 10, None, None));
        assert_eq!(shown(ALL), (Some(23), 22_010, Some(900), None));
        assert_eq!(shown(FREE), (None, 80_000, None, Some(88)));
    }

    #[test]
    fn what_is_young_or_absent_has_no_growth() {
        let young = Found { made: Some(NOW - YOUNG + 1), ..found(2, 3_000, 0) };
        let unknown = Found { made: None, ..found(3, 3_000, 9) };
        let rows = rows(&[young, unknown], NOW, Some(1));
        assert!(rows.iter().all(|row| row.per_day.is_none() && row.days_to_full.is_none()));
        assert_eq!(of(Path::new("/no/such/folder"), NOW, None).len(), 1, "only the sum");
    }
}
