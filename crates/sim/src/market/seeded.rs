//! An endless market made from a seed. Trends of about 23 minutes lie within slower ones. All
//! values are integers.
//!
//! A price depends only on seed, symbol and minute. It is the symbol's usual price plus layers of
//! noise. Each layer is a polyline through hashed heights at knots some minutes apart. Nothing is
//! cached or stored: any bar can be requested in any order and is always the same. The price stays
//! near the usual one. The layer of 23 minutes makes the averages of 10 and 30 bars cross about
//! every 20 to 40 bars.

use super::{Market, split_name};
use everwarm_domain::id::{Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, PRICE_SCALE, Price};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::chance::mix;

/// Default number of bars before the start: what one request to the exchange returns.
pub const DEFAULT_HISTORY_BARS: u32 = 1_000;

/// Most symbols of one market.
const COUNT_MAX: usize = 1_000;

/// Name without `USDT`, usual price in ticks, decimals of the price, decimals of the quantity.
type Spec = (&'static str, i64, u32, u32);

/// The first symbols, priced from 0.5 to 60,000 USDT.
const KNOWN: [Spec; 30] = [
    ("BTC", 6_000_000, 2, 5),
    ("ETH", 300_000, 2, 4),
    ("SOL", 15_000, 2, 3),
    ("BNB", 58_000, 2, 3),
    ("XRP", 5_800, 4, 0),
    ("ADA", 6_200, 4, 1),
    ("AVAX", 3_400, 2, 2),
    ("LINK", 1_420, 2, 2),
    ("LTC", 8_400, 2, 3),
    ("DOT", 7_100, 3, 2),
    ("BCH", 43_000, 2, 3),
    ("UNI", 9_300, 3, 2),
    ("ATOM", 8_600, 3, 2),
    ("ETC", 2_700, 2, 2),
    ("FIL", 5_900, 3, 2),
    ("NEAR", 6_200, 3, 1),
    ("APT", 9_100, 3, 2),
    ("ARB", 11_200, 4, 1),
    ("OP", 24_000, 4, 2),
    ("INJ", 2_500, 2, 2),
    ("AAVE", 9_500, 2, 3),
    ("MKR", 275_000, 2, 4),
    ("ICP", 12_400, 3, 2),
    ("STX", 21_000, 4, 1),
    ("IMX", 22_000, 4, 2),
    ("RUNE", 5_400, 3, 1),
    ("LDO", 23_000, 4, 2),
    ("SUI", 10_500, 4, 1),
    ("TIA", 9_800, 3, 2),
    ("EGLD", 4_100, 2, 2),
];

/// Layers of noise, slow to fast: minutes between knots, height in millionths of the price.
const LAYERS: [(i64, i64); 6] =
    [(10_007, 90_000), (1_511, 45_000), (241, 14_000), (23, 8_000), (11, 2_000), (1, 350)];

/// Usual traded amount of a minute in quote units.
const MINUTE_TURNOVER: i64 = 60_000;

/// Smallest order value in quote units.
const MIN_NOTIONAL: i64 = 5;

/// What distinguishes an instrument from others of a seeded market.
pub(super) struct Terms {
    pub symbol: Symbol,
    pub base: String,
    pub quote: String,
    /// Usual price in ticks.
    pub ticks: i64,
    /// Decimals of the price.
    pub scale: u32,
    /// Decimals of the quantity.
    pub lot_scale: u32,
    /// Usual traded amount of a minute in quote units.
    pub turnover: i64,
    /// Smallest order value in quote units.
    pub min_notional: i64,
}

/// An endless market made from a seed.
#[derive(Debug)]
pub struct Seeded {
    instruments: Vec<Instrument>,
    lines: Vec<Line>,
    start: UtcMs,
    /// Opening time of the first bar.
    first_open: UtcMs,
}

/// The parameters that give the bars of one symbol.
#[derive(Clone, Copy, Debug)]
struct Line {
    symbol: Symbol,
    seed: u64,
    /// Usual price in ticks.
    base: i64,
    /// [`Price`] units of one tick.
    tick_units: i64,
    lot_scale: u32,
    /// Usual volume of a minute in lots.
    lots: i64,
}

impl Seeded {
    /// The first `count` symbols (`BTCUSDT`, `ETHUSDT`, … and `S001USDT`, … after 30; 1 to 1,000),
    /// open at the full minute at or before `start`, with `history_bars` bars before it.
    #[must_use]
    pub fn new(seed: u64, count: usize, start: UtcMs, history_bars: u32) -> Seeded {
        let names: Vec<Symbol> = (0..count.clamp(1, COUNT_MAX)).map(name).collect();
        Seeded::with_symbols(seed, &names, start, history_bars)
    }

    /// As [`Seeded::new`], with symbols by name. The bars of a symbol depend only on the seed and
    /// its name. A name without a fixed usual price gets one from the seed.
    #[must_use]
    pub fn with_symbols(seed: u64, symbols: &[Symbol], start: UtcMs, history_bars: u32) -> Seeded {
        let start = start.div_euclid(MINUTE) * MINUTE;
        let first_open = start - i64::from(history_bars) * MINUTE;
        Seeded::of(seed, symbols, pair, (start, first_open))
    }

    /// As [`Seeded::with_symbols`], with other terms. They follow from the seed of a symbol and its
    /// name. `times` are the start and the opening time of the first bar, full minutes.
    pub(super) fn of(
        seed: u64,
        symbols: &[Symbol],
        terms: fn(u64, Symbol) -> Terms,
        (start, first_open): (UtcMs, UtcMs),
    ) -> Seeded {
        let mut symbols = symbols.to_vec();
        symbols.sort_unstable();
        symbols.dedup();
        let made = symbols.into_iter().map(|symbol| {
            let seed = symbol.as_str().bytes().fold(mix(seed), |h, b| mix(h ^ u64::from(b)));
            make(seed, terms(seed, symbol))
        });
        let (instruments, lines) = made.unzip();
        Seeded { instruments, lines, start, first_open }
    }

    /// All names that a market of [`Seeded::new`] may have, in its order.
    pub fn names() -> impl Iterator<Item = Symbol> {
        (0..COUNT_MAX).map(name)
    }

    /// Whether a name is one of [`Seeded::names`], or the same base asset with another known quote.
    #[must_use]
    pub fn knows(symbol: Symbol) -> bool {
        let (base, quote) = split_name(symbol.as_str());
        let whole = format!("{base}{quote}") == symbol.as_str();
        whole && Seeded::names().any(|name| name.as_str().strip_suffix("USDT") == Some(&base))
    }
}

impl Market for Seeded {
    fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    fn start(&self) -> UtcMs {
        self.start
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        let next = (after.div_euclid(MINUTE)).checked_add(1)?.checked_mul(MINUTE)?;
        (!self.lines.is_empty()).then(|| next.max(self.first_open + MINUTE))
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        if close.rem_euclid(MINUTE) != 0 || close <= self.first_open {
            return Vec::new();
        }
        self.lines.iter().map(|line| line.bar(close - MINUTE)).collect()
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        let Ok(index) = self.lines.binary_search_by(|line| line.symbol.cmp(&symbol)) else {
            return Vec::new();
        };
        let line = self.lines[index];
        let from = from_open.max(self.first_open);
        let late = i64::from(from.rem_euclid(MINUTE) != 0);
        let first = from.div_euclid(MINUTE) + late;
        let last = to_open.div_euclid(MINUTE);
        (first..=last).take(limit).map(|minute| line.bar(minute * MINUTE)).collect()
    }
}

/// Name of the symbol at `index`.
fn name(index: usize) -> Symbol {
    let name = match KNOWN.get(index) {
        Some((asset, ..)) => format!("{asset}USDT"),
        None => format!("S{:03}USDT", index + 1 - KNOWN.len()),
    };
    Symbol::new(&name).expect("at most eight letters and digits")
}

/// The terms of a pair of assets.
fn pair(seed: u64, symbol: Symbol) -> Terms {
    let known =
        KNOWN.iter().find(|(asset, ..)| symbol.as_str().strip_suffix("USDT") == Some(asset));
    let (ticks, scale, lot_scale) = known.map_or_else(|| price_of(seed), |k| (k.1, k.2, k.3));
    let (base, quote) = split_name(symbol.as_str());
    let (turnover, min_notional) = (MINUTE_TURNOVER, MIN_NOTIONAL);
    Terms { symbol, base, quote, ticks, scale, lot_scale, turnover, min_notional }
}

fn make(seed: u64, terms: Terms) -> (Instrument, Line) {
    let Terms { symbol, base, quote, ticks, scale, lot_scale, turnover, min_notional } = terms;
    let power = |exponent: u32| 10_i64.pow(exponent);
    let line = Line {
        symbol,
        seed,
        base: ticks,
        tick_units: power(u32::from(PRICE_SCALE) - scale),
        lot_scale,
        lots: (turnover * power(lot_scale) * power(scale) / ticks).max(1),
    };
    let lot_size = Decimal::new(1, lot_scale);
    let instrument = Instrument {
        symbol,
        base,
        quote,
        trading: true,
        tick_size: Decimal::new(1, scale),
        lot_size,
        min_quantity: lot_size,
        max_quantity: Decimal::from(9_000_000),
        market_lot_size: Decimal::ZERO,
        // The largest market order is the usual volume of a thousand minutes.
        market_max_quantity: Decimal::new(line.lots * 1_000, lot_scale).normalize(),
        min_notional: Decimal::from(min_notional),
        min_notional_for_market: true,
        venue: VenueId::default(),
    };
    (instrument, line)
}

/// Draws the usual price, 0.5 to 800, of a name without a fixed one: ticks, decimals of the price,
/// decimals of the quantity.
fn price_of(seed: u64) -> (i64, u32, u32) {
    let draw = |from: u64, to: u64, salt: u64| {
        i64::try_from(from + mix(seed ^ salt) % (to - from)).expect("both bounds are small")
    };
    match mix(seed) % 3 {
        0 => (draw(6_000, 50_000, 1), 4, 1),
        1 => (draw(5_000, 40_000, 2), 3, 2),
        _ => (draw(4_000, 80_000, 3), 2, 3),
    }
}

impl Line {
    /// The bar that opens at `open_time`, a full minute. Its open is the close of the bar before.
    fn bar(&self, open_time: UtcMs) -> Bar {
        let minute = open_time.div_euclid(MINUTE);
        let (open, close) = (self.price(minute), self.price(minute + 1));
        let draw = self.hash(100, minute);
        // High and low exceed open and close by up to 0.04 percent.
        let reach = self.base / 2_500 + 1;
        let high = open.max(close) + below(draw, reach);
        let low = open.min(close) - below(draw >> 20, reach);
        // The volume is 0.3 to 1.7 times the usual one, and more if the price moved.
        let share =
            300 + below(draw >> 40, 1_400) + (close - open).abs() * 1_000_000 / self.base / 4;
        let lots = (self.lots * share / 1_000).max(1);
        let price = |ticks: i64| Price::e8(ticks * self.tick_units);
        Bar {
            symbol: self.symbol,
            open_time,
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            volume: Decimal::new(lots, self.lot_scale).normalize(),
        }
    }

    /// Price in ticks at the beginning of a minute.
    fn price(&self, minute: i64) -> i64 {
        let millionths: i64 = (0_u64..)
            .zip(LAYERS)
            .map(|(layer, (width, height))| self.layer(layer, width, height, minute))
            .sum();
        self.base + self.base * millionths / 1_000_000
    }

    /// One layer at `minute`, within plus and minus `height`.
    fn layer(&self, layer: u64, width: i64, height: i64, minute: i64) -> i64 {
        // Each symbol has its own knot positions, so that symbols do not turn in the same minute.
        let shifted = minute + below(self.hash(200 + layer, 0), width);
        let (knot, within) = (shifted.div_euclid(width), shifted.rem_euclid(width));
        let knot_height = |knot: i64| below(self.hash(layer, knot), 2 * height + 1) - height;
        let (left, right) = (knot_height(knot), knot_height(knot + 1));
        left + (right - left) * within / width
    }

    fn hash(&self, layer: u64, at: i64) -> u64 {
        mix(mix(self.seed ^ layer) ^ at.cast_unsigned())
    }
}

/// Reduces `draw` to the range 0 … `bound` - 1.
fn below(draw: u64, bound: i64) -> i64 {
    let bound = bound.max(1).cast_unsigned();
    ((draw & 0xffff_ffff) % bound).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::DAY;

    const START: UtcMs = 1_700_000_040_000;

    fn closes(market: &mut Seeded, symbol: Symbol, count: usize) -> Vec<i64> {
        let bars = market.bars(symbol, START, i64::MAX, count);
        assert_eq!(bars.len(), count);
        bars.iter().map(|b| b.close.units()).collect()
    }

    #[test]
    fn a_name_that_is_misspelt_is_not_known() {
        let knows = |name: &str| Seeded::knows(Symbol::new(name).unwrap());
        for name in ["BTCUSDT", "BTCUSD", "ETHBTC", "S001USDT", "S970USDT"] {
            assert!(knows(name), "{name}");
        }
        for name in ["BTCUSTD", "btcusdt", "all", "S971USDT", "USDT", "BTC"] {
            assert!(!knows(name), "{name}");
        }
    }

    #[test]
    fn bars_are_the_same_whatever_the_order_of_calls() {
        let mut straight = Seeded::new(7, 40, START, DEFAULT_HISTORY_BARS);
        let mut close = straight.next_close(i64::MIN).expect("endless");
        assert_eq!(close, START - 999 * MINUTE);
        let mut rounds = Vec::new();
        for _ in 0..1_100 {
            rounds.push((close, straight.bars_closing(close)));
            close = straight.next_close(close).expect("endless");
        }
        let mut backwards = Seeded::new(7, 40, START, DEFAULT_HISTORY_BARS);
        for (close, bars) in rounds.iter().rev() {
            assert_eq!(backwards.bars_closing(*close), *bars);
        }
        for (i, instrument) in straight.instruments().to_vec().iter().enumerate() {
            let column: Vec<Bar> = rounds.iter().map(|(_, bars)| bars[i]).collect();
            let mut fresh = Seeded::with_symbols(7, &[instrument.symbol], START, 1_000);
            assert_eq!(fresh.bars(instrument.symbol, i64::MIN, i64::MAX, 1_100), column);
        }
        let mut other = Seeded::new(8, 40, START, DEFAULT_HISTORY_BARS);
        assert_ne!(other.bars_closing(START), straight.bars_closing(START));
    }

    #[test]
    fn bars_are_valid_continuous_and_on_the_steps() {
        let mut market = Seeded::new(1, 300, START, 10);
        for instrument in market.instruments().to_vec() {
            let mut last: Option<Bar> = None;
            for bar in market.bars(instrument.symbol, START, START + DAY, 1_500) {
                bar.validate().expect("a valid bar");
                if let Some(last) = last {
                    assert_eq!((last.close, last.open_time + MINUTE), (bar.open, bar.open_time));
                }
                for price in [bar.open, bar.high, bar.low, bar.close] {
                    assert!((price.decimal() % instrument.tick_size).is_zero(), "{bar:?}");
                    assert!((40_000_000..=7_200_000_000_000).contains(&price.units()), "{bar:?}");
                }
                assert!((bar.volume % instrument.lot_size).is_zero() && !bar.volume.is_zero());
                last = Some(bar);
            }
        }
    }

    #[test]
    fn averages_of_ten_and_thirty_cross_every_twenty_to_forty_bars() {
        let mut market = Seeded::new(42, 60, START, 0);
        for instrument in market.instruments().to_vec() {
            let closes = closes(&mut market, instrument.symbol, 6_000);
            let sum = |end: usize, n: usize| closes[end - n..end].iter().sum::<i64>();
            let above: Vec<bool> =
                (30..=closes.len()).map(|e| 3 * sum(e, 10) > sum(e, 30)).collect();
            let crosses = above.windows(2).filter(|w| w[0] != w[1]).count();
            let every = above.len() / crosses;
            assert!((20..=40).contains(&every), "{}: every {every} bars", instrument.symbol);
        }
    }

    #[test]
    fn the_history_has_a_beginning_and_ranges_are_inclusive() {
        let mut market = Seeded::new(3, 8, START + 59_999, 5);
        let btc = Symbol::new("BTCUSDT").expect("a symbol");
        let opens = |bars: Vec<Bar>| -> Vec<i64> {
            bars.iter().map(|b| (b.open_time - START) / MINUTE).collect()
        };
        assert_eq!(market.start(), START);
        assert_eq!(opens(market.bars(btc, i64::MIN, START, 99)), [-5, -4, -3, -2, -1, 0]);
        assert_eq!(opens(market.bars(btc, START + 1, START + 2 * MINUTE, 99)), [1, 2]);
        assert_eq!(opens(market.bars(btc, START, i64::MAX, 2)), [0, 1]);
        assert!(market.bars(Symbol::new("NONE").expect("a symbol"), 0, START, 9).is_empty());
        assert!(market.bars_closing(START - 5 * MINUTE).is_empty());
        assert_eq!(market.bars_closing(START - 4 * MINUTE).len(), 8);
        assert!(market.bars_closing(START + 1).is_empty());
        assert_eq!(market.next_close(START), Some(START + MINUTE));
        assert_eq!(market.next_close(START - 1), Some(START));
    }

    #[test]
    fn names_are_those_of_the_book_then_numbered() {
        let market = Seeded::new(0, 300, START, 0);
        let names: Vec<&str> = market.instruments().iter().map(|i| i.symbol.as_str()).collect();
        assert_eq!(names.len(), 300);
        assert!(names.is_sorted());
        for wanted in ["BTCUSDT", "ETHUSDT", "SOLUSDT", "S001USDT", "S270USDT"] {
            assert!(names.contains(&wanted), "{wanted}");
        }
    }
}
