//! Steps about market data over REST.

use super::super::wire::{LatestTrade, Page, instant};
use super::walk::{Host, Walk, time};
use crate::json::decode;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_venue::conformance::check::{Answer, Check, Outcome, Stop, not_tried};
use jiff::Timestamp;
use serde_json::Value;

/// How far back bars are requested, days. No market is closed that long.
const DAYS: i64 = 10;
/// Bars of a page of the walk.
const PAGE: usize = 5;

pub(super) async fn last_trade(walk: &mut Walk) -> Outcome {
    let answer = walk.last_trade().await?;
    let bytes = answer.http.body.clone();
    let body = answer.good()?;
    let mut check = Check::new();
    check.text("the last trade", &body, "symbol", walk.base.symbol.as_str());
    time(&mut check, "\"trade\"", body.get("trade").unwrap_or(&Value::Null), "t");
    let read = decode::<LatestTrade>("the last trade", bytes.as_bytes());
    match read.and_then(LatestTrade::price) {
        Ok(price) => check.end(price.to_string()),
        Err(why) => {
            check.differs("the price", "a JSON number", why);
            check.end("")
        }
    }
}

/// A page of bars of a minute, of the days before the venue's time `now`.
async fn bars(walk: &mut Walk, now: UtcMs, more: &[(&str, &str)]) -> Result<Answer, Stop> {
    let text = |time: UtcMs| Timestamp::from_millisecond(time).map(|time| time.to_string());
    let range = (text(now - DAYS * DAY), text(now));
    let (Ok(start), Ok(end)) = range else { return Err(not_tried("the venue has no time")) };
    let (name, feed, page) = (walk.name()?, walk.hosts.feed().to_owned(), PAGE.to_string());
    let mut query = vec![
        ("symbols", &name[..]),
        ("timeframe", "1Min"),
        ("start", &start),
        ("end", &end),
        ("limit", &page),
        ("feed", &feed),
        ("adjustment", "raw"),
        ("sort", "asc"),
    ];
    for &(name, value) in more {
        query.retain(|(known, _)| *known != name);
        query.push((name, value));
    }
    walk.get(Host::Data, "/v2/stocks/bars", &query).await
}

/// Checks a page of bars. Returns their opening times and the token of the next page.
fn page(
    walk: &Walk,
    check: &mut Check,
    answer: Answer,
    (from, to): (UtcMs, UtcMs),
) -> Result<(Vec<UtcMs>, Option<String>), Stop> {
    let bytes = answer.http.body.clone();
    answer.good()?;
    let read = decode::<Page>("bars", bytes.as_bytes());
    let Page { bars, next_page_token, .. } = match read {
        Ok(page) => page,
        Err(why) => {
            check.differs("a page of bars", "readable for the daemon", why);
            return Ok((Vec::new(), None));
        }
    };
    let mut opens = Vec::new();
    for (symbol, rows) in bars.unwrap_or_default() {
        check.same("the symbol of bars", walk.base.symbol, symbol);
        for row in rows {
            let prices = [&row.o, &row.h, &row.l, &row.c].map(|price| price.0.clone());
            if let [Ok(open), Ok(high), Ok(low), Ok(close)] = prices {
                let inside = low <= open.min(close) && open.max(close) <= high;
                let came = format!("{open}, {high}, {low}, {close}");
                check.holds(inside, "the prices of a bar", "between low and high", came);
            }
            let volume = row.v.0.clone().unwrap_or(Decimal::NEGATIVE_ONE);
            check.holds(volume >= Decimal::ZERO, "\"v\" of a bar", "0 or more", volume);
            let open = instant(&row.t).unwrap_or_default();
            let is_minute = open > 0 && open.rem_euclid(MINUTE) == 0;
            check.holds(is_minute, "\"t\" of a bar", "the begin of a minute", &row.t);
            let range = format!("{from} to {to}");
            check.holds((from..=to).contains(&open), "the opening time of a bar", range, open);
            opens.push(open);
        }
    }
    let ascend = opens.windows(2).all(|pair| pair[0] < pair[1]);
    check.holds(ascend, "the order of the bars", "ascending", format!("{opens:?}"));
    let most = format!("{PAGE} or less");
    check.holds(opens.len() <= PAGE, "the number of bars of a page", most, opens.len());
    Ok((opens, next_page_token))
}

pub(super) async fn past_bars(walk: &mut Walk) -> Outcome {
    let now = walk.clock().await?.now;
    let answer = bars(walk, now, &[]).await?;
    let mut check = Check::new();
    let (opens, token) = page(walk, &mut check, answer, (now - DAYS * DAY, now))?;
    let Some(last) = opens.last().copied() else {
        check.end("")?;
        return Err(not_tried(format!("there are no bars of {DAYS} days")));
    };
    check.same("the number of bars of the first page", PAGE, opens.len());
    let has_more = token.is_some();
    check.holds(has_more, "\"next_page_token\" of the first page", "a text", "null");
    walk.next_page = token.map(|token| (token, last, now));
    check.end(format!("{} bars, then a token", opens.len()))
}

pub(super) async fn next_page(walk: &mut Walk) -> Outcome {
    let known = walk.next_page.clone();
    let (token, last, now) = known.ok_or_else(|| not_tried("there is no next page"))?;
    let answer = bars(walk, now, &[("page_token", &token)]).await?;
    let mut check = Check::new();
    let (opens, next) = page(walk, &mut check, answer, (now - DAYS * DAY, now))?;
    let first = opens.first().copied().unwrap_or_default();
    let what = "the first bar of the second page";
    check.holds(first > last, what, format!("after {last}"), first);
    check.holds(next.as_ref() != Some(&token), "the second token", "another", "the same");
    check.end(format!("{} later bars", opens.len()))
}

pub(super) async fn bad_timeframe(walk: &mut Walk) -> Outcome {
    let now = walk.clock().await?.now;
    let answer = bars(walk, now, &[("timeframe", "7Minutes")]).await?;
    answer.rejected(&[400, 422], None, "timeframe")
}

/// Whether the records have a bar of a minute that opened from `from` on, and ended by `to`.
pub(super) async fn had_bar(walk: &mut Walk, from: UtcMs, to: UtcMs) -> Result<bool, Stop> {
    let text = |time: UtcMs| Timestamp::from_millisecond(time).map(|time| time.to_string());
    let range = (text(from), text(to - MINUTE));
    let (Ok(start), Ok(end)) = range else { return Ok(false) };
    if to - MINUTE < from {
        return Ok(false);
    }
    let body = bars(walk, to, &[("start", &start), ("end", &end)]).await?.good()?;
    let rows = body.get("bars").and_then(|bars| bars.get(walk.base.symbol.as_str()));
    Ok(rows.and_then(Value::as_array).is_some_and(|rows| !rows.is_empty()))
}
