//! The files of a data directory: one daemon at a time, a journal that is gone, a disk without
//! room, and a folder that cannot be written to.

use super::kit::{
    BINARY, Folder, PATIENCE, Process, ask, exchange, kill_exchange, run, runs, wait_until,
};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_domain::fact::{Body, Operator};
use everwarm_domain::id::VenueId;
use everwarm_domain::money::Decimal;
use everwarm_history as history;
use everwarm_history::projection::projected_through;
use everwarm_runtime::journal::{Journal, Options};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const TRADES: [&str; 5] = ["run", "--pace", "lockstep", "--symbols", "2"];

/// Runs until orders were filled and the history has some of them, and stops in order: the history
/// is on disk then. A second daemon is killed.
fn traded(dir: &Path) {
    let daemon = Process::start(dir, &TRADES);
    daemon.prints(" fill ");
    wait_until("fills are in the history", || {
        let (code, out, _) = run(dir, &["fills", "--json"]);
        code == Some(0) && out.contains("quantity")
    });
    daemon.signal("-INT");
    assert_eq!(daemon.end().0.code(), Some(0));
    let archive = Archive::open(&dir.join(history::FILE)).unwrap();
    assert!(projected_through(&archive).unwrap() > 0, "it follows the journal");
    drop(archive);
    let daemon = Process::start(dir, &TRADES);
    daemon.prints("may trade");
    daemon.kill();
}

