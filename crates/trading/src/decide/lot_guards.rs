//! Guards open lots: judges their exit rules at each close.
//!
//! A guard begins with the first fill of an entry and keeps the rules that were in force then. It
//! ends with the lot. Prices of a rule are counted from the average price of its entries, but the
//! fixed stop from the first one. If one bar reaches stop and target, the stop counts. A bar that
//! began before the minute in which the lot was opened counts with its closing price only: the rest
//! of it is older than the lot. The same applies to the bar in whose minute an operator gives a lot
//! prices.
//!
//! Times are counted from the beginning of that minute. A restart may delay a fill by seconds, and
//! the result must be the same.
//!
//! Over 500 lines: one state, with the rules that change it.

use super::hand_prices::Given;
use super::owed_exits::{Ended, WAIT_MAX};
use crate::instruments::Instruments;
use everwarm_domain::fact::Ledger;
use everwarm_domain::fact::kinds::rank;
use everwarm_domain::id::{ClientOrderId, Symbol, VenueId};
use everwarm_domain::instrument::Instrument;
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, floor_to_step};
use everwarm_domain::order::{
    ExitPrices, HOUSE, MANUAL, OrderIntent, OrderStatus, Side, VenueFill,
};
use everwarm_domain::settings::exits::ExitRule;
use everwarm_domain::settings::{ExitRules, Strategies};
use everwarm_domain::split::Ratio;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_kernel::fact::{Key, Rank};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Decimals of prices without a tick.
const PLACES: u32 = 8;

/// The guard of one lot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Guard {
    rules: ExitRules,
    /// Prices that its signal or an operator gave, in place of those by the rules.
    exits: ExitPrices,
    /// Beginning of the minute of the first fill.
    opened: UtcMs,
    /// Base units that the entry bought, the quote units that it paid, and its fees in quote units.
    bought: Decimal,
    paid: Decimal,
    fees: Decimal,
    /// The highest price since the entry; zero: none yet.
    high: Decimal,
    /// Its stop orders.
    pub(super) orders: StopOrders,
    /// Its prices on a tick, until an entry or a new high changes them.
    #[serde(skip)]
    known: Option<(Decimal, Levels)>,
}

/// Which order that protects a lot has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndOf {
    /// Whether it is a target order.
    pub(super) target: bool,
    /// Whether the other order of its pair has not ended.
    pub(super) pair: bool,
}

/// The stop orders of one lot so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StopOrders {
    /// How many in a row the venue rejected, and the last reason.
    pub(super) rejected: u32,
    pub(super) reason: String,
    /// How many in a row ended unfilled without our doing.
    lost: u32,
    /// Closes left to wait before the next one.
    pub(super) wait: u32,
}

impl StopOrders {
    /// Notes the end of an order that was not withdrawn.
    fn ended(&mut self, end: &Ended<'_>, of: EndOf) {
        let Ended { status, executed, reason, .. } = end;
        if *executed > Decimal::ZERO {
            (self.rejected, self.lost) = (0, 0);
            return;
        }
        match status {
            // The venue rejects both orders of a pair. Then a stop order follows alone.
            OrderStatus::Rejected if of.pair => self.wait = self.wait.max(1),
            OrderStatus::Rejected if of.target => self.wait = 0,
            OrderStatus::Rejected => {
                self.rejected += 1;
                (*reason).clone_into(&mut self.reason);
            }
            // A fill of the other order ends this one. The report of that fill may come later.
            OrderStatus::Cancelled | OrderStatus::Expired if of.pair => {
                self.wait = self.wait.max(1);
            }
            OrderStatus::Cancelled | OrderStatus::Expired => {
                self.wait = 1_u32.checked_shl(self.lost).map_or(WAIT_MAX, |w| w.min(WAIT_MAX));
                self.lost += 1;
            }
            OrderStatus::Filled
            | OrderStatus::Intent
            | OrderStatus::Sent
            | OrderStatus::Unknown
            | OrderStatus::Open
            | OrderStatus::PartlyFilled => {}
        }
    }
}

/// The prices at which a lot is sold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    /// The stop, fixed or trailing, in quote units.
    pub(super) stop: Option<Decimal>,
    /// Whether the stop is the trailing one.
    pub(super) trails: bool,
    /// The target, in quote units.
    pub(super) target: Option<Decimal>,
}

