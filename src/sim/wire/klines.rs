//! Bars as the protocol writes them, as rows of a query and as stream messages.

use super::error::ApiError;
use super::number;
use super::params::Params;
use super::queries::page;
use crate::domain::id::Symbol;
use crate::domain::market::Bar;
use crate::domain::money::{Decimal, Price};
use crate::domain::time::{MINUTE, Timeframe, UtcMs};
use crate::sim::exchange::matching::path;
use crate::sim::exchange::{Exchange, local::last_bars};
use crate::sim::market::Market;
use std::fmt::Write as _;

/// The names of all intervals; only minutes are kept here.
const INTERVALS: [&str; 16] = [
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
    "1M",
];

/// Which bars are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KlineQuery {
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

impl KlineQuery {
    /// Reads a request for bars.
    ///
    /// # Errors
    /// -1102 without an interval, -1120 for one that is not served, and what is wrong with the
    /// rest.
    pub fn read(params: &Params) -> Result<KlineQuery, ApiError> {
        let interval = params.required("interval")?;
        if interval != Timeframe::M1.name() {
            let known = INTERVALS.contains(&interval);
            let msg =
                if known { "Invalid interval. Only 1m is simulated." } else { "Invalid interval." };
            return Err(ApiError::new(-1120, msg));
        }
        let (start, end) = (params.integer("startTime")?, params.integer("endTime")?);
        let limit = page(params)?;
        params.finish()?;
        Ok(KlineQuery { start, end, limit })
    }

    /// The bars that are visible now, ascending; the last one may be forming still.
    pub fn bars(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Vec<Bar> {
        let closed = exchange.market() - MINUTE;
        let end = self.end.unwrap_or(UtcMs::MAX);
        let forming = forming(exchange, market, symbol, now).filter(|f| f.open_time <= end);
        let (mut bars, forming) = match self.start {
            Some(start) => {
                let bars = market.bars(symbol, start, closed.min(end), self.limit);
                (bars, forming.filter(|f| f.open_time >= start))
            }
            None => (last_bars(market, symbol, closed.min(end), self.limit), forming),
        };
        bars.extend(forming);
        match self.start {
            Some(_) => bars.truncate(self.limit),
            None => drop(bars.drain(..bars.len().saturating_sub(self.limit))),
        }
        bars
    }
}

/// The bar of the minute that venue time is in, as far as its trades are released; before the first
/// of them it is flat at the last price, without volume.
pub fn forming(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    now: UtcMs,
) -> Option<Bar> {
    let open_time = Timeframe::M1.open_of(now);
    let close = open_time + MINUTE;
    if !(open_time..close).contains(&exchange.market()) {
        return None;
    }
    let bar = market.bars(symbol, open_time, open_time, 1).pop()?;
    let price = |value: Decimal| Price::exact(value).unwrap_or_default();
    let last = price(exchange.tape(symbol)?.last);
    let released: Vec<Price> = path(close, &bar)
        .into_iter()
        .filter(|step| step.time <= exchange.market())
        .map(|step| price(step.price))
        .collect();
    let (Some(open), Some(close)) = (released.first(), released.last()) else {
        let volume = Decimal::ZERO;
        return Some(Bar {
            symbol,
            open_time,
            open: last,
            high: last,
            low: last,
            close: last,
            volume,
        });
    };
    let high = released.iter().copied().max().unwrap_or_default();
    let low = released.iter().copied().min().unwrap_or_default();
    let part = Decimal::from(released.len()) / Decimal::from(4);
    let volume = (bar.volume * part).trunc_with_scale(8);
    Some(Bar { symbol, open_time, open: *open, high, low, close: *close, volume })
}

/// What a bar says besides its prices.
struct Details {
    trades: u32,
    quote: Decimal,
    taker: Decimal,
    taker_quote: Decimal,
}

/// What a bar's volume came to in quote units: at the mean of its four prices.
#[must_use]
pub fn quote(bar: &Bar) -> Decimal {
    let sum: i64 = [bar.open, bar.high, bar.low, bar.close].iter().map(|p| p.0 / 4).sum();
    (Price(sum).decimal() * bar.volume).trunc_with_scale(8)
}

impl Details {
    fn of(bar: &Bar) -> Details {
        let quote = quote(bar);
        let half = Decimal::new(5, 1);
        let trades = if bar.volume.is_zero() { 0 } else { 4 };
        let taker = (bar.volume * half).trunc_with_scale(8);
        Details { trades, quote, taker, taker_quote: (quote * half).trunc_with_scale(8) }
    }
}

/// The rows of an answer, as JSON text.
#[must_use]
pub fn rows(bars: &[Bar]) -> String {
    let mut text = String::with_capacity(bars.len() * 160 + 2);
    text.push('[');
    for (i, bar) in bars.iter().enumerate() {
        let more = Details::of(bar);
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
            bar.open_time + MINUTE - 1,
            number(more.quote),
            more.trades,
            number(more.taker),
            number(more.taker_quote),
        )
        .expect("writing into memory cannot fail");
    }
    text.push(']');
    text
}

fn price(price: Price) -> String {
    format!("{:.8}", price.decimal())
}

/// Name of the stream that carries the bars of `symbol`.
#[must_use]
pub fn stream(symbol: Symbol) -> String {
    format!("{}@kline_1m", symbol.as_str().to_lowercase())
}

/// A stream message, as JSON text.
#[must_use]
pub fn event(bar: &Bar, closed: bool, at: UtcMs) -> String {
    let more = Details::of(bar);
    let (first, last) = match more.trades {
        0 => (-1, -1),
        n => {
            let first = bar.open_time / MINUTE * 4;
            (first, first + i64::from(n) - 1)
        }
    };
    format!(
        concat!(
            "{{\"e\":\"kline\",\"E\":{},\"s\":\"{}\",\"k\":{{\"t\":{},\"T\":{},\"s\":\"{}\",",
            "\"i\":\"1m\",\"f\":{},\"L\":{},\"o\":\"{}\",\"c\":\"{}\",\"h\":\"{}\",\"l\":\"{}\",",
            "\"v\":\"{}\",\"n\":{},\"x\":{},\"q\":\"{}\",\"V\":\"{}\",\"Q\":\"{}\",\"B\":\"0\"}}}}"
        ),
        at,
        bar.symbol,
        bar.open_time,
        bar.open_time + MINUTE - 1,
        bar.symbol,
        first,
        last,
        price(bar.open),
        price(bar.close),
        price(bar.high),
        price(bar.low),
        number(bar.volume),
        more.trades,
        closed,
        number(more.quote),
        number(more.taker),
        number(more.taker_quote),
    )
}
