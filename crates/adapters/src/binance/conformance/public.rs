//! Steps without a key: the clock, the rules and the market.

use super::walk::Walk;
use crate::binance::sign::Query;
use crate::binance::{map, wire};
use everwarm_domain::money::Decimal;
use everwarm_domain::time::MINUTE;
use everwarm_venue::conformance::check::{Check, Outcome, differs, not_tried};
use serde_json::Value;
use std::time::Duration;

/// Requests until a bar is forming, and the wait between two.
const BAR_TRIES: u32 = 60;
const BAR_WAIT: Duration = Duration::from_millis(250);
/// Requests until the growth of the weight is not disturbed by another process.
const WEIGHT_TRIES: u32 = 5;
/// Weight of a page of bars.
const BARS_WEIGHT: u32 = 2;

pub(super) async fn ping(walk: &mut Walk) -> Outcome {
    let body = walk.get("/api/v3/ping", Query::new()).await?.good()?;
    let mut check = Check::new();
    check.same("the body of GET /api/v3/ping", "{}", &body);
    check.end("{}")
}

pub(super) async fn time(walk: &mut Walk) -> Outcome {
    let (first, ours) = walk.read_clock().await?;
    let (second, _) = walk.read_clock().await?;
    let mut check = Check::new();
    let what = "\"serverTime\" of the second request, compared with the first";
    check.holds(second >= first, what, format!("{first} or later"), second);
    if walk.base.head.pace == 1 {
        let off = (first - ours).abs();
        let what = "the distance between the venue's clock and ours, in milliseconds";
        check.holds(off < MINUTE, what, "less than 60000", off);
    }
    check.end(format!("{} ms ahead of our clock", first - ours))
}

pub(super) async fn limits(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.get("/api/v3/exchangeInfo", query).await?.good()?;
    let mut check = Check::new();
    let limits = check.list("GET /api/v3/exchangeInfo", &body, "rateLimits");
    let mut came = Vec::new();
    for (kind, interval, number) in [
        ("REQUEST_WEIGHT", "MINUTE", 1),
        ("ORDERS", "SECOND", 10),
        ("ORDERS", "DAY", 1),
        ("RAW_REQUESTS", "MINUTE", 5),
    ] {
        let is_it = |row: &&Value| {
            let text = |field: &str| row.get(field).and_then(Value::as_str);
            (text("rateLimitType"), text("interval")) == (Some(kind), Some(interval))
                && row.get("intervalNum").and_then(Value::as_i64) == Some(number)
        };
        let name = format!("{kind} for {number} {interval}");
        let Some(row) = limits.iter().find(is_it) else {
            check.differs(format!("the limit {name}"), "a row of rateLimits", "missing");
            continue;
        };
        if let Some(limit) = check.integer(&name, row, "limit") {
            check.holds(limit > 0, format!("the limit {name}"), "above 0", limit);
            came.push(format!("{name}: {limit}"));
        }
    }
    check.end(came.join(", "))
}

pub(super) async fn symbol(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let answer = walk.get("/api/v3/exchangeInfo", query).await?;
    let body = answer.good()?;
    let mut check = Check::new();
    let name = walk.base.symbol.to_string();
    let symbols = check.list("GET /api/v3/exchangeInfo", &body, "symbols");
    check.same("the number of symbols", 1, symbols.len());
    let Some(info) = symbols.first() else { return check.end("") };
    let of = format!("symbol {name}");
    check.text(&of, info, "symbol", &name);
    check.text(&of, info, "status", "TRADING");
    let kinds = check.list(&of, info, "orderTypes");
    for kind in ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "TAKE_PROFIT"] {
        // Some symbols take stops only with a limit.
        let limit = format!("{kind}_LIMIT");
        let has = kinds.iter().any(|k| k.as_str() == Some(kind) || k.as_str() == Some(&limit));
        let what = format!("the list \"orderTypes\" of {name}");
        check.holds(has, what, format!("with {kind}"), Value::from(kinds.to_vec()));
    }
    walk.info = info.clone();
    check.end(format!("{name} is TRADING"))
}

