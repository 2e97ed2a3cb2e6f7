//! Backups of a daemon that trades, and data directories made of them.

use crate::cli::api::request;
use crate::kit::{
    BINARY, Folder, Process, ask, copy_folder, end_of, exchange, kill_exchange, made_recording,
    reported, run, runs, until_end, wait_until, wait_until_free,
};
use crate::manual_trader::ManualTrader;
use everwarm::daemon_run::LIVE_FILE;
use everwarm_domain::money::Decimal;
use everwarm_kernel::chance::mix;
use everwarm_views::audit::AUDIT_FILE;
use everwarm_views::backup;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs a command that is about a file.
fn about(command: &str, file: &Path, dir: &Path) -> (Option<i32>, String, String) {
    run(dir, &[command, file.to_str().unwrap()])
}

fn backed_up(file: &Path, dir: &Path) -> Value {
    ask(dir, &["backup", "--force", file.to_str().unwrap()])
}

fn restored(file: &Path, dir: &Path) -> Value {
    ask(dir, &["restore", file.to_str().unwrap()])
}

fn stop_exchange(dir: &Path) {
    let pid = exchange(dir).expect("it runs");
    kill_exchange(dir);
    wait_until("the exchange has ended", || !runs(pid));
}

/// Ends everything nothing explains, as the venue reports, until it trades.
fn settle(dir: &Path) -> usize {
    let mut ended = BTreeSet::new();
    wait_until("it trades", || {
        let status = ask(dir, &["status"]);
        if status["state"] == "refused" {
            let (_, out, _) = run(dir, &["reconcile", "--json"]);
            let view: Value = serde_json::from_str(&out).unwrap();
            for conflict in view["conflicts"].as_array().unwrap() {
                let id = conflict["id"].as_str().unwrap().to_owned();
                let words = ["resolve", &id, "--accept", "venue", "--reason", "restored", "--yes"];
                let (code, _, err) = run(dir, &words);
                // The account is compared anew after each word, so others may be explained.
                let over = err.contains("already resolved") || err.contains("there is no conflict");
                assert!(code == Some(0) || over, "{err}");
                ended.insert(id);
            }
        }
        status["state"] == "trading"
    });
    ended.len()
}

fn decimals(
    rows: &Value,
    of: &str,
    amount: impl Fn(&Value) -> Decimal,
) -> BTreeMap<String, Decimal> {
    let rows = rows.as_array().unwrap().iter();
    let each = rows.map(|row| (row[of].as_str().unwrap().to_owned(), amount(row)));
    each.filter(|(_, amount)| !amount.is_zero()).collect()
}

fn decimal(row: &Value, field: &str) -> Decimal {
    row[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_backup_made_while_it_trades_goes_on_elsewhere_and_agrees_with_the_exchange() {
    let folder = Folder::new("backup");
    let (dir, moved, file) = (folder.join("data"), folder.join("moved"), folder.join("it.backup"));
    let daemon = Process::start(&dir, &["run", "--pace", "240x"]);
    let fills = |lines: &[String]| lines.iter().filter(|l| l.contains(" fill ")).count();
    daemon.until("it trades", crate::kit::PATIENCE, |lines| fills(lines) >= 12);
    let made = backed_up(&file, &dir);
    assert_eq!(made["life"], 1, "{made}");
    let seen = fills(&daemon.lines());
    // It went on meanwhile, and sends orders the backup does not know.
    daemon.until("it trades on", crate::kit::PATIENCE, |lines| fills(lines) >= seen + 6);
    daemon.kill();
    stop_exchange(&dir);
    let view = restored(&file, &moved);
    assert_eq!((&view["installation"], &view["epoch_before"]), (&json!("demo"), &json!(0)));
    assert!(view["epoch"].as_u64().unwrap() > 0, "{view}");
    let (code, _, err) = about("restore", &file, &moved);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("is not empty; nothing was changed"), "{err}");
    // The venue is where it was.
    copy_folder(&dir.join("exchange"), &moved.join("exchange"));
    let daemon = Process::start(&moved, &["run", "--pace", "240x"]);
    daemon.answers();
    assert!(settle(&moved) > 0, "what was traded after the backup is seen before anything is sent");
    let status = ask(&moved, &["status"]);
    assert_eq!((&status["epoch"], &status["life"]), (&view["epoch"], &json!(3)), "{status}");
    daemon.until("it trades", crate::kit::PATIENCE, |lines| fills(lines) >= 6);
    daemon.kill();
    let hand = ManualTrader::new(&moved);
    let account = hand.ask(reqwest::Method::GET, "account", "");
    let theirs =
        decimals(&account["balances"], "asset", |b| decimal(b, "free") + decimal(b, "locked"));
    for symbol in ask(&moved, &["positions"]).as_array().unwrap() {
        let ids = hand.ids(symbol["symbol"].as_str().unwrap());
        let once: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "no order id twice: {ids:?}");
    }
    let (_, out, _) = run(&moved, &["reconcile", "--json"]);
    let before: Value = serde_json::from_str(&out).unwrap();
    let daemon = Process::start(&moved, &["run", "--pace", "240x"]);
    daemon.answers();
    wait_until("it has looked at the account", || ask(&moved, &["status"])["state"] == "trading");
    let view = ask(&moved, &["reconcile"]);
    assert_eq!(view["life"], 4, "{view}");
    let seen = decimals(&view["balances"], "asset", |b| decimal(b, "theirs"));
    assert_eq!(seen, theirs, "the account it looked at is the exchange's");
    let foreign = |view: &Value| decimals(&view["balances"], "asset", |b| decimal(b, "foreign"));
    assert_eq!(
        foreign(&view),
        foreign(&before),
        "and the books explain it: nothing new is foreign"
    );
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(ask(&moved, &["verify"])["problems"], json!([]));
}

