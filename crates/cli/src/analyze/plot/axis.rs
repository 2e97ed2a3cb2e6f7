//! The axes: bars side by side with the times of some, and values that are never a single one.

use everwarm_domain::time::UtcMs;
use everwarm_words::text::{civil, date, instant};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Pixels between two times, at least.
const APART: i32 = 120;

/// Places that times name, from narrow to wide.
const UNITS: [Unit; 17] = [
    Unit::Fixed(MINUTE),
    Unit::Fixed(5 * MINUTE),
    Unit::Fixed(15 * MINUTE),
    Unit::Fixed(30 * MINUTE),
    Unit::Fixed(HOUR),
    Unit::Fixed(2 * HOUR),
    Unit::Fixed(4 * HOUR),
    Unit::Fixed(6 * HOUR),
    Unit::Fixed(12 * HOUR),
    Unit::Fixed(DAY),
    Unit::Fixed(2 * DAY),
    Unit::Week,
    Unit::Months(1),
    Unit::Months(3),
    Unit::Months(6),
    Unit::Months(12),
    Unit::Months(120),
];

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// Milliseconds, counted from the epoch.
    Fixed(i64),
    /// From Monday.
    Week,
    Months(i64),
}

impl Unit {
    /// The number of the unit that has this time.
    fn of(self, time: UtcMs) -> i64 {
        match self {
            Unit::Fixed(length) => time.div_euclid(length),
            // The epoch is a Thursday.
            Unit::Week => time.saturating_add(3 * DAY).div_euclid(7 * DAY),
            Unit::Months(number) => {
                let (year, month, _) = civil(time);
                (year * 12 + month - 1).div_euclid(number)
            }
        }
    }
}

/// The axis of bars: bar n lies between n and n + 1, also if bars are missing between.
#[derive(Clone, Debug)]
pub(super) struct Bars {
    /// Pixels of a bar.
    step: i32,
    slots: u32,
    /// The bars that have a time below them, with its text.
    ticks: Vec<(f64, String)>,
}

impl Bars {
    /// Bars that open at these times. There may be more `slots` than bars.
    pub(super) fn new(times: &[UtcMs], slots: u32, step: i32) -> Bars {
        let apart = usize::try_from(APART / step.max(1)).unwrap_or(0) + 1;
        let most = (slots as usize / apart).max(1);
        let starts = UNITS.into_iter().map(|unit| starts(times, unit));
        let chosen = starts.into_iter().find(|starts| starts.len() <= most);
        let mut chosen = chosen.filter(|starts| !starts.is_empty()).unwrap_or_else(|| vec![0]);
        let mut last = None;
        chosen.retain(|at| {
            let far = last.is_none_or(|last| at - last >= apart);
            last = if far { Some(*at) } else { last };
            far
        });
        let days = times.iter().all(|time| time % DAY == 0);
        let text = |time: UtcMs| if days { date(time) } else { instant(time) };
        let tick = |at: usize| Some((middle(at), text(*times.get(at)?)));
        Bars { step, slots, ticks: chosen.into_iter().filter_map(tick).collect() }
    }
}

/// The bars that are the first of a unit. The first of all counts only if it starts the unit.
fn starts(times: &[UtcMs], unit: Unit) -> Vec<usize> {
    let begins = |at: &usize| match at.checked_sub(1) {
        Some(before) => unit.of(times[*at]) != unit.of(times[before]),
        None => unit.of(times[0]) != unit.of(times[0].saturating_sub(1)),
    };
    (0..times.len()).filter(begins).collect()
}

/// The left edge of a bar on the axis.
pub(super) fn left(at: usize) -> f64 {
    f64::from(u32::try_from(at).unwrap_or(u32::MAX))
}

/// The middle of a bar on the axis.
pub(super) fn middle(at: usize) -> f64 {
    left(at) + 0.5
}

impl Ranged for Bars {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    #[expect(clippy::cast_possible_truncation, reason = "saturates far outside the picture")]
    fn map(&self, value: &f64, (left, _): (i32, i32)) -> i32 {
        left.saturating_add((value * f64::from(self.step)).round() as i32)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|(at, _)| *at).collect()
    }

    fn range(&self) -> Range<f64> {
        0.0..f64::from(self.slots)
    }
}

impl ValueFormatter<f64> for Bars {
    fn format_ext(&self, value: &f64) -> String {
        let near = |(at, _): &&(f64, String)| (at - value).abs() < 0.25;
        self.ticks.iter().find(near).map(|(_, text)| text.clone()).unwrap_or_default()
    }
}

/// The range of an axis that shows these values. It is wide enough to have several labels.
pub(super) fn around(values: impl Iterator<Item = f64>) -> Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low > high {
        return 0.0..1.0;
    }
    let size = low.abs().max(high.abs());
    let flat = if size > 0.0 { size * 1e-9 } else { 1.0 };
    let pad = if high - low > flat { (high - low) * 0.04 } else { (size * 0.01).max(flat) };
    low - pad..high + pad
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_round_and_apart() {
        let texts = |times: &[UtcMs]| -> Vec<String> {
            let slots = u32::try_from(times.len()).unwrap();
            Bars::new(times, slots, 8).ticks.into_iter().map(|(_, text)| text).collect()
        };
        let start = 1_704_067_200_000; // 2024-01-01, a Monday
        let every = |ms: i64, number: i64| -> Vec<UtcMs> {
            (0..number).map(|n| start + MINUTE * 7 + n * ms).collect()
        };
        let want = ["2024-01-01 00:30", "2024-01-01 01:00", "2024-01-01 01:30"];
        assert_eq!(texts(&every(MINUTE, 100)), want);
        let days: Vec<UtcMs> = (0..100).map(|n| start + n * DAY).collect();
        let want = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"];
        assert_eq!(texts(&days), want);
        assert_eq!(texts(&[start + 1]), ["2024-01-01 00:00:00.001"]);
        assert_eq!(texts(&[i64::MIN, i64::MAX]).len(), 1, "no time overflows");
    }

    #[test]
    fn an_axis_has_a_range_whatever_the_values() {
        let of = |values: &[f64]| around(values.iter().copied());
        assert_eq!(of(&[]), 0.0..1.0);
        assert_eq!(of(&[f64::NAN]), 0.0..1.0);
        assert_eq!(of(&[0.0, 0.0]), -1.0..1.0);
        assert_eq!(of(&[100.0]), 99.0..101.0);
        assert_eq!(of(&[f64::INFINITY, 0.0, 100.0]), -4.0..104.0);
    }
}
