//! Bars of all widths, made from one-minute bars.

use super::error::ApiError;
use crate::market::{Total, quote};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{DAY, MINUTE, Timeframe, UtcMs};

/// Width of a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The name in the protocol.
    pub name: &'static str,
    /// In minutes.
    minutes: i64,
    /// Bars open at multiples of the width after this time.
    offset: UtcMs,
}

const fn width(name: &'static str, minutes: i64) -> Interval {
    Interval { name, minutes, offset: 0 }
}

/// All supported widths. Weeks begin on Monday.
pub const INTERVALS: [Interval; 14] = [
    width("1m", 1),
    width("3m", 3),
    width("5m", 5),
    width("15m", 15),
    width("30m", 30),
    width("1h", 60),
    width("2h", 120),
    width("4h", 240),
    width("6h", 360),
    width("8h", 480),
    width("12h", 720),
    width("1d", 1_440),
    width("3d", 4_320),
    Interval { name: "1w", minutes: 10_080, offset: 4 * DAY },
];

impl Interval {
    /// The width with this name.
    ///
    /// # Errors
    /// -1120 for an unknown width. Seconds and months are not simulated.
    pub fn read(word: &str) -> Result<Interval, ApiError> {
        let found = INTERVALS.into_iter().find(|interval| interval.name == word);
        found.ok_or_else(|| ApiError::new(-1120, "Invalid interval."))
    }

    /// The same width, with bars that open `ahead` minutes earlier: as in a time zone that is
    /// ahead of UTC.
    #[must_use]
    pub fn ahead(self, ahead: i64) -> Interval {
        let offset = (self.offset - ahead * MINUTE).rem_euclid(self.ms());
        Interval { offset, ..self }
    }

    /// The interval of this width.
    #[must_use]
    pub fn of(timeframe: Timeframe) -> Interval {
        let same = |interval: &Interval| interval.name == timeframe.name();
        INTERVALS.into_iter().find(same).expect("the exchange has bars of every width")
    }

    /// Its width, if the program knows it and its bars open as in UTC.
    #[must_use]
    pub fn timeframe(self) -> Option<Timeframe> {
        self.name.parse().ok().filter(|width| Interval::of(*width) == self)
    }

    /// Width in milliseconds.
    #[must_use]
    pub fn ms(self) -> UtcMs {
        self.minutes * MINUTE
    }

    /// Opening time of the bar that contains `time`.
    #[must_use]
    pub fn open_of(self, time: UtcMs) -> UtcMs {
        (time - self.offset).div_euclid(self.ms()) * self.ms() + self.offset
    }

    /// The first opening time that is not before `time`.
    #[must_use]
    pub fn next_open(self, time: UtcMs) -> UtcMs {
        let open = self.open_of(time);
        if open < time { open + self.ms() } else { open }
    }

    /// The number of one-minute bars for `count` bars of this width; wider bars get one to spare.
    #[must_use]
    pub fn minutes_of(self, count: usize) -> usize {
        let minutes = usize::try_from(self.minutes).unwrap_or(1);
        if minutes == 1 { count } else { count.saturating_add(1).saturating_mul(minutes) }
    }

    /// Combines one-minute bars into bars of this width, in their order. Each has `each` trades.
    #[must_use]
    pub fn fold(self, minutes: &[Bar], each: i64) -> Vec<Kline> {
        let mut folded: Vec<Kline> = Vec::new();
        for bar in minutes {
            let open_time = self.open_of(bar.open_time);
            match folded.last_mut().filter(|last| last.bar.open_time == open_time) {
                Some(last) => last.add(bar, each),
                None => folded.push(Kline::opening(self, bar, each)),
            }
        }
        folded
    }
}

/// A bar with the statistics that the protocol sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kline {
    /// Its prices, its volume and its own opening time.
    pub bar: Bar,
    /// Its width.
    pub interval: Interval,
    /// Volume in quote units.
    pub quote: Decimal,
    /// Number of trades.
    pub trades: i64,
    /// Ids of the first and the last trade; none if nothing was traded.
    pub ids: Option<(i64, i64)>,
}

impl Kline {
    /// A one-minute bar of `each` trades.
    #[must_use]
    pub fn minute(bar: &Bar, each: i64) -> Kline {
        Kline::opening(INTERVALS[0], bar, each)
    }

    /// A recorded bar of this width. Its trades are not known.
    #[must_use]
    pub fn recorded(interval: Interval, bar: &Bar) -> Kline {
        Kline { ids: None, trades: 0, ..Kline::opening(interval, bar, 0) }
    }

    /// The bar of this width over the one-minute bars of a sum. None if there are none.
    #[must_use]
    pub fn over(interval: Interval, total: &Total, each: i64) -> Option<Kline> {
        let all = total.all?;
        let first = |minute: UtcMs| minute / MINUTE * each;
        Some(Kline {
            bar: Bar {
                open_time: interval.open_of(all.from),
                open: all.open,
                high: all.high,
                low: all.low,
                volume: total.volume,
                ..all.last
            },
            interval,
            quote: total.quote,
            trades: total.minutes * each,
            ids: total
                .traded
                .map(|traded| (first(traded.from), first(traded.last.open_time) + each - 1)),
        })
    }

    /// The bar without the trades of its last minute that are not released.
    #[must_use]
    pub fn without(self, missing: i64) -> Kline {
        let ids = self.ids.map(|(first, last)| (first, last - missing));
        Kline { trades: self.trades - missing, ids, ..self }
    }

    fn opening(interval: Interval, bar: &Bar, each: i64) -> Kline {
        let first = bar.open_time / MINUTE * each;
        let traded = !bar.volume.is_zero();
        Kline {
            bar: Bar { open_time: interval.open_of(bar.open_time), ..*bar },
            interval,
            quote: quote(bar),
            trades: if traded { each } else { 0 },
            ids: traded.then_some((first, first + each - 1)),
        }
    }

    fn add(&mut self, bar: &Bar, each: i64) {
        let more = Kline::opening(self.interval, bar, each);
        self.bar.high = self.bar.high.max(bar.high);
        self.bar.low = self.bar.low.min(bar.low);
        self.bar.close = bar.close;
        self.bar.volume += bar.volume;
        self.quote += more.quote;
        self.trades += more.trades;
        self.ids = match (self.ids, more.ids) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (ids, None) | (None, ids) => ids,
        };
    }

    /// The last millisecond that it covers.
    #[must_use]
    pub fn close_time(&self) -> UtcMs {
        self.bar.open_time + self.interval.ms() - 1
    }
}
