//! Tests of the move from the history into files, stopped at every step.

use super::*;
use crate::Projector;
use everwarm_domain::fact::{Analysis, Body, Market};
use everwarm_domain::market::RolledBar;
use everwarm_domain::money::Price;
use everwarm_domain::time::MINUTE;
use everwarm_kernel::fact::{Fact, Key};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// 2026-01-31T16:00Z: eight hours before a month ends.
const START: UtcMs = 1_769_875_200_000;
/// Minutes in the history.
const MINUTES: i64 = 900;
const SYMBOLS: [&str; 2] = ["AAA", "BBB"];

fn bar(name: &str, open_time: UtcMs, close: i64) -> Bar {
    let price = Price::e8(close);
    let (symbol, volume) = (Symbol::named(name).unwrap(), 1.into());
    Bar { symbol, open_time, open: price, high: price, low: price, close: price, volume }
}

/// A history with closes, late bars, rolled bars, and fetched bars of a gap.
fn history() -> Arc<Archive> {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let (mut facts, mut n) = (Vec::new(), 0);
    let mut fact = |rank, time, body| {
        n += u64::from(rank == 0);
        facts.push(Fact { key: Key { n, rank, i: 0 }, time, version: 0, because: vec![], body });
    };
    for minute in 0..MINUTES {
        let (open, time) = (START + minute * MINUTE, START + (minute + 1) * MINUTE);
        // BBB trades less, and has a gap.
        let traded = |name: &&str| *name == "AAA" || (minute % 3 == 0 && minute < 600);
        let bars = SYMBOLS.into_iter().filter(traded).map(|name| bar(name, open, 1 + minute));
        let close = Market::close(time, bars.collect(), Vec::new());
        fact(0, time, Body::Market(close));
        if time % Timeframe::M15.ms() == 0 {
            let bar = bar("AAA", time - Timeframe::M15.ms(), 1 + minute);
            let bars = vec![RolledBar { bar, count: 15, complete: true }];
            let timeframe = Timeframe::M15;
            fact(100, time, Body::Analysis(Analysis::Rolled { timeframe, bars }));
        }
        // It arrives much later, and is another bar than the one of its close.
        if minute == 700 {
            let late = Market::LateBar { bar: bar("AAA", START + 5 * MINUTE, 77_777), odd: None };
            fact(0, time, Body::Market(late));
        }
    }
    projector.apply((1..).zip(&facts), facts.len() as u64, true).unwrap();
    // The first of them are of minutes that closes have, too.
    let fetched = (500..MINUTES).map(|minute| bar("BBB", START + minute * MINUTE, 5)).collect();
    let fetched = [(Symbol::named("BBB").unwrap(), fetched)];
    bars::keep(&archive, Timeframe::M1, &fetched).unwrap();
    archive
}

/// Files in memory. A month has each bar once.
#[derive(Default)]
struct Files {
    months: RefCell<BTreeMap<(Timeframe, String), Sorted>>,
    /// Writes until one fails.
    fails_after: Cell<Option<usize>>,
}

impl MonthFiles for Files {
    fn add(&self, width: Timeframe, month: &str, bars: MonthBars) -> Result<(), String> {
        match self.fails_after.get() {
            Some(0) => return Err("no space left for 1m/2026-01.parquet".to_owned()),
            left => self.fails_after.set(left.map(|left| left - 1)),
        }
        let mut months = self.months.borrow_mut();
        let file = months.entry((width, month.to_owned())).or_default();
        let bars = bars.merged(file.keys().copied());
        file.extend(bars);
        Ok(())
    }
}

impl Files {
    fn all(&self, width: Timeframe) -> Sorted {
        let months = self.months.borrow();
        let of_width = months.iter().filter(|((of, _), _)| *of == width);
        let mut all = Sorted::new();
        for ((_, month), bars) in of_width {
            for (key, bar) in bars {
                assert_eq!(month_of(bar.open_time), *month);
                assert!(all.insert(*key, *bar).is_none(), "{key:?} is in two months");
            }
        }
        all
    }
}

