//! The filters that an order must pass before it enters the books, in the order of the protocol.

use super::order::Order;
use super::place::refusal;
use super::request::{Amount, OrderKind};
use super::turn::Turn;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;

/// Most open orders of one symbol.
pub const MAX_NUM_ORDERS: usize = 200;
/// Most open orders of one symbol whose stop is not reached.
pub const MAX_NUM_ALGO_ORDERS: usize = 5;
/// Most open lists of one symbol.
pub const MAX_NUM_ORDER_LISTS: usize = 20;
/// Largest limit price of any instrument, in quote units.
pub const MAX_PRICE: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);
/// Largest price x quantity of one order, in quote units.
pub const MAX_NOTIONAL: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// Largest quantity if the instrument sets none, in base units.
pub const MAX_QUANTITY: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// Largest ratio between a limit price and the last price, in both directions.
pub const PERCENT_PRICE: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

/// A refusal: the protocol's error code and message.
pub type Refusal = (i32, String);

fn failure(name: &str) -> Refusal {
    (-1013, format!("Filter failure: {name}"))
}

fn off_step(value: Decimal, step: Decimal) -> bool {
    !step.is_zero() && !(value % step).is_zero()
}

/// Largest quantity of an order of the instrument, in base units.
#[must_use]
pub fn max_quantity(rules: &Instrument) -> Decimal {
    if rules.max_quantity.is_zero() { MAX_QUANTITY } else { rules.max_quantity }
}

/// Checks an order against every filter of its symbol.
///
/// # Errors
/// -1013 with the first filter that fails.
pub fn check(
    turn: &Turn<'_>,
    rules: &Instrument,
    side: Side,
    kind: &OrderKind,
) -> Result<(), Refusal> {
    if let Some(stop) = kind.stop() {
        price_filter(rules, stop.at)?;
    }
    if let Some(price) = kind.limit() {
        price_filter(rules, price)?;
        percent_price(turn, rules, price)?;
    }
    match kind {
        OrderKind::Limit { quantity, price, .. } | OrderKind::LimitMaker { quantity, price } => {
            lot_size(rules, *quantity)?;
            notional(rules, *price, *quantity, true)?;
            position(turn, rules, side, *quantity)?;
        }
        OrderKind::Stop(stop) => {
            lot_size(rules, stop.quantity)?;
            let (price, minimum) = match stop.limit {
                Some((price, _)) => (price, true),
                None => (stop.at, rules.min_notional_for_market),
            };
            if stop.limit.is_none() {
                market_lot_size(rules, stop.quantity)?;
            }
            notional(rules, price, stop.quantity, minimum)?;
            position(turn, rules, side, stop.quantity)?;
        }
        OrderKind::Market(Amount::Base(quantity)) => {
            lot_size(rules, *quantity)?;
            market_lot_size(rules, *quantity)?;
            if let Some(tape) = turn.tape(rules.symbol) {
                notional(rules, tape.last, *quantity, rules.min_notional_for_market)?;
            }
            position(turn, rules, side, *quantity)?;
        }
        OrderKind::Market(Amount::Quote(amount)) => {
            notional(rules, Decimal::ONE, *amount, rules.min_notional_for_market)?;
        }
    }
    Ok(())
}

/// Checks the number of open orders of a symbol with these orders added.
///
/// # Errors
/// -1013 with the first filter that fails.
pub fn check_number(
    turn: &Turn<'_>,
    rules: &Instrument,
    more: &[&OrderKind],
) -> Result<(), Refusal> {
    let of_symbol = || turn.live.open.values().filter(|order| order.symbol == rules.symbol);
    if of_symbol().count() + more.len() > MAX_NUM_ORDERS {
        return Err(failure("MAX_NUM_ORDERS"));
    }
    let stops = |order: &&Order| order.kind.stop().is_some() && order.working.is_none();
    let new = more.iter().filter(|kind| kind.stop().is_some()).count();
    let most = turn.rules.max_stop_orders(rules.symbol);
    if new > 0 && most == 0 {
        return Err(refusal(-2010, "Stop loss orders are not supported for this symbol."));
    }
    if new > 0 && of_symbol().filter(stops).count() + new > most {
        return Err(failure("MAX_NUM_ALGO_ORDERS"));
    }
    Ok(())
}

