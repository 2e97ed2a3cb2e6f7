//! Breaks of structure (BOS) and changes of character (CHoCH).
//!
//! The last four swings have the prices p1 to p4, the oldest first, and alternate. The item is at
//! the second swing and its level is p2. With types low, high, low, high it is bullish:
//! - a break of structure if p1 < p3 < p2 < p4,
//! - a change of character if p3 < p1 < p2 < p4.
//!
//! Bearish items are the mirror image. The level is broken at the first bar after the second swing
//! that passes it: by its close, or by its high or low, see [`BreakBy`]. An item that is not broken
//! is not reported. An item is known once the level is broken and the fourth swing is confirmed. A
//! replacement of the fourth swing is more extreme, so it never undoes an item.
//!
//! If an item at bar i breaks at bar j, it removes all items at earlier bars that break at bar j or
//! later, of both kinds and directions. Those that are already reported get a `*_removed` event.
//! The others are never reported. Unbroken items beyond [`OPEN_MAX`](super::OPEN_MAX) are dropped,
//! the oldest first, without an event.

use super::event::{Event, Kind, Now, Structure, is_valid, push};
use super::span::Span;
use super::swings::{Swing, Swings};
use crate::{Bar, all_grown};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What has to pass a level to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakBy {
    /// The close of a bar.
    Close,
    /// The high or the low of a bar.
    Extreme,
}

/// Breaks of structure and changes of character between swings of one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaks {
    swings: Swings,
    by: BreakBy,
    /// The last four swings, oldest first.
    legs: VecDeque<Leg>,
    /// The bar of the newest item, reported or not.
    newest: Option<u64>,
    /// Items that are not broken yet, oldest first.
    unbroken: VecDeque<Item>,
    /// Reported items that a coming item could remove, oldest first. The bars that broke them
    /// ascend, too.
    reported: VecDeque<(Item, u64)>,
}

/// A swing, and the first bar after it that passed its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Leg {
    swing: Swing,
    broken: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Item {
    /// Whether it is a change of character.
    turns: bool,
    swing: Swing,
}

impl Item {
    const fn event(&self, now: Now, broken: u64, removed: bool) -> Event {
        let kind = match (self.turns, removed) {
            (false, false) => Kind::Bos,
            (false, true) => Kind::BosRemoved,
            (true, false) => Kind::Choch,
            (true, true) => Kind::ChochRemoved,
        };
        let Swing { side, index, price } = self.swing;
        Event { broken: Some(broken), ..now.level(kind, side, index, price) }
    }
}

impl Breaks {
    /// Breaks between the swings of that `length`, at least 1.
    #[must_use]
    pub fn new(length: u32, by: BreakBy) -> Breaks {
        Breaks {
            swings: Swings::new(length),
            by,
            legs: VecDeque::new(),
            newest: None,
            unbroken: VecDeque::new(),
            reported: VecDeque::new(),
        }
    }

    /// The number of items that are not broken, at most [`OPEN_MAX`](super::OPEN_MAX).
    #[must_use]
    pub fn open(&self) -> usize {
        self.unbroken.len()
    }

    /// The item of the last four swings, unless it is already known.
    fn found(&mut self) -> Option<(Item, Option<u64>)> {
        let &mut [first, second, third, fourth] = self.legs.make_contiguous() else { return None };
        let level = second.swing;
        let [p1, p2, p3, p4] = [first, second, third, fourth].map(|leg| leg.swing.price);
        let rises = |prices: [i64; 4]| {
            prices.is_sorted_by(|lower, upper| level.side.is_beyond(*upper, *lower))
        };
        let turns = rises([p3, p1, p2, p4]);
        let is_item = turns || rises([p1, p3, p2, p4]);
        if !is_item || self.newest == Some(level.index) {
            return None;
        }
        self.newest = Some(level.index);
        Some((Item { turns, swing: level }, second.broken))
    }

    /// Reports a broken item and removes the earlier ones that break with it or after it. The
    /// caller removes those of them that are not broken yet.
    fn report(&mut self, item: Item, broken: u64, now: Now, events: &mut Vec<Event>) {
        while let Some((old, later)) = self.reported.pop_back_if(|(_, at)| *at >= broken) {
            events.push(old.event(now, later, true));
        }
        events.push(item.event(now, broken, false));
        self.reported.push_back((item, broken));
    }

    /// Takes a confirmed swing, which may replace the newest one.
    fn confirm(&mut self, swing: Swing, replaces: bool) {
        if replaces {
            self.legs.pop_back();
        }
        self.legs.push_back(Leg { swing, broken: None });
        if self.legs.len() > 4 {
            self.legs.pop_front();
        }
        // Coming items are at the second swing or later, so they break after it.
        if let Some(second) = self.legs.get(1).map(|leg| leg.swing.index) {
            while self.reported.front().is_some_and(|(_, broken)| *broken <= second) {
                self.reported.pop_front();
            }
        }
    }
}

impl Structure for Breaks {
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool {
        if !is_valid(bar) {
            return false;
        }
        let now = Now { index: self.swings.next(), scale: bar.scale };
        let turn = self.swings.advance(bar);
        let (by, span) = (self.by, Span::of(now.index, bar));
        let passes = |swing: &Swing| {
            let price = match by {
                BreakBy::Close => bar.close,
                BreakBy::Extreme => span.edge(swing.side),
            };
            swing.side.is_beyond(price, swing.price)
        };
        // The bars up to the confirmation of a swing cannot pass it: it is their extreme.
        for leg in self.legs.iter_mut().filter(|leg| leg.broken.is_none()) {
            leg.broken = passes(&leg.swing).then_some(now.index);
        }
        if let Some(swing) = turn.confirmed {
            self.confirm(swing, turn.replaced.is_some());
            match self.found() {
                Some((item, Some(broken))) => {
                    self.report(item, broken, now, events);
                    self.unbroken.clear();
                }
                Some((item, None)) => {
                    push(&mut self.unbroken, item);
                }
                None => {}
            }
        }
        // Of those that break together, the newest removes the others.
        let at = self.unbroken.iter().rposition(|item| passes(&item.swing));
        let newest = at.and_then(|at| self.unbroken.drain(..=at).next_back());
        if let Some(item) = newest {
            self.report(item, now.index, now, events);
        }
        true
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let legs = self.legs.iter_mut().map(|leg| &mut leg.swing.price);
        let unbroken = self.unbroken.iter_mut().map(|item| &mut item.swing.price);
        let reported = self.reported.iter_mut().map(|(item, _)| &mut item.swing.price);
        all_grown(legs.chain(unbroken).chain(reported), factor) && self.swings.rescale(factor)
    }
}
