//! Markets of US stocks, which trade in the sessions of New York: made from a seed, or recorded.

use super::seeded::Terms;
use super::{InSessions, Market, Recording, Seeded, nyse_sessions};
use everwarm_domain::id::Symbol;
use everwarm_domain::time::{DAY, MINUTE, UtcMs};
use everwarm_kernel::chance::mix;

/// Currency of all prices.
const QUOTE: &str = "USD";
/// Decimals of a price: the tick is a cent.
const PRICE_DECIMALS: u32 = 2;
/// Decimals of a quantity: only whole shares trade.
const LOT_DECIMALS: u32 = 0;
/// Usual traded amount of a minute, USD.
const MINUTE_TURNOVER: i64 = 1_000_000;
/// Smallest order value, USD.
const MIN_NOTIONAL: i64 = 1;

/// Most symbols of one seeded market.
const COUNT_MAX: usize = 1_000;
/// Sessions before the start for which a seeded market has bars. With a half day among them, these
/// are more minutes than one request to the exchange returns.
const HISTORY_SESSIONS: usize = 5;
/// For how long the sessions before a market are known, milliseconds.
const BEFORE: UtcMs = 60 * DAY;
/// For how long a seeded market trades, milliseconds: seven years.
const TRADED: UtcMs = 7 * 365 * DAY;
/// For how long the sessions after a recording are known, milliseconds.
const AFTER: UtcMs = 60 * DAY;

/// The first symbols, with their usual prices in cents.
const KNOWN: [(&str, i64); 40] = [
    ("SPY", 55_000),
    ("AAPL", 21_500),
    ("QQQ", 47_500),
    ("BAC", 4_100),
    ("IBM", 22_000),
    ("MSFT", 42_500),
    ("NVDA", 12_500),
    ("AMZN", 19_000),
    ("GOOGL", 17_500),
    ("META", 52_000),
    ("TSLA", 25_000),
    ("JPM", 21_000),
    ("XOM", 11_500),
    ("JNJ", 15_500),
    ("WMT", 7_500),
    ("PG", 16_500),
    ("V", 28_000),
    ("MA", 47_000),
    ("HD", 36_000),
    ("KO", 6_500),
    ("PEP", 17_000),
    ("DIS", 10_500),
    ("CSCO", 5_000),
    ("INTC", 3_000),
    ("AMD", 15_500),
    ("ORCL", 14_500),
    ("CVX", 15_000),
    ("PFE", 2_900),
    ("MRK", 11_500),
    ("T", 2_000),
    ("VZ", 4_100),
    ("F", 1_200),
    ("GE", 17_000),
    ("BA", 17_500),
    ("CAT", 34_000),
    ("IWM", 21_000),
    ("DIA", 40_500),
    ("GLD", 23_500),
    ("TLT", 9_500),
    ("XLF", 4_300),
];

/// A seeded market of stocks in the sessions of New York, open at the full minute at or before
/// `start`. It has bars for five sessions before the start, and trades for seven years. The bars of
/// a symbol depend only on the seed and its name.
///
/// # Errors
/// The calendar does not know the sessions of that time: it knows the years 2004 to 2099.
pub fn market(seed: u64, symbols: &[Symbol], start: UtcMs) -> Result<Box<dyn Market>, String> {
    let start = start.div_euclid(MINUTE).saturating_mul(MINUTE);
    let (from, until) = (start.saturating_sub(BEFORE), start.saturating_add(TRADED));
    let sessions = nyse_sessions(from, until)?;
    let begun = sessions.spans().partition_point(|session| session.open < start);
    let first = begun.saturating_sub(HISTORY_SESSIONS);
    let first_open = sessions.spans().get(first).map_or(start, |session| session.open);
    let seeded = Seeded::of(seed, symbols, terms, (start, first_open));
    Ok(Box::new(InSessions::over(Box::new(seeded), sessions)))
}

/// A recording of stocks in the sessions of New York. Bars of extended hours are left out.
///
/// # Errors
/// The calendar does not know its sessions: it knows the years 2004 to 2099, and the recording
/// spans at most about 7 years.
pub fn recorded(recording: Recording) -> Result<Box<dyn Market>, String> {
    let first = recording.start();
    let last = recording.end().unwrap_or(first);
    let sessions = nyse_sessions(first.saturating_sub(BEFORE), last.saturating_add(AFTER))?;
    Ok(Box::new(InSessions::over(Box::new(recording), sessions)))
}

/// All names that a seeded market of stocks may have: well known ones first, then `ZAAAZ`, `ZAABZ`
/// and so on.
pub fn names() -> impl Iterator<Item = Symbol> {
    (0..COUNT_MAX).map(name)
}

/// Whether a name is one of [`names`].
#[must_use]
pub fn knows(symbol: Symbol) -> bool {
    names().any(|name| name == symbol)
}

/// Name of the symbol at `index`.
fn name(index: usize) -> Symbol {
    let name = KNOWN.get(index).map_or_else(
        || {
            let number = index - KNOWN.len();
            let letter = |place: usize| char::from(b'A' + u8::try_from(place % 26).unwrap_or(0));
            // No quote asset ends with Z, so that the whole name is the base asset.
            ['Z', letter(number / 676), letter(number / 26), letter(number), 'Z'].iter().collect()
        },
        |(name, _)| (*name).to_owned(),
    );
    Symbol::new(&name).expect("at most five letters")
}

/// The terms of a stock. A name without a fixed usual price gets one from 10 to 500 USD.
fn terms(seed: u64, symbol: Symbol) -> Terms {
    let known = KNOWN.iter().find(|(name, _)| *name == symbol.as_str());
    let drawn = || 1_000 + (mix(seed) % 49_001).cast_signed();
    Terms {
        symbol,
        base: symbol.to_string(),
        quote: QUOTE.to_owned(),
        ticks: known.map_or_else(drawn, |(_, cents)| *cents),
        scale: PRICE_DECIMALS,
        lot_scale: LOT_DECIMALS,
        turnover: MINUTE_TURNOVER,
        min_notional: MIN_NOTIONAL,
    }
}

#[cfg(test)]
mod tests;
