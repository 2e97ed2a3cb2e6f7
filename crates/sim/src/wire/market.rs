//! Market data except bars: prices, the visible book, trades, daily statistics.
//!
//! A bar has the four trades of its path, each with a quarter of its volume. Their ids count up
//! over all minutes since 1970. They are trades of the market; the account's trades have ids of
//! their own.

use super::error::ApiError;
use super::klines::{forming, quote};
use super::number;
use super::orders;
use super::params::{Params, TIME_MAX};
use super::queries::page;
use crate::exchange::costs::Costs;
use crate::exchange::local::last_bars;
use crate::exchange::matching::path;
use crate::exchange::{Exchange, Tape, depth};
use crate::market::Market;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, PRICE_SCALE, Price};
use everwarm_domain::order::Side;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use serde_json::{Value, json};

/// Trades in a bar.
const TRADES: i64 = 4;
/// The last minute that a request may name, counted from 1970.
const LAST: i64 = TIME_MAX / MINUTE;
/// Minutes of the average price.
const AVERAGE: i64 = 5;
/// Levels of the book in a response: default and maximum.
const LEVELS: (usize, usize) = (100, 5_000);

/// One trade of the market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Print {
    /// Counting up over all minutes.
    pub id: i64,
    /// Venue time.
    pub time: UtcMs,
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// Whether the buyer was the maker.
    pub buyer_maker: bool,
}

/// The trades of a bar that are released up to `through`, in order; none if nothing was traded.
#[must_use]
pub fn prints(bar: &Bar, through: UtcMs) -> Vec<Print> {
    if bar.volume.is_zero() {
        return Vec::new();
    }
    let part = (bar.volume / Decimal::from(TRADES)).trunc_with_scale(8);
    let last = bar.volume - part * Decimal::from(TRADES - 1);
    let first = bar.open_time / MINUTE * TRADES;
    let steps = (first..).zip(path(bar.open_time + MINUTE, bar));
    let print = |(id, step): (i64, crate::exchange::matching::Step)| Print {
        id,
        time: step.time,
        price: step.price,
        quantity: if id - first == TRADES - 1 { last } else { part },
        buyer_maker: (id - first) % 2 == 1,
    };
    steps.map(print).filter(|print| print.time <= through).collect()
}

/// The update id of the book's last change.
#[must_use]
pub fn update_id(tape: &Tape) -> i64 {
    tape.minute / MINUTE * TRADES - 1
}

/// The symbols that a request selects.
#[derive(Debug)]
pub struct Selected<'a> {
    /// The selected symbols.
    pub symbols: Vec<&'a Instrument>,
    /// Whether `symbol` named one of them, so that the response is not a list.
    pub single: bool,
}

/// Reads `symbol` or `symbols`; neither means all.
///
/// # Errors
/// The protocol's error for unknown symbols or conflicting parameters.
pub fn selected<'a>(exchange: &'a Exchange, params: &Params) -> Result<Selected<'a>, ApiError> {
    let one = orders::optional_symbol(exchange, params)?;
    let many = params.text("symbols")?;
    let invalid = || ApiError::new(-1121, "Invalid symbol.");
    let symbols = match (one, many) {
        (Some(_), Some(_)) => {
            return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
        }
        (None, None) => {
            let all = exchange.instruments().iter();
            all.filter(|rules| exchange.lists_symbol(rules.symbol)).collect()
        }
        (Some(symbol), None) => vec![listed(exchange, symbol).ok_or_else(invalid)?],
        (None, Some(list)) => {
            let bad = |_| ApiError::invalid("symbols");
            let names: Vec<String> = serde_json::from_str(list).map_err(bad)?;
            let twice = (1..names.len()).any(|i| names[..i].contains(&names[i]));
            if twice {
                let msg = "Symbol is present multiple times in the list.";
                return Err(ApiError::new(-1151, msg));
            }
            let find = |name: &String| {
                let symbol = Symbol::new(name).ok();
                symbol.and_then(|symbol| listed(exchange, symbol)).ok_or_else(invalid)
            };
            names.iter().map(find).collect::<Result<_, _>>()?
        }
    };
    Ok(Selected { symbols, single: one.is_some() })
}

fn listed(exchange: &Exchange, symbol: Symbol) -> Option<&Instrument> {
    exchange.instrument(symbol).filter(|_| exchange.lists_symbol(symbol))
}

