//! Bars symbols after losing trades and stops, and limits strategies after many stop-outs.
//!
//! A trade is a lot from its opening to its end. Its result is the profit that the strategy
//! realised with it, fees included. A stop-out is a trade whose last sale was a stop order, or an
//! exit that the stop of its lot opened. Times are those of closes, so a bar ends with the first
//! close at or after its expiry, before entries are decided. What the house holds is no trade.
//!
//! Rules that are off keep no data. A bar lasts until its expiry, whatever the limits are then.

use everwarm_domain::fact::{BreakerLevel, StrategyLimit};
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap};
use everwarm_domain::money::{self, Decimal};
use everwarm_domain::order::{HOUSE, OrderIntent, Side};
use everwarm_domain::settings::Risk;
use everwarm_domain::time::{DAY, MINUTE, UtcMs, clock};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Trades of symbols and strategies, and what is barred for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trades {
    /// Time of the newest close, UTC milliseconds.
    now: UtcMs,
    /// Stop orders that sell, with symbol and strategy, until their lot ends. Those that ended
    /// without a fill are not kept.
    stops: BTreeMap<ClientOrderId, (Symbol, String)>,
    /// Lots whose exit was opened by their stop.
    stopping: BTreeSet<(Symbol, String)>,
    /// The results of each lot, by symbol and strategy.
    lots: BTreeMap<(Symbol, String), Lot>,
    symbols: SymbolMap<Row>,
    /// Barred symbols: until when, UTC milliseconds, and why.
    bars: SymbolMap<(UtcMs, String)>,
    /// The exits of the last 24 h, by strategy.
    exits: BTreeMap<String, VecDeque<Exits>>,
    /// The strategies that are limited, by id.
    limited: Vec<StrategyLimit>,
}

/// The profit realised with a lot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lot {
    /// As last reported.
    realized: Decimal,
    /// Before it was opened; none: it is closed.
    before: Option<Decimal>,
    /// Whether its last sale was a stop.
    stopped: bool,
}

/// The trades of a symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Row {
    /// Losing trades since the last one that did not lose.
    losses: u32,
    /// The last trades: time of the end, and result. As many as the rule counts.
    last: VecDeque<(UtcMs, Decimal)>,
}

/// The exits of a strategy after one close.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Exits {
    time: UtcMs,
    all: u32,
    stops: u32,
}

/// Whether a rule needs the trades of symbols.
fn counts_symbols(limits: &Risk) -> bool {
    limits.losses_in_a_row > 0 || limits.symbol_trades > 0 || limits.stop_cooldown_minutes > 0
}

/// Whether a rule needs the exits of strategies.
fn counts_strategies(limits: &Risk) -> bool {
    limits.strategy_reduce_at_stops > 0 || limits.strategy_exits_only_at_stops > 0
}

impl Trades {
    /// Barred symbols and why, by name.
    pub fn barred(&self) -> impl Iterator<Item = (Symbol, String)> {
        let text =
            |(until, why): &(UtcMs, String)| format!("barred until {}: {why}", clock(*until));
        self.bars.iter().map(move |(symbol, bar)| (symbol, text(bar)))
    }

    /// The limited strategies, by id.
    #[must_use]
    pub fn limited(&self) -> &[StrategyLimit] {
        &self.limited
    }

    /// The newest close.
    #[must_use]
    pub fn now(&self) -> UtcMs {
        self.now
    }

    /// Passes a close. A time that steps back ends nothing and prolongs nothing.
    pub fn close(&mut self, time: UtcMs, limits: &Risk) {
        self.now = self.now.max(time);
        let over = self.bars.iter().filter(|(_, (until, _))| *until <= self.now);
        let over: Vec<Symbol> = over.map(|(symbol, _)| symbol).collect();
        self.bars.remove_all(&over);
        if !self.exits.is_empty() {
            self.judge_strategies(limits);
        }
    }

    /// Applies new limits.
    pub fn configured(&mut self, limits: &Risk) {
        if !counts_symbols(limits) {
            self.symbols = SymbolMap::default();
        }
        if !counts_strategies(limits) {
            self.exits.clear();
        }
        self.judge_strategies(limits);
    }

    /// Notes a sell order if it is a stop.
    pub fn intent(&mut self, intent: &OrderIntent) {
        if intent.side == Side::Sell && intent.terms.stop.is_some() {
            let lot = (intent.symbol, intent.strategy.clone());
            self.stops.insert(intent.client_id.clone(), lot);
        }
    }

    /// Forgets an order that ended without a fill.
    pub fn ended_unfilled(&mut self, id: &ClientOrderId) {
        self.stops.remove(id);
    }

    /// Notes that the stop of a lot opened its exit.
    pub fn stop_reached(&mut self, symbol: Symbol, strategy: &str) {
        self.stopping.insert((symbol, strategy.to_owned()));
    }

    /// Notes that the exit of a lot has ended.
    pub fn exit_ended(&mut self, symbol: Symbol, strategy: &str) {
        self.stopping.remove(&(symbol, strategy.to_owned()));
    }

    /// Notes whether the last sale of a lot was a stop.
    pub fn sold(&mut self, id: &ClientOrderId, symbol: Symbol, strategy: &str) {
        let name = (symbol, strategy.to_owned());
        let stopped = self.stops.contains_key(id) || self.stopping.contains(&name);
        if let Some(lot) = self.lots.get_mut(&name) {
            lot.stopped = stopped;
        }
    }

