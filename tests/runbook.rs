//! The emergencies of docs/RUNBOOK.md, played through with the commands that stand there.

use crate::kit::{
    BINARY, Folder, Process, ask, exchange, made_recording, output, run, small_recording,
    until_end, wait_until, wait_until_free,
};
use crate::manual_trader::{ManualTrader, held_and_killed};
use everwarm::daemon_run::LIVE_FILE;
use everwarm_history as history;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../docs/RUNBOOK.md");

const RULES: &str = include_str!("../rules/alerts.yml");

/// A section, by its heading.
struct Section(&'static str);

impl Section {
    fn of(heading: &str) -> Section {
        let begin = PAGE.find(&format!("\n## {heading}\n"));
        let begin = begin.unwrap_or_else(|| panic!("there is no section {heading}"));
        let rest = &PAGE[begin + 1..];
        let end = rest.find("\n## ").into_iter().chain(rest.find("\n# ")).min();
        Section(&rest[..end.unwrap_or(rest.len())])
    }

    /// Runs a command that stands in the section, with what is meant by its words in capitals.
    fn run(&self, dir: &Path, command: &str, meant: &[(&str, &str)]) -> (Option<i32>, String) {
        let line = format!("everwarm {command}");
        assert!(self.0.lines().any(|l| l.trim() == line), "the page does not have: {line}");
        let quoted = command.split('"').enumerate();
        let words = quoted.flat_map(|(i, part)| match i % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        let mean = |word| meant.iter().find(|(name, _)| *name == word).map_or(word, |(_, is)| *is);
        let words: Vec<&str> = words.map(mean).collect();
        if words.contains(&"--data-dir") {
            let output = output(Command::new(BINARY).args(words));
            let both = [output.stdout, output.stderr].concat();
            return (output.status.code(), String::from_utf8_lossy(&both).into_owned());
        }
        let (code, out, err) = run(dir, &words);
        (code, out + &err)
    }

    /// Has a shell do a line that stands in the section, in the data directory.
    fn shell(&self, dir: &Path, line: &str, meant: &[(&str, &str)]) {
        assert!(self.0.lines().any(|l| l.trim() == line), "the page does not have: {line}");
        let mean = |line: String, (name, is): &(&str, &str)| line.replace(name, is);
        let line = meant.iter().fold(line.to_owned(), mean);
        let output = output(Command::new("sh").args(["-c", &line]).current_dir(dir));
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The same, where it has to end with this code.
    fn ends(&self, dir: &Path, command: &str, code: i32) -> String {
        let (ended, text) = self.run(dir, command, &[]);
        assert_eq!(ended, Some(code), "{command}: {text}");
        text
    }
}

#[test]
fn each_alert_has_its_section_and_each_section_its_alert() {
    let named = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut alerts: Vec<String> = named.map(str::to_lowercase).collect();
    let (_, page) = PAGE.split_once("\n# Alerts\n").expect("it has that part");
    let mut sections: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    alerts.sort_unstable();
    sections.sort_unstable();
    assert!(alerts.len() > 30, "{alerts:?}");
    assert_eq!(sections, alerts);
}

/// A data directory of a run that has ended.
fn ended(folder: &Folder) -> std::path::PathBuf {
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&dir);
    dir
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].fill(0x5a);
    fs::write(file, bytes).unwrap();
}

#[test]
fn data_corrupted() {
    let page = Section::of("data corrupted");
    let folder = Folder::new("runbook-data");
    let dir = ended(&folder);
    let (file, new) = (folder.join("it.backup"), folder.join("new"));
    let (file, new) = (file.to_str().unwrap(), new.to_str().unwrap());
    ask(&dir, &["backup", file]);
    let fills = ask(&dir, &["fills"]);

    // The history alone: it is taken away, and made again by the next start.
    damage(&dir.join(history::FILE));
    assert!(page.ends(&dir, "store check", 4).contains("history.redb"));
    let recording = folder.join("recording");
    let recording = recording.to_str().unwrap();
    assert_eq!(run(&dir, &until_end(recording)).0, Some(7));
    page.shell(&dir, "mv history.redb history.redb.bad", &[]);
    assert_eq!(run(&dir, &until_end(recording)).0, Some(0));
    page.ends(&dir, "verify", 0);
    assert_eq!(ask(&dir, &["fills"]), fills);

    // The journal: a backup takes its place.
    damage(&dir.join(LIVE_FILE));
    assert!(page.ends(&dir, "store check", 4).contains("live.redb"));
    assert_eq!(run(&dir, &until_end(recording)).0, Some(7));
    let meant = [("FILE", file), ("NEW", new)];
    let (code, text) = page.run(&dir, "restore FILE --data-dir NEW", &meant);
    assert_eq!(code, Some(0), "{text}");
    fs::rename(dir.join("exchange"), Path::new(new).join("exchange")).unwrap();
    assert_eq!(run(Path::new(new), &until_end(recording)).0, Some(0));
    let (code, text) = page.run(&dir, "reconcile --data-dir NEW", &meant);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(ask(Path::new(new), &["fills"]), fills);
}

#[test]
fn a_segment_that_is_bad() {
    let page = Section::of("data corrupted");
    let folder = Folder::new("runbook-segment");
    let (dir, file) = crate::backup::ended(&folder);
    let segments = fs::read_dir(dir.join("live.segments")).unwrap();
    let mut names: Vec<_> = segments.map(|it| it.unwrap().file_name()).collect();
    names.sort();
    let segment = names[0].to_str().unwrap();
    let place = dir.join("live.segments").join(segment);
    let mut bytes = fs::read(&place).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&place, bytes).unwrap();
    assert!(page.ends(&dir, "store check", 4).contains(segment));
    assert!(page.ends(&dir, "verify", 4).contains(segment));
    let recording = folder.join("recording");
    let (code, out, err) = run(&dir, &until_end(recording.to_str().unwrap()));
    assert_eq!(code, Some(0), "trading goes on: {out}{err}");
    let new = folder.join("new");
    let (file, new) = (file.to_str().unwrap(), new.to_str().unwrap());
    let meant = [("FILE", file), ("NEW", new), ("SEGMENT", segment)];
    let (code, text) = page.run(&dir, "restore FILE --data-dir NEW", &meant);
    assert_eq!(code, Some(0), "{text}");
    page.shell(&dir, "cp NEW/live.segments/SEGMENT live.segments/SEGMENT", &meant);
    page.ends(&dir, "verify", 0);
    page.ends(&dir, "store check", 0);
}

