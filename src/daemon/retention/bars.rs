//! Moves old bars from the history into files of Parquet, and removes old files. Counts of scans go
//! from the history with them.
//!
//! `everwarm_domain::bar_retention` says how long bars stay, and `everwarm_history::old_bars` in
//! which order they move. This module gives both their files.

use super::super::backfill::needs;
use super::super::reload::in_force;
use everwarm_config::{BackfillConfig, timeframes};
use everwarm_domain::bar_retention::{Profile, Stay, StorageRules};
use everwarm_domain::money::Decimal;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{DAY, Timeframe, UtcMs};
use everwarm_edge::board::Board;
use everwarm_edge::operation::reload::standing;
use everwarm_edge::world::World;
use everwarm_history::old_bars::{self, Goal, Moved};
use everwarm_runtime::files::Lock;
use everwarm_runtime::store::archive::Archive;
use everwarm_trading::indicators::Needs;
use everwarm_views::backup::failed;
use everwarm_views::exit::{Exit, Failure};
use everwarm_views::scan_days;
use everwarm_views::storage::{BarStep, BarStepView};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// The rules as this program can carry them out: without Parquet there is no archive.
pub fn possible(rules: StorageRules) -> StorageRules {
    static SAID: Once = Once::new();
    let writes = cfg!(feature = "parquet");
    if rules.archive && !writes {
        SAID.call_once(|| {
            tracing::warn!(
                "storage.archive is on, and this program was built without Parquet: bars of 15 \
                 minutes and wider ones stay in the history"
            );
        });
    }
    StorageRules { archive: rules.archive && writes, ..rules }
}

/// The rules of the configuration in force. Without one, nothing is removed.
pub fn rules(board: &Board) -> StorageRules {
    let none = StorageRules::default();
    let value = |key: &str| in_force(board, &format!("storage.{key}"));
    let text = |key: &str| value(key).as_ref().and_then(Value::as_str).map(str::to_owned);
    let megabytes = |key: &str| {
        value(key).and_then(|value| value.as_u64()).unwrap_or_default().saturating_mul(1_000_000)
    };
    let price = value("price_per_gb_month").map(|price| match price {
        Value::String(text) => text,
        price @ (Value::Number(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Array(_)
        | Value::Object(_)) => price.to_string(),
    });
    possible(StorageRules {
        analysis_days: value("analysis_days").and_then(|days| days.as_i64()).unwrap_or_default(),
        profile: text("profile").and_then(|text| text.parse::<Profile>().ok()).unwrap_or_default(),
        bars: text("bars").and_then(|text| text.parse().ok()).unwrap_or(none.bars),
        archive: value("archive").and_then(|value| value.as_bool()).unwrap_or(none.archive),
        archive_dir: text("archive_dir").map(PathBuf::from).unwrap_or_default(),
        scan_history: value("scan_history").and_then(|value| value.as_bool()).unwrap_or_default(),
        price_per_gb_month: price.and_then(|text| text.parse::<Decimal>().ok()).unwrap_or_default(),
        limit: megabytes("limit_mb"),
        min_free: megabytes("min_free_mb"),
        emergency: false,
    })
}

/// What is moved.
pub struct Moving<'a> {
    /// The history.
    pub history: &'a Archive,
    /// How long bars stay.
    pub rules: &'a StorageRules,
    /// The data directory.
    pub data_dir: &'a Path,
    /// The day of the newest input, event time.
    pub today: i64,
    /// Start of the first minute that features need, as far as that is known.
    pub minutes_from: UtcMs,
    /// Start of the first backfilled bar of each width that stays in any case, see [`needed`].
    pub needed: &'a BTreeMap<Timeframe, UtcMs>,
}

/// Start of the first bar of each width on a day that features need, or that a scheduled backfill
/// would fetch again. Without `sessions`, those of the venue are not known.
pub fn needed(
    needs: &Needs,
    backfill: &BackfillConfig,
    sessions: Option<&Sessions>,
    today: i64,
) -> BTreeMap<Timeframe, UtcMs> {
    let through = today.saturating_mul(DAY);
    // Stocks trade in less than a fifth of all hours.
    let longer = if sessions.is_some() { 1 } else { 6 };
    let always = Sessions::ALWAYS;
    let sessions = sessions.unwrap_or(&always);
    let minutes = (Timeframe::M1, needs.minutes_before(through, sessions));
    let all = needs.wide_before(through, sessions).chain([minutes]);
    let from = |first: UtcMs| through.saturating_sub((through - first).saturating_mul(longer));
    let mut needed: BTreeMap<Timeframe, UtcMs> =
        all.map(|(width, times)| (width, from(*times.start()))).collect();
    let scheduled = through.saturating_sub(i64::from(backfill.days).saturating_mul(DAY));
    for width in &backfill.timeframes {
        let first = needed.entry(*width).or_insert(scheduled);
        *first = scheduled.min(*first);
    }
    needed
}

