//! The visible order book: levels at fixed distances around the last trade.
//!
//! Level `i` is 20 + 30 `i` millionths from the last price, times the factor of the slippage, plus
//! half of the spread and of its part of the mean true range. It is on the tick and behind the
//! level before. It holds a fiftieth of the last bar's volume, times `i` + 1. The fills of a taking
//! order are drawn (see `matching::ladder`) and are never better than the first level. The
//! account's own orders are not in this book.

use super::costs::Costs;
use super::matching::worse;
use super::open_state::Tape;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;

/// Distance of the first level, in millionths of the last price.
pub const FIRST: u64 = 20;
/// Distance from level to level, in millionths of the last price.
pub const STEP: u64 = 30;
/// Levels of each side. So few that a stream can send every change: each trade moves all levels.
pub const COUNT: usize = 100;
/// Divisor that gives the quantity of the first level from the last bar's volume.
const PART: i64 = 50;

/// The first `count` levels that an order of `side` takes: price and quantity, best first.
#[must_use]
pub fn levels(
    tape: &Tape,
    rules: &Instrument,
    side: Side,
    count: usize,
    costs: &Costs,
) -> Vec<(Decimal, Decimal)> {
    let part = tape.volume / Decimal::from(PART);
    let mut levels: Vec<(Decimal, Decimal)> = Vec::with_capacity(count);
    let mut away = FIRST;
    for i in 0..count {
        let distance = costs.distance(tape, Decimal::from(away));
        let before = levels.last().map(|level| level.0);
        let price = worse(rules, side, tape.last, distance, before);
        if before == Some(price) {
            break;
        }
        let wanted = floor_to_step(part * Decimal::from(i + 1), rules.lot_size);
        let least = if rules.min_quantity.is_zero() { rules.lot_size } else { rules.min_quantity };
        levels.push((price, wanted.max(least)));
        away += STEP;
    }
    levels
}

/// The best bid and the best ask.
#[must_use]
pub fn best(tape: &Tape, rules: &Instrument, costs: &Costs) -> (Decimal, Decimal) {
    let price =
        |side| levels(tape, rules, side, 1, costs).first().map_or(tape.last, |level| level.0);
    (price(Side::Sell), price(Side::Buy))
}
