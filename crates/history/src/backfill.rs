//! Decides which pages a backfill requests, and in which order.
//!
//! A series is the bars of one symbol and width. Series come in the order of need: first those of
//! which a strategy needs bars that are missing, then the other series of traded symbols. A wide
//! series comes before a narrow one: it has fewer bars. The pages of a series come from the newest
//! to the oldest, so that a killed backfill leaves bars that touch the present.

use super::gaps::{bars_of, minus};
use super::need::{Times, missing_in, pages};
use everwarm_domain::id::Symbol;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::cmp::Reverse;

/// A series to complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The symbol.
    pub symbol: Symbol,
    /// Width of the bars.
    pub timeframe: Timeframe,
    /// Opening times of the bars.
    pub times: Times,
    /// Opening times of the bars among them that features need; none: no feature does.
    pub need: Option<Times>,
    /// Whether the symbol is traded.
    pub traded: bool,
}

/// What is known about the stored bars of a series.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Opening times of stored bars, ascending.
    pub have: Vec<UtcMs>,
    /// Times for which the venue reported that it has no bars, ascending.
    pub none: Vec<Times>,
}

/// Why a series is requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Nothing is missing.
    Nothing,
    /// It has no bar.
    Empty,
    /// Its newest bars are missing.
    Old,
    /// Its oldest bars are missing.
    Short,
    /// Bars are missing between others, or at both ends.
    Holes,
    /// All bars are requested again.
    Forced,
}

/// The plan of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesPlan {
    /// The series.
    pub wanted: Wanted,
    /// Stored bars among the wanted ones.
    pub have: u64,
    /// Bars to request.
    pub missing: u64,
    /// Bars that features need and that are missing.
    pub needed: u64,
    /// Why it is requested.
    pub lack: Lack,
    /// Opening times of each page, the newest page first.
    pub pages: Vec<Times>,
}

/// Plans one series. A page has at most `page` bars. With `force`, all bars are requested again.
#[must_use]
pub fn plan(
    wanted: Wanted,
    stored: &Stored,
    (page, force): (u16, bool),
    sessions: &Sessions,
) -> SeriesPlan {
    let Wanted { timeframe, times, .. } = &wanted;
    let of = (*timeframe, sessions);
    let have: Vec<UtcMs> =
        stored.have.iter().copied().filter(|time| times.contains(time)).collect();
    let holes = if times.is_empty() {
        Vec::new()
    } else if force {
        missing_in([], &[], times, of)
    } else {
        missing_in(have.iter().copied(), &stored.none, times, of)
    };
    let width = timeframe.ms();
    let need = wanted.need.clone();
    let needed = need.map_or(0, |need| within(&holes, &need, width));
    let lack = if force { Lack::Forced } else { lack(&have, &holes) };
    let mut pages = pages(&holes, *timeframe, page.max(1));
    pages.reverse();
    let missing = holes.iter().map(|hole| bars_of(hole, width).unsigned_abs()).sum();
    SeriesPlan { have: have.len() as u64, missing, needed, lack, pages, wanted }
}

/// Sorts plans by need.
pub fn order(plans: &mut [SeriesPlan]) {
    plans.sort_by_key(|plan| {
        let Wanted { symbol, timeframe, traded, .. } = plan.wanted;
        (plan.needed == 0, !traded, Reverse(timeframe), symbol)
    });
}

/// The bars of `holes` with opening times in `need`.
fn within(holes: &[Times], need: &Times, width: UtcMs) -> u64 {
    let common =
        holes.iter().map(|hole| *hole.start().max(need.start())..=*hole.end().min(need.end()));
    common.filter(|times| !times.is_empty()).map(|t| bars_of(&t, width).unsigned_abs()).sum()
}

fn lack(have: &[UtcMs], holes: &[Times]) -> Lack {
    let (Some(oldest), Some(newest)) = (holes.first(), holes.last()) else { return Lack::Nothing };
    let (Some(first), Some(last)) = (have.first(), have.last()) else { return Lack::Empty };
    if oldest.start() > last {
        Lack::Old
    } else if newest.end() < first {
        Lack::Short
    } else {
        Lack::Holes
    }
}

