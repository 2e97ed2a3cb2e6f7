//! The books as a stage: facts change its orders, trades, balances and tapes.

use super::costs::Costs;
use super::fact::{
    Accepted, Advance, DERIVED, INPUTS, Opened, SimFact, Standing, Tick, Ticks, Traded,
};
use super::open_state::{Ended, Live, Purse, Rules, Tape};
use super::order::{Order, OrderList, Trade};
use super::paper_fills::Range;
use super::splits::Done;
use super::{lists, matching, place};
use crate::market::Pause;
use everwarm_domain::id::{Symbol, SymbolMap};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::order::{Balance, Side};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_kernel::fact::{Fact, Mask, Rank};
use everwarm_kernel::stage::{Out, Stage};
use everwarm_kernel::state;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rank of the exchange in its own journal.
pub const RANK: Rank = Rank(10);
const FORMAT: u8 = 8;

/// The exchange: its books, its clocks and its rules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    pub(super) rules: Rules,
    pub(super) live: Live,
    closed: BTreeMap<u64, Order>,
    pub(super) closed_lists: BTreeMap<u64, OrderList>,
    newest: BTreeMap<(Symbol, String), u64>,
    trades: SymbolMap<Vec<Trade>>,
    market: UtcMs,
    pub(super) released_before: UtcMs,
    opened: UtcMs,
    shown: Option<UtcMs>,
}

