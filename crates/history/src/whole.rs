//! Which wide bars are whole, and how many minutes the others have.
//!
//! A wide bar from a fact was made of minutes, and some may have been missing. A bar that was
//! fetched in its own width is whole. Where both exist, it takes the place of one with missing
//! minutes.

use super::bars;
use super::key_encoding::{self, time_key, timeframe_key};
use super::need::Times;
use super::page::{Page, Paged};
use super::projection::BARS;
use super::queries::HistoryError;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::time::{Timeframe, UtcMs};
use everwarm_runtime::store::archive::Archive;
use std::collections::BTreeMap;

/// The minutes of a wide bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes {
    /// Those that it was made of.
    pub count: u32,
    /// Whether none was missing.
    pub complete: bool,
}

/// A stored bar, and whether it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredBar {
    /// The bar.
    pub bar: Bar,
    /// The minutes that it was made of; none: it was not made of minutes, or a version that did not
    /// count them stored it.
    pub minutes: Option<u32>,
    /// Whether no minute was missing; none: a version that did not count them stored it.
    pub complete: Option<bool>,
}

impl StoredBar {
    /// A bar that is known to be whole.
    const fn whole(bar: Bar) -> StoredBar {
        StoredBar { bar, minutes: None, complete: Some(true) }
    }
}

/// A page of the bars of `symbol`, by opening time, as [`bars::page`] gives it.
///
/// # Errors
/// The file could not be read, or is damaged.
pub fn page(
    archive: &Archive,
    timeframe: Timeframe,
    symbol: Symbol,
    page: &Page,
) -> Result<Paged<StoredBar>, HistoryError> {
    let found = bars::page(archive, timeframe, symbol, page)?;
    let (Some(first), Some(last)) = (found.rows.first(), found.rows.last()) else {
        return Ok(found.map(StoredBar::whole));
    };
    if timeframe == Timeframe::M1 {
        return Ok(found.map(StoredBar::whole));
    }
    let (of, times) = ((timeframe, symbol), first.open_time..=last.open_time);
    let (made, fetched) =
        (from_facts(archive, of, &times)?, bars::read_fetched(archive, of, &times)?);
    Ok(found.map(|bar| {
        let minutes = match made.get(&bar.open_time) {
            // The bar was fetched.
            None => return StoredBar::whole(bar),
            Some(minutes) => *minutes,
        };
        let complete = minutes.map(|minutes| minutes.complete);
        match fetched.get(&bar.open_time).filter(|_| complete != Some(true)) {
            Some(fetched) => StoredBar::whole(*fetched),
            None => StoredBar { bar, minutes: minutes.map(|minutes| minutes.count), complete },
        }
    }))
}

