//! Fair value gaps: prices that three bars in a row leave between the first and the third.
//!
//! At the middle bar i a gap is bullish if the high of bar i-1 is below the low of bar i+1 and bar
//! i closes above its open. Its bottom is that high, its top that low. Bearish gaps are the mirror
//! image. All comparisons are strict. A gap is known at the close of bar i+1.
//!
//! The first bar after i+1 that touches the near edge mitigates the gap: its low is at or below the
//! top of a bullish gap. The gap ends then. It need not be filled.
//!
//! Gaps can be joined: if bars i and i+1 both have a gap of one direction, the earlier is removed.
//! The later gets the highest top and the lowest bottom of both. A chain ends up in its last bar.
//! The bar that joins a gap may touch it as well. Then the gap is removed and not mitigated.

use super::event::{Event, Kind, Now, Side, Structure, is_valid, push};
use super::span::Span;
use crate::{Bar, all_grown};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Fair value gaps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gaps {
    /// Whether neighbours of one direction are joined.
    join: bool,
    /// The number of the next bar.
    next: u64,
    /// The bar before the newest one.
    before: Option<Span>,
    newest: Option<Middle>,
    /// Gaps that no bar has touched, oldest first.
    open: VecDeque<Gap>,
}

/// A bar that may be the middle of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Middle {
    span: Span,
    open: i64,
    close: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    side: Side,
    span: Span,
}

impl Gaps {
    /// Gaps of their own; with `join`, neighbours of one direction become one gap.
    #[must_use]
    pub const fn new(join: bool) -> Gaps {
        Gaps { join, next: 0, before: None, newest: None, open: VecDeque::new() }
    }

    /// The number of gaps that no bar has touched, at most [`OPEN_MAX`](super::OPEN_MAX).
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// The gap around the newest bar that the next bar completes.
    fn found(&self, next: &Span) -> Option<Gap> {
        let (before, middle) = (self.before?, self.newest?);
        let gap = |side: Side| {
            let (first, third) = (before.edge(side), next.edge(side.other()));
            let apart = side.is_beyond(third, first);
            let (high, low) = (first.max(third), first.min(third));
            let found = apart && side.is_beyond(middle.close, middle.open);
            found.then_some(Gap { side, span: Span { index: middle.span.index, high, low } })
        };
        gap(Side::Up).or_else(|| gap(Side::Down))
    }

    /// Joins a new gap with that of the bar before it. Returns the earlier, which is removed.
    fn join(&mut self, new: &mut Gap) -> Option<Gap> {
        let neighbour = |old: &&Gap| old.span.index + 1 == new.span.index;
        let old = self.open.back().filter(neighbour)?;
        if !self.join || old.side != new.side {
            return None;
        }
        let old = self.open.pop_back()?;
        new.span.high = new.span.high.max(old.span.high);
        new.span.low = new.span.low.min(old.span.low);
        Some(old)
    }
}

impl Structure for Gaps {
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool {
        if !is_valid(bar) {
            return false;
        }
        let now = Now { index: self.next, scale: bar.scale };
        let span = Span::of(self.next, bar);
        let mut found = self.found(&span);
        let joined = found.as_mut().and_then(|new| self.join(new));
        events.extend(joined.map(|gap| now.zone(Kind::GapRemoved, gap.side, gap.span)));
        self.open.retain(|Gap { side, span: zone }| {
            let untouched = side.is_beyond(span.edge(side.other()), zone.edge(*side));
            if !untouched {
                events.push(now.zone(Kind::GapMitigated, *side, *zone));
            }
            untouched
        });
        if let Some(gap) = found {
            let oldest = push(&mut self.open, gap);
            events.extend(oldest.map(|gap| now.zone(Kind::GapRemoved, gap.side, gap.span)));
            events.push(now.zone(Kind::Gap, gap.side, gap.span));
        }
        self.before = self.newest.map(|middle| middle.span);
        self.newest = Some(Middle { span, open: bar.open, close: bar.close });
        self.next += 1;
        true
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let gaps = self.open.iter_mut().flat_map(|gap| gap.span.prices());
        let before = self.before.iter_mut().flat_map(Span::prices);
        let newest = self.newest.iter_mut().flat_map(|Middle { span, open, close }| {
            let [high, low] = span.prices();
            [high, low, open, close]
        });
        all_grown(gaps.chain(before).chain(newest), factor)
    }
}