impl Selected<'_> {
    /// One row, or the list of all rows that exist.
    ///
    /// # Errors
    /// -1112 if a single symbol has no row, because nothing was ever traded.
    pub fn rows(
        &self,
        mut row: impl FnMut(&Instrument) -> Option<Value>,
    ) -> Result<Value, ApiError> {
        let mut rows: Vec<Value> = self.symbols.iter().filter_map(|rules| row(rules)).collect();
        if !self.single {
            return Ok(Value::Array(rows));
        }
        rows.pop().ok_or_else(nothing)
    }
}

/// The error for a symbol that was never traded.
#[must_use]
pub fn nothing() -> ApiError {
    ApiError::new(-1112, "No orders on book for symbol.")
}

/// The row with the last price.
#[must_use]
pub fn price(exchange: &Exchange, rules: &Instrument) -> Option<Value> {
    let tape = exchange.tape(rules.symbol)?;
    Some(json!({"symbol": rules.symbol.as_str(), "price": number(tape.last)}))
}

/// The best of the visible book: bid price and quantity, ask price and quantity.
fn best(tape: &Tape, rules: &Instrument, costs: &Costs) -> [String; 4] {
    let first =
        |side| depth::levels(tape, rules, side, 1, costs).first().copied().unwrap_or_default();
    let ((bid, bid_quantity), (ask, ask_quantity)) = (first(Side::Sell), first(Side::Buy));
    [bid, bid_quantity, ask, ask_quantity].map(number)
}

/// The row with the best of the visible book.
#[must_use]
pub fn book_ticker(exchange: &Exchange, rules: &Instrument) -> Option<Value> {
    let tape = exchange.tape(rules.symbol)?;
    let [bid, bid_quantity, ask, ask_quantity] = best(tape, rules, exchange.costs());
    Some(json!({
        "symbol": rules.symbol.as_str(), "bidPrice": bid, "bidQty": bid_quantity,
        "askPrice": ask, "askQty": ask_quantity,
    }))
}

/// The stream message with the best of the visible book.
#[must_use]
pub fn book_event(tape: &Tape, rules: &Instrument, costs: &Costs, id: i64) -> Value {
    let [bid, bid_quantity, ask, ask_quantity] = best(tape, rules, costs);
    json!({
        "u": id, "s": rules.symbol.as_str(), "b": bid, "B": bid_quantity, "a": ask,
        "A": ask_quantity,
    })
}

/// The number of levels that a request wants.
///
/// # Errors
/// -1100 and -1130. A larger number is reduced to the maximum.
pub fn levels(params: &Params) -> Result<usize, ApiError> {
    let limit = match params.integer("limit")? {
        None => LEVELS.0,
        Some(0) => return Err(ApiError::invalid("limit")),
        Some(limit) => usize::try_from(limit).unwrap_or(LEVELS.1),
    };
    Ok(limit.min(LEVELS.1))
}

/// The visible book, `count` levels on each side.
#[must_use]
pub fn book(exchange: &Exchange, rules: &Instrument, count: usize) -> Value {
    let (tape, costs) = (exchange.tape(rules.symbol), exchange.costs());
    let rows = |side| -> Value {
        let levels = tape.map(|tape| depth::levels(tape, rules, side, count, costs));
        levels
            .unwrap_or_default()
            .into_iter()
            .map(|(price, quantity)| json!([number(price), number(quantity)]))
            .collect()
    };
    json!({
        "lastUpdateId": tape.map_or(0, update_id), "bids": rows(Side::Sell),
        "asks": rows(Side::Buy),
    })
}

/// The bars that are visible now from opening time `from`, including the forming one.
fn visible(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    from: UtcMs,
    now: UtcMs,
) -> Vec<Bar> {
    let mut bars = market.bars(symbol, from, exchange.market() - MINUTE, usize::MAX);
    bars.extend(forming(exchange, market, symbol, now).filter(|bar| bar.open_time >= from));
    bars
}

/// Decimals of an average price: those of the tick, at least 8.
fn places(exchange: &Exchange, symbol: Symbol) -> u32 {
    let tick = exchange.instrument(symbol).map(|rules| rules.tick_size.normalize().scale());
    tick.unwrap_or_default().max(PRICE_SCALE.into())
}

