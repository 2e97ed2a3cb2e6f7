//! The configuration is read again, and operators speak, while the daemon trades.

use crate::kit::{Folder, PATIENCE, Process, ask, run, wait_until};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Arguments of a made market that goes on for ever.
fn market(path: &str) -> [&str; 7] {
    ["run", "--symbols", "4", "--pace", "2400x", "--config", path]
}

fn generation(dir: &Path) -> u64 {
    ask(dir, &["status"])["config_generation"].as_u64().unwrap()
}

/// How often reloads by `trigger` came to `result`.
fn count(dir: &Path, trigger: &str, result: &str) -> u64 {
    let view = ask(dir, &["config", "reloads"]);
    let rows = view["counts"].as_array().unwrap();
    let row = rows.iter().find(|row| row["trigger"] == trigger && row["result"] == result);
    row.unwrap()["count"].as_u64().unwrap()
}

/// The value of a key of the running daemon, with its origin.
fn value(dir: &Path, key: &str) -> (Value, String) {
    let all = ask(dir, &["config", "show", "--running"]);
    let row = all.as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
    (row["value"].clone(), row["origin"].as_str().unwrap().to_owned())
}

fn verified(dir: &Path) {
    let (code, out, err) = run(dir, &["verify"]);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_reload_is_whole_or_nothing_and_says_which_key_is_why() {
    let folder = Folder::new("reload");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "[trading]\nnotional = 500\n").unwrap();
    let reload = ["config", "reload", "--yes"];
    assert_eq!(run(&dir, &reload).0, Some(3), "nobody is there");
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.says("may trade");
    assert_eq!(generation(&dir), 1);
    let (code, out, _) = run(&dir, &reload);
    assert_eq!((code, out.as_str()), (Some(0), "nothing changes: 1 is in force"));

    // Everything wrong at once, and nothing of it in force.
    fs::write(&file, "[trading]\nnotional = -1\nmax_position = 2\n").unwrap();
    let (code, _, err) = run(&dir, &reload);
    assert_eq!(code, Some(2), "{err}");
    let (first, second) =
        (format!("{path}:2:12: trading.notional"), format!("{path}:3:1: unknown"));
    assert!(err.contains(&first) && err.contains(&second), "{err}");
    assert_eq!(ask(&dir, &["config", "reloads"])["last"]["result"], "invalid");

    // A key that takes a restart refuses the whole.
    fs::write(&file, "[daemon]\nworkers = 3\n[trading]\nnotional = 400\n").unwrap();
    let (code, _, err) = run(&dir, &reload);
    assert!(code == Some(5) && err.contains("daemon.workers: takes a restart"), "{err}");
    let view = ask(&dir, &["config", "reloads"]);
    assert_eq!(view["restart_pending"], serde_json::json!(["daemon.workers"]));
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (500.into(), 1));

    // What would become of it changes nothing; then it is done, and it is traded so.
    fs::write(&file, "[trading]\nnotional = 400\n[daemon]\nlog = \"debug\"\n").unwrap();
    let (code, out, err) = run(&dir, &["config", "reload", "--dry-run"]);
    assert_eq!(code, Some(0), "{err}");
    let line = format!("trading.notional: 500 becomes 400, by {path}:2:1");
    assert!(out.contains("would be in force") && out.contains(&line), "{out}");
    assert_eq!(generation(&dir), 1);
    let (code, out, err) = run(&dir, &reload);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("configuration 2 is in force") && out.contains(&line), "{out}");
    assert_eq!(value(&dir, "trading.notional"), (400.into(), format!("{path}:2:1")));
    let (code, out, _) = run(&dir, &["config", "diff", "--config", path]);
    assert_eq!(code, Some(4), "flags are not given here: {out}");
    assert!(!out.contains("notional"), "{out}");
    wait_until("the log follows", || run(&dir, &["log-level"]).1.contains("debug"));

    let counted = ["applied", "rejected", "invalid"].map(|result| count(&dir, "api", result));
    assert_eq!(counted, [1, 1, 1]);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
    let audit = run(&dir, &["audit"]).1;
    assert!(audit.contains("/api/v1/config/reload?dry_run=1"), "{audit}");
}

