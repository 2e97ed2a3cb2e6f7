//! Requests of operators to trade by hand: their shapes, and their results from the journal.

mod result;

pub use result::HandResult;
pub(crate) use result::sold_at;

use super::exit::{Exit, Failure};
use everwarm_domain::bounds;
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::manual::{Amount, ID_MAX, MINUTES_MAX, Request};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderStatus, Side};
use everwarm_words::shapes;
use everwarm_words::text::plain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of characters of a reason.
const REASON_MAX: usize = 500;

/// What an operator does by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HandAction {
    /// Buys a lot of the strategy `manual`, at the market or at a limit.
    Buy,
    /// Sells the lot of the strategy `manual`, or a part of it, at the market. With a limit or a
    /// stop, the whole lot is sold at that price.
    Sell,
    /// Sells all lots of a symbol, or the one of a strategy.
    Close,
    /// Cancels an open order.
    Cancel,
}

impl HandAction {
    /// The name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HandAction::Buy => "buy",
            HandAction::Sell => "sell",
            HandAction::Close => "close",
            HandAction::Cancel => "cancel",
        }
    }
}

/// A request to trade by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ByHandView {
    /// What to do.
    pub action: HandAction,
    /// The symbol to buy, sell or close; none for a cancel.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Z0-9.-]{1,16}$")]
    pub symbol: Option<Symbol>,
    /// Base units to buy or sell, above 0. Give this or `quote`; a sale with a limit or a stop
    /// needs neither.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub quantity: Option<Decimal>,
    /// Quote units to buy or sell for, above 0, at the newest closing price.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub quote: Option<Decimal>,
    /// The highest price of a purchase, quote units; none: a market order. It is rounded down to
    /// the tick of the symbol. Of a sale: the target of the lot, rounded up.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub limit: Option<Decimal>,
    /// Only of a sale: the stop of the lot, quote units, rounded down to the tick of the symbol. It
    /// must be below the limit.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub stop: Option<Decimal>,
    /// Minutes after which the unfilled part of a limit order to buy is cancelled, judged at
    /// closes; 0 or none: it works until somebody cancels it.
    #[serde(default)]
    #[schema(maximum = 43_200)]
    pub minutes: Option<u32>,
    /// The owner of the lot to close; none: all owners.
    #[serde(default)]
    pub strategy: Option<String>,
    /// Our id of the order to cancel, or the unique beginning of one.
    #[serde(default)]
    pub order: Option<String>,
    /// The reason, 1 to 500 characters; kept in the journal.
    #[schema(min_length = 1, max_length = 500, pattern = "\\S")]
    pub reason: String,
}

/// The state of a request to trade by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HandState {
    /// It is in the journal, and not decided yet.
    Pending,
    /// It was declined. Nothing was sent.
    Declined,
    /// It was approved, and its orders or exits have not ended.
    Working,
    /// Its orders and exits have ended, or the lot has its new limit and stop.
    Done,
}

/// An order of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HandOrderView {
    /// Our id.
    #[schema(value_type = shapes::ClientOrderId)]
    pub client_order_id: ClientOrderId,
    /// The owner of the lot.
    pub strategy: String,
    /// The symbol.
    #[schema(value_type = shapes::Symbol)]
    pub symbol: Symbol,
    /// Direction.
    #[schema(value_type = shapes::Side)]
    pub side: Side,
    /// Ordered base units; none for an order that is only cancelled.
    pub quantity: Option<Decimal>,
    /// Its limit, quote units; none: a market order, or one that is only cancelled.
    pub limit: Option<Decimal>,
    /// Status.
    #[schema(value_type = shapes::OrderStatus)]
    pub status: OrderStatus,
    /// Filled base units.
    pub filled_quantity: Decimal,
    /// Average price of the fills; none without fills. At most 12 decimals.
    pub average_price: Option<Decimal>,
}

/// The result of a request to trade by hand, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HandResultView {
    /// The id that the client gave the request.
    pub id: String,
    /// The fact with the request, for `everwarm explain`.
    pub key: String,
    /// The request in words.
    pub request: String,
    /// Its state.
    pub state: HandState,
    /// Why it was declined, as a stable word; none if it was not.
    pub code: Option<String>,
    /// The result in words, one sentence each.
    pub lines: Vec<String>,
    /// The orders that it led to, or that it cancels.
    pub orders: Vec<HandOrderView>,
}

fn usage(text: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, text)
}

/// Checks the id of a request.
///
/// # Errors
/// It is empty, too long or has other characters.
pub fn check_id(id: &str) -> Result<(), Failure> {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=ID_MAX).contains(&id.len()) && id.chars().all(known) {
        return Ok(());
    }
    let text = format!("the id of a request must be 1 to {ID_MAX} letters, digits, . _ or -");
    Err(usage(text))
}

/// Checks a price.
fn price(what: &str, price: Decimal) -> Result<Decimal, Failure> {
    bounds::price(what, price).map_err(usage)?;
    if price <= Decimal::ZERO {
        return Err(usage(format!("{what} must be above 0")));
    }
    Ok(price)
}

