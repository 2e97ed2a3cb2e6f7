//! What was made: a fold over the changes of the books.
//!
//! What is locked in and what is held at the mark come from the same rows as the equity, so without
//! adjustments and fees in other assets their sum is the profit.

use super::period::Period;
use super::view::{Made, Money, Point};
use crate::domain::id::Symbol;
use crate::domain::money::Decimal;
use crate::domain::order::Side;
use crate::domain::time::day_of;
use crate::history::History;
use crate::history::booked::Booked;
use crate::history::queries::HistoryError;
use crate::history::records::{EquityView, PositionState};
use crate::ops::earned::{self, Course};
use std::collections::{BTreeMap, BTreeSet};

/// Points of a chart.
const POINTS: usize = 600;
/// Decimals of a ratio.
const RATIO: u32 = 6;

/// The most that was used of what is limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tops {
    /// Symbols held at once, of which something could be sold.
    pub positions: u64,
    /// Entries of a UTC day.
    pub entries: u64,
    /// Loss locked in on a UTC day, not below zero.
    pub loss: Decimal,
}

/// What a period came to.
pub fn money(history: &History, period: Period) -> Result<(Money, Tops), HistoryError> {
    let booked = history.booked()?;
    let mut fold = Fold::default();
    for change in booked.iter().take_while(|change| change.after.time < period.from) {
        fold.take(change, false);
    }
    let before = fold.held.clone();
    fold.tops.positions = fold.positions();
    for change in booked.iter().filter(|change| period.has(change.after.time)) {
        fold.take(change, true);
    }
    let unrealized = worth(history, &before, period.from)?;
    for (symbol, worth) in unrealized {
        fold.held_made(symbol, -worth);
    }
    for (symbol, worth) in worth(history, &fold.held, period.to)? {
        fold.held_made(symbol, worth);
    }
    let mut money = fold.money();
    equity(&history.equity(None)?.rows, period, &mut money);
    let orders = history.orders(None)?.rows;
    let ours = || orders.iter().filter(|order| period.closes(order.time));
    money.orders = ours().count() as u64;
    let mut entries: BTreeMap<i64, u64> = BTreeMap::new();
    for order in ours().filter(|order| order.side == Side::Buy) {
        *entries.entry(day_of(order.time)).or_default() += 1;
    }
    fold.tops.entries = entries.into_values().max().unwrap_or(0);
    trades(history, period, &mut money)?;
    Ok((money, fold.tops))
}

/// What is held at an instant, at the mark, less what it cost; nothing where no mark is known.
fn worth(
    history: &History,
    held: &BTreeMap<Symbol, PositionState>,
    until: i64,
) -> Result<BTreeMap<Symbol, Decimal>, HistoryError> {
    let symbols: BTreeSet<Symbol> = held.keys().copied().collect();
    let marks = history.marks(symbols, Some(until))?;
    let worth = |(symbol, state): (&Symbol, &PositionState)| {
        let value = marks.get(symbol).map_or(state.cost, |mark| mark * state.quantity);
        (*symbol, value - state.cost)
    };
    Ok(held.iter().map(worth).collect())
}

#[derive(Debug, Default)]
struct Fold {
    held: BTreeMap<Symbol, PositionState>,
    /// Of what is held, that which is no dust.
    sellable: BTreeSet<Symbol>,
    realized: BTreeMap<Symbol, Decimal>,
    /// Who bought last.
    buyers: BTreeMap<Symbol, String>,
    symbols: BTreeMap<Symbol, Made>,
    strategies: BTreeMap<String, Made>,
    days: BTreeMap<i64, Decimal>,
    tops: Tops,
}

impl Fold {
    fn take(&mut self, change: &Booked, counts: bool) {
        let Booked { after, dust, fill } = change;
        let symbol = after.symbol;
        let was = self.realized.insert(symbol, after.realized_pnl).unwrap_or_default();
        if after.quantity.is_zero() {
            self.held.remove(&symbol);
        } else {
            self.held.insert(symbol, after.clone());
        }
        if *dust {
            self.sellable.remove(&symbol);
        } else {
            self.sellable.insert(symbol);
        }
        let Some(execution) = fill else { return };
        if execution.side == Side::Buy {
            self.buyers.insert(symbol, execution.strategy.clone());
        }
        if !counts {
            return;
        }
        self.tops.positions = self.tops.positions.max(self.positions());
        let made = after.realized_pnl - was;
        let day = self.days.entry(day_of(after.time)).or_default();
        *day += made;
        self.tops.loss = self.tops.loss.max(-*day);
        let of_strategy = self.strategies.entry(execution.strategy.clone()).or_default();
        for of in [of_strategy, self.symbols.entry(symbol).or_default()] {
            of.realized += made;
            of.fills += 1;
            let fee = of.fees.entry(execution.fill.fee_asset.clone()).or_default();
            *fee += execution.fill.fee;
        }
    }

