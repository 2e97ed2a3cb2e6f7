//! Judges the rows of one file of bars, one by one, with a few rows of foresight.
//!
//! A row alone shows most faults. Its neighbours show the others: another order, a second bar for
//! one time, swapped columns, a wrong scale. The judge holds [`AHEAD`] rows and depends on nothing
//! else, so a file of any size needs little memory.

use super::kinds::{Bad, Claim, Kind, Series};
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::UtcMs;
use everwarm_history::scale::{Off, is_near, off};
use everwarm_sim::market::{BarRow, Fault};
use everwarm_words::text::instant;
use std::collections::VecDeque;

/// Rows that are known after the judged one.
const AHEAD: usize = 64;
/// So many rows at the end of a file may be in a wrong scale. More are a new level of the price.
const AT_END: usize = 8;

/// One row of a file.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// Its bytes, with the line end.
    pub bytes: Vec<u8>,
    /// Its numbers.
    pub read: Result<BarRow, Fault>,
    /// Its opening time, if that can be read.
    pub time: Option<i64>,
}

/// A row and what it is.
#[derive(Clone, Debug)]
pub struct Judged {
    pub line: u64,
    pub bytes: Vec<u8>,
    pub bar: Result<Bar, Bad>,
}

struct Seen {
    row: Row,
    bar: Result<Bar, Bad>,
}

/// The judge of one file.
pub struct Judge {
    of: Series,
    ahead: VecDeque<Seen>,
    /// The last good bar.
    last: Option<Bar>,
    /// A price that the next bar should be near.
    near: Option<Price>,
    /// A time for which the file has several bars.
    conflict: Option<UtcMs>,
}

impl Judge {
    pub fn new(of: Series) -> Judge {
        Judge { of, ahead: VecDeque::new(), last: None, near: None, conflict: None }
    }

    /// Takes the next row. Returns an earlier one, once enough rows after it are known.
    pub fn push(&mut self, row: Row) -> Option<Judged> {
        let bar = self.of.bar(&row.read, row.time);
        self.ahead.push_back(Seen { row, bar });
        if self.ahead.len() > AHEAD { self.next() } else { None }
    }

    /// Judges the next row at the end of the file.
    pub fn next(&mut self) -> Option<Judged> {
        if self.near.is_none() {
            self.near = self.usual();
        }
        let Seen { row, bar } = self.ahead.pop_front()?;
        let bar = match bar {
            Ok(bar) => self.beside(&row, bar),
            Err(bad) => Err(self.swapped(&row).unwrap_or(bad)),
        };
        if let Ok(bar) = bar {
            (self.last, self.near) = (Some(bar), Some(bar.close));
        }
        Some(Judged { line: row.line, bytes: row.bytes, bar })
    }

    /// The middle price of the rows ahead.
    fn usual(&self) -> Option<Price> {
        let mut closes: Vec<Price> = self.coming().map(|bar| bar.close).collect();
        closes.sort_unstable();
        closes.get(closes.len() / 2).copied()
    }

    fn coming(&self) -> impl Iterator<Item = &Bar> {
        self.ahead.iter().filter_map(|seen| seen.bar.as_ref().ok())
    }

    /// Compares a bar that is valid alone with those before and after it.
    fn beside(&mut self, row: &Row, bar: Bar) -> Result<Bar, Bad> {
        let time = bar.open_time;
        let at = instant(time);
        let conflict = |claim| {
            let why = format!("several different bars open at {at}");
            Err(Bad::new(Kind::Conflict, why, claim))
        };
        if self.conflict == Some(time) {
            return conflict(Claim::Time(time));
        }
        if let Some(last) = self.last {
            if last == bar {
                let why = format!("the same as an earlier row: the bar of {at}");
                return Err(Bad::new(Kind::Doubled, why, Claim::None));
            }
            if last.open_time == time {
                return conflict(Claim::None);
            }
            if last.open_time > time {
                let why = format!("{at} comes after {}: rows must ascend", instant(last.open_time));
                return Err(Bad::new(Kind::Disorder, why, Claim::None));
            }
        }
        if let Some(bad) = self.ahead_of_time(time) {
            return Err(bad);
        }
        if self.coming().any(|later| later.open_time == time && *later != bar) {
            self.conflict = Some(time);
            return conflict(Claim::Time(time));
        }
        match self.off(&bar) {
            None => Ok(bar),
            Some(off) => Err(self.swapped(row).unwrap_or_else(|| wrong_scale(&bar, off))),
        }
    }

