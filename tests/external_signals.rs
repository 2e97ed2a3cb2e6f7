//! Signals of external programs: they pass the decision, and an id acts once, whatever is killed.

use crate::cli::api::request;
use crate::kit::{Folder, Process, ask, run, wait_until};
use everwarm_api::TOKEN_FILE;
use everwarm_domain::fact::{Analysis, Body, Operator};
use everwarm_sim::wire::sign::hmac_hex;
use serde_json::{Value, json};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

const POST: &str = "POST /api/v1/signals HTTP/1.1";
const JSON: &str = "Content-Type: application/json";
/// Symbols and pace: a market that hardly moves while a test runs, and one with many crossings.
const SLOW: (&str, &str) = ("3", "20x");
const FAST: (&str, &str) = ("24", "40x");

/// Starts a daemon with the strategy `trend` of an external program. The other strategy is never
/// sure enough to buy: it only has past bars loaded.
fn start(dir: &Path, (symbols, pace): (&str, &str)) -> Process {
    let config = dir.with_file_name("trend.toml");
    let text = "[strategy.sma_cross]\nmin_confidence = \"0.9\"\n\n[strategy.trend]\n\
                kind = \"external\"\n";
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let words = ["run", "--config", config, "--symbols", symbols, "--pace", pace];
    let daemon = Process::start(dir, &words);
    daemon.prints("may trade");
    daemon
}

