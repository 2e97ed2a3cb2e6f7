//! What must be refused is: with the right exit code, in words that name what and where, and
//! without touching it.

use crate::kit::{
    Folder, PATIENCE, Process, ask, complaints, exchange, run, runs, small_recording, until_end,
    wait_until_free,
};
use everwarm::daemon_run::{APPLICATION, LIVE_FILE};
use everwarm_runtime::store::Store;
use everwarm_runtime::store::archive::Archive;
use everwarm_runtime::store::file::SCHEMA;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const HISTORY_FILE: &str = everwarm_history::FILE;

/// Every file below a folder with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut places = vec![dir.to_owned()];
    while let Some(place) = places.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                places.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Runs `arguments` on `dir`: they are refused with this code and these words, and no file there is
/// another than before, and no exchange is left.
fn assert_refused(dir: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let before = files(dir);
    let (ended, out, err) = run(dir, arguments);
    assert_eq!(ended, Some(code), "{arguments:?}: {out}{err}");
    for word in words {
        assert!(err.contains(word), "{word:?} is not printed: {err}");
    }
    assert!(!err.contains("panicked"), "{err}");
    let after = files(dir);
    let differ: Vec<&PathBuf> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    assert!(differ.is_empty(), "touched: {differ:?}");
    assert!(exchange(dir).is_none_or(|pid| !runs(pid)), "an exchange is left");
}

/// A data directory of a run that has ended, and the command that made it.
fn ended(folder: &Folder) -> (PathBuf, String) {
    let recording = small_recording(&folder.join("recording"));
    let dir = folder.join("data");
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(0), "{out}{err}");
    wait_until_free(&dir);
    (dir, recording)
}

/// Zeros where half of what is in use was: the middle of the pages that hold anything.
pub fn zeros_in_the_middle(bytes: &[u8]) -> Vec<u8> {
    let mut torn = bytes.to_vec();
    let mut used: Vec<&mut [u8]> = torn.chunks_mut(4096).skip(1).collect();
    used.retain(|page| page.iter().any(|byte| *byte != 0));
    let (from, to) = (used.len() / 4, used.len() * 3 / 4);
    used[from..to].iter_mut().for_each(|page| page.fill(0));
    torn
}

#[test]
fn a_store_that_is_foreign_newer_or_torn_is_refused_and_not_touched() {
    let folder = Folder::new("store");
    let (dir, recording) = ended(&folder);
    let command = until_end(&recording);
    let live = dir.join(LIVE_FILE);
    let whole = fs::read(&live).unwrap();
    let other = folder.join("other.redb");
    drop(Archive::open(&other).unwrap());
    let newer = folder.join("newer.redb");
    fs::write(&newer, &whole).unwrap();
    let store = Store::open(&newer, APPLICATION).unwrap();
    store.alter_schema(SCHEMA + 1).unwrap();
    drop(store);
    for (what, bytes, code, words) in [
        ("newer", fs::read(&newer).unwrap(), 7, "use the newer program"),
        ("foreign", fs::read(&other).unwrap(), 7, "is no store of everwarm"),
        ("text", b"time,open\n1,2\n".to_vec(), 7, "is no store of everwarm"),
        ("empty", Vec::new(), 7, "is no store of everwarm"),
        ("cut in half", whole[..whole.len() / 2].to_vec(), 7, "damaged"),
        ("zeros", zeros_in_the_middle(&whole), 7, "damaged"),
    ] {
        println!("{what}");
        fs::write(&live, bytes).unwrap();
        assert_refused(&dir, &command, code, &[LIVE_FILE, words]);
        assert_refused(&dir, &["orders", "--json"], code, &[LIVE_FILE, words]);
    }
    fs::write(&live, &whole).unwrap();
    let (code, out, err) = run(&dir, &command);
    assert_eq!(code, Some(0), "{out}{err}");
}

#[test]
fn a_damaged_history_is_refused_and_made_again_where_it_is_taken_away() {
    let folder = Folder::new("history");
    let (dir, recording) = ended(&folder);
    let command = until_end(&recording);
    let before = ["orders", "fills", "positions", "equity"].map(|what| ask(&dir, &[what]));
    let history = dir.join(HISTORY_FILE);
    let whole = fs::read(&history).unwrap();
    for bytes in [whole[..whole.len() / 2].to_vec(), zeros_in_the_middle(&whole)] {
        fs::write(&history, bytes).unwrap();
        let words = [HISTORY_FILE, "damaged", "move the file away"];
        assert_refused(&dir, &command, 7, &words);
        assert_refused(&dir, &["equity"], 7, &words);
        let (_, out, _) = run(&dir, &["doctor"]);
        assert!(out.contains("move this file away, then start the daemon"), "{out}");
    }
    fs::write(&history, b"something else").unwrap();
    assert_refused(&dir, &command, 7, &[HISTORY_FILE, "not an archive of this program"]);

    fs::remove_file(&history).unwrap();
    let (code, out, err) = run(&dir, &command);
    assert_eq!(code, Some(0), "{out}{err}");
    let after = ["orders", "fills", "positions", "equity"].map(|what| ask(&dir, &[what]));
    assert_eq!(before, after);
    fs::remove_file(&history).unwrap();
    let looked = ["orders", "fills", "positions", "equity"].map(|what| ask(&dir, &[what]));
    assert_eq!(before, looked);
}

