//! Old bars leave the history for files of Parquet, under kills: the files and the history together
//! have each bar that was there, and no file has a bar twice.

use crate::kit::{Folder, Process, ask, made_recording, run, until_end, wait_until};
use everwarm_domain::fact::{Analysis, Body, Market};
use everwarm_domain::id::Symbol;
use everwarm_domain::market::{Bar, RolledBar};
use everwarm_domain::money::Price;
use everwarm_domain::time::{DAY, Timeframe, UtcMs, day_of};
use everwarm_history::{FILE, bars, old_bars, projection};
use everwarm_kernel::fact::{Fact, Key};
use everwarm_parquet::BarsReader;
use everwarm_runtime::store::archive::Archive;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Bars by width, symbol and opening time.
pub type All = BTreeMap<(Timeframe, Symbol, UtcMs), Bar>;

/// Symbols of bars that no recording has.
const NAMES: [&str; 2] = ["OLDUSDT", "OLDERUSDT"];

/// The day of the newest bar of a history.
pub fn newest_day(archive: &Archive) -> i64 {
    day_of(bars::newest(archive, Timeframe::M1).unwrap().unwrap())
}

/// Adds bars of one width to the history, as facts of closes of so many days ago leave them.
pub fn add(archive: &Archive, width: Timeframe, ago: Range<i64>) {
    let today = newest_day(archive);
    let (from, to) = ((today - ago.end) * DAY, (today - ago.start) * DAY);
    let (mut ops, mut time) = (Vec::new(), from);
    while time < to {
        let price = |units: i64| Price::e8(units * 100_000 + time.rem_euclid(99_991));
        let bars = NAMES.map(|name| Bar {
            symbol: Symbol::named(name).unwrap(),
            open_time: time,
            open: price(2),
            high: price(3),
            low: price(1),
            close: price(2),
            volume: 7.into(),
        });
        let end = time + width.ms();
        let body = if width == Timeframe::M1 {
            Body::Market(Market::close(end, bars.to_vec(), Vec::new()))
        } else {
            let bars = bars.map(|bar| RolledBar { bar, count: 1, complete: true }).to_vec();
            Body::Analysis(Analysis::Rolled { timeframe: width, bars })
        };
        let key = Key { n: 1, rank: 0, i: 0 };
        let fact = Fact { key, time: end, version: 1, because: Vec::new(), body };
        ops.extend(projection::project(&fact));
        time = end;
    }
    archive.commit(&ops, true).unwrap();
}

/// What the history of a stopped daemon has.
pub fn live(dir: &Path) -> All {
    let archive = Archive::look(&dir.join(FILE)).unwrap().unwrap();
    let mut all = All::new();
    for width in Timeframe::ALL {
        let bars = bars::read_all(&archive, width, &(UtcMs::MIN..=UtcMs::MAX)).unwrap();
        all.extend(bars.into_iter().map(|((time, symbol), bar)| ((width, symbol, time), bar)));
    }
    all
}

/// What the files have, each bar once.
pub fn archived(folder: &Path) -> All {
    let mut all = All::new();
    for width in Timeframe::ALL {
        for (month, file) in old_bars::files(folder, width).unwrap() {
            for row in BarsReader::open(&file).unwrap() {
                let row = row.unwrap();
                let bar = row.bar(row.symbol.unwrap()).unwrap();
                assert_eq!(old_bars::month_of(bar.open_time), month);
                let twice = all.insert((width, bar.symbol, bar.open_time), bar);
                assert!(twice.is_none(), "{} has {bar:?} twice", file.display());
            }
        }
    }
    all
}

/// The bars of the symbols that no recording has.
pub fn old_of(all: &All) -> All {
    let old = all.iter().filter(|((_, symbol, _), _)| NAMES.contains(&symbol.as_str()));
    old.map(|(key, bar)| (*key, *bar)).collect()
}

/// Both together. A bar that both have is the same in both.
fn union(dir: &Path) -> All {
    let mut all = archived(&dir.join("archive"));
    for (key, bar) in live(dir) {
        assert_eq!(*all.entry(key).or_insert(bar), bar);
    }
    all
}

/// Fails at the first bar that differs.
fn same(found: &All, wanted: &All, what: &str) {
    let lost = wanted.iter().find(|(key, bar)| found.get(key) != Some(bar));
    assert_eq!(lost, None, "{what}: it is lost");
    assert_eq!(found.len(), wanted.len(), "{what}");
}

/// The files of the archive that are complete.
fn count(dir: &Path) -> usize {
    let of = |width| old_bars::files(&dir.join("archive"), width).map_or(0, |files| files.len());
    Timeframe::ALL.map(of).iter().sum()
}

