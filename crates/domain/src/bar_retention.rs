//! How long bars stay, by width: first in the history, then as files of the archive.
//!
//! [`StorageRules::stays`] is the table in force. No other code decides how long a bar stays.
//!
//! 1. No width leaves the history earlier than [`least`]: queries and features need those bars.
//! 2. Bars of 1 and 5 minutes stay for `analysis_days` in all, as the facts about them do.
//! 3. Without files of an archive, only bars of 1 and 5 minutes are removed, except by a profile.

use crate::money::Decimal;
use crate::time::{DAY, Timeframe, UtcMs};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The default of `storage.bars`.
pub const TABLE: &str = "1m: 30/90, 5m: 30/90, 15m: 182/365, 1h: 365/730, 4h: 365/730";
/// Folder of the archive in the data directory.
pub const FOLDER: &str = "archive";
/// The longest time, days.
const DAYS_MAX: i64 = 36_500;
/// Days for which `compact` keeps bars of 15 minutes.
const COMPACT_DAYS: i64 = 14;

/// How long the bars of one width stay, days since they opened; none: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stay {
    /// In the history.
    pub live: Option<i64>,
    /// In all: the archive has them after `live`. If both are equal, no file has them.
    pub all: Option<i64>,
    /// Whether no file is written. Files that are there stay as long as `all` says.
    pub unwritten: bool,
}

impl Stay {
    /// Removed without an archive after so many days.
    const fn only(days: i64) -> Stay {
        Stay { live: Some(days), all: Some(days), unwritten: false }
    }

    /// Start of the first bar that stays in the history on a day; none: all stay.
    #[must_use]
    pub fn live_from(self, today: i64) -> Option<UtcMs> {
        self.live.map(|days| start_of(today, days))
    }

    /// Start of the first bar that stays at all on a day; none: all stay.
    #[must_use]
    pub fn all_from(self, today: i64) -> Option<UtcMs> {
        self.all.map(|days| start_of(today, days))
    }

    /// Whether bars that leave the history are written to the archive first.
    #[must_use]
    pub fn archives(self) -> bool {
        self.live.is_some() && self.live != self.all && !self.unwritten
    }
}

fn start_of(today: i64, days: i64) -> UtcMs {
    today.saturating_sub(days).saturating_mul(DAY)
}

/// Least number of days in the history. Bars of minutes: 43,200 of one minute, so that a feature
/// that joins finds what the longest average needs. Hours and days: what `regimes` reads.
#[must_use]
pub const fn least(width: Timeframe) -> i64 {
    match width {
        Timeframe::M1 | Timeframe::M5 => 30,
        Timeframe::M15 => COMPACT_DAYS,
        Timeframe::H1 | Timeframe::H4 => 60,
        Timeframe::D1 => 1_000,
    }
}

/// How long bars stay by the profile `compact`.
const fn compact(width: Timeframe) -> Stay {
    match width {
        Timeframe::M1 | Timeframe::M5 => Stay::only(least(width)),
        Timeframe::M15 => Stay::only(COMPACT_DAYS),
        Timeframe::H1 | Timeframe::H4 | Timeframe::D1 => {
            Stay { live: None, all: None, unwritten: false }
        }
    }
}

/// How long bars stay, by width, as in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BarTable(Vec<(Timeframe, Stay)>);

impl FromStr for BarTable {
    type Err = String;

    /// Reads a table like `1m: 30/90, 1h: 365`. Other widths stay for ever.
    fn from_str(text: &str) -> Result<BarTable, String> {
        let mut rows: Vec<(Timeframe, Stay)> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let row = row(part)?;
            if rows.iter().any(|(width, _)| *width == row.0) {
                return Err(format!("{} is there twice", row.0));
            }
            rows.push(row);
        }
        Ok(BarTable(rows))
    }
}

fn row(text: &str) -> Result<(Timeframe, Stay), String> {
    let form =
        || format!("{text:?} is not a width with its days, like \"1m: 30/90\" or \"1h: 365\"");
    let (width, days) = text.split_once(':').ok_or_else(form)?;
    let width: Timeframe = width.trim().parse()?;
    let number = |text: &str| match text.trim().parse::<i64>() {
        Ok(days) if (1..=DAYS_MAX).contains(&days) => Ok(days),
        Ok(days) => Err(format!("{width}: {days} is not in the range 1 to {DAYS_MAX}")),
        Err(_) => Err(form()),
    };
    let (live, all) = match days.split_once('/') {
        Some((live, all)) => (number(live)?, Some(number(all)?)),
        None => (number(days)?, None),
    };
    if live < least(width) {
        let least = least(width);
        return Err(format!("{width}: {live} days are too few, the history needs {least}"));
    }
    if let Some(all) = all.filter(|all| *all < live) {
        let text = format!("{width}: {all} days in all are fewer than {live} in the history");
        return Err(text);
    }
    Ok((width, Stay { live: Some(live), all, unwritten: false }))
}