/// Checks the number of open lists of a symbol with one list added.
///
/// # Errors
/// -1013 if there are too many.
pub fn check_lists(turn: &Turn<'_>, rules: &Instrument) -> Result<(), Refusal> {
    let open = turn.live.lists.values().filter(|list| list.symbol == rules.symbol).count();
    if open >= MAX_NUM_ORDER_LISTS { Err(failure("MAX_NUM_ORDER_LISTS")) } else { Ok(()) }
}

/// Checks the quantity that an amount in quote units gives.
///
/// # Errors
/// -1013 with the first filter that fails.
pub fn check_quantity(
    turn: &Turn<'_>,
    rules: &Instrument,
    side: Side,
    quantity: Decimal,
) -> Result<(), Refusal> {
    lot_size(rules, quantity)?;
    market_lot_size(rules, quantity)?;
    position(turn, rules, side, quantity)
}

fn price_filter(rules: &Instrument, price: Decimal) -> Result<(), Refusal> {
    let off = price <= Decimal::ZERO
        || price < rules.tick_size
        || price > MAX_PRICE
        || off_step(price, rules.tick_size);
    if off { Err(failure("PRICE_FILTER")) } else { Ok(()) }
}

fn percent_price(turn: &Turn<'_>, rules: &Instrument, price: Decimal) -> Result<(), Refusal> {
    let Some(tape) = turn.tape(rules.symbol) else { return Ok(()) };
    let far = price > tape.last * PERCENT_PRICE || price < tape.last / PERCENT_PRICE;
    if far { Err(failure("PERCENT_PRICE_BY_SIDE")) } else { Ok(()) }
}

fn lot_size(rules: &Instrument, quantity: Decimal) -> Result<(), Refusal> {
    let off = quantity <= Decimal::ZERO
        || quantity < rules.min_quantity
        || quantity > max_quantity(rules)
        || off_step(quantity, rules.lot_size);
    if off { Err(failure("LOT_SIZE")) } else { Ok(()) }
}

fn market_lot_size(rules: &Instrument, quantity: Decimal) -> Result<(), Refusal> {
    let max = rules.market_max_quantity;
    let off = (!max.is_zero() && quantity > max) || off_step(quantity, rules.market_lot_size);
    if off { Err(failure("MARKET_LOT_SIZE")) } else { Ok(()) }
}

fn notional(
    rules: &Instrument,
    price: Decimal,
    quantity: Decimal,
    minimum: bool,
) -> Result<(), Refusal> {
    let value = price.checked_mul(quantity).ok_or_else(|| failure("NOTIONAL"))?;
    let off =
        value <= Decimal::ZERO || value > MAX_NOTIONAL || (minimum && value < rules.min_notional);
    if off { Err(failure("NOTIONAL")) } else { Ok(()) }
}

fn position(
    turn: &Turn<'_>,
    rules: &Instrument,
    side: Side,
    quantity: Decimal,
) -> Result<(), Refusal> {
    let Some(max) = turn.rules.max_position.get(&rules.symbol) else { return Ok(()) };
    if side == Side::Sell {
        return Ok(());
    }
    let purse = turn.live.purse(&rules.base);
    let open: Decimal = turn
        .live
        .open
        .values()
        .filter(|o| o.symbol == rules.symbol && o.side == Side::Buy)
        .map(Order::rest)
        .sum();
    let after = purse.free + purse.locked + open + quantity;
    if after > *max { Err(failure("MAX_POSITION")) } else { Ok(()) }
}
