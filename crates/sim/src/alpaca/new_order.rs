//! Reads the request for an order.

use super::body::Body;
use super::classes;
use super::error::{forbidden, invalid, no_asset};
use super::opening::{FRACTION_DECIMALS, is_fractionable};
use crate::exchange::{
    Amount, Distance, Exchange, Lifetime, OrderKind, Shape, Stop, TimeInForce, Trail, Trigger,
};
use crate::wire::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use serde_json::Value;

/// Decimals of an amount in dollars.
const CENTS: u32 = 2;

/// A request for an order: read, and not yet checked against the books.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What to trade.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// Number of shares; for an amount in dollars, what it gives at the last price.
    pub quantity: Decimal,
    /// The client's id. None: the exchange makes one.
    pub client_id: Option<String>,
    /// The stated time in force.
    pub lifetime: Lifetime,
    /// One order or several.
    pub form: Form,
    /// How its stop follows the market.
    pub trail: Option<Trail>,
    /// The amount in dollars, if the client stated one.
    pub notional: Option<Decimal>,
}

/// One order or several.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// One order.
    Single(OrderKind),
    /// Orders that depend on each other.
    List(Box<Shape>),
}

/// The members of a request that every kind and class of orders needs.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// All members.
    pub body: &'a Body,
    /// The rules of the symbol.
    pub rules: &'a Instrument,
    /// The last price.
    pub last: Option<Decimal>,
    /// Direction.
    pub side: Side,
    /// Number of shares.
    pub quantity: Decimal,
    /// The stated time in force.
    pub lifetime: Lifetime,
}

/// Reads a request for an order.
///
/// # Errors
/// The first member that is wrong or not supported.
pub fn read(exchange: &Exchange, text: &str) -> Result<Wanted, ApiError> {
    let body = Body::read(text)?;
    let name = body.word("symbol")?;
    let rules = Symbol::new(name).ok().and_then(|symbol| exchange.instrument(symbol));
    let rules = rules.ok_or_else(|| no_asset(name))?;
    let symbol = rules.symbol;
    let side = match body.word("side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(invalid("side must be buy or sell")),
    };
    let client_id = body.client_id()?;
    let lifetime = lifetime(body.word("time_in_force")?)?;
    unsupported(&body)?;
    let last = exchange.tape(symbol).map(|tape| tape.last);
    let (quantity, notional) = amount(&body, rules, last)?;
    let base = Base { body: &body, rules, last, side, quantity, lifetime };
    let class = body.text("order_class")?.unwrap_or("simple");
    if notional.is_some() || !quantity.fract().is_zero() {
        fractional(lifetime, class)?;
    }
    let id = client_id.clone();
    let (form, trail) = match class {
        "simple" => {
            let (kind, trail) = single(&base, notional)?;
            (Form::Single(kind), trail)
        }
        "oco" => (Form::List(Box::new(classes::pair(&base, id)?)), None),
        "bracket" => (Form::List(Box::new(classes::bracket(&base, id)?)), None),
        "oto" => (Form::List(Box::new(classes::oto(&base, id)?)), None),
        _ => return Err(invalid("order_class must be simple, bracket, oco or oto")),
    };
    Ok(Wanted { symbol, side, quantity, client_id, lifetime, form, trail, notional })
}

/// The time in force with this name.
///
/// # Errors
/// There is none.
pub fn lifetime(name: &str) -> Result<Lifetime, ApiError> {
    match name {
        "day" => Ok(Lifetime::Day),
        "gtc" => Ok(Lifetime::Gtc),
        "ioc" => Ok(Lifetime::Ioc),
        "fok" => Ok(Lifetime::Fok),
        "opg" => Ok(Lifetime::Opg),
        "cls" => Ok(Lifetime::Cls),
        _ => Err(invalid("time_in_force must be day, gtc, opg, cls, ioc or fok")),
    }
}

/// Refuses what the venue has and this simulation does not.
fn unsupported(body: &Body) -> Result<(), ApiError> {
    match body.get("extended_hours") {
        None | Some(Value::Bool(false)) => Ok(()),
        Some(Value::Bool(true)) => {
            Err(invalid("extended_hours is not supported by this simulation"))
        }
        Some(_) => Err(invalid("extended_hours must be a boolean")),
    }
}

/// The number of shares, and the amount in dollars if the request has one.
fn amount(
    body: &Body,
    rules: &Instrument,
    last: Option<Decimal>,
) -> Result<(Decimal, Option<Decimal>), ApiError> {
    let Some(notional) = body.number("notional")? else {
        let quantity = body.number("qty")?;
        let quantity = quantity.ok_or_else(|| invalid("qty or notional is required"))?;
        return shares(quantity, rules).map(|quantity| (quantity, None));
    };
    if !is_fractionable(rules) {
        return Err(not_fractionable(rules));
    }
    if body.get("qty").is_some() {
        return Err(invalid("only one of qty or notional is accepted"));
    }
    if notional < Decimal::ONE {
        return Err(invalid("notional must be >= 1.00"));
    }
    if notional.scale() > CENTS {
        return Err(invalid("notional value must be limited to 2 decimal places"));
    }
    let quantity = last.and_then(|last| notional.checked_div(last)).unwrap_or_default();
    Ok((floor_to_step(quantity, rules.lot_size), Some(notional)))
}

fn not_fractionable(rules: &Instrument) -> ApiError {
    forbidden(format!("asset \"{}\" is not fractionable", rules.symbol))
}

