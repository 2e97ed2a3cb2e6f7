//! Signals of external programs in backtests: those of a file, and those that a daemon received.

use crate::kit::{Folder, Process, ask, made_recording, plain, run, wait_until};
use everwarm::chaos::feed::START;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const CONFIG: &str = "[strategy.sma_cross]\nenabled = false\n\n[strategy.trend]\n\
                      kind = \"external\"\n";
const HEAD: &str = "time,id,strategy,symbol,side,reason\n";

/// A time of the recording.
fn at(minute: i64, milli: i64) -> i64 {
    START + minute * 60_000 + milli
}

fn written(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A recording, its symbols, and a configuration with a strategy of an external program alone.
struct Market {
    recording: String,
    symbols: Vec<String>,
    config: String,
}

impl Market {
    fn new(folder: &Folder) -> Market {
        let recording = made_recording(&folder.join("recording"), 2, 120);
        let name = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            name.strip_suffix("_1m.csv").map(str::to_owned)
        };
        let entries = fs::read_dir(&recording).unwrap();
        let mut symbols: Vec<String> = entries.filter_map(|entry| name(entry.unwrap())).collect();
        symbols.sort();
        Market { recording, symbols, config: written(folder, "trend.toml", CONFIG) }
    }

    /// The flags that play it.
    fn played(&self) -> [&str; 4] {
        ["--recording", &self.recording, "--config", &self.config]
    }
}

