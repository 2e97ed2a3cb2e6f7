//! The stored bars of a daemon: the gaps of recorded bars, and planted damage.

use crate::kit::{Folder, Process, ask, plain, run, wait_until, wait_until_free};
use crate::shared::shared;
use everwarm_domain::id::Symbol;
use everwarm_domain::market::Bar;
use everwarm_domain::sessions::Sessions;
use everwarm_domain::time::{MINUTE, Timeframe};
use everwarm_history::FILE;
use everwarm_history::backfilled::{FetchedPage, store};
use everwarm_history::bars::read as read_stored;
use everwarm_history::ledger::{Evidence, Hole, HoleState, Known, SeriesLedger, ledger};
use everwarm_history::stored::{self, absence, note_source};
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_sim::market::read_bars;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The ledger of recorded minutes, whose source reported that it lacks their gaps.
fn ledger_of(files: &[&str]) -> Vec<SeriesLedger> {
    let archive = Archive::in_memory(Path::new("history")).unwrap();
    for file in files {
        let name = file.rsplit('/').next().unwrap().split('_').next().unwrap();
        let (symbol, timeframe) = (Symbol::named(name).unwrap(), Timeframe::M1);
        let bars = read_bars(&shared(&format!("data/{file}.csv.gz")), usize::MAX).unwrap().0;
        let next = |pair: &[Bar]| pair[0].open_time + MINUTE..=pair[1].open_time - MINUTE;
        let none = bars.windows(2).map(next).filter(|times| !times.is_empty()).collect();
        store(&archive, &FetchedPage { symbol, timeframe, bars, none }).unwrap();
    }
    note_source(&archive, false).unwrap();
    let known = Known {
        sessions: &Sessions::ALWAYS,
        absence: absence(&archive).unwrap(),
        loading: &BTreeSet::new(),
        marked: &BTreeMap::new(),
        running: false,
    };
    ledger(&stored::read(&archive).unwrap(), &known)
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn the_gap_of_coinbase_is_one_outage_and_thin_minutes_were_not_traded() {
    let names = ["BTCUSD", "ETHUSD", "LTCUSD"].map(|name| format!("coinbase/{name}_1m"));
    let all = ledger_of(&names.each_ref().map(String::as_str));
    let from = 1_522_860_780_000;
    let outage = Hole {
        times: from..=from + 426 * MINUTE,
        bars: 427,
        state: HoleState::VenueOutage,
        evidence: Evidence::Together(3),
    };
    for (series, (bars, thin)) in all.iter().zip([(3_887, 6), (2_449, 4), (3_887, 6)]) {
        let outages = series.holes.iter().filter(|hole| hole.state == HoleState::VenueOutage);
        assert_eq!(outages.collect::<Vec<_>>(), [&outage], "2018-04-04 16:53 to 23:59");
        assert_eq!((series.bars, series.expected), (bars, bars + 427 + thin));
        let rest = BTreeMap::from([(HoleState::VenueOutage, 427), (HoleState::NotTraded, thin)]);
        assert_eq!(series.by_state(), rest, "{:?}", series.of);
    }
    let thin = ledger_of(&["poloniex_old/UNITTEST-BTC_1m"]).remove(0);
    assert_eq!(thin.holes.len(), 538);
    assert_eq!(thin.by_state(), BTreeMap::from([(HoleState::NotTraded, 717)]));
}

/// All recorded minutes.
const MINUTES: [&str; 12] = [
    "binance/BTCBUSD_1m",
    "binance_futures/ADAUSDT_1m",
    "btcperp/BTC-PERP_1m",
    "coinbase/BTCUSD_1m",
    "coinbase/ETHUSD_1m",
    "coinbase/LTCUSD_1m",
    "freqtrade/XRPETH_1m",
    "fxcm/GBPUSD_1m",
    "poloniex_old/UNITTEST-BTC_1m",
    "us_equities/AAPL_1m",
    "us_equities/SPY-20230803_1m",
    "us_equities/SPY_1m",
];

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_backfilled_minute_takes_at_most_eight_bytes_of_the_disk_and_none_sixteen() {
    let (mut all, mut total) = (0, 0);
    for file in MINUTES {
        let archive = Archive::in_memory(Path::new("history")).unwrap();
        let (symbol, timeframe) = (Symbol::named("A").unwrap(), Timeframe::M1);
        let read = read_bars(&shared(&format!("data/{file}.csv.gz")), usize::MAX).unwrap().0;
        let bars: Vec<Bar> = read.into_iter().map(|bar| Bar { symbol, ..bar }).collect();
        let (first, last) = (bars[0].open_time, bars[bars.len() - 1].open_time);
        store(&archive, &FetchedPage { symbol, timeframe, bars: bars.clone(), none: vec![] })
            .unwrap();
        let rows = archive.all("backfilled.1").unwrap();
        let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        println!("{file}: {bytes} bytes for {} bars", bars.len());
        assert!(bytes <= 16 * bars.len(), "{file}: {bytes} bytes for {} bars", bars.len());
        let back = read_stored(&archive, timeframe, symbol, first..=last).unwrap();
        assert!(back == bars, "{file}: the bars are the same");
        (all, total) = (all + bytes, total + bars.len());
    }
    assert!(all <= 8 * total, "{all} bytes for {total} bars");
}

/// The exit code and the view of a check of a data directory.
fn checked(dir: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let asked = ["history", "check", "--json", "--data-dir", dir.to_str().unwrap()];
    let done = plain(&[&asked[..], more].concat());
    let view = serde_json::from_slice(&done.stdout);
    (done.status.code(), view.unwrap_or_else(|e| panic!("{e}: {done:?}")))
}

/// The kinds of all problems, each with its table.
fn kinds(view: &Value) -> Vec<String> {
    let found = view["found"].as_array().unwrap().iter();
    let mut kinds: Vec<String> = found
        .map(|one| {
            assert!(one["from"].is_i64() && one["timeframe"].is_string(), "{one}");
            format!("{} {}", one["table"].as_str().unwrap(), one["kind"].as_str().unwrap())
        })
        .collect();
    kinds.sort();
    kinds
}

/// Changes a byte of one range, doubles a bar of another, removes a third, and changes a bar that a
/// fact of the journal has.
fn damage(dir: &Path) {
    let archive = Archive::open(&dir.join(FILE)).unwrap();
    let ranges = archive.all("ranges.1").unwrap();
    let [(first, one), (second, two), (third, _), ..] = &ranges[..] else {
        panic!("{} ranges", ranges.len());
    };
    let (mut flipped, mut doubled) = (one.clone(), two.clone());
    flipped[one.len() - 9] ^= 1;
    doubled.extend_from_slice(&two[two.len() - 56..]);
    let (row, bars) = archive.all("bars.1").unwrap().swap_remove(0);
    let mut other = bars.clone();
    other[bars.len() - 20] ^= 1;
    let put = |table, key: &[u8], value| Op::Put { table, key: key.to_vec(), value };
    let ops = [
        put("ranges.1", first, flipped),
        put("ranges.1", second, doubled),
        Op::Delete { table: "ranges.1", key: third.clone() },
        put("bars.1", &row, other),
    ];
    archive.commit(&ops, true).unwrap();
}

#[test]
fn planted_damage_is_named_repaired_and_fetched_again_by_the_next_start() {
    let folder = Folder::new("history-store");
    let dir = folder.join("data");
    let start = || {
        let daemon = Process::start(&dir, &["run", "--symbols", "3", "--pace", "60x"]);
        daemon.prints("may trade");
        daemon
    };
    let stop = |daemon: Process| {
        daemon.signal("-INT");
        let (status, _, err) = daemon.end();
        assert_eq!(status.code(), Some(0), "{err}");
        wait_until_free(&dir);
        err
    };
    let daemon = start();
    wait_until("closes are stored", || checked(&dir, &[]).1["compared"].as_u64() >= Some(3));
    assert_eq!(checked(&dir, &[]).0, Some(0), "beside the running daemon");
    stop(daemon);
    let (code, whole) = checked(&dir, &[]);
    assert_eq!((code, &whole["problems"]), (Some(0), &Value::from(0)), "{whole}");
    let status = ask(&dir, &["history", "status"]);
    let minutes = status.as_array().unwrap().iter().find(|row| row["timeframe"] == "1m").unwrap();
    assert!(minutes["stored"].as_u64() > Some(30) && minutes["age_ms"] == 0, "{minutes}");

    damage(&dir);
    let (code, found) = checked(&dir, &[]);
    let planted = ["bars.1 differs", "ranges.1 digest", "ranges.1 doubled", "ranges.1 missing"];
    assert_eq!((code, kinds(&found)), (Some(4), planted.map(str::to_owned).to_vec()), "{found}");
    assert_eq!(run(&dir, &["verify"]).0, Some(4), "a stage cannot read its bars");

    let (code, after) = checked(&dir, &["--repair"]);
    let repair = &after["repair"];
    let done = ["quarantined", "from_facts", "rebuilt", "marked"].map(|what| &repair[what]);
    assert_eq!(done, [3, 1, 1, 2].map(Value::from).each_ref(), "{after}");
    assert_eq!((code, kinds(&after)), (Some(4), vec!["ranges.1 missing".to_owned(); 2]));
    let kept = std::fs::read_to_string(dir.join("history.quarantine")).unwrap();
    assert_eq!(kept.lines().count(), 1 + 3);

    let err = stop(start());
    assert!(err.contains("were fetched again"), "{err}");
    let (code, repaired) = checked(&dir, &[]);
    assert_eq!((code, kinds(&repaired)), (Some(0), vec![]), "{repaired}");
    assert_eq!(run(&dir, &["verify"]).0, Some(0));
}
