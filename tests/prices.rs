//! A token whose price has thirteen decimals is traded to the end, with right numbers everywhere.

use crate::kit::{Folder, ask, run, until_end};
use everwarm_domain::money::Decimal;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Opening time of the first bar, UTC milliseconds.
const START: i64 = 1_600_000_020_000;
const MINUTE: i64 = 60_000;
const MINUTES: i64 = 400;

/// Units of 10^-13: from 310 on up for long, then down, then up again.
fn price(minute: i64) -> i64 {
    match minute {
        0..150 => 310,
        150..220 => 310 + (minute - 150),
        220..300 => 380 - (minute - 220),
        _ => 300 + (minute - 300),
    }
}

fn written(units: i64) -> String {
    Decimal::new(units, 13).to_string()
}

fn token(dir: &Path, config: &str) -> String {
    fs::create_dir_all(dir).unwrap();
    let mut text = "open_time,open,high,low,close,volume\n".to_owned();
    for minute in 0..MINUTES {
        let price = written(price(minute));
        let open_time = START + minute * MINUTE;
        writeln!(text, "{open_time},{price},{price},{price},{price},100000000000000").unwrap();
    }
    fs::write(dir.join("TOKENUSDT_1m.csv"), text).unwrap();
    fs::write(dir.join("recording.toml"), config).unwrap();
    dir.to_str().unwrap().to_owned()
}

fn decimal(row: &Value, field: &str) -> Decimal {
    row[field].as_str().unwrap_or_else(|| panic!("{field}: {row}")).parse().unwrap()
}

#[test]
fn a_token_of_3_1e_11_is_traded_and_every_number_is_right() {
    let folder = Folder::new("prices");
    let recording = token(&folder.join("recording"), "");
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let fills = ask(&dir, &["fills"]);
    let fills = fills.as_array().unwrap();
    let side = |side| fills.iter().filter(move |fill| fill["side"] == side).count();
    assert!(side("buy") > 1 && side("sell") > 0, "{fills:?}");
    // The books from the fills alone.
    let (mut cash, mut held) = (Decimal::from(100_000), Decimal::ZERO);
    for fill in fills {
        let (price, quantity) = (decimal(fill, "price"), decimal(fill, "quantity"));
        assert!(price < Decimal::new(1, 10) && price > Decimal::new(2, 11), "{fill}");
        let (amount, fee) = (price * quantity, decimal(fill, "fee"));
        if fill["side"] == "buy" {
            (cash, held) = (cash - amount, held + quantity - fee);
            assert_eq!(fill["fee_asset"], "TOKEN");
            assert!(amount <= Decimal::from(1_010), "{fill}");
        } else {
            (cash, held) = (cash + amount - fee, held - quantity);
        }
    }
    let last = Decimal::new(price(MINUTES - 1), 13);
    let status = ask(&dir, &["status"]);
    assert_eq!(decimal(&status, "equity"), (cash + held * last).normalize(), "{status}");
    assert_eq!(status["conflicts"].as_array().map_or(0, Vec::len), 0, "{status}");
    let positions = ask(&dir, &["positions"]);
    assert_eq!(decimal(&positions[0], "quantity"), held, "{positions}");
    let average = decimal(&positions[0], "average_price");
    assert!(average > Decimal::new(3, 11) && average < Decimal::new(4, 11), "{positions}");
    // Bars as they were recorded, those of five minutes among them.
    let bars = ask(&dir, &["bars", "TOKENUSDT", "--limit", "1000"]);
    let newest = bars.as_array().unwrap().iter().max_by_key(|bar| bar["open_time"].as_i64());
    assert_eq!(decimal(newest.unwrap(), "close"), last, "{newest:?}");
    // What people read.
    let order = fills[0]["client_order_id"].as_str().unwrap();
    let (_, story, _) = run(&dir, &["explain", order]);
    assert!(story.contains("0.0000000000"), "{story}");
    let shown = written(price(149));
    let (_, table, _) = run(&dir, &["bars", "TOKENUSDT", "--limit", "400"]);
    assert!(table.contains(shown.trim_end_matches('0')), "{table}");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_price_that_does_not_fit_its_tick_and_a_wrong_symbol_are_refused() {
    let folder = Folder::new("prices-refused");
    let tick = "[symbols.TOKENUSDT]\ntick = \"0.000000000000000001\"\nlot = \"0.01\"\n";
    let recording = token(&folder.join("recording"), tick);
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_ne!(code, Some(0), "{out}");
    let why = "TOKENUSDT: amounts of its tick 0.000000000000000001 and its lot 0.01 are not exact";
    assert!(err.contains(why) && err.contains("leave it out"), "{err}");
    let (code, _, err) = run(&dir, &["run", "--symbols", "BTC/USDT"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("\"BTC/USDT\" is not a symbol") && err.contains("Write BTCUSDT"), "{err}");
    let (code, _, err) = run(&dir, &["bars", "btcusdt"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("Write BTCUSDT"), "{err}");
}