#[test]
fn a_rollback_outlives_a_kill_and_signals_and_files_are_heard() {
    let folder = Folder::new("rollback");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "[trading]\nnotional = 500\n").unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.says("may trade");
    fs::write(&file, "[trading]\nnotional = 400\n").unwrap();
    assert_eq!(run(&dir, &["config", "reload", "--yes"]).0, Some(0));
    let back = run(&dir, &["config", "rollback", "--yes"]);
    assert!(back.1.starts_with("what was before is in force, as 3"), "{back:?}");
    assert_eq!(value(&dir, "trading.notional").0, 500);
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.says("may trade");
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (500.into(), 3));

    // The signal, and the file by itself.
    fs::write(&file, "[trading]\nnotional = 300\n[daemon]\nreload_on_change = true\n").unwrap();
    daemon.signal("-HUP");
    wait_until("the signal is heard", || generation(&dir) == 4);
    assert_eq!(count(&dir, "signal", "applied"), 1);
    let text = "[trading]\nnotional = 200\n[daemon]\nreload_on_change = true\n";
    let beside = folder.join("beside.toml");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, &file).unwrap();
    wait_until("the file is looked at", || generation(&dir) == 5);
    assert_eq!(count(&dir, "file", "applied"), 1);
    assert_eq!(value(&dir, "trading.notional").0, 200);
    fs::write(&file, "[trading]\nnotional = \n").unwrap();
    wait_until("a torn file is refused", || count(&dir, "file", "invalid") == 1);
    assert_eq!(generation(&dir), 5);

    // What is held is not let go.
    let held = || {
        let all = ask(&dir, &["symbols", "list"]);
        let row = all.as_array().unwrap().iter().find(|row| !row["held"].is_null());
        row.map(|row| row["symbol"].as_str().unwrap().to_owned())
    };
    let refused = || {
        let Some(symbol) = held() else { return false };
        fs::write(&file, format!("[market.universe]\nexclude = \"{symbol}\"\n")).unwrap();
        let (code, _, err) = run(&dir, &["config", "reload", "--dry-run"]);
        code == Some(5) && err.contains("market.universe.exclude: ") && err.contains(&symbol)
    };
    wait_until("something is held", refused);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
    let audit = run(&dir, &["audit"]).1;
    assert!(audit.contains("/api/v1/config/rollback"), "{audit}");
}