/// What the history has.
fn live(archive: &Archive, width: Timeframe) -> Sorted {
    let mut all = Sorted::new();
    for symbol in SYMBOLS.map(|name| Symbol::named(name).unwrap()) {
        let bars = bars::read(archive, width, symbol, UtcMs::MIN..=UtcMs::MAX).unwrap();
        all.extend(bars.into_iter().map(|bar| ((bar.symbol, bar.open_time), bar)));
    }
    all
}

/// The files and the history together. A file has what the history had: a bar of a close, not the
/// one that was fetched.
fn union(archive: &Archive, files: &Files, width: Timeframe) -> Sorted {
    let mut all = live(archive, width);
    all.extend(files.all(width));
    all
}

/// Fails at the first bar that differs.
fn same(found: &Sorted, wanted: &Sorted, steps: usize) {
    let lost = wanted.iter().find(|(key, bar)| found.get(key) != Some(bar));
    assert_eq!(lost, None, "stopped at step {steps}");
    assert_eq!(found.len(), wanted.len(), "stopped at step {steps}");
}

fn all_of(archive: &Archive, files: &Files, before: UtcMs, steps: usize) -> Result<(), String> {
    let mut left = steps;
    let mut goes_on = || {
        left = left.saturating_sub(1);
        left > 0
    };
    let goal = Goal::Files(files);
    let moved = move_out(archive, (Timeframe::M1, before), goal, &mut goes_on);
    moved.map(drop).map_err(|e| e.to_string())
}

#[test]
fn old_bars_are_in_the_file_of_their_month_and_wider_ones_stay() {
    let (archive, files) = (history(), Files::default());
    let before = live(&archive, Timeframe::M1);
    let wide = live(&archive, Timeframe::M15);
    let due = START + 850 * MINUTE;
    let of = (Timeframe::M1, due);
    let counted = move_out(&archive, of, Goal::Count, &mut || true).unwrap();
    assert_eq!(live(&archive, Timeframe::M1), before, "counting changes nothing");
    let moved = move_out(&archive, of, Goal::Files(&files), &mut || true).unwrap();
    assert_eq!(moved, counted);
    let months: Vec<(&str, u64, i64, i64)> = moved
        .iter()
        .map(|of| (&of.month[..], of.bars, of.first - START, of.last - START))
        .collect();
    // 480 minutes of AAA and a late bar, and every third of BBB.
    let minute = |minute: i64| minute * MINUTE;
    let january = ("2026-01", 480 + 1 + 160, 0, minute(479));
    let february = ("2026-02", 370 + 40, minute(480), minute(849));
    assert_eq!(months, [january, february]);
    assert_eq!(union(&archive, &files, Timeframe::M1), before);
    let late = (Symbol::named("AAA").unwrap(), START + 5 * MINUTE);
    assert_eq!(files.all(Timeframe::M1)[&late].close, Price::e8(77_777));
    let aaa = |all: &Sorted| all.keys().filter(|(symbol, _)| symbol.as_str() == "AAA").count();
    assert_eq!(aaa(&live(&archive, Timeframe::M1)), 50);
    // The gap of BBB was fetched. The file has it, too.
    let fetched = (Symbol::named("BBB").unwrap(), START + 700 * MINUTE);
    assert!(files.all(Timeframe::M1).contains_key(&fetched));
    assert_eq!(live(&archive, Timeframe::M15), wide);
    assert_eq!(move_out(&archive, of, Goal::Files(&files), &mut || true).unwrap(), []);
}

#[test]
fn a_stop_at_any_step_loses_nothing_and_doubles_nothing() {
    let whole = history();
    let before = live(&whole, Timeframe::M1);
    let due = START + 850 * MINUTE;
    let expected = {
        let files = Files::default();
        all_of(&whole, &files, due, usize::MAX).unwrap();
        (files.all(Timeframe::M1), live(&whole, Timeframe::M1))
    };
    let mut stops = 0;
    for steps in 1.. {
        let (archive, files) = (history(), Files::default());
        all_of(&archive, &files, due, steps).unwrap();
        same(&union(&archive, &files, Timeframe::M1), &before, steps);
        let rest = live(&archive, Timeframe::M1);
        if rest == expected.1 {
            break;
        }
        stops += 1;
        all_of(&archive, &files, due, usize::MAX).unwrap();
        same(&files.all(Timeframe::M1), &expected.0, steps);
        same(&live(&archive, Timeframe::M1), &expected.1, steps);
    }
    assert!(stops > 8, "{stops} stops");
}

