//! Decides requests of operators: orders by hand, exits of lots, cancels.
//!
//! A buy is a signal of the strategy `manual`: it passes every check of an entry. It may be a limit
//! order: see [`super::limit_entries`]. Its lot belongs
//! to `manual` and has the usual exit rules. A sale of the whole lot opens an owed exit. A sale of
//! a part is one order: it is approved or declined, and not repeated. If a stop order protects the
//! lot, it is cancelled first; the sale waits for its end.
//!
//! A request to close opens an owed exit for each lot. No signal of a strategy withdraws it. A
//! cancel of an exit order ends the exit, too. Stop orders are not cancelled by hand: they would be
//! placed again.
//!
//! A limit or a stop for the lot is no order: see [`super::hand_prices`].
//!
//! A request with a known id has no effect: it is declined as repeated.

use super::exits::{owed, taken_back};
use super::hand_prices::guarded;
use super::owed_exits::{Exit, Exits};
use super::protection::Protected;
use super::sales::Sales;
use super::{Approved, Decide, Hold, Part, Refusal, client_id, no, too_small};
use crate::risk::sizing;
use everwarm_domain::fact::{Body, BreakerLevel, Decision, Signal};
use everwarm_domain::id::{ClientOrderId, Symbol};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::manual::{Amount, Request};
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::order::{ExitPrices, MANUAL, OrderIntent, OrderType, Side};
use everwarm_domain::signal::{Direction, SignalTerms};
use everwarm_domain::time::UtcMs;
use everwarm_kernel::fact::{Key, Rank};
use everwarm_kernel::stage::Out;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Number of request ids that are remembered.
const KNOWN_MAX: usize = 1_000;
/// Code of a decline because the id of a request is known.
const REPEATED: &str = "repeated";
/// Confidence of a request, millionths.
const SURE: u32 = 1_000_000;

/// The requests of operators.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Manual {
    /// Ids of the newest requests, the oldest first.
    known: VecDeque<String>,
    /// Sales of a part of a lot that wait for the end of its stop order, by symbol.
    parts: BTreeMap<Symbol, PartSale>,
    /// Owners of lots whose exit an operator requested, by symbol.
    closes: BTreeSet<(Symbol, String)>,
    /// The last request, until the next visible input. It may outlive its decision: see `answered`.
    #[serde(skip)]
    now: Option<Asked>,
}

/// A sale of a part of the lot of `manual`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct PartSale {
    /// Id of the request, and the fact with it.
    id: String,
    key: Key,
    reason: String,
    /// Base units.
    quantity: Decimal,
    /// The newest close when it was requested.
    since: UtcMs,
    /// Latest event time at which it may be decided.
    until: UtcMs,
}

/// The last request.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    key: Key,
    id: String,
    request: Request,
    reason: String,
    /// Why it has no effect, if a check of the request alone shows that.
    refused: Option<(&'static str, String)>,
    /// Whether it sells a part of the lot.
    part: bool,
    /// Whether a fact of the decision follows from it. It is decided once, though facts about its
    /// input may be visible again together with the next input.
    answered: bool,
}

/// What is done about a sale of a part.
enum Step {
    /// Its order is requested.
    Places(Box<Approved>),
    /// The stop order of the lot is cancelled first.
    Frees,
    /// The stop order of the lot has not ended yet.
    Waits,
    /// It is declined.
    Ends(Refusal),
}

impl Manual {
    /// Begins a fact: an input ends the request of the one before.
    pub(super) fn at(&mut self, key: Key) {
        if key.rank == Rank::INPUT.0 {
            self.now = None;
        }
    }

    /// The request that is to be decided.
    fn open(&self) -> Option<&Asked> {
        self.now.as_ref().filter(|now| !now.answered)
    }

    /// The present request.
    pub(super) fn request(&self) -> Option<&Request> {
        self.now.as_ref().map(|now| &now.request)
    }