#[test]
fn bars_that_leave_the_history_under_kills_are_in_the_archive_each_once() {
    let folder = Folder::new("bar-archive");
    let recording = made_recording(&folder.join("recording"), 2, 200);
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    {
        let archive = Archive::open(&dir.join(FILE)).unwrap();
        // More than a month of minutes, of which ten days stay.
        add(&archive, Timeframe::M1, 20..65);
        add(&archive, Timeframe::M15, 170..200);
        add(&archive, Timeframe::H1, 300..500);
        add(&archive, Timeframe::D1, 800..2_000);
    }
    let (before, full) = (live(&dir), bytes(&dir));
    // A file whose bars are all too old, and one that is no month's.
    let expired = old_bars::file_of(&dir.join("archive"), Timeframe::M1, "2017-01");
    fs::create_dir_all(expired.parent().unwrap()).unwrap();
    let notes = dir.join("archive/1m/notes.parquet");
    for file in [&expired, &notes] {
        fs::write(file, "bars").unwrap();
    }

    let retain = ["storage", "retain"];
    let dry = ask(&dir, &["storage", "retain", "--dry-run"]);
    let steps = |view: &Value, step: &str| {
        let steps = view["bars"].as_array().unwrap().iter();
        let of_step = steps.filter(|row| row["step"] == step);
        of_step.map(|row| row["bars"].as_u64().unwrap_or(1)).sum::<u64>()
    };
    // Two symbols: 35 days of minutes, 18 of quarters and 135 of hours are due.
    let due = 2 * (35 * 1_440 + 18 * 96 + 135 * 24);
    assert_eq!((steps(&dry, "archived"), steps(&dry, "expired")), (due, 1), "{dry}");
    assert_eq!(steps(&dry, "removed"), 0, "{dry}");
    let (code, out, err) = run(&dir, &["storage", "retain", "--dry-run"]);
    let told = out.contains("2017-01.parquet") && out.contains("would be moved");
    assert!(code == Some(0) && told, "{out}{err}");
    assert!(live(&dir) == before && expired.exists(), "a dry run changes nothing");

    // It is killed when it has written one more file. It removes bars then, or writes the next.
    fs::remove_file(&notes).unwrap();
    for kill in 0..4 {
        let process = Process::start(&dir, &retain);
        wait_until("a file more", || count(&dir) > kill + 1);
        process.kill();
        same(&union(&dir), &before, &format!("after kill {kill}"));
    }
    let (code, out, err) = run(&dir, &retain);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!expired.exists());
    same(&union(&dir), &before, "at the end");
    let left = live(&dir);
    let of = |all: &All, width| all.keys().filter(|(of, ..)| *of == width).count();
    let gone = before.len() - left.len();
    assert_eq!(gone as u64, due, "what was due has left, and nothing else");
    assert_eq!(of(&left, Timeframe::D1), of(&before, Timeframe::D1));
    let again = ask(&dir, &retain);
    assert_eq!(again["bars"], serde_json::json!([]));

    // It is seen, and a wrong file keeps its bars in the history.
    let storage = ask(&dir, &["storage"]);
    let row = storage.as_array().unwrap().iter().find(|row| row["part"] == "archive");
    assert!(row.is_some_and(|row| row["files"] == all_files(&dir)), "{storage}");
    wrong_file_keeps_bars(&dir, &before);
    assert!(bytes(&dir) < full / 2, "{} of {full} bytes", bytes(&dir));
}

/// Bytes of the history.
fn bytes(dir: &Path) -> u64 {
    fs::metadata(dir.join(FILE)).unwrap().len()
}

fn all_files(dir: &Path) -> usize {
    let names = Timeframe::ALL.map(|width| dir.join("archive").join(width.name()));
    names.iter().flat_map(fs::read_dir).map(Iterator::count).sum()
}

/// A file that was cut keeps the bars of its month in the history, and is named.
fn wrong_file_keeps_bars(dir: &Path, before: &All) {
    let retain = ["storage", "retain"];
    let archive = Archive::open(&dir.join(FILE)).unwrap();
    let day = newest_day(&archive);
    add(&archive, Timeframe::M1, 40..41);
    drop(archive);
    let month = old_bars::month_of((day - 41) * DAY);
    let file = old_bars::file_of(&dir.join("archive"), Timeframe::M1, &month);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let held = live(dir);
    let (code, _, err) = run(dir, &retain);
    let named = err.contains(&format!("{month}.parquet")) && err.contains("move the file away");
    assert!(code != Some(0) && named, "{err}");
    assert!(live(dir) == held, "its bars stay");
    fs::write(&file, &whole).unwrap();
    let (code, out, err) = run(dir, &retain);
    assert_eq!(code, Some(0), "{out}{err}");
    same(&union(dir), before, "after the repair");
}
