//! The trades of a minute: how a bar becomes prints.
//!
//! By default a bar is four trades in the last 4 ms of its minute. [`Ticking`] spreads 60 trades
//! over the minute instead. Their path begins at the open, touches both extremes and ends at the
//! close, so all trades together are exactly the bar. It depends only on the seed, the symbol and
//! the bar.

use super::{Market, Time, Total};
use crate::exchange::matching::path;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, PRICE_SCALE, Price, floor_to_step};
use everwarm_domain::sessions::Sessions;
use everwarm_domain::split::Split;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::chance::mix;
use std::ops::RangeInclusive;

/// Trades in a minute whose trades all happen at its end.
pub const AT_CLOSE: i64 = 4;
/// Trades in a minute whose trades are spread over it.
pub const SPREAD: i64 = 60;
/// Spread trades happen at multiples of this time after the minute opens, the last one 1 ms before
/// it closes. Milliseconds.
pub const GRID: UtcMs = 250;
/// Decimals of a part of a volume.
const VOLUME_DECIMALS: u32 = 8;
/// The largest weight of a trade's quantity.
const WEIGHT_MAX: u64 = 9;
/// Part of a bar's range that a price may differ from the straight path.
const NOISE: i128 = 10;

/// One trade of the market.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Print {
    /// Counting up over all minutes.
    pub id: i64,
    /// Venue time.
    pub time: UtcMs,
    /// In quote units.
    pub price: Price,
    /// In base units. Zero in a minute without volume.
    pub quantity: Decimal,
    /// Whether the buyer was the maker.
    pub buyer_maker: bool,
}

/// The four trades at the end of a bar's minute, each with a quarter of its volume.
#[must_use]
pub fn at_close(bar: &Bar) -> Vec<Print> {
    let part = (bar.volume / Decimal::from(AT_CLOSE)).trunc_with_scale(VOLUME_DECIMALS);
    let last = bar.volume - part * Decimal::from(AT_CLOSE - 1);
    let first = bar.open_time / MINUTE * AT_CLOSE;
    let print = |(id, step): (i64, crate::exchange::matching::Step)| Print {
        id,
        time: step.time,
        price: Price::exact(step.price).unwrap_or(bar.close),
        quantity: if id - first == AT_CLOSE - 1 { last } else { part },
        buyer_maker: (id - first) % 2 == 1,
    };
    (first..).zip(path(bar.open_time + MINUTE, bar)).map(print).collect()
}

/// The trades of a bar, spread over its minute.
#[must_use]
pub fn spread(seed: u64, rules: &Instrument, bar: &Bar) -> Vec<Print> {
    let minute = bar.open_time.div_euclid(MINUTE);
    let key = rules.symbol.as_str().bytes().fold(mix(seed), |h, b| mix(h ^ u64::from(b)));
    let key = mix(key ^ minute.cast_unsigned());
    let prices = prices(key, rules, bar);
    let quantities = quantities(key, rules, bar.volume);
    let mut before = bar.open;
    let mut prints = Vec::with_capacity(prices.len());
    for ((i, price), quantity) in (0..).zip(prices).zip(quantities) {
        let up = (mix(key ^ number(i)) >> 32).is_multiple_of(2);
        let buyer_maker = if price == before { !up } else { price < before };
        before = price;
        prints.push(Print {
            id: minute * SPREAD + i,
            time: time(key, bar.open_time, i),
            price,
            quantity,
            buyer_maker,
        });
    }
    prints
}

fn number(i: i64) -> u64 {
    i.cast_unsigned()
}

/// A number from `from` to `to`, both inclusive, of the draw named by `salt`.
fn between(key: u64, salt: u64, from: i64, to: i64) -> i64 {
    let width = number(to - from + 1);
    from + (mix(mix(key ^ salt) ^ salt) % width).cast_signed()
}

/// When trade `i` happens. The times ascend.
fn time(key: u64, open: UtcMs, i: i64) -> UtcMs {
    if i == SPREAD - 1 {
        return open + MINUTE - 1;
    }
    let slots = MINUTE / GRID / SPREAD;
    open + GRID * (slots * i + between(key, 1_000 + number(i), 1, slots))
}

