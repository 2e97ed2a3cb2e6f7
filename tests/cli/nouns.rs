//! Bars, why there was no order, the files, the tree as it changes, and what shells are given.

use super::refuse::zeros_in_the_middle;
use crate::kit::{
    Folder, PATIENCE, Process, ask, plain, run, small_recording, until_end, wait_until,
    wait_until_free,
};
use everwarm::daemon_run::LIVE_FILE;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A data directory of a run of the small recording that has ended.
fn ended(folder: &Folder) -> PathBuf {
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&dir);
    dir
}

fn decimal(row: &Value, field: &str) -> f64 {
    row[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn bars_are_listed_and_wider_ones_are_made_of_them() {
    let folder = Folder::new("bars");
    let dir = ended(&folder);
    let narrow = ask(&dir, &["bars", "AAAUSD", "1m"]);
    let narrow = narrow.as_array().unwrap();
    assert!(narrow.len() > 300, "{}", narrow.len());
    let times: Vec<i64> = narrow.iter().map(|bar| bar["open_time"].as_i64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "ascending, each once");
    let newest = ask(&dir, &["bars", "AAAUSD", "--limit", "7"]);
    assert_eq!(newest.as_array().unwrap(), &narrow[narrow.len() - 7..]);
    let wide = ask(&dir, &["bars", "AAAUSD", "5m", "--limit", "3"]);
    for bar in wide.as_array().unwrap() {
        let open = bar["open_time"].as_i64().unwrap();
        let inside = |time: i64| (open..open + 300_000).contains(&time);
        let parts: Vec<&Value> =
            narrow.iter().filter(|part| inside(part["open_time"].as_i64().unwrap())).collect();
        let (first, last) = (parts.first().unwrap(), parts.last().unwrap());
        assert_eq!((&bar["open"], &bar["close"]), (&first["open"], &last["close"]), "{bar}");
        let high = parts.iter().map(|part| decimal(part, "high")).fold(0.0, f64::max);
        assert!((decimal(bar, "high") - high).abs() < 1e-9, "{bar}");
        let whole = (&bar["minutes"], &bar["complete"]);
        assert_eq!(whole, (&json!(parts.len()), &json!(parts.len() == 5)), "{bar}");
    }
    let newest = wide.as_array().unwrap().last().unwrap();
    let (code, out, _) = run(&dir, &["bars", "AAAUSD", "5m", "--csv", "--limit", "1"]);
    let (head, row) = out.trim_end().split_once('\n').unwrap();
    assert_eq!((code, head.ends_with(",volume,minutes,complete")), (Some(0), true), "{out}");
    let complete = u8::from(newest["complete"] == true);
    assert!(row.ends_with(&format!(",{},{complete}", newest["minutes"])), "{out}");
    let (code, out, _) = run(&dir, &["bars", "AAAUSD", "1h"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("opened (UTC)") && out.lines().count() > 3, "{out}");
    // What nothing is known of does not look like what has no bars yet.
    for (words, meant) in [
        (&["bars", "AAAUS", "1h", "--json"][..], "did you mean AAAUSD?"),
        (&["bars", "NOPE", "--csv"], "`everwarm symbols list`"),
        (&["why-not", "AAAUS"], "did you mean AAAUSD?"),
    ] {
        let (code, out, err) = run(&dir, words);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{words:?}: {err}");
        assert!(err.contains("there is no symbol ") && err.contains(meant), "{words:?}: {err}");
    }
    for words in [&["bars", "aaausd"], &["why-not", "aaausd"]] {
        let (code, out, err) = run(&dir, words);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}: {err}");
        assert!(
            err.contains("\"aaausd\" is not a symbol") && err.contains("Write AAAUSD"),
            "{err}"
        );
    }
    let (code, out, err) = run(&dir, &["bars", "AAAUSD", "2m"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("2m") && err.contains("15m"), "{err}");
}

/// The closes of a time in words of people.
fn at(time: i64) -> String {
    everwarm_words::text::instant(time)
}

#[test]
fn why_there_was_no_order_is_told_for_every_close() {
    let folder = Folder::new("why-not");
    let dir = ended(&folder);
    let signals = ask(&dir, &["signals"]);
    let signals = signals.as_array().unwrap();
    let mut titles = BTreeMap::new();
    for outcome in ["approved", "declined"] {
        let Some(signal) = signals.iter().find(|signal| signal["outcome"] == outcome) else {
            continue;
        };
        let (symbol, time) = (signal["symbol"].as_str().unwrap(), signal["time"].as_i64().unwrap());
        let story = ask(&dir, &["why-not", symbol, &at(time)]);
        let same = ask(&dir, &["why-not", symbol, &time.to_string()]);
        assert_eq!(story, same);
        titles.insert(outcome, story["title"].as_str().unwrap().to_owned());
        let kinds: Vec<&str> = story["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["kind"].as_str().unwrap())
            .collect();
        for kind in ["Market.Close", "Analysis.FeatureValues", "Analysis.Signals"] {
            assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
        }
    }
    assert!(titles["approved"].contains("there was an order, ew-"), "{titles:?}");
    if let Some(declined) = titles.get("declined") {
        assert!(declined.contains("declined: "), "{declined}");
    }
    // Most closes have no signal: each has its reason.
    let bars = ask(&dir, &["bars", "AAAUSD", "--limit", "5"]);
    for bar in bars.as_array().unwrap() {
        let close = bar["open_time"].as_i64().unwrap() + 60_000;
        let (code, out, err) = run(&dir, &["why-not", "AAAUSD", &at(close)]);
        assert_eq!(code, Some(0), "{err}");
        let begin = format!("AAAUSD at the close {} UTC: ", at(close));
        assert!(out.starts_with(&begin) && out.contains("average"), "{out}");
    }
    let (code, _, err) = run(&dir, &["why-not", "AAAUSD", "2001-01-01 00:00"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("there was no close at 2001-01-01 00:00 UTC; the closes are from"),
        "{err}"
    );
    let (code, _, err) = run(&dir, &["why-not", "AAAUSD", "noon"]);
    assert_eq!(code, Some(2), "{err}");
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let list = |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let all: Vec<PathBuf> = list(dir).chain(list(&dir.join("exchange"))).collect();
    let whole = |path: PathBuf| fs::read(&path).ok().map(|bytes| (path, bytes));
    all.into_iter().filter_map(whole).collect()
}

#[test]
fn the_files_are_checked_and_stay_as_they_are() {
    let folder = Folder::new("store-check");
    let dir = ended(&folder);
    let (code, _, err) = run(&folder.join("nothing"), &["store", "check"]);
    assert_eq!(code, Some(3), "{err}");
    let before = files(&dir);
    let states = |expected: i32| -> Vec<(String, String)> {
        let (code, out, err) = run(&dir, &["store", "check", "--json"]);
        assert_eq!(code, Some(expected), "{out}{err}");
        let rows: Value = serde_json::from_str(&out).unwrap();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        rows.as_array().unwrap().iter().map(|r| (text(r, "state"), text(r, "detail"))).collect()
    };
    let good = states(0);
    assert!(good.iter().all(|(state, _)| state == "good"), "{good:?}");
    assert!(good[0].1.contains(" facts, ") && good[1].1.contains(" fills, "), "{good:?}");
    for (i, name) in [LIVE_FILE, everwarm_history::FILE, "exchange/books.redb"].iter().enumerate() {
        let path = dir.join(name);
        let whole = fs::read(&path).unwrap();
        let torn = zeros_in_the_middle(&whole);
        fs::write(&path, &torn).unwrap();
        let found = states(4);
        let bad: Vec<usize> = (0..3).filter(|i| found[*i].0 == "bad").collect();
        assert_eq!(bad, [i], "{found:?}");
        assert!(fs::read(&path).unwrap() == torn, "{name} was changed");
        let (code, out, _) = run(&dir, &["store", "check"]);
        assert_eq!(code, Some(4));
        assert!(out.contains("bad") && out.contains("damaged"), "{out}");
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(states(0), good);
    assert!(before == files(&dir), "a check wrote");
    // Where the venue is none of ours, there is no such folder and never will be.
    fs::rename(dir.join("exchange"), folder.join("exchange")).unwrap();
    assert_eq!(states(0), good[..2]);
}

#[test]
fn files_in_use_are_told_and_the_tree_is_watched_over_lives() {
    let folder = Folder::new("watch");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--symbols", "2"]);
    daemon.answers();
    let (code, out, err) = run(&dir, &["store", "check"]);
    assert_eq!(code, Some(6), "{out}{err}");
    assert!(out.contains("held") && out.contains("stop it first"), "{out}");
    let up = |line: &str| line.contains("order-manager") && line.contains("running");
    wait_until("the tree is up", || run(&dir, &["tree"]).1.lines().any(up));
    let (code, out, _) = run(&dir, &["tree"]);
    assert_eq!(code, Some(0));
    let line = out.lines().find(|line| line.contains("order-manager")).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "order-manager").unwrap();
    assert_eq!(words[at..at + 3], ["order-manager", "running", "for"], "{line}");
    let watcher = Process::start(&dir, &["tree", "--watch"]);
    let lines = watcher.prints("└─ ops");
    assert!(lines[0].ends_with(" UTC") && lines[1].starts_with("root"), "{lines:?}");
    // It watches on while there is none, and when there is one again.
    daemon.kill();
    watcher.prints("no daemon has responded since ");
    let daemon = Process::start(&dir, &["run", "--symbols", "2"]);
    daemon.answers();
    let back = |lines: &[String]| {
        let away = lines.iter().position(|line| line.starts_with("no daemon has responded"));
        away.is_some_and(|at| lines[at..].iter().any(|line| line.starts_with("root ")))
    };
    watcher.until("it sees the next one", PATIENCE, back);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    watcher.kill();
    // Nobody need be there to begin with.
    let watcher = Process::start(&dir, &["tree", "--watch"]);
    watcher.prints("no daemon has responded since ");
    watcher.kill();
}

#[test]
fn shells_get_completions_and_people_get_pages() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = plain(&["completions", shell]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(text.contains("everwarm") && text.contains("why-not"), "{shell}: {text}");
    }
    assert_eq!(plain(&["completions", "cmd"]).status.code(), Some(2));
    let page = String::from_utf8(plain(&["man", "config", "check"]).stdout).unwrap();
    assert!(page.contains(".SH NAME\neverwarm\\-config\\-check"), "{page}");
    assert_eq!(plain(&["man", "nope"]).status.code(), Some(2));
    let folder = Folder::new("man");
    let pages = folder.join("pages");
    assert_eq!(plain(&["man", "--dir", pages.to_str().unwrap()]).status.code(), Some(0));
    for name in ["everwarm.1", "everwarm-run.1", "everwarm-store-check.1"] {
        assert!(fs::read_to_string(pages.join(name)).unwrap().contains(".TH "), "{name}");
    }
}
