//! Gaps and odd prices in files of bars, without a source to ask.

use everwarm_domain::market::Bar;
use everwarm_domain::money::{Decimal, Price};
use everwarm_domain::time::UtcMs;
use std::ops::RangeInclusive;

/// Fewest bars that several series lack together for an outage.
pub const OUTAGE: i64 = 5;
/// A larger factor between a close and the next open is odd.
const JUMP: Decimal = Decimal::from_parts(12, 0, 0, false, 1);
/// A larger factor between a price and the others of its bar is odd.
const SPIKE: Decimal = Decimal::from_parts(15, 0, 0, false, 1);

/// Opening times, the first and the last.
pub type Times = RangeInclusive<UtcMs>;

/// The times without a bar between the first and the last of these opening times, which ascend.
#[must_use]
pub fn gaps(opens: &[UtcMs], width: UtcMs) -> Vec<Times> {
    let between = opens.windows(2).filter(|pair| pair[1] - pair[0] > width);
    between.map(|pair| pair[0] + width..=pair[1] - width).collect()
}

/// Number of bars of a gap.
#[must_use]
pub fn bars_of(times: &Times, width: UtcMs) -> i64 {
    (times.end() - times.start()) / width + 1
}

/// The times in which every series that spans them has no bar, with the number of these series: at
/// least two. Each lacks at least [`OUTAGE`] bars. A series is its opening times, ascending.
#[must_use]
pub fn outages(series: &[&[UtcMs]], width: UtcMs) -> Vec<(Times, usize)> {
    let spans: Vec<Times> =
        series.iter().filter_map(|opens| Some(*opens.first()?..=*opens.last()?)).collect();
    let spanning = |times: &Times| {
        spans.iter().filter(|s| s.contains(times.start()) && s.contains(times.end())).count()
    };
    let without_bars: Vec<Vec<Times>> = series.iter().map(|opens| without(opens, width)).collect();
    let mut found: Vec<Times> = Vec::new();
    for (at, opens) in series.iter().enumerate() {
        for gap in gaps(opens, width) {
            let mut left = vec![gap];
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
fn without(opens: &[UtcMs], width: UtcMs) -> Vec<Times> {
    let (Some(first), Some(last)) = (opens.first(), opens.last()) else {
        return vec![UtcMs::MIN..=UtcMs::MAX];
    };
    let mut times = vec![UtcMs::MIN..=first - width];
    times.extend(gaps(opens, width));
    times.push(last + width..=UtcMs::MAX);
    times
}

/// The parts of `times` within ranges that ascend.
fn common(times: &Times, ranges: &[Times]) -> Vec<Times> {
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

/// Odd prices with the opening times of their bars.
#[must_use]
pub fn odd(bars: &[Bar]) -> Vec<(UtcMs, Odd)> {
    let mut found = Vec::new();
    let mut before: Option<Price> = None;
    for bar in bars {
        let Bar { open_time, open, high, low, close, .. } = *bar;
        if let Some(from) = before.replace(close)
            && (is_far(from, open, JUMP) || is_far(open, from, JUMP))
        {
            found.push((open_time, Odd::Jump { from, to: open }));
        }
        if is_far(open.min(close), open.max(close), SPIKE) {
            found.push((open_time, Odd::Body { open, close }));
        }
        if is_far(open.max(close), high, SPIKE) {
            found.push((open_time, Odd::High(high)));
        }
        if is_far(low, open.min(close), SPIKE) {
            found.push((open_time, Odd::Low(low)));
        }
    }
    found
}

/// Whether `high` is more than `factor` times `low`.
fn is_far(low: Price, high: Price, factor: Decimal) -> bool {
    low.decimal().checked_mul(factor).is_some_and(|most| high.decimal() > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;

    fn opens(ranges: &[RangeInclusive<UtcMs>]) -> Vec<UtcMs> {
        ranges.iter().cloned().flatten().collect()
    }

    #[test]
    fn a_gap_lies_between_bars() {
        assert_eq!(gaps(&opens(&[1..=3, 7..=8]), 1), [4..=6]);
        assert_eq!(gaps(&[0, 10, 40], 10), [20..=30]);
        assert_eq!(gaps(&[], 1), []);
    }

    #[test]
    fn an_outage_is_what_all_lack_that_were_there() {
        let (a, b) = (opens(&[0..=9, 30..=50]), opens(&[0..=12, 31..=50]));
        assert_eq!(outages(&[&a, &b], 1), [(13..=29, 2)]);
        let late = opens(&[40..=50]);
        assert_eq!(
            outages(&[&a, &b, &late], 1),
            [(13..=29, 2)],
            "a listing proves nothing about before"
        );
        let whole = opens(&[0..=50]);
        assert_eq!(outages(&[&a, &b, &whole], 1), [], "one symbol traded");
        assert_eq!(outages(&[&a, &late], 1), [], "one series alone cannot show it");
        let (thin, thinner) = (opens(&[0..=2, 6..=9]), opens(&[0..=2, 6..=9]));
        assert_eq!(outages(&[&thin, &thinner], 1), [], "three bars may be chance");
    }

    #[test]
    fn one_symbol_that_trades_splits_an_outage() {
        let a = opens(&[0..=9, 30..=50]);
        let b = opens(&[0..=9, 20..=20, 30..=50]);
        assert_eq!(outages(&[&a, &b], 1), [(10..=19, 2), (21..=29, 2)]);
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
        let at: Vec<UtcMs> = odd(&bars).iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [2, 3, 4, 5]);
        assert!(matches!(odd(&bars)[0].1, Odd::Jump { .. }));
        assert!(matches!(odd(&bars)[1].1, Odd::High(_)));
        assert!(matches!(odd(&bars)[2].1, Odd::Low(_)));
        assert!(matches!(odd(&bars)[3].1, Odd::Body { .. }));
    }
}
