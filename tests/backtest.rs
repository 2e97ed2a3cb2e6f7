//! `everwarm backtest`: the daemon's own decisions over bars of the past.

use crate::kit::{Folder, ask, assert_ended_well, made_recording, plain, run, until_end};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The result of a backtest with these flags.
fn backtest(flags: &[&str]) -> Value {
    let output = plain(&[&["backtest", "--json"], flags].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(0), ""));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error of one that is refused as a wrong use.
fn refused(flags: &[&str]) -> String {
    let output = plain(&[&["backtest"], flags].concat());
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    errors
}

/// These members of each row.
fn members(rows: &Value, names: &[&str]) -> Vec<Vec<Value>> {
    let row = |row: &Value| names.iter().map(|name| row[*name].clone()).collect();
    rows.as_array().unwrap_or_else(|| panic!("{rows}")).iter().map(row).collect()
}

#[test]
fn it_trades_exactly_as_the_daemon_does_in_lockstep() {
    let folder = Folder::new("backtest-equal");
    let recording = made_recording(&folder.join("recording"), 4, 400);
    let rules = [
        ("strategy.sma_cross.target", "0.3%"),
        ("strategy.sma_cross.trail", "0.4%"),
        ("market.fee", "0.05%"),
        ("market.spread", "0.01%"),
        ("market.slippage", "2"),
    ];
    let config = folder.join("rules.toml");
    let text = rules.map(|(key, value)| format!("{key} = \"{value}\"\n")).concat();
    fs::write(&config, text).unwrap();
    let dir = folder.join("data");
    let flags = [&until_end(&recording)[..], &["--config", config.to_str().unwrap()]].concat();
    let (code, out, err) = run(&dir, &flags);
    assert_ended_well(code, &out, &err);
    let daemon = ask(&dir, &["verify-trades", "--limit", "0"]);

    let set = rules.map(|(key, value)| format!("{key}={value}"));
    let set: Vec<&str> = set.iter().flat_map(|pair| ["--set", pair]).collect();
    let ours = backtest(&[&["--recording", &recording][..], &set].concat());
    let same = ["strategy", "symbol", "fees", "profit"];
    let (theirs, own) = (members(&daemon["trades"], &same), members(&ours["trades"], &same));
    assert!(own.len() > 5, "{ours}");
    assert_eq!(own, theirs);
    let prices = members(&daemon["trades"], &["bought", "entry_average", "exit_average"]);
    assert_eq!(members(&ours["trades"], &["quantity", "entry", "exit"]), prices);
    let points = ask(&dir, &["equity", "--limit", "0"]);
    let mut points = members(&points, &["time", "equity"]);
    points.sort_by_key(|point| point[0].as_i64());
    assert_eq!(members(&ours["equity"], &["time", "equity"]), points);

    // The data directory of that daemon has the same bars.
    let journal = ["--journal", dir.to_str().unwrap()];
    let mut own = backtest(&[&journal[..], &set].concat());
    let did = own.as_object_mut().unwrap().remove("daemon").unwrap()["traded"].take();
    assert_eq!(own, ours);
    // Beside the result is that of the daemon, which is the same.
    for member in ["from", "to", "closes", "account", "all", "orders", "trades", "equity"] {
        assert_eq!(did[member], ours[member], "{member}");
    }
    // With other settings and a later start, it is what the daemon did since then.
    let from = ours["from"].as_i64().unwrap() + 200 * 60_000;
    let later = ["--set", "strategy.sma_cross.fast=3", "--from", &from.to_string()];
    let mut other = backtest(&[&journal[..], &later].concat());
    let did = other["daemon"]["traded"].take();
    let since: Vec<&Value> = ours["trades"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|t| t["closed"].as_i64() > Some(from))
        .collect();
    assert_eq!(did["trades"].as_array().unwrap().iter().collect::<Vec<_>>(), since);
    assert!(!since.is_empty() && other["trades"] != did["trades"], "{other}");
    assert_eq!((&did["from"], &did["closes"]), (&json!(from), &other["closes"]));
    let text = plain(&[&["backtest"], &journal[..], &later].concat());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let head = text.lines().find(|line| line.starts_with("item"));
    let words = head.map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(words, Some(vec!["item", "played", "the", "daemon"]), "{text}");

    // Also the ids of the orders.
    let fills = ask(&dir, &["fills", "--limit", "0"]);
    let fills = members(&fills, &["client_order_id", "side"]);
    let ids = |side: &str| -> BTreeSet<String> {
        let of = fills.iter().filter(|fill| fill[1] == side).map(|fill| fill[0].to_string());
        of.collect()
    };
    let (bought, sold) = (ids("buy"), ids("sell"));
    for order in members(&ours["trades"], &["entry_order", "exit_order", "exit_reason"]) {
        assert!(bought.contains(&order[0].to_string()), "{order:?}");
        assert!(sold.contains(&order[1].to_string()), "{order:?}");
        assert_ne!(order[2], "", "{order:?}");
    }
}