/// Prices of a lot after a split.
fn in_new_shares(exits: ExitPrices, ratio: Ratio) -> ExitPrices {
    let price = |price: Decimal| ratio.price(price).round_dp(PLACES);
    ExitPrices { stop: exits.stop.map(price), target: exits.target.map(price) }
}

/// A share of `price`: `ppm` millionths more of it.
fn part(price: Decimal, ppm: i64) -> Decimal {
    price.saturating_mul(Decimal::new(1_000_000 + ppm, 6))
}

impl Guard {
    fn new(rules: ExitRules, exits: ExitPrices, opened: UtcMs) -> Guard {
        let zero = Decimal::ZERO;
        let orders = StopOrders::default();
        let (bought, paid, fees, high) = (zero, zero, zero, zero);
        Guard { rules, exits, opened, bought, paid, fees, high, orders, known: None }
    }

    /// Takes prices that an operator gives.
    fn given(&mut self, exits: ExitPrices) {
        self.exits.stop = exits.stop.or(self.exits.stop);
        self.exits.target = exits.target.or(self.exits.target);
        self.orders.rejected = 0;
        self.known = None;
    }

    /// Puts its quantity and its prices into new shares.
    fn split(&mut self, ratio: Ratio) {
        self.bought = ratio.quantity(self.bought);
        self.exits = in_new_shares(self.exits, ratio);
        self.high = ratio.price(self.high).round_dp(PLACES);
        self.known = None;
    }

    /// The prices that an operator gave the lot of this strategy.
    pub(super) fn by_hand(&self, strategy: &str) -> ExitPrices {
        if strategy == MANUAL { self.exits } else { ExitPrices::default() }
    }

    /// The average price of the entry, in quote units.
    pub(super) fn entry(&self) -> Decimal {
        self.paid.checked_div(self.bought).unwrap_or_default()
    }

    /// The stop that does not trail, in quote units.
    fn fixed_stop(&self) -> Option<Decimal> {
        let share = self.rules.stop_share();
        self.exits.stop.or_else(|| Some(part(self.entry(), -i64::from(share?))))
    }

    /// The prices at which it is sold, on the ticks of the instrument.
    pub(super) fn levels(&self, rule: Option<&Instrument>) -> Levels {
        let entry = self.entry();
        let (ExitRules { target_ppm, trail_ppm, trail_from_ppm, .. }, high) =
            (&self.rules, self.high.max(entry));
        let fixed = self.fixed_stop();
        let begun = trail_from_ppm.is_none_or(|ppm| high >= part(entry, ppm.into()));
        let trailing = trail_ppm.filter(|_| begun).map(|ppm| part(high, -i64::from(ppm)));
        let (stop, trails) = (fixed.max(trailing), trailing > fixed);
        let tick = rule.map_or(Decimal::ZERO, |rule| rule.tick_size);
        let on_tick = |price: Decimal| {
            let places = if tick.is_zero() { price.trunc_with_scale(PLACES) } else { price };
            floor_to_step(places, tick).normalize()
        };
        let target = target_ppm.map(|ppm| part(entry, ppm.into()));
        let target = self.exits.target.or(target).map(on_tick);
        Levels { stop: stop.map(on_tick), trails, target }
    }

    /// The same prices. They rarely change, and each close asks for them.
    fn known_levels(&mut self, rule: Option<&Instrument>) -> Levels {
        let tick = rule.map_or(Decimal::ZERO, |rule| rule.tick_size);
        if let Some((of, levels)) = self.known
            && of == tick
        {
            debug_assert_eq!(levels, self.levels(rule), "whatever moves the prices forgets them");
            return levels;
        }
        let levels = self.levels(rule);
        self.known = Some((tick, levels));
        levels
    }

    /// Notes the highest price of a bar.
    fn rise(&mut self, bar: &Bar) {
        let high = if bar.open_time >= self.opened { bar.high } else { bar.close };
        let high = high.decimal();
        if high > self.high {
            self.high = high;
            if self.rules.trail_ppm.is_some() {
                self.known = None;
            }
        }
    }

