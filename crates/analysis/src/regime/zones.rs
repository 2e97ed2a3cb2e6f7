//! The newest zones of a series that no bar has touched: fair value gaps and order blocks.

use crate::structure::{Event, Kind, Place, Side};
use crate::{Bar, all_grown, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Most zones that are kept of a series, gaps and blocks together. One more removes the one that
/// became known first.
pub const ZONES_MAX: usize = 64;

/// Bars for which a zone counts after the bar at whose close it became known.
const AGE_MAX: u64 = 100;

/// Zones that no bar has touched, in the order in which they became known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Zones {
    kept: VecDeque<Zone>,
}

/// A zone. Prices in units of 10^-scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Zone {
    side: Side,
    /// Whether it is a gap, else an order block.
    is_gap: bool,
    /// The number of the bar at whose close it became known.
    known: u64,
    top: i64,
    bottom: i64,
}

impl Zone {
    /// The zone that an event reports.
    const fn of(event: &Event) -> Option<Zone> {
        let is_gap = matches!(event.kind, Kind::Gap);
        match event.place {
            Place::Zone { top, bottom } if is_gap || matches!(event.kind, Kind::Block) => {
                Some(Zone { side: event.side, is_gap, known: event.known, top, bottom })
            }
            Place::Zone { .. } | Place::Level(_) => None,
        }
    }

    /// Whether a bar touches the zone. It touches a gap at its near edge. It touches a block once
    /// it passes the far edge, which mitigates the block.
    const fn is_touched(&self, bar: &Bar) -> bool {
        match (self.side, self.is_gap) {
            (Side::Up, true) => bar.low <= self.top,
            (Side::Up, false) => bar.low < self.bottom,
            (Side::Down, true) => bar.high >= self.bottom,
            (Side::Down, false) => bar.high > self.top,
        }
    }

    /// The distance of its nearest edge from a price, units of 10^-scale.
    fn distance(&self, price: i64) -> u64 {
        price.abs_diff(self.top).min(price.abs_diff(self.bottom))
    }
}

impl Zones {
    /// Takes the bar with that number: removes the zones that it touches or that are too old.
    pub(super) fn test(&mut self, bar: &Bar, index: u64) {
        while self.kept.front().is_some_and(|zone| zone.known + AGE_MAX < index) {
            self.kept.pop_front();
        }
        self.kept.retain(|zone| !zone.is_touched(bar));
    }

    /// Adds the zones that the bar makes known.
    pub(super) fn add(&mut self, events: &[Event]) {
        self.kept.extend(events.iter().filter_map(Zone::of));
        let surplus = self.kept.len().saturating_sub(ZONES_MAX);
        self.kept.drain(..surplus);
    }

    /// Whether the nearest edge of a zone lies within `reach` of the close, quote units.
    pub(super) fn is_near(&self, bar: &Bar, reach: f64) -> bool {
        let nearest = self.kept.iter().map(|zone| zone.distance(bar.close)).min();
        let nearest = nearest.and_then(|distance| i64::try_from(distance).ok());
        nearest.is_some_and(|distance| to_f64(distance, bar.scale) <= reach)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(super) fn rescale(&mut self, factor: i64) -> bool {
        all_grown(self.kept.iter_mut().flat_map(|zone| [&mut zone.top, &mut zone.bottom]), factor)
    }
}
