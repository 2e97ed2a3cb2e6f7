//! Gaps and odd prices in files of bars, without a source to ask.

use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::UtcMs;
use std::fmt;
use std::ops::RangeInclusive;

/// Fewest bars that several series lack together for an outage.
pub const OUTAGE: i64 = 5;
/// A larger factor between a close and the next open is odd.
const JUMP: Decimal = Decimal::from_parts(12, 0, 0, false, 1);
/// A larger factor between a price and the others of its bar is odd.
const SPIKE: Decimal = Decimal::from_parts(15, 0, 0, false, 1);

/// Opening times, the first and the last.
pub type Times = RangeInclusive<UtcMs>;

/// Number of bars of a gap.
#[must_use]
pub fn bars_of(times: &Times, width: UtcMs) -> i64 {
    (times.end() - times.start()) / width + 1
}

/// The parts of `times` without those of `others`, which ascend and do not overlap.
#[must_use]
pub fn minus(times: &Times, others: &[Times], width: UtcMs) -> Vec<Times> {
    let (mut from, to) = (*times.start(), *times.end());
    let mut left = Vec::new();
    let first = others.partition_point(|other| *other.end() < from);
    for other in others[first..].iter().take_while(|other| *other.start() <= to) {
        if from < *other.start() {
            left.push(from..=other.start() - width);
        }
        from = from.max(other.end() + width);
    }
    if from <= to {
        left.push(from..=to);
    }
    left
}

/// Ranges in ascending order. Those that overlap or touch become one.
#[must_use]
pub fn joined(mut ranges: Vec<Times>, width: UtcMs) -> Vec<Times> {
    ranges.sort_by_key(|times| (*times.start(), *times.end()));
    let mut all: Vec<Times> = Vec::new();
    for times in ranges {
        match all.last_mut() {
            Some(last) if *times.start() <= last.end().saturating_add(width) => {
                *last = *last.start()..=*last.end().max(times.end());
            }
            _ => all.push(times),
        }
    }
    all
}

/// A series of bars: its opening times from the first to the last, and its gaps, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// From the first to the last bar.
    pub times: Times,
    /// Times without a bar.
    pub gaps: Vec<Times>,
}

/// The times in which every series that spans them has no bar, with the number of these series: at
/// least two. Each lacks at least [`OUTAGE`] bars.
#[must_use]
pub fn outages(series: &[Span], width: UtcMs) -> Vec<(Times, usize)> {
    let spans =
        |s: &Span, times: &Times| s.times.contains(times.start()) && s.times.contains(times.end());
    let spanning = |times: &Times| series.iter().filter(|s| spans(s, times)).count();
    let without_bars: Vec<Vec<Times>> = series.iter().map(|span| without(span, width)).collect();
    let mut found: Vec<Times> = Vec::new();
    for (at, span) in series.iter().enumerate() {
        for gap in &span.gaps {
            let mut left = vec![gap.clone()];
            for (_, others) in without_bars.iter().enumerate().filter(|(other, _)| *other != at) {
                left = left.iter().flat_map(|times| common(times, others)).collect();
                left.retain(|times| bars_of(times, width) >= OUTAGE);
            }
            found.extend(left);
        }
    }
    found.retain(|times| bars_of(times, width) >= OUTAGE);
    found.sort_by_key(|times| (*times.start(), *times.end()));
    found.dedup();
    let counted = found.into_iter().map(|times| (times.clone(), spanning(&times)));
    counted.filter(|(_, series)| *series >= 2).collect()
}

/// All times without a bar, also those before the first and after the last.
fn without(span: &Span, width: UtcMs) -> Vec<Times> {
    let mut times = vec![UtcMs::MIN..=span.times.start() - width];
    times.extend(span.gaps.iter().cloned());
    times.push(span.times.end() + width..=UtcMs::MAX);
    times
}

/// The parts of `times` within ranges that ascend.
pub(super) fn common(times: &Times, ranges: &[Times]) -> Vec<Times> {
    let first = ranges.partition_point(|range| range.end() < times.start());
    let ranges = ranges[first..].iter().take_while(|range| range.start() <= times.end());
    ranges.map(|range| *times.start().max(range.start())..=*times.end().min(range.end())).collect()
}

/// What is odd about a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// The open is far from the close before it.
    Jump {
        /// The close before.
        from: Price,
        /// The open.
        to: Price,
    },
    /// Open and close are far apart.
    Body {
        /// The open.
        open: Price,
        /// The close.
        close: Price,
    },
    /// The high is far above open and close.
    High(Price),
    /// The low is far below open and close.
    Low(Price),
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Odd::Jump { from, to } => write!(f, "opens at {to} after a close of {from}"),
            Odd::Body { open, close } => write!(f, "goes from {open} to {close} in one bar"),
            Odd::High(high) => write!(f, "its high {high} is far above open and close"),
            Odd::Low(low) => write!(f, "its low {low} is far below open and close"),
        }
    }
}