pub(super) async fn filters(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let answer = walk.get("/api/v3/exchangeInfo", query).await?;
    let bytes = answer.http.body.clone();
    let body = answer.good()?;
    let mut check = Check::new();
    let info = body.get("symbols").and_then(|all| all.get(0)).unwrap_or(&Value::Null);
    let list = check.list("the symbol", info, "filters").to_vec();
    let find = |kind: &str| {
        let is_it = |row: &&Value| row.get("filterType").and_then(Value::as_str) == Some(kind);
        list.iter().find(is_it)
    };
    let steps = [
        ("PRICE_FILTER", ["minPrice", "maxPrice", "tickSize"]),
        ("LOT_SIZE", ["minQty", "maxQty", "stepSize"]),
    ];
    for (kind, [min, max, step]) in steps {
        let Some(filter) = find(kind) else {
            check.differs(format!("the filter {kind}"), "present", "missing");
            continue;
        };
        let [min, max, step] = [min, max, step].map(|field| check.decimal(kind, filter, field));
        let (Some(min), Some(max), Some(step)) = (min, max, step) else { continue };
        check.holds(step > Decimal::ZERO, format!("the step of {kind}"), "above 0", step);
        check.holds(max >= min, format!("the maximum of {kind}"), format!("{min} or more"), max);
        let rest = min.checked_rem(step).unwrap_or_default();
        let what = format!("the minimum {} of {kind}", min.normalize());
        let whole = format!("a multiple of {}", step.normalize());
        check.holds(rest.is_zero(), what, whole, format!("{} more", rest.normalize()));
    }
    match find("NOTIONAL").or_else(|| find("MIN_NOTIONAL")) {
        Some(filter) => {
            check.decimal("NOTIONAL", filter, "minNotional");
        }
        None => check.differs("the filter NOTIONAL or MIN_NOTIONAL", "present", "missing"),
    }
    let read = crate::json::decode::<wire::ExchangeInfo>("exchangeInfo", bytes.as_bytes());
    let rules = match read.and_then(|info| map::instruments(&info)) {
        Ok(rules) => rules.into_iter().find(|rules| rules.symbol == walk.base.symbol),
        Err(why) => {
            check.differs("exchangeInfo", "readable for the daemon", why);
            None
        }
    };
    let Some(rules) = rules else { return check.end("") };
    walk.rules = Some(rules.clone());
    let price = walk.last().await?;
    let rest = price.checked_rem(rules.tick_size).unwrap_or_default();
    let what = format!("the last price {}", price.normalize());
    let whole = format!("a multiple of tickSize {}", rules.tick_size.normalize());
    check.holds(rest.is_zero(), what, whole, format!("{} more", rest.normalize()));
    let (tick, step) = (rules.tick_size.normalize(), rules.lot_size.normalize());
    let (least, value) = (rules.min_quantity.normalize(), rules.min_notional.normalize());
    check.end(format!("tick {tick}, step {step}, minimum {least}, minimum value {value}"))
}

pub(super) async fn unknown_symbol(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", "EWCNOSUCH");
    walk.get("/api/v3/ticker/price", query).await?.refused(-1121, "Invalid symbol.")
}

/// The columns of a row of bars that are decimals.
const DECIMALS: [usize; 9] = [1, 2, 3, 4, 5, 7, 9, 10, 11];

