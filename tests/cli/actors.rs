//! Actors of a running daemon, disturbed on purpose.

use crate::cli::api::request;
use crate::cli::look::{get, measured};
use crate::kit::{Folder, Process, ask, kill_exchange, run, wait_until};
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

fn node(tree: &Value, name: &str) -> Option<Value> {
    if tree["name"] == name {
        return Some(tree.clone());
    }
    tree["children"].as_array()?.iter().find_map(|child| node(child, name))
}

fn actor(dir: &Path, name: &str) -> Value {
    node(&ask(dir, &["tree"]), name).unwrap_or_default()
}

fn closer(dir: &Path) -> Value {
    actor(dir, "closer")
}

#[test]
fn actors_are_disturbed_on_purpose_and_one_that_hangs_ends_the_process() {
    let folder = Folder::new("kill");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "[chaos]\nenabled = true\n[daemon]\nhang_limit_s = 10\n").unwrap();
    let start = || {
        let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
        daemon.answers();
        wait_until("the tree is up", || closer(&dir)["state"] == "running");
        daemon
    };
    let kill = |who: &str, more: &[&str]| {
        let (code, out, err) =
            run(&dir, &[&["kill", who, "--yes", "--config", path], more].concat());
        (code, out + &err)
    };
    let daemon = start();
    for (how, n) in [("kill", 1), ("stop", 2), ("panic", 3)] {
        let (code, text) = kill("closer", &["--how", how]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("root/trading/bars/closer"), "{text}");
        wait_until("it came back", || {
            let node = closer(&dir);
            node["injected"] == n && node["restarts"] == n && node["state"] == "running"
        });
    }
    let token = fs::read_to_string(dir.join("api.token")).unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    for seconds in [0, 3_601, u32::MAX] {
        let body = json!({"path": "closer", "how": "stall", "seconds": seconds}).to_string();
        let lines = ["POST /api/v1/kill HTTP/1.1", "Content-Type: application/json", &bearer];
        let answer = request(&dir, &lines, &body);
        let refused = answer.starts_with("HTTP/1.1 400 ") && answer.contains("from 1 to 3600");
        assert!(refused, "{answer}");
    }
    let (code, text) = kill("root/nobody", &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("there is no actor root/nobody"), "{text}");
    let retry = ["retry", "root/trading/feeds", "--config", path];
    let (code, out, err) = run(&dir, &retry);
    assert_eq!((code, out.as_str()), (Some(2), ""), "nobody can be asked: {err}");
    assert!(err.contains("retry root/trading/feeds") && err.contains("--yes"), "{err}");
    let (code, out, err) = run(&dir, &[&retry[..], &["--yes"]].concat());
    assert_eq!(code, Some(0), "{out}{err}");

    // Those who look in are answered while it hangs, until the process ends.
    let (code, text) = kill("closer", &["--how", "stall", "--seconds", "60"]);
    assert_eq!(code, Some(0), "{text}");
    wait_until("it is seen to hang", || closer(&dir)["blocked"] == true);
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(13), "{err}");
    assert!(err.contains("root/trading/bars/closer blocked its thread"), "{err}");

    let daemon = start();
    // It may end before it has answered.
    let (code, text) = kill("closer", &["--how", "abort"]);
    assert!(matches!(code, Some(0 | 3)), "{code:?} {text}");
    let (status, _, err) = daemon.end();
    assert_eq!(status.signal(), Some(6), "{err}");

    fs::write(&config, "").unwrap();
    let daemon = start();
    let (code, text) = kill("closer", &[]);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("set chaos.enabled = true"), "{text}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let audit = fs::read_to_string(dir.join("audit.jsonl")).unwrap();
    assert!(audit.lines().count() >= 7 && audit.contains("\"how\":\"stall\""), "{audit}");
    kill_exchange(&dir);
}

