//! Bars: the query for them, and their text.
//!
//! A minute without trades has no bar. Days are those of New York. A bar that is wider than a
//! minute contains the minutes that have closed.

use super::query::{Direction, Query};
use super::{new_york, number, times};
use crate::exchange::Exchange;
use crate::market::{Market, quote};
use crate::server::request_queue::Published;
use crate::wire::error::ApiError;
use crate::wire::params::TIME_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Most bars of a response.
const ROWS_MAX: usize = 10_000;
/// Bars of a response without a limit.
const ROWS: usize = 1_000;
/// One-minute bars that are read together.
const CHUNK: usize = 10_000;
/// Decimals of an average price.
const DECIMALS: u32 = 6;

/// A bar of any width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Opening time.
    pub open_time: UtcMs,
    /// Open, high, low and close.
    prices: [Price; 4],
    volume: Decimal,
    quote: Decimal,
    trades: i64,
}

impl Row {
    /// A bar with `each` trades.
    #[must_use]
    pub fn of(bar: &Bar, each: i64) -> Row {
        Row {
            open_time: bar.open_time,
            prices: bar.prices(),
            volume: bar.volume,
            quote: quote(bar),
            trades: each,
        }
    }

    /// Adds a later bar.
    pub fn add(&mut self, later: &Row) {
        let ([open, high, low, _], [_, higher, lower, close]) = (self.prices, later.prices);
        self.prices = [open, high.max(higher), low.min(lower), close];
        self.volume += later.volume;
        self.quote += later.quote;
        self.trades += later.trades;
    }

    /// The members of the bar without braces. All numbers are JSON numbers with exact decimals.
    #[must_use]
    pub fn members(&self) -> String {
        let [open, high, low, close] = self.prices.map(|price| number(price.decimal()));
        let average = self.quote.checked_div(self.volume).unwrap_or_default();
        format!(
            "\"t\":\"{}\",\"o\":{open},\"h\":{high},\"l\":{low},\"c\":{close},\"v\":{},\"n\":{},\
             \"vw\":{}",
            times::utc(self.open_time),
            number(self.volume),
            self.trades,
            number(average.round_dp(DECIMALS)),
        )
    }
}

/// Width of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Minutes(i64),
    Day,
}

impl Width {
    fn read(query: Query<'_>) -> Result<Width, ApiError> {
        Ok(match query.text("timeframe") {
            Some("1Min" | "1T") => Width::Minutes(1),
            Some("5Min" | "5T") => Width::Minutes(5),
            Some("15Min" | "15T") => Width::Minutes(15),
            Some("30Min" | "30T") => Width::Minutes(30),
            Some("1Hour" | "1H") => Width::Minutes(60),
            Some("1Day" | "1D") => Width::Day,
            Some(_) => {
                let known = "1Min, 5Min, 15Min, 30Min, 1Hour or 1Day";
                return Err(query.wrong(format!("invalid timeframe: use {known}")));
            }
            None => return Err(query.wrong("timeframe is required")),
        })
    }

    fn open_of(self, time: UtcMs) -> UtcMs {
        match self {
            Width::Minutes(minutes) => time.div_euclid(minutes * MINUTE) * minutes * MINUTE,
            Width::Day => new_york::midnight(new_york::day(time)),
        }
    }

    /// The same width of the bars that a market has from before its first minute.
    fn older(self) -> Option<Timeframe> {
        match self {
            Width::Minutes(5) => Some(Timeframe::M5),
            Width::Minutes(15) => Some(Timeframe::M15),
            Width::Minutes(60) => Some(Timeframe::H1),
            Width::Minutes(_) | Width::Day => None,
        }
    }
}

/// A query for bars.
#[derive(Clone, Debug)]
pub struct BarQuery {
    symbols: BTreeSet<Symbol>,
    width: Width,
    start: UtcMs,
    end: UtcMs,
    limit: usize,
    direction: Direction,
    /// The symbol and the opening time of the last bar before.
    token: Option<(Symbol, UtcMs)>,
}

impl BarQuery {
    /// Reads a request for bars at venue time `now`. Without a start it begins with the day in New
    /// York. `feed`, `adjustment`, `asof` and `currency` have no effect: all feeds are equal here,
    /// and no bar is adjusted for a split.
    ///
    /// # Errors
    /// A wrong parameter.
    pub fn read(query: Query<'_>, now: UtcMs) -> Result<BarQuery, ApiError> {
        let symbols = query.symbols("symbols")?;
        let symbols = symbols.ok_or_else(|| query.wrong("symbols is required"))?;
        let width = Width::read(query)?;
        let today = || new_york::midnight(new_york::day(now));
        let start = query.time("start")?.unwrap_or_else(today);
        let end = query.time("end")?.unwrap_or(now);
        if end < start {
            return Err(query.wrong("end should not be before start"));
        }
        let limit = query.count("limit", ROWS, ROWS_MAX)?;
        let direction = query.direction("sort", Direction::Ascending)?;
        let token = match query.text("page_token") {
            None => None,
            Some(text) => Some(token(text).ok_or_else(|| query.wrong("invalid page_token"))?),
        };
        Ok(BarQuery { symbols, width, start, end, limit, direction, token })
    }

