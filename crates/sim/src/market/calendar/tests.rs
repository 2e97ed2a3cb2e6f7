//! The calendar against published days, and against the days of a recorded fund.

use super::*;
use crate::market::read_bars;
use crate::shared::shared;
use everwarm_domain::sessions::SESSIONS_MAX;
use everwarm_domain::time::{DAY, MINUTE, day_of};
use std::collections::{BTreeMap, BTreeSet};

/// Midnight of a date, UTC.
fn utc(year: i16, month: i8, day: i8) -> UtcMs {
    let midnight = Date::constant(year, month, day).to_zoned(TimeZone::UTC).unwrap();
    midnight.timestamp().as_millisecond()
}

/// A part of the year, which is all inside of it in New York.
fn year(year: i16) -> Sessions {
    nyse_sessions(utc(year, 1, 1) + DAY / 2, utc(year, 12, 31) + DAY / 2).unwrap()
}

/// Month and day.
type MonthDay = (i8, i8);

/// The weekdays without a session, and the half days.
fn exceptions(number: i16) -> [Vec<MonthDay>; 2] {
    let sessions = year(number);
    let found: BTreeMap<i64, i64> =
        sessions.spans().iter().map(|s| (day_of(s.open), s.minutes())).collect();
    let (mut closed, mut half) = (Vec::new(), Vec::new());
    let mut date = Date::constant(number, 1, 1);
    while date.year() == number {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let monthday = (date.month(), date.day());
        match found.get(&day_of(utc(number, date.month(), date.day()))) {
            None if !weekend => closed.push(monthday),
            None | Some(390) => {}
            Some(210) => half.push(monthday),
            Some(minutes) => panic!("{date} has {minutes} minutes"),
        }
        date = date.tomorrow().unwrap();
    }
    [closed, half]
}

/// A year, its number of sessions, its holidays and its half days.
type Published = (i16, usize, &'static [MonthDay], &'static [MonthDay]);

const PUBLISHED: [Published; 7] = [
    (
        2013,
        252,
        &[(1, 1), (1, 21), (2, 18), (3, 29), (5, 27), (7, 4), (9, 2), (11, 28), (12, 25)],
        &[(7, 3), (11, 29), (12, 24)],
    ),
    (
        2014,
        252,
        &[(1, 1), (1, 20), (2, 17), (4, 18), (5, 26), (7, 4), (9, 1), (11, 27), (12, 25)],
        &[(7, 3), (11, 28), (12, 24)],
    ),
    // Christmas is a Saturday; there is no Juneteenth yet. 31 December is a usual day.
    (
        2021,
        252,
        &[(1, 1), (1, 18), (2, 15), (4, 2), (5, 31), (7, 5), (9, 6), (11, 25), (12, 24)],
        &[(11, 26)],
    ),
    // New Year's Day is a Saturday. Juneteenth and Christmas are Sundays.
    (
        2022,
        251,
        &[(1, 17), (2, 21), (4, 15), (5, 30), (6, 20), (7, 4), (9, 5), (11, 24), (12, 26)],
        &[(11, 25)],
    ),
    (
        2024,
        252,
        &[(1, 1), (1, 15), (2, 19), (3, 29), (5, 27), (6, 19), (7, 4), (9, 2), (11, 28), (12, 25)],
        &[(7, 3), (11, 29), (12, 24)],
    ),
    // A national day of mourning on 9 January.
    (
        2025,
        250,
        &[
            (1, 1),
            (1, 9),
            (1, 20),
            (2, 17),
            (4, 18),
            (5, 26),
            (6, 19),
            (7, 4),
            (9, 1),
            (11, 27),
            (12, 25),
        ],
        &[(7, 3), (11, 28), (12, 24)],
    ),
    // Independence Day is a Saturday.
    (
        2026,
        251,
        &[(1, 1), (1, 19), (2, 16), (4, 3), (5, 25), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25)],
        &[(11, 27), (12, 24)],
    ),
];

#[test]
fn holidays_and_half_days_are_those_that_the_exchange_published() {
    for (number, count, closed, half) in PUBLISHED {
        assert_eq!(exceptions(number), [closed.to_vec(), half.to_vec()], "{number}");
        assert_eq!(year(number).spans().len(), count, "{number}");
    }
}