    /// Net profit of a sale at `price`, in millionths of the cost. The sale costs the same share as
    /// the entry.
    fn profit_ppm(&self, price: Decimal) -> Option<Decimal> {
        let fee = self.fees.checked_div(self.paid)?;
        let proceeds = self.bought.saturating_mul(price).saturating_mul(Decimal::ONE - fee);
        let cost = self.paid.saturating_add(self.fees);
        let gain = proceeds.saturating_sub(cost).checked_div(cost)?;
        Some(gain.saturating_mul(Decimal::new(1_000_000, 0)))
    }

    /// The rule by which a bar has the lot sold, and why. `close` is the end of the bar. `since`: a
    /// bar that began before counts with its closing price only.
    fn judge(
        &mut self,
        bar: &Bar,
        (close, since): (UtcMs, UtcMs),
        rule: Option<&Instrument>,
    ) -> Option<(ExitRule, String)> {
        let last = bar.close.decimal();
        let whole = bar.open_time >= self.opened.max(since);
        let (low, high) =
            if whole { (bar.low.decimal(), bar.high.decimal()) } else { (last, last) };
        let Levels { stop, trails, target } = self.known_levels(rule);
        if let Some(stop) = stop.filter(|stop| low <= *stop) {
            let (rule, name) = if trails {
                (ExitRule::TrailingStop, "trailing stop")
            } else {
                (ExitRule::Stop, "stop")
            };
            let why = format!("{name} {stop} reached: the low was {}", low.normalize());
            return Some((rule, why));
        }
        if let Some(target) = target.filter(|target| high >= *target) {
            let why = format!("target {target} reached: the high was {}", high.normalize());
            return Some((ExitRule::Target, why));
        }
        let age = close.saturating_sub(self.opened);
        if let Some(row) = self.rules.profit_at(age)
            && let Some(net) = self.profit_ppm(last)
            && net >= Decimal::from(row.profit_ppm)
        {
            let net = (net / Decimal::new(10_000, 0)).round_dp(2).normalize();
            let why = format!("profit table row {row} reached: {net}% net");
            return Some((ExitRule::Profit, why));
        }
        let most = i64::from(self.rules.max_hold_minutes);
        let held_long = most > 0 && age >= most * MINUTE;
        held_long.then(|| (ExitRule::MaxHold, format!("held for {most} min")))
    }
}

/// Symbol and owner of a lot.
pub(super) type Name = (Symbol, String);

/// The last entry of a lot. The ids of its stop orders depend on both numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// The close at which it was decided.
    close: UtcMs,
    /// Number of the lot's next stop order, from 0.
    next: u32,
    /// Prices that its signal gave.
    exits: ExitPrices,
}

/// The guards of all lots, and the rules for the next ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Guards {
    /// The rules of each strategy, as configured now.
    rules: BTreeMap<String, Option<ExitRules>>,
    lots: BTreeMap<Name, Guard>,
    /// The last entry of each lot.
    entries: BTreeMap<Name, Entry>,
    /// The input at which lots became due, and why each is.
    due: (u64, BTreeMap<Name, (ExitRule, String)>),
    /// Lots whose stop order may have to change: the input at which that is decided, and the fact
    /// that led to it.
    changed: BTreeMap<Name, (u64, Key)>,
    /// Number of the last input. A restored stage does not know it, and decides once more.
    #[serde(skip)]
    input: u64,
    /// The living stop orders, with their stops in quote units.
    stops: BTreeMap<ClientOrderId, Decimal>,
    /// Most open stop orders of one symbol, of each venue that takes any, and of its symbols that
    /// take fewer.
    most: BTreeMap<VenueId, (u32, BTreeMap<Symbol, u32>)>,
    /// Lots that were opened while their strategy had no rules, in a version without them.
    without_rules: BTreeSet<Name>,
}

