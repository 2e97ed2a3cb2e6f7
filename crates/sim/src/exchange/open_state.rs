//! The part of the books that can still change: open orders and lists, balances, last trades. Facts
//! change it here.

use super::costs::Costs;
use super::fact::{Accepted, Opened, Replaced, SimFact, Traded};
use super::filters::MAX_NUM_ALGO_ORDERS;
use super::order::{Order, OrderList, Status};
use super::paper_fills::Range;
use super::splits::Done;
use crate::market::Pause;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::Side;
use everwarm_domain::time::UtcMs;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The settings of the books.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Seed of every random choice.
    pub seed: u64,
    /// The traded instruments, by symbol.
    pub instruments: Vec<Instrument>,
    /// The largest holding of the base asset, for symbols that have such a filter.
    pub max_position: BTreeMap<Symbol, Decimal>,
    /// Most open stop orders, for symbols that take fewer than others; 0: none at all.
    #[serde(default)]
    pub max_stop_orders: BTreeMap<Symbol, u32>,
    /// Periods in which a symbol did not trade, by time.
    pub pauses: Vec<Pause>,
    /// Delisted symbols.
    pub delisted: BTreeSet<Symbol>,
    /// What trading costs.
    pub costs: Costs,
    /// The splits that happened, by time.
    #[serde(default)]
    pub splits: Vec<Done>,
}

impl Rules {
    /// Most open stop orders of a symbol; 0: it takes none.
    #[must_use]
    pub fn max_stop_orders(&self, symbol: Symbol) -> usize {
        let fewer = self.max_stop_orders.get(&symbol);
        fewer.map_or(MAX_NUM_ALGO_ORDERS, |most| usize::try_from(*most).unwrap_or(usize::MAX))
    }

    /// The rules of one symbol.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<&Instrument> {
        let place = self.instruments.binary_search_by_key(&symbol, |i| i.symbol).ok()?;
        self.instruments.get(place)
    }
}

/// The last trade of a symbol, and its minute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tape {
    /// Price of the last trade.
    pub last: Decimal,
    /// Close of the minute it belongs to.
    pub minute: UtcMs,
    /// Volume of that minute's bar.
    pub volume: Decimal,
    /// The part of that volume that resting orders have filled; with a share of the volume for all
    /// orders, those that took, too.
    pub taken: Decimal,
    /// The mean true range, where the costs need it.
    pub range: Range,
}

impl Tape {
    /// The last price; none: it has never traded.
    pub(super) fn last_price(&self) -> Option<Decimal> {
        (self.minute != 0).then_some(self.last)
    }
}

/// The free and the locked balance of one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purse {
    /// Free to use.
    pub free: Decimal,
    /// Held by open orders.
    pub locked: Decimal,
}

/// The order and the list that a fact ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The ended order.
    pub order: Option<Order>,
    /// The list, if this was its last open order.
    pub list: Option<OrderList>,
}

/// The part of the books that can still change. A decision copies what its input can touch and
/// tries its facts on the copy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Venue time.
    pub now: UtcMs,
    /// Close of the last minute whose trades are all released.
    pub last_close: UtcMs,
    /// Balances by asset.
    pub purses: BTreeMap<String, Purse>,
    /// Open orders by id.
    pub open: BTreeMap<u64, Order>,
    /// Lists with an open order, by id.
    pub lists: BTreeMap<u64, OrderList>,
    /// The last trades.
    pub tapes: SymbolMap<Tape>,
    /// The last order id.
    pub orders: u64,
    /// The last list id.
    pub listed: u64,
    /// The last trade id of each symbol.
    pub trades: SymbolMap<u64>,
    /// Execution events so far.
    pub executions: u64,
}

/// Orders that lock one amount together, and the locked asset.
struct Holder {
    asset: Option<String>,
    orders: Vec<u64>,
}

impl Live {
    /// The balance of one asset.
    #[must_use]
    pub fn purse(&self, asset: &str) -> Purse {
        self.purses.get(asset).copied().unwrap_or_default()
    }

    /// A copy of the part that facts about these symbols can touch. `symbols` must ascend.
    #[must_use]
    pub fn part(&self, rules: &Rules, symbols: &[Symbol]) -> Live {
        let mut part = Live {
            now: self.now,
            last_close: self.last_close,
            orders: self.orders,
            listed: self.listed,
            executions: self.executions,
            ..Live::default()
        };
        for symbol in symbols {
            if let Some(tape) = self.tapes.get(*symbol) {
                part.tapes.insert(*symbol, tape.clone());
            }
            if let Some(trades) = self.trades.get(*symbol) {
                part.trades.insert(*symbol, *trades);
            }
            let Some(instrument) = rules.instrument(*symbol) else { continue };
            for asset in [&instrument.base, &instrument.quote] {
                part.purses.insert(asset.clone(), self.purse(asset));
            }
        }
        let among = |symbol: &Symbol| symbols.binary_search(symbol).is_ok();
        let open = self.open.values().filter(|order| among(&order.symbol));
        part.open = open.map(|order| (order.id, order.clone())).collect();
        let lists = self.lists.values().filter(|list| among(&list.symbol));
        part.lists = lists.map(|list| (list.id, list.clone())).collect();
        part
    }