/// How much storage is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// As `storage.bars` says.
    #[default]
    Standard,
    /// Little: no archive, bars of minutes for weeks, bars of hours and days for ever.
    Compact,
}

impl Profile {
    /// The names of all profiles.
    pub const NAMES: &'static [&'static str] = &["standard", "compact"];
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Profile, String> {
        match text {
            "standard" => Ok(Profile::Standard),
            "compact" => Ok(Profile::Compact),
            _ => Err(format!("{text:?} is not one of {}", Profile::NAMES.join(", "))),
        }
    }
}

/// The configuration of storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRules {
    /// Days for which the journal keeps bars and what is computed from them; 0: for ever, and
    /// nothing is removed from the history either.
    pub analysis_days: i64,
    /// The profile.
    pub profile: Profile,
    /// The table of the profile `standard`.
    pub bars: BarTable,
    /// Whether bars are written to the archive before they leave the history.
    pub archive: bool,
    /// Folder of the archive; empty: [`FOLDER`] in the data directory.
    pub archive_dir: PathBuf,
    /// Whether each night keeps bars near a signal of a strategy.
    pub scan_history: bool,
    /// Price of a gigabyte for a month; 0: unknown.
    pub price_per_gb_month: Decimal,
    /// Size of all files at which the emergency begins, bytes; 0: there is no limit.
    pub limit: u64,
    /// Free space on the disk below which the emergency begins, bytes; 0: there is no limit.
    pub min_free: u64,
    /// Whether an emergency has begun and no operator has lifted it. Then bars stay in the history
    /// as the profile `compact` says, and files of the archive as long as without the emergency.
    pub emergency: bool,
}

impl Default for StorageRules {
    /// Nothing is removed.
    fn default() -> StorageRules {
        StorageRules {
            analysis_days: 0,
            profile: Profile::Standard,
            bars: BarTable(Vec::new()),
            archive: true,
            archive_dir: PathBuf::new(),
            scan_history: false,
            price_per_gb_month: Decimal::ZERO,
            limit: 0,
            min_free: 0,
            emergency: false,
        }
    }
}

impl StorageRules {
    /// How long bars of a width stay.
    #[must_use]
    pub fn stay(&self, width: Timeframe) -> Stay {
        let usual = self.usual(width);
        if !self.emergency {
            return usual;
        }
        let live = compact(width).live.map(|days| usual.live.map_or(days, |live| live.min(days)));
        Stay { live, all: usual.all, unwritten: true }
    }

    /// The same without an emergency.
    fn usual(&self, width: Timeframe) -> Stay {
        let minutes = matches!(width, Timeframe::M1 | Timeframe::M5);
        if self.analysis_days == 0 {
            return Stay::default();
        }
        match self.profile {
            Profile::Compact => compact(width),
            Profile::Standard if !self.archive => {
                let days = self.analysis_days.max(least(width));
                if minutes { Stay::only(days) } else { Stay::default() }
            }
            Profile::Standard => {
                let row = self.bars.0.iter().find(|(of, _)| *of == width);
                let Stay { live, all, .. } = row.map(|(_, stay)| *stay).unwrap_or_default();
                let facts = if minutes { self.analysis_days } else { 0 };
                Stay { live, all: all.map(|days| days.max(facts)), unwritten: false }
            }
        }
    }

    /// The table in force.
    #[must_use]
    pub fn stays(&self) -> [(Timeframe, Stay); 6] {
        Timeframe::ALL.map(|width| (width, self.stay(width)))
    }

