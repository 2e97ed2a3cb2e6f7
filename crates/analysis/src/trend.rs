//! Side of the newest break of structure or change of character: 1 if bullish, -1 if bearish, 0 if
//! there was none.
//!
//! Breaks are those of [`Breaks`] between swings of that length, broken by closes. A break counts
//! even if a later one removes it.

use crate::structure::{BreakBy, Breaks, Kind, Side, Structure};
use crate::zone::{Count, LENGTH, SWINGS};
use crate::{Bar, Catalogued, Indicator, Param};
use serde::{Deserialize, Serialize};

/// The side of the newest break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trend {
    count: Count,
    breaks: Breaks,
    newest: Option<Side>,
}

impl Indicator for Trend {
    fn update(&mut self, bar: &Bar) -> f64 {
        let mut events = Vec::new();
        let valid = self.breaks.update(bar, &mut events);
        let is_break = |kind: Kind| matches!(kind, Kind::Bos | Kind::Choch);
        if let Some(event) = events.iter().rev().find(|event| is_break(event.kind)) {
            self.newest = Some(event.side);
        }
        let side = match self.newest {
            Some(Side::Up) => 1.0,
            Some(Side::Down) => -1.0,
            None => 0.0,
        };
        if self.count.has_value(valid) { side } else { f64::NAN }
    }

    fn rescale(&mut self, factor: i64) -> bool {
        self.breaks.rescale(factor)
    }
}

impl Catalogued for Trend {
    const NAME: &'static str = "trend";
    const PARAMS: &'static [Param] = &[LENGTH];
    const BAR_BYTES: u64 = 40;
    const STATE_BYTES: u64 = 8_000;
    fn make(params: &[u32], _: usize) -> Trend {
        let (count, breaks) = (Count::new(params[0]), Breaks::new(params[0], BreakBy::Close));
        Trend { count, breaks, newest: None }
    }
    fn warm_up(params: &[u32], _: usize) -> u32 {
        params[0] * SWINGS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{SETS, bars, by_restarts};
    use crate::structure::Event;

    #[test]
    fn it_is_the_side_of_the_newest_break_after_restarts_too() {
        for (path, limit) in SETS {
            let bars = bars(path, limit);
            let values = by_restarts(&Trend::make(&[5], 0), &bars);
            let (mut breaks, mut events) = (Breaks::new(5, BreakBy::Close), Vec::<Event>::new());
            let mut seen = [0; 3];
            for (at, (bar, value)) in bars.iter().zip(values).enumerate() {
                breaks.update(bar, &mut events);
                events.retain(|event| matches!(event.kind, Kind::Bos | Kind::Choch));
                let wanted = match events.last().map(|event| event.side) {
                    Some(Side::Up) => 1,
                    Some(Side::Down) => -1,
                    None => 0,
                };
                if at < 99 {
                    assert!(value.is_nan(), "{path} at {at}");
                    continue;
                }
                assert_eq!(value.to_bits(), f64::from(wanted).to_bits(), "{path} at {at}");
                seen[usize::try_from(wanted + 1).unwrap()] += 1;
            }
            assert!(seen[0] > 100 && seen[2] > 100, "{path}: {seen:?}");
        }
    }
}
