//! Each rule of composites on a few bars.

use super::{DAY, HOUR, MINUTE, bar, bars};
use crate::Bar;
use crate::composite::{Composites, Fold, Series, Step};

/// Day 4 is the first Monday.
const MONDAY: i64 = 4 * DAY;

/// The value of `ALT` after the bars of each minute, from the first one on.
fn alt(weights: &[(&'static str, f64)], rows: &[&[(&'static str, i64)]]) -> Vec<Option<f64>> {
    let mut composites = Composites::new(weights.iter().copied());
    let mut value = |(minute, row): (i64, &&[(&'static str, i64)])| {
        let steps = composites.update(minute * MINUTE, &bars(row)).unwrap();
        steps[0].map(|step| (step.value * 1e6).round() / 1e6)
    };
    (1..).zip(rows).map(&mut value).collect()
}

#[test]
fn a_value_is_the_weighted_mean_of_the_changes() {
    // A rises by 10 %, B falls by 20 %: 3 parts of one and 1 of the other.
    let values =
        alt(&[("A", 3.0), ("B", 1.0)], &[&[("A", 10), ("B", 50)], &[("A", 11), ("B", 40)]]);
    assert_eq!(values, [Some(100.0), Some(102.5)]);
}

#[test]
fn a_missing_member_changes_no_value_when_it_comes_or_goes() {
    let weights = [("A", 1.0), ("B", 1.0)];
    let values = alt(
        &weights,
        &[
            &[("A", 10)],
            &[("A", 20), ("B", 1)],
            // Both have two bars: the mean of +0 % and +100 %.
            &[("A", 20), ("B", 2)],
            &[("A", 20)],
            // B has no bar before this one: its change does not count.
            &[("A", 20), ("B", 9)],
            &[],
            // Nobody had a bar: the outage is bridged.
            &[("A", 40), ("B", 9)],
        ],
    );
    let want = [100.0, 200.0, 300.0, 300.0, 300.0].map(Some);
    assert_eq!(values, [&want[..], &[None, Some(450.0)]].concat());
    let mut composites = Composites::new([("A", 1.0), ("B", 1.0), ("C", 0.0), ("D", f64::NAN)]);
    composites.update(MINUTE, &bars(&[("A", 1), ("C", 1), ("D", 1)])).unwrap();
    let members: Vec<_> = composites.members(Series::Alt).collect();
    assert_eq!(members, [(&"A", true), (&"B", false)], "the missing one is visible");
}

#[test]
fn fewer_than_three_members_are_no_data() {
    let (all, two) = (bars(&[("A", 1), ("B", 1), ("C", 1)]), bars(&[("A", 3), ("B", 3)]));
    let mut composites = Composites::new([]);
    assert_eq!(composites.update(DAY, &all).unwrap(), [None; 5], "there was no cut yet");
    let large = |composites: &mut Composites<&'static str>, time: i64, bars: &[_]| {
        composites.update(time, bars).unwrap()[Series::Large.place()].map(|step| step.value)
    };
    assert_eq!(large(&mut composites, DAY + MINUTE, &all), Some(100.0));
    assert_eq!(large(&mut composites, DAY + 2 * MINUTE, &two), None);
    assert_eq!(composites.value(Series::Large), Some(100.0), "the last value stays");
    // C is compared with its own bar of the last value. A and B have newer bars than that.
    let later = bars(&[("A", 3), ("B", 3), ("C", 2)]);
    assert_eq!(large(&mut composites, DAY + 3 * MINUTE, &later), None);
    let last = bars(&[("A", 6), ("B", 6), ("C", 4)]);
    assert_eq!(large(&mut composites, DAY + 4 * MINUTE, &last), Some(200.0));
}

/// Bars of 13 symbols, `A` first. Those before `turn` have low volumes.
fn market(closes: i64, turn: usize) -> Vec<(&'static str, Bar)> {
    let names = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M"];
    let volume = |at: usize| if at < turn { 1 } else { 2 };
    names.into_iter().enumerate().map(|(at, name)| (name, bar(closes, volume(at)))).collect()
}

#[test]
fn buckets_are_cut_at_mondays_by_the_day_before_and_no_value_jumps() {
    let mut composites = Composites::new([]);
    let names = |composites: &Composites<&'static str>, series| {
        composites.members(series).map(|(name, _)| *name).collect::<String>()
    };
    let mut at = |time: i64, close: i64, turn: usize| {
        let steps = composites.update(time, &market(close, turn)).unwrap();
        let values = [Series::Large, Series::Mid].map(|of| steps[of.place()].map(|s| s.value));
        (values, names(&composites, Series::Mid), composites.cut())
    };
    // Of equal volumes, the first by name counts.
    assert_eq!(at(DAY - HOUR, 1, 0), ([None, None], String::new(), None));
    assert_eq!(at(DAY, 1, 0), ([None, None], String::new(), None), "a bar of the day before");
    let first = [Some(100.0); 2];
    assert_eq!(at(DAY + MINUTE, 1, 0), (first, "KLM".to_owned(), Some(1)), "the first midnight");
    let cut = |values, members: &str, day| (values, members.to_owned(), Some(day));
    assert_eq!(at(2 * DAY + MINUTE, 2, 13), cut([Some(200.0); 2], "KLM", 1), "no Monday");
    assert_eq!(at(MONDAY - HOUR, 2, 3), cut([Some(200.0); 2], "KLM", 1), "a Sunday");
    assert_eq!(at(MONDAY, 4, 3), cut([Some(400.0); 2], "KLM", 1), "the last bar of Sunday");
    assert_eq!(at(MONDAY + MINUTE, 4, 0), cut([Some(400.0); 2], "ABC", 4), "no jump");
    assert_eq!(at(MONDAY + 2 * MINUTE, 8, 0), cut([Some(800.0); 2], "ABC", 4));
    // Without a bar for days, the newest day before the Monday decides: here it is a Monday.
    assert_eq!(at(MONDAY + 9 * DAY, 8, 0), cut([Some(800.0); 2], "KLM", 12));
}

