//! Who trades at what price: the path through a bar, resting orders along it, and the prices a
//! taking order meets.

use super::draw::{Draw, Purpose};
use super::fact::{Advance, SimFact, Traded};
use super::state::{Exchange, Order, Tape};
use crate::domain::id::Symbol;
use crate::domain::instrument::Instrument;
use crate::domain::market::Bar;
use crate::domain::money::{Decimal, floor_to_step};
use crate::domain::order::Side;
use crate::domain::time::UtcMs;
use std::collections::BTreeMap;

/// Part of what is traded that is kept as the fee: one in a thousand.
pub const FEE_RATE: Decimal = Decimal::from_parts(1, 0, 0, false, 3);
/// Decimals of fees, and of prices without a tick.
pub const MONEY_SCALE: u32 = 8;
/// Trades of a taking order that is split, at most.
const SPLIT_MAX: u64 = 4;
/// Share of a bar's volume that resting orders can have, in per cent.
const SHARE: (u64, u64) = (5, 25);
/// An order beyond this part of the last bar's volume is large and always split, in per cent.
const LARGE: u64 = 10;
/// Slippage of the first trade, in millionths of the last price.
const SLIP: (u64, u64) = (20, 120);
/// Further slippage of each next trade, in millionths; grows with the order's size.
const STEP: (u64, u64) = (30, 150);
/// The most by which an order's size multiplies [`STEP`].
const IMPACT_MAX: u64 = 50;

/// One trade of the path through a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Venue time.
    pub time: UtcMs,
    /// In quote units.
    pub price: Decimal,
}

/// The four trades of the bar that closes at `close`, in order.
#[must_use]
pub fn path(close: UtcMs, bar: &Bar) -> [Step; 4] {
    let (second, third) =
        if bar.close >= bar.open { (bar.low, bar.high) } else { (bar.high, bar.low) };
    let mut time = close - 5;
    [bar.open, second, third, bar.close].map(|price| {
        time += 1;
        Step { time, price: price.decimal().normalize() }
    })
}

/// What resting orders of one minute can still have, and what they got.
struct Round<'a> {
    exchange: &'a Exchange,
    close: UtcMs,
    left: BTreeMap<Symbol, Decimal>,
    /// Filled quantity and quote amount by order, as this round leaves them.
    filled: BTreeMap<u64, (Decimal, Decimal)>,
    trades: BTreeMap<Symbol, u64>,
    said: Vec<SimFact>,
}

/// The executions of resting orders in the trades that `advance` has just released.
#[must_use]
pub fn resting(exchange: &Exchange, advance: &Advance) -> Vec<SimFact> {
    let Some((close, bars)) = &advance.minute else { return Vec::new() };
    let mut books: BTreeMap<Symbol, Vec<&Order>> = BTreeMap::new();
    for order in exchange.open_orders() {
        books.entry(order.symbol).or_default().push(order);
    }
    if books.is_empty() {
        return Vec::new();
    }
    let mut steps: Vec<(UtcMs, &Bar, Decimal)> = Vec::new();
    for bar in bars.iter().filter(|b| books.contains_key(&b.symbol)) {
        for step in path(*close, bar) {
            if exchange.released_before < step.time && step.time <= exchange.market() {
                steps.push((step.time, bar, step.price));
            }
        }
    }
    steps.sort_by_key(|(time, bar, _)| (*time, bar.symbol));
    let mut round = Round {
        exchange,
        close: *close,
        left: BTreeMap::new(),
        filled: BTreeMap::new(),
        trades: BTreeMap::new(),
        said: Vec::new(),
    };
    for (time, bar, price) in steps {
        let mut touched: Vec<&Order> =
            books[&bar.symbol].iter().copied().filter(|o| touches(o, price)).collect();
        touched.sort_by_key(|o| (std::cmp::Reverse(eagerness(o)), o.id));
        for order in touched {
            round.fill(order, bar, time);
        }
    }
    round.said
}

fn touches(order: &Order, price: Decimal) -> bool {
    order.limit().is_some_and(|limit| match order.side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    })
}

/// Orders its side's book: the better price for the other side comes first.
fn eagerness(order: &Order) -> Decimal {
    let limit = order.limit().unwrap_or_default();
    match order.side {
        Side::Buy => limit,
        Side::Sell => -limit,
    }
}

