//! Reads requests for orders from parameters.

use super::error::ApiError;
use super::params::Params;
use crate::exchange::{
    Amount, Cancel, CancelMany, Exchange, Many, NewOrder, Order, OrderKind, Replace, Stop, Target,
    TimeInForce, Trigger,
};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;

/// How much the response to a new order contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseType {
    /// The ids.
    Ack,
    /// The state.
    Result,
    /// The state and the fills.
    Full,
}

/// The protocol's name of a side.
#[must_use]
pub fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The protocol's name of an order's type.
#[must_use]
pub fn order_type(order: &Order) -> &'static str {
    kind_word(&order.kind)
}

/// The protocol's name of a kind of order.
#[must_use]
pub fn kind_word(kind: &OrderKind) -> &'static str {
    match kind {
        OrderKind::Market(_) => "MARKET",
        OrderKind::Limit { .. } => "LIMIT",
        OrderKind::LimitMaker { .. } => "LIMIT_MAKER",
        OrderKind::Stop(Stop { trigger: Trigger::StopLoss, limit: None, .. }) => "STOP_LOSS",
        OrderKind::Stop(Stop { trigger: Trigger::StopLoss, .. }) => "STOP_LOSS_LIMIT",
        OrderKind::Stop(Stop { limit: None, .. }) => "TAKE_PROFIT",
        OrderKind::Stop(_) => "TAKE_PROFIT_LIMIT",
    }
}

fn traded(exchange: &Exchange, symbol: Option<Symbol>) -> Result<Symbol, ApiError> {
    let symbol = symbol.ok_or_else(|| ApiError::mandatory("symbol"))?;
    match exchange.instrument(symbol) {
        Some(_) => Ok(symbol),
        None => Err(ApiError::new(-1121, "Invalid symbol.")),
    }
}

/// The symbol of a request that must name one.
///
/// # Errors
/// -1102 if it names none, -1100 and -1121 if the exchange has no such symbol.
pub fn symbol(exchange: &Exchange, params: &Params) -> Result<Symbol, ApiError> {
    params.required("symbol")?;
    traded(exchange, params.symbol("symbol")?)
}

/// The symbol of a request that may name one.
///
/// # Errors
/// As [`symbol`].
pub fn optional_symbol(exchange: &Exchange, params: &Params) -> Result<Option<Symbol>, ApiError> {
    match params.symbol("symbol")? {
        None => Ok(None),
        some => traded(exchange, some).map(Some),
    }
}

/// The side of an order.
///
/// # Errors
/// -1102 and -1117.
pub fn read_side(params: &Params, name: &str) -> Result<Side, ApiError> {
    match params.required(name)? {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ApiError::new(-1117, "Invalid side.")),
    }
}

/// Reads a request for a new order.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn new_order(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<(NewOrder, ResponseType), ApiError> {
    let symbol = symbol(exchange, params)?;
    let side = read_side(params, "side")?;
    let names = Names { prefix: "", quantity: "quantity" };
    let kind = names.kind(params, params.required("type")?)?;
    let client_id = names.client_id(params)?;
    names.extras(params)?;
    let usual = match kind {
        OrderKind::Market(_) | OrderKind::Limit { .. } => ResponseType::Full,
        OrderKind::LimitMaker { .. } | OrderKind::Stop(_) => ResponseType::Ack,
    };
    let answer = response_type(params, usual)?;
    params.finish()?;
    let (at_once, terms) = (None, None);
    let order = NewOrder { symbol, side, kind, client_id, at, deadline, at_once, terms };
    Ok((order, answer))
}

/// Reads how much the response contains. Refuses every mode of self-trade prevention but `NONE`.
///
/// # Errors
/// -1130 for other values.
pub fn response_type(params: &Params, usual: ResponseType) -> Result<ResponseType, ApiError> {
    let answer = match params.text("newOrderRespType")? {
        None => usual,
        Some("FULL") => ResponseType::Full,
        Some("ACK") => ResponseType::Ack,
        Some("RESULT") => ResponseType::Result,
        Some(_) => return Err(ApiError::invalid("newOrderRespType")),
    };
    match params.text("selfTradePreventionMode")? {
        None | Some("NONE") => Ok(answer),
        Some(_) => Err(ApiError::invalid("selfTradePreventionMode")),
    }
}

