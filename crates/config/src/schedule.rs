//! A time of the week at which something begins, like `Sun 03:00` or `03:00 Europe/Berlin`.

use super::values::time_of_day;
use everwarm_domain::time::{DAY, UtcMs};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use std::str::FromStr;

/// The days, as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// A time of each day, or of one day of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// None: each day.
    day: Option<Weekday>,
    /// Milliseconds after midnight.
    at: UtcMs,
    zone: TimeZone,
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Schedule, String> {
        let wrong = |why: String| format!("{why}. Write it like \"Sun 03:00\", or add a zone");
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let named = |word: &&str| DAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let day = words.first().and_then(named).map(|(_, day)| *day);
        if day.is_some() {
            words.remove(0);
        }
        let (time, zone) = match words[..] {
            [time] => (time, None),
            [time, zone] => (time, Some(zone)),
            _ => return Err(wrong(format!("{text:?} is not a day and a time"))),
        };
        let at = time_of_day(time).ok().flatten();
        let at = at.ok_or_else(|| wrong(format!("{time:?} is neither a day nor a time of day")))?;
        let zone = zone.map_or(Ok(TimeZone::UTC), TimeZone::get);
        let zone = zone.map_err(|e| wrong(format!("{text:?} has no known time zone: {e}")))?;
        Ok(Schedule { day, at, zone })
    }
}

impl Schedule {
    /// The schedule of a text; none: it is empty.
    ///
    /// # Errors
    /// The text is neither.
    pub fn read(text: &str) -> Result<Option<Schedule>, String> {
        if text.trim().is_empty() { Ok(None) } else { text.parse().map(Some) }
    }

    /// The last time up to `now` at which it is due, UTC milliseconds. A local time that a change
    /// of the clock skips is due after the change. None: `now` is not a time of the calendar.
    #[must_use]
    pub fn last_due(&self, now: UtcMs) -> Option<UtcMs> {
        let instant = Timestamp::from_millisecond(now).ok()?;
        let today = instant.to_zoned(self.zone.clone()).date();
        (0..=8_i64).find_map(|back| {
            let date = today.checked_sub(back.days()).ok()?;
            if self.day.is_some_and(|day| day != date.weekday()) {
                return None;
            }
            let time = date.at(0, 0, 0, 0).checked_add((self.at % DAY).milliseconds()).ok()?;
            let due = time.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond();
            (due <= now).then_some(due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::MINUTE;

    /// 2026-01-05, a Monday.
    const MONDAY: UtcMs = 1_767_571_200_000;

    fn due(text: &str, now: UtcMs) -> UtcMs {
        let schedule: Schedule = text.parse().unwrap();
        schedule.last_due(now).unwrap()
    }

    #[test]
    fn a_schedule_is_due_on_its_day_and_stays_due_until_the_next_one() {
        let three = 180 * MINUTE;
        assert_eq!(due("Sun 03:00", MONDAY), MONDAY - DAY + three);
        assert_eq!(due("sun 03:00", MONDAY - DAY + three), MONDAY - DAY + three);
        assert_eq!(due("Sun 03:00", MONDAY - DAY + three - 1), MONDAY - 8 * DAY + three);
        assert_eq!(due("03:00", MONDAY), MONDAY - DAY + three);
        assert_eq!(due("03:00", MONDAY + three), MONDAY + three);
    }

    #[test]
    fn a_zone_moves_it_with_its_clock_changes() {
        let winter = MONDAY - DAY + 120 * MINUTE;
        assert_eq!(due("Sun 03:00 Europe/Berlin", MONDAY), winter);
        // On 2026-03-29 the clock of Berlin skips from 02:00 to 03:00: 02:30 is due at 03:30.
        let sunday = MONDAY + 83 * DAY;
        assert_eq!(due("Sun 02:30 Europe/Berlin", sunday + DAY), sunday + 90 * MINUTE);
        assert_eq!(
            due("Sun 03:00 Europe/Berlin", sunday + 8 * DAY),
            sunday + 7 * DAY + 60 * MINUTE
        );
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_an_example() {
        for wrong in
            ["Sunday 03:00", "Sun", "Sun 3:00", "Sun 24:00", "Sun off", "Sun 03:00 Nowhere"]
        {
            let why = Schedule::read(wrong).unwrap_err();
            assert!(why.contains("Sun 03:00"), "{why}");
        }
        assert_eq!(Schedule::read(""), Ok(None));
    }
}
