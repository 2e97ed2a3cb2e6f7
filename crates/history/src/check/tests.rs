use super::*;
use crate::Projector;
use crate::bars::{keep, outage_ops};
use crate::key_encoding::BAR;
use crate::old_bars::{Goal, move_out};
use crate::removed::REMOVED;
use crate::repair::{Repaired, marked, repair, unmark};
use everwarm_domain::fact::Analysis;
use everwarm_domain::market::RolledBar;
use everwarm_domain::money::Price;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::{Key, Library as _};
use std::path::Path;
use std::sync::Arc;

fn symbol(name: &str) -> Symbol {
    Symbol::named(name).unwrap()
}

fn bar(name: &str, width: Timeframe, at: i64) -> Bar {
    let price = Price::e8((100 + at % 5) * 100_000_000);
    let (open_time, volume) = (at * width.ms(), 1.into());
    let [open, high, low, close] = [price; 4];
    Bar { symbol: symbol(name), open_time, open, high, low, close, volume }
}

fn fact(n: u64, rank: u16, body: Body) -> Fact<Body> {
    Fact { key: Key { n, rank, i: 0 }, time: 0, version: 1, because: Vec::new(), body }
}

fn close(n: u64, minute: i64) -> Fact<Body> {
    let bars = ["AAA", "BBB"].map(|name| bar(name, Timeframe::M1, minute)).to_vec();
    fact(n, 0, Body::Market(Market::close((minute + 1) * MINUTE, bars, Vec::new())))
}

/// A history of three fetched ranges, 20 closes and their bars of 5 minutes, and its journal.
fn store() -> (Arc<Archive>, Vec<Fact<Body>>) {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let minutes =
        |name, all: std::ops::Range<i64>| all.map(|at| bar(name, Timeframe::M1, at)).collect();
    let ranges: [(Symbol, Vec<Bar>); 3] = [
        (symbol("AAA"), minutes("AAA", 0..50)),
        (symbol("AAA"), minutes("AAA", 10..60)),
        (symbol("BBB"), minutes("BBB", 0..60)),
    ];
    let mut facts = Vec::new();
    for announced in keep(&archive, Timeframe::M1, &ranges).unwrap() {
        facts.push(fact(facts.len() as u64 + 1, 0, Body::Market(announced)));
    }
    for minute in 60..80 {
        let n = facts.iter().filter(|fact| fact.key.rank == 0).count() as u64 + 1;
        facts.push(close(n, minute));
        if minute % 5 == 4 {
            let of = |name| RolledBar {
                bar: bar(name, Timeframe::M5, minute / 5),
                count: 5,
                complete: true,
            };
            let (timeframe, bars) = (Timeframe::M5, vec![of("AAA"), of("BBB")]);
            facts.push(fact(n, 100, Body::Analysis(Analysis::Rolled { timeframe, bars })));
        }
    }
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
    (archive, facts)
}

fn check(archive: &Archive, facts: &[Fact<Body>], whole_from: u64) -> StoreCheck {
    let mut checker = Checker::begin(archive, whole_from).unwrap();
    for (row, fact) in (1..).zip(facts) {
        checker.fact(row, fact);
    }
    checker.finish().unwrap()
}

fn kinds(check: &StoreCheck) -> Vec<(Kind, &'static str)> {
    check.problems.iter().map(|problem| (problem.kind, problem.table)).collect()
}

fn rows(archive: &Archive, table: &'static str) -> Vec<Row> {
    archive.all(table).unwrap()
}

fn put(archive: &Archive, table: &'static str, (key, value): (Vec<u8>, Vec<u8>)) {
    archive.commit(&[Op::Put { table, key, value }], true).unwrap();
}

fn delete(archive: &Archive, table: &'static str, key: Vec<u8>) {
    archive.commit(&[Op::Delete { table, key }], true).unwrap();
}

/// Changes one byte of a value.
fn flip(archive: &Archive, table: &'static str, row: usize, at: usize) {
    let (key, mut value) = rows(archive, table).remove(row);
    value[at] ^= 1;
    put(archive, table, (key, value));
}

