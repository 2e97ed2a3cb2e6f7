//! The result of a backtest: a fold over its facts.
//!
//! Trades come from executions alone, by the same books that `verify-trades` uses. A backtest whose
//! ledger differs from them has no result.

pub mod html;
mod ratios;
mod regime;
mod view;

use crate::profit::Course;
use crate::summary::{Gap, Point, thin};
use crate::trades::TradeFold;
use crate::views::VerifiedTradeView;
use everwarm_domain::fact::{Analysis, Body, Decision, Ledger, Market, Order};
use everwarm_domain::features::FeatureTable;
use everwarm_domain::id::{ClientOrderId, Symbol, SymbolMap};
use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::order::{HOUSE, OrderIntent, OrderStatus, Protection, Side};
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs, day_of};
use everwarm_kernel::fact::Fact;
use everwarm_trading::indicators::columns;
use everwarm_words::text::plain;
use regime::SymbolRegimes;
use std::collections::{BTreeMap, BTreeSet};
pub use view::{
    AccountResult, BacktestTradeView, BacktestView, DaemonResult, DataResult, NamedResult,
    OrderResult, TradeResult,
};

/// Most gaps that are listed.
const GAPS: usize = 100;
/// Decimals of a share or ratio.
const SHARE: u32 = 6;

/// A symbol, and the strategy that holds a lot of it.
type Holder = (Symbol, String);

/// An order that traded.
#[derive(Clone, Debug)]
struct Traded {
    order: ClientOrderId,
    /// Why it was decided.
    reason: String,
    /// The regime of its symbol at that time.
    regime: &'static str,
}

/// Folds the facts of a backtest or of a daemon's journal, in their order.
///
/// What a daemon did before the start of the account is no part of the result, but its lots are
/// held at the start.
#[derive(Debug)]
pub struct BacktestFold {
    trades: TradeFold,
    orders: OrderResult,
    data: DataResult,
    fees: BTreeMap<String, Decimal>,
    from: UtcMs,
    last_close: Option<UtcMs>,
    closes: u64,
    bars: u64,
    equity: Vec<Point>,
    course: Option<Course>,
    /// The first and the newest price of each symbol.
    prices: SymbolMap<(Decimal, Decimal)>,
    held: BTreeSet<Holder>,
    /// Closes at which something was held.
    exposed: u64,
    /// Reasons of the orders that are not final.
    reasons: BTreeMap<ClientOrderId, String>,
    /// The first purchase and the last sale at an event time, by holder.
    entries: BTreeMap<(Holder, UtcMs), Traded>,
    exits: BTreeMap<(Holder, UtcMs), Traded>,
    regimes: SymbolRegimes,
    /// The features in force, and those of each strategy that had no value yet.
    plan: Vec<String>,
    cold: BTreeMap<String, BTreeSet<String>>,
}

impl BacktestFold {
    /// An empty fold of an account that starts at this time. `features`: those of each strategy.
    #[must_use]
    pub fn new(from: UtcMs, features: BTreeMap<String, Vec<String>>) -> BacktestFold {
        let ready = features.keys().map(|id| (id.clone(), None)).collect();
        let cold = features.into_iter().map(|(id, all)| (id, all.into_iter().collect()));
        BacktestFold {
            trades: TradeFold::all(),
            orders: OrderResult::default(),
            data: DataResult { ready, ..DataResult::default() },
            fees: BTreeMap::new(),
            from,
            last_close: None,
            closes: 0,
            bars: 0,
            equity: Vec::new(),
            course: None,
            prices: SymbolMap::default(),
            held: BTreeSet::new(),
            exposed: 0,
            reasons: BTreeMap::new(),
            entries: BTreeMap::new(),
            exits: BTreeMap::new(),
            regimes: SymbolRegimes::default(),
            plan: Vec::new(),
            cold: cold.collect(),
        }
    }

    /// Takes one fact in.
    pub fn fold(&mut self, fact: &Fact<Body>) {
        self.trades.fold(fact);
        self.follow(fact);
        if fact.time > self.from {
            self.count(fact);
        }
    }