/// The minutes of the wide bars from facts, by opening time; none: unknown.
fn from_facts(
    archive: &Archive,
    (timeframe, symbol): (Timeframe, Symbol),
    times: &Times,
) -> Result<BTreeMap<UtcMs, Option<Minutes>>, HistoryError> {
    let row = |time: &UtcMs, n: u64| {
        [&[timeframe_key(timeframe)][..], &time_key(*time), &n.to_be_bytes()].concat()
    };
    let (first, last) = (row(times.start(), 0), row(times.end(), u64::MAX));
    let mut found = BTreeMap::new();
    for (_, value) in archive.range(BARS, &first..=&last, false, usize::MAX)? {
        let made = key_encoding::minutes_named(symbol, &value);
        found.extend(made.map_err(HistoryError::damaged(BARS))?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Projector;
    use everwarm_domain::fact::{Analysis, Body, Market};
    use everwarm_domain::market::RolledBar;
    use everwarm_domain::money::Price;
    use everwarm_domain::time::MINUTE;
    use everwarm_kernel::fact::{Fact, Key};
    use std::path::Path;
    use std::sync::Arc;

    const HOUR: UtcMs = 60 * MINUTE;

    fn bar(symbol: &str, open_time: UtcMs, close: i64) -> Bar {
        let price = Price::e8(close);
        let (symbol, volume) = (Symbol::named(symbol).unwrap(), 7.into());
        Bar { symbol, open_time, open: price, high: price, low: price, close: price, volume }
    }

    fn fact(n: u64, rank: u16, body: Body) -> Fact<Body> {
        Fact { key: Key { n, rank, i: 0 }, time: 0, version: 1, because: Vec::new(), body }
    }

    fn rolled(n: u64, bars: &[(&str, UtcMs, u32, bool)]) -> Fact<Body> {
        let one = |(symbol, time, count, complete): &(&str, UtcMs, u32, bool)| RolledBar {
            bar: bar(symbol, *time, 5),
            count: *count,
            complete: *complete,
        };
        let (timeframe, bars) = (Timeframe::H1, bars.iter().map(one).collect());
        fact(n, 100, Body::Analysis(Analysis::Rolled { timeframe, bars }))
    }

    /// Hours of AAA: opening hour, close, minutes and whether it is whole.
    fn shown(archive: &Archive) -> String {
        let (width, symbol) = (Timeframe::H1, Symbol::named("AAA").unwrap());
        let found = page(archive, width, symbol, &Some(10).into()).unwrap();
        let word = |of: &StoredBar| {
            let minutes = of.minutes.map_or("?".to_owned(), |count| count.to_string());
            let whole = of.complete.map_or("?", |whole| if whole { "whole" } else { "part" });
            format!("{} {} {minutes} {whole}", of.bar.open_time / HOUR, of.bar.close.units())
        };
        found.rows.iter().map(word).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_bar_with_missing_minutes_is_marked_until_a_whole_one_is_fetched() {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        let facts = [
            rolled(1, &[("AAA", HOUR, 60, true), ("AAAB", HOUR, 3, false)]),
            rolled(2, &[("AAA", 2 * HOUR, 59, false), ("AAAB", 2 * HOUR, 60, true)]),
            // A short session.
            rolled(3, &[("AAA", 3 * HOUR, 30, true)]),
        ];
        projector.apply((1..).zip(&facts), 3, true).unwrap();
        assert_eq!(shown(&archive), "1 5 60 whole, 2 5 59 part, 3 5 30 whole");
        let symbol = Symbol::named("AAA").unwrap();
        let plain = bars::read(&archive, Timeframe::H1, symbol, 0..=9 * HOUR).unwrap();
        assert!(plain.iter().all(|of| of.volume == 7.into()), "{plain:?}");
        let past = (0..3).map(|hour| bar("AAA", hour * HOUR, 9)).collect();
        bars::keep(&archive, Timeframe::H1, &[(symbol, past)]).unwrap();
        assert_eq!(shown(&archive), "0 9 ? whole, 1 5 60 whole, 2 9 ? whole, 3 5 30 whole");
    }

    #[test]
    fn minutes_are_whole_and_rows_of_earlier_versions_are_unknown() {
        let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
        let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
        let close = Market::close(HOUR + MINUTE, vec![bar("AAA", HOUR, 5)], Vec::new());
        projector.apply([(1, &fact(1, 0, Body::Market(close)))], 1, true).unwrap();
        let symbol = Symbol::named("AAA").unwrap();
        let minute = page(&archive, Timeframe::M1, symbol, &Some(10).into()).unwrap().rows[0];
        assert_eq!(minute.complete, Some(true));
        // The row of a version that did not count: the same bytes without the count.
        let key = [&[timeframe_key(Timeframe::H1)][..], &time_key(HOUR), &7_u64.to_be_bytes()];
        let mut value = Vec::new();
        key_encoding::put_named_bar(&bar("AAA", HOUR, 5), &mut value);
        let op =
            everwarm_runtime::store::archive::Op::Put { table: BARS, key: key.concat(), value };
        archive.commit(&[op], true).unwrap();
        assert_eq!(shown(&archive), "1 5 ? ?");
    }
}
