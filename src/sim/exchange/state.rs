//! The books: what facts have made of orders, trades, balances and tapes.

use super::fact::{
    Accepted, Advance, Amount, DERIVED, INPUTS, Opened, OrderKind, SimFact, Target, TimeInForce,
    Traded,
};
use super::{matching, place};
use crate::domain::id::{Symbol, SymbolMap};
use crate::domain::instrument::Instrument;
use crate::domain::market::Bar;
use crate::domain::money::Decimal;
use crate::domain::order::{Balance, OrderType, Side};
use crate::domain::time::{MINUTE, UtcMs};
use everwarm_runtime::fact::{Fact, Mask, Rank};
use everwarm_runtime::stage::{Out, Stage};
use everwarm_runtime::state;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Rank of the exchange in its own journal.
pub const RANK: Rank = Rank(10);
const FORMAT: u8 = 1;

/// Where an order stands, in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Working, nothing filled.
    New,
    /// Working, a part filled.
    PartiallyFilled,
    /// All filled.
    Filled,
    /// Ended by a cancel.
    Canceled,
    /// Ended by its own terms.
    Expired,
}

impl Status {
    /// The word on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Status::New => "NEW",
            Status::PartiallyFilled => "PARTIALLY_FILLED",
            Status::Filled => "FILLED",
            Status::Canceled => "CANCELED",
            Status::Expired => "EXPIRED",
        }
    }

    /// Whether the order works.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Status::New | Status::PartiallyFilled)
    }
}

/// An order in the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The venue's id, counting from 1.
    pub id: u64,
    /// The client's id.
    pub client_id: String,
    /// What is traded.
    pub symbol: Symbol,
    /// Direction.
    pub side: Side,
    /// How it is priced.
    pub kind: OrderKind,
    /// Ordered quantity in base units.
    pub quantity: Decimal,
    /// Where it stands.
    pub status: Status,
    /// Filled quantity.
    pub executed: Decimal,
    /// Quote amount of the fills.
    pub executed_quote: Decimal,
    /// Venue time of acceptance.
    pub time: UtcMs,
    /// Venue time of the last change.
    pub updated: UtcMs,
    /// Close of the last released minute at acceptance.
    pub minute: UtcMs,
    /// Positions of its trades among those of the symbol.
    pub trades: Vec<usize>,
}

impl Order {
    /// Quantity still to fill.
    #[must_use]
    pub fn rest(&self) -> Decimal {
        self.quantity - self.executed
    }

    /// The limit price; none for market orders.
    #[must_use]
    pub fn limit(&self) -> Option<Decimal> {
        match self.kind {
            OrderKind::Market(_) => None,
            OrderKind::Limit { price, .. } => Some(price),
        }
    }

    /// Market or limit.
    #[must_use]
    pub fn order_type(&self) -> OrderType {
        match self.kind {
            OrderKind::Market(_) => OrderType::Market,
            OrderKind::Limit { .. } => OrderType::Limit,
        }
    }

    /// How long it works; market orders are said to work until cancelled.
    #[must_use]
    pub fn tif(&self) -> TimeInForce {
        match self.kind {
            OrderKind::Market(_) => TimeInForce::Gtc,
            OrderKind::Limit { tif, .. } => tif,
        }
    }

    /// The ordered amount in quote units; zero where it was given in base units.
    #[must_use]
    pub fn quote_quantity(&self) -> Decimal {
        match self.kind {
            OrderKind::Market(Amount::Quote(amount)) => amount,
            OrderKind::Market(Amount::Base(_)) | OrderKind::Limit { .. } => Decimal::ZERO,
        }
    }
}

/// A trade in the books.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Counting from 1 per symbol.
    pub id: u64,
    /// The venue's id of the order.
    pub order: u64,
    /// In quote units.
    pub price: Decimal,
    /// In base units.
    pub quantity: Decimal,
    /// In units of `fee_asset`.
    pub fee: Decimal,
    /// What the fee was paid in.
    pub fee_asset: String,
    /// Whether the order was resting.
    pub maker: bool,
    /// Whether it was a buy.
    pub buyer: bool,
    /// Venue time.
    pub time: UtcMs,
}

/// What the market of one symbol last did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tape {
    /// Price of the last trade.
    pub last: Decimal,
    /// Close of the minute it belongs to.
    pub minute: UtcMs,
    /// Volume of that minute's bar.
    pub volume: Decimal,
    /// What resting orders have had of that volume.
    pub taken: Decimal,
}

