//! Encodes order requests for the venue.

use crate::binance::map;
use crate::binance::sign::Query;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderType, SendAttempt, Side, Terms, TimeInForce};
use everwarm_venue::port::{ErrorClass, VenueError};

/// The parameters of a new order, in the order of sending.
pub(super) fn order(intent: &OrderIntent, attempt: &SendAttempt) -> Result<Query, VenueError> {
    let id = &intent.client_id.0;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let wrong = if attempt.client_id != intent.client_id {
        Some("the attempt is of another order")
    } else if !(1..=36).contains(&id.len()) || !id.bytes().all(plain) {
        Some("the client order id is not one the venue takes")
    } else if intent.quantity <= Decimal::ZERO || intent.price.is_some_and(|p| p <= Decimal::ZERO) {
        Some("quantity and price must be positive")
    } else if intent.price.is_some() != (intent.order_type == OrderType::Limit) {
        Some("a limit order needs a price, a market order takes none")
    } else if intent.terms.stop.is_some_and(|stop| stop <= Decimal::ZERO) {
        Some("a stop must be positive")
    } else {
        unknown(&intent.terms)
    };
    if let Some(text) = wrong {
        let class = ErrorClass::Refused { again: false };
        return Err(VenueError { class, code: 0, text: text.to_owned() });
    }
    let side = match intent.side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    };
    let (order_type, time_in_force) = match (intent.order_type, intent.terms.stop) {
        (OrderType::Market, None) => ("MARKET", None),
        (OrderType::Limit, None) => ("LIMIT", Some("GTC")),
        (OrderType::Market, Some(_)) => ("STOP_LOSS", None),
        (OrderType::Limit, Some(_)) => ("STOP_LOSS_LIMIT", Some("GTC")),
    };
    Ok(Query::new()
        .with("symbol", intent.symbol)
        .with("side", side)
        .with("type", order_type)
        .with_some("timeInForce", time_in_force)
        .with("quantity", map::plain(intent.quantity))
        .with_some("price", intent.price.map(map::plain))
        .with_some("stopPrice", intent.terms.stop.map(map::plain))
        .with("newClientOrderId", id)
        .with("newOrderRespType", "FULL"))
}

/// The parameters of a stop and a limit order as a pair, in the order of sending. Each order has
/// its own id, and the pair has another.
pub(super) fn pair(orders: &[(OrderIntent, SendAttempt); 2]) -> Result<Query, VenueError> {
    let [(stop, of_stop), (target, of_target)] = orders;
    let single = |intent: &OrderIntent, attempt: &SendAttempt| {
        let terms = Box::new(Terms { list: None, ..(*intent.terms).clone() });
        order(&OrderIntent { terms, ..intent.clone() }, attempt).map(drop)
    };
    single(stop, of_stop)?;
    single(target, of_target)?;
    let common = |intent: &OrderIntent| {
        (intent.symbol, intent.side, intent.quantity, intent.terms.list.clone())
    };
    let (Some(at), Some(price), Some(list)) = (stop.terms.stop, target.price, &stop.terms.list)
    else {
        return Err(no_pair("a pair has a stop, a price and an id"));
    };
    let sells = stop.side == Side::Sell && stop.order_type == OrderType::Market;
    if common(stop) != common(target) || target.terms.stop.is_some() || !sells {
        return Err(no_pair("a pair sells one quantity, at a stop or at a price"));
    }
    Ok(Query::new()
        .with("symbol", stop.symbol)
        .with("listClientOrderId", list)
        .with("side", "SELL")
        .with("quantity", map::plain(stop.quantity))
        .with("aboveType", "LIMIT_MAKER")
        .with("aboveClientOrderId", &target.client_id)
        .with("abovePrice", map::plain(price))
        .with("belowType", "STOP_LOSS")
        .with("belowClientOrderId", &stop.client_id)
        .with("belowStopPrice", map::plain(at))
        .with("newOrderRespType", "FULL"))
}

fn no_pair(text: &str) -> VenueError {
    VenueError { class: ErrorClass::Refused { again: false }, code: 0, text: text.to_owned() }
}

/// A setting of an intent that requests cannot express yet; none: all can be.
fn unknown(terms: &Terms) -> Option<&'static str> {
    let Terms { venue: _, lot: _, leg: _, revision: _, parent: _, reduce_only: _, .. } = terms;
    if terms.trail_ppm.is_some() {
        return Some("trailing stops are not sent yet");
    }
    if terms.list.is_some() {
        return Some("lists of orders are not sent yet");
    }
    if terms.notional.is_some() {
        return Some("orders of an amount are not sent yet");
    }
    let works = terms.tif.is_none_or(|tif| tif == TimeInForce::GoodTilCancelled);
    (!works).then_some("everwarm does not send orders with a time limit yet")
}
