//! The daemon as a service: what its manager receives, how it stops, and what it does after
//! it stood still.

use crate::kit::{BINARY, Folder, Process, ask, exchange, run, wait_until};
use crate::manual_trader::ManualTrader;
use everwarm::chaos::process::REACHED;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A service manager: a socket, and what came by it.
struct Manager {
    socket: UnixDatagram,
    received: Vec<String>,
}

impl Manager {
    fn new(folder: &Path) -> (Manager, Command) {
        let path = folder.join("notify.socket");
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut command = Command::new(BINARY);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "2000000");
        (Manager { socket, received: Vec::new() }, command)
    }

    /// What comes within a time.
    fn receive(&mut self, within: Duration) -> Option<&str> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let mut text = [0; 2048];
        let length = self.socket.recv(&mut text).ok()?;
        self.received.push(String::from_utf8_lossy(&text[..length]).into_owned());
        self.received.last().map(String::as_str)
    }

    fn until(&mut self, wanted: &str) {
        let began = now();
        while !self.receive(Duration::from_secs(1)).is_some_and(|text| text.contains(wanted)) {
            assert!(began.elapsed() < crate::kit::PATIENCE, "{wanted}: {:?}", self.received);
        }
    }
}

fn now() -> Instant {
    everwarm_runtime::clock::now()
}

#[test]
fn the_manager_is_told_on_the_way_when_ready_while_well_and_at_the_stop() {
    let folder = Folder::new("notify");
    let dir = folder.join("data");
    let (mut manager, command) = Manager::new(&folder.0);
    let mut daemon = Process::of(command, &dir, &["run", "--pace", "240x"]);
    manager.until("READY=1");
    for words in ["STATUS=opening the journal", "STATUS=finding the exchange"] {
        assert!(manager.received.iter().any(|text| text.contains(words)), "{:?}", manager.received);
    }
    let status = ask(&dir, &["status"]);
    assert_eq!(status["ready"], json!(true));
    let steps = status["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    for name in [
        "open the journal",
        "open the history",
        "find the exchange",
        "read the journal",
        "query the venue",
        "start the actors",
        "reconcile",
        "ready",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let environment = fs::read(format!("/proc/{}/environ", exchange(&dir).unwrap())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    // At half the interval; where the machine did something else meanwhile, the next three are.
    let three_took = |manager: &mut Manager| {
        // Those that came meanwhile do not show how often they come.
        while manager.receive(Duration::from_millis(1)).is_some() {}
        let began = now();
        (0..3).for_each(|_| manager.until("WATCHDOG=1"));
        began.elapsed()
    };
    let quick = (0..10).any(|_| three_took(&mut manager) < Duration::from_secs(4));
    assert!(quick, "{:?}", manager.received);
    assert!(daemon.alive());
    daemon.signal("-TERM");
    manager.until("STOPPING=1");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(manager.received.iter().filter(|text| text.contains("READY=1")).count(), 1);
}

/// A daemon of which something stands still from a moment on.
fn stuck(
    folder: &Path,
    (site, who, expected): (Site, &str, &str),
    more: &[(&str, &str)],
) -> (Manager, Process) {
    let dir = folder.join("data");
    let (mut manager, mut command) = Manager::new(folder);
    let (who, phase) = (who.to_owned(), Phase::Live);
    let fault = PlannedFault { site, who, phase, nth: 20, kind: FaultKind::Die };
    command.env("EVERWARM_STRIKES", serde_json::to_string(&[fault]).unwrap());
    command.env("EVERWARM_CHAOS__ENABLED", "true");
    command.envs(more.iter().copied());
    let marker = folder.join("struck");
    command.env(REACHED, &marker);
    let daemon = Process::of(command, &dir, &["run", "--pace", "240x"]);
    // A machine that is slow for a moment may be reported before it stands still.
    let began = now();
    while !(marker.exists() && manager.received.iter().any(|text| text.contains(expected))) {
        manager.receive(Duration::from_millis(200));
        assert!(began.elapsed() < crate::kit::PATIENCE, "{expected}: {:?}", manager.received);
    }
    let since = now();
    while since.elapsed() < Duration::from_secs(2) {
        manager.receive(Duration::from_millis(200));
    }
    (manager, daemon)
}

const DISK: (Site, &str, &str) = (Site::BeforeCommit, "store-thread", "not healthy: no commit for");
const STAGE: (Site, &str, &str) = (Site::BeforeStep, "indicator", "not healthy: indicator waits");

/// Nobody reports that it is well for as long as two intervals.
fn assert_silent(manager: &mut Manager) {
    let (received, began) = (manager.received.len(), now());
    while began.elapsed() < Duration::from_secs(4) {
        manager.receive(Duration::from_millis(200));
    }
    let pings = manager.received[received..].iter().filter(|text| text.contains("WATCHDOG=1"));
    assert_eq!(pings.count(), 0, "{:?}", manager.received);
}

#[test]
fn a_daemon_with_a_stage_that_hangs_is_not_pinged_for() {
    let folder = Folder::new("hangs");
    let (mut manager, mut daemon) = stuck(&folder.0, STAGE, &[]);
    assert_silent(&mut manager);
    assert!(daemon.alive());
    daemon.kill();
}

#[test]
fn a_stuck_daemon_is_not_pinged_for_and_a_second_signal_ends_it_at_once() {
    let folder = Folder::new("stuck");
    let (mut manager, mut daemon) = stuck(&folder.0, DISK, &[]);
    assert_silent(&mut manager);
    // A process and its group are signalled one after the other: that is one signal.
    let pid = daemon.pid().to_string();
    let twice = Command::new("kill").args(["-TERM", &pid, &pid]).status().unwrap();
    assert!(twice.success());
    manager.until("STOPPING=1");
    std::thread::park_timeout(Duration::from_millis(300));
    assert!(daemon.alive(), "it waits for the disk");
    let began = now();
    daemon.signal("-TERM");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(143), "{err}");
    assert!(began.elapsed() < Duration::from_secs(2));
    // What was on the disk is whole.
    let dir = folder.join("data");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}

#[test]
fn a_stop_that_does_not_end_is_ended_by_its_deadline() {
    let folder = Folder::new("deadline");
    let (_manager, daemon) = stuck(&folder.0, DISK, &[("EVERWARM_DAEMON__STOP_S", "2")]);
    let began = now();
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(13), "{err}");
    assert!(err.contains("the stop took more than 2 s (the actors end"), "{err}");
    assert!((2..8).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let (code, _, err) = run(&folder.join("data"), &["config", "check"]);
    assert_eq!(code, Some(0), "{err}");
}

#[test]
fn a_daemon_that_stood_still_connects_again_asks_and_goes_on() {
    let folder = Folder::new("asleep");
    let dir = folder.join("data");
    let log = "warn,everwarm::daemon=info,everwarm_edge=debug";
    let daemon = Process::start(&dir, &["run", "--pace", "240x", "--log", log]);
    daemon.prints("may trade");
    daemon.prints("fill");
    let asked = |lines: &[String]| lines.iter().filter(|l| l.contains("fill")).count();
    daemon.signal("-STOP");
    std::thread::park_timeout(Duration::from_secs(7));
    daemon.signal("-CONT");
    assert!(daemon.complains("the process was suspended", Duration::from_secs(20)));
    assert!(daemon.complains("the clock jumped", Duration::from_secs(20)), "it connects again");
    let before = asked(&daemon.lines());
    daemon.until("it trades on", crate::kit::PATIENCE, |lines| asked(lines) > before + 2);
    wait_until("it is ready", || ask(&dir, &["status"])["ready"] == json!(true));
    let hand = ManualTrader::new(&dir);
    let symbols = |rows: &Value| -> BTreeSet<String> {
        rows.as_array().unwrap().iter().map(|r| r["symbol"].as_str().unwrap().to_owned()).collect()
    };
    for symbol in symbols(&ask(&dir, &["fills"])) {
        let ids = hand.ids(&symbol);
        let once: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "no order twice: {ids:?}");
    }
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    let lost: Vec<Value> = err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let logged = |words: &str| lost.iter().any(|line| line.to_string().contains(words));
    assert!(logged("private stream lost"), "a log for programs where no terminal is: {err}");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}