#[test]
fn what_was_done_on_purpose_is_seen_and_the_root_takes_the_process_with_it() {
    let folder = Folder::new("kill-seen");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "[chaos]\nenabled = true\n").unwrap();
    let start = || {
        let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
        daemon.answers();
        daemon.prints("may trade");
        let starts = || ask(&dir, &["tree"]).to_string().contains("\"starting\"");
        wait_until("nobody is about to start", || !starts());
        daemon
    };
    let kill =
        |who: &str, how: &str| run(&dir, &["kill", who, "--how", how, "--yes", "--config", path]);
    let seen = |name: &str| node(&ask(&dir, &["tree"]), name).unwrap_or_default();
    let mut daemon = start();
    // A whole branch by its name: what is below it ends and comes back with it.
    let (code, out, err) = kill("feeds", "kill");
    assert_eq!((code, out.as_str()), (Some(0), "root/trading/feeds is killed"), "{err}");
    wait_until("the branch came back", || {
        let (feeds, feed) = (seen("feeds"), seen("feed"));
        let up = feeds["state"] == "running" && feed["state"] == "running";
        up && feeds["injected"] == 1
            && feed["restarts"] == 1
            && feed["last_failure"] == "ended with its supervisor"
    });
    let (code, out, err) = kill("sampler", "stop");
    assert_eq!((code, out.as_str()), (Some(0), "root/ops/sampler is asked to stop"), "{err}");
    let why = "ended (injected: requested by an operator) and runs again after";
    let lines = daemon.prints(&format!("root/ops/sampler {why}"));
    let restarts: Vec<&String> = lines.iter().filter(|line| line.contains("runs again")).collect();
    assert_eq!(restarts.len(), 2, "one line for a branch: {restarts:?}");
    assert!(restarts[0].contains(&format!("root/trading/feeds {why}")), "{restarts:?}");
    assert!(restarts.iter().all(|line| !line.ends_with("after 0 us")), "{restarts:?}");
    // The keeper of the exchange gets no messages.
    let (code, out, err) = kill("exchange", "panic");
    let planned = "panics at its next message";
    let first = format!("root/trading/exchange {planned}");
    assert_eq!((code, out.lines().next()), (Some(0), Some(first.as_str())), "{err}");
    assert!(out.contains("`everwarm tree` shows the planned fault"), "{out}");
    assert_eq!(seen("exchange")["planned"], planned);
    // A second one does not take its place without a word.
    let (code, out, err) = kill("exchange", "stall");
    assert_eq!((code, out.as_str()), (Some(5), ""), "{err}");
    assert!(err.contains(&format!("a fault is already planned: {first}")), "{err}");
    assert_eq!(seen("exchange")["planned"], planned);
    let (_, drawn, _) = run(&dir, &["tree"]);
    assert!(drawn.contains(&format!("{planned} (injected)")), "{drawn}");

    let (code, _, err) = run(&dir, &["kill", "root", "--how", "stop", "--config", path]);
    let ends = "add --yes: disturb root, which ends the process with exit code 12";
    assert!(code == Some(2) && err.contains(ends), "{code:?} {err}");
    for (how, effect) in [("stop", "is asked to stop"), ("kill", "is killed")] {
        let (code, out, err) = kill("root", how);
        let line = format!("root {effect}, which ends the process with exit code 12");
        assert_eq!((code, out.as_str()), (Some(0), line.as_str()), "{err}");
        let (status, _, err) = daemon.end();
        assert_eq!(status.code(), Some(12), "{err}");
        assert!(err.contains("root gave up: injected: requested by an operator"), "{err}");
        assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
        daemon = start();
    }
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    kill_exchange(&dir);
}

/// A daemon whose indicator stage holds its thread at the first passing of that point.
fn hangs(dir: &Path, config: &str, site: Site) -> Process {
    let (who, fault_kind) = ("indicator".to_owned(), FaultKind::Die);
    let fault = PlannedFault { site, who, phase: Phase::Starting, nth: 1, kind: fault_kind };
    Process::with_faults(dir, &["run", "--symbols", "2", "--config", config], &[fault])
}

