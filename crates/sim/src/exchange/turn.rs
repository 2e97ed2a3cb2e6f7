//! A turn makes the facts of one input, each on the state that the fact before it left.

use super::draw::{Draw, Purpose};
use super::fact::TimeInForce;
use super::fact::{Accepted, Replaced, SimFact, Traded};
use super::filters::Refusal;
use super::matching::{Fill, ladder};
use super::open_state::{Live, Rules, Tape};
use super::order::{Order, OrderList, Status};
use super::request::{Amount, OrderKind};
use super::state::Exchange;
use everwarm_domain::id::Symbol;
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;

/// Prices with the quantity at each, worst last.
pub type Levels = Vec<(Decimal, Decimal)>;

/// The decision about one input, in progress.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The rules.
    pub rules: &'a Rules,
    /// The state of its symbols after the facts of this turn so far.
    pub live: Live,
    facts: Vec<SimFact>,
}

impl<'a> Turn<'a> {
    /// Starts a turn on the current books for these symbols only. `symbols` must ascend.
    #[must_use]
    pub fn of(exchange: &'a Exchange, symbols: &[Symbol]) -> Turn<'a> {
        let live = exchange.live.part(&exchange.rules, symbols);
        Turn { rules: &exchange.rules, live, facts: Vec::new() }
    }

    /// Adds a fact to the turn and applies it. Returns the order that it ended.
    fn append(&mut self, fact: SimFact) -> Option<Order> {
        let ended = self.live.apply(self.rules, &fact);
        self.facts.push(fact);
        ended.order
    }

    /// Ends the turn and returns its facts.
    #[must_use]
    pub fn end(self) -> Vec<SimFact> {
        self.facts
    }

    /// Adds the refusal of a part of the request.
    pub fn note(&mut self, (code, msg): Refusal) {
        self.facts.push(SimFact::Rejected { code, msg });
    }

    /// Ends the turn and returns its facts, with a refusal as the last one.
    #[must_use]
    pub fn refuse(mut self, refused: Refusal) -> Vec<SimFact> {
        self.note(refused);
        self.facts
    }

    /// The last trade of `symbol`, and its minute.
    #[must_use]
    pub fn tape(&self, symbol: Symbol) -> Option<&Tape> {
        self.live.tapes.get(symbol)
    }

    /// An open order.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<&Order> {
        self.live.open.get(&id)
    }

    fn list_of(&self, order: &Order) -> Option<&OrderList> {
        self.live.lists.get(&order.list?)
    }

    /// The number of the next execution event.
    #[must_use]
    pub fn execution(&self) -> u64 {
        self.live.executions + 1
    }