/// How long an order works.
///
/// # Errors
/// -1102 and -1115.
pub fn time_in_force(params: &Params, name: &str) -> Result<TimeInForce, ApiError> {
    match params.required(name)? {
        "GTC" => Ok(TimeInForce::Gtc),
        "IOC" => Ok(TimeInForce::Ioc),
        "FOK" => Ok(TimeInForce::Fok),
        _ => Err(ApiError::new(-1115, "Invalid timeInForce.")),
    }
}

/// The parameter names of one order. In a list they have a prefix.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Empty, or the order's role in its list.
    pub prefix: &'static str,
    /// The parameter with its quantity.
    pub quantity: &'static str,
}

impl Names {
    fn of(self, name: &str) -> String {
        if self.prefix.is_empty() {
            return name.to_owned();
        }
        let (first, rest) = name.split_at(1);
        format!("{}{}{rest}", self.prefix, first.to_ascii_uppercase())
    }

    /// The client's id of the order.
    ///
    /// # Errors
    /// -1100.
    pub fn client_id(self, params: &Params) -> Result<Option<String>, ApiError> {
        let own = self.prefix.is_empty();
        let name = if own { "newClientOrderId".to_owned() } else { self.of("clientOrderId") };
        params.client_id(&name)
    }

    /// Reads an order of the type named by `word`.
    ///
    /// # Errors
    /// The protocol's error for the first wrong parameter.
    pub fn kind(self, params: &Params, word: &str) -> Result<OrderKind, ApiError> {
        match word {
            "LIMIT" => {
                let tif = self.tif(params)?;
                let (quantity, price) = self.amounts(params)?;
                self.not_required(params, &["quoteOrderQty", "stopPrice"])?;
                Ok(OrderKind::Limit { quantity, price, tif })
            }
            "LIMIT_MAKER" => {
                let (quantity, price) = self.amounts(params)?;
                self.not_required(params, &["timeInForce", "quoteOrderQty", "stopPrice"])?;
                Ok(OrderKind::LimitMaker { quantity, price })
            }
            "MARKET" => self.market(params),
            "STOP_LOSS" => self.stop(params, Trigger::StopLoss, false),
            "STOP_LOSS_LIMIT" => self.stop(params, Trigger::StopLoss, true),
            "TAKE_PROFIT" => self.stop(params, Trigger::TakeProfit, false),
            "TAKE_PROFIT_LIMIT" => self.stop(params, Trigger::TakeProfit, true),
            _ => Err(ApiError::new(-1116, "Invalid orderType.")),
        }
    }

    fn tif(self, params: &Params) -> Result<TimeInForce, ApiError> {
        time_in_force(params, &self.of("timeInForce"))
    }

    fn amounts(self, params: &Params) -> Result<(Decimal, Decimal), ApiError> {
        let quantity = params.required_decimal(self.quantity)?;
        Ok((quantity, params.required_decimal(&self.of("price"))?))
    }

    fn market(self, params: &Params) -> Result<OrderKind, ApiError> {
        self.not_required(params, &["timeInForce", "price", "stopPrice"])?;
        let amount = params.decimal(&self.of("quoteOrderQty"))?;
        match (params.decimal(self.quantity)?, amount) {
            (Some(quantity), None) => Ok(OrderKind::Market(Amount::Base(quantity))),
            (None, Some(amount)) => Ok(OrderKind::Market(Amount::Quote(amount))),
            (None, None) => Err(ApiError::neither("quantity", "quoteOrderQty")),
            (Some(_), Some(_)) => {
                Err(ApiError::new(-1128, "Combination of optional parameters invalid."))
            }
        }
    }

    fn stop(self, params: &Params, trigger: Trigger, limit: bool) -> Result<OrderKind, ApiError> {
        let tif = if limit { Some(self.tif(params)?) } else { None };
        let quantity = params.required_decimal(self.quantity)?;
        let limit = if let Some(tif) = tif {
            Some((params.required_decimal(&self.of("price"))?, tif))
        } else {
            self.not_required(params, &["timeInForce", "price"])?;
            None
        };
        self.not_required(params, &["quoteOrderQty"])?;
        let (stop, delta) = (self.of("stopPrice"), self.of("trailingDelta"));
        if params.text(&delta)?.is_some() {
            let msg = "Trailing stop orders are not supported for this symbol.";
            return Err(ApiError::new(-2010, msg));
        }
        let at = params.decimal(&stop)?.ok_or_else(|| ApiError::neither(&stop, &delta))?;
        Ok(OrderKind::Stop(Stop { quantity, at, trigger, limit }))
    }

