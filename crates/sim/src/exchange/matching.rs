//! Matching: the path through a bar, resting orders along it, and the prices of taking orders.

use super::costs::Costs;
use super::draw::{Draw, Purpose};
use super::fact::{Advance, SimFact, Tick, Ticks, Traded};
use super::open_state::Tape;
use super::order::Order;
use super::paper_fills::queue;
use super::state::Exchange;
use super::turn::Turn;
use crate::market::{AT_CLOSE, SPREAD};
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Decimals of fees, and of prices without a tick.
pub const MONEY_SCALE: u32 = 8;
/// Most trades of a taking order that is split.
const SPLIT_MAX: u64 = 4;
/// Share of a bar's volume that resting orders can fill, in per cent.
const SHARE: (u64, u64) = (5, 25);
/// An order beyond this part of the last bar's volume is large and always split, in per cent.
const LARGE: u64 = 10;
/// Slippage of the first trade, in millionths of the last price.
const SLIP: (u64, u64) = (20, 120);
/// Further slippage of each next trade, in millionths; grows with the order's size.
const STEP: (u64, u64) = (30, 150);
/// Largest order size that increases [`STEP`], in volumes of the last bar.
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

/// A trade of the market, as the orders of its symbol meet it.
#[derive(Clone, Copy, Debug)]
struct Passing {
    time: UtcMs,
    symbol: Symbol,
    price: Decimal,
    /// Close of its minute.
    close: UtcMs,
    /// Volume of that minute's bar.
    volume: Decimal,
    /// Trades among which that volume is divided.
    among: i64,
}

/// The symbols with open orders.
fn awaited(exchange: &Exchange) -> BTreeSet<Symbol> {
    exchange.open_orders().map(|order| order.symbol).collect()
}

fn fresh(exchange: &Exchange, time: UtcMs) -> bool {
    exchange.released_before < time && time <= exchange.market()
}

/// The facts that follow from the trades that `advance` released.
#[must_use]
pub fn released(exchange: &Exchange, advance: &Advance) -> Vec<SimFact> {
    let Some((close, bars)) = &advance.minute else { return met(exchange, Vec::new()) };
    let (close, awaited) = (*close, awaited(exchange));
    let mut trades = Vec::new();
    for bar in bars.iter().filter(|bar| awaited.contains(&bar.symbol)) {
        let (symbol, volume) = (bar.symbol, bar.volume);
        let steps = path(close, bar).into_iter().filter(|step| fresh(exchange, step.time));
        let trade =
            |Step { time, price }| Passing { time, symbol, price, close, volume, among: AT_CLOSE };
        trades.extend(steps.map(trade));
    }
    met(exchange, trades)
}

/// The facts that follow from trades within a minute.
#[must_use]
pub fn ticked(exchange: &Exchange, ticks: &Ticks) -> Vec<SimFact> {
    let (close, awaited) = (ticks.close, awaited(exchange));
    let new = |tick: &&Tick| awaited.contains(&tick.symbol) && fresh(exchange, tick.time);
    let trade = |tick: &Tick| {
        let volume = exchange.tape(tick.symbol).map(|tape| tape.volume).unwrap_or_default();
        let (symbol, price) = (tick.symbol, tick.price.decimal().normalize());
        Passing { time: tick.time, symbol, price, close, volume, among: SPREAD }
    };
    met(exchange, ticks.list.iter().filter(new).map(trade).collect())
}

/// The open orders whose terms end by now, by that time: time, id and symbol.
fn ending(exchange: &Exchange) -> Vec<(UtcMs, u64, Symbol)> {
    let ends = |order: &Order| Some((order.expiry()?, order.id, order.symbol));
    let mut ending: Vec<_> = exchange.open_orders().filter_map(ends).collect();
    ending.retain(|(at, ..)| *at <= exchange.now());
    ending.sort_unstable();
    ending
}

fn expire(turn: &mut Turn<'_>, (at, id, _): (UtcMs, u64, Symbol)) {
    // Trades before the end may have filled it.
    if let Some(entered) = turn.order(id).map(|order| order.time) {
        turn.expire(id, at.max(entered));
    }
}

/// The facts that follow from these trades and from the passing of time. Before each trade, orders
/// expire whose terms end. At each trade, trailing stops follow and delayed orders take first. Then
/// resting orders fill, the better price first. Then stops that the trade reaches enter the market.
fn met(exchange: &Exchange, mut trades: Vec<Passing>) -> Vec<SimFact> {
    trades.sort_by_key(|trade| (trade.time, trade.symbol));
    let ending = ending(exchange);
    let among = trades.iter().map(|trade| trade.symbol);
    let symbols: BTreeSet<Symbol> = among.chain(ending.iter().map(|end| end.2)).collect();
    if symbols.is_empty() {
        return Vec::new();
    }
    let symbols: Vec<Symbol> = symbols.into_iter().collect();
    let mut turn = Turn::of(exchange, &symbols);
    let mut ending = ending.into_iter().peekable();
    for trade in trades {
        let Passing { time, symbol, price, close, .. } = trade;
        while let Some(end) = ending.next_if(|(at, ..)| *at <= time) {
            expire(&mut turn, end);
        }
        turn.live.tapes.entry(symbol).last = price;
        let arrived = |order: &&Order| {
            !turn.rules.costs.paper.travels(order.time, time) && order.earliest() <= time
        };
        let of_symbol = || turn.live.open.values().filter(|o| o.symbol == symbol).filter(arrived);
        let mut touched: Vec<&Order> = of_symbol().filter(|o| touches(o, price)).collect();
        touched.sort_by_key(|o| (Reverse(eagerness(o)), o.id));
        let touched: Vec<u64> = touched.into_iter().map(|order| order.id).collect();
        let stopped: Vec<u64> =
            of_symbol().filter(|o| stops(o, price)).map(|order| order.id).collect();
        let trailing: Vec<u64> = of_symbol().filter(|o| trails(o)).map(|order| order.id).collect();
        let late: Vec<u64> = of_symbol().filter(|o| lags(o)).map(|order| order.id).collect();
        for id in trailing {
            turn.trail(id, price);
        }
        for id in late {
            if let Some(at) = turn.order(id).map(|order| time.max(order.time)) {
                turn.enter(id, close, at);
            }
        }
        for id in touched {
            fill(&mut turn, id, &trade);
        }
        for id in stopped {
            // The fill of the other order of its pair may have ended it.
            if let Some(order) = turn.order(id) {
                let at = time.max(order.time);
                turn.trigger(id, close, at);
            }
        }
    }
    for end in ending {
        expire(&mut turn, end);
    }
    turn.end()
}

