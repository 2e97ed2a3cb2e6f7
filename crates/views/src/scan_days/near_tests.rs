//! Tests the bars near a signal, those of the journal and those that a night kept.

use super::super::tests::archive;
use super::super::{Counts, TABLE as COUNTS, store};
use super::*;
use crate::scan::tests::market;
use crate::testing::Facts;
use everwarm_domain::fact::Body;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Fact;
use everwarm_trading::testing::world::{Delivery, World};

/// The rows of a view: strategy, symbol, minute of the bar, and gap.
fn text(view: &NearView) -> Vec<String> {
    let one = |row: &ScanView| {
        let gap = row.gap.map_or(-1.0, |gap| (gap * 1e4).round());
        format!("{} {} {} {gap}", row.strategy, row.symbol, row.close / MINUTE)
    };
    view.rows.iter().map(one).collect()
}

/// The unknown days of a view: the first and the last day, and why.
fn unknown(view: &NearView) -> Vec<(i64, i64, &str)> {
    let one = |of: &UnknownDaysView| (of.from / DAY, of.to / DAY);
    view.unknown.iter().map(|of| (one(of).0, one(of).1, of.why.as_str())).collect()
}

#[test]
fn bars_at_which_one_condition_failed_are_listed_with_the_smallest_gap_first() {
    let mut market = market();
    let minute = DAY / MINUTE;
    market.close(minute, "", &[("B", 99.99, 100.0)]);
    market.decided(minute);
    let (journal, archive) = (Facts(market.facts), archive());
    let rows =
        |days, strategy, top| text(&near(&journal, &archive, (days, DAY), strategy, top).unwrap());
    assert_eq!(rows(1, None, 9), ["sma_cross B 1440 1"]);
    let nearest = ["sma_cross B 1440 1", "wide A 5 50", "wide B 5 50"];
    assert_eq!(rows(2, None, 3), nearest);
    let all = rows(2, Some("sma_cross"), 100);
    // Of the same gap, the newest is first. A failed condition without numbers has no gap.
    let ordered = ["B 1440 1", "C 6 100", "B 6 200", "A 5 1000", "B 5 1000", "C 5 1000"];
    let ordered = ordered.map(|row| format!("sma_cross {row}"));
    assert_eq!(all[..6], ordered);
    assert_eq!(all[6..], ["sma_cross D 6 -1", "sma_cross D 5 -1"]);
    let why = near(&journal, &archive, (1, DAY), Some("wild"), 1).unwrap_err().text;
    assert!(why.contains("did you mean wide?"), "{why}");
}

/// Three hours of three symbols, in the order of their keys.
fn hours() -> Vec<Fact<Body>> {
    let mut world = World::new(Delivery::Whole, 0);
    world.walk_from(600, 180);
    world.facts
}

#[test]
fn a_night_keeps_the_nearest_bars_of_each_symbol_and_they_outlive_their_facts() {
    let (facts, archive) = (hours(), archive());
    let newest = 780 * MINUTE;
    let of = |facts: &[Fact<Body>], top| {
        near(&Facts(facts.to_vec()), &archive, (3, newest), None, top).unwrap()
    };
    let all = of(&facts, 10_000);
    assert!(all.rows.len() > 100 && all.unknown.is_empty(), "{}", all.rows.len());
    store(&Facts(facts.clone()), &archive, DAY, true).unwrap();
    // The nearest come first, so each symbol has its first rows.
    let mut seen: BTreeMap<Symbol, usize> = BTreeMap::new();
    let mut expected = all.rows.clone();
    expected.retain(|row| {
        let seen = seen.entry(row.symbol).or_default();
        *seen += 1;
        *seen <= NEAR_ROWS
    });
    assert_eq!(expected.len(), 3 * NEAR_ROWS, "each symbol has more than are kept");
    // With the facts, nothing changes. Without them, the kept bars are there.
    assert_eq!(of(&facts, 10_000), all);
    assert_eq!(of(&[], 10_000), NearView { rows: expected.clone(), unknown: Vec::new() });
    assert_eq!(of(&[], 4).rows, expected[..4]);
    let other = near(&Facts(Vec::new()), &archive, (1, newest), Some("other"), 9).unwrap_err();
    assert!(other.text.contains("there is no strategy"), "{other}");
    forget_near(&archive).unwrap();
    forget_near(&archive).unwrap();
    let gone = of(&[], 10_000);
    let off = "storage.scan_history was off, or an emergency of storage removed them";
    assert_eq!((gone.rows.len(), unknown(&gone)), (0, vec![(0, 0, off)]));
}

#[test]
fn days_of_which_no_bar_is_known_are_named_with_the_reason() {
    let archive = archive();
    let put = |day: i64, id: &str, near: u64| {
        let counts = Counts { bars: 9, near, ..Counts::default() };
        let key = [&key_of(day * DAY)[..], id.as_bytes()].concat();
        let symbols = [(Symbol::new("A").unwrap(), counts.numbers())];
        Op::Put { table: COUNTS, key, value: serde_json::to_vec(&symbols).unwrap() }
    };
    // On day 98 no bar was near. On day 99 only those of `other` were.
    let mut ops: Vec<Op> = [60, 61, 96, 97].map(|day| put(day, "sma_cross", 3)).to_vec();
    ops.extend([put(98, "sma_cross", 0), put(99, "sma_cross", 0), put(99, "other", 1)]);
    archive.commit(&ops, true).unwrap();
    let of = |strategy| {
        near(&Facts(Vec::new()), &archive, (90, 100 * DAY), strategy, 9).map(|view| {
            let owned = |(from, to, why): (i64, i64, &str)| (from, to, why.to_owned());
            unknown(&view).into_iter().map(owned).collect::<Vec<_>>()
        })
    };
    let old = (60, 61, "the history keeps such bars for 30 days".to_owned());
    let off = "storage.scan_history was off, or an emergency of storage removed them".to_owned();
    let expected = [old, (96, 97, off.clone()), (99, 99, off)];
    assert_eq!(of(None).unwrap(), expected);
    assert!(of(Some("sma_cross")).is_err(), "the journal knows no strategy");
}