    /// Sets the initial time and balances.
    pub fn open(&mut self, opened: &Opened) {
        self.now = opened.at;
        for instrument in &opened.instruments {
            self.purses.entry(instrument.base.clone()).or_default();
            self.purses.entry(instrument.quote.clone()).or_default();
        }
        for (asset, amount) in &opened.balances {
            self.purses.entry(asset.clone()).or_default().free = *amount;
        }
    }

    /// Applies a fact of the core. Returns the order and the list that it ended.
    pub fn apply(&mut self, rules: &Rules, fact: &SimFact) -> Ended {
        match fact {
            SimFact::Accepted(accepted) => self.accepted(rules, accepted),
            SimFact::Replaced(replaced) => return self.replaced(rules, replaced),
            SimFact::Traded(traded) => return self.traded(rules, traded),
            SimFact::Cancelled { order, execution, at, .. } => {
                return self.ended(rules, *order, Status::Canceled, *execution, *at);
            }
            SimFact::Expired { order, execution, at } => {
                return self.ended(rules, *order, Status::Expired, *execution, *at);
            }
            SimFact::Listed(list) => {
                self.listed = list.id;
                self.lists.insert(list.id, list.clone());
            }
            SimFact::Triggered { order, execution, at } => {
                self.executions = *execution;
                if let Some(order) = self.open.get_mut(order) {
                    (order.working, order.updated) = (Some(*at), *at);
                }
                self.queue(rules, *order);
            }
            SimFact::Queued { order, ahead } => {
                if let Some(order) = self.open.get_mut(order) {
                    order.ahead = *ahead;
                }
            }
            SimFact::Trailed { order, trail, stop } => self.holding(rules, *order, |live| {
                if let Some(order) = live.open.get_mut(order) {
                    order.trailed(*trail, *stop);
                }
            }),
            SimFact::Activated { order, execution, at } => {
                self.executions = *execution;
                self.holding(rules, *order, |live| {
                    if let Some(order) = live.open.get_mut(order) {
                        (order.status, order.updated) = (Status::New, *at);
                        order.working = order.kind.stop().is_none().then_some(*at);
                    }
                });
                self.queue(rules, *order);
            }
            SimFact::Opened(_)
            | SimFact::Funded { .. }
            | SimFact::Standing { .. }
            | SimFact::Ruled { .. }
            | SimFact::Priced { .. }
            | SimFact::Split { .. }
            | SimFact::Place(_)
            | SimFact::Cancel(_)
            | SimFact::PlaceList(_)
            | SimFact::CancelMany(_)
            | SimFact::Replace(_)
            | SimFact::Advance(_)
            | SimFact::Ticked(_)
            | SimFact::Upgraded { .. }
            | SimFact::Rejected { .. } => {}
        }
        Ended::default()
    }

    fn accepted(&mut self, rules: &Rules, fact: &Accepted) {
        let order = self.entered(fact);
        self.executions = fact.execution;
        self.orders = fact.order;
        let id = order.id;
        let (side, symbol, list) = (order.side, order.symbol, order.list);
        let holder = self.holder(rules, id, side, symbol, list);
        self.hold(holder, |live| {
            live.open.insert(id, order);
        });
        self.queue(rules, id);
    }

    /// Ends an order and puts another one into its place, also in its list.
    fn replaced(&mut self, rules: &Rules, fact: &Replaced) -> Ended {
        let (by, at) = (fact.by.order, fact.by.at);
        let mut ended = None;
        self.holding(rules, fact.order, |live| {
            let end = |order: Order| Order { status: Status::Canceled, updated: at, ..order };
            ended = live.open.remove(&fact.order).map(end);
        });
        if let Some(terms) = ended.as_mut().and_then(|order| order.terms.as_mut()) {
            terms.replaced_by = Some(by);
        }
        let list = fact.by.list.and_then(|list| self.lists.get_mut(&list));
        for id in list.into_iter().flat_map(|list| &mut list.orders) {
            if *id == fact.order {
                *id = by;
            }
        }
        self.accepted(rules, &fact.by);
        Ended { order: ended, list: None }
    }

    /// Puts an order at the end of the queue at its limit.
    fn queue(&mut self, rules: &Rules, id: u64) {
        let Some(order) = self.open.get_mut(&id) else { return };
        let tape = self.tapes.get(order.symbol).filter(|_| order.limit().is_some());
        order.ahead = tape.map_or(Decimal::ZERO, |tape| rules.costs.paper.ahead(tape.volume));
    }

    /// The order directly after its acceptance.
    #[must_use]
    pub fn entered(&self, fact: &Accepted) -> Order {
        let waits = fact.pending || fact.kind.stop().is_some();
        Order {
            id: fact.order,
            client_id: fact.client_id.clone(),
            symbol: fact.symbol,
            side: fact.side,
            kind: fact.kind,
            quantity: fact.quantity,
            status: if fact.pending { Status::PendingNew } else { Status::New },
            executed: Decimal::ZERO,
            executed_quote: Decimal::ZERO,
            time: fact.at,
            updated: fact.at,
            minute: self.last_close,
            trades: Vec::new(),
            list: fact.list,
            working: (!waits).then_some(fact.at),
            terms: fact.terms,
            ahead: Decimal::ZERO,
        }
    }

