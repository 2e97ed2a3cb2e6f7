//! The rules an order must pass before it is in the books, in the order the protocol checks them.

use super::fact::{Amount, NewOrder, OrderKind};
use super::state::Exchange;
use crate::domain::instrument::Instrument;
use crate::domain::money::Decimal;
use crate::domain::order::Side;

/// Open orders one symbol may have.
pub const MAX_NUM_ORDERS: usize = 200;
/// Largest limit price of any instrument, in quote units.
pub const MAX_PRICE: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);
/// Largest price x quantity of one order, in quote units.
pub const MAX_NOTIONAL: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// Largest quantity where the instrument names none, in base units.
pub const MAX_QUANTITY: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);
/// A limit price may be at most this many times the last price, and at least one over it.
pub const PERCENT_PRICE: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

/// A refusal in the protocol's words.
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
pub fn check(exchange: &Exchange, rules: &Instrument, order: &NewOrder) -> Result<(), Refusal> {
    match order.kind {
        OrderKind::Limit { quantity, price, .. } => {
            price_filter(rules, price)?;
            percent_price(exchange, rules, price)?;
            lot_size(rules, quantity)?;
            notional(rules, price, quantity, true)?;
            position(exchange, rules, order.side, quantity)?;
        }
        OrderKind::Market(Amount::Base(quantity)) => {
            lot_size(rules, quantity)?;
            market_lot_size(rules, quantity)?;
            if let Some(tape) = exchange.tape(rules.symbol) {
                notional(rules, tape.last, quantity, rules.min_notional_for_market)?;
            }
            position(exchange, rules, order.side, quantity)?;
        }
        OrderKind::Market(Amount::Quote(amount)) => {
            notional(rules, Decimal::ONE, amount, rules.min_notional_for_market)?;
        }
    }
    let open = exchange.open_orders().filter(|o| o.symbol == rules.symbol).count();
    if open >= MAX_NUM_ORDERS { Err(failure("MAX_NUM_ORDERS")) } else { Ok(()) }
}

/// Checks the quantity that an amount in quote units came to.
///
/// # Errors
/// -1013 with the first filter that fails.
pub fn check_quantity(
    exchange: &Exchange,
    rules: &Instrument,
    side: Side,
    quantity: Decimal,
) -> Result<(), Refusal> {
    lot_size(rules, quantity)?;
    market_lot_size(rules, quantity)?;
    position(exchange, rules, side, quantity)
}

fn price_filter(rules: &Instrument, price: Decimal) -> Result<(), Refusal> {
    let off = price <= Decimal::ZERO
        || price < rules.tick_size
        || price > MAX_PRICE
        || off_step(price, rules.tick_size);
    if off { Err(failure("PRICE_FILTER")) } else { Ok(()) }
}

fn percent_price(exchange: &Exchange, rules: &Instrument, price: Decimal) -> Result<(), Refusal> {
    let Some(tape) = exchange.tape(rules.symbol) else { return Ok(()) };
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
    exchange: &Exchange,
    rules: &Instrument,
    side: Side,
    quantity: Decimal,
) -> Result<(), Refusal> {
    let Some(max) = exchange.max_position(rules.symbol) else { return Ok(()) };
    if side == Side::Sell {
        return Ok(());
    }
    let purse = exchange.purse(&rules.base);
    let open: Decimal = exchange
        .open_orders()
        .filter(|o| o.symbol == rules.symbol && o.side == Side::Buy)
        .map(super::state::Order::rest)
        .sum();
    let after = purse.free + purse.locked + open + quantity;
    if after > max { Err(failure("MAX_POSITION")) } else { Ok(()) }
}