/// Checks a number of shares.
///
/// # Errors
/// It is a fraction, and the asset has none or no such small ones.
pub fn shares(quantity: Decimal, rules: &Instrument) -> Result<Decimal, ApiError> {
    if quantity.fract().is_zero() {
        return Ok(quantity);
    }
    if !is_fractionable(rules) {
        return Err(not_fractionable(rules));
    }
    if quantity.scale() > FRACTION_DECIMALS {
        return Err(invalid("qty must be limited to 9 decimal places"));
    }
    Ok(quantity)
}

/// Checks the terms of an order for a fraction of a share.
///
/// # Errors
/// It lasts longer than a day, or is part of a class.
pub fn fractional(lifetime: Lifetime, class: &str) -> Result<(), ApiError> {
    if lifetime != Lifetime::Day {
        return Err(invalid("fractional orders must be DAY orders"));
    }
    if class == "simple" { Ok(()) } else { Err(invalid("fractional orders must be simple orders")) }
}

/// The kind of one order, and how its stop follows the market.
///
/// # Errors
/// A member that is wrong, missing or superfluous.
pub fn single(
    base: &Base<'_>,
    notional: Option<Decimal>,
) -> Result<(OrderKind, Option<Trail>), ApiError> {
    let Base { body, side, quantity, lifetime, .. } = *base;
    let kind = body.word("type")?;
    let (limit, stop) = (body.price("limit_price")?, body.price("stop_price")?);
    let tif = match lifetime {
        Lifetime::Day | Lifetime::Gtc | Lifetime::Opg | Lifetime::Cls => TimeInForce::Gtc,
        Lifetime::Ioc => TimeInForce::Ioc,
        Lifetime::Fok => TimeInForce::Fok,
    };
    let lasting = matches!(lifetime, Lifetime::Day | Lifetime::Gtc);
    if matches!(kind, "stop" | "stop_limit" | "trailing_stop") && !lasting {
        return Err(invalid(format!("{kind} orders must have the time_in_force day or gtc")));
    }
    if notional.is_some() && kind != "market" {
        return Err(invalid("notional orders must be market orders"));
    }
    for name in ["trail_price", "trail_percent"] {
        if kind != "trailing_stop" && body.get(name).is_some() {
            return Err(invalid(format!("{kind} orders must not have {name}")));
        }
    }
    let trigger = Trigger::StopLoss;
    let kind = match (kind, limit, stop) {
        ("trailing_stop", None, None) => return trailing(base),
        ("trailing_stop", ..) => {
            return Err(invalid("trailing stop orders require no stop or limit price"));
        }
        ("market", None, None) => OrderKind::Market(match notional {
            Some(amount) => Amount::Quote(amount),
            None => Amount::Base(quantity),
        }),
        ("market", ..) => return Err(invalid("market orders require no stop or limit price")),
        ("limit", Some(price), None) => OrderKind::Limit { quantity, price, tif },
        ("limit", ..) => return Err(invalid("limit orders require only a limit price")),
        ("stop", None, Some(at)) => OrderKind::Stop(Stop { quantity, at, trigger, limit: None }),
        ("stop", ..) => return Err(invalid("stop orders require only a stop price")),
        ("stop_limit", Some(price), Some(at)) => {
            in_order(side, price, at)?;
            OrderKind::Stop(Stop { quantity, at, trigger, limit: Some((price, tif)) })
        }
        ("stop_limit", ..) => {
            return Err(invalid("stop limit orders require both stop and limit price"));
        }
        _ => return Err(invalid("type must be market, limit, stop, stop_limit or trailing_stop")),
    };
    Ok((kind, None))
}

/// Checks that the limit price of a stop is not nearer to the market than the stop price.
///
/// # Errors
/// It is.
pub fn in_order(side: Side, limit: Decimal, stop: Decimal) -> Result<(), ApiError> {
    let crossed = match side {
        Side::Buy => limit < stop,
        Side::Sell => limit > stop,
    };
    if crossed {
        return Err(invalid("the limit price must not be before the stop price"));
    }
    Ok(())
}

/// A stop that follows the market from the last price on.
fn trailing(base: &Base<'_>) -> Result<(OrderKind, Option<Trail>), ApiError> {
    let Base { body, rules, last, side, quantity, .. } = *base;
    if !quantity.fract().is_zero() {
        return Err(invalid("fractional orders must not be trailing stop orders"));
    }
    let distance = match (body.price("trail_price")?, body.number("trail_percent")?) {
        (Some(price), None) => Distance::Price(price),
        (None, Some(share)) => Distance::Percent(share),
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid(
                "trailing stop orders must specify one of trail_price or trail_percent",
            ));
        }
    };
    let best = last.ok_or_else(|| invalid("trailing stop orders require a last price"))?;
    let trail = Trail { distance, best };
    let at = trail_stop(trail, side, rules)?;
    let stop = Stop { quantity, at, trigger: Trigger::StopLoss, limit: None };
    Ok((OrderKind::Stop(stop), Some(trail)))
}

/// The stop price of a trail.
///
/// # Errors
/// It is not positive.
pub fn trail_stop(trail: Trail, side: Side, rules: &Instrument) -> Result<Decimal, ApiError> {
    let at = trail.stop(side, rules.tick_size);
    if at > Decimal::ZERO { Ok(at) } else { Err(invalid("the trail must be less than the price")) }
}
