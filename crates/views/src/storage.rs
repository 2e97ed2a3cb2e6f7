//! What a data directory holds: bytes by kind of file, how fast they grow, and when the disk is
//! full.

use everwarm_domain::bar_retention::StorageRules;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{Timeframe, UtcMs, day_of};
use everwarm_history::old_bars;
use everwarm_runtime::store::archive::Archive;
use everwarm_words::text::{megabytes, thousands};
use serde::{Deserialize, Serialize};
use std::fmt;
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
const PARTS: [(&str, &str, Growth); 5] = [
    ("journal, sealed", "live.segments", Growth::Files),
    // It keeps the newest facts only, so it does not grow for ever.
    ("journal, live", "live.", Growth::Bounded),
    ("history", "history.redb", Growth::Steady),
    ("simulated exchange", "exchange", Growth::Steady),
    // Its place is configured. It has bars for a time only.
    ("archive", "", Growth::Bounded),
];
/// Index of the history in [`PARTS`].
const HISTORY: usize = 2;
/// Index of the archive in [`PARTS`].
const ARCHIVE: usize = 4;
/// Bytes of a gigabyte.
const GIGABYTE: i64 = 1_000_000_000;
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
    /// The kind: `journal, sealed`, `journal, live`, `history`, `simulated exchange`, `archive`,
    /// `other files`; `all` is their sum, `free on the disk` the space that no file uses.
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
    /// Bytes that the next night moves to the archive or removes, estimated; none: it removes
    /// nothing of this kind, or that is unknown.
    #[serde(default)]
    pub due: Option<u64>,
    /// Cost a month, by `storage.price_per_gb_month`; none: the price is not configured.
    #[serde(default)]
    pub cost_per_month: Option<Decimal>,
}

/// What happens to old bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BarStep {
    /// They go from the history to a file of the archive.
    Archived,
    /// They are removed from the history. No file has them.
    Removed,
    /// A file of the archive is removed.
    Expired,
}

/// Old bars of one width and month that were moved or removed, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BarStepView {
    /// Width of the bars.
    #[schema(value_type = String)]
    pub timeframe: Timeframe,
    /// What happens to them.
    pub step: BarStep,
    /// Their month, UTC, like `2026-11`.
    pub month: String,
    /// The file of the archive; none: no file has them.
    pub file: Option<String>,
    /// Number of bars that leave the history; none of a file that is removed.
    pub bars: Option<u64>,
    /// Their bytes in the history, or those of the file.
    pub bytes: u64,
}

impl fmt::Display for BarStepView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BarStepView { timeframe, step, month, file, bars, bytes } = self;
        let bars = thousands(bars.unwrap_or_default());
        let (file, size) = (file.as_deref().unwrap_or_default(), megabytes(*bytes));
        match step {
            BarStep::Archived => {
                write!(f, "{timeframe} {month}: {bars} bars from the history to {file}")
            }
            BarStep::Removed => write!(f, "{timeframe} {month}: {bars} bars removed"),
            BarStep::Expired => write!(f, "{timeframe} {month}: {file} removed, {size} MB"),
        }
    }
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
    /// Old bars that left the history or the archive, or would.
    #[serde(default)]
    pub bars: Vec<BarStepView>,
}

/// What a request to remove facts and bars names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetainRequest {
    /// Days of the journal that stay whole, 1 to 36,500; none: `storage.analysis_days`.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 36_500)]
    pub days: Option<i64>,
    /// Whether nothing is removed.
    #[serde(default)]
    pub dry_run: bool,
}

/// The state of such a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetainState {
    /// There was no request since the start.
    #[default]
    None,
    /// It is carried out.
    Running,
    /// It has ended.
    Done,
    /// It has failed: nothing was removed, or not everything.
    Failed,
}

/// A request to remove facts and bars, beside trading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetainRunView {
    /// Its number since the start of the process; 0: there was none.
    pub run: u64,
    /// Its state.
    pub state: RetainState,
    /// The request.
    pub request: RetainRequest,
    /// What was removed; none: it has not ended.
    pub removed: Option<RetainView>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether it failed because facts differ from their inputs.
    pub differs: bool,
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

/// A data directory, and how long its bars and facts stay.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The data directory.
    pub data_dir: &'a Path,
    /// How long they stay.
    pub rules: &'a StorageRules,
    /// The history; none: what is due is not counted.
    pub history: Option<&'a Archive>,
}

/// What a data directory and its archive hold at a time of the wall clock. Files that vanish
/// meanwhile are left out.
#[must_use]
pub fn of(place: &Place<'_>, now: UtcMs, free: Option<u64>) -> Vec<StorageView> {
    let mut rows = rows(&found(place), now, free);
    let due = due(place);
    for (part, bytes) in [(HISTORY, due.0), (ARCHIVE, due.1)] {
        let row = rows.iter_mut().find(|row| row.part == PARTS[part].0);
        if let (Some(row), true) = (row, bytes > 0) {
            row.due = Some(bytes);
        }
    }
    let price = place.rules.price_per_gb_month;
    for row in rows.iter_mut().filter(|row| row.part != FREE && !price.is_zero()) {
        let cost = Decimal::from(row.bytes).checked_mul(price);
        row.cost_per_month =
            cost.map(|cost| (cost / Decimal::from(GIGABYTE)).round_dp(4).normalize());
    }
    rows
}