    /// Applies a fact of the decision with these causes.
    pub(super) fn answered(&mut self, because: &[Key]) {
        if let Some(now) = self.now.as_mut() {
            now.answered = now.answered || because.contains(&now.key);
        }
    }

    /// Whether there is nothing to decide.
    pub(super) fn is_idle(&self) -> bool {
        self.open().is_none() && self.parts.is_empty()
    }

    /// Whether an operator requested the exit of a lot. No signal withdraws it.
    pub(super) fn closes(&self, symbol: Symbol, strategy: &str) -> bool {
        !self.closes.is_empty() && self.closes.contains(&(symbol, strategy.to_owned()))
    }

    /// Whether the stop order of a lot makes way for a sale.
    pub(super) fn sells_part(&self, symbol: Symbol, strategy: &str) -> bool {
        strategy == MANUAL && self.parts.contains_key(&symbol)
    }

    /// Applies an `Owed` fact that follows from the fact `key`.
    pub(super) fn owed(&mut self, symbol: Symbol, strategy: &str, key: Key, ended: bool) {
        if ended {
            self.closes.remove(&(symbol, strategy.to_owned()));
        } else if self.now.as_ref().is_some_and(|now| now.key == key) {
            self.closes.insert((symbol, strategy.to_owned()));
        }
    }

    /// Applies the approval of an order. A sale without an owed exit is one of a part.
    pub(super) fn approved(&mut self, intent: &OrderIntent, exits: &Exits) {
        let OrderIntent { symbol, strategy, side, .. } = intent;
        let sells = (strategy.as_str(), *side) == (MANUAL, Side::Sell);
        let sells = sells && intent.protection().is_none();
        if sells && exits.get(*symbol, MANUAL).is_none() {
            self.parts.remove(symbol);
        }
    }

    /// Applies a refusal. Returns whether it ended a sale of a part.
    pub(super) fn declined(&mut self, signal: &Signal, code: &str) -> bool {
        let Some(part) = self.parts.get(&signal.symbol) else { return false };
        let of = signal.strategy == MANUAL && signal.terms.id.as_ref() == Some(&part.id);
        let ends = of && code != REPEATED;
        if ends {
            self.parts.remove(&signal.symbol);
        }
        ends
    }
}

/// The name from which the id of an entry derives. An operator or an external program may enter
/// twice at one close, so the id of the request is part of it.
pub(super) fn named(signal: &Signal) -> Cow<'_, str> {
    match &signal.terms.id {
        Some(id) => Cow::Owned(format!("{}/{id}", signal.strategy)),
        None => Cow::Borrowed(&signal.strategy),
    }
}

/// Whether a signal comes between two closes: from an operator, or from an external program, which
/// gives it an id.
pub(super) fn is_between_closes(signal: &Signal) -> bool {
    signal.strategy == MANUAL || signal.terms.id.is_some()
}

impl Decide {
    /// Applies a request.
    pub(super) fn asked(&mut self, key: Key, id: &str, request: &Request, reason: &str) {
        let repeated = self.manual.known.iter().any(|known| known == id);
        let (mut refused, mut part) = (None, false);
        if repeated {
            refused = Some((REPEATED, format!("request {id} was decided before")));
        } else {
            self.manual.known.push_back(id.to_owned());
            if self.manual.known.len() > KNOWN_MAX {
                self.manual.known.pop_front();
            }
        }
        if let Request::Order { side: Side::Sell, limit: Some(_), .. } = request
            && refused.is_none()
        {
            let text = "sales by hand have no limit: the stop order of a lot keeps what it sells";
            refused = Some(("unsupported", text.to_owned()));
        }
        if let Request::Order { symbol, side: Side::Sell, amount, .. } = request
            && refused.is_none()
            && let Some(quantity) = self.part(*symbol, *amount)
        {
            part = true;
            if self.manual.parts.contains_key(symbol) {
                let text = format!("an earlier sale of {symbol} waits for the end of a stop order");
                refused = Some(("pending", text));
            } else {
                let (id, reason, since) = (id.to_owned(), reason.to_owned(), self.closed);
                let until = self.valid_until(since.max(self.time));
                let sale = PartSale { id, key, reason, quantity, since, until };
                self.manual.parts.insert(*symbol, sale);
            }
        }
        let (id, request, reason) = (id.to_owned(), request.clone(), reason.to_owned());
        let answered = false;
        self.manual.now = Some(Asked { key, id, request, reason, refused, part, answered });
    }