#[test]
fn the_hours_in_utc_move_with_the_clocks_of_new_york() {
    let hour = 60 * MINUTE;
    for (month, day, open) in [
        // Clocks go forward on 9 March 2025, and back on 2 November.
        (3, 7, 14 * hour + 30 * MINUTE),
        (3, 10, 13 * hour + 30 * MINUTE),
        (10, 31, 13 * hour + 30 * MINUTE),
        (11, 3, 14 * hour + 30 * MINUTE),
    ] {
        let day = utc(2025, month, day);
        let session = Session { open: day + open, close: day + open + 390 * MINUTE };
        assert_eq!(year(2025).at(day + 17 * hour), Some(session), "{month} {day}");
    }
    // A half day ends at 13:00 in New York.
    let half = utc(2024, 7, 3);
    let session = year(2024).at(half + 14 * hour).unwrap();
    assert_eq!(session.close, half + 17 * hour);
}

#[test]
fn a_week_has_at_most_five_sessions_and_only_extraordinary_weeks_have_three() {
    for first in [2004, 2012, 2020, 2052, 2092] {
        let sessions = nyse_sessions(utc(first, 1, 1) + DAY / 2, utc(first + 7, 12, 31)).unwrap();
        let mut weeks: BTreeMap<i64, usize> = BTreeMap::new();
        for session in sessions.spans() {
            assert!([210, 390].contains(&session.minutes()), "{session:?}");
            // Day 4 of the epoch is a Monday.
            *weeks.entry((day_of(session.open) - 4).div_euclid(7)).or_default() += 1;
        }
        // The first and the last week are cut.
        let inner: Vec<usize> = weeks.values().copied().collect();
        let inner = &inner[1..inner.len() - 1];
        assert!(inner.iter().all(|n| (3..=5).contains(n)), "{first}: {inner:?}");
        assert!(inner.iter().filter(|n| **n == 3).count() <= 2, "{first}: {inner:?}");
        assert_eq!(weeks.len(), inner.len() + 2);
        assert!(sessions.spans().len() <= SESSIONS_MAX);
    }
}

#[test]
fn the_known_range_is_whole_days_of_new_york() {
    let noon = utc(2025, 3, 10) + 17 * 60 * MINUTE;
    let sessions = nyse_sessions(noon, noon + MINUTE).unwrap();
    let [session] = sessions.spans() else { panic!("{sessions:?}") };
    assert!(session.holds(noon) && session.minutes() == 390);
    let midnight = utc(2025, 3, 10) + 4 * 60 * MINUTE;
    assert_eq!(sessions.until(), Some(midnight + DAY));
    assert!(sessions.covers(midnight) && !sessions.covers(midnight - 1));
    // The day on which clocks go forward has 23 hours, and no session.
    let sunday = nyse_sessions(utc(2025, 3, 9) + DAY / 2, utc(2025, 3, 9) + DAY / 2 + 1).unwrap();
    assert!(sunday.spans().is_empty());
    assert_eq!(sunday.until(), Some(midnight));
    assert!(!sunday.covers(midnight - DAY) && sunday.covers(midnight - DAY + 60 * MINUTE));
}

#[test]
fn ranges_without_a_rule_are_refused_with_the_reason() {
    let known = utc(2025, 1, 1);
    for (from, until, why) in [
        (known, known, "the range is empty"),
        (known, UtcMs::MIN, "the range is empty"),
        (utc(1999, 1, 4), known, "not in the years 2004 to 2099"),
        (known, utc(2100, 1, 4), "not in the years 2004 to 2099"),
        (UtcMs::MIN, known, "not in the years"),
        (known, UtcMs::MAX, "not in the years"),
        (utc(2004, 2, 1), known, "more than 4096"),
    ] {
        let error = nyse_sessions(from, until).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn sessions_are_the_days_on_which_a_fund_has_traded() {
    let path = shared("data").join("us_equities/SPY_1d.csv.gz");
    let (bars, _) = read_bars(&path, usize::MAX).unwrap();
    let last = bars.last().unwrap().open_time;
    let traded: BTreeSet<i64> = bars.iter().map(|bar| day_of(bar.open_time)).collect();
    for first in [2004, 2010, 2016] {
        let until = utc(first + 6, 1, 1).min(last + DAY / 2);
        let sessions = nyse_sessions(utc(first, 1, 1) + DAY / 2, until).unwrap();
        let ruled: BTreeSet<i64> = sessions.spans().iter().map(|s| day_of(s.open)).collect();
        let (from, to) = (day_of(utc(first, 1, 1)), day_of(until - 1));
        let traded: BTreeSet<i64> = traded.range(from..=to).copied().collect();
        let differ: Vec<i64> = ruled.symmetric_difference(&traded).copied().collect();
        assert!(differ.is_empty() && ruled.len() > 1_300, "{first}: {differ:?}");
    }
}