impl Round<'_> {
    fn fill(&mut self, order: &Order, bar: &Bar, time: UtcMs) {
        let Some(rules) = self.exchange.instrument(order.symbol) else { return };
        let Some(price) = order.limit() else { return };
        let (executed, quote) =
            self.filled.get(&order.id).copied().unwrap_or((order.executed, order.executed_quote));
        let left = match self.left.get(&order.symbol) {
            Some(left) => *left,
            None => self.budget(bar),
        };
        let quantity = floor_to_step(left, rules.lot_size).min(order.quantity - executed);
        if quantity <= Decimal::ZERO {
            return;
        }
        self.left.insert(order.symbol, left - quantity);
        let known = self.exchange.trades(order.symbol).len() as u64;
        let trade = self.trades.entry(order.symbol).or_insert(known);
        *trade += 1;
        let fill = Fill { price, quantity, maker: true, at: time.max(order.time) };
        let execution = self.exchange.executions + self.said.len() as u64 + 1;
        let said = fill.fact(rules, order, (executed, quote), *trade, execution);
        self.filled.insert(order.id, (said.executed, said.executed_quote));
        self.said.push(SimFact::Traded(said));
    }

    /// What resting orders can have of the bar's volume, less what they have had of it.
    fn budget(&self, bar: &Bar) -> Decimal {
        let draw = Draw {
            seed: self.exchange.seed,
            symbol: bar.symbol,
            minute: self.close,
            client_id: "",
        };
        let share = Decimal::new(as_i64(draw.between(Purpose::Share, SHARE.0, SHARE.1)), 2);
        let taken = self
            .exchange
            .tape(bar.symbol)
            .filter(|tape| tape.minute == self.close)
            .map_or(Decimal::ZERO, |tape| tape.taken);
        (bar.volume * share - taken).max(Decimal::ZERO)
    }
}

/// An execution about to be said.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// Whether the order was resting.
    pub maker: bool,
    /// Venue time.
    pub at: UtcMs,
}

impl Fill {
    /// The fact, for an order that has `before` (quantity, quote amount) filled.
    #[must_use]
    pub fn fact(
        self,
        rules: &Instrument,
        order: &Order,
        before: (Decimal, Decimal),
        trade: u64,
        execution: u64,
    ) -> Traded {
        let amount = self.price * self.quantity;
        let (bought, asset) = match order.side {
            Side::Buy => (self.quantity, &rules.base),
            Side::Sell => (amount, &rules.quote),
        };
        Traded {
            order: order.id,
            symbol: order.symbol,
            trade,
            price: self.price,
            quantity: self.quantity,
            fee: (bought * FEE_RATE).trunc_with_scale(MONEY_SCALE).normalize(),
            fee_asset: asset.clone(),
            maker: self.maker,
            executed: (before.0 + self.quantity).normalize(),
            executed_quote: (before.1 + amount).normalize(),
            execution,
            at: self.at,
        }
    }
}

/// The prices at which a taking order of `quantity` would trade, worst last, with the quantity at
/// each.
#[must_use]
pub fn ladder(
    tape: &Tape,
    rules: &Instrument,
    side: Side,
    quantity: Decimal,
    draw: &Draw<'_>,
) -> Vec<(Decimal, Decimal)> {
    let count = Decimal::from(pieces(tape, rules, quantity, draw));
    let part = floor_to_step(quantity / count, rules.lot_size);
    let impact = Decimal::from(draw.between(Purpose::Step, STEP.0, STEP.1)) * size(tape, quantity);
    let slip = Decimal::from(draw.between(Purpose::Slip, SLIP.0, SLIP.1));
    let mut levels: Vec<(Decimal, Decimal)> = Vec::new();
    let (mut left, mut millionths) = (quantity, slip);
    while left > Decimal::ZERO {
        let last = Decimal::from(levels.len() + 1) >= count || part.is_zero();
        let piece = if last { left } else { part };
        let away = tape.last * millionths / Decimal::from(1_000_000);
        let best = levels.last().map(|level| level.0);
        levels.push((worse(rules, side, tape.last, away, best), piece));
        left -= piece;
        millionths += impact;
    }
    levels
}

/// How many trades a taking order becomes.
fn pieces(tape: &Tape, rules: &Instrument, quantity: Decimal, draw: &Draw<'_>) -> u64 {
    let large = quantity * Decimal::from(100) > tape.volume * Decimal::from(LARGE);
    let number = draw.number(Purpose::Split);
    if !large && !number.is_multiple_of(4) {
        return 1;
    }
    let wanted = 2 + (number >> 8) % (SPLIT_MAX - 1);
    if rules.lot_size.is_zero() {
        return wanted;
    }
    let lots = (quantity / rules.lot_size).trunc();
    if lots < Decimal::from(wanted) { 1 } else { wanted }
}

/// One and the order's size in volumes of the last bar, bounded.
fn size(tape: &Tape, quantity: Decimal) -> Decimal {
    let max = Decimal::from(IMPACT_MAX);
    let volumes = quantity.checked_div(tape.volume).unwrap_or(max);
    Decimal::ONE + volumes.trunc().min(max)
}

/// A price `away` from `last` to the taker's loss, on the grid, and behind `best`.
fn worse(
    rules: &Instrument,
    side: Side,
    last: Decimal,
    away: Decimal,
    best: Option<Decimal>,
) -> Decimal {
    let unit = Decimal::new(1, MONEY_SCALE);
    let tick = if rules.tick_size.is_zero() { unit } else { rules.tick_size };
    let price = match side {
        Side::Buy => {
            let floor = floor_to_step(last + away, tick);
            let up = if floor < last + away { floor + tick } else { floor };
            best.map_or(up, |best| up.max(best + tick))
        }
        Side::Sell => {
            let down = floor_to_step(last - away, tick);
            best.map_or(down, |best| down.min(best - tick)).max(tick)
        }
    };
    price.normalize()
}

fn as_i64(small: u64) -> i64 {
    i64::try_from(small).expect("a percentage fits")
}
