//! Compares wide bars with the minutes of the same file folder.
//!
//! Only buckets whose minutes are all there are compared. Prices must be equal. Volumes may differ
//! by what each minute can lose when it is rounded to its decimals.

use super::kinds::{Bad, Claim, Kind};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Decimal;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_words::text::instant;

/// A bar made of all its minutes.
struct Rolled {
    bar: Bar,
    minutes: UtcMs,
    /// Most decimals of a volume.
    scale: u32,
}

/// Wide bars from good minutes, which ascend.
pub struct Rollup<I> {
    minutes: I,
    timeframe: Timeframe,
    next: Option<Bar>,
}

impl<I: Iterator<Item = Bar>> Rollup<I> {
    pub fn new(minutes: I, timeframe: Timeframe) -> Rollup<I> {
        Rollup { minutes, timeframe, next: None }
    }

    /// How a wide bar differs from its minutes; none if it does not, or if some are missing. The
    /// bars of all calls ascend.
    pub fn differs(&mut self, wide: &Bar) -> Option<Bad> {
        let rolled = self.at(wide.open_time)?;
        if rolled.minutes * MINUTE != self.timeframe.ms() {
            return None;
        }
        let volume = rolled.bar.volume;
        let columns = ["open", "high", "low", "close"];
        let mut pairs = columns.into_iter().zip(wide.prices().into_iter().zip(rolled.bar.prices()));
        let at = instant(wide.open_time);
        let why = if let Some((column, (has, made))) = pairs.find(|(_, (has, made))| has != made) {
            format!("{column} {has} of {at} is {made} in its minutes")
        } else {
            let lost = Decimal::new(1, rolled.scale).saturating_mul(rolled.minutes.into());
            let apart = wide.volume.saturating_sub(volume).abs();
            if apart <= lost.max(Decimal::new(1, wide.volume.scale())) {
                return None;
            }
            let volume = volume.normalize();
            format!("volume {} of {at} is {volume} in its minutes", wide.volume)
        };
        Some(Bad::new(Kind::Minutes, why, Claim::Time(wide.open_time)))
    }

    /// The bucket that opens at `open`.
    fn at(&mut self, open: UtcMs) -> Option<Rolled> {
        let mut rolled: Option<Rolled> = None;
        loop {
            let minute = self.next.take().or_else(|| self.minutes.next());
            let Some(minute) = minute else { return rolled };
            if minute.open_time < open {
                continue;
            }
            if minute.open_time >= open + self.timeframe.ms() {
                self.next = Some(minute);
                return rolled;
            }
            let scale = minute.volume.normalize().scale();
            match &mut rolled {
                None => rolled = Some(Rolled { bar: minute, minutes: 1, scale }),
                Some(Rolled { bar, minutes, scale: most }) => {
                    bar.high = bar.high.max(minute.high);
                    bar.low = bar.low.min(minute.low);
                    bar.close = minute.close;
                    bar.volume = bar.volume.saturating_add(minute.volume);
                    (*minutes, *most) = (*minutes + 1, scale.max(*most));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::money::Price;

    fn bar(minute: i64, prices: [i64; 4], volume: &str) -> Bar {
        let [open, high, low, close] = prices.map(|units| Price::e8(units * 100_000_000));
        let symbol = Symbol::named("AAA").unwrap();
        let volume = volume.parse().unwrap();
        Bar { symbol, open_time: minute * MINUTE, open, high, low, close, volume }
    }

    #[test]
    fn a_wide_bar_is_compared_where_all_its_minutes_are_there() {
        let minute = |at| bar(at, [10 + at, 20 + at, 5, 11 + at], "1.5");
        let minutes = || (0..30).filter(|at| *at != 12).map(minute);
        let differs = |wide: &[Bar]| {
            let mut rollup = Rollup::new(minutes(), Timeframe::M5);
            wide.iter().filter_map(|wide| Some(rollup.differs(wide)?.why)).collect::<Vec<_>>()
        };
        let (first, last) = (bar(0, [10, 24, 5, 15], "7.5"), bar(25, [35, 49, 5, 40], "7.9"));
        assert_eq!(differs(&[first, bar(10, [1, 1, 1, 1], "1"), last]), Vec::<String>::new());
        let wrong = [bar(0, [10, 25, 5, 15], "7.5"), bar(25, [35, 49, 5, 40], "8.6")];
        let found = differs(&wrong);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("high 25 of 1970-01-01 00:00 is 24"), "{found:?}");
        assert!(found[1].starts_with("volume 8.6 of 1970-01-01 00:25 is 7.5"), "{found:?}");
    }
}