/// The result of a backtest with these flags.
fn backtest(flags: &[&str]) -> Value {
    let output = plain(&[&["backtest", "--json", "--quiet"], flags].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error of a command that is refused as a wrong use.
fn refused(arguments: &[&str]) -> String {
    let output = plain(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    errors
}

/// Minute of the entry and of the exit of each trade of a symbol, and why it was sold.
fn trades(result: &Value, symbol: &str) -> Vec<(i64, i64, String)> {
    let minute = |time: &Value| (time.as_i64().unwrap() - START) / 60_000;
    let all = result["trades"].as_array().unwrap_or_else(|| panic!("{result}")).iter();
    let of = all.filter(|trade| trade["symbol"] == symbol && trade["strategy"] == "trend");
    of.map(|trade| {
        let why = trade["exit_reason"].as_str().unwrap().to_owned();
        (minute(&trade["opened"]), minute(&trade["closed"]), why)
    })
    .collect()
}

/// Rows of signals: time, id, symbol and side.
type Rows<'a> = [(i64, &'a str, &'a str, &'a str)];

fn csv(rows: &Rows<'_>) -> String {
    let row = |(time, id, symbol, side): &(i64, &str, &str, &str)| {
        format!("{time},{id},trend,{symbol},{side},\"a test, of {id}\"\n")
    };
    HEAD.to_owned() + &rows.iter().map(row).collect::<String>()
}

fn json_lines(rows: &Rows<'_>) -> String {
    let row = |(time, id, symbol, side): &(i64, &str, &str, &str)| {
        let (time, reason) = (time.to_string(), format!("a test, of {id}"));
        let row = json!({ "time": time, "id": id, "strategy": "trend", "symbol": symbol,
                          "side": side, "reason": reason });
        format!("{row}\n")
    };
    rows.iter().map(row).collect()
}

#[test]
fn signals_of_a_file_trade_at_their_time() {
    let folder = Folder::new("backtest-signals");
    let market = Market::new(&folder);
    let [a, b] = [0, 1].map(|n: usize| market.symbols[n].as_str());
    let venue = format!("BINANCE:{a}");
    let rows = [
        (at(30, 5_000), "one", &*venue, "buy"),
        (at(40, 0), "two", b, "buy"),
        (at(40, 0), "three", a, "buy"),
        (at(60, 30_000), "four", a, "sell"),
        (at(61, 0), "five", a, "sell"),
        (at(90, 1), "six", b, "sell"),
    ];
    let file = written(&folder, "signals.csv", &csv(&rows));
    let lines = written(&folder, "signals.jsonl", &json_lines(&rows));
    let with = |file: &str, more: &[&str]| {
        backtest(&[&market.played()[..], &["--signals", file], more].concat())
    };
    let result = with(&file, &[]);
    let sold = |symbol: &str| {
        let all = trades(&result, symbol);
        let [(from, to, why)] = &all[..] else { panic!("{symbol}: {all:?}") };
        (*from, *to, why.clone())
    };
    let ((from_a, to_a, why_a), (from_b, to_b, why_b)) = (sold(a), sold(b));
    // The rest below the sellable minimum ends with the next close, and the trade with it.
    assert_eq!([from_a, to_a, from_b, to_b], [30, 61, 40, 91]);
    assert!(why_a.contains("a test, of four") && why_b.contains("a test, of six"), "{why_a}");
    let declined = result["orders"]["declined"].as_object().unwrap().values();
    let declined: u64 = declined.map(|times| times.as_u64().unwrap()).sum();
    assert_eq!(declined, 2, "bought twice, and sold twice: {result}");
    assert_eq!(with(&lines, &[]), result, "JSON lines are the same signals");
    let text = |file: &str| {
        plain(&[&["backtest"], &market.played()[..], &["--signals", file]].concat()).stdout
    };
    assert_eq!(text(&file), text(&lines), "byte for byte");

    assert_eq!(backtest(&market.played())["trades"], json!([]), "nothing else trades");
    let later = with(&file, &["--from", &at(35, 0).to_string()]);
    assert_eq!(trades(&later, a)[0].0, 40, "what comes before the start is not traded");
    let shorter = with(&file, &["--to", &at(70, 0).to_string()]);
    assert_eq!((trades(&shorter, a).len(), trades(&shorter, b).len()), (1, 0));
}

#[test]
fn a_file_with_a_wrong_signal_is_refused_with_its_line() {
    let folder = Folder::new("backtest-signals-refused");
    let market = Market::new(&folder);
    let a = &*market.symbols[0];
    let row = |minute: i64, id: &str, strategy: &str, symbol: &str| {
        format!("{},{id},{strategy},{symbol},buy,a test\n", at(minute, 0))
    };
    for (rows, why) in [
        (row(30, "a", "trent", a), "line 2: there is no strategy \"trent\"; did you mean trend?"),
        (row(30, "a", "sma_cross", a), "is of kind sma_cross, which takes no signals"),
        (row(30, "a", "trend", "NOBODY"), "line 2: there is no symbol NOBODY"),
        (row(-1, "a", "trend", a), "line 2: there are no bars at"),
        (row(500, "a", "trend", a), "line 2: there are no bars at"),
        (row(30, "a", "trend", a) + &row(29, "b", "trend", a), "line 3: its time is before that"),
        (row(30, "a", "trend", a) + &row(31, "a", "trend", a), "line 3: the id a is that of line"),
        (row(30, "a b", "trend", a), "line 2: the id of a signal must be"),
    ] {
        let file = written(&folder, "wrong.csv", &(HEAD.to_owned() + &rows));
        let text = refused(&[&["backtest"], &market.played()[..], &["--signals", &file]].concat());
        assert!(text.contains("wrong.csv: ") && text.contains(why), "{why}: {text}");
    }
    let text = refused(&["backtest", "--signals", "no such file", "--to", "2026-01-05"]);
    assert!(text.contains("no such file: "), "{text}");
    let text = refused(&["backtest", "--save-signals", "a.csv"]);
    assert!(text.contains("--journal"), "{text}");
}

#[test]
fn a_sweep_plays_the_signals_of_a_file() {
    let folder = Folder::new("sweep-signals");
    let market = Market::new(&folder);
    let a = &*market.symbols[0];
    let grid = written(&folder, "grid.toml", "\"strategy.trend.stop\" = [\"2%\", \"5%\"]\n");
    let file = written(&folder, "signals.csv", &csv(&[(at(20, 0), "one", a, "buy")]));
    let out = folder.join("sweep.jsonl");
    let sweep = |file: &str, more: &[&str]| {
        let own = ["--grid", &grid, "--out", out.to_str().unwrap(), "--signals", file];
        plain(&[&["sweep"], &market.played()[..], &own, more].concat())
    };
    let planned = String::from_utf8(sweep(&file, &["--plan", "2"]).stdout).unwrap();
    assert_eq!(planned.matches(&format!("--signals {file}")).count(), 2, "{planned}");
    let swept = sweep(&file, &["--json"]);
    assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    // With other signals, it is another sweep.
    let other = written(&folder, "other.csv", &csv(&[(at(21, 0), "one", a, "buy")]));
    let text = sweep(&other, &["--json"]);
    assert!(!text.status.success(), "{}", String::from_utf8_lossy(&text.stdout));
}

/// The value of the lot of `trend` in a symbol, at its price of entry.
fn lot(dir: &Path, symbol: &str) -> f64 {
    let number = |value: &Value| value.as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
    let lots = ask(dir, &["lots"]);
    let mut lots = lots.as_array().unwrap().iter();
    let lot = lots.find(|lot| lot["strategy"] == "trend" && lot["symbol"] == symbol);
    lot.map_or(0.0, |lot| number(&lot["quantity"]) * number(&lot["average_price"]))
}

#[test]
fn a_killed_daemon_trades_its_signals_as_the_backtest_does() {
    let folder = Folder::new("backtest-signals-daemon");
    let market = Market::new(&folder);
    let [a, b] = [0, 1].map(|n: usize| market.symbols[n].as_str());
    let last = backtest(&market.played())["closes"].clone();
    let dir = folder.join("data");
    let start = || {
        let flags = [&["run", "--pace", "lockstep"], &market.played()[..]].concat();
        let daemon = Process::start(&dir, &flags);
        daemon.prints("may trade");
        daemon
    };
    let signal = |id: &str, symbol: &str, side: &str| {
        let words = ["signal", "trend", symbol, side, "--id", id, "--reason", "a test", "--yes"];
        let (code, out, err) = run(&dir, &words);
        assert_eq!(code, Some(0), "{out}{err}");
        out
    };
    let daemon = start();
    // Time stands still after the last close.
    wait_until("the recording has ended", || ask(&dir, &["status"])["closes"] == last);
    let first = signal("one", a, "buy");
    wait_until("it is bought", || lot(&dir, a) > 100.0);
    daemon.kill();
    let daemon = start();
    assert_eq!(signal("one", a, "buy"), first, "a repeated signal acts no more");
    signal("two", b, "buy");
    wait_until("it is bought", || lot(&dir, b) > 100.0);
    signal("three", a, "sell");
    wait_until("it is sold, but for a rest", || lot(&dir, a) < 100.0);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    for proof in ["verify", "verify-trades"] {
        assert_eq!(ask(&dir, &[proof])["problems"], json!([]), "{proof}");
    }

    let saved = folder.join("saved.csv");
    let saved = saved.to_str().unwrap();
    let journal = ["--journal", dir.to_str().unwrap(), "--config", &market.config];
    let mut own = backtest(&[&journal[..], &["--save-signals", saved]].concat());
    let did = own.as_object_mut().unwrap().remove("daemon").unwrap()["traded"].take();
    for member in ["from", "to", "closes", "account", "orders", "trades", "equity"] {
        assert_eq!(did[member], own[member], "{member}");
    }
    // No close follows, so the rest of the sold lot is still there.
    assert_eq!((&own["trades"], &own["account"]["open_lots"]), (&json!([]), &json!(2)));
    assert!(own["orders"]["fills"].as_u64() >= Some(3), "{own}");
    let text = fs::read_to_string(saved).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    let ours = backtest(&[&market.played()[..], &["--signals", saved]].concat());
    assert_eq!(ours, own, "the file has the signals of the journal");
    let replay = ["replay", "--data-dir", dir.to_str().unwrap(), "--config", &market.config];
    let set = ["--set", "strategy.trend.stop=4%", "--json"];
    let output = plain(&[&replay[..], &set].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["configured"]["orders"], own["orders"], "a replay has them, too");
    // Those of a file replace them.
    let empty = written(&folder, "empty.csv", HEAD);
    let without = backtest(&[&journal[..], &["--signals", &empty]].concat());
    assert_eq!(without["orders"]["fills"], 0);
}