/// The parts of the remaining pages after `end`, and those up to it. `pages` descend.
#[must_use]
pub fn split(pages: &[Times], end: UtcMs, width: UtcMs) -> (Vec<Times>, Vec<Times>) {
    let before = UtcMs::MIN..=end;
    let after: Vec<Times> =
        pages.iter().flat_map(|page| minus(page, std::slice::from_ref(&before), width)).collect();
    let upto = pages.iter().map(|page| *page.start()..=*page.end().min(&end));
    (after, upto.filter(|page| !page.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::time::{DAY, MINUTE};

    const WIDTH: UtcMs = 15 * MINUTE;

    fn wanted(name: &str, timeframe: Timeframe, need: bool, traded: bool) -> Wanted {
        let symbol = Symbol::named(name).unwrap();
        let times = 0..=10 * DAY - timeframe.ms();
        let need = need.then(|| 9 * DAY..=10 * DAY - timeframe.ms());
        Wanted { symbol, timeframe, times, need, traded }
    }

    /// The pages of a quarter-hour series of 100 bars, each first and last bar by number.
    fn check(have: &[i64], none: &[(i64, i64)], force: bool) -> (String, u64, u64, Lack) {
        let symbol = Symbol::named("AAA").unwrap();
        let (timeframe, times) = (Timeframe::M15, 0..=99 * WIDTH);
        let need = Some(90 * WIDTH..=99 * WIDTH);
        let wanted = Wanted { symbol, timeframe, times, need, traded: true };
        let stored = Stored {
            have: have.iter().map(|at| at * WIDTH).collect(),
            none: none.iter().map(|(from, to)| from * WIDTH..=to * WIDTH).collect(),
        };
        let plan = plan(wanted, &stored, (40, force), &Sessions::ALWAYS);
        let page = |page: &Times| format!("{}-{}", page.start() / WIDTH, page.end() / WIDTH);
        let pages: Vec<String> = plan.pages.iter().map(page).collect();
        (pages.join(" "), plan.missing, plan.needed, plan.lack)
    }

    #[test]
    fn only_what_is_missing_is_requested_the_newest_page_first() {
        let all = |from, to| (from..=to).collect::<Vec<i64>>();
        for (have, none, pages, missing, needed, lack) in [
            (vec![], &[][..], "80-99 40-79 0-39", 100, 10, Lack::Empty),
            (all(0, 99), &[], "", 0, 0, Lack::Nothing),
            (all(0, 94), &[], "95-99", 5, 5, Lack::Old),
            (all(60, 99), &[], "40-59 0-39", 60, 0, Lack::Short),
            // What a killed backfill left: its next page is the newest one that it lacks.
            (all(40, 99), &[], "0-39", 40, 0, Lack::Short),
            (all(60, 99), &[(0, 59)], "", 0, 0, Lack::Nothing),
            ([all(0, 49), all(51, 99)].concat(), &[], "50-50", 1, 0, Lack::Holes),
            (all(-5, 99), &[], "", 0, 0, Lack::Nothing),
        ] {
            let found = check(&have, none, false);
            assert_eq!(found, (pages.to_owned(), missing, needed, lack), "{have:?} {none:?}");
        }
        let forced = check(&all(0, 99), &[(3, 4)], true);
        assert_eq!(forced, ("80-99 40-79 0-39".to_owned(), 100, 10, Lack::Forced));
    }

    #[test]
    fn the_highest_need_comes_first_and_wide_series_before_narrow_ones() {
        let of = |name, timeframe, need, traded| {
            let wanted = wanted(name, timeframe, need, traded);
            plan(wanted, &Stored::default(), (1_000, false), &Sessions::ALWAYS)
        };
        let mut plans = vec![
            of("CCC", Timeframe::D1, false, false),
            of("BBB", Timeframe::M15, false, true),
            of("AAA", Timeframe::M15, true, true),
            of("BBB", Timeframe::D1, false, true),
            of("AAA", Timeframe::H4, true, true),
            of("AAA", Timeframe::D1, false, true),
        ];
        order(&mut plans);
        let names: Vec<String> = plans
            .iter()
            .map(|plan| format!("{} {}", plan.wanted.symbol, plan.wanted.timeframe))
            .collect();
        assert_eq!(names, ["AAA 4h", "AAA 15m", "AAA 1d", "BBB 1d", "BBB 15m", "CCC 1d"]);
    }

    #[test]
    fn pages_are_split_where_the_oldest_bars_of_the_venue_end() {
        let (after, upto) = split(&[80..=99, 40..=79, 0..=39], 50, 1);
        assert_eq!(after, [80..=99, 51..=79]);
        assert_eq!(upto, [40..=50, 0..=39]);
    }
}
