//! The configuration is read again, and operators speak, while the daemon trades.
//!
//! Over 500 lines: one subject, one test a promise.

use crate::cli::look::get;
use crate::kit::{Folder, PATIENCE, Process, ask, run, wait_until};
use everwarm::audit;
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::money::Decimal;
use everwarm_domain::settings::Settings;
use serde_json::Value;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Arguments of a made market that goes on for ever.
fn market(path: &str) -> [&str; 7] {
    ["run", "--symbols", "4", "--pace", "600x", "--config", path]
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
    daemon.prints("may trade");
    assert_eq!(generation(&dir), 1);
    let (code, out, _) = run(&dir, &reload);
    assert_eq!((code, out.as_str()), (Some(0), "not applied: configuration 1 stays in force"));

    // Everything wrong at once, and nothing of it in force.
    fs::write(&file, "[trading]\nnotional = -1\nmax_position = 2\n").unwrap();
    let (code, _, err) = run(&dir, &reload);
    assert_eq!(code, Some(2), "{err}");
    let (first, second) =
        (format!("{path}:2:12: trading.notional"), format!("{path}:3:1: unknown"));
    assert!(err.contains(&first) && err.contains(&second), "{err}");
    assert_eq!(ask(&dir, &["config", "reloads"])["last"]["result"], "invalid");

    // A key that takes a restart refuses the whole; who only asks leaves nothing behind.
    fs::write(&file, "[daemon]\nworkers = 3\n[trading]\nnotional = 400\n").unwrap();
    let pending = || ask(&dir, &["config", "reloads"])["restart_pending"].clone();
    assert_eq!(run(&dir, &["config", "reload", "--dry-run"]).0, Some(5));
    assert_eq!(pending(), serde_json::json!([]));
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
    assert!(out.contains("these changes would replace") && out.contains(&line), "{out}");
    assert_eq!(pending(), serde_json::json!([]), "the file wants no restart any more");
    assert_eq!(generation(&dir), 1);
    let (code, out, err) = run(&dir, &reload);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("configuration 2 is in force") && out.contains(&line), "{out}");
    assert_eq!(value(&dir, "trading.notional"), (400.into(), format!("{path}:2:1")));
    let (code, out, _) = run(&dir, &["config", "diff", "--config", path]);
    assert_eq!(code, Some(4), "flags are not given here: {out}");
    assert!(!out.contains("notional"), "{out}");
    wait_until("the log follows", || run(&dir, &["log-level"]).1.contains("debug"));
    // Set for a while, it comes back to what is configured then.
    let (code, out, err) = run(&dir, &["log-level", "error", "--for-s", "2", "--yes"]);
    assert_eq!((code, out.as_str()), (Some(0), "error, for 2 s more"), "{err}");
    let (code, _, err) = run(&dir, &["log-level", "error", "--for-s", "0", "--yes"]);
    assert!(code == Some(2) && err.contains("a week"), "{err}");
    wait_until("its time is over", || run(&dir, &["log-level"]).1 == "debug");

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
    daemon.prints("may trade");
    let back = run(&dir, &["config", "rollback", "--yes"]);
    assert!(back.0 == Some(5) && back.2.contains("there is no earlier configuration"), "{back:?}");
    let counted = ["rejected", "rollback_failed"].map(|result| count(&dir, "api", result));
    assert_eq!((counted, generation(&dir)), ([1, 0], 1), "nobody is called for that");
    fs::write(&file, "[trading]\nnotional = 400\n").unwrap();
    assert_eq!(run(&dir, &["config", "reload", "--yes"]).0, Some(0));
    let back = run(&dir, &["config", "rollback", "--yes"]);
    assert!(
        back.1.starts_with("rolled back: the earlier configuration is in force as 3"),
        "{back:?}"
    );
    assert_eq!(value(&dir, "trading.notional").0, 500);
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
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
fn a_rollback_goes_back_over_a_start_to_what_the_life_before_had() {
    let folder = Folder::new("rollback-lives");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let live = |text: &str| {
        fs::write(&file, text).unwrap();
        let daemon = Process::start(&dir, &market(path));
        daemon.answers();
        daemon.prints("may trade");
        daemon
    };
    let back = || run(&dir, &["config", "rollback", "--yes"]);
    let daemon = live("[trading]\nnotional = 500\n");
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = live("[trading]\nnotional = 400\n");
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (400.into(), 2));
    let result = back();
    assert!(result.0 == Some(0) && result.1.contains("in force as 3"), "{result:?}");
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (500.into(), 3));
    daemon.signal("-9");
    drop(daemon.end());
    assert_eq!(in_journal(&dir).0, Decimal::from(500));

    // What the process was started with is not what the life before was: nothing is put back.
    let daemon = live("[trading]\nnotional = 300\nquote_asset = \"USDT\"\n");
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (300.into(), 4));
    let result = back();
    assert!(result.0 == Some(5) && result.2.contains("takes a restart"), "{result:?}");
    assert_eq!(count(&dir, "api", "rollback_failed"), 1);
    assert_eq!((value(&dir, "trading.notional").0, generation(&dir)), (300.into(), 4));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

