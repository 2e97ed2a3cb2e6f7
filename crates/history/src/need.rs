//! Computes which past bars are missing, at a start and while trading. No other code decides this.

use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{Timeframe, UtcMs};
use std::ops::RangeInclusive;

/// Opening times of bars, first and last.
pub type Times = RangeInclusive<UtcMs>;

/// The gaps in the last `count` bars of sessions that have closed by `now`, each gap on its own.
/// `have` are the opening times of stored bars, ascending. `none` are times for which the venue
/// reported that it has no bars.
#[must_use]
pub fn missing(
    have: impl IntoIterator<Item = UtcMs>,
    none: &[Times],
    count: i64,
    now: UtcMs,
    (timeframe, sessions): (Timeframe, &Sessions),
) -> Vec<Times> {
    let end = timeframe.open_of(now);
    let first = sessions.first_of(timeframe, count, end);
    missing_in(have, none, &(first..=end - timeframe.ms()), (timeframe, sessions))
}

/// The gaps among the bars with opening times in `times`, as in [`missing`].
#[must_use]
pub fn missing_in(
    have: impl IntoIterator<Item = UtcMs>,
    none: &[Times],
    times: &Times,
    (timeframe, sessions): (Timeframe, &Sessions),
) -> Vec<Times> {
    let width = timeframe.ms();
    let (mut at, end) = (*times.start(), *times.end() + width);
    let mut holes: Vec<Times> = Vec::new();
    let mut have = have.into_iter().peekable();
    let mut none = none.iter().peekable();
    let nights = sessions.closed(timeframe, at, end - width);
    let mut nights = nights.iter().peekable();
    while at < end {
        while nights.next_if(|times| *times.end() < at).is_some() {}
        if let Some(night) = nights.peek().filter(|times| times.contains(&at)) {
            at = night.end() + width;
            continue;
        }
        while have.next_if(|time| *time < at).is_some() {}
        while none.next_if(|times| *times.end() < at).is_some() {}
        let here = have.peek() == Some(&at);
        if let (false, Some(times)) = (here, none.peek().filter(|times| times.contains(&at))) {
            at = (times.end() - at).div_euclid(width) * width + at + width;
            continue;
        }
        if !here {
            match holes.last_mut() {
                Some(last) if last.end() + width == at => *last = *last.start()..=at,
                Some(_) | None => holes.push(at..=at),
            }
        }
        at += width;
    }
    holes
}

/// The ranges to fetch so that no gap is left, each of at most `page` bars. One response spans a
/// page, so it also covers the bars between gaps of one page.
#[must_use]
pub fn pages(holes: &[Times], timeframe: Timeframe, page: u16) -> Vec<Times> {
    let width = timeframe.ms();
    let page = i64::from(page) * width;
    let mut pages: Vec<Times> = Vec::new();
    for hole in holes {
        let mut at = *hole.start();
        if let Some(last) = pages.last_mut().filter(|last| at - last.start() < page) {
            let end = (*hole.end()).min(last.start() + page - width);
            *last = *last.start()..=end;
            at = end + width;
        }
        while at <= *hole.end() {
            let end = (*hole.end()).min(at + page - width);
            pages.push(at..=end);
            at = end + width;
        }
    }
    pages
}

#[cfg(test)]
mod tests {
    use super::*;
    use everwarm_domain::sessions::Session;
    use everwarm_domain::time::MINUTE;

    const MINUTES: (Timeframe, &Sessions) = (Timeframe::M1, &Sessions::ALWAYS);

