//! Reads the request for an order.

use super::error::{forbidden, invalid, no_asset, unreadable};
use crate::exchange::{
    Amount, Exchange, Leg, Lifetime, OrderKind, Shape, Stop, TimeInForce, Trigger,
};
use crate::wire::error::ApiError;
use everwarm_domain::id::Symbol;
use everwarm_domain::money::{Decimal, parse_decimal};
use everwarm_domain::order::Side;
use serde_json::{Map, Value};

/// Most characters of a client's id.
const ID_MAX: usize = 128;
/// Most characters of a number.
const NUMBER_MAX: usize = 24;
/// Largest number of a request.
const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// A request for an order: read, and not yet checked against the books.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What to trade.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// Number of shares.
    pub quantity: Decimal,
    /// The client's id. None: the exchange makes one.
    pub client_id: Option<String>,
    /// The stated time in force.
    pub lifetime: Lifetime,
    /// One order or a pair.
    pub form: Form,
}

/// One order or a pair.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// One order.
    Single(OrderKind),
    /// A limit order and a stop order, of which one cancels the other.
    Pair(Box<Shape>),
}

/// The members of a request's body. Unknown members have no effect, as at the venue.
struct Body(Map<String, Value>);

impl Body {
    fn read(text: &str) -> Result<Body, ApiError> {
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Ok(Body(members)),
            Ok(_) | Err(_) => Err(unreadable()),
        }
    }

    /// A member that is there and not null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| invalid(format!("{name} must be a string")))?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    fn word(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)?.ok_or_else(|| invalid(format!("{name} is required")))
    }

    /// A number, as text or as a JSON number.
    fn number(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let text = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(value)) => value.to_string(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_) | Value::Null) => {
                return Err(invalid(format!("{name} must be a number")));
            }
        };
        let digits = |b: u8| b.is_ascii_digit() || b == b'.';
        let plain = text.len() <= NUMBER_MAX && text.bytes().all(digits);
        let value = parse_decimal(&text).ok().filter(|_| plain);
        let value = value.ok_or_else(|| invalid(format!("{name} is not a valid number")))?;
        if value <= Decimal::ZERO || value > LARGEST {
            return Err(invalid(format!("{name} must be > 0 and <= {LARGEST}")));
        }
        Ok(Some(value.normalize()))
    }

    /// A price, with as many decimals as the protocol admits.
    fn price(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(price) = self.number(name)? else { return Ok(None) };
        let decimals = if price < Decimal::ONE { 4 } else { 2 };
        if price.scale() > decimals {
            return Err(invalid(format!(
                "invalid {name} {price}. sub-penny increment does not fulfill minimum pricing \
                 criteria"
            )));
        }
        Ok(Some(price))
    }

    fn object(&self, name: &str) -> Result<Option<Body>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Body(members.clone()))),
            Some(_) => Err(invalid(format!("{name} must be an object"))),
        }
    }
}

/// Reads a request for an order.
///
/// # Errors
/// The first member that is wrong or not supported.
pub fn read(exchange: &Exchange, text: &str) -> Result<Wanted, ApiError> {
    let body = Body::read(text)?;
    let name = body.word("symbol")?;
    let symbol = Symbol::new(name).ok().filter(|symbol| exchange.instrument(*symbol).is_some());
    let symbol = symbol.ok_or_else(|| no_asset(name))?;
    let side = match body.word("side")? {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        _ => return Err(invalid("side must be buy or sell")),
    };
    let client_id = body.text("client_order_id")?;
    if client_id.is_some_and(|id| id.chars().count() > ID_MAX || id.contains(char::is_control)) {
        return Err(invalid(format!("client_order_id must be no more than {ID_MAX} characters")));
    }
    let client_id = client_id.map(str::to_owned);
    let lifetime = lifetime(&body)?;
    unsupported(&body)?;
    let quantity = quantity(&body, symbol)?;
    let form = match body.text("order_class")? {
        None | Some("simple") => Form::Single(single(&body, side, quantity, lifetime)?),
        Some("oco") => {
            let shape = pair(&body, side, quantity, lifetime, client_id.clone())?;
            Form::Pair(Box::new(shape))
        }
        Some(_) => return Err(invalid("order_class must be simple or oco in this simulation")),
    };
    Ok(Wanted { symbol, side, quantity, client_id, lifetime, form })
}

fn lifetime(body: &Body) -> Result<Lifetime, ApiError> {
    match body.word("time_in_force")? {
        "day" => Ok(Lifetime::Day),
        "gtc" => Ok(Lifetime::Gtc),
        "ioc" => Ok(Lifetime::Ioc),
        "fok" => Ok(Lifetime::Fok),
        _ => Err(invalid("time_in_force must be day, gtc, ioc or fok in this simulation")),
    }
}

