//! `everwarm history fetch` against an exchange: the files hold its bars, also after kills.

use crate::kit::{plain, wait_until};
use crate::past_source::{NAMES, Source, assert_same, at, bars_of, file};
use everwarm::chaos::feed::START;
use everwarm_domain::time::MINUTE;
use everwarm_sim::market::Market as _;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// Minutes before the start of the exchange: more than one block of 64 pages.
const MINUTES: u32 = 70_123;

#[test]
fn a_fetch_that_is_killed_goes_on_and_ends_with_every_bar_of_the_source() {
    let source = Source::start("fetch-killed", MINUTES);
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
    assert_same(&so_far, &source.made(so_far.len().try_into().unwrap(), 1));
    let done = source.fetch(&out, &[&asked[..], &["--json"]].concat());
    assert!(done.status.success(), "{done:?}");
    let all = source.made(90_000, 1);
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
    let source = Source::start("fetch-extended", MINUTES);
    let out = source.folder.join("got");
    let names = NAMES.join(",");
    // The middle, what is before it in more than one block, and what is after it.
    for (from, to) in [(5_000, 3_000), (69_500, 4_000), (4_000, 0)] {
        let done = source.fetch(&out, &["--symbols", &names, "--from", &at(from), "--to", &at(to)]);
        assert!(done.status.success(), "{done:?}");
    }
    assert_same(&bars_of(&file(&out)), &source.made(69_500, 1));
    let played =
        plain(&["backtest", "--json", "--recording", out.to_str().unwrap(), "--from", &at(500)]);
    assert!(played.status.success(), "{played:?}");
    let rules = std::fs::read_to_string(out.join("recording.toml")).unwrap();
    let known = source.market();
    for rule in known.instruments() {
        assert!(rules.contains(&format!("[symbols.\"{}\"]", rule.symbol)), "{rules}");
        assert!(rules.contains(&format!("lot = \"{}\"", rule.lot_size.normalize())), "{rules}");
    }
    source.end();
}

#[test]
fn wider_bars_are_fetched_whole_and_only_once_they_are_final() {
    let source = Source::start("fetch-wide", MINUTES);
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
    let minutes = source.made(since, since - 59);
    assert_eq!((last.open, last.close), (minutes[0].open, minutes[59].close));
    assert!(!out.join("recording.toml").exists(), "no minutes, no recording");
    assert!(out.join(format!("{}_1d.csv.gz", NAMES[0])).exists());
    source.end();
}

#[test]
fn a_source_that_fails_is_asked_again_and_what_is_wrong_is_named() {
    let source = Source::start("fetch-faults", MINUTES);
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
    assert_same(&bars_of(&file(&out)), &source.made(5_000, 1));
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
