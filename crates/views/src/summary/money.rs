//! Profit and fees of a period: a fold over the changes of the books.
//!
//! Realised and unrealised profit come from the same records as the equity. So their sum is the
//! profit, without adjustments and fees in other assets. Late executions are an exception: they
//! count at the venue's time, but the equity has them from the first close after they were
//! received. If a day ends in between, its profit differs from that sum, and the next day's by the
//! opposite.

use super::Records;
use super::period::Period;
use super::view::{Made, Money, Point};
use crate::profit::{self, Course};
use everwarm_domain::id::Symbol;
use everwarm_domain::money::{Decimal, total};
use everwarm_domain::time::UtcMs;
use everwarm_history::History;
use everwarm_history::book_changes::{Amounts, Booked, Share};
use everwarm_history::queries::HistoryError;
use everwarm_history::records::{EquityView, PositionState};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum number of points of a chart.
const POINTS: usize = 600;
/// Decimals of a ratio.
const RATIO: u32 = 6;

/// The money of a period, and the largest number of symbols held at the same time with a quantity
/// that can be sold.
pub fn money(
    history: &History,
    kept: &Records,
    period: Period,
) -> Result<(Money, u64), HistoryError> {
    let mut fold = Fold::default();
    for change in &kept.booked {
        fold.take(change, period);
    }
    for share in &kept.shares {
        fold.share(share, period);
    }
    let before = worth(history, &fold.before, period.from)?;
    for (held, worth) in before {
        fold.held_made(&held, -worth);
    }
    let after = worth(history, &fold.after, period.to)?;
    for (held, worth) in after {
        fold.held_made(&held, worth);
    }
    let mut money = fold.money();
    equity(&kept.equity, period, &mut money);
    let ours = kept.orders.iter().filter(|order| period.closes(order.time));
    money.orders = ours.count() as u64;
    trades(history, period, &mut money)?;
    Ok((money, fold.positions))
}

/// Each holder with its unrealised profit at the newest closing price up to `until`. It is 0 while
/// the symbol has no price.
fn worth(
    history: &History,
    held: &BTreeMap<Holder, Amounts>,
    until: UtcMs,
) -> Result<Vec<(Holder, Decimal)>, HistoryError> {
    let held = || held.iter().filter(|(_, held)| !held.quantity.is_zero());
    let marks = history.marks(held().map(|((symbol, _), _)| *symbol).collect(), Some(until))?;
    let worth = |(holder, held): (&Holder, &Amounts)| {
        let mark = marks.get(&holder.0);
        let value = mark.map_or(held.cost, |mark| mark.saturating_mul(held.quantity));
        (holder.clone(), value.saturating_sub(held.cost))
    };
    Ok(held().map(worth).collect())
}

/// A symbol, and the strategy that holds a lot of it.
type Holder = (Symbol, String);

/// The sums of a period. They do not depend on the order in which executions were received: each
/// change counts with what it added, at its own time.
#[derive(Debug, Default)]
struct Fold {
    /// The books after the last change.
    books: BTreeMap<Symbol, PositionState>,
    /// Lots before the period, and at its end.
    before: BTreeMap<Holder, Amounts>,
    after: BTreeMap<Holder, Amounts>,
    /// Symbols with more than dust in the books, and their largest number in the period.
    sellable: BTreeSet<Symbol>,
    positions: u64,
    symbols: BTreeMap<Symbol, Made>,
    strategies: BTreeMap<String, Made>,
}

impl Fold {
    fn take(&mut self, change: &Booked, period: Period) {
        self.limited(change, period);
        let Booked { after, fill, .. } = change;
        let symbol = after.symbol;
        let was = self.books.insert(symbol, after.clone());
        let was = was.map_or(Decimal::ZERO, |was| was.realized_pnl);
        let made = after.realized_pnl.saturating_sub(was);
        let Some(execution) = fill.as_ref().filter(|_| period.has(change.time())) else { return };
        let of_symbol = self.symbols.entry(symbol).or_default();
        of_symbol.realized = of_symbol.realized.saturating_add(made);
        let of_strategy = self.strategies.entry(execution.strategy.clone()).or_default();
        for of in [of_strategy, of_symbol] {
            of.fills += 1;
            let fee = of.fees.entry(execution.fill.fee_asset.clone()).or_default();
            *fee = fee.saturating_add(execution.fill.fee);
        }
    }