#[test]
fn a_whole_history_has_no_problem_and_every_row_is_counted() {
    let (archive, facts) = store();
    let whole = check(&archive, &facts, 1);
    assert_eq!(kinds(&whole), []);
    assert_eq!((whole.compared, whole.uncompared), (24, 0));
    let aaa = whole.series[&(symbol("AAA"), Timeframe::M1)];
    let expected = SeriesCheck { ranges: 2, good_ranges: 2, bars: 20, good_bars: 20 };
    assert_eq!(aaa, expected);
    assert_eq!(whole.series[&(symbol("BBB"), Timeframe::M5)].good_bars, 4);
    // The journal keeps no facts about the first closes any more.
    let later = check(&archive, &facts[10..], 1);
    assert_eq!(kinds(&later), []);
    assert!(later.uncompared > 0);
}

#[test]
fn planted_damage_is_found_and_named() {
    let damaged = |harm: &dyn Fn(&Archive)| {
        let (archive, facts) = store();
        harm(&archive);
        let found = check(&archive, &facts, 1);
        (kinds(&found), found)
    };
    let (wrong, found) = damaged(&|archive| flip(archive, RANGES, 2, 15 * BAR + 47));
    assert_eq!(wrong, [(Kind::Digest, RANGES)]);
    assert_eq!(found.problems[0].of, Some((symbol("BBB"), Timeframe::M1)));
    assert_eq!(found.problems[0].times, Some(0..=59 * MINUTE));
    assert_eq!(found.problems[0].announced.map(|of| of.n), Some(3));
    let bbb = found.series[&(symbol("BBB"), Timeframe::M1)];
    assert_eq!((bbb.ranges, bbb.good_ranges), (1, 0));

    let remove = |archive: &Archive| {
        delete(archive, RANGES, rows(archive, RANGES).remove(0).0);
    };
    let (wrong, found) = damaged(&remove);
    assert_eq!(wrong, [(Kind::Missing, RANGES)]);
    assert_eq!(found.problems[0].why, "input 1 announced this range, and it is missing");

    let double = |archive: &Archive| {
        let (key, mut value) = rows(archive, RANGES).remove(0);
        value.extend_from_within(value.len() - BAR..);
        put(archive, RANGES, (key, value));
    };
    assert_eq!(damaged(&double).0, [(Kind::Doubled, RANGES)]);
    let cut = |archive: &Archive| {
        let (key, mut value) = rows(archive, RANGES).remove(0);
        value.pop();
        put(archive, RANGES, (key, value));
    };
    assert_eq!(damaged(&cut).0, [(Kind::Form, RANGES)]);

    // A byte of the close of the second symbol of a row.
    let other = |archive: &Archive| flip(archive, BARS, 3, 2 * SYMBOL + BAR + 39);
    let (wrong, found) = damaged(&other);
    assert_eq!(wrong, [(Kind::Differs, BARS)]);
    assert_eq!(found.problems[0].why, "the journal has other bars of BBB");
    let bbb = found.series[&(symbol("BBB"), Timeframe::M1)];
    assert_eq!((bbb.bars, bbb.good_bars), (20, 19));
    let lost = |archive: &Archive| {
        delete(archive, BARS, rows(archive, BARS).remove(3).0);
    };
    let (wrong, found) = damaged(&lost);
    assert_eq!(wrong, [(Kind::Missing, BARS)]);
    assert_eq!(found.problems[0].times, Some(63 * MINUTE..=63 * MINUTE));
    let again = |archive: &Archive| {
        let (mut key, value) = rows(archive, BARS).remove(3);
        key[16] += 1;
        put(archive, BARS, (key, value));
    };
    assert_eq!(damaged(&again).0, [(Kind::Stray, BARS)]);
    let outage = |archive: &Archive| {
        let mut ops = Vec::new();
        outage_ops(symbol("AAA"), Timeframe::M1, &[7..=MINUTE], &mut ops);
        archive.commit(&ops, true).unwrap();
    };
    assert_eq!(damaged(&outage).0, [(Kind::Form, OUTAGES)]);
}

