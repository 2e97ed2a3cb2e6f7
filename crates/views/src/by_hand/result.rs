//! Collects the result of a request to trade by hand from the facts that follow.

use super::{HandOrderView, HandResultView, HandState};
use crate::sentences;
use crate::stored_texts::shown;
use everwarm_domain::fact::{Body, Decision, Operator, Order};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::manual::Request;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{ExitPrices, OrderIntent, OrderStatus, Side};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_words::text::{plain, rounded};
use std::collections::BTreeMap;

/// Code of a decline because the id of the request is known.
const REPEATED: &str = "repeated";

/// The prices that an operator gave a lot.
pub(crate) fn sold_at(strategy: &str, symbol: Symbol, exits: ExitPrices) -> String {
    let when = |does: &str, price: Option<Decimal>| Some(format!("{does} {}", plain(price?)));
    let both = [when("reaches", exits.target), when("falls to", exits.stop)];
    let when: Vec<String> = both.into_iter().flatten().collect();
    format!("the lot of {strategy} in {symbol} is sold when its price {}", when.join(" or "))
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
    /// The prices that the request gave a lot, in words.
    guarded: Option<String>,
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
            guarded: None,
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

    #[expect(clippy::wildcard_enum_match_arm, reason = "other kinds of facts mean nothing here")]
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
            // An exit also cancels the stop order of its lot.
            Decision::Withdrawn { client_id, strategy, symbol, side, .. }
            | Decision::CancelIntent { client_id, strategy, symbol, side, .. }
                if self.cancels(client_id) =>
            {
                self.order((client_id, strategy, *symbol, *side), None, None);
            }
            Decision::Guarded { strategy, symbol, stop, target, .. } => {
                let exits = ExitPrices { stop: *stop, target: *target };
                self.guarded = Some(sold_at(strategy, *symbol, exits));
            }
            _ => {}
        }
    }

    /// Whether the request is to cancel this order.
    fn cancels(&self, client_id: &ClientOrderId) -> bool {
        matches!(&self.request, Some(Request::Cancel { client_id: of, .. }) if of == client_id)
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
            (None, true) if self.guarded.is_some() => HandState::Done,
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
        self.guarded.iter().cloned().chain(exits).chain(orders).collect()
    }
}
