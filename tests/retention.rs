//! Facts that the journal keeps for a time are removed, by a command and each night, under kills:
//! nothing that concerns orders or money is lost, and what follows is still verified.

use crate::bar_archive;
use crate::kit::{
    BINARY, Folder, Process, ask, copy_folder, made_recording, reported, run, until_end,
    wait_until, wait_until_free,
};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::Body;
use everwarm_domain::fact::kinds::{TABLE, kept_for_a_time, kind};
use everwarm_domain::time::{DAY, Timeframe};
use everwarm_history as history;
use everwarm_history::old_bars::file_of;
use everwarm_kernel::fact::{Body as _, Fact, Key};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::{Archive, Op};
use everwarm_views::emergency::FILE as EMERGENCY;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Minutes of the first and of the second recording: two days, and some hours more.
const MINUTES: [i64; 2] = [3_000, 3_200];
/// The same where nothing has to be a day old.
const HOURS: [i64; 2] = [900, 1_100];

fn small(dir: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(BINARY);
    command.env("EVERWARM_SEALING", "20000,20000");
    Process::of(command, dir, arguments)
}

/// The names of the files beside the journal that end like this.
fn beside(dir: &Path, end: &str) -> BTreeSet<String> {
    let names = fs::read_dir(dir.join("live.segments")).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(end)).collect()
}