    /// Whether more of the rows ahead are earlier than later: then this row is out of order, and
    /// not they.
    fn ahead_of_time(&self, time: UtcMs) -> Option<Bad> {
        let next = self.coming().next()?;
        if next.open_time >= time {
            return None;
        }
        let after = self.last.map_or(UtcMs::MIN, |last| last.open_time);
        let rest = || self.coming().map(|bar| bar.open_time).filter(|other| *other > after);
        let earlier = rest().filter(|other| *other < time).count();
        if earlier <= rest().filter(|other| *other > time).count() {
            return None;
        }
        let newest = rest().filter(|other| *other < time).max().unwrap_or(time);
        let steps = (time - newest) / self.of.grid.width();
        let near = usize::try_from(steps).is_ok_and(|steps| steps <= AHEAD);
        let claim = if near { Claim::Time(time) } else { Claim::Next };
        let (at, next) = (instant(time), instant(next.open_time));
        Some(Bad::new(Kind::Disorder, format!("{at} comes before {next}: rows must ascend"), claim))
    }

    /// How a bar is off its neighbours, if the price comes back soon.
    fn off(&self, bar: &Bar) -> Option<Off> {
        let near = self.near?;
        let off = off(bar, near)?;
        let back = self.coming().any(|later| is_near(later.open, near));
        let at_end =
            self.ahead.len() < AT_END && !matches!(off, Off::Absurd) && self.last.is_some();
        (back || at_end).then_some(off)
    }

    /// A row whose price and volume fit its neighbours when they are swapped.
    fn swapped(&self, row: &Row) -> Option<Bad> {
        let (Ok(read), near) = (&row.read, self.near?) else { return None };
        ["open", "high", "low", "close"].into_iter().enumerate().find_map(|(at, column)| {
            let mut other = *read;
            (other.volume, other.prices[at]) = (read.prices[at], read.volume);
            let bar = self.of.bar(&Ok(other), None).ok()?;
            let fits = bar.prices().into_iter().all(|price| is_near(price, near));
            let wrong = Price::exact(read.prices[at]).is_ok_and(|price| is_near(price, near));
            let why =
                format!("{column} {} and volume {} are swapped", read.prices[at], read.volume);
            let claim = Claim::Time(read.open_time);
            (fits && !wrong).then(|| Bad::new(Kind::Swapped, why, claim))
        })
    }
}

fn wrong_scale(bar: &Bar, off: Off) -> Bad {
    let Bar { open_time, low, high, .. } = *bar;
    let (kind, how) = match off {
        Off::Above(factor) => (Kind::Scale, format!("fit when divided by {factor}")),
        Off::Below(factor) => (Kind::Scale, format!("fit when multiplied by {factor}")),
        Off::Absurd => (Kind::Absurd, "are far from those of the rows beside it".to_owned()),
    };
    Bad::new(kind, format!("its prices, {low} to {high}, {how}"), Claim::Time(open_time))
}

#[cfg(test)]
mod tests {
    use super::super::grid::Grid;
    use super::*;
    use everwarm_domain::id::Symbol;
    use everwarm_domain::time::{MINUTE, Timeframe};
    use everwarm_sim::market::Columns;

    const FIRST: UtcMs = 1_767_571_200_000;

    fn time(minute: i64) -> UtcMs {
        FIRST + minute * MINUTE
    }

    fn row(minute: i64) -> String {
        format!("{},100,102,98,{},7", time(minute), 100 + minute % 2)
    }

    /// A file of `count` rows.
    fn rows(count: i64) -> Vec<String> {
        (0..count).map(row).collect()
    }

    /// The kinds of the bad rows, by their places.
    fn bad(rows: &[String]) -> Vec<(usize, Kind, Claim)> {
        let columns = Columns::find("open_time,open,high,low,close,volume").unwrap();
        let symbol = Symbol::named("AAA").unwrap();
        let grid = Grid::of(Timeframe::M1, &[]);
        let mut judge = Judge::new(Series { symbol, grid, now: time(1_000) });
        let mut judged = Vec::new();
        for (line, text) in (0..).zip(rows) {
            let (read, time) = (columns.row(text), columns.time_of(text));
            judged.extend(judge.push(Row { line, bytes: Vec::new(), read, time }));
        }
        judged.extend(std::iter::from_fn(|| judge.next()));
        assert_eq!(judged.len(), rows.len());
        let bad = judged.into_iter().enumerate().filter_map(|(at, row)| Some((at, row.bar.err()?)));
        bad.map(|(at, bad)| (at, bad.kind, bad.claim)).collect()
    }