/// The average price of the last minutes, by volume.
#[must_use]
pub fn average(
    exchange: &Exchange,
    market: &mut dyn Market,
    symbol: Symbol,
    now: UtcMs,
) -> Option<Value> {
    let tape = exchange.tape(symbol)?;
    let bars = visible(exchange, market, symbol, now - AVERAGE * MINUTE, now);
    let volume: Decimal = bars.iter().map(|bar| bar.volume).sum();
    let money: Decimal = bars.iter().map(quote).sum();
    let price = if volume.is_zero() { tape.last } else { money / volume };
    let price = number(price.trunc_with_scale(places(exchange, symbol)));
    Some(json!({"mins": AVERAGE, "price": price, "closeTime": tape.minute - 1}))
}

/// The statistics of a day or another window.
#[derive(Clone, Copy, Debug)]
pub struct DayStats {
    symbol: Symbol,
    from: UtcMs,
    to: UtcMs,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    last: Decimal,
    last_quantity: Decimal,
    volume: Decimal,
    quote: Decimal,
    first_id: i64,
    last_id: i64,
    count: i64,
    /// Decimals of an average price.
    places: u32,
}

impl DayStats {
    /// Statistics of the 24 hours before `now`. If nothing was traded, all prices are the last one.
    #[must_use]
    pub fn of(
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Option<DayStats> {
        DayStats::since(exchange, market, symbol, now - DAY, now)
    }

    /// Statistics from `from` to `now`. If nothing was traded, all prices are the last one.
    #[must_use]
    pub fn since(
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        from: UtcMs,
        now: UtcMs,
    ) -> Option<DayStats> {
        let last = exchange.tape(symbol)?.last;
        let bars = visible(exchange, market, symbol, from, now);
        let traded = || bars.iter().filter(|bar| !bar.volume.is_zero());
        let prices = |pick: fn(&Bar) -> Price| traded().map(move |bar| pick(bar).decimal());
        let ends = |bar: &Bar| prints(bar, exchange.market());
        let first = traded().next().map(ends).and_then(|all| all.first().copied());
        let newest = traded().next_back().map(ends).and_then(|all| all.last().copied());
        let count = traded().map(|bar| ends(bar).len()).sum::<usize>();
        Some(DayStats {
            symbol,
            from,
            to: now,
            open: prices(|bar| bar.open).next().unwrap_or(last),
            high: prices(|bar| bar.high).max().unwrap_or(last),
            low: prices(|bar| bar.low).min().unwrap_or(last),
            last,
            last_quantity: newest.map(|print| print.quantity).unwrap_or_default(),
            volume: bars.iter().map(|bar| bar.volume).sum(),
            quote: bars.iter().map(quote).sum(),
            first_id: first.map_or(-1, |print| print.id),
            last_id: newest.map_or(-1, |print| print.id),
            count: i64::try_from(count).unwrap_or(i64::MAX),
            places: places(exchange, symbol),
        })
    }

    fn change(&self) -> (Decimal, Decimal) {
        let change = self.last - self.open;
        let percent = (change * Decimal::ONE_HUNDRED).checked_div(self.open).unwrap_or_default();
        (change, percent.round_dp(3))
    }

    fn average(&self) -> Decimal {
        let average = self.quote.checked_div(self.volume).unwrap_or(self.last);
        average.trunc_with_scale(self.places)
    }

    /// The row of a window: the short row and the price changes.
    #[must_use]
    pub fn window(&self) -> Value {
        let mut row = self.mini();
        let (change, percent) = self.change();
        row["priceChange"] = number(change).into();
        row["priceChangePercent"] = format!("{percent:.3}").into();
        row["weightedAvgPrice"] = number(self.average()).into();
        row
    }

    /// The short row.
    #[must_use]
    pub fn mini(&self) -> Value {
        json!({
            "symbol": self.symbol.as_str(), "openPrice": number(self.open),
            "highPrice": number(self.high), "lowPrice": number(self.low),
            "lastPrice": number(self.last), "volume": number(self.volume),
            "quoteVolume": number(self.quote), "openTime": self.from, "closeTime": self.to,
            "firstId": self.first_id, "lastId": self.last_id, "count": self.count,
        })
    }

    /// The full row.
    #[must_use]
    pub fn full(&self, exchange: &Exchange, rules: &Instrument) -> Value {
        let mut row = self.mini();
        let (change, percent) = self.change();
        let tape = exchange.tape(self.symbol);
        let best = tape.map(|tape| best(tape, rules, exchange.costs()));
        let [bid, bid_quantity, ask, ask_quantity] = best.unwrap_or_default();
        let more = json!({
            "priceChange": number(change), "priceChangePercent": format!("{percent:.3}"),
            "weightedAvgPrice": number(self.average()), "prevClosePrice": number(self.open),
            "lastQty": number(self.last_quantity), "bidPrice": bid, "bidQty": bid_quantity,
            "askPrice": ask, "askQty": ask_quantity,
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut row, more) {
            all.extend(more);
        }
        row
    }

    /// The stream message with the short row.
    #[must_use]
    pub fn mini_event(&self) -> Value {
        json!({
            "e": "24hrMiniTicker", "E": self.to, "s": self.symbol.as_str(),
            "c": number(self.last), "o": number(self.open), "h": number(self.high),
            "l": number(self.low), "v": number(self.volume), "q": number(self.quote),
        })
    }

    /// The stream message with the full row.
    #[must_use]
    pub fn event(&self, exchange: &Exchange, rules: &Instrument) -> Value {
        let mut row = self.mini_event();
        let (change, percent) = self.change();
        let tape = exchange.tape(self.symbol);
        let best = tape.map(|tape| best(tape, rules, exchange.costs()));
        let [bid, bid_quantity, ask, ask_quantity] = best.unwrap_or_default();
        let more = json!({
            "e": "24hrTicker", "p": number(change), "P": format!("{percent:.3}"),
            "w": number(self.average()), "x": number(self.open), "Q": number(self.last_quantity),
            "b": bid, "B": bid_quantity, "a": ask, "A": ask_quantity, "O": self.from,
            "C": self.to, "F": self.first_id, "L": self.last_id, "n": self.count,
        });
        if let (Value::Object(all), Value::Object(more)) = (&mut row, more) {
            all.extend(more);
        }
        row
    }
}

/// A query for trades of the market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintQuery {
    from_id: Option<i64>,
    start: Option<UtcMs>,
    end: Option<UtcMs>,
    limit: usize,
}

impl PrintQuery {
    /// Reads a request for trades. `id` allows `fromId`; `times` allows `startTime` and `endTime`.
    ///
    /// # Errors
    /// The protocol's error for the first wrong parameter.
    pub fn read(params: &Params, id: bool, times: bool) -> Result<PrintQuery, ApiError> {
        let mut query = PrintQuery { limit: page(params)?, ..PrintQuery::default() };
        if id {
            query.from_id = params.integer("fromId")?;
        }
        if times {
            (query.start, query.end) = (params.time("startTime")?, params.time("endTime")?);
        }
        params.finish()?;
        Ok(query)
    }