#[test]
fn bars_that_do_not_ascend_or_are_not_valid_change_nothing() {
    let mut composites = Composites::new([("A", 1.0), ("B", 1.0)]);
    assert!(composites.update(MINUTE, &bars(&[("A", 1), ("B", 1)])).is_some());
    let before = composites.clone();
    assert!(composites.update(MINUTE, &bars(&[("A", 1)])).is_none(), "the same close");
    for wrong in [[("B", 1), ("A", 1)], [("A", 1), ("A", 2)]] {
        assert!(composites.update(2 * MINUTE, &bars(&wrong)).is_none(), "{wrong:?}");
    }
    assert_eq!(composites, before);
    let steps = composites.update(2 * MINUTE, &bars(&[("A", 2), ("B", 0)])).unwrap();
    assert_eq!(steps[0], Some(Step { before: 100.0, value: 200.0 }), "B has no price");
    let far = Bar { high: i64::MAX, close: i64::MAX, ..bar(1, 1) };
    let steps = composites.update(3 * MINUTE, &[("A", far)]).unwrap();
    assert_eq!((steps[0], composites.value(Series::Alt)), (None, Some(200.0)), "out of range");
}

#[test]
fn a_bar_has_the_extremes_of_its_values_and_opens_where_the_last_one_closed() {
    let (mut fold, mut found) = (Fold::new(HOUR), Vec::new());
    let mut value = 100.0;
    for (minute, next) in [(1, 101.0), (30, 99.0), (60, 100.5), (61, 100.0), (150, 102.0)] {
        fold.update(minute * MINUTE, Step { before: value, value: next }, &mut found);
        value = next;
    }
    let shown = found.iter().map(|bar| {
        let prices = [bar.open, bar.high, bar.low, bar.close].map(|units| units / 10_000_000);
        (bar.open_time / HOUR, prices)
    });
    // The second one has no value at its end: the next value completes it. The third is not over.
    let want = [(0, [1000, 1010, 990, 1005]), (1, [1005, 1005, 1000, 1000])];
    assert_eq!(shown.collect::<Vec<_>>(), want);
}
