//! The exchange is gone and does not come back: the daemon reports it, asks again, and goes on when
//! it can.

use crate::kit::{Folder, Process, ask, exchange, kill_exchange, wait_until};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// What `status` reports of the venue; none where nothing is wrong with it.
fn trouble(dir: &Path) -> Option<String> {
    let problems = ask(dir, &["status"])["problems"].clone();
    let texts = problems.as_array().unwrap().iter().filter_map(Value::as_str);
    texts.map(str::to_owned).find(|problem| problem.starts_with("venue: "))
}

#[test]
fn an_exchange_that_is_absent_is_told_and_tried_again() {
    let folder = Folder::new("absent");
    let dir = folder.join("data");
    let mut daemon = Process::start(&dir, &["run", "--pace", "60x"]);
    daemon.prints("may trade");
    daemon.answers();
    assert_eq!(trouble(&dir), None);
    // Its books are held, so no successor can run.
    let books = File::open(dir.join("exchange").join("books.redb")).unwrap();
    wait_until("its books are ours", || {
        kill_exchange(&dir);
        books.try_lock().is_ok()
    });
    wait_until("it is told", || trouble(&dir).is_some());
    let text = trouble(&dir).unwrap();
    assert!(text.contains(", since ") && text.ends_with(" s"), "{text}");
    assert!(daemon.alive(), "it waits for the venue");
    books.unlock().unwrap();
    wait_until("it goes on", || trouble(&dir).is_none());
    let back = exchange(&dir).expect("an exchange runs again");
    assert!(crate::kit::runs(back));
    let closes = || ask(&dir, &["status"])["closes"].as_u64().unwrap();
    let before = closes();
    wait_until("closes come again", || closes() > before);
    daemon.signal("-INT");
    let (status, _, err) = daemon.end();
    assert_eq!(status.code(), Some(0), "{err}");
    assert_eq!(ask(&dir, &["verify"])["problems"], serde_json::json!([]));
}