    /// The trades of `symbol` that match the query, ascending.
    #[must_use]
    pub fn prints(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        symbol: Symbol,
        now: UtcMs,
    ) -> Vec<Print> {
        let through = exchange.market();
        let bars = self.limit.div_ceil(usize::try_from(TRADES).unwrap_or(1)) + 2;
        let from = self.from_id.map(|id| (id / TRADES).min(LAST) * MINUTE).or(self.start);
        let bars = if let Some(from) = from {
            market.bars(symbol, from - MINUTE, through, bars)
        } else {
            let to = self.end.unwrap_or(UtcMs::MAX).min(now.max(through));
            last_bars(market, symbol, to, bars)
        };
        let wanted = |print: &Print| {
            self.from_id.is_none_or(|id| print.id >= id)
                && self.start.is_none_or(|start| print.time >= start)
                && self.end.is_none_or(|end| print.time <= end)
        };
        let all = bars.iter().flat_map(|bar| prints(bar, through));
        let mut found: Vec<Print> = all.filter(wanted).collect();
        if from.is_some() {
            found.truncate(self.limit);
        } else {
            found.drain(..found.len().saturating_sub(self.limit));
        }
        found
    }
}

/// A trade as a row.
#[must_use]
pub fn trade_row(print: &Print) -> Value {
    json!({
        "id": print.id, "price": number(print.price), "qty": number(print.quantity),
        "quoteQty": number(print.price * print.quantity), "time": print.time,
        "isBuyerMaker": print.buyer_maker, "isBestMatch": true,
    })
}

/// An aggregate of one trade as a row.
#[must_use]
pub fn aggregate_row(print: &Print) -> Value {
    json!({
        "a": print.id, "p": number(print.price), "q": number(print.quantity), "f": print.id,
        "l": print.id, "T": print.time, "m": print.buyer_maker, "M": true,
    })
}