#[test]
fn bars_stay_if_their_file_cannot_be_written() {
    let whole = history();
    let before = live(&whole, Timeframe::M1);
    let due = START + 850 * MINUTE;
    for writes in 0..2 {
        let (archive, files) = (history(), Files::default());
        files.fails_after.set(Some(writes));
        let why = all_of(&archive, &files, due, usize::MAX).unwrap_err();
        assert!(why.contains("2026-01.parquet"), "{why}");
        assert_eq!(union(&archive, &files, Timeframe::M1), before, "{writes} writes");
        files.fails_after.set(None);
        all_of(&archive, &files, due, usize::MAX).unwrap();
        assert_eq!(union(&archive, &files, Timeframe::M1), before);
    }
}

#[test]
fn what_is_removed_without_an_archive_goes_and_wider_bars_stay() {
    let archive = history();
    let due = START + 850 * MINUTE;
    let wide = live(&archive, Timeframe::M15);
    let estimated = due_bytes(&archive, Timeframe::M1, due).unwrap();
    let of = (Timeframe::M1, due);
    let moved = move_out(&archive, of, Goal::Remove, &mut || true).unwrap();
    let bytes: u64 = moved.iter().map(|of| of.bytes).sum();
    assert!(estimated > bytes / 2 && estimated < bytes * 2, "{estimated} for {bytes}");
    assert_eq!(due_bytes(&archive, Timeframe::M1, due).unwrap(), 0);
    let first = *live(&archive, Timeframe::M1).keys().next().unwrap();
    assert_eq!(first.1, due);
    assert_eq!(live(&archive, Timeframe::M15), wide);
}

#[test]
fn a_wide_bar_that_lacks_minutes_gives_way_to_a_fetched_one() {
    let archive = Arc::new(Archive::in_memory(Path::new("history")).unwrap());
    let mut projector = Projector::new(Arc::clone(&archive)).unwrap();
    let (timeframe, hour) = (Timeframe::H1, Timeframe::H1.ms());
    let made = |n: i64, count, complete| {
        let bars = vec![RolledBar { bar: bar("AAA", START + n * hour, 1), count, complete }];
        let key = Key { n: 1 + n.unsigned_abs(), rank: 100, i: 0 };
        let body = Body::Analysis(Analysis::Rolled { timeframe, bars });
        Fact { key, time: START, version: 0, because: vec![], body }
    };
    let facts = [made(0, 60, true), made(1, 59, false), made(2, 58, false)];
    projector.apply((1..).zip(&facts), 3, true).unwrap();
    let fetched = (0..2).map(|n| bar("AAA", START + n * hour, 9)).collect();
    bars::keep(&archive, timeframe, &[(Symbol::named("AAA").unwrap(), fetched)]).unwrap();
    let files = Files::default();
    let of = (timeframe, START + 3 * hour);
    move_out(&archive, of, Goal::Files(&files), &mut || true).unwrap();
    let closes: Vec<Price> = files.all(timeframe).values().map(|bar| bar.close).collect();
    assert_eq!(closes, [1, 9, 1].map(Price::e8));
}

