//! `everwarm history fetch` against an exchange: the files hold its bars, also after kills.

use crate::kit::{BINARY, Folder, output, plain, wait_until};
use everwarm::chaos::feed::START;
use everwarm_domain::market::Bar;
use everwarm_domain::time::MINUTE;
use everwarm_sim::market::{Market, Seeded, read_bars};
use everwarm_sim::{InitialBooks, Pace, SimHandle, SimOptions, start};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tokio::runtime::Runtime;

/// Minutes before the start of the exchange: more than one block of 64 pages.
const MINUTES: u32 = 70_123;
/// After this time a bar is final, milliseconds.
const FINAL: i64 = 2_000;
/// The symbols.
const NAMES: [&str; 2] = ["BTCUSDT", "ETHUSDT"];

/// An exchange whose time stands at its start, with a long history.
struct Source {
    folder: Folder,
    sim: SimHandle,
    runtime: Runtime,
}

fn market() -> Seeded {
    Seeded::new(1, 2, START, MINUTES)
}

impl Source {
    fn start(name: &str) -> Source {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = Folder::new(name);
        let runtime = Runtime::new().unwrap();
        let options = SimOptions {
            data_dir: folder.join("exchange"),
            port: 0,
            pace: Pace::Lockstep,
            market: Box::new(market()),
            setup: InitialBooks::default(),
            idle_exit: None,
        };
        let sim = runtime.block_on(start(options)).unwrap();
        let source = Source { folder, sim, runtime };
        source.post("advance", &json!({"to": START + FINAL, "market": START}));
        source
    }

    fn post(&self, what: &str, body: &Value) {
        let url = format!("http://{}/sim/v1/{what}", self.sim.addr);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.post(url).bearer_auth(&self.sim.token).body(body.to_string());
        let answer = self.runtime.block_on(asked.send()).unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn end(self) {
        self.runtime.block_on(self.sim.stop()).unwrap();
    }

    fn command(&self, out: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["history", "fetch", "--address", &format!("http://{}", self.sim.addr)]);
        command.arg("--out").arg(out).args(more);
        command
    }

    fn fetch(&self, out: &Path, more: &[&str]) -> Output {
        output(&mut self.command(out, more))
    }

    fn fault(&self, kind: &str, at: &str, times: u64) {
        self.post("fault", &json!({"kind": kind, "at": at, "times": times}));
    }
}

fn bars_of(file: &Path) -> Vec<Bar> {
    read_bars(file, usize::MAX).unwrap().0
}

/// The bars of the market with opening times of these minutes before the start.
fn made(from: i64, to: i64) -> Vec<Bar> {
    let mut market = market();
    let symbol = NAMES[0].parse().unwrap();
    market.bars(symbol, START - from * MINUTE, START - to * MINUTE, usize::MAX)
}

fn file(out: &Path) -> PathBuf {
    out.join(format!("{}_1m.csv.gz", NAMES[0]))
}

fn assert_same(found: &[Bar], wanted: &[Bar]) {
    let at = found.iter().zip(wanted).position(|(a, b)| a != b);
    let at = at.map(|at| (found[at], wanted[at]));
    assert!(at.is_none(), "{at:?}");
    assert_eq!(found.len(), wanted.len());
}

/// Minutes before the start, as a time on the command line.
fn at(minutes: i64) -> String {
    everwarm_words::text::instant(START - minutes * MINUTE)
}

#[test]
fn a_fetch_that_is_killed_goes_on_and_ends_with_every_bar_of_the_source() {
    let source = Source::start("fetch-killed");
    let out = source.folder.join("got");
    let (from, to) = (at(90_000), at(0));
    let asked = ["--symbols", NAMES[0], "--from", &from, "--to", &to];
    // The file has the newest bars. What is before them comes in two blocks.
    let newest = source.fetch(&out, &["--symbols", NAMES[0], "--from", &at(2_000), "--to", &to]);
    assert!(newest.status.success(), "{newest:?}");
    source.post("fault", &json!({"kind": "slow", "at": "GET klines", "value": 500}));
    let mut child = source.command(&out, &asked).stderr(Stdio::null()).spawn().unwrap();
    wait_until("a block is written", || bars_of(&file(&out)).len() > 2_000);
    child.kill().unwrap();
    child.wait().unwrap();
    source.post("lift", &json!({}));
    let so_far = bars_of(&file(&out));
    assert_same(&so_far, &made(so_far.len().try_into().unwrap(), 1));
    let done = source.fetch(&out, &[&asked[..], &["--json"]].concat());
    assert!(done.status.success(), "{done:?}");
    let all = made(90_000, 1);
    assert_eq!(all.len(), MINUTES as usize);
    assert_same(&bars_of(&file(&out)), &all);
    let view: Value = serde_json::from_slice(&done.stdout).unwrap();
    let series = &view["series"][0];
    assert_eq!(series["fetched"], all.len() - so_far.len());
    assert_eq!((&series["bars"], &series["missing"]), (&json!(all.len()), &json!(0)));
    let again = source.fetch(&out, &[&asked[..], &["--json"]].concat());
    let view: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(view["series"][0]["fetched"], 0, "there is nothing left to fetch");
    source.end();
}

