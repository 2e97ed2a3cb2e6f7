//! The bullish zone that a bar entered and that its close held: its top and bottom, or 0.
//!
//! A zone is a bullish fair value gap, or a bullish order block at swings of that length. The first
//! bar after it became known whose low is at or below its top enters the zone and ends it. The
//! close holds it at or above its bottom. If a bar enters several zones, the newest that it holds
//! counts. A zone that no bar enters ends 100 bars after it became known.

use crate::structure::{Event, Gaps, Kind, MitigateBy, OrderBlocks, Place, Side, Structure};
use crate::{Bar, Catalogued, Indicator, Param, all_grown, to_f64};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Bars on each side of a swing.
pub(crate) const LENGTH: Param = Param { name: "length", least: 1, most: 100 };
/// Bars until structures have values, in lengths of a swing: about four swings of each type.
pub(crate) const SWINGS: u32 = 20;
/// Most zones that are kept. One more removes the oldest.
const ZONES_MAX: usize = 64;
/// Bars for which a zone counts after the bar at whose close it became known.
const AGE_MAX: u64 = 100;

/// The number of the next bar, and of the first one with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    next: u64,
    first: u64,
}

impl Count {
    /// The count before the first bar, for swings of that length.
    pub(crate) fn new(length: u32) -> Count {
        Count { next: 0, first: u64::from(length * SWINGS) - 1 }
    }

    /// Counts a bar if it is valid. Returns whether there is a value.
    pub(crate) const fn has_value(&mut self, valid: bool) -> bool {
        if valid {
            self.next += 1;
        }
        self.next > self.first
    }
}

/// The zones of one series, and one price of the entered one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    count: Count,
    /// Whether it returns the top, else the bottom.
    is_top: bool,
    gaps: Gaps,
    blocks: OrderBlocks,
    /// Zones that no bar has entered, oldest first.
    open: VecDeque<Span>,
}

/// A zone. Prices in units of 10^-scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    /// The number of the bar at whose close it became known.
    known: u64,
    top: i64,
    bottom: i64,
}

impl Span {
    /// The zone that an event reports, if it is bullish.
    const fn of(event: &Event) -> Option<Span> {
        match (event.kind, event.side, event.place) {
            (Kind::Gap | Kind::Block, Side::Up, Place::Zone { top, bottom }) => {
                Some(Span { known: event.known, top, bottom })
            }
            _ => None,
        }
    }
}

impl Zone {
    /// Takes a valid bar and the events of its close. Returns the zone that it entered and held.
    fn entered(&mut self, bar: &Bar, events: &[Event]) -> Option<Span> {
        let index = self.count.next;
        while self.open.front().is_some_and(|zone| zone.known + AGE_MAX < index) {
            self.open.pop_front();
        }
        let held = |zone: &&Span| bar.low <= zone.top && zone.bottom <= bar.close;
        let entered = self.open.iter().rev().find(held).copied();
        self.open.retain(|zone| bar.low > zone.top);
        self.open.extend(events.iter().filter_map(Span::of));
        let surplus = self.open.len().saturating_sub(ZONES_MAX);
        self.open.drain(..surplus);
        entered
    }
}

impl Indicator for Zone {
    fn update(&mut self, bar: &Bar) -> f64 {
        let mut events = Vec::new();
        let valid = self.gaps.update(bar, &mut events) && self.blocks.update(bar, &mut events);
        let entered = if valid { self.entered(bar, &events) } else { None };
        if !self.count.has_value(valid) {
            return f64::NAN;
        }
        let price = entered.map_or(0, |zone| if self.is_top { zone.top } else { zone.bottom });
        to_f64(price, bar.scale)
    }

    fn rescale(&mut self, factor: i64) -> bool {
        let open = self.open.iter_mut().flat_map(|zone| [&mut zone.top, &mut zone.bottom]);
        all_grown(open, factor) && self.gaps.rescale(factor) && self.blocks.rescale(factor)
    }
}

impl Catalogued for Zone {
    const NAME: &'static str = "zone";
    const PARAMS: &'static [Param] = &[LENGTH];
    const OUTPUTS: &'static [&'static str] = &["top", "bottom"];
    const COLUMNS: &'static [(usize, &'static str)] = &[(0, "zone_top"), (1, "zone_bottom")];
    const BAR_BYTES: u64 = 40;
    const STATE_BYTES: u64 = 8_000;
    fn is_price(_: usize) -> bool {
        true
    }
    fn make(params: &[u32], output: usize) -> Zone {
        Zone {
            count: Count::new(params[0]),
            is_top: output == 0,
            gaps: Gaps::new(false),
            blocks: OrderBlocks::new(params[0], MitigateBy::Extreme),
            open: VecDeque::new(),
        }
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0] * SWINGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{SETS, bars, by_restarts};
    use crate::testing::ohlc;

    /// A gap from 10 to 14 after three bars, then bars that end it or not. With swings of one bar
    /// the values begin after 20 bars, so bars far away come first.
    fn after_a_gap(later: &[[i64; 4]]) -> Vec<[f64; 2]> {
        let calm = [[9, 10, 9, 9]; 20];
        let gap = [[9, 10, 9, 10], [10, 15, 10, 15], [15, 17, 14, 16]];
        let all = calm.iter().chain(&gap).chain(later);
        let mut both = [0, 1].map(|output| Zone::make(&[1], output));
        let values = all.map(|bar| both.each_mut().map(|one| one.update(&ohlc(*bar))));
        values.collect::<Vec<_>>().split_off(23)
    }

    #[test]
    fn the_first_bar_that_reaches_a_gap_enters_it_and_its_close_decides() {
        let shown = |later: &[[i64; 4]]| {
            let values = after_a_gap(later).into_iter();
            values.map(|[top, bottom]| format!("{top} {bottom}")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(shown(&[[16, 17, 15, 16], [16, 16, 14, 15]]), "0 0, 14 10");
        assert_eq!(shown(&[[16, 16, 9, 10]]), "14 10", "it closes at the bottom");
        assert_eq!(shown(&[[16, 16, 7, 8], [9, 11, 9, 11]]), "0 0, 0 0", "the close is below");
        assert_eq!(shown(&[[16, 16, 12, 15], [15, 16, 12, 15]]), "14 10, 0 0", "only once");
        let mut late = vec![[16, 17, 15, 16]; 100];
        late.push([16, 16, 14, 15]);
        assert!(shown(&late[1..]).ends_with("14 10"), "100 bars after it became known");
        assert!(shown(&late).ends_with("0 0"), "and not after 101");
    }

    #[test]
    fn zones_are_entered_on_recorded_bars_and_survive_restarts() {
        for (path, limit) in SETS {
            let bars = bars(path, limit);
            let [tops, bottoms] =
                [0, 1].map(|output| by_restarts(&Zone::make(&[5], output), &bars));
            let mut entered = 0;
            for (at, bar) in bars.iter().enumerate() {
                let (top, bottom) = (tops[at], bottoms[at]);
                assert_eq!(top.is_nan(), at < 99, "{path} at {at}");
                if top > 0.0 {
                    let [low, close] = [bar.low, bar.close].map(|price| to_f64(price, bar.scale));
                    let held = low <= top && bottom <= close && bottom <= top;
                    assert!(held, "{path} at {at}: {low} {close}, {bottom} to {top}");
                    entered += 1;
                }
            }
            assert!(entered > 20 && entered < bars.len() / 5, "{path}: {entered}");
        }
    }
}
