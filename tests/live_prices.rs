//! Play money on live prices: the real program, with another exchange as the source of prices.

use crate::kit::{BINARY, Folder, Process, ask, exchange, run, signal, wait_until};
use everwarm_domain::time::{MINUTE, UtcMs};
use everwarm_sim::market::{DEFAULT_HISTORY_BARS, Market, Seeded};
use everwarm_sim::server::port::PortFile;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// 2026-01-05T00:00Z: where the source begins.
const START: UtcMs = 1_767_571_200_000;
const SEED: u64 = 3;
const NAMES: [&str; 3] = ["BTCUSDT", "ETHUSDT", "BNBUSDT"];

/// A minute of the source and of the exchange takes half a second.
const PACE: &str = "120x";

/// A source of prices with a time of its own.
struct Source {
    process: Process,
    port: u16,
}

impl Source {
    fn start(folder: &Folder, port: u16) -> Source {
        let dir = folder.join("source");
        let mut command = Command::new(BINARY);
        command.args(["sim", "--pace", PACE, "--idle-exit", "0", "--seed", &SEED.to_string()]);
        command.args(["--symbols", &NAMES.join(","), "--port", &port.to_string()]);
        command.arg("--data-dir").arg(&dir);
        let process = Process::bare(command);
        let pid = process.pid();
        let file = || PortFile::read(&dir).ok().flatten().filter(|file| file.pid == pid);
        wait_until("the source listens", || file().is_some());
        let port = file().unwrap().port;
        Source { process, port }
    }
}

fn arguments(port: u16) -> Vec<String> {
    let address = format!("http://127.0.0.1:{port}");
    let flags = ["run", "--prices", "binance", "--prices-address", &address, "--symbols"];
    let more = [NAMES.join(","), "--pace".to_owned(), PACE.to_owned()];
    flags.iter().map(|flag| (*flag).to_owned()).chain(more).collect()
}

fn daemon(dir: &Path, port: u16) -> Process {
    let arguments = arguments(port);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let daemon = Process::start(dir, &arguments);
    daemon.answers();
    daemon
}

/// The opening times of the closed minutes of the first symbol, and the bars.
fn bars(dir: &Path) -> Vec<Value> {
    ask(dir, &["bars", NAMES[0], "--limit", "5000"]).as_array().unwrap().clone()
}

fn last(dir: &Path) -> UtcMs {
    bars(dir).last().and_then(|bar| bar["open_time"].as_i64()).unwrap_or(0)
}

/// Waits for this many more closes.
fn closes(dir: &Path, more: i64) {
    let from = last(dir);
    wait_until("minutes close", || last(dir) >= from + more * MINUTE);
}

#[test]
fn play_money_trades_on_live_prices_and_kills_change_no_bar() {
    let folder = Folder::new("live-prices");
    let dir = folder.join("data");
    let source = Source::start(&folder, 0);
    let port = source.port;
    let before = daemon(&dir, port);
    wait_until("an order is filled", || !ask(&dir, &["fills"]).as_array().unwrap().is_empty());
    // The exchange dies: it fetches what it missed.
    let first = exchange(&dir).unwrap();
    signal("-KILL", first);
    wait_until("another exchange runs", || exchange(&dir).is_some_and(|pid| pid != first));
    closes(&dir, 3);
    // The daemon dies.
    before.kill();
    let daemon = daemon(&dir, port);
    closes(&dir, 3);
    // The source dies: there are no new prices until it is back.
    source.process.kill();
    let source = Source::start(&folder, port);
    closes(&dir, 5);
    let (code, out, err) = run(&dir, &["stop"]);
    assert_eq!(code, Some(0), "{out}{err}");
    drop(daemon.end());

    let mut market = Seeded::with_symbols(
        SEED,
        &NAMES.map(|name| name.parse().unwrap()),
        START,
        DEFAULT_HISTORY_BARS,
    );
    let found = bars(&dir);
    let opens: Vec<UtcMs> = found.iter().map(|bar| bar["open_time"].as_i64().unwrap()).collect();
    assert!(opens.windows(2).all(|pair| pair[1] - pair[0] == MINUTE), "no hole: {opens:?}");
    for bar in &found {
        let open = bar["open_time"].as_i64().unwrap();
        let made = market.bars(NAMES[0].parse().unwrap(), open, open, 1)[0];
        let price = |key: &str| bar[key].as_str().unwrap().to_owned();
        let text = |price: everwarm_domain::money::Price| price.to_string();
        assert_eq!(
            [price("open"), price("high"), price("low"), price("close")],
            [text(made.open), text(made.high), text(made.low), text(made.close)],
            "{open}"
        );
    }
    for command in ["verify", "verify-trades"] {
        let (code, out, err) = run(&dir, &[command]);
        assert_eq!(code, Some(0), "{command}: {out}{err}");
    }
    source.process.kill();
}

#[test]
fn a_start_without_prices_says_why() {
    let folder = Folder::new("no-prices");
    let refused = |arguments: &[&str], why: &str| {
        let (code, out, err) = run(&folder.join("data"), arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {out}{err}");
        assert!(err.contains(why), "{arguments:?}: {err}");
    };
    let symbols = ["run", "--symbols", "BTCUSDT"];
    let with = |more: &[&'static str]| [&symbols[..], more].concat();
    refused(&with(&["--prices", "moonbase"]), "market.prices: \"moonbase\" is not one of: ");
    refused(&with(&["--prices", "alpaca"]), "market.prices: \"alpaca\" is not one of: ");
    refused(&["run", "--prices", "binance"], "market.prices needs a list like");
    refused(&["run", "--prices", "binance", "--symbols", "3"], "market.prices needs a list like");
    refused(&with(&["--prices", "binance", "--pace", "60x"]), "market.pace: must be \"real\"");
    refused(&with(&["--prices", "binance", "--pace", "lockstep"]), "must be \"real\"");
    refused(&with(&["--prices", "binance", "--recording", "."]), "choose one of them");
    refused(&with(&["--prices-address", "https://x.example"]), "needs market.prices");
    let plain = ["--prices", "binance", "--prices-address", "http://x.example"];
    refused(&with(&plain), "is not encrypted");
}

#[test]
fn a_symbol_that_the_source_lacks_is_named() {
    let folder = Folder::new("no-such-price");
    let source = Source::start(&folder, 0);
    let address = format!("http://127.0.0.1:{}", source.port);
    let flags = ["--prices", "binance", "--prices-address", &address, "--pace", PACE];
    let arguments = [&["run", "--symbols", "BTCUSDT,NOPEUSDT"][..], &flags].concat();
    let (code, out, err) = run(&folder.join("data"), &arguments);
    assert_ne!(code, Some(0));
    assert!(err.contains("NOPEUSDT"), "{out}{err}");
    source.process.kill();
}