#[test]
fn a_stage_that_hangs_at_an_input_ends_three_lives_and_is_then_set_aside() {
    let folder = Folder::new("hang");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "[daemon]\nhang_limit_s = 6\n").unwrap();
    for _ in 0..3 {
        let (status, _, err) = hangs(&dir, path, Site::BeforeStep).end();
        assert_eq!(status.code(), Some(13), "{err}");
        assert!(err.contains("root/trading/stages/indicator blocked its thread"), "{err}");
    }
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
    daemon.answers();
    wait_until("it is set aside", || {
        let list = ask(&dir, &["quarantine", "list"]);
        let one = &list[0];
        let why = one["why"].as_str().unwrap_or_default();
        one["stage"] == "indicator" && one["failures"] == 3 && why.starts_with("blocked its thread")
    });
    wait_until("the rest goes on", || ask(&dir, &["status"])["ready"] == true);
    let metrics = || {
        let set_aside = measured(&dir, "everwarm_quarantined{effect=\"stage\"}");
        format!("{set_aside} set aside, {} dropped", measured(&dir, "everwarm_stages_dropped"))
    };
    wait_until("metrics tell of it", || metrics() == "1 set aside, 0 dropped");
    // Dropped it holds nothing back, and it is still reported as out.
    let id = ask(&dir, &["quarantine", "list"])[0]["id"].to_string();
    let (code, out, err) = run(&dir, &["quarantine", "drop", &id, "--yes"]);
    let line = format!("quarantine {id} is dropped: indicator stays stopped and blocks nothing");
    assert!(code == Some(0) && out.starts_with(&line), "{code:?} {out}{err}");
    wait_until("the breaker goes back", || ask(&dir, &["status"])["breaker"] == "normal");
    wait_until("metrics tell of that", || metrics() == "0 set aside, 1 dropped");
    let is_reported = |out: &str| out.contains("an operator dropped it");
    assert!(is_reported(&ask(&dir, &["status"])["problems"].to_string()));
    let symbol = ask(&dir, &["symbols", "list"])[0]["symbol"].as_str().unwrap().to_owned();
    // A machine may be faster than the market's first close.
    wait_until("there was a close", || ask(&dir, &["status"])["closes"].as_u64() > Some(0));
    wait_until("no order is that, too", || {
        is_reported(&ask(&dir, &["why-not", &symbol])["title"].to_string())
    });
    let (code, out, _) = run(&dir, &["doctor", "--json"]);
    let retry = format!("everwarm quarantine retry {id}");
    assert!(code == Some(4) && is_reported(&out) && out.contains(&retry), "{code:?} {out}");
    assert_eq!(run(&dir, &["quarantine", "drop", &id, "--yes"]).0, Some(5));
    let (code, out, err) = run(&dir, &["quarantine", "retry", &id, "--yes"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(ask(&dir, &["quarantine", "list"]), json!([]));
    wait_until("metrics tell of neither", || metrics() == "0 set aside, 0 dropped");
    wait_until("it is asked again", || {
        !is_reported(&ask(&dir, &["why-not", &symbol])["title"].to_string())
    });
    let why = run(&dir, &["verify"]);
    assert_eq!(why.0, Some(0), "{why:?}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    kill_exchange(&dir);
}

/// Its supervisor cannot give up such a start, and the tree is not up yet.
#[test]
fn a_first_start_that_hangs_ends_the_process_at_its_limit() {
    let folder = Folder::new("hang-start");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    fs::write(&config, "[daemon]\nhang_limit_s = 5\n").unwrap();
    let daemon = hangs(&dir, config.to_str().unwrap(), Site::BeforeResume);
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(13), "{err}");
    assert!(err.contains("root/trading/stages/indicator blocked its thread"), "{err}");
    kill_exchange(&dir);
}

#[test]
fn who_may_be_disturbed_changes_while_it_trades() {
    let folder = Folder::new("kill-switch");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "").unwrap();
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
    daemon.answers();
    daemon.prints("may trade");
    let kill = || run(&dir, &["kill", "closer", "--yes", "--config", path]);
    let refused = || {
        let (code, _, err) = kill();
        assert!(code == Some(5) && err.contains("set chaos.enabled = true"), "{code:?} {err}");
    };
    let reload = |text: &str| {
        fs::write(&config, text).unwrap();
        let (code, out, err) = run(&dir, &["config", "reload", "--yes"]);
        assert_eq!(code, Some(0), "{out}{err}");
    };
    // Whatever watches from outside sees the same.
    let measured = || {
        let text = get(&dir, "/metrics");
        let one = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {text}")).trim().parse::<u64>().unwrap()
        };
        let restarts = |reason: &str| {
            one(&format!("everwarm_actor_restarts_total{{actor=\"closer\",reason=\"{reason}\"}}"))
        };
        let faults = one("everwarm_chaos_faults_total{fault=\"kill\"}");
        let alive = one("everwarm_actor_alive{actor=\"closer\"}");
        (restarts("injected"), restarts("killed"), restarts("error"), faults, alive)
    };
    refused();
    reload("[chaos]\nenabled = true\n");
    wait_until("the tree is up", || closer(&dir)["state"] == "running");
    assert_eq!(measured(), (0, 0, 0, 0, 1));
    let (code, out, err) = kill();
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until("it came back", || {
        let node = closer(&dir);
        node["injected"] == 1 && node["state"] == "running"
    });
    wait_until("metrics tell of it", || measured() == (1, 0, 0, 1, 1));
    // Who holds the place of the exchange receives nothing; what waits for a message is taken back.
    let (code, out, err) =
        run(&dir, &["kill", "exchange", "--how", "panic", "--yes", "--config", path]);
    assert_eq!(code, Some(0), "{out}{err}");
    let planned = || actor(&dir, "exchange")["planned"].clone();
    assert_eq!(planned(), "panics at its next message");
    reload("");
    refused();
    wait_until("it is taken back", || planned().is_null());
    assert_eq!(closer(&dir)["injected"], 1);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

/// Supervisors share a thread. A check whether the process lives reports that it hangs.
#[test]
fn who_asks_is_answered_while_supervision_hangs() {
    let folder = Folder::new("livez");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let path = config.to_str().unwrap();
    fs::write(&config, "[chaos]\nenabled = true\n[daemon]\nhang_limit_s = 600\n").unwrap();
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--config", path]);
    daemon.answers();
    daemon.prints("may trade");
    wait_until("supervision answers", || get(&dir, "/livez").starts_with("HTTP/1.1 200"));
    let stall = ["kill", "root", "--how", "stall", "--seconds", "300", "--yes", "--config", path];
    let (code, out, err) = run(&dir, &stall);
    assert_eq!(code, Some(0), "{out}{err}");
    // Long before it goes on.
    wait_until("that it hangs is told", || get(&dir, "/livez").starts_with("HTTP/1.1 503"));
    let lag = || measured(&dir, "everwarm_supervision_lag_seconds");
    wait_until("the lag is measured", || lag() > 1.0);
    assert!(get(&dir, "/api/v1/status").starts_with("HTTP/1.1 200"));
    daemon.kill();
    kill_exchange(&dir);
}
