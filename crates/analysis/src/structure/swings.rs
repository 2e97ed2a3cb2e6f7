//! Swing highs and lows, and when each of them becomes known.
//!
//! With length L, bar t is a candidate if its high is the highest of the bars t-L+1 to t+L: L-1
//! before it, itself and L after it. For a low, likewise with the lows. Equal highs all qualify. A
//! bar that is both counts as a high. The first candidate has t = 2L-1. A candidate is known at the
//! close of bar t+L.
//!
//! Highs and lows alternate. A candidate of the other type ends the current swing, which is final
//! then. A candidate of the same type replaces the current swing if it is strictly more extreme.
//! Else it is ignored, without an event. So the newest swing can still be replaced.

use super::event::{Event, Kind, Now, Side, Structure, is_valid};
use super::span::{Extreme, Span, all_spans_grown};
use crate::{Bar, all_grown};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Swing highs and lows of one length. Memory: about five bars for each bar of the length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swings {
    length: u64,
    /// The number of the next bar.
    next: u64,
    highest: Extreme,
    lowest: Extreme,
    /// The candidate and the bars after it.
    recent: VecDeque<Span>,
    current: Option<Swing>,
}

/// A confirmed swing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Swing {
    pub(super) side: Side,
    pub(super) index: u64,
    pub(super) price: i64,
}

/// What one bar changes in the swings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// The swing that the confirmed one replaces.
    pub(super) replaced: Option<Swing>,
    /// The swing that the confirmed one makes final.
    pub(super) settled: Option<Swing>,
    /// The swing that this bar confirms.
    pub(super) confirmed: Option<Swing>,
}

impl Swings {
    /// Swings that are the extreme of `length` bars on each side, at least 1.
    #[must_use]
    pub fn new(length: u32) -> Swings {
        let length = u64::from(length.max(1));
        Swings {
            length,
            next: 0,
            highest: Extreme::new(2 * length, Side::Up),
            lowest: Extreme::new(2 * length, Side::Down),
            recent: VecDeque::new(),
            current: None,
        }
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The number of the next bar.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next bar, which must be valid.
    pub(super) fn advance(&mut self, bar: &Bar) -> Turn {
        let span = Span::of(self.next, bar);
        self.next += 1;
        self.highest.push(span);
        self.lowest.push(span);
        self.recent.push_back(span);
        if self.recent.front().is_some_and(|old| old.index + self.length < span.index) {
            self.recent.pop_front();
        }
        // The reference finds no candidate before bar 2L-1.
        if self.next < 3 * self.length {
            return Turn::default();
        }
        let Some(middle) = self.recent.front() else { return Turn::default() };
        let is_extreme = |side: &Side| {
            let window = match side {
                Side::Up => &self.highest,
                Side::Down => &self.lowest,
            };
            window.first().is_some_and(|first| first.edge(*side) == middle.edge(*side))
        };
        match [Side::Up, Side::Down].into_iter().find(is_extreme) {
            Some(side) => self.take(Swing { side, index: middle.index, price: middle.edge(side) }),
            None => Turn::default(),
        }
    }

    /// Takes the next candidate.
    fn take(&mut self, swing: Swing) -> Turn {
        let mut turn = Turn { confirmed: Some(swing), ..Turn::default() };
        match self.current {
            None => {}
            Some(current) if current.side != swing.side => turn.settled = Some(current),
            Some(current) if swing.side.is_beyond(swing.price, current.price) => {
                turn.replaced = Some(current);
            }
            Some(_) => return Turn::default(),
        }
        self.current = Some(swing);
        turn
    }
}

impl Structure for Swings {
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool {
        if !is_valid(bar) {
            return false;
        }
        let now = Now { index: self.next, scale: bar.scale };
        let turn = self.advance(bar);
        let all = [
            (Kind::SwingReplaced, turn.replaced),
            (Kind::SwingFinal, turn.settled),
            (Kind::SwingConfirmed, turn.confirmed),
        ];
        for (kind, swing) in all {
            events.extend(swing.map(|swing| {
                let Swing { side, index, price } = swing;
                now.level(kind, side, index, price)
            }));
        }
        true
    }

    fn rescale(&mut self, factor: i64) -> bool {
        all_grown(self.current.iter_mut().map(|swing| &mut swing.price), factor)
            && all_spans_grown(&mut self.recent, factor)
            && self.highest.rescale(factor)
            && self.lowest.rescale(factor)
    }
}