fn touches(order: &Order, price: Decimal) -> bool {
    order.working.is_some()
        && order.limit().is_some_and(|limit| match order.side {
            Side::Buy => price <= limit,
            Side::Sell => price >= limit,
        })
}

fn stops(order: &Order, price: Decimal) -> bool {
    order.waits() && order.kind.stop().is_some_and(|stop| stop.reached(order.side, price))
}

/// Whether the stop of a waiting order follows the market.
fn trails(order: &Order) -> bool {
    order.waits() && order.trail().is_some()
}

/// Whether an order that cannot rest still has delayed fills.
fn lags(order: &Order) -> bool {
    order.working.is_some() && !order.kind.rests() && !order.waits()
}

/// Sort key of resting orders of one side: the higher key has the better price for the other side.
fn eagerness(order: &Order) -> Decimal {
    let limit = order.limit().unwrap_or_default();
    match order.side {
        Side::Buy => limit,
        Side::Sell => -limit,
    }
}

/// Fills a resting order from the volume that the minute has left.
fn fill(turn: &mut Turn<'_>, id: u64, trade: &Passing) {
    let Some(order) = turn.order(id) else { return };
    let (Some(rules), Some(price)) = (turn.rules.instrument(order.symbol), order.limit()) else {
        return;
    };
    let (before, rest, at) = (order.ahead, order.rest(), trade.time.max(order.time));
    let traded = trade.volume / Decimal::from(trade.among);
    let (ahead, part) = queue(before, trade.price != price, traded);
    let room = budget(turn, rules, trade);
    let room = part.map_or(room, |part| part.min(room));
    if ahead != before {
        turn.queued(id, ahead);
    }
    let quantity = floor_to_step(room, rules.lot_size).min(rest);
    if quantity > Decimal::ZERO {
        turn.trade(id, Fill { price, quantity, maker: true, at });
    }
}

/// The quantity that resting orders can still fill from the bar's volume.
fn budget(turn: &Turn<'_>, rules: &Instrument, trade: &Passing) -> Decimal {
    let &Passing { symbol, close, volume, .. } = trade;
    if let Some(room) = turn.room(rules, close) {
        return room;
    }
    let draw = turn.draw(symbol, close, "");
    let share = Decimal::new(as_i64(draw.between(Purpose::Share, SHARE.0, SHARE.1)), 2);
    let tape = turn.tape(symbol).filter(|tape| tape.minute == close);
    let taken = tape.map_or(Decimal::ZERO, |tape| tape.taken);
    (volume * share - taken).max(Decimal::ZERO)
}

/// An execution that is not a fact yet.
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
    /// The fact of this execution.
    #[must_use]
    pub fn fact(
        self,
        rules: &Instrument,
        order: &Order,
        (trade, execution): (u64, u64),
        costs: &Costs,
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
            fee: (bought * costs.fee).trunc_with_scale(MONEY_SCALE).normalize(),
            fee_asset: asset.clone(),
            maker: self.maker,
            executed: (order.executed + self.quantity).normalize(),
            executed_quote: (order.executed_quote + amount).normalize(),
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
    (draw, costs): (&Draw<'_>, &Costs),
) -> Vec<(Decimal, Decimal)> {
    let count = Decimal::from(pieces(tape, rules, quantity, draw));
    let part = floor_to_step(quantity / count, rules.lot_size);
    let impact = Decimal::from(draw.between(Purpose::Step, STEP.0, STEP.1)) * size(tape, quantity);
    let slip = Decimal::from(draw.between(Purpose::Slip, SLIP.0, SLIP.1));
    let moved = costs.paper.impact(tape.range, quantity, tape.volume);
    let mut levels: Vec<(Decimal, Decimal)> = Vec::new();
    let (mut left, mut millionths) = (quantity, slip);
    while left > Decimal::ZERO {
        let last = Decimal::from(levels.len() + 1) >= count || part.is_zero();
        let piece = if last { left } else { part };
        let away = costs.distance(tape, millionths) + moved;
        let best = levels.last().map(|level| level.0);
        levels.push((worse(rules, side, tape.last, away, best), piece));
        left -= piece;
        millionths += impact;
    }
    levels
}

/// The number of trades of a taking order.
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

/// One plus the order's size in volumes of the last bar, which counts up to [`IMPACT_MAX`].
fn size(tape: &Tape, quantity: Decimal) -> Decimal {
    let max = Decimal::from(IMPACT_MAX);
    let volumes = quantity.checked_div(tape.volume).unwrap_or(max);
    Decimal::ONE + volumes.trunc().min(max)
}

/// The price `away` from `last` to the taker's disadvantage, on the tick and behind `best`.
#[must_use]
pub fn worse(
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