    /// The folder of the archive. A relative path is below the data directory.
    #[must_use]
    pub fn archive_in(&self, data_dir: &Path) -> PathBuf {
        let given = self.archive_dir.as_path();
        data_dir.join(if given.as_os_str().is_empty() { Path::new(FOLDER) } else { given })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> StorageRules {
        let bars = text.parse().unwrap();
        StorageRules { analysis_days: 90, bars, ..StorageRules::default() }
    }

    /// Each width that does not stay for ever: days in the history, and in all.
    fn shown(rules: &StorageRules) -> String {
        let rows = rules.stays().map(|(width, Stay { live, all, .. })| match (live, all) {
            (None, None) => String::new(),
            (live, all) => {
                let days = |days: Option<i64>| days.map_or("ever".to_owned(), |d| d.to_string());
                format!("{width} {}/{} ", days(live), days(all))
            }
        });
        rows.concat().trim().to_owned()
    }

    #[test]
    fn each_width_stays_as_long_as_the_table_says() {
        let table = rules(TABLE);
        let standard = "1m 30/90 5m 30/90 15m 182/365 1h 365/730 4h 365/730";
        assert_eq!(shown(&table), standard);
        assert!(
            table
                .stays()
                .iter()
                .all(|(width, stay)| { stay.archives() == (*width != Timeframe::D1) })
        );
        // Minutes stay as long as the facts about them.
        let long = StorageRules { analysis_days: 200, ..table.clone() };
        let with_facts = "1m 30/200 5m 30/200 15m 182/365 1h 365/730 4h 365/730";
        assert_eq!(shown(&long), with_facts);
        // Nothing is removed for ever.
        let ever = StorageRules { analysis_days: 0, ..table.clone() };
        assert_eq!(shown(&ever), "");
        let compact = StorageRules { profile: Profile::Compact, ..table.clone() };
        assert_eq!(shown(&compact), "1m 30/30 5m 30/30 15m 14/14");
        let off = StorageRules { archive: false, ..compact.clone() };
        assert_eq!(shown(&off), shown(&compact));
        assert!(compact.stays().iter().all(|(_, stay)| !stay.archives()));
        assert_eq!(shown(&rules("1h: 60, 15m: 14/14")), "15m 14/14 1h 60/ever");
    }

    #[test]
    fn in_an_emergency_the_history_is_compact_and_files_stay_as_long_as_before() {
        let table = StorageRules { emergency: true, ..rules(TABLE) };
        assert_eq!(shown(&table), "1m 30/90 5m 30/90 15m 14/365 1h ever/730 4h ever/730");
        assert!(table.stays().iter().all(|(_, stay)| !stay.archives()), "no file is written");
        let ever = StorageRules { analysis_days: 0, ..table };
        assert_eq!(shown(&ever), "1m 30/ever 5m 30/ever 15m 14/ever");
    }

    #[test]
    fn without_files_it_removes_no_more_than_before_there_was_an_archive() {
        for days in [1, 30, 90, 400] {
            let table = StorageRules { analysis_days: days, ..rules(TABLE) };
            let off = StorageRules { archive: false, ..table };
            let stay = days.max(30);
            assert_eq!(shown(&off), format!("1m {stay}/{stay} 5m {stay}/{stay}"));
        }
    }

    #[test]
    fn nothing_is_removed_before_a_need_ends() {
        for profile in [Profile::Standard, Profile::Compact] {
            for days in [0, 1, 90, 36_500] {
                for archive in [false, true] {
                    let of = StorageRules { analysis_days: days, profile, ..rules(TABLE) };
                    let table = StorageRules { archive, ..of };
                    for emergency in [false, true] {
                        let table = StorageRules { emergency, ..table.clone() };
                        for (width, Stay { live, all, .. }) in table.stays() {
                            assert!(live.is_none_or(|live| live >= least(width)), "{width}");
                            assert!(all.is_none_or(|all| live.is_none_or(|live| all >= live)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_table_is_refused_with_its_place() {
        let wrong = |text: &str| text.parse::<BarTable>().unwrap_err();
        assert_eq!(wrong("1m: 7/90"), "1m: 7 days are too few, the history needs 30");
        assert_eq!(wrong("1d: 365"), "1d: 365 days are too few, the history needs 1000");
        assert_eq!(wrong("1h: 365/90"), "1h: 90 days in all are fewer than 365 in the history");
        assert_eq!(wrong("1h: 365, 1h: 400"), "1h is there twice");
        assert_eq!(wrong("1h: 99999"), "1h: 99999 is not in the range 1 to 36500");
        assert!(wrong("2h: 365").contains("\"2h\" is not a timeframe"));
        for text in ["1h", "1h:", "1h: x", "1h: 365/", "1h: -5", "1h: 365/730/9"] {
            assert!(!wrong(text).is_empty(), "{text}");
        }
        assert_eq!(rules("").stays(), Timeframe::ALL.map(|width| (width, Stay::default())));
    }

    #[test]
    fn a_day_is_whole() {
        let stay = Stay { live: Some(30), all: Some(90), unwritten: false };
        assert_eq!(stay.live_from(100), Some(70 * DAY));
        assert_eq!(stay.all_from(100), Some(10 * DAY));
        assert_eq!(Stay::default().live_from(100), None);
    }

    #[test]
    fn the_folder_of_the_archive_is_below_the_data_directory_unless_it_is_elsewhere() {
        let folder = |dir: &str| {
            let rules = StorageRules { archive_dir: dir.into(), ..StorageRules::default() };
            rules.archive_in(Path::new("/data")).display().to_string()
        };
        assert_eq!(folder(""), "/data/archive");
        assert_eq!(folder("old"), "/data/old");
        assert_eq!(folder("/mnt/old"), "/mnt/old");
    }
}
