//! The stored bars of a stopped daemon.

use super::{Folder, files};
use crate::offline::OfflineContext;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::money::Price;
use everwarm_domain::time::{MINUTE, Timeframe, UtcMs};
use everwarm_history::backfilled::{FetchedPage, store};
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_views::questions::{Asked, HISTORY, HISTORY_CHECK, HOLES, Question, table};
use everwarm_views::testing::T;
use serde_json::Value;

/// Backfilled minutes from `first` on, by their number before the first close of the journal.
fn backfill(folder: &Folder, minutes: &[i64], none: &[(i64, i64)]) {
    let archive = Archive::open(&folder.0.join(everwarm_history::FILE)).unwrap();
    let time = |before: &i64| T - (before + 1) * MINUTE;
    let symbol = Symbol::named("ETHUSD").unwrap();
    let bar = |open_time: UtcMs| {
        let [open, high, low, close] = [Price::e8(125_000_000_000); 4];
        Bar { symbol, open_time, open, high, low, close, volume: 1.into() }
    };
    let bars = minutes.iter().map(time).map(bar).collect();
    let none = none.iter().map(|(from, to)| time(from)..=time(to)).collect();
    let page = FetchedPage { symbol, timeframe: Timeframe::M1, bars, none };
    store(&archive, &page).unwrap();
}

fn shown(files: &OfflineContext, question: &Question) -> Vec<String> {
    let rows = (question.answer)(files, &Asked::default()).unwrap().json.rows().unwrap();
    let lines = table(question.columns, &rows).lines(200).into_iter();
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn each_stored_series_shows_its_holes_and_why_bars_are_missing() {
    let folder = Folder::new("stored");
    backfill(&folder, &[9, 8, 7, 3, 2], &[(6, 6), (12, 10)]);
    let files = files(&folder);
    assert_eq!(
        shown(&files, &HISTORY),
        [
            "symbol width stored expected first (UTC) last (UTC) age missing needed state ready in",
            "BTCUSD 1m 2 2 2021-01-08 12:02 2021-01-08 12:03 0 min - 0 - -",
            "ETHUSD 1m 7 11 2021-01-08 11:53 2021-01-08 12:03 0 min 3 open, 3 before listing, 1 \
             unfillable 0 - -",
        ]
    );
    assert_eq!(
        shown(&files, &HOLES),
        [
            "symbol width first (UTC) last (UTC) bars state evidence",
            "ETHUSD 1m 2021-01-08 11:50 2021-01-08 11:52 3 before listing the source has no bar \
             before the first one",
            "ETHUSD 1m 2021-01-08 11:56 2021-01-08 11:56 1 unfillable the source has no bar",
            "ETHUSD 1m 2021-01-08 11:57 2021-01-08 11:58 2 open no request covers it",
            "ETHUSD 1m 2021-01-08 12:01 2021-01-08 12:01 1 open no request covers it",
        ]
    );
}

#[test]
fn a_check_names_a_damaged_row_and_leaves_a_whole_history_alone() {
    let folder = Folder::new("stored-check");
    backfill(&folder, &[3, 2, 1], &[]);
    let checked = || -> Value {
        let found = (HISTORY_CHECK.answer)(&files(&folder), &Asked::default()).unwrap();
        found.json.parse().unwrap()
    };
    let whole = checked();
    assert_eq!((&whole["problems"], &whole["compared"]), (&Value::from(0), &Value::from(2)));
    {
        let archive = Archive::open(&folder.0.join(everwarm_history::FILE)).unwrap();
        let (key, mut value) = archive.all("backfilled.1").unwrap().remove(0);
        value.pop();
        archive.commit(&[Op::Put { table: "backfilled.1", key, value }], true).unwrap();
    }
    let found = checked();
    let [problem] = &found["found"].as_array().unwrap()[..] else { panic!("{found}") };
    assert_eq!((&problem["kind"], &problem["symbol"]), (&"form".into(), &"ETHUSD".into()));
}