#[test]
fn a_file_is_extended_at_both_ends_and_plays_as_a_recording() {
    let source = Source::start("fetch-extended");
    let out = source.folder.join("got");
    let names = NAMES.join(",");
    // The middle, what is before it in more than one block, and what is after it.
    for (from, to) in [(5_000, 3_000), (69_500, 4_000), (4_000, 0)] {
        let done = source.fetch(&out, &["--symbols", &names, "--from", &at(from), "--to", &at(to)]);
        assert!(done.status.success(), "{done:?}");
    }
    assert_same(&bars_of(&file(&out)), &made(69_500, 1));
    let played =
        plain(&["backtest", "--json", "--recording", out.to_str().unwrap(), "--from", &at(500)]);
    assert!(played.status.success(), "{played:?}");
    let rules = std::fs::read_to_string(out.join("recording.toml")).unwrap();
    let known = market();
    for rule in known.instruments() {
        assert!(rules.contains(&format!("[symbols.\"{}\"]", rule.symbol)), "{rules}");
        assert!(rules.contains(&format!("lot = \"{}\"", rule.lot_size.normalize())), "{rules}");
    }
    source.end();
}

#[test]
fn wider_bars_are_fetched_whole_and_only_once_they_are_final() {
    let source = Source::start("fetch-wide");
    let out = source.folder.join("got");
    let hour = 60 * MINUTE;
    let full = (START - 90 * MINUTE).div_euclid(hour) * hour;
    let asked = ["--symbols", NAMES[0], "--timeframes", "1h,1d", "--from", &at(3_000)];
    let done = source.fetch(&out, &[&asked[..], &["--to", &at(90)]].concat());
    assert!(done.status.success(), "{done:?}");
    let hours = bars_of(&out.join(format!("{}_1h.csv.gz", NAMES[0])));
    let last = hours.last().unwrap();
    assert_eq!(last.open_time, full - hour, "the hour of --to is not over");
    let since = (START - last.open_time) / MINUTE;
    let minutes = made(since, since - 59);
    assert_eq!((last.open, last.close), (minutes[0].open, minutes[59].close));
    assert!(!out.join("recording.toml").exists(), "no minutes, no recording");
    assert!(out.join(format!("{}_1d.csv.gz", NAMES[0])).exists());
    source.end();
}

#[test]
fn a_source_that_fails_is_asked_again_and_what_is_wrong_is_named() {
    let source = Source::start("fetch-faults");
    let out = source.folder.join("got");
    let asked = ["--symbols", NAMES[0], "--from", &at(5_000), "--to", &at(0)];
    let ban = json!({"kind": "banned", "at": "GET klines", "times": 1, "value": 700});
    source.post("fault", &ban);
    let both = NAMES.join(",");
    let banned = source.fetch(&out, &["--symbols", &both, "--from", &at(5_000), "--to", &at(0)]);
    let why = String::from_utf8(banned.stderr).unwrap();
    assert_eq!(banned.status.code(), Some(1), "{why}");
    assert_eq!(why.matches("The same command continues.").count(), 2, "{why}");
    for kind in ["limited", "error-before", "reset"] {
        source.fault(kind, "GET klines", 2);
    }
    let done = source.fetch(&out, &asked);
    assert!(done.status.success(), "{done:?}");
    assert_same(&bars_of(&file(&out)), &made(5_000, 1));
    let wrong = |more: &[&str]| {
        let done = source.fetch(&out, more);
        (done.status.code(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, why) = wrong(&["--symbols", "BTCUSDT,NOPE,ETHUSDT", "--from", &at(10)]);
    assert!(code == Some(2) && why.contains("Binance has no NOPE"), "{why}");
    let (code, why) = wrong(&["--symbols", NAMES[0], "--source", "nope", "--from", &at(10)]);
    assert!(code == Some(2) && why.contains("is not one of: binance"), "{why}");
    std::fs::write(file(&out), "no bars").unwrap();
    let (code, why) = wrong(&asked);
    assert!(code == Some(2) && why.contains("Repair or remove the file"), "{why}");
    let plain = ["--address", "http://192.0.2.1", "--symbols", NAMES[0], "--from", &at(10)];
    let out = output_of(&out, &plain);
    assert!(out.contains("is not encrypted"), "{out}");
    source.end();
}

fn output_of(out: &Path, arguments: &[&str]) -> String {
    let folder = out.to_str().unwrap();
    let all = [&["history", "fetch", "--out", folder], arguments].concat();
    String::from_utf8(plain(&all).stderr).unwrap()
}