    /// The base units to sell, if they are only a part of the lot of `manual`.
    pub(super) fn part(&self, symbol: Symbol, amount: Amount) -> Option<Decimal> {
        let rule = self.instruments.get(symbol)?;
        let wanted = match amount {
            Amount::Quantity(quantity) => quantity,
            Amount::Quote(quote) => quote.checked_div(self.newest.get(symbol)?.close.decimal())?,
        };
        (wanted < rule.floor(self.lots.get(symbol, MANUAL))).then_some(wanted)
    }

    /// The signal for the order of the present request; none if it is another request.
    pub(super) fn signal_by_hand(&self) -> Option<(Key, Signal)> {
        let now = self.manual.open().filter(|now| now.refused.is_none() && !now.part)?;
        let Request::Order { symbol, side, .. } = now.request else { return None };
        Some((now.key, self.signal_of(&now.id, symbol, side, &now.reason)))
    }

    fn signal_of(&self, id: &str, symbol: Symbol, side: Side, reason: &str) -> Signal {
        let price = self.newest.get(symbol).map_or(Price::e8(0), |newest| newest.close);
        let half = side == Side::Buy && self.level_of(MANUAL) == BreakerLevel::Reduced;
        let half = if half { ", half the size at level reduced" } else { "" };
        Signal {
            strategy: MANUAL.to_owned(),
            symbol,
            intent: side.into(),
            direction: Direction::Long,
            confidence_ppm: SURE,
            price,
            close_time: self.closed,
            reason: format!("an operator requests it{half}: {reason}"),
            terms: Box::new(SignalTerms { id: Some(id.to_owned()), ..SignalTerms::default() }),
        }
    }

    /// The requested size of an entry by hand; none if a strategy signals it.
    pub(super) fn size_by_hand(&self, signal: &Signal) -> Result<Option<Amount>, Refusal> {
        if !is_between_closes(signal) {
            return Ok(None);
        }
        let symbol = signal.symbol;
        let Some(newest) = self.newest.get(symbol) else {
            return no("no-price", format!("{symbol} has not closed yet"));
        };
        // A strategy decides at a close. Others may decide long after it.
        let (now, most) = (self.time.max(self.closed), self.settings.trading.stale_s);
        let age = self.calendar.of(symbol).open_between(newest.time, now) / 1000;
        if age > most {
            let text = format!("the newest bar of {symbol} is {age} s old, {most} s are allowed");
            return no("stale", text);
        }
        let now = self.manual.open().filter(|_| signal.strategy == MANUAL);
        Ok(now.map(|now| &now.request).and_then(|request| match request {
            Request::Order { amount, .. } => Some(*amount),
            Request::Close { .. } | Request::Cancel { .. } | Request::Guard { .. } => None,
        }))
    }

