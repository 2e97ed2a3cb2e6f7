//! Requests of operators to trade by hand: their shapes, and their results from the journal.

use super::exit::{Exit, Failure};
use super::sentences;
use super::stored_texts::shown;
use everwarm_domain::bounds;
use everwarm_domain::fact::{Body, Decision, Operator, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::manual::{Amount, ID_MAX, MINUTES_MAX, Request};
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{OrderIntent, OrderStatus, Side};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_words::shapes;
use everwarm_words::text::{plain, rounded};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Maximum number of characters of a reason.
const REASON_MAX: usize = 500;
/// Code of a decline because the id of the request is known.
const REPEATED: &str = "repeated";

/// What an operator does by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HandAction {
    /// Buys a lot of the strategy `manual`, at the market or at a limit.
    Buy,
    /// Sells the lot of the strategy `manual`, or a part of it, at the market.
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
    /// Base units to buy or sell, above 0. Give this or `quote`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub quantity: Option<Decimal>,
    /// Quote units to buy or sell for, above 0, at the newest closing price.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub quote: Option<Decimal>,
    /// The highest price of a purchase, quote units; none: a market order. It is rounded down to
    /// the tick of the symbol.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9]{0,8}[1-9](\\.[0-9]{1,8})?$")]
    pub limit: Option<Decimal>,
    /// Minutes after which the unfilled part of a limit order is cancelled, judged at closes; 0 or
    /// none: it works until somebody cancels it.
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
    /// Its orders and exits have ended.
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
        let limited = self.action == HandAction::Buy;
        takes("limit", self.limit.is_some(), limited)?;
        takes("minutes", self.minutes.is_some(), limited)?;
        takes("strategy", self.strategy.is_some(), self.action == HandAction::Close)?;
        takes("order", self.order.is_some(), cancels)?;
        takes("symbol", self.symbol.is_some(), !cancels)?;
        let symbol = self.symbol.ok_or_else(|| usage(format!("{name} needs a symbol")));
        let request = match self.action {
            HandAction::Buy | HandAction::Sell => {
                let side = if self.action == HandAction::Buy { Side::Buy } else { Side::Sell };
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

    fn limit(&self) -> Result<Option<Decimal>, Failure> {
        let Some(limit) = self.limit else { return Ok(None) };
        bounds::price("the limit", limit).map_err(usage)?;
        if limit <= Decimal::ZERO {
            return Err(usage("the limit must be above 0"));
        }
        Ok(Some(limit))
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
            Request::Order { symbol, .. } | Request::Close { symbol, .. } => {
                let none = |_: &str| Ok((ClientOrderId(String::new()), *symbol));
                self.request(none).is_ok_and(|(request, _)| request == *stored)
            }
        }
    }
}

/// An exit that a request opened.
#[derive(Clone, Debug, Default)]
struct ExitState {
    /// Why it waits.
    waits: Option<String>,
    /// Why it has ended.
    ended: Option<String>,
}

/// Collects the result of a request from facts, in the order of the journal.
#[derive(Clone, Debug)]
pub struct HandResult {
    id: String,
    /// The fact with the request, once it is found.
    key: Option<Key>,
    request: Option<Request>,
    declined: Option<(String, String)>,
    orders: BTreeMap<ClientOrderId, HandOrderView>,
    exits: BTreeMap<(Symbol, String), ExitState>,
}

impl HandResult {
    /// The result of a request, before its first fact.
    #[must_use]
    pub fn new(id: &str) -> HandResult {
        HandResult {
            id: id.to_owned(),
            key: None,
            request: None,
            declined: None,
            orders: BTreeMap::new(),
            exits: BTreeMap::new(),
        }
    }

    /// The request, once its fact was taken.
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        self.request.as_ref()
    }

    /// Whether it was declined, because an earlier request has the same id.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.declined.as_ref().is_some_and(|(code, _)| code == REPEATED)
    }

    /// Takes one fact. The first request with the id counts.
    pub fn take(&mut self, fact: &Fact<Body>) {
        let Some(key) = self.key else {
            if let Body::Operator(Operator::Manual { id, request, .. }) = &fact.body
                && *id == self.id
            {
                (self.key, self.request) = (Some(fact.key), Some(request.clone()));
            }
            return;
        };
        match &fact.body {
            Body::Decision(decision) if fact.because.contains(&key) => self.decided(decision),
            Body::Order(Order::Changed { client_id, status, executed, executed_quote, .. }) => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.status = *status;
                    order.filled_quantity = executed.normalize();
                    let price = executed_quote.checked_div(*executed);
                    order.average_price = price.map(|price| price.round_dp(12).normalize());
                }
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
    }

    fn decided(&mut self, decision: &Decision) {
        match decision {
            Decision::Declined { code, text, .. } => {
                self.declined = Some((code.clone(), text.clone()));
            }
            Decision::Approved { intent, .. } => {
                let OrderIntent { client_id, strategy, symbol, side, quantity, price, .. } = intent;
                let of = (client_id, strategy, *symbol, *side);
                self.order(of, Some(quantity.normalize()), price.map(|price| price.normalize()));
            }
            Decision::Owed { strategy, symbol, refusal, ended, .. } => {
                let exit = self.exits.entry((*symbol, strategy.clone())).or_default();
                (exit.waits, exit.ended) = (refusal.clone(), ended.clone());
            }
            Decision::Withdrawn { client_id, strategy, symbol, side, .. }
            | Decision::CancelIntent { client_id, strategy, symbol, side, .. } => {
                // An exit also cancels the stop order of its lot.
                let cancels = matches!(&self.request,
                    Some(Request::Cancel { client_id: of, .. }) if of == client_id);
                if cancels {
                    self.order((client_id, strategy, *symbol, *side), None, None);
                }
            }
            Decision::Breaker { .. } => {}
        }
    }

    fn order(
        &mut self,
        (id, strategy, symbol, side): (&ClientOrderId, &String, Symbol, Side),
        quantity: Option<Decimal>,
        limit: Option<Decimal>,
    ) {
        let order = HandOrderView {
            client_order_id: id.clone(),
            strategy: strategy.clone(),
            symbol,
            side,
            quantity,
            limit,
            status: OrderStatus::Intent,
            filled_quantity: Decimal::ZERO,
            average_price: None,
        };
        self.orders.insert(id.clone(), order);
    }

    fn state(&self) -> HandState {
        let ended = self.orders.values().all(|order| order.status.is_final())
            && self.exits.values().all(|exit| exit.ended.is_some());
        match (&self.declined, self.orders.is_empty() && self.exits.is_empty()) {
            (Some(_), _) => HandState::Declined,
            (None, true) => HandState::Pending,
            (None, false) if ended => HandState::Done,
            (None, false) => HandState::Working,
        }
    }

    /// Whether nothing changes soon: it has ended, an exit waits for a reason, or a limit order
    /// works at the venue.
    #[must_use]
    pub fn rests(&self) -> bool {
        let waits = |exit: &ExitState| exit.ended.is_some() || exit.waits.is_some();
        match self.state() {
            HandState::Pending => false,
            HandState::Declined | HandState::Done => true,
            HandState::Working => {
                let works = |order: &HandOrderView| {
                    let open = [OrderStatus::Open, OrderStatus::PartlyFilled];
                    order.limit.is_some() && open.contains(&order.status)
                };
                let rests = |order: &HandOrderView| order.status.is_final() || works(order);
                let orders = self.orders.values().all(rests);
                let limits = self.orders.values().any(works);
                orders && self.exits.values().all(waits) && (limits || !self.exits.is_empty())
            }
        }
    }

    /// The result; none if no fact has the request.
    #[must_use]
    pub fn view(&self) -> Option<HandResultView> {
        let (key, request) = (self.key?, self.request.as_ref()?);
        Some(HandResultView {
            id: self.id.clone(),
            key: key.to_string(),
            request: request.to_string(),
            state: self.state(),
            code: self.declined.as_ref().map(|(code, _)| code.clone()),
            lines: self.lines(),
            orders: self.orders.values().cloned().collect(),
        })
    }

    fn lines(&self) -> Vec<String> {
        if let Some((code, text)) = &self.declined {
            return vec![format!("declined ({code}): {}", shown(text))];
        }
        if self.state() == HandState::Pending {
            return vec!["in the journal, not decided yet".to_owned()];
        }
        let exits = self.exits.iter().map(|((symbol, strategy), exit)| {
            let what = format!("exit of the lot of {strategy} in {symbol}");
            match (&exit.ended, &exit.waits) {
                (Some(why), _) => format!("{what}: ended, {}", shown(why)),
                (None, Some(why)) => format!("{what}: owed, it waits: {}", shown(why)),
                (None, None) => format!("{what}: owed"),
            }
        });
        let orders = self.orders.values().map(|order| {
            let HandOrderView { client_order_id, symbol, side, quantity, limit, status, .. } =
                order;
            let side = match side {
                Side::Buy => "buy",
                Side::Sell => "sell",
            };
            // An order of an earlier request is known by its state alone.
            let price = match (limit, quantity) {
                (Some(limit), _) => format!(" at {limit} or better"),
                (None, Some(_)) => " at market".to_owned(),
                (None, None) => String::new(),
            };
            let quantity = quantity.map_or(String::new(), |quantity| format!(" {quantity}"));
            let filled = order.average_price.map_or(String::new(), |price| {
                let filled = plain(order.filled_quantity);
                format!(", {filled} filled at average price {}", rounded(price))
            });
            let status = sentences::status(*status);
            format!("order {client_order_id}: {side}{quantity} {symbol}{price}: {status}{filled}")
        });
        exits.chain(orders).collect()
    }
}