fn symbol(dir: &Path) -> String {
    ask(dir, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned()
}

fn body(id: &str, symbol: &str, side: &str) -> Value {
    json!({ "id": id, "strategy": "trend", "symbol": symbol, "side": side, "reason": "a test" })
}

/// Sends a signal with this header: the status and the body of the response.
fn send(dir: &Path, header: &str, body: &Value) -> (String, Value) {
    let answer = request(dir, &[POST, JSON, header], &body.to_string());
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let text = answer.split_once("\r\n\r\n").map_or("", |(_, text)| text);
    (status, serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {answer}")))
}

fn token(dir: &Path) -> String {
    fs::read_to_string(dir.join(TOKEN_FILE)).unwrap().trim().to_owned()
}

fn bearer(dir: &Path) -> String {
    format!("Authorization: Bearer {}", token(dir))
}

/// Sends a signal that is taken.
fn taken(dir: &Path, body: &Value) -> Value {
    let (status, taken) = send(dir, &bearer(dir), body);
    assert_eq!(status, "200", "{taken}");
    taken
}

/// The value of the lot of `trend` in a symbol, at its price of entry.
fn lot(dir: &Path, symbol: &str) -> f64 {
    let number = |value: &Value| value.as_str().map_or(0.0, |text| text.parse::<f64>().unwrap());
    let lots = ask(dir, &["lots"]);
    let mut lots = lots.as_array().unwrap().iter();
    let lot = lots.find(|lot| lot["strategy"] == "trend" && lot["symbol"] == symbol);
    lot.map_or(0.0, |lot| number(&lot["quantity"]) * number(&lot["average_price"]))
}

/// The purchases of `trend`.
fn buys(dir: &Path) -> usize {
    let orders = ask(dir, &["orders", "--limit", "1000"]);
    let bought = |order: &&Value| {
        let id = order["client_order_id"].as_str().unwrap();
        id.starts_with("ew-trend") && order["side"] == "buy"
    };
    orders.as_array().unwrap().iter().filter(bought).count()
}

fn closed(dir: &Path) {
    wait_until("a symbol has closed", || ask(dir, &["status"])["closes"].as_u64() > Some(1));
}

fn ends_well(dir: &Path, daemon: Process) {
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    for proof in ["verify", "verify-trades"] {
        assert_eq!(ask(dir, &[proof])["problems"], json!([]), "{proof}");
    }
}

#[test]
fn a_signal_acts_once_though_the_daemon_is_killed() {
    let folder = Folder::new("signals");
    let dir = folder.join("data");
    let daemon = start(&dir, SLOW);
    closed(&dir);
    let of = symbol(&dir);
    let buy = body("one", &format!("BINANCE:{of}"), "buy");
    let first = taken(&dir, &buy);
    assert_eq!(first["signal"]["outcome"], "approved", "{first}");
    assert_eq!(taken(&dir, &buy), first, "a repeated signal has the first response");
    wait_until("it is bought", || lot(&dir, &of) > 100.0);
    daemon.kill();

    let daemon = start(&dir, SLOW);
    assert_eq!(taken(&dir, &buy), first, "in the next run, too");
    let id = first["signal"]["client_order_id"].as_str().unwrap();
    let (_, story, err) = run(&dir, &["explain", id]);
    assert!(story.contains("signal one of an external program"), "{story}{err}");
    let again = taken(&dir, &body("two", &of, "buy"));
    assert_eq!(again["signal"]["outcome"], "declined", "{again}");

    // A signature of the body, in place of the token.
    let mut sell = body("three", &of, "sell");
    let signed = |key: &str, body: &Value| {
        send(&dir, &format!("Everwarm-Signature: {}", hmac_hex(key, &body.to_string())), body)
    };
    let (status, problem) = signed(&token(&dir), &sell);
    assert!(status == "400" && problem.to_string().contains("needs its time"), "{problem}");
    sell["time"] = json!(ask(&dir, &["status"])["close_time"].to_string());
    sell["max_age_s"] = json!(3_600);
    assert_eq!(signed("another key", &sell).0, "401");
    let (status, sold) = signed(&token(&dir), &sell);
    assert_eq!(status, "200", "{sold}");
    wait_until("it is sold", || lot(&dir, &of) < 50.0);
    assert_eq!(taken(&dir, &buy), first, "the id acts no more");
    let last = ask(&dir, &["audit", "--limit", "2"]);
    assert_eq!(last[0]["who"], "signature", "{last}");
    wait_until("it is listed", || buys(&dir) > 0);
    assert_eq!(buys(&dir), 1);
    ends_well(&dir, daemon);
    let funnel = ask(&dir, &["funnel"]);
    let mut rows = funnel["strategies"].as_array().unwrap().iter();
    let row = rows.find(|row| row["strategy"] == "trend").unwrap();
    assert_eq!((&row["entries"]["signals"], &row["entries"]["filled"]), (&json!(2), &json!(1)));
    assert_eq!(row["exits"]["signals"], 1, "{row}");
}

#[test]
fn a_signal_that_cannot_act_is_refused_with_the_reason() {
    let folder = Folder::new("signals-refused");
    let dir = folder.join("data");
    let daemon = start(&dir, SLOW);
    closed(&dir);
    let of = symbol(&dir);
    let good = body("one", &of, "buy");
    assert_eq!(send(&dir, "X: y", &good).0, "401");
    assert_eq!(send(&dir, "Authorization: Bearer 0123456789abcdef", &good).0, "401");
    for (member, value, status, why) in [
        ("id", json!("a b"), "400", "the id of a signal must be"),
        ("reason", json!(" "), "400", "the reason must have"),
        ("more", json!(1), "400", "unknown field"),
        ("strategy", json!("trent"), "404", "did you mean trend?"),
        ("strategy", json!("sma_cross"), "409", "is of kind sma_cross, which takes no signals"),
        ("symbol", json!("BTCUSDD"), "404", "did you mean"),
        ("symbol", json!("btc/usdt"), "400", "is not a symbol"),
        ("time", json!("1"), "409", "the signal is too old"),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let (is, problem) = send(&dir, &bearer(&dir), &bad);
        let detail = problem["detail"].as_str().unwrap();
        assert!(is == status && detail.contains(why), "{member}: {is} {problem}");
    }
    let words = ["signal", "trend", &of, "sell", "--id", "cli", "--reason", "x", "--yes"];
    let (code, out, err) = run(&dir, &words);
    assert!(code == Some(5) && out.contains("declined: "), "{out}{err}");
    let (code, _, err) = run(&dir, &["disable", "trend", "--reason", "x", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    wait_until("it is off", || ask(&dir, &["switches"]).to_string().contains("trend"));
    let (status, problem) = send(&dir, &bearer(&dir), &good);
    assert_eq!(status, "409", "{problem}");
    assert_eq!(buys(&dir), 0);
    ends_well(&dir, daemon);
    // Fills of play money say nothing about a venue.
    let (code, _, err) = run(&dir, &["calibrate"]);
    assert!(code == Some(5) && err.contains("trades play money"), "{err}");
}

#[test]
fn the_python_program_trades_though_the_daemon_is_killed() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        println!("passed over: there is no python3");
        return;
    }
    let folder = Folder::new("signals-python");
    let dir = folder.join("data");
    let daemon = start(&dir, FAST);
    closed(&dir);
    let listed = ask(&dir, &["symbols", "list"]);
    let listed: Vec<&str> =
        listed.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python_strategy.py");
    let begin = || {
        let mut command = Command::new("python3");
        command.arg("-B").arg(file).arg(&dir).arg("trend").args(&listed);
        Process::bare(command)
    };
    let program = begin();
    program.prints("-buy approved");
    daemon.kill();
    let daemon = start(&dir, FAST);
    let before = program.lines().len();
    wait_until("it goes on", || program.lines().len() > before);
    program.kill();
    let program = begin();
    program.prints("-");
    program.kill();
    ends_well(&dir, daemon);
    let (given, passed) = journalled(&dir);
    assert!(passed.len() > 1, "{passed:?}");
    for mut ids in [given, passed] {
        let all = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all, "a signal acts once, though the last closes are judged again");
    }
}

/// The ids of the signals in the journal: those that arrived, and those that the strategy gave to
/// the decision.
fn journalled(dir: &Path) -> (Vec<String>, Vec<String>) {
    let (mut given, mut passed) = (Vec::new(), Vec::new());
    let journal = everwarm::audit::open(dir).unwrap();
    let read = journal.each(0, &mut |_, fact| {
        match &fact.body {
            Body::Operator(Operator::Signalled(signal)) => given.push(signal.id.clone()),
            Body::Analysis(Analysis::Signals { rows }) => {
                passed.extend(rows.iter().filter_map(|row| row.terms.id.clone()));
            }
            Body::Market(_)
            | Body::Venue(_)
            | Body::Operator(_)
            | Body::Analysis(_)
            | Body::Decision(_)
            | Body::Order(_)
            | Body::Ledger(_) => {}
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    (given, passed)
}