    /// The random draws of one order in the minute that closes at `minute`.
    #[must_use]
    pub fn draw<'d>(&self, symbol: Symbol, minute: UtcMs, client_id: &'d str) -> Draw<'d> {
        Draw { seed: self.rules.seed, symbol, minute, client_id }
    }

    /// Makes a missing client id. `number` counts the objects of its kind.
    #[must_use]
    pub fn made_up(&self, head: &str, symbol: Symbol, number: u64) -> String {
        let name = self.draw(symbol, 0, &number.to_string()).number(Purpose::Name);
        format!("{head}{name:016x}")
    }

    /// Puts an order into the books.
    pub fn accept(&mut self, accepted: Accepted) {
        self.append(SimFact::Accepted(accepted));
    }

    /// Puts an order into the place of another one.
    pub fn replace(&mut self, replaced: Replaced) {
        self.append(SimFact::Replaced(replaced));
    }

    /// Moves the stop of an order after a trade at `price`, if it follows the market.
    pub fn trail(&mut self, id: u64, price: Decimal) {
        let Some(order) = self.order(id) else { return };
        let Some(rules) = self.rules.instrument(order.symbol) else { return };
        let trail = order.trail().and_then(|trail| trail.after(order.side, price));
        let Some(trail) = trail else { return };
        let stop = trail.stop(order.side, rules.tick_size);
        self.append(SimFact::Trailed { order: id, trail, stop });
    }

    /// Puts a list into the books.
    pub fn list(&mut self, list: OrderList) {
        self.append(SimFact::Listed(list));
    }

    /// The fills that an order of this kind can get immediately.
    #[must_use]
    pub fn levels(
        &self,
        rules: &Instrument,
        side: Side,
        kind: &OrderKind,
        minute: UtcMs,
        client_id: &str,
    ) -> Levels {
        let Some(tape) = self.tape(rules.symbol) else { return Levels::new() };
        let draw = self.draw(rules.symbol, minute, client_id);
        let all = |quantity| ladder(tape, rules, side, quantity, (&draw, &self.rules.costs));
        let Some(quantity) = kind.quantity() else {
            let amount = kind.quote_amount().unwrap_or_default();
            let about = floor_to_step(amount / tape.last, rules.lot_size);
            return spend(rules, side, amount, all(about));
        };
        let mut levels = all(quantity);
        if let Some(price) = kind.limit() {
            levels.retain(|(at, _)| match side {
                Side::Buy => *at <= price,
                Side::Sell => *at >= price,
            });
        }
        if kind.tif() == TimeInForce::Fok {
            let room = self.room(rules, minute);
            let all = total(&levels);
            if room.map_or(all, |room| room.min(all)) < quantity {
                levels.clear();
            }
        }
        levels
    }

    /// The quantity that orders can still fill in the newest minute, if it closes at `minute` or
    /// later. None: any.
    #[must_use]
    pub fn room(&self, rules: &Instrument, minute: UtcMs) -> Option<Decimal> {
        let tape = self.tape(rules.symbol).filter(|tape| tape.minute >= minute);
        let (volume, taken) = tape.map(|tape| (tape.volume, tape.taken)).unwrap_or_default();
        self.rules.costs.paper.room(volume, taken, rules.lot_size)
    }

    /// The part of `levels` that the volume of the newest minute has room for.
    #[must_use]
    pub fn fitting(&self, rules: &Instrument, minute: UtcMs, levels: Levels) -> Levels {
        match self.room(rules, minute) {
            Some(room) => cut(levels, room),
            None => levels,
        }
    }

    /// Executes `levels` for an order that is in the market since the minute that closes at
    /// `minute`, as far as the volume has room. If it has none for the rest, an order at any price
    /// waits for the next trade. Otherwise the rest expires if the order does not rest in the book.
    pub fn take(&mut self, id: u64, levels: Levels, minute: UtcMs, at: UtcMs) {
        let Some(order) = self.order(id) else { return };
        let Some(rules) = self.rules.instrument(order.symbol) else { return };
        let (whole, at_any_price) = (total(&levels), order.limit().is_none());
        let part = self.fitting(rules, minute, levels);
        let waits = at_any_price && total(&part) < whole;
        self.begin_to_take(id, &part, at);
        if !waits && self.order(id).is_some_and(|order| !order.kind.rests()) {
            self.expire(id, at);
        }
    }

    /// Shortens the queue of a resting order.
    pub fn queued(&mut self, id: u64, ahead: Decimal) {
        self.append(SimFact::Queued { order: id, ahead });
    }

    /// Executes `levels` for an order that has just entered the market. The remainder stays for the
    /// next trade of the market.
    pub fn begin_to_take(&mut self, id: u64, levels: &Levels, at: UtcMs) {
        for (price, quantity) in levels {
            self.trade(id, Fill { price: *price, quantity: *quantity, maker: false, at });
        }
    }

    /// Executes a part of an order, with the effects on its list.
    pub fn trade(&mut self, id: u64, fill: Fill) {
        let first = self.order(id).is_some_and(|order| order.executed.is_zero());
        if first {
            self.end_other(id, fill.at);
        }
        let Some(order) = self.order(id) else { return };
        let Some(rules) = self.rules.instrument(order.symbol) else { return };
        let number = self.live.trades.get(order.symbol).copied().unwrap_or_default() + 1;
        let traded: Traded = fill.fact(rules, order, (number, self.execution()), &self.rules.costs);
        if let Some(order) = self.append(SimFact::Traded(traded)) {
            self.follow(&order, fill.at);
        }
    }

    /// Expires an order by its own terms, with the effects on its list.
    pub fn expire(&mut self, id: u64, at: UtcMs) {
        let execution = self.execution();
        if let Some(order) = self.append(SimFact::Expired { order: id, execution, at }) {
            self.follow(&order, at);
        }
    }

    /// Cancels an order and all other orders of its list.
    pub fn cancel(&mut self, id: u64, cancel_id: &str) {
        let Some(order) = self.order(id) else { return };
        let all = self.list_of(order).map_or_else(|| vec![id], |list| list.orders.clone());
        let at = self.live.now;
        for order in all {
            if self.order(order).is_some() {
                let (execution, cancel_id) = (self.execution(), cancel_id.to_owned());
                self.append(SimFact::Cancelled { order, cancel_id, execution, at });
            }
        }
    }

    /// Triggers an order whose stop is reached. It enters the market of the minute that closes at
    /// `minute`.
    pub fn trigger(&mut self, id: u64, minute: UtcMs, at: UtcMs) {
        self.end_other(id, at);
        let execution = self.execution();
        self.append(SimFact::Triggered { order: id, execution, at });
        self.enter(id, minute, at);
    }

    /// Fills an order as far as possible from the market of the minute that closes at `minute`.
    pub fn enter(&mut self, id: u64, minute: UtcMs, at: UtcMs) {
        let Some(order) = self.order(id).cloned() else { return };
        let Some(rules) = self.rules.instrument(order.symbol) else { return };
        let mut levels = self.levels(rules, order.side, &order.kind, minute, &order.client_id);
        if order.side == Side::Buy && order.limit().is_none() {
            let budget = self.live.purse(&rules.quote).free + order.holds();
            levels = affordable(rules, budget, levels);
        }
        let mut most = order.rest();
        if order.side == Side::Sell && order.limit().is_none() {
            most = most.min(self.live.purse(&rules.base).free + order.holds());
        }
        self.take(id, cut(levels, floor_to_step(most, rules.lot_size)), minute, at);
    }

    /// Expires the other order of a pair, because this one begins to trade or its stop is reached.
    fn end_other(&mut self, id: u64, at: UtcMs) {
        let Some(order) = self.order(id) else { return };
        let Some(list) = self.list_of(order) else { return };
        let pair = list.pair();
        let others: Vec<u64> = if pair.contains(&id) {
            pair.iter().copied().filter(|other| *other != id).collect()
        } else {
            Vec::new()
        };
        for other in others {
            if self.order(other).is_some() {
                let execution = self.execution();
                self.append(SimFact::Expired { order: other, execution, at });
            }
        }
    }

    /// Activates or expires the orders that waited for `ended`.
    fn follow(&mut self, ended: &Order, at: UtcMs) {
        let Some(list) = self.list_of(ended) else { return };
        if list.working() != Some(ended.id) {
            return;
        }
        // Their own terms may have ended some of them.
        let open = |id: &u64| self.order(*id).is_some();
        let pending: Vec<u64> = list.pending().iter().copied().filter(open).collect();
        if ended.status == Status::Filled && self.can_activate(&pending) {
            for order in &pending {
                let execution = self.execution();
                self.append(SimFact::Activated { order: *order, execution, at });
            }
            let minute = self.live.last_close;
            for id in pending {
                if self.is_reached(id) {
                    self.trigger(id, minute, at);
                } else if self.order(id).is_some_and(|order| !order.waits()) {
                    self.enter(id, minute, at);
                }
            }
        } else {
            for order in pending {
                let execution = self.execution();
                self.append(SimFact::Expired { order, execution, at });
            }
        }
    }

    /// Whether the market already reached the stop of an order that begins to wait for it. Only
    /// orders with terms are placed then.
    fn is_reached(&self, id: u64) -> bool {
        let Some(order) = self.order(id).filter(|o| o.terms.is_some() && o.waits()) else {
            return false;
        };
        let last = self.tape(order.symbol).map(|tape| tape.last);
        let stop = order.kind.stop();
        stop.zip(last).is_some_and(|(stop, last)| stop.reached(order.side, last))
    }

    /// Whether pending orders can be placed: the balance suffices, and for orders without terms, no
    /// stop is reached already and limit makers would rest.
    fn can_activate(&self, pending: &[u64]) -> bool {
        let orders: Vec<&Order> = pending.iter().filter_map(|id| self.order(*id)).collect();
        let fits = |order: &&Order| {
            let Some(rules) = self.rules.instrument(order.symbol) else { return false };
            let asset = match order.side {
                Side::Buy => &rules.quote,
                Side::Sell => &rules.base,
            };
            let needed = match order.kind {
                OrderKind::Market(Amount::Base(quantity)) if order.side == Side::Sell => quantity,
                OrderKind::Market(_) => Decimal::ZERO,
                OrderKind::Limit { .. } | OrderKind::LimitMaker { .. } | OrderKind::Stop(_) => {
                    order.kind.holds(order.side, order.rest())
                }
            };
            let stays = || self.immediate(rules, order.side, &order.kind).is_ok();
            self.live.purse(asset).free >= needed && (order.terms.is_some() || stays())
        };
        orders.iter().all(fits)
    }

    /// Refuses a stop that is already reached, and a limit maker that would take.
    ///
    /// # Errors
    /// -2010 with the protocol's message.
    pub fn immediate(
        &self,
        rules: &Instrument,
        side: Side,
        kind: &OrderKind,
    ) -> Result<(), Refusal> {
        let Some(tape) = self.tape(rules.symbol) else { return Ok(()) };
        let refusal = |text: &str| Err((-2010, text.to_owned()));
        match kind {
            OrderKind::Stop(stop) if stop.reached(side, tape.last) => {
                refusal("Order would trigger immediately.")
            }
            OrderKind::LimitMaker { price, .. } => {
                let (bid, ask) = super::depth::best(tape, rules, &self.rules.costs);
                let takes = match side {
                    Side::Buy => *price >= ask,
                    Side::Sell => *price <= bid,
                };
                if takes { refusal("Order would immediately match and take.") } else { Ok(()) }
            }
            OrderKind::Stop(_) | OrderKind::Market(_) | OrderKind::Limit { .. } => Ok(()),
        }
    }
}