/// A data directory of a run that has ended, with sealed segments, and a backup of it.
pub(super) fn ended(folder: &Folder) -> (PathBuf, PathBuf) {
    let recording = made_recording(&folder.join("recording"), 6, 700);
    let dir = folder.join("data");
    let arguments = until_end(&recording);
    let (code, out, err) = run(&dir, &arguments);
    assert_eq!(code, Some(0), "{out}{err}");
    let mut command = Command::new(BINARY);
    command.env("EVERWARM_SEALING", "30000,30000");
    let daemon = Process::of(command, &dir, &[&arguments[..3], &arguments[4..]].concat());
    let sealed = || fs::read_dir(dir.join("live.segments")).map_or(0, Iterator::count);
    wait_until("something is sealed", || sealed() > 2);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    wait_until_free(&dir);
    let file = folder.join("it.backup");
    let made = backed_up(&file, &dir);
    assert!(made["segments"].as_u64().unwrap() > 0, "{made}");
    (dir, file)
}

#[test]
fn what_is_restored_is_what_was_backed_up_and_what_is_torn_or_altered_is_refused() {
    let folder = Folder::new("restore");
    let (dir, file) = ended(&folder);
    let new = folder.join("new");
    let view = restored(&file, &new);
    assert_eq!(reported(&dir), reported(&new));
    assert_eq!(ask(&new, &["verify"])["problems"], json!([]));
    let (all, day) = (ask(&new, &["replay"]), ask(&new, &["replay", "2023-11-14"]));
    assert_eq!((&all["differing"], &day["differing"]), (&json!(0), &json!(0)));
    let inputs = |view: &serde_json::Value| view["inputs"].as_u64().unwrap();
    assert!(inputs(&day) > 0 && inputs(&day) < inputs(&all), "{day} {all}");
    assert_eq!(view["facts"], backed_up(&folder.join("again"), &dir)["row"]);
    let (code, out, err) = run(&new, &["store", "check"]);
    assert_eq!(code, Some(0), "{out}{err}");
    // No secret goes with it.
    assert!(dir.join("api.token").exists() && !new.join("api.token").exists());

    let whole = fs::read(&file).unwrap();
    let refused = |bytes: &[u8], words: &str| {
        let (bad, target) = (folder.join("bad"), folder.join("target"));
        fs::write(&bad, bytes).unwrap();
        let (code, _, err) = about("restore", &bad, &target);
        assert_eq!(code, Some(7), "{err}");
        assert!(err.contains("bad: byte") && err.contains(words), "{words}: {err}");
        assert!(fs::read_dir(&target).map_or(0, Iterator::count) == 0, "nothing was made");
    };
    refused(&whole[..whole.len() / 2], "it ends here, before its end");
    refused(&whole[..whole.len() - 1], "it ends here, before its end");
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 4;
    refused(&altered, "are not what was written");
    refused(b"something else", "it does not begin as a backup does");

    // A restoring that did not come to its end: no daemon starts beside it.
    fs::create_dir(new.join("restoring")).unwrap();
    fs::remove_file(new.join(LIVE_FILE)).unwrap();
    let (code, _, err) = run(&new, &["run"]);
    assert_eq!(code, Some(5), "{err}");
    assert!(err.contains("the restore of a backup into"), "{err}");
    restored(&file, &new);
    assert_eq!(reported(&dir), reported(&new));
}

