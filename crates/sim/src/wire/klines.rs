//! Bars in the form of the protocol: rows of a query and stream messages.

use super::error::ApiError;
use super::intervals::{INTERVALS, Interval, Kline};
use super::number;
use super::params::Params;
use super::queries::page;
use super::window;
use crate::exchange::{Exchange, local::last_bars};
use crate::market::{AT_CLOSE, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

/// A query for bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KlineQuery {
    interval: Interval,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

impl KlineQuery {
    /// Reads a request for bars.
    ///
    /// # Errors
    /// -1102 without an interval, -1120 for an unknown one, or the error of another wrong
    /// parameter. `timeZone` moves the opening times; the times of the query stay in UTC.
    pub fn read(params: &Params) -> Result<KlineQuery, ApiError> {
        let interval = Interval::read(params.required("interval")?)?;
        let interval = interval.ahead(window::time_zone(params)?);
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        let limit = page(params)?;
        params.finish()?;
        Ok(KlineQuery { interval, start, end, limit })
    }

    /// A request for all bars of a width with opening times in `times`.
    #[must_use]
    pub fn of(timeframe: Timeframe, times: &RangeInclusive<UtcMs>) -> KlineQuery {
        let interval = Interval::of(timeframe);
        let (start, end) = (Some(*times.start()), Some(*times.end()));
        KlineQuery { interval, start, end, limit: usize::MAX }
    }

    /// The bars that are visible now, ascending. The last one may still be forming.
    pub fn bars(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Vec<Kline> {
        let closed = exchange.market() - MINUTE;
        // The last minute of the last bar that opens at or before `end`.
        let bound = |end| self.interval.open_of(end) + self.interval.ms() - MINUTE;
        let end = self.end.map_or(UtcMs::MAX, bound);
        let count = self.interval.minutes_of(self.limit);
        let forming = forming(exchange, market, symbol, now).filter(|f| f.bar.open_time <= end);
        let (mut bars, forming) = match self.start.map(|start| self.interval.next_open(start)) {
            Some(start) => {
                let bars = market.bars(symbol, start, closed.min(end), count);
                (bars, forming.filter(|f| f.bar.open_time >= start))
            }
            None => (last_bars(market, symbol, closed.min(end), count), forming),
        };
        bars.extend(forming.map(|forming| forming.bar));
        let mut folded = self.interval.fold(&bars, market.trades_per_minute());
        if let (Some(forming), Some(last)) = (forming, folded.last_mut()) {
            *last = last.without(forming.hidden(market));
        }
        self.add_older(market, symbol, closed + MINUTE, &mut folded);
        match self.start {
            Some(_) => folded.truncate(self.limit),
            None => drop(folded.drain(..folded.len().saturating_sub(self.limit))),
        }
        folded
    }

    /// Adds bars that the market has from before its first minute and that ended by `now`. The bar
    /// in which the first minute lies replaces the one of minutes, which lacks some.
    fn add_older(&self, market: &dyn Market, symbol: Symbol, now: UtcMs, folded: &mut Vec<Kline>) {
        let wider = self.interval.timeframe().filter(|width| *width != Timeframe::M1);
        let Some(timeframe) = wider else { return };
        let (from, end) = (self.start.unwrap_or(UtcMs::MIN), self.end.unwrap_or(UtcMs::MAX));
        let mut older = market.older(symbol, timeframe, from..=end);
        older.retain(|bar| bar.open_time + timeframe.ms() <= now);
        let Some(last) = older.last().map(|bar| bar.open_time) else { return };
        folded.retain(|kline| kline.bar.open_time > last);
        folded.splice(..0, older.iter().map(|bar| Kline::recorded(self.interval, bar)));
    }
}

/// The bar of the current minute, from the trades released so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forming {
    /// The bar. Before the first trade it is flat at the last price, without volume.
    pub bar: Bar,
    /// Number of trades released so far; 0 in a minute without volume.
    pub released: i64,
    /// Quantity of the last one.
    pub last_quantity: Decimal,
}

impl Forming {
    /// The number of trades that its bar does not show yet. Four trades at the end of a minute are
    /// counted together.
    fn hidden(&self, market: &dyn Market) -> i64 {
        let shows = market.ticks() && !self.bar.volume.is_zero();
        if shows { market.trades_per_minute() - self.released } else { 0 }
    }
}

/// The bar of the current minute. The minute is that of `now`; if the market ticks, it is that of
/// the released trades, which may be a moment behind.
pub fn forming(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    now: UtcMs,
) -> Option<Forming> {
    let now = if market.ticks() { exchange.market() } else { now };
    let open_time = Timeframe::M1.open_of(now);
    let close = open_time + MINUTE;
    if !(open_time..close).contains(&exchange.market()) {
        return None;
    }
    let bar = market.bars(symbol, open_time, open_time, 1).pop()?;
    let last = Price::exact(exchange.tape(symbol)?.last).unwrap_or_default();
    let mut released = market.prints(&bar);
    released.retain(|print| print.time <= exchange.market());
    let (Some(first), Some(newest)) = (released.first(), released.last()) else {
        let (open, high, low, close, volume) = (last, last, last, last, Decimal::ZERO);
        let bar = Bar { symbol, open_time, open, high, low, close, volume };
        return Some(Forming { bar, released: 0, last_quantity: volume });
    };
    let prices = || released.iter().map(|print| print.price);
    let volume = if market.ticks() {
        released.iter().map(|print| print.quantity).sum()
    } else {
        let part = Decimal::from(released.len()) / Decimal::from(AT_CLOSE);
        (bar.volume * part).trunc_with_scale(8)
    };
    let none = bar.volume.is_zero();
    Some(Forming {
        bar: Bar {
            symbol,
            open_time,
            open: first.price,
            high: prices().max().unwrap_or_default(),
            low: prices().min().unwrap_or_default(),
            close: newest.price,
            volume,
        },
        released: if none { 0 } else { i64::try_from(released.len()).unwrap_or(i64::MAX) },
        last_quantity: newest.quantity,
    })
}

/// The part of a volume that takers bought: half of it.
fn half(volume: Decimal) -> Decimal {
    (volume * Decimal::new(5, 1)).trunc_with_scale(8)
}

/// The rows of a response, as JSON text.
#[must_use]
pub fn rows(bars: &[Kline]) -> String {
    let mut text = String::with_capacity(bars.len() * 160 + 2);
    text.push('[');
    for (i, kline) in bars.iter().enumerate() {
        let bar = &kline.bar;
        let comma = if i == 0 { "" } else { "," };
        write!(
            text,
            "{comma}[{},\"{}\",\"{}\",\"{}\",\"{}\",\"{}\",{},\"{}\",{},\"{}\",\"{}\",\"0\"]",
            bar.open_time,
            price(bar.open),
            price(bar.high),
            price(bar.low),
            price(bar.close),
            number(bar.volume),
            kline.close_time(),
            number(kline.quote),
            kline.trades,
            number(half(bar.volume)),
            number(half(kline.quote)),
        )
        .expect("writing into memory cannot fail");
    }
    text.push(']');
    text
}

fn price(price: Price) -> String {
    number(price.decimal())
}

/// Name of the stream that carries the bars of `symbol`.
#[must_use]
pub fn stream(symbol: Symbol, interval: Interval) -> String {
    format!("{}@kline_{}", symbol.as_str().to_lowercase(), interval.name)
}

/// Minutes from UTC of the streams in another time zone, and the end of their names.
const AHEAD: (i64, &str) = (8 * 60, "@+08:00");

/// The streams of all bars of `symbol` except those of a minute in UTC, with their intervals.
pub fn wider_streams(symbol: Symbol) -> impl Iterator<Item = (String, Interval)> {
    let (ahead, name) = AHEAD;
    let usual = INTERVALS.into_iter().skip(1).map(move |i| (stream(symbol, i), i));
    let moved = move |i: Interval| (format!("{}{name}", stream(symbol, i)), i.ahead(ahead));
    usual.chain(INTERVALS.into_iter().map(moved))
}

/// Whether a connection subscribes to bars that are wider than a minute, or to those of another
/// time zone.
#[must_use]
pub fn has_wider(wanted: &BTreeSet<String>) -> bool {
    wanted.iter().any(|stream| stream.contains("@kline_") && !stream.ends_with("@kline_1m"))
}

/// The messages (stream, text) of wider bars for the minute that closed at `close`. If nothing
/// `traded` in it, only bars that end with it get a message.
pub fn wider(
    market: &mut dyn Market,
    symbol: Symbol,
    (close, traded): (UtcMs, bool),
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let mut messages = Vec::new();
    for (stream, interval) in wider_streams(symbol) {
        let open = interval.open_of(close - MINUTE);
        let closed = open + interval.ms() <= close;
        if !wanted.contains(&stream) || !(traded || closed) {
            continue;
        }
        let total = market.total(symbol, open, close - MINUTE);
        let kline = Kline::over(interval, &total, market.trades_per_minute());
        let text = kline.map(|kline| event(&kline, closed, close));
        messages.extend(text.map(|text| (stream, text)));
    }
    messages
}

/// The messages (stream, text) about the bars of `symbol` whose current minute has begun to trade.
/// Wider bars change within a minute only if the market ticks.
pub fn forming_messages(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    close: UtcMs,
    wanted: &BTreeSet<String>,
) -> Vec<(String, String)> {
    let Some(forming) = forming(exchange, market, symbol, close - 1) else { return Vec::new() };
    let (at, trades, hidden) =
        (exchange.market(), market.trades_per_minute(), forming.hidden(market));
    let minute = Kline::minute(&forming.bar, trades).without(hidden);
    let mut messages = vec![(stream(symbol, minute.interval), event(&minute, false, at))];
    if !market.ticks() || !has_wider(wanted) {
        return messages;
    }
    for (stream, interval) in wider_streams(symbol).filter(|(name, _)| wanted.contains(name)) {
        let open = interval.open_of(forming.bar.open_time);
        let mut total = market.total(symbol, open, forming.bar.open_time - MINUTE);
        total.add(&forming.bar);
        if let Some(kline) = Kline::over(interval, &total, trades) {
            messages.push((stream, event(&kline.without(hidden), false, at)));
        }
    }
    messages
}

/// A stream message, as JSON text.
#[must_use]
pub fn event(kline: &Kline, closed: bool, at: UtcMs) -> String {
    let bar = &kline.bar;
    let (first, last) = kline.ids.unwrap_or((-1, -1));
    format!(
        concat!(
            "{{\"e\":\"kline\",\"E\":{},\"s\":\"{}\",\"k\":{{\"t\":{},\"T\":{},\"s\":\"{}\",",
            "\"i\":\"{}\",\"f\":{},\"L\":{},\"o\":\"{}\",\"c\":\"{}\",\"h\":\"{}\",\"l\":\"{}\",",
            "\"v\":\"{}\",\"n\":{},\"x\":{},\"q\":\"{}\",\"V\":\"{}\",\"Q\":\"{}\",\"B\":\"0\"}}}}"
        ),
        at,
        bar.symbol,
        bar.open_time,
        kline.close_time(),
        bar.symbol,
        kline.interval.name,
        first,
        last,
        price(bar.open),
        price(bar.close),
        price(bar.high),
        price(bar.low),
        number(bar.volume),
        kline.trades,
        closed,
        number(kline.quote),
        number(half(bar.volume)),
        number(half(kline.quote)),
    )
}
