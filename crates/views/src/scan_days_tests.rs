//! Tests the counts of days, those of the journal and the stored ones.

use super::*;
use crate::scan::tests::market;
use crate::testing::Facts;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Fact;
use std::path::Path;

fn archive() -> Archive {
    Archive::in_memory(Path::new("history")).unwrap()
}

/// One row as text: its day, strategy and symbol, and its counts.
fn text(rows: &[ScanDayView]) -> Vec<String> {
    let one = |row: &ScanDayView| {
        let ScanDayView { day, strategy, symbol, bars, unjudged, enters, adds, exits, near } = row;
        let day = day / DAY;
        format!(
            "{day} {strategy} {symbol}: {bars} bars, {unjudged} unjudged, {enters} {adds} {exits} \
             signals, {near} near"
        )
    };
    rows.iter().map(one).collect()
}

const FIRST_DAY: [&str; 9] = [
    "0 sma_cross A: 2 bars, 0 unjudged, 1 0 0 signals, 1 near",
    "0 sma_cross B: 2 bars, 0 unjudged, 0 0 0 signals, 2 near",
    "0 sma_cross C: 2 bars, 0 unjudged, 0 0 0 signals, 2 near",
    "0 sma_cross D: 2 bars, 0 unjudged, 0 0 0 signals, 2 near",
    "0 sma_cross E: 2 bars, 2 unjudged, 0 0 0 signals, 0 near",
    "0 wide A: 1 bars, 0 unjudged, 0 0 0 signals, 1 near",
    "0 wide B: 1 bars, 0 unjudged, 0 0 0 signals, 1 near",
    "0 wide C: 1 bars, 0 unjudged, 0 0 0 signals, 1 near",
    "0 wide D: 1 bars, 0 unjudged, 0 0 0 signals, 1 near",
];

#[test]
fn bars_signals_and_near_signals_are_counted_by_day_strategy_and_symbol() {
    let (mut market, archive) = (market(), archive());
    let rows = |facts: &[Fact<Body>], of, strategy| {
        scan_days(&Facts(facts.to_vec()), &archive, of, strategy).map(|rows| text(&rows))
    };
    let newest = 6 * MINUTE;
    assert_eq!(rows(&market.facts, (1, newest), None).unwrap(), FIRST_DAY);
    assert_eq!(rows(&market.facts, (9, newest), Some("wide")).unwrap(), FIRST_DAY[5..]);
    let why = rows(&market.facts, (1, newest), Some("wild")).unwrap_err().text;
    assert_eq!(why, "there is no strategy \"wild\"; did you mean wide?");
    // The bar that ends at midnight belongs to the next day.
    let minute = DAY / MINUTE;
    market.close(minute, "", &[("B", 101.0, 100.0)]);
    market.decided(minute);
    let second = "1 sma_cross B: 1 bars, 0 unjudged, 1 0 0 signals, 0 near";
    assert_eq!(rows(&market.facts, (1, DAY), None).unwrap(), [second]);
    let both = [&FIRST_DAY[..], &[second]].concat();
    assert_eq!(rows(&market.facts, (2, DAY), None).unwrap(), both);
}

#[test]
fn the_counts_of_a_night_stay_when_the_journal_has_them_no_longer() {
    let (market, archive) = (market(), archive());
    let whole = Facts(market.facts);
    store(&whole, &archive, 0).unwrap();
    assert!(archive.all(TABLE).unwrap().is_empty(), "the day is not over");
    store(&whole, &archive, DAY).unwrap();
    let nothing = Facts(Vec::new());
    let rows = |journal: &Facts, days, newest| {
        text(&scan_days(journal, &archive, (days, newest), None).unwrap())
    };
    assert_eq!(rows(&nothing, 1, 6 * MINUTE), FIRST_DAY);
    assert_eq!(rows(&nothing, 2, DAY), FIRST_DAY);
    assert!(rows(&nothing, 1, DAY).is_empty(), "one day is asked for");
    // What is stored is neither counted nor stored a second time.
    assert_eq!(rows(&whole, 1, 6 * MINUTE), FIRST_DAY);
    let before = archive.all(TABLE).unwrap();
    store(&nothing, &archive, DAY).unwrap();
    assert_eq!(archive.all(TABLE).unwrap(), before);
    // A later version may have stored more numbers, an earlier one fewer.
    let value = br#"[["A",[7,1,2,0,0,3,9]],["B",[5]]]"#.to_vec();
    let key = [&key_of(DAY)[..], b"sma_cross"].concat();
    archive.commit(&[Op::Put { table: TABLE, key, value }], true).unwrap();
    let other = [
        "1 sma_cross A: 7 bars, 1 unjudged, 2 0 0 signals, 3 near",
        "1 sma_cross B: 5 bars, 0 unjudged, 0 0 0 signals, 0 near",
    ];
    assert_eq!(rows(&whole, 1, DAY), other);
}

#[test]
fn bars_at_which_one_condition_failed_are_listed_with_the_smallest_gap_first() {
    let mut market = market();
    let minute = DAY / MINUTE;
    market.close(minute, "", &[("B", 99.99, 100.0)]);
    market.decided(minute);
    let journal = Facts(market.facts);
    let rows = |days, strategy, top| {
        let rows = near(&journal, (days, DAY), strategy, top).unwrap();
        let one = |row: &ScanView| {
            let gap = row.gap.map_or(-1.0, |gap| (gap * 1e4).round());
            format!("{} {} {} {gap}", row.strategy, row.symbol, row.close / MINUTE)
        };
        rows.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(rows(1, None, 9), ["sma_cross B 1440 1"]);
    let nearest = ["sma_cross B 1440 1", "wide A 5 50", "wide B 5 50"];
    assert_eq!(rows(2, None, 3), nearest);
    let all = rows(2, Some("sma_cross"), 100);
    // Of the same gap, the newest is first. A failed condition without numbers has no gap.
    let ordered = ["B 1440 1", "C 6 100", "B 6 200", "A 5 1000", "B 5 1000", "C 5 1000"];
    let ordered = ordered.map(|row| format!("sma_cross {row}"));
    assert_eq!(all[..6], ordered);
    assert_eq!(all[6..], ["sma_cross D 6 -1", "sma_cross D 5 -1"]);
    let why = near(&journal, (1, DAY), Some("wild"), 1).unwrap_err().text;
    assert!(why.contains("did you mean wide?"), "{why}");
}