    fn not_required(self, params: &Params, names: &[&str]) -> Result<(), ApiError> {
        for name in names {
            let name = self.of(name);
            if params.text(&name)?.is_some() {
                let msg = format!("Parameter '{name}' sent when not required.");
                return Err(ApiError::new(-1106, msg));
            }
        }
        Ok(())
    }

    /// Reads optional parameters that have no effect here, and refuses what is not simulated.
    ///
    /// # Errors
    /// -1134 and -2010.
    pub fn extras(self, params: &Params) -> Result<(), ApiError> {
        params.integer(&self.of("strategyId"))?;
        if params.integer(&self.of("strategyType"))?.is_some_and(|kind| kind < 1_000_000) {
            return Err(ApiError::new(-1134, "`strategyType` was less than 1000000."));
        }
        if params.decimal(&self.of("icebergQty"))?.is_some_and(|quantity| !quantity.is_zero()) {
            let msg = "Iceberg orders are not supported for this symbol.";
            return Err(ApiError::new(-2010, msg));
        }
        for name in ["pegPriceType", "pegOffsetType", "pegOffsetValue"] {
            if params.text(&self.of(name))?.is_some() {
                let msg = "Pegged orders are not supported for this symbol.";
                return Err(ApiError::new(-2010, msg));
            }
        }
        Ok(())
    }
}

/// Reads which order a request names.
///
/// # Errors
/// -1102 if neither id was sent, or the error of the first wrong parameter.
pub fn target(exchange: &Exchange, params: &Params) -> Result<Target, ApiError> {
    named_target(exchange, params, "orderId", "origClientOrderId")
}

fn named_target(
    exchange: &Exchange,
    params: &Params,
    id: &str,
    name: &str,
) -> Result<Target, ApiError> {
    let symbol = symbol(exchange, params)?;
    let order = params.integer(id)?.map(i64::unsigned_abs);
    let client_id = params.client_id(name)?;
    if order.is_none() && client_id.is_none() {
        return Err(ApiError::neither(name, id));
    }
    Ok(Target { symbol, order, client_id })
}

fn restrictions(params: &Params) -> Result<Option<bool>, ApiError> {
    match params.text("cancelRestrictions")? {
        None => Ok(None),
        Some("ONLY_NEW") => Ok(Some(false)),
        Some("ONLY_PARTIALLY_FILLED") => Ok(Some(true)),
        Some(_) => {
            let msg = "`cancelRestrictions` has to be either `ONLY_NEW` or \
                       `ONLY_PARTIALLY_FILLED`.";
            Err(ApiError::new(-1145, msg))
        }
    }
}

/// Reads a request to cancel.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn cancel(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<Cancel, ApiError> {
    let target = target(exchange, params)?;
    let cancel_id = params.client_id("newClientOrderId")?;
    let only_begun = restrictions(params)?;
    params.finish()?;
    Ok(Cancel { target, cancel_id, at, deadline, only_begun })
}

/// Reads a request to cancel all orders of a symbol.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn cancel_all(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<CancelMany, ApiError> {
    let symbol = symbol(exchange, params)?;
    params.finish()?;
    Ok(CancelMany { symbol, many: Many::Symbol, cancel_id: None, at, deadline })
}

/// Reads a request to cancel an order and to place another.
///
/// # Errors
/// The protocol's error for the first wrong parameter.
pub fn replace(
    exchange: &Exchange,
    params: &Params,
    at: UtcMs,
    deadline: UtcMs,
) -> Result<(Replace, ResponseType), ApiError> {
    symbol(exchange, params)?;
    let regardless = match params.required("cancelReplaceMode")? {
        "STOP_ON_FAILURE" => false,
        "ALLOW_FAILURE" => true,
        _ => return Err(ApiError::invalid("cancelReplaceMode")),
    };
    let target = named_target(exchange, params, "cancelOrderId", "cancelOrigClientOrderId")?;
    let cancel_id = params.client_id("cancelNewClientOrderId")?;
    let only_begun = restrictions(params)?;
    match params.text("orderRateLimitExceededMode")? {
        None | Some("DO_NOTHING" | "CANCEL_ONLY") => {}
        Some(_) => return Err(ApiError::invalid("orderRateLimitExceededMode")),
    }
    let (order, answer) = new_order(exchange, params, at, deadline)?;
    let cancel = Cancel { target, cancel_id, at, deadline, only_begun };
    Ok((Replace { cancel, order, regardless }, answer))
}