/// The prices: the open first, then both extremes at drawn places, the close last.
fn prices(key: u64, rules: &Instrument, bar: &Bar) -> Vec<Price> {
    let scale = bar.scale();
    let [open, high, low, close] = bar.prices().map(|price| price.at(scale));
    let (second, third) = if close >= open { (low, high) } else { (high, low) };
    let (a, b) = (between(key, 2_000, 8, 23), between(key, 2_001, 32, 51));
    let knots = [(0, open), (a, second), (b, third), (SPREAD - 1, close)];
    let tick = ticks(rules.tick_size, scale);
    let noise = (high - low) / NOISE;
    let price = |i: i64| {
        let right = knots.iter().position(|(at, _)| *at >= i).unwrap_or(knots.len() - 1);
        let (to, end) = knots[right];
        if to == i {
            return end;
        }
        let (from, begin) = knots[right.saturating_sub(1)];
        let line = begin + (end - begin) * i128::from(i - from) / i128::from(to - from).max(1);
        let drawn = i128::from(mix(key ^ mix(number(i)))) % (2 * noise + 1) - noise;
        let within = (line + drawn).clamp(low, high);
        low + (within - low) / tick * tick
    };
    (0..SPREAD).map(|i| Price::of(price(i), scale).unwrap_or(bar.close)).collect()
}

/// The smallest price step as units of a scale, at least one.
fn ticks(tick: Decimal, scale: u8) -> i128 {
    let tick = tick.normalize();
    let more = u32::from(scale.max(PRICE_SCALE)).checked_sub(tick.scale());
    let units = more.and_then(|more| tick.mantissa().checked_mul(10_i128.checked_pow(more)?));
    units.filter(|units| *units > 0).unwrap_or(1)
}

/// The quantities, by drawn weights. Together they are the volume.
fn quantities(key: u64, rules: &Instrument, volume: Decimal) -> Vec<Decimal> {
    let weights: Vec<u64> =
        (0..SPREAD).map(|i| 1 + mix(key ^ mix(3_000 + number(i))) % WEIGHT_MAX).collect();
    let all = Decimal::from(weights.iter().sum::<u64>());
    let lots = volume.checked_div(rules.lot_size).unwrap_or_default();
    // A volume of few lots is divided further, so that every trade has a quantity.
    let whole = lots >= Decimal::from(SPREAD.cast_unsigned() * WEIGHT_MAX);
    let cut = |part: Decimal| {
        if whole {
            floor_to_step(part, rules.lot_size)
        } else {
            part.trunc_with_scale(VOLUME_DECIMALS)
        }
    };
    let (mut sum, mut before) = (0, Decimal::ZERO);
    let mut quantities = Vec::with_capacity(weights.len());
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        let part = volume.checked_mul(Decimal::from(sum)).map_or(volume, |part| part / all);
        let upto = if i + 1 == weights.len() { volume } else { cut(part) };
        quantities.push(upto - before);
        before = upto;
    }
    quantities
}

/// A market whose trades are spread over their minutes, see the module.
pub struct Ticking {
    market: Box<dyn Market>,
    seed: u64,
}

impl Ticking {
    /// Spreads the trades of `market`.
    #[must_use]
    pub fn over(market: Box<dyn Market>, seed: u64) -> Ticking {
        Ticking { market, seed }
    }

    /// Spreads the trades of `market` if `on`.
    #[must_use]
    pub fn when(on: bool, market: Box<dyn Market>, seed: u64) -> Box<dyn Market> {
        if on { Box::new(Ticking::over(market, seed)) } else { market }
    }
}

impl Market for Ticking {
    fn instruments(&self) -> &[Instrument] {
        self.market.instruments()
    }

    fn start(&self) -> UtcMs {
        self.market.start()
    }

    fn end(&self) -> Option<UtcMs> {
        self.market.end()
    }

    fn time(&self) -> Option<Time> {
        self.market.time()
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.market.sessions()
    }