/// The same beside trading.
pub fn needed_now(world: &World, today: i64) -> BTreeMap<Timeframe, UtcMs> {
    let value = |key: &str| in_force(&world.board, key);
    let days = value("history.days").and_then(|days| days.as_u64());
    let widths = value("history.timeframes");
    let widths = widths.as_ref().and_then(|widths| widths.as_str());
    let backfill = BackfillConfig {
        schedule: None,
        days: days.and_then(|days| u32::try_from(days).ok()).unwrap_or_default(),
        timeframes: widths.and_then(|text| timeframes(text).ok()).unwrap_or_default(),
    };
    let needs = needs(&standing(world).now.content.settings());
    needed(&needs, &backfill, Some(&world.board.sessions()), today)
}

/// Start of the first minute that features need on a day. One that joins while the daemon trades
/// takes its minutes from the history.
pub fn minutes_from(world: &World, today: i64) -> UtcMs {
    let needs = needs(&standing(world).now.content.settings());
    let sessions = world.board.sessions();
    *needs.minutes_before(today.saturating_mul(DAY), &sessions).start()
}

impl Moving<'_> {
    /// What would be done.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn plan(&self) -> Result<Vec<BarStepView>, Failure> {
        let folder = self.folder();
        let mut steps = Vec::new();
        for (width, stay) in self.rules.stays() {
            for (file, bytes) in self.expired(width)? {
                steps.push(expired(width, &file, bytes));
            }
            if let Some(from) = self.live_from(width, stay) {
                let of = (width, from);
                let moved = old_bars::move_out(self.history, of, Goal::Count, &mut || true)?;
                let to = stay.archives().then_some(folder.as_path());
                steps.extend(moved.iter().map(|moved| left(width, moved, to)));
                let of = (width, self.backfilled_from(width, from));
                let moved = old_bars::move_backfilled(self.history, of, Goal::Count, &mut || true)?;
                steps.extend(moved.iter().map(|moved| left(width, moved, to)));
            }
        }
        Ok(steps)
    }

    /// Removes scans and files that are too old, then moves the bars that are due. `goes_on` is
    /// called between two steps; `false` ends the work there. After a kill, the next call does the
    /// rest.
    ///
    /// # Errors
    /// A file cannot be read or written. What was not moved stays where it is.
    pub fn run(&self, goes_on: &mut dyn FnMut() -> bool) -> Result<Vec<BarStepView>, Failure> {
        scan_days::remove_old(self.history, self.rules, self.today)?;
        let stays = self.rules.stays();
        let folder = self.folder();
        if !folder.is_dir() && !self.is_due()? {
            return Ok(Vec::new());
        }
        // An export into the same folder writes the same files.
        let _lock = lock(&folder)?;
        let (mut steps, ends) = (Vec::new(), Cell::new(false));
        let mut goes_on = || {
            ends.set(!goes_on());
            !ends.get()
        };
        let mut failure = None;
        for (width, stay) in stays {
            if ends.get() {
                break;
            }
            // A file that cannot be written keeps the bars of its width only.
            match self.width((width, stay), &mut goes_on) {
                Ok(of_width) => steps.extend(of_width),
                Err(why) => failure = failure.or(Some(why)),
            }
        }
        failure.map_or(Ok(steps), Err)
    }

    /// The same for one width.
    fn width(
        &self,
        (width, stay): (Timeframe, Stay),
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<BarStepView>, Failure> {
        let (folder, mut steps) = (self.folder(), Vec::new());
        old_bars::remove_unfinished(&folder, width).map_err(|e| failed(&folder, &e))?;
        for (file, bytes) in self.expired(width)? {
            fs::remove_file(&file).map_err(|e| failed(&file, &e))?;
            steps.push(expired(width, &file, bytes));
        }
        let Some(from) = self.live_from(width, stay) else { return Ok(steps) };
        let files = stay.archives().then(|| files(&folder));
        let goal = files.as_ref().map_or(Goal::Remove, |files| Goal::Files(files));
        let moved = old_bars::move_out(self.history, (width, from), goal, goes_on)?;
        let to = files.is_some().then_some(folder.as_path());
        steps.extend(moved.iter().map(|moved| left(width, moved, to)));
        let of = (width, self.backfilled_from(width, from));
        let moved = old_bars::move_backfilled(self.history, of, goal, goes_on)?;
        steps.extend(moved.iter().map(|moved| left(width, moved, to)));
        Ok(steps)
    }

    /// Start of the first bar of a width that stays in the history; none: all stay.
    fn live_from(&self, width: Timeframe, stay: Stay) -> Option<UtcMs> {
        let from = stay.live_from(self.today)?;
        Some(if width == Timeframe::M1 { from.min(self.minutes_from) } else { from })
    }

    /// Start of the first backfilled bar of a width that stays, if bars from facts stay from `from`
    /// on.
    fn backfilled_from(&self, width: Timeframe, from: UtcMs) -> UtcMs {
        self.needed.get(&width).map_or(from, |needed| from.min(*needed))
    }

    /// Whether bars of the history are due.
    fn is_due(&self) -> Result<bool, Failure> {
        for (width, stay) in self.rules.stays() {
            let Some(from) = self.live_from(width, stay) else { continue };
            let backfilled = self.backfilled_from(width, from);
            if old_bars::due_bytes(self.history, width, from)? > 0
                || old_bars::any_backfilled(self.history, width, backfilled)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn folder(&self) -> PathBuf {
        self.rules.archive_in(self.data_dir)
    }

    /// The files of a width that are too old, with their bytes.
    fn expired(&self, width: Timeframe) -> Result<Vec<(PathBuf, u64)>, Failure> {
        let stay = self.rules.stay(width);
        let Some(from) = stay.all_from(self.today) else { return Ok(Vec::new()) };
        let folder = self.folder();
        let old = old_bars::expired(&folder, width, from).map_err(|e| failed(&folder, &e))?;
        let bytes = |file: &PathBuf| fs::metadata(file).map_or(0, |about| about.len());
        Ok(old.into_iter().map(|file| (file.clone(), bytes(&file))).collect())
    }
}

/// A file that was removed, or would be.
fn expired(timeframe: Timeframe, file: &Path, bytes: u64) -> BarStepView {
    let month = file.file_stem().map(|name| name.to_string_lossy().into_owned());
    let (month, step) = (month.unwrap_or_default(), BarStep::Expired);
    let file = Some(file.display().to_string());
    BarStepView { timeframe, step, month, file, bars: None, bytes }
}

/// Bars that left the history, or would.
fn left(timeframe: Timeframe, moved: &Moved, to: Option<&Path>) -> BarStepView {
    let Moved { month, bars, bytes, .. } = moved.clone();
    let step = if to.is_some() { BarStep::Archived } else { BarStep::Removed };
    let file = to.map(|folder| old_bars::file_of(folder, timeframe, &month).display().to_string());
    BarStepView { timeframe, step, month, file, bars: Some(bars), bytes }
}

/// Creates the folder and locks it.
pub fn lock(folder: &Path) -> Result<Lock, Failure> {
    let held = fs::create_dir_all(folder).and_then(|()| Lock::folder(folder));
    held.map_err(|e| failed(folder, &e))?.ok_or_else(|| {
        let text = format!("{} is in use by an export. Run it again later", folder.display());
        Failure::new(Exit::Failed, text)
    })
}

#[cfg(feature = "parquet")]
fn files(folder: &Path) -> parquet::Folder {
    parquet::Folder(folder.to_owned())
}

#[cfg(feature = "parquet")]
mod parquet {
    use everwarm_domain::id::Symbol;
    use everwarm_domain::time::Timeframe;
    use everwarm_domain::time::UtcMs;
    use everwarm_history::old_bars::{MonthBars, MonthFiles, Sorted, file_of};
    use everwarm_parquet::{BarsReader, BarsWriter, FileError, Row};
    use everwarm_runtime::files::sync_name;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// The folder of an archive.
    pub struct Folder(pub PathBuf);

    impl MonthFiles for Folder {
        fn add(&self, width: Timeframe, month: &str, bars: MonthBars) -> Result<(), String> {
            let file = file_of(&self.0, width, month);
            begin(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            write(&file, width, bars).map_err(|e| {
                let there = file.exists();
                let more = if there { ". Or move the file away" } else { "" };
                format!("{e}{more}")
            })
        }
    }

    /// Creates the folder of a file, on disk.
    fn begin(file: &Path) -> std::io::Result<()> {
        let Some(folder) = file.parent().filter(|folder| !folder.is_dir()) else { return Ok(()) };
        fs::create_dir_all(folder)?;
        folder.ancestors().take(2).try_for_each(sync_name)
    }

    /// Extends the file. The writer reads the new file back and compares it before it replaces the
    /// old one.
    fn write(file: &Path, width: Timeframe, bars: MonthBars) -> Result<(), FileError> {
        let asks = !bars.staying.is_empty() && file.exists();
        let known = if asks { known(file, &bars.staying)? } else { Vec::new() };
        let mut writer = BarsWriter::begin(file, width)?;
        bars.merged(known.into_iter()).values().try_for_each(|bar| writer.add(bar))?;
        writer.finish().map(drop)
    }

    /// The keys of these bars that the file has.
    fn known(file: &Path, of: &Sorted) -> Result<Vec<(Symbol, UtcMs)>, FileError> {
        let rows = BarsReader::open(file)?;
        let key = |row: Row| {
            let key = (row.symbol?, row.open_time);
            of.contains_key(&key).then_some(key)
        };
        rows.filter_map(|row| row.map(key).transpose()).collect()
    }
}

/// A program without Parquet archives nothing.
#[cfg(not(feature = "parquet"))]
fn files(_: &Path) -> NoFiles {
    NoFiles
}

#[cfg(not(feature = "parquet"))]
struct NoFiles;

#[cfg(not(feature = "parquet"))]
impl old_bars::MonthFiles for NoFiles {
    fn add(&self, _: Timeframe, _: &str, _: old_bars::MonthBars) -> Result<(), String> {
        Err("this program was built without Parquet".to_owned())
    }
}
