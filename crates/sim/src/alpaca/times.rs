//! Times of the protocol: RFC 3339 with a fraction, or a date.

use super::new_york;
use everwarm_domain::time::{DAY, MINUTE, UtcMs, date_of, day_of};

/// Milliseconds of an hour.
pub const HOUR: UtcMs = 60 * MINUTE;
/// Years that a time may have.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2200;

/// A time in UTC, like `2026-11-20T14:40:58.828Z`. Full seconds have no fraction.
#[must_use]
pub fn utc(time: UtcMs) -> String {
    format!("{}Z", local(time))
}

/// A time in New York, like `2026-11-20T09:40:58.828-05:00`.
#[must_use]
pub fn new_york(time: UtcMs) -> String {
    let offset = new_york::offset(time);
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{}{sign}{:02}:00", local(time + offset), offset.abs() / HOUR)
}

fn local(time: UtcMs) -> String {
    let of_day = time.rem_euclid(DAY);
    let (second, ms) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}", date_of(day_of(time)))
}

/// Date and time in UTC without separators, with milliseconds: `20261120144058828`.
#[must_use]
pub fn compact(time: UtcMs) -> String {
    let of_day = time.rem_euclid(DAY);
    let (second, ms) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let date = date_of(day_of(time)).replace('-', "");
    format!("{date}{hour:02}{minute:02}{second:02}{ms:03}")
}

/// The number of the day with this date, like `2026-11-20`.
#[must_use]
pub fn day(text: &str) -> Option<i64> {
    let number = |part: &str, digits: usize| {
        let plain = part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| plain)
    };
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    if !YEARS.contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let days = day_number(year, month, day);
    // A day that its month does not have is another date.
    (date_of(days) == text).then_some(days)
}

/// The number of the day of a date.
#[must_use]
pub fn day_number(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last day of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads a time with its offset from UTC, or a date, which is its first instant in UTC. Digits
/// beyond milliseconds are dropped.
#[must_use]
pub fn read(text: &str) -> Option<UtcMs> {
    let date = day(text.get(..10)?)? * DAY;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else { return Some(date) };
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    // A plus in a query may have been read as a blank.
    let zone = rest.find(['Z', 'z', '+', '-', ' '])?;
    let (clock, zone) = (rest.get(..zone)?, rest.get(zone..)?);
    let time = date + of_day(clock)?;
    match zone.split_at_checked(1)? {
        ("Z" | "z", "") => Some(time),
        ("-", ahead) => Some(time + offset(ahead)?),
        ("+" | " ", ahead) => Some(time - offset(ahead)?),
        _ => None,
    }
}

fn of_day(clock: &str) -> Option<UtcMs> {
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if !(1..=9).contains(&fraction.len()) || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let ms: UtcMs = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let (hours, seconds) = clock.split_at_checked(5)?;
    let seconds = two(seconds.strip_prefix(':')?, 59)?;
    Some(offset(hours)? + seconds * 1_000 + ms)
}

/// Hours and minutes, like `14:40`, in milliseconds.
fn offset(text: &str) -> Option<UtcMs> {
    let (hours, minutes) = text.split_once(':')?;
    Some(two(hours, 23)? * HOUR + two(minutes, 59)? * MINUTE)
}

/// A number of two digits.
fn two(text: &str, most: i64) -> Option<i64> {
    let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        let at = 1_795_185_658_828;
        assert_eq!(utc(at), "2026-11-20T14:40:58.828Z");
        assert_eq!(new_york(at), "2026-11-20T09:40:58.828-05:00");
        assert_eq!(compact(at), "20261120144058828");
        for text in [
            "2026-11-20T14:40:58.828Z",
            "2026-11-20t14:40:58.828172999z",
            "2026-11-20T09:40:58.828-05:00",
            "2026-11-20T15:40:58.828+01:00",
            "2026-11-20 15:40:58.828 01:00",
        ] {
            assert_eq!(read(text), Some(at), "{text}");
        }
        assert_eq!(read("2026-11-20"), Some(at - at.rem_euclid(DAY)));
        assert_eq!(utc(1_795_185_658_000), "2026-11-20T14:40:58Z");
        for time in [0, 951_782_400_000, 4_102_444_799_999] {
            assert_eq!(read(&utc(time)), Some(time));
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "x",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "2026-11-20T",
            "2026-11-20T14:40Z",
            "2026-11-20T24:00:00Z",
            "2026-11-20T14:40:58",
            "2026-11-20T14:40:58.Z",
            "2026-11-20T14:40:58.1234567890Z",
            "2026-11-20T14:40:58Zx",
            "2026-11-20T14:40:58+1",
            "+026-11-20",
            "9999-01-01",
            "ä026-11-20T14:40:58Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