    fn splits(&self) -> &[Split] {
        self.market.splits()
    }

    fn known_until(&mut self, released: UtcMs) -> UtcMs {
        self.market.known_until(released)
    }

    fn next_close(&mut self, after: UtcMs) -> Option<UtcMs> {
        self.market.next_close(after)
    }

    fn bars_closing(&mut self, close: UtcMs) -> Vec<Bar> {
        self.market.bars_closing(close)
    }

    fn bars(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs, limit: usize) -> Vec<Bar> {
        self.market.bars(symbol, from_open, to_open, limit)
    }

    fn older(&self, symbol: Symbol, width: Timeframe, times: RangeInclusive<UtcMs>) -> Vec<Bar> {
        self.market.older(symbol, width, times)
    }

    fn ticks(&self) -> bool {
        true
    }

    fn prints(&self, bar: &Bar) -> Vec<Print> {
        let all = self.market.instruments();
        let known = all.binary_search_by_key(&bar.symbol, |rules| rules.symbol);
        known.map_or_else(|_| at_close(bar), |place| spread(self.seed, &all[place], bar))
    }

    fn total(&mut self, symbol: Symbol, from_open: UtcMs, to_open: UtcMs) -> Total {
        self.market.total(symbol, from_open, to_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Seeded;
    use crate::testing::{Fake, bar, dec, sym};

    const START: UtcMs = 1_700_000_040_000;

    /// The bar of all these trades.
    fn sum(bar: &Bar, prints: &[Print]) -> Bar {
        let prices = || prints.iter().map(|print| print.price);
        let (first, last) = (prints.first().expect("trades"), prints.last().expect("trades"));
        Bar {
            open: first.price,
            high: prices().max().expect("trades"),
            low: prices().min().expect("trades"),
            close: last.price,
            volume: prints.iter().map(|print| print.quantity).sum(),
            ..*bar
        }
    }

    #[test]
    fn the_trades_of_a_minute_are_its_bar() {
        let mut market = Seeded::new(3, 40, START, 60);
        for rules in market.instruments().to_vec() {
            let bars = market.bars(rules.symbol, i64::MIN, START, 50);
            assert_eq!(bars.len(), 50);
            for bar in bars {
                let prints = spread(3, &rules, &bar);
                let made = sum(&bar, &prints);
                assert_eq!((made, prints.len()), (bar, 60));
                assert!(prints.is_sorted_by(|a, b| a.time < b.time && a.id + 1 == b.id));
                let on_tick = |p: &Print| (p.price.decimal() % rules.tick_size).is_zero();
                assert!(prints.iter().all(|p| on_tick(p) && p.quantity > Decimal::ZERO));
                let (first, last) = (prints[0].time, prints[59].time);
                assert!(first > bar.open_time && last == bar.open_time + MINUTE - 1);
                assert_eq!(prints, spread(3, &rules, &bar), "always the same");
                assert_ne!(prints, spread(4, &rules, &bar));
            }
        }
    }

    #[test]
    fn odd_bars_are_spread_too() {
        let fake = Fake::usual();
        let rules = &fake.instruments()[0];
        for odd in [
            bar("BTCUSDT", 0, ["1"; 4], "0"),
            bar("BTCUSDT", 0, ["1", "2", "1", "1"], "0.00000001"),
            bar("BTCUSDT", 0, ["0.123456789012345678"; 4], "79228162514264337593543950335"),
            bar("BTCUSDT", -1, ["9.001", "9.003", "9", "9.002"], "3"),
            bar("BTCUSDT", 0, ["3", "3", "1", "1"], "17"),
        ] {
            let prints = spread(7, rules, &odd);
            assert_eq!(sum(&odd, &prints), odd);
            assert!(prints.iter().all(|print| print.quantity >= Decimal::ZERO), "{odd:?}");
        }
        assert_eq!(at_close(&bar("BTCUSDT", 0, ["1"; 4], "1"))[3].quantity, dec("0.25"));
        assert_eq!(rules.symbol, sym("BTCUSDT"));
    }
}