impl Guards {
    /// Takes the rules of the configured strategies after the close at `closed`. They count for
    /// lots that are opened later, and for those of a version without rules: from its last close
    /// on.
    pub(super) fn configured(
        &mut self,
        strategies: &Strategies,
        closed: UtcMs,
        last: impl Fn(Symbol) -> Option<Decimal>,
    ) {
        let rules = strategies.0.iter().map(|(id, one)| (id.clone(), one.exits.clone()));
        self.rules = rules.collect();
        for name in std::mem::take(&mut self.without_rules) {
            let Some(guard) = self.lots.get_mut(&name) else { continue };
            let Some(Some(rules)) = self.rules.get(&name.1) else {
                self.without_rules.insert(name);
                continue;
            };
            let price = last(name.0).unwrap_or_else(|| guard.entry());
            let (bought, paid) = (guard.bought, guard.bought.saturating_mul(price));
            let guarded = Guard::new(rules.clone(), ExitPrices::default(), closed);
            *guard = Guard { bought, paid, ..guarded };
        }
    }

    /// A guard for a lot that is opened at `opened`, by a signal with these prices.
    fn begin(&mut self, name: &Name, exits: ExitPrices, opened: UtcMs) -> Guard {
        let rules = match self.rules.get(&name.1) {
            Some(Some(rules)) => rules.clone(),
            Some(None) => {
                self.without_rules.insert(name.clone());
                ExitRules::none()
            }
            None => ExitRules::default(),
        };
        Guard::new(rules, exits, opened)
    }

    /// The prices at which a lot of a strategy would be sold at first, if it were bought at `price`
    /// quote units by a signal with these exits.
    pub(super) fn first_levels(
        &self,
        strategy: &str,
        (price, exits): (Decimal, ExitPrices),
        rule: &Instrument,
    ) -> Levels {
        let rules = match self.rules.get(strategy) {
            Some(rules) => rules.clone().unwrap_or_else(ExitRules::none),
            None => ExitRules::default(),
        };
        let guard = Guard::new(rules, exits, 0);
        Guard { bought: Decimal::ONE, paid: price, ..guard }.levels(Some(rule))
    }

    /// Takes an entry that was decided at this close. Only an operator enters twice at one close;
    /// the numbers of the stop orders continue then. If it `adds` to a lot, the stop of the lot
    /// stays where its first entry has it. Else it opens one: the guard of a rest that a stop or
    /// target order left, too small to sell, ends.
    pub(super) fn entered(&mut self, intent: &OrderIntent, exits: ExitPrices, adds: bool) {
        let OrderIntent { symbol, strategy, close_time, .. } = intent;
        let name = (*symbol, strategy.clone());
        if !adds {
            self.sold(*symbol, strategy);
        } else if let Some(guard) = self.lots.get_mut(&name) {
            guard.exits.stop = guard.fixed_stop();
            guard.known = None;
        }
        let entry = self.entries.entry(name).or_default();
        if entry.close != *close_time {
            *entry = Entry { close: *close_time, next: 0, exits };
        }
    }

    /// Takes a fill of a strategy.
    pub(super) fn filled(
        &mut self,
        symbol: Symbol,
        strategy: &str,
        side: Side,
        fill: &VenueFill,
        rule: Option<&Instrument>,
    ) {
        if side != Side::Buy || strategy == HOUSE {
            return;
        }
        let name = (symbol, strategy.to_owned());
        let opened = Timeframe::M1.open_of(fill.time);
        if !self.lots.contains_key(&name) {
            let exits = self.entries.get(&name).map_or_else(ExitPrices::default, |e| e.exits);
            let guard = self.begin(&name, exits, opened);
            self.lots.insert(name.clone(), guard);
        }
        let fee = match rule {
            Some(rule) if rule.base == fill.fee_asset => fill.fee.saturating_mul(fill.price),
            Some(rule) if rule.quote == fill.fee_asset => fill.fee,
            // Its price in quote units is not known.
            Some(_) | None => Decimal::ZERO,
        };
        let Some(guard) = self.lots.get_mut(&name) else { return };
        guard.known = None;
        guard.opened = guard.opened.min(opened);
        guard.bought = guard.bought.saturating_add(fill.quantity);
        guard.paid = guard.paid.saturating_add(fill.price.saturating_mul(fill.quantity));
        guard.fees = guard.fees.saturating_add(fee);
    }

