//! Statistics over the window of a request: a sliding window or a trading day.

use super::error::ApiError;
use super::params::Params;
use super::stats::DayStats;
use crate::exchange::Exchange;
use crate::market::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{MINUTE, UtcMs};
use serde_json::Value;

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The windows of streams: name and length.
pub const WINDOWS: [(&str, i64); 3] = [("1h", HOUR), ("4h", 4 * HOUR), ("1d", DAY)];

/// The start of a window of this length: a full minute.
#[must_use]
pub fn begin(now: UtcMs, length: i64) -> UtcMs {
    let from = now - length;
    from - from.rem_euclid(MINUTE)
}

/// A window: the trades from its start to now, and the end that the response shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: UtcMs,
    now: UtcMs,
    /// The end that the response shows.
    end: UtcMs,
}

/// Reads `windowSize`: 1m to 59m, 1h to 23h, 1d to 7d; a day by default. The window starts at a
/// full minute.
///
/// # Errors
/// -1130 for another size.
pub fn sliding(params: &Params, now: UtcMs) -> Result<Window, ApiError> {
    let text = params.text("windowSize")?.unwrap_or("1d");
    let invalid = || ApiError::invalid("windowSize");
    let (number, unit) = text.split_at_checked(text.len() - 1).ok_or_else(invalid)?;
    let plain = number.len() <= 2 && number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse::<i64>().ok().filter(|_| plain).ok_or_else(invalid)?;
    let (most, length) = match unit {
        "m" => (59, MINUTE),
        "h" => (23, HOUR),
        "d" => (7, DAY),
        _ => return Err(invalid()),
    };
    if !(1..=most).contains(&number) {
        return Err(invalid());
    }
    Ok(Window { from: begin(now, number * length), now, end: now })
}

/// Reads `timeZone`: hours, or hours and minutes, from UTC, like `-1:30`. Returns the minutes by
/// which it is ahead of UTC.
///
/// # Errors
/// -1130 for a malformed time zone, or one outside -12:00 to 14:00.
pub fn time_zone(params: &Params) -> Result<i64, ApiError> {
    let text = params.text("timeZone")?.unwrap_or("0");
    let invalid = || ApiError::invalid("timeZone");
    let (behind, plain) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = plain.split_once(':').unwrap_or((plain, "0"));
    let short = |text: &str| -> Result<i64, ApiError> {
        let fits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| fits).ok_or_else(invalid)
    };
    let (hours, minutes) = (short(hours)?, short(minutes)?);
    let ahead = (hours * 60 + minutes) * if behind { -1 } else { 1 };
    if minutes > 59 || !(-12 * 60..=14 * 60).contains(&ahead) {
        return Err(invalid());
    }
    Ok(ahead)
}

/// The current day of the `timeZone` of a request.
///
/// # Errors
/// As [`time_zone`].
pub fn trading_day(params: &Params, now: UtcMs) -> Result<Window, ApiError> {
    let local = now + time_zone(params)? * MINUTE;
    let from = now - local.rem_euclid(DAY);
    Ok(Window { from, now, end: from + DAY - 1 })
}

impl Window {
    /// The row of one symbol; none if nothing was ever traded.
    #[must_use]
    pub fn row(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        mini: bool,
    ) -> Option<Value> {
        let stats = DayStats::since(exchange, market, symbol, self.from, self.now)?;
        let mut row = if mini { stats.mini() } else { stats.window() };
        row["closeTime"] = self.end.into();
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Params {
        Params::parse(query, "").expect("well formed")
    }

    #[test]
    fn windows_have_the_lengths_of_the_protocol() {
        let now = 1_700_000_070_500;
        let of = |query: &str| sliding(&params(query), now).map(|window| now - window.from);
        assert_eq!(of("windowSize=1m"), Ok(MINUTE + 30_500), "it begins with a minute");
        assert_eq!(of("windowSize=23h"), Ok(23 * HOUR + 30_500));
        assert_eq!((of(""), of("windowSize=7d")), (Ok(DAY + 30_500), Ok(7 * DAY + 30_500)));
        for wrong in ["0m", "60m", "24h", "8d", "1w", "m", "1", "-1m", "1\u{e4}", "099m", "+1m"] {
            let code = of(&format!("windowSize={wrong}")).map_err(|e| e.code);
            assert_eq!(code, Err(-1130), "{wrong}");
        }
    }

    #[test]
    fn a_day_begins_where_somebody_lives() {
        // 22:13:20 UTC on 14 November 2023.
        let now = 1_700_000_000_000;
        let midnight = now - now % DAY;
        let of = |query: &str| trading_day(&params(query), now).map(|w| (w.from, w.end));
        assert_eq!(of(""), Ok((midnight, midnight + DAY - 1)));
        let next = midnight + 22 * HOUR;
        assert_eq!(of("timeZone=2"), Ok((next, next + DAY - 1)), "it is the 15th already");
        let before = midnight + 90 * MINUTE;
        assert_eq!(of("timeZone=-1:30"), Ok((before, before + DAY - 1)));
        for wrong in ["15", "-13", "a", "1:60", "1:2:3", "", "+-1", "100"] {
            let code = of(&format!("timeZone={wrong}")).map_err(|e| e.code);
            assert!(matches!(code, Err(-1130 | -1105)), "{wrong}: {code:?}");
        }
    }
}