#[test]
fn orders_that_fill_over_minutes_are_those_of_the_daemon_in_lockstep() {
    let folder = Folder::new("backtest-parts");
    let recording = made_recording(&folder.join("recording"), 3, 300);
    let config = folder.join("parts.toml");
    let fills = "range_spread_percent = 20\nimpact = \"1\"\nvolume_percent = 1\n\
                 queue_percent = 100\nlatency_ms = 500\n";
    let text = format!("[trading]\nnotional = \"2000\"\n[market.fills]\n{fills}");
    fs::write(&config, text).unwrap();
    let (dir, path) = (folder.join("data"), config.to_str().unwrap());
    let (code, out, err) = run(&dir, &[&until_end(&recording)[..], &["--config", path]].concat());
    assert_ended_well(code, &out, &err);
    let mut minutes: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for fill in ask(&dir, &["fills", "--limit", "0"]).as_array().unwrap() {
        let of = minutes.entry(fill["client_order_id"].to_string()).or_default();
        of.insert(fill["time"].as_i64().unwrap() / 60_000);
    }
    assert!(minutes.values().any(|of| of.len() > 1), "an order takes minutes: {minutes:?}");
    let daemon = ask(&dir, &["verify-trades", "--limit", "0"]);
    let ours = backtest(&["--recording", &recording, "--config", path]);
    let same = ["strategy", "symbol", "fees", "profit"];
    let (theirs, own) = (members(&daemon["trades"], &same), members(&ours["trades"], &same));
    assert!(own.len() > 3, "{ours}");
    assert_eq!(own, theirs);
    let plain = backtest(&["--recording", &recording, "--set", "trading.notional=2000"]);
    assert_ne!(plain["trades"], ours["trades"], "without the assumptions, fills are better");
    let (code, out, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = run(&dir, &["calibrate"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("trades play money, and its fills show nothing"), "{err}");
}

#[test]
fn a_strategy_on_hours_trades_as_in_the_daemon_that_fetched_them() {
    let folder = Folder::new("backtest-hours");
    let recording = made_recording(&folder.join("recording"), 4, 1_000);
    let minutes: Vec<_> = fs::read_dir(&recording).unwrap().map(|of| of.unwrap().path()).collect();
    for path in minutes {
        let text = fs::read_to_string(&path).unwrap();
        let first: Vec<&str> = text.lines().nth(1).unwrap().split(',').collect();
        let (begin, price) = (first[0].parse::<i64>().unwrap(), first[1]);
        let hour = |back: i64| {
            let open_time = begin - begin % 3_600_000 - back * 3_600_000;
            format!("{open_time},{price},{price},{price},{price},1\n")
        };
        let header = text.lines().next().unwrap();
        let hours: String = (1..=60).rev().map(hour).collect();
        let name = path.to_str().unwrap().replace("_1m.csv", "_1h.csv");
        fs::write(name, format!("{header}\n{hours}")).unwrap();
    }
    let config = folder.join("hours.toml");
    let text = "[strategy.sma_cross]\ntimeframe = \"1h\"\nfast = 1\nslow = 20\n";
    fs::write(&config, text).unwrap();
    let (dir, path) = (folder.join("data"), config.to_str().unwrap());
    let (code, out, err) = run(&dir, &[&until_end(&recording)[..], &["--config", path]].concat());
    assert_ended_well(code, &out, &err);
    let ours = backtest(&["--recording", &recording, "--config", path]);
    assert!(ours["orders"]["fills"].as_u64() > Some(1), "{}", ours["orders"]);
    let journal = ["--journal", dir.to_str().unwrap(), "--config", path];
    let mut own = backtest(&journal);
    let did = own.as_object_mut().unwrap().remove("daemon").unwrap()["traded"].take();
    assert_eq!(own, ours, "the data directory has the hours that the daemon fetched");
    for member in ["closes", "account", "orders", "trades", "equity"] {
        assert_eq!(did[member], ours[member], "{member}");
    }
}

#[test]
fn two_runs_print_the_same_and_a_later_start_has_history() {
    let folder = Folder::new("backtest-twice");
    let recording = made_recording(&folder.join("recording"), 3, 300);
    let page = folder.join("report.html");
    let text = |flags: &[&str]| {
        let output = plain(&[&["backtest", "--recording", &recording], flags].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let all = ["--html", page.to_str().unwrap()];
    let first = text(&all);
    assert_eq!(first, text(&all));
    for words in ["profit", "buy and hold", "Sharpe ratio", "win rate", "had all its values from"] {
        assert!(first.contains(words), "{words}: {first}");
    }
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains("<svg") && page.contains("why it was sold"), "{page}");
    assert!(!page.contains("<script") && !page.contains("http"), "it needs nothing else");

    let whole = backtest(&["--recording", &recording]);
    let trades = members(&whole["trades"], &["entry_regime", "profit"]);
    assert!(trades.iter().all(|trade| trade[0] == "no_data"), "5 h are too few: {trades:?}");
    assert_eq!(whole["regimes"], json!([{ "name": "no_data", "result": whole["all"] }]));
    let from = whole["from"].as_i64().unwrap() + 100 * 60_000;
    let to = from + 50 * 60_000;
    let part = backtest(&[
        "--recording",
        &recording,
        "--from",
        &from.to_string(),
        "--to",
        &to.to_string(),
    ]);
    assert_eq!((part["from"].as_i64(), part["to"].as_i64()), (Some(from), Some(to)));
    assert_eq!(part["closes"], 50);
    assert_eq!(part["data"]["ready"]["sma_cross"], from + 60_000, "what lies before is history");
}

#[test]
fn what_has_no_result_is_refused_with_what_to_do() {
    let folder = Folder::new("backtest-refused");
    let recording = made_recording(&folder.join("recording"), 1, 60);
    let of = ["--recording", &recording];
    let with = |flags: &[&str]| refused(&[&of[..], flags].concat());
    assert!(refused(&[]).contains("give --to, or --recording"));
    assert!(with(&["--from", "2026-01-06", "--to", "2026-01-05"]).contains("must be before"));
    let text = with(&["--from", "2031-01-01"]);
    assert!(text.contains("there is no close between 2031-01-01"), "{text}");
    let text = with(&["--set", "strategy.sma_cross.fats=3"]);
    assert!(text.contains("--set") && text.contains("fast"), "{text}");
    assert!(with(&["--set", "fast"]).contains("strategy.sma_cross.fast=20"));
    assert!(with(&["--from", "soon"]).contains("2026-01-05"));
    let text = refused(&["--journal", folder.join("none").to_str().unwrap()]);
    assert!(text.contains("has no journal: give the data directory of a daemon"), "{text}");
    assert!(with(&["--journal", "x"]).contains("cannot be used with"));
    let view = backtest(&[&of[..], &["--set", "strategy.sma_cross.slow=900"]].concat());
    assert_eq!(view["data"]["ready"]["sma_cross"], Value::Null, "too few bars are named");
    let made = ["--seed", "3", "--symbols", "2", "--to", "2026-01-05 03:00"];
    assert_eq!(backtest(&made)["closes"], 180, "the synthetic market");
}

#[test]
fn two_configurations_are_compared_side_by_side() {
    let folder = Folder::new("backtest-compare");
    let recording = made_recording(&folder.join("recording"), 2, 300);
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cheap = file("cheap.toml", "[market]\nfee = \"none\"\n");
    let dear = file("dear.toml", "[market]\nfee = \"1%\"\n[strategy.swing]\n");
    let flags = ["--recording", &recording, "--compare", &cheap, &dear];
    let both = backtest(&flags);
    assert_eq!(both["a"], backtest(&["--recording", &recording, "--config", &cheap]));
    assert_eq!(both["b"], backtest(&["--recording", &recording, "--config", &dear]));
    assert_ne!(both["a"]["account"]["fees"], both["b"]["account"]["fees"]);
    let output = plain(&[&["backtest"], &flags[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [&cheap[..], &dear, "maximum drawdown", "profit of sma_cross"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let text = refused(&[&flags[..], &["--config", &cheap]].concat());
    assert!(text.contains("cannot be used with"), "{text}");
}

/// A daemon that traded, and the commands over its own journal.
#[test]
fn a_replay_with_a_changed_key_stands_beside_what_the_daemon_did() {
    let folder = Folder::new("replay-set");
    let recording = made_recording(&folder.join("recording"), 4, 400);
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_ended_well(code, &out, &err);
    let at = ["--data-dir", dir.to_str().unwrap()];
    let change = ["--set", "strategy.sma_cross.fast=3"];
    let replay = |flags: &[&str]| plain(&[&["replay"], &at[..], flags].concat());

    let output = replay(&[&change[..], &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["set"], json!([{ "key": "strategy.sma_cross.fast", "value": "3" }]));
    let did = &view["daemon"]["traded"];
    for member in ["account", "orders", "trades", "equity"] {
        assert_eq!(view["configured"][member], did[member], "as configured, it does the same");
    }
    assert_ne!(view["with"]["trades"], did["trades"]);
    let played = backtest(&[&["--journal", dir.to_str().unwrap()][..], &change].concat());
    assert_eq!(view["with"]["trades"], played["trades"]);

    let text = replay(&change);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let head =
        text.lines().find(|line| line.starts_with("item")).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        head.split("  ").map(str::trim).filter(|of| !of.is_empty()).collect::<Vec<_>>(),
        ["item", "as configured", "with the change", "the daemon"]
    );

    // A later start gives a shorter period to all three.
    let from = view["with"]["from"].as_i64().unwrap() + 100 * 60_000;
    let start = from.to_string();
    let later = [&change[..], &["--json", "--from", &start]].concat();
    let later: Value = serde_json::from_slice(&replay(&later).stdout).unwrap();
    for of in [&later["configured"], &later["with"], &later["daemon"]["traded"]] {
        assert_eq!(of["from"], json!(from), "{later}");
    }
    for (wrong, why) in [
        (&["--from", "2026-01-05"][..], "--set"),
        (&["--set", "strategy.sma_cross.fats=3"], "fast"),
        (&["--set", "fast"], "strategy.sma_cross.fast=20"),
    ] {
        let output = replay(wrong);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(why), "{errors}");
    }
}