    /// Takes a lot as the ledger reports it at event time `now`. A lot without a guard moved from
    /// another owner.
    pub(super) fn lot(&mut self, ledger: &Ledger, now: UtcMs) {
        let Ledger::Lot { strategy, symbol, quantity, cost, opened, .. } = ledger else { return };
        if quantity.is_zero() {
            self.sold(*symbol, strategy);
        } else if strategy != HOUSE {
            let opened = Timeframe::M1.open_of(opened.unwrap_or(now));
            let name = (*symbol, strategy.clone());
            let moved = Entry { close: opened, ..Entry::default() };
            self.entries.entry(name.clone()).or_insert(moved);
            if !self.lots.contains_key(&name) {
                let guard = self.begin(&name, ExitPrices::default(), opened);
                self.lots.insert(name, Guard { bought: *quantity, paid: *cost, ..guard });
            }
        }
    }

    /// Takes prices that an operator gives a lot.
    pub(super) fn given(&mut self, symbol: Symbol, strategy: &str, exits: ExitPrices) {
        if let Some(guard) = self.lots.get_mut(&(symbol, strategy.to_owned())) {
            guard.given(exits);
        }
    }

    /// Puts the lots of a symbol into new shares. The ledger reports their quantities.
    pub(super) fn split(&mut self, symbol: Symbol, ratio: Ratio) {
        for (_, guard) in self.lots.iter_mut().filter(|((of, _), _)| *of == symbol) {
            guard.split(ratio);
        }
        for (_, entry) in self.entries.iter_mut().filter(|((of, _), _)| *of == symbol) {
            entry.exits = in_new_shares(entry.exits, ratio);
        }
    }

    /// Ends the guard of a lot.
    pub(super) fn sold(&mut self, symbol: Symbol, strategy: &str) {
        let name = (symbol, strategy.to_owned());
        self.lots.remove(&name);
        self.without_rules.remove(&name);
    }

    /// Judges all lots by the bars of the close of input `n`. `given`: when operators gave prices.
    pub(super) fn close(
        &mut self,
        (n, close): (u64, UtcMs),
        bars: &[Bar],
        instruments: &Instruments,
        given: &Given,
    ) {
        debug_assert!(bars.is_sorted_by_key(|bar| bar.symbol), "the bars of a close are sorted");
        self.due = (0, BTreeMap::new());
        // Lots are sorted too, and are fewer than bars.
        let (mut rest, mut near) = (bars, 0);
        for (name, guard) in &mut self.lots {
            let symbol = name.0;
            let ahead = rest.iter().position(|bar| bar.symbol >= symbol).unwrap_or(rest.len());
            rest = &rest[ahead..];
            let Some(bar) = rest.first().filter(|bar| bar.symbol == symbol) else { continue };
            if let Some(why) =
                guard.judge(bar, (close, given.since(name)), instruments.near(&mut near, symbol))
            {
                self.due.0 = n;
                self.due.1.insert(name.clone(), why);
            }
            let waited = guard.orders.wait > 0;
            guard.orders.wait = guard.orders.wait.saturating_sub(1);
            let moves = guard.rules.trail_ppm.is_some() && !self.most.is_empty();
            if moves || (waited && guard.orders.wait == 0) {
                let key = Key { n, rank: Rank::INPUT.0, i: 0 };
                self.changed.insert(name.clone(), (n, key));
            }
            guard.rise(bar);
        }
    }

    /// Begins a fact: forgets what became due at another input, and at an input also which stop
    /// orders were decided before it.
    pub(super) fn at(&mut self, key: Key) {
        if self.due.0 != key.n && !self.due.1.is_empty() {
            self.due = (0, BTreeMap::new());
        }
        if key.rank == Rank::INPUT.0 {
            self.input = key.n;
            if !self.changed.is_empty() {
                self.changed.retain(|_, (step, _)| *step >= key.n);
            }
        }
    }

    /// Notes that the stop order of a lot may have to change because of a fact. A fact of the
    /// decision's rank or above is decided on at the next input.
    pub(super) fn touch(&mut self, symbol: Symbol, strategy: &str, key: Key) {
        // A venue that takes no stop orders takes no pairs.
        let takes = !self.most.is_empty() || !self.stops.is_empty();
        if takes && strategy != HOUSE {
            let step = if key.rank >= rank::DECISION.0 { key.n + 1 } else { key.n };
            self.changed.insert((symbol, strategy.to_owned()), (step, key));
        }
    }