    fn check(at: usize, text: &str, kind: Kind) {
        for count in [200, 100] {
            let mut rows = rows(count);
            rows[at] = text.to_owned();
            let found: Vec<_> = bad(&rows).into_iter().map(|(at, kind, _)| (at, kind)).collect();
            assert_eq!(found, [(at, kind)], "{text}");
        }
    }

    #[test]
    fn a_bad_row_is_the_only_one_at_the_start_in_the_middle_and_at_the_end() {
        for at in [0_usize, 1, 50, 98, 99] {
            let minute = i64::try_from(at).unwrap();
            let t = time(minute);
            check(at, "7", Kind::Fields);
            check(at, &format!("{t},100,102,98,x,7"), Kind::Number);
            check(at, &format!("{},100,102,98,100,7", t / 1_000), Kind::TimeUnit);
            check(at, &format!("{},100,102,98,100,7", t * 1_000), Kind::TimeUnit);
            check(at, &format!("{},100,102,98,100,7", t + 1), Kind::OffGrid);
            check(at, &format!("{},100,102,98,100,7", time(5_000)), Kind::Future);
            check(at, &format!("{t},100,99,98,100,7"), Kind::Ohlc);
            check(at, &format!("{t},100,98,102,100,7"), Kind::Swapped);
            check(at, &format!("{t},7,102,98,100,100"), Kind::Swapped);
            check(at, &format!("7,100,102,98,100,{t}"), Kind::Swapped);
            check(at, &format!("{t},0,102,0,100,7"), Kind::Absurd);
            check(at, &format!("{t},-100,102,-100,100,7"), Kind::Absurd);
            check(at, &format!("{t},100,102,98,100,-7"), Kind::Absurd);
            check(at, &format!("{t},10000,10200,9800,10000,7"), Kind::Scale);
            check(at, &format!("{t},0.1,0.102,0.098,0.1,7"), Kind::Scale);
            check(at, &format!("{t},100,102.0000000000000000001,98,100,7"), Kind::Decimals);
        }
        check(50, &format!("{},5000,5001,5000,5000,7", time(50)), Kind::Absurd);
        check(50, &row(51 + 400), Kind::Disorder);
        check(50, &row(3), Kind::Disorder);
        check(0, &row(400), Kind::Disorder);
        check(50, &row(49), Kind::Doubled);
    }

    #[test]
    fn good_rows_are_good_and_a_level_that_lasts_is_none_of_a_scale() {
        assert_eq!(bad(&rows(300)), []);
        assert_eq!(bad(&rows(2)), []);
        let mut split = rows(300);
        for (minute, row) in (0..).zip(&mut split).skip(150) {
            *row = format!("{},1,1,1,1,7", time(minute));
        }
        assert_eq!(bad(&split), []);
        let mut short = rows(200);
        for (minute, row) in (0..).zip(&mut short).take(120).skip(100) {
            *row = format!("{},1,1.1,1,1,7", time(minute));
        }
        assert_eq!(bad(&short).len(), 20, "a stretch of rows in cents");
    }

    #[test]
    fn of_two_bars_for_one_time_none_is_believed_and_swapped_rows_are_one_out_of_order() {
        let mut rows = rows(100);
        rows.insert(50, format!("{},100,103,98,100,7", time(50)));
        let claim = Claim::Time(time(50));
        assert_eq!(bad(&rows), [(50, Kind::Conflict, claim), (51, Kind::Conflict, claim)]);
        rows[50] = rows[51].clone();
        assert_eq!(bad(&rows), [(51, Kind::Doubled, Claim::None)]);
        rows.remove(51);
        rows.swap(50, 51);
        assert_eq!(bad(&rows), [(51, Kind::Disorder, Claim::None)]);
        rows.swap(50, 51);
        rows.swap(98, 99);
        assert_eq!(bad(&rows), [(98, Kind::Disorder, Claim::Time(time(99)))]);
    }
}