/// Free and held money of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purse {
    /// Free to use.
    pub free: Decimal,
    /// Held by open orders.
    pub locked: Decimal,
}

/// The exchange: its books, its clocks, and the rules it goes by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    pub(super) seed: u64,
    pub(super) instruments: Vec<Instrument>,
    pub(super) max_position: BTreeMap<Symbol, Decimal>,
    pub(super) purses: BTreeMap<String, Purse>,
    pub(super) orders: Vec<Order>,
    pub(super) open: BTreeSet<u64>,
    pub(super) newest: BTreeMap<(Symbol, String), u64>,
    pub(super) trades: SymbolMap<Vec<Trade>>,
    pub(super) tapes: SymbolMap<Tape>,
    pub(super) executions: u64,
    now: UtcMs,
    market: UtcMs,
    pub(super) released_before: UtcMs,
    last_close: UtcMs,
    opened: UtcMs,
    shown: Option<UtcMs>,
}

impl Exchange {
    /// Whether the books have been opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.instruments.is_empty()
    }

    /// Venue time.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.now
    }

    /// Trades up to and including this instant are released.
    #[must_use]
    pub fn market(&self) -> UtcMs {
        self.market
    }

    /// Close of the last minute whose trades are all released.
    #[must_use]
    pub fn last_close(&self) -> UtcMs {
        self.last_close
    }

    /// The last close since the books were opened whose bars everybody has been shown.
    #[must_use]
    pub fn shown_close(&self) -> Option<UtcMs> {
        self.shown
    }

    /// What is traded, by symbol.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// The rules of one symbol.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<&Instrument> {
        self.instruments.iter().find(|i| i.symbol == symbol)
    }

    /// The largest holding of the base asset, where the symbol has such a filter.
    #[must_use]
    pub fn max_position(&self, symbol: Symbol) -> Option<Decimal> {
        self.max_position.get(&symbol).copied()
    }

    /// What the market of `symbol` last did.
    #[must_use]
    pub fn tape(&self, symbol: Symbol) -> Option<&Tape> {
        self.tapes.get(symbol)
    }

    /// All balances by asset.
    #[must_use]
    pub fn balances(&self) -> Vec<Balance> {
        self.purses
            .iter()
            .map(|(a, p)| Balance { asset: a.clone(), free: p.free, locked: p.locked })
            .collect()
    }

    /// The balance of one asset.
    #[must_use]
    pub fn purse(&self, asset: &str) -> Purse {
        self.purses.get(asset).copied().unwrap_or_default()
    }

    /// All orders by id.
    #[must_use]
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The order with this id.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<&Order> {
        let place = usize::try_from(id).ok()?.checked_sub(1)?;
        self.orders.get(place)
    }

    /// The orders that work, by id.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|id| self.order(*id))
    }

    /// The newest order of a client's id.
    #[must_use]
    pub fn newest(&self, symbol: Symbol, client_id: &str) -> Option<&Order> {
        let id = self.newest.get(&(symbol, client_id.to_owned()))?;
        self.order(*id)
    }

    /// Finds an order as a query names it.
    ///
    /// # Errors
    /// -2013 where there is none, -2039 where the two ids are of different orders.
    pub fn find(&self, target: &Target) -> Result<&Order, (i32, &'static str)> {
        let absent = (-2013, "Order does not exist.");
        let by_client = |id: &String| self.newest(target.symbol, id).ok_or(absent);
        match (target.order, &target.client_id) {
            (None, None) => Err(absent),
            (None, Some(client)) => by_client(client),
            (Some(id), client) => {
                let order = self.order(id).filter(|o| o.symbol == target.symbol).ok_or(absent)?;
                if client.as_ref().is_some_and(|c| *c != order.client_id) {
                    return Err((-2039, "Client order ID is not correct for this order ID."));
                }
                Ok(order)
            }
        }
    }

    /// All trades of one symbol by id.
    #[must_use]
    pub fn trades(&self, symbol: Symbol) -> &[Trade] {
        self.trades.get(symbol).map_or(&[], Vec::as_slice)
    }

    /// The trades of one order by id.
    pub fn trades_of<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = &'a Trade> {
        let all = self.trades(order.symbol);
        order.trades.iter().filter_map(move |i| all.get(*i))
    }

    fn opened(&mut self, opened: &Opened) {
        *self = Exchange { seed: opened.seed, ..Exchange::default() };
        self.instruments.clone_from(&opened.instruments);
        self.instruments.sort_by_key(|i| i.symbol);
        self.max_position.clone_from(&opened.max_position);
        for instrument in &self.instruments {
            self.purses.entry(instrument.base.clone()).or_default();
            self.purses.entry(instrument.quote.clone()).or_default();
        }
        for (asset, amount) in &opened.balances {
            self.purses.entry(asset.clone()).or_default().free = *amount;
        }
        (self.now, self.market, self.opened) = (opened.at, opened.at, opened.at);
        for bar in &opened.last {
            let minute = bar.open_time + MINUTE;
            self.last_close = self.last_close.max(minute);
            let (last, volume) = (bar.close.decimal().normalize(), bar.volume);
            let tape = Tape { last, minute, volume, taken: Decimal::ZERO };
            self.tapes.insert(bar.symbol, tape);
        }
    }

    fn advanced(&mut self, advance: &Advance) {
        self.released_before = self.market;
        self.now = self.now.max(advance.now);
        self.market = self.market.max(advance.market);
        if let Some((close, bars)) = &advance.minute {
            for bar in bars {
                self.roll(*close, bar);
            }
            if self.market >= close - 1 {
                self.last_close = self.last_close.max(*close);
            }
        }
        if self.last_close > self.opened && self.market >= self.last_close {
            self.shown = Some(self.last_close);
        }
    }

    fn roll(&mut self, close: UtcMs, bar: &Bar) {
        let steps = matching::path(close, bar);
        let released = steps
            .into_iter()
            .rfind(|step| self.released_before < step.time && step.time <= self.market);
        let Some(step) = released else { return };
        let tape = self.tapes.entry(bar.symbol);
        if tape.minute != close {
            *tape = Tape { minute: close, volume: bar.volume, ..Tape::default() };
        }
        tape.last = step.price;
    }

    fn accepted(&mut self, fact: &Accepted) {
        let order = Order {
            id: fact.order,
            client_id: fact.client_id.clone(),
            symbol: fact.symbol,
            side: fact.side,
            kind: fact.kind,
            quantity: fact.quantity,
            status: Status::New,
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            time: fact.at,
            updated: fact.at,
            minute: self.last_close,
            trades: Vec::new(),
        };
        self.executions = fact.execution;
        self.hold(&order, fact.quantity, Hold::Lock);
        self.newest.insert((order.symbol, order.client_id.clone()), order.id);
        self.open.insert(order.id);
        self.orders.push(order);
    }

    fn traded(&mut self, fact: &Traded) {
        let Some(order) = self.order_mut(fact.order) else { return };
        order.executed = fact.executed;
        order.executed_quote = fact.executed_quote;
        order.updated = fact.at;
        let full = order.executed >= order.quantity;
        order.status = if full { Status::Filled } else { Status::PartiallyFilled };
        let snapshot = order.clone();
        self.executions = fact.execution;
        if full {
            self.open.remove(&fact.order);
        }
        self.hold(&snapshot, fact.quantity, Hold::Release);
        self.settle(&snapshot, fact);
        let trades = self.trades.entry(fact.symbol);
        let place = trades.len();
        trades.push(Trade {
            id: fact.trade,
            order: fact.order,
            price: fact.price,
            quantity: fact.quantity,
            fee: fact.fee,
            fee_asset: fact.fee_asset.clone(),
            maker: fact.maker,
            buyer: snapshot.side == Side::Buy,
            time: fact.at,
        });
        if let Some(order) = self.order_mut(fact.order) {
            order.trades.push(place);
        }
        if fact.maker {
            self.tapes.entry(fact.symbol).taken += fact.quantity;
        }
    }

    fn settle(&mut self, order: &Order, fact: &Traded) {
        let Some(instrument) = self.instrument(order.symbol) else { return };
        let (base, quote) = (instrument.base.clone(), instrument.quote.clone());
        let amount = fact.price * fact.quantity;
        let (base_change, quote_change) = match order.side {
            Side::Buy => (fact.quantity, -amount),
            Side::Sell => (-fact.quantity, amount),
        };
        self.purses.entry(base).or_default().free += base_change;
        self.purses.entry(quote).or_default().free += quote_change;
        self.purses.entry(fact.fee_asset.clone()).or_default().free -= fact.fee;
    }

    /// Moves what `quantity` of a limit order holds between free and locked.
    fn hold(&mut self, order: &Order, quantity: Decimal, hold: Hold) {
        let (Some(limit), Some(instrument)) = (order.limit(), self.instrument(order.symbol)) else {
            return;
        };
        let (asset, amount) = match order.side {
            Side::Buy => (instrument.quote.clone(), limit * quantity),
            Side::Sell => (instrument.base.clone(), quantity),
        };
        let purse = self.purses.entry(asset).or_default();
        let signed = match hold {
            Hold::Lock => amount,
            Hold::Release => -amount,
        };
        purse.free -= signed;
        purse.locked += signed;
    }

    fn ended(&mut self, id: u64, status: Status, execution: u64, at: UtcMs) {
        let Some(order) = self.order_mut(id) else { return };
        order.status = status;
        order.updated = at;
        let snapshot = order.clone();
        self.executions = execution;
        self.open.remove(&id);
        self.hold(&snapshot, snapshot.rest(), Hold::Release);
    }

    fn order_mut(&mut self, id: u64) -> Option<&mut Order> {
        let place = usize::try_from(id).ok()?.checked_sub(1)?;
        self.orders.get_mut(place)
    }
}

