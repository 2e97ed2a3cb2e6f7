//! Steps about the clock, the trading days and the assets.

use super::super::map;
use super::super::trading_wire::Day;
use super::super::wire::Asset;
use super::walk::{Clock, Host, Walk};
use crate::json::decode;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_venue::conformance::check::{Check, Outcome, Stop, field, not_tried};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Days of the calendar before and after today.
const DAYS: i64 = 10;
/// A symbol that nobody has.
pub(super) const UNKNOWN: &str = "EWCNOSUCH";

pub(super) async fn clock(walk: &mut Walk) -> Outcome {
    let (first, ours) = (walk.clock().await?, walk.base.wire.now());
    let second = walk.clock().await?;
    let mut check = Check::new();
    let what = "\"timestamp\" of the second request, compared with the first";
    check.holds(second.now >= first.now, what, format!("{} or later", first.now), second.now);
    let off = first.now - ours;
    let mut ahead_of_ours = String::new();
    if walk.base.head.pace == 1 {
        ahead_of_ours = format!(", the clock {off} ms ahead of ours");
        let what = "the distance between the venue's clock and ours, in milliseconds";
        check.holds(off.abs() < MINUTE, what, "less than 60000", off.abs());
    }
    let Clock { now, is_open, next_open, next_close } = first;
    let ahead = next_open > now && next_close > now;
    let came = format!("{next_open} and {next_close}");
    check.holds(ahead, "\"next_open\" and \"next_close\"", format!("after {now}"), &came);
    let order = if is_open { next_close <= next_open } else { next_open <= next_close };
    let expected = if is_open { "the close comes first" } else { "the opening comes first" };
    check.holds(order, "\"next_open\" and \"next_close\"", expected, came);
    let state = if is_open { "open" } else { "closed" };
    check.end(format!("the market is {state}{ahead_of_ours}"))
}

/// The date in New York.
fn date(time: UtcMs) -> Result<Date, Stop> {
    let zone = TimeZone::get(map::ZONE).map_err(|why| not_tried(why.to_string()))?;
    let time = Timestamp::from_millisecond(time).map_err(|why| not_tried(why.to_string()))?;
    Ok(time.to_zoned(zone).date())
}

pub(super) async fn calendar(walk: &mut Walk) -> Outcome {
    let clock = walk.clock().await?;
    let (from, to) = (date(clock.now - DAYS * DAY)?, date(clock.now + DAYS * DAY)?);
    let [start, end] = [from, to].map(|date| date.to_string());
    let query = [("start", &start[..]), ("end", &end[..])];
    let answer = walk.get(Host::Trading, "/v2/calendar", &query).await?;
    let bytes = answer.http.body.clone();
    let body = answer.good()?;
    let (mut check, of) = (Check::new(), "GET /v2/calendar");
    let mut before = String::new();
    for row in body.as_array().into_iter().flatten() {
        let date = row.get("date").and_then(Value::as_str).unwrap_or_default();
        check.holds(
            before.as_str() < date,
            format!("\"date\" after {before:?}"),
            "a later day",
            date,
        );
        date.clone_into(&mut before);
    }
    let days = decode::<Vec<Day>>("calendar", bytes.as_bytes());
    match days.and_then(|days| map::sessions((from, to), &days)) {
        Ok(sessions) => agree(&mut check, &sessions, clock),
        Err(why) => check.differs(of, "readable for the daemon", why),
    }
    check.end(format!("{} days from {from} to {to}", body.as_array().map_or(0, Vec::len)))
}

/// Compares the calendar with the clock.
fn agree(check: &mut Check, sessions: &Sessions, clock: Clock) {
    let at = sessions.at(clock.now);
    let what = "\"is_open\" of GET /v2/clock, compared with the calendar";
    check.same(what, at.is_some(), clock.is_open);
    if let (Some(session), true) = (at, clock.is_open) {
        check.same("\"next_close\", compared with the calendar", session.close, clock.next_close);
    }
    let next = sessions.spans().iter().find(|session| session.open > clock.now);
    if let Some(next) = next {
        check.same("\"next_open\", compared with the calendar", next.open, clock.next_open);
    }
}

pub(super) async fn asset(walk: &mut Walk) -> Outcome {
    let path = format!("/v2/assets/{}", walk.name()?);
    let answer = walk.get(Host::Trading, &path, &[]).await?;
    let bytes = answer.http.body.clone();
    let body = answer.good()?;
    let (mut check, of) = (Check::new(), "the asset");
    for (name, expected) in
        [("symbol", walk.base.symbol.as_str()), ("class", "us_equity"), ("status", "active")]
    {
        check.text(of, &body, name, expected);
    }
    check.same("\"tradable\" of the asset", "true", field(&body, "tradable"));
    for name in ["fractionable", "shortable", "easy_to_borrow"] {
        let is_flag = body.get(name).is_some_and(Value::is_boolean);
        let what = format!("{name:?} of the asset");
        check.holds(is_flag, what, "true or false", field(&body, name));
    }
    let read = decode::<Asset>("asset", bytes.as_bytes());
    if let Err(why) = read.and_then(|asset| map::instrument(&asset)) {
        check.differs(of, "readable for the daemon", why);
    }
    check.end(format!("{} is active", walk.base.symbol))
}

pub(super) async fn unknown_asset(walk: &mut Walk) -> Outcome {
    let path = format!("/v2/assets/{UNKNOWN}");
    let answer = walk.get(Host::Trading, &path, &[]).await?;
    answer.rejected(&[404], Some(40_410_000), "asset not found")
}
