//! Event time: UTC milliseconds since the Unix epoch, and the widths of bars.

pub use everwarm_kernel::time::{SteadyMs, WallMs};
use serde::{Deserialize, Serialize};
use std::fmt;

/// UTC milliseconds since the Unix epoch.
pub type UtcMs = i64;
/// One minute in milliseconds.
pub const MINUTE: UtcMs = 60_000;
/// One UTC day in milliseconds.
pub const DAY: UtcMs = 86_400_000;

/// Number of the UTC day an instant belongs to.
#[must_use]
pub fn day_of(time: UtcMs) -> i64 {
    time.div_euclid(DAY)
}

/// The UTC date of a day number, as `2018-04-04`; years 0 to 9999.
#[must_use]
pub fn date_of(day: i64) -> String {
    // Years begin in March here, so that the leap day is the last day of its year.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year + era * 400 + carry)
}

/// The time of day, as `12:05 UTC`.
#[must_use]
pub fn clock(time: UtcMs) -> String {
    let minutes = time.rem_euclid(DAY) / MINUTE;
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

/// Width of a bar. Buckets are aligned to the UTC epoch.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Timeframe {
    /// One minute.
    #[default]
    #[serde(rename = "1m")]
    M1,
    /// Five minutes.
    #[serde(rename = "5m")]
    M5,
    /// A quarter of an hour.
    #[serde(rename = "15m")]
    M15,
    /// One hour.
    #[serde(rename = "1h")]
    H1,
    /// Four hours.
    #[serde(rename = "4h")]
    H4,
    /// One UTC day.
    #[serde(rename = "1d")]
    D1,
}

impl Timeframe {
    /// All widths, ascending.
    pub const ALL: [Timeframe; 6] =
        [Timeframe::M1, Timeframe::M5, Timeframe::M15, Timeframe::H1, Timeframe::H4, Timeframe::D1];

    /// Width in milliseconds.
    #[must_use]
    pub const fn ms(self) -> UtcMs {
        match self {
            Timeframe::M1 => MINUTE,
            Timeframe::M5 => 5 * MINUTE,
            Timeframe::M15 => 15 * MINUTE,
            Timeframe::H1 => 60 * MINUTE,
            Timeframe::H4 => 240 * MINUTE,
            Timeframe::D1 => DAY,
        }
    }

    /// Opening time of the bucket that holds `time`.
    #[must_use]
    pub fn open_of(self, time: UtcMs) -> UtcMs {
        time.div_euclid(self.ms()).saturating_mul(self.ms())
    }

    /// The name used on the wire and in configuration: `1m` … `1d`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Timeframe::M1 => "1m",
            Timeframe::M5 => "5m",
            Timeframe::M15 => "15m",
            Timeframe::H1 => "1h",
            Timeframe::H4 => "4h",
            Timeframe::D1 => "1d",
        }
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Timeframe {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Timeframe::ALL
            .into_iter()
            .find(|t| t.name() == text)
            .ok_or_else(|| format!("{text:?} is not a timeframe: 1m, 5m, 15m, 1h, 4h or 1d"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dates() {
        let cases = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (17_625, "2018-04-04"),
            (20_513, "2026-03-01"),
        ];
        for (day, date) in cases {
            assert_eq!(date_of(day), date);
        }
    }
}