#[test]
fn bars_that_the_retention_moved_out_are_not_missing() {
    let (archive, facts) = store();
    let all = rows(&archive, BARS);
    let before = time_in(&all[5].0, 1).unwrap();
    move_out(&archive, (Timeframe::M1, before), Goal::Remove, &mut || true).unwrap();
    assert_eq!(rows(&archive, BARS)[0], all[5]);
    assert_eq!(kinds(&check(&archive, &facts, 1)), []);
    // A first row that got lost is missing.
    delete(&archive, BARS, all[5].0.clone());
    assert_eq!(kinds(&check(&archive, &facts, 1)), [(Kind::Missing, BARS)]);

    // An older program, a wipe and an export do not say what was removed of their facts.
    for (key, _) in rows(&archive, REMOVED) {
        delete(&archive, REMOVED, key);
    }
    assert_eq!(kinds(&check(&archive, &facts, 1)), []);
    let row = facts.len() as u64 + 1;
    let later = close(facts.last().unwrap().key.n + 1, 80);
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    projector.apply([(row, &later)], row, true).unwrap();
    let facts = [facts, vec![later]].concat();
    assert_eq!(kinds(&check(&archive, &facts, 1)), []);
    let minutes = rows(&archive, BARS).into_iter().filter(|(key, _)| key[0] == 0);
    for (key, _) in minutes {
        delete(&archive, BARS, key);
    }
    assert_eq!(kinds(&check(&archive, &facts, 1)), [(Kind::Missing, BARS)], "the later one");
}

/// Repairs, and returns what was done, what the quarantine got and what is still wrong.
fn repaired(archive: &Archive, facts: &[Fact<Body>]) -> (Repaired, String, StoreCheck) {
    let (found, mut lines) = (check(archive, facts, 1), String::new());
    let done = repair(archive, &found.problems, |text| {
        lines.push_str(text);
        Ok(())
    });
    (done.unwrap(), lines, check(archive, facts, 1))
}

#[test]
fn a_repair_takes_bars_from_facts_and_from_other_ranges_and_never_invents_one() {
    let (archive, facts) = store();
    // A damaged bar that the other range has, and one that only bars from facts could have.
    flip(&archive, RANGES, 0, 15 * BAR + 47);
    flip(&archive, BARS, 3, 2 * SYMBOL + BAR + 39);
    delete(&archive, BARS, rows(&archive, BARS).remove(7).0);
    let before = rows(&store().0, RANGES);
    let (done, lines, after) = repaired(&archive, &facts);
    let expected = Repaired { quarantined: 2, from_facts: 2, rebuilt: 1, marked: 0 };
    assert_eq!((done, kinds(&after)), (expected, vec![]));
    assert_eq!(rows(&archive, RANGES), before);
    let words: Vec<&str> = lines.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(words, [BARS, RANGES]);

    // No other range has these bars: the range leaves, and the next start fetches it.
    let (archive, facts) = store();
    flip(&archive, RANGES, 2, 15 * BAR + 47);
    let (done, _, after) = repaired(&archive, &facts);
    assert_eq!((done.marked, done.rebuilt, kinds(&after)), (1, 0, vec![(Kind::Missing, RANGES)]));
    let waits = marked(&archive).unwrap();
    assert_eq!((waits[0].of.0, waits[0].times.clone()), (symbol("BBB"), 0..=59 * MINUTE));
    let fetched: Vec<Bar> = (0..60).map(|at| bar("BBB", Timeframe::M1, at)).collect();
    assert_eq!(bars::digest(&fetched), waits[0].digest);
    keep(&archive, Timeframe::M1, &[(symbol("BBB"), fetched)]).unwrap();
    unmark(&archive, &waits).unwrap();
    assert_eq!((marked(&archive).unwrap(), kinds(&check(&archive, &facts, 1))), (vec![], vec![]));
    let library = crate::HistoryLibrary::new(archive);
    assert!(library.resolve(&facts[2].body).unwrap().is_some(), "a stage reads it again");
}

#[test]
fn nothing_changes_if_the_quarantine_cannot_be_written() {
    let (archive, facts) = store();
    flip(&archive, RANGES, 2, 15 * BAR + 47);
    let (before, found) = (rows(&archive, RANGES), check(&archive, &facts, 1));
    let refused = repair(&archive, &found.problems, |_| Err("no space".to_owned()));
    assert_eq!(refused.unwrap_err().to_string(), "no space");
    assert_eq!(rows(&archive, RANGES), before);
}

#[test]
fn a_sample_reads_the_newest_ranges_of_the_named_symbols() {
    let (archive, _) = store();
    assert_eq!(sample(&archive, &[symbol("AAA"), symbol("BBB")]).unwrap(), (3, vec![]));
    flip(&archive, RANGES, 2, 15 * BAR + 47);
    assert_eq!(sample(&archive, &[symbol("AAA")]).unwrap(), (2, vec![]));
    let (ranges, wrong) = sample(&archive, &[symbol("BBB")]).unwrap();
    assert_eq!((ranges, wrong[0].kind), (1, Kind::Digest));
}
