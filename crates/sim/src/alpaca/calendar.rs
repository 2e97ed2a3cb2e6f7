//! The clock and the trading days. A market without sessions trades every day from `00:00` to
//! `24:00` in New York.

use super::error::invalid;
use super::query::Query;
use super::{new_york, times};
use crate::wire::error::ApiError;
use everwarm_domain::sessions::{Session, Sessions};
use everwarm_domain::time::{DAY, UtcMs, date_of};
use serde_json::{Value, json};

/// Most days of one response, about ten years.
const DAYS_MAX: i64 = 3_660;
/// Days of a response without an end.
const DAYS: i64 = 365;

/// Whether the market trades now, and when a day order that arrives now expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trading {
    /// Whether it trades.
    pub open: bool,
    /// Close of the current session, or of the next one. [`UtcMs::MAX`]: not known, or never.
    pub close: UtcMs,
    /// Open of the next session. None: not known, or there are no sessions.
    pub next_open: Option<UtcMs>,
}

impl Trading {
    /// The state of the market at `now`.
    #[must_use]
    pub fn at(sessions: Option<&Sessions>, now: UtcMs) -> Trading {
        let Some(sessions) = sessions.filter(|sessions| sessions.covers(now)) else {
            return Trading { open: true, close: UtcMs::MAX, next_open: None };
        };
        let (session, next) = (sessions.at(now), next(sessions, now));
        let close = session.or(next).map_or(UtcMs::MAX, |session| session.close);
        Trading { open: session.is_some(), close, next_open: next.map(|session| session.open) }
    }
}

/// The first session that opens after `now`.
fn next(sessions: &Sessions, now: UtcMs) -> Option<Session> {
    let spans = sessions.spans();
    spans.get(spans.partition_point(|session| session.open <= now)).copied()
}

/// The clock at `now`; `reported` is the time that it shows.
#[must_use]
pub fn clock(sessions: Option<&Sessions>, now: UtcMs, reported: UtcMs) -> Value {
    let midnight = || new_york::midnight(new_york::day(now) + 1);
    let (is_open, next_open, next_close) = match sessions {
        None => (true, midnight(), midnight()),
        Some(sessions) => {
            let (at, next) = (sessions.at(now), next(sessions, now));
            let opens = next.map_or_else(midnight, |session| session.open);
            let closes = at.or(next).map_or_else(midnight, |session| session.close);
            (at.is_some(), opens, closes)
        }
    };
    json!({
        "timestamp": times::new_york(reported), "is_open": is_open,
        "next_open": times::new_york(next_open), "next_close": times::new_york(next_close),
    })
}

/// The trading days from `start` to `end`. Without them: a year from now on.
///
/// # Errors
/// A wrong date, or too many days.
pub fn calendar(
    sessions: Option<&Sessions>,
    query: Query<'_>,
    now: UtcMs,
) -> Result<Value, ApiError> {
    let date = |name: &str| match query.text(name) {
        None => Ok(None),
        Some(text) => {
            let day = text.get(..10).and_then(times::day);
            day.map(Some).ok_or_else(|| invalid(format!("{name} must be a date: YYYY-MM-DD")))
        }
    };
    let start = date("start")?.unwrap_or_else(|| new_york::day(now));
    let end = date("end")?.unwrap_or(start + DAYS);
    if end - start > DAYS_MAX {
        return Err(invalid(format!("more than {DAYS_MAX} days from start to end")));
    }
    let Some(sessions) = sessions else {
        return Ok((start..=end).map(|day| row(day, "00:00", "24:00")).collect());
    };
    let day = |session: &Session| new_york::day(session.open);
    let spans = sessions.spans();
    let first = spans.partition_point(|session| session.open < (start - 1) * DAY);
    let wanted = spans[first..].iter().take_while(|session| day(session) <= end);
    let wanted = wanted.filter(|session| day(session) >= start);
    let row = |session: &Session| {
        let close = new_york::clock(session.close);
        let close = if close == "00:00" { "24:00" } else { &close };
        row(day(session), &new_york::clock(session.open), close)
    };
    Ok(wanted.map(row).collect())
}

fn row(day: i64, open: &str, close: &str) -> Value {
    json!({"date": date_of(day), "open": open, "close": close})
}