impl ByHandView {
    /// The request, and its reason. `open` finds an open order by its id or a beginning of it.
    ///
    /// # Errors
    /// A member is missing, superfluous or out of bounds, or there is no such order.
    pub fn request(
        &self,
        open: impl FnOnce(&str) -> Result<(ClientOrderId, Symbol), Failure>,
    ) -> Result<(Request, String), Failure> {
        let reason = self.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_MAX {
            let text = format!("the reason must have 1 to {REASON_MAX} characters: --reason TEXT");
            return Err(usage(text));
        }
        let name = self.action.name();
        let takes = |what: &str, is: bool, may: bool| {
            if is && !may { Err(usage(format!("{name} takes no {what}"))) } else { Ok(()) }
        };
        let trades = matches!(self.action, HandAction::Buy | HandAction::Sell);
        let cancels = self.action == HandAction::Cancel;
        takes("quantity", self.quantity.is_some(), trades)?;
        takes("quote", self.quote.is_some(), trades)?;
        takes("limit", self.limit.is_some(), trades)?;
        takes("stop", self.stop.is_some(), trades)?;
        takes("minutes", self.minutes.is_some(), self.action == HandAction::Buy)?;
        takes("strategy", self.strategy.is_some(), self.action == HandAction::Close)?;
        takes("order", self.order.is_some(), cancels)?;
        takes("symbol", self.symbol.is_some(), !cancels)?;
        let symbol = self.symbol.ok_or_else(|| usage(format!("{name} needs a symbol")));
        let request = match self.action {
            HandAction::Sell if self.limit.or(self.stop).is_some() => self.guard(symbol?)?,
            HandAction::Buy | HandAction::Sell => {
                let side = if self.action == HandAction::Buy { Side::Buy } else { Side::Sell };
                if self.stop.is_some() {
                    let text = "a purchase takes no stop: its lot has the default stop. Buy \
                                first, then set the stop: order sell SYMBOL --stop PRICE";
                    return Err(usage(text));
                }
                let (amount, limit, minutes) = (self.amount()?, self.limit()?, self.minutes()?);
                Request::Order { symbol: symbol?, side, amount, limit, minutes }
            }
            HandAction::Close => {
                Request::Close { symbol: symbol?, strategy: self.strategy.clone() }
            }
            HandAction::Cancel => {
                let order = self.order.as_deref().filter(|order| !order.is_empty());
                let order = order.ok_or_else(|| usage("cancel needs the id of an order"))?;
                let (client_id, symbol) = open(order)?;
                Request::Cancel { client_id, symbol }
            }
        };
        Ok((request, reason.to_owned()))
    }

    /// The sale of a lot at a limit or a stop.
    fn guard(&self, symbol: Symbol) -> Result<Request, Failure> {
        let stop = self.stop.map(|stop| price("the stop", stop)).transpose()?;
        let target = self.limit()?;
        if let (Some(stop), Some(limit)) = (stop, target)
            && stop >= limit
        {
            let (stop, limit) = (plain(stop), plain(limit));
            return Err(usage(format!("the stop {stop} is not below the limit {limit}")));
        }
        let named = self.quantity.or(self.quote).is_some();
        let amount = named.then(|| self.amount()).transpose()?;
        Ok(Request::Guard { symbol, stop, target, amount })
    }

    fn limit(&self) -> Result<Option<Decimal>, Failure> {
        self.limit.map(|limit| price("the limit", limit)).transpose()
    }

    fn minutes(&self) -> Result<u32, Failure> {
        match self.minutes {
            None => Ok(0),
            Some(_) if self.limit.is_none() => {
                Err(usage("minutes belong to a limit order: --limit PRICE --minutes N"))
            }
            Some(minutes) if minutes > MINUTES_MAX => {
                Err(usage(format!("{minutes} minutes are more than {MINUTES_MAX}")))
            }
            Some(minutes) => Ok(minutes),
        }
    }

    fn amount(&self) -> Result<Amount, Failure> {
        let (name, value, amount) = match (self.quantity, self.quote) {
            (Some(quantity), None) => {
                bounds::quantity("the quantity", quantity).map_err(usage)?;
                ("the quantity", quantity, Amount::Quantity(quantity))
            }
            (None, Some(quote)) => {
                bounds::quote("the quote amount", quote).map_err(usage)?;
                ("the quote amount", quote, Amount::Quote(quote))
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(usage("give a quantity or a quote amount: --quantity N or --quote N"));
            }
        };
        if value <= Decimal::ZERO {
            return Err(usage(format!("{name} must be above 0")));
        }
        Ok(amount)
    }

    /// Whether a stored request is this one.
    #[must_use]
    pub fn is(&self, stored: &Request) -> bool {
        match stored {
            Request::Cancel { client_id, .. } => {
                let order = self.order.as_deref().unwrap_or_default();
                self.action == HandAction::Cancel && client_id.0.starts_with(order)
            }
            Request::Order { symbol, .. }
            | Request::Close { symbol, .. }
            | Request::Guard { symbol, .. } => {
                let none = |_: &str| Ok((ClientOrderId(String::new()), *symbol));
                self.request(none).is_ok_and(|(request, _)| request == *stored)
            }
        }
    }
}

#[cfg(test)]
mod tests;
