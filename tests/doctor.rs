//! `everwarm doctor`, with and without a daemon: what is wrong, since when, what to do.

use crate::kit::{BINARY, Folder, Process, ask, run, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn doctor(dir: &Path) -> (Option<i32>, Value) {
    let (code, out, err) = run(dir, &["doctor", "--json"]);
    (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}")))
}

fn checks(view: &Value) -> Vec<&str> {
    let findings = view["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["check"].as_str().unwrap()).collect()
}

#[test]
fn it_tells_of_a_daemon_that_is_well_of_one_that_was_killed_and_of_none() {
    let folder = Folder::new("doctor");
    let dir = folder.join("data");
    let (code, view) = doctor(&dir);
    assert_eq!((code, checks(&view)), (Some(4), vec!["process"]));
    let whole = |command: &str| json!(format!("{command} --data-dir {}", dir.display()));
    assert_eq!(view["findings"][0]["command"], whole("everwarm run"));

    let process = Process::start(&dir, &["run", "--pace", "240x"]);
    process.prints("fill");
    wait_until("all is well", || {
        let (code, out, _) = run(&dir, &["doctor"]);
        code == Some(0) && out.contains("the daemon responds: no problems")
    });
    process.kill();

    // What it plays is in January; since when nobody runs is another matter.
    let live = std::fs::OpenOptions::new().write(true).open(dir.join("live.redb")).unwrap();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    live.set_modified(at).unwrap();
    let (code, view) = doctor(&dir);
    assert_eq!((code, view["running"].clone()), (Some(4), json!(false)));
    assert_eq!(view["findings"][0]["since"], json!(1_700_000_000_000_i64), "{view}");
    assert!(checks(&view).contains(&"process"), "{view}");
    let first = &view["findings"][0];
    assert!(first["since"].is_i64() && first["severity"] == json!("broken"), "{view}");
    let (_, out, _) = run(&dir, &["doctor"]);
    assert!(out.contains("no daemon is running") && out.contains("$ everwarm run"), "{out}");
    assert!(out.contains("--pace 240x"), "{out}");

    live.set_len(20_000).unwrap();
    let (code, out, _) = run(&dir, &["doctor"]);
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("live.redb") && out.contains("$ everwarm store check"), "{out}");
}

#[test]
fn a_part_that_stands_still_is_told_with_since_when_and_what_to_do() {
    let folder = Folder::new("stands");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    std::fs::write(&config, "[chaos]\nenabled = true\n").unwrap();
    let daemon = Process::start(&dir, &["run", "--pace", "240x", "--config", path]);
    daemon.prints("may trade");
    wait_until("all is well", || doctor(&dir).0 == Some(0));
    let before = everwarm_runtime::clock::wall().utc();
    let stall = ["kill", "clock", "--how", "stall", "--seconds", "25", "--yes", "--config", path];
    assert_eq!(run(&dir, &stall).0, Some(0));
    let search = || -> Option<Value> {
        let (_, view) = doctor(&dir);
        let findings = view["findings"].as_array().unwrap().clone();
        let stands = "trading/clock makes no progress: ";
        findings.into_iter().find(|f| f["text"].as_str().unwrap().starts_with(stands))
    };
    wait_until("it is told", || search().is_some());
    let found = search().expect("it stands for longer");
    // It was looked at half a second before at most.
    assert!(found["since"].as_i64() > Some(before - 1_500), "{before} {found}");
    assert!(found["for_s"].as_u64() >= Some(10) && found["severity"] == "broken", "{found}");
    assert_eq!(found["command"], json!(format!("everwarm tree --data-dir {}", dir.display())));
    wait_until("it goes on", || doctor(&dir).0 == Some(0));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

/// The finding of a check.
fn finding(view: &Value, check: &str) -> Value {
    let all = view["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["check"] == check).cloned().unwrap_or_default()
}

#[test]
fn a_halt_is_told_since_its_level_and_with_its_next_step_over_a_stop() {
    let folder = Folder::new("halted");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    std::fs::write(&config, "[market]\nsymbols = 3\n").unwrap();
    let daemon = Process::start(&dir, &["run", "--pace", "240x", "--config", path]);
    daemon.answers();
    daemon.prints("may trade");
    let word = |words: &[&str]| {
        assert_eq!(run(&dir, &[words, &["--reason", "storm", "--yes"]].concat()).0, Some(0));
    };
    let breaker = |level: &str| {
        let at = format!("the breaker is at {level}: ");
        let current = || finding(&doctor(&dir).1, "breaker");
        let is = |found: &Value| found["text"].as_str().is_some_and(|text| text.starts_with(&at));
        wait_until(level, || is(&current()));
        current()
    };
    let folder = format!(" --data-dir {}", dir.display());
    word(&["halt"]);
    let halted = breaker("exits-only");
    assert_eq!(halted["command"], json!(format!("everwarm resume --reason \"why\"{folder}")));
    let since = |found: &Value| found["since"].as_i64().unwrap();
    let time = || ask(&dir, &["status"])["close_time"].as_i64();
    wait_until("ten minutes pass", || time() > Some(since(&halted) + 600_000));
    word(&["safe-start", "collect"]);
    let careful = breaker("halted");
    assert!(since(&careful) >= since(&halted) + 600_000, "{halted} {careful}");
    word(&["safe-start", "trade"]);
    breaker("exits-only");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    // Its files report the same step, and a start takes the file that it was started with.
    let found = breaker("exits-only");
    assert_eq!(found["command"], halted["command"], "{found}");
    let start = finding(&doctor(&dir).1, "process")["command"].clone();
    // And its flags.
    assert_eq!(start, json!(format!("everwarm run --config {path}{folder} --pace 240x")));
    // What it prints works: the same daemon runs again, halted as before.
    let words: Vec<&str> = start.as_str().unwrap().split(' ').skip(1).collect();
    let flags = words.iter().position(|word| *word == "--data-dir").unwrap();
    let again = Process::start(&dir, &[&words[..flags], &words[flags + 2..]].concat());
    again.prints("may trade");
    let (_, out, _) = run(&dir, &["status"]);
    assert!(out.starts_with("state      entries stopped by operator: storm, process "), "{out}");
    again.signal("-INT");
    assert_eq!(again.end().0.code(), Some(0));
    let (_, out, _) = run(&dir, &["status"]);
    assert!(out.starts_with("state      stopped, entries stopped by operator: storm"), "{out}");
    let (code, out, err) = run(&dir, &["config", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let by = format!("configuration of the daemon's last start: {path} and --pace 240x");
    assert!(err.split_whitespace().collect::<Vec<_>>().join(" ").contains(&by), "{err}");
    word(&["safe-start", "collect"]);
    let found = breaker("halted");
    let next = format!("everwarm safe-start exits --reason \"why\"{folder}");
    assert_eq!(found["command"], json!(next), "{found}");
    // What a start would refuse is in that file, too.
    std::fs::write(&config, "[trading]\nnotional = -1\n").unwrap();
    let found = finding(&doctor(&dir).1, "configuration");
    assert!(found["text"].to_string().contains("trading.notional"), "{found}");
    assert_eq!(found["command"], json!(format!("everwarm config check --config {path}{folder}")));
}

#[test]
fn a_venue_that_does_not_answer_is_told_with_since_when() {
    let folder = Folder::new("venueless");
    let dir = folder.join("data");
    let mut command = Command::new(BINARY);
    for (name, value) in [
        ("VENUE__KIND", "binance"),
        ("VENUE__REST", "http://127.0.0.1:9"),
        ("VENUE__STREAMS", "ws://127.0.0.1:9"),
        ("VENUE__WS_API", "ws://127.0.0.1:9"),
        ("VENUE__KEY", "env:THE_KEY"),
        ("VENUE__SECRET", "env:THE_KEY"),
        ("TRADING__QUOTE_ASSET", "USDT"),
        ("MARKET__SYMBOLS", "BTCUSDT"),
    ] {
        command.env(format!("EVERWARM_{name}"), value);
    }
    command.env("THE_KEY", "x");
    let process = Process::of(command, &dir, &["run"]);
    process.answers();
    wait_until("it is told", || checks(&doctor(&dir).1).contains(&"ready"));
    let (_, view) = doctor(&dir);
    let findings = view["findings"].as_array().unwrap();
    let dated = findings.iter().filter(|f| f["check"] == "ready").all(|f| f["since"].is_i64());
    assert!(dated, "{view}");
    // The reason is reported.
    let reports = |text: &str| ask(&dir, &["status"])["problems"].to_string().contains(text);
    wait_until("the cause is told", || {
        reports("it does not report its symbols") && reports("refused")
    });
    process.kill();
}
