//! What structures report: events, and the trait that all structures implement.

use super::span::Span;
use crate::{Bar, SCALE, SCALE_MAX, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most open items of one structure. An update tests each of them, so it bounds time and memory.
///
/// One more removes the oldest. If that one was reported, a `*_removed` event reports its end.
pub const OPEN_MAX: usize = 64;

/// A structure found in bars, with one update a bar.
pub trait Structure {
    /// Takes the next closed bar and appends the events that became known at its close.
    ///
    /// Returns false if the bar is not valid. A valid bar has prices above 0, a high that is the
    /// highest of them and a low that is the lowest. A bar that is not valid is not counted and
    /// changes nothing.
    fn update(&mut self, bar: &Bar, events: &mut Vec<Event>) -> bool;

    /// Prepares for bars with more decimals: multiplies each stored price by `factor`, a power of
    /// ten. Returns false if a price does not fit. The state is unusable then.
    fn rescale(&mut self, factor: i64) -> bool;
}

/// The side of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Side {
    /// A high, or bullish.
    Up,
    /// A low, or bearish.
    Down,
}

impl Side {
    pub(super) const fn other(self) -> Side {
        match self {
            Side::Up => Side::Down,
            Side::Down => Side::Up,
        }
    }

    /// Whether a price lies strictly beyond a level: above it (up) or below it (down).
    pub(super) const fn is_beyond(self, price: i64, level: i64) -> bool {
        match self {
            Side::Up => price > level,
            Side::Down => price < level,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A swing is confirmed. It can still be replaced.
    SwingConfirmed,
    /// A more extreme swing of the same type replaces a swing.
    SwingReplaced,
    /// A swing of the other type is confirmed. So the swing can no longer be replaced.
    SwingFinal,
    /// A fair value gap is found.
    Gap,
    /// A bar touches the near edge of a gap.
    GapMitigated,
    /// A gap is joined with the next one, or is the oldest of too many.
    GapRemoved,
    /// A break of structure: the trend continues.
    Bos,
    /// A later break removes this one.
    BosRemoved,
    /// A change of character: the trend turns.
    Choch,
    /// A later break removes this change of character.
    ChochRemoved,
    /// An order block is found.
    Block,
    /// A bar passes through an order block.
    BlockMitigated,
    /// A bar passes back through a mitigated order block.
    BlockInvalidated,
    /// An order block is the oldest of too many.
    BlockRemoved,
    /// Two swings of one type have about the same price.
    Liquidity,
    /// A bar passes these swings.
    LiquiditySwept,
    /// One of the two swings is replaced, or these swings are the oldest of too many.
    LiquidityRemoved,
}

impl Kind {
    /// The name in texts: `swing_confirmed`, `fvg`, `bos`, `choch`, `ob`, `liquidity` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::SwingConfirmed => "swing_confirmed",
            Kind::SwingReplaced => "swing_replaced",
            Kind::SwingFinal => "swing_final",
            Kind::Gap => "fvg",
            Kind::GapMitigated => "fvg_mitigated",
            Kind::GapRemoved => "fvg_removed",
            Kind::Bos => "bos",
            Kind::BosRemoved => "bos_removed",
            Kind::Choch => "choch",
            Kind::ChochRemoved => "choch_removed",
            Kind::Block => "ob",
            Kind::BlockMitigated => "ob_mitigated",
            Kind::BlockInvalidated => "ob_invalidated",
            Kind::BlockRemoved => "ob_removed",
            Kind::Liquidity => "liquidity",
            Kind::LiquiditySwept => "liquidity_swept",
            Kind::LiquidityRemoved => "liquidity_removed",
        }
    }

    /// Whether its items are highs and lows, else they are bullish and bearish.
    const fn has_extremes(self) -> bool {
        match self {
            Kind::SwingConfirmed
            | Kind::SwingReplaced
            | Kind::SwingFinal
            | Kind::Liquidity
            | Kind::LiquiditySwept
            | Kind::LiquidityRemoved => true,
            Kind::Gap
            | Kind::GapMitigated
            | Kind::GapRemoved
            | Kind::Bos
            | Kind::BosRemoved
            | Kind::Choch
            | Kind::ChochRemoved
            | Kind::Block
            | Kind::BlockMitigated
            | Kind::BlockInvalidated
            | Kind::BlockRemoved => false,
        }
    }
}

/// The price or the prices of an item, in units of 10^-scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// One price.
    Level(i64),
    /// All prices from the bottom to the top, with both.
    Zone {
        /// Highest price.
        top: i64,
        /// Lowest price.
        bottom: i64,
    },
}

/// Something that became known at the close of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// The side of the item.
    pub side: Side,
    /// The number of the bar that has the item.
    pub index: u64,
    /// The number of the bar at whose close the event became known: the bar of the update.
    pub known: u64,
    /// The price or prices of the item.
    pub place: Place,
    /// The number of the bar that broke the level, at most `known`. Only of breaks of structure
    /// and changes of character.
    pub broken: Option<u64>,
    /// Decimals of the prices, as in the bar of the update.
    pub scale: u8,
}

impl Event {
    /// The type of the item: `high` or `low` of swings and liquidity, else `bullish` or `bearish`.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match (self.kind.has_extremes(), self.side) {
            (true, Side::Up) => "high",
            (true, Side::Down) => "low",
            (false, Side::Up) => "bullish",
            (false, Side::Down) => "bearish",
        }
    }

    /// A price of [`Event::place`] in quote units.
    #[must_use]
    pub fn quote(&self, price: i64) -> f64 {
        to_f64(price, self.scale)
    }
}

/// The bar of an update. It makes the events of that bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) index: u64,
    pub(super) scale: u8,
}

impl Now {
    pub(super) const fn level(self, kind: Kind, side: Side, index: u64, price: i64) -> Event {
        let place = Place::Level(price);
        Event { kind, side, index, known: self.index, place, broken: None, scale: self.scale }
    }

    pub(super) const fn zone(self, kind: Kind, side: Side, span: Span) -> Event {
        let place = Place::Zone { top: span.high, bottom: span.low };
        let (index, known) = (span.index, self.index);
        Event { kind, side, index, known, place, broken: None, scale: self.scale }
    }
}

/// Whether a bar has prices above 0 that do not contradict each other, and known decimals.
pub(crate) fn is_valid(bar: &Bar) -> bool {
    let (least, most) = (bar.open.min(bar.close), bar.open.max(bar.close));
    let decimals = (SCALE..=SCALE_MAX).contains(&bar.scale);
    decimals && bar.low > 0 && bar.low <= least && most <= bar.high
}

/// Appends an open item. Returns the oldest if there are too many now.
pub(super) fn push<T>(open: &mut VecDeque<T>, item: T) -> Option<T> {
    open.push_back(item);
    if open.len() > OPEN_MAX { open.pop_front() } else { None }
}