/// The quantity of all levels.
fn total(levels: &Levels) -> Decimal {
    levels.iter().map(|level| level.1).sum()
}

/// Cuts a ladder to a quantity.
#[must_use]
pub fn cut(levels: Levels, most: Decimal) -> Levels {
    let mut left = most;
    let mut kept = Levels::new();
    for (price, quantity) in levels {
        let quantity = left.min(quantity);
        if quantity > Decimal::ZERO {
            kept.push((price, quantity));
            left -= quantity;
        }
    }
    kept
}

/// Cuts a ladder to an amount in quote units, which a purchase pays or a sale brings in.
fn spend(rules: &Instrument, side: Side, amount: Decimal, levels: Levels) -> Levels {
    let mut left = amount;
    let count = levels.len();
    let mut kept = Vec::new();
    for (i, (price, wanted)) in levels.into_iter().enumerate() {
        let affordable = floor_to_step(left / price, rules.lot_size);
        let last_of_sale = side == Side::Sell && i + 1 == count;
        let quantity = if last_of_sale { affordable } else { wanted.min(affordable) };
        if quantity > Decimal::ZERO {
            left -= price * quantity;
            kept.push((price, quantity));
        }
    }
    kept
}

/// Cuts a ladder to the quantity that a purchase can pay.
fn affordable(rules: &Instrument, budget: Decimal, levels: Levels) -> Levels {
    spend(rules, Side::Buy, budget, levels)
}