#[derive(Clone, Copy)]
enum Hold {
    Lock,
    Release,
}

impl Stage for Exchange {
    type Body = SimFact;

    fn rank(&self) -> Rank {
        RANK
    }

    fn name(&self) -> &'static str {
        "exchange"
    }

    fn interest(&self) -> Mask {
        INPUTS
    }

    fn produces(&self) -> Mask {
        DERIVED
    }

    fn evolve(&mut self, fact: &Fact<SimFact>) {
        match &fact.body {
            SimFact::Opened(opened) => self.opened(opened),
            SimFact::Funded { asset, amount, at } => {
                self.now = self.now.max(*at);
                self.purses.entry(asset.clone()).or_default().free += *amount;
            }
            SimFact::Place(order) => self.now = self.now.max(order.at),
            SimFact::Cancel(cancel) => self.now = self.now.max(cancel.at),
            SimFact::Advance(advance) => self.advanced(advance),
            SimFact::Accepted(accepted) => self.accepted(accepted),
            SimFact::Traded(traded) => self.traded(traded),
            SimFact::Cancelled { order, execution, at, .. } => {
                self.ended(*order, Status::Canceled, *execution, *at);
            }
            SimFact::Expired { order, execution, at } => {
                self.ended(*order, Status::Expired, *execution, *at);
            }
            SimFact::Upgraded { .. } | SimFact::Rejected { .. } => {}
        }
    }

    fn decide(&self, fact: &Fact<SimFact>, out: &mut Out<SimFact>) {
        let said = match &fact.body {
            SimFact::Place(order) => place::place(self, order),
            SimFact::Cancel(cancel) => place::cancel(self, cancel),
            SimFact::Advance(advance) => matching::resting(self, advance),
            SimFact::Opened(_)
            | SimFact::Funded { .. }
            | SimFact::Upgraded { .. }
            | SimFact::Accepted(_)
            | SimFact::Traded(_)
            | SimFact::Rejected { .. }
            | SimFact::Cancelled { .. }
            | SimFact::Expired { .. } => Vec::new(),
        };
        for body in said {
            out.say(body);
        }
    }

    fn save(&self) -> Vec<u8> {
        state::save(FORMAT, self)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        *self = state::load(FORMAT, bytes)?;
        Ok(())
    }

    fn check(&self) {
        let mut held: BTreeMap<&str, Decimal> = BTreeMap::new();
        for order in self.open_orders() {
            let (Some(limit), Some(i)) = (order.limit(), self.instrument(order.symbol)) else {
                continue;
            };
            let (asset, amount) = match order.side {
                Side::Buy => (i.quote.as_str(), limit * order.rest()),
                Side::Sell => (i.base.as_str(), order.rest()),
            };
            *held.entry(asset).or_default() += amount;
        }
        for (asset, purse) in &self.purses {
            let held = held.get(asset.as_str()).copied().unwrap_or_default();
            assert_eq!(purse.locked, held, "{asset}: locked is not what open orders hold");
        }
        for (at, order) in self.orders.iter().enumerate() {
            assert_eq!(order.id, at as u64 + 1, "order ids count up without gaps");
        }
    }
}