/// The most memory a process has had, bytes; none where it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}

/// A daemon with much more to pack than may lie in memory: its audit log.
fn large(dir: &Path, bytes: u64) -> Process {
    let daemon = Process::start(dir, &["run", "--symbols", "2", "--pace", "240x"]);
    daemon.answers();
    daemon.prints("may trade");
    let mut log = fs::OpenOptions::new().create(true).append(true).open(dir.join(AUDIT_FILE));
    // What cannot be packed closer.
    let mut state = 1_u64;
    let mut piece = Vec::with_capacity(1 << 20);
    for _ in 0..bytes >> 20 {
        piece.clear();
        while piece.len() < 1 << 20 {
            state = mix(state);
            piece.extend_from_slice(&state.to_le_bytes());
        }
        log.as_mut().unwrap().write_all(&piece).unwrap();
    }
    daemon
}

#[test]
fn a_backup_is_never_in_memory_and_only_for_whoever_has_the_token() {
    const BYTES: u64 = 96 << 20;
    const BOUND: u64 = 32 << 20;
    let folder = Folder::on_disk("backup-large");
    let (dir, file) = (folder.join("data"), folder.join("it.backup"));
    let daemon = large(&dir, BYTES);
    for bearer in [&[][..], &["Authorization: Bearer wrong"]] {
        let response = request(&dir, &[&["GET /api/v1/backup HTTP/1.1"], bearer].concat(), "");
        assert!(response.starts_with("HTTP/1.1 401"), "{}", &response[..response.len().min(200)]);
    }
    let before = peak(daemon.pid()).unwrap();
    let mut child = Command::new(BINARY)
        .arg("backup")
        .args([&file, Path::new("--data-dir"), &dir])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    wait_until("it is made", || {
        most = most.max(peak(child.id()).unwrap_or(0));
        child.try_wait().unwrap().is_some()
    });
    assert!(end_of(&mut child).success());
    assert!(fs::metadata(&file).unwrap().len() > BYTES, "all of it is there");
    assert!(most > 0 && most < BOUND + (32 << 20), "who asks took {most} bytes");
    let after = peak(daemon.pid()).unwrap();
    assert!(after < before + BOUND, "the daemon took {before} bytes before and {after} after");
    daemon.kill();
}

#[test]
fn a_daemon_that_dies_while_it_packs_leaves_no_half_file_and_the_next_packs_again() {
    let folder = Folder::on_disk("backup-died");
    let (dir, file) = (folder.join("data"), folder.join("it.backup"));
    let daemon = large(&dir, 96 << 20);
    let mut half = file.clone().into_os_string();
    half.push(".new");
    let mut child = Command::new(BINARY)
        .arg("backup")
        .args([&file, Path::new("--data-dir"), &dir])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("some of it is packed", || {
        fs::metadata(&half).is_ok_and(|about| about.len() > 4 << 20)
    });
    daemon.kill();
    assert!(!end_of(&mut child).success(), "it was cut off");
    assert!(!file.exists(), "no half file has the name");
    let daemon = Process::start(&dir, &["run", "--symbols", "2", "--pace", "240x"]);
    daemon.answers();
    let made = backed_up(&file, &dir);
    assert_eq!(made["life"], 2, "{made}");
    backup::check(&file).unwrap();
    assert!(!Path::new(&half).exists(), "what was left is gone");
    daemon.kill();
}

#[test]
fn a_backup_that_is_killed_leaves_the_one_before() {
    let folder = Folder::on_disk("backup-killed");
    let (dir, file) = ended(&folder);
    let first = fs::read(&file).unwrap();
    let began = everwarm_runtime::clock::now();
    backed_up(&file, &dir);
    let whole = began.elapsed();
    let mut cut = 0;
    // All over the time that a whole one takes on this machine.
    for part in 0..24 {
        let mut child = Command::new(BINARY)
            .args(["backup", "--force"])
            .args([&file, Path::new("--data-dir"), &dir])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::park_timeout(whole * part / 24);
        child.kill().unwrap();
        cut += usize::from(!child.wait().unwrap().success());
        backup::check(&file).unwrap();
    }
    assert!(cut > 3, "{cut} were cut off");
    fs::remove_file(&file).unwrap();
    let mut new = file.clone().into_os_string();
    new.push(".new");
    fs::write(&new, &first[..first.len() / 2]).unwrap();
    assert!(!file.exists());
    backed_up(&file, &dir);
    assert!(!Path::new(&new).exists(), "what a kill left is gone");
}
