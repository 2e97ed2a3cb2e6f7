//! The calendar of the New York Stock Exchange: its regular sessions, computed by rule.
//!
//! Sources: "Holidays & Trading Hours" (<https://www.nyse.com/markets/hours-calendars>) and
//! Rule 7.2 of the exchange. A holiday on a Saturday is observed on Friday, one on a Sunday on
//! Monday. A New Year's Day on a Saturday is not observed: that Friday ends an accounting period.
//!
//! Libraries were compared: `nyse-holiday-cal` has no half days and needs `chrono`, and others list
//! the days of a few years only. The rule is short, so it is here. Time zones are jiff's job.

use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::UtcMs;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Error, Timestamp};
use std::ops::RangeInclusive;

/// Where the exchange is.
const ZONE: &str = "America/New_York";
/// Hour and minute at which every session opens, New York time.
const OPEN: (i8, i8) = (9, 30);
/// Hour and minute at which a session closes, New York time.
const CLOSE: (i8, i8) = (16, 0);
/// The same on half days.
const HALF_DAY_CLOSE: (i8, i8) = (13, 0);

/// Years for which the rule holds. Earlier years have half days of other rules.
const YEARS: RangeInclusive<i16> = 2004..=2099;
/// First year in which the exchange observes Juneteenth.
const JUNETEENTH_SINCE: i16 = 2022;

/// Days on which the exchange closed for a reason that no rule gives.
const EXTRAORDINARY: [Date; 6] = [
    // National day of mourning for Ronald Reagan.
    Date::constant(2004, 6, 11),
    // National day of mourning for Gerald Ford.
    Date::constant(2007, 1, 2),
    // Hurricane Sandy.
    Date::constant(2012, 10, 29),
    Date::constant(2012, 10, 30),
    // National day of mourning for George H. W. Bush.
    Date::constant(2018, 12, 5),
    // National day of mourning for Jimmy Carter.
    Date::constant(2025, 1, 9),
];

/// The regular sessions of the New York Stock Exchange from `from` to `until`, UTC milliseconds.
/// The known range is widened to whole days of New York.
///
/// # Errors
/// The range is empty, has years before 2004 or after 2099, or has more sessions than
/// [`SESSIONS_MAX`](everwarm_domain::sessions::SESSIONS_MAX), which is about 16 years.
pub fn nyse_sessions(from: UtcMs, until: UtcMs) -> Result<Sessions, String> {
    if until <= from {
        return Err(format!("sessions from {from} to {until}: the range is empty"));
    }
    let zone = TimeZone::get(ZONE).map_err(|e| e.to_string())?;
    let date = |time: UtcMs| match Timestamp::from_millisecond(time) {
        Ok(time) if YEARS.contains(&time.to_zoned(zone.clone()).year()) => {
            Ok(time.to_zoned(zone.clone()).date())
        }
        Ok(_) | Err(_) => Err(format!(
            "{time} ms is not in the years {} to {}, for which the calendar of New York is known",
            YEARS.start(),
            YEARS.end()
        )),
    };
    let (first, last) = (date(from)?, date(until - 1)?);
    let (from, until, spans) = spans(&zone, first, last).map_err(|e| e.to_string())?;
    Sessions::new(from, until, spans)
}

/// The start of the first day, the end of the last one, and the sessions from the one to the other.
fn spans(zone: &TimeZone, first: Date, last: Date) -> Result<(UtcMs, UtcMs, Vec<Session>), Error> {
    let utc = |date: Date, (hour, minute): (i8, i8)| {
        let zoned = date.at(hour, minute, 0, 0).to_zoned(zone.clone())?;
        Ok::<UtcMs, Error>(zoned.timestamp().as_millisecond())
    };
    let mut spans = Vec::new();
    let mut year = Year::of(first.year())?;
    let mut date = first;
    while date <= last {
        if year.number != date.year() {
            year = Year::of(date.year())?;
        }
        if let Some(close) = year.close(date) {
            spans.push(Session { open: utc(date, OPEN)?, close: utc(date, close)? });
        }
        date = date.tomorrow()?;
    }
    // Both are midnights: New York changes its clocks at 02:00.
    Ok((utc(first, (0, 0))?, utc(date, (0, 0))?, spans))
}

/// The days of one year without a usual session.
struct Year {
    number: i16,
    /// Days of holidays, as they are observed.
    holidays: Vec<Date>,
    /// Days that are half days, unless they are holidays or at a weekend.
    half: [Date; 3],
}

impl Year {
    fn of(number: i16) -> Result<Year, Error> {
        let date = |month: i8, day: i8| Date::new(number, month, day);
        // The weekday number `nth` of a month; -1 is the last one.
        let nth = |month: i8, nth: i8, weekday: Weekday| {
            date(month, 1)?.nth_weekday_of_month(nth, weekday)
        };
        let thanksgiving = nth(11, 4, Weekday::Thursday)?;
        let new_year = date(1, 1)?;
        let mut holidays = vec![
            nth(1, 3, Weekday::Monday)?,
            nth(2, 3, Weekday::Monday)?,
            good_friday(number)?,
            nth(5, -1, Weekday::Monday)?,
            observed(date(7, 4)?)?,
            nth(9, 1, Weekday::Monday)?,
            thanksgiving,
            observed(date(12, 25)?)?,
        ];
        if new_year.weekday() != Weekday::Saturday {
            holidays.push(observed(new_year)?);
        }
        if number >= JUNETEENTH_SINCE {
            holidays.push(observed(date(6, 19)?)?);
        }
        let half = [date(7, 3)?, thanksgiving.tomorrow()?, date(12, 24)?];
        Ok(Year { number, holidays, half })
    }

    /// Hour and minute at which the session of a day of this year closes; none: it has no session.
    fn close(&self, date: Date) -> Option<(i8, i8)> {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend || self.holidays.contains(&date) || EXTRAORDINARY.contains(&date) {
            return None;
        }
        Some(if self.half.contains(&date) { HALF_DAY_CLOSE } else { CLOSE })
    }
}

/// The day on which a holiday is observed.
fn observed(holiday: Date) -> Result<Date, Error> {
    match holiday.weekday() {
        Weekday::Saturday => holiday.yesterday(),
        Weekday::Sunday => holiday.tomorrow(),
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => Ok(holiday),
    }
}

/// Two days before Easter Sunday, by the table of the Gregorian calendar for 1900 to 2099.
fn good_friday(year: i16) -> Result<Date, Error> {
    // Days from 21 March to the full moon, then to the Sunday after it.
    let moon = (19 * (year % 19) + 24) % 30;
    let sunday = (2 * (year % 4) + 4 * (year % 7) + 6 * moon + 5) % 7;
    // The two exceptions of the table: Easter is never later than 25 April.
    let late = moon + sunday == 35 || (moon == 28 && sunday == 6 && year % 19 > 10);
    let easter = moon + sunday + if late { -6 } else { 1 };
    let equinox = Date::new(year, 3, 21)?;
    equinox.checked_add(jiff::Span::new().days(easter - 2))
}

#[cfg(test)]
mod tests;
