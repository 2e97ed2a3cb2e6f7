//! Local time in New York, by the rule of the United States since 2007.

use super::times::{HOUR, day_number};
use everwarm_domain::time::{DAY, UtcMs, date_of, day_of};

/// Offset of the local time from UTC at `time`, in milliseconds: -5 hours, -4 hours in summer.
#[must_use]
pub fn offset(time: UtcMs) -> UtcMs {
    let year = date_of(day_of(time)).split('-').next().and_then(|year| year.parse().ok());
    let year = year.unwrap_or(1970);
    // Summer lasts from 2:00 of winter time to 2:00 of summer time.
    let summer = sunday(year, 3, 2) * DAY + 7 * HOUR..sunday(year, 11, 1) * DAY + 6 * HOUR;
    if summer.contains(&time) { -4 * HOUR } else { -5 * HOUR }
}

/// The day of the `n`th Sunday of a month.
fn sunday(year: i64, month: i64, n: i64) -> i64 {
    let first = day_number(year, month, 1);
    // Day 3 was a Sunday.
    first + (3 - first).rem_euclid(7) + 7 * (n - 1)
}

/// Number of the local day that holds `time`.
#[must_use]
pub fn day(time: UtcMs) -> i64 {
    day_of(time + offset(time))
}

/// The first instant of a local day.
#[must_use]
pub fn midnight(day: i64) -> UtcMs {
    // The offset changes at 2:00, so it is the one of this instant or the one an hour before.
    let summer = day * DAY + 4 * HOUR;
    if offset(summer) == -4 * HOUR { summer } else { day * DAY + 5 * HOUR }
}

/// Local hours and minutes, like `09:30`.
#[must_use]
pub fn clock(time: UtcMs) -> String {
    let minutes = (time + offset(time)).rem_euclid(DAY) / 60_000;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::super::times::{read, utc};
    use super::*;

    #[test]
    fn summer_begins_in_march_and_ends_in_november() {
        for (time, local) in [
            ("2026-03-08T06:59:00Z", "01:59"),
            ("2026-03-08T07:00:00Z", "03:00"),
            ("2026-11-01T05:59:00Z", "01:59"),
            ("2026-11-01T06:00:00Z", "01:00"),
            ("2024-03-10T07:00:00Z", "03:00"),
            ("2024-11-03T06:00:00Z", "01:00"),
        ] {
            assert_eq!(clock(read(time).expect("a time")), local, "{time}");
        }
        for (date, begin) in [
            ("2026-03-08", "2026-03-08T05:00:00Z"),
            ("2026-03-09", "2026-03-09T04:00:00Z"),
            ("2026-11-01", "2026-11-01T04:00:00Z"),
            ("2026-11-02", "2026-11-02T05:00:00Z"),
        ] {
            let number = super::super::times::day(date).expect("a date");
            assert_eq!(utc(midnight(number)), begin);
            assert_eq!((day(midnight(number)), day(midnight(number) - 1)), (number, number - 1));
        }
    }
}