impl Exchange {
    /// Whether the books have been opened.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.rules.instruments.is_empty()
    }

    /// What trading costs.
    #[must_use]
    pub fn costs(&self) -> &Costs {
        &self.rules.costs
    }

    /// Venue time.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.live.now
    }

    /// Trades up to and including this instant are released.
    #[must_use]
    pub fn market(&self) -> UtcMs {
        self.market
    }

    /// Close of the last minute whose trades are all released.
    #[must_use]
    pub fn last_close(&self) -> UtcMs {
        self.live.last_close
    }

    /// The last close whose bars were published, since the books were opened.
    #[must_use]
    pub fn shown_close(&self) -> Option<UtcMs> {
        self.shown
    }

    /// The traded instruments, by symbol.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        &self.rules.instruments
    }

    /// Whether a symbol is listed. A halted symbol is.
    #[must_use]
    pub fn lists_symbol(&self, symbol: Symbol) -> bool {
        !self.rules.delisted.contains(&symbol)
    }

    /// The periods in which symbols did not trade.
    #[must_use]
    pub fn pauses(&self) -> &[Pause] {
        &self.rules.pauses
    }

    /// The splits that happened, by time.
    #[must_use]
    pub fn splits(&self) -> &[Done] {
        &self.rules.splits
    }

    /// The rules of one symbol.
    #[must_use]
    pub fn instrument(&self, symbol: Symbol) -> Option<&Instrument> {
        self.rules.instrument(symbol)
    }

    /// Most open stop orders of a symbol; 0: it takes none.
    #[must_use]
    pub fn max_stop_orders(&self, symbol: Symbol) -> usize {
        self.rules.max_stop_orders(symbol)
    }

    /// The largest holding of the base asset, where the symbol has such a filter.
    #[must_use]
    pub fn max_position(&self, symbol: Symbol) -> Option<Decimal> {
        self.rules.max_position.get(&symbol).copied()
    }

    /// The last trade of `symbol`, and its minute.
    #[must_use]
    pub fn tape(&self, symbol: Symbol) -> Option<&Tape> {
        self.live.tapes.get(symbol)
    }

    /// All balances by asset.
    #[must_use]
    pub fn balances(&self) -> Vec<Balance> {
        self.live
            .purses
            .iter()
            .map(|(a, p)| Balance { asset: a.clone(), free: p.free, locked: p.locked })
            .collect()
    }

    /// The balance of one asset.
    #[must_use]
    pub fn purse(&self, asset: &str) -> Purse {
        self.live.purse(asset)
    }

    /// All orders by id.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        (1..=self.live.orders).filter_map(|id| self.order(id))
    }

    /// All orders, the newest first.
    pub fn newest_orders(&self) -> impl Iterator<Item = &Order> {
        (1..=self.live.orders).rev().filter_map(|id| self.order(id))
    }

    /// The order with this id.
    #[must_use]
    pub fn order(&self, id: u64) -> Option<&Order> {
        self.live.open.get(&id).or_else(|| self.closed.get(&id))
    }

    /// The open orders, by id.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.live.open.values()
    }

    /// The newest order with this client id.
    #[must_use]
    pub fn newest(&self, symbol: Symbol, client_id: &str) -> Option<&Order> {
        let id = self.newest.get(&(symbol, client_id.to_owned()))?;
        self.order(*id)
    }

    /// Venue time at which the books were opened.
    #[must_use]
    pub fn opened_at(&self) -> UtcMs {
        self.opened
    }

    /// Seed of every random choice.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.rules.seed
    }

    /// All trades of one symbol by id.
    #[must_use]
    pub fn trades(&self, symbol: Symbol) -> &[Trade] {
        self.trades.get(symbol).map_or(&[], Vec::as_slice)
    }

    fn opened(&mut self, opened: &Opened) {
        *self = Exchange::default();
        self.rules.seed = opened.seed;
        self.rules.instruments.clone_from(&opened.instruments);
        self.rules.instruments.sort_by_key(|i| i.symbol);
        self.rules.max_position.clone_from(&opened.max_position);
        self.rules.max_stop_orders.clone_from(&opened.max_stop_orders);
        self.live.open(opened);
        (self.market, self.opened) = (opened.at, opened.at);
        for bar in &opened.last {
            let minute = bar.open_time + MINUTE;
            self.live.last_close = self.live.last_close.max(minute);
            let (last, volume) = (bar.close.decimal().normalize(), bar.volume);
            let mut range = Range::default();
            range.bar(None, bar);
            let tape = Tape { last, minute, volume, taken: Decimal::ZERO, range };
            self.live.tapes.insert(bar.symbol, tape);
        }
    }

    fn advanced(&mut self, advance: &Advance) {
        self.reached(advance.now, advance.market);
        if let Some((close, bars)) = &advance.minute {
            for bar in bars {
                self.roll(*close, bar);
            }
            self.ended(*close);
        }
        self.show();
    }

    fn ticked(&mut self, ticks: &Ticks) {
        self.reached(ticks.now, ticks.market);
        for tick in &ticks.list {
            self.tick(ticks.close, tick);
        }
        self.ended(ticks.close);
        self.show();
    }

    fn reached(&mut self, now: UtcMs, market: UtcMs) {
        self.released_before = self.market;
        self.passed(now);
        self.market = self.market.max(market);
    }

    /// Notes the last close whose bars can be published.
    fn show(&mut self) {
        let last_close = self.live.last_close;
        if last_close > self.opened && self.market >= last_close {
            self.shown = Some(last_close);
        }
    }

    /// Notes the minute that closes at `close` if all its trades are released.
    fn ended(&mut self, close: UtcMs) {
        if self.market >= close - 1 {
            self.live.last_close = self.live.last_close.max(close);
        }
    }

    fn tick(&mut self, close: UtcMs, tick: &Tick) {
        if !(self.released_before < tick.time && tick.time <= self.market) {
            return;
        }
        let ranged = self.rules.costs.paper.needs_range();
        let tape = self.live.tapes.entry(tick.symbol);
        let (price, before) = (tick.price.decimal().normalize(), tape.last_price());
        if tape.minute != close {
            let (volume, range) = (tick.volume.unwrap_or_default(), tape.range);
            *tape = Tape { minute: close, volume, range, ..Tape::default() };
            if ranged {
                tape.range.minute(before.unwrap_or(price));
            }
        }
        if ranged {
            tape.range.add(price);
        }
        tape.last = price;
    }

    fn passed(&mut self, to: UtcMs) {
        self.live.now = self.live.now.max(to);
    }

    fn stand(&mut self, symbol: Symbol, standing: Standing, since: UtcMs) {
        let open = self.rules.pauses.iter_mut().find(|p| p.symbol == symbol && p.to.is_none());
        match (standing, open) {
            (Standing::Trading, Some(pause)) => pause.to = Some(since),
            (Standing::Halted | Standing::Delisted, None) => {
                self.rules.pauses.push(Pause { symbol, from: since, to: None });
            }
            (Standing::Trading, None) | (Standing::Halted | Standing::Delisted, Some(_)) => {}
        }
        if standing == Standing::Delisted {
            self.rules.delisted.insert(symbol);
        } else {
            self.rules.delisted.remove(&symbol);
        }
        if let Some(rules) = self.rules.instruments.iter_mut().find(|i| i.symbol == symbol) {
            rules.trading = standing == Standing::Trading;
        }
    }

    fn roll(&mut self, close: UtcMs, bar: &Bar) {
        let steps = matching::path(close, bar);
        let released = steps
            .into_iter()
            .rfind(|step| self.released_before < step.time && step.time <= self.market);
        let Some(step) = released else { return };
        let ranged = self.rules.costs.paper.needs_range();
        let tape = self.live.tapes.entry(bar.symbol);
        if tape.minute != close {
            let (before, range) = (tape.last_price(), tape.range);
            *tape = Tape { minute: close, volume: bar.volume, range, ..Tape::default() };
            if ranged {
                tape.range.bar(before, bar);
            }
        }
        tape.last = step.price;
    }

    fn applied(&mut self, fact: &SimFact) {
        let Ended { order, list } = self.live.apply(&self.rules, fact);
        if let Some(order) = order {
            self.closed.insert(order.id, order);
        }
        if let Some(list) = list {
            self.closed_lists.insert(list.id, list);
        }
    }

    /// Notes the client id of an order that entered the books.
    fn named_by(&mut self, accepted: &Accepted) {
        let name = (accepted.symbol, accepted.client_id.clone());
        self.newest.insert(name, accepted.order);
    }

    fn recorded(&mut self, fact: &Traded) {
        let buyer = self.order(fact.order).is_some_and(|order| order.side == Side::Buy);
        self.trades.entry(fact.symbol).push(Trade {
            id: fact.trade,
            order: fact.order,
            price: fact.price,
            quantity: fact.quantity,
            fee: fact.fee,
            fee_asset: fact.fee_asset.clone(),
            maker: fact.maker,
            buyer,
            time: fact.at,
            execution: fact.execution,
        });
    }
}

