//! Computes which past bars the features of a plan need, of each width.
//!
//! Minutes warm every width that they span. A width that needs more is loaded in its own bars: 663
//! days for `ema(200)@1d`, instead of a million minutes. Its open bar is completed from minutes.

use super::feature::Feature;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Past minutes of each symbol. They warm short features, and those that a reload adds.
const HISTORY_BARS: i64 = 1_000;
/// Most past bars of one width: ten pages of a venue. The longest average has its first value after
/// so many.
const BARS_MAX: i64 = 10_000;

/// How many past bars are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Minutes before the last close.
    minutes: i64,
    /// Bars of the widths that are loaded in their own bars, ascending.
    wide: BTreeMap<Timeframe, i64>,
}

impl Needs {
    /// The bars after which all of these features are settled.
    pub(crate) fn of<'a>(features: impl Iterator<Item = &'a Feature>) -> Needs {
        let mut bars: BTreeMap<Timeframe, i64> = BTreeMap::new();
        for feature in features {
            let need = bars.entry(feature.timeframe).or_default();
            *need = (*need).max(feature.settled()).min(BARS_MAX);
        }
        let mut minutes = bars.remove(&Timeframe::M1).unwrap_or(0);
        let mut wide = BTreeMap::new();
        for (timeframe, count) in bars {
            // The first bucket that minutes span may be incomplete.
            let span = (count + 1) * (timeframe.ms() / MINUTE);
            if span > HISTORY_BARS {
                wide.insert(timeframe, count);
            } else {
                minutes = minutes.max(span);
            }
        }
        if !wide.is_empty() {
            // Minutes end the load of a symbol, after its wide bars.
            minutes = minutes.max(1);
        }
        Needs { minutes, wide }
    }

    /// Whether no bar is needed.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.minutes == 0 && self.wide.is_empty()
    }

    /// The same for a symbol that is about to trade: with at least 1,000 minutes.
    #[must_use]
    pub fn of_a_start(self) -> Needs {
        Needs { minutes: self.minutes.max(HISTORY_BARS), ..self }
    }

    /// The opening times of the minutes that are needed before `through`, a full minute. They reach
    /// back to the begin of each open wide bar.
    #[must_use]
    pub fn minutes_before(&self, through: UtcMs, sessions: &Sessions) -> RangeInclusive<UtcMs> {
        let first = sessions.first_of(Timeframe::M1, self.minutes, through);
        let open = self.wide.keys().map(|width| width.open_of(through)).min();
        open.map_or(first, |open| open.min(first))..=through - MINUTE
    }

    /// The widths that are loaded in their own bars, with the opening times of those that ended by
    /// `through`.
    pub fn wide_before(
        &self,
        through: UtcMs,
        sessions: &Sessions,
    ) -> impl Iterator<Item = (Timeframe, RangeInclusive<UtcMs>)> {
        self.wide.iter().map(move |(width, count)| {
            let end = width.open_of(through);
            (*width, sessions.first_of(*width, *count, end).max(0)..=end - width.ms())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::DAY;

    fn needs(texts: &[&str]) -> Needs {
        let features: Vec<Feature> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Needs::of(features.iter())
    }

    /// Minutes, then number and width of wide bars.
    fn shown(texts: &[&str]) -> String {
        let Needs { minutes, wide } = needs(texts);
        let wide = wide.iter().map(|(width, count)| format!(", {count} x {width}"));
        format!("{minutes}{}", wide.collect::<String>())
    }

    #[test]
    fn a_width_that_minutes_do_not_span_is_loaded_in_its_own_bars() {
        assert_eq!(shown(&[]), "0");
        assert_eq!(shown(&["sma(14)@1m", "ema(20)@1m"]), "69", "the seed of an average counts");
        assert_eq!(shown(&["sma(6)@5m", "sma(14)@1m"]), "35");
        assert_eq!(shown(&["sma(15)@1h"]), "960");
        assert_eq!(shown(&["sma(16)@1h"]), "1, 16 x 1h");
        assert_eq!(shown(&["sma(50)@1d", "sma(200)@1d", "rsi(14)@4h"]), "1, 80 x 4h, 200 x 1d");
        assert_eq!(shown(&["ema(200)@1d"]), "1, 663 x 1d");
        assert_eq!(shown(&["ema(9999)@1d"]), "1, 10000 x 1d");
        assert_eq!(shown(&["vwap@1h"]), "1, 24 x 1h", "a whole day");
        assert_eq!(needs(&["sma(3)@1m"]).of_a_start().minutes, HISTORY_BARS);
    }

    #[test]
    fn minutes_reach_back_to_the_begin_of_the_open_bar() {
        let noon = 20_000 * DAY + DAY / 2 + 7 * MINUTE;
        let needs = needs(&["sma(200)@1d", "sma(100)@4h", "sma(3)@1m"]);
        let minutes = needs.minutes_before(noon, &Sessions::ALWAYS);
        assert_eq!(minutes, 20_000 * DAY..=noon - MINUTE);
        let wide: Vec<_> = needs.wide_before(noon, &Sessions::ALWAYS).collect();
        let hour = DAY / 24;
        let of = |width: UtcMs, count, end| end - count * width..=end - width;
        assert_eq!(
            wide,
            [
                (Timeframe::H4, of(4 * hour, 100, 20_000 * DAY + 12 * hour)),
                (Timeframe::D1, of(DAY, 200, 20_000 * DAY)),
            ]
        );
        let early = needs.wide_before(10 * DAY, &Sessions::ALWAYS).last().unwrap().1;
        assert_eq!(early, 0..=9 * DAY, "no bar is older than the epoch");
    }
}