    fn traded(&mut self, rules: &Rules, fact: &Traded) -> Ended {
        self.executions = fact.execution;
        self.trades.insert(fact.symbol, fact.trade);
        let mut ended = None;
        self.holding(rules, fact.order, |live| {
            let Some(order) = live.open.get_mut(&fact.order) else { return };
            order.executed = fact.executed;
            order.executed_quote = fact.executed_quote;
            order.updated = fact.at;
            order.status = Status::PartiallyFilled;
            order.trades.extend(usize::try_from(fact.trade - 1));
            if order.executed >= order.quantity {
                order.status = Status::Filled;
                ended = live.open.remove(&fact.order);
            }
        });
        let order = ended.as_ref().or_else(|| self.open.get(&fact.order));
        if let (Some(side), Some(instrument)) =
            (order.map(|o| o.side), rules.instrument(fact.symbol))
        {
            self.settle(instrument, side, fact);
        }
        if fact.maker || !rules.costs.paper.volume_share.is_zero() {
            self.tapes.entry(fact.symbol).taken += fact.quantity;
        }
        self.close(ended, fact.at)
    }

    fn settle(&mut self, instrument: &Instrument, side: Side, fact: &Traded) {
        let amount = fact.price * fact.quantity;
        let (base_change, quote_change) = match side {
            Side::Buy => (fact.quantity, -amount),
            Side::Sell => (-fact.quantity, amount),
        };
        self.purses.entry(instrument.base.clone()).or_default().free += base_change;
        self.purses.entry(instrument.quote.clone()).or_default().free += quote_change;
        self.purses.entry(fact.fee_asset.clone()).or_default().free -= fact.fee;
    }

    fn ended(&mut self, rules: &Rules, id: u64, as_: Status, execution: u64, at: UtcMs) -> Ended {
        self.executions = execution;
        let mut ended = None;
        self.holding(rules, id, |live| {
            ended = live.open.remove(&id).map(|order| Order { status: as_, updated: at, ..order });
        });
        self.close(ended, at)
    }

    fn close(&mut self, order: Option<Order>, at: UtcMs) -> Ended {
        let list = order.as_ref().and_then(|order| order.list);
        let over = |list: &OrderList| !list.orders.iter().any(|id| self.open.contains_key(id));
        let over = list.filter(|id| self.lists.get(id).is_some_and(over));
        let list = over.and_then(|id| self.lists.remove(&id));
        Ended { order, list: list.map(|list| OrderList { done: Some(at), ..list }) }
    }

    fn holding(&mut self, rules: &Rules, id: u64, act: impl FnOnce(&mut Live)) {
        let Some(order) = self.open.get(&id) else { return };
        let holder = self.holder(rules, id, order.side, order.symbol, order.list);
        self.hold(holder, act);
    }

    /// The orders that lock one amount together. Only one order of a pair can trade, so a pair
    /// locks once.
    fn holder(
        &self,
        rules: &Rules,
        id: u64,
        side: Side,
        symbol: Symbol,
        list: Option<u64>,
    ) -> Holder {
        let list = list.and_then(|list| self.lists.get(&list));
        let pair = list.map(OrderList::pair).filter(|pair| pair.contains(&id));
        let instrument = rules.instrument(symbol);
        let asset = instrument.map(|i| match side {
            Side::Buy => i.quote.clone(),
            Side::Sell => i.base.clone(),
        });
        Holder { asset, orders: pair.map_or_else(|| vec![id], <[u64]>::to_vec) }
    }

    fn held(&self, holder: &Holder) -> Decimal {
        let open = holder.orders.iter().filter_map(|id| self.open.get(id));
        open.map(Order::holds).max().unwrap_or_default()
    }

    /// Runs `act`, then moves the change of the locked amount between free and locked.
    fn hold(&mut self, holder: Holder, act: impl FnOnce(&mut Live)) {
        let before = self.held(&holder);
        act(self);
        let more = self.held(&holder) - before;
        if let Some(asset) = holder.asset.filter(|_| !more.is_zero()) {
            let purse = self.purses.entry(asset).or_default();
            purse.free -= more;
            purse.locked += more;
        }
    }

    /// The amounts that open orders lock, by asset.
    #[must_use]
    pub fn locked(&self, rules: &Rules) -> BTreeMap<String, Decimal> {
        let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
        for order in self.open.values() {
            let holder = self.holder(rules, order.id, order.side, order.symbol, order.list);
            let open = |id: &&u64| self.open.contains_key(*id);
            if holder.orders.iter().find(open) == Some(&order.id) {
                let held = self.held(&holder);
                *sums.entry(holder.asset.unwrap_or_default()).or_default() += held;
            }
        }
        sums
    }
}