/// Checks the form of rows of bars. Returns their opening times.
fn rows(check: &mut Check, body: &Value) -> Vec<i64> {
    let Some(rows) = body.as_array() else {
        check.differs("the body of GET /api/v3/klines", "a list", body);
        return Vec::new();
    };
    let mut opens = Vec::new();
    for row in rows {
        let columns = row.as_array().map_or(0, Vec::len);
        check.same("the number of columns of a bar", 12, columns);
        let integer = |n: usize| row.get(n).and_then(Value::as_i64);
        for n in DECIMALS {
            let text = row.get(n).and_then(Value::as_str);
            let is_decimal = text.is_some_and(|t| everwarm_domain::money::parse_decimal(t).is_ok());
            let came = row.get(n).unwrap_or(&Value::Null);
            let what = format!("column {n} of a bar");
            check.holds(is_decimal, what, "a decimal in a string", came);
        }
        let (Some(open), Some(close), Some(_)) = (integer(0), integer(6), integer(8)) else {
            let expected = "integers (opening time, closing time, trades)";
            check.differs("the columns 0, 6 and 8 of a bar", expected, row);
            continue;
        };
        check.same("the closing time of a bar", open + MINUTE - 1, close);
        opens.push(open);
    }
    let ascend = opens.windows(2).all(|pair| pair[0] < pair[1]);
    check.holds(ascend, "the order of the bars", "ascending", format!("{opens:?}"));
    opens
}

pub(super) async fn closed_bars(walk: &mut Walk) -> Outcome {
    let now = walk.venue_now().await?;
    let open = now.div_euclid(MINUTE) * MINUTE;
    let (from, to) = (open - 5 * MINUTE, open - 2 * MINUTE);
    let query = Query::new()
        .with("symbol", walk.base.symbol)
        .with("interval", "1m")
        .with("startTime", from)
        .with("endTime", to)
        .with("limit", 10);
    let body = walk.get("/api/v3/klines", query).await?.good()?;
    let mut check = Check::new();
    let opens = rows(&mut check, &body);
    for time in &opens {
        let range = format!("{from} to {to}");
        check.holds((from..=to).contains(time), "the opening time of a bar", range, time);
    }
    check.holds(opens.len() <= 4, "the number of bars of 4 minutes", "4 or less", opens.len());
    check.end(format!("{} bars", opens.len()))
}

pub(super) async fn open_bar(walk: &mut Walk) -> Outcome {
    let query =
        Query::new().with("symbol", walk.base.symbol).with("interval", "1m").with("limit", 2);
    let mut last = None;
    for _ in 0..BAR_TRIES {
        let before = walk.venue_now().await?;
        let body = walk.get("/api/v3/klines", query.clone()).await?.good()?;
        let mut check = Check::new();
        let opens = rows(&mut check, &body);
        check.end("")?;
        last = opens.last().copied();
        if let Some(open) = last.filter(|open| open + MINUTE > before) {
            return Ok(format!("the bar that opened at {open} is forming"));
        }
        walk.base.wire.pause(BAR_WAIT).await;
    }
    let came = last.map_or("no bar".to_owned(), |open| format!("of a past minute ({open})"));
    Err(differs("the last bar of GET /api/v3/klines", "still forming", came))
}

pub(super) async fn bad_interval(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol).with("interval", "7m");
    walk.get("/api/v3/klines", query).await?.refused(-1120, "Invalid interval.")
}

/// The levels of one side of the book: prices and quantities.
fn levels(check: &mut Check, body: &Value, side: &str) -> Vec<Decimal> {
    let mut prices = Vec::new();
    for level in check.list("GET /api/v3/depth", body, side) {
        let number = |n: usize| {
            let text = level.get(n).and_then(Value::as_str);
            text.and_then(|text| everwarm_domain::money::parse_decimal(text).ok())
        };
        match (number(0), number(1)) {
            (Some(price), Some(_)) => prices.push(price),
            (_, _) => check.differs(format!("a level of {side}"), "two decimals in strings", level),
        }
    }
    prices
}