/// Whether a process answers a signal itself, by the signal's number.
fn handles(pid: u32, number: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}

#[test]
fn signals_are_answered_from_the_beginning_of_a_start() {
    let folder = Folder::new("early");
    let (dir, file, whole) = (folder.join("data"), folder.join("a.toml"), folder.join("b.toml"));
    // Whoever reads it waits until somebody writes: there the start stands still.
    let start = || {
        drop(fs::remove_file(&file));
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        let path = file.to_str().unwrap();
        let daemon =
            Process::start(&dir, &["run", "--symbols", "2", "--pace", "240x", "--config", path]);
        wait_until("it answers signals", || handles(daemon.pid(), 1) && handles(daemon.pid(), 15));
        daemon
    };
    let go_on = || {
        let writer = fs::File::options().write(true).open(&file).unwrap();
        fs::write(&whole, "").unwrap();
        fs::rename(&whole, &file).unwrap();
        drop(writer);
    };
    let daemon = start();
    daemon.signal("-HUP");
    go_on();
    daemon.answers();
    daemon.prints("may trade");
    wait_until("it is read again once it runs", || {
        let counts = ask(&dir, &["config", "reloads"])["counts"].take();
        let by_signal = |row: &&Value| row["trigger"] == "signal" && row["result"] == "unchanged";
        counts.as_array().unwrap().iter().find(by_signal).unwrap()["count"] == 1
    });
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    let daemon = start();
    daemon.signal("-TERM");
    go_on();
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{status:?} {err}");
    assert_eq!(ask(&dir, &["verify"])["problems"], json!([]));
}
