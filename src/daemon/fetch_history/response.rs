//! Judges a response of a source: whether its bars are those that were requested.

use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::UtcMs;
use everwarm_history::scale::{Off, isolated, off};
use everwarm_venue::port::Bars;
use everwarm_venue::source::BarRange;
use everwarm_words::text::instant;

/// Checks the bars of a response. `near` are prices beside the requested bars, of which one is
/// near; empty: none is known.
///
/// # Errors
/// Why none of it is believed.
pub(in crate::daemon) fn check(
    range: &BarRange,
    near: &[Price],
    found: &Bars,
) -> Result<(), String> {
    let held = found.held.iter().map(|bar| (bar.symbol, bar.open_time));
    let unheld = found.unheld.iter().map(|bar| (bar.symbol, bar.open_time));
    let mut last = UtcMs::MIN;
    for (at, (symbol, time)) in held.chain(unheld).enumerate() {
        if symbol != range.symbol {
            return Err(format!("it has bars of {symbol}, not of {}", range.symbol));
        }
        if !range.times.contains(&time) {
            return Err(format!("the bar of {} was not requested", instant(time)));
        }
        if range.timeframe.open_of(time) != time {
            return Err(format!("no bar of {} opens at {}", range.timeframe, instant(time)));
        }
        if at == found.held.len() {
            last = UtcMs::MIN;
        }
        if time <= last {
            return Err(format!("the bar of {} is out of order", instant(time)));
        }
        last = time;
    }
    match strange(near, &found.held) {
        None => Ok(()),
        Some((bar, off)) => {
            let Bar { open_time, low, high, .. } = bar;
            let fit = match off {
                Off::Above(factor) => format!(" They fit when divided by {factor}."),
                Off::Below(factor) => format!(" They fit when multiplied by {factor}."),
                Off::Absurd => String::new(),
            };
            let at = instant(*open_time);
            Err(format!("prices {low} to {high} of {at} conflict with those beside them.{fit}"))
        }
    }
}

/// A bar in another scale than the bars beside it.
fn strange<'a>(near: &[Price], bars: &'a [Bar]) -> Option<(&'a Bar, Off)> {
    if near.is_empty() {
        return isolated(bars);
    }
    let mut before = None;
    bars.iter().find_map(|bar| {
        let fits = near.iter().copied().chain(before).any(|price| off(bar, price).is_none());
        before = Some(bar.close);
        let off = off(bar, near[0]);
        off.filter(|_| !fits).map(|off| (bar, off))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::money::Decimal;
    use everwarm_domain::time::{MINUTE, Timeframe};

    fn bar(symbol: &str, minute: i64, units: i64) -> Bar {
        let price = Price::e8(units * 1_000_000);
        let (symbol, open_time) = (Symbol::named(symbol).unwrap(), minute * MINUTE);
        let [open, high, low, close] = [price; 4];
        Bar { symbol, open_time, open, high, low, close, volume: Decimal::ONE }
    }

    fn why(near: &[i64], bars: &[Bar]) -> String {
        let near: Vec<Price> = near.iter().map(|units| Price::e8(units * 1_000_000)).collect();
        let (symbol, timeframe) = (Symbol::named("AAA").unwrap(), Timeframe::M1);
        let range = BarRange { symbol, timeframe, times: MINUTE..=9 * MINUTE };
        let found = Bars { held: bars.to_vec(), unheld: Vec::new() };
        check(&range, &near, &found).err().unwrap_or_default()
    }

    #[test]
    fn what_was_not_requested_is_not_believed() {
        let of = |minute| bar("AAA", minute, 100);
        assert_eq!(why(&[], &[of(1), of(2), of(9)]), "");
        assert!(why(&[], &[bar("BBB", 1, 100)]).contains("bars of BBB, not of AAA"));
        assert!(why(&[], &[of(10)]).contains("was not requested"));
        assert!(why(&[], &[of(2), of(2)]).contains("out of order"));
        let seconds = Bar { open_time: 61, ..of(1) };
        assert!(why(&[], &[seconds]).contains("was not requested"));
        let off_grid = Bar { open_time: MINUTE + 1, ..of(1) };
        assert!(why(&[], &[off_grid]).contains("no bar of 1m opens at"));
    }

    #[test]
    fn prices_fit_the_bars_beside_them() {
        let of = |minute, units| bar("AAA", minute, units);
        assert_eq!(why(&[100, 90], &[of(1, 101), of(2, 95)]), "");
        let cents = why(&[100, 90], &[of(1, 10_000), of(2, 9_500)]);
        assert!(cents.contains("conflict") && cents.contains("divided by 100"), "{cents}");
        assert!(why(&[100], &[of(1, 101), of(2, 1)]).contains("multiplied by 100"));
        assert!(why(&[100], &[of(1, 4_000)]).ends_with("conflict with those beside them."));
        assert_eq!(why(&[10_000, 100], &[of(1, 10_000), of(2, 100)]), "", "a level that changes");
        assert_eq!(why(&[], &[of(1, 100), of(2, 10_000), of(3, 10_000)]), "", "nothing beside it");
        assert!(why(&[], &[of(1, 100), of(2, 10_000), of(3, 100)]).contains("conflict"));
    }
}
