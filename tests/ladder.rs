//! The ladder of `dca` over months of the synthetic market, and over a recorded fall.

use crate::kit::{Folder, plain};
use crate::shared::shared;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// The result of a backtest with this configuration.
fn played(folder: &Folder, config: &str, flags: &[&str]) -> Value {
    let file = folder.join("dca.toml");
    fs::write(&file, format!("strategy.sma_cross.enabled = false\n{config}")).unwrap();
    let config = ["backtest", "--json", "--config", file.to_str().unwrap()];
    let output = plain(&[&config, flags].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_str().unwrap().parse().unwrap()
}

/// How many entries a lot had, by its cost in units of the first entry: 1, then 1.25 of the one
/// before each time.
fn entries(trade: &Value, notional: f64) -> usize {
    let cost = number(trade, "quantity") * number(trade, "entry") / notional;
    let costs = [1.0, 2.25, 3.8125, 5.765_625];
    let near = costs.iter().position(|whole| (cost / whole - 1.0).abs() < 0.1);
    near.unwrap_or_else(|| panic!("a cost of {cost}: {trade}")) + 1
}

/// Seed 1, 1 February to 31 May 2026.
#[test]
fn it_makes_fifty_round_trips_in_120_days_of_two_symbols() {
    let folder = Folder::new("ladder-months");
    let config = "market.symbols = [\"BTCUSDT\", \"ETHUSDT\"]\ntrading.notional = \"20\"\n\
                  trading.max_positions = 20\nstrategy.dca.min_confidence = \"0.4\"\n";
    let days = ["--seed", "1", "--from", "2026-02-01", "--to", "2026-06-01"];
    let result = played(&folder, config, &days);
    assert_eq!(result["closes"], 120 * 1440);
    let trades = result["trades"].as_array().unwrap();
    assert!(trades.len() >= 50, "{} round trips", trades.len());
    let symbols: BTreeSet<&str> = trades.iter().filter_map(|t| t["symbol"].as_str()).collect();
    assert_eq!(symbols.into_iter().collect::<Vec<_>>(), ["BTCUSDT", "ETHUSDT"]);
    let orders = &result["orders"];
    let count = |name: &str| orders[name].as_u64().unwrap();
    assert!(count("rejected") * 20 < count("orders"), "{orders}");
}

#[test]
#[cfg_attr(shared_absent, ignore = "the shared material is absent")]
fn a_recorded_fall_takes_every_entry_and_both_exits() {
    let folder = Folder::new("ladder-fall");
    let recording = shared("data/btcperp");
    let config = "trading.notional = \"1000\"\nstrategy.dca.threshold_scale = \"0.2\"\n";
    let result = played(&folder, config, &["--recording", recording.to_str().unwrap()]);
    let trades = result["trades"].as_array().unwrap();
    let reasons = trades.iter().map(|trade| {
        let reason = trade["exit_reason"].as_str().unwrap();
        let exit = if reason.contains("stop order") { "stop" } else { "profit" };
        assert!(exit == "stop" || reason.contains("2% reached"), "{reason}");
        (exit, entries(trade, 1000.0))
    });
    let all: BTreeSet<(&str, usize)> = reasons.collect();
    // A lot of four entries took each of them: the stop and the profit end lots of any size.
    for one in [("stop", 4), ("profit", 1), ("profit", 2), ("profit", 4)] {
        assert!(all.contains(&one), "{one:?} is not in {all:?}");
    }
}