#[test]
fn everything_off() {
    let page = Section::of("everything off");
    let folder = Folder::new("runbook-off");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--pace", "240x"]);
    daemon.prints(" fill ");
    daemon.answers();
    let breaker = |level: &str| ask(&dir, &["status"])["breaker"] == level;
    let held = || {
        let all = ask(&dir, &["symbols", "list"]);
        all.as_array().unwrap().iter().filter(|row| !row["held"].is_null()).count()
    };
    page.ends(&dir, "flatten --reason \"everything off\" --yes", 0);
    wait_until("nothing is entered any more", || breaker("exits-only"));
    wait_until("nothing is held that could be sold", || held() == 0);
    page.ends(&dir, "halt --reason \"look first\" --yes", 0);
    page.ends(&dir, "resume --reason \"looked\" --yes", 0);
    wait_until("it trades", || breaker("normal"));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn disk_full() {
    let page = Section::of("disk full");
    let folder = Folder::new("runbook-full");
    let recording = made_recording(&folder.join("recording"), 6, 700);
    let dir = folder.join("data");
    // The exchange has a disk of its own.
    let sim = ["sim", "--pace", "lockstep", "--recording", &recording];
    let venue = Process::start(&dir.join("exchange"), &sim);
    wait_until("the exchange runs", || exchange(&dir).is_some());
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2200; exec \"$0\" \"$@\"", BINARY]);
    let (code, out, err) = Process::of(shell, &dir, &until_end(&recording)).result();
    assert_eq!(code, Some(11), "{out}{err}");
    assert!(err.contains("no space left"), "{err}");
    // All of it is younger.
    assert!(page.ends(&dir, "storage retain --days 7", 0).contains("nothing to remove"));
    let room = ["run", "--pace", "lockstep", "--recording", &recording];
    let daemon = Process::start(&dir, &room);
    daemon.answers();
    wait_until("it is ready", || page.run(&dir, "status --check", &[]).0 == Some(0));
    page.ends(&dir, "verify", 0);
    assert!(page.ends(&dir, "storage", 0).contains("journal, live"));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    drop(venue);
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn venue_dead() {
    let page = Section::of("venue dead");
    let folder = Folder::new("runbook-venue");
    let dir = folder.join("data");
    let daemon = Process::start(&dir, &["run", "--pace", "240x"]);
    daemon.prints(" fill ");
    let pid = exchange(&dir).unwrap();
    signal("-STOP", pid);
    wait_until("it is noticed", || {
        let status = ask(&dir, &["status"]);
        status["ready"] == json!(false) && status["problems"].to_string().contains("venue")
    });
    assert!(page.ends(&dir, "status", 0).contains("venue"));
    page.ends(&dir, "tree", 0);
    assert!(page.ends(&dir, "doctor", 4).contains("venue"));
    page.ends(&dir, "status --check", 4);
    signal("-CONT", pid);
    wait_until("it is back", || page.run(&dir, "status --check", &[]).0 == Some(0));
    page.ends(&dir, "reconcile", 0);
    let fills = || ask(&dir, &["fills"]).as_array().unwrap().len();
    let seen = fills();
    wait_until("it trades on", || fills() > seen);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn account_conflict() {
    let page = Section::of("account conflict");
    let folder = Folder::new("runbook-account");
    let dir = folder.join("data");
    let start = || {
        let daemon = Process::start(&dir, &["run", "--pace", "240x"]);
        daemon.answers();
        daemon
    };
    let (symbol, quantity) = held_and_killed(&dir, start(), start);
    let hand = ManualTrader::new(&dir);
    hand.order(&format!("symbol={symbol}&side=SELL&type=MARKET&quantity={quantity}"));
    let daemon = start();
    wait_until("it is refused", || ask(&dir, &["status"])["state"] == "refused");
    assert!(page.ends(&dir, "status", 0).contains("in the books"));
    let text = page.ends(&dir, "reconcile", 4);
    let (_, out, _) = run(&dir, &["reconcile", "--json"]);
    let view: Value = serde_json::from_str(&out).unwrap();
    let id = view["conflicts"][0]["id"].as_str().unwrap();
    assert!(text.contains(id), "{text}");
    let command = "resolve ID --accept venue --reason \"sold by hand\" --yes";
    let (code, text) = page.run(&dir, command, &[("ID", id)]);
    assert_eq!(code, Some(0), "{text}");
    wait_until("it trades", || page.run(&dir, "status --check", &[]).0 == Some(0));
    page.ends(&dir, "reconcile", 0);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn crash_loop() {
    let page = Section::of("crash loop");
    let folder = Folder::new("runbook-crash");
    let dir = folder.join("data");
    let (file, config) = (folder.join("it.backup"), folder.join("mine.toml"));
    fs::write(&config, "[market]\nsymbols = 3\n").unwrap();
    let config = config.to_str().unwrap();
    let started = ["run", "--pace", "240x", "--config", config];
    for _ in 0..3 {
        let (who, phase) = ("store-thread".to_owned(), Phase::Live);
        let panic =
            PlannedFault { site: Site::BeforeSync, who, phase, nth: 5, kind: FaultKind::Panic };
        let daemon = Process::with_faults(&dir, &started, &[panic]);
        assert_eq!(daemon.end().0.code(), Some(10));
    }
    let meant = [("FILE", file.to_str().unwrap())];
    let (code, text) = page.run(&dir, "backup FILE", &meant);
    assert_eq!(code, Some(0), "{text}");
    let meant = [("FILE", config)];
    let (code, text) = page.run(&dir, "config check --config FILE", &meant);
    assert!(code == Some(0) && text.contains("valid: 2 of "), "{text}");
    // The command that `doctor` shows starts it with that file, not with the defaults.
    let (_, text, _) = run(&dir, &["doctor"]);
    let start = format!("$ everwarm run --config {config} --data-dir {}", dir.display());
    assert!(text.contains(&start), "{text}");
    crate::kit::kill_exchange(&dir);
    wait_until("the exchange has let go of its books", || {
        page.run(&dir, "store check", &[]).0 == Some(0)
    });
    page.ends(&dir, "quarantine list", 0);
    page.ends(&dir, "verify", 0);
    assert_eq!(ask(&dir, &["status"])["life"], 3);
    page.ends(&dir, "safe-start collect --reason \"crash loop\" --yes", 0);
    let daemon = Process::start(&dir, &started);
    daemon.answers();
    let closes = || ask(&dir, &["status"])["closes"].as_u64().unwrap();
    let seen = closes();
    wait_until("it collects", || closes() > seen + 5);
    page.ends(&dir, "status", 0);
    page.ends(&dir, "safe-start exits --reason \"it holds\" --yes", 0);
    page.ends(&dir, "safe-start trade --reason \"it holds\" --yes", 0);
    wait_until("it trades", || page.run(&dir, "status --check", &[]).0 == Some(0));
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}

#[test]
fn alerts_of_the_configuration_are_about_the_file_of_the_daemon() {
    let folder = Folder::new("runbook-config");
    let (dir, config) = (folder.join("data"), folder.join("mine.toml"));
    let file = config.to_str().unwrap();
    let one = "[market]\nsymbols = 3\n";
    fs::write(&config, one).unwrap();
    let daemon = Process::start(&dir, &["run", "--config", file]);
    daemon.answers();
    let meant = [("FILE", file)];
    let failed = Section::of("configreloadfailed");
    fs::write(&config, format!("{one}[trading]\nnotional = -1\n")).unwrap();
    assert_eq!(run(&dir, &["config", "reload", "--yes"]).0, Some(2));
    let (code, text) = failed.run(&dir, "config check --config FILE", &meant);
    let place = format!("{file}:4:12: trading.notional");
    assert!(code == Some(2) && text.contains(&place), "{text}");
    fs::write(&config, format!("{one}[daemon]\nworkers = 3\n")).unwrap();
    assert_eq!(run(&dir, &["config", "reload", "--yes"]).0, Some(5));
    for section in [failed, Section::of("restartpending")] {
        let (code, text) = section.run(&dir, "config diff --config FILE", &meant);
        assert_eq!((code, text.matches("daemon.workers").count()), (Some(4), 1), "{text}");
        assert!(!text.contains("market.symbols"), "nothing is made up: {text}");
    }
    // The command that `doctor` shows is about that file too.
    let (_, text, _) = run(&dir, &["doctor"]);
    let diff = format!("$ everwarm config diff --config {file} --data-dir {}", dir.display());
    assert!(text.contains(&diff), "{text}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
}