    /// Applies the state of a lot. `realized` is the profit of the strategy in this symbol since
    /// the beginning.
    pub fn lot(
        &mut self,
        (symbol, strategy): (Symbol, &str),
        quantity: Decimal,
        realized: Decimal,
        limits: &Risk,
    ) {
        if strategy == HOUSE {
            return;
        }
        let lot = self.lots.entry((symbol, strategy.to_owned())).or_default();
        let earlier = std::mem::replace(&mut lot.realized, realized);
        if !quantity.is_zero() {
            if lot.before.is_none() {
                (lot.before, lot.stopped) = (Some(earlier), false);
            }
            return;
        }
        let (before, stopped) = (lot.before.take(), std::mem::take(&mut lot.stopped));
        self.stops.retain(|_, lot| (lot.0, lot.1.as_str()) != (symbol, strategy));
        let Some(before) = before else { return };
        self.closed((symbol, strategy), realized.saturating_sub(before), stopped, limits);
    }

    fn closed(
        &mut self,
        (symbol, strategy): (Symbol, &str),
        result: Decimal,
        stopped: bool,
        limits: &Risk,
    ) {
        if counts_symbols(limits) {
            self.rate_symbol(symbol, result, stopped, limits);
        }
        if !counts_strategies(limits) {
            return;
        }
        let exits = self.exits.entry(strategy.to_owned()).or_default();
        if exits.back().is_none_or(|last| last.time != self.now) {
            exits.push_back(Exits { time: self.now, ..Exits::default() });
        }
        if let Some(last) = exits.back_mut() {
            last.all += 1;
            last.stops += u32::from(stopped);
        }
        self.judge_strategies(limits);
    }

    fn rate_symbol(&mut self, symbol: Symbol, result: Decimal, stopped: bool, limits: &Risk) {
        let now = self.now;
        let row = self.symbols.entry(symbol);
        row.losses = if result < Decimal::ZERO { row.losses.saturating_add(1) } else { 0 };
        let losses = row.losses;
        row.last.push_back((now, result));
        let most = limits.symbol_trades as usize;
        while row.last.len() > most {
            row.last.pop_front();
        }
        let is_recent = row.last.front().is_some_and(|(time, _)| *time > now - DAY);
        let sum = money::total(row.last.iter().map(|(_, result)| *result));
        let is_full = most > 0 && row.last.len() == most && is_recent;
        if limits.losses_in_a_row > 0 && losses >= limits.losses_in_a_row {
            let why = if losses == 1 {
                "its last trade lost".to_owned()
            } else {
                format!("{losses} losing trades in a row")
            };
            self.bar(symbol, limits.losses_bar_minutes, why);
        }
        if is_full && sum < Decimal::ZERO {
            let lost = (-sum).normalize();
            let why = format!("its last {most} trades within 24 h lost {lost}");
            self.bar(symbol, limits.symbol_trades_bar_minutes, why);
        }
        if stopped {
            self.bar(symbol, limits.stop_cooldown_minutes, "a stop sold it".to_owned());
        }
    }

    /// Bars a symbol, unless it is barred for longer.
    fn bar(&mut self, symbol: Symbol, minutes: u32, why: String) {
        let until = self.now.saturating_add(i64::from(minutes) * MINUTE);
        let longer = self.bars.get(symbol).is_some_and(|(other, _)| *other >= until);
        if minutes > 0 && !longer {
            self.bars.insert(symbol, (until, why));
        }
    }

    /// Computes the limits of strategies from their exits of the last 24 h.
    fn judge_strategies(&mut self, limits: &Risk) {
        let from = self.now - DAY;
        for exits in self.exits.values_mut() {
            while exits.front().is_some_and(|first| first.time <= from) {
                exits.pop_front();
            }
        }
        self.exits.retain(|_, exits| !exits.is_empty());
        let limit = |(id, exits): (&String, &VecDeque<Exits>)| {
            let (level, why) = judged(exits, limits)?;
            Some(StrategyLimit { id: id.clone(), level, why })
        };
        self.limited = self.exits.iter().filter_map(limit).collect();
    }
}

/// The level of a strategy with these exits, and why.
fn judged(exits: &VecDeque<Exits>, limits: &Risk) -> Option<(BreakerLevel, String)> {
    let all: u32 = exits.iter().map(|of| of.all).sum();
    let stops: u32 = exits.iter().map(|of| of.stops).sum();
    let rules = [
        (
            BreakerLevel::ExitsOnly,
            limits.strategy_exits_only_at_stops,
            limits.strategy_exits_only_at_stop_percent,
        ),
        (
            BreakerLevel::Reduced,
            limits.strategy_reduce_at_stops,
            limits.strategy_reduce_at_stop_percent,
        ),
    ];
    let reached = |(_, least, percent): &(BreakerLevel, u32, u32)| {
        *least > 0
            && stops >= *least
            && u64::from(stops) * 100 >= u64::from(all) * u64::from(*percent)
    };
    let (level, least, _) = rules.into_iter().find(reached)?;
    // Once this stop-out is 24 h old, too few are left.
    let mut over = stops - least + 1;
    let oldest = exits.iter().find(|of| {
        over = over.saturating_sub(of.stops);
        over == 0
    })?;
    let until = clock(oldest.time + DAY);
    Some((level, format!("{stops} of {all} exits in 24 h were stop-outs, until {until}")))
}

#[cfg(test)]
#[path = "trades_tests.rs"]
mod tests;