    /// Arguments in minutes: stored bars, times without bars, number of bars, now.
    fn check(have: &[i64], none: &[(i64, i64)], count: i64, now: i64) -> String {
        let have = have.iter().map(|minute| minute * MINUTE);
        let none: Vec<Times> = none.iter().map(|(from, to)| from * MINUTE..=to * MINUTE).collect();
        let holes = missing(have, &none, count, now * MINUTE + 30_000, MINUTES);
        let needed = pages(&holes, Timeframe::M1, 1000);
        let words = needed.iter().map(|t| format!("{}-{}", t.start() / MINUTE, t.end() / MINUTE));
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn enough_fresh_and_whole_or_what_is_missing() {
        let all = |from, to| (from..=to).collect::<Vec<i64>>();
        for (have, none, count, needed, why) in [
            (vec![], &[][..], 5, "95-99", "nothing is there"),
            (all(95, 99), &[], 5, "", "enough, fresh and whole"),
            (all(90, 99), &[], 5, "", "more than enough"),
            (all(97, 99), &[], 5, "95-96", "fresh and whole, and too few"),
            (all(1, 50), &[], 5, "95-99", "many, and old"),
            (all(90, 97), &[], 5, "98-99", "many, and not up to now"),
            (vec![95, 96, 98, 99], &[], 5, "97-97", "a hole"),
            (vec![96, 98], &[], 5, "95-99", "three holes on one page"),
            (all(100, 105), &[], 5, "95-99", "of the future"),
            (vec![95, 99], &[(96, 98)], 5, "", "a hole the venue has too"),
            (vec![95], &[(96, 97)], 5, "98-99", "an outage that has ended"),
            (vec![99], &[(90, 95)], 5, "96-98", "an outage that began before"),
            (vec![], &[(80, 99)], 5, "", "nothing but an outage"),
            (vec![97], &[(96, 98)], 5, "95-99", "a bar within an outage"),
            (all(95, 99), &[], 0, "", "none are wanted"),
        ] {
            assert_eq!(check(&have, none, count, 100), needed, "{why}");
        }
    }

    #[test]
    fn holes_are_told_one_by_one() {
        let have = [95, 97, 98].map(|minute| minute * MINUTE);
        let holes = missing(have, &[], 6, 100 * MINUTE, MINUTES);
        assert_eq!(holes, [(94, 94), (96, 96), (99, 99)].map(|(a, b)| a * MINUTE..=b * MINUTE));
    }

    #[test]
    fn four_hundred_old_bars_are_not_enough_and_pages_are_ranges() {
        let old: Vec<i64> = (0..400).collect();
        assert_eq!(check(&old, &[], 1000, 1000), "400-999");
        assert_eq!(check(&old, &[], 400, 1000), "600-999");
        assert_eq!(check(&[], &[], 2500, 3000), "500-1499 1500-2499 2500-2999");
        // Two gaps that no page spans.
        let have: Vec<i64> = (0..3000).filter(|m| *m != 100 && *m != 2000).collect();
        assert_eq!(check(&have, &[], 3000, 3000), "100-100 2000-2000");
    }

    #[test]
    fn a_night_without_bars_is_no_hole() {
        let span = |open: i64, close: i64| Session { open: open * MINUTE, close: close * MINUTE };
        let sessions = vec![span(20, 40), span(60, 80), span(95, 100)];
        let sessions = Sessions::new(0, 200 * MINUTE, sessions).unwrap();
        let found = |have: &[i64], count| {
            let have = have.iter().map(|minute| minute * MINUTE);
            let of = (Timeframe::M1, &sessions);
            let holes = missing(have, &[], count, 100 * MINUTE, of);
            holes.iter().map(|t| (t.start() / MINUTE, t.end() / MINUTE)).collect::<Vec<_>>()
        };
        let whole: Vec<i64> = (36..40).chain(60..80).chain(95..100).collect();
        assert_eq!(found(&whole, 29), []);
        assert_eq!(found(&whole, 30), [(35, 35)]);
        assert_eq!(found(&whole[..25], 29), [(96, 99)]);
        assert_eq!(found(&[], 29), [(36, 39), (60, 79), (95, 99)]);
        // Gaps outside the sessions are not queried, and bars there do no damage.
        assert_eq!(found(&[85, 95, 96, 97, 98, 99], 5), []);
    }

    #[test]
    fn the_last_bar_is_the_one_that_has_closed() {
        let now = 10 * 3_600_000;
        for (now, last) in [(now, now - 3_600_000), (now - 1, now - 7_200_000)] {
            let needed = missing([], &[], 1, now, (Timeframe::H1, &Sessions::ALWAYS));
            assert_eq!(needed, [last..=last]);
        }
    }
}