    /// The response: the bars symbol by symbol, up to the limit over all symbols.
    pub fn rows(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        published: Published<'_>,
    ) -> String {
        let mut text = String::from("{\"bars\":{");
        let mut left = self.limit;
        let mut next = None;
        let mut first = true;
        let done = |symbol: &Symbol| self.token.is_some_and(|(last, _)| *symbol < last);
        for symbol in self.symbols.iter().filter(|symbol| !done(symbol)) {
            if left == 0 {
                break;
            }
            let rows = self.of(exchange, market, published, *symbol);
            let shown = rows.len().min(left);
            let more = rows.len() > shown;
            left -= shown;
            let Some(last) = rows[..shown].last() else { continue };
            let others = || self.symbols.range(symbol..).nth(1).is_some();
            next = (more || (left == 0 && others())).then_some((*symbol, last.open_time));
            if !first {
                text.push(',');
            }
            first = false;
            let rows: Vec<String> =
                rows[..shown].iter().map(|row| format!("{{{}}}", row.members())).collect();
            write!(text, "\"{symbol}\":[{}]", rows.join(",")).expect("memory takes it");
        }
        let next = next.map(|(symbol, time)| BASE64.encode(format!("{symbol}|{time}")));
        let next = next.map_or("null".to_owned(), |token| format!("\"{token}\""));
        write!(text, "}},\"next_page_token\":{next}}}").expect("memory takes it");
        text
    }

    /// The bars of a symbol that the page and later ones can have, and at least one more if there
    /// is one.
    fn of(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        published: Published<'_>,
        symbol: Symbol,
    ) -> Vec<Row> {
        let token = self.token.filter(|(last, _)| *last == symbol).map(|(_, time)| time);
        let (mut from, mut to) = (self.start, self.end);
        match (token, self.direction) {
            (Some(time), Direction::Ascending) => from = from.max(time + 1),
            (Some(time), Direction::Descending) => to = to.min(time - 1),
            (None, Direction::Ascending | Direction::Descending) => {}
        }
        let ahead = (self.direction == Direction::Ascending).then_some(self.limit + 1);
        let mut rows = self.folded(exchange, market, (symbol, from, to, ahead), published);
        if self.direction == Direction::Descending {
            rows.reverse();
        }
        rows
    }

    /// The bars with opening times in a range, ascending; with `most`, little more than these.
    fn folded(
        &self,
        exchange: &Exchange,
        market: &mut dyn Market,
        (symbol, from, to, most): (Symbol, UtcMs, UtcMs, Option<usize>),
        published: Published<'_>,
    ) -> Vec<Row> {
        let each = market.trades_per_minute();
        let reached = exchange.market();
        let mut rows = self.older(market, symbol, (from, to), reached);
        let after = rows.last().map_or(UtcMs::MIN, |row| row.open_time);
        // A bar that opened before the range is not in it.
        let begin = self.width.open_of(from);
        let mut next = if begin < from { self.width.open_of(begin + self.span()) } else { begin };
        // The last bar of the range contains later minutes.
        let end = self.width.open_of(to) + self.span();
        let last = (end - MINUTE).min(reached - MINUTE);
        while most.is_none_or(|most| rows.len() <= most) {
            let wanted = most.map_or(CHUNK, |most| most + 1 - rows.len());
            let minutes = usize::try_from(self.span() / MINUTE).unwrap_or(CHUNK);
            let count = wanted.saturating_mul(minutes).min(CHUNK);
            let bars = market.bars(symbol, next, last, count);
            let Some(newest) = bars.last().map(|bar| bar.open_time) else { break };
            for bar in bars.into_iter().filter(|bar| !bar.volume.is_zero()) {
                let one_minute = self.width == Width::Minutes(1);
                let bar = if one_minute { published(bar) } else { bar };
                let open = self.width.open_of(bar.open_time);
                if open <= after || open > to {
                    continue;
                }
                let row = Row { open_time: open, ..Row::of(&bar, each) };
                match rows.last_mut().filter(|row| row.open_time == open) {
                    Some(known) => known.add(&row),
                    None => rows.push(row),
                }
            }
            next = newest + MINUTE;
        }
        rows
    }

    /// A time that is at least the width, and less than two widths.
    fn span(&self) -> UtcMs {
        match self.width {
            Width::Minutes(minutes) => minutes * MINUTE,
            // A day in autumn has 25 hours.
            Width::Day => 25 * 60 * MINUTE,
        }
    }

    /// Bars that the market has from before its first minute, and that ended by `reached`.
    fn older(
        &self,
        market: &dyn Market,
        symbol: Symbol,
        (from, to): (UtcMs, UtcMs),
        reached: UtcMs,
    ) -> Vec<Row> {
        let Some(width) = self.width.older() else { return Vec::new() };
        let each = market.trades_per_minute() * (width.ms() / MINUTE);
        let older = market.older(symbol, width, from..=to);
        let ended = |bar: &&Bar| bar.open_time + width.ms() <= reached && !bar.volume.is_zero();
        older.iter().filter(ended).map(|bar| Row::of(bar, each)).collect()
    }
}

/// The symbol and the time of a page token.
fn token(text: &str) -> Option<(Symbol, UtcMs)> {
    let text = String::from_utf8(BASE64.decode(text.replace(' ', "+")).ok()?).ok()?;
    let (symbol, time) = text.split_once('|')?;
    let time = time.parse().ok().filter(|time| (0..TIME_MAX).contains(time))?;
    Some((Symbol::new(symbol).ok()?, time))
}
