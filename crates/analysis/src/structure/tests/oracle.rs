//! The definitions once more, in the plainest way: over a whole series, with all its bars at hand.

use crate::Bar;
use crate::structure::{BreakBy, MitigateBy, Side};
use std::collections::BTreeSet;

fn high_or_low(bar: &Bar, side: Side) -> i64 {
    match side {
        Side::Up => bar.high,
        Side::Down => bar.low,
    }
}

/// The price, so that a larger number lies further out on that side.
fn out(price: i64, side: Side) -> i64 {
    match side {
        Side::Up => price,
        Side::Down => -price,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Swing {
    pub side: Side,
    pub index: usize,
    pub price: i64,
    /// The bars that confirm, replace and settle it.
    pub known: usize,
    pub replaced: Option<usize>,
    pub settled: Option<usize>,
}

/// All swings that are ever confirmed.
pub fn swings(bars: &[Bar], length: usize) -> Vec<Swing> {
    let mut all: Vec<Swing> = Vec::new();
    for index in 2 * length - 1..bars.len().saturating_sub(length) {
        let window = &bars[index + 1 - length..=index + length];
        let is = |side: &Side| {
            let most = window.iter().map(|bar| out(high_or_low(bar, *side), *side)).max();
            most == Some(out(high_or_low(&bars[index], *side), *side))
        };
        let Some(side) = [Side::Up, Side::Down].into_iter().find(is) else { continue };
        let (price, known) = (high_or_low(&bars[index], side), index + length);
        if let Some(last) = all.last_mut() {
            if last.side != side {
                last.settled = Some(known);
            } else if out(price, side) > out(last.price, side) {
                last.replaced = Some(known);
            } else {
                continue;
            }
        }
        all.push(Swing { side, index, price, known, replaced: None, settled: None });
    }
    all
}

/// Those that are not replaced within the series.
pub fn lasting(swings: &[Swing]) -> Vec<Swing> {
    swings.iter().filter(|swing| swing.replaced.is_none()).copied().collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    pub index: usize,
    pub side: Side,
    pub top: i64,
    pub bottom: i64,
    pub mitigated: Option<usize>,
}

pub fn gaps(bars: &[Bar], join: bool) -> Vec<Gap> {
    let mut all: Vec<Gap> = Vec::new();
    for index in 1..bars.len().saturating_sub(1) {
        let (a, b, c) = (bars[index - 1], bars[index], bars[index + 1]);
        let found = if a.high < c.low && b.close > b.open {
            Some((Side::Up, c.low, a.high))
        } else if a.low > c.high && b.close < b.open {
            Some((Side::Down, a.low, c.high))
        } else {
            None
        };
        let Some((side, mut top, mut bottom)) = found else { continue };
        let neighbour = |gap: &Gap| join && gap.index + 1 == index && gap.side == side;
        if let Some(old) = all.pop_if(|gap| neighbour(gap)) {
            (top, bottom) = (top.max(old.top), bottom.min(old.bottom));
        }
        all.push(Gap { index, side, top, bottom, mitigated: None });
    }
    for gap in &mut all {
        gap.mitigated = (gap.index + 2..bars.len()).find(|at| match gap.side {
            Side::Up => bars[*at].low <= gap.top,
            Side::Down => bars[*at].high >= gap.bottom,
        });
    }
    all
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    pub index: usize,
    pub turns: bool,
    pub side: Side,
    pub price: i64,
    pub broken: usize,
}

/// The breaks that this series shows; a longer one may remove some.
pub fn breaks(bars: &[Bar], swings: &[Swing], by: BreakBy) -> Vec<Break> {
    let mut all = Vec::new();
    for four in swings.windows(4) {
        let (level, side) = (four[1], four[3].side);
        let p: Vec<i64> = four.iter().map(|swing| out(swing.price, side)).collect();
        let continues = p[0] < p[2] && p[2] < p[1] && p[1] < p[3];
        let turns = p[2] < p[0] && p[0] < p[1] && p[1] < p[3];
        let passes = |at: &usize| {
            let price = match by {
                BreakBy::Close => bars[*at].close,
                BreakBy::Extreme => high_or_low(&bars[*at], side),
            };
            out(price, side) > p[1]
        };
        let broken = (level.index + 2..bars.len()).find(passes);
        if let Some(broken) = broken.filter(|_| continues || turns) {
            all.push(Break { index: level.index, turns, side, price: level.price, broken });
        }
    }
    let removed = |one: &Break| all.iter().any(|i| i.index > one.index && i.broken <= one.broken);
    all.iter().filter(|one| !removed(one)).copied().collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    pub known: usize,
    pub side: Side,
    pub index: usize,
    pub top: i64,
    pub bottom: i64,
    pub mitigated: Option<usize>,
    pub invalidated: Option<usize>,
}

/// All order blocks. `latest` returns the swing of a side that counts at a bar.
pub fn blocks(
    bars: &[Bar],
    by: MitigateBy,
    latest: impl Fn(Side, usize) -> Option<Swing>,
) -> Vec<Block> {
    let mut used = BTreeSet::new();
    let mut all = Vec::new();
    for known in 1..bars.len() {
        for side in [Side::Up, Side::Down] {
            let Some(swing) = latest(side, known) else { continue };
            let broken = out(bars[known].close, side) > out(swing.price, side);
            if !broken || !used.insert((side, swing.index)) {
                continue;
            }
            let depth = |at: &usize| match side {
                Side::Up => -bars[*at].low,
                Side::Down => bars[*at].high,
            };
            // `max_by_key` returns the last of equals.
            let index = (swing.index + 1..known).max_by_key(depth).unwrap_or(known - 1);
            all.push(aged(bars, by, known, side, index));
        }
    }
    all
}

/// A block with what happens to it.
fn aged(bars: &[Bar], by: MitigateBy, known: usize, side: Side, index: usize) -> Block {
    let Bar { high: top, low: bottom, .. } = bars[index];
    let through = |at: &usize| {
        let bar = &bars[*at];
        match (side, by) {
            (Side::Up, MitigateBy::Extreme) => bar.low < bottom,
            (Side::Up, MitigateBy::Body) => bar.open.min(bar.close) < bottom,
            (Side::Down, MitigateBy::Extreme) => bar.high > top,
            (Side::Down, MitigateBy::Body) => bar.open.max(bar.close) > top,
        }
    };
    let back = |at: &usize| match side {
        Side::Up => bars[*at].high > top,
        Side::Down => bars[*at].low < bottom,
    };
    let mitigated = (known + 1..bars.len()).find(through);
    let invalidated = mitigated.and_then(|at| (at + 1..bars.len()).find(back));
    Block { known, side, index, top, bottom, mitigated, invalidated }
}

/// The latest confirmed swing of a side at the close of a bar.
pub fn confirmed(all: &[Swing], side: Side, at: usize) -> Option<Swing> {
    all.iter().rev().find(|swing| swing.side == side && swing.known <= at).copied()
}

/// The latest swing of a side before a bar, with the swings that only later bars confirm.
pub fn in_hindsight(all: &[Swing], side: Side, at: usize) -> Option<Swing> {
    all.iter().rev().find(|swing| swing.side == side && swing.index < at).copied()
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub index: usize,
    pub side: Side,
    pub prices: Vec<f64>,
    pub end: usize,
    pub swept: Option<usize>,
}

/// Groups of swings at about one price. `ranges` are the highs and lows of the bars, `swings` are
/// side, bar and price. `tolerance` returns the tolerance of the group that a swing begins, if any.
pub fn pools(
    ranges: &[(f64, f64)],
    swings: &[(Side, usize, f64)],
    tolerance: impl Fn(usize) -> Option<f64>,
) -> Vec<Pool> {
    let mut used = BTreeSet::new();
    let mut all = Vec::new();
    for (nth, (side, index, price)) in swings.iter().enumerate() {
        let Some(tolerance) = tolerance(*index).filter(|_| !used.contains(&nth)) else { continue };
        let swept = (index + 1..ranges.len()).find(|at| match side {
            Side::Up => ranges[*at].0 - price >= tolerance,
            Side::Down => price - ranges[*at].1 >= tolerance,
        });
        let mut pool =
            Pool { index: *index, side: *side, prices: vec![*price], end: *index, swept };
        for (later, (other, at, level)) in swings.iter().enumerate().skip(nth + 1) {
            let near = (level - price).abs() <= tolerance;
            let before = swept.is_none_or(|swept| *at < swept);
            if other == side && near && before && used.insert(later) {
                pool.prices.push(*level);
                pool.end = *at;
            }
        }
        if pool.prices.len() > 1 {
            all.push(pool);
        }
    }
    all
}
