//! Tests the counts of days, those of the journal and the stored ones.

use super::*;
use crate::scan::tests::market;
use crate::testing::Facts;
use everwarm_domain::fact::Body;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::Fact;
use std::path::Path;

pub(super) fn archive() -> Archive {
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
    store(&whole, &archive, 0, false).unwrap();
    assert!(archive.all(TABLE).unwrap().is_empty(), "the day is not over");
    store(&whole, &archive, DAY, false).unwrap();
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
    store(&nothing, &archive, DAY, false).unwrap();
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
fn counts_stay_for_90_days_or_as_long_as_facts_and_near_bars_for_30() {
    let archive = archive();
    let put = |table, day: i64| {
        let key = [&key_of(day * DAY)[..], b"sma_cross"].concat();
        Op::Put { table, key, value: b"[]".to_vec() }
    };
    let days = |table| -> Vec<i64> {
        let rows = archive.all(table).unwrap().into_iter();
        rows.map(|(key, _)| i64::from_be_bytes(*key.first_chunk().unwrap()) / DAY).collect()
    };
    let fill = || {
        let tables = [TABLE, near::TABLE].into_iter();
        let ops = tables.flat_map(|table| (0..=200).map(move |day| put(table, day)));
        archive.commit(&ops.collect::<Vec<Op>>(), true).unwrap();
    };
    let rules = |analysis_days| StorageRules { analysis_days, ..StorageRules::default() };
    for (analysis_days, counts, near) in [(0, 0, 0), (30, 110, 170), (90, 110, 170), (150, 50, 170)]
    {
        fill();
        remove_old(&archive, &rules(analysis_days), 200).unwrap();
        let expected = [(counts..=200).collect::<Vec<i64>>(), (near..=200).collect()];
        assert_eq!([days(TABLE), days(near::TABLE)], expected, "{analysis_days}");
    }
    // On the first days of the epoch nothing is old.
    fill();
    remove_old(&archive, &rules(90), 20).unwrap();
    assert_eq!(days(near::TABLE).len(), 201);
}