impl Stage for Exchange {
    type Body = SimFact;

    fn rank(&self) -> Rank {
        RANK
    }

    fn name(&self) -> &'static str {
        "exchange"
    }

    /// Version 2 added stops and lists, version 3 pauses, version 4 limits of stop orders, version
    /// 5 costs, version 6 terms of orders and the order of executions, version 7 ranges and queues,
    /// version 8 more terms and splits. Older books are rebuilt from their facts.
    fn version(&self) -> u16 {
        8
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
                self.passed(*at);
                self.live.purses.entry(asset.clone()).or_default().free += *amount;
            }
            SimFact::Standing { symbol, standing, since, at } => {
                self.passed(*at);
                self.stand(*symbol, *standing, *since);
            }
            SimFact::Ruled { rules, at } => {
                self.passed(*at);
                let known = self.rules.instruments.iter_mut().find(|i| i.symbol == rules.symbol);
                if let Some(known) = known {
                    known.clone_from(rules);
                }
            }
            SimFact::Priced { costs, at } => {
                self.passed(*at);
                self.rules.costs = *costs;
            }
            SimFact::Split { split, at } => {
                self.passed(*at);
                self.live.split(&mut self.rules, *split, *at);
            }
            SimFact::Place(order) => self.passed(order.at),
            SimFact::Cancel(cancel) => self.passed(cancel.at),
            SimFact::PlaceList(list) => self.passed(list.at),
            SimFact::CancelMany(cancel) => self.passed(cancel.at),
            SimFact::Replace(replace) => self.passed(replace.order.at),
            SimFact::Advance(advance) => self.advanced(advance),
            SimFact::Ticked(ticks) => self.ticked(ticks),
            SimFact::Accepted(accepted) => {
                self.named_by(accepted);
                self.applied(&fact.body);
            }
            SimFact::Replaced(replaced) => {
                self.named_by(&replaced.by);
                self.applied(&fact.body);
            }
            SimFact::Traded(traded) => {
                self.applied(&fact.body);
                self.recorded(traded);
            }
            SimFact::Cancelled { .. }
            | SimFact::Expired { .. }
            | SimFact::Listed(_)
            | SimFact::Triggered { .. }
            | SimFact::Activated { .. }
            | SimFact::Trailed { .. }
            | SimFact::Queued { .. } => self.applied(&fact.body),
            SimFact::Upgraded { .. } | SimFact::Rejected { .. } => {}
        }
    }

    fn decide(&self, fact: &Fact<SimFact>, out: &mut Out<SimFact>) {
        let facts = match &fact.body {
            SimFact::Place(order) => place::place(self, order),
            SimFact::Cancel(cancel) => place::cancel(self, cancel),
            SimFact::PlaceList(list) => lists::place(self, list),
            SimFact::CancelMany(cancel) => place::cancel_many(self, cancel),
            SimFact::Replace(replace) => place::replace(self, replace),
            SimFact::Advance(advance) => matching::released(self, advance),
            SimFact::Ticked(ticks) => matching::ticked(self, ticks),
            SimFact::Opened(_)
            | SimFact::Funded { .. }
            | SimFact::Standing { .. }
            | SimFact::Ruled { .. }
            | SimFact::Priced { .. }
            | SimFact::Split { .. }
            | SimFact::Upgraded { .. }
            | SimFact::Accepted(_)
            | SimFact::Traded(_)
            | SimFact::Rejected { .. }
            | SimFact::Cancelled { .. }
            | SimFact::Expired { .. }
            | SimFact::Listed(_)
            | SimFact::Triggered { .. }
            | SimFact::Activated { .. }
            | SimFact::Replaced(_)
            | SimFact::Trailed { .. }
            | SimFact::Queued { .. } => Vec::new(),
        };
        for body in facts {
            out.append(body);
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
        let mut held = self.live.locked(&self.rules);
        for (asset, purse) in &self.live.purses {
            let held = held.remove(asset).unwrap_or_default();
            assert_eq!(purse.locked, held, "{asset}: locked is not what open orders hold");
        }
        assert!(held.is_empty(), "money is held of assets nobody has: {held:?}");
        let known = self.live.open.len() + self.closed.len();
        assert_eq!(self.orders().count(), known, "order ids count up without gaps");
        for list in self.open_lists() {
            let open = list.orders.iter().any(|id| self.live.open.contains_key(id));
            assert!(open, "list {} is open without an open order", list.id);
        }
    }
}
