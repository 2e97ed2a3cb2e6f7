//! Files that fail under the built binary: it ends by the documented code, prints why, and the
//! next start finds everything that was reported.

use super::kit::{
    BINARY, Folder, PATIENCE, Process, ask, exchange, kill_exchange, made_recording, reported, run,
    small_recording, until_end, wait_until,
};
use everwarm::daemon_run::LIVE_FILE;
use everwarm_history as history;
use everwarm_runtime::chaos::{FaultKind, Phase, PlannedFault, Site};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Unit of `ulimit -f` in a POSIX shell, bytes.
const BLOCK: u64 = 512;
/// Room left to the fullest disk, and how much more the next one has, bytes.
const STEP: u64 = 512 << 10;

type Reported = Vec<(&'static str, String)>;

/// What the same recording comes to without misfortune.
fn calm(folder: &Folder, recording: &str) -> Reported {
    let dir = folder.join("calm");
    let (code, out, err) = run(&dir, &until_end(recording));
    assert_eq!(code, Some(0), "{out}{err}");
    reported(&dir)
}

fn is_like(expected: &Reported, dir: &Path) {
    for ((what, calm), (_, hit)) in expected.iter().zip(reported(dir)) {
        let differs = calm.lines().zip(hit.lines()).find(|(a, b)| a != b);
        assert!(*calm == hit, "{what} differ: {differs:?}");
    }
    assert_eq!(ask(dir, &["verify"])["problems"], serde_json::json!([]));
}

#[test]
fn a_panic_of_the_store_ends_the_process_and_the_next_goes_on() {
    let folder = Folder::new("store-panic");
    let recording = small_recording(&folder.join("recording"));
    let expected = calm(&folder, &recording);
    let dir = folder.join("data");
    let sites = [Site::BeforeCommit, Site::BeforeSync, Site::AfterCommit, Site::BeforePublish];
    for site in sites {
        let (who, phase) = ("store-thread".to_owned(), Phase::Live);
        let panic = PlannedFault { site, who, phase, nth: 2, kind: FaultKind::Panic };
        let (code, out, err) =
            Process::with_faults(&dir, &until_end(&recording), &[panic]).result();
        assert_eq!(code, Some(10), "{site}: {out}{err}");
        assert!(err.contains(LIVE_FILE) && err.contains("the store thread panicked"), "{err}");
    }
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    is_like(&expected, &dir);
}

/// Runs where no file can grow beyond `bytes`; a write that would is refused, as on a full disk.
fn run_in(bytes: u64, dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut shell = Command::new("sh");
    let limit = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / BLOCK);
    shell.args(["-c", &limit, BINARY]);
    Process::of(shell, dir, arguments).result()
}

#[test]
fn a_full_disk_ends_the_process_and_nothing_that_was_told_is_lost() {
    let folder = Folder::new("full");
    let recording = made_recording(&folder.join("recording"), 6, 700);
    let expected = calm(&folder, &recording);
    let dir = folder.join("data");
    // The exchange has a disk of its own.
    let sim = ["sim", "--pace", "lockstep", "--recording", &recording];
    let venue = Process::start(&dir.join("exchange"), &sim);
    wait_until("the exchange runs", || exchange(&dir).is_some());
    let (mut room, mut full, mut known) = (STEP, Vec::new(), Reported::new());
    loop {
        let (code, out, err) = run_in(room, &dir, &until_end(&recording));
        if code == Some(0) {
            break;
        }
        assert_eq!(code, Some(11), "{room} bytes: {out}{err}");
        let files = [LIVE_FILE, history::FILE];
        let named = files.iter().position(|file| err.contains(file));
        assert!(named.is_some() && err.contains("no space left"), "{err}");
        full.extend(named);
        if dir.join(LIVE_FILE).exists() {
            // It opens, is sound, and has all it was ever seen to have.
            assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
            let now = reported(&dir);
            let kept = known.is_empty() || known[1].1.lines().all(|fill| now[1].1.contains(fill));
            assert!(kept, "fills are gone:\n{}\n{}", known[1].1, now[1].1);
            known = now;
        }
        room += STEP;
        assert!(room < 64 << 20, "no disk is large enough");
    }
    // The journal found no room after orders were filled.
    assert!(full.contains(&0) && known[1].1.lines().count() > 20, "{full:?} {known:?}");
    is_like(&expected, &dir);
    drop(venue);
    kill_exchange(&dir);
}

#[test]
fn a_past_that_was_taken_away_is_fetched_again_and_is_what_it_was() {
    let folder = Folder::new("past");
    let dir = folder.join("data");
    let live = |lines: usize| {
        let daemon = Process::start(&dir, &["run", "--pace", "lockstep", "--symbols", "2"]);
        let fills =
            |printed: &[String]| printed.iter().filter(|line| line.contains(" fill ")).count();
        daemon.until("it trades", PATIENCE, |printed| fills(printed) >= lines);
        daemon.signal("-INT");
        let (code, out, err) = daemon.result();
        assert_eq!(code, Some(0), "{out}{err}");
        err
    };
    live(4);
    fs::remove_file(dir.join(history::FILE)).unwrap();
    // Without its past, nothing that stands on it can be shown to follow.
    let (code, _, err) = run(&dir, &["verify"]);
    assert_eq!(code, Some(4), "{err}");
    assert!(err.contains("history of") && err.contains("a start fetches them again"), "{err}");
    let errors = live(4);
    let expected = "the history of 2 symbols was missing; 2000 bars were fetched again";
    assert!(errors.contains(expected), "{errors}");
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
    let errors = live(1);
    assert!(!errors.contains("fetched again"), "{errors}");
}