pub(super) async fn depth(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol).with("limit", 5);
    let body = walk.get("/api/v3/depth", query).await?.good()?;
    let mut check = Check::new();
    check.integer("GET /api/v3/depth", &body, "lastUpdateId");
    let (bids, asks) = (levels(&mut check, &body, "bids"), levels(&mut check, &body, "asks"));
    let falls = bids.windows(2).all(|pair| pair[0] > pair[1]);
    check.holds(falls, "the order of the bids", "falling prices", format!("{bids:?}"));
    let climbs = asks.windows(2).all(|pair| pair[0] < pair[1]);
    check.holds(climbs, "the order of the asks", "rising prices", format!("{asks:?}"));
    check.holds(bids.len() <= 5, "the number of bids", "5 or less", bids.len());
    if let (Some(bid), Some(ask)) = (bids.first(), asks.first()) {
        check.holds(bid < ask, "the best bid", format!("below the best ask {ask}"), bid);
    }
    check.end(format!("{} bids, {} asks", bids.len(), asks.len()))
}

pub(super) async fn price(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.get("/api/v3/ticker/price", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/ticker/price");
    check.text(of, &body, "symbol", walk.base.symbol.as_str());
    let price = check.decimal(of, &body, "price").unwrap_or_default();
    check.end(price.normalize().to_string())
}

pub(super) async fn best(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.get("/api/v3/ticker/bookTicker", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/ticker/bookTicker");
    check.text(of, &body, "symbol", walk.base.symbol.as_str());
    let [bid, _, ask, _] = ["bidPrice", "bidQty", "askPrice", "askQty"]
        .map(|field| check.decimal(of, &body, field).unwrap_or_default());
    check.holds(bid <= ask, "\"bidPrice\"", format!("{ask} or less"), bid);
    check.end(format!("{} to {}", bid.normalize(), ask.normalize()))
}

pub(super) async fn average(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol);
    let body = walk.get("/api/v3/avgPrice", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/avgPrice");
    check.integer(of, &body, "mins");
    let price = check.decimal(of, &body, "price").unwrap_or_default();
    check.end(price.normalize().to_string())
}

pub(super) async fn day(walk: &mut Walk) -> Outcome {
    let query = Query::new().with("symbol", walk.base.symbol).with("type", "MINI");
    let body = walk.get("/api/v3/ticker/24hr", query).await?.good()?;
    let (mut check, of) = (Check::new(), "GET /api/v3/ticker/24hr");
    check.text(of, &body, "symbol", walk.base.symbol.as_str());
    for field in ["lastPrice", "volume", "quoteVolume"] {
        check.decimal(of, &body, field);
    }
    check.end("the statistics of a day")
}

pub(super) async fn weight_present(walk: &mut Walk) -> Outcome {
    let answer = walk.get("/api/v3/ping", Query::new()).await?;
    let Some(used) = answer.http.used_weight else {
        return Err(differs("the header X-MBX-USED-WEIGHT-1M", "an integer", "missing"));
    };
    Ok(format!("{used} used"))
}

pub(super) async fn weight_grows(walk: &mut Walk) -> Outcome {
    let query =
        Query::new().with("symbol", walk.base.symbol).with("interval", "1m").with("limit", 1);
    let mut least = None;
    for _ in 0..WEIGHT_TRIES {
        let before = walk.get("/api/v3/klines", query.clone()).await?.http.used_weight;
        let after = walk.get("/api/v3/klines", query.clone()).await?.http.used_weight;
        let Some((before, after)) = before.zip(after) else {
            return Err(not_tried("the header X-MBX-USED-WEIGHT-1M is missing"));
        };
        // A new minute begins with zero. Other processes on this address add their own.
        let Some(growth) = after.checked_sub(before) else { continue };
        if growth == BARS_WEIGHT {
            return Ok(format!("{before}, then {after}"));
        }
        least = Some(least.map_or(growth, |least: u32| least.min(growth)));
    }
    let Some(least) = least else { return Err(not_tried("a minute ended at every request")) };
    let what = "the growth of X-MBX-USED-WEIGHT-1M by one GET /api/v3/klines";
    Err(differs(what, BARS_WEIGHT, least))
}