#[test]
fn operators_halt_flatten_and_resume_and_it_is_remembered() {
    let folder = Folder::new("switches");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "6", "--pace", "2400x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    let held = || {
        let all = ask(&dir, &["symbols", "list"]);
        all.as_array().unwrap().iter().filter(|row| !row["held"].is_null()).count()
    };
    wait_until("something is held", || held() > 0);
    let (code, _, err) = run(&dir, &["halt", "--reason", "storm"]);
    assert!(code == Some(2) && err.contains("--yes"), "{err}");
    let (code, _, err) = run(&dir, &["halt", "--reason", " ", "--yes"]);
    assert!(code == Some(2) && err.contains("give a reason"), "{err}");
    let halt = ["halt", "--reason", "storm", "--yes"];
    let (code, out, err) = run(&dir, &halt);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("an operator halted trading: storm"), "{out}");
    assert!(run(&dir, &halt).1.contains("so it is already"));
    let refused = || {
        let all = ask(&dir, &["signals"]);
        let reasons = all.as_array().unwrap().iter().filter_map(|row| row["declined"].as_str());
        reasons.into_iter().any(|reason| reason.contains("an operator halted trading: storm"))
    };
    wait_until("entries are refused with the reason", refused);

    // Remembered over a kill; what is held is sold by orders like any others.
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    let status = ask(&dir, &["status"]);
    assert_eq!(status["breaker"], "exits-only", "{status}");
    assert_eq!(ask(&dir, &["switches"])["halted"]["reason"], "storm");
    let (code, out, err) = run(&dir, &["flatten", "--reason", "flood", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("flood") && out.contains("storm"), "{out}");
    wait_until("nothing is held that could be sold", || held() == 0);
    let orders = ask(&dir, &["orders"]);
    let by_operator = |row: &&Value| row["strategy"] == "flatten" && row["side"] == "sell";
    let sold = orders.as_array().unwrap().iter().find(by_operator);
    if let Some(order) = sold {
        let id = order["client_order_id"].as_str().unwrap();
        let story = run(&dir, &["explain", id]).1;
        assert!(story.contains("flood"), "{story}");
    }
    assert_eq!(run(&dir, &["resume", "--reason", "over", "--yes"]).0, Some(0));
    wait_until("it trades again", || ask(&dir, &["status"])["breaker"] == "normal");
    wait_until("something is held again", || held() > 0);

    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

#[test]
fn a_strategy_is_turned_off_and_a_start_is_careful() {
    let folder = Folder::new("careful");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "6", "--pace", "2400x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    let off = ["disable", "sma_cross", "--reason", "odd", "--yes"];
    assert_eq!(run(&dir, &off).0, Some(0));
    assert!(run(&dir, &["switches"]).1.starts_with("sma_cross is off, since"));
    let (code, _, err) = run(&dir, &["disable", "nobody", "--reason", "r", "--yes"]);
    assert!(code == Some(1) && err.contains("only sma_cross"), "{code:?} {err}");
    let gateway = "root/trading/gateways/gateway";
    let (code, _, err) = run(&dir, &["disable", gateway, "--reason", "r", "--yes"]);
    assert!(code == Some(5) && err.contains(gateway), "{code:?} {err}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    // Without a daemon too: the next start is careful.
    let (code, _, err) = run(&dir, &["safe-start", "--reason", "look first", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    let orders = || ask(&dir, &["status"])["orders"].as_u64().unwrap();
    let (before, closes) = (orders(), ask(&dir, &["status"])["closes"].as_u64().unwrap());
    assert_eq!(ask(&dir, &["status"])["breaker"], "halted");
    wait_until("data comes", || ask(&dir, &["status"])["closes"].as_u64() > Some(closes + 20));
    assert_eq!(orders(), before, "nothing is sent");
    for (step, level) in [("exits", "exits-only"), ("trade", "normal")] {
        assert_eq!(run(&dir, &["safe-start", step, "--reason", "fine", "--yes"]).0, Some(0));
        wait_until(step, || ask(&dir, &["status"])["breaker"] == level);
    }
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

/// A node of the tree by its path.
fn node(dir: &Path, path: &str) -> Value {
    path.split('/').skip(1).fold(ask(dir, &["tree"]), |at, name| {
        let children = at["children"].as_array().cloned().unwrap_or_default();
        children.into_iter().find(|child| child["name"] == name).unwrap_or_default()
    })
}

#[test]
fn who_hears_and_who_keeps_may_be_killed_and_nothing_of_it_is_lost() {
    let folder = Folder::new("reload-actors");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let chaos = "[chaos]\nenabled = true\n";
    fs::write(&file, chaos).unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.says("may trade");
    let kill = |who: &str, how: &str, n: u64| {
        let (code, out, err) = run(&dir, &["kill", who, "--how", how, "--yes", "--config", path]);
        assert_eq!(code, Some(0), "{out}{err}");
        wait_until("it is back", || {
            let node = node(&dir, who);
            node["state"] == "running" && node["injected"].as_u64() >= Some(n)
        });
    };
    let private = "root/trading/gateways/private";
    let steward = "root/ops/steward";
    let (code, _, err) = run(&dir, &["disable", steward, "--reason", "r", "--yes"]);
    assert!(code == Some(5) && err.contains(steward), "who turns it on again? {code:?} {err}");
    assert_eq!(run(&dir, &["disable", private, "--reason", "odd", "--yes"]).0, Some(0));
    wait_until("it does not run", || node(&dir, private)["state"] == "stopped");

    for how in ["kill", "panic"] {
        let n = if how == "kill" { 1 } else { 2 };
        for who in ["hangup", "files", "log", "steward"] {
            kill(&format!("root/ops/{who}"), how, n);
        }
    }
    // Whoever stopped it is gone, and it is known all the same that it was.
    assert_eq!(node(&dir, private)["state"], "stopped");
    assert_eq!(run(&dir, &["enable", private, "--reason", "even", "--yes"]).0, Some(0));
    wait_until("it runs again", || node(&dir, private)["state"] == "running");

    let text = format!("{chaos}[daemon]\nlog = \"debug\"\nreload_on_change = true\n");
    fs::write(&file, &text).unwrap();
    daemon.signal("-HUP");
    wait_until("the signal is heard", || count(&dir, "signal", "applied") == 1);
    wait_until("the log follows", || run(&dir, &["log-level"]).1.contains("debug"));
    fs::write(&file, format!("{text}[trading]\nnotional = 400\n")).unwrap();
    wait_until("the file is looked at", || count(&dir, "file", "applied") == 1);
    assert_eq!(value(&dir, "trading.notional").0, 400);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

#[test]
fn the_window_of_requests_and_the_limit_of_a_hang_change_while_it_trades() {
    let folder = Folder::new("reload-limits");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let chaos = "[chaos]\nenabled = true\n";
    fs::write(&file, chaos).unwrap();
    // Where venue time is scaled it is always a minute.
    let arguments = ["run", "--symbols", "6", "--pace", "lockstep", "--config", path];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    // How long the newest order may be on its way, seconds.
    let window = || {
        let orders = ask(&dir, &["orders"]);
        let id = orders.as_array()?.last()?["client_order_id"].as_str()?.to_owned();
        let story = run(&dir, &["explain", &id]).1;
        let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = story.split("signed for ").nth(1)?;
        let (at, rest) = said.split_once(", void after ")?;
        let seconds = |text: &str| {
            let time = text.split([',', ' ', '.']).next()?;
            let parts = time.split(':').map(|part| part.parse::<i64>().ok());
            let parts = parts.collect::<Option<Vec<_>>>()?;
            Some(parts[0] * 3600 + parts[1] * 60 + parts.get(2).unwrap_or(&0))
        };
        Some((seconds(rest)? - seconds(at)?).rem_euclid(86_400))
    };
    wait_until("something is ordered", || window() == Some(5));
    let more = "[trading]\nrecv_window_ms = 45000\n[daemon]\nhang_limit_s = 2\n";
    fs::write(&file, format!("{chaos}{more}")).unwrap();
    let (code, out, err) = run(&dir, &["config", "reload", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("orders are signed for longer", || window() == Some(45));
    let stall = ["kill", "closer", "--how", "stall", "--seconds", "600", "--yes"];
    assert_eq!(run(&dir, &[&stall[..], &["--config", path]].concat()).0, Some(0));
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(13), "{err}");
    verified(&dir);
}

#[test]
fn a_kill_at_any_moment_of_a_reload_leaves_the_old_or_the_new() {
    let folder = Folder::new("reload-kill");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "[trading]\nnotional = 100\nmax_positions = 100\n").unwrap();
    let mut now = 100;
    for round in 1..=6_u64 {
        let daemon = Process::start(&dir, &market(path));
        daemon.answers();
        daemon.until("it trades", PATIENCE, |lines| lines.iter().any(|l| l.contains("may trade")));
        let both = |dir: &Path| {
            let of = |key| value(dir, key).0.as_u64().unwrap();
            (of("trading.notional"), of("trading.max_positions"))
        };
        assert_eq!(both(&dir), (now, now), "a start takes what the file says");
        let next = now + 10;
        let text = format!("[trading]\nnotional = {next}\nmax_positions = {next}\n");
        fs::write(&file, text).unwrap();
        daemon.signal("-HUP");
        // From before it is heard until it is done.
        std::thread::park_timeout(std::time::Duration::from_micros(round * round * 700));
        daemon.signal("-9");
        drop(daemon.end());
        verified(&dir);
        now = next;
    }
}

#[test]
fn a_process_that_is_turned_off_stays_off_over_a_kill_until_it_is_turned_on() {
    let folder = Folder::new("processes");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "2", "--pace", "600x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.says("may trade");
    let path = "root/trading/gateways/private";
    let state = || node(&dir, path)["state"].clone();
    let runs = |state: &Value| state == "running" || state == "up";
    wait_until("it runs", || runs(&state()));
    assert_eq!(run(&dir, &["disable", path, "--reason", "odd", "--yes"]).0, Some(0));
    wait_until("it does not run", || !runs(&state()));
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    wait_until("it does not run in the next life", || !runs(&state()));
    assert!(run(&dir, &["switches"]).1.contains(&format!("{path} is off")));
    assert_eq!(run(&dir, &["enable", path, "--reason", "even", "--yes"]).0, Some(0));
    wait_until("it runs again", || runs(&state()));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}