/// The encoding of each fact, by its key.
fn facts(dir: &Path) -> BTreeMap<Key, (u8, Vec<u8>)> {
    let store = Store::look(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let mut facts = BTreeMap::new();
    let scanned = store.scan(0, &mut |_, fact: Fact<Body>| {
        let mut bytes = Vec::new();
        fact.body.encode(&mut bytes);
        facts.insert(fact.key, (fact.body.kind(), bytes));
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    facts
}

/// What `verify` and `verify-trades` find, which are no problems.
fn sound(dir: &Path) -> Value {
    let found = ask(dir, &["verify"]);
    assert_eq!(found["problems"], serde_json::json!([]));
    assert_eq!(ask(dir, &["verify-trades"])["problems"], serde_json::json!([]));
    found
}

fn first_order(dir: &Path) -> String {
    let orders = ask(dir, &["orders"]);
    orders[0]["client_order_id"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_removed_by_command_under_kills_makes_no_difference_to_what_follows() {
    let folder = Folder::new("retention");
    let recordings = MINUTES
        .map(|minutes| made_recording(&folder.join(&format!("recording-{minutes}")), 3, minutes));
    let [first, second] = recordings.each_ref().map(|recording| until_end(recording));
    let (calm, dir) = (folder.join("calm"), folder.join("data"));
    let (code, out, err) = small(&calm, &first).result();
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&calm);
    copy_folder(&calm, &dir);
    let (before, whole) = (rows(&dir, &ALL), facts(&dir));
    let order = first_order(&dir);
    let story = run(&dir, &["explain", &order]).1;

    // A dry run removes nothing.
    let retain = ["storage", "retain", "--days", "1"];
    let dry = ask(&dir, &[&retain[..], &["--dry-run"]].concat());
    assert!(dry["segments"].as_u64() > Some(3) && dry["dry_run"] == true, "{dry}");
    assert_eq!(facts(&dir).len(), whole.len());

    // It is killed when it has begun, again and again.
    for kills in 0..3 {
        let process = Process::start(&dir, &retain);
        wait_until("it goes on", || beside(&dir, ".thin").len() > kills);
        process.kill();
    }
    let (code, out, err) = run(&dir, &retain);
    assert_eq!(code, Some(0), "{out}{err}");
    let again = run(&dir, &retain);
    assert!(again.1.contains("nothing to remove"), "{again:?}");

    // Only facts that are kept for a time are gone, and those of an order are not among them.
    let for_a_time = kept_for_a_time();
    let left = facts(&dir);
    let gone: Vec<_> = whole.iter().filter(|(key, _)| !left.contains_key(key)).collect();
    assert!(gone.len() > whole.len() / 10, "{} of {}", gone.len(), whole.len());
    assert!(gone.iter().all(|(_, (kind, _))| for_a_time.has(*kind)));
    assert!(left.iter().all(|(key, fact)| whole.get(key) == Some(fact)), "nothing else changed");
    let kinds: BTreeSet<u8> = gone.iter().map(|(_, (kind, _))| *kind).collect();
    let names = TABLE.iter().filter(|row| kinds.contains(&row.kind)).map(|row| row.name);
    assert!(names.clone().any(|name| name == "Market.Close"), "{:?}", names.collect::<Vec<_>>());
    assert_eq!(run(&dir, &["explain", &order]).1, story);
    same_lines(&rows(&dir, &ALL), &before);

    // What follows is verified, and the report names what is not.
    let removed = sound(&dir)["removed"].clone();
    assert_eq!(removed["facts"], gone.len(), "{removed}");
    let (code, out, err) = run(&dir, &["verify"]);
    assert!(code == Some(0) && out.contains("facts were removed"), "{out}{err}");
    let (code, out, err) = run(&dir, &["store", "check"]);
    assert!(code == Some(0) && out.contains("removed"), "{out}{err}");
    assert_eq!(run(&dir, &["replay"]).0, Some(0));

    // A backup has it all, and the restored files go on as if nothing had been removed.
    let (file, copy) = (folder.join("backup"), folder.join("restored"));
    let (code, out, err) = run(&dir, &["backup", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, out, err) = run(&copy, &["restore", file.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(sound(&copy)["removed"], removed);
    for data in [&calm, &dir] {
        let (code, out, err) = small(data, &second).result();
        assert_eq!(code, Some(0), "{out}{err}");
    }
    same_reports(&dir, &calm);
    assert!(rows(&dir, &ALL).len() > before.len(), "it traded on");
    sound(&dir);

    // A stored state that differs by one bit is refused, and named.
    let state = beside(&dir, ".state").pop_first().unwrap();
    let path = dir.join("live.segments").join(state);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let (code, _, err) = run(&dir, &["verify"]);
    assert!(code == Some(4) && err.contains(".state"), "{err}");
    // Nothing but the audit needs it.
    let (code, out, err) = small(&dir, &second).result();
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_fact_that_differs_keeps_everything() {
    let folder = Folder::new("retention-differs");
    let recording = made_recording(&folder.join("recording"), 2, 3_000);
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    let keys = facts(&dir);
    let signals = keys.iter().find(|(_, (kind, _))| *kind == kind::SIGNALS).unwrap().0;
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let mut row = 0;
    let scanned = store.scan(0, &mut |at, fact: Fact<Body>| {
        row = if fact.key == *signals { at } else { row };
        ControlFlow::Continue(())
    });
    scanned.unwrap();
    // The last byte is part of its last number.
    store.alter_fact(row, |body| *body.last_mut().unwrap() ^= 1).unwrap();
    drop(store);
    let (code, out, err) = run(&dir, &["storage", "retain", "--days", "1"]);
    assert!(code == Some(4) && err.contains(&signals.to_string()), "{out}{err}");
    assert_eq!(beside(&dir, ".state").len() + beside(&dir, ".thin").len(), 0);
    let (code, _, err) = run(&dir, &["storage", "retain", "--days", "0"]);
    assert_eq!(code, Some(2), "{err}");
    // No day is old enough.
    let (code, out, err) = run(&dir, &["storage", "retain", "--days", "400"]);
    assert!(code == Some(0) && out.contains("nothing to remove"), "{out}{err}");
}

#[test]
fn each_night_the_daemon_removes_what_is_due() {
    let folder = Folder::new("retention-nightly");
    let dir = folder.join("data");
    let config = folder.join("config.toml");
    let text = "[daemon]\nself_replay = \"00:05\"\n[storage]\nanalysis_days = 1\nwindow = \"\"\n";
    fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let arguments = ["run", "--config", config, "--symbols", "2", "--pace", "5400x"];
    let daemon = small(&dir, &arguments);
    wait_until("the states of a day are stored", || !beside(&dir, ".state").is_empty());
    daemon.kill();
    let history = Archive::open(&dir.join(history::FILE)).unwrap();
    bar_archive::add(&history, Timeframe::M1, 45..46);
    let scans = ["scan_days.1", "scan_near.1"];
    let key = [&DAY.to_be_bytes()[..], b"sma_cross"].concat();
    let put = |table| Op::Put { table, key: key.clone(), value: b"[]".to_vec() };
    history.commit(&scans.map(put), true).unwrap();
    drop(history);
    let old = bar_archive::old_of(&bar_archive::live(&dir));
    assert_eq!(old.len(), 2 * 1_440);
    let daemon = small(&dir, &arguments);
    wait_until("facts are removed", || beside(&dir, ".thin").len() > 2);
    let archive = dir.join("archive");
    wait_until("a file of the archive", || !bar_archive::archived(&archive).is_empty());
    // The bars may have left the history, or not yet.
    daemon.kill();
    let daemon = small(&dir, &arguments);
    daemon.answers();
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let removed = sound(&dir)["removed"].clone();
    assert!(removed["facts"].as_u64() > Some(100), "{removed}");
    let history = Archive::look(&dir.join(history::FILE)).unwrap().unwrap();
    assert!(scans.into_iter().all(|of| history.get(of, &key).unwrap().is_none()), "old scans");
    drop(history);
    assert!(bar_archive::old_of(&bar_archive::archived(&archive)) == old, "each bar is there");
    let (code, out, err) = run(&dir, &["storage", "retain", "--config", config]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(bar_archive::old_of(&bar_archive::archived(&archive)) == old, "each is there once");
    assert_eq!(bar_archive::old_of(&bar_archive::live(&dir)).len(), 0);
}

/// What the public commands report, a row a line. Positions have a value once there is a price.
fn rows(dir: &Path, lists: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for list in lists {
        for mut row in ask(dir, &[list]).as_array().unwrap().clone() {
            row.as_object_mut().unwrap().remove("unrealized_pnl");
            lines.push(format!("{list}: {row}"));
        }
    }
    lines
}

/// Lists that concern money.
const ALL: [&str; 5] = ["orders", "fills", "positions", "lots", "equity"];

/// Fails at the first line that differs.
fn same_lines(some: &[String], others: &[String]) {
    for (one, other) in some.iter().zip(others) {
        assert_eq!(one, other);
    }
    assert_eq!(some.len(), others.len());
}

/// Fails at the first line in which the final reports of two directories differ.
fn same_reports(one: &Path, other: &Path) {
    let lines = |dir| {
        let reported = reported(dir).into_iter();
        let all = reported.flat_map(|(what, text)| {
            text.lines().map(|line| format!("{what}: {line}")).collect::<Vec<_>>()
        });
        all.collect::<Vec<String>>()
    };
    same_lines(&lines(one), &lines(other));
}

#[test]
fn what_is_exported_wiped_and_imported_trades_on_with_the_same_books() {
    let folder = Folder::new("wiped");
    let recordings = MINUTES
        .map(|minutes| made_recording(&folder.join(&format!("recording-{minutes}")), 3, minutes));
    let [first, second] = recordings.each_ref().map(|recording| until_end(recording));
    let (dir, kept) = (folder.join("data"), folder.join("kept"));
    let (code, out, err) = small(&dir, &first).result();
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&dir);
    copy_folder(&dir, &kept);
    let (export, backup) = (folder.join("export"), folder.join("backup"));
    let (export, backup) = (export.to_str().unwrap(), backup.to_str().unwrap());
    let exported = ask(&dir, &["export", export]);
    let backed = ask(&dir, &["backup", backup]);
    let bytes = |made: &Value| made["bytes"].as_u64().unwrap();
    assert!(bytes(&exported) < bytes(&backed), "{exported} {backed}");

    // Something would be forgotten, and another journal's export does not help.
    let (code, _, err) = run(&dir, &["wipe", "--all"]);
    assert!(code == Some(5) && err.contains("would be forgotten"), "{err}");
    let (code, out, err) = small(&dir, &second).result();
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = run(&dir, &["wipe", "--all", "--exported", export]);
    assert!(code == Some(5) && err.contains("not of the end of this journal"), "{err}");
    fs::remove_dir_all(&dir).unwrap();
    copy_folder(&kept, &dir);
    let before = rows(&dir, &ALL);
    let (code, _, err) = run(&dir, &["export", export]);
    assert!(code == Some(5) && err.contains("--force"), "{err}");
    ask(&dir, &["export", export, "--force"]);

    let wiped = ask(&dir, &["wipe", "--all", "--exported", export]);
    assert_eq!(wiped["bytes_after"], 0, "{wiped}");
    assert!(dir.join("exchange").is_dir(), "the venue keeps its books");
    assert!(!dir.join(LIVE_FILE).exists());
    let (code, _, err) = run(&dir, &["import", backup]);
    assert!(code == Some(2) && err.contains("everwarm restore"), "{err}");
    let (code, out, err) = run(&dir, &["import", export]);
    assert_eq!(code, Some(0), "{out}{err}");
    same_lines(&rows(&dir, &ALL), &before);
    sound(&dir);
    let (code, _, err) = run(&dir, &["import", export]);
    assert!(code == Some(5) && err.contains("is not empty"), "{err}");

    let (code, out, err) = small(&dir, &second).result();
    assert_eq!(code, Some(0), "{out}{err}");
    // Ids of orders have a new epoch, and the exchange draws fills by the id. So prices differ.
    assert_eq!(run(&dir, &["reconcile"]).0, Some(0));
    assert!(rows(&dir, &ALL).len() > before.len(), "it traded on");
    sound(&dir);
}

#[test]
fn what_is_regenerable_is_wiped_and_fetched_again() {
    let folder = Folder::new("regenerable");
    let recordings = HOURS
        .map(|minutes| made_recording(&folder.join(&format!("recording-{minutes}")), 3, minutes));
    let [first, second] = recordings.each_ref().map(|recording| until_end(recording));
    let (calm, dir) = (folder.join("calm"), folder.join("data"));
    let (code, out, err) = small(&calm, &first).result();
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&calm);
    copy_folder(&calm, &dir);
    let before = rows(&dir, &ALL);
    let wiped = ask(&dir, &["wipe", "--regenerable"]);
    assert!(wiped["bytes_after"].as_u64() < wiped["bytes_before"].as_u64(), "{wiped}");
    let symbol = ask(&dir, &["orders"])[0]["symbol"].as_str().unwrap().to_owned();
    let bars = || ask(&dir, &["bars", &symbol]).as_array().map_or(0, Vec::len);
    // The newest close may not have been projected before.
    assert!(bars() < 10, "{} bars", bars());
    same_lines(&rows(&dir, &ALL), &before);
    sound(&dir);
    for data in [&calm, &dir] {
        let (code, out, err) = small(data, &second).result();
        assert_eq!(code, Some(0), "{out}{err}");
    }
    same_reports(&dir, &calm);
    sound(&dir);
}

#[test]
fn the_running_daemon_removes_what_is_due_on_request_and_exports_its_books() {
    let folder = Folder::on_disk("retained-beside");
    let recording = made_recording(&folder.join("recording"), 3, MINUTES[0]);
    let (calm, dir, copy) = (folder.join("calm"), folder.join("data"), folder.join("copy"));
    let (code, out, err) = small(&calm, &until_end(&recording)).result();
    assert_eq!(code, Some(0), "{out}{err}");
    // The history may lag behind the status.
    let done = |dir: &Path| {
        let orders = ask(dir, &["orders"]).as_array().unwrap().clone();
        let orders: Vec<Value> = orders.iter().map(|order| order["status"].clone()).collect();
        (ask(dir, &["status"])["closes"].clone(), orders, ask(dir, &["fills"])[0]["time"].clone())
    };
    let all = done(&calm);

    // It stays when the recording has ended.
    wait_until_free(&calm);
    copy_folder(&calm, &dir);
    let stays = ["run", "--pace", "lockstep", "--recording", &recording];
    let daemon = small(&dir, &stays);
    daemon.answers();
    wait_until("the recording has ended", || done(&dir) == all);
    let (expected, backup, kept) = (rows(&dir, &ALL), folder.join("b"), folder.join("kept"));
    ask(&dir, &["backup", backup.to_str().unwrap()]);
    ask(&kept, &["restore", backup.to_str().unwrap()]);
    let whole = facts(&kept);
    let retain = ["storage", "retain", "--days", "1"];
    let dry = ask(&dir, &[&retain[..], &["--dry-run"]].concat());
    assert!(dry["segments"].as_u64() > Some(3) && dry["dry_run"] == true, "{dry}");
    assert_eq!(beside(&dir, ".thin").len(), 0, "a dry run removes nothing");
    let export = folder.join("export");
    let export = export.to_str().unwrap();
    ask(&dir, &["export", export]);

    // The daemon is killed in the middle. The same command does the rest.
    let request = Process::start(&dir, &retain);
    wait_until("it removes facts", || !beside(&dir, ".thin").is_empty());
    daemon.kill();
    assert_ne!(request.result().0, Some(0));
    let daemon = small(&dir, &stays);
    daemon.answers();
    let (code, out, err) = run(&dir, &retain);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(run(&dir, &retain).1.contains("nothing to remove"));
    same_lines(&rows(&dir, &ALL), &expected);
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));

    // Only facts that are kept for a time are gone.
    let (for_a_time, left) = (kept_for_a_time(), facts(&dir));
    let gone: Vec<_> = whole.iter().filter(|(key, _)| !left.contains_key(key)).collect();
    assert!(gone.len() > whole.len() / 10, "{} of {}", gone.len(), whole.len());
    assert!(gone.iter().all(|(_, (kind, _))| for_a_time.has(*kind)));
    assert!(sound(&dir)["removed"]["facts"].as_u64() >= Some(gone.len() as u64));

    let (code, out, err) = run(&copy, &["import", export]);
    assert_eq!(code, Some(0), "{out}{err}");
    same_lines(&rows(&copy, &ALL), &expected);
    sound(&copy);
}

/// The state of the emergency of storage.
fn emergency(dir: &Path) -> Value {
    ask(dir, &["storage", "emergency"])
}

/// Writes a configuration whose window hardly comes, with a limit of the size.
fn limited(path: &Path, self_replay: &str, limit_mb: u64) {
    let text = format!(
        "[daemon]\nself_replay = \"{self_replay}\"\n[storage]\nanalysis_days = 1\n\
         min_free_mb = 0\nwindow = \"23:59-00:00\"\nlimit_mb = {limit_mb}\n"
    );
    fs::write(path, text).unwrap();
}

/// Adds bars that no profile keeps, and two files of the archive that stay for ever. Returns the
/// files, and a limit that the removal of one file satisfies, MB.
fn fill(dir: &Path) -> ([PathBuf; 2], u64) {
    let history = Archive::open(&dir.join(history::FILE)).unwrap();
    bar_archive::add(&history, Timeframe::M1, 45..46);
    drop(history);
    let archive = dir.join("archive");
    let files = ["2020-01", "2020-02"].map(|month| file_of(&archive, Timeframe::D1, month));
    for file in &files {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, vec![0; 60_000_000]).unwrap();
    }
    let parts = ask(dir, &["storage"]);
    let all = parts.as_array().unwrap().iter().find(|row| row["part"] == "all").unwrap();
    (files, all["bytes"].as_u64().unwrap() / 1_000_000 - 5)
}

#[test]
fn an_emergency_frees_space_in_steps_under_kills_until_an_operator_lifts_it() {
    let folder = Folder::new("emergency");
    let (dir, path) = (folder.join("data"), folder.join("config.toml"));
    limited(&path, "00:05", 0);
    let config = path.to_str().unwrap();
    let arguments = ["run", "--config", config, "--symbols", "2", "--pace", "5400x"];
    let daemon = small(&dir, &arguments);
    wait_until("the states of a day are stored", || !beside(&dir, ".state").is_empty());
    // An export while it trades is of one head of the journal.
    let (export, copy) = (folder.join("export"), folder.join("copy"));
    ask(&dir, &["export", export.to_str().unwrap()]);
    let (code, out, err) = run(&copy, &["import", export.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out}{err}");
    sound(&copy);
    assert_eq!(emergency(&dir)["state"], "none");
    daemon.kill();
    let (files, limit) = fill(&dir);
    let before = rows(&dir, &["fills"]);

    // It is killed when the emergency has begun.
    limited(&path, "00:05", limit);
    let daemon = small(&dir, &arguments);
    wait_until("the emergency has begun", || dir.join(EMERGENCY).exists());
    daemon.kill();
    assert_ne!(emergency(&dir)["state"], "none");
    let daemon = small(&dir, &arguments);
    daemon.answers();
    wait_until("there is enough space", || emergency(&dir)["state"] == "compact");
    assert!(!files[0].exists(), "the oldest file is removed");
    assert!(files[1].exists(), "one was enough");
    assert!(!beside(&dir, ".thin").is_empty(), "facts of the journal are removed");
    let told = [run(&dir, &["status"]), run(&dir, &["storage"]), run(&dir, &["doctor"])];
    for (_, out, err) in &told {
        assert!(out.contains("emergency of storage since"), "{out}{err}");
    }

    // An operator lifts it.
    let (code, out, err) = run(&dir, &["storage", "lift"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let (code, _, err) = run(&dir, &["storage", "lift"]);
    assert!(code == Some(5) && err.contains("there is no emergency"), "{err}");
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    assert_eq!(bar_archive::old_of(&bar_archive::live(&dir)).len(), 0);
    let after: BTreeSet<String> = rows(&dir, &["fills"]).into_iter().collect();
    assert!(before.iter().all(|fill| after.contains(fill)), "a fill is gone");
    sound(&dir);

    // A process that was killed in a step continues with that step, and not with the first one.
    let (files, limit) = fill(&dir);
    limited(&path, "off", limit);
    let state = r#"{"state":"freeing","since":1,"reason":"x","step":"archive","steps":[]}"#;
    fs::write(dir.join(EMERGENCY), state).unwrap();
    let (code, _, err) = run(&dir, &["storage", "lift"]);
    assert!(code == Some(5) && err.contains("too little space"), "{err}");
    let daemon = small(&dir, &arguments);
    daemon.answers();
    wait_until("there is enough space", || emergency(&dir)["state"] == "compact");
    daemon.kill();
    assert!(!files[0].exists() && files[1].exists());
    let view = emergency(&dir);
    let steps = view["steps"].as_array().unwrap();
    assert!(steps.len() == 1 && steps[0]["name"] == "archive", "{view}");
    assert_eq!(bar_archive::old_of(&bar_archive::live(&dir)).len(), 2 * 1_440);
}
