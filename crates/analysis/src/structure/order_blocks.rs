//! Order blocks: the bar from which the market broke a swing.
//!
//! The newest confirmed swing high is broken by the first bar that closes above it. The bullish
//! order block is then the bar with the lowest low between the swing and the breaking bar, without
//! both; the last one of equals. Its zone is from its low to its high. It is known at the close of
//! the breaking bar. A swing makes one block at most. Bearish blocks are the mirror image.
//!
//! A block is active first. It is mitigated by the first later bar whose low is below the bottom
//! of a bullish block, or whose body is, see [`MitigateBy`]. A mitigated block is invalidated by
//! the first bar after that whose high is above the top, and ends.
//!
//! A swing counts once it is confirmed, even if it is replaced later. So later bars never undo a
//! block. Two blocks may be at one bar. Blocks beyond [`OPEN_MAX`](super::OPEN_MAX), active and
//! mitigated ones together, are removed, the oldest first, with an event. Volume does not matter:
//! bars of this crate have none.

use super::event::{Event, Kind, Now, Side, Structure, is_valid, push};
use super::span::{Extreme, Span};
use super::swings::{Swing, Swings};
use crate::{Bar, all_grown};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What has to pass through a block to mitigate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MitigateBy {
    /// The high or the low of a bar.
    Extreme,
    /// The open or the close of a bar.
    Body,
}

/// Order blocks at swings of one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderBlocks {
    swings: Swings,
    by: MitigateBy,
    bullish: Origin,
    bearish: Origin,
    /// Active and mitigated blocks, oldest first.
    open: VecDeque<Block>,
}

/// Where the blocks of one side come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    /// The opposite extreme of the bars after a swing that is confirmed now.
    opposite: Extreme,
    /// The newest swing, until it is broken.
    target: Option<Target>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Target {
    swing: Swing,
    /// The opposite extreme of the bars after the swing.
    block: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    side: Side,
    span: Span,
    mitigated: bool,
}

impl Origin {
    const fn new(length: u64, side: Side) -> Origin {
        Origin { opposite: Extreme::new(length, side.other()), target: None }
    }

    /// Takes a bar, and the swing of this side that it confirms. Returns the block that it leaves.
    fn take(&mut self, bar: &Bar, span: Span, confirmed: Option<Swing>) -> Option<Block> {
        self.opposite.push(span);
        if let Some((swing, block)) = confirmed.zip(self.opposite.first()) {
            // It is the extreme of the bars up to this one, so they have not broken it.
            self.target = Some(Target { swing, block });
            return None;
        }
        let target = self.target.as_mut()?;
        let side = target.swing.side;
        if side.is_beyond(bar.close, target.swing.price) {
            let block = Block { side, span: target.block, mitigated: false };
            self.target = None;
            return Some(block);
        }
        let back = side.other();
        if !back.is_beyond(target.block.edge(back), span.edge(back)) {
            target.block = span;
        }
        None
    }

    fn prices(&mut self) -> impl Iterator<Item = &mut i64> {
        self.target.iter_mut().flat_map(|Target { swing, block }| {
            let [high, low] = block.prices();
            [&mut swing.price, high, low]
        })
    }
}

impl OrderBlocks {
    /// Blocks at the swings of that `length`, at least 1.
    #[must_use]
    pub fn new(length: u32, by: MitigateBy) -> OrderBlocks {
        let swings = Swings::new(length);
        let [bullish, bearish] =
            [Side::Up, Side::Down].map(|side| Origin::new(swings.length(), side));
        OrderBlocks { swings, by, bullish, bearish, open: VecDeque::new() }
    }

    /// The number of active and mitigated blocks, at most [`OPEN_MAX`](super::OPEN_MAX).
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Changes the state of each block by a bar.
    fn test(&mut self, bar: &Bar, now: Now, events: &mut Vec<Event>) {
        let span = Span::of(now.index, bar);
        let by = self.by;
        let reach = |back: Side| match (by, back) {
            (MitigateBy::Extreme, _) => span.edge(back),
            (MitigateBy::Body, Side::Up) => bar.open.max(bar.close),
            (MitigateBy::Body, Side::Down) => bar.open.min(bar.close),
        };
        self.open.retain_mut(|block| {
            let (side, back) = (block.side, block.side.other());
            if block.mitigated {
                let passed = side.is_beyond(span.edge(side), block.span.edge(side));
                if passed {
                    events.push(now.zone(Kind::BlockInvalidated, side, block.span));
                }
                return !passed;
            }
            block.mitigated = back.is_beyond(reach(back), block.span.edge(back));
            if block.mitigated {
                events.push(now.zone(Kind::BlockMitigated, side, block.span));
            }
            true
        });
    }
}

impl Structure for OrderBlocks {
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool {
        if !is_valid(bar) {
            return false;
        }
        let now = Now { index: self.swings.next(), scale: bar.scale };
        let span = Span::of(now.index, bar);
        self.test(bar, now, events);
        let confirmed = self.swings.advance(bar).confirmed;
        let of = |side: Side| confirmed.filter(|swing| swing.side == side);
        let bullish = self.bullish.take(bar, span, of(Side::Up));
        let bearish = self.bearish.take(bar, span, of(Side::Down));
        for block in bullish.into_iter().chain(bearish) {
            let oldest = push(&mut self.open, block);
            events.extend(oldest.map(|old| now.zone(Kind::BlockRemoved, old.side, old.span)));
            events.push(now.zone(Kind::Block, block.side, block.span));
        }
        true
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let blocks = self.open.iter_mut().flat_map(|block| block.span.prices());
        let prices = blocks.chain(self.bullish.prices()).chain(self.bearish.prices());
        all_grown(prices, factor)
            && self.bullish.opposite.rescale(factor)
            && self.bearish.opposite.rescale(factor)
            && self.swings.rescale(factor)
    }
}