/// What is odd about a bar. `before` is the close of the bar before it.
pub fn odd(before: Option<Price>, bar: &Bar) -> impl Iterator<Item = Odd> {
    let Bar { open, high, low, close, .. } = *bar;
    let jump = before.filter(|from| is_far(*from, open, JUMP) || is_far(open, *from, JUMP));
    let jump = jump.map(|from| Odd::Jump { from, to: open });
    let body = is_far(open.min(close), open.max(close), SPIKE).then_some(Odd::Body { open, close });
    let high = is_far(open.max(close), high, SPIKE).then_some(Odd::High(high));
    let low = is_far(low, open.min(close), SPIKE).then_some(Odd::Low(low));
    [jump, body, high, low].into_iter().flatten()
}

/// Whether `high` is more than `factor` times `low`.
fn is_far(low: Price, high: Price, factor: Decimal) -> bool {
    low.decimal().checked_mul(factor).is_some_and(|most| high.decimal() > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;

    /// A series with the bars of these ranges.
    fn span(bars: &[RangeInclusive<UtcMs>]) -> Span {
        let gaps = bars.windows(2).map(|pair| pair[0].end() + 1..=pair[1].start() - 1);
        Span { times: *bars[0].start()..=*bars[bars.len() - 1].end(), gaps: gaps.collect() }
    }

    #[test]
    fn what_is_known_is_subtracted_from_a_gap() {
        assert_eq!(minus(&(10..=90), &[0..=20, 40..=50, 90..=95], 10), [30..=30, 60..=80]);
        assert_eq!(minus(&(10..=20), &[0..=30], 10), []);
        assert_eq!(minus(&(10..=20), &[0..=0, 30..=40], 10), [10..=20]);
        let ranges = vec![50..=60, 10..=20, 30..=30, 20..=20, 55..=90];
        assert_eq!(joined(ranges, 10), [10..=30, 50..=90]);
    }

    #[test]
    fn an_outage_is_what_all_lack_that_were_there() {
        let (a, b) = (span(&[0..=9, 30..=50]), span(&[0..=12, 31..=50]));
        let outages = |series: &[&Span]| {
            let series: Vec<Span> = series.iter().map(|span| (*span).clone()).collect();
            outages(&series, 1)
        };
        assert_eq!(outages(&[&a, &b]), [(13..=29, 2)]);
        let late = span(&[40..=50]);
        assert_eq!(outages(&[&a, &b, &late]), [(13..=29, 2)], "a listing proves nothing before it");
        let whole = span(&[0..=50]);
        assert_eq!(outages(&[&a, &b, &whole]), [], "one symbol traded");
        assert_eq!(outages(&[&a, &late]), [], "one series alone cannot show it");
        let thin = span(&[0..=2, 6..=9]);
        assert_eq!(outages(&[&thin, &thin]), [], "three bars may be chance");
    }

    #[test]
    fn one_symbol_that_trades_splits_an_outage() {
        let a = span(&[0..=9, 30..=50]);
        let b = span(&[0..=9, 20..=20, 30..=50]);
        assert_eq!(outages(&[a, b], 1), [(10..=19, 2), (21..=29, 2)]);
    }

    fn bar(open_time: UtcMs, [open, high, low, close]: [i64; 4]) -> Bar {
        let price = |units: i64| Price::e8(units * 100_000_000);
        Bar {
            symbol: Symbol::named("AAA").unwrap(),
            open_time,
            open: price(open),
            high: price(high),
            low: price(low),
            close: price(close),
            volume: Decimal::ZERO,
        }
    }

    #[test]
    fn a_split_and_a_wrong_tick_are_odd_and_a_fast_market_is_not() {
        let bars = [
            bar(0, [100, 110, 90, 105]),
            bar(1, [120, 170, 85, 118]),
            bar(2, [18, 19, 17, 18]),
            bar(3, [18, 40, 18, 18]),
            bar(4, [18, 18, 2, 18]),
            bar(5, [18, 18, 3, 3]),
        ];
        let odd = |at: usize| {
            let before = at.checked_sub(1).map(|before| bars[before].close);
            odd(before, &bars[at]).collect::<Vec<Odd>>()
        };
        assert_eq!((odd(0), odd(1)), (vec![], vec![]));
        assert!(matches!(odd(2)[..], [Odd::Jump { .. }]));
        assert!(matches!(odd(3)[..], [Odd::High(_)]));
        assert!(matches!(odd(4)[..], [Odd::Low(_)]));
        assert!(matches!(odd(5)[..], [Odd::Body { .. }]));
    }
}