#[test]
fn the_books_of_a_damaged_exchange_are_told_and_not_touched() {
    let folder = Folder::new("books");
    let (dir, recording) = ended(&folder);
    let books = dir.join("exchange").join("books.redb");
    let whole = fs::read(&books).unwrap();
    fs::write(&books, zeros_in_the_middle(&whole)).unwrap();
    let torn = fs::read(&books).unwrap();
    let (code, out, err) = run(&dir, &until_end(&recording));
    assert_eq!(code, Some(7), "{out}{err}");
    assert!(err.contains("books.redb is damaged"), "{err}");
    assert!(fs::read(&books).unwrap() == torn, "touched");
}

#[test]
fn a_second_daemon_on_a_directory_is_refused() {
    let folder = Folder::new("second");
    let dir = folder.join("data");
    let mut first = Process::start(&dir, &["run", "--symbols", "3"]);
    first.answers();
    let count = |lines: &[String]| lines.iter().filter(|line| line.contains(" close ")).count();
    let seen = count(&first.lines());
    let (code, out, err) = run(&dir, &["run", "--symbols", "3"]);
    assert_eq!(code, Some(6), "{out}{err}");
    assert!(err.contains(dir.to_str().unwrap()) && err.contains("another process"), "{err}");
    first.until("closes go on", PATIENCE, |lines| count(lines) > seen + 2);
    assert!(first.alive());
    assert_eq!(ask(&dir, &["status"])["pid"], first.pid());
    first.signal("-INT");
    let (status, _, err) = first.end();
    assert_eq!((status.code(), complaints(&err)), (Some(0), vec![]));
}

#[test]
fn an_address_that_is_taken_is_told_before_anything_is_started() {
    let folder = Folder::new("address");
    let dir = folder.join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, out, err) = run(&dir, &["run", "--listen", &address]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains(&format!("the API cannot listen on {address}: ")), "{err}");
    assert!(exchange(&dir).is_none(), "an exchange is left");
}

#[test]
fn a_directory_of_another_market_is_refused() {
    let folder = Folder::new("market");
    let (dir, recording) = ended(&folder);
    let words = [dir.to_str().unwrap(), "AAAUSD", "--data-dir"];
    assert_refused(&dir, &[], 5, &words);
    assert_refused(&dir, &["run", "--seed", "2"], 5, &words);
    let other = folder.join("shorter");
    fs::create_dir_all(&other).unwrap();
    for file in ["AAAUSD_1m.csv", "BBBUSD_1m.csv"] {
        fs::copy(Path::new(&recording).join(file), other.join(file)).unwrap();
    }
    assert_refused(&dir, &until_end(other.to_str().unwrap()), 5, &words);
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let folder = Folder::new("place");
    let file = folder.join("file");
    fs::write(&file, "in the way").unwrap();
    for dir in [file.join("data"), file.clone()] {
        let (code, out, err) = run(&dir, &[]);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.contains("data directory") && err.contains(dir.to_str().unwrap()), "{err}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

#[test]
fn a_wrong_recording_is_refused_by_file_line_and_reason() {
    let folder = Folder::new("wrong");
    let head = "open_time,open,high,low,close,volume\n";
    let row = |minute: i64, rest: &str| format!("{},{rest}\n", 1_700_000_040_000 + 60_000 * minute);
    let good = "10,12,9,11,5";
    let (first, second) = (row(0, good), row(1, good));
    let cases = [
        ("open_time,open,high,close,volume\n1,2,3,4,5\n".to_owned(), 1, "column low is missing"),
        (format!("{head}{first}{}", row(1, "10,x,9,11,5")), 3, "high \"x\""),
        (format!("{head}{first}{}", row(1, "10,8,9,8,5")), 3, "high"),
        (format!("{head}{first}{second}{}", row(1, "10,12,9,10,5")), 4, "different"),
        (format!("{head}{second}{first}"), 3, "must ascend"),
        (format!("{head}{first}1700000130000,{good}\n"), 3, "minute"),
    ];
    for (i, (text, line, reason)) in cases.iter().enumerate() {
        let recording = folder.join(&format!("recording{i}"));
        fs::create_dir_all(&recording).unwrap();
        let file = recording.join("AAAUSD_1m.csv");
        fs::write(&file, text).unwrap();
        let dir = folder.join(&format!("data{i}"));
        let (code, out, err) = run(&dir, &until_end(recording.to_str().unwrap()));
        assert_eq!(code, Some(2), "{reason}: {out}{err}");
        let place = format!("{}:{line}: ", file.display());
        assert!(err.contains(&place) && err.contains(reason), "{place} {reason}: {err}");
        assert!(!dir.exists(), "files were made");
    }
    let dir = folder.join("absent");
    let (code, _, err) = run(&dir, &until_end(folder.join("nowhere").to_str().unwrap()));
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("nowhere") && !dir.exists(), "{err}");
}