    fn positions(&self) -> u64 {
        self.sellable.len() as u64
    }

    /// Counts for whoever holds it.
    fn held_made(&mut self, symbol: Symbol, worth: Decimal) {
        self.symbols.entry(symbol).or_default().unrealized += worth;
        let buyer = self.buyers.get(&symbol).cloned().unwrap_or_default();
        self.strategies.entry(buyer).or_default().unrealized += worth;
    }

    fn money(&self) -> Money {
        let named = |(name, made): (String, Made)| {
            let fees = made.fees.into_iter().map(|(asset, fee)| (asset, fee.normalize()));
            Made {
                name,
                realized: made.realized.normalize(),
                unrealized: made.unrealized.normalize(),
                fees: fees.collect(),
                fills: made.fills,
            }
        };
        let symbols = self.symbols.iter().map(|(symbol, made)| (symbol.to_string(), made.clone()));
        let symbols: Vec<Made> = symbols.map(named).collect();
        let strategies = self.strategies.clone().into_iter().map(named).collect();
        let sum = |of: fn(&Made) -> Decimal| symbols.iter().map(of).sum::<Decimal>().normalize();
        let mut fees: BTreeMap<String, Decimal> = BTreeMap::new();
        for (asset, fee) in symbols.iter().flat_map(|made| &made.fees) {
            *fees.entry(asset.clone()).or_default() += fee;
        }
        Money {
            realized: sum(|made| made.realized),
            unrealized: sum(|made| made.unrealized),
            fees: fees.into_iter().map(|(asset, fee)| (asset, fee.normalize())).collect(),
            fills: symbols.iter().map(|made| made.fills).sum(),
            symbols,
            strategies,
            ..Money::default()
        }
    }
}

fn earned(point: &EquityView) -> Decimal {
    earned::earned(point.equity, point.adjusted)
}

fn equity(points: &[EquityView], period: Period, money: &mut Money) {
    let begin = points.partition_point(|point| point.time <= period.from);
    let end = points.partition_point(|point| point.time <= period.to);
    let Some(first) = begin.checked_sub(1).or((begin < end).then_some(begin)) else { return };
    let points = &points[first..end];
    let (Some(before), Some(after)) = (points.first(), points.last()) else { return };
    money.equity_before = Some(before.equity);
    money.equity_after = Some(after.equity);
    money.adjusted = (after.adjusted - before.adjusted).normalize();
    let mut course = Course::from(earned(before));
    for point in points {
        course.take(earned(point));
    }
    money.profit = course.profit().normalize();
    money.drawdown = course.fall().round_dp(RATIO).normalize();
    money.equity = thin(points);
}

/// No more points than a chart shows, with the lowest and the highest of each stretch.
fn thin(points: &[EquityView]) -> Vec<Point> {
    let point = |p: &EquityView| Point { time: p.time, equity: earned(p).normalize() };
    if points.len() <= POINTS {
        return points.iter().map(point).collect();
    }
    let mut thinned = Vec::new();
    for stretch in points.chunks(points.len().div_ceil(POINTS / 2)) {
        let mut ends =
            [stretch.iter().min_by_key(|p| earned(p)), stretch.iter().max_by_key(|p| earned(p))];
        ends.sort_by_key(|p| p.map(|p| p.time));
        thinned.extend(ends.into_iter().flatten().map(point));
    }
    thinned.dedup();
    thinned
}

fn trades(history: &History, period: Period, money: &mut Money) -> Result<(), HistoryError> {
    let (mut gained, mut lost) = (Decimal::ZERO, Decimal::ZERO);
    let over = |closed: Option<i64>| closed.is_some_and(|time| period.has(time));
    for trade in history.trades(None)?.iter().filter(|trade| over(trade.closed)) {
        money.trades += 1;
        if trade.pnl > Decimal::ZERO {
            money.won += 1;
            gained += trade.pnl;
        } else {
            lost -= trade.pnl;
        }
    }
    let ratio = |a: Decimal, b: Decimal| a.checked_div(b).map(|r| r.round_dp(RATIO).normalize());
    money.win_rate = ratio(money.won.into(), money.trades.into());
    money.profit_factor = ratio(gained, lost);
    Ok(())
}