fn take_away(dir: &Path, names: &[&str]) {
    for name in names {
        let path = dir.join(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn of_daemons_that_start_in_one_moment_one_lives_and_the_others_find_it_held() {
    let folder = Folder::new("at-once");
    for round in 0..4 {
        let dir = folder.join(&format!("data-{round}"));
        let mut daemons: Vec<Process> = (0..4).map(|_| Process::start(&dir, &TRADES)).collect();
        let begun = |daemon: &Process| daemon.lines().iter().any(|l| l.contains("may trade"));
        wait_until("one trades and three have ended", || {
            let alive: usize = daemons.iter_mut().map(|daemon| usize::from(daemon.alive())).sum();
            alive <= 1 && (alive == 0 || daemons.iter().any(begun))
        });
        let at = daemons.iter_mut().position(Process::alive).expect("one lives");
        let winner = daemons.remove(at);
        for loser in daemons {
            let (code, out, err) = loser.result();
            assert_eq!(code, Some(6), "{out}{err}");
            assert!(err.contains("is used by another process"), "{err}");
        }
        winner.prints("may trade");
        winner.kill();
        kill_exchange(&dir);
    }
}

/// Notes a confirmation in a new journal.
fn confirm(dir: &Path) {
    let store = Store::open(&dir.join(LIVE_FILE), APPLICATION).unwrap();
    let journal = Journal::open(store, Vec::new(), Options::new(|why| panic!("{why}"))).unwrap();
    let (per_order, per_day) = (Decimal::ONE, Decimal::ONE);
    let word = Operator::LiveConfirmed {
        account: "1".to_owned(),
        per_order,
        per_day,
        venue: VenueId::default(),
    };
    let writer = journal.writer("test");
    journal.append(&writer, i64::MIN, vec![Body::Operator(word)]).unwrap();
    journal.close();
}

#[test]
fn a_journal_that_is_gone_is_noticed_and_a_new_one_has_other_order_ids() {
    let folder = Folder::new("gone");
    let dir = folder.join("data");
    traded(&dir);
    let before = ask(&dir, &["status"])["installation"].as_str().unwrap().to_owned();
    let had = ask(&dir, &["orders"]).as_array().unwrap().len();
    take_away(&dir, &[LIVE_FILE]);
    let (code, out, err) = run(&dir, &TRADES);
    assert_eq!(code, Some(7), "{out}{err}");
    let words = ["live.redb is missing", "everwarm restore", "--new-installation"];
    assert!(words.iter().all(|word| err.contains(word)), "{err}");
    assert!(!dir.join(LIVE_FILE).exists() && dir.join(history::FILE).exists());
    // It stays so: the refusal leaves nothing that looks like a journal.
    assert_eq!(run(&dir, &TRADES).0, Some(7));

    // The history is gone with it: the exchange knows our orders.
    take_away(&dir, &[history::FILE, "live.segments"]);
    for _ in 0..2 {
        let (code, out, err) = run(&dir, &TRADES);
        assert_eq!(code, Some(7), "{out}{err}");
        assert!(err.contains("the venue has its order ew-"), "{err}");
    }
    // A word of an operator makes a journal, but none that sent these orders.
    confirm(&dir);
    let (code, out, err) = run(&dir, &TRADES);
    assert_eq!(code, Some(7), "{out}{err}");
    assert!(err.contains("the venue has its order ew-"), "{err}");
    take_away(&dir, &[LIVE_FILE, history::FILE]);
    // A person may go on in spite of it.
    let anew = [&TRADES[..], &["--new-installation"]].concat();
    let daemon = Process::start(&dir, &anew);
    daemon.prints("run 1 of installation i-");
    daemon.answers();
    let now = ask(&dir, &["status"])["installation"].as_str().unwrap().to_owned();
    assert!(now != before && now.starts_with("i-"), "{before} {now}");
    daemon.kill();
    // Its name stays, and the flag is for one start.
    let (code, _, err) = run(&dir, &anew);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("so --new-installation is not possible"), "{err}");
    assert!(had > 0);
    kill_exchange(&dir);
}

#[test]
fn what_is_left_of_a_journal_that_is_gone_is_kept_for_a_new_installation() {
    let folder = Folder::new("kept");
    let dir = folder.join("data");
    traded(&dir);
    kill_exchange(&dir);
    wait_until("the exchange ends", || exchange(&dir).is_none_or(|pid| !runs(pid)));
    take_away(&dir, &[LIVE_FILE, "exchange"]);
    let history = fs::read(dir.join(history::FILE)).unwrap();
    let daemon = Process::start(&dir, &[&TRADES[..], &["--new-installation"]].concat());
    daemon.prints("may trade");
    daemon.kill();
    let kept = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<PathBuf> =
        kept.filter(|path| path.to_string_lossy().contains("history.redb.before-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(fs::read(&kept[0]).unwrap() == history, "to the byte");
    kill_exchange(&dir);
}

#[test]
fn files_that_no_journal_leaves_refuse_no_start() {
    let folder = Folder::new("mere");
    let dir = folder.join("data");
    // An exchange nobody has traded at, a token, and a history with nothing in it.
    let sim = ["sim", "--pace", "lockstep", "--symbols", "2"];
    let venue = Process::start(&dir.join("exchange"), &sim);
    wait_until("the exchange runs", || exchange(&dir).is_some());
    fs::write(dir.join("api.token"), "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(dir.join("api.token"), Permissions::from_mode(0o600)).unwrap();
    drop(Archive::open(&dir.join(history::FILE)).unwrap());
    let daemon = Process::start(&dir, &TRADES);
    daemon.prints("may trade");
    daemon.kill();
    drop(venue);
    kill_exchange(&dir);
}

#[test]
fn a_journal_deleted_under_the_daemon_is_told_at_once_and_by_the_next_start() {
    let folder = Folder::new("deleted");
    let dir = folder.join("data");
    traded(&dir);
    let daemon = Process::start(&dir, &TRADES);
    daemon.prints("may trade");
    daemon.answers();
    let doctor = || run(&dir, &["doctor", "--json"]).1;
    assert!(!doctor().contains("was deleted or replaced"));
    fs::remove_file(dir.join(LIVE_FILE)).unwrap();
    assert!(doctor().contains("was deleted or replaced"), "{}", doctor());
    let noticed = daemon.complains("was deleted or replaced", PATIENCE);
    assert!(noticed, "the log reports it by itself");
    // What the doctor proposes works.
    let backup = folder.join("rescue.backup");
    let rescue = ["backup", backup.to_str().unwrap()];
    let (code, out, err) = run(&dir, &rescue);
    assert_eq!(code, Some(0), "{out}{err}");
    daemon.kill();
    let (code, out, err) = run(&dir, &TRADES);
    assert_eq!(code, Some(7), "{out}{err}");
    kill_exchange(&dir);
}

#[test]
fn a_start_on_a_full_disk_ends_with_11() {
    let folder = Folder::new("no-room");
    for (round, kilobytes) in [0_u32, 1, 16, 100, 400, 700, 1_000].into_iter().enumerate() {
        let dir = folder.join(&format!("data-{round}"));
        let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kilobytes * 2);
        let mut shell = Command::new("sh");
        shell.args(["-c", &limit, BINARY]);
        let (code, out, err) = Process::of(shell, &dir, &TRADES).result();
        assert_eq!(code, Some(11), "{kilobytes} kB: {out}{err}");
        kill_exchange(&dir);
    }
}

/// Each file below a folder with its size, contents and time of change.
fn listed(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let about = fs::metadata(&folder).unwrap();
        found.insert(folder.clone(), (Vec::new(), about.mtime(), about.mtime_nsec()));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let about = fs::metadata(&path).unwrap();
                let text = fs::read(&path).unwrap();
                found.insert(path, (text, about.mtime(), about.mtime_nsec()));
            }
        }
    }
    found
}

fn allow(dir: &Path, folder: u32, file: u32) {
    for path in listed(dir).into_keys() {
        let mode = if path.is_dir() { folder } else { file };
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
}

#[test]
fn reading_commands_need_no_folder_that_can_be_written_to() {
    let folder = Folder::new("read-only");
    let dir = folder.join("data");
    traded(&dir);
    kill_exchange(&dir);
    wait_until("the exchange ends", || exchange(&dir).is_none_or(|pid| !runs(pid)));
    // Nobody may write there, and for whoever may do everything the command is another's.
    let nobody = fs::metadata(&dir).unwrap().uid() == 0;
    let binary = folder.join("everwarm");
    fs::copy(BINARY, &binary).unwrap();
    fs::set_permissions(&folder.0, Permissions::from_mode(0o755)).unwrap();
    allow(&dir, 0o555, 0o444);
    let before = listed(&dir);
    let commands: [&[&str]; 7] = [
        &["status"],
        &["orders"],
        &["fills"],
        &["positions"],
        &["signals"],
        &["summary"],
        &["verify"],
    ];
    let mut failed = Vec::new();
    for arguments in commands {
        let mut command = Command::new(&binary);
        command.env_clear().current_dir("/").env("HOME", "/");
        if nobody {
            command.uid(65_534).gid(65_534);
        }
        let (code, out, err) = Process::of(command, &dir, arguments).result();
        if code != Some(0) {
            failed.push(format!("{arguments:?}: {code:?} {out}{err}"));
        }
    }
    let after = listed(&dir);
    allow(&dir, 0o755, 0o644);
    assert!(failed.is_empty(), "{failed:?}");
    assert!(before == after, "nothing was changed or made");
    // Two may look at once.
    let looks: Vec<Process> = (0..3).map(|_| Process::start(&dir, &["verify"])).collect();
    for look in looks {
        let (code, out, err) = look.result();
        assert_eq!(code, Some(0), "{out}{err}");
    }
}