    /// Counts a lot and its realised profit for the strategy that holds it.
    fn share(&mut self, share: &Share, period: Period) {
        let Share { time, symbol, strategy, added } = share;
        for (held, until) in [(&mut self.before, period.from), (&mut self.after, period.to)] {
            if *time < until {
                let held = held.entry((*symbol, strategy.clone())).or_default();
                *held = held.plus(*added);
            }
        }
        if period.has(*time) && !added.realized.is_zero() {
            let of = self.strategies.entry(strategy.clone()).or_default();
            of.realized = of.realized.saturating_add(added.realized);
        }
    }

    /// Counts symbols against the limit of positions, from when the books had them.
    fn limited(&mut self, change: &Booked, period: Period) {
        let symbol = change.after.symbol;
        if change.dust {
            self.sellable.remove(&symbol);
        } else {
            self.sellable.insert(symbol);
        }
        let now = self.sellable.len() as u64;
        if change.after.time < period.from {
            self.positions = now;
        } else if period.has(change.after.time) {
            self.positions = self.positions.max(now);
        }
    }

    /// Adds unrealised profit to the symbol and to the strategy that holds it.
    fn held_made(&mut self, (symbol, strategy): &Holder, worth: Decimal) {
        let of = self.symbols.entry(*symbol).or_default();
        of.unrealized = of.unrealized.saturating_add(worth);
        let of = self.strategies.entry(strategy.clone()).or_default();
        of.unrealized = of.unrealized.saturating_add(worth);
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
        let sum = |of: fn(&Made) -> Decimal| total(symbols.iter().map(of)).normalize();
        let mut fees: BTreeMap<String, Decimal> = BTreeMap::new();
        for (asset, fee) in symbols.iter().flat_map(|made| &made.fees) {
            let all: &mut Decimal = fees.entry(asset.clone()).or_default();
            *all = all.saturating_add(*fee);
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
    profit::earned(point.equity, point.adjusted)
}

fn equity(points: &[EquityView], period: Period, money: &mut Money) {
    let begin = points.partition_point(|point| point.time <= period.from);
    let end = points.partition_point(|point| point.time <= period.to);
    let Some(first) = begin.checked_sub(1).or((begin < end).then_some(begin)) else { return };
    let points = &points[first..end];
    let (Some(before), Some(after)) = (points.first(), points.last()) else { return };
    money.equity_before = Some(before.equity);
    money.equity_after = Some(after.equity);
    money.adjusted = after.adjusted.saturating_sub(before.adjusted).normalize();
    let mut course = Course::from(earned(before));
    for point in points {
        course.take(earned(point), point.adjusted);
    }
    money.profit = course.profit().normalize();
    money.drawdown = course.fall().round_dp(RATIO).normalize();
    let point = |p: &EquityView| Point { time: p.time, equity: earned(p).normalize() };
    money.equity = thin(&points.iter().map(point).collect::<Vec<_>>());
}

/// Thins the points for a chart. It keeps the lowest and the highest of each stretch.
pub(crate) fn thin(points: &[Point]) -> Vec<Point> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let mut thinned = Vec::new();
    for stretch in points.chunks(points.len().div_ceil(POINTS / 2)) {
        let mut ends =
            [stretch.iter().min_by_key(|p| p.equity), stretch.iter().max_by_key(|p| p.equity)];
        ends.sort_by_key(|p| p.map(|p| p.time));
        thinned.extend(ends.into_iter().flatten().copied());
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
            gained = gained.saturating_add(trade.pnl);
        } else {
            lost = lost.saturating_sub(trade.pnl);
        }
    }
    let ratio = |a: Decimal, b: Decimal| a.checked_div(b).map(|r| r.round_dp(RATIO).normalize());
    money.win_rate = ratio(money.won.into(), money.trades.into());
    money.profit_factor = ratio(gained, lost);
    Ok(())
}
