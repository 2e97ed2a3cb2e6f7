//! The range of a bar or a zone, and the extreme range of the last bars.

use super::event::Side;
use crate::{Bar, all_grown};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The range of the bar with that number, or a zone at that bar. Prices in units of 10^-scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) index: u64,
    pub(super) high: i64,
    pub(super) low: i64,
}

impl Span {
    pub(super) const fn of(index: u64, bar: &Bar) -> Span {
        Span { index, high: bar.high, low: bar.low }
    }

    /// The high (up) or the low (down).
    pub(super) const fn edge(&self, side: Side) -> i64 {
        match side {
            Side::Up => self.high,
            Side::Down => self.low,
        }
    }

    pub(super) const fn prices(&mut self) -> [&mut i64; 2] {
        [&mut self.high, &mut self.low]
    }
}

/// Multiplies each price. Returns false if a result does not fit.
pub(super) fn all_spans_grown<'a>(
    spans: impl IntoIterator<Item = &'a mut Span>,
    factor: i64,
) -> bool {
    all_grown(spans.into_iter().flat_map(Span::prices), factor)
}

/// The bar with the highest high (up) or the lowest low (down) of the last `length` bars; the last
/// one of equals. One bar costs O(1) on average.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extreme {
    length: u64,
    side: Side,
    /// The bars that are more extreme than all later ones. The first is the extreme.
    kept: VecDeque<Span>,
}

impl Extreme {
    pub(super) const fn new(length: u64, side: Side) -> Extreme {
        Extreme { length, side, kept: VecDeque::new() }
    }

    /// Takes the next bar.
    pub(super) fn push(&mut self, span: Span) {
        let (side, edge) = (self.side, span.edge(self.side));
        while self.kept.back().is_some_and(|old| !side.is_beyond(old.edge(side), edge)) {
            self.kept.pop_back();
        }
        self.kept.push_back(span);
        if self.kept.front().is_some_and(|old| old.index + self.length <= span.index) {
            self.kept.pop_front();
        }
    }

    /// The extreme. `None` before the first bar.
    pub(super) fn first(&self) -> Option<Span> {
        self.kept.front().copied()
    }

    pub(super) fn rescale(&mut self, factor: i64) -> bool {
        all_spans_grown(&mut self.kept, factor)
    }
}