    /// Decides the present request, unless it is an order with a signal, and waiting sales.
    pub(super) fn conclude_manual<'a>(&'a self, sales: &mut Sales<'a>, out: &mut Out<Body>) {
        if let Some(now) = self.manual.open() {
            let result = match (&now.refused, &now.request) {
                (Some((code, text)), _) => no(code, text.clone()),
                (None, Request::Order { .. }) => Ok(()),
                (None, Request::Close { symbol, strategy }) => {
                    self.close(now, *symbol, strategy.as_deref(), sales, out)
                }
                (None, Request::Cancel { client_id, .. }) => {
                    self.cancel(now, client_id, sales, out)
                }
                (None, Request::Guard { symbol, stop, target, amount }) => {
                    let wanted = ExitPrices { stop: *stop, target: *target };
                    self.prices_by_hand(*symbol, wanted, *amount).map(|exits| {
                        let reason = format!("an operator requests it: {}", now.reason);
                        out.append_because([now.key], guarded(*symbol, exits, reason));
                    })
                }
            };
            if let Err(refusal) = result {
                let side = now.request.side();
                let signal = self.signal_of(&now.id, now.request.symbol(), side, &now.reason);
                out.append_because([now.key], declined(signal, refusal));
            }
        }
        for (symbol, part) in &self.manual.parts {
            match self.step_of(*symbol, part, sales) {
                Step::Places(approved) => {
                    sales.sold.insert((*symbol, MANUAL));
                    if let Some(rule) = self.instruments.get(*symbol) {
                        let selling = sales.selling.entry(rule.base.as_str()).or_default();
                        *selling = selling.saturating_add(approved.intent.quantity);
                    }
                    out.append_because([part.key], approved.into_body());
                }
                Step::Frees => {
                    for (id, hold) in sales.protecting(*symbol, MANUAL) {
                        let why = "an operator sells a part of its lot".to_owned();
                        out.append_because([part.key], taken_back(id, hold, why));
                    }
                    sales.freed.insert((*symbol, MANUAL));
                }
                Step::Waits => {}
                Step::Ends(refusal) => {
                    let signal = self.signal_of(&part.id, *symbol, Side::Sell, &part.reason);
                    out.append_because([part.key], declined(signal, refusal));
                }
            }
        }
    }

    /// Whether a waiting sale can be decided immediately.
    pub(super) fn part_is_due(&self) -> bool {
        !self.manual.parts.is_empty() && {
            let sales = self.sales();
            let waits = |step: Step| matches!(step, Step::Waits);
            self.manual.parts.iter().any(|(of, part)| !waits(self.step_of(*of, part, &sales)))
        }
    }

    fn step_of(&self, symbol: Symbol, part: &PartSale, sales: &Sales<'_>) -> Step {
        match (self.approve_part(symbol, part, sales), sales.protected(symbol, MANUAL)) {
            (Err(refusal), _) => Step::Ends(refusal),
            (Ok(approved), Protected::No) => Step::Places(Box::new(approved)),
            (Ok(_), Protected::Ending) => Step::Waits,
            (Ok(_), Protected::Yes) => Step::Frees,
        }
    }

    /// The order for a sale of a part, never for more than the account has.
    fn approve_part(
        &self,
        symbol: Symbol,
        part: &PartSale,
        sales: &Sales<'_>,
    ) -> Result<Approved, Refusal> {
        if self.exits.get(symbol, MANUAL).is_some() {
            return no("owed", "the exit of the whole lot is owed already");
        }
        if sales.is_pending(symbol, MANUAL) {
            return no("pending", format!("an order in {symbol} is not final yet"));
        }
        if self.time > part.until {
            return no("expired", "the stop order of the lot did not end in time");
        }
        if self.level == BreakerLevel::Halted {
            let why = self.reasons.join("; ");
            return no("halted", format!("trading is halted: {why}"));
        }
        let rule: &Instrument = self.instrument(symbol)?;
        let lot = self.lots.get(symbol, MANUAL);
        if lot.is_zero() {
            return no("nothing-to-sell", format!("{MANUAL} holds no {}", rule.base));
        }
        let Some(price) = self.newest.get(symbol).map(|newest| newest.close.decimal()) else {
            return no("no-price", format!("{symbol} has not closed yet"));
        };
        let available = self.free_for(&rule.base, (symbol, MANUAL), sales);
        let available = available.or_else(|why| no("account", why))?;
        let wanted = part.quantity.min(lot).min(available);
        let quantity = sizing::market(rule, wanted, price).map_err(too_small)?;
        let PartSale { id, since, reason, .. } = part;
        let name = format!("{MANUAL}/{id}");
        let (identity, side) = (&self.identity, Side::Sell);
        let client_id = client_id::of(identity, &name, symbol, side, *since, Part::default());
        let intent = OrderIntent {
            client_id,
            strategy: MANUAL.to_owned(),
            symbol,
            side,
            order_type: OrderType::Market,
            quantity,
            price: None,
            close_time: *since,
            valid_until: part.until,
            terms: Box::default(),
        };
        let reason = format!("an operator requests it: {reason}");
        Ok(Approved { intent, reserved: Decimal::ZERO, reason, sizing: None })
    }

    /// The exit of a lot: a new one, or the one that is owed already, in the operator's name.
    fn exit_by_hand(&self, symbol: Symbol, owner: &str, key: Key, cause: String) -> Exit {
        if let Some(exit) = self.exits.get(symbol, owner) {
            return exit.taken_over(key, cause);
        }
        let revision = self.exits.first_revision(symbol, owner, self.closed);
        Exit::new(self.closed, cause, key, revision)
    }

    /// Opens the exits of the lots of a symbol.
    fn close<'a>(
        &'a self,
        now: &Asked,
        symbol: Symbol,
        strategy: Option<&str>,
        sales: &mut Sales<'a>,
        out: &mut Out<Body>,
    ) -> Result<(), Refusal> {
        let lots = self.lots.iter().filter(|(of, owner, _)| {
            *of == symbol && strategy.is_none_or(|strategy| *owner == strategy)
        });
        let (mut held, mut opened, mut owed) = (false, false, false);
        for (_, owner, quantity) in lots {
            held = true;
            let known = self.exits.get(symbol, owner);
            if known.is_some() && self.manual.closes(symbol, owner) {
                owed = true;
            } else if known.is_some() || self.sellable(symbol, quantity) {
                let cause = format!("an operator closes it: {}", now.reason);
                let exit = self.exit_by_hand(symbol, owner, now.key, cause);
                self.follow(symbol, owner, &exit, true, sales, out);
                opened = true;
            }
        }
        let owner = strategy.unwrap_or("anybody");
        match (opened, owed, held) {
            (true, _, _) => Ok(()),
            (false, true, _) => no("owed", format!("the exit of {symbol} is owed already")),
            (false, false, true) => no(
                "too-small",
                format!("the lot of {symbol} is too small to sell, or has no price"),
            ),
            (false, false, false) => no("nothing-to-sell", format!("{owner} holds no {symbol}")),
        }
    }

    /// Cancels an order; ends its exit, if it has one.
    fn cancel(
        &self,
        now: &Asked,
        id: &ClientOrderId,
        sales: &mut Sales<'_>,
        out: &mut Out<Body>,
    ) -> Result<(), Refusal> {
        let Some(hold) = self.holds.get(id) else {
            return no("not-open", format!("order {id} is not open any more"));
        };
        let Hold { symbol, strategy, side, protection, withdrawn, .. } = hold;
        if protection.is_some() {
            let text = format!("order {id} protects a lot. To sell it: everwarm close {symbol}");
            return no("protects", text);
        }
        if *withdrawn {
            return no("withdrawn", format!("order {id} is cancelled already"));
        }
        let exit = self.exits.get(*symbol, strategy).filter(|_| *side == Side::Sell);
        if exit.is_some_and(|exit| exit.flattened) {
            return no("flattened", "all lots are sold. To end that: everwarm resume");
        }
        let why = format!("an operator cancels it: {}", now.reason);
        out.append_because([now.key], taken_back(id, hold, why.clone()));
        sales.withdrawn.insert(id.clone());
        if let Some(exit) = exit {
            let because: Vec<Key> = [now.key].into_iter().chain(exit.because()).collect();
            out.append_because(because, owed(*symbol, strategy, exit, None, Some(why)));
        }
        Ok(())
    }
}

fn declined(signal: Signal, Refusal { code, text }: Refusal) -> Body {
    Body::Decision(Decision::Declined { signal, code: code.to_owned(), text })
}

#[cfg(test)]
#[path = "manual_tests.rs"]
pub(super) mod tests;