#[test]
fn operators_halt_flatten_and_resume_and_it_is_remembered() {
    let folder = Folder::new("switches");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "6", "--pace", "600x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let held = || {
        let all = ask(&dir, &["symbols", "list"]);
        all.as_array().unwrap().iter().filter(|row| !row["held"].is_null()).count()
    };
    wait_until("something is held", || held() > 0);
    let (code, _, err) = run(&dir, &["halt", "--reason", "storm"]);
    assert!(code == Some(2) && err.contains("--yes"), "{err}");
    let (code, _, err) = run(&dir, &["halt", "--reason", " ", "--yes"]);
    assert!(code == Some(2) && err.contains("the reason is missing"), "{err}");
    let halt = ["halt", "--reason", "storm", "--yes"];
    let (code, out, err) = run(&dir, &halt);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("an operator stopped entries: storm"), "{out}");
    assert!(run(&dir, &halt).1.contains("no change"));
    let refused = || {
        let all = ask(&dir, &["signals"]);
        let reasons = all.as_array().unwrap().iter().filter_map(|row| row["declined"].as_str());
        reasons.into_iter().any(|reason| reason.contains("an operator stopped entries: storm"))
    };
    wait_until("entries are refused with the reason", refused);

    // Remembered over a kill; what is held is sold by orders like any others.
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let status = ask(&dir, &["status"]);
    assert_eq!(status["breaker"], "exits-only", "{status}");
    assert_eq!(ask(&dir, &["switches"])["halted"]["reason"], "storm");
    let (code, out, err) = run(&dir, &["flatten", "--reason", "flood", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("flood") && out.contains("storm"), "{out}");
    wait_until("nothing is held that could be sold", || held() == 0);
    let orders = ask(&dir, &["orders"]);
    let sells = |row: &&Value| row["side"] == "sell";
    for order in orders.as_array().unwrap().iter().filter(sells) {
        let id = order["client_order_id"].as_str().unwrap();
        let story = run(&dir, &["explain", id]).1;
        let by_operator = story.contains("an operator has everything sold");
        assert!(!by_operator || story.contains("flood"), "{story}");
    }
    assert_eq!(run(&dir, &["resume", "--reason", "over", "--yes"]).0, Some(0));
    wait_until("it trades again", || ask(&dir, &["status"])["breaker"] == "normal");
    wait_until("something is held again", || held() > 0);

    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

#[test]
fn a_strategy_that_the_configuration_has_off_is_not_said_to_enter() {
    let folder = Folder::new("configured-off");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "").unwrap();
    let daemon = Process::start(&dir, &market(path));
    daemon.answers();
    daemon.prints("may trade");
    let enable = || run(&dir, &["enable", "sma_cross", "--reason", "it is well", "--yes"]).1;
    assert_eq!(enable(), "sma_cross is enabled: no change");
    assert_eq!(run(&dir, &["switches"]).1, "nothing is turned off");
    fs::write(&file, "[strategy.sma_cross]\nenabled = false\n").unwrap();
    let (code, out, err) = run(&dir, &["config", "reload", "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let assert_off = || {
        let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let off = "strategy.sma_cross.enabled = false";
        let printed = enable();
        assert!(
            printed.starts_with("no operator has sma_cross off now") && printed.contains(off),
            "{printed}"
        );
        assert_eq!(words(run(&dir, &["switches"]).1), format!("sma_cross is off: {off}"));
        let status = words(run(&dir, &["status"]).1);
        assert!(
            status.contains("off sma_cross, by the configuration (strategy.sma_cross.enabled)"),
            "{status}"
        );
    };
    assert_off();
    assert_eq!(run(&dir, &["disable", "sma_cross", "--reason", "odd", "--yes"]).0, Some(0));
    let status = ask(&dir, &["status"]);
    assert_eq!(status["off"][0], "sma_cross, by an operator: odd");
    assert_off();
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_off();
}

#[test]
fn a_strategy_is_turned_off_and_a_start_is_careful() {
    let folder = Folder::new("careful");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "6", "--pace", "600x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let off = ["disable", "sma_cross", "--reason", "odd", "--yes"];
    assert_eq!(run(&dir, &off).0, Some(0));
    assert!(run(&dir, &["switches"]).1.starts_with("sma_cross is off, since"));
    let (code, _, err) = run(&dir, &["disable", "nobody", "--reason", "r", "--yes"]);
    assert!(code == Some(1) && err.contains("there is no strategy"), "{code:?} {err}");
    let gateway = "root/trading/gateways/sim/gateway";
    let (code, _, err) = run(&dir, &["disable", gateway, "--reason", "r", "--yes"]);
    assert!(code == Some(5) && err.contains(gateway), "{code:?} {err}");
    let absent = ["disable", "root/ops/stewart", "--reason", "r", "--yes"];
    let (code, _, err) = run(&dir, &absent);
    assert!(
        code == Some(1) && err.contains("there is no branch root/ops/stewart"),
        "{code:?} {err}"
    );
    let absent = ["disable", "root/ops/filez", "--reason", "r", "--yes"];
    let (code, _, err) = run(&dir, &absent);
    assert!(code == Some(1) && err.contains("did you mean root/ops/files?"), "{code:?} {err}");
    assert!(!run(&dir, &["switches"]).1.contains("root/ops"), "nothing of it is kept");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    // Without a daemon too: the next start is careful.
    let (code, _, err) = run(&dir, &["safe-start", "--reason", "look first", "--yes"]);
    assert_eq!(code, Some(0), "{err}");
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
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
    daemon.prints("may trade");
    let kill = |who: &str, how: &str, n: u64| {
        let (code, out, err) = run(&dir, &["kill", who, "--how", how, "--yes", "--config", path]);
        assert_eq!(code, Some(0), "{out}{err}");
        wait_until("it is back", || {
            let node = node(&dir, who);
            node["state"] == "running" && node["injected"].as_u64() >= Some(n)
        });
    };
    let private = "root/trading/gateways/sim/private";
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
fn bars_are_asked_for_where_the_market_s_stream_is_turned_off() {
    let folder = Folder::new("no-stream");
    let (dir, feeds) = (folder.join("data"), "root/trading/feeds");
    let daemon = Process::start(&dir, &["run", "--symbols", "4", "--pace", "240x"]);
    daemon.answers();
    daemon.prints("may trade");
    assert_eq!(run(&dir, &["disable", feeds, "--reason", "odd", "--yes"]).0, Some(0));
    wait_until("it does not run", || node(&dir, feeds)["state"] == "stopped");
    let closes = || ask(&dir, &["status"])["closes"].as_u64().unwrap();
    let before = closes();
    wait_until("closes are said all the same", || closes() > before + 30);
    let bars = run(&dir, &["bars", "BTCUSDT", "--json"]).1;
    let bars: Value = serde_json::from_str(&bars).unwrap();
    let times: Vec<i64> =
        bars.as_array().unwrap().iter().map(|bar| bar["open_time"].as_i64().unwrap()).collect();
    assert!(times.windows(2).all(|two| two[1] - two[0] == 60_000), "no hole: {times:?}");
    assert_eq!(run(&dir, &["enable", feeds, "--reason", "even", "--yes"]).0, Some(0));
    wait_until("it runs again", || node(&dir, feeds)["state"] == "running");
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
    daemon.prints("may trade");
    // How long the newest order may be on its way, seconds.
    let window = || {
        let orders = ask(&dir, &["orders"]);
        let id = orders.as_array()?.last()?["client_order_id"].as_str()?.to_owned();
        let story = run(&dir, &["explain", &id]).1;
        let story = story.split_whitespace().collect::<Vec<_>>().join(" ");
        let signed = story.split("signed for ").nth(1)?;
        let (at, rest) = signed.split_once(", valid until ")?;
        let seconds = |text: &str| {
            let time = text.split([',', ' ', '.']).next()?;
            let parts = time.split(':').map(|part| part.parse::<i64>().ok());
            let parts = parts.collect::<Option<Vec<_>>>()?;
            Some(parts[0] * 3600 + parts[1] * 60 + parts.get(2).unwrap_or(&0))
        };
        Some((seconds(rest)? - seconds(at)?).rem_euclid(86_400))
    };
    wait_until("something is ordered", || window() == Some(5));
    let more = "[trading]\nrecv_window_ms = 45000\n[daemon]\nhang_limit_s = 5\n";
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

/// What the journal of a data directory has in force, whoever holds no process there: the worth of
/// an entry, and positions at most.
fn in_journal(dir: &Path) -> (Decimal, u32) {
    let mut newest = None;
    let journal = audit::open(dir).unwrap();
    let read = journal.each(0, &mut |_, fact| {
        if let Body::Operator(Operator::ConfigApplied { text, .. }) = &fact.body {
            let settings = Settings::from_text(text).unwrap();
            newest = Some((settings.trading.notional, settings.trading.max_positions));
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    newest.expect("a configuration is in force")
}

/// When a daemon is killed whose configuration is to be read again.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    /// Before it can receive the signal.
    BeforeSignal,
    /// So many microseconds after it was signalled.
    After(u64),
    /// When it has reported that it is done.
    Done,
}

#[test]
fn a_kill_at_any_moment_of_a_reload_leaves_the_old_or_the_new() {
    let folder = Folder::new("reload-kill");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    fs::write(&file, "[trading]\nnotional = 100\nmax_positions = 100\n").unwrap();
    let mut now = 100;
    let mixed = [700, 2_800, 6_300, 11_200, 17_500].map(Moment::After);
    for moment in [Moment::BeforeSignal, Moment::Done].into_iter().chain(mixed) {
        let daemon = Process::start(&dir, &market(path));
        daemon.answers();
        daemon.until("it trades", PATIENCE, |lines| lines.iter().any(|l| l.contains("may trade")));
        let of = |key| value(&dir, key).0.as_u64().unwrap();
        let both = (of("trading.notional"), of("trading.max_positions"));
        assert_eq!(both, (now, now), "a start takes what the file has");
        let next = now + 10;
        let text = format!("[trading]\nnotional = {next}\nmax_positions = {next}\n");
        fs::write(&file, text).unwrap();
        if moment == Moment::BeforeSignal {
            daemon.signal("-STOP");
        }
        daemon.signal("-HUP");
        match moment {
            Moment::BeforeSignal => {}
            Moment::After(us) => std::thread::park_timeout(std::time::Duration::from_micros(us)),
            Moment::Done => wait_until("it is done", || count(&dir, "signal", "applied") == 1),
        }
        daemon.signal("-9");
        drop(daemon.end());
        let whole = |n: u64| (Decimal::from(n), u32::try_from(n).unwrap());
        let stands = in_journal(&dir);
        match moment {
            Moment::BeforeSignal => assert_eq!(stands, whole(now)),
            Moment::After(us) => {
                assert!([whole(now), whole(next)].contains(&stands), "after {us} us: {stands:?}");
            }
            Moment::Done => assert_eq!(stands, whole(next)),
        }
        verified(&dir);
        now = next;
    }
}

#[test]
fn a_made_market_keeps_its_symbols_and_one_may_be_left_out_by_a_reload() {
    let folder = Folder::new("reload-symbols");
    let (dir, file) = (folder.join("data"), folder.join("mine.toml"));
    let path = file.to_str().unwrap();
    let write = |more: &str| fs::write(&file, format!("[market]\nsymbols = {more}\n")).unwrap();
    write("4");
    let reload = || run(&dir, &["config", "reload", "--yes"]);
    let start = || {
        let daemon = Process::start(&dir, &["run", "--pace", "600x", "--config", path]);
        daemon.answers();
        daemon.prints("may trade");
        daemon
    };
    let daemon = start();
    write("3");
    let (code, _, err) = reload();
    let why = "market.symbols: the symbols of the simulated exchange cannot change";
    assert!(code == Some(5) && err.contains(why), "{code:?} {err}");
    assert_eq!(generation(&dir), 1);

    let listed = || -> Vec<(String, bool)> {
        let all = ask(&dir, &["symbols", "list"]);
        let rows = all.as_array().unwrap().iter();
        let row = |row: &Value| (row["symbol"].as_str().unwrap().to_owned(), row["held"].is_null());
        rows.map(row).collect()
    };
    assert_eq!(listed().len(), 4);
    let mut out = String::new();
    wait_until("one that is not held is left out", || {
        let Some((symbol, _)) = listed().into_iter().find(|(_, free)| *free) else { return false };
        write(&format!("4\n[market.universe]\nexclude = \"{symbol}\""));
        out = symbol;
        reload().0 == Some(0)
    });
    let is_listed = || listed().iter().any(|(symbol, _)| *symbol == out);
    wait_until("it is not listed any more", || !is_listed());
    assert_eq!(listed().len(), 3);
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = start();
    assert!(!is_listed(), "nor in the next life");
    write("4");
    assert_eq!(reload().0, Some(0));
    wait_until("it is listed again", is_listed);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    verified(&dir);
}

#[test]
fn a_process_that_is_turned_off_stays_off_over_a_kill_until_it_is_turned_on() {
    let folder = Folder::new("processes");
    let dir = folder.join("data");
    let arguments = ["run", "--symbols", "2", "--pace", "600x"];
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    let path = "root/trading/gateways/sim/private";
    let state = || node(&dir, path)["state"].clone();
    let runs = |state: &Value| state == "running" || state == "up";
    wait_until("it runs", || runs(&state()));
    assert_eq!(run(&dir, &["disable", path, "--reason", "odd", "--yes"]).0, Some(0));
    wait_until("it does not run", || !runs(&state()));
    daemon.signal("-9");
    drop(daemon.end());
    let daemon = Process::start(&dir, &arguments);
    daemon.answers();
    daemon.prints("may trade");
    wait_until("it does not run in the next life", || !runs(&state()));
    assert!(run(&dir, &["switches"]).1.contains(&format!("{path} is off")));
    let calls = || {
        let text = get(&dir, "/metrics");
        let has_line = |name: &str| text.lines().any(|line| line.starts_with(name));
        assert!(has_line("everwarm_actor_alive{actor=\"gateway\"}"), "{text}");
        let feed = text.lines().find(|line| line.starts_with("everwarm_feed_connected"));
        assert!(feed.is_some_and(|line| line.contains("market")), "{text}");
        has_line("everwarm_actor_alive{actor=\"private\"}")
            || text
                .lines()
                .any(|l| l.starts_with("everwarm_feed_connected") && l.contains("private"))
    };
    assert!(!calls(), "what is turned off calls nobody");
    assert_eq!(run(&dir, &["enable", path, "--reason", "even", "--yes"]).0, Some(0));
    wait_until("it runs again", || runs(&state()));
    assert!(calls());
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}