    /// Follows what must be known at the start of the account, too.
    fn follow(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Analysis(Analysis::Rolled { timeframe: Timeframe::H1, bars }) => {
                self.regimes.take(bars);
            }
            Body::Analysis(Analysis::FeaturePlan { features, .. }) => {
                self.plan.clone_from(features);
            }
            Body::Analysis(Analysis::FeatureValues { timeframe, table, .. }) => {
                self.warm(*timeframe, table);
            }
            Body::Decision(Decision::Approved { intent, reason, .. }) => {
                self.reasons.insert(intent.client_id.clone(), why(intent, reason));
            }
            Body::Order(Order::Filled { client_id, strategy, symbol, side, .. }) => {
                let reason = self.reasons.get(client_id).cloned().unwrap_or_default();
                let (order, regime) = (client_id.clone(), self.regimes.of(*symbol));
                let traded = Traded { order, reason, regime };
                let of = ((*symbol, strategy.clone()), fact.time);
                match side {
                    Side::Buy => drop(self.entries.entry(of).or_insert(traded)),
                    Side::Sell => drop(self.exits.insert(of, traded)),
                }
            }
            Body::Order(Order::Changed { client_id, status, .. }) if status.is_final() => {
                self.reasons.remove(client_id);
            }
            Body::Ledger(Ledger::Lot { symbol, strategy, quantity, .. }) if strategy != HOUSE => {
                let holder = (*symbol, strategy.clone());
                if quantity.is_zero() {
                    self.held.remove(&holder);
                } else {
                    self.held.insert(holder);
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

    /// Counts what happened after the start.
    fn count(&mut self, fact: &Fact<Body>) {
        match &fact.body {
            Body::Market(Market::Close { time, bars, missing, .. }) => {
                self.close(*time, bars, missing);
            }
            Body::Analysis(Analysis::Signals { rows }) => self.orders.signals += rows.len() as u64,
            Body::Decision(Decision::Declined { code, .. }) => {
                *self.orders.declined.entry(code.clone()).or_default() += 1;
            }
            Body::Order(Order::Intent(_)) => self.orders.orders += 1,
            Body::Order(Order::Filled { fill, .. }) => {
                self.orders.fills += 1;
                let fee = self.fees.entry(fill.fee_asset.clone()).or_default();
                *fee = fee.saturating_add(fill.fee);
            }
            Body::Order(Order::Changed { status, .. }) if status.is_final() => {
                self.orders.rejected += u64::from(*status == OrderStatus::Rejected);
            }
            Body::Ledger(Ledger::Equity { time, equity, .. }) => {
                let course = self.course.get_or_insert_with(|| Course::from(*equity));
                course.take(*equity, Decimal::ZERO);
                self.equity.push(Point { time: *time, equity: *equity });
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

    fn close(&mut self, time: UtcMs, bars: &[Bar], missing: &[Symbol]) {
        self.closes += 1;
        self.bars += bars.len() as u64;
        self.exposed += u64::from(!self.held.is_empty());
        for symbol in missing {
            *self.data.missing.entry(symbol.to_string()).or_default() += 1;
        }
        if let Some(before) = self.last_close.replace(time).filter(|last| time - last > MINUTE) {
            self.data.gaps_all += 1;
            if self.data.gaps.len() < GAPS {
                self.data.gaps.push(Gap { from: before, to: time });
            }
        }
        let mut near = 0;
        for bar in bars {
            let close = bar.close.decimal();
            self.prices.near(&mut near, bar.symbol, || (bar.open.decimal(), close)).1 = close;
        }
    }

    /// Notes which values exist. It ends when every strategy had all of them.
    fn warm(&mut self, timeframe: Timeframe, table: &FeatureTable) {
        if self.cold.is_empty() {
            return;
        }
        for (at, name) in columns(&self.plan, timeframe).enumerate() {
            let has = |values: &[f64]| values.get(at).is_some_and(|value| !value.is_nan());
            if table.rows().any(|row| has(row.values)) {
                for all in self.cold.values_mut() {
                    all.remove(name);
                }
            }
        }
        let (ready, close) = (&mut self.data.ready, self.last_close);
        self.cold.retain(|id, all| {
            if all.is_empty() {
                ready.insert(id.clone(), close);
            }
            !all.is_empty()
        });
    }

    /// The result, after the last fact.
    ///
    /// # Errors
    /// The ledger differs from the executions.
    pub fn finish(self) -> Result<BacktestView, String> {
        let checked = self.trades.finish();
        if let Some(problem) = checked.problems.first() {
            return Err(format!("the ledger differs from the executions: {}", problem.text));
        }
        let trade = |trade: VerifiedTradeView| {
            let holder = (trade.symbol, trade.strategy.clone());
            let opened = trade.opened.unwrap_or(trade.closed);
            // A trade may end later than its last sale: the rest may move to the house.
            let of = |orders: &BTreeMap<(Holder, UtcMs), Traded>, time| {
                let last = orders.range(..=(holder.clone(), time)).next_back();
                last.filter(|((of, _), _)| *of == holder).map(|(_, order)| order.clone())
            };
            let (entry, exit) = (of(&self.entries, opened), of(&self.exits, trade.closed));
            let entry_regime = entry.as_ref().map_or("", |entry| entry.regime).to_owned();
            let split = |of: Option<Traded>| {
                of.map_or((None, String::new()), |traded| (Some(traded.order), traded.reason))
            };
            let ((entry_order, entry_reason), (exit_order, exit_reason)) =
                (split(entry), split(exit));
            BacktestTradeView {
                strategy: trade.strategy,
                symbol: trade.symbol,
                opened,
                closed: trade.closed,
                quantity: trade.bought,
                entry: trade.entry_average,
                exit: trade.exit_average,
                fees: trade.fees,
                profit: trade.profit,
                entry_order,
                entry_reason,
                entry_regime,
                exit_order,
                exit_reason,
            }
        };
        let from = self.from;
        let ours = checked.trades.into_iter();
        let ours = ours.filter(|trade| trade.strategy != HOUSE && trade.closed > from);
        let trades: Vec<BacktestTradeView> = ours.map(trade).collect();
        let account = account(
            &self.equity,
            self.course.unwrap_or_default(),
            (self.from, self.last_close.unwrap_or(self.from)),
        );
        let account = AccountResult {
            buy_and_hold: buy_and_hold(&self.prices),
            exposure: share(self.exposed, self.closes).unwrap_or_default(),
            fees: self.fees.into_iter().map(|(asset, fee)| (asset, fee.normalize())).collect(),
            open_lots: self.held.len() as u64,
            ..account
        };
        Ok(BacktestView {
            from: self.from,
            to: self.last_close.unwrap_or(self.from),
            closes: self.closes,
            bars: self.bars,
            account,
            all: result(&trades.iter().collect::<Vec<_>>()),
            strategies: by_name(&trades, |trade| trade.strategy.clone()),
            symbols: by_name(&trades, |trade| trade.symbol.to_string()),
            regimes: by_name(&trades, |trade| trade.entry_regime.clone()),
            orders: self.orders,
            data: self.data,
            equity: thin(&self.equity),
            trades,
            daemon: None,
        })
    }
}

/// Why an order traded. One that protects a lot says why it was placed; if it trades, its price was
/// reached.
fn why(intent: &OrderIntent, reason: &str) -> String {
    match intent.protection() {
        None => reason.to_owned(),
        Some(Protection::Stop(at)) => format!("its stop order at {}", plain(at)),
        Some(Protection::Target(at)) => format!("its target order at {}", plain(at)),
    }
}

fn account(points: &[Point], course: Course, (from, to): (UtcMs, UtcMs)) -> AccountResult {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return AccountResult::default();
    };
    let (before, after) = (first.equity, last.equity);
    // The equity at the end of each UTC day, after the one at the start.
    let mut days = vec![(day_of(from) - 1, before)];
    for point in points {
        let day = day_of(point.time - 1);
        match days.last_mut().filter(|(known, _)| *known == day) {
            Some((_, equity)) => *equity = point.equity,
            None => days.push((day, point.equity)),
        }
    }
    let daily: Vec<Decimal> = days.into_iter().map(|(_, equity)| equity).collect();
    let returns = ratios::returns(&daily);
    AccountResult {
        equity_before: before.normalize(),
        equity_after: after.normalize(),
        profit: after.saturating_sub(before).normalize(),
        growth: ratios::growth(before, after).unwrap_or_default(),
        growth_per_year: ratios::growth_per_year(before, after, to - from),
        drawdown: course.fall().round_dp(SHARE).normalize(),
        sharpe: ratios::sharpe(&returns),
        sortino: ratios::sortino(&returns),
        ..AccountResult::default()
    }
}

fn buy_and_hold(prices: &SymbolMap<(Decimal, Decimal)>) -> Option<Decimal> {
    let each = prices.iter().filter_map(|(_, (first, last))| ratios::growth(*first, *last));
    let each: Vec<Decimal> = each.collect();
    let mean = total(each.iter().copied()).checked_div(Decimal::from(each.len()))?;
    Some(mean.round_dp(SHARE).normalize())
}

fn by_name(
    trades: &[BacktestTradeView],
    name: impl Fn(&BacktestTradeView) -> String,
) -> Vec<NamedResult> {
    let mut named: BTreeMap<String, Vec<&BacktestTradeView>> = BTreeMap::new();
    for trade in trades {
        named.entry(name(trade)).or_default().push(trade);
    }
    let row = |(name, trades): (String, Vec<&BacktestTradeView>)| NamedResult {
        name,
        result: result(&trades),
    };
    named.into_iter().map(row).collect()
}

fn result(trades: &[&BacktestTradeView]) -> TradeResult {
    let profits = || trades.iter().map(|trade| trade.profit);
    let count = trades.len() as u64;
    let gains = || profits().filter(|profit| *profit > Decimal::ZERO);
    let (gained, won) = (total(gains()), gains().count() as u64);
    let lost = -total(profits().filter(|profit| *profit < Decimal::ZERO));
    let profit = gained.saturating_sub(lost).normalize();
    let ratio = |a: Decimal, b: Decimal| a.checked_div(b).map(|r| r.round_dp(SHARE).normalize());
    let minutes: i64 = trades.iter().map(|trade| (trade.closed - trade.opened) / MINUTE).sum();
    TradeResult {
        trades: count,
        won,
        win_rate: share(won, count),
        profit,
        expectancy: ratio(profit, count.into()),
        profit_factor: ratio(gained, lost),
        best: profits().max().unwrap_or_default(),
        worst: profits().min().unwrap_or_default(),
        mean_minutes: i64::try_from(count).ok().and_then(|count| minutes.checked_div(count)),
    }
}

fn share(part: u64, all: u64) -> Option<Decimal> {
    let share = Decimal::from(part).checked_div(Decimal::from(all))?;
    Some(share.round_dp(SHARE).normalize())
}