/// The files of a data directory and its archive.
fn found(place: &Place<'_>) -> Vec<Found> {
    let (mut found, archive) = (Vec::new(), place.rules.archive_in(place.data_dir));
    for entry in entries(place.data_dir) {
        if entry.path() != archive {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let of = |(_, prefix, _): &(&str, &str, Growth)| {
                !prefix.is_empty() && name.starts_with(prefix)
            };
            let part = PARTS.iter().position(of);
            collect(&entry, part.unwrap_or(PARTS.len()), &mut found);
        }
    }
    entries(&archive).for_each(|entry| collect(&entry, ARCHIVE, &mut found));
    found
}

/// Bytes of the history and of the archive that are due. What cannot be read counts as nothing.
fn due(place: &Place<'_>) -> (u64, u64) {
    let Some(history) = place.history else { return (0, 0) };
    let newest = everwarm_history::bars::newest(history, Timeframe::M1).ok().flatten();
    let Some(today) = newest.map(day_of) else { return (0, 0) };
    let folder = place.rules.archive_in(place.data_dir);
    let (mut live, mut files) = (0_u64, 0_u64);
    for (width, stay) in place.rules.stays() {
        if let Some(from) = stay.live_from(today) {
            let due = old_bars::due_bytes(history, width, from).unwrap_or_default();
            live = live.saturating_add(due);
        }
        let Some(from) = stay.all_from(today) else { continue };
        for file in old_bars::expired(&folder, width, from).unwrap_or_default() {
            files = files.saturating_add(fs::metadata(file).map_or(0, |about| about.len()));
        }
    }
    (live, files)
}

/// Size of all files of a data directory and its archive, bytes: the part `all`.
#[must_use]
pub fn size(place: &Place<'_>) -> u64 {
    found(place).iter().map(|file| file.bytes).sum()
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
                due: None,
                cost_per_month: None,
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
        due: None,
        cost_per_month: None,
    });
    rows.extend(free.map(|bytes| StorageView {
        part: FREE.to_owned(),
        files: None,
        bytes,
        per_day: None,
        days_to_full: bytes.checked_div(per_day),
        due: None,
        cost_per_month: None,
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
        all.extend([found(1, 5_000, 30), found(2, 3_000, 30)]);
        all.push(found(PARTS.len(), 10, 0));
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
        let rules = StorageRules::default();
        let place = Place { data_dir: Path::new("/no/such/folder"), rules: &rules, history: None };
        assert_eq!(of(&place, NOW, None).len(), 1, "only the sum");
    }

    #[test]
    fn the_archive_is_a_part_wherever_it_lies_and_a_price_gives_the_cost() {
        let name = format!("everwarm-storage-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let (data_dir, elsewhere) = (folder.join("data"), folder.join("elsewhere"));
        for archive in [data_dir.join("archive"), elsewhere.clone()] {
            std::fs::create_dir_all(archive.join("1m")).unwrap();
            std::fs::write(archive.join("1m/2026-01.parquet"), vec![0; 2_000]).unwrap();
        }
        std::fs::write(data_dir.join("history.redb"), vec![0; 3_000]).unwrap();
        let price_per_gb_month = Decimal::from(250_000);
        let shown = |archive_dir: &Path, part: &str| {
            let archive_dir = archive_dir.to_owned();
            let rules = StorageRules { archive_dir, price_per_gb_month, ..StorageRules::default() };
            let place = Place { data_dir: &data_dir, rules: &rules, history: None };
            let rows = of(&place, NOW, Some(5));
            let row = rows.into_iter().find(|row| row.part == part).unwrap();
            (row.bytes, row.cost_per_month.map(|cost| cost.to_string()))
        };
        let cost = |text: &str| Some(text.to_owned());
        assert_eq!(shown(Path::new(""), "archive"), (2_000, cost("0.5")));
        assert_eq!(shown(Path::new(""), "history"), (3_000, cost("0.75")));
        assert_eq!(shown(Path::new(""), ALL), (5_000, cost("1.25")));
        assert_eq!(shown(&elsewhere, "archive").0, 2_000);
        assert_eq!(shown(&elsewhere, OTHER).0, 2_000, "an earlier archive is an other file");
        assert_eq!(shown(Path::new(""), FREE), (5, None));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_step_names_the_bars_and_the_file() {
        let view = |step, file: Option<&str>, bars| {
            let (month, file) = ("2026-01".to_owned(), file.map(str::to_owned));
            let timeframe = Timeframe::M1;
            BarStepView { timeframe, step, month, file, bars, bytes: 1_500_000 }.to_string()
        };
        let file = "archive/1m/2026-01.parquet";
        assert_eq!(
            view(BarStep::Archived, Some(file), Some(86_400)),
            format!("1m 2026-01: 86,400 bars from the history to {file}")
        );
        assert_eq!(view(BarStep::Removed, None, Some(5)), "1m 2026-01: 5 bars removed");
        let expired = view(BarStep::Expired, Some(file), None);
        assert_eq!(expired, format!("1m 2026-01: {file} removed, 1.5 MB"));
    }
}
