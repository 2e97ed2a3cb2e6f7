//! Liquidity: swings of one type at about the same price, and the bar that passes them.
//!
//! A confirmed swing joins the oldest group of its type whose first swing is within the tolerance
//! of its price. Else it begins a group. A group of two swings or more is reported once, at the
//! bar and the price of its first swing. A bar sweeps a group if its high (of highs) reaches the
//! price of the first swing plus the tolerance, or its low (of lows) that price minus the
//! tolerance. The group ends then. A group of one swing ends without an event.
//!
//! The tolerance of a group is a part of the average true range at the close that confirmed its
//! first swing. The reference takes a part of the range of the whole series, which no live program
//! knows. So the results differ from those of the reference. A swing begins no group while the
//! average true range is not defined or 0.
//!
//! A swing that is replaced leaves its group. If a reported group is left with one swing, it is
//! removed with an event, and may be reported again. Groups beyond
//! [`OPEN_MAX`](super::OPEN_MAX) end, the oldest first, with an event for those reported.

use super::event::{Event, Kind, Now, Side, Structure, is_valid, push};
use super::swings::{Swing, Swings};
use crate::{Atr, Bar, Indicator, all_grown, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Liquidity at swings of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Liquidity {
    swings: Swings,
    range: Atr,
    /// The tolerance as a part of the average true range.
    part: f64,
    /// Groups that no bar swept, oldest first.
    open: VecDeque<Group>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Group {
    /// The first swing.
    first: Swing,
    /// Quote units.
    tolerance: f64,
    swings: u64,
    /// The bar of the swing that joined last.
    newest: u64,
    reported: bool,
}

impl Group {
    fn event(&self, kind: Kind, now: Now) -> Event {
        let Swing { side, index, price } = self.first;
        now.level(kind, side, index, price)
    }

    /// How far a price is beyond the first swing, quote units.
    fn beyond(&self, price: i64, scale: u8) -> f64 {
        let (from, to) = match self.first.side {
            Side::Up => (self.first.price, price),
            Side::Down => (price, self.first.price),
        };
        to_f64(to.saturating_sub(from), scale)
    }
}

impl Liquidity {
    /// Bars of the average true range.
    pub const RANGE_BARS: u32 = 14;
    /// The usual tolerance, percent of the average true range.
    pub const TOLERANCE: u32 = 25;

    /// Liquidity at the swings of that `length`, at least 1. The tolerance is in percent of
    /// [`Atr`] over [`Liquidity::RANGE_BARS`] bars, see [`Liquidity::TOLERANCE`].
    #[must_use]
    pub fn new(length: u32, tolerance: u32) -> Liquidity {
        Liquidity {
            swings: Swings::new(length),
            range: Atr::new(Liquidity::RANGE_BARS),
            part: f64::from(tolerance) / 100.0,
            open: VecDeque::new(),
        }
    }

    /// The number of groups, at most [`OPEN_MAX`](super::OPEN_MAX). A group may have one swing.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Ends the groups that a bar sweeps.
    fn sweep(&mut self, bar: &Bar, now: Now, events: &mut Vec<Event>) {
        self.open.retain(|group| {
            let reach = match group.first.side {
                Side::Up => bar.high,
                Side::Down => bar.low,
            };
            let swept = group.beyond(reach, bar.scale) >= group.tolerance;
            if swept && group.reported {
                events.push(group.event(Kind::LiquiditySwept, now));
            }
            !swept
        });
    }

    /// Takes a replaced swing out of its group. Returns the first bar of the group, if it stays.
    fn leave(&mut self, swing: Swing) -> Option<u64> {
        let is_newest =
            |group: &Group| group.first.side == swing.side && group.newest == swing.index;
        let at = self.open.iter().position(is_newest)?;
        let group = self.open.get_mut(at)?;
        group.swings -= 1;
        let first = group.first.index;
        if group.swings == 0 {
            self.open.remove(at);
            return None;
        }
        Some(first)
    }

    /// Takes a confirmed swing into the group where it belongs.
    fn join(&mut self, swing: Swing, range: f64, now: Now, events: &mut Vec<Event>) {
        let is_near = |group: &&mut Group| {
            let far = group.beyond(swing.price, now.scale).abs();
            group.first.side == swing.side && far <= group.tolerance
        };
        if let Some(group) = self.open.iter_mut().find(is_near) {
            group.swings += 1;
            group.newest = swing.index;
            if !group.reported {
                group.reported = true;
                events.push(group.event(Kind::Liquidity, now));
            }
            return;
        }
        let tolerance = range * self.part;
        if tolerance > 0.0 {
            let newest = swing.index;
            let group = Group { first: swing, tolerance, swings: 1, newest, reported: false };
            let oldest = push(&mut self.open, group).filter(|group| group.reported);
            events.extend(oldest.map(|group| group.event(Kind::LiquidityRemoved, now)));
        }
    }
}

impl Structure for Liquidity {
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool {
        if !is_valid(bar) {
            return false;
        }
        let now = Now { index: self.swings.next(), scale: bar.scale };
        let range = self.range.update(bar);
        self.sweep(bar, now, events);
        let turn = self.swings.advance(bar);
        let left = turn.replaced.and_then(|swing| self.leave(swing));
        if let Some(swing) = turn.confirmed {
            self.join(swing, range, now, events);
        }
        let lonely = |group: &&mut Group| {
            Some(group.first.index) == left && group.reported && group.swings < 2
        };
        if let Some(group) = self.open.iter_mut().find(lonely) {
            group.reported = false;
            events.push(group.event(Kind::LiquidityRemoved, now));
        }
        true
    }

    fn rescale(&mut self, factor: i64) -> bool {
        all_grown(self.open.iter_mut().map(|group| &mut group.first.price), factor)
            && self.range.rescale(factor)
            && self.swings.rescale(factor)
    }
}