/// Refuses what the venue has and this simulation does not.
fn unsupported(body: &Body) -> Result<(), ApiError> {
    match body.get("extended_hours") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            return Err(invalid("extended_hours is not supported by this simulation"));
        }
        Some(_) => return Err(invalid("extended_hours must be a boolean")),
    }
    for name in ["trail_price", "trail_percent"] {
        if body.get(name).is_some() {
            return Err(invalid(format!("{name} is not supported by this simulation")));
        }
    }
    Ok(())
}

/// A whole number of shares.
fn quantity(body: &Body, symbol: Symbol) -> Result<Decimal, ApiError> {
    let fractions = || forbidden(format!("asset \"{symbol}\" is not fractionable"));
    if body.number("notional")?.is_some() {
        return Err(fractions());
    }
    let quantity = body.number("qty")?.ok_or_else(|| invalid("qty is required"))?;
    if quantity.fract().is_zero() { Ok(quantity) } else { Err(fractions()) }
}

fn single(
    body: &Body,
    side: Side,
    quantity: Decimal,
    lifetime: Lifetime,
) -> Result<OrderKind, ApiError> {
    let (limit, stop) = (body.price("limit_price")?, body.price("stop_price")?);
    let tif = match lifetime {
        Lifetime::Day | Lifetime::Gtc => TimeInForce::Gtc,
        Lifetime::Ioc => TimeInForce::Ioc,
        Lifetime::Fok => TimeInForce::Fok,
    };
    let kind = body.word("type")?;
    if kind.starts_with("stop") && tif != TimeInForce::Gtc {
        return Err(invalid(format!("{kind} orders must have the time_in_force day or gtc")));
    }
    let trigger = Trigger::StopLoss;
    match (kind, limit, stop) {
        ("market", None, None) => Ok(OrderKind::Market(Amount::Base(quantity))),
        ("market", ..) => Err(invalid("market orders require no stop or limit price")),
        ("limit", Some(price), None) => Ok(OrderKind::Limit { quantity, price, tif }),
        ("limit", ..) => Err(invalid("limit orders require only a limit price")),
        ("stop", None, Some(at)) => {
            Ok(OrderKind::Stop(Stop { quantity, at, trigger, limit: None }))
        }
        ("stop", ..) => Err(invalid("stop orders require only a stop price")),
        ("stop_limit", Some(price), Some(at)) => {
            let limit = Some((price, tif));
            let crossed = match side {
                Side::Buy => price < at,
                Side::Sell => price > at,
            };
            if crossed {
                return Err(invalid("the limit price must not be before the stop price"));
            }
            Ok(OrderKind::Stop(Stop { quantity, at, trigger, limit }))
        }
        ("stop_limit", ..) => Err(invalid("stop limit orders require both stop and limit price")),
        _ => Err(invalid("type must be market, limit, stop or stop_limit in this simulation")),
    }
}

/// A limit order above the market and a stop order below it, which sell a position.
fn pair(
    body: &Body,
    side: Side,
    quantity: Decimal,
    lifetime: Lifetime,
    client_id: Option<String>,
) -> Result<Shape, ApiError> {
    if body.word("type")? != "limit" {
        return Err(invalid("oco orders must be limit orders"));
    }
    if side == Side::Buy {
        return Err(invalid("oco orders must sell a position in this simulation"));
    }
    if matches!(lifetime, Lifetime::Ioc | Lifetime::Fok) {
        return Err(invalid("oco orders must have the time_in_force day or gtc"));
    }
    let target = body.object("take_profit")?;
    let price = match target {
        Some(target) => target.price("limit_price")?,
        None => body.price("limit_price")?,
    };
    let price = price.ok_or_else(|| invalid("oco orders require take_profit.limit_price"))?;
    let loss = body.object("stop_loss")?;
    let loss = loss.ok_or_else(|| invalid("oco orders require stop_loss.stop_price"))?;
    let at = loss.price("stop_price")?;
    let at = at.ok_or_else(|| invalid("oco orders require stop_loss.stop_price"))?;
    let limit = loss.price("limit_price")?.map(|price| (price, TimeInForce::Gtc));
    if at >= price {
        return Err(invalid("stop_loss.stop_price must be below take_profit.limit_price"));
    }
    let stop = Stop { quantity, at, trigger: Trigger::StopLoss, limit };
    let leg = |kind, client_id| Leg { side, kind, client_id };
    Ok(Shape::Oco {
        above: leg(OrderKind::LimitMaker { quantity, price }, client_id),
        below: leg(OrderKind::Stop(stop), None),
    })
}