#[test]
fn files_expire_by_month_and_other_files_stay() {
    let name = format!("everwarm-old-bars-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::remove_dir_all(&folder).ok();
    let minutes = folder.join("1m");
    std::fs::create_dir_all(&minutes).unwrap();
    let names = ["2025-12", "2026-01", "2026-02"];
    for name in names {
        std::fs::write(file_of(&folder, Timeframe::M1, name), "x").unwrap();
    }
    for other in ["mine.parquet", "2025-12.csv", "2025-12.parquet.new", "notes"] {
        std::fs::write(minutes.join(other), "x").unwrap();
    }
    let months = |from| {
        let old = expired(&folder, Timeframe::M1, from).unwrap();
        old.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    // Bars of its last day still stay.
    let last_of_january = START + 7 * 60 * MINUTE;
    let none: Vec<String> = months(last_of_january);
    assert_eq!(none, ["2025-12"]);
    let next: Vec<String> = months(last_of_january + 60 * MINUTE);
    assert_eq!(next, ["2025-12", "2026-01"]);
    remove_unfinished(&folder, Timeframe::M1).unwrap();
    assert!(!minutes.join("2025-12.parquet.new").exists() && minutes.join("notes").exists());
    let found = files(&folder, Timeframe::M1).unwrap();
    assert_eq!(found.into_iter().map(|(month, _)| month).collect::<Vec<_>>(), names);
    assert!(files(&folder, Timeframe::H1).unwrap().is_empty(), "no folder yet");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn backfilled_bars_are_never_lost_at_any_stop_and_those_that_are_needed_stay() {
    use crate::backfilled::{FetchedPage, store};
    let due = START - 200 * MINUTE;
    for steps in 1.. {
        let (archive, files) = (history(), Files::default());
        for (name, minutes) in [("AAA", -2_000..-1_000), ("BBB", -300..-100)] {
            let bars = minutes.map(|minute| bar(name, START + minute * MINUTE, 9)).collect();
            let (symbol, timeframe) = (Symbol::named(name).unwrap(), Timeframe::M1);
            store(&archive, &FetchedPage { symbol, timeframe, bars, none: Vec::new() }).unwrap();
        }
        let before = live(&archive, Timeframe::M1);
        let (of, goal) = ((Timeframe::M1, due), Goal::Files(&files));
        assert!(any_backfilled(&archive, of.0, of.1).unwrap());
        let mut left = steps;
        let mut goes_on = || {
            left -= 1;
            left > 0
        };
        move_backfilled(&archive, of, goal, &mut goes_on).unwrap();
        same(&union(&archive, &files, Timeframe::M1), &before, steps);
        let count = |archive| {
            let moved = move_backfilled(archive, of, Goal::Count, &mut || true).unwrap();
            moved.iter().map(|moved| moved.bars).sum::<u64>()
        };
        let is_over = left > 0;
        assert!(!is_over || count(&archive) == 0, "stopped at step {steps}");
        move_backfilled(&archive, of, goal, &mut || true).unwrap();
        same(&union(&archive, &files, Timeframe::M1), &before, steps);
        assert_eq!(files.all(Timeframe::M1).len(), 1_100);
        assert!(!any_backfilled(&archive, of.0, of.1).unwrap());
        // Of a row, the bars that are not due stay.
        let stay = live(&archive, Timeframe::M1).into_keys().filter(|(_, time)| *time < START);
        assert_eq!(stay.count(), 100);
        if is_over {
            break;
        }
    }
}

#[test]
fn backfilled_bars_stay_if_their_file_cannot_be_written() {
    use crate::backfilled::{FetchedPage, store};
    let (archive, files) = (history(), Files::default());
    let bars = (0..50).map(|minute| bar("CCC", START + minute * MINUTE, 9)).collect();
    let (symbol, timeframe) = (Symbol::named("CCC").unwrap(), Timeframe::M1);
    store(&archive, &FetchedPage { symbol, timeframe, bars, none: Vec::new() }).unwrap();
    files.fails_after.set(Some(0));
    let of = (timeframe, UtcMs::MAX);
    assert!(move_backfilled(&archive, of, Goal::Files(&files), &mut || true).is_err());
    assert!(any_backfilled(&archive, of.0, of.1).unwrap());
    let moved = move_backfilled(&archive, of, Goal::Remove, &mut || true).unwrap();
    assert_eq!(moved.iter().map(|moved| moved.bars).sum::<u64>(), 50);
    assert!(!any_backfilled(&archive, of.0, of.1).unwrap());
}
