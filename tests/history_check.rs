//! `everwarm history check` over the recorded bars.

use crate::kit::{Folder, plain};
use crate::shared::shared;
use everwarm_sim::market::{read_bars, write_bars};
use serde_json::{Value, json};
use std::path::Path;

/// The exit code and what is printed as JSON.
fn checked(folder: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let asked = ["history", "check", folder.to_str().unwrap(), "--json"];
    let done = plain(&[&asked[..], more].concat());
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap())
}

fn of<'a>(view: &'a Value, symbol: &str, width: &str) -> &'a Value {
    let mut rows = view["series"].as_array().unwrap().iter();
    rows.find(|row| row["symbol"] == symbol && row["timeframe"] == width).unwrap()
}

/// Bars that the gaps of a series lack.
fn missing(series: &Value) -> u64 {
    series["gaps"].as_array().unwrap().iter().map(|gap| gap["bars"].as_u64().unwrap()).sum()
}

#[test]
fn the_gap_of_coinbase_is_one_outage_of_all_three_symbols() {
    let (code, view) = checked(&shared("data/coinbase"), &[]);
    assert_eq!(code, Some(4), "an outage is a problem");
    for (symbol, bars, gaps, lacks) in
        [("BTCUSD", 3_887, 2, 433), ("ETHUSD", 2_449, 2, 431), ("LTCUSD", 3_887, 4, 433)]
    {
        let series = of(&view, symbol, "1m");
        assert_eq!(series["bars"], bars);
        assert_eq!(series["gaps"].as_array().unwrap().len(), gaps, "{symbol}");
        assert_eq!(missing(series), lacks, "{symbol}");
        assert_eq!(series["whole"], bars + lacks);
    }
    let from = 1_522_860_780_000_i64;
    let outage = json!({
        "timeframe": "1m", "series": 3, "bars": 427, "from": from, "to": from + 426 * 60_000,
    });
    assert_eq!(view["outages"], json!([outage]), "2018-04-04 16:53 to 23:59");
    assert_eq!(missing(of(&view, "BTCUSD", "1d")), 34);
}

#[test]
fn thin_trading_is_no_outage() {
    let (code, view) = checked(&shared("data/poloniex_old"), &[]);
    let thin = of(&view, "UNITTEST-BTC", "1m");
    assert_eq!((thin["gaps"].as_array().unwrap().len(), missing(thin)), (538, 717));
    assert_eq!((code, &view["outages"], &thin["holes"]), (Some(4), &json!([]), &thin["gaps"]));
    let (code, view) = checked(&shared("data/poloniex_old"), &["--thin"]);
    let thin = of(&view, "UNITTEST-BTC", "1m");
    assert_eq!((code, missing(thin), &thin["holes"]), (Some(0), 717, &json!([])));
}

#[test]
fn a_split_is_an_odd_price() {
    let (code, view) = checked(&shared("data/us_equities"), &["--thin"]);
    assert_eq!(code, Some(4));
    let odd = |symbol: &str, width: &str, day: &str| {
        let from = everwarm_words::text::instant_of(&format!("{day} 00:00")).unwrap();
        let mut rows = view["odd"].as_array().unwrap().iter();
        rows.any(|row| {
            let time = row["open_time"].as_i64().unwrap();
            row["symbol"] == symbol
                && row["timeframe"] == width
                && (from..from + 86_400_000).contains(&time)
        })
    };
    assert!(odd("AAPL", "1m", "2014-06-09"), "{}", view["odd"]);
    for day in ["2000-06-21", "2005-02-28", "2014-06-09", "2020-08-31"] {
        assert!(odd("AAPL", "1d", day), "{day}: {}", view["odd"]);
    }
    assert!(odd("IBM", "1d", "1999-05-27"));
    assert!(!odd("SPY", "1d", "2008-10-10"), "a crash is no odd price");
    assert_eq!(of(&view, "SPY", "1d")["whole"], 8_490, "days from 1998-01-02 to 2021-03-31");
}

#[test]
fn files_that_are_wrong_are_named_and_the_others_are_checked() {
    let folder = Folder::new("check-wrong");
    let head = "open_time,open,high,low,close,volume";
    let write = |name: &str, rows: &str| {
        std::fs::write(folder.join(name), format!("{head}\n{rows}")).unwrap();
    };
    write("AAA_1m.csv", "1767571200000,1,2,1,1,5\n1767571320000,1,2,1,1,0\n");
    write("BBB_1m.csv", "1767571200000,1,1,2,1,5\n");
    write("DDD_1d.csv", "1767571200000,1,2,1,1,5\n");
    let days = read_bars(&folder.join("DDD_1d.csv"), 1).unwrap().0;
    write_bars(&folder.join("DDD_1d.csv.gz"), &days).unwrap();
    write("CCC_1h.csv", "1767571260000,1,2,1,1,5\n");
    write("notes.csv", "1\n");
    let (code, view) = checked(&folder.0, &[]);
    assert_eq!(code, Some(4));
    assert_eq!(of(&view, "AAA", "1m")["without_volume"], 1);
    assert_eq!(of(&view, "AAA", "1m")["holes"][0]["bars"], 1, "a hole of one symbol");
    let bad = |symbol: &str, width: &str| of(&view, symbol, width)["bad"][0].clone();
    assert_eq!(bad("BBB", "1m")["line"], 2);
    assert_eq!(
        (&bad("BBB", "1m")["kind"], &bad("CCC", "1h")["kind"]),
        (&json!("swapped"), &json!("off-grid"))
    );
    assert_eq!(bad("CCC", "1h")["why"], "no bar of 1h opens at 2026-01-05 00:01");
    assert_eq!(
        (&of(&view, "BBB", "1m")["good"], &of(&view, "BBB", "1m")["first"]),
        (&json!(0), &json!(null))
    );
    let wrong = view["wrong"].as_array().unwrap();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    assert!(wrong[0].as_str().unwrap().contains("DDD_1d.csv.gz: the same series"), "{wrong:?}");
    assert!(wrong[1].as_str().unwrap().contains("BBB_1m.csv: has no good row"), "{wrong:?}");
    let text = plain(&["history", "check", folder.0.to_str().unwrap()]);
    let text = String::from_utf8(text.stdout).unwrap();
    for line in ["wrong: ", "bad row: ", "hole: AAA 1m lacks 1 bar, from 2026-01-05 00:01", "1/1"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let none = plain(&["history", "check", folder.join("empty").to_str().unwrap()]);
    assert_eq!(none.status.code(), Some(1));
}