    /// The same for all guarded lots of a symbol, or of all symbols.
    pub(super) fn touch_all(&mut self, of: Option<Symbol>, key: Key) {
        let names = self.lots.keys().filter(|(symbol, _)| of.is_none_or(|of| of == *symbol));
        for (symbol, strategy) in names.cloned().collect::<Vec<_>>() {
            self.touch(symbol, &strategy, key);
        }
    }

    /// Lots whose stop order may have to change, by name, with the fact that led to it.
    pub(super) fn changed(&self) -> impl Iterator<Item = (Symbol, &str, Key)> {
        self.changed.iter().map(|((symbol, strategy), (_, key))| (*symbol, &**strategy, *key))
    }

    /// Whether a stop order may have to change that was not decided yet.
    pub(super) fn has_news(&self) -> bool {
        self.changed.values().any(|(step, _)| *step > self.input)
    }

    /// The guard of a lot.
    pub(super) fn get(&self, symbol: Symbol, strategy: &str) -> Option<&Guard> {
        // Few lots are guarded, and fewer change at one input.
        self.lots.get(&(symbol, strategy.to_owned()))
    }

    /// Notes that a stop order of a lot is requested.
    pub(super) fn requested(&mut self, intent: &OrderIntent, stop: Decimal) {
        self.stops.insert(intent.client_id.clone(), stop);
        let entry = self.entries.entry((intent.symbol, intent.strategy.clone())).or_default();
        entry.next = entry.next.saturating_add(1);
    }

    /// The close at which the entry of a lot was decided, and the number of its next stop order.
    pub(super) fn next_order(&self, symbol: Symbol, strategy: &str) -> (UtcMs, u32) {
        let entry = self.entries.get(&(symbol, strategy.to_owned())).copied().unwrap_or_default();
        (entry.close, entry.next)
    }

    /// The living stop orders, with their stops.
    pub(super) fn stops(&self) -> impl Iterator<Item = (&ClientOrderId, Decimal)> {
        self.stops.iter().map(|(id, stop)| (id, *stop))
    }

    /// Forgets a stop order that has ended.
    pub(super) fn forget(&mut self, id: &ClientOrderId) {
        self.stops.remove(id);
    }

    /// Notes how many open stop orders of a symbol a venue takes.
    pub(super) fn venue_takes(
        &mut self,
        venue: VenueId,
        (most, fewer): (u32, &[(Symbol, u32)]),
        key: Key,
    ) {
        if most > 0 {
            self.most.insert(venue, (most, fewer.iter().copied().collect()));
        } else {
            self.most.remove(&venue);
        }
        self.touch_all(None, key);
    }

    /// Most open stop orders of a symbol that its venue takes. Without a statement, it takes none.
    pub(super) fn most(&self, rule: &Instrument) -> usize {
        let takes = self.most.get(&rule.venue);
        let most = takes.map_or(0, |(most, fewer)| *fewer.get(&rule.symbol).unwrap_or(most));
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// Applies the end of an order that protects a lot and was not withdrawn.
    pub(super) fn ended(&mut self, symbol: Symbol, strategy: &str, end: &Ended<'_>, of: EndOf) {
        if let Some(guard) = self.lots.get_mut(&(symbol, strategy.to_owned())) {
            guard.orders.ended(end, of);
        }
    }

    /// Forgets that a lot is due, because its exit is owed.
    pub(super) fn owed(&mut self, symbol: Symbol, strategy: &str) {
        if !self.due.1.is_empty() {
            self.due.1.remove(&(symbol, strategy.to_owned()));
        }
    }

    /// Lots that the present close has sold, by name, with the rule and why.
    pub(super) fn due(&self) -> impl Iterator<Item = (Symbol, &str, &(ExitRule, String))> {
        self.due.1.iter().map(|((symbol, strategy), why)| (*symbol, &**strategy, why))
    }

    /// The fact of the close that has them sold.
    pub(super) fn close_key(&self) -> Key {
        Key { n: self.due.0, rank: Rank::INPUT.0, i: 0 }
    }

    /// Whether the present input may sell lots or change their stop orders.
    pub(super) fn is_due(&self) -> bool {
        !self.due.1.is_empty() || !self.changed.is_empty()
    }
}

#[cfg(test)]
#[path = "lot_guards_tests.rs"]
mod tests;
